/** Pages of random rows of a small state tree, as jobs for provers, and forged ones: for tests of the page circuits. */
import { QuadTree } from '../../settlement/quad-tree/index.js'
import type { DensePageCircuit, ListPageCircuit } from '../../settlement/page-prover/page-circuits.js'
import type { DensePageJob, ListPageJob } from '../../settlement/page-prover/page-job.js'
import { toField } from '../../settlement/tree/field.js'

const FIRST_LEAF = 2 ** 26
const ROOT = 1

export interface SampleRow {
  readonly index: number
  readonly deltas: readonly [number, number, number, number]
}

/** A tree with some balances, and a page of rows for it. */
export interface SamplePage {
  /** What the leaves have before the page. */
  readonly filled: readonly SampleRow[]
  /** By index. */
  readonly rows: readonly SampleRow[]
  readonly z: bigint
}

/** Three rows over two parents: 14 slots, so one leaf and three slots of the small list circuit are not used. */
export const SMALL_PAGE: SamplePage = {
  filled: [
    { index: 7, deltas: [9, 9, 9, 9] },
    { index: 35, deltas: [5, 6, 7, 2 ** 53 - 1] },
    { index: 40, deltas: [1, 0, 0, 1] },
  ],
  rows: [
    { index: 33, deltas: [1, 0, 0, 0] },
    { index: 35, deltas: [-5, 1, 0, -1] },
    { index: 40, deltas: [0, 0, 3, -1] },
  ],
  z: 0x1234567890abcdef1234567890abcdefn,
}
/** One for all suites, so that it is compiled once. */
export const SMALL_LIST_CIRCUIT: ListPageCircuit = { kind: 'list', name: 'list-small', leaves: 4, slots: 17 }
export const SMALL_DENSE_CIRCUIT: DensePageCircuit = { kind: 'dense', name: 'dense-small', levels: 2 }

const updateOf = (rows: readonly SampleRow[]) => ({
  leaves: Int32Array.from(rows, ({ index }) => index),
  deltas: Float64Array.from(rows.flatMap(({ deltas }) => deltas)),
})

const packedDelta = (deltas: readonly number[]): bigint =>
  deltas.reduceRight((sum, delta) => sum * 2n ** 63n + BigInt(delta), 0n)

/** The polynomial of rows at z. */
export function evaluationOf(rows: readonly (readonly [index: bigint, change: bigint])[], z: bigint): bigint {
  return rows.reduce((sum, [index, change]) => toField((sum * z + index + 1n) * z + change), 0n)
}

interface Trees {
  readonly tree: QuadTree
  readonly before: (key: number) => bigint
  readonly common: {
    readonly firstRoot: string
    readonly lastRoot: string
    readonly z: string
    readonly evaluation: string
  }
}

function treesOf({ filled, rows, z }: SamplePage): Trees {
  const [old, tree] = [new QuadTree(), new QuadTree()]
  for (const each of [old, tree]) each.update(updateOf(filled))
  tree.update(updateOf(rows))
  const evaluation = evaluationOf(
    rows.map(({ index, deltas }) => [BigInt(index), packedDelta(deltas)]),
    z,
  )
  const common = {
    firstRoot: String(old.root),
    lastRoot: String(tree.root),
    z: String(z),
    evaluation: String(evaluation),
  }
  return { tree, before: (key) => old.node(key), common }
}

export function sampleListJob(page: SamplePage, circuit: string): ListPageJob {
  const { tree, before, common } = treesOf(page)
  const indices = page.rows.map(({ index }) => index)
  const keys = new Set<number>()
  for (const index of indices) for (let key = (FIRST_LEAF + index) >> 2; key >= ROOT; key >>= 2) keys.add(key)
  const slotKeys = [...keys].sort((a, b) => a - b)
  const places = new Map(indices.map((index, place) => [FIRST_LEAF + index, place]))
  slotKeys.forEach((key, slot) => places.set(key, indices.length + slot))
  const children = slotKeys.flatMap((key) => [0, 1, 2, 3].map((child) => 4 * key + child))
  const balancesOf = (of: (index: number) => readonly number[]): number[] =>
    indices.flatMap((index) => [...of(index)])
  const old = new QuadTree()
  old.update(updateOf(page.filled))
  return {
    ...common,
    kind: 'list',
    circuit,
    indices,
    before: balancesOf((index) => old.leaf(index)),
    behind: balancesOf((index) => tree.leaf(index)),
    slotKeys,
    pointers: children.map((key) => places.get(key) ?? -1),
    siblings: children.map((key) => (places.has(key) ? '0' : String(before(key)))),
  }
}

/** The page's rows must lie in one subtree of 4^levels leaves. */
export function sampleDenseJob(page: SamplePage, circuit: string, levels: number): DensePageJob {
  const { tree, before, common } = treesOf(page)
  const size = 4 ** levels
  const subtree = Math.floor(page.rows[0]!.index / size)
  const old = new QuadTree()
  old.update(updateOf(page.filled))
  const all = Array.from({ length: size }, (_, place) => subtree * size + place)
  const siblings: string[] = []
  for (let key = FIRST_LEAF / size + subtree; key > ROOT; key >>= 2)
    for (let child = 0; child < 4; child++)
      if (child !== key % 4) siblings.push(String(before(key - (key % 4) + child)))
  return {
    ...common,
    kind: 'dense',
    circuit,
    before: all.flatMap((index) => [...old.leaf(index)]),
    behind: all.flatMap((index) => [...tree.leaf(index)]),
    subtree,
    siblings,
  }
}
