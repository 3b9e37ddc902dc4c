/**
 * Place: checks a new order in a fixed order of reasons, then lets it live. All checks come before the
 * first write, so a rejected order has changed nothing.
 *
 * Order of reasons: market and account; deadline; market status; attributes; ticks and lots; what does
 * not go together; notional; protection; duplicate id; band; post-only; capacity; funds.
 * Called by engine.ts.
 */
import { MarketStatus, OrderType, PostOnly, Reject, Stp, TimeInForce } from '../codes.js'
import { Attr, Cmd, INT_NOT_AN_INTEGER, INT_OVER_LIMIT } from '../layout.js'
import { ACCOUNT_ORDERS_MAX, ICEBERG_PARTS_MAX, TICKS_MAX, TIME_MS_END, UNITS_END } from '../limits.js'
import { ACCOUNT_SHIFT, Account, AccountFlag } from './ledger.js'
import { NONE } from './levels.js'
import { restingBook } from './match.js'
import {
  EXTRA_SHIFT,
  Extra,
  ExtraNumber,
  Mark,
  ORDER_ATTR_MASK,
  ORDER_SHIFT,
  Order,
  OrderNumber,
} from './orders.js'
import { Clock, type Trading, isMarket, isStop, waitingBook } from './trading.js'

/** Reject of a price that is not 1 to TICKS_MAX, or 0. */
export function checkTicks(ticks: number): number {
  if (ticks > 0) return Reject.None
  if (ticks === 0) return Reject.ZeroTicks
  if (ticks === INT_OVER_LIMIT) return Reject.TicksOverLimit
  return ticks === INT_NOT_AN_INTEGER ? Reject.NotAnInteger : Reject.NegativeTicks
}

/** Reject of a size that is not 1 to LOTS_MAX, or 0. */
export function checkLots(lots: number): number {
  if (lots > 0) return Reject.None
  if (lots === 0) return Reject.ZeroLots
  if (lots === INT_OVER_LIMIT) return Reject.LotsOverLimit
  return lots === INT_NOT_AN_INTEGER ? Reject.NotAnInteger : Reject.NegativeLots
}

/** Reject of a market that takes no new interest now, or 0. */
export function checkStatus(status: number): number {
  if (status === MarketStatus.Active) return Reject.None
  return status === MarketStatus.Halted ? Reject.MarketHalted : Reject.MarketCancelOnly
}

/** True when a command's deadline (0 = none) lies before engine time, or is no number. */
export function deadlinePassed(deadlineMs: number, timeMs: number): boolean {
  return deadlineMs !== 0 && !(deadlineMs >= timeMs)
}

/** True when an iceberg of `lots` may show `displayLots` at a time. */
export function displayIsValid(displayLots: number, lots: number): boolean {
  return displayLots >= 1 && displayLots <= lots && displayLots * ICEBERG_PARTS_MAX >= lots
}

