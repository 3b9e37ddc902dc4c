/**
 * Finds an account's live order by its client order id: open addressing, linear probing, deletion by
 * shifting back, so that a probe never meets a tombstone. An entry keeps a part of the key's hash beside the
 * slot; almost every probe is settled without touching the order itself.
 *
 *   entry (a word)   bits 0-20 slot + 1   21-25 the same bits of the hash   26-31 how far it stands from where the hash
 *                    would have it, 63 = that far or further; 0 = empty, -1 = moved to the next table or removed since
 *
 * Where more orders than 2^21 - 4 may live, the slot has bits 0-24, and the hash what is left of its own: two keys whose
 * distances agree have one place in the table, so the bits of the hash only spare a few looks at an order.
 *
 * Half as wide as with the whole hash: that is a half of the cache that it takes. Who finds that entries ran into one
 * another knows from the distance which may move up, without their orders.
 *
 * Clients choose the ids, so the hash is keyed (keyed-hash.ts); a probe that runs on and on is asserted.
 *
 * The table in use has two to eight times as many entries as the most orders that ever lived at once: one
 * for a million orders that holds a thousand would miss the cache on every probe. Tables of all sizes are
 * there from the start, untouched until they are used. A full one is left a few entries with each order that
 * is added, so that no single order pays for all: until it is empty, what the new one does not have is looked
 * for in the old one, where moved entries leave a mark that a probe passes over.
 */
import { ProbesOverLimit, hashWord, randomTables } from '../base/keyed-hash.js'
import { ORDERS_MAX, PROBES_MAX } from '../../limits.js'
import { Order, ORDER_SHIFT } from './orders.js'
import { OFFSETS } from '../base/offsets.js'

const ENTRIES_MIN = 1024
/**
 * Entries for each order while the table is small enough for the cache; two for each beyond. Both eight (more of the
 * cache) and two (more probes that run into one another) cost 3 to 6 % of all commands a second.
 */
const SPARSE = 4
const SPARSE_ENTRIES_MAX = 1 << 17
/** Entries of the old table that each new order moves: all are moved long before the new table is full. */
const MOVED_AT_ONCE = 16
const MOVED = -1
const SLOT_BITS = 21
const SLOT_BITS_MAX = 25
const FAR_SHIFT = 26
const FAR_MAX = 63
const slotMaskOf = (capacity: number): number => {
  const mask = (1 << SLOT_BITS) - 1
  return capacity < mask ? mask : (1 << SLOT_BITS_MAX) - 1
}
if (ORDERS_MAX + 1 >= slotMaskOf(ORDERS_MAX + 1))
  throw new Error('order-ids: a slot does not fit its part of an entry')
const TABLES_BEHIND_LOW = 1024
const TABLES_BEHIND_HIGH = 2048

const NO_TABLE = new Int32Array(0)

