/** Random orders and amends, read from a tape; see random-session.ts. In tests only. */
import { OrderType, TimeInForce } from '../codes.js'
import type { PostOnly, Side, Stp } from '../codes.js'
import * as commands from '../commands.js'
import { PlaceCmd } from '../layout.js'
import { DEADLINE_AHEAD_MS_MAX, EXPIRY_AHEAD_MS_MAX } from '../limits.js'
import { BAD_INTS, type LiveOrder, type Tape } from './random-tape.js'

/** Mostly none; else about now, or further ahead than is taken. */
export function drawDeadline(tape: Tape): number {
  if (!tape.rarely(25)) return 0
  if (tape.rarely(4)) return tape.nowMs + DEADLINE_AHEAD_MS_MAX + tape.below(3)
  return tape.nowMs - 1 + tape.below(4)
}

/** Few values, so that many orders expire together. */
export function drawExpiry(tape: Tape): number {
  if (tape.rarely(25)) return tape.nowMs + EXPIRY_AHEAD_MS_MAX + tape.below(3)
  return 5 * Math.floor(tape.nowMs / 5) + 5 * (tape.rarely(20) ? 0 : 1 + tape.below(5))
}

export function drawPlace(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  market: number,
): void {
  const side = tape.below(2) as Side
  const type = (tape.rarely(2) ? tape.below(tape.rarely(30) ? 7 : 6) : 0) as OrderType
  const isMarket = (type & 1) === 1
  const expires = tape.mood === 'expiring' && type !== OrderType.Market && tape.rarely(2)
  const anyTimeInForce = (tape.rarely(3) ? tape.below(tape.rarely(20) ? 5 : 4) : 0) as TimeInForce
  const timeInForce = expires ? TimeInForce.GTD : anyTimeInForce
  // Protection prices in and out of the band.
  const ticks = isMarket && tape.rarely(2) ? tape.pick([1, 2, 50, 200, 100_000]) : tape.ticks()
  const lots = tape.rarely(50) ? tape.pick(BAD_INTS) : tape.rarely(3) ? 1 : 1 + tape.below(20)
  const budget =
    isMarket && tape.rarely(side === 0 ? 2 : 30) ? tape.byte() * 8 + (tape.rarely(30) ? 0.5 : 0) : 0
  commands.writePlace(
    words,
    floats,
    0,
    account,
    market,
    side,
    budget > 0 && tape.rarely(2) ? 0 : ticks,
    lots,
    tape.below(40),
    tape.rarely(20) ? 1 : 0,
    {
      type,
      timeInForce,
      postOnly: (tape.rarely(isMarket ? 60 : 6) ? tape.below(tape.rarely(20) ? 4 : 3) : 0) as PostOnly,
      stp: (tape.rarely(2) ? tape.below(4) : tape.rarely(60) ? 5 : 0) as Stp,
      triggerTicks: type >= OrderType.StopLimit ? drawTrigger(tape) : tape.rarely(90) ? 5 : 0,
      displayLots: tape.rarely(isMarket || timeInForce === TimeInForce.FOK ? 60 : 4) ? tape.below(6) : 0,
      quoteBudget: budget,
      expiresAtMs: timeInForce === TimeInForce.GTD ? drawExpiry(tape) : tape.rarely(60) ? 9 : 0,
      deadlineMs: drawDeadline(tape),
    },
  )
  if (tape.rarely(60))
    words[0]! |= 1 << (tape.below(2) === 0 ? PlaceCmd.INVALID_SIDE_SHIFT : PlaceCmd.INVALID_CLOID_SHIFT)
}

const drawTrigger = (tape: Tape): number =>
  tape.rarely(30) ? -1 : Math.max(1, tape.lowTicks - 1) + tape.below(tape.spreadTicks + 2)

/** Names an order and what it shall become; `order` gives it values that it has already. */
export function drawAmend(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  market: number,
  low: number,
  high: number,
  order: LiveOrder | undefined,
): void {
  // Taking again what it took of before: its fees then meet those of others in all fractions.
  const takes = order !== undefined && tape.mood === 'emptying' && tape.rarely(2)
  const farTicks = order?.side === 0 ? tape.lowTicks + tape.spreadTicks - 1 : tape.lowTicks
  const newTicks = takes ? farTicks : tape.rarely(10) ? tape.pick([1, 90, 110, 150]) : tape.ticks()
  // Also so many lots that an iceberg of a few would have too many parts.
  const newLots = tape.rarely(40)
    ? tape.pick(BAD_INTS)
    : tape.rarely(12)
      ? tape.pick([10_001, 20_001, 60_000])
      : 1 + tape.below(24)
  const ticks = order !== undefined && !takes && tape.rarely(2) ? order.ticks : newTicks
  const lots = order !== undefined && tape.rarely(3) ? order.lots : newLots
  const retriggers = order?.waiting === true ? tape.rarely(2) : tape.rarely(20)
  commands.writeAmend(words, floats, 0, account, market, ticks, lots, low, high, {
    displayLots: tape.rarely(5) ? 1 + tape.below(5) : 0,
    triggerTicks: retriggers ? drawTrigger(tape) : 0,
    expiresAtMs: tape.rarely((order?.expiresAtMs ?? 0) === 0 ? 40 : 3) ? drawExpiry(tape) : 0,
    deadlineMs: drawDeadline(tape),
  })
  if (tape.rarely(60)) floats[3] = 7
}
