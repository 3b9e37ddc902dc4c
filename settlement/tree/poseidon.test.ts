/** The WebAssembly hash against its definition in bigint, poseidon-lite, and published vectors. */
import fc from 'fast-check'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { R, bytesToBigint, fieldToBytes } from './field.js'
import { poseidon } from './poseidon.js'
import { poseidonReference } from './poseidon-reference.js'

/** Published by circomlib and its ports; contracts/test/Poseidon.t.sol has it too. */
const CIRCOMLIB_OF_1_2 = 7853200120776062878684798364095072458815029376092732009249414926327459813530n
const edges = [0n, 1n, 2n, (1n << 29n) - 1n, 1n << 29n, (1n << 253n) - 1n, R - 2n, R - 1n]
const element = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: R - 1n }))

test('every element has 32 bytes, and nothing else has', () => {
  for (const value of edges) {
    const bytes = fieldToBytes(value)
    expect([bytes.length, bytesToBigint(bytes)]).toEqual([32, value])
  }
  for (const value of [-1n, R]) expect(() => fieldToBytes(value)).toThrow(RangeError)
})

describe('poseidon', () => {
  test('every pair of edge values hashes as poseidon-lite says', () => {
    for (const left of edges)
      for (const right of edges) expect(poseidon(left, right)).toBe(poseidon2([left, right]))
  })

  test('random pairs: WebAssembly, definition and poseidon-lite agree', () => {
    fc.assert(
      fc.property(element, element, (left, right) => {
        const hash = poseidon(left, right)
        return hash === poseidonReference(left, right) && hash === poseidon2([left, right])
      }),
      { numRuns: 300 },
    )
  })

  test('a chain of a thousand hashes ends where poseidon-lite ends', () => {
    let [ours, theirs] = [7n, 7n]
    for (let step = 0; step < 1000; step++) {
      ours = poseidon(ours, BigInt(step))
      theirs = poseidon2([theirs, BigInt(step)])
    }
    expect(ours).toBe(theirs)
  })

  test('inputs that are not canonical are refused', () => {
    expect(() => poseidon(R, 0n)).toThrow(RangeError)
    expect(() => poseidon(0n, -1n)).toThrow(RangeError)
  })

  test('circomlib’s published vector of two inputs', () => {
    expect(poseidon(1n, 2n)).toBe(CIRCOMLIB_OF_1_2)
  })
})
