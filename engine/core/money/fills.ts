/**
 * A fill in money: what the buyer pays and the seller gives, both fees, and what the buyer then still
 * reserves. Whatever goes wrong with a price or a size elsewhere ends here: no order spends more than it
 * reserved and no balance falls below zero, or the engine stops before anything moves.
 * Called by trading.ts for each fill.
 */
import { Attr } from '../../layout.js'
import { InvariantError } from '../base/invariant-error.js'
import type { Ledger } from './ledger.js'
import { Fee, Market, MarketUnits, type Markets } from '../book/markets.js'
import * as marketLayout from '../book/markets.js'
import { Settled } from '../book/match.js'
import type { OrderEvents } from '../book/order-events.js'
import { ExtraNumber, Mark, Order, OrderNumber, type Orders } from '../book/orders.js'
import type { Reserves } from './reserves.js'
import * as fees from './fees.js'
import * as limits from '../../limits.js'
import * as offsets from '../base/offsets.js'
import * as orders from '../book/orders.js'

// Local copies, of functions too: optimised code folds them, but loads and checks an import at each use.
const { carryAfter, feeUnits } = fees
const { OFFSETS } = offsets
const { MARKET_SHIFT } = marketLayout
const { UNITS_END, TIERS_MAX } = limits
const { ORDER_SHIFT, MARKET_MASK, CARRY_SHIFT, CARRY_END } = orders
const {
  FEE_ROW: MARKET_FEE_ROW,
  LAST_TICKS: MARKET_LAST_TICKS,
  TOUCHED_LOW: MARKET_TOUCHED_LOW,
  TOUCHED_HIGH: MARKET_TOUCHED_HIGH,
} = Market
const { LOT: UNITS_LOT, TICK: UNITS_TICK } = MarketUnits
const { MAKER: FEE_MAKER, TAKER: FEE_TAKER } = Fee
const {
  ATTR: ORDER_ATTR,
  BASE_ROW: ORDER_BASE_ROW,
  QUOTE_ROW: ORDER_QUOTE_ROW,
  MARKET_CARRY: ORDER_MARKET_CARRY,
  TICKS: ORDER_TICKS,
  FEE_PPM: ORDER_FEE_PPM,
  ACCOUNT: ORDER_ACCOUNT,
} = Order
const { SIDE_SHIFT: ATTR_SIDE_SHIFT } = Attr
const { Cap: MARK_CAP } = Mark
const { BUDGET: EXTRA_BUDGET } = ExtraNumber
const { ID: NUMBER_ID } = OrderNumber
const { TakerCannot: SETTLED_TAKER_CANNOT, MakerCannot: SETTLED_MAKER_CANNOT, Done: SETTLED_DONE } = Settled

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
    const makerMarketCarry = words[makerAt + ORDER_MARKET_CARRY]!
    const market = makerMarketCarry & MARKET_MASK
    const ticks = words[makerAt + ORDER_TICKS]!
    const makerAttributes = words[makerAt + ORDER_ATTR]!
    const quote = ticks * lots * units[2 * market + UNITS_TICK]!
    const base = lots * units[2 * market + UNITS_LOT]!
    const marketAt = (market << MARKET_SHIFT) & OFFSETS
    const feeRow = 2 * markets[marketAt + MARKET_FEE_ROW]!

    const takerPpm = Math.min(
      rates[2 * (market * TIERS_MAX + this.reserves.tier(words[takerAt + ORDER_ACCOUNT]!)) + FEE_TAKER]!,
      words[takerAt + ORDER_FEE_PPM]!,
    )
    // Tiers may pair a rebate with a lower taker's fee: the rebate is then what that fee pays for.
    const makerPpm = Math.max(
      Math.min(
        rates[2 * (market * TIERS_MAX + this.reserves.tier(words[makerAt + ORDER_ACCOUNT]!)) + FEE_MAKER]!,
        words[makerAt + ORDER_FEE_PPM]!,
      ),
      -takerPpm,
    )
    const takerCarry = words[takerAt + ORDER_MARKET_CARRY]! >>> CARRY_SHIFT
    const makerCarry = makerMarketCarry >>> CARRY_SHIFT
    const takerFee = feeUnits(quote, takerPpm, takerCarry)
    let makerFee = feeUnits(quote, makerPpm, makerCarry)
    let makerCarryAfter = carryAfter(quote, makerPpm, makerCarry, makerFee)
    if (makerFee < 0 && makerFee + values[feeRow]! + takerFee < 0) {
      // The fee account pays what it has.
      makerFee = 0 - (values[feeRow]! + takerFee)
      makerCarryAfter = Math.min(CARRY_END - 1, carryAfter(quote, makerPpm, makerCarry, makerFee))
    }

    const makerSells = (makerAttributes >>> ATTR_SIDE_SHIFT) & 1
    const buyerAt = makerSells ? takerAt : makerAt
    const sellerAt = makerSells ? makerAt : takerAt
    const buyer = makerSells ? taker : maker
    const seller = makerSells ? maker : taker
    const buyerFee = makerSells ? takerFee : makerFee
    const sellerFee = makerSells ? makerFee : takerFee
    const buyerBase = 2 * words[buyerAt + ORDER_BASE_ROW]!
    const buyerQuote = 2 * words[buyerAt + ORDER_QUOTE_ROW]!
    const sellerBase = 2 * words[sellerAt + ORDER_BASE_ROW]!
    const sellerQuote = 2 * words[sellerAt + ORDER_QUOTE_ROW]!

    // No balance may reach 2^53: look before anything moves.
    const proceeds = quote - sellerFee
    if (values[buyerBase]! + values[buyerBase + 1]! + base >= UNITS_END)
      return makerSells ? SETTLED_TAKER_CANNOT : SETTLED_MAKER_CANNOT
    if (values[sellerQuote]! + values[sellerQuote + 1]! + proceeds >= UNITS_END)
      return makerSells ? SETTLED_MAKER_CANNOT : SETTLED_TAKER_CANNOT
    const fees = takerFee + makerFee
    if (values[feeRow]! + values[feeRow + 1]! + fees + (feeRow === sellerQuote ? proceeds : 0) >= UNITS_END)
      return SETTLED_TAKER_CANNOT

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
      words[takerAt + ORDER_MARKET_CARRY] =
        market | (carryAfter(quote, takerPpm, takerCarry, takerFee) << CARRY_SHIFT)
    if (makerPpm !== 0) words[makerAt + ORDER_MARKET_CARRY] = market | (makerCarryAfter << CARRY_SHIFT)
    if ((makerAttributes & MARK_CAP) !== 0) this.orders.extraNumbers[2 * maker + EXTRA_BUDGET]! -= quote

    markets[marketAt + MARKET_LAST_TICKS] = ticks
    const high = markets[marketAt + MARKET_TOUCHED_HIGH]!
    if (high === 0 || ticks < markets[marketAt + MARKET_TOUCHED_LOW]!)
      markets[marketAt + MARKET_TOUCHED_LOW] = ticks
    if (ticks > high) markets[marketAt + MARKET_TOUCHED_HIGH] = ticks

    this.orderEvents.fill(maker, taker, lots, makerFee, takerFee)
    // What a bid held for a higher fee than it was charged goes back at once; a taker's, when its match ends.
    if (makerSells === 0 && (makerFee !== 0 || words[makerAt + ORDER_FEE_PPM]! !== 0)) {
      const rest = this.orders.remaining(maker) - lots
      if (rest > 0) this.reserves.set(maker, rest)
    }
    return SETTLED_DONE
  }

  private overspent(buyer: number, seller: number, spent: number, base: number): InvariantError {
    const { numbers } = this
    return new InvariantError(
      `fill: order ${numbers[2 * buyer + NUMBER_ID]} of ${numbers[2 * buyer]} reserved units pays ${spent}, ` +
        `order ${numbers[2 * seller + NUMBER_ID]} of ${numbers[2 * seller]} gives ${base}, or a balance does not cover it`,
    )
  }
}
