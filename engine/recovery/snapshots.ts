/**
 * Snapshot files: the engine's state at the end of a journal block, so that a start need not replay
 * from the beginning. The two newest are kept: a damaged one falls back to the one before.
 *
 *   header, 192 bytes, little-endian
 *     0  magic "GLASSSNP"       8  u32 version (1)     12  u32 epoch of the last block
 *    16  u64 seq               24  u64 payload bytes    32  u64 number of the last block
 *    40  u32 segment, 44 u32 epoch before, 48 u64 offset of the last block
 *    56  u64 first seq of the last block
 *    64  hash of the block before the last, 32 bytes    96  hash of the last block (journal head)
 *   128  state hash, 32 bytes  160  u32 CRC-32C of the payload
 *   188  u32 CRC-32C of bytes 0 to 187
 *   payload: Engine.snapshot()
 *
 * Invariant: a file bears its final name only when all of it is durable (temp file, sync, rename,
 * sync of the folder).
 */
import { join } from 'node:path'
import { crc32c } from '../journal/crc32c.js'
import type { Disk } from '../journal/disk.js'
import { syncAll, writeAll } from '../journal/file-backend.js'
import { snapshotFolder, type JournalPosition } from '../journal/segments.js'
import { SNAPSHOTS_KEPT, SNAPSHOT_WRITE_BYTES } from '../limits.js'

const HEADER_BYTES = 192
const VERSION = 1
const MAGIC = 'GLASSSNP'

export interface Snapshot {
  readonly seq: number
  /** Place of the last block that the snapshot has applied: a start reads it again and compares. */
  readonly lastBlock: JournalPosition
  /** Hash of that block. */
  readonly head: Uint8Array
  readonly epoch: number
  readonly stateHash: Uint8Array
  /** Engine.snapshot(). */
  readonly payload: Uint8Array
}

const finalName = (seq: number): string => `${String(seq).padStart(16, '0')}.snapshot`

/** Seqs of the snapshots in a data folder, newest first. */
export function listSnapshots(disk: Disk, dataDir: string): number[] {
  return disk
    .list(snapshotFolder(dataDir))
    .map((name) => /^(\d{16})\.snapshot$/.exec(name))
    .filter((match) => match !== null)
    .map((match) => Number(match[1]))
    .sort((a, b) => b - a)
}

/** Writes a snapshot and removes all but the newest two. Throws JournalWriteError or JournalSyncError. */
export function writeSnapshot(disk: Disk, dataDir: string, snapshot: Snapshot): void {
  const folder = snapshotFolder(dataDir)
  disk.makeFolder(folder)
  const what = `snapshot ${snapshot.seq}`
  const temporary = join(folder, `${String(snapshot.seq).padStart(16, '0')}.writing`)
  const file = disk.create(temporary)
  try {
    writeAll(file, header(snapshot), 0, what)
    for (let at = 0; at < snapshot.payload.length; at += SNAPSHOT_WRITE_BYTES)
      writeAll(file, snapshot.payload.subarray(at, at + SNAPSHOT_WRITE_BYTES), HEADER_BYTES + at, what)
    syncAll(() => file.sync(), what)
  } catch (error) {
    // What is left of it would take the space that the journal needs.
    disk.remove(temporary)
    throw error
  } finally {
    file.close()
  }
  disk.rename(temporary, join(folder, finalName(snapshot.seq)))
  syncAll(() => disk.syncFolder(folder), what)
  for (const seq of listSnapshots(disk, dataDir).slice(SNAPSHOTS_KEPT))
    disk.remove(join(folder, finalName(seq)))
  for (const name of disk.list(folder)) if (name.endsWith('.writing')) disk.remove(join(folder, name))
}

/** Reads and checks the snapshot of `seq`. Throws an Error that says what is wrong with it. */
export function readSnapshot(disk: Disk, dataDir: string, seq: number): Snapshot {
  const file = disk.openRead(join(snapshotFolder(dataDir), finalName(seq)))
  try {
    const head = new Uint8Array(HEADER_BYTES)
    if (file.read(head, 0) !== HEADER_BYTES) throw new Error('shorter than its header')
    const view = new DataView(head.buffer)
    const u64 = (at: number): number => view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
    if (new TextDecoder().decode(head.subarray(0, 8)) !== MAGIC) throw new Error('no snapshot magic')
    if (crc32c(head.subarray(0, 188)) !== view.getUint32(188, true)) throw new Error('header CRC is wrong')
    if (view.getUint32(8, true) !== VERSION)
      throw new Error(`version ${view.getUint32(8, true)}, known: ${VERSION}`)
    if (u64(16) !== seq) throw new Error(`its header says seq ${u64(16)}`)
    const payload = new Uint8Array(u64(24))
    if (file.size() !== HEADER_BYTES + payload.length)
      throw new Error(`${file.size()} bytes, not ${HEADER_BYTES + payload.length}`)
    file.read(payload, HEADER_BYTES)
    if (crc32c(payload) !== view.getUint32(160, true)) throw new Error('payload CRC is wrong')
    return {
      seq,
      epoch: view.getUint32(12, true),
      lastBlock: {
        number: u64(32),
        segment: view.getUint32(40, true),
        epoch: view.getUint32(44, true),
        offset: u64(48),
        nextSeq: u64(56),
        head: head.slice(64, 96),
      },
      head: head.slice(96, 128),
      stateHash: head.slice(128, 160),
      payload,
    }
  } finally {
    file.close()
  }
}

function header(snapshot: Snapshot): Uint8Array {
  const head = new Uint8Array(HEADER_BYTES)
  const view = new DataView(head.buffer)
  const u64 = (at: number, value: number): void => {
    view.setUint32(at, value % 2 ** 32, true)
    view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
  }
  head.set(new TextEncoder().encode(MAGIC))
  view.setUint32(8, VERSION, true)
  view.setUint32(12, snapshot.epoch, true)
  u64(16, snapshot.seq)
  u64(24, snapshot.payload.length)
  u64(32, snapshot.lastBlock.number)
  view.setUint32(40, snapshot.lastBlock.segment, true)
  view.setUint32(44, snapshot.lastBlock.epoch, true)
  u64(48, snapshot.lastBlock.offset)
  u64(56, snapshot.lastBlock.nextSeq)
  head.set(snapshot.lastBlock.head, 64)
  head.set(snapshot.head, 96)
  head.set(snapshot.stateHash, 128)
  view.setUint32(160, crc32c(snapshot.payload), true)
  view.setUint32(188, crc32c(head.subarray(0, 188)), true)
  return head
}
