/**
 * Serves proofs of single fills: finds the batch and the leaf of a fill, and keeps the hashed trees of the batches
 * that were asked for last, because a tree of 100,000 leaves takes longer to hash than everything else.
 *
 * Invariant: over time no more than HASHES_PER_SECOND are made, whatever is asked: anybody may ask, and the thread is
 * settlement's. A tree is made while the budget lasts, and may take it below nothing: what it lacks is waited for.
 */
import type { Batches } from '../posting/batches.js'
import { FILL_BYTES, FillTree, decodeFill, type FillProof } from '../batch/fills-root.js'
import { isAtLeast } from '../posting/post.js'
import type { BatchState, BatchStore } from '../store/store.js'
import { FILL_HASHES_PER_SECOND, FILL_TREES_BYTES_MAX } from '../limits.js'

/** Proof of a fill against the fills root of a batch that the chain has. */
export interface ServedFillProof extends FillProof {
  readonly batch: number
  readonly state: BatchState
}

/** The budget is spent: the same question can be answered after so long. */
export interface ProofLater {
  readonly retryAfterMs: number
}

export class FillProofs {
  /** By batch; what was asked for last stands last. */
  private readonly trees = new Map<number, FillTree>()
  private treesBytes = 0
  /** Hashes that may be made now; below 0 after a large tree. */
  private budget = FILL_HASHES_PER_SECOND
  private budgetAtMs: number

  constructor(
    private readonly store: Pick<BatchStore, 'fills'>,
    private readonly batches: Pick<Batches, 'count' | 'record'>,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.budgetAtMs = now()
  }

  /** Proof of fill `index` of the command at `seq`; undefined while no batch on the chain has it, or ever. */
  proof(seq: number, index: number): ServedFillProof | ProofLater | undefined {
    const number = this.batchOf(seq)
    const record = this.batches.record(number)
    if (record === undefined || !isAtLeast(record, 'committed') || seq > Number(record.header.lastSeq))
      return undefined
    const tree = this.treeOf(number)
    if ('retryAfterMs' in tree) return tree
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

  private treeOf(number: number): FillTree | ProofLater {
    const kept = this.trees.get(number)
    if (kept === undefined) {
      const retryAfterMs = this.untilBudgetMs()
      if (retryAfterMs > 0) return { retryAfterMs }
    }
    const tree = kept ?? this.makeTree(number)
    this.trees.delete(number)
    this.trees.set(number, tree)
    for (const [oldest, { bytes }] of this.trees) {
      if (this.treesBytes <= FILL_TREES_BYTES_MAX || oldest === number) break
      this.trees.delete(oldest)
      this.treesBytes -= bytes
    }
    return tree
  }

  private makeTree(number: number): FillTree {
    const tree = new FillTree(this.store.fills(number))
    this.treesBytes += tree.bytes
    this.budget -= tree.hashes
    return tree
  }

  /** Milliseconds until a tree may be made; 0 = now. */
  private untilBudgetMs(): number {
    const now = this.now()
    const earned = ((now - this.budgetAtMs) * FILL_HASHES_PER_SECOND) / 1000
    this.budget = Math.min(FILL_HASHES_PER_SECOND, this.budget + earned)
    this.budgetAtMs = now
    return this.budget > 0 ? 0 : Math.ceil(((1 - this.budget) * 1000) / FILL_HASHES_PER_SECOND)
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
