/**
 * Turns a tape of bytes into a session of commands for the property tests. Values are drawn from small
 * ranges, so that orders meet, ids clash, funds run out and bounds of work are reached, with now and then one
 * that is out of every bound. In tests only.
 */
import { CancelReason, CommandKind } from '../codes.js'
import * as commands from '../commands.js'
import { COMMAND_WORDS, TimeCmd } from '../layout.js'
import { COMMAND_STEPS_MAX, EXPIRY_AHEAD_MS_MAX } from '../limits.js'
import type { EngineOptions, GenesisConfig, MarketConfig } from '../types.js'
import { drawAmend, drawDeadline, drawPlace } from './random-orders.js'
import { ACCOUNTS, BAD_UNITS, MOODS, type Mood, type Scene, type Tape } from './random-tape.js'
import { drawFirstSession, drawFrame, drawSession, drawTime, drawWithdraw } from './random-wallet.js'

/** Genesis drawn from the tape: prices, fees, bands, bounds and the frame rule differ from session to session. */
export function drawOptions(tape: Tape): Omit<EngineOptions, 'onEvents'> {
  tape.mood = tape.pick(MOODS)
  const market = (id: number, base: number, quote: number): MarketConfig => {
    const rates = tape.mood === 'emptying' ? [333, 30_000, 70_000] : [0, 1, 333, 50_000, 100_000]
    const takerFeePpm = tape.pick(rates)
    return {
      id,
      base,
      quote,
      lotUnits: tape.pick([1, 4, 10]),
      tickUnits: tape.pick([1, 2, 7]) * (quote === 0 ? tape.scale : 1),
      takerFeePpm,
      makerFeePpm:
        tape.mood === 'emptying' ? -takerFeePpm : tape.pick([0, -takerFeePpm, -takerFeePpm, 20_000, 3]),
      bandPpm: tape.pick(tape.mood === 'emptying' ? [0, 400_000] : [0, 60_000, 100_000, 400_000]),
    }
  }
  if (tape.rarely(6)) tape.scale = 4e9 + 7
  if (tape.rarely(3)) {
    tape.lowTicks = 1
    tape.spreadTicks = 10
  }
  const genesis: GenesisConfig = {
    assets: [
      { id: 0, symbol: 'USD', ...drawTerms(tape) },
      { id: 1, symbol: 'ABC', ...drawTerms(tape) },
      { id: 2, symbol: 'XYZ' },
    ],
    markets: [market(0, 1, 0), market(1, 2, 1)],
    feeAccount: tape.pick([0, 4, 4]),
    requireFrames: tape.rarely(30),
  }
  return {
    genesis,
    ordersMax: tape.pick([64, 24, 8]),
    levelsMax: tape.pick([256, 256, 10]),
    accountsMax: 8,
    balancesMax: tape.pick([64, 64, 11]),
    accountOrdersMax: tape.pick([64, 64, 4]),
    sessionsMax: tape.pick([16, 16, 5]),
    accountSessionsMax: tape.pick([2, 16]),
    sessionLifetimeMsMax: tape.pick([1000, 200]),
    frameWindowsMax: tape.pick([16, 3, 2]),
    marketsMax: 4,
    commandStepsMax: tape.pick([2, 3, 3, 8, 64, COMMAND_STEPS_MAX]),
  }
}

/** Minimum and fee of an asset's withdrawals, half of the time none. */
function drawTerms(tape: Tape): { withdrawMinUnits?: number; withdrawFeeUnits?: number } {
  if (tape.rarely(2)) return {}
  return { withdrawMinUnits: tape.pick([1, 7, 40]), withdrawFeeUnits: tape.below(2) }
}

/**
 * Writes what a session starts with, one command a call, until it returns false: deposits, and a session
 * key of each account, all for the accounts but the last.
 */
export function drawFunding(tape: Tape, index: number, words: Int32Array, floats: Float64Array): boolean {
  const account = Math.floor(index / 3)
  if (account >= ACCOUNTS - 1) {
    const holder = index - 3 * (ACCOUNTS - 1)
    if (holder >= ACCOUNTS - 1) return false
    drawFirstSession(tape, words, holder)
    return true
  }
  const asset = index % 3
  const units = tape.pick([200_000, 200_000, 200_000, 200_000, 20_000, 0]) * (asset === 0 ? tape.scale : 1)
  commands.writeDeposit(words, floats, 0, account, asset, units)
  return true
}

/** Draws below it are of orders; most others may not stand in a frame. */
const ORDER_KINDS = 71

/** What each mood draws more of: any command, withdrawals, mass cancels, frames. */
const MOOD_KIND: Record<Mood, number> = { plain: 0, emptying: 75, cancelling: 68, framed: 88, expiring: 0 }

