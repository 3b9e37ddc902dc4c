/**
 * One gateway thread's state and the meeting point of its parts: what the engine applied comes in
 * (EngineLinkHandler) and goes out to results and streams; what clients send comes in (`receive`) and
 * goes to frames or requests. Sockets are server.ts's, methods are requests.ts's.
 */
import { randomBytes } from 'node:crypto'
import { EventKind } from '../engine/codes.js'
import { EVENT_WORDS, Ev, kindOf } from '../engine/layout.js'
import type { MarketConfig } from '../engine/types.js'
import { ErrorCode } from '../sdk/wire/codes.js'
import { readArray, readInt } from '../sdk/wire/fields.js'
import { CHALLENGE_BYTES, Control, Kind, Method, StreamName } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import type { SessionName } from '../sdk/wire/signed.js'
import { PROTOCOL_VERSION } from '../sdk/wire/version.js'
import { AccountStreams } from './streams/account-streams.js'
import { Admission, Turns } from './limits/admission.js'
import { type Domain, createDomain } from './signatures/auth.js'
import { BalanceTable } from './views/balance-view.js'
import { BatchList } from './views/batch-list.js'
import { Connection, type ClientSocket, type SocketData } from './connections/connection.js'
import { Directory } from './sessions/directory.js'
import { DisconnectCancels } from './requests/disconnect-cancels.js'
import { type Applied, EngineLink, type EngineLinkHandler } from './link/engine-link.js'
import { Figures } from './frames/figures.js'
import { FrameIntake } from './frames/frames.js'
import { History } from './history/history.js'
import { EventMemory } from './streams/kept-events.js'
import { KeyChecks } from './signatures/key-checks.js'
import { Limits } from './limits/client-limits.js'
import { LiveOrders } from './views/live-orders.js'
import { createdMarket, loadState } from './load-state.js'
import { type Receipts, createReceipts } from './frames/receipts.js'
import { MarketData } from './streams/market-data.js'
import { Metrics } from './metrics/metrics.js'
import type {
  ProofAnswer,
  ProofQuestion,
  BatchInfo,
  FromGateway,
  GatewayStats,
  GatewayThreadData,
  SettlementFigures,
} from './link/messages.js'
import { OrderCapture } from './views/order-capture.js'
import { orderPages } from './streams/page-sources.js'
import { PagedSnapshots } from './streams/paged-snapshot.js'
import { Requests } from './requests/requests.js'
import { SessionList } from './sessions/session-list.js'
import { sessionEvent } from './session-events.js'
import { Stream } from './streams/stream.js'
import { Submissions } from './link/submissions.js'
import { SweptFills } from './limits/swept-fills.js'
import { Subscriptions } from './streams/subscriptions.js'
import { type Unread, boundUnsent } from './connections/unsent.js'
import { UsedNonces } from './frames/used-nonces.js'
import { WalletChecks } from './signatures/wallet-checks.js'
import {
  CROWDED_RETRY_MS,
  REQUEST_ID_MAX,
  SETTLEMENT_EVENTS_KEPT,
  SHUTDOWN_RETRY_MS,
  SWEEP_MEMORY_MS,
  WAITING_BYTES_MAX,
} from './limits.js'

/**
 * Public streams are sent again after this many times what sending them took: a crowd of subscribers gets
 * fewer and fuller events, and the orders of those who trade do not wait behind it.
 */
const PUBLIC_PAUSE = 4
const MARKET_EVENTS: ReadonlySet<number> = new Set([
  EventKind.Accepted,
  EventKind.Fill,
  EventKind.Canceled,
  EventKind.Amended,
  EventKind.Triggered,
  EventKind.Refilled,
  EventKind.MarketStatusChanged,
  EventKind.MarketFeesChanged,
  EventKind.PriceBandChanged,
  EventKind.Level,
])

