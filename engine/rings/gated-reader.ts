/**
 * The receiving end of an outbound ring: hands out a message only when the journal is durable up to
 * the seq that the message speaks of. It is the last gate before a client: an event that passes it
 * survives a crash. Used by gateways and operators.
 */
import type { ControlBlock } from './control.js'
import { Outbound } from '../messages.js'
import { RingReader } from './ring.js'

/**
 * Wraps a RingReader. A thread that finds nothing sleeps on its `control.producerDoorbell(index)`:
 * arm it, poll once more, then wait; it rings when a message passes the gate.
 */
export class GatedReader {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly bytes: Uint8Array
  private readonly control: ControlBlock
  private readonly reader: RingReader
  private durable = 0

  constructor(outbound: SharedArrayBuffer, control: ControlBlock) {
    this.control = control
    this.reader = new RingReader(outbound, control.roomDoorbell)
    this.words = this.reader.words
    this.floats = this.reader.floats
    this.bytes = this.reader.bytes
  }

  /** Body length in bytes of the message that the last successful poll gave. */
  get length(): number {
    return this.reader.length
  }

  /** Byte offset of the next durable message, or -1: none, or none that may leave yet. */
  poll(): number {
    const at = this.reader.peek()
    if (at < 0) return -1
    const seq = this.floats[at / 8 + Outbound.SEQ_F64]!
    if (seq > this.durable) {
      this.durable = this.control.durableSeq
      if (seq > this.durable) return -1
    }
    return at
  }

  /** Shows each durable message once, oldest first, while it waits still. None is taken, nor polled. */
  scanNew(each: (at: number) => void): void {
    this.reader.scanNew((at) => {
      const seq = this.floats[at / 8 + Outbound.SEQ_F64]!
      if (seq > this.durable) this.durable = this.control.durableSeq
      if (seq > this.durable) return false
      each(at)
      return true
    })
  }

  /** Frees the polled message; the engine thread may be waiting for the room. */
  release(): void {
    this.reader.release()
  }
}
