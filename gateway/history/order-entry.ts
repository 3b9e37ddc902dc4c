/**
 * Entries of the `orders` stream from the engine's event records (positions: OrderEntry in sdk/wire).
 * Used for the streams and for the history of orders that have ended.
 */
import { CommandKind, EventKind, OrderType, Reject } from '../../engine/codes.js'
import { Attr, Ev } from '../../engine/layout.js'
import { rejectToCode } from '../../sdk/wire/codes.js'
import { type OrderEntry, OrderState } from '../../sdk/wire/layout.js'
import { cloidAt, takerSideAt } from './fill-store.js'

/**
 * Whether a Rejected event ends an order before it began, rather than refusing to change one. A command of
 * a frame that was refused as a whole is no order: the same frame may have been taken before.
 */
export function isRefusedOrder(words: Int32Array, word: number): boolean {
  return words[word + Ev.OTHER] === CommandKind.Place && words[word + Ev.CODE] !== Reject.FrameRejected
}

/** Whether the event at `word` speaks of a stop that has not been triggered. */
export function waits(words: Int32Array, floats: Float64Array, word: number): boolean {
  const head = words[word + Ev.KIND]!
  const kind = head & 0xff
  if (kind === EventKind.Amended) return floats[(word >> 1) + Ev.AMOUNT_B_F64] === 1
  return kind === EventKind.Accepted && ((head >>> Attr.TYPE_SHIFT) & 7) > OrderType.Market
}

/** The entry of an order's own event: accepted, amended, cancelled, triggered, refilled, rejected. */
export function orderEntry(
  words: Int32Array,
  floats: Float64Array,
  word: number,
  timeMs: number,
): OrderEntry {
  const float = word >> 1
  const kind = words[word + Ev.KIND]! & 0xff
  const code = words[word + Ev.CODE]!
  const ended = kind === EventKind.Canceled || kind === EventKind.Rejected
  // Other events use these words for something else.
  const describes = kind === EventKind.Accepted || kind === EventKind.Amended
  return [
    floats[float + Ev.SEQ_F64]!,
    kind,
    floats[float + Ev.ORDER_ID_F64]!,
    cloidAt(words, word + Ev.CLOID_LO),
    words[word + Ev.MARKET]!,
    (words[word + Ev.KIND]! >> 8) & 1,
    words[word + Ev.TICKS]!,
    words[word + Ev.LOTS]!,
    words[word + Ev.REMAINING]!,
    ended ? OrderState.Canceled : waits(words, floats, word) ? OrderState.Waiting : OrderState.Open,
    kind === EventKind.Canceled ? code : 0,
    timeMs,
    kind === EventKind.Rejected ? rejectToCode(code) : 0,
    describes ? words[word + Ev.COUNTER_CLOID_LO]! : 0,
    describes ? words[word + Ev.COUNTER_REMAINING]! : 0,
    describes ? floats[float + Ev.AMOUNT_A_F64]! : 0,
  ]
}

/** The entry of a fill for one of its two orders; `lots` is what was filled. */
export function fillOrderEntry(
  words: Int32Array,
  floats: Float64Array,
  word: number,
  maker: boolean,
  timeMs: number,
): OrderEntry {
  const float = word >> 1
  const takerSide = takerSideAt(words, word)
  const remaining = words[word + (maker ? Ev.REMAINING : Ev.COUNTER_REMAINING)]!
  return [
    floats[float + Ev.SEQ_F64]!,
    EventKind.Fill,
    floats[float + (maker ? Ev.ORDER_ID_F64 : Ev.TAKER_ORDER_ID_F64)]!,
    cloidAt(words, word + (maker ? Ev.CLOID_LO : Ev.COUNTER_CLOID_LO)),
    words[word + Ev.MARKET]!,
    maker ? 1 - takerSide : takerSide,
    words[word + Ev.TICKS]!,
    words[word + Ev.LOTS]!,
    remaining,
    remaining === 0 ? OrderState.Filled : OrderState.Open,
    0,
    timeMs,
    0,
    0,
    0,
    0,
  ]
}
