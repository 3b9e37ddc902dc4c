/**
 * Batches from rows to calldata, against the model of what the chain checks: it takes them, in one transaction or in
 * many, carries what was computed here, and keeps the commitments that were computed here. What is broken in one way
 * is refused with that way's error.
 */
import fc from 'fast-check'
import { concatHex, keccak256, zeroHash, type Hex } from 'viem'
import { ASSETS_MAX } from '../../engine/limits.js'
import { Revert } from '../../contracts/model/governance.js'
import {
  carriedBytes,
  commitmentOf,
  headerHash,
  postPages,
  type CarriedState,
  type ChainState,
  type PageHeader,
  type PostedPage,
} from '../../contracts/model/pages.js'
import { bytesToHex, encodeDeposits } from '../batch/commit.js'
import { Net, type IndexedUnits, type QueuedUnits } from '../batch/netting.js'
import { accountOf, indexOf } from '../batch/rows.js'
import { R } from '../tree/field.js'
import { cutBatch, type CutPage } from './batch-pages.js'
import { rowsOfBatch, type BatchRows } from './batch-rows.js'
import { batchHashOf, pageCommitment, pageInputs, type PagedHeader, type RootedPage } from './binding.js'
import {
  CalldataError,
  carriedAtStart,
  carriedHash,
  carryOn,
  decodeCommitPages,
  encodeCommitPages,
  type Carried,
} from './calldata.js'
import { CuttingError, type CuttingOptions } from './cutting.js'
import { decodePage } from './page-bytes.js'
import { groupPages } from './transactions.js'

const domain = { chainId: 31337, settlement: `0x${'ab'.repeat(20)}` } as const
const ACCOUNTS = 40
const ASSETS = 9
const OPTIONS: CuttingOptions = {
  circuits: [
    { name: 'small', kind: 'list', leaves: 3, slots: 30, seconds: 1, gas: 10 },
    { name: 'dense', kind: 'dense', subtreeLeaves: 4, seconds: 0.5, gas: 10 },
  ],
  gasPerSecond: 1,
}
const OWNER = [1, 2, 3, 4, 5]
const rootAfter = (page: number): bigint => BigInt(keccak256(`0x${page.toString(16).padStart(4, '0')}`)) % R

/** A batch on a chain that has seen one, and `before` deposits consumed. */
class Posted {
  readonly pages: readonly CutPage[]
  readonly rooted: RootedPage[] = []
  readonly header: PagedHeader
  readonly chain: ChainState
  readonly start: Carried

  constructor(batch: BatchRows, before: readonly QueuedUnits[] = []) {
    this.pages = cutBatch(batch, OPTIONS)
    let firstRoot = 77n
    for (const { posts } of this.pages) {
      const lastRoot = rootAfter(this.rooted.length)
      this.rooted.push({ ...posts, firstRoot, lastRoot })
      firstRoot = lastRoot
    }
    const depositHashes: Hex[] = [zeroHash]
    for (const deposit of [...before, ...batch.deposits])
      depositHashes.push(keccak256(concatHex([depositHashes.at(-1)!, bytesToHex(encodeDeposits([deposit]))])))
    this.header = {
      number: 2n,
      firstSeq: 11n,
      lastSeq: 20n,
      oldRoot: 77n,
      newRoot: firstRoot,
      journalHead: `0x${'11'.repeat(32)}`,
      fillsRoot: `0x${'22'.repeat(32)}`,
      depositsConsumed: BigInt(depositHashes.length - 1),
      pageCount: this.pages.length,
    }
    this.chain = {
      ...domain,
      batchCount: 1n,
      lastSeq: 10n,
      lastRoot: 77n,
      depositsConsumed: BigInt(before.length),
      depositHashes,
      accountCount: ACCOUNTS,
      assetCount: ASSETS,
      open: undefined,
    }
    this.start = carriedAtStart(
      batchHashOf(domain, this.header),
      77n,
      { depositsConsumed: BigInt(before.length), depositHash: depositHashes[before.length]! },
      ASSETS,
    )
  }

  get posted(): PostedPage[] {
    return this.rooted.map(({ kind, lastRoot, rows, deposits }) => ({
      kind,
      lastRoot,
      rows: bytesToHex(rows),
      deposits: bytesToHex(deposits),
    }))
  }
}

const asModel = (carried: Carried): CarriedState => ({
  ...carried,
  pages: Number(carried.pages),
  withdrawalPages: Number(carried.withdrawalPages),
  kind: Number(carried.kind),
})

