/**
 * Vault and Settlement as one plain TypeScript object: the same states, the same errors with the same
 * values, written from the text of the interfaces. The differential test runs random sequences on it and
 * on the contracts. Every method checks before it changes anything, and throws Revert for what the contract
 * would revert with.
 */
import { type Address, type Hex, keccak256, zeroHash } from 'viem'
import {
  type BatchRecord,
  type PostedBatch,
  challenge,
  chunkCommitment,
  extendDeposits,
  pack,
  publicInputs,
} from './batch.js'
import { BalanceTree, rootOf } from './poseidon.js'
import { FIELD } from '../poseidon-table.js'

const UNITS_END = 2n ** 53n
const UINT256_MAX = 2n ** 256n - 1n
const MAX_WITHDRAWALS = 512n
const MAX_REQUESTS = 4096

/** What the contract would revert with: the error's name and arguments. */
export class Revert extends Error {
  constructor(
    readonly error: string,
    readonly args: readonly unknown[] = [],
  ) {
    super(`${error}(${args.join(', ')})`)
  }
}

export interface ModelConfig {
  readonly chainId: number
  readonly vault: Address
  readonly settlement: Address
  readonly feeOwner: Address
  readonly operator: Address
  readonly guardian: Address
  /** Atoms a unit, by asset; every asset is an ERC-20 here. */
  readonly unitAtoms: readonly bigint[]
  readonly rowsPerChunk: number
  readonly exitDelay: number
  readonly proofDelay: number
  readonly maxUnproven: number
  readonly requestFee: bigint
}

interface KeptBatch {
  readonly newRoot: bigint
  readonly withdrawals: Hex
  readonly lastSeq: bigint
  readonly depositsConsumed: bigint
  readonly committedAt: number
  readonly chunks: (Hex | null)[]
  credited: boolean
}

interface Request {
  remaining: bigint
  readonly requestedAt: number
  readonly depositsBefore: bigint
  granted: boolean
  readonly fee: bigint
}

const indexOf = (account: number, asset: number): number => (account << 6) | asset

export class ExchangeModel {
  /** Block time of the next call, in seconds. */
  time = 0
  readonly owners: Address[]
  readonly queue: BatchRecord[] = []
  readonly depositHashes: Hex[] = [zeroHash]
  readonly claims = new Map<number, bigint>()
  readonly custody: bigint[]
  readonly escaped = new Set<number>()
  readonly refunded = new Set<number>()
  /** batches[n] is batch n; 0 is the empty tree. */
  readonly batches: KeptBatch[]
  provenCount = 0
  frozen = false
  paused = false
  readonly requests = new Map<number, Request>()
  readonly refunds = new Map<Address, bigint>()
  /** Atoms paid, by owner and asset. */
  readonly paid = new Map<string, bigint>()

  constructor(readonly config: ModelConfig) {
    this.owners = [config.feeOwner]
    this.custody = config.unitAtoms.map(() => 0n)
    this.batches = [
      {
        newRoot: new BalanceTree().root,
        withdrawals: '0x',
        lastSeq: 0n,
        depositsConsumed: 0n,
        committedAt: 0,
        chunks: [],
        credited: true,
      },
    ]
  }

  get batchCount(): number {
    return this.batches.length - 1
  }
  get provenRoot(): bigint {
    return this.batches[this.provenCount]!.newRoot
  }
  get currentRequestFee(): bigint {
    return this.config.requestFee << BigInt(Math.floor(this.requests.size / 256))
  }

  // --- Vault ---

