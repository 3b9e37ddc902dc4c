/**
 * The newest fills of all accounts, in memory and in an append-only file: what `fills` answers from,
 * what a `fills` stream restarts from after the stream's own buffer has run out, and what candles catch
 * up with after a start. The journal stays the truth; this file may be deleted at any time, and then only
 * history before the next start is missing from answers.
 *
 *   record, 128 bytes, little-endian: the engine's Fill event (96 bytes), index of the fill within its
 *   command (f64), time in ms (f64), 16 bytes of zero
 *
 * Appends are not synced: what is lost with the machine's power is only history here.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { EVENT_BYTES, EVENT_WORDS, Ev } from '../engine/layout.js'
import { Side } from '../engine/codes.js'
import type { FillEntry } from '../sdk/wire/layout.js'

const RECORD_BYTES = 128
const RECORD_WORDS = RECORD_BYTES / 4
const RECORD_FLOATS = RECORD_BYTES / 8
const INDEX_F64 = EVENT_BYTES / 8
const TIME_F64 = INDEX_F64 + 1

export interface FillStoreOptions {
  /** Fills kept in memory. */
  readonly capacity: number
  /** Folder of the file; none = memory only. */
  readonly folder?: string
  /** Whether this thread writes the file: one thread of an exchange does. */
  readonly write: boolean
}

export class FillStore {
  readonly #capacity: number
  readonly #words: Int32Array
  readonly #floats: Float64Array
  readonly #bytes: Uint8Array
  /** Newest fill of each account: its position; the one before hangs on it. */
  readonly #heads = new Map<number, number>()
  /** Fills between what the file knows and where this start began, both exclusive and inclusive. */
  #gap: readonly [after: number, upTo: number] = [0, 0]
  /** Position of the account's fill before: maker at 2 x place, taker at 2 x place + 1. */
  readonly #before: Float64Array
  #end = 0
  #written = 0
  #lastSeq = 0
  #index = 0
  #file = -1

  constructor({ capacity, folder, write }: FillStoreOptions) {
    this.#capacity = capacity
    const buffer = new ArrayBuffer(capacity * RECORD_BYTES)
    this.#words = new Int32Array(buffer)
    this.#floats = new Float64Array(buffer)
    this.#bytes = new Uint8Array(buffer)
    this.#before = new Float64Array(2 * capacity)
    if (folder === undefined) return
    const path = join(folder, 'fills.bin')
    if (write) mkdirSync(folder, { recursive: true })
    if (existsSync(path)) this.#load(path)
    if (!write) return
    this.#file = openSync(path, 'a')
    // A record that a crash cut short would shift every later one.
    ftruncateSync(this.#file, fstatSync(this.#file).size - (fstatSync(this.#file).size % RECORD_BYTES))
  }

  /** Seq of the newest fill. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Takes over the Fill event at `word`; returns its index within its command. */
  add(words: Int32Array, word: number, timeMs: number): number {
    const place = this.#end % this.#capacity
    const to = place * RECORD_WORDS
    for (let offset = 0; offset < EVENT_WORDS; offset++) this.#words[to + offset] = words[word + offset]!
    const seq = this.#floats[place * RECORD_FLOATS + Ev.SEQ_F64]!
    this.#index = seq === this.#lastSeq ? this.#index + 1 : 0
    this.#floats[place * RECORD_FLOATS + INDEX_F64] = this.#index
    this.#floats[place * RECORD_FLOATS + TIME_F64] = timeMs
    this.#link(place)
    return this.#index
  }

  #link(place: number): void {
    const at = place * RECORD_WORDS
    this.#lastSeq = this.#floats[place * RECORD_FLOATS + Ev.SEQ_F64]!
    const maker = this.#words[at + Ev.ACCOUNT]!
    const taker = this.#words[at + Ev.COUNTER_ACCOUNT]!
    this.#before[2 * place] = this.#heads.get(maker) ?? -1
    this.#heads.set(maker, this.#end)
    this.#before[2 * place + 1] = this.#heads.get(taker) ?? -1
    this.#heads.set(taker, this.#end)
    this.#end++
  }

  /** Fills with seqs in (`after`, `upTo`] happened while nobody noted them: answers that need them say so. */
  setGap(after: number, upTo: number): void {
    this.#gap = [after, upTo]
  }

