/**
 * How many frames of one address may be in the engine's hands: few at first, twice as many each time that as many came
 * back without a sweep, one behind a sweep. Why: what a frame does is known, and charged, only when it comes back, and
 * all that were sent before it are on their way; dozens of sweeps of a thousand fills would stand before everybody.
 * Who trades as most do has FRAMES_MAX on their way after a few answers. As in TCP (RFC 5681, section 3.1).
 */
import { BUCKETS_SWEPT, FRAMES_AT_FIRST, FRAMES_MAX, SLOW_START_MS } from '../limits.js'

class Window {
  size = FRAMES_AT_FIRST
  inFlight = 0
  /** Frames that came back without a sweep since the size last changed. */
  calm = 0
  atMs = 0
}

export class SlowStart {
  readonly #windows = new Map<string, Window>()

  get size(): number {
    return this.#windows.size
  }

  hasRoom(ip: string): boolean {
    const window = this.#windows.get(ip)
    return window === undefined || window.inFlight < window.size
  }

  sent(ip: string, nowMs: number): void {
    let window = this.#windows.get(ip)
    if (window === undefined) {
      this.#forget(nowMs)
      window = new Window()
      this.#windows.set(ip, window)
    }
    window.inFlight++
    window.atMs = nowMs
  }

  back(ip: string): void {
    const window = this.#windows.get(ip)
    if (window === undefined) return
    window.inFlight--
    if (++window.calm < window.size) return
    window.calm = 0
    window.size = Math.min(FRAMES_MAX, 2 * window.size)
  }

  /** A frame has swept; it is yet to come back, and does not count as calm. */
  swept(ip: string): void {
    const window = this.#windows.get(ip)
    if (window === undefined) return
    window.size = 1
    window.calm = -1
  }

  /** Who has sent nothing for a while begins anew. */
  #forget(nowMs: number): void {
    let looked = 0
    for (const [ip, window] of this.#windows) {
      if (++looked > BUCKETS_SWEPT) break
      this.#windows.delete(ip)
      if (window.inFlight > 0 || nowMs - window.atMs < SLOW_START_MS) this.#windows.set(ip, window)
    }
  }
}
