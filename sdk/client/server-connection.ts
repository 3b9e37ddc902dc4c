/**
 * The connection of a client: one socket at a time, made again by itself when it ends; what the exchange says of
 * itself on it, and the exchange's clock. Knows no session, frame or stream: its handler (client-core.ts) hears
 * that a connection is there, stands or has ended, and what comes on it.
 *
 * Invariants: `opened` is told only of a socket that is open, on which the handler's `greeted` is through; one attempt
 * at most is under way, and one loop at most reconnects; a socket has ended before the next one is made.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import {
  CONNECT_TIMEOUT_MS,
  RECONNECT_DELAY_MS_MAX,
  REQUEST_TIMEOUT_MS,
  SILENCE_MS,
  STEADY_MS,
} from '../limits.js'
import type { ClientOptions, ClientState, Notice } from './client-types.js'
import { checkPinnedMarkets, checkPins } from './chain.js'
import { GlassbookError, type TransportError, VerificationError } from '../base/errors.js'
import { Listeners, type Report } from '../base/listeners.js'
import { Markets } from '../money/markets.js'
import { type Pauses, backoffMs } from '../base/pauses.js'
import { type Hello, Socket, notConnected } from './socket.js'
import { readArray, readObject, readSafeInt } from '../wire/fields.js'
import { Control, Kind, Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'
import { domainPreimage } from '../wire/signed.js'
import { Subprotocol } from '../wire/version.js'

export type ServerConnectionOptions = Pick<
  ClientOptions,
  | 'url'
  | 'encoding'
  | 'deployment'
  | 'reconnect'
  | 'reconnectDelayMsMax'
  | 'connectTimeoutMs'
  | 'requestTimeoutMs'
  | 'silenceMs'
>

/** Who is told of the connection. */
export interface ConnectionHandler {
  /** The exchange is there and is the one that is meant. The connection stands when this resolves, and ends when it rejects. */
  greeted(): Promise<void>
  /** A connection stands. */
  opened(): void
  /** It has ended, or was never made. */
  closed(): void
  /** An event, a snapshot or a control message. */
  message(message: readonly WireValue[]): void
  /** Takes what no call waits for. */
  readonly report: Report
}

export class ServerConnection {
  readonly #options: ServerConnectionOptions
  readonly #handler: ConnectionHandler
  readonly #pauses: Pauses
  readonly #stateListeners: Listeners<[state: ClientState]>
  readonly #noticeListeners: Listeners<[notice: Notice]>
  #socket: Socket | undefined
  #hello: Hello | undefined
  #domain: Uint8Array = new Uint8Array(32)
  #markets: Markets | undefined
  /** Engine time less performance.now(), ms: this machine's wall clock may be wrong, and may be set meanwhile. */
  #engineBaseMs = 0
  #state: ClientState = 'closed'
  #closing = false
  /** The attempt under way, on the newest socket; one that `close` has given up is none any more. */
  #attempt: Promise<void> | undefined
  /** Whoever waits until the connection stands; an error = it is closed for good. */
  readonly #waiting = new Set<(error?: TransportError) => void>()
  /** Whoever waits for a signer of the caller's, and gives up when the connection is closed for good. */
  readonly #signing = new Set<(error: TransportError) => void>()
  /** The loop that reconnects; one that is not here any more ends at its next step. */
  #loop: symbol | undefined
  /** Attempts since a connection stood for a while, when the last one was opened, how long the exchange asked to wait. */
  #attempts = 0
  #openedAtMs = 0
  #retryAfterMs = 0

  constructor(options: ServerConnectionOptions, pauses: Pauses, handler: ConnectionHandler) {
    this.#options = options
    this.#pauses = pauses
    this.#handler = handler
    this.#stateListeners = new Listeners(handler.report)
    this.#noticeListeners = new Listeners(handler.report)
  }

  get state(): ClientState {
    return this.#state
  }

  get isOpen(): boolean {
    return this.#socket?.isOpen === true
  }

  /** Closed for good: by `close`, or because `connect` failed. */
  get isClosing(): boolean {
    return this.#closing
  }

  /** Whether a connection that breaks now will be made again. */
  get comesBack(): boolean {
    return !this.#closing && this.#options.reconnect !== false
  }

