/**
 * The lives of orders: accepted, matched, resting, triggered, cancelled, done; and what each step means
 * in money. Everything here has been checked by place.ts or amend.ts, so nothing here refuses.
 *
 * Invariants, true between commands: an order is live exactly while its id finds it, it stands in its
 * account's list and it reserves units; it then rests in a book or waits for its trigger. An account's
 * list is in the order of placement.
 * Called by place.ts, amend.ts, clock.ts and engine.ts; calls match.ts, which calls back (MatchSink).
 */
import { CancelReason, EventKind, OrderType, PostOnly, TimeInForce } from '../codes.js'
import { Attr, Ev } from '../layout.js'
import { TICKS_MAX, TIERS_MAX, UNITS_END } from '../limits.js'
import { Book } from './book.js'
import type { Events } from './events.js'
import { chargeUnits, feeUnits } from './fees.js'
import { allCanReceive } from './fill-bounds.js'
import { Heap } from './heap.js'
import { ACCOUNT_SHIFT, Account, AccountFlag, type Ledger, TIER_MASK, TIER_SHIFT } from './ledger.js'
import { BOOK_KINDS, BookKind, NONE } from './levels.js'
import type { Markets } from './markets.js'
import { Matcher, type MatchSink, Settled, restingBook } from './match.js'
import { OrderIds } from './order-ids.js'
import {
  EXTRA_SHIFT,
  Extra,
  ExtraNumber,
  Mark,
  ORDER_ATTR_MASK,
  ORDER_SHIFT,
  Order,
  OrderNumber,
  Orders,
} from './orders.js'
import type { Protections } from './protections.js'

/** Places in the clock: seq of the command that is applied, engine time in ms. */
export const Clock = { SEQ: 0, TIME: 1 } as const

export function isStop(type: number): boolean {
  return type >= OrderType.StopLimit
}

/** Market orders, and stops that become one: they never rest in a book of bids or asks. */
export function isMarket(type: number): boolean {
  return (type & 1) === 1
}

/** Book in which a stop waits: above the last price, or below it. */
export function waitingBook(market: number, type: number, side: number): number {
  const takesProfit = type >= OrderType.TakeProfitLimit
  // A buy stop and a sell take-profit wait for a rise.
  const rising = (side === 0) !== takesProfit
  return market * BOOK_KINDS + (rising ? BookKind.RisingStops : BookKind.FallingStops)
}

