/**
 * Looks at the chain for the whole outbox: what is confirmed, what has to be sent (again), what a
 * reorganisation took back, which nonces are empty. Used by sender.ts.
 */
import {
  BaseError,
  BlockNotFoundError,
  TransactionReceiptNotFoundError,
  type Address,
  type PublicClient,
  type TransactionReceipt,
} from 'viem'
import { chainErrorText } from '../chain/chain.js'
import {
  FILLED_MAX,
  KEPT_BLOCKS,
  LOOKS_IN_A_ROW,
  LOST_AFTER_MS,
  RECEIPTS_AT_ONCE,
  RESEND_MS,
  RESEND_MS_MAX,
} from '../limits.js'
import { baseFeeOf, type FeePolicy } from './gas-fees.js'
import type { Outbox } from './outbox.js'
import type { TransactionSigner } from './signer.js'
import type { Attempt, OutboxEntry } from '../store/store.js'

export interface OutboxWatchOptions {
  readonly client: PublicClient
  readonly address: Address
  readonly outbox: Outbox
  readonly signer: TransactionSigner
  readonly policy: FeePolicy
  readonly confirmations: number
  readonly lostAfterMs: number | undefined
  readonly isStopped: () => boolean
  readonly onStep: (step: 'sent' | 'mined' | 'lost', label: string) => void
  readonly onTrouble: (text: string) => void
  /** A transaction is confirmed. */
  readonly onReceipt: (nonce: number, label: string, receipt: TransactionReceipt) => void
  /** Another transaction took the nonce, or none ever will; it has left the outbox. */
  readonly onTaken: (nonce: number, label: string) => void
}

const IS_KNOWN = /already (known|imported)|known transaction|nonce too low|underpriced/i

/** What is known of an open transaction in this run. */
interface Progress {
  sentAtMs: number
  resendMs: number
  /** Block of its receipt, while it has too few confirmations. */
  seenIn?: bigint
  /** When its nonce was taken, and no receipt was there. */
  lostAtMs?: number
  toldStuckAtMs: number
}

export class OutboxWatch {
  private readonly progress = new Map<number, Progress>()
  private readonly stuck = new Set<number>()
  private readonly counts = { bumps: 0, lost: 0 }
  private looking: Promise<unknown> = Promise.resolve()
  private suspicions = 0
  private emptyLooks = 0
  private farSinceMs?: number
  private readonly lostAfterMs: number

  constructor(private readonly options: OutboxWatchOptions) {
    this.lostAfterMs = options.lostAfterMs ?? LOST_AFTER_MS
  }

  /** Since the start; `stuck` wait now at the fee cap. */
  get figures(): { readonly stuck: number; readonly bumps: number; readonly lost: number } {
    return { stuck: this.stuck.size, ...this.counts }
  }

  /** Whether the next looks should come soon. */
  get isSuspicious(): boolean {
    return this.suspicions > 0
  }

  /** One look at the chain for all of the outbox. `looks` in a row must agree before something counts as lost. */
  look(looks: number): Promise<void> {
    const result = this.looking.then(() => this.lookNow(looks))
    this.looking = result.catch(() => undefined)
    return result
  }

  private async lookNow(looks: number): Promise<void> {
    if (this.options.isStopped() || this.options.outbox.isEmpty) return
    const { client, address } = this.options
    const count = await client.getTransactionCount({ address, blockTag: 'latest' })
    const head = await client.getBlockNumber({ cacheTime: 0 })
    await this.reopenLost(count, looks)
    const open = this.options.outbox.open
    const mined = open.filter(({ nonce }) => nonce < count)
    for (let at = 0; at < mined.length; at += RECEIPTS_AT_ONCE)
      await Promise.all(mined.slice(at, at + RECEIPTS_AT_ONCE).map((entry) => this.confirm(entry, head)))
    const waiting = open.filter(({ nonce }) => nonce >= count)
    if (waiting.length > 0) await this.push(waiting, count)
    await this.fillEmpty(count)
    for (const { nonce, mined: place } of this.options.outbox.kept)
      if (head - BigInt(place!.blockNumber) > BigInt(this.options.confirmations + KEPT_BLOCKS))
        this.options.outbox.remove(nonce)
  }

