/**
 * A small set of pairs of int32 with insertion order, cleared in constant time: what one message
 * touched (levels, balances). Open addressing with a generation stamp; it doubles when half full and
 * is bounded by what it holds (levels and accounts have bounds of their own). Prices are chosen by strangers,
 * so the hash is keyed.
 */
import { hashWord, randomTables } from './keyed-hash.js'

const SLOTS_MIN = 1024
/** Where the random tables of the second word begin. */
const TABLES_BEHIND = 1024

export class TouchedSet {
  /** Pairs in the order of their first `add`: `pairs[2 * i]`, `pairs[2 * i + 1]`, for i < size. */
  pairs = new Int32Array(SLOTS_MIN)
  size = 0
  private slots = new Int32Array(SLOTS_MIN)
  private stamps = new Int32Array(SLOTS_MIN)
  private generation = 1
  private readonly random = randomTables(2)

  /** Adds the pair unless it is there. */
  add(a: number, b: number): void {
    if (2 * this.size >= this.slots.length) this.grow()
    const mask = this.slots.length - 1
    let slot = (hashWord(this.random, 0, a) ^ hashWord(this.random, TABLES_BEHIND, b)) & mask
    while (this.stamps[slot] === this.generation) {
      const index = this.slots[slot]!
      if (this.pairs[2 * index] === a && this.pairs[2 * index + 1] === b) return
      slot = (slot + 1) & mask
    }
    this.stamps[slot] = this.generation
    this.slots[slot] = this.size
    this.pairs[2 * this.size] = a
    this.pairs[2 * this.size + 1] = b
    this.size++
  }

  clear(): void {
    this.size = 0
    this.generation = (this.generation + 1) | 0
    // After 2^32 clears an old stamp could look current: start over.
    if (this.generation === 0) {
      this.stamps.fill(0)
      this.generation = 1
    }
  }

  private grow(): void {
    const { pairs, size } = this
    this.slots = new Int32Array(this.slots.length * 2)
    this.stamps = new Int32Array(this.slots.length)
    this.pairs = new Int32Array(this.slots.length)
    this.generation = 1
    this.size = 0
    for (let index = 0; index < size; index++) this.add(pairs[2 * index]!, pairs[2 * index + 1]!)
  }
}
