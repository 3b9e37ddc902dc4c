/**
 * The client of an exchange: typed calls for every method, over the connection of client-core.ts; what is
 * only asked or followed is client-queries.ts's.
 */
import type { Address } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { CommandKind, Reject } from '../engine/codes.js'
import { ClientQueries, SCOPES } from './client-queries.js'
import type { ClientOptions, CommandResult, Session, VerifiedBalance, VerifiedFill } from './client-types.js'
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
import {
  type AmendOrder,
  type CancelAllOrders,
  type CancelOrder,
  type PlaceOrder,
  amendCommand,
  cancelAllCommand,
  cancelCommand,
  checkCommands,
  placeCommand,
  whole,
} from './orders.js'
import { type FillProof, checkFillLeaf, fillsRootOf } from './fill-proof.js'
import { readResults } from './frame-sender.js'
import { readProof, rootOf } from './proof.js'
import { type SessionKey, createSessionKey } from './session-key.js'
import type { TrackedFill } from './trackers.js'
import { unknownResults } from './unknown-outcomes.js'
import { walletOf } from './wallet.js'
import { toHex } from './wire/bytes.js'
import { ErrorCode, rejectToCode } from './wire/codes.js'
import { packJson } from './wire/codec.js'
import { type WireCommand, commandToWire } from './wire/commands.js'
import { readObject, readSafeInt } from './wire/fields.js'
import { Method } from './wire/layout.js'
import { type WireValue, packMsgpack } from './wire/msgpack.js'
import { type Receipt, walletDomain, walletTypes } from './wire/signed.js'
const APPROVAL_NONCE_USED = rejectToCode(Reject.ApprovalNonceUsed)
const WITHDRAWAL_NONCE_USED = rejectToCode(Reject.WithdrawalNonceUsed)

const CHAIN_STATES = ['none', 'committed', 'proven', 'final'] as const

export class Client extends ClientQueries {
  // ---- who

  /** The account of an owner; of the wallet when no address is given. @throws AuthenticationError when it has none. */
  async account(owner?: Address): Promise<number> {
    const answer = readObject(
      await this.call(Method.Account, [owner ?? (await walletOf(this.options.wallet)).address]),
      'account',
    )
    return readSafeInt(answer['account'], 'account')
  }

