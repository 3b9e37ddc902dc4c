/**
 * Vault and Settlement as one plain TypeScript object: the same states, the same errors with the same
 * values, written from the text of the interfaces. The differential test runs random sequences on it and
 * on the contracts. Every method checks before it changes anything, and throws Revert for what the contract
 * would revert with.
 */
import type { Address } from 'viem'
import { type BatchRecord, extendDeposits } from './batch.js'
import { type BatchesConfig, BatchesModel, UNITS_END } from './batches.js'
import { Revert } from './governance.js'
import { rootOf } from './poseidon.js'
import { FIELD } from '../poseidon-table.js'

const MAX_REQUESTS = 4096
const REQUESTS_PER_STEP = 256

export interface ModelAsset {
  readonly unitAtoms: bigint
  readonly isNative: boolean
}

export interface ModelConfig extends Omit<BatchesConfig, 'assetCount'> {
  readonly feeOwner: Address
  readonly assets: readonly ModelAsset[]
  /** Seconds. */
  readonly exitDelay: number
  /** Wei. */
  readonly requestFee: bigint
}

/** A forced withdrawal that waits. */
export interface ModelRequest {
  remaining: bigint
  readonly requestedAt: number
  /** The last batch committed then. */
  readonly batchesBefore: number
  readonly depositsBefore: bigint
  granted: boolean
  readonly fee: bigint
}

const indexOf = (account: number, asset: number): number => (account << 6) | asset

export class ExchangeModel extends BatchesModel {
  /** Units, by index. */
  readonly claims = new Map<number, bigint>()
  /** Units, by asset. */
  readonly custody: bigint[]
  readonly escaped = new Set<number>()
  readonly refunded = new Set<number>()
  readonly requests = new Map<number, ModelRequest>()
  readonly refunds = new Map<Address, bigint>()
  /** Atoms paid, by owner and asset. */
  readonly paid = new Map<string, bigint>()

  constructor(readonly config: ModelConfig) {
    super({ ...config, assetCount: config.assets.length }, config.feeOwner)
    this.custody = config.assets.map(() => 0n)
  }

  get currentRequestFee(): bigint {
    return this.config.requestFee << BigInt(Math.floor(this.requests.size / REQUESTS_PER_STEP))
  }

  // --- Vault ---

