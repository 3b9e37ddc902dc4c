/**
 * This gateway thread's two rings: commands and queries go in, what the engine applied comes out, never
 * before it is durable. One instance a thread. Nothing here knows of sockets: what it hands on is
 * decoded by outbound.ts.
 *
 * Two passes a turn. First `settled` gets every message that has come: what a command came to can be answered at
 * once, however much is to be told of those before it. Then `applied` gets them, as many as EVENTS_A_TURN allows; the
 * rest waits in the ring for the next turn, so that a sweep of a thousand fills is not what everybody waits behind.
 *
 * Invariant: an outbound message is handed on only when its last seq is at or below durableSeq, in ring
 * order, in each pass; so whatever a client ever sees survives kill -9. A message's views are dead after the handler
 * returns.
 */
import { COMMAND_WORDS } from '../../engine/layout.js'
import { ControlBlock } from '../../engine/rings/control.js'
import {
  INBOUND_HEADER_WORDS,
  Inbound,
  InboundType,
  OUTBOUND_HEADER_WORDS,
  Outbound,
  OutboundType,
} from '../../engine/messages.js'
import { GatedReader } from '../../engine/rings/gated-reader.js'
import { RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbellAsync } from '../../engine/rings/ring.js'
import { EVENTS_A_TURN, LINK_MESSAGES_A_TURN, SLEEP_MS_MAX } from '../limits.js'

/** Connection number of what this thread asks for itself. */
const OWN = 0
const NOBODY = -1
const NO_RECORD = new Int32Array(0)

/** Commands that the engine has applied, as they lie in the ring: valid during the handler only. */
export interface Applied {
  readonly words: Int32Array
  readonly floats: Float64Array
  /** Word offset of the first event record. */
  at: number
  count: number
  firstSeq: number
  lastSeq: number
  timeMs: number
  /** Ticket of this thread's own submission, or -1. */
  ticket: number
  /** More messages of the same commands follow. */
  more: boolean
}

export interface Answer {
  /** The state that the answer tells of is the one after this seq. */
  readonly seq: number
  readonly timeMs: number
  readonly value: unknown
}

export interface EngineLinkHandler {
  /** What came back of commands, in order, before any of it goes to `applied`: the time to answer who gave them. */
  settled(applied: Applied): void
  /** The same, in order, behind `settled` of this and of perhaps many more: the time to tell of it. */
  applied(applied: Applied): void
  /** Answers may leave: `settled` has had all that has come. */
  answered(): void
  /** A turn of messages has been handled, to the end of their commands: time to send. */
  flush(): void
  /** The engine has ended: nothing comes any more. */
  stopped(): void
}

export interface EngineLinkOptions {
  /** Index among the exchange's producers: names the doorbell. */
  readonly producer: number
  readonly inbound: SharedArrayBuffer
  readonly outbound: SharedArrayBuffer
  readonly control: SharedArrayBuffer
}

export class EngineLink {
  readonly control: ControlBlock
  readonly #writer: RingWriter
  readonly #reader: GatedReader
  readonly #producer: number
  readonly #queries = new Map<number, (answer: Answer | undefined) => void>()
  /** Parts of answers whose last part has not come yet. */
  readonly #parts = new Map<number, Uint8Array[]>()
  readonly #applied: Applied
  readonly #decoder = new TextDecoder()
  #nextTicket = 1
  #ended = false
  #handledSeq = 0
  #settledSeq = 0
  /** Messages in the ring that `settled` has had, and their events. */
  #settled = 0
  #settledEvents = 0
  #left = false
  #within = false
  /** The latest engine time of what has been handed on. */
  #toldMs = 0

