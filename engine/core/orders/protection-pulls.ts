/**
 * Protections that the fills of a match reach, and the cancelling of the orders behind them: after the match, not
 * within, as it walks the books that they stand in. Called by trading.ts.
 */
import { CancelReason, EventKind } from '../../codes.js'
import { ProtectionTriggeredEv } from '../../layout.js'
import type { Events } from '../base/events.js'
import { MarketUnits, type Markets } from '../book/markets.js'
import { MARKET_MASK, ORDER_SHIFT, Order, type Orders } from '../book/orders.js'
import { OFFSETS } from '../base/offsets.js'
import { Clock } from '../base/clock-places.js'
import type { MassCancels } from './mass-cancels.js'
import type { Protections } from './protections.js'

export class ProtectionPulls {
  private readonly orders: Orders
  private readonly markets: Markets
  private readonly protections: Protections
  private readonly massCancels: MassCancels
  private readonly events: Events
  private readonly clock: Float64Array
  /** Protections that a fill of the match in progress has reached. */
  private readonly reached: Int32Array
  private reachedCount = 0

  constructor(
    orders: Orders,
    markets: Markets,
    protections: Protections,
    massCancels: MassCancels,
    events: Events,
    clock: Float64Array,
  ) {
    this.orders = orders
    this.markets = markets
    this.protections = protections
    this.massCancels = massCancels
    this.events = events
    this.clock = clock
    this.reached = new Int32Array(protections.capacity)
  }

  /** True when a fill of the match has reached a protection. */
  get isDue(): boolean {
    return this.reachedCount > 0
  }

  /** Counts a fill of an account's standing order. */
  countFill(maker: number, account: number, lots: number): void {
    const { words } = this.orders
    const at = (maker << ORDER_SHIFT) & OFFSETS
    const market = words[at + Order.MARKET_CARRY]! & MARKET_MASK
    const quote = words[at + Order.TICKS]! * lots * this.markets.units[2 * market + MarketUnits.TICK]!
    const entry = this.protections.countFill(account, market, quote, this.clock[Clock.TIME]!)
    if (entry >= 0) this.reached[this.reachedCount++] = entry
  }

  /** Pulls the orders behind each protection that the match has reached. After the match, not within. */
  pull(): void {
    for (let index = 0; index < this.reachedCount; index++) {
      const entry = this.reached[index]!
      const account = this.protections.account(entry)
      const market = this.protections.market(entry)
      const event = this.events.next(EventKind.ProtectionTriggered, this.clock)
      this.events.words[event + ProtectionTriggeredEv.ACCOUNT] = account
      this.events.words[event + ProtectionTriggeredEv.MARKET] = market
      this.massCancels.begin(
        { account, market, side: -1, reason: CancelReason.Protection, haltedToo: true },
        this.clock[Clock.SEQ]!,
      )
    }
    this.reachedCount = 0
  }
}
