/**
 * The core of a client: its parts put together, and what a caller is given of each. Each part names what it needs and
 * whom it tells, and none knows this file: a connection that comes back by itself (server-connection.ts), the session logged
 * on to it (session-logon.ts), signed frames (frame-sender.ts), streams (streams.ts). What a connection or the
 * exchange says goes down that way: connection, session, then frames and streams. Typed calls are client.ts's.
 */
import { FRAMES_WAITING_MAX, RECONNECT_DELAY_MS_MAX, REQUEST_TIMEOUT_MS } from '../limits.js'
import type { ClientOptions, ClientState, CommandResult, Notice, Session } from './client-types.js'
import { checkOptions } from './client-options.js'
import { Cloids } from './cloids.js'
import { ServerConnection } from './server-connection.js'
import { GlassbookError } from '../base/errors.js'
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
import { type Report, callSafely, reportToConsole } from '../base/listeners.js'
import type { Market, Markets } from '../money/markets.js'
import { Pauses, backoffMs } from '../base/pauses.js'
import type { SignedReceipt } from '../verify/receipt.js'
import { isSessionKey } from './session-key.js'
import { SessionLogon } from './session-logon.js'
import { type Hello, notConnected } from './socket.js'
import { Iterables } from '../streams/iterables.js'
import { Streams } from '../streams/streams.js'
import type { StreamListener, StreamMessage, StreamWatcher } from '../streams/subscription.js'
import { type TrackedOrder, readLiveOrder, readOrderEntry } from '../streams/trackers.js'
import { ErrorCode } from '../wire/codes.js'
import type { WireCommand } from '../wire/commands.js'
import { readObject } from '../wire/fields.js'
import { Control, Kind, Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

export class ClientCore {
  protected readonly options: ClientOptions
  readonly #errorListeners = new Set<(error: unknown) => unknown>()
  /** Takes what a callback threw, and what no call waits for. */
  protected readonly report: Report = (error) => {
    if (this.#errorListeners.size === 0) reportToConsole(error)
    for (const listener of [...this.#errorListeners]) callSafely(reportToConsole, listener, error)
  }
  protected readonly pauses = new Pauses()
  readonly #connection: ServerConnection
  readonly #logon: SessionLogon
  readonly #frames: FrameSender
  readonly #streams: Streams
  readonly #iterables: Iterables
  readonly #cloids = new Cloids()

  /** @throws InputError for options that cannot be. */
  constructor(options: ClientOptions) {
    checkOptions(options)
    this.options = options
    if (options.onError !== undefined) this.#errorListeners.add(options.onError)
    const connection = new ServerConnection(options, this.pauses, {
      greeted: () => this.#logon.logonAgain(),
      opened: () => {
        this.#frames.opened(this.#logon.session)
        this.#streams.opened()
      },
      closed: () => {
        this.#frames.closed()
        this.#streams.closed()
      },
      message: (message) => this.#message(message),
      report: this.report,
    })
    this.#connection = connection
    this.#logon = new SessionLogon(
      {
        url: options.url,
        request: (method, params) => this.call(method, params),
        domain: () => connection.domain,
        challenge: () => this.hello.challenge,
        signed: (answer) => connection.signed(answer),
      },
      {
        changed: (session) => {
          this.#frames.loggedOn(session)
          if (session !== undefined) this.#streams.loggedOn()
        },
        left: () => this.#streams.sessionEnded(),
        report: this.report,
      },
    )
    this.#frames = new FrameSender({
      url: options.url,
      json: options.encoding === 'json',
      framesWaitingMax: options.framesWaitingMax ?? FRAMES_WAITING_MAX,
      domain: () => connection.domain,
      receiptKey: () => connection.hello?.receiptKey,
      request: (method, params, command) => this.call(method, params, command),
      order: (cloid) => this.order({ cloid }),
      marketOf: this.marketOf,
      nowMs: () => this.nowMs,
      signed: (answer) => connection.signed(answer),
    })
    this.#streams = new Streams({
      request: (method, params) => this.call(method, params),
      isOpen: () => connection.isOpen,
      comesBack: () => this.comesBack,
      report: this.report,
      pauses: this.pauses,
      startMsMax: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      pauseMsMax: options.reconnectDelayMsMax ?? RECONNECT_DELAY_MS_MAX,
    })
    this.#iterables = new Iterables({
      subscribe: (name, listener, watcher) => this.subscribe(name, listener, watcher),
      isClosing: () => connection.isClosing,
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
    return this.#connection.state
  }

  get session(): Session | undefined {
    return this.#logon.session
  }

  /** Assets and markets. @throws TransportError before the first `connect`. */
  get markets(): Markets {
    const { markets } = this.#connection
    if (markets === undefined) throw notConnected(this.options.url)
    return markets
  }

  /** The market that a command names, as far as it is known. */
  protected readonly marketOf = (command: WireCommand): Market | undefined =>
    'market' in command
      ? this.#connection.markets?.markets.find(({ id }) => id === command.market)
      : undefined

  /** Calls `listener` at every change of state; returns how to stop that. */
  onState(listener: (state: ClientState) => void): () => void {
    isFunction(listener, 'onState')
    return this.#connection.onState(listener)
  }

  /**
   * Connects, once: resolves at once when the connection stands, joins the attempt that is under way, and does not
   * wait for the pause before the next one. @throws TransportError when the exchange cannot be reached.
   */
  async connect(...nothing: []): Promise<this> {
    checkNothing('connect', nothing)
    await this.#connection.connect()
    return this
  }

  /**
   * Calls `listener` when the exchange ends the session (revoked, expired): log another one on. Returns how
   * to stop that. Private streams go on where they were after that logon.
   */
  onSessionEnded(listener: (session: Session) => void): () => void {
    isFunction(listener, 'onSessionEnded')
    return this.#logon.onEnded(listener)
  }

  /** Drops the connection as a network would; the client comes back by itself. For tests of what follows. */
  dropConnection(): void {
    this.#connection.drop()
  }

  /** Ends the connection for good, and what waits for it, or for a wallet or key to sign. */
  close(): void {
    this.#connection.close()
    this.#iterables.closed()
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
    return this.#connection.request(method, params, options)
  }

  /** What the exchange said first. @throws TransportError before the first connection. */
  protected get hello(): Hello {
    const { hello } = this.#connection
    if (hello === undefined) throw notConnected(this.options.url)
    return hello
  }

  /** Engine time as far as it is known, ms since 1970: what deadlines and expiries are measured against. */
  protected get nowMs(): number {
    return this.#connection.nowMs
  }

  /** When the exchange was last heard of, of performance.now(). */
  get heardAtMs(): number {
    return this.#connection.heardAtMs
  }

  /** Whether a connection that breaks now will be made again. */
  protected get comesBack(): boolean {
    return this.#connection.comesBack
  }

  /**
   * Calls `listener` with what the exchange says of this connection: that a budget is nearly spent, that it
   * reads too slowly and is sent less, that the exchange stops. Returns how to stop that.
   */
  onNotice(listener: (notice: Notice) => void): () => void {
    isFunction(listener, 'onNotice')
    return this.#connection.onNotice(listener)
  }

  #message(message: readonly WireValue[]): void {
    if (message[0] !== Kind.Control) {
      this.#streams.message(message)
      return
    }
    if (message[1] === Control.SessionEnded) this.#logon.ended(message[2])
    if (message[1] !== Control.Resync) return
    const { stream } = readObject(message[2], 'control')
    if (typeof stream === 'string') this.#streams.resync(stream)
  }

  /** Resolves when the connection stands (again); at once when it does. @throws TransportError when it is closed for good. */
  protected whenOpen(): Promise<void> {
    return this.#connection.whenOpen()
  }

  /** What a wallet answers. @throws what it rejects with; TransportError when the client is closed first. */
  protected signed<Value>(answer: Promise<Value>): Promise<Value> {
    return this.#connection.signed(answer)
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
    await this.#logon.logon(session)
  }

  /** Takes the session off this connection, if there is one; streams of the account wait for the next. */
  protected async leave(): Promise<void> {
    await this.#logon.logoff()
  }

  /**
   * A client order id that nobody else of the account chooses: 41 bits of milliseconds, 11 bits of this
   * client's own, 12 bits of a counter.
   */
  nextCloid(): bigint {
    return this.#cloids.next()
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
    return this.#iterables.messages(name)
  }

  /**
   * How an order ended that is not live any more; asked until the exchange answers. Undefined when it knows none
   * (any more). Rejects only when the client is closed.
   */
  protected async howItEnded(orderId: number): Promise<TrackedOrder | undefined> {
    for (let attempt = 0; !this.#connection.isClosing; attempt++) {
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
