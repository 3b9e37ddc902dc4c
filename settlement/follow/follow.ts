/**
 * Follows the journal with an engine of its own and collects what a batch is made of: net deltas,
 * deposits, withdrawals and fills. Used by the settler (live), by replay and by the order audit.
 *
 * Invariant: everything here is a function of the journal's bytes alone, so an auditor's replay gives the
 * same batches. Commands are applied one by one, so a batch may end after any of them; where the journal
 * carries a state hash, ours must equal it.
 */
import type { Address } from 'viem'
import { CommandKind, EventKind, Side } from '../../engine/codes.js'
import { baseUnits, createEngine, quoteUnits, restoreEngine } from '../../engine/index.js'
import {
  AcceptedEv,
  AccountOpenedEv,
  COMMAND_WORDS,
  CanceledEv,
  DepositCmd,
  DepositedEv,
  EVENT_WORDS,
  Ev,
  FillEv,
  FrameCmd,
  TransferredEv,
  WithdrawnEv,
  kindOf,
} from '../../engine/layout.js'
import type {
  Engine,
  EngineCapacities,
  EngineOptions,
  EventBuffer,
  GenesisConfig,
} from '../../engine/types.js'
import {
  COMMANDS_AT,
  JournalReader,
  genesisOf,
  stateHashOf,
  type JournalBlock,
} from '../../engine/journal/reader.js'
import { wordsToBytes } from '../batch/commit.js'
import { FillLeaves } from '../batch/fills-root.js'
import type { FollowerSnapshot } from './follow-snapshot.js'
import { Net, assertConserved, type IndexedUnits, type QueuedUnits } from '../batch/netting.js'
import { assetOf, indexOf, type Rows } from '../batch/rows.js'

export interface FollowOptions {
  readonly dataDir: string
  /** Of the engine that wrote the journal: a table that was full there must be full here. */
  readonly capacities?: EngineCapacities
  /** Live journal: last seq known to be on disk. Absent = a journal at rest. */
  readonly durableSeq?: () => number
  /** Live journal of another process, without its control block. */
  readonly follow?: boolean
  /** Where to go on from; the beginning unless given. */
  readonly from?: FollowerSnapshot | undefined
}

/** The journal does not say what its state hashes say, or carries what settlement cannot settle. */
export class FollowError extends Error {
  override readonly name = 'FollowError'
}

/** A closed journal range, ready to be sealed. */
export interface Range {
  readonly firstSeq: number
  readonly lastSeq: number
  /** Hash of the journal block that holds lastSeq. */
  readonly journalHead: Uint8Array
  readonly rows: Rows
  /** In queue order. */
  readonly deposits: readonly QueuedUnits[]
  /** In order of their commands. */
  readonly withdrawals: readonly IndexedUnits[]
  /** Concatenated leaves (fills-root.ts). */
  readonly fills: Uint8Array<ArrayBuffer>
  /** Deposits consumed at lastSeq, from the beginning. */
  readonly depositsConsumed: number
}

const HASH_WORDS = 8
const NO_OWNER = [0, 0, 0, 0, 0]

interface MarketUnits {
  readonly base: number
  readonly quote: number
  readonly lotUnits: number
  readonly tickUnits: number
}

/** The address that five big-endian words are. */
export const addressOf = (words: readonly number[]): Address =>
  `0x${words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')}`

export class Follower {
  readonly genesis: GenesisConfig
  readonly engine: Engine
  /** Open range. */
  firstSeq = 1
  readonly fills = new FillLeaves()
  deposits: QueuedUnits[] = []
  withdrawals: IndexedUnits[] = []
  private readonly net = new Net()
  private readonly reader: JournalReader
  private readonly feeAccount: number
  private readonly markets = new Map<number, MarketUnits>()
  /** Frame hash of each live order, by order id. */
  private readonly frames = new Map<number, Uint8Array>()
  /** Hash of the signed frame that the engine has opened, until a command that is not of it. */
  private frame: Uint8Array | undefined
  /** Hash that the command in hand carries, if it is the header of a signed frame, for the engine to open or refuse. */
  private headerHash: Uint8Array | undefined
  private block: JournalBlock | undefined
  /** Next command of `block`. */
  private at = 0
  private head: Uint8Array = new Uint8Array(32)
  private fillSeq = 0
  private fillIndex = 0
  private isSkipping = false
  private isFromChain = false
  /** Accounts whose owner was named. */
  private readonly opened: number[] = []
  /** Owner that the deposit in hand names; zeros = none. */
  private depositOwner: readonly number[] = NO_OWNER

