/**
 * The engine's event records as JSON objects of the filter. Every event carries `seq` (of its command)
 * and `event`; a client order id is a number while a double holds it, else a string of digits.
 */
import {
  CommandKind,
  type EventRecord,
  CancelOnlyReason,
  MarketStatus,
  OrderType,
  Reject,
  Side,
  TimeInForce,
  cancelReasonNames,
  commandNames,
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
/** Why the whole exchange takes cancels only, by names. */
const reasonsOf = (bits: number): string[] =>
  Object.entries(CancelOnlyReason)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => lowerFirst(name))
const statusNames = namesByNumber(MarketStatus, lowerFirst)
const reasons = cancelReasonNames.map(lowerFirst)
const ops = commandNames.map(lowerFirst)

export function cloidToJson(cloid: bigint): number | string {
  return cloid <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(cloid) : cloid.toString()
}

/** An event record as the filter prints it. */
export function eventToJson(event: EventRecord): Record<string, unknown> {
  const base = { seq: event.seq, event: lowerFirst(event.name) }
  switch (event.name) {
    case 'Accepted':
    case 'Amended':
    case 'Canceled':
    case 'Triggered':
    case 'Refilled':
      return { ...base, ...orderFields(event) }
    case 'Rejected':
      return { ...base, ...rejectFields(event) }
    case 'Fill':
      return {
        ...base,
        market: event.market,
        ticks: event.ticks,
        lots: event.lots,
        maker: {
          account: event.makerAccount,
          cloid: cloidToJson(event.makerCloid),
          orderId: event.makerOrderId,
          remaining: event.makerRemaining,
        },
        taker: {
          account: event.takerAccount,
          cloid: cloidToJson(event.takerCloid),
          orderId: event.takerOrderId,
          remaining: event.takerRemaining,
        },
        takerSide: sideNames[event.makerSide ^ 1],
        makerFee: event.makerFee,
        takerFee: event.takerFee,
      }
    case 'Deposited':
      return { ...base, account: event.account, asset: event.asset, units: event.units }
    case 'Withdrawn':
      return { ...base, account: event.account, asset: event.asset, units: event.units, fee: event.fee }
    case 'Transferred':
      return { ...base, account: event.account, to: event.receiver, asset: event.asset, units: event.units }
    case 'TimeAdvanced':
      return { ...base, ms: event.timeMs }
    case 'AccountOpened':
      return { ...base, account: event.account }
    case 'MarketCreated':
      return { ...base, market: event.market }
    case 'AssetCreated':
    case 'WithdrawTermsChanged': {
      const { asset, withdrawMin, withdrawFee } = event
      return { ...base, asset, withdrawMin, withdrawFee }
    }
    case 'ExchangeStatusChanged':
      return { ...base, reasons: reasonsOf(event.reasons) }
    case 'MarketStatusChanged':
      return { ...base, market: event.market, status: statusNames[event.status] }
    case 'MarketFeesChanged': {
      const { market, tier, makerFeePpm, takerFeePpm } = event
      return { ...base, market, tier, makerFeePpm, takerFeePpm }
    }
    case 'PriceBandChanged':
      return { ...base, market: event.market, bandPpm: event.bandPpm }
    case 'TierChanged':
      return { ...base, account: event.account, tier: event.tier }
    case 'CancelAfterSet':
      return { ...base, account: event.account, ms: event.atMs }
    case 'ProtectionChanged': {
      const { account, market, windowMs, fills, notionalUnits } = event
      return { ...base, account, market, windowMs, fills, notional: notionalUnits }
    }
    case 'ProtectionTriggered':
      return { ...base, account: event.account, market: event.market }
    case 'CanceledAll':
      return { ...base, account: event.account, orders: event.orders }
    default:
      return base
  }
}

function orderFields(
  event: EventRecord<'Accepted' | 'Amended' | 'Canceled' | 'Triggered' | 'Refilled'>,
): Record<string, unknown> {
  const { lots, remaining } = event
  const order = {
    account: event.account,
    market: event.market,
    cloid: cloidToJson(event.cloid),
    orderId: event.orderId,
    side: sideNames[event.side],
    kind: kindNames[event.orderType],
    ticks: event.ticks,
  }
  switch (event.name) {
    case 'Canceled':
      return { ...order, reason: reasons[event.reason], lots: remaining, total: lots }
    case 'Refilled':
      return { ...order, lots: event.shownLots, remaining }
    case 'Amended':
      return { ...order, lots, remaining, keptPlace: event.keptPlace }
    default:
      return { ...order, lots, remaining, tif: timeInForceNames[event.timeInForce] }
  }
}

/** What was rejected. An id that is none (negative inside: it was no id on its line) is left out. */
function rejectFields({
  code,
  command,
  account,
  subject,
  cloid,
}: EventRecord<'Rejected'>): Record<string, unknown> {
  const namesOrder = command >= CommandKind.Place && command <= CommandKind.Cancel
  return {
    code,
    name: rejectNames[code],
    op: ops[command],
    ...(account >= 0 ? { account } : {}),
    ...(namesOrder && subject >= 0 ? { market: subject } : {}),
    ...(namesOrder && code !== Reject.BadClientOrderId ? { cloid: cloidToJson(cloid) } : {}),
  }
}
