/**
 * The reference's matching: entering a book, self-trade prevention, fill or kill, and the triggers that fills
 * reach. In tests only.
 */
import { CancelReason, Stp, TimeInForce } from '../codes.js'
import { type ReferenceOrder, waitsForRise } from './book.js'
import {
  END,
  type ReferenceMarket,
  insideBand,
  isMarketType,
  orderFields,
  postOnlyTicks,
  tightened,
} from './base.js'
import { ReferenceTrading, quoteOf } from './trading.js'

export const isImmediate = (timeInForce: number): boolean =>
  timeInForce === TimeInForce.IOC || timeInForce === TimeInForce.FOK

interface StopKind {
  readonly side: number
  readonly type: number
}

export abstract class ReferenceMatch extends ReferenceTrading {
  /** Matches an order that stands nowhere, then lets it rest or ends it. */
  protected enter(order: ReferenceOrder): void {
    const market = this.markets.get(order.market)!
    const killed = order.timeInForce === TimeInForce.FOK ? this.whyKilled(order, market) : 0
    const reason = killed === 0 ? this.match(order, market) : killed
    if (order.remaining === 0) this.done(order)
    else {
      this.reserve(order, this.need(order))
      const ends = reason === 0 ? restReason(order, market) : reason
      if (ends !== 0) this.cancel(order, ends)
      else {
        order.visible = order.display === 0 ? order.remaining : Math.min(order.display, order.remaining)
        market.book.append(order)
      }
    }
    this.pullProtected()
  }

