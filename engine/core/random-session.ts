/**
 * Turns a tape of bytes into a session of commands for the property tests: any tape is a session, and a
 * shorter tape is a shorter session, so a failing one shrinks well. Values are drawn from small ranges,
 * so that orders meet, ids clash and funds run out, with now and then one that is out of every bound.
 */
import { CancelReason, CommandKind } from '../codes.js'
import * as commands from '../commands.js'
import { Attr, COMMAND_WORDS, INT_NOT_AN_INTEGER, INT_OVER_LIMIT } from '../layout.js'
import { FRAME_WINDOW_IDLE_MS } from '../limits.js'
import type { EngineOptions, GenesisConfig, MarketConfig } from '../types.js'
import type { OrderType, PostOnly, Side, Stp, TimeInForce } from '../codes.js'

const ACCOUNTS = 5
const BAD_INTS = [0, -1, INT_OVER_LIMIT, INT_NOT_AN_INTEGER, 2 ** 31 - 1]
const BAD_UNITS = [0, -1, 1.5, NaN, Infinity, 2 ** 53, 2 ** 53 - 1]

export class Tape {
  private at = 0
  private last = 0
  /** The last approval drawn of each account. */
  readonly approvals = new Map<number, number>()
  /** Quote units are multiplied by it: large amounts take other paths of the fee arithmetic. */
  scale = 1

  constructor(private readonly bytes: Uint8Array) {}

  get empty(): boolean {
    return this.at >= this.bytes.length
  }

  /** The next byte; 0 behind the end. */
  byte(): number {
    return this.bytes[this.at++] ?? 0
  }

  /** One of 0 to `count` - 1. */
  below(count: number): number {
    return this.byte() % count
  }

  /** An account: often the one before again, so that frames and amends find their owner. */
  account(): number {
    const choice = this.byte()
    if (choice < 4) return [-1, 7, 99, ACCOUNTS - 1][choice]!
    if (choice >= 128) this.last = choice % (ACCOUNTS - 1)
    return this.last
  }

  /** True once in `times`. */
  rarely(times: number): boolean {
    return this.byte() % times === times - 1
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }
}

/** Genesis drawn from the tape: fees, bands and the frame rule differ from session to session. */
export function drawOptions(tape: Tape): Omit<EngineOptions, 'onEvents'> {
  const market = (id: number, base: number, quote: number): MarketConfig => {
    const takerFeePpm = tape.pick([0, 1, 50_000, 100_000])
    return {
      id,
      base,
      quote,
      lotUnits: tape.pick([1, 3]),
      tickUnits: tape.pick([1, 2, 7]) * (quote === 0 ? tape.scale : 1),
      takerFeePpm,
      makerFeePpm: tape.pick([0, -takerFeePpm, 20_000, 3]),
      bandPpm: tape.pick([0, 0, 0, 30_000]),
    }
  }
  if (tape.rarely(6)) tape.scale = 4e9 + 7
  const genesis: GenesisConfig = {
    assets: [
      { id: 0, symbol: 'USD' },
      { id: 1, symbol: 'ABC' },
      { id: 2, symbol: 'XYZ' },
    ],
    markets: [market(0, 1, 0), market(1, 2, 1)],
    feeAccount: tape.below(2),
    requireFrames: tape.rarely(16),
  }
  return {
    genesis,
    ordersMax: tape.pick([64, 24, 8]),
    levelsMax: 256,
    accountsMax: 8,
    balancesMax: 64,
    sessionsMax: tape.pick([16, 16, 7]),
    accountSessionsMax: tape.pick([1, 2, 16]),
    sessionLifetimeMsMax: tape.pick([1000, 200]),
    frameWindowsMax: tape.pick([16, 16, 2]),
    marketsMax: 4,
  }
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
    const scopes = tape.pick([2, 2, 6, 1])
    const maxNotional = tape.pick([0, 0, 1500])
    commands.writeApproveSession(words, 0, holder, sessionKey(holder), 1, {
      scopes,
      maxNotional,
      expiresAtMs: 150,
      nonce: 1,
      deadlineMs: 200,
    })
    tape.approvals.set(holder, 1)
    return true
  }
  const asset = index % 3
  const units = tape.pick([200_000, 200_000, 20_000, 1000]) * (asset === 0 ? tape.scale : 1)
  commands.writeDeposit(words, floats, 0, account, asset, units)
  return true
}

/** An order that a command may name. */
export interface LiveOrder {
  readonly account: number
  readonly market: number
  readonly cloid: bigint
  readonly ticks: number
  readonly lots: number
}