/** Changes of accounts, all of one lender's, so that they add up; deposits; withdrawals of what there is. */
function batchOf(
  trades: readonly (readonly [number, number, number])[],
  deposits: readonly QueuedUnits[],
  withdrawals: readonly IndexedUnits[],
): BatchRows {
  const net = new Net()
  for (const [account, asset, units] of trades) {
    net.add(indexOf(account, asset), units)
    net.add(indexOf(0, asset), -units)
  }
  for (const { index, units } of deposits) net.add(index, units)
  for (const { index, units } of withdrawals) net.add(index, -units)
  return rowsOfBatch({ rows: net.rows(), deposits, withdrawals })
}

const units = fc.integer({ min: 1, max: 2 ** 45 })
const index = fc
  .tuple(fc.integer({ min: 0, max: ACCOUNTS - 1 }), fc.integer({ min: 0, max: ASSETS - 1 }))
  .map(([account, asset]) => indexOf(account, asset))
const queued = fc.record({ index, units }).map((record) => ({ ...record, owner: OWNER }))
const batches = fc
  .tuple(
    fc.array(
      fc.tuple(fc.integer({ min: 1, max: ACCOUNTS - 1 }), fc.integer({ min: 0, max: ASSETS - 1 }), units),
      { maxLength: 30 },
    ),
    fc.array(queued, { maxLength: 12 }),
    fc.array(fc.record({ index, units }), { maxLength: 12 }),
  )
  .map(([trades, deposits, withdrawals]) => batchOf(trades, deposits, withdrawals))

test('random batches are taken in any number of transactions, with the same carried state and commitments', () => {
  fc.assert(
    fc.property(
      batches,
      fc.array(queued, { maxLength: 3 }),
      fc.integer({ min: 1, max: 5 }),
      (batch, before, atOnce) => {
        const { pages, rooted, header, chain, start } = new Posted(batch, before)
        expect(headerHash(domain.chainId, domain.settlement, header)).toBe(start.batchHash)
        let carried: Carried | undefined
        let [from, isCommitted] = [0, false]
        do {
          const to = Math.min(from + atOnce, pages.length)
          const call = decodeCommitPages(encodeCommitPages(header, carried, rooted.slice(from, to)))
          expect(call.header).toEqual(header)
          expect(call.carried).toEqual(carried)
          const open = carried === undefined ? undefined : asModel(carried)
          if (open !== undefined) expect(keccak256(carriedBytes(open))).toBe(carriedHash(carried))
          const posted = call.pages.map((page) => ({
            ...page,
            rows: bytesToHex(page.rows),
            deposits: bytesToHex(page.deposits),
          }))
          const outcome = postPages({ ...chain, open }, call.header, open, posted)
          const statements = call.pages.map((page, at) => {
            const read = decodePage(page.kind, page.rows, page.deposits)
            expect(read).toEqual(pages[from + at]!.says)
            const inputs = pageInputs(start.batchHash, from + at, rooted[from + at]!, read.rows)
            carried = carryOn(carried ?? start, page.lastRoot, read)
            return { inputs, commitment: pageCommitment(inputs) }
          })
          expect(outcome.statements).toEqual(statements.map(({ inputs }) => inputs))
          for (const { inputs, commitment } of statements) expect(commitmentOf(inputs)).toBe(commitment)
          expect(outcome.carried).toEqual(asModel(carried ?? start))
          isCommitted = outcome.isCommitted
          expect(isCommitted).toBe(to === pages.length)
          from = to
        } while (from < pages.length)
        expect(isCommitted).toBe(true)
      },
    ),
    { numRuns: 40 },
  )
})

