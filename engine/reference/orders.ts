/** The reference's answers to place, amend, cancel and cancel-all: reasons to refuse first. In tests only. */
import { CancelReason, MarketStatus, OrderType, PostOnly, Reject, Stp, TimeInForce } from '../codes.js'
import { AmendCmd, Attr, CancelAllCmd, PlaceCmd } from '../layout.js'
import {
  ACCOUNT_ORDERS_FLOOR,
  ACCOUNT_ORDERS_SHARE,
  ICEBERG_PARTS_MAX,
  MASS_CANCELS_OF_ACCOUNT,
  TICKS_MAX,
} from '../limits.js'
import { type ReferenceOrder, levelName } from './book.js'
import {
  type Command,
  END,
  type ReferenceJob,
  type ReferenceMarket,
  insideBand,
  isMarketType,
  isStopType,
  isWhole,
  lotsReject,
  orderFields,
  postOnlyTicks,
  reserveAsset,
  statusReject,
  ticksReject,
  tightened,
} from './base.js'
import { ReferenceMatch, isImmediate } from './match.js'
import { quoteOf, sameKey } from './trading.js'

export abstract class ReferenceOrders extends ReferenceMatch {
  protected place(command: Command): number {
    const { head, account, lots, words, at } = command
    const market = this.markets.get(command.market)
    const owner = this.accounts.get(account)
    if (market === undefined) return Reject.UnknownMarket
    if (owner === undefined) return Reject.UnknownAccount
    const late = this.deadlineReject(command)
    if (late !== 0) return late
    const closed = statusReject(market.status)
    if (closed !== 0) return closed
    if (this.cancelOnlyReasons !== 0) return Reject.ExchangeCancelOnly

    const side = (head >>> Attr.SIDE_SHIFT) & 1
    const type = (head >>> Attr.ORDER_TYPE_SHIFT) & 7
    const postOnly = (head >>> Attr.POST_ONLY_SHIFT) & 3
    const stp = (head >>> Attr.STP_SHIFT) & 7
    let timeInForce = (head >>> Attr.TIME_IN_FORCE_SHIFT) & 7
    if (((head >>> PlaceCmd.INVALID_SIDE_SHIFT) & 1) === 1) return Reject.BadSide
    if (type > OrderType.TakeProfit) return Reject.BadOrderType
    if (timeInForce > TimeInForce.GTD) return Reject.BadTimeInForce
    if (postOnly > PostOnly.Slide) return Reject.BadPostOnly
    if (stp > Stp.Decrement) return Reject.BadStp
    if (((head >>> PlaceCmd.INVALID_CLOID_SHIFT) & 1) === 1) return Reject.BadClientOrderId
    if (type === OrderType.Market && timeInForce === TimeInForce.GTD) return Reject.BadTimeInForce
    if (type === OrderType.Market && timeInForce === TimeInForce.GTC) timeInForce = TimeInForce.IOC

    const budgetUnits = command.amount
    const openPriced = command.ticks === 0 && budgetUnits > 0 && isMarketType(type)
    let ticks = openPriced ? TICKS_MAX : command.ticks
    const badSize = ticksReject(ticks) || lotsReject(lots)
    if (badSize !== 0) return badSize

    const neverRests = isImmediate(timeInForce) || isMarketType(type)
    if (postOnly !== PostOnly.None && neverRests) return Reject.PostOnlyNotGtc
    const display = words[at + PlaceCmd.DISPLAY_LOTS]!
    const displayFits = display >= 1 && display <= lots && display * ICEBERG_PARTS_MAX >= lots
    if (display !== 0 && (neverRests || !displayFits)) return Reject.BadDisplayLots
    const trigger = words[at + PlaceCmd.TRIGGER_TICKS]!
    if (isStopType(type) ? trigger <= 0 : trigger !== 0) return Reject.BadTriggerTicks
    const { expiresAtMs } = command
    if (timeInForce === TimeInForce.GTD ? !this.expiryFits(expiresAtMs) : expiresAtMs !== 0)
      return Reject.BadExpiry
    if (budgetUnits !== 0 && !(isWhole(budgetUnits, 1) && side === 0 && isMarketType(type)))
      return Reject.BadQuoteBudget
    const budget = budgetUnits === 0 ? undefined : BigInt(budgetUnits)

    const notional = budget ?? quoteOf(market, ticks, lots)
    if (notional >= END || BigInt(lots) * market.lotUnits >= END) return Reject.NotionalOverLimit
    if (this.overSessionNotional(notional)) return Reject.SessionNotional
    if (this.jobs.some((job) => job.account === account && job.owed !== undefined))
      return Reject.WithdrawalForced
    if (this.protections.get(account)?.get(market.id)?.frozen === true) return Reject.ProtectionFrozen
    if (this.find(account, command.cloid) !== undefined) return Reject.DuplicateClientOrderId

    const live = !isStopType(type) || this.triggered(market, { side, type }, trigger)
    if (!live && this.firesByThePast(market, { side, type }, trigger)) return Reject.TriggersPending
    if (live) {
      const slid = postOnlyTicks(market, side, ticks, postOnly)
      if (slid === 0) return Reject.PostOnlyWouldCross
      if (isMarketType(type)) ticks = tightened(market, side, ticks) ?? ticks
      else if (insideBand(market, slid)) ticks = slid
      else return Reject.PriceBand
    }

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
      feeBound: this.worstPpm(market, account),
      carry: 0n,
      cap: budget === undefined && this.sessionNotional > 0n ? this.sessionNotional : undefined,
      reserved: 0n,
      waiting: !live,
      rank: 0,
    }
    if (isStopType(type) || !isImmediate(timeInForce)) {
      if (this.liveOrders().length >= this.ordersMax) return Reject.OrdersFull
      if (this.ordersOf(account).length >= this.roomOfAccount()) return Reject.AccountOrdersFull
      if (!(live && isMarketType(type)) && this.levelMissing(market, order)) return Reject.LevelsFull
    }
    if (!this.rowsFit(account, market.base, market.quote)) return Reject.BalancesFull
    if (this.need(order) > owner.balance(reserveAsset(market, side)).available)
      return Reject.InsufficientFunds