  deposit(sender: Address, asset: number, amount: bigint): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const unit = this.unitOf(asset)
    if (amount === 0n) throw new Revert('ZeroAmount')
    if (amount % unit !== 0n) throw new Revert('NotWholeUnits', [amount, unit])
    const units = amount / unit
    const room = UNITS_END - 1n - this.custody[asset]!
    if (units > room) throw new Revert('CustodyOverLimit', [BigInt(asset), units, room])
    this.custody[asset]! += units
    if (!this.owners.includes(sender)) this.owners.push(sender)
    const record = { index: indexOf(this.owners.indexOf(sender), asset), value: units }
    this.depositHashes.push(extendDeposits(this.depositHashes.at(-1)!, record))
    this.queue.push(record)
  }

  claim(account: number, asset: number): void {
    const owner = this.ownerOf(account)
    this.unitOf(asset)
    const units = this.claims.get(indexOf(account, asset)) ?? 0n
    if (units === 0n) throw new Revert('NothingToClaim', [BigInt(account), BigInt(asset)])
    this.claims.delete(indexOf(account, asset))
    this.pay(owner, asset, units)
  }

  escape(account: number, asset: number, units: bigint, siblings: readonly bigint[]): void {
    if (!this.frozen) throw new Revert('NotFrozen')
    const owner = this.ownerOf(account)
    this.unitOf(asset)
    const index = indexOf(account, asset)
    if (this.escaped.has(index)) throw new Revert('AlreadyEscaped', [BigInt(account), BigInt(asset)])
    if (units === 0n) throw new Revert('ZeroAmount')
    if (!this.isBalance(this.provenRoot, index, units, siblings))
      throw new Revert('WrongBalanceProof', [BigInt(account), BigInt(asset), units])
    this.escaped.add(index)
    this.pay(owner, asset, units)
  }

  refundDeposit(position: number, account: number, asset: number, units: bigint): void {
    if (!this.frozen) throw new Revert('NotFrozen')
    const consumed = this.batches[this.provenCount]!.depositsConsumed
    if (BigInt(position) < consumed) throw new Revert('DepositConsumed', [BigInt(position), consumed])
    if (this.refunded.has(position)) throw new Revert('AlreadyRefunded', [BigInt(position)])
    const owner = this.ownerOf(account)
    this.unitOf(asset)
    const deposit = this.queue[position]
    if (deposit === undefined || deposit.index !== indexOf(account, asset) || deposit.value !== units)
      throw new Revert('UnknownDeposit', [BigInt(position)])
    this.refunded.add(position)
    this.pay(owner, asset, units)
  }

  // --- Settlement ---

  commitBatch(sender: Address, batch: PostedBatch): void {
    if (sender !== this.config.operator) throw new Revert('NotOperator', [sender])
    if (this.frozen) throw new Revert('ExchangeFrozen')
    if (this.paused) throw new Revert('CommitsArePaused')
    this.checkHeader(batch)
    this.checkChunkRoots(batch)
    const sums = this.config.unitAtoms.map(() => 0n)
    this.sumDeposits(sums, batch)
    this.sumWithdrawals(sums, batch.withdrawals)
    this.sumRows(sums, batch.rows)
    const broken = sums.findIndex((sum) => sum !== 0n)
    if (broken >= 0) throw new Revert('NotConserved', [BigInt(broken), sums[broken]!])

    const z = challenge(this.config.chainId, this.config.settlement, batch)
    const chunks = batch.chunkRoots.map((_, k) =>
      chunkCommitment(publicInputs(batch, z, k, this.config.rowsPerChunk)),
    )
    this.batches.push({
      newRoot: batch.header.newRoot,
      withdrawals: pack(batch.withdrawals),
      lastSeq: batch.header.lastSeq,
      depositsConsumed: batch.header.depositsConsumed,
      committedAt: this.time,
      chunks,
      credited: batch.withdrawals.length === 0,
    })
    this.advance()
  }

  /** With a verifier that accepts everything, the public inputs decide. */
  proveChunk(number: number, chunk: number, inputs: readonly [bigint, bigint, bigint, bigint]): void {
    if (number <= this.provenCount || number > this.batchCount)
      throw new Revert('BatchNotCommitted', [BigInt(number)])
    const { chunks } = this.batches[number]!
    if (chunk >= chunks.length) throw new Revert('UnknownChunk', [BigInt(chunk), BigInt(chunks.length)])
    const expected = chunks[chunk]
    if (expected === null || expected === undefined)
      throw new Revert('ChunkAlreadyProven', [BigInt(number), BigInt(chunk)])
    const posted = chunkCommitment(inputs)
    if (posted !== expected) throw new Revert('WrongPublicInputs', [posted, expected])
    chunks[chunk] = null
    this.advance()
  }

  finalizeBatch(number: number, withdrawals: readonly BatchRecord[]): void {
    if (number === 0 || number > this.provenCount) throw new Revert('BatchNotProven', [BigInt(number)])
    const batch = this.batches[number]!
    if (batch.credited) throw new Revert('BatchAlreadyFinal', [BigInt(number)])
    const [posted, expected] = [keccak256(pack(withdrawals)), keccak256(batch.withdrawals)]
    if (posted !== expected) throw new Revert('WithdrawalsMismatch', [posted, expected])
    batch.credited = true
    for (const { index, value } of withdrawals) {
      this.claims.set(index, (this.claims.get(index) ?? 0n) + value)
      const request = this.requests.get(index)
      if (request === undefined || batch.committedAt <= request.requestedAt) continue
      request.remaining -= value < request.remaining ? value : request.remaining
      request.granted = true
      if (request.remaining === 0n) this.closeRequest(index, this.owners[index >> 6]!)
    }
  }

  strikeUnproven(): void {
    if (this.batchCount === this.provenCount) throw new Revert('NothingToStrike')
    const deadline = this.batches[this.provenCount + 1]!.committedAt + this.config.proofDelay
    if (this.time <= deadline)
      throw new Revert('ProofDeadlineNotPassed', [BigInt(deadline), BigInt(this.time)])
    this.batches.length = this.provenCount + 1
  }

  requestWithdrawal(sender: Address, account: number, asset: number, units: bigint, value: bigint): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const owner = this.ownerOf(account)
    if (sender !== owner) throw new Revert('NotAccountOwner', [sender, owner])
    this.unitOf(asset)
    const index = indexOf(account, asset)
    if (units === 0n || units >= UNITS_END) throw new Revert('BadUnits', [BigInt(index), units])
    if (this.requests.has(index)) throw new Revert('RequestPending', [BigInt(account), BigInt(asset)])
    if (this.requests.size === MAX_REQUESTS) throw new Revert('RequestQueueFull', [BigInt(MAX_REQUESTS)])
    const fee = this.currentRequestFee
    if (value !== fee) throw new Revert('WrongFee', [value, fee])
    this.requests.set(index, {
      remaining: units,
      requestedAt: this.time,
      depositsBefore: BigInt(this.queue.length),
      granted: false,
      fee,
    })
  }

  answerEmpty(
    sender: Address,
    account: number,
    asset: number,
    number: number,
    siblings: readonly bigint[],
  ): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const request = this.openRequest(account, asset)
    if (number === 0 || number > this.provenCount) throw new Revert('BatchNotProven', [BigInt(number)])
    const { committedAt, depositsConsumed, newRoot } = this.batches[number]!
    if (committedAt <= request.requestedAt)
      throw new Revert('AnswerTooOld', [BigInt(committedAt), BigInt(request.requestedAt)])
    if (depositsConsumed < request.depositsBefore)
      throw new Revert('AnswerSkipsDeposits', [depositsConsumed, request.depositsBefore])
    const index = indexOf(account, asset)
    if (!this.isBalance(newRoot, index, 0n, siblings))
      throw new Revert('WrongBalanceProof', [BigInt(account), BigInt(asset), 0n])
    this.closeRequest(index, request.granted ? this.ownerOf(account) : sender)
  }

  freeze(account: number, asset: number): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const deadline = this.openRequest(account, asset).requestedAt + this.config.exitDelay
    if (this.time <= deadline)
      throw new Revert('ExitDeadlineNotPassed', [BigInt(deadline), BigInt(this.time)])
    this.frozen = true
    this.batches.length = this.provenCount + 1
  }

  reclaimFee(account: number, asset: number): void {
    if (!this.frozen) throw new Revert('NotFrozen')
    this.openRequest(account, asset)
    this.closeRequest(indexOf(account, asset), this.ownerOf(account))
  }

  withdrawRefund(sender: Address): void {
    if ((this.refunds.get(sender) ?? 0n) === 0n) throw new Revert('NothingToRefund', [sender])
    this.refunds.delete(sender)
  }

  pauseCommits(sender: Address, paused: boolean): void {
    if (sender !== this.config.guardian) throw new Revert('NotGuardian', [sender])
    this.paused = paused
  }

  // --- Checks ---

  private checkHeader({ header }: PostedBatch): void {
    const unproven = BigInt(this.batchCount - this.provenCount)
    const max = BigInt(this.config.maxUnproven)
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
    const expected = Math.ceil(rows.length / this.config.rowsPerChunk)
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
      sums[this.assetOf(deposit.index)]! -= deposit.value
      hash = extendDeposits(hash, deposit)
    }
    const head = this.depositHashes[Number(consumed)]!
    if (hash !== head) throw new Revert('DepositQueueMismatch', [hash, head])
  }

  private sumWithdrawals(sums: bigint[], withdrawals: readonly BatchRecord[]): void {
    const count = BigInt(withdrawals.length)
    if (count > MAX_WITHDRAWALS) throw new Revert('TooManyRecords', [count, MAX_WITHDRAWALS])
    let next = 0
    for (const { index, value } of withdrawals) {
      if (index < next) throw new Revert('RowsNotIncreasing', [BigInt(next - 1), BigInt(index)])
      if (value === 0n || value >= UNITS_END) throw new Revert('BadUnits', [BigInt(index), value])
      sums[this.assetOf(index)]! += value
      next = index + 1
    }
    if (next > 0) this.checkAccount(next - 1)
  }

  private sumRows(sums: bigint[], rows: readonly BatchRecord[]): void {
    let next = 0
    for (const { index, value } of rows) {
      if (index < next) throw new Revert('RowsNotIncreasing', [BigInt(next - 1), BigInt(index)])
      if (value === 0n || value >= UNITS_END || value <= -UNITS_END)
        throw new Revert('BadDelta', [BigInt(index), value])
      sums[this.assetOf(index)]! += value
      next = index + 1
    }
    if (next > 0) this.checkAccount(next - 1)
  }

  private assetOf(index: number): number {
    this.unitOf(index & 63)
    return index & 63
  }

  private checkAccount(index: number): void {
    this.ownerOf(index >> 6)
  }

  private ownerOf(account: number): Address {
    const owner = this.owners[account]
    if (owner === undefined) throw new Revert('UnknownAccount', [BigInt(account), BigInt(this.owners.length)])
    return owner
  }

  private unitOf(asset: number): bigint {
    const unit = this.config.unitAtoms[asset]
    if (unit === undefined)
      throw new Revert('UnknownAsset', [BigInt(asset), BigInt(this.config.unitAtoms.length)])
    return unit
  }

  private openRequest(account: number, asset: number): Request {
    const request =
      asset < this.config.unitAtoms.length ? this.requests.get(indexOf(account, asset)) : undefined
    if (request === undefined) throw new Revert('NoRequest', [BigInt(account), BigInt(asset)])
    return request
  }

  private isBalance(root: bigint, index: number, units: bigint, siblings: readonly bigint[]): boolean {
    return siblings.every((sibling) => sibling < FIELD) && rootOf(index, units, siblings) === root
  }

  // --- Steps ---

  private advance(): void {
    while (
      this.provenCount < this.batchCount &&
      this.batches[this.provenCount + 1]!.chunks.every((c) => c === null)
    )
      this.provenCount++
  }

  private closeRequest(index: number, feeTo: Address): void {
    const { fee } = this.requests.get(index)!
    this.requests.delete(index)
    if (fee > 0n) this.refunds.set(feeTo, (this.refunds.get(feeTo) ?? 0n) + fee)
  }

  private pay(owner: Address, asset: number, units: bigint): void {
    this.custody[asset]! -= units
    const key = `${owner} ${asset}`
    this.paid.set(key, (this.paid.get(key) ?? 0n) + units * this.config.unitAtoms[asset]!)
  }
}
