/**
 * The live orders of each account, by market and side, in placement order: what cancel-all, protections and
 * dead-man switches go through, so that they meet no order that they do not cancel.
 *
 * An account's entries (one a market in which it has live orders) are linked by ascending market. An entry
 * holds two lists, buys and sells. A list is a ring through its orders and its place in the entry, linked by positions
 * in one table that holds accounts, entries and orders. So nothing need be asked to put an order in or take it out:
 * whether it is the first or the last of its list is what the processor guesses wrong half the time (measured: 1 % of
 * all commands a second). An account's record knows the entry of its last order's market (ledger.ts).
 *
 *   entry (8 words)   0 next   1 previous   2 market   3 account   4,5 buys: first, last   6,7 sells: first, last
 *
 * The first entry that an account needs is its own: the in its record, in the cache line that an
 * order has touched anyway. Further ones stand behind all records, so an entry's number is its place there, in
 * units of eight words.
 *
 * Invariant: a further entry stands exactly while one of its lists has an order, so there are no more than live
 * orders; an account's own stays, perhaps without orders, until another market takes it.
 * Called by trading.ts, mass-cancels.ts and views.ts.
 */
import { Account, ENTRY_SHIFT, type Ledger, ACCOUNT_SHIFT } from '../money/ledger.js'
import { Order, ORDER_SHIFT } from '../book/orders.js'
import { NONE } from '../book/levels.js'
import { OFFSETS } from '../base/offsets.js'
if (Order.ACCOUNT_PREV !== Order.ACCOUNT_NEXT + 1)
  throw new Error('account-orders: the links of an order are not side by side')
const SHIFT = 3
if (SHIFT !== ENTRY_SHIFT)
  throw new Error('account-orders: entries are not as wide as the ledger has room for')
const Entry = { NEXT: 0, PREV: 1, MARKET: 2, ACCOUNT: 3, BUYS: 4, SELLS: 6 } as const

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
    this.links = ledger.ordersAt + Order.ACCOUNT_NEXT
    this.used = ledger.entriesAt >> SHIFT
  }

  /** Appends an order to its account's list of a market and side. */
  add(slot: number, account: number, market: number, side: number): void {
    const { words } = this
    const accountAt = (account << ACCOUNT_SHIFT) & OFFSETS
    let entry =
      words[accountAt + Account.LAST_MARKET] === market + 1 ? words[accountAt + Account.LAST_ENTRY]! : NONE
    if (entry === NONE) {
      entry = this.findOrInsert(account, market)
      words[accountAt + Account.LAST_MARKET] = market + 1
      words[accountAt + Account.LAST_ENTRY] = entry
    }
    const list = ((entry << SHIFT) + Entry.BUYS + 2 * side) & OFFSETS
    const at = (this.links + (slot << ORDER_SHIFT)) & OFFSETS
    const last = words[list + 1]!
    words[at] = list
    words[at + 1] = last
    words[last] = at
    words[list + 1] = at
    words[accountAt + Account.ORDERS]!++
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
    words[accountAt + Account.ORDERS]!--
    // Most accounts trade in one market: then there is no further entry, and whether this one is empty need not be known.
    const own = ownEntry(account)
    if (words[accountAt + Account.ENTRY] === own && words[accountAt + Account.OWN_ENTRY] === NONE) return
    if (prev !== next) return
    const entry = next >> SHIFT
    if (entry !== own && this.isEmpty((entry << SHIFT) + (side === 0 ? Entry.SELLS : Entry.BUYS)))
      this.release(entry)
  }

  /** An account's first entry, or NONE. */
  firstEntry(account: number): number {
    return this.words[(account << ACCOUNT_SHIFT) + Account.ENTRY]!
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
    return this.words[(entry << SHIFT) + Entry.MARKET]!
  }

  /** First order of an entry's list of a side, or NONE. */
  first(entry: number, side: number): number {
    return this.slotAt(this.words[(entry << SHIFT) + Entry.BUYS + 2 * side]!)
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
      words[ownAt + Entry.MARKET] !== market &&
      words[ownAt + Entry.MARKET] !== NONE &&
      this.isEmpty(ownAt + Entry.BUYS) &&
      this.isEmpty(ownAt + Entry.SELLS)
    )
      this.unlink(own)
    const head = (account << ACCOUNT_SHIFT) + Account.ENTRY
    let before = NONE
    let entry = words[head]!
    while (entry !== NONE && words[(entry << SHIFT) + Entry.MARKET]! < market) {
      before = entry
      entry = words[entry << SHIFT]!
    }
    if (entry !== NONE && words[(entry << SHIFT) + Entry.MARKET] === market) return entry
    const made = words[ownAt + Entry.MARKET] === NONE ? own : this.allocate()
    const at = made << SHIFT
    words[at] = entry
    words[at + Entry.PREV] = before
    words[at + Entry.MARKET] = market
    words[at + Entry.ACCOUNT] = account
    for (let list = at + Entry.BUYS; list <= at + Entry.SELLS; list += 2) {
      words[list] = list
      words[list + 1] = list
    }
    if (before === NONE) words[head] = made
    else words[before << SHIFT] = made
    if (entry !== NONE) words[(entry << SHIFT) + Entry.PREV] = made
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
    const accountAt = (words[at + Entry.ACCOUNT]! << ACCOUNT_SHIFT) & OFFSETS
    const next = words[at]!
    const prev = words[at + Entry.PREV]!
    if (prev === NONE) words[accountAt + Account.ENTRY] = next
    else words[prev << SHIFT] = next
    if (next !== NONE) words[(next << SHIFT) + Entry.PREV] = prev
    if (words[accountAt + Account.LAST_ENTRY] === entry) words[accountAt + Account.LAST_ENTRY] = NONE
    words[at + Entry.MARKET] = NONE
  }
}

/** Number of the entry that stands in an account's record. */
function ownEntry(account: number): number {
  return ((account << ACCOUNT_SHIFT) + Account.OWN_ENTRY) >> SHIFT
}
