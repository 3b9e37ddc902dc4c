/**
 * The client of an exchange: one connection that comes back by itself, a session logged on to it, typed
 * calls for every method, streams that go on where they were.
 *
 * Invariant: a frame is sent at most once. When the connection breaks before its answer, the call rejects
 * with OutcomeUnknownError and `resolve` tells, from the exchange, what became of it.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Account, Address, PublicClient, WalletClient } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { CommandKind, Reject, Scope } from '../engine/codes.js'
import { fromUnits, toUnits } from './decimals.js'
import {
  AuthenticationError,
  ExchangeError,
  GlassbookError,
  InputError,
  OutcomeUnknownError,
  TransportError,
  VerificationError,
  errorOf,
} from './errors.js'
import { LocalBook } from './local-book.js'
import { type Asset, Markets } from './markets.js'
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
import { type SignedReceipt, checkReceipt } from './receipt.js'
import { type SessionKey, createSessionKey } from './session-key.js'
import { type Hello, Socket } from './socket.js'
import { type StreamListener, type StreamMessage, Subscription, streamOf } from './subscription.js'
import {
  BalanceTracker,
  FillTracker,
  OrderTracker,
  type TrackedFill,
  type TrackedOrder,
  readFill,
  readLiveOrder,
  readOrderEntry,
} from './trackers.js'
import { UnknownOutcomes } from './unknown-outcomes.js'
import { fromHex, toHex } from './wire/bytes.js'
import { ErrorCode, rejectToCode } from './wire/codes.js'
import { type WireCommand, commandToWire } from './wire/commands.js'
import { packJson } from './wire/codec.js'
import { readArray, readObject, readSafeInt, readString } from './wire/fields.js'
import { Control, type CandleInterval, Kind, Method, OrderState, StreamName } from './wire/layout.js'
import { type WireValue, packMsgpack } from './wire/msgpack.js'
import { domainPreimage, frameMessage, logonMessage, walletDomain, walletTypes } from './wire/signed.js'
import { Subprotocol } from './wire/version.js'

/** Anything that can sign EIP-712 typed data: a viem local account, or a wallet client with its account. */
export type Signer =
  | Pick<Extract<Account, { type: 'local' }>, 'address' | 'signTypedData'>
  | (WalletClient & { account: Account })

export interface ClientOptions {
  /** `ws://host:port` or `wss://…`. */
  readonly url: string
  /** The wallet; needed to approve sessions and to withdraw. */
  readonly wallet?: Signer
  /** Reads the chain; needed by `verifyBalance`. */
  readonly publicClient?: Pick<PublicClient, 'readContract'>
  /** Default 'msgpack'. */
  readonly encoding?: 'msgpack' | 'json'
  /** Come back after a disconnect; default true. */
  readonly reconnect?: boolean
  /** Longest pause between attempts, ms; default 5000. */
  readonly reconnectDelayMsMax?: number
}

/** A session: the slot that the exchange knows it by, and the key that signs for it. */
export interface Session {
  readonly slot: number
  readonly account: number
  readonly key: SessionKey
}

export type ClientState = 'closed' | 'connecting' | 'open'

/** What became of one command of a frame. */
export interface CommandResult {
  readonly cloid: bigint | undefined
  /** Absent = taken. */
  readonly error: GlassbookError | undefined
  readonly orderId: number
  readonly state: 'open' | 'filled' | 'canceled' | 'waiting' | 'none'
  readonly remainingLots: number
  readonly filledLots: number
  /** Orders cancelled, by a cancel-all. */
  readonly count: number
}

const STATE_NAMES: Readonly<Record<number, CommandResult['state']>> = {
  [OrderState.Open]: 'open',
  [OrderState.Filled]: 'filled',
  [OrderState.Canceled]: 'canceled',
  [OrderState.Waiting]: 'waiting',
}

export interface BalanceView {
  readonly asset: Asset
  /** Decimal strings of tokens. */
  readonly available: string
  readonly reserved: string
  readonly availableUnits: number
  readonly reservedUnits: number
}