/** True for a moment that engine time has not reached. */
export function expiryIsValid(expiresAtMs: number, timeMs: number): boolean {
  return Number.isInteger(expiresAtMs) && expiresAtMs > timeMs && expiresAtMs < TIME_MS_END
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
  const account = words[at + Cmd.ACCOUNT]!
  const market = words[at + Cmd.MARKET]!
  const timeMs = trading.clock[Clock.TIME]!
  if (!markets.has(market)) return Reject.UnknownMarket
  if (!ledger.isOpen(account)) return Reject.UnknownAccount
  if (deadlinePassed(floats[float + Cmd.DEADLINE_F64]!, timeMs)) return Reject.DeadlinePassed
  const status = markets.status[market]!
  if (status !== MarketStatus.Active) return checkStatus(status)

  const side = (head >>> Attr.SIDE_SHIFT) & 1
  const type = (head >>> Attr.TYPE_SHIFT) & 7
  const postOnly = (head >>> Attr.POST_ONLY_SHIFT) & 3
  const stp = (head >>> Attr.STP_SHIFT) & 7
  let timeInForce = (head >>> Attr.TIF_SHIFT) & 7
  if ((head >>> Attr.INVALID_SIDE_SHIFT) & 1) return Reject.BadSide
  if (type > OrderType.TakeProfit) return Reject.BadOrderType
  if (timeInForce > TimeInForce.GTD) return Reject.BadTimeInForce
  if (postOnly > PostOnly.Slide) return Reject.BadPostOnly
  if (stp > Stp.Decrement) return Reject.BadStp
  if ((head >>> Attr.INVALID_CLOID_SHIFT) & 1) return Reject.BadClientOrderId
  const stop = isStop(type)
  const marketable = isMarket(type)
  if (type === OrderType.Market) {
    // A market order lives for the moment only, whatever was asked for.
    if (timeInForce === TimeInForce.GTD) return Reject.BadTimeInForce
    if (timeInForce === TimeInForce.GTC) timeInForce = TimeInForce.IOC
  }

  let ticks = words[at + Cmd.TICKS]!
  const lots = words[at + Cmd.LOTS]!
  const budget = floats[float + Cmd.AMOUNT_F64]!
  // A quote budget alone bounds what is spent: no price needs to.
  if (ticks === 0 && budget > 0 && marketable) ticks = TICKS_MAX
  else if (ticks <= 0) return checkTicks(ticks)
  if (lots <= 0) return checkLots(lots)

  const immediate = timeInForce === TimeInForce.IOC || timeInForce === TimeInForce.FOK
  if (postOnly !== PostOnly.None && (immediate || marketable)) return Reject.PostOnlyNotGtc
  const display = words[at + Cmd.DISPLAY_LOTS]!
  if (display !== 0 && (immediate || marketable || !displayIsValid(display, lots)))
    return Reject.BadDisplayLots
  const trigger = words[at + Cmd.TRIGGER_TICKS]!
  if (stop ? trigger <= 0 : trigger !== 0) return Reject.BadTriggerTicks
  const expiresAtMs = floats[float + Cmd.EXPIRES_AT_F64]!
  if (timeInForce === TimeInForce.GTD ? !expiryIsValid(expiresAtMs, timeMs) : expiresAtMs !== 0)
    return Reject.BadExpiry
  if (budget !== 0) {
    const whole = Number.isInteger(budget) && budget > 0 && budget < UNITS_END
    if (!whole || side !== 0 || !marketable) return Reject.BadQuoteBudget
  }

  const notional = budget > 0 ? budget : ticks * lots * markets.tickUnits[market]!
  if (notional >= UNITS_END || lots * markets.lotUnits[market]! >= UNITS_END) return Reject.NotionalOverLimit
  if (maxNotional > 0 && notional > maxNotional) return Reject.SessionNotional
  const accountAt = account << ACCOUNT_SHIFT
  if (
    (ledger.accounts[accountAt]! & AccountFlag.Protected) !== 0 &&
    trading.protections.isFrozen(account, market)
  )
    return Reject.ProtectionFrozen
  const low = words[at + Cmd.CLOID_LO]!
  const high = words[at + Cmd.CLOID_HI]!
  if (trading.ids.find(account, low, high) >= 0) return Reject.DuplicateClientOrderId

  const live = !stop || trading.isTriggered(market, type, side, trigger)
  if (markets.bandPpm[market] !== 0 && live) {
    if (marketable) ticks = trading.clampToBand(market, ticks)
    else if (trading.outsideBand(market, ticks)) return Reject.PriceBand
  }
  if (postOnly !== PostOnly.None && live) {
    ticks = trading.postOnlyTicks(market, side, ticks, postOnly)
    if (ticks === 0) return Reject.PostOnlyWouldCross
  }

  const { orders } = trading
  const mayRest = stop || !immediate
  if (mayRest && orders.count >= orders.capacity) return Reject.OrdersFull
  if (ledger.accounts[accountAt + Account.ORDERS]! >= ACCOUNT_ORDERS_MAX) return Reject.AccountOrdersFull
  if (mayRest && trading.book.levels.full) {
    const missing = live
      ? !marketable && trading.book.levelMissing(restingBook(market, side), ticks)
      : trading.book.levelMissing(waitingBook(market, type, side), trigger)
    if (missing) return Reject.LevelsFull
  }
  const baseRow = ledger.findOrAdd(account, markets.base[market]!)
  const quoteRow = ledger.findOrAdd(account, markets.quote[market]!)
  if (baseRow < 0 || quoteRow < 0) return Reject.BalancesFull
  const feePpm = trading.worstPpm(market, account)
  const need = trading.needUnits(side, market, ticks, lots, feePpm, budget)
  const row = side === 1 ? baseRow : quoteRow
  if (need > ledger.values[2 * row]!) return Reject.InsufficientFunds

  const slot = orders.allocate()
  const record = orders.words
  const to = slot << ORDER_SHIFT
  let attributes = (head & ORDER_ATTR_MASK & ~(7 << Attr.TIF_SHIFT)) | (timeInForce << Attr.TIF_SHIFT)
  if (display !== 0) attributes |= Mark.Iceberg
  if (budget > 0) attributes |= Mark.Budget
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
  record[to + Order.MARKET] = market
  record[to + Order.FEE_PPM] = feePpm
  orders.numbers[2 * slot] = need
  orders.numbers[2 * slot + OrderNumber.ID] = trading.clock[Clock.SEQ]!
  if (stop || (attributes & (Mark.Iceberg | Mark.Budget | Mark.Expires)) !== 0) {
    const extra = slot << EXTRA_SHIFT
    orders.extras[extra + Extra.HIDDEN] = 0
    orders.extras[extra + Extra.DISPLAY] = display
    orders.extras[extra + Extra.TRIGGER] = trigger
    orders.extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT] = expiresAtMs
    orders.extraNumbers[2 * slot + ExtraNumber.BUDGET] = budget
  }
  ledger.values[2 * row]! -= need
  ledger.values[2 * row + 1]! += need
  trading.enlist(slot)
  trading.acceptedEvent(slot)
  if (!stop) trading.enter(slot)
  else if (live) trading.activate(slot)
  else {
    trading.wait(slot)
    return Reject.None
  }
  trading.triggerStops(market)
  return Reject.None
}