/** Writes the next command of the tape at word 0; amends and cancels mostly name one of the `live` orders. */
export function drawCommand(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  live: readonly LiveOrder[],
): void {
  const account = tape.account()
  const market = tape.rarely(60) ? tape.pick([-1, 2, 5000]) : tape.rarely(9) ? 1 : 0
  const kind = tape.below(100)
  if (kind < 55) drawPlace(tape, words, floats, account, market)
  else if (kind < 76) {
    const order = live.length > 0 && !tape.rarely(5) ? tape.pick(live) : undefined
    const owner = order?.account ?? account
    const where = order?.market ?? market
    const low = order === undefined ? tape.below(6) : Number(order.cloid & 0xffffffffn)
    const high = order === undefined ? 0 : Number(order.cloid >> 32n)
    if (kind < 71) drawAmend(tape, words, floats, owner, where, low, high, order)
    else commands.writeCancel(words, floats, 0, owner, where, low, high, drawDeadline(tape))
  } else if (kind < 78)
    commands.writeCancelAll(
      words,
      floats,
      0,
      account,
      tape.rarely(2) ? market : -1,
      tape.pick([-1, -1, 0, 1, 2]),
      tape.pick([0, 0, CancelReason.Disconnect]),
      drawDeadline(tape),
    )
  else if (kind < 81) {
    const units = tape.rarely(10) ? tape.pick(BAD_UNITS) : (1 + tape.byte()) * tape.pick([1, 10, 100])
    commands.writeDeposit(
      words,
      floats,
      0,
      account,
      tape.below(4),
      units,
      tape.rarely(5) ? tape.below(3) : -1,
    )
  } else if (kind < 82)
    commands.writeWithdraw(
      words,
      floats,
      0,
      account,
      tape.below(4),
      1 + tape.byte(),
      drawConsent(tape, tape.below(4)),
    )
  else if (kind < 83)
    commands.writeTransfer(words, floats, 0, account, tape.below(ACCOUNTS), tape.below(3), tape.byte())
  else if (kind < 87) commands.writeTime(words, floats, 0, drawTime(tape))
  else if (kind < 88) drawSession(tape, words, floats, account)
  else if (kind < 93)
    commands.writeFrame(
      words,
      floats,
      0,
      account,
      tape.rarely(8) ? tape.below(6) : (tape.approvals.get(account) ?? 1),
      tape.pick([1, 2, 3, 5, 8, 8, 8, 0, 65]),
      drawNonce(tape),
    )
  else drawRare(tape, words, floats, account, market)
}

/** Now and then past the hour after which a session's nonces are forgotten. */
const drawTime = (tape: Tape): number => {
  if (tape.rarely(20)) return tape.pick(BAD_UNITS)
  return tape.byte() + (tape.rarely(100) ? FRAME_WINDOW_IDLE_MS : 0)
}
const drawDeadline = (tape: Tape): number => (tape.rarely(30) ? tape.byte() : 0)
/** Mostly near one another, now and then far ahead, so that windows slide. */
const drawNonce = (tape: Tape): number => tape.below(6) + (tape.rarely(6) ? 100 : 0)

function drawPlace(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  market: number,
): void {
  const side = tape.below(2) as Side
  const ticks = tape.rarely(50) ? tape.pick(BAD_INTS) : 95 + tape.below(12)
  const lots = tape.rarely(50) ? tape.pick(BAD_INTS) : 1 + tape.below(20)
  const type = (tape.rarely(3) ? tape.below(tape.rarely(20) ? 7 : 6) : 0) as OrderType
  const timeInForce = (tape.rarely(3) ? tape.below(tape.rarely(20) ? 5 : 4) : 0) as TimeInForce
  commands.writePlace(
    words,
    floats,
    0,
    account,
    market,
    side,
    ticks,
    lots,
    tape.below(8),
    tape.rarely(20) ? 1 : 0,
    {
      type,
      timeInForce,
      postOnly: (tape.rarely(6) ? tape.below(tape.rarely(20) ? 4 : 3) : 0) as PostOnly,
      stp: (tape.rarely(2) ? tape.below(4) : tape.rarely(20) ? 5 : 0) as Stp,
      triggerTicks: type >= 2 ? (tape.rarely(20) ? -1 : 94 + tape.below(14)) : tape.rarely(30) ? 5 : 0,
      displayLots: tape.rarely(5) ? tape.below(6) : 0,
      quoteBudget: (type & 1) === 1 && tape.rarely(3) ? tape.byte() * 8 + (tape.rarely(30) ? 0.5 : 0) : 0,
      expiresAtMs: timeInForce === 3 ? tape.byte() : tape.rarely(40) ? 9 : 0,
      deadlineMs: drawDeadline(tape),
    },
  )
  if (tape.rarely(60))
    words[0]! |= 1 << (tape.below(2) === 0 ? Attr.INVALID_SIDE_SHIFT : Attr.INVALID_CLOID_SHIFT)
}

