/**
 * The checks that several commands make alike: prices, sizes, moments, display sizes. In which order a command is checked:
 * place.ts, amend.ts. Called by these, mass.ts and clock.ts.
 */
import { MarketStatus, Reject } from '../../codes.js'
import { INT_NOT_AN_INTEGER, INT_OVER_LIMIT } from '../../layout.js'
import { EXCHANGE_CANCEL_ONLY } from '../book/markets.js'
import { DEADLINE_AHEAD_MS_MAX, EXPIRY_AHEAD_MS_MAX, ICEBERG_PARTS_MAX, TIME_MS_END } from '../../limits.js'

/** Reject of a price that is not 1 to TICKS_MAX, or 0. */
export function checkTicks(ticks: number): number {
  if (ticks > 0) return Reject.None
  if (ticks === 0) return Reject.ZeroTicks
  if (ticks === INT_OVER_LIMIT) return Reject.TicksOverLimit
  return ticks === INT_NOT_AN_INTEGER ? Reject.NotAnInteger : Reject.NegativeTicks
}

/** Reject of a size that is not 1 to LOTS_MAX, or 0. */
export function checkLots(lots: number): number {
  if (lots > 0) return Reject.None
  if (lots === 0) return Reject.ZeroLots
  if (lots === INT_OVER_LIMIT) return Reject.LotsOverLimit
  return lots === INT_NOT_AN_INTEGER ? Reject.NotAnInteger : Reject.NegativeLots
}

/** Reject of a market that takes no new interest now, or 0. */
export function checkStatus(status: number): number {
  if (status === MarketStatus.Active) return Reject.None
  if (status === EXCHANGE_CANCEL_ONLY) return Reject.ExchangeCancelOnly
  return status === MarketStatus.Halted ? Reject.MarketHalted : Reject.MarketCancelOnly
}

/** Reject of a command's deadline (0 = none) that engine time has passed, or that is no moment of its next day. */
export function checkDeadline(deadlineMs: number, timeMs: number): number {
  if (deadlineMs === 0) return Reject.None
  if (!(deadlineMs >= timeMs)) return Reject.DeadlinePassed
  return deadlineMs > timeMs + DEADLINE_AHEAD_MS_MAX ? Reject.DeadlineTooFar : Reject.None
}

/** True when an iceberg of `lots` may show `displayLots` at a time. */
export function displayIsValid(displayLots: number, lots: number): boolean {
  return displayLots >= 1 && displayLots <= lots && displayLots * ICEBERG_PARTS_MAX >= lots
}

/** True for a moment that engine time has not reached and will reach within a year. */
export function expiryIsValid(expiresAtMs: number, timeMs: number): boolean {
  return (
    Number.isInteger(expiresAtMs) &&
    expiresAtMs > timeMs &&
    expiresAtMs <= timeMs + EXPIRY_AHEAD_MS_MAX &&
    expiresAtMs < TIME_MS_END
  )
}
