/**
 * The exchange as one simulated process: the production recovery, run loop, publisher, journal writer
 * and file backend over a fake disk and a fake clock, joined by real rings, in one thread. Everything in
 * here is lost when it crashes; only the disk stays.
 */
import { ControlBlock, createControl } from '../../engine/rings/control.js'
import { FileBackend } from '../../engine/journal/file-backend.js'
import { GatedReader } from '../../engine/rings/gated-reader.js'
import { recover } from '../../engine/recovery/recovery.js'
import { journalFolder } from '../../engine/journal/segments.js'
import { JournalWriter } from '../../engine/journal/writer.js'
import {
  INBOUND_HEADER_WORDS,
  Inbound,
  InboundType,
  OUTBOUND_HEADER_WORDS,
  Outbound,
  OutboundType,
  AttachmentKind,
} from '../../engine/messages.js'
import { Publisher } from '../../engine/runtime/publisher.js'
import { RingReader, RingWriter, createRing } from '../../engine/rings/ring.js'
import { RunLoop } from '../../engine/runtime/run.js'
import { Sequencer } from '../../engine/runtime/sequencer.js'
import type { Engine } from '../../engine/types.js'
import type { FakeDisk } from './fake-disk.js'
import { genesis, type Message } from './frames.js'

export const DATA_DIR = '/data'
const PRODUCERS = 2
const INBOUND_BYTES = 8 * 1024
const OUTBOUND_BYTES = 64 * 1024
const JOURNAL_BYTES = 16 * 1024
const BLOCK_BYTES = 8 * 1024
/** Rounds that a full ring may stay full: the threads around it never stop draining. */
const ROOM_ROUNDS = 10_000

/** What the simulation switches off to prove that it would notice. */
export interface Mutations {
  /** Messages leave before their seq is durable. */
  readonly noGate?: boolean
  /** A flipped bit is never noticed by a checksum: the disk mends both CRCs of the block. */
  readonly noCrc?: boolean
  /** Every frame that arrives counts as a new one: nonce and client order ids are made unique. */
  readonly noDedupe?: boolean
}

/** One message that passed the gate, as views: valid during the handler. */
export interface Released {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly at: number
  readonly type: number
  readonly request: number
  readonly isOwn: boolean
  readonly count: number
  readonly seq: number
  readonly firstSeq: number
}

export interface ServerOptions {
  readonly disk: FakeDisk
  readonly clock: () => number
  readonly segmentBytes: number
  readonly mutations: Mutations
  readonly onReleased: (producer: number, message: Released) => void
  readonly onLog: (line: string) => void
}

type Receiver = Pick<RingReader, 'words' | 'floats' | 'release'> & { poll(): number }

export class Server {
  readonly engine: Engine
  readonly control: ControlBlock
  private readonly loop: RunLoop
  private readonly writer: JournalWriter
  private readonly inbound: RingWriter[]
  private readonly receivers: Receiver[]
  private readonly onReleased: ServerOptions['onReleased']

  /** Boots on what the disk holds. Throws what recovery and the first appends throw. */
  constructor(options: ServerOptions) {
    this.onReleased = options.onReleased
    this.control = new ControlBlock(createControl())
    const waitForRoom = (hasRoom: () => boolean): void => this.waitForRoom(hasRoom)
    const outboundRings = rings(OUTBOUND_BYTES)
    const outbound = outboundRings.map((sab, index) => ({
      ring: new RingWriter(sab),
      doorbell: this.control.producerDoorbell(index),
    }))
    const publisher = new Publisher(outbound, this.control, waitForRoom)
    const { engine, position, stateHash } = recover({
      disk: options.disk,
      dataDir: DATA_DIR,
      genesis,
      segmentBytes: options.segmentBytes,
      onEvents: (events) => publisher.onEvents(events),
      onLog: options.onLog,
    })
    this.engine = engine
    this.control.setDurable(engine.seq, position.head)
    const journalRing = createRing(JOURNAL_BYTES)
    this.writer = new JournalWriter({
      ring: new RingReader(journalRing),
      backend: new FileBackend({
        disk: options.disk,
        folder: journalFolder(DATA_DIR),
        segmentBytes: options.segmentBytes,
        segment: position.segment,
        offset: position.offset,
      }),
      position,
      epoch: position.epoch + 1,
      onDurable: (seq, head) => this.control.setDurable(seq, head),
      blockBytesMax: BLOCK_BYTES,
    })
    void this.writer.start(genesis, stateHash)
    const inboundRings = rings(INBOUND_BYTES)
    this.inbound = inboundRings.map((sab) => new RingWriter(sab))
    this.receivers = outboundRings.map((sab) =>
      options.mutations.noGate === true ? ungated(sab) : new GatedReader(sab, this.control),
    )
    this.loop = new RunLoop({
      engine,
      genesis,
      sequencer: new Sequencer(engine.seq, engine.timeMs, options.clock),
      inbound: inboundRings.map((sab) => new RingReader(sab)),
      journal: new RingWriter(journalRing),
      publisher,
      control: this.control,
      waitForRoom,
    })
  }

