/** Seqs without gap, time that never goes back whatever the clock does. */
import { CommandKind } from '../codes.js'
import { COMMAND_WORDS, Cmd, TimeCmd } from '../layout.js'
import { Sequencer } from './sequencer.js'

describe('sequencer', () => {
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)

  test('continues where recovery stopped, without gap', () => {
    const sequencer = new Sequencer(41, 0, () => 0)
    expect([sequencer.take(3), sequencer.take(1), sequencer.seq]).toEqual([42, 45, 45])
  })

  test('time is the largest reading so far: a clock that jumps back changes nothing', () => {
    const readings = [1000, 1000.9, 1001.2, 400, -5, NaN, Infinity, 1001, 1002]
    let at = 0
    const sequencer = new Sequencer(0, 1000, () => readings[at]!)
    const stamped: (number | undefined)[] = []
    for (; at < readings.length; at++) {
      words.fill(-1)
      const count = sequencer.stampTime(words, floats, false)
      stamped.push(count === 0 ? undefined : floats[TimeCmd.TIME_MS_F64])
      if (count === 1) expect(words[Cmd.KIND]).toBe(CommandKind.Time)
      else expect(words[Cmd.KIND]).toBe(-1)
    }
    const none = undefined
    expect(stamped).toEqual([none, none, 1001, none, none, none, none, none, 1002])
    expect(sequencer.timeMs).toBe(1002)
  })
  test('work that is left asks for a command although the clock stands still, or has jumped back', () => {
    let now = 1000
    const sequencer = new Sequencer(0, 1000, () => now)
    const given: number[] = []
    for (now of [1000, 400, NaN, 1001]) {
      expect(sequencer.stampTime(words, floats, true)).toBe(1)
      given.push(floats[TimeCmd.TIME_MS_F64]!)
    }
    expect(given).toEqual([1000, 1000, 1000, 1001])
  })
})
