/**
 * What a market's L3 stream tells: every resting order with its visible lots, of an iceberg the part that is
 * displayed. The orders themselves are live-orders.ts's; here is only which of them have changed since the
 * last event, kept while somebody follows.
 *
 * An order that comes in is known before its fills; it shows once nothing more happens to it in the same
 * command, which is when `takeChanges` is called.
 */
import type { L3Entry } from '../../sdk/wire/layout.js'
import type { LiveOrders } from '../views/live-orders.js'

export class L3View {
  readonly #orders: LiveOrders
  /** Orders that changed, and whether clients had been told of them before. */
  readonly #changed = new Map<number, boolean>()
  #follows = false

  constructor(orders: LiveOrders) {
    this.#orders = orders
  }

  /** Whether changes are noted. */
  get follows(): boolean {
    return this.#follows
  }

  follow(on: boolean): void {
    this.#follows = on
    this.#changed.clear()
  }

  /** The order is about to change, to come or to go. */
  changes(orderId: number): void {
    if (!this.#follows || this.#changed.has(orderId)) return
    this.#changed.set(orderId, this.#orders.l3(orderId) !== undefined)
  }

  /** Orders changed since the last call; zero lots = gone. One that came and went was never shown. */
  takeChanges(): L3Entry[] {
    if (this.#changed.size === 0) return []
    const changes: L3Entry[] = []
    for (const [orderId, shown] of this.#changed) {
      const entry = this.#orders.l3(orderId)
      if (entry !== undefined) changes.push(entry)
      else if (shown) changes.push([orderId, 0, 0, 0])
    }
    this.#changed.clear()
    return changes
  }
}
