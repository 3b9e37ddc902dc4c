/** Cuts against brute force, counts of slots against a set of nodes, groups within their bounds. */
import fc from 'fast-check'
import { indexOf } from '../batch/rows.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import {
  CuttingError,
  cutDeposits,
  cutTrades,
  cutWithdrawals,
  slotsOf,
  type Circuit,
  type CuttingOptions,
  type PageCut,
} from './cutting.js'
import { LEAVES_END, leafIndexOf, type LeafRows } from './leaf-rows.js'
import { PageTooLarge, groupPages, type CountedPage, type PostingGas } from './transactions.js'

/** Inner nodes above leaves, counted as a set. */
function nodesAbove(leaves: Iterable<number>): number {
  const nodes = new Set<number>()
  for (const leaf of leaves) for (let key = (LEAVES_END + leaf) >> 2; key >= 1; key >>= 2) nodes.add(key)
  return nodes.size
}

const leafOf = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 1000, max: 1040 }),
  fc.integer({ min: 0, max: LEAVES_END - 1 }),
)
const sorted = (max: number): fc.Arbitrary<Int32Array> =>
  fc.uniqueArray(leafOf, { minLength: 1, maxLength: max }).map((leaves) => Int32Array.from(leaves).sort())
const rowsOf = (leaves: Int32Array, lanes = 1): LeafRows => ({
  leaves,
  deltas: Float64Array.from({ length: leaves.length * LEAF_LANES }, (_, at) =>
    at % LEAF_LANES < lanes ? 1 : 0,
  ),
})

const SMALL: CuttingOptions = {
  circuits: [
    { name: 'list-s', kind: 'list', leaves: 2, slots: 26, seconds: 1, gas: 10 },
    { name: 'list-l', kind: 'list', leaves: 5, slots: 40, seconds: 3, gas: 10 },
    { name: 'dense-16', kind: 'dense', subtreeLeaves: 16, seconds: 1.5, gas: 9 },
  ],
  gasPerSecond: 7,
}
const costOf = ({ seconds, gas }: Circuit): number => gas + seconds * SMALL.gasPerSecond
const total = (cuts: readonly PageCut[]): number =>
  cuts.reduce((sum, { circuit }) => sum + costOf(circuit), 0)

function takes(circuit: Circuit, leaves: readonly number[]): boolean {
  const distinct = [...new Set(leaves)]
  if (circuit.kind === 'list')
    return distinct.length <= circuit.leaves && nodesAbove(distinct) <= circuit.slots
  return new Set(distinct.map((leaf) => Math.floor(leaf / circuit.subtreeLeaves))).size === 1
}

/** Least cost of all partitions, by trying each first page. */
function bruteForce(leaves: readonly number[]): number {
  const known = new Map<number, number>()
  const leastFrom = (from: number): number => {
    if (from === leaves.length) return 0
    const found = known.get(from)
    if (found !== undefined) return found
    let least = Infinity
    for (let to = from + 1; to <= leaves.length; to++)
      for (const circuit of SMALL.circuits)
        if (takes(circuit, leaves.slice(from, to))) least = Math.min(least, costOf(circuit) + leastFrom(to))
    known.set(from, least)
    return least
  }
  return leastFrom(0)
}

function checkCuts(cuts: readonly PageCut[], leaves: readonly number[]): void {
  expect(cuts[0]?.from).toBe(0)
  expect(cuts.at(-1)?.to).toBe(leaves.length)
  cuts.forEach(({ from, to, circuit }, page) => {
    expect(from).toBe(page === 0 ? 0 : cuts[page - 1]!.to)
    expect(takes(circuit, leaves.slice(from, to))).toBe(true)
  })
}

test('slots of sorted leaves are the nodes above them', () => {
  fc.assert(fc.property(sorted(60), (leaves) => expect(slotsOf(leaves)).toBe(nodesAbove(leaves))))
  expect(slotsOf(new Int32Array(0))).toBe(0)
  expect(slotsOf(Int32Array.of(0, LEAVES_END - 1))).toBe(25)
})

test('a cut costs what the best of all cuts costs', () => {
  fc.assert(
    fc.property(sorted(14), (leaves) => {
      const cuts = cutTrades(rowsOf(leaves), SMALL)
      checkCuts(cuts, [...leaves])
      expect(total(cuts)).toBe(bruteForce([...leaves]))
    }),
    { numRuns: 150 },
  )
})

test('deposits in the queue’s order, some for one leaf, are cut at the least cost too', () => {
  const queue = fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 17, 300_000), fc.constantFrom(0, 1, 5)), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(queue, (records) => {
      const deposits = records.map(([account, asset]) => ({
        index: indexOf(account, asset),
        units: 1,
        owner: [0, 0, 0, 0, 0],
      }))
      const leaves = records.map(([account, asset]) => leafIndexOf(account, asset))
      const cuts = cutDeposits(deposits, SMALL)
      checkCuts(cuts, leaves)
      expect(total(cuts)).toBe(bruteForce(leaves))
    }),
    { numRuns: 150 },
  )
})

const WIDE: CuttingOptions = {
  circuits: [
    { name: 'list', kind: 'list', leaves: 2048, slots: 2 ** 20, seconds: 1, gas: 1 },
    { name: 'dense', kind: 'dense', subtreeLeaves: 4096, seconds: 0.1, gas: 1 },
  ],
  gasPerSecond: 1,
}

