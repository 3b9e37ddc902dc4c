/**
 * The durable side of settlement: one record a batch, its fills, and the transactions that are out. Owned
 * by the settler; replay and tools read it.
 *
 *   DATA/settlement/batches/00000012.json    BatchRecord
 *   DATA/settlement/batches/00000012.fills   fill leaves, 152 bytes each (fills-root.ts)
 *   DATA/settlement/batches/00000012.nodes   nodes of the tree above them; made again when they are missing or wrong
 *   DATA/settlement/outbox/00000007.json     the transaction with nonce 7, while it may have to be sent (again)
 *   DATA/archive/batches/00000012.json.gz    files of a final batch that is old (batch-archive.ts), with .fills.gz,
 *                                            .nodes and .hashes beside it; read as if it were still here
 *
 * Invariant: a file bears its name only when all of it is on the disk (temporary file, fsync, rename,
 * fsync of the folder). A batch's header and data never change once sealed; its state moves one way, except
 * that a chain which lost blocks takes it back to `sent` or `sealed`, and a proof or a finalisation with them.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { makeFolder, syncFolder } from '../../engine/journal/disk.js'
import type { Hex } from 'viem'
import { ROOM_BYTES } from '../limits.js'
import { BatchArchive } from './batch-archive.js'
import { openFills, type FillReader } from './fill-files.js'
import { bytesToHex, hexToBytes, type BatchData, type BatchHeader } from '../batch/commit.js'

/** Order of a batch's states: sealed, signed (raw transactions stored), sent, committed, proven, final. */
export const batchStates = ['sealed', 'signed', 'sent', 'committed', 'proven', 'final'] as const
export type BatchState = (typeof batchStates)[number]

export interface BatchRecord {
  readonly header: BatchHeader
  /** Its chunk roots, and the rows of a chunk, follow the verifier until the batch is committed (chunking.ts). */
  data: BatchData
  rowsPerChunk: number
  readonly fillCount: number
  /** Milliseconds since 1970 at sealing, and when the first change in it was seen; for the lag only. */
  readonly sealedAtMs: number
  readonly openedAtMs?: number
  state: BatchState
  /** Hash of the mined commit transaction. */
  commitTx?: Hex
  /** Block of the mined commit. */
  commitBlock?: number
}

/** Whether a record has come to `state` or further. */
export const isAtLeast = (record: BatchRecord, state: BatchState): boolean =>
  batchStates.indexOf(record.state) >= batchStates.indexOf(state)

/** A file of the store is not what this version writes. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}

const FILE_MODE = 0o640

/** Writes `content` so that a reader, or a start after a crash, sees the old file or all of the new one. */
export function writeDurable(folder: string, name: string, content: string | Uint8Array): void {
  const temporary = join(folder, `${name}.writing`)
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const file = openSync(temporary, 'w', FILE_MODE)
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
    fsyncSync(file)
  } catch (error) {
    // Half a file would only take the room that others need.
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  renameSync(temporary, join(folder, name))
  syncFolder(folder)
}

/** Whether an error says that there is no room for a file: it goes by, and whoever writes may wait. */
export const isNoRoom = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'].includes((error as NodeJS.ErrnoException | null)?.code ?? '')

/** JSON with bigint as decimal strings tagged by `n`, and bytes as hex. */
const toJson = (value: unknown): string =>
  JSON.stringify(
    value,
    (_key, item: unknown) =>
      typeof item === 'bigint' ? `${item}n` : item instanceof Uint8Array ? bytesToHex(item) : item,
    1,
  )

const bigintOf = (text: unknown): bigint => BigInt(String(text).replace(/n$/, ''))

export const baseName = (number: number): string => String(number).padStart(8, '0')

export class BatchStore {
  readonly folder: string
  private readonly batches: string
  private readonly outbox: string
  private readonly archived: BatchArchive

  constructor(dataDir: string) {
    this.archived = new BatchArchive(join(dataDir, 'archive', 'batches'))
    this.folder = join(dataDir, 'settlement')
    this.batches = join(this.folder, 'batches')
    this.outbox = join(this.folder, 'outbox')
    makeFolder(this.batches)
    makeFolder(this.outbox)
  }