  #walletDomain() {
    const { hello } = this
    return walletDomain(hello.chainId, hello.vault)
  }

  /**
   * Makes a session key, lets the wallet approve it, and logs on with it.
   * `maxNotional` bounds one order in quote units, 0 = none; `expiresAtMs` is a day of engine time from now by default.
   */
  async createSession(
    options: {
      readonly key?: SessionKey
      readonly scopes?: readonly ('read' | 'trade' | 'withdrawRequest')[]
      readonly maxNotional?: number | bigint
      readonly expiresAtMs?: number
      readonly account?: number
    } = {},
  ): Promise<Session> {
    const wallet = await walletOf(this.options.wallet)
    const key = options.key ?? (await createSessionKey())
    const account = options.account ?? (await this.account(wallet.address))
    const names = options.scopes ?? ['read', 'trade']
    const scopes = SCOPES.reduce((bits, [name, bit]) => (names.includes(name) ? bits | bit : bits), 0)
    const maxNotional = whole(options.maxNotional ?? 0, 'maxNotional')
    const expiresAtMs = whole(options.expiresAtMs ?? (await this.engineTime()) + 86_400_000, 'expiresAtMs')
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
      return [account, key.publicKey, scopes, maxNotional, expiresAtMs, nonce, signature]
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

  /**
   * Changes price or total size (the filled part included) of a live order; the same price and a smaller size
   * keep its place. @throws OrderError when the engine refuses it.
   */
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

  /**
   * Whether the exchange would take an order now, by the engine's own checks; nothing is placed.
   * @throws OrderError, LimitError or RequestError with the code that a real place would get.
   */
  async placeTest(order: PlaceOrder): Promise<void> {
    await this.call(Method.PlaceTest, [commandToWire(this.place(order))])
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

  /**
   * Sends 1 to 64 commands together, mixed as you like, made by `place`, `amend`, `cancel`, `cancelAllOf`;
   * each result carries its own error. @throws what `sendFrame` throws; InputError for a number that is not
   * whole.
   */
  async batch(commands: readonly WireCommand[]): Promise<CommandResult[]> {
    return this.sendFrame(commands)
  }

  /**
   * The same without a signature, where the operator of a private venue takes that. What became of commands
   * whose answer was lost nobody can tell for certain: `outcome` then has OutcomeUnknown (6000) for each,
   * with its order as it stands. @throws AuthenticationError (SignatureRequired) where it is not taken.
   */
  async batchUnsigned(commands: readonly WireCommand[]): Promise<CommandResult[]> {
    checkCommands(commands)
    const wire = commands.map(commandToWire)
    const payload = this.options.encoding === 'json' ? packJson(wire) : packMsgpack(wire)
    try {
      const answer = await this.call(Method.UnsignedFrame, [payload], { command: true })
      return readResults(answer, commands, 0)
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        error.outcome = this.whenOpen().then(() =>
          unknownResults({ order: (cloid) => this.order({ cloid }) }, commands),
        )
        error.outcome.catch(() => {})
      }
      throw error
    }
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

  /**
   * Market-maker protection: pulls all quotes of a market after that much was filled within `windowMs`, and
   * takes none until `resetProtection`. Count of fills, and notional in quote tokens (decimal string, or
   * bigint of atoms) or quote units; absent or 0 = no such bound. @throws OrderError
   */
  async setProtection(
    market: number | string,
    options: {
      readonly windowMs: number
      readonly fills?: number
      readonly notional?: string | bigint
      readonly notionalUnits?: number
    },
  ): Promise<void> {
    const { id, quote } = this.markets.market(market)
    const { windowMs, fills = 0, notional } = options
    const notionalUnits = notional === undefined ? (options.notionalUnits ?? 0) : toUnits(notional, quote)
    const command = { kind: CommandKind.SetProtection, market: id, windowMs, fills, notionalUnits } as const
    single(await this.sendFrame([command]))
  }

  /** Allows quoting again after protection has pulled it. */
  async resetProtection(market: number | string): Promise<void> {
    single(
      await this.sendFrame([{ kind: CommandKind.ResetProtection, market: this.markets.market(market).id }]),
    )
  }

  /** Ends a session for good; signed by the wallet. */
  async revokeSession(slot: number, account?: number): Promise<void> {
    const wallet = await walletOf(this.options.wallet)
    const owned = account ?? this.session?.account ?? (await this.account(wallet.address))
    const nonce = this.nextWalletNonce()
    const signature = await wallet.sign({
      domain: this.#walletDomain(),
      types: walletTypes,
      primaryType: 'RevokeSession',
      message: { account: owned, session: slot, nonce: BigInt(nonce) },
    })
    await this.call(Method.RevokeSession, [owned, slot, nonce, signature])
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
    const wallet = await walletOf(this.options.wallet)
    const asset = this.markets.asset(options.asset)
    const units = toUnits(options.amount, asset)
    const account = options.account ?? this.session?.account ?? (await this.account(wallet.address))
    const nonce = this.nextWalletNonce()
    const signature = await wallet.sign({
      domain: this.#walletDomain(),
      types: walletTypes,
      primaryType: 'Withdraw',
      message: { account, asset: asset.id, units: BigInt(units), nonce: BigInt(nonce) },
    })
    const params = [account, asset.id, units, nonce, signature]
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

  #publicClient(): NonNullable<ClientOptions['publicClient']> {
    const { publicClient } = this.options
    if (publicClient !== undefined) return publicClient
    throw new InputError('this reads the chain: give createClient a publicClient', {
      code: ErrorCode.BadParams,
    })
  }

  async #batchOnChain(publicClient: NonNullable<ClientOptions['publicClient']>, number: number) {
    const contract = { address: this.hello.settlement, abi: settlementAbi } as const
    const [batch, stateCode] = await Promise.all([
      publicClient.readContract({ ...contract, functionName: 'batchOf', args: [BigInt(number)] }),
      publicClient.readContract({ ...contract, functionName: 'batchState', args: [BigInt(number)] }),
    ])
    const state = CHAIN_STATES[stateCode]
    if (state === undefined || state === 'none')
      throw new ExchangeError(`batch ${number} is not on the chain`, { code: ErrorCode.ProofUnavailable })
    return { batch, state }
  }

  /**
   * Checks that one of the account's fills stands in a batch on-chain just as it was told: the leaf is that
   * fill, and its path leads to the `fillsRoot` which the settlement contract holds. The proof is asked of the
   * exchange, or comes from whoever has the journal; nobody need be trusted for it. With the receipt of
   * the order's frame, also that the fill names that very frame as the order's origin.
   * @throws VerificationError when anything differs; ExchangeError when the batch is not on the chain.
   */
  async verifyFill(options: {
    readonly fill: TrackedFill
    /** Asked of the exchange unless both are given. */
    readonly batch?: number
    readonly proof?: FillProof
    readonly account?: number
    readonly receipt?: Receipt
  }): Promise<VerifiedFill> {
    const publicClient = this.#publicClient()
    const { batch: number, proof } =
      options.batch !== undefined && options.proof !== undefined
        ? { batch: options.batch, proof: options.proof }
        : await this.fillProof(options.fill)
    const account = options.account ?? this.session?.account ?? (await this.account())
    checkFillLeaf(proof.leaf, options.fill, account, options.receipt)
    const { batch, state } = await this.#batchOnChain(publicClient, number)
    const root = toHex(fillsRootOf(proof))
    if (batch.fillsRoot !== root) {
      throw new VerificationError(
        `the proof gives fills root ${root}, but batch ${number} on-chain has ${batch.fillsRoot}`,
        { code: ErrorCode.ProofUnavailable },
      )
    }
    return { fill: options.fill, batch: number, state, fillsRoot: root }
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
    const publicClient = this.#publicClient()
    const asset = this.markets.asset(options.asset)
    const account = options.account ?? this.session?.account ?? (await this.account())
    const proof = readProof(await this.call(Method.Proof, [account, asset.id]))
    if (proof.account !== account || proof.asset !== asset.id) {
      throw new VerificationError('the proof is of another balance', { code: ErrorCode.ProofUnavailable })
    }
    const root = rootOf(account, asset.id, proof.units, proof.siblings)
    const { batch, state } = await this.#batchOnChain(publicClient, proof.batch)
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
      state,
      root,
    }
  }
}

/** Makes a client; call `connect` on it. */
export function createClient(options: ClientOptions): Client {
  return new Client(options)
}

function single(results: readonly CommandResult[]): CommandResult {
  const [result] = results
  if (result!.error !== undefined) throw result!.error
  return result!
}
