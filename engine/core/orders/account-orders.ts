/**
 * The live orders of each account, by market and side, in placement order: what cancel-all, protections and
 * dead-man switches go through, so that they meet no order that they do not cancel.
 *
 * An account's entries (one a market in which it has live orders) are linked by ascending market. An entry
 * holds two lists, buys and sells. A list is a ring through its orders and its place in the entry, linked by positions
 * in one table that holds accounts, entries and orders. So nothing need be asked to put an order in or take it out:
 * whether it is the first or the last of its list is what the processor guesses wrong half the time (measured: 1 % of
 * all commands a second). An account's last pair of assets knows its entry (ledger.ts).
 *
 *   entry (8 words)   0 next   1 previous   2 market   3 account   4,5 buys: first, last   6,7 sells: first, last
 *
 * The first entry that an account needs is its own: the second half of its record, in the cache line that an
 * order has touched anyway. Further ones stand behind all records, so an entry's number is its place there, in
 * units of eight words.
 *
 * Invariant: a further entry stands exactly while one of its lists has an order, so there are no more than live
 * orders; an account's own stays, perhaps without orders, until another market takes it.
 * Called by trading.ts, mass-cancels.ts and views.ts.
 */
import { Account, ENTRY_SHIFT, type Ledger } from '../money/ledger.js'
import { Order } from '../book/orders.js'
import * as ledger from '../money/ledger.js'
import * as levels from '../book/levels.js'
import * as offsets from '../base/offsets.js'
import * as orders from '../book/orders.js'

// Local copies: optimised code folds them, but loads and checks an imported constant at each use.
const { OFFSETS } = offsets
const { NONE } = levels
const { ORDER_SHIFT } = orders
const { ACCOUNT_SHIFT } = ledger
const { ACCOUNT_NEXT: ORDER_NEXT, ACCOUNT_PREV: ORDER_PREV } = Order
if (ORDER_PREV !== ORDER_NEXT + 1)
  throw new Error('account-orders: the links of an order are not side by side')
const {
  ENTRY: ACCOUNT_ENTRY,
  PAIR: ACCOUNT_PAIR,
  PAIR_ENTRY: ACCOUNT_PAIR_ENTRY,
  ORDERS: ACCOUNT_ORDERS,
  OWN_ENTRY: ACCOUNT_OWN_ENTRY,
} = Account
const SHIFT = 3
if (SHIFT !== ENTRY_SHIFT)
  throw new Error('account-orders: entries are not as wide as the ledger has room for')
const Entry = { NEXT: 0, PREV: 1, MARKET: 2, ACCOUNT: 3, BUYS: 4, SELLS: 6 } as const
const { PREV: ENTRY_PREV, MARKET: ENTRY_MARKET, ACCOUNT: ENTRY_ACCOUNT, BUYS, SELLS } = Entry

export class AccountOrders {
  /** Accounts' records, their own entries among them, further entries, and orders' records. */
  private readonly words: Int32Array
  /** Position of the links of the order in slot 0. */
  private readonly links: number
  /** First further entry that is free, linked by next; entries from `used` on were never used. */
  private free = NONE
  private used: number

  constructor(ledger: Ledger) {
    this.words = ledger.accounts
    this.links = ledger.ordersAt + ORDER_NEXT
    this.used = ledger.accountsMax << (ACCOUNT_SHIFT - SHIFT)
  }

  /** Appends an order to its account's list of a market and side. */
  add(slot: number, account: number, market: number, side: number): void {
    const { words } = this
    const accountAt = (account << ACCOUNT_SHIFT) & OFFSETS
    const cached = words[accountAt + ACCOUNT_PAIR] === market + 1
    let entry = cached ? words[accountAt + ACCOUNT_PAIR_ENTRY]! : NONE
    if (entry === NONE) {
      entry = this.findOrInsert(account, market)
      if (cached) words[accountAt + ACCOUNT_PAIR_ENTRY] = entry
    }
    const list = ((entry << SHIFT) + BUYS + 2 * side) & OFFSETS
    const at = (this.links + (slot << ORDER_SHIFT)) & OFFSETS
    const last = words[list + 1]!
    words[at] = list
    words[at + 1] = last
    words[last] = at
    words[list + 1] = at
    words[accountAt + ACCOUNT_ORDERS]!++
  }

