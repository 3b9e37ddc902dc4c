/**
 * The state tree: four children a node, depth 13, Poseidon2; a leaf packs the four balances of one account in one
 * group of assets (leaf.ts), 0 when empty. Leaf index = group << 22 | account. Node = P(a, b, c, d)[0] + a over its
 * children. Keys: root 1, child k of key q = 4 q + k, so the leaf of an index has key 2^26 + index. Sparse: only
 * families that an update has touched are kept. Owned by the settler; replay and the exit tool have their own.
 *
 * Invariant: after `update`, every kept node is the hash of its children; a refused update changes nothing.
 */
import { ACCOUNT_BITS, ASSET_BITS, UNITS_END } from '../../engine/limits.js'
import { R } from '../tree/field.js'
import { CHILDREN, ELEMENT_SIZE, ELEMENT_WORDS, FAMILY_WORDS, readElement } from './element.js'
import { LEAF_LANES, packLeaf, readBalance, unpackLeaf, writeLeaf, type LeafBalances } from './leaf.js'
import { hashFamily } from './poseidon2.js'
import { QuadNodes } from './quad-nodes.js'
import { valueBefore, type TreeChanges } from './tree-changes.js'

/** Bits of a leaf index: account and group of four assets. */
export const LEAF_INDEX_BITS = ACCOUNT_BITS + ASSET_BITS - 2
export const QUAD_DEPTH = LEAF_INDEX_BITS / 2
/** Key of leaf 0. */
export const FIRST_LEAF_KEY = 2 ** LEAF_INDEX_BITS
/** Siblings of a proof: three a level. */
export const PROOF_SIBLINGS = QUAD_DEPTH * (CHILDREN - 1)

/** emptyQuadRoots[h]: root of a subtree of height h whose leaves are all 0. */
export const emptyQuadRoots: readonly bigint[] = (() => {
  const roots = [0n]
  for (let height = 0; height < QUAD_DEPTH; height++) {
    const below = roots[height]!
    roots.push(hashFamily(below, below, below, below))
  }
  return roots
})()

/** Height of a node: 0 for leaves. */
export const heightOfKey = (key: number): number => QUAD_DEPTH - ((31 - Math.clz32(key)) >>> 1)

/** Rows of a page: leaf indices, strictly increasing, and four signed deltas each, in units, not all zero. */
export interface LeafDeltas {
  readonly leaves: ArrayLike<number>
  /** LEAF_LANES a row. */
  readonly deltas: ArrayLike<number>
}

export interface LeafProof {
  readonly index: number
  readonly balances: LeafBalances
  /** From the leaf up, three a level, in the order of the children without the one on the path. */
  readonly siblings: readonly bigint[]
  readonly root: bigint
}

/** Why rows are refused: what is wrong with the first bad one. */
export type RowFault = 'index' | 'order' | 'delta' | 'zero' | 'balance'

/** Rows that the tree does not take; it is as it was. */
export class RowError extends Error {
  override readonly name = 'RowError'
  constructor(
    readonly fault: RowFault,
    readonly row: number,
    detail: string,
  ) {
    super(`tree: row ${row}: ${detail}`)
  }
}

export class QuadTree {
  private readonly nodes: QuadNodes

  /** `threads` hash long lists of nodes side by side, the caller's among them. */
  constructor(threads = 1) {
    this.nodes = new QuadNodes(emptyQuadRoots, threads)
  }

  /** Ends the hash threads. */
  close(): Promise<void> {
    return this.nodes.close()
  }

  get root(): bigint {
    return this.node(1)
  }

  /** Nodes that take memory. */
  get nodeCount(): number {
    return this.nodes.count * CHILDREN
  }

  /** Value of the node `key`. */
  node(key: number): bigint {
    checkKey(key)
    const family = this.nodes.familyAt(key >>> 2)
    if (family === -1) return emptyQuadRoots[heightOfKey(key)]!
    return readElement(this.nodes.words, family + (key & 3) * ELEMENT_WORDS)
  }

