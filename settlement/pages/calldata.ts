/**
 * Calldata of `commitPages`: the header, what is carried from the batch's earlier transactions, the next pages. The
 * contract keeps one hash of what is carried; whoever posts computes it again from the pages.
 *
 * Reading is as lenient as the contract is, which takes any offsets that the ABI allows: what it took must stay
 * readable, or one odd call would hide a batch from everybody who rebuilds the state. What a page says is bound by the
 * hashes of its own bytes, and those are read strictly (page-bytes.ts).
 */
import {
  concatHex,
  decodeAbiParameters,
  decodeFunctionData,
  encodeAbiParameters,
  encodeFunctionData,
  keccak256,
  zeroHash,
  type Hex,
} from 'viem'
import { pageSettlementAbi } from '../../contracts/abi.js'
import { bytesToHex, encodeDeposits, hexToBytes } from '../batch/commit.js'
import type { QueuedUnits } from '../batch/netting.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import type { PagedHeader, RootedPage } from './binding.js'
import { assetOfLeaf } from './leaf-rows.js'
import { PageKind, type PageRows } from './page-bytes.js'

const carriedType = {
  type: 'tuple',
  components: [
    { name: 'batchHash', type: 'bytes32' },
    { name: 'pages', type: 'uint256' },
    { name: 'withdrawalPages', type: 'uint256' },
    { name: 'kind', type: 'uint256' },
    { name: 'root', type: 'uint256' },
    { name: 'nextLeaf', type: 'uint256' },
    { name: 'depositsConsumed', type: 'uint64' },
    { name: 'depositHash', type: 'bytes32' },
    { name: 'sums', type: 'int256[]' },
  ],
} as const

/** What the pages of a batch so far pass on to its next transaction. */
export interface Carried {
  readonly batchHash: Hex
  readonly pages: bigint
  readonly withdrawalPages: bigint
  /** Of the last page. */
  readonly kind: bigint
  readonly root: bigint
  /** One more than the last page's last leaf; deposit pages each begin anew. */
  readonly nextLeaf: bigint
  /** By this batch so far and all before it, and the queue's running hash behind them. */
  readonly depositsConsumed: bigint
  readonly depositHash: Hex
  /** Of the trade pages, units an asset. */
  readonly sums: readonly bigint[]
}

/** What a batch begins with. */
export const carriedAtStart = (
  batchHash: Hex,
  oldRoot: bigint,
  queue: { readonly depositsConsumed: bigint; readonly depositHash: Hex },
  assetCount: number,
): Carried => ({
  batchHash,
  pages: 0n,
  withdrawalPages: 0n,
  kind: BigInt(PageKind.Deposit),
  root: oldRoot,
  nextLeaf: 0n,
  ...queue,
  sums: Array.from({ length: assetCount }, () => 0n),
})

/** What is carried behind one page more. The page is right: what the contract would refuse is not looked for. */
export function carryOn(carried: Carried, lastRoot: bigint, { kind, rows, deposits }: PageRows): Carried {
  const sums = [...carried.sums]
  if (kind === PageKind.Trade)
    rows.leaves.forEach((leaf, row) => {
      for (let lane = 0; lane < LEAF_LANES; lane++) {
        const delta = rows.deltas[row * LEAF_LANES + lane]!
        if (delta !== 0) sums[assetOfLeaf(leaf, lane)]! += BigInt(delta)
      }
    })
  let { depositHash } = carried
  for (const deposit of deposits) depositHash = extendQueue(depositHash, deposit)
  return {
    batchHash: carried.batchHash,
    pages: carried.pages + 1n,
    withdrawalPages: carried.withdrawalPages + (kind === PageKind.Withdrawal ? 1n : 0n),
    kind: BigInt(kind),
    root: lastRoot,
    nextLeaf: BigInt(rows.leaves.at(-1)! + 1),
    depositsConsumed: carried.depositsConsumed + BigInt(deposits.length),
    depositHash,
    sums,
  }
}

/** Running hash of the vault's queue behind one deposit more. */
const extendQueue = (hash: Hex, deposit: QueuedUnits): Hex =>
  keccak256(concatHex([hash, bytesToHex(encodeDeposits([deposit]))]))

/** What the contract keeps of an open batch; zeros when none is open. */
export const carriedHash = (carried: Carried | undefined): Hex =>
  carried === undefined ? zeroHash : keccak256(encodeCarried(carried))

const encodeCarried = (carried: Carried): Hex => encodeAbiParameters([carriedType], [carried])

/** A page as it stands in a call. */
export interface CalledPage {
  readonly kind: number
  readonly lastRoot: bigint
  readonly rows: Uint8Array
  readonly deposits: Uint8Array
}

export interface CommitCall {
  readonly header: PagedHeader
  /** None with the first pages of a batch. */
  readonly carried: Carried | undefined
  readonly pages: readonly CalledPage[]
}

/** The bytes are no call of commitPages. */
export class CalldataError extends Error {
  override readonly name = 'CalldataError'
}

export const encodeCommitPages = (
  header: PagedHeader,
  carried: Carried | undefined,
  pages: readonly RootedPage[],
): Hex =>
  encodeFunctionData({
    abi: pageSettlementAbi,
    functionName: 'commitPages',
    args: [
      header,
      carried === undefined ? '0x' : encodeCarried(carried),
      pages.map(({ kind, lastRoot, rows, deposits }) => ({
        kind,
        lastRoot,
        rows: bytesToHex(rows),
        deposits: bytesToHex(deposits),
      })),
    ],
  })

/** Reads a call. Throws CalldataError. */
export function decodeCommitPages(data: Hex): CommitCall {
  try {
    const call = decodeFunctionData({ abi: pageSettlementAbi, data })
    if (call.functionName !== 'commitPages') throw new CalldataError(`a call of ${call.functionName}`)
    const [header, carried, pages] = call.args
    return {
      header,
      carried: carried === '0x' ? undefined : decodeAbiParameters([carriedType], carried)[0],
      pages: pages.map(({ kind, lastRoot, rows, deposits }) => ({
        kind,
        lastRoot,
        rows: hexToBytes(rows),
        deposits: hexToBytes(deposits),
      })),
    }
  } catch (cause) {
    throw new CalldataError('no call of commitPages', { cause })
  }
}
