/**
 * Whether what is kept from a stream is what the exchange has, and if not, since when not. Base of the book
 * and of the account's trackers; the stream tells it of gaps (StreamWatcher).
 */
import type { GlassbookError } from '../base/errors.js'

export class StreamState {
  #ready = false
  #rightUntilMs = -Infinity
  #error: GlassbookError | undefined
  #heardAtMs: () => number = () => performance.now()

  /**
   * True while this is all that the exchange has told, up to now. False before the first snapshot, and from
   * a missing message or a lost connection on until it has been made good: do not trade on it then.
   */
  get ready(): boolean {
    return this.#ready
  }

  /**
   * How long ago this was last known to be right, ms: while `ready`, since the exchange was last heard of on the
   * line; Infinity when it never was.
   */
  get ageMs(): number {
    return performance.now() - (this.#ready ? this.#heardAtMs() : this.#rightUntilMs)
  }

  /** When the exchange was last heard of, of performance.now(); without this, always now. */
  heardBy(heardAtMs: () => number): void {
    this.#heardAtMs = heardAtMs
  }

  /** Why nothing comes any more: the exchange refuses the stream. */
  get error(): GlassbookError | undefined {
    return this.#error
  }

  /** It may be wrong from now on. */
  lost(): void {
    if (!this.#ready) return
    this.#ready = false
    this.#rightUntilMs = this.#heardAtMs()
  }

  caughtUp(): void {
    this.#ready = true
  }

  ended(error: GlassbookError): void {
    this.lost()
    this.#error = error
  }
}
