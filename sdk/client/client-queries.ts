/**
 * What a client can follow and ask: streams, what keeps their state, and questions. Client (client.ts) adds
 * what changes something.
 *
 * Each question throws what the exchange answers: RequestError for params that it does not take, LimitError
 * with `retryAfter` over a budget, AuthenticationError where a session that may read is missing, and
 * TransportError when the connection ends before the answer.
 */
import { Scope } from '../../engine/codes.js'
import { BOOK_DEPTH_MAX } from '../../engine/limits.js'
import { BATCHES_ASKED, ROWS_ASKED } from '../limits.js'
import { ClientCore } from './client-core.js'
import type { BalanceView, BatchView, FeeRates, SessionView, Ticker } from './client-types.js'
import { fromUnits } from '../money/units-and-atoms.js'
import {
  anyOf,
  checkFields,
  checkNothing,
  isIdOrSymbol,
  isObject,
  oneOf,
  refuseInput,
  wholeFrom,
} from '../base/inputs.js'
import { LocalBook } from '../streams/local-book.js'
import { type BatchFillProof, readFillProof } from '../verify/fill-proof.js'
import { type BalanceProof, readProof } from '../verify/proof.js'
import type { StreamState } from '../streams/stream-state.js'
import type { StreamListener, StreamWatcher } from '../streams/subscription.js'
import {
  BalanceTracker,
  FillTracker,
  OrderTracker,
  type TrackedFill,
  type TrackedOrder,
  readFill,
  readLiveOrder,
} from '../streams/trackers.js'
import { FieldError, readArray, readObject, readSafeInt } from '../wire/fields.js'
import { BOOK_DEPTHS, CANDLE_INTERVALS, type CandleInterval, Method, StreamName } from '../wire/layout.js'

export const SCOPES = [
  ['read', Scope.Read],
  ['trade', Scope.Trade],
  ['withdrawRequest', Scope.WithdrawRequest],
] as const

/** A position in the account's fills: the beginning unless given. */
export interface FillsAfter {
  readonly afterSeq?: number
  /** Index of a fill within `afterSeq`; without it, all fills of that seq are behind. */
  readonly afterIndex?: number
}

export interface Fills {
  /** Oldest first. */
  readonly fills: TrackedFill[]
  /** No fill between the position and the last one here is missing. */
  readonly complete: boolean
}

export interface FillsPage extends Fills {
  readonly more: boolean
}

const isWhole = wholeFrom(0)
const isLimit = wholeFrom(1, 1000)
const isInterval = oneOf(...Object.keys(CANDLE_INTERVALS))

export class ClientQueries extends ClientCore {
  readonly #trackers = new Map<string, Promise<unknown>>()
  readonly #books = new Map<number, LocalBook>()

  // ---- streams

