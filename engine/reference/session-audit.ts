/**
 * What must hold after each command of any session, told from events alone and checked against what an engine
 * holds: no engine's rules are used here. It keeps its own ledger (totals of each account and asset), its own
 * record of each order (price told, lots, fees to the millionth), and throws at the first thing that is not
 * so. Used by compare.ts; in tests only.
 */
import { CommandKind, MarketStatus, Side } from '../codes.js'
import { EVENT_WORDS, FrameCmd, WithdrawCmd, kindOf } from '../layout.js'
import { type EventRecord, readEvent } from '../records/access.js'
import type { Engine, GenesisConfig, MarketConfig, OrderView } from '../types.js'
import { AuditRates } from './audit-rates.js'

const MILLION = 1_000_000n
const key = (account: number, asset: number): string => `${account} ${asset}`

type AuditMarket = Omit<MarketConfig, 'status'> & { status: number }

/** An order as its owner has been told of it. */
interface Told {
  readonly id: number
  readonly account: number
  readonly market: AuditMarket
  readonly isSell: boolean
  /** Quote units that it may spend; 0 = bounded by its price. */
  readonly budget: bigint
  ticks: number
  remaining: number
  expiresAtMs: number
  /** Highest rate that it may be charged. */
  bound: number
  /** Quote units that its session lets it execute; undefined = no bound. */
  sessionMax: bigint | undefined
  executed: bigint
  fees: bigint
  /** Sum of quote x rate, in millionths. */
  exact: bigint
  /** Paid too much so far, in millionths. */
  carry: bigint
  /** A rebate of it met an empty fee account. */
  wasShort: boolean
  /** A mass cancel that goes on has named it: it must not trade any more. */
  doomed: boolean
}

/** What is held against the record: an engine, or what answers like one. */
export type Audited = Pick<Engine, 'balances'> & {
  orders(account: number): Pick<OrderView, 'orderId' | 'ticks' | 'remaining' | 'reserved'>[]
}

export class SessionAudit {
  private readonly totals = new Map<string, bigint>()
  private readonly supply = new Map<number, bigint>()
  private readonly orders = new Map<number, Told>()
  private readonly markets: Map<number, AuditMarket>
  private readonly rates: AuditRates
  private readonly feeAccount: number
  private readonly notionals = new Map<string, number>()
  private readonly accounts = new Set<number>()
  private readonly stepsMax: number
  private timeMs = 0
  private cancelOnlyReasons = 0
  /** Commands of the open frame still to come, and what its session lets an order execute. */
  private frameLeft = 0
  private frameMax = 0n
  /** Steps that the message has taken at least: what its header gives, and one for each fill. */
  private stepsOfMessage = 0
  /** The order that the command placed or amended last; 0 = none. */
  private ownOrder = 0

  constructor(genesis: GenesisConfig, stepsMax: number) {
    this.stepsMax = stepsMax
    this.feeAccount = genesis.feeAccount ?? 0
    this.accounts.add(this.feeAccount)
    this.markets = new Map(genesis.markets.map((market) => [market.id, { status: 0, ...market }]))
    this.rates = new AuditRates(genesis.markets)
  }

  /** Takes in one command and its events, then holds them against the engine. */
  check(words: Int32Array, events: readonly Int32Array[], engine: Audited): void {
    const kind = kindOf(words[0]!)
    const inFrame = this.frameLeft > 0 && kind !== CommandKind.Time
    if (!inFrame) this.stepsOfMessage = 0
    this.ownOrder = 0
    if (!inFrame && (kind === CommandKind.Frame || kind === CommandKind.UnsignedFrame)) this.openFrame(words)
    events.forEach((event, index) => this.take(eventOf(event), index, kind, inFrame))
    if (kind === CommandKind.Withdraw) checkWithdrawal(words, events, inFrame)
    if (inFrame) this.frameLeft--
    // Time counts its triggers anew.
    const bound = kind === CommandKind.Time ? 2 * this.stepsMax : this.stepsMax
    must(this.stepsOfMessage <= bound, () => `${this.stepsOfMessage} steps in one message`)
    this.holdAgainst(engine)
  }

  private openFrame(words: Int32Array): void {
    const count = words[FrameCmd.COUNT]!
    const stepsUsed = words[FrameCmd.STEPS_USED]!
    this.frameMax = 0n
    if (count < 1 || count > 64 || stepsUsed < 0 || stepsUsed > this.stepsMax) return
    this.frameLeft = count
    this.stepsOfMessage = stepsUsed
  }

