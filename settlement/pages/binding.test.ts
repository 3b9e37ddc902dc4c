/** Hashes of the binding, written out word by word; everything posted moves z. */
import { concatHex, keccak256, numberToHex, type Hex } from 'viem'
import { R } from '../tree/field.js'
import { batchHashOf, pageChallenge, pageCommitment, pageInputs, type RootedPage } from './binding.js'
import { evaluateRows, type LeafRows } from './leaf-rows.js'
import { encodePage } from './page-bytes.js'

const word = (value: bigint | number): Hex => numberToHex(value, { size: 32 })
const settlement = '0x00000000000000000000000000000000000000aa'
const domain = { chainId: 31337, settlement } as const
const header = {
  number: 3n,
  firstSeq: 7n,
  lastSeq: 9n,
  oldRoot: 5n,
  newRoot: 6n,
  journalHead: `0x${'11'.repeat(32)}`,
  fillsRoot: `0x${'22'.repeat(32)}`,
  depositsConsumed: 4n,
  pageCount: 2,
} as const
const rows: LeafRows = { leaves: Int32Array.of(3, 9), deltas: Float64Array.of(5, 0, 0, -1, 0, -7, 0, 0) }
const page: RootedPage = { ...encodePage(1, rows), firstRoot: 5n, lastRoot: 55n }

test('hashes are those of the words', () => {
  const batchHash = keccak256(
    concatHex([
      word(31337),
      word(0xaa),
      ...[3, 7, 9, 5, 6].map(word),
      header.journalHead,
      header.fillsRoot,
      word(4),
      word(2),
    ]),
  )
  expect(batchHashOf(domain, header)).toBe(batchHash)
  const z =
    BigInt(
      keccak256(
        concatHex([
          batchHash,
          ...[1, 1, 5, 55].map(word),
          keccak256(page.rows),
          keccak256(new Uint8Array(0)),
        ]),
      ),
    ) % R
  expect(pageChallenge(batchHash, 1, page)).toBe(z)
  const inputs = pageInputs(batchHash, 1, page, rows)
  expect(inputs).toEqual([5n, 55n, z, evaluateRows(rows, z)])
  expect(pageCommitment(inputs)).toBe(keccak256(concatHex(inputs.map(word))))
})

test('everything posted moves z', () => {
  const seen = new Set<bigint>()
  const see = (hash: Hex, index: number, posted: RootedPage): unknown =>
    seen.add(pageChallenge(hash, index, posted))
  const batchHash = batchHashOf(domain, header)
  see(batchHash, 0, page)
  see(batchHash, 1, page)
  see(batchHash, 0, { ...page, kind: 2 })
  see(batchHash, 0, { ...page, firstRoot: 6n })
  see(batchHash, 0, { ...page, lastRoot: 56n })
  see(batchHash, 0, { ...page, rows: page.rows.slice(1) })
  see(batchHash, 0, { ...page, deposits: new Uint8Array(1) })
  see(batchHashOf({ ...domain, chainId: 1 }, header), 0, page)
  see(batchHashOf({ ...domain, settlement: `0x${'ab'.repeat(20)}` }, header), 0, page)
  for (const name of ['number', 'firstSeq', 'lastSeq', 'oldRoot', 'newRoot', 'depositsConsumed'] as const)
    see(batchHashOf(domain, { ...header, [name]: header[name] + 1n }), 0, page)
  see(batchHashOf(domain, { ...header, pageCount: 3 }), 0, page)
  see(batchHashOf(domain, { ...header, journalHead: header.fillsRoot }), 0, page)
  see(batchHashOf(domain, { ...header, fillsRoot: header.journalHead }), 0, page)
  expect(seen.size).toBe(18)
})
