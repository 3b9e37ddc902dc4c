/**
 * Assets and markets: what they are made of, their fees by tier, their state. Tables by market id; a
 * fee table entry is always filled, so that a fill looks up one number.
 * Called by engine.ts (administration) and trading.ts (every order).
 */
import { MarketStatus } from '../codes.js'
import { ASSETS_MAX, BAND_PPM_MAX, FEE_PPM_MAX, TIERS_MAX, UNITS_END } from '../limits.js'
import type { AssetConfig, MarketConfig } from '../types.js'

/** Bytes of an asset's symbol: it travels in four words of a command. */
export const SYMBOL_BYTES = 16

export class Markets {
  /** Market ids are below it. */
  readonly capacity: number
  /** 1 = exists. */
  readonly exists: Uint8Array
  readonly base: Int32Array
  readonly quote: Int32Array
  readonly lotUnits: Float64Array
  readonly tickUnits: Float64Array
  readonly status: Int32Array
  readonly bandPpm: Int32Array
  /** Price of the last trade; 0 before the first. */
  readonly lastTicks: Int32Array
  /** Fees of market * TIERS_MAX + tier. */
  readonly makerPpm: Int32Array
  readonly takerPpm: Int32Array
  /** 1 = the tier has fees of its own in this market. */
  readonly tierSet: Uint8Array
  /** Row of the fee account in the market's quote asset. */
  readonly feeRow: Int32Array
  /** Symbol of each asset; undefined = no such asset. */
  readonly symbols: (string | undefined)[] = new Array<string | undefined>(ASSETS_MAX).fill(undefined)
  /** Markets at or above this id were never made. */
  end = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.exists = new Uint8Array(capacity)
    this.base = new Int32Array(capacity)
    this.quote = new Int32Array(capacity)
    this.lotUnits = new Float64Array(capacity)
    this.tickUnits = new Float64Array(capacity)
    this.status = new Int32Array(capacity)
    this.bandPpm = new Int32Array(capacity)
    this.lastTicks = new Int32Array(capacity)
    this.makerPpm = new Int32Array(capacity * TIERS_MAX)
    this.takerPpm = new Int32Array(capacity * TIERS_MAX)
    this.tierSet = new Uint8Array(capacity * TIERS_MAX)
    this.feeRow = new Int32Array(capacity)
  }

  /** True when `market` is one that exists. Any int32 may be asked for. */
  has(market: number): boolean {
    return market >= 0 && market < this.capacity && this.exists[market] === 1
  }

  isHalted(market: number): boolean {
    return this.status[market] === MarketStatus.Halted
  }

  hasAsset(asset: number): boolean {
    return asset >= 0 && asset < ASSETS_MAX && this.symbols[asset] !== undefined
  }

  /** Makes a market whose parts have been checked. */
  add(
    market: number,
    base: number,
    quote: number,
    lotUnits: number,
    tickUnits: number,
    makerPpm: number,
    takerPpm: number,
    bandPpm: number,
    feeRow: number,
  ): void {
    this.exists[market] = 1
    this.base[market] = base
    this.quote[market] = quote
    this.lotUnits[market] = lotUnits
    this.tickUnits[market] = tickUnits
    this.status[market] = MarketStatus.Active
    this.bandPpm[market] = bandPpm
    this.feeRow[market] = feeRow
    if (market >= this.end) this.end = market + 1
    this.setFees(market, makerPpm, takerPpm)
  }

  /** Sets the market's own fees, which hold for every tier without fees of its own. */
  setFees(market: number, makerPpm: number, takerPpm: number): void {
    for (let tier = 0; tier < TIERS_MAX; tier++) {
      const at = market * TIERS_MAX + tier
      if (this.tierSet[at] === 1) continue
      this.makerPpm[at] = makerPpm
      this.takerPpm[at] = takerPpm
    }
  }

  setTierFees(market: number, tier: number, makerPpm: number, takerPpm: number): void {
    const at = market * TIERS_MAX + tier
    this.tierSet[at] = 1
    this.makerPpm[at] = makerPpm
    this.takerPpm[at] = takerPpm
  }

  assetConfigs(): AssetConfig[] {
    return this.symbols.flatMap((symbol, id) => (symbol === undefined ? [] : [{ id, symbol }]))
  }

  configs(): MarketConfig[] {
    const configs: MarketConfig[] = []
    for (let id = 0; id < this.end; id++) {
      if (this.exists[id] === 0) continue
      configs.push({
        id,
        base: this.base[id]!,
        quote: this.quote[id]!,
        lotUnits: this.lotUnits[id]!,
        tickUnits: this.tickUnits[id]!,
        makerFeePpm: this.makerPpm[id * TIERS_MAX]!,
        takerFeePpm: this.takerPpm[id * TIERS_MAX]!,
        bandPpm: this.bandPpm[id]!,
        status: this.status[id] as MarketStatus,
      })
    }
    return configs
  }
}

/** Whole millionths in bounds, and no rebate that the taker's fee would not pay. */
export function feesAreValid(makerPpm: number, takerPpm: number): boolean {
  return (
    Number.isInteger(makerPpm) &&
    Number.isInteger(takerPpm) &&
    takerPpm >= 0 &&
    takerPpm <= FEE_PPM_MAX &&
    makerPpm >= -takerPpm &&
    makerPpm <= FEE_PPM_MAX
  )
}

export function bandIsValid(bandPpm: number): boolean {
  return Number.isInteger(bandPpm) && bandPpm >= 0 && bandPpm <= BAND_PPM_MAX
}

/** A whole positive count of units. */
export function unitsAreValid(units: number): boolean {
  return Number.isInteger(units) && units >= 1 && units < UNITS_END
}

/** 1 to 16 printable ASCII characters. */
export function symbolIsValid(symbol: string): boolean {
  return symbol.length <= SYMBOL_BYTES && /^[\x21-\x7e]+$/.test(symbol)
}
