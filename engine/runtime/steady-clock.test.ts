/** Clocks that were or are wrong: what is refused, what is not followed, what is taken when told. */
import { CLOCK_JUMP_MS_MAX } from '../limits.js'
import { SteadyClock, clockBehind } from './steady-clock.js'

const START_MS = 1_700_000_000_000
const HOUR_MS = 3_600_000

class Clocks {
  wallMs = START_MS
  monotonicMs = 5000
  lines: string[] = []
  baseMs = NaN
  /** Both clocks go on; the wall clock jumps besides. */
  pass(ms: number, jumpMs = 0): void {
    this.wallMs += ms + jumpMs
    this.monotonicMs += ms
  }
  clock(timeMs: number, accept: boolean): SteadyClock {
    return new SteadyClock({
      wall: () => this.wallMs,
      monotonic: () => this.monotonicMs,
      timeMs,
      accept,
      onTrouble: (line) => this.lines.push(line),
      onBase: (baseMs) => (this.baseMs = baseMs),
    })
  }
}

test('a clock behind the journal by more than a minute is named, with both moments', () => {
  expect(clockBehind(START_MS, START_MS - CLOCK_JUMP_MS_MAX)).toBeUndefined()
  expect(clockBehind(START_MS, START_MS + 400 * 24 * HOUR_MS)).toBeUndefined()
  expect(clockBehind(START_MS, START_MS - HOUR_MS)).toMatch(
    /2023-11-14T21:13:20.000Z.*2023-11-14T22:13:20.000Z.*3600 s behind.*--accept-clock/,
  )
})

test('a clock in step is followed exactly, small corrections included', () => {
  const clocks = new Clocks()
  const clock = clocks.clock(START_MS - 10, false)
  for (const jumpMs of [0, 40, -2000, CLOCK_JUMP_MS_MAX, -CLOCK_JUMP_MS_MAX]) {
    clocks.pass(1000, jumpMs)
    expect(clock.now()).toBe(clocks.wallMs)
    // Readers of the monotonic clock are told of each correction that they could notice.
    expect(Math.abs(clocks.baseMs + clocks.monotonicMs - clocks.wallMs)).toBeLessThanOrEqual(2)
  }
  expect(clocks.lines).toEqual([])
})

test.each([HOUR_MS, 400 * 24 * HOUR_MS, -HOUR_MS])('a jump of %d ms is not followed', (jumpMs) => {
  const clocks = new Clocks()
  const clock = clocks.clock(START_MS, false)
  clocks.pass(1000, jumpMs)
  expect(clock.now()).toBe(START_MS + 1000)
  expect(clocks.lines).toEqual([expect.stringContaining('THE CLOCK JUMPED')])
  clocks.pass(30_000)
  expect(clock.now()).toBe(START_MS + 31_000)
  expect(clocks.lines).toHaveLength(1)
  clocks.pass(30_000)
  clock.now()
  // Told again each minute.
  expect(clocks.lines).toHaveLength(2)
  expect(clocks.baseMs).toBe(START_MS - 5000)
  clocks.pass(0, -jumpMs)
  expect(clock.now()).toBe(clocks.wallMs)
  expect(clocks.baseMs).toBe(START_MS - 5000)
  expect(clocks.lines.at(-1)).toMatch('right again')
})

test('a second jump within a minute of the first is told too, a correction of a second is not', () => {
  const clocks = new Clocks()
  const clock = clocks.clock(START_MS, false)
  for (const jumpMs of [HOUR_MS, 1000, 24 * HOUR_MS, 0, -1000, -26 * HOUR_MS]) {
    clocks.pass(1000, jumpMs)
    clock.now()
  }
  expect(clocks.lines.map((line) => /jumped by (-?\d+) s/i.exec(line)?.[1])).toEqual([
    '3600',
    '90001',
    '-3600',
  ])
  expect(clock.now()).toBe(START_MS + 6000)
})

test('accepted: engine time goes on from the journal at the pace of the clock', () => {
  const clocks = new Clocks()
  const clock = clocks.clock(START_MS + HOUR_MS, true)
  expect(clock.now()).toBe(START_MS + HOUR_MS)
  clocks.pass(5000)
  expect(clock.now()).toBe(START_MS + HOUR_MS + 5000)
  expect(clocks.baseMs).toBe(START_MS + HOUR_MS - 5000)
  expect(clocks.lines).toEqual([expect.stringContaining('3600 s behind the journal')])
})

test('accepted: a jump ahead is followed, one back does not stop time', () => {
  const clocks = new Clocks()
  const clock = clocks.clock(START_MS, true)
  clocks.pass(1000, HOUR_MS)
  expect(clock.now()).toBe(clocks.wallMs)
  const before = clock.now()
  clocks.pass(1000, -HOUR_MS)
  expect(clock.now()).toBe(before + 1000)
  expect(clocks.lines).toHaveLength(2)
})
