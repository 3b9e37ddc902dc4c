/**
 * Which streams each connection follows: how it starts on one (resumed, or from a snapshot), goes on after
 * it was slow, and leaves.
 */
import { Scope } from '../../engine/codes.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { Kind, StreamName } from '../../sdk/wire/layout.js'
import { type AccountStreams, type PrivateStreamName, isPrivateStream } from './account-streams.js'
import type { Connection } from '../connections/connection.js'
import type { History } from '../history/history.js'
import type { Limits } from '../limits/client-limits.js'
import type { EngineLink } from '../link/engine-link.js'
import type { MarketData } from './market-data.js'
import type { GatewayConfig } from '../settings/config.js'
import type { BalanceTable } from '../views/balance-view.js'
import { fillPages } from './page-sources.js'
import type { PageSource, PagedSnapshots } from './paged-snapshot.js'
import { RequestError, scopeMissing } from '../protocol/request-error.js'
import { type LiveSessions, checkStanding } from '../sessions/still-standing.js'
import type { Stream } from './stream.js'

/** Streams that a connection follows; `onChange` is told how many more, or fewer, they have become. */
class Followed extends Map<string, Stream | undefined> {
  readonly #onChange: (change: number) => void

  constructor(onChange: (change: number) => void) {
    super()
    this.#onChange = onChange
  }

  override set(name: string, stream: Stream | undefined): this {
    if (!this.has(name)) this.#onChange(1)
    return super.set(name, stream)
  }

  override delete(name: string): boolean {
    const had = super.delete(name)
    if (had) this.#onChange(-1)
    return had
  }

  override clear(): void {
    this.#onChange(-this.size)
    super.clear()
  }
}

/** What streams begin with: the parts of a gateway that a subscription asks. */
export interface StreamParts extends LiveSessions {
  readonly data: { readonly config: GatewayConfig }
  readonly link: EngineLink
  readonly limits: Limits
  readonly accounts: AccountStreams
  readonly markets: ReadonlyMap<number, MarketData>
  readonly settlement: Stream
  readonly snapshots: PagedSnapshots
  readonly history: History
  readonly balances: BalanceTable
  /** Calls `begin` when what has been told of is a whole state: at once, as a rule. */
  whole(begin: () => void): void
  /** Sends what the streams gathered; a snapshot taken after it misses nothing. */
  publish(): void
}

export class Subscriptions {
  readonly #gateway: StreamParts
  /** Streams that each connection follows, by name; undefined = its snapshot is on its way. */
  readonly #followed = new Map<Connection, Followed>()
  /** How many streams all connections of an address follow. */
  readonly #ofIp = new Map<string, number>()

  constructor(gateway: StreamParts) {
    this.#gateway = gateway
  }

  /**
   * Follows a stream: answers, then sends what was missed after `from`, or a snapshot.
   * @throws RequestError when the stream is unknown, followed already, or not to be had.
   */
  subscribe(
    connection: Connection,
    id: number,
    name: string,
    from: readonly [epoch: number, lastSeq: number] | undefined,
  ): undefined {
    let followed = this.#followed.get(connection)
    if (followed === undefined) {
      followed = new Followed((change) => this.#count(connection.ip, change))
      this.#followed.set(connection, followed)
    }
    if (followed.has(name))
      throw new RequestError(ErrorCode.AlreadySubscribed, `"${name}" is followed already`)
    const { subscriptionsMax, subscriptionsPerIp } = this.#gateway.data.config
    if (followed.size >= subscriptionsMax) {
      throw new RequestError(
        ErrorCode.TooManySubscriptions,
        `this connection follows ${subscriptionsMax} streams, the most of one connection`,
      )
    }
    if ((this.#ofIp.get(connection.ip) ?? 0) >= subscriptionsPerIp) {
      throw new RequestError(
        ErrorCode.TooManySubscriptions,
        `connections of ${connection.ip} follow ${subscriptionsPerIp} streams, the most of one address`,
      )
    }
    if (name === StreamName.Settlement) {
      // Small enough to begin anew with every connection; each gateway counts its events for itself.
      const { settlement } = this.#gateway
      followed.set(name, settlement)
      connection.send([Kind.Result, id, { stream: name }])
      if (from !== undefined) settlement.tellResync(connection)
      settlement.start(connection)
      return undefined
    }
    if (isPrivateStream(name)) return this.#subscribePrivate(connection, id, name, from, followed)
    const [kind, marketText] = name.split(':')
    const market = this.#gateway.markets.get(/^[0-9]{1,4}$/.test(marketText ?? '') ? Number(marketText) : -1)
    const stream = market?.stream(name)
    if (market === undefined || stream === undefined) {
      throw new RequestError(
        ErrorCode.UnknownStream,
        `there is no stream "${name}"; streams are named as in book:0`,
      )
    }
    followed.set(name, undefined)
    const accept = acceptor(connection, id, name)
    this.#gateway.whole(() => {
      if (connection.closed) return
      if (followed.get(name) !== undefined || !followed.has(name)) {
        accept()
        return
      }
      if (kind === StreamName.BookL3) market.followL3()
      this.#gateway.publish()
      if (from !== undefined && stream.canResume(...from)) {
        accept(stream.lastSeq)
        this.#resume(connection, stream, from)
        followed.set(name, stream)
        // What a stream puts off while nobody follows is sent now.
        this.#gateway.publish()
        return
      }
      accept()
      if (from !== undefined) stream.tellResync(connection)
      if (stream.paged === undefined) followed.set(name, stream)
      stream.start(connection)
      connection.flush()
    })
    return undefined
  }