export class Gateway implements EngineLinkHandler {
  readonly data: GatewayThreadData
  readonly link: EngineLink
  readonly domain: Domain
  readonly directory = new Directory()
  readonly walletChecks = new WalletChecks()
  readonly keyChecks = new KeyChecks()
  readonly submissions: Submissions
  readonly figures = new Figures()
  readonly frames: FrameIntake
  readonly metrics: Metrics
  readonly accounts: AccountStreams
  /** What the engine's state is, as its events tell: questions are answered from here. */
  readonly orders = new LiveOrders()
  readonly balances = new BalanceTable()
  readonly sessions = new SessionList()
  readonly usedNonces = new UsedNonces()
  readonly snapshots = new PagedSnapshots(() => this.publish())
  readonly #memory: EventMemory
  /** Epoch of streams whose positions are this thread's own. */
  readonly #ownEpoch = randomBytes(6).readUIntBE(0, 6)
  /** What waits until the commands that are being told of have been told of whole. */
  #waitingForWhole: (() => void)[] = []
  #sweptMemoryMs = 0
  readonly markets = new Map<number, MarketData>()
  readonly history: History
  readonly batches: BatchList
  /** The public stream of what settlement does. */
  readonly settlement: Stream
  /** Figures of settlement; undefined until it has told some. */
  settlementFigures: SettlementFigures | undefined
  readonly epoch: number
  readonly disconnectCancels: DisconnectCancels
  readonly limits: Limits
  readonly #sweptFills = new SweptFills((account, more) => this.limits.filled(account, more))
  readonly #sinceMs: number
  readonly admission: Admission
  readonly #turns = new Turns((connection, message) => this.#handle(connection, message))
  readonly #receipts: Receipts | undefined
  /** Answers over HTTP of which their clients have not read all. */
  readonly heldAnswers = new Set<Unread>()
  readonly #connections = new Set<Connection>()
  readonly #dirty = new Set<Connection>()
  readonly requests: Requests
  readonly subscriptions = new Subscriptions(this)
  readonly #post: (message: FromGateway) => void
  readonly #proofs = new Map<number, (proof: ProofAnswer | null) => void>()
  #publicDueAt = 0
  #publicTimer: NodeJS.Timeout | undefined
  #nextConnection = 1
  #sweptAtMs = 0
  #nextProof = 1
  #messagesOut = 0

  constructor(data: GatewayThreadData, post: (message: FromGateway) => void) {
    this.data = data
    this.#post = post
    this.link = new EngineLink(data.link)
    this.epoch = this.link.control.epoch
    this.#sinceMs = this.timeMs
    this.domain = createDomain(data.deployment.chainId, data.deployment.vault)
    this.submissions = new Submissions(this.link)
    this.disconnectCancels = new DisconnectCancels(this.link, this.submissions, post)
    this.limits = new Limits(data.config, (account) => this.orders.count(account))
    this.orders.onChange = (market, orderId) => this.markets.get(market)?.orderChanges(orderId)
    this.admission = new Admission(data.config)
    this.#memory = new EventMemory(data.config.streamBytesMax)
    if (data.receiptKey !== undefined) {
      this.#receipts = createReceipts(data.receiptKey, this.domain, this.link.control)
    }
    this.frames = new FrameIntake({
      domain: this.domain,
      keyChecks: this.keyChecks,
      submissions: this.submissions,
      limits: this.limits,
      figures: this.figures,
      usedNonces: this.usedNonces,
      timeMs: () => this.timeMs,
      signReceipt: this.#receipts?.sign,
      requireSignedFrames: data.config.requireSignedFrames,
    })
    this.batches = new BatchList(data.batches)
    this.history = new History({
      fillsKept: data.config.fillsKept,
      rebuildCommandsMax: data.config.historyRebuildCommandsMax,
      folder: data.folder,
      dataDir: data.dataDir,
      write: data.thread === 0,
      control: this.link.control,
      onLog: (line, level) => post({ type: 'log', line, level }),
    })
    this.settlement = new Stream({
      name: StreamName.Settlement,
      epoch: this.epoch,
      lastSeq: 0,
      keep: SETTLEMENT_EVENTS_KEPT,
      keepBytes: data.config.streamBytesKept,
      memory: this.#memory,
      public: {
        conflateBytes: data.config.conflateBytes,
        snapshot: () => ({ data: this.batches.latest() as unknown as WireValue }),
        conflate: true,
      },
    })
    this.accounts = new AccountStreams({
      epoch: this.epoch,
      keep: data.config.streamEventsKept,
      keepBytes: data.config.streamBytesKept,
      memory: this.#memory,
      idleMsMax: data.config.streamIdleS * 1000,
      orders: (account) => ({
        source: () => orderPages(new OrderCapture(this.orders, 'account', account)),
        begin: (connection, stream) => this.subscriptions.beginPaged(connection, stream),
      }),
    })
    this.requests = new Requests(this)
    this.metrics = new Metrics(this)
  }

