/**
 * The state tree: binary, depth 28, Poseidon nodes, leaf = balance in units, 0 when empty. Bit i of an
 * index, least significant first, is the side at height i. Sparse: only nodes that differ from the empty
 * subtree of their height are kept.
 *
 * Invariant: after `update`, every stored node is the hash of its children; a failed update changes
 * nothing. A node's key is (1 << (28 - height)) | (index >> height): 1 is the root.
 */
import { ACCOUNT_BITS, ASSET_BITS, UNITS_END } from '../engine/limits.js'
import { poseidonReference as poseidon } from './poseidon-reference.js'

export const TREE_DEPTH = ACCOUNT_BITS + ASSET_BITS

/** emptyRoots[h]: root of a subtree of height h whose leaves are all 0. */
export const emptyRoots: readonly bigint[] = (() => {
  const roots = [0n]
  for (let height = 0; height < TREE_DEPTH; height++) roots.push(poseidon(roots[height]!, roots[height]!))
  return roots
})()

/** Key of the node over leaf `index` at `height`. */
export const nodeKey = (index: number, height: number): number =>
  (1 << (TREE_DEPTH - height)) | (index >>> height)

export interface BalanceProof {
  readonly index: number
  /** Units of the leaf. */
  readonly balance: number
  /** From the leaf's own sibling up to the root's child. */
  readonly siblings: readonly bigint[]
  readonly root: bigint
}

/** Old values of the nodes that a batch changed, by key. */
export type Undo = ReadonlyMap<number, bigint>

export class StateTree {
  private readonly nodes = new Map<number, bigint>()
  private undo: Map<number, bigint> | undefined

  get root(): bigint {
    return this.node(1, TREE_DEPTH)
  }

  /** Units at `index`. */
  balanceOf(index: number): number {
    return Number(this.node(nodeKey(index, 0), 0))
  }

  /** From now on old values of changed nodes are kept, until `endBatch`. */
  beginBatch(): void {
    this.undo = new Map()
  }

  endBatch(): Undo {
    const undo = this.undo ?? new Map<number, bigint>()
    this.undo = undefined
    return undo
  }

  /**
   * Sets the leaves `indices` (strictly increasing) to `balances` and hashes each touched node once.
   * Throws RangeError for an index or balance out of range, before anything is changed.
   */
  update(indices: ArrayLike<number>, balances: ArrayLike<number>): void {
    for (let row = 0; row < indices.length; row++) {
      const index = indices[row]!
      const previous = row === 0 ? -1 : indices[row - 1]!
      if (!Number.isInteger(index) || index <= previous || index >= 1 << TREE_DEPTH)
        throw new RangeError(`tree: index ${index} after ${previous}, below ${1 << TREE_DEPTH}`)
      const balance = balances[row]!
      if (!Number.isInteger(balance) || balance < 0 || balance >= UNITS_END)
        throw new RangeError(`tree: balance ${balance} at index ${index}, 0 to 2^53 - 1`)
    }
    let touched: number[] = []
    for (let row = 0; row < indices.length; row++) {
      const key = nodeKey(indices[row]!, 0)
      this.set(key, BigInt(balances[row]!))
      touched.push(key)
    }
    for (let height = 1; height <= TREE_DEPTH; height++) {
      const parents: number[] = []
      for (const key of touched) if (parents.at(-1) !== key >>> 1) parents.push(key >>> 1)
      for (const key of parents)
        this.set(key, poseidon(this.node(key * 2, height - 1), this.node(key * 2 + 1, height - 1)))
      touched = parents
    }
  }

  /**
   * Proof of a leaf, of the tree now or as it was before the batches whose undos are given, oldest first.
   */
  proof(index: number, undos: readonly Undo[] = []): BalanceProof {
    const at = (key: number, height: number): bigint => {
      for (const undo of undos) {
        const old = undo.get(key)
        if (old !== undefined) return old
      }
      return this.node(key, height)
    }
    return {
      index,
      balance: Number(at(nodeKey(index, 0), 0)),
      siblings: Array.from({ length: TREE_DEPTH }, (_, height) => at(nodeKey(index, height) ^ 1, height)),
      root: at(1, TREE_DEPTH),
    }
  }

  private node(key: number, height: number): bigint {
    return this.nodes.get(key) ?? emptyRoots[height]!
  }

  private set(key: number, value: bigint): void {
    if (this.undo !== undefined && !this.undo.has(key))
      this.undo.set(key, this.node(key, TREE_DEPTH - (31 - Math.clz32(key))))
    this.nodes.set(key, value)
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
