/**
 * Groth16 proofs made with the secrets of a setup instead of a circuit and a witness: with alpha, beta, gamma,
 * delta and the scalars of IC known, any public input has the proof A = a G1, B = b G2,
 * C = ((a b - alpha beta - gamma ic(x)) / delta) G1. For tests and benchmarks of the verifier: exactly what
 * somebody can do who keeps the secrets of a ceremony.
 */
import { bn254 } from '@noble/curves/bn254.js'
import type { VerificationKey } from '../../contracts/deployment/verification-key.js'

const { Fr } = bn254.fields

/** Secrets of a setup, scalars of the field. */
export interface Trapdoor {
  readonly alpha: bigint
  readonly beta: bigint
  readonly gamma: bigint
  readonly delta: bigint
  /** One more than there are public inputs. */
  readonly ic: readonly bigint[]
}

/** Small scalars, for whoever only needs some key. */
export const smallTrapdoor: Trapdoor = {
  alpha: 11n,
  beta: 13n,
  gamma: 17n,
  delta: 19n,
  ic: [23n, 29n, 31n, 37n, 41n],
}

/** The point at infinity is (0, 0) to the precompiles. */
const g1 = (scalar: bigint): { x: bigint; y: bigint } =>
  scalar === 0n ? { x: 0n, y: 0n } : bn254.G1.Point.BASE.multiply(scalar).toAffine()
const g2 = (scalar: bigint): { x: { c0: bigint; c1: bigint }; y: { c0: bigint; c1: bigint } } =>
  bn254.G2.Point.BASE.multiply(scalar).toAffine()

/** The verification key, as snarkjs would write it. */
export function trapdoorKey({ alpha, beta, gamma, delta, ic }: Trapdoor): VerificationKey {
  const point1 = (scalar: bigint): string[] => {
    const { x, y } = g1(scalar)
    return [String(x), String(y), '1']
  }
  const point2 = (scalar: bigint): string[][] => {
    const { x, y } = g2(scalar)
    return [
      [String(x.c0), String(x.c1)],
      [String(y.c0), String(y.c1)],
      ['1', '0'],
    ]
  }
  return {
    protocol: 'groth16',
    curve: 'bn128',
    nPublic: ic.length - 1,
    vk_alpha_1: point1(alpha),
    vk_beta_2: point2(beta),
    vk_gamma_2: point2(gamma),
    vk_delta_2: point2(delta),
    IC: ic.map(point1),
  }
}

/**
 * A proof of `inputs`, whatever they state; `a` and `b` are its randomness.
 * @returns points in EIP-197 order: [a.x, a.y, b.x1, b.x0, b.y1, b.y0, c.x, c.y].
 */
export function trapdoorProof(
  { alpha, beta, gamma, delta, ic }: Trapdoor,
  inputs: readonly bigint[],
  a = 43n,
  b = 47n,
): bigint[] {
  const sum = inputs.reduce((acc, x, i) => Fr.create(acc + x * ic[i + 1]!), Fr.create(ic[0]!))
  const c = Fr.mul(Fr.create(a * b - alpha * beta - gamma * sum), Fr.inv(delta))
  const [first, second, third] = [g1(a), g2(b), g1(c)]
  return [first.x, first.y, second.x.c1, second.x.c0, second.y.c1, second.y.c0, third.x, third.y]
}
