/**
 * Who pays for fills: the account whose order took, however that came to trade; in a frame of its own, or as a stop
 * that somebody else's trade fired. What is told here is what one message of commands did (a frame, or a Time command),
 * since it is told to everybody in one piece. The first fill of each order was paid for with the order.
 */
import { EventKind } from '../../engine/codes.js'
import { EVENT_WORDS, Ev, FillEv, kindOf } from '../../engine/layout.js'

/** Events of a message of commands, or of a part of it: `more` of them follow. */
interface Events {
  readonly words: Int32Array
  readonly floats: Float64Array
  /** Word offset of the first. */
  readonly at: number
  readonly count: number
  readonly more: boolean
}

export class SweptFills {
  /** Fills beyond the first of each order, by account, since the commands began. */
  readonly #more = new Map<number, number>()
  #takerOrder = 0
  readonly #charge: (account: number, more: number) => void

  constructor(charge: (account: number, more: number) => void) {
    this.#charge = charge
  }

  applied({ words, floats, at, count, more }: Events): void {
    const end = at + count * EVENT_WORDS
    for (let word = at; word < end; word += EVENT_WORDS) {
      if (kindOf(words[word + Ev.KIND]!) !== EventKind.Fill) continue
      // An order that takes does so in one go: its fills stand one behind the other.
      const takerOrder = floats[(word >> 1) + FillEv.TAKER_ORDER_ID_F64]!
      if (takerOrder === this.#takerOrder) {
        const account = words[word + FillEv.TAKER_ACCOUNT]!
        this.#more.set(account, (this.#more.get(account) ?? 0) + 1)
      }
      this.#takerOrder = takerOrder
    }
    if (more || this.#more.size === 0) return
    for (const [account, fills] of this.#more) this.#charge(account, fills)
    this.#more.clear()
  }
}
