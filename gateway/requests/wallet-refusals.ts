/**
 * Why the engine refused what a wallet has signed (an approval, a revocation, a withdrawal): one sentence with
 * the value, the bound and what to do. Called by session-requests.ts.
 *
 * Each reject that such a command can get has its sentence; the tests ask for the common ones.
 */
import { Reject } from '../../engine/codes.js'
import { UNITS_END, WALLET_AHEAD_MS } from '../../engine/limits.js'

/** What was signed, and what is known about it when it is refused. */
export interface WalletWords {
  readonly account: number
  readonly nonce: number
  readonly deadlineMs: number
  /** Highest nonce of this row that the account has used. */
  readonly highestNonce: number
  /** Engine time. */
  readonly timeMs: number
  readonly approval?: number
  readonly expiresAtMs?: number
  readonly asset?: number
  /** Of the asset, where there is such an asset. */
  readonly symbol?: string | undefined
  readonly units?: number
  /** Units that a withdrawal's owner accepts as its fee. */
  readonly maxFee?: number
  /** Units that a withdrawal of the asset costs now. */
  readonly fee?: number
  /** Who carries the message may read the account's balances: others hear of none of them. */
  readonly mayRead?: boolean
}

const SENTENCES: Readonly<Record<number, (words: WalletWords, bound: number) => string>> = {
  [Reject.UnknownAccount]: ({ account }) =>
    `account ${account} is not open; deposit on the chain first, and wait until it is credited`,
  [Reject.UnknownAsset]: ({ asset }) => `asset ${asset} does not exist; see markets`,
  [Reject.UnknownSession]: ({ account, approval }) =>
    `account ${account} has no live session ${approval}; see sessions for those that it has`,
  [Reject.SessionScope]: () => 'scopes 0 allow nothing; add up Read 1, Trade 2 and WithdrawRequest 4',
  [Reject.BadExpiry]: ({ expiresAtMs, timeMs }) =>
    `expiresAtMs ${expiresAtMs} is not after engine time ${timeMs}; sign a later one, in ms since 1970`,
  [Reject.SessionLifetimeOverLimit]: ({ expiresAtMs }, bound) =>
    `expiresAtMs ${expiresAtMs} is above ${bound}, as long after engine time as a session may live; sign an earlier one`,
  [Reject.BadDeadline]: ({ deadlineMs, timeMs }) =>
    `deadlineMs ${deadlineMs} is above ${timeMs + WALLET_AHEAD_MS}, a day after engine time; sign an earlier one`,
  [Reject.DeadlinePassed]: ({ deadlineMs, timeMs }) =>
    `deadlineMs ${deadlineMs} is before engine time ${timeMs}; nothing was done: sign it again with a later one`,
  [Reject.BadNonce]: ({ nonce }) =>
    `nonce ${nonce} is not a whole number from 1 up; sign it again with another`,
  [Reject.NonceTooFarAhead]: ({ nonce, timeMs }) =>
    `nonce ${nonce} is above ${(timeMs + WALLET_AHEAD_MS) * 1000}, (engine time in ms + a day) * 1000; sign it again with a lower one`,
  [Reject.ApprovalNonceUsed]: ({ nonce, highestNonce }) =>
    `nonce ${nonce} is not above ${highestNonce}, the highest of this account's approvals and revocations; sign it again with a higher one`,
  [Reject.WithdrawalNonceUsed]: ({ nonce, highestNonce }) =>
    `nonce ${nonce} is not above ${highestNonce}, the highest of this account's withdrawals; ask withdrawal whether it was taken, or sign it again with a higher one`,
  [Reject.SessionsFull]: () => 'the exchange has room for no more sessions; revoke one of yours first',
  [Reject.AccountSessionsFull]: ({ account }) =>
    `account ${account} has as many live sessions as it may; revoke one first`,
  [Reject.ZeroUnits]: () => 'units is 0; sign for at least 1',
  [Reject.WithdrawBelowMin]: ({ asset, symbol, units }, bound) =>
    `units is ${units}, below ${bound}, the least of ${symbol ?? `asset ${asset}`} that a withdrawal takes out; withdraw more at once, or ask for a forced withdrawal on the chain`,
  [Reject.WithdrawFeeNotAccepted]: ({ asset, symbol, maxFee }, bound) =>
    `maxFee is ${maxFee}, below ${bound}, the fee of a withdrawal of ${symbol ?? `asset ${asset}`} in units; see markets, and sign for it`,
  [Reject.InsufficientFunds]: ({ account, asset, symbol, units, fee = 0, mayRead }, bound) => {
    const what = `units of ${symbol ?? `asset ${asset}`} available`
    const asked = fee === 0 ? `${units}` : `${units} and the fee of ${fee}`
    const has = mayRead === true ? `${bound} ${what}, less than ${asked}` : `fewer than ${asked} ${what}`
    return `account ${account} has ${has}; see balances, cancel orders that reserve some, or withdraw less`
  },
}

/** The sentence of `reject`; its own number where it has none. `bound` is what the engine's event tells of it. */
export function walletRefusal(reject: number, words: WalletWords, bound = 0): string {
  return SENTENCES[reject]?.(words, bound) ?? `the engine refused it with reject ${reject}`
}

const isWholeFrom1 = (value: number): boolean => Number.isInteger(value) && value >= 1 && value < UNITS_END

/**
 * The reject that the engine would give to a message's deadline and nonce by what is known here, or 0: what is
 * over costs no check of its signature (docs/internals/engine-rules-sessions.md, "Wallet check").
 */
export function staleReject(
  { nonce, deadlineMs, highestNonce, timeMs }: WalletWords,
  row: 'approval' | 'withdrawal',
): number {
  if (!isWholeFrom1(deadlineMs) || deadlineMs > timeMs + WALLET_AHEAD_MS) return Reject.BadDeadline
  if (deadlineMs < timeMs) return Reject.DeadlinePassed
  if (!isWholeFrom1(nonce)) return Reject.BadNonce
  if (nonce > (timeMs + WALLET_AHEAD_MS) * 1000) return Reject.NonceTooFarAhead
  if (nonce > highestNonce) return Reject.None
  return row === 'approval' ? Reject.ApprovalNonceUsed : Reject.WithdrawalNonceUsed
}
