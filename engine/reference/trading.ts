/**
 * The money and the end of the reference's orders: fills with exact fees, reserves, cancels, and mass cancels
 * that may be cut. In tests only.
 */
import { CancelReason, MarketStatus } from '../codes.js'
import { UNITS_END } from '../limits.js'
import { type ReferenceOrder, levelName } from './book.js'
import {
  END,
  ReferenceBase,
  type ReferenceJob,
  type ReferenceMarket,
  orderFields,
  reserveAsset,
} from './base.js'
import { buyNeed, charge, chargeAtLeast } from './money.js'

export abstract class ReferenceTrading extends ReferenceBase {
  /** Moves money and lots between two orders, unless a balance would reach 2^53: then says whose. */
  protected fill(
    maker: ReferenceOrder,
    taker: ReferenceOrder,
    lots: number,
    market: ReferenceMarket,
  ): ReferenceOrder | undefined {
    const quote = quoteOf(market, maker.ticks, lots)
    const base = BigInt(lots) * market.lotUnits
    const feeAccount = this.accounts.get(this.feeAccount)!
    const takerPpm = Math.min(this.fees(market, taker.account).taker, taker.feeBound)
    const makerPpm = Math.max(Math.min(this.fees(market, maker.account).maker, maker.feeBound), -takerPpm)
    const takerCharge = charge(quote, takerPpm, taker.carry)
    const paid = feeAccount.balance(market.quote).available + takerCharge.fee
    const makerCharge = chargeAtLeast(paid, quote, makerPpm, maker.carry)
    const [buyer, seller] = taker.side === 0 ? [taker, maker] : [maker, taker]
    const [buyerCharge, sellerCharge] =
      buyer === taker ? [takerCharge, makerCharge] : [makerCharge, takerCharge]
    const buyerAccount = this.accounts.get(buyer.account)!
    const sellerAccount = this.accounts.get(seller.account)!
    const fees = takerCharge.fee + makerCharge.fee
    const proceeds = quote - sellerCharge.fee
    if (buyerAccount.total(market.base) + base >= END) return buyer
    if (sellerAccount.total(market.quote) + proceeds >= END) return seller
    const alsoProceeds = feeAccount === sellerAccount ? proceeds : 0n
    if (feeAccount.total(market.quote) + fees + alsoProceeds >= END) return taker

    const spent = quote + buyerCharge.fee
    if (spent > buyer.reserved || base > seller.reserved)
      throw new Error(`reference: order ${buyer.id} or ${seller.id} spends more than it reserves`)
    buyer.reserved -= spent
    buyer.carry = buyerCharge.carry
    seller.reserved -= base
    seller.carry = sellerCharge.carry
    buyerAccount.balance(market.quote).reserved -= spent
    buyerAccount.balance(market.base).available += base
    sellerAccount.balance(market.base).reserved -= base
    sellerAccount.balance(market.quote).available += proceeds
    feeAccount.balance(market.quote).available += fees
    for (const order of [maker, taker]) {
      order.remaining -= lots
      order.visible -= lots
      if (order.budget !== undefined) order.budget -= quote
      if (order.cap !== undefined) order.cap -= quote
    }
    // A taker's surplus goes back when its match ends.
    this.reserve(maker, this.need(maker))
    market.lastTicks = maker.ticks
    const { low, high } = market.touched ?? { low: maker.ticks, high: maker.ticks }
    market.touched = { low: Math.min(low, maker.ticks), high: Math.max(high, maker.ticks) }
    this.emit('Fill', {
      makerSide: maker.side,
      market: market.id,
      ticks: maker.ticks,
      lots,
      makerAccount: maker.account,
      makerCloid: maker.cloid,
      makerOrderId: maker.id,
      makerRemaining: maker.remaining,
      makerFee: Number(makerCharge.fee),
      takerAccount: taker.account,
      takerCloid: taker.cloid,
      takerOrderId: taker.id,
      takerRemaining: taker.remaining,
      takerFee: Number(takerCharge.fee),
    })
    this.countProtected(maker.account, market, Number(quote))
    return undefined
  }

  protected fees(market: ReferenceMarket, account: number): { maker: number; taker: number } {
    return market.fees.get(this.accounts.get(account)!.tier) ?? market.fees.get(0)!
  }

  /** The higher of an account's two rates. */
  protected worstPpm(market: ReferenceMarket, account: number): number {
    const { maker, taker } = this.fees(market, account)
    return Math.max(maker, taker)
  }

  /** Units that an order must hold for its unfilled lots. */
  protected need(order: ReferenceOrder): bigint {
    const market = this.markets.get(order.market)!
    if (order.side === 1) return BigInt(order.remaining) * market.lotUnits
    if (order.remaining === 0) return 0n
    const quote = order.budget ?? quoteOf(market, order.ticks, order.remaining)
    return buyNeed(quote, order.feeBound, order.carry)
  }