describe('broken in one way', () => {
  const deposits = [
    { index: indexOf(3, 0), units: 5, owner: OWNER },
    { index: indexOf(30, 8), units: 6, owner: OWNER },
    { index: indexOf(3, 1), units: 7, owner: OWNER },
    { index: indexOf(9, 4), units: 8, owner: OWNER },
    { index: indexOf(17, 4), units: 8, owner: OWNER },
  ]
  const withdrawals = [2, 12, 22, 32].map((account) => ({ index: indexOf(account, 5), units: 4 }))
  const trades = [1, 11, 21, 31].map((account) => [account, 3, 100] as const)
  const scene = new Posted(batchOf(trades, deposits, withdrawals), deposits.slice(0, 2))
  const kinds = scene.rooted.map(({ kind }) => kind)
  const first = (kind: number): number => kinds.indexOf(kind as 0)

  /** Name of the error that a changed posting ends with. */
  function refusal(
    change: (posting: {
      chain: ChainState
      header: PageHeader
      carried: CarriedState | undefined
      pages: PostedPage[]
    }) => void,
    of = scene,
  ): string {
    const posting = { chain: of.chain, header: of.header, carried: undefined, pages: of.posted }
    change(posting)
    try {
      postPages(posting.chain, posting.header, posting.carried, posting.pages)
      return 'taken'
    } catch (error) {
      if (error instanceof Revert) return error.error
      throw error
    }
  }
  const page = (at: number, change: Partial<PostedPage>): string =>
    refusal(({ pages }) => (pages[at] = { ...pages[at]!, ...change }))
  const head = (change: Partial<PageHeader>): string =>
    refusal((posting) => (posting.header = { ...posting.header, ...change }))
  const rowsOf = (kind: number): Hex => scene.posted[first(kind)]!.rows
  const withBytes = (hex: Hex, at: number, bytes: string): Hex =>
    `0x${hex.slice(2, 2 + 2 * at)}${bytes}${hex.slice(2 + 2 * at + bytes.length)}`

  test('the scene has several pages of each kind, and is taken', () => {
    for (const kind of [0, 1, 2]) expect(kinds.filter((each) => each === kind).length).toBeGreaterThan(1)
    expect(refusal(() => undefined)).toBe('taken')
  })

  test('headers', () => {
    expect(head({ number: 3n })).toBe('WrongNumber')
    expect(head({ firstSeq: 12n })).toBe('WrongFirstSeq')
    expect(head({ lastSeq: 10n })).toBe('EmptySeqRange')
    expect(head({ oldRoot: 78n })).toBe('WrongOldRoot')
    expect(head({ newRoot: R })).toBe('WrongNewRoot')
    expect(head({ newRoot: 5n })).toBe('WrongNewRoot')
    expect(head({ depositsConsumed: 8n })).toBe('DepositCountMismatch')
    expect(head({ depositsConsumed: 6n })).toBe('DepositCountMismatch')
    expect(head({ pageCount: 1 })).toBe('PageCountMismatch')
    expect(head({ pageCount: kinds.length + 1 })).toBe('taken')
  })

  test('what is carried', () => {
    const carried = { ...asModel(scene.start), pages: 1 }
    expect(refusal((posting) => (posting.carried = carried))).toBe('WrongCarried')
    expect(refusal((posting) => (posting.chain = { ...posting.chain, open: carried }))).toBe('WrongCarried')
    const other = refusal((posting) => {
      posting.carried = carried
      posting.chain = { ...posting.chain, open: carried }
      posting.header = { ...posting.header, lastSeq: 21n }
    })
    expect(other).toBe('WrongBatch')
  })

  test('pages', () => {
    expect(refusal(({ pages }) => pages.splice(0))).toBe('EmptyPage')
    expect(page(0, { rows: '0x', deposits: '0x' })).toBe('EmptyPage')
    expect(page(first(1), { rows: '0x' })).toBe('EmptyPage')
    expect(page(0, { kind: 3 })).toBe('WrongKind')
    expect(page(first(1), { kind: 0, rows: scene.posted[0]!.rows })).not.toBe('taken')
    expect(page(first(2) + 1, { kind: 1, rows: rowsOf(1) })).toBe('WrongKind')
    expect(page(0, { lastRoot: R })).toBe('NotCanonical')
    expect(page(first(1), { deposits: '0x00' })).toBe('BadPackedLength')
    expect(page(first(1), { rows: `${rowsOf(1)}00` })).toBe('BadPackedLength')
  })

  test('rows', () => {
    for (const kind of [1, 2]) {
      const rows = rowsOf(kind)
      const error = kind === 1 ? 'BadDelta' : 'BadUnits'
      expect(page(first(kind), { rows: withBytes(rows, 0, '00') })).toBe('BadMask')
      expect(page(first(kind), { rows: withBytes(rows, 0, '44') })).toBe('BadMask')
      expect(page(first(kind), { rows: withBytes(rows, 4, '00000000000000') })).toBe(error)
      expect(page(first(kind), { rows: withBytes(rows, 4, '20000000000000') })).toBe(error)
      expect(page(first(kind), { rows: concatHex([rows, rows]) })).toBe('RowsNotIncreasing')
      // The same leaf again in the next page, and as the transaction's first row.
      expect(page(first(kind) + 1, { rows })).toBe('RowsNotIncreasing')
    }
    expect(page(first(1), { rows: '0x040000280000000000000104000029ffffffffffffff' })).toBe('UnknownAccount')
    expect(page(kinds.length - 1, { rows: '0x0480000000000000000001' })).toBe('taken')
    expect(page(kinds.length - 1, { rows: '0x0880000000000000000001' })).toBe('UnknownAsset')
    expect(page(first(1), { rows: withBytes(rowsOf(1), 10, '01') })).toBe('NotConserved')
  })

  test('deposits', () => {
    const [deposited] = scene.posted
    const { rows, deposits: records } = deposited!
    expect(page(0, { rows: withBytes(rows, 3, '02') })).toBe('WrongLeaf')
    expect(page(0, { deposits: withBytes(records, 33, '02') })).toBe('WrongLeaf')
    expect(page(0, { deposits: withBytes(records, 11, '06') })).toBe('DepositQueueMismatch')
    // Another owner.
    expect(page(0, { deposits: withBytes(records, 31, '06') })).toBe('DepositQueueMismatch')
    expect(page(0, { deposits: `${records}00` })).toBe('BadPackedLength')
    expect(page(0, { rows: `${rows}00` })).toBe('BadPackedLength')
    expect(page(0, { rows: concatHex([rows, '0x02000000']) })).toBe('BadDelta')
    expect(page(0, { rows: concatHex([rows, '0x00000000']) })).toBe('RowsNotIncreasing')
    // A page of them left out.
    expect(refusal(({ pages }) => pages.splice(0, 1))).not.toBe('taken')
  })

  test('bounds', () => {
    const row = (leaf: number): Hex => `0x${(0x04000000 + leaf).toString(16).padStart(8, '0')}00000000000001`
    const rows = (count: number): Hex => concatHex(Array.from({ length: count }, (_, leaf) => row(leaf)))
    const many = (kind: number, count: number): string =>
      refusal((posting) => {
        posting.chain = { ...posting.chain, accountCount: 5000 }
        posting.pages[first(kind)] = { ...posting.pages[first(kind)]!, rows: rows(count) }
      })
    expect(many(1, 1025)).toBe('TooManyRecords')
    expect(many(2, 257)).toBe('TooManyRecords')
  })
})

