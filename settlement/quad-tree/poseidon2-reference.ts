/**
 * The Poseidon2 permutation by its definition, in bigint: the slow twin of the WebAssembly one, and the oracle of
 * its tests.
 */
import { R } from '../tree/field.js'
import { INNER_ROUNDS, OUTER_ROUNDS, poseidon2Constants } from './poseidon2-constants.js'

const { outer, inner, diagonal } = poseidon2Constants()

/** The outer matrix of four lanes: circ(2 M4, M4, ...) is M4 itself (section 5.1 of the paper). */
const OUTER_MATRIX: readonly (readonly bigint[])[] = [
  [5n, 7n, 1n, 3n],
  [4n, 6n, 1n, 1n],
  [1n, 3n, 5n, 7n],
  [1n, 1n, 4n, 6n],
]
const times = (matrix: readonly (readonly bigint[])[], state: readonly bigint[]): bigint[] =>
  matrix.map((row) => row.reduce((sum, factor, lane) => sum + factor * state[lane]!, 0n) % R)
/** The inner matrix: all ones, and the diagonal more. */
const inside = (state: readonly bigint[]): bigint[] => {
  const sum = state.reduce((total, x) => total + x, 0n)
  return state.map((x, lane) => (sum + diagonal[lane]! * x) % R)
}
const sbox = (x: bigint): bigint => {
  const square = (x * x) % R
  return (((square * square) % R) * x) % R
}

/** The permutation of four canonical field elements. */
export function permuteReference(input: readonly bigint[]): bigint[] {
  let state = times(OUTER_MATRIX, input)
  const outerRounds = (from: number, end: number): void => {
    for (let round = from; round < end; round++)
      state = times(
        OUTER_MATRIX,
        state.map((x, lane) => sbox(x + outer[round]![lane]!)),
      )
  }
  outerRounds(0, OUTER_ROUNDS / 2)
  for (let round = 0; round < INNER_ROUNDS; round++)
    state = inside([sbox(state[0]! + inner[round]!), ...state.slice(1)])
  outerRounds(OUTER_ROUNDS / 2, OUTER_ROUNDS)
  return state
}

/** The node over four children: P(a, b, c, d)[0] + a. */
export const nodeReference = (children: readonly bigint[]): bigint =>
  (permuteReference(children)[0]! + children[0]!) % R
