/**
 * Batches.sol as plain TypeScript: what a commit is checked for, proofs, finalisation, strike. What it needs to
 * know of the vault (owners, the deposit queue) and of forced withdrawals, exchange.ts supplies.
 */
import { type Address, type Hex, keccak256, zeroHash } from 'viem'
import {
  type BatchRecord,
  type DepositRecord,
  type PostedBatch,
  type PublicInputs,
  challenge,
  chunkCommitment,
  extendDeposits,
  pack,
  publicInputs,
} from './batch.js'
import { BalanceTree } from './poseidon.js'
import { FIELD } from '../poseidon-table.js'
import { type GovernanceConfig, GovernanceModel, Revert } from './governance.js'

export const UNITS_END = 2n ** 53n
const UINT256_MAX = 2n ** 256n - 1n
const MAX_FINAL_STEPS = 64
const MAX_WITHDRAWALS = 256

export interface BatchesConfig extends GovernanceConfig {
  readonly chainId: number
  readonly settlement: Address
  /** Whether a verifier contract accepts a proof. */
  readonly verifies: (verifier: Address, inputs: PublicInputs, proof: readonly bigint[]) => boolean
  readonly assetCount: number
  /** Seconds. */
  readonly proofDelay: number
  readonly maxUnproven: number
}

export interface KeptBatch {
  readonly newRoot: bigint
  readonly fillsRoot: Hex
  readonly withdrawals: readonly BatchRecord[]
  readonly lastSeq: bigint
  readonly depositsConsumed: bigint
  readonly committedAt: number
  readonly verifier: Address
  /** What each chunk's proof must have for inputs; null once proven. */
  readonly chunks: (Hex | null)[]
  /** Withdrawals that are not claims yet: the last ones. */
  uncredited: number
}

export abstract class BatchesModel extends GovernanceModel {
  readonly owners: Address[]
  readonly queue: DepositRecord[] = []
  readonly depositHashes: Hex[] = [zeroHash]
  /** batches[n] is batch n; 0 is the empty tree. */
  readonly batches: KeptBatch[]
  provenCount = 0
  /** Number up to which every batch is final, as far as calls have noted it. */
  finalCount = 0
  frozen = false

  constructor(
    private readonly batchesConfig: BatchesConfig,
    feeOwner: Address,
  ) {
    super(batchesConfig)
    this.owners = [feeOwner]
    this.batches = [
      {
        newRoot: new BalanceTree().root,
        fillsRoot: zeroHash,
        withdrawals: [],
        lastSeq: 0n,
        depositsConsumed: 0n,
        committedAt: 0,
        verifier: batchesConfig.verifier,
        chunks: [],
        uncredited: 0,
      },
    ]
  }

  get batchCount(): number {
    return this.batches.length - 1
  }
  get provenRoot(): bigint {
    return this.batches[this.provenCount]!.newRoot
  }

  commitBatch(sender: Address, batch: PostedBatch): void {
    if (!this.operators.has(sender)) throw new Revert('NotOperator', [sender])
    if (this.frozen) throw new Revert('ExchangeFrozen')
    if (this.paused) throw new Revert('CommitsArePaused')
    this.checkHeader(batch)
    this.checkChunkRoots(batch)
    const sums = Array.from({ length: this.batchesConfig.assetCount }, () => 0n)
    this.sumDeposits(sums, batch)
    this.sumWithdrawals(sums, batch.withdrawals)
    this.sumRows(sums, batch.rows)
    const broken = sums.findIndex((sum) => sum !== 0n)
    if (broken >= 0) throw new Revert('NotConserved', [BigInt(broken), sums[broken]!])

    const { header } = batch
    const z = challenge(this.batchesConfig.chainId, this.batchesConfig.settlement, batch)
    this.batches.push({
      newRoot: header.newRoot,
      fillsRoot: header.fillsRoot,
      withdrawals: batch.withdrawals,
      lastSeq: header.lastSeq,
      depositsConsumed: header.depositsConsumed,
      committedAt: this.time,
      verifier: this.verifier,
      chunks: batch.chunkRoots.map((_, k) => chunkCommitment(publicInputs(batch, z, k, this.rowsPerChunk))),
      uncredited: batch.withdrawals.length,
    })
    this.advance()
  }

