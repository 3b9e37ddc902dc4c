/**
 * Serves proofs of single fills: finds the batch and the leaf of a fill, and keeps the hashed trees of the batches
 * that were asked for last, because a tree of 100,000 leaves takes longer to hash than everything else.
 */
import type { Batches } from './batches.js'
import { FILL_BYTES, FillTree, decodeFill, type FillProof } from './fills-root.js'
import { isAtLeast } from './post.js'
import type { BatchState, BatchStore } from './store.js'

/** Hashed trees that are kept. */
const TREES_MAX = 4

/** Proof of a fill against the fills root of a batch that the chain has. */
export interface ServedFillProof extends FillProof {
  readonly batch: number
  readonly state: BatchState
}

export class FillProofs {
  /** By batch; what was asked for last stands last. */
  private readonly trees = new Map<number, FillTree>()

  constructor(
    private readonly store: BatchStore,
    private readonly batches: Batches,
  ) {}

  /** Proof of fill `index` of the command at `seq`; undefined while no batch on the chain has it, or ever. */
  proof(seq: number, index: number): ServedFillProof | undefined {
    const number = this.batchOf(seq)
    const record = this.batches.record(number)
    if (record === undefined || !isAtLeast(record, 'mined') || seq > Number(record.header.lastSeq))
      return undefined
    const tree = this.treeOf(number)
    const leaf = leafOf(tree.leaves, seq, index)
    if (leaf < 0) return undefined
    return { ...tree.proof(leaf), batch: number, state: record.state }
  }

  /** Last batch that begins at `seq` or before; 0 when there is none. */
  private batchOf(seq: number): number {
    let [low, high] = [0, this.batches.count]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (Number(this.batches.record(middle)!.header.firstSeq) <= seq) low = middle
      else high = middle - 1
    }
    return low
  }

  private treeOf(number: number): FillTree {
    const tree = this.trees.get(number) ?? new FillTree(this.store.fills(number))
    this.trees.delete(number)
    this.trees.set(number, tree)
    if (this.trees.size > TREES_MAX) this.trees.delete(this.trees.keys().next().value!)
    return tree
  }
}

/** Place of a fill among leaves in order of (seq, fill index); -1 when it is not there. */
function leafOf(leaves: Uint8Array, seq: number, index: number): number {
  let [low, high] = [0, leaves.length / FILL_BYTES]
  while (low < high) {
    const middle = (low + high) >>> 1
    const fill = decodeFill(leaves, middle)
    if (fill.seq === seq && fill.fillIndex === index) return middle
    if (fill.seq < seq || (fill.seq === seq && fill.fillIndex < index)) low = middle + 1
    else high = middle
  }
  return -1
}
