/**
 * Candles of one market at every interval: open, high, low and close in ticks, volume in lots and in
 * quote units. A candle exists only where there was a trade. The newest of each interval are kept in
 * memory; history/market-history.ts keeps them on disk.
 */
import { quoteUnits } from '../../engine/lots-to-units.js'
import { CANDLE_INTERVALS, type CandleInterval } from '../../sdk/wire/layout.js'
import { CANDLES_KEPT } from '../limits.js'

/** [startMs, open, high, low, close, lots, quoteUnits, trades, lastSeq] */
export type Candle = [
  startMs: number,
  open: number,
  high: number,
  low: number,
  close: number,
  lots: number,
  quoteUnits: number,
  trades: number,
  lastSeq: number,
]

export const INTERVALS = Object.keys(CANDLE_INTERVALS) as CandleInterval[]

export class Candles {
  readonly #series = new Map<CandleInterval, Candle[]>(INTERVALS.map((interval) => [interval, []]))
  readonly #changed = new Map<CandleInterval, Set<Candle>>()
  /** Trades of one moment, as a candle, that are not in the series yet: a sweep makes a thousand of them. */
  readonly #moment: Candle = [0, 0, 0, 0, 0, 0, 0, 0, 0]
  readonly #tickUnits: number
  /** Candles of what was before the first trade that came in here, while they are still being found out. */
  #older: Candles | undefined

  /** `tickUnits`: quote units of one lot at one tick. */
  constructor(tickUnits: number) {
    this.#tickUnits = tickUnits
  }

  /** Adds a trade; times do not go back. */
  add(seq: number, timeMs: number, ticks: number, lots: number): void {
    const moment = this.#moment
    if (moment[7] > 0 && timeMs !== moment[0]) this.#settle()
    if (moment[7] === 0) {
      moment[0] = timeMs
      moment[1] = moment[2] = moment[3] = ticks
    } else if (ticks > moment[2]) moment[2] = ticks
    else if (ticks < moment[3]) moment[3] = ticks
    moment[4] = ticks
    moment[5] += lots
    moment[6] += quoteUnits(ticks, lots, this.#tickUnits)
    moment[7]++
    moment[8] = seq
  }

  /** Puts the trades of the moment into the candles of every interval. */
  #settle(): void {
    const moment = this.#moment
    if (moment[7] === 0) return
    const [timeMs, open, high, low, close, lots, traded, trades, seq] = moment
    moment[5] = moment[6] = moment[7] = 0
    for (const [interval, series] of this.#series) {
      const lengthMs = CANDLE_INTERVALS[interval]
      let candle = series.at(-1)
      if (candle === undefined || timeMs >= candle[0] + lengthMs) {
        candle = [timeMs - (timeMs % lengthMs), open, open, open, open, 0, 0, 0, 0]
        series.push(candle)
        if (series.length > CANDLES_KEPT) series.shift()
      }
      if (high > candle[2]) candle[2] = high
      if (low < candle[3]) candle[3] = low
      candle[4] = close
      candle[5] += lots
      candle[6] += traded
      candle[7] += trades
      candle[8] = seq
      const changed = this.#changed.get(interval)
      if (changed === undefined) this.#changed.set(interval, new Set([candle]))
      else changed.add(candle)
    }
  }

  /** Puts back a candle that was stored; to be called oldest first, before any `add`. */
  restore(interval: CandleInterval, candle: Candle): void {
    const series = this.#series.get(interval)!
    if (series.at(-1)?.[0] === candle[0]) series.pop()
    series.push(candle)
    if (series.length > CANDLES_KEPT) series.shift()
  }

  /** Sets what was before: shown from now on, and still growing until `absorb`. */
  setOlder(older: Candles): void {
    this.#older = older
  }

  /** What was before is known: it becomes part of this. */
  absorb(): void {
    if (this.#older === undefined) return
    this.#settle()
    for (const [interval, series] of this.#series) {
      const all = this.latest(interval, CANDLES_KEPT)
      // Those that changed are sent as objects of the series: they stay in it.
      const changed = this.#changed.get(interval)
      const [first] = series
      if (first !== undefined) {
        const merged = all.find(([startMs]) => startMs === first[0])
        if (merged !== undefined && merged !== first) {
          for (const [at, value] of merged.entries()) first[at] = value
          all[all.indexOf(merged)] = first
          if (changed === undefined) this.#changed.set(interval, new Set([first]))
          else changed.add(first)
        }
      }
      series.length = 0
      series.push(...all)
    }
    this.#older = undefined
  }

  /** The newest `limit` candles of an interval, newest last. */
  latest(interval: CandleInterval, limit: number): Candle[] {
    this.#settle()
    const series = this.#series.get(interval)!
    if (limit < series.length) return series.slice(-limit)
    if (this.#older === undefined) return series.slice()
    const older = this.#older.latest(interval, limit)
    const [first, ...rest] = series
    if (first === undefined) return older
    const last = older.at(-1)
    const joined =
      last !== undefined && last[0] === first[0]
        ? [...older.slice(0, -1), joinCandles(last, first), ...rest]
        : [...older, first, ...rest]
    return joined.slice(-limit)
  }

  /** Seq of the last trade that candles know. */
  get lastSeq(): number {
    this.#settle()
    return this.#series.get('1s')!.at(-1)?.[8] ?? this.#older?.lastSeq ?? 0
  }

  /** Candles changed since the last call, by interval. */
  takeChanges(): Map<CandleInterval, Candle[]> {
    this.#settle()
    const changes = new Map([...this.#changed].map(([interval, candles]) => [interval, [...candles]]))
    this.#changed.clear()
    return changes
  }

  /** Open price, high, low, lots, quote units and trades of the last 24 hours, from 1-minute candles. */
  day(nowMs: number): {
    open: number
    high: number
    low: number
    lots: number
    quoteUnits: number
    trades: number
  } {
    const figures = { open: 0, high: 0, low: 0, lots: 0, quoteUnits: 0, trades: 0 }
    for (const [startMs, open, high, low, , lots, quoteUnits, trades] of this.latest('1m', CANDLES_KEPT)) {
      if (startMs <= nowMs - CANDLE_INTERVALS['1d']) continue
      if (figures.trades === 0) figures.open = open
      if (high > figures.high) figures.high = high
      if (figures.low === 0 || low < figures.low) figures.low = low
      figures.lots += lots
      figures.quoteUnits += quoteUnits
      figures.trades += trades
    }
    return figures
  }
}

/** One candle of two parts of its time, the earlier one first. */
function joinCandles(early: Candle, late: Candle): Candle {
  return [
    early[0],
    early[1],
    Math.max(early[2], late[2]),
    Math.min(early[3], late[3]),
    late[4],
    early[5] + late[5],
    early[6] + late[6],
    early[7] + late[7],
    late[8],
  ]
}
