/**
 * The private streams of accounts: orders, fills, balances. A stream exists from the first
 * time that somebody of the account follows it and is kept for a time after the last one left, so that a
 * client that comes back can resume. Beyond the bound of accounts, those longest unused go first.
 *
 * Nothing private is ever dropped: a connection that does not read is closed instead (connection.ts).
 */
import { EventKind } from '../../engine/codes.js'
import { BalanceEv, Ev, FillEv, kindOf } from '../../engine/layout.js'
import { type FillEntry, type OrderEntry, StreamName } from '../../sdk/wire/layout.js'
import { fillEntry } from '../history/fill-store.js'
import { STREAM_ACCOUNTS_KEPT } from '../limits.js'
import type { EventMemory } from './kept-events.js'
import { fillOrderEntry, isRefusedOrder, orderEntry } from '../history/order-entry.js'
import { type PagedStart, Stream } from './stream.js'

export type PrivateStreamName =
  typeof StreamName.Orders | typeof StreamName.Fills | typeof StreamName.Balances

const PRIVATE = new Set<string>([StreamName.Orders, StreamName.Fills, StreamName.Balances])
export const isPrivateStream = (name: string): name is PrivateStreamName => PRIVATE.has(name)

interface AccountState {
  readonly streams: Map<PrivateStreamName, Stream>
  orders: OrderEntry[]
  fills: FillEntry[]
  balances: Map<number, readonly [number, number, number]>
  seq: number
}

export interface AccountStreamsOptions {
  readonly epoch: number
  /** Events kept of a stream, and their bytes. */
  readonly keep: number
  readonly keepBytes: number
  readonly memory: EventMemory
  /** How long a stream that nobody follows is kept. */
  readonly idleMsMax: number
  /** How the orders of an account are told from the start. */
  readonly orders: (account: number) => PagedStart
}

export class AccountStreams {
  readonly #options: AccountStreamsOptions
  /** In order of last use, oldest first. */
  readonly #accounts = new Map<number, AccountState>()
  readonly #touched = new Set<AccountState>()

  constructor(options: AccountStreamsOptions) {
    this.#options = options
  }

  /** Accounts that have streams. */
  get size(): number {
    return this.#accounts.size
  }

  stream(account: number, name: PrivateStreamName): Stream | undefined {
    return this.#accounts.get(account)?.streams.get(name)
  }

  /** The stream, begun at `seq` if nobody has followed it before. */
  open(account: number, name: PrivateStreamName, seq: number): Stream {
    const state = this.#accounts.get(account) ?? {
      streams: new Map(),
      orders: [],
      fills: [],
      balances: new Map(),
      seq: 0,
    }
    this.#accounts.delete(account)
    this.#accounts.set(account, state)
    let stream = state.streams.get(name)
    if (stream === undefined) {
      this.#evict()
      stream = new Stream({
        name,
        epoch: this.#options.epoch,
        lastSeq: seq,
        keep: this.#options.keep,
        keepBytes: this.#options.keepBytes,
        memory: this.#options.memory,
        entriesHaveSeq: name === StreamName.Orders || name === StreamName.Fills,
        ...(name === StreamName.Orders ? { paged: this.#options.orders(account) } : {}),
      })
      state.streams.set(name, stream)
    }
    return stream
  }

  #evict(): void {
    if (this.#accounts.size <= STREAM_ACCOUNTS_KEPT) return
    for (const [account, state] of this.#accounts) {
      if ([...state.streams.values()].some(({ subscriberCount }) => subscriberCount > 0)) continue
      this.#forget(account, state)
      return
    }
  }

  #forget(account: number, state: AccountState): void {
    for (const stream of state.streams.values()) stream.close()
    this.#touched.delete(state)
    this.#accounts.delete(account)
  }

  /** Forgets streams that nobody has followed for too long; to be called now and then. */
  sweep(now: number): void {
    for (const [account, state] of this.#accounts) {
      for (const [name, stream] of state.streams) {
        if (stream.idleMs(now) <= this.#options.idleMsMax) continue
        stream.close()
        state.streams.delete(name)
      }
      if (state.streams.size === 0) this.#forget(account, state)
    }
  }

  /** Notes one event record for the accounts that it concerns. */
  add(words: Int32Array, floats: Float64Array, word: number, timeMs: number, fillIndex: number): void {
    const kind = kindOf(words[word + Ev.KIND]!)
    const first = this.#accounts.get(words[word + Ev.ACCOUNT]!)
    switch (kind) {
      case EventKind.Rejected:
        if (first === undefined || !isRefusedOrder(words, word)) return
        first.orders.push(orderEntry(words, floats, word, timeMs))
        this.#touch(first, floats, word)
        break
      case EventKind.Accepted:
      case EventKind.Canceled:
      case EventKind.Amended:
      case EventKind.Triggered:
      case EventKind.Refilled:
        if (first === undefined) return
        first.orders.push(orderEntry(words, floats, word, timeMs))
        this.#touch(first, floats, word)
        break
      case EventKind.Fill:
        if (first !== undefined) this.#addFill(first, words, floats, word, timeMs, true, fillIndex)
        this.#addTaker(words, floats, word, timeMs, fillIndex)
        break
      case EventKind.Balance: {
        if (first === undefined) return
        const asset = words[word + BalanceEv.ASSET]!
        const float = word >> 1
        first.balances.set(asset, [
          asset,
          floats[float + BalanceEv.AVAILABLE_F64]!,
          floats[float + BalanceEv.RESERVED_F64]!,
        ])
        this.#touch(first, floats, word)
        break
      }
      default:
        break
    }
  }

  #touch(state: AccountState, floats: Float64Array, word: number): void {
    const seq = floats[(word >> 1) + Ev.SEQ_F64]!
    if (seq > state.seq) state.seq = seq
    this.#touched.add(state)
  }

  #addTaker(words: Int32Array, floats: Float64Array, word: number, timeMs: number, fillIndex: number): void {
    const taker = this.#accounts.get(words[word + FillEv.TAKER_ACCOUNT]!)
    if (taker !== undefined) this.#addFill(taker, words, floats, word, timeMs, false, fillIndex)
  }

  #addFill(
    state: AccountState,
    words: Int32Array,
    floats: Float64Array,
    word: number,
    timeMs: number,
    maker: boolean,
    fillIndex: number,
  ): void {
    state.fills.push(fillEntry(words, floats, word, maker, fillIndex, timeMs))
    state.orders.push(fillOrderEntry(words, floats, word, maker, timeMs))
    this.#touch(state, floats, word)
  }

  /** Sends what was noted since the last call: one event a stream. */
  publish(): void {
    for (const state of this.#touched) {
      const { streams, orders, fills, balances } = state
      if (orders.length > 0) streams.get(StreamName.Orders)?.publish(orders.at(-1)![0], orders)
      if (fills.length > 0) streams.get(StreamName.Fills)?.publish(fills.at(-1)![0], fills)
      if (balances.size > 0) streams.get(StreamName.Balances)?.publish(state.seq, [...balances.values()])
      state.orders = []
      state.fills = []
      state.balances = new Map()
    }
    this.#touched.clear()
  }
}