test('a batch of nothing has no page, and is one call', () => {
  const { pages, header, chain, start } = new Posted(batchOf([], [], []))
  expect(pages).toEqual([])
  expect(postPages(chain, header, undefined, [])).toEqual({
    isCommitted: true,
    carried: asModel(start),
    statements: [],
  })
})

test('calldata is no longer than was planned with', () => {
  const { header, rooted, pages, start } = new Posted(
    batchOf([[1, 1, 5]], [{ index: 64, units: 1, owner: OWNER }], []),
  )
  const carried = { ...start, sums: Array.from({ length: ASSETS_MAX }, () => -1n) }
  const bytes = (encodeCommitPages(header, carried, rooted).length - 2) / 2
  const free = { transaction: 0, page: 0, row: 0, lane: 0, deposit: 0 }
  const [group] = groupPages(
    pages.map(({ posts }) => posts),
    free,
  )
  expect(group!.gas).toBeGreaterThanOrEqual(21_000 + 40 * bytes)
})

test('what is no call, and more pages than are counted', () => {
  const { header, rooted } = new Posted(batchOf([[1, 1, 5]], [], []))
  const data = encodeCommitPages(header, undefined, rooted)
  for (const bad of ['0x', data.slice(0, 10), data.slice(0, -64), `0x00000000${data.slice(10)}`] as Hex[])
    expect(() => decodeCommitPages(bad)).toThrow(CalldataError)
  const single: CuttingOptions = {
    circuits: [{ name: 'one', kind: 'list', leaves: 1, slots: 13, seconds: 1, gas: 1 }],
    gasPerSecond: 1,
  }
  const accounts = Array.from({ length: 66_000 }, (_, account) => [account + 1, 0, 1] as const)
  expect(() => cutBatch(batchOf(accounts, [], []), single)).toThrow(CuttingError)
  expect(accountOf(indexOf(66_000, 0))).toBe(66_000)
})
