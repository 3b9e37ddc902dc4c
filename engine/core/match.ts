/**
 * The taker's way through the opposite book: best price first, then first come first served. Knows
 * prices, lots and self-trade prevention; what a fill means in money is the sink's affair, so the same
 * loop serves the whole core and the book alone.
 *
 * The taker stands in the order slab, in no level; its VISIBLE word counts what it still wants.
 * Invariant: after each step of the loop the books and the taker's record are consistent.
 * Called by trading.ts, and by the book-only harness of the benchmarks.
 */
import { CancelReason, Stp } from '../codes.js'
import { Attr } from '../layout.js'
import type { Book } from './book.js'
import { MarketUnits } from './markets.js'
import { BookKind, Level, keyMask } from './levels.js'
import { ExtraNumber, Mark, Order } from './orders.js'
import * as orders from './orders.js'
import * as levels from './levels.js'
import * as offsets from './offsets.js'

// Local copies: optimised code folds them, but loads and checks an imported constant at each use.
const { OFFSETS } = offsets
const { ORDER_SHIFT, EXTRA_SHIFT } = orders
const { LEVEL_SHIFT, NONE, BOOK_KINDS } = levels
const { HEAD: LEVEL_HEAD, WORSE: LEVEL_WORSE } = Level
const {
  ATTR: ORDER_ATTR,
  MARKET: ORDER_MARKET,
  TICKS: ORDER_TICKS,
  ACCOUNT: ORDER_ACCOUNT,
  VISIBLE: ORDER_VISIBLE,
  NEXT: ORDER_NEXT,
} = Order
const { Budget: MARK_BUDGET, Iceberg: MARK_ICEBERG } = Mark
const { SIDE_SHIFT: ATTR_SIDE_SHIFT, STP_SHIFT: ATTR_STP_SHIFT } = Attr
const { Bids: BOOK_BIDS, Asks: BOOK_ASKS } = BookKind
const { BUDGET: EXTRA_BUDGET } = ExtraNumber
const { CancelMaker: STP_CANCEL_MAKER, CancelBoth: STP_CANCEL_BOTH, Decrement: STP_DECREMENT } = Stp

const { TICK: UNITS_TICK } = MarketUnits

/** What a fill came to. */
export const Settled = { Done: 0, MakerCannot: 1, TakerCannot: 2 } as const
const { Done: SETTLED_DONE, TakerCannot: SETTLED_TAKER_CANNOT } = Settled

export interface MatchSink {
  /**
   * Settles `lots` between two orders at the maker's price, before their records change. When one of
   * them cannot take its proceeds it changes nothing and says which (Settled).
   */
  fill(maker: number, taker: number, lots: number): number
  /** The maker has been filled and stands in no level any more. */
  makerFilled(maker: number): void
  /** The iceberg shows its next part, at the end of its level. */
  makerRefilled(maker: number): void
  /** Cancels a standing order. */
  cancelMaker(maker: number, reason: number): void
  /** Both orders lose `lots` unfilled; the maker keeps some. */
  decrementMaker(maker: number, lots: number): void
  /** The taker loses `lots` unfilled and keeps some. */
  decrementTaker(taker: number, lots: number): void
}

/** The book that a side's orders rest in. */
export function restingBook(market: number, side: number): number {
  return market * BOOK_KINDS + (side === 0 ? BOOK_BIDS : BOOK_ASKS)
}

export class Matcher {
  private readonly book: Book
  private readonly sink: MatchSink
  private readonly units: Float64Array
  // The tables themselves: one load away instead of three.
  private readonly orders: Int32Array
  private readonly levels: Int32Array
  private readonly levelLots: Float64Array
  private readonly best: Int32Array

  /** `units`: base units of a lot and quote units of a lot and tick, in turn, by market (markets.ts). */
  constructor(book: Book, units: Float64Array, sink: MatchSink) {
    this.book = book
    this.sink = sink
    this.units = units
    this.orders = book.orders.words
    this.levels = book.levels.words
    this.levelLots = book.levels.lots
    this.best = book.levels.best
  }

  /**
   * Fills the taker as far as prices reach. Returns the CancelReason that ends it early, or 0: then it
   * is filled, or nothing is left at its price.
   */
  match(taker: number): number {
    const { orders, levels, best } = this
    const at = (taker << ORDER_SHIFT) & OFFSETS
    const attributes = orders[at + ORDER_ATTR]!
    const against = restingBook(orders[at + ORDER_MARKET]!, ((attributes >>> ATTR_SIDE_SHIFT) & 1) ^ 1)
    const limit = orders[at + ORDER_TICKS]! ^ keyMask(against)
    const account = orders[at + ORDER_ACCOUNT]!
    let remaining = orders[at + ORDER_VISIBLE]!
    const { book, sink, levelLots } = this
    while (remaining > 0) {
      const level = best[against]!
      if (level === NONE) return 0
      const levelAt = (level << LEVEL_SHIFT) & OFFSETS
      if (levels[levelAt]! > limit) return 0
      const maker = levels[levelAt + LEVEL_HEAD]!
      const makerAt = (maker << ORDER_SHIFT) & OFFSETS
      if (orders[makerAt + ORDER_ACCOUNT] === account) {
        if (this.preventSelfTrade(maker, taker)) return CancelReason.SelfTrade
        remaining = orders[at + ORDER_VISIBLE]!
        continue
      }
      const visible = orders[makerAt + ORDER_VISIBLE]!
      let lots = remaining < visible ? remaining : visible
      if ((attributes & MARK_BUDGET) !== 0) {
        lots = Math.min(lots, this.affordable(taker, maker))
        if (lots === 0) return CancelReason.QuoteBudgetSpent
      }
      const settled = sink.fill(maker, taker, lots)
      if (settled !== SETTLED_DONE) {
        if (settled === SETTLED_TAKER_CANNOT) return CancelReason.BalanceOverLimit
        sink.cancelMaker(maker, CancelReason.BalanceOverLimit)
        continue
      }
      remaining -= lots
      orders[at + ORDER_VISIBLE] = remaining
      if ((attributes & MARK_BUDGET) !== 0) this.spend(taker, maker, lots)
      if (lots < visible) {
        orders[makerAt + ORDER_VISIBLE] = visible - lots
        levelLots[level]! -= lots
      } else if (
        (orders[makerAt + ORDER_ATTR]! & MARK_ICEBERG) !== 0 &&
        book.orders.extras[maker << EXTRA_SHIFT]! > 0
      ) {
        book.refill(maker)
        sink.makerRefilled(maker)
      } else {
        book.remove(maker)
        sink.makerFilled(maker)
      }
    }
    return 0
  }

