/**
 * The newest orders that came to their end (filled, cancelled, refused), so that a client can ask what
 * became of one by its client order id after it is gone from the book. Fixed size: the oldest fall out,
 * and are then "not found".
 *
 * A ring of entries and a map from a 32-bit mix of (account, client order id) to the newest entry with
 * it; what is found is compared in full, so two ids that mix alike can only hide the older one.
 */
import { EventKind } from '../engine/codes.js'
import { Ev } from '../engine/layout.js'
import type { OrderEntry } from '../sdk/wire/layout.js'
import { fillOrderEntry, isRefusedOrder, orderEntry } from './order-entry.js'

const ENTRY_WORDS = 24
const KEEP = 1 << 17

export class OrderHistory {
  readonly #words = new Int32Array(KEEP * ENTRY_WORDS)
  readonly #floats = new Float64Array(this.#words.buffer)
  readonly #times = new Float64Array(KEEP)
  /** 1 = the entry is of the taker of a fill. */
  readonly #taker = new Uint8Array(KEEP)
  readonly #newest = new Map<number, number>()
  #end = 0

  /** Notes the event at `word` if an order ended by it. */
  add(kind: number, words: Int32Array, word: number, timeMs: number): void {
    switch (kind) {
      case EventKind.Fill:
        if (words[word + Ev.REMAINING] === 0) this.#keep(words, word, timeMs, false)
        if (words[word + Ev.COUNTER_REMAINING] === 0) this.#keep(words, word, timeMs, true)
        break
      case EventKind.Canceled:
        this.#keep(words, word, timeMs, false)
        break
      case EventKind.Rejected:
        if (isRefusedOrder(words, word)) this.#keep(words, word, timeMs, false)
        break
      default:
        break
    }
  }

  #keep(words: Int32Array, word: number, timeMs: number, taker: boolean): void {
    const place = this.#end % KEEP
    const at = place * ENTRY_WORDS
    if (this.#end >= KEEP) {
      const old = this.#mixAt(place)
      if (this.#newest.get(old) === this.#end - KEEP) this.#newest.delete(old)
    }
    for (let offset = 0; offset < ENTRY_WORDS; offset++) this.#words[at + offset] = words[word + offset]!
    this.#times[place] = timeMs
    this.#taker[place] = taker ? 1 : 0
    this.#newest.set(this.#mixAt(place), this.#end)
    this.#end++
  }

  #mixAt(place: number): number {
    const at = place * ENTRY_WORDS
    const taker = this.#taker[place] === 1
    return mix(
      this.#words[at + (taker ? Ev.COUNTER_ACCOUNT : Ev.ACCOUNT)]!,
      this.#words[at + (taker ? Ev.COUNTER_CLOID_LO : Ev.CLOID_LO)]!,
      this.#words[at + (taker ? Ev.COUNTER_CLOID_HI : Ev.CLOID_HI)]!,
    )
  }

  /** How an order of the account ended; undefined when it is not known to have. */
  byCloid(account: number, cloid: bigint): OrderEntry | undefined {
    const position = this.#newest.get(mix(account, Number(cloid & 0xffffffffn) | 0, Number(cloid >> 32n) | 0))
    if (position === undefined) return undefined
    const place = position % KEEP
    const at = place * ENTRY_WORDS
    const taker = this.#taker[place] === 1
    if (this.#words[at + (taker ? Ev.COUNTER_ACCOUNT : Ev.ACCOUNT)] !== account) return undefined
    const entry = this.#entry(place)
    return entry[3] === cloid ? entry : undefined
  }

  /** The same by order id; looks through the whole ring. */
  byOrderId(account: number, orderId: number): OrderEntry | undefined {
    for (let position = this.#end - 1; position >= Math.max(0, this.#end - KEEP); position--) {
      const place = position % KEEP
      const at = place * ENTRY_WORDS
      const taker = this.#taker[place] === 1
      if (this.#words[at + (taker ? Ev.COUNTER_ACCOUNT : Ev.ACCOUNT)] !== account) continue
      const own = this.#floats[(at >> 1) + (taker ? Ev.TAKER_ORDER_ID_F64 : Ev.ORDER_ID_F64)]
      if (own === orderId) return this.#entry(place)
    }
    return undefined
  }

  #entry(place: number): OrderEntry {
    const at = place * ENTRY_WORDS
    const timeMs = this.#times[place]!
    return (this.#words[at + Ev.KIND]! & 0xff) === EventKind.Fill
      ? fillOrderEntry(this.#words, this.#floats, at, this.#taker[place] === 0, timeMs)
      : orderEntry(this.#words, this.#floats, at, timeMs)
  }
}

/** 32-bit mix (the finaliser of MurmurHash3) of an account and the two words of a client order id. */
function mix(account: number, low: number, high: number): number {
  let hash =
    Math.imul(account + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(low, 0xc2b2ae35) ^ Math.imul(high, 0x27d4eb2f)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
