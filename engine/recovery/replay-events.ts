/**
 * Replays a range of a journal with an engine of its own, to say again what the exchange did: history
 * files that were lost are made anew from it. Reads only, beside a live exchange too.
 *
 * It begins at the newest snapshot at or before the range, or at the genesis block. Where that would be
 * more commands than allowed, it begins later, and `from` says where.
 */
import { createEngine, restoreEngine } from '../index.js'
import { COMMAND_WORDS } from '../layout.js'
import type { Engine, EventBuffer } from '../types.js'
import type { Disk } from '../journal/disk.js'
import { nodeDisk } from '../journal/disk.js'
import { COMMANDS_AT } from '../journal/format.js'
import { JournalDamage, JournalReader, readGenesis, type JournalBlock } from '../journal/reader.js'
import { expectSnapshotBlock, stateHashNow, type SnapshotStart } from './recovery.js'
import { listSnapshots, readSnapshot } from './snapshots.js'

export interface ReplayEventsOptions {
  readonly dataDir: string
  /** Events of commands behind this seq are wanted. */
  readonly after: number
  /** Last seq wanted; it is durable. */
  readonly upTo: number
  /** A block's end, at or behind `upTo`, up to which the journal is durable. */
  readonly durableSeq: number
  /** Commands replayed at most. */
  readonly commandsMax: number
  readonly disk?: Disk
  /** Events of one command, with the engine's time at it; the buffer is valid during the call. */
  readonly onEvents: (events: EventBuffer, timeMs: number) => void
}

export class EventReplay {
  /** Events from here on are told: `after`, or later where the way was too long. */
  readonly from: number
  readonly #options: ReplayEventsOptions
  readonly #reader: JournalReader | undefined
  readonly #engine: Engine | undefined
  #block: JournalBlock | undefined
  #at = 0
  #isTelling = false

  /** @throws JournalDamage when the journal is not sound where the replay begins. */
  constructor(options: ReplayEventsOptions) {
    this.#options = options
    const { dataDir, after, upTo, durableSeq, commandsMax, disk = nodeDisk } = options
    const genesis = readGenesis(dataDir, disk)
    const onEvents = (events: EventBuffer): void => {
      if (this.#isTelling) options.onEvents(events, this.#engine!.timeMs)
    }
    const isNear = (seq: number): boolean => upTo - seq <= commandsMax
    const seqs = listSnapshots(disk, dataDir).filter((seq) => seq <= upTo)
    // The newest start that misses nothing; else the oldest that is near enough.
    const wanted = [
      ...[...seqs, 0].filter((seq) => seq <= after && isNear(seq)),
      ...[0, ...[...seqs].reverse()].filter((seq) => seq > after && isNear(seq)),
    ]
    let start: SnapshotStart | undefined
    let found: number | undefined
    for (const seq of wanted) {
      found = seq
      if (seq === 0) break
      try {
        const snapshot = readSnapshot(disk, dataDir, seq)
        const engine = restoreEngine(snapshot.payload, { genesis, onEvents })
        if (!Buffer.from(stateHashNow(engine)).equals(snapshot.stateHash)) throw new Error('another state')
        start = { engine, from: snapshot.lastBlock, head: snapshot.head, seq }
        break
      } catch {
        // Not usable: recovery says so when it comes to need it. The next start is tried.
        found = undefined
      }
    }
    if (found === undefined) {
      this.from = upTo
      return
    }
    this.from = Math.max(after, found)
    this.#engine = start?.engine ?? createEngine({ genesis, onEvents })
    this.#reader = new JournalReader(dataDir, {
      disk,
      durableSeq: () => durableSeq,
      ...(start === undefined ? {} : { from: start.from }),
    })
    if (start !== undefined) expectSnapshotBlock(this.#reader, start)
  }

  /** Last seq that was replayed. */
  get seq(): number {
    return this.#engine?.seq ?? this.#options.upTo
  }

  /** Replays up to `commands` commands; false when `upTo` is reached. @throws JournalDamage */
  advance(commands: number): boolean {
    const engine = this.#engine
    const { upTo } = this.#options
    if (engine === undefined) return false
    for (let done = 0; done < commands; done++) {
      if (engine.seq >= upTo) {
        this.close()
        return false
      }
      while (this.#block === undefined || this.#at === this.#block.count) {
        this.#block = this.#reader!.next()
        this.#at = 0
        if (this.#block === undefined) {
          const { segment, offset } = this.#reader!.position
          throw new JournalDamage(segment, offset, `the journal ends at seq ${engine.seq}, before ${upTo}`)
        }
      }
      this.#isTelling = engine.seq >= this.from
      engine.apply(this.#block.words, this.#block.floats, COMMANDS_AT + this.#at++ * COMMAND_WORDS)
      engine.flush()
    }
    return true
  }

  close(): void {
    this.#reader?.close()
  }
}
