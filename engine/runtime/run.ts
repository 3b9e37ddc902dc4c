/**
 * The engine thread's loop body: takes inbound messages round-robin, gives them time and seq, hands
 * them to the journal ring, applies them, publishes. It never touches the disk and waits only for room
 * in a ring. The simulator runs the same code in one thread.
 *
 * A broken invariant throws out of `turn` before the journal has the message, and the exchange halts.
 *
 * Invariant: the commands that the journal gets are byte for byte the ones that the engine applies:
 * both come from a private copy, taken once from the ring that the gateway may write.
 */
import { CommandKind } from '../codes.js'
import type { ControlBlock } from '../rings/control.js'
import {
  COMMAND_BYTES,
  COMMAND_WORDS,
  Cmd,
  FrameCmd,
  KIND_MASK,
  OrderCmd,
  TimeCmd,
  kindOf,
} from '../layout.js'
import {
  AttachmentKind,
  INBOUND_HEADER_WORDS,
  Inbound,
  InboundType,
  JOURNAL_HEADER_WORDS,
  JournalMessage,
  JournalMessageType,
  QueryKind,
} from '../messages.js'
import {
  FIRING_REST_MS,
  LOOK_AHEAD_COMMANDS,
  LOOK_AHEAD_COMMANDS_MAX,
  MESSAGE_ATTACHMENT_BYTES_MAX,
  MESSAGE_COMMANDS_MAX,
  RING_MESSAGES_A_TURN,
} from '../limits.js'
import type { Publisher } from './publisher.js'
import type { RingReader, RingWriter } from '../rings/ring.js'
import type { Sequencer } from './sequencer.js'
import type { Engine, GenesisConfig } from '../types.js'

/** Questions by which a gateway learns the state, each answered with one bounded piece. */
const LOADS: ReadonlySet<number> = new Set([
  QueryKind.SessionPage,
  QueryKind.OrderPage,
  QueryKind.AccountPage,
  QueryKind.MarketPage,
])

export interface RunLoopOptions {
  /** Its state is what recovery came to; its sink is the publisher's onEvents. */
  readonly engine: Engine
  readonly genesis: GenesisConfig
  readonly sequencer: Sequencer
  readonly inbound: readonly RingReader[]
  readonly journal: RingWriter
  readonly publisher: Publisher
  readonly control: ControlBlock
  /** Returns when its argument holds; throws when the exchange halts meanwhile. */
  readonly waitForRoom: (hasRoom: () => boolean) => void
}

export class RunLoop {
  private readonly engine: Engine
  private readonly sequencer: Sequencer
  private readonly inbound: readonly RingReader[]
  private readonly journal: RingWriter
  private readonly publisher: Publisher
  private readonly control: ControlBlock
  private readonly waitForRoom: (hasRoom: () => boolean) => void
  private readonly scratch = new ArrayBuffer((1 + MESSAGE_COMMANDS_MAX) * COMMAND_BYTES)
  private readonly scratchWords = new Int32Array(this.scratch)
  private readonly scratchFloats = new Float64Array(this.scratch)
  private readonly scratchBytes = new Uint8Array(this.scratch)
  /** Offsets of the commands that come next in the ring of `aheadWords`, and how many of them and of their messages. */
  private readonly ahead = new Int32Array(LOOK_AHEAD_COMMANDS_MAX)
  private aheadWords: Int32Array = this.scratchWords
  private aheadCommands = 0
  private aheadMessages = 0
  /** Until when no Time command is given, as triggers are left to fire; by the sequencer's clock, ms. */
  private restsUntilMs = 0
  /** Market from which on the next Time command fires triggers: behind the one before, so that none waits for ever. */
  private firesNext = 0

  constructor(options: RunLoopOptions) {
    this.engine = options.engine
    this.sequencer = options.sequencer
    this.inbound = options.inbound
    this.journal = options.journal
    this.publisher = options.publisher
    this.control = options.control
    this.waitForRoom = options.waitForRoom
    this.publisher.attach(this.engine, options.genesis.feeAccount ?? 0)
  }

  /** Takes at most one batch from each inbound ring; returns the number of messages handled. */
  turn(): number {
    let handled = 0
    for (let from = 0; from < this.inbound.length; from++) {
      const ring = this.inbound[from]!
      let foreseen = 0
      for (let count = 0; count < RING_MESSAGES_A_TURN; count++) {
        const at = ring.peek()
        if (at < 0) break
        if (foreseen === 0) foreseen = this.lookAhead(ring)
        foreseen--
        const piece = this.handle(ring, from, at)
        ring.release()
        handled++
        // What a starting gateway loads goes on after the other rings' turn.
        if (piece) break
      }
    }
    if (handled > 0) this.control.sequencedSeq = this.sequencer.seq
    return handled
  }

