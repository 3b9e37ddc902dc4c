/**
 * The newest orders that came to their end (filled, cancelled, refused), so that a client can ask what
 * became of one by its client order id after it is gone from the book. Fixed size: the oldest fall out,
 * and are then "not found".
 *
 * A ring of entries, chained from newest to oldest in buckets by a mix of (account, client order id). What
 * has fallen out of the ring ends a chain, so nothing is ever unlinked and nothing is allocated.
 */
import { EventKind } from '../engine/codes.js'
import { Ev } from '../engine/layout.js'
import type { OrderEntry } from '../sdk/wire/layout.js'
import { fillOrderEntry, isRefusedOrder, orderEntry } from './order-entry.js'

const ENTRY_WORDS = 24
const KEEP = 1 << 17
const BUCKETS = 2 * KEEP
/** Ends a chain, as does a position that the ring no longer holds. */
const NONE = -1

export class OrderHistory {
  readonly #words = new Int32Array(KEEP * ENTRY_WORDS)
  readonly #floats = new Float64Array(this.#words.buffer)
  readonly #times = new Float64Array(KEEP)
  /** 1 = the entry is of the taker of a fill. */
  readonly #taker = new Uint8Array(KEEP)
  /** Position of the newest entry of each bucket; position = how many were kept before it. */
  readonly #newest = new Float64Array(BUCKETS).fill(NONE)
  /** Position of the entry before it in its bucket, for each place of the ring. */
  readonly #before = new Float64Array(KEEP)
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
    for (let offset = 0; offset < ENTRY_WORDS; offset++) this.#words[at + offset] = words[word + offset]!
    this.#times[place] = timeMs
    this.#taker[place] = taker ? 1 : 0
    const bucket = bucketOf(
      words[word + (taker ? Ev.COUNTER_ACCOUNT : Ev.ACCOUNT)]!,
      words[word + (taker ? Ev.COUNTER_CLOID_LO : Ev.CLOID_LO)]!,
      words[word + (taker ? Ev.COUNTER_CLOID_HI : Ev.CLOID_HI)]!,
    )
    this.#before[place] = this.#newest[bucket]!
    this.#newest[bucket] = this.#end
    this.#end++
  }

  /** How an order of the account ended; undefined when it is not known to have. */
  byCloid(account: number, cloid: bigint): OrderEntry | undefined {
    const low = Number(cloid & 0xffffffffn) | 0
    const high = Number(cloid >> 32n) | 0
    let position = this.#newest[bucketOf(account, low, high)]!
    for (; position >= Math.max(0, this.#end - KEEP); position = this.#before[position % KEEP]!) {
      const place = position % KEEP
      const at = place * ENTRY_WORDS
      const taker = this.#taker[place] === 1
      if (
        this.#words[at + (taker ? Ev.COUNTER_ACCOUNT : Ev.ACCOUNT)] === account &&
        this.#words[at + (taker ? Ev.COUNTER_CLOID_LO : Ev.CLOID_LO)] === low &&
        this.#words[at + (taker ? Ev.COUNTER_CLOID_HI : Ev.CLOID_HI)] === high
      )
        return this.#entry(place)
    }
    return undefined
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

/** Bucket of an account and the two words of a client order id, by MurmurHash3's finaliser. */
function bucketOf(account: number, low: number, high: number): number {
  let hash =
    Math.imul(account + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(low, 0xc2b2ae35) ^ Math.imul(high, 0x27d4eb2f)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1)
}
