/**
 * Signs transactions of one key: gas from a simulation, the next nonce, the fees of now; durable in the outbox
 * before anybody sees the bytes. Used by sender.ts.
 */
import { keccak256, type Account, type Address, type Hex, type PublicClient } from 'viem'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { chainErrorText } from '../chain/chain.js'
import { GAS_EXTRA, GAS_MARGIN_PERCENT } from '../limits.js'
import { baseFeeOf, firstFees, raisedFees, type FeePolicy, type Fees } from './gas-fees.js'
import type { Outbox } from './outbox.js'
import type { Attempt, OutboxEntry } from '../store/store.js'

export interface SignerOptions {
  readonly client: PublicClient
  readonly account: Account
  readonly chainId: number
  readonly outbox: Outbox
  readonly policy: FeePolicy
  /** The transaction is durable. */
  readonly onSigned: (label: string) => void
}

/** The transaction was mined and reverted, or its simulation reverts. */
export class TransactionReverted extends Error {
  override readonly name = 'TransactionReverted'
  constructor(
    readonly label: string,
    readonly reason: string,
    /** False = the simulation reverts and nothing was sent. */
    readonly isMined: boolean,
  ) {
    super(`${label}: reverted: ${reason}`)
  }
}

const TRANSFER_GAS = 21_000n
export class TransactionSigner {
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly options: SignerOptions) {}

  /** Signs a call, one at a time: the nonce is read and taken in one step. Throws TransactionReverted. */
  sign(label: string, to: Address, data: Hex): Promise<void> {
    const result = this.last.then(() => this.signNext(label, to, data))
    this.last = result.catch(() => undefined)
    return result
  }

  /** A transfer of nothing to ourselves, that takes a nonce. */
  fill(nonce: number): Promise<void> {
    return this.signAt(`fill ${nonce}`, nonce, this.options.account.address, '0x', TRANSFER_GAS)
  }

  /** Signs a higher fee on the same nonce; false when the last one is at the cap. */
  async raise({ nonce, to, data, gas, attempts }: OutboxEntry, baseFee: bigint): Promise<boolean> {
    const fees = raisedFees(this.options.policy, attempts.at(-1)!, baseFee)
    if (fees === undefined) return false
    this.options.outbox.addAttempt(nonce, await this.attempt(to, data, BigInt(gas), nonce, fees))
    return true
  }

  private async signNext(label: string, to: Address, data: Hex): Promise<void> {
    const { client, account } = this.options
    let gas: bigint
    try {
      const estimate = await client.estimateGas({ account: account.address, to, data })
      gas = (estimate * GAS_MARGIN_PERCENT) / 100n + GAS_EXTRA
    } catch (error) {
      if (isContractAnswer(error)) throw new TransactionReverted(label, chainErrorText(error), false)
      throw error
    }
    const count = await client.getTransactionCount({ address: account.address, blockTag: 'latest' })
    await this.signAt(label, Math.max(count, this.options.outbox.highestNonce + 1), to, data, gas)
  }

  private async signAt(label: string, nonce: number, to: Hex, data: Hex, gas: bigint): Promise<void> {
    const fees = firstFees(this.options.policy, await baseFeeOf(this.options.client))
    const attempt = await this.attempt(to, data, gas, nonce, fees)
    this.options.outbox.put({
      label,
      nonce,
      to,
      data,
      gas: String(gas),
      attempts: [attempt],
      attemptAtMs: Date.now(),
    })
    this.options.onSigned(label)
  }

  private async attempt(to: Hex, data: Hex, gas: bigint, nonce: number, fees: Fees): Promise<Attempt> {
    const { account, chainId } = this.options
    if (account.signTransaction === undefined) throw new Error('the operator account cannot sign')
    const raw = await account.signTransaction({ type: 'eip1559', chainId, to, data, gas, nonce, ...fees })
    return { raw, hash: keccak256(raw), ...fees }
  }
}
