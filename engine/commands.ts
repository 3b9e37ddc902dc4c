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
  AssetCmd,
  Attr,
  COMMAND_WORDS,
  Cmd,
  FrameCmd,
  MarketCmd,
  OpenAccountCmd,
  SessionCmd,
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

/** Withdraw; `nonce` = the wallet's, growing; 0 = none. */
export function writeWithdraw(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  asset: number,
  units: number,
  nonce = 0,
): void {
  begin(words, at, CommandKind.Withdraw, account)
  words[at + Cmd.ASSET] = asset
  floats[(at >> 1) + Cmd.AMOUNT_F64] = units
  floats[(at >> 1) + Cmd.DEADLINE_F64] = nonce
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

/**
 * ApproveSession: `keyX` is the key's x in 8 big-endian words, `parity` that of y; `scopes` bits of Scope;
 * `maxNotional` quote units of one order, 0 = no bound; `nonce` grows with each approval of the wallet.
 */
export function writeApproveSession(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  keyX: ArrayLike<number>,
  parity: number,
  scopes: number,
  maxNotional: number,
  expiresAtMs: number,
  nonce: number,
): void {
  begin(words, at, CommandKind.ApproveSession, account)
  words[at]! |= (scopes << Attr.SCOPE_SHIFT) | (parity << Attr.PARITY_SHIFT)
  for (let word = 0; word < 8; word++) words[at + SessionCmd.X + word] = keyX[word]!
  const float = at >> 1
  floats[float + SessionCmd.MAX_NOTIONAL_F64] = maxNotional
  floats[float + SessionCmd.EXPIRES_AT_F64] = expiresAtMs
  floats[float + SessionCmd.NONCE_F64] = nonce
}

/** RevokeSession; `nonce` 0 when the signature of a frame or of the gateway's own check stands for it. */
export function writeRevokeSession(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  session: number,
  nonce = 0,
): void {
  begin(words, at, CommandKind.RevokeSession, account)
  words[at + SessionCmd.X] = session
  floats[(at >> 1) + SessionCmd.NONCE_F64] = nonce
}

/** Frame: the next `count` commands are signed by `session` under `nonce`; `hash` in 8 words. */
export function writeFrame(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  account: number,
  session: number,
  count: number,
  nonce: number,
  hash?: ArrayLike<number>,
): void {
  begin(words, at, CommandKind.Frame, account)
  words[at + FrameCmd.SESSION] = session
  words[at + FrameCmd.COUNT] = count
  floats[(at >> 1) + FrameCmd.NONCE_F64] = nonce
  if (hash !== undefined) for (let word = 0; word < 8; word++) words[at + FrameCmd.HASH + word] = hash[word]!
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
