/**
 * What a client's messages may cost before anybody has looked at them. Each message takes one token and its
 * bytes from its connection's and its address's budgets before it is decoded. Who is refused again and again
 * is closed, and an address that goes on with it is kept out for a while. One socket gets a bounded number of
 * messages and bytes handled a turn of the event loop; the rest waits in its own queue, in order, while
 * others have their turn.
 *
 * Called by clients.ts for every message; `refused` for every error that is sent. Refusals of HTTP requests and of
 * handshakes take from their address alone (`refusedOverHttp`); one that ends its connection weighs more, and an
 * address that goes on is not even answered: an answer costs more than the end.
 */
import { ErrorCode } from '../../sdk/wire/codes.js'
import {
  ADDRESS_MS_A_TURN,
  ANONYMOUS_MS_A_TURN,
  BAD_SIGNATURE_WEIGHT,
  ENDED_WEIGHT,
  MESSAGES_A_TURN,
  SOCKET_BYTES_A_TURN,
  SOCKET_MESSAGES_A_TURN,
  TOLD_RATE,
  WAITING_BYTES_MAX,
} from '../limits.js'
import { Budget, type Rate, type Refusal, ToldBudget, ofAddress } from './budgets.js'
import type { GatewayConfig } from '../settings/config.js'
import type { Connection } from '../connections/connection.js'
import { WaitingMessages } from '../connections/waiting-messages.js'

/** What a refusal takes from the budget of refusals, and what a signature does that is not right. */
const REFUSAL = 1

/** Errors that are answers rather than mistakes: what is not there, what only the engine could know. */
const ANSWERS: ReadonlySet<number> = new Set([
  ErrorCode.NotFound,
  ErrorCode.UnknownAccount,
  ErrorCode.ProofUnavailable,
])
const SIGNATURES: ReadonlySet<number> = new Set([ErrorCode.BadSignature, ErrorCode.BadApproval])

/** What an error takes from the budget of refusals; 0 = it is the engine's, which has taken its price already. */
function priceOf(code: number): number {
  if (SIGNATURES.has(code)) return BAD_SIGNATURE_WEIGHT
  const isOurs =
    (code >= 1000 && code < 4000 && !(code >= 2100 && code < 3000)) || (code >= 5000 && code < 5100)
  return isOurs && !ANSWERS.has(code) ? REFUSAL : 0
}

export class Admission {
  readonly #config: GatewayConfig
  readonly #messages: ToldBudget<number>
  readonly #messagesByIp: ToldBudget<string>
  readonly #bytesByIp: ToldBudget<string>
  readonly #refusals: Budget<number>
  readonly #refusalsByIp: Budget<string>
  /** Connections of an address that were closed for what they asked. */
  readonly #closed: Budget<string>
  readonly #told = new Budget<string>(TOLD_RATE)
  /** Until when an address is kept out, of performance.now(). */
  readonly #out = new Map<string, number>()

  constructor(config: GatewayConfig) {
    this.#config = config
    const { RateLimited, IpRateLimited } = ErrorCode
    this.#messages = new ToldBudget(config.messageRate, RateLimited, 'message', () => 'this connection')
    this.#messagesByIp = new ToldBudget(config.ipMessageRate, IpRateLimited, 'message', ofAddress)
    this.#bytesByIp = new ToldBudget(config.ipByteRate, IpRateLimited, 'byte', ofAddress)
    this.#refusals = new Budget(config.refusalRate)
    this.#refusalsByIp = new Budget(config.ipRefusalRate)
    this.#closed = new Budget(config.ipOffenceRate)
  }

  /** Whether an address may connect, or ask over HTTP, just now. */
  connect(ip: string): Refusal | undefined {
    const until = this.#out.get(ip)
    const now = performance.now()
    if (until === undefined) return undefined
    if (until > now) {
      const message = `too many requests of ${ip} were refused, so it is kept out for ${this.#config.keptOutS} s; correct what was refused`
      return { code: ErrorCode.ConnectRateLimited, message, retryAfter: Math.ceil(until - now) }
    }
    this.#out.delete(ip)
    return undefined
  }

  /** Whether an address is kept out and was told so often enough: its connection ends without an answer. */
  hasBeenTold(ip: string): boolean {
    const until = this.#out.get(ip)
    if (until === undefined) return false
    const now = performance.now()
    return until > now && this.#told.take(ip, 1, now) > 0
  }

  /** Takes what a message costs, whatever it says. */
  message({ id, ip }: Connection, bytes: number): Refusal | undefined {
    const now = performance.now()
    return this.#messages.pay(id, 1, now) ?? this.#messagesByIp.pay(ip, 1, now) ?? this.bytes(ip, bytes, now)
  }

  /** Takes the bytes of a message, or of a request's body, from its address. */
  bytes(ip: string, bytes: number, now = performance.now()): Refusal | undefined {
    return this.#bytesByIp.pay(ip, bytes, now)
  }

