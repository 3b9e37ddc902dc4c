/**
 * Writes small journals for tests and benchmarks: command records in, durable blocks out, by the same
 * builder and backend as the exchange. One block a call of `append`.
 */
import { Scope, TimeInForce, type Side } from '../../engine/codes.js'
import { writeApproveSession, writeFrame, writeWithdraw } from '../../engine/commands.js'
import { COMMAND_BYTES, COMMAND_WORDS } from '../../engine/layout.js'
import { WALLET_AHEAD_MS } from '../../engine/limits.js'
import { AttachmentKind } from '../../engine/messages.js'
import type { GenesisConfig } from '../../engine/types.js'
import { nodeDisk } from '../../engine/journal/disk.js'
import { FileBackend } from '../../engine/journal/file-backend.js'
import { BlockBuilder, BlockType, ZERO_HASH } from '../../engine/journal/format.js'
import { journalFolder } from '../../engine/journal/segments.js'
import { commandRecord } from '../../engine/records/access.js'

/** Two assets (0 quote, 1 base), one market: a lot is 10 base units, a tick is 3 quote units. */
export const testGenesis: GenesisConfig = {
  assets: [
    { id: 0, symbol: 'USDX' },
    { id: 1, symbol: 'BTCX' },
  ],
  markets: [{ id: 0, base: 1, quote: 0, lotUnits: 10, tickUnits: 3, makerFeePpm: -100, takerFeePpm: 500 }],
}

const SEGMENT_BYTES = 1024 * 1024
const EPOCH = 1

export class JournalFixture {
  /** Last seq written; durable at once. */
  seq = 0
  private readonly backend: FileBackend
  private readonly builder = new BlockBuilder()
  private number = 0
  private head = ZERO_HASH

  constructor(
    readonly dataDir: string,
    genesis: GenesisConfig = testGenesis,
  ) {
    nodeDisk.makeFolder(journalFolder(dataDir))
    this.backend = new FileBackend({
      disk: nodeDisk,
      folder: journalFolder(dataDir),
      segmentBytes: SEGMENT_BYTES,
      segment: 0,
      offset: 0,
    })
    this.builder.addAttachment(
      AttachmentKind.Genesis,
      new TextEncoder().encode(JSON.stringify(genesis)),
      0,
      0,
    )
    this.write(BlockType.Genesis, 0)
  }

  /** Writes one block of `records`; returns the seq of the last one. */
  append(...records: Int32Array[]): number {
    for (const record of records) this.builder.addCommands(new Uint8Array(record.buffer), 0, COMMAND_BYTES)
    this.write(BlockType.Commands, records.length)
    return this.seq
  }

  /** One block of commands that an attachment (a signed frame, an approval) covers. */
  appendProven(records: readonly Int32Array[], kind: number, bytes: Uint8Array): number {
    this.builder.addAttachment(kind, bytes, 0, records.length)
    return this.append(...records)
  }

  close(): void {
    this.backend.close()
  }

  private write(type: (typeof BlockType)[keyof typeof BlockType], count: number): void {
    const { bytes, length, hash } = this.builder.finish(type, this.number, EPOCH, this.seq + 1, this.head)
    void this.backend.append({ bytes, length, number: this.number, epoch: EPOCH })
    this.number++
    this.head = hash
    this.seq += count
  }
}

/** A limit order, good till cancelled. */
export function placeRecord(
  account: number,
  side: Side,
  ticks: number,
  lots: number,
  cloid: number,
  timeInForce: (typeof TimeInForce)[keyof typeof TimeInForce] = TimeInForce.GTC,
): Int32Array {
  return commandRecord('Place', { account, market: 0, side, ticks, lots, cloid, timeInForce })
}

export function withdrawRecord(account: number, asset: number, units: number): Int32Array {
  const record = new Int32Array(COMMAND_WORDS)
  writeWithdraw(record, new Float64Array(record.buffer), 0, account, asset, units, 'operator')
  return record
}

/** Approves a session of `account`; the engine does not look at the key, which is `keyByte` repeated. */
export function approveRecord(account: number, keyByte: number): Int32Array {
  const record = new Int32Array(COMMAND_WORDS)
  const key = new Int32Array(8).fill(keyByte * 0x01010101)
  writeApproveSession(record, 0, account, key, 0, {
    scopes: Scope.Read | Scope.Trade,
    maxNotional: 2 ** 50,
    expiresAtMs: 2_000_000_000,
    nonce: keyByte,
    deadlineMs: WALLET_AHEAD_MS,
  })
  return record
}

/** Opens a frame of `count` commands under the session of `approval`, with the hash that its commands are known by. */
export function frameRecord(
  account: number,
  approval: number,
  count: number,
  nonce: number,
  hash: Uint8Array,
): Int32Array {
  const record = new Int32Array(COMMAND_WORDS)
  const view = new DataView(hash.buffer, hash.byteOffset, hash.length)
  const hashWords = Array.from({ length: 8 }, (_, word) => view.getInt32(word * 4))
  writeFrame(record, new Float64Array(record.buffer), 0, account, approval, count, nonce, hashWords)
  return record
}