  proveChunk(number: number, chunk: number, inputs: PublicInputs, proof: readonly bigint[]): void {
    if (number <= this.provenCount || number > this.batchCount)
      throw new Revert('BatchNotCommitted', [BigInt(number)])
    const { chunks, verifier } = this.batches[number]!
    if (chunk >= chunks.length) throw new Revert('UnknownChunk', [BigInt(chunk), BigInt(chunks.length)])
    const expected = chunks[chunk]
    if (expected === null || expected === undefined)
      throw new Revert('ChunkAlreadyProven', [BigInt(number), BigInt(chunk)])
    const posted = chunkCommitment(inputs)
    if (posted !== expected) throw new Revert('WrongPublicInputs', [posted, expected])
    if (!this.batchesConfig.verifies(verifier, inputs, proof))
      throw new Revert('InvalidProof', [BigInt(number), BigInt(chunk)])
    chunks[chunk] = null
    this.advance()
  }

  finalizePart(number: number, withdrawals: readonly BatchRecord[], count: number): void {
    if (number === 0 || number > this.provenCount) throw new Revert('BatchNotProven', [BigInt(number)])
    const batch = this.batches[number]!
    if (batch.uncredited === 0) throw new Revert('BatchAlreadyFinal', [BigInt(number)])
    const [posted, expected] = [keccak256(pack(withdrawals)), keccak256(pack(batch.withdrawals))]
    if (posted !== expected) throw new Revert('WithdrawalsMismatch', [posted, expected])
    const from = withdrawals.length - batch.uncredited
    const part = withdrawals.slice(from, from + count)
    batch.uncredited -= part.length
    for (const withdrawal of part) this.credit(withdrawal, number, batch.committedAt)
    if (batch.uncredited === 0) this.advanceFinal()
  }

  /** Moves the final end over batches without withdrawals that are left, some at a time. */
  advanceFinal(): void {
    for (let step = 0; step < MAX_FINAL_STEPS && this.finalCount < this.provenCount; step++) {
      if (this.batches[this.finalCount + 1]!.uncredited !== 0) return
      this.finalCount++
    }
  }

  finalizeBatch(number: number, withdrawals: readonly BatchRecord[]): void {
    this.finalizePart(number, withdrawals, MAX_WITHDRAWALS)
  }

  strikeUnproven(): void {
    if (this.batchCount === this.provenCount) throw new Revert('NothingToStrike')
    const deadline = this.batches[this.provenCount + 1]!.committedAt + this.batchesConfig.proofDelay
    if (this.time <= deadline)
      throw new Revert('ProofDeadlineNotPassed', [BigInt(deadline), BigInt(this.time)])
    this.strike()
  }

  /** A withdrawal of a proven batch becomes a claim, and counts towards a forced one. */
  protected abstract credit(withdrawal: BatchRecord, number: number, committedAt: number): void

  protected strike(): void {
    this.batches.length = this.provenCount + 1
  }

  protected ownerOf(account: number): Address {
    const owner = this.owners[account]
    if (owner === undefined) throw new Revert('UnknownAccount', [BigInt(account), BigInt(this.owners.length)])
    return owner
  }

  protected checkAsset(asset: number): number {
    if (asset >= this.batchesConfig.assetCount)
      throw new Revert('UnknownAsset', [BigInt(asset), BigInt(this.batchesConfig.assetCount)])
    return asset
  }

