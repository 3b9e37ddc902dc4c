/**
 * The state tree: binary, depth 28, Poseidon nodes, leaf = balance in units, 0 when empty. Bit i of an
 * index, least significant first, is the side at height i. Sparse: only nodes that an update has touched
 * are kept. Owned by the settler; replay and the exit tool have their own.
 *
 * Invariant: after `update`, every kept node is the hash of its children; a refused update changes nothing.
 * A node's key is (1 << (28 - height)) | (index >> height): 1 is the root.
 */
import { ACCOUNT_BITS, ASSET_BITS, UNITS_END } from '../../engine/limits.js'
import { JOB_WORDS } from './hash-pool.js'
import { NodeMemory, emptyRootsOf } from './node-memory.js'
import { poseidon, readStored } from './poseidon.js'
import { ELEMENT_BYTES } from './poseidon-wasm.js'

export const TREE_DEPTH = ACCOUNT_BITS + ASSET_BITS

/** emptyRoots[h]: root of a subtree of height h whose leaves are all 0. */
export const emptyRoots: readonly bigint[] = emptyRootsOf(TREE_DEPTH)

/** Key of the node over leaf `index` at `height`. */
export const nodeKey = (index: number, height: number): number =>
  (1 << (TREE_DEPTH - height)) | (index >>> height)

/** Height of a node. */
export const heightOf = (key: number): number => TREE_DEPTH - (31 - Math.clz32(key))

export interface BalanceProof {
  readonly index: number
  /** Units of the leaf. */
  readonly balance: number
  /** From the leaf's own sibling up to the root's child. */
  readonly siblings: readonly bigint[]
  readonly root: bigint
}

/** The nodes that a batch changed, each with its value before it and after it, in stored form. */
export interface NodeChanges {
  readonly keys: Int32Array
  /** 32 bytes a key. */
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** Values before a batch. */
export interface Undo {
  /** Value of node `key` before the batch; undefined when the batch did not change it. */
  get(key: number): bigint | undefined
}

/** The way back over a batch's changes. */
export function undoOf(changes: NodeChanges): Undo {
  let places: Map<number, number> | undefined
  return {
    get(key) {
      places ??= new Map(Array.from(changes.keys, (changed, at) => [changed, at]))
      const at = places.get(key)
      return at === undefined ? undefined : readStored(changes.before, at)
    },
  }
}

/** Collects the changes of a batch while the tree is updated. */
class ChangeLog {
  private readonly slots = new Map<number, number>()
  private keys = new Int32Array(256)
  private before = new Uint8Array(256 * ELEMENT_BYTES)

  constructor(private readonly nodes: NodeMemory) {}

  /** Notes that node `key` at `slot` is about to change. */
  note(key: number, slot: number): void {
    if (this.slots.has(key)) return
    const count = this.slots.size
    if (count === this.keys.length) {
      const [keys, before] = [this.keys, this.before]
      this.keys = new Int32Array(count * 2)
      this.keys.set(keys)
      this.before = new Uint8Array(count * 2 * ELEMENT_BYTES)
      this.before.set(before)
    }
    this.keys[count] = key
    this.before.set(this.nodes.raw(slot), count * ELEMENT_BYTES)
    this.slots.set(key, slot)
  }

  finish(): NodeChanges {
    const count = this.slots.size
    const after = new Uint8Array(count * ELEMENT_BYTES)
    let at = 0
    for (const slot of this.slots.values()) after.set(this.nodes.raw(slot), ELEMENT_BYTES * at++)
    return { keys: this.keys.slice(0, count), before: this.before.slice(0, count * ELEMENT_BYTES), after }
  }
}

export class StateTree {
  private readonly nodes: NodeMemory
  private changes: ChangeLog | undefined

  /** `threads` hash long lists of nodes side by side, the caller's among them. */
  constructor(threads = 1) {
    this.nodes = new NodeMemory(emptyRoots, threads)
  }

  /** Ends the hash threads. */
  close(): Promise<void> {
    return this.nodes.close()
  }

  get root(): bigint {
    return this.nodes.load(this.nodes.slotOf(1, TREE_DEPTH))
  }

