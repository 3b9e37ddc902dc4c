/**
 * Everything public about one market: L2 book (whole and by depth), L3 book, best bid and offer, trades,
 * ticker, candles, status. Fed event by event, published once per flush: what changed since then is one
 * event of each stream that has it.
 */
import type { Side } from '../../engine/codes.js'
import { EventKind, MarketStatus } from '../../engine/codes.js'
import {
  Ev,
  FillEv,
  LevelEv,
  MarketFeesChangedEv,
  MarketStatusChangedEv,
  PriceBandChangedEv,
  kindOf,
} from '../../engine/layout.js'
import type { MarketConfig } from '../../engine/types.js'
import { bookChecksum } from '../../sdk/wire/checksum.js'
import {
  BOOK_DEPTHS,
  type BookData,
  type CandleInterval,
  type LevelEntry,
  StreamName,
  type TradeEntry,
} from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { BookView } from '../views/book-view.js'
import { type Candle, INTERVALS } from '../history/candles.js'
import type { Connection } from '../connections/connection.js'
import { SNAPSHOT_CANDLES, SNAPSHOT_TRADES } from '../limits.js'
import { DepthAnswers } from './depth-answers.js'
import { takerSideAt } from '../history/fill-store.js'
import type { MarketHistory } from '../history/market-history.js'
import type { EventMemory } from './kept-events.js'
import { L3View } from './l3-view.js'
import type { LiveOrders } from '../views/live-orders.js'
import { OrderCapture } from '../views/order-capture.js'
import { bookPages, orderPages } from './page-sources.js'
import type { PageSource } from './paged-snapshot.js'
import { type SnapshotData, Stream } from './stream.js'

export interface MarketDataOptions {
  readonly config: MarketConfig
  /** Its candles and trades, which already have what an event tells when `add` is called with it. */
  readonly history: () => MarketHistory
  readonly epoch: number
  /** State that the first view is of. */
  readonly seq: number
  readonly eventsKept: number
  readonly eventBytesKept: number
  readonly memory: EventMemory
  readonly conflateBytes: number
  readonly orders: LiveOrders
  /** What streams are followed by whose events differ from one gateway to the next: a position is this one's only. */
  readonly ownEpoch: number
  /** Starts a connection on a stream that is told in pages. */
  readonly beginPaged: (connection: Connection, stream: Stream) => void
}

/** A depth stream: the best levels as its subscribers last saw them. */
interface DepthStream {
  readonly depth: number
  readonly stream: Stream
  shown: BookData
}

export class MarketData {
  readonly book: BookView
  readonly depthAnswers: DepthAnswers
  readonly #l3View: L3View
  readonly #options: MarketDataOptions
  readonly #streams = new Map<string, Stream>()
  readonly #book: Stream
  readonly #l3: Stream
  readonly #bbo: Stream
  readonly #trades: Stream
  readonly #ticker: Stream
  readonly #status: Stream
  readonly #candles = new Map<CandleInterval, Stream>()
  readonly #depths: DepthStream[] = []
  #newTrades: TradeEntry[] = []
  #bboShown = ''
  #tickerDirty = false
  #lastTicks = 0
  #lastSeq: number
  #timeMs = 0
  /** Time of the last trade or change of the best prices: what the ticker tells the state of. */
  #tickerMs = 0
  #config: MarketConfig
  /** Bits of CancelOnlyReason. */
  #cancelOnlyReasons = 0