  deposit(sender: Address, asset: number, amount: bigint, value: bigint): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const { unitAtoms, isNative } = this.config.assets[this.checkAsset(asset)]!
    if (value !== (isNative ? amount : 0n))
      throw new Revert('WrongNativeValue', [value, isNative ? amount : 0n])
    if (amount === 0n) throw new Revert('ZeroAmount')
    if (amount % unitAtoms !== 0n) throw new Revert('NotWholeUnits', [amount, unitAtoms])
    const units = amount / unitAtoms
    const room = UNITS_END - 1n - this.custody[asset]!
    if (units > room) throw new Revert('CustodyOverLimit', [BigInt(asset), units, room])
    this.custody[asset]! += units
    if (!this.owners.includes(sender)) this.owners.push(sender)
    const record = { index: indexOf(this.owners.indexOf(sender), asset), value: units, owner: sender }
    this.depositHashes.push(extendDeposits(this.depositHashes.at(-1)!, record))
    this.queue.push(record)
  }

  claim(account: number, asset: number): void {
    const owner = this.ownerOf(account)
    this.checkAsset(asset)
    const units = this.claims.get(indexOf(account, asset)) ?? 0n
    if (units === 0n) throw new Revert('NothingToClaim', [BigInt(account), BigInt(asset)])
    this.claims.delete(indexOf(account, asset))
    this.pay(owner, asset, units)
  }

  escape(account: number, asset: number, units: bigint, siblings: readonly bigint[]): void {
    if (!this.frozen) throw new Revert('NotFrozen')
    const owner = this.ownerOf(account)
    this.checkAsset(asset)
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
    this.checkAsset(asset)
    const deposit = this.queue[position]
    if (deposit === undefined || deposit.index !== indexOf(account, asset) || deposit.value !== units)
      throw new Revert('UnknownDeposit', [BigInt(position)])
    this.refunded.add(position)
    this.pay(owner, asset, units)
  }

  // --- Forced withdrawals and freeze ---

  requestWithdrawal(sender: Address, account: number, asset: number, units: bigint, value: bigint): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const owner = this.ownerOf(account)
    if (sender !== owner) throw new Revert('NotAccountOwner', [sender, owner])
    this.checkAsset(asset)
    const index = indexOf(account, asset)
    if (units === 0n || units >= UNITS_END) throw new Revert('BadUnits', [BigInt(index), units])
    if (this.requests.has(index)) throw new Revert('RequestPending', [BigInt(account), BigInt(asset)])
    if (this.requests.size === MAX_REQUESTS) throw new Revert('RequestQueueFull', [BigInt(MAX_REQUESTS)])
    const fee = this.currentRequestFee
    if (value < fee) throw new Revert('FeeTooLow', [value, fee])
    this.requests.set(index, {
      remaining: units,
      requestedAt: this.time,
      batchesBefore: this.batchCount,
      depositsBefore: BigInt(this.queue.length),
      granted: false,
      fee,
    })
    this.creditRefund(owner, value - fee)
  }

  answerRequest(
    sender: Address,
    account: number,
    asset: number,
    number: number,
    units: bigint,
    siblings: readonly bigint[],
  ): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const request = this.openRequest(account, asset)
    if (units !== 0n && !this.operators.has(sender)) throw new Revert('NotOperator', [sender])
    if (units >= request.remaining) throw new Revert('AnswerNotLower', [units, request.remaining])
    if (number === 0 || number > this.provenCount) throw new Revert('BatchNotProven', [BigInt(number)])
    if (number > this.finalCount) throw new Revert('BatchNotFinal', [BigInt(number), BigInt(this.finalCount)])
    const { committedAt, depositsConsumed, newRoot } = this.batches[number]!
    if (!isLater(number, committedAt, request))
      throw new Revert('AnswerTooOld', [BigInt(committedAt), BigInt(request.requestedAt)])
    if (depositsConsumed < request.depositsBefore)
      throw new Revert('AnswerSkipsDeposits', [depositsConsumed, request.depositsBefore])
    const index = indexOf(account, asset)
    if (!this.isBalance(newRoot, index, units, siblings))
      throw new Revert('WrongBalanceProof', [BigInt(account), BigInt(asset), units])
    if (units === 0n) {
      const forOperator = this.operators.has(sender) && !request.granted
      return this.closeRequest(index, forOperator ? sender : this.ownerOf(account))
    }
    request.remaining = units
  }

  freeze(account: number, asset: number): void {
    if (this.frozen) throw new Revert('ExchangeFrozen')
    const deadline = this.openRequest(account, asset).requestedAt + this.config.exitDelay
    if (this.time <= deadline)
      throw new Revert('ExitDeadlineNotPassed', [BigInt(deadline), BigInt(this.time)])
    this.frozen = true
    this.strike()
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

  // --- Steps ---

  protected override credit({ index, value }: BatchRecord, number: number, committedAt: number): void {
    this.claims.set(index, (this.claims.get(index) ?? 0n) + value)
    const request = this.requests.get(index)
    if (request === undefined || !isLater(number, committedAt, request)) return
    request.remaining -= value < request.remaining ? value : request.remaining
    request.granted = true
    if (request.remaining === 0n) this.closeRequest(index, this.owners[index >> 6]!)
  }

  private openRequest(account: number, asset: number): ModelRequest {
    const request = asset < this.config.assets.length ? this.requests.get(indexOf(account, asset)) : undefined
    if (request === undefined) throw new Revert('NoRequest', [BigInt(account), BigInt(asset)])
    return request
  }

  private isBalance(root: bigint, index: number, units: bigint, siblings: readonly bigint[]): boolean {
    return siblings.every((sibling) => sibling < FIELD) && rootOf(index, units, siblings) === root
  }

  private closeRequest(index: number, feeTo: Address): void {
    const { fee } = this.requests.get(index)!
    this.requests.delete(index)
    this.creditRefund(feeTo, fee)
  }

  private creditRefund(to: Address, wei: bigint): void {
    if (wei > 0n) this.refunds.set(to, (this.refunds.get(to) ?? 0n) + wei)
  }

  private pay(owner: Address, asset: number, units: bigint): void {
    this.custody[asset]! -= units
    const key = `${owner} ${asset}`
    this.paid.set(key, (this.paid.get(key) ?? 0n) + units * this.config.assets[asset]!.unitAtoms)
  }
}

/** Whether a batch was committed after a request: by time, and inside a block by number. */
function isLater(number: number, committedAt: number, request: ModelRequest): boolean {
  return committedAt === request.requestedAt
    ? number > request.batchesBefore
    : committedAt > request.requestedAt
}