  get stats(): GatewayStats {
    const { frames, commands } = this.frames.counts
    return { connections: this.#connections.size, frames, commands, messagesOut: this.#messagesOut }
  }

  /** Engine time of a command that is given now: what expiries, deadlines and nonces are measured against. */
  get timeMs(): number {
    return this.link.timeMs
  }

  /** Learns the books that this thread serves; to be called once, while the link runs. */
  async load(): Promise<void> {
    for (const [account, owner] of this.data.owners) this.directory.setOwner(account, owner)
    this.history.begin(await loadState(this))
  }

  /** Writes down what a restart should find; called now and then, and at the end. */
  saveHistory(): void {
    this.history.save(false)
  }

  /** Begins to serve a market, whose state at `seq` the caller puts in. */
  addMarket(config: MarketConfig, seq: number): MarketData {
    const { streamEventsKept, streamBytesKept, conflateBytes } = this.data.config
    this.history.market(config.id, config.tickUnits)
    const market = new MarketData({
      config,
      history: () => this.history.market(config.id, config.tickUnits),
      epoch: this.epoch,
      seq,
      eventsKept: streamEventsKept,
      eventBytesKept: streamBytesKept,
      memory: this.#memory,
      conflateBytes,
      orders: this.orders,
      ownEpoch: this.#ownEpoch,
      beginPaged: (connection, stream) => this.subscriptions.beginPaged(connection, stream),
    })
    this.markets.set(config.id, market)
    return market
  }

  // ---- sockets (called by server.ts)

  open(socket: ClientSocket, { codec, ip }: SocketData): Connection {
    const connection = new Connection({
      id: this.#nextConnection++,
      socket,
      codec,
      ip,
      challenge: randomBytes(CHALLENGE_BYTES),
      unsentBytesMax: this.data.config.unsentBytesMax,
      onDirty: (dirty) => this.#dirty.add(dirty),
      onRefused: (code) => this.#refused(connection, code),
      onAccount: (before, now) => this.limits.loggedOn(before, now),
    })
    this.#connections.add(connection)
    const { chainId, vault, settlement } = this.data.deployment
    connection.send([
      Kind.Hello,
      PROTOCOL_VERSION,
      this.epoch,
      this.timeMs,
      connection.challenge,
      {
        chainId,
        vault,
        settlement,
        signedFrames: this.data.config.requireSignedFrames,
        receiptKey: this.#receipts?.publicKey,
      },
    ])
    connection.flush()
    return connection
  }

  /** One message of a client, paid for before it is looked at; `message` is a view that dies with the call. */
  receive(connection: Connection, message: Uint8Array): void {
    if (connection.ending) return
    const refusal = this.admission.message(connection, message.length)
    if (refusal !== undefined) connection.sendError(null, refusal.code, refusal)
    else if (!this.#turns.take(connection, message)) {
      const message = `messages of ${WAITING_BYTES_MAX} bytes of this connection wait for their turn, which is the most`
      connection.sendError(null, ErrorCode.RateLimited, { message, retryAfter: CROWDED_RETRY_MS })
    } else return
    connection.flush()
  }

  /** An error goes to a client: one too many ends the connection, after it. */
  #refused(connection: Connection, code: number): void {
    this.figures.reject(code)
    if (connection.closed || connection.ending) return
    const bound = this.admission.refused(connection, code)
    if (bound === undefined) return
    const { perSecond, burst } = bound
    connection.ending = true
    queueMicrotask(() => {
      connection.flush()
      connection.close(
        ErrorCode.TooManyErrors,
        `refused more often than ${perSecond} a second, ${burst} at once; each error says why: correct that first`,
      )
    })
  }

  /** An error is the answer to an HTTP request or a handshake; answers whether it is to be told. */
  refusedOverHttp(ip: string, code: number, ends: boolean): boolean {
    this.figures.reject(code)
    return this.admission.refusedOverHttp(ip, code, ends)
  }

