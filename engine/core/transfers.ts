/**
 * Money that moves outside of trades: deposits, withdrawals, transfers between one owner's accounts.
 *
 * A deposit from the chain carries its index in the chain's queue and is taken only in order, once. One that
 * cannot be kept (a table is full, a balance would reach 2^53, the asset is not listed here) must not hold up the
 * deposits behind it: it is consumed and withdrawn in the same command, so that its owner can claim it, and the
 * Withdrawn event names the reason.
 *
 * A withdrawal that the account's owner asks for, by his wallet or a frame, costs the asset's fee beyond its units:
 * each one costs the operator a claim on the chain. The fee comes on top, so what arrives on the chain is what was
 * signed, to the unit; it is never above what the owner accepted with it. What the operator takes out, forced or not,
 * has no minimum and no fee: a request on the chain must be served in full, and nobody has signed a fee.
 * Called by engine.ts.
 */
import { CancelReason, EventKind, Reject } from '../codes.js'
import { DepositCmd, DepositedEv, TransferCmd, TransferredEv, WithdrawCmd, WithdrawnEv } from '../layout.js'
import { ACCOUNTS_MAX, ASSETS_MAX, UNITS_END } from '../limits.js'
import { ACCOUNT_NUMBERS, AccountNumber, OWNER_WORDS } from './money/ledger.js'
import { Counter, type State } from './state/state.js'
import { Clock } from './base/clock-places.js'
import { isOperators, walletReject } from './sessions/wallet-consent.js'

/** Reject of an amount that is no whole number of units from 1 to 2^53 - 1, or 0. */
export function checkUnits(units: number): number {
  if (!(units < UNITS_END)) return Number.isNaN(units) ? Reject.NotAnInteger : Reject.UnitsOverLimit
  if (!Number.isInteger(units)) return Reject.NotAnInteger
  if (units === 0) return Reject.ZeroUnits
  return units < 0 ? Reject.NegativeUnits : Reject.None
}

/** Deposit; opens an account that nobody opened. Returns a Reject. */
export function deposit(state: State, words: Int32Array, floats: Float64Array, at: number): number {
  const { ledger, counters } = state
  const account = words[at + DepositCmd.ACCOUNT]!
  const asset = words[at + DepositCmd.ASSET]!
  const units = floats[(at >> 1) + DepositCmd.UNITS_F64]!
  const fromChain = words[at + DepositCmd.FROM_CHAIN] === 1
  const position = floats[(at >> 1) + DepositCmd.QUEUE_INDEX_F64]!
  if (account < 0 || account >= ACCOUNTS_MAX) return Reject.UnknownAccount
  if (asset < 0 || asset >= ASSETS_MAX) return Reject.UnknownAsset
  if (fromChain && position !== counters[Counter.DEPOSITS_CONSUMED]) return Reject.DepositOutOfOrder
  const code = checkUnits(units)
  if (code !== Reject.None) return code
  const obstacle = keepsFrom(state, account, asset, units)
  if (obstacle !== Reject.None) {
    if (!fromChain) return obstacle
    depositedEvent(state, account, asset, units, position)
    counters[Counter.DEPOSITS_CONSUMED]!++
    const event = moneyEvent(state, EventKind.Withdrawn, account, asset, units)
    state.events.words[event + WithdrawnEv.CODE] = obstacle
    return Reject.None
  }
  const row = ledger.findOrAdd(account, asset)

  if (!ledger.isOpen(account)) ledger.open(account)
  ledger.values[2 * row]! += units
  ledger.changeSupply(asset, units)
  if (fromChain) counters[Counter.DEPOSITS_CONSUMED]!++
  depositedEvent(state, account, asset, units, fromChain ? position : -1)
  return Reject.None
}

