/**
 * What binds a page's proof to what was posted: the batch's hash, the page's challenge z, the evaluation of its rows at
 * z, and the commitment that the contract keeps until the proof comes. Pure; the contract computes the same.
 *
 *   batchHash  = keccak256(abi.encode(chainId, settlement, header))
 *   z          = keccak256(abi.encode(batchHash, pageIndex, kind, firstRoot, lastRoot, keccak256(rows), keccak256(deposits))) mod R
 *   commitment = keccak256(abi.encode(firstRoot, lastRoot, z, evaluation))
 *
 * Why a proof of (firstRoot, lastRoot, z, evaluation) is one of the rows posted: docs/internals/pages.md.
 */
import { encodeAbiParameters, keccak256, type Hex } from 'viem'
import type { CommitDomain, PublicInputs } from '../batch/commit.js'
import { bytesToBigint, R } from '../tree/field.js'
import { evaluateRows, type LeafRows } from './leaf-rows.js'
import type { PageBytes } from './page-bytes.js'

/** Header of a batch that is posted in pages. */
export interface PagedHeader {
  readonly number: bigint
  readonly firstSeq: bigint
  readonly lastSeq: bigint
  readonly oldRoot: bigint
  readonly newRoot: bigint
  readonly journalHead: Hex
  readonly fillsRoot: Hex
  /** Deposits of the vault's queue that this batch and all before it consumed. */
  readonly depositsConsumed: bigint
  readonly pageCount: number
}

/** A page of a batch with the roots that it leads from and to. */
export interface RootedPage extends PageBytes {
  readonly firstRoot: bigint
  readonly lastRoot: bigint
}

const pagedHeaderType = {
  type: 'tuple',
  components: [
    { name: 'number', type: 'uint64' },
    { name: 'firstSeq', type: 'uint64' },
    { name: 'lastSeq', type: 'uint64' },
    { name: 'oldRoot', type: 'uint256' },
    { name: 'newRoot', type: 'uint256' },
    { name: 'journalHead', type: 'bytes32' },
    { name: 'fillsRoot', type: 'bytes32' },
    { name: 'depositsConsumed', type: 'uint64' },
    { name: 'pageCount', type: 'uint16' },
  ],
} as const
const [word, hash] = [{ type: 'uint256' }, { type: 'bytes32' }] as const

/** What stands for the whole header, on one chain and for one contract. */
export const batchHashOf = ({ chainId, settlement }: CommitDomain, header: PagedHeader): Hex =>
  keccak256(
    encodeAbiParameters([word, { type: 'address' }, pagedHeaderType], [BigInt(chainId), settlement, header]),
  )

/** z of page `pageIndex`: the point that nobody knows before both roots and all rows are fixed. */
export function pageChallenge(
  batchHash: Hex,
  pageIndex: number,
  { kind, firstRoot, lastRoot, rows, deposits }: RootedPage,
): bigint {
  const encoded = encodeAbiParameters(
    [hash, word, word, word, word, hash, hash],
    [batchHash, BigInt(pageIndex), BigInt(kind), firstRoot, lastRoot, keccak256(rows), keccak256(deposits)],
  )
  return bytesToBigint(keccak256(encoded, 'bytes')) % R
}

/** Public inputs of the page's proof; `rows` are what its bytes say. */
export function pageInputs(
  batchHash: Hex,
  pageIndex: number,
  page: RootedPage,
  rows: LeafRows,
): PublicInputs {
  const z = pageChallenge(batchHash, pageIndex, page)
  return [page.firstRoot, page.lastRoot, z, evaluateRows(rows, z)]
}

/** What the contract keeps of a page until its proof. */
export const pageCommitment = (inputs: PublicInputs): Hex =>
  keccak256(encodeAbiParameters([{ type: 'uint256[4]' }], [inputs]))
