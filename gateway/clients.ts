/**
 * The clients of one gateway thread, from the opening of a socket to its end: what they send is paid for, waits for its
 * turn, is decoded, and goes to frames or requests; who is silent, expired or too often refused is ended.
 *
 * Called by net/server.ts for what sockets do, by gateway.ts at the end of each turn (`flush`) and for sweeps. What
 * the engine tells never comes through here: frames, requests and streams hand it to their connections.
 */
import { randomBytes } from 'node:crypto'
import { ErrorCode } from '../sdk/wire/codes.js'
import { readArray, readInt } from '../sdk/wire/fields.js'
import { CHALLENGE_BYTES, Control, Kind, Method } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import type { SessionName } from '../sdk/wire/signed.js'
import { PROTOCOL_VERSION } from '../sdk/wire/version.js'
import type { Figures } from './frames/figures.js'
import type { FrameIntake } from './frames/frames.js'
import { CROWDED_RETRY_MS, REQUEST_ID_MAX, SHUTDOWN_RETRY_MS, WAITING_BYTES_MAX } from './limits.js'
import { type Admission, Turns } from './limits/admission.js'
import type { Limits } from './limits/client-limits.js'
import type { DeploymentInfo } from './link/messages.js'
import type { DisconnectCancels } from './requests/disconnect-cancels.js'
import type { Requests } from './requests/requests.js'
import type { GatewayConfig } from './settings/config.js'
import type { PagedSnapshots } from './streams/paged-snapshot.js'
import type { Subscriptions } from './streams/subscriptions.js'
import { type ClientSocket, Connection, type SocketData } from './connections/connection.js'
import { type Unread, boundUnsent } from './connections/unsent.js'

/** The parts of a gateway that what clients send goes to. */
export interface ClientParts {
  readonly data: { readonly config: GatewayConfig; readonly deployment: DeploymentInfo }
  readonly epoch: number
  /** Up to where it was answered what commands came to, and up to where views and streams have been told. */
  readonly link: { readonly settledSeq: number; readonly handledSeq: number }
  /** Engine time, ms. */
  readonly timeMs: number
  /** Public key of receipts; undefined = none are given. */
  readonly receiptKey: WireValue | undefined
  readonly admission: Admission
  readonly limits: Limits
  readonly figures: Figures
  readonly frames: FrameIntake
  readonly requests: Requests
  readonly subscriptions: Subscriptions
  readonly snapshots: PagedSnapshots
  readonly disconnectCancels: DisconnectCancels
}

