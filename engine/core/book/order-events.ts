/**
 * What the core says of orders. Every word of an event is written, so that no event shows what an earlier
 * one held; what only icebergs, stops, expiries and budgets have is read only when an order has it.
 * Called by trading.ts, place.ts and amend.ts.
 */
import { EventKind } from '../../codes.js'
import { AcceptedEv, AmendedEv, Attr, CanceledEv, FillEv, OrderEv } from '../../layout.js'
import type { Events } from '../base/events.js'
import {
  Extra,
  ExtraNumber,
  Mark,
  Order,
  OrderNumber,
  type Orders,
  ORDER_SHIFT,
  EXTRA_SHIFT,
  ORDER_ATTR_MASK,
  MARKET_MASK,
} from './orders.js'
import { OFFSETS, EVENTS } from '../base/offsets.js'
import { isStop } from './order-types.js'
/** Marks, and the types of stops: an order without them has nothing to describe. */
const DESCRIBED = Mark.Iceberg | Mark.Expires | Mark.Waiting | (6 << Attr.ORDER_TYPE_SHIFT)

export class OrderEvents {
  private readonly orders: Orders
  private readonly events: Events
  private readonly clock: Float64Array
  // The tables themselves: one load away instead of two.
  private readonly words: Int32Array
  private readonly numbers: Float64Array
  private readonly out: Int32Array
  private readonly outFloats: Float64Array

  constructor(orders: Orders, events: Events, clock: Float64Array) {
    this.orders = orders
    this.events = events
    this.clock = clock
    this.words = orders.words
    this.numbers = orders.numbers
    this.out = events.words
    this.outFloats = events.floats
  }

  /** An event that speaks of one order, cancelled for `code`, else 0; returns its word offset for what else it says. */
  about(kind: number, slot: number, code: number): number {
    const { words, numbers, events, out, outFloats: floats } = this
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const event = EVENTS & events.claim(kind | (words[at + Order.ATTR]! & ORDER_ATTR_MASK), this.clock)
    const float = event >> 1
    out[event + OrderEv.MARKET] = words[at + Order.MARKET_CARRY]! & MARKET_MASK
    out[event + OrderEv.TICKS] = words[at + Order.TICKS]!
    out[event + OrderEv.LOTS] = words[at + Order.LOTS]!
    out[event + OrderEv.ACCOUNT] = words[at + Order.ACCOUNT]!
    out[event + CanceledEv.REASON] = code
    out[event + OrderEv.CLOID_LO] = words[at + Order.CLOID_LO]!
    out[event + OrderEv.CLOID_HI] = words[at + Order.CLOID_HI]!
    out[event + OrderEv.REMAINING] = this.orders.remaining(slot)
    out[event + AcceptedEv.TRIGGER_TICKS] = 0
    out[event + AcceptedEv.DISPLAY_LOTS] = 0
    out[event + AmendedEv.TICKS_BEFORE] = 0
    floats[float + AcceptedEv.EXPIRES_AT_MS_F64] = 0
    floats[float + AcceptedEv.QUOTE_BUDGET_F64] = 0
    // Words that only fills use.
    out[event + FillEv.TAKER_ACCOUNT] = 0
    out[event + FillEv.TAKER_CLOID_HI] = 0
    floats[float + FillEv.TAKER_ORDER_ID_F64] = 0
    floats[float + OrderEv.ORDER_ID_F64] = numbers[2 * slot + OrderNumber.ID]!
    return event
  }

  /** Accepted: what `about` says, and the order's display, trigger, expiry and budget. */
  accepted(slot: number): void {
    const event = this.about(EventKind.Accepted, slot, 0)
    this.describe(event, slot)
    const { extraNumbers, words } = this.orders
    const attributes = words[(slot << ORDER_SHIFT) + Order.ATTR]!
    if ((attributes & Mark.Budget) !== 0)
      this.outFloats[(event >> 1) + AcceptedEv.QUOTE_BUDGET_F64] =
        extraNumbers[2 * slot + ExtraNumber.BUDGET]!
  }

