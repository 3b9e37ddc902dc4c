/**
 * Constants of Poseidon (L. Grassi et al., "Poseidon: A New Hash Function for Zero-Knowledge Proof
 * Systems", USENIX Security 2021) over BN254 with a state of three elements, x^5, 8 full and 57 partial
 * rounds: the parameters of circomlib. They are derived, not copied: the Grain LFSR of the paper's
 * appendix F, seeded with the parameters, gives the round constants and then the Cauchy matrix.
 *
 * Invariant: pure and deterministic; tests compare with published vectors.
 */
import { R, inverse } from './field.js'

/** Elements of the state: one of capacity, two of input. */
export const WIDTH = 3
export const FULL_ROUNDS = 8
export const PARTIAL_ROUNDS = 57
export const ROUNDS = FULL_ROUNDS + PARTIAL_ROUNDS
const FIELD_BITS = 254

/** Grain in self-shrinking mode: yields pseudo-random bits that depend on the parameters alone. */
function* grainBits(): Generator<number> {
  const state: number[] = []
  const push = (value: number, bits: number): void => {
    for (let bit = bits - 1; bit >= 0; bit--) state.push((value >> bit) & 1)
  }
  push(1, 2) // prime field
  push(0, 4) // S-box x^alpha
  push(FIELD_BITS, 12)
  push(WIDTH, 12)
  push(FULL_ROUNDS, 10)
  push(PARTIAL_ROUNDS, 10)
  push(2 ** 30 - 1, 30)
  const next = (): number => {
    const bit = state[62]! ^ state[51]! ^ state[38]! ^ state[23]! ^ state[13]! ^ state[0]!
    state.shift()
    state.push(bit)
    return bit
  }
  for (let index = 0; index < 160; index++) next()
  for (;;) {
    // Pairs: a first bit of 0 discards the second.
    const isKept = next() === 1
    const bit = next()
    if (isKept) yield bit
  }
}

function takeInteger(bits: Generator<number>): bigint {
  let value = 0n
  for (let index = 0; index < FIELD_BITS; index++) value = (value << 1n) | BigInt(bits.next().value as number)
  return value
}

export interface PoseidonConstants {
  /** ROUNDS * WIDTH elements, added before the S-boxes of each round. */
  readonly round: readonly bigint[]
  /** WIDTH x WIDTH: new state i = sum over j of matrix[i][j] * state j. */
  readonly matrix: readonly (readonly bigint[])[]
}

/** Derives the constants; some milliseconds. */
export function poseidonConstants(): PoseidonConstants {
  const bits = grainBits()
  const round: bigint[] = []
  while (round.length < ROUNDS * WIDTH) {
    const value = takeInteger(bits)
    if (value < R) round.push(value)
  }
  // The matrix draws its 2 * WIDTH elements without rejection, reduced modulo R.
  const drawn = Array.from({ length: 2 * WIDTH }, () => takeInteger(bits) % R)
  const matrix = Array.from({ length: WIDTH }, (_, i) =>
    Array.from({ length: WIDTH }, (_, j) => inverse(drawn[i]! + drawn[WIDTH + j]!)),
  )
  return { round, matrix }
}