  /** Kept transactions that the chain has no more, or in another block, are waited for again. */
  private async reopenLost(count: number, looks: number): Promise<void> {
    const kept = this.options.outbox.kept.reverse()
    const lost: OutboxEntry[] = []
    for (const entry of kept) {
      // Blocks hang together: below one that stands, all stand.
      if (entry.nonce < count && (await this.stands(entry.mined!))) break
      lost.unshift(entry)
    }
    this.suspicions = lost.length > 0 ? this.suspicions + 1 : 0
    if (this.suspicions < looks) return
    this.suspicions = 0
    for (const { nonce, label } of lost) {
      this.options.outbox.reopen(nonce)
      this.progress.delete(nonce)
      this.counts.lost++
      this.options.onTrouble(`${label}: the chain took it back; the same bytes are sent again`)
      this.options.onStep('lost', label)
    }
  }

  private async stands({ blockNumber, blockHash }: NonNullable<OutboxEntry['mined']>): Promise<boolean> {
    try {
      const { hash } = await this.options.client.getBlock({ blockNumber: BigInt(blockNumber) })
      return hash === blockHash
    } catch (error) {
      if (error instanceof BlockNotFoundError) return false
      throw error
    }
  }

  /** An open transaction whose nonce is taken: confirmed, waiting for confirmations, or replaced by another's. */
  private async confirm({ nonce, label, attempts }: OutboxEntry, head: bigint): Promise<void> {
    const confirmations = BigInt(this.options.confirmations)
    const progress = this.progressOf(nonce)
    if (progress.seenIn !== undefined && head - progress.seenIn < confirmations) return
    const receipt = await this.receiptOf(attempts)
    if (receipt === undefined) {
      delete progress.seenIn
      progress.lostAtMs ??= Date.now()
      if (Date.now() - progress.lostAtMs < this.lostAfterMs) return
      if (confirmations > 0n && (await this.countAt(head - confirmations)) <= nonce) return
      this.drop(nonce, label)
      return
    }
    delete progress.lostAtMs
    progress.seenIn = receipt.blockNumber
    if (head - receipt.blockNumber < confirmations) return
    const { transactionHash, blockHash, blockNumber } = receipt
    this.options.outbox.keep(nonce, { hash: transactionHash, blockHash, blockNumber: Number(blockNumber) })
    this.forget(nonce)
    this.options.onStep('mined', label)
    this.options.onReceipt(nonce, label, receipt)
  }

  private forget(nonce: number): void {
    this.progress.delete(nonce)
    this.stuck.delete(nonce)
  }

  private countAt(blockNumber: bigint): Promise<number> {
    return this.options.client.getTransactionCount({ address: this.options.address, blockNumber })
  }