  /** Makes an order hold `units`, from what its account has available. */
  protected reserve(order: ReferenceOrder, units: bigint): void {
    const market = this.markets.get(order.market)!
    const balance = this.accounts.get(order.account)!.balance(reserveAsset(market, order.side))
    balance.available += order.reserved - units
    balance.reserved += units - order.reserved
    order.reserved = units
    if (balance.available < 0n || balance.reserved < 0n)
      throw new Error(`reference: order ${order.id} leaves a balance below zero`)
  }

  protected cancel(order: ReferenceOrder, reason: number): void {
    this.emit('Canceled', { ...orderFields(order), reason })
    this.markets.get(order.market)!.book.remove(order)
    this.done(order)
  }

  /** Gives back what a finished order still reserves. */
  protected done(order: ReferenceOrder): void {
    this.reserve(order, 0n)
  }

  /** Levels are all taken, and an order has none to stand at. */
  protected levelMissing(market: ReferenceMarket, order: ReferenceOrder, freed = 0): boolean {
    if (market.book.levels().has(levelName(order))) return false
    const taken = [...this.markets.values()].reduce((sum, { book }) => sum + book.levels().size, 0)
    return taken - freed >= this.levelsMax
  }

  /** Cancels what a job names, as far as steps go; what is left stands at the end of the queue. */
  protected massCancel(job: ReferenceJob): { cancelled: number; rest: boolean } {
    const result = this.workOff(job)
    const forced = job.owed !== undefined
    this.payOwed(job)
    if (!result.rest) return result
    const queued = this.jobs.find((other) => sameKey(other, job))
    if (queued === undefined) this.jobs.push({ ...job, haltedToo: true })
    else {
      queued.uptoId = job.uptoId
      if (forced) queued.owed = job.owed
    }
    return result
  }

  /** Pays what is available of what a job has to pay. */
  protected payOwed(job: ReferenceJob): void {
    if (job.owed === undefined) return
    const { asset, units } = job.owed
    const { available } = this.accounts.get(job.account)!.balance(asset)
    const paid = available < BigInt(units) ? Number(available) : units
    if (paid > 0) this.takeOut(job.account, asset, BigInt(paid), 0)
    job.owed = paid === units ? undefined : { asset, units: units - paid }
  }

  protected takeOut(account: number, asset: number, units: bigint, nonce: number, fee = 0n): void {
    this.accounts.get(account)!.balance(asset).available -= units + fee
    if (fee > 0n) this.accounts.get(this.feeAccount)!.balance(asset).available += fee
    this.supply.set(asset, this.supply.get(asset)! - units)
    this.emit('Withdrawn', { asset, account, units: Number(units), nonce, fee: Number(fee) })
  }

  protected workOff(job: ReferenceJob): { cancelled: number; rest: boolean } {
    let cancelled = 0
    for (const group of this.groups(job)) {
      if (this.usedUp()) return { cancelled, rest: true }
      this.steps++
      for (const order of group) {
        if (this.usedUp()) return { cancelled, rest: true }
        this.steps++
        this.cancel(order, job.reason)
        cancelled++
      }
    }
    return { cancelled, rest: false }
  }

  /** Live orders that a job names: by market, buys first, each group as they were placed. */
  private groups(job: ReferenceJob): ReferenceOrder[][] {
    const markets = [...this.markets.values()]
      .filter(({ id }) => job.market === -1 || id === job.market)
      .filter(({ status }) => job.market !== -1 || job.haltedToo || status !== MarketStatus.Halted)
      .sort((a, b) => a.id - b.id)
    return markets
      .flatMap(({ id }) =>
        [0, 1]
          .filter((side) => job.side === -1 || job.side === side)
          .map((side) =>
            this.ordersOf(job.account).filter(
              (order) => order.market === id && order.side === side && order.id <= job.uptoId,
            ),
          ),
      )
      .filter((group) => group.length > 0)
  }

  /** Counts a maker's fill; the account is pulled from the market when the match is over. */
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

  protected pullProtected(): void {
    for (const { account, market } of this.reached.splice(0)) {
      this.emit('ProtectionTriggered', { account, market: market.id })
      this.massCancel({
        account,
        market: market.id,
        side: -1,
        reason: CancelReason.Protection,
        haltedToo: true,
        uptoId: this.seq,
      })
    }
  }
}

export const quoteOf = (market: ReferenceMarket, ticks: number, lots: number): bigint =>
  BigInt(ticks) * BigInt(lots) * market.tickUnits

export const sameKey = (a: ReferenceJob, b: ReferenceJob): boolean =>
  a.account === b.account && a.market === b.market && a.side === b.side && a.reason === b.reason
