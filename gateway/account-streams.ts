/**
 * The private streams of accounts: orders, fills, balances, settlement. A stream exists from the first
 * time that somebody of the account follows it, and is then kept for a while after the last one left, so
 * that a client that comes back can resume.
 */
import { EventKind, type Side } from '../engine/codes.js'
import { Ev } from '../engine/layout.js'
import { rejectToCode } from '../sdk/wire/codes.js'
import { type FillEntry, type OrderEntry, OrderState, StreamName } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import { Stream } from './stream.js'

export type PrivateStreamName =
  | typeof StreamName.Orders
  | typeof StreamName.Fills
  | typeof StreamName.Balances
  | typeof StreamName.Settlement

const PRIVATE = new Set<string>([
  StreamName.Orders,
  StreamName.Fills,
  StreamName.Balances,
  StreamName.Settlement,
])
export const isPrivateStream = (name: string): name is PrivateStreamName => PRIVATE.has(name)

interface AccountState {
  readonly streams: Map<PrivateStreamName, Stream>
  orders: OrderEntry[]
  fills: FillEntry[]
  balances: Map<number, readonly [number, number, number]>
  seq: number
}

/** A client order id from its two words of an event. */
export function cloidAt(words: Int32Array, low: number): bigint {
  return (BigInt(words[low + 1]! >>> 0) << 32n) | BigInt(words[low]! >>> 0)
}

export class AccountStreams {
  readonly #epoch: number
  readonly #keep: number
  readonly #accounts = new Map<number, AccountState>()
  readonly #touched = new Set<AccountState>()
  #fillSeq = 0
  #fillIndex = 0

  constructor(epoch: number, keep: number) {
    this.#epoch = epoch
    this.#keep = keep
  }

  stream(account: number, name: PrivateStreamName): Stream | undefined {
    return this.#accounts.get(account)?.streams.get(name)
  }

  /** The stream, begun at `seq` if nobody has followed it before. */
  open(account: number, name: PrivateStreamName, seq: number): Stream {
    let state = this.#accounts.get(account)
    if (state === undefined) {
      state = { streams: new Map(), orders: [], fills: [], balances: new Map(), seq: 0 }
      this.#accounts.set(account, state)
    }
    let stream = state.streams.get(name)
    if (stream === undefined) {
      stream = new Stream(name, this.#epoch, seq, this.#keep)
      state.streams.set(name, stream)
    }
    return stream
  }

  /** Notes one event record for the accounts that it concerns. */
  add(words: Int32Array, floats: Float64Array, word: number, timeMs: number): void {
    const kind = words[word + Ev.KIND]! & 0xff
    const seq = floats[(word >> 1) + Ev.SEQ_F64]!
    if (kind === EventKind.Fill) {
      this.#fillIndex = seq === this.#fillSeq ? this.#fillIndex + 1 : 0
      this.#fillSeq = seq
    }
    const first = this.#accounts.get(words[word + Ev.ACCOUNT]!)
    switch (kind) {
      case EventKind.Accepted:
      case EventKind.Rejected:
      case EventKind.Canceled:
      case EventKind.Amended:
      case EventKind.Triggered:
      case EventKind.Refilled:
        if (first !== undefined) {
          first.orders.push(orderEntry(words, floats, word, kind, timeMs))
          this.#touch(first, seq)
        }
        break
      case EventKind.Fill: {
        const makerSide = ((words[word + Ev.KIND]! >> 8) & 1) as Side
        if (first !== undefined) this.#addFill(first, words, floats, word, timeMs, true, makerSide)
        const taker = this.#accounts.get(words[word + Ev.COUNTER_ACCOUNT]!)
        if (taker !== undefined) {
          this.#addFill(taker, words, floats, word, timeMs, false, (1 - makerSide) as Side)
        }
        break
      }
      case EventKind.Balance:
        if (first !== undefined) {
          const asset = words[word + Ev.ASSET]!
          const float = word >> 1
          first.balances.set(asset, [
            asset,
            floats[float + Ev.AMOUNT_A_F64]!,
            floats[float + Ev.AMOUNT_B_F64]!,
          ])
          this.#touch(first, seq)
        }
        break
      default:
        break
    }
  }

  #touch(state: AccountState, seq: number): void {
    if (seq > state.seq) state.seq = seq
    this.#touched.add(state)
  }

