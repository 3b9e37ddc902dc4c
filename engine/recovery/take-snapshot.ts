/**
 * Takes a snapshot by following the journal: newest valid snapshot, then verified blocks, then a new
 * snapshot file. Run by the snapshot thread beside a live exchange and by `glassbook snapshot` on a
 * stopped one. Changes nothing in the journal.
 */
import { join } from 'node:path'
import { createEngine } from '../index.js'
import type { Disk } from '../journal/disk.js'
import { syncAll } from '../journal/file-backend.js'
import type { JournalBlock } from '../journal/format.js'
import { JOURNAL_START, JournalReader, readGenesis } from '../journal/reader.js'
import { applyBlock, expectSnapshotBlock, newestSnapshot, stateHashNow } from './recovery.js'
import { journalFolder, segmentName } from '../journal/segments.js'
import { writeSnapshot } from './snapshots.js'

export interface TakeSnapshotOptions {
  readonly disk: Disk
  readonly dataDir: string
  /** Beside a live exchange: go no further than this. Absent: to the end of a journal at rest. */
  readonly durableSeq?: () => number
  readonly onLog: (line: string) => void
  /** Called after each block with the last seq applied. */
  readonly onProgress?: (seq: number) => void
}

/** Takes a snapshot and returns its seq. Throws JournalDamage, StateMismatch or what the disk throws. */
export function takeSnapshot(options: TakeSnapshotOptions): number {
  const { disk, dataDir, durableSeq } = options
  const genesis = readGenesis(dataDir, disk)
  const onEvents = (): void => {}
  const start = newestSnapshot(options, genesis, onEvents)
  const engine = start?.engine ?? createEngine({ genesis, onEvents })
  const from = start?.from ?? JOURNAL_START
  const reader = new JournalReader(dataDir, {
    disk,
    from,
    ...(durableSeq === undefined ? {} : { durableSeq }),
  })
  try {
    if (start !== undefined) expectSnapshotBlock(reader, start)
    let block: JournalBlock | undefined
    while ((block = reader.next()) !== undefined) {
      applyBlock(engine, block)
      options.onProgress?.(engine.seq)
    }
    if (durableSeq === undefined) reader.end()
    if (engine.seq === (start?.seq ?? 0)) return engine.seq
    // What a crashed process wrote last may be in the page cache only: a snapshot must not outlive it.
    if (durableSeq === undefined) syncSegment(disk, dataDir, reader.position.segment)
    writeSnapshot(disk, dataDir, {
      seq: engine.seq,
      lastBlock: reader.last!.position,
      head: reader.position.head,
      epoch: reader.position.epoch,
      stateHash: stateHashNow(engine),
      payload: engine.snapshot(),
    })
    return engine.seq
  } finally {
    reader.close()
  }
}

function syncSegment(disk: Disk, dataDir: string, segment: number): void {
  const file = disk.openWrite(join(journalFolder(dataDir), segmentName(segment)))
  try {
    syncAll(() => file.sync(), segmentName(segment))
  } finally {
    file.close()
  }
}
