/**
 * The newest orders that came to their end (filled, cancelled, refused), so that a client can ask what
 * became of one by its client order id after it is gone from the book, also after a restart. Fixed size:
 * the oldest fall out, and are then "not found".
 *
 * A ring of entries, on disk too (record-ring.ts; a record's number is 1 where it speaks of the taker of a
 * fill), chained from newest to oldest in buckets by a mix of (account, client order id). What
 * has fallen out of the ring ends a chain, so nothing is ever unlinked and nothing is allocated.
 */
import { join } from 'node:path'
import { EventKind } from '../engine/codes.js'
import { Ev } from '../engine/layout.js'
import type { OrderEntry } from '../sdk/wire/layout.js'
import { fillOrderEntry, isRefusedOrder, orderEntry } from './order-entry.js'
import { NUMBER_F64, RECORD_FLOATS, RECORD_WORDS, RecordRing, TIME_F64 } from './record-ring.js'

const KEEP = 1 << 17
const BUCKETS = 2 * KEEP
/** Ends a chain, as does a position that the ring no longer holds. */
const NONE = -1

export class OrderHistory {
  readonly #ring: RecordRing
  readonly #words: Int32Array
  readonly #floats: Float64Array
  /** Position of the newest entry of each bucket; position = how many were kept before it. */
  readonly #newest = new Float64Array(BUCKETS).fill(NONE)
  /** Seq of the file's last entry and how many entries have it; how many of them have come again. */
  #fileSeq = 0
  #fileCount = 0
  #again = 0
  readonly #seqWords = new Int32Array(2)
  readonly #seq = new Float64Array(this.#seqWords.buffer)
  /** Position of the entry before it in its bucket, for each place of the ring. */
  readonly #before = new Float64Array(KEEP)

  /** `folder`: of the file; none = memory only. `write`: whether this thread writes it. */
  constructor(folder?: string, write = false) {
    const path = folder === undefined ? undefined : join(folder, 'orders.bin')
    this.#ring = new RecordRing({ capacity: KEEP, path, write })
    this.#words = this.#ring.words
    this.#floats = this.#ring.floats
    for (let position = this.#ring.first; position < this.#ring.end; position++) {
      const place = position % KEEP
      this.#chain(position, this.#words, place * RECORD_WORDS, this.#isTaker(place))
      const seq = this.#floats[place * RECORD_FLOATS + Ev.SEQ_F64]!
      this.#fileCount = seq === this.#fileSeq ? this.#fileCount + 1 : 1
      this.#fileSeq = seq
    }
  }

  /** Seq of the newest order that the file had; 0 = none, or newer ones have come. */
  get fileSeq(): number {
    return this.#fileSeq
  }

  /** Forgets everything: the file is of another journal. */
  clear(): void {
    this.#ring.clear()
    this.#newest.fill(NONE)
    this.#fileSeq = 0
  }

  /** Writes to the file what was added since the last call. */
  flush(): void {
    this.#ring.flush()
  }

  close(): void {
    this.#ring.close()
  }

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
    if (this.#fileSeq > 0 && this.#isKnown(words, word)) return
    this.#ring.add(words, word, taker ? 1 : 0, timeMs)
    this.#chain(this.#ring.end - 1, words, word, taker)
  }

  /** Hangs the entry of `position`, whose event lies at `word` of `words`, before the others of its bucket. */
  #chain(position: number, words: Int32Array, word: number, taker: boolean): void {
    const bucket = bucketOf(
      words[word + (taker ? Ev.COUNTER_ACCOUNT : Ev.ACCOUNT)]!,
      words[word + (taker ? Ev.COUNTER_CLOID_LO : Ev.CLOID_LO)]!,
      words[word + (taker ? Ev.COUNTER_CLOID_HI : Ev.CLOID_HI)]!,
    )
    this.#before[position % KEEP] = this.#newest[bucket]!
    this.#newest[bucket] = position
  }

  /** Whether the file had what is told: a gateway process is told again what came before it. */
  #isKnown(words: Int32Array, word: number): boolean {
    this.#seqWords[0] = words[word + 2 * Ev.SEQ_F64]!
    this.#seqWords[1] = words[word + 2 * Ev.SEQ_F64 + 1]!
    const seq = this.#seq[0]!
    if (seq < this.#fileSeq) return true
    if (seq === this.#fileSeq) return this.#again++ < this.#fileCount
    // Behind the file: from here on everything is new.
    this.#fileSeq = 0
    return false
  }

  #isTaker(place: number): boolean {
    return this.#floats[place * RECORD_FLOATS + NUMBER_F64] === 1
  }

  /** How an order of the account ended; undefined when it is not known to have. */
  byCloid(account: number, cloid: bigint): OrderEntry | undefined {
    const low = Number(cloid & 0xffffffffn) | 0
    const high = Number(cloid >> 32n) | 0
    let position = this.#newest[bucketOf(account, low, high)]!
    for (; position >= this.#ring.first; position = this.#before[position % KEEP]!) {
      const place = position % KEEP
      const at = place * RECORD_WORDS
      const taker = this.#isTaker(place)
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
    for (let position = this.#ring.end - 1; position >= this.#ring.first; position--) {
      const place = position % KEEP
      const at = place * RECORD_WORDS
      const taker = this.#isTaker(place)
      if (this.#words[at + (taker ? Ev.COUNTER_ACCOUNT : Ev.ACCOUNT)] !== account) continue
      const own = this.#floats[(at >> 1) + (taker ? Ev.TAKER_ORDER_ID_F64 : Ev.ORDER_ID_F64)]
      if (own === orderId) return this.#entry(place)
    }
    return undefined
  }

  #entry(place: number): OrderEntry {
    const at = place * RECORD_WORDS
    const timeMs = this.#floats[place * RECORD_FLOATS + TIME_F64]!
    return (this.#words[at + Ev.KIND]! & 0xff) === EventKind.Fill
      ? fillOrderEntry(this.#words, this.#floats, at, !this.#isTaker(place), timeMs)
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
