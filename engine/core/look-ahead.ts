/**
 * Touches what the next commands will need, so that their cache misses overlap. A state of a million accounts and
 * half a million orders is larger than any cache: a command then waits for one line after the other, and the
 * processor, busy with it, sees none of the next command's. Three passes over some commands: what a command names
 * (account, id), what stands there (order, rows), what that is linked to.
 *
 * Invariant: nothing is written but the sum, which nobody reads; it is kept so that no load is left out as useless.
 * Commands have not been checked when they come here: every offset is kept within its table.
 * Called by engine.ts.
 */
import { CommandKind } from '../codes.js'
import { Attr, CancelCmd, KIND_MASK, PlaceCmd } from '../layout.js'
import { OFFSETS } from './base/offsets.js'
import { LEVEL_SHIFT, Level, NONE } from './book/levels.js'
import { MARKET_SHIFT, Market } from './book/markets.js'
import { ORDER_SHIFT, Order } from './book/orders.js'
import { ACCOUNT_SHIFT, Account } from './money/ledger.js'
import type { State } from './state/state.js'

if (CancelCmd.CLOID_LO !== PlaceCmd.CLOID_LO || CancelCmd.CLOID_HI !== PlaceCmd.CLOID_HI)
  throw new Error('look-ahead: a cancel names its order in another place than a placement')
if (Order.BASE_ROW !== Order.QUOTE_ROW - 1)
  throw new Error('look-ahead: rows of an order are not side by side')
if (Level.KEY !== 0) throw new Error('look-ahead: a level does not begin with its key')

/** Accounts and live orders together from which on it pays: fewer stay in the cache. */
const SIZE_MIN = 1 << 14
/** Most commands at once. */
const COMMANDS_MAX = 256

export class LookAhead {
  private readonly state: State
  /** Slot of the order that the command names; -1 = none. */
  private readonly slots = new Int32Array(COMMANDS_MAX)
  /** Row of the balance that the command reserves from, by guess; -1 = none. */
  private readonly rows = new Int32Array(COMMANDS_MAX)
  private readonly sum = new Int32Array(1)

  constructor(state: State) {
    this.state = state
  }

  /** For the commands at the first `count` of the offsets `places` in `words`. */
  touch(words: Int32Array, places: Int32Array, count: number): void {
    const { ledger, trading, markets } = this.state
    const { ids, orders } = trading
    if (ledger.accountsEnd + orders.count < SIZE_MIN) return
    const { slots, rows } = this
    const { accounts, values } = ledger
    const { accountsEnd } = ledger
    const { words: records, numbers, end } = orders
    const { words: levelWords, lots: levelLots } = trading.book.levels
    const last = Math.min(count, COMMANDS_MAX)
    let sum = 0
    // Short loops: the less stands between two loads, the more of them wait together.
    for (let index = 0; index < last; index++) {
      const account = words[(places[index]! & OFFSETS) + PlaceCmd.ACCOUNT]!
      if (account >>> 0 < accountsEnd) sum += accounts[(account << ACCOUNT_SHIFT) & OFFSETS]!
    }
    for (let index = 0; index < last; index++) {
      const at = places[index]! & OFFSETS
      slots[index] = ids.home(
        words[at + PlaceCmd.ACCOUNT]!,
        words[at + PlaceCmd.CLOID_LO]!,
        words[at + PlaceCmd.CLOID_HI]!,
      )
    }
    for (let index = 0; index < last; index++) slots[index] = ids.slotAt(slots[index]!)
    for (let index = 0; index < last; index++) {
      const at = places[index]! & OFFSETS
      const head = words[at]!
      const kind = head & KIND_MASK
      const account = words[at + PlaceCmd.ACCOUNT]!
      const market = words[at + PlaceCmd.MARKET]!
      let slot = NONE
      let row = NONE
      if (kind === CommandKind.Cancel || kind === CommandKind.Amend) {
        if (slots[index]! < end) slot = slots[index]!
        if (slot !== NONE) sum += records[(slot << ORDER_SHIFT) & OFFSETS]! + numbers[2 * slot]!
      } else if (kind === CommandKind.Place && account >>> 0 < accountsEnd && markets.has(market)) {
        const accountAt = (account << ACCOUNT_SHIFT) & OFFSETS
        const side = (head >>> Attr.SIDE_SHIFT) & 1
        if (accounts[accountAt + Account.PAIR] === market + 1)
          row = accounts[accountAt + (side === 1 ? Account.PAIR_BASE_ROW : Account.PAIR_QUOTE_ROW)]!
        else {
          const marketAt = (market << MARKET_SHIFT) & OFFSETS
          const base = ledger.guess(account, markets.words[marketAt + Market.BASE]!)
          const quote = ledger.guess(account, markets.words[marketAt + Market.QUOTE]!)
          row = side === 1 ? base : quote
        }
      }
      slots[index] = slot
      rows[index] = row
    }
    for (let index = 0; index < last; index++) {
      const slot = slots[index]!
      if (slot === NONE) {
        if (rows[index] !== NONE) sum += values[2 * rows[index]!]!
        continue
      }
      const at = (slot << ORDER_SHIFT) & OFFSETS
      const side = (records[at + Order.ATTR]! >>> Attr.SIDE_SHIFT) & 1
      sum += values[2 * records[at + Order.QUOTE_ROW - side]!]!
      const level = records[at + Order.LEVEL]!
      if (level !== NONE) sum += levelWords[(level << LEVEL_SHIFT) & OFFSETS]! + levelLots[level]!
      const next = records[at + Order.NEXT]!
      const prev = records[at + Order.PREV]!
      if (next !== NONE) sum += records[(next << ORDER_SHIFT) & OFFSETS]!
      if (prev !== NONE) sum += records[(prev << ORDER_SHIFT) & OFFSETS]!
      sum +=
        accounts[records[at + Order.ACCOUNT_NEXT]! & OFFSETS]! +
        accounts[records[at + Order.ACCOUNT_PREV]! & OFFSETS]!
    }
    this.sum[0] = sum
  }
}
