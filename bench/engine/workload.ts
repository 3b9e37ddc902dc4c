/**
 * Seeded command streams for the benchmarks of the whole core: first a set-up (deposits, a standing book),
 * then the mix. A stream is made by running an engine along with it, so that cancels, amends and moves
 * name orders that are alive and the book keeps its size; the same seed gives the same stream.
 *
 *   exchange   1,000 accounts: 57 % limit, 30 % cancel, 8 % amend, 5 % immediate-or-cancel and market;
 *              about 1,000 orders a side; a fifth of the commands trade
 *   moves      the mix of exchange-core's tests: 10 % limit, 3 % immediate-or-cancel, 5 % cancel,
 *              82 % move (amend to another price)
 */
import { EventKind, OrderType, Side, TimeInForce } from '../../engine/codes.js'
import type * as commands from '../../engine/commands.js'
import { createEngine } from '../../engine/index.js'
import { COMMAND_WORDS, EVENT_WORDS, Ev, kindOf } from '../../engine/layout.js'
import {
  BTC,
  type LiveOrder,
  LiveOrders,
  LiveStream,
  MID_TICKS,
  Random,
  USD,
  workloadOptions,
} from './live-stream.js'

export type MixName = 'exchange' | 'moves'
export const MIXES: readonly MixName[] = ['exchange', 'moves']

export const ACCOUNTS = 1000
const SIDE_ORDERS = 1000

export interface Workload {
  readonly name: MixName
  readonly seed: number
  /** Command records; the first `setUp` of them are the set-up. */
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly setUp: number
  readonly count: number
}

/**
 * An endless stream of a mix in pieces: `words` holds the set-up first, then, after each call of the
 * returned function, the next `count` commands from word 0 on.
 */
export function streamInPieces(
  name: MixName,
  count: number,
  seed: number,
): {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly setUp: number
  readonly next: () => void
} {
  const setUp = 2 * ACCOUNTS + 2 * SIDE_ORDERS
  const words = new Int32Array(Math.max(setUp, count) * COMMAND_WORDS)
  const maker = new StreamMaker(words, seed)
  maker.setUp()
  const next = (): void => {
    maker.rewind()
    for (let index = 0; index < count; index++) {
      if (name === 'exchange') maker.exchangeCommand()
      else maker.movesCommand()
    }
  }
  return { words, floats: new Float64Array(words.buffer), setUp, next }
}

/** The stream of a mix: `count` commands after its set-up. */
export function makeWorkload(name: MixName, count: number, seed: number): Workload {
  const setUp = 2 * ACCOUNTS + 2 * SIDE_ORDERS
  const words = new Int32Array((setUp + count) * COMMAND_WORDS)
  const maker = new StreamMaker(words, seed)
  maker.setUp()
  for (let index = 0; index < count; index++) {
    if (name === 'exchange') maker.exchangeCommand()
    else maker.movesCommand()
  }
  return { name, seed, words, floats: new Float64Array(words.buffer), setUp, count }
}

class StreamMaker {
  private readonly random: Random
  private readonly live = new LiveOrders()
  private readonly stream: LiveStream
  private cloid = 0
  private mid = MID_TICKS

  constructor(words: Int32Array, seed: number) {
    this.random = new Random(seed)
    this.stream = new LiveStream(words, 1, this.live)
  }

  setUp(): void {
    for (let account = 1; account <= ACCOUNTS; account++)
      for (const asset of [USD, BTC]) this.stream.deposit(account, asset, 1e12)
    for (let order = 0; order < 2 * SIDE_ORDERS; order++) this.passive((order & 1) as Side)
  }

  /** Writes from the first word on again. */
  rewind(): void {
    this.stream.rewind()
  }

  exchangeCommand(): void {
    const kind = this.random.below(100)
    if (this.random.below(64) === 0) this.mid += this.random.below(2) === 0 ? 1 : -1
    if (kind < 57) {
      const side = this.thinnerSide()
      // Marketable ones and what immediate orders take make a fifth of all commands trade.
      if (this.random.below(57) < 16)
        this.place(1 - side, this.touch(1 - side, 3), this.takerLots(30, 150), {})
      else this.passive(side)
    } else if (kind < 87) this.cancel()
    else if (kind < 95) this.amend()
    else this.immediate(this.takerLots(30, 150))
  }

