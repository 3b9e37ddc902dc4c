/**
 * Solidity that hashes a Merkle path with Poseidon of 2 or 4 inputs (circomlib's parameters), written by one
 * generator in the style of contracts/src/libraries/Poseidon.sol, so that the gas of two arities can be compared
 * on the same terms: table in memory, sparse partial rounds, three of them a loop turn. Source of the algorithm:
 * contracts/poseidon-table.ts. For bench/arity only.
 */
import { FIELD } from '../../contracts/poseidon-table.js'

type Vector = bigint[]
type Matrix = Vector[]

export interface PoseidonShape {
  /** Children of a node; the state has one element more. */
  readonly inputs: 2 | 4
  readonly partialRounds: number
}

/** circomlib's rounds for states of 3 and 5 elements. */
export const shapes: Readonly<Record<'binary' | 'quad', PoseidonShape>> = {
  binary: { inputs: 2, partialRounds: 57 },
  quad: { inputs: 4, partialRounds: 60 },
}

const FULL_ROUNDS = 8
const FIELD_BITS = 254
/** Partial rounds a loop turn. */
const TURN = 3

const mod = (x: bigint): bigint => ((x % FIELD) + FIELD) % FIELD
function inverse(value: bigint): bigint {
  let [a, b, x, y] = [mod(value), FIELD, 1n, 0n]
  while (a > 1n) {
    const q = b / a
    ;[a, b, x, y] = [b - q * a, a, y - q * x, x]
  }
  return mod(x)
}
const multiply = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => mod(row.reduce((sum, x, k) => sum + x * b[k]![j]!, 0n))))
const apply = (a: Matrix, v: Vector): Vector =>
  a.map((row) => mod(row.reduce((sum, x, k) => sum + x * v[k]!, 0n)))

/** Solution of `matrix` * x = `right`, by elimination. */
function solve(matrix: Matrix, right: Vector): Vector {
  const rows = matrix.map((row, i) => [...row, right[i]!])
  for (let at = 0; at < rows.length; at++) {
    const pivot = rows.findIndex((row, i) => i >= at && row[at] !== 0n)
    ;[rows[at], rows[pivot]] = [rows[pivot]!, rows[at]!]
    const scale = inverse(rows[at]![at]!)
    rows[at] = rows[at]!.map((x) => mod(x * scale))
    rows.forEach((row, i) => {
      if (i !== at) rows[i] = row.map((x, j) => mod(x - row[at]! * rows[at]![j]!))
    })
  }
  return rows.map((row) => row.at(-1)!)
}

/** Round constants and mixing matrix: the Grain LFSR, as in contracts/poseidon-table.ts for any width. */
function parameters(width: number, partialRounds: number): { constants: Matrix; mix: Matrix } {
  const state: number[] = []
  const put = (value: number, bits: number): void => {
    for (let i = bits - 1; i >= 0; i--) state.push((value >> i) & 1)
  }
  put(1, 2)
  put(0, 4)
  put(FIELD_BITS, 12)
  put(width, 12)
  put(FULL_ROUNDS, 10)
  put(partialRounds, 10)
  put(2 ** 30 - 1, 30)
  const next = (): number => {
    const bit = state[62]! ^ state[51]! ^ state[38]! ^ state[23]! ^ state[13]! ^ state[0]!
    state.shift()
    state.push(bit)
    return bit
  }
  for (let i = 0; i < 160; i++) next()
  const bit = (): number => {
    for (;;) {
      const isKept = next() === 1
      const value = next()
      if (isKept) return value
    }
  }
  const sample = (): bigint => {
    let value = 0n
    for (let i = 0; i < FIELD_BITS; i++) value = (value << 1n) | BigInt(bit())
    return value
  }
  const element = (): bigint => {
    for (;;) {
      const value = sample()
      if (value < FIELD) return value
    }
  }
  const constants = Array.from({ length: FULL_ROUNDS + partialRounds }, () =>
    Array.from({ length: width }, element),
  )
  const [xs, ys] = [0, 1].map(() => Array.from({ length: width }, () => mod(sample()))) as [Vector, Vector]
  return { constants, mix: xs.map((x) => ys.map((y) => inverse(x + y))) }
}

/** The permutation with sparse partial rounds: contracts/poseidon-table.ts explains the two moves. */
function table({ inputs, partialRounds }: PoseidonShape) {
  const width = inputs + 1
  const { constants, mix } = parameters(width, partialRounds)
  const half = FULL_ROUNDS / 2
  const partialConstants: bigint[] = []
  let carried: Vector = new Array<bigint>(width).fill(0n)
  for (let round = half; round < half + partialRounds; round++) {
    const constant = constants[round]!.map((c, i) => mod(c + carried[i]!))
    partialConstants.push(constant[0]!)
    carried = apply(mix, [0n, ...constant.slice(1)])
  }
  const second = constants.slice(half + partialRounds)
  second[0] = second[0]!.map((c, i) => mod(c + carried[i]!))
  const partial: Matrix = []
  let left: Matrix = mix.map((_, i) => mix.map((_row, j) => (i === j ? 1n : 0n)))
  for (const constant of partialConstants) {
    const product = multiply(mix, left)
    const block = product.slice(1).map((row) => row.slice(1))
    const column = solve(
      block,
      product.slice(1).map((row) => row[0]!),
    )
    partial.push([constant, ...product[0]!.slice(1), ...column])
    left = [[1n, ...new Array<bigint>(inputs).fill(0n)], ...block.map((row) => [0n, ...row])]
  }
  return {
    mix,
    first: constants.slice(0, half),
    partial,
    rest: left.slice(1).map((row) => row.slice(1)),
    second,
  }
}

