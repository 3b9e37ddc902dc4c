/**
 * What must be true after every run, whatever happened in it. The checker collects what left the
 * exchange while the run goes on, and at the end holds it against a clean replay of the journal:
 *   every event that passed the gate is in the replay, unchanged and at its place;
 *   every frame that was answered was executed exactly once, at the seq that was told;
 *   no frame was executed twice; what was executed is what the client had asked for;
 *   what went in equals what is there plus what went out, per asset; the core's own invariants hold;
 *   the live engine's state hash is the replay's;
 *   books and balances as followed through the views are the engine's.
 */
import { EventKind, Side } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { JournalReader } from '../../engine/journal/reader.js'
import { applyBlock } from '../../engine/recovery/recovery.js'
import { COMMANDS_AT } from '../../engine/journal/format.js'
import {
  BalanceEv,
  COMMAND_WORDS,
  DepositedEv,
  EVENT_WORDS,
  Ev,
  LevelEv,
  WithdrawnEv,
  kindOf,
} from '../../engine/layout.js'
import type { Engine, EventBuffer } from '../../engine/types.js'
import type { Trader } from './clients.js'
import type { FakeDisk } from './fake-disk.js'
import { ASSETS, genesis, type Frame } from './frames.js'
import { DATA_DIR, type Released } from './server.js'

/** A broken promise of the exchange. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

function hashEvent(words: Int32Array, at: number): number {
  let hash = 0x811c9dc5 | 0
  for (let word = at; word < at + EVENT_WORDS; word++)
    hash = Math.imul(hash ^ words[word]!, 0x01000193) ^ (hash >>> 13)
  return hash
}

/** Events that one producer was handed, in order. */
interface Log {
  readonly seqs: number[]
  readonly hashes: number[]
}

export class Checker {
  private readonly logs: Log[] = [
    { seqs: [], hashes: [] },
    { seqs: [], hashes: [] },
  ]
  /** Followed by producer 0 from its views: level lots by market, side and ticks; balances. */
  private levels = new Map<string, string>()
  private balances = new Map<string, string>()
  /** Events that passed the gate. */
  released = 0

  /** A gateway starts on a booted engine: it asks for books and balances once. */
  begin(engine: Engine, accounts: readonly number[]): void {
    this.levels = levelsOf(engine)
    this.balances = balancesOf(engine, accounts)
  }

  /** Takes note of a message that passed the gate. */
  note(producer: number, { words, floats, at, count }: Released): void {
    const log = this.logs[producer]!
    for (let index = 0; index < count; index++) {
      const from = at + index * EVENT_WORDS
      const kind = kindOf(words[from]!)
      if (kind === EventKind.Level) {
        if (producer === 0) this.followLevel(words, floats, from)
      } else if (kind === EventKind.Balance) {
        if (producer === 0) this.followBalance(words, floats, from)
      } else {
        log.seqs.push(floats[from / 2 + Ev.SEQ_F64]!)
        log.hashes.push(hashEvent(words, from))
        this.released++
      }
    }
  }

  /** Throws a Violation when a promise is broken. `live` is the engine of the stopped exchange. */
  check(disk: FakeDisk, live: Engine, traders: readonly Trader[], accounts: readonly number[]): void {
    const replay = new Replay(disk)
    live.checkInvariants()
    if (hex(live.stateHash()) !== hex(replay.engine.stateHash()))
      throw new Violation(
        `state hash ${hex(live.stateHash())}, a clean replay has ${hex(replay.engine.stateHash())}`,
      )
    for (const log of this.logs) compareEvents(log, replay)
    compareFrames(traders, replay)
    for (const asset of ASSETS) {
      const expected = replay.netDeposits[asset]!
      let actual = 0
      for (const account of [0, ...accounts])
        actual += live.available(account, asset) + live.reserved(account, asset)
      if (actual !== expected)
        throw new Violation(`asset ${asset}: ${actual} units inside, ${expected} net deposits`)
    }
    compareMaps('level', this.levels, levelsOf(live))
    compareMaps('balance', this.balances, balancesOf(live, accounts))
  }

  private followLevel(words: Int32Array, floats: Float64Array, at: number): void {
    const key = `${words[at + LevelEv.MARKET]}/${(words[at]! >> LevelEv.SIDE_SHIFT) & 1}/${words[at + LevelEv.TICKS]}`
    const lots = floats[at / 2 + LevelEv.LOTS_F64]!
    if (lots === 0) this.levels.delete(key)
    else this.levels.set(key, `${lots}/${floats[at / 2 + LevelEv.ORDERS_F64]}`)
  }

  private followBalance(words: Int32Array, floats: Float64Array, at: number): void {
    const key = `${words[at + BalanceEv.ACCOUNT]}/${words[at + BalanceEv.ASSET]}`
    const available = floats[at / 2 + BalanceEv.AVAILABLE_F64]!
    setUnlessZero(this.balances, key, available, floats[at / 2 + BalanceEv.RESERVED_F64]!)
  }
}

/** A clean replay of the journal from its genesis block. */
class Replay {
  readonly engine: Engine
  readonly hashes: number[] = []
  /** Index in `hashes` of the first event of each seq. */
  readonly firstEvent: number[] = [0]
  /** Units of each asset that came in less those that went out. */
  readonly netDeposits: number[] = ASSETS.map(() => 0)
  /** Seq of the frame record, by attachment (client and nonce), of every frame that was opened. */
  readonly executed = new Map<string, number>()
  private readonly opened = new Set<number>()