  movesCommand(): void {
    const kind = this.random.below(100)
    if (kind < 10) this.passive(this.thinnerSide())
    else if (kind < 13) this.immediate(this.takerLots(50, 400))
    else if (kind < 18) this.cancel()
    else this.move()
  }

  private account = (): number => 1 + this.random.below(ACCOUNTS)
  private lots = (): number => 1 + this.random.below(100)

  /** Size of an order that trades: larger while the book is fuller than it should be. */
  private takerLots(small: number, large: number): number {
    const { bids, asks } = this.live
    return 1 + this.random.below(bids.length + asks.length > 2 * SIDE_ORDERS ? large : small)
  }

  private thinnerSide(): Side {
    const { bids, asks } = this.live
    return bids.length <= asks.length ? Side.Buy : Side.Sell
  }

  /** A price `reach` ticks beyond the best of the other side: one that trades. */
  private touch(side: number, reach: number): number {
    const best = this.stream.engine.book(0, (1 - side) as Side, 1)[0]?.ticks ?? this.mid
    return side === Side.Buy ? best + reach : Math.max(1, best - reach)
  }

  private place(side: number, ticks: number, lots: number, options: commands.PlaceOptions): void {
    const cloid = ++this.cloid
    const order = { account: this.account(), market: 0, side: side as Side, ticks, lots, cloid }
    this.stream.place(order, options)
  }

  private passivePrice(side: number): number {
    const away = 1 + this.random.exponential(60)
    return side === Side.Buy ? Math.max(1, this.mid - away) : this.mid + away
  }

  private passive(side: number): void {
    this.place(side, this.passivePrice(side), this.lots(), {})
  }

  private immediate(lots: number): void {
    const side = this.random.below(2)
    const options =
      this.random.below(2) === 0
        ? { timeInForce: TimeInForce.IOC }
        : { type: OrderType.Market, timeInForce: TimeInForce.IOC }
    this.place(side, this.touch(side, 9), lots, options)
  }

  private any(): LiveOrder | undefined {
    const { bids, asks } = this.live
    // The fuller side, so that both stay of one size.
    const list = bids.length > asks.length ? bids : asks
    return list[this.random.below(Math.max(1, list.length))]
  }

  private cancel(): void {
    const order = this.any()
    if (order === undefined) return this.passive(Side.Buy)
    this.stream.cancel(order)
  }

  /** Half of them smaller in their place, half at another price. */
  private amend(): void {
    const order = this.any()
    if (order === undefined) return this.passive(Side.Buy)
    const smaller = this.random.below(2) === 0
    const ticks = smaller ? order.ticks : this.passivePrice(order.side)
    const lots = smaller ? Math.max(1, order.lots - 1) : order.lots
    this.stream.amend(order, ticks, lots)
  }

  private move(): void {
    const order = this.any()
    if (order === undefined) return this.passive(Side.Buy)
    this.stream.amend(order, this.passivePrice(order.side), order.lots)
  }
}

/** What a stream's commands came to, counted by running it once. */
export interface Census {
  readonly rejected: number
  readonly trading: number
  readonly fills: number
  readonly bids: number
  readonly asks: number
}

export function census({ words, floats, setUp, count }: Workload): Census {
  const counts = { rejected: 0, trading: 0, fills: 0 }
  const live = new LiveOrders()
  let lastTrade = -1
  let counting = false
  const engine = createEngine(
    workloadOptions((events) => {
      live.take(events)
      if (!counting) return
      for (let event = 0; event < events.count; event++) {
        const kind = kindOf(events.words[event * EVENT_WORDS]!)
        if (kind === EventKind.Rejected) counts.rejected++
        if (kind !== EventKind.Fill) continue
        counts.fills++
        const seq = events.floats[(event * EVENT_WORDS) / 2 + Ev.SEQ_F64]!
        if (seq !== lastTrade) counts.trading++
        lastTrade = seq
      }
    }),
  )
  for (let index = 0; index < setUp + count; index++) {
    if (index === setUp) {
      engine.flush()
      counting = true
    }
    engine.apply(words, floats, index * COMMAND_WORDS)
  }
  engine.flush()
  return { ...counts, bids: live.bids.length, asks: live.asks.length }
}
