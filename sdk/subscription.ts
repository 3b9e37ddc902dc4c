/**
 * One stream as a client follows it: where it stands, whether an event follows what came before, and who
 * listens. An event that does not follow makes the stream start anew from a snapshot.
 */
import { readArray, readSafeInt, readString } from './wire/fields.js'
import { Kind, StreamName } from './wire/layout.js'
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
  /** What a snapshot's pages have brought so far. */
  #pages: WireValue | undefined

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
    this.dropPages()
  }

  /** Forgets the pages of a snapshot that will not be completed: another one begins. */
  dropPages(): void {
    this.#pages = undefined
  }

  /** Takes a snapshot or event of this stream. False = it does not follow, or a listener does not agree. */
  take(message: readonly WireValue[]): boolean {
    if (message[0] === Kind.Snapshot) {
      const data = this.#pages === undefined ? message[4]! : joinPages(this.name, this.#pages, message[4]!)
      // Nothing is told before the last page of a snapshot is there.
      this.#pages = message[6] === 1 ? data : undefined
      if (this.#pages !== undefined) return true
      this.#epoch = readSafeInt(message[2], 'epoch')
      this.#lastSeq = readSafeInt(message[3], 'seq')
      this.#started = true
      return this.#tell('snapshot', data, message[5])
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

/** Pages of one snapshot as one: book sides and fills hang on within their pair, everything else is a list. */
function joinPages(name: string, before: WireValue, page: WireValue): WireValue {
  const [first, second] = [readArray(before, name, 0, 1e7), readArray(page, name, 0, 1e7)]
  if (name.startsWith(`${StreamName.Book}:`))
    return first.map((side, index) => [...(side as WireValue[]), ...(second[index] as WireValue[])])
  if (name === StreamName.Fills)
    return [
      first[0] === 1 && second[0] === 1 ? 1 : 0,
      [...(first[1] as WireValue[]), ...(second[1] as WireValue[])],
    ]
  return [...first, ...second]
}

/** Name of the stream that a snapshot or event belongs to. */
export const streamOf = (message: readonly WireValue[]): string =>
  readString(readArray(message, 'message', 4, 64)[1], 'stream')
