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
import { AccountFlag, type Ledger } from '../money/ledger.js'
import { BookKind } from '../book/levels.js'
import { Market, MarketUnits, type Markets } from '../book/markets.js'
import * as marketLayout from '../book/markets.js'
import { MassCancels } from './mass-cancels.js'
import { Matcher, type MatchSink, Settled } from '../book/match.js'
import { OrderIds } from '../book/order-ids.js'
import { OrderEvents } from '../book/order-events.js'
import { Extra, ExtraNumber, Mark, Order, OrderNumber, Orders } from '../book/orders.js'
import { Prices } from '../book/prices.js'
import type { Protections } from './protections.js'
import { Reserves } from '../money/reserves.js'
import type { Work } from '../base/work.js'
import * as orderTypes from '../book/order-types.js'
import * as orders from '../book/orders.js'
import * as levels from '../book/levels.js'
import * as ledger from '../money/ledger.js'
import * as limits from '../../limits.js'
import * as offsets from '../base/offsets.js'

// Local copies, of functions too: optimised code folds them, but loads and checks an import at each use.
const { isMarket, restingBook, waitingBook } = orderTypes
const { OFFSETS } = offsets
const { ACCOUNT_ORDERS_FLOOR, ACCOUNT_ORDERS_SHARE } = limits
const { MARKET_SHIFT } = marketLayout
const {
  LAST_TICKS: MARKET_LAST_TICKS,
  STATUS: MARKET_STATUS,
  TOUCHED_LOW: MARKET_TOUCHED_LOW,
  TOUCHED_HIGH: MARKET_TOUCHED_HIGH,
  UNFIRED: MARKET_UNFIRED,
} = Market
const { Active: STATUS_ACTIVE } = MarketStatus
const { TICK: UNITS_TICK } = MarketUnits
const { ORDER_SHIFT, EXTRA_SHIFT, MARKET_MASK } = orders
const { NONE, BOOK_KINDS } = levels
const { ACCOUNT_SHIFT, ACCOUNT_NUMBERS } = ledger
const { CANCEL_AFTER } = ledger.AccountNumber
const {
  ATTR: ORDER_ATTR,
  MARKET_CARRY: ORDER_MARKET_CARRY,
  TICKS: ORDER_TICKS,
  ACCOUNT: ORDER_ACCOUNT,
  VISIBLE: ORDER_VISIBLE,
  LOTS: ORDER_LOTS,
  LEVEL: ORDER_LEVEL,
} = Order
const { HEAP: EXTRA_HEAP, TRIGGER: EXTRA_TRIGGER, DISPLAY: EXTRA_DISPLAY } = Extra
const {
  Cap: MARK_CAP,
  Expires: MARK_EXPIRES,
  Waiting: MARK_WAITING,
  Iceberg: MARK_ICEBERG,
  Fresh: MARK_FRESH,
} = Mark
const { SHOWN_LOTS: REFILLED_SHOWN_LOTS } = RefilledEv
const { TRIGGER_TICKS: TRIGGERED_TRIGGER_TICKS } = TriggeredEv
const {
  SIDE_SHIFT: ATTR_SIDE_SHIFT,
  TIME_IN_FORCE_SHIFT: ATTR_TIME_IN_FORCE_SHIFT,
  ORDER_TYPE_SHIFT: ATTR_ORDER_TYPE_SHIFT,
  POST_ONLY_SHIFT: ATTR_POST_ONLY_SHIFT,
} = Attr
const { ID: NUMBER_ID } = OrderNumber
const { EXPIRES_AT: EXTRA_EXPIRES_AT, BUDGET: EXTRA_BUDGET } = ExtraNumber
const { Protected: ACCOUNT_PROTECTED } = AccountFlag
const { ImmediateOrCancel: REASON_IMMEDIATE_OR_CANCEL } = CancelReason
const { Done: SETTLED_DONE } = Settled
const { RisingStops: BOOK_RISING_STOPS, FallingStops: BOOK_FALLING_STOPS } = BookKind
const { FOK: TIF_FOK, IOC: TIF_IOC, GTC: TIF_GTC, GTD: TIF_GTD } = TimeInForce
const { None: POST_ONLY_NONE } = PostOnly
const {
  Refilled: EVENT_REFILLED,
  Triggered: EVENT_TRIGGERED,
  Canceled: EVENT_CANCELED,
  ProtectionTriggered: EVENT_PROTECTION_TRIGGERED,
} = EventKind

