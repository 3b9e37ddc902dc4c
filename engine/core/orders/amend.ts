/**
 * Amend and cancel. A smaller total or display size, alone, keeps the order's place; any other change
 * takes it out and enters it anew, and then it may match. All checks come before the first write: a
 * rejected amend leaves the order as it was, place included.
 *
 * An amend names the new price and the new total size (filled part included); display size, trigger and
 * expiry stay as they are when the command gives 0 for them. Called by engine.ts.
 */
import { CancelReason, MarketStatus, PostOnly, Reject } from '../../codes.js'
import { AmendCmd, Attr, CancelCmd, OrderCmd } from '../../layout.js'
import { AccountFlag } from '../money/ledger.js'
import { Market, MarketUnits } from '../book/markets.js'
import * as marketLayout from '../book/markets.js'
import { Level } from '../book/levels.js'
import { Extra, ExtraNumber, Mark, Order } from '../book/orders.js'
import { Clock, type Trading } from './trading.js'
import * as orderTypes from '../book/order-types.js'
import * as orders from '../book/orders.js'
import * as place from './place.js'
import * as levels from '../book/levels.js'
import * as limits from '../../limits.js'
import * as ledger from '../money/ledger.js'
import * as offsets from '../base/offsets.js'

// Local copies, of functions too: optimised code folds them, but loads and checks an import at each use.
const { None: REJECT_NONE } = Reject
const { User: REASON_USER } = CancelReason
const { isMarket, isStop, restingBook, waitingBook } = orderTypes
const { checkDeadline, checkLots, checkStatus, checkTicks, displayIsValid, expiryIsValid } = place
const { OFFSETS } = offsets
const { ORDER_SHIFT, EXTRA_SHIFT, MARKET_MASK, CARRY_SHIFT } = orders
const { LEVEL_SHIFT, NONE } = levels
const { UNITS_END, ICEBERG_PARTS_MAX } = limits
const { ACCOUNT_SHIFT } = ledger
const {
  MARKET_CARRY: ORDER_MARKET_CARRY,
  ATTR: ORDER_ATTR,
  TICKS: ORDER_TICKS,
  LOTS: ORDER_LOTS,
  BASE_ROW: ORDER_BASE_ROW,
  QUOTE_ROW: ORDER_QUOTE_ROW,
  VISIBLE: ORDER_VISIBLE,
  FEE_PPM: ORDER_FEE_PPM,
  LEVEL: ORDER_LEVEL,
} = Order
const { ORDERS: LEVEL_ORDERS } = Level
const { DISPLAY: EXTRA_DISPLAY, TRIGGER: EXTRA_TRIGGER, HIDDEN: EXTRA_HIDDEN } = Extra
const {
  Waiting: MARK_WAITING,
  Iceberg: MARK_ICEBERG,
  Expires: MARK_EXPIRES,
  Budget: MARK_BUDGET,
  Cap: MARK_CAP,
} = Mark
const {
  ACCOUNT: CMD_ACCOUNT,
  MARKET: CMD_MARKET,
  CLOID_LO: CMD_CLOID_LO,
  CLOID_HI: CMD_CLOID_HI,
  INVALID_CLOID_SHIFT: CMD_INVALID_CLOID_SHIFT,
} = OrderCmd
const { DEADLINE_MS_F64: CANCEL_DEADLINE_MS_F64 } = CancelCmd
const {
  DEADLINE_MS_F64: CMD_DEADLINE_MS_F64,
  TICKS: CMD_TICKS,
  LOTS: CMD_LOTS,
  DISPLAY_LOTS: CMD_DISPLAY_LOTS,
  TRIGGER_TICKS: CMD_TRIGGER_TICKS,
  EXPIRES_AT_MS_F64: CMD_EXPIRES_AT_MS_F64,
  QUOTE_BUDGET_F64: CMD_QUOTE_BUDGET_F64,
} = AmendCmd
const {
  SIDE_SHIFT: ATTR_SIDE_SHIFT,
  ORDER_TYPE_SHIFT: ATTR_ORDER_TYPE_SHIFT,
  POST_ONLY_SHIFT: ATTR_POST_ONLY_SHIFT,
} = Attr
const { BUDGET: EXTRA_BUDGET, EXPIRES_AT: EXTRA_EXPIRES_AT } = ExtraNumber
const { Protected: ACCOUNT_PROTECTED } = AccountFlag
const { MARKET_SHIFT } = marketLayout
const { STATUS: MARKET_STATUS } = Market
const { LOT: UNITS_LOT, TICK: UNITS_TICK } = MarketUnits
const { TIME: CLOCK_TIME } = Clock
const { None: POST_ONLY_NONE } = PostOnly
const { Active: STATUS_ACTIVE } = MarketStatus