  constructor(options: EngineLinkOptions) {
    this.control = new ControlBlock(options.control)
    this.#producer = options.producer
    this.#writer = new RingWriter(options.inbound, this.control.engineDoorbell)
    this.#reader = new GatedReader(options.outbound, this.control)
    const { words, floats } = this.#reader
    this.#applied = {
      words,
      floats,
      at: 0,
      count: 0,
      firstSeq: 0,
      lastSeq: 0,
      timeMs: 0,
      ticket: NOBODY,
      more: false,
    }
  }

  /** Last seq of what has been handed on whole. */
  get handledSeq(): number {
    return this.#handledSeq
  }

  /** Last seq of what has been settled: what was answered to anybody is at or below it. */
  get settledSeq(): number {
    return this.#settledSeq
  }

  /** Engine time of a command that is given now, to a few ms, and never before what the engine has told. */
  get timeMs(): number {
    return Math.max(this.#toldMs, this.control.timeMs)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** More messages of the same commands are on their way: what has been handed on is no whole state. */
  get within(): boolean {
    return this.#within
  }

  #ticket(): number {
    const ticket = this.#nextTicket
    this.#nextTicket = ticket === 0x7fffffff ? 1 : ticket + 1
    return ticket
  }

  /**
   * Puts `count` command records (from word 0 of `records`) and their attachment into the ring as one
   * message. Returns the ticket that comes back with what was applied, or -1 when the ring is full and
   * nothing was taken.
   */
  submit(records: Int32Array, count: number, attachment: Uint8Array, attachmentKind: number): number {
    const words = count * COMMAND_WORDS
    const bytes = (INBOUND_HEADER_WORDS + words) * 4 + attachment.length
    const at = this.#ended || this.#left ? -1 : this.#writer.tryClaim(bytes)
    if (at < 0) return -1
    const ticket = this.#ticket()
    const word = at >> 2
    const header = this.#writer.words
    header.fill(0, word, word + INBOUND_HEADER_WORDS)
    header[word + Inbound.TYPE] = InboundType.Commands
    header[word + Inbound.CONNECTION] = OWN
    header[word + Inbound.REQUEST] = ticket
    header[word + Inbound.COUNT] = count
    header[word + Inbound.ATTACHMENT_BYTES] = attachment.length
    header[word + Inbound.ATTACHMENT_KIND] = attachmentKind
    header.set(
      count * COMMAND_WORDS === records.length ? records : records.subarray(0, words),
      word + INBOUND_HEADER_WORDS,
    )
    this.#writer.bytes.set(attachment, (word + INBOUND_HEADER_WORDS + words) * 4)
    this.#writer.commit()
    return ticket
  }

  /**
   * Asks the engine. `onAnswer` is called in order with what was applied: before it come exactly the
   * commands up to the answer's seq. It gets undefined when the engine ends first. `id` is the 64-bit id,
   * `record` the command record, of the kinds that ask for one. False = the ring is full and nothing was
   * asked.
   */
  query(
    kind: number,
    subject: number,
    onAnswer: (answer: Answer | undefined) => void,
    id: number | bigint = 0,
    record: Int32Array = NO_RECORD,
  ): boolean {
    const bytes = (INBOUND_HEADER_WORDS + record.length) * 4
    const at = this.#ended || this.#left ? -1 : this.#writer.tryClaim(bytes)
    if (at < 0) return false
    const ticket = this.#ticket()
    const word = at >> 2
    const header = this.#writer.words
    header.fill(0, word, word + INBOUND_HEADER_WORDS)
    header[word + Inbound.TYPE] = InboundType.Query
    header[word + Inbound.CONNECTION] = OWN
    header[word + Inbound.REQUEST] = ticket
    header[word + Inbound.QUERY_KIND] = kind
    header[word + Inbound.QUERY_SUBJECT] = subject
    header[word + Inbound.QUERY_LOW] = Number(BigInt(id) & 0xffffffffn)
    header[word + Inbound.QUERY_HIGH] = Number(BigInt(id) >> 32n)
    header.set(record, word + INBOUND_HEADER_WORDS)
    this.#queries.set(ticket, onAnswer)
    this.#writer.commit()
    return true
  }

  /** Hands on messages until the engine ends; between them this thread's event loop runs. */
  async run(handler: EngineLinkHandler): Promise<void> {
    const doorbell = this.control.producerDoorbell(this.#producer)
    while (!this.#ended) {
      if (this.#drain(handler)) {
        await new Promise<void>((resolve) => setImmediate(resolve))
        continue
      }
      const seen = armDoorbell(doorbell)
      if (this.#ready() || this.control.failure !== 0) disarmDoorbell(doorbell)
      else await sleepOnDoorbellAsync(doorbell, seen, SLEEP_MS_MAX)
      if (this.control.failure !== 0 && !this.#ready()) this.#end()
    }
    handler.stopped()
  }

  /** Submits nothing any more; what the engine still sends is taken from the ring, so that it can end. */
  leave(): void {
    this.#left = true
  }

  #end(): void {
    this.#ended = true
    const waiting = [...this.#queries.values()]
    this.#queries.clear()
    for (const onAnswer of waiting) onAnswer(undefined)
  }

  /** True when the oldest message may be handed on. */
  #ready(): boolean {
    return this.#reader.poll() >= 0
  }

  /** Handles up to a turn of messages; true when there may be more. */
  #drain(handler: EngineLinkHandler): boolean {
    this.#settle(handler)
    // So much waits that it takes more than this turn: answers do not wait for it.
    if (this.#settledEvents > EVENTS_A_TURN) handler.answered()
    let handled = 0
    let events = 0
    for (; handled < LINK_MESSAGES_A_TURN && events < EVENTS_A_TURN && !this.#ended; handled++) {
      const at = this.#reader.poll()
      if (at < 0) break
      // It has come since.
      if (this.#settled === 0) this.#settle(handler)
      this.#settled--
      events += this.#handle(at, handler)
      this.#reader.release()
    }
    this.#settledEvents -= events
    // Between two messages of the same commands nothing is told: nobody sees half of what they did.
    if (handled > 0 && !this.#within) handler.flush()
    return handled === LINK_MESSAGES_A_TURN || events >= EVENTS_A_TURN
  }

  /** Settles what has come since the last time. */
  #settle(handler: EngineLinkHandler): void {
    this.#reader.scanNew((at) => {
      this.#settled++
      if (this.#reader.words[(at >> 2) + Outbound.TYPE] !== OutboundType.Applied) return
      const applied = this.#read(at)
      this.#settledSeq = applied.lastSeq
      this.#settledEvents += applied.count
      handler.settled(applied)
    })
  }

  /** The message at `at` as handlers get it. */
  #read(at: number): Applied {
    const { words, floats } = this.#reader
    const word = at >> 2
    const float = at >> 3
    const applied = this.#applied
    applied.at = word + OUTBOUND_HEADER_WORDS
    applied.count = words[word + Outbound.COUNT]!
    applied.firstSeq = floats[float + Outbound.FIRST_SEQ_F64]!
    applied.lastSeq = floats[float + Outbound.SEQ_F64]!
    applied.timeMs = floats[float + Outbound.TIME_MS_F64]!
    applied.ticket = this.#ticketOf(word)
    applied.more = words[word + Outbound.MORE] === 1
    return applied
  }

  /** Ticket of what this thread gave or asked. */
  #ticketOf(word: number): number {
    const { words } = this.#reader
    return words[word + Outbound.CONNECTION] === OWN ? words[word + Outbound.REQUEST]! : NOBODY
  }

  /** Hands on one message; answers with how many events it told of. */
  #handle(at: number, handler: EngineLinkHandler): number {
    const { words, floats } = this.#reader
    const type = words[(at >> 2) + Outbound.TYPE]!
    this.#toldMs = Math.max(this.#toldMs, floats[(at >> 3) + Outbound.TIME_MS_F64]!)
    if (type === OutboundType.Applied) {
      const applied = this.#read(at)
      this.#within = applied.more
      // Each message of the same commands has the last seq of all: before the last of them nothing is told whole.
      if (!applied.more) this.#handledSeq = applied.lastSeq
      handler.applied(applied)
      return applied.count
    }
    this.#handledSeq = floats[(at >> 3) + Outbound.SEQ_F64]!
    if (type === OutboundType.Answer) this.#answer(this.#ticketOf(at >> 2), at)
    else if (type === OutboundType.Stop) this.#end()
    return 0
  }

  #answer(ticket: number, at: number): void {
    const onAnswer = this.#queries.get(ticket)
    if (onAnswer === undefined) return
    const { words, floats, bytes } = this.#reader
    const word = at >> 2
    const start = at + OUTBOUND_HEADER_WORDS * 4
    const part = bytes.slice(start, start + words[word + Outbound.ANSWER_BYTES]!)
    const parts = this.#parts.get(ticket) ?? []
    parts.push(part)
    if (words[word + Outbound.MORE] === 1) {
      this.#parts.set(ticket, parts)
      return
    }
    this.#parts.delete(ticket)
    this.#queries.delete(ticket)
    const text = this.#decoder.decode(parts.length === 1 ? part : Buffer.concat(parts))
    onAnswer({
      seq: floats[(at >> 3) + Outbound.SEQ_F64]!,
      timeMs: floats[(at >> 3) + Outbound.TIME_MS_F64]!,
      value: JSON.parse(text) as unknown,
    })
  }
}
