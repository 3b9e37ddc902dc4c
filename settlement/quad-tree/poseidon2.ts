/**
 * A node's hash in bigint at the edge: for proofs, witnesses and tests. The tree hashes in place through
 * quad-nodes.ts instead.
 */
import { FAMILY_WORDS, readElement, writeElement, ELEMENT_WORDS } from './element.js'
import { familyHash } from './family-hash.js'
import { HASH_SCRATCH } from './poseidon2-wasm.js'

const limits = { minPages: 1, maxPages: 1, isShared: false }
const memory = new WebAssembly.Memory({ initial: limits.minPages, maximum: limits.maxPages })
const hash = familyHash(memory, limits, 0)
const words = new Uint32Array(memory.buffer)
const FAMILY = HASH_SCRATCH / 4
const job = Int32Array.of(FAMILY, FAMILY + FAMILY_WORDS)

/** The node over four children: P(a, b, c, d)[0] + a. Throws RangeError for what is not canonical. */
export function hashFamily(a: bigint, b: bigint, c: bigint, d: bigint): bigint {
  writeElement(words, FAMILY, a)
  writeElement(words, FAMILY + ELEMENT_WORDS, b)
  writeElement(words, FAMILY + 2 * ELEMENT_WORDS, c)
  writeElement(words, FAMILY + 3 * ELEMENT_WORDS, d)
  hash(job, 0, 1)
  return readElement(words, FAMILY + FAMILY_WORDS)
}
