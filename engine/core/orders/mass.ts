/**
 * Commands about many orders of an account at once: cancel all, and market-maker protection.
 * Called by engine.ts.
 */
import { CancelReason, EventKind, Reject } from '../../codes.js'
import {
  CancelAllCmd,
  CanceledAllEv,
  ProtectionChangedEv,
  ResetProtectionCmd,
  SetProtectionCmd,
} from '../../layout.js'
import { PROTECTIONS_OF_ACCOUNT, UNITS_END } from '../../limits.js'
import { checkDeadline } from './shared-checks.js'
import { Clock } from '../base/clock-places.js'
import type { Trading } from './trading.js'

/** CancelAll: every market or one, both sides or one. Returns a Reject. */
export function cancelAllOrders(
  trading: Trading,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): number {
  const account = words[at + CancelAllCmd.ACCOUNT]!
  const market = words[at + CancelAllCmd.MARKET]!
  const side = words[at + CancelAllCmd.SIDE]!
  const wantedReason = words[at + CancelAllCmd.REASON]!
  if (market !== -1 && !trading.markets.has(market)) return Reject.UnknownMarket
  if (!trading.ledger.isOpen(account)) return Reject.UnknownAccount
  const late = checkDeadline(floats[(at >> 1) + CancelAllCmd.DEADLINE_MS_F64]!, trading.clock[Clock.TIME]!)
  if (late !== Reject.None) return late
  if (market !== -1 && trading.markets.isHalted(market)) return Reject.MarketHalted
  if (side < -1 || side > 1) return Reject.BadSide
  const reason = wantedReason === CancelReason.Disconnect ? CancelReason.Disconnect : CancelReason.CancelAll
  // A lost connection, or a forced withdrawal: nobody who could be told that there is no room, or try again.
  const isOperators = wantedReason !== 0
  const wanted = { account, market, side, reason, haltedToo: isOperators }
  const { massCancels } = trading
  if (!isOperators && !massCancels.hasRoom(wanted)) return Reject.MassCancelsFull
  const isRestLeft = massCancels.begin(wanted, trading.clock[Clock.SEQ]!)
  const event = trading.events.next(EventKind.CanceledAll, trading.clock)
  const out = trading.events.words
  out[event + CanceledAllEv.MARKET] = market
  out[event + CanceledAllEv.ACCOUNT] = account
  out[event + CanceledAllEv.ORDERS] = massCancels.cancelled
  out[event + CanceledAllEv.REST_FOLLOWS] = isRestLeft ? 1 : 0
  out[event + CanceledAllEv.SIDE] = side
  return Reject.None
}

/** SetProtection: bounds of an account's fills in a market; no bound at all = off. Returns a Reject. */
export function setProtection(trading: Trading, words: Int32Array, floats: Float64Array, at: number): number {
  const { protections } = trading
  const account = words[at + SetProtectionCmd.ACCOUNT]!
  const market = words[at + SetProtectionCmd.MARKET]!
  const windowMs = words[at + SetProtectionCmd.WINDOW_MS]!
  const fills = words[at + SetProtectionCmd.FILLS]!
  const notional = floats[(at >> 1) + SetProtectionCmd.NOTIONAL_UNITS_F64]!
  if (!trading.markets.has(market)) return Reject.UnknownMarket
  if (!trading.ledger.isOpen(account)) return Reject.UnknownAccount
  if (!(fills >= 0 && Number.isInteger(notional) && notional >= 0 && notional < UNITS_END))
    return Reject.BadProtection
  const off = fills === 0 && notional === 0
  if (off ? windowMs !== 0 : windowMs < 1) return Reject.BadProtection
  if (off) protections.clear(account, market)
  else {
    const known = protections.find(account, market) >= 0
    if (!known && (protections.full || protections.countOf(account) >= PROTECTIONS_OF_ACCOUNT))
      return Reject.ProtectionsFull
    protections.set(account, market, windowMs, fills, notional)
  }
  changed(trading, account, market, windowMs, fills, notional)
  return Reject.None
}

/** ResetProtection: unfreezes the account in the market. Returns a Reject. */
export function resetProtection(trading: Trading, words: Int32Array, at: number): number {
  const account = words[at + ResetProtectionCmd.ACCOUNT]!
  const market = words[at + ResetProtectionCmd.MARKET]!
  if (!trading.markets.has(market)) return Reject.UnknownMarket
  if (!trading.ledger.isOpen(account)) return Reject.UnknownAccount
  const entry = trading.protections.find(account, market)
  if (entry < 0) return Reject.BadProtection
  trading.protections.reset(entry)
  const { windowMs, fillsMax, notionalMax } = trading.protections.state(entry)
  changed(trading, account, market, windowMs, fillsMax, notionalMax)
  return Reject.None
}

function changed(
  trading: Trading,
  account: number,
  market: number,
  windowMs: number,
  fills: number,
  notional: number,
): void {
  const event = trading.events.next(EventKind.ProtectionChanged, trading.clock)
  const out = trading.events.words
  out[event + ProtectionChangedEv.MARKET] = market
  out[event + ProtectionChangedEv.ACCOUNT] = account
  out[event + ProtectionChangedEv.FILLS] = fills
  out[event + ProtectionChangedEv.WINDOW_MS] = windowMs
  trading.events.floats[(event >> 1) + ProtectionChangedEv.NOTIONAL_UNITS_F64] = notional
}
