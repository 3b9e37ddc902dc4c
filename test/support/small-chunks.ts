/**
 * Chunks over a little tree that is hashed whole: what the circuit's and the provers' tests prove. A depth of a
 * few levels keeps keys and proofs small; the circuit is the same.
 */
import { encodeRows, evaluateChunk } from '../../settlement/batch/commit.js'
import { poseidon } from '../../settlement/tree/poseidon.js'
import type { BatchRecord } from '../../settlement/store/store.js'
import { BatchWitness, type ChunkInputs } from '../../settlement/follow/witness.js'

/** Nodes of the whole tree over `balances` (a power of two of them), by key. */
export function treeOf(balances: readonly number[]): Map<number, bigint> {
  const leaves = balances.length
  const nodes = new Map<number, bigint>()
  balances.forEach((units, index) => nodes.set(leaves + index, BigInt(units)))
  for (let key = leaves - 1; key >= 1; key--)
    nodes.set(key, poseidon(nodes.get(key * 2)!, nodes.get(key * 2 + 1)!))
  return nodes
}

/** Inputs of the one chunk of `rowsPerChunk` slots that applies `changes` (index -> new balance) to `balances`. */
export function chunkOf(
  balances: readonly number[],
  changes: ReadonlyMap<number, number>,
  rowsPerChunk: number,
  z: bigint,
): ChunkInputs {
  const indices = [...changes.keys()].sort((a, b) => a - b)
  const rows = {
    indices: Int32Array.from(indices),
    deltas: Float64Array.from(indices, (index) => changes.get(index)! - balances[index]!),
  }
  const [before, after] = [treeOf(balances), treeOf(balances.map((units, at) => changes.get(at) ?? units))]
  const record = {
    header: { number: 1n },
    data: { rows: encodeRows(rows), chunkRoots: [after.get(1)!] },
    rowsPerChunk,
  } as unknown as BatchRecord
  const witness = new BatchWitness(record, (key) => before.get(key)!, Math.log2(balances.length))
  return witness.inputs(0, [before.get(1)!, after.get(1)!, z, evaluateChunk(rows, 0, rowsPerChunk, z)])
}
