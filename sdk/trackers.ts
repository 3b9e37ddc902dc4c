/**
 * An account's orders, fills and balances, kept from its private streams, through disconnects and restarts
 * of the exchange: after each (re)connection they agree with what the exchange says. Each takes the
 * messages of one stream; client.ts wires them up.
 */
import { EventKind } from '../engine/codes.js'
import type { StreamMessage } from './subscription.js'
import { readArray, readInt, readSafeInt, readUint64 } from './wire/fields.js'
import { OrderState } from './wire/layout.js'
import type { WireValue } from './wire/msgpack.js'

export interface TrackedOrder {
  readonly orderId: number
  readonly cloid: bigint
  readonly market: number
  readonly side: 'buy' | 'sell'
  readonly ticks: number
  /** Total size, the filled part included. */
  readonly lots: number
  readonly remaining: number
  readonly state: 'open' | 'waiting' | 'filled' | 'canceled'
  /** CancelReason of a cancelled order; 0 otherwise. */
  readonly reason: number
  /** Protocol code of an order that was refused; 0 otherwise. */
  readonly code: number
}

const number = (value: unknown): number => readSafeInt(value, 'number')

/** An order of a snapshot or of an answer to `orders`. */
export function readLiveOrder(row: WireValue): TrackedOrder {
  const [orderId, cloid, market, side, ticks, lots, remaining, , , , , , waiting] = readArray(
    row,
    'order',
    12,
    32,
  )
  return {
    orderId: number(orderId),
    cloid: readUint64(cloid, 'cloid'),
    market: number(market),
    side: side === 0 ? 'buy' : 'sell',
    ticks: number(ticks),
    lots: number(lots),
    remaining: number(remaining),
    state: waiting === 1 ? 'waiting' : 'open',
    reason: 0,
    code: 0,
  }
}

/** An entry of the `orders` stream, or how an order ended; see OrderEntry in sdk/wire. */
export function readOrderEntry(row: WireValue): { seq: number; event: number; order: TrackedOrder } {
  const values = readArray(row, 'entry', 13, 32)
  const [seq, event, orderId, cloid, market, side, ticks, lots, remaining, state, reason, , code] = values
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
      state: states[number(state) as keyof typeof states] ?? 'open',
      reason: number(reason),
      code: number(code),
    },
  }
}

export type OrderListener = (order: TrackedOrder, event: 'opened' | 'changed' | 'ended') => void

export class OrderTracker {
  /** Live orders by client order id. */
  readonly live = new Map<bigint, TrackedOrder>()
  readonly #listeners = new Set<OrderListener>()
  readonly #lostSight: (cloid: bigint) => Promise<TrackedOrder | undefined>
  #ready = false

  /** `lostSight` asks what became of an order that ended while nobody was listening. */
  constructor(lostSight: (cloid: bigint) => Promise<TrackedOrder | undefined>) {
    this.#lostSight = lostSight
  }

  /** True once the exchange's own list has been taken over. */
  get ready(): boolean {
    return this.#ready
  }

  onOrder(listener: OrderListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(order: TrackedOrder, event: 'opened' | 'changed' | 'ended'): void {
    for (const listener of [...this.#listeners]) listener(order, event)
  }

  take({ kind, data }: StreamMessage): void {
    if (kind === 'event') {
      for (const row of readArray(data, 'orders', 0, 1_000_000)) this.#entry(row)
      return
    }
    const before = new Map(this.live)
    this.live.clear()
    for (const row of readArray(data, 'orders', 0, 1_000_000)) {
      const order = readLiveOrder(row)
      this.live.set(order.cloid, order)
      const known = before.get(order.cloid)
      before.delete(order.cloid)
      if (known === undefined) this.#tell(order, 'opened')
      else if (known.remaining !== order.remaining || known.ticks !== order.ticks)
        this.#tell(order, 'changed')
    }
    this.#ready = true
    for (const order of before.values()) void this.#ended(order)
  }

  async #ended(order: TrackedOrder): Promise<void> {
    const end = await this.#lostSight(order.cloid).catch(() => undefined)
    this.#tell(end ?? { ...order, state: 'canceled' }, 'ended')
  }

  #entry(row: WireValue): void {
    const { event, order } = readOrderEntry(row)
    const known = this.live.get(order.cloid)
    // A fill's entry carries the lots of the fill; the order's total is known from before.
    const now =
      event === EventKind.Fill && known !== undefined
        ? { ...order, lots: known.lots, ticks: known.ticks }
        : order
    if (now.state === 'filled' || now.state === 'canceled') {
      // A refused order never was live: it must not end another one of the same id.
      if (event !== EventKind.Rejected) this.live.delete(order.cloid)
      this.#tell(now, 'ended')
      return
    }
    this.live.set(order.cloid, now)
    this.#tell(now, known === undefined ? 'opened' : 'changed')
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

export class FillTracker {
  /** Every fill since the first connection, in order, each exactly once. */
  readonly fills: TrackedFill[] = []
  /** False = fills were made while disconnected that the exchange no longer tells of; ask `fills` over HTTP or the journal. */
  complete = true
  readonly #listeners = new Set<(fill: TrackedFill) => void>()
  #last: readonly [seq: number, index: number, maker: number] = [-1, -1, -1]

  onFill(listener: (fill: TrackedFill) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  take({ kind, data }: StreamMessage): void {
    let rows = data
    if (kind === 'snapshot') {
      const [complete, missed] = readArray(data, 'fills', 2, 8)
      if (complete !== 1) this.complete = false
      rows = missed!
    }
    for (const row of readArray(rows, 'fills', 0, 1_000_000)) this.#add(readFill(row))
  }

  #add(fill: TrackedFill): void {
    const [seq, index, maker] = this.#last
    const own = fill.maker ? 0 : 1
    const after =
      fill.seq > seq || (fill.seq === seq && (fill.index > index || (fill.index === index && own > maker)))
    if (!after) return
    this.#last = [fill.seq, fill.index, own]
    this.fills.push(fill)
    for (const listener of [...this.#listeners]) listener(fill)
  }
}

export class BalanceTracker {
  /** Units by asset id. */
  readonly balances = new Map<number, { readonly available: number; readonly reserved: number }>()
  #ready = false

  get ready(): boolean {
    return this.#ready
  }

  take({ kind, data }: StreamMessage): void {
    if (kind === 'snapshot') this.balances.clear()
    for (const row of readArray(data, 'balances', 0, 64)) {
      const [asset, available, reserved] = readArray(row, 'balance', 3, 8)
      this.balances.set(number(asset), { available: number(available), reserved: number(reserved) })
    }
    this.#ready = true
  }
}