  /**
   * Tells the engine which commands come next: those of the messages that wait, some LOOK_AHEAD_COMMANDS. Returns the
   * number of these messages. It reads from the ring itself, as a hint only; what is applied is the private copy.
   */
  private lookAhead(ring: RingReader): number {
    this.aheadWords = ring.words
    this.aheadMessages = 0
    this.aheadCommands = 0
    ring.scan(this.seeAhead)
    if (this.aheadCommands > 1) this.engine.lookAhead(ring.words, this.ahead, this.aheadCommands)
    return Math.max(1, this.aheadMessages)
  }

  private readonly seeAhead = (at: number, length: number): boolean => {
    const { ahead, aheadWords: words } = this
    const word = at / 4
    const isOfCommands =
      length >= INBOUND_HEADER_WORDS * 4 && words[word + Inbound.TYPE] === InboundType.Commands
    const count = isOfCommands ? words[word + Inbound.COUNT]! : 0
    const first = word + INBOUND_HEADER_WORDS
    const end = Math.min(count, Math.floor((length - INBOUND_HEADER_WORDS * 4) / COMMAND_BYTES))
    for (let index = 0; index < end && this.aheadCommands < ahead.length; index++)
      ahead[this.aheadCommands++] = first + index * COMMAND_WORDS
    this.aheadMessages++
    return this.aheadMessages < LOOK_AHEAD_COMMANDS && this.aheadCommands < LOOK_AHEAD_COMMANDS
  }

  /** True when an inbound message waits. */
  hasWork(): boolean {
    return this.inbound.some((ring) => ring.peek() >= 0)
  }

  /**
   * How long nothing will happen by itself, in ms: until the next expiry or dead-man switch; Infinity = for
   * ever, 0 = something waits to happen now.
   */
  quietMs(): number {
    return this.isPending() ? this.restMs() : Math.max(0, this.engine.nextDueMs - this.sequencer.now())
  }

  /**
   * How long time stands still for now, in ms: between the pieces of a cascade of stops, so that what the gateways
   * have to tell of one is told before the next, and orders come in between.
   */
  private restMs(): number {
    const left = this.restsUntilMs - this.sequencer.now()
    // A clock that was set back holds nothing up.
    return left > 0 && left <= FIRING_REST_MS ? left : 0
  }

  /** Puts the sequencer's Time command into scratch where one is due; how many that are (0 or 1). */
  private stampTime(): number {
    if (this.restMs() > 0) return 0
    const stamped = this.sequencer.stampTime(this.scratchWords, this.scratchFloats, this.isPending())
    const market = this.engine.nextFiring(this.firesNext)
    if (stamped > 0 && market >= 0) {
      this.scratchWords[TimeCmd.FIRST_MARKET] = market
      this.firesNext = market + 1
    }
    return stamped
  }

  /** Advances time when something is due and nobody asks anything, so that it happens on time. */
  tick(): void {
    if (this.quietMs() > 0) return
    if (this.stampTime() === 0) return
    this.execute(-1, -1, 0, 1, 1, AttachmentKind.None, this.scratchBytes, 0, 0)
    this.control.sequencedSeq = this.sequencer.seq
  }

  /** True while the engine has work left that earlier commands had no steps for. */
  private isPending(): boolean {
    return this.engine.nextDueMs <= this.engine.timeMs
  }

  /** Ends the journal with the state hash and tells every producer that nothing follows. */
  close(): void {
    const hash = this.engine.stateHash()
    const at = this.claimJournal(JOURNAL_HEADER_WORDS * 4 + hash.length)
    this.writeJournalHeader(at, JournalMessageType.Close, 0, AttachmentKind.StateHash, hash.length, 0)
    this.journal.bytes.set(hash, at + JOURNAL_HEADER_WORDS * 4)
    this.journal.commit()
    this.publisher.stop(this.sequencer.seq, this.sequencer.timeMs)
  }

