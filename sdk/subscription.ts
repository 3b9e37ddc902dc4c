/**
 * One stream as a client follows it: where it stands, whether an event follows what came before, and who
 * listens. An event that does not follow makes the stream start anew from a snapshot.
 */
import { readArray, readSafeInt, readString } from './wire/fields.js'
import { Kind } from './wire/layout.js'
import type { WireValue } from './wire/msgpack.js'

export interface StreamMessage {
  /** A snapshot replaces everything; an event adds to it. */
  readonly kind: 'snapshot' | 'event'
  readonly stream: string
  readonly seq: number
  readonly data: WireValue
  /** CRC-32 of a book's top ten levels after this message. */
  readonly checksum: number | undefined
}
/** Returning 'restart' asks for a new snapshot, because what the listener holds is not what it should be. */
export type StreamListener = (message: StreamMessage) => unknown

export class Subscription {
  readonly name: string
  readonly listeners = new Set<StreamListener>()
  /** The exchange sends it on the connection that stands, or has been asked to. */
  followed = false
  #epoch = 0
  #lastSeq = 0
  #started = false

  constructor(name: string) {
    this.name = name
  }

  /** Where to go on from after a disconnect; undefined before the first snapshot. */
  get position(): readonly [epoch: number, lastSeq: number] | undefined {
    return this.#started ? [this.#epoch, this.#lastSeq] : undefined
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Forgets where it stands: the next message must be a snapshot. */
  restart(): void {
    this.#started = false
  }

  /** Takes a snapshot or event of this stream. False = it does not follow, or a listener does not agree. */
  take(message: readonly WireValue[]): boolean {
    if (message[0] === Kind.Snapshot) {
      this.#epoch = readSafeInt(message[2], 'epoch')
      this.#lastSeq = readSafeInt(message[3], 'seq')
      this.#started = true
      return this.#tell('snapshot', message[4] ?? null, message[5])
    }
    const seq = readSafeInt(message[2], 'seq')
    if (!this.#started || readSafeInt(message[3], 'prevSeq') !== this.#lastSeq) return false
    this.#lastSeq = seq
    return this.#tell('event', message[4] ?? null, message[5])
  }

  #tell(kind: 'snapshot' | 'event', data: WireValue, checksum: WireValue | undefined): boolean {
    const message: StreamMessage = {
      kind,
      stream: this.name,
      seq: this.#lastSeq,
      data,
      checksum: typeof checksum === 'number' ? checksum : undefined,
    }
    let agreed = true
    for (const listener of [...this.listeners]) if (listener(message) === 'restart') agreed = false
    return agreed
  }
}

/** Name of the stream that a snapshot or event belongs to. */
export const streamOf = (message: readonly WireValue[]): string =>
  readString(readArray(message, 'message', 4, 64)[1], 'stream')