/** Writes the next command of the tape at word 0; amends and cancels mostly name a live order. */
export function drawCommand(tape: Tape, words: Int32Array, floats: Float64Array, scene: Scene): void {
  const account = scene.framed !== undefined && !tape.rarely(12) ? scene.framed : tape.account()
  const market = tape.rarely(60) ? tape.pick([-1, 2, 5000]) : tape.rarely(9) ? 1 : 0
  const isCancelling = tape.mood === 'cancelling'
  const often = !isCancelling ? 4 : scene.framed === undefined ? 12 : 1
  const drawn = tape.rarely(often) ? MOOD_KIND[tape.mood] : tape.below(100)
  const strays = drawn >= ORDER_KINDS && (drawn < 79 || drawn >= 86) && scene.framed !== undefined
  const kind = strays && !tape.rarely(6) ? drawn - ORDER_KINDS : drawn
  if (kind < 50) drawPlace(tape, words, floats, account, market)
  else if (kind < 68) {
    const order = scene.live.length > 0 && !tape.rarely(12) ? tape.pick(scene.live) : undefined
    const owner = order?.account ?? account
    const where = order?.market ?? market
    const low = order === undefined ? tape.below(6) : Number(order.cloid & 0xffffffffn)
    const high = order === undefined ? 0 : Number(order.cloid >> 32n)
    if (kind < 64) drawAmend(tape, words, floats, owner, where, low, high, order)
    else commands.writeCancel(words, floats, 0, owner, where, low, high, drawDeadline(tape))
  } else if (kind < ORDER_KINDS) drawCancelAll(tape, words, floats, account, market)
  else if (kind < 74) {
    const units = tape.rarely(10) ? tape.pick(BAD_UNITS) : (1 + tape.byte()) * tape.pick([1, 10, 100])
    const position = tape.rarely(5) ? tape.below(3) : -1
    commands.writeDeposit(words, floats, 0, account, tape.below(4), units, position)
  } else if (kind < 78) drawWithdraw(tape, words, floats, account, scene)
  else if (kind < 79)
    commands.writeTransfer(words, floats, 0, account, tape.below(ACCOUNTS), tape.below(3), tape.byte())
  else if (kind < 86) {
    commands.writeTime(words, floats, 0, drawTime(tape))
    if (tape.rarely(2)) words[TimeCmd.FIRST_MARKET] = tape.rarely(30) ? -1 : tape.pick([1, 1, 2, 5000])
  } else if (kind < 88) drawSession(tape, words, floats, account)
  else if (kind < 93) drawFrame(tape, words, floats, account, scene)
  else drawRare(tape, words, floats, account, market)
}

function drawCancelAll(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  market: number,
): void {
  // One after the other, so that many different ones are under way.
  const draw = tape.mood === 'cancelling' ? tape.massCancels++ : tape.byte()
  const where = draw % 2 === 0 ? market : -1
  const side = tape.rarely(20) ? 2 : (Math.floor(draw / 2) % 3) - 1
  const reason = Math.floor(draw / 6) % 2 === 0 ? 0 : CancelReason.Disconnect
  commands.writeCancelAll(words, floats, 0, account, where, side, reason, drawDeadline(tape))
}

function drawRare(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  market: number,
): void {
  switch (tape.below(13)) {
    case 0:
      commands.writeOpenAccount(words, 0, account, [tape.below(2), 0, 0, 0, 7])
      return
    case 1:
      commands.writeMarketStatus(words, 0, market, tape.pick([0, 0, 0, 1, 2, 3]))
      return
    case 2:
    case 9: {
      const taker = tape.pick([0, 500, 90_000, -1])
      const maker = tape.pick([0, -500, 70_000, -90_000])
      commands.writeMarketFees(words, 0, market, maker, taker, tape.pick([0, 1, 1, 2]))
      return
    }
    case 3:
      commands.writePriceBand(words, 0, market, tape.pick([0, 20_000, 150_000, 1_000_000, -1]))
      return
    case 4:
    case 10:
      commands.writeAccountTier(words, 0, account, tape.pick([0, 1, 1, 2, 16]))
      return
    case 5: {
      const atMs = tape.rarely(8)
        ? tape.pick([0, tape.nowMs + EXPIRY_AHEAD_MS_MAX + 1])
        : tape.nowMs + tape.below(9)
      commands.writeCancelAfter(words, floats, 0, account, atMs, drawDeadline(tape))
      return
    }
    case 6:
      commands.writeProtection(
        words,
        floats,
        0,
        account,
        market,
        tape.pick([0, 10, 50]),
        tape.below(4),
        tape.pick([0, 0, 900]),
      )
      return
    case 7:
      commands.writeResetProtection(words, 0, account, market)
      return
    case 11:
      // Mostly open: what is closed shows little.
      commands.writeExchangeStatus(words, 0, tape.pick([1, 2, 2, 3]), tape.pick([0, 0, 0, 0, 1, 2]))
      return
    case 8: {
      const minUnits = tape.pick([0, 3, 20, 20, 1e10, 1e10 + 1, 0.5])
      const feeUnits = tape.pick([0, 0, 2, 3, 20, -1])
      commands.writeWithdrawTerms(words, floats, 0, tape.below(4), minUnits, feeUnits)
      return
    }
    default:
      words.fill(0, 0, COMMAND_WORDS)
      words[0] = tape.pick([0, 99, 255, CommandKind.Time])
      floats[3] = NaN
  }
}
