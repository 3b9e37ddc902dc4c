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
import { Level, LEVEL_SHIFT, NONE, keyMask } from './levels.js'
import { Extra, ExtraNumber, Mark, Order, ORDER_SHIFT, EXTRA_SHIFT, MARKET_MASK } from './orders.js'
import { restingBook } from './order-types.js'
import { OFFSETS } from '../base/offsets.js'
import type { Work } from '../base/work.js'
/** Bounded in the quote units that it executes. */
const BOUNDED = Mark.Budget | Mark.Cap

/** What a fill came to. */
export const Settled = { Done: 0, MakerCannot: 1, TakerCannot: 2 } as const

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
    const attributes = orders[at + Order.ATTR]!
    const market = orders[at + Order.MARKET_CARRY]! & MARKET_MASK
    const against = restingBook(market, ((attributes >>> Attr.SIDE_SHIFT) & 1) ^ 1)
    const limit = orders[at + Order.TICKS]! ^ keyMask(against)
    const account = orders[at + Order.ACCOUNT]!
    let remaining = orders[at + Order.VISIBLE]!
    const { book, sink, work, levelLots } = this
    while (remaining > 0) {
      const level = best[against]!
      if (level === NONE) return 0
      const levelAt = (level << LEVEL_SHIFT) & OFFSETS
      if (levels[levelAt]! > limit) return 0
      if (work.used >= work.max) return CancelReason.WorkLimit
      work.used++
      const maker = levels[levelAt + Level.HEAD]!
      const makerAt = (maker << ORDER_SHIFT) & OFFSETS
      const makerAttributes = orders[makerAt + Order.ATTR]!
      if ((makerAttributes & Mark.Expires) !== 0 || work.isBehind) {
        const gone = sink.goneReason(maker)
        if (gone !== 0) {
          sink.cancelMaker(maker, gone)
          continue
        }
      }
      if (orders[makerAt + Order.ACCOUNT] === account) {
        if (this.preventSelfTrade(maker, taker)) return CancelReason.SelfTrade
        remaining = orders[at + Order.VISIBLE]!
        continue
      }
      const visible = orders[makerAt + Order.VISIBLE]!
      let lots = remaining < visible ? remaining : visible
      if ((attributes & BOUNDED) !== 0) {
        lots = Math.min(lots, this.affordable(taker, maker))
        if (lots === 0)
          return attributes & Mark.Cap ? CancelReason.SessionNotional : CancelReason.QuoteBudgetSpent
      }
      const settled = sink.fill(maker, taker, lots)
      if (settled !== Settled.Done) {
        if (settled === Settled.TakerCannot) return CancelReason.BalanceOverLimit
        sink.cancelMaker(maker, CancelReason.BalanceOverLimit)
        continue
      }
      remaining -= lots
      orders[at + Order.VISIBLE] = remaining
      if ((attributes & BOUNDED) !== 0) this.spend(taker, maker, lots)
      if (lots < visible) {
        orders[makerAt + Order.VISIBLE] = visible - lots
        levelLots[level]! -= lots
      } else if ((makerAttributes & Mark.Iceberg) !== 0 && book.orders.extras[maker << EXTRA_SHIFT]! > 0) {
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
    const attributes = orders[at + Order.ATTR]!
    const market = orders[at + Order.MARKET_CARRY]! & MARKET_MASK
    const against = restingBook(market, ((attributes >>> Attr.SIDE_SHIFT) & 1) ^ 1)
    const mask = keyMask(against)
    const limit = orders[at + Order.TICKS]! ^ mask
    const account = orders[at + Order.ACCOUNT]!
    const skipsOwn = ((attributes >>> Attr.STP_SHIFT) & 7) === Stp.CancelMaker
    const bounded = (attributes & BOUNDED) !== 0
    let budget = bounded ? this.book.orders.extraNumbers[2 * taker + ExtraNumber.BUDGET]! : 0
    let wanted = orders[at + Order.VISIBLE]!
    /** Steps that matching will take. */
    let planned = 0
    for (
      let level = this.book.levels.best[against]!;
      level !== NONE && levels[level << LEVEL_SHIFT]! <= limit;
      level = levels[(level << LEVEL_SHIFT) + Level.WORSE]!
    ) {
      const unit = (levels[level << LEVEL_SHIFT]! ^ mask) * this.units[2 * market + MarketUnits.TICK]!
      // First pass over the queue takes what shows; what icebergs hide comes after the whole queue, in `parts`.
      let hidden = 0
      let parts = 0
      for (
        let maker = levels[(level << LEVEL_SHIFT) + Level.HEAD]!;
        maker !== NONE;
        maker = orders[(maker << ORDER_SHIFT) + Order.NEXT]!
      ) {
        if (!work.take()) return CancelReason.WorkLimit
        planned++
        const makerAt = (maker << ORDER_SHIFT) & OFFSETS
        const makerAttributes = orders[makerAt + Order.ATTR]!
        if (((makerAttributes & Mark.Expires) !== 0 || work.isBehind) && this.sink.goneReason(maker) !== 0)
          continue
        if (orders[makerAt + Order.ACCOUNT] === account) {
          if (skipsOwn) continue
          return CancelReason.FillOrKill
        }
        const lots = Math.min(wanted, orders[makerAt + Order.VISIBLE]!)
        budget -= lots * unit
        if (bounded && budget < 0) return CancelReason.FillOrKill
        wanted -= lots
        if (wanted === 0) return this.hasSteps(planned)
        if ((makerAttributes & Mark.Iceberg) !== 0) {
          const more = extras[maker << EXTRA_SHIFT]!
          hidden += more
          parts += Math.ceil(more / extras[(maker << EXTRA_SHIFT) + Extra.DISPLAY]!)
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
    switch ((orders[at + Order.ATTR]! >>> Attr.STP_SHIFT) & 7) {
      case Stp.CancelMaker:
        sink.cancelMaker(maker, CancelReason.SelfTrade)
        return false
      case Stp.CancelBoth:
        sink.cancelMaker(maker, CancelReason.SelfTrade)
        return true
      case Stp.Decrement: {
        const wanted = orders[at + Order.VISIBLE]!
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
    const budget = extraNumbers[2 * taker + ExtraNumber.BUDGET]!
    const lots = Math.floor(budget / unit)
    // The quotient of two doubles can round up to the next whole number.
    return lots * unit > budget ? lots - 1 : lots
  }

  private spend(taker: number, maker: number, lots: number): void {
    const { words, extraNumbers } = this.book.orders
    extraNumbers[2 * taker + ExtraNumber.BUDGET]! -= lots * this.quoteOfLot(maker, words)
  }

  /** Quote units of one lot at the maker's price. */
  private quoteOfLot(maker: number, words: Int32Array): number {
    const at = (maker << ORDER_SHIFT) & OFFSETS
    const market = words[at + Order.MARKET_CARRY]! & MARKET_MASK
    return words[at + Order.TICKS]! * this.units[2 * market + MarketUnits.TICK]!
  }
}