/** The Reject for which an account cannot hold `units` more of an asset, or 0. */
function keepsFrom(state: State, account: number, asset: number, units: number): number {
  const { ledger } = state
  if (!state.markets.hasAsset(asset)) return Reject.UnknownAsset
  if (account >= ledger.accountsMax) return Reject.AccountsFull
  const row = ledger.isOpen(account) ? ledger.find(account, asset) : -1
  const held = row < 0 ? 0 : ledger.values[2 * row]! + ledger.values[2 * row + 1]!
  if (held + units >= UNITS_END) return Reject.BalanceOverLimit
  return row < 0 && ledger.rows === ledger.rowsMax ? Reject.BalancesFull : Reject.None
}

/** Deposited; `position` = its place in the chain's queue, -1 = not from the chain. */
function depositedEvent(state: State, account: number, asset: number, units: number, position: number): void {
  const event = moneyEvent(state, EventKind.Deposited, account, asset, units)
  if (position < 0) return
  state.events.words[event + DepositedEv.FROM_CHAIN] = 1
  state.events.floats[(event >> 1) + DepositedEv.QUEUE_INDEX_F64] = position
}

/**
 * Withdraw: takes available units out at once; a wallet, a frame or the operator answers for it. The operator's own,
 * when forced by a request on the chain (`forced`), of more than is available, cancels the account's orders and pays
 * what they free, in following Time commands too; until then the account places nothing. Returns a Reject.
 */
export function withdraw(state: State, words: Int32Array, floats: Float64Array, at: number): number {
  const { ledger } = state
  const account = words[at + WithdrawCmd.ACCOUNT]!
  const asset = words[at + WithdrawCmd.ASSET]!
  const asked = floats[(at >> 1) + WithdrawCmd.UNITS_F64]!
  if (!state.markets.hasAsset(asset)) return Reject.UnknownAsset
  if (!ledger.isOpen(account)) return Reject.UnknownAccount
  const code = checkUnits(asked)
  if (code !== Reject.None) return code
  const byOperator = state.sessions.left === 0 && isOperators(words[at]!)
  const byWallet = state.sessions.left === 0 && !byOperator
  const isForced = byOperator && words[at + WithdrawCmd.FORCED] === 1
  const nonce = byWallet ? floats[(at >> 1) + WithdrawCmd.NONCE_F64]! : 0
  if (byWallet) {
    const deadlineMs = floats[(at >> 1) + WithdrawCmd.DEADLINE_MS_F64]!
    const last = ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.WITHDRAWAL_NONCE]!
    const timeMs = state.clock[Clock.TIME]!
    const refused = walletReject(nonce, deadlineMs, last, timeMs, Reject.WithdrawalNonceUsed)
    if (refused !== Reject.None) return refused
  }
  const row = ledger.find(account, asset)
  const available = row < 0 ? 0 : ledger.values[2 * row]!
  if (isForced && row >= 0 && available < asked && available + ledger.values[2 * row + 1]! > 0) {
    const reason = CancelReason.CancelAll
    const everything = { account, market: -1, side: -1, reason, haltedToo: true }
    state.trading.massCancels.begin(everything, state.clock[Clock.SEQ]!, asset, asked)
    return Reject.None
  }
  let fee = 0
  if (!byOperator) {
    const refused = checkTerms(state, asset, asked, floats[(at >> 1) + WithdrawCmd.MAX_FEE_F64]!)
    if (refused !== Reject.None) return refused
    fee = feeOf(state, asset)
  }
  if (available < asked + fee) return Reject.InsufficientFunds
  if (byWallet) ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.WITHDRAWAL_NONCE] = nonce
  takeOut(state, row, account, asset, asked, fee, nonce)
  return Reject.None
}

/** Reject of an amount, or of the fee that goes with it, by the asset's terms; or 0. */
function checkTerms({ markets }: State, asset: number, units: number, maxFee: number): number {
  const code = maxFee === 0 ? Reject.None : checkUnits(maxFee)
  if (code !== Reject.None) return code
  if (units < markets.withdrawMin[asset]!) return Reject.WithdrawBelowMin
  return maxFee < markets.withdrawFee[asset]! ? Reject.WithdrawFeeNotAccepted : Reject.None
}

