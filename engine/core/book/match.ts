/**
 * The taker's way through the opposite book: best price first, then first come first served. Knows
 * prices, lots and self-trade prevention; what a fill means in money is the sink's affair, so the same
 * loop serves the whole core and the book alone.
 *
 * The taker stands in the order slab, in no level; its VISIBLE word counts what it still wants.
 * Invariant: after each step of the loop the books and the taker's record are consistent.
 * Called by trading.ts, and by the book-only harness of the benchmarks.
 */
import { CancelReason, Stp } from '../../codes.js'
import { Attr } from '../../layout.js'
import type { Book } from './book.js'
import { MarketUnits } from './markets.js'
import { Level } from './levels.js'
import { Extra, ExtraNumber, Mark, Order } from './orders.js'
import * as orderTypes from './order-types.js'
import * as orders from './orders.js'
import * as levels from './levels.js'
import * as offsets from '../base/offsets.js'
import type { Work } from '../base/work.js'

// Local copies, of functions too: optimised code folds them, but loads and checks an import at each use.
const { restingBook } = orderTypes
const { OFFSETS } = offsets
const { ORDER_SHIFT, EXTRA_SHIFT, MARKET_MASK } = orders
const { LEVEL_SHIFT, NONE, keyMask } = levels
const { HEAD: LEVEL_HEAD, WORSE: LEVEL_WORSE } = Level
const {
  ATTR: ORDER_ATTR,
  MARKET_CARRY: ORDER_MARKET_CARRY,
  TICKS: ORDER_TICKS,
  ACCOUNT: ORDER_ACCOUNT,
  VISIBLE: ORDER_VISIBLE,
  NEXT: ORDER_NEXT,
} = Order
const { Budget: MARK_BUDGET, Iceberg: MARK_ICEBERG, Expires: MARK_EXPIRES, Cap: MARK_CAP } = Mark
/** Bounded in the quote units that it executes. */
const BOUNDED = MARK_BUDGET | MARK_CAP
const { SIDE_SHIFT: ATTR_SIDE_SHIFT, STP_SHIFT: ATTR_STP_SHIFT } = Attr
const { DISPLAY: EXTRA_DISPLAY } = Extra
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
  /** Reason why a standing order never trades again and only waits for its turn to be cancelled, or 0. */
  goneReason(maker: number): number
  /** Cancels a standing order. */
  cancelMaker(maker: number, reason: number): void
  /** Both orders lose `lots` unfilled; the maker keeps some. */
  decrementMaker(maker: number, lots: number): void
  /** The taker loses `lots` unfilled and keeps some. */
  decrementTaker(taker: number, lots: number): void
}

export class Matcher {
  private readonly book: Book
  private readonly sink: MatchSink
  private readonly work: Work
  private readonly units: Float64Array
  // The tables themselves: one load away instead of three.
  private readonly orders: Int32Array
  private readonly levels: Int32Array
  private readonly levelLots: Float64Array
  private readonly best: Int32Array

  /** `units`: base units of a lot and quote units of a lot and tick, in turn, by market (markets.ts). */
  constructor(book: Book, units: Float64Array, work: Work, sink: MatchSink) {
    this.book = book
    this.sink = sink
    this.work = work
    this.units = units
    this.orders = book.orders.words
    this.levels = book.levels.words
    this.levelLots = book.levels.lots
    this.best = book.levels.best
  }