  /** A gateway puts commands into its ring; false when there is no room. */
  submit(producer: number, request: number, message: Message): boolean {
    const { words, count, attachment } = message
    const ring = this.inbound[producer]!
    const at = ring.tryClaim(INBOUND_HEADER_WORDS * 4 + words.length * 4 + attachment.length)
    if (at < 0) return false
    const word = at / 4
    ring.words.fill(0, word, word + INBOUND_HEADER_WORDS)
    ring.words[word + Inbound.TYPE] = InboundType.Commands
    ring.words[word + Inbound.CONNECTION] = 0
    ring.words[word + Inbound.REQUEST] = request
    ring.words[word + Inbound.COUNT] = count
    ring.words[word + Inbound.ATTACHMENT_BYTES] = attachment.length
    ring.words[word + Inbound.ATTACHMENT_KIND] = AttachmentKind.FrameMsgpack
    ring.words.set(words, word + INBOUND_HEADER_WORDS)
    ring.bytes.set(attachment, at + (INBOUND_HEADER_WORDS + words.length) * 4)
    ring.commit()
    return true
  }

  /** A message of no known type or with a bad count: it must be answered and change nothing. */
  submitGarbage(producer: number, type: number, count: number): void {
    const ring = this.inbound[producer]!
    const at = ring.tryClaim(INBOUND_HEADER_WORDS * 4)
    if (at < 0) return
    ring.words.fill(0, at / 4, at / 4 + INBOUND_HEADER_WORDS)
    ring.words[at / 4 + Inbound.TYPE] = type
    ring.words[at / 4 + Inbound.COUNT] = count
    ring.commit()
  }

  turn(): number {
    return this.loop.turn()
  }

  tick(): void {
    this.loop.tick()
  }

  /** The journal thread's turn: true when a block was written. */
  writeJournal(): boolean {
    return this.writer.turn() as boolean
  }

  /** Hands on what passes the gate. */
  poll(producer: number): void {
    const receiver = this.receivers[producer]!
    let at: number
    while ((at = receiver.poll()) >= 0) {
      const { words, floats } = receiver
      const word = at / 4
      this.onReleased(producer, {
        words,
        floats,
        at: word + OUTBOUND_HEADER_WORDS,
        type: words[word + Outbound.TYPE]!,
        request: words[word + Outbound.REQUEST]!,
        isOwn: words[word + Outbound.CONNECTION]! >= 0,
        count: words[word + Outbound.TYPE] === OutboundType.Applied ? words[word + Outbound.COUNT]! : 0,
        seq: floats[at / 8 + Outbound.SEQ_F64]!,
        firstSeq: floats[at / 8 + Outbound.FIRST_SEQ_F64]!,
      })
      receiver.release()
    }
  }

  pollAll(): void {
    for (let producer = 0; producer < PRODUCERS; producer++) this.poll(producer)
  }

  /** Orderly stop: drains, closes the journal. */
  close(): void {
    while (this.turn() > 0) this.pollAll()
    this.loop.close()
    while (this.writeJournal()) this.pollAll()
    this.pollAll()
    if (!this.writer.isClosed) throw new Error('the journal was not closed')
  }

  private waitForRoom(hasRoom: () => boolean): void {
    for (let round = 0; round < ROOM_ROUNDS; round++) {
      if (hasRoom()) return
      this.writeJournal()
      this.pollAll()
    }
    throw new Error('a ring stays full: the exchange is stuck')
  }
}

const rings = (bytes: number): SharedArrayBuffer[] =>
  Array.from({ length: PRODUCERS }, () => createRing(bytes))

/** The gate switched off. */
function ungated(sab: SharedArrayBuffer): Receiver {
  const reader = new RingReader(sab)
  return {
    words: reader.words,
    floats: reader.floats,
    poll: () => reader.peek(),
    release: () => reader.release(),
  }
}
