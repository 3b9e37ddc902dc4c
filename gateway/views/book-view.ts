/**
 * A market's L2 book as clients see it, kept from the engine's Level views: total visible lots and count
 * of orders of each level. Each side is a list of short sorted blocks, best first, so that a change costs a
 * block's length at most, however many levels lie behind it. Changed levels gather until `takeChanges`,
 * which gives one event for all of them: a level's newest total makes older ones worthless.
 */
import { Side } from '../../engine/codes.js'
import { TouchedSet } from '../../engine/core/base/touched.js'
import { CHECKSUM_LEVELS, bookChecksum } from '../../sdk/wire/checksum.js'
import type { BookData, LevelEntry } from '../../sdk/wire/layout.js'
import { BLOCK_LEVELS_MAX } from '../limits.js'

/** One side, best first. `sign` is 1 where a lower price is better (asks). */
class SideView {
  /** Blocks are never empty, but for the only one. */
  #blocks: LevelEntry[][] = [[]]
  readonly #sign: number
  /** Prices whose levels changed, in a keyed table: strangers choose them. */
  readonly #changed = new TouchedSet()

  constructor(sign: 1 | -1) {
    this.#sign = sign
  }

  /** Index of the block that has, or would take, a level at `ticks`. */
  #block(ticks: number): number {
    let low = 0
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#blocks[middle]![0]![0] - ticks) * this.#sign <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Index within a block of the first level that is not better than `ticks`. */
  #find(block: readonly LevelEntry[], ticks: number): number {
    let low = 0
    let high = block.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((block[middle]![0] - ticks) * this.#sign < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Lots and orders at `ticks`; undefined where no level stands. */
  at(ticks: number): LevelEntry | undefined {
    const block = this.#blocks[this.#block(ticks)]!
    const level = block[this.#find(block, ticks)]
    return level?.[0] === ticks ? level : undefined
  }

  set(ticks: number, lots: number, orders: number): void {
    const level: LevelEntry = [ticks, lots, orders]
    const at = this.#block(ticks)
    const block = this.#blocks[at]!
    const index = this.#find(block, ticks)
    const stands = block[index]?.[0] === ticks
    if (lots === 0) {
      if (stands) block.splice(index, 1)
      if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1)
    } else if (stands) block[index] = level
    else {
      block.splice(index, 0, level)
      if (block.length > BLOCK_LEVELS_MAX) this.#blocks.splice(at + 1, 0, block.splice(BLOCK_LEVELS_MAX / 2))
    }
    this.#changed.add(ticks, 0)
  }

  clear(): void {
    this.#blocks = [[]]
    this.#changed.clear()
  }

  get best(): LevelEntry | undefined {
    return this.#blocks[0]![0]
  }

  top(depth: number): LevelEntry[] {
    const found: LevelEntry[] = []
    for (const block of this.#blocks) {
      if (found.length >= depth) break
      for (let index = 0; index < block.length && found.length < depth; index++) found.push(block[index]!)
    }
    return found
  }

  takeChanges(): LevelEntry[] {
    const { size, pairs } = this.#changed
    if (size === 0) return []
    const changes: LevelEntry[] = []
    for (let index = 0; index < size; index++) {
      const ticks = pairs[2 * index]!
      changes.push(this.at(ticks) ?? [ticks, 0, 0])
    }
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
  #version = 0

  constructor(market: number) {
    this.market = market
  }

  /** Sets a level's total; zero lots take it away. */
  set(side: Side, ticks: number, lots: number, orders: number, seq: number): void {
    ;(side === Side.Buy ? this.#bids : this.#asks).set(ticks, lots, orders)
    this.lastSeq = seq
    this.#version++
  }

  /** Adds an order's lots to its level. */
  add(side: Side, ticks: number, lots: number, seq: number): void {
    const level = (side === Side.Buy ? this.#bids : this.#asks).at(ticks)
    this.set(side, ticks, (level?.[1] ?? 0) + lots, (level?.[2] ?? 0) + 1, seq)
  }

  /** Grows with every change of a level, also within a command. */
  get version(): number {
    return this.#version
  }

  clear(): void {
    this.#version++
    this.#bids.clear()
    this.#asks.clear()
  }

  /** Price of a side's best level, in ticks; undefined where none stands. */
  bestTicks(side: Side): number | undefined {
    return (side === Side.Buy ? this.#bids : this.#asks).best?.[0]
  }

  /** At most `depth` levels a side, best first. */
  top(depth: number): BookData {
    return [this.#bids.top(depth), this.#asks.top(depth)]
  }

  /** Every level changed since the last call; undefined when none was. */
  takeChanges(): BookData | undefined {
    const bids = this.#bids.takeChanges()
    const asks = this.#asks.takeChanges()
    return bids.length === 0 && asks.length === 0 ? undefined : [bids, asks]
  }

  checksum(): number {
    return bookChecksum(...this.top(CHECKSUM_LEVELS))
  }
}
