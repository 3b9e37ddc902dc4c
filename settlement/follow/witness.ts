/**
 * The private inputs of a batch's chunks: old and new leaf of each row, and the siblings of its path in the
 * tree as it stands before the row. Made from the tree before the batch, row by row, by the settler when a
 * prover asks for work.
 *
 * Invariant: the path of each row leads from the root before it to the root after it; the last root of a
 * chunk is the batch's chunk root, or there is no witness.
 */
import { chunkCount, decodeRows, type PublicInputs } from '../batch/commit.js'
import { R, inverse, toField } from '../tree/field.js'
import type { Rows } from '../batch/rows.js'
import { poseidon } from '../tree/poseidon.js'
import type { BatchRecord } from '../store/store.js'
import { TREE_DEPTH } from '../tree/tree.js'

/** Inputs of settlement/circuits/chunk.circom, numbers as decimal strings: what a prover is given. */
export interface ChunkInputs {
  readonly firstRoot: string
  readonly lastRoot: string
  readonly z: string
  readonly evaluation: string
  readonly used: readonly string[]
  readonly index: readonly string[]
  readonly oldBalance: readonly string[]
  readonly newBalance: readonly string[]
  readonly inverseDelta: readonly string[]
  readonly siblings: readonly (readonly string[])[]
}

/** The stored rows do not lead to the stored roots: a broken invariant. */
export class WitnessError extends Error {
  override readonly name = 'WitnessError'
}

interface RowWitness {
  readonly index: number
  readonly oldBalance: bigint
  readonly newBalance: bigint
  readonly siblings: readonly bigint[]
}

/** Root after each `rowsPerChunk` rows of a batch; `nodeBefore(key)`: node of the tree before it. */
export function chunkRootsOf(
  record: BatchRecord,
  rowsPerChunk: number,
  nodeBefore: (key: number) => bigint,
): bigint[] {
  return new BatchWitness(record, nodeBefore).rootsOf(rowsPerChunk)
}

export class BatchWitness {
  private readonly rows: Rows
  /** Nodes changed by the rows so far. */
  private readonly changed = new Map<number, bigint>()
  private readonly chunks: RowWitness[][] = []

  /** `nodeBefore(key)`: node of the tree before the batch. */
  constructor(
    private readonly record: BatchRecord,
    private readonly nodeBefore: (key: number) => bigint,
    private readonly depth = TREE_DEPTH,
  ) {
    this.rows = decodeRows(record.data.rows)
  }

  /** Inputs of chunk `chunk` for the public inputs of the chain. Throws WitnessError. */
  inputs(chunk: number, publicInputs: PublicInputs): ChunkInputs {
    const { rowsPerChunk, data } = this.record
    if (chunk < 0 || chunk >= chunkCount(this.rows.indices.length, rowsPerChunk))
      throw new RangeError(`witness: no chunk ${chunk}`)
    while (this.chunks.length <= chunk) this.applyChunk()
    const rows = this.chunks[chunk]!
    const [firstRoot, lastRoot, z, evaluation] = publicInputs
    if (lastRoot !== data.chunkRoots[chunk])
      throw new WitnessError(`chunk ${chunk}: public inputs of another chunk`)
    const unused = Array.from({ length: rowsPerChunk - rows.length }, () => '0')
    const column = (value: (row: RowWitness) => bigint): string[] => [
      ...rows.map((row) => String(value(row))),
      ...unused,
    ]
    return {
      firstRoot: String(firstRoot),
      lastRoot: String(lastRoot),
      z: String(z),
      evaluation: String(evaluation),
      used: column(() => 1n),
      index: column(({ index }) => BigInt(index)),
      oldBalance: column(({ oldBalance }) => oldBalance),
      newBalance: column(({ newBalance }) => newBalance),
      inverseDelta: column(({ oldBalance, newBalance }) => inverse(toField(newBalance - oldBalance))),
      siblings: [
        ...rows.map(({ siblings }) => siblings.map(String)),
        ...unused.map(() => Array.from({ length: this.depth }, () => '0')),
      ],
    }
  }

  /** See chunkRootsOf. Of a witness that nothing else was asked of. */
  rootsOf(rowsPerChunk: number): bigint[] {
    const { indices, deltas } = this.rows
    const roots: bigint[] = []
    for (let row = 0; row < indices.length; row++) {
      this.applyRow(indices[row]!, BigInt(deltas[row]!))
      if ((row + 1) % rowsPerChunk === 0 || row + 1 === indices.length) roots.push(this.node(1))
    }
    return roots
  }

  private applyChunk(): void {
    const { rowsPerChunk, data } = this.record
    const chunk = this.chunks.length
    const rows: RowWitness[] = []
    for (
      let row = chunk * rowsPerChunk;
      row < (chunk + 1) * rowsPerChunk && row < this.rows.indices.length;
      row++
    )
      rows.push(this.applyRow(this.rows.indices[row]!, BigInt(this.rows.deltas[row]!)))
    if (this.node(1) !== data.chunkRoots[chunk])
      throw new WitnessError(
        `batch ${this.record.header.number}: rows do not lead to the root of chunk ${chunk}`,
      )
    this.chunks.push(rows)
  }

  private applyRow(index: number, delta: bigint): RowWitness {
    const leafKey = this.keyOf(index, 0)
    const oldBalance = this.node(leafKey)
    const newBalance = oldBalance + delta
    if (newBalance < 0n || newBalance >= R) throw new WitnessError(`balance ${newBalance} at index ${index}`)
    const siblings = Array.from({ length: this.depth }, (_, height) =>
      this.node(this.keyOf(index, height) ^ 1),
    )
    this.changed.set(leafKey, newBalance)
    let node = newBalance
    siblings.forEach((sibling, height) => {
      node = (index >>> height) & 1 ? poseidon(sibling, node) : poseidon(node, sibling)
      this.changed.set(this.keyOf(index, height + 1), node)
    })
    return { index, oldBalance, newBalance, siblings }
  }

  private keyOf(index: number, height: number): number {
    return (1 << (this.depth - height)) | (index >>> height)
  }

  private node(key: number): bigint {
    return this.changed.get(key) ?? this.nodeBefore(key)
  }
}
