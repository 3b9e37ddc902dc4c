/**
 * Touches what the next commands will need, so that their cache misses overlap. A state of a million accounts and
 * half a million orders is larger than any cache: a command then waits for one line after the other, and the
 * processor, busy with it, sees none of the next command's. Passes over some commands, each behind what the one before
 * has brought: what a command names (account, id); the order that it cancels, and the level that it will rest in; what
 * these are linked to. Loops are short and choose without branches: the less stands between two
 * loads, the more of them wait together, and of what is guessed wrong none do.
 *
 * Invariant: nothing is written but the sum, which nobody reads; it is kept so that no load is left out as useless.
 * Commands have not been checked when they come here: every offset is kept within its table.
 * Called by engine.ts.
 */
import { CommandKind } from '../codes.js'
import { Attr, CancelCmd, KIND_MASK, PlaceCmd } from '../layout.js'
import { LOOK_AHEAD_COMMANDS_MAX } from '../limits.js'
import { OFFSETS } from './base/offsets.js'
import { BOOK_KINDS, BookKind, LEVEL_SHIFT, Level, NONE, keyMask } from './book/levels.js'
import { ORDER_SHIFT, Order } from './book/orders.js'
import { ACCOUNT_SHIFT, Account } from './money/ledger.js'
import type { State } from './state/state.js'

if (CancelCmd.CLOID_LO !== PlaceCmd.CLOID_LO || CancelCmd.CLOID_HI !== PlaceCmd.CLOID_HI)
  throw new Error('look-ahead: a cancel names its order in another place than a placement')
if (Level.KEY !== 0) throw new Error('look-ahead: a level does not begin with its key')
if (CommandKind.Place !== 1 || CommandKind.Amend !== 2 || CommandKind.Cancel !== 3)
  throw new Error('look-ahead: kinds are not told apart by their bits')
if (BookKind.Bids !== 0 || BookKind.Asks !== 1)
  throw new Error('look-ahead: the book of a side is not the market and the side')

/** Accounts and live orders together from which on it pays: fewer stay in the cache. */
const SIZE_MIN = 1 << 14

export class LookAhead {
  private readonly state: State
  /** Of each command the entry of its id, then what stands there. */
  private readonly entries = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
  /** Slots of orders that are cancelled or amended. */
  private readonly named = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
  /** Placements: where they stand, and the level that they may rest in. */
  private readonly placed = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
  private readonly own = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
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
    const { entries, named, placed, own, numbers } = this
    const { accounts, accountsEnd } = ledger
    const { words: records, end } = orders
    const { levels } = trading.book
    const { words: levelWords } = levels
    const last = Math.min(count, LOOK_AHEAD_COMMANDS_MAX)
    let sum = 0
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

    let namedCount = 0
    let placedCount = 0
    for (let index = 0; index < last; index++) {
      const kind = words[places[index]! & OFFSETS]! & KIND_MASK
      const slot = entries[index]!
      named[namedCount] = slot
      namedCount += isOne(kind >> 1) & (((slot - end) & ~slot) >>> 31)
      placed[placedCount] = places[index]!
      placedCount += isOne(kind)
    }
    for (let index = 0; index < namedCount; index++) {
      const slot = named[index]!
      sum ^= records[(slot << ORDER_SHIFT) & OFFSETS]! ^ numbers[(slot << 2) & OFFSETS]!
    }
    for (let index = 0; index < placedCount; index++) {
      const at = placed[index]! & OFFSETS
      const market = words[at + PlaceCmd.MARKET]!
      const book = (markets.has(market) ? market : 0) * BOOK_KINDS + sideOf(words[at]!)
      own[index] = levels.placeOf(book, words[at + PlaceCmd.TICKS]! ^ keyMask(book))
    }
    for (let index = 0; index < placedCount; index++) own[index] = levels.levelAt(own[index]!)
    for (let index = 0; index < placedCount; index++) {
      const level = own[index]!
      own[index] = level === NONE ? 0 : levelWords[(level << LEVEL_SHIFT) + Level.TAIL]!
    }
    for (let index = 0; index < placedCount; index++) sum ^= records[(own[index]! << ORDER_SHIFT) & OFFSETS]!

    for (let index = 0; index < namedCount; index++) {
      const at = (named[index]! << ORDER_SHIFT) & OFFSETS
      const next = records[at + Order.NEXT]!
      const prev = records[at + Order.PREV]!
      if (next !== NONE) sum ^= records[(next << ORDER_SHIFT) & OFFSETS]!
      if (prev !== NONE) sum ^= records[(prev << ORDER_SHIFT) & OFFSETS]!
      sum ^=
        accounts[records[at + Order.ACCOUNT_NEXT]! & OFFSETS]! ^
        accounts[records[at + Order.ACCOUNT_PREV]! & OFFSETS]!
    }
    this.sum[0] = sum
  }
}

/** 1 for 1, 0 for any other number that is not negative. */
function isOne(value: number): number {
  return ((value ^ 1) - 1) >>> 31
}

/** Side of a placement, from its word 0. */
function sideOf(head: number): number {
  return (head >>> Attr.SIDE_SHIFT) & 1
}