  private async receiptOf(attempts: readonly Attempt[]): Promise<TransactionReceipt | undefined> {
    for (const { hash } of [...attempts].reverse()) {
      try {
        return await this.options.client.getTransactionReceipt({ hash })
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) throw error
      }
    }
    return undefined
  }

  /** Transactions that are not mined: in order, each again when it is due, with a higher fee when it is stuck. */
  private async push(waiting: readonly OutboxEntry[], count: number): Promise<void> {
    const now = Date.now()
    const { bumpAfterMs } = this.options.policy
    const isOld = waiting.some(({ attemptAtMs }) => now - attemptAtMs >= bumpAfterMs)
    const baseFee = isOld ? await baseFeeOf(this.options.client) : undefined
    for (const entry of waiting) {
      if (this.options.isStopped()) return
      const progress = this.progressOf(entry.nonce)
      delete progress.seenIn
      delete progress.lostAtMs
      const isBumped =
        baseFee !== undefined &&
        now - entry.attemptAtMs >= bumpAfterMs &&
        (await this.bump(entry, count, baseFee))
      if (!isBumped && progress.sentAtMs !== 0) {
        if (now - progress.sentAtMs < progress.resendMs) continue
        progress.resendMs = Math.min(progress.resendMs * 2, RESEND_MS_MAX)
      }
      await this.broadcast(entry.nonce)
    }
  }

  /** Raises the fee of what is stuck: the next one to be mined, or one that pays less than the base fee. */
  private async bump(entry: OutboxEntry, count: number, baseFee: bigint): Promise<boolean> {
    const { nonce, label } = entry
    const last = entry.attempts.at(-1)!
    this.stuck.delete(nonce)
    if (nonce !== count && last.maxFeePerGas >= baseFee) return false
    if (await this.options.signer.raise(entry, baseFee)) {
      this.counts.bumps++
      return true
    }
    if (last.maxFeePerGas >= baseFee) return false
    this.stuck.add(nonce)
    const progress = this.progressOf(nonce)
    if (Date.now() - progress.toldStuckAtMs >= this.options.policy.bumpAfterMs) {
      progress.toldStuckAtMs = Date.now()
      this.options.onTrouble(
        `${label}: waits for the base fee, ${baseFee} wei a gas, to fall below the cap of ${last.maxFeePerGas}`,
      )
    }
    return false
  }

  /** Nonces that nothing of ours has, below one that waits: the node would never mine what is behind them. */
  private async fillEmpty(count: number): Promise<void> {
    const highest = this.options.outbox.open.at(-1)?.nonce ?? -1
    const empty: number[] = []
    for (let nonce = count; nonce < highest && empty.length <= FILLED_MAX; nonce++)
      if (!this.options.outbox.has(nonce)) empty.push(nonce)
    this.emptyLooks = empty.length > 0 ? this.emptyLooks + 1 : 0
    if (empty.length <= FILLED_MAX) delete this.farSinceMs
    if (this.emptyLooks < LOOKS_IN_A_ROW) return
    if (empty.length > FILLED_MAX) return this.dropFar(count, highest)
    this.emptyLooks = 0
    for (const nonce of empty) {
      await this.options.signer.fill(nonce)
      await this.broadcast(nonce)
    }
  }

  /**
   * Far above the chain's nonce: it is far behind for a while, or it lied when these were signed, and they can
   * never be mined. Should they be after all, the contract takes what they do once.
   */
  private dropFar(count: number, highest: number): void {
    if (this.farSinceMs === undefined) {
      this.farSinceMs = Date.now()
      this.options.onTrouble(`sender: the chain's nonce is ${count}, and ${highest} waits`)
    }
    if (Date.now() - this.farSinceMs < this.lostAfterMs) return
    for (const { nonce, label } of this.options.outbox.open)
      if (nonce > count + FILLED_MAX) this.drop(nonce, label)
  }

  private drop(nonce: number, label: string): void {
    this.forget(nonce)
    this.options.outbox.remove(nonce)
    this.options.onTaken(nonce, label)
  }

  private progressOf(nonce: number): Progress {
    const known = this.progress.get(nonce) ?? { sentAtMs: 0, resendMs: RESEND_MS, toldStuckAtMs: 0 }
    this.progress.set(nonce, known)
    return known
  }

  /** Sends an entry, unless a look has done so meanwhile. */
  async first(nonce: number): Promise<void> {
    if (this.progressOf(nonce).sentAtMs === 0) await this.broadcast(nonce)
  }

  private async broadcast(nonce: number): Promise<void> {
    const entry = this.options.outbox.at(nonce)!
    this.progressOf(nonce).sentAtMs = Date.now()
    try {
      await this.options.client.sendRawTransaction({ serializedTransaction: entry.attempts.at(-1)!.raw })
    } catch (error) {
      // The receipt decides, and the looks send again. That the node has it already is no trouble.
      const text = `${chainErrorText(error)} ${error instanceof BaseError ? error.details : ''}`
      if (!IS_KNOWN.test(text)) this.options.onTrouble(`${entry.label}: send: ${text}`)
    }
    this.options.onStep('sent', entry.label)
  }
}
