/**
 * Assets and markets: what they are made of, their fees by tier, their state. Tables by market id; a
 * fee table entry is always filled, so that a fill looks up one number.
 * Called by engine.ts (administration) and trading.ts (every order).
 */
import { MarketStatus } from '../../codes.js'
import {
  ASSETS_MAX,
  BAND_PPM_MAX,
  FEE_PPM_MAX,
  TIERS_MAX,
  UNITS_END,
  WITHDRAW_MIN_UNITS_MAX,
} from '../../limits.js'
import type { AssetConfig, MarketConfig } from '../../types.js'

/** Bytes of an asset's symbol: it travels in four words of a command. */
export const SYMBOL_BYTES = 16

// Optimised code folds a local constant, but loads and checks an exported one at each use.
const SHIFT = 4
/** A market's record: `words` at market << MARKET_SHIFT, `units` at 2 * market. */
export const MARKET_SHIFT = SHIFT
export const Market = {
  /** 1 = exists. */
  EXISTS: 0,
  BASE: 1,
  QUOTE: 2,
  /** A MarketStatus, or EXCHANGE_CANCEL_ONLY: what orders find, so that each looks at one word. */
  STATUS: 3,
  BAND_PPM: 4,
  /** Price of the last trade; 0 before the first. */
  LAST_TICKS: 5,
  /** Row of the fee account in the quote asset. */
  FEE_ROW: 6,
  /** Lowest and highest price traded since all triggers that these reach have fired; high 0 = none. */
  TOUCHED_LOW: 7,
  TOUCHED_HIGH: 8,
  /** 1 = the steps of a message ended before all triggers in the touched range had fired. */
  UNFIRED: 9,
} as const
/** Status of a market that is active by itself, while the whole exchange takes cancels only. */
export const EXCHANGE_CANCEL_ONLY = 3
export const MarketUnits = { LOT: 0, TICK: 1 } as const
/** Fees at 2 * (market * TIERS_MAX + tier). */
export const Fee = { MAKER: 0, TAKER: 1 } as const