/** Slot of the live order that a command names, or minus a Reject. */
function named(trading: Trading, words: Int32Array, at: number): number {
  const account = words[at + CMD_ACCOUNT]!
  const market = words[at + CMD_MARKET]!
  if (!trading.markets.has(market)) return -Reject.UnknownMarket
  if (!trading.ledger.isOpen(account)) return -Reject.UnknownAccount
  if ((words[at]! >>> CMD_INVALID_CLOID_SHIFT) & 1) return -Reject.BadClientOrderId
  const slot = trading.ids.find(account, words[at + CMD_CLOID_LO]!, words[at + CMD_CLOID_HI]!)
  if (slot < 0) return -Reject.UnknownOrder
  if ((trading.orders.words[(slot << ORDER_SHIFT) + ORDER_MARKET_CARRY]! & MARKET_MASK) !== market)
    return -Reject.UnknownOrder
  return slot
}

/** Cancels the order that the command record at `at` names. Returns a Reject. */
export function cancelOrder(trading: Trading, words: Int32Array, floats: Float64Array, at: number): number {
  const slot = named(trading, words, at)
  if (slot < 0) return -slot
  const late = checkDeadline(floats[(at >> 1) + CANCEL_DEADLINE_MS_F64]!, trading.clock[CLOCK_TIME]!)
  if (late !== REJECT_NONE) return late
  if (trading.markets.isHalted(words[at + CMD_MARKET]!)) return Reject.MarketHalted
  trading.cancel(slot, REASON_USER)
  return REJECT_NONE
}

