/**
 * The main thread's own way into the engine: what the chain watcher submits (accounts, deposits) goes in
 * as commands like any other's, and comes back applied and durable. Also counts what passes, for the
 * status line.
 */
import { CommandKind, EventKind, Reject, rejectNames } from '../../engine/codes.js'
import { EVENT_WORDS, Ev, RejectedEv, WithdrawnEv, kindOf } from '../../engine/layout.js'
import { AttachmentKind } from '../../engine/messages.js'
import { type Applied, EngineLink, type EngineLinkOptions } from '../../gateway/link/engine-link.js'
import { OPERATOR_RETRY_MS } from '../limits.js'

export class OperatorLink {
  readonly #link: EngineLink
  readonly #waiting = new Map<number, (rejectCode: number) => void>()
  /** Resolves when the engine has ended and nothing comes any more. */
  readonly ended: Promise<void>
  /** Orders accepted and fills made since the start. */
  orders = 0
  fills = 0

  /** Told of each deposit from the chain that the engine could not keep: it goes back to its owner as a claim. */
  readonly #onReturned: (text: string) => void

  constructor(options: EngineLinkOptions, onReturned: (text: string) => void) {
    this.#onReturned = onReturned
    this.#link = new EngineLink(options)
    this.ended = this.#link.run({
      settled: () => {},
      applied: (applied) => this.#applied(applied),
      answered: () => {},
      flush: () => {},
      stopped: () => {},
    })
  }

  get sequencedSeq(): number {
    return this.#link.control.sequencedSeq
  }
  get durableSeq(): number {
    return this.#link.control.durableSeq
  }

  /**
   * Submits one command record; resolves with its reject code (0 = taken) once it is durable. Waits while
   * the ring is full. Never resolves when the exchange ends first.
   */
  async submit(record: Int32Array, attachment: Uint8Array): Promise<number> {
    for (;;) {
      const ticket = this.#link.submit(record, 1, attachment, AttachmentKind.Chain)
      if (ticket >= 0) return new Promise((resolve) => this.#waiting.set(ticket, resolve))
      await new Promise((resolve) => setTimeout(resolve, OPERATOR_RETRY_MS))
    }
  }

  /** Submits nothing any more; goes on reading, so that the engine can end. */
  leave(): void {
    this.#link.leave()
  }

  #applied({ words, floats, at, count, ticket }: Applied): void {
    let code = 0
    for (let event = 0, offset = at; event < count; event++, offset += EVENT_WORDS) {
      const kind = kindOf(words[offset + Ev.KIND]!)
      if (kind === EventKind.Accepted) this.orders++
      else if (kind === EventKind.Fill) this.fills++
      else if (kind === EventKind.Rejected && words[offset + RejectedEv.COMMAND] !== CommandKind.Time)
        code = words[offset + RejectedEv.CODE]!
      else if (kind === EventKind.Withdrawn && words[offset + WithdrawnEv.CODE] !== Reject.None)
        this.#onReturned(
          `a deposit of ${floats[(offset >> 1) + WithdrawnEv.UNITS_F64]} units of asset ${words[offset + WithdrawnEv.ASSET]} for account ` +
            `${words[offset + WithdrawnEv.ACCOUNT]} goes back to its owner: ${rejectNames[words[offset + WithdrawnEv.CODE]!]}`,
        )
    }
    const resolve = this.#waiting.get(ticket)
    if (resolve === undefined) return
    this.#waiting.delete(ticket)
    resolve(code)
  }
}