  private checkHeader({ header }: PostedBatch): void {
    const unproven = BigInt(this.batchCount - this.provenCount)
    const max = BigInt(this.batchesConfig.maxUnproven)
    if (unproven >= max) throw new Revert('TooManyUnproven', [unproven, max])
    const next = BigInt(this.batchCount + 1)
    if (header.number !== next) throw new Revert('WrongNumber', [header.number, next])
    const last = this.batches.at(-1)!
    if (header.firstSeq !== last.lastSeq + 1n)
      throw new Revert('WrongFirstSeq', [header.firstSeq, last.lastSeq + 1n])
    if (header.lastSeq < header.firstSeq) throw new Revert('EmptySeqRange', [header.firstSeq, header.lastSeq])
    if (header.oldRoot !== last.newRoot) throw new Revert('WrongOldRoot', [header.oldRoot, last.newRoot])
    if (header.newRoot >= FIELD) throw new Revert('NotCanonical', [header.newRoot])
  }

  private checkChunkRoots({ header, chunkRoots, rows }: PostedBatch): void {
    const expected = Math.ceil(rows.length / this.rowsPerChunk)
    if (chunkRoots.length !== expected)
      throw new Revert('ChunkCountMismatch', [BigInt(chunkRoots.length), BigInt(expected)])
    for (const root of chunkRoots) if (root >= FIELD) throw new Revert('NotCanonical', [root])
    const last = chunkRoots.at(-1) ?? header.oldRoot
    if (last !== header.newRoot) throw new Revert('LastChunkRootMismatch', [last, header.newRoot])
  }

  private sumDeposits(sums: bigint[], { header, deposits }: PostedBatch): void {
    const before = this.batches.at(-1)!.depositsConsumed
    const consumed = header.depositsConsumed
    const expected = consumed < before ? UINT256_MAX : consumed - before
    if (BigInt(deposits.length) !== expected)
      throw new Revert('DepositCountMismatch', [BigInt(deposits.length), expected])
    if (deposits.length === 0) return
    if (consumed > BigInt(this.queue.length))
      throw new Revert('DepositsOverQueue', [consumed, BigInt(this.queue.length)])
    let hash = this.depositHashes[Number(before)]!
    for (const deposit of deposits) {
      sums[this.checkAsset(deposit.index & 63)]! -= deposit.value
      hash = extendDeposits(hash, deposit)
    }
    const head = this.depositHashes[Number(consumed)]!
    if (hash !== head) throw new Revert('DepositQueueMismatch', [hash, head])
  }

  private sumWithdrawals(sums: bigint[], withdrawals: readonly BatchRecord[]): void {
    if (withdrawals.length > MAX_WITHDRAWALS)
      throw new Revert('TooManyRecords', [BigInt(withdrawals.length), BigInt(MAX_WITHDRAWALS)])
    let next = 0
    for (const { index, value } of withdrawals) {
      if (index < next) throw new Revert('RowsNotIncreasing', [BigInt(next - 1), BigInt(index)])
      if (value === 0n || value >= UNITS_END) throw new Revert('BadUnits', [BigInt(index), value])
      sums[this.checkAsset(index & 63)]! += value
      next = index + 1
    }
    if (next > 0) this.ownerOf((next - 1) >> 6)
  }

  private sumRows(sums: bigint[], rows: readonly BatchRecord[]): void {
    let next = 0
    for (const { index, value } of rows) {
      if (index < next) throw new Revert('RowsNotIncreasing', [BigInt(next - 1), BigInt(index)])
      if (value === 0n || value >= UNITS_END || value <= -UNITS_END)
        throw new Revert('BadDelta', [BigInt(index), value])
      sums[this.checkAsset(index & 63)]! += value
      next = index + 1
    }
    if (next > 0) this.ownerOf((next - 1) >> 6)
  }

  private advance(): void {
    while (
      this.provenCount < this.batchCount &&
      this.batches[this.provenCount + 1]!.chunks.every((c) => c === null)
    )
      this.provenCount++
    this.advanceFinal()
  }
}
