/**
 * snarkjs' JSON of a Groth16 verification key, as the constructor of Groth16ChunkVerifier takes it.
 * snarkjs writes a field element of G2 as [c0, c1]; the precompiles of EIP-197 take c1 first.
 */

/** The parts of snarkjs' verification_key.json that are used; decimal strings, projective with z = 1. */
export interface VerificationKey {
  readonly protocol: string
  readonly curve: string
  readonly nPublic: number
  readonly vk_alpha_1: readonly string[]
  readonly vk_beta_2: readonly (readonly string[])[]
  readonly vk_gamma_2: readonly (readonly string[])[]
  readonly vk_delta_2: readonly (readonly string[])[]
  readonly IC: readonly (readonly string[])[]
}

export type PointG1 = readonly [bigint, bigint]
export type PointG2 = readonly [bigint, bigint, bigint, bigint]

/** Key struct of Groth16ChunkVerifier. */
export interface ContractKey {
  readonly alpha: PointG1
  readonly beta: PointG2
  readonly gamma: PointG2
  readonly delta: PointG2
  readonly ic: readonly [PointG1, PointG1, PointG1, PointG1, PointG1]
}

/** Not a Groth16 verification key over BN254 of the chunk circuit. */
export class VerificationKeyError extends Error {
  override readonly name = 'VerificationKeyError'
}

/** Public inputs of the chunk circuit: first root, last root, z, evaluation. */
const PUBLIC_INPUTS = 4

/** @throws VerificationKeyError when the key is not a Groth16 key over BN254 with four public inputs. */
export function toContractKey(key: VerificationKey): ContractKey {
  if (key.protocol !== 'groth16' || key.curve !== 'bn128')
    throw new VerificationKeyError(
      `verification key: ${key.protocol} over ${key.curve}, expected groth16 over bn128`,
    )
  if (key.nPublic !== PUBLIC_INPUTS || key.IC.length !== PUBLIC_INPUTS + 1)
    throw new VerificationKeyError(
      `verification key: ${key.nPublic} public inputs, ${key.IC.length} IC points, expected 4 and 5`,
    )
  const g1 = (point: readonly string[]): PointG1 => [BigInt(point[0]!), BigInt(point[1]!)]
  const g2 = ([x, y]: readonly (readonly string[])[]): PointG2 => [
    BigInt(x![1]!),
    BigInt(x![0]!),
    BigInt(y![1]!),
    BigInt(y![0]!),
  ]
  const [ic0, ic1, ic2, ic3, ic4] = key.IC.map(g1)
  return {
    alpha: g1(key.vk_alpha_1),
    beta: g2(key.vk_beta_2),
    gamma: g2(key.vk_gamma_2),
    delta: g2(key.vk_delta_2),
    ic: [ic0!, ic1!, ic2!, ic3!, ic4!],
  }
}

/**
 * The used parts of a parsed verification_key.json, or of the key in a deployment file.
 * @throws VerificationKeyError when a part is missing or is not made of decimal strings.
 */
export function parseVerificationKey(value: unknown): VerificationKey {
  const parts = (typeof value === 'object' && value !== null ? value : {}) as Partial<VerificationKey>
  const isPoint = (point: unknown, size: number): point is string[] =>
    Array.isArray(point) && point.length >= size && point.every((part) => /^\d+$/.test(String(part)))
  const isPoint2 = (point: unknown): point is string[][] =>
    Array.isArray(point) && point.length >= 2 && point.every((pair) => isPoint(pair, 2))
  const { protocol = '', curve = '', nPublic = 0, vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC } = parts
  if (!isPoint(vk_alpha_1, 2) || !Array.isArray(IC) || !IC.every((point) => isPoint(point, 2)))
    throw new VerificationKeyError('verification key: vk_alpha_1 and IC must be points of decimal strings')
  if (!isPoint2(vk_beta_2) || !isPoint2(vk_gamma_2) || !isPoint2(vk_delta_2))
    throw new VerificationKeyError(
      'verification key: vk_beta_2, vk_gamma_2 and vk_delta_2 must be points of G2',
    )
  return { protocol, curve, nPublic, vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC }
}

/** Chains that hold no value. */
const LOCAL_CHAIN_IDS: readonly number[] = [31337, 1337]
/** alpha of the development setup (settlement/prover/development-key.ts), whose secrets are public. */
const DEVELOPMENT_ALPHA_X = 12106565560893464797201037404953200626257409351542574282986272856754682282638n

/** Whether anybody could forge proofs for `key`, because its secrets are public, on a chain that holds value. */
export function isInsecureOn(chainId: number, key: VerificationKey): boolean {
  return !LOCAL_CHAIN_IDS.includes(chainId) && BigInt(key.vk_alpha_1[0]!) === DEVELOPMENT_ALPHA_X
}
