/**
 * Records of one size in chunks of typed arrays: memory follows use, nothing is copied when it grows, and a
 * million of them are no work for the garbage collector. Slots are reused, last freed first.
 */
const CHUNK_BITS = 12
const CHUNK_RECORDS = 1 << CHUNK_BITS

export class Slab {
  readonly #words: Int32Array[] = []
  readonly #floats: Float64Array[] = []
  readonly #recordWords: number
  readonly #free: number[] = []
  #end = 0

  /** `recordWords`: an even count of int32 words. */
  constructor(recordWords: number) {
    this.#recordWords = recordWords
  }

  /** A zeroed record. */
  take(): number {
    const slot = this.#free.pop() ?? this.#end++
    if (slot >> CHUNK_BITS === this.#words.length) {
      const buffer = new ArrayBuffer(CHUNK_RECORDS * this.#recordWords * 4)
      this.#words.push(new Int32Array(buffer))
      this.#floats.push(new Float64Array(buffer))
    } else {
      const at = this.at(slot)
      this.words(slot).fill(0, at, at + this.#recordWords)
    }
    return slot
  }

  give(slot: number): void {
    this.#free.push(slot)
  }

  /** The chunk that has the record, as words and as doubles, and the record's first word in it. */
  words(slot: number): Int32Array {
    return this.#words[slot >> CHUNK_BITS]!
  }

  floats(slot: number): Float64Array {
    return this.#floats[slot >> CHUNK_BITS]!
  }

  at(slot: number): number {
    return (slot & (CHUNK_RECORDS - 1)) * this.#recordWords
  }
}
