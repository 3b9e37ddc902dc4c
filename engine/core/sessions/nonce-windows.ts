/**
 * Which nonces of a session's frames are taken, too old, or forgotten: those below its highest one by
 * FRAME_NONCE_WINDOW or more, and all that it ever used once FRAME_WINDOW_IDLE_MS have passed since its last frame. What
 * became of the others stands in the session's window (frame-windows.ts), which it has while it trades.
 *
 * Invariant: what a session may still use is judged by time and its numbers alone, never by whether its window was
 * taken back meanwhile; where it gives way to another's, all that it has used is too old from then on.
 *
 * Called by sessions.ts and by the snapshot.
 */
import { FRAME_NONCE_WINDOW, FRAME_WINDOW_IDLE_MS } from '../../limits.js'
import { Clock } from '../base/clock-places.js'
import type { FrameWindows } from './frame-windows.js'
import { SESSION_SHIFT, Session, SessionNumber, type SessionTable } from './session-table.js'

const NONE = -1

export class NonceWindows {
  private readonly table: SessionTable
  private readonly windows: FrameWindows
  private readonly clock: Float64Array
  private readonly isOpen: (slot: number) => boolean

  /** `isOpen`: whether a signed frame of the session is open. */
  constructor(
    table: SessionTable,
    windows: FrameWindows,
    clock: Float64Array,
    isOpen: (slot: number) => boolean,
  ) {
    this.table = table
    this.windows = windows
    this.clock = clock
    this.isOpen = isOpen
  }

  /** Nonces up to one less than this are too old, or forgotten. */
  floor(slot: number): number {
    const { table } = this
    const highest = table.number(slot, SessionNumber.HIGHEST)
    if (this.isIdle(slot)) return highest
    return Math.max(table.number(slot, SessionNumber.FLOOR), highest - FRAME_NONCE_WINDOW)
  }

  /** Window entry of a session's nonce that was used and is not forgotten, or -1. */
  find(slot: number, nonce: number): number {
    const window = this.of(slot)
    if (window === NONE || !(Number.isInteger(nonce) && nonce >= 0)) return NONE
    const entry = this.windows.entryOf(window, nonce)
    return nonce + 1 > this.floor(slot) && this.windows.nonce(entry) === nonce + 1 ? entry : NONE
  }

  /** Window of a session that is in use, or -1. */
  of(slot: number): number {
    return this.isIdle(slot) ? NONE : this.table.word(slot, Session.WINDOW)
  }

  /** True when the session's nonces are forgotten, whether or not its window was taken back. */
  private isIdle(slot: number): boolean {
    const { table } = this
    if (table.number(slot, SessionNumber.HIGHEST) === 0) return false
    // A signed frame that is open has not had its last say.
    if (this.isOpen(slot)) return false
    return this.clock[Clock.TIME]! - table.number(slot, SessionNumber.LAST_FRAME) >= FRAME_WINDOW_IDLE_MS
  }

  /** An empty window for a session that has none in use: another's, where all are. */
  give(slot: number): number {
    const { table, windows } = this
    const at = slot << SESSION_SHIFT
    table.setNumber(slot, SessionNumber.FLOOR, table.number(slot, SessionNumber.HIGHEST))
    if (table.words[at + Session.WINDOW] !== NONE) this.take(slot)
    // Two a grant: what is idle goes back sooner than new ones are asked for.
    for (let taken = 0; taken < 2; taken++) {
      if (windows.head === NONE || !this.isIdle(windows.slotOf(windows.head))) break
      this.take(windows.slotOf(windows.head))
    }
    if (!windows.hasFree) this.forget(this.givesWay(slot))
    const window = windows.give(slot)
    table.words[at + Session.WINDOW] = window
    return window
  }

  /**
   * The session whose window gives way, all being in use: of this session's account the one that has not traded for
   * longest; of all, where the account has none. So nobody who trades is refused, and no account takes another's twice.
   */
  private givesWay(slot: number): number {
    const { table, windows } = this
    let first = NONE
    for (let own = table.first(table.word(slot, Session.ACCOUNT)); own !== NONE; own = table.next(own)) {
      const window = table.word(own, Session.WINDOW)
      if (window === NONE) continue
      if (first === NONE || windows.latestSeq(window) < windows.latestSeq(table.word(first, Session.WINDOW)))
        first = own
    }
    return first === NONE ? windows.slotOf(windows.head) : first
  }

  /** Takes a window in use: what is up to the session's highest nonce is too old from now on. */
  private forget(slot: number): void {
    const { table } = this
    table.setNumber(slot, SessionNumber.FLOOR, table.number(slot, SessionNumber.HIGHEST))
    this.take(slot)
  }

  take(slot: number): void {
    const at = (slot << SESSION_SHIFT) + Session.WINDOW
    this.windows.take(this.table.words[at]!)
    this.table.words[at] = NONE
  }
}