    this.makeRows(account, market.base, market.quote)
    this.reserve(order, this.need(order))
    this.emit('Accepted', {
      ...orderFields(order),
      displayLots: display,
      triggerTicks: trigger,
      expiresAtMs,
      quoteBudget: Number(budget ?? 0n),
    })
    if (!live) market.book.append(order)
    else {
      if (isStopType(type)) this.activate(order)
      else if (isMarketType(type)) this.enterTightened(order, market)
      else this.enter(order)
      this.fireTriggers(market)
    }
    return 0
  }

  /** Live orders that one account may have now: a part of the room that is left, but always a few. */
  private roomOfAccount(): number {
    const left = this.ordersMax - this.liveOrders().length
    const share = Math.floor(left / ACCOUNT_ORDERS_SHARE)
    return Math.min(this.accountOrdersMax, Math.max(ACCOUNT_ORDERS_FLOOR, share))
  }

  protected amend(command: Command): number {
    const found = this.named(command)
    if (typeof found === 'number') return found
    const { order, market } = found
    if (this.goneReason(order) !== 0) return Reject.UnknownOrder
    const late = this.deadlineReject(command)
    if (late !== 0) return late
    const closed = statusReject(market.status)
    if (closed !== 0) return closed
    const { lots, words, at, expiresAtMs } = command
    const badSize = ticksReject(command.ticks) || lotsReject(lots)
    if (badSize !== 0) return badSize
    const display = words[at + AmendCmd.DISPLAY_LOTS]!
    if (display !== 0 && (isMarketType(order.type) || display < 1 || display > lots))
      return Reject.BadDisplayLots
    const shown = display === 0 ? order.display : display
    if (shown !== 0 && shown * ICEBERG_PARTS_MAX < lots) return Reject.BadDisplayLots
    const trigger = words[at + AmendCmd.TRIGGER_TICKS]!
    if (trigger !== 0 && (trigger < 0 || !order.waiting)) return Reject.BadTriggerTicks
    if (expiresAtMs !== 0 && (order.expiresAtMs === 0 || !this.expiryFits(expiresAtMs)))
      return Reject.BadExpiry
    if (command.amount !== 0) return Reject.BadQuoteBudget
    const notional = order.budget ?? quoteOf(market, command.ticks, lots)
    if (notional >= END || BigInt(lots) * market.lotUnits >= END) return Reject.NotionalOverLimit
    if (this.overSessionNotional(notional)) return Reject.SessionNotional
    if (this.protections.get(order.account)?.get(market.id)?.frozen === true) return Reject.ProtectionFrozen

    const filled = order.lots - order.remaining
    if (lots <= filled) {
      this.cancel(order, CancelReason.AmendedToFilled)
      return 0
    }
    const sameTerms =
      command.ticks === order.ticks &&
      (trigger === 0 || trigger === order.trigger) &&
      (expiresAtMs === 0 || expiresAtMs === order.expiresAtMs)
    const showsNoMore = display === 0 || order.display === 0 || display <= order.display
    if (sameTerms && showsNoMore && lots <= order.lots) {
      order.lots = lots
      order.remaining = lots - filled
      order.display = shown
      order.visible = Math.min(order.visible, order.remaining)
      if (shown !== 0 && !order.waiting) order.visible = Math.min(order.visible, shown)
      this.reserve(order, this.need(order))
      this.amended(order, order.ticks, true)
      return 0
    }
    return this.amendAnew(order, market, {
      ticks: command.ticks,
      lots,
      remaining: lots - filled,
      visible: lots - filled,
      display: shown,
      trigger: trigger === 0 ? order.trigger : trigger,
      expiresAtMs: expiresAtMs === 0 ? order.expiresAtMs : expiresAtMs,
      feeBound: this.worstPpm(market, order.account),
    })
  }

  /** An amend by which an order leaves its place. */
  private amendAnew(order: ReferenceOrder, market: ReferenceMarket, terms: Partial<ReferenceOrder>): number {
    if (this.cancelOnlyReasons !== 0) return Reject.ExchangeCancelOnly
    const before = order.ticks
    const wasWaiting = order.waiting
    const changed = { ...order, ...terms }
    const live = !wasWaiting || this.triggered(market, order, changed.trigger)
    if (!live && this.firesByThePast(market, order, changed.trigger)) return Reject.TriggersPending
    changed.waiting = !live
    const session = this.sessionNotional
    if (order.budget === undefined && session > 0n)
      changed.cap = order.cap === undefined || order.cap > session ? session : order.cap
    const limited = live && !isMarketType(order.type)
    if (limited) {
      changed.ticks = postOnlyTicks(market, order.side, changed.ticks, order.postOnly)
      if (changed.ticks === 0) return Reject.PostOnlyWouldCross
      if (!insideBand(market, changed.ticks)) return Reject.PriceBand
    }
    const alone = market.book.orders.every(
      (other) => other === order || levelName(other) !== levelName(order),
    )
    if ((limited || !live) && this.levelMissing(market, changed, alone ? 1 : 0)) return Reject.LevelsFull
    const need = this.need(changed)
    const { available } = this.accounts.get(order.account)!.balance(reserveAsset(market, order.side))
    if (need > available + order.reserved) return Reject.InsufficientFunds

    market.book.remove(order)
    this.reserve(order, need)
    Object.assign(order, { ...changed, reserved: order.reserved })
    this.amended(order, before, false)
    if (!live) market.book.append(order)
    else {
      if (wasWaiting) this.activate(order)
      else this.enter(order)
      this.fireTriggers(market)
    }
    return 0
  }

  protected cancelOne(command: Command): number {
    const found = this.named(command)
    if (typeof found === 'number') return found
    const late = this.deadlineReject(command)
    if (late !== 0) return late
    if (found.market.status === MarketStatus.Halted) return Reject.MarketHalted
    this.cancel(found.order, CancelReason.User)
    return 0
  }

  protected cancelAll(command: Command): number {
    const { account, market, words, at } = command
    const side = words[at + CancelAllCmd.SIDE]!
    const wantedReason = words[at + CancelAllCmd.REASON]!
    if (market !== -1 && !this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    const late = this.deadlineReject(command)
    if (late !== 0) return late
    if (market !== -1 && this.markets.get(market)!.status === MarketStatus.Halted) return Reject.MarketHalted
    if (side !== -1 && side !== 0 && side !== 1) return Reject.BadSide
    const reason = wantedReason === CancelReason.Disconnect ? CancelReason.Disconnect : CancelReason.CancelAll
    const byOperator = wantedReason !== 0
    const job: ReferenceJob = { account, market, side, reason, haltedToo: byOperator, uptoId: this.seq }
    const asked = this.jobs.filter(
      (other) =>
        other.account === account &&
        (other.reason === CancelReason.CancelAll || other.reason === CancelReason.Disconnect),
    )
    const isFull = asked.length >= MASS_CANCELS_OF_ACCOUNT && !asked.some((other) => sameKey(other, job))
    if (isFull && !byOperator) return Reject.MassCancelsFull
    const { cancelled, rest } = this.massCancel(job)
    this.emit('CanceledAll', { market, account, orders: cancelled, side, restFollows: rest })
    return 0
  }
}
