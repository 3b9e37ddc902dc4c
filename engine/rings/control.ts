/**
 * The control block: one SharedArrayBuffer that every thread of an exchange holds. It carries what must
 * be known across threads without a message: how far the journal is durable, whether the exchange
 * stops, why it failed, and a doorbell for each thread that sleeps.
 *
 * Invariant: one writer a field. durableSeq is written by the journal thread alone and guarded by a
 * version (a seqlock), because a 53-bit value is two words: a reader never sees half of an update.
 */
import { PRODUCERS_MAX } from '../limits.js'
import { machineMs } from './machine-clock.js'
import type { Doorbell } from './ring.js'

/** Word offsets. Doorbells are 16 words (a cache line) each. */
const STOP = 0
const FAILURE = 1
const FAILURE_BYTES = 2
const EPOCH = 3
const DURABLE = 16
const DURABLE_HEAD = 19
const HEAD_WORDS = 8
const SEQUENCED = 32
const CLOCK_BASE = 40
const DOORBELLS = 48
const DOORBELL_WORDS = 16
const FAILURE_TEXT_BYTES = 1024
/** Added to what is written of the clock, which may be negative; what was never written stays 0. */
const CLOCK_ZERO = 2 ** 52

const FIXED_DOORBELLS = 4
const DOORBELL_COUNT = FIXED_DOORBELLS + PRODUCERS_MAX
const TEXT_AT = (DOORBELLS + DOORBELL_COUNT * DOORBELL_WORDS) * 4

/** Phases of a stop, in order; a phase is never left for an earlier one. */
export const StopPhase = {
  Running: 0,
  /** No producer will publish again: the engine drains its inbound rings and ends. */
  Draining: 1,
  /** The engine has ended; the journal thread drains its ring, syncs and ends. */
  EngineEnded: 2,
  JournalEnded: 3,
} as const

/** Why the exchange halted. Append only. 0 = it has not. */
export const Failure = {
  None: 0,
  /** A write to the journal failed or was short. */
  JournalWrite: 1,
  /** A sync of the journal failed. It is never tried again: the kernel may have dropped the pages. */
  JournalSync: 2,
  /** A broken invariant in the engine thread. */
  Engine: 3,
  /** A broken invariant in the journal thread. */
  Journal: 4,
  /** A thread ended without being asked to. */
  ThreadDied: 5,
  /** Another process writes this journal: this one must not. */
  JournalFenced: 6,
} as const
export type Failure = (typeof Failure)[keyof typeof Failure]

/** Allocates a control block, all zeros. */
export function createControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(TEXT_AT + FAILURE_TEXT_BYTES)
}

/** A thread's view of the control block. */
export class ControlBlock {
  readonly sab: SharedArrayBuffer
  private readonly words: Int32Array

  constructor(sab: SharedArrayBuffer) {
    this.sab = sab
    this.words = new Int32Array(sab)
  }

  /** 1 at the first start of a data folder, one more at each later start; 0 before recovery has told. */
  get epoch(): number {
    return Atomics.load(this.words, EPOCH)
  }

  /** Main thread only, once, after recovery. */
  set epoch(epoch: number) {
    Atomics.store(this.words, EPOCH, epoch)
  }

  /** Last seq known to be on disk. */
  get durableSeq(): number {
    return this.readSeq(DURABLE)
  }

  /** Journal thread only, never backwards: moves durableSeq, and with it the journal's hash chain there (32 bytes). */
  setDurable(seq: number, head: Uint8Array): void {
    const { words } = this
    Atomics.add(words, DURABLE, 1)
    Atomics.store(words, DURABLE + 1, seq | 0)
    Atomics.store(words, DURABLE + 2, Math.floor(seq / 2 ** 32))
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
    for (let word = 0; word < HEAD_WORDS; word++)
      Atomics.store(words, DURABLE_HEAD + word, view.getInt32(word * 4))
    Atomics.add(words, DURABLE, 1)
  }

  /** durableSeq and the journal's hash chain there, of one moment: what a receipt promises. */
  durableHead(): { seq: number; head: Uint8Array } {
    const { words } = this
    const head = new Uint8Array(HEAD_WORDS * 4)
    const view = new DataView(head.buffer)
    for (;;) {
      const before = Atomics.load(words, DURABLE)
      const low = Atomics.load(words, DURABLE + 1)
      const high = Atomics.load(words, DURABLE + 2)
      for (let word = 0; word < HEAD_WORDS; word++)
        view.setInt32(word * 4, Atomics.load(words, DURABLE_HEAD + word))
      if ((before & 1) === 0 && Atomics.load(words, DURABLE) === before)
        return { seq: high * 2 ** 32 + (low >>> 0), head }
    }
  }