  /** Throws JournalDamage, or FollowError when the journal does not begin with a genesis block. */
  constructor(options: FollowOptions) {
    const { dataDir, capacities = {}, durableSeq, follow, from } = options
    this.reader = new JournalReader(dataDir, {
      ...(durableSeq === undefined ? {} : { durableSeq }),
      ...(follow === undefined ? {} : { follow }),
    })
    const first = this.reader.next()
    if (first === undefined) throw new FollowError(`no journal in ${dataDir}`)
    this.genesis = genesisOf(first)
    this.feeAccount = this.genesis.feeAccount ?? 0
    const engineOptions: EngineOptions = {
      genesis: this.genesis,
      onEvents: (events) => this.take(events),
      ...capacities,
    }
    if (from === undefined) this.engine = createEngine(engineOptions)
    else {
      this.engine = restoreEngine(from.engine, engineOptions)
      this.reader.close()
      this.reader.position = from.position
      this.head = from.head
      this.firstSeq = from.seq + 1
      for (const [orderId, hash] of from.frames) this.frames.set(orderId, hash)
    }
    for (const market of this.engine.markets()) this.markets.set(market.id, market)
  }

  /** Rows of the open range. */
  get rowCount(): number {
    return this.net.rowCount
  }

  /** True when the open range moved nothing that the chain must know. */
  get isEmpty(): boolean {
    return this.net.rowCount === 0 && this.deposits.length === 0 && this.withdrawals.length === 0
  }

  get seq(): number {
    return this.engine.seq
  }

  /**
   * Applies commands until `isFull` (asked after each command) holds, `untilSeq` is reached, or the journal
   * ends for now; at most `commandsMax`. Returns how many were applied: 0 = nothing new is durable.
   */
  advance(isFull: () => boolean, commandsMax = Infinity, untilSeq = Infinity): number {
    let applied = 0
    while (applied < commandsMax && this.engine.seq < untilSeq) {
      const block = this.currentBlock()
      if (block === undefined) break
      this.applyOne(block)
      applied++
      if (isFull()) break
    }
    return applied
  }

  /** Replays up to and including `seq`, collecting nothing. Throws FollowError when the journal ends before. */
  skipTo(seq: number): void {
    this.isSkipping = true
    this.advance(() => false, Infinity, seq)
    this.isSkipping = false
    if (this.engine.seq !== seq)
      throw new FollowError(`the journal ends at seq ${this.engine.seq}, before ${seq}`)
    this.firstSeq = seq + 1
  }

  /**
   * Closes the open range at the last applied command and opens the next. Throws NotConserved when the
   * deltas do not add up, FollowError when the range has no command.
   */
  close(): Range {
    const { firstSeq, engine } = this
    if (engine.seq < firstSeq) throw new FollowError(`range from seq ${firstSeq} has no command`)
    const range: Range = {
      firstSeq,
      lastSeq: engine.seq,
      journalHead: this.head,
      rows: this.net.rows(),
      deposits: this.deposits,
      withdrawals: this.withdrawals,
      fills: this.fills.all().slice(),
      depositsConsumed: engine.depositsConsumed,
    }
    assertConserved(range.rows, range.deposits, range.withdrawals)
    this.firstSeq = engine.seq + 1
    this.net.clear()
    this.fills.clear()
    this.deposits = []
    this.withdrawals = []
    return range
  }

