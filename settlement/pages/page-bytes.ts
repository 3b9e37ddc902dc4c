/**
 * The bytes of a page, as they stand in calldata, big-endian. Written strictly and read strictly: whoever audits the
 * chain reads what an operator chose to post, so whatever is not exactly one way to write some rows is a PageError.
 *
 *   trade page        rows: u32 mask << 26 | leaf index, then for each lane of the mask, ascending, int56 delta
 *   withdrawal page   the same with u56 units, which are taken off
 *   deposit page      rows: u32 leaf index
 *                     deposits: the queue's record (u32 account << 6 | asset, u64 units, owner), u16 place in `rows`
 *
 * Leaf indices strictly increase, a mask is not 0, a delta of it is neither, 0 < units < 2^53. The rows of a deposit
 * page are what its deposits add up to.
 */
import { ACCOUNTS_MAX, UNITS_END } from '../../engine/limits.js'
import type { QueuedUnits } from '../batch/netting.js'
import { accountOf, assetOf } from '../batch/rows.js'
import { PAGE_ROWS_MAX, PAGE_WITHDRAWALS_MAX } from '../limits.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import { LEAVES_END, laneOf, leafIndexOf, rowsBetween, type LeafRows } from './leaf-rows.js'

export const PageKind = { Deposit: 0, Trade: 1, Withdrawal: 2 } as const
export type PageKind = (typeof PageKind)[keyof typeof PageKind]

/** What a page posts. */
export interface PageBytes {
  readonly kind: PageKind
  readonly rows: Uint8Array
  /** Empty but for deposit pages. */
  readonly deposits: Uint8Array
}

/** What a page says. */
export interface PageRows {
  readonly kind: PageKind
  readonly rows: LeafRows
  /** Empty but for deposit pages; in the order of the vault's queue. */
  readonly deposits: readonly QueuedUnits[]
}

/** Why bytes are no page. */
export type PageFault =
  | 'UnknownKind'
  | 'NoRows'
  | 'TooManyRows'
  | 'TooManyWithdrawals'
  | 'CutRow'
  | 'BadHead'
  | 'NotIncreasing'
  | 'BadDelta'
  | 'BadUnits'
  | 'CutDeposit'
  | 'BadPlace'
  | 'UntouchedLeaf'
  | 'DepositsWithoutQueue'

export class PageError extends Error {
  override readonly name = 'PageError'
  constructor(
    readonly fault: PageFault,
    detail: string,
  ) {
    super(`page: ${fault}: ${detail}`)
  }
}

const HEAD_BYTES = 4
export const UNITS_BYTES = 7
const LEAF_MASK = LEAVES_END - 1
const LANE_MASK_SHIFT = 26
const HEADS_END = 2 ** 30
const WORD = 2 ** 32
export const DEPOSIT_PLACE_BYTES = 34
const UNITS_AT = 4
const OWNER_AT = 12
const OWNER_WORDS = 5
const PLACE_AT = 32
const NO_BYTES = new Uint8Array(0)
const NO_DEPOSITS: readonly QueuedUnits[] = []

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Lanes of rows that change: balances that a page moves. */
export function lanesOf({ deltas }: LeafRows): number {
  let count = 0
  for (let at = 0; at < deltas.length; at++) if (deltas[at] !== 0) count++
  return count
}

/** Writes a trade or a withdrawal page. Throws PageError. */
export function encodePage(
  kind: typeof PageKind.Trade | typeof PageKind.Withdrawal,
  rows: LeafRows,
): PageBytes {
  const lanes = lanesOf(rows)
  checkCounts(kind, rows.leaves.length, lanes)
  const sign = kind === PageKind.Trade ? 1 : -1
  const bytes = new Uint8Array(rows.leaves.length * HEAD_BYTES + lanes * UNITS_BYTES)
  const view = viewOf(bytes)
  let at = 0
  for (let row = 0; row < rows.leaves.length; row++) {
    const leaf = rows.leaves[row]!
    checkLeaf(leaf, row === 0 ? -1 : rows.leaves[row - 1]!)
    const headAt = at
    at += HEAD_BYTES
    let mask = 0
    for (let lane = 0; lane < LEAF_LANES; lane++) {
      const delta = rows.deltas[row * LEAF_LANES + lane]!
      if (delta === 0) continue
      checkDelta(kind, leaf, delta)
      mask |= 1 << lane
      putUnits(view, at, sign * delta)
      at += UNITS_BYTES
    }
    if (mask === 0) throw new PageError('BadHead', `leaf ${leaf} changes nothing`)
    view.setUint32(headAt, mask * 2 ** LANE_MASK_SHIFT + leaf)
  }
  return { kind, rows: bytes, deposits: NO_BYTES }
}

