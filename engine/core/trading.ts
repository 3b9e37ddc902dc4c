/**
 * The lives of orders: accepted, matched, resting, triggered, cancelled, done; and what each step means
 * in money. Everything here has been checked by place.ts or amend.ts, so nothing here refuses.
 *
 * Invariants, true between commands: an order is live exactly while its id finds it, it stands in its
 * account's list and it reserves units; it then rests in a book or waits for its trigger. An account's
 * list is in the order of placement.
 * Called by place.ts, amend.ts, clock.ts and engine.ts; calls match.ts, which calls back (MatchSink).
 */
import { CancelReason, EventKind, PostOnly, TimeInForce } from '../codes.js'
import { Attr, Ev } from '../layout.js'
import { Book } from './book.js'
import type { Events } from './events.js'
import { feeUnits } from './fees.js'
import { allCanReceive } from './fill-bounds.js'
import { Heap } from './heap.js'
import { Account, AccountFlag, type Ledger } from './ledger.js'
import { BookKind } from './levels.js'
import { Fee, Market, MarketUnits, type Markets } from './markets.js'
import * as marketLayout from './markets.js'
import { Matcher, type MatchSink, Settled, restingBook } from './match.js'
import { OrderIds } from './order-ids.js'
import { OrderEvents } from './order-events.js'
import { isMarket, waitingBook } from './order-types.js'
import { Extra, ExtraNumber, Mark, Order, OrderNumber, Orders } from './orders.js'
import { Prices } from './prices.js'
import type { Protections } from './protections.js'
import { Reserves } from './reserves.js'
import * as orders from './orders.js'
import * as levels from './levels.js'
import * as limits from '../limits.js'
import * as ledger from './ledger.js'
import * as offsets from './offsets.js'

// Local copies: optimised code folds them, but loads and checks an imported constant at each use.
const { OFFSETS } = offsets
const { MARKET_SHIFT } = marketLayout
const { FEE_ROW: MARKET_FEE_ROW, LAST_TICKS: MARKET_LAST_TICKS } = Market
const { LOT: UNITS_LOT, TICK: UNITS_TICK } = MarketUnits
const { MAKER: FEE_MAKER, TAKER: FEE_TAKER } = Fee
const { ORDER_SHIFT, EXTRA_SHIFT } = orders
const { NONE, BOOK_KINDS } = levels
const { UNITS_END, TIERS_MAX } = limits
const { ACCOUNT_SHIFT } = ledger
const {
  ATTR: ORDER_ATTR,
  BASE_ROW: ORDER_BASE_ROW,
  QUOTE_ROW: ORDER_QUOTE_ROW,
  MARKET: ORDER_MARKET,
  TICKS: ORDER_TICKS,
  FEE_PPM: ORDER_FEE_PPM,
  ACCOUNT: ORDER_ACCOUNT,
  VISIBLE: ORDER_VISIBLE,
  LOTS: ORDER_LOTS,
  ACCOUNT_PREV: ORDER_ACCOUNT_PREV,
  ACCOUNT_NEXT: ORDER_ACCOUNT_NEXT,
  LEVEL: ORDER_LEVEL,
} = Order
const { HEAP: EXTRA_HEAP, TRIGGER: EXTRA_TRIGGER, DISPLAY: EXTRA_DISPLAY } = Extra
const { Budget: MARK_BUDGET, Expires: MARK_EXPIRES, Waiting: MARK_WAITING, Iceberg: MARK_ICEBERG } = Mark
const { MARKET: EV_MARKET, ACCOUNT: EV_ACCOUNT, TICKS: EV_TICKS } = Ev
const { COUNTER_CLOID_LO: EV_COUNTER_CLOID_LO, COUNTER_REMAINING: EV_COUNTER_REMAINING } = Ev
const {
  SIDE_SHIFT: ATTR_SIDE_SHIFT,
  TIF_SHIFT: ATTR_TIF_SHIFT,
  TYPE_SHIFT: ATTR_TYPE_SHIFT,
  POST_ONLY_SHIFT: ATTR_POST_ONLY_SHIFT,
} = Attr
const { ID: NUMBER_ID } = OrderNumber
const { EXPIRES_AT: EXTRA_EXPIRES_AT } = ExtraNumber
const { LAST_ORDER: ACCOUNT_LAST_ORDER, FIRST_ORDER: ACCOUNT_FIRST_ORDER, ORDERS: ACCOUNT_ORDERS } = Account
const { Protected: ACCOUNT_PROTECTED } = AccountFlag
const { TakerCannot: SETTLED_TAKER_CANNOT, MakerCannot: SETTLED_MAKER_CANNOT, Done: SETTLED_DONE } = Settled
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
const { TIME: CLOCK_TIME } = Clock

