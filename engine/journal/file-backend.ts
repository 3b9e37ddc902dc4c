/**
 * The embedded journal backend: fixed-size segment files, filled with zeros and synced before the first
 * block goes in, so that a later fdatasync has no file size or block map to write. The next segment is
 * prepared a little with each append, never in one long stall.
 *
 * Invariant: a segment file bears its final name only when all of it is zeros on disk. Any failed or
 * short write and any failed sync throws, and the backend refuses all further use. A block is written only
 * behind this backend's own last one and onto zeros: a process that was stopped for a while, and whose
 * folder another one took meanwhile, never writes into the other's journal (EpochFenced).
 */
import { join } from 'node:path'
import { SEGMENT_STEP_BYTES } from '../limits.js'
import {
  EpochFenced,
  JournalSyncError,
  JournalWriteError,
  type AppendedBlock,
  type JournalBackend,
} from './backend.js'
import type { Disk, DiskFile } from './disk.js'
import { BLOCK_HEADER_BYTES, SECTOR_BYTES } from './format.js'
import { preparingName, segmentName } from './segments.js'

const ZEROS = new Uint8Array(256 * 1024)

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Writes all of `source` or throws JournalWriteError with what was asked and what was done. */
export function writeAll(file: DiskFile, source: Uint8Array, position: number, what: string): void {
  let written: number
  try {
    written = file.write(source, position)
  } catch (error) {
    throw new JournalWriteError(`${what}: write at ${position} failed: ${message(error)}`)
  }
  if (written !== source.length)
    throw new JournalWriteError(`${what}: wrote ${written} of ${source.length} bytes at ${position}`)
}

/** Syncs or throws JournalSyncError. */
export function syncAll(sync: () => void, what: string): void {
  try {
    sync()
  } catch (error) {
    throw new JournalSyncError(`${what}: sync failed: ${message(error)}`)
  }
}

/** Creates segment `segment` of `segmentBytes` zeros, a step at a time, under its final name at the end. */
class SegmentPreparation {
  private readonly file: DiskFile
  private readonly path: string
  private filled = 0

  constructor(
    private readonly disk: Disk,
    private readonly folder: string,
    readonly segment: number,
    private readonly segmentBytes: number,
  ) {
    this.path = join(folder, preparingName(segment))
    this.file = disk.create(this.path)
  }

  /** Adds and syncs at most `bytes` of zeros; true when the segment is complete. */
  step(bytes: number): boolean {
    const what = `segment ${this.segment} in preparation`
    const end = Math.min(this.segmentBytes, this.filled + bytes)
    while (this.filled < end) {
      const count = Math.min(ZEROS.length, end - this.filled)
      writeAll(this.file, ZEROS.subarray(0, count), this.filled, what)
      this.filled += count
    }
    syncAll(() => this.file.sync(), what)
    if (this.filled < this.segmentBytes) return false
    this.file.close()
    this.disk.rename(this.path, join(this.folder, segmentName(this.segment)))
    syncAll(() => this.disk.syncFolder(this.folder), what)
    return true
  }

  close(): void {
    if (this.filled < this.segmentBytes) this.file.close()
  }
}

export interface FileBackendOptions {
  readonly disk: Disk
  /** Folder of the segments; it exists. */
  readonly folder: string
  readonly segmentBytes: number
  /** Where the first append goes: the end that recovery found. */
  readonly segment: number
  readonly offset: number
}

/** Appends blocks to segment files. */
export class FileBackend implements JournalBackend {
  private readonly disk: Disk
  private readonly folder: string
  private readonly segmentBytes: number
  private file: DiskFile
  private fileBytes: number
  private preparation: SegmentPreparation | undefined
  private nextIsReady: boolean
  private broken = false
  /** Bytes appended since the last `maintain`. */
  private appended = 0
  /** Header of the last block that was appended here, and where it stands; nothing before the first. */
  private last: { readonly offset: number; readonly header: Uint8Array } | undefined
  private readonly seen = new Uint8Array(SECTOR_BYTES)
  /** Where the next block goes. */
  segment: number
  offset: number

  /** Opens segment `options.segment`, or prepares it when it is not there. Throws as `append` does. */
  constructor(options: FileBackendOptions) {
    this.disk = options.disk
    this.folder = options.folder
    this.segmentBytes = options.segmentBytes
    this.segment = options.segment
    this.offset = options.offset
    if (!this.exists(this.segment)) this.prepareWhole(this.segment)
    this.file = this.openSegment()
    this.fileBytes = this.file.size()
    this.nextIsReady = this.exists(this.segment + 1)
  }

  append(block: AppendedBlock): void {
    if (this.broken) throw new JournalWriteError('the journal failed before; nothing more is written')
    this.broken = true
    const { bytes } = block
    this.expectOwnEnd(block)
    if (this.offset + bytes.length > this.fileBytes) {
      this.roll()
      this.expectOwnEnd(block)
    }
    const what = `segment ${this.segment}`
    writeAll(this.file, bytes, this.offset, what)
    syncAll(() => this.file.sync(), what)
    this.last = { offset: this.offset, header: bytes.slice(0, BLOCK_HEADER_BYTES) }
    this.offset += bytes.length
    this.appended += bytes.length
    this.broken = false
  }

  /** Two bytes of the next segment for each byte appended: it is complete before this one is half full. */
  maintain(): void {
    // What was appended while the next segment stood ready asks for nothing of the one after it.
    if (this.nextIsReady) this.appended = 0
    const due = 2 * this.appended
    if (this.broken || due < Math.min(SEGMENT_STEP_BYTES, this.segmentBytes / 4)) return
    this.broken = true
    this.preparation ??= new SegmentPreparation(this.disk, this.folder, this.segment + 1, this.segmentBytes)
    if (this.preparation.step(due)) {
      this.preparation = undefined
      this.nextIsReady = true
    }
    this.appended = 0
    this.broken = false
  }

  close(): void {
    this.file.close()
    this.preparation?.close()
  }

  /** The last block stands where it was put, and nothing stands behind it. Throws EpochFenced. */
  private expectOwnEnd(block: AppendedBlock): void {
    const { seen, last } = this
    const refuse = (what: string): never => {
      throw new EpochFenced(
        `segment ${this.segment}: ${what}; another process writes this journal, so block ${block.number} of epoch ${block.epoch} is not written`,
      )
    }
    if (last !== undefined) {
      const header = seen.subarray(0, BLOCK_HEADER_BYTES)
      const count = this.file.read(header, last.offset)
      if (count !== header.length || Buffer.compare(header, last.header) !== 0)
        refuse(`the last block, at ${last.offset}, is not the one that was written`)
    }
    const count = this.file.read(seen, this.offset)
    for (let at = 0; at < count; at++)
      if (seen[at] !== 0) refuse(`a block stands at ${this.offset}, where the next one belongs`)
  }

  private exists(segment: number): boolean {
    return this.disk.list(this.folder).includes(segmentName(segment))
  }

  private openSegment(): DiskFile {
    return this.disk.openWrite(join(this.folder, segmentName(this.segment)))
  }

  private prepareWhole(segment: number): void {
    this.preparation ??= new SegmentPreparation(this.disk, this.folder, segment, this.segmentBytes)
    this.preparation.step(this.segmentBytes)
    this.preparation = undefined
  }

  private roll(): void {
    if (!this.nextIsReady) this.prepareWhole(this.segment + 1)
    this.file.close()
    this.segment++
    this.offset = 0
    this.last = undefined
    this.file = this.openSegment()
    this.fileBytes = this.file.size()
    this.nextIsReady = this.exists(this.segment + 1)
  }
}
