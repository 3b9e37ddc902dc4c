/**
 * The operator's commands: accounts, assets, markets, fees, bands, tiers. They are sequenced like any
 * other, so a replay sees each change at the same place. Called by engine.ts.
 */
import { CancelOnlyReason, EventKind, MarketStatus, Reject } from '../codes.js'
import {
  AccountOpenedEv,
  AssetCreatedEv,
  CreateAssetCmd,
  CreateMarketCmd,
  Ev,
  ExchangeStatusChangedEv,
  MarketCreatedEv,
  MarketFeesChangedEv,
  MarketStatusChangedEv,
  OpenAccountCmd,
  PriceBandChangedEv,
  SetAccountTierCmd,
  SetExchangeStatusCmd,
  SetMarketFeesCmd,
  SetMarketStatusCmd,
  SetPriceBandCmd,
  SetTierFeesCmd,
  SetWithdrawTermsCmd,
  TierChangedEv,
  WithdrawTermsChangedEv,
} from '../layout.js'
import { ASSETS_MAX, TIERS_MAX } from '../limits.js'
import { TEXT_WORDS } from '../records/fields.js'
import { ACCOUNT_SHIFT, OWNER_WORDS, TIER_MASK, TIER_SHIFT } from './money/ledger.js'
import {
  Market,
  bandIsValid,
  feesAreValid,
  priceIsDecimal,
  symbolIsValid,
  unitsAreValid,
  withdrawTermsAreValid,
} from './book/markets.js'
import { symbolOf } from './snapshot/snapshot-format.js'
import type { State } from './state/state.js'

/** OpenAccount: gives an account its owner, once. Returns a Reject. */
export function openAccount(state: State, words: Int32Array, at: number): number {
  const { ledger, events } = state
  const account = words[at + OpenAccountCmd.ACCOUNT]!
  if (account < 0) return Reject.UnknownAccount
  if (account >= ledger.accountsMax) return Reject.AccountsFull
  const to = account * OWNER_WORDS
  // One that a deposit or the genesis opened has no owner yet.
  if (ledger.isOpen(account))
    for (let word = 0; word < OWNER_WORDS; word++)
      if (ledger.owners[to + word] !== 0) return Reject.AccountExists
  if (!ledger.isOpen(account)) ledger.open(account)
  const event = events.next(EventKind.AccountOpened, state.clock)
  events.words[event + AccountOpenedEv.ACCOUNT] = account
  for (let word = 0; word < OWNER_WORDS; word++) {
    const value = words[at + OpenAccountCmd.OWNER + word]!
    ledger.owners[to + word] = value
    events.words[event + AccountOpenedEv.OWNER + word] = value
  }
  return Reject.None
}

/** CreateAsset. Returns a Reject. */
export function createAsset(state: State, words: Int32Array, floats: Float64Array, at: number): number {
  const { markets, events } = state
  const asset = words[at + CreateAssetCmd.ASSET]!
  if (asset < 0 || asset >= ASSETS_MAX) return Reject.UnknownAsset
  if (markets.hasAsset(asset)) return Reject.AssetExists
  const length = words[at + CreateAssetCmd.SYMBOL_LENGTH]!
  const symbol =
    length >= 1 && length <= 16 ? symbolOf(length, (word) => words[at + CreateAssetCmd.SYMBOL + word]!) : ''
  if (!symbolIsValid(symbol)) return Reject.BadMarketConfig
  const minUnits = floats[(at >> 1) + CreateAssetCmd.WITHDRAW_MIN_F64]!
  const feeUnits = floats[(at >> 1) + CreateAssetCmd.WITHDRAW_FEE_F64]!
  const code = changeWithdrawTerms(state, asset, minUnits, feeUnits)
  if (code !== Reject.None) return code
  markets.symbols[asset] = symbol
  const event = events.next(EventKind.AssetCreated, state.clock)
  events.words[event + AssetCreatedEv.ASSET] = asset
  events.words[event + AssetCreatedEv.SYMBOL_LENGTH] = length
  for (let word = 0; word < TEXT_WORDS; word++)
    events.words[event + AssetCreatedEv.SYMBOL + word] = words[at + CreateAssetCmd.SYMBOL + word]!
  events.floats[(event >> 1) + AssetCreatedEv.WITHDRAW_MIN_F64] = minUnits
  events.floats[(event >> 1) + AssetCreatedEv.WITHDRAW_FEE_F64] = feeUnits
  return Reject.None
}

