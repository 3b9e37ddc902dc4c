/**
 * One stream as a client follows it: where it stands, whether a message follows what came before, and who
 * listens. What to do about a message that does not follow is streams.ts's.
 *
 *   off       nothing is asked for on this connection: what still comes belongs to an earlier request
 *   asking    asked for; what does not follow may still belong to an earlier request
 *   starting  accepted: a snapshot comes, or the events after the position given, up to `resumeTo`
 *   live      holds what the exchange has sent, without a gap
 *
 * Invariant: the position is that of the last message taken, and every one before it was taken too. It is
 * forgotten only where a snapshot makes it good (a book, live orders), never of a history (fills).
 */
import type { GlassbookError } from '../base/errors.js'
import { type Report, callSafely, reportToConsole } from '../base/listeners.js'
import { readArray, readSafeInt, readString } from '../wire/fields.js'
import { Kind, StreamName } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

export interface StreamMessage {
  /** A snapshot replaces everything (of fills: adds those missed); an event adds to it. */
  readonly kind: 'snapshot' | 'event'
  readonly stream: string
  readonly seq: number
  readonly data: WireValue
  /** CRC-32 of a book's top ten levels after this message. */
  readonly checksum: number | undefined
  /** Of a snapshot that was asked for from a position: its seq. */
  readonly since?: number | undefined
}
/** Returning 'restart' asks for a new snapshot, because what the listener holds is not what it should be. */
export type StreamListener = (message: StreamMessage) => unknown

/** What a listener may want to know of its stream besides the messages. */
export interface StreamWatcher {
  /** From now on what it holds may be old: a message is missing, or the connection has ended. */
  readonly gap?: () => void
  /** It holds all that the exchange has sent, again or for the first time. */
  readonly live?: () => void
  /** The exchange refuses the stream; nothing will come any more. */
  readonly ended?: (error: GlassbookError) => void
}

export type StreamPhase = 'off' | 'asking' | 'starting' | 'live'
/** taken; ignored (a double, or of an earlier request); gap = something is missing; disagreed = a listener says so. */
export type Taking = 'taken' | 'ignored' | 'gap' | 'disagreed'

export class Subscription {
  readonly name: string
  readonly listeners = new Map<StreamListener, StreamWatcher>()
  readonly #report: Report
  #phase: StreamPhase = 'off'
  #resumeTo: number | undefined
  #since: number | undefined
  #epoch = 0
  #lastSeq = 0
  #started = false
  /** What the pages of one snapshot have brought so far, and its seq. */
  #pages: WireValue | undefined
  #pagesSeq = 0
  #taken = 0

  constructor(name: string, report: Report = reportToConsole) {
    this.name = name
    this.#report = report
  }

  get phase(): StreamPhase {
    return this.#phase
  }

  /** Where to go on from; undefined before the first snapshot. */
  get position(): readonly [epoch: number, lastSeq: number] | undefined {
    return this.#started ? [this.#epoch, this.#lastSeq] : undefined
  }

  /** Counts what was taken, pages too: it grows while something comes. */
  get taken(): number {
    return this.#taken
  }

  /** It is being asked for, from its position. */
  asking(): void {
    this.#phase = 'asking'
    this.#pages = undefined
    this.#resumeTo = undefined
    this.#since = this.position?.[1]
  }

  /** The exchange has accepted it; `resumeTo` = it goes on from the position, and has sent up to there. */
  accepted(resumeTo: number | undefined): void {
    if (this.#phase !== 'asking') return
    this.#phase = 'starting'
    this.#resumeTo = resumeTo
    this.#reach()
  }

  /** What it holds may be old from now on. Nothing more is taken until it is asked for again. */
  lost(): void {
    const wasLive = this.#phase === 'live'
    this.#phase = 'off'
    if (wasLive) this.#tellGap()
  }

  /** A snapshot is on its way that replaces what is held. */
  awaitSnapshot(): void {
    if (this.#phase === 'off') return
    const wasLive = this.#phase === 'live'
    this.#phase = 'starting'
    this.#pages = undefined
    this.#resumeTo = undefined
    this.forget()
    if (wasLive) this.#tellGap()
  }

  /** The next message must be a snapshot. Of a history the position stays: from there it can be made good. */
  forget(): void {
    if (this.name !== StreamName.Fills) this.#started = false
  }

  end(error: GlassbookError): void {
    this.lost()
    for (const { ended } of [...this.listeners.values()])
      if (ended !== undefined) callSafely(this.#report, ended, error)
  }

  /** Takes a snapshot or an event of this stream. @throws FieldError when it is none. */
  take(message: readonly WireValue[]): Taking {
    if (this.#phase === 'off') return 'ignored'
    if (message[0] === Kind.Snapshot) {
      const epoch = readSafeInt(message[2], 'epoch')
      const seq = readSafeInt(message[3], 'seq')
      // One that was taken already, arriving once more.
      if (this.#phase === 'live' && epoch === this.#epoch && seq < this.#lastSeq) return 'ignored'
      this.#taken++
      const goesOn = this.#pages !== undefined && this.#pagesSeq === seq
      const data = goesOn ? joinPages(this.name, this.#pages!, message[4]!) : message[4]!
      this.#pagesSeq = seq
      // Nothing is told before the last page of a snapshot is there.
      this.#pages = message[6] === 1 ? data : undefined
      if (this.#pages !== undefined) return 'taken'
      this.#epoch = epoch
      this.#lastSeq = seq
      this.#started = true
      const since = this.#since
      this.#since = undefined
      if (!this.#tell('snapshot', data, message[5], since)) return 'disagreed'
      this.#live()
      return 'taken'
    }
    const seq = readSafeInt(message[2], 'seq')
    const follows = this.#started && readSafeInt(message[3], 'prevSeq') === this.#lastSeq
    if (!follows)
      return this.#phase === 'asking' || (this.#started && seq <= this.#lastSeq) ? 'ignored' : 'gap'
    this.#taken++
    this.#lastSeq = seq
    if (!this.#tell('event', message[4] ?? null, message[5], undefined)) return 'disagreed'
    this.#reach()
    return 'taken'
  }

  #reach(): void {
    const reached = this.#started && this.#resumeTo !== undefined && this.#lastSeq >= this.#resumeTo
    if (this.#phase === 'starting' && reached) this.#live()
  }

  #live(): void {
    if (this.#phase === 'live') return
    this.#phase = 'live'
    for (const { live } of [...this.listeners.values()])
      if (live !== undefined) callSafely(this.#report, live)
  }

  #tellGap(): void {
    for (const { gap } of [...this.listeners.values()]) if (gap !== undefined) callSafely(this.#report, gap)
  }

  #tell(
    kind: 'snapshot' | 'event',
    data: WireValue,
    checksum: WireValue | undefined,
    since: number | undefined,
  ): boolean {
    const message: StreamMessage = {
      kind,
      stream: this.name,
      seq: this.#lastSeq,
      data,
      checksum: typeof checksum === 'number' ? checksum : undefined,
      since,
    }
    let agreed = true
    for (const listener of [...this.listeners.keys()])
      if (callSafely(this.#report, listener, message) === 'restart') agreed = false
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