  /** Nodes that are kept. */
  get nodeCount(): number {
    return this.nodes.count
  }

  /** Units at `index`. */
  balanceOf(index: number): number {
    const slot = this.nodes.slotOf(nodeKey(index, 0), 0)
    return slot === 0 ? 0 : Number(this.nodes.load(slot))
  }

  /** From now on changed nodes are noted, until `endBatch`. */
  beginBatch(): void {
    this.changes = new ChangeLog(this.nodes)
  }

  /** What changed since `beginBatch`. */
  endBatch(): NodeChanges {
    if (this.changes === undefined) throw new Error('tree: endBatch without beginBatch')
    const changes = this.changes.finish()
    this.changes = undefined
    return changes
  }

  /**
   * Sets the leaves `indices` (strictly increasing) to `balances` and hashes each touched node once.
   * Throws RangeError for an index or balance out of range, before anything is changed.
   */
  update(indices: ArrayLike<number>, balances: ArrayLike<number>): void {
    this.updateChunks(indices, balances, Math.max(1, indices.length))
  }

  /**
   * As `update` for each `rowsPerChunk` rows in turn; returns the root after each chunk. Throws RangeError for
   * what is out of range, before anything is changed.
   *
   * Rows rise by index, so the rows under a node are neighbours, and the versions of a node, one for each chunk
   * that touches it, follow from the versions of its children alone: all versions of one height are hashed as
   * one list of independent jobs.
   */
  updateChunks(indices: ArrayLike<number>, balances: ArrayLike<number>, rowsPerChunk: number): bigint[] {
    const count = indices.length
    if (!Number.isInteger(rowsPerChunk) || rowsPerChunk < 1)
      throw new RangeError(`tree: ${rowsPerChunk} rows a chunk, at least 1`)
    checkRows(indices, balances)
    if (count === 0) return []
    const { nodes } = this
    let [versionsAt, aboveAt] = nodes.reserve(count)
    const keys = new Int32Array(count)
    const chunks = new Int32Array(count)
    for (let row = 0; row < count; row++) {
      keys[row] = nodeKey(indices[row]!, 0)
      chunks[row] = Math.floor(row / rowsPerChunk)
      nodes.store(versionsAt + row, BigInt(balances[row]!))
    }
    const jobs = new Int32Array(count * JOB_WORDS)
    let width = count
    for (let height = 1; height <= TREE_DEPTH; height++) {
      const above = this.planLevel(height, keys, chunks, width, versionsAt, aboveAt, jobs)
      nodes.hash(jobs.subarray(0, above * JOB_WORDS))
      this.settle(height - 1, keys, width, versionsAt)
      let parents = 0
      for (let at = 0; at < width; at++) {
        const key = keys[at]! >>> 1
        if (parents > 0 && keys[parents - 1] === key && chunks[parents - 1] === chunks[at]) continue
        keys[parents] = key
        chunks[parents++] = chunks[at]!
      }
      width = parents
      ;[versionsAt, aboveAt] = [aboveAt, versionsAt]
    }
    const roots = Array.from({ length: width }, (_, chunk) => nodes.load(versionsAt + chunk))
    this.settle(TREE_DEPTH, keys, width, versionsAt)
    return roots
  }

  /**
   * Writes the jobs of the versions at `height` from the `width` versions (key, chunk) below it, in order, which
   * lie at slots from `versionsAt`; results go to slots from `aboveAt`. Returns their number. Nodes below still
   * hold what they were before: what a later row changes is read from there.
   */
  private planLevel(
    height: number,
    keys: Int32Array,
    chunks: Int32Array,
    width: number,
    versionsAt: number,
    aboveAt: number,
    jobs: Int32Array,
  ): number {
    const { nodes } = this
    let above = 0
    // The versions of a left child stand before those of the right one: this is the last of them.
    let lastLeft = 0
    for (let at = 0; at < width; at++) {
      const key = keys[at]!
      let left: number
      let right: number
      if ((key & 1) === 0) {
        left = versionsAt + at
        lastLeft = at
        const isPair = at + 1 < width && keys[at + 1] === (key | 1) && chunks[at + 1] === chunks[at]
        right = isPair ? versionsAt + ++at : nodes.slotOf(key | 1, height - 1)
      } else {
        right = versionsAt + at
        left = keys[lastLeft] === key - 1 ? versionsAt + lastLeft : nodes.slotOf(key - 1, height - 1)
      }
      jobs[above * JOB_WORDS] = left
      jobs[above * JOB_WORDS + 1] = right
      jobs[above * JOB_WORDS + 2] = aboveAt + above++
    }
    return above
  }