  private take(event: EventRecord, index: number, kind: number, inFrame: boolean): void {
    switch (event.name) {
      case 'Deposited':
        this.accounts.add(event.account)
        return this.supplied(event.account, event.asset, BigInt(event.units))
      case 'Withdrawn':
        this.move(event.account, event.asset, -BigInt(event.fee))
        this.move(this.feeAccount, event.asset, BigInt(event.fee))
        return this.supplied(event.account, event.asset, -BigInt(event.units))
      case 'Transferred':
        this.move(event.account, event.asset, -BigInt(event.units))
        return this.move(event.receiver, event.asset, BigInt(event.units))
      case 'AccountOpened':
        this.accounts.add(event.account)
        return
      case 'TimeAdvanced':
        this.timeMs = event.timeMs
        return
      case 'SessionApproved':
        this.notionals.set(key(event.account, event.approval), event.maxNotional)
        return
      case 'FrameOpened':
      case 'UnsignedFrameOpened':
        this.frameMax = BigInt(this.notionals.get(key(event.account, event.approval))!)
        return
      case 'MarketCreated':
      case 'AssetCreated':
        throw new Error('audit: markets and assets come from genesis')
      case 'ExchangeStatusChanged':
        this.cancelOnlyReasons = event.reasons
        return
      case 'MarketStatusChanged':
        this.markets.get(event.market)!.status = event.status
        return
      case 'MarketFeesChanged':
        return this.rates.set(event.market, event.tier, event.makerFeePpm, event.takerFeePpm)
      case 'TierChanged':
        return this.rates.setTier(event.account, event.tier)
      case 'Accepted':
        this.ownOrder = event.orderId
        return this.accepted(event, inFrame)
      case 'Amended':
        this.ownOrder = event.orderId
        return this.amended(event, index === 0 && kind === CommandKind.Amend && !event.keptPlace, inFrame)
      case 'Canceled':
        must(event.remaining === this.told(event.orderId).remaining, () => 'lots of a cancelled order')
        this.orders.delete(event.orderId)
        return
      case 'Triggered':
        return this.triggered(event)
      case 'Fill':
        return this.filled(event)
      case 'CanceledAll':
        return this.canceledAll(event)
    }
  }

  private accepted(event: EventRecord<'Accepted'>, inFrame: boolean): void {
    const market = this.markets.get(event.market)!
    must(this.cancelOnlyReasons === 0, () => 'an order while the exchange takes cancels only')
    this.orders.set(event.orderId, {
      id: event.orderId,
      account: event.account,
      market,
      isSell: event.side === Side.Sell,
      budget: BigInt(event.quoteBudget),
      ticks: event.ticks,
      remaining: event.lots,
      expiresAtMs: event.expiresAtMs,
      bound: this.rates.worst(market.id, event.account),
      sessionMax: inFrame && this.frameMax > 0n ? this.frameMax : undefined,
      executed: 0n,
      fees: 0n,
      exact: 0n,
      carry: 0n,
      wasShort: false,
      doomed: false,
    })
  }

  private amended(event: EventRecord<'Amended'>, anew: boolean, inFrame: boolean): void {
    const order = this.told(event.orderId)
    must(
      this.cancelOnlyReasons === 0 ||
        (event.keptPlace && event.ticks === order.ticks && event.remaining <= order.remaining),
      () => `order ${order.id} is more than a reduction while the exchange takes cancels only`,
    )
    order.ticks = event.ticks
    order.remaining = event.remaining
    order.expiresAtMs = event.expiresAtMs
    if (!anew) return
    order.bound = this.rates.worst(order.market.id, order.account)
    // What it has executed counts for the session that placed it; a later one bounds what is to come.
    if (!inFrame || this.frameMax === 0n) return
    const mayReach = order.executed + this.frameMax
    if (order.sessionMax === undefined || order.sessionMax > mayReach) order.sessionMax = mayReach
  }

