/** The reference's answers to place, amend, cancel and cancel-all: reasons to refuse first. In tests only. */
import {
  CancelReason,
  EventKind,
  MarketStatus,
  OrderType,
  PostOnly,
  Reject,
  Stp,
  TimeInForce,
} from '../codes.js'
import { Attr, Cmd } from '../layout.js'
import { TICKS_MAX } from '../limits.js'
import { type ReferenceOrder } from './book-reference.js'
import type { Command } from './reference-base.js'
import {
  END,
  isMarketType,
  isStopType,
  isWhole,
  orderFields,
  statusReject,
  ticksReject,
  lotsReject,
  clampToBand,
  postOnlyTicks,
  displayFits,
  reserveAsset,
} from './reference-base.js'
import { ReferenceTrading } from './reference-trading.js'

export abstract class ReferenceOrders extends ReferenceTrading {
  protected place(command: Command): number {
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

  protected amend(command: Command): number {
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
      this.amended(order, order.ticks, true, order.waiting)
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
      this.amended(order, order.ticks, true, order.waiting)
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
    this.amended(order, before, false, wasWaiting && !live)
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

  protected cancelOne(command: Command): number {
    const found = this.named(command)
    if (typeof found === 'number') return found
    if (this.late(command)) return Reject.DeadlinePassed
    if (found.market.status === MarketStatus.Halted) return Reject.MarketHalted
    this.cancel(found.order, CancelReason.User)
    return 0
  }

  protected cancelAll(command: Command): number {
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
}
