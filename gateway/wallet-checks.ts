/**
 * Signatures of wallets, checked one after the other in a worker of this gateway thread. Questions wait in a
 * queue for each address, and addresses take turns: who sends many waits behind its own. What an address
 * may have waiting is bounded (what it may ask in a time, the request budgets bound); so is what one account's
 * wallet may have taken, counted once its signature was found good, so that nobody spends another's.
 *
 * Called by auth.ts; the worker is started with the first question and does not keep the thread alive.
 */
import { Worker } from 'node:worker_threads'
import type { TypedDataDomain } from 'viem'
import { WALLET_CHECKS_PER_IP, WALLET_CHECKS_WAITING } from '../engine/limits.js'
import { ErrorCode } from '../sdk/wire/codes.js'
import type { walletTypes } from '../sdk/wire/signed.js'
import { Budget, type Rate } from './budgets.js'
import { RequestError } from './request-error.js'

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

/** Messages of one account's wallet that are taken. */
const ACCOUNT_RATE = { perSecond: 4, burst: 100 }

interface Waiting {
  readonly message: WalletMessage
  readonly resolve: (signer: string) => void
  readonly reject: (error: Error) => void
}

export class WalletChecks {
  readonly #queues = new Map<string, Waiting[]>()
  readonly #accounts: Budget<number>
  #worker: Worker | undefined
  #asked: Waiting | undefined
  #ticket = 0
  #waiting = 0

  constructor(accountRate: Rate = ACCOUNT_RATE) {
    this.#accounts = new Budget(accountRate)
  }

  /**
   * Whether `owner` signed the message for `account`.
   * @throws RequestError when the address or the account has asked too much, or too many wait.
   */
  async isSignedBy(owner: string, account: number, ip: string, message: WalletMessage): Promise<boolean> {
    if ((await this.#signer(ip, message)) !== owner.toLowerCase()) return false
    const retryAfter = this.#accounts.take(account, 1, performance.now())
    if (retryAfter > 0)
      throw new RequestError(
        ErrorCode.RateLimited,
        `the budget of the wallet of account ${account} is spent`,
        retryAfter,
      )
    return true
  }

  #signer(ip: string, message: WalletMessage): Promise<string> {
    const queue = this.#queues.get(ip) ?? []
    if (queue.length >= WALLET_CHECKS_PER_IP)
      throw new RequestError(
        ErrorCode.IpRateLimited,
        `${queue.length} wallets' messages of ${ip} wait, at most ${WALLET_CHECKS_PER_IP}`,
        1000,
      )
    if (this.#waiting >= WALLET_CHECKS_WAITING)
      throw new RequestError(
        ErrorCode.EngineBusy,
        `${this.#waiting} wallets' messages wait, at most ${WALLET_CHECKS_WAITING}`,
        1000,
      )
    return new Promise((resolve, reject) => {
      queue.push({ message, resolve, reject })
      this.#queues.set(ip, queue)
      this.#waiting++
      this.#next()
    })
  }

  /** Asks for the oldest message of the address whose turn it is. */
  #next(): void {
    if (this.#asked !== undefined) return
    for (const [ip, queue] of this.#queues) {
      const next = queue.shift()!
      // Its next turn is behind everybody else's.
      this.#queues.delete(ip)
      if (queue.length > 0) this.#queues.set(ip, queue)
      this.#waiting--
      this.#asked = next
      this.#start().postMessage({ ...next.message, ticket: ++this.#ticket } satisfies WalletQuestion)
      return
    }
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
