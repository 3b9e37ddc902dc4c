/**
 * A market's L2 book kept from its stream: sorted levels, best first, checked against the exchange's
 * CRC-32 after every message. A book that does not agree asks for a new snapshot by itself, and is not `ready`
 * from the moment on that it may be wrong.
 */
import { StreamState } from './stream-state.js'
import { bookChecksum } from '../wire/checksum.js'
import { readArray, readSafeInt } from '../wire/fields.js'
import type { WireValue } from '../wire/msgpack.js'
import type { StreamMessage } from './subscription.js'

export interface BookSideLevel {
  readonly ticks: number
  readonly lots: number
  readonly orders: number
}

class LocalSide {
  levels: [ticks: number, lots: number, orders: number][] = []
  /** 1 where a lower price is better. */
  readonly #sign: number

  constructor(sign: 1 | -1) {
    this.#sign = sign
  }

  apply(rows: WireValue): void {
    for (const row of readArray(rows, 'levels', 0, 1_000_000)) {
      const [ticksValue, lotsValue, ordersValue] = readArray(row, 'level', 3, 8)
      const ticks = readSafeInt(ticksValue, 'ticks')
      const lots = readSafeInt(lotsValue, 'lots')
      const orders = readSafeInt(ordersValue, 'orders')
      let low = 0
      let high = this.levels.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((this.levels[middle]![0] - ticks) * this.#sign < 0) low = middle + 1
        else high = middle
      }
      const stands = this.levels[low]?.[0] === ticks
      if (lots === 0) {
        if (stands) this.levels.splice(low, 1)
      } else if (stands) this.levels[low] = [ticks, lots, orders]
      else this.levels.splice(low, 0, [ticks, lots, orders])
    }
  }
}

export class LocalBook extends StreamState {
  readonly market: number
  #bids = new LocalSide(-1)
  #asks = new LocalSide(1)
  #seq = 0
  /** Times that a checksum did not agree and a snapshot was asked for. */
  healed = 0

  constructor(market: number) {
    super()
    this.market = market
  }

  /** Seq up to which this book is the exchange's. */
  get seq(): number {
    return this.#seq
  }

  /** Best first, at most `depth` levels. */
  bids(depth = Infinity): BookSideLevel[] {
    return this.#bids.levels.slice(0, depth).map(([ticks, lots, orders]) => ({ ticks, lots, orders }))
  }

  asks(depth = Infinity): BookSideLevel[] {
    return this.#asks.levels.slice(0, depth).map(([ticks, lots, orders]) => ({ ticks, lots, orders }))
  }

  get bestBid(): BookSideLevel | undefined {
    return this.bids(1)[0]
  }

  get bestAsk(): BookSideLevel | undefined {
    return this.asks(1)[0]
  }

  /** Takes a message of the book's stream; 'restart' = it does not agree, and a snapshot is needed. */
  take({ kind, seq, data, checksum }: StreamMessage): 'restart' | undefined {
    if (kind === 'snapshot') {
      this.#bids = new LocalSide(-1)
      this.#asks = new LocalSide(1)
    }
    const [bids, asks] = readArray(data, 'book', 2, 8)
    this.#bids.apply(bids!)
    this.#asks.apply(asks!)
    this.#seq = seq
    if (checksum === undefined || checksum === bookChecksum(this.#bids.levels, this.#asks.levels)) {
      if (kind === 'snapshot') this.caughtUp()
      return undefined
    }
    this.lost()
    this.healed++
    return 'restart'
  }
}
