/**
 * What the reference engine is made of: its state as plain objects, a command record by names, and how
 * events are written. The rules are those of docs/internals/engine-rules.md: trading.ts (money and
 * end of orders, mass cancels), match.ts (matching, triggers), orders.ts (what traders
 * ask for), admin.ts (money, time, the operator), sessions.ts (frames and consent) and
 * engine.ts (the switch), each on top of the one before. In tests only.
 */
import { CancelReason, CommandKind, MarketStatus, OrderType, PostOnly, Reject } from '../codes.js'
import {
  Attr,
  Cmd,
  DepositCmd,
  EVENT_WORDS,
  INT_NOT_AN_INTEGER,
  INT_OVER_LIMIT,
  OrderCmd,
  PlaceCmd,
  kindOf,
} from '../layout.js'
import {
  ACCOUNTS_MAX,
  BALANCES_MAX,
  COMMAND_STEPS_MAX,
  DEADLINE_AHEAD_MS_MAX,
  EXPIRY_AHEAD_MS_MAX,
  LEVELS,
  MARKETS_MAX,
  ORDERS,
  TICKS_MAX,
  TIME_MS_END,
  UNITS_END,
} from '../limits.js'
import { type EventFields, type EventName, cloidAt, writeEvent } from '../records/access.js'
import type { EngineOptions, MarketConfig } from '../types.js'
import { ReferenceAccount, ReferenceBook, type ReferenceOrder } from './book.js'

export interface ReferenceMarket {
  readonly id: number
  readonly base: number
  readonly quote: number
  readonly lotUnits: bigint
  readonly tickUnits: bigint
  status: number
  bandPpm: number
  lastTicks: number
  /** Prices of fills whose triggers have not been worked off. */
  touched: { low: number; high: number } | undefined
  /** By tier; 0 is the market's own. */
  readonly fees: Map<number, { maker: number; taker: number }>
  readonly book: ReferenceBook
}

/** What is known of a frame: where it began, and the answer to each of its commands so far. */
export interface ReferenceEntry {
  readonly firstSeq: number
  readonly count: number
  readonly codes: number[]
}

export interface ReferenceSession {
  readonly account: number
  /** Nonce of the approval that made it. */
  readonly approval: number
  readonly keyX: readonly number[]
  readonly parity: number
  readonly scopes: number
  readonly maxNotional: number
  endsAtMs: number
  revoked: boolean
  /** 1 + the highest frame nonce taken; 0 = none. */
  highest: number
  floor: number
  lastFrameMs: number
  /** By nonce. */
  readonly entries: Map<number, ReferenceEntry>
}

/** A mass cancel, or what is left of one. */
export interface ReferenceJob {
  readonly account: number
  /** -1 = all. */
  readonly market: number
  /** -1 = both. */
  readonly side: number
  readonly reason: number
  readonly haltedToo: boolean
  /** Orders placed later are none of its business. */
  uptoId: number
  /** Units to pay, of an asset, for a forced withdrawal. */
  owed?: { readonly asset: number; units: number } | undefined
}

export interface ReferenceProtection {
  readonly windowMs: number
  readonly fillsMax: number
  readonly notionalMax: number
  windowStartMs: number
  fills: number
  notional: number
  frozen: boolean
}

export const END = BigInt(UNITS_END)
export const isMarketType = (type: number): boolean => type % 2 === 1
export const isStopType = (type: number): boolean => type >= OrderType.StopLimit
export const isWhole = (value: number, min: number): boolean =>
  Number.isInteger(value) && value >= min && value < UNITS_END

