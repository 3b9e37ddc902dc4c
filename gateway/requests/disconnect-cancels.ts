/**
 * Cancels an account's orders when a connection that asked for it ends. Should this gateway die, all its connections
 * end with it, and who outlives it (bridge.ts) has to do it: each change is told there first, and a client is answered
 * only when it is known there.
 */
import { CancelReason } from '../../engine/codes.js'
import { AttachmentKind } from '../../engine/messages.js'
import { commandRecord } from '../../engine/records/access.js'
import type { Connection } from '../connections/connection.js'
import type { EngineLink } from '../link/engine-link.js'
import type { FromGateway } from '../link/messages.js'
import type { Submissions } from '../link/submissions.js'
import { RING_RETRY_MS } from '../limits.js'

const NO_BYTES = new Uint8Array(0)

/** The command that cancels all orders of an account; with this reason the engine takes it without a frame. */
export function disconnectCancel(account: number): Int32Array {
  return commandRecord('CancelAll', { account, reason: CancelReason.Disconnect })
}

export class DisconnectCancels {
  readonly #link: EngineLink
  readonly #submissions: Submissions
  readonly #post: (message: FromGateway) => void
  /** Connections of each account that asked for it and have not been answered for. */
  readonly #connections = new Map<number, number>()
  readonly #waiting = new Map<number, () => void>()
  #nextTicket = 1

  constructor(link: EngineLink, submissions: Submissions, post: (message: FromGateway) => void) {
    this.#link = link
    this.#submissions = submissions
    this.#post = post
  }

  /** Whether the end of the connection cancels its account's orders; resolves when that holds if this gateway dies, too. */
  set(connection: Connection, on: boolean): Promise<void> {
    const before = connection.cancelOnDisconnect
    const now = on ? connection.account : undefined
    connection.cancelOnDisconnect = now
    if (before !== undefined && before !== now) void this.#change(before, -1)
    const account = now ?? before
    if (account === undefined) return Promise.resolve()
    return this.#change(account, now === undefined || now === before ? 0 : 1)
  }

  /** The connection has ended. */
  closed(connection: Connection): void {
    const account = connection.cancelOnDisconnect
    if (account !== undefined) this.#cancelAll(account)
  }

  /** What was told with `ticket` is known. */
  told(ticket: number): void {
    this.#waiting.get(ticket)?.()
    this.#waiting.delete(ticket)
  }

  #cancelAll(account: number): void {
    const taken = this.#submissions.submit(
      disconnectCancel(account),
      1,
      NO_BYTES,
      AttachmentKind.None,
      'in turn',
      ({ more }) => {
        // Not before: until then this gateway may die and take the command with it.
        if (!more) void this.#change(account, -1)
      },
    )
    // The ring is full: the next turn of the event loop has made room, or the engine has ended.
    if (!taken && !this.#link.ended) setTimeout(() => this.#cancelAll(account), RING_RETRY_MS)
  }

  /** `by` more connections of the account ask for it. */
  #change(account: number, by: number): Promise<void> {
    const connections = (this.#connections.get(account) ?? 0) + by
    if (connections === 0) this.#connections.delete(account)
    else this.#connections.set(account, connections)
    const ticket = this.#nextTicket++
    return new Promise((resolve) => {
      this.#waiting.set(ticket, resolve)
      this.#post({ type: 'guard', ticket, account, connections })
    })
  }
}
