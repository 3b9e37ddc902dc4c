/**
 * Commands about many orders of an account at once: cancel all, and market-maker protection.
 * Called by engine.ts.
 */
import { CancelReason, EventKind, Reject } from '../../codes.js'
import { Cmd, Ev } from '../../layout.js'
import { PROTECTIONS_OF_ACCOUNT, UNITS_END } from '../../limits.js'
import { checkDeadline } from './place.js'
import { Clock, type Trading } from './trading.js'

/** CancelAll: every market or one, both sides or one. Returns a Reject. */
export function cancelAllOrders(
  trading: Trading,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): number {
  const account = words[at + Cmd.ACCOUNT]!
  const market = words[at + Cmd.MARKET]!
  const side = words[at + Cmd.OTHER]!
  const wantedReason = words[at + Cmd.LOTS]!
  if (market !== -1 && !trading.markets.has(market)) return Reject.UnknownMarket
  if (!trading.ledger.isOpen(account)) return Reject.UnknownAccount
  const late = checkDeadline(floats[(at >> 1) + Cmd.DEADLINE_F64]!, trading.clock[Clock.TIME]!)
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
  out[event + Ev.MARKET] = market
  out[event + Ev.ACCOUNT] = account
  out[event + Ev.LOTS] = massCancels.cancelled
  out[event + Ev.COUNTER_REMAINING] = isRestLeft ? 1 : 0
  out[event + Ev.OTHER] = side
  return Reject.None
}

/** SetProtection: bounds of an account's fills in a market; no bound at all = off. Returns a Reject. */
export function setProtection(trading: Trading, words: Int32Array, floats: Float64Array, at: number): number {
  const { protections } = trading
  const account = words[at + Cmd.ACCOUNT]!
  const market = words[at + Cmd.MARKET]!
  const windowMs = words[at + Cmd.OTHER]!
  const fills = words[at + Cmd.LOTS]!
  const notional = floats[(at >> 1) + Cmd.AMOUNT_F64]!
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
  const account = words[at + Cmd.ACCOUNT]!
  const market = words[at + Cmd.MARKET]!
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
  out[event + Ev.MARKET] = market
  out[event + Ev.ACCOUNT] = account
  out[event + Ev.LOTS] = fills
  out[event + Ev.OTHER] = windowMs
  trading.events.floats[(event >> 1) + Ev.AMOUNT_A_F64] = notional
}