export abstract class ReferenceBase {
  seq = 0
  timeMs = 0
  depositsConsumed = 0
  readonly feeAccount: number
  readonly requireFrames: boolean
  readonly assets = new Map<number, string>()
  /** Bits of CancelOnlyReason. */
  cancelOnlyReasons = 0
  /** Minimum and fee of withdrawals, by asset. */
  readonly withdrawTerms = new Map<number, { readonly min: number; readonly fee: number }>()
  readonly markets = new Map<number, ReferenceMarket>()
  readonly accounts = new Map<number, ReferenceAccount>()
  sessions: ReferenceSession[] = []
  readonly protections = new Map<number, Map<number, ReferenceProtection>>()
  readonly supply = new Map<number, bigint>()
  /** Rows of the ledger that were made: `account asset`. */
  readonly rows = new Set<string>()
  readonly jobs: ReferenceJob[] = []
  frame: {
    left: number
    session: ReferenceSession | undefined
    nonce: number
    entry: ReferenceEntry | undefined
  } = {
    left: 0,
    session: undefined,
    nonce: 0,
    entry: undefined,
  }
  /** Units of work done under the present count, and their bound. */
  steps = 0
  readonly stepsMax: number
  /** Events of the last command, as records of EVENT_WORDS words. */
  events: Int32Array[] = []
  protected readonly ordersMax: number
  protected readonly levelsMax: number
  protected readonly accountsMax: number
  protected readonly balancesMax: number
  protected readonly accountOrdersMax: number
  protected readonly marketsMax: number
  protected reached: { account: number; market: ReferenceMarket }[] = []

  constructor(options: EngineOptions) {
    const { genesis } = options
    this.feeAccount = genesis.feeAccount ?? 0
    this.requireFrames = genesis.requireFrames === true
    this.stepsMax = options.commandStepsMax ?? COMMAND_STEPS_MAX
    this.ordersMax = options.ordersMax ?? ORDERS
    this.levelsMax = options.levelsMax ?? LEVELS
    this.accountsMax = options.accountsMax ?? ACCOUNTS_MAX
    this.balancesMax = options.balancesMax ?? BALANCES_MAX
    this.accountOrdersMax = options.accountOrdersMax ?? Math.max(1, Math.floor(this.ordersMax / 8))
    this.marketsMax = options.marketsMax ?? MARKETS_MAX
    this.accounts.set(this.feeAccount, new ReferenceAccount())
    for (const { id, symbol, withdrawMinUnits = 0, withdrawFeeUnits = 0 } of genesis.assets) {
      this.assets.set(id, symbol)
      this.withdrawTerms.set(id, { min: withdrawMinUnits, fee: withdrawFeeUnits })
      if (withdrawFeeUnits > 0) this.rows.add(`${this.feeAccount} ${id}`)
    }
    for (const { status, bandPpm, ...config } of genesis.markets)
      this.addMarket({ ...config, status: status ?? 0, bandPpm: bandPpm ?? 0 })
  }

  protected addMarket(config: Required<MarketConfig>): void {
    const { id, base, quote, status, bandPpm } = config
    this.markets.set(id, {
      id,
      base,
      quote,
      lotUnits: BigInt(config.lotUnits),
      tickUnits: BigInt(config.tickUnits),
      status,
      bandPpm,
      lastTicks: 0,
      touched: undefined,
      fees: new Map([[0, { maker: config.makerFeePpm, taker: config.takerFeePpm }]]),
      book: new ReferenceBook(),
    })
    // Fees need a row to go to.
    this.rows.add(`${this.feeAccount} ${quote}`)
  }

  /** Whether rows of an account can be made, as far as they are missing. */
  protected rowsFit(account: number, ...assets: readonly number[]): boolean {
    const missing = assets.filter((asset) => !this.rows.has(`${account} ${asset}`))
    return this.rows.size + missing.length <= this.balancesMax
  }

  protected makeRows(account: number, ...assets: readonly number[]): void {
    for (const asset of assets) this.rows.add(`${account} ${asset}`)
  }

  protected usedUp(): boolean {
    return this.steps >= this.stepsMax
  }

  /** Something waits for the next Time command. */
  pending(): boolean {
    return (
      this.jobs.length > 0 ||
      this.liveOrders().some((order) => this.expired(order)) ||
      [...this.accounts.values()].some(({ cancelAfterMs }) => this.due(cancelAfterMs)) ||
      [...this.markets.values()].some((market) => this.mayTrade(market) && market.touched !== undefined)
    )
  }

  /** Neither the market nor the exchange as a whole is closed. */
  protected mayTrade({ status }: ReferenceMarket): boolean {
    return status === MarketStatus.Active && this.cancelOnlyReasons === 0
  }

  protected due(atMs: number): boolean {
    return atMs !== 0 && atMs <= this.timeMs
  }

  protected expired({ expiresAtMs }: ReferenceOrder): boolean {
    return this.due(expiresAtMs)
  }

