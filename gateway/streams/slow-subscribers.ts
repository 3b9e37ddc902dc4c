/**
 * Conflation: which subscribers of one stream read too slowly, are skipped for it, and from where they have missed
 * something. Nothing more is sent to one until it has read (Stream.catchUp, called when its socket has drained), and
 * then it gets the newest state, or what it missed, in one go: fewer and fuller messages, never a gap.
 */
import { Control, Kind } from '../../sdk/wire/layout.js'
import type { Connection } from '../connections/connection.js'

export class SlowSubscribers {
  /** The last seq that each was sent. */
  readonly #lastSent = new Map<Connection, number>()
  readonly #stream: string
  /** Unread bytes of a connection from which it is skipped. */
  readonly #conflateBytes: number

  constructor(stream: string, conflateBytes: number) {
    this.#stream = stream
    this.#conflateBytes = conflateBytes
  }

  /** Whether what follows `lastSeq` is not to be sent to a subscriber, which is told so the first time. */
  skips(connection: Connection, lastSeq: number): boolean {
    if (this.#lastSent.has(connection)) return true
    if (connection.unsentBytes <= this.#conflateBytes) return false
    this.#lastSent.set(connection, lastSeq)
    if (!connection.slow) {
      connection.slow = true
      connection.send([Kind.Control, Control.Slow, { stream: this.#stream }])
    }
    return true
  }

  /** Seq from which on a subscriber was skipped, which it is no more; undefined = it was not. */
  take(connection: Connection): number | undefined {
    const lastSeq = this.#lastSent.get(connection)
    this.#lastSent.delete(connection)
    return lastSeq
  }
}