  constructor(options: MarketDataOptions) {
    const { config, seq } = options
    this.#options = options
    this.#lastSeq = seq
    this.#config = config
    this.book = new BookView(config.id)
    this.depthAnswers = new DepthAnswers(this.book)
    this.book.lastSeq = seq
    this.#l3View = new L3View(options.orders)
    this.#book = this.#stream(StreamName.Book, '', NOT_WHOLE, {
      pages: () => bookPages(this.book.top(Number.MAX_SAFE_INTEGER), this.book.checksum()),
    })
    this.#l3 = this.#stream(StreamName.BookL3, '', NOT_WHOLE, {
      ownEpoch: true,
      pages: () => {
        const { orders, config: market } = this.#options
        return orderPages(new OrderCapture(orders, 'market', market.id))
      },
    })
    this.#bbo = this.#stream(StreamName.Bbo, '', () => ({ data: this.bbo() }))
    this.#trades = this.#stream(
      StreamName.Trades,
      '',
      () => ({ data: this.#history.trades(SNAPSHOT_TRADES) }),
      { conflate: false, entriesHaveSeq: true },
    )
    this.#ticker = this.#stream(StreamName.Ticker, '', () => ({ data: this.ticker() }))
    this.#status = this.#stream(StreamName.Status, '', () => ({ data: this.status() }))
    for (const interval of INTERVALS) {
      this.#candles.set(
        interval,
        this.#stream(StreamName.Candles, `:${interval}`, () => ({
          data: this.#history.candles.latest(interval, SNAPSHOT_CANDLES).map((candle) => [...candle]),
        })),
      )
    }
  }

  #stream(
    kind: string,
    suffix: string,
    snapshot: () => SnapshotData,
    {
      conflate = true,
      entriesHaveSeq = false,
      ownEpoch = false,
      pages,
    }: {
      readonly conflate?: boolean
      readonly entriesHaveSeq?: boolean
      readonly ownEpoch?: boolean
      readonly pages?: () => PageSource
    } = {},
  ): Stream {
    const { config, epoch, eventsKept, eventBytesKept, memory, conflateBytes, beginPaged } = this.#options
    const name = `${kind}:${config.id}${suffix}`
    const stream = new Stream({
      name,
      epoch: ownEpoch ? this.#options.ownEpoch : epoch,
      lastSeq: this.#lastSeq,
      keep: eventsKept,
      keepBytes: eventBytesKept,
      memory,
      entriesHaveSeq,
      public: { conflateBytes, snapshot, conflate },
      ...(pages === undefined ? {} : { paged: { source: pages, begin: beginPaged } }),
    })
    this.#streams.set(name, stream)
    return stream
  }

  /** The market as it is now: status, fees and band change. */
  get config(): MarketConfig {
    return this.#config
  }

  /** Takes over the market as the engine tells it. */
  setConfig(config: MarketConfig): void {
    this.#config = config
  }

  /** The stream of a name, and how it starts; undefined when this market has no such stream. */
  stream(name: string): Stream | undefined {
    const known = this.#streams.get(name)
    if (known !== undefined) return known
    const depth = BOOK_DEPTHS.find(
      (candidate) => name === `${StreamName.Book}:${this.config.id}:${candidate}`,
    )
    if (depth === undefined) return undefined
    const view = { depth, shown: this.book.top(depth) }
    // Which levels came and went between two events is this thread's own.
    const stream = this.#stream(
      StreamName.Book,
      `:${depth}`,
      () => ({ data: view.shown, checksum: bookChecksum(...view.shown) }),
      { ownEpoch: true },
    )
    this.#depths.push(Object.assign(view, { stream }))
    return stream
  }

  /** Takes over the price of the last trade, as the engine told it. */
  loadLastTicks(lastTicks: number): void {
    this.#lastTicks = lastTicks
  }

  /** All live orders are known: the book at `seq` is what they show. */
  loadBook(seq: number): void {
    this.book.clear()
    this.#options.orders.resting(this.config.id, (side, ticks, visible) =>
      this.book.add(side as Side, ticks, visible, seq),
    )
    this.book.takeChanges()
  }

  /** Makes the L3 stream tell what changes from now on; its stream begins here. */
  followL3(): void {
    if (this.#l3View.follows) return
    this.#l3View.follow(true)
    this.#l3.restart(this.#lastSeq)
  }

  /** Stops what costs something and that nobody has followed for `idleMs`. */
  sweep(now: number, idleMs: number): void {
    if (this.#l3View.follows && this.#l3.idleMs(now) > idleMs) this.#l3View.follow(false)
  }

  /** A live order is about to change. */
  orderChanges(orderId: number): void {
    this.#l3View.changes(orderId)
  }

  get #history(): MarketHistory {
    return this.#options.history()
  }

  /** One event of this market; `fillIndex` is a Fill's index within its command. */
  add(words: Int32Array, floats: Float64Array, word: number, timeMs: number, fillIndex: number): void {
    const float = word >> 1
    const kind = kindOf(words[word + Ev.KIND]!)
    const seq = floats[float + Ev.SEQ_F64]!
    this.#lastSeq = seq
    this.#timeMs = timeMs
    switch (kind) {
      case EventKind.Level:
        this.book.set(
          ((words[word + Ev.KIND]! >> LevelEv.SIDE_SHIFT) & 1) as Side,
          words[word + LevelEv.TICKS]!,
          floats[float + LevelEv.LOTS_F64]!,
          floats[float + LevelEv.ORDERS_F64]!,
          seq,
        )
        break
      case EventKind.Fill: {
        const ticks = words[word + FillEv.TICKS]!
        const lots = words[word + FillEv.LOTS]!
        const trade: TradeEntry = [seq, fillIndex, ticks, lots, takerSideAt(words, word), timeMs]
        this.#newTrades.push(trade)
        this.#lastTicks = ticks
        this.#tickerDirty = true
        this.#tickerMs = timeMs
        break
      }
      case EventKind.MarketStatusChanged:
        this.#change(seq, { status: words[word + MarketStatusChangedEv.STATUS]! as MarketStatus })
        break
      case EventKind.PriceBandChanged:
        this.#change(seq, { bandPpm: words[word + PriceBandChangedEv.BAND_PPM]! })
        break
      case EventKind.MarketFeesChanged:
        // Those of a tier are its accounts' own business.
        if (words[word + MarketFeesChangedEv.TIER] !== 0) break
        this.#change(seq, {
          makerFeePpm: words[word + MarketFeesChangedEv.MAKER_FEE_PPM]!,
          takerFeePpm: words[word + MarketFeesChangedEv.TAKER_FEE_PPM]!,
        })
        break
      default:
        break
    }
  }

  /** The whole exchange takes cancels only for these reasons, 0 = no longer. */
  exchangeChanged(seq: number, reasons: number): void {
    this.#cancelOnlyReasons = reasons
    this.#status.publish(seq, this.status())
  }

  /** The same, as it was before anybody was told of it. */
  loadExchange(reasons: number): void {
    this.#cancelOnlyReasons = reasons
  }

  #change(seq: number, change: Partial<MarketConfig>): void {
    this.#config = { ...this.#config, ...change }
    this.#status.publish(seq, this.status())
  }

  /** Sends what changed since the last call. */
  publish(): void {
    const seq = this.#lastSeq
    if (this.#newTrades.length > 0) {
      this.#trades.publish(this.#newTrades.at(-1)![0], this.#newTrades)
      this.#newTrades = []
    }
    const changes = this.book.takeChanges()
    if (changes !== undefined) {
      this.#book.publish(seq, changes, this.book.checksum())
      for (const view of this.#depths) this.#publishDepth(view, seq)
      const bbo = this.bbo()
      const shown = JSON.stringify(bbo)
      if (shown !== this.#bboShown) {
        this.#bboShown = shown
        this.#tickerDirty = true
        this.#tickerMs = this.#timeMs
        this.#bbo.publish(seq, bbo)
      }
    }
    const orders = this.#l3View.takeChanges()
    if (orders.length > 0) this.#l3.publish(seq, orders)
    for (const [interval, candles] of this.#history.candles.takeChanges()) {
      this.#candles.get(interval)!.publish(
        seq,
        candles.map((candle) => [...candle]),
      )
    }
    // Its day's figures cost something: they are only made while somebody follows.
    if (this.#tickerDirty && this.#ticker.subscriberCount > 0) {
      this.#tickerDirty = false
      this.#ticker.publish(seq, this.ticker())
    }
  }

  #publishDepth(view: DepthStream, seq: number): void {
    const now = this.book.top(view.depth)
    const changes: BookData = [levelChanges(view.shown[0], now[0]), levelChanges(view.shown[1], now[1])]
    if (changes[0].length === 0 && changes[1].length === 0) return
    view.shown = now
    view.stream.publish(seq, changes, bookChecksum(...now))
  }

  streams(): Iterable<Stream> {
    return this.#streams.values()
  }

  // ---- answers

  trades(limit: number): TradeEntry[] {
    return this.#history.trades(limit)
  }

  /** [best bid or null, best ask or null], each [ticks, lots, orders]. */
  bbo(): WireValue {
    const [[bid = null], [ask = null]] = this.book.top(1)
    return [bid, ask]
  }

  ticker(): WireValue {
    const [[bid = null], [ask = null]] = this.book.top(1)
    // While its history is made anew, a market may learn of its last trade late.
    const timeMs = Math.max(this.#tickerMs, this.#history.trades(1)[0]?.[5] ?? 0)
    const day = this.#history.candles.day(timeMs)
    return { market: this.config.id, lastTicks: this.#lastTicks, bid, ask, timeMs, ...day }
  }

  /** What the market is, with the status that holds: its own, or cancel-only while the whole exchange is. */
  told(): MarketConfig & { readonly cancelOnlyReasons: number } {
    const { status = MarketStatus.Active } = this.#config
    const cancelOnlyReasons = this.#cancelOnlyReasons
    const isBarred = status === MarketStatus.Active && cancelOnlyReasons !== 0
    return { ...this.#config, status: isBarred ? MarketStatus.CancelOnly : status, cancelOnlyReasons }
  }

  status(): WireValue {
    const { id, makerFeePpm, takerFeePpm, bandPpm = 0 } = this.#config
    const { status, cancelOnlyReasons } = this.told()
    return { market: id, status, cancelOnlyReasons, makerFeePpm, takerFeePpm, bandPpm }
  }

  history(interval: CandleInterval, limit: number): Candle[] {
    return this.#history.candles.latest(interval, limit)
  }
}

/** Of a stream that is told in pages. */
const NOT_WHOLE = (): SnapshotData => {
  throw new Error('this stream has no snapshot in one message')
}

/** Levels of `now` that differ from `before`, and zero lots for those that left the view. */
function levelChanges(before: readonly LevelEntry[], now: readonly LevelEntry[]): LevelEntry[] {
  const old = new Map(before.map((level) => [level[0], level]))
  const changes: LevelEntry[] = []
  for (const level of now) {
    const was = old.get(level[0])
    if (was === undefined || was[1] !== level[1] || was[2] !== level[2]) changes.push(level)
    old.delete(level[0])
  }
  for (const ticks of old.keys()) changes.push([ticks, 0, 0])
  return changes
}
