/**
 * The core of a client: one connection that comes back by itself, the session logged on to it, signed
 * frames, streams that go on where they were. What a caller does with it is client.ts's.
 *
 * Invariant: a frame is sent at most once. When the connection breaks before its answer, the call rejects
 * with OutcomeUnknownError, whose `outcome` tells, from the exchange, what became of it.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { CommandKind } from '../engine/codes.js'
import type { ClientOptions, ClientState, CommandResult, Session } from './client-types.js'
import { GlassbookError, OutcomeUnknownError, TransportError, errorOf } from './errors.js'
import { Markets } from './markets.js'
import { type SignedReceipt, checkReceipt } from './receipt.js'
import { type Hello, Socket } from './socket.js'
import { type StreamListener, type StreamMessage, Subscription, streamOf } from './subscription.js'
import { type TrackedOrder, readLiveOrder, readOrderEntry } from './trackers.js'
import { UnknownOutcomes } from './unknown-outcomes.js'
import { ErrorCode } from './wire/codes.js'
import { type WireCommand, commandToWire } from './wire/commands.js'
import { packJson } from './wire/codec.js'
import { readArray, readObject, readSafeInt } from './wire/fields.js'
import { Control, Kind, Method, OrderState } from './wire/layout.js'
import { type WireValue, packMsgpack } from './wire/msgpack.js'
import { domainPreimage, frameMessage, logonMessage } from './wire/signed.js'
import { Subprotocol } from './wire/version.js'
const STATE_NAMES: Readonly<Record<number, CommandResult['state']>> = {
  [OrderState.Open]: 'open',
  [OrderState.Filled]: 'filled',
  [OrderState.Canceled]: 'canceled',
  [OrderState.Waiting]: 'waiting',
}

export class ClientCore {
  protected readonly options: ClientOptions
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
  #lastNonce = 0
  readonly #cloidTag = globalThis.crypto.getRandomValues(new Uint16Array(1))[0]! >> 5
  #cloidMs = 0
  #cloidCount = 0
  #sendTurn: Promise<unknown> = Promise.resolve()

  constructor(options: ClientOptions) {
    this.options = options
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
    const { url, encoding = 'msgpack' } = this.options
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
      const answer = readObject(await this.call(Method.FrameOutcome, [session, nonce]), 'outcome')
      return readArray(answer['codes'], 'codes', 0, 64).map((code) => readSafeInt(code, 'code'))
    } catch (error) {
      if (error instanceof GlassbookError && error.code === ErrorCode.NotFound) return undefined
      throw error
    }
  }

  #closed(): void {
    this.#setState('closed')
    if (this.#closing || this.options.reconnect === false || this.#reconnecting) return
    void this.#reconnect()
  }

  /** Tries until it is connected again, for ever. */
  async #reconnect(): Promise<void> {
    this.#reconnecting = true
    for (let attempt = 0; !this.#closing; attempt++) {
      // Full jitter: a crowd that lost its exchange does not come back as one.
      const bound = Math.min(this.options.reconnectDelayMsMax ?? 5000, 100 * 2 ** Math.min(attempt, 10))
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

  /**
   * Any method by its name, for what has no typed call. `command` = it changes state: without an answer its
   * outcome is unknown. @throws GlassbookError of the exchange's code.
   */
  async call(
    method: Method,
    params: readonly WireValue[],
    options?: { readonly command?: boolean },
  ): Promise<WireValue> {
    if (this.#socket === undefined)
      throw new TransportError('not connected', { code: ErrorCode.ShuttingDown })
    return this.#socket.request(method, params, options)
  }

  /** What the exchange said first. @throws TransportError before the first connection. */
  protected get hello(): Hello {
    if (this.#hello === undefined)
      throw new TransportError('not connected yet', { code: ErrorCode.ShuttingDown })
    return this.#hello
  }

  /** Whether a connection that breaks now will be made again. */
  protected get comesBack(): boolean {
    return !this.#closing && this.options.reconnect !== false
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
      await this.call(Method.Unsubscribe, [subscription.name])
      await this.#follow(subscription)
    } catch (error) {
      // The connection broke meanwhile: coming back follows every stream anew.
      if (!(error instanceof GlassbookError)) throw error
    }
  }

  /** Resolves when the connection stands (again); at once when it does. */
  protected whenOpen(): Promise<void> {
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
    await this.call(Method.Logon, [slot, signature])
  }

  /** Grows with the clock, so that it never repeats, not even after a restart of this program. */
  protected nextNonce(): number {
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
    const json = this.options.encoding === 'json'
    const text = json ? packJson(wire) : ''
    const payload = json ? new TextEncoder().encode(text) : packMsgpack(wire)
    const nonce = this.nextNonce()
    const message = frameMessage(this.#domain, session.slot, nonce, payload)
    const signed = session.key.sign(message)
    // Signatures are made side by side, but frames leave in the order of the calls.
    const turn = this.#sendTurn.then(() => signed)
    this.#sendTurn = turn.catch(() => {})
    const signature = await turn
    const params: WireValue[] = [session.slot, nonce, json ? text : payload, signature]
    if (wantsReceipt) params.push({ receipt: true })
    const answer = readArray(await this.#requestFrame(params, session.slot, nonce, commands), 'result', 2, 8)
    // The frame's own command is the first; those that it carries follow.
    const firstSeq = readSafeInt(answer[0], 'seq')
    const results = readArray(answer[1], 'items', commands.length, commands.length).map((item, index) =>
      resultOf(item, commands[index]!, firstSeq + 1 + index),
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
      return await this.call(Method.Frame, params, { command: true })
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
          error instanceof TransportError && !this.#closing && this.options.reconnect !== false
        if (!comesBack) {
          this.#subscriptions.delete(name)
          throw error
        }
      }
    }
    return async () => {
      listeners.delete(listener)
      if (listeners.size > 0 || !this.#subscriptions.delete(name)) return
      if (this.#state === 'open') await this.call(Method.Unsubscribe, [name])
    }
  }

  async #follow(subscription: Subscription): Promise<void> {
    const { name, position } = subscription
    await this.call(Method.Subscribe, position === undefined ? [name] : [name, position])
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

  /** An order by either id: live, or how it ended; undefined when the exchange knows none (any more). */
  async order(
    key: { readonly cloid: bigint } | { readonly orderId: number },
  ): Promise<TrackedOrder | undefined> {
    try {
      const answer = readObject(await this.call(Method.Order, [key]), 'order')
      return answer['live'] === undefined
        ? readOrderEntry(answer['ended']!).order
        : readLiveOrder(answer['live'])
    } catch (error) {
      if (error instanceof GlassbookError && error.code === ErrorCode.NotFound) return undefined
      throw error
    }
  }
}

function resultOf(item: WireValue, command: WireCommand, seq: number): CommandResult {
  const values = readArray(item, 'item', 1, 16)
  const code = readSafeInt(values[0], 'code')
  const cloid = 'cloid' in command ? command.cloid : undefined
  const number = (index: number): number => (typeof values[index] === 'number' ? values[index] : 0)
  const order = values.length > 2
  return {
    cloid,
    seq,
    error: code === 0 ? undefined : errorOf(code, 'the engine refused the command'),
    orderId: order ? number(1) : 0,
    state: order ? (STATE_NAMES[number(2)] ?? 'none') : 'none',
    remainingLots: number(3),
    filledLots: number(4),
    count: order ? 0 : number(1),
  }
}
