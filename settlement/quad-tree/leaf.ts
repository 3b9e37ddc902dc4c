/**
 * A leaf of the state tree: the four balances of one account in one group of assets, as one field element,
 *
 *   leaf = b0 + b1 * 2^63 + b2 * 2^126 + b3 * 2^189        each balance a whole number of units, 0 to 2^53 - 1
 *
 * In memory it is 32 bytes, little-endian, read and written here as words of 32 bits: no bigint in the hot path.
 */
import { UNITS_END } from '../../engine/limits.js'

/** Balances in a leaf. */
export const LEAF_LANES = 4
const LANE_BITS = 63
/** Bits of a balance in its upper word. */
const UPPER_MASK = UNITS_END / 2 ** 32 - 1

export type LeafBalances = readonly [number, number, number, number]

/** The element of four balances. Throws RangeError for what is no balance. */
export function packLeaf(balances: readonly number[]): bigint {
  if (balances.length !== LEAF_LANES) throw new RangeError(`leaf: ${balances.length} balances`)
  return balances.reduceRight((leaf, balance) => {
    if (!Number.isInteger(balance) || balance < 0 || balance >= UNITS_END)
      throw new RangeError(`leaf: balance ${balance}, 0 to 2^53 - 1`)
    return (leaf << BigInt(LANE_BITS)) + BigInt(balance)
  }, 0n)
}

/** The balances of an element. Throws RangeError for an element that packs none. */
export function unpackLeaf(leaf: bigint): LeafBalances {
  const lane = (at: number): number =>
    Number((leaf >> BigInt(at * LANE_BITS)) & ((1n << BigInt(LANE_BITS)) - 1n))
  const balances: LeafBalances = [lane(0), lane(1), lane(2), lane(3)]
  if (leaf < 0n || packLeaf(balances) !== leaf) throw new RangeError(`leaf: ${leaf} packs no balances`)
  return balances
}

/** Balance of a lane of the leaf at word `at`. */
export function readBalance(words: Uint32Array, at: number, lane: number): number {
  const bit = lane * LANE_BITS
  const word = at + (bit >>> 5)
  const shift = bit & 31
  if (shift === 0) return (words[word + 1]! & UPPER_MASK) * 2 ** 32 + words[word]!
  const lower = ((words[word]! >>> shift) | (words[word + 1]! << (32 - shift))) >>> 0
  const upper = (words[word + 1]! >>> shift) | (words[word + 2]! << (32 - shift))
  return (upper & UPPER_MASK) * 2 ** 32 + lower
}

/** Writes the leaf of the four balances from `from` on at word `at`. */
export function writeLeaf(words: Uint32Array, at: number, balances: Float64Array, from: number): void {
  words.fill(0, at, at + 8)
  for (let lane = 0; lane < LEAF_LANES; lane++) {
    const balance = balances[from + lane]!
    const lower = balance >>> 0
    const upper = (balance - lower) / 2 ** 32
    const bit = lane * LANE_BITS
    const word = at + (bit >>> 5)
    const shift = bit & 31
    if (shift === 0) {
      words[word] = lower
      words[word + 1] = upper
    } else {
      words[word]! |= lower << shift
      words[word + 1]! |= (lower >>> (32 - shift)) | (upper << shift)
      words[word + 2]! |= upper >>> (32 - shift)
    }
  }
}
