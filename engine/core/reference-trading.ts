/**
 * The reference's orders from entry to end: matching, self-trade prevention, stops, reserves and fees, as
 * the rules say it and without regard to speed. In tests only.
 */
import { CancelReason, EventKind, PostOnly, Stp, TimeInForce } from '../codes.js'
import { Attr } from '../layout.js'
import { UNITS_END } from '../limits.js'
import { type ReferenceOrder, referenceFee, waitsForRise } from './book-reference.js'
import {
  ReferenceBase,
  type ReferenceMarket,
  END,
  isMarketType,
  orderFields,
  clampToBand,
  postOnlyTicks,
  reserveAsset,
} from './reference-base.js'

export abstract class ReferenceTrading extends ReferenceBase {
  /** Matches an order that stands nowhere, then lets it rest or ends it. */
  protected enter(order: ReferenceOrder): void {
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
  protected match(taker: ReferenceOrder, market: ReferenceMarket): number {
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
  protected fill(
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
  protected preventSelfTrade(maker: ReferenceOrder, taker: ReferenceOrder): boolean {
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

  protected decrement(order: ReferenceOrder, lots: number, standing: boolean): void {
    order.lots -= lots
    order.remaining -= lots
    order.visible = standing ? Math.min(order.visible, order.remaining) : order.remaining
    if (order.budget === undefined) this.reserve(order, this.need(order, order.remaining))
    this.amended(order, order.ticks, standing)
  }

  /** Plays the match through on copies: true when nothing of the order would be left. */
  protected couldFill(taker: ReferenceOrder, market: ReferenceMarket): boolean {
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

  protected cancel(order: ReferenceOrder, reason: number): void {
    this.emit(EventKind.Canceled, { ...orderFields(order), code: reason })
    this.markets.get(order.market)!.book.remove(order)
    this.done(order)
  }

  /** Gives back what a finished order still reserves. */
  protected done(order: ReferenceOrder): void {
    this.reserve(order, 0n)
  }

  protected triggerStops(market: ReferenceMarket): void {
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

  protected activate(order: ReferenceOrder): void {
    const market = this.markets.get(order.market)!
    const isMarket = isMarketType(order.type)
    const ticks = isMarket
      ? clampToBand(market, order.ticks)
      : order.postOnly === PostOnly.None
        ? order.ticks
        : postOnlyTicks(market, order.side, order.ticks, order.postOnly)
    const enters = isMarket || (ticks !== 0 && clampToBand(market, ticks) === ticks)
    // It tells the price that the order goes on with.
    if (enters) order.ticks = ticks
    this.emit(EventKind.Triggered, { ...orderFields(order), counterCloid: BigInt(order.trigger) })
    if (enters) this.enter(order)
    else this.cancel(order, CancelReason.TriggerRejected)
  }

  protected triggered(
    market: ReferenceMarket,
    order: { readonly side: number; readonly type: number },
    trigger: number,
  ): boolean {
    if (market.lastTicks === 0) return false
    return waitsForRise(order) ? market.lastTicks >= trigger : market.lastTicks <= trigger
  }

  protected fees(market: ReferenceMarket, account: number): { maker: number; taker: number } {
    return market.fees.get(this.accounts.get(account)!.tier) ?? market.fees.get(0)!
  }

  protected worstPpm(market: ReferenceMarket, account: number): number {
    const { maker, taker } = this.fees(market, account)
    return Math.max(maker, taker)
  }

  /** Units that an order must hold for `lots` at its limit. */
  protected need(order: ReferenceOrder, lots: number): bigint {
    const market = this.markets.get(order.market)!
    if (order.side === 1) return BigInt(lots) * market.lotUnits
    const quote = order.budget ?? BigInt(order.ticks) * BigInt(lots) * market.tickUnits
    if (order.feePpm === 0) return quote
    const affordable = order.budget === undefined ? BigInt(lots) : order.budget / market.tickUnits
    const fills = affordable < BigInt(lots) ? affordable : BigInt(lots)
    return quote + referenceFee(quote, order.feePpm) + (fills > 0n ? fills - 1n : 0n)
  }

  protected reserve(order: ReferenceOrder, units: bigint): void {
    const market = this.markets.get(order.market)!
    const balance = this.accounts.get(order.account)!.balance(reserveAsset(market, order.side))
    balance.available += order.reserved - units
    balance.reserved += units - order.reserved
    order.reserved = units
  }

  protected countProtected(account: number, market: ReferenceMarket, notional: number): void {
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
}