  /** True = it was a question of the kinds that gateways load their state by. */
  private handle(ring: RingReader, from: number, at: number): boolean {
    const { words } = ring
    const word = at / 4
    const headed = ring.length >= INBOUND_HEADER_WORDS * 4
    const type = headed ? words[word + Inbound.TYPE]! : 0
    const connection = headed ? words[word + Inbound.CONNECTION]! : -1
    const request = headed ? words[word + Inbound.REQUEST]! : 0
    if (type === InboundType.Query) {
      this.reply(from, connection, request, this.query(ring, word))
      return LOADS.has(words[word + Inbound.QUERY_KIND]!)
    }
    const count = words[word + Inbound.COUNT]!
    const attachmentBytes = words[word + Inbound.ATTACHMENT_BYTES]!
    const wrong =
      type !== InboundType.Commands
        ? `unknown inbound message type ${type}`
        : whyMalformed(count, attachmentBytes, ring.length)
    if (wrong !== '') {
      this.reply(from, connection, request, { error: wrong })
      return false
    }
    const kind = words[word + Inbound.ATTACHMENT_KIND]!
    // In a message of its own, so that an answer does not wait until all is told of what fires.
    if (this.engine.isFiring) this.tick()
    const stamped = this.stampTime()
    const commandsAt = at + INBOUND_HEADER_WORDS * 4
    const commandBytes = count * COMMAND_BYTES
    this.scratchBytes.set(ring.bytes.subarray(commandsAt, commandsAt + commandBytes), stamped * COMMAND_BYTES)
    this.setOwnFields(stamped, count)
    this.execute(
      from,
      connection,
      request,
      stamped + count,
      stamped,
      kind,
      ring.bytes,
      commandsAt + commandBytes,
      attachmentBytes,
    )
    return false
  }

  /** Applies and journals the `count` commands in scratch; the first `stamped` of them are the sequencer's. */
  private execute(
    from: number,
    connection: number,
    request: number,
    count: number,
    stamped: number,
    attachmentKind: number,
    attachment: Uint8Array,
    attachmentAt: number,
    attachmentBytes: number,
  ): void {
    const { engine, journal, publisher, scratchWords, scratchFloats } = this
    const commandBytes = count * COMMAND_BYTES
    const at = this.claimJournal(JOURNAL_HEADER_WORDS * 4 + commandBytes + attachmentBytes)
    const firstSeq = this.sequencer.take(count)
    const body = at + JOURNAL_HEADER_WORDS * 4
    this.writeJournalHeader(at, JournalMessageType.Commands, count, attachmentKind, attachmentBytes, firstSeq)
    journal.words[at / 4 + JournalMessage.ATTACHMENT_FIRST] = stamped
    journal.bytes.set(this.scratchBytes.subarray(0, commandBytes), body)
    if (attachmentBytes > 0)
      journal.bytes.set(
        attachment.subarray(attachmentAt, attachmentAt + attachmentBytes),
        body + commandBytes,
      )
    const lastSeq = firstSeq + count - 1
    const askedFirst = Math.min(firstSeq + stamped, lastSeq)
    publisher.begin(from, connection, request, askedFirst, lastSeq, this.sequencer.timeMs)
    for (let index = 0; index < count; index++)
      engine.apply(scratchWords, scratchFloats, index * COMMAND_WORDS)
    engine.flush()
    if (engine.seq !== lastSeq) throw new Error(`engine at seq ${engine.seq} after command ${lastSeq}`)
    // Only now: commands on which the engine breaks never become durable, so nothing of them is handed on.
    journal.commit()
    publisher.end()
    if (stamped > 0 && engine.isFiring) this.restsUntilMs = this.sequencer.now() + FIRING_REST_MS
  }

  private claimJournal(byteLength: number): number {
    let at = this.journal.tryClaim(byteLength)
    if (at < 0) this.waitForRoom(() => (at = this.journal.tryClaim(byteLength)) >= 0)
    return at
  }

  private writeJournalHeader(
    at: number,
    type: number,
    count: number,
    attachmentKind: number,
    attachmentBytes: number,
    firstSeq: number,
  ): void {
    const { words, floats } = this.journal
    words[at / 4 + JournalMessage.TYPE] = type
    words[at / 4 + JournalMessage.COUNT] = count
    words[at / 4 + JournalMessage.ATTACHMENT_BYTES] = attachmentBytes
    words[at / 4 + JournalMessage.ATTACHMENT_KIND] = attachmentKind
    words[at / 4 + JournalMessage.ATTACHMENT_FIRST] = 0
    floats[at / 8 + JournalMessage.FIRST_SEQ_F64] = firstSeq
  }

