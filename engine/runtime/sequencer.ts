/**
 * Gives every command its seq and the exchange its time; nobody else reads a clock. Time enters the
 * journal as Time commands, so a replay sees the same time at the same place.
 *
 * Invariant: seq has no gap, time never goes back: a clock that jumps back changes nothing until it
 * has passed the largest time given so far.
 */
import { CommandKind } from '../codes.js'
import { COMMAND_WORDS, Cmd, TimeCmd } from '../layout.js'

/** Milliseconds since 1970 UTC; may jump in either direction. */
export type WallClock = () => number

export class Sequencer {
  /** Last seq given. */
  seq: number
  /** Engine time in ms: the largest clock reading that was sequenced. */
  timeMs: number
  private readonly clock: WallClock

  /** Continues after `seq` and `timeMs`, which recovery found. */
  constructor(seq: number, timeMs: number, clock: WallClock) {
    this.seq = seq
    this.timeMs = timeMs
    this.clock = clock
  }

  /** The clock's reading in whole ms, wherever it has jumped. */
  now(): number {
    return Math.floor(this.clock())
  }

  /**
   * Writes a Time command at command index 0 of `words` when the clock has moved past the engine's
   * time, or when the engine has work left that only a Time command goes on with (`isPending`); returns the
   * number of commands written (0 or 1). A reading that is no number, or lies back, leaves the time as it is.
   */
  stampTime(words: Int32Array, floats: Float64Array, isPending: boolean): number {
    const now = this.now()
    const moved = now > this.timeMs && now <= Number.MAX_SAFE_INTEGER
    if (!moved && !isPending) return 0
    if (moved) this.timeMs = now
    words.fill(0, 0, COMMAND_WORDS)
    words[Cmd.KIND] = CommandKind.Time
    floats[TimeCmd.TIME_MS_F64] = this.timeMs
    return 1
  }

  /** Takes the next `count` seqs and returns the first of them. */
  take(count: number): number {
    const first = this.seq + 1
    this.seq += count
    return first
  }
}