  /** Value of a node as it was before pages, given their changes, oldest first. */
  nodeBefore(key: number, changes: readonly TreeChanges[]): bigint {
    for (const page of changes) {
      const value = valueBefore(page, key)
      if (value !== undefined) return value
    }
    return this.node(key)
  }

  /** Balances of the leaf `index`. */
  leaf(index: number): LeafBalances {
    checkKey(FIRST_LEAF_KEY + index)
    const at = this.leafAt(index)
    const { words } = this.nodes
    if (at === -1) return [0, 0, 0, 0]
    return [0, 1, 2, 3].map((lane) => readBalance(words, at, lane)) as unknown as LeafBalances
  }

  /**
   * Adds the deltas to the leaves and hashes each touched node once. Returns what changed. Throws RowError, and
   * QuadTreeFull, before anything is changed.
   */
  update(rows: LeafDeltas): TreeChanges {
    const count = rows.leaves.length
    const balances = this.newBalances(rows)
    if (count === 0) return { keys: new Int32Array(0), before: new Uint8Array(0), after: new Uint8Array(0) }
    const plan = this.plan(rows.leaves)
    const { words } = this.nodes
    const before = copyElements(words, plan.places)
    for (let row = 0; row < count; row++)
      writeLeaf(words, plan.places[plan.levels[0]! + row]!, balances, row * LEAF_LANES)
    for (let height = 1; height <= QUAD_DEPTH; height++)
      this.nodes.hash(plan.jobs.subarray(plan.levels[height]! * 2, plan.levels[height - 1]! * 2))
    return { keys: plan.keys, before, after: copyElements(words, plan.places) }
  }

  /** Takes back the last update that changed something, given what it changed. Throws RangeError for another one. */
  undo(changes: TreeChanges): void {
    this.put(changes, changes.after, changes.before)
  }

  /** Makes an update again from what it changed, without hashing. Throws RangeError where it does not follow. */
  redo(changes: TreeChanges): void {
    this.put(changes, changes.before, changes.after)
  }

  /** Proof of a leaf, now or as it was before pages, given their changes, oldest first. */
  proof(index: number, changes: readonly TreeChanges[] = []): LeafProof {
    checkKey(FIRST_LEAF_KEY + index)
    const siblings: bigint[] = []
    for (let key = FIRST_LEAF_KEY + index; key > 1; key >>>= 2)
      for (let child = 0; child < CHILDREN; child++)
        if (child !== (key & 3)) siblings.push(this.nodeBefore((key & ~3) | child, changes))
    return {
      index,
      balances: unpackLeaf(this.nodeBefore(FIRST_LEAF_KEY + index, changes)),
      siblings,
      root: this.nodeBefore(1, changes),
    }
  }

  /** Every leaf that is not empty, as rows that give this tree from an empty one. */
  filledLeaves(): { readonly leaves: Int32Array; readonly deltas: Float64Array } {
    const { nodes } = this
    const indices: number[] = []
    nodes.forEach((family, at) => {
      if (family < FIRST_LEAF_KEY / CHILDREN) return
      for (let child = 0; child < CHILDREN; child++)
        if (!isZero(nodes.words, at + child * ELEMENT_WORDS))
          indices.push(family * CHILDREN + child - FIRST_LEAF_KEY)
    })
    const sorted = Int32Array.from(indices).sort()
    const deltas = new Float64Array(sorted.length * LEAF_LANES)
    sorted.forEach((index, row) => {
      const at = this.leafAt(index)
      for (let lane = 0; lane < LEAF_LANES; lane++)
        deltas[row * LEAF_LANES + lane] = readBalance(nodes.words, at, lane)
    })
    return { leaves: sorted, deltas }
  }

  /** Every kept node, for a checkpoint. */
  dump(): TreeDump {
    const { nodes } = this
    const families = new Int32Array(nodes.count)
    const values = new Uint8Array(nodes.count * CHILDREN * ELEMENT_SIZE)
    const words = new Uint32Array(values.buffer)
    let count = 0
    nodes.forEach((family, at) => {
      families[count] = family
      words.set(nodes.words.subarray(at, at + FAMILY_WORDS), count++ * FAMILY_WORDS)
    })
    return { families, values }
  }

