/**
 * Runs one session through the fast core and the reference side by side and throws at the first thing on
 * which they differ: an event, a balance, an invariant, the state. In tests only.
 */
import {
  CancelReason,
  CommandKind,
  EventKind,
  Reject,
  commandNames,
  eventNames,
  rejectNames,
} from '../codes.js'
import { COMMAND_WORDS, CanceledAllEv, CanceledEv, EVENT_WORDS, RejectedEv, kindOf } from '../layout.js'
import { writeTime } from '../commands.js'
import type { Engine, EngineOptions } from '../types.js'
import { createEngine, restoreEngine } from '../core/engine.js'
import { drawCommand, drawFunding, drawOptions } from './random-session.js'
import { sceneOf } from './random-scene.js'
import { type Scene, Tape } from './random-tape.js'
import { ReferenceEngine } from './engine.js'
import { referenceBody } from './state.js'
import { SessionAudit } from './session-audit.js'
import { DIGEST_BYTES, SNAPSHOT_HEADER_BYTES } from '../core/snapshot/snapshot-format.js'

/** What sessions have shown so far, so that a test can ask for a mix that shows enough. */
export interface Seen {
  commands: number
  readonly events: Map<number, number>
  readonly codes: Map<string, number>
  /** Rejects of headers of unsigned frames. */
  readonly unsignedCodes: Set<number>
  /** Cancel-alls that were cut, and commands that left something pending. */
  cutCancelAlls: number
  pending: number
}

export const newSeen = (): Seen => ({
  commands: 0,
  events: new Map(),
  codes: new Map(),
  unsignedCodes: new Set(),
  cutCancelAlls: 0,
  pending: 0,
})

/**
 * Plays the tape. Every `snapshotEvery` commands the fast engine is replaced by one restored from its own
 * snapshot; at the end Time commands come until nothing is pending. @throws Error naming the command at
 * which they part, or at which something is not so that must be.
 */
export function playTape(bytes: Uint8Array, snapshotEvery: number, seen: Seen, engines?: Engines): void {
  const tape = new Tape(bytes)
  const pair = new Pair(drawOptions(tape), seen, engines)
  const { words, floats } = pair
  let funding = true
  while (!tape.empty) {
    if (funding) funding = drawFunding(tape, pair.commands, words, floats)
    if (!funding) drawCommand(tape, words, floats, pair.scene)
    pair.apply()
    if (pair.commands % snapshotEvery === 0) pair.restore()
  }
  for (let rounds = 0; pair.slow.pending(); rounds++) {
    if (rounds > ROUNDS_MAX) throw new Error(`something is pending after ${ROUNDS_MAX} Time commands`)
    writeTime(words, floats, 0, pair.slow.timeMs)
    pair.apply()
  }
  pair.compareState('the end')
}

/** Far more Time commands than the smallest bound of work needs for the orders of a session. */
const ROUNDS_MAX = 500

/** What makes the fast engines: this build's, unless another is asked about. */
export interface Engines {
  readonly createEngine: typeof createEngine
  readonly restoreEngine: typeof restoreEngine
}

/** The two engines, fed alike. */
export class Pair {
  readonly slow: ReferenceEngine
  readonly words = new Int32Array(COMMAND_WORDS)
  readonly floats = new Float64Array(this.words.buffer)
  readonly scene: Scene
  commands = 0
  private fast: Engine
  private readonly audit: SessionAudit
  private events: Int32Array[] = []

  constructor(
    private readonly options: Omit<EngineOptions, 'onEvents'>,
    private readonly seen: Seen,
    private readonly engines: Engines = { createEngine, restoreEngine },
  ) {
    this.fast = engines.createEngine({ ...options, onEvents: this.take })
    this.slow = new ReferenceEngine({ ...options, onEvents: this.take })
    this.audit = new SessionAudit(options.genesis, this.slow.stepsMax)
    this.scene = sceneOf(this.slow)
  }

  private readonly take = ({ words, count }: { words: Int32Array; count: number }): void => {
    for (let index = 0; index < count; index++)
      this.events.push(words.slice(index * EVENT_WORDS, (index + 1) * EVENT_WORDS))
  }

