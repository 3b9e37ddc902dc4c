/**
 * Commands by position, for whoever writes many of few kinds: `writeCommand` of records/access.ts, which writes any kind
 * by the names of its fields, with an account, a market, prices and sizes in a row. Nothing is checked: the engine
 * judges. A client order id is given as its low and high 32 bits.
 *
 * A leaf module: gateway, settlement, SDK tests, benchmarks and embedders may all use it.
 */
import { PostOnly, Stp, TimeInForce, type OrderType, type Side } from './codes.js'
import { readField, writeCommand } from './records/access.js'
import { commandTable } from './records/command-table.js'

const cloidOf = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
/** Of a kind that has no doubles. */
const floatsOf = (words: Int32Array): Float64Array =>
  new Float64Array(words.buffer, words.byteOffset, words.length >> 1)

/** What a Place may say beyond side, price and size. */
export interface PlaceOptions {
  /** Limit unless given. */
  readonly type?: OrderType
  /** GTC unless given; a market order is IOC. */
  readonly timeInForce?: TimeInForce
  readonly postOnly?: PostOnly
  /** Self-trade prevention: cancelTaker unless given. */
  readonly stp?: Stp
  readonly triggerTicks?: number
  /** Lots that an iceberg shows; 0 = all. */
  readonly displayLots?: number
  /** Quote units that a market buy may spend; 0 = bounded by its price alone. */
  readonly quoteBudget?: number
  /** GTD: engine time in ms at which it is cancelled. */
  readonly expiresAtMs?: number
  /** Engine time in ms after which the command is rejected; 0 = none. */
  readonly deadlineMs?: number
}

/** Place: `ticks` is the limit, or the protection price of a market order. */
export function writePlace(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  market: number,
  side: Side,
  ticks: number,
  lots: number,
  cloidLow: number,
  cloidHigh = 0,
  options: PlaceOptions = {},
): void {
  const { type, timeInForce, postOnly, stp, ...rest } = options
  writeCommand(words, floats, at, 'Place', {
    account,
    market,
    side,
    ticks,
    lots,
    cloid: cloidOf(cloidLow, cloidHigh),
    orderType: type,
    timeInForce: timeInForce ?? TimeInForce.GTC,
    postOnly: postOnly ?? PostOnly.None,
    stp: stp ?? Stp.CancelTaker,
    ...rest,
  })
}

/** What an Amend may change beyond price and total size; 0 leaves it as it is. */
export interface AmendOptions {
  readonly displayLots?: number
  readonly triggerTicks?: number
  readonly expiresAtMs?: number
  readonly deadlineMs?: number
}

/** Amend: the new price and the new total size, filled part included. */
export function writeAmend(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  market: number,
  ticks: number,
  lots: number,
  cloidLow: number,
  cloidHigh = 0,
  options: AmendOptions = {},
): void {
  const cloid = cloidOf(cloidLow, cloidHigh)
  writeCommand(words, floats, at, 'Amend', { account, market, ticks, lots, cloid, ...options })
}

/** Cancel of one order. */
export function writeCancel(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  market: number,
  cloidLow: number,
  cloidHigh = 0,
  deadlineMs = 0,
): void {
  const cloid = cloidOf(cloidLow, cloidHigh)
  writeCommand(words, floats, at, 'Cancel', { account, market, cloid, deadlineMs })
}

/**
 * CancelAll: `market` and `side` -1 = all. `reason` 0, or CancelReason.Disconnect: then the operator asks,
 * and no frame is needed.
 */
export function writeCancelAll(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  market = -1,
  side = -1,
  reason = 0,
  deadlineMs = 0,
): void {
  writeCommand(words, floats, at, 'CancelAll', { account, market, side, reason, deadlineMs })
}

/** Deposit; `chainPosition` = its index in the chain's queue, -1 = not from the chain. */
export function writeDeposit(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  asset: number,
  units: number,
  chainPosition = -1,
): void {
  const chain = chainPosition < 0 ? {} : { fromChain: true, queueIndex: chainPosition }
  writeCommand(words, floats, at, 'Deposit', { account, asset, units, ...chain })
}

