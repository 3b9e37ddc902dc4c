/**
 * Every live order, kept from the engine's events: what `orders`, `order`, the L3 book and the count of an
 * account's orders are answered from, so that no question reaches the engine. A gateway that starts is told
 * of the orders that are there in pieces (`load`) and meanwhile follows the events: an event of an order that
 * it has not been told of is passed over, since its piece, which comes later, has what the event changed.
 *
 * Two kinds of readers: pages by order id, each as it is when asked for; and captures (order-capture.ts), a
 * state of one moment that is read in pieces while orders change.
 */
import assert from 'node:assert/strict'
import { EventKind, OrderType } from '../../engine/codes.js'
import {
  ATTRIBUTES_MASK,
  AcceptedEv,
  AmendedEv,
  Attr,
  Ev,
  FillEv,
  OrderEv,
  RefilledEv,
  TriggeredEv,
} from '../../engine/layout.js'
import type { OrderRow } from '../../engine/types.js'
import type { L3Entry } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { IdList } from './id-list.js'
import type { OrderCapture } from './order-capture.js'
import { ShardedMap } from './sharded-map.js'
import { Slab } from './slab.js'

const RECORD_WORDS = 18
const Field = {
  ACCOUNT: 0,
  MARKET: 1,
  /** Attributes as in an event's word 0. */
  HEAD: 2,
  TICKS: 3,
  LOTS: 4,
  REMAINING: 5,
  TRIGGER: 6,
  /** 0 = not an iceberg. */
  DISPLAY: 7,
  VISIBLE: 8,
  CLOID_LO: 9,
  CLOID_HI: 10,
  /** A stop that has not been triggered. */
  WAITING: 11,
  /** Last captures of its account and of its market that have taken it over, or that it is younger than. */
  ACCOUNT_MARK: 12,
  MARKET_MARK: 13,
  ORDER_ID_F64: 7,
  EXPIRES_F64: 8,
} as const

/** A client order id's two words as a key: characters that are no digits, so that its hash is seeded. */
const cloidKey = (account: number, low: number, high: number): string =>
  String.fromCharCode(
    0x100 | (account & 0xff),
    account >>> 8,
    low & 0xffff,
    low >>> 16,
    high & 0xffff,
    high >>> 16,
  )

/** Orders of an account or of a market, and the captures of them that are being read. */
export class OrderGroup {
  readonly ids = new IdList()
  readonly captures = new Set<OrderCapture>()
}

export class LiveOrders {
  readonly #slab = new Slab(RECORD_WORDS)
  readonly #slots = new ShardedMap<number, number>((orderId) => orderId)
  readonly #byCloid = new ShardedMap<string, number>((key) => key.charCodeAt(2) ^ key.charCodeAt(0))
  readonly #accounts = new Map<number, OrderGroup>()
  readonly #markets = new Map<number, OrderGroup>()
  readonly #lives = (orderId: number): boolean => this.#slots.get(orderId) !== undefined
  /** Captures that began, and those that are being read. */
  #captures = 0
  #reading = 0
  /** Told of each order that is about to change or to come: its market and id. */
  onChange: (market: number, orderId: number) => void = () => {}

  get size(): number {
    return this.#slots.size
  }

  // ---- what the engine tells

  /** An order of a load, as it is now. */
  load(row: OrderRow): void {
    const [orderId, account, market, low, high, head, ticks, lots, remaining, trigger, display] = row
    const slot = this.#slots.get(orderId) ?? this.#open(orderId, account, market, low, high)
    const words = this.#slab.words(slot)
    const at = this.#slab.at(slot)
    words[at + Field.HEAD] = head
    words[at + Field.TICKS] = ticks
    words[at + Field.LOTS] = lots
    words[at + Field.REMAINING] = remaining
    words[at + Field.TRIGGER] = trigger
    words[at + Field.DISPLAY] = display
    words[at + Field.VISIBLE] = row[12]
    words[at + Field.WAITING] = row[13]
    this.#slab.floats(slot)[(at >> 1) + Field.EXPIRES_F64] = row[11]
  }

