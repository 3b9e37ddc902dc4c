/**
 * The order slab: every live order of every market, one slot each, fields side by side so that an order
 * is one cache line. What only some kinds of order need (iceberg, good-till-date, stop, quote budget)
 * stands in a second table under the same slot and is touched only when ATTR says so.
 *
 *   words (16)    0 next   1 prev   2 level   3 visible lots   4 account   5,6 client order id
 *                 7 total lots   8 attributes   9,10 account's list   11,12 ledger rows (base, quote)
 *                 13 limit ticks   14 market | carry << 10   15 fee bound in ppm
 *   numbers (2)   0 reserved units   1 order id (seq of its placement)
 *   extras (6)    0 hidden lots   1 display lots   2 trigger ticks   3 place in the expiry heap
 *   extraNumbers  0 expires at, ms   1 quote budget or cap left
 *
 * Slots carry no meaning: they are reused last in, first out, and never leave the engine.
 */
import { ATTRIBUTES_MASK } from '../../layout.js'
import { MARKETS_MAX } from '../../limits.js'
import { linesOf, OFFSETS } from '../base/offsets.js'

// Optimised code folds a local constant, but loads and checks an exported one at each use: so each of the two shifts has
// a name in this file, and one for others.
const SHIFT = 4
const EXTRAS_SHIFT = 2
/** An order's record: `words` at slot << ORDER_SHIFT, `extras` at slot << EXTRA_SHIFT. */
export const ORDER_SHIFT = SHIFT
export const EXTRA_SHIFT = EXTRAS_SHIFT
export const Order = {
  NEXT: 0,
  PREV: 1,
  /** Level it stands in; -1 while it is matched or waits to be placed. */
  LEVEL: 2,
  /** Lots that others see and that a match can take; while it is the taker, all it still wants. */
  VISIBLE: 3,
  ACCOUNT: 4,
  CLOID_LO: 5,
  CLOID_HI: 6,
  /** Total size, filled part included. */
  LOTS: 7,
  ATTR: 8,
  /** Positions of the neighbours in the account's list (account-orders.ts). */
  ACCOUNT_NEXT: 9,
  ACCOUNT_PREV: 10,
  BASE_ROW: 11,
  QUOTE_ROW: 12,
  TICKS: 13,
  /**
   * Market in the low MARKET_BITS; above them the order's carry: millionths of a quote unit, 0 to 999,999, that
   * it was charged too much so far (fees.ts).
   */
  MARKET_CARRY: 14,
  /** Highest fee rate that its reserve pays for; a later, higher rate does not bind it. */
  FEE_PPM: 15,
} as const
const MARKET_BITS = 10
export const MARKET_MASK = (1 << MARKET_BITS) - 1
export const CARRY_SHIFT = MARKET_BITS
/** Exclusive bound of a carry: a whole unit. */
export const CARRY_END = 1_000_000
if (MARKETS_MAX > 1 << MARKET_BITS || CARRY_END > 2 ** (31 - MARKET_BITS))
  throw new Error('orders: a market id and a carry do not fit one word')
export const OrderNumber = { RESERVED: 0, ID: 1 } as const

export const Extra = { HIDDEN: 0, DISPLAY: 1, TRIGGER: 2, HEAP: 3 } as const
export const ExtraNumber = { EXPIRES_AT: 0, BUDGET: 1 } as const

/**
 * Attributes of an order: as in a command's word 0 (side, type, time in force, post-only,
 * self-trade prevention), and marks of the engine's own.
 */
export const ORDER_ATTR_MASK = ATTRIBUTES_MASK
export const Mark = {
  /** Shows only part of itself. */
  Iceberg: 1 << 24,
  /** Waits for its trigger. */
  Waiting: 1 << 25,
  /** Bounded by a quote budget. */
  Budget: 1 << 26,
  /** Has an expiry, and stands in the expiry heap. */
  Expires: 1 << 27,
  /** Bounded by a cap: what its session lets one order execute. Never together with a budget. */
  Cap: 1 << 28,
  /** Just placed: in no list, id table or heap yet; whoever lets it rest or wait enlists it. */
  Fresh: 1 << 29,
} as const

export class Orders {
  readonly words: Int32Array
  readonly numbers: Float64Array
  readonly extras: Int32Array
  readonly extraNumbers: Float64Array
  /** Most orders that may live; one slot more serves an order that never rests. */
  readonly capacity: number
  count = 0
  /** Free slots below `used`, last freed on top: apart from the records, so that taking one touches none. */
  private readonly free: Int32Array
  private freeCount = 0
  private used = 0

  /** `words`: where the records are to stand, all zero; by default a table of their own. */
  constructor(capacity: number, words = linesOf((capacity + 1) << SHIFT)) {
    this.capacity = capacity
    this.words = words
    this.numbers = new Float64Array((capacity + 1) * 2)
    this.free = new Int32Array(capacity + 1)
    this.extras = new Int32Array((capacity + 1) << EXTRAS_SHIFT)
    this.extraNumbers = new Float64Array((capacity + 1) * 2)
  }

  /** A slot whose fields the caller fills. The caller has checked `count` against `capacity`. */
  allocate(): number {
    this.count++
    return this.freeCount > 0 ? this.free[--this.freeCount]! : this.used++
  }

  release(slot: number): void {
    this.free[this.freeCount++] = slot
    this.count--
  }

  /** Slots at or above it were never used. */
  get end(): number {
    return this.used
  }

  /** Unfilled lots, hidden ones included. */
  remaining(slot: number): number {
    const at = (slot << SHIFT) & OFFSETS
    const visible = this.words[at + Order.VISIBLE]!
    if ((this.words[at + Order.ATTR]! & Mark.Iceberg) === 0) return visible
    return visible + this.extras[slot << EXTRAS_SHIFT]!
  }
}