/** SetWithdrawTerms. What a wallet signed before stands: its fee is never above what was accepted. Returns a Reject. */
export function setWithdrawTerms(state: State, words: Int32Array, floats: Float64Array, at: number): number {
  const asset = words[at + SetWithdrawTermsCmd.ASSET]!
  const minUnits = floats[(at >> 1) + SetWithdrawTermsCmd.WITHDRAW_MIN_F64]!
  const feeUnits = floats[(at >> 1) + SetWithdrawTermsCmd.WITHDRAW_FEE_F64]!
  if (!state.markets.hasAsset(asset)) return Reject.UnknownAsset
  const code = changeWithdrawTerms(state, asset, minUnits, feeUnits)
  if (code !== Reject.None) return code
  const { events } = state
  const event = events.next(EventKind.WithdrawTermsChanged, state.clock)
  events.words[event + WithdrawTermsChangedEv.ASSET] = asset
  events.floats[(event >> 1) + WithdrawTermsChangedEv.WITHDRAW_MIN_F64] = minUnits
  events.floats[(event >> 1) + WithdrawTermsChangedEv.WITHDRAW_FEE_F64] = feeUnits
  return Reject.None
}

/** Sets the terms, and sees to it that a fee has a row to go to. Returns a Reject. */
function changeWithdrawTerms(state: State, asset: number, minUnits: number, feeUnits: number): number {
  const { markets, ledger, feeAccount } = state
  if (!withdrawTermsAreValid(minUnits, feeUnits)) return Reject.BadWithdrawTerms
  if (feeUnits > 0 && ledger.findOrAdd(feeAccount, asset) < 0) return Reject.BalancesFull
  markets.withdrawMin[asset] = minUnits
  markets.withdrawFee[asset] = feeUnits
  return Reject.None
}

/** CreateMarket. Returns a Reject. */
export function createMarket(state: State, words: Int32Array, floats: Float64Array, at: number): number {
  const { markets, ledger, events } = state
  const market = words[at + CreateMarketCmd.MARKET]!
  const base = words[at + CreateMarketCmd.BASE]!
  const quote = words[at + CreateMarketCmd.QUOTE]!
  const makerPpm = words[at + CreateMarketCmd.MAKER_FEE_PPM]!
  const takerPpm = words[at + CreateMarketCmd.TAKER_FEE_PPM]!
  const bandPpm = words[at + CreateMarketCmd.BAND_PPM]!
  const lotUnits = floats[(at >> 1) + CreateMarketCmd.LOT_UNITS_F64]!
  const tickUnits = floats[(at >> 1) + CreateMarketCmd.TICK_UNITS_F64]!
  if (market < 0) return Reject.UnknownMarket
  if (market >= markets.capacity) return Reject.MarketsFull
  if (markets.has(market)) return Reject.MarketExists
  if (!markets.hasAsset(base) || !markets.hasAsset(quote)) return Reject.UnknownAsset
  if (base === quote || !unitsAreValid(lotUnits) || !unitsAreValid(tickUnits)) return Reject.BadMarketConfig
  if (!priceIsDecimal(lotUnits, tickUnits)) return Reject.BadMarketConfig
  if (!feesAreValid(makerPpm, takerPpm)) return Reject.BadFees
  if (!bandIsValid(bandPpm)) return Reject.BadPriceBand
  const feeRow = ledger.findOrAdd(state.feeAccount, quote)
  if (feeRow < 0) return Reject.BalancesFull
  markets.add(market, base, quote, lotUnits, tickUnits, makerPpm, takerPpm, bandPpm, feeRow)
  const event = events.next(EventKind.MarketCreated, state.clock)
  const out = events.words
  out[event + MarketCreatedEv.MARKET] = market
  out[event + MarketCreatedEv.BASE] = base
  out[event + MarketCreatedEv.QUOTE] = quote
  out[event + MarketCreatedEv.BAND_PPM] = bandPpm
  out[event + MarketCreatedEv.MAKER_FEE_PPM] = makerPpm
  out[event + MarketCreatedEv.TAKER_FEE_PPM] = takerPpm
  events.floats[(event >> 1) + MarketCreatedEv.LOT_UNITS_F64] = lotUnits
  events.floats[(event >> 1) + MarketCreatedEv.TICK_UNITS_F64] = tickUnits
  return Reject.None
}

/** SetMarketStatus: active, cancel-only or halted. Returns a Reject. */
export function setStatus(state: State, words: Int32Array, at: number): number {
  const market = words[at + SetMarketStatusCmd.MARKET]!
  const status = words[at + SetMarketStatusCmd.STATUS]!
  if (!state.markets.has(market)) return Reject.UnknownMarket
  if (status < MarketStatus.Active || status > MarketStatus.Halted) return Reject.BadStatus
  state.markets.setOwnStatus(market, status)
  marketEvent(state, EventKind.MarketStatusChanged, market, MarketStatusChangedEv.STATUS, status)
  return Reject.None
}

/**
 * SetExchangeStatus: sets or ends one reason for which the whole exchange takes cancels only. Orders stay where they are,
 * and triggers that trades have reached wait until none is left. Returns a Reject.
 */
