/**
 * Session keys and the frames that they sign. A frame's header (session, nonce) opens it; its commands
 * follow and belong to the session's account. Each session remembers its FRAME_NONCE_WINDOW highest
 * nonces with what became of their commands, so that a frame sent twice is told apart from a new one
 * and its sender can be told the first result, also after a restart.
 *
 *   session (16 words)   0 state   1 account   2 scopes | parity << 4   4..11 key x, big-endian words
 *   numbers (f64)        0 max notional   1 expires at ms   2 highest nonce + 1
 *   window entry         nonce + 1 (f64, 0 = unused), first seq (f64), count, a reject code a command
 *
 * A nonce's entry is its remainder by the window's size: distinct within any window.
 * Called by engine.ts.
 */
import { EventKind, Reject } from '../codes.js'
import { Attr, Cmd, Ev, FrameCmd, SessionCmd } from '../layout.js'
import { FRAME_COMMANDS_MAX, FRAME_NONCE_WINDOW, UNITS_END } from '../limits.js'
import type { Events } from './events.js'
import { AccountNumber, type Ledger } from './ledger.js'
import { Clock } from './trading.js'

export const SESSION_SHIFT = 4
export const Session = { STATE: 0, ACCOUNT: 1, ATTR: 2, X: 4 } as const
export const SessionState = { None: 0, Active: 1, Revoked: 2 } as const
export const SessionNumber = { MAX_NOTIONAL: 0, EXPIRES_AT: 1, HIGHEST: 2 } as const
export const SESSION_NUMBERS = 3
export const KEY_WORDS = 8

export class Sessions {
  readonly words: Int32Array
  readonly numbers: Float64Array
  readonly nonces: Float64Array
  readonly firstSeqs: Float64Array
  readonly counts: Uint8Array
  readonly codes: Uint8Array
  readonly capacity: number
  /** Slots at or above this were never used. */
  end = 0
  /** Commands of the open frame still to come. */
  left = 0
  /** Session of the open frame. */
  open = -1
  /** Window entry of the open frame; -1 = its header was rejected. */
  entry = -1
  /** Window entry that a duplicate frame was found to repeat, until the next header; or -1. */
  repeated = -1

  private readonly ledger: Ledger
  private readonly events: Events
  private readonly clock: Float64Array

  constructor(ledger: Ledger, events: Events, clock: Float64Array, capacity: number) {
    this.capacity = capacity
    this.words = new Int32Array(capacity << SESSION_SHIFT)
    this.numbers = new Float64Array(capacity * SESSION_NUMBERS)
    this.nonces = new Float64Array(capacity * FRAME_NONCE_WINDOW)
    this.firstSeqs = new Float64Array(capacity * FRAME_NONCE_WINDOW)
    this.counts = new Uint8Array(capacity * FRAME_NONCE_WINDOW)
    this.codes = new Uint8Array(capacity * FRAME_NONCE_WINDOW * FRAME_COMMANDS_MAX)
    this.ledger = ledger
    this.events = events
    this.clock = clock
  }

