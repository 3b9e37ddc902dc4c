/**
 * Sends transactions of one key so that each takes effect once: signed bytes and nonce are durable before
 * the first send, a restart sends the same bytes again, a stuck one gets a higher fee on the same nonce.
 * Used by post.ts.
 *
 * Invariant: the outbox holds every transaction that may still be mined. One leaves it only when it has
 * `confirmations` blocks on it, or when its nonce was taken by another transaction.
 */
import {
  BaseError,
  ExecutionRevertedError,
  keccak256,
  type Account,
  type Address,
  type Hex,
  type PublicClient,
  type TransactionReceipt,
} from 'viem'
import { chainErrorText, sleep } from './chain.js'
import type { Attempt, BatchStore, PendingTransaction } from './store.js'

export interface FeePolicy {
  /** Bound of the fee per gas, wei. */
  readonly maxFeePerGasCap: bigint
  readonly priorityFeePerGas: bigint
  /** Milliseconds without being mined before the fee is raised. */
  readonly bumpAfterMs: number
}

export const defaultFees: FeePolicy = {
  maxFeePerGasCap: 500_000_000_000n,
  priorityFeePerGas: 1_000_000_000n,
  bumpAfterMs: 30_000,
}

export interface SenderOptions {
  readonly client: PublicClient
  readonly account: Account
  readonly chainId: number
  readonly store: BatchStore
  /** Blocks on top of a transaction before it counts; 0 = its own block is enough. */
  readonly confirmations: number
  readonly fees?: FeePolicy
  /** Pause between looks at the chain, milliseconds. */
  readonly pollMs?: number
  /** Called after each durable step: "signed", "sent", "mined"; tests stop the process here. */
  readonly onStep?: (step: string, label: string) => void
  readonly onTrouble?: (text: string) => void
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

/** Another transaction took the nonce: whoever asked must look at the chain again. */
export class NonceTaken extends Error {
  override readonly name = 'NonceTaken'
}

/** `stop` was called while a transaction was waited for; it stays in the outbox. */
export class SenderStopped extends Error {
  override readonly name = 'SenderStopped'
}

/** Whether a failed simulation is the contract's answer, and not the endpoint's failure. */
function isRevert(error: unknown): boolean {
  if (error instanceof BaseError && error.walk((cause) => cause instanceof ExecutionRevertedError) !== null)
    return true
  return /execution reverted/i.test(error instanceof Error ? error.message : String(error))
}

const GAS_MARGIN_PERCENT = 120n
/**
 * Any transaction may be the one that moves the proven end over every batch that waits for it, also when it
 * was not yet so at the simulation: 64 batches at most, some 12,000 gas each.
 */
const GAS_EXTRA = 800_000n
/** A replacement needs 10 % more in common clients; 25 % clears it at any rounding. */
const BUMP_PERCENT = 125n
const LOST_CHECKS = 3
const RESEND_MS = 3000
const IS_KNOWN = /already (known|imported)|known transaction|nonce too low|underpriced/i

export class Sender {
  private readonly pending: PendingTransaction[]
  private readonly active = new Map<string, Promise<TransactionReceipt>>()
  private readonly sentAtMs = new Map<string, number>()
  private isStopped = false
  private signing: Promise<unknown> = Promise.resolve()

  constructor(private readonly options: SenderOptions) {
    this.pending = options.store.readOutbox()
  }

  /** Labels of what is signed and not yet confirmed. */
  labels(): string[] {
    return this.pending.map(({ label }) => label)
  }

  /**
   * Goes on with everything that is pending from before a restart, whether anybody asks for it again or not:
   * a signed transaction that is never sent would leave a gap in the nonces, and all behind it would wait.
   */
  resume(): void {
    for (const { label, to, data } of [...this.pending])
      this.send(label, to, data).catch((error: unknown) => {
        if (!(error instanceof SenderStopped)) this.options.onTrouble?.(chainErrorText(error))
      })
  }

