/**
 * What a page's prover is given (page-prover/page-job.ts), made from the page's rows and from the tree before and
 * behind it. For a list circuit: the page's leaves, and a slot for every inner node above them, whose children are
 * each a pointer to a leaf or slot of the page, or the value of a sibling that the page does not touch. For a dense
 * circuit: every leaf of one subtree, and the siblings of the path above it.
 *
 * Invariant: the trees have the page's roots, and each of its leaves moves by its row; the hashes in between are the
 * circuit's to check.
 */
import type { PublicInputs } from '../batch/commit.js'
import type { DensePageJob, ListPageJob, PageJob, PagePublicInputs } from '../page-prover/page-job.js'
import { LEAF_LANES, unpackLeaf } from '../quad-tree/leaf.js'
import { CHILDREN } from '../quad-tree/element.js'
import { FIRST_LEAF_KEY } from '../quad-tree/quad-tree.js'
import type { Circuit } from './cutting.js'
import { packedDelta, type LeafRows } from './leaf-rows.js'

/** The tree at one time: value of the node of a key. */
export type NodeOf = (key: number) => bigint

/** The tree before a page and behind it. */
export interface PageTrees {
  readonly before: NodeOf
  readonly behind: NodeOf
}

/** Rows and trees do not belong together: a broken invariant. */
export class PageWitnessError extends Error {
  override readonly name = 'PageWitnessError'
}

/** In place of a pointer: the child is a sibling. */
const NO_POINTER = -1
const ROOT_KEY = 1
const KEY_BITS = 2

/** The job of a page of `rows`, cut for `circuit`. Throws PageWitnessError. */
export function pageJobOf(circuit: Circuit, rows: LeafRows, trees: PageTrees, inputs: PublicInputs): PageJob {
  const [firstRoot, lastRoot, z, evaluation] = inputs
  if (trees.before(ROOT_KEY) !== firstRoot || trees.behind(ROOT_KEY) !== lastRoot)
    throw new PageWitnessError('the trees have other roots than the page')
  const common = {
    circuit: circuit.name,
    firstRoot: String(firstRoot),
    lastRoot: String(lastRoot),
    z: String(z),
    evaluation: String(evaluation),
  }
  return circuit.kind === 'list'
    ? listJob(common, rows, trees)
    : denseJob(common, rows, circuit.subtreeLeaves, trees)
}

type Common = PagePublicInputs & { readonly circuit: string }

function listJob(common: Common, rows: LeafRows, trees: PageTrees): ListPageJob {
  const count = rows.leaves.length
  // Keys level by level from the root down, each increasing; the leaves are the last.
  const levels: Int32Array[] = [rows.leaves.map((index) => FIRST_LEAF_KEY + index)]
  while (levels[0]![0] !== ROOT_KEY) levels.unshift(parentsOf(levels[0]!))
  const slotKeys = levels.slice(0, -1).flatMap((keys) => [...keys])
  const pointers: number[] = []
  const siblings: string[] = []
  let slots = 0
  for (let level = 0; level + 1 < levels.length; level++) {
    slots += levels[level]!.length
    const below = levels[level + 1]!
    // Where the entries of the level below begin: leaves come before all slots.
    const first = level + 2 === levels.length ? 0 : count + slots
    let entry = 0
    for (const key of levels[level]!)
      for (let child = key * CHILDREN; child < (key + 1) * CHILDREN; child++) {
        const isTouched = below[entry] === child
        pointers.push(isTouched ? first + entry++ : NO_POINTER)
        siblings.push(isTouched ? '0' : String(trees.before(child)))
      }
  }
  return {
    kind: 'list',
    ...common,
    ...changesOf(rows, trees),
    indices: [...rows.leaves],
    slotKeys,
    pointers,
    siblings,
  }
}

function denseJob(common: Common, rows: LeafRows, subtreeLeaves: number, trees: PageTrees): DensePageJob {
  const subtree = Math.floor(rows.leaves[0]! / subtreeLeaves)
  const base = subtree * subtreeLeaves
  // The whole subtree as rows, most of them zero.
  const whole: LeafRows = {
    leaves: Int32Array.from({ length: subtreeLeaves }, (_, place) => base + place),
    deltas: new Float64Array(subtreeLeaves * LEAF_LANES),
  }
  rows.leaves.forEach((index, row) => {
    if (index >= base + subtreeLeaves)
      throw new PageWitnessError(`leaf ${index} is not of subtree ${subtree}`)
    const deltas = rows.deltas.subarray(row * LEAF_LANES, (row + 1) * LEAF_LANES)
    whole.deltas.set(deltas, (index - base) * LEAF_LANES)
  })
  const siblings: string[] = []
  for (let key = FIRST_LEAF_KEY / subtreeLeaves + subtree; key > ROOT_KEY; key >>= KEY_BITS)
    for (let child = key & -CHILDREN; child < (key & -CHILDREN) + CHILDREN; child++)
      if (child !== key) siblings.push(String(trees.before(child)))
  return { kind: 'dense', ...common, ...changesOf(whole, trees), subtree, siblings }
}

function parentsOf(keys: Int32Array): Int32Array {
  const parents = new Int32Array(keys.length)
  let count = 0
  for (const key of keys) {
    const parent = key >> KEY_BITS
    if (count === 0 || parents[count - 1] !== parent) parents[count++] = parent
  }
  return parents.subarray(0, count)
}

/** The balances of the rows' leaves, four a leaf. */
function changesOf(rows: LeafRows, trees: PageTrees): { before: number[]; behind: number[] } {
  const before: number[] = []
  const behind: number[] = []
  rows.leaves.forEach((index, row) => {
    const key = FIRST_LEAF_KEY + index
    const leaf = trees.before(key)
    if (leaf + packedDelta(rows, row) !== trees.behind(key))
      throw new PageWitnessError(`leaf ${index} does not move by its row`)
    unpackLeaf(leaf).forEach((balance, lane) => {
      before.push(balance)
      behind.push(balance + rows.deltas[row * LEAF_LANES + lane]!)
    })
  })
  return { before, behind }
}
