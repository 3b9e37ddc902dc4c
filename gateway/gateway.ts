/**
 * One gateway thread's state and the meeting point of its parts: what the engine applied comes in
 * (EngineLinkHandler) and goes out to results and streams; what clients send comes in (`receive`) and
 * goes to frames or requests. Sockets are server.ts's, methods are requests.ts's.
 */
import { randomBytes } from 'node:crypto'
import { EventKind, Side } from '../engine/codes.js'
import { EVENT_WORDS, Ev } from '../engine/layout.js'
import { BOOK_DEPTH_MAX } from '../engine/limits.js'
import { QueryKind } from '../engine/messages.js'
import type { BookLevel } from '../engine/types.js'
import { ErrorCode } from '../sdk/wire/codes.js'
import { readArray, readInt } from '../sdk/wire/fields.js'
import { CHALLENGE_BYTES, Control, Kind, Method, StreamName, type TradeEntry } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import { PROTOCOL_VERSION } from '../sdk/wire/version.js'
import { AccountStreams } from './account-streams.js'
import { type Domain, createDomain } from './auth.js'
import { BookView } from './book-view.js'
import { Connection, type Socket, type SocketData } from './connection.js'
import { Directory } from './directory.js'
import { type Applied, EngineLink, type EngineLinkHandler } from './engine-link.js'
import { FrameIntake } from './frames.js'
import type { BalanceProof, BatchInfo, FromGateway, GatewayStats, GatewayThreadData } from './messages.js'
import { Requests } from './requests.js'
import { Stream } from './stream.js'
import { Submissions } from './submissions.js'

const REQUEST_ID_MAX = 2 ** 31 - 1
const BATCHES_KEPT = 100

/** What the gateway knows of one market beyond its configuration. */
export interface MarketState {
  readonly id: number
  readonly book: BookView
  readonly bookStream: Stream
  readonly tradeStream: Stream
  trades: TradeEntry[]
}

export class Gateway implements EngineLinkHandler {
  readonly data: GatewayThreadData
  readonly link: EngineLink
  readonly domain: Domain
  readonly directory = new Directory()
  readonly submissions: Submissions
  readonly frames: FrameIntake
  readonly accounts: AccountStreams
  readonly markets = new Map<number, MarketState>()
  readonly batches: BatchInfo[] = []
  readonly epoch: number
  readonly #connections = new Set<Connection>()
  readonly #dirty = new Set<Connection>()
  readonly #requests: Requests
  readonly #post: (message: FromGateway) => void
  readonly #proofs = new Map<number, (proof: BalanceProof | null) => void>()
  #nextConnection = 1
  #nextProof = 1
  #fillSeq = 0
  #fillIndex = 0
  #messagesOut = 0

  constructor(data: GatewayThreadData, post: (message: FromGateway) => void) {
    this.data = data
    this.#post = post
    this.link = new EngineLink(data.link)
    this.epoch = this.link.control.epoch
    this.domain = createDomain(data.deployment.chainId, data.deployment.vault)
    this.submissions = new Submissions(this.link)
    this.frames = new FrameIntake({
      domain: this.domain,
      submissions: this.submissions,
      framesInFlightMax: data.config.framesInFlightMax,
      requireSignedFrames: data.config.requireSignedFrames,
    })
    this.accounts = new AccountStreams(this.epoch, data.config.streamEventsKept)
    this.#requests = new Requests(this)
  }

