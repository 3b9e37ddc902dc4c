/**
 * The core of a client: one connection that comes back by itself, the session logged on to it, signed
 * frames, streams that go on where they were. What a caller does with it is client.ts's.
 *
 * Frames and the outcomes of those whose answer was lost are frame-sender.ts's.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { ClientOptions, ClientState, CommandResult, Notice, Session } from './client-types.js'
import { AuthenticationError, GlassbookError, TransportError } from './errors.js'
import { FrameSender } from './frame-sender.js'
import { Markets } from './markets.js'
import type { SignedReceipt } from './receipt.js'
import { type Hello, Socket } from './socket.js'
import { type StreamListener, type StreamMessage, Subscription, streamOf } from './subscription.js'
import { type TrackedOrder, readLiveOrder, readOrderEntry } from './trackers.js'
import { ErrorCode } from './wire/codes.js'
import type { WireCommand } from './wire/commands.js'
import { readObject } from './wire/fields.js'
import { Control, Kind, Method } from './wire/layout.js'
import type { WireValue } from './wire/msgpack.js'
import { domainPreimage, logonMessage } from './wire/signed.js'
import { Subprotocol } from './wire/version.js'
/** Frames that may wait for others' outcomes by default. */
const FRAMES_WAITING_MAX = 1000
/** Answers to a logon after which the session is of no use any more. */
const SESSION_OVER: ReadonlySet<number> = new Set([
  ErrorCode.UnknownSession,
  ErrorCode.SessionExpired,
  ErrorCode.SessionRevoked,
  // Somebody else's session stands in this one's slot.
  ErrorCode.BadSignature,
])

export class ClientCore {
  protected readonly options: ClientOptions
  #socket: Socket | undefined
  #hello: Hello | undefined
  #domain: Uint8Array = new Uint8Array(32)
  #markets: Markets | undefined
  #session: Session | undefined
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #stateListeners = new Set<(state: ClientState) => void>()
  readonly #sessionListeners = new Set<(session: Session) => void>()
  readonly #noticeListeners = new Set<(notice: Notice) => void>()
  /** Iterables that wait for a message. */
  readonly #onClose = new Set<() => void>()
  #state: ClientState = 'closed'
  #closing = false
  #reconnecting = false
  readonly #frames: FrameSender
  #lastWalletNonce = 0
  readonly #cloidTag = globalThis.crypto.getRandomValues(new Uint16Array(1))[0]! >> 5
  #cloidMs = 0
  #cloidCount = 0

