/**
 * An account's orders, fills and balances, kept from its private streams, through disconnects and restarts
 * of the exchange: each agrees with what the exchange says, or says that it does not know (`ready`, `unknown`,
 * `complete`). Each takes the messages of one stream; client-queries.ts wires them up.
 */
import { EventKind } from '../../engine/codes.js'
import { Listeners, type Report } from '../base/listeners.js'
import { StreamState } from './stream-state.js'
import type { StreamMessage } from './subscription.js'
import { readArray, readInt, readSafeInt, readUint64 } from '../wire/fields.js'
import { OrderState } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

export interface TrackedOrder {
  readonly orderId: number
  readonly cloid: bigint
  readonly market: number
  readonly side: 'buy' | 'sell'
  readonly ticks: number
  /** Total size, the filled part included. */
  readonly lots: number
  readonly remaining: number
  /** 0 = none; stays after the trigger. undefined, here and below: of an order that ended without being known here. */
  readonly triggerTicks: number | undefined
  /** What an iceberg shows at most; 0 = all of it. */
  readonly displayLots: number | undefined
  /** 0 = it does not expire. */
  readonly expiresAtMs: number | undefined
  /** 'unknown' = no longer live, and how it ended is not known (yet). */
  readonly state: 'open' | 'waiting' | 'filled' | 'canceled' | 'unknown'
  /** CancelReason of a cancelled order; 0 otherwise. */
  readonly reason: number
  /** Protocol code of an order that was refused; 0 otherwise. */
  readonly code: number
  /** true = `ticks` and `lots` are of the order's last fill: its own are not told any more. */
  readonly isLastFill: boolean
}

const number = (value: unknown): number => readSafeInt(value, 'number')

/** An order of a snapshot or of an answer to `orders`. */
export function readLiveOrder(row: WireValue): TrackedOrder {
  const values = readArray(row, 'order', 13, 32)
  const [orderId, cloid, market, side, ticks, lots, remaining, , , trigger, display, expires, waiting] =
    values
  return {
    orderId: number(orderId),
    cloid: readUint64(cloid, 'cloid'),
    market: number(market),
    side: side === 0 ? 'buy' : 'sell',
    ticks: number(ticks),
    lots: number(lots),
    remaining: number(remaining),
    triggerTicks: number(trigger),
    displayLots: number(display),
    expiresAtMs: number(expires),
    state: waiting === 1 ? 'waiting' : 'open',
    reason: 0,
    code: 0,
    isLastFill: false,
  }
}

/** An entry of the `orders` stream, or how an order ended; see OrderEntry in sdk/wire. */
export function readOrderEntry(row: WireValue): { seq: number; event: number; order: TrackedOrder } {
  const values = readArray(row, 'entry', 16, 32)
  const [seq, event, orderId, cloid, market, side, ticks, lots, remaining, state, reason, , code] = values
  const describes = event === EventKind.Accepted || event === EventKind.Amended
  const [triggerTicks, displayLots, expiresAtMs] = values
    .slice(13)
    .map((value) => (describes ? number(value) : undefined))
  const states = {
    [OrderState.Filled]: 'filled',
    [OrderState.Canceled]: 'canceled',
    [OrderState.Waiting]: 'waiting',
  } as const
  return {
    seq: number(seq),
    event: number(event),
    order: {
      orderId: number(orderId),
      cloid: readUint64(cloid, 'cloid'),
      market: number(market),
      side: side === 0 ? 'buy' : 'sell',
      ticks: number(ticks),
      lots: number(lots),
      remaining: number(remaining),
      triggerTicks,
      displayLots,
      expiresAtMs,
      state: states[number(state) as keyof typeof states] ?? 'open',
      reason: number(reason),
      code: number(code),
      isLastFill: number(event) === EventKind.Fill,
    },
  }
}

/** 'unknown' = it is not live any more, and the exchange has not told yet (or does not know) how it ended. */
export type OrderListener = (order: TrackedOrder, event: 'opened' | 'changed' | 'unknown' | 'ended') => void

