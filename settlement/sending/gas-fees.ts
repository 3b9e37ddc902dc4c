/**
 * What a transaction pays (EIP-1559): twice the base fee of now and a tip, raised on the same nonce while it
 * is not mined, never above a cap. Used by signer.ts and outbox-watch.ts.
 */
import type { PublicClient } from 'viem'
import { BUMP_AFTER_MS, BUMP_PERCENT, FEE_PER_GAS_MAX, PRIORITY_FEE_PER_GAS } from '../limits.js'

export interface FeePolicy {
  /** Bound of the fee per gas, wei. */
  readonly maxFeePerGasCap: bigint
  readonly priorityFeePerGas: bigint
  /** Milliseconds without being mined before the fee is raised. */
  readonly bumpAfterMs: number
}

export const defaultFees: FeePolicy = {
  maxFeePerGasCap: FEE_PER_GAS_MAX,
  priorityFeePerGas: PRIORITY_FEE_PER_GAS,
  bumpAfterMs: BUMP_AFTER_MS,
}

/** Wei per gas. */
export interface Fees {
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** Base fee of the newest block, wei per gas. */
export async function baseFeeOf(client: PublicClient): Promise<bigint> {
  return (await client.getBlock({ blockTag: 'latest' })).baseFeePerGas ?? 0n
}

/** Fees of a new transaction at `baseFee`. */
export function firstFees(policy: FeePolicy, baseFee: bigint): Fees {
  const maxFeePerGas = least(baseFee * 2n + policy.priorityFeePerGas, policy.maxFeePerGasCap)
  return { maxFeePerGas, maxPriorityFeePerGas: least(policy.priorityFeePerGas, maxFeePerGas) }
}

/** Fees that may take the place of `last`; undefined when those are at the cap. */
export function raisedFees(policy: FeePolicy, last: Fees, baseFee: bigint): Fees | undefined {
  const { maxFeePerGasCap } = policy
  if (last.maxFeePerGas >= maxFeePerGasCap) return undefined
  const raised = (fee: bigint): bigint => (fee * BUMP_PERCENT) / 100n + 1n
  const wanted = most(raised(last.maxFeePerGas), firstFees(policy, baseFee).maxFeePerGas)
  const maxFeePerGas = least(wanted, maxFeePerGasCap)
  return { maxFeePerGas, maxPriorityFeePerGas: least(raised(last.maxPriorityFeePerGas), maxFeePerGas) }
}
