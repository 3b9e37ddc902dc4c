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
import { AccountFlag, ACCOUNT_SHIFT } from '../money/ledger.js'
import { EXCHANGE_CANCEL_ONLY, Market, MarketUnits, MARKET_SHIFT } from '../book/markets.js'
import { Level, LEVEL_SHIFT, NONE } from '../book/levels.js'
import {
  Extra,
  ExtraNumber,
  Mark,
  Order,
  ORDER_SHIFT,
  EXTRA_SHIFT,
  MARKET_MASK,
  CARRY_SHIFT,
} from '../book/orders.js'
import { Clock } from '../base/clock-places.js'
import type { Trading } from './trading.js'
import { isMarket, isStop, restingBook, waitingBook } from '../book/order-types.js'
import {
  checkDeadline,
  checkLots,
  checkStatus,
  checkTicks,
  displayIsValid,
  expiryIsValid,
} from './shared-checks.js'
import { UNITS_END, ICEBERG_PARTS_MAX } from '../../limits.js'
import { OFFSETS } from '../base/offsets.js'

/** Slot of the live order that a command names, or minus a Reject. */
function named(trading: Trading, words: Int32Array, at: number): number {
  const account = words[at + OrderCmd.ACCOUNT]!
  const market = words[at + OrderCmd.MARKET]!
  if (!trading.markets.has(market)) return -Reject.UnknownMarket
  if (!trading.ledger.isOpen(account)) return -Reject.UnknownAccount
  if ((words[at]! >>> OrderCmd.INVALID_CLOID_SHIFT) & 1) return -Reject.BadClientOrderId
  const slot = trading.ids.find(account, words[at + OrderCmd.CLOID_LO]!, words[at + OrderCmd.CLOID_HI]!)
  if (slot < 0) return -Reject.UnknownOrder
  if ((trading.orders.words[(slot << ORDER_SHIFT) + Order.MARKET_CARRY]! & MARKET_MASK) !== market)
    return -Reject.UnknownOrder
  return slot
}

