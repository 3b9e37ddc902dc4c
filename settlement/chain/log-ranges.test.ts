/** Ranges of blocks against an endpoint that answers so many at once: all are read, in order, or it is said which is not. */
import { RpcRequestError } from 'viem'
import { LogRanges, LogsRefused } from './log-ranges.js'

const refusal = (): Error =>
  new RpcRequestError({ body: {}, url: 'http://node', error: { code: -32005, message: 'too many blocks' } })

/** The pieces that are read of blocks 1 to 10 from an endpoint that answers `most` at once, from `oldest` on. */
async function pieces(most: number, oldest = 1): Promise<string[]> {
  const read: string[] = []
  let asked = 0
  const walk = new LogRanges(8).walk(1n, 10n, (from, to) => {
    if (++asked > 100) throw new Error('asked for ever')
    if (to - from >= BigInt(most) || from < BigInt(oldest)) throw refusal()
    return Promise.resolve(`${from}-${to}`)
  })
  for await (const { value } of walk) read.push(value)
  return read
}

test('a piece that is refused is halved, down to a single block, and pieces grow again', async () => {
  expect(await pieces(8)).toEqual(['1-8', '9-10'])
  expect(await pieces(3)).toEqual(['1-2', '3-4', '5-6', '7-8', '9-10'])
  expect(await pieces(1)).toEqual(['1-1', '2-2', '3-3', '4-4', '5-5', '6-6', '7-7', '8-8', '9-9', '10-10'])
})

test('a single block that is refused is named', async () => {
  const error: unknown = await pieces(8, 5).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(LogsRefused)
  expect((error as LogsRefused).block).toBe(1n)
})
