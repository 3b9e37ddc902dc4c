/**
 * Gathers what the engine did with the commands of one submission into one item for each command, in the
 * order of the commands (positions: sdk/wire/layout.ts, `OrderState`). Created when a frame is submitted,
 * fed by each outbound message that carries its ticket, read when the last one has come.
 */
import { EventKind, Reject } from '../../engine/codes.js'
import {
  CanceledAllEv,
  CanceledEv,
  EVENT_WORDS,
  Ev,
  FillEv,
  OrderEv,
  RejectedEv,
  kindOf,
} from '../../engine/layout.js'
import { rejectToCode } from '../../sdk/wire/codes.js'
import { OrderState } from '../../sdk/wire/layout.js'
import type { Applied } from '../link/engine-link.js'
import { waits } from '../history/order-entry.js'

/** Numbers of an item while it is gathered, all items in one array. */
const Item = {
  CODE: 0,
  ORDER_ID: 1,
  STATE: 2,
  REMAINING: 3,
  FILLED: 4,
  /** 1 + orders cancelled by a cancel-all; 0 for any other command. */
  COUNT: 5,
  /** 1 = the rest of a cancel-all follows in later commands. */
  MORE: 6,
  /** CancelReason of an order that ended as cancelled; 0 otherwise. */
  REASON: 7,
  /** What a refused command was measured against: of InsufficientFunds and SessionNotional; reasons of ExchangeCancelOnly. */
  BOUND: 8,
} as const
const ITEM_NUMBERS = 9
/** Commands in front of a frame's own. */
const HEADERS = 1

const FUNDS_CODE = rejectToCode(Reject.InsufficientFunds)
const EXCHANGE_CODE = rejectToCode(Reject.ExchangeCancelOnly)
const NOTIONAL_CODE = rejectToCode(Reject.SessionNotional)

export class FrameOutcome {
  readonly #count: number
  /** Made when the first message comes: what waits for the engine meanwhile is as small as can be. */
  #items: number[] | undefined
  #firstSeq = 0
  #lastSeq = 0
  #frameReject = 0

  /** `count` commands follow a header: Frame, or UnsignedFrame. */
  constructor(count: number) {
    this.#count = count
  }

  /** Reject of the header itself; 0 when the frame was opened. */
  get frameReject(): number {
    return this.#frameReject
  }

  /** Reject of the header itself as a protocol code; 0 when the frame was opened. */
  get frameCode(): number {
    return this.#frameReject === 0 ? 0 : rejectToCode(this.#frameReject)
  }

