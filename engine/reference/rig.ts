/**
 * A rig for table tests: one engine, driven by short calls, whose events come back as short texts. Each
 * command also goes to the reference engine and everything that both say and hold is compared, so every
 * table row runs on both. In tests only.
 */
import {
  CancelReason,
  CommandKind,
  EventKind,
  OrderType,
  PostOnly,
  Reject,
  Side,
  Stp,
  TimeInForce,
  cancelReasonNames,
  rejectNames,
} from '../codes.js'
import * as commands from '../commands.js'
import { COMMAND_WORDS, EVENT_WORDS, RejectedEv, kindOf } from '../layout.js'
import type { Engine, EngineCapacities, GenesisConfig, MarketConfig } from '../types.js'
import { BY_FRAME } from './compare.js'
import { createEngine, restoreEngine } from '../core/engine.js'
import { ReferenceEngine } from './engine.js'
import { referenceBody } from './state.js'
import { DIGEST_BYTES, SNAPSHOT_HEADER_BYTES } from '../core/snapshot/snapshot-format.js'
import { readEvent } from '../records/access.js'

export const USD = 0
export const ABC = 1
export const RICH = 1e12

export interface RigOptions extends EngineCapacities {
  readonly market?: Partial<MarketConfig>
  readonly markets?: readonly MarketConfig[]
  readonly feeAccount?: number
  readonly requireFrames?: boolean
  /** Minimum and fee of withdrawals of USD. */
  readonly terms?: readonly [withdrawMinUnits: number, withdrawFeeUnits: number]
  /** False = the reference does not know what this test is about (a capacity, a new market). */
  readonly reference?: boolean
}

export interface PlaceFields extends commands.PlaceOptions {
  readonly account?: number
  readonly market?: number
  readonly side?: Side
  readonly ticks?: number
  readonly lots?: number
  readonly cloid?: number
}

export const marketConfig = (change: Partial<MarketConfig> = {}): MarketConfig => ({
  id: 0,
  base: ABC,
  quote: USD,
  lotUnits: 1,
  tickUnits: 1,
  makerFeePpm: 0,
  takerFeePpm: 0,
  ...change,
})

export class Rig {
  engine: Engine
  readonly words = new Int32Array(COMMAND_WORDS)
  readonly floats = new Float64Array(this.words.buffer)
  private readonly reference: ReferenceEngine | undefined
  private readonly options: EngineCapacities & { genesis: GenesisConfig }
  private events: Int32Array[] = []

  constructor(options: RigOptions = {}) {
    const { market, markets, feeAccount, requireFrames, terms, reference, ...capacities } = options
    const genesis: GenesisConfig = {
      assets: [
        {
          id: USD,
          symbol: 'USD',
          ...(terms === undefined ? {} : { withdrawMinUnits: terms[0], withdrawFeeUnits: terms[1] }),
        },
        { id: ABC, symbol: 'ABC' },
      ],
      markets: markets ?? [marketConfig(market)],
      ...(feeAccount === undefined ? {} : { feeAccount }),
      ...(requireFrames === undefined ? {} : { requireFrames }),
    }
    this.options = {
      ordersMax: 1024,
      levelsMax: 1024,
      accountsMax: 16,
      balancesMax: 64,
      sessionsMax: 8,
      marketsMax: 8,
      genesis,
      ...capacities,
    }
    this.engine = createEngine({ ...this.options, onEvents: this.take })
    this.reference =
      reference === false ? undefined : new ReferenceEngine({ ...this.options, onEvents: this.take })
  }

  private readonly take = ({ words, count }: { words: Int32Array; count: number }): void => {
    for (let index = 0; index < count; index++)
      this.events.push(words.slice(index * EVENT_WORDS, (index + 1) * EVENT_WORDS))
  }

  /** Applies what stands in `words`; the events as texts. Throws when the reference says otherwise. */
  apply(): string[] {
    this.events = []
    const tried = this.tryPlace()
    this.engine.apply(this.words, this.floats, 0)
    this.engine.flush()
    this.checkTrial(tried)
    this.engine.checkInvariants()
    const { reference, events } = this
    if (reference !== undefined) {
      reference.apply(this.words, this.floats, 0)
      expect(events.map(text)).toEqual(reference.events.map(text))
      expect(events.map((event) => Array.from(event))).toEqual(
        reference.events.map((event) => Array.from(event)),
      )
      const bytes = this.engine.captureSnapshot()
      const body = bytes.subarray(SNAPSHOT_HEADER_BYTES, bytes.length - DIGEST_BYTES)
      expect(Buffer.compare(body, referenceBody(reference))).toBe(0)
    }
    return events.map(text)
  }

  /** What a trial of an order says; it must leave the state as it is. */
  private tryPlace(): number {
    if (kindOf(this.words[0]!) !== CommandKind.Place) return Reject.None
    const before = this.engine.stateHash()
    const tried = this.engine.tryPlace(this.words, this.floats, 0, 0, 0)
    expect(this.events).toEqual([])
    expect(this.engine.stateHash()).toEqual(before)
    return tried
  }

