/**
 * Amend and cancel. A smaller total or display size, alone, keeps the order's place; any other change
 * takes it out and enters it anew, and then it may match. All checks come before the first write: a
 * rejected amend leaves the order as it was, place included.
 *
 * An amend names the new price and the new total size (filled part included); display size, trigger and
 * expiry stay as they are when the command gives 0 for them. Called by engine.ts.
 */
import { CancelReason, MarketStatus, PostOnly, Reject } from '../codes.js'
import { Attr, Cmd } from '../layout.js'
import { UNITS_END } from '../limits.js'
import { ACCOUNT_SHIFT, AccountFlag } from './ledger.js'
import { LEVEL_SHIFT, Level, NONE } from './levels.js'
import { restingBook } from './match.js'
import { EXTRA_SHIFT, Extra, ExtraNumber, Mark, ORDER_SHIFT, Order } from './orders.js'
import { checkLots, checkStatus, checkTicks, deadlinePassed, displayIsValid, expiryIsValid } from './place.js'
import { Clock, type Trading, isMarket, isStop, waitingBook } from './trading.js'

/** Slot of the live order that a command names, or minus a Reject. */
function named(trading: Trading, words: Int32Array, at: number): number {
  const account = words[at + Cmd.ACCOUNT]!
  const market = words[at + Cmd.MARKET]!
  if (!trading.markets.has(market)) return -Reject.UnknownMarket
  if (!trading.ledger.isOpen(account)) return -Reject.UnknownAccount
  if ((words[at]! >>> Attr.INVALID_CLOID_SHIFT) & 1) return -Reject.BadClientOrderId
  const slot = trading.ids.find(account, words[at + Cmd.CLOID_LO]!, words[at + Cmd.CLOID_HI]!)
  if (slot < 0 || trading.orders.words[(slot << ORDER_SHIFT) + Order.MARKET] !== market)
    return -Reject.UnknownOrder
  return slot
}

/** Cancels the order that the command record at `at` names. Returns a Reject. */
export function cancelOrder(trading: Trading, words: Int32Array, floats: Float64Array, at: number): number {
  const slot = named(trading, words, at)
  if (slot < 0) return -slot
  if (deadlinePassed(floats[(at >> 1) + Cmd.DEADLINE_F64]!, trading.clock[Clock.TIME]!))
    return Reject.DeadlinePassed
  if (trading.markets.isHalted(words[at + Cmd.MARKET]!)) return Reject.MarketHalted
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
  const from = slot << ORDER_SHIFT
  const extra = slot << EXTRA_SHIFT
  const float = at >> 1
  const timeMs = trading.clock[Clock.TIME]!
  const account = words[at + Cmd.ACCOUNT]!
  const market = words[at + Cmd.MARKET]!
  if (deadlinePassed(floats[float + Cmd.DEADLINE_F64]!, timeMs)) return Reject.DeadlinePassed
  const status = markets.status[market]!
  if (status !== MarketStatus.Active) return checkStatus(status)

  const attributes = record[from + Order.ATTR]!
  const side = (attributes >>> Attr.SIDE_SHIFT) & 1
  const type = (attributes >>> Attr.TYPE_SHIFT) & 7
  const waiting = (attributes & Mark.Waiting) !== 0
  const iceberg = (attributes & Mark.Iceberg) !== 0
  const oldTicks = record[from + Order.TICKS]!
  const oldLots = record[from + Order.LOTS]!
  const remaining = orders.remaining(slot)
  let ticks = words[at + Cmd.TICKS]!
  const lots = words[at + Cmd.LOTS]!
  if (ticks <= 0) return checkTicks(ticks)
  if (lots <= 0) return checkLots(lots)
  const display = words[at + Cmd.DISPLAY_LOTS]!
  const oldDisplay = iceberg ? orders.extras[extra + Extra.DISPLAY]! : 0
  if (display !== 0 && (isMarket(type) || !displayIsValid(display, lots))) return Reject.BadDisplayLots
  const trigger = words[at + Cmd.TRIGGER_TICKS]!
  if (trigger !== 0 && (trigger < 0 || !waiting)) return Reject.BadTriggerTicks
  const expiresAtMs = floats[float + Cmd.EXPIRES_AT_F64]!
  if (expiresAtMs !== 0 && ((attributes & Mark.Expires) === 0 || !expiryIsValid(expiresAtMs, timeMs)))
    return Reject.BadExpiry
  if (floats[float + Cmd.AMOUNT_F64] !== 0) return Reject.BadQuoteBudget

  const budget = (attributes & Mark.Budget) === 0 ? 0 : orders.extraNumbers[2 * slot + ExtraNumber.BUDGET]!
  const notional = budget > 0 ? budget : ticks * lots * markets.tickUnits[market]!
  if (notional >= UNITS_END || lots * markets.lotUnits[market]! >= UNITS_END) return Reject.NotionalOverLimit
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
    trading.amendedEvent(slot, oldTicks, true)
    return Reject.None
  }
  if (sameTerms && lots <= oldLots && showsNoMore) {
    record[from + Order.LOTS] = lots
    setDisplay(trading, slot, display)
    trading.shrink(slot, left)
    trading.amendedEvent(slot, oldTicks, true)
    return Reject.None
  }

  // From here on the order loses its place and comes in anew.
  const live = !waiting || trading.isTriggered(market, type, side, newTrigger)
  if (live && !isMarket(type)) {
    if (ticks !== oldTicks && trading.outsideBand(market, ticks)) return Reject.PriceBand
    const postOnly = (attributes >>> Attr.POST_ONLY_SHIFT) & 3
    if (postOnly !== PostOnly.None) {
      ticks = trading.postOnlyTicks(market, side, ticks, postOnly)
      if (ticks === 0) return Reject.PostOnlyWouldCross
    }
  }
  if (
    trading.book.levels.full &&
    wouldMissLevel(trading, slot, live, waiting, side, type, market, ticks, newTrigger)
  )
    return Reject.LevelsFull
  const feePpm = trading.worstPpm(market, account)
  const need = trading.needUnits(side, market, ticks, left, feePpm, budget)
  const row = side === 1 ? record[from + Order.BASE_ROW]! : record[from + Order.QUOTE_ROW]!
  if (need > ledger.values[2 * row]! + orders.numbers[2 * slot]!) return Reject.InsufficientFunds

  trading.book.remove(slot)
  record[from + Order.TICKS] = ticks
  record[from + Order.LOTS] = lots
  record[from + Order.VISIBLE] = left
  record[from + Order.FEE_PPM] = feePpm
  record[from + Order.ATTR]! &= ~Mark.Waiting
  if (iceberg) orders.extras[extra + Extra.HIDDEN] = 0
  setDisplay(trading, slot, display)
  if (isStop(type)) orders.extras[extra + Extra.TRIGGER] = newTrigger
  if (expiresAtMs !== 0) {
    trading.expiries.remove(slot)
    orders.extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT] = expiresAtMs
    trading.expiries.add(slot)
  }
  trading.reserve(slot, left)
  trading.amendedEvent(slot, oldTicks, false)
  if (!waiting) trading.enter(slot)
  else if (live) trading.activate(slot)
  else {
    trading.wait(slot)
    return Reject.None
  }
  trading.triggerStops(market)
  return Reject.None
}

/** Sets a display size; 0 leaves what is. An order that showed itself whole becomes an iceberg. */
function setDisplay(trading: Trading, slot: number, display: number): void {
  if (display === 0) return
  const { words, extras } = trading.orders
  const at = slot << ORDER_SHIFT
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