  /** Last seq given to a command; for gauges: durableSeq lags behind it. */
  get sequencedSeq(): number {
    return this.readSeq(SEQUENCED)
  }

  /** Engine thread only. */
  set sequencedSeq(seq: number) {
    this.writeSeq(SEQUENCED, seq)
  }

  /** Engine time less the machine's monotonic clock, in whole ms; undefined before the engine thread has told. */
  get clockBaseMs(): number | undefined {
    const written = this.readSeq(CLOCK_BASE)
    return written === 0 ? undefined : written - CLOCK_ZERO
  }

  /** Engine thread only; in a gateway process, whoever relays. */
  set clockBaseMs(ms: number) {
    this.writeSeq(CLOCK_BASE, Math.floor(ms) + CLOCK_ZERO)
  }

  /**
   * Engine time of a command that would be given now, in ms since 1970, to a few ms: the engine's clock as it was
   * told last, and the machine's since. No wall clock is read: it may have jumped since. 0 before it was told.
   */
  get timeMs(): number {
    const baseMs = this.clockBaseMs
    return baseMs === undefined ? 0 : Math.floor(baseMs + machineMs())
  }

  /** One of StopPhase. */
  get stopPhase(): number {
    return Atomics.load(this.words, STOP)
  }

  /** Moves the stop on to `phase` unless it is there already, and wakes every thread. */
  advanceStop(phase: number): void {
    for (;;) {
      const now = Atomics.load(this.words, STOP)
      if (now >= phase || Atomics.compareExchange(this.words, STOP, now, phase) === now) break
    }
    this.wakeAll()
  }

  /** One of Failure. */
  get failure(): Failure {
    return Atomics.load(this.words, FAILURE) as Failure
  }

  /** What failed, in words; empty while nothing has. */
  get failureText(): string {
    const length = Atomics.load(this.words, FAILURE_BYTES)
    return new TextDecoder().decode(new Uint8Array(this.sab, TEXT_AT, length).slice())
  }

  /** Records the first failure (later ones are dropped) and wakes every thread: all of them halt. */
  fail(failure: Failure, reason: string): void {
    const text = new TextEncoder().encode(reason).subarray(0, FAILURE_TEXT_BYTES)
    if (Atomics.compareExchange(this.words, FAILURE_BYTES, 0, text.length) === 0) {
      new Uint8Array(this.sab, TEXT_AT, text.length).set(text)
      Atomics.store(this.words, FAILURE, failure)
    }
    this.wakeAll()
  }

  /** The engine thread sleeps on this when idle: inbound messages. */
  get engineDoorbell(): Doorbell {
    return this.doorbell(0)
  }

  /** The journal thread sleeps on this. */
  get journalDoorbell(): Doorbell {
    return this.doorbell(1)
  }

  /** A follower of the journal in this process tree (settlement) sleeps on this: durableSeq moved. */
  get followerDoorbell(): Doorbell {
    return this.doorbell(2)
  }

  /** The engine thread sleeps on this while an outbound ring or the journal's ring is full. */
  get roomDoorbell(): Doorbell {
    return this.doorbell(3)
  }

  /**
   * Producer `index` (gateways first, then operators) sleeps on this: rung when
   * outbound messages become durable. Throws for an index outside 0..PRODUCERS_MAX - 1.
   */
  producerDoorbell(index: number): Doorbell {
    if (!(index >= 0 && index < PRODUCERS_MAX))
      throw new RangeError(`control: producer ${index}, at most ${PRODUCERS_MAX - 1}`)
    return this.doorbell(FIXED_DOORBELLS + index)
  }

  private doorbell(index: number): Doorbell {
    return { words: this.words, index: DOORBELLS + index * DOORBELL_WORDS }
  }

  private wakeAll(): void {
    for (let index = 0; index < DOORBELL_COUNT; index++) {
      const at = DOORBELLS + index * DOORBELL_WORDS
      Atomics.store(this.words, at + 1, 0)
      Atomics.add(this.words, at, 1)
      Atomics.notify(this.words, at)
    }
  }

  private readSeq(at: number): number {
    const { words } = this
    for (;;) {
      const before = Atomics.load(words, at)
      const low = Atomics.load(words, at + 1)
      const high = Atomics.load(words, at + 2)
      if ((before & 1) === 0 && Atomics.load(words, at) === before) return high * 2 ** 32 + (low >>> 0)
    }
  }

  private writeSeq(at: number, seq: number): void {
    const { words } = this
    Atomics.add(words, at, 1)
    Atomics.store(words, at + 1, seq | 0)
    Atomics.store(words, at + 2, Math.floor(seq / 2 ** 32))
    Atomics.add(words, at, 1)
  }
}