  /**
   * Puts what `dump` gave; for an empty tree, and a dump that was checked when it was written. Throws RangeError for
   * a family that no tree has.
   */
  restore({ families, values }: TreeDump): void {
    const words = wordsOf(values)
    if (words.length !== families.length * FAMILY_WORDS)
      throw new RangeError(`tree: ${values.length} bytes of ${families.length} families`)
    families.forEach((family, from) => {
      if (family !== 0) checkKey(family)
      if (family >= FIRST_LEAF_KEY) throw new RangeError(`tree: leaf ${family} has no children`)
      const at = this.nodes.ensure(family, family === 0 ? QUAD_DEPTH : heightOfKey(family) - 1)
      this.nodes.words.set(words.subarray(from * FAMILY_WORDS, (from + 1) * FAMILY_WORDS), at)
    })
  }

  /** Word of a leaf; -1 when its family is not kept. */
  private leafAt(index: number): number {
    const key = FIRST_LEAF_KEY + index
    const family = this.nodes.familyAt(key >>> 2)
    return family === -1 ? -1 : family + (key & 3) * ELEMENT_WORDS
  }

  /** Checks the rows; their leaves' balances, LEAF_LANES a row. */
  private newBalances({ leaves, deltas }: LeafDeltas): Float64Array {
    const count = leaves.length
    if (deltas.length !== count * LEAF_LANES)
      throw new RowError('delta', count, `${deltas.length} deltas for ${count} rows`)
    const balances = new Float64Array(count * LEAF_LANES)
    let previous = -1
    for (let row = 0; row < count; row++) {
      const index = leaves[row]!
      if (!(Number.isInteger(index) && index >= 0 && index < FIRST_LEAF_KEY))
        throw new RowError('index', row, `leaf ${index}, 0 to ${FIRST_LEAF_KEY - 1}`)
      if (index <= previous) throw new RowError('order', row, `leaf ${index} behind ${previous}`)
      previous = index
      const at = this.leafAt(index)
      let isTouched = false
      for (let lane = 0; lane < LEAF_LANES; lane++) {
        const delta = deltas[row * LEAF_LANES + lane]!
        if (!Number.isSafeInteger(delta)) throw new RowError('delta', row, `leaf ${index} by ${delta}`)
        if (delta !== 0) isTouched = true
        // Both are below 2^53: a sum that is no balance may be rounded, but not to one.
        const balance = (at === -1 ? 0 : readBalance(this.nodes.words, at, lane)) + delta
        if (balance < 0 || balance >= UNITS_END)
          throw new RowError('balance', row, `balance ${balance} in lane ${lane} of leaf ${index}`)
        balances[row * LEAF_LANES + lane] = balance
      }
      if (!isTouched) throw new RowError('zero', row, `leaf ${index} does not change`)
    }
    return balances
  }