  private filled(event: EventRecord<'Fill'>): void {
    const maker = this.told(event.makerOrderId)
    const taker = this.told(event.takerOrderId)
    const { ticks, lots } = event
    const market = maker.market
    const quote = BigInt(ticks) * BigInt(lots) * BigInt(market.tickUnits)
    const base = BigInt(lots) * BigInt(market.lotUnits)
    must(maker.account !== taker.account, () => 'an account traded with itself')
    must(maker.market === taker.market && maker.isSell !== taker.isSell, () => 'the two sides of a fill')
    must(this.markets.get(market.id)!.status === MarketStatus.Active, () => 'a fill in a closed market')
    must(this.cancelOnlyReasons === 0, () => 'a fill while the exchange takes cancels only')
    const takerPpm = Math.min(this.rates.taker(market.id, taker.account), taker.bound)
    const makerPpm = Math.max(Math.min(this.rates.maker(market.id, maker.account), maker.bound), -takerPpm)
    this.stepsOfMessage++
    must(
      !this.party(taker, event, quote, BigInt(event.takerFee), takerPpm, event.takerRemaining).isShort,
      () => 'a taker paid too much',
    )
    const { isShort } = this.party(
      maker,
      event,
      quote,
      BigInt(event.makerFee),
      makerPpm,
      event.makerRemaining,
    )
    const [buyer, seller] = maker.isSell ? [taker, maker] : [maker, taker]
    const { makerFee, takerFee } = event
    const [buyerFee, sellerFee] = maker.isSell ? [takerFee, makerFee] : [makerFee, takerFee]
    if (isShort) this.shortfall(maker, BigInt(makerFee), BigInt(takerFee))
    this.move(buyer.account, market.quote, -quote - BigInt(buyerFee))
    this.move(buyer.account, market.base, base)
    this.move(seller.account, market.base, -base)
    this.move(seller.account, market.quote, quote - BigInt(sellerFee))
    this.move(this.feeAccount, market.quote, BigInt(makerFee) + BigInt(takerFee))
    for (const order of [maker, taker]) if (order.remaining === 0) this.orders.delete(order.id)
  }

  /** One order's part of a fill: price, lots, bounds and fee. */
  private party(
    order: Told,
    event: EventRecord<'Fill'>,
    quote: bigint,
    fee: bigint,
    ppm: number,
    remaining: number,
  ): { isShort: boolean } {
    this.mayTrade(order)
    const name = `order ${order.id}`
    const worse = order.isSell ? event.ticks < order.ticks : event.ticks > order.ticks
    must(!worse, () => `${name} was told ${order.ticks} and executed at ${event.ticks}`)
    order.remaining -= event.lots
    must(order.remaining === remaining, () => `${name}: lots left`)
    order.executed += quote
    if (order.budget > 0n) must(order.executed <= order.budget, () => `${name} spent more than its budget`)
    const { sessionMax } = order
    if (sessionMax !== undefined)
      must(order.executed <= sessionMax, () => `${name} executed ${order.executed} of ${sessionMax} allowed`)
    const exact = quote * BigInt(ppm)
    order.exact += exact
    order.fees += fee
    order.carry += fee * MILLION - exact
    must(order.carry >= 0n, () => `${name} paid less than its exact fee`)
    const isShort = order.carry >= MILLION
    order.wasShort ||= isShort
    if (isShort) order.carry = MILLION - 1n
    if (!order.wasShort)
      must(
        order.fees === ceiling(order.exact),
        () => `${name}: fees ${order.fees} of ${order.exact} millionths`,
      )
    return { isShort }
  }

  /** A rebate may be lower than its due only if the fee account had no more. */
  private shortfall(maker: Told, makerFee: bigint, takerFee: bigint): void {
    const held = this.totals.get(key(this.feeAccount, maker.market.quote)) ?? 0n
    must(-makerFee <= held + takerFee, () => `order ${maker.id} was paid more than there is`)
    const reserves = [...this.orders.values()].some(({ account }) => account === this.feeAccount)
    if (!reserves) must(-makerFee === held + takerFee, () => `order ${maker.id} was paid less than there is`)
  }

  private triggered(event: EventRecord<'Triggered'>): void {
    const order = this.told(event.orderId)
    this.mayTrade(order)
    // So a header that gives more than half leaves every cascade to Time commands.
    // A stop that was reached before it came acts at once: only those that waited are fired.
    if (order.id !== this.ownOrder)
      must(this.stepsOfMessage * 2 <= this.stepsMax, () => `order ${order.id} fires after half of the steps`)
    const wider = order.isSell ? event.ticks < order.ticks : event.ticks > order.ticks
    must(!wider, () => `order ${order.id} was told ${order.ticks} and triggers at ${event.ticks}`)
    order.ticks = event.ticks
  }

  private mayTrade(order: Told): void {
    const { id, expiresAtMs, doomed } = order
    must(expiresAtMs === 0 || expiresAtMs > this.timeMs, () => `order ${id} trades after its expiry`)
    must(!doomed, () => `order ${id} trades under a mass cancel`)
  }

