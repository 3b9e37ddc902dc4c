/**
 * Touches what the next commands will need, so that their cache misses overlap. A state of a million accounts and
 * half a million orders is larger than any cache: a command then waits for one line after the other, and the
 * processor, busy with it, sees none of the next command's. Passes over some commands, each behind what the one before
 * has brought: what a command names (account, id); the orders, those that it names and those that it will meet first;
 * what these are linked to.
 *
 * Invariant: nothing is written but the sum, which nobody reads; it is kept so that no load is left out as useless.
 * Commands have not been checked when they come here: every offset is kept within its table.
 * Called by engine.ts.
 */
import { CommandKind } from '../codes.js'
import { Attr, CancelCmd, KIND_MASK, PlaceCmd } from '../layout.js'
import { LOOK_AHEAD_COMMANDS_MAX } from '../limits.js'
import { OFFSETS } from './base/offsets.js'
import { LEVEL_SHIFT, Level, NONE, keyMask } from './book/levels.js'
import { restingBook } from './book/order-types.js'
import { ORDER_SHIFT, Order } from './book/orders.js'
import { ACCOUNT_SHIFT, Account } from './money/ledger.js'
import type { State } from './state/state.js'

if (CancelCmd.CLOID_LO !== PlaceCmd.CLOID_LO || CancelCmd.CLOID_HI !== PlaceCmd.CLOID_HI)
  throw new Error('look-ahead: a cancel names its order in another place than a placement')
if (Level.KEY !== 0) throw new Error('look-ahead: a level does not begin with its key')

/** Accounts and live orders together from which on it pays: fewer stay in the cache. */
const SIZE_MIN = 1 << 14

export class LookAhead {
  private readonly state: State
  /** Of each command the entry of its id; then the slots of orders that are named or will be met. */
  private readonly entries = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
  private readonly slots = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
  /** Slots of makers that will be met. */
  private readonly makers = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
  private readonly sum = new Int32Array(1)
  /** Numbers of orders, as words. */
  private readonly numbers: Int32Array

  constructor(state: State) {
    this.state = state
    this.numbers = new Int32Array(state.trading.orders.numbers.buffer)
  }

  /** For the commands at the first `count` of the offsets `places` in `words`. */
  touch(words: Int32Array, places: Int32Array, count: number): void {
    const { ledger, trading, markets } = this.state
    const { ids, orders } = trading
    if (ledger.accountsEnd + orders.count < SIZE_MIN) return
    const { entries, slots, makers, numbers } = this
    const { accounts, accountsEnd } = ledger
    const { words: records, end } = orders
    const { words: levels, best } = trading.book.levels
    const last = Math.min(count, LOOK_AHEAD_COMMANDS_MAX)
    let sum = 0
    // Short loops: the less stands between two loads, the more of them wait together.
    for (let index = 0; index < last; index++) {
      const account = words[(places[index]! & OFFSETS) + PlaceCmd.ACCOUNT]!
      if (account >>> 0 >= accountsEnd) continue
      const at = (account << ACCOUNT_SHIFT) & OFFSETS
      sum ^= accounts[at]! ^ accounts[at + Account.ROWS]!
    }
    for (let index = 0; index < last; index++) {
      const at = places[index]! & OFFSETS
      entries[index] = ids.home(
        words[at + PlaceCmd.ACCOUNT]!,
        words[at + PlaceCmd.CLOID_LO]!,
        words[at + PlaceCmd.CLOID_HI]!,
      )
    }
    for (let index = 0; index < last; index++) entries[index] = ids.slotAt(entries[index]!)
    let named = 0
    let met = 0
    for (let index = 0; index < last; index++) {
      const at = places[index]! & OFFSETS
      const head = words[at]!
      const kind = head & KIND_MASK
      if (kind === CommandKind.Cancel || kind === CommandKind.Amend) {
        const slot = entries[index]!
        slots[named] = slot
        if (slot >>> 0 < end) named++
      } else if (kind === CommandKind.Place) {
        const market = words[at + PlaceCmd.MARKET]!
        if (!markets.has(market)) continue
        const against = restingBook(market, ((head >>> Attr.SIDE_SHIFT) & 1) ^ 1)
        const level = best[against]!
        if (level === NONE) continue
        const levelAt = (level << LEVEL_SHIFT) & OFFSETS
        if (levels[levelAt]! > (words[at + PlaceCmd.TICKS]! ^ keyMask(against))) continue
        makers[met++] = levels[levelAt + Level.HEAD]!
      }
    }
    for (let index = 0; index < named; index++) {
      const slot = slots[index]!
      sum ^= records[(slot << ORDER_SHIFT) & OFFSETS]! ^ numbers[(slot << 2) & OFFSETS]!
    }
    for (let index = 0; index < met; index++) {
      const slot = makers[index]!
      sum ^= records[(slot << ORDER_SHIFT) & OFFSETS]! ^ numbers[(slot << 2) & OFFSETS]!
    }
    for (let index = 0; index < named; index++) {
      const at = (slots[index]! << ORDER_SHIFT) & OFFSETS
      sum ^= levels[(records[at + Order.LEVEL]! << LEVEL_SHIFT) & OFFSETS]!
      const next = records[at + Order.NEXT]!
      const prev = records[at + Order.PREV]!
      if (next !== NONE) sum ^= records[(next << ORDER_SHIFT) & OFFSETS]!
      if (prev !== NONE) sum ^= records[(prev << ORDER_SHIFT) & OFFSETS]!
      sum ^=
        accounts[records[at + Order.ACCOUNT_NEXT]! & OFFSETS]! ^
        accounts[records[at + Order.ACCOUNT_PREV]! & OFFSETS]!
    }
    for (let index = 0; index < met; index++) {
      const at = (makers[index]! << ORDER_SHIFT) & OFFSETS
      const accountAt = (records[at + Order.ACCOUNT]! << ACCOUNT_SHIFT) & OFFSETS
      sum ^= accounts[accountAt]! ^ accounts[accountAt + Account.ROWS]!
      const next = records[at + Order.NEXT]!
      if (next !== NONE) sum ^= records[(next << ORDER_SHIFT) & OFFSETS]!
      sum ^= ids.slotAt(
        ids.home(records[at + Order.ACCOUNT]!, records[at + Order.CLOID_LO]!, records[at + Order.CLOID_HI]!),
      )
    }
    this.sum[0] = sum
  }
}
