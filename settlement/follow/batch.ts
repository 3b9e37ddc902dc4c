/**
 * Seals a batch: applies the rows of a journal range to the state tree chunk by chunk and writes down
 * everything that the chain will be told. Called by the settler and by replay, which must agree.
 */
import {
  encodeDeposits,
  encodeRows,
  encodeUnits,
  bytesToHex,
  sumByIndex,
  type BatchData,
  type BatchHeader,
} from '../batch/commit.js'
import { fillNodes, rootOfNodes } from '../batch/fills-root.js'
import type { Range } from './follow.js'
import type { NodeChanges, StateTree } from '../tree/tree.js'

/** Seals batches whatever they hold; limits are the settler's. */
export interface SealedBatch {
  readonly header: BatchHeader
  readonly data: BatchData
  /** Nodes of the tree before and after the batch. */
  readonly changes: NodeChanges
  readonly fills: Uint8Array
  /** Of the tree over them. */
  readonly fillNodes: Uint8Array
}

/** A balance left 0 .. 2^53 - 1, or the engine and the tree disagree: a broken invariant, never posted. */
export class SealError extends Error {
  override readonly name = 'SealError'
}

/** A batch whose fills are not hashed yet. */
export type AppliedBatch = Omit<SealedBatch, 'header' | 'fillNodes'> & {
  readonly header: Omit<BatchHeader, 'fillsRoot'>
}

/**
 * Applies `range` to `tree` as batch `number`. `totalOf(index)`, when given, says the engine's balance at
 * the range's end; it must equal every new leaf. Throws SealError, and the tree must not be used again.
 */
export function sealBatch(
  number: number,
  range: Range,
  tree: StateTree,
  rowsPerChunk: number,
  totalOf?: (index: number) => number,
): SealedBatch {
  const applied = applyRange(number, range, tree, rowsPerChunk, totalOf)
  const nodes = fillNodes(range.fills)
  const header = { ...applied.header, fillsRoot: bytesToHex(rootOfNodes(nodes)) }
  return { ...applied, header, fillNodes: nodes }
}

/** `sealBatch` without the fills root, which follows from the fills alone and may be computed elsewhere. */
export function applyRange(
  number: number,
  range: Range,
  tree: StateTree,
  rowsPerChunk: number,
  totalOf?: (index: number) => number,
): AppliedBatch {
  const { indices, deltas } = range.rows
  const oldRoot = tree.root
  const balances = Float64Array.from(indices, (index, row) => tree.balanceOf(index) + deltas[row]!)
  balances.forEach((balance, row) => {
    const index = indices[row]!
    if (!Number.isSafeInteger(balance) || balance < 0)
      throw new SealError(`batch ${number}: balance ${balance} at index ${index}`)
    if (totalOf !== undefined && totalOf(index) !== balance)
      throw new SealError(
        `batch ${number}: the engine holds ${totalOf(index)} at index ${index}, the tree ${balance}`,
      )
  })
  tree.beginBatch()
  const chunkRoots = tree.updateChunks(indices, balances, rowsPerChunk)
  return {
    header: {
      number: BigInt(number),
      firstSeq: BigInt(range.firstSeq),
      lastSeq: BigInt(range.lastSeq),
      oldRoot,
      newRoot: tree.root,
      journalHead: bytesToHex(range.journalHead),
      depositsConsumed: BigInt(range.depositsConsumed),
    },
    data: {
      chunkRoots,
      rows: encodeRows(range.rows),
      deposits: encodeDeposits(range.deposits),
      withdrawals: encodeUnits(sumByIndex(range.withdrawals)),
    },
    changes: tree.endBatch(),
    fills: range.fills,
  }
}