  private canceledAll(event: EventRecord<'CanceledAll'>): void {
    const { side } = event
    const named = [...this.orders.values()].filter(
      ({ account, market, isSell }) =>
        account === event.account &&
        (event.market === -1
          ? this.markets.get(market.id)!.status !== MarketStatus.Halted
          : market.id === event.market) &&
        (side === -1 || (side === 1) === isSell),
    )
    if (!event.restFollows) must(named.length === 0, () => 'orders outlived their mass cancel')
    for (const order of named) order.doomed = true
  }

  private told(orderId: number): Told {
    const order = this.orders.get(orderId)
    if (order === undefined) throw new Error(`audit: order ${orderId} is not live`)
    return order
  }

  private supplied(account: number, asset: number, units: bigint): void {
    this.supply.set(asset, (this.supply.get(asset) ?? 0n) + units)
    this.move(account, asset, units)
  }

  private move(account: number, asset: number, units: bigint): void {
    this.totals.set(key(account, asset), (this.totals.get(key(account, asset)) ?? 0n) + units)
  }

  /** Ledger, conservation, reserves and live orders, as the engine has them. */
  private holdAgainst(engine: Audited): void {
    const sums = new Map<number, bigint>()
    const reserved = new Map<string, bigint>()
    let live = 0
    for (const account of this.accounts) {
      for (const order of engine.orders(account)) {
        live++
        const { asset, units } = this.needOf(order)
        must(
          BigInt(order.reserved) === units,
          () => `order ${order.orderId} reserves ${order.reserved}, needs ${units}`,
        )
        reserved.set(key(account, asset), (reserved.get(key(account, asset)) ?? 0n) + units)
      }
      for (const balance of engine.balances(account)) {
        const { asset } = balance
        const total = BigInt(balance.available) + BigInt(balance.reserved)
        const where = (): string => `account ${account} asset ${asset}`
        must(balance.available >= 0 && balance.reserved >= 0, () => `${where()} is below zero`)
        must(total === (this.totals.get(key(account, asset)) ?? 0n), () => `${where()}: total ${total}`)
        must(
          BigInt(balance.reserved) === (reserved.get(key(account, asset)) ?? 0n),
          () => `${where()}: reserved`,
        )
        sums.set(asset, (sums.get(asset) ?? 0n) + total)
      }
    }
    must(live === this.orders.size, () => `${live} orders live, ${this.orders.size} told`)
    for (const [asset, units] of this.supply)
      must(
        (sums.get(asset) ?? 0n) === units,
        () => `asset ${asset}: ${sums.get(asset)} held, ${units} supplied`,
      )
  }

  private needOf(view: ReturnType<Audited['orders']>[number]): { asset: number; units: bigint } {
    const order = this.told(view.orderId)
    const { market } = order
    must(view.remaining === order.remaining, () => `order ${order.id}: lots left`)
    must(view.ticks === order.ticks, () => `order ${order.id} stands at ${view.ticks}, told ${order.ticks}`)
    const lots = BigInt(view.remaining)
    if (order.isSell) return { asset: market.base, units: lots * BigInt(market.lotUnits) }
    const quote =
      order.budget > 0n ? order.budget - order.executed : BigInt(view.ticks) * lots * BigInt(market.tickUnits)
    const fee = ceiling(quote * BigInt(order.bound) - order.carry)
    return { asset: market.quote, units: quote + (fee > 0n ? fee : 0n) }
  }
}

function eventOf(words: Int32Array): EventRecord {
  const floats = new Float64Array(words.buffer, words.byteOffset, EVENT_WORDS / 2)
  const event = readEvent(words, floats, 0)
  if (event === undefined) throw new Error(`audit: event ${words[0]}`)
  return event
}

/** What an owner asks for goes out whole, and costs no more than he has accepted; the operator's own costs nothing. */
function checkWithdrawal(words: Int32Array, events: readonly Int32Array[], inFrame: boolean): void {
  const floats = new Float64Array(words.buffer, words.byteOffset, words.length >> 1)
  const isOwners = inFrame || ((words[0]! >>> WithdrawCmd.OPERATOR_SHIFT) & 1) === 0
  const mayCost = isOwners ? floats[WithdrawCmd.MAX_FEE_F64]! : 0
  for (const event of events.map(eventOf)) {
    if (event.name !== 'Withdrawn') continue
    must(event.fee <= mayCost, () => `a withdrawal cost ${event.fee}, accepted were ${mayCost}`)
    must(!isOwners || event.units === floats[WithdrawCmd.UNITS_F64], () => 'another amount went out')
  }
}

const ceiling = (millionths: bigint): bigint =>
  millionths > 0n ? (millionths + MILLION - 1n) / MILLION : -(-millionths / MILLION)

function must(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(`audit: ${what()}`)
}