function drawAmend(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  market: number,
  low: number,
  high: number,
  order: LiveOrder | undefined,
): void {
  const newTicks = tape.rarely(40) ? tape.pick(BAD_INTS) : 95 + tape.below(12)
  const newLots = tape.rarely(40) ? tape.pick(BAD_INTS) : 1 + tape.below(24)
  const ticks = order !== undefined && tape.rarely(2) ? order.ticks : newTicks
  const lots = order !== undefined && tape.rarely(3) ? order.lots : newLots
  commands.writeAmend(words, floats, 0, account, market, ticks, lots, low, high, {
    displayLots: tape.rarely(5) ? 1 + tape.below(5) : 0,
    triggerTicks: tape.rarely(6) ? 94 + tape.below(14) : 0,
    expiresAtMs: tape.rarely(8) ? tape.byte() : 0,
    deadlineMs: drawDeadline(tape),
  })
}

function drawSession(tape: Tape, words: Int32Array, floats: Float64Array, account: number): void {
  const last = tape.approvals.get(account) ?? 0
  const nonce = tape.rarely(6) ? tape.byte() : last + 1 + tape.below(3)
  if (tape.rarely(4)) {
    const approval = tape.rarely(3) ? tape.byte() : last
    commands.writeRevokeSession(words, floats, 0, account, approval, drawConsent(tape, nonce))
    return
  }
  commands.writeApproveSession(words, 0, account, sessionKey(tape.below(6)), tape.below(2), {
    scopes: tape.pick([2, 2, 6, 7, 1, 0]),
    maxNotional: tape.pick([0, 0, 1000, 1e9]),
    expiresAtMs: 20 + tape.byte() * tape.pick([1, 1, 1, 3]),
    nonce: tape.rarely(20) ? tape.pick([0, 86_400_001_000, 2 ** 53 - 1]) : nonce,
    deadlineMs: tape.rarely(8) ? tape.pick([0, 50, 86_400_256, 2 ** 43 - 1]) : 256,
  })
  tape.approvals.set(account, nonce)
}

/** Few keys, so that approvals meet those of before. */
const sessionKey = (number: number): number[] => [0, 0, 0, 0, 0, 0, 0, number]

/** Mostly a wallet's, with now and then a nonce or deadline that is none, or is too far ahead. */
function drawConsent(tape: Tape, nonce: number): commands.Consent {
  if (tape.rarely(4)) return 'operator'
  if (tape.rarely(6)) return 'frame'
  return {
    nonce: tape.rarely(8) ? tape.pick([0, -1, 0.5, NaN, 86_400_001_000, 2 ** 53]) : nonce,
    deadlineMs: tape.rarely(8) ? tape.pick([0, NaN, 50, 86_400_256, 0.5]) : 256,
  }
}

function drawRare(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  market: number,
): void {
  switch (tape.below(9)) {
    case 0:
      commands.writeOpenAccount(words, 0, account, [tape.below(2), 0, 0, 0, 7])
      return
    case 1:
      commands.writeMarketStatus(words, 0, market, tape.pick([0, 0, 0, 1, 2, 3]))
      return
    case 2:
      commands.writeMarketFees(
        words,
        0,
        market,
        tape.pick([0, -500, 70_000, -90_000]),
        tape.pick([0, 500, 90_000, -1]),
        tape.below(4),
      )
      return
    case 3:
      commands.writePriceBand(words, 0, market, tape.pick([0, 0, 20_000, 1_000_000, -1]))
      return
    case 4:
      commands.writeAccountTier(words, 0, account, tape.pick([0, 1, 2, 3, 16]))
      return
    case 5:
      commands.writeCancelAfter(words, floats, 0, account, tape.byte(), drawDeadline(tape))
      return
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
    default:
      words.fill(0, 0, COMMAND_WORDS)
      words[0] = tape.pick([0, 99, 255, CommandKind.Time])
      floats[3] = NaN
  }
}
