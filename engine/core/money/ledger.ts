/**
 * Accounts and balances. A balance row holds the available and the reserved units of one account in one
 * asset; both are integers below 2^53 in doubles, so every sum is exact.
 *
 *   account (32 words)   0 flags (bit 0 open, 1 protected, 2 mass cancel, 8-11 tier)   1 first entry of its
 *                        orders   2 first protection   3 live orders   4 assets of its own rows (a byte
 *                        each: asset + 1, 0 = none)   5,6 last market + 1 and its entry   7 unused
 *                        8..15 the account's own entry (account-orders.ts)   16..31 its four own rows
 *   number (4 f64)       0 withdrawal nonce   1 approval nonce   2 cancel-after ms
 *   row (4 words)        available f64   reserved f64
 *
 * An account's first four assets have its own rows, in its record: in a state that is larger than the cache their
 * place is known without a look into an index. Rows of further assets stand behind all records, and an index finds
 * them by key (account * 64 + asset). A row's number is its place among all words, in units of four.
 *
 * Invariants: per asset, the sum of all rows is deposits minus withdrawals; a row's reserved units are
 * the sum of what its account's live orders reserve. Rows are never removed, so their numbers stay valid.
 * The index grows like that of order-ids.ts, and its hash is keyed like that one's; rows are never removed, so
 * the table that is being left stays whole until all of it has been copied.
 * Called by trading.ts (reserve, settle) and engine.ts (deposits, withdrawals, accounts).
 */
import { ASSETS_MAX, ASSET_BITS, PROBES_MAX, UNITS_END } from '../../limits.js'
import { ProbesOverLimit, hashWord, randomTables } from '../base/keyed-hash.js'
import { linesOf, OFFSETS, wholeLines } from '../base/offsets.js'
import { ORDER_SHIFT } from '../book/orders.js'

// Optimised code folds a local constant, but loads and checks one of another file, or an exported one, at each use.
const SHIFT = 5
const KEY_SHIFT = ASSET_BITS
/** An account's record: `accounts` at account << ACCOUNT_SHIFT. */
export const ACCOUNT_SHIFT = SHIFT
export const Account = {
  FLAGS: 0,
  /** First entry of the account's orders by market, or -1. */
  ENTRY: 1,
  PROTECTION: 2,
  ORDERS: 3,
  /** Asset + 1 of each own row, a byte each; 0 = none. */
  ASSETS: 4,
  /** Market id + 1 of the account's last order; 0 = none. */
  LAST_MARKET: 5,
  /** Entry of the account's orders in that market; -1 = there may be one or not. */
  LAST_ENTRY: 6,
  /** Eight words that account-orders.ts keeps. */
  OWN_ENTRY: 8,
  /** OWN_ROWS rows: a cache line of their own. */
  ROWS: 16,
} as const
export const OWN_ROWS = 4
const ASSET_BYTE = 8
/** Words of a row, as a shift. */
const ROW_SHIFT = 2
/** A word's four bytes are 1; their top bits. */
const EACH_BYTE = 0x01010101
const TOP_BITS = 0x80808080
if (ASSETS_MAX >= 128) throw new Error('ledger: an asset does not leave the top bit of its byte free')
/** Places in `accountNumbers`: account * ACCOUNT_NUMBERS + these. */
export const ACCOUNT_NUMBERS = 4
export const AccountNumber = { WITHDRAWAL_NONCE: 0, APPROVAL_NONCE: 1, CANCEL_AFTER: 2 } as const
/** Words of an entry of account-orders.ts, as a shift. */
export const ENTRY_SHIFT = 3
export const OWNER_WORDS = 5
export const AccountFlag = { Open: 1, Protected: 2, MassCancel: 4 } as const
export const TIER_SHIFT = 8
export const TIER_MASK = 15

const ENTRIES_MIN = 1024
/** Entries of the old table that each new row copies: all are copied long before the new table is full. */
const COPIED_AT_ONCE = 16
const NO_TABLE = new Int32Array(0)

