/**
 * The clock that the sequencer reads: the wall clock, as long as it goes as fast as the machine's monotonic
 * clock. A wall clock that jumps by more than a minute is not followed: time goes on at the monotonic
 * clock's pace, and the operator is told, again each minute and when it jumps once more, until the clock is right or the exchange is
 * started anew. So an hour that was wrong for a moment does not stand in the journal for ever, where every
 * deadline would be measured against it.
 *
 * With `accept` (`start --accept-clock`) jumps are followed; and where the clock is behind the journal, time
 * goes on from the journal's last moment at the clock's pace, so that deadlines fire and sessions can be made.
 */
import { CLOCK_JUMP_MS_MAX, CLOCK_TELL_BASE_MS, CLOCK_TELL_EVERY_MS } from '../limits.js'
import type { WallClock } from './sequencer.js'

export interface SteadyClockOptions {
  /** Milliseconds since 1970. */
  readonly wall: WallClock
  /** Milliseconds since any moment; never jumps. */
  readonly monotonic: WallClock
  /** Engine time of the journal's end. */
  readonly timeMs: number
  readonly accept: boolean
  readonly onTrouble: (line: string) => void
  /** Told when what this clock is ahead of the monotonic one has become another amount, in ms. */
  readonly onBase: (baseMs: number) => void
}

/** The clock is so far behind the journal that a start on it would stop all time; undefined = it is not. */
export function clockBehind(timeMs: number, nowMs: number): string | undefined {
  const behindMs = timeMs - nowMs
  if (!(behindMs > CLOCK_JUMP_MS_MAX)) return undefined
  return (
    `the clock says ${iso(nowMs)}, the journal ends at ${iso(timeMs)}: ${seconds(behindMs)} s behind, at most ` +
    `${seconds(CLOCK_JUMP_MS_MAX)} s are taken. Set the clock right; if it is right and was ahead before, start with ` +
    `--accept-clock: engine time then goes on from the journal's`
  )
}

export class SteadyClock {
  readonly #options: SteadyClockOptions
  /** Wall time less monotonic time when both were last in step. */
  #base: number
  /** What engine time is ahead of the wall clock, on purpose. */
  #ahead = 0
  #isWrong = false
  #toldAtMs = 0
  /** The jump that was told last. */
  #toldJumpMs = 0
  #toldBaseMs = NaN

  constructor(options: SteadyClockOptions) {
    this.#options = options
    const wallMs = options.wall()
    this.#base = wallMs - options.monotonic()
    if (options.accept && clockBehind(options.timeMs, wallMs) !== undefined) {
      this.#ahead = options.timeMs - wallMs
      options.onTrouble(
        `the clock is ${seconds(this.#ahead)} s behind the journal and was accepted: engine time goes on from ${iso(options.timeMs)}`,
      )
    }
  }

  /** Engine time may be this now; never jumps unless jumps are accepted. */
  now(): number {
    const { wall, monotonic, accept } = this.#options
    const monotonicMs = monotonic()
    const wallMs = wall()
    const jumpMs = wallMs - monotonicMs - this.#base
    if (Math.abs(jumpMs) <= CLOCK_JUMP_MS_MAX) {
      this.#base += jumpMs
      if (this.#isWrong) this.#told('the clock is right again and is followed')
      this.#isWrong = false
      return this.#tell(monotonicMs, wallMs + this.#ahead)
    }
    if (accept) {
      this.#base += jumpMs
      // Backwards: the journal's time cannot, so it goes on from where it is.
      this.#ahead = Math.max(0, this.#ahead - jumpMs)
      this.#told(`the clock jumped by ${seconds(jumpMs)} s, which was accepted`)
    } else if (this.#isNews(jumpMs, monotonicMs)) {
      this.#isWrong = true
      this.#toldAtMs = monotonicMs
      this.#toldJumpMs = jumpMs
      this.#told(
        `THE CLOCK JUMPED by ${seconds(jumpMs)} s to ${iso(wallMs)} and is not followed: engine time goes on at ` +
          `${iso(monotonicMs + this.#base)}. Set the clock right, or start again (with --accept-clock jumps are followed)`,
      )
    }
    return this.#tell(monotonicMs, Math.floor(monotonicMs + this.#base) + this.#ahead)
  }

  /** Whether a clock that is not followed is to be told: for the first time, a minute later, or since it jumped again. */
  #isNews(jumpMs: number, monotonicMs: number): boolean {
    if (!this.#isWrong || monotonicMs - this.#toldAtMs >= CLOCK_TELL_EVERY_MS) return true
    return Math.abs(jumpMs - this.#toldJumpMs) > CLOCK_JUMP_MS_MAX
  }

  #tell(monotonicMs: number, timeMs: number): number {
    const baseMs = timeMs - monotonicMs
    if (!(Math.abs(baseMs - this.#toldBaseMs) <= CLOCK_TELL_BASE_MS)) {
      this.#toldBaseMs = baseMs
      this.#options.onBase(baseMs)
    }
    return timeMs
  }

  #told(line: string): void {
    this.#options.onTrouble(line)
  }
}

const seconds = (ms: number): number => Math.round(ms / 1000)
const iso = (ms: number): string => {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString()
}