  /**
   * Sends a call, or goes on with the pending one of the same label, and resolves with its receipt once it
   * is confirmed. Throws TransactionReverted, NonceTaken or SenderStopped; a network failure is retried for
   * ever with growing pauses and told to `onTrouble`.
   */
  send(label: string, to: Address, data: Hex): Promise<TransactionReceipt> {
    const running = this.active.get(label)
    if (running !== undefined) return running
    const work = this.run(label, to, data).finally(() => this.active.delete(label))
    this.active.set(label, work)
    return work
  }

  /** No transaction is signed or sent from now on; waits end with SenderStopped. */
  stop(): void {
    this.isStopped = true
  }

  private async run(label: string, to: Address, data: Hex): Promise<TransactionReceipt> {
    if (!this.pending.some((pending) => pending.label === label)) {
      await this.retry(label, () => this.inOrder(() => this.sign(label, to, data)))
      this.options.onStep?.('signed', label)
    }
    await this.broadcast(label)
    this.options.onStep?.('sent', label)
    const receipt = await this.confirm(label)
    this.options.onStep?.('mined', label)
    return receipt
  }

  /** One signature at a time: the nonce is read and taken in one step. */
  private inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.signing.then(work)
    this.signing = result.catch(() => undefined)
    return result
  }

  private async sign(label: string, to: Address, data: Hex): Promise<void> {
    const { client, account } = this.options
    let gas: bigint
    try {
      const estimate = await client.estimateGas({ account: account.address, to, data })
      gas = (estimate * GAS_MARGIN_PERCENT) / 100n + GAS_EXTRA
    } catch (error) {
      const text = chainErrorText(error)
      if (isRevert(error)) throw new TransactionReverted(label, text, false)
      throw error
    }
    const mined = await client.getTransactionCount({ address: account.address, blockTag: 'latest' })
    const nonce = Math.max(mined, ...this.pending.map((pending) => pending.nonce + 1))
    const attempt = await this.attempt(to, data, gas, nonce, await this.currentFees())
    this.put({ label, nonce, to, data, gas: String(gas), attempts: [attempt], attemptAtMs: Date.now() })
  }

  private async currentFees(): Promise<Pick<Attempt, 'maxFeePerGas' | 'maxPriorityFeePerGas'>> {
    const { maxFeePerGasCap, priorityFeePerGas } = this.options.fees ?? defaultFees
    const block = await this.options.client.getBlock({ blockTag: 'latest' })
    const wanted = (block.baseFeePerGas ?? 0n) * 2n + priorityFeePerGas
    const maxFeePerGas = wanted < maxFeePerGasCap ? wanted : maxFeePerGasCap
    return {
      maxFeePerGas,
      maxPriorityFeePerGas: priorityFeePerGas < maxFeePerGas ? priorityFeePerGas : maxFeePerGas,
    }
  }

  private async attempt(
    to: Hex,
    data: Hex,
    gas: bigint,
    nonce: number,
    fees: Pick<Attempt, 'maxFeePerGas' | 'maxPriorityFeePerGas'>,
  ): Promise<Attempt> {
    const { account, chainId } = this.options
    if (account.signTransaction === undefined) throw new Error('the operator account cannot sign')
    const raw = await account.signTransaction({ type: 'eip1559', chainId, to, data, gas, nonce, ...fees })
    return { raw, hash: keccak256(raw), ...fees }
  }

  private put(entry: PendingTransaction): void {
    const at = this.pending.findIndex(({ label }) => label === entry.label)
    if (at < 0) this.pending.push(entry)
    else this.pending[at] = entry
    this.options.store.writeOutbox(this.pending)
  }

  private remove(label: string): void {
    this.pending.splice(
      this.pending.findIndex((pending) => pending.label === label),
      1,
    )
    this.options.store.writeOutbox(this.pending)
  }

  private entry(label: string): PendingTransaction {
    return this.pending.find((pending) => pending.label === label)!
  }

