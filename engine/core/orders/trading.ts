/**
 * The lives of orders: accepted, matched, resting, triggered, cancelled, done; and what each step means
 * in money. Everything here has been checked by place.ts or amend.ts, so nothing here refuses.
 *
 * Invariants, true between commands: an order is live exactly while its id finds it, it stands in one of its
 * account's lists and it reserves units, exactly what its unfilled lots need; it then rests in a book or waits
 * for its trigger. An account's lists are in the order of placement.
 * Called by place.ts, amend.ts, clock.ts and engine.ts; calls match.ts, which calls back (MatchSink).
 */
import { CancelReason, EventKind, MarketStatus, PostOnly, TimeInForce } from '../../codes.js'
import { Attr, ProtectionTriggeredEv, RefilledEv, TriggeredEv } from '../../layout.js'
import { AccountOrders } from './account-orders.js'
import { Book } from '../book/book.js'
import type { Events } from '../base/events.js'
import { allCanReceive } from '../money/fill-bounds.js'
import { Fills } from '../money/fills.js'
import { Heap } from '../base/heap.js'
import { AccountFlag, type Ledger, ACCOUNT_SHIFT, ACCOUNT_NUMBERS, AccountNumber } from '../money/ledger.js'
import { BookKind, NONE, BOOK_KINDS } from '../book/levels.js'
import { Market, MarketUnits, type Markets, MARKET_SHIFT } from '../book/markets.js'
import { MassCancels } from './mass-cancels.js'
import { Matcher, type MatchSink, Settled } from '../book/match.js'
import { OrderIds } from '../book/order-ids.js'
import { OrderEvents } from '../book/order-events.js'
import {
  Extra,
  ExtraNumber,
  Mark,
  Order,
  OrderNumber,
  Orders,
  ORDER_SHIFT,
  EXTRA_SHIFT,
  MARKET_MASK,
} from '../book/orders.js'
import { Prices } from '../book/prices.js'
import type { Protections } from './protections.js'
import { Reserves } from '../money/reserves.js'
import type { Work } from '../base/work.js'
import { isMarket, restingBook, waitingBook } from '../book/order-types.js'
import { ACCOUNT_ORDERS_FLOOR, ACCOUNT_ORDERS_SHARE } from '../../limits.js'
import { OFFSETS } from '../base/offsets.js'

/** Places in the clock: seq of the command that is applied, engine time in ms. */
export const Clock = { SEQ: 0, TIME: 1 } as const

export class Trading implements MatchSink {
  readonly orders: Orders
  readonly book: Book
  readonly ids: OrderIds
  readonly accountOrders: AccountOrders
  readonly massCancels: MassCancels
  readonly ledger: Ledger
  readonly reserves: Reserves
  readonly prices: Prices
  readonly markets: Markets
  readonly protections: Protections
  readonly events: Events
  readonly orderEvents: OrderEvents
  readonly clock: Float64Array
  readonly work: Work
  /** Orders with an expiry, by (expiry, order id). */
  readonly expiries: Heap
  /** Live orders that one account may have, however empty the table. */
  readonly accountOrdersMax: number
  /** True while an order is only tried: it is checked like any other, and nothing may be written. */
  isTrial = false
  private readonly matcher: Matcher
  private readonly fills: Fills
  /** Markets in which triggers were reached that have not fired yet. */
  private unfired = 0
  /** Protections that a fill of the match in progress has reached. */
  private readonly reached: Int32Array
  private reachedCount = 0

  constructor(
    ordersMax: number,
    levelsMax: number,
    accountOrdersMax: number,
    ledger: Ledger,
    markets: Markets,
    protections: Protections,
    events: Events,
    clock: Float64Array,
    work: Work,
  ) {
    this.work = work
    this.accountOrdersMax = accountOrdersMax
    this.orders = new Orders(ordersMax, ledger.orders)
    this.book = new Book(this.orders, markets.capacity * BOOK_KINDS, levelsMax)
    this.ids = new OrderIds(this.orders.words, ordersMax + 1)
    this.accountOrders = new AccountOrders(ledger)
    this.massCancels = new MassCancels(
      this.orders,
      this.accountOrders,
      ledger,
      markets,
      work,
      (slot, reason) => this.cancel(slot, reason),
    )
    this.ledger = ledger
    this.markets = markets
    this.reserves = new Reserves(this.orders, ledger, markets)
    this.prices = new Prices(this.book, markets)
    this.protections = protections
    this.events = events
    this.clock = clock
    this.orderEvents = new OrderEvents(this.orders, events, clock)
    this.fills = new Fills(this.orders, ledger, markets, this.reserves, this.orderEvents)
    this.matcher = new Matcher(this.book, markets.units, work, this)
    this.reached = new Int32Array(protections.capacity)
    const { extras, extraNumbers, numbers } = this.orders
    this.expiries = new Heap(ordersMax + 1, {
      first: (slot) => extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!,
      second: (slot) => numbers[2 * slot + OrderNumber.ID]!,
      place: (slot) => extras[(slot << EXTRA_SHIFT) + Extra.HEAP]!,
      setPlace: (slot, place) => {
        extras[(slot << EXTRA_SHIFT) + Extra.HEAP] = place
      },
    })
  }

