/** Netting against a plain map; packing there and back; the fills tree; conservation. */
import fc from 'fast-check'
import {
  RECORD_BYTES,
  challenge,
  decodeRows,
  decodeUnits,
  encodeDeposits,
  encodeRows,
  encodeUnits,
  evaluateChunk,
  sumByIndex,
} from './commit.js'
import { R } from '../tree/field.js'
import { FILL_BYTES, fillProof, fillsRoot, verifyFill } from './fills-root.js'
import { Net, NotConserved, assertConserved } from './netting.js'
import { indexOf } from './rows.js'

const index = fc.oneof(fc.integer({ min: 0, max: 2 ** 28 - 1 }), fc.integer({ min: 0, max: 40 }))
const delta = fc.integer({ min: -1_000_000, max: 1_000_000 }).filter((units) => units !== 0)

describe('netting', () => {
  test('rows are those of a plain map: sorted, summed, without zeros', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(index, delta), { maxLength: 3000 }), (changes) => {
        const net = new Net()
        const plain = new Map<number, number>()
        for (const [at, units] of changes) {
          net.add(at, units)
          plain.set(at, (plain.get(at) ?? 0) + units)
        }
        const expected = [...plain].filter(([, units]) => units !== 0).sort((a, b) => a[0] - b[0])
        const rows = net.rows()
        expect(net.rowCount).toBe(expected.length)
        expect([...rows.indices].map((at, row) => [at, rows.deltas[row]])).toEqual(expected)
        const decoded = decodeRows(encodeRows(rows))
        expect(decoded).toEqual(rows)
      }),
      { numRuns: 60 },
    )
  })

  test('rows that do not add up are refused, asset by asset', () => {
    const rows = { indices: Int32Array.of(indexOf(1, 0), indexOf(2, 0)), deltas: Float64Array.of(5, -5) }
    assertConserved(rows, [], [])
    const deposit = [{ index: indexOf(1, 0), units: 3 }]
    expect(() => assertConserved(rows, deposit, [])).toThrow(NotConserved)
    assertConserved(rows, deposit, [{ index: indexOf(2, 0), units: 3 }])
    // Equal over all assets, but not for each.
    const crossed = { indices: Int32Array.of(indexOf(1, 0), indexOf(2, 1)), deltas: Float64Array.of(5, -5) }
    expect(() => assertConserved(crossed, [], [])).toThrow('asset 0')
  })
})

