/**
 * One client's WebSocket as the gateway sees it: who is logged on, which frames are under way, which
 * streams it follows, and what waits to be sent. Created by clients.ts on open, dead after close.
 *
 * Invariant: what is sent leaves in the order in which it was handed over; nothing is handed to a socket
 * after its close. Messages gather in an outbox and leave together at `flush`, in one system call.
 */
import { ErrorCode, closeCode, errorName } from '../../sdk/wire/codes.js'
import type { Codec } from '../../sdk/wire/codec.js'
import { Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { SessionInfo } from '../sessions/directory.js'
import type { BackendSocket } from '../sockets/backend.js'
import { PIECE_BYTES } from '../limits.js'

export type Encoded = string | Uint8Array<ArrayBuffer>

/** What is kept for a socket from its upgrade on. */
export interface SocketData {
  readonly codec: Codec
  readonly ip: string
  connection?: Connection
}
export type ClientSocket = BackendSocket<SocketData>

/** What travels in an error message beside its code and name. */
export interface ErrorDetails {
  readonly message: string
  /** Milliseconds after which it is worth trying again. */
  readonly retryAfter?: number
  readonly details?: WireValue
}

export interface ConnectionOptions {
  readonly id: number
  readonly socket: ClientSocket
  readonly codec: Codec
  readonly ip: string
  /** 32 random bytes that a logon on this connection must sign. */
  readonly challenge: Uint8Array
  /** Unsent bytes at which a connection that must not lose anything is closed. */
  readonly unsentBytesMax: number
  /** Called when the outbox turns from empty to not empty. */
  readonly onDirty: (connection: Connection) => void
  /** Called for each error that is sent. */
  readonly onRefused: (code: number) => void
  /** Called when another account, or none, is logged on. */
  readonly onAccount?: (before: number | undefined, now: number | undefined) => void
}

export class Connection {
  readonly id: number
  readonly codec: Codec
  readonly ip: string
  readonly challenge: Uint8Array
  /** A logon is under way: another one is refused until it has its answer. */
  loggingOn = false
  #session: SessionInfo | undefined
  /** Account whose orders go when this connection ends, whatever has become of the session by then. */
  cancelOnDisconnect: number | undefined
  /** Its session signed a challenge before it became this connection's. */
  readonly isLoggedOn = true
  /** Frames received and not yet answered. */
  framesInFlight = 0
  /** Seq that has to be told of before its next message, a request, is answered; it waits for none that has been. */
  awaitedSeq = 0
  /** Messages that were no messages; too many close the connection. */
  malformed = 0
  closed = false
  /** It was refused too often: what it sends is not looked at any more, and it is closed after its last error. */
  ending = false
  /** When it was last told that a budget is nearly spent. */
  warnedAtMs = -Infinity
  /** When a message or a pong last came, and whether it has been pinged since; of performance.now(). */
  heardAtMs = performance.now()
  pingedAtMs = 0
  /** It has been told that it reads too slowly. */
  slow = false
  readonly #socket: ClientSocket
  readonly #unsentBytesMax: number
  readonly #onDirty: (connection: Connection) => void
  readonly #onRefused: (code: number) => void
  readonly #onAccount: (before: number | undefined, now: number | undefined) => void
  #outbox: Encoded[] = []
  #outboxBytes = 0

  constructor(options: ConnectionOptions) {
    this.id = options.id
    this.codec = options.codec
    this.ip = options.ip
    this.challenge = options.challenge
    this.#socket = options.socket
    this.#unsentBytesMax = options.unsentBytesMax
    this.#onDirty = options.onDirty
    this.#onRefused = options.onRefused
    this.#onAccount = options.onAccount ?? (() => {})
  }

  /** Who is logged on. */
  get session(): SessionInfo | undefined {
    return this.#session
  }

  set session(session: SessionInfo | undefined) {
    const before = this.#session?.account
    this.#session = session
    if (before !== session?.account) this.#onAccount(before, session?.account)
  }

  get account(): number | undefined {
    return this.session?.account
  }

  /** Bytes that the client has not read yet, as far as this process knows. */
  get unsentBytes(): number {
    return this.closed ? 0 : this.#outboxBytes + this.#socket.getBufferedAmount()
  }

  send(message: WireValue): void {
    this.sendEncoded(this.codec.encode(message))
  }

  /** Hands over bytes that were encoded for this connection's codec. Closes a client that does not read. */
  sendEncoded(data: Encoded): void {
    if (this.closed) return
    if (this.#outbox.length === 0) this.#onDirty(this)
    this.#outbox.push(data)
    this.#outboxBytes += data.length
    this.closeIfFull()
  }

  /** Closes a client for which more waits than may: it sends, and does not read. */
  closeIfFull(): void {
    if (this.unsentBytes > this.#unsentBytesMax) {
      this.close(ErrorCode.SlowConsumer, `more than ${this.#unsentBytesMax} bytes wait to be read`)
    }
  }

  sendError(id: number | null, code: number, { message, retryAfter, details }: ErrorDetails): void {
    this.#onRefused(code)
    this.send([Kind.Error, id, code, { name: errorName(code), message, retryAfter, details }])
  }

  /** Sends what gathered since the last flush, in one system call. */
  flush(): void {
    if (this.closed || this.#outbox.length === 0) return
    const outbox = this.#outbox
    this.#outbox = []
    this.#outboxBytes = 0
    this.#socket.cork(() => {
      for (const data of outbox) sendWhole(this.#socket, data)
    })
  }

  /** Asks the client for a sign of life. */
  ping(): void {
    if (this.closed) return
    this.pingedAtMs = performance.now()
    this.#socket.ping()
  }

  /** Ends the connection for a 1xxx reason, with its close code. */
  close(code: number, reason: string): void {
    if (this.closed) return
    this.closed = true
    this.#outbox = []
    this.#outboxBytes = 0
    this.#socket.end(closeCode(code), reason.slice(0, 120))
  }

  /** The socket has closed: nothing may touch it any more. */
  markClosed(): void {
    this.closed = true
    this.#outbox = []
  }
}

/**
 * Sends a message, a large one in several WebSocket frames (RFC 6455, 5.4; every client joins them). In one
 * frame it must not go: of 16 KiB and more that the kernel takes in part, uWebSockets.js as packed for Node 20
 * (@rjweb/uws) loses as many bytes as the frame's header has, and everything behind is garbled.
 */
function sendWhole(socket: ClientSocket, data: Encoded): void {
  const isBinary = typeof data !== 'string'
  // A character of text is at most three bytes of UTF-8.
  if (isBinary ? data.length <= PIECE_BYTES : data.length <= PIECE_BYTES / 3) {
    socket.send(data, isBinary)
    return
  }
  const bytes = isBinary ? data : Buffer.from(data)
  let at = PIECE_BYTES
  socket.sendFirstFragment(bytes.subarray(0, at), isBinary)
  for (; at + PIECE_BYTES < bytes.length; at += PIECE_BYTES)
    socket.sendFragment(bytes.subarray(at, at + PIECE_BYTES))
  socket.sendLastFragment(bytes.subarray(at))
}
