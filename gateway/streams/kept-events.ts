/**
 * The newest events of one stream, for clients that come back: bounded in number and in bytes, and with all
 * other streams of the thread in the sum of their bytes. When the sum is full, the streams that were
 * published to the longest time ago lose theirs first; their clients start from a snapshot.
 *
 * Bytes are estimated from the entries, on the safe side: an event is not encoded unless somebody follows.
 */
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { DEAD_ENTRIES_MIN } from '../limits.js'

export interface StreamEvent {
  readonly seq: number
  readonly prevSeq: number
  readonly data: WireValue
  readonly checksum: number | undefined
}

/** Of an array, and of a value in it: what V8 takes for numbers as doubles with their box. */
const ARRAY_BYTES = 48
const VALUE_BYTES = 16
const EVENT_BYTES = 128

/** Bytes that a value holds in memory, about. */
export function bytesOf(value: WireValue): number {
  if (typeof value === 'string') return VALUE_BYTES + 2 * value.length
  if (value instanceof Uint8Array) return ARRAY_BYTES + value.length
  if (Array.isArray(value)) {
    let bytes = ARRAY_BYTES
    for (const element of value as readonly WireValue[])
      bytes += typeof element === 'number' ? VALUE_BYTES : bytesOf(element)
    return bytes
  }
  if (typeof value === 'object' && value !== null) {
    let bytes = ARRAY_BYTES
    for (const element of Object.values(value)) bytes += VALUE_BYTES + bytesOf(element as WireValue)
    return bytes
  }
  return VALUE_BYTES
}

/** What the streams of a thread keep together. */
export class EventMemory {
  readonly #bytesMax: number
  /** In order of the last event, oldest first. */
  readonly #streams = new Set<KeptEvents>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `events` has grown or shrunk by `bytes`. */
  changed(events: KeptEvents, bytes: number): void {
    this.#bytes += bytes
    if (bytes > 0) {
      this.#streams.delete(events)
      this.#streams.add(events)
    }
    if (this.#bytes <= this.#bytesMax) return
    for (const oldest of this.#streams) {
      if (this.#bytes <= this.#bytesMax) break
      oldest.clear()
    }
  }

  forget(events: KeptEvents): void {
    this.#streams.delete(events)
  }
}

/** For a stream that stands alone. */
export const OWN_MEMORY = new EventMemory(Infinity)

export class KeptEvents {
  readonly #keep: number
  readonly #keepBytes: number
  readonly #memory: EventMemory
  readonly #areRows: boolean
  #events: (StreamEvent & { readonly bytes: number })[] = []
  /** Index of the oldest event that is kept; those before wait to be cut off together. */
  #first = 0
  #bytes = 0

  /** `areRows`: an event's data are entries of one form, so that the first one tells what each of them holds. */
  constructor(keep: number, keepBytes: number, memory: EventMemory, areRows = false) {
    this.#keep = keep
    this.#keepBytes = keepBytes
    this.#memory = memory
    this.#areRows = areRows
  }

  get bytes(): number {
    return this.#bytes
  }

  add(event: StreamEvent): void {
    const { data } = event
    const isRows = this.#areRows && Array.isArray(data) && data.length > 0
    const bytes =
      EVENT_BYTES + (isRows ? ARRAY_BYTES + data.length * bytesOf((data as WireValue[])[0]!) : bytesOf(data))
    this.#events.push({ ...event, bytes })
    let change = bytes
    while (
      this.#events.length - this.#first > this.#keep ||
      (this.#bytes + change > this.#keepBytes && this.#first < this.#events.length)
    ) {
      change -= this.#events[this.#first]!.bytes
      // Lets go of the event itself; its place is cut off with others.
      this.#events[this.#first] = GONE
      this.#first++
    }
    if (this.#first > DEAD_ENTRIES_MIN && 2 * this.#first > this.#events.length) {
      this.#events = this.#events.slice(this.#first)
      this.#first = 0
    }
    this.#bytes += change
    this.#memory.changed(this, change)
  }

  clear(): void {
    const bytes = this.#bytes
    this.#events = []
    this.#first = 0
    this.#bytes = 0
    this.#memory.forget(this)
    this.#memory.changed(this, -bytes)
  }

  /** Index of the oldest event with a seq above `seq`. */
  #find(seq: number): number {
    let low = this.#first
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#events[middle]!.seq <= seq) low = middle + 1
      else high = middle
    }
    return low
  }

  firstAfter(seq: number): StreamEvent | undefined {
    return this.#events[this.#find(seq)]
  }

  /** Events with seqs above `seq`, oldest first. */
  after(seq: number): readonly StreamEvent[] {
    return this.#events.slice(this.#find(seq))
  }
}

const GONE = { seq: 0, prevSeq: 0, data: null, checksum: undefined, bytes: 0 } as const
