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
import { COMMAND_WORDS } from '../layout.js'
import type { Engine, EventSink, GenesisConfig } from '../types.js'
import type { Disk } from './disk.js'
import { syncAll, writeAll } from './file-backend.js'
import { COMMANDS_AT, type JournalBlock } from './format.js'
import { JOURNAL_START, JournalDamage, JournalReader, genesisOf, stateHashOf } from './reader.js'
import { journalFolder, segmentName, type JournalPosition } from './segments.js'
import { listSnapshots, readSnapshot } from './snapshots.js'

export interface EngineCapacities {
  readonly ordersMax?: number
  readonly levelsMax?: number
  readonly accountsMax?: number
}

export interface RecoveryOptions {
  readonly disk: Disk
  readonly dataDir: string
  /** Needed when the folder is empty; must equal the journal's when it is not. */
  readonly genesis?: GenesisConfig
  readonly capacities?: EngineCapacities
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

/** Applies a block's commands to `engine` and compares the state hash that the block carries, if any. */
export function applyBlock(engine: Engine, block: JournalBlock): void {
  const expected = stateHashOf(block)
  if (expected !== undefined) {
    const actual = engine.stateHash()
    if (hex(actual) !== hex(expected))
      throw new StateMismatch(block.number, engine.seq, hex(expected), hex(actual))
  }
  for (let index = 0; index < block.count; index++)
    engine.apply(block.words, block.floats, COMMANDS_AT + index * COMMAND_WORDS)
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
  const engine = start?.engine ?? createEngine({ genesis, onEvents, ...options.capacities })
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
    reader.close()
    if (end.kind === 'torn') {
      const { segment, offset } = end.position
      onLog(
        `cut off a torn last block: segment ${segmentName(segment)}, offset ${offset}, ${end.tornBytes} bytes (${end.reason}); it was never acknowledged`,
      )
    }
    settleEnd(options, end.position, end.tornBytes)
    isReplaying = false
    return {
      engine,
      genesis,
      position: end.position,
      stateHash: engine.stateHash(),
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
  { disk, dataDir, onLog, capacities }: Pick<RecoveryOptions, 'disk' | 'dataDir' | 'onLog' | 'capacities'>,
  genesis: GenesisConfig,
  onEvents: EventSink,
): SnapshotStart | undefined {
  for (const seq of listSnapshots(disk, dataDir)) {
    try {
      const snapshot = readSnapshot(disk, dataDir, seq)
      const engine = restoreEngine(snapshot.payload, { genesis, onEvents, ...capacities })
      const actual = hex(engine.stateHash())
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

/** Zeros the torn bytes, gives a truncated segment its size again, and syncs the end of the journal. */
function settleEnd(
  { disk, dataDir, segmentBytes }: RecoveryOptions,
  end: JournalPosition,
  torn: number,
): void {
  const folder = journalFolder(dataDir)
  const what = `segment ${end.segment}`
  if (disk.list(folder).includes(segmentName(end.segment))) {
    const file = disk.openWrite(join(folder, segmentName(end.segment)))
    try {
      const size = file.size()
      if (torn > 0) writeAll(file, new Uint8Array(torn), end.offset, what)
      if (size < segmentBytes && end.segment === lastSegment(disk, folder))
        writeAll(file, new Uint8Array(segmentBytes - size), size, what)
      syncAll(() => file.sync(), what)
    } finally {
      file.close()
    }
  }
  syncAll(() => disk.syncFolder(folder), what)
}

function lastSegment(disk: Disk, folder: string): number {
  return disk.list(folder).filter((name) => name.endsWith('.glass')).length - 1
}
