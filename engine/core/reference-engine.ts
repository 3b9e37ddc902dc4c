/**
 * The reference engine: the rules of the exchange, one after the other, without regard to speed. It takes
 * the same command records as the fast core and answers with the same events; property tests compare
 * events, balances and state after each command. In tests only.
 */
import {
  CancelReason,
  CommandKind,
  EventKind,
  MarketStatus,
  OrderType,
  PostOnly,
  Reject,
  Scope,
  Stp,
  TimeInForce,
} from '../codes.js'
import {
  Attr,
  Cmd,
  EVENT_WORDS,
  Ev,
  FrameCmd,
  INT_NOT_AN_INTEGER,
  INT_OVER_LIMIT,
  MarketCmd,
  OpenAccountCmd,
  SessionCmd,
} from '../layout.js'
import {
  FRAME_COMMANDS_MAX,
  FRAME_NONCE_WINDOW,
  ICEBERG_PARTS_MAX,
  TICKS_MAX,
  TIERS_MAX,
  UNITS_END,
} from '../limits.js'
import type { EngineOptions } from '../types.js'
import {
  ReferenceAccount,
  ReferenceBook,
  type ReferenceOrder,
  referenceFee,
  waitsForRise,
} from './book-reference.js'

export interface ReferenceMarket {
  readonly id: number
  readonly base: number
  readonly quote: number
  readonly lotUnits: bigint
  readonly tickUnits: bigint
  status: number
  bandPpm: number
  lastTicks: number
  /** By tier; 0 is the market's own. */
  readonly fees: Map<number, { maker: number; taker: number }>
  readonly book: ReferenceBook
}

export interface ReferenceSession {
  state: 'active' | 'revoked'
  readonly account: number
  readonly attributes: number
  readonly keyX: number[]
  readonly maxNotional: number
  readonly expiresAtMs: number
  /** -1 before the first frame. */
  highest: number
  readonly frames: Map<
    number,
    { readonly firstSeq: number; readonly codes: number[]; readonly count: number }
  >
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

/** Words and doubles of an event beyond kind and seq; what is left out is zero. */
interface EventFields {
  attributes?: number
  subject?: number
  ticks?: number
  lots?: number
  account?: number
  code?: number
  cloid?: bigint
  counterAccount?: number
  remaining?: number
  counterCloid?: bigint
  counterRemaining?: number
  other?: number
  a?: number | bigint
  b?: number | bigint
  takerOrderId?: number
  orderId?: number
  /** Words from CLOID_LO on, in place of ids. */
  tail?: readonly number[]
}

const END = BigInt(UNITS_END)
const isMarketType = (type: number): boolean => type % 2 === 1
const isStopType = (type: number): boolean => type >= OrderType.StopLimit
const isWhole = (value: number, min: number): boolean =>
  Number.isInteger(value) && value >= min && value < UNITS_END

export class ReferenceEngine {
  seq = 0
  timeMs = 0
  depositsConsumed = 0
  readonly feeAccount: number
  readonly requireFrames: boolean
  readonly assets = new Map<number, string>()
  readonly markets = new Map<number, ReferenceMarket>()
  readonly accounts = new Map<number, ReferenceAccount>()
  readonly sessions: ReferenceSession[] = []
  readonly protections = new Map<number, Map<number, ReferenceProtection>>()
  readonly supply = new Map<number, bigint>()
  frame = { left: 0, session: -1, nonce: -1, accepted: false }
  /** Events of the last command, as records of EVENT_WORDS words. */
  events: Int32Array[] = []
  private readonly ordersMax: number
  private readonly accountsMax: number
  private traded: { low: number; high: number } | undefined
  private reached: { account: number; market: ReferenceMarket }[] = []

