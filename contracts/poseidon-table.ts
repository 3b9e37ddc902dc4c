/**
 * Constants of Poseidon for two inputs over BN254, as circomlib uses it (width 3, x^5, 8 full and 57
 * partial rounds), and the text of contracts/src/libraries/PoseidonTable.sol. Source: L. Grassi et al.,
 * "Poseidon: A New Hash Function for Zero-Knowledge Proof Systems", section 5 and appendices B (sparse
 * matrices) and F (Grain LFSR). Pure; run by `npm run contracts:build`, checked by compile.test.ts.
 */

export const FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const WIDTH = 3
const FULL_ROUNDS = 8
const PARTIAL_ROUNDS = 57
const FIELD_BITS = 254

type Vector = bigint[]
type Matrix = Vector[]

const mod = (x: bigint): bigint => ((x % FIELD) + FIELD) % FIELD

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = (b * b) % FIELD)
    if (e & 1n) result = (result * b) % FIELD
  return result
}
const inverse = (x: bigint): bigint => power(x, FIELD - 2n)

const multiply = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => mod(row.reduce((sum, x, k) => sum + x * b[k]![j]!, 0n))))
const apply = (a: Matrix, v: Vector): Vector =>
  a.map((row) => mod(row.reduce((sum, x, k) => sum + x * v[k]!, 0n)))

/** Bits of the Grain LFSR in self-shrinking mode, seeded with the parameters of the permutation. */
function* grainBits(): Generator<number> {
  const seed: number[] = []
  const put = (value: number, bits: number): void => {
    for (let i = bits - 1; i >= 0; i--) seed.push((value >> i) & 1)
  }
  // Prime field, x^alpha, field bits, width, full rounds, partial rounds, padding of ones.
  put(1, 2)
  put(0, 4)
  put(FIELD_BITS, 12)
  put(WIDTH, 12)
  put(FULL_ROUNDS, 10)
  put(PARTIAL_ROUNDS, 10)
  put(2 ** 30 - 1, 30)
  const state = seed
  const next = (): number => {
    const bit = state[62]! ^ state[51]! ^ state[38]! ^ state[23]! ^ state[13]! ^ state[0]!
    state.shift()
    state.push(bit)
    return bit
  }
  for (let i = 0; i < 160; i++) next()
  for (;;) {
    const keep = next()
    const bit = next()
    if (keep === 1) yield bit
  }
}

/** Round constants by round, and the Cauchy matrix that mixes. */
function parameters(): { constants: Matrix; mix: Matrix } {
  const bits = grainBits()
  const sample = (): bigint => {
    let value = 0n
    for (let i = 0; i < FIELD_BITS; i++) value = (value << 1n) | BigInt(bits.next().value as number)
    return value
  }
  const element = (): bigint => {
    for (;;) {
      const value = sample()
      if (value < FIELD) return value
    }
  }
  const constants = Array.from({ length: FULL_ROUNDS + PARTIAL_ROUNDS }, () =>
    Array.from({ length: WIDTH }, element),
  )
  const xs = Array.from({ length: WIDTH }, () => mod(sample()))
  const ys = Array.from({ length: WIDTH }, () => mod(sample()))
  return { constants, mix: xs.map((x) => ys.map((y) => inverse(x + y))) }
}

export interface PoseidonTable {
  /** Dense mixing matrix, by row. */
  readonly mix: Matrix
  /** Constants of the first half of the full rounds. */
  readonly first: Matrix
  /** Per partial round: constant of element 0; row 0 without its first entry (2); column 0 without its first (2). */
  readonly partial: Matrix
  /** Entries of the 2x2 block that is left over after the partial rounds, by row. */
  readonly rest: Vector
  /** Constants of the second half of the full rounds. */
  readonly second: Matrix
}

/**
 * The equivalent permutation with sparse partial rounds. Constants: in a partial round only element 0
 * meets the S-box, so the rest of a constant commutes with it and moves through the matrix to the next
 * round. Matrices: M = diag(1, H) * S with S = [[m00, v], [H^-1 w, I]]; diag(1, H) commutes with the
 * S-box on element 0 and moves into the next round's matrix; what is left after the last is `rest`.
 */
export function poseidonTable(): PoseidonTable {
  const { constants, mix } = parameters()
  const half = FULL_ROUNDS / 2
  const partialConstants: bigint[] = []
  let carried: Vector = [0n, 0n, 0n]
  for (let round = half; round < half + PARTIAL_ROUNDS; round++) {
    const constant = constants[round]!.map((c, i) => mod(c + carried[i]!))
    partialConstants.push(constant[0]!)
    carried = apply(mix, [0n, constant[1]!, constant[2]!])
  }
  const second = constants.slice(half + PARTIAL_ROUNDS)
  second[0] = second[0]!.map((c, i) => mod(c + carried[i]!))

  const partial: Matrix = []
  let left: Matrix = [
    [1n, 0n, 0n],
    [0n, 1n, 0n],
    [0n, 0n, 1n],
  ]
  for (const constant of partialConstants) {
    const [[, v1, v2], [w1, a, b], [w2, c, d]] = multiply(mix, left) as [Vector, Vector, Vector]
    const scale = inverse(a! * d! - b! * c!)
    const column = [mod(scale * (d! * w1! - b! * w2!)), mod(scale * (a! * w2! - c! * w1!))]
    partial.push([constant, v1!, v2!, column[0]!, column[1]!])
    left = [
      [1n, 0n, 0n],
      [0n, a!, b!],
      [0n, c!, d!],
    ]
  }
  return {
    mix,
    first: constants.slice(0, half),
    partial,
    rest: [...left[1]!.slice(1), ...left[2]!.slice(1)],
    second,
  }
}

const word = (x: bigint): string => x.toString(16).padStart(64, '0')

/** Text of contracts/src/libraries/PoseidonTable.sol. */
export function poseidonTableSource(): string {
  const { mix, first, partial, rest, second } = poseidonTable()
  const data = [...first.flat(), ...partial.flat(), ...second.flat()].map(word).join('')
  const constant = (name: string, value: bigint): string => `uint256 constant ${name} = 0x${word(value)};\n`
  return `// SPDX-License-Identifier: Apache-2.0
// Generated by contracts/poseidon-table.ts. Do not edit: run \`npm run contracts:build\`.
pragma solidity 0.8.37;

// Constants of Poseidon for two inputs over BN254 (circomlib's parameters), partial rounds in sparse form:
// 4 rounds of 3 constants; 57 rounds of 5 words (constant, row 0, column 0); 4 rounds of 3 constants.
bytes constant DATA = hex"${data}";

// Mixing matrix, by row.
${mix.flatMap((row, i) => row.map((value, j) => constant(`M${i}${j}`, value))).join('')}// Block that is left over after the partial rounds.
${rest.map((value, i) => constant(`H${Math.floor(i / 2)}${i % 2}`, value)).join('')}`
}
