/**
 * Candles and the figures of a day against a model that keeps every trade and counts anew each time: random
 * sessions in which time stands, creeps, and jumps beyond a day, and which are cut into an older and a newer part.
 * A few seeds in CI, many with GLASSBOOK_LONG=1.
 */
import { CANDLE_INTERVALS, type CandleInterval } from '../../sdk/wire/layout.js'
import { Random } from '../../test/simulator/random.js'
import { type Candle, Candles, INTERVALS } from './candles.js'

interface Trade {
  readonly seq: number
  readonly timeMs: number
  readonly ticks: number
  readonly lots: number
}
const TICK_UNITS = 3
const DAY_MS = 24 * 60 * 60 * 1000
const MINUTE_MS = 60_000

/** By the protocol: open, high, low, close, lots, quote units, trades, last seq of the trades of each interval. */
function candlesOf(trades: readonly Trade[], interval: CandleInterval): Candle[] {
  const starts = [...new Set(trades.map(({ timeMs }) => timeMs - (timeMs % CANDLE_INTERVALS[interval])))]
  return starts.map((startMs) => {
    const own = trades.filter(
      ({ timeMs }) => timeMs >= startMs && timeMs < startMs + CANDLE_INTERVALS[interval],
    )
    const ticks = own.map((trade) => trade.ticks)
    const sum = (of: (trade: Trade) => number): number => own.reduce((total, trade) => total + of(trade), 0)
    return [
      ...([startMs, ticks[0]!, Math.max(...ticks), Math.min(...ticks), ticks.at(-1)!] as const),
      ...([sum(({ lots }) => lots), sum(({ ticks: at, lots }) => at * lots * TICK_UNITS)] as const),
      ...([own.length, own.at(-1)!.seq] as const),
    ]
  })
}

/** Trades of the minutes that began within the last 24 hours. */
function dayOf(trades: readonly Trade[], nowMs: number): object {
  const own = trades.filter(({ timeMs }) => timeMs - (timeMs % MINUTE_MS) > nowMs - DAY_MS)
  const ticks = own.map((trade) => trade.ticks)
  return {
    open: ticks[0] ?? 0,
    high: Math.max(0, ...ticks),
    low: ticks.length === 0 ? 0 : Math.min(...ticks),
    lots: own.reduce((sum, { lots }) => sum + lots, 0),
    quoteUnits: own.reduce((sum, { ticks: at, lots }) => sum + at * lots * TICK_UNITS, 0),
    trades: own.length,
  }
}

const SEEDS = process.env['GLASSBOOK_LONG'] === '1' ? 200 : 8
const TRADES = 120

test.each(Array.from({ length: SEEDS }, (_, seed) => seed + 1))('session %i', (seed) => {
  const random = new Random(seed)
  const trades: Trade[] = []
  const older = new Candles(TICK_UNITS)
  const newer = new Candles(TICK_UNITS)
  const cutAt = random.below(TRADES)
  newer.setOlder(older)
  let timeMs = 1_700_000_000_000 + random.below(DAY_MS)
  for (let seq = 1; seq <= TRADES; seq++) {
    // A sweep has one time; otherwise seconds, minutes, hours or more than a day go by.
    timeMs += random.below(
      [1, 1, 2_000, 5 * MINUTE_MS, 5 * 60 * MINUTE_MS, 30 * 60 * MINUTE_MS][random.below(6)]!,
    )
    const trade = { seq, timeMs, ticks: 90 + random.below(20), lots: 1 + random.below(9) }
    trades.push(trade)
    ;(seq <= cutAt ? older : newer).add(seq, timeMs, trade.ticks, trade.lots)
    if (seq === cutAt + Math.floor((TRADES - cutAt) / 2)) newer.absorb()
    for (const interval of INTERVALS) {
      const expected = candlesOf(trades, interval)
      expect([seq, interval, newer.latest(interval, 1500)]).toEqual([seq, interval, expected])
      expect(newer.latest(interval, 2)).toEqual(expected.slice(-2))
    }
    const nowMs = timeMs + random.below(2) * random.below(DAY_MS + 2 * MINUTE_MS)
    expect([seq, newer.day(nowMs)]).toEqual([seq, dayOf(trades, nowMs)])
    expect(newer.lastSeq).toBe(seq)
  }
})
