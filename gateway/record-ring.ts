/**
 * The newest records of one kind, in memory and in a file of the same shape: a ring of fixed size, so that
 * history is bounded on disk too. Used for fills and for orders that ended. The journal stays the truth;
 * the file may be deleted at any time, and then only answers about the past are missing.
 *
 *   record, 128 bytes, little-endian: the engine's event (96 bytes), a number of the owner (f64), time in
 *   ms (f64), position + 1 (f64; 0 = never written), 8 bytes of zero
 *
 * The record of position p lies at place p mod capacity. Writes are not synced: what is lost with the
 * machine's power is only history. A record that never came to the disk ends what is known: older ones
 * are forgotten with it, so that nothing is missing in between.
 */
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { EVENT_BYTES, EVENT_WORDS } from '../engine/layout.js'

const RECORD_BYTES = 128
export const RECORD_WORDS = RECORD_BYTES / 4
export const RECORD_FLOATS = RECORD_BYTES / 8
/** Float64 index of the owner's number, of the time, and of the position. */
export const NUMBER_F64 = EVENT_BYTES / 8
export const TIME_F64 = NUMBER_F64 + 1
const POSITION_F64 = NUMBER_F64 + 2

export interface RecordRingOptions {
  /** Records kept. */
  readonly capacity: number
  /** The file; none = memory only. */
  readonly path?: string | undefined
  /** Whether this thread writes the file: one thread of an exchange does. */
  readonly write: boolean
}

export class RecordRing {
  readonly capacity: number
  readonly words: Int32Array
  readonly floats: Float64Array
  /** Position after the newest record. */
  end = 0
  /** Position of the oldest record that is known. */
  #first = 0
  #written = 0
  #file = -1
  readonly #bytes: Uint8Array

  constructor({ capacity, path, write }: RecordRingOptions) {
    this.capacity = capacity
    const buffer = new ArrayBuffer(capacity * RECORD_BYTES)
    this.words = new Int32Array(buffer)
    this.floats = new Float64Array(buffer)
    this.#bytes = new Uint8Array(buffer)
    if (path === undefined) return
    const inPlace = existsSync(path) ? this.#load(readFileSync(path)) : true
    if (!write) return
    mkdirSync(dirname(path), { recursive: true })
    this.#file = openSync(path, existsSync(path) ? 'r+' : 'w')
    if (inPlace) return
    // Of another capacity: written anew.
    ftruncateSync(this.#file, 0)
    this.#written = this.#first
    this.flush()
  }

  /** Position of the oldest record that is kept. */
  get first(): number {
    return Math.max(this.#first, this.end - this.capacity)
  }

  /** Takes over the event at `word` as the newest record and returns its place. */
  add(words: Int32Array, word: number, number: number, timeMs: number): number {
    const place = this.end % this.capacity
    const to = place * RECORD_WORDS
    for (let offset = 0; offset < EVENT_WORDS; offset++) this.words[to + offset] = words[word + offset]!
    const float = place * RECORD_FLOATS
    this.floats[float + NUMBER_F64] = number
    this.floats[float + TIME_F64] = timeMs
    this.floats[float + POSITION_F64] = ++this.end
    return place
  }

  /** Writes what was added since the last call. */
  flush(): void {
    if (this.#file < 0) return
    for (let from = Math.max(this.#written, this.first); from < this.end;) {
      const place = from % this.capacity
      const count = Math.min(this.end - from, this.capacity - place)
      const at = place * RECORD_BYTES
      writeSync(this.#file, this.#bytes, at, count * RECORD_BYTES, at)
      from += count
    }
    this.#written = this.end
  }

  /** Forgets everything, on disk too. */
  clear(): void {
    this.end = 0
    this.#first = 0
    this.#written = 0
    if (this.#file >= 0) ftruncateSync(this.#file, 0)
  }

  close(): void {
    this.flush()
    if (this.#file >= 0) closeSync(this.#file)
    this.#file = -1
  }

  /** Takes over the newest records of a file; false = they do not lie where this capacity has them. */
  #load(file: Buffer): boolean {
    const count = Math.floor(file.length / RECORD_BYTES)
    const placeOf = new Map<number, number>()
    let inPlace = count <= this.capacity
    for (let place = 0; place < count; place++) {
      const end = file.readDoubleLE(place * RECORD_BYTES + POSITION_F64 * 8)
      if (!Number.isSafeInteger(end) || end <= 0) continue
      placeOf.set(end, place)
      if (end > this.end) this.end = end
      if ((end - 1) % this.capacity !== place) inPlace = false
    }
    this.#first = this.end
    while (this.#first > this.end - this.capacity && placeOf.has(this.#first)) {
      const from = placeOf.get(this.#first)! * RECORD_BYTES
      this.#first--
      this.#bytes.set(file.subarray(from, from + RECORD_BYTES), (this.#first % this.capacity) * RECORD_BYTES)
    }
    this.#written = this.end
    return inPlace
  }
}