/** Cancels the order that the command record at `at` names. Returns a Reject. */
export function cancelOrder(trading: Trading, words: Int32Array, floats: Float64Array, at: number): number {
  const slot = named(trading, words, at)
  if (slot < 0) return -slot
  const late = checkDeadline(floats[(at >> 1) + CancelCmd.DEADLINE_MS_F64]!, trading.clock[Clock.TIME]!)
  if (late !== Reject.None) return late
  if (trading.markets.isHalted(words[at + OrderCmd.MARKET]!)) return Reject.MarketHalted
  trading.cancel(slot, CancelReason.User)
  return Reject.None
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
  const timeMs = trading.clock[Clock.TIME]!
  const account = words[at + OrderCmd.ACCOUNT]!
  const market = words[at + OrderCmd.MARKET]!
  const attributes = record[from + Order.ATTR]!
  // Its turn to be cancelled has only not come yet.
  if (((attributes & Mark.Expires) !== 0 || trading.work.isBehind) && trading.goneReason(slot) !== 0)
    return Reject.UnknownOrder
  const deadlineMs = floats[float + AmendCmd.DEADLINE_MS_F64]!
  if (deadlineMs !== 0) {
    const late = checkDeadline(deadlineMs, timeMs)
    if (late !== Reject.None) return late
  }
  const status = markets.words[(market << MARKET_SHIFT) + Market.STATUS]!
  // What keeps its place never trades: that much goes on while the whole exchange takes cancels only.
  if (status !== MarketStatus.Active && status !== EXCHANGE_CANCEL_ONLY) return checkStatus(status)

  const side = (attributes >>> Attr.SIDE_SHIFT) & 1
  const type = (attributes >>> Attr.ORDER_TYPE_SHIFT) & 7
  const waiting = (attributes & Mark.Waiting) !== 0
  const iceberg = (attributes & Mark.Iceberg) !== 0
  const oldTicks = record[from + Order.TICKS]!
  const oldLots = record[from + Order.LOTS]!
  const remaining = orders.remaining(slot)
  let ticks = words[at + AmendCmd.TICKS]!
  const lots = words[at + AmendCmd.LOTS]!
  if (ticks <= 0) return checkTicks(ticks)
  if (lots <= 0) return checkLots(lots)
  const display = words[at + AmendCmd.DISPLAY_LOTS]!
  const oldDisplay = iceberg ? orders.extras[extra + Extra.DISPLAY]! : 0
  if (display !== 0 && (isMarket(type) || !displayIsValid(display, lots))) return Reject.BadDisplayLots
  // What results counts, not what is said: the parts of an iceberg grow with its size alone, too.
  const displayAfter = display === 0 ? oldDisplay : display
  if (displayAfter !== 0 && displayAfter * ICEBERG_PARTS_MAX < lots) return Reject.BadDisplayLots
  const trigger = words[at + AmendCmd.TRIGGER_TICKS]!
  if (trigger !== 0 && (trigger < 0 || !waiting)) return Reject.BadTriggerTicks
  const expiresAtMs = floats[float + AmendCmd.EXPIRES_AT_MS_F64]!
  if (expiresAtMs !== 0 && ((attributes & Mark.Expires) === 0 || !expiryIsValid(expiresAtMs, timeMs)))
    return Reject.BadExpiry
  if (floats[float + AmendCmd.QUOTE_BUDGET_F64] !== 0) return Reject.BadQuoteBudget

  const budget = (attributes & Mark.Budget) === 0 ? 0 : orders.extraNumbers[2 * slot + ExtraNumber.BUDGET]!
  const notional = budget > 0 ? budget : ticks * lots * markets.units[2 * market + MarketUnits.TICK]!
  if (notional >= UNITS_END || lots * markets.units[2 * market + MarketUnits.LOT]! >= UNITS_END)
    return Reject.NotionalOverLimit
  if (maxNotional > 0 && notional > maxNotional) return Reject.SessionNotional
  if (
    (ledger.accounts[account << ACCOUNT_SHIFT]! & AccountFlag.Protected) !== 0 &&
    trading.protections.isFrozen(account, market)
  )
    return Reject.ProtectionFrozen

  const filled = oldLots - remaining
  if (lots <= filled) {
    trading.cancel(slot, CancelReason.AmendedToFilled)
    return Reject.None
  }
  const left = lots - filled
  const newTrigger = trigger === 0 ? orders.extras[extra + Extra.TRIGGER]! : trigger
  const sameTerms =
    ticks === oldTicks &&
    (trigger === 0 || trigger === orders.extras[extra + Extra.TRIGGER]!) &&
    (expiresAtMs === 0 || expiresAtMs === orders.extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!)
  const showsNoMore = display === 0 || display === oldDisplay || (iceberg ? display < oldDisplay : true)
  if (sameTerms && lots === oldLots && (display === 0 || display === oldDisplay)) {
    trading.orderEvents.amended(slot, oldTicks, true, waiting)
    return Reject.None
  }
  if (sameTerms && lots <= oldLots && showsNoMore) {
    record[from + Order.LOTS] = lots
    setDisplay(trading, slot, display)
    trading.shrink(slot, left)
    trading.orderEvents.amended(slot, oldTicks, true, waiting)
    return Reject.None
  }

  // From here on the order loses its place and comes in anew.
  if (status !== MarketStatus.Active) return Reject.ExchangeCancelOnly
  const live = !waiting || trading.triggers.isReached(market, type, side, newTrigger)
  if (!live && trading.triggers.wouldFireLate(market, type, side, newTrigger)) return Reject.TriggersPending
  if (live && !isMarket(type)) {
    const postOnly = (attributes >>> Attr.POST_ONLY_SHIFT) & 3
    if (postOnly !== PostOnly.None) {
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
  const carry = record[from + Order.MARKET_CARRY]! >>> CARRY_SHIFT
  const feePpm = trading.reserves.worstPpm(market, trading.reserves.tier(account))
  const need = trading.reserves.needUnits(side, market, ticks, left, feePpm, budget, carry)
  const row = side === 1 ? record[from + Order.BASE_ROW]! : record[from + Order.QUOTE_ROW]!
  if (need > ledger.values[2 * row]! + orders.numbers[2 * slot]!) return Reject.InsufficientFunds

  trading.book.remove(slot)
  record[from + Order.TICKS] = ticks
  record[from + Order.LOTS] = lots
  record[from + Order.VISIBLE] = left
  record[from + Order.FEE_PPM] = feePpm
  record[from + Order.ATTR]! &= ~Mark.Waiting
  if (budget === 0 && maxNotional > 0) setCap(trading, slot, maxNotional)
  if (iceberg) orders.extras[extra + Extra.HIDDEN] = 0
  setDisplay(trading, slot, display)
  if (isStop(type)) orders.extras[extra + Extra.TRIGGER] = newTrigger
  if (expiresAtMs !== 0) {
    trading.expiries.remove(slot)
    orders.extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT] = expiresAtMs
    trading.expiries.add(slot)
  }
  trading.reserves.hold(slot, row, need)
  trading.orderEvents.amended(slot, oldTicks, false, waiting && !live)
  if (!waiting) trading.enter(slot)
  else if (live) trading.triggers.activate(slot)
  else {
    trading.wait(slot)
    return Reject.None
  }
  trading.triggers.fire(market)
  return Reject.None
}

/** Caps what the order may execute from now on, in quote units; never raises a cap that it has. */
function setCap(trading: Trading, slot: number, units: number): void {
  const { words, extraNumbers } = trading.orders
  const at = (slot << ORDER_SHIFT) & OFFSETS
  const cap =
    (words[at + Order.ATTR]! & Mark.Cap) === 0 ? units : extraNumbers[2 * slot + ExtraNumber.BUDGET]!
  words[at + Order.ATTR]! |= Mark.Cap
  extraNumbers[2 * slot + ExtraNumber.BUDGET] = Math.min(cap, units)
}

/** Sets a display size; 0 leaves what is. An order that showed itself whole becomes an iceberg. */
function setDisplay(trading: Trading, slot: number, display: number): void {
  if (display === 0) return
  const { words, extras } = trading.orders
  const at = (slot << ORDER_SHIFT) & OFFSETS
  if ((words[at + Order.ATTR]! & Mark.Iceberg) === 0) {
    words[at + Order.ATTR]! |= Mark.Iceberg
    extras[(slot << EXTRA_SHIFT) + Extra.HIDDEN] = 0
  }
  extras[(slot << EXTRA_SHIFT) + Extra.DISPLAY] = display
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
  const level = trading.orders.words[(slot << ORDER_SHIFT) + Order.LEVEL]!
  if (level !== NONE && levels.words[(level << LEVEL_SHIFT) + Level.ORDERS] === 1) return false
  if (live) return !isMarket(type) && trading.book.levelMissing(restingBook(market, side), ticks)
  return waiting && trading.book.levelMissing(waitingBook(market, type, side), trigger)
}
