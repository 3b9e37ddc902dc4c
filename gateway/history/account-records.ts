/**
 * Records by account, oldest first, in a table of fixed size in which each account has its share: when the
 * table is full, the oldest record of one of the accounts that hold most goes. So whoever trades with
 * itself without end pushes out its own past, and nobody else's: an account that holds less than
 * 7/8 of what the largest one holds loses nothing.
 *
 * Invariant: an account's records are without a hole behind what was forgotten of it, and how far that
 * reaches is known: `forgotten` is derived from what was dropped, never guessed.
 */
import { Ev } from '../../engine/layout.js'
import { DEAD_ENTRIES_MIN, RECORD_ROWS_MIN } from '../limits.js'
import { NUMBER_F64, RECORD_FLOATS, HISTORY_RECORD_WORDS, copyRecord } from './record.js'

/** Steps of the size classes in which the largest accounts are looked for: each is 1/11 wide. */
const CLASSES_AN_OCTAVE = 8
/**
 * Who holds less than this part of its class's least goes down a class: not at once, or the largest, who gain a record
 * and lose one in turn, would change theirs each time. So those of one class hold at least 0.96 / 2^(1/8), or 7/8, of
 * what the largest of it does.
 */
const STAYS_FROM = 0.96

/** What was dropped: everything up to this record, by seq and number. */
export interface Forgotten {
  readonly seq: number
  readonly number: number
}
export const NOTHING_FORGOTTEN: Forgotten = { seq: 0, number: -1 }

/** Whether `forgotten` reaches beyond a position, so that an answer from there on is not complete. */
export const reaches = (forgotten: Forgotten, seq: number, number: number): boolean =>
  forgotten.seq > seq || (forgotten.seq === seq && forgotten.number > number)

interface AccountList {
  readonly account: number
  /** Slots, oldest first, from index `from` on. */
  slots: number[]
  from: number
  forgotten: Forgotten
  /** Class of how many records it holds, -1 = of none; and the fewest and the most with which it stays there. */
  sizeClass: number
  least: number
  most: number
}

const sizeOf = (list: AccountList): number => list.slots.length - list.from
const classOf = (size: number): number => Math.floor(Math.log2(size) * CLASSES_AN_OCTAVE)
/** Fewest records of a class: an integer where it is a whole octave, else above a number that is none. */
const leastOf = (sizeClass: number): number => Math.ceil(2 ** (sizeClass / CLASSES_AN_OCTAVE))

export class AccountRecords {
  words: Int32Array
  floats: Float64Array
  readonly capacity: number
  /** Told of each slot before its record is dropped. */
  readonly #onDrop: (slot: number) => void
  readonly #lists = new Map<number, AccountList>()
  /** Accounts by the class of how many records they hold. */
  readonly #classes: Set<AccountList>[] = []
  readonly #free: number[] = []
  #used = 0
  #largest = -1
  /** Of accounts that hold nothing any more. */
  #forgottenOfOthers: Forgotten = NOTHING_FORGOTTEN

  constructor(capacity: number, onDrop: (slot: number) => void = () => {}) {
    this.capacity = capacity
    this.#onDrop = onDrop
    this.words = new Int32Array(Math.min(RECORD_ROWS_MIN, capacity) * HISTORY_RECORD_WORDS)
    this.floats = new Float64Array(this.words.buffer)
  }

  /** Records held. */
  get size(): number {
    return this.#used - this.#free.length
  }

  /** Takes over the record at `word` of `words` as the account's newest; returns its slot. */
  add(account: number, words: Int32Array, word: number): number {
    if (this.size === this.capacity) this.#dropOne()
    const slot = this.#free.pop() ?? this.#nextSlot()
    copyRecord(words, word, this.words, slot * HISTORY_RECORD_WORDS)
    let list = this.#lists.get(account)
    if (list === undefined) {
      const forgotten = this.#forgottenOfOthers
      list = { account, slots: [], from: 0, forgotten, sizeClass: -1, least: 0, most: 0 }
      this.#lists.set(account, list)
    }
    list.slots.push(slot)
    this.#resized(list)
    return slot
  }