/** All of them: a change of any is told. */
const FIELDS = Object.keys({
  orderId: true,
  cloid: true,
  market: true,
  side: true,
  ticks: true,
  lots: true,
  remaining: true,
  triggerTicks: true,
  displayLots: true,
  expiresAtMs: true,
  state: true,
  reason: true,
  code: true,
  isLastFill: true,
} satisfies Record<keyof TrackedOrder, true>) as (keyof TrackedOrder)[]

export class OrderTracker extends StreamState {
  /** Live orders by order id: a client order id may be used again by a later one. */
  readonly live = new Map<number, TrackedOrder>()
  /** Orders that are not live any more and of which it is still being asked how they ended, by order id. */
  readonly unknown = new Map<number, TrackedOrder>()
  readonly #idOf = new Map<bigint, number>()
  readonly #listeners: Listeners<Parameters<OrderListener>>
  readonly #ask: (orderId: number) => Promise<TrackedOrder | undefined>

  /** `ask` resolves with how an order ended, undefined when the exchange knows none (any more). */
  constructor(ask: (orderId: number) => Promise<TrackedOrder | undefined>, report?: Report) {
    super()
    this.#ask = ask
    this.#listeners = new Listeners(report)
  }

  /** The live order with this client order id. */
  byCloid(cloid: bigint): TrackedOrder | undefined {
    const orderId = this.#idOf.get(cloid)
    return orderId === undefined ? undefined : this.live.get(orderId)
  }

  onOrder(listener: OrderListener): () => void {
    return this.#listeners.add(listener)
  }

  take({ kind, data }: StreamMessage): void {
    if (kind === 'event') {
      for (const row of readArray(data, 'orders', 0, 1_000_000)) this.#entry(row)
      return
    }
    const before = new Map(this.live)
    for (const row of readArray(data, 'orders', 0, 1_000_000)) {
      const order = readLiveOrder(row)
      before.delete(order.orderId)
      this.#stands(order)
    }
    this.caughtUp()
    for (const order of before.values()) this.#lostSight(order)
  }

  #stands(order: TrackedOrder): void {
    const known = this.live.get(order.orderId)
    this.live.set(order.orderId, order)
    this.#idOf.set(order.cloid, order.orderId)
    if (known === undefined) this.#listeners.tell(order, 'opened')
    else if (FIELDS.some((field) => known[field] !== order[field])) this.#listeners.tell(order, 'changed')
  }

  #remove({ orderId, cloid }: TrackedOrder): void {
    this.live.delete(orderId)
    if (this.#idOf.get(cloid) === orderId) this.#idOf.delete(cloid)
  }

  /** It ended while nobody was listening: that is said, and how is asked until it is known. */
  #lostSight(order: TrackedOrder): void {
    this.#remove(order)
    if (this.unknown.has(order.orderId)) return
    const unknown = { ...order, state: 'unknown' } as const
    this.unknown.set(order.orderId, unknown)
    this.#listeners.tell(unknown, 'unknown')
    void this.#ask(order.orderId).then(
      (end) => {
        // An entry of the stream may have told it meanwhile.
        if (!this.unknown.delete(order.orderId)) return
        this.#listeners.tell(end === undefined ? unknown : asEnd(end, order), 'ended')
      },
      // The client has been closed: it stays unknown.
      () => {},
    )
  }

  #entry(row: WireValue): void {
    const { event, order } = readOrderEntry(row)
    // A refused order never was live: it must not end another one of the same client order id.
    if (event === EventKind.Rejected) {
      this.#listeners.tell(order, 'ended')
      return
    }
    const known = this.live.get(order.orderId) ?? this.unknown.get(order.orderId)
    if (order.isLastFill && known === undefined) {
      // Its price and size were never told here.
      if (order.state !== 'filled') this.#lostSight(order)
      else this.#listeners.tell(order, 'ended')
      return
    }
    const now = asEnd(order, known)
    if (now.state === 'filled' || now.state === 'canceled') {
      this.#remove(now)
      this.unknown.delete(now.orderId)
      this.#listeners.tell(now, 'ended')
    } else if (!this.unknown.has(now.orderId)) this.#stands(now)
  }
}

