/**
 * The lives of orders: accepted, matched, resting, cancelled, done (triggered: triggers.ts); and what each step means
 * in money. Everything here has been checked by place.ts or amend.ts, so nothing here refuses.
 *
 * Invariants, true between commands: an order is live exactly while its id finds it, it stands in one of its
 * account's lists and it reserves units, exactly what its unfilled lots need; it then rests in a book or waits
 * for its trigger. An account's lists are in the order of placement.
 * Called by place.ts, amend.ts, clock.ts and engine.ts; calls match.ts and triggers.ts, which call back.
 */
import { CancelReason, EventKind, TimeInForce } from '../../codes.js'
import { Attr, RefilledEv } from '../../layout.js'
import { AccountOrders } from './account-orders.js'
import { Book } from '../book/book.js'
import type { Events } from '../base/events.js'
import { allCanReceive } from '../money/fill-bounds.js'
import { Fills } from '../money/fills.js'
import { Heap } from '../base/heap.js'
import { AccountFlag, type Ledger, ACCOUNT_SHIFT, ACCOUNT_NUMBERS, AccountNumber } from '../money/ledger.js'
import { NONE, BOOK_KINDS } from '../book/levels.js'
import { Market, MarketUnits, type Markets } from '../book/markets.js'
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
import { Prices } from '../book/band-and-post-only.js'
import type { Protections } from './protections.js'
import { ProtectionPulls } from './protection-pulls.js'
import { Reserves } from '../money/reserves.js'
import { Triggers } from './triggers.js'
import type { Work } from '../base/work.js'
import { isMarket, restingBook, waitingBook } from '../book/order-types.js'
import { ACCOUNT_ORDERS_FLOOR, ACCOUNT_ORDERS_SHARE } from '../../limits.js'
import { Clock } from '../base/clock-places.js'
import { OFFSETS } from '../base/offsets.js'

export class Trading implements MatchSink {
  readonly orders: Orders
  readonly book: Book
  readonly ids: OrderIds
  readonly accountOrders: AccountOrders
  readonly massCancels: MassCancels
  readonly ledger: Ledger
  readonly reserves: Reserves
  readonly prices: Prices
  readonly triggers: Triggers
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
  private readonly protectionPulls: ProtectionPulls

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
    this.triggers = new Triggers(this, this)
    this.protectionPulls = new ProtectionPulls(
      this.orders,
      markets,
      protections,
      this.massCancels,
      events,
      clock,
    )
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
      this.protectionPulls.countFill(maker, account, lots)
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
    if (this.protectionPulls.isDue) this.protectionPulls.pull()
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
