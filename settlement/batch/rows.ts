/**
 * The rows of a batch: what each balance changed by, one row an (account, asset). Their order is that of the tree's
 * indices, account << ASSET_BITS | asset.
 *
 * Invariant: strictly increasing by index, no zero delta. Made by netting.ts, checked by commit.ts and, on the chain,
 * by contracts/src/libraries/BatchData.sol.
 */
import { ASSET_BITS, ASSETS_MAX } from '../../engine/limits.js'

/** Rows of a batch. */
export interface Rows {
  readonly indices: Int32Array
  /** Signed units. */
  readonly deltas: Float64Array
}

/** Tree index of (account, asset). */
export const indexOf = (account: number, asset: number): number => (account << ASSET_BITS) | asset
export const accountOf = (index: number): number => index >>> ASSET_BITS
export const assetOf = (index: number): number => index & (ASSETS_MAX - 1)
