/**
 * What the wallet signs for the exchange: approvals of session keys, revocations, withdrawals. Each message
 * carries a nonce above every one that the exchange has seen of this account, by the exchange's own word
 * and clock, never by this machine's; and a deadline, after which it is worth nothing.
 *
 * Invariants: a message that was refused because another program's came first is signed again; one whose
 * answer was lost is never signed again before it is known that it was not and will not be taken. Called by
 * client.ts.
 */
import { Reject } from '../../engine/codes.js'
import { SESSION_MS, SESSION_MS_MIN, SIGN_AGAIN_MAX, WALLET_DEADLINE_MS } from '../limits.js'
import type { ClientOptions } from './client-types.js'
import { ExchangeError, GlassbookError, OutcomeUnknownError, TransportError } from '../base/errors.js'
import { type Wallet, walletOf } from './wallet.js'
import { toHex } from '../wire/bytes.js'
import { ErrorCode, rejectToCode } from '../wire/codes.js'
import { readObject, readSafeInt } from '../wire/fields.js'
import { Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'
import { walletDomain, type walletTypes } from '../wire/signed.js'

const UNKNOWN_SESSION = new Set<number>([ErrorCode.UnknownSession, rejectToCode(Reject.UnknownSession)])
/** Refusals that a newer nonce and deadline mend. */
const OVERTAKEN = new Set<number>([
  rejectToCode(Reject.ApprovalNonceUsed),
  rejectToCode(Reject.WithdrawalNonceUsed),
  rejectToCode(Reject.DeadlinePassed),
])

/** What this needs of the client. */
export interface WalletLine {
  readonly wallet: ClientOptions['wallet']
  /** Of the hello. */
  domain(): { readonly chainId: number; readonly vault: `0x${string}` }
  call(
    method: Method,
    params: readonly WireValue[],
    options?: { readonly command?: boolean },
  ): Promise<WireValue>
  /** Whether a connection that breaks now will be made again. */
  comesBack(): boolean
  whenOpen(): Promise<void>
  /** What the wallet answers. @throws TransportError when the client is closed first. */
  signed<Value>(answer: Promise<Value>): Promise<Value>
}

export interface WantedApproval {
  readonly account: number
  readonly publicKey: Uint8Array
  /** Bits of Scope. */
  readonly scopes: number
  readonly maxNotional: number
  /** A day from now, by the exchange's clock, when it is not given. */
  readonly expiresAtMs: number | undefined
}

interface Stamp {
  readonly nonce: number
  readonly deadlineMs: number
  readonly timeMs: number
}

type Refusal = (error: unknown) => boolean

export class WalletMessages {
  readonly #line: WalletLine
  /** Highest nonces signed here, by account. */
  readonly #approvals = new Map<number, number>()
  readonly #withdrawals = new Map<number, number>()

  constructor(line: WalletLine) {
    this.#line = line
  }

  /** The approval of the key's live session if its terms are these, else of a new one that the wallet signs. */
  async session(terms: WantedApproval): Promise<number> {
    return (await this.#live(terms)) ?? this.approve(terms)
  }

  async #live(terms: WantedApproval): Promise<number | undefined> {
    const { account, publicKey, scopes, maxNotional, expiresAtMs } = terms
    try {
      const live = readObject(await this.#line.call(Method.Session, [account, publicKey]), 'session')
      if (live['scopes'] !== scopes || live['maxNotional'] !== maxNotional) return undefined
      const endsAtMs = readSafeInt(live['expiresAtMs'], 'expiresAtMs')
      const wanted =
        expiresAtMs === undefined
          ? endsAtMs >= readSafeInt(live['timeMs'], 'timeMs') + SESSION_MS_MIN
          : endsAtMs === expiresAtMs
      return wanted ? readSafeInt(live['approval'], 'approval') : undefined
    } catch (error) {
      if (error instanceof GlassbookError && UNKNOWN_SESSION.has(error.code)) return undefined
      throw error
    }
  }

  /** Lets the wallet approve a session key; answers with the approval that names the session. */
  async approve({ account, publicKey, scopes, maxNotional, expiresAtMs }: WantedApproval): Promise<number> {
    const wallet = await this.#line.signed(walletOf(this.#line.wallet))
    return this.#signUntilTaken(this.#approvals, account, async (stamp) => {
      const { nonce, deadlineMs } = stamp
      const endsAtMs = expiresAtMs ?? stamp.timeMs + SESSION_MS
      const signature = await this.#sign(wallet, 'ApproveSession', {
        account,
        publicKey: toHex(publicKey),
        scopes,
        maxNotional: BigInt(maxNotional),
        expiresAt: BigInt(endsAtMs),
        nonce: BigInt(nonce),
        deadline: BigInt(deadlineMs),
      })
      const params = [account, publicKey, scopes, maxNotional, endsAtMs, nonce, deadlineMs, signature]
      // Sent again after a lost answer, the very same approval answers with the session that it made.
      const answer = await this.#untilAnswered(Method.ApproveSession, params)
      return readSafeInt(readObject(answer, 'session')['approval'], 'approval')
    })
  }

  /** Ends the session that an approval made. */
  async revoke(account: number, approval: number): Promise<void> {
    const wallet = await this.#line.signed(walletOf(this.#line.wallet))
    await this.#signUntilTaken(this.#approvals, account, async ({ nonce, deadlineMs }) => {
      const signature = await this.#sign(wallet, 'RevokeSession', {
        account,
        approval: BigInt(approval),
        nonce: BigInt(nonce),
        deadline: BigInt(deadlineMs),
      })
      let lost = false
      // Of a revocation sent again the exchange says that the session is gone: the first one was taken.
      const isDone: Refusal = (error) =>
        lost && error instanceof GlassbookError && UNKNOWN_SESSION.has(error.code)
      const params = [account, approval, nonce, deadlineMs, signature]
      await this.#untilAnswered(Method.RevokeSession, params, () => (lost = true)).catch((error: unknown) => {
        if (!isDone(error)) throw error
      })
    })
  }

  /**
   * Asks for a withdrawal that costs at most `maxFee` beyond its units. @throws OutcomeUnknownError when the connection breaks before the answer; its
   * `outcome` asks for it by its nonce: what was taken, or it rejects with NotTaken (it was not taken and never
   * will be), OutcomeUnknown (the exchange tells no more), or what the exchange refuses it for.
   */
  async withdraw(account: number, asset: number, units: number, maxFee: number): Promise<TakenWithdrawal> {
    const wallet = await this.#line.signed(walletOf(this.#line.wallet))
    return this.#signUntilTaken(this.#withdrawals, account, async ({ nonce, deadlineMs }) => {
      const signature = await this.#sign(wallet, 'Withdraw', {
        account,
        asset,
        units: BigInt(units),
        maxFee: BigInt(maxFee),
        nonce: BigInt(nonce),
        deadline: BigInt(deadlineMs),
      })
      const request = { account, asset, units, maxFee, nonce, deadlineMs, signature }
      try {
        return await this.#sendWithdrawal(request)
      } catch (error) {
        if (error instanceof OutcomeUnknownError) {
          error.outcome = this.#withdrawalOutcome(request)
          error.outcome.catch(() => {})
        }
        throw error
      }
    })
  }

  async #sendWithdrawal(request: SignedWithdrawal): Promise<TakenWithdrawal> {
    const { account, asset, units, maxFee, nonce, deadlineMs, signature } = request
    const params = [account, asset, units, maxFee, nonce, deadlineMs, signature]
    return takenOf(
      readObject(await this.#line.call(Method.Withdraw, params, { command: true }), 'withdrawal'),
      request,
    )
  }

  async #withdrawalOutcome(request: SignedWithdrawal): Promise<TakenWithdrawal> {
    const { account, asset, units, nonce, deadlineMs } = request
    for (;;) {
      await this.#line.whenOpen()
      try {
        const told = readObject(await this.#line.call(Method.Withdrawal, [account, nonce]), 'withdrawal')
        if (told['state'] === 'taken') {
          // Another program of this wallet may have used the same nonce.
          if (told['asset'] !== asset || told['units'] !== units) throw notTaken()
          return takenOf(told, request)
        }
        if (told['state'] !== 'notTaken') throw noLongerTold()
        const isOver =
          readSafeInt(told['timeMs'], 'timeMs') > deadlineMs ||
          readSafeInt(told['highest'], 'highest') > nonce
        if (isOver) throw notTaken()
        // It may still be on its way: the same request again is taken once only.
        return await this.#sendWithdrawal(request)
      } catch (error) {
        const asksAgain =
          error instanceof OutcomeUnknownError ||
          error instanceof TransportError ||
          (error instanceof GlassbookError && OVERTAKEN.has(error.code))
        if (!asksAgain) throw error
      }
    }
  }

  /** Signs and sends, and signs anew while another message of this wallet comes first. */
  async #signUntilTaken<T>(
    signed: Map<number, number>,
    account: number,
    attempt: (stamp: Stamp) => Promise<T>,
  ): Promise<T> {
    for (let overtaken = 0; ; overtaken++) {
      const stamp = await this.#stamp(signed, account)
      try {
        return await attempt(stamp)
      } catch (error) {
        const isOvertaken = error instanceof GlassbookError && OVERTAKEN.has(error.code)
        if (!isOvertaken || overtaken === SIGN_AGAIN_MAX) throw error
      }
    }
  }

  /** The next nonce by the exchange's word and clock; its low digits are random, so that two programs rarely meet. */
  async #stamp(signed: Map<number, number>, account: number): Promise<Stamp> {
    const answer = readObject(await this.#line.call(Method.Nonces, [account]), 'nonces')
    const timeMs = readSafeInt(answer['timeMs'], 'timeMs')
    const name = signed === this.#approvals ? 'approval' : 'withdrawal'
    const nonce = Math.max(
      timeMs * 1000 + Math.floor(Math.random() * 1000),
      readSafeInt(answer[name], name) + 1,
      (signed.get(account) ?? 0) + 1,
    )
    signed.set(account, nonce)
    return { nonce, timeMs, deadlineMs: timeMs + WALLET_DEADLINE_MS }
  }

  /** Sends a request, again after each connection that broke before its answer. */
  async #untilAnswered(
    method: Method,
    params: readonly WireValue[],
    onLost: () => void = () => {},
  ): Promise<WireValue> {
    for (;;) {
      try {
        return await this.#line.call(method, params)
      } catch (error) {
        if (!(error instanceof TransportError) || !this.#line.comesBack()) throw error
        onLost()
        await this.#line.whenOpen()
      }
    }
  }

  #sign(
    wallet: Wallet,
    primaryType: keyof typeof walletTypes,
    message: Readonly<Record<string, unknown>>,
  ): Promise<Uint8Array> {
    const { chainId, vault } = this.#line.domain()
    return this.#line.signed(wallet.sign({ domain: walletDomain(chainId, vault), primaryType, message }))
  }
}

