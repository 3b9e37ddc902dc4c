/**
 * Proofs of single fills, from the files of batches alone: a few dozen reads each, whatever a batch holds. Runs in
 * fill-proof-thread.ts, so that no question delays settlement.
 *
 * Invariant: what is served leads to the fills root of a batch that the chain has. Nodes that are missing (of batches
 * sealed before there were any) or do not lead there are made again from the fills, of one batch at a time and in
 * turns with other questions. That a batch has no such fill is said only when the fills beside its place lead there, too.
 */
import { setImmediate } from 'node:timers/promises'
import { hexToBytes } from '../batch/commit.js'
import {
  compareFill,
  fillNodesInTurns,
  placeOfFill,
  proofFrom,
  rootOfNodes,
  verifyFill,
  type FillProof,
  type FillSource,
} from '../batch/fills-root.js'
import { isAtLeast, StoreError, type BatchRecord, type BatchState, type BatchStore } from '../store/store.js'
import {
  FILL_NODES_AGAIN_MS,
  FILL_NODES_WAITING_MAX,
  FILL_PROOF_LATER_MS,
  FILL_RANGES_KEPT,
} from '../limits.js'

/** Proof of a fill against the fills root of a batch that the chain has. */
export interface ServedFillProof extends FillProof {
  readonly batch: number
  readonly state: BatchState
}

/** The same question may be answered after so long: too much is asked for at once, or files are not what they must be. */
export interface ProofLater {
  readonly retryAfterMs: number
  readonly why: 'busy' | 'unreadable'
}

interface SeqRange {
  readonly firstSeq: number
  readonly lastSeq: number
}

export class FillProofs {
  /** Sealed batches, as far as was looked. */
  private count: number
  /** By batch; what was kept first goes first. */
  private readonly ranges = new Map<number, SeqRange>()
  /** Batches whose nodes are being made, or wait for it. */
  private readonly making = new Map<number, Promise<void>>()
  private lastMade: Promise<void> = Promise.resolve()
  /** Batches of which no nodes could be made, why, and when: nobody's questions have it tried all the time. */
  private readonly failed = new Map<number, { readonly error: unknown; readonly atMs: number }>()

  constructor(private readonly store: BatchStore) {
    this.count = store.numbers().length
  }

  /**
   * Proof of fill `index` of the command at `seq`; undefined while no batch on the chain has it, or ever. Throws
   * StoreError for fills that are not those that were sealed, and what the disk says.
   */
  async proof(seq: number, index: number): Promise<ServedFillProof | ProofLater | undefined> {
    const number = this.batchOf(seq)
    if (number === 0 || seq > this.lastSeqOf(number)) return undefined
    const found = this.find(number, seq, index)
    if (found !== 'no nodes') return found
    if (!this.making.has(number) && this.making.size >= FILL_NODES_WAITING_MAX)
      return { retryAfterMs: FILL_PROOF_LATER_MS, why: 'busy' }
    await this.make(number)
    const again = this.find(number, seq, index)
    if (again === 'no nodes') throw wrongFills(number)
    return again
  }

  /** 'no nodes' also where they lead elsewhere. */
  private find(number: number, seq: number, index: number): ServedFillProof | undefined | 'no nodes' {
    const record = this.store.read(number)
    if (!isAtLeast(record, 'committed')) return undefined
    const fills = this.store.openFills(number)
    if (fills === undefined) return 'no nodes'
    try {
      const place = placeOfFill(fills, seq, index, ...fills.placesOf(seq, index))
      const root = rootOf(record)
      if (place < 0) return isAbsent(fills, -1 - place, seq, index, root) ? undefined : 'no nodes'
      const proof = proofFrom(fills, place)
      return verifyFill(root, proof) ? { ...proof, batch: number, state: record.state } : 'no nodes'
    } finally {
      fills.close()
    }
  }

  /** Last batch that begins at `seq` or before; 0 when there is none. */
  private batchOf(seq: number): number {
    while (this.store.has(this.count + 1)) this.count++
    let [low, high] = [0, this.count]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.firstSeqOf(middle) <= seq) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Where a batch begins, also one whose record is damaged: that one alone has no proofs then. */
  private firstSeqOf(number: number): number {
    try {
      return this.rangeOf(number).firstSeq
    } catch (error) {
      if (!(error instanceof StoreError) || number === 1) throw error
      return this.rangeOf(number - 1).lastSeq + 1
    }
  }

  private lastSeqOf(number: number): number {
    try {
      return this.rangeOf(number).lastSeq
    } catch (error) {
      if (!(error instanceof StoreError) || number === this.count) throw error
      return this.rangeOf(number + 1).firstSeq - 1
    }
  }

  private rangeOf(number: number): SeqRange {
    const kept = this.ranges.get(number)
    if (kept !== undefined) return kept
    const { header } = this.store.read(number)
    const range = { firstSeq: Number(header.firstSeq), lastSeq: Number(header.lastSeq) }
    if (this.ranges.size === FILL_RANGES_KEPT) this.ranges.delete(this.ranges.keys().next().value!)
    this.ranges.set(number, range)
    return range
  }

  private make(number: number): Promise<void> {
    const known = this.making.get(number)
    if (known !== undefined) return known
    const failure = this.failed.get(number)
    if (failure !== undefined && Date.now() - failure.atMs < FILL_NODES_AGAIN_MS)
      return Promise.reject(failure.error)
    const made = this.lastMade
      .then(() => this.makeNodes(number))
      .then(
        () => void this.failed.delete(number),
        (error: unknown) => {
          if (this.failed.size === FILL_RANGES_KEPT) this.failed.delete(this.failed.keys().next().value!)
          this.failed.set(number, { error, atMs: Date.now() })
          throw error
        },
      )
      .finally(() => {
        this.making.delete(number)
      })
    this.making.set(number, made)
    this.lastMade = made.catch(() => undefined)
    return made
  }

  private async makeNodes(number: number): Promise<void> {
    const turns = fillNodesInTurns(this.store.fills(number))
    let turn = turns.next()
    for (; turn.done !== true; turn = turns.next()) await setImmediate()
    const root = rootOf(this.store.read(number))
    if (Buffer.compare(rootOfNodes(turn.value), root) !== 0) throw wrongFills(number)
    this.store.saveNodes(number, turn.value)
  }
}

/** Whether the fills on both sides of a place are those of the batch, and the fill asked for is between them. */
function isAbsent(fills: FillSource, place: number, seq: number, index: number, root: Uint8Array): boolean {
  const isBeside = (at: number, isBefore: boolean): boolean => {
    if (at < 0 || at >= fills.count) return true
    const proof = proofFrom(fills, at)
    const order = compareFill(proof.leaf, seq, index)
    return (isBefore ? order < 0 : order > 0) && verifyFill(root, proof)
  }
  return isBeside(place - 1, true) && isBeside(place, false)
}

const rootOf = ({ header }: BatchRecord): Uint8Array => hexToBytes(header.fillsRoot)

const wrongFills = (number: number): StoreError =>
  new StoreError(`the fills of batch ${number} do not lead to its fills root: put back a copy of their file`)
