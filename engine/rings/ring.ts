/**
 * Single-producer single-consumer ring of variable-length messages over a SharedArrayBuffer, and the
 * doorbells that wake the thread on its other side. It carries every message between gateway threads,
 * the engine thread and the journal thread (layouts: messages.ts).
 *
 *   byte 0      capacity in bytes (a power of two)
 *   byte 64     head: the consumer's position      } free-running int32 counts of 8-byte units;
 *   byte 128    tail: the producer's position      } tail - head = units in use, also across 2^32
 *   byte 192    data: records, each 8-byte aligned and contiguous
 *
 *   record:     length of the body in bytes, or -1 = padding to the end of the data   (int32)
 *               zero (int32), then the body, zero to seven bytes of padding
 *
 * Invariant: one thread claims and commits, one thread peeks and releases. A record is written before
 * the tail that publishes it is stored (Atomics are sequentially consistent), so the consumer never
 * sees half of one.
 */
import { RING_BYTES_MAX, RING_BYTES_MIN } from '../limits.js'
const CAPACITY_WORD = 0
const HEAD_WORD = 16
const TAIL_WORD = 32
const DATA_BYTES = 192
const RECORD_HEADER_BYTES = 8
const PADDING = -1

/** Allocates a ring of `capacityBytes` (a power of two within RING_BYTES_MIN..MAX; throws otherwise). */
export function createRing(capacityBytes: number): SharedArrayBuffer {
  const isPowerOfTwo = Number.isInteger(capacityBytes) && Number.isInteger(Math.log2(capacityBytes))
  if (!isPowerOfTwo || capacityBytes < RING_BYTES_MIN || capacityBytes > RING_BYTES_MAX)
    throw new Error(
      `ring: capacity ${capacityBytes} is not a power of two in ${RING_BYTES_MIN}..${RING_BYTES_MAX}`,
    )
  const sab = new SharedArrayBuffer(DATA_BYTES + capacityBytes)
  new Int32Array(sab)[CAPACITY_WORD] = capacityBytes
  return sab
}

/**
 * Wakes one sleeping consumer. Two words: `index` counts wake-ups, `index + 1` is 1 while the consumer
 * sleeps or is about to. Many producers may share one. It can be posted to another thread as it is.
 */
export interface Doorbell {
  readonly words: Int32Array
  readonly index: number
}

/** Producer: wakes the consumer if it sleeps; costs one atomic load when it does not. */
export function ringDoorbell({ words, index }: Doorbell): void {
  if (Atomics.load(words, index + 1) === 0) return
  if (Atomics.exchange(words, index + 1, 0) === 0) return
  Atomics.add(words, index, 1)
  Atomics.notify(words, index)
}

/**
 * Consumer: announces sleep and returns the count to wait on. Look at every source once more AFTER
 * this call, then `sleepOnDoorbell` or `disarmDoorbell`: what was published before is seen by that
 * look, what is published after it rings.
 */
export function armDoorbell({ words, index }: Doorbell): number {
  const seen = Atomics.load(words, index)
  Atomics.store(words, index + 1, 1)
  return seen
}

/** Consumer: takes back `armDoorbell` because there was something to do after all. */
export function disarmDoorbell({ words, index }: Doorbell): void {
  Atomics.store(words, index + 1, 0)
}

/** Blocks this thread until the doorbell rings after `armDoorbell` gave `seen`, or `timeoutMs` passed. */
export function sleepOnDoorbell(doorbell: Doorbell, seen: number, timeoutMs: number): void {
  Atomics.wait(doorbell.words, doorbell.index, seen, timeoutMs)
  disarmDoorbell(doorbell)
}

/** The same without blocking, for a thread that runs an event loop: resolves when rung or timed out. */
export async function sleepOnDoorbellAsync(
  doorbell: Doorbell,
  seen: number,
  timeoutMs: number,
): Promise<void> {
  const { value } = Atomics.waitAsync(doorbell.words, doorbell.index, seen, timeoutMs)
  await value
  disarmDoorbell(doorbell)
}

/** The producer's end. Offsets it gives index the whole buffer, so one set of views serves every message. */
export class RingWriter {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly bytes: Uint8Array
  /** Largest message body in bytes: half the ring, so that an empty ring takes it at any position. */
  readonly bodyBytesMax: number
  private readonly doorbell: Doorbell | undefined
  private readonly capacityUnits: number
  private claimed: number
  private headSeen: number

  constructor(sab: SharedArrayBuffer, doorbell?: Doorbell) {
    this.words = new Int32Array(sab)
    this.floats = new Float64Array(sab)
    this.bytes = new Uint8Array(sab)
    this.doorbell = doorbell
    this.capacityUnits = this.words[CAPACITY_WORD]! >>> 3
    this.bodyBytesMax = (this.capacityUnits << 3) / 2 - RECORD_HEADER_BYTES
    this.claimed = Atomics.load(this.words, TAIL_WORD)
    this.headSeen = Atomics.load(this.words, HEAD_WORD)
  }

