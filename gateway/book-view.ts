/**
 * A market's L2 book as clients see it, kept from the engine's Level views: total visible lots and count
 * of orders of each level. Levels are sorted best first, so that depth and checksum are prefixes. Changed
 * levels gather until `takeChanges`, which gives one event for all of them: a level's newest total makes
 * older ones worthless.
 */
import { Side } from '../engine/codes.js'
import { bookChecksum } from '../sdk/wire/checksum.js'
import type { BookData, LevelEntry } from '../sdk/wire/layout.js'

/** One side, best first. `sign` is 1 where a lower price is better (asks). */
class SideView {
  readonly levels: LevelEntry[] = []
  readonly #sign: number
  #changed = new Map<number, LevelEntry>()

  constructor(sign: 1 | -1) {
    this.#sign = sign
  }

  /** Index of the first level that is not better than `ticks`. */
  #find(ticks: number): number {
    let low = 0
    let high = this.levels.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.levels[middle]![0] - ticks) * this.#sign < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  set(ticks: number, lots: number, orders: number): void {
    const level: LevelEntry = [ticks, lots, orders]
    const index = this.#find(ticks)
    const stands = this.levels[index]?.[0] === ticks
    if (lots === 0) {
      if (stands) this.levels.splice(index, 1)
    } else if (stands) this.levels[index] = level
    else this.levels.splice(index, 0, level)
    this.#changed.set(ticks, level)
  }

  takeChanges(): LevelEntry[] {
    if (this.#changed.size === 0) return []
    const changes = [...this.#changed.values()]
    this.#changed.clear()
    return changes
  }
}

export class BookView {
  readonly market: number
  readonly #bids = new SideView(-1)
  readonly #asks = new SideView(1)
  /** Seq of the last command that touched a level. */
  lastSeq = 0

  constructor(market: number) {
    this.market = market
  }

  /** Sets a level's total; zero lots take it away. */
  set(side: Side, ticks: number, lots: number, orders: number, seq: number): void {
    ;(side === Side.Buy ? this.#bids : this.#asks).set(ticks, lots, orders)
    this.lastSeq = seq
  }

  /** At most `depth` levels a side, best first. */
  top(depth: number): BookData {
    return [this.#bids.levels.slice(0, depth), this.#asks.levels.slice(0, depth)]
  }

  /** Every level changed since the last call; undefined when none was. */
  takeChanges(): BookData | undefined {
    const bids = this.#bids.takeChanges()
    const asks = this.#asks.takeChanges()
    return bids.length === 0 && asks.length === 0 ? undefined : [bids, asks]
  }

  checksum(): number {
    return bookChecksum(this.#bids.levels, this.#asks.levels)
  }
}