  /** Why an order that still stands will be cancelled at its turn; 0 = it lives. */
  protected goneReason(order: ReferenceOrder): number {
    if (this.expired(order)) return CancelReason.Expired
    const covering = this.jobs.find(
      ({ account, market, side, uptoId }) =>
        account === order.account &&
        (market === -1 || market === order.market) &&
        (side === -1 || side === order.side) &&
        order.id <= uptoId,
    )
    if (covering !== undefined) return covering.reason
    return this.due(this.accounts.get(order.account)!.cancelAfterMs) ? CancelReason.DeadManSwitch : 0
  }

  /** Every live order. */
  liveOrders(): ReferenceOrder[] {
    return [...this.markets.values()].flatMap(({ book }) => book.orders)
  }

  ordersOf(account: number): ReferenceOrder[] {
    return this.liveOrders()
      .filter((order) => order.account === account)
      .sort((a, b) => a.id - b.id)
  }

  protected find(account: number, cloid: bigint): ReferenceOrder | undefined {
    return this.liveOrders().find((order) => order.account === account && order.cloid === cloid)
  }

  protected named(command: Command): { order: ReferenceOrder; market: ReferenceMarket } | number {
    const market = this.markets.get(command.market)
    if (market === undefined) return Reject.UnknownMarket
    if (!this.accounts.has(command.account)) return Reject.UnknownAccount
    if (((command.head >>> OrderCmd.INVALID_CLOID_SHIFT) & 1) === 1) return Reject.BadClientOrderId
    const order = this.find(command.account, command.cloid)
    if (order === undefined || order.market !== market.id) return Reject.UnknownOrder
    return { order, market }
  }

  protected deadlineReject({ floats, at }: Command): number {
    const deadline = floats[at / 2 + PlaceCmd.DEADLINE_MS_F64]!
    if (deadline === 0) return 0
    if (!(deadline >= this.timeMs)) return Reject.DeadlinePassed
    return deadline > this.timeMs + DEADLINE_AHEAD_MS_MAX ? Reject.DeadlineTooFar : 0
  }

  protected expiryFits(atMs: number): boolean {
    return (
      Number.isInteger(atMs) &&
      atMs > this.timeMs &&
      atMs <= this.timeMs + EXPIRY_AHEAD_MS_MAX &&
      atMs < TIME_MS_END
    )
  }

  /** Quote units that one order may execute under the open frame; 0 = no bound. */
  protected get sessionNotional(): bigint {
    return this.frame.left === 0 ? 0n : BigInt(this.frame.session?.maxNotional ?? 0)
  }

  protected overSessionNotional(notional: bigint): boolean {
    return this.sessionNotional > 0n && notional > this.sessionNotional
  }

  protected amended(order: ReferenceOrder, ticksBefore: number, kept: boolean): void {
    this.emit('Amended', {
      ...orderFields(order),
      keptPlace: kept,
      ticksBefore,
      displayLots: order.display,
      triggerTicks: isStopType(order.type) ? order.trigger : 0,
      expiresAtMs: order.expiresAtMs,
      waits: order.waiting,
    })
  }

  protected reject(command: Command, code: number, bound: number | bigint, repeated?: ReferenceEntry): void {
    const { kind, account, market } = command
    const named = kind <= CommandKind.Cancel
    this.emit('Rejected', {
      side: kind === CommandKind.Place ? (command.head >>> Attr.SIDE_SHIFT) & Attr.SIDE_MASK : 0,
      subject: market,
      account,
      code,
      command: kind,
      bound: Number(bound),
      ...(named ? { ticks: command.ticks, lots: command.lots, cloid: command.cloid } : {}),
      ...(repeated === undefined ? {} : { frameCount: repeated.count, firstSeq: repeated.firstSeq }),
    })
  }

  protected emit<K extends EventName>(name: K, fields: EventFields<K>): void {
    const words = new Int32Array(EVENT_WORDS)
    writeEvent(words, new Float64Array(words.buffer), 0, name, this.seq, fields)
    this.events.push(words)
  }
}

/** A command record by names. */
export class Command {
  readonly head: number
  readonly kind: number
  readonly account: number
  /** Market, or asset. */
  readonly market: number
  readonly ticks: number
  readonly lots: number
  readonly cloid: bigint
  /** Quote budget, units, notional, or a time: the double that most kinds begin with. */
  readonly amount: number
  readonly expiresAtMs: number

