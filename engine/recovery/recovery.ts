/**
 * Start of an exchange on a data folder: newest valid snapshot, then every journal block behind it,
 * verified and applied; the state hashes that the journal carries are compared on the way. A torn last
 * block is cut off; damage stops the start and changes nothing.
 *
 * Invariant: when this returns, everything that the engine holds is durable: a block that a crashed
 * process wrote may still be in the page cache only, so the end of the journal is synced first.
 */
import { join } from 'node:path'
import { createEngine, restoreEngine } from '../index.js'
import type { Engine, EventSink, GenesisConfig } from '../types.js'
import type { Disk, DiskFile } from '../journal/disk.js'
import { syncAll, writeAll } from '../journal/file-backend.js'
import { COMMANDS_AT, type JournalBlock } from '../journal/format.js'
import {
  JOURNAL_START,
  JournalDamage,
  JournalReader,
  genesisOf,
  stateHashOf,
  type JournalEnd,
} from '../journal/reader.js'
import { journalFolder, segmentName, segmentOf, type JournalPosition } from '../journal/segments.js'
import { BLOCK_BYTES_MAX } from '../limits.js'
import { listSnapshots, readSnapshot } from './snapshots.js'

export interface RecoveryOptions {
  readonly disk: Disk
  readonly dataDir: string
  /** Needed when the folder is empty; must equal the journal's when it is not. */
  readonly genesis?: GenesisConfig
  /** The engine's sink once it runs; during recovery events are thrown away. */
  readonly onEvents: EventSink
  /** Bytes of new segments. */
  readonly segmentBytes: number
  readonly onLog: (line: string) => void
  /** Called after each block with the last seq applied. */
  readonly onProgress?: (seq: number) => void
}

