/**
 * Market-maker protection: how much of an account's resting orders in a market may be filled within a
 * window of time. When a bound is reached, the account's orders in that market are pulled and it can
 * place none there until it resets.
 *
 * A window opens with the first fill and ends `windowMs` later; the next fill then opens a new one.
 * Entries of an account form a list, newest first; order has no meaning. Called by trading.ts.
 */
import { UNITS_END } from '../../limits.js'
import { Account, ACCOUNT_SHIFT, AccountFlag, type Ledger } from '../money/ledger.js'

const SHIFT = 3
/** Words of an entry; numbers (f64): 0 notional bound, 1 window start, 2 notional filled. */
const Entry = { NEXT: 0, MARKET: 1, ACCOUNT: 2, WINDOW_MS: 3, FILLS_MAX: 4, FILLS: 5, FROZEN: 6 } as const
const NUMBERS = 3

/** Everything of an entry, for snapshots. */
export interface ProtectionState {
  readonly account: number
  readonly market: number
  readonly windowMs: number
  readonly fillsMax: number
  readonly notionalMax: number
  readonly windowStartMs: number
  readonly fills: number
  readonly notional: number
  readonly frozen: boolean
}

export class Protections {
  readonly words: Int32Array
  readonly numbers: Float64Array
  private readonly ledger: Ledger
  readonly capacity: number
  private free = -1
  private used = 0
  count = 0

  constructor(ledger: Ledger, capacity: number) {
    this.ledger = ledger
    this.capacity = capacity
    this.words = new Int32Array(capacity << SHIFT)
    this.numbers = new Float64Array(capacity * NUMBERS)
  }

  get full(): boolean {
    return this.count === this.capacity
  }

  find(account: number, market: number): number {
    const { words } = this
    let entry = this.ledger.accounts[(account << ACCOUNT_SHIFT) + Account.PROTECTION]!
    while (entry >= 0 && words[(entry << SHIFT) + Entry.MARKET] !== market) entry = words[entry << SHIFT]!
    return entry
  }

  /** Entries of an account: at most PROTECTIONS_OF_ACCOUNT. */
  countOf(account: number): number {
    let count = 0
    let entry = this.ledger.accounts[(account << ACCOUNT_SHIFT) + Account.PROTECTION]!
    for (; entry >= 0; entry = this.words[entry << SHIFT]!) count++
    return count
  }

  /** Sets the bounds (0 = none) and begins anew, unfrozen. The caller has checked `full`. */
  set(account: number, market: number, windowMs: number, fillsMax: number, notionalMax: number): void {
    const { words, numbers } = this
    const { accounts } = this.ledger
    let entry = this.find(account, market)
    if (entry < 0) {
      entry = this.free
      if (entry < 0) entry = this.used++
      else this.free = words[entry << SHIFT]!
      this.count++
      const head = (account << ACCOUNT_SHIFT) + Account.PROTECTION
      words[entry << SHIFT] = accounts[head]!
      accounts[head] = entry
      accounts[account << ACCOUNT_SHIFT]! |= AccountFlag.Protected
    }
    const at = entry << SHIFT
    words[at + Entry.MARKET] = market
    words[at + Entry.ACCOUNT] = account
    words[at + Entry.WINDOW_MS] = windowMs
    words[at + Entry.FILLS_MAX] = fillsMax
    numbers[entry * NUMBERS] = notionalMax
    this.reset(entry)
  }

  /** Takes the entry away, if there is one. */
  clear(account: number, market: number): void {
    const { words } = this
    const { accounts } = this.ledger
    const entry = this.find(account, market)
    if (entry < 0) return
    const head = (account << ACCOUNT_SHIFT) + Account.PROTECTION
    const next = words[entry << SHIFT]!
    if (accounts[head] === entry) accounts[head] = next
    else {
      let before = accounts[head]!
      while (words[before << SHIFT] !== entry) before = words[before << SHIFT]!
      words[before << SHIFT] = next
    }
    if (accounts[head]! < 0) accounts[account << ACCOUNT_SHIFT]! &= ~AccountFlag.Protected
    words[entry << SHIFT] = this.free
    this.free = entry
    this.count--
  }