  /** The load is complete: lists that were told of in the order of slots are sorted once. */
  loaded(): void {
    for (const { ids } of this.#accounts.values()) ids.sort()
    for (const { ids } of this.#markets.values()) ids.sort()
  }

  /** Takes over the event at `word`, if it speaks of orders. */
  event(kind: number, words: Int32Array, floats: Float64Array, word: number): void {
    const float = word >> 1
    switch (kind) {
      case EventKind.Accepted: {
        const orderId = floats[float + OrderEv.ORDER_ID_F64]!
        const slot =
          this.#slots.get(orderId) ??
          this.#open(
            orderId,
            words[word + AcceptedEv.ACCOUNT]!,
            words[word + AcceptedEv.MARKET]!,
            words[word + AcceptedEv.CLOID_LO]!,
            words[word + AcceptedEv.CLOID_HI]!,
          )
        const type = (words[word + Ev.KIND]! >>> Attr.ORDER_TYPE_SHIFT) & 7
        this.#describe(slot, words, floats, word)
        this.#set(slot, Field.WAITING, type > OrderType.Market ? 1 : 0)
        this.#show(slot)
        break
      }
      case EventKind.Amended: {
        const slot = this.#change(floats[float + OrderEv.ORDER_ID_F64]!)
        if (slot < 0) break
        const before = this.#get(slot, Field.VISIBLE)
        this.#describe(slot, words, floats, word)
        this.#show(slot)
        // An order that kept its place shows no more than it did.
        if (words[word + AmendedEv.KEPT_PLACE] === 1 && this.#get(slot, Field.WAITING) === 0)
          this.#set(slot, Field.VISIBLE, Math.min(before, this.#get(slot, Field.VISIBLE)))
        break
      }
      case EventKind.Triggered: {
        const slot = this.#change(floats[float + OrderEv.ORDER_ID_F64]!)
        if (slot < 0) break
        this.#set(slot, Field.TICKS, words[word + TriggeredEv.TICKS]!)
        this.#set(slot, Field.REMAINING, words[word + TriggeredEv.REMAINING]!)
        this.#set(slot, Field.WAITING, 0)
        this.#show(slot)
        break
      }
      case EventKind.Refilled: {
        const slot = this.#change(floats[float + OrderEv.ORDER_ID_F64]!)
        if (slot >= 0) this.#set(slot, Field.VISIBLE, words[word + RefilledEv.SHOWN_LOTS]!)
        break
      }
      case EventKind.Canceled:
        this.#close(floats[float + OrderEv.ORDER_ID_F64]!)
        break
      case EventKind.Fill:
        this.#filled(
          floats[float + FillEv.MAKER_ORDER_ID_F64]!,
          words[word + FillEv.MAKER_REMAINING]!,
          words[word + FillEv.LOTS]!,
          true,
        )
        this.#filled(
          floats[float + FillEv.TAKER_ORDER_ID_F64]!,
          words[word + FillEv.TAKER_REMAINING]!,
          0,
          false,
        )
        break
      default:
        break
    }
  }