/** Amends the order that the command record at `at` names; `maxNotional` as in placeOrder. Returns a Reject. */
export function amendOrder(
  trading: Trading,
  words: Int32Array,
  floats: Float64Array,
  at: number,
  maxNotional: number,
): number {
  const slot = named(trading, words, at)
  if (slot < 0) return -slot
  const { orders, markets, ledger } = trading
  const record = orders.words
  const from = (slot << ORDER_SHIFT) & OFFSETS
  const extra = (slot << EXTRA_SHIFT) & OFFSETS
  const float = at >> 1
  const timeMs = trading.clock[CLOCK_TIME]!
  const account = words[at + CMD_ACCOUNT]!
  const market = words[at + CMD_MARKET]!
  const attributes = record[from + ORDER_ATTR]!
  // Its turn to be cancelled has only not come yet.
  if (((attributes & MARK_EXPIRES) !== 0 || trading.work.isBehind) && trading.goneReason(slot) !== 0)
    return Reject.UnknownOrder
  const deadlineMs = floats[float + CMD_DEADLINE_MS_F64]!
  if (deadlineMs !== 0) {
    const late = checkDeadline(deadlineMs, timeMs)
    if (late !== REJECT_NONE) return late
  }
  const status = markets.words[(market << MARKET_SHIFT) + MARKET_STATUS]!
  if (status !== STATUS_ACTIVE) return checkStatus(status)

  const side = (attributes >>> ATTR_SIDE_SHIFT) & 1
  const type = (attributes >>> ATTR_ORDER_TYPE_SHIFT) & 7
  const waiting = (attributes & MARK_WAITING) !== 0
  const iceberg = (attributes & MARK_ICEBERG) !== 0
  const oldTicks = record[from + ORDER_TICKS]!
  const oldLots = record[from + ORDER_LOTS]!
  const remaining = orders.remaining(slot)
  let ticks = words[at + CMD_TICKS]!
  const lots = words[at + CMD_LOTS]!
  if (ticks <= 0) return checkTicks(ticks)
  if (lots <= 0) return checkLots(lots)
  const display = words[at + CMD_DISPLAY_LOTS]!
  const oldDisplay = iceberg ? orders.extras[extra + EXTRA_DISPLAY]! : 0
  if (display !== 0 && (isMarket(type) || !displayIsValid(display, lots))) return Reject.BadDisplayLots
  // What results counts, not what is said: the parts of an iceberg grow with its size alone, too.
  const displayAfter = display === 0 ? oldDisplay : display
  if (displayAfter !== 0 && displayAfter * ICEBERG_PARTS_MAX < lots) return Reject.BadDisplayLots
  const trigger = words[at + CMD_TRIGGER_TICKS]!
  if (trigger !== 0 && (trigger < 0 || !waiting)) return Reject.BadTriggerTicks
  const expiresAtMs = floats[float + CMD_EXPIRES_AT_MS_F64]!
  if (expiresAtMs !== 0 && ((attributes & MARK_EXPIRES) === 0 || !expiryIsValid(expiresAtMs, timeMs)))
    return Reject.BadExpiry
  if (floats[float + CMD_QUOTE_BUDGET_F64] !== 0) return Reject.BadQuoteBudget

  const budget = (attributes & MARK_BUDGET) === 0 ? 0 : orders.extraNumbers[2 * slot + EXTRA_BUDGET]!
  const notional = budget > 0 ? budget : ticks * lots * markets.units[2 * market + UNITS_TICK]!
  if (notional >= UNITS_END || lots * markets.units[2 * market + UNITS_LOT]! >= UNITS_END)
    return Reject.NotionalOverLimit
  if (maxNotional > 0 && notional > maxNotional) return Reject.SessionNotional
  if (
    (ledger.accounts[account << ACCOUNT_SHIFT]! & ACCOUNT_PROTECTED) !== 0 &&
    trading.protections.isFrozen(account, market)
  )
    return Reject.ProtectionFrozen

  const filled = oldLots - remaining
  if (lots <= filled) {
    trading.cancel(slot, CancelReason.AmendedToFilled)
    return REJECT_NONE
  }
  const left = lots - filled
  const newTrigger = trigger === 0 ? orders.extras[extra + EXTRA_TRIGGER]! : trigger
  const sameTerms =
    ticks === oldTicks &&
    (trigger === 0 || trigger === orders.extras[extra + EXTRA_TRIGGER]!) &&
    (expiresAtMs === 0 || expiresAtMs === orders.extraNumbers[2 * slot + EXTRA_EXPIRES_AT]!)
  const showsNoMore = display === 0 || display === oldDisplay || (iceberg ? display < oldDisplay : true)
  if (sameTerms && lots === oldLots && (display === 0 || display === oldDisplay)) {
    trading.orderEvents.amended(slot, oldTicks, true, waiting)
    return REJECT_NONE
  }
  if (sameTerms && lots <= oldLots && showsNoMore) {
    record[from + ORDER_LOTS] = lots
    setDisplay(trading, slot, display)
    trading.shrink(slot, left)
    trading.orderEvents.amended(slot, oldTicks, true, waiting)
    return REJECT_NONE
  }

  // From here on the order loses its place and comes in anew.
  const live = !waiting || trading.isTriggered(market, type, side, newTrigger)
  if (!live && trading.wouldFireLate(market, type, side, newTrigger)) return Reject.TriggersPending
  if (live && !isMarket(type)) {
    const postOnly = (attributes >>> ATTR_POST_ONLY_SHIFT) & 3
    if (postOnly !== POST_ONLY_NONE) {
      ticks = trading.prices.postOnlyTicks(market, side, ticks, postOnly)
      if (ticks === 0) return Reject.PostOnlyWouldCross
    }
    if (trading.prices.outsideBand(market, ticks)) return Reject.PriceBand
  }
  if (
    trading.book.levels.full &&
    wouldMissLevel(trading, slot, live, waiting, side, type, market, ticks, newTrigger)
  )
    return Reject.LevelsFull
  const carry = record[from + ORDER_MARKET_CARRY]! >>> CARRY_SHIFT
  const feePpm = trading.reserves.worstPpm(market, trading.reserves.tier(account))
  const need = trading.reserves.needUnits(side, market, ticks, left, feePpm, budget, carry)
  const row = side === 1 ? record[from + ORDER_BASE_ROW]! : record[from + ORDER_QUOTE_ROW]!
  if (need > ledger.values[2 * row]! + orders.numbers[2 * slot]!) return Reject.InsufficientFunds

  trading.book.remove(slot)
  record[from + ORDER_TICKS] = ticks
  record[from + ORDER_LOTS] = lots
  record[from + ORDER_VISIBLE] = left
  record[from + ORDER_FEE_PPM] = feePpm
  record[from + ORDER_ATTR]! &= ~MARK_WAITING
  if (budget === 0 && maxNotional > 0) setCap(trading, slot, maxNotional)
  if (iceberg) orders.extras[extra + EXTRA_HIDDEN] = 0
  setDisplay(trading, slot, display)
  if (isStop(type)) orders.extras[extra + EXTRA_TRIGGER] = newTrigger
  if (expiresAtMs !== 0) {
    trading.expiries.remove(slot)
    orders.extraNumbers[2 * slot + EXTRA_EXPIRES_AT] = expiresAtMs
    trading.expiries.add(slot)
  }
  trading.reserves.hold(slot, row, need)
  trading.orderEvents.amended(slot, oldTicks, false, waiting && !live)
  if (!waiting) trading.enter(slot)
  else if (live) trading.activate(slot)
  else {
    trading.wait(slot)
    return REJECT_NONE
  }
  trading.triggerStops(market)
  return REJECT_NONE
}

