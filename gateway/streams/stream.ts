/**
 * A stream: a chain of events under one name, each with the seq it reaches and the seq it follows. The
 * newest events are kept for clients that come back (`resume`), as many as fit their count and their bytes
 * (kept-events.ts); a client that was away for longer starts anew from a snapshot. Seqs are the engine's.
 * Where every entry of an event is absolute (a level's total, a balance) or carries its own seq, a client may
 * resume on any gateway thread: the event that spans its position is cut to what it has not seen. Where
 * events tell the difference between two moments of one thread, the epoch is that thread's own.
 *
 * Invariant: a subscriber gets each entry after its starting point exactly once and in order, or a new
 * starting point. Only a public stream may skip a subscriber that reads too slowly, and only until it has
 * caught up; where it then gets the newest state in place of what it missed, the stream is conflated.
 */
import type { Codec } from '../../sdk/wire/codec.js'
import { Control, Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { Connection, Encoded } from '../connections/connection.js'
import { EVENT_ENTRIES_MAX } from '../limits.js'
import { type EventMemory, KeptEvents, OWN_MEMORY } from './kept-events.js'
import type { PageSource } from './paged-snapshot.js'
import { SlowSubscribers } from './slow-subscribers.js'

export interface SnapshotData {
  readonly data: WireValue
  readonly checksum?: number
}

/** Encodes a message once for each codec that asks for it. */
export class EncodeOnce {
  readonly #message: WireValue
  readonly #encoded = new Map<Codec, Encoded>()

  constructor(message: WireValue) {
    this.#message = message
  }

  for(codec: Codec): Encoded {
    let encoded = this.#encoded.get(codec)
    if (encoded === undefined) {
      encoded = codec.encode(this.#message)
      this.#encoded.set(codec, encoded)
    }
    return encoded
  }
}

/** How a stream that is too large for one message starts a connection. */
export interface PagedStart {
  /** Everything that the stream tells of, as it is now. */
  readonly source: () => PageSource
  /** Sends it in pages; the connection follows the stream after the last one. */
  readonly begin: (connection: Connection, stream: Stream) => void
}

export interface StreamOptions {
  readonly name: string
  readonly epoch: number
  /** The seq up to which nothing has to be known. */
  readonly lastSeq: number
  /** Events kept for those who come back, and their bytes. */
  readonly keep: number
  readonly keepBytes: number
  /** What all streams of the thread keep together. */
  readonly memory?: EventMemory
  /** Entries carry their seq as first element, so that an event can be cut; else entries are absolute. */
  readonly entriesHaveSeq?: boolean
  /**
   * Public streams: unsent bytes from which a subscriber is skipped, and the state that it gets when it
   * has caught up. Without it the stream never skips anybody.
   */
  readonly public?: {
    readonly conflateBytes: number
    readonly snapshot: () => SnapshotData
    /** A slow subscriber gets the newest state instead of every event that it missed. */
    readonly conflate: boolean
  }
  readonly paged?: PagedStart
}

export class Stream {
  readonly name: string
  readonly #options: StreamOptions
  readonly #subscribers = new Set<Connection>()
  readonly #slow: SlowSubscribers
  readonly #events: KeptEvents
  #lastSeq: number
  /** When the last subscriber left, of performance.now(). */
  #idleSinceMs = performance.now()

  constructor(options: StreamOptions) {
    this.name = options.name
    this.#options = options
    this.#lastSeq = options.lastSeq
    this.#slow = new SlowSubscribers(options.name, options.public?.conflateBytes ?? Infinity)
    const { keep, keepBytes, memory = OWN_MEMORY, entriesHaveSeq } = options
    this.#events = new KeptEvents(keep, keepBytes, memory, entriesHaveSeq)
  }

  get epoch(): number {
    return this.#options.epoch
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  get paged(): PagedStart | undefined {
    return this.#options.paged
  }

  /** Bytes that its events hold, as far as this process counts them. */
  get keptBytes(): number {
    return this.#events.bytes
  }

  /** Milliseconds since somebody followed it; 0 = somebody does. */
  idleMs(now: number): number {
    return this.#subscribers.size > 0 ? 0 : now - this.#idleSinceMs
  }

  /** Appends events and sends them to every subscriber that keeps up; many entries are told in several. */
  publish(seq: number, data: WireValue, checksum?: number): void {
    if (this.#options.entriesHaveSeq === true && Array.isArray(data) && data.length > EVENT_ENTRIES_MAX) {
      for (const part of partsOf(data as readonly (readonly WireValue[])[]))
        this.#publish(part.at(-1)![0] as number, part)
    } else this.#publish(seq, data, checksum)
  }

  #publish(seq: number, data: WireValue, checksum?: number): void {
    const prevSeq = this.#lastSeq
    this.#lastSeq = seq
    this.#events.add({ seq, prevSeq, data, checksum })
    if (this.#subscribers.size === 0) return
    const encoded = new EncodeOnce(this.#message(seq, prevSeq, data, checksum))
    for (const connection of this.#subscribers)
      if (!this.#slow.skips(connection, prevSeq)) connection.sendEncoded(encoded.for(connection.codec))
  }

  /** Begins anew at `seq`: what happened before was not noted. */
  restart(seq: number): void {
    this.#lastSeq = seq
    this.#events.clear()
  }

  /** Nobody will resume it any more. */
  close(): void {
    this.#events.clear()
  }

  /** The connection reads again: sends what it missed, or the newest state. */
  catchUp(connection: Connection): void {
    const from = this.#slow.take(connection)
    const options = this.#options.public
    if (from === undefined || options === undefined) return
    if (!options.conflate && this.#canReplay(from)) {
      this.#replay(connection, from)
      return
    }
    this.tellResync(connection)
    if (this.#options.paged === undefined) {
      this.#sendSnapshot(connection, options.snapshot())
      return
    }
    this.#subscribers.delete(connection)
    this.#options.paged.begin(connection, this)
  }

  /** Tells a client that holds a state of this stream that a snapshot takes its place. */
  tellResync(connection: Connection): void {
    connection.send([Kind.Control, Control.Resync, { stream: this.name }])
  }

  /** Starts `connection` of a public stream from its state of now. */
  start(connection: Connection): void {
    if (this.#options.paged !== undefined) {
      this.#options.paged.begin(connection, this)
      return
    }
    const options = this.#options.public
    if (options === undefined) throw new Error(`stream ${this.name} has no snapshot of its own`)
    this.startFromSnapshot(connection, options.snapshot())
  }

  /** Starts `connection` from a snapshot that holds everything up to `lastSeq`. */
  startFromSnapshot(connection: Connection, snapshot: SnapshotData): void {
    this.#sendSnapshot(connection, snapshot)
    this.#subscribers.add(connection)
  }

  /**
   * Sends what happened after `lastSeq` of `epoch` and goes on from there. False, and nothing is sent,
   * when that point is of another epoch or no longer (or not yet) known.
   */
  resume(connection: Connection, epoch: number, lastSeq: number): boolean {
    if (!this.canResume(epoch, lastSeq)) return false
    this.#replay(connection, lastSeq)
    this.#subscribers.add(connection)
    return true
  }

  /** Whether that point is of this epoch and everything since is kept. */
  canResume(epoch: number, lastSeq: number): boolean {
    return epoch === this.#options.epoch && this.#canReplay(lastSeq)
  }

  remove(connection: Connection): boolean {
    this.#slow.take(connection)
    const followed = this.#subscribers.delete(connection)
    if (followed && this.#subscribers.size === 0) this.#idleSinceMs = performance.now()
    return followed
  }

  #canReplay(lastSeq: number): boolean {
    if (lastSeq > this.#lastSeq) return false
    const first = this.#events.firstAfter(lastSeq)
    return first === undefined ? lastSeq === this.#lastSeq : first.prevSeq <= lastSeq
  }

  #replay(connection: Connection, lastSeq: number): void {
    let prevSeq = lastSeq
    for (const { seq, data, checksum } of this.#events.after(lastSeq)) {
      connection.send(this.#message(seq, prevSeq, this.#cut(data, lastSeq), checksum))
      prevSeq = seq
    }
  }

  /** The entries of an event that came after `lastSeq`. */
  #cut(data: WireValue, lastSeq: number): WireValue {
    if (this.#options.entriesHaveSeq !== true || !Array.isArray(data)) return data
    return (data as readonly WireValue[][]).filter(([seq]) => (seq as number) > lastSeq)
  }

  #sendSnapshot(connection: Connection, { data, checksum }: SnapshotData): void {
    const message: WireValue[] = [Kind.Snapshot, this.name, this.#options.epoch, this.#lastSeq, data]
    if (checksum !== undefined) message.push(checksum)
    connection.send(message)
  }

  #message(seq: number, prevSeq: number, data: WireValue, checksum: number | undefined): WireValue[] {
    const message: WireValue[] = [Kind.Event, this.name, seq, prevSeq, data]
    if (checksum !== undefined) message.push(checksum)
    return message
  }
}

/** Parts of an event's entries, each of whole commands: a position is never within one. */
function partsOf(entries: readonly (readonly WireValue[])[]): (readonly WireValue[])[][] {
  const parts: (readonly WireValue[])[][] = []
  let from = 0
  for (let index = 1; index <= entries.length; index++) {
    if (
      index < entries.length &&
      (index - from < EVENT_ENTRIES_MAX || entries[index]![0] === entries[index - 1]![0])
    )
      continue
    parts.push(entries.slice(from, index))
    from = index
  }
  return parts
}
