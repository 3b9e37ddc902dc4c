/**
 * Constants of Poseidon2 (L. Grassi, D. Khovratovich, M. Schofnegger, "Poseidon2: A Faster Version of the
 * Poseidon Hash Function", eprint 2023/323) over BN254 with a state of four elements, x^5, 8 full and 56 partial
 * rounds: the parameters of Noir and Barretenberg. They are derived, not copied: the Grain LFSR of the authors'
 * generator, seeded with the parameters, gives the round constants and then the inner matrix.
 *
 * Invariant: pure and deterministic; tests compare with vectors of Noir.
 */
import { R, toField } from '../tree/field.js'

export const STATE_LANES = 4
export const OUTER_ROUNDS = 8
export const INNER_ROUNDS = 56
const FIELD_BITS = 254
/** The generator draws inner matrices until one passes its conditions (no short cycle of a subspace): the fifth. */
const MATRICES_REFUSED = 4

/** Grain in self-shrinking mode: yields pseudo-random bits that depend on the parameters alone. */
function* grainStream(): Generator<number> {
  const state: number[] = []
  const push = (value: number, bits: number): void => {
    for (let bit = bits - 1; bit >= 0; bit--) state.push((value >> bit) & 1)
  }
  push(1, 2) // prime field
  push(0, 4) // S-box x^alpha
  push(FIELD_BITS, 12)
  push(STATE_LANES, 12)
  push(OUTER_ROUNDS, 10)
  push(INNER_ROUNDS, 10)
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

function drawInteger(bits: Generator<number>): bigint {
  let value = 0n
  for (let index = 0; index < FIELD_BITS; index++) value = (value << 1n) | BigInt(bits.next().value as number)
  return value
}

export interface Poseidon2Constants {
  /** outer[r][lane]: added before the S-boxes of outer round r. */
  readonly outer: readonly (readonly bigint[])[]
  /** inner[r]: added to lane 0 before its S-box in inner round r. */
  readonly inner: readonly bigint[]
  /** The inner matrix is all ones, and diagonal[lane] more on its diagonal. */
  readonly diagonal: readonly bigint[]
}

/** Derives the constants; some milliseconds. */
export function poseidon2Constants(): Poseidon2Constants {
  const bits = grainStream()
  const drawConstant = (): bigint => {
    for (;;) {
      const value = drawInteger(bits)
      if (value < R) return value
    }
  }
  const outerRound = (): bigint[] => Array.from({ length: STATE_LANES }, drawConstant)
  const first = Array.from({ length: OUTER_ROUNDS / 2 }, outerRound)
  const inner = Array.from({ length: INNER_ROUNDS }, drawConstant)
  const last = Array.from({ length: OUTER_ROUNDS / 2 }, outerRound)
  for (let draw = 0; draw < MATRICES_REFUSED * STATE_LANES; draw++) drawInteger(bits)
  // The matrix is drawn without rejection, its ones included.
  const diagonal = Array.from({ length: STATE_LANES }, () => toField(drawInteger(bits) - 1n))
  return { outer: [...first, ...last], inner, diagonal }
}