test('the contract’s bounds hold whatever a circuit takes', () => {
  const leaves = Int32Array.from({ length: 3000 }, (_, row) => row)
  expect(cutTrades(rowsOf(leaves), WIDE).map(({ from, to }) => to - from)).toEqual([952, 1024, 1024])
  for (const lanes of [1, 3, 4]) {
    const cuts = cutWithdrawals(rowsOf(leaves, lanes), WIDE)
    for (const { from, to } of cuts) expect((to - from) * lanes).toBeLessThanOrEqual(256)
    expect(cuts.length).toBe(Math.ceil(3000 / Math.floor(256 / lanes)))
  }
  const deposits = Array.from({ length: 2500 }, () => ({ index: 1, units: 1, owner: [0, 0, 0, 0, 0] }))
  expect(cutDeposits(deposits, WIDE).map(({ from, to }) => to - from)).toEqual([452, 1024, 1024])
})

test('dense where it is dense, lists where it is not; nothing of nothing; a row that nothing takes', () => {
  const circuits: Circuit[] = [
    { name: 'list', kind: 'list', leaves: 256, slots: 900, seconds: 8, gas: 700_000 },
    { name: 'dense', kind: 'dense', subtreeLeaves: 256, seconds: 1, gas: 700_000 },
  ]
  const options = { circuits, gasPerSecond: 100_000 }
  const scattered = Array.from({ length: 200 }, (_, row) => 1_000_000 + row * 5000)
  const leaves = Int32Array.from([...Array.from({ length: 512 }, (_, row) => row), ...scattered])
  const cuts = cutTrades(rowsOf(leaves), options)
  expect(cuts.slice(0, 2).map(({ circuit }) => circuit.name)).toEqual(['dense', 'dense'])
  expect(cuts[0]!.to).toBe(256)
  expect(new Set(cuts.slice(2).map(({ circuit }) => circuit.name))).toEqual(new Set(['list']))
  expect(cutTrades(rowsOf(new Int32Array(0)), options)).toEqual([])
  expect(() => cutTrades(rowsOf(Int32Array.of(1)), { circuits: [], gasPerSecond: 1 })).toThrow(CuttingError)
  const tooSmall: Circuit[] = [{ ...circuits[0]!, kind: 'list', leaves: 1, slots: 12 }]
  expect(() => cutTrades(rowsOf(Int32Array.of(1)), { circuits: tooSmall, gasPerSecond: 1 })).toThrow(
    CuttingError,
  )
  const one = [{ index: 1, units: 1, owner: [0, 0, 0, 0, 0] }]
  expect(() => cutDeposits(one, { circuits: tooSmall, gasPerSecond: 1 })).toThrow(CuttingError)
})

test('240,000 rows are cut in linear time', () => {
  const leaves = Int32Array.from({ length: 240_000 }, (_, row) => row * 17 + (row % 5))
  const started = performance.now()
  const cuts = cutTrades(rowsOf(leaves, 2), WIDE)
  expect(performance.now() - started).toBeLessThan(5000)
  expect(cuts.length).toBe(Math.ceil(240_000 / 1024))
})

describe('transactions', () => {
  const gas: PostingGas = { transaction: 100_000, page: 60_000, row: 900, lane: 250, deposit: 1500 }
  const page = (rowCount: number, laneCount = 2 * rowCount): CountedPage => ({
    kind: 1,
    rows: new Uint8Array(4 * rowCount + 7 * laneCount),
    deposits: new Uint8Array(0),
    rowCount,
    laneCount,
    depositCount: 0,
  })

  test('pages go together as far as gas and bytes allow', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1024 }), { maxLength: 60 }), (sizes) => {
        const pages = sizes.map((rows) => page(rows))
        const groups = groupPages(pages, gas)
        expect(groups[0]!.from).toBe(0)
        expect(groups.at(-1)!.to).toBe(pages.length)
        groups.forEach((group, at) => {
          expect(group.from).toBe(at === 0 ? 0 : groups[at - 1]!.to)
          expect(group.gas).toBeLessThanOrEqual(0.8 * 2 ** 24)
          const bytes = pages.slice(group.from, group.to).reduce((sum, { rows }) => sum + rows.length, 0)
          expect(bytes).toBeLessThan(124_000)
          // One page more would not fit.
          if (group.to < pages.length) {
            const more = groupPages(pages.slice(group.from, group.to + 1), gas)
            expect(more.length).toBe(2)
          }
        })
      }),
      { numRuns: 60 },
    )
  })

  test('a batch of no page is one transaction; the floor of calldata counts; a page that fits none is refused', () => {
    expect(groupPages([], gas)).toEqual([{ from: 0, to: 0, gas: 174_248 }])
    const cheap: PostingGas = { transaction: 0, page: 0, row: 0, lane: 0, deposit: 0 }
    const [group] = groupPages([page(1000)], cheap)
    expect(group!.gas).toBe(21_000 + 40 * (3328 + 384 + 18_000))
    expect(() => groupPages([page(1024)], { ...gas, row: 20_000 })).toThrow(PageTooLarge)
    expect(
      groupPages(
        Array.from({ length: 12 }, () => page(1024)),
        cheap,
      ).length,
    ).toBe(2)
  })
})