  /** Numbers of the sealed batches, ascending. Throws StoreError for a gap. */
  numbers(): number[] {
    // In this order: a batch that is moved meanwhile is seen in one place at least.
    const here = readdirSync(this.batches)
      .map((name) => /^(\d{8})\.json$/.exec(name))
      .filter((match) => match !== null)
      .map((match) => Number(match[1]))
    const numbers = [...new Set([...here, ...this.archived.numbers()])].sort((a, b) => a - b)
    numbers.forEach((number, at) => {
      if (number !== at + 1)
        throw new StoreError(
          `${this.batches}: batch ${at + 1} is missing. Put back copies of its files; without them remove the whole ` +
            `folder ${this.folder}: it is made again from the journal and the chain`,
        )
    })
    return numbers
  }

  /** Makes a sealed batch durable, its fills and the nodes above them first. */
  seal(record: BatchRecord, fills: Uint8Array, nodes: Uint8Array): void {
    const name = baseName(Number(record.header.number))
    writeDurable(this.batches, `${name}.nodes`, nodes)
    writeDurable(this.batches, `${name}.fills`, fills)
    this.save(record)
  }

  /** Makes a record's new state durable. */
  save(record: BatchRecord): void {
    writeDurable(this.batches, `${baseName(Number(record.header.number))}.json`, `${toJson(record)}\n`)
  }

  /** Throws StoreError when the file does not parse. */
  read(number: number): BatchRecord {
    const path = this.path(number, 'json')
    try {
      const parsed = JSON.parse(Buffer.from(this.file(number, 'json')).toString()) as Record<string, unknown>
      const header = parsed.header as Record<string, unknown>
      const data = parsed.data as Record<string, unknown>
      return {
        ...(parsed as unknown as BatchRecord),
        header: {
          number: bigintOf(header.number),
          firstSeq: bigintOf(header.firstSeq),
          lastSeq: bigintOf(header.lastSeq),
          oldRoot: bigintOf(header.oldRoot),
          newRoot: bigintOf(header.newRoot),
          journalHead: header.journalHead as Hex,
          fillsRoot: header.fillsRoot as Hex,
          depositsConsumed: bigintOf(header.depositsConsumed),
        },
        data: {
          chunkRoots: (data.chunkRoots as unknown[]).map(bigintOf),
          rows: hexToBytes(data.rows as string),
          deposits: hexToBytes(data.deposits as string),
          withdrawals: hexToBytes(data.withdrawals as string),
        },
      }
    } catch (error) {
      if (error instanceof StoreError) throw error
      const why = error instanceof Error ? error.message : String(error)
      throw new StoreError(
        `${path} is not what settlement wrote: ${why}. Put back a copy of the file; without one remove the whole folder ` +
          `${this.folder}: it is made again from the journal and the chain`,
      )
    }
  }

  /** Fill leaves of a batch. Throws StoreError when they are archived and not what was archived. */
  fills(number: number): Uint8Array {
    return this.file(number, 'fills')
  }

