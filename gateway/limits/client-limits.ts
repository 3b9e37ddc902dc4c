/**
 * What one client may ask for: budgets by account and by address, and the count of an account's live
 * orders. One instance a gateway thread: with several threads each counts for itself.
 */
import { CommandKind } from '../../engine/codes.js'
import { COMMAND_WORDS, kindOf } from '../../engine/layout.js'
import { SINGLE_FILLS_MAX, SWEPT_FILL_ADDRESS_ORDERS, SWEPT_FILL_ORDERS } from '../../engine/limits.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { Control, Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import {
  ADDRESS_SHARE,
  BYTES_A_WEIGHT,
  FRAMES_RETRY_MS,
  HTTP_IDLE_MS,
  THROTTLE_BELOW,
  TRADING_ADDRESSES_MAX,
} from '../limits.js'
import { type Refusal, ToldBudget, ofAccount, ofAddress } from './budgets.js'
import type { GatewayConfig } from '../settings/config.js'
import { KeptConnections } from '../connections/kept-connections.js'
import { connectionsOf, openFilesMax } from './open-files.js'

/** Who sends frames, as the limits see him. */
export interface FramePayer {
  readonly ip: string
  /** Frames received and not yet answered. */
  readonly framesInFlight: number
  /** When it was last told that a budget is nearly spent. */
  warnedAtMs: number
  send(message: WireValue): void
}

export class Limits {
  readonly #config: GatewayConfig
  readonly #requestsByAccount: ToldBudget<number>
  /** Before logon. */
  readonly #requestsByIp: ToldBudget<string>
  readonly #allRequestsByIp: ToldBudget<string>
  readonly #connects: ToldBudget<string>
  readonly #orders: ToldBudget<number>
  readonly #ordersByIp: ToldBudget<string>
  readonly #cancels: ToldBudget<number>
  readonly #frameBytes: ToldBudget<number>
  /** Open WebSockets and unanswered HTTP requests of each address, and of all. */
  readonly #connections = new Map<string, number>()
  #allConnections = 0
  readonly #connectionsMax: number
  readonly #connectionsPerIp: number
  /** Answered HTTP connections that may be open still: half of what an address may have. */
  readonly #kept: KeptConnections
  /** Connections on which each account is logged on. */
  readonly #loggedOn = new Map<number, number>()
  readonly #openOrders: (account: number) => number
  /** From where each account last sent a frame. */
  readonly #addresses = new Map<number, string>()

  /** `openOrders` tells how many live orders an account has; `openFiles`: files that the process may open. */
  constructor(config: GatewayConfig, openOrders: (account: number) => number, openFiles = openFilesMax()) {
    this.#config = config
    this.#openOrders = openOrders
    const { RateLimited, IpRateLimited, ConnectRateLimited } = ErrorCode
    const { OrderRateLimited, IpOrderRateLimited, CancelRateLimited } = ErrorCode
    this.#requestsByAccount = new ToldBudget(config.requestRate, RateLimited, 'request', ofAccount)
    this.#requestsByIp = new ToldBudget(config.requestRate, RateLimited, 'request', ofAddress)
    this.#allRequestsByIp = new ToldBudget(config.ipRequestRate, IpRateLimited, 'request', ofAddress)
    this.#connects = new ToldBudget(config.connectRate, ConnectRateLimited, 'connection', ofAddress)
    this.#orders = new ToldBudget(config.orderRate, OrderRateLimited, 'order', ofAccount)
    this.#ordersByIp = new ToldBudget(config.ipOrderRate, IpOrderRateLimited, 'order', ofAddress)
    this.#cancels = new ToldBudget(config.cancelRate, CancelRateLimited, 'cancel', ofAccount)
    this.#frameBytes = new ToldBudget(config.frameByteRate, RateLimited, 'frame byte', ofAccount)
    const ofFiles = connectionsOf(openFiles, config.threads)
    this.#connectionsMax = Math.min(config.connectionsMax, ofFiles)
    this.#connectionsPerIp = Math.min(config.connectionsPerIp, Math.ceil(ofFiles * ADDRESS_SHARE))
    this.#kept = new KeptConnections(Math.floor(this.#connectionsPerIp / 2))
  }

  /** Takes what a handshake costs before it is looked at; whether its address may open one more WebSocket. */
  connect(ip: string): Refusal | undefined {
    return this.#connects.pay(ip, 1, performance.now()) ?? this.#connectionsFull(ip)
  }

