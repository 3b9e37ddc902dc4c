/** Events that are kept for who comes back: which of them follow a seq, and that old ones give way. */
import { EventMemory, KeptEvents } from './kept-events.js'

const seqs = (kept: KeptEvents, seq: number): number[] => kept.after(seq).map((event) => event.seq)

test('behind a seq stand the events above it, whether one has that seq or none', () => {
  const kept = new KeptEvents(100, 1e6, new EventMemory(1e6))
  for (const seq of [2, 5, 5, 9]) kept.add({ seq, data: [seq] } as never)
  expect([0, 2, 4, 5, 8, 9, 10].map((seq) => seqs(kept, seq))).toEqual([
    [2, 5, 5, 9],
    [5, 5, 9],
    [5, 5, 9],
    [9],
    [9],
    [],
    [],
  ])
  expect(kept.firstAfter(5)?.seq).toBe(9)
  expect(kept.firstAfter(9)).toBeUndefined()
})

test('the oldest give way, at the number that is kept and not before', () => {
  const memory = new EventMemory(1e6)
  const kept = new KeptEvents(3, 1e6, memory)
  for (let seq = 1; seq <= 3; seq++) kept.add({ seq, data: [seq] } as never)
  const { bytes } = kept
  expect(seqs(kept, 0)).toEqual([1, 2, 3])
  for (let seq = 4; seq <= 300; seq++) {
    kept.add({ seq, data: [seq % 10] } as never)
    expect(seqs(kept, 0)).toEqual([seq - 2, seq - 1, seq])
  }
  expect(kept.bytes).toBe(bytes)
  kept.clear()
  expect([kept.bytes, seqs(kept, 0)]).toEqual([0, []])
})

test('entries of one form: a sweep of thousands holds as many bytes as its entries one by one', () => {
  const entry = (seq: number): (number | bigint)[] => [seq, 4, 123456789012, 0x1234567890abcdefn, 0, 1]
  const one = new KeptEvents(10, 1e9, new EventMemory(1e9), true)
  const each = new KeptEvents(10, 1e9, new EventMemory(1e9))
  const data = Array.from({ length: 1000 }, (_, seq) => entry(seq))
  for (const kept of [one, each]) {
    kept.add({ seq: 1, data: [] } as never)
    kept.add({ seq: 1000, data } as never)
  }
  expect(one.bytes).toBe(each.bytes)
  expect(one.bytes).toBeGreaterThan(1000 * 6 * 8)
})

test('what gave way costs nothing more: each of many events is kept as quickly as the first', () => {
  const COUNT = 50_000
  /** Adds all of them, to a new one after each `together`; answers the milliseconds that it took. */
  const add = (together: number): number => {
    const fromMs = performance.now()
    for (let seq = 1, kept = fresh(); seq <= COUNT; seq++) {
      kept.add({ seq, data: [seq] } as never)
      if (seq === COUNT && together === COUNT) expect(seqs(kept, 0)).toEqual([COUNT - 2, COUNT - 1, COUNT])
      if (seq % together === 0) kept = fresh()
    }
    return performance.now() - fromMs
  }
  const fresh = (): KeptEvents => new KeptEvents(3, 1e6, new EventMemory(1e6))
  // Where the places of old events stay, one gets a thousand times as slow as many; the machine's pauses are left out.
  const tries = [1, 2, 3].map(() => ({ many: add(50), one: add(COUNT) }))
  const least = (times: readonly number[]): number => Math.min(...times)
  expect(least(tries.map(({ one }) => one))).toBeLessThan(30 * least(tries.map(({ many }) => many)))
})
