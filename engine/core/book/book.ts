/**
 * The books: orders standing in price levels, first in first out. Knows lots and places, and nothing of
 * accounts or money.
 *
 * Invariant: a level's lots are the sum of the visible lots of its orders, and it has at least one order.
 * Called by match.ts (takes from the front) and trading.ts (rests, cancels, amends).
 */
import { Level, Levels, LEVEL_SHIFT, NONE, keyMask } from './levels.js'
import { Extra, Mark, Order, type Orders, ORDER_SHIFT, EXTRA_SHIFT } from './orders.js'
import { OFFSETS } from '../base/offsets.js'

export class Book {
  readonly levels: Levels
  readonly orders: Orders
  // The tables themselves: one load away instead of two.
  private readonly orderWords: Int32Array
  private readonly levelWords: Int32Array
  private readonly levelLots: Float64Array

  constructor(orders: Orders, books: number, levelsMax: number) {
    this.orders = orders
    this.levels = new Levels(books, levelsMax)
    this.orderWords = orders.words
    this.levelWords = this.levels.words
    this.levelLots = this.levels.lots
  }

  /** True when an order at `ticks` of `book` could not stand because all levels are taken. */
  levelMissing(book: number, ticks: number): boolean {
    return this.levels.full && this.levels.find(book, ticks ^ keyMask(book)) === NONE
  }

  /** Puts an order at the end of its price level. Its visible lots are set. */
  append(slot: number, book: number, ticks: number): void {
    const level = this.levels.findOrInsert(book, ticks ^ keyMask(book))
    const levels = this.levelWords
    const orders = this.orderWords
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const levelAt = (level << LEVEL_SHIFT) & OFFSETS
    const visible = orders[at + Order.VISIBLE]!
    orders[at + Order.LEVEL] = level
    orders[at + Order.NEXT] = NONE
    const count = levels[levelAt + Level.ORDERS]!
    if (count === 0) {
      levels[levelAt + Level.HEAD] = slot
      orders[at + Order.PREV] = NONE
      this.levelLots[level] = visible
    } else {
      const tail = levels[levelAt + Level.TAIL]!
      orders[(tail << ORDER_SHIFT) + Order.NEXT] = slot
      orders[at + Order.PREV] = tail
      this.levelLots[level]! += visible
    }
    levels[levelAt + Level.TAIL] = slot
    levels[levelAt + Level.ORDERS] = count + 1
  }

  /** Takes an order out of its level, and the level out of the book when it was the last one. */
  remove(slot: number): void {
    const levels = this.levelWords
    const orders = this.orderWords
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const level = orders[at + Order.LEVEL]!
    const levelAt = (level << LEVEL_SHIFT) & OFFSETS
    const count = levels[levelAt + Level.ORDERS]! - 1
    orders[at + Order.LEVEL] = NONE
    levels[levelAt + Level.ORDERS] = count
    if (count === 0) {
      this.levels.remove(level)
      return
    }
    this.levelLots[level]! -= orders[at + Order.VISIBLE]!
    const next = orders[at + Order.NEXT]!
    const prev = orders[at + Order.PREV]!
    if (prev === NONE) levels[levelAt + Level.HEAD] = next
    else orders[(prev << ORDER_SHIFT) + Order.NEXT] = next
    if (next === NONE) levels[levelAt + Level.TAIL] = prev
    else orders[(next << ORDER_SHIFT) + Order.PREV] = prev
  }

  /** Lowers a standing order's visible lots; it keeps its place. Not to zero. */
  reduce(slot: number, lots: number): void {
    const orders = this.orders.words
    const at = (slot << ORDER_SHIFT) & OFFSETS
    orders[at + Order.VISIBLE]! -= lots
    this.levelLots[orders[at + Order.LEVEL]!]! -= lots
  }

  /** Shows the next part of an iceberg whose visible lots are spent: it goes to the end of its level. */
  refill(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const extra = (slot << EXTRA_SHIFT) & OFFSETS
    const level = words[at + Order.LEVEL]!
    const book = this.levels.words[(level << LEVEL_SHIFT) + Level.BOOK]!
    const shown = Math.min(extras[extra + Extra.DISPLAY]!, extras[extra]!)
    this.remove(slot)
    words[at + Order.VISIBLE] = shown
    extras[extra]! -= shown
    this.append(slot, book, words[at + Order.TICKS]!)
  }

  /** Splits `remaining` lots into the part that shows and the part that does not. */
  show(slot: number, remaining: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    if ((words[at + Order.ATTR]! & Mark.Iceberg) === 0) {
      words[at + Order.VISIBLE] = remaining
      return
    }
    const extra = (slot << EXTRA_SHIFT) & OFFSETS
    const shown = Math.min(extras[extra + Extra.DISPLAY]!, remaining)
    words[at + Order.VISIBLE] = shown
    extras[extra] = remaining - shown
  }

  /** First order of the best level of a book, or NONE. */
  first(book: number): number {
    const level = this.levels.best[book]!
    return level === NONE ? NONE : this.levels.words[(level << LEVEL_SHIFT) + Level.HEAD]!
  }

  /** Price of the best level of a book; 0 when the book is empty. */
  bestTicks(book: number): number {
    const level = this.levels.best[book]!
    return level === NONE ? 0 : this.levels.words[level << LEVEL_SHIFT]! ^ keyMask(book)
  }
}
