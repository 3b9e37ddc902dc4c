/**
 * Entries of the `orders` stream from the engine's event records (positions: OrderEntry in sdk/wire).
 * Used for the streams and for the history of orders that have ended.
 */
import { CommandKind, EventKind, OrderType, Reject } from '../../engine/codes.js'
import { AcceptedEv, AmendedEv, Attr, Ev, FillEv, OrderEv, RejectedEv, kindOf } from '../../engine/layout.js'
import { cloidAt } from '../../engine/records/access.js'
import { rejectToCode } from '../../sdk/wire/codes.js'
import { type OrderEntry, OrderState } from '../../sdk/wire/layout.js'
import { takerSideAt } from './fill-store.js'

/**
 * Whether a Rejected event ends an order before it began, rather than refusing to change one. A command of
 * a frame that was refused as a whole is no order: the same frame may have been taken before.
 */
export function isRefusedOrder(words: Int32Array, word: number): boolean {
  return (
    words[word + RejectedEv.COMMAND] === CommandKind.Place &&
    words[word + RejectedEv.CODE] !== Reject.FrameRejected
  )
}

/** Whether the event at `word` speaks of a stop that has not been triggered. */
export function waits(words: Int32Array, floats: Float64Array, word: number): boolean {
  const head = words[word + Ev.KIND]!
  const kind = kindOf(head)
  if (kind === EventKind.Amended) return floats[(word >> 1) + AmendedEv.WAITS_F64] === 1
  return kind === EventKind.Accepted && ((head >>> Attr.ORDER_TYPE_SHIFT) & 7) > OrderType.Market
}

/** The entry of an order's own event: accepted, amended, cancelled, triggered, refilled, rejected. */
export function orderEntry(
  words: Int32Array,
  floats: Float64Array,
  word: number,
  timeMs: number,
): OrderEntry {
  const float = word >> 1
  const kind = kindOf(words[word + Ev.KIND]!)
  // A Canceled has its reason there, and a Rejected's order stands where another order's does.
  const code = words[word + RejectedEv.CODE]!
  const ended = kind === EventKind.Canceled || kind === EventKind.Rejected
  // Other events use these words for something else.
  const describes = kind === EventKind.Accepted || kind === EventKind.Amended
  return [
    floats[float + Ev.SEQ_F64]!,
    kind,
    floats[float + OrderEv.ORDER_ID_F64]!,
    cloidAt(words, word + OrderEv.CLOID_LO),
    words[word + OrderEv.MARKET]!,
    (words[word + Ev.KIND]! >> Attr.SIDE_SHIFT) & 1,
    words[word + OrderEv.TICKS]!,
    words[word + OrderEv.LOTS]!,
    words[word + OrderEv.REMAINING]!,
    ended ? OrderState.Canceled : waits(words, floats, word) ? OrderState.Waiting : OrderState.Open,
    kind === EventKind.Canceled ? code : 0,
    timeMs,
    kind === EventKind.Rejected ? rejectToCode(code) : 0,
    describes ? words[word + AcceptedEv.TRIGGER_TICKS]! : 0,
    describes ? words[word + AcceptedEv.DISPLAY_LOTS]! : 0,
    describes ? floats[float + AcceptedEv.EXPIRES_AT_MS_F64]! : 0,
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
  const remaining = words[word + (maker ? FillEv.MAKER_REMAINING : FillEv.TAKER_REMAINING)]!
  return [
    floats[float + Ev.SEQ_F64]!,
    EventKind.Fill,
    floats[float + (maker ? FillEv.MAKER_ORDER_ID_F64 : FillEv.TAKER_ORDER_ID_F64)]!,
    cloidAt(words, word + (maker ? FillEv.MAKER_CLOID_LO : FillEv.TAKER_CLOID_LO)),
    words[word + FillEv.MARKET]!,
    maker ? 1 - takerSide : takerSide,
    words[word + FillEv.TICKS]!,
    words[word + FillEv.LOTS]!,
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
