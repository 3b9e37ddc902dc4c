/**
 * Units as branded numbers. A brand costs nothing at run time and stops lots-for-units mistakes at
 * compile time. Every number is an integer: prices are Ticks, sizes are Lots (both 1 to 2^31 - 1),
 * balances are Units (below 2^53). Atoms (on-chain token units) are bigint and live in settlement
 * and sdk/money/decimals only.
 */
export type Ticks = number & { readonly unit: 'Ticks' }
export type Lots = number & { readonly unit: 'Lots' }
/** Ledger amount of one asset, base or quote: 1 unit = 10^k atoms on-chain. */
export type Units = number & { readonly unit: 'Units' }
/** Gap-free number given to each command by the sequencer, from 1. 0 is the state before any command. */
export type Seq = number & { readonly unit: 'Seq' }
/** Index of an account, 0 to 2^22 - 1. */
export type AccountId = number & { readonly unit: 'AccountId' }
/** Index of an asset, 0 to 63. */
export type AssetId = number & { readonly unit: 'AssetId' }
export type MarketId = number & { readonly unit: 'MarketId' }
/** Millionths of a quote amount; a negative one is a rebate. */
export type Ppm = number & { readonly unit: 'Ppm' }
/** Milliseconds since 1970-01-01 UTC, as the sequencer gave them. */
export type TimeMs = number & { readonly unit: 'TimeMs' }

/** Base units of `lots`: exact while the product stays below 2^53, which placement checks. */
export function baseUnits(lots: Lots, lotUnits: number): Units {
  return (lots * lotUnits) as Units
}

/** Quote units of `lots` at `ticks`: exact while the product stays below 2^53, which placement checks. */
export function quoteUnits(ticks: Ticks, lots: Lots, tickUnits: number): Units {
  return (ticks * lots * tickUnits) as Units
}