  /** The last version of each key becomes the node. */
  private settle(height: number, keys: Int32Array, width: number, versionsAt: number): void {
    const { nodes, changes } = this
    for (let at = 0; at < width; at++) {
      if (at + 1 < width && keys[at + 1] === keys[at]) continue
      const slot = nodes.ensure(keys[at]!, height)
      changes?.note(keys[at]!, slot)
      nodes.copy(versionsAt + at, slot)
    }
  }

  /**
   * Proof of a leaf, of the tree now or as it was before the batches whose undos are given, oldest first.
   */
  proof(index: number, undos: readonly Undo[] = []): BalanceProof {
    return {
      index,
      balance: Number(this.nodeBefore(nodeKey(index, 0), undos)),
      siblings: Array.from({ length: TREE_DEPTH }, (_, height) =>
        this.nodeBefore(nodeKey(index, height) ^ 1, undos),
      ),
      root: this.nodeBefore(1, undos),
    }
  }

  /** Value of a node now, or before the batches whose undos are given, oldest first. */
  nodeBefore(key: number, undos: readonly Undo[]): bigint {
    for (const undo of undos) {
      const old = undo.get(key)
      if (old !== undefined) return old
    }
    return this.nodes.load(this.nodes.slotOf(key, heightOf(key)))
  }

  /** Puts nodes as they were stored; for restoring a tree that was checked when it was written. */
  restore(keys: Int32Array, values: Uint8Array): void {
    keys.forEach((key, at) => {
      const slot = this.nodes.ensure(key, heightOf(key))
      this.nodes.raw(slot).set(values.subarray(at * ELEMENT_BYTES, (at + 1) * ELEMENT_BYTES))
    })
  }

  /** Every kept node, for a checkpoint. */
  dump(): { keys: Int32Array; values: Uint8Array } {
    const keys = new Int32Array(this.nodes.count)
    const values = new Uint8Array(this.nodes.count * ELEMENT_BYTES)
    let at = 0
    this.nodes.forEach((key, slot) => {
      keys[at] = key
      values.set(this.nodes.raw(slot), ELEMENT_BYTES * at++)
    })
    return { keys, values }
  }

  /** Every leaf that is not 0: index and balance. */
  balances(): Map<number, number> {
    const result = new Map<number, number>()
    this.nodes.forEach((key, slot) => {
      if (key < 1 << TREE_DEPTH) return
      const balance = Number(this.nodes.load(slot))
      if (balance !== 0) result.set(key - (1 << TREE_DEPTH), balance)
    })
    return result
  }
}

/** Throws RangeError unless indices rise within the tree and balances are units. */
function checkRows(indices: ArrayLike<number>, balances: ArrayLike<number>): void {
  for (let row = 0; row < indices.length; row++) {
    const index = indices[row]!
    const previous = row === 0 ? -1 : indices[row - 1]!
    if (!Number.isInteger(index) || index <= previous || index >= 1 << TREE_DEPTH)
      throw new RangeError(`tree: index ${index} after ${previous}, below ${1 << TREE_DEPTH}`)
    const balance = balances[row]!
    if (!Number.isInteger(balance) || balance < 0 || balance >= UNITS_END)
      throw new RangeError(`tree: balance ${balance} at index ${index}, 0 to 2^53 - 1`)
  }
}

/** Root that a proof leads to; equal to the tree's root when the proof is right. */
export function rootOfProof(index: number, balance: number, siblings: readonly bigint[]): bigint {
  let node = BigInt(balance)
  siblings.forEach((sibling, height) => {
    node = (index >>> height) & 1 ? poseidon(sibling, node) : poseidon(node, sibling)
  })
  return node
}
