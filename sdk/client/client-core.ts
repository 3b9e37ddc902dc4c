/**
 * The core of a client: one connection that comes back by itself, the session logged on to it, signed
 * frames, streams. What a caller does with it is client.ts's.
 *
 * Frames and the outcomes of those whose answer was lost are frame-sender.ts's, streams are streams.ts's.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import {
  CONNECT_TIMEOUT_MS,
  FRAMES_WAITING_MAX,
  RECONNECT_DELAY_MS_MAX,
  REQUEST_TIMEOUT_MS,
  SILENCE_MS,
  STEADY_MS,
} from '../limits.js'
import type { ClientOptions, ClientState, CommandResult, Notice, Session } from './client-types.js'
import { checkPins } from './chain.js'
import { checkOptions } from './client-options.js'
import { GlassbookError, VerificationError } from '../base/errors.js'
import { FrameSender } from './frame-sender.js'
import {
  checkFields,
  checkNothing,
  checkOneOf,
  isArray,
  isBoolean,
  isCloid,
  isFunction,
  isString,
  wholeFrom,
} from '../base/inputs.js'
import { Listeners, type Report, callSafely, reportToConsole } from '../base/listeners.js'
import { type Market, Markets } from '../money/markets.js'
import { Pauses, backoffMs } from '../base/pauses.js'
import type { SignedReceipt } from '../verify/receipt.js'
import { isSessionKey } from './session-key.js'
import { type Hello, Socket, notConnected } from './socket.js'
import { Streams } from '../streams/streams.js'
import type { StreamListener, StreamMessage, StreamWatcher } from '../streams/subscription.js'
import { type TrackedOrder, readLiveOrder, readOrderEntry } from '../streams/trackers.js'
import { ErrorCode } from '../wire/codes.js'
import type { WireCommand } from '../wire/commands.js'
import { readArray, readObject, readSafeInt } from '../wire/fields.js'
import { Control, Kind, Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'
import { domainPreimage, logonMessage } from '../wire/signed.js'
import { Subprotocol } from '../wire/version.js'
/** Answers to a logon after which the session is of no use any more. */
const SESSION_OVER: ReadonlySet<number> = new Set([
  ErrorCode.UnknownSession,
  ErrorCode.SessionExpired,
  ErrorCode.SessionRevoked,
])

