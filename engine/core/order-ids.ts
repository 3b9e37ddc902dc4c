/**
 * Finds an account's live order by its client order id: open addressing, linear probing, deletion by
 * shifting back, so that a probe never meets a tombstone. An entry keeps the key's hash beside the slot;
 * almost every probe is settled without touching the order itself.
 *
 *   entry (2 words)   0 hash   1 slot + 1, 0 = empty
 *
 * Only a part of the memory is used, two to eight times as many entries as the most orders that ever
 * lived at once: a table for a million orders that holds a thousand would miss the cache on every probe.
 * The part doubles by moving between two areas that are there from the start.
 */
import { Order } from './orders.js'
import * as orders from './orders.js'
import * as offsets from './offsets.js'

// Local copies: optimised code folds them, but loads and checks an imported constant at each use.
const { OFFSETS } = offsets
const { ORDER_SHIFT } = orders
const { CLOID_LO: ORDER_CLOID_LO, CLOID_HI: ORDER_CLOID_HI, ACCOUNT: ORDER_ACCOUNT } = Order

const ENTRIES_MIN = 1024
/** Entries for each order while the table is small enough for the cache; two for each beyond. */
const SPARSE = 4
const SPARSE_ENTRIES_MAX = 1 << 17

export class OrderIds {
  private table: Int32Array
  private spare: Int32Array
  private mask: number
  private count = 0
  /** Orders that the part in use is meant for. */
  private room: number
  private readonly orders: Int32Array
  private readonly entriesMax: number
  /** Entry at which the last find ended. */
  private entry = 0
  /** Hash of the key that the last find missed, while nothing has changed since; `vacant` says whether. */
  private hash = 0
  private vacant = false

  /** For at most `capacity` orders whose records are `orders`. */
  constructor(orders: Int32Array, capacity: number) {
    const wanted = capacity * (capacity * SPARSE <= SPARSE_ENTRIES_MAX ? SPARSE : 2)
    const entriesMax = Math.max(ENTRIES_MIN, 1 << (32 - Math.clz32(Math.max(1, wanted - 1))))
    this.entriesMax = entriesMax
    // Each doubling swaps the areas, so the largest size must fall to the larger one.
    const doublings = Math.log2(entriesMax / ENTRIES_MIN)
    const large = new Int32Array(entriesMax * 2)
    const small = new Int32Array(entriesMax)
    this.table = doublings % 2 === 0 ? large : small
    this.spare = doublings % 2 === 0 ? small : large
    this.mask = ENTRIES_MIN - 1
    this.room = this.roomOf(ENTRIES_MIN)
    this.orders = orders
  }

  /** Slot of the live order, or -1. */
  find(account: number, low: number, high: number): number {
    const { table, mask, orders } = this
    const hash = hashOf(account, low, high)
    let entry = hash & mask
    for (;;) {
      const slot = table[entry * 2 + 1]! - 1
      if (slot < 0) {
        this.entry = entry
        this.hash = hash
        this.vacant = true
        return -1
      }
      if (table[entry * 2] === hash) {
        const at = (slot << ORDER_SHIFT) & OFFSETS
        if (
          orders[at + ORDER_CLOID_LO] === low &&
          orders[at + ORDER_CLOID_HI] === high &&
          orders[at + ORDER_ACCOUNT] === account
        ) {
          this.entry = entry
          return slot
        }
      }
      entry = (entry + 1) & mask
    }
  }

  /** Adds an order whose record is filled and whose key is not present. */
  add(slot: number): void {
    const { orders } = this
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const hash = hashOf(
      orders[at + ORDER_ACCOUNT]!,
      orders[at + ORDER_CLOID_LO]!,
      orders[at + ORDER_CLOID_HI]!,
    )
    this.insert(slot, hash, hash & this.mask)
  }

  /**
   * Adds the order whose key the last `find` looked for and missed; where it ended, it goes. Other
   * finds may not have come between.
   */
  addMissed(slot: number): void {
    if (this.vacant) this.insert(slot, this.hash, this.entry)
    else this.add(slot)
  }

  private insert(slot: number, hash: number, from: number): void {
    let entry = from
    if (++this.count > this.room) {
      this.grow()
      entry = hash & this.mask
    }
    const { table, mask } = this
    while (table[entry * 2 + 1] !== 0) entry = (entry + 1) & mask
    table[entry * 2] = hash
    table[entry * 2 + 1] = slot + 1
    this.vacant = false
  }

  /** Removes an order that is present, its record still filled. */
  remove(slot: number): void {
    const { table, mask } = this
    // Most often the order was found a moment ago.
    let hole = this.entry
    if (table[hole * 2 + 1] !== slot + 1) hole = this.locate(slot)
    // Entries behind the hole move into it unless that would put them before their home.
    let entry = hole
    for (;;) {
      entry = (entry + 1) & mask
      if (table[entry * 2 + 1] === 0) break
      const home = table[entry * 2]! & mask
      if (((entry - home) & mask) < ((entry - hole) & mask)) continue
      table[hole * 2] = table[entry * 2]!
      table[hole * 2 + 1] = table[entry * 2 + 1]!
      hole = entry
    }
    table[hole * 2 + 1] = 0
    this.count--
    this.vacant = false
  }

  /** Entry of an order that is present. */
  private locate(slot: number): number {
    const { table, mask, orders } = this
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const hash = hashOf(
      orders[at + ORDER_ACCOUNT]!,
      orders[at + ORDER_CLOID_LO]!,
      orders[at + ORDER_CLOID_HI]!,
    )
    let entry = hash & mask
    while (table[entry * 2 + 1] !== slot + 1) entry = (entry + 1) & mask
    return entry
  }

  /** Orders that a part of `entries` is meant for; the largest part takes them all. */
  private roomOf(entries: number): number {
    if (entries === this.entriesMax) return entries
    return entries <= SPARSE_ENTRIES_MAX ? entries / SPARSE : entries / 2
  }

  private grow(): void {
    const from = this.table
    const to = this.spare
    const entries = this.mask + 1
    const mask = entries * 2 - 1
    to.fill(0, 0, entries * 4)
    for (let old = 0; old < entries; old++) {
      if (from[old * 2 + 1] === 0) continue
      let entry = from[old * 2]! & mask
      while (to[entry * 2 + 1] !== 0) entry = (entry + 1) & mask
      to[entry * 2] = from[old * 2]!
      to[entry * 2 + 1] = from[old * 2 + 1]!
    }
    this.table = to
    this.spare = from
    this.mask = mask
    this.room = this.roomOf(entries * 2)
  }
}

function hashOf(account: number, low: number, high: number): number {
  let hash = Math.imul(low ^ Math.imul(account + 1, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