  constructor(options: EngineOptions) {
    const { genesis } = options
    this.feeAccount = genesis.feeAccount ?? 0
    this.requireFrames = genesis.requireFrames === true
    this.ordersMax = options.ordersMax ?? 1 << 20
    this.accountsMax = options.accountsMax ?? 1 << 22
    for (const { id, symbol } of genesis.assets) this.assets.set(id, symbol)
    for (const config of genesis.markets)
      this.markets.set(config.id, {
        id: config.id,
        base: config.base,
        quote: config.quote,
        lotUnits: BigInt(config.lotUnits),
        tickUnits: BigInt(config.tickUnits),
        status: config.status ?? 0,
        bandPpm: config.bandPpm ?? 0,
        lastTicks: 0,
        fees: new Map([[0, { maker: config.makerFeePpm, taker: config.takerFeePpm }]]),
        book: new ReferenceBook(),
      })
    this.accounts.set(this.feeAccount, new ReferenceAccount())
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

  /** Applies the command record at `offset`; its events are then in `events`. */
  apply(words: Int32Array, floats: Float64Array, offset: number): void {
    this.seq++
    this.events = []
    const command = new Command(words, floats, offset)
    const inFrame = this.frame.left > 0 && command.kind !== CommandKind.Time
    let code: number
    if (inFrame) {
      code = this.frameAllows(command)
      if (code === 0) code = this.act(command)
      if (this.frame.accepted)
        this.sessions[this.frame.session]!.frames.get(this.frame.nonce)!.codes.push(code)
      this.frame.left--
    } else code = this.needsFrame(command) ? Reject.FrameRequired : this.act(command)
    if (code !== 0) this.reject(command, code)
  }

  // ---- Frames and sessions

  private needsFrame({ kind, lots }: Command): boolean {
    if (!this.requireFrames || !isTrade(kind)) return false
    return !(kind === CommandKind.CancelAll && lots !== 0)
  }

  private frameAllows({ kind, account }: Command): number {
    const session = this.sessions[this.frame.session]
    if (!this.frame.accepted || session === undefined) return Reject.FrameRejected
    if (kind === CommandKind.Frame) return Reject.BadFrame
    if (account !== session.account) return Reject.WrongAccount
    const has = (scope: number): boolean => (session.attributes & scope) !== 0
    if (isTrade(kind)) return has(Scope.Trade) ? 0 : Reject.SessionScope
    if (kind === CommandKind.Withdraw) return has(Scope.WithdrawRequest) ? 0 : Reject.SessionScope
    return kind === CommandKind.RevokeSession ? 0 : Reject.SessionScope
  }

  private openFrame({ words, floats, at, account }: Command): number {
    const count = words[at + FrameCmd.COUNT]!
    if (count < 1 || count > FRAME_COMMANDS_MAX) return Reject.BadFrame
    const slot = words[at + FrameCmd.SESSION]!
    const nonce = floats[at / 2 + FrameCmd.NONCE_F64]!
    this.frame = { left: count, session: -1, nonce: -1, accepted: false }
    const session = this.sessions[slot]
    if (session === undefined || session.state !== 'active') return Reject.UnknownSession
    if (session.account !== account) return Reject.WrongAccount
    if (session.expiresAtMs <= this.timeMs) return Reject.SessionExpired
    if (!isWhole(nonce, 0)) return Reject.BadFrame
    if (nonce <= session.highest - FRAME_NONCE_WINDOW) return Reject.FrameNonceTooOld
    if (session.frames.has(nonce)) return Reject.FrameNonceUsed
    session.highest = Math.max(session.highest, nonce)
    session.frames.set(nonce, { firstSeq: this.seq, codes: [], count })
    for (const old of session.frames.keys())
      if (old <= session.highest - FRAME_NONCE_WINDOW) session.frames.delete(old)
    this.frame = { left: count, session: slot, nonce, accepted: true }
    this.emit(EventKind.FrameOpened, { account, code: slot, lots: count, a: nonce })
    return 0
  }

  private approve({ words, floats, at, account, head }: Command): number {
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const scopes = (head >>> Attr.SCOPE_SHIFT) & 15
    if (scopes === 0) return Reject.SessionScope
    const maxNotional = floats[at / 2 + SessionCmd.MAX_NOTIONAL_F64]!
    if (!Number.isInteger(maxNotional)) return Reject.NotAnInteger
    if (maxNotional < 0) return Reject.NegativeUnits
    if (maxNotional >= UNITS_END) return Reject.UnitsOverLimit
    const expiresAtMs = floats[at / 2 + SessionCmd.EXPIRES_AT_F64]!
    if (!isWhole(expiresAtMs, this.timeMs + 1)) return Reject.BadExpiry
    const nonce = floats[at / 2 + SessionCmd.NONCE_F64]!
    if (!isWhole(nonce, owner.approvalNonce + 1)) return Reject.ApprovalNonceUsed
    owner.approvalNonce = nonce
    const attributes = scopes | (((head >>> Attr.PARITY_SHIFT) & 1) << 4)
    const keyX = Array.from(words.subarray(at + SessionCmd.X, at + SessionCmd.X + 8))
    const slot =
      this.sessions.push({
        state: 'active',
        account,
        attributes,
        keyX,
        maxNotional,
        expiresAtMs,
        highest: -1,
        frames: new Map(),
      }) - 1
    this.emit(EventKind.SessionApproved, {
      attributes: attributes << 16,
      account,
      code: slot,
      tail: keyX,
      a: maxNotional,
      b: expiresAtMs,
    })
    return 0
  }

  private revoke({ words, floats, at, account }: Command): number {
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const slot = words[at + SessionCmd.X]!
    const session = this.sessions[slot]
    if (session === undefined || session.state !== 'active' || session.account !== account)
      return Reject.UnknownSession
    const nonce = floats[at / 2 + SessionCmd.NONCE_F64]!
    if (nonce !== 0) {
      if (!isWhole(nonce, owner.approvalNonce + 1)) return Reject.ApprovalNonceUsed
      owner.approvalNonce = nonce
    }
    session.state = 'revoked'
    this.emit(EventKind.SessionRevoked, { account, code: slot })
    return 0
  }

  // ---- The switch

  private act(command: Command): number {
    this.traded = undefined
    switch (command.kind) {
      case CommandKind.Place:
        return this.place(command)
      case CommandKind.Amend:
        return this.amend(command)
      case CommandKind.Cancel:
        return this.cancelOne(command)
      case CommandKind.CancelAll:
        return this.cancelAll(command)
      case CommandKind.Deposit:
        return this.deposit(command)
      case CommandKind.Withdraw:
        return this.withdraw(command)
      case CommandKind.Transfer:
        return this.transfer(command)
      case CommandKind.Time:
        return this.time(command)
      case CommandKind.OpenAccount:
        return this.openAccount(command)
      case CommandKind.ApproveSession:
        return this.approve(command)
      case CommandKind.RevokeSession:
        return this.revoke(command)
      case CommandKind.Frame:
        return this.openFrame(command)
      case CommandKind.SetMarketStatus:
        return this.setStatus(command)
      case CommandKind.SetMarketFees:
      case CommandKind.SetTierFees:
        return this.setFees(command)
      case CommandKind.SetPriceBand:
        return this.setBand(command)
      case CommandKind.SetAccountTier:
        return this.setTier(command)
      case CommandKind.CancelAfter:
        return this.cancelAfter(command)
      case CommandKind.SetProtection:
        return this.setProtection(command)
      case CommandKind.ResetProtection:
        return this.resetProtection(command)
      default:
        return Reject.UnknownCommand
    }
  }

  // ---- Orders

  private place(command: Command): number {
    const { head, account, ticks: askedTicks, lots, words, at } = command
    const market = this.markets.get(command.market)
    const owner = this.accounts.get(account)
    if (market === undefined) return Reject.UnknownMarket
    if (owner === undefined) return Reject.UnknownAccount
    if (this.late(command)) return Reject.DeadlinePassed
    const closed = statusReject(market.status)
    if (closed !== 0) return closed

    const side = (head >>> Attr.SIDE_SHIFT) & 1
    const type = (head >>> Attr.TYPE_SHIFT) & 7
    const postOnly = (head >>> Attr.POST_ONLY_SHIFT) & 3
    const stp = (head >>> Attr.STP_SHIFT) & 7
    let timeInForce = (head >>> Attr.TIF_SHIFT) & 7
    if (((head >>> Attr.INVALID_SIDE_SHIFT) & 1) === 1) return Reject.BadSide
    if (type > OrderType.TakeProfit) return Reject.BadOrderType
    if (timeInForce > TimeInForce.GTD) return Reject.BadTimeInForce
    if (postOnly > PostOnly.Slide) return Reject.BadPostOnly
    if (stp > Stp.Decrement) return Reject.BadStp
    if (((head >>> Attr.INVALID_CLOID_SHIFT) & 1) === 1) return Reject.BadClientOrderId
    if (type === OrderType.Market && timeInForce === TimeInForce.GTD) return Reject.BadTimeInForce
    if (type === OrderType.Market && timeInForce === TimeInForce.GTC) timeInForce = TimeInForce.IOC

    const budgetUnits = command.amount
    let ticks = askedTicks
    if (ticks === 0 && budgetUnits > 0 && isMarketType(type)) ticks = TICKS_MAX
    const badTicks = ticksReject(ticks)
    if (badTicks !== 0) return badTicks
    const badLots = lotsReject(lots)
    if (badLots !== 0) return badLots

    const immediate = timeInForce === TimeInForce.IOC || timeInForce === TimeInForce.FOK
    const restsNever = immediate || isMarketType(type)
    if (postOnly !== PostOnly.None && restsNever) return Reject.PostOnlyNotGtc
    const display = words[at + Cmd.DISPLAY_LOTS]!
    if (display !== 0 && (restsNever || !displayFits(display, lots))) return Reject.BadDisplayLots
    const trigger = words[at + Cmd.TRIGGER_TICKS]!
    if (isStopType(type) ? trigger < 1 : trigger !== 0) return Reject.BadTriggerTicks
    const expiresAtMs = command.expiresAtMs
    if (timeInForce === TimeInForce.GTD ? !isWhole(expiresAtMs, this.timeMs + 1) : expiresAtMs !== 0)
      return Reject.BadExpiry
    if (budgetUnits !== 0 && !(isWhole(budgetUnits, 1) && side === 0 && isMarketType(type)))
      return Reject.BadQuoteBudget
    const budget = budgetUnits === 0 ? undefined : BigInt(budgetUnits)

    const notional = budget ?? BigInt(ticks) * BigInt(lots) * market.tickUnits
    if (notional >= END || BigInt(lots) * market.lotUnits >= END) return Reject.NotionalOverLimit
    if (this.overSessionNotional(notional)) return Reject.SessionNotional
    if (this.protections.get(account)?.get(market.id)?.frozen === true) return Reject.ProtectionFrozen
    if (this.find(account, command.cloid) !== undefined) return Reject.DuplicateClientOrderId

    const live = !isStopType(type) || this.triggered(market, { side, type }, trigger)
    if (live && isMarketType(type)) ticks = clampToBand(market, ticks)
    if (live && !isMarketType(type) && clampToBand(market, ticks) !== ticks) return Reject.PriceBand
    if (live && postOnly !== PostOnly.None) {
      ticks = postOnlyTicks(market, side, ticks, postOnly)
      if (ticks === 0) return Reject.PostOnlyWouldCross
    }
    const mayRest = isStopType(type) || !immediate
    if (mayRest && this.liveOrders().length >= this.ordersMax) return Reject.OrdersFull

    const order: ReferenceOrder = {
      id: this.seq,
      account,
      market: market.id,
      cloid: command.cloid,
      side,
      type,
      timeInForce,
      postOnly,
      stp,
      ticks,
      lots,
      remaining: lots,
      visible: lots,
      display,
      trigger,
      expiresAtMs,
      budget,
      feePpm: this.worstPpm(market, account),
      reserved: 0n,
      waiting: false,
      rank: 0,
    }
    if (this.need(order, lots) > owner.balance(reserveAsset(market, side)).available)
      return Reject.InsufficientFunds

    this.reserve(order, this.need(order, lots))
    this.emit(EventKind.Accepted, {
      ...orderFields(order),
      counterRemaining: display,
      counterCloid: BigInt(isStopType(type) ? trigger : 0),
      a: expiresAtMs,
      b: budget ?? 0n,
    })
    if (live) {
      if (isStopType(type)) this.activate(order)
      else this.enter(order)
      this.triggerStops(market)
    } else {
      order.waiting = true
      market.book.append(order)
    }
    return 0
  }

  private amend(command: Command): number {
    const found = this.named(command)
    if (typeof found === 'number') return found
    const { order, market } = found
    if (this.late(command)) return Reject.DeadlinePassed
    const closed = statusReject(market.status)
    if (closed !== 0) return closed
    const { lots, words, at } = command
    let { ticks } = command
    const badTicks = ticksReject(ticks)
    if (badTicks !== 0) return badTicks
    const badLots = lotsReject(lots)
    if (badLots !== 0) return badLots
    const display = words[at + Cmd.DISPLAY_LOTS]!
    if (display !== 0 && (isMarketType(order.type) || !displayFits(display, lots)))
      return Reject.BadDisplayLots
    const trigger = words[at + Cmd.TRIGGER_TICKS]!
    if (trigger !== 0 && (trigger < 0 || !order.waiting)) return Reject.BadTriggerTicks
    const { expiresAtMs } = command
    if (expiresAtMs !== 0 && (order.expiresAtMs === 0 || !isWhole(expiresAtMs, this.timeMs + 1)))
      return Reject.BadExpiry
    if (command.amount !== 0) return Reject.BadQuoteBudget
    const notional = order.budget ?? BigInt(ticks) * BigInt(lots) * market.tickUnits
    if (notional >= END || BigInt(lots) * market.lotUnits >= END) return Reject.NotionalOverLimit
    if (this.overSessionNotional(notional)) return Reject.SessionNotional
    if (this.protections.get(order.account)?.get(market.id)?.frozen === true) return Reject.ProtectionFrozen

    const filled = order.lots - order.remaining
    if (lots <= filled) {
      this.cancel(order, CancelReason.AmendedToFilled)
      return 0
    }
    const remaining = lots - filled
    const sameTerms =
      ticks === order.ticks &&
      (trigger === 0 || trigger === order.trigger) &&
      (expiresAtMs === 0 || expiresAtMs === order.expiresAtMs)
    const sameDisplay = display === 0 || display === order.display
    if (sameTerms && sameDisplay && lots === order.lots) {
      this.amended(order, order.ticks, true)
      return 0
    }
    const showsNoMore = sameDisplay || order.display === 0 || display < order.display
    if (sameTerms && showsNoMore && lots <= order.lots) {
      order.lots = lots
      if (display !== 0) order.display = display
      order.remaining = remaining
      order.visible = Math.min(order.visible, remaining)
      if (order.display !== 0 && !order.waiting) order.visible = Math.min(order.visible, order.display)
      this.reserve(order, this.need(order, remaining))
      this.amended(order, order.ticks, true)
      return 0
    }

    const newTrigger = trigger === 0 ? order.trigger : trigger
    const live = !order.waiting || this.triggered(market, order, newTrigger)
    if (live && !isMarketType(order.type)) {
      if (ticks !== order.ticks && clampToBand(market, ticks) !== ticks) return Reject.PriceBand
      if (order.postOnly !== PostOnly.None) {
        ticks = postOnlyTicks(market, order.side, ticks, order.postOnly)
        if (ticks === 0) return Reject.PostOnlyWouldCross
      }
    }
    const feePpm = this.worstPpm(market, order.account)
    const need = this.need({ ...order, ticks, feePpm }, remaining)
    const { available } = this.accounts.get(order.account)!.balance(reserveAsset(market, order.side))
    if (need > available + order.reserved) return Reject.InsufficientFunds

    const before = order.ticks
    const wasWaiting = order.waiting
    market.book.remove(order)
    Object.assign(order, {
      ticks,
      lots,
      remaining,
      visible: remaining,
      feePpm,
      trigger: newTrigger,
      waiting: false,
    })
    if (display !== 0) order.display = display
    if (expiresAtMs !== 0) order.expiresAtMs = expiresAtMs
    this.reserve(order, need)
    this.amended(order, before, false)
    if (live) {
      if (wasWaiting) this.activate(order)
      else this.enter(order)
      this.triggerStops(market)
    } else {
      order.waiting = true
      market.book.append(order)
    }
    return 0
  }

  private cancelOne(command: Command): number {
    const found = this.named(command)
    if (typeof found === 'number') return found
    if (this.late(command)) return Reject.DeadlinePassed
    if (found.market.status === MarketStatus.Halted) return Reject.MarketHalted
    this.cancel(found.order, CancelReason.User)
    return 0
  }

  private cancelAll(command: Command): number {
    const { account, market, words, at, lots } = command
    const side = words[at + Cmd.OTHER]!
    if (market !== -1 && !this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    if (this.late(command)) return Reject.DeadlinePassed
    if (market !== -1 && this.markets.get(market)!.status === MarketStatus.Halted) return Reject.MarketHalted
    if (side < -1 || side > 1) return Reject.BadSide
    const reason = lots === CancelReason.Disconnect ? CancelReason.Disconnect : CancelReason.CancelAll
    const orders = this.ordersOf(account).filter(
      (order) =>
        (market === -1
          ? this.markets.get(order.market)!.status !== MarketStatus.Halted
          : order.market === market) &&
        (side === -1 || order.side === side),
    )
    for (const order of orders) this.cancel(order, reason)
    this.emit(EventKind.CanceledAll, { subject: market, account, lots: orders.length, other: side })
    return 0
  }

  /** Matches an order that stands nowhere, then lets it rest or ends it. */
  private enter(order: ReferenceOrder): void {
    const market = this.markets.get(order.market)!
    const immediate = order.timeInForce === TimeInForce.IOC || order.timeInForce === TimeInForce.FOK
    const killed = order.timeInForce === TimeInForce.FOK && !this.couldFill(order, market)
    const reason = killed ? CancelReason.FillOrKill : this.match(order, market)
    if (order.remaining === 0) this.done(order)
    else if (reason !== 0) this.cancel(order, reason)
    else if (immediate || isMarketType(order.type)) this.cancel(order, CancelReason.ImmediateOrCancel)
    else {
      order.visible = order.display === 0 ? order.remaining : Math.min(order.display, order.remaining)
      market.book.append(order)
    }
    for (const { account, market: where } of this.reached.splice(0)) {
      this.emit(EventKind.ProtectionTriggered, { account, subject: where.id })
      for (const own of this.ordersOf(account))
        if (own.market === where.id) this.cancel(own, CancelReason.Protection)
    }
  }

  /** Fills as far as prices reach; a CancelReason when something else ends it, or 0. */
  private match(taker: ReferenceOrder, market: ReferenceMarket): number {
    const { book } = market
    while (taker.remaining > 0) {
      const maker = book.resting(1 - taker.side)[0]
      if (maker === undefined) return 0
      if (taker.side === 0 ? maker.ticks > taker.ticks : maker.ticks < taker.ticks) return 0
      if (maker.account === taker.account) {
        if (this.preventSelfTrade(maker, taker)) return CancelReason.SelfTrade
        continue
      }
      let lots = Math.min(taker.remaining, maker.visible)
      if (taker.budget !== undefined) {
        const affordable = taker.budget / (BigInt(maker.ticks) * market.tickUnits)
        if (affordable === 0n) return CancelReason.QuoteBudgetSpent
        if (affordable < BigInt(lots)) lots = Number(affordable)
      }
      const blocked = this.fill(maker, taker, lots, market)
      if (blocked === taker) return CancelReason.BalanceOverLimit
      if (blocked === maker) {
        this.cancel(maker, CancelReason.BalanceOverLimit)
        continue
      }
      if (maker.remaining === 0) {
        book.remove(maker)
        this.done(maker)
      } else if (maker.visible === 0) {
        maker.visible = Math.min(maker.display, maker.remaining)
        book.append(maker)
        this.emit(EventKind.Refilled, { ...orderFields(maker), counterRemaining: maker.visible })
      }
    }
    return 0
  }

  /** Moves money and lots between two orders, unless a balance would reach 2^53: then says whose. */
  private fill(
    maker: ReferenceOrder,
    taker: ReferenceOrder,
    lots: number,
    market: ReferenceMarket,
  ): ReferenceOrder | undefined {
    const quote = BigInt(maker.ticks) * BigInt(lots) * market.tickUnits
    const base = BigInt(lots) * market.lotUnits
    const takerPpm = Math.min(this.fees(market, taker.account).taker, taker.feePpm)
    const makerPpm = Math.max(Math.min(this.fees(market, maker.account).maker, maker.feePpm), -takerPpm)
    const takerFee = referenceFee(quote, takerPpm)
    const makerFee = referenceFee(quote, makerPpm)
    const [buyer, seller] = taker.side === 0 ? [taker, maker] : [maker, taker]
    const buyerFee = buyer === taker ? takerFee : makerFee
    const sellerFee = seller === taker ? takerFee : makerFee
    const buyerAccount = this.accounts.get(buyer.account)!
    const sellerAccount = this.accounts.get(seller.account)!
    const feeAccount = this.accounts.get(this.feeAccount)!
    const proceeds = quote - sellerFee
    if (buyerAccount.total(market.base) + base >= END) return buyer
    if (sellerAccount.total(market.quote) + proceeds >= END) return seller
    const alsoProceeds = feeAccount === sellerAccount ? proceeds : 0n
    if (feeAccount.total(market.quote) + takerFee + makerFee + alsoProceeds >= END) return taker

    buyer.reserved -= quote + buyerFee
    buyerAccount.balance(market.quote).reserved -= quote + buyerFee
    buyerAccount.balance(market.base).available += base
    seller.reserved -= base
    sellerAccount.balance(market.base).reserved -= base
    sellerAccount.balance(market.quote).available += proceeds
    feeAccount.balance(market.quote).available += takerFee + makerFee
    for (const order of [maker, taker]) {
      order.remaining -= lots
      order.visible -= lots
    }
    if (taker.budget !== undefined) taker.budget -= quote
    market.lastTicks = maker.ticks
    this.traded = {
      low: Math.min(this.traded?.low ?? maker.ticks, maker.ticks),
      high: Math.max(this.traded?.high ?? maker.ticks, maker.ticks),
    }
    this.emit(EventKind.Fill, {
      attributes: maker.side << Attr.SIDE_SHIFT,
      subject: market.id,
      ticks: maker.ticks,
      lots,
      account: maker.account,
      cloid: maker.cloid,
      counterAccount: taker.account,
      remaining: maker.remaining,
      counterCloid: taker.cloid,
      counterRemaining: taker.remaining,
      a: makerFee,
      b: takerFee,
      takerOrderId: taker.id,
      orderId: maker.id,
    })
    this.countProtected(maker.account, market, Number(quote))
    return undefined
  }

  /** True = the taker ends here. */
  private preventSelfTrade(maker: ReferenceOrder, taker: ReferenceOrder): boolean {
    switch (taker.stp) {
      case Stp.CancelTaker:
        return true
      case Stp.CancelMaker:
        this.cancel(maker, CancelReason.SelfTrade)
        return false
      case Stp.CancelBoth:
        this.cancel(maker, CancelReason.SelfTrade)
        return true
      default: {
        const lots = Math.min(maker.remaining, taker.remaining)
        const takerEnds = taker.remaining === lots
        if (maker.remaining === lots) this.cancel(maker, CancelReason.SelfTrade)
        else this.decrement(maker, lots, true)
        if (!takerEnds) this.decrement(taker, lots, false)
        return takerEnds
      }
    }
  }

  private decrement(order: ReferenceOrder, lots: number, standing: boolean): void {
    order.lots -= lots
    order.remaining -= lots
    order.visible = standing ? Math.min(order.visible, order.remaining) : order.remaining
    if (order.budget === undefined) this.reserve(order, this.need(order, order.remaining))
    this.amended(order, order.ticks, standing)
  }

  /** Plays the match through on copies: true when nothing of the order would be left. */
  private couldFill(taker: ReferenceOrder, market: ReferenceMarket): boolean {
    let wanted = taker.remaining
    let budget = taker.budget
    const queue = market.book.resting(1 - taker.side).map((order) => ({ ...order }))
    while (wanted > 0) {
      const maker = queue[0]
      if (maker === undefined) return false
      if (taker.side === 0 ? maker.ticks > taker.ticks : maker.ticks < taker.ticks) return false
      if (maker.account === taker.account) {
        if (taker.stp !== Stp.CancelMaker) return false
        queue.shift()
        continue
      }
      const lots = Math.min(wanted, maker.visible)
      if (budget !== undefined) {
        budget -= BigInt(maker.ticks) * BigInt(lots) * market.tickUnits
        if (budget < 0n) return false
      }
      wanted -= lots
      maker.visible -= lots
      maker.remaining -= lots
      if (maker.visible > 0) continue
      queue.shift()
      if (maker.remaining === 0) continue
      maker.visible = Math.min(maker.display, maker.remaining)
      const behind = queue.findIndex((order) => order.ticks !== maker.ticks)
      queue.splice(behind < 0 ? queue.length : behind, 0, maker)
    }
    return true
  }

  private cancel(order: ReferenceOrder, reason: number): void {
    this.emit(EventKind.Canceled, { ...orderFields(order), code: reason })
    this.markets.get(order.market)!.book.remove(order)
    this.done(order)
  }

  /** Gives back what a finished order still reserves. */
  private done(order: ReferenceOrder): void {
    this.reserve(order, 0n)
  }

  private triggerStops(market: ReferenceMarket): void {
    for (;;) {
      const { traded } = this
      if (traded === undefined) return
      const rising = market.book.waiting(true)[0]
      const falling = market.book.waiting(false)[0]
      const next =
        rising !== undefined && rising.trigger <= traded.high
          ? rising
          : falling !== undefined && falling.trigger >= traded.low
            ? falling
            : undefined
      if (next === undefined) return
      market.book.remove(next)
      next.waiting = false
      this.activate(next)
    }
  }

  private activate(order: ReferenceOrder): void {
    const market = this.markets.get(order.market)!
    this.emit(EventKind.Triggered, { ...orderFields(order), counterCloid: BigInt(order.trigger) })
    if (isMarketType(order.type)) {
      order.ticks = clampToBand(market, order.ticks)
      this.enter(order)
      return
    }
    const ticks =
      order.postOnly === PostOnly.None
        ? order.ticks
        : postOnlyTicks(market, order.side, order.ticks, order.postOnly)
    if (ticks === 0 || clampToBand(market, ticks) !== ticks) {
      this.cancel(order, CancelReason.TriggerRejected)
      return
    }
    order.ticks = ticks
    this.enter(order)
  }

  private triggered(
    market: ReferenceMarket,
    order: { readonly side: number; readonly type: number },
    trigger: number,
  ): boolean {
    if (market.lastTicks === 0) return false
    return waitsForRise(order) ? market.lastTicks >= trigger : market.lastTicks <= trigger
  }

  // ---- Money

  private fees(market: ReferenceMarket, account: number): { maker: number; taker: number } {
    return market.fees.get(this.accounts.get(account)!.tier) ?? market.fees.get(0)!
  }

  private worstPpm(market: ReferenceMarket, account: number): number {
    const { maker, taker } = this.fees(market, account)
    return Math.max(maker, taker)
  }

  /** Units that an order must hold for `lots` at its limit. */
  private need(order: ReferenceOrder, lots: number): bigint {
    const market = this.markets.get(order.market)!
    if (order.side === 1) return BigInt(lots) * market.lotUnits
    const quote = order.budget ?? BigInt(order.ticks) * BigInt(lots) * market.tickUnits
    if (order.feePpm === 0) return quote
    const affordable = order.budget === undefined ? BigInt(lots) : order.budget / market.tickUnits
    const fills = affordable < BigInt(lots) ? affordable : BigInt(lots)
    return quote + referenceFee(quote, order.feePpm) + (fills > 0n ? fills - 1n : 0n)
  }

  private reserve(order: ReferenceOrder, units: bigint): void {
    const market = this.markets.get(order.market)!
    const balance = this.accounts.get(order.account)!.balance(reserveAsset(market, order.side))
    balance.available += order.reserved - units
    balance.reserved += units - order.reserved
    order.reserved = units
  }

  private deposit(command: Command): number {
    const { account, market: asset, amount, words, at, floats } = command
    const fromChain = words[at + Cmd.OTHER] === 1
    const position = floats[at / 2 + Cmd.DEADLINE_F64]!
    if (!this.assets.has(asset)) return Reject.UnknownAsset
    if (account < 0) return Reject.UnknownAccount
    if (account >= this.accountsMax) return Reject.AccountsFull
    if (fromChain && position !== this.depositsConsumed) return Reject.DepositOutOfOrder
    const bad = unitsReject(amount)
    if (bad !== 0) return bad
    if ((this.accounts.get(account)?.total(asset) ?? 0n) + BigInt(amount) >= END)
      return Reject.BalanceOverLimit
    if (!this.accounts.has(account)) this.accounts.set(account, new ReferenceAccount())
    this.accounts.get(account)!.balance(asset).available += BigInt(amount)
    this.supply.set(asset, (this.supply.get(asset) ?? 0n) + BigInt(amount))
    if (fromChain) this.depositsConsumed++
    this.emit(EventKind.Deposited, {
      subject: asset,
      account,
      a: amount,
      b: fromChain ? position : 0,
      other: fromChain ? 1 : 0,
    })
    return 0
  }

  private withdraw(command: Command): number {
    const { account, market: asset, amount, floats, at } = command
    const nonce = floats[at / 2 + Cmd.DEADLINE_F64]!
    if (!this.assets.has(asset)) return Reject.UnknownAsset
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const bad = unitsReject(amount)
    if (bad !== 0) return bad
    if (nonce !== 0 && !isWhole(nonce, owner.withdrawalNonce + 1)) return Reject.WithdrawalNonceUsed
    if (owner.balance(asset).available < BigInt(amount)) return Reject.InsufficientFunds
    if (nonce !== 0) owner.withdrawalNonce = nonce
    owner.balance(asset).available -= BigInt(amount)
    this.supply.set(asset, this.supply.get(asset)! - BigInt(amount))
    this.emit(EventKind.Withdrawn, { subject: asset, account, a: amount, b: nonce })
    return 0
  }

  private transfer({ account, market: asset, amount, words, at }: Command): number {
    const receiver = words[at + Cmd.OTHER]!
    if (!this.assets.has(asset)) return Reject.UnknownAsset
    const from = this.accounts.get(account)
    const to = this.accounts.get(receiver)
    if (from === undefined || to === undefined) return Reject.UnknownAccount
    if (from === to) return Reject.SameAccount
    if (from.owner.join() !== to.owner.join()) return Reject.NotOwner
    const bad = unitsReject(amount)
    if (bad !== 0) return bad
    if (from.balance(asset).available < BigInt(amount)) return Reject.InsufficientFunds
    if (to.total(asset) + BigInt(amount) >= END) return Reject.BalanceOverLimit
    from.balance(asset).available -= BigInt(amount)
    to.balance(asset).available += BigInt(amount)
    this.emit(EventKind.Transferred, { subject: asset, account, counterAccount: receiver, a: amount })
    return 0
  }

  // ---- Time

  private time({ amount }: Command): number {
    if (!isWhole(amount, 0)) return Reject.BadTime
    this.timeMs = Math.max(this.timeMs, amount)
    this.emit(EventKind.TimeAdvanced, { a: this.timeMs })
    const expired = this.liveOrders()
      .filter(({ expiresAtMs }) => expiresAtMs !== 0 && expiresAtMs <= this.timeMs)
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs || a.id - b.id)
    for (const order of expired) this.cancel(order, CancelReason.Expired)
    const due = [...this.accounts]
      .filter(([, { cancelAfterMs }]) => cancelAfterMs !== 0 && cancelAfterMs <= this.timeMs)
      .sort(([a, first], [b, second]) => first.cancelAfterMs - second.cancelAfterMs || a - b)
    for (const [account, owner] of due) {
      owner.cancelAfterMs = 0
      for (const order of this.ordersOf(account)) this.cancel(order, CancelReason.DeadManSwitch)
    }
    return 0
  }

  private cancelAfter(command: Command): number {
    const { account, amount } = command
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    if (this.late(command)) return Reject.DeadlinePassed
    if (amount !== 0 && !isWhole(amount, this.timeMs + 1)) return Reject.BadExpiry
    owner.cancelAfterMs = amount
    this.emit(EventKind.CancelAfterSet, { account, a: amount })
    return 0
  }

  // ---- Protection

  private setProtection({ account, market, words, at, lots, amount }: Command): number {
    const windowMs = words[at + Cmd.OTHER]!
    if (!this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    if (lots < 0 || !isWhole(amount, 0)) return Reject.BadProtection
    const off = lots === 0 && amount === 0
    if (off ? windowMs !== 0 : windowMs < 1) return Reject.BadProtection
    const own = this.protections.get(account) ?? new Map<number, ReferenceProtection>()
    this.protections.set(account, own)
    if (off) own.delete(market)
    else
      own.set(market, {
        windowMs,
        fillsMax: lots,
        notionalMax: amount,
        windowStartMs: 0,
        fills: 0,
        notional: 0,
        frozen: false,
      })
    this.emit(EventKind.ProtectionChanged, { subject: market, account, lots, other: windowMs, a: amount })
    return 0
  }

  private resetProtection({ account, market }: Command): number {
    if (!this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    const protection = this.protections.get(account)?.get(market)
    if (protection === undefined) return Reject.BadProtection
    Object.assign(protection, { windowStartMs: 0, fills: 0, notional: 0, frozen: false })
    const { windowMs, fillsMax, notionalMax } = protection
    this.emit(EventKind.ProtectionChanged, {
      subject: market,
      account,
      lots: fillsMax,
      other: windowMs,
      a: notionalMax,
    })
    return 0
  }

  private countProtected(account: number, market: ReferenceMarket, notional: number): void {
    const protection = this.protections.get(account)?.get(market.id)
    if (protection === undefined || protection.frozen) return
    if (protection.fills === 0 || this.timeMs - protection.windowStartMs >= protection.windowMs)
      Object.assign(protection, { windowStartMs: this.timeMs, fills: 0, notional: 0 })
    protection.fills++
    protection.notional = Math.min(protection.notional + notional, UNITS_END)
    const { fills, fillsMax, notionalMax } = protection
    const reached =
      (fillsMax > 0 && fills >= fillsMax) || (notionalMax > 0 && protection.notional >= notionalMax)
    if (!reached) return
    protection.frozen = true
    this.reached.push({ account, market })
  }

  // ---- The operator

  private openAccount({ account, words, at }: Command): number {
    if (account < 0) return Reject.UnknownAccount
    if (account >= this.accountsMax) return Reject.AccountsFull
    const known = this.accounts.get(account)
    if (known !== undefined && known.owner.some((word) => word !== 0)) return Reject.AccountExists
    const opened = known ?? new ReferenceAccount()
    opened.owner = Array.from(words.subarray(at + OpenAccountCmd.OWNER, at + OpenAccountCmd.OWNER + 5))
    this.accounts.set(account, opened)
    this.emit(EventKind.AccountOpened, { account, tail: opened.owner })
    return 0
  }

  private setStatus({ market, words, at }: Command): number {
    const status = words[at + Cmd.OTHER]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (status < 0 || status > 2) return Reject.BadStatus
    found.status = status
    this.emit(EventKind.MarketStatusChanged, { subject: market, other: status })
    return 0
  }

  private setFees({ kind, market, words, at }: Command): number {
    const tier = kind === CommandKind.SetTierFees ? words[at + Cmd.OTHER]! : 0
    const maker = words[at + MarketCmd.MAKER_FEE_PPM]!
    const taker = words[at + MarketCmd.TAKER_FEE_PPM]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (kind === CommandKind.SetTierFees && (tier < 1 || tier >= TIERS_MAX)) return Reject.BadTier
    if (taker < 0 || taker > 100_000 || maker < -taker || maker > 100_000) return Reject.BadFees
    found.fees.set(tier, { maker, taker })
    this.emit(EventKind.MarketFeesChanged, {
      subject: market,
      other: tier,
      counterAccount: maker,
      remaining: taker,
    })
    return 0
  }

  private setBand({ market, words, at }: Command): number {
    const bandPpm = words[at + MarketCmd.BAND_PPM]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (bandPpm < 0 || bandPpm > 1_000_000) return Reject.BadPriceBand
    found.bandPpm = bandPpm
    this.emit(EventKind.PriceBandChanged, { subject: market, other: bandPpm })
    return 0
  }

  private setTier({ account, words, at }: Command): number {
    const tier = words[at + Cmd.OTHER]!
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    if (tier < 0 || tier >= TIERS_MAX) return Reject.BadTier
    owner.tier = tier
    this.emit(EventKind.TierChanged, { account, other: tier })
    return 0
  }

  // ---- Finding

  private find(account: number, cloid: bigint): ReferenceOrder | undefined {
    return this.liveOrders().find((order) => order.account === account && order.cloid === cloid)
  }

  private named(command: Command): { order: ReferenceOrder; market: ReferenceMarket } | number {
    const market = this.markets.get(command.market)
    if (market === undefined) return Reject.UnknownMarket
    if (!this.accounts.has(command.account)) return Reject.UnknownAccount
    if (((command.head >>> Attr.INVALID_CLOID_SHIFT) & 1) === 1) return Reject.BadClientOrderId
    const order = this.find(command.account, command.cloid)
    if (order === undefined || order.market !== market.id) return Reject.UnknownOrder
    return { order, market }
  }

  private late({ floats, at }: Command): boolean {
    const deadline = floats[at / 2 + Cmd.DEADLINE_F64]!
    return deadline !== 0 && !(deadline >= this.timeMs)
  }

  private overSessionNotional(notional: bigint): boolean {
    if (this.frame.left === 0) return false
    const { maxNotional } = this.sessions[this.frame.session]!
    return maxNotional > 0 && notional > BigInt(maxNotional)
  }

  // ---- Events

  private amended(order: ReferenceOrder, ticksBefore: number, kept: boolean): void {
    this.emit(EventKind.Amended, {
      ...orderFields(order),
      code: kept ? 1 : 0,
      other: ticksBefore,
      counterRemaining: order.display,
      counterCloid: BigInt(isStopType(order.type) ? order.trigger : 0),
      a: order.expiresAtMs,
    })
  }

  private reject(command: Command, code: number): void {
    const { kind, words, at, account, market } = command
    const named = kind <= CommandKind.Cancel
    const repeated =
      kind === CommandKind.Frame && code === Reject.FrameNonceUsed
        ? this.sessions[words[at + FrameCmd.SESSION]!]!.frames.get(
            command.floats[at / 2 + FrameCmd.NONCE_F64]!,
          )
        : undefined
    this.emit(EventKind.Rejected, {
      attributes: kind === CommandKind.Place ? command.head & (1 << Attr.SIDE_SHIFT) : 0,
      subject: market,
      account,
      code,
      other: kind,
      ...(named ? { ticks: command.ticks, lots: command.lots, cloid: command.cloid } : {}),
      ...(repeated === undefined ? {} : { lots: repeated.count, a: repeated.firstSeq }),
    })
  }

  private emit(kind: number, fields: EventFields): void {
    const words = new Int32Array(EVENT_WORDS)
    const floats = new Float64Array(words.buffer)
    words[Ev.KIND] = kind | (fields.attributes ?? 0)
    words[Ev.MARKET] = fields.subject ?? 0
    floats[Ev.SEQ_F64] = this.seq
    words[Ev.TICKS] = fields.ticks ?? 0
    words[Ev.LOTS] = fields.lots ?? 0
    words[Ev.ACCOUNT] = fields.account ?? 0
    words[Ev.CODE] = fields.code ?? 0
    putCloid(words, Ev.CLOID_LO, fields.cloid ?? 0n)
    words[Ev.COUNTER_ACCOUNT] = fields.counterAccount ?? 0
    words[Ev.REMAINING] = fields.remaining ?? 0
    putCloid(words, Ev.COUNTER_CLOID_LO, fields.counterCloid ?? 0n)
    words[Ev.COUNTER_REMAINING] = fields.counterRemaining ?? 0
    words[Ev.OTHER] = fields.other ?? 0
    if (fields.tail !== undefined) words.set(fields.tail, Ev.CLOID_LO)
    floats[Ev.AMOUNT_A_F64] = Number(fields.a ?? 0)
    floats[Ev.AMOUNT_B_F64] = Number(fields.b ?? 0)
    floats[Ev.TAKER_ORDER_ID_F64] = fields.takerOrderId ?? 0
    floats[Ev.ORDER_ID_F64] = fields.orderId ?? 0
    this.events.push(words)
  }
}

/** A command record by names. */
class Command {
  readonly head: number
  readonly kind: number
  readonly account: number
  /** Market, or asset. */
  readonly market: number
  readonly ticks: number
  readonly lots: number
  readonly cloid: bigint
  readonly amount: number
  readonly expiresAtMs: number

  constructor(
    readonly words: Int32Array,
    readonly floats: Float64Array,
    readonly at: number,
  ) {
    this.head = words[at]!
    this.kind = this.head & 0xff
    this.account = words[at + Cmd.ACCOUNT]!
    this.market = words[at + Cmd.MARKET]!
    this.ticks = words[at + Cmd.TICKS]!
    this.lots = words[at + Cmd.LOTS]!
    this.cloid = (BigInt(words[at + Cmd.CLOID_HI]! >>> 0) << 32n) | BigInt(words[at + Cmd.CLOID_LO]! >>> 0)
    this.amount = floats[at / 2 + Cmd.AMOUNT_F64]!
    this.expiresAtMs = floats[at / 2 + Cmd.EXPIRES_AT_F64]!
  }
}

const isTrade = (kind: number): boolean =>
  (kind >= CommandKind.Place && kind <= CommandKind.CancelAll) ||
  (kind >= CommandKind.CancelAfter && kind <= CommandKind.ResetProtection)

function orderFields(order: ReferenceOrder): EventFields {
  return {
    attributes:
      (order.side << Attr.SIDE_SHIFT) |
      (order.type << Attr.TYPE_SHIFT) |
      (order.timeInForce << Attr.TIF_SHIFT) |
      (order.postOnly << Attr.POST_ONLY_SHIFT) |
      (order.stp << Attr.STP_SHIFT),
    subject: order.market,
    ticks: order.ticks,
    lots: order.lots,
    account: order.account,
    cloid: order.cloid,
    remaining: order.remaining,
    orderId: order.id,
  }
}

function putCloid(words: Int32Array, at: number, cloid: bigint): void {
  words[at] = Number(cloid & 0xffffffffn) | 0
  words[at + 1] = Number(cloid >> 32n) | 0
}

const reserveAsset = (market: ReferenceMarket, side: number): number =>
  side === 1 ? market.base : market.quote

function statusReject(status: number): number {
  if (status === MarketStatus.Halted) return Reject.MarketHalted
  return status === MarketStatus.CancelOnly ? Reject.MarketCancelOnly : 0
}

function ticksReject(ticks: number): number {
  if (ticks === INT_NOT_AN_INTEGER) return Reject.NotAnInteger
  if (ticks === INT_OVER_LIMIT) return Reject.TicksOverLimit
  if (ticks === 0) return Reject.ZeroTicks
  return ticks < 0 ? Reject.NegativeTicks : 0
}

function lotsReject(lots: number): number {
  if (lots === INT_NOT_AN_INTEGER) return Reject.NotAnInteger
  if (lots === INT_OVER_LIMIT) return Reject.LotsOverLimit
  if (lots === 0) return Reject.ZeroLots
  return lots < 0 ? Reject.NegativeLots : 0
}

function unitsReject(units: number): number {
  if (Number.isNaN(units)) return Reject.NotAnInteger
  if (units >= UNITS_END) return Reject.UnitsOverLimit
  if (!Number.isInteger(units)) return Reject.NotAnInteger
  if (units === 0) return Reject.ZeroUnits
  return units < 0 ? Reject.NegativeUnits : 0
}

const displayFits = (display: number, lots: number): boolean =>
  display >= 1 && display <= lots && display * ICEBERG_PARTS_MAX >= lots

/** The price within the market's band that is nearest. */
function clampToBand(market: ReferenceMarket, ticks: number): number {
  const { bandPpm, lastTicks } = market
  if (bandPpm === 0 || lastTicks === 0) return ticks
  const width = Number((BigInt(lastTicks) * BigInt(bandPpm)) / 1_000_000n)
  const low = Math.max(1, lastTicks - width)
  const high = Math.min(TICKS_MAX, lastTicks + width)
  return Math.min(Math.max(ticks, low), high)
}

/** Where a post-only order may stand; 0 = nowhere. */
function postOnlyTicks(market: ReferenceMarket, side: number, ticks: number, postOnly: number): number {
  const touch = market.book.bestTicks(1 - side)
  if (touch === 0) return ticks
  const crosses = side === 0 ? ticks >= touch : ticks <= touch
  if (!crosses) return ticks
  if (postOnly !== PostOnly.Slide) return 0
  if (side === 0) return touch - 1
  return touch === TICKS_MAX ? 0 : touch + 1
}
