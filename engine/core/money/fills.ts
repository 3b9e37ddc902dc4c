/**
 * A fill in money: what the buyer pays and the seller gives, both fees, and what the buyer then still
 * reserves. Whatever goes wrong with a price or a size elsewhere ends here: no order spends more than it
 * reserved and no balance falls below zero, or the engine stops before anything moves.
 * Called by trading.ts for each fill.
 */
import { Attr } from '../../layout.js'
import { InvariantError } from '../base/invariant-error.js'
import type { Ledger } from './ledger.js'
import { Fee, Market, MarketUnits, type Markets, MARKET_SHIFT } from '../book/markets.js'
import { Settled } from '../book/match.js'
import type { OrderEvents } from '../book/order-events.js'
import {
  ExtraNumber,
  Mark,
  Order,
  OrderNumber,
  type Orders,
  ORDER_SHIFT,
  MARKET_MASK,
  CARRY_SHIFT,
  CARRY_END,
} from '../book/orders.js'
import type { Reserves } from './reserves.js'
import { carryAfter, feeUnits } from './fees.js'
import { UNITS_END, TIERS_MAX } from '../../limits.js'
import { OFFSETS } from '../base/offsets.js'

export class Fills {
  private readonly orders: Orders
  private readonly reserves: Reserves
  private readonly orderEvents: OrderEvents
  // The tables themselves: one load away instead of two.
  private readonly words: Int32Array
  private readonly numbers: Float64Array
  private readonly values: Float64Array
  private readonly rates: Int32Array
  private readonly units: Float64Array
  private readonly markets: Int32Array

  constructor(
    orders: Orders,
    ledger: Ledger,
    markets: Markets,
    reserves: Reserves,
    orderEvents: OrderEvents,
  ) {
    this.orders = orders
    this.reserves = reserves
    this.orderEvents = orderEvents
    this.words = orders.words
    this.numbers = orders.numbers
    this.values = ledger.values
    this.rates = markets.fees
    this.units = markets.units
    this.markets = markets.words
  }

