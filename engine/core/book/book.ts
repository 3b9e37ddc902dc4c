/**
 * The books: orders standing in price levels, first in first out. Knows lots and places, and nothing of
 * accounts or money.
 *
 * Invariant: a level's lots are the sum of the visible lots of its orders, and it has at least one order.
 * Called by match.ts (takes from the front) and trading.ts (rests, cancels, amends).
 */
import { Level, Levels } from './levels.js'
import { Extra, Mark, Order, type Orders } from './orders.js'
import * as orders from './orders.js'
import * as levels from './levels.js'
import * as offsets from '../base/offsets.js'

// Local copies, of functions too: optimised code folds them, but loads and checks an import at each use.
const { OFFSETS } = offsets
const { ORDER_SHIFT, EXTRA_SHIFT } = orders
const { LEVEL_SHIFT, NONE, keyMask } = levels
const { ORDERS: LEVEL_ORDERS, HEAD: LEVEL_HEAD, TAIL: LEVEL_TAIL, BOOK: LEVEL_BOOK } = Level
const {
  VISIBLE: ORDER_VISIBLE,
  LEVEL: ORDER_LEVEL,
  NEXT: ORDER_NEXT,
  PREV: ORDER_PREV,
  TICKS: ORDER_TICKS,
  ATTR: ORDER_ATTR,
} = Order
const { DISPLAY: EXTRA_DISPLAY } = Extra
const { Iceberg: MARK_ICEBERG } = Mark

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
    const visible = orders[at + ORDER_VISIBLE]!
    orders[at + ORDER_LEVEL] = level
    orders[at + ORDER_NEXT] = NONE
    const count = levels[levelAt + LEVEL_ORDERS]!
    if (count === 0) {
      levels[levelAt + LEVEL_HEAD] = slot
      orders[at + ORDER_PREV] = NONE
      this.levelLots[level] = visible
    } else {
      const tail = levels[levelAt + LEVEL_TAIL]!
      orders[(tail << ORDER_SHIFT) + ORDER_NEXT] = slot
      orders[at + ORDER_PREV] = tail
      this.levelLots[level]! += visible
    }
    levels[levelAt + LEVEL_TAIL] = slot
    levels[levelAt + LEVEL_ORDERS] = count + 1
  }

  /** Takes an order out of its level, and the level out of the book when it was the last one. */
  remove(slot: number): void {
    const levels = this.levelWords
    const orders = this.orderWords
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const level = orders[at + ORDER_LEVEL]!
    const levelAt = (level << LEVEL_SHIFT) & OFFSETS
    const count = levels[levelAt + LEVEL_ORDERS]! - 1
    orders[at + ORDER_LEVEL] = NONE
    levels[levelAt + LEVEL_ORDERS] = count
    if (count === 0) {
      this.levels.remove(level)
      return
    }
    this.levelLots[level]! -= orders[at + ORDER_VISIBLE]!
    const next = orders[at + ORDER_NEXT]!
    const prev = orders[at + ORDER_PREV]!
    if (prev === NONE) levels[levelAt + LEVEL_HEAD] = next
    else orders[(prev << ORDER_SHIFT) + ORDER_NEXT] = next
    if (next === NONE) levels[levelAt + LEVEL_TAIL] = prev
    else orders[(next << ORDER_SHIFT) + ORDER_PREV] = prev
  }

  /** Lowers a standing order's visible lots; it keeps its place. Not to zero. */
  reduce(slot: number, lots: number): void {
    const orders = this.orders.words
    const at = (slot << ORDER_SHIFT) & OFFSETS
    orders[at + ORDER_VISIBLE]! -= lots
    this.levelLots[orders[at + ORDER_LEVEL]!]! -= lots
  }

  /** Shows the next part of an iceberg whose visible lots are spent: it goes to the end of its level. */
  refill(slot: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const extra = (slot << EXTRA_SHIFT) & OFFSETS
    const level = words[at + ORDER_LEVEL]!
    const book = this.levels.words[(level << LEVEL_SHIFT) + LEVEL_BOOK]!
    const shown = Math.min(extras[extra + EXTRA_DISPLAY]!, extras[extra]!)
    this.remove(slot)
    words[at + ORDER_VISIBLE] = shown
    extras[extra]! -= shown
    this.append(slot, book, words[at + ORDER_TICKS]!)
  }

  /** Splits `remaining` lots into the part that shows and the part that does not. */
  show(slot: number, remaining: number): void {
    const { words, extras } = this.orders
    const at = (slot << ORDER_SHIFT) & OFFSETS
    if ((words[at + ORDER_ATTR]! & MARK_ICEBERG) === 0) {
      words[at + ORDER_VISIBLE] = remaining
      return
    }
    const extra = (slot << EXTRA_SHIFT) & OFFSETS
    const shown = Math.min(extras[extra + EXTRA_DISPLAY]!, remaining)
    words[at + ORDER_VISIBLE] = shown
    extras[extra] = remaining - shown
  }

  /** First order of the best level of a book, or NONE. */
  first(book: number): number {
    const level = this.levels.best[book]!
    return level === NONE ? NONE : this.levels.words[(level << LEVEL_SHIFT) + LEVEL_HEAD]!
  }

  /** Price of the best level of a book; 0 when the book is empty. */
  bestTicks(book: number): number {
    const level = this.levels.best[book]!
    return level === NONE ? 0 : this.levels.words[level << LEVEL_SHIFT]! ^ keyMask(book)
  }
}