  #handle(connection: Connection, message: Uint8Array): void {
    if (connection.ending) return
    let decoded: WireValue
    try {
      decoded = connection.codec.decode(message)
    } catch (error) {
      this.#malformed(connection, error instanceof Error ? error.message : 'not a message')
      connection.flush()
      return
    }
    this.#dispatch(connection, decoded)
    connection.flush()
  }

  #dispatch(connection: Connection, message: WireValue): void {
    let id: number
    let method: WireValue
    let params: WireValue
    try {
      const values = readArray(message, 'message', 4, 8)
      readInt(values[0], 'kind', Kind.Request, Kind.Request)
      id = readInt(values[1], 'id', 0, REQUEST_ID_MAX)
      method = values[2]!
      params = values[3]!
    } catch (error) {
      this.#malformed(connection, error instanceof Error ? error.message : 'not a request')
      return
    }
    if (method === Method.Frame) this.frames.receive(connection, id, params)
    else if (method === Method.UnsignedFrame) this.frames.receiveUnsigned(connection, id, params)
    else this.requests.receive(connection, id, method, params)
  }

  #malformed(connection: Connection, message: string): void {
    connection.sendError(null, ErrorCode.MalformedMessage, { message })
    connection.malformed++
    if (connection.malformed > this.data.config.malformedMax) {
      connection.flush()
      connection.close(
        ErrorCode.TooManyErrors,
        `${connection.malformed} messages could not be read, each error says why; at most ${this.data.config.malformedMax} are taken`,
      )
    }
  }

  /** The socket has ended, whoever ended it. */
  closed(connection: Connection): void {
    connection.markClosed()
    // What has expired since the last sweep asks for nothing any more.
    const { session } = connection
    if (session !== undefined && session.expiresAtMs <= this.timeMs) this.logoff(connection)
    this.disconnectCancels.closed(connection)
    this.#connections.delete(connection)
    this.#dirty.delete(connection)
    this.#turns.forget(connection)
    this.frames.forget(connection)
    this.subscriptions.closed(connection)
    connection.session = undefined
  }

  /** A session was revoked or replaced: whoever is logged on with it is told, and is logged on no more. */
  sessionEnded({ account, approval }: SessionName): void {
    for (const connection of this.#connections) {
      const { session } = connection
      if (session?.account !== account || session.approval !== approval) continue
      this.#logOff(connection, session)
    }
  }

  /**
   * Looks at every connection, to be called several times within the idle time: whoever is silent is pinged, then closed;
   * whose session has expired, by engine time, is told and logged on no more.
   */
  sweep(): void {
    const idleMs = this.data.config.idleTimeoutS * 1000
    const now = performance.now()
    const { timeMs } = this
    if (now - this.#sweptMemoryMs >= SWEEP_MEMORY_MS) {
      this.#sweptMemoryMs = now
      this.accounts.sweep(now)
      this.snapshots.sweep(now)
      for (const market of this.markets.values()) market.sweep(now, this.data.config.streamIdleS * 1000)
      this.limits.sweep(now)
      boundUnsent([...this.#connections, ...this.heldAnswers], this.data.config.unsentBytesSumMax)
    }
    // After a pause of this thread signs of life may wait unread: nobody is closed before they were looked at.
    const judges = now - this.#sweptAtMs < idleMs / 2
    this.#sweptAtMs = now
    this.directory.sweep(timeMs)
    for (const connection of this.#connections) {
      const silentMs = now - connection.heardAtMs
      if (connection.pingedAtMs < connection.heardAtMs) {
        if (silentMs >= idleMs / 2) connection.ping()
      } else if (judges && silentMs >= idleMs && now - connection.pingedAtMs >= idleMs / 2) {
        connection.close(ErrorCode.IdleTimeout, `nothing was heard for ${Math.floor(silentMs / 1000)} s`)
      }
      const { session } = connection
      if (session !== undefined && session.expiresAtMs <= timeMs) this.#logOff(connection, session)
    }
  }

  /** A client takes its own session off its connection; every stream leaves with it, as when a session ends. */
  logoff(connection: Connection): void {
    // Who has lost the right to trade, or gave it up, cancels nobody's orders by leaving.
    void this.disconnectCancels.set(connection, false)
    this.subscriptions.closed(connection)
    connection.session = undefined
  }

  #logOff(connection: Connection, { account, approval }: SessionName): void {
    connection.send([Kind.Control, Control.SessionEnded, { account, approval }])
    this.logoff(connection)
    connection.flush()
  }

  /** Tells every client that the exchange stops and ends their connections. */
  shutdown(): void {
    this.frames.stop()
    for (const connection of [...this.#connections]) {
      connection.send([Kind.Control, Control.Shutdown, { retryAfter: SHUTDOWN_RETRY_MS }])
      connection.flush()
      connection.close(ErrorCode.ShuttingDown, 'the exchange stops')
    }
  }

  // ---- engine (called by EngineLink)

  applied(applied: Applied): void {
    // What happened before this thread was there (a gateway that begins anew is told of some of it) has been paid for.
    if (applied.timeMs >= this.#sinceMs) this.#sweptFills.applied(applied)
    if (applied.ticket >= 0) this.submissions.settle(applied)
    const { words, floats, at, count, timeMs } = applied
    // The time that the sequencer gave with a message stands before its first command, and has an event.
    const firstSeq = count > 0 ? floats[(at >> 1) + Ev.SEQ_F64]! : applied.firstSeq
    this.directory.beginsAfter(Math.min(firstSeq, applied.firstSeq) - 1)
    this.history.applied(Math.min(firstSeq, applied.firstSeq), applied.lastSeq, applied.more)
    for (let index = 0; index < count; index++) {
      const word = at + index * EVENT_WORDS
      if (applied.ticket >= 0) this.figures.event(kindOf(words[word + Ev.KIND]!))
      this.#event(words, floats, word, timeMs)
    }
  }

  #event(words: Int32Array, floats: Float64Array, word: number, timeMs: number): void {
    const kind = kindOf(words[word + Ev.KIND]!)
    const fillIndex = this.history.event(kind, words, floats, word, timeMs)
    this.accounts.add(words, floats, word, timeMs, fillIndex)
    this.orders.event(kind, words, floats, word)
    this.balances.event(kind, words, floats, word)
    this.sessions.event(kind, words, floats, word, timeMs)
    if (MARKET_EVENTS.has(kind)) {
      this.markets.get(words[word + Ev.SUBJECT]!)?.add(words, floats, word, timeMs, fillIndex)
    } else if (kind === EventKind.MarketCreated) {
      this.addMarket(createdMarket(words, floats, word), floats[(word >> 1) + Ev.SEQ_F64]!)
    } else sessionEvent(this, kind, words, floats, word, timeMs)
  }

  /** Calls `begin` when what has been told of is a whole state: at once, as a rule. */
  whole(begin: () => void): void {
    if (this.link.within) this.#waitingForWhole.push(begin)
    else begin()
  }

  flush(): void {
    if (this.link.within) {
      this.#flushConnections()
      return
    }
    this.accounts.publish()
    if (this.#waitingForWhole.length > 0) {
      const waiting = this.#waitingForWhole
      this.#waitingForWhole = []
      for (const begin of waiting) begin()
    }
    this.snapshots.wake()
    this.history.flush()
    const now = performance.now()
    const due = now >= this.#publicDueAt
    if (due) this.#publishPublic()
    this.#flushConnections()
    if (due) this.#publicDueAt = now + PUBLIC_PAUSE * (performance.now() - now)
    else this.#publicTimer ??= setTimeout(() => this.#publicLater(), Math.ceil(this.#publicDueAt - now))
  }

  #flushConnections(): void {
    for (const connection of this.#dirty) connection.flush()
    this.#messagesOut += this.#dirty.size
    this.#dirty.clear()
  }

  #publicLater(): void {
    this.#publicTimer = undefined
    this.flush()
  }

  /** Sends what the streams gathered; a snapshot taken after it misses nothing. */
  publish(): void {
    if (this.link.within) return
    this.accounts.publish()
    this.#publishPublic()
  }

  #publishPublic(): void {
    for (const market of this.markets.values()) market.publish()
  }

  /** A connection's socket has room again. */
  drained(connection: Connection): void {
    this.snapshots.wake()
    if (!connection.slow || connection.unsentBytes > this.data.config.conflateBytes / 2) return
    connection.slow = false
    this.subscriptions.catchUp(connection)
    connection.flush()
  }

  stopped(): void {
    clearTimeout(this.#publicTimer)
    this.history.close()
    this.shutdown()
  }

  // ---- parent

  /** Asks settlement, through the parent, for a proof; null = there is none. */
  askProof(question: ProofQuestion, onProof: (proof: ProofAnswer | null) => void): void {
    const ticket = this.#nextProof++
    this.#proofs.set(ticket, onProof)
    this.#post({ type: 'askProof', ticket, question })
  }

  proofAnswered(ticket: number, proof: ProofAnswer | null): void {
    this.#proofs.get(ticket)?.(proof)
    this.#proofs.delete(ticket)
    this.flush()
  }

  /** Settlement has posted, proven or finalised a batch. */
  batchChanged(batch: BatchInfo): void {
    this.batches.put(batch)
    this.settlement.publish(this.settlement.lastSeq + 1, batch as unknown as WireValue)
    this.flush()
  }
}
