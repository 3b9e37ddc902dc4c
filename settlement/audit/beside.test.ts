/** Questions to a thread: answered in order, errors told to the one who asked, no answer after the end. */
import { Beside, ThreadStopped } from './beside.js'
import { FILL_BYTES, fillsRoot } from '../batch/fills-root.js'

describe('work beside the caller', () => {
  test('answers come in order, an error ends nothing, the end ends all', async () => {
    const thread = new Beside<Uint8Array, Uint8Array>(new URL('./fills-thread.js', import.meta.url))
    const leaves = (count: number): Uint8Array<ArrayBuffer> =>
      Uint8Array.from({ length: count * FILL_BYTES }, (_, at) => (at * 7 + count) & 0xff)
    const answers = [3, 1, 20].map((count) => thread.ask(leaves(count)))
    const partial = expect(thread.ask(new Uint8Array(FILL_BYTES + 1))).rejects.toThrow(RangeError)
    const given = leaves(5)
    const after = thread.ask(given, [given.buffer])
    expect(given).toHaveLength(0)
    expect(await Promise.all(answers)).toEqual([3, 1, 20].map((count) => fillsRoot(leaves(count))))
    await partial
    expect(await after).toEqual(fillsRoot(leaves(5)))
    const last = expect(thread.ask(new Uint8Array(200_000 * FILL_BYTES))).rejects.toThrow(ThreadStopped)
    await thread.close()
    await last
    await expect(thread.ask(leaves(1))).rejects.toThrow(ThreadStopped)
  })
})
