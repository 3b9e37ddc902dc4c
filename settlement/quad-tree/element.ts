/** A field element in memory: 32 bytes, little-endian, canonical. A family is the four children of a node, side by side. */
import { R } from '../tree/field.js'

export const ELEMENT_WORDS = 8
export const ELEMENT_SIZE = ELEMENT_WORDS * 4
export const CHILDREN = 4
export const FAMILY_WORDS = CHILDREN * ELEMENT_WORDS
export const FAMILY_SIZE = CHILDREN * ELEMENT_SIZE

/** The element at word `at`. */
export function readElement(words: Uint32Array, at: number): bigint {
  let value = 0n
  for (let word = ELEMENT_WORDS - 1; word >= 0; word--) value = (value << 32n) | BigInt(words[at + word]!)
  return value
}

/** Writes a canonical element at word `at`. */
export function writeElement(words: Uint32Array, at: number, value: bigint): void {
  if (value < 0n || value >= R) throw new RangeError(`node: ${value} is not in 0 .. R - 1`)
  let rest = value
  for (let word = 0; word < ELEMENT_WORDS; word++) {
    words[at + word] = Number(rest & 0xffffffffn)
    rest >>= 32n
  }
}