  /** Applies what stands in `words` to both. */
  apply(): void {
    const { words, floats, fast, slow, seen } = this
    this.commands++
    const where = `command ${this.commands} (${commandNames[kindOf(words[0]!)] ?? 'unknown'} ${Array.from(words).join(' ')})`
    this.events = []
    slow.apply(words, floats, 0)
    const tried = fast.tryPlace(words, floats, 0, 0, 0)
    fast.apply(words, floats, 0)
    fast.flush()
    compareEvents(this.events, slow.events, where)
    compareTrial(words, tried, this.events, where)
    fast.checkInvariants()
    compareBalances(fast, slow, where)
    if (fast.nextDueMs <= fast.timeMs !== slow.pending())
      throw new Error(`${where}: next due at ${fast.nextDueMs}, reference pending: ${slow.pending()}`)
    try {
      this.audit.check(words, this.events, fast)
    } catch (error) {
      throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`)
    }
    note(seen, this.events)
    if (slow.pending()) seen.pending++
  }

  /** Goes on with a fast engine restored from its own snapshot. */
  restore(): void {
    this.compareState(`after command ${this.commands}`)
    this.fast = this.engines.restoreEngine(this.fast.snapshot(), { ...this.options, onEvents: this.take })
    this.fast.checkInvariants()
  }

  compareState(where: string): void {
    compareState(this.fast, this.slow, where)
  }
}

function note(seen: Seen, events: readonly Int32Array[]): void {
  seen.commands++
  for (const event of events) {
    const kind = kindOf(event[0]!)
    seen.events.set(kind, (seen.events.get(kind) ?? 0) + 1)
    const code = `${eventNames[kind]} ${event[7]}`
    if (kind === EventKind.CanceledAll) seen.cutCancelAlls += event[CanceledAllEv.REST_FOLLOWS]!
    seen.codes.set(code, (seen.codes.get(code) ?? 0) + 1)
    if (kind === EventKind.Rejected && event[RejectedEv.COMMAND] === CommandKind.UnsignedFrame)
      seen.unsignedCodes.add(event[RejectedEv.CODE]!)
  }
}

function compareEvents(fast: readonly Int32Array[], slow: readonly Int32Array[], where: string): void {
  const text = (events: readonly Int32Array[]): string =>
    events
      .map((event) => {
        const floats = new Float64Array(event.buffer, event.byteOffset, EVENT_WORDS / 2)
        return `${eventNames[kindOf(event[0]!)]} ${Array.from(event.subarray(0, 16)).join(' ')} | ${Array.from(floats.subarray(8)).join(' ')}`
      })
      .join('\n')
  const found = text(fast)
  const expected = text(slow)
  if (found !== expected) throw new Error(`${where}: events differ\nfast:\n${found}\nreference:\n${expected}`)
}

/** Refusals that the frame around an order makes. */
export const BY_FRAME: ReadonlySet<number> = new Set([
  Reject.FrameRequired,
  Reject.FrameRejected,
  Reject.WrongAccount,
  Reject.SessionScope,
  Reject.SessionNotional,
])

/** An order that was tried first is answered as the trial said, unless its account's switch acted before it. */
function compareTrial(words: Int32Array, tried: number, events: readonly Int32Array[], where: string): void {
  if (kindOf(words[0]!) !== CommandKind.Place) return
  const isBySwitch = (event: Int32Array): boolean =>
    kindOf(event[0]!) === EventKind.Canceled && event[CanceledEv.REASON] === CancelReason.DeadManSwitch
  if (events.some(isBySwitch)) return
  const rejected = events.find((event) => kindOf(event[0]!) === EventKind.Rejected)
  const code = rejected?.[RejectedEv.CODE] ?? Reject.None
  if (tried !== code && !BY_FRAME.has(code))
    throw new Error(`${where}: tried ${rejectNames[tried]}, answered ${rejectNames[code]}`)
}

function compareBalances(fast: Engine, slow: ReferenceEngine, where: string): void {
  for (const [account, { balances }] of slow.accounts)
    for (const [asset, { available, reserved }] of balances) {
      const found = `${fast.available(account, asset)} ${fast.reserved(account, asset)}`
      if (found !== `${available} ${reserved}`)
        throw new Error(
          `${where}: account ${account} asset ${asset}: ${found}, reference ${available} ${reserved}`,
        )
    }
}

function compareState(fast: Engine, slow: ReferenceEngine, where: string): void {
  const bytes = fast.captureSnapshot()
  const body = bytes.subarray(SNAPSHOT_HEADER_BYTES, bytes.length - DIGEST_BYTES)
  const expected = referenceBody(slow)
  if (Buffer.compare(body, expected) === 0) return
  let at = 0
  while (body[at] === expected[at]) at++
  throw new Error(`${where}: states differ at byte ${at} of ${body.length} and ${expected.length}`)
}