/**
 * Units that a withdrawal costs now: the asset's fee, or what the fee account can still hold of it, for nobody's way
 * out may depend on that.
 */
function feeOf({ markets, ledger, feeAccount }: State, asset: number): number {
  const fee = markets.withdrawFee[asset]!
  if (fee === 0) return 0
  const row = ledger.find(feeAccount, asset)
  return Math.min(fee, UNITS_END - 1 - ledger.values[2 * row]! - ledger.values[2 * row + 1]!)
}

/** Pays what is available of an asset, at most `units`; returns what it paid. For forced withdrawals. */
export function payAvailable(state: State, account: number, asset: number, units: number): number {
  const row = state.ledger.find(account, asset)
  const paid = row < 0 ? 0 : Math.min(units, state.ledger.values[2 * row]!)
  if (paid > 0) takeOut(state, row, account, asset, paid, 0, 0)
  return paid
}

/** Withdrawn, and its fee goes to the fee account; `nonce` = the wallet's, 0 when no wallet was asked. */
function takeOut(
  state: State,
  row: number,
  account: number,
  asset: number,
  units: number,
  fee: number,
  nonce: number,
): void {
  const { ledger } = state
  ledger.values[2 * row]! -= units + fee
  if (fee > 0) ledger.values[2 * ledger.find(state.feeAccount, asset)]! += fee
  ledger.changeSupply(asset, -units)
  const event = moneyEvent(state, EventKind.Withdrawn, account, asset, units)
  state.events.floats[(event >> 1) + WithdrawnEv.NONCE_F64] = nonce
  state.events.floats[(event >> 1) + WithdrawnEv.FEE_F64] = fee
}

/** Transfer between two accounts of the same owner. Returns a Reject. */
export function transfer(state: State, words: Int32Array, floats: Float64Array, at: number): number {
  const { ledger } = state
  const account = words[at + TransferCmd.ACCOUNT]!
  const receiver = words[at + TransferCmd.RECEIVER]!
  const asset = words[at + TransferCmd.ASSET]!
  const units = floats[(at >> 1) + TransferCmd.UNITS_F64]!
  if (!state.markets.hasAsset(asset)) return Reject.UnknownAsset
  if (!ledger.isOpen(account) || !ledger.isOpen(receiver)) return Reject.UnknownAccount
  if (account === receiver) return Reject.SameAccount
  for (let word = 0; word < OWNER_WORDS; word++) {
    const from = ledger.owners[account * OWNER_WORDS + word]
    if (from !== ledger.owners[receiver * OWNER_WORDS + word]) return Reject.NotOwner
  }
  const code = checkUnits(units)
  if (code !== Reject.None) return code
  const row = ledger.find(account, asset)
  if (row < 0 || ledger.values[2 * row]! < units) return Reject.InsufficientFunds
  const known = ledger.find(receiver, asset)
  const held = known < 0 ? 0 : ledger.values[2 * known]! + ledger.values[2 * known + 1]!
  if (held + units >= UNITS_END) return Reject.BalanceOverLimit
  const to = ledger.findOrAdd(receiver, asset)
  if (to < 0) return Reject.BalancesFull

  ledger.values[2 * row]! -= units
  ledger.values[2 * to]! += units
  const event = moneyEvent(state, EventKind.Transferred, account, asset, units)
  state.events.words[event + TransferredEv.RECEIVER] = receiver
  return Reject.None
}

/** Deposited, Withdrawn or Transferred: they have account, asset and units in the same places. */
function moneyEvent(state: State, kind: number, account: number, asset: number, units: number): number {
  const event = state.events.next(kind, state.clock)
  state.events.words[event + DepositedEv.ASSET] = asset
  state.events.words[event + DepositedEv.ACCOUNT] = account
  state.events.floats[(event >> 1) + DepositedEv.UNITS_F64] = units
  return event
}