  /** Sends what was missed, and takes from the budget of requests what that weighs: a megabyte is no small answer. */
  #resume(connection: Connection, stream: Stream, from: readonly [epoch: number, lastSeq: number]): void {
    const before = connection.unsentBytes
    stream.resume(connection, ...from)
    this.#gateway.limits.answered(connection.ip, connection.account, connection.unsentBytes - before)
  }

  /** Starts a connection on a stream that is told in pages, of its `own` or shared ones. */
  beginPaged(connection: Connection, stream: Stream, own?: () => PageSource): void {
    const followed = this.#followed.get(connection)
    followed?.set(stream.name, undefined)
    const started = (): void => {
      if (followed?.has(stream.name) === true) followed.set(stream.name, stream)
      else stream.remove(connection)
    }
    this.#gateway.snapshots.begin(connection, stream, started, own)
  }

  #subscribePrivate(
    connection: Connection,
    id: number,
    name: PrivateStreamName,
    from: readonly [epoch: number, lastSeq: number] | undefined,
    followed: Map<string, Stream | undefined>,
  ): undefined {
    const { session } = connection
    if (session === undefined)
      throw new RequestError(ErrorCode.NotLoggedOn, `"${name}" needs a session that is logged on`)
    checkStanding(this.#gateway, { session })
    if ((session.scopes & Scope.Read) === 0)
      throw new RequestError(ErrorCode.ScopeMissing, scopeMissing(`"${name}"`, Scope.Read, session.scopes))
    const { account } = session
    followed.set(name, undefined)
    const accept = acceptor(connection, id, name)
    this.#gateway.whole(() => {
      if (connection.closed) return
      const gone = connection.session !== session || !followed.has(name)
      if (gone || followed.get(name) !== undefined) {
        accept()
        return
      }
      const { accounts, link, history, balances } = this.#gateway
      this.#gateway.publish()
      const known = accounts.stream(account, name)
      if (from !== undefined && known?.canResume(...from) === true) {
        accept(known.lastSeq)
        this.#resume(connection, known, from)
        followed.set(name, known)
        return
      }
      accept()
      const stream = accounts.open(account, name, link.handledSeq)
      // A snapshot of fills goes on from the position given: nothing is to be forgotten.
      if (from !== undefined && name !== StreamName.Fills) stream.tellResync(connection)
      if (name === StreamName.Balances) {
        followed.set(name, stream)
        stream.startFromSnapshot(connection, { data: balances.balances(account) })
      } else if (name === StreamName.Orders || from === undefined) {
        if (name === StreamName.Orders) stream.start(connection)
        else {
          followed.set(name, stream)
          stream.startFromSnapshot(connection, { data: [1, []] })
        }
      } else {
        // What the client missed, whichever epoch it was of: fills are numbered by the engine for ever.
        this.beginPaged(connection, stream, () => fillPages(history, account, from[1], stream.lastSeq))
      }
      connection.flush()
    })
    return undefined
  }

  /** @throws RequestError when the stream is not followed. */
  unsubscribe(connection: Connection, name: string): void {
    const followed = this.#followed.get(connection)
    if (followed === undefined || !followed.has(name)) {
      throw new RequestError(ErrorCode.NotSubscribed, `"${name}" is not followed`)
    }
    const stream = followed.get(name)
    if (stream === undefined) this.#gateway.snapshots.forget(connection, name)
    else stream.remove(connection)
    followed.delete(name)
  }

  #count(ip: string, change: number): void {
    const count = (this.#ofIp.get(ip) ?? 0) + change
    if (count === 0) this.#ofIp.delete(ip)
    else this.#ofIp.set(ip, count)
  }

  /** The connection reads again: its streams go on. */
  catchUp(connection: Connection): void {
    for (const stream of this.#followed.get(connection)?.values() ?? []) stream?.catchUp(connection)
  }

  closed(connection: Connection): void {
    const followed = this.#followed.get(connection)
    if (followed === undefined) return
    for (const stream of followed.values()) stream?.remove(connection)
    this.#gateway.snapshots.forget(connection)
    followed.clear()
    this.#followed.delete(connection)
  }
}

/**
 * Answers a subscription. What comes next a client knows from the answer: the events up to `resumedTo`, or,
 * without it, a snapshot.
 */
const acceptor =
  (connection: Connection, id: number, stream: string) =>
  (resumedTo?: number): void =>
    connection.send([Kind.Result, id, resumedTo === undefined ? { stream } : { stream, resumedTo }])
