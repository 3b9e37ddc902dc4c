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
import * as commands from '../../engine/commands.js'
import {
  Attr,
  AcceptedEv,
  AmendedEv,
  COMMAND_WORDS,
  EVENT_WORDS,
  Ev,
  FillEv,
  OrderEv,
  kindOf,
} from '../../engine/layout.js'
import { createEngine } from '../../engine/index.js'
import type { Engine, EngineOptions, EventBuffer, EventSink } from '../../engine/types.js'

export type MixName = 'exchange' | 'moves'
export const MIXES: readonly MixName[] = ['exchange', 'moves']

export const ACCOUNTS = 1000
const SIDE_ORDERS = 1000
const MID_TICKS = 20_000
const USD = 0
const BTC = 1

export interface Workload {
  readonly name: MixName
  readonly seed: number
  /** Command records; the first `setUp` of them are the set-up. */
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly setUp: number
  readonly count: number
}

/** Engine that a workload is for; fees, rebates and reserves all in. */
export function workloadOptions(onEvents: EventSink): EngineOptions {
  return {
    genesis: {
      assets: [
        { id: USD, symbol: 'USD' },
        { id: BTC, symbol: 'BTC' },
      ],
      markets: [
        { id: 0, base: BTC, quote: USD, lotUnits: 10, tickUnits: 1, makerFeePpm: -100, takerFeePpm: 500 },
      ],
    },
    onEvents,
  }
}

/** xorshift32: small, seeded, the same everywhere. */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed | 0 || 1
  }

  next(): number {
    let x = this.state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.state = x
    return x >>> 0
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return this.next() % count
  }

  /** Small numbers often, `mean` on average. */
  exponential(mean: number): number {
    return Math.floor(-Math.log((this.next() + 1) / 2 ** 32) * mean)
  }
}

interface Live {
  readonly account: number
  readonly cloid: number
  readonly side: Side
  ticks: number
  lots: number
  index: number
}

/** What is alive, kept from the engine's events. */
class LiveOrders {
  readonly sides: [Live[], Live[]] = [[], []]
  private readonly byId = new Map<number, Live>()

  take({ words, floats, count }: EventBuffer): void {
    for (let event = 0; event < count; event++) {
      const at = event * EVENT_WORDS
      // A Fill's maker stands where the order of an order's own event does.
      const id = floats[at / 2 + OrderEv.ORDER_ID_F64]!
      switch (kindOf(words[at]!)) {
        case EventKind.Accepted:
          this.add(id, words, at)
          break
        case EventKind.Amended:
          this.change(id, words[at + AmendedEv.TICKS]!, words[at + AmendedEv.LOTS]!)
          break
        case EventKind.Canceled:
          this.remove(id)
          break
        case EventKind.Fill:
          if (words[at + FillEv.MAKER_REMAINING] === 0) this.remove(id)
          if (words[at + FillEv.TAKER_REMAINING] === 0)
            this.remove(floats[at / 2 + FillEv.TAKER_ORDER_ID_F64]!)
          break
        default:
          break
      }
    }
  }

  private add(id: number, words: Int32Array, at: number): void {
    const side = ((words[at]! >> Attr.SIDE_SHIFT) & 1) as Side
    const list = this.sides[side]
    const order = {
      account: words[at + AcceptedEv.ACCOUNT]!,
      cloid: words[at + AcceptedEv.CLOID_LO]!,
      side,
      ticks: words[at + AcceptedEv.TICKS]!,
      lots: words[at + AcceptedEv.LOTS]!,
      index: list.length,
    }
    list.push(order)
    this.byId.set(id, order)
  }

  private change(id: number, ticks: number, lots: number): void {
    const order = this.byId.get(id)
    if (order === undefined) return
    order.ticks = ticks
    order.lots = lots
  }

  private remove(id: number): void {
    const order = this.byId.get(id)
    if (order === undefined) return
    this.byId.delete(id)
    const list = this.sides[order.side]
    const last = list.pop()!
    if (last === order) return
    list[order.index] = last
    last.index = order.index
  }
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
  private readonly floats: Float64Array
  private readonly random: Random
  private readonly live = new LiveOrders()
  private readonly engine: Engine
  private at = 0
  private cloid = 0
  private mid = MID_TICKS

  constructor(
    private readonly words: Int32Array,
    seed: number,
  ) {
    this.floats = new Float64Array(words.buffer as ArrayBuffer)
    this.random = new Random(seed)
    this.engine = createEngine(workloadOptions((events) => this.live.take(events)))
  }

  setUp(): void {
    for (let account = 1; account <= ACCOUNTS; account++) {
      commands.writeDeposit(this.words, this.floats, this.at, account, USD, 1e12)
      this.apply()
      commands.writeDeposit(this.words, this.floats, this.at, account, BTC, 1e12)
      this.apply()
    }
    for (let order = 0; order < 2 * SIDE_ORDERS; order++) this.passive((order & 1) as Side)
  }

  /** Writes from the first word on again. */
  rewind(): void {
    this.at = 0
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

  private apply(): void {
    this.engine.apply(this.words, this.floats, this.at)
    this.engine.flush()
    this.at += COMMAND_WORDS
  }

  private account = (): number => 1 + this.random.below(ACCOUNTS)
  private lots = (): number => 1 + this.random.below(100)

  /** Size of an order that trades: larger while the book is fuller than it should be. */
  private takerLots(small: number, large: number): number {
    const [bids, asks] = this.live.sides
    return 1 + this.random.below(bids.length + asks.length > 2 * SIDE_ORDERS ? large : small)
  }

  private thinnerSide(): Side {
    const [bids, asks] = this.live.sides
    return bids.length <= asks.length ? Side.Buy : Side.Sell
  }

  /** A price `reach` ticks beyond the best of the other side: one that trades. */
  private touch(side: number, reach: number): number {
    const best = this.engine.book(0, (1 - side) as Side, 1)[0]?.ticks ?? this.mid
    return side === Side.Buy ? best + reach : Math.max(1, best - reach)
  }

  private place(side: number, ticks: number, lots: number, options: commands.PlaceOptions): void {
    this.cloid++
    commands.writePlace(
      this.words,
      this.floats,
      this.at,
      this.account(),
      0,
      side as Side,
      ticks,
      lots,
      this.cloid,
      0,
      options,
    )
    this.apply()
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

  private any(): Live | undefined {
    const [bids, asks] = this.live.sides
    // The fuller side, so that both stay of one size.
    const list = bids.length > asks.length ? bids : asks
    return list[this.random.below(Math.max(1, list.length))]
  }

  private cancel(): void {
    const order = this.any()
    if (order === undefined) return this.passive(Side.Buy)
    commands.writeCancel(this.words, this.floats, this.at, order.account, 0, order.cloid)
    this.apply()
  }

  /** Half of them smaller in their place, half at another price. */
  private amend(): void {
    const order = this.any()
    if (order === undefined) return this.passive(Side.Buy)
    const smaller = this.random.below(2) === 0
    const ticks = smaller ? order.ticks : this.passivePrice(order.side)
    const lots = smaller ? Math.max(1, order.lots - 1) : order.lots
    commands.writeAmend(this.words, this.floats, this.at, order.account, 0, ticks, lots, order.cloid)
    this.apply()
  }

  private move(): void {
    const order = this.any()
    if (order === undefined) return this.passive(Side.Buy)
    const ticks = this.passivePrice(order.side)
    commands.writeAmend(this.words, this.floats, this.at, order.account, 0, ticks, order.lots, order.cloid)
    this.apply()
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
  return { ...counts, bids: live.sides[0].length, asks: live.sides[1].length }
}