/**
 * Who answers for a revocation or a withdrawal: the operator (or the program around an embedded engine), the
 * signed frame that the command stands in, or a wallet by a nonce from 1 up and a deadline in engine ms. 'forced':
 * the operator, for a request on the chain; a withdrawal then takes what is available where that is less.
 */
export type Consent =
  'operator' | 'forced' | 'frame' | { readonly nonce: number; readonly deadlineMs: number }

/** What a Withdraw or a RevokeSession says of whoever answers for it. */
function consentFields(consent: Consent): { operator?: boolean; nonce?: number; deadlineMs?: number } {
  if (consent === 'operator' || consent === 'forced') return { operator: true }
  return consent === 'frame' ? {} : consent
}

/** Withdraw; `maxFee` = units that the owner accepts as its fee, beyond `units`. */
export function writeWithdraw(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  asset: number,
  units: number,
  consent: Consent,
  maxFee = 0,
): void {
  const isForced = consent === 'forced'
  writeCommand(words, floats, at, 'Withdraw', {
    account,
    asset,
    units,
    ...consentFields(consent),
    forced: isForced,
    maxFee,
  })
}

/** Transfer to another account of the same owner. */
export function writeTransfer(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  receiver: number,
  asset: number,
  units: number,
): void {
  writeCommand(words, floats, at, 'Transfer', { account, receiver, asset, units })
}

/** Time: engine time becomes `timeMs` unless it is later already. */
export function writeTime(words: Int32Array, floats: Float64Array, at: number, timeMs: number): void {
  writeCommand(words, floats, at, 'Time', { timeMs })
}

/** OpenAccount: `owner` is the 20-byte address in 5 big-endian words. */
export function writeOpenAccount(
  words: Int32Array,
  at: number,
  account: number,
  owner: ArrayLike<number>,
): void {
  writeCommand(words, floatsOf(words), at, 'OpenAccount', { account, owner })
}

/** What an ApproveSession says beyond account and key. Units of the quote asset, ms of engine time. */
export interface ApprovalTerms {
  /** Bits of Scope. */
  readonly scopes: number
  /** Quote units that one order may execute, 0 = no bound. */
  readonly maxNotional: number
  readonly expiresAtMs: number
  /** Grows with each approval and revocation of the account; names the session. */
  readonly nonce: number
  /** Engine time after which the approval is refused; at most a day ahead. */
  readonly deadlineMs: number
}

/**
 * ApproveSession: `keyX` is the key's x in 8 big-endian words, `parity` that of y.
 * @throws RangeError for a number that the record cannot carry.
 */
export function writeApproveSession(
  words: Int32Array,
  at: number,
  account: number,
  keyX: ArrayLike<number>,
  parity: number,
  terms: ApprovalTerms,
): void {
  writeCommand(words, floatsOf(words), at, 'ApproveSession', { account, keyX, keyParity: parity, ...terms })
}

/** What the ApproveSession record at `at` says. */
export function readApproval(words: Int32Array, floats: Float64Array, at: number): ApprovalTerms {
  const { scopes, maxNotional, expiresAtMs, nonce, deadlineMs } = commandTable.ApproveSession.fields
  return {
    scopes: readField(scopes, words, floats, at),
    maxNotional: readField(maxNotional, words, floats, at),
    expiresAtMs: readField(expiresAtMs, words, floats, at),
    nonce: readField(nonce, words, floats, at),
    deadlineMs: readField(deadlineMs, words, floats, at),
  }
}

/** RevokeSession: ends the session that `approval` of the account made. */
export function writeRevokeSession(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  approval: number,
  consent: Consent,
): void {
  writeCommand(words, floats, at, 'RevokeSession', { account, approval, ...consentFields(consent) })
}

/** Frame: the next `count` commands are signed by the session of `approval` under `nonce`; `hash` in 8 words. */
export function writeFrame(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  approval: number,
  count: number,
  nonce: number,
  hash?: ArrayLike<number>,
): void {
  writeCommand(words, floats, at, 'Frame', { account, approval, count, nonce, sha256: hash })
}