  constructor(disk: FakeDisk) {
    this.engine = createEngine({ genesis, onEvents: (events) => this.onEvents(events) })
    const reader = new JournalReader(DATA_DIR, { disk })
    let block
    while ((block = reader.next()) !== undefined) {
      applyBlock(this.engine, block)
      for (const { firstSeq, count, bytes } of block.attachments) {
        if (!this.opened.has(firstSeq)) continue
        const at = COMMANDS_AT + (firstSeq - block.firstSeq) * COMMAND_WORDS
        this.noteFrame(firstSeq, bytes, block.words.subarray(at, at + count * COMMAND_WORDS))
      }
    }
    const end = reader.end()
    if (end.kind !== 'clean')
      throw new Violation(`the journal of a stopped exchange is ${end.kind}: ${end.reason}`)
  }

  /** Commands of each executed frame, for comparison with what was asked. */
  readonly commands = new Map<string, Int32Array>()

  private noteFrame(seq: number, attachment: Uint8Array, words: Int32Array): void {
    const view = new DataView(attachment.buffer, attachment.byteOffset)
    const key = `${view.getUint32(0, true)}/${view.getUint32(4, true)}`
    const before = this.executed.get(key)
    if (before !== undefined)
      throw new Violation(`frame ${key} was executed at seq ${before} and again at ${seq}`)
    this.executed.set(key, seq)
    this.commands.set(key, words.slice())
  }

  private onEvents({ words, floats, count }: EventBuffer): void {
    for (let index = 0; index < count; index++) {
      const at = index * EVENT_WORDS
      const seq = floats[at / 2 + Ev.SEQ_F64]!
      while (this.firstEvent.length <= seq) this.firstEvent.push(this.hashes.length)
      this.hashes.push(hashEvent(words, at))
      const kind = kindOf(words[at]!)
      // Deposited and Withdrawn have their units in the same place.
      const units = floats[at / 2 + DepositedEv.UNITS_F64]!
      if (kind === EventKind.FrameOpened) this.opened.add(seq)
      else if (kind === EventKind.Deposited) this.netDeposits[words[at + DepositedEv.ASSET]!]! += units
      else if (kind === EventKind.Withdrawn) this.netDeposits[words[at + WithdrawnEv.ASSET]!]! -= units
    }
  }
}

function compareEvents(log: Log, replay: Replay): void {
  let ordinal = 0
  for (let index = 0; index < log.seqs.length; index++) {
    const seq = log.seqs[index]!
    ordinal = index > 0 && log.seqs[index - 1] === seq ? ordinal + 1 : 0
    const at = (replay.firstEvent[seq] ?? Infinity) + ordinal
    if (at >= (replay.firstEvent[seq + 1] ?? replay.hashes.length))
      throw new Violation(`event ${ordinal} of seq ${seq} was seen by a client and is not in the journal`)
    if (replay.hashes[at] !== log.hashes[index])
      throw new Violation(`event ${ordinal} of seq ${seq} was seen by a client and is another in the journal`)
  }
}

function compareFrames(traders: readonly Trader[], replay: Replay): void {
  for (const trader of traders) {
    for (const [nonce, { firstSeq }] of trader.acks) {
      const seq = replay.executed.get(`${trader.client}/${nonce}`)
      if (seq !== firstSeq)
        throw new Violation(
          `frame ${trader.client}/${nonce} was acknowledged at seq ${firstSeq}, the journal has it at ${String(seq)}`,
        )
    }
    for (const [nonce, frame] of trader.sent) compareCommands(trader.client, nonce, frame, replay)
  }
}

function compareCommands(client: number, nonce: number, frame: Frame, replay: Replay): void {
  const commands = replay.commands.get(`${client}/${nonce}`)
  if (commands === undefined) return
  if (commands.length !== frame.words.length || commands.some((word, index) => word !== frame.words[index]))
    throw new Violation(`frame ${client}/${nonce} in the journal is not what its client asked for`)
}

function levelsOf(engine: Engine): Map<string, string> {
  const levels = new Map<string, string>()
  for (const { id } of engine.markets())
    for (const side of [Side.Buy, Side.Sell])
      for (const { ticks, lots, orders } of engine.book(id, side, 1000))
        levels.set(`${id}/${side}/${ticks}`, `${lots}/${orders}`)
  return levels
}

function balancesOf(engine: Engine, accounts: readonly number[]): Map<string, string> {
  const balances = new Map<string, string>()
  for (const account of [0, ...accounts])
    for (const asset of ASSETS)
      setUnlessZero(
        balances,
        `${account}/${asset}`,
        engine.available(account, asset),
        engine.reserved(account, asset),
      )
  return balances
}

function setUnlessZero(map: Map<string, string>, key: string, available: number, reserved: number): void {
  if (available === 0 && reserved === 0) map.delete(key)
  else map.set(key, `${available}/${reserved}`)
}

function compareMaps(what: string, seen: Map<string, string>, actual: Map<string, string>): void {
  for (const key of new Set([...seen.keys(), ...actual.keys()]))
    if (seen.get(key) !== actual.get(key))
      throw new Violation(
        `${what} ${key} is ${actual.get(key) ?? 'empty'}, a gateway that follows has ${seen.get(key) ?? 'none'}`,
      )
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