  // ---- MatchSink

  fill(maker: number, taker: number, lots: number): number {
    const settled = this.fills.settle(maker, taker, lots)
    if (settled !== Settled.Done) return settled
    const { words } = this.orders
    const account = words[(maker << ORDER_SHIFT) + Order.ACCOUNT]!
    if ((this.ledger.accounts[account << ACCOUNT_SHIFT]! & AccountFlag.Protected) !== 0)
      this.countProtected(maker, account, lots)
    return Settled.Done
  }

  goneReason(slot: number): number {
    const { words, extraNumbers } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + Order.ATTR]!
    if (
      (attributes & Mark.Expires) !== 0 &&
      extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]! <= this.clock[Clock.TIME]!
    )
      return CancelReason.Expired
    if (!this.work.isBehind) return 0
    const market = words[at + Order.MARKET_CARRY]! & MARKET_MASK
    const side = (attributes >>> Attr.SIDE_SHIFT) & 1
    const account = words[at + Order.ACCOUNT]!
    const reason = this.massCancels.reasonFor(slot, account, market, side)
    return reason === 0 && this.isSwitchDue(account) ? CancelReason.DeadManSwitch : reason
  }

  /** True while an account's dead-man switch only waits for its turn. */
  private isSwitchDue(account: number): boolean {
    if (!this.work.switchesDue) return false
    const atMs = this.ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.CANCEL_AFTER]!
    return atMs !== 0 && atMs <= this.clock[Clock.TIME]!
  }

  makerFilled(maker: number): void {
    this.finish(maker)
  }

  makerRefilled(maker: number): void {
    const event = this.orderEvents.about(EventKind.Refilled, maker, 0)
    this.events.words[event + RefilledEv.SHOWN_LOTS] =
      this.orders.words[(maker << ORDER_SHIFT) + Order.VISIBLE]!
  }

  cancelMaker(maker: number, reason: number): void {
    this.cancel(maker, reason)
  }

  decrementMaker(maker: number, lots: number): void {
    const at = (maker << ORDER_SHIFT) & OFFSETS
    this.orders.words[at + Order.LOTS]! -= lots
    this.shrink(maker, this.orders.remaining(maker) - lots)
    this.orderEvents.amended(maker, this.orders.words[at + Order.TICKS]!, true, false)
  }

  decrementTaker(taker: number, lots: number): void {
    const words = this.orders.words
    const at = (taker << ORDER_SHIFT) & OFFSETS
    words[at + Order.LOTS]! -= lots
    words[at + Order.VISIBLE]! -= lots
    this.orderEvents.amended(taker, words[at + Order.TICKS]!, false, false)
  }

  // ---- Lives of orders

  /** True when an account with `held` live orders may have no more: the room that is left is everybody's. */
  hasItsOrders(held: number): boolean {
    if (held >= this.accountOrdersMax) return true
    if (held < ACCOUNT_ORDERS_FLOOR) return false
    return held >= Math.floor((this.orders.capacity - this.orders.count) / ACCOUNT_ORDERS_SHARE)
  }

  /**
   * Enters a filled-in order into the ids, its account's list and the expiries; `missed`: its id was the last
   * that `ids.find` was asked for, unless orders have ended since.
   */
  enlist(slot: number, missed: boolean): void {
    const { words } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + Order.ATTR]!
    words[at + Order.ATTR] = attributes & ~Mark.Fresh
    this.accountOrders.add(
      slot,
      words[at + Order.ACCOUNT]!,
      words[at + Order.MARKET_CARRY]! & MARKET_MASK,
      (attributes >>> Attr.SIDE_SHIFT) & 1,
    )
    if (missed) this.ids.addMissed(slot)
    else this.ids.add(slot)
    if ((attributes & Mark.Expires) !== 0) this.expiries.add(slot)
  }

  /** Matches an order that stands in no book, then lets it rest or ends it. */
  enter(slot: number): void {
    const { words } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + Order.ATTR]!
    const timeInForce = (attributes >>> Attr.TIME_IN_FORCE_SHIFT) & 7
    const wanted = words[at + Order.VISIBLE]!
    let reason = timeInForce === TimeInForce.FOK ? this.whyUnfillable(slot) : 0
    if (reason === 0) reason = this.matcher.match(slot)
    const left = words[at + Order.VISIBLE]!
    if (left !== 0 && reason === 0) {
      if (
        isMarket((attributes >>> Attr.ORDER_TYPE_SHIFT) & 7) ||
        timeInForce === TimeInForce.IOC ||
        timeInForce === TimeInForce.FOK
      )
        reason = CancelReason.ImmediateOrCancel
      else if ((attributes & Mark.Cap) !== 0 && this.passesCap(slot, left))
        reason = CancelReason.SessionNotional
    }
    if (left === 0) this.finish(slot)
    else if (reason !== 0) this.cancel(slot, reason)
    else {
      // What it held for worse prices or fees than it met goes back.
      if (left !== wanted) this.reserves.set(slot, left)
      this.rest(
        slot,
        restingBook(words[at + Order.MARKET_CARRY]! & MARKET_MASK, (attributes >>> Attr.SIDE_SHIFT) & 1),
      )
    }
    if (this.reachedCount > 0) this.pullProtected()
  }

  /** True when `lots` at the order's limit come to more than its cap: it may not rest with them. */
  private passesCap(slot: number, lots: number): boolean {
    const { words, extraNumbers } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const unit = this.markets.units[2 * (words[at + Order.MARKET_CARRY]! & MARKET_MASK) + MarketUnits.TICK]!
    return words[at + Order.TICKS]! * lots * unit > extraNumbers[2 * slot + ExtraNumber.BUDGET]!
  }

  /** Puts an order into its book, with the part of it that shows. */
  private rest(slot: number, book: number): void {
    const at = (slot << ORDER_SHIFT) & OFFSETS
    if ((this.orders.words[at + Order.ATTR]! & Mark.Fresh) !== 0) this.enlist(slot, true)
    this.book.show(slot, this.orders.words[at + Order.VISIBLE]!)
    this.book.append(slot, book, this.orders.words[at + Order.TICKS]!)
  }

  /** Lets a stop wait for its trigger. */
  wait(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    if ((words[at + Order.ATTR]! & Mark.Fresh) !== 0) this.enlist(slot, true)
    const attributes = words[at + Order.ATTR]!
    words[at + Order.ATTR] = attributes | Mark.Waiting
    const book = waitingBook(
      words[at + Order.MARKET_CARRY]! & MARKET_MASK,
      (attributes >>> Attr.ORDER_TYPE_SHIFT) & 7,
      (attributes >>> Attr.SIDE_SHIFT) & 1,
    )
    this.book.append(slot, book, extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!)
  }

  /** True when the last trade has reached a stop's trigger. */
  isTriggered(market: number, type: number, side: number, triggerTicks: number): boolean {
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
  triggerStops(market: number): boolean {
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

  /** The first active market from `from` on in which triggers wait for a Time command, or -1. */
  nextUnfired(from: number): number {
    if (this.unfired === 0) return -1
    const { words, end } = this.markets
    for (let market = from; market < end; market++) {
      const at = market << MARKET_SHIFT
      if (words[at + Market.UNFIRED] === 1 && words[at + Market.STATUS] === MarketStatus.Active) return market
    }
    return -1
  }

  private trigger(slot: number): void {
    const gone = this.goneReason(slot)
    if (gone !== 0) {
      this.cancel(slot, gone)
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
    if (ticks !== 0) this.enter(slot)
    else this.cancel(slot, isMarket(type) ? CancelReason.PriceBand : CancelReason.TriggerRejected)
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

  /** Cancels a live order wherever it stands, or one that was just matched and stands nowhere. */
  cancel(slot: number, reason: number): void {
    // The event last: what the steps before it read of other tables comes from memory at once, not one after the other.
    this.giveBack(slot)
    if (this.orders.words[(slot << ORDER_SHIFT) + Order.LEVEL]! !== NONE) this.book.remove(slot)
    this.orderEvents.about(EventKind.Canceled, slot, reason)
    this.leave(slot)
  }

  /** The end of an order that stands in no book. */
  private finish(slot: number): void {
    this.giveBack(slot)
    this.leave(slot)
  }

  /** Makes available what an order still reserves, when it ends. */
  private giveBack(slot: number): void {
    const { values } = this.ledger
    const left = this.orders.numbers[2 * slot]!
    if (left === 0) return
    const row = this.reserves.row(slot)
    values[2 * row]! += left
    values[2 * row + 1]! -= left
  }

  /** Takes an order that has ended out of ids, lists and expiries; its slot is free then. */
  private leave(slot: number): void {
    const { words } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + Order.ATTR]!
    if ((attributes & Mark.Fresh) === 0) {
      if ((attributes & Mark.Expires) !== 0) this.expiries.remove(slot)
      this.ids.remove(slot)
      this.accountOrders.remove(slot, words[at + Order.ACCOUNT]!, (attributes >>> Attr.SIDE_SHIFT) & 1)
    }
    this.orders.release(slot)
  }

  /**
   * Lowers a standing order to `remaining` lots and, for an iceberg, to its display size, in its place;
   * it then reserves what the rest needs. LOTS has been set.
   */
  shrink(slot: number, remaining: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const visible = words[at + Order.VISIBLE]!
    let shown = Math.min(visible, remaining)
    // An iceberg that waits for its trigger is not split yet.
    if ((words[at + Order.ATTR]! & (Mark.Iceberg | Mark.Waiting)) === Mark.Iceberg) {
      const extra = (slot << EXTRA_SHIFT) & OFFSETS
      shown = Math.min(shown, extras[extra + Extra.DISPLAY]!)
      extras[extra] = remaining - shown
    }
    if (shown < visible) this.book.reduce(slot, visible - shown)
    this.reserves.set(slot, remaining)
  }

  // ---- Protections

  private countProtected(maker: number, account: number, lots: number): void {
    const { words } = this.orders
    const at = (maker << ORDER_SHIFT) & OFFSETS
    const market = words[at + Order.MARKET_CARRY]! & MARKET_MASK
    const quote = words[at + Order.TICKS]! * lots * this.markets.units[2 * market + MarketUnits.TICK]!
    const entry = this.protections.countFill(account, market, quote, this.clock[Clock.TIME]!)
    if (entry >= 0) this.reached[this.reachedCount++] = entry
  }

  /** Pulls the orders behind each protection that the match has reached. After the match, not within. */
  private pullProtected(): void {
    for (let index = 0; index < this.reachedCount; index++) {
      const entry = this.reached[index]!
      const account = this.protections.account(entry)
      const market = this.protections.market(entry)
      const event = this.events.next(EventKind.ProtectionTriggered, this.clock)
      this.events.words[event + ProtectionTriggeredEv.ACCOUNT] = account
      this.events.words[event + ProtectionTriggeredEv.MARKET] = market
      this.massCancels.begin(
        { account, market, side: -1, reason: CancelReason.Protection, haltedToo: true },
        this.clock[Clock.SEQ]!,
      )
    }
    this.reachedCount = 0
  }

  // ---- Fill or kill

  /**
   * 0 when the whole order can be filled now, and settling it can bring no balance to 2^53; else the reason
   * that kills it.
   */
  private whyUnfillable(slot: number): number {
    const reason = this.matcher.whyUnfillable(slot)
    if (reason !== 0) return reason
    const { supply } = this.ledger
    const market = this.orders.words[(slot << ORDER_SHIFT) + Order.MARKET_CARRY]! & MARKET_MASK
    const base = this.markets.get(market, Market.BASE)
    const quote = this.markets.get(market, Market.QUOTE)
    // No balance can reach 2^53 unless there is that much of an asset.
    if (supply[2 * base + 1] === 0 && supply[2 * quote + 1] === 0) return 0
    const isGone = (maker: number): boolean => this.goneReason(maker) !== 0
    return allCanReceive(slot, this.book, this.markets, this.ledger, isGone) ? 0 : CancelReason.FillOrKill
  }
}
