/** Poseidon2 against its definition in bigint and the vectors of Noir; the packing of leaves. */
import fc from 'fast-check'
import { R } from '../tree/field.js'
import { packLeaf, readBalance, unpackLeaf, writeLeaf } from './leaf.js'
import { NOIR_VECTORS } from './noir-vectors.js'
import { slowHash } from './family-hash.js'
import { hashFamily } from './poseidon2.js'
import { nodeReference, permuteReference } from './poseidon2-reference.js'
import { readElement, writeElement } from './element.js'

const edges = [0n, 1n, 2n, (1n << 51n) - 1n, 1n << 51n, 1n << 52n, (1n << 253n) - 1n, R - 2n, R - 1n]
const element = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: R - 1n }))

describe('poseidon2', () => {
  test('the definition gives what Noir gives', () => {
    for (const { input, output } of NOIR_VECTORS) expect(permuteReference(input)).toEqual(output)
  })

  test('a node is the first word of the permutation, and its first child more', () => {
    for (const { input, output } of NOIR_VECTORS) {
      const [a, b, c, d] = input as [bigint, bigint, bigint, bigint]
      expect(hashFamily(a, b, c, d)).toBe((output[0]! + a) % R)
    }
  })

  test('random children: the node is as defined', () => {
    fc.assert(
      fc.property(element, element, element, element, (a, b, c, d) => {
        expect(hashFamily(a, b, c, d)).toBe(nodeReference([a, b, c, d]))
      }),
      { numRuns: 200 },
    )
  })

  test('a chain of five hundred nodes ends where the definition ends', () => {
    let [ours, theirs] = [7n, 7n]
    for (let step = 0n; step < 500n; step++) {
      ours = hashFamily(ours, step, R - 1n - ours, ours)
      theirs = nodeReference([theirs, step, R - 1n - theirs, theirs])
    }
    expect(ours).toBe(theirs)
  })

  test('without vector instructions the node is the same', () => {
    const memory = new WebAssembly.Memory({ initial: 1 })
    const words = new Uint32Array(memory.buffer)
    const input = NOIR_VECTORS[7]!.input
    input.forEach((child, at) => writeElement(words, 64 + at * 8, child))
    slowHash(memory)(Int32Array.of(0, 8, 64, 128), 1, 2)
    expect(readElement(words, 128)).toBe(nodeReference(input))
    expect(readElement(words, 8)).toBe(0n)
  })

  test('children that are not canonical are refused', () => {
    expect(() => hashFamily(R, 0n, 0n, 0n)).toThrow(RangeError)
    expect(() => hashFamily(0n, 0n, 0n, -1n)).toThrow(RangeError)
  })
})

describe('leaf', () => {
  const balance = fc.oneof(
    fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER),
    fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  )

  test('four balances are one element, in memory and as a number, and come back', () => {
    fc.assert(
      fc.property(fc.tuple(balance, balance, balance, balance), (balances) => {
        const leaf = balances.reduce((sum, units, lane) => sum + BigInt(units) * 2n ** BigInt(63 * lane), 0n)
        expect(packLeaf(balances)).toBe(leaf)
        expect(unpackLeaf(leaf)).toEqual(balances)
        const words = new Uint32Array(24).fill(0xffffffff)
        writeLeaf(words, 8, Float64Array.of(9, ...balances), 1)
        expect(readElement(words, 8)).toBe(leaf)
        expect([words[7], words[16]]).toEqual([0xffffffff, 0xffffffff])
        expect([0, 1, 2, 3].map((lane) => readBalance(words, 8, lane))).toEqual(balances)
      }),
      { numRuns: 300 },
    )
  })

  test('what is no balance is not packed, and what packs none is not unpacked', () => {
    for (const bad of [-1, 0.5, 2 ** 53, NaN]) expect(() => packLeaf([0, bad, 0, 0])).toThrow(RangeError)
    expect(() => packLeaf([1, 2, 3])).toThrow(RangeError)
    for (const leaf of [-1n, 1n << 53n, 1n << 62n, 1n << 116n, 1n << 242n, R - 1n])
      expect(() => unpackLeaf(leaf)).toThrow(RangeError)
  })

  test('an element that is not canonical is not written', () => {
    for (const value of [-1n, R]) expect(() => writeElement(new Uint32Array(8), 0, value)).toThrow(RangeError)
  })
})