  /** Takes an order out of its list, and the entry away with its last one. */
  remove(slot: number, account: number, side: number): void {
    const { words } = this
    const accountAt = (account << ACCOUNT_SHIFT) & OFFSETS
    const at = (this.links + (slot << ORDER_SHIFT)) & OFFSETS
    const next = words[at]! & OFFSETS
    const prev = words[at + 1]!
    words[prev] = next
    words[next + 1] = prev
    words[accountAt + ACCOUNT_ORDERS]!--
    // Most accounts trade in one market: then there is no further entry, and whether this one is empty need not be known.
    const own = ownEntry(account)
    if (words[accountAt + ACCOUNT_ENTRY] === own && words[accountAt + ACCOUNT_OWN_ENTRY] === NONE) return
    if (prev !== next) return
    const entry = next >> SHIFT
    if (entry !== own && this.isEmpty((entry << SHIFT) + (side === 0 ? SELLS : BUYS))) this.release(entry)
  }

  /** An account's first entry, or NONE. */
  firstEntry(account: number): number {
    return this.words[(account << ACCOUNT_SHIFT) + ACCOUNT_ENTRY]!
  }

  /** The entry of the next market, or NONE. */
  nextEntry(entry: number): number {
    return this.words[entry << SHIFT]!
  }

  /** True for the entry that stands in the account's record, which may have no orders. */
  isOwn(entry: number, account: number): boolean {
    return entry === ownEntry(account)
  }

  market(entry: number): number {
    return this.words[(entry << SHIFT) + ENTRY_MARKET]!
  }

  /** First order of an entry's list of a side, or NONE. */
  first(entry: number, side: number): number {
    return this.slotAt(this.words[(entry << SHIFT) + BUYS + 2 * side]!)
  }

  /** The order behind one in its list, or NONE. */
  next(slot: number): number {
    return this.slotAt(this.words[this.links + (slot << ORDER_SHIFT)]!)
  }

  /** Slot of the order whose links are at a position, or NONE where a list has its place. */
  private slotAt(position: number): number {
    return position < this.links ? NONE : (position - this.links) >> ORDER_SHIFT
  }

  private isEmpty(list: number): boolean {
    return this.words[list] === list
  }

  private findOrInsert(account: number, market: number): number {
    const { words } = this
    const own = ownEntry(account)
    const ownAt = own << SHIFT
    // Its own entry, without orders: for the market that wants one.
    if (
      words[ownAt + ENTRY_MARKET] !== market &&
      words[ownAt + ENTRY_MARKET] !== NONE &&
      this.isEmpty(ownAt + BUYS) &&
      this.isEmpty(ownAt + SELLS)
    )
      this.unlink(own)
    const head = (account << ACCOUNT_SHIFT) + ACCOUNT_ENTRY
    let before = NONE
    let entry = words[head]!
    while (entry !== NONE && words[(entry << SHIFT) + ENTRY_MARKET]! < market) {
      before = entry
      entry = words[entry << SHIFT]!
    }
    if (entry !== NONE && words[(entry << SHIFT) + ENTRY_MARKET] === market) return entry
    const made = words[ownAt + ENTRY_MARKET] === NONE ? own : this.allocate()
    const at = made << SHIFT
    words[at] = entry
    words[at + ENTRY_PREV] = before
    words[at + ENTRY_MARKET] = market
    words[at + ENTRY_ACCOUNT] = account
    for (let list = at + BUYS; list <= at + SELLS; list += 2) {
      words[list] = list
      words[list + 1] = list
    }
    if (before === NONE) words[head] = made
    else words[before << SHIFT] = made
    if (entry !== NONE) words[(entry << SHIFT) + ENTRY_PREV] = made
    return made
  }

  private allocate(): number {
    if (this.free === NONE) return this.used++
    const entry = this.free
    this.free = this.words[entry << SHIFT]!
    return entry
  }

  /** Gives back a further entry that has no orders. */
  private release(entry: number): void {
    this.unlink(entry)
    this.words[entry << SHIFT] = this.free
    this.free = entry
  }

  private unlink(entry: number): void {
    const { words } = this
    const at = (entry << SHIFT) & OFFSETS
    const accountAt = (words[at + ENTRY_ACCOUNT]! << ACCOUNT_SHIFT) & OFFSETS
    const next = words[at]!
    const prev = words[at + ENTRY_PREV]!
    if (prev === NONE) words[accountAt + ACCOUNT_ENTRY] = next
    else words[prev << SHIFT] = next
    if (next !== NONE) words[(next << SHIFT) + ENTRY_PREV] = prev
    if (words[accountAt + ACCOUNT_PAIR_ENTRY] === entry) words[accountAt + ACCOUNT_PAIR_ENTRY] = NONE
    words[at + ENTRY_MARKET] = NONE
  }
}

/** Number of the entry that stands in an account's record. */
function ownEntry(account: number): number {
  return ((account << ACCOUNT_SHIFT) + ACCOUNT_OWN_ENTRY) >> SHIFT
}
