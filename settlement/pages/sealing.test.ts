/**
 * Batches of a followed journal in pages: the tree's balances are the engine's, roots chain over pages and batches,
 * what a page says is what it did to the tree, and its witness holds in the circuits' slow twin.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Side } from '../../engine/codes.js'
import { JournalFixture, placeRecord, withdrawRecord } from '../../test/support/journal-fixture.js'
import { depositRecord, openAccountRecord } from '../chain/chain-watcher.js'
import { indexOf } from '../batch/rows.js'
import { Follower, type Range } from '../follow/follow.js'
import { hashFamily, QuadTree } from '../quad-tree/index.js'
import { emptyQuadRoots, QUAD_DEPTH } from '../quad-tree/quad-tree.js'
import { valueAfter } from '../quad-tree/tree-changes.js'
import { batchHashOf, pageInputs } from './binding.js'
import { brokenByDense, brokenByList, denseAssignment, listAssignment } from './circuit-twin.js'
import type { Circuit, CuttingOptions } from './cutting.js'
import { accountOfLeaf, assetOfLeaf } from './leaf-rows.js'
import { decodePage, PageKind } from './page-bytes.js'
import { pageJobOf } from './page-witness.js'
import { sealPages, TotalsError, type PagedBatch } from './sealing.js'

const OWNER = '0x00000000000000000000000000000000000000a1'
const DOMAIN = { chainId: 31337, settlement: '0x00000000000000000000000000000000000000b2' } as const
const ACCOUNTS = 40
/** Small ones, so that a batch has many pages. */
const circuits: readonly Circuit[] = [
  { name: 'few', kind: 'list', leaves: 4, slots: 24, seconds: 1, gas: 1000 },
  { name: 'more', kind: 'list', leaves: 8, slots: 40, seconds: 2, gas: 1000 },
  { name: 'subtree', kind: 'dense', subtreeLeaves: 16, seconds: 2, gas: 1000 },
]
const cutting: CuttingOptions = { circuits, gasPerSecond: 1000 }

describe('batches in pages', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-sealing-'))
  let follower: Follower
  const ranges: Range[] = []
  const batches: PagedBatch[] = []
  const tree = new QuadTree()
  const total = (account: number, asset: number): number => follower.total(account, asset)

  beforeAll(() => {
    const journal = new JournalFixture(dataDir)
    const accounts = Array.from({ length: ACCOUNTS }, (_, at) => at + 1)
    journal.append(...accounts.map((account) => openAccountRecord(account, OWNER)))
    journal.append(
      ...accounts.map((account) => depositRecord(account, account & 1, 1_000_000 + account, account - 1)),
    )
    // Odd accounts hold base and sell, even ones hold quote and buy; some withdraw what they have just bought.
    for (let round = 0; round < 3; round++)
      journal.append(
        ...accounts.flatMap((account) => [
          placeRecord(account, account & 1 ? Side.Sell : Side.Buy, 100, 3, 100 * round + account),
          ...(account % 5 === 0 ? [withdrawRecord(account, account & 1, 7 + round)] : []),
        ]),
      )
    follower = new Follower({ dataDir })
    // The first batch is of deposits alone, the last ones have what each round moved.
    const cuts = [2 * ACCOUNTS, 3 * ACCOUNTS]
    for (const seq of cuts) seal(seq)
    seal(Infinity)
    journal.close()
  })
  afterAll(() => {
    follower.stop()
    rmSync(dataDir, { recursive: true })
  })
  function seal(untilSeq: number): void {
    follower.advance(() => false, Infinity, untilSeq)
    ranges.push(follower.close())
    batches.push(sealPages(batches.length + 1, ranges.at(-1)!, tree, cutting, total))
  }

  test('every kind of page is there, in order, and roots chain', () => {
    let root = emptyQuadRoots[QUAD_DEPTH]!
    const kinds = batches.map(({ pages }) => pages.map(({ kind }) => kind))
    expect(new Set(kinds[0])).toEqual(new Set([PageKind.Deposit]))
    expect(kinds[0]!.length).toBeGreaterThan(2)
    const used = batches.flatMap(({ pages }) => pages.map(({ circuit }) => circuit))
    expect(new Set(used)).toEqual(new Set(['few', 'more', 'subtree']))
    for (const each of kinds.slice(1)) {
      expect(new Set(each)).toEqual(new Set([PageKind.Trade, PageKind.Withdrawal]))
      expect(each).toEqual([...each].sort((a, b) => a - b))
    }
    for (const { header, pages } of batches) {
      expect(header).toMatchObject({ oldRoot: root, pageCount: pages.length })
      for (const page of pages) {
        expect(page.firstRoot).toBe(root)
        root = page.lastRoot
      }
      expect(header.newRoot).toBe(root)
    }
    expect(tree.root).toBe(root)
  })

  test('balances of the tree are those of the engine, and no other leaf is filled', () => {
    const { leaves, deltas } = tree.filledLeaves()
    let units = 0
    leaves.forEach((leaf, row) => {
      for (let lane = 0; lane < 4; lane++) {
        const balance = deltas[row * 4 + lane]!
        expect(balance).toBe(total(accountOfLeaf(leaf), assetOfLeaf(leaf, lane)))
        units += balance
      }
    })
    const held = Array.from({ length: ACCOUNTS + 1 }, (_, account) => total(account, 0) + total(account, 1))
    expect(units).toBe(held.reduce((sum, each) => sum + each))
  })

  test('a tree that takes what the pages say is the same, and each page has a witness', () => {
    const again = new QuadTree()
    for (const { header, pages, changes } of batches) {
      const batchHash = batchHashOf(DOMAIN, header)
      pages.forEach((page, at) => {
        const { rows } = decodePage(page.kind, page.rows, page.deposits)
        const circuit = circuits.find(({ name }) => name === page.circuit)!
        const inputs = pageInputs(batchHash, at, page, rows)
        const job = pageJobOf(
          circuit,
          rows,
          {
            before: (key) => again.node(key),
            behind: (key) => valueAfter(changes[at]!, key) ?? again.node(key),
          },
          inputs,
        )
        const broken =
          job.kind === 'list' && circuit.kind === 'list'
            ? brokenByList(listAssignment(job, circuit, hashFamily), hashFamily)
            : job.kind === 'dense'
              ? brokenByDense(denseAssignment(job), hashFamily)
              : new Set(['kind'])
        expect([...broken]).toEqual([])
        again.update(rows)
        expect(again.root).toBe(page.lastRoot)
      })
    }
  })

  test('an engine that holds something else is found', () => {
    // What each account deposited, as the first batch has it.
    const deposited = new Map(ranges[0]!.deposits.map(({ index, units }) => [index, units]))
    const held = (account: number, asset: number): number => deposited.get(indexOf(account, asset)) ?? 0
    const wrong = (account: number, asset: number): number => held(account, asset) + (account === 7 ? 1 : 0)
    expect(sealPages(1, ranges[0]!, new QuadTree(), cutting, held).header).toEqual(batches[0]!.header)
    const refused = (): unknown => sealPages(1, ranges[0]!, new QuadTree(), cutting, wrong)
    expect(refused).toThrow(TotalsError)
    expect(refused).toThrow('the engine holds 1000008 of account 7 in asset 1, the tree 1000007')
  })
})
