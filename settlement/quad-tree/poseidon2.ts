/**
 * Poseidon2 of four field elements, in bigint at the edge: for proofs, witnesses and tests. The tree hashes in place
 * through quad-nodes.ts instead.
 */
import { R } from '../tree/field.js'
import { permuteReference } from './poseidon2-reference.js'

/** The node over four children: P(a, b, c, d)[0] + a. Throws RangeError for what is not canonical. */
export function hashFamily(a: bigint, b: bigint, c: bigint, d: bigint): bigint {
  for (const value of [a, b, c, d])
    if (value < 0n || value >= R) throw new RangeError(`poseidon2: ${value} is not in 0 .. R - 1`)
  return (permuteReference([a, b, c, d])[0]! + a) % R
}
