/**
 * A stream of commands that an engine applies as it is made, so that cancels and amends name orders that are alive.
 * What is drawn is a workload's (workload.ts, state-workload.ts).
 */
import { EventKind, Side } from '../../engine/codes.js'
import * as commands from '../../engine/commands.js'
import { createEngine } from '../../engine/index.js'
import {
  AcceptedEv,
  AmendedEv,
  Attr,
  COMMAND_WORDS,
  EVENT_WORDS,
  FillEv,
  OrderEv,
  kindOf,
} from '../../engine/layout.js'
import type { Engine, EngineOptions, EventBuffer, EventSink } from '../../engine/types.js'

export const USD = 0
export const BTC = 1
/** The middle of every book as it begins. */
export const MID_TICKS = 20_000

/** Engine that a workload is for: every market trades the same two assets; fees, rebates and reserves all in. */
export function workloadOptions(onEvents: EventSink, markets = 1): EngineOptions {
  return {
    genesis: {
      assets: [
        { id: USD, symbol: 'USD' },
        { id: BTC, symbol: 'BTC' },
      ],
      markets: Array.from({ length: markets }, (_, id) => ({
        id,
        base: BTC,
        quote: USD,
        lotUnits: 10,
        tickUnits: 1,
        makerFeePpm: -100,
        takerFeePpm: 500,
      })),
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

export interface LiveOrder {
  readonly account: number
  readonly market: number
  readonly side: Side
  readonly cloid: number
  ticks: number
  lots: number
  /** Its place in its list. */
  index: number
}

/** What is alive, kept from the engine's events; where one ends the last of its list takes its place. */
export class LiveOrders {
  readonly bids: LiveOrder[] = []
  readonly asks: LiveOrder[]
  /** Commands that were. */
  rejected = 0
  private readonly byId = new Map<number, LiveOrder>()

  /** `together`: one list for both sides. */
  constructor(together = false) {
    this.asks = together ? this.bids : []
  }

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
        case EventKind.Rejected:
          this.rejected++
          break
        default:
          break
      }
    }
  }

  private listOf(side: Side): LiveOrder[] {
    return side === Side.Buy ? this.bids : this.asks
  }

  private add(id: number, words: Int32Array, at: number): void {
    const side = ((words[at]! >> Attr.SIDE_SHIFT) & 1) as Side
    const list = this.listOf(side)
    const order = {
      account: words[at + AcceptedEv.ACCOUNT]!,
      market: words[at + AcceptedEv.MARKET]!,
      side,
      cloid: words[at + AcceptedEv.CLOID_LO]!,
      ticks: words[at + AcceptedEv.TICKS]!,
      lots: words[at + AcceptedEv.LOTS]!,
      index: list.length,
    }
    list.push(order)
    this.byId.set(id, order)
  }

  private change(id: number, ticks: number, lots: number): void {
    const order = this.living(id)
    order.ticks = ticks
    order.lots = lots
  }

  private remove(id: number): void {
    const order = this.living(id)
    this.byId.delete(id)
    const list = this.listOf(order.side)
    const last = list.pop()!
    if (last === order) return
    list[order.index] = last
    last.index = order.index
  }

  private living(id: number): LiveOrder {
    const order = this.byId.get(id)
    if (order === undefined) throw new Error(`order ${id} does not live`)
    return order
  }
}

export class LiveStream {
  readonly engine: Engine
  readonly live: LiveOrders
  private readonly words: Int32Array
  private readonly floats: Float64Array
  private at = 0

  /** `words` takes the command records, from its first word on. */
  constructor(words: Int32Array, markets: number, live: LiveOrders) {
    this.words = words
    this.floats = new Float64Array(words.buffer)
    this.live = live
    this.engine = createEngine(workloadOptions((events) => live.take(events), markets))
  }

  /** Writes from the first word on again. */
  rewind(): void {
    this.at = 0
  }

  deposit(account: number, asset: number, units: number): void {
    commands.writeDeposit(this.words, this.floats, this.at, account, asset, units)
    this.apply()
  }

  place(
    { account, market, side, ticks, lots, cloid }: Omit<LiveOrder, 'index'>,
    options: commands.PlaceOptions = {},
  ): void {
    commands.writePlace(
      this.words,
      this.floats,
      this.at,
      account,
      market,
      side,
      ticks,
      lots,
      cloid,
      0,
      options,
    )
    this.apply()
  }

  amend({ account, market, cloid }: LiveOrder, ticks: number, lots: number): void {
    commands.writeAmend(this.words, this.floats, this.at, account, market, ticks, lots, cloid)
    this.apply()
  }

  cancel({ account, market, cloid }: LiveOrder): void {
    commands.writeCancel(this.words, this.floats, this.at, account, market, cloid)
    this.apply()
  }

  private apply(): void {
    this.engine.apply(this.words, this.floats, this.at)
    this.engine.flush()
    this.at += COMMAND_WORDS
  }
}
