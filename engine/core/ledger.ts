/**
 * Accounts and balances. A balance row holds the available and the reserved units of one account in one
 * asset; both are integers below 2^53 in doubles, so every sum is exact.
 *
 *   account (16 words)   0 flags (bit 0 open, 1 protected, 8-11 tier)   1 first order   2 last order
 *                        3 live orders   4..6 pair (market + 1, its rows)
 *                        9 first protection
 *                        10,11 f64 withdrawal nonce   12,13 f64 approval nonce   14,15 f64 cancel-after ms
 *   row                  key (account * 64 + asset)   available f64   reserved f64
 *
 * Invariants: per asset, the sum of all rows is deposits minus withdrawals; a row's reserved units are
 * the sum of what its account's live orders reserve. Rows are never removed, so their numbers stay valid.
 * Their index uses only as much of its memory as it needs, like that of order-ids.ts.
 * Called by trading.ts (reserve, settle) and engine.ts (deposits, withdrawals, accounts).
 */
import { ASSETS_MAX, ASSET_BITS, UNITS_END } from '../limits.js'

export const ACCOUNT_SHIFT = 4
export const Account = {
  FLAGS: 0,
  FIRST_ORDER: 1,
  LAST_ORDER: 2,
  ORDERS: 3,
  /** Market id + 1 of the pair whose rows follow: the rows last used for an order. 0 = none. */
  PAIR: 4,
  PAIR_BASE_ROW: 5,
  PAIR_QUOTE_ROW: 6,
  PROTECTION: 9,
} as const
/** Indices of the Float64 view: account * 8 + these. */
export const AccountNumber = { WITHDRAWAL_NONCE: 5, APPROVAL_NONCE: 6, CANCEL_AFTER: 7 } as const
export const OWNER_WORDS = 5
export const AccountFlag = { Open: 1, Protected: 2 } as const
export const TIER_SHIFT = 8
export const TIER_MASK = 15

// Local: optimised code folds it, but loads and checks an imported constant at each use.
const KEY_SHIFT = ASSET_BITS
const ENTRY_BITS_MIN = 10

export class Ledger {
  readonly accounts: Int32Array
  readonly accountNumbers: Float64Array
  readonly accountsMax: number
  /** Owner's address of each account, OWNER_WORDS words; zeros = none. */
  readonly owners: Int32Array
  /** Accounts at or above this index were never opened. */
  accountsEnd = 0
  /** available at 2 * row, reserved at 2 * row + 1. */
  readonly values: Float64Array
  readonly keys: Int32Array
  readonly rowsMax: number
  rows = 0
  /** Deposits minus withdrawals of each asset: low part at 2 * asset, multiples of 2^53 at 2 * asset + 1. */
  readonly supply = new Float64Array(ASSETS_MAX * 2)
  private table: Int32Array
  private spare: Int32Array
  /** Last entry of the part in use, and the shift that brings a hash into it. */
  private mask: number
  private shift: number

  constructor(accountsMax: number, rowsMax: number) {
    this.accountsMax = accountsMax
    this.rowsMax = rowsMax
    const accounts = new ArrayBuffer((accountsMax << ACCOUNT_SHIFT) * 4)
    this.accounts = new Int32Array(accounts)
    this.accountNumbers = new Float64Array(accounts)
    this.owners = new Int32Array(accountsMax * OWNER_WORDS)
    this.values = new Float64Array(rowsMax * 2)
    this.keys = new Int32Array(rowsMax)
    const bits = Math.max(ENTRY_BITS_MIN, 32 - Math.clz32(Math.max(1, rowsMax * 2 - 1)))
    // Each doubling swaps the areas, so the largest size must fall to the larger one.
    const large = new Int32Array(2 << bits)
    const small = new Int32Array(1 << bits)
    const even = (bits - ENTRY_BITS_MIN) % 2 === 0
    this.table = even ? large : small
    this.spare = even ? small : large
    this.mask = (1 << ENTRY_BITS_MIN) - 1
    this.shift = 32 - ENTRY_BITS_MIN
  }

  /** True when `account` is an account that was opened. Any int32 may be asked for. */
  isOpen(account: number): boolean {
    return (
      account >= 0 &&
      account < this.accountsMax &&
      (this.accounts[account << ACCOUNT_SHIFT]! & AccountFlag.Open) !== 0
    )
  }

  /** Opens an account that is not open, without an owner. */
  open(account: number): void {
    const at = account << ACCOUNT_SHIFT
    this.accounts[at]! |= AccountFlag.Open
    this.accounts[at + Account.FIRST_ORDER] = -1
    this.accounts[at + Account.LAST_ORDER] = -1
    this.accounts[at + Account.PROTECTION] = -1
    if (account >= this.accountsEnd) this.accountsEnd = account + 1
  }

  /** Row of the pair, or -1. */
  find(account: number, asset: number): number {
    const { table, mask } = this
    const key = ((account << KEY_SHIFT) | asset) + 1
    let entry = Math.imul(key, 0x9e3779b1) >>> this.shift
    for (;;) {
      const found = table[2 * entry]!
      if (found === key) return table[2 * entry + 1]!
      if (found === 0) return -1
      entry = (entry + 1) & mask
    }
  }

  /** Row of the pair, made when there is none; -1 when all rows are taken. */
  findOrAdd(account: number, asset: number): number {
    const row = this.find(account, asset)
    return row >= 0 || this.rows === this.rowsMax ? row : this.add(account, asset)
  }

  /**
   * Makes the rows of an account's pair of assets the ones in its PAIR words; false when rows ran out.
   * Most orders of an account are in the market of its last one.
   */
  usePair(account: number, market: number, base: number, quote: number): boolean {
    const at = account << ACCOUNT_SHIFT
    const { accounts } = this
    const baseRow = this.findOrAdd(account, base)
    const quoteRow = this.findOrAdd(account, quote)
    if (baseRow < 0 || quoteRow < 0) return false
    accounts[at + Account.PAIR] = market + 1
    accounts[at + Account.PAIR_BASE_ROW] = baseRow
    accounts[at + Account.PAIR_QUOTE_ROW] = quoteRow
    return true
  }

  private add(account: number, asset: number): number {
    if ((this.rows + 1) * 2 > this.mask + 1) this.grow()
    const row = this.rows++
    const key = (account << KEY_SHIFT) | asset
    insert(this.table, this.mask, this.shift, key + 1, row)
    this.keys[row] = key
    return row
  }

  private grow(): void {
    const to = this.spare
    this.spare = this.table
    this.table = to
    this.mask = this.mask * 2 + 1
    this.shift--
    to.fill(0, 0, 2 * (this.mask + 1))
    for (let row = 0; row < this.rows; row++) insert(to, this.mask, this.shift, this.keys[row]! + 1, row)
  }

  /** Adds units to, or with a negative sign takes them from, what the world has put in. */
  changeSupply(asset: number, units: number): void {
    const { supply } = this
    const low = supply[2 * asset]!
    if (units >= 0) {
      if (units >= UNITS_END - low) {
        supply[2 * asset] = units - (UNITS_END - low)
        supply[2 * asset + 1]!++
      } else supply[2 * asset] = low + units
    } else if (-units > low) {
      supply[2 * asset] = UNITS_END + units + low
      supply[2 * asset + 1]!--
    } else supply[2 * asset] = low + units
  }
}

function insert(table: Int32Array, mask: number, shift: number, key: number, row: number): void {
  let entry = Math.imul(key, 0x9e3779b1) >>> shift
  while (table[2 * entry] !== 0) entry = (entry + 1) & mask
  table[2 * entry] = key
  table[2 * entry + 1] = row
}
