/**
 * Rows by leaf of the state tree: a leaf holds the balances of four assets of one account, so a row carries four
 * signed deltas. The leaf index is group (4 bits, high) and account (22 bits); asset = group * 4 + lane.
 *
 * Invariant: leaves strictly increase, no row is all zeros, every |delta| < 2^53. Made by batch-rows.ts, written and
 * read by page-bytes.ts.
 */
import { ACCOUNT_BITS, ACCOUNTS_MAX, ASSETS_MAX } from '../../engine/limits.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import { R, toField } from '../tree/field.js'

const LANE_BITS = 2
export const ASSET_GROUPS = ASSETS_MAX / LEAF_LANES
/** Leaf indices are below this. */
export const LEAVES_END = ASSET_GROUPS * ACCOUNTS_MAX
/** Bits from one balance of a packed leaf to the next. */
const LANE_SHIFT = 63n

/** Rows of a page or of a batch. */
export interface LeafRows {
  readonly leaves: Int32Array
  /** Signed units, `LEAF_LANES` a leaf. */
  readonly deltas: Float64Array
}

export const leafIndexOf = (account: number, asset: number): number =>
  ((asset >>> LANE_BITS) << ACCOUNT_BITS) | account
export const laneOf = (asset: number): number => asset & (LEAF_LANES - 1)
export const accountOfLeaf = (leaf: number): number => leaf & (ACCOUNTS_MAX - 1)
export const assetOfLeaf = (leaf: number, lane: number): number =>
  ((leaf >>> ACCOUNT_BITS) << LANE_BITS) | lane

/** Rows `from` to `to`, on the same memory. */
export const rowsBetween = ({ leaves, deltas }: LeafRows, from: number, to: number): LeafRows => ({
  leaves: leaves.subarray(from, to),
  deltas: deltas.subarray(from * LEAF_LANES, to * LEAF_LANES),
})

/**
 * The change of row `row`'s packed leaf, an integer: each delta times 2^(63 lane). Deltas are below 2^53 in
 * absolute value, so the sum determines them.
 */
export function packedDelta({ deltas }: LeafRows, row: number): bigint {
  let packed = 0n
  for (let lane = LEAF_LANES - 1; lane >= 0; lane--) {
    packed <<= LANE_SHIFT
    const delta = deltas[row * LEAF_LANES + lane]!
    if (delta !== 0) packed += BigInt(delta)
  }
  return packed
}

/**
 * The polynomial of the rows at `z`: leaf index + 1 and the packed delta of each row in turn, by Horner's rule. Lists
 * of different lengths differ in degree, as no leaf index + 1 is 0.
 */
export function evaluateRows(rows: LeafRows, z: bigint): bigint {
  let sum = 0n
  rows.leaves.forEach((leaf, row) => {
    sum = (sum * z + BigInt(leaf + 1)) % R
    sum = toField(sum * z + packedDelta(rows, row))
  })
  return sum
}
