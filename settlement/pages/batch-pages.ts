/**
 * A batch as pages: cut, written, and in order. Roots are the tree's to say: whoever seals the batch applies the pages
 * one after the other, and reads each root.
 */
import type { QueuedUnits } from '../batch/netting.js'
import { PAGES_MAX } from '../limits.js'
import { rowsOfDeposits, type BatchRows } from './batch-rows.js'
import {
  CuttingError,
  cutDeposits,
  cutTrades,
  cutWithdrawals,
  type Circuit,
  type CuttingOptions,
} from './cutting.js'
import { rowsBetween } from './leaf-rows.js'
import { PageKind, encodeDepositPage, encodePage, lanesOf, type PageRows } from './page-bytes.js'
import type { CountedPage } from './transactions.js'

/** A page without its roots. */
export interface CutPage {
  /** What it says, what it posts, and how much that is. */
  readonly says: PageRows
  readonly posts: CountedPage
  /** Proves it. */
  readonly circuit: Circuit
}

const NO_DEPOSITS: readonly QueuedUnits[] = []

/** Throws CuttingError when there are more pages than a batch may have, or a row that no circuit takes. */
export function cutBatch(batch: BatchRows, options: CuttingOptions): CutPage[] {
  const pages: CutPage[] = []
  for (const { from, to, circuit } of cutDeposits(batch.deposits, options)) {
    const deposits = batch.deposits.slice(from, to)
    const rows = rowsOfDeposits(deposits)
    pages.push(pageOf({ kind: PageKind.Deposit, rows, deposits }, circuit))
  }
  for (const { from, to, circuit } of cutTrades(batch.trades, options)) {
    const rows = rowsBetween(batch.trades, from, to)
    pages.push(pageOf({ kind: PageKind.Trade, rows, deposits: NO_DEPOSITS }, circuit))
  }
  for (const { from, to, circuit } of cutWithdrawals(batch.withdrawals, options)) {
    const rows = rowsBetween(batch.withdrawals, from, to)
    pages.push(pageOf({ kind: PageKind.Withdrawal, rows, deposits: NO_DEPOSITS }, circuit))
  }
  if (pages.length > PAGES_MAX) throw new CuttingError(`${pages.length} pages, ${PAGES_MAX} at most`)
  return pages
}

function pageOf(says: PageRows, circuit: Circuit): CutPage {
  const { kind, rows, deposits } = says
  const bytes = kind === PageKind.Deposit ? encodeDepositPage(rows, deposits) : encodePage(kind, rows)
  const counts = {
    rowCount: rows.leaves.length,
    laneCount: lanesOf(rows),
    depositCount: deposits.length,
  }
  return { says, posts: { ...bytes, ...counts }, circuit }
}
