/**
 * A stream: a chain of events under one name, each with the seq it reaches and the seq it follows. The
 * newest events are kept for clients that come back (`resume`); a client that was away for longer starts
 * anew from a snapshot. The seq of an event is the engine's, so every gateway thread of an exchange
 * counts alike.
 *
 * Invariant: a subscriber gets each event after its starting point exactly once and in order, or a new
 * starting point.
 */
import type { Codec } from '../sdk/wire/codec.js'
import { Kind } from '../sdk/wire/layout.js'
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

export class Stream {
  readonly name: string
  readonly #epoch: number
  readonly #keep: number
  readonly #subscribers = new Set<Connection>()
  /** Newest events, oldest first. */
  #events: StreamEvent[] = []
  #lastSeq: number

  /** `lastSeq`: the seq up to which nothing has to be known; `keep`: events kept for those who come back. */
  constructor(name: string, epoch: number, lastSeq: number, keep: number) {
    this.name = name
    this.#epoch = epoch
    this.#lastSeq = lastSeq
    this.#keep = keep
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  subscribers(): Iterable<Connection> {
    return this.#subscribers
  }

  /** Appends an event and sends it to every subscriber that `admit` lets through. */
  publish(
    seq: number,
    data: WireValue,
    checksum?: number,
    admit: (connection: Connection) => boolean = () => true,
  ): void {
    const prevSeq = this.#lastSeq
    this.#lastSeq = seq
    this.#events.push({ seq, prevSeq, data, checksum })
    if (this.#events.length >= 2 * this.#keep) this.#events = this.#events.slice(-this.#keep)
    if (this.#subscribers.size === 0) return
    const encoded = new EncodeOnce(this.#message(seq, prevSeq, data, checksum))
    for (const connection of this.#subscribers) {
      if (admit(connection)) connection.sendEncoded(encoded.for(connection.codec))
    }
  }

  /** Starts `connection` from a snapshot that holds everything up to `lastSeq`. */
  startFromSnapshot(connection: Connection, { data, checksum }: SnapshotData): void {
    const message: WireValue[] = [Kind.Snapshot, this.name, this.#epoch, this.#lastSeq, data]
    if (checksum !== undefined) message.push(checksum)
    connection.send(message)
    this.#subscribers.add(connection)
  }

  /**
   * Sends what happened after `lastSeq` of `epoch` and goes on from there. False, and nothing is sent,
   * when that point is of another epoch or no longer (or not yet) known.
   */
  resume(connection: Connection, epoch: number, lastSeq: number): boolean {
    if (epoch !== this.#epoch || lastSeq > this.#lastSeq) return false
    const first = this.#events.findIndex(({ seq }) => seq > lastSeq)
    const missed = first < 0 ? [] : this.#events.slice(first)
    const known = missed[0] === undefined ? lastSeq === this.#lastSeq : missed[0].prevSeq === lastSeq
    if (!known) return false
    for (const { seq, prevSeq, data, checksum } of missed) {
      connection.send(this.#message(seq, prevSeq, data, checksum))
    }
    this.#subscribers.add(connection)
    return true
  }

  remove(connection: Connection): boolean {
    return this.#subscribers.delete(connection)
  }

  #message(seq: number, prevSeq: number, data: WireValue, checksum: number | undefined): WireValue[] {
    const message: WireValue[] = [Kind.Event, this.name, seq, prevSeq, data]
    if (checksum !== undefined) message.push(checksum)
    return message
  }
}