  /** ApproveSession. Returns a Reject. */
  approve(words: Int32Array, floats: Float64Array, at: number): number {
    const { ledger, clock } = this
    const account = words[at + Cmd.ACCOUNT]!
    const float = at >> 1
    if (!ledger.isOpen(account)) return Reject.UnknownAccount
    const scopes = (words[at]! >>> Attr.SCOPE_SHIFT) & 15
    if (scopes === 0) return Reject.SessionScope
    const maxNotional = floats[float + SessionCmd.MAX_NOTIONAL_F64]!
    if (!Number.isInteger(maxNotional)) return Reject.NotAnInteger
    if (maxNotional < 0) return Reject.NegativeUnits
    if (maxNotional >= UNITS_END) return Reject.UnitsOverLimit
    const expiresAt = floats[float + SessionCmd.EXPIRES_AT_F64]!
    if (!(Number.isInteger(expiresAt) && expiresAt > clock[Clock.TIME]! && expiresAt < UNITS_END))
      return Reject.BadExpiry
    const nonce = floats[float + SessionCmd.NONCE_F64]!
    if (!this.nonceIsNew(account, nonce)) return Reject.ApprovalNonceUsed
    const slot = this.freeSlot()
    if (slot < 0) return Reject.SessionsFull

    ledger.accountNumbers[account * 8 + AccountNumber.APPROVAL_NONCE] = nonce
    const attributes = scopes | (((words[at]! >>> Attr.PARITY_SHIFT) & 1) << 4)
    const to = slot << SESSION_SHIFT
    this.words[to] = SessionState.Active
    this.words[to + Session.ACCOUNT] = account
    this.words[to + Session.ATTR] = attributes
    for (let word = 0; word < KEY_WORDS; word++)
      this.words[to + Session.X + word] = words[at + SessionCmd.X + word]!
    const number = slot * SESSION_NUMBERS
    this.numbers[number] = maxNotional
    this.numbers[number + SessionNumber.EXPIRES_AT] = expiresAt
    this.numbers[number + SessionNumber.HIGHEST] = 0
    this.nonces.fill(0, slot * FRAME_NONCE_WINDOW, (slot + 1) * FRAME_NONCE_WINDOW)
    if (slot >= this.end) this.end = slot + 1

    const event = this.events.next(EventKind.SessionApproved | (attributes << 16), clock)
    const out = this.events.words
    out[event + Ev.ACCOUNT] = account
    out[event + Ev.CODE] = slot
    for (let word = 0; word < KEY_WORDS; word++)
      out[event + Ev.CLOID_LO + word] = words[at + SessionCmd.X + word]!
    this.events.floats[(event >> 1) + Ev.AMOUNT_A_F64] = maxNotional
    this.events.floats[(event >> 1) + Ev.AMOUNT_B_F64] = expiresAt
    return Reject.None
  }

  /** RevokeSession: by the wallet (nonce > 0) or by a frame of the account. Returns a Reject. */
  revoke(words: Int32Array, floats: Float64Array, at: number): number {
    const account = words[at + Cmd.ACCOUNT]!
    const slot = words[at + SessionCmd.X]!
    const nonce = floats[(at >> 1) + SessionCmd.NONCE_F64]!
    if (!this.ledger.isOpen(account)) return Reject.UnknownAccount
    if (!this.isActive(slot) || this.words[(slot << SESSION_SHIFT) + Session.ACCOUNT] !== account)
      return Reject.UnknownSession
    if (nonce !== 0) {
      if (!this.nonceIsNew(account, nonce)) return Reject.ApprovalNonceUsed
      this.ledger.accountNumbers[account * 8 + AccountNumber.APPROVAL_NONCE] = nonce
    }
    this.words[slot << SESSION_SHIFT] = SessionState.Revoked
    const event = this.events.next(EventKind.SessionRevoked, this.clock)
    this.events.words[event + Ev.ACCOUNT] = account
    this.events.words[event + Ev.CODE] = slot
    return Reject.None
  }

  /** Frame: opens a frame of the commands that follow. Returns a Reject; they are then rejected too. */
  openFrame(words: Int32Array, floats: Float64Array, at: number): number {
    const count = words[at + FrameCmd.COUNT]!
    this.repeated = -1
    // Inside a frame a header is one of its commands, and a wrong one.
    if (this.left > 0 || count < 1 || count > FRAME_COMMANDS_MAX) return Reject.BadFrame
    this.left = count
    this.open = -1
    this.entry = -1
    const slot = words[at + FrameCmd.SESSION]!
    const account = words[at + Cmd.ACCOUNT]!
    const nonce = floats[(at >> 1) + FrameCmd.NONCE_F64]!
    const refused = this.mayOpen(slot, account, this.clock[Clock.TIME]!)
    if (refused !== Reject.None) return refused
    const number = slot * SESSION_NUMBERS
    if (!(Number.isInteger(nonce) && nonce >= 0 && nonce < UNITS_END)) return Reject.BadFrame
    const highest = this.numbers[number + SessionNumber.HIGHEST]!
    if (nonce + 1 <= highest - FRAME_NONCE_WINDOW) return Reject.FrameNonceTooOld
    const entry = slot * FRAME_NONCE_WINDOW + (nonce % FRAME_NONCE_WINDOW)
    if (this.nonces[entry] === nonce + 1) {
      this.repeated = entry
      return Reject.FrameNonceUsed
    }
    if (nonce + 1 > highest) this.numbers[number + SessionNumber.HIGHEST] = nonce + 1
    this.nonces[entry] = nonce + 1
    this.firstSeqs[entry] = this.clock[Clock.SEQ]!
    this.counts[entry] = count
    this.codes.fill(0, entry * FRAME_COMMANDS_MAX, (entry + 1) * FRAME_COMMANDS_MAX)
    this.open = slot
    this.entry = entry
    const event = this.events.next(EventKind.FrameOpened, this.clock)
    this.events.words[event + Ev.ACCOUNT] = account
    this.events.words[event + Ev.CODE] = slot
    this.events.words[event + Ev.LOTS] = count
    this.events.floats[(event >> 1) + Ev.AMOUNT_A_F64] = nonce
    return Reject.None
  }