const names = ['a', 'b', 'c', 'd', 'e']
const hex = (x: bigint): string => `0x${x.toString(16)}`
const product = (x: string, y: string): string => `mulmod(${x}, ${y}, r)`

/** Sum of products, each below R: five of them fit, a sixth would not. */
const sum = (terms: readonly string[]): string =>
  terms.slice(1).reduce((left, term) => `add(${left}, ${term})`, terms[0]!)

/** A contract `Path` whose `root(leaf, index, siblings)` hashes `depth` levels, lowest first. */
export function pathContract(shape: PoseidonShape, depth: number): string {
  const { inputs, partialRounds } = shape
  const width = inputs + 1
  const { mix, first, partial, rest, second } = table(shape)
  const state = names.slice(0, width)
  const words = [...first.flat(), ...partial.flat(), ...second.flat()]
  const data = words.map((x) => x.toString(16).padStart(64, '0')).join('')
  const full = (at: number): string[] => [
    ...state.flatMap((x, i) => [
      `${x} := addmod(${x}, mload(add(place, ${at + 32 * i})), r)`,
      `t := ${product(x, x)}`,
      `${x} := ${product(product('t', 't'), x)}`,
    ]),
    ...mix.map(
      (row, i) => `mstore(${hex(BigInt(32 * i))}, ${sum(row.map((m, j) => product(state[j]!, hex(m))))})`,
    ),
    ...state.map((x, i) => `${x} := mload(${hex(BigInt(32 * i))})`),
  ]
  const roundWords = 1 + 2 * inputs
  const sparse = (turn: number): string[] => {
    const at = (word: number): string => `mload(add(place, ${32 * (turn * roundWords + word)}))`
    const others = state.slice(1)
    return [
      `a := addmod(a, ${at(0)}, r)`,
      `t := ${product('a', 'a')}`,
      `t := ${product(product('t', 't'), 'a')}`,
      `a := ${sum([product('t', hex(mix[0]![0]!)), ...others.map((x, i) => product(x, at(1 + i)))])}`,
      // Grows by less than R a round, and is reduced in the last round of a turn.
      ...others.map((x, i) =>
        turn === TURN - 1
          ? `${x} := addmod(${x}, ${product('t', at(1 + inputs + i))}, r)`
          : `${x} := add(${x}, ${product('t', at(1 + inputs + i))})`,
      ),
    ]
  }
  const half = FULL_ROUNDS / 2
  const loop = (start: number, end: number, step: number, body: readonly string[]): string =>
    `for { place := add(constants, ${start}) } lt(place, add(constants, ${end})) { place := add(place, ${step}) } { ${body.join(' ')} }`
  const partialAt = 32 + half * width * 32
  const secondAt = partialAt + partialRounds * roundWords * 32
  const siblings = inputs - 1
  const bits = inputs === 2 ? 1 : 2
  return `// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;
bytes constant DATA = hex"${data}";
contract Path {
    function root(uint256 leaf, uint256 index, uint256[${depth * siblings}] calldata siblings) external pure returns (uint256 node) {
        bytes memory constants = DATA;
        uint256[${inputs}] memory children;
        node = leaf;
        for (uint256 height = 0; height < ${depth}; ++height) {
            uint256 place = (index >> (${bits} * height)) & ${inputs - 1};
            for (uint256 k = 0; k < ${siblings}; ++k) {
                uint256 sibling = siblings[height * ${siblings} + k];
                require(sibling < ${FIELD});
                children[k < place ? k : k + 1] = sibling;
            }
            children[place] = node;
            node = hash(constants, children);
        }
    }
    function hash(bytes memory constants, uint256[${inputs}] memory children) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            let r := ${FIELD}
            let place
            let t
            let a := 0
            ${state
              .slice(1)
              .map((x, i) => `let ${x} := mload(add(children, ${32 * i}))`)
              .join('\n            ')}
            // The state passes through memory that is kept and restored: scratch, free pointer, zero slot.
            let free := mload(0x40)
            ${loop(32, partialAt, width * 32, full(0))}
            ${state
              .slice(1)
              .map((x) => `${x} := mod(${x}, r)`)
              .join(' ')}
            ${loop(partialAt, secondAt, TURN * roundWords * 32, Array.from({ length: TURN }, (_, turn) => sparse(turn)).flat())}
            ${rest.map((row, i) => `mstore(${hex(BigInt(32 * i))}, ${sum(row.map((m, j) => product(state[j + 1]!, hex(m))))})`).join(' ')}
            ${state
              .slice(1)
              .map((x, i) => `${x} := mload(${hex(BigInt(32 * i))})`)
              .join(' ')}
            ${loop(secondAt, secondAt + half * width * 32, width * 32, full(0))}
            result := mod(a, r)
            mstore(0x40, free)
            mstore(0x60, 0)
        }
    }
}
`
}