  /**
   * A market's L2 book: every level, or the best `depth`. Data [bids, asks] of [ticks, lots, orders], 0 lots
   * = the level is gone. `trackBook` keeps it for you. @throws InputError when there is no such market.
   */
  subscribeBook(market: number | string, listener: StreamListener, depth?: 5 | 10 | 20 | 50) {
    if (depth !== undefined && !BOOK_DEPTHS.includes(depth))
      refuseInput('depth', depth, `left out (every level), ${anyOf(BOOK_DEPTHS.map(String))}`)
    const { id } = this.markets.market(market)
    return this.subscribe(`${StreamName.Book}:${id}${depth === undefined ? '' : `:${depth}`}`, listener)
  }
  /** Every visible resting order of a market: [orderId, side, ticks, lots], 0 lots = gone. */
  subscribeBookL3(market: number | string, listener: StreamListener) {
    return this.#subscribeMarket(StreamName.BookL3, market, listener)
  }
  /** Best bid and offer: [[ticks, lots, orders] or null, the same]. */
  subscribeBbo(market: number | string, listener: StreamListener) {
    return this.#subscribeMarket(StreamName.Bbo, market, listener)
  }
  /** Last price, best bid and offer, 24 h figures; see `ticker`. */
  subscribeTicker(market: number | string, listener: StreamListener) {
    return this.#subscribeMarket(StreamName.Ticker, market, listener)
  }
  /** Market status (0 active, 1 cancel-only, 2 halted), fees in ppm and price band. */
  subscribeStatus(market: number | string, listener: StreamListener) {
    return this.#subscribeMarket(StreamName.Status, market, listener)
  }
  /** Trades: [seq, index, ticks, lots, takerSide, timeMs]. */
  subscribeTrades(market: number | string, listener: StreamListener) {
    return this.#subscribeMarket(StreamName.Trades, market, listener)
  }
  /** Candles that changed: [startMs, open, high, low, close, lots, quoteUnits, trades, lastSeq], prices in ticks. */
  subscribeCandles(market: number | string, interval: CandleInterval, listener: StreamListener) {
    isInterval(interval, 'interval')
    return this.subscribe(`${StreamName.Candles}:${this.markets.market(market).id}:${interval}`, listener)
  }
  /** What happens to the account's orders; `trackOrders` keeps them. @throws AuthenticationError without a session. */
  subscribeOrders(listener: StreamListener) {
    return this.subscribe(StreamName.Orders, listener)
  }
  /** The account's fills; `trackFills` keeps them, each exactly once. */
  subscribeFills(listener: StreamListener) {
    return this.subscribe(StreamName.Fills, listener)
  }
  /** Balances that changed, [asset, available, reserved] in units; `trackBalances` keeps them. */
  subscribeBalances(listener: StreamListener) {
    return this.subscribe(StreamName.Balances, listener)
  }
  /** Batches committed, proven, final; see `batches`. */
  subscribeSettlement(listener: StreamListener) {
    return this.subscribe(StreamName.Settlement, listener)
  }

