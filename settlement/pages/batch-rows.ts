/**
 * What a journal range moved, as the three kinds of rows of a batch: its deposits, its withdrawals, and its trades:
 * all that fills, fees and transfers moved, which is the net change less the deposits plus the withdrawals.
 *
 * The chain applies deposits, then trades, then withdrawals, whatever the order was in the journal. No balance leaves
 * 0 to 2^53 - 1 on that way. Let b be an account's balance of an asset before the range, e at its end, d and w its
 * deposits and withdrawals in the range; the trades are e - b - d + w. Before the trades it has b + d, behind them
 * e + w, behind the withdrawals e.
 *  - None is negative: b, d, e and w are not. An account that withdrew before it bought is no exception: what it
 *    withdrew it has again behind the trades, because its withdrawals are put back before they are taken.
 *  - None is 2^53 or more: over all accounts the sum is B + D before the trades and E + W behind them, and the two
 *    are equal, as trades add up to nothing. B + D is at most what the vault had in custody at the last of the
 *    deposits, which the vault keeps below 2^53 units an asset: claims that were paid by then are of batches that
 *    were final, so committed before this one.
 * So every delta is a difference of two balances in range, below 2^53 in absolute value, and exact as a double.
 */
import { ASSETS_MAX, UNITS_END } from '../../engine/limits.js'
import { Net, type IndexedUnits, type QueuedUnits } from '../batch/netting.js'
import { accountOf, assetOf, type Rows } from '../batch/rows.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import { ASSET_GROUPS, laneOf, leafIndexOf, type LeafRows } from './leaf-rows.js'

/** What is needed of a closed journal range. */
export interface MovedUnits {
  /** Net changes, in order of (account, asset). */
  readonly rows: Rows
  /** In the order of the vault's queue. */
  readonly deposits: readonly QueuedUnits[]
  readonly withdrawals: readonly IndexedUnits[]
}

/** A batch, ready to be cut into pages. */
export interface BatchRows {
  /** In the order of the vault's queue: the chain derives the rows of deposit pages from them. */
  readonly deposits: readonly QueuedUnits[]
  readonly trades: LeafRows
  /** Their deltas are negative. */
  readonly withdrawals: LeafRows
}

/** The range is not one of an exchange that conserves: a broken invariant, never posted. */
export class RowsError extends Error {
  override readonly name = 'RowsError'
}

/** Throws RowsError when the trades of an asset do not add up to zero, or a delta is out of range. */
export function rowsOfBatch({ rows, deposits, withdrawals }: MovedUnits): BatchRows {
  const deposited = netOf(deposits, 'deposit')
  const withdrawn = netOf(withdrawals, 'withdrawal')
  const trades = tradesOf(rows, deposited, withdrawn)
  checkSums(trades)
  return {
    deposits,
    trades: byLeaf(trades),
    withdrawals: byLeaf({ ...withdrawn, deltas: withdrawn.deltas.map((units) => -units) }),
  }
}

/** The rows of deposits that make one page: sums by leaf, in order of leaves. */
export const rowsOfDeposits = (deposits: readonly IndexedUnits[]): LeafRows =>
  byLeaf(netOf(deposits, 'deposit'))

function netOf(records: readonly IndexedUnits[], what: string): Rows {
  const net = new Net()
  for (const { index, units } of records) {
    if (!Number.isSafeInteger(units) || units <= 0)
      throw new RowsError(`${what} of ${units} units at index ${index}`)
    net.add(index, units)
  }
  return net.rows()
}

/** net - deposited + withdrawn, without zeros: one walk over the three, each in order of its indices. */
function tradesOf(net: Rows, deposited: Rows, withdrawn: Rows): Rows {
  const most = net.indices.length + deposited.indices.length + withdrawn.indices.length
  const indices = new Int32Array(most)
  const deltas = new Float64Array(most)
  const none = Number.MAX_SAFE_INTEGER
  let [atNet, atDeposited, atWithdrawn, count] = [0, 0, 0, 0]
  for (;;) {
    const index = Math.min(
      net.indices[atNet] ?? none,
      deposited.indices[atDeposited] ?? none,
      withdrawn.indices[atWithdrawn] ?? none,
    )
    if (index === none) break
    // Less the deposits first: that is the end less what the account had with them, so it is exact.
    let delta = net.indices[atNet] === index ? net.deltas[atNet++]! : 0
    if (deposited.indices[atDeposited] === index) delta -= deposited.deltas[atDeposited++]!
    if (withdrawn.indices[atWithdrawn] === index) delta += withdrawn.deltas[atWithdrawn++]!
    if (delta === 0) continue
    indices[count] = index
    deltas[count++] = delta
  }
  return { indices: indices.subarray(0, count), deltas: deltas.subarray(0, count) }
}

/** High and low part of a sum that may be beyond what a double holds. */
const LOW_PART = 2 ** 26

function checkSums({ indices, deltas }: Rows): void {
  const high = new Float64Array(ASSETS_MAX)
  const low = new Float64Array(ASSETS_MAX)
  for (let row = 0; row < indices.length; row++) {
    const asset = assetOf(indices[row]!)
    const lowPart = deltas[row]! % LOW_PART
    low[asset]! += lowPart
    high[asset]! += (deltas[row]! - lowPart) / LOW_PART
  }
  for (let asset = 0; asset < ASSETS_MAX; asset++)
    if (high[asset]! * LOW_PART + low[asset]! !== 0) {
      const sum = BigInt(high[asset]!) * BigInt(LOW_PART) + BigInt(low[asset]!)
      throw new RowsError(`asset ${asset}: trades add up to ${sum} units`)
    }
}

/**
 * Rows in order of (account, asset) as rows in order of leaves, (group, account): within a group the order is the
 * same, so each row goes straight to its group's next place.
 */
function byLeaf({ indices, deltas }: Rows): LeafRows {
  const leafAt = (row: number): number => leafIndexOf(accountOf(indices[row]!), assetOf(indices[row]!))
  const groupAt = (row: number): number => Math.floor(assetOf(indices[row]!) / LEAF_LANES)
  const places = new Int32Array(ASSET_GROUPS)
  const lastLeaf = new Int32Array(ASSET_GROUPS).fill(-1)
  let count = 0
  for (let row = 0; row < indices.length; row++) {
    const group = groupAt(row)
    if (lastLeaf[group] === leafAt(row)) continue
    lastLeaf[group] = leafAt(row)
    places[group]!++
    count++
  }
  // From counts to the place before each group's first row.
  for (let group = 0, from = 0; group < ASSET_GROUPS; group++) {
    const groupRows = places[group]!
    places[group] = from - 1
    from += groupRows
  }
  lastLeaf.fill(-1)
  const leaves = new Int32Array(count)
  const packed = new Float64Array(count * LEAF_LANES)
  for (let row = 0; row < indices.length; row++) {
    const group = groupAt(row)
    const leaf = leafAt(row)
    if (lastLeaf[group] !== leaf) leaves[++places[group]!] = lastLeaf[group] = leaf
    const delta = deltas[row]!
    if (Math.abs(delta) >= UNITS_END) throw new RowsError(`delta ${delta} of index ${indices[row]}`)
    packed[places[group]! * LEAF_LANES + laneOf(assetOf(indices[row]!))] = delta
  }
  return { leaves, deltas: packed }
}