  /** What Accepted and Amended say in the same places. */
  #describe(slot: number, words: Int32Array, floats: Float64Array, word: number): void {
    this.#set(slot, Field.HEAD, words[word + Ev.KIND]! & ATTRIBUTES_MASK)
    this.#set(slot, Field.TICKS, words[word + AcceptedEv.TICKS]!)
    this.#set(slot, Field.LOTS, words[word + AcceptedEv.LOTS]!)
    this.#set(slot, Field.REMAINING, words[word + AcceptedEv.REMAINING]!)
    this.#set(slot, Field.TRIGGER, words[word + AcceptedEv.TRIGGER_TICKS]!)
    this.#set(slot, Field.DISPLAY, words[word + AcceptedEv.DISPLAY_LOTS]!)
    this.#slab.floats(slot)[(this.#slab.at(slot) >> 1) + Field.EXPIRES_F64] =
      floats[(word >> 1) + AcceptedEv.EXPIRES_AT_MS_F64]!
  }

  /** What an order shows that comes in anew: of an iceberg the part that is displayed. */
  #show(slot: number): void {
    const display = this.#get(slot, Field.DISPLAY)
    const remaining = this.#get(slot, Field.REMAINING)
    this.#set(slot, Field.VISIBLE, display > 0 ? Math.min(display, remaining) : remaining)
  }

  /** A maker's fill comes out of what it shows; a taker shows itself only when it rests. */
  #filled(orderId: number, remaining: number, lots: number, maker: boolean): void {
    if (remaining === 0) {
      this.#close(orderId)
      return
    }
    const slot = this.#change(orderId)
    if (slot < 0) return
    const visible = this.#get(slot, Field.VISIBLE)
    this.#set(slot, Field.REMAINING, remaining)
    if (!maker || this.#get(slot, Field.DISPLAY) === 0) this.#show(slot)
    else this.#set(slot, Field.VISIBLE, Math.max(0, visible - lots))
  }

  #get(slot: number, field: number): number {
    return this.#slab.words(slot)[this.#slab.at(slot) + field]!
  }

  #set(slot: number, field: number, value: number): void {
    this.#slab.words(slot)[this.#slab.at(slot) + field] = value
  }

  #group(groups: Map<number, OrderGroup>, key: number): OrderGroup {
    let group = groups.get(key)
    if (group === undefined) {
      group = new OrderGroup()
      groups.set(key, group)
    }
    return group
  }

  #open(orderId: number, account: number, market: number, low: number, high: number): number {
    this.onChange(market, orderId)
    const slot = this.#slab.take()
    const words = this.#slab.words(slot)
    const at = this.#slab.at(slot)
    words[at + Field.ACCOUNT] = account
    words[at + Field.MARKET] = market
    words[at + Field.CLOID_LO] = low
    words[at + Field.CLOID_HI] = high
    // Younger than any capture that is being read.
    words[at + Field.ACCOUNT_MARK] = this.#captures
    words[at + Field.MARKET_MARK] = this.#captures
    this.#slab.floats(slot)[(at >> 1) + Field.ORDER_ID_F64] = orderId
    this.#slots.set(orderId, slot)
    this.#byCloid.set(cloidKey(account, low, high), slot)
    this.#group(this.#accounts, account).ids.add(orderId)
    this.#group(this.#markets, market).ids.add(orderId)
    return slot
  }

  /** Slot of an order that is about to change, once readers have what it was; -1 = it is not known. */
  #change(orderId: number): number {
    const slot = this.#slots.get(orderId)
    if (slot === undefined) return -1
    this.onChange(this.#get(slot, Field.MARKET), orderId)
    this.#save(slot, orderId)
    return slot
  }

  #save(slot: number, orderId: number): void {
    if (this.#reading === 0) return
    for (const capture of this.#accounts.get(this.#get(slot, Field.ACCOUNT))!.captures)
      capture.save(slot, orderId)
    for (const capture of this.#markets.get(this.#get(slot, Field.MARKET))!.captures)
      capture.save(slot, orderId)
  }

  #close(orderId: number): void {
    const slot = this.#change(orderId)
    if (slot < 0) return
    const account = this.#get(slot, Field.ACCOUNT)
    const key = cloidKey(account, this.#get(slot, Field.CLOID_LO), this.#get(slot, Field.CLOID_HI))
    this.#slots.delete(orderId)
    // The id may name the account's next order by now.
    if (this.#byCloid.get(key) === slot) this.#byCloid.delete(key)
    const ofAccount = this.#accounts.get(account)!
    ofAccount.ids.ended(this.#lives)
    if (ofAccount.ids.size === 0 && ofAccount.captures.size === 0) this.#accounts.delete(account)
    const market = this.#get(slot, Field.MARKET)
    const ofMarket = this.#markets.get(market)!
    ofMarket.ids.ended(this.#lives)
    if (ofMarket.ids.size === 0 && ofMarket.captures.size === 0) this.#markets.delete(market)
    this.#slab.give(slot)
  }

  // ---- what clients ask

  /** How many live orders the account has. */
  count(account: number): number {
    return this.#accounts.get(account)?.ids.size ?? 0
  }

  byOrderId(account: number, orderId: number): WireValue | undefined {
    const slot = this.#slots.get(orderId)
    if (slot === undefined || this.#get(slot, Field.ACCOUNT) !== account) return undefined
    return this.wire(slot)
  }

  byCloid(account: number, cloid: bigint): WireValue | undefined {
    const slot = this.#byCloid.get(
      cloidKey(account, Number(cloid & 0xffffffffn) | 0, Number(cloid >> 32n) | 0),
    )
    return slot === undefined ? undefined : this.wire(slot)
  }

  /** Attributes of a live order, as in word 0 of its events, by the words of its client order id. */
  attributes(account: number, low: number, high: number): number | undefined {
    const slot = this.#byCloid.get(cloidKey(account, low, high))
    return slot === undefined ? undefined : this.#get(slot, Field.HEAD)
  }

  /** At most `limit` of an account's orders with ids above `afterOrderId`, ascending, and whether more follow. */
  page(account: number, afterOrderId: number, limit: number): { orders: WireValue[]; more: boolean } {
    const orders: WireValue[] = []
    let more = false
    this.#accounts.get(account)?.ids.after(afterOrderId, (orderId) => {
      const slot = this.#slots.get(orderId)
      if (slot === undefined) return true
      if (orders.length === limit) {
        more = true
        return false
      }
      orders.push(this.wire(slot))
      return true
    })
    return { orders, more }
  }

  // ---- captures

  /** A number for a capture that begins now, and its group of orders. */
  begin(of: 'account' | 'market', key: number, capture: OrderCapture): { number: number; group: OrderGroup } {
    const group = this.#group(of === 'account' ? this.#accounts : this.#markets, key)
    // Marks tell captures of one group apart by age only: a second reader would take the first one's orders.
    assert(group.captures.size === 0, `one capture of ${of} ${key} at a time`)
    group.captures.add(capture)
    this.#reading++
    this.#captures = (this.#captures + 1) & 0x7fffffff
    return { number: this.#captures, group }
  }

  /** A capture needs nothing left behind any more. */
  end(of: 'account' | 'market', key: number, capture: OrderCapture): void {
    const groups = of === 'account' ? this.#accounts : this.#markets
    const group = groups.get(key)
    if (group?.captures.delete(capture) === true) this.#reading--
    if (group?.captures.size === 0 && group.ids.size === 0) groups.delete(key)
  }

  /** Slot of a live order; undefined when it has ended. */
  slot(orderId: number): number | undefined {
    return this.#slots.get(orderId)
  }

  /** Notes that capture `number` has the order; false = it had it, or the order is younger. */
  mark(slot: number, of: 'account' | 'market', number: number): boolean {
    const field = of === 'account' ? Field.ACCOUNT_MARK : Field.MARKET_MARK
    // Marks grow with time: a later capture's is above every order that was there before.
    if (this.#get(slot, field) >= number) return false
    this.#set(slot, field, number)
    return true
  }

  /** The order as answers and snapshots carry it. */
  wire(slot: number): WireValue {
    const words = this.#slab.words(slot)
    const at = this.#slab.at(slot)
    const floats = this.#slab.floats(slot)
    const head = words[at + Field.HEAD]!
    return [
      floats[(at >> 1) + Field.ORDER_ID_F64]!,
      (BigInt(words[at + Field.CLOID_HI]! >>> 0) << 32n) | BigInt(words[at + Field.CLOID_LO]! >>> 0),
      words[at + Field.MARKET]!,
      (head >>> Attr.SIDE_SHIFT) & 1,
      words[at + Field.TICKS]!,
      words[at + Field.LOTS]!,
      words[at + Field.REMAINING]!,
      (head >>> Attr.ORDER_TYPE_SHIFT) & 7,
      (head >>> Attr.TIME_IN_FORCE_SHIFT) & 7,
      words[at + Field.TRIGGER]!,
      words[at + Field.DISPLAY]!,
      floats[(at >> 1) + Field.EXPIRES_F64]!,
      words[at + Field.WAITING]!,
    ]
  }

  /** What the L3 book shows of an order; undefined when it stands in no book. */
  l3(orderId: number, slot = this.#slots.get(orderId)): L3Entry | undefined {
    if (slot === undefined || this.#get(slot, Field.WAITING) === 1) return undefined
    return [
      orderId,
      (this.#get(slot, Field.HEAD) >>> Attr.SIDE_SHIFT) & 1,
      this.#get(slot, Field.TICKS),
      this.#get(slot, Field.VISIBLE),
    ]
  }

  /** Side, ticks, visible lots of every order that stands in a market's book. */
  resting(market: number, each: (side: number, ticks: number, visible: number) => void): void {
    this.#markets.get(market)?.ids.after(0, (orderId) => {
      const entry = this.l3(orderId)
      if (entry !== undefined) each(entry[1], entry[2], entry[3])
      return true
    })
  }
}
