/**
 * Writes command records: one function a kind, into an Int32Array and the Float64Array view of the same
 * buffer, at a word offset that is a multiple of COMMAND_WORDS. Each function sets every word of the
 * record. Nothing is checked here: the engine judges. Integers must be int32 (INT_OVER_LIMIT and
 * INT_NOT_AN_INTEGER stand for what does not fit); amounts and times are doubles. A client order id is
 * given as its low and high 32 bits.
 *
 * A leaf module: gateway, settlement, SDK tests, benchmarks and embedders may all use it.
 */
import { CommandKind, PostOnly, Stp, TimeInForce, type OrderType, type Side } from './codes.js'
import {
  APPROVAL_HIGH_BITS,
  APPROVAL_TIME_END,
  ApproveCmd,
  AssetCmd,
  Attr,
  COMMAND_WORDS,
  Cmd,
  FrameCmd,
  MarketCmd,
  OpenAccountCmd,
  RevokeCmd,
  WithdrawCmd,
} from './layout.js'

function begin(words: Int32Array, at: number, kind: number, account: number): void {
  words.fill(0, at, at + COMMAND_WORDS)
  words[at] = kind
  words[at + Cmd.ACCOUNT] = account
}

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
  begin(words, at, CommandKind.Place, account)
  words[at]! |=
    (side << Attr.SIDE_SHIFT) |
    ((options.type ?? 0) << Attr.TYPE_SHIFT) |
    ((options.timeInForce ?? TimeInForce.GTC) << Attr.TIF_SHIFT) |
    ((options.postOnly ?? PostOnly.None) << Attr.POST_ONLY_SHIFT) |
    ((options.stp ?? Stp.CancelTaker) << Attr.STP_SHIFT)
  words[at + Cmd.MARKET] = market
  words[at + Cmd.TICKS] = ticks
  words[at + Cmd.LOTS] = lots
  words[at + Cmd.CLOID_LO] = cloidLow
  words[at + Cmd.CLOID_HI] = cloidHigh
  words[at + Cmd.DISPLAY_LOTS] = options.displayLots ?? 0
  words[at + Cmd.TRIGGER_TICKS] = options.triggerTicks ?? 0
  const float = at >> 1
  floats[float + Cmd.AMOUNT_F64] = options.quoteBudget ?? 0
  floats[float + Cmd.EXPIRES_AT_F64] = options.expiresAtMs ?? 0
  floats[float + Cmd.DEADLINE_F64] = options.deadlineMs ?? 0
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
  begin(words, at, CommandKind.Amend, account)
  words[at + Cmd.MARKET] = market
  words[at + Cmd.TICKS] = ticks
  words[at + Cmd.LOTS] = lots
  words[at + Cmd.CLOID_LO] = cloidLow
  words[at + Cmd.CLOID_HI] = cloidHigh
  words[at + Cmd.DISPLAY_LOTS] = options.displayLots ?? 0
  words[at + Cmd.TRIGGER_TICKS] = options.triggerTicks ?? 0
  floats[(at >> 1) + Cmd.EXPIRES_AT_F64] = options.expiresAtMs ?? 0
  floats[(at >> 1) + Cmd.DEADLINE_F64] = options.deadlineMs ?? 0
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
  begin(words, at, CommandKind.Cancel, account)
  words[at + Cmd.MARKET] = market
  words[at + Cmd.CLOID_LO] = cloidLow
  words[at + Cmd.CLOID_HI] = cloidHigh
  floats[(at >> 1) + Cmd.DEADLINE_F64] = deadlineMs
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
  begin(words, at, CommandKind.CancelAll, account)
  words[at + Cmd.MARKET] = market
  words[at + Cmd.OTHER] = side
  words[at + Cmd.LOTS] = reason
  floats[(at >> 1) + Cmd.DEADLINE_F64] = deadlineMs
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
  begin(words, at, CommandKind.Deposit, account)
  words[at + Cmd.ASSET] = asset
  floats[(at >> 1) + Cmd.AMOUNT_F64] = units
  if (chainPosition < 0) return
  words[at + Cmd.OTHER] = 1
  floats[(at >> 1) + Cmd.DEADLINE_F64] = chainPosition
}

/**
 * Who answers for a revocation or a withdrawal: the operator (or the program around an embedded engine), the
 * signed frame that the command stands in, or a wallet by a nonce from 1 up and a deadline in engine ms. 'forced':
 * the operator, for a request on the chain; a withdrawal then takes what is available where that is less.
 */
