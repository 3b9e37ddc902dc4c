/**
 * Pauses between attempts, all of which end at once when the client is closed; and how long they are.
 */
import { FIRST_PAUSE_MS } from '../limits.js'
export class Pauses {
  readonly #pending = new Map<() => void, ReturnType<typeof setTimeout>>()

  /** Resolves after `ms`, or when `endAll` is called. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(this.#pending.get(done))
        this.#pending.delete(done)
        resolve()
      }
      this.#pending.set(done, setTimeout(done, ms))
    })
  }

  endAll(): void {
    for (const done of [...this.#pending.keys()]) done()
  }
}

/** The longest pause before attempt `attempt` (from 0 up): doubles up to `maxMs`. */
export const backoffMs = (attempt: number, maxMs: number): number =>
  Math.min(maxMs, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 20))
