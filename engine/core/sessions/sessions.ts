/**
 * Session keys and the frames that they sign. A wallet's approval makes a session, and its nonce names it
 * for ever: a later approval of the same key makes another one in its place, so that no frame of the former
 * is ever valid again. A frame's header (approval, nonce) opens it; its commands follow and belong to the
 * session's account. An unsigned frame (where the operator takes them) names its session alike, so that the
 * session's life, scopes and bound are judged at its place in the journal too. What became of recent frames is kept
 * (nonce-windows.ts), so that a frame sent twice is told apart from a new one and its sender can be told the first
 * result, also after a restart.
 *
 * The rules, check by check, are docs/internals/engine-rules-sessions.md. Called by engine.ts.
 */
import { EventKind, Reject } from '../../codes.js'
import { readApproval } from '../../commands.js'
import {
  ApproveSessionCmd,
  FrameCmd,
  FrameOpenedEv,
  RevokeSessionCmd,
  SessionApprovedEv,
  SessionRevokedEv,
  UnsignedFrameCmd,
  UnsignedFrameOpenedEv,
} from '../../layout.js'
import { FRAME_COMMANDS_MAX, UNITS_END } from '../../limits.js'
import type { Events } from '../base/events.js'
import { FrameWindows } from './frame-windows.js'
import { NonceWindows } from './nonce-windows.js'
import { ACCOUNT_NUMBERS, AccountNumber, type Ledger } from '../money/ledger.js'
import {
  KEY_WORDS,
  PARITY_BIT,
  Session,
  SESSION_SHIFT,
  SessionNumber,
  SessionState,
  SessionTable,
} from './session-table.js'
import { Clock } from '../base/clock-places.js'
import { isOperators, walletReject } from './wallet-consent.js'
import type { Work } from '../base/work.js'

const NONE = -1

export interface SessionBounds {
  readonly sessionsMax: number
  /** Sessions of one account. */
  readonly accountSessionsMax: number
  readonly sessionLifetimeMsMax: number
  /** Sessions whose nonces are kept at one time. */
  readonly frameWindowsMax: number
}

export class Sessions {
  readonly table: SessionTable
  readonly windows: FrameWindows
  readonly nonces: NonceWindows
  /** Commands of the open frame still to come. */
  left = 0
  /** Slot of the open frame's session; -1 = its header was refused. */
  open = NONE
  /** Window entry of the open frame; -1 = its header was refused, or nobody signed it. */
  entry = NONE
  /** Window entry that a duplicate frame was found to repeat, until the next header; or -1. */
  repeated = NONE

  private readonly bounds: SessionBounds
  private readonly ledger: Ledger
  private readonly events: Events
  private readonly clock: Float64Array
  private readonly work: Work

  constructor(ledger: Ledger, events: Events, clock: Float64Array, work: Work, bounds: SessionBounds) {
    this.bounds = bounds
    this.table = new SessionTable(bounds.sessionsMax, ledger.accountsMax)
    this.windows = new FrameWindows(bounds.frameWindowsMax)
    this.ledger = ledger
    this.events = events
    this.clock = clock
    this.work = work
    this.nonces = new NonceWindows(
      this.table,
      this.windows,
      clock,
      (slot) => this.left > 0 && slot === this.open && this.entry !== NONE,
    )
  }

  /** Bytes of all tables of sessions as they are now. */
  get bytes(): number {
    return this.table.bytes + this.windows.bytes
  }

  /** The latest time at which a session that is approved now may end. */
  get latestExpiryMs(): number {
    return this.clock[Clock.TIME]! + this.bounds.sessionLifetimeMsMax
  }

