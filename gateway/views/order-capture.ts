/**
 * The live orders of one account or one market as they were at one moment, read in pieces while they change:
 * an order that changes before the reader has come to it leaves behind what it was. So a snapshot of any size
 * costs its thread no more than a piece at a time, and tells one state.
 *
 * Created by snapshots.ts; `save` is called by live-orders.ts.
 */
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { IDS_LOOKED_AT_MAX } from '../limits.js'
import type { LiveOrders, OrderGroup } from './live-orders.js'

export class OrderCapture {
  readonly #orders: LiveOrders
  readonly #of: 'account' | 'market'
  readonly #key: number
  readonly #number: number
  readonly #group: OrderGroup
  /** What orders were that changed before their turn. */
  #saved: WireValue[] = []
  #after = 0
  #walked = false

  constructor(orders: LiveOrders, of: 'account' | 'market', key: number) {
    this.#orders = orders
    this.#of = of
    this.#key = key
    const { number, group } = orders.begin(of, key, this)
    this.#number = number
    this.#group = group
  }

  /** True when every order has been read. */
  get done(): boolean {
    return this.#walked && this.#saved.length === 0
  }

  /** The order is about to change. */
  save(slot: number, orderId: number): void {
    if (this.#walked || !this.#orders.mark(slot, this.#of, this.#number)) return
    const entry = this.#entry(orderId, slot)
    if (entry !== undefined) this.#saved.push(entry)
  }

  /** The next orders, at most `limit`; none is no end while `done` is false. */
  next(limit: number): WireValue[] {
    if (this.#walked) {
      const page = this.#saved.slice(0, limit)
      this.#saved = this.#saved.slice(limit)
      return page
    }
    const page: WireValue[] = []
    let looked = 0
    let stopped = false
    this.#group.ids.after(this.#after, (orderId) => {
      if (page.length === limit || ++looked > IDS_LOOKED_AT_MAX) {
        stopped = true
        return false
      }
      this.#after = orderId
      const slot = this.#orders.slot(orderId)
      if (slot === undefined || !this.#orders.mark(slot, this.#of, this.#number)) return true
      const entry = this.#entry(orderId, slot)
      if (entry !== undefined) page.push(entry)
      return true
    })
    if (!stopped) this.close()
    return page
  }

  /** Nothing is to be left behind for it any more. */
  close(): void {
    if (this.#walked) return
    this.#walked = true
    this.#orders.end(this.#of, this.#key, this)
  }

  #entry(orderId: number, slot: number): WireValue | undefined {
    if (this.#of === 'account') return this.#orders.wire(slot)
    return this.#orders.l3(orderId, slot) as WireValue | undefined
  }
}
