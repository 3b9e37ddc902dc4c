/**
 * Whether a wallet's message may act: its nonce is new and near, its deadline not passed and near. Who
 * answers for a command outside of frames is said by the command itself: the operator's bit, or a wallet's
 * nonce from 1 up. There is no nonce that means "none". Called by sessions.ts and transfers.ts.
 */
import { Reject } from '../../codes.js'
import { WithdrawCmd } from '../../layout.js'
import { UNITS_END, WALLET_AHEAD_MS } from '../../limits.js'

/** True when the operator, or the program around the engine, answers for the Withdraw or RevokeSession. */
export const isOperators = (head: number): boolean => ((head >>> WithdrawCmd.OPERATOR_SHIFT) & 1) === 1

/** Reject of a wallet's nonce and deadline at `timeMs`, or 0. `used` is the reject of a nonce not above `last`. */
export function walletReject(
  nonce: number,
  deadlineMs: number,
  last: number,
  timeMs: number,
  used: number,
): number {
  if (!(Number.isInteger(deadlineMs) && deadlineMs >= 1 && deadlineMs < UNITS_END)) return Reject.BadDeadline
  if (deadlineMs > timeMs + WALLET_AHEAD_MS) return Reject.BadDeadline
  if (deadlineMs < timeMs) return Reject.DeadlinePassed
  if (!(Number.isInteger(nonce) && nonce >= 1 && nonce < UNITS_END)) return Reject.BadNonce
  if (nonce > (timeMs + WALLET_AHEAD_MS) * 1000) return Reject.NonceTooFarAhead
  return nonce <= last ? used : Reject.None
}
