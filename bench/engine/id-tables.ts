/**
 * What the tables keyed by clients cost: ids as a hostile client chooses them beside ordinary ones, and the
 * worst single insert while the tables grow from nothing to their last entry. Contestants of bench/engine.ts.
 */
import { performance } from 'node:perf_hooks'
import { collidingHigh } from '../../engine/reference/hostile-ids.js'
import { Ledger, OWN_ROWS } from '../../engine/core/money/ledger.js'
import { OrderIds } from '../../engine/core/book/order-ids.js'
import { ORDER_SHIFT, Order } from '../../engine/core/book/orders.js'

const LIVE = 50_000
const FLOW = 200_000
const ROUNDS = 5
const ORDERS = 1 << 20
/** Rows of an account beyond its own. */
const FURTHER_ROWS = 32

/** Nanoseconds for an id added and another removed, with 50,000 live ids of one account: ordinary or hostile. */
export function idFlow(hostile: boolean): { readonly nanoseconds: readonly number[] } {
  const slots = LIVE * 2
  const words = new Int32Array(slots << ORDER_SHIFT)
  const ids = new OrderIds(words, slots)
  const highOf = (low: number): number => (hostile ? collidingHigh(1, low) : 0)
  let next = 0
  const add = (): void => {
    const slot = next % slots
    const at = slot << ORDER_SHIFT
    const high = highOf(next)
    if (ids.find(1, next, high) >= 0) throw new Error(`id ${next} is there before it was added`)
    words[at + Order.ACCOUNT] = 1
    words[at + Order.CLOID_LO] = next++
    words[at + Order.CLOID_HI] = high
    ids.addMissed(slot)
  }
  while (next < LIVE) add()
  const nanoseconds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    for (let index = 0; index < FLOW; index++) {
      add()
      const oldest = next - LIVE - 1
      const slot = ids.find(1, oldest, highOf(oldest))
      if (slot !== oldest % slots) throw new Error(`id ${oldest} was found in slot ${slot}`)
      ids.remove(slot)
    }
    nanoseconds.push(((performance.now() - start) * 1e6) / FLOW)
  }
  return { nanoseconds }
}

/** Worst single insert in µs, of order ids and of balances, while each grows to 2^20; one in 10,000 is slower than p9999. */
export function growth(): Readonly<Record<string, number>> {
  const words = new Int32Array(ORDERS << ORDER_SHIFT)
  const ids = new OrderIds(words, ORDERS)
  // Each account's own rows are taken, so that all others are in the table.
  const accounts = ORDERS / FURTHER_ROWS
  const ledger = new Ledger(accounts, ORDERS + OWN_ROWS * accounts)
  for (let row = 0; row < OWN_ROWS * accounts; row++)
    ledger.findOrAdd(Math.floor(row / OWN_ROWS), row % OWN_ROWS)
  const orderUs = new Float64Array(ORDERS)
  const balanceUs = new Float64Array(ORDERS)
  for (let slot = 0; slot < ORDERS; slot++) {
    words[(slot << ORDER_SHIFT) + Order.CLOID_LO] = slot
    const start = performance.now()
    if (ids.find(0, slot, 0) < 0) ids.addMissed(slot)
    const middle = performance.now()
    ledger.findOrAdd(Math.floor(slot / FURTHER_ROWS), OWN_ROWS + (slot % FURTHER_ROWS))
    balanceUs[slot] = (performance.now() - middle) * 1000
    orderUs[slot] = (middle - start) * 1000
  }
  const worst = (all: Float64Array): readonly [number, number] => {
    const sorted = all.slice().sort()
    return [sorted.at(-1)!, sorted[Math.floor(sorted.length * 0.9999)]!]
  }
  const [orderMax, orderP9999] = worst(orderUs)
  const [balanceMax, balanceP9999] = worst(balanceUs)
  return { orderMax, orderP9999, balanceMax, balanceP9999 }
}
