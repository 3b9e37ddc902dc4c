/**
 * The client of an exchange: typed calls for every method, over the connection of client-core.ts; what is
 * only asked or followed is client-queries.ts's.
 */
import type { Address } from 'viem'
import { CommandKind, Reject } from '../../engine/codes.js'
import { DEADLINE_AHEAD_MS_MAX } from '../../engine/limits.js'
import { EXPIRES_AHEAD_MS_MAX } from '../limits.js'
import { ClientChain } from './client-chain.js'
import { SCOPES } from './client-queries.js'
import type {
  CanceledAll,
  ClientOptions,
  CommandResult,
  OrderResult,
  RequestedWithdrawal,
  Session,
} from './client-types.js'
import { Markets } from '../money/markets.js'
import { fromUnits, toUnits } from '../money/units-and-atoms.js'
import { ExchangeError, OutcomeUnknownError, TransportError } from '../base/errors.js'
import { readResults } from './frame-sender.js'
import {
  type Check,
  checkFields,
  checkOneOf,
  isAddress,
  isAmount,
  isBoolean,
  isIdOrSymbol,
  refuseInput,
  timeMsWithin,
  wholeFrom,
  wholeOrBigFrom,
} from '../base/inputs.js'
import {
  type AmendOrder,
  type CancelAllOrders,
  type CancelOrder,
  type PlaceOrder,
  amendCommand,
  cancelAllCommand,
  cancelCommand,
  checkAmend,
  checkCancel,
  checkCancelAll,
  checkPlace,
  needsTouch,
  placeCommand,
} from '../money/orders.js'
import { checkCommands } from '../money/raw-commands.js'
import { type SessionKey, createSessionKey, isSessionKey } from './session-key.js'
import { unknownResults } from './unknown-outcomes.js'
import { walletOf } from './wallet.js'
import { type TakenWithdrawal, WalletMessages } from './wallet-messages.js'
import { packJson } from '../wire/codec.js'
import { rejectToCode } from '../wire/codes.js'
import {
  type AmendCommand,
  type CancelCommand,
  type PlaceCommand,
  type WireCommand,
  commandToWire,
} from '../wire/commands.js'
import { readObject, readSafeInt } from '../wire/fields.js'
import { Method } from '../wire/layout.js'
import { packMsgpack } from '../wire/msgpack.js'

const isAccount = wholeFrom(0)

interface SessionOptions {
  readonly key?: SessionKey
  readonly scopes?: readonly ('read' | 'trade' | 'withdrawRequest')[]
  readonly maxNotional?: number | bigint
  readonly expiresAtMs?: number
  readonly account?: number
}

export class Client extends ClientChain {
  // ---- who

  /**
   * The account of an owner; of the wallet when no address is given.
   * @throws InputError; AuthenticationError when it has none.
   */
  async account(owner?: Address): Promise<number> {
    if (owner !== undefined) isAddress(owner, 'owner')
    const answer = readObject(
      await this.call(Method.Account, [owner ?? (await this.signed(walletOf(this.options.wallet))).address]),
      'account',
    )
    return readSafeInt(answer['account'], 'account')
  }

  protected override async ownAccount(): Promise<number> {
    return this.session?.account ?? (await this.account())
  }

