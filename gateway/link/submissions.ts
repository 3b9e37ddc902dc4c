/**
 * Commands of this thread that are in the engine's hands: pairs each submission with what comes back for
 * it. Used by frames.ts and by the methods that submit a command of their own.
 */
import type { Applied, EngineLink } from './engine-link.js'

/** Called for each message of what was applied; the last one has `more` false. */
export type OnApplied = (applied: Applied) => void

/**
 * When the engine's word is handed on: as soon as it is there, which may be before what stands before it has been told
 * of (what is kept here may be older than the answer); or in its turn, just before it is told of itself.
 */
export type When = 'at once' | 'in turn'

export class Submissions {
  readonly #link: EngineLink
  readonly #waiting: Readonly<Record<When, Map<number, OnApplied>>> = {
    'at once': new Map(),
    'in turn': new Map(),
  }

  constructor(link: EngineLink) {
    this.#link = link
  }

  get count(): number {
    return this.#waiting['at once'].size + this.#waiting['in turn'].size
  }

  /** Submits `count` records; false = the ring is full and nothing was taken. */
  submit(
    records: Int32Array,
    count: number,
    attachment: Uint8Array,
    attachmentKind: number,
    when: When,
    onApplied: OnApplied,
  ): boolean {
    const ticket = this.#link.submit(records, count, attachment, attachmentKind)
    if (ticket < 0) return false
    this.#waiting[when].set(ticket, onApplied)
    return true
  }

  /** Hands a message of this thread's own ticket to whoever waits for it now. */
  settle(applied: Applied, when: When): void {
    const waiting = this.#waiting[when]
    const onApplied = waiting.get(applied.ticket)
    if (onApplied === undefined) return
    if (!applied.more) waiting.delete(applied.ticket)
    onApplied(applied)
  }
}