export class Clients {
  readonly #parts: ClientParts
  /** Answers over HTTP of which their clients have not read all. */
  readonly heldAnswers = new Set<Unread>()
  readonly #turns = new Turns(
    (connection, message, settledSeq) => this.#handle(connection, message, settledSeq),
    ({ awaitedSeq }) => awaitedSeq > this.#parts.link.handledSeq,
    () => this.#parts.link.settledSeq,
  )
  readonly #connections = new Set<Connection>()
  readonly #dirty = new Set<Connection>()
  #nextConnection = 1
  #sweptAtMs = 0
  #messagesOut = 0

  constructor(parts: ClientParts) {
    this.#parts = parts
  }

  /** Connections that are open. */
  get count(): number {
    return this.#connections.size
  }

  get messagesOut(): number {
    return this.#messagesOut
  }

  // ---- sockets (called by net/server.ts)

  open(socket: ClientSocket, { codec, ip }: SocketData): Connection {
    const connection = new Connection({
      id: this.#nextConnection++,
      socket,
      codec,
      ip,
      challenge: randomBytes(CHALLENGE_BYTES),
      unsentBytesMax: this.#parts.data.config.unsentBytesMax,
      onDirty: (dirty) => this.#dirty.add(dirty),
      onRefused: (code) => this.#refused(connection, code),
      onAccount: (before, now) => this.#parts.limits.loggedOn(before, now),
    })
    this.#connections.add(connection)
    const { chainId, vault, settlement } = this.#parts.data.deployment
    connection.send([
      Kind.Hello,
      PROTOCOL_VERSION,
      this.#parts.epoch,
      this.#parts.timeMs,
      connection.challenge,
      {
        chainId,
        vault,
        settlement,
        signedFrames: this.#parts.data.config.requireSignedFrames,
        receiptKey: this.#parts.receiptKey,
      },
    ])
    connection.flush()
    return connection
  }

  /** One message of a client, paid for before it is looked at; `message` is a view that dies with the call. */
  receive(connection: Connection, message: Uint8Array): void {
    if (connection.ending) return
    const refusal = this.#parts.admission.message(connection, message.length)
    if (refusal !== undefined) connection.sendError(null, refusal.code, refusal)
    else if (!this.#turns.take(connection, message)) {
      const message = `messages of ${WAITING_BYTES_MAX} bytes of this connection wait for their turn, which is the most`
      connection.sendError(null, ErrorCode.RateLimited, { message, retryAfter: CROWDED_RETRY_MS })
    } else return
    connection.flush()
  }

  /** An error goes to a client: one too many ends the connection, after it. */
  #refused(connection: Connection, code: number): void {
    this.#parts.figures.reject(code)
    if (connection.closed || connection.ending) return
    const bound = this.#parts.admission.refused(connection, code)
    if (bound === undefined) return
    const { perSecond, burst } = bound
    connection.ending = true
    queueMicrotask(() => {
      connection.flush()
      connection.close(
        ErrorCode.TooManyErrors,
        `refused more often than ${perSecond} a second, ${burst} at once; each error says why: correct that first`,
      )
    })
  }

  /** An error is the answer to an HTTP request or a handshake; answers whether it is to be told. */
  refusedOverHttp(ip: string, code: number, ends: boolean): boolean {
    this.#parts.figures.reject(code)
    return this.#parts.admission.refusedOverHttp(ip, code, ends)
  }

  /** False = it waits: its turn comes again. */
  #handle(connection: Connection, message: Uint8Array, settledSeq: number): boolean {
    if (connection.ending) return true
    let decoded: WireValue
    try {
      decoded = connection.codec.decode(message)
    } catch (error) {
      this.#malformed(connection, error instanceof Error ? error.message : 'not a message')
      connection.flush()
      return true
    }
    const isDone = this.#dispatch(connection, decoded, settledSeq)
    connection.flush()
    return isDone
  }

  #dispatch(connection: Connection, message: WireValue, settledSeq: number): boolean {
    let id: number
    let method: WireValue
    let params: WireValue
    try {
      const values = readArray(message, 'message', 4, 8)
      readInt(values[0], 'kind', Kind.Request, Kind.Request)
      id = readInt(values[1], 'id', 0, REQUEST_ID_MAX)
      method = values[2]!
      params = values[3]!
    } catch (error) {
      this.#malformed(connection, error instanceof Error ? error.message : 'not a request')
      return true
    }
    if (method === Method.Frame) this.#parts.frames.receive(connection, id, params)
    else if (method === Method.UnsignedFrame) this.#parts.frames.receiveUnsigned(connection, id, params)
    else {
      // Who was told what became of his order, before he asked, finds it in the answer.
      if (settledSeq > this.#parts.link.handledSeq) {
        connection.awaitedSeq = settledSeq
        return false
      }
      this.#parts.requests.receive(connection, id, method, params)
    }
    return true
  }

  #malformed(connection: Connection, message: string): void {
    connection.sendError(null, ErrorCode.MalformedMessage, { message })
    connection.malformed++
    if (connection.malformed > this.#parts.data.config.malformedMax) {
      connection.flush()
      connection.close(
        ErrorCode.TooManyErrors,
        `${connection.malformed} messages could not be read, each error says why; at most ${this.#parts.data.config.malformedMax} are taken`,
      )
    }
  }

  /** The socket has ended, whoever ended it. */
  closed(connection: Connection): void {
    connection.markClosed()
    // What has expired since the last sweep asks for nothing any more.
    const { session } = connection
    if (session !== undefined && session.expiresAtMs <= this.#parts.timeMs) this.logoff(connection)
    this.#parts.disconnectCancels.closed(connection)
    this.#connections.delete(connection)
    this.#dirty.delete(connection)
    this.#turns.forget(connection)
    this.#parts.frames.forget(connection)
    this.#parts.subscriptions.closed(connection)
    connection.session = undefined
  }

  /** A session was revoked or replaced: whoever is logged on with it is told, and is logged on no more. */
  sessionEnded({ account, approval }: SessionName): void {
    for (const connection of this.#connections) {
      const { session } = connection
      if (session?.account !== account || session.approval !== approval) continue
      this.#logOff(connection, session)
    }
  }

  /**
   * Looks at every connection, to be called several times within the idle time: whoever is silent is pinged, then closed;
   * whose session has expired, by engine time, is told and logged on no more.
   */
  sweep(): void {
    const idleMs = this.#parts.data.config.idleTimeoutS * 1000
    const now = performance.now()
    const { timeMs } = this.#parts
    // After a pause of this thread signs of life may wait unread: nobody is closed before they were looked at.
    const judges = now - this.#sweptAtMs < idleMs / 2
    this.#sweptAtMs = now
    for (const connection of this.#connections) {
      const silentMs = now - connection.heardAtMs
      if (connection.pingedAtMs < connection.heardAtMs) {
        if (silentMs >= idleMs / 2) connection.ping()
      } else if (judges && silentMs >= idleMs && now - connection.pingedAtMs >= idleMs / 2) {
        connection.close(ErrorCode.IdleTimeout, `nothing was heard for ${Math.floor(silentMs / 1000)} s`)
      }
      const { session } = connection
      if (session !== undefined && session.expiresAtMs <= timeMs) this.#logOff(connection, session)
    }
  }

  /** Ends those who read least while all together have too much unread. */
  boundUnsent(): void {
    boundUnsent([...this.#connections, ...this.heldAnswers], this.#parts.data.config.unsentBytesSumMax)
  }

  /** Sends what waits for each of them. */
  flush(): void {
    for (const connection of this.#dirty) connection.flush()
    this.#messagesOut += this.#dirty.size
    this.#dirty.clear()
  }

  /** A client takes its own session off its connection; every stream leaves with it, as when a session ends. */
  logoff(connection: Connection): void {
    // Who has lost the right to trade, or gave it up, cancels nobody's orders by leaving.
    void this.#parts.disconnectCancels.set(connection, false)
    this.#parts.subscriptions.closed(connection)
    connection.session = undefined
  }

  #logOff(connection: Connection, { account, approval }: SessionName): void {
    connection.send([Kind.Control, Control.SessionEnded, { account, approval }])
    this.logoff(connection)
    connection.flush()
  }

  /** Tells every client that the exchange stops and ends their connections. */
  shutdown(): void {
    this.#parts.frames.stop()
    for (const connection of [...this.#connections]) {
      connection.send([Kind.Control, Control.Shutdown, { retryAfter: SHUTDOWN_RETRY_MS }])
      connection.flush()
      connection.close(ErrorCode.ShuttingDown, 'the exchange stops')
    }
  }

  /** A connection's socket has room again. */
  drained(connection: Connection): void {
    this.#parts.snapshots.wake()
    if (!connection.slow || connection.unsentBytes > this.#parts.data.config.conflateBytes / 2) return
    connection.slow = false
    this.#parts.subscriptions.catchUp(connection)
    connection.flush()
  }
}