  /** ApproveSession. Returns a Reject. */
  approve(words: Int32Array, floats: Float64Array, at: number): number {
    const { ledger, clock, table } = this
    const account = words[at + ApproveSessionCmd.ACCOUNT]!
    const timeMs = clock[Clock.TIME]!
    if (!ledger.isOpen(account)) return Reject.UnknownAccount
    const { scopes, maxNotional, expiresAtMs, nonce, deadlineMs } = readApproval(words, floats, at)
    if (scopes === 0) return Reject.SessionScope
    if (expiresAtMs <= timeMs) return Reject.BadExpiry
    if (expiresAtMs > this.latestExpiryMs) return Reject.SessionLifetimeOverLimit
    const last = ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.APPROVAL_NONCE]!
    const refused = walletReject(nonce, deadlineMs, last, timeMs, Reject.ApprovalNonceUsed)
    if (refused !== Reject.None) return refused
    const parity = (words[at]! >>> ApproveSessionCmd.KEY_PARITY_SHIFT) & 1
    const place = this.placeFor(account, words, at + ApproveSessionCmd.KEY_X, parity)
    if (place < 0) return -place

    ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.APPROVAL_NONCE] = nonce
    const replaced =
      place < table.end ? this.vacate(place, words, at + ApproveSessionCmd.KEY_X, account, parity) : 0
    const attributes = scopes | (parity << PARITY_BIT)
    table.put(
      place,
      account,
      attributes,
      words,
      at + ApproveSessionCmd.KEY_X,
      maxNotional,
      expiresAtMs,
      nonce,
    )

    const event = this.events.next(
      EventKind.SessionApproved | (attributes << SessionApprovedEv.SCOPES_SHIFT),
      clock,
    )
    const out = this.events.words
    out[event + SessionApprovedEv.ACCOUNT] = account
    for (let word = 0; word < KEY_WORDS; word++)
      out[event + SessionApprovedEv.KEY_X + word] = words[at + ApproveSessionCmd.KEY_X + word]!
    const float = event >> 1
    this.events.floats[float + SessionApprovedEv.MAX_NOTIONAL_F64] = maxNotional
    this.events.floats[float + SessionApprovedEv.EXPIRES_AT_MS_F64] = expiresAtMs
    this.events.floats[float + SessionApprovedEv.REPLACED_F64] = replaced
    this.events.floats[float + SessionApprovedEv.APPROVAL_F64] = nonce
    return Reject.None
  }

  /** RevokeSession: by the wallet, by a frame of the account, or by the operator. Returns a Reject. */
  revoke(words: Int32Array, floats: Float64Array, at: number): number {
    const { ledger, table } = this
    const account = words[at + RevokeSessionCmd.ACCOUNT]!
    const timeMs = this.clock[Clock.TIME]!
    const float = at >> 1
    if (!ledger.isOpen(account)) return Reject.UnknownAccount
    const approval = floats[float + RevokeSessionCmd.APPROVAL_F64]!
    const slot = table.find(account, approval)
    if (slot === NONE || table.word(slot, Session.STATE) !== SessionState.Active) return Reject.UnknownSession
    let nonce = 0
    if (this.left === 0 && !isOperators(words[at]!)) {
      nonce = floats[float + RevokeSessionCmd.NONCE_F64]!
      const deadlineMs = floats[float + RevokeSessionCmd.DEADLINE_MS_F64]!
      const last = ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.APPROVAL_NONCE]!
      const refused = walletReject(nonce, deadlineMs, last, timeMs, Reject.ApprovalNonceUsed)
      if (refused !== Reject.None) return refused
      ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.APPROVAL_NONCE] = nonce
    }
    table.revoke(slot, timeMs)
    const event = this.events.next(EventKind.SessionRevoked, this.clock)
    this.events.words[event + SessionRevokedEv.ACCOUNT] = account
    this.events.floats[(event >> 1) + SessionRevokedEv.APPROVAL_F64] = approval
    this.events.floats[(event >> 1) + SessionRevokedEv.NONCE_F64] = nonce
    return Reject.None
  }

  /** Frame: opens a frame of the commands that follow. Returns a Reject; they are then rejected too. */
  openFrame(words: Int32Array, floats: Float64Array, at: number): number {
    const { table, windows } = this
    const count = words[at + FrameCmd.COUNT]!
    if (!this.begin(count, words[at + FrameCmd.STEPS_USED]!)) return Reject.BadFrame
    const account = words[at + FrameCmd.ACCOUNT]!
    const approval = floats[(at >> 1) + FrameCmd.APPROVAL_F64]!
    const nonce = floats[(at >> 1) + FrameCmd.NONCE_F64]!
    const timeMs = this.clock[Clock.TIME]!
    const slot = table.find(account, approval)
    const refused = this.mayOpen(slot, timeMs)
    if (refused !== Reject.None) return refused
    if (!(Number.isInteger(nonce) && nonce >= 0 && nonce < UNITS_END)) return Reject.BadFrame
    if (nonce + 1 <= this.nonces.floor(slot)) return Reject.FrameNonceTooOld
    let window = this.nonces.of(slot)
    if (window !== NONE && windows.nonce(windows.entryOf(window, nonce)) === nonce + 1) {
      this.repeated = windows.entryOf(window, nonce)
      return Reject.FrameNonceUsed
    }
    if (window === NONE) window = this.nonces.give(slot)
    else windows.touch(window)
    const entry = windows.entryOf(window, nonce)
    if (nonce + 1 > table.number(slot, SessionNumber.HIGHEST))
      table.setNumber(slot, SessionNumber.HIGHEST, nonce + 1)
    table.setNumber(slot, SessionNumber.LAST_FRAME, timeMs)
    windows.set(entry, nonce + 1, this.clock[Clock.SEQ]!, count)
    this.open = slot
    this.entry = entry
    const event = this.events.next(EventKind.FrameOpened, this.clock)
    this.events.words[event + FrameOpenedEv.ACCOUNT] = account
    this.events.words[event + FrameOpenedEv.COUNT] = count
    this.events.floats[(event >> 1) + FrameOpenedEv.NONCE_F64] = nonce
    this.events.floats[(event >> 1) + FrameOpenedEv.APPROVAL_F64] = approval
    return Reject.None
  }

  /**
   * UnsignedFrame: opens a frame that nobody signed, where that is `allowed`. It has no nonce: nothing is kept of it.
   * Returns a Reject; the commands that follow are then rejected too.
   */
  openUnsignedFrame(words: Int32Array, floats: Float64Array, at: number, allowed: boolean): number {
    const count = words[at + UnsignedFrameCmd.COUNT]!
    if (!this.begin(count, words[at + UnsignedFrameCmd.STEPS_USED]!)) return Reject.BadFrame
    if (!allowed) return Reject.FrameRequired
    const account = words[at + UnsignedFrameCmd.ACCOUNT]!
    const approval = floats[(at >> 1) + UnsignedFrameCmd.APPROVAL_F64]!
    const slot = this.table.find(account, approval)
    const refused = this.mayOpen(slot, this.clock[Clock.TIME]!)
    if (refused !== Reject.None) return refused
    this.open = slot
    const event = this.events.next(EventKind.UnsignedFrameOpened, this.clock)
    this.events.words[event + UnsignedFrameOpenedEv.ACCOUNT] = account
    this.events.words[event + UnsignedFrameOpenedEv.COUNT] = count
    this.events.floats[(event >> 1) + UnsignedFrameOpenedEv.APPROVAL_F64] = approval
    return Reject.None
  }

  /** The next `count` commands are a frame's, whatever becomes of its header; false = they are not. */
  private begin(count: number, stepsUsed: number): boolean {
    this.repeated = NONE
    // Inside a frame a header is one of its commands, and a wrong one.
    if (this.left > 0 || count < 1 || count > FRAME_COMMANDS_MAX) return false
    if (stepsUsed < 0 || stepsUsed > this.work.max) return false
    this.left = count
    this.work.used = stepsUsed
    this.open = NONE
    this.entry = NONE
    return true
  }

  /** Notes the result of a command of the open frame and counts it. Call once for each, after applying. */
  closeCommand(code: number): void {
    const { entry, windows } = this
    if (entry >= 0 && code !== 0) windows.setCode(entry, windows.count(entry) - this.left, code)
    this.left--
  }

  /** Account of the open frame's session. */
  openAccount(): number {
    return this.table.words[(this.open << SESSION_SHIFT) + Session.ACCOUNT]!
  }

  scopes(slot: number): number {
    return this.table.words[(slot << SESSION_SHIFT) + Session.ATTR]! & 15
  }

  maxNotional(slot: number): number {
    return this.table.number(slot, SessionNumber.MAX_NOTIONAL)
  }

  /** Reject of a frame by the session in `slot` (-1 = there is none) at `timeMs`, whatever its nonce, or 0. */
  mayOpen(slot: number, timeMs: number): number {
    if (slot === NONE || this.table.word(slot, Session.STATE) !== SessionState.Active)
      return Reject.UnknownSession
    return this.table.number(slot, SessionNumber.ENDS_AT) <= timeMs ? Reject.SessionExpired : Reject.None
  }

  /**
   * Slot for a new session of an account: of its own session of the same key, else of its own that ended first,
   * else a new one, else of whoever ended first. A negative number is a Reject.
   */
  private placeFor(account: number, words: Int32Array, keyAt: number, parity: number): number {
    const { table } = this
    let count = 0
    let ended = NONE
    for (let slot = table.first(account); slot !== NONE; slot = table.next(slot)) {
      if (table.hasKey(slot, words, keyAt, parity)) return slot
      if (this.hasEnded(slot) && (ended === NONE || table.endsBefore(slot, ended))) ended = slot
      count++
    }
    if (ended !== NONE) return ended
    if (count >= this.bounds.accountSessionsMax) return -Reject.AccountSessionsFull
    if (table.end < table.capacity) return table.end
    return this.hasEnded(table.firstToEnd) ? table.firstToEnd : -Reject.SessionsFull
  }

  private hasEnded(slot: number): boolean {
    return this.table.number(slot, SessionNumber.ENDS_AT) <= this.clock[Clock.TIME]!
  }

  /** Removes a session with all that is known of its frames. Its approval if it was live and of this key, else 0. */
  private vacate(slot: number, words: Int32Array, keyAt: number, account: number, parity: number): number {
    const { table } = this
    const replaces =
      !this.hasEnded(slot) &&
      table.word(slot, Session.ACCOUNT) === account &&
      table.hasKey(slot, words, keyAt, parity)
    if (table.word(slot, Session.WINDOW) !== NONE) this.nonces.take(slot)
    table.remove(slot)
    return replaces ? table.number(slot, SessionNumber.APPROVAL) : 0
  }
}
