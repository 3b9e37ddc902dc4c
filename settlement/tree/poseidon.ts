/**
 * Poseidon of two field elements, in bigint at the edge: for proofs, witnesses and tests. The tree hashes
 * in place through node-memory.ts instead.
 */
import { R, inverse } from './field.js'
import { ELEMENT_BYTES, MONTGOMERY, SCRATCH_BYTES, instantiatePoseidon } from './poseidon-wasm.js'

const FROM_MONTGOMERY = inverse(MONTGOMERY)
const WORD = 0xffffffffffffffffn

/** Writes a canonical element in stored form at word `at` of `words`. */
export function storeElement(words: BigUint64Array, at: number, value: bigint): void {
  if (value < 0n || value >= R) throw new RangeError(`poseidon: ${value} is not in 0 .. R - 1`)
  const stored = (value * MONTGOMERY) % R
  words[at] = stored & WORD
  words[at + 1] = (stored >> 64n) & WORD
  words[at + 2] = (stored >> 128n) & WORD
  words[at + 3] = stored >> 192n
}

/** The element in stored form at word `at` of `words`. */
export function loadElement(words: BigUint64Array, at: number): bigint {
  const stored = (((((words[at + 3]! << 64n) | words[at + 2]!) << 64n) | words[at + 1]!) << 64n) | words[at]!
  return (stored * FROM_MONTGOMERY) % R
}

/** Element `index` of concatenated stored elements. */
export function readStored(bytes: Uint8Array, index: number): bigint {
  const copy = bytes.slice(index * ELEMENT_BYTES, (index + 1) * ELEMENT_BYTES)
  return loadElement(new BigUint64Array(copy.buffer), 0)
}

const limits = { minPages: 1, maxPages: 1, isShared: false }
const memory = new WebAssembly.Memory({ initial: limits.minPages, maximum: limits.maxPages })
const { hash } = instantiatePoseidon(memory, limits, 0)
const words = new BigUint64Array(memory.buffer)
const LEFT = SCRATCH_BYTES
const RIGHT = LEFT + ELEMENT_BYTES

/** Poseidon(left, right) with circomlib's parameters. Throws RangeError for what is not canonical. */
export function poseidon(left: bigint, right: bigint): bigint {
  storeElement(words, LEFT / 8, left)
  storeElement(words, RIGHT / 8, right)
  hash(LEFT, RIGHT, LEFT)
  return loadElement(words, LEFT / 8)
}
