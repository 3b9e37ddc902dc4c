/**
 * The state tree on disk: the nodes that each batch changed, and now and then a checkpoint of all, so that
 * a start reads instead of hashing, and a proof can be given for an older root.
 *
 *   settlement/tree/00000012.nodes   the changes of batch 12, count keys, old values, new values
 *   settlement/tree/checkpoint       all nodes after one batch, count keys, values
 *
 *   both: 32-byte header, little-endian: 0 magic, 8 u32 batch, 12 u32 count, 16 zero;
 *         root, 32 bytes big-endian; keys, u32 each; values, 32 bytes each in stored form
 *         (poseidon-wasm.ts); SHA-256 of all that
 *
 * Invariant: only a cache. A file that is missing or wrong is made up for by the batches' rows; roots are
 * compared after each batch either way.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../engine/journal/disk.js'
import { decodeRows } from '../batch/commit.js'
import { bytesToBigint, fieldToBytes } from '../tree/field.js'
import { ELEMENT_BYTES } from '../tree/poseidon-wasm.js'
import { CHANGES_KEPT, CHECKPOINT_NODES_MIN } from '../limits.js'
import { StoreError, writeDurable, type BatchRecord } from './store.js'
import { undoOf, type NodeChanges, type StateTree, type Undo } from '../tree/tree.js'

const CHANGES_MAGIC = 'GLASSNOD'
const CHECKPOINT_MAGIC = 'GLASSTRE'
const HEADER_BYTES = 32
const ROOT_BYTES = 32
const HASH_BYTES = 32
/** A checkpoint is due when the changes since the last one are this many times fewer than all nodes. */
const CHANGES_PER_CHECKPOINT = 2

interface NodeFile {
  readonly batch: number
  readonly root: bigint
  readonly keys: Int32Array
  /** `keys.length * perKey` elements. */
  readonly values: Uint8Array
}

export class TreeStore {
  private readonly folder: string
  private changedSince = 0
  private checkpointBatch = 0

  /** `settlementFolder`: the batch store's folder. */
  constructor(
    settlementFolder: string,
    private readonly nodesMin = CHECKPOINT_NODES_MIN,
  ) {
    this.folder = join(settlementFolder, 'tree')
    makeFolder(this.folder)
  }

  /** Makes a batch's changes durable; call before the batch is sealed. */
  write(batch: number, root: bigint, changes: NodeChanges): void {
    const values = new Uint8Array(changes.before.length + changes.after.length)
    values.set(changes.before)
    values.set(changes.after, changes.before.length)
    writeDurable(
      this.folder,
      nameOf(batch),
      encode(CHANGES_MAGIC, { batch, root, keys: changes.keys, values }),
    )
    this.changedSince += changes.keys.length
  }

  /** The way back over batch `batch`; undefined when its changes are not kept any more. */
  undo(batch: number): Undo | undefined {
    const file = this.read(nameOf(batch), CHANGES_MAGIC, 2)
    if (file === undefined || file.batch !== batch) return undefined
    return undoOf(changesOf(file))
  }

  /**
   * Brings an empty tree to the state after batch `count`; `recordOf` gives the batches' records. Throws
   * StoreError when the rows of a batch do not give its root.
   */
  restore(tree: StateTree, count: number, recordOf: (number: number) => BatchRecord): void {
    const checkpoint = this.read('checkpoint', CHECKPOINT_MAGIC, 1)
    if (
      checkpoint !== undefined &&
      checkpoint.batch > 0 &&
      checkpoint.batch <= count &&
      recordOf(checkpoint.batch).header.newRoot === checkpoint.root
    ) {
      tree.restore(checkpoint.keys, checkpoint.values)
      // What is written beside the nodes says nothing of them.
      if (tree.root !== checkpoint.root)
        throw new StoreError(
          `the tree's checkpoint after batch ${checkpoint.batch} says root ${checkpoint.root}, its nodes give ${tree.root}`,
        )
      this.checkpointBatch = checkpoint.batch
    }
    for (let batch = this.checkpointBatch + 1; batch <= count; batch++) {
      const { header, data } = recordOf(batch)
      const number = Number(header.number)
      const file = this.read(nameOf(number), CHANGES_MAGIC, 2)
      if (file !== undefined && file.batch === number && file.root === header.newRoot) {
        tree.restore(file.keys, changesOf(file).after)
        this.changedSince += file.keys.length
      } else {
        const { indices, deltas } = decodeRows(data.rows)
        tree.beginBatch()
        tree.update(
          indices,
          Float64Array.from(indices, (index, row) => tree.balanceOf(index) + deltas[row]!),
        )
        this.write(number, header.newRoot, tree.endBatch())
      }
      if (tree.root !== header.newRoot)
        throw new StoreError(`stored batch ${number} has root ${header.newRoot}, its rows give ${tree.root}`)
    }
  }

