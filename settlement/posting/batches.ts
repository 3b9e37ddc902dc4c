/**
 * The sealed batches in memory: the recent ones with their records, older ones (final, and far behind) only on
 * disk. Shared by the settler's loops.
 *
 * Invariant: batches are numbered 1 to `count` without a gap. On the chain (proven) is the longest beginning of
 * which every record says so: after a reorganisation a later record may be told of before an earlier one.
 */
import { RECENT_BATCHES } from '../limits.js'
import { isAtLeast, type BatchRecord, type BatchState, type BatchStore } from '../store/store.js'
import type { TreeStore } from '../store/tree-store.js'
import { undoOf, type BalanceProof, type NodeChanges, type StateTree, type Undo } from '../tree/tree.js'

/** A batch that the tree has already. */
export interface ClosedBatch {
  readonly record: BatchRecord
  readonly fills: Uint8Array
  readonly fillNodes: Uint8Array
  readonly changes: NodeChanges
}

interface LiveBatch {
  readonly record: BatchRecord
  undo: Undo | undefined
}

/** Proof of a balance against a batch that the chain has. */
export interface ServedProof extends BalanceProof {
  readonly batch: number
  readonly state: BatchState
}

export class Batches {
  /** Sealed batches. */
  count = 0
  private readonly live = new Map<number, LiveBatch>()
  private unsaved: ClosedBatch | undefined
  /** Batches 1 to `dropped` are final and on disk only. */
  private dropped = 0

  constructor(
    private readonly store: BatchStore,
    private readonly treeStore: TreeStore,
    private readonly tree: StateTree,
  ) {}

  /** Reads the recent batches of the store. Throws StoreError. */
  load(): void {
    this.count = this.store.numbers().length
    let finals = 0
    for (let number = this.count; number > 0 && finals < RECENT_BATCHES; number--) {
      const record = this.store.read(number)
      this.live.set(number, { record, undo: undefined })
      finals = record.state === 'final' ? finals + 1 : 0
      this.dropped = number - 1
    }
  }

  /** The tree holds a batch more from now on; it counts when it is on the disk. */
  close(batch: ClosedBatch): void {
    this.unsaved = batch
  }

  /** A batch that is closed and not on the disk yet. */
  get closed(): BatchRecord | undefined {
    return this.unsaved?.record
  }

  /** Makes the closed batch durable. Throws what the disk says, and can be called again then. */
  saveClosed(): BatchRecord {
    const { record, fills, fillNodes, changes } = this.unsaved!
    this.treeStore.write(Number(record.header.number), record.header.newRoot, changes)
    this.store.seal(record, fills, fillNodes)
    this.count++
    this.live.set(this.count, { record, undo: undoOf(changes) })
    this.unsaved = undefined
    return record
  }

  /** Record of a sealed batch; undefined for a number that is none. Old ones are read from disk, not kept. */
  record(number: number): BatchRecord | undefined {
    if (!(number >= 1 && number <= this.count)) return undefined
    return this.live.get(number)?.record ?? this.store.read(number)
  }

  last(): BatchRecord | undefined {
    return this.record(this.count)
  }

  /** Records in memory, ascending. */
  *recent(): Generator<BatchRecord> {
    for (let number = this.dropped + 1; number <= this.count; number++) yield this.live.get(number)!.record
  }

  /** Records that are not final, ascending. */
  *open(): Generator<BatchRecord> {
    for (const record of this.recent()) if (record.state !== 'final') yield record
  }

  /** Last number that the chain has, as far as we know. */
  get onChain(): number {
    return this.lastWith('committed')
  }

  get proven(): number {
    return this.lastWith('proven')
  }

  /** The way back from now to the state after batch `number`; undefined when it is not kept any more. */
  undosFrom(number: number): Undo[] | undefined {
    const undos: Undo[] = []
    for (let later = number + 1; later <= this.count; later++) {
      const live = this.live.get(later)
      const undo = live?.undo ?? this.treeStore.undo(later)
      if (undo === undefined) return undefined
      if (live !== undefined) live.undo = undo
      undos.push(undo)
    }
    if (this.unsaved !== undefined) undos.push(undoOf(this.unsaved.changes))
    return undos
  }

  /** Proof against batch `number`; undefined when the chain has it not, or its tree is not kept any more. */
  proof(index: number, number: number): ServedProof | undefined {
    const record = this.record(number)
    if (record === undefined || !isAtLeast(record, 'committed')) return undefined
    const undos = this.undosFrom(number)
    if (undos === undefined) return undefined
    return { ...this.tree.proof(index, undos), batch: number, state: record.state }
  }

  /** Lets go of what stands on disk and is seldom asked for. */
  forget(): void {
    const keepFrom = this.proven - RECENT_BATCHES
    for (let number = this.dropped + 1; number < keepFrom; number++) {
      if (this.live.get(number)?.record.state !== 'final') return
      this.live.delete(number)
      this.dropped = number
    }
  }

  private lastWith(state: BatchState): number {
    let number = this.dropped
    while (number < this.count && isAtLeast(this.live.get(number + 1)!.record, state)) number++
    return number
  }
}