export class Trading implements MatchSink {
  readonly orders: Orders
  readonly book: Book
  readonly ids: OrderIds
  readonly ledger: Ledger
  readonly reserves: Reserves
  readonly prices: Prices
  readonly markets: Markets
  readonly protections: Protections
  readonly events: Events
  readonly orderEvents: OrderEvents
  readonly clock: Float64Array
  /** Orders with an expiry, by (expiry, order id). */
  readonly expiries: Heap
  /** Live orders that one account may have. */
  readonly accountOrdersMax: number
  /** True while an order is only tried: it is checked like any other, and nothing may be written. */
  isTrial = false
  private readonly matcher: Matcher
  /** Lowest and highest price traded by the command so far; high is 0 before its first trade. */
  private tradeLow = 0
  private tradeHigh = 0
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
  ) {
    this.accountOrdersMax = accountOrdersMax
    this.orders = new Orders(ordersMax)
    this.book = new Book(this.orders, markets.capacity * BOOK_KINDS, levelsMax)
    this.ids = new OrderIds(this.orders.words, ordersMax + 1)
    this.ledger = ledger
    this.markets = markets
    this.reserves = new Reserves(this.orders, ledger, markets)
    this.prices = new Prices(this.book, markets)
    this.protections = protections
    this.events = events
    this.clock = clock
    this.orderEvents = new OrderEvents(this.orders, events, clock)
    this.matcher = new Matcher(this.book, markets.units, this)
    this.reached = new Int32Array(protections.capacity)
    const { extras, extraNumbers, numbers } = this.orders
    this.expiries = new Heap(ordersMax + 1, {
      before: (a, b) => {
        const first = extraNumbers[2 * a + EXTRA_EXPIRES_AT]!
        const second = extraNumbers[2 * b + EXTRA_EXPIRES_AT]!
        if (first !== second) return first < second
        return numbers[2 * a + NUMBER_ID]! < numbers[2 * b + NUMBER_ID]!
      },
      place: (slot) => extras[(slot << EXTRA_SHIFT) + EXTRA_HEAP]!,
      setPlace: (slot, place) => {
        extras[(slot << EXTRA_SHIFT) + EXTRA_HEAP] = place
      },
    })
  }

  // ---- MatchSink

  fill(maker: number, taker: number, lots: number): number {
    const words = this.orders.words
    const numbers = this.orders.numbers
    const { values } = this.ledger
    const { markets } = this
    const makerAt = (maker << ORDER_SHIFT) & OFFSETS
    const takerAt = (taker << ORDER_SHIFT) & OFFSETS
    const market = words[makerAt + ORDER_MARKET]!
    const ticks = words[makerAt + ORDER_TICKS]!
    const makerAccount = words[makerAt + ORDER_ACCOUNT]!
    const takerAccount = words[takerAt + ORDER_ACCOUNT]!
    const makerAttributes = words[makerAt + ORDER_ATTR]!
    const { fees: rates, units } = markets
    const quote = ticks * lots * units[2 * market + UNITS_TICK]!
    const base = lots * units[2 * market + UNITS_LOT]!
    const marketAt = (market << MARKET_SHIFT) & OFFSETS

    const takerPpm = Math.min(
      rates[2 * (market * TIERS_MAX + this.reserves.tier(takerAccount)) + FEE_TAKER]!,
      words[takerAt + ORDER_FEE_PPM]!,
    )
    // Tiers may pair a rebate with a lower taker's fee: the rebate is then what that fee pays for.
    const makerPpm = Math.max(
      Math.min(
        rates[2 * (market * TIERS_MAX + this.reserves.tier(makerAccount)) + FEE_MAKER]!,
        words[makerAt + ORDER_FEE_PPM]!,
      ),
      -takerPpm,
    )
    const takerFee = feeUnits(quote, takerPpm)
    const makerFee = feeUnits(quote, makerPpm)

    const makerSells = (makerAttributes >>> ATTR_SIDE_SHIFT) & 1
    const buyerAt = makerSells ? takerAt : makerAt
    const sellerAt = makerSells ? makerAt : takerAt
    const buyer = makerSells ? taker : maker
    const seller = makerSells ? maker : taker
    const buyerFee = makerSells ? takerFee : makerFee
    const sellerFee = makerSells ? makerFee : takerFee
    const buyerBase = 2 * words[buyerAt + ORDER_BASE_ROW]!
    const buyerQuote = 2 * words[buyerAt + ORDER_QUOTE_ROW]!
    const sellerBase = 2 * words[sellerAt + ORDER_BASE_ROW]!
    const sellerQuote = 2 * words[sellerAt + ORDER_QUOTE_ROW]!
    const feeRow = 2 * markets.words[marketAt + MARKET_FEE_ROW]!

    // No balance may reach 2^53: look before anything moves.
    const proceeds = quote - sellerFee
    if (values[buyerBase]! + values[buyerBase + 1]! + base >= UNITS_END)
      return makerSells ? SETTLED_TAKER_CANNOT : SETTLED_MAKER_CANNOT
    if (values[sellerQuote]! + values[sellerQuote + 1]! + proceeds >= UNITS_END)
      return makerSells ? SETTLED_MAKER_CANNOT : SETTLED_TAKER_CANNOT
    const fees = takerFee + makerFee
    if (values[feeRow]! + values[feeRow + 1]! + fees + (feeRow === sellerQuote ? proceeds : 0) >= UNITS_END)
      return SETTLED_TAKER_CANNOT

    const spent = quote + buyerFee
    numbers[2 * buyer]! -= spent
    values[buyerQuote + 1]! -= spent
    values[buyerBase]! += base
    numbers[2 * seller]! -= base
    values[sellerBase + 1]! -= base
    values[sellerQuote]! += proceeds
    values[feeRow]! += fees

    markets.words[marketAt + MARKET_LAST_TICKS] = ticks
    if (this.tradeHigh === 0 || ticks < this.tradeLow) this.tradeLow = ticks
    if (ticks > this.tradeHigh) this.tradeHigh = ticks

    this.orderEvents.fill(maker, taker, lots, makerFee, takerFee)
    if ((this.ledger.accounts[makerAccount << ACCOUNT_SHIFT]! & ACCOUNT_PROTECTED) !== 0)
      this.countProtected(makerAccount, market, quote)
    return SETTLED_DONE
  }

  makerFilled(maker: number): void {
    this.finish(maker)
  }

  makerRefilled(maker: number): void {
    const event = this.orderEvents.about(EVENT_REFILLED, maker, 0)
    this.events.words[event + EV_COUNTER_REMAINING] =
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
    if ((words[at + ORDER_ATTR]! & MARK_BUDGET) === 0) this.reserves.set(taker, words[at + ORDER_VISIBLE]!)
    this.orderEvents.amended(taker, words[at + ORDER_TICKS]!, false, false)
  }

  // ---- Lives of orders

  /** Forgets the trades of the command before. Call first for each command that may trade. */
  beginTrades(): void {
    this.tradeLow = 0
    this.tradeHigh = 0
  }

  /**
   * Enters a filled-in order into the ids and its account's list; `missed`: its id was the last that
   * `ids.find` was asked for.
   */
  enlist(slot: number, missed: boolean): void {
    const { words } = this.orders
    const { accounts } = this.ledger
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const accountAt = words[at + ORDER_ACCOUNT]! << ACCOUNT_SHIFT
    const last = accounts[accountAt + ACCOUNT_LAST_ORDER]!
    words[at + ORDER_ACCOUNT_PREV] = last
    words[at + ORDER_ACCOUNT_NEXT] = NONE
    if (last === NONE) accounts[accountAt + ACCOUNT_FIRST_ORDER] = slot
    else words[(last << ORDER_SHIFT) + ORDER_ACCOUNT_NEXT] = slot
    accounts[accountAt + ACCOUNT_LAST_ORDER] = slot
    accounts[accountAt + ACCOUNT_ORDERS]!++
    if (missed) this.ids.addMissed(slot)
    else this.ids.add(slot)
    if ((words[at + ORDER_ATTR]! & MARK_EXPIRES) !== 0) this.expiries.add(slot)
  }

  /** Matches an order that stands in no book, then lets it rest or ends it. */
  enter(slot: number): void {
    const { words } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + ORDER_ATTR]!
    const timeInForce = (attributes >>> ATTR_TIF_SHIFT) & 7
    let reason: number = 0
    if (timeInForce === TIF_FOK && !this.couldSettle(slot)) reason = CancelReason.FillOrKill
    else reason = this.matcher.match(slot)
    if (words[at + ORDER_VISIBLE] === 0) this.finish(slot)
    else if (reason !== 0) this.cancel(slot, reason)
    else if (
      isMarket((attributes >>> ATTR_TYPE_SHIFT) & 7) ||
      timeInForce === TIF_IOC ||
      timeInForce === TIF_FOK
    )
      this.cancel(slot, CancelReason.ImmediateOrCancel)
    else this.rest(slot, restingBook(words[at + ORDER_MARKET]!, (attributes >>> ATTR_SIDE_SHIFT) & 1))
    if (this.reachedCount > 0) this.pullProtected()
  }

  /** Puts an order into its book, with the part of it that shows. */
  private rest(slot: number, book: number): void {
    const at = (slot << ORDER_SHIFT) & OFFSETS
    this.book.show(slot, this.orders.words[at + ORDER_VISIBLE]!)
    this.book.append(slot, book, this.orders.words[at + ORDER_TICKS]!)
  }

  /** Lets a stop wait for its trigger. */
  wait(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + ORDER_ATTR]!
    words[at + ORDER_ATTR] = attributes | MARK_WAITING
    const book = waitingBook(
      words[at + ORDER_MARKET]!,
      (attributes >>> ATTR_TYPE_SHIFT) & 7,
      (attributes >>> ATTR_SIDE_SHIFT) & 1,
    )
    this.book.append(slot, book, extras[(slot << EXTRA_SHIFT) + EXTRA_TRIGGER]!)
  }

  /** True when a stop's trigger has been reached by the last trade. */
  isTriggered(market: number, type: number, side: number, triggerTicks: number): boolean {
    const last = this.markets.words[(market << MARKET_SHIFT) + MARKET_LAST_TICKS]!
    if (last === 0) return false
    return waitingBook(market, type, side) & 1 ? last >= triggerTicks : last <= triggerTicks
  }

  /** Triggers every stop that the command's trades have reached, one after the other, cascades included. */
  triggerStops(market: number): void {
    if (this.tradeHigh === 0) return
    const rising = market * BOOK_KINDS + BOOK_RISING_STOPS
    const falling = market * BOOK_KINDS + BOOK_FALLING_STOPS
    const { best } = this.book.levels
    for (;;) {
      if (best[rising]! >= 0 && this.book.bestTicks(rising) <= this.tradeHigh)
        this.trigger(this.book.first(rising))
      else if (best[falling]! >= 0 && this.book.bestTicks(falling) >= this.tradeLow)
        this.trigger(this.book.first(falling))
      else return
    }
  }

  private trigger(slot: number): void {
    this.book.remove(slot)
    this.orders.words[(slot << ORDER_SHIFT) + ORDER_ATTR]! &= ~MARK_WAITING
    this.activate(slot)
  }

  /** A stop whose trigger is reached becomes the order that it stands for, if it still may. */
  activate(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + ORDER_ATTR]!
    const type = (attributes >>> ATTR_TYPE_SHIFT) & 7
    const side = (attributes >>> ATTR_SIDE_SHIFT) & 1
    const market = words[at + ORDER_MARKET]!
    const event = this.orderEvents.about(EVENT_TRIGGERED, slot, 0)
    this.events.words[event + EV_COUNTER_CLOID_LO] = extras[(slot << EXTRA_SHIFT) + EXTRA_TRIGGER]!
    let ticks = words[at + ORDER_TICKS]!
    if (isMarket(type)) {
      ticks = this.prices.clampToBand(market, ticks)
      words[at + ORDER_TICKS] = ticks
      this.events.words[event + EV_TICKS] = ticks
      this.enter(slot)
      return
    }
    const postOnly = (attributes >>> ATTR_POST_ONLY_SHIFT) & 3
    if (postOnly !== POST_ONLY_NONE) ticks = this.prices.postOnlyTicks(market, side, ticks, postOnly)
    const timeInForce = (attributes >>> ATTR_TIF_SHIFT) & 7
    const mayRest = timeInForce === TIF_GTC || timeInForce === TIF_GTD
    if (
      ticks === 0 ||
      this.prices.outsideBand(market, ticks) ||
      (mayRest && this.book.levelMissing(restingBook(market, side), ticks))
    ) {
      this.cancel(slot, CancelReason.TriggerRejected)
      return
    }
    words[at + ORDER_TICKS] = ticks
    this.events.words[event + EV_TICKS] = ticks
    this.enter(slot)
  }

  /** Cancels a live order wherever it stands, or one that was just matched and stands nowhere. */
  cancel(slot: number, reason: number): void {
    this.orderEvents.about(EVENT_CANCELED, slot, reason)
    if (this.orders.words[(slot << ORDER_SHIFT) + ORDER_LEVEL]! !== NONE) this.book.remove(slot)
    this.finish(slot)
  }

  /** The end of an order that stands in no book: what it still reserves is given back. */
  private finish(slot: number): void {
    const { words, numbers } = this.orders
    const { accounts, values } = this.ledger
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const left = numbers[2 * slot]!
    if (left !== 0) {
      const row = this.reserves.row(slot)
      values[2 * row]! += left
      values[2 * row + 1]! -= left
    }
    if ((words[at + ORDER_ATTR]! & MARK_EXPIRES) !== 0) this.expiries.remove(slot)
    this.ids.remove(slot)
    const accountAt = words[at + ORDER_ACCOUNT]! << ACCOUNT_SHIFT
    const next = words[at + ORDER_ACCOUNT_NEXT]!
    const prev = words[at + ORDER_ACCOUNT_PREV]!
    if (prev === NONE) accounts[accountAt + ACCOUNT_FIRST_ORDER] = next
    else words[(prev << ORDER_SHIFT) + ORDER_ACCOUNT_NEXT] = next
    if (next === NONE) accounts[accountAt + ACCOUNT_LAST_ORDER] = prev
    else words[(next << ORDER_SHIFT) + ORDER_ACCOUNT_PREV] = prev
    accounts[accountAt + ACCOUNT_ORDERS]!--
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

  /**
   * Cancels an account's live orders in placement order, in one market or all (-1), of one side or both
   * (-1). With all markets, orders of halted ones stay. Returns how many.
   */
  cancelAll(account: number, market: number, side: number, reason: number, haltedToo: boolean): number {
    const { words } = this.orders
    let count = 0
    let slot = this.ledger.accounts[(account << ACCOUNT_SHIFT) + ACCOUNT_FIRST_ORDER]!
    while (slot !== NONE) {
      const at = (slot << ORDER_SHIFT) & OFFSETS
      const next = words[at + ORDER_ACCOUNT_NEXT]!
      const own = words[at + ORDER_MARKET]!
      if (
        (market < 0 ? haltedToo || !this.markets.isHalted(own) : own === market) &&
        (side < 0 || ((words[at + ORDER_ATTR]! >>> ATTR_SIDE_SHIFT) & 1) === side)
      ) {
        this.cancel(slot, reason)
        count++
      }
      slot = next
    }
    return count
  }

  // ---- Protections

  private countProtected(account: number, market: number, quote: number): void {
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
      this.events.words[event + EV_ACCOUNT] = account
      this.events.words[event + EV_MARKET] = market
      this.cancelAll(account, market, -1, CancelReason.Protection, true)
    }
    this.reachedCount = 0
  }

  // ---- Fill or kill

  /** True when the whole order can be filled now, and settling it can bring no balance to 2^53. */
  private couldSettle(slot: number): boolean {
    if (!this.matcher.couldFill(slot)) return false
    const { supply } = this.ledger
    const market = this.orders.words[(slot << ORDER_SHIFT) + ORDER_MARKET]!
    const base = this.markets.get(market, Market.BASE)
    const quote = this.markets.get(market, Market.QUOTE)
    // No balance can reach 2^53 unless there is that much of an asset.
    if (supply[2 * base + 1] === 0 && supply[2 * quote + 1] === 0) return true
    return allCanReceive(slot, this.book, this.markets, this.ledger)
  }
}
