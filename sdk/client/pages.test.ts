/** Questions that read page after page: all of it comes, each once, and whether something is missing is kept. */
import { type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { type Client, createClient } from '../index.js'
import { Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

let exchange: FakeExchange
let client: Client
beforeAll(async () => {
  exchange = await startFakeExchange()
  client = await createClient({ url: exchange.url, requestTimeoutMs: 60_000 }).connect()
})
afterAll(() => {
  client.close()
  exchange.close()
})

const PAGE = 1000
/** Three fills a seq, so that pages end within one. */
const fills = Array.from({ length: 2500 }, (_, at): WireValue[] => [
  ...[1 + Math.floor(at / 3), at % 3, 0, 0, 100, 1, 0, 1, 7, 5n, 0, 0],
])

/** Answers `fills` as an exchange with these does; the page that begins at `gapAt` says that some are missing. */
function serve(gapAt?: number): void {
  exchange.requests.length = 0
  exchange.answer = ({ method, params }) => {
    if (method !== Method.Fills) return undefined
    const { afterSeq = 0, afterIndex = Infinity, limit = PAGE } = (params[0] ?? {}) as Record<string, number>
    const from = fills.findIndex((row) => {
      const [seq, index] = row as readonly number[]
      return seq! > afterSeq || (seq === afterSeq && index! > afterIndex)
    })
    const page = fills.slice(from, from + limit)
    return { result: { fills: page, complete: from !== gapAt, more: from + limit < fills.length } }
  }
}
const namesOf = (rows: readonly { seq: number; index: number }[]): string[] =>
  rows.map(({ seq, index }) => `${seq}:${index}`)
const all = fills.map(([seq, index]) => `${String(seq)}:${String(index)}`)

test('fills come from every page, behind the position that was given', async () => {
  serve()
  const { fills: found, complete } = await client.fills()
  expect(namesOf(found)).toEqual(all)
  expect(complete).toBe(true)
  expect(exchange.count(Method.Fills)).toBe(3)
  const behind = await client.fills({ afterSeq: 5, afterIndex: 0 })
  expect(namesOf(behind.fills)).toEqual(all.slice(all.indexOf('5:0') + 1))
  expect(await client.fillsPage({ afterSeq: 5, limit: 2 })).toMatchObject({
    fills: [
      { seq: 6, index: 0 },
      { seq: 6, index: 1 },
    ],
    complete: true,
    more: true,
  })
})

test.each([0, 1000, 2000])('fills that are missing before page %i are told', async (gapAt) => {
  serve(gapAt)
  const { fills: found, complete } = await client.fills()
  expect([found.length, complete]).toEqual([fills.length, false])
})

test.each([
  [Method.Fills, () => client.fills(), { fills: [], complete: true, more: true }],
  [Method.Orders, () => client.orders(), { orders: [], more: true }],
] as const)(
  '%s that say more and bring nothing are refused, not asked for again',
  async (method, ask, result) => {
    exchange.requests.length = 0
    exchange.answer = (request) => (request.method === method ? { result } : undefined)
    await expect(ask()).rejects.toMatchObject({ name: 'FieldError' })
    expect(exchange.count(method)).toBe(1)
  },
)
