/**
 * The book alone, under the message language of the public matching-engine benchmark: new limit, new
 * immediate-or-cancel, cancel, modify; no accounts, no money, no events but the report stream. It drives
 * the very slab, levels, id table and matching loop of the core (engine/core); only what a fill means is
 * different here: one report.
 *
 *   message (5 int32)   operation (0 new, 1 new IOC, 2 cancel, 3 modify), order id, side, ticks, lots
 *   report  (6 int32)   type, seq, then by type
 *                       0 accepted: side, order id, ticks, lots     1 fill: ticks, lots, maker id, taker id
 *                       2 cancelled: side, order id, ticks          3 modified: side, order id, ticks, lots
 *                       4 cancel rejected: order id                 5 modify rejected: order id
 */
import { Book } from '../../engine/core/book/book.js'
import { NONE } from '../../engine/core/book/levels.js'
import { Matcher, type MatchSink, Settled } from '../../engine/core/book/match.js'
import { restingBook } from '../../engine/core/book/order-types.js'
import { OrderIds } from '../../engine/core/book/order-ids.js'
import { Order, Orders, ORDER_SHIFT } from '../../engine/core/book/orders.js'
import { Work } from '../../engine/core/base/work.js'
import { Attr } from '../../engine/layout.js'

const WORDS = 5
const REPORT_SIZE = 6
export const MESSAGE_WORDS = WORDS
export const REPORT_WORDS = REPORT_SIZE
export const Operation = { New: 0, NewImmediate: 1, Cancel: 2, Modify: 3 } as const
export const Report = {
  Accepted: 0,
  Fill: 1,
  Canceled: 2,
  Modified: 3,
  CancelRejected: 4,
  ModifyRejected: 5,
} as const
const BOOKS = 4
const MARKET = 0

export class BookOnly implements MatchSink {
  /** Reports in the order in which they happened; valid up to `reportCount`. */
  readonly reports: Int32Array
  reportCount = 0
  private readonly orders: Orders
  private readonly book: Book
  private readonly ids: OrderIds
  private readonly matcher: Matcher
  private readonly work = new Work(Number.MAX_SAFE_INTEGER)
  private seq = 0

  /** Room for `ordersMax` resting orders and `reportsMax` reports. */
  constructor(ordersMax: number, reportsMax: number) {
    this.orders = new Orders(ordersMax)
    this.book = new Book(this.orders, BOOKS, ordersMax)
    this.ids = new OrderIds(this.orders.words, ordersMax + 1)
    this.matcher = new Matcher(this.book, new Float64Array([1, 1]), this.work, this)
    this.reports = new Int32Array(reportsMax * REPORT_SIZE)
  }

  /** Orders that rest. */
  get live(): number {
    return this.orders.count
  }

  /** Applies messages [from, to); the index of a message is its seq. */
  run(messages: Int32Array, from: number, to: number): void {
    for (let index = from; index < to; index++) {
      const at = index * WORDS
      this.seq = index
      switch (messages[at]) {
        case Operation.New:
          this.place(messages[at + 1]!, messages[at + 2]!, messages[at + 3]!, messages[at + 4]!, false)
          break
        case Operation.NewImmediate:
          this.place(messages[at + 1]!, messages[at + 2]!, messages[at + 3]!, messages[at + 4]!, true)
          break
        case Operation.Cancel:
          this.cancel(messages[at + 1]!)
          break
        case Operation.Modify:
          this.modify(messages[at + 1]!, messages[at + 3]!, messages[at + 4]!)
          break
        default:
          throw new RangeError(`message ${index}: operation ${messages[at]}, 0 to 3 allowed`)
      }
    }
  }

  /** Empties the book and the report stream. */
  reset(): void {
    for (let book = 0; book < BOOKS; book++) {
      for (let slot = this.book.first(book); slot !== NONE; slot = this.book.first(book)) {
        this.book.remove(slot)
        this.ids.remove(slot)
        this.orders.release(slot)
      }
    }
    this.reportCount = 0
  }