/** Writes a deposit page of `rows`, which are what `deposits` add up to (batch-rows.ts). Throws PageError. */
export function encodeDepositPage(rows: LeafRows, deposits: readonly QueuedUnits[]): PageBytes {
  const places = new Map<number, number>()
  const leaves = new Uint8Array(rows.leaves.length * HEAD_BYTES)
  const leavesView = viewOf(leaves)
  rows.leaves.forEach((leaf, row) => {
    places.set(leaf, row)
    leavesView.setUint32(row * HEAD_BYTES, leaf)
  })
  const bytes = new Uint8Array(deposits.length * DEPOSIT_PLACE_BYTES)
  const view = viewOf(bytes)
  deposits.forEach(({ index, units, owner }, deposit) => {
    const from = deposit * DEPOSIT_PLACE_BYTES
    const leaf = leafIndexOf(accountOf(index), assetOf(index))
    const place = places.get(leaf)
    if (place === undefined) throw new PageError('BadPlace', `deposit ${deposit}: no row of leaf ${leaf}`)
    checkUnits(leaf, units)
    view.setUint32(from, index)
    view.setBigUint64(from + UNITS_AT, BigInt(units))
    owner.forEach((word, at) => view.setInt32(from + OWNER_AT + at * HEAD_BYTES, word))
    view.setUint16(from + PLACE_AT, place)
  })
  const page: PageBytes = { kind: PageKind.Deposit, rows: leaves, deposits: bytes }
  // The decoder has every check of the sums.
  decodePage(page.kind, page.rows, page.deposits)
  return page
}

/** Reads a page. `kind` is whatever was posted. Throws PageError. */
export function decodePage(kind: number, rows: Uint8Array, deposits: Uint8Array): PageRows {
  if (kind === PageKind.Deposit) return decodeDepositPage(rows, deposits)
  if (kind !== PageKind.Trade && kind !== PageKind.Withdrawal) throw new PageError('UnknownKind', `${kind}`)
  if (deposits.length !== 0)
    throw new PageError('DepositsWithoutQueue', `${deposits.length} bytes in a page of kind ${kind}`)
  return { kind, rows: decodeRowsOf(kind, rows), deposits: NO_DEPOSITS }
}

function decodeRowsOf(kind: typeof PageKind.Trade | typeof PageKind.Withdrawal, bytes: Uint8Array): LeafRows {
  const view = viewOf(bytes)
  const sign = kind === PageKind.Trade ? 1 : -1
  // No more than the contract takes, however much was posted.
  const leaves = new Int32Array(PAGE_ROWS_MAX)
  const deltas = new Float64Array(PAGE_ROWS_MAX * LEAF_LANES)
  let [at, count, lanes] = [0, 0, 0]
  while (at < bytes.length) {
    if (count === PAGE_ROWS_MAX) throw new PageError('TooManyRows', `over ${PAGE_ROWS_MAX}`)
    if (at + HEAD_BYTES > bytes.length) throw new PageError('CutRow', `row ${count} at byte ${at}`)
    const head = view.getUint32(at)
    at += HEAD_BYTES
    const mask = head >>> LANE_MASK_SHIFT
    if (mask === 0 || head >= HEADS_END) throw new PageError('BadHead', `${head} of row ${count}`)
    const leaf = head & LEAF_MASK
    checkLeaf(leaf, count === 0 ? -1 : leaves[count - 1]!)
    leaves[count] = leaf
    for (let lane = 0; lane < LEAF_LANES; lane++) {
      if ((mask & (1 << lane)) === 0) continue
      if (at + UNITS_BYTES > bytes.length) throw new PageError('CutRow', `row ${count} at byte ${at}`)
      const delta = sign * (kind === PageKind.Trade ? signedUnits(view, at) : unsignedUnits(view, at))
      at += UNITS_BYTES
      checkDelta(kind, leaf, delta)
      deltas[count * LEAF_LANES + lane] = delta
      lanes++
    }
    count++
  }
  checkCounts(kind, count, lanes)
  const read = rowsBetween({ leaves, deltas }, 0, count)
  return { leaves: read.leaves.slice(), deltas: read.deltas.slice() }
}

