/**
 * The client of an exchange: typed calls for every method, over the connection of client-core.ts.
 */
import type { Account, Address } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { CommandKind, Reject, Scope } from '../engine/codes.js'
import { ClientCore } from './client-core.js'
import type { BalanceView, ClientOptions, CommandResult, Session, VerifiedBalance } from './client-types.js'
import { fromUnits, toUnits } from './decimals.js'
import {
  AuthenticationError,
  ExchangeError,
  GlassbookError,
  InputError,
  OutcomeUnknownError,
  TransportError,
  VerificationError,
} from './errors.js'
import { LocalBook } from './local-book.js'
import {
  type AmendOrder,
  type CancelAllOrders,
  type CancelOrder,
  type PlaceOrder,
  amendCommand,
  cancelAllCommand,
  cancelCommand,
  placeCommand,
} from './orders.js'
import { readProof, rootOf } from './proof.js'
import { type SessionKey, createSessionKey } from './session-key.js'
import type { StreamListener } from './subscription.js'
import {
  BalanceTracker,
  FillTracker,
  OrderTracker,
  type TrackedFill,
  type TrackedOrder,
  readFill,
  readLiveOrder,
} from './trackers.js'
import { fromHex, toHex } from './wire/bytes.js'
import { ErrorCode, rejectToCode } from './wire/codes.js'
import type { WireCommand } from './wire/commands.js'
import { readArray, readObject, readSafeInt, readString } from './wire/fields.js'
import { type CandleInterval, Method, StreamName } from './wire/layout.js'
import type { WireValue } from './wire/msgpack.js'
import { walletDomain, walletTypes } from './wire/signed.js'
const APPROVAL_NONCE_USED = rejectToCode(Reject.ApprovalNonceUsed)
const WITHDRAWAL_NONCE_USED = rejectToCode(Reject.WithdrawalNonceUsed)

const CHAIN_STATES = ['none', 'committed', 'proven', 'final'] as const

export class Client extends ClientCore {
  readonly #trackers = new Map<string, Promise<unknown>>()

  // ---- who

