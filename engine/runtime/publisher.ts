/**
 * Turns what the engine says into outbound messages: the events as they are, then views of what they
 * touched (a level's new total, an account's new balance), once per inbound message. Every gateway
 * gets every message; only the one that asked gets its connection and request, the others -1.
 *
 * Invariant: nothing is dropped. A full ring makes the engine thread wait. Every message carries the
 * last seq of its inbound message, and its receiver holds it back until that is durable.
 */
import { EventKind, type Side } from '../codes.js'
import type { ControlBlock } from '../rings/control.js'
import {
  Attr,
  AmendedEv,
  BalanceEv,
  EVENT_WORDS,
  Ev,
  FillEv,
  KIND_MASK,
  LevelEv,
  OrderEv,
  TransferredEv,
  WithdrawnEv,
} from '../layout.js'
import { MARKETS_MAX, OUTBOUND_ANSWER_BYTES_MAX, OUTBOUND_EVENTS_MAX } from '../limits.js'
import { OUTBOUND_HEADER_WORDS, Outbound, OutboundType } from '../messages.js'
import { ringDoorbell, type Doorbell, type RingWriter } from '../rings/ring.js'
import { TouchedSet } from '../core/base/touched.js'
import type { Engine, EventBuffer } from '../types.js'

export interface OutboundEnd {
  readonly ring: RingWriter
  /** Rung when a message may leave at once; else the journal rings when it becomes durable. */
  readonly doorbell: Doorbell
}

export class Publisher {
  private readonly outbound: readonly OutboundEnd[]
  private readonly control: ControlBlock
  private readonly waitForRoom: (hasRoom: () => boolean) => void
  private readonly chunk = new ArrayBuffer(OUTBOUND_EVENTS_MAX * EVENT_WORDS * 4)
  private readonly chunkWords = new Int32Array(this.chunk)
  private readonly chunkFloats = new Float64Array(this.chunk)
  private readonly chunkBytes = new Uint8Array(this.chunk)
  private chunkCount = 0
  /** Key: ticks, then market * 2 + side. */
  private readonly levels = new TouchedSet()
  /** Key: account, then asset. */
  private readonly balances = new TouchedSet()
  private readonly level = new Float64Array(2)
  private readonly base = new Int32Array(MARKETS_MAX).fill(-1)
  private readonly quote = new Int32Array(MARKETS_MAX).fill(-1)
  private engine: Engine | undefined
  private feeAccount = 0
  private asker = -1
  private connection = -1
  private request = 0
  private firstSeq = 0
  private lastSeq = 0
  private timeMs = 0

  /** `waitForRoom` returns when its argument holds; it throws when the exchange halts meanwhile. */
  constructor(
    outbound: readonly OutboundEnd[],
    control: ControlBlock,
    waitForRoom: (hasRoom: () => boolean) => void,
  ) {
    this.outbound = outbound
    this.control = control
    this.waitForRoom = waitForRoom
  }

  /** Sets the engine whose events and views are published. Call once, before anything else. */
  attach(engine: Engine, feeAccount: number): void {
    this.engine = engine
    this.feeAccount = feeAccount
    this.learnMarkets()
  }

  /**
   * Opens the answer to an inbound message of producer `asker` whose commands have seqs `firstSeq` to
   * `lastSeq` and engine time `timeMs`.
   */
  begin(
    asker: number,
    connection: number,
    request: number,
    firstSeq: number,
    lastSeq: number,
    timeMs: number,
  ): void {
    this.asker = asker
    this.connection = connection
    this.request = request
    this.firstSeq = firstSeq
    this.lastSeq = lastSeq
    this.timeMs = timeMs
  }

  /** The engine's sink: takes the events over and notes what they touch. */
  onEvents(events: EventBuffer): void {
    const { words, floats, count } = events
    for (let index = 0; index < count; index++) {
      const from = index * EVENT_WORDS
      this.noteTouched(words, floats, from)
      const to = this.nextEvent()
      for (let word = 0; word < EVENT_WORDS; word += 2)
        this.chunkFloats[(to + word) / 2] = floats[(from + word) / 2]!
    }
  }

  /** Appends the views, read from the engine as it stands after the message, and sends what is left. */
  end(): void {
    const { levels, balances, level } = this
    const engine = this.engine!
    for (let index = 0; index < levels.size; index++) {
      const ticks = levels.pairs[2 * index]!
      const market = levels.pairs[2 * index + 1]! >> 1
      const side = (levels.pairs[2 * index + 1]! & 1) as Side
      engine.level(market, side, ticks, level)
      const at = this.nextView(EventKind.Level | (side << LevelEv.SIDE_SHIFT), market)
      this.chunkWords[at + LevelEv.TICKS] = ticks
      this.chunkFloats[at / 2 + LevelEv.LOTS_F64] = level[0]!
      this.chunkFloats[at / 2 + LevelEv.ORDERS_F64] = level[1]!
    }
    for (let index = 0; index < balances.size; index++) {
      const account = balances.pairs[2 * index]!
      const asset = balances.pairs[2 * index + 1]!
      const at = this.nextView(EventKind.Balance, asset)
      this.chunkWords[at + BalanceEv.ACCOUNT] = account
      this.chunkFloats[at / 2 + BalanceEv.AVAILABLE_F64] = engine.available(account, asset)
      this.chunkFloats[at / 2 + BalanceEv.RESERVED_F64] = engine.reserved(account, asset)
    }
    levels.clear()
    balances.clear()
    this.sendChunk(0)
  }

