/**
 * Signatures of wallets, checked one after the other in a worker of this gateway thread. Questions wait in
 * turns of networks and addresses (fair-queue.ts): who sends many waits behind its own, and what is too much of who
 * has most gives way (what an address may ask in a time, the request budgets bound).
 *
 * What one account's wallet may have taken is bounded too. A message is charged to it once, after its signature
 * was found good and its nonce and deadline still stood: whoever sends it again, or one that is over, spends
 * nobody's budget but the address's own.
 *
 * Called by session-requests.ts; the worker is started with the first question and does not keep the thread alive.
 */
import { Worker } from 'node:worker_threads'
import type { TypedDataDomain } from 'viem'
import { ErrorCode } from '../../sdk/wire/codes.js'
import type { walletTypes } from '../../sdk/wire/signed.js'
import { type Rate, ToldBudget, ofAccount } from '../limits/budgets.js'
import { turnPath } from '../limits/addresses.js'
import { FairQueue } from '../limits/fair-queue.js'
import { RequestError } from '../protocol/request-error.js'
import {
  CHARGED_ACCOUNTS_MAX,
  CHARGED_KEPT,
  WALLET_CHECKS_PER_IP,
  WALLET_CHECKS_WAITING,
  WALLET_RATE,
} from '../limits.js'

export interface WalletMessage {
  readonly domain: TypedDataDomain
  readonly primaryType: keyof typeof walletTypes
  readonly message: Readonly<Record<string, unknown>>
  readonly signature: Uint8Array
}

export interface WalletQuestion extends WalletMessage {
  readonly ticket: number
}

export interface WalletAnswer {
  readonly ticket: number
  /** Address in lower case; '' = of no key. */
  readonly signer: string
}

/** A wallet's message that was found good, by what makes it different from any other. */
export interface WalletNonce {
  readonly account: number
  readonly row: 'approval' | 'withdrawal'
  readonly nonce: number
}

interface Waiting {
  readonly ip: string
  readonly message: WalletMessage
  readonly resolve: (signer: string) => void
  readonly reject: (error: Error) => void
}

export class WalletChecks {
  readonly #queue = new FairQueue<Waiting>(WALLET_CHECKS_WAITING, WALLET_CHECKS_PER_IP)
  readonly #accounts: ToldBudget<number>
  /** Messages of each account that were charged, oldest first. */
  readonly #charged = new Map<number, string[]>()
  #worker: Worker | undefined
  #asked: Waiting | undefined
  #ticket = 0

  constructor(accountRate: Rate = WALLET_RATE) {
    this.#accounts = new ToldBudget(accountRate, ErrorCode.RateLimited, 'wallet message', ofAccount)
  }

  /** Whether `owner` signed the message. @throws RequestError when too many wait. */
  async isSignedBy(owner: string, ip: string, message: WalletMessage): Promise<boolean> {
    return (await this.#signer(ip, message)) === owner.toLowerCase()
  }

  /**
   * Takes a message from its account's budget, the first time; to be called for one that its wallet has signed and
   * that may still act. @throws RequestError when the budget is spent.
   */
  charge({ account, row, nonce }: WalletNonce): void {
    const name = `${row} ${nonce}`
    const charged = this.#charged.get(account) ?? []
    if (charged.includes(name)) return
    const refused = this.#accounts.pay(account, 1, performance.now())
    if (refused !== undefined) throw new RequestError(refused.code, refused.message, refused.retryAfter)
    charged.push(name)
    if (charged.length > CHARGED_KEPT) charged.shift()
    this.#charged.delete(account)
    this.#charged.set(account, charged)
    if (this.#charged.size > CHARGED_ACCOUNTS_MAX) this.#charged.delete(this.#charged.keys().next().value!)
  }

  #signer(ip: string, message: WalletMessage): Promise<string> {
    return new Promise((resolve, reject) => {
      const out = this.#queue.push(turnPath(ip), { ip, message, resolve, reject })
      if (out !== undefined)
        out.reject(
          new RequestError(
            ErrorCode.IpRateLimited,
            `too many wallets' messages of ${out.ip} wait, at most ${WALLET_CHECKS_PER_IP}, and fewer where others wait too`,
            1000,
          ),
        )
      this.#next()
    })
  }

  /** Asks for the oldest message of the address whose turn it is. */
  #next(): void {
    if (this.#asked !== undefined) return
    const next = this.#queue.shift()
    if (next === undefined) return
    this.#asked = next
    this.#start().postMessage({ ...next.message, ticket: ++this.#ticket } satisfies WalletQuestion)
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./wallet-thread.js', import.meta.url))
    this.#worker = worker
    worker.on('message', ({ ticket, signer }: WalletAnswer) => {
      if (ticket !== this.#ticket) return
      const asked = this.#asked
      this.#asked = undefined
      asked?.resolve(signer)
      this.#next()
    })
    worker.on('error', (error) => {
      // The next message starts another one; this one's is refused, for it may be the cause.
      this.#worker = undefined
      const asked = this.#asked
      this.#asked = undefined
      asked?.reject(
        new RequestError(ErrorCode.BadSignature, `the signature cannot be checked: ${error.message}`),
      )
      this.#next()
    })
    // Last: a listener would hold the thread again.
    worker.unref()
    return worker
  }
}