  /** An error goes to the connection; with a bound it was one too many of that, and the connection is to be closed. */
  refused({ id, ip }: Connection, code: number): Rate | undefined {
    const price = priceOf(code)
    if (price === 0) return undefined
    const now = performance.now()
    const own = this.#refusals.take(id, price, now)
    const ofIp = this.#refusalsByIp.take(ip, price, now)
    if (own === 0 && ofIp === 0) return undefined
    if (this.#closed.take(ip, 1, now) > 0) this.#keepOut(ip, now)
    return own > 0 ? this.#config.refusalRate : this.#config.ipRefusalRate
  }

  /**
   * An error is the answer to an HTTP request or a handshake, with which its connection `ends` or not; an address
   * whose budget is spent has each counted as a closed connection. Answers whether the error is to be told.
   */
  refusedOverHttp(ip: string, code: number, ends: boolean): boolean {
    // Being kept out is told (`hasBeenTold` has counted it), and is no new offence.
    if (this.#out.has(ip)) return true
    const now = performance.now()
    const price = ends ? Math.max(ENDED_WEIGHT, priceOf(code)) : priceOf(code)
    if (price > 0 && this.#refusalsByIp.take(ip, price, now) > 0 && this.#closed.take(ip, 1, now) > 0)
      this.#keepOut(ip, now)
    return !ends || this.#told.take(ip, 1, now) === 0
  }

  #keepOut(ip: string, now: number): void {
    this.#out.delete(ip)
    this.#out.set(ip, now + this.#config.keptOutS * 1000)
    // In order of time: those whose time is over stand first.
    for (const [oldest, until] of this.#out) {
      if (until > now) break
      this.#out.delete(oldest)
    }
  }
}

/** Lets every socket have its turn. */
export class Turns {
  readonly #handle: (connection: Connection, message: Uint8Array, seq: number) => boolean
  readonly #queues = new Map<Connection, WaitingMessages>()
  /** What sockets were served in this turn. */
  readonly #served = new Map<Connection, { messages: number; bytes: number }>()
  /** What messages of each address took in this turn, ms. */
  readonly #tookMs = new Map<string, number>()
  readonly #waits: (connection: Connection) => boolean
  readonly #seqNow: () => number
  readonly #now: () => number
  #messages = 0
  #scheduled = false

  /**
   * `handle` answers whether a message is done: one that is not stays the connection's first, and is handled again in
   * a later turn in which `waits` no longer says that the connection waits. It gets `seqNow` of when the message came.
   */
  constructor(
    handle: (connection: Connection, message: Uint8Array, seq: number) => boolean,
    waits: (connection: Connection) => boolean = () => false,
    seqNow: () => number = () => 0,
    now: () => number = () => performance.now(),
  ) {
    this.#waits = waits
    this.#seqNow = seqNow
    this.#now = now
    this.#handle = (connection, message, seq) => {
      const startMs = this.#now()
      const isDone = handle(connection, message, seq)
      const tookMs = (this.#tookMs.get(connection.ip) ?? 0) + this.#now() - startMs
      this.#tookMs.set(connection.ip, tookMs)
      return isDone
    }
  }

  /** Connections that wait. */
  get size(): number {
    return this.#queues.size
  }

  /** Handles a message now or in a later turn; false = too much of this connection waits already. */
  take(connection: Connection, message: Uint8Array): boolean {
    this.#schedule()
    const queue = this.#queues.get(connection)
    const seq = this.#seqNow()
    if (
      queue === undefined &&
      this.#admit(connection, message.length) &&
      this.#handle(connection, message, seq)
    )
      return true
    if (queue !== undefined && queue.bytes + message.length > WAITING_BYTES_MAX) return false
    // Copied: the message is a view that dies with the socket's callback.
    if (queue !== undefined) queue.push(message, seq)
    else {
      const first = new WaitingMessages()
      first.push(message, seq)
      this.#queues.set(connection, first)
    }
    return true
  }

  forget(connection: Connection): void {
    this.#queues.delete(connection)
    this.#served.delete(connection)
  }

  #admit(connection: Connection, bytes: number): boolean {
    const served = this.#served.get(connection)
    if (this.#messages >= MESSAGES_A_TURN) return false
    const mostMs = connection.session === undefined ? ANONYMOUS_MS_A_TURN : ADDRESS_MS_A_TURN
    if ((this.#tookMs.get(connection.ip) ?? 0) >= mostMs) return false
    if (served === undefined) this.#served.set(connection, { messages: 1, bytes })
    else {
      if (served.messages >= SOCKET_MESSAGES_A_TURN || served.bytes >= SOCKET_BYTES_A_TURN) return false
      served.messages++
      served.bytes += bytes
    }
    this.#messages++
    return true
  }

  /** The next turn begins after the event loop has looked at every socket. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#served.clear()
      this.#tookMs.clear()
      this.#messages = 0
      this.#turn()
      // What was served now belongs to this turn, and not to whoever sends in a later one.
      if (this.#served.size > 0 || this.#queues.size > 0) this.#schedule()
    })
  }

  #turn(): void {
    let left = this.#queues.size
    for (const [connection, queue] of this.#queues) {
      // Those behind were served in this turn.
      if (left-- === 0 || this.#messages >= MESSAGES_A_TURN) return
      let served = false
      if (!connection.closed && this.#waits(connection)) continue
      while (!queue.isEmpty && !connection.closed && this.#admit(connection, queue.firstBytes)) {
        served = true
        if (!this.#handle(connection, queue.first(), queue.firstSeq)) break
        queue.shift()
      }
      // Who was not served keeps its place; who was goes behind the others.
      if (!served && !connection.closed) continue
      this.#queues.delete(connection)
      if (!connection.closed && !queue.isEmpty) this.#queues.set(connection, queue)
    }
  }
}