  /**
   * Fills the taker as far as prices and steps reach. Returns the CancelReason that ends it early, or 0: then
   * it is filled, or nothing is left at its price.
   */
  match(taker: number): number {
    const { orders, levels, best } = this
    const at = (taker << ORDER_SHIFT) & OFFSETS
    const attributes = orders[at + ORDER_ATTR]!
    const market = orders[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    const against = restingBook(market, ((attributes >>> ATTR_SIDE_SHIFT) & 1) ^ 1)
    const limit = orders[at + ORDER_TICKS]! ^ keyMask(against)
    const account = orders[at + ORDER_ACCOUNT]!
    let remaining = orders[at + ORDER_VISIBLE]!
    const { book, sink, work, levelLots } = this
    while (remaining > 0) {
      const level = best[against]!
      if (level === NONE) return 0
      const levelAt = (level << LEVEL_SHIFT) & OFFSETS
      if (levels[levelAt]! > limit) return 0
      if (work.used >= work.max) return CancelReason.WorkLimit
      work.used++
      const maker = levels[levelAt + LEVEL_HEAD]!
      const makerAt = (maker << ORDER_SHIFT) & OFFSETS
      const makerAttributes = orders[makerAt + ORDER_ATTR]!
      if ((makerAttributes & MARK_EXPIRES) !== 0 || work.isBehind) {
        const gone = sink.goneReason(maker)
        if (gone !== 0) {
          sink.cancelMaker(maker, gone)
          continue
        }
      }
      if (orders[makerAt + ORDER_ACCOUNT] === account) {
        if (this.preventSelfTrade(maker, taker)) return CancelReason.SelfTrade
        remaining = orders[at + ORDER_VISIBLE]!
        continue
      }
      const visible = orders[makerAt + ORDER_VISIBLE]!
      let lots = remaining < visible ? remaining : visible
      if ((attributes & BOUNDED) !== 0) {
        lots = Math.min(lots, this.affordable(taker, maker))
        if (lots === 0)
          return attributes & MARK_CAP ? CancelReason.SessionNotional : CancelReason.QuoteBudgetSpent
      }
      const settled = sink.fill(maker, taker, lots)
      if (settled !== SETTLED_DONE) {
        if (settled === SETTLED_TAKER_CANNOT) return CancelReason.BalanceOverLimit
        sink.cancelMaker(maker, CancelReason.BalanceOverLimit)
        continue
      }
      remaining -= lots
      orders[at + ORDER_VISIBLE] = remaining
      if ((attributes & BOUNDED) !== 0) this.spend(taker, maker, lots)
      if (lots < visible) {
        orders[makerAt + ORDER_VISIBLE] = visible - lots
        levelLots[level]! -= lots
      } else if ((makerAttributes & MARK_ICEBERG) !== 0 && book.orders.extras[maker << EXTRA_SHIFT]! > 0) {
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
   * 0 when the whole taker can be filled now, under its own limit, budget and self-trade mode and with the
   * steps that are left; else the CancelReason that says why not. Each order that is looked at takes a step, as
   * it will when it is matched. Icebergs count in full, unless an order of the taker's own account would stop it
   * before they refill.
   */
  whyUnfillable(taker: number): number {
    const { orders, levels, work } = this
    const { extras } = this.book.orders
    const at = (taker << ORDER_SHIFT) & OFFSETS
    const attributes = orders[at + ORDER_ATTR]!
    const market = orders[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    const against = restingBook(market, ((attributes >>> ATTR_SIDE_SHIFT) & 1) ^ 1)
    const mask = keyMask(against)
    const limit = orders[at + ORDER_TICKS]! ^ mask
    const account = orders[at + ORDER_ACCOUNT]!
    const skipsOwn = ((attributes >>> ATTR_STP_SHIFT) & 7) === STP_CANCEL_MAKER
    const bounded = (attributes & BOUNDED) !== 0
    let budget = bounded ? this.book.orders.extraNumbers[2 * taker + EXTRA_BUDGET]! : 0
    let wanted = orders[at + ORDER_VISIBLE]!
    /** Steps that matching will take. */
    let planned = 0
    for (
      let level = this.book.levels.best[against]!;
      level !== NONE && levels[level << LEVEL_SHIFT]! <= limit;
      level = levels[(level << LEVEL_SHIFT) + LEVEL_WORSE]!
    ) {
      const unit = (levels[level << LEVEL_SHIFT]! ^ mask) * this.units[2 * market + UNITS_TICK]!
      // First pass over the queue takes what shows; what icebergs hide comes after the whole queue, in `parts`.
      let hidden = 0
      let parts = 0
      for (
        let maker = levels[(level << LEVEL_SHIFT) + LEVEL_HEAD]!;
        maker !== NONE;
        maker = orders[(maker << ORDER_SHIFT) + ORDER_NEXT]!
      ) {
        if (!work.take()) return CancelReason.WorkLimit
        planned++
        const makerAt = (maker << ORDER_SHIFT) & OFFSETS
        const makerAttributes = orders[makerAt + ORDER_ATTR]!
        if (((makerAttributes & MARK_EXPIRES) !== 0 || work.isBehind) && this.sink.goneReason(maker) !== 0)
          continue
        if (orders[makerAt + ORDER_ACCOUNT] === account) {
          if (skipsOwn) continue
          return CancelReason.FillOrKill
        }
        const lots = Math.min(wanted, orders[makerAt + ORDER_VISIBLE]!)
        budget -= lots * unit
        if (bounded && budget < 0) return CancelReason.FillOrKill
        wanted -= lots
        if (wanted === 0) return this.hasSteps(planned)
        if ((makerAttributes & MARK_ICEBERG) !== 0) {
          const more = extras[maker << EXTRA_SHIFT]!
          hidden += more
          parts += Math.ceil(more / extras[(maker << EXTRA_SHIFT) + EXTRA_DISPLAY]!)
        }
      }
      const lots = Math.min(wanted, hidden)
      // A part that is met fills a lot at least, so a maker cannot make an order dear that fills little.
      planned += Math.min(parts, lots)
      budget -= lots * unit
      if (bounded && budget < 0) return CancelReason.FillOrKill
      wanted -= lots
      if (wanted === 0) return this.hasSteps(planned)
    }
    return CancelReason.FillOrKill
  }

  private hasSteps(planned: number): number {
    return this.work.used + planned > this.work.max ? CancelReason.WorkLimit : 0
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

  /** Lots that the taker's quote budget or cap still covers at the maker's price. */
  private affordable(taker: number, maker: number): number {
    const { words, extraNumbers } = this.book.orders
    const unit = this.quoteOfLot(maker, words)
    const budget = extraNumbers[2 * taker + EXTRA_BUDGET]!
    const lots = Math.floor(budget / unit)
    // The quotient of two doubles can round up to the next whole number.
    return lots * unit > budget ? lots - 1 : lots
  }

  private spend(taker: number, maker: number, lots: number): void {
    const { words, extraNumbers } = this.book.orders
    extraNumbers[2 * taker + EXTRA_BUDGET]! -= lots * this.quoteOfLot(maker, words)
  }

  /** Quote units of one lot at the maker's price. */
  private quoteOfLot(maker: number, words: Int32Array): number {
    const at = (maker << ORDER_SHIFT) & OFFSETS
    const market = words[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    return words[at + ORDER_TICKS]! * this.units[2 * market + UNITS_TICK]!
  }
}
