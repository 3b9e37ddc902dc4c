/**
 * Which streams each connection follows: how it starts on one (resumed, or from a snapshot), goes on after
 * it was slow, and leaves.
 */
import { Scope } from '../engine/codes.js'
import { QueryKind } from '../engine/messages.js'
import type { Balance, OrderView } from '../engine/types.js'
import { ErrorCode } from '../sdk/wire/codes.js'
import { Kind, StreamName } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import { type PrivateStreamName, isPrivateStream } from './account-streams.js'
import type { Connection } from './connection.js'
import { type WireOrder, balanceEntry, orderToWire } from './engine-requests.js'
import type { Gateway } from './gateway.js'
import type { MarketData } from './market-data.js'
import { RequestError } from './request-error.js'
import type { Stream } from './stream.js'

export class Subscriptions {
  readonly #gateway: Gateway
  /** Streams that each connection follows, by name; undefined = its start waits for the engine. */
  readonly #followed = new Map<Connection, Map<string, Stream | undefined>>()

  constructor(gateway: Gateway) {
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
      followed = new Map()
      this.#followed.set(connection, followed)
    }
    if (followed.has(name))
      throw new RequestError(ErrorCode.AlreadySubscribed, `"${name}" is followed already`)
    const { subscriptionsMax } = this.#gateway.data.config
    if (followed.size >= subscriptionsMax) {
      throw new RequestError(ErrorCode.TooManySubscriptions, `${subscriptionsMax} streams are followed`)
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
      throw new RequestError(ErrorCode.UnknownStream, `no stream "${name}"`)
    }
    if (kind === StreamName.BookL3 && !market.hasL3) {
      this.#openL3(connection, id, market, stream, followed, from !== undefined)
      return undefined
    }
    this.#gateway.publish()
    followed.set(name, stream)
    connection.send([Kind.Result, id, { stream: name }])
    if (from !== undefined && stream.resume(connection, ...from)) {
      // What a stream puts off while nobody follows is sent now.
      this.#gateway.publish()
      return undefined
    }
    if (from !== undefined) stream.tellResync(connection)
    stream.start(connection)
    return undefined
  }

  /** The first subscriber of a market's L3 book waits for the engine's own list of it. */
  #openL3(
    connection: Connection,
    id: number,
    market: MarketData,
    stream: Stream,
    followed: Map<string, Stream | undefined>,
    comesBack: boolean,
  ): void {
    followed.set(stream.name, undefined)
    const asked = this.#gateway.link.query(QueryKind.BookL3, market.config.id, 0, (answer) => {
      this.#gateway.publish()
      if (answer === undefined) return
      if (!market.hasL3) market.openL3(answer.value as OrderView[])
      if (connection.closed || !followed.has(stream.name)) return
      followed.set(stream.name, stream)
      connection.send([Kind.Result, id, { stream: stream.name }])
      if (comesBack) stream.tellResync(connection)
      stream.start(connection)
    })
    if (asked) return
    followed.delete(stream.name)
    throw new RequestError(ErrorCode.EngineBusy, 'nothing was asked', 50)
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
    if ((session.scopes & Scope.Read) === 0)
      throw new RequestError(ErrorCode.ScopeMissing, 'the session may not read')
    const { accounts, link, fills } = this.#gateway
    this.#gateway.publish()
    const { account } = session
    const accepted = (): void => connection.send([Kind.Result, id, { stream: name }])
    const known = accounts.stream(account, name)
    if (from !== undefined && known?.canResume(...from) === true) {
      accepted()
      known.resume(connection, ...from)
      followed.set(name, known)
      return undefined
    }
    followed.set(name, undefined)
    const start = (seq: number, data: WireValue): void => {
      const stream = accounts.open(account, name, seq)
      followed.set(name, stream)
      // A snapshot of fills goes on from the position given: nothing is to be forgotten.
      if (from !== undefined && name !== StreamName.Fills) stream.tellResync(connection)
      stream.startFromSnapshot(connection, { data })
    }
    const kind = name === StreamName.Orders ? QueryKind.Orders : QueryKind.Balances
    const asked = link.query(kind, account, 0, (answer) => {
      const gone = connection.closed || connection.session !== session || !followed.has(name)
      if (answer === undefined || gone) return
      this.#gateway.publish()
      if (name === StreamName.Fills) {
        // What the client missed, whichever epoch it was of: fills are numbered by the engine for ever.
        const missed =
          from === undefined ? { fills: [], complete: true } : fills.ofAccount(account, from[1], 100_000)
        start(answer.seq, [missed.complete ? 1 : 0, missed.fills])
      } else if (name === StreamName.Orders) start(answer.seq, (answer.value as WireOrder[]).map(orderToWire))
      else start(answer.seq, (answer.value as Balance[]).map(balanceEntry))
    })
    if (!asked) {
      followed.delete(name)
      throw new RequestError(ErrorCode.EngineBusy, 'nothing was asked', 50)
    }
    accepted()
    return undefined
  }

  /** @throws RequestError when the stream is not followed. */
  unsubscribe(connection: Connection, name: string): void {
    const followed = this.#followed.get(connection)
    if (followed === undefined || !followed.has(name)) {
      throw new RequestError(ErrorCode.NotSubscribed, `"${name}" is not followed`)
    }
    followed.get(name)?.remove(connection)
    followed.delete(name)
  }

  /** The connection reads again: its streams go on. */
  catchUp(connection: Connection): void {
    for (const stream of this.#followed.get(connection)?.values() ?? []) stream?.catchUp(connection)
  }

  closed(connection: Connection): void {
    const followed = this.#followed.get(connection)
    if (followed === undefined) return
    for (const stream of followed.values()) stream?.remove(connection)
    this.#followed.delete(connection)
  }
}