  #addFill(
    state: AccountState,
    words: Int32Array,
    floats: Float64Array,
    word: number,
    timeMs: number,
    maker: boolean,
    side: Side,
  ): void {
    const float = word >> 1
    const seq = floats[float + Ev.SEQ_F64]!
    const market = words[word + Ev.MARKET]!
    const ticks = words[word + Ev.TICKS]!
    const lots = words[word + Ev.LOTS]!
    const cloid = cloidAt(words, word + (maker ? Ev.CLOID_LO : Ev.COUNTER_CLOID_LO))
    const orderId = floats[float + (maker ? Ev.ORDER_ID_F64 : Ev.TAKER_ORDER_ID_F64)]!
    const remaining = words[word + (maker ? Ev.REMAINING : Ev.COUNTER_REMAINING)]!
    const fee = floats[float + (maker ? Ev.AMOUNT_A_F64 : Ev.AMOUNT_B_F64)]!
    state.fills.push([
      seq,
      this.#fillIndex,
      market,
      side,
      ticks,
      lots,
      fee,
      maker ? 1 : 0,
      orderId,
      cloid,
      remaining,
      timeMs,
    ])
    state.orders.push([
      seq,
      EventKind.Fill,
      orderId,
      cloid,
      market,
      side,
      ticks,
      lots,
      remaining,
      remaining === 0 ? OrderState.Filled : OrderState.Open,
      0,
      timeMs,
      0,
    ])
    this.#touch(state, seq)
  }

  /** Sends what was noted since the last call: one event a stream. Returns how many events. */
  publish(): number {
    let published = 0
    for (const state of this.#touched) {
      const { streams, seq } = state
      const orders = streams.get(StreamName.Orders)
      if (orders !== undefined && state.orders.length > 0) {
        orders.publish(seq, state.orders)
        published++
      }
      const fills = streams.get(StreamName.Fills)
      if (fills !== undefined && state.fills.length > 0) {
        fills.publish(seq, state.fills)
        published++
      }
      const balances = streams.get(StreamName.Balances)
      if (balances !== undefined && state.balances.size > 0) {
        balances.publish(seq, [...state.balances.values()])
        published++
      }
      state.orders = []
      state.fills = []
      state.balances = new Map()
    }
    this.#touched.clear()
    return published
  }

  /** Sends a settlement event to every account that follows them. */
  publishSettlement(seq: number, data: WireValue): void {
    for (const { streams } of this.#accounts.values()) streams.get(StreamName.Settlement)?.publish(seq, data)
  }
}

function orderEntry(
  words: Int32Array,
  floats: Float64Array,
  word: number,
  kind: number,
  timeMs: number,
): OrderEntry {
  const float = word >> 1
  const code = words[word + Ev.CODE]!
  const state =
    kind === EventKind.Canceled || kind === EventKind.Rejected ? OrderState.Canceled : OrderState.Open
  return [
    floats[float + Ev.SEQ_F64]!,
    kind,
    floats[float + Ev.ORDER_ID_F64]!,
    cloidAt(words, word + Ev.CLOID_LO),
    words[word + Ev.MARKET]!,
    (words[word + Ev.KIND]! >> 8) & 1,
    words[word + Ev.TICKS]!,
    words[word + Ev.LOTS]!,
    words[word + Ev.REMAINING]!,
    state,
    kind === EventKind.Canceled ? code : 0,
    timeMs,
    kind === EventKind.Rejected ? rejectToCode(code) : 0,
  ]
}
