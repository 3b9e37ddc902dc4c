/**
 * Random sessions of mixed commands through the fast core and the reference: same events, same balances,
 * same state, invariants after each command, and snapshot and restore on the way change nothing. What both
 * could have wrong alike is held by session-audit.ts, which knows neither: conservation, fees to the
 * millionth, prices as told, reserves, bounds of sessions and of work.
 *
 * GLASSBOOK_RUNS sets the number of sessions (2,000, some 180,000 commands), GLASSBOOK_SEED the seed: the long mode,
 * which from 10,000 sessions on also asks whether the mix showed everything.
 */
import fc from 'fast-check'
import { CancelReason, EventKind, Reject, cancelReasonNames, eventNames, rejectNames } from '../codes.js'
import { newSeen, playTape } from './compare.js'

const RUNS = Number(process.env['GLASSBOOK_RUNS'] ?? 2_000)
const SEED = Number(process.env['GLASSBOOK_SEED'] ?? 20_261_124)

test(`${RUNS} random sessions: fast core and reference agree`, () => {
  const seen = newSeen()
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 400, maxLength: 2000, size: 'max' }),
      fc.integer({ min: 5, max: 40 }),
      (bytes, snapshotEvery) => {
        playTape(bytes, snapshotEvery, seen)
      },
    ),
    // The error says what differs; making its tape smaller takes longer than anybody waits.
    { numRuns: RUNS, seed: SEED, endOnFailure: true, includeErrorInReport: true },
  )
  console.log(
    `${RUNS} sessions, seed ${SEED}: ${seen.commands} commands, ${seen.events.get(EventKind.Fill)} fills`,
  )
  if (RUNS < 10_000) return
  // A mix that never shows a thing tests nothing about it.
  const missing = [
    ...Object.values(EventKind)
      .filter((kind) => !NOT_DRAWN_EVENTS.has(kind) && !seen.events.has(kind))
      .map((kind) => `event ${eventNames[kind]}`),
    ...Object.values(Reject)
      .filter(
        (code) => code !== Reject.None && !NOT_DRAWN_REJECTS.has(code) && !seen.codes.has(`Rejected ${code}`),
      )
      .map((code) => `reject ${rejectNames[code]}`),
    ...Object.values(CancelReason)
      .filter((reason) => !NOT_DRAWN_REASONS.has(reason) && !seen.codes.has(`Canceled ${reason}`))
      .map((reason) => `reason ${cancelReasonNames[reason]}`),
  ]
  expect(missing).toEqual([])
  expect(seen.unsignedCodes).toEqual(new Set(UNSIGNED_REJECTS))
  expect(seen.cutCancelAlls).toBeGreaterThan(0)
  expect(seen.pending).toBeGreaterThan(0)
})

/** Views are the publisher's; assets and markets are made in table tests. */
const NOT_DRAWN_EVENTS = new Set<number>([
  EventKind.Level,
  EventKind.Balance,
  EventKind.MarketCreated,
  EventKind.AssetCreated,
])
/** Bounds that the small sessions do not reach: boundary and table tests do. */
const NOT_DRAWN_REJECTS = new Set<number>([
  Reject.MarketsFull,
  Reject.BadMarketConfig,
  Reject.AssetExists,
  Reject.MarketExists,
  Reject.ProtectionsFull,
  // Not given any more: idle windows give way.
  Reject.FrameWindowsFull,
])
/** Every answer to the header of an unsigned frame that is refused. */
const UNSIGNED_REJECTS: readonly number[] = [
  Reject.UnknownSession,
  Reject.SessionExpired,
  Reject.FrameRequired,
  Reject.BadFrame,
  Reject.FrameRejected,
]
const NOT_DRAWN_REASONS = new Set<number>([CancelReason.BookFull, CancelReason.BalanceOverLimit])