  /** Appends to the file what was added since the last call. */
  flush(): void {
    if (this.#file < 0) return
    const oldest = Math.max(this.#written, this.#end - this.#capacity)
    for (let from = oldest; from < this.#end;) {
      const place = from % this.#capacity
      const count = Math.min(this.#end - from, this.#capacity - place)
      writeSync(this.#file, this.#bytes, place * RECORD_BYTES, count * RECORD_BYTES)
      from += count
    }
    this.#written = this.#end
  }

  close(): void {
    this.flush()
    if (this.#file >= 0) closeSync(this.#file)
    this.#file = -1
  }

  /**
   * Fills of an account with seq above `afterSeq`, oldest first, the oldest `limit` of them.
   * `complete` is false when older ones may have been forgotten.
   */
  ofAccount(account: number, afterSeq: number, limit: number): { fills: FillEntry[]; complete: boolean } {
    const fills: FillEntry[] = []
    const oldest = this.#end - this.#capacity
    let position = this.#heads.get(account) ?? -1
    let complete = !(afterSeq < this.#gap[1] && this.#gap[0] < this.#gap[1])
    while (position >= 0) {
      if (position < oldest) {
        complete = false
        break
      }
      const place = position % this.#capacity
      if (this.#floats[place * RECORD_FLOATS + Ev.SEQ_F64]! <= afterSeq) break
      const maker = this.#words[place * RECORD_WORDS + Ev.ACCOUNT] === account
      const taker = this.#words[place * RECORD_WORDS + Ev.COUNTER_ACCOUNT] === account
      if (taker) fills.push(this.#entry(place, false))
      if (maker) fills.push(this.#entry(place, true))
      position = this.#before[2 * place + (taker ? 1 : 0)]!
      // An account on both sides hangs twice on this fill: the taker's link is the maker's own.
      if (taker && maker) position = this.#before[2 * place]!
    }
    return { fills: fills.reverse().slice(0, limit), complete }
  }

  /** Calls `each` for every kept fill with seq above `afterSeq`, oldest first. */
  since(
    afterSeq: number,
    each: (fill: {
      seq: number
      index: number
      market: number
      ticks: number
      lots: number
      takerSide: Side
      timeMs: number
    }) => void,
  ): void {
    for (let position = Math.max(0, this.#end - this.#capacity); position < this.#end; position++) {
      const place = position % this.#capacity
      const at = place * RECORD_WORDS
      const float = place * RECORD_FLOATS
      const seq = this.#floats[float + Ev.SEQ_F64]!
      if (seq <= afterSeq) continue
      each({
        seq,
        index: this.#floats[float + INDEX_F64]!,
        market: this.#words[at + Ev.MARKET]!,
        ticks: this.#words[at + Ev.TICKS]!,
        lots: this.#words[at + Ev.LOTS]!,
        takerSide: takerSideAt(this.#words, at),
        timeMs: this.#floats[float + TIME_F64]!,
      })
    }
  }

  #entry(place: number, maker: boolean): FillEntry {
    return fillEntry(
      this.#words,
      this.#floats,
      place * RECORD_WORDS,
      maker,
      this.#floats[place * RECORD_FLOATS + INDEX_F64]!,
      this.#floats[place * RECORD_FLOATS + TIME_F64]!,
    )
  }

  /** Reads the newest fills of the file; a record cut short by a crash is left out. */
  #load(path: string): void {
    const file = openSync(path, 'r')
    try {
      const records = Math.floor(fstatSync(file).size / RECORD_BYTES)
      const count = Math.min(records, this.#capacity)
      readSync(file, this.#bytes, 0, count * RECORD_BYTES, (records - count) * RECORD_BYTES)
      for (let place = 0; place < count; place++) {
        this.#index = this.#floats[place * RECORD_FLOATS + INDEX_F64]!
        this.#link(place)
      }
      this.#written = this.#end
    } finally {
      closeSync(file)
    }
  }
}

/** Side of the incoming order of a Fill: the event's own side is the maker's. */
export function takerSideAt(words: Int32Array, word: number): Side {
  return ((words[word + Ev.KIND]! >> 8) & 1) === Side.Buy ? Side.Sell : Side.Buy
}

/** A client order id from its two words of an event. */
export function cloidAt(words: Int32Array, low: number): bigint {
  return (BigInt(words[low + 1]! >>> 0) << 32n) | BigInt(words[low]! >>> 0)
}

/** The entry of a Fill event for one of its two parties. */
export function fillEntry(
  words: Int32Array,
  floats: Float64Array,
  word: number,
  maker: boolean,
  index: number,
  timeMs: number,
): FillEntry {
  const float = word >> 1
  const takerSide = takerSideAt(words, word)
  return [
    floats[float + Ev.SEQ_F64]!,
    index,
    words[word + Ev.MARKET]!,
    maker ? 1 - takerSide : takerSide,
    words[word + Ev.TICKS]!,
    words[word + Ev.LOTS]!,
    floats[float + (maker ? Ev.AMOUNT_A_F64 : Ev.AMOUNT_B_F64)]!,
    maker ? 1 : 0,
    floats[float + (maker ? Ev.ORDER_ID_F64 : Ev.TAKER_ORDER_ID_F64)]!,
    cloidAt(words, word + (maker ? Ev.CLOID_LO : Ev.COUNTER_CLOID_LO)),
    words[word + (maker ? Ev.REMAINING : Ev.COUNTER_REMAINING)]!,
    timeMs,
  ]
}