  /** Notes the result of a command of the open frame and counts it. Call once for each, after applying. */
  closeCommand(code: number): void {
    if (this.entry >= 0) {
      const index = this.counts[this.entry]! - this.left
      this.codes[this.entry * FRAME_COMMANDS_MAX + index] = code
    }
    this.left--
  }

  isActive(slot: number): boolean {
    return slot >= 0 && slot < this.end && this.words[slot << SESSION_SHIFT] === SessionState.Active
  }

  /** Account of the open frame's session. */
  openAccount(): number {
    return this.words[(this.open << SESSION_SHIFT) + Session.ACCOUNT]!
  }

  scopes(slot: number): number {
    return this.words[(slot << SESSION_SHIFT) + Session.ATTR]! & 15
  }

  maxNotional(slot: number): number {
    return this.numbers[slot * SESSION_NUMBERS]!
  }

  /** Reject of a frame of `account` by this session at `timeMs`, whatever its nonce, or 0. */
  mayOpen(slot: number, account: number, timeMs: number): number {
    if (!this.isActive(slot)) return Reject.UnknownSession
    if (this.words[(slot << SESSION_SHIFT) + Session.ACCOUNT] !== account) return Reject.WrongAccount
    const expiresAt = this.numbers[slot * SESSION_NUMBERS + SessionNumber.EXPIRES_AT]!
    return expiresAt <= timeMs ? Reject.SessionExpired : Reject.None
  }

  /** Window entry of a session's nonce that was used and is not too old, or -1. */
  find(slot: number, nonce: number): number {
    if (!(slot >= 0 && slot < this.end) || !(Number.isInteger(nonce) && nonce >= 0)) return -1
    const highest = this.numbers[slot * SESSION_NUMBERS + SessionNumber.HIGHEST]!
    const entry = slot * FRAME_NONCE_WINDOW + (nonce % FRAME_NONCE_WINDOW)
    return nonce + 1 > highest - FRAME_NONCE_WINDOW && this.nonces[entry] === nonce + 1 ? entry : -1
  }

  /** A wallet's nonces grow, so an approval that was once used cannot be used again. */
  private nonceIsNew(account: number, nonce: number): boolean {
    return (
      Number.isInteger(nonce) &&
      nonce < UNITS_END &&
      nonce > this.ledger.accountNumbers[account * 8 + AccountNumber.APPROVAL_NONCE]!
    )
  }

  /** A slot never used, else the first whose session is revoked or expired; -1 = none. */
  private freeSlot(): number {
    if (this.end < this.capacity) return this.end
    for (let slot = 0; slot < this.capacity; slot++) {
      if (this.words[slot << SESSION_SHIFT] === SessionState.Revoked) return slot
      const expiresAt = this.numbers[slot * SESSION_NUMBERS + SessionNumber.EXPIRES_AT]!
      if (expiresAt <= this.clock[Clock.TIME]! && slot !== this.open) return slot
    }
    return -1
  }
}
