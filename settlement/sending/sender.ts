/**
 * Sends transactions of one key so that each takes effect once: signed bytes and nonce are durable before
 * the first send, a restart sends the same bytes again, a stuck one gets a higher fee on the same nonce, and
 * what a reorganisation took back is sent again with the same bytes. Used by post.ts and forced.ts.
 *
 * Invariant: the outbox holds every transaction that may still be mined, and every mined one until it is
 * `KEPT_BLOCKS` deeper than its confirmations. No nonce below a signed one stays empty: where none of ours
 * has it, a transfer of nothing to ourselves takes it.
 */
import type { Account, Address, Hex, PublicClient, TransactionReceipt } from 'viem'
import { chainErrorText } from '../chain/chain.js'
import { LOOKS_IN_A_ROW, SEND_IDLE_POLLS, SEND_POLL_MS, SEND_RETRY_MS_MAX } from '../limits.js'
import { pauseFor } from '../chain/patience.js'
import { defaultFees, type FeePolicy } from './gas-fees.js'
import { OutboxWatch } from './outbox-watch.js'
import { Outbox } from './outbox.js'
import { TransactionSigner, TransactionReverted } from './signer.js'
import { isNoRoom, type BatchStore, type OutboxEntry } from '../store/store.js'

export { TransactionReverted } from './signer.js'

/** What happened to a transaction, in the order in which it can: "lost" leads back to "sent". */
export type SenderStep = 'signed' | 'sent' | 'mined' | 'lost'

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
  /**
   * After so long without a receipt a taken nonce counts as somebody else's, and one far above the chain's as
   * never to be mined; a minute unless given.
   */
  readonly lostAfterMs?: number
  /** Called after each durable step; tests stop the process here. */
  readonly onStep?: (step: SenderStep, label: string) => void
  readonly onTrouble?: (text: string) => void
  /** The outbox cannot be written, for want of room on the disk: tried again like a network failure. */
  readonly onNoRoom?: (error: unknown) => void
}

/** Figures since the start. */
export interface SenderMetrics {
  /** Signed and not yet confirmed. */
  readonly open: number
  /** Of them, those that wait at the fee cap for the base fee to fall. */
  readonly stuck: number
  readonly bumps: number
  /** Transactions that the chain took back. */
  readonly lost: number
}

/** The nonce is another transaction's, or never will be mined: whoever asked must look at the chain again. */
export class NonceTaken extends Error {
  override readonly name = 'NonceTaken'
}

/** `stop` was called while a transaction was waited for; it stays in the outbox. */
export class SenderStopped extends Error {
  override readonly name = 'SenderStopped'
}

interface Waiter {
  readonly resolve: (receipt: TransactionReceipt) => void
  readonly reject: (error: Error) => void
}

export class Sender {
  private readonly outbox: Outbox
  private readonly signer: TransactionSigner
  private readonly watch: OutboxWatch
  private readonly active = new Map<string, Promise<TransactionReceipt>>()
  /** Who waits for a receipt, by nonce. */
  private readonly waiters = new Map<number, Waiter>()
  private isStopped = false
  private isRunning = false
  private wake: () => void = () => {}
  private isWoken = false

  constructor(private readonly options: SenderOptions) {
    const { client, account, chainId, confirmations, lostAfterMs } = options
    const outbox = new Outbox(options.store)
    const policy = options.fees ?? defaultFees
    this.outbox = outbox
    this.signer = new TransactionSigner({
      client,
      account,
      chainId,
      outbox,
      policy,
      onSigned: (label) => options.onStep?.('signed', label),
    })
    this.watch = new OutboxWatch({
      client,
      address: account.address,
      outbox,
      signer: this.signer,
      policy,
      confirmations,
      lostAfterMs,
      isStopped: () => this.isStopped,
      onStep: (step, label) => options.onStep?.(step, label),
      onTrouble: (text) => options.onTrouble?.(text),
      onReceipt: (nonce, label, receipt) => {
        if (receipt.status === 'success') this.take(nonce)?.resolve(receipt)
        else
          this.refuse(nonce, new TransactionReverted(label, `transaction ${receipt.transactionHash}`, true))
      },
      onTaken: (nonce, label) =>
        this.refuse(nonce, new NonceTaken(`${label}: its nonce ${nonce} is not its own any more`)),
    })
  }