export class Ledger {
  /** Records of accounts, further rows, the further entries of account-orders.ts, and records of orders. */
  readonly accounts: Int32Array
  /** Where the further entries begin. */
  readonly entriesAt: number
  /** Where the records of orders begin, and they alone (orders.ts). */
  readonly ordersAt: number
  readonly orders: Int32Array
  readonly accountNumbers: Float64Array
  readonly accountsMax: number
  /** Owner's address of each account, OWNER_WORDS words; zeros = none. */
  readonly owners: Int32Array
  /** Accounts at or above this index were never opened. */
  accountsEnd = 0
  /** available at 2 * row, reserved at 2 * row + 1. */
  readonly values: Float64Array
  readonly rowsMax: number
  /** Rows of all accounts. */
  rows = 0
  /** Further rows by their making: the first one's number, how many there are, and their keys. */
  private readonly furtherAt: number
  private further = 0
  private readonly keys: Int32Array
  /** Deposits minus withdrawals of each asset: low part at 2 * asset, multiples of 2^53 at 2 * asset + 1. */
  readonly supply = new Float64Array(ASSETS_MAX * 2)
  /** Index of further rows: entries of two words, key + 1 (0 = empty) and row, at most half of them taken. */
  private table: Int32Array
  private mask: number
  /** The table that is being left, its mask, and its entries that were copied; its length is 0 when none is. */
  private old: Int32Array = NO_TABLE
  private oldMask = 0
  private copied = 0
  /** Tables by size: 1,024 entries, 2,048, and so on. */
  private readonly tables: readonly Int32Array[]
  private readonly random = randomTables(1)

  /** `ordersMax`: orders that may live, each perhaps in an entry of its own. */
  constructor(accountsMax: number, rowsMax: number, ordersMax = 0) {
    this.accountsMax = accountsMax
    this.rowsMax = rowsMax
    this.furtherAt = accountsMax << (ACCOUNT_SHIFT - ROW_SHIFT)
    // Rows fill whole lines, and so do entries: what comes behind them begins with a line, too.
    this.entriesAt = (accountsMax << ACCOUNT_SHIFT) + wholeLines(rowsMax << ROW_SHIFT)
    this.ordersAt = this.entriesAt + wholeLines(ordersMax << ENTRY_SHIFT)
    this.accounts = linesOf(this.ordersAt + ((ordersMax + 1) << ORDER_SHIFT))
    this.orders = this.accounts.subarray(this.ordersAt)
    this.values = new Float64Array(this.accounts.buffer, this.accounts.byteOffset, this.entriesAt / 2)
    this.accountNumbers = new Float64Array(accountsMax * ACCOUNT_NUMBERS)
    this.owners = new Int32Array(accountsMax * OWNER_WORDS)
    this.keys = new Int32Array(rowsMax)
    const tables: Int32Array[] = []
    for (let entries = ENTRIES_MIN; ; entries *= 2) {
      tables.push(new Int32Array(entries * 2))
      if (entries >= rowsMax * 2) break
    }
    this.tables = tables
    this.table = tables[0]!
    this.mask = ENTRIES_MIN - 1
  }

  /** Flags (AccountFlag) and tier of an account; 0 where there is none. Any int32 may be asked for. */
  flags(account: number): number {
    return account >= 0 && account < this.accountsMax ? this.accounts[(account << SHIFT) & OFFSETS]! : 0
  }

  /** True when `account` is an account that was opened. Any int32 may be asked for. */
  isOpen(account: number): boolean {
    return (this.flags(account) & AccountFlag.Open) !== 0
  }

  /** Opens an account that is not open, without an owner. */
  open(account: number): void {
    const at = account << ACCOUNT_SHIFT
    this.accounts[at]! |= AccountFlag.Open
    this.accounts[at + Account.ENTRY] = -1
    this.accounts[at + Account.LAST_ENTRY] = -1
    this.accounts[at + Account.PROTECTION] = -1
    this.accounts.fill(-1, at + Account.OWN_ENTRY, at + Account.ROWS)
    if (account >= this.accountsEnd) this.accountsEnd = account + 1
  }

