/**
 * Opens a segment wherever it is: in the journal folder, or in the archive (archive.ts), whose files are
 * unpacked into memory and checked against their hashes. Everything that reads a journal goes through
 * here, so that no tool knows whether a segment was archived.
 *
 * Invariant: what an archive gives is, byte for byte, the segment that was put in, or an error that names
 * the file: a segment is in both places while it is being moved, and the journal folder is asked first.
 */
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Disk, DiskFile } from './disk.js'
import { BLOCK_HEADER_BYTES, SECTOR_BYTES, readBlock, readHeader, sectorsOf } from './format.js'
import { openRecord, sha256 } from './sealed-record.js'
import { archiveFolder, journalFolder, segmentName, segmentOf } from './segments.js'

export const archivedName = (segment: number): string => `${segmentName(segment)}.gz`
export const archiveRecordName = (segment: number): string => `${segmentName(segment)}.json`

/** What stands beside an archived segment. */
export interface ArchiveRecord {
  readonly segment: number
  /** Of the segment file, with its zeros, and of the packed file. */
  readonly bytes: number
  readonly packedBytes: number
  /** SHA-256, hex, of the segment file and of the packed file. */
  readonly sha256: string
  readonly packedSha256: string
  /** Commands in it. */
  readonly firstSeq: number
  readonly lastSeq: number
  /** Engine time of its last command that gave one, ms; 0 = none did. */
  readonly lastTimeMs: number
  /** Hash of its last block, hex: the journal head there. */
  readonly head: string
}

/** An archived segment that is not what was put there; the message names the file and says what to do. */
export class ArchiveDamage extends Error {
  override readonly name = 'ArchiveDamage'
}

const damaged = (path: string, why: string): ArchiveDamage =>
  new ArchiveDamage(`${path} is not what was archived (${why}): put back a copy of it`)

export function readWhole(disk: Disk, path: string): Uint8Array {
  const file = disk.openRead(path)
  try {
    const bytes = new Uint8Array(file.size())
    return bytes.subarray(0, file.read(bytes, 0))
  } finally {
    file.close()
  }
}

/** Either file of the two: one without the other is damage, which its reader tells. */
const archivedSegmentOf = (name: string): number => segmentOf(name.replace(/\.(gz|json)$/, ''))

/** Numbers of the segments in the archive, ascending. */
export function listArchived(disk: Disk, dataDir: string): number[] {
  const segments = disk
    .list(archiveFolder(dataDir))
    .map(archivedSegmentOf)
    .filter((segment) => segment >= 0)
  return [...new Set(segments)].sort((a, b) => a - b)
}

/** Numbers of all segments, ascending, archived ones too. */
export function listSegments(disk: Disk, dataDir: string): number[] {
  const live = disk
    .list(journalFolder(dataDir))
    .map(segmentOf)
    .filter((segment) => segment >= 0)
  return [...new Set([...listArchived(disk, dataDir), ...live])].sort((a, b) => a - b)
}

/** A segment that can be read, or undefined when there is none. @throws ArchiveDamage */
export function openSegment(disk: Disk, dataDir: string, segment: number): DiskFile | undefined {
  const folder = journalFolder(dataDir)
  if (disk.list(folder).includes(segmentName(segment))) {
    try {
      return disk.openRead(join(folder, segmentName(segment)))
    } catch (error) {
      // It was moved to the archive between the two calls.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  const names = disk.list(archiveFolder(dataDir))
  if (!names.includes(archiveRecordName(segment)) && !names.includes(archivedName(segment))) return undefined
  return new MemoryFile(unpack(disk, dataDir, segment))
}

/** The record beside an archived segment. @throws ArchiveDamage */
export function readArchiveRecord(disk: Disk, dataDir: string, segment: number): ArchiveRecord {
  const path = join(archiveFolder(dataDir), archiveRecordName(segment))
  try {
    const record = openRecord(new TextDecoder().decode(readWhole(disk, path))) as ArchiveRecord
    if (record.segment !== segment) throw new Error(`it is of segment ${record.segment}`)
    return record
  } catch (error) {
    throw damaged(path, (error as Error).message)
  }
}

/** The bytes of an archived segment. @throws ArchiveDamage when they are not those that were put in. */
export function unpack(disk: Disk, dataDir: string, segment: number): Uint8Array {
  const record = readArchiveRecord(disk, dataDir, segment)
  const path = join(archiveFolder(dataDir), archivedName(segment))
  let packed: Uint8Array
  let bytes: Uint8Array
  try {
    packed = readWhole(disk, path)
    bytes = gunzipSync(packed, { maxOutputLength: record.bytes })
  } catch (error) {
    throw damaged(path, (error as Error).message)
  }
  for (const [what, found, expected] of [
    // Also of the packed file: not each of its bytes says something of what is in it.
    ['packed bytes', sha256(packed), record.packedSha256],
    ['bytes', sha256(bytes), record.sha256],
  ] as const)
    if (found !== expected) throw damaged(path, `${what} with SHA-256 ${found}, not ${expected}`)
  return bytes
}

class MemoryFile implements DiskFile {
  constructor(private readonly bytes: Uint8Array) {}

  size(): number {
    return this.bytes.length
  }

  read(target: Uint8Array, position: number): number {
    const part = this.bytes.subarray(position, position + target.length)
    target.set(part)
    return part.length
  }

  write(): number {
    throw new Error('an archived segment is not written')
  }

  sync(): void {}

  close(): void {}
}

/** Calls `visit` for each block of a segment in order, until it answers true; answers whether one did. */
function walk(file: DiskFile, visit: (firstSeq: number, lastSeq: number, at: number) => boolean): boolean {
  const head = new Uint8Array(BLOCK_HEADER_BYTES)
  for (let at = 0; at + SECTOR_BYTES <= file.size();) {
    if (file.read(head, at) !== head.length) return false
    const header = readHeader(head)
    if (typeof header === 'string') return false
    if (visit(header.firstSeq, header.firstSeq + header.count - 1, at)) return true
    at += sectorsOf(header.length)
  }
  return false
}

/** Whether a block of the journal ends at `seq` and has the hash `head`: the journal is the one meant. */
export function journalHolds(disk: Disk, dataDir: string, seq: number, head: Uint8Array): boolean {
  for (const segment of listSegments(disk, dataDir).reverse()) {
    const file = openSegment(disk, dataDir, segment)
    if (file === undefined) continue
    try {
      let begins = Infinity
      const isThere = walk(file, (firstSeq, lastSeq, at) => {
        begins = Math.min(begins, firstSeq)
        if (begins > seq + 1) return false
        if (lastSeq !== seq) return false
        return Buffer.from(head).equals(hashAt(file, at))
      })
      if (isThere) return true
      // Blocks that end at `seq` stand behind one that begins at or before it.
      if (begins <= seq) return false
    } finally {
      file.close()
    }
  }
  return false
}

function hashAt(file: DiskFile, at: number): Uint8Array {
  const head = new Uint8Array(BLOCK_HEADER_BYTES)
  file.read(head, at)
  const header = readHeader(head)
  if (typeof header === 'string') return new Uint8Array(0)
  const bytes = new Uint8Array(sectorsOf(header.length))
  file.read(bytes, at)
  const block = readBlock(bytes, header)
  return typeof block === 'string' ? new Uint8Array(0) : block.hash
}