/** Places in the clock: seq of the command that is applied, engine time in ms. */
export const Clock = { SEQ: 0, TIME: 1 } as const
const { SEQ: CLOCK_SEQ, TIME: CLOCK_TIME } = Clock

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
      first: (slot) => extraNumbers[2 * slot + EXTRA_EXPIRES_AT]!,
      second: (slot) => numbers[2 * slot + NUMBER_ID]!,
      place: (slot) => extras[(slot << EXTRA_SHIFT) + EXTRA_HEAP]!,
      setPlace: (slot, place) => {
        extras[(slot << EXTRA_SHIFT) + EXTRA_HEAP] = place
      },
    })
  }

  // ---- MatchSink

  fill(maker: number, taker: number, lots: number): number {
    const settled = this.fills.settle(maker, taker, lots)
    if (settled !== SETTLED_DONE) return settled
    const { words } = this.orders
    const account = words[(maker << ORDER_SHIFT) + ORDER_ACCOUNT]!
    if ((this.ledger.accounts[account << ACCOUNT_SHIFT]! & ACCOUNT_PROTECTED) !== 0)
      this.countProtected(maker, account, lots)
    return SETTLED_DONE
  }

  goneReason(slot: number): number {
    const { words, extraNumbers } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + ORDER_ATTR]!
    if (
      (attributes & MARK_EXPIRES) !== 0 &&
      extraNumbers[2 * slot + EXTRA_EXPIRES_AT]! <= this.clock[CLOCK_TIME]!
    )
      return CancelReason.Expired
    if (!this.work.isBehind) return 0
    const market = words[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    const side = (attributes >>> ATTR_SIDE_SHIFT) & 1
    const account = words[at + ORDER_ACCOUNT]!
    const reason = this.massCancels.reasonFor(slot, account, market, side)
    return reason === 0 && this.isSwitchDue(account) ? CancelReason.DeadManSwitch : reason
  }

  /** True while an account's dead-man switch only waits for its turn. */
  private isSwitchDue(account: number): boolean {
    if (!this.work.switchesDue) return false
    const atMs = this.ledger.accountNumbers[account * ACCOUNT_NUMBERS + CANCEL_AFTER]!
    return atMs !== 0 && atMs <= this.clock[CLOCK_TIME]!
  }

  makerFilled(maker: number): void {
    this.finish(maker)
  }

  makerRefilled(maker: number): void {
    const event = this.orderEvents.about(EVENT_REFILLED, maker, 0)
    this.events.words[event + REFILLED_SHOWN_LOTS] =
      this.orders.words[(maker << ORDER_SHIFT) + ORDER_VISIBLE]!
  }

  cancelMaker(maker: number, reason: number): void {
    this.cancel(maker, reason)
  }

  decrementMaker(maker: number, lots: number): void {
    const at = (maker << ORDER_SHIFT) & OFFSETS
    this.orders.words[at + ORDER_LOTS]! -= lots
    this.shrink(maker, this.orders.remaining(maker) - lots)
    this.orderEvents.amended(maker, this.orders.words[at + ORDER_TICKS]!, true, false)
  }

  decrementTaker(taker: number, lots: number): void {
    const words = this.orders.words
    const at = (taker << ORDER_SHIFT) & OFFSETS
    words[at + ORDER_LOTS]! -= lots
    words[at + ORDER_VISIBLE]! -= lots
    this.orderEvents.amended(taker, words[at + ORDER_TICKS]!, false, false)
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
    const attributes = words[at + ORDER_ATTR]!
    words[at + ORDER_ATTR] = attributes & ~MARK_FRESH
    this.accountOrders.add(
      slot,
      words[at + ORDER_ACCOUNT]!,
      words[at + ORDER_MARKET_CARRY]! & MARKET_MASK,
      (attributes >>> ATTR_SIDE_SHIFT) & 1,
    )
    if (missed) this.ids.addMissed(slot)
    else this.ids.add(slot)
    if ((attributes & MARK_EXPIRES) !== 0) this.expiries.add(slot)
  }

  /** Matches an order that stands in no book, then lets it rest or ends it. */
  enter(slot: number): void {
    const { words } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + ORDER_ATTR]!
    const timeInForce = (attributes >>> ATTR_TIME_IN_FORCE_SHIFT) & 7
    const wanted = words[at + ORDER_VISIBLE]!
    let reason = timeInForce === TIF_FOK ? this.whyUnfillable(slot) : 0
    if (reason === 0) reason = this.matcher.match(slot)
    const left = words[at + ORDER_VISIBLE]!
    if (left !== 0 && reason === 0) {
      if (
        isMarket((attributes >>> ATTR_ORDER_TYPE_SHIFT) & 7) ||
        timeInForce === TIF_IOC ||
        timeInForce === TIF_FOK
      )
        reason = REASON_IMMEDIATE_OR_CANCEL
      else if ((attributes & MARK_CAP) !== 0 && this.passesCap(slot, left))
        reason = CancelReason.SessionNotional
    }
    if (left === 0) this.finish(slot)
    else if (reason !== 0) this.cancel(slot, reason)
    else {
      // What it held for worse prices or fees than it met goes back.
      if (left !== wanted) this.reserves.set(slot, left)
      this.rest(
        slot,
        restingBook(words[at + ORDER_MARKET_CARRY]! & MARKET_MASK, (attributes >>> ATTR_SIDE_SHIFT) & 1),
      )
    }
    if (this.reachedCount > 0) this.pullProtected()
  }

  /** True when `lots` at the order's limit come to more than its cap: it may not rest with them. */
  private passesCap(slot: number, lots: number): boolean {
    const { words, extraNumbers } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const unit = this.markets.units[2 * (words[at + ORDER_MARKET_CARRY]! & MARKET_MASK) + UNITS_TICK]!
    return words[at + ORDER_TICKS]! * lots * unit > extraNumbers[2 * slot + EXTRA_BUDGET]!
  }

  /** Puts an order into its book, with the part of it that shows. */
  private rest(slot: number, book: number): void {
    const at = (slot << ORDER_SHIFT) & OFFSETS
    if ((this.orders.words[at + ORDER_ATTR]! & MARK_FRESH) !== 0) this.enlist(slot, true)
    this.book.show(slot, this.orders.words[at + ORDER_VISIBLE]!)
    this.book.append(slot, book, this.orders.words[at + ORDER_TICKS]!)
  }

  /** Lets a stop wait for its trigger. */
  wait(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    if ((words[at + ORDER_ATTR]! & MARK_FRESH) !== 0) this.enlist(slot, true)
    const attributes = words[at + ORDER_ATTR]!
    words[at + ORDER_ATTR] = attributes | MARK_WAITING
    const book = waitingBook(
      words[at + ORDER_MARKET_CARRY]! & MARKET_MASK,
      (attributes >>> ATTR_ORDER_TYPE_SHIFT) & 7,
      (attributes >>> ATTR_SIDE_SHIFT) & 1,
    )
    this.book.append(slot, book, extras[(slot << EXTRA_SHIFT) + EXTRA_TRIGGER]!)
  }

  /** True when the last trade has reached a stop's trigger. */
  isTriggered(market: number, type: number, side: number, triggerTicks: number): boolean {
    const last = this.markets.words[(market << MARKET_SHIFT) + MARKET_LAST_TICKS]!
    if (last === 0) return false
    return waitingBook(market, type, side) & 1 ? last >= triggerTicks : last <= triggerTicks
  }

  /** True when a stop that began to wait now would fire by trades of before, whose triggers still fire. */
  wouldFireLate(market: number, type: number, side: number, triggerTicks: number): boolean {
    const { words } = this.markets
    const at = market << MARKET_SHIFT
    const high = words[at + MARKET_TOUCHED_HIGH]!
    if (high === 0) return false
    return waitingBook(market, type, side) & 1
      ? high >= triggerTicks
      : words[at + MARKET_TOUCHED_LOW]! <= triggerTicks
  }

  /**
   * Fires every trigger that the market's trades have reached, one after the other, cascades included, while
   * at least half of the message's steps are left; false when the rest must wait for the next Time command.
   */
  triggerStops(market: number): boolean {
    const { words } = this.markets
    const at = (market << MARKET_SHIFT) & OFFSETS
    if (words[at + MARKET_TOUCHED_HIGH] === 0) return true
    const rising = market * BOOK_KINDS + BOOK_RISING_STOPS
    const falling = market * BOOK_KINDS + BOOK_FALLING_STOPS
    const { best } = this.book.levels
    const { work } = this
    for (;;) {
      let slot: number
      if (best[rising]! >= 0 && this.book.bestTicks(rising) <= words[at + MARKET_TOUCHED_HIGH]!)
        slot = this.book.first(rising)
      else if (best[falling]! >= 0 && this.book.bestTicks(falling) >= words[at + MARKET_TOUCHED_LOW]!)
        slot = this.book.first(falling)
      else break
      if (work.used * 2 > work.max || !work.take()) {
        this.markUnfired(market)
        return false
      }
      this.trigger(slot)
    }
    words[at + MARKET_TOUCHED_LOW] = 0
    words[at + MARKET_TOUCHED_HIGH] = 0
    if (words[at + MARKET_UNFIRED] === 1) {
      words[at + MARKET_UNFIRED] = 0
      this.unfired--
    }
    return true
  }

  /** Notes that triggers of the market wait for a Time command. */
  markUnfired(market: number): void {
    const at = market << MARKET_SHIFT
    if (this.markets.words[at + MARKET_UNFIRED] === 1) return
    this.markets.words[at + MARKET_UNFIRED] = 1
    this.unfired++
  }

  /** The first active market from `from` on in which triggers wait for a Time command, or -1. */
  nextUnfired(from: number): number {
    if (this.unfired === 0) return -1
    const { words, end } = this.markets
    for (let market = from; market < end; market++) {
      const at = market << MARKET_SHIFT
      if (words[at + MARKET_UNFIRED] === 1 && words[at + MARKET_STATUS] === STATUS_ACTIVE) return market
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
    this.orders.words[(slot << ORDER_SHIFT) + ORDER_ATTR]! &= ~MARK_WAITING
    this.activate(slot)
  }

  /** A stop whose trigger is reached becomes the order that it stands for, if it still may. */
  activate(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const type = (words[at + ORDER_ATTR]! >>> ATTR_ORDER_TYPE_SHIFT) & 7
    const ticks = this.triggeredTicks(slot, type)
    if (ticks !== 0 && ticks !== words[at + ORDER_TICKS]) {
      words[at + ORDER_TICKS] = ticks
      this.reserves.set(slot, words[at + ORDER_VISIBLE]!)
    }
    const event = this.orderEvents.about(EVENT_TRIGGERED, slot, 0)
    this.events.words[event + TRIGGERED_TRIGGER_TICKS] = extras[(slot << EXTRA_SHIFT) + EXTRA_TRIGGER]!
    if (ticks !== 0) this.enter(slot)
    else this.cancel(slot, isMarket(type) ? CancelReason.PriceBand : CancelReason.TriggerRejected)
  }

  /** The price that a triggered order goes on with; 0 = it may not be placed. */
  private triggeredTicks(slot: number, type: number): number {
    const { words } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + ORDER_ATTR]!
    const side = (attributes >>> ATTR_SIDE_SHIFT) & 1
    const market = words[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    const limit = words[at + ORDER_TICKS]!
    if (isMarket(type)) return this.prices.tightened(market, side, limit)
    const postOnly = (attributes >>> ATTR_POST_ONLY_SHIFT) & 3
    const ticks =
      postOnly === POST_ONLY_NONE ? limit : this.prices.postOnlyTicks(market, side, limit, postOnly)
    if (ticks === 0 || this.prices.outsideBand(market, ticks)) return 0
    const timeInForce = (attributes >>> ATTR_TIME_IN_FORCE_SHIFT) & 7
    const mayRest = timeInForce === TIF_GTC || timeInForce === TIF_GTD
    return mayRest && this.book.levelMissing(restingBook(market, side), ticks) ? 0 : ticks
  }

  /** Cancels a live order wherever it stands, or one that was just matched and stands nowhere. */
  cancel(slot: number, reason: number): void {
    // The event last: what the steps before it read of other tables comes from memory at once, not one after the other.
    this.giveBack(slot)
    if (this.orders.words[(slot << ORDER_SHIFT) + ORDER_LEVEL]! !== NONE) this.book.remove(slot)
    this.orderEvents.about(EVENT_CANCELED, slot, reason)
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
    const attributes = words[at + ORDER_ATTR]!
    if ((attributes & MARK_FRESH) === 0) {
      if ((attributes & MARK_EXPIRES) !== 0) this.expiries.remove(slot)
      this.ids.remove(slot)
      this.accountOrders.remove(slot, words[at + ORDER_ACCOUNT]!, (attributes >>> ATTR_SIDE_SHIFT) & 1)
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
    const visible = words[at + ORDER_VISIBLE]!
    let shown = Math.min(visible, remaining)
    // An iceberg that waits for its trigger is not split yet.
    if ((words[at + ORDER_ATTR]! & (MARK_ICEBERG | MARK_WAITING)) === MARK_ICEBERG) {
      const extra = (slot << EXTRA_SHIFT) & OFFSETS
      shown = Math.min(shown, extras[extra + EXTRA_DISPLAY]!)
      extras[extra] = remaining - shown
    }
    if (shown < visible) this.book.reduce(slot, visible - shown)
    this.reserves.set(slot, remaining)
  }

  // ---- Protections

  private countProtected(maker: number, account: number, lots: number): void {
    const { words } = this.orders
    const at = (maker << ORDER_SHIFT) & OFFSETS
    const market = words[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    const quote = words[at + ORDER_TICKS]! * lots * this.markets.units[2 * market + UNITS_TICK]!
    const entry = this.protections.countFill(account, market, quote, this.clock[CLOCK_TIME]!)
    if (entry >= 0) this.reached[this.reachedCount++] = entry
  }

  /** Pulls the orders behind each protection that the match has reached. After the match, not within. */
  private pullProtected(): void {
    for (let index = 0; index < this.reachedCount; index++) {
      const entry = this.reached[index]!
      const account = this.protections.account(entry)
      const market = this.protections.market(entry)
      const event = this.events.next(EVENT_PROTECTION_TRIGGERED, this.clock)
      this.events.words[event + ProtectionTriggeredEv.ACCOUNT] = account
      this.events.words[event + ProtectionTriggeredEv.MARKET] = market
      this.massCancels.begin(
        { account, market, side: -1, reason: CancelReason.Protection, haltedToo: true },
        this.clock[CLOCK_SEQ]!,
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
    const market = this.orders.words[(slot << ORDER_SHIFT) + ORDER_MARKET_CARRY]! & MARKET_MASK
    const base = this.markets.get(market, Market.BASE)
    const quote = this.markets.get(market, Market.QUOTE)
    // No balance can reach 2^53 unless there is that much of an asset.
    if (supply[2 * base + 1] === 0 && supply[2 * quote + 1] === 0) return 0
    const isGone = (maker: number): boolean => this.goneReason(maker) !== 0
    return allCanReceive(slot, this.book, this.markets, this.ledger, isGone) ? 0 : CancelReason.FillOrKill
  }
}
