/**
 * Writes event records into one preallocated buffer and hands it to the sink when it is full or flushed.
 * Every word of a record is set on each write, so no event shows what an earlier one held.
 * Called by every part of the core that says that something happened.
 */
import { Ev } from '../layout.js'
import type { EventBuffer, EventSink } from '../types.js'
import * as layout from '../layout.js'

// Local copies: optimised code folds them, but loads and checks an imported constant at each use.
const { EVENT_WORDS } = layout
const { SEQ_F64: EV_SEQ_F64 } = Ev

/** Events held back at most: small enough to stay in the cache. */
export const EVENT_BUFFER_RECORDS = 512

export class Events {
  readonly words: Int32Array
  readonly floats: Float64Array
  private readonly buffer: EventBuffer
  private readonly sink: EventSink
  private count = 0

  constructor(sink: EventSink) {
    const bytes = new ArrayBuffer(EVENT_BUFFER_RECORDS * EVENT_WORDS * 4)
    this.words = new Int32Array(bytes)
    this.floats = new Float64Array(bytes)
    this.buffer = { words: this.words, floats: this.floats, count: 0 }
    this.sink = sink
  }

  /** Word offset of a zeroed record whose head word is `head` and whose seq stands in `seq[0]`. */
  next(head: number, seq: Float64Array): number {
    if (this.count === EVENT_BUFFER_RECORDS) this.flush()
    const at = this.count++ * EVENT_WORDS
    const { words, floats } = this
    const float = at >> 1
    floats[float] = 0
    words[at] = head
    floats[float + EV_SEQ_F64] = seq[0]!
    for (let index = 2; index < EVENT_WORDS / 2; index++) floats[float + index] = 0
    return at
  }

  flush(): void {
    if (this.count === 0) return
    this.buffer.count = this.count
    this.count = 0
    this.sink(this.buffer)
  }
}
