/**
 * The engine's event records as JSON objects of the filter. Every event carries `seq` (of its command)
 * and `event`; a client order id is a number while a double holds it, else a string of digits.
 */
import {
  Attr,
  EventKind,
  Ev,
  MarketStatus,
  OrderType,
  Reject,
  Side,
  TimeInForce,
  cancelReasonNames,
  commandNames,
  eventNames,
  rejectNames,
} from '../../engine/index.js'

/** `StopLimit` -> `stopLimit` */
const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

function namesByNumber(codes: Readonly<Record<string, number>>, style: (name: string) => string): string[] {
  const names: string[] = []
  for (const [name, code] of Object.entries(codes)) names[code] = style(name)
  return names
}

export const sideNames = namesByNumber(Side, lowerFirst)
export const kindNames = namesByNumber(OrderType, lowerFirst)
export const timeInForceNames = namesByNumber(TimeInForce, (name) => name)
const statusNames = namesByNumber(MarketStatus, lowerFirst)
const kinds = eventNames.map(lowerFirst)
const reasons = cancelReasonNames.map(lowerFirst)
const ops = commandNames.map(lowerFirst)

export function cloidToJson(cloid: bigint): number | string {
  return cloid <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(cloid) : cloid.toString()
}

function cloidAt(words: Int32Array, low: number): number | string {
  return cloidToJson((BigInt(words[low + 1]! >>> 0) << 32n) | BigInt(words[low]! >>> 0))
}

/** The event record at word offset `at`, as the filter prints it. */
export function eventToJson(words: Int32Array, floats: Float64Array, at: number): Record<string, unknown> {
  const float = at >> 1
  const head = words[at]!
  const kind = head & 0xff
  const base = { seq: floats[float + Ev.SEQ_F64]!, event: kinds[kind] }
  const a = floats[float + Ev.AMOUNT_A_F64]!
  const b = floats[float + Ev.AMOUNT_B_F64]!
  const account = words[at + Ev.ACCOUNT]!
  const market = words[at + Ev.MARKET]!
  const lots = words[at + Ev.LOTS]!
  const other = words[at + Ev.OTHER]!
  switch (kind) {
    case EventKind.Accepted:
    case EventKind.Amended:
    case EventKind.Canceled:
    case EventKind.Triggered:
    case EventKind.Refilled:
      return { ...base, ...orderFields(words, floats, at, kind) }
    case EventKind.Rejected:
      return { ...base, ...rejectFields(words, at) }
    case EventKind.Fill:
      return {
        ...base,
        market,
        ticks: words[at + Ev.TICKS]!,
        lots,
        maker: {
          account,
          cloid: cloidAt(words, at + Ev.CLOID_LO),
          orderId: floats[float + Ev.ORDER_ID_F64]!,
          remaining: words[at + Ev.REMAINING]!,
        },
        taker: {
          account: words[at + Ev.COUNTER_ACCOUNT]!,
          cloid: cloidAt(words, at + Ev.COUNTER_CLOID_LO),
          orderId: floats[float + Ev.TAKER_ORDER_ID_F64]!,
          remaining: words[at + Ev.COUNTER_REMAINING]!,
        },
        takerSide: sideNames[((head >> Attr.SIDE_SHIFT) & 1) ^ 1],
        makerFee: a,
        takerFee: b,
      }
    case EventKind.Deposited:
    case EventKind.Withdrawn:
      return { ...base, account, asset: market, units: a }
    case EventKind.Transferred:
      return { ...base, account, to: words[at + Ev.COUNTER_ACCOUNT]!, asset: market, units: a }
    case EventKind.TimeAdvanced:
      return { ...base, ms: a }
    case EventKind.AccountOpened:
      return { ...base, account }
    case EventKind.MarketCreated:
    case EventKind.AssetCreated:
      return kind === EventKind.MarketCreated ? { ...base, market } : { ...base, asset: market }
    case EventKind.MarketStatusChanged:
      return { ...base, market, status: statusNames[other] }
    case EventKind.MarketFeesChanged:
      return {
        ...base,
        market,
        tier: other,
        makerFeePpm: words[at + Ev.COUNTER_ACCOUNT]!,
        takerFeePpm: words[at + Ev.REMAINING]!,
      }
    case EventKind.PriceBandChanged:
      return { ...base, market, bandPpm: other }
    case EventKind.TierChanged:
      return { ...base, account, tier: other }
    case EventKind.CancelAfterSet:
      return { ...base, account, ms: a }
    case EventKind.ProtectionChanged:
      return { ...base, account, market, windowMs: other, fills: lots, notional: a }
    case EventKind.ProtectionTriggered:
      return { ...base, account, market }
    case EventKind.CanceledAll:
      return { ...base, account, orders: lots }
    default:
      return base
  }
}

function orderFields(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  kind: number,
): Record<string, unknown> {
  const float = at >> 1
  const head = words[at]!
  const total = words[at + Ev.LOTS]!
  const remaining = words[at + Ev.REMAINING]!
  const order = {
    account: words[at + Ev.ACCOUNT]!,
    market: words[at + Ev.MARKET]!,
    cloid: cloidAt(words, at + Ev.CLOID_LO),
    orderId: floats[float + Ev.ORDER_ID_F64]!,
    side: sideNames[(head >> Attr.SIDE_SHIFT) & 1],
    kind: kindNames[(head >> Attr.TYPE_SHIFT) & 7],
    ticks: words[at + Ev.TICKS]!,
  }
  switch (kind) {
    case EventKind.Canceled:
      return { ...order, reason: reasons[words[at + Ev.CODE]!], lots: remaining, total }
    case EventKind.Refilled:
      return { ...order, lots: words[at + Ev.COUNTER_REMAINING]!, remaining }
    case EventKind.Amended:
      return { ...order, lots: total, remaining, keptPlace: words[at + Ev.CODE] === 1 }
    default:
      return { ...order, lots: total, remaining, tif: timeInForceNames[(head >> Attr.TIF_SHIFT) & 7] }
  }
}

/** What was rejected. An id that is none (negative inside: it was no id on its line) is left out. */
function rejectFields(words: Int32Array, at: number): Record<string, unknown> {
  const code = words[at + Ev.CODE]!
  const op = words[at + Ev.OTHER]!
  const account = words[at + Ev.ACCOUNT]!
  const market = words[at + Ev.MARKET]!
  const named = op >= 1 && op <= 3
  return {
    code,
    name: rejectNames[code],
    op: ops[op],
    ...(account >= 0 ? { account } : {}),
    ...(named && market >= 0 ? { market } : {}),
    ...(named && code !== Reject.BadClientOrderId ? { cloid: cloidAt(words, at + Ev.CLOID_LO) } : {}),
  }
}
