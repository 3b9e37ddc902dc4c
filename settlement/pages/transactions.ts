/**
 * Groups the pages of a batch into transactions, in order: each takes pages while its gas and its bytes allow. That is
 * the fewest transactions that there can be, as what is left to later ones only shrinks.
 */
import { COMMIT_GAS_SHARE, PAGES_BYTES_SHARE, TRANSACTION_BYTES_MAX, TRANSACTION_GAS_MAX } from '../limits.js'
import type { PageBytes } from './page-bytes.js'

/** Gas of posting, calldata apart: measured of the contract. */
export interface PostingGas {
  /** A transaction of no page: the header, the state carried. */
  readonly transaction: number
  /** A page without rows: its place. */
  readonly page: number
  /** A row, a lane of it, a deposit. */
  readonly row: number
  readonly lane: number
  readonly deposit: number
}

/** Pages `from` to `to` go together. */
export interface PageGroup {
  readonly from: number
  readonly to: number
  /** Gas that was planned with. */
  readonly gas: number
}

/** What is counted of a page. */
export interface CountedPage extends PageBytes {
  readonly rowCount: number
  readonly laneCount: number
  readonly depositCount: number
}

/** A page that no transaction takes. */
export class PageTooLarge extends Error {
  override readonly name = 'PageTooLarge'
}

/** Gas of a calldata byte: 16, or 40 where the floor of EIP-7623 binds; all are taken as not zero. */
const BYTE_GAS = 16
const FLOOR_BYTE_GAS = 40
const BASE_GAS = 21_000
/** Calldata of a call without pages (header, state carried, lengths), and of a page beside its bytes. */
const CALL_BYTES = 3328
const PAGE_BYTES = 384

export function groupPages(pages: readonly CountedPage[], costs: PostingGas): PageGroup[] {
  const groups: PageGroup[] = []
  let [from, bytes, work] = [0, CALL_BYTES, costs.transaction]
  pages.forEach((page, at) => {
    const pageBytes = PAGE_BYTES + page.rows.length + page.deposits.length
    const pageWork =
      costs.page + page.rowCount * costs.row + page.laneCount * costs.lane + page.depositCount * costs.deposit
    if (!fits(CALL_BYTES + pageBytes, costs.transaction + pageWork))
      throw new PageTooLarge(`page ${at}: ${pageBytes} bytes, ${pageWork} gas without calldata`)
    if (!fits(bytes + pageBytes, work + pageWork)) {
      groups.push({ from, to: at, gas: gasOf(bytes, work) })
      ;[from, bytes, work] = [at, CALL_BYTES, costs.transaction]
    }
    bytes += pageBytes
    work += pageWork
  })
  if (from < pages.length || pages.length === 0)
    groups.push({ from, to: pages.length, gas: gasOf(bytes, work) })
  return groups
}

const gasOf = (bytes: number, work: number): number =>
  BASE_GAS + Math.max(bytes * FLOOR_BYTE_GAS, bytes * BYTE_GAS + work)

const fits = (bytes: number, work: number): boolean =>
  bytes <= TRANSACTION_BYTES_MAX * PAGES_BYTES_SHARE &&
  gasOf(bytes, work) <= TRANSACTION_GAS_MAX * COMMIT_GAS_SHARE
