/**
 * Units of an asset as people read them: an exact decimal amount of the token, and its symbol. Used by the tools.
 */
import { formatUnits } from 'viem'

export interface AssetText {
  readonly symbol: string
  /** Decimals of the token; with 0 the amount is in atoms. */
  readonly decimals: number
  /** Atoms of a unit. */
  readonly unitAtoms: string
}

/** "12.5 USDX" for 12,500,000 units of an asset of six decimals whose unit is one atom. */
export function unitsText(asset: AssetText, units: number | bigint): string {
  return `${formatUnits(BigInt(units) * BigInt(asset.unitAtoms), asset.decimals)} ${asset.symbol}`
}
