/**
 * What orders reserve: base of a sell; of a buy the quote at its limit (or its budget) and the worst fee on it.
 *
 * Invariant: an order's reserved units are part of its account's reserved balance in one row (ledger.ts), and
 * between commands they are exactly what its unfilled lots need.
 * Called by place.ts, amend.ts and trading.ts.
 */
import { Attr } from '../../layout.js'
import type { Ledger } from './ledger.js'
import { Fee, MarketUnits, type Markets } from '../book/markets.js'
import {
  ExtraNumber,
  Mark,
  Order,
  type Orders,
  ORDER_SHIFT,
  MARKET_MASK,
  CARRY_SHIFT,
} from '../book/orders.js'
import { feeUnits } from './fees.js'
import { ACCOUNT_SHIFT, TIER_SHIFT, TIER_MASK } from './ledger.js'
import { TIERS_MAX } from '../../limits.js'
import { OFFSETS } from '../base/offsets.js'

export class Reserves {
  // The tables themselves: one load away instead of two.
  private readonly words: Int32Array
  private readonly numbers: Float64Array
  private readonly extraNumbers: Float64Array
  private readonly accounts: Int32Array
  private readonly values: Float64Array
  private readonly fees: Int32Array
  private readonly units: Float64Array

  constructor(orders: Orders, ledger: Ledger, markets: Markets) {
    this.words = orders.words
    this.numbers = orders.numbers
    this.extraNumbers = orders.extraNumbers
    this.accounts = ledger.accounts
    this.values = ledger.values
    this.fees = markets.fees
    this.units = markets.units
  }

  /** Fee tier of an account that is open. */
  tier(account: number): number {
    return (this.accounts[(account << ACCOUNT_SHIFT) & OFFSETS]! >>> TIER_SHIFT) & TIER_MASK
  }

  /** The higher of the two rates that a tier pays in a market: what a new order's reserve covers. */
  worstPpm(market: number, tier: number): number {
    const at = market * TIERS_MAX + tier
    const { fees } = this
    return Math.max(fees[2 * at + Fee.MAKER]!, fees[2 * at + Fee.TAKER]!)
  }

  /**
   * Units that an order must reserve: base of a sell; of a buy the quote at its limit (or its budget) and the
   * worst fee on it, less what it was charged too much so far (`carry`, in millionths).
   */
  needUnits(
    side: number,
    market: number,
    ticks: number,
    lots: number,
    ppm: number,
    budget: number,
    carry: number,
  ): number {
    const { units } = this
    if (side === 1) return lots * units[2 * market + MarketUnits.LOT]!
    const quote = budget > 0 ? budget : ticks * lots * units[2 * market + MarketUnits.TICK]!
    return ppm > 0 ? quote + Math.max(0, feeUnits(quote, ppm, carry)) : quote
  }

  /** Row of the asset that the order reserves. */
  row(slot: number): number {
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const words = this.words
    return (words[at + Order.ATTR]! >>> Attr.SIDE_SHIFT) & 1
      ? words[at + Order.BASE_ROW]!
      : words[at + Order.QUOTE_ROW]!
  }

  /** Makes the order reserve what it needs for `lots` at its limit; the caller has checked that it can. */
  set(slot: number, lots: number): void {
    const words = this.words
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const attributes = words[at + Order.ATTR]!
    const marketCarry = words[at + Order.MARKET_CARRY]!
    const units = this.needUnits(
      (attributes >>> Attr.SIDE_SHIFT) & 1,
      marketCarry & MARKET_MASK,
      words[at + Order.TICKS]!,
      lots,
      words[at + Order.FEE_PPM]!,
      (attributes & Mark.Budget) === 0 ? 0 : this.extraNumbers[2 * slot + ExtraNumber.BUDGET]!,
      marketCarry >>> CARRY_SHIFT,
    )
    this.hold(slot, this.row(slot), units)
  }

  /** Makes the order, whose reserve is in `row`, reserve `units`; the caller has checked that it can. */
  hold(slot: number, row: number, units: number): void {
    const change = units - this.numbers[2 * slot]!
    this.numbers[2 * slot] = units
    this.values[2 * row]! -= change
    this.values[2 * row + 1]! += change
  }
}
