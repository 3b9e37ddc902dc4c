/**
 * Finds an account's live order by its client order id: open addressing, linear probing, deletion by
 * shifting back, so that a probe never meets a tombstone. An entry keeps the key's hash beside the slot;
 * almost every probe is settled without touching the order itself.
 *
 *   entry (2 words)   0 hash   1 slot + 1, 0 = empty
 */
import { ORDER_SHIFT, Order } from './orders.js'

export class OrderIds {
  private readonly table: Int32Array
  private readonly mask: number
  private readonly orders: Int32Array

  /** For at most `capacity` orders whose records are `orders`. */
  constructor(orders: Int32Array, capacity: number) {
    // Twice as many entries as orders keeps probes short.
    const entries = 1 << (32 - Math.clz32(Math.max(8, capacity * 2 - 1)))
    this.table = new Int32Array(entries * 2)
    this.mask = entries - 1
    this.orders = orders
  }

  /** Slot of the live order, or -1. */
  find(account: number, low: number, high: number): number {
    const { table, mask, orders } = this
    const hash = hashOf(account, low, high)
    let entry = hash & mask
    for (;;) {
      const slot = table[entry * 2 + 1]! - 1
      if (slot < 0) return -1
      if (table[entry * 2] === hash) {
        const at = slot << ORDER_SHIFT
        if (
          orders[at + Order.CLOID_LO] === low &&
          orders[at + Order.CLOID_HI] === high &&
          orders[at + Order.ACCOUNT] === account
        )
          return slot
      }
      entry = (entry + 1) & mask
    }
  }

  /** Adds an order whose record is filled and whose key is not present. */
  add(slot: number): void {
    const { table, mask, orders } = this
    const at = slot << ORDER_SHIFT
    const hash = hashOf(
      orders[at + Order.ACCOUNT]!,
      orders[at + Order.CLOID_LO]!,
      orders[at + Order.CLOID_HI]!,
    )
    let entry = hash & mask
    while (table[entry * 2 + 1] !== 0) entry = (entry + 1) & mask
    table[entry * 2] = hash
    table[entry * 2 + 1] = slot + 1
  }

  /** Removes an order that is present, its record still filled. */
  remove(slot: number): void {
    const { table, mask, orders } = this
    const at = slot << ORDER_SHIFT
    const hash = hashOf(
      orders[at + Order.ACCOUNT]!,
      orders[at + Order.CLOID_LO]!,
      orders[at + Order.CLOID_HI]!,
    )
    let hole = hash & mask
    while (table[hole * 2 + 1] !== slot + 1) hole = (hole + 1) & mask
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
  }
}

function hashOf(account: number, low: number, high: number): number {
  let hash = Math.imul(low ^ Math.imul(account + 1, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