export class Markets {
  /** Market ids are below it. */
  readonly capacity: number
  readonly words: Int32Array
  readonly units: Float64Array
  /** Maker and taker fee of each tier in each market, in ppm. */
  readonly fees: Int32Array
  /** 1 = the tier has fees of its own in this market. */
  readonly tierSet: Uint8Array
  /** Symbol of each asset; undefined = no such asset. */
  readonly symbols: (string | undefined)[] = new Array<string | undefined>(ASSETS_MAX).fill(undefined)
  /** By asset: least units that a withdrawal takes out, and units that it costs. A fee has a row of the fee account. */
  readonly withdrawMin = new Float64Array(ASSETS_MAX)
  readonly withdrawFee = new Float64Array(ASSETS_MAX)
  /** Markets at or above this id were never made. */
  end = 0
  /** Bits of CancelOnlyReason. */
  cancelOnlyReasons = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.words = new Int32Array(capacity << MARKET_SHIFT)
    this.units = new Float64Array(capacity * 2)
    this.fees = new Int32Array(capacity * TIERS_MAX * 2)
    this.tierSet = new Uint8Array(capacity * TIERS_MAX)
  }

  /** A word of a market that exists (Market). */
  get(market: number, field: number): number {
    return this.words[(market << SHIFT) + field]!
  }

  set(market: number, field: number, value: number): void {
    this.words[(market << MARKET_SHIFT) + field] = value
  }

  /** True when `market` is one that exists. Any int32 may be asked for. */
  has(market: number): boolean {
    return market >= 0 && market < this.capacity && this.words[market << SHIFT] === 1
  }

  isHalted(market: number): boolean {
    return this.get(market, Market.STATUS) === MarketStatus.Halted
  }

  /** Status of the market itself, whatever holds of the whole exchange. */
  ownStatus(market: number): MarketStatus {
    const status = this.get(market, Market.STATUS)
    return status === EXCHANGE_CANCEL_ONLY ? MarketStatus.Active : (status as MarketStatus)
  }

  /** Sets the market's own status; while the exchange takes cancels only, an active one does too. */
  setOwnStatus(market: number, status: number): void {
    const isBarred = status === MarketStatus.Active && this.cancelOnlyReasons !== 0
    this.set(market, Market.STATUS, isBarred ? EXCHANGE_CANCEL_ONLY : status)
  }

  /** Sets why the whole exchange takes cancels only; a market that is closed by itself stays as it is. */
  setCancelOnlyReasons(reasons: number): void {
    this.cancelOnlyReasons = reasons
    for (let market = 0; market < this.end; market++)
      if (this.has(market)) this.setOwnStatus(market, this.ownStatus(market))
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
    this.words.set([1, base, quote, MarketStatus.Active, bandPpm, 0, feeRow, 0, 0, 0], market << MARKET_SHIFT)
    this.units[2 * market + MarketUnits.LOT] = lotUnits
    this.units[2 * market + MarketUnits.TICK] = tickUnits
    if (market >= this.end) this.end = market + 1
    this.setOwnStatus(market, MarketStatus.Active)
    this.setFees(market, makerPpm, takerPpm)
  }

  /** Sets the market's own fees, which hold for every tier without fees of its own. */
  setFees(market: number, makerPpm: number, takerPpm: number): void {
    for (let tier = 0; tier < TIERS_MAX; tier++) {
      const at = market * TIERS_MAX + tier
      if (this.tierSet[at] === 1) continue
      this.fees[2 * at + Fee.MAKER] = makerPpm
      this.fees[2 * at + Fee.TAKER] = takerPpm
    }
  }

  setTierFees(market: number, tier: number, makerPpm: number, takerPpm: number): void {
    const at = market * TIERS_MAX + tier
    this.tierSet[at] = 1
    this.fees[2 * at + Fee.MAKER] = makerPpm
    this.fees[2 * at + Fee.TAKER] = takerPpm
  }

  assetConfigs(): AssetConfig[] {
    return this.symbols.flatMap((symbol, id) => {
      if (symbol === undefined) return []
      const withdrawMinUnits = this.withdrawMin[id]!
      const withdrawFeeUnits = this.withdrawFee[id]!
      return [{ id, symbol, ...(withdrawMinUnits === 0 ? {} : { withdrawMinUnits, withdrawFeeUnits }) }]
    })
  }

  configs(): MarketConfig[] {
    const configs: MarketConfig[] = []
    for (let id = 0; id < this.end; id++) {
      if (!this.has(id)) continue
      const fee = 2 * id * TIERS_MAX
      configs.push({
        id,
        base: this.get(id, Market.BASE),
        quote: this.get(id, Market.QUOTE),
        lotUnits: this.units[2 * id + MarketUnits.LOT]!,
        tickUnits: this.units[2 * id + MarketUnits.TICK]!,
        makerFeePpm: this.fees[fee + Fee.MAKER]!,
        takerFeePpm: this.fees[fee + Fee.TAKER]!,
        bandPpm: this.get(id, Market.BAND_PPM),
        status: this.ownStatus(id),
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

/** Whole units, and no fee above the least that is withdrawn. */
export function withdrawTermsAreValid(minUnits: number, feeUnits: number): boolean {
  return (
    Number.isInteger(minUnits) &&
    Number.isInteger(feeUnits) &&
    feeUnits >= 0 &&
    feeUnits <= minUnits &&
    minUnits <= WITHDRAW_MIN_UNITS_MAX
  )
}

/** A whole positive count of units. */
export function unitsAreValid(units: number): boolean {
  return Number.isInteger(units) && units >= 1 && units < UNITS_END
}

/**
 * True when every price can be read back as a decimal number: quote units of one base unit are
 * ticks * tickUnits / lotUnits, which ends only while lotUnits, reduced, is made of twos and fives.
 */
export function priceIsDecimal(lotUnits: number, tickUnits: number): boolean {
  let [common, rest] = [lotUnits, tickUnits]
  while (rest !== 0) [common, rest] = [rest, common % rest]
  let reduced = lotUnits / common
  while (reduced % 2 === 0) reduced /= 2
  while (reduced % 5 === 0) reduced /= 5
  return reduced === 1
}

/** 1 to 16 printable ASCII characters. */
export function symbolIsValid(symbol: string): boolean {
  return symbol.length <= SYMBOL_BYTES && /^[\x21-\x7e]+$/.test(symbol)
}
