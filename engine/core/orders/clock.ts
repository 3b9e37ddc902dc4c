/**
 * Engine time. It moves only by a Time command, and everything that waits for a moment happens inside
 * that command, in this order: orders past their expiry, by (expiry, order id); mass cancels that are under
 * way; accounts whose dead-man switch is due, by (deadline, account); then, with steps counted anew, triggers
 * that an earlier message had no steps left for, by market, from the one that the command names on. What one command has no steps for goes on in
 * the next: the run loop gives one as long as anything is pending.
 * Called by engine.ts.
 */
import { CancelReason, EventKind, Reject } from '../../codes.js'
import { CancelAfterCmd, CancelAfterSetEv, TimeAdvancedEv, TimeCmd } from '../../layout.js'
import { TIME_MS_END } from '../../limits.js'
import { Heap } from '../base/heap.js'
import { ACCOUNT_NUMBERS, AccountNumber, type Ledger } from '../money/ledger.js'
import { ExtraNumber } from '../book/orders.js'
import { checkDeadline, expiryIsValid } from './shared-checks.js'
import { Clock } from '../base/clock-places.js'
import type { Trading } from './trading.js'

/** The dead-man switches that are set: accounts by (deadline, account). */
export class DeadManSwitches {
  private readonly heap: Heap
  private readonly deadlines: Float64Array
  private readonly places: Int32Array

  constructor(ledger: Ledger) {
    this.deadlines = ledger.accountNumbers
    this.places = new Int32Array(ledger.accountsMax)
    this.heap = new Heap(ledger.accountsMax, {
      first: (account) => this.deadline(account),
      second: (account) => account,
      place: (account) => this.places[account]!,
      setPlace: (account, place) => {
        this.places[account] = place
      },
    })
  }

  deadline(account: number): number {
    return this.deadlines[account * ACCOUNT_NUMBERS + AccountNumber.CANCEL_AFTER]!
  }

  /** Sets an account's deadline in ms; 0 = off. */
  set(account: number, deadlineMs: number): void {
    if (this.deadline(account) !== 0) this.heap.remove(account)
    this.deadlines[account * ACCOUNT_NUMBERS + AccountNumber.CANCEL_AFTER] = deadlineMs
    if (deadlineMs !== 0) this.heap.add(account)
  }

  /** The first deadline in ms; Infinity when none is set. */
  get firstMs(): number {
    return this.heap.size === 0 ? Infinity : this.deadline(this.heap.first)
  }

  /** The account whose deadline is first and has come by `timeMs`, or -1. */
  due(timeMs: number): number {
    if (this.heap.size === 0) return -1
    const account = this.heap.first
    return this.deadline(account) <= timeMs ? account : -1
  }
}

/**
 * When something waits to happen, in ms: at most engine time while anything is pending that could happen now;
 * else the first expiry or dead-man switch; Infinity when nothing waits.
 */
export function nextDueMs(trading: Trading, switches: DeadManSwitches): number {
  const { expiries, orders, work, clock } = trading
  if (work.jobs > 0 || trading.triggers.nextUnfired(0) >= 0) return clock[Clock.TIME]!
  const { firstMs } = switches
  if (expiries.size === 0) return firstMs
  return Math.min(firstMs, orders.extraNumbers[2 * expiries.first + ExtraNumber.EXPIRES_AT]!)
}

/** Moves engine time to what the Time command at `at` carries, unless that lies back. Returns a Reject. */
export function advanceTime(
  trading: Trading,
  switches: DeadManSwitches,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): number {
  const timeMs = floats[(at >> 1) + TimeCmd.TIME_MS_F64]!
  const firstMarket = words[at + TimeCmd.FIRST_MARKET]!
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs >= TIME_MS_END || firstMarket < 0)
    return Reject.BadTime
  const { clock, events, expiries, orders } = trading
  if (timeMs > clock[Clock.TIME]!) clock[Clock.TIME] = timeMs
  const now = clock[Clock.TIME]!
  const event = events.next(EventKind.TimeAdvanced, clock)
  events.floats[(event >> 1) + TimeAdvancedEv.TIME_MS_F64] = now
  const { work, massCancels } = trading
  const isPast = (slot: number): boolean => orders.extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]! <= now
  while (expiries.size > 0 && isPast(expiries.first) && work.take())
    trading.cancel(expiries.first, CancelReason.Expired)
  massCancels.proceed()
  for (let account = switches.due(now); account >= 0 && work.take(); account = switches.due(now)) {
    switches.set(account, 0)
    const reason = CancelReason.DeadManSwitch
    massCancels.begin({ account, market: -1, side: -1, reason, haltedToo: true }, clock[Clock.SEQ]!)
  }
  work.switchesDue = switches.due(now) >= 0
  work.used = 0
  const { triggers } = trading
  let market = triggers.nextUnfired(firstMarket)
  while (market >= 0 && triggers.fire(market)) market = triggers.nextUnfired(market)
  return Reject.None
}

/**
 * Lets the dead-man switch of an account act at once when it is due: before the account's next order or renewal,
 * so that neither depends on how far Time commands have come. Orders up to `uptoId` end.
 */
export function actIfDue(trading: Trading, switches: DeadManSwitches, account: number, uptoId: number): void {
  if (!trading.ledger.isOpen(account)) return
  const deadlineMs = switches.deadline(account)
  if (deadlineMs === 0 || deadlineMs > trading.clock[Clock.TIME]!) return
  switches.set(account, 0)
  const reason = CancelReason.DeadManSwitch
  trading.massCancels.begin({ account, market: -1, side: -1, reason, haltedToo: true }, uptoId)
}

/** Sets or clears the dead-man switch of the CancelAfter command at `at`. Returns a Reject. */
export function cancelAfter(
  trading: Trading,
  switches: DeadManSwitches,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): number {
  const account = words[at + CancelAfterCmd.ACCOUNT]!
  const float = at >> 1
  const atMs = floats[float + CancelAfterCmd.AT_MS_F64]!
  const now = trading.clock[Clock.TIME]!
  if (!trading.ledger.isOpen(account)) return Reject.UnknownAccount
  const late = checkDeadline(floats[float + CancelAfterCmd.DEADLINE_MS_F64]!, now)
  if (late !== Reject.None) return late
  if (atMs !== 0 && !expiryIsValid(atMs, now)) return Reject.BadExpiry
  switches.set(account, atMs)
  const event = trading.events.next(EventKind.CancelAfterSet, trading.clock)
  trading.events.words[event + CancelAfterSetEv.ACCOUNT] = account
  trading.events.floats[(event >> 1) + CancelAfterSetEv.AT_MS_F64] = atMs
  return Reject.None
}