export interface VerifiedBalance {
  readonly asset: Asset
  /** Decimal string of tokens. */
  readonly amount: string
  readonly units: bigint
  readonly batch: number
  /** As the chain says, not the exchange: 'committed', 'proven' or 'final'. */
  readonly state: 'committed' | 'proven' | 'final'
  readonly root: bigint
}

const APPROVAL_NONCE_USED = rejectToCode(Reject.ApprovalNonceUsed)

const CHAIN_STATES = ['none', 'committed', 'proven', 'final'] as const

export class Client {
  readonly #options: ClientOptions
  #socket: Socket | undefined
  #hello: Hello | undefined
  #domain: Uint8Array = new Uint8Array(32)
  #markets: Markets | undefined
  #session: Session | undefined
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #stateListeners = new Set<(state: ClientState) => void>()
  #state: ClientState = 'closed'
  #closing = false
  #reconnecting = false
  readonly #lost = new UnknownOutcomes()
  readonly #trackers = new Map<string, Promise<unknown>>()
  #lastNonce = 0
  readonly #cloidTag = globalThis.crypto.getRandomValues(new Uint16Array(1))[0]! >> 5
  #cloidMs = 0
  #cloidCount = 0
  #sendTurn: Promise<unknown> = Promise.resolve()

  constructor(options: ClientOptions) {
    this.#options = options
  }

  // ---- connection

  get state(): ClientState {
    return this.#state
  }

  get session(): Session | undefined {
    return this.#session
  }

