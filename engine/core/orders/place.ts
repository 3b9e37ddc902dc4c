/**
 * Place: checks a new order in a fixed order of reasons, then lets it live. All checks come before the
 * first write, so a rejected order has changed nothing.
 *
 * Order of reasons: market and account; deadline; market status; attributes; ticks and lots; what does
 * not go together; notional; protection; duplicate id; triggers under way; post-only; band; capacity;
 * funds.
 * Called by engine.ts.
 */
import { CancelReason, MarketStatus, OrderType, PostOnly, Reject, Stp, TimeInForce } from '../../codes.js'
import { Attr, PlaceCmd } from '../../layout.js'
import { Account, AccountFlag } from '../money/ledger.js'
import { Market, MarketUnits } from '../book/markets.js'
import * as marketLayout from '../book/markets.js'
import { Extra, ExtraNumber, Mark, Order, OrderNumber } from '../book/orders.js'
import { Clock, type Trading } from './trading.js'
import * as orderTypes from '../book/order-types.js'
import * as orders from '../book/orders.js'
import * as levels from '../book/levels.js'
import * as limits from '../../limits.js'
import * as ledger from '../money/ledger.js'
import * as layout from '../../layout.js'
import * as offsets from '../base/offsets.js'

// Local copies, of functions too: optimised code folds them, but loads and checks an import at each use.
const { None: REJECT_NONE } = Reject
const { isMarket, isStop, restingBook, waitingBook } = orderTypes
const { OFFSETS } = offsets
const { ORDER_SHIFT, EXTRA_SHIFT, ORDER_ATTR_MASK } = orders
const { NONE } = levels
const { UNITS_END, TICKS_MAX, ICEBERG_PARTS_MAX, TIME_MS_END } = limits
const { DEADLINE_AHEAD_MS_MAX, EXPIRY_AHEAD_MS_MAX } = limits
const { ACCOUNT_SHIFT, TIER_SHIFT, TIER_MASK } = ledger
const { INT_NOT_AN_INTEGER, INT_OVER_LIMIT } = layout
const {
  LEVEL: ORDER_LEVEL,
  VISIBLE: ORDER_VISIBLE,
  ACCOUNT: ORDER_ACCOUNT,
  CLOID_LO: ORDER_CLOID_LO,
  CLOID_HI: ORDER_CLOID_HI,
  LOTS: ORDER_LOTS,
  ATTR: ORDER_ATTR,
  BASE_ROW: ORDER_BASE_ROW,
  QUOTE_ROW: ORDER_QUOTE_ROW,
  TICKS: ORDER_TICKS,
  MARKET_CARRY: ORDER_MARKET_CARRY,
  FEE_PPM: ORDER_FEE_PPM,
} = Order
const { HIDDEN: EXTRA_HIDDEN, DISPLAY: EXTRA_DISPLAY, TRIGGER: EXTRA_TRIGGER } = Extra
const {
  Iceberg: MARK_ICEBERG,
  Budget: MARK_BUDGET,
  Expires: MARK_EXPIRES,
  Cap: MARK_CAP,
  Fresh: MARK_FRESH,
} = Mark
const {
  ACCOUNT: CMD_ACCOUNT,
  MARKET: CMD_MARKET,
  DEADLINE_MS_F64: CMD_DEADLINE_MS_F64,
  TICKS: CMD_TICKS,
  LOTS: CMD_LOTS,
  QUOTE_BUDGET_F64: CMD_QUOTE_BUDGET_F64,
  DISPLAY_LOTS: CMD_DISPLAY_LOTS,
  TRIGGER_TICKS: CMD_TRIGGER_TICKS,
  EXPIRES_AT_MS_F64: CMD_EXPIRES_AT_MS_F64,
  CLOID_LO: CMD_CLOID_LO,
  CLOID_HI: CMD_CLOID_HI,
  INVALID_SIDE_SHIFT: CMD_INVALID_SIDE_SHIFT,
  INVALID_CLOID_SHIFT: CMD_INVALID_CLOID_SHIFT,
} = PlaceCmd
const {
  SIDE_SHIFT: ATTR_SIDE_SHIFT,
  ORDER_TYPE_SHIFT: ATTR_ORDER_TYPE_SHIFT,
  POST_ONLY_SHIFT: ATTR_POST_ONLY_SHIFT,
  STP_SHIFT: ATTR_STP_SHIFT,
  TIME_IN_FORCE_SHIFT: ATTR_TIME_IN_FORCE_SHIFT,
} = Attr
const { ID: NUMBER_ID } = OrderNumber
const { EXPIRES_AT: EXTRA_EXPIRES_AT, BUDGET: EXTRA_BUDGET } = ExtraNumber
const {
  ORDERS: ACCOUNT_ORDERS,
  PAIR: ACCOUNT_PAIR,
  PAIR_BASE_ROW: ACCOUNT_PAIR_BASE_ROW,
  PAIR_QUOTE_ROW: ACCOUNT_PAIR_QUOTE_ROW,
} = Account
const { MARKET_SHIFT } = marketLayout
const { STATUS: MARKET_STATUS, BAND_PPM: MARKET_BAND_PPM, BASE: MARKET_BASE, QUOTE: MARKET_QUOTE } = Market
const { LOT: UNITS_LOT, TICK: UNITS_TICK } = MarketUnits
const { Open: ACCOUNT_OPEN, Protected: ACCOUNT_PROTECTED, MassCancel: ACCOUNT_MASS_CANCEL } = AccountFlag
const { TIME: CLOCK_TIME, SEQ: CLOCK_SEQ } = Clock
const { GTD: TIF_GTD, GTC: TIF_GTC, IOC: TIF_IOC, FOK: TIF_FOK } = TimeInForce
const { Slide: POST_ONLY_SLIDE, None: POST_ONLY_NONE } = PostOnly
const { TakeProfit: TYPE_TAKE_PROFIT, Market: TYPE_MARKET } = OrderType
const { Active: STATUS_ACTIVE, Halted: STATUS_HALTED } = MarketStatus
const { Decrement: STP_DECREMENT } = Stp