  /**
   * The touched nodes, keys ascending (so the root first, each level behind the one above it), the words where they
   * lie, and the jobs that hash them; `levels[h]`: the first of height h. Makes the families that are missing.
   */
  private plan(leaves: ArrayLike<number>): Plan {
    const widths = new Int32Array(QUAD_DEPTH + 1)
    let previous = -1
    for (let row = 0; row < leaves.length; row++) {
      const index = leaves[row]!
      // The heights at which this row's path is another one than that of the row before.
      const heights = previous === -1 ? QUAD_DEPTH + 1 : ((31 - Math.clz32(index ^ previous)) >>> 1) + 1
      for (let height = 0; height < heights; height++) widths[height]!++
      previous = index
    }
    const levels = new Int32Array(QUAD_DEPTH + 1)
    for (let height = QUAD_DEPTH - 1; height >= 0; height--)
      levels[height] = levels[height + 1]! + widths[height + 1]!
    const total = levels[0]! + widths[0]!
    const keys = new Int32Array(total)
    const places = new Int32Array(total)
    const jobs = new Int32Array((total - widths[0]!) * 2)
    for (let row = 0; row < leaves.length; row++) keys[levels[0]! + row] = FIRST_LEAF_KEY + leaves[row]!
    for (let height = 0; height <= QUAD_DEPTH; height++) {
      let parent = height < QUAD_DEPTH ? levels[height + 1]! - 1 : -1
      let family = -1
      let at = 0
      for (let node = levels[height]!; node < levels[height]! + widths[height]!; node++) {
        const key = keys[node]!
        if (key >>> 2 !== family) {
          family = key >>> 2
          at = this.nodes.ensure(family, height)
          if (height < QUAD_DEPTH) {
            keys[++parent] = family
            jobs[parent * 2] = at
          }
        }
        places[node] = at + (key & 3) * ELEMENT_WORDS
        if (height > 0) jobs[node * 2 + 1] = places[node]!
      }
    }
    return { keys, places, jobs, levels }
  }

  private put(changes: TreeChanges, from: Uint8Array, to: Uint8Array): void {
    const { keys } = changes
    if (keys.length === 0) return
    const places = Int32Array.from(keys, (key) => {
      checkKey(key)
      return this.nodes.ensure(key >>> 2, heightOfKey(key)) + (key & 3) * ELEMENT_WORDS
    })
    const { words } = this.nodes
    const now = copyElements(words, places)
    if (from.length !== now.length || to.length !== now.length || from.some((byte, at) => byte !== now[at]))
      throw new RangeError('tree: these changes do not join what it is now')
    const values = wordsOf(to)
    places.forEach((place, at) =>
      words.set(values.subarray(at * ELEMENT_WORDS, (at + 1) * ELEMENT_WORDS), place),
    )
  }
}

/** All that a tree keeps. */
export interface TreeDump {
  /** Keys of parents, in no order that matters. */
  readonly families: Int32Array
  /** Four nodes each, 32 bytes a node, little-endian. */
  readonly values: Uint8Array
}

interface Plan {
  readonly keys: Int32Array
  readonly places: Int32Array
  readonly jobs: Int32Array
  readonly levels: Int32Array
}

function checkKey(key: number): void {
  if (!(Number.isInteger(key) && key >= 1 && key < FIRST_LEAF_KEY * 2 && ((31 - Math.clz32(key)) & 1) === 0))
    throw new RangeError(`tree: no node ${key}`)
}

const isZero = (words: Uint32Array, at: number): boolean => {
  for (let word = 0; word < ELEMENT_WORDS; word++) if (words[at + word] !== 0) return false
  return true
}

/** Words of bytes that may not stand at a multiple of four. */
const wordsOf = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.slice().buffer)

function copyElements(words: Uint32Array, places: Int32Array): Uint8Array {
  const copy = new Uint32Array(places.length * ELEMENT_WORDS)
  for (let node = 0; node < places.length; node++)
    for (let word = 0; word < ELEMENT_WORDS; word++)
      copy[node * ELEMENT_WORDS + word] = words[places[node]! + word]!
  return new Uint8Array(copy.buffer)
}

/** Whether a proof leads from its balances to `root`. */
export function verifyLeafProof({ index, balances, siblings }: LeafProof, root: bigint): boolean {
  if (siblings.length !== PROOF_SIBLINGS || siblings.some((sibling) => sibling < 0n || sibling >= R))
    return false
  if (!(Number.isInteger(index) && index >= 0 && index < FIRST_LEAF_KEY)) return false
  if (balances.some((balance) => !(Number.isSafeInteger(balance) && balance >= 0))) return false
  let node = packLeaf(balances)
  for (let height = 0; height < QUAD_DEPTH; height++) {
    const children = siblings.slice(height * 3, height * 3 + 3)
    children.splice((index >>> (height * 2)) & 3, 0, node)
    node = hashFamily(children[0]!, children[1]!, children[2]!, children[3]!)
  }
  return node === root
}