  /**
   * Amended: the order as it is now, its price before, whether it kept its place, and whether it `waits` for
   * its trigger.
   */
  amended(slot: number, ticksBefore: number, kept: boolean, waits: boolean): void {
    const event = this.about(EventKind.Amended, slot, 0)
    this.out[event + AmendedEv.KEPT_PLACE] = kept ? 1 : 0
    this.describe(event, slot)
    if (waits) this.outFloats[(event >> 1) + AmendedEv.WAITS_F64] = 1
    this.out[event + AmendedEv.TICKS_BEFORE] = ticksBefore
  }

  private describe(event: number, slot: number): void {
    const { words, extras, extraNumbers } = this.orders
    const attributes = words[(slot << ORDER_SHIFT) + Order.ATTR]!
    if ((attributes & DESCRIBED) === 0) return
    const { out } = this
    if ((attributes & Mark.Iceberg) !== 0)
      out[event + AcceptedEv.DISPLAY_LOTS] = extras[(slot << EXTRA_SHIFT) + Extra.DISPLAY]!
    if (isStop((attributes >>> Attr.ORDER_TYPE_SHIFT) & 7))
      out[event + AcceptedEv.TRIGGER_TICKS] = extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!
    if ((attributes & Mark.Expires) !== 0)
      this.outFloats[(event >> 1) + AcceptedEv.EXPIRES_AT_MS_F64] =
        extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!
  }

  /** Fill of `lots` at the maker's price, with both fees; before the orders' records change. */
  fill(maker: number, taker: number, lots: number, makerFee: number, takerFee: number): void {
    const { words, numbers, events, out, outFloats: floats } = this
    const makerAt = (maker << ORDER_SHIFT) & OFFSETS
    const takerAt = (taker << ORDER_SHIFT) & OFFSETS
    const makerSide = (words[makerAt + Order.ATTR]! >>> Attr.SIDE_SHIFT) & 1
    const event = EVENTS & events.claim(EventKind.Fill | (makerSide << Attr.SIDE_SHIFT), this.clock)
    const float = event >> 1
    out[event + FillEv.MARKET] = words[makerAt + Order.MARKET_CARRY]! & MARKET_MASK
    out[event + FillEv.TICKS] = words[makerAt + Order.TICKS]!
    out[event + FillEv.LOTS] = lots
    out[event + FillEv.MAKER_ACCOUNT] = words[makerAt + Order.ACCOUNT]!
    // Words that only events of one order use.
    out[event + CanceledEv.REASON] = 0
    out[event + FillEv.MAKER_CLOID_LO] = words[makerAt + Order.CLOID_LO]!
    out[event + FillEv.MAKER_CLOID_HI] = words[makerAt + Order.CLOID_HI]!
    out[event + FillEv.TAKER_ACCOUNT] = words[takerAt + Order.ACCOUNT]!
    out[event + FillEv.MAKER_REMAINING] = this.orders.remaining(maker) - lots
    out[event + FillEv.TAKER_CLOID_LO] = words[takerAt + Order.CLOID_LO]!
    out[event + FillEv.TAKER_CLOID_HI] = words[takerAt + Order.CLOID_HI]!
    out[event + FillEv.TAKER_REMAINING] = words[takerAt + Order.VISIBLE]! - lots
    out[event + AmendedEv.TICKS_BEFORE] = 0
    floats[float + FillEv.MAKER_FEE_F64] = makerFee
    floats[float + FillEv.TAKER_FEE_F64] = takerFee
    floats[float + FillEv.TAKER_ORDER_ID_F64] = numbers[2 * taker + OrderNumber.ID]!
    floats[float + FillEv.MAKER_ORDER_ID_F64] = numbers[2 * maker + OrderNumber.ID]!
  }
}
