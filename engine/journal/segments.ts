/**
 * Names of the files of a data folder, and a block's place among them.
 *
 *   DIR/journal/00000000.glass     segments, numbered without gap from 0
 *   DIR/journal/00000001.prepare   the next segment while it is being filled with zeros
 *   DIR/archive/00000000.glass.gz  a segment that was moved there (archive.ts), .json beside it: its hashes
 *   DIR/snapshots/<seq>.snapshot   16 digits; <seq>.writing while it is being written
 *   DIR/lock                       locked by the kernel while a process runs on this folder (lock.ts)
 */
import { join } from 'node:path'

export const journalFolder = (dataDir: string): string => join(dataDir, 'journal')
export const archiveFolder = (dataDir: string): string => join(dataDir, 'archive')
export const snapshotFolder = (dataDir: string): string => join(dataDir, 'snapshots')
export const segmentName = (segment: number): string => `${String(segment).padStart(8, '0')}.glass`
export const preparingName = (segment: number): string => `${String(segment).padStart(8, '0')}.prepare`

/** Segment number of a file name, or -1 when it is none. */
export function segmentOf(name: string): number {
  const match = /^(\d{8})\.glass$/.exec(name)
  return match === null ? -1 : Number(match[1])
}

/** Where the next block stands (or will stand), and what it must say. */
export interface JournalPosition {
  readonly segment: number
  /** Byte offset in the segment, a multiple of SECTOR_BYTES. */
  readonly offset: number
  /** Number that the next block has. */
  readonly number: number
  /** First seq of the next block. */
  readonly nextSeq: number
  /** Epoch of the last block. */
  readonly epoch: number
  /** Hash of the last block: the journal head. */
  readonly head: Uint8Array
}