  /** Owners that the commands followed so far gave to accounts. */
  *owners(): Generator<[number, Address]> {
    for (const account of this.opened) {
      const words = this.engine.owner(account)
      if (words === undefined || words.every((word) => word === 0)) continue
      yield [account, addressOf(words)]
    }
  }

  /** Units of (account, asset) now: available and reserved. */
  total(account: number, asset: number): number {
    return this.engine.available(account, asset) + this.engine.reserved(account, asset)
  }

  /** State at a block's end, where nothing is open; undefined elsewhere. */
  snapshot(): FollowerSnapshot | undefined {
    const isAtBlockEnd = this.block === undefined || this.at === this.block.count
    if (!isAtBlockEnd || this.firstSeq !== this.engine.seq + 1 || this.engine.frameLeft > 0) return undefined
    return {
      position: { ...this.reader.position, head: this.reader.position.head.slice() },
      seq: this.engine.seq,
      head: this.head,
      frames: this.frames,
      engine: this.engine.snapshot(),
    }
  }

  stop(): void {
    this.reader.close()
  }

  private currentBlock(): JournalBlock | undefined {
    while (this.block === undefined || this.at === this.block.count) {
      this.block = this.reader.next()
      this.at = 0
      if (this.block === undefined) return undefined
      const expected = stateHashOf(this.block)
      if (expected !== undefined && !Buffer.from(expected).equals(this.engine.stateHash()))
        throw new FollowError(
          `state hash at seq ${this.engine.seq} differs from the one in journal block ${this.block.number}`,
        )
      if (this.block.firstSeq !== this.engine.seq + 1)
        throw new FollowError(`block ${this.block.number} begins at seq ${this.block.firstSeq}`)
      if (this.block.count > 0) this.head = this.block.hash
    }
    return this.block
  }

  private applyOne(block: JournalBlock): void {
    const { words, floats } = block
    const offset = COMMANDS_AT + this.at * COMMAND_WORDS
    const kind = kindOf(words[offset]!)
    // What is a frame, and of which, the engine alone says: a header within a frame, or of no commands, is none.
    if (this.engine.frameLeft === 0 && kind !== CommandKind.Time) this.frame = undefined
    this.headerHash =
      kind === CommandKind.Frame ? wordsToBytes(words, offset + FrameCmd.SHA256, HASH_WORDS) : undefined
    this.isFromChain = kind === CommandKind.Deposit && words[offset + DepositCmd.FROM_CHAIN] === 1
    if (this.isFromChain) this.depositOwner = DepositCmd.OWNER.map((word) => words[offset + word]!)
    this.engine.apply(words, floats, offset)
    this.engine.flush()
    this.at++
  }

  private take({ words, floats, count }: EventBuffer): void {
    for (let index = 0; index < count; index++) {
      const offset = index * EVENT_WORDS
      switch (kindOf(words[offset]!)) {
        case EventKind.Fill:
          this.takeFill(words, floats, offset)
          break
        case EventKind.FrameOpened:
          this.frame = this.headerHash
          break
        case EventKind.Accepted:
          if (this.frame !== undefined)
            this.frames.set(floats[(offset >> 1) + AcceptedEv.ORDER_ID_F64]!, this.frame)
          break
        case EventKind.Canceled:
          this.frames.delete(floats[(offset >> 1) + CanceledEv.ORDER_ID_F64]!)
          break
        case EventKind.AccountOpened:
          this.opened.push(words[offset + AccountOpenedEv.ACCOUNT]!)
          break
        case EventKind.Deposited:
          this.takeDeposit(words, floats, offset)
          break
        case EventKind.Withdrawn:
          this.takeWithdrawal(words, floats, offset)
          break
        case EventKind.Transferred:
          this.takeTransfer(words, floats, offset)
          break
        case EventKind.MarketCreated:
          for (const market of this.engine.markets()) this.markets.set(market.id, market)
          break
      }
    }
  }

