/**
 * Triggers of stops: whether a market's trades have reached one, and what happens then. Trades widen the span of
 * prices that a market has touched since its triggers fired last (markets.ts); stops wait in books of their own,
 * the one whose turn is next in front.
 *
 * Invariant, between commands: a market that has touched a waiting trigger is marked, and the next Time command goes
 * on with it. Called by place.ts, amend.ts, clock.ts, snapshot-read.ts and trading.ts.
 */
import { CancelReason, EventKind, MarketStatus, PostOnly, TimeInForce } from '../../codes.js'
import { Attr, TriggeredEv } from '../../layout.js'
import type { Book } from '../book/book.js'
import type { Events } from '../base/events.js'
import { BOOK_KINDS, BookKind } from '../book/levels.js'
import { MARKET_SHIFT, Market, type Markets } from '../book/markets.js'
import type { OrderEvents } from '../book/order-events.js'
import { isMarket, restingBook, waitingBook } from '../book/order-types.js'
import { EXTRA_SHIFT, Extra, MARKET_MASK, Mark, ORDER_SHIFT, Order, type Orders } from '../book/orders.js'
import type { Prices } from '../book/band-and-post-only.js'
import type { Reserves } from '../money/reserves.js'
import type { Work } from '../base/work.js'
import { OFFSETS } from '../base/offsets.js'

/** What becomes of an order whose trigger was reached. */
export interface TriggeredOrders {
  /** Reason why it only waits for its turn to be cancelled, or 0. */
  goneReason(slot: number): number
  enter(slot: number): void
  cancel(slot: number, reason: number): void
}

/** The tables that triggers stand in, and what a triggered order is judged by. */
export interface TriggerTables {
  readonly orders: Orders
  readonly book: Book
  readonly markets: Markets
  readonly prices: Prices
  readonly reserves: Reserves
  readonly events: Events
  readonly orderEvents: OrderEvents
  readonly work: Work
}

export class Triggers {
  private readonly orders: Orders
  private readonly book: Book
  private readonly markets: Markets
  private readonly prices: Prices
  private readonly reserves: Reserves
  private readonly events: Events
  private readonly orderEvents: OrderEvents
  private readonly work: Work
  private readonly triggered: TriggeredOrders
  /** Markets in which triggers were reached that have not fired yet. */
  private unfired = 0

  constructor(tables: TriggerTables, triggered: TriggeredOrders) {
    this.orders = tables.orders
    this.book = tables.book
    this.markets = tables.markets
    this.prices = tables.prices
    this.reserves = tables.reserves
    this.events = tables.events
    this.orderEvents = tables.orderEvents
    this.work = tables.work
    this.triggered = triggered
  }

  /** True when the last trade has reached a stop's trigger. */
  isReached(market: number, type: number, side: number, triggerTicks: number): boolean {
    const last = this.markets.words[(market << MARKET_SHIFT) + Market.LAST_TICKS]!
    if (last === 0) return false
    return waitingBook(market, type, side) & 1 ? last >= triggerTicks : last <= triggerTicks
  }

  /** True when a stop that began to wait now would fire by trades of before, whose triggers still fire. */
  wouldFireLate(market: number, type: number, side: number, triggerTicks: number): boolean {
    const { words } = this.markets
    const at = market << MARKET_SHIFT
    const high = words[at + Market.TOUCHED_HIGH]!
    if (high === 0) return false
    return waitingBook(market, type, side) & 1
      ? high >= triggerTicks
      : words[at + Market.TOUCHED_LOW]! <= triggerTicks
  }

