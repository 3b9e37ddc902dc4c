/**
 * Place: checks a new order in a fixed order of reasons, then lets it live. All checks come before the
 * first write, so a rejected order has changed nothing.
 *
 * Order of reasons: market and account; deadline; market status; attributes; ticks and lots; what does
 * not go together; notional, then what the session allows of it (SessionNotional); a forced withdrawal that is
 * still to be paid (WithdrawalForced); protection; duplicate id; triggers under way; post-only; band; capacity
 * (orders, the account's orders, levels, balances); funds. Each reason: section 5 of docs/internals/engine-rules.md.
 * Called by engine.ts.
 */
import { CancelReason, MarketStatus, OrderType, PostOnly, Reject, Stp, TimeInForce } from '../../codes.js'
import { Attr, PlaceCmd } from '../../layout.js'
import { Account, AccountFlag, ACCOUNT_SHIFT, TIER_SHIFT, TIER_MASK } from '../money/ledger.js'
import { Market, MarketUnits, MARKET_SHIFT } from '../book/markets.js'
import {
  Extra,
  ExtraNumber,
  Mark,
  Order,
  OrderNumber,
  ORDER_SHIFT,
  EXTRA_SHIFT,
  ORDER_ATTR_MASK,
} from '../book/orders.js'
import { Clock } from '../base/clock-places.js'
import type { Trading } from './trading.js'
import { isMarket, isStop, restingBook, waitingBook } from '../book/order-types.js'
import { NONE } from '../book/levels.js'
import { TICKS_MAX, UNITS_END } from '../../limits.js'
import {
  checkDeadline,
  checkLots,
  checkStatus,
  checkTicks,
  displayIsValid,
  expiryIsValid,
} from './shared-checks.js'
import { OFFSETS } from '../base/offsets.js'

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
  const account = words[at + PlaceCmd.ACCOUNT]!
  const market = words[at + PlaceCmd.MARKET]!
  const marketAt = (market << MARKET_SHIFT) & OFFSETS
  const timeMs = trading.clock[Clock.TIME]!
  if (!markets.has(market)) return Reject.UnknownMarket
  const flags = ledger.flags(account)
  if ((flags & AccountFlag.Open) === 0) return Reject.UnknownAccount
  const deadlineMs = floats[float + PlaceCmd.DEADLINE_MS_F64]!
  if (deadlineMs !== 0) {
    const late = checkDeadline(deadlineMs, timeMs)
    if (late !== Reject.None) return late
  }
  const status = markets.words[marketAt + Market.STATUS]!
  if (status !== MarketStatus.Active) return checkStatus(status)

  const side = (head >>> Attr.SIDE_SHIFT) & 1
  const type = (head >>> Attr.ORDER_TYPE_SHIFT) & 7
  const postOnly = (head >>> Attr.POST_ONLY_SHIFT) & 3
  const stp = (head >>> Attr.STP_SHIFT) & 7
  let timeInForce = (head >>> Attr.TIME_IN_FORCE_SHIFT) & 7
  if ((head >>> PlaceCmd.INVALID_SIDE_SHIFT) & 1) return Reject.BadSide
  if (type > OrderType.TakeProfit) return Reject.BadOrderType
  if (timeInForce > TimeInForce.GTD) return Reject.BadTimeInForce
  if (postOnly > PostOnly.Slide) return Reject.BadPostOnly
  if (stp > Stp.Decrement) return Reject.BadStp
  if ((head >>> PlaceCmd.INVALID_CLOID_SHIFT) & 1) return Reject.BadClientOrderId
  const stop = isStop(type)
  const marketable = isMarket(type)
  if (type === OrderType.Market) {
    // A market order lives for the moment only, whatever was asked for.
    if (timeInForce === TimeInForce.GTD) return Reject.BadTimeInForce
    if (timeInForce === TimeInForce.GTC) timeInForce = TimeInForce.IOC
  }

  let ticks = words[at + PlaceCmd.TICKS]!
  const lots = words[at + PlaceCmd.LOTS]!
  const budget = floats[float + PlaceCmd.QUOTE_BUDGET_F64]!
  // A quote budget alone bounds what is spent: no price needs to.
  if (ticks === 0 && budget > 0 && marketable) ticks = TICKS_MAX
  else if (ticks <= 0) return checkTicks(ticks)
  if (lots <= 0) return checkLots(lots)

  const immediate = timeInForce === TimeInForce.IOC || timeInForce === TimeInForce.FOK
  if (postOnly !== PostOnly.None && (immediate || marketable)) return Reject.PostOnlyNotGtc
  const display = words[at + PlaceCmd.DISPLAY_LOTS]!
  if (display !== 0 && (immediate || marketable || !displayIsValid(display, lots)))
    return Reject.BadDisplayLots
  const trigger = words[at + PlaceCmd.TRIGGER_TICKS]!
  if (stop ? trigger <= 0 : trigger !== 0) return Reject.BadTriggerTicks
  const expiresAtMs = floats[float + PlaceCmd.EXPIRES_AT_MS_F64]!
  if (timeInForce === TimeInForce.GTD ? !expiryIsValid(expiresAtMs, timeMs) : expiresAtMs !== 0)
    return Reject.BadExpiry
  if (budget !== 0) {
    const whole = Number.isInteger(budget) && budget > 0 && budget < UNITS_END
    if (!whole || side !== 0 || !marketable) return Reject.BadQuoteBudget
  }

  const notional = budget > 0 ? budget : ticks * lots * markets.units[2 * market + MarketUnits.TICK]!
  if (notional >= UNITS_END || lots * markets.units[2 * market + MarketUnits.LOT]! >= UNITS_END)
    return Reject.NotionalOverLimit
  if (maxNotional > 0 && notional > maxNotional) return Reject.SessionNotional
  const accountAt = (account << ACCOUNT_SHIFT) & OFFSETS
  if ((flags & AccountFlag.MassCancel) !== 0 && trading.massCancels.isPaying(account))
    return Reject.WithdrawalForced
  if ((flags & AccountFlag.Protected) !== 0 && trading.protections.isFrozen(account, market))
    return Reject.ProtectionFrozen
  const low = words[at + PlaceCmd.CLOID_LO]!
  const high = words[at + PlaceCmd.CLOID_HI]!
  if (trading.ids.find(account, low, high) >= 0) return Reject.DuplicateClientOrderId

  const live = !stop || trading.triggers.isReached(market, type, side, trigger)
  if (!live && trading.triggers.wouldFireLate(market, type, side, trigger)) return Reject.TriggersPending
  if (postOnly !== PostOnly.None && live) {
    ticks = trading.prices.postOnlyTicks(market, side, ticks, postOnly)
    if (ticks === 0) return Reject.PostOnlyWouldCross
  }
  /** A market order whose protection price the band leaves no room for: accepted, and ended at once. */
  let isBarred = false
  if (markets.words[marketAt + Market.BAND_PPM] !== 0 && live) {
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
  if (mayRest && trading.hasItsOrders(ledger.accounts[accountAt + Account.ORDERS]!))
    return Reject.AccountOrdersFull
  if (mayRest && trading.book.levels.full) {
    const missing = live
      ? !marketable && trading.book.levelMissing(restingBook(market, side), ticks)
      : trading.book.levelMissing(waitingBook(market, type, side), trigger)
    if (missing) return Reject.LevelsFull
  }
  // A rejected order makes no rows.
  const base = markets.words[marketAt + Market.BASE]!
  const quote = markets.words[marketAt + Market.QUOTE]!
  let baseRow = ledger.find(account, base)
  let quoteRow = ledger.find(account, quote)
  const missing = (baseRow < 0 ? 1 : 0) + (quoteRow < 0 ? 1 : 0)
  if (missing > 0 && ledger.rows + missing > ledger.rowsMax) return Reject.BalancesFull
  const feePpm = trading.reserves.worstPpm(market, (flags >>> TIER_SHIFT) & TIER_MASK)
  const need = trading.reserves.needUnits(side, market, ticks, lots, feePpm, budget, 0)
  const row = side === 1 ? baseRow : quoteRow
  if (need > (row < 0 ? 0 : ledger.values[2 * row]!)) return Reject.InsufficientFunds
  if (trading.isTrial) return Reject.None
  if (missing > 0) {
    baseRow = ledger.findOrAdd(account, base)
    quoteRow = ledger.findOrAdd(account, quote)
  }

  const slot = orders.allocate()
  const record = orders.words
  const to = (slot << ORDER_SHIFT) & OFFSETS
  let attributes =
    Mark.Fresh |
    (head & ORDER_ATTR_MASK & ~(7 << Attr.TIME_IN_FORCE_SHIFT)) |
    (timeInForce << Attr.TIME_IN_FORCE_SHIFT)
  if (display !== 0) attributes |= Mark.Iceberg
  if (budget > 0) attributes |= Mark.Budget
  else if (maxNotional > 0) attributes |= Mark.Cap
  if (expiresAtMs !== 0) attributes |= Mark.Expires
  record[to + Order.LEVEL] = NONE
  record[to + Order.VISIBLE] = lots
  record[to + Order.ACCOUNT] = account
  record[to + Order.CLOID_LO] = low
  record[to + Order.CLOID_HI] = high
  record[to + Order.LOTS] = lots
  record[to + Order.ATTR] = attributes
  record[to + Order.BASE_ROW] = baseRow
  record[to + Order.QUOTE_ROW] = quoteRow
  record[to + Order.TICKS] = ticks
  record[to + Order.MARKET_CARRY] = market
  record[to + Order.FEE_PPM] = feePpm
  orders.numbers[2 * slot] = need
  orders.numbers[2 * slot + OrderNumber.ID] = trading.clock[Clock.SEQ]!
  if (stop || (attributes & (Mark.Iceberg | Mark.Budget | Mark.Expires | Mark.Cap)) !== 0) {
    const extra = (slot << EXTRA_SHIFT) & OFFSETS
    orders.extras[extra + Extra.HIDDEN] = 0
    orders.extras[extra + Extra.DISPLAY] = display
    orders.extras[extra + Extra.TRIGGER] = trigger
    orders.extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT] = expiresAtMs
    orders.extraNumbers[2 * slot + ExtraNumber.BUDGET] = budget > 0 ? budget : maxNotional
  }
  ledger.values[2 * row]! -= need
  ledger.values[2 * row + 1]! += need
  trading.orderEvents.accepted(slot)
  if (stop && live) trading.triggers.activate(slot)
  else if (isBarred) trading.cancel(slot, CancelReason.PriceBand)
  else if (!stop) trading.enter(slot)
  else {
    trading.wait(slot)
    return Reject.None
  }
  trading.triggers.fire(market)
  return Reject.None
}
