/**
 * One gateway thread's state: the parts that it is made of, and what the engine tells them. What was applied comes in
 * here (EngineLinkHandler) and goes to history, views and streams; what clients send comes in at clients.ts
 * and goes to frames or requests, whose commands and questions leave through the link.
 */
import { randomBytes } from 'node:crypto'
import { EventKind } from '../engine/codes.js'
import { EVENT_WORDS, Ev, ExchangeStatusChangedEv, kindOf } from '../engine/layout.js'
import type { MarketConfig } from '../engine/types.js'
import { StreamName } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import { AccountStreams } from './streams/account-streams.js'
import { Admission } from './limits/admission.js'
import { type Domain, createDomain } from './signatures/auth.js'
import { AssetTerms } from './views/asset-terms.js'
import { BalanceTable } from './views/balance-view.js'
import { BatchList } from './views/batch-list.js'
import { Clients } from './clients.js'
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
import { Marketable } from './limits/marketable.js'
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
import { UsedNonces } from './frames/used-nonces.js'
import { WalletChecks } from './signatures/wallet-checks.js'
import { SETTLEMENT_EVENTS_KEPT, SWEEP_MEMORY_MS } from './limits.js'

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
  readonly assetTerms = new AssetTerms()
  readonly sessions = new SessionList()
  readonly usedNonces = new UsedNonces()
  readonly snapshots = new PagedSnapshots(() => this.publish())
  readonly #memory: EventMemory
  /** Epoch of streams whose positions are this thread's own. */
  readonly #ownEpoch = randomBytes(6).readUIntBE(0, 6)
  /** Why the whole exchange takes cancels only: bits of CancelOnlyReason. */
  #cancelOnlyReasons = 0
  /** What waits until the commands that are being told of have been told of whole. */
  #waitingForWhole: (() => void)[] = []
  /** What waits until a seq has been told of, in their order. */
  readonly #behind: { readonly seq: number; readonly begin: () => void }[] = []
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
  readonly clients: Clients
  readonly #sweptFills = new SweptFills((account, more) => this.limits.filled(account, more))
  readonly #sinceMs: number
  readonly admission: Admission
  readonly #receipts: Receipts | undefined
  readonly requests: Requests
  readonly subscriptions = new Subscriptions(this)
  readonly #post: (message: FromGateway) => void
  readonly #proofs = new Map<number, (proof: ProofAnswer | null) => void>()
  #publicDueAt = 0
  #publicTimer: NodeJS.Timeout | undefined
  #nextProof = 1

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
      marketable: new Marketable({
        bestTicks: (market, side) => this.markets.get(market)?.book.bestTicks(side),
        attributes: (account, low, high) => this.orders.attributes(account, low, high),
        handledSeq: () => this.link.handledSeq,
      }),
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
    this.clients = new Clients(this)
    this.metrics = new Metrics(this)
  }

  get stats(): GatewayStats {
    const { frames, commands } = this.frames.counts
    const { count: connections, messagesOut } = this.clients
    return { connections, frames, commands, messagesOut }
  }

  /** Public key of receipts; undefined = none are given. */
  get receiptKey(): WireValue | undefined {
    return this.#receipts?.publicKey
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
    market.loadExchange(this.#cancelOnlyReasons)
    this.markets.set(config.id, market)
    return market
  }

  /** What holds of the whole exchange as this thread begins; markets that are added then have it. */
  loadExchange(cancelOnlyReasons: number): void {
    this.#cancelOnlyReasons = cancelOnlyReasons
  }

  /** Frees what nobody needs any more and ends who is to be ended; to be called several times within the idle time. */
  sweep(): void {
    const now = performance.now()
    if (now - this.#sweptMemoryMs >= SWEEP_MEMORY_MS) {
      this.#sweptMemoryMs = now
      this.accounts.sweep(now)
      this.snapshots.sweep(now)
      for (const market of this.markets.values()) market.sweep(now, this.data.config.streamIdleS * 1000)
      this.limits.sweep(now)
      this.clients.boundUnsent()
    }
    this.directory.sweep(this.timeMs)
    this.clients.sweep()
  }

  // ---- engine (called by EngineLink)

  settled(applied: Applied): void {
    // What happened before this thread was there (a gateway that begins anew is told of some of it) has been paid for.
    if (applied.timeMs >= this.#sinceMs) this.#sweptFills.applied(applied)
    if (applied.ticket >= 0) this.submissions.settle(applied, 'at once')
  }

  answered(): void {
    this.clients.flush()
  }

  applied(applied: Applied): void {
    if (applied.ticket >= 0) this.submissions.settle(applied, 'in turn')
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
    } else {
      if (kind === EventKind.ExchangeStatusChanged)
        this.#exchangeChanged(
          floats[(word >> 1) + Ev.SEQ_F64]!,
          words[word + ExchangeStatusChangedEv.REASONS]!,
        )
      this.assetTerms.event(kind, words, floats, word)
      sessionEvent(this, kind, words, floats, word, timeMs)
    }
  }

  #exchangeChanged(seq: number, reasons: number): void {
    this.#cancelOnlyReasons = reasons
    for (const market of this.markets.values()) market.exchangeChanged(seq, reasons)
  }

  /** Calls `begin` when what has been told of is a whole state: at once, as a rule. */
  whole(begin: () => void): void {
    if (this.link.within) this.#waitingForWhole.push(begin)
    else begin()
  }

  /** Calls `begin` when views hold what has been answered to anybody up to now: at once, as a rule. */
  caughtUp(begin: () => void): void {
    const { settledSeq, handledSeq } = this.link
    if (settledSeq <= handledSeq) begin()
    else this.#behind.push({ seq: settledSeq, begin })
  }

  flush(): void {
    while (this.#behind.length > 0 && this.#behind[0]!.seq <= this.link.handledSeq)
      this.#behind.shift()!.begin()
    if (this.link.within) {
      this.clients.flush()
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
    this.clients.flush()
    if (due) this.#publicDueAt = now + PUBLIC_PAUSE * (performance.now() - now)
    else this.#publicTimer ??= setTimeout(() => this.#publicLater(), Math.ceil(this.#publicDueAt - now))
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

  stopped(): void {
    clearTimeout(this.#publicTimer)
    this.history.close()
    this.clients.shutdown()
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

  /** Settlement has committed, proven or finalised a batch. */
  batchChanged(batch: BatchInfo): void {
    this.batches.put(batch)
    this.settlement.publish(this.settlement.lastSeq + 1, batch as unknown as WireValue)
    this.flush()
  }
}
