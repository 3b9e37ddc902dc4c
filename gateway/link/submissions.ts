/**
 * Commands of this thread that are in the engine's hands: pairs each submission with what comes back for
 * it. Used by frames.ts and by the methods that submit a command of their own.
 */
import type { Applied, EngineLink } from './engine-link.js'

/** Called for each message of what was applied; the last one has `more` false. */
export type OnApplied = (applied: Applied) => void

export class Submissions {
  readonly #link: EngineLink
  readonly #waiting = new Map<number, OnApplied>()

  constructor(link: EngineLink) {
    this.#link = link
  }

  get count(): number {
    return this.#waiting.size
  }

  /** Submits `count` records; false = the ring is full and nothing was taken. */
  submit(
    records: Int32Array,
    count: number,
    attachment: Uint8Array,
    attachmentKind: number,
    onApplied: OnApplied,
  ): boolean {
    const ticket = this.#link.submit(records, count, attachment, attachmentKind)
    if (ticket < 0) return false
    this.#waiting.set(ticket, onApplied)
    return true
  }

  /** Hands a message of this thread's own ticket to whoever waits for it. */
  settle(applied: Applied): void {
    const onApplied = this.#waiting.get(applied.ticket)
    if (onApplied === undefined) return
    if (!applied.more) this.#waiting.delete(applied.ticket)
    onApplied(applied)
  }
}