/** Reject of a price that is not 1 to TICKS_MAX, or 0. */
export function checkTicks(ticks: number): number {
  if (ticks > 0) return REJECT_NONE
  if (ticks === 0) return Reject.ZeroTicks
  if (ticks === INT_OVER_LIMIT) return Reject.TicksOverLimit
  return ticks === INT_NOT_AN_INTEGER ? Reject.NotAnInteger : Reject.NegativeTicks
}

/** Reject of a size that is not 1 to LOTS_MAX, or 0. */
export function checkLots(lots: number): number {
  if (lots > 0) return REJECT_NONE
  if (lots === 0) return Reject.ZeroLots
  if (lots === INT_OVER_LIMIT) return Reject.LotsOverLimit
  return lots === INT_NOT_AN_INTEGER ? Reject.NotAnInteger : Reject.NegativeLots
}

/** Reject of a market that takes no new interest now, or 0. */
export function checkStatus(status: number): number {
  if (status === STATUS_ACTIVE) return REJECT_NONE
  return status === STATUS_HALTED ? Reject.MarketHalted : Reject.MarketCancelOnly
}

/** Reject of a command's deadline (0 = none) that engine time has passed, or that is no moment of its next day. */
export function checkDeadline(deadlineMs: number, timeMs: number): number {
  if (deadlineMs === 0) return REJECT_NONE
  if (!(deadlineMs >= timeMs)) return Reject.DeadlinePassed
  return deadlineMs > timeMs + DEADLINE_AHEAD_MS_MAX ? Reject.DeadlineTooFar : REJECT_NONE
}

/** True when an iceberg of `lots` may show `displayLots` at a time. */
export function displayIsValid(displayLots: number, lots: number): boolean {
  return displayLots >= 1 && displayLots <= lots && displayLots * ICEBERG_PARTS_MAX >= lots
}

/** True for a moment that engine time has not reached and will reach within a year. */
export function expiryIsValid(expiresAtMs: number, timeMs: number): boolean {
  return (
    Number.isInteger(expiresAtMs) &&
    expiresAtMs > timeMs &&
    expiresAtMs <= timeMs + EXPIRY_AHEAD_MS_MAX &&
    expiresAtMs < TIME_MS_END
  )
}

/**
 * Places the order of the command record at `at`. `maxNotional` is the session's bound in quote units,
 * 0 = none. Returns a Reject.
 */