  /**
   * Writes a checkpoint after batch `batch` when enough has changed, and removes changes that neither a
   * start nor a proof against one of the last CHANGES_KEPT proven roots needs.
   */
  checkpointIfDue(batch: number, tree: StateTree, provenBatch: number): void {
    if (this.changedSince * CHANGES_PER_CHECKPOINT < Math.max(tree.nodeCount, this.nodesMin)) return
    this.checkpoint(batch, tree)
    const oldest = Math.min(batch, provenBatch - CHANGES_KEPT)
    for (const name of readdirSync(this.folder)) {
      const match = /^(\d{8})\.nodes$/.exec(name)
      if (match !== null && Number(match[1]) <= oldest) unlinkSync(join(this.folder, name))
    }
  }

  /** Writes a checkpoint after batch `batch`. */
  checkpoint(batch: number, tree: StateTree): void {
    const { keys, values } = tree.dump()
    writeDurable(
      this.folder,
      'checkpoint',
      encode(CHECKPOINT_MAGIC, { batch, root: tree.root, keys, values }),
    )
    this.checkpointBatch = batch
    this.changedSince = 0
  }

  private read(name: string, magic: string, perKey: number): NodeFile | undefined {
    let bytes: Buffer
    try {
      bytes = readFileSync(join(this.folder, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    return decode(bytes, magic, perKey)
  }
}

const nameOf = (batch: number): string => `${String(batch).padStart(8, '0')}.nodes`

const changesOf = ({ keys, values }: NodeFile): NodeChanges => ({
  keys,
  before: values.subarray(0, keys.length * ELEMENT_BYTES),
  after: values.subarray(keys.length * ELEMENT_BYTES),
})

function encode(magic: string, file: NodeFile): Uint8Array {
  const { batch, root, keys, values } = file
  const keysAt = HEADER_BYTES + ROOT_BYTES
  const valuesAt = keysAt + keys.length * 4
  const bytes = new Uint8Array(valuesAt + values.length + HASH_BYTES)
  bytes.set(new TextEncoder().encode(magic))
  const view = new DataView(bytes.buffer)
  view.setUint32(8, batch, true)
  view.setUint32(12, keys.length, true)
  bytes.set(fieldToBytes(root), HEADER_BYTES)
  bytes.set(new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength), keysAt)
  bytes.set(values, valuesAt)
  const end = bytes.length - HASH_BYTES
  bytes.set(createHash('sha256').update(bytes.subarray(0, end)).digest(), end)
  return bytes
}

/** Undefined for what is not whole. */
function decode(bytes: Buffer, magic: string, perKey: number): NodeFile | undefined {
  const end = bytes.length - HASH_BYTES
  if (end < HEADER_BYTES + ROOT_BYTES || bytes.subarray(0, 8).toString('latin1') !== magic) return undefined
  const count = bytes.readUInt32LE(12)
  const keysAt = HEADER_BYTES + ROOT_BYTES
  const valuesAt = keysAt + count * 4
  if (valuesAt + count * perKey * ELEMENT_BYTES !== end) return undefined
  if (!createHash('sha256').update(bytes.subarray(0, end)).digest().equals(bytes.subarray(end)))
    return undefined
  const copy = bytes.subarray(keysAt, valuesAt)
  return {
    batch: bytes.readUInt32LE(8),
    root: bytesToBigint(bytes.subarray(HEADER_BYTES, keysAt)),
    keys: new Int32Array(copy.buffer.slice(copy.byteOffset, copy.byteOffset + copy.length)),
    // A Buffer's slice would be a view.
    values: new Uint8Array(bytes.buffer, bytes.byteOffset + valuesAt, end - valuesAt),
  }
}