  private place(id: number, side: number, ticks: number, lots: number, immediate: boolean): void {
    // The id of an order that rests cannot be taken again; the language has no report for that.
    if (this.ids.find(id, id, 0) >= 0) return
    const slot = this.orders.allocate()
    const { words } = this.orders
    const at = slot << ORDER_SHIFT
    words[at + Order.LEVEL] = NONE
    words[at + Order.VISIBLE] = lots
    // No two orders are of one account: nobody trades with himself.
    words[at + Order.ACCOUNT] = id
    words[at + Order.CLOID_LO] = id
    words[at + Order.CLOID_HI] = 0
    words[at + Order.ATTR] = side << Attr.SIDE_SHIFT
    words[at + Order.TICKS] = ticks
    words[at + Order.MARKET_CARRY] = MARKET
    this.report(Report.Accepted, side, id, ticks, lots)
    this.matcher.match(slot)
    if (words[at + Order.VISIBLE] === 0) this.orders.release(slot)
    else if (immediate) {
      this.report(Report.Canceled, side, id, ticks, 0)
      this.orders.release(slot)
    } else {
      this.ids.addMissed(slot)
      this.book.append(slot, restingBook(MARKET, side), ticks)
    }
  }

  private cancel(id: number): void {
    const slot = this.ids.find(id, id, 0)
    if (slot < 0) {
      this.report(Report.CancelRejected, id, 0, 0, 0)
      return
    }
    const { words } = this.orders
    const at = slot << ORDER_SHIFT
    this.report(Report.Canceled, words[at + Order.ATTR]! >>> Attr.SIDE_SHIFT, id, words[at + Order.TICKS]!, 0)
    this.book.remove(slot)
    this.ids.remove(slot)
    this.orders.release(slot)
  }

  /** Cancel and reinsert: a new price and size, its place lost, and it may match. */
  private modify(id: number, ticks: number, lots: number): void {
    const slot = this.ids.find(id, id, 0)
    if (slot < 0) {
      this.report(Report.ModifyRejected, id, 0, 0, 0)
      return
    }
    const { words } = this.orders
    const at = slot << ORDER_SHIFT
    const side = words[at + Order.ATTR]! >>> Attr.SIDE_SHIFT
    this.book.remove(slot)
    words[at + Order.TICKS] = ticks
    words[at + Order.VISIBLE] = lots
    this.matcher.match(slot)
    if (words[at + Order.VISIBLE] === 0) {
      this.ids.remove(slot)
      this.orders.release(slot)
    } else this.book.append(slot, restingBook(MARKET, side), ticks)
    this.report(Report.Modified, side, id, ticks, lots)
  }

  private report(type: number, a: number, b: number, c: number, d: number): void {
    const { reports } = this
    const at = this.reportCount++ * REPORT_SIZE
    reports[at] = type
    reports[at + 1] = this.seq
    reports[at + 2] = a
    reports[at + 3] = b
    reports[at + 4] = c
    reports[at + 5] = d
  }

  // ---- MatchSink

  fill(maker: number, taker: number, lots: number): number {
    const { words } = this.orders
    const at = maker << ORDER_SHIFT
    this.report(
      Report.Fill,
      words[at + Order.TICKS]!,
      lots,
      words[at + Order.CLOID_LO]!,
      words[(taker << ORDER_SHIFT) + Order.CLOID_LO]!,
    )
    return Settled.Done
  }

  makerFilled(maker: number): void {
    this.ids.remove(maker)
    this.orders.release(maker)
  }

  makerRefilled(): never {
    throw new Error('no icebergs here')
  }

  /** Orders neither expire nor are cancelled in groups here. */
  goneReason(): number {
    return 0
  }

  cancelMaker(): never {
    throw new Error('no accounts here, so no self-trade')
  }

  decrementMaker(): never {
    throw new Error('no accounts here, so no self-trade')
  }

  decrementTaker(): never {
    throw new Error('no accounts here, so no self-trade')
  }
}

/**
 * The report stream as the benchmark's oracle hashes it: a line a report, in the order of (seq, type),
 * which is the order in which they happened.
 */
export function* reportText(reports: Int32Array, count: number): Generator<string> {
  const CHUNK = 1 << 14
  for (let from = 0; from < count; from += CHUNK) {
    const lines: string[] = []
    for (let index = from; index < Math.min(count, from + CHUNK); index++) {
      const at = index * REPORT_WORDS
      const type = reports[at]!
      const fields = [4, 4, 3, 4, 1, 1][type]!
      lines.push(reports.subarray(at, at + 2 + fields).join(','))
    }
    yield (from === 0 ? '' : '\n') + lines.join('\n')
  }
}
