/**
 * Seals a batch in pages: cuts the rows of a journal range, applies them to the state tree page by page, and writes
 * down everything that the chain will be told. Called by the settler and by replay, which must agree.
 *
 * Invariant: each page leads from the root of the one before it to its own; the last one's is the batch's.
 */
import { bytesToHex } from '../batch/commit.js'
import { fillsRoot } from '../batch/fills-root.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import type { QuadTree } from '../quad-tree/quad-tree.js'
import type { TreeChanges } from '../quad-tree/tree-changes.js'
import { cutBatch } from './batch-pages.js'
import { rowsOfBatch, type MovedUnits } from './batch-rows.js'
import type { PagedHeader, RootedPage } from './binding.js'
import type { CuttingOptions } from './cutting.js'
import { accountOfLeaf, assetOfLeaf, type LeafRows } from './leaf-rows.js'
import type { CountedPage } from './transactions.js'

/** A closed journal range (follow/follow.ts). */
export interface ClosedRange extends MovedUnits {
  readonly firstSeq: number
  readonly lastSeq: number
  /** Head of the journal's hash chain at `lastSeq`. */
  readonly journalHead: Uint8Array
  /** Leaves of its fills (batch/fills-root.ts). */
  readonly fills: Uint8Array
  /** By the range and all before it. */
  readonly depositsConsumed: number
}

/** A page as it is posted, and the circuit that it was cut for. */
export interface SealedPage extends RootedPage, CountedPage {
  readonly circuit: string
}

/** A batch in pages. */
export interface PagedBatch {
  readonly header: PagedHeader
  readonly pages: readonly SealedPage[]
  /** What each page changed in the tree. */
  readonly changes: readonly TreeChanges[]
  readonly fills: Uint8Array
}

/** A batch whose fills are not hashed yet. */
export type AppliedPages = Omit<PagedBatch, 'header'> & { readonly header: Omit<PagedHeader, 'fillsRoot'> }

/** The engine and the tree disagree: a broken invariant, never posted. */
export class TotalsError extends Error {
  override readonly name = 'TotalsError'
}

/** Engine's balance of an (account, asset) at the range's end. */
export type TotalOf = (account: number, asset: number) => number

/**
 * Applies `range` to `tree` as batch `number`; `totalOf`, when given, must equal every balance that the batch moved.
 * Throws RowsError, RowError, CuttingError or TotalsError, and the tree must not be used again.
 */
export function sealPages(
  number: number,
  range: ClosedRange,
  tree: QuadTree,
  cutting: CuttingOptions,
  totalOf?: TotalOf,
): PagedBatch {
  const applied = applyPages(number, range, tree, cutting, totalOf)
  return { ...applied, header: { ...applied.header, fillsRoot: bytesToHex(fillsRoot(range.fills)) } }
}

/** `sealPages` without the fills root, which follows from the fills alone and may be computed elsewhere. */
export function applyPages(
  number: number,
  range: ClosedRange,
  tree: QuadTree,
  cutting: CuttingOptions,
  totalOf?: TotalOf,
): AppliedPages {
  const oldRoot = tree.root
  const pages: SealedPage[] = []
  const changes: TreeChanges[] = []
  const moved: LeafRows[] = []
  for (const { says, posts, circuit } of cutBatch(rowsOfBatch(range), cutting)) {
    const firstRoot = tree.root
    changes.push(tree.update(says.rows))
    pages.push({ ...posts, firstRoot, lastRoot: tree.root, circuit: circuit.name })
    moved.push(says.rows)
  }
  if (totalOf !== undefined) for (const rows of moved) checkTotals(number, rows, tree, totalOf)
  return {
    header: {
      number: BigInt(number),
      firstSeq: BigInt(range.firstSeq),
      lastSeq: BigInt(range.lastSeq),
      oldRoot,
      newRoot: tree.root,
      journalHead: bytesToHex(range.journalHead),
      depositsConsumed: BigInt(range.depositsConsumed),
      pageCount: pages.length,
    },
    pages,
    changes,
    fills: range.fills,
  }
}

function checkTotals(number: number, { leaves, deltas }: LeafRows, tree: QuadTree, totalOf: TotalOf): void {
  leaves.forEach((leaf, row) => {
    const balances = tree.leaf(leaf)
    balances.forEach((balance, lane) => {
      if (deltas[row * LEAF_LANES + lane] === 0) return
      const [account, asset] = [accountOfLeaf(leaf), assetOfLeaf(leaf, lane)]
      const total = totalOf(account, asset)
      if (total !== balance)
        throw new TotalsError(
          `batch ${number}: the engine holds ${total} of account ${account} in asset ${asset}, the tree ${balance}`,
        )
    })
  })
}