  private async broadcast(label: string): Promise<void> {
    const { raw } = this.entry(label).attempts.at(-1)!
    try {
      await this.options.client.sendRawTransaction({ serializedTransaction: raw })
    } catch (error) {
      // The receipt decides, and the wait sends again. That the node has it already is no trouble.
      const text = `${chainErrorText(error)} ${error instanceof BaseError ? error.details : ''}`
      if (!IS_KNOWN.test(text)) this.options.onTrouble?.(`${label}: send: ${text}`)
    }
    this.sentAtMs.set(label, Date.now())
  }

  private async confirm(label: string): Promise<TransactionReceipt> {
    const { pollMs = 250 } = this.options
    let lost = 0
    let pause = pollMs
    for (;;) {
      if (this.isStopped) throw new SenderStopped(`${label} stays in the outbox`)
      try {
        const found = await this.look(label)
        pause = pollMs
        if (found === 'lost' && ++lost >= LOST_CHECKS) {
          this.remove(label)
          throw new NonceTaken(`${label}: another transaction took its nonce`)
        }
        if (typeof found !== 'string') {
          this.remove(label)
          if (found.status !== 'success')
            throw new TransactionReverted(label, `transaction ${found.transactionHash}`, true)
          return found
        }
      } catch (error) {
        if (error instanceof TransactionReverted || error instanceof NonceTaken) throw error
        this.options.onTrouble?.(`${label}: ${chainErrorText(error)}`)
        pause = Math.min(pause * 2, 30_000)
      }
      await sleep(pause)
    }
  }

  /** One look at the chain: the confirmed receipt, or why there is none yet. */
  private async look(label: string): Promise<TransactionReceipt | 'waiting' | 'lost'> {
    const { client, confirmations, account } = this.options
    const { attempts, nonce, attemptAtMs } = this.entry(label)
    for (const { hash } of [...attempts].reverse()) {
      const receipt = await client.getTransactionReceipt({ hash }).catch((error: unknown) => {
        if (error instanceof Error && error.name === 'TransactionReceiptNotFoundError') return undefined
        throw error
      })
      if (receipt === undefined) continue
      const head = await client.getBlockNumber({ cacheTime: 0 })
      return head - receipt.blockNumber >= BigInt(confirmations) ? receipt : 'waiting'
    }
    const mined = await client.getTransactionCount({ address: account.address, blockTag: 'latest' })
    if (mined > nonce) return 'lost'
    if (Date.now() - attemptAtMs >= (this.options.fees ?? defaultFees).bumpAfterMs) await this.bump(label)
    if (Date.now() - (this.sentAtMs.get(label) ?? 0) >= RESEND_MS) await this.broadcast(label)
    return 'waiting'
  }

  private async bump(label: string): Promise<void> {
    const entry = this.entry(label)
    const last = entry.attempts.at(-1)!
    const { maxFeePerGasCap } = this.options.fees ?? defaultFees
    if (last.maxFeePerGas >= maxFeePerGasCap) return
    const raised = (fee: bigint): bigint => {
      const more = (fee * BUMP_PERCENT) / 100n + 1n
      return more < maxFeePerGasCap ? more : maxFeePerGasCap
    }
    const attempt = await this.attempt(entry.to, entry.data, BigInt(entry.gas), entry.nonce, {
      maxFeePerGas: raised(last.maxFeePerGas),
      maxPriorityFeePerGas: raised(last.maxPriorityFeePerGas),
    })
    this.put({ ...entry, attempts: [...entry.attempts, attempt], attemptAtMs: Date.now() })
  }

  private async retry(label: string, work: () => Promise<void>): Promise<void> {
    for (let pause = this.options.pollMs ?? 250; ; pause = Math.min(pause * 2, 30_000)) {
      if (this.isStopped) throw new SenderStopped(label)
      try {
        return await work()
      } catch (error) {
        if (error instanceof TransactionReverted) throw error
        this.options.onTrouble?.(`${label}: ${chainErrorText(error)}`)
        await sleep(pause)
      }
    }
  }
}