  #subscribeMarket(name: string, market: number | string, listener: StreamListener) {
    return this.subscribe(`${name}:${this.markets.market(market).id}`, listener)
  }

  /** A market's L2 book that checks and heals itself; returned when its first snapshot is there. */
  trackBook(market: number | string): Promise<LocalBook> {
    const { id } = this.markets.market(market)
    return this.#track(`${StreamName.Book}:${id}`, () => {
      const book = new LocalBook(id)
      this.#books.set(id, book)
      return book
    })
  }

  /** The best price that an order of `side` trades with, of a book that is followed and ready. */
  protected trackedTouch(market: number | string, side: 'buy' | 'sell'): number | undefined {
    const book = this.#books.get(this.markets.market(market).id)
    if (book?.ready !== true) return undefined
    return (side === 'buy' ? book.bestAsk : book.bestBid)?.ticks
  }

  /** The account's live orders, kept through disconnects. */
  trackOrders(...nothing: []): Promise<OrderTracker> {
    checkNothing('trackOrders', nothing)
    const ask = (orderId: number) => this.howItEnded(orderId)
    return this.#track(StreamName.Orders, () => new OrderTracker(ask, this.report))
  }

  /** The account's fills since this was first called, each exactly once. */
  trackFills(...nothing: []): Promise<FillTracker> {
    checkNothing('trackFills', nothing)
    return this.#track(StreamName.Fills, () => new FillTracker(this.report))
  }

  /** The account's balances. */
  trackBalances(...nothing: []): Promise<BalanceTracker> {
    checkNothing('trackBalances', nothing)
    return this.#track(StreamName.Balances, () => new BalanceTracker())
  }

  /** The one tracker of a stream, given out when it has taken its first snapshot. */
  #track<T extends StreamState & { take: StreamListener }>(name: string, create: () => T): Promise<T> {
    const known = this.#trackers.get(name)
    if (known !== undefined) return known as Promise<T>
    const tracker = create()
    tracker.heardBy(() => this.heardAtMs)
    const ready = new Promise<T>((resolve, reject) => {
      const listener: StreamListener = (message) => {
        try {
          const agreed = tracker.take(message)
          if (message.kind === 'snapshot') resolve(tracker)
          return agreed
        } catch (error) {
          // Words that are none: what is kept is not to be trusted.
          this.report(error)
          return 'restart'
        }
      }
      const watcher: StreamWatcher = {
        gap: () => tracker.lost(),
        live: () => tracker.caughtUp(),
        ended: (error) => {
          tracker.ended(error)
          this.#trackers.delete(name)
          reject(error)
        },
      }
      this.follow(name, listener, watcher, true).catch((error: unknown) => {
        this.#trackers.delete(name)
        reject(error as Error)
      })
    })
    this.#trackers.set(name, ready)
    return ready
  }

  // ---- questions

  /** The account's live orders, ascending by order id; as many questions as there are pages. */
  async orders(...nothing: []): Promise<TrackedOrder[]> {
    checkNothing('orders', nothing)
    const orders: TrackedOrder[] = []
    for (;;) {
      const answer = readObject(
        await this.call(Method.Orders, [{ afterOrderId: orders.at(-1)?.orderId ?? 0 }]),
        'orders',
      )
      const page = readArray(answer['orders'], 'orders', 0, 100_000).map(readLiveOrder)
      orders.push(...page)
      if (answer['more'] !== true) return orders
      if (page.length === 0) throw new FieldError('orders', 'an order where more is true', [])
    }
  }

  /**
   * All of the account's fills behind a position that the exchange still tells of; as many questions as there are
   * pages.
   */
  async fills(after: FillsAfter = {}): Promise<Fills> {
    checkFields('fills', after, { afterSeq: isWhole, afterIndex: isWhole })
    const fills: TrackedFill[] = []
    let complete = true
    let position: FillsAfter = after
    for (;;) {
      const page = await this.fillsPage(position)
      fills.push(...page.fills)
      complete &&= page.complete
      if (!page.more) return { fills, complete }
      const last = page.fills.at(-1)
      if (last === undefined) throw new FieldError('fills', 'a fill where more is true', [])
      position = { afterSeq: last.seq, afterIndex: last.index }
    }
  }

  /** One page of them, at most 1000; `more` = go on after the last fill's seq and index. */
  async fillsPage(options: FillsAfter & { readonly limit?: number } = {}): Promise<FillsPage> {
    checkFields('fillsPage', options, { afterSeq: isWhole, afterIndex: isWhole, limit: isLimit })
    const asked: Record<string, number> = {}
    for (const field of ['afterSeq', 'afterIndex', 'limit'] as const)
      if (options[field] !== undefined) asked[field] = options[field]
    const answer = readObject(await this.call(Method.Fills, [asked]), 'fills')
    return {
      fills: readArray(answer['fills'], 'fills', 0, 100_000).map(readFill),
      complete: answer['complete'] === true,
      more: answer['more'] === true,
    }
  }

  /** Latest trades as [seq, index, ticks, lots, takerSide, timeMs], newest last. */
  async trades(market: number | string, limit = ROWS_ASKED): Promise<number[][]> {
    isLimit(limit, 'limit')
    return (await this.call(Method.Trades, [this.markets.market(market).id, limit])) as unknown as number[][]
  }

  /** Latest candles as [startMs, open, high, low, close, lots, quoteUnits, trades, lastSeq], newest last. */
  async candles(market: number | string, interval: CandleInterval, limit = ROWS_ASKED): Promise<number[][]> {
    isInterval(interval, 'interval')
    isLimit(limit, 'limit')
    const { id } = this.markets.market(market)
    return (await this.call(Method.Candles, [id, interval, limit])) as unknown as number[][]
  }

  /** The exchange's clock, ms since 1970. */
  async time(...nothing: []): Promise<number> {
    checkNothing('time', nothing)
    return (await this.#times()).wallMs
  }

  /** Engine time, ms since 1970: what deadlines and expiries are measured against. */
  async engineTime(...nothing: []): Promise<number> {
    checkNothing('engineTime', nothing)
    return (await this.#times()).engineMs
  }

  async #times(): Promise<{ wallMs: number; engineMs: number }> {
    const [wallMs, engineMs] = (await this.call(Method.Time, [])) as unknown[]
    return { wallMs: readSafeInt(wallMs, 'time.wallMs'), engineMs: readSafeInt(engineMs, 'time.engineMs') }
  }

  /** L2 book, best first; levels are [ticks, lots, orders]. */
  async depth(
    market: number | string,
    depth = 10,
  ): Promise<{ bids: number[][]; asks: number[][]; seq: number }> {
    wholeFrom(1, BOOK_DEPTH_MAX)(depth, 'depth')
    const answer = readObject(await this.call(Method.Depth, [this.markets.market(market).id, depth]), 'depth')
    const [bids, asks] = readArray(answer['levels'], 'levels', 2, 2)
    return { bids: bids as number[][], asks: asks as number[][], seq: readSafeInt(answer['seq'], 'seq') }
  }

  /** The account's balances. @throws AuthenticationError without a session that may read. */
  async balances(...nothing: []): Promise<BalanceView[]> {
    checkNothing('balances', nothing)
    const rows = readArray(await this.call(Method.Balances, []), 'balances', 0, 64)
    return rows.map((row) => {
      const [id, available, reserved] = readArray(row, 'balance', 3, 8)
      const asset = this.markets.asset(readSafeInt(id, 'asset'))
      const availableUnits = readSafeInt(available, 'available')
      const reservedUnits = readSafeInt(reserved, 'reserved')
      return {
        asset,
        available: fromUnits(availableUnits, asset),
        reserved: fromUnits(reservedUnits, asset),
        availableUnits,
        reservedUnits,
      }
    })
  }

  /** Last price, best bid and offer, and the figures of the last 24 hours. */
  async ticker(market: number | string): Promise<Ticker> {
    return (await this.call(Method.Ticker, [this.markets.market(market).id])) as unknown as Ticker
  }

  /** The account's fee rates in each market, in millionths of the quote amount; negative = rebate. */
  async fees(...nothing: []): Promise<FeeRates[]> {
    checkNothing('fees', nothing)
    return readArray(await this.call(Method.Fees, []), 'fees', 0, 100_000).map((value) => {
      const fee = readObject(value, 'fee')
      return {
        market: readSafeInt(fee['market'], 'market'),
        makerFeePpm: readSafeInt(fee['makerFeePpm'], 'makerFeePpm'),
        takerFeePpm: readSafeInt(fee['takerFeePpm'], 'takerFeePpm'),
      }
    })
  }

  /** The account's sessions, ended ones included as long as their place is not needed. */
  async sessions(...nothing: []): Promise<SessionView[]> {
    checkNothing('sessions', nothing)
    return readArray(await this.call(Method.Sessions, []), 'sessions', 0, 100_000).map((value) => {
      const session = readObject(value, 'session')
      const scopes = readSafeInt(session['scopes'], 'scopes')
      return {
        approval: readSafeInt(session['approval'], 'approval'),
        scopes: SCOPES.filter(([, bit]) => (scopes & bit) !== 0).map(([name]) => name),
        maxNotional: readSafeInt(session['maxNotional'], 'maxNotional'),
        expiresAtMs: readSafeInt(session['expiresAtMs'], 'expiresAtMs'),
        highestNonce: readSafeInt(session['highestNonce'], 'highestNonce'),
        active: session['active'] === true,
      }
    })
  }

  /** The newest settlement batches as the exchange tells of them, newest last; at most 100. */
  async batches(limit = BATCHES_ASKED): Promise<BatchView[]> {
    wholeFrom(1, 100)(limit, 'limit')
    return (await this.call(Method.Batches, [limit])) as unknown as BatchView[]
  }

  /** The path of a balance to the root of a batch, unchecked: `verifyBalance` checks it. */
  async proof(options: {
    readonly account: number
    readonly asset: number | string
    /** After this batch, while the exchange keeps its tree; the last one on the chain unless given. */
    readonly batch?: number
  }): Promise<BalanceProof> {
    checkFields('proof', options, { account: isWhole, asset: isIdOrSymbol, batch: isWhole }, [
      'account',
      'asset',
    ])
    const params = [options.account, this.markets.asset(options.asset).id]
    if (options.batch !== undefined) params.push(options.batch)
    return readProof(await this.call(Method.Proof, params))
  }

  /** The path of a fill to the fills root of its batch, unchecked: `verifyFill` checks it. */
  async fillProof(fill: { readonly seq: number; readonly index: number }): Promise<BatchFillProof> {
    isObject(fill, 'fill')
    wholeFrom(0)(fill.seq, 'fill.seq')
    wholeFrom(0)(fill.index, 'fill.index')
    return readFillProof(await this.call(Method.FillProof, [fill.seq, fill.index]))
  }
}
