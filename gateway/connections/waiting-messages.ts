/**
 * Messages of one connection that wait for their turn, oldest first, one behind the other in one buffer: tens of
 * thousands of small ones cost their bytes, no object each, and taking one moves none of the others.
 *
 *   [from .. to)   u32 length, f64 seq that had been settled when it came, bytes, u32 length, ...
 *
 * Called by admission.ts.
 */
import { WAITING_BYTES_MIN } from '../limits.js'
const HEADER_BYTES = 12

export class WaitingMessages {
  #bytes = Buffer.alloc(WAITING_BYTES_MIN)
  #from = 0
  #to = 0

  /** Bytes that wait, the lengths among them: a message without any is not free. */
  get bytes(): number {
    return this.#to - this.#from
  }

  get isEmpty(): boolean {
    return this.#from === this.#to
  }

  /** Bytes of the oldest; there must be one. */
  get firstBytes(): number {
    return this.#bytes.readUInt32LE(this.#from)
  }

  /** The seq that was given with the oldest; there must be one. */
  get firstSeq(): number {
    return this.#bytes.readDoubleLE(this.#from + 4)
  }

  push(message: Uint8Array, seq: number): void {
    this.#room(HEADER_BYTES + message.length)
    this.#bytes.writeUInt32LE(message.length, this.#to)
    this.#bytes.writeDoubleLE(seq, this.#to + 4)
    this.#bytes.set(message, this.#to + HEADER_BYTES)
    this.#to += HEADER_BYTES + message.length
  }

  /** The oldest; there must be one. A view, valid until the next `push`. */
  first(): Uint8Array {
    const at = this.#from + HEADER_BYTES
    return this.#bytes.subarray(at, at + this.firstBytes)
  }

  /** Takes the oldest; there must be one. A view, valid until the next `push`. */
  shift(): Uint8Array {
    const first = this.first()
    this.#from += HEADER_BYTES + first.length
    return first
  }

  #room(more: number): void {
    if (this.#to + more <= this.#bytes.length) return
    const { bytes } = this
    // What waits moves only when as much has gone before it: each byte moves a bounded number of times.
    const fits = 2 * (bytes + more) <= this.#bytes.length
    const into = fits ? this.#bytes : Buffer.alloc(Math.max(2 * this.#bytes.length, 2 * (bytes + more)))
    this.#bytes.copy(into, 0, this.#from, this.#to)
    this.#bytes = into
    this.#from = 0
    this.#to = bytes
  }
}
