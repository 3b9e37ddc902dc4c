/**
 * Moves segments that nobody needs at hand to the archive: packed, with their hashes beside them
 * (segment-files.ts reads them back). A segment may go when every kept snapshot begins behind it, all of
 * its commands are settled, and its last command is older than the setting.
 *
 * Invariant: a segment file is removed only after its archive was synced, read back and found equal; a crash
 * in between leaves it in both places, and the next run goes on. Segments go in order, so the journal
 * folder holds a gap-free end of the journal.
 */
import { join } from 'node:path'
import { constants, gzipSync } from 'node:zlib'
import { CommandKind } from '../codes.js'
import { COMMAND_WORDS, Cmd, TimeCmd, kindOf } from '../layout.js'
import type { Disk } from '../journal/disk.js'
import { syncAll, writeAll } from '../journal/file-backend.js'
import { COMMANDS_AT, BLOCK_HEADER_BYTES, readBlock, readHeader, sectorsOf } from '../journal/format.js'
import {
  type ArchiveRecord,
  ArchiveDamage,
  archiveRecordName,
  archivedName,
  readWhole,
  unpack,
} from '../journal/segment-files.js'
import { sealRecord, sha256 } from '../journal/sealed-record.js'
import { archiveFolder, journalFolder, segmentName, segmentOf } from '../journal/segments.js'
import { listSnapshots, readSnapshot } from './snapshots.js'

export interface ArchiveOptions {
  readonly disk: Disk
  readonly dataDir: string
  /** Commands up to here are settled for good. */
  readonly settledSeq: number
  /** Segments whose last command has an engine time before this may go, ms. */
  readonly beforeMs: number
}

/** Archives what may go; answers with its records. Throws JournalWriteError, JournalSyncError or ArchiveDamage. */
export function archiveSegments(options: ArchiveOptions): ArchiveRecord[] {
  const { disk, dataDir, settledSeq, beforeMs } = options
  const done: ArchiveRecord[] = []
  const end = firstSegmentOfSnapshots(disk, dataDir)
  const live = disk
    .list(journalFolder(dataDir))
    .map(segmentOf)
    .filter((segment) => segment >= 0 && segment < end)
  for (const segment of live) {
    const bytes = readWhole(disk, join(journalFolder(dataDir), segmentName(segment)))
    const found = describe(bytes, segment)
    if (found.lastSeq > settledSeq || found.lastTimeMs >= beforeMs) break
    done.push(archive(disk, dataDir, bytes, found))
  }
  return done
}

/** The segment in which the oldest usable snapshot begins: recovery may need it and what follows. */
function firstSegmentOfSnapshots(disk: Disk, dataDir: string): number {
  const seqs = listSnapshots(disk, dataDir)
  // One alone may turn out to be damaged; then recovery begins at the genesis block.
  if (seqs.length < 2) return 0
  return Math.min(...seqs.map((seq) => readSnapshot(disk, dataDir, seq).lastBlock.segment))
}

type Described = Omit<ArchiveRecord, 'packedBytes' | 'packedSha256'>

/** What a segment holds. @throws ArchiveDamage when it does not end in zeros behind sound blocks. */
function describe(bytes: Uint8Array, segment: number): Described {
  let [firstSeq, lastSeq, lastTimeMs, at] = [0, 0, 0, 0]
  let head: Uint8Array = new Uint8Array(0)
  while (at + BLOCK_HEADER_BYTES <= bytes.length) {
    const header = readHeader(bytes.subarray(at))
    if (typeof header === 'string') break
    const block = readBlock(bytes.subarray(at), header)
    if (typeof block === 'string')
      throw new ArchiveDamage(`${segmentName(segment)} at ${at}: ${block}; it stays where it is`)
    if (at === 0) firstSeq = block.firstSeq
    lastSeq = block.lastSeq
    head = block.hash
    for (let index = 0; index < block.count; index++) {
      const word = COMMANDS_AT + index * COMMAND_WORDS
      if (kindOf(block.words[word + Cmd.KIND]!) === CommandKind.Time)
        lastTimeMs = block.floats[word / 2 + TimeCmd.TIME_MS_F64]!
    }
    at += sectorsOf(header.length)
  }
  if (at === 0 || bytes.subarray(at).some((byte) => byte !== 0))
    throw new ArchiveDamage(`${segmentName(segment)} at ${at}: no block, and not zeros; it stays where it is`)
  const hex = Buffer.from(head).toString('hex')
  return { segment, bytes: bytes.length, sha256: sha256(bytes), firstSeq, lastSeq, lastTimeMs, head: hex }
}

function archive(disk: Disk, dataDir: string, bytes: Uint8Array, found: Described): ArchiveRecord {
  const { segment } = found
  const folder = archiveFolder(dataDir)
  disk.makeFolder(folder)
  const packed = gzipSync(bytes, { level: constants.Z_BEST_SPEED })
  const record: ArchiveRecord = { ...found, packedBytes: packed.length, packedSha256: sha256(packed) }
  put(disk, folder, archivedName(segment), packed)
  put(disk, folder, archiveRecordName(segment), new TextEncoder().encode(sealRecord(record)))
  if (!Buffer.from(unpack(disk, dataDir, segment)).equals(bytes))
    throw new ArchiveDamage(`${archivedName(segment)} is not what was put in; the segment stays`)
  disk.remove(join(journalFolder(dataDir), segmentName(segment)))
  syncAll(() => disk.syncFolder(journalFolder(dataDir)), segmentName(segment))
  return record
}

function put(disk: Disk, folder: string, name: string, bytes: Uint8Array): void {
  const beside = join(folder, `${name}.writing`)
  const file = disk.create(beside)
  try {
    writeAll(file, bytes, 0, name)
    syncAll(() => file.sync(), name)
  } catch (error) {
    disk.remove(beside)
    throw error
  } finally {
    file.close()
  }
  disk.rename(beside, join(folder, name))
  syncAll(() => disk.syncFolder(folder), name)
}
