/**
 * A market's L3 book: every resting order with its visible lots, kept from the engine's order events. What
 * an iceberg hides never shows: of it, only the part that is displayed.
 *
 * An order that comes in is known before its fills; it shows once nothing more happens to it in the same
 * command, which is when `takeChanges` is called.
 */
import { EventKind, OrderType } from '../engine/codes.js'
import { Attr, Ev } from '../engine/layout.js'
import type { OrderView } from '../engine/types.js'
import type { L3Entry } from '../sdk/wire/layout.js'

interface Resting {
  readonly side: number
  ticks: number
  visible: number
  remaining: number
  /** 0 = not an iceberg. */
  display: number
  /** Clients have been told of it. */
  shown: boolean
}

export class L3View {
  readonly #orders = new Map<number, Resting>()
  readonly #changed = new Set<number>()

  /** An order that rests at the start. */
  load({ orderId, side, ticks, remaining, displayLots, visible }: OrderView): void {
    this.#orders.set(orderId, { side, ticks, visible, remaining, display: displayLots, shown: true })
  }

  add(kind: number, words: Int32Array, floats: Float64Array, word: number): void {
    const orderId = floats[(word >> 1) + Ev.ORDER_ID_F64]!
    switch (kind) {
      case EventKind.Accepted:
      case EventKind.Triggered: {
        // A stop stands in no book before its trigger.
        const type = (words[word + Ev.KIND]! >>> Attr.TYPE_SHIFT) & 7
        if (kind === EventKind.Triggered || type <= OrderType.Market) this.#put(orderId, words, word)
        break
      }
      case EventKind.Amended:
        if (this.#orders.has(orderId)) this.#put(orderId, words, word)
        break
      case EventKind.Refilled: {
        const order = this.#orders.get(orderId)
        if (order === undefined) break
        order.visible = words[word + Ev.COUNTER_REMAINING]!
        this.#changed.add(orderId)
        break
      }
      case EventKind.Canceled:
        this.#gone(orderId)
        break
      default:
        break
    }
  }

  /** An order as an event describes it: COUNTER_REMAINING is what an iceberg displays. */
  #put(orderId: number, words: Int32Array, word: number): void {
    const remaining = words[word + Ev.REMAINING]!
    const known = this.#orders.get(orderId)
    const display = words[word + Ev.COUNTER_REMAINING]!
    this.#orders.set(orderId, {
      side: (words[word + Ev.KIND]! >> Attr.SIDE_SHIFT) & 1,
      ticks: words[word + Ev.TICKS]!,
      visible: display > 0 ? Math.min(display, remaining) : remaining,
      remaining,
      display,
      shown: known?.shown ?? false,
    })
    this.#changed.add(orderId)
  }

  /** A fill lowers both of its orders. */
  fill(words: Int32Array, floats: Float64Array, word: number): void {
    const float = word >> 1
    const lots = words[word + Ev.LOTS]!
    this.#filled(floats[float + Ev.ORDER_ID_F64]!, lots, words[word + Ev.REMAINING]!)
    this.#filled(floats[float + Ev.TAKER_ORDER_ID_F64]!, lots, words[word + Ev.COUNTER_REMAINING]!)
  }

  #filled(orderId: number, lots: number, remaining: number): void {
    const order = this.#orders.get(orderId)
    if (order === undefined) return
    order.remaining = remaining
    order.visible = order.display > 0 ? Math.max(0, order.visible - lots) : remaining
    if (remaining === 0) this.#gone(orderId)
    else this.#changed.add(orderId)
  }

  /** An order that came and went since the last `takeChanges` was never shown. */
  #gone(orderId: number): void {
    const order = this.#orders.get(orderId)
    if (order === undefined) return
    this.#orders.delete(orderId)
    if (order.shown) this.#changed.add(orderId)
    else this.#changed.delete(orderId)
  }

  /** Orders changed since the last call; zero lots = gone. */
  takeChanges(): L3Entry[] {
    const changes: L3Entry[] = []
    for (const orderId of this.#changed) {
      const order = this.#orders.get(orderId)
      if (order !== undefined) order.shown = true
      changes.push(
        order === undefined ? [orderId, 0, 0, 0] : [orderId, order.side, order.ticks, order.visible],
      )
    }
    this.#changed.clear()
    return changes
  }

  /** Every visible order, oldest first. */
  entries(): L3Entry[] {
    return [...this.#orders]
      .sort(([a], [b]) => a - b)
      .map(([orderId, { side, ticks, visible }]) => [orderId, side, ticks, visible])
  }
}
