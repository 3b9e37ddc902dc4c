/** Snapshots that fail: one line, pauses that grow to a bound, a line when they go on. */
import { SNAPSHOT_RETRY_MS_MAX } from '../limits.js'
import { SnapshotTaker } from './snapshot-taker.js'

/** Looks once a second for `seconds`, as the exchange does; the seconds at which a snapshot was tried. */
async function lookFor(seconds: number, failsUntil: number) {
  const lines: string[] = []
  const tries: number[] = []
  let second = 0
  const taker = new SnapshotTaker({
    take: () => {
      tries.push(second)
      return second < failsUntil ? Promise.reject(new Error('ENOSPC: no space left')) : Promise.resolve(7)
    },
    onLog: (line) => lines.push(line),
    nowMs: () => second * 1000,
  })
  for (; second < seconds; second++) await taker.takeIfDue()
  return { lines, tries, taker }
}

describe('snapshots', () => {
  test('that fail are told once and tried after pauses that grow to a bound', async () => {
    const { lines, tries } = await lookFor(600, Infinity)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('ENOSPC')
    const pauses = tries.slice(1).map((at, index) => at - tries[index]!)
    expect(pauses.slice(0, 7)).toEqual([1, 2, 4, 8, 16, 32, 60])
    expect(new Set(pauses.slice(6))).toEqual(new Set([SNAPSHOT_RETRY_MS_MAX / 1000]))
  })

  test('that go on are told, and a later failure is a new one', async () => {
    const { lines, tries, taker } = await lookFor(8, 5)
    expect(tries).toEqual([0, 1, 3, 7])
    expect(lines).toEqual([expect.stringContaining('snapshot failed'), 'snapshots are written again: seq 7'])
    expect(taker.lastSeq).toBe(7)
    await taker.take()
    expect(lines[2]).toBe('snapshot at seq 7')
  })

  test('one at a time, and who asks for one hears why it failed', async () => {
    const started: ((error: Error) => void)[] = []
    const taker = new SnapshotTaker({
      take: () => new Promise((_resolve, reject) => started.push(reject)),
      onLog: () => {},
    })
    const asked = taker.take()
    await taker.takeIfDue()
    expect(started).toHaveLength(1)
    started[0]!(new Error('no room'))
    await expect(asked).rejects.toThrow('no room')
  })
})