export function setExchangeStatus(state: State, words: Int32Array, at: number): number {
  const { markets, events } = state
  const reason = words[at + SetExchangeStatusCmd.REASON]!
  const status = words[at + SetExchangeStatusCmd.STATUS]!
  if (reason !== CancelOnlyReason.Operator && reason !== CancelOnlyReason.SettlementLag)
    return Reject.BadStatus
  if (status !== MarketStatus.Active && status !== MarketStatus.CancelOnly) return Reject.BadStatus
  const others = markets.cancelOnlyReasons & ~reason
  markets.setCancelOnlyReasons(status === MarketStatus.Active ? others : others | reason)
  const event = events.next(EventKind.ExchangeStatusChanged, state.clock)
  events.words[event + ExchangeStatusChangedEv.REASONS] = markets.cancelOnlyReasons
  return Reject.None
}

/** SetMarketFees. Orders that rest keep paying at most what their reserve was made for. Returns a Reject. */
export function setFees(state: State, words: Int32Array, at: number): number {
  const market = words[at + SetMarketFeesCmd.MARKET]!
  const makerPpm = words[at + SetMarketFeesCmd.MAKER_FEE_PPM]!
  const takerPpm = words[at + SetMarketFeesCmd.TAKER_FEE_PPM]!
  if (!state.markets.has(market)) return Reject.UnknownMarket
  if (!feesAreValid(makerPpm, takerPpm)) return Reject.BadFees
  state.markets.setFees(market, makerPpm, takerPpm)
  feesEvent(state, market, 0, makerPpm, takerPpm)
  return Reject.None
}

/** SetTierFees: fees of a market for the accounts of one tier, 1 to 15. Returns a Reject. */
export function setTierFees(state: State, words: Int32Array, at: number): number {
  const market = words[at + SetTierFeesCmd.MARKET]!
  const tier = words[at + SetTierFeesCmd.TIER]!
  const makerPpm = words[at + SetTierFeesCmd.MAKER_FEE_PPM]!
  const takerPpm = words[at + SetTierFeesCmd.TAKER_FEE_PPM]!
  if (!state.markets.has(market)) return Reject.UnknownMarket
  if (tier < 1 || tier >= TIERS_MAX) return Reject.BadTier
  if (!feesAreValid(makerPpm, takerPpm)) return Reject.BadFees
  state.markets.setTierFees(market, tier, makerPpm, takerPpm)
  feesEvent(state, market, tier, makerPpm, takerPpm)
  return Reject.None
}

/** SetPriceBand; 0 = off. Returns a Reject. */
export function setBand(state: State, words: Int32Array, at: number): number {
  const market = words[at + SetPriceBandCmd.MARKET]!
  const bandPpm = words[at + SetPriceBandCmd.BAND_PPM]!
  if (!state.markets.has(market)) return Reject.UnknownMarket
  if (!bandIsValid(bandPpm)) return Reject.BadPriceBand
  state.markets.set(market, Market.BAND_PPM, bandPpm)
  marketEvent(state, EventKind.PriceBandChanged, market, PriceBandChangedEv.BAND_PPM, bandPpm)
  return Reject.None
}

/** SetAccountTier, 0 to 15. Returns a Reject. */
export function setAccountTier(state: State, words: Int32Array, at: number): number {
  const { ledger, events } = state
  const account = words[at + SetAccountTierCmd.ACCOUNT]!
  const tier = words[at + SetAccountTierCmd.TIER]!
  if (!ledger.isOpen(account)) return Reject.UnknownAccount
  if (tier < 0 || tier >= TIERS_MAX) return Reject.BadTier
  const to = account << ACCOUNT_SHIFT
  ledger.accounts[to] = (ledger.accounts[to]! & ~(TIER_MASK << TIER_SHIFT)) | (tier << TIER_SHIFT)
  const event = events.next(EventKind.TierChanged, state.clock)
  events.words[event + TierChangedEv.ACCOUNT] = account
  events.words[event + TierChangedEv.TIER] = tier
  return Reject.None
}

/** An event of a market that says `value` in the word `place`; returns its word offset. */
function marketEvent(state: State, kind: number, market: number, place: number, value: number): number {
  const event = state.events.next(kind, state.clock)
  state.events.words[event + Ev.SUBJECT] = market
  state.events.words[event + place] = value
  return event
}

function feesEvent(state: State, market: number, tier: number, makerPpm: number, takerPpm: number): void {
  const event = marketEvent(state, EventKind.MarketFeesChanged, market, MarketFeesChangedEv.TIER, tier)
  state.events.words[event + MarketFeesChangedEv.MAKER_FEE_PPM] = makerPpm
  state.events.words[event + MarketFeesChangedEv.TAKER_FEE_PPM] = takerPpm
}