export class OrderIds {
  private table: Int32Array
  private mask: number
  /** The table that is being left, its mask, and its entries that were moved; its length is 0 when none is. */
  private old: Int32Array = NO_TABLE
  private oldMask = 0
  private moved = 0
  /** Tables by size: 1,024 entries, 2,048, and so on. */
  private readonly tables: readonly Int32Array[]
  private readonly random = randomTables(3)
  private count = 0
  /** Orders that the table in use is meant for. */
  private room: number
  private readonly orders: Int32Array
  private readonly entriesMax: number
  /** Bits of the slot in an entry, and of the hash, both in their place. */
  private readonly slotMask: number
  private readonly hashMask: number
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
    const tables: Int32Array[] = []
    for (let entries = ENTRIES_MIN; entries <= entriesMax; entries *= 2) tables.push(new Int32Array(entries))
    this.tables = tables
    this.table = tables[0]!
    this.mask = ENTRIES_MIN - 1
    this.room = this.roomOf(ENTRIES_MIN)
    this.orders = orders
    this.slotMask = slotMaskOf(capacity)
    this.hashMask = ((1 << FAR_SHIFT) - 1) & ~this.slotMask
  }

  /** Slot of the live order, or -1. */
  find(account: number, low: number, high: number): number {
    const { table, mask, orders, slotMask, hashMask } = this
    const hash = this.hashOf(account, low, high)
    let entry = hash & mask
    for (let probes = 0; ; probes++) {
      const held = table[entry]!
      if (held === 0) {
        this.entry = entry
        this.hash = hash
        this.vacant = true
        return this.old.length === 0 ? -1 : this.findOld(hash, account, low, high)
      }
      // The key's own entry is as far from its place as the search for it.
      if ((held & ~slotMask) === tagOf(hash & hashMask, probes)) {
        const slot = (held & slotMask) - 1
        const at = (slot << ORDER_SHIFT) & OFFSETS
        if (
          orders[at + Order.CLOID_LO] === low &&
          orders[at + Order.CLOID_HI] === high &&
          orders[at + Order.ACCOUNT] === account
        ) {
          this.entry = entry
          return slot
        }
      }
      if (probes === PROBES_MAX) throw new ProbesOverLimit('order ids')
      entry = (entry + 1) & mask
    }
  }

  /** Slot of an order that the table in use does not have and the one being left may have, or -1. */
  private findOld(hash: number, account: number, low: number, high: number): number {
    const { old, oldMask, orders, slotMask, hashMask } = this
    let entry = hash & oldMask
    for (let probes = 0; ; probes++) {
      const held = old[entry]!
      if (held === 0) return -1
      if (held !== MOVED && (held & ~slotMask) === tagOf(hash & hashMask, probes)) {
        const slot = (held & slotMask) - 1
        const at = (slot << ORDER_SHIFT) & OFFSETS
        if (
          orders[at + Order.CLOID_LO] === low &&
          orders[at + Order.CLOID_HI] === high &&
          orders[at + Order.ACCOUNT] === account
        )
          return slot
      }
      if (probes === PROBES_MAX) throw new ProbesOverLimit('order ids')
      entry = (entry + 1) & oldMask
    }
  }

  /** Entry where a key would have its order; the order may stand in one behind, or be none. */
  home(account: number, low: number, high: number): number {
    return this.hashOf(account, low, high) & this.mask
  }

  /** What an entry holds: a slot, -1 or, of one that was moved, a slot that was never used. */
  slotAt(entry: number): number {
    return (this.table[entry]! & this.slotMask) - 1
  }

  /** Adds an order whose record is filled and whose key is not present. */
  add(slot: number): void {
    const hash = this.hashOfOrder(slot)
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
    const { table, mask, hashMask } = this
    while (table[entry] !== 0) entry = (entry + 1) & mask
    table[entry] = tagOf(hash & hashMask, (entry - hash) & mask) | (slot + 1)
    this.vacant = false
    if (this.old.length !== 0) this.moveSome()
  }

  /** Removes an order that is present, its record still filled. */
  remove(slot: number): void {
    const { table, mask, slotMask, hashMask } = this
    this.count--
    this.vacant = false
    // Most often the order was found a moment ago.
    let hole = this.entry
    if ((table[hole]! & slotMask) !== slot + 1) {
      hole = this.locate(slot)
      if (hole < 0) return
    }
    // Entries behind the hole move into it unless that would put them before their home.
    let entry = hole
    for (;;) {
      entry = (entry + 1) & mask
      const held = table[entry]!
      if (held === 0) break
      let far = held >>> FAR_SHIFT
      if (far === FAR_MAX) far = (entry - this.hashOfOrder((held & slotMask) - 1)) & mask
      const by = (entry - hole) & mask
      if (far < by) continue
      table[hole] = tagOf(held & hashMask, far - by) | (held & slotMask)
      hole = entry
    }
    table[hole] = 0
  }

  /** Entry of an order that is present; one of the table being left is taken out there, and -1 returned. */
  private locate(slot: number): number {
    const { table, mask, old, oldMask, slotMask } = this
    const hash = this.hashOfOrder(slot)
    let entry = hash & mask
    while (table[entry] !== 0) {
      if ((table[entry]! & slotMask) === slot + 1) return entry
      entry = (entry + 1) & mask
    }
    // Present, so it is in the other one; were it in neither, this would not end, hence the bound.
    entry = hash & oldMask
    for (let probes = 0; (old[entry]! & slotMask) !== slot + 1; probes++) {
      if (probes === PROBES_MAX) throw new ProbesOverLimit('order ids')
      entry = (entry + 1) & oldMask
    }
    old[entry] = MOVED
    return -1
  }

  /** Orders that a table of `entries` is meant for; the largest takes them all. */
  private roomOf(entries: number): number {
    if (entries === this.entriesMax) return entries
    return entries <= SPARSE_ENTRIES_MAX ? entries / SPARSE : entries / 2
  }

  /** Begins to leave the table in use for the next one. The one before has been left by then. */
  private grow(): void {
    while (this.old.length !== 0) this.moveSome()
    const entries = (this.mask + 1) * 2
    this.old = this.table
    this.oldMask = this.mask
    this.moved = 0
    this.table = this.tables[Math.log2(entries / ENTRIES_MIN)]!
    this.mask = entries - 1
    this.room = this.roomOf(entries)
  }

  private moveSome(): void {
    const { old, table, mask, slotMask, hashMask } = this
    const end = Math.min(this.moved + MOVED_AT_ONCE, this.oldMask + 1)
    for (let from = this.moved; from < end; from++) {
      const held = old[from]!
      if (held === 0 || held === MOVED) continue
      const slot = (held & slotMask) - 1
      const hash = this.hashOfOrder(slot)
      let entry = hash & mask
      while (table[entry] !== 0) entry = (entry + 1) & mask
      table[entry] = tagOf(hash & hashMask, (entry - hash) & mask) | (slot + 1)
      old[from] = MOVED
    }
    this.moved = end
    if (end === this.oldMask + 1) this.old = NO_TABLE
  }

  private hashOfOrder(slot: number): number {
    const { orders } = this
    const at = (slot << ORDER_SHIFT) & OFFSETS
    return this.hashOf(
      orders[at + Order.ACCOUNT]!,
      orders[at + Order.CLOID_LO]!,
      orders[at + Order.CLOID_HI]!,
    )
  }

  private hashOf(account: number, low: number, high: number): number {
    const { random } = this
    const hash =
      random[account & 0xff]! ^
      random[256 + ((account >>> 8) & 0xff)]! ^
      hashWord(random, TABLES_BEHIND_LOW, low)
    // Most ids have no high word, most accounts two bytes.
    if (high === 0 && account >>> 16 === 0) return hash
    return (
      hash ^
      random[512 + ((account >>> 16) & 0xff)]! ^
      random[768 + (account >>> 24)]! ^
      hashWord(random, TABLES_BEHIND_HIGH, high)
    )
  }
}

/** What an entry says beside its slot; `hash`: its bits that an entry has. */
function tagOf(hash: number, far: number): number {
  return hash | (Math.min(far, FAR_MAX) << FAR_SHIFT)
}