/**
 * An entry with what only an earlier one told: a fill's own price and size are not the order's, and what the order
 * was placed with stands in Accepted and Amended alone.
 */
function asEnd(order: TrackedOrder, known: TrackedOrder | undefined): TrackedOrder {
  if (known === undefined) return order
  const { ticks, lots } = order.isLastFill ? known : order
  return {
    ...order,
    ticks,
    lots,
    isLastFill: false,
    triggerTicks: order.triggerTicks ?? known.triggerTicks,
    displayLots: order.displayLots ?? known.displayLots,
    expiresAtMs: order.expiresAtMs ?? known.expiresAtMs,
  }
}

export interface TrackedFill {
  readonly seq: number
  readonly index: number
  readonly market: number
  readonly side: 'buy' | 'sell'
  readonly ticks: number
  readonly lots: number
  /** Quote units; negative = rebate. */
  readonly feeUnits: number
  readonly maker: boolean
  readonly orderId: number
  readonly cloid: bigint
  readonly remaining: number
  readonly timeMs: number
}

/** An entry of the `fills` stream; see FillEntry in sdk/wire. */
export function readFill(row: WireValue): TrackedFill {
  const values = readArray(row, 'fill', 12, 32)
  const [seq, index, market, side, ticks, lots, feeUnits, maker, orderId, cloid, remaining, timeMs] = values
  return {
    seq: number(seq),
    index: readInt(index, 'index', 0, 2 ** 31),
    market: number(market),
    side: side === 0 ? 'buy' : 'sell',
    ticks: number(ticks),
    lots: number(lots),
    feeUnits: number(feeUnits),
    maker: maker === 1,
    orderId: number(orderId),
    cloid: readUint64(cloid, 'cloid'),
    remaining: number(remaining),
    timeMs: number(timeMs),
  }
}

export class FillTracker extends StreamState {
  /** Every fill since the first connection, in order, each exactly once. */
  readonly fills: TrackedFill[] = []
  /** False = fills were made that this never saw and the exchange no longer tells of; ask `fills`, or the journal. */
  complete = true
  readonly #listeners: Listeners<[fill: TrackedFill]>
  #last: readonly [seq: number, index: number, maker: number] = [-1, -1, -1]
  /** Seq up to which every fill is known; undefined before the first snapshot. */
  #seq: number | undefined

  constructor(report?: Report) {
    super()
    this.#listeners = new Listeners(report)
  }

  onFill(listener: (fill: TrackedFill) => void): () => void {
    return this.#listeners.add(listener)
  }

  take({ kind, seq, data, since }: StreamMessage): void {
    let rows = data
    if (kind === 'snapshot') {
      const [complete, missed] = readArray(data, 'fills', 2, 8)
      // A snapshot tells what was missed since the position that was given: one beyond what is known leaves a hole.
      const hasHole = this.#seq !== undefined && (since === undefined || since > this.#seq)
      if (complete !== 1 || hasHole) this.complete = false
      rows = missed!
    }
    for (const row of readArray(rows, 'fills', 0, 1_000_000)) this.#add(readFill(row))
    this.#seq = seq
    if (kind === 'snapshot') this.caughtUp()
  }

  #add(fill: TrackedFill): void {
    const [seq, index, maker] = this.#last
    const own = fill.maker ? 0 : 1
    const after =
      fill.seq > seq || (fill.seq === seq && (fill.index > index || (fill.index === index && own > maker)))
    if (!after) return
    this.#last = [fill.seq, fill.index, own]
    this.fills.push(fill)
    this.#listeners.tell(fill)
  }
}

export class BalanceTracker extends StreamState {
  /** Units by asset id. */
  readonly balances = new Map<number, { readonly available: number; readonly reserved: number }>()

  take({ kind, data }: StreamMessage): void {
    if (kind === 'snapshot') this.balances.clear()
    for (const row of readArray(data, 'balances', 0, 64)) {
      const [asset, available, reserved] = readArray(row, 'balance', 3, 8)
      this.balances.set(number(asset), { available: number(available), reserved: number(reserved) })
    }
    if (kind === 'snapshot') this.caughtUp()
  }
}
