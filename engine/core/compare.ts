/**
 * Runs one session through the fast core and the reference side by side and throws at the first thing on
 * which they differ: an event, a balance, an invariant, the state. In tests only.
 */
import { CommandKind, EventKind, Reject, commandNames, eventNames, rejectNames } from '../codes.js'
import { COMMAND_WORDS, EVENT_WORDS, Ev } from '../layout.js'
import type { Engine } from '../types.js'
import { createEngine, restoreEngine } from './engine.js'
import { Tape, drawCommand, drawFunding, drawOptions } from './random-session.js'
import { ReferenceEngine } from './reference-engine.js'
import { referenceBody } from './reference-state.js'
import { DIGEST_BYTES, SNAPSHOT_HEADER_BYTES } from './snapshot-format.js'

/** What sessions have shown so far, so that a test can ask for a mix that shows enough. */
export interface Seen {
  commands: number
  readonly events: Map<number, number>
  readonly codes: Map<string, number>
}

export const newSeen = (): Seen => ({ commands: 0, events: new Map(), codes: new Map() })

/**
 * Plays the tape. Every `snapshotEvery` commands the fast engine is replaced by one restored from its own
 * snapshot. @throws Error naming the command at which they part.
 */
export function playTape(bytes: Uint8Array, snapshotEvery: number, seen: Seen): void {
  const tape = new Tape(bytes)
  const options = drawOptions(tape)
  let events: Int32Array[] = []
  const onEvents = ({ words, count }: { words: Int32Array; count: number }): void => {
    for (let index = 0; index < count; index++)
      events.push(words.slice(index * EVENT_WORDS, (index + 1) * EVENT_WORDS))
  }
  let fast = createEngine({ ...options, onEvents })
  const slow = new ReferenceEngine({ ...options, onEvents })
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  let funding = true
  for (let number = 1; !tape.empty; number++) {
    if (funding) funding = drawFunding(tape, number - 1, words, floats)
    if (!funding) drawCommand(tape, words, floats, slow.liveOrders())
    events = []
    slow.apply(words, floats, 0)
    const tried = fast.tryPlace(words, floats, 0, 0, 0)
    fast.apply(words, floats, 0)
    fast.flush()
    const where = `command ${number} (${commandNames[words[0]! & 0xff] ?? 'unknown'} ${Array.from(words).join(' ')})`
    compareEvents(events, slow.events, where)
    compareTrial(words, tried, events, where)
    fast.checkInvariants()
    compareBalances(fast, slow, where)
    note(seen, events)
    if (number % snapshotEvery === 0) {
      compareState(fast, slow, where)
      fast = restoreEngine(fast.snapshot(), { ...options, onEvents })
      fast.checkInvariants()
    }
  }
  compareState(fast, slow, 'the end')
}

function note(seen: Seen, events: readonly Int32Array[]): void {
  seen.commands++
  for (const event of events) {
    const kind = event[0]! & 0xff
    seen.events.set(kind, (seen.events.get(kind) ?? 0) + 1)
    const code = `${eventNames[kind]} ${event[7]}`
    seen.codes.set(code, (seen.codes.get(code) ?? 0) + 1)
  }
}

function compareEvents(fast: readonly Int32Array[], slow: readonly Int32Array[], where: string): void {
  const text = (events: readonly Int32Array[]): string =>
    events
      .map((event) => {
        const floats = new Float64Array(event.buffer, event.byteOffset, EVENT_WORDS / 2)
        return `${eventNames[event[0]! & 0xff]} ${Array.from(event.subarray(0, 16)).join(' ')} | ${Array.from(floats.subarray(8)).join(' ')}`
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

/** An order that was tried first is answered as the trial said. */
function compareTrial(words: Int32Array, tried: number, events: readonly Int32Array[], where: string): void {
  if ((words[0]! & 0xff) !== CommandKind.Place) return
  const rejected = events.find((event) => (event[0]! & 0xff) === EventKind.Rejected)
  const code = rejected?.[Ev.CODE] ?? Reject.None
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