export function placeOrder(
  trading: Trading,
  words: Int32Array,
  floats: Float64Array,
  at: number,
  maxNotional: number,
): number {
  const { ledger, markets } = trading
  const float = at >> 1
  const head = words[at]!
  const account = words[at + CMD_ACCOUNT]!
  const market = words[at + CMD_MARKET]!
  const marketAt = (market << MARKET_SHIFT) & OFFSETS
  const timeMs = trading.clock[CLOCK_TIME]!
  if (!markets.has(market)) return Reject.UnknownMarket
  const flags = ledger.flags(account)
  if ((flags & ACCOUNT_OPEN) === 0) return Reject.UnknownAccount
  const deadlineMs = floats[float + CMD_DEADLINE_MS_F64]!
  if (deadlineMs !== 0) {
    const late = checkDeadline(deadlineMs, timeMs)
    if (late !== REJECT_NONE) return late
  }
  const status = markets.words[marketAt + MARKET_STATUS]!
  if (status !== STATUS_ACTIVE) return checkStatus(status)

  const side = (head >>> ATTR_SIDE_SHIFT) & 1
  const type = (head >>> ATTR_ORDER_TYPE_SHIFT) & 7
  const postOnly = (head >>> ATTR_POST_ONLY_SHIFT) & 3
  const stp = (head >>> ATTR_STP_SHIFT) & 7
  let timeInForce = (head >>> ATTR_TIME_IN_FORCE_SHIFT) & 7
  if ((head >>> CMD_INVALID_SIDE_SHIFT) & 1) return Reject.BadSide
  if (type > TYPE_TAKE_PROFIT) return Reject.BadOrderType
  if (timeInForce > TIF_GTD) return Reject.BadTimeInForce
  if (postOnly > POST_ONLY_SLIDE) return Reject.BadPostOnly
  if (stp > STP_DECREMENT) return Reject.BadStp
  if ((head >>> CMD_INVALID_CLOID_SHIFT) & 1) return Reject.BadClientOrderId
  const stop = isStop(type)
  const marketable = isMarket(type)
  if (type === TYPE_MARKET) {
    // A market order lives for the moment only, whatever was asked for.
    if (timeInForce === TIF_GTD) return Reject.BadTimeInForce
    if (timeInForce === TIF_GTC) timeInForce = TIF_IOC
  }

  let ticks = words[at + CMD_TICKS]!
  const lots = words[at + CMD_LOTS]!
  const budget = floats[float + CMD_QUOTE_BUDGET_F64]!
  // A quote budget alone bounds what is spent: no price needs to.
  if (ticks === 0 && budget > 0 && marketable) ticks = TICKS_MAX
  else if (ticks <= 0) return checkTicks(ticks)
  if (lots <= 0) return checkLots(lots)

  const immediate = timeInForce === TIF_IOC || timeInForce === TIF_FOK
  if (postOnly !== POST_ONLY_NONE && (immediate || marketable)) return Reject.PostOnlyNotGtc
  const display = words[at + CMD_DISPLAY_LOTS]!
  if (display !== 0 && (immediate || marketable || !displayIsValid(display, lots)))
    return Reject.BadDisplayLots
  const trigger = words[at + CMD_TRIGGER_TICKS]!
  if (stop ? trigger <= 0 : trigger !== 0) return Reject.BadTriggerTicks
  const expiresAtMs = floats[float + CMD_EXPIRES_AT_MS_F64]!
  if (timeInForce === TIF_GTD ? !expiryIsValid(expiresAtMs, timeMs) : expiresAtMs !== 0)
    return Reject.BadExpiry
  if (budget !== 0) {
    const whole = Number.isInteger(budget) && budget > 0 && budget < UNITS_END
    if (!whole || side !== 0 || !marketable) return Reject.BadQuoteBudget
  }

  const notional = budget > 0 ? budget : ticks * lots * markets.units[2 * market + UNITS_TICK]!
  if (notional >= UNITS_END || lots * markets.units[2 * market + UNITS_LOT]! >= UNITS_END)
    return Reject.NotionalOverLimit
  if (maxNotional > 0 && notional > maxNotional) return Reject.SessionNotional
  const accountAt = (account << ACCOUNT_SHIFT) & OFFSETS
  if ((flags & ACCOUNT_MASS_CANCEL) !== 0 && trading.massCancels.isPaying(account))
    return Reject.WithdrawalForced
  if ((flags & ACCOUNT_PROTECTED) !== 0 && trading.protections.isFrozen(account, market))
    return Reject.ProtectionFrozen
  const low = words[at + CMD_CLOID_LO]!
  const high = words[at + CMD_CLOID_HI]!
  if (trading.ids.find(account, low, high) >= 0) return Reject.DuplicateClientOrderId

  const live = !stop || trading.isTriggered(market, type, side, trigger)
  if (!live && trading.wouldFireLate(market, type, side, trigger)) return Reject.TriggersPending
  if (postOnly !== POST_ONLY_NONE && live) {
    ticks = trading.prices.postOnlyTicks(market, side, ticks, postOnly)
    if (ticks === 0) return Reject.PostOnlyWouldCross
  }
  /** A market order whose protection price the band leaves no room for: accepted, and ended at once. */
  let isBarred = false
  if (markets.words[marketAt + MARKET_BAND_PPM] !== 0 && live) {
    if (!marketable) {
      if (trading.prices.outsideBand(market, ticks)) return Reject.PriceBand
    } else {
      const tightened = trading.prices.tightened(market, side, ticks)
      if (tightened === 0) isBarred = true
      else ticks = tightened
    }
  }

  const { orders } = trading
  const mayRest = stop || !immediate
  if (mayRest && orders.count >= orders.capacity) return Reject.OrdersFull
  if (mayRest && trading.hasItsOrders(ledger.accounts[accountAt + ACCOUNT_ORDERS]!))
    return Reject.AccountOrdersFull
  if (mayRest && trading.book.levels.full) {
    const missing = live
      ? !marketable && trading.book.levelMissing(restingBook(market, side), ticks)
      : trading.book.levelMissing(waitingBook(market, type, side), trigger)
    if (missing) return Reject.LevelsFull
  }
  // The rows of the pair are known from the account's last order, or looked for; a rejected order makes none.
  const { accounts } = ledger
  const known = accounts[accountAt + ACCOUNT_PAIR] === market + 1
  const base = markets.words[marketAt + MARKET_BASE]!
  const quote = markets.words[marketAt + MARKET_QUOTE]!
  let baseRow = known ? accounts[accountAt + ACCOUNT_PAIR_BASE_ROW]! : ledger.find(account, base)
  let quoteRow = known ? accounts[accountAt + ACCOUNT_PAIR_QUOTE_ROW]! : ledger.find(account, quote)
  const missing = (baseRow < 0 ? 1 : 0) + (quoteRow < 0 ? 1 : 0)
  if (missing > 0 && ledger.rows + missing > ledger.rowsMax) return Reject.BalancesFull
  const feePpm = trading.reserves.worstPpm(market, (flags >>> TIER_SHIFT) & TIER_MASK)
  const need = trading.reserves.needUnits(side, market, ticks, lots, feePpm, budget, 0)
  const row = side === 1 ? baseRow : quoteRow
  if (need > (row < 0 ? 0 : ledger.values[2 * row]!)) return Reject.InsufficientFunds
  if (trading.isTrial) return REJECT_NONE
  if (!known) {
    if (baseRow < 0) baseRow = ledger.findOrAdd(account, base)
    if (quoteRow < 0) quoteRow = ledger.findOrAdd(account, quote)
    ledger.usePair(account, market, baseRow, quoteRow)
  }

  const slot = orders.allocate()
  const record = orders.words
  const to = (slot << ORDER_SHIFT) & OFFSETS
  let attributes =
    MARK_FRESH |
    (head & ORDER_ATTR_MASK & ~(7 << ATTR_TIME_IN_FORCE_SHIFT)) |
    (timeInForce << ATTR_TIME_IN_FORCE_SHIFT)
  if (display !== 0) attributes |= MARK_ICEBERG
  if (budget > 0) attributes |= MARK_BUDGET
  else if (maxNotional > 0) attributes |= MARK_CAP
  if (expiresAtMs !== 0) attributes |= MARK_EXPIRES
  record[to + ORDER_LEVEL] = NONE
  record[to + ORDER_VISIBLE] = lots
  record[to + ORDER_ACCOUNT] = account
  record[to + ORDER_CLOID_LO] = low
  record[to + ORDER_CLOID_HI] = high
  record[to + ORDER_LOTS] = lots
  record[to + ORDER_ATTR] = attributes
  record[to + ORDER_BASE_ROW] = baseRow
  record[to + ORDER_QUOTE_ROW] = quoteRow
  record[to + ORDER_TICKS] = ticks
  record[to + ORDER_MARKET_CARRY] = market
  record[to + ORDER_FEE_PPM] = feePpm
  orders.numbers[2 * slot] = need
  orders.numbers[2 * slot + NUMBER_ID] = trading.clock[CLOCK_SEQ]!
  if (stop || (attributes & (MARK_ICEBERG | MARK_BUDGET | MARK_EXPIRES | MARK_CAP)) !== 0) {
    const extra = (slot << EXTRA_SHIFT) & OFFSETS
    orders.extras[extra + EXTRA_HIDDEN] = 0
    orders.extras[extra + EXTRA_DISPLAY] = display
    orders.extras[extra + EXTRA_TRIGGER] = trigger
    orders.extraNumbers[2 * slot + EXTRA_EXPIRES_AT] = expiresAtMs
    orders.extraNumbers[2 * slot + EXTRA_BUDGET] = budget > 0 ? budget : maxNotional
  }
  ledger.values[2 * row]! -= need
  ledger.values[2 * row + 1]! += need
  trading.orderEvents.accepted(slot)
  if (stop && live) trading.activate(slot)
  else if (isBarred) trading.cancel(slot, CancelReason.PriceBand)
  else if (!stop) trading.enter(slot)
  else {
    trading.wait(slot)
    return REJECT_NONE
  }
  trading.triggerStops(market)
  return REJECT_NONE
}