  /** What the exchange said first on the newest connection; undefined before there was one. */
  get hello(): Hello | undefined {
    return this.#hello
  }

  /** What signatures are bound to: the chain and the vault of `hello`. */
  get domain(): Uint8Array {
    return this.#domain
  }

  /** Assets and markets; undefined before the first connection. */
  get markets(): Markets | undefined {
    return this.#markets
  }

  /** Engine time as far as it is known, ms since 1970. */
  get nowMs(): number {
    return Math.floor(performance.now() + this.#engineBaseMs)
  }

  /** When the exchange was last heard of, of performance.now(). */
  get heardAtMs(): number {
    return this.#socket?.heardAtMs ?? -Infinity
  }

  onState(listener: (state: ClientState) => void): () => void {
    return this.#stateListeners.add(listener)
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#noticeListeners.add(listener)
  }

  #setState(state: ClientState): void {
    if (state === this.#state) return
    this.#state = state
    this.#stateListeners.tell(state)
  }

  /**
   * Connects, once: resolves at once when the connection stands, joins the attempt that is under way, and does not
   * wait for the pause before the next one. @throws TransportError when the exchange cannot be reached.
   */
  async connect(): Promise<void> {
    if (this.#state === 'open' && this.isOpen) return
    await this.#attemptNow()
  }

  /** The attempt under way, or a new one. */
  #attemptNow(): Promise<void> {
    // One that is still ending is over now; who hears of that may have begun an attempt.
    if (this.#attempt === undefined) this.#socket?.drop()
    if (this.#attempt !== undefined) return this.#attempt
    const { url, encoding = 'msgpack' } = this.#options
    const socket = new Socket(
      {
        url,
        subprotocol: encoding === 'json' ? Subprotocol.Json : Subprotocol.Msgpack,
        connectTimeoutMs: this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
        requestTimeoutMs: this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
        silenceMs: this.#options.silenceMs ?? SILENCE_MS,
      },
      {
        message: (message) => this.#message(message),
        closed: () => {
          if (socket === this.#socket) this.#closed()
        },
      },
    )
    this.#socket = socket
    this.#closing = false
    const attempt = this.#open(socket)
    this.#attempt = attempt
    this.#setState('connecting')
    return attempt
  }

  /** Makes the connection of `socket` stand. Changes nothing once that is not the attempt under way any more. */
  async #open(socket: Socket): Promise<void> {
    const { url, deployment } = this.#options
    const isUnderWay = (): boolean => this.#attempt !== undefined && this.#socket === socket
    const checked = <Value>(value: Value): Value => {
      if (!isUnderWay() || !socket.isOpen) throw notConnected(url)
      return value
    }
    try {
      const hello = checked(await socket.hello)
      if (deployment !== undefined) checkPins(deployment, hello)
      this.#hello = hello
      this.#domain = sha256(domainPreimage(hello.chainId, hello.vault))
      if (this.#markets === undefined) {
        const markets = new Markets(checked(await socket.request(Method.Markets, [])))
        if (deployment !== undefined) checkPinnedMarkets(deployment, markets)
        this.#markets = markets
      }
      const time = checked(await socket.request(Method.Time, []))
      const [, engineMs] = readArray(time, 'time', 2, 8)
      this.#engineBaseMs = readSafeInt(engineMs, 'engineMs') - performance.now()
      checked(await this.#handler.greeted())
      this.#openedAtMs = performance.now()
      this.#retryAfterMs = 0
      // Whom this tells may close or drop the connection.
      checked(this.#handler.opened())
    } catch (error) {
      socket.close()
      // Given up by `close`: how its socket ended is no fault of the address or the exchange.
      if (!isUnderWay()) throw notConnected(url)
      this.#failed(error)
      throw error
    }
    this.#attempt = undefined
    this.#loop = undefined
    this.#setState('open')
    // Whom that told may have closed it.
    if (this.isOpen) this.#settle()
  }

  /** The attempt under way has failed: without a loop it was the only one. */
  #failed(error: unknown): void {
    this.#attempt = undefined
    this.#retryAfterMs = error instanceof GlassbookError ? (error.retryAfter ?? 0) : 0
    if (this.#loop === undefined) this.#endForGood()
    this.#setState('closed')
  }

  #closed(): void {
    this.#handler.closed()
    if (this.#state === 'open' && performance.now() - this.#openedAtMs > STEADY_MS) this.#attempts = 0
    this.#setState('closed')
    // An attempt under way learns of it by itself.
    if (this.comesBack && this.#attempt === undefined && this.#loop === undefined) void this.#reconnect()
  }

  /** Tries until it is connected again, for ever. */
  async #reconnect(): Promise<void> {
    const loop = Symbol('loop')
    this.#loop = loop
    for (;;) {
      // Full jitter: a crowd that lost its exchange does not come back as one.
      const bound = backoffMs(this.#attempts++, this.#options.reconnectDelayMsMax ?? RECONNECT_DELAY_MS_MAX)
      await this.#pauses.wait(this.#retryAfterMs + Math.random() * bound)
      if (this.#loop !== loop) return
      try {
        await this.#attemptNow()
      } catch (error) {
        // Neither a line that failed nor a refusal: a lie, or a mistake.
        if (!(error instanceof GlassbookError) || error instanceof VerificationError)
          this.#handler.report(error)
      }
      if (this.#loop !== loop) return
    }
  }

  /** Drops the connection as a network would; it is made again. */
  drop(): void {
    this.#socket?.drop()
  }

  /** Ends the connection for good, and every pause. */
  close(): void {
    this.#endForGood()
    this.#attempt = undefined
    this.#loop = undefined
    this.#socket?.close()
    this.#pauses.endAll()
    this.#setState('closed')
  }

  /** Whoever is told of it may connect again: nobody waits any more by then. */
  #endForGood(): void {
    this.#closing = true
    const error = notConnected(this.#options.url)
    this.#settle(error)
    for (const giveUp of [...this.#signing]) giveUp(error)
  }

  /** `command` = the request changes state: without an answer its outcome is unknown. @throws what `Socket.request` throws. */
  request(
    method: Method,
    params: readonly WireValue[],
    options: { readonly command?: boolean },
  ): Promise<WireValue> {
    if (this.#socket === undefined) return Promise.reject(notConnected(this.#options.url))
    return this.#socket.request(method, params, options)
  }

  /**
   * Resolves when the connection stands (again); at once when it does.
   * @throws TransportError when it is closed for good.
   */
  whenOpen(): Promise<void> {
    if (this.#state === 'open' && this.isOpen) return Promise.resolve()
    if (this.#closing) return Promise.reject(notConnected(this.#options.url))
    return new Promise((resolve, reject) => {
      this.#waiting.add((error) => (error === undefined ? resolve() : reject(error)))
    })
  }

  /**
   * What a wallet or a key answers: it may wait for a person, or never answer. @throws what it rejects with;
   * TransportError when the connection is closed for good first.
   */
  async signed<Value>(answer: Promise<Value>): Promise<Value> {
    let giveUp: (error: TransportError) => void
    const closed = new Promise<never>((_, reject) => (giveUp = reject))
    this.#signing.add(giveUp!)
    try {
      return await Promise.race([answer, closed])
    } finally {
      this.#signing.delete(giveUp!)
    }
  }

  #settle(error?: TransportError): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const settled of waiting) settled(error)
  }

  #message(message: readonly WireValue[]): void {
    const notice = message[0] === Kind.Control ? noticeOf(message) : undefined
    if (notice !== undefined) this.#noticeListeners.tell(notice)
    if (notice?.kind === 'shutdown') this.#retryAfterMs = notice.retryAfterMs
    this.#handler.message(message)
  }
}

/** A control message that a caller may want to know of; undefined = it is the client's own business. */
function noticeOf(message: readonly WireValue[]): Notice | undefined {
  const { budget, stream, retryAfter } = readObject(message[2] ?? {}, 'control')
  if (message[1] === Control.Throttle) return { kind: 'throttle', budget: String(budget) }
  if (message[1] === Control.Slow) return { kind: 'slow', stream: String(stream) }
  if (message[1] !== Control.Shutdown) return undefined
  return { kind: 'shutdown', retryAfterMs: typeof retryAfter === 'number' ? retryAfter : 0 }
}