  /** Seq of the header. */
  get firstSeq(): number {
    return this.#firstSeq
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  add({ words, floats, at, count, firstSeq, lastSeq }: Applied): void {
    if (this.#firstSeq === 0) this.#firstSeq = firstSeq
    this.#lastSeq = lastSeq
    const items = (this.#items ??= new Array<number>(this.#count * ITEM_NUMBERS).fill(0))
    for (let index = 0; index < count; index++) {
      const word = at + index * EVENT_WORDS
      const float = word >> 1
      const command = floats[float + Ev.SEQ_F64]! - this.#firstSeq - HEADERS
      const kind = kindOf(words[word + Ev.KIND]!)
      if (command < 0) {
        if (kind === EventKind.Rejected) this.#frameReject = words[word + RejectedEv.CODE]!
        continue
      }
      if (command < this.#count) addEvent(items, command * ITEM_NUMBERS, kind, words, floats, word)
    }
  }

  /** Tells the code of each command that was refused. */
  eachRefused(tell: (code: number) => void): void {
    if (this.#items === undefined) return
    for (let at = Item.CODE; at < this.#items.length; at += ITEM_NUMBERS) {
      if (this.#items[at] !== 0) tell(this.#items[at]!)
    }
  }

  /** The items as they travel; what an account has is told to a session that `mayRead` it only. */
  items(mayRead: boolean): number[][] {
    const items = this.#items ?? []
    return Array.from({ length: this.#count }, (_, command) => {
      const at = command * ITEM_NUMBERS
      const [code, orderId, count] = [
        items[at + Item.CODE]!,
        items[at + Item.ORDER_ID]!,
        items[at + Item.COUNT]!,
      ]
      if (code !== 0) {
        const isPublic = code === NOTIONAL_CODE || code === EXCHANGE_CODE
        const tellsBound = isPublic || (code === FUNDS_CODE && mayRead)
        return tellsBound ? [code, items[at + Item.BOUND]!] : [code]
      }
      if (items[at + Item.MORE] === 1) return [0, count - 1, 1]
      if (count > 0 || orderId === 0) return [0, Math.max(0, count - 1)]
      const [state, reason] = [items[at + Item.STATE]!, items[at + Item.REASON]!]
      const item = [0, orderId, state, items[at + Item.REMAINING]!, items[at + Item.FILLED]!]
      return state === OrderState.Canceled ? [...item, reason] : item
    })
  }
}

/** Lots of an order filled over its life, of an event that tells its total and what is left. */
const filledBefore = (words: Int32Array, word: number): number =>
  words[word + OrderEv.LOTS]! - words[word + OrderEv.REMAINING]!

function addEvent(
  items: number[],
  at: number,
  kind: number,
  words: Int32Array,
  floats: Float64Array,
  word: number,
): void {
  const float = word >> 1
  switch (kind) {
    case EventKind.Rejected:
      items[at + Item.CODE] = rejectToCode(words[word + RejectedEv.CODE]!)
      items[at + Item.BOUND] = floats[float + RejectedEv.BOUND_F64]!
      break
    case EventKind.Accepted:
    case EventKind.Amended: {
      const orderId = floats[float + OrderEv.ORDER_ID_F64]!
      // Self-trade prevention makes a maker of the same account smaller: that is another order.
      if (items[at + Item.ORDER_ID] !== 0 && items[at + Item.ORDER_ID] !== orderId) break
      items[at + Item.ORDER_ID] = orderId
      items[at + Item.REMAINING] = words[word + OrderEv.REMAINING]!
      items[at + Item.FILLED] = filledBefore(words, word)
      items[at + Item.STATE] = waits(words, floats, word) ? OrderState.Waiting : OrderState.Open
      break
    }
    case EventKind.Triggered:
      if (items[at + Item.ORDER_ID] === floats[float + OrderEv.ORDER_ID_F64]!)
        items[at + Item.STATE] = OrderState.Open
      break
    case EventKind.Fill:
      if (floats[float + FillEv.TAKER_ORDER_ID_F64]! === items[at + Item.ORDER_ID])
        items[at + Item.REMAINING] = words[word + FillEv.TAKER_REMAINING]!
      // It rests by then: a stop that its own fill has fired takes it within the same command.
      else if (floats[float + FillEv.MAKER_ORDER_ID_F64]! === items[at + Item.ORDER_ID])
        items[at + Item.REMAINING] = words[word + FillEv.MAKER_REMAINING]!
      else break
      items[at + Item.FILLED]! += words[word + FillEv.LOTS]!
      if (items[at + Item.REMAINING] === 0) items[at + Item.STATE] = OrderState.Filled
      break
    case EventKind.Canceled: {
      const orderId = floats[float + OrderEv.ORDER_ID_F64]!
      // A cancel answers with the order it took; a place also sees makers that self-trade prevention took.
      if (items[at + Item.ORDER_ID] !== 0 && items[at + Item.ORDER_ID] !== orderId) break
      items[at + Item.ORDER_ID] = orderId
      items[at + Item.REMAINING] = words[word + OrderEv.REMAINING]!
      items[at + Item.FILLED] = filledBefore(words, word)
      items[at + Item.STATE] = OrderState.Canceled
      items[at + Item.REASON] = words[word + CanceledEv.REASON]!
      break
    }
    case EventKind.CanceledAll:
      items[at + Item.COUNT] = 1 + words[word + CanceledAllEv.ORDERS]!
      items[at + Item.MORE] = words[word + CanceledAllEv.REST_FOLLOWS]!
      break
    default:
      break
  }
}