  /** Whether a transaction of this label is signed and not yet confirmed. */
  isOpen(label: string): boolean {
    const entry = this.outbox.find(label)
    return entry !== undefined && entry.mined === undefined
  }

  /** Where a transaction of this label was mined; undefined when it was not, or so deep that it is forgotten. */
  minedAs(label: string): OutboxEntry['mined'] {
    return this.outbox.find(label)?.mined
  }

  metrics(): SenderMetrics {
    return { open: this.outbox.open.length, ...this.watch.figures }
  }

  /**
   * Goes on with everything from before a restart, whether anybody asks for it again or not: a signed
   * transaction that is never sent would leave its nonce empty. Resolves after the first look at the chain,
   * when it is known what it took back meanwhile.
   */
  async resume(): Promise<void> {
    await this.retry('resume', () => this.watch.look(1))
    for (const { label, to, data } of this.outbox.open)
      this.send(label, to, data).catch((error: unknown) => {
        if (!(error instanceof SenderStopped)) this.options.onTrouble?.(chainErrorText(error))
      })
    this.start()
  }

  /**
   * Sends a call, or goes on with the open one of the same label, and resolves with its receipt once it is
   * confirmed. Throws TransactionReverted, NonceTaken or SenderStopped; a network failure is retried for
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
    for (const [nonce, { reject }] of this.waiters)
      reject(new SenderStopped(`${this.outbox.at(nonce)?.label ?? nonce} stays in the outbox`))
    this.waiters.clear()
    this.wakeUp()
  }

  private async run(label: string, to: Address, data: Hex): Promise<TransactionReceipt> {
    // It counted, and is wanted again: the chain has lost it (then it is open again), or undone its effect.
    if (this.outbox.find(label)?.mined !== undefined) await this.retry(label, () => this.watch.look(1))
    if (!this.isOpen(label)) await this.retry(label, () => this.signer.sign(label, to, data))
    const { nonce } = this.outbox.find(label)!
    if (this.isStopped) throw new SenderStopped(`${label} stays in the outbox`)
    const receipt = new Promise<TransactionReceipt>((resolve, reject) =>
      this.waiters.set(nonce, { resolve, reject }),
    )
    receipt.catch(() => undefined)
    await this.watch.first(nonce)
    this.start()
    this.wakeUp()
    return receipt
  }

  private take(nonce: number): Waiter | undefined {
    const waiter = this.waiters.get(nonce)
    this.waiters.delete(nonce)
    return waiter
  }

  private refuse(nonce: number, error: Error): void {
    const waiter = this.take(nonce)
    if (waiter === undefined) this.options.onTrouble?.(error.message)
    else waiter.reject(error)
  }

  private start(): void {
    if (this.isRunning) return
    this.isRunning = true
    void this.loop()
  }

  private async loop(): Promise<void> {
    const { pollMs = SEND_POLL_MS } = this.options
    let pause = pollMs
    while (!this.isStopped) {
      try {
        if (!this.outbox.isEmpty) await this.watch.look(LOOKS_IN_A_ROW)
        const isIdle = this.outbox.open.length === 0 && !this.watch.isSuspicious
        pause = isIdle ? pollMs * SEND_IDLE_POLLS : pollMs
      } catch (error) {
        this.tell('sender', error)
        pause = Math.min(pause * 2, SEND_RETRY_MS_MAX)
      }
      await this.nap(pause)
    }
  }

  private wakeUp(): void {
    this.isWoken = true
    this.wake()
  }

  private async nap(milliseconds: number): Promise<void> {
    if (!this.isWoken)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    this.isWoken = false
  }

  private tell(label: string, error: unknown): void {
    const { onNoRoom, onTrouble } = this.options
    if (onNoRoom !== undefined && isNoRoom(error)) onNoRoom(error)
    else onTrouble?.(`${label}: ${chainErrorText(error)}`)
  }

  private async retry(label: string, work: () => Promise<void>): Promise<void> {
    for (let pause = this.options.pollMs ?? SEND_POLL_MS; ; pause = Math.min(pause * 2, SEND_RETRY_MS_MAX)) {
      if (this.isStopped) throw new SenderStopped(label)
      try {
        return await work()
      } catch (error) {
        if (error instanceof TransactionReverted) throw error
        this.tell(label, error)
        await pauseFor(pause, () => this.isStopped)
      }
    }
  }
}