  /**
   * Fires every trigger that the market's trades have reached, one after the other, cascades included, while
   * at least half of the message's steps are left; false when the rest must wait for the next Time command.
   */
  fire(market: number): boolean {
    const { words } = this.markets
    const at = (market << MARKET_SHIFT) & OFFSETS
    if (words[at + Market.TOUCHED_HIGH] === 0) return true
    const rising = market * BOOK_KINDS + BookKind.RisingStops
    const falling = market * BOOK_KINDS + BookKind.FallingStops
    const { best } = this.book.levels
    const { work } = this
    for (;;) {
      let slot: number
      if (best[rising]! >= 0 && this.book.bestTicks(rising) <= words[at + Market.TOUCHED_HIGH]!)
        slot = this.book.first(rising)
      else if (best[falling]! >= 0 && this.book.bestTicks(falling) >= words[at + Market.TOUCHED_LOW]!)
        slot = this.book.first(falling)
      else break
      if (work.used * 2 > work.max || !work.take()) {
        this.markUnfired(market)
        return false
      }
      this.trigger(slot)
    }
    words[at + Market.TOUCHED_LOW] = 0
    words[at + Market.TOUCHED_HIGH] = 0
    if (words[at + Market.UNFIRED] === 1) {
      words[at + Market.UNFIRED] = 0
      this.unfired--
    }
    return true
  }

  /** Notes that triggers of the market wait for a Time command. */
  markUnfired(market: number): void {
    const at = market << MARKET_SHIFT
    if (this.markets.words[at + Market.UNFIRED] === 1) return
    this.markets.words[at + Market.UNFIRED] = 1
    this.unfired++
  }

  /** The first active market in which triggers wait for a Time command, from `from` on and then from 0; or -1. */
  nextUnfired(from: number): number {
    if (this.unfired === 0) return -1
    const { end } = this.markets
    for (let market = from; market < end; market++) if (this.isUnfired(market)) return market
    for (let market = 0; market < from && market < end; market++) if (this.isUnfired(market)) return market
    return -1
  }

  /** Whether triggers of a market wait for a Time command, and the market is active. */
  isUnfired(market: number): boolean {
    const { words } = this.markets
    const at = market << MARKET_SHIFT
    return words[at + Market.UNFIRED] === 1 && words[at + Market.STATUS] === MarketStatus.Active
  }

  private trigger(slot: number): void {
    const gone = this.triggered.goneReason(slot)
    if (gone !== 0) {
      this.triggered.cancel(slot, gone)
      return
    }
    this.book.remove(slot)
    this.orders.words[(slot << ORDER_SHIFT) + Order.ATTR]! &= ~Mark.Waiting
    this.activate(slot)
  }

  /** A stop whose trigger is reached becomes the order that it stands for, if it still may. */
  activate(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const type = (words[at + Order.ATTR]! >>> Attr.ORDER_TYPE_SHIFT) & 7
    const ticks = this.triggeredTicks(slot, type)
    if (ticks !== 0 && ticks !== words[at + Order.TICKS]) {
      words[at + Order.TICKS] = ticks
      this.reserves.set(slot, words[at + Order.VISIBLE]!)
    }
    const event = this.orderEvents.about(EventKind.Triggered, slot, 0)
    this.events.words[event + TriggeredEv.TRIGGER_TICKS] = extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!
    if (ticks !== 0) this.triggered.enter(slot)
    else this.triggered.cancel(slot, isMarket(type) ? CancelReason.PriceBand : CancelReason.TriggerRejected)
  }

  /** The price that a triggered order goes on with; 0 = it may not be placed. */
  private triggeredTicks(slot: number, type: number): number {
    const { words } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + Order.ATTR]!
    const side = (attributes >>> Attr.SIDE_SHIFT) & 1
    const market = words[at + Order.MARKET_CARRY]! & MARKET_MASK
    const limit = words[at + Order.TICKS]!
    if (isMarket(type)) return this.prices.tightened(market, side, limit)
    const postOnly = (attributes >>> Attr.POST_ONLY_SHIFT) & 3
    const ticks =
      postOnly === PostOnly.None ? limit : this.prices.postOnlyTicks(market, side, limit, postOnly)
    if (ticks === 0 || this.prices.outsideBand(market, ticks)) return 0
    const timeInForce = (attributes >>> Attr.TIME_IN_FORCE_SHIFT) & 7
    const mayRest = timeInForce === TimeInForce.GTC || timeInForce === TimeInForce.GTD
    return mayRest && this.book.levelMissing(restingBook(market, side), ticks) ? 0 : ticks
  }
}
