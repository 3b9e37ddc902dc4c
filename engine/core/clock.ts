/**
 * Engine time. It moves only by a Time command, and everything that waits for a moment happens inside
 * that command, in this order: orders past their expiry, by (expiry, order id); then accounts whose
 * dead-man switch is due, by (deadline, account), each account's orders in placement order.
 * Called by engine.ts.
 */
import { CancelReason, EventKind, Reject } from '../codes.js'
import { Cmd, Ev } from '../layout.js'
import { TIME_MS_END } from '../limits.js'
import { Heap } from './heap.js'
import { AccountNumber, type Ledger } from './ledger.js'
import { ExtraNumber } from './orders.js'
import { deadlinePassed } from './place.js'
import { Clock, type Trading } from './trading.js'

/** The dead-man switches that are set: accounts by (deadline, account). */
export class DeadManSwitches {
  private readonly heap: Heap
  private readonly deadlines: Float64Array
  private readonly places: Int32Array

  constructor(ledger: Ledger) {
    this.deadlines = ledger.accountNumbers
    this.places = new Int32Array(ledger.accountsMax)
    this.heap = new Heap(ledger.accountsMax, {
      before: (a, b) => {
        const first = this.deadline(a)
        const second = this.deadline(b)
        return first === second ? a < b : first < second
      },
      place: (account) => this.places[account]!,
      setPlace: (account, place) => {
        this.places[account] = place
      },
    })
  }

  deadline(account: number): number {
    return this.deadlines[account * 8 + AccountNumber.CANCEL_AFTER]!
  }

  /** Sets an account's deadline in ms; 0 = off. */
  set(account: number, deadlineMs: number): void {
    if (this.deadline(account) !== 0) this.heap.remove(account)
    this.deadlines[account * 8 + AccountNumber.CANCEL_AFTER] = deadlineMs
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

/** When the first expiry or dead-man switch is due, in ms; Infinity when nothing waits. */
export function nextDueMs({ expiries, orders }: Trading, switches: DeadManSwitches): number {
  const { firstMs } = switches
  if (expiries.size === 0) return firstMs
  return Math.min(firstMs, orders.extraNumbers[2 * expiries.first + ExtraNumber.EXPIRES_AT]!)
}

/** Moves engine time to what the Time command at `at` carries, unless that lies back. Returns a Reject. */
export function advanceTime(
  trading: Trading,
  switches: DeadManSwitches,
  floats: Float64Array,
  at: number,
): number {
  const timeMs = floats[(at >> 1) + Cmd.AMOUNT_F64]!
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs >= TIME_MS_END) return Reject.BadTime
  const { clock, events, expiries, orders } = trading
  if (timeMs > clock[Clock.TIME]!) clock[Clock.TIME] = timeMs
  const now = clock[Clock.TIME]!
  const event = events.next(EventKind.TimeAdvanced, clock)
  events.floats[(event >> 1) + Ev.AMOUNT_A_F64] = now
  while (expiries.size > 0 && orders.extraNumbers[2 * expiries.first + ExtraNumber.EXPIRES_AT]! <= now)
    trading.cancel(expiries.first, CancelReason.Expired)
  for (let account = switches.due(now); account >= 0; account = switches.due(now)) {
    switches.set(account, 0)
    trading.cancelAll(account, -1, -1, CancelReason.DeadManSwitch, true)
  }
  return Reject.None
}

/** Sets or clears the dead-man switch of the CancelAfter command at `at`. Returns a Reject. */
export function cancelAfter(
  trading: Trading,
  switches: DeadManSwitches,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): number {
  const account = words[at + Cmd.ACCOUNT]!
  const float = at >> 1
  const deadlineMs = floats[float + Cmd.AMOUNT_F64]!
  const now = trading.clock[Clock.TIME]!
  if (!trading.ledger.isOpen(account)) return Reject.UnknownAccount
  if (deadlinePassed(floats[float + Cmd.DEADLINE_F64]!, now)) return Reject.DeadlinePassed
  if (deadlineMs !== 0 && !(Number.isInteger(deadlineMs) && deadlineMs > now && deadlineMs < TIME_MS_END))
    return Reject.BadExpiry
  switches.set(account, deadlineMs)
  const event = trading.events.next(EventKind.CancelAfterSet, trading.clock)
  trading.events.words[event + Ev.ACCOUNT] = account
  trading.events.floats[(event >> 1) + Ev.AMOUNT_A_F64] = deadlineMs
  return Reject.None
}
