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
import { Side, TimeInForce } from '../../engine/codes.js'
import * as commands from '../../engine/commands.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import type { Engine } from '../../engine/types.js'
import { BTC, LiveOrders, LiveStream, MID_TICKS, Random, USD } from './live-stream.js'

export interface StateSize {
  readonly accounts: number
  readonly markets: number
  /** Live orders. */
  readonly live: number
}

const REACH_TICKS = 40
/** Deposits that are made at once. */
const DEPOSITS = 4096

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

/** The stream behind the deposits: `live` orders that rest, then `count` commands of the mix. In shared memory. */
export function makeStateWorkload(size: StateSize, count: number, seed: number): Int32Array {
  const { accounts, markets, live } = size
  const words = new Int32Array(new SharedArrayBuffer((live + count) * COMMAND_WORDS * 4))
  const random = new Random(seed)
  const orders = new LiveOrders(true)
  const living = orders.bids
  const stream = new LiveStream(words, markets, orders)
  fund(stream.engine, accounts)
  for (let index = 0; index < live + count; index++) {
    if (index >= live && living.length > 0 && random.below(100) >= 57) {
      stream.cancel(living[random.below(living.length)]!)
      continue
    }
    const account = 1 + random.below(accounts)
    const market = random.below(markets)
    const side = random.below(2) as Side
    const lots = 1 + random.below(100)
    const takes = index >= live && living.length >= live
    const away = takes ? -REACH_TICKS : 1 + random.below(REACH_TICKS)
    const ticks = side === Side.Buy ? MID_TICKS - away : MID_TICKS + away
    const options = takes ? { timeInForce: TimeInForce.IOC } : {}
    stream.place({ account, market, side, ticks, lots, cloid: index + 1 }, options)
  }
  if (orders.rejected > 0) throw new Error(`${orders.rejected} commands of the stream were rejected`)
  return words
}