  /**
   * What nobody but the sequencer gives. Time: somebody else's becomes kind 0, which the engine rejects as unknown. The
   * steps that count as used before a frame: none, but where it has orders in a market whose triggers are left to fire
   * so many that they do not go on with them. Time alone does, and rests in between: otherwise each order of a busy
   * market would fire a piece.
   */
  private setOwnFields(from: number, count: number): void {
    const { engine, scratchWords: words } = this
    const { isFiring } = engine
    let header = -1
    for (let word = from * COMMAND_WORDS; word < (from + count) * COMMAND_WORDS; word += COMMAND_WORDS) {
      const kind = kindOf(words[word + Cmd.KIND]!)
      if (kind === CommandKind.Time) words[word + Cmd.KIND]! &= ~KIND_MASK
      else if (kind === CommandKind.Frame || kind === CommandKind.UnsignedFrame) {
        header = word
        words[header + FrameCmd.STEPS_USED] = 0
      } else if (isFiring && header >= 0 && (kind === CommandKind.Place || kind === CommandKind.Amend))
        if (engine.isFiringIn(words[word + OrderCmd.MARKET]!))
          words[header + FrameCmd.STEPS_USED] = engine.stepsBesideFiring
    }
  }

  private reply(from: number, connection: number, request: number, answer: unknown): void {
    const text = JSON.stringify(answer, (_key, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    )
    const { seq, timeMs } = this.sequencer
    this.publisher.answer(from, connection, request, seq, timeMs, new TextEncoder().encode(text))
  }

  private query(ring: RingReader, word: number): unknown {
    const { engine } = this
    const { words } = ring
    const kind = words[word + Inbound.QUERY_KIND]!
    const subject = words[word + Inbound.QUERY_SUBJECT]!
    switch (kind) {
      case QueryKind.StateHash:
        return { seq: engine.seq, stateHash: Buffer.from(engine.stateHash()).toString('hex') }
      case QueryKind.SessionPage:
        return engine.sessionPage(subject)
      case QueryKind.OrderPage:
        return engine.orderPage(subject)
      case QueryKind.AccountPage:
        return engine.accountPage(subject)
      case QueryKind.MarketPage:
        return engine.marketPage(subject)
      case QueryKind.FrameResults: {
        const needed = INBOUND_HEADER_WORDS * 4 + 16
        if (ring.length < needed)
          return { error: `message of ${ring.length} bytes, the question has ${needed}` }
        const float = (word + INBOUND_HEADER_WORDS) >> 1
        return frameAnswer(engine, subject, ring.floats[float]!, ring.floats[float + 1]!)
      }
      case QueryKind.TryPlace: {
        const needed = INBOUND_HEADER_WORDS * 4 + COMMAND_BYTES
        if (ring.length < needed)
          return { error: `message of ${ring.length} bytes, a command needs ${needed}` }
        const record = word + INBOUND_HEADER_WORDS
        const approval =
          (words[word + Inbound.QUERY_HIGH]! >>> 0) * 2 ** 32 + (words[word + Inbound.QUERY_LOW]! >>> 0)
        return engine.tryPlace(words, ring.floats, record, approval, this.sequencer.now())
      }
      default:
        return { error: `unknown query kind ${kind}` }
    }
  }
}

/** What became of a frame, or up to where nobody can tell. */
function frameAnswer(engine: Engine, account: number, approval: number, nonce: number) {
  const floor = engine.frameFloor(account, approval)
  if (floor === undefined) return null
  const results = engine.frameResults(account, approval, nonce)
  return results === undefined ? { floor } : { floor, firstSeq: results.firstSeq, codes: [...results.codes] }
}

function whyMalformed(count: number, attachmentBytes: number, length: number): string {
  if (count < 1 || count > MESSAGE_COMMANDS_MAX)
    return `${count} commands in a message, 1 to ${MESSAGE_COMMANDS_MAX} allowed`
  if (attachmentBytes < 0 || attachmentBytes > MESSAGE_ATTACHMENT_BYTES_MAX)
    return `attachment of ${attachmentBytes} bytes, at most ${MESSAGE_ATTACHMENT_BYTES_MAX}`
  const needed = INBOUND_HEADER_WORDS * 4 + count * COMMAND_BYTES + attachmentBytes
  return needed > length ? `message of ${length} bytes, its header asks for ${needed}` : ''
}