  /** An order is answered as its trial said, unless the frame around it was refused. */
  private checkTrial(tried: number): void {
    if (kindOf(this.words[0]!) !== CommandKind.Place) return
    const code = this.events.find((event) => kindOf(event[0]!) === EventKind.Rejected)?.[RejectedEv.CODE]
    if (code === undefined || !BY_FRAME.has(code)) expect(rejectNames[tried]).toBe(rejectNames[code ?? 0])
  }

  /** Event records of the last command. */
  get records(): readonly Int32Array[] {
    return this.events
  }

  /** The fills of the last command, as texts. */
  lastFills(): string[] {
    return this.events.filter((event) => kindOf(event[0]!) === EventKind.Fill).map(text)
  }

  deposit(account: number, asset: number, units = RICH): string[] {
    commands.writeDeposit(this.words, this.floats, 0, account, asset, units)
    return this.apply()
  }

  /** Gives accounts 1 to `count` plenty of both assets. */
  fund(count = 4): this {
    for (let account = 1; account <= count; account++) {
      this.deposit(account, USD)
      this.deposit(account, ABC)
    }
    return this
  }

  writePlace(fields: PlaceFields): void {
    const { account = 1, market = 0, side = Side.Buy, ticks = 100, lots = 1, cloid = 1 } = fields
    commands.writePlace(this.words, this.floats, 0, account, market, side, ticks, lots, cloid, 0, fields)
  }

  place(fields: PlaceFields): string[] {
    this.writePlace(fields)
    return this.apply()
  }

  buy(account: number, ticks: number, lots: number, cloid: number, more: PlaceFields = {}): string[] {
    return this.place({ ...more, account, ticks, lots, cloid, side: Side.Buy })
  }

  sell(account: number, ticks: number, lots: number, cloid: number, more: PlaceFields = {}): string[] {
    return this.place({ ...more, account, ticks, lots, cloid, side: Side.Sell })
  }

  amend(
    account: number,
    cloid: number,
    ticks: number,
    lots: number,
    more: commands.AmendOptions = {},
  ): string[] {
    commands.writeAmend(this.words, this.floats, 0, account, 0, ticks, lots, cloid, 0, more)
    return this.apply()
  }

  cancel(account: number, cloid: number): string[] {
    commands.writeCancel(this.words, this.floats, 0, account, 0, cloid)
    return this.apply()
  }

  time(ms: number): string[] {
    commands.writeTime(this.words, this.floats, 0, ms)
    return this.apply()
  }

  /** The book as text: `bids | asks`, best first, each level `ticks:lots`. */
  book(market = 0): string {
    const side = (which: Side): string =>
      this.engine
        .book(market, which, 1000)
        .map(({ ticks, lots }) => `${ticks}:${lots}`)
        .join(' ')
    return `${side(Side.Buy)} | ${side(Side.Sell)}`
  }

  /** `available/reserved` of a balance. */
  balance(account: number, asset: number): string {
    return `${this.engine.available(account, asset)}/${this.engine.reserved(account, asset)}`
  }

  /** Replaces the engine by one restored from its snapshot. */
  restore(): void {
    const before = Buffer.from(this.engine.stateHash()).toString('hex')
    this.engine = restoreEngine(this.engine.snapshot(), { ...this.options, onEvents: this.take })
    this.engine.checkInvariants()
    expect(Buffer.from(this.engine.stateHash()).toString('hex')).toBe(before)
  }
}

/** An event in a few words. */
export function text(words: Int32Array): string {
  const event = readEvent(words, new Float64Array(words.buffer, words.byteOffset, EVENT_WORDS / 2), 0)!
  const { name } = event
  switch (event.name) {
    case 'Accepted':
    case 'Triggered':
      return `${name} ${event.cloid}`
    case 'Rejected':
      return `${name} ${rejectNames[event.code]}`
    case 'Fill': {
      const { makerCloid, takerCloid, lots, ticks, makerFee, takerFee } = event
      const fees = makerFee === 0 && takerFee === 0 ? '' : ` fees ${makerFee}/${takerFee}`
      return `${name} ${makerCloid}<${takerCloid} ${lots}@${ticks}${fees}`
    }
    case 'Canceled':
      return `${name} ${event.cloid} ${cancelReasonNames[event.reason]} ${event.remaining}`
    case 'Amended':
      return `${name} ${event.cloid} ${event.remaining}@${event.ticks} ${event.keptPlace ? 'kept' : 'anew'}`
    case 'Refilled':
      return `${name} ${event.cloid} ${event.shownLots}`
    case 'CanceledAll':
      return `${name} ${event.orders}`
    default:
      return name
  }
}

export { CancelReason, OrderType, PostOnly, Side, Stp, TimeInForce }