  #wallet(): { address: Address; sign: (typed: TypedData) => Promise<`0x${string}`> } {
    const { wallet } = this.options
    if (wallet === undefined) throw new InputError('this needs a wallet', { code: ErrorCode.BadParams })
    if ('account' in wallet && wallet.account !== undefined) {
      const { account } = wallet
      return {
        address: account.address,
        sign: (typed) => wallet.signTypedData({ account, ...typed } as never),
      }
    }
    const local = wallet as Pick<Extract<Account, { type: 'local' }>, 'address' | 'signTypedData'>
    return { address: local.address, sign: (typed) => local.signTypedData(typed as never) }
  }

  /** The account of an owner; of the wallet when no address is given. @throws AuthenticationError when it has none. */
  async account(owner?: Address): Promise<number> {
    const answer = readObject(await this.call(Method.Account, [owner ?? this.#wallet().address]), 'account')
    return readSafeInt(answer['account'], 'account')
  }

  #walletDomain() {
    const { hello } = this
    return walletDomain(hello.chainId, hello.vault)
  }

  /**
   * Makes a session key, lets the wallet approve it, and logs on with it.
   * `maxNotional` bounds one order in quote units, 0 = none; `expiresAtMs` is a day from now by default.
   */
  async createSession(
    options: {
      readonly key?: SessionKey
      readonly scopes?: readonly ('read' | 'trade' | 'withdrawRequest')[]
      readonly maxNotional?: number
      readonly expiresAtMs?: number
      readonly account?: number
    } = {},
  ): Promise<Session> {
    const wallet = this.#wallet()
    const key = options.key ?? (await createSessionKey())
    const account = options.account ?? (await this.account())
    const names = options.scopes ?? ['read', 'trade']
    const scopes = names.reduce(
      (bits, name) =>
        bits | (name === 'read' ? Scope.Read : name === 'trade' ? Scope.Trade : Scope.WithdrawRequest),
      0,
    )
    const maxNotional = options.maxNotional ?? 0
    const expiresAtMs = options.expiresAtMs ?? Date.now() + 86_400_000
    const approval = async (): Promise<WireValue[]> => {
      const nonce = this.nextWalletNonce()
      const signature = await wallet.sign({
        domain: this.#walletDomain(),
        types: walletTypes,
        primaryType: 'ApproveSession',
        message: {
          account,
          publicKey: toHex(key.publicKey),
          scopes,
          maxNotional: BigInt(maxNotional),
          expiresAt: BigInt(expiresAtMs),
          nonce: BigInt(nonce),
        },
      })
      return [account, key.publicKey, scopes, maxNotional, expiresAtMs, nonce, signatureBytes(signature)]
    }
    let params = await approval()
    for (let overtaken = 0; ;) {
      try {
        const answer = readObject(await this.call(Method.ApproveSession, params), 'session')
        const session = { slot: readSafeInt(answer['session'], 'session'), account, key }
        await this.enter(session)
        return session
      } catch (error) {
        if (error instanceof AuthenticationError && error.code === APPROVAL_NONCE_USED && overtaken < 5) {
          // Another approval of this wallet, made later, came first: nonces only grow.
          overtaken++
          params = await approval()
        } else if (error instanceof TransportError && this.comesBack) {
          // The same approval may be sent again: a key has one session.
          await this.whenOpen()
        } else throw error
      }
    }
  }

  // ---- trading

  /** Places one order. @throws OrderError when the engine refuses it. */
  async placeOrder(order: PlaceOrder): Promise<CommandResult> {
    return single(await this.sendFrame([this.place(order)]))
  }

  /** Changes price or total size of a live order; a smaller size keeps its place. @throws OrderError */
  async amendOrder(amend: AmendOrder): Promise<CommandResult> {
    return single(await this.sendFrame([this.amend(amend)]))
  }

  /** @throws OrderError when the order is not live. */
  async cancelOrder(cancel: CancelOrder): Promise<CommandResult> {
    return single(await this.sendFrame([this.cancel(cancel)]))
  }

  /** Cancels the account's orders, of a market or side if given; answers with how many. */
  async cancelAll(options: CancelAllOrders = {}): Promise<number> {
    return single(await this.sendFrame([this.cancelAllOf(options)])).count
  }

  /** Commands for `batch`; the SDK chooses the client order id where none is given. */
  place(order: PlaceOrder): WireCommand {
    return placeCommand(order, this.markets.market(order.market), order.cloid ?? this.nextCloid())
  }
  amend(amend: AmendOrder): WireCommand {
    return amendCommand(amend, this.markets.market(amend.market))
  }
  cancel(cancel: CancelOrder): WireCommand {
    return cancelCommand(cancel, this.markets.market(cancel.market))
  }
  cancelAllOf(options: CancelAllOrders = {}): WireCommand {
    const { market } = options
    return cancelAllCommand(options, market === undefined ? undefined : this.markets.market(market))
  }

  /** Sends commands together, mixed as you like; each result carries its own error. */
  async batch(commands: readonly WireCommand[]): Promise<CommandResult[]> {
    return this.sendFrame(commands)
  }

  // ---- streams

  subscribeBook(market: number | string, listener: StreamListener, depth?: 5 | 10 | 20 | 50) {
    const { id } = this.markets.market(market)
    return this.subscribe(`${StreamName.Book}:${id}${depth === undefined ? '' : `:${depth}`}`, listener)
  }
  subscribeTrades(market: number | string, listener: StreamListener) {
    return this.subscribe(`${StreamName.Trades}:${this.markets.market(market).id}`, listener)
  }
  subscribeCandles(market: number | string, interval: CandleInterval, listener: StreamListener) {
    return this.subscribe(`${StreamName.Candles}:${this.markets.market(market).id}:${interval}`, listener)
  }
  subscribeOrders(listener: StreamListener) {
    return this.subscribe(StreamName.Orders, listener)
  }
  subscribeFills(listener: StreamListener) {
    return this.subscribe(StreamName.Fills, listener)
  }
  subscribeBalances(listener: StreamListener) {
    return this.subscribe(StreamName.Balances, listener)
  }
  subscribeSettlement(listener: StreamListener) {
    return this.subscribe(StreamName.Settlement, listener)
  }

  /** A market's L2 book that checks and heals itself; returned when its first snapshot is there. */
  trackBook(market: number | string): Promise<LocalBook> {
    const { id } = this.markets.market(market)
    return this.#track(`${StreamName.Book}:${id}`, () => new LocalBook(id))
  }

  /** The account's live orders, kept through disconnects. */
  trackOrders(): Promise<OrderTracker> {
    return this.#track(StreamName.Orders, () => new OrderTracker((cloid) => this.order({ cloid })))
  }

  /** The account's fills since this was first called, each exactly once. */
  trackFills(): Promise<FillTracker> {
    return this.#track(StreamName.Fills, () => new FillTracker())
  }

  /** The account's balances. */
  trackBalances(): Promise<BalanceTracker> {
    return this.#track(StreamName.Balances, () => new BalanceTracker())
  }

  /** The one tracker of a stream, given out when it has taken its first message. */
  #track<T extends { take: StreamListener }>(name: string, create: () => T): Promise<T> {
    const known = this.#trackers.get(name)
    if (known !== undefined) return known as Promise<T>
    const tracker = create()
    const ready = new Promise<T>((resolve, reject) => {
      this.subscribe(name, (message) => {
        const agreed = tracker.take(message)
        resolve(tracker)
        return agreed
      }).catch((error: unknown) => {
        this.#trackers.delete(name)
        reject(error as Error)
      })
    })
    this.#trackers.set(name, ready)
    return ready
  }

  // ---- questions

  /** The account's live orders. */
  async orders(): Promise<TrackedOrder[]> {
    return readArray(await this.call(Method.Orders, []), 'orders', 0, 1_000_000).map(readLiveOrder)
  }

  /** The account's fills with seq above `afterSeq`, oldest first. */
  async fills(options: { readonly afterSeq?: number; readonly limit?: number } = {}): Promise<TrackedFill[]> {
    const answer = readObject(await this.call(Method.Fills, [{ ...options }]), 'fills')
    return readArray(answer['fills'], 'fills', 0, 100_000).map(readFill)
  }

  /** Latest trades as [seq, index, ticks, lots, takerSide, timeMs], newest last. */
  async trades(market: number | string, limit = 100): Promise<number[][]> {
    return (await this.call(Method.Trades, [this.markets.market(market).id, limit])) as unknown as number[][]
  }

  /** Latest candles as [startMs, open, high, low, close, lots, quoteUnits, trades, lastSeq], newest last. */
  async candles(market: number | string, interval: CandleInterval, limit = 100): Promise<number[][]> {
    const { id } = this.markets.market(market)
    return (await this.call(Method.Candles, [id, interval, limit])) as unknown as number[][]
  }

  /** Cancels all of the account's orders when this connection ends. */
  async cancelOnDisconnect(on: boolean): Promise<void> {
    await this.call(Method.CancelOnDisconnect, [on])
  }

  /** Dead-man switch: all orders are cancelled `afterMs` from now unless this is called again; 0 = off. */
  async cancelAfter(afterMs: number): Promise<void> {
    const atMs = afterMs === 0 ? 0 : (await this.time()) + afterMs
    single(await this.sendFrame([{ kind: CommandKind.CancelAfter, atMs }]))
  }

  /** Market-maker protection: pulls all quotes of a market after that much was filled in a window; 0 = no such bound. */
  async setProtection(
    market: number | string,
    { windowMs, fills = 0, notionalUnits = 0 }: { windowMs: number; fills?: number; notionalUnits?: number },
  ): Promise<void> {
    const { id } = this.markets.market(market)
    single(
      await this.sendFrame([{ kind: CommandKind.SetProtection, market: id, windowMs, fills, notionalUnits }]),
    )
  }

  /** Allows quoting again after protection has pulled it. */
  async resetProtection(market: number | string): Promise<void> {
    single(
      await this.sendFrame([{ kind: CommandKind.ResetProtection, market: this.markets.market(market).id }]),
    )
  }

  /** Ends a session for good; signed by the wallet. */
  async revokeSession(slot: number, account?: number): Promise<void> {
    const wallet = this.#wallet()
    const owned = account ?? this.session?.account ?? (await this.account())
    const nonce = this.nextWalletNonce()
    const signature = await wallet.sign({
      domain: this.#walletDomain(),
      types: walletTypes,
      primaryType: 'RevokeSession',
      message: { account: owned, session: slot, nonce: BigInt(nonce) },
    })
    await this.call(Method.RevokeSession, [owned, slot, nonce, signatureBytes(signature)])
  }

  async time(): Promise<number> {
    return readSafeInt(await this.call(Method.Time, []), 'time')
  }

  /** L2 book, best first; levels are [ticks, lots, orders]. */
  async depth(
    market: number | string,
    depth = 10,
  ): Promise<{ bids: number[][]; asks: number[][]; seq: number }> {
    const answer = readObject(await this.call(Method.Depth, [this.markets.market(market).id, depth]), 'depth')
    const [bids, asks] = readArray(answer['levels'], 'levels', 2, 2)
    return { bids: bids as number[][], asks: asks as number[][], seq: readSafeInt(answer['seq'], 'seq') }
  }

  async balances(): Promise<BalanceView[]> {
    const rows = readArray(await this.call(Method.Balances, []), 'balances', 0, 64)
    return rows.map((row) => {
      const [id, available, reserved] = readArray(row, 'balance', 3, 8)
      const asset = this.markets.asset(readSafeInt(id, 'asset'))
      const availableUnits = readSafeInt(available, 'available')
      const reservedUnits = readSafeInt(reserved, 'reserved')
      return {
        asset,
        available: fromUnits(availableUnits, asset),
        reserved: fromUnits(reservedUnits, asset),
        availableUnits,
        reservedUnits,
      }
    })
  }

  // ---- custody

  /**
   * Asks for a withdrawal of `amount` (decimal string of tokens, or bigint of atoms), signed by the
   * wallet. It becomes claimable on-chain once its batch is proven.
   * @throws OutcomeUnknownError when the connection breaks before the answer; its `outcome` sends the same
   * signed request again, which the exchange takes once only: { seq }, or { seq: 0 } when it (or a later
   * withdrawal of this wallet) had been taken before; rejects with what the exchange refuses it for.
   */
  async requestWithdrawal(options: {
    readonly asset: number | string
    readonly amount: string | bigint
    readonly account?: number
  }): Promise<{ seq: number }> {
    const wallet = this.#wallet()
    const asset = this.markets.asset(options.asset)
    const units = toUnits(options.amount, asset)
    const account = options.account ?? this.session?.account ?? (await this.account())
    const nonce = this.nextWalletNonce()
    const signature = await wallet.sign({
      domain: this.#walletDomain(),
      types: walletTypes,
      primaryType: 'Withdraw',
      message: { account, asset: asset.id, units: BigInt(units), nonce: BigInt(nonce) },
    })
    const params = [account, asset.id, units, nonce, signatureBytes(signature)]
    try {
      return await this.#withdraw(params)
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        error.outcome = this.#withdrawAgain(params)
        error.outcome.catch(() => {})
      }
      throw error
    }
  }

  async #withdraw(params: readonly WireValue[]): Promise<{ seq: number }> {
    const answer = await this.call(Method.Withdraw, params, { command: true })
    return { seq: readSafeInt(readObject(answer, 'withdrawal')['seq'], 'seq') }
  }

  /** The very same request once more: its nonce lets it be taken once only. */
  async #withdrawAgain(params: readonly WireValue[]): Promise<{ seq: number }> {
    for (;;) {
      await this.whenOpen()
      try {
        return await this.#withdraw(params)
      } catch (error) {
        if (error instanceof GlassbookError && error.code === WITHDRAWAL_NONCE_USED) return { seq: 0 }
        if (!(error instanceof OutcomeUnknownError || error instanceof TransportError)) throw error
      }
    }
  }

  /**
   * Fetches the proof of a balance, hashes it to a root, and compares that with the root which the
   * settlement contract holds for the batch. Trusts the chain only.
   * @throws VerificationError when they differ; ExchangeError while no batch has been posted.
   */
  async verifyBalance(options: {
    readonly asset: number | string
    readonly account?: number
  }): Promise<VerifiedBalance> {
    const { publicClient } = this.options
    if (publicClient === undefined) {
      throw new InputError('verifyBalance reads the chain: give createClient a publicClient', {
        code: ErrorCode.BadParams,
      })
    }
    const asset = this.markets.asset(options.asset)
    const account = options.account ?? this.session?.account ?? (await this.account())
    const proof = readProof(await this.call(Method.Proof, [account, asset.id]))
    if (proof.account !== account || proof.asset !== asset.id) {
      throw new VerificationError('the proof is of another balance', { code: ErrorCode.ProofUnavailable })
    }
    const root = rootOf(account, asset.id, proof.units, proof.siblings)
    const contract = { address: this.hello.settlement, abi: settlementAbi } as const
    const [batch, state] = await Promise.all([
      publicClient.readContract({ ...contract, functionName: 'batchOf', args: [BigInt(proof.batch)] }),
      publicClient.readContract({ ...contract, functionName: 'batchState', args: [BigInt(proof.batch)] }),
    ])
    const chainState = CHAIN_STATES[state]
    if (chainState === undefined || chainState === 'none') {
      throw new ExchangeError(`batch ${proof.batch} is not on the chain`, {
        code: ErrorCode.ProofUnavailable,
      })
    }
    if (batch.newRoot !== root) {
      throw new VerificationError(
        `the proof gives root ${root}, but batch ${proof.batch} on-chain has root ${batch.newRoot}`,
        { code: ErrorCode.ProofUnavailable },
      )
    }
    return {
      asset,
      amount: fromUnits(proof.units, asset),
      units: proof.units,
      batch: proof.batch,
      state: chainState,
      root,
    }
  }
}

/** Makes a client; call `connect` on it. */
export function createClient(options: ClientOptions): Client {
  return new Client(options)
}

interface TypedData {
  readonly domain: ReturnType<typeof walletDomain>
  readonly types: typeof walletTypes
  readonly primaryType: keyof typeof walletTypes
  readonly message: Readonly<Record<string, unknown>>
}

function signatureBytes(signature: string): Uint8Array {
  const bytes = fromHex(readString(signature, 'signature', 400))
  if (bytes?.length !== 65)
    throw new InputError('the wallet gave no 65-byte signature', { code: ErrorCode.BadSignature })
  return bytes
}

function single(results: readonly CommandResult[]): CommandResult {
  const [result] = results
  if (result!.error !== undefined) throw result!.error
  return result!
}