  /** Assets and markets. @throws TransportError before the first `connect`. */
  get markets(): Markets {
    if (this.#markets === undefined)
      throw new TransportError('not connected yet', { code: ErrorCode.ShuttingDown })
    return this.#markets
  }

  /** Calls `listener` at every change of state; returns how to stop that. */
  onState(listener: (state: ClientState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => this.#stateListeners.delete(listener)
  }

  #setState(state: ClientState): void {
    if (state === this.#state) return
    this.#state = state
    for (const listener of [...this.#stateListeners]) listener(state)
  }

  /** Connects, once. @throws TransportError when the exchange cannot be reached. */
  async connect(): Promise<this> {
    this.#closing = false
    try {
      await this.#open()
    } catch (error) {
      this.#closing = true
      throw error
    }
    return this
  }

  async #open(): Promise<void> {
    this.#setState('connecting')
    const { url, encoding = 'msgpack' } = this.#options
    const socket = new Socket(url, encoding === 'json' ? Subprotocol.Json : Subprotocol.Msgpack, {
      message: (message) => this.#message(message),
      closed: () => {
        if (socket === this.#socket) this.#closed()
      },
    })
    this.#socket = socket
    try {
      const hello = await socket.hello
      this.#hello = hello
      this.#domain = sha256(domainPreimage(hello.chainId, hello.vault))
      this.#markets ??= new Markets(await socket.request(Method.Markets, []))
      if (this.#session !== undefined) await this.#logon(this.#session)
      await Promise.all([...this.#subscriptions.values()].map((subscription) => this.#follow(subscription)))
    } catch (error) {
      socket.close()
      throw error
    }
    this.#setState('open')
    await this.#resolveLost()
  }

  /** Asks what became of frames whose answers were lost; what cannot be asked now waits. */
  async #resolveLost(): Promise<void> {
    if (this.#lost.count === 0 || this.#session === undefined) return
    await this.#lost.resolveAll({
      frameOutcome: (session, nonce) => this.#frameOutcome(session, nonce),
      fence: async (nonce) => {
        this.#lastNonce = Math.max(this.#lastNonce, nonce - 1)
        // A cancel of an order that never was: refused, and all that matters is that it was judged.
        const nothing = { kind: CommandKind.Cancel, market: 0, cloid: this.nextCloid() } as const
        await this.#sendFrame([nothing], false)
      },
      order: (cloid) => this.order({ cloid }),
    })
  }

  async #frameOutcome(session: number, nonce: number): Promise<readonly number[] | undefined> {
    try {
      const answer = readObject(await this.#request(Method.FrameOutcome, [session, nonce]), 'outcome')
      return readArray(answer['codes'], 'codes', 0, 64).map((code) => readSafeInt(code, 'code'))
    } catch (error) {
      if (error instanceof GlassbookError && error.code === ErrorCode.NotFound) return undefined
      throw error
    }
  }

  #closed(): void {
    this.#setState('closed')
    if (this.#closing || this.#options.reconnect === false || this.#reconnecting) return
    void this.#reconnect()
  }

  /** Tries until it is connected again, for ever. */
  async #reconnect(): Promise<void> {
    this.#reconnecting = true
    for (let attempt = 0; !this.#closing; attempt++) {
      // Full jitter: a crowd that lost its exchange does not come back as one.
      const bound = Math.min(this.#options.reconnectDelayMsMax ?? 5000, 100 * 2 ** Math.min(attempt, 10))
      await new Promise((resolve) => setTimeout(resolve, Math.random() * bound))
      if (this.#closing) break
      try {
        await this.#open()
        if (this.#socket?.isOpen === true) break
      } catch (error) {
        // Only our own mistakes end the trying.
        if (!(error instanceof GlassbookError)) throw error
      }
    }
    this.#reconnecting = false
  }

  /** Drops the connection as a network would; the client comes back by itself. For tests of what follows. */
  dropConnection(): void {
    this.#socket?.drop()
  }

  /** Ends the connection for good. */
  close(): void {
    this.#closing = true
    this.#socket?.close()
    this.#setState('closed')
  }

  /** Any method by its name, for what has no typed call here. */
  async call(method: Method, params: readonly WireValue[]): Promise<WireValue> {
    return this.#request(method, params)
  }

  async #request(
    method: string,
    params: readonly WireValue[],
    options?: { command?: boolean },
  ): Promise<WireValue> {
    if (this.#socket === undefined)
      throw new TransportError('not connected', { code: ErrorCode.ShuttingDown })
    return this.#socket.request(method, params, options)
  }

  #message(message: readonly WireValue[]): void {
    if (message[0] === Kind.Control) {
      if (message[1] !== Control.Resync) return
      const { stream } = readObject(message[2], 'control')
      if (typeof stream === 'string') this.#subscriptions.get(stream)?.restart()
      return
    }
    const subscription = this.#subscriptions.get(streamOf(message))
    if (subscription === undefined || subscription.take(message)) return
    // Something is missing: start this stream anew.
    subscription.restart()
    void this.#restart(subscription)
  }

  async #restart(subscription: Subscription): Promise<void> {
    try {
      await this.#request(Method.Unsubscribe, [subscription.name])
      await this.#follow(subscription)
    } catch (error) {
      // The connection broke meanwhile: coming back follows every stream anew.
      if (!(error instanceof GlassbookError)) throw error
    }
  }

  // ---- who

  #wallet(): { address: Address; sign: (typed: TypedData) => Promise<`0x${string}`> } {
    const { wallet } = this.#options
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
    const answer = readObject(
      await this.#request(Method.Account, [owner ?? this.#wallet().address]),
      'account',
    )
    return readSafeInt(answer['account'], 'account')
  }

  #walletDomain() {
    const hello = this.#hello
    if (hello === undefined) throw new TransportError('not connected yet', { code: ErrorCode.ShuttingDown })
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
      const nonce = this.#nonce()
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
        const answer = readObject(await this.#request(Method.ApproveSession, params), 'session')
        const session = { slot: readSafeInt(answer['session'], 'session'), account, key }
        await this.logon(session)
        return session
      } catch (error) {
        if (error instanceof AuthenticationError && error.code === APPROVAL_NONCE_USED && overtaken < 5) {
          // Another approval of this wallet, made later, came first: nonces only grow.
          overtaken++
          params = await approval()
        } else if (error instanceof TransportError && !this.#closing && this.#options.reconnect !== false) {
          // The same approval may be sent again: a key has one session.
          await this.#whenOpen()
        } else throw error
      }
    }
  }

  /** Resolves when the connection stands (again); at once when it does. */
  #whenOpen(): Promise<void> {
    if (this.#state === 'open' && this.#socket?.isOpen === true) return Promise.resolve()
    return new Promise((resolve) => {
      const leave = this.onState((state) => {
        if (state !== 'open') return
        leave()
        resolve()
      })
    })
  }

  /** Logs a session on to this connection, and to every later one. */
  async logon(session: Session): Promise<void> {
    await this.#logon(session)
    this.#session = session
  }

  async #logon({ slot, key }: Session): Promise<void> {
    const { challenge } = this.#hello!
    const signature = await key.sign(logonMessage(this.#domain, slot, challenge))
    await this.#request(Method.Logon, [slot, signature])
  }

  /** Grows with the clock, so that it never repeats, not even after a restart of this program. */
  #nonce(): number {
    this.#lastNonce = Math.max(this.#lastNonce + 1, Date.now() * 1000)
    return this.#lastNonce
  }

  /**
   * A client order id that nobody else of the account chooses: 41 bits of milliseconds, 11 bits of this
   * client's own, 12 bits of a counter.
   */
  nextCloid(): bigint {
    const now = Date.now()
    if (now > this.#cloidMs) {
      this.#cloidMs = now
      this.#cloidCount = 0
    } else if (++this.#cloidCount === 4096) {
      this.#cloidMs++
      this.#cloidCount = 0
    }
    return (BigInt(this.#cloidMs) << 23n) | BigInt((this.#cloidTag << 12) | this.#cloidCount)
  }

  // ---- trading

  /**
   * Signs and sends 1 to 64 commands as one frame; results come in the order of the commands, each with
   * its own error. @throws OutcomeUnknownError when the connection breaks before the answer.
   */
  async sendFrame(commands: readonly WireCommand[]): Promise<CommandResult[]> {
    return (await this.#sendFrame(commands, false)).results
  }

  /**
   * The same, and the operator's signed receipt for the frame, checked against the key that the hello
   * gave; undefined where the venue gives none. @throws VerificationError when it does not hold.
   */
  async sendFrameForReceipt(
    commands: readonly WireCommand[],
  ): Promise<{ results: CommandResult[]; receipt: SignedReceipt | undefined }> {
    return this.#sendFrame(commands, true)
  }

  async #sendFrame(
    commands: readonly WireCommand[],
    wantsReceipt: boolean,
  ): Promise<{ results: CommandResult[]; receipt: SignedReceipt | undefined }> {
    const session = this.#session
    if (session === undefined) throw errorOf(ErrorCode.NotLoggedOn, 'log a session on before trading')
    const wire = commands.map(commandToWire)
    const json = this.#options.encoding === 'json'
    const text = json ? packJson(wire) : ''
    const payload = json ? new TextEncoder().encode(text) : packMsgpack(wire)
    const nonce = this.#nonce()
    const message = frameMessage(this.#domain, session.slot, nonce, payload)
    const signed = session.key.sign(message)
    // Signatures are made side by side, but frames leave in the order of the calls.
    const turn = this.#sendTurn.then(() => signed)
    this.#sendTurn = turn.catch(() => {})
    const signature = await turn
    const params: WireValue[] = [session.slot, nonce, json ? text : payload, signature]
    if (wantsReceipt) params.push({ receipt: true })
    const answer = readArray(await this.#requestFrame(params, session.slot, nonce, commands), 'result', 2, 8)
    const results = readArray(answer[1], 'items', commands.length, commands.length).map((item, index) =>
      resultOf(item, commands[index]!),
    )
    if (answer[2] === undefined || answer[2] === null) return { results, receipt: undefined }
    const receipt = await checkReceipt(answer[2], this.#hello!.receiptKey, this.#domain, message)
    return { results, receipt }
  }

  /** Sends a frame; when its answer is lost, the error's `outcome` will tell what became of it. */
  async #requestFrame(
    params: readonly WireValue[],
    session: number,
    nonce: number,
    commands: readonly WireCommand[],
  ): Promise<WireValue> {
    try {
      return await this.#request(Method.Frame, params, { command: true })
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        error.outcome = new Promise<CommandResult[]>((resolve) => {
          this.#lost.add({ session, nonce, commands, resolve })
        })
        // The connection may already be back: then nobody else would ask.
        if (this.#state === 'open') void this.#resolveLost().catch(() => {})
      }
      throw error
    }
  }

  /** Frames sent whose outcome is not known yet. */
  get unknownFrames(): number {
    return this.#lost.count
  }

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

  /**
   * Follows a stream by its name, across disconnects; returns how to leave it. The first listener of a
   * stream begins with its snapshot, a later one with what comes next.
   */
  async subscribe(name: string, listener: StreamListener): Promise<() => Promise<void>> {
    let subscription = this.#subscriptions.get(name)
    const first = subscription === undefined
    if (subscription === undefined) {
      subscription = new Subscription(name)
      this.#subscriptions.set(name, subscription)
    }
    const { listeners } = subscription
    listeners.add(listener)
    if (first) {
      try {
        await this.#follow(subscription)
      } catch (error) {
        // A connection that broke meanwhile is not the stream's fault: coming back follows it.
        const comesBack =
          error instanceof TransportError && !this.#closing && this.#options.reconnect !== false
        if (!comesBack) {
          this.#subscriptions.delete(name)
          throw error
        }
      }
    }
    return async () => {
      listeners.delete(listener)
      if (listeners.size > 0 || !this.#subscriptions.delete(name)) return
      if (this.#state === 'open') await this.#request(Method.Unsubscribe, [name])
    }
  }

  async #follow(subscription: Subscription): Promise<void> {
    const { name, position } = subscription
    await this.#request(Method.Subscribe, position === undefined ? [name] : [name, position])
  }

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

  /** A stream as an async iterable, from its snapshot on; leaving the loop leaves the stream. */
  async *messages(name: string): AsyncGenerator<StreamMessage, void, undefined> {
    const waiting: StreamMessage[] = []
    let wake = (): void => {}
    const leave = await this.subscribe(name, (message) => {
      waiting.push(message)
      wake()
    })
    try {
      for (;;) {
        const message = waiting.shift()
        if (message !== undefined) yield message
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      await leave()
    }
  }

  // ---- questions

  /** An order by either id: live, or how it ended; undefined when the exchange knows none (any more). */
  async order(
    key: { readonly cloid: bigint } | { readonly orderId: number },
  ): Promise<TrackedOrder | undefined> {
    try {
      const answer = readObject(await this.#request(Method.Order, [key]), 'order')
      return answer['live'] === undefined
        ? readOrderEntry(answer['ended']!).order
        : readLiveOrder(answer['live'])
    } catch (error) {
      if (error instanceof GlassbookError && error.code === ErrorCode.NotFound) return undefined
      throw error
    }
  }

  /** The account's live orders. */
  async orders(): Promise<TrackedOrder[]> {
    return readArray(await this.#request(Method.Orders, []), 'orders', 0, 1_000_000).map(readLiveOrder)
  }

  /** The account's fills with seq above `afterSeq`, oldest first. */
  async fills(options: { readonly afterSeq?: number; readonly limit?: number } = {}): Promise<TrackedFill[]> {
    const answer = readObject(await this.#request(Method.Fills, [{ ...options }]), 'fills')
    return readArray(answer['fills'], 'fills', 0, 100_000).map(readFill)
  }

  /** Latest trades as [seq, index, ticks, lots, takerSide, timeMs], newest last. */
  async trades(market: number | string, limit = 100): Promise<number[][]> {
    return (await this.#request(Method.Trades, [
      this.markets.market(market).id,
      limit,
    ])) as unknown as number[][]
  }

  /** Latest candles as [startMs, open, high, low, close, lots, quoteUnits, trades, lastSeq], newest last. */
  async candles(market: number | string, interval: CandleInterval, limit = 100): Promise<number[][]> {
    const { id } = this.markets.market(market)
    return (await this.#request(Method.Candles, [id, interval, limit])) as unknown as number[][]
  }

  /** Cancels all of the account's orders when this connection ends. */
  async cancelOnDisconnect(on: boolean): Promise<void> {
    await this.#request(Method.CancelOnDisconnect, [on])
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
    const owned = account ?? this.#session?.account ?? (await this.account())
    const nonce = this.#nonce()
    const signature = await wallet.sign({
      domain: this.#walletDomain(),
      types: walletTypes,
      primaryType: 'RevokeSession',
      message: { account: owned, session: slot, nonce: BigInt(nonce) },
    })
    await this.#request(Method.RevokeSession, [owned, slot, nonce, signatureBytes(signature)])
  }

  async time(): Promise<number> {
    return readSafeInt(await this.#request(Method.Time, []), 'time')
  }

  /** L2 book, best first; levels are [ticks, lots, orders]. */
  async depth(
    market: number | string,
    depth = 10,
  ): Promise<{ bids: number[][]; asks: number[][]; seq: number }> {
    const answer = readObject(
      await this.#request(Method.Depth, [this.markets.market(market).id, depth]),
      'depth',
    )
    const [bids, asks] = readArray(answer['levels'], 'levels', 2, 2)
    return { bids: bids as number[][], asks: asks as number[][], seq: readSafeInt(answer['seq'], 'seq') }
  }

  async balances(): Promise<BalanceView[]> {
    const rows = readArray(await this.#request(Method.Balances, []), 'balances', 0, 64)
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
   */
  async requestWithdrawal(options: {
    readonly asset: number | string
    readonly amount: string | bigint
    readonly account?: number
  }): Promise<{ seq: number }> {
    const wallet = this.#wallet()
    const asset = this.markets.asset(options.asset)
    const units = toUnits(options.amount, asset)
    const account = options.account ?? this.#session?.account ?? (await this.account())
    const nonce = this.#nonce()
    const signature = await wallet.sign({
      domain: this.#walletDomain(),
      types: walletTypes,
      primaryType: 'Withdraw',
      message: { account, asset: asset.id, units: BigInt(units), nonce: BigInt(nonce) },
    })
    const answer = await this.#request(
      Method.Withdraw,
      [account, asset.id, units, nonce, signatureBytes(signature)],
      { command: true },
    )
    return { seq: readSafeInt(readObject(answer, 'withdrawal')['seq'], 'seq') }
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
    const { publicClient } = this.#options
    if (publicClient === undefined) {
      throw new InputError('verifyBalance reads the chain: give createClient a publicClient', {
        code: ErrorCode.BadParams,
      })
    }
    const asset = this.markets.asset(options.asset)
    const account = options.account ?? this.#session?.account ?? (await this.account())
    const proof = readProof(await this.#request(Method.Proof, [account, asset.id]))
    if (proof.account !== account || proof.asset !== asset.id) {
      throw new VerificationError('the proof is of another balance', { code: ErrorCode.ProofUnavailable })
    }
    const root = rootOf(account, asset.id, proof.units, proof.siblings)
    const contract = { address: this.#hello!.settlement, abi: settlementAbi } as const
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

function resultOf(item: WireValue, command: WireCommand): CommandResult {
  const values = readArray(item, 'item', 1, 16)
  const code = readSafeInt(values[0], 'code')
  const cloid = 'cloid' in command ? command.cloid : undefined
  const number = (index: number): number => (typeof values[index] === 'number' ? values[index] : 0)
  const order = values.length > 2
  return {
    cloid,
    error: code === 0 ? undefined : errorOf(code, 'the engine refused the command'),
    orderId: order ? number(1) : 0,
    state: order ? (STATE_NAMES[number(2)] ?? 'none') : 'none',
    remainingLots: number(3),
    filledLots: number(4),
    count: order ? 0 : number(1),
  }
}

function single(results: readonly CommandResult[]): CommandResult {
  const [result] = results
  if (result!.error !== undefined) throw result!.error
  return result!
}