  get stats(): GatewayStats {
    const { frames, commands } = this.frames.counts
    return { connections: this.#connections.size, frames, commands, messagesOut: this.#messagesOut }
  }

  /** Learns the books that this thread serves; to be called once, while the link runs. */
  async load(): Promise<void> {
    for (const [account, owner] of this.data.owners) this.directory.setOwner(account, owner)
    await Promise.all(this.data.markets.map(({ id }) => this.#loadBook(id)))
  }

  #loadBook(market: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const asked = this.link.query(QueryKind.Book, market, BOOK_DEPTH_MAX, (answer) => {
        if (answer === undefined) {
          reject(new Error('the engine ended before the gateway had started'))
          return
        }
        const { book } = this.addMarket(market, answer.seq)
        const { bids, asks } = answer.value as { bids: BookLevel[]; asks: BookLevel[] }
        for (const { ticks, lots, orders } of bids) book.set(Side.Buy, ticks, lots, orders, answer.seq)
        for (const { ticks, lots, orders } of asks) book.set(Side.Sell, ticks, lots, orders, answer.seq)
        book.takeChanges()
        resolve()
      })
      if (!asked) reject(new Error('the way to the engine is full'))
    })
  }

  /** Begins to follow a market whose book is empty up to `seq`. */
  addMarket(id: number, seq: number): MarketState {
    const keep = this.data.config.streamEventsKept
    const state: MarketState = {
      id,
      book: new BookView(id),
      bookStream: new Stream(`${StreamName.Book}:${id}`, this.epoch, seq, keep),
      tradeStream: new Stream(`${StreamName.Trades}:${id}`, this.epoch, seq, keep),
      trades: [],
    }
    this.markets.set(id, state)
    return state
  }

  // ---- sockets (called by server.ts)

  open(socket: Socket, { codec, ip }: SocketData): Connection {
    const connection = new Connection({
      id: this.#nextConnection++,
      socket,
      codec,
      ip,
      challenge: randomBytes(CHALLENGE_BYTES),
      unsentBytesMax: this.data.config.unsentBytesMax,
      onDirty: (dirty) => this.#dirty.add(dirty),
    })
    this.#connections.add(connection)
    const { chainId, vault, settlement } = this.data.deployment
    connection.send([
      Kind.Hello,
      PROTOCOL_VERSION,
      this.epoch,
      Date.now(),
      connection.challenge,
      { chainId, vault, settlement, signedFrames: this.data.config.requireSignedFrames },
    ])
    connection.flush()
    return connection
  }

  /** One message of a client; `message` is a view that dies with the call. */
  receive(connection: Connection, message: Uint8Array): void {
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
    else this.#requests.receive(connection, id, method, params)
  }

  #malformed(connection: Connection, message: string): void {
    connection.sendError(null, ErrorCode.MalformedMessage, { message })
    connection.malformed++
    if (connection.malformed > this.data.config.malformedMax) {
      connection.flush()
      connection.close(ErrorCode.TooManyErrors, 'too many messages that are none')
    }
  }

  /** The socket has ended, whoever ended it. */
  closed(connection: Connection): void {
    connection.markClosed()
    this.#connections.delete(connection)
    this.#dirty.delete(connection)
    this.frames.forget(connection)
    this.#requests.closed(connection)
  }

  /** Tells every client that the exchange stops and ends their connections. */
  shutdown(): void {
    for (const connection of [...this.#connections]) {
      connection.send([Kind.Control, Control.Shutdown, { retryAfter: 1000 }])
      connection.flush()
      connection.close(ErrorCode.ShuttingDown, 'the exchange stops')
    }
  }

  // ---- engine (called by EngineLink)

  applied(applied: Applied): void {
    if (applied.ticket >= 0) this.submissions.settle(applied)
    const { words, floats, at, count, timeMs } = applied
    for (let index = 0; index < count; index++) {
      this.#event(words, floats, at + index * EVENT_WORDS, timeMs)
    }
  }

  #event(words: Int32Array, floats: Float64Array, word: number, timeMs: number): void {
    const float = word >> 1
    const kind = words[word + Ev.KIND]! & 0xff
    this.accounts.add(words, floats, word, timeMs)
    switch (kind) {
      case EventKind.Level: {
        const market = this.markets.get(words[word + Ev.MARKET]!)
        const side = ((words[word + Ev.KIND]! >> 8) & 1) as Side
        market?.book.set(
          side,
          words[word + Ev.TICKS]!,
          floats[float + Ev.AMOUNT_A_F64]!,
          floats[float + Ev.AMOUNT_B_F64]!,
          floats[float + Ev.SEQ_F64]!,
        )
        break
      }
      case EventKind.Fill: {
        const seq = floats[float + Ev.SEQ_F64]!
        this.#fillIndex = seq === this.#fillSeq ? this.#fillIndex + 1 : 0
        this.#fillSeq = seq
        const takerSide = 1 - ((words[word + Ev.KIND]! >> 8) & 1)
        this.markets
          .get(words[word + Ev.MARKET]!)
          ?.trades.push([
            seq,
            this.#fillIndex,
            words[word + Ev.TICKS]!,
            words[word + Ev.LOTS]!,
            takerSide,
            timeMs,
          ])
        break
      }
      default:
        this.#requests.event(kind, words, floats, word)
        break
    }
  }

  flush(): void {
    this.publish()
    for (const connection of this.#dirty) connection.flush()
    this.#messagesOut += this.#dirty.size
    this.#dirty.clear()
  }

  /** Sends what the streams gathered; a snapshot taken after it misses nothing. */
  publish(): void {
    this.accounts.publish()
    for (const market of this.markets.values()) {
      if (market.trades.length > 0) {
        market.tradeStream.publish(market.trades.at(-1)![0], market.trades)
        market.trades = []
      }
      const changes = market.book.takeChanges()
      if (changes !== undefined)
        market.bookStream.publish(market.book.lastSeq, changes, market.book.checksum())
    }
  }

  stopped(): void {
    this.shutdown()
  }

  // ---- parent

  /** Asks settlement, through the parent, for a proof; null = there is none yet. */
  askProof(account: number, asset: number, onProof: (proof: BalanceProof | null) => void): void {
    const ticket = this.#nextProof++
    this.#proofs.set(ticket, onProof)
    this.#post({ type: 'askProof', ticket, account, asset })
  }

  proofAnswered(ticket: number, proof: BalanceProof | null): void {
    this.#proofs.get(ticket)?.(proof)
    this.#proofs.delete(ticket)
    this.flush()
  }

  /** Settlement has posted, proven or finalised a batch. */
  batchChanged(batch: BatchInfo): void {
    const index = this.batches.findIndex(({ number }) => number === batch.number)
    if (index >= 0) this.batches[index] = batch
    else this.batches.push(batch)
    if (this.batches.length > BATCHES_KEPT) this.batches.shift()
    this.accounts.publishSettlement(batch.lastSeq, batch as unknown as WireValue)
    this.flush()
  }
}