  /**
   * Settles `lots` between two orders at the maker's price, before their records change; says who cannot take
   * the proceeds (Settled), and then nothing has moved.
   */
  settle(maker: number, taker: number, lots: number): number {
    const { words, numbers, values, rates, units, markets } = this
    const makerAt = (maker << ORDER_SHIFT) & OFFSETS
    const takerAt = (taker << ORDER_SHIFT) & OFFSETS
    const makerMarketCarry = words[makerAt + Order.MARKET_CARRY]!
    const market = makerMarketCarry & MARKET_MASK
    const ticks = words[makerAt + Order.TICKS]!
    const makerAttributes = words[makerAt + Order.ATTR]!
    const quote = ticks * lots * units[2 * market + MarketUnits.TICK]!
    const base = lots * units[2 * market + MarketUnits.LOT]!
    const marketAt = (market << MARKET_SHIFT) & OFFSETS
    const feeRow = 2 * markets[marketAt + Market.FEE_ROW]!

    const takerPpm = Math.min(
      rates[2 * (market * TIERS_MAX + this.reserves.tier(words[takerAt + Order.ACCOUNT]!)) + Fee.TAKER]!,
      words[takerAt + Order.FEE_PPM]!,
    )
    // Tiers may pair a rebate with a lower taker's fee: the rebate is then what that fee pays for.
    const makerPpm = Math.max(
      Math.min(
        rates[2 * (market * TIERS_MAX + this.reserves.tier(words[makerAt + Order.ACCOUNT]!)) + Fee.MAKER]!,
        words[makerAt + Order.FEE_PPM]!,
      ),
      -takerPpm,
    )
    const takerCarry = words[takerAt + Order.MARKET_CARRY]! >>> CARRY_SHIFT
    const makerCarry = makerMarketCarry >>> CARRY_SHIFT
    const takerFee = feeUnits(quote, takerPpm, takerCarry)
    let makerFee = feeUnits(quote, makerPpm, makerCarry)
    let makerCarryAfter = carryAfter(quote, makerPpm, makerCarry, makerFee)
    if (makerFee < 0 && makerFee + values[feeRow]! + takerFee < 0) {
      // The fee account pays what it has.
      makerFee = 0 - (values[feeRow]! + takerFee)
      makerCarryAfter = Math.min(CARRY_END - 1, carryAfter(quote, makerPpm, makerCarry, makerFee))
    }

    const makerSells = (makerAttributes >>> Attr.SIDE_SHIFT) & 1
    const buyerAt = makerSells ? takerAt : makerAt
    const sellerAt = makerSells ? makerAt : takerAt
    const buyer = makerSells ? taker : maker
    const seller = makerSells ? maker : taker
    const buyerFee = makerSells ? takerFee : makerFee
    const sellerFee = makerSells ? makerFee : takerFee
    const buyerBase = 2 * words[buyerAt + Order.BASE_ROW]!
    const buyerQuote = 2 * words[buyerAt + Order.QUOTE_ROW]!
    const sellerBase = 2 * words[sellerAt + Order.BASE_ROW]!
    const sellerQuote = 2 * words[sellerAt + Order.QUOTE_ROW]!

    // No balance may reach 2^53: look before anything moves.
    const proceeds = quote - sellerFee
    if (values[buyerBase]! + values[buyerBase + 1]! + base >= UNITS_END)
      return makerSells ? Settled.TakerCannot : Settled.MakerCannot
    if (values[sellerQuote]! + values[sellerQuote + 1]! + proceeds >= UNITS_END)
      return makerSells ? Settled.MakerCannot : Settled.TakerCannot
    const fees = takerFee + makerFee
    if (values[feeRow]! + values[feeRow + 1]! + fees + (feeRow === sellerQuote ? proceeds : 0) >= UNITS_END)
      return Settled.TakerCannot

    const spent = quote + buyerFee
    const reservedAfter = numbers[2 * buyer]! - spent
    if (
      reservedAfter < 0 ||
      numbers[2 * seller]! < base ||
      values[buyerQuote + 1]! < spent ||
      values[sellerBase + 1]! < base ||
      proceeds < 0 ||
      values[feeRow]! + fees < 0
    )
      throw this.overspent(buyer, seller, spent, base)
    numbers[2 * buyer] = reservedAfter
    values[buyerQuote + 1]! -= spent
    values[buyerBase]! += base
    numbers[2 * seller]! -= base
    values[sellerBase + 1]! -= base
    values[sellerQuote]! += proceeds
    values[feeRow]! += fees
    if (takerPpm !== 0)
      words[takerAt + Order.MARKET_CARRY] =
        market | (carryAfter(quote, takerPpm, takerCarry, takerFee) << CARRY_SHIFT)
    if (makerPpm !== 0) words[makerAt + Order.MARKET_CARRY] = market | (makerCarryAfter << CARRY_SHIFT)
    if ((makerAttributes & Mark.Cap) !== 0) this.orders.extraNumbers[2 * maker + ExtraNumber.BUDGET]! -= quote

    markets[marketAt + Market.LAST_TICKS] = ticks
    const high = markets[marketAt + Market.TOUCHED_HIGH]!
    if (high === 0 || ticks < markets[marketAt + Market.TOUCHED_LOW]!)
      markets[marketAt + Market.TOUCHED_LOW] = ticks
    if (ticks > high) markets[marketAt + Market.TOUCHED_HIGH] = ticks

    this.orderEvents.fill(maker, taker, lots, makerFee, takerFee)
    // What a bid held for a higher fee than it was charged goes back at once; a taker's, when its match ends.
    if (makerSells === 0 && (makerFee !== 0 || words[makerAt + Order.FEE_PPM]! !== 0)) {
      const rest = this.orders.remaining(maker) - lots
      if (rest > 0) this.reserves.set(maker, rest)
    }
    return Settled.Done
  }

  private overspent(buyer: number, seller: number, spent: number, base: number): InvariantError {
    const { numbers } = this
    return new InvariantError(
      `fill: order ${numbers[2 * buyer + OrderNumber.ID]} of ${numbers[2 * buyer]} reserved units pays ${spent}, ` +
        `order ${numbers[2 * seller + OrderNumber.ID]} of ${numbers[2 * seller]} gives ${base}, or a balance does not cover it`,
    )
  }
}
