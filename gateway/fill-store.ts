/**
 * The newest fills of all accounts: what `fills` answers from, what a `fills` stream restarts from after
 * the stream's own buffer has run out, and what candles catch up with after a start. Kept on disk by
 * record-ring.ts; the number of a record is the fill's index within its command.
 */
import { join } from 'node:path'
import { Ev } from '../engine/layout.js'
import { Side } from '../engine/codes.js'
import type { FillEntry } from '../sdk/wire/layout.js'
import { NUMBER_F64, RECORD_FLOATS, RECORD_WORDS, RecordRing, TIME_F64 } from './record-ring.js'

export interface FillStoreOptions {
  /** Fills kept. */
  readonly capacity: number
  /** Folder of the file; none = memory only. */
  readonly folder?: string
  /** Whether this thread writes the file: one thread of an exchange does. */
  readonly write: boolean
}

export class FillStore {
  readonly #ring: RecordRing
  readonly #capacity: number
  readonly #words: Int32Array
  readonly #floats: Float64Array
  /** Newest fill of each account: its position; the one before hangs on it. */
  readonly #heads = new Map<number, number>()
  /** Fills between what the file knows and where this start began, both exclusive and inclusive. */
  #gap: readonly [after: number, upTo: number] = [0, 0]
  /** Position of the account's fill before: maker at 2 x place, taker at 2 x place + 1. */
  readonly #before: Float64Array
  #lastSeq = 0
  #index = 0
  /** Last fill of the file, and how many of its command have come again: a gateway may be told twice. */
  #fileSeq = 0
  #fileIndex = 0
  #again = 0

  constructor({ capacity, folder, write }: FillStoreOptions) {
    const path = folder === undefined ? undefined : join(folder, 'fills.bin')
    this.#ring = new RecordRing({ capacity, path, write })
    this.#capacity = capacity
    this.#words = this.#ring.words
    this.#floats = this.#ring.floats
    this.#before = new Float64Array(2 * capacity)
    for (let position = this.#ring.first; position < this.#ring.end; position++) {
      this.#index = this.#floats[(position % capacity) * RECORD_FLOATS + NUMBER_F64]!
      this.#link(position)
    }
    this.#fileSeq = this.#lastSeq
    this.#fileIndex = this.#index
  }

  /** Seq of the newest fill. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Seq of the newest fill that the file had; 0 = none. */
  get fileSeq(): number {
    return this.#fileSeq
  }

  /**
   * Takes over the Fill event at `word`, unless the file had it; returns its index within its command
   * (0 of one that is older than the file's last command).
   */
  add(words: Int32Array, floats: Float64Array, word: number, timeMs: number): number {
    const seq = floats[(word >> 1) + Ev.SEQ_F64]!
    if (seq < this.#lastSeq) return 0
    if (seq === this.#fileSeq && this.#again <= this.#fileIndex) return this.#again++
    this.#index = seq === this.#lastSeq ? this.#index + 1 : 0
    this.#ring.add(words, word, this.#index, timeMs)
    this.#link(this.#ring.end - 1)
    return this.#index
  }

  #link(position: number): void {
    const place = position % this.#capacity
    const at = place * RECORD_WORDS
    this.#lastSeq = this.#floats[place * RECORD_FLOATS + Ev.SEQ_F64]!
    const maker = this.#words[at + Ev.ACCOUNT]!
    const taker = this.#words[at + Ev.COUNTER_ACCOUNT]!
    this.#before[2 * place] = this.#heads.get(maker) ?? -1
    this.#heads.set(maker, position)
    this.#before[2 * place + 1] = this.#heads.get(taker) ?? -1
    this.#heads.set(taker, position)
  }

  /** Forgets everything: the file is of another journal. */
  clear(): void {
    this.#ring.clear()
    this.#heads.clear()
    this.#lastSeq = 0
    this.#index = 0
    this.#fileSeq = 0
  }

  /** Fills with seqs in (`after`, `upTo`] happened while nobody noted them: answers that need them say so. */
  setGap(after: number, upTo: number): void {
    this.#gap = [after, upTo]
  }

  /** Writes to the file what was added since the last call. */
  flush(): void {
    this.#ring.flush()
  }

  close(): void {
    this.#ring.close()
  }

  /**
   * Fills of an account behind the position (`afterSeq`, `afterIndex`), oldest first, the oldest `limit` of
   * them; without an index, behind the whole command.
   * `complete` is false when older ones may have been forgotten.
   */
  ofAccount(
    account: number,
    afterSeq: number,
    limit: number,
    afterIndex = Infinity,
  ): { fills: FillEntry[]; complete: boolean } {
    const fills: FillEntry[] = []
    const oldest = this.#ring.first
    let position = this.#heads.get(account) ?? -1
    let complete = !(afterSeq < this.#gap[1] && this.#gap[0] < this.#gap[1])
    while (position >= 0) {
      if (position < oldest) {
        complete = false
        break
      }
      const place = position % this.#capacity
      const seq = this.#floats[place * RECORD_FLOATS + Ev.SEQ_F64]!
      const index = this.#floats[place * RECORD_FLOATS + NUMBER_F64]!
      if (seq < afterSeq || (seq === afterSeq && index <= afterIndex)) break
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
    for (let position = this.#ring.first; position < this.#ring.end; position++) {
      const place = position % this.#capacity
      const at = place * RECORD_WORDS
      const float = place * RECORD_FLOATS
      const seq = this.#floats[float + Ev.SEQ_F64]!
      if (seq <= afterSeq) continue
      each({
        seq,
        index: this.#floats[float + NUMBER_F64]!,
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
      this.#floats[place * RECORD_FLOATS + NUMBER_F64]!,
      this.#floats[place * RECORD_FLOATS + TIME_F64]!,
    )
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