  readonly #walletMessages = new WalletMessages({
    wallet: this.options.wallet,
    domain: () => this.hello,
    call: (method, params, options) => this.call(method, params, options),
    comesBack: () => this.comesBack,
    whenOpen: () => this.whenOpen(),
    signed: (answer) => this.signed(answer),
  })

  /** Settles when the newest `createSession` has ended. */
  #making: Promise<unknown> = Promise.resolve()

  /**
   * Logs a session on: of `key`, or of the key that is logged on already, or of a new one. Where the exchange
   * has a live session of that key with the same terms, it is that one; else the wallet approves one, which
   * replaces the key's former. Calls at once are done one after the other, and the session of the last one stays: where
   * their terms are the same, they have the same session. `maxNotional` bounds what one order may execute, in quote units, 0 = none;
   * `expiresAtMs` is a day of engine time from now by default, and at most 30 unless the exchange says otherwise.
   * @throws InputError; TransportError when the client is closed meanwhile; what the wallet says.
   */
  async createSession(options: SessionOptions = {}): Promise<Session> {
    const checks = {
      key: isSessionKey,
      scopes: isScopes,
      maxNotional: wholeOrBigFrom(0, Number.MAX_SAFE_INTEGER, ' of quote units'),
      expiresAtMs: timeMsWithin(this.nowMs, EXPIRES_AHEAD_MS_MAX),
      account: isAccount,
    }
    checkFields('createSession', options, checks)
    const made = this.#making.then(() => this.#makeSession(options))
    this.#making = made.catch(() => {})
    return made
  }

  async #makeSession(options: SessionOptions): Promise<Session> {
    const before = this.session
    const account = options.account ?? (await this.account())
    const key = options.key ?? (before?.account === account ? before.key : await createSessionKey())
    const names = options.scopes ?? ['read', 'trade']
    const terms = {
      account,
      publicKey: key.publicKey,
      scopes: SCOPES.reduce((bits, [name, bit]) => (names.includes(name) ? bits | bit : bits), 0),
      maxNotional: Number(options.maxNotional ?? 0),
      expiresAtMs: options.expiresAtMs,
    }
    // What is about to be replaced leaves first, by our own wish: nobody is told that it ended.
    await this.leave()
    for (;;) {
      const approval = await this.#walletMessages.session(terms)
      try {
        const session = { account, approval, key }
        await this.logon(session)
        return session
      } catch (error) {
        // The connection broke before the answer: the session is there, and is found by its key.
        if (!(error instanceof TransportError) || !this.comesBack) throw error
        await this.whenOpen()
      }
    }
  }

  // ---- trading

  /**
   * Places one order. A market order without a price and a budget gets its protection price from the book, a stop
   * or take-profit from its trigger, `slippagePpm` away.
   * @throws InputError before anything is sent; OrderError when the engine refuses it.
   */
  async placeOrder(order: PlaceOrder): Promise<OrderResult> {
    // Nothing is awaited before the frame is under way unless it must be: frames leave in the order of the calls.
    checkPlace(order, this.nowMs)
    const touchTicks = needsTouch(order) ? await this.#touch(order) : undefined
    return this.#sendOrder(this.#place(order, touchTicks))
  }

  /**
   * Changes price or total size (the filled part included) of a live order, and its display size, trigger or
   * expiry where given; the same price and a smaller size keep its place. A total of no more than what is filled
   * cancels it. @throws InputError; OrderError when the engine refuses it.
   */
  async amendOrder(amend: AmendOrder): Promise<OrderResult> {
    return this.#sendOrder(this.#amend(amend))
  }

  /** @throws InputError; OrderError when the order is not live. */
  async cancelOrder(cancel: CancelOrder): Promise<OrderResult> {
    return this.#sendOrder(this.#cancel(cancel))
  }

  /**
   * Cancels the account's orders, of a market or side if given; answers with how many, and whether more follow by
   * themselves (a large cancel-all is done in parts; what waits for its turn trades no more). @throws InputError
   */
  async cancelAll(options: CancelAllOrders = {}): Promise<CanceledAll> {
    const { count, more } = single(await this.sendFrame([this.cancelAllOf(options)]))
    return { count, more }
  }

  /**
   * Whether the exchange would take an order now, by the engine's own checks; nothing is placed.
   * @throws InputError; OrderError, LimitError or RequestError with the code that a real place would get.
   */
  async placeTest(order: PlaceOrder): Promise<void> {
    checkPlace(order, this.nowMs)
    const touchTicks = needsTouch(order) ? await this.#touch(order) : undefined
    await this.call(Method.PlaceTest, [commandToWire(this.#place(order, touchTicks))])
  }

  /**
   * Commands for `batch`; the SDK chooses the client order id where none is given. A market order without a
   * price and a budget needs a book that `trackBook` keeps. @throws InputError
   */
  place(order: PlaceOrder): WireCommand {
    checkPlace(order, this.nowMs)
    const touchTicks = needsTouch(order) ? this.trackedTouch(order.market, order.side) : undefined
    return this.#place(order, touchTicks)
  }
  /** @throws InputError */
  amend(amend: AmendOrder): WireCommand {
    return this.#amend(amend)
  }
  /** @throws InputError */
  cancel(cancel: CancelOrder): WireCommand {
    return this.#cancel(cancel)
  }
  /** @throws InputError */
  cancelAllOf(options: CancelAllOrders = {}): WireCommand {
    checkCancelAll(options, this.nowMs)
    const { market } = options
    return cancelAllCommand(options, market === undefined ? undefined : this.markets.market(market))
  }

  #place(order: PlaceOrder, touchTicks: number | undefined): PlaceCommand {
    const market = this.markets.market(order.market)
    return placeCommand(order, market, order.cloid ?? this.nextCloid(), touchTicks)
  }

  #amend(amend: AmendOrder): AmendCommand {
    checkAmend(amend, this.nowMs)
    return amendCommand(amend, this.markets.market(amend.market))
  }

  #cancel(cancel: CancelOrder): CancelCommand {
    checkCancel(cancel, this.nowMs)
    return cancelCommand(cancel, this.markets.market(cancel.market))
  }

  /** Sends the command of one order alone. */
  async #sendOrder(command: PlaceCommand | AmendCommand | CancelCommand): Promise<OrderResult> {
    return { ...single(await this.sendFrame([command])), cloid: command.cloid }
  }

  /** The best price that a market order trades with; asked for where the book is not followed. */
  async #touch({ market, side }: PlaceOrder): Promise<number | undefined> {
    const tracked = this.trackedTouch(market, side)
    if (tracked !== undefined) return tracked
    const { bids, asks } = await this.depth(market, 1)
    return (side === 'buy' ? asks : bids)[0]?.[0]
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
   * The same without a signature, where the operator takes that (`requireSignedFrames: false`). What became of commands whose answer was lost nobody can tell for certain: `outcome` then has
   * OutcomeUnknown (6000) for each, with its order as it stands. @throws AuthenticationError (SignatureRequired)
   * where it is not taken.
   */
  async batchUnsigned(commands: readonly WireCommand[]): Promise<CommandResult[]> {
    checkCommands(commands)
    const wire = commands.map(commandToWire)
    const payload = this.options.encoding === 'json' ? packJson(wire) : packMsgpack(wire)
    try {
      const answer = await this.call(Method.UnsignedFrame, [payload], { command: true })
      return readResults(answer, commands, 0, this.marketOf)
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

  /** Cancels all of the account's orders when this connection ends. @throws InputError */
  async cancelOnDisconnect(on: boolean): Promise<void> {
    isBoolean(on, 'on')
    await this.call(Method.CancelOnDisconnect, [on])
  }

  /**
   * Dead-man switch: all orders are cancelled `afterMs` (at most a day) from now unless this is called again;
   * 0 = off. @throws InputError
   */
  async cancelAfter(afterMs: number): Promise<void> {
    wholeFrom(0, DEADLINE_AHEAD_MS_MAX, ' of milliseconds')(afterMs, 'afterMs')
    const atMs = afterMs === 0 ? 0 : (await this.engineTime()) + afterMs
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
    isIdOrSymbol(market, 'market')
    const isCount = wholeFrom(0)
    const checks = {
      windowMs: wholeFrom(0, DEADLINE_AHEAD_MS_MAX, ' of milliseconds'),
      fills: isCount,
      notional: isAmount,
      notionalUnits: isCount,
    }
    checkFields('setProtection', options, checks, ['windowMs'])
    checkOneOf('setProtection', options, ['notional', 'notionalUnits'], { optional: true })
    const { id, quote } = this.markets.market(market)
    const { windowMs, fills = 0, notional } = options
    const notionalUnits = notional === undefined ? (options.notionalUnits ?? 0) : toUnits(notional, quote)
    const command = { kind: CommandKind.SetProtection, market: id, windowMs, fills, notionalUnits } as const
    single(await this.sendFrame([command]))
  }

  /** Allows quoting again after protection has pulled it. */
  async resetProtection(market: number | string): Promise<void> {
    isIdOrSymbol(market, 'market')
    single(
      await this.sendFrame([{ kind: CommandKind.ResetProtection, market: this.markets.market(market).id }]),
    )
  }

  /** Ends the session that `approval` of the account made, for good; signed by the wallet. */
  async revokeSession(approval: number, account?: number): Promise<void> {
    wholeFrom(1)(approval, 'approval')
    if (account !== undefined) isAccount(account, 'account')
    await this.#walletMessages.revoke(account ?? (await this.ownAccount()), approval)
  }

  // ---- custody

  /**
   * Asks for a withdrawal of `amount` (decimal string of tokens, or bigint of atoms), signed by the
   * wallet. All of it becomes claimable on-chain once its batch is proven; the asset's fee comes on top. The wallet
   * signs for `maxFee`, or where that is not given for the fee that the exchange names now; more is never taken.
   * @throws ExchangeError (WithdrawBelowMin, WithdrawFeeNotAccepted) before the wallet is asked when the amount is below
   * the asset's minimum, or its fee above `maxFee`.
   * @throws OutcomeUnknownError when the connection breaks before the answer; its `outcome` finds out by the
   * withdrawal's nonce: the same, or it rejects with NotTaken (never taken, and never will be), OutcomeUnknown
   * (the exchange tells no more), or what the exchange refuses it for.
   */
  async requestWithdrawal(options: {
    readonly asset: number | string
    readonly amount: string | bigint
    readonly maxFee?: string | bigint
    readonly account?: number
  }): Promise<RequestedWithdrawal> {
    const checks = { asset: isIdOrSymbol, amount: isAmount, maxFee: isAmount, account: isAccount }
    checkFields('requestWithdrawal', options, checks, ['asset', 'amount'])
    const asset = await this.namedAsset(options.asset)
    const units = toUnits(options.amount, asset)
    const account = options.account ?? (await this.ownAccount())
    const { id } = asset
    // The terms may have changed since the connect; of the scale only `asset` was compared with what is pinned.
    const { withdrawMinUnits, withdrawFeeUnits } = new Markets(await this.call(Method.Markets, [])).asset(id)
    const maxFee = options.maxFee === undefined ? withdrawFeeUnits : toUnits(options.maxFee, asset)
    const refuse = (reject: Reject, message: string): never => {
      throw new ExchangeError(`${message}; nothing was signed`, { code: rejectToCode(reject) })
    }
    const named = (value: number): string => `${fromUnits(value, asset)} ${asset.symbol}`
    if (units < withdrawMinUnits)
      refuse(
        Reject.WithdrawBelowMin,
        `amount is ${named(units)}, and a withdrawal takes out at least ${named(withdrawMinUnits)}`,
      )
    if (maxFee < withdrawFeeUnits)
      refuse(
        Reject.WithdrawFeeNotAccepted,
        `maxFee is ${named(maxFee)}, and a withdrawal costs ${named(withdrawFeeUnits)}`,
      )
    const requested = ({ seq, fee }: TakenWithdrawal): RequestedWithdrawal => ({
      seq,
      amount: fromUnits(units, asset),
      fee: fromUnits(fee, asset),
      total: fromUnits(units + fee, asset),
    })
    try {
      return requested(await this.#walletMessages.withdraw(account, id, units, maxFee))
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        error.outcome = (error.outcome as Promise<TakenWithdrawal>).then(requested)
        error.outcome.catch(() => {})
      }
      throw error
    }
  }
}

const isScopes: Check = (value, field) => {
  const names: readonly unknown[] = SCOPES.map(([name]) => name)
  const allowed = 'an array of one or more of "read", "trade" and "withdrawRequest"'
  if (!Array.isArray(value) || value.length === 0) return refuseInput(field, value, allowed)
  for (const name of value) if (!names.includes(name)) refuseInput(field, name, allowed)
}

/** Makes a client; call `connect` on it. @throws InputError for options that cannot be. */
export function createClient(options: ClientOptions): Client {
  return new Client(options)
}

function single(results: readonly CommandResult[]): CommandResult {
  const [result] = results
  if (result!.error !== undefined) throw result!.error
  return result!
}