  constructor(options: ClientOptions) {
    this.options = options
    this.#frames = new FrameSender({
      json: options.encoding === 'json',
      framesWaitingMax: options.framesWaitingMax ?? FRAMES_WAITING_MAX,
      domain: () => this.#domain,
      receiptKey: () => this.#hello?.receiptKey,
      request: (method, params, command) => this.call(method, params, command),
      order: (cloid) => this.order({ cloid }),
    })
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
      if (this.#session !== undefined) await this.#logonAgain(this.#session)
      await this.#followAll()
      if (!socket.isOpen)
        throw new TransportError('the connection ended at once', { code: ErrorCode.ShuttingDown })
    } catch (error) {
      socket.close()
      throw error
    }
    this.#frames.opened(this.#session)
    this.#setState('open')
  }

  async #logonAgain(session: Session): Promise<void> {
    try {
      await this.#logon(session)
    } catch (error) {
      if (!(error instanceof GlassbookError && SESSION_OVER.has(error.code))) throw error
      // It will never log on again; the public half of the client lives on.
      this.#endSession()
    }
  }

  #endSession(): void {
    const session = this.#session
    if (session === undefined) return
    this.#session = undefined
    this.#frames.loggedOn(undefined)
    for (const listener of [...this.#sessionListeners]) listener(session)
  }

  /**
   * Calls `listener` when the exchange ends the session (revoked, expired): log another one on. Returns how
   * to stop that. Private streams go on where they were after that logon.
   */
  onSessionEnded(listener: (session: Session) => void): () => void {
    this.#sessionListeners.add(listener)
    return () => this.#sessionListeners.delete(listener)
  }

  #closed(): void {
    this.#frames.closed()
    for (const subscription of this.#subscriptions.values()) subscription.followed = false
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
    for (const onClose of [...this.#onClose]) onClose()
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

  /**
   * Calls `listener` with what the exchange says of this connection: that a budget is nearly spent, that it
   * reads too slowly and is sent less, that the exchange stops. Returns how to stop that.
   */
  onNotice(listener: (notice: Notice) => void): () => void {
    this.#noticeListeners.add(listener)
    return () => this.#noticeListeners.delete(listener)
  }

  #message(message: readonly WireValue[]): void {
    if (message[0] === Kind.Control) {
      const notice = noticeOf(message)
      if (notice !== undefined) for (const listener of [...this.#noticeListeners]) listener(notice)
      if (message[1] === Control.SessionEnded) {
        this.#endSession()
        // The exchange has taken every stream off this connection.
        for (const subscription of this.#subscriptions.values()) subscription.followed = false
        void this.#followAll().catch(ignoreOwn)
      }
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
      ignoreOwn(error)
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

  /**
   * Logs a session on to this connection, and to every later one; streams of the account that were waiting
   * for one go on. @throws AuthenticationError when the exchange does not take it.
   */
  async logon(session: Session): Promise<void> {
    await this.enter(session)
    // Another run of this program may have used it, with a clock that was ahead of this one's.
    await this.#frames.readNonce(session)
  }

  /** Logs on a session that nobody has used. */
  protected async enter(session: Session): Promise<void> {
    await this.#logon(session)
    this.#session = session
    this.#frames.loggedOn(session)
    await this.#followAll()
  }

  async #logon({ slot, key }: Session): Promise<void> {
    const { challenge } = this.#hello!
    const signature = await key.sign(logonMessage(this.#domain, slot, challenge))
    await this.call(Method.Logon, [slot, signature])
  }

  /** For what a wallet signs: grows with the clock, so that it does not repeat after a restart either. */
  protected nextWalletNonce(): number {
    this.#lastWalletNonce = Math.max(this.#lastWalletNonce + 1, Date.now() * 1000)
    return this.#lastWalletNonce
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
   * its own error. After a reconnection it waits until it is known what became of the frames lost before.
   * @throws OutcomeUnknownError when the connection breaks before the answer; TransportError when there is
   * none, and nothing was sent; LimitError when `framesWaitingMax` frames wait already.
   */
  async sendFrame(commands: readonly WireCommand[]): Promise<CommandResult[]> {
    return (await this.#frames.send(commands, false)).results
  }

  /**
   * The same, and the operator's signed receipt for the frame, checked against the key that the hello
   * gave; undefined where the venue gives none. @throws VerificationError when it does not hold.
   */
  async sendFrameForReceipt(
    commands: readonly WireCommand[],
  ): Promise<{ results: CommandResult[]; receipt: SignedReceipt | undefined }> {
    return this.#frames.send(commands, true)
  }

  /** Frames sent whose outcome is not known yet. */
  get unknownFrames(): number {
    return this.#frames.unknownFrames
  }

  /** Frames that wait to be sent, for others' outcomes or answers. */
  get waitingFrames(): number {
    return this.#frames.waitingFrames
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
    subscription.followed = true
    subscription.dropPages()
    try {
      await this.call(Method.Subscribe, position === undefined ? [name] : [name, position])
    } catch (error) {
      subscription.followed = false
      throw error
    }
  }

  /** Follows what is not followed; private streams wait for a session that may read. */
  async #followAll(): Promise<void> {
    const waiting = [...this.#subscriptions.values()].filter(({ followed }) => !followed)
    await Promise.all(
      waiting.map((subscription) =>
        this.#follow(subscription).catch((error: unknown) => {
          if (!(error instanceof AuthenticationError)) throw error
        }),
      ),
    )
  }

  /**
   * A stream as an async iterable, from its snapshot on; leaving the loop leaves the stream, and `close` ends
   * the loop. What is not taken yet waits in memory. @throws what `subscribe` throws.
   */
  async *messages(name: string): AsyncGenerator<StreamMessage, void, undefined> {
    const waiting: StreamMessage[] = []
    let wake = (): void => {}
    const leave = await this.subscribe(name, (message) => {
      waiting.push(message)
      wake()
    })
    const onClose = (): void => wake()
    this.#onClose.add(onClose)
    try {
      for (;;) {
        const message = waiting.shift()
        if (message !== undefined) yield message
        else if (this.#closing) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      this.#onClose.delete(onClose)
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

/** A control message that a caller may want to know of; undefined = it is the client's own business. */
function noticeOf(message: readonly WireValue[]): Notice | undefined {
  const { budget, stream, retryAfter } = readObject(message[2] ?? {}, 'control')
  if (message[1] === Control.Throttle) return { kind: 'throttle', budget: String(budget) }
  if (message[1] === Control.Slow) return { kind: 'slow', stream: String(stream) }
  if (message[1] !== Control.Shutdown) return undefined
  return { kind: 'shutdown', retryAfterMs: typeof retryAfter === 'number' ? retryAfter : 0 }
}

/** Lets an error of ours pass: what was asked for is made good when the connection comes back. */
function ignoreOwn(error: unknown): void {
  if (!(error instanceof GlassbookError)) throw error
}
