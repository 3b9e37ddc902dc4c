/**
 * The sessions themselves: one record a session, found by account and approval. Which sessions stand here,
 * and which makes room for which, is docs/internals/engine-rules-sessions.md.
 *
 *   session (16 words)   0 state   1 account   2 scopes | parity << 4   3 next of its account
 *                        4..11 key x, big-endian words   12 place among the ends   13 window, -1 = none
 *   numbers (8 f64)      0 max notional   1 ends at ms   2 highest nonce + 1   3 floor   4 last frame ms
 *                        5 approval
 *
 * Slots are used from 0 up and only ever taken over, never given back, so `end` is the count of sessions.
 * Invariant: every slot below `end` is in its account's list and in the heap of ends.
 * Called by sessions.ts, views.ts and the snapshot.
 */
import { Heap } from '../base/heap.js'

export const SESSION_SHIFT = 4
export const Session = { STATE: 0, ACCOUNT: 1, ATTR: 2, NEXT: 3, X: 4, PLACE: 12, WINDOW: 13 } as const
export const SessionState = { Active: 1, Revoked: 2 } as const
export const SESSION_NUMBER_SHIFT = 3
export const SessionNumber = {
  MAX_NOTIONAL: 0,
  ENDS_AT: 1,
  HIGHEST: 2,
  FLOOR: 3,
  LAST_FRAME: 4,
  APPROVAL: 5,
} as const
export const KEY_WORDS = 8
export const PARITY_BIT = 4
const NONE = -1

export class SessionTable {
  readonly words: Int32Array
  readonly numbers: Float64Array
  readonly capacity: number
  /** Slots at or above this were never used. */
  end = 0
  /** 1 + slot of each account's newest session; 0 = it has none. */
  private readonly newest: Int32Array
  /** All sessions, by their end. */
  private readonly ends: Heap
  private readonly endIds: number

  constructor(capacity: number, accountsMax: number) {
    this.capacity = capacity
    this.words = new Int32Array(capacity << SESSION_SHIFT)
    this.numbers = new Float64Array(capacity << SESSION_NUMBER_SHIFT)
    this.newest = new Int32Array(accountsMax)
    this.endIds = capacity * (Int32Array.BYTES_PER_ELEMENT + 2 * Float64Array.BYTES_PER_ELEMENT)
    this.ends = new Heap(capacity, {
      first: (slot) => this.number(slot, SessionNumber.ENDS_AT),
      second: (slot) => this.word(slot, Session.ACCOUNT),
      isFirst: (a, b) => this.endsBefore(a, b),
      place: (slot) => this.words[(slot << SESSION_SHIFT) + Session.PLACE]!,
      setPlace: (slot, place) => {
        this.words[(slot << SESSION_SHIFT) + Session.PLACE] = place
      },
    })
  }

  get bytes(): number {
    return this.words.byteLength + this.numbers.byteLength + this.newest.byteLength + this.endIds
  }

  /** Newest session of an account (any int32 may be asked for), or -1. */
  first(account: number): number {
    return account >= 0 && account < this.newest.length ? this.newest[account]! - 1 : NONE
  }

  /** The next older session of the same account, or -1. */
  next(slot: number): number {
    return this.words[(slot << SESSION_SHIFT) + Session.NEXT]!
  }

  /** Slot of the session that an approval made, or -1. */
  find(account: number, approval: number): number {
    let slot = this.first(account)
    while (slot !== NONE && this.number(slot, SessionNumber.APPROVAL) !== approval) slot = this.next(slot)
    return slot
  }

  word(slot: number, index: number): number {
    return this.words[(slot << SESSION_SHIFT) + index]!
  }

  number(slot: number, index: number): number {
    return this.numbers[(slot << SESSION_NUMBER_SHIFT) + index]!
  }

  setNumber(slot: number, index: number, value: number): void {
    this.numbers[(slot << SESSION_NUMBER_SHIFT) + index] = value
  }

  /** The order of ends: end, account, approval. */
  endsBefore(a: number, b: number): boolean {
    const first = this.number(a, SessionNumber.ENDS_AT)
    const second = this.number(b, SessionNumber.ENDS_AT)
    if (first !== second) return first < second
    const account = this.word(a, Session.ACCOUNT) - this.word(b, Session.ACCOUNT)
    if (account !== 0) return account < 0
    return this.number(a, SessionNumber.APPROVAL) < this.number(b, SessionNumber.APPROVAL)
  }

  /** Session of all accounts that ends, or ended, first. The caller knows that there is one. */
  get firstToEnd(): number {
    return this.ends.first
  }

  /** True when the session's key is the one whose x stands at `at` of `words`. */
  hasKey(slot: number, words: Int32Array, at: number, parity: number): boolean {
    if (this.word(slot, Session.ATTR) >>> PARITY_BIT !== parity) return false
    const own = (slot << SESSION_SHIFT) + Session.X
    for (let word = 0; word < KEY_WORDS; word++) if (this.words[own + word] !== words[at + word]) return false
    return true
  }

  /**
   * Enters a session, as its account's newest, in the place of the one in `slot`, which the caller has
   * removed, or at `end`. All its numbers but those given are 0.
   */
  put(
    slot: number,
    account: number,
    attributes: number,
    words: Int32Array,
    keyAt: number,
    maxNotional: number,
    endsAtMs: number,
    approval: number,
  ): void {
    if (slot === this.end) this.end++
    const at = slot << SESSION_SHIFT
    this.words[at] = SessionState.Active
    this.words[at + Session.ACCOUNT] = account
    this.words[at + Session.ATTR] = attributes
    this.words[at + Session.NEXT] = this.newest[account]! - 1
    for (let word = 0; word < KEY_WORDS; word++) this.words[at + Session.X + word] = words[keyAt + word]!
    this.words[at + Session.WINDOW] = NONE
    this.newest[account] = slot + 1
    const number = slot << SESSION_NUMBER_SHIFT
    this.numbers.fill(0, number, number + (1 << SESSION_NUMBER_SHIFT))
    this.numbers[number + SessionNumber.MAX_NOTIONAL] = maxNotional
    this.numbers[number + SessionNumber.ENDS_AT] = endsAtMs
    this.numbers[number + SessionNumber.APPROVAL] = approval
    this.ends.add(slot)
  }

  /** Takes a session out of its account's list and the ends; its slot is to be used at once. */
  remove(slot: number): void {
    this.ends.remove(slot)
    const account = this.word(slot, Session.ACCOUNT)
    const after = this.next(slot)
    let before = this.first(account)
    if (before === slot) {
      this.newest[account] = after + 1
      return
    }
    while (this.next(before) !== slot) before = this.next(before)
    this.words[(before << SESSION_SHIFT) + Session.NEXT] = after
  }

  /** Ends a session for good, at `timeMs` unless it has ended before. */
  revoke(slot: number, timeMs: number): void {
    this.ends.remove(slot)
    this.words[slot << SESSION_SHIFT] = SessionState.Revoked
    const endsAt = this.number(slot, SessionNumber.ENDS_AT)
    this.setNumber(slot, SessionNumber.ENDS_AT, Math.min(endsAt, timeMs))
    this.ends.add(slot)
  }
}
