/**
 * A seeded command stream over a state of a given size: accounts, markets and live orders. All of it is made before
 * it is measured, by an engine along with which it is made, so that cancels name orders that are alive.
 *
 *   set-up   two deposits an account; then orders that rest, until so many are live
 *   mix      57 % place, 43 % cancel of a random live order. An order's account, market and side are random; while
 *            no more are live than there should be, it rests at a random price within 40 ticks of the middle; else it
 *            takes what is first in line on the other side (a seventh of all commands do)
 *
 * Every market trades the same two assets, so two rows are enough for an account, in whatever market it trades.
 */
import { EventKind, Side, TimeInForce } from '../../engine/codes.js'
import * as commands from '../../engine/commands.js'
import { AcceptedEv, COMMAND_WORDS, EVENT_WORDS, FillEv, OrderEv, kindOf } from '../../engine/layout.js'
import { createEngine } from '../../engine/index.js'
import type { Engine, EngineOptions, EventBuffer, EventSink } from '../../engine/types.js'
import { Random } from './workload.js'

export interface StateSize {
  readonly accounts: number
  readonly markets: number
  /** Live orders. */
  readonly live: number
}

const MID_TICKS = 20_000
const REACH_TICKS = 40
const USD = 0
const BTC = 1
/** Deposits that are made at once. */
const DEPOSITS = 4096

export function stateOptions({ markets }: StateSize, onEvents: EventSink): EngineOptions {
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

/** Gives every account of an engine its deposits. */
export function fund(engine: Engine, accounts: number): void {
  const words = new Int32Array(2 * DEPOSITS * COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  for (let first = 1; first <= accounts; first += DEPOSITS) {
    const end = Math.min(accounts + 1, first + DEPOSITS)
    let at = 0
    for (let account = first; account < end; account++)
      for (const asset of [USD, BTC]) {
        commands.writeDeposit(words, floats, at, account, asset, 1e10)
        at += COMMAND_WORDS
      }
    for (let from = 0; from < at; from += COMMAND_WORDS) engine.apply(words, floats, from)
    engine.flush()
  }
}

/** Orders that live, by what a cancel must name; one is drawn and the last one takes its place. */
class Living {
  count = 0
  readonly accounts: Int32Array
  readonly cloids: Int32Array
  readonly markets: Int32Array
  private readonly ids: Float64Array
  private readonly places = new Map<number, number>()

  constructor(capacity: number) {
    this.accounts = new Int32Array(capacity)
    this.cloids = new Int32Array(capacity)
    this.markets = new Int32Array(capacity)
    this.ids = new Float64Array(capacity)
  }

  take({ words, floats, count }: EventBuffer): void {
    for (let event = 0; event < count; event++) {
      const at = event * EVENT_WORDS
      const id = floats[at / 2 + OrderEv.ORDER_ID_F64]!
      switch (kindOf(words[at]!)) {
        case EventKind.Accepted:
          this.places.set(id, this.count)
          this.ids[this.count] = id
          this.accounts[this.count] = words[at + AcceptedEv.ACCOUNT]!
          this.cloids[this.count] = words[at + AcceptedEv.CLOID_LO]!
          this.markets[this.count] = words[at + AcceptedEv.MARKET]!
          this.count++
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
          throw new Error('a command of the stream was rejected')
        default:
          break
      }
    }
  }

  private remove(id: number): void {
    const place = this.places.get(id)
    if (place === undefined) throw new Error(`order ${id} does not live`)
    this.places.delete(id)
    const last = --this.count
    if (place === last) return
    this.ids[place] = this.ids[last]!
    this.accounts[place] = this.accounts[last]!
    this.cloids[place] = this.cloids[last]!
    this.markets[place] = this.markets[last]!
    this.places.set(this.ids[place]!, place)
  }
}

/** The stream behind the deposits: `live` orders that rest, then `count` commands of the mix. In shared memory. */
export function makeStateWorkload(size: StateSize, count: number, seed: number): Int32Array {
  const { accounts, markets, live } = size
  const words = new Int32Array(new SharedArrayBuffer((live + count) * COMMAND_WORDS * 4))
  const floats = new Float64Array(words.buffer)
  const random = new Random(seed)
  const living = new Living(live + 1024)
  const engine = createEngine(stateOptions(size, (events) => living.take(events)))
  fund(engine, accounts)
  for (let index = 0; index < live + count; index++) {
    const at = index * COMMAND_WORDS
    if (index >= live && living.count > 0 && random.below(100) >= 57) {
      const place = random.below(living.count)
      const account = living.accounts[place]!
      commands.writeCancel(words, floats, at, account, living.markets[place]!, living.cloids[place]!)
    } else {
      const account = 1 + random.below(accounts)
      const market = random.below(markets)
      const side = random.below(2) as Side
      const lots = 1 + random.below(100)
      const takes = index >= live && living.count >= live
      const away = takes ? -REACH_TICKS : 1 + random.below(REACH_TICKS)
      const ticks = side === Side.Buy ? MID_TICKS - away : MID_TICKS + away
      const options = takes ? { timeInForce: TimeInForce.IOC } : {}
      commands.writePlace(words, floats, at, account, market, side, ticks, lots, index + 1, 0, options)
    }
    engine.apply(words, floats, at)
    engine.flush()
  }
  return words
}
