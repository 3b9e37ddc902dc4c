/**
 * Snapshots that are too large for one message: sent page by page, a few a turn of the event loop, each page
 * made and encoded once for all who ask while it can still be gone on from. All pages tell the state after
 * one seq; when a connection has the last one, what happened since is replayed to it from the stream's
 * own events, and it follows.
 *
 *   page: [4, stream, epoch, seq, data, checksum or null, 1 = more pages follow]
 *
 * A page goes out when the connection has read most of the one before, so that snapshots never count as
 * unread, however large they are; who does not read waits, and is closed for its silence like anybody.
 */
import { ErrorCode } from '../../sdk/wire/codes.js'
import { Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { Connection } from '../connections/connection.js'
import {
  BEGINNINGS_MAX,
  BEGINNING_KEPT_MS,
  PAGES_A_TURN,
  PAGES_SENT_A_TURN,
  UNREAD_BYTES_MAX,
} from '../limits.js'
import { EncodeOnce, type Stream } from './stream.js'

export interface PageSource {
  /** The next page's data; undefined = none just now, ask again next turn. */
  next(): WireValue | undefined
  readonly done: boolean
  readonly checksum?: number
  /** Nobody wants the rest. */
  close(): void
}

class PagedSnapshot {
  readonly stream: Stream
  readonly seq: number
  readonly #source: PageSource
  readonly #pages: EncodeOnce[] = []
  usedAtMs = performance.now()

  constructor(stream: Stream, source: PageSource) {
    this.stream = stream
    this.seq = stream.lastSeq
    this.#source = source
  }

  get complete(): boolean {
    return this.#source.done && this.#pages.length > 0
  }

  /** Whether who reads it to its end can go on from there. */
  get current(): boolean {
    return this.stream.canResume(this.stream.epoch, this.seq)
  }

  page(index: number): EncodeOnce | undefined {
    return this.#pages[index]
  }

  /** Makes one more page, if the source has one. */
  grow(): void {
    const data = this.#source.next()
    if (data === undefined) return
    const { name, epoch } = this.stream
    this.#pages.push(
      new EncodeOnce([
        Kind.Snapshot,
        name,
        epoch,
        this.seq,
        data,
        this.#source.checksum ?? null,
        this.#source.done ? 0 : 1,
      ]),
    )
  }

  isLast(index: number): boolean {
    return this.complete && index === this.#pages.length - 1
  }

  close(): void {
    this.#source.close()
  }
}

interface Reader {
  readonly connection: Connection
  readonly stream: Stream
  snapshot: PagedSnapshot
  next: number
  beginnings: number
  /** Of a snapshot that depends on where this connection left off; else it is shared. */
  readonly own: (() => PageSource) | undefined
  /** Called when the connection follows the stream. */
  readonly started: () => void
}

export class PagedSnapshots {
  readonly #snapshots = new Map<Stream, PagedSnapshot>()
  readonly #readers = new Set<Reader>()
  readonly #publish: () => void
  #scheduled: NodeJS.Immediate | undefined

  /** `publish` sends what the streams gathered, so that a state taken after it is the one of their last seq. */
  constructor(publish: () => void) {
    this.#publish = publish
  }

  get size(): number {
    return this.#snapshots.size
  }

  /**
   * Starts `connection` on `stream` from a snapshot, of its `own` or one that all who ask share; `started` is
   * called when it follows.
   */
  begin(connection: Connection, stream: Stream, started: () => void, own?: () => PageSource): void {
    const snapshot = this.#snapshot(stream, own)
    this.#readers.add({ connection, stream, snapshot, next: 0, beginnings: 1, started, own })
    this.#schedule()
  }

  /** The connection has left the stream, or has ended. */
  forget(connection: Connection, stream?: string): void {
    for (const reader of this.#readers)
      if (reader.connection === connection && (stream === undefined || reader.stream.name === stream))
        this.#readers.delete(reader)
  }

  /** A connection reads again, or events came. */
  wake(): void {
    if (this.#readers.size > 0) this.#schedule()
  }

  #snapshot(stream: Stream, own: (() => PageSource) | undefined): PagedSnapshot {
    if (own !== undefined) {
      this.#publish()
      return new PagedSnapshot(stream, own())
    }
    const known = this.#snapshots.get(stream)
    if (known?.current === true) return known
    known?.close()
    this.#publish()
    const snapshot = new PagedSnapshot(stream, stream.paged!.source())
    this.#snapshots.set(stream, snapshot)
    return snapshot
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined
      this.#turn()
    })
  }

  #turn(): void {
    let made = 0
    let sent = 0
    let goOn = false
    for (const reader of this.#readers) {
      const { connection, stream } = reader
      if (connection.closed) {
        this.#readers.delete(reader)
        continue
      }
      // Others of this stream have begun anew: so does this one.
      const overtaken = reader.own === undefined && reader.snapshot !== this.#snapshots.get(stream)
      if (overtaken && !this.#again(reader)) continue
      while (sent < PAGES_SENT_A_TURN && connection.unsentBytes <= UNREAD_BYTES_MAX) {
        const { snapshot } = reader
        if (snapshot.page(reader.next) === undefined) {
          if (made === PAGES_A_TURN) {
            goOn = true
            break
          }
          made++
          snapshot.grow()
          if (snapshot.page(reader.next) === undefined) {
            goOn = true
            break
          }
        }
        const page = snapshot.page(reader.next)!
        const last = snapshot.isLast(reader.next)
        reader.next++
        sent++
        snapshot.usedAtMs = performance.now()
        connection.sendEncoded(page.for(connection.codec))
        if (last && this.#finish(reader)) break
        if (connection.closed) break
      }
      if (sent === PAGES_SENT_A_TURN) goOn = true
      connection.flush()
      // What the kernel took whole is not told of by a drain.
      if (this.#readers.has(reader) && connection.unsentBytes <= UNREAD_BYTES_MAX) goOn = true
      // Whoever was served is last in the next turn.
      if (this.#readers.delete(reader)) this.#waiting.push(reader)
    }
    for (const reader of this.#waiting) this.#readers.add(reader)
    this.#waiting.length = 0
    if (goOn) this.#schedule()
  }

  readonly #waiting: Reader[] = []

  /** The last page is out: what happened since follows it. False = it was overtaken and begins anew. */
  #finish(reader: Reader): boolean {
    const { connection, stream, snapshot } = reader
    if (stream.resume(connection, stream.epoch, snapshot.seq)) {
      this.#readers.delete(reader)
      reader.started()
      return true
    }
    return !this.#again(reader)
  }

  /** Begins anew; false = the connection never comes to an end and was closed. */
  #again(reader: Reader): boolean {
    const { connection, stream } = reader
    if (reader.beginnings === BEGINNINGS_MAX) {
      this.#readers.delete(reader)
      connection.close(ErrorCode.SlowConsumer, `"${stream.name}" moved on before its snapshot was read`)
      return false
    }
    reader.beginnings++
    reader.snapshot = this.#snapshot(stream, reader.own)
    reader.next = 0
    // A history goes on where the client left it: nothing of it is to be forgotten.
    if (reader.own === undefined) stream.tellResync(connection)
    return true
  }

  /** Forgets snapshots that nobody reads; to be called now and then. */
  sweep(now: number): void {
    const read = new Set<PagedSnapshot>()
    for (const { snapshot } of this.#readers) read.add(snapshot)
    for (const [stream, snapshot] of this.#snapshots) {
      if (read.has(snapshot) || now - snapshot.usedAtMs < BEGINNING_KEPT_MS) continue
      snapshot.close()
      this.#snapshots.delete(stream)
    }
  }
}