  /** Unfreezes and forgets the window. */
  reset(entry: number): void {
    const at = entry << SHIFT
    this.words[at + Entry.FILLS] = 0
    this.words[at + Entry.FROZEN] = 0
    this.numbers[entry * NUMBERS + 1] = 0
    this.numbers[entry * NUMBERS + 2] = 0
  }

  isFrozen(account: number, market: number): boolean {
    const entry = this.find(account, market)
    return entry >= 0 && this.words[(entry << SHIFT) + Entry.FROZEN] === 1
  }

  /**
   * Counts a maker's fill of `notional` quote units at engine time `timeMs`. Returns the entry that it
   * froze, or -1.
   */
  countFill(account: number, market: number, notional: number, timeMs: number): number {
    const entry = this.find(account, market)
    if (entry < 0) return -1
    const { words, numbers } = this
    const at = entry << SHIFT
    const number = entry * NUMBERS
    if (words[at + Entry.FROZEN] === 1) return -1
    if (words[at + Entry.FILLS] === 0 || timeMs - numbers[number + 1]! >= words[at + Entry.WINDOW_MS]!) {
      words[at + Entry.FILLS] = 0
      numbers[number + 1] = timeMs
      numbers[number + 2] = 0
    }
    words[at + Entry.FILLS]!++
    numbers[number + 2] = Math.min(numbers[number + 2]! + notional, UNITS_END)
    const fillsMax = words[at + Entry.FILLS_MAX]!
    const notionalMax = numbers[number]!
    const reached =
      (fillsMax > 0 && words[at + Entry.FILLS]! >= fillsMax) ||
      (notionalMax > 0 && numbers[number + 2]! >= notionalMax)
    if (!reached) return -1
    words[at + Entry.FROZEN] = 1
    return entry
  }

  account(entry: number): number {
    return this.words[(entry << SHIFT) + Entry.ACCOUNT]!
  }

  market(entry: number): number {
    return this.words[(entry << SHIFT) + Entry.MARKET]!
  }

  /** Every entry, by account and market. */
  states(): ProtectionState[] {
    const { accounts, accountsEnd } = this.ledger
    const states: ProtectionState[] = []
    for (let account = 0; account < accountsEnd && states.length < this.count; account++) {
      if ((accounts[account << ACCOUNT_SHIFT]! & AccountFlag.Protected) === 0) continue
      let entry = accounts[(account << ACCOUNT_SHIFT) + Account.PROTECTION]!
      const own: ProtectionState[] = []
      for (; entry >= 0; entry = this.words[entry << SHIFT]!) own.push(this.state(entry))
      own.sort((a, b) => a.market - b.market)
      states.push(...own)
    }
    return states
  }

  restore(state: ProtectionState): void {
    this.set(state.account, state.market, state.windowMs, state.fillsMax, state.notionalMax)
    const entry = this.find(state.account, state.market)
    this.words[(entry << SHIFT) + Entry.FILLS] = state.fills
    this.words[(entry << SHIFT) + Entry.FROZEN] = state.frozen ? 1 : 0
    this.numbers[entry * NUMBERS + 1] = state.windowStartMs
    this.numbers[entry * NUMBERS + 2] = state.notional
  }

  /** Everything of one entry. */
  state(entry: number): ProtectionState {
    const at = entry << SHIFT
    const number = entry * NUMBERS
    return {
      account: this.words[at + Entry.ACCOUNT]!,
      market: this.words[at + Entry.MARKET]!,
      windowMs: this.words[at + Entry.WINDOW_MS]!,
      fillsMax: this.words[at + Entry.FILLS_MAX]!,
      notionalMax: this.numbers[number]!,
      windowStartMs: this.numbers[number + 1]!,
      fills: this.words[at + Entry.FILLS]!,
      notional: this.numbers[number + 2]!,
      frozen: this.words[at + Entry.FROZEN] === 1,
    }
  }
}