/** A withdrawal that the exchange took; `fee` = the units that the account paid for it beyond its own. */
export interface TakenWithdrawal {
  readonly seq: number
  readonly fee: number
}

/** @throws ExchangeError when it cost more than was signed. */
function takenOf(
  told: Readonly<Record<string, WireValue | undefined>>,
  { maxFee }: SignedWithdrawal,
): TakenWithdrawal {
  const seq = readSafeInt(told['seq'], 'seq')
  const fee = readSafeInt(told['fee'], 'fee')
  if (fee > maxFee)
    throw new ExchangeError(
      `the exchange took a fee of ${fee} units for withdrawal ${seq}, and ${maxFee} were signed; keep both, and do not trust the exchange`,
      { code: ErrorCode.BadSignature },
    )
  return { seq, fee }
}

interface SignedWithdrawal {
  readonly account: number
  readonly asset: number
  readonly units: number
  readonly maxFee: number
  readonly nonce: number
  readonly deadlineMs: number
  readonly signature: Uint8Array
}

const notTaken = (): ExchangeError =>
  new ExchangeError('the withdrawal was lost before the exchange took it, and never will be taken', {
    code: ErrorCode.NotTaken,
  })

const noLongerTold = (): ExchangeError =>
  new ExchangeError('the exchange no longer tells what became of the withdrawal', {
    code: ErrorCode.OutcomeUnknown,
  })