export type Consent =
  'operator' | 'forced' | 'frame' | { readonly nonce: number; readonly deadlineMs: number }

/** Withdraw. */
export function writeWithdraw(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  asset: number,
  units: number,
  consent: Consent,
): void {
  begin(words, at, CommandKind.Withdraw, account)
  words[at + Cmd.ASSET] = asset
  floats[(at >> 1) + Cmd.AMOUNT_F64] = units
  if (consent === 'forced') words[at + Cmd.LOTS] = 1
  if (consent === 'operator' || consent === 'forced') words[at]! |= 1 << Attr.OPERATOR_SHIFT
  else if (consent !== 'frame') {
    floats[(at >> 1) + WithdrawCmd.NONCE_F64] = consent.nonce
    floats[(at >> 1) + WithdrawCmd.DEADLINE_F64] = consent.deadlineMs
  }
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
  begin(words, at, CommandKind.Transfer, account)
  words[at + Cmd.ASSET] = asset
  words[at + Cmd.OTHER] = receiver
  floats[(at >> 1) + Cmd.AMOUNT_F64] = units
}

/** Time: engine time becomes `timeMs` unless it is later already. */
export function writeTime(words: Int32Array, floats: Float64Array, at: number, timeMs: number): void {
  begin(words, at, CommandKind.Time, 0)
  floats[(at >> 1) + Cmd.AMOUNT_F64] = timeMs
}

/** OpenAccount: `owner` is the 20-byte address in 5 big-endian words. */
export function writeOpenAccount(
  words: Int32Array,
  at: number,
  account: number,
  owner: ArrayLike<number>,
): void {
  begin(words, at, CommandKind.OpenAccount, account)
  for (let word = 0; word < 5; word++) words[at + OpenAccountCmd.OWNER + word] = owner[word]!
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
  const { scopes, maxNotional, expiresAtMs, nonce, deadlineMs } = terms
  begin(words, at, CommandKind.ApproveSession, account)
  words[at]! |= (scopes << Attr.SCOPE_SHIFT) | (parity << Attr.PARITY_SHIFT)
  for (let word = 0; word < 8; word++) words[at + ApproveCmd.X + word] = keyX[word]!
  words[at + ApproveCmd.MAX_NOTIONAL_LO] = lowOf(maxNotional, 'maxNotional', 2 ** 53)
  words[at + ApproveCmd.NONCE_LO] = lowOf(nonce, 'nonce', 2 ** 53)
  words[at + ApproveCmd.EXPIRES_AT_LO] = lowOf(expiresAtMs, 'expiresAtMs', APPROVAL_TIME_END)
  words[at + ApproveCmd.DEADLINE_LO] = lowOf(deadlineMs, 'deadlineMs', APPROVAL_TIME_END)
  words[at + ApproveCmd.TERMS_HI] = highOf(maxNotional) | (highOf(expiresAtMs) << APPROVAL_HIGH_BITS)
  words[at + ApproveCmd.NONCE_DEADLINE_HI] = highOf(nonce) | (highOf(deadlineMs) << APPROVAL_HIGH_BITS)
}

/** What the ApproveSession record at `at` says. */
export function readApproval(words: Int32Array, at: number): ApprovalTerms {
  const terms = words[at + ApproveCmd.TERMS_HI]!
  const wallet = words[at + ApproveCmd.NONCE_DEADLINE_HI]!
  const number = (low: number, high: number): number => (words[at + low]! >>> 0) + high * 2 ** 32
  const numberBits = (1 << APPROVAL_HIGH_BITS) - 1
  return {
    scopes: (words[at]! >>> Attr.SCOPE_SHIFT) & 15,
    maxNotional: number(ApproveCmd.MAX_NOTIONAL_LO, terms & numberBits),
    expiresAtMs: number(ApproveCmd.EXPIRES_AT_LO, terms >>> APPROVAL_HIGH_BITS),
    nonce: number(ApproveCmd.NONCE_LO, wallet & numberBits),
    deadlineMs: number(ApproveCmd.DEADLINE_LO, wallet >>> APPROVAL_HIGH_BITS),
  }
}

function lowOf(value: number, name: string, end: number): number {
  if (!(Number.isInteger(value) && value >= 0 && value < end))
    throw new RangeError(`${name} ${value} is no whole number from 0 to ${end - 1}`)
  return value | 0
}

const highOf = (value: number): number => Math.floor(value / 2 ** 32)