export class ClientCore {
  protected readonly options: ClientOptions
  #socket: Socket | undefined
  #hello: Hello | undefined
  /** Engine time less performance.now(), ms: this machine's wall clock may be wrong, and may be set meanwhile. */
  #engineBaseMs = 0
  #domain: Uint8Array = new Uint8Array(32)
  #markets: Markets | undefined
  #session: Session | undefined
  readonly #errorListeners = new Set<(error: unknown) => unknown>()
  /** Takes what a callback threw, and what no call waits for. */
  protected readonly report: Report = (error) => {
    if (this.#errorListeners.size === 0) reportToConsole(error)
    for (const listener of [...this.#errorListeners]) callSafely(reportToConsole, listener, error)
  }
  readonly #stateListeners = new Listeners<[state: ClientState]>(this.report)
  readonly #sessionListeners = new Listeners<[session: Session]>(this.report)
  readonly #noticeListeners = new Listeners<[notice: Notice]>(this.report)
  /** Iterables that wait for a message. */
  readonly #onClose = new Set<() => void>()
  #state: ClientState = 'closed'
  #closing = false
  #reconnecting = false
  /** Attempts since a connection stood for a while, when the last one was opened, how long the exchange asked to wait. */
  #attempts = 0
  #openedAtMs = 0
  #retryAfterMs = 0
  readonly #frames: FrameSender
  readonly #streams: Streams
  protected readonly pauses = new Pauses()
  readonly #cloidTag = globalThis.crypto.getRandomValues(new Uint16Array(1))[0]! >> 5
  #cloidMs = 0
  #cloidCount = 0

  /** @throws InputError for options that cannot be. */
  constructor(options: ClientOptions) {
    checkOptions(options)
    this.options = options
    if (options.onError !== undefined) this.#errorListeners.add(options.onError)
    this.#frames = new FrameSender({
      url: options.url,
      json: options.encoding === 'json',
      framesWaitingMax: options.framesWaitingMax ?? FRAMES_WAITING_MAX,
      domain: () => this.#domain,
      receiptKey: () => this.#hello?.receiptKey,
      request: (method, params, command) => this.call(method, params, command),
      order: (cloid) => this.order({ cloid }),
      marketOf: this.marketOf,
      nowMs: () => this.nowMs,
    })
    this.#streams = new Streams({
      request: (method, params) => this.call(method, params),
      isOpen: () => this.#socket?.isOpen === true,
      comesBack: () => this.comesBack,
      report: this.report,
      pauses: this.pauses,
      startMsMax: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      pauseMsMax: options.reconnectDelayMsMax ?? RECONNECT_DELAY_MS_MAX,
    })
  }

  /**
   * Calls `listener` with what a callback of yours threw, and with errors that no call waits for, such as the
   * end of a stream that the exchange refuses. Without one they go to the console; none ends the process.
   * Returns how to stop that.
   */
  onError(listener: (error: unknown) => void): () => void {
    isFunction(listener, 'onError')
    this.#errorListeners.add(listener)
    return () => this.#errorListeners.delete(listener)
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
    if (this.#markets === undefined) throw notConnected(this.options.url)
    return this.#markets
  }

  /** The market that a command names, as far as it is known. */
  protected readonly marketOf = (command: WireCommand): Market | undefined =>
    'market' in command ? this.#markets?.markets.find(({ id }) => id === command.market) : undefined

  /** Calls `listener` at every change of state; returns how to stop that. */
  onState(listener: (state: ClientState) => void): () => void {
    isFunction(listener, 'onState')
    return this.#stateListeners.add(listener)
  }

  #setState(state: ClientState): void {
    if (state === this.#state) return
    this.#state = state
    this.#stateListeners.tell(state)
  }

  /** Connects, once. @throws TransportError when the exchange cannot be reached. */
  async connect(...nothing: []): Promise<this> {
    checkNothing('connect', nothing)
    this.#closing = false
    try {
      await this.#open()
    } catch (error) {
      this.#closing = true
      this.#setState('closed')
      throw error
    }
    return this
  }

  async #open(): Promise<void> {
    this.#setState('connecting')
    const { url, encoding = 'msgpack' } = this.options
    const socket = new Socket(
      {
        url,
        subprotocol: encoding === 'json' ? Subprotocol.Json : Subprotocol.Msgpack,
        connectTimeoutMs: this.options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
        requestTimeoutMs: this.options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
        silenceMs: this.options.silenceMs ?? SILENCE_MS,
      },
      {
        message: (message) => this.#message(message),
        closed: () => {
          if (socket === this.#socket) this.#closed()
        },
      },
    )
    this.#socket = socket
    try {
      const hello = await socket.hello
      if (this.options.deployment !== undefined) checkPins(this.options.deployment, hello)
      this.#hello = hello
      this.#domain = sha256(domainPreimage(hello.chainId, hello.vault))
      this.#markets ??= new Markets(await socket.request(Method.Markets, []))
      const [, engineMs] = readArray(await socket.request(Method.Time, []), 'time', 2, 8)
      this.#engineBaseMs = readSafeInt(engineMs, 'engineMs') - performance.now()
      if (this.#session !== undefined) await this.#logonAgain(this.#session)
      if (!socket.isOpen) throw notConnected(url)
    } catch (error) {
      socket.close()
      throw error
    }
    this.#openedAtMs = performance.now()
    this.#retryAfterMs = 0
    this.#frames.opened(this.#session)
    this.#streams.opened()
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
    this.#sessionListeners.tell(session)
  }

  /**
   * Calls `listener` when the exchange ends the session (revoked, expired): log another one on. Returns how
   * to stop that. Private streams go on where they were after that logon.
   */
  onSessionEnded(listener: (session: Session) => void): () => void {
    isFunction(listener, 'onSessionEnded')
    return this.#sessionListeners.add(listener)
  }

  #closed(): void {
    this.#frames.closed()
    this.#streams.closed()
    if (this.#state === 'open' && performance.now() - this.#openedAtMs > STEADY_MS) this.#attempts = 0
    this.#setState('closed')
    if (this.#closing || this.options.reconnect === false || this.#reconnecting) return
    void this.#reconnect()
  }

  /** Tries until it is connected again, for ever. */
  async #reconnect(): Promise<void> {
    this.#reconnecting = true
    while (!this.#closing) {
      // Full jitter: a crowd that lost its exchange does not come back as one.
      const bound = backoffMs(this.#attempts++, this.options.reconnectDelayMsMax ?? RECONNECT_DELAY_MS_MAX)
      await this.pauses.wait(this.#retryAfterMs + Math.random() * bound)
      if (this.#closing) break
      try {
        await this.#open()
        if (this.#socket?.isOpen === true) break
      } catch (error) {
        this.#retryAfterMs = error instanceof GlassbookError ? (error.retryAfter ?? 0) : 0
        // Neither a line that failed nor a refusal: a lie, or a mistake.
        if (!(error instanceof GlassbookError) || error instanceof VerificationError) this.report(error)
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
    this.pauses.endAll()
    this.#setState('closed')
    for (const onClose of [...this.#onClose]) onClose()
  }

  /**
   * Any method by its name, for what has no typed call. `command` = it changes state: without an answer its
   * outcome is unknown. @throws InputError; GlassbookError of the exchange's code.
   */
  async call(
    method: Method,
    params: readonly WireValue[],
    options: { readonly command?: boolean } = {},
  ): Promise<WireValue> {
    isString(method, 'method')
    isArray(params, 'params')
    checkFields('call', options, { command: isBoolean })
    if (this.#socket === undefined) throw notConnected(this.options.url)
    return this.#socket.request(method, params, options)
  }

  /** What the exchange said first. @throws TransportError before the first connection. */
  protected get hello(): Hello {
    if (this.#hello === undefined) throw notConnected(this.options.url)
    return this.#hello
  }

  /** Engine time as far as it is known, ms since 1970: what deadlines and expiries are measured against. */
  protected get nowMs(): number {
    return Math.floor(performance.now() + this.#engineBaseMs)
  }

  /** When the exchange was last heard of, of performance.now(). */
  get heardAtMs(): number {
    return this.#socket?.heardAtMs ?? -Infinity
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
    isFunction(listener, 'onNotice')
    return this.#noticeListeners.add(listener)
  }

  #message(message: readonly WireValue[]): void {
    if (message[0] !== Kind.Control) {
      this.#streams.message(message)
      return
    }
    const notice = noticeOf(message)
    if (notice !== undefined) this.#noticeListeners.tell(notice)
    if (notice?.kind === 'shutdown') this.#retryAfterMs = notice.retryAfterMs
    if (message[1] === Control.SessionEnded && this.#isOurs(message[2])) {
      this.#endSession()
      this.#streams.sessionEnded()
    }
    if (message[1] !== Control.Resync) return
    const { stream } = readObject(message[2], 'control')
    if (typeof stream === 'string') this.#streams.resync(stream)
  }

  /** Whether what a control message tells of is the session that is logged on, and not one of before. */
  #isOurs(details: WireValue | undefined): boolean {
    const { account, approval } = readObject(details ?? {}, 'control')
    return this.#session?.account === account && this.#session?.approval === approval
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
   * for one go on. @throws InputError; AuthenticationError when the exchange does not take it.
   */
  async logon(session: Session): Promise<void> {
    const checks = { account: wholeFrom(0), approval: wholeFrom(1), key: isSessionKey }
    checkFields('logon', session, checks, ['account', 'approval', 'key'])
    // Read once: what was checked is what logs on again later, whatever becomes of the caller's object.
    const { account, approval, key } = session
    const given = { account, approval, key }
    await this.enter(given)
    // Another program may have used it, or uses it now.
    await this.#frames.readNonce(given)
  }

  /** Logs on a session that nobody has used. */
  protected async enter(session: Session): Promise<void> {
    await this.#logon(session)
    this.#session = session
    this.#frames.loggedOn(session)
    this.#streams.loggedOn()
  }

  async #logon(session: Session): Promise<void> {
    const { challenge } = this.#hello!
    const { account, approval, key } = session
    const signature = await key.sign(logonMessage(this.#domain, session, challenge))
    await this.call(Method.Logon, [account, approval, signature])
  }

  /** Takes the session off this connection, if there is one; streams of the account wait for the next. */
  protected async leave(): Promise<void> {
    if (this.#session === undefined) return
    this.#session = undefined
    this.#frames.loggedOn(undefined)
    await this.call(Method.Logoff, [])
    this.#streams.sessionEnded()
  }

  /**
   * A client order id that nobody else of the account chooses: 41 bits of milliseconds, 11 bits of this
   * client's own, 12 bits of a counter.
   */
  nextCloid(): bigint {
    // Only to differ from others: the wall clock, which is there before any connection.
    // eslint-disable-next-line no-restricted-properties
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
   * gave; undefined where the exchange gives none. @throws VerificationError when it does not hold.
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
   * stream begins with its snapshot, a later one with what comes next. `watcher` is told when what the listener
   * holds may be old, when it is whole again, and when the exchange refuses the stream for good.
   * @throws GlassbookError when the exchange refuses it now.
   */
  subscribe(
    name: string,
    listener: StreamListener,
    watcher: StreamWatcher = {},
  ): Promise<() => Promise<void>> {
    return this.follow(name, listener, watcher, false)
  }

  /** The same; `fromSnapshot` = a later listener gets a snapshot too. */
  protected async follow(
    name: string,
    listener: StreamListener,
    watcher: StreamWatcher,
    fromSnapshot: boolean,
  ): Promise<() => Promise<void>> {
    isString(name, 'name of a stream')
    isFunction(listener, 'listener')
    checkFields('a watcher', watcher, { gap: isFunction, live: isFunction, ended: isFunction })
    return this.#streams.subscribe(name, listener, watcher, fromSnapshot)
  }

  /**
   * A stream as an async iterable, from its snapshot on; leaving the loop leaves the stream, and `close` ends
   * the loop. What is not taken yet waits in memory. @throws what `subscribe` throws.
   */
  messages(name: string): AsyncGenerator<StreamMessage, void, undefined> {
    // Here, and not at the first step of the loop.
    isString(name, 'name of a stream')
    return this.#messages(name)
  }

  async *#messages(name: string): AsyncGenerator<StreamMessage, void, undefined> {
    const waiting: StreamMessage[] = []
    let wake = (): void => {}
    let refused: GlassbookError | undefined
    const listener = (message: StreamMessage): void => {
      waiting.push(message)
      wake()
    }
    const ended = (error: GlassbookError): void => {
      refused = error
      wake()
    }
    const leave = await this.subscribe(name, listener, { ended })
    const onClose = (): void => wake()
    this.#onClose.add(onClose)
    try {
      for (;;) {
        const message = waiting.shift()
        if (message !== undefined) yield message
        else if (refused !== undefined) throw refused
        else if (this.#closing) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      this.#onClose.delete(onClose)
      await leave()
    }
  }

  /**
   * How an order ended that is not live any more; asked until the exchange answers. Undefined when it knows none
   * (any more). Rejects only when the client is closed.
   */
  protected async howItEnded(orderId: number): Promise<TrackedOrder | undefined> {
    for (let attempt = 0; !this.#closing; attempt++) {
      await this.whenOpen()
      let pauseMs = 0
      try {
        const order = await this.order({ orderId })
        if (order === undefined || (order.state !== 'open' && order.state !== 'waiting')) return order
      } catch (error) {
        if (!(error instanceof GlassbookError)) throw error
        pauseMs = error.retryAfter ?? 0
      }
      const bound = backoffMs(attempt, this.options.reconnectDelayMsMax ?? RECONNECT_DELAY_MS_MAX)
      await this.pauses.wait(pauseMs + Math.random() * bound)
    }
    throw notConnected(this.options.url)
  }

  /** An order by either id: live, or how it ended; undefined when the exchange knows none (any more). */
  async order(
    key: { readonly cloid: bigint } | { readonly orderId: number },
  ): Promise<TrackedOrder | undefined> {
    checkFields('order', key, { cloid: isCloid, orderId: wholeFrom(0) })
    checkOneOf('order', key, ['cloid', 'orderId'])
    const { cloid, orderId } = key as { readonly cloid?: bigint; readonly orderId?: number }
    try {
      const asked: WireValue = cloid === undefined ? { orderId: orderId! } : { cloid }
      const answer = readObject(await this.call(Method.Order, [asked]), 'order')
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
