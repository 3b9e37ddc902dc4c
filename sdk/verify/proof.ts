/**
 * Checks a balance against the root on-chain, trusting nobody but the chain: the exchange sends a leaf
 * and its path, this file hashes them to a root and compares it with the one that the settlement
 * contract holds.
 *
 * The state tree is binary, of depth 28, with Poseidon (two inputs, BN254, circomlib parameters) at
 * each node; the index is account << 6 | asset, its bit h (lowest first) tells the side at height h; a
 * leaf is the balance in units, 0 when empty.
 */
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { ASSET_BITS, UNITS_END } from '../../engine/limits.js'
import { VerificationError } from '../base/errors.js'
import { ErrorCode } from '../wire/codes.js'
import { readArray, readObject, readSafeInt, readString } from '../wire/fields.js'
import type { WireValue } from '../wire/msgpack.js'

export const STATE_TREE_DEPTH = 28

export interface BalanceProof {
  readonly account: number
  readonly asset: number
  readonly units: bigint
  readonly siblings: readonly bigint[]
  readonly batch: number
  readonly root: bigint
  readonly state: string
}

const decimal = (value: unknown, field: string): bigint => {
  const text = readString(value, field)
  if (!/^[0-9]{1,78}$/.test(text))
    throw new VerificationError(`${field} is not a number`, { code: ErrorCode.ProofUnavailable })
  return BigInt(text)
}

/** A proof as the gateway sends it. @throws FieldError or VerificationError when it is not one. */
export function readProof(answer: WireValue): BalanceProof {
  const proof = readObject(answer, 'proof')
  const units = decimal(proof['units'], 'units')
  // A leaf is hashed modulo the field's order: beyond the bound other amounts have the same root.
  if (units >= UNITS_END)
    throw new VerificationError(`units is ${units}, and no balance reaches 2^53`, {
      code: ErrorCode.ProofUnavailable,
    })
  return {
    account: readSafeInt(proof['account'], 'account'),
    asset: readSafeInt(proof['asset'], 'asset'),
    units,
    siblings: readArray(proof['siblings'], 'siblings', STATE_TREE_DEPTH, STATE_TREE_DEPTH).map((value) =>
      decimal(value, 'sibling'),
    ),
    batch: readSafeInt(proof['batch'], 'batch'),
    root: decimal(proof['root'], 'root'),
    state: readString(proof['state'], 'state'),
  }
}

/** The root that a leaf and its path hash to. */
export function rootOf(account: number, asset: number, units: bigint, siblings: readonly bigint[]): bigint {
  const index = account * 2 ** ASSET_BITS + asset
  let node = units
  siblings.forEach((sibling, height) => {
    const right = Math.floor(index / 2 ** height) % 2 === 1
    node = right ? poseidon2([sibling, node]) : poseidon2([node, sibling])
  })
  return node
}