  /** Row of an account, which is below accountsMax, in an asset; or -1. */
  find(account: number, asset: number): number {
    const at = (account << ACCOUNT_SHIFT) & OFFSETS
    const assets = this.accounts[at + Account.ASSETS]!
    // A byte that becomes 0 has this asset; less 1, it is the lowest whose top bit is set.
    const found = ((assets ^ Math.imul(asset + 1, EACH_BYTE)) - EACH_BYTE) & TOP_BITS
    if (found !== 0) return ((at + Account.ROWS) >> ROW_SHIFT) + ((31 - Math.clz32(found & -found)) >> 3)
    return isFull(assets) ? this.findFurther(account, asset) : -1
  }

  private findFurther(account: number, asset: number): number {
    const key = ((account << KEY_SHIFT) | asset) + 1
    const hash = hashWord(this.random, 0, key)
    const row = rowIn(this.table, this.mask, hash, key)
    return row < 0 && this.old.length !== 0 ? rowIn(this.old, this.oldMask, hash, key) : row
  }

  /** Row of an account in an asset, made when there is none; -1 when all rows are taken. */
  findOrAdd(account: number, asset: number): number {
    const row = this.find(account, asset)
    return row >= 0 || this.rows === this.rowsMax ? row : this.add(account, asset)
  }

  /** Keys (account * 64 + asset) of all rows, ascending. */
  rowKeys(): Int32Array {
    const keys = new Int32Array(this.rows)
    let count = 0
    for (let account = 0; account < this.accountsEnd; account++) {
      let assets = this.accounts[(account << ACCOUNT_SHIFT) + Account.ASSETS]!
      for (; assets !== 0; assets >>>= ASSET_BYTE)
        keys[count++] = (account << KEY_SHIFT) | ((assets & 0xff) - 1)
    }
    keys.set(this.keys.subarray(0, this.further), count)
    return keys.sort()
  }

  private add(account: number, asset: number): number {
    this.rows++
    const at = account << ACCOUNT_SHIFT
    const assets = this.accounts[at + Account.ASSETS]!
    if (isFull(assets)) return this.addFurther(account, asset)
    const own = (32 - Math.clz32(assets) + ASSET_BYTE - 1) >> 3
    this.accounts[at + Account.ASSETS] = assets | ((asset + 1) << (ASSET_BYTE * own))
    return ((at + Account.ROWS) >> ROW_SHIFT) + own
  }

  private addFurther(account: number, asset: number): number {
    if ((this.further + 1) * 2 > this.mask + 1) this.grow()
    const row = this.furtherAt + this.further
    const key = (account << KEY_SHIFT) | asset
    this.insert(key + 1, row)
    this.keys[this.further++] = key
    if (this.old.length !== 0) this.copySome()
    return row
  }

  private insert(key: number, row: number): void {
    const { table, mask } = this
    let entry = hashWord(this.random, 0, key) & mask
    while (table[2 * entry] !== 0) entry = (entry + 1) & mask
    table[2 * entry] = key
    table[2 * entry + 1] = row
  }

  /** Begins to leave the table in use for the next one. The one before has been left by then. */
  private grow(): void {
    while (this.old.length !== 0) this.copySome()
    const entries = (this.mask + 1) * 2
    this.old = this.table
    this.oldMask = this.mask
    this.copied = 0
    this.table = this.tables[Math.log2(entries / ENTRIES_MIN)]!
    this.mask = entries - 1
  }

  private copySome(): void {
    const { old } = this
    const end = Math.min(this.copied + COPIED_AT_ONCE, this.oldMask + 1)
    for (let entry = this.copied; entry < end; entry++)
      if (old[2 * entry] !== 0) this.insert(old[2 * entry]!, old[2 * entry + 1]!)
    this.copied = end
    if (end === this.oldMask + 1) this.old = NO_TABLE
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

/** True where all own rows have an asset. */
function isFull(assets: number): boolean {
  return assets >>> (ASSET_BYTE * (OWN_ROWS - 1)) !== 0
}

function rowIn(table: Int32Array, mask: number, hash: number, key: number): number {
  let entry = hash & mask
  for (let probes = 0; ; probes++) {
    const found = table[2 * entry]!
    if (found === key) return table[2 * entry + 1]!
    if (found === 0) return -1
    if (probes === PROBES_MAX) throw new ProbesOverLimit('balances')
    entry = (entry + 1) & mask
  }
}
