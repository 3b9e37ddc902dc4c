/**
 * Poseidon by its definition, in bigint: the slow twin of poseidon.ts, and the oracle of its tests.
 */
import { R } from './field.js'
import { FULL_ROUNDS, PARTIAL_ROUNDS, ROUNDS, WIDTH, poseidonConstants } from './poseidon-constants.js'

const { round, matrix } = poseidonConstants()

const fifth = (x: bigint): bigint => {
  const square = (x * x) % R
  return (((square * square) % R) * x) % R
}

/** Poseidon of two canonical field elements. */
export function poseidonReference(left: bigint, right: bigint): bigint {
  let state = [0n, left, right]
  for (let index = 0; index < ROUNDS; index++) {
    state = state.map((x, lane) => (x + round[index * WIDTH + lane]!) % R)
    const isFull = index < FULL_ROUNDS / 2 || index >= FULL_ROUNDS / 2 + PARTIAL_ROUNDS
    state = state.map((x, lane) => (isFull || lane === 0 ? fifth(x) : x))
    state = matrix.map((row) => row.reduce((sum, factor, lane) => sum + factor * state[lane]!, 0n) % R)
  }
  return state[0]!
}