  /**
   * True when the whole taker could be filled now, under its own limit, budget and self-trade mode.
   * Icebergs count in full, unless an order of the taker's own account would stop it before they refill.
   */
  couldFill(taker: number): boolean {
    const { orders, levels } = this
    const at = (taker << ORDER_SHIFT) & OFFSETS
    const attributes = orders[at + ORDER_ATTR]!
    const market = orders[at + ORDER_MARKET]!
    const against = restingBook(market, ((attributes >>> ATTR_SIDE_SHIFT) & 1) ^ 1)
    const mask = keyMask(against)
    const limit = orders[at + ORDER_TICKS]! ^ mask
    const account = orders[at + ORDER_ACCOUNT]!
    const skipsOwn = ((attributes >>> ATTR_STP_SHIFT) & 7) === STP_CANCEL_MAKER
    const budgeted = (attributes & MARK_BUDGET) !== 0
    let budget = this.book.orders.extraNumbers[2 * taker + EXTRA_BUDGET]!
    let wanted = orders[at + ORDER_VISIBLE]!
    for (
      let level = this.book.levels.best[against]!;
      level !== NONE && levels[level << LEVEL_SHIFT]! <= limit;
      level = levels[(level << LEVEL_SHIFT) + LEVEL_WORSE]!
    ) {
      const unit = (levels[level << LEVEL_SHIFT]! ^ mask) * this.units[2 * market + UNITS_TICK]!
      // First pass over the queue takes what shows; what icebergs hide comes after the whole queue.
      let hidden = 0
      for (
        let maker = levels[(level << LEVEL_SHIFT) + LEVEL_HEAD]!;
        maker !== NONE;
        maker = orders[(maker << ORDER_SHIFT) + ORDER_NEXT]!
      ) {
        if (orders[(maker << ORDER_SHIFT) + ORDER_ACCOUNT] === account) {
          if (skipsOwn) continue
          return false
        }
        const visible = orders[(maker << ORDER_SHIFT) + ORDER_VISIBLE]!
        const lots = Math.min(wanted, visible)
        budget -= lots * unit
        if (budgeted && budget < 0) return false
        wanted -= lots
        if (wanted === 0) return true
        hidden += this.book.orders.remaining(maker) - visible
      }
      const lots = Math.min(wanted, hidden)
      budget -= lots * unit
      if (budgeted && budget < 0) return false
      wanted -= lots
      if (wanted === 0) return true
    }
    return false
  }

  /** The head of the queue is the taker's own: acts by the taker's mode; true = the taker ends here. */
  private preventSelfTrade(maker: number, taker: number): boolean {
    const { sink } = this
    const { orders } = this
    const at = (taker << ORDER_SHIFT) & OFFSETS
    switch ((orders[at + ORDER_ATTR]! >>> ATTR_STP_SHIFT) & 7) {
      case STP_CANCEL_MAKER:
        sink.cancelMaker(maker, CancelReason.SelfTrade)
        return false
      case STP_CANCEL_BOTH:
        sink.cancelMaker(maker, CancelReason.SelfTrade)
        return true
      case STP_DECREMENT: {
        const wanted = orders[at + ORDER_VISIBLE]!
        const standing = this.book.orders.remaining(maker)
        if (standing <= wanted) sink.cancelMaker(maker, CancelReason.SelfTrade)
        else sink.decrementMaker(maker, wanted)
        if (standing >= wanted) return true
        sink.decrementTaker(taker, standing)
        return false
      }
      default:
        return true
    }
  }

  /** Lots that the taker's quote budget still buys at the maker's price. */
  private affordable(taker: number, maker: number): number {
    const { words, extraNumbers } = this.book.orders
    const at = (maker << ORDER_SHIFT) & OFFSETS
    const unit = words[at + ORDER_TICKS]! * this.units[2 * words[at + ORDER_MARKET]! + UNITS_TICK]!
    const budget = extraNumbers[2 * taker + EXTRA_BUDGET]!
    const lots = Math.floor(budget / unit)
    // The quotient of two doubles can round up to the next whole number.
    return lots * unit > budget ? lots - 1 : lots
  }

  private spend(taker: number, maker: number, lots: number): void {
    const { words, extraNumbers } = this.book.orders
    const at = (maker << ORDER_SHIFT) & OFFSETS
    extraNumbers[2 * taker + EXTRA_BUDGET]! -=
      words[at + ORDER_TICKS]! * lots * this.units[2 * words[at + ORDER_MARKET]! + UNITS_TICK]!
  }
}