/** UnsignedFrame: the next `count` commands are of the session of `approval`, signed by nobody. */
export function writeUnsignedFrame(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  approval: number,
  count: number,
): void {
  writeCommand(words, floats, at, 'UnsignedFrame', { account, approval, count })
}

/** CreateAsset: `symbol` is 1 to 16 printable ASCII characters; minimum and fee of its withdrawals in units. */
export function writeCreateAsset(
  words: Int32Array,
  at: number,
  asset: number,
  symbol: string,
  withdrawMin = 0,
  withdrawFee = 0,
): void {
  writeCommand(words, floatsOf(words), at, 'CreateAsset', { asset, symbol, withdrawMin, withdrawFee })
}

/** SetWithdrawTerms: minimum and fee of withdrawals of an asset, in units. */
export function writeWithdrawTerms(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  asset: number,
  withdrawMin: number,
  withdrawFee: number,
): void {
  writeCommand(words, floats, at, 'SetWithdrawTerms', { asset, withdrawMin, withdrawFee })
}

/** CreateMarket; see MarketConfig for the units of each. */
export function writeCreateMarket(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  market: number,
  base: number,
  quote: number,
  lotUnits: number,
  tickUnits: number,
  makerFeePpm: number,
  takerFeePpm: number,
  bandPpm = 0,
): void {
  const fees = { makerFeePpm, takerFeePpm }
  writeCommand(words, floats, at, 'CreateMarket', {
    market,
    base,
    quote,
    lotUnits,
    tickUnits,
    ...fees,
    bandPpm,
  })
}

/** SetMarketStatus: a MarketStatus. */
export function writeMarketStatus(words: Int32Array, at: number, market: number, status: number): void {
  writeCommand(words, floatsOf(words), at, 'SetMarketStatus', { market, status })
}

/** SetExchangeStatus: a CancelOnlyReason, and MarketStatus CancelOnly = it stands, Active = it does not. */
export function writeExchangeStatus(words: Int32Array, at: number, reason: number, status: number): void {
  writeCommand(words, floatsOf(words), at, 'SetExchangeStatus', { reason, status })
}

/** SetMarketFees of a market, or (tier 1 to 15) SetTierFees of its accounts of one tier. */
export function writeMarketFees(
  words: Int32Array,
  at: number,
  market: number,
  makerFeePpm: number,
  takerFeePpm: number,
  tier = 0,
): void {
  const fees = { market, makerFeePpm, takerFeePpm }
  if (tier === 0) writeCommand(words, floatsOf(words), at, 'SetMarketFees', fees)
  else writeCommand(words, floatsOf(words), at, 'SetTierFees', { ...fees, tier })
}

/** SetPriceBand in millionths; 0 = off. */
export function writePriceBand(words: Int32Array, at: number, market: number, bandPpm: number): void {
  writeCommand(words, floatsOf(words), at, 'SetPriceBand', { market, bandPpm })
}

/** SetAccountTier, 0 to 15. */
export function writeAccountTier(words: Int32Array, at: number, account: number, tier: number): void {
  writeCommand(words, floatsOf(words), at, 'SetAccountTier', { account, tier })
}

/** CancelAfter: all of the account's orders are cancelled at engine time `atMs`; 0 = off. */
export function writeCancelAfter(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  atMs: number,
  deadlineMs = 0,
): void {
  writeCommand(words, floats, at, 'CancelAfter', { account, atMs, deadlineMs })
}

/** SetProtection: bounds of fills and quote units within `windowMs`, 0 = none; all zero = off. */
export function writeProtection(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  market: number,
  windowMs: number,
  fills: number,
  notionalUnits: number,
): void {
  writeCommand(words, floats, at, 'SetProtection', { account, market, windowMs, fills, notionalUnits })
}

/** ResetProtection: quoting is allowed again. */
export function writeResetProtection(words: Int32Array, at: number, account: number, market: number): void {
  writeCommand(words, floatsOf(words), at, 'ResetProtection', { account, market })
}