  /** `onKept`: it may come on a connection that is counted already. */
  #connectionsFull(ip: string, onKept = false): Refusal | undefined {
    const connectionsPerIp = this.#connectionsPerIp
    const connectionsMax = this.#connectionsMax
    const refusal = (message: string): Refusal => ({ code: ErrorCode.TooManyConnections, message })
    if (this.#allConnections >= connectionsMax)
      return refusal(`${connectionsMax} connections are open, the most that this gateway takes`)
    const kept = this.#kept.count(ip, performance.now())
    const open = (this.#connections.get(ip) ?? 0) + (onKept ? Math.max(0, kept - 1) : kept)
    if (open < connectionsPerIp) return undefined
    return refusal(
      `${connectionsPerIp} connections of ${ip} are open, the most of one address; idle ones of HTTP count for ${HTTP_IDLE_MS / 1000} s`,
    )
  }

  /** An HTTP request was answered: whether its connection may stay open. */
  keepsHttp(ip: string): boolean {
    return this.#kept.keep(ip, performance.now())
  }

  /** An HTTP connection stays open, however many do. */
  keptHttp(ip: string): void {
    this.#kept.add(ip, performance.now())
  }

  sweep(now: number): void {
    this.#kept.sweep(now)
  }

  opened(ip: string): void {
    this.#connections.set(ip, (this.#connections.get(ip) ?? 0) + 1)
    this.#allConnections++
  }

  closed(ip: string): void {
    this.#allConnections--
    const open = (this.#connections.get(ip) ?? 1) - 1
    if (open === 0) this.#connections.delete(ip)
    else this.#connections.set(ip, open)
  }

  /** Whether one more connection may log on for an account. */
  logon(account: number): Refusal | undefined {
    const { connectionsPerAccount } = this.#config
    if ((this.#loggedOn.get(account) ?? 0) < connectionsPerAccount) return undefined
    return {
      code: ErrorCode.TooManyConnections,
      message: `account ${account} is logged on at ${connectionsPerAccount} connections, the most of one account`,
    }
  }

  /** A connection speaks for another account than before. */
  loggedOn(before: number | undefined, now: number | undefined): void {
    if (before !== undefined) {
      const left = (this.#loggedOn.get(before) ?? 1) - 1
      if (left === 0) this.#loggedOn.delete(before)
      else this.#loggedOn.set(before, left)
    }
    if (now !== undefined) this.#loggedOn.set(now, (this.#loggedOn.get(now) ?? 0) + 1)
  }

  /**
   * Takes what an HTTP request costs before it is looked at; a frame's commands are paid for later. A frame from its
   * address over all accounts only: an address that has not logged on trades over HTTP as well.
   */
  http(ip: string, isFrame: boolean): Refusal | undefined {
    const refused = isFrame
      ? this.#allRequestsByIp.pay(ip, 1, performance.now())
      : this.request(ip, undefined, 1)
    return refused ?? this.#connectionsFull(ip, true)
  }

  /** Takes a request's weight from its account, or from its address before logon, and from all of the address. */
  request(ip: string, account: number | undefined, weight: number): Refusal | undefined {
    if (weight === 0) return undefined
    const now = performance.now()
    const refused =
      account === undefined
        ? this.#requestsByIp.pay(ip, weight, now)
        : this.#requestsByAccount.pay(account, weight, now)
    return refused ?? this.#allRequestsByIp.pay(ip, weight, now)
  }

  /** A request was answered with `bytes`, which nobody knew before: they weigh too. */
  answered(ip: string, account: number | undefined, bytes: number): void {
    const weight = Math.floor(bytes / BYTES_A_WEIGHT)
    const now = performance.now()
    if (account === undefined) this.#requestsByIp.charge(ip, weight, now)
    else this.#requestsByAccount.charge(account, weight, now)
    this.#allRequestsByIp.charge(ip, weight, now)
  }

  /** Takes a frame's bytes from its account's budget; the journal keeps every one of them. */
  frameBytes(account: number, bytes: number): Refusal | undefined {
    return this.#frameBytes.pay(account, bytes, performance.now())
  }

  /** Takes the orders and amends of a frame from its address alone: nobody has shown yet whose frame it is. */
  unprovenFrame(ip: string, records: Int32Array, first: number, count: number): Refusal | undefined {
    const { orders } = countKinds(records, first, count)
    if (orders === 0) return undefined
    return this.#ordersByIp.pay(ip, orders, performance.now())
  }

  /**
   * Takes a frame's commands from their budgets: orders and amends from the account's and the address's
   * (unless `addressHasPaid`), cancels from one of the account's own that nothing else touches. All or nothing:
   * a frame is not taken in part. A frame that only cancels may also wait behind twice as many others.
   */
  frame(
    connection: FramePayer,
    account: number,
    records: Int32Array,
    first: number,
    count: number,
    addressHasPaid: boolean,
  ): Refusal | undefined {
    const { orders, places, cancels } = countKinds(records, first, count)
    const inFlightMax = this.#config.framesInFlightMax * (cancels === count ? 2 : 1)
    if (connection.framesInFlight >= inFlightMax) {
      return {
        code: ErrorCode.TooManyFramesInFlight,
        message: `${connection.framesInFlight} frames of this connection are unanswered, at most ${inFlightMax} may be`,
        retryAfter: FRAMES_RETRY_MS,
      }
    }
    const full = this.openOrders(account, places)
    if (full !== undefined) return full
    const now = performance.now()
    if (orders > 0) {
      const refused = this.#orders.pay(account, orders, now)
      if (refused !== undefined) return refused
      const ofIp = addressHasPaid ? undefined : this.#ordersByIp.pay(connection.ip, orders, now)
      if (ofIp !== undefined) {
        this.#orders.take(account, -orders, now)
        return ofIp
      }
    }
    if (cancels > 0) {
      const refused = this.#cancels.pay(account, cancels, now)
      if (refused !== undefined) {
        // Not taken in part: what the orders took goes back.
        if (orders > 0) {
          this.#orders.take(account, -orders, now)
          this.#ordersByIp.take(connection.ip, -orders, now)
        }
        return refused
      }
    }
    this.#warn(connection, account, now)
    if (this.#addresses.size >= TRADING_ADDRESSES_MAX) this.#addresses.clear()
    this.#addresses.set(account, connection.ip)
    return undefined
  }

  /** Orders of an account made `more` fills than there are of them, at once: these count as orders, if need be of later. */
  filled(account: number, more: number): void {
    const now = performance.now()
    const swept = Math.max(0, more - SINGLE_FILLS_MAX)
    this.#orders.charge(account, more + swept * (SWEPT_FILL_ORDERS - 1), now, -Infinity)
    const ip = this.#addresses.get(account)
    if (ip === undefined) return
    this.#ordersByIp.charge(ip, more + swept * (SWEPT_FILL_ADDRESS_ORDERS - 1), now, -Infinity)
  }

  /** What an account, or its address, owes for fills that were charged after they were made. */
  debt(ip: string, account: number): Refusal | undefined {
    const now = performance.now()
    return this.#orders.pay(account, 0, now) ?? this.#ordersByIp.pay(ip, 0, now)
  }

  /** Whether the account may have `places` more live orders; they count as resting until they do not. */
  openOrders(account: number, places: number): Refusal | undefined {
    const open = this.#openOrders(account)
    const { openOrdersMax } = this.#config
    if (places === 0 || open + places <= openOrdersMax) return undefined
    return {
      code: ErrorCode.TooManyOpenOrders,
      message: `with ${places} more account ${account} would have above ${openOrdersMax} live orders, the most that it may`,
    }
  }

  /** Tells a client once a second that its order budget is nearly spent. */
  #warn(connection: FramePayer, account: number, now: number): void {
    if (this.#orders.left(account) >= THROTTLE_BELOW || now - connection.warnedAtMs < 1000) return
    connection.warnedAtMs = now
    connection.send([Kind.Control, Control.Throttle, { budget: 'orders' }])
  }
}

/** Commands of a frame by what they take: cancels, and all others; new orders are counted among these. */
function countKinds(
  records: Int32Array,
  first: number,
  count: number,
): { orders: number; places: number; cancels: number } {
  let orders = 0
  let places = 0
  let cancels = 0
  for (let index = first; index < first + count; index++) {
    const kind = kindOf(records[index * COMMAND_WORDS]!)
    if (kind === CommandKind.Cancel || kind === CommandKind.CancelAll) cancels++
    else orders++
    if (kind === CommandKind.Place) places++
  }
  return { orders, places, cancels }
}