describe('packing', () => {
  test('records that the contract would refuse are not written', () => {
    const rows = (indices: number[], deltas: number[]) => ({
      indices: Int32Array.from(indices),
      deltas: Float64Array.from(deltas),
    })
    for (const bad of [
      rows([1, 1], [1, 1]),
      rows([2, 1], [1, 1]),
      rows([1], [0]),
      rows([1], [2 ** 53]),
      rows([1], [-(2 ** 53)]),
      rows([1], [0.5]),
    ])
      expect(() => encodeRows(bad)).toThrow(RangeError)
    expect(() => encodeUnits([{ index: 1, units: 0 }])).toThrow(RangeError)
    expect(() => decodeRows(new Uint8Array(RECORD_BYTES - 1))).toThrow(RangeError)
    expect(() => decodeRows(new Uint8Array(RECORD_BYTES))).toThrow(RangeError)
  })

  test('withdrawals are summed per index and come back from their bytes', () => {
    const summed = sumByIndex([
      { index: 9, units: 5 },
      { index: 3, units: 1 },
      { index: 9, units: 7 },
    ])
    expect(summed).toEqual([
      { index: 3, units: 1 },
      { index: 9, units: 12 },
    ])
    expect(decodeUnits(encodeUnits(summed))).toEqual(summed)
  })

  test('a deposit is index, units and owner, big-endian', () => {
    const owner = [0x01020304, 0x05060708, 0x090a0b0c, -1, 0x11121314]
    expect(Buffer.from(encodeDeposits([{ index: 0x4142, units: 7, owner }])).toString('hex')).toBe(
      '00004142' + '0000000000000007' + '0102030405060708090a0b0cffffffff11121314',
    )
    expect(() => encodeDeposits([{ index: 1, units: 2 ** 53, owner }])).toThrow(RangeError)
  })

  test('the evaluation is the polynomial written out, and every posted byte moves z', () => {
    const rows = { indices: Int32Array.of(3, 8, 11), deltas: Float64Array.of(5, -6, 7) }
    const z = 12345678901234567890n
    const power = (exponent: number): bigint => z ** BigInt(exponent)
    expect(evaluateChunk(rows, 0, 2, z)).toBe((4n * power(3) + 5n * power(2) + 9n * z - 6n + R) % R)
    // One row in a chunk of two: the unused slot comes last.
    expect(evaluateChunk(rows, 1, 2, z)).toBe((12n * power(3) + 7n * power(2)) % R)

    const domain = { chainId: 31337, settlement: '0x00000000000000000000000000000000000000aa' } as const
    const header = {
      number: 1n,
      firstSeq: 1n,
      lastSeq: 9n,
      oldRoot: 5n,
      newRoot: 6n,
      journalHead: `0x${'11'.repeat(32)}`,
      fillsRoot: `0x${'22'.repeat(32)}`,
      depositsConsumed: 1n,
    } as const
    const data = {
      chunkRoots: [6n],
      rows: encodeRows(rows),
      deposits: encodeDeposits([{ index: 3, units: 6, owner: [1, 2, 3, 4, 5] }]),
      withdrawals: new Uint8Array(0),
    }
    const seen = new Set([
      challenge(domain, header, data),
      challenge({ ...domain, chainId: 1 }, header, data),
      challenge({ ...domain, settlement: '0x00000000000000000000000000000000000000ab' }, header, data),
      challenge(domain, header, { ...data, chunkRoots: [7n] }),
      challenge(domain, header, { ...data, rows: data.rows.slice(0, 24) }),
      challenge(domain, header, { ...data, deposits: new Uint8Array(0) }),
      challenge(domain, header, { ...data, withdrawals: encodeUnits([{ index: 3, units: 6 }]) }),
      ...(['number', 'firstSeq', 'lastSeq', 'oldRoot', 'newRoot', 'depositsConsumed'] as const).map((field) =>
        challenge(domain, { ...header, [field]: header[field] + 1n }, data),
      ),
      challenge(domain, { ...header, journalHead: header.fillsRoot }, data),
      challenge(domain, { ...header, fillsRoot: header.journalHead }, data),
    ])
    expect(seen.size).toBe(15)
  })
})

describe('fills tree', () => {
  const leaves = (count: number): Uint8Array =>
    Uint8Array.from({ length: count * FILL_BYTES }, (_, at) => (at * 31 + (at >> 8)) & 0xff)

  test('every leaf of trees of 1 to 20 leaves has a proof, and no other leaf fits it', () => {
    expect(fillsRoot(leaves(0))).toEqual(new Uint8Array(32))
    for (let count = 1; count <= 20; count++) {
      const bytes = leaves(count)
      const root = fillsRoot(bytes)
      for (let at = 0; at < count; at++) {
        const proof = fillProof(bytes, at)
        expect(verifyFill(root, proof)).toBe(true)
        const wrong = proof.leaf.slice()
        wrong[100]! ^= 1
        expect(verifyFill(root, { ...proof, leaf: wrong })).toBe(false)
        if (proof.siblings.length > 0)
          expect(verifyFill(root, { ...proof, leftSiblings: proof.leftSiblings ^ 1n })).toBe(false)
      }
    }
    expect(() => fillProof(leaves(2), 2)).toThrow(RangeError)
    expect(() => fillsRoot(new Uint8Array(FILL_BYTES + 1))).toThrow(RangeError)
  })
})
