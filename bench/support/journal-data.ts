/**
 * Journals made for measuring: seeded commands, applied by an engine on the way so that a replay has a
 * state hash to reach, written in full blocks without syncs.
 */
import { TimeInForce } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { nodeDisk, type Disk } from '../../engine/journal/disk.js'
import { FileBackend } from '../../engine/journal/file-backend.js'
import { BlockBuilder, BlockType, ZERO_HASH } from '../../engine/journal/format.js'
import { journalFolder } from '../../engine/journal/segments.js'
import { COMMAND_BYTES, COMMAND_WORDS } from '../../engine/layout.js'
import { AttachmentKind } from '../../engine/messages.js'
import { writeCommand } from '../../engine/records/access.js'
import type { Engine, GenesisConfig } from '../../engine/types.js'
import { SEGMENT_BYTES } from '../../engine/limits.js'

export const ACCOUNTS = 1000
const ASSETS = 2
const UNITS = 1e13

export const genesis: GenesisConfig = {
  assets: [
    { id: 0, symbol: 'BASE' },
    { id: 1, symbol: 'QUOTE' },
  ],
  markets: [{ id: 0, base: 0, quote: 1, lotUnits: 1, tickUnits: 1, makerFeePpm: 0, takerFeePpm: 0 }],
}

/** A journal is made for reading here: nobody waits for its durability. */
const unsynced: Disk = {
  ...nodeDisk,
  create: (path) => withoutSync(nodeDisk.create(path)),
  openWrite: (path) => withoutSync(nodeDisk.openWrite(path)),
}
const withoutSync = (file: ReturnType<Disk['create']>): ReturnType<Disk['create']> => ({
  size: () => file.size(),
  read: (target, position) => file.read(target, position),
  write: (source, position) => file.write(source, position),
  sync: () => {},
  close: () => file.close(),
})

/** Writes commands to a fresh data folder in blocks of the largest size. */
export class JournalMaker {
  readonly engine: Engine
  private readonly backend: FileBackend
  private readonly builder = new BlockBuilder()
  private readonly words = new Int32Array(COMMAND_WORDS)
  private readonly floats = new Float64Array(this.words.buffer)
  private readonly bytes = new Uint8Array(this.words.buffer)
  private number = 0
  private head: Uint8Array = ZERO_HASH
  private nextSeq = 1

  constructor(dataDir: string, segmentBytes = SEGMENT_BYTES) {
    this.engine = createEngine({ genesis, onEvents: () => {} })
    nodeDisk.makeFolder(journalFolder(dataDir))
    this.backend = new FileBackend({
      disk: unsynced,
      folder: journalFolder(dataDir),
      segmentBytes,
      segment: 0,
      offset: 0,
    })
    this.builder.addAttachment(
      AttachmentKind.Genesis,
      new TextEncoder().encode(JSON.stringify(genesis)),
      0,
      0,
    )
    this.flush(BlockType.Genesis)
    this.builder.addAttachment(AttachmentKind.StateHash, this.engine.stateHash(), 0, 0)
    this.flush(BlockType.Epoch)
  }

  /** Adds the command that `write` puts into a zeroed record. */
  add(write: (words: Int32Array, floats: Float64Array) => void): void {
    this.words.fill(0)
    write(this.words, this.floats)
    if (!this.builder.fits(1, 0)) this.flush(BlockType.Commands)
    this.builder.addCommands(this.bytes, 0, COMMAND_BYTES)
    this.engine.apply(this.words, this.floats, 0)
  }

  /** Opens ACCOUNTS accounts with funds in both assets. */
  fund(): void {
    for (let account = 1; account <= ACCOUNTS; account++) {
      this.add((words, floats) =>
        writeCommand(words, floats, 0, 'OpenAccount', { account, owner: [account, 0, 0, 0, 0] }),
      )
      for (let asset = 0; asset < ASSETS; asset++)
        this.add((words, floats) =>
          writeCommand(words, floats, 0, 'Deposit', { account, asset, units: UNITS }),
        )
    }
  }

  /** Adds `count` orders that rest: bids at and below 50,000 ticks, asks above. */
  rest(count: number): void {
    for (let index = 0; index < count; index++)
      this.add((words, floats) => {
        const side = index & 1
        const away = (index * 7919) % 20_000
        const ticks = side === 0 ? 50_000 - away : 50_001 + away
        writeCommand(words, floats, 0, 'Place', {
          ...{
            account: 1 + (index % ACCOUNTS),
            market: 0,
            cloid: index + 1,
            side,
            ticks,
            lots: 1 + (index % 9),
          },
        })
      })
  }

  /**
   * Adds `count` commands of a two-sided market: of 100, about 54 places (one in six immediate-or-cancel)
   * within 60 ticks of a drifting middle and 46 cancels of earlier ones.
   */
  trade(count: number, random: (end: number) => number): void {
    let cloid = 1
    for (let index = 0; index < count; index++) {
      const middle = 50_000 + Math.round(400 * Math.sin(index / 100_000))
      this.add((words, floats) => {
        if (random(100) < 54) {
          const order = { side: random(2), ticks: middle - 30 + random(61), lots: 1 + random(50) }
          writeCommand(words, floats, 0, 'Place', {
            ...{ account: 1 + (cloid % ACCOUNTS), market: 0, cloid, ...order },
            timeInForce: random(6) === 0 ? TimeInForce.IOC : TimeInForce.GTC,
          })
          cloid++
        } else {
          const old = Math.max(1, cloid - 1 - random(2000))
          writeCommand(words, floats, 0, 'Cancel', { account: 1 + (old % ACCOUNTS), market: 0, cloid: old })
        }
      })
    }
  }

  /** Writes what was added so far. */
  sync(): void {
    if (!this.builder.isEmpty()) this.flush(BlockType.Commands)
  }

  /** Writes what is left; returns the state hash that a replay must reach. */
  end(): Uint8Array {
    this.sync()
    const hash = this.engine.stateHash()
    this.builder.addAttachment(AttachmentKind.StateHash, hash, 0, 0)
    this.flush(BlockType.Close)
    this.backend.close()
    return hash
  }

  private flush(type: BlockType): void {
    const count = this.builder.count
    const { bytes, length, hash } = this.builder.finish(type, this.number, 1, this.nextSeq, this.head)
    this.backend.append({ bytes, length, number: this.number, epoch: 1 })
    this.backend.maintain()
    this.number++
    this.nextSeq += count
    this.head = hash
  }
}

/** Seeded generator (xorshift32): uniform integers below `end`. */
export function xorshift(seed: number): (end: number) => number {
  let state = seed
  return (end) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % end
  }
}
