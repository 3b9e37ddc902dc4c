/** What is said of params that are not as they must be: name, value, what is allowed; nothing of a library. */
import { Method } from '../../sdk/wire/layout.js'
import { type MethodSchema, methods } from '../../sdk/wire/schema.js'
import { jsonSchema } from './documents.js'
import { paramRefusal } from './param-refusals.js'

function refusal(method: Method, params: unknown): string {
  const parsed = (methods[method] as MethodSchema).params.safeParse(params)
  if (parsed.success) throw new Error(`${method} takes ${JSON.stringify(params)}`)
  return paramRefusal(method, params, parsed.error.issues[0])
}

test.each([
  [Method.Depth, ['x', 5], /^params\.market: is "x"; it must be a whole number from 0 to \d+$/],
  [Method.Depth, [1.5, 5], /^params\.market: is 1\.5; it must be a whole number from 0 to \d+$/],
  [Method.Depth, [0, 1e6], /^params\.depth: is 1000000; it must be a whole number from 1 to \d+$/],
  [Method.Depth, [0], /^params: is an array of 1, but depth takes an array of: market, depth$/],
  [Method.Depth, [0, 5, 6], /^params: is an array of 3, but depth takes an array of: market, depth$/],
  [Method.Depth, null, /^params: is null, but depth takes an array of: market, depth$/],
  [Method.Time, [1], /^params: is an array of 1, but time takes an array of: none$/],
  [Method.Candles, [0, '7m', 5], /^params\.interval: is "7m"; it must be one of 1s, 1m, /],
  [Method.Account, ['0x12'], /^params\.owner: is "0x12"; it must be Ethereum address of the form \^0x/],
  [Method.CancelOnDisconnect, [1], /^params\.on: is 1; it must be true or false$/],
  [Method.Subscribe, [7], /^params\.stream: is 7; it must be text of at most 40 characters$/],
  [Method.Nonces, [-1], /^params\.account: is -1; it must be a whole number from 0 to \d+$/],
  [Method.Order, ['x'], /^params\.id: is "x"; it must be an object of cloid, or an object of orderId$/],
  [
    Method.Order,
    [{ cloid: 1, orderId: 2 }],
    /^params\.id: is an object; it must be an object of cloid, or an object of orderId$/,
  ],
  [Method.Orders, [{ limit: 'x' }], /^params\.limit: is "x"; it must be a whole number from 1 to \d+$/],
])('%s %j', (method, params, text) => {
  expect(refusal(method, params)).toMatch(text)
})

test('no method answers in the words of a library, or by positions', () => {
  for (const method of Object.values(Method))
    for (const params of [
      null,
      {},
      [],
      ['x'],
      ['x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'],
      [-1],
      [{ x: 1 }],
      [null, null],
    ]) {
      const parsed = (methods[method] as MethodSchema).params.safeParse(params)
      if (parsed.success) continue
      const text = paramRefusal(method, params, parsed.error.issues[0])
      expect(text).toMatch(/^params(\.[a-zA-Z.]+)?: /)
      expect(text).not.toMatch(/Invalid input|expected (number|string|int|array)|Too (big|small)/)
    }
})

test('no method takes an object with a field that it does not know', () => {
  const open: string[] = []
  const look = (method: Method, node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { type, additionalProperties } = node as { type?: unknown; additionalProperties?: unknown }
    if (type === 'object' && additionalProperties !== false) open.push(method)
    for (const inner of Object.values(node)) look(method, inner)
  }
  for (const method of Object.values(Method))
    look(method, jsonSchema((methods[method] as MethodSchema).params))
  expect(open).toEqual([])
})
