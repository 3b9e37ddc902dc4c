/**
 * The newest fills of all accounts, each account with its share (history/account-records.ts): what
 * `fills` answers from, and what a `fills` stream restarts from after the stream's own buffer has run out.
 * The number of a record is the fill's index within its command; a fill stands once for each of its parties.
 */
import { Ev, FillEv } from '../../engine/layout.js'
import { Side } from '../../engine/codes.js'
import { cloidAt } from '../../engine/records/access.js'
import type { FillEntry } from '../../sdk/wire/layout.js'
import { AccountRecords, type Forgotten, reaches } from './account-records.js'
import { NUMBER_F64, Party, RECORD_FLOATS, HISTORY_RECORD_WORDS, TIME_F64, TYPE_WORD } from './record.js'

export class FillStore {
  readonly records: AccountRecords
  /** Of no account anything is known up to this seq, beyond what is told here. */
  floor = 0

  /** `capacity`: fills kept, if none is of an account with itself. */
  constructor(capacity: number) {
    this.records = new AccountRecords(2 * capacity)
  }

  /** Takes over the record at `word`, for those of its parties that it names. */
  add(words: Int32Array, word: number): void {
    const parties = words[word + TYPE_WORD]! >>> 8
    if ((parties & Party.First) !== 0)
      this.#add(words[word + FillEv.MAKER_ACCOUNT]!, words, word, Party.First)
    if ((parties & Party.Counter) !== 0)
      this.#add(words[word + FillEv.TAKER_ACCOUNT]!, words, word, Party.Counter)
  }

  #add(account: number, words: Int32Array, word: number, party: number): void {
    const slot = this.records.add(account, words, word)
    const at = slot * HISTORY_RECORD_WORDS + TYPE_WORD
    this.records.words[at] = (this.records.words[at]! & 0xff) | (party << 8)
  }

  /**
   * Fills of an account behind the position (`afterSeq`, `afterIndex`), oldest first, the oldest `limit` of
   * them; without an index, behind the whole command. `complete` is false when older ones were forgotten.
   */
  ofAccount(
    account: number,
    afterSeq: number,
    limit: number,
    afterIndex = Infinity,
  ): { fills: FillEntry[]; complete: boolean } {
    const { records } = this
    const fills: FillEntry[] = []
    const count = records.count(account)
    let index = records.indexAfter(account, afterSeq, afterIndex)
    for (; index < count && fills.length < limit; index++)
      fills.push(this.#entry(records.slotAt(account, index)))
    const forgotten: Forgotten = records.forgotten(account)
    return { fills, complete: afterSeq >= this.floor && !reaches(forgotten, afterSeq, afterIndex) }
  }

  #entry(slot: number): FillEntry {
    const { words, floats } = this.records
    const at = slot * HISTORY_RECORD_WORDS
    const float = slot * RECORD_FLOATS
    const maker = words[at + TYPE_WORD]! >>> 8 === Party.First
    return fillEntry(words, floats, at, maker, floats[float + NUMBER_F64]!, floats[float + TIME_F64]!)
  }
}

/** Side of the incoming order of a Fill: the event's own side is the maker's. */
export function takerSideAt(words: Int32Array, word: number): Side {
  return ((words[word + Ev.KIND]! >> FillEv.MAKER_SIDE_SHIFT) & 1) === Side.Buy ? Side.Sell : Side.Buy
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
    words[word + FillEv.MARKET]!,
    maker ? 1 - takerSide : takerSide,
    words[word + FillEv.TICKS]!,
    words[word + FillEv.LOTS]!,
    floats[float + (maker ? FillEv.MAKER_FEE_F64 : FillEv.TAKER_FEE_F64)]!,
    maker ? 1 : 0,
    floats[float + (maker ? FillEv.MAKER_ORDER_ID_F64 : FillEv.TAKER_ORDER_ID_F64)]!,
    cloidAt(words, word + (maker ? FillEv.MAKER_CLOID_LO : FillEv.TAKER_CLOID_LO)),
    words[word + (maker ? FillEv.MAKER_REMAINING : FillEv.TAKER_REMAINING)]!,
    timeMs,
  ]
}