function decodeDepositPage(bytes: Uint8Array, records: Uint8Array): PageRows {
  if (bytes.length % HEAD_BYTES !== 0) throw new PageError('CutRow', `${bytes.length} bytes of leaves`)
  if (records.length % DEPOSIT_PLACE_BYTES !== 0)
    throw new PageError('CutDeposit', `${records.length} bytes of deposits`)
  const count = bytes.length / HEAD_BYTES
  checkCounts(PageKind.Deposit, count, 0)
  const leavesView = viewOf(bytes)
  const leaves = new Int32Array(count)
  const deltas = new Float64Array(count * LEAF_LANES)
  for (let row = 0; row < count; row++) {
    const leaf = leavesView.getUint32(row * HEAD_BYTES)
    if (leaf >= LEAVES_END) throw new PageError('BadHead', `${leaf} of row ${row}`)
    checkLeaf(leaf, row === 0 ? -1 : leaves[row - 1]!)
    leaves[row] = leaf
  }
  const view = viewOf(records)
  const deposits = Array.from({ length: records.length / DEPOSIT_PLACE_BYTES }, (_, deposit) => {
    const from = deposit * DEPOSIT_PLACE_BYTES
    const index = view.getUint32(from)
    const units = Number(view.getBigUint64(from + UNITS_AT))
    const place = view.getUint16(from + PLACE_AT)
    if (accountOf(index) >= ACCOUNTS_MAX || place >= count)
      throw new PageError('BadPlace', `deposit ${deposit} of index ${index} at row ${place}`)
    const leaf = leafIndexOf(accountOf(index), assetOf(index))
    if (leaves[place] !== leaf)
      throw new PageError(
        'BadPlace',
        `deposit ${deposit} of leaf ${leaf} at the row of leaf ${leaves[place]}`,
      )
    checkUnits(leaf, units)
    const lane = place * LEAF_LANES + laneOf(assetOf(index))
    deltas[lane]! += units
    checkUnits(leaf, deltas[lane]!)
    const owner = Array.from({ length: OWNER_WORDS }, (_word, at) =>
      view.getInt32(from + OWNER_AT + at * HEAD_BYTES),
    )
    return { index, units, owner }
  })
  for (let row = 0; row < count; row++)
    if (lanesOf(rowsBetween({ leaves, deltas }, row, row + 1)) === 0)
      throw new PageError('UntouchedLeaf', `leaf ${leaves[row]}`)
  return { kind: PageKind.Deposit, rows: { leaves, deltas }, deposits }
}

function checkCounts(kind: PageKind, rows: number, lanes: number): void {
  if (rows === 0) throw new PageError('NoRows', `a page of kind ${kind}`)
  if (rows > PAGE_ROWS_MAX) throw new PageError('TooManyRows', `${rows} over ${PAGE_ROWS_MAX}`)
  if (kind === PageKind.Withdrawal && lanes > PAGE_WITHDRAWALS_MAX)
    throw new PageError('TooManyWithdrawals', `${lanes} over ${PAGE_WITHDRAWALS_MAX}`)
}

function checkLeaf(leaf: number, previous: number): void {
  if (leaf >= LEAVES_END || leaf <= previous)
    throw new PageError('NotIncreasing', `leaf ${leaf} after ${previous}`)
}

function checkDelta(kind: PageKind, leaf: number, delta: number): void {
  if (kind === PageKind.Withdrawal) checkUnits(leaf, -delta)
  else if (!Number.isInteger(delta) || delta === 0 || Math.abs(delta) >= UNITS_END)
    throw new PageError('BadDelta', `${delta} of leaf ${leaf}`)
}

function checkUnits(leaf: number, units: number): void {
  if (!Number.isInteger(units) || units <= 0 || units >= UNITS_END)
    throw new PageError('BadUnits', `${units} of leaf ${leaf}`)
}

/** Seven bytes of an integer below 2^53 in absolute value, in two's complement. */
function putUnits(view: DataView, at: number, units: number): void {
  const high = Math.floor(units / WORD)
  view.setUint8(at, high >> 16)
  view.setUint16(at + 1, high)
  view.setUint32(at + 3, units)
}

/** Exact below 2^53; what is beyond stays beyond. */
const unsignedUnits = (view: DataView, at: number): number =>
  (view.getUint8(at) * 2 ** 16 + view.getUint16(at + 1)) * WORD + view.getUint32(at + 3)
const signedUnits = (view: DataView, at: number): number =>
  (view.getInt8(at) * 2 ** 16 + view.getUint16(at + 1)) * WORD + view.getUint32(at + 3)