export class Trading implements MatchSink {
  readonly orders: Orders
  readonly book: Book
  readonly ids: OrderIds
  readonly ledger: Ledger
  readonly markets: Markets
  readonly protections: Protections
  readonly events: Events
  readonly clock: Float64Array
  /** Orders with an expiry, by (expiry, order id). */
  readonly expiries: Heap
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
    ledger: Ledger,
    markets: Markets,
    protections: Protections,
    events: Events,
    clock: Float64Array,
  ) {
    this.orders = new Orders(ordersMax)
    this.book = new Book(this.orders, markets.exists.length * BOOK_KINDS, levelsMax)
    this.ids = new OrderIds(this.orders.words, ordersMax + 1)
    this.ledger = ledger
    this.markets = markets
    this.protections = protections
    this.events = events
    this.clock = clock
    this.matcher = new Matcher(this.book, markets.tickUnits, this)
    this.reached = new Int32Array(protections.words.length)
    const { extras, extraNumbers, numbers } = this.orders
    this.expiries = new Heap(ordersMax + 1, {
      before: (a, b) => {
        const first = extraNumbers[2 * a + ExtraNumber.EXPIRES_AT]!
        const second = extraNumbers[2 * b + ExtraNumber.EXPIRES_AT]!
        if (first !== second) return first < second
        return numbers[2 * a + OrderNumber.ID]! < numbers[2 * b + OrderNumber.ID]!
      },
      place: (slot) => extras[(slot << EXTRA_SHIFT) + Extra.HEAP]!,
      setPlace: (slot, place) => {
        extras[(slot << EXTRA_SHIFT) + Extra.HEAP] = place
      },
    })
  }

  // ---- Money

  /** Fee tier of an account that is open. */
  tier(account: number): number {
    return (this.ledger.accounts[account << ACCOUNT_SHIFT]! >>> TIER_SHIFT) & TIER_MASK
  }

  /** The higher of the two rates that an account pays in a market: what a new order's reserve covers. */
  worstPpm(market: number, account: number): number {
    const at = market * TIERS_MAX + this.tier(account)
    return Math.max(this.markets.makerPpm[at]!, this.markets.takerPpm[at]!)
  }

  /**
   * Units that an order must reserve: base of a sell; of a buy the quote at its limit (or its budget)
   * and the worst fee, each fill of which may round up by one unit.
   */
  needUnits(side: number, market: number, ticks: number, lots: number, ppm: number, budget: number): number {
    const { lotUnits, tickUnits } = this.markets
    if (side === 1) return lots * lotUnits[market]!
    const unit = tickUnits[market]!
    const quote = budget > 0 ? budget : ticks * lots * unit
    if (ppm <= 0) return quote
    const fills = budget > 0 ? Math.min(lots, Math.floor(budget / unit)) : lots
    return quote + chargeUnits(quote, ppm) + Math.max(0, fills - 1)
  }

  /** Row of the asset that the order reserves. */
  private reserveRow(slot: number): number {
    const at = slot << ORDER_SHIFT
    const words = this.orders.words
    return (words[at + Order.ATTR]! >>> Attr.SIDE_SHIFT) & 1
      ? words[at + Order.BASE_ROW]!
      : words[at + Order.QUOTE_ROW]!
  }

  /** Makes the order reserve what it needs for `lots` at its limit; the caller has checked that it can. */
  reserve(slot: number, lots: number): void {
    const words = this.orders.words
    const at = slot << ORDER_SHIFT
    const attributes = words[at + Order.ATTR]!
    const budget =
      (attributes & Mark.Budget) === 0 ? 0 : this.orders.extraNumbers[2 * slot + ExtraNumber.BUDGET]!
    const units = this.needUnits(
      (attributes >>> Attr.SIDE_SHIFT) & 1,
      words[at + Order.MARKET]!,
      words[at + Order.TICKS]!,
      lots,
      words[at + Order.FEE_PPM]!,
      budget,
    )
    const change = units - this.orders.numbers[2 * slot]!
    const row = this.reserveRow(slot)
    this.orders.numbers[2 * slot] = units
    this.ledger.values[2 * row]! -= change
    this.ledger.values[2 * row + 1]! += change
  }

  // ---- MatchSink

  fill(maker: number, taker: number, lots: number): number {
    const words = this.orders.words
    const numbers = this.orders.numbers
    const { values } = this.ledger
    const { markets } = this
    const makerAt = maker << ORDER_SHIFT
    const takerAt = taker << ORDER_SHIFT
    const market = words[makerAt + Order.MARKET]!
    const ticks = words[makerAt + Order.TICKS]!
    const makerAccount = words[makerAt + Order.ACCOUNT]!
    const takerAccount = words[takerAt + Order.ACCOUNT]!
    const makerAttributes = words[makerAt + Order.ATTR]!
    const quote = ticks * lots * markets.tickUnits[market]!
    const base = lots * markets.lotUnits[market]!

    const takerPpm = Math.min(
      markets.takerPpm[market * TIERS_MAX + this.tier(takerAccount)]!,
      words[takerAt + Order.FEE_PPM]!,
    )
    // Tiers may pair a rebate with a lower taker's fee: the rebate is then what that fee pays for.
    const makerPpm = Math.max(
      Math.min(
        markets.makerPpm[market * TIERS_MAX + this.tier(makerAccount)]!,
        words[makerAt + Order.FEE_PPM]!,
      ),
      -takerPpm,
    )
    const takerFee = feeUnits(quote, takerPpm)
    const makerFee = feeUnits(quote, makerPpm)

    const makerSells = (makerAttributes >>> Attr.SIDE_SHIFT) & 1
    const buyerAt = makerSells ? takerAt : makerAt
    const sellerAt = makerSells ? makerAt : takerAt
    const buyer = makerSells ? taker : maker
    const seller = makerSells ? maker : taker
    const buyerFee = makerSells ? takerFee : makerFee
    const sellerFee = makerSells ? makerFee : takerFee
    const buyerBase = 2 * words[buyerAt + Order.BASE_ROW]!
    const buyerQuote = 2 * words[buyerAt + Order.QUOTE_ROW]!
    const sellerBase = 2 * words[sellerAt + Order.BASE_ROW]!
    const sellerQuote = 2 * words[sellerAt + Order.QUOTE_ROW]!
    const feeRow = 2 * markets.feeRow[market]!

    // No balance may reach 2^53: look before anything moves.
    const proceeds = quote - sellerFee
    if (values[buyerBase]! + values[buyerBase + 1]! + base >= UNITS_END)
      return makerSells ? Settled.TakerCannot : Settled.MakerCannot
    if (values[sellerQuote]! + values[sellerQuote + 1]! + proceeds >= UNITS_END)
      return makerSells ? Settled.MakerCannot : Settled.TakerCannot
    const fees = takerFee + makerFee
    if (values[feeRow]! + values[feeRow + 1]! + fees + (feeRow === sellerQuote ? proceeds : 0) >= UNITS_END)
      return Settled.TakerCannot

    const spent = quote + buyerFee
    numbers[2 * buyer]! -= spent
    values[buyerQuote + 1]! -= spent
    values[buyerBase]! += base
    numbers[2 * seller]! -= base
    values[sellerBase + 1]! -= base
    values[sellerQuote]! += proceeds
    values[feeRow]! += fees

    markets.lastTicks[market] = ticks
    if (this.tradeHigh === 0 || ticks < this.tradeLow) this.tradeLow = ticks
    if (ticks > this.tradeHigh) this.tradeHigh = ticks

    const { events } = this
    const event = events.next(EventKind.Fill | (makerSells << Attr.SIDE_SHIFT), this.clock)
    const out = events.words
    const float = event >> 1
    out[event + Ev.MARKET] = market
    out[event + Ev.TICKS] = ticks
    out[event + Ev.LOTS] = lots
    out[event + Ev.ACCOUNT] = makerAccount
    out[event + Ev.CLOID_LO] = words[makerAt + Order.CLOID_LO]!
    out[event + Ev.CLOID_HI] = words[makerAt + Order.CLOID_HI]!
    out[event + Ev.COUNTER_ACCOUNT] = takerAccount
    out[event + Ev.REMAINING] = this.orders.remaining(maker) - lots
    out[event + Ev.COUNTER_CLOID_LO] = words[takerAt + Order.CLOID_LO]!
    out[event + Ev.COUNTER_CLOID_HI] = words[takerAt + Order.CLOID_HI]!
    out[event + Ev.COUNTER_REMAINING] = words[takerAt + Order.VISIBLE]! - lots
    events.floats[float + Ev.AMOUNT_A_F64] = makerFee
    events.floats[float + Ev.AMOUNT_B_F64] = takerFee
    events.floats[float + Ev.TAKER_ORDER_ID_F64] = numbers[2 * taker + OrderNumber.ID]!
    events.floats[float + Ev.ORDER_ID_F64] = numbers[2 * maker + OrderNumber.ID]!

    if ((this.ledger.accounts[makerAccount << ACCOUNT_SHIFT]! & AccountFlag.Protected) !== 0)
      this.countProtected(makerAccount, market, quote)
    return Settled.Done
  }

  makerFilled(maker: number): void {
    this.finish(maker)
  }

  makerRefilled(maker: number): void {
    const event = this.orderEvent(EventKind.Refilled, maker, 0)
    this.events.words[event + Ev.COUNTER_REMAINING] =
      this.orders.words[(maker << ORDER_SHIFT) + Order.VISIBLE]!
  }

  cancelMaker(maker: number, reason: number): void {
    this.cancel(maker, reason)
  }

  decrementMaker(maker: number, lots: number): void {
    const at = maker << ORDER_SHIFT
    this.orders.words[at + Order.LOTS]! -= lots
    this.shrink(maker, this.orders.remaining(maker) - lots)
    this.amendedEvent(maker, this.orders.words[at + Order.TICKS]!, true)
  }

  decrementTaker(taker: number, lots: number): void {
    const words = this.orders.words
    const at = taker << ORDER_SHIFT
    words[at + Order.LOTS]! -= lots
    words[at + Order.VISIBLE]! -= lots
    if ((words[at + Order.ATTR]! & Mark.Budget) === 0) this.reserve(taker, words[at + Order.VISIBLE]!)
    this.amendedEvent(taker, words[at + Order.TICKS]!, false)
  }

  // ---- Lives of orders

  /** Forgets the trades of the command before. Call first for each command that may trade. */
  beginTrades(): void {
    this.tradeLow = 0
    this.tradeHigh = 0
  }

  /** Enters a filled-in order into the ids and its account's list. */
  enlist(slot: number): void {
    const { words } = this.orders
    const { accounts } = this.ledger
    const at = slot << ORDER_SHIFT
    const accountAt = words[at + Order.ACCOUNT]! << ACCOUNT_SHIFT
    const last = accounts[accountAt + Account.LAST_ORDER]!
    words[at + Order.ACCOUNT_PREV] = last
    words[at + Order.ACCOUNT_NEXT] = NONE
    if (last === NONE) accounts[accountAt + Account.FIRST_ORDER] = slot
    else words[(last << ORDER_SHIFT) + Order.ACCOUNT_NEXT] = slot
    accounts[accountAt + Account.LAST_ORDER] = slot
    accounts[accountAt + Account.ORDERS]!++
    this.ids.add(slot)
    if ((words[at + Order.ATTR]! & Mark.Expires) !== 0) this.expiries.add(slot)
  }

  /** Matches an order that stands in no book, then lets it rest or ends it. */
  enter(slot: number): void {
    const { words } = this.orders
    const at = slot << ORDER_SHIFT
    const attributes = words[at + Order.ATTR]!
    const timeInForce = (attributes >>> Attr.TIF_SHIFT) & 7
    let reason: number = 0
    if (timeInForce === TimeInForce.FOK && !this.couldSettle(slot)) reason = CancelReason.FillOrKill
    else reason = this.matcher.match(slot)
    if (words[at + Order.VISIBLE] === 0) this.finish(slot)
    else if (reason !== 0) this.cancel(slot, reason)
    else if (
      isMarket((attributes >>> Attr.TYPE_SHIFT) & 7) ||
      timeInForce === TimeInForce.IOC ||
      timeInForce === TimeInForce.FOK
    )
      this.cancel(slot, CancelReason.ImmediateOrCancel)
    else this.rest(slot, restingBook(words[at + Order.MARKET]!, (attributes >>> Attr.SIDE_SHIFT) & 1))
    if (this.reachedCount > 0) this.pullProtected()
  }

  /** Puts an order into its book, with the part of it that shows. */
  private rest(slot: number, book: number): void {
    const at = slot << ORDER_SHIFT
    this.book.show(slot, this.orders.words[at + Order.VISIBLE]!)
    this.book.append(slot, book, this.orders.words[at + Order.TICKS]!)
  }

  /** Lets a stop wait for its trigger. */
  wait(slot: number): void {
    const { words, extras } = this.orders
    const at = slot << ORDER_SHIFT
    const attributes = words[at + Order.ATTR]!
    words[at + Order.ATTR] = attributes | Mark.Waiting
    const book = waitingBook(
      words[at + Order.MARKET]!,
      (attributes >>> Attr.TYPE_SHIFT) & 7,
      (attributes >>> Attr.SIDE_SHIFT) & 1,
    )
    this.book.append(slot, book, extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!)
  }

  /** True when a stop's trigger has been reached by the last trade. */
  isTriggered(market: number, type: number, side: number, triggerTicks: number): boolean {
    const last = this.markets.lastTicks[market]!
    if (last === 0) return false
    return waitingBook(market, type, side) & 1 ? last >= triggerTicks : last <= triggerTicks
  }

  /** Triggers every stop that the command's trades have reached, one after the other, cascades included. */
  triggerStops(market: number): void {
    if (this.tradeHigh === 0) return
    const rising = market * BOOK_KINDS + BookKind.RisingStops
    const falling = market * BOOK_KINDS + BookKind.FallingStops
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
    this.orders.words[(slot << ORDER_SHIFT) + Order.ATTR]! &= ~Mark.Waiting
    this.activate(slot)
  }

  /** A stop whose trigger is reached becomes the order that it stands for, if it still may. */
  activate(slot: number): void {
    const { words, extras } = this.orders
    const at = slot << ORDER_SHIFT
    const attributes = words[at + Order.ATTR]!
    const type = (attributes >>> Attr.TYPE_SHIFT) & 7
    const side = (attributes >>> Attr.SIDE_SHIFT) & 1
    const market = words[at + Order.MARKET]!
    const event = this.orderEvent(EventKind.Triggered, slot, 0)
    this.events.words[event + Ev.COUNTER_CLOID_LO] = extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!
    let ticks = words[at + Order.TICKS]!
    if (isMarket(type)) {
      words[at + Order.TICKS] = this.clampToBand(market, ticks)
      this.enter(slot)
      return
    }
    const postOnly = (attributes >>> Attr.POST_ONLY_SHIFT) & 3
    if (postOnly !== PostOnly.None) ticks = this.postOnlyTicks(market, side, ticks, postOnly)
    const timeInForce = (attributes >>> Attr.TIF_SHIFT) & 7
    const mayRest = timeInForce === TimeInForce.GTC || timeInForce === TimeInForce.GTD
    if (
      ticks === 0 ||
      this.outsideBand(market, ticks) ||
      (mayRest && this.book.levelMissing(restingBook(market, side), ticks))
    ) {
      this.cancel(slot, CancelReason.TriggerRejected)
      return
    }
    words[at + Order.TICKS] = ticks
    this.enter(slot)
  }

  /** Cancels a live order wherever it stands, or one that was just matched and stands nowhere. */
  cancel(slot: number, reason: number): void {
    this.orderEvent(EventKind.Canceled, slot, reason)
    if (this.orders.words[(slot << ORDER_SHIFT) + Order.LEVEL]! !== NONE) this.book.remove(slot)
    this.finish(slot)
  }

  /** The end of an order that stands in no book: what it still reserves is given back. */
  private finish(slot: number): void {
    const { words, numbers } = this.orders
    const { accounts, values } = this.ledger
    const at = slot << ORDER_SHIFT
    const left = numbers[2 * slot]!
    if (left !== 0) {
      const row = this.reserveRow(slot)
      values[2 * row]! += left
      values[2 * row + 1]! -= left
    }
    if ((words[at + Order.ATTR]! & Mark.Expires) !== 0) this.expiries.remove(slot)
    this.ids.remove(slot)
    const accountAt = words[at + Order.ACCOUNT]! << ACCOUNT_SHIFT
    const next = words[at + Order.ACCOUNT_NEXT]!
    const prev = words[at + Order.ACCOUNT_PREV]!
    if (prev === NONE) accounts[accountAt + Account.FIRST_ORDER] = next
    else words[(prev << ORDER_SHIFT) + Order.ACCOUNT_NEXT] = next
    if (next === NONE) accounts[accountAt + Account.LAST_ORDER] = prev
    else words[(next << ORDER_SHIFT) + Order.ACCOUNT_PREV] = prev
    accounts[accountAt + Account.ORDERS]!--
    this.orders.release(slot)
  }

  /**
   * Lowers a standing order to `remaining` lots and, for an iceberg, to its display size, in its place;
   * it then reserves what the rest needs. LOTS has been set.
   */
  shrink(slot: number, remaining: number): void {
    const { words, extras } = this.orders
    const at = slot << ORDER_SHIFT
    const visible = words[at + Order.VISIBLE]!
    let shown = Math.min(visible, remaining)
    // An iceberg that waits for its trigger is not split yet.
    if ((words[at + Order.ATTR]! & (Mark.Iceberg | Mark.Waiting)) === Mark.Iceberg) {
      const extra = slot << EXTRA_SHIFT
      shown = Math.min(shown, extras[extra + Extra.DISPLAY]!)
      extras[extra] = remaining - shown
    }
    if (shown < visible) this.book.reduce(slot, visible - shown)
    this.reserve(slot, remaining)
  }

  /**
   * Cancels an account's live orders in placement order, in one market or all (-1), of one side or both
   * (-1). With all markets, orders of halted ones stay. Returns how many.
   */
  cancelAll(account: number, market: number, side: number, reason: number, haltedToo: boolean): number {
    const { words } = this.orders
    let count = 0
    let slot = this.ledger.accounts[(account << ACCOUNT_SHIFT) + Account.FIRST_ORDER]!
    while (slot !== NONE) {
      const at = slot << ORDER_SHIFT
      const next = words[at + Order.ACCOUNT_NEXT]!
      const own = words[at + Order.MARKET]!
      if (
        (market < 0 ? haltedToo || !this.markets.isHalted(own) : own === market) &&
        (side < 0 || ((words[at + Order.ATTR]! >>> Attr.SIDE_SHIFT) & 1) === side)
      ) {
        this.cancel(slot, reason)
        count++
      }
      slot = next
    }
    return count
  }

  // ---- Prices

  /** True when a limit price is further from the last trade than the market's band allows. */
  outsideBand(market: number, ticks: number): boolean {
    return this.markets.bandPpm[market] !== 0 && this.clampToBand(market, ticks) !== ticks
  }

  /** The price inside the market's band that is nearest to `ticks`. */
  clampToBand(market: number, ticks: number): number {
    const band = this.markets.bandPpm[market]!
    const last = this.markets.lastTicks[market]!
    if (band === 0 || last === 0) return ticks
    const width = Math.floor((last * band) / 1_000_000)
    return Math.max(Math.max(1, last - width), Math.min(Math.min(TICKS_MAX, last + width), ticks))
  }

  /** Price at which a post-only order may stand; 0 when it would cross and may not slide. */
  postOnlyTicks(market: number, side: number, ticks: number, mode: number): number {
    const touch = this.book.bestTicks(restingBook(market, side ^ 1))
    if (touch === 0) return ticks
    if (side === 0 ? ticks < touch : ticks > touch) return ticks
    if (mode !== PostOnly.Slide) return 0
    if (side === 0) return touch - 1
    return touch === TICKS_MAX ? 0 : touch + 1
  }

  // ---- Protections

  private countProtected(account: number, market: number, quote: number): void {
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
      this.events.words[event + Ev.ACCOUNT] = account
      this.events.words[event + Ev.MARKET] = market
      this.cancelAll(account, market, -1, CancelReason.Protection, true)
    }
    this.reachedCount = 0
  }

  // ---- Fill or kill

  /** True when the whole order can be filled now, and settling it can bring no balance to 2^53. */
  private couldSettle(slot: number): boolean {
    if (!this.matcher.couldFill(slot)) return false
    const { supply } = this.ledger
    const market = this.orders.words[(slot << ORDER_SHIFT) + Order.MARKET]!
    const base = this.markets.base[market]!
    const quote = this.markets.quote[market]!
    // No balance can reach 2^53 unless there is that much of an asset.
    if (supply[2 * base + 1] === 0 && supply[2 * quote + 1] === 0) return true
    return allCanReceive(slot, this.book, this.markets, this.ledger)
  }

  // ---- Events

  /** An event that speaks of one order; returns its word offset for what else it says. */
  orderEvent(kind: number, slot: number, code: number): number {
    const { words, numbers } = this.orders
    const { events } = this
    const at = slot << ORDER_SHIFT
    const event = events.next(kind | (words[at + Order.ATTR]! & ORDER_ATTR_MASK), this.clock)
    const out = events.words
    out[event + Ev.MARKET] = words[at + Order.MARKET]!
    out[event + Ev.TICKS] = words[at + Order.TICKS]!
    out[event + Ev.LOTS] = words[at + Order.LOTS]!
    out[event + Ev.ACCOUNT] = words[at + Order.ACCOUNT]!
    out[event + Ev.CODE] = code
    out[event + Ev.CLOID_LO] = words[at + Order.CLOID_LO]!
    out[event + Ev.CLOID_HI] = words[at + Order.CLOID_HI]!
    out[event + Ev.REMAINING] = this.orders.remaining(slot)
    events.floats[(event >> 1) + Ev.ORDER_ID_F64] = numbers[2 * slot + OrderNumber.ID]!
    return event
  }

  /** Accepted: what orderEvent says, and the order's display, trigger, expiry and budget. */
  acceptedEvent(slot: number): void {
    const event = this.orderEvent(EventKind.Accepted, slot, 0)
    this.describe(event, slot)
    const { extraNumbers, words } = this.orders
    const attributes = words[(slot << ORDER_SHIFT) + Order.ATTR]!
    if ((attributes & Mark.Budget) !== 0)
      this.events.floats[(event >> 1) + Ev.AMOUNT_B_F64] = extraNumbers[2 * slot + ExtraNumber.BUDGET]!
  }

  /** Amended: the order as it is now, its price before, and in CODE whether it kept its place. */
  amendedEvent(slot: number, ticksBefore: number, kept: boolean): void {
    const event = this.orderEvent(EventKind.Amended, slot, kept ? 1 : 0)
    this.describe(event, slot)
    this.events.words[event + Ev.OTHER] = ticksBefore
  }

  private describe(event: number, slot: number): void {
    const { words, extras, extraNumbers } = this.orders
    const attributes = words[(slot << ORDER_SHIFT) + Order.ATTR]!
    const out = this.events.words
    if ((attributes & Mark.Iceberg) !== 0)
      out[event + Ev.COUNTER_REMAINING] = extras[(slot << EXTRA_SHIFT) + Extra.DISPLAY]!
    if (isStop((attributes >>> Attr.TYPE_SHIFT) & 7))
      out[event + Ev.COUNTER_CLOID_LO] = extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!
    if ((attributes & Mark.Expires) !== 0)
      this.events.floats[(event >> 1) + Ev.AMOUNT_A_F64] = extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!
  }
}
