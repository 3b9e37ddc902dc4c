/**
 * The newest orders that came to their end (filled, cancelled, refused), so that a client can ask what
 * became of one by its client order id or order id after it is gone from the book, also after a restart.
 * Fixed size, each account with its share (history/account-records.ts): what falls out is "not found".
 *
 * A record stands for one party: a fill that ends both its orders is two records.
 */
import { EventKind } from '../../engine/codes.js'
import { Ev, FillEv, OrderEv, kindOf } from '../../engine/layout.js'
import type { OrderEntry } from '../../sdk/wire/layout.js'
import { ENDED_ORDERS_KEPT } from '../limits.js'
import { AccountRecords } from './account-records.js'
import { RecordIndex } from './record-index.js'
import { Party, RECORD_FLOATS, HISTORY_RECORD_WORDS, TIME_F64, TYPE_WORD } from './record.js'
import { fillOrderEntry, isRefusedOrder, orderEntry } from './order-entry.js'

/** Parties whose order ended by an event; 0 = none. */
export function endedParties(kind: number, words: Int32Array, word: number): number {
  switch (kind) {
    case EventKind.Fill:
      return (
        (words[word + FillEv.MAKER_REMAINING] === 0 ? Party.First : 0) |
        (words[word + FillEv.TAKER_REMAINING] === 0 ? Party.Counter : 0)
      )
    case EventKind.Canceled:
      return Party.First
    case EventKind.Rejected:
      return isRefusedOrder(words, word) ? Party.First : 0
    default:
      return 0
  }
}

export class OrderHistory {
  readonly records: AccountRecords
  readonly #byCloid: RecordIndex
  readonly #byOrderId: RecordIndex

  constructor(capacity = ENDED_ORDERS_KEPT) {
    this.#byCloid = new RecordIndex(capacity)
    this.#byOrderId = new RecordIndex(capacity)
    this.records = new AccountRecords(capacity, (slot) => {
      this.#byCloid.remove(slot)
      this.#byOrderId.remove(slot)
    })
  }

  /** Takes over the record at `word`, for those of its parties that it names. */
  add(words: Int32Array, word: number): void {
    const parties = words[word + TYPE_WORD]! >>> 8
    if ((parties & Party.First) !== 0) this.#add(words, word, Party.First)
    if ((parties & Party.Counter) !== 0) this.#add(words, word, Party.Counter)
  }

  #add(words: Int32Array, word: number, party: number): void {
    // A Fill's maker stands where the order of an order's own event does.
    const taker = party === Party.Counter
    const account = words[word + (taker ? FillEv.TAKER_ACCOUNT : OrderEv.ACCOUNT)]!
    const slot = this.records.add(account, words, word)
    const own = this.records.words
    const at = slot * HISTORY_RECORD_WORDS
    own[at + TYPE_WORD] = (own[at + TYPE_WORD]! & 0xff) | (party << 8)
    const cloid = at + (taker ? FillEv.TAKER_CLOID_LO : OrderEv.CLOID_LO)
    this.#byCloid.add(slot, account, own[cloid]!, own[cloid + 1]!)
    const orderId = at + 2 * (taker ? FillEv.TAKER_ORDER_ID_F64 : OrderEv.ORDER_ID_F64)
    this.#byOrderId.add(slot, account, own[orderId]!, own[orderId + 1]!)
  }

  /** How an order of the account ended; undefined when it is not known to have. */
  byCloid(account: number, cloid: bigint): OrderEntry | undefined {
    const low = Number(cloid & 0xffffffffn) | 0
    const high = Number(cloid >> 32n) | 0
    const slot = this.#byCloid.find(account, low, high, (candidate) => {
      const { words } = this.records
      const at = candidate * HISTORY_RECORD_WORDS
      const taker = this.#isTaker(candidate)
      return (
        words[at + (taker ? FillEv.TAKER_ACCOUNT : OrderEv.ACCOUNT)] === account &&
        words[at + (taker ? FillEv.TAKER_CLOID_LO : OrderEv.CLOID_LO)] === low &&
        words[at + (taker ? FillEv.TAKER_CLOID_HI : OrderEv.CLOID_HI)] === high
      )
    })
    return slot === undefined ? undefined : this.#entry(slot)
  }

  /** The same by order id. */
  byOrderId(account: number, orderId: number): OrderEntry | undefined {
    const key = new Int32Array(Float64Array.of(orderId).buffer)
    const slot = this.#byOrderId.find(account, key[0]!, key[1]!, (candidate) => {
      const { words, floats } = this.records
      const taker = this.#isTaker(candidate)
      return (
        words[candidate * HISTORY_RECORD_WORDS + (taker ? FillEv.TAKER_ACCOUNT : OrderEv.ACCOUNT)] ===
          account &&
        floats[candidate * RECORD_FLOATS + (taker ? FillEv.TAKER_ORDER_ID_F64 : OrderEv.ORDER_ID_F64)] ===
          orderId
      )
    })
    return slot === undefined ? undefined : this.#entry(slot)
  }

  #isTaker(slot: number): boolean {
    return this.records.words[slot * HISTORY_RECORD_WORDS + TYPE_WORD]! >>> 8 === Party.Counter
  }

  #entry(slot: number): OrderEntry {
    const { words, floats } = this.records
    const at = slot * HISTORY_RECORD_WORDS
    const timeMs = floats[slot * RECORD_FLOATS + TIME_F64]!
    return kindOf(words[at + Ev.KIND]!) === EventKind.Fill
      ? fillOrderEntry(words, floats, at, !this.#isTaker(slot), timeMs)
      : orderEntry(words, floats, at, timeMs)
  }
}