  /** Fills as far as prices reach; a CancelReason when something else ends it, or 0. */
  protected match(taker: ReferenceOrder, market: ReferenceMarket): number {
    const { book } = market
    while (taker.remaining > 0) {
      const maker = book.resting(1 - taker.side)[0]
      if (maker === undefined || !reaches(taker, maker.ticks)) return 0
      if (this.usedUp()) return CancelReason.WorkLimit
      this.steps++
      const gone = this.goneReason(maker)
      if (gone !== 0) {
        this.cancel(maker, gone)
        continue
      }
      if (maker.account === taker.account) {
        if (this.preventSelfTrade(maker, taker)) return CancelReason.SelfTrade
        continue
      }
      const price = BigInt(maker.ticks) * market.tickUnits
      const wanted = Math.min(taker.remaining, maker.visible)
      const affordable = taker.budget === undefined ? wanted : lesser(wanted, taker.budget / price)
      if (affordable === 0) return CancelReason.QuoteBudgetSpent
      const lots = taker.cap === undefined ? affordable : lesser(affordable, taker.cap / price)
      if (lots === 0) return CancelReason.SessionNotional
      const blocked = this.fill(maker, taker, lots, market)
      if (blocked === taker) return CancelReason.BalanceOverLimit
      if (blocked === maker) this.cancel(maker, CancelReason.BalanceOverLimit)
      else if (maker.remaining === 0) {
        book.remove(maker)
        this.done(maker)
      } else if (maker.visible === 0) {
        maker.visible = Math.min(maker.display, maker.remaining)
        book.append(maker)
        this.emit('Refilled', { ...orderFields(maker), shownLots: maker.visible })
      }
    }
    return 0
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
      case Stp.Decrement: {
        const lots = Math.min(maker.remaining, taker.remaining)
        const takerEnds = taker.remaining === lots
        if (maker.remaining === lots) this.cancel(maker, CancelReason.SelfTrade)
        else {
          maker.lots -= lots
          maker.remaining -= lots
          maker.visible = Math.min(maker.visible, maker.remaining)
          this.reserve(maker, this.need(maker))
          this.amended(maker, maker.ticks, true)
        }
        if (takerEnds) return true
        taker.lots -= lots
        taker.remaining -= lots
        taker.visible = taker.remaining
        this.amended(taker, taker.ticks, false)
        return false
      }
      default:
        throw new Error(`reference: self-trade prevention ${taker.stp}`)
    }
  }

  /** Whether a fill-or-kill order would fill whole: 0, or the reason why it ends unfilled. */
  private whyNotWhole(taker: ReferenceOrder, market: ReferenceMarket): number {
    let wanted = taker.remaining
    let planned = 0
    let quote = 0n
    const bounds = [taker.budget, taker.cap].filter((bound) => bound !== undefined)
    const take = (ticks: number, lots: number): boolean => {
      wanted -= lots
      quote += quoteOf(market, ticks, lots)
      return bounds.every((bound) => quote <= bound)
    }
    const opposite = market.book.resting(1 - taker.side)
    const levels = [...new Set(opposite.map(({ ticks }) => ticks))].filter((ticks) => reaches(taker, ticks))
    for (const ticks of levels) {
      const icebergs: ReferenceOrder[] = []
      for (const maker of opposite.filter((order) => order.ticks === ticks)) {
        if (this.usedUp()) return CancelReason.WorkLimit
        this.steps++
        planned++
        if (this.goneReason(maker) !== 0) continue
        if (maker.account === taker.account) {
          if (taker.stp === Stp.CancelMaker) continue
          return CancelReason.FillOrKill
        }
        if (!take(ticks, Math.min(wanted, maker.visible))) return CancelReason.FillOrKill
        if (wanted === 0) return this.fitsSteps(planned)
        if (maker.remaining > maker.visible) icebergs.push(maker)
      }
      const hidden = icebergs.reduce((sum, { remaining, visible }) => sum + remaining - visible, 0)
      const parts = icebergs.reduce(
        (sum, { remaining, visible, display }) => sum + Math.ceil((remaining - visible) / display),
        0,
      )
      planned += Math.min(parts, wanted, hidden)
      if (!take(ticks, Math.min(wanted, hidden))) return CancelReason.FillOrKill
      if (wanted === 0) return this.fitsSteps(planned)
    }
    return CancelReason.FillOrKill
  }

  /** Why a fill-or-kill order ends unfilled, or 0. */
  private whyKilled(taker: ReferenceOrder, market: ReferenceMarket): number {
    const reason = this.whyNotWhole(taker, market)
    if (reason !== 0) return reason
    const isLarge = [market.base, market.quote].some((asset) => (this.supply.get(asset) ?? 0n) >= END)
    return isLarge && !this.totalsStayBelow(taker, market) ? CancelReason.FillOrKill : 0
  }

  /** Whether no balance could reach 2^53 by the fills of a taker, by the bounds of the rules' "could fill". */
  private totalsStayBelow(taker: ReferenceOrder, market: ReferenceMarket): boolean {
    const buys = taker.side === 0
    const makers = market.book.resting(1 - taker.side).filter(({ ticks }) => reaches(taker, ticks))
    const base = BigInt(taker.remaining) * market.lotUnits
    const quote = 2n * quoteOf(market, buys ? taker.ticks : makers[0]!.ticks, taker.remaining)
    const fits = (account: number, asset: number): boolean => {
      const units = asset === market.base ? base : quote
      return this.accounts.get(account)!.total(asset) + units < END
    }
    if (!fits(taker.account, buys ? market.base : market.quote)) return false
    if (!fits(this.feeAccount, market.quote)) return false
    let wanted = taker.remaining
    for (const ticks of new Set(makers.map((maker) => maker.ticks))) {
      if (wanted <= 0) break
      const level = makers.filter(
        (maker) => maker.ticks === ticks && maker.account !== taker.account && this.goneReason(maker) === 0,
      )
      let shown = 0
      let all = 0
      for (const maker of level) {
        if (shown >= wanted) break
        if (!fits(maker.account, buys ? market.quote : market.base)) return false
        shown += maker.visible
        all += maker.remaining
      }
      wanted -= all
    }
    return true
  }

  private fitsSteps(planned: number): number {
    return this.steps + planned > this.stepsMax ? CancelReason.WorkLimit : 0
  }

  /** Whether the last trade has reached a stop's trigger, so that it need not wait. */
  protected triggered({ lastTicks }: ReferenceMarket, order: StopKind, trigger: number): boolean {
    return lastTicks > 0 && (waitsForRise(order) ? lastTicks >= trigger : lastTicks <= trigger)
  }

  /** Whether trades of before, whose triggers still fire, would fire a stop that begins to wait now. */
  protected firesByThePast({ touched }: ReferenceMarket, order: StopKind, trigger: number): boolean {
    if (touched === undefined) return false
    return waitsForRise(order) ? trigger <= touched.high : trigger >= touched.low
  }

  /** Works off the market's touched range. */
  protected fireTriggers(market: ReferenceMarket): void {
    while (this.mayTrade(market) && market.touched !== undefined) {
      const { low, high } = market.touched
      const rising = market.book.waiting(true).find(({ trigger }) => trigger <= high)
      const next = rising ?? market.book.waiting(false).find(({ trigger }) => trigger >= low)
      if (next === undefined) {
        market.touched = undefined
        return
      }
      if (this.steps * 2 > this.stepsMax) return
      this.steps++
      const gone = this.goneReason(next)
      if (gone !== 0) {
        this.cancel(next, gone)
        continue
      }
      market.book.remove(next)
      next.waiting = false
      this.activate(next)
    }
  }

  /** A stop whose trigger is reached becomes what it waited to be. */
  protected activate(order: ReferenceOrder): void {
    const market = this.markets.get(order.market)!
    const ticks = this.priceOfTriggered(order, market)
    if (ticks !== undefined) order.ticks = ticks
    this.emit('Triggered', { ...orderFields(order), triggerTicks: order.trigger })
    if (ticks === undefined)
      this.cancel(order, isMarketType(order.type) ? CancelReason.PriceBand : CancelReason.TriggerRejected)
    else {
      this.reserve(order, this.need(order))
      this.enter(order)
    }
  }

  /** The price that a triggered order goes on with; undefined = it may not be placed. */
  private priceOfTriggered(order: ReferenceOrder, market: ReferenceMarket): number | undefined {
    if (isMarketType(order.type)) return tightened(market, order.side, order.ticks)
    const ticks = postOnlyTicks(market, order.side, order.ticks, order.postOnly)
    if (ticks === 0 || !insideBand(market, ticks)) return undefined
    const homeless = !isImmediate(order.timeInForce) && this.levelMissing(market, { ...order, ticks })
    return homeless ? undefined : ticks
  }

  /** Enters a market order, its protection price drawn into the band. */
  protected enterTightened(order: ReferenceOrder, market: ReferenceMarket): void {
    const ticks = tightened(market, order.side, order.ticks)
    if (ticks === undefined) this.cancel(order, CancelReason.PriceBand)
    else {
      order.ticks = ticks
      this.enter(order)
    }
  }
}

/** Whether a taker's price lets it trade at `ticks`. */
const reaches = (taker: ReferenceOrder, ticks: number): boolean =>
  taker.side === 0 ? ticks <= taker.ticks : ticks >= taker.ticks

const lesser = (lots: number, bound: bigint): number => (bound < BigInt(lots) ? Number(bound) : lots)

/** Why what is left of an order may not rest; 0 = it may. */
function restReason(order: ReferenceOrder, market: ReferenceMarket): number {
  if (isMarketType(order.type) || isImmediate(order.timeInForce)) return CancelReason.ImmediateOrCancel
  const capped = order.cap !== undefined && quoteOf(market, order.ticks, order.remaining) > order.cap
  return capped ? CancelReason.SessionNotional : 0
}