export interface Recovered {
  readonly engine: Engine
  readonly genesis: GenesisConfig
  readonly position: JournalPosition
  readonly stateHash: Uint8Array
  /** Seq of the snapshot that the start rests on; 0 = none. */
  readonly snapshotSeq: number
  /** Commands applied from the journal. */
  readonly replayed: number
  /** Bytes of a torn last block that were cut off. */
  readonly tornBytes: number
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** State hashes by engine, each with the seq that it belongs to: a hash of a large state takes long. */
const hashes = new WeakMap<Engine, { readonly seq: number; readonly hash: Uint8Array }>()

/** The engine's state hash; computed once for each seq, since nothing but commands changes a state. */
export function stateHashNow(engine: Engine): Uint8Array {
  const known = hashes.get(engine)
  if (known !== undefined && known.seq === engine.seq) return known.hash
  const hash = engine.stateHash()
  hashes.set(engine, { seq: engine.seq, hash })
  return hash
}

/** Applies a block's commands to `engine` and compares the state hash that the block carries, if any. */
export function applyBlock(engine: Engine, block: JournalBlock): void {
  const expected = stateHashOf(block)
  if (expected !== undefined) {
    const actual = stateHashNow(engine)
    if (hex(actual) !== hex(expected))
      throw new StateMismatch(block.number, engine.seq, hex(expected), hex(actual))
  }
  engine.applyAll(block.words, block.floats, COMMANDS_AT, block.count)
  engine.flush()
  if (engine.seq !== block.lastSeq) throw new Error(`engine at seq ${engine.seq} after block ${block.number}`)
}

/** The journal says that the state was another: another program version, or a broken invariant. */
export class StateMismatch extends Error {
  override readonly name = 'StateMismatch'
  constructor(
    readonly block: number,
    readonly seq: number,
    readonly expected: string,
    readonly actual: string,
  ) {
    super(`state hash at seq ${seq} is ${actual}, block ${block} of the journal says ${expected}`)
  }
}

/** Recovers the state of `options.dataDir`; see the head of this file. Throws JournalDamage or StateMismatch. */
export function recover(options: RecoveryOptions): Recovered {
  const { disk, dataDir, onLog } = options
  disk.makeFolder(journalFolder(dataDir))
  const recorded = genesisIn(disk, dataDir)
  const genesis = agreedGenesis(recorded, options.genesis)
  let isReplaying = true
  const onEvents: EventSink = (events) => {
    if (!isReplaying) options.onEvents(events)
  }
  const start = newestSnapshot(options, genesis, onEvents)
  const engine = start?.engine ?? createEngine({ genesis, onEvents })
  const reader = new JournalReader(dataDir, { disk, from: start?.from ?? JOURNAL_START })
  try {
    if (start !== undefined) expectSnapshotBlock(reader, start)
    const snapshotSeq = engine.seq
    let block: JournalBlock | undefined
    while ((block = reader.next()) !== undefined) {
      applyBlock(engine, block)
      options.onProgress?.(engine.seq)
    }
    const end = reader.end()
    if (end.kind === 'torn') {
      const { segment, offset } = end.position
      onLog(
        `cut off a torn last block: segment ${segmentName(segment)}, offset ${offset}, ${end.tornBytes} bytes (${end.reason}); it was never acknowledged`,
      )
    }
    settleEnd(options, reader, end)
    isReplaying = false
    return {
      engine,
      genesis,
      position: end.position,
      stateHash: stateHashNow(engine),
      snapshotSeq,
      replayed: engine.seq - snapshotSeq,
      tornBytes: end.tornBytes,
    }
  } finally {
    reader.close()
  }
}

export interface SnapshotStart {
  readonly engine: Engine
  readonly from: JournalPosition
  readonly head: Uint8Array
  readonly seq: number
}

/** Restores the newest snapshot that passes every check, or undefined; each refused one is logged. */
export function newestSnapshot(
  { disk, dataDir, onLog }: Pick<RecoveryOptions, 'disk' | 'dataDir' | 'onLog'>,
  genesis: GenesisConfig,
  onEvents: EventSink,
): SnapshotStart | undefined {
  for (const seq of listSnapshots(disk, dataDir)) {
    try {
      const snapshot = readSnapshot(disk, dataDir, seq)
      const engine = restoreEngine(snapshot.payload, { genesis, onEvents })
      const actual = hex(stateHashNow(engine))
      if (actual !== hex(snapshot.stateHash))
        throw new Error(`its state hash is ${actual}, not ${hex(snapshot.stateHash)}`)
      return { engine, from: snapshot.lastBlock, head: snapshot.head, seq }
    } catch (error) {
      onLog(
        `snapshot ${seq} is not usable (${error instanceof Error ? error.message : String(error)}); falling back`,
      )
    }
  }
  return undefined
}

/** The snapshot's last block must stand in the journal: else the journal has lost what was durable. */
export function expectSnapshotBlock(reader: JournalReader, start: SnapshotStart): void {
  const { segment, offset } = start.from
  const block = reader.next()
  if (block === undefined || hex(block.hash) !== hex(start.head))
    throw new JournalDamage(
      segment,
      offset,
      `the journal does not hold the last block of the snapshot at seq ${start.seq}`,
    )
}

function genesisIn(disk: Disk, dataDir: string): GenesisConfig | undefined {
  const reader = new JournalReader(dataDir, { disk })
  try {
    const block = reader.next()
    if (block !== undefined) return genesisOf(block)
    reader.end()
    return undefined
  } finally {
    reader.close()
  }
}

function agreedGenesis(recorded: GenesisConfig | undefined, given: GenesisConfig | undefined): GenesisConfig {
  const genesis = recorded ?? given
  if (genesis === undefined) throw new Error('an empty data folder needs a genesis configuration')
  if (given !== undefined && JSON.stringify(given) !== JSON.stringify(genesis))
    throw new Error('the data folder was begun with another genesis configuration')
  return genesis
}

/**
 * Makes the end of the journal durable as it was read. The last block is written again before the sync:
 * after a failed sync the kernel may hold pages as clean that never reached the disk, and only a new
 * write makes them dirty. Zeros are written again over all that a torn block could have left behind.
 */
function settleEnd(
  { disk, dataDir, segmentBytes }: RecoveryOptions,
  reader: JournalReader,
  end: JournalEnd,
): void {
  const folder = journalFolder(dataDir)
  const { segment, offset } = end.position
  const segments = disk.list(folder).map(segmentOf)
  const settle = (at: number, work: (file: DiskFile, size: number) => void): void => {
    if (!segments.includes(at)) return
    const file = disk.openWrite(join(folder, segmentName(at)))
    try {
      work(file, file.size())
      syncAll(() => file.sync(), segmentName(at))
    } finally {
      file.close()
    }
  }
  const zero = (file: DiskFile, size: number, from: number): void => {
    const count = Math.min(BLOCK_BYTES_MAX, Math.max(0, size - from))
    writeAll(file, new Uint8Array(count), from, segmentName(segment))
  }
  const { last } = reader
  if (last !== undefined)
    settle(last.position.segment, (file) => {
      const block = new Uint8Array(last.length)
      if (file.read(block, last.position.offset) !== block.length) throw new Error('the last block went away')
      writeAll(file, block, last.position.offset, segmentName(last.position.segment))
    })
  settle(segment, (file, size) => {
    zero(file, size, offset)
    // A file cut short by hand gets its size again, so that appends still meet zeros on disk.
    if (size < segmentBytes) writeAll(file, new Uint8Array(segmentBytes - size), size, segmentName(segment))
  })
  settle(segment + 1, (file, size) => zero(file, size, 0))
  syncAll(() => disk.syncFolder(folder), folder)
}
