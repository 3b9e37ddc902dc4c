/**
 * What the core says of orders. Every word of an event is written, so that no event shows what an earlier
 * one held; what only icebergs, stops, expiries and budgets have is read only when an order has it.
 * Called by trading.ts, place.ts and amend.ts.
 */
import { EventKind } from '../../codes.js'
import { AcceptedEv, AmendedEv, Attr, CanceledEv, FillEv, OrderEv } from '../../layout.js'
import type { Events } from '../base/events.js'
import { Extra, ExtraNumber, Mark, Order, OrderNumber, type Orders } from './orders.js'
import * as offsets from '../base/offsets.js'
import * as orderTypes from './order-types.js'
import * as orders from './orders.js'

// Local copies, of functions too: optimised code folds them, but loads and checks an import at each use.
const { isStop } = orderTypes
const { OFFSETS, EVENTS } = offsets
const { ORDER_SHIFT, EXTRA_SHIFT, ORDER_ATTR_MASK, MARKET_MASK } = orders
const {
  ATTR: ORDER_ATTR,
  MARKET_CARRY: ORDER_MARKET_CARRY,
  TICKS: ORDER_TICKS,
  ACCOUNT: ORDER_ACCOUNT,
  CLOID_LO: ORDER_CLOID_LO,
  CLOID_HI: ORDER_CLOID_HI,
  VISIBLE: ORDER_VISIBLE,
  LOTS: ORDER_LOTS,
} = Order
const { TRIGGER: EXTRA_TRIGGER, DISPLAY: EXTRA_DISPLAY } = Extra
const { Budget: MARK_BUDGET, Expires: MARK_EXPIRES, Waiting: MARK_WAITING, Iceberg: MARK_ICEBERG } = Mark
const { ID: NUMBER_ID } = OrderNumber
const { EXPIRES_AT: EXTRA_EXPIRES_AT, BUDGET: EXTRA_BUDGET } = ExtraNumber
const { SIDE_SHIFT: ATTR_SIDE_SHIFT, ORDER_TYPE_SHIFT: ATTR_ORDER_TYPE_SHIFT } = Attr
const { Fill: EVENT_FILL, Accepted: EVENT_ACCEPTED, Amended: EVENT_AMENDED } = EventKind
const {
  MARKET: EV_MARKET,
  TICKS: EV_TICKS,
  LOTS: EV_LOTS,
  ACCOUNT: EV_ACCOUNT,
  CLOID_LO: EV_CLOID_LO,
  CLOID_HI: EV_CLOID_HI,
  REMAINING: EV_REMAINING,
  ORDER_ID_F64: EV_ORDER_ID_F64,
} = OrderEv
const {
  TRIGGER_TICKS: EV_TRIGGER_TICKS,
  DISPLAY_LOTS: EV_DISPLAY_LOTS,
  EXPIRES_AT_MS_F64: EV_EXPIRES_AT_MS_F64,
  QUOTE_BUDGET_F64: EV_QUOTE_BUDGET_F64,
} = AcceptedEv
const { REASON: EV_REASON } = CanceledEv
const { KEPT_PLACE: EV_KEPT_PLACE, TICKS_BEFORE: EV_TICKS_BEFORE, WAITS_F64: EV_WAITS_F64 } = AmendedEv
const {
  MARKET: FILL_MARKET,
  TICKS: FILL_TICKS,
  LOTS: FILL_LOTS,
  MAKER_ACCOUNT: FILL_MAKER_ACCOUNT,
  MAKER_CLOID_LO: FILL_MAKER_CLOID_LO,
  MAKER_CLOID_HI: FILL_MAKER_CLOID_HI,
  MAKER_ORDER_ID_F64: FILL_MAKER_ORDER_ID_F64,
  MAKER_REMAINING: FILL_MAKER_REMAINING,
  MAKER_FEE_F64: FILL_MAKER_FEE_F64,
  TAKER_ACCOUNT: FILL_TAKER_ACCOUNT,
  TAKER_CLOID_LO: FILL_TAKER_CLOID_LO,
  TAKER_CLOID_HI: FILL_TAKER_CLOID_HI,
  TAKER_ORDER_ID_F64: FILL_TAKER_ORDER_ID_F64,
  TAKER_REMAINING: FILL_TAKER_REMAINING,
  TAKER_FEE_F64: FILL_TAKER_FEE_F64,
} = FillEv
/** Marks, and the types of stops: an order without them has nothing to describe. */
const DESCRIBED = MARK_ICEBERG | MARK_EXPIRES | MARK_WAITING | (6 << ATTR_ORDER_TYPE_SHIFT)

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
    const event = EVENTS & events.claim(kind | (words[at + ORDER_ATTR]! & ORDER_ATTR_MASK), this.clock)
    const float = event >> 1
    out[event + EV_MARKET] = words[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    out[event + EV_TICKS] = words[at + ORDER_TICKS]!
    out[event + EV_LOTS] = words[at + ORDER_LOTS]!
    out[event + EV_ACCOUNT] = words[at + ORDER_ACCOUNT]!
    out[event + EV_REASON] = code
    out[event + EV_CLOID_LO] = words[at + ORDER_CLOID_LO]!
    out[event + EV_CLOID_HI] = words[at + ORDER_CLOID_HI]!
    out[event + EV_REMAINING] = this.orders.remaining(slot)
    out[event + EV_TRIGGER_TICKS] = 0
    out[event + EV_DISPLAY_LOTS] = 0
    out[event + EV_TICKS_BEFORE] = 0
    floats[float + EV_EXPIRES_AT_MS_F64] = 0
    floats[float + EV_QUOTE_BUDGET_F64] = 0
    // Words that only fills use.
    out[event + FILL_TAKER_ACCOUNT] = 0
    out[event + FILL_TAKER_CLOID_HI] = 0
    floats[float + FILL_TAKER_ORDER_ID_F64] = 0
    floats[float + EV_ORDER_ID_F64] = numbers[2 * slot + NUMBER_ID]!
    return event
  }

  /** Accepted: what `about` says, and the order's display, trigger, expiry and budget. */
  accepted(slot: number): void {
    const event = this.about(EVENT_ACCEPTED, slot, 0)
    this.describe(event, slot)
    const { extraNumbers, words } = this.orders
    const attributes = words[(slot << ORDER_SHIFT) + ORDER_ATTR]!
    if ((attributes & MARK_BUDGET) !== 0)
      this.outFloats[(event >> 1) + EV_QUOTE_BUDGET_F64] = extraNumbers[2 * slot + EXTRA_BUDGET]!
  }

  /**
   * Amended: the order as it is now, its price before, whether it kept its place, and whether it `waits` for
   * its trigger.
   */
  amended(slot: number, ticksBefore: number, kept: boolean, waits: boolean): void {
    const event = this.about(EVENT_AMENDED, slot, 0)
    this.out[event + EV_KEPT_PLACE] = kept ? 1 : 0
    this.describe(event, slot)
    if (waits) this.outFloats[(event >> 1) + EV_WAITS_F64] = 1
    this.out[event + EV_TICKS_BEFORE] = ticksBefore
  }

  private describe(event: number, slot: number): void {
    const { words, extras, extraNumbers } = this.orders
    const attributes = words[(slot << ORDER_SHIFT) + ORDER_ATTR]!
    if ((attributes & DESCRIBED) === 0) return
    const { out } = this
    if ((attributes & MARK_ICEBERG) !== 0)
      out[event + EV_DISPLAY_LOTS] = extras[(slot << EXTRA_SHIFT) + EXTRA_DISPLAY]!
    if (isStop((attributes >>> ATTR_ORDER_TYPE_SHIFT) & 7))
      out[event + EV_TRIGGER_TICKS] = extras[(slot << EXTRA_SHIFT) + EXTRA_TRIGGER]!
    if ((attributes & MARK_EXPIRES) !== 0)
      this.outFloats[(event >> 1) + EV_EXPIRES_AT_MS_F64] = extraNumbers[2 * slot + EXTRA_EXPIRES_AT]!
  }

  /** Fill of `lots` at the maker's price, with both fees; before the orders' records change. */
  fill(maker: number, taker: number, lots: number, makerFee: number, takerFee: number): void {
    const { words, numbers, events, out, outFloats: floats } = this
    const makerAt = (maker << ORDER_SHIFT) & OFFSETS
    const takerAt = (taker << ORDER_SHIFT) & OFFSETS
    const makerSide = (words[makerAt + ORDER_ATTR]! >>> ATTR_SIDE_SHIFT) & 1
    const event = EVENTS & events.claim(EVENT_FILL | (makerSide << ATTR_SIDE_SHIFT), this.clock)
    const float = event >> 1
    out[event + FILL_MARKET] = words[makerAt + ORDER_MARKET_CARRY]! & MARKET_MASK
    out[event + FILL_TICKS] = words[makerAt + ORDER_TICKS]!
    out[event + FILL_LOTS] = lots
    out[event + FILL_MAKER_ACCOUNT] = words[makerAt + ORDER_ACCOUNT]!
    // Words that only events of one order use.
    out[event + EV_REASON] = 0
    out[event + FILL_MAKER_CLOID_LO] = words[makerAt + ORDER_CLOID_LO]!
    out[event + FILL_MAKER_CLOID_HI] = words[makerAt + ORDER_CLOID_HI]!
    out[event + FILL_TAKER_ACCOUNT] = words[takerAt + ORDER_ACCOUNT]!
    out[event + FILL_MAKER_REMAINING] = this.orders.remaining(maker) - lots
    out[event + FILL_TAKER_CLOID_LO] = words[takerAt + ORDER_CLOID_LO]!
    out[event + FILL_TAKER_CLOID_HI] = words[takerAt + ORDER_CLOID_HI]!
    out[event + FILL_TAKER_REMAINING] = words[takerAt + ORDER_VISIBLE]! - lots
    out[event + EV_TICKS_BEFORE] = 0
    floats[float + FILL_MAKER_FEE_F64] = makerFee
    floats[float + FILL_TAKER_FEE_F64] = takerFee
    floats[float + FILL_TAKER_ORDER_ID_F64] = numbers[2 * taker + NUMBER_ID]!
    floats[float + FILL_MAKER_ORDER_ID_F64] = numbers[2 * maker + NUMBER_ID]!
  }
}