/** Caps what the order may execute from now on, in quote units; never raises a cap that it has. */
function setCap(trading: Trading, slot: number, units: number): void {
  const { words, extraNumbers } = trading.orders
  const at = (slot << ORDER_SHIFT) & OFFSETS
  const cap = (words[at + ORDER_ATTR]! & MARK_CAP) === 0 ? units : extraNumbers[2 * slot + EXTRA_BUDGET]!
  words[at + ORDER_ATTR]! |= MARK_CAP
  extraNumbers[2 * slot + EXTRA_BUDGET] = Math.min(cap, units)
}

/** Sets a display size; 0 leaves what is. An order that showed itself whole becomes an iceberg. */
function setDisplay(trading: Trading, slot: number, display: number): void {
  if (display === 0) return
  const { words, extras } = trading.orders
  const at = (slot << ORDER_SHIFT) & OFFSETS
  if ((words[at + ORDER_ATTR]! & MARK_ICEBERG) === 0) {
    words[at + ORDER_ATTR]! |= MARK_ICEBERG
    extras[(slot << EXTRA_SHIFT) + EXTRA_HIDDEN] = 0
  }
  extras[(slot << EXTRA_SHIFT) + EXTRA_DISPLAY] = display
}

/** With every level taken: true when the order's new place needs one that its leaving does not free. */
function wouldMissLevel(
  trading: Trading,
  slot: number,
  live: boolean,
  waiting: boolean,
  side: number,
  type: number,
  market: number,
  ticks: number,
  trigger: number,
): boolean {
  const { levels } = trading.book
  const level = trading.orders.words[(slot << ORDER_SHIFT) + ORDER_LEVEL]!
  if (level !== NONE && levels.words[(level << LEVEL_SHIFT) + LEVEL_ORDERS] === 1) return false
  if (live) return !isMarket(type) && trading.book.levelMissing(restingBook(market, side), ticks)
  return waiting && trading.book.levelMissing(waitingBook(market, type, side), trigger)
}