/** RevokeSession: ends the session that `approval` of the account made. */
export function writeRevokeSession(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  approval: number,
  consent: Consent,
): void {
  begin(words, at, CommandKind.RevokeSession, account)
  const float = at >> 1
  floats[float + RevokeCmd.APPROVAL_F64] = approval
  if (consent === 'operator' || consent === 'forced') words[at]! |= 1 << Attr.OPERATOR_SHIFT
  else if (consent !== 'frame') {
    floats[float + RevokeCmd.NONCE_F64] = consent.nonce
    floats[float + RevokeCmd.DEADLINE_F64] = consent.deadlineMs
  }
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
  begin(words, at, CommandKind.Frame, account)
  words[at + FrameCmd.COUNT] = count
  floats[(at >> 1) + FrameCmd.APPROVAL_F64] = approval
  floats[(at >> 1) + FrameCmd.NONCE_F64] = nonce
  if (hash !== undefined) for (let word = 0; word < 8; word++) words[at + FrameCmd.HASH + word] = hash[word]!
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
  begin(words, at, CommandKind.UnsignedFrame, account)
  words[at + FrameCmd.COUNT] = count
  floats[(at >> 1) + FrameCmd.APPROVAL_F64] = approval
}

/** CreateAsset: `symbol` is 1 to 16 printable ASCII characters. */
export function writeCreateAsset(words: Int32Array, at: number, asset: number, symbol: string): void {
  begin(words, at, CommandKind.CreateAsset, 0)
  words[at + Cmd.ASSET] = asset
  words[at + AssetCmd.LENGTH] = symbol.length
  for (let index = 0; index < Math.min(16, symbol.length); index++)
    words[at + AssetCmd.SYMBOL + (index >> 2)]! |= symbol.charCodeAt(index) << (8 * (index & 3))
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
  begin(words, at, CommandKind.CreateMarket, 0)
  words[at + MarketCmd.MARKET] = market
  words[at + MarketCmd.BASE] = base
  words[at + MarketCmd.QUOTE] = quote
  words[at + MarketCmd.MAKER_FEE_PPM] = makerFeePpm
  words[at + MarketCmd.TAKER_FEE_PPM] = takerFeePpm
  words[at + MarketCmd.BAND_PPM] = bandPpm
  floats[(at >> 1) + MarketCmd.LOT_UNITS_F64] = lotUnits
  floats[(at >> 1) + MarketCmd.TICK_UNITS_F64] = tickUnits
}

/** SetMarketStatus: a MarketStatus. */
export function writeMarketStatus(words: Int32Array, at: number, market: number, status: number): void {
  begin(words, at, CommandKind.SetMarketStatus, 0)
  words[at + Cmd.MARKET] = market
  words[at + Cmd.OTHER] = status
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
  begin(words, at, tier === 0 ? CommandKind.SetMarketFees : CommandKind.SetTierFees, 0)
  words[at + Cmd.MARKET] = market
  words[at + Cmd.OTHER] = tier
  words[at + MarketCmd.MAKER_FEE_PPM] = makerFeePpm
  words[at + MarketCmd.TAKER_FEE_PPM] = takerFeePpm
}

/** SetPriceBand in millionths; 0 = off. */
export function writePriceBand(words: Int32Array, at: number, market: number, bandPpm: number): void {
  begin(words, at, CommandKind.SetPriceBand, 0)
  words[at + Cmd.MARKET] = market
  words[at + MarketCmd.BAND_PPM] = bandPpm
}

/** SetAccountTier, 0 to 15. */
export function writeAccountTier(words: Int32Array, at: number, account: number, tier: number): void {
  begin(words, at, CommandKind.SetAccountTier, account)
  words[at + Cmd.OTHER] = tier
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
  begin(words, at, CommandKind.CancelAfter, account)
  floats[(at >> 1) + Cmd.AMOUNT_F64] = atMs
  floats[(at >> 1) + Cmd.DEADLINE_F64] = deadlineMs
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
  begin(words, at, CommandKind.SetProtection, account)
  words[at + Cmd.MARKET] = market
  words[at + Cmd.OTHER] = windowMs
  words[at + Cmd.LOTS] = fills
  floats[(at >> 1) + Cmd.AMOUNT_F64] = notionalUnits
}

/** ResetProtection: quoting is allowed again. */
export function writeResetProtection(words: Int32Array, at: number, account: number, market: number): void {
  begin(words, at, CommandKind.ResetProtection, account)
  words[at + Cmd.MARKET] = market
}
