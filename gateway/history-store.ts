/**
 * What a gateway remembers over a restart beside its fills: candles, and how far it had come. One JSON
 * file a market and one for the state, each replaced as a whole, so that a crash leaves the one before.
 * The files may be deleted at any time; then history begins anew. One thread of an exchange writes them.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CandleInterval } from '../sdk/wire/layout.js'
import { type Candle, type Candles, INTERVALS } from './candles.js'

interface MarketFile {
  readonly candles: Partial<Record<CandleInterval, Candle[]>>
}

export class HistoryStore {
  readonly #folder: string | undefined
  readonly #write: boolean

  /** No `folder` = nothing is remembered; `write` false = another thread writes. */
  constructor(folder: string | undefined, write: boolean) {
    this.#folder = folder
    this.#write = write
    if (folder !== undefined && write) mkdirSync(folder, { recursive: true })
  }

  /** Last seq that this exchange's gateway had handled when it stopped or last saved; 0 = nothing is known. */
  loadSeq(): number {
    const { seq } = this.#read<{ seq: number }>('state.json') ?? { seq: 0 }
    return seq
  }

  saveSeq(seq: number): void {
    this.#replace('state.json', { seq })
  }

  /** Puts back the candles of a market. */
  loadCandles(market: number, candles: Candles): void {
    const file = this.#read<MarketFile>(`candles-${market}.json`)
    for (const interval of INTERVALS) {
      for (const candle of file?.candles[interval] ?? []) candles.restore(interval, candle)
    }
  }

  saveCandles(market: number, candles: Candles): void {
    const series = Object.fromEntries(
      INTERVALS.map((interval) => [interval, candles.latest(interval, Infinity)]),
    )
    this.#replace(`candles-${market}.json`, { candles: series })
  }

  #read<T>(name: string): T | undefined {
    if (this.#folder === undefined) return undefined
    const path = join(this.#folder, name)
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined
  }

  #replace(name: string, content: unknown): void {
    if (this.#folder === undefined || !this.#write) return
    const path = join(this.#folder, name)
    writeFileSync(`${path}.new`, JSON.stringify(content))
    renameSync(`${path}.new`, path)
  }
}
