/**
 * Finds slots of a table of records by a key of three words: chains in buckets, newest first. Nothing is
 * allocated after the start, and a slot leaves its chain in constant time, whichever goes first. Clients choose
 * the keys, so the hash is keyed (engine/core/base/keyed-hash.ts).
 */
import { hashWord, randomTables } from '../../engine/core/base/keyed-hash.js'

const NONE = -1
/** Words of the random tables of one key word. */
const TABLES = 1024

export class RecordIndex {
  readonly #newest: Int32Array
  readonly #before: Int32Array
  readonly #after: Int32Array
  readonly #bucket: Int32Array
  readonly #mask: number
  readonly #random = randomTables(3)

  /** `capacity`: slots of the table. */
  constructor(capacity: number) {
    const buckets = 2 ** Math.ceil(Math.log2(2 * capacity))
    this.#mask = buckets - 1
    this.#newest = new Int32Array(buckets).fill(NONE)
    this.#before = new Int32Array(capacity)
    this.#after = new Int32Array(capacity)
    this.#bucket = new Int32Array(capacity)
  }

  add(slot: number, a: number, b: number, c: number): void {
    const bucket = this.#hash(a, b, c) & this.#mask
    const old = this.#newest[bucket]!
    this.#before[slot] = old
    this.#after[slot] = NONE
    this.#bucket[slot] = bucket
    if (old !== NONE) this.#after[old] = slot
    this.#newest[bucket] = slot
  }

  remove(slot: number): void {
    const [before, after] = [this.#before[slot]!, this.#after[slot]!]
    if (before !== NONE) this.#after[before] = after
    if (after !== NONE) this.#before[after] = before
    else this.#newest[this.#bucket[slot]!] = before
  }

  /** The newest slot of the key's chain that `matches`; undefined when there is none. */
  find(a: number, b: number, c: number, matches: (slot: number) => boolean): number | undefined {
    for (
      let slot = this.#newest[this.#hash(a, b, c) & this.#mask]!;
      slot !== NONE;
      slot = this.#before[slot]!
    )
      if (matches(slot)) return slot
    return undefined
  }

  #hash(a: number, b: number, c: number): number {
    const random = this.#random
    return hashWord(random, 0, a) ^ hashWord(random, TABLES, b) ^ hashWord(random, 2 * TABLES, c)
  }
}
