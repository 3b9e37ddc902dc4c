/**
 * A stream: a chain of events under one name, each with the seq it reaches and the seq it follows. The
 * newest events are kept for clients that come back (`resume`); a client that was away for longer starts
 * anew from a snapshot. Seqs are the engine's and every entry of an event is either absolute (a level's
 * total, a balance) or carries its own seq, so a client may resume on any gateway thread: the event that
 * spans its position is cut to what it has not seen.
 *
 * Invariant: a subscriber gets each entry after its starting point exactly once and in order, or a new
 * starting point. Only a public stream may skip a subscriber that reads too slowly, and only until it has
 * caught up.
 */
import type { Codec } from '../sdk/wire/codec.js'
import { Control, Kind } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import type { Connection, Encoded } from './connection.js'

interface StreamEvent {
  readonly seq: number
  readonly prevSeq: number
  readonly data: WireValue
  readonly checksum: number | undefined
}

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

export interface StreamOptions {
  readonly name: string
  readonly epoch: number
  /** The seq up to which nothing has to be known. */
  readonly lastSeq: number
  /** Events kept for those who come back. */
  readonly keep: number
  /** Entries carry their seq as first element, so that an event can be cut; else entries are absolute. */
  readonly entriesHaveSeq?: boolean
  /**
   * Public streams: unsent bytes from which a subscriber is skipped, and the state that it gets when it
   * has caught up. Without it the stream never skips anybody.
   */
  readonly public?: {
    readonly skipFromBytes: number
    readonly snapshot: () => SnapshotData
    /** A slow subscriber gets the newest state instead of every event that it missed. */
    readonly conflate: boolean
  }
}

export class Stream {
  readonly name: string
  readonly #options: StreamOptions
  readonly #subscribers = new Set<Connection>()
  /** Subscribers that are being skipped, and the last seq that each was sent. */
  readonly #behind = new Map<Connection, number>()
  /** Newest events, oldest first. */
  #events: StreamEvent[] = []
  #lastSeq: number

  constructor(options: StreamOptions) {
    this.name = options.name
    this.#options = options
    this.#lastSeq = options.lastSeq
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  /** Appends an event and sends it to every subscriber that keeps up. */
  publish(seq: number, data: WireValue, checksum?: number): void {
    const prevSeq = this.#lastSeq
    this.#lastSeq = seq
    this.#events.push({ seq, prevSeq, data, checksum })
    if (this.#events.length >= 2 * this.#options.keep) this.#events = this.#events.slice(-this.#options.keep)
    if (this.#subscribers.size === 0) return
    const encoded = new EncodeOnce(this.#message(seq, prevSeq, data, checksum))
    const skipFromBytes = this.#options.public?.skipFromBytes ?? Infinity
    for (const connection of this.#subscribers) {
      if (this.#behind.has(connection)) continue
      if (connection.unsentBytes > skipFromBytes) {
        this.#behind.set(connection, prevSeq)
        if (!connection.slow) {
          connection.slow = true
          connection.send([Kind.Control, Control.Slow, { stream: this.name }])
        }
      } else connection.sendEncoded(encoded.for(connection.codec))
    }
  }

  /** The connection reads again: sends what it missed, or the newest state. */
  catchUp(connection: Connection): void {
    const from = this.#behind.get(connection)
    const options = this.#options.public
    if (from === undefined || options === undefined) return
    this.#behind.delete(connection)
    if (!options.conflate && this.#canReplay(from)) {
      this.#replay(connection, from)
      return
    }
    this.tellResync(connection)
    this.#sendSnapshot(connection, options.snapshot())
  }

  /** Tells a client that holds a state of this stream that a snapshot takes its place. */
  tellResync(connection: Connection): void {
    connection.send([Kind.Control, Control.Resync, { stream: this.name }])
  }

  /** Starts `connection` of a public stream from its state of now. */
  start(connection: Connection): void {
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
    this.#behind.delete(connection)
    return this.#subscribers.delete(connection)
  }

  #canReplay(lastSeq: number): boolean {
    if (lastSeq > this.#lastSeq) return false
    const first = this.#events.find(({ seq }) => seq > lastSeq)
    return first === undefined ? lastSeq === this.#lastSeq : first.prevSeq <= lastSeq
  }

  #replay(connection: Connection, lastSeq: number): void {
    let prevSeq = lastSeq
    for (const { seq, data, checksum } of this.#events) {
      if (seq <= lastSeq) continue
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