  private takeFill(words: Int32Array, floats: Float64Array, offset: number): void {
    const float = offset >> 1
    const seq = floats[float + Ev.SEQ_F64]!
    const makerId = floats[float + FillEv.MAKER_ORDER_ID_F64]!
    const takerId = floats[float + FillEv.TAKER_ORDER_ID_F64]!
    const makerFrame = this.frames.get(makerId)
    const takerFrame = this.frames.get(takerId)
    if (words[offset + FillEv.MAKER_REMAINING] === 0) this.frames.delete(makerId)
    if (words[offset + FillEv.TAKER_REMAINING] === 0) this.frames.delete(takerId)
    if (this.isSkipping) return
    this.fillIndex = seq === this.fillSeq ? this.fillIndex + 1 : 0
    this.fillSeq = seq
    this.fills.add(words, floats, offset, this.fillIndex, makerFrame, takerFrame)
    const market = this.markets.get(words[offset + FillEv.MARKET]!)
    if (market === undefined) throw new FollowError(`fill at seq ${seq} in unknown market`)
    const lots = words[offset + FillEv.LOTS]!
    const base = baseUnits(lots, market.lotUnits)
    const quote = quoteUnits(words[offset + FillEv.TICKS]!, lots, market.tickUnits)
    const maker = words[offset + FillEv.MAKER_ACCOUNT]!
    const taker = words[offset + FillEv.TAKER_ACCOUNT]!
    const makerFee = floats[float + FillEv.MAKER_FEE_F64]!
    const takerFee = floats[float + FillEv.TAKER_FEE_F64]!
    // The event's side is the maker's: when the maker sells, the taker buys.
    const sign = ((words[offset]! >>> FillEv.MAKER_SIDE_SHIFT) & 1) === Side.Sell ? 1 : -1
    const { net } = this
    net.add(indexOf(taker, market.base), sign * base)
    net.add(indexOf(taker, market.quote), -sign * quote - takerFee)
    net.add(indexOf(maker, market.base), -sign * base)
    net.add(indexOf(maker, market.quote), sign * quote - makerFee)
    net.add(indexOf(this.feeAccount, market.quote), makerFee + takerFee)
  }

  private takeDeposit(words: Int32Array, floats: Float64Array, offset: number): void {
    if (this.isSkipping) return
    const account = words[offset + DepositedEv.ACCOUNT]!
    const index = indexOf(account, words[offset + DepositedEv.ASSET]!)
    const units = floats[(offset >> 1) + DepositedEv.UNITS_F64]!
    if (!this.isFromChain)
      throw new FollowError(
        `the deposit at seq ${this.engine.seq} is not from the chain: an exchange with such deposits cannot be settled`,
      )
    this.net.add(index, units)
    // The chain knows the owner, too, and refuses the batch if it is another one there. An account that the
    // engine had no room for has none: the deposit names it.
    const named = this.depositOwner.some((word) => word !== 0) ? this.depositOwner : undefined
    this.deposits.push({ index, units, owner: this.engine.owner(account) ?? named ?? NO_OWNER })
  }

  private takeWithdrawal(words: Int32Array, floats: Float64Array, offset: number): void {
    if (this.isSkipping) return
    const index = indexOf(words[offset + WithdrawnEv.ACCOUNT]!, words[offset + WithdrawnEv.ASSET]!)
    const units = floats[(offset >> 1) + WithdrawnEv.UNITS_F64]!
    const fee = floats[(offset >> 1) + WithdrawnEv.FEE_F64]!
    // The fee stays within: only the units go out.
    this.net.add(index, -units - fee)
    if (fee > 0) this.net.add(indexOf(this.feeAccount, assetOf(index)), fee)
    this.withdrawals.push({ index, units })
  }

  private takeTransfer(words: Int32Array, floats: Float64Array, offset: number): void {
    if (this.isSkipping) return
    const asset = words[offset + TransferredEv.ASSET]!
    const units = floats[(offset >> 1) + TransferredEv.UNITS_F64]!
    this.net.add(indexOf(words[offset + TransferredEv.ACCOUNT]!, asset), -units)
    this.net.add(indexOf(words[offset + TransferredEv.RECEIVER]!, asset), units)
  }
}