  #nextSlot(): number {
    if ((this.#used + 1) * HISTORY_RECORD_WORDS > this.words.length) {
      const words = new Int32Array(Math.min(2 * this.words.length, this.capacity * HISTORY_RECORD_WORDS))
      words.set(this.words)
      this.words = words
      this.floats = new Float64Array(words.buffer)
    }
    return this.#used++
  }

  /** Puts a list into the class of what it holds now. */
  #resized(list: AccountList): void {
    const size = sizeOf(list)
    if (size >= list.least && size <= list.most) return
    const [from, to] = [list.sizeClass, size === 0 ? -1 : classOf(size)]
    list.sizeClass = to
    list.least = to < 0 ? 0 : Math.ceil(STAYS_FROM * leastOf(to))
    list.most = to < 0 ? 0 : leastOf(to + 1) - 1
    if (from >= 0) this.#classes[from]!.delete(list)
    if (to >= 0) {
      while (this.#classes.length <= to) this.#classes.push(new Set())
      this.#classes[to]!.add(list)
      if (to > this.#largest) this.#largest = to
    }
    while (this.#largest >= 0 && this.#classes[this.#largest]!.size === 0) this.#largest--
  }

  /** Drops the oldest record of one of the accounts that hold most; they take turns. */
  #dropOne(): void {
    const lists = this.#classes[this.#largest]!
    const [list] = lists as Iterable<AccountList> as [AccountList]
    lists.delete(list)
    lists.add(list)
    const slot = list.slots[list.from]!
    this.#onDrop(slot)
    this.#free.push(slot)
    list.forgotten = this.#positionOf(slot)
    list.from++
    if (list.from > DEAD_ENTRIES_MIN && list.from > list.slots.length / 2) {
      list.slots = list.slots.slice(list.from)
      list.from = 0
    }
    this.#resized(list)
    if (sizeOf(list) === 0) this.#remove(list)
  }

  #remove(list: AccountList): void {
    this.#lists.delete(list.account)
    this.#forgottenOfOthers = later(this.#forgottenOfOthers, list.forgotten)
  }

  #positionOf(slot: number): Forgotten {
    const float = slot * RECORD_FLOATS
    return { seq: this.floats[float + Ev.SEQ_F64]!, number: this.floats[float + NUMBER_F64]! }
  }

  /** Notes that records of an account up to a position were dropped elsewhere; account -1 = of all others. */
  forget(account: number, forgotten: Forgotten): void {
    const list = this.#lists.get(account)
    if (list !== undefined) list.forgotten = later(list.forgotten, forgotten)
    else this.#forgottenOfOthers = later(this.#forgottenOfOthers, forgotten)
  }

  /** How far the account's past was forgotten. */
  forgotten(account: number): Forgotten {
    return this.#lists.get(account)?.forgotten ?? this.#forgottenOfOthers
  }

  /** How far the past of accounts without records was forgotten. */
  get forgottenOfOthers(): Forgotten {
    return this.#forgottenOfOthers
  }

  count(account: number): number {
    const list = this.#lists.get(account)
    return list === undefined ? 0 : sizeOf(list)
  }

  /** Slot of an account's record, 0 = its oldest. */
  slotAt(account: number, index: number): number {
    const list = this.#lists.get(account)!
    return list.slots[list.from + index]!
  }

  /** Index of the account's first record behind a position: everything before it is at or before it. */
  indexAfter(account: number, seq: number, number: number): number {
    let [low, high] = [0, this.count(account)]
    while (low < high) {
      const middle = (low + high) >> 1
      const at = this.#positionOf(this.slotAt(account, middle))
      if (reaches(at, seq, number)) high = middle
      else low = middle + 1
    }
    return low
  }

  accounts(): Iterable<number> {
    return this.#lists.keys()
  }
}

const later = (a: Forgotten, b: Forgotten): Forgotten => (reaches(a, b.seq, b.number) ? a : b)
