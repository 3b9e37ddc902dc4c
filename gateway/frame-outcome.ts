/**
 * Gathers what the engine did with the commands of one submission into one item for each command, in the
 * order of the commands (positions: sdk/wire/layout.ts, `OrderState`). Created when a frame is submitted,
 * fed by each outbound message that carries its ticket, read when the last one has come.
 */
import { EventKind } from '../engine/codes.js'
import { EVENT_WORDS, Ev } from '../engine/layout.js'
import { rejectToCode } from '../sdk/wire/codes.js'
import { OrderState } from '../sdk/wire/layout.js'
import type { Applied } from './engine-link.js'
import { waits } from './order-entry.js'

interface Item {
  code: number
  orderId: number
  state: number
  remaining: number
  filled: number
  /** Orders cancelled by a cancel-all; -1 for any other command. */
  count: number
}

export class FrameOutcome {
  readonly #items: Item[]
  readonly #headers: number
  #firstSeq = 0
  #lastSeq = 0
  #frameReject = 0

  /** `count` commands follow `headers` (0 or 1) Frame command. */
  constructor(count: number, headers: number) {
    this.#headers = headers
    this.#items = Array.from({ length: count }, () => ({
      code: 0,
      orderId: 0,
      state: 0,
      remaining: 0,
      filled: 0,
      count: -1,
    }))
  }

  /** Reject of the Frame command itself as a protocol code; 0 when the frame was opened. */
  get frameCode(): number {
    return this.#frameReject === 0 ? 0 : rejectToCode(this.#frameReject)
  }

  get firstSeq(): number {
    return this.#firstSeq
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  add({ words, floats, at, count, firstSeq, lastSeq }: Applied): void {
    if (this.#firstSeq === 0) this.#firstSeq = firstSeq
    this.#lastSeq = lastSeq
    for (let index = 0; index < count; index++) {
      const word = at + index * EVENT_WORDS
      const float = word >> 1
      const command = floats[float + Ev.SEQ_F64]! - this.#firstSeq - this.#headers
      const kind = words[word + Ev.KIND]! & 0xff
      if (command < 0) {
        if (kind === EventKind.Rejected) this.#frameReject = words[word + Ev.CODE]!
        continue
      }
      const item = this.#items[command]
      if (item !== undefined) this.#addEvent(item, kind, words, floats, word)
    }
  }

  #addEvent(item: Item, kind: number, words: Int32Array, floats: Float64Array, word: number): void {
    const float = word >> 1
    switch (kind) {
      case EventKind.Rejected:
        item.code = rejectToCode(words[word + Ev.CODE]!)
        break
      case EventKind.Accepted:
      case EventKind.Amended:
        item.orderId = floats[float + Ev.ORDER_ID_F64]!
        item.remaining = words[word + Ev.REMAINING]!
        item.state = waits(kind, words[word + Ev.KIND]!) ? OrderState.Waiting : OrderState.Open
        break
      case EventKind.Fill:
        if (floats[float + Ev.TAKER_ORDER_ID_F64]! !== item.orderId) break
        item.filled += words[word + Ev.LOTS]!
        item.remaining = words[word + Ev.COUNTER_REMAINING]!
        if (item.remaining === 0) item.state = OrderState.Filled
        break
      case EventKind.Canceled: {
        const orderId = floats[float + Ev.ORDER_ID_F64]!
        // A cancel answers with the order it took; a place also sees makers that self-trade prevention took.
        if (item.orderId !== 0 && item.orderId !== orderId) break
        item.orderId = orderId
        item.remaining = words[word + Ev.REMAINING]!
        item.state = OrderState.Canceled
        break
      }
      case EventKind.CanceledAll:
        item.count = words[word + Ev.LOTS]!
        break
      default:
        break
    }
  }

  /** The items as they travel. */
  items(): number[][] {
    return this.#items.map(({ code, orderId, state, remaining, filled, count }) => {
      if (code !== 0) return [code]
      if (count >= 0 || orderId === 0) return [0, Math.max(0, count)]
      return [0, orderId, state, remaining, filled]
    })
  }
}