  /** Sends a query's answer to the producer that asked, true as of `seq`; long ones in pieces with MORE. */
  answer(
    asker: number,
    connection: number,
    request: number,
    seq: number,
    timeMs: number,
    bytes: Uint8Array,
  ): void {
    this.begin(asker, connection, request, seq, seq, timeMs)
    let at = 0
    do {
      const piece = bytes.subarray(at, at + OUTBOUND_ANSWER_BYTES_MAX)
      at += piece.length
      this.send(asker, OutboundType.Answer, piece, 0, at < bytes.length ? 1 : 0)
    } while (at < bytes.length)
  }

  /** Tells every producer that nothing comes after this message: an orderly stop. */
  stop(seq: number, timeMs: number): void {
    this.begin(-1, -1, 0, seq, seq, timeMs)
    for (let to = 0; to < this.outbound.length; to++)
      this.send(to, OutboundType.Stop, this.chunkBytes.subarray(0, 0), 0, 0)
  }

  /** Word offset of a zeroed record for one more event; sends the chunk first when it is full. */
  private nextEvent(): number {
    if (this.chunkCount === OUTBOUND_EVENTS_MAX) this.sendChunk(1)
    return this.chunkCount++ * EVENT_WORDS
  }

  private nextView(head: number, subject: number): number {
    const at = this.nextEvent()
    this.chunkWords.fill(0, at, at + EVENT_WORDS)
    this.chunkWords[at + Ev.KIND] = head
    this.chunkWords[at + Ev.SUBJECT] = subject
    this.chunkFloats[at / 2 + Ev.SEQ_F64] = this.lastSeq
    return at
  }

  private sendChunk(more: number): void {
    const bytes = this.chunkBytes.subarray(0, this.chunkCount * EVENT_WORDS * 4)
    for (let to = 0; to < this.outbound.length; to++)
      this.send(to, OutboundType.Applied, bytes, this.chunkCount, more)
    this.chunkCount = 0
  }

  private send(to: number, type: number, body: Uint8Array, count: number, more: number): void {
    const { ring, doorbell } = this.outbound[to]!
    const size = OUTBOUND_HEADER_WORDS * 4 + body.length
    let at = ring.tryClaim(size)
    if (at < 0) this.waitForRoom(() => (at = ring.tryClaim(size)) >= 0)
    const asked = to === this.asker
    const { words, floats } = ring
    const word = at / 4
    words[word + Outbound.TYPE] = type
    words[word + Outbound.CONNECTION] = asked ? this.connection : -1
    words[word + Outbound.REQUEST] = asked ? this.request : 0
    words[word + Outbound.COUNT] = count
    words[word + Outbound.ANSWER_BYTES] = type === OutboundType.Answer ? body.length : 0
    words[word + Outbound.MORE] = more
    floats[at / 8 + Outbound.SEQ_F64] = this.lastSeq
    floats[at / 8 + Outbound.FIRST_SEQ_F64] = this.firstSeq
    floats[at / 8 + Outbound.TIME_MS_F64] = this.timeMs
    ring.bytes.set(body, at + OUTBOUND_HEADER_WORDS * 4)
    ring.commit()
    // The journal thread rings after it moved durableSeq; only a message that is durable already is ours to ring.
    if (this.control.durableSeq >= this.lastSeq) ringDoorbell(doorbell)
  }

  private noteTouched(words: Int32Array, floats: Float64Array, at: number): void {
    const kind = words[at + Ev.KIND]! & KIND_MASK
    const subject = words[at + Ev.SUBJECT]!
    const account = words[at + Ev.ACCOUNT]!
    switch (kind) {
      case EventKind.Withdrawn:
        if (floats[(at >> 1) + WithdrawnEv.FEE_F64]! > 0) this.balances.add(this.feeAccount, subject)
        this.balances.add(account, subject)
        return
      case EventKind.Deposited:
        this.balances.add(account, subject)
        return
      case EventKind.Transferred:
        this.balances.add(account, subject)
        this.balances.add(words[at + TransferredEv.RECEIVER]!, subject)
        return
      case EventKind.Fill:
        this.noteAccount(words[at + FillEv.TAKER_ACCOUNT]!, subject)
        this.noteAccount(account, subject)
        this.balances.add(this.feeAccount, this.quote[subject]!)
        break
      case EventKind.Amended:
        // Its level before the amendment.
        this.noteLevel(subject, words[at + Ev.KIND]!, words[at + AmendedEv.TICKS_BEFORE]!)
        break
      case EventKind.Accepted:
      case EventKind.Canceled:
      case EventKind.Triggered:
      case EventKind.Refilled:
        break
      default:
        return
    }
    this.noteAccount(account, subject)
    // A Fill has its ticks there too.
    this.noteLevel(subject, words[at + Ev.KIND]!, words[at + OrderEv.TICKS]!)
  }

  private noteLevel(market: number, head: number, ticks: number): void {
    // A market order without a protection price has none.
    if (ticks > 0) this.levels.add(ticks, market * 2 + ((head >> Attr.SIDE_SHIFT) & 1))
  }

  private noteAccount(account: number, market: number): void {
    // A market that was created since: its assets are asked for once.
    if (this.base[market]! < 0) this.learnMarkets()
    this.balances.add(account, this.base[market]!)
    this.balances.add(account, this.quote[market]!)
  }

  private learnMarkets(): void {
    for (const { id, base, quote } of this.engine!.markets()) {
      this.base[id] = base
      this.quote[id] = quote
    }
  }
}
