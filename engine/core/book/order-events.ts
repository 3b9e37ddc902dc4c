/**
 * What the core says of orders. Every word of an event is written, so that no event shows what an earlier
 * one held; what only icebergs, stops, expiries and budgets have is read only when an order has it.
 * Called by trading.ts, place.ts and amend.ts.
 */
import { EventKind } from '../../codes.js'
import { Attr, Ev } from '../../layout.js'
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
const { SIDE_SHIFT: ATTR_SIDE_SHIFT, TYPE_SHIFT: ATTR_TYPE_SHIFT } = Attr
const { Fill: EVENT_FILL, Accepted: EVENT_ACCEPTED, Amended: EVENT_AMENDED } = EventKind
const {
  MARKET: EV_MARKET,
  TICKS: EV_TICKS,
  LOTS: EV_LOTS,
  ACCOUNT: EV_ACCOUNT,
  CLOID_LO: EV_CLOID_LO,
  CLOID_HI: EV_CLOID_HI,
  COUNTER_ACCOUNT: EV_COUNTER_ACCOUNT,
  REMAINING: EV_REMAINING,
  COUNTER_CLOID_LO: EV_COUNTER_CLOID_LO,
  COUNTER_CLOID_HI: EV_COUNTER_CLOID_HI,
  COUNTER_REMAINING: EV_COUNTER_REMAINING,
  AMOUNT_A_F64: EV_AMOUNT_A_F64,
  AMOUNT_B_F64: EV_AMOUNT_B_F64,
  TAKER_ORDER_ID_F64: EV_TAKER_ORDER_ID_F64,
  ORDER_ID_F64: EV_ORDER_ID_F64,
  CODE: EV_CODE,
  OTHER: EV_OTHER,
} = Ev
/** Marks, and the types of stops: an order without them has nothing to describe. */
const DESCRIBED = MARK_ICEBERG | MARK_EXPIRES | MARK_WAITING | (6 << ATTR_TYPE_SHIFT)

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

  /** An event that speaks of one order; returns its word offset for what else it says. */
  about(kind: number, slot: number, code: number): number {
    const { words, numbers, events, out, outFloats: floats } = this
    const at = (slot << ORDER_SHIFT) & OFFSETS
    const event = EVENTS & events.claim(kind | (words[at + ORDER_ATTR]! & ORDER_ATTR_MASK), this.clock)
    const float = event >> 1
    out[event + EV_MARKET] = words[at + ORDER_MARKET_CARRY]! & MARKET_MASK
    out[event + EV_TICKS] = words[at + ORDER_TICKS]!
    out[event + EV_LOTS] = words[at + ORDER_LOTS]!
    out[event + EV_ACCOUNT] = words[at + ORDER_ACCOUNT]!
    out[event + EV_CODE] = code
    out[event + EV_CLOID_LO] = words[at + ORDER_CLOID_LO]!
    out[event + EV_CLOID_HI] = words[at + ORDER_CLOID_HI]!
    out[event + EV_COUNTER_ACCOUNT] = 0
    out[event + EV_REMAINING] = this.orders.remaining(slot)
    out[event + EV_COUNTER_CLOID_LO] = 0
    out[event + EV_COUNTER_CLOID_HI] = 0
    out[event + EV_COUNTER_REMAINING] = 0
    out[event + EV_OTHER] = 0
    floats[float + EV_AMOUNT_A_F64] = 0
    floats[float + EV_AMOUNT_B_F64] = 0
    floats[float + EV_TAKER_ORDER_ID_F64] = 0
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
      this.outFloats[(event >> 1) + EV_AMOUNT_B_F64] = extraNumbers[2 * slot + EXTRA_BUDGET]!
  }

  /**
   * Amended: the order as it is now, its price before, in CODE whether it kept its place, and in B whether
   * it `waits` for its trigger.
   */
  amended(slot: number, ticksBefore: number, kept: boolean, waits: boolean): void {
    const event = this.about(EVENT_AMENDED, slot, kept ? 1 : 0)
    this.describe(event, slot)
    if (waits) this.outFloats[(event >> 1) + EV_AMOUNT_B_F64] = 1
    this.out[event + EV_OTHER] = ticksBefore
  }

  private describe(event: number, slot: number): void {
    const { words, extras, extraNumbers } = this.orders
    const attributes = words[(slot << ORDER_SHIFT) + ORDER_ATTR]!
    if ((attributes & DESCRIBED) === 0) return
    const { out } = this
    if ((attributes & MARK_ICEBERG) !== 0)
      out[event + EV_COUNTER_REMAINING] = extras[(slot << EXTRA_SHIFT) + EXTRA_DISPLAY]!
    if (isStop((attributes >>> ATTR_TYPE_SHIFT) & 7))
      out[event + EV_COUNTER_CLOID_LO] = extras[(slot << EXTRA_SHIFT) + EXTRA_TRIGGER]!
    if ((attributes & MARK_EXPIRES) !== 0)
      this.outFloats[(event >> 1) + EV_AMOUNT_A_F64] = extraNumbers[2 * slot + EXTRA_EXPIRES_AT]!
  }

  /** Fill of `lots` at the maker's price, with both fees; before the orders' records change. */
  fill(maker: number, taker: number, lots: number, makerFee: number, takerFee: number): void {
    const { words, numbers, events, out, outFloats: floats } = this
    const makerAt = (maker << ORDER_SHIFT) & OFFSETS
    const takerAt = (taker << ORDER_SHIFT) & OFFSETS
    const makerSide = (words[makerAt + ORDER_ATTR]! >>> ATTR_SIDE_SHIFT) & 1
    const event = EVENTS & events.claim(EVENT_FILL | (makerSide << ATTR_SIDE_SHIFT), this.clock)
    const float = event >> 1
    out[event + EV_MARKET] = words[makerAt + ORDER_MARKET_CARRY]! & MARKET_MASK
    out[event + EV_TICKS] = words[makerAt + ORDER_TICKS]!
    out[event + EV_LOTS] = lots
    out[event + EV_ACCOUNT] = words[makerAt + ORDER_ACCOUNT]!
    out[event + EV_CODE] = 0
    out[event + EV_CLOID_LO] = words[makerAt + ORDER_CLOID_LO]!
    out[event + EV_CLOID_HI] = words[makerAt + ORDER_CLOID_HI]!
    out[event + EV_COUNTER_ACCOUNT] = words[takerAt + ORDER_ACCOUNT]!
    out[event + EV_REMAINING] = this.orders.remaining(maker) - lots
    out[event + EV_COUNTER_CLOID_LO] = words[takerAt + ORDER_CLOID_LO]!
    out[event + EV_COUNTER_CLOID_HI] = words[takerAt + ORDER_CLOID_HI]!
    out[event + EV_COUNTER_REMAINING] = words[takerAt + ORDER_VISIBLE]! - lots
    out[event + EV_OTHER] = 0
    floats[float + EV_AMOUNT_A_F64] = makerFee
    floats[float + EV_AMOUNT_B_F64] = takerFee
    floats[float + EV_TAKER_ORDER_ID_F64] = numbers[2 * taker + NUMBER_ID]!
    floats[float + EV_ORDER_ID_F64] = numbers[2 * maker + NUMBER_ID]!
  }
}