  constructor(
    readonly words: Int32Array,
    readonly floats: Float64Array,
    readonly at: number,
  ) {
    this.head = words[at]!
    this.kind = kindOf(this.head)
    this.account = words[at + Cmd.ACCOUNT]!
    this.market = words[at + Cmd.SUBJECT]!
    this.ticks = words[at + PlaceCmd.TICKS]!
    this.lots = words[at + PlaceCmd.LOTS]!
    this.cloid = cloidAt(words, at + PlaceCmd.CLOID_LO)
    this.amount = floats[at / 2 + DepositCmd.UNITS_F64]!
    this.expiresAtMs = floats[at / 2 + PlaceCmd.EXPIRES_AT_MS_F64]!
  }
}

export const isTrade = (kind: number): boolean =>
  (kind >= CommandKind.Place && kind <= CommandKind.CancelAll) ||
  (kind >= CommandKind.CancelAfter && kind <= CommandKind.ResetProtection)

export function orderFields(order: ReferenceOrder) {
  const { side, type, timeInForce, postOnly, stp, market, ticks, lots, account, cloid, remaining, id } = order
  const attributes = { side, orderType: type, timeInForce, postOnly, stp }
  return { ...attributes, market, ticks, lots, account, cloid, remaining, orderId: id }
}

export const reserveAsset = (market: ReferenceMarket, side: number): number =>
  side === 1 ? market.base : market.quote

export function statusReject(status: number): number {
  if (status === MarketStatus.Halted) return Reject.MarketHalted
  return status === MarketStatus.CancelOnly ? Reject.MarketCancelOnly : 0
}

export function ticksReject(ticks: number): number {
  if (ticks === INT_NOT_AN_INTEGER) return Reject.NotAnInteger
  if (ticks === INT_OVER_LIMIT) return Reject.TicksOverLimit
  if (ticks === 0) return Reject.ZeroTicks
  return ticks < 0 ? Reject.NegativeTicks : 0
}

export function lotsReject(lots: number): number {
  if (lots === INT_NOT_AN_INTEGER) return Reject.NotAnInteger
  if (lots === INT_OVER_LIMIT) return Reject.LotsOverLimit
  if (lots === 0) return Reject.ZeroLots
  return lots < 0 ? Reject.NegativeLots : 0
}

export function unitsReject(units: number): number {
  if (Number.isNaN(units)) return Reject.NotAnInteger
  if (units >= UNITS_END) return Reject.UnitsOverLimit
  if (!Number.isInteger(units)) return Reject.NotAnInteger
  if (units === 0) return Reject.ZeroUnits
  return units < 0 ? Reject.NegativeUnits : 0
}

/** Prices that a market's band allows. */
export function band({ bandPpm, lastTicks }: ReferenceMarket): { low: number; high: number } {
  if (bandPpm === 0 || lastTicks === 0) return { low: 1, high: TICKS_MAX }
  const width = Math.max(1, Number((BigInt(lastTicks) * BigInt(bandPpm)) / 1_000_000n))
  return { low: Math.max(1, lastTicks - width), high: Math.min(TICKS_MAX, lastTicks + width) }
}

export function insideBand(market: ReferenceMarket, ticks: number): boolean {
  const { low, high } = band(market)
  return low <= ticks && ticks <= high
}

/** The protection price of a market type, never wider than it was; undefined = nothing may trade. */
export function tightened(market: ReferenceMarket, side: number, ticks: number): number | undefined {
  const { low, high } = band(market)
  const price = side === 0 ? Math.min(ticks, high) : Math.max(ticks, low)
  return low <= price && price <= high ? price : undefined
}

/** Where a post-only order may stand; 0 = nowhere. */
export function postOnlyTicks(
  market: ReferenceMarket,
  side: number,
  ticks: number,
  postOnly: number,
): number {
  if (postOnly === PostOnly.None) return ticks
  const touch = market.book.bestTicks(1 - side)
  if (touch === 0) return ticks
  const crosses = side === 0 ? ticks >= touch : ticks <= touch
  if (!crosses) return ticks
  if (postOnly === PostOnly.Reject) return 0
  if (side === 0) return touch - 1
  return touch === TICKS_MAX ? 0 : touch + 1
}
