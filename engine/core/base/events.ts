/**
 * Writes event records into one preallocated buffer and hands it to the sink when it is full or flushed.
 * Every word of a record is set on each write, so no event shows what an earlier one held: `next` zeroes
 * it, whoever `claim`s one writes them all.
 * Called by every part of the core that says that something happened.
 */
import { Ev, EVENT_WORDS } from '../../layout.js'
import { EVENT_BUFFER_RECORDS } from '../../limits.js'
import type { EventBuffer, EventSink } from '../../types.js'
import { EVENTS } from './offsets.js'

// Local: optimised code folds it, but loads and checks an imported constant at each use.
const RECORDS = EVENT_BUFFER_RECORDS
if (RECORDS * EVENT_WORDS > EVENTS + 1)
  throw new Error('events: offsets into the buffer do not fit their mask')

export class Events {
  readonly words: Int32Array
  readonly floats: Float64Array
  private readonly buffer: EventBuffer
  private readonly sink: EventSink
  private count = 0

  constructor(sink: EventSink) {
    const bytes = new ArrayBuffer(RECORDS * EVENT_WORDS * 4)
    this.words = new Int32Array(bytes)
    this.floats = new Float64Array(bytes)
    this.buffer = { words: this.words, floats: this.floats, count: 0 }
    this.sink = sink
  }

  /** Word offset of a zeroed record with this head word and the clock's seq. */
  next(head: number, clock: Float64Array): number {
    const at = this.claim(head, clock)
    const { floats } = this
    const float = at >> 1
    for (let index = 2; index < EVENT_WORDS / 2; index++) floats[float + index] = 0
    return at
  }

  /** Like `next`, but the caller writes every word from 4 on: for the events that occur most. */
  claim(head: number, clock: Float64Array): number {
    if (this.count === RECORDS) this.flush()
    const at = (this.count++ * EVENT_WORDS) & 0xffff
    this.words[at] = head
    this.words[at + 1] = 0
    this.floats[(at >> 1) + Ev.SEQ_F64] = clock[0]!
    return at
  }

  flush(): void {
    if (this.count === 0) return
    this.buffer.count = this.count
    this.count = 0
    this.sink(this.buffer)
  }
}