  /**
   * Fills of a batch by place, to be closed by the caller; undefined when the nodes above them are not there.
   * Throws StoreError when they are archived and not what was archived.
   */
  openFills(number: number): FillReader | undefined {
    try {
      return openFills(this.path(number, 'fills'), this.path(number, 'nodes'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return this.ofArchive(() => this.archived.openFills(number))
    }
  }

  /** Makes the nodes above a batch's fills durable, where the fills are. */
  saveNodes(number: number, nodes: Uint8Array): void {
    if (existsSync(this.path(number, 'fills'))) writeDurable(this.batches, `${baseName(number)}.nodes`, nodes)
    else this.archived.putNodes(number, nodes)
  }

  /** Whether a batch is sealed. */
  has(number: number): boolean {
    return existsSync(this.path(number, 'json')) || this.archived.has(number)
  }

  private path(number: number, kind: 'json' | 'fills' | 'nodes'): string {
    return join(this.batches, `${baseName(number)}.${kind}`)
  }

  private file(number: number, kind: 'json' | 'fills'): Uint8Array {
    try {
      return new Uint8Array(readFileSync(this.path(number, kind)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      const archived = this.ofArchive(() => this.archived.read(number, kind))
      if (archived === undefined) throw error
      return archived
    }
  }

  private ofArchive<Found>(read: () => Found): Found {
    try {
      return read()
    } catch (error) {
      throw new StoreError(
        `${(error as Error).message}. Put back a copy of the file; without one remove ${this.archived.folder} and the ` +
          `whole folder ${this.folder}: it is made again from the journal and the chain`,
      )
    }
  }

  /**
   * Moves batches that are final and were sealed before `beforeMs` to the archive, the oldest first, at most
   * `most` of them; the last one stays. Answers with how many went. Throws StoreError or what the disk throws.
   */
  archive(beforeMs: number, most: number): number {
    let moved = 0
    const here = readdirSync(this.batches)
      .map((name) => /^(\d{8})\.json$/.exec(name))
      .filter((match) => match !== null)
      .map((match) => Number(match[1]))
      .sort((a, b) => a - b)
    for (const number of here.slice(0, -1)) {
      if (moved === most) break
      const { state, sealedAtMs } = this.read(number)
      if (state !== 'final' || sealedAtMs >= beforeMs) break
      const nodesPath = this.path(number, 'nodes')
      const nodes = existsSync(nodesPath) ? readFileSync(nodesPath) : undefined
      this.archived.put(number, { json: this.file(number, 'json'), fills: this.file(number, 'fills') }, nodes)
      for (const kind of ['fills', 'nodes', 'json'] as const) rmSync(this.path(number, kind), { force: true })
      moved++
    }
    if (moved > 0) syncFolder(this.batches)
    return moved
  }

  /** Transactions of the outbox, in order of their nonces. Throws StoreError. */
  readOutbox(): OutboxEntry[] {
    return readdirSync(this.outbox)
      .filter((name) => /^\d{8}\.json$/.test(name))
      .sort()
      .map((name) => {
        try {
          const entry = JSON.parse(readFileSync(join(this.outbox, name), 'utf8')) as OutboxEntry
          return {
            ...entry,
            attempts: entry.attempts.map((attempt) => ({
              ...attempt,
              maxFeePerGas: bigintOf(attempt.maxFeePerGas),
              maxPriorityFeePerGas: bigintOf(attempt.maxPriorityFeePerGas),
            })),
          }
        } catch (error) {
          throw new StoreError(
            `${join(this.outbox, name)} is not what settlement wrote: ${error instanceof Error ? error.message : String(error)}. ` +
              `Put back a copy of the file; without one remove it: what it was for is looked up on the chain and sent anew`,
          )
        }
      })
  }

  /** Makes a transaction durable, in the place of what had its nonce. */
  writeOutbox(entry: OutboxEntry): void {
    writeDurable(this.outbox, `${baseName(entry.nonce)}.json`, `${toJson(entry)}\n`)
  }

  /** Throws what the disk says when it has no room for a common batch. */
  expectRoom(): void {
    writeDurable(this.folder, 'room', new Uint8Array(ROOM_BYTES))
    rmSync(join(this.folder, 'room'))
  }

  /** Forgets a transaction. Not synced: one that comes back is looked at again and forgotten again. */
  removeOutbox(nonce: number): void {
    rmSync(join(this.outbox, `${baseName(nonce)}.json`), { force: true })
  }
}

/** One signed form of a transaction; later attempts bump the fee on the same nonce. */
export interface Attempt {
  readonly raw: Hex
  readonly hash: Hex
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** A transaction of ours, from its signature until no reorganisation can reach it any more. */
export interface OutboxEntry {
  /** What it is for: "commit 12", "prove 12/3", "finalize 12", "answer 5/0", "fill 7". */
  readonly label: string
  readonly nonce: number
  readonly to: Hex
  readonly data: Hex
  /** Gas limit, decimal string. */
  readonly gas: string
  /** Oldest first; at least one. */
  readonly attempts: readonly Attempt[]
  /** Milliseconds since 1970 of the last attempt. */
  readonly attemptAtMs: number
  /** Where it was mined, once it had its confirmations; absent while it is waited for. */
  readonly mined?: { readonly hash: Hex; readonly blockNumber: number; readonly blockHash: Hex }
}