  /**
   * Reserves a contiguous body of `byteLength` bytes and returns its byte offset (8-byte aligned), or
   * -1 while the ring is too full. Its bytes are whatever stood there before. Several claims may
   * precede one commit. Throws RangeError for a body that no empty ring could take.
   */
  tryClaim(byteLength: number): number {
    if (byteLength < 0 || byteLength > this.bodyBytesMax)
      throw new RangeError(`ring: message of ${byteLength} bytes, at most ${this.bodyBytesMax}`)
    const units = (RECORD_HEADER_BYTES + byteLength + 7) >>> 3
    const at = this.claimed & (this.capacityUnits - 1)
    const toEnd = this.capacityUnits - at
    const needed = units > toEnd ? toEnd + units : units
    if (!this.hasRoom(needed)) return -1
    let record = (DATA_BYTES >>> 3) + at
    if (units > toEnd) {
      this.words[record << 1] = PADDING
      record = DATA_BYTES >>> 3
    }
    this.words[record << 1] = byteLength
    this.words[(record << 1) + 1] = 0
    this.claimed = (this.claimed + needed) | 0
    return (record << 3) + RECORD_HEADER_BYTES
  }

  /** Publishes everything claimed since the last commit and rings the doorbell. */
  commit(): void {
    Atomics.store(this.words, TAIL_WORD, this.claimed)
    if (this.doorbell !== undefined) ringDoorbell(this.doorbell)
  }

  /** True when the consumer has released every committed message. */
  isDrained(): boolean {
    return Atomics.load(this.words, HEAD_WORD) === Atomics.load(this.words, TAIL_WORD)
  }

  private hasRoom(units: number): boolean {
    if (((this.claimed - this.headSeen) | 0) + units <= this.capacityUnits) return true
    this.headSeen = Atomics.load(this.words, HEAD_WORD)
    return ((this.claimed - this.headSeen) | 0) + units <= this.capacityUnits
  }
}

/** The consumer's end. A peeked message may be read until it is released. */
export class RingReader {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly bytes: Uint8Array
  /** Body length in bytes of the message that the last successful peek gave. */
  length = 0
  private readonly doorbell: Doorbell | undefined
  private readonly capacityUnits: number
  private head: number
  private tailSeen: number
  /** Position up to which `scanNew` has shown messages; none of these when it lies behind the head. */
  private shown: number

  /** `doorbell`, when given, is rung at each release: a producer that waits for room sleeps on it. */
  constructor(sab: SharedArrayBuffer, doorbell?: Doorbell) {
    this.words = new Int32Array(sab)
    this.floats = new Float64Array(sab)
    this.bytes = new Uint8Array(sab)
    this.doorbell = doorbell
    this.capacityUnits = this.words[CAPACITY_WORD]! >>> 3
    this.head = Atomics.load(this.words, HEAD_WORD)
    this.tailSeen = this.head
    this.shown = this.head
  }

  /** Byte offset of the oldest message's body, or -1 when the ring is empty. Sets `length`. */
  peek(): number {
    for (;;) {
      if (this.head === this.tailSeen) {
        this.tailSeen = Atomics.load(this.words, TAIL_WORD)
        if (this.head === this.tailSeen) return -1
      }
      const at = this.head & (this.capacityUnits - 1)
      const record = (DATA_BYTES >>> 3) + at
      const length = this.words[record << 1]!
      if (length !== PADDING) {
        this.length = length
        return (record << 3) + RECORD_HEADER_BYTES
      }
      this.head = (this.head + this.capacityUnits - at) | 0
    }
  }

  /** Shows the messages that wait, oldest first, while `more` returns true. None is taken, nor peeked. */
  scan(more: (at: number, length: number) => boolean): void {
    const tail = Atomics.load(this.words, TAIL_WORD)
    let head = this.head
    while (head !== tail) {
      const at = head & (this.capacityUnits - 1)
      const record = (DATA_BYTES >>> 3) + at
      const length = this.words[record << 1]!
      if (length === PADDING) {
        head = (head + this.capacityUnits - at) | 0
        continue
      }
      if (!more((record << 3) + RECORD_HEADER_BYTES, length)) return
      head = (head + ((RECORD_HEADER_BYTES + length + 7) >>> 3)) | 0
    }
  }

  /** As `scan`, but of each message once: shows those behind the last one that was shown and for which `more` was true. */
  scanNew(more: (at: number, length: number) => boolean): void {
    const tail = Atomics.load(this.words, TAIL_WORD)
    let at = ((this.shown - this.head) | 0) > 0 ? this.shown : this.head
    while (at !== tail) {
      const place = at & (this.capacityUnits - 1)
      const record = (DATA_BYTES >>> 3) + place
      const length = this.words[record << 1]!
      if (length === PADDING) at = (at + this.capacityUnits - place) | 0
      else {
        if (!more((record << 3) + RECORD_HEADER_BYTES, length)) break
        at = (at + ((RECORD_HEADER_BYTES + length + 7) >>> 3)) | 0
      }
      this.shown = at
    }
  }

  /** Frees the peeked message for the producer. Call once after each successful peek. */
  release(): void {
    this.head = (this.head + ((RECORD_HEADER_BYTES + this.length + 7) >>> 3)) | 0
    Atomics.store(this.words, HEAD_WORD, this.head)
    if (this.doorbell !== undefined) ringDoorbell(this.doorbell)
  }
}
