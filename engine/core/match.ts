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
import { BOOK_KINDS, BookKind, LEVEL_SHIFT, Level, NONE, keyMask } from './levels.js'
import { EXTRA_SHIFT, ExtraNumber, Mark, ORDER_SHIFT, Order } from './orders.js'

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
  /** Cancels a standing order. */
  cancelMaker(maker: number, reason: number): void
  /** Both orders lose `lots` unfilled; the maker keeps some. */
  decrementMaker(maker: number, lots: number): void
  /** The taker loses `lots` unfilled and keeps some. */
  decrementTaker(taker: number, lots: number): void
}

/** The book that a side's orders rest in. */
export function restingBook(market: number, side: number): number {
  return market * BOOK_KINDS + (side === 0 ? BookKind.Bids : BookKind.Asks)
}

export class Matcher {
  private readonly book: Book
  private readonly sink: MatchSink
  private readonly tickUnits: Float64Array

  /** `tickUnits`: quote units of one lot at one tick, by market. */
  constructor(book: Book, tickUnits: Float64Array, sink: MatchSink) {
    this.book = book
    this.sink = sink
    this.tickUnits = tickUnits
  }

  /**
   * Fills the taker as far as prices reach. Returns the CancelReason that ends it early, or 0: then it
   * is filled, or nothing is left at its price.
   */
  match(taker: number): number {
    const { book, sink } = this
    const orders = book.orders.words
    const levels = book.levels.words
    const levelLots = book.levels.lots
    const best = book.levels.best
    const at = taker << ORDER_SHIFT
    const attributes = orders[at + Order.ATTR]!
    const against = restingBook(orders[at + Order.MARKET]!, ((attributes >>> Attr.SIDE_SHIFT) & 1) ^ 1)
    const limit = orders[at + Order.TICKS]! ^ keyMask(against)
    const account = orders[at + Order.ACCOUNT]!
    let remaining = orders[at + Order.VISIBLE]!
    while (remaining > 0) {
      const level = best[against]!
      if (level === NONE) return 0
      const levelAt = level << LEVEL_SHIFT
      if (levels[levelAt]! > limit) return 0
      const maker = levels[levelAt + Level.HEAD]!
      const makerAt = maker << ORDER_SHIFT
      if (orders[makerAt + Order.ACCOUNT] === account) {
        if (this.preventSelfTrade(maker, taker)) return CancelReason.SelfTrade
        remaining = orders[at + Order.VISIBLE]!
        continue
      }
      const visible = orders[makerAt + Order.VISIBLE]!
      let lots = remaining < visible ? remaining : visible
      if ((attributes & Mark.Budget) !== 0) {
        lots = Math.min(lots, this.affordable(taker, maker))
        if (lots === 0) return CancelReason.QuoteBudgetSpent
      }
      const settled = sink.fill(maker, taker, lots)
      if (settled !== Settled.Done) {
        if (settled === Settled.TakerCannot) return CancelReason.BalanceOverLimit
        sink.cancelMaker(maker, CancelReason.BalanceOverLimit)
        continue
      }
      remaining -= lots
      orders[at + Order.VISIBLE] = remaining
      if ((attributes & Mark.Budget) !== 0) this.spend(taker, maker, lots)
      if (lots < visible) {
        orders[makerAt + Order.VISIBLE] = visible - lots
        levelLots[level]! -= lots
      } else if (
        (orders[makerAt + Order.ATTR]! & Mark.Iceberg) !== 0 &&
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
    const orders = this.book.orders.words
    const levels = this.book.levels.words
    const at = taker << ORDER_SHIFT
    const attributes = orders[at + Order.ATTR]!
    const market = orders[at + Order.MARKET]!
    const against = restingBook(market, ((attributes >>> Attr.SIDE_SHIFT) & 1) ^ 1)
    const mask = keyMask(against)
    const limit = orders[at + Order.TICKS]! ^ mask
    const account = orders[at + Order.ACCOUNT]!
    const skipsOwn = ((attributes >>> Attr.STP_SHIFT) & 7) === Stp.CancelMaker
    const budgeted = (attributes & Mark.Budget) !== 0
    let budget = this.book.orders.extraNumbers[2 * taker + ExtraNumber.BUDGET]!
    let wanted = orders[at + Order.VISIBLE]!
    for (
      let level = this.book.levels.best[against]!;
      level !== NONE && levels[level << LEVEL_SHIFT]! <= limit;
      level = levels[(level << LEVEL_SHIFT) + Level.WORSE]!
    ) {
      const unit = (levels[level << LEVEL_SHIFT]! ^ mask) * this.tickUnits[market]!
      // First pass over the queue takes what shows; what icebergs hide comes after the whole queue.
      let hidden = 0
      for (
        let maker = levels[(level << LEVEL_SHIFT) + Level.HEAD]!;
        maker !== NONE;
        maker = orders[(maker << ORDER_SHIFT) + Order.NEXT]!
      ) {
        if (orders[(maker << ORDER_SHIFT) + Order.ACCOUNT] === account) {
          if (skipsOwn) continue
          return false
        }
        const visible = orders[(maker << ORDER_SHIFT) + Order.VISIBLE]!
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
    const orders = this.book.orders.words
    const at = taker << ORDER_SHIFT
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

  /** Lots that the taker's quote budget still buys at the maker's price. */
  private affordable(taker: number, maker: number): number {
    const { words, extraNumbers } = this.book.orders
    const at = maker << ORDER_SHIFT
    const unit = words[at + Order.TICKS]! * this.tickUnits[words[at + Order.MARKET]!]!
    const budget = extraNumbers[2 * taker + ExtraNumber.BUDGET]!
    const lots = Math.floor(budget / unit)
    // The quotient of two doubles can round up to the next whole number.
    return lots * unit > budget ? lots - 1 : lots
  }

  private spend(taker: number, maker: number, lots: number): void {
    const { words, extraNumbers } = this.book.orders
    const at = maker << ORDER_SHIFT
    extraNumbers[2 * taker + ExtraNumber.BUDGET]! -=
      words[at + Order.TICKS]! * lots * this.tickUnits[words[at + Order.MARKET]!]!
  }
}
