/**
 * What is remembered of a market over restarts: its candles and newest trades. One JSON file a market
 * (`candles-ID.json`) and one that says how far all of them go (`state.json`), each with a checksum, synced
 * and replaced as a whole, the state last. A file that is missing, cut, flipped, of another journal, or behind what the
 * state says of it is set aside with a log line; the journal then says anew what it held.
 */
import type { OnLog } from '../../engine/types.js'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../../engine/journal/crc32c.js'
import type { CandleInterval, TradeEntry } from '../../sdk/wire/layout.js'
import { TRADES_KEPT } from '../limits.js'
import { type Candle, Candles, INTERVALS } from './candles.js'
import { replaceFiles, replaceFilesNow } from './replace-files.js'

/** Candles and trades of one market. */
export class MarketHistory {
  readonly candles: Candles
  readonly #trades: TradeEntry[] = []
  #older: MarketHistory | undefined
  /** Seq of the newest trade taken over; trades at or below the seq of a file are in it. */
  lastSeq = 0
  /** Seq of the newest trade that its file held at the start. */
  fileSeq = 0
  changed = false

  constructor(readonly tickUnits: number) {
    this.candles = new Candles(tickUnits)
  }

  add(trade: TradeEntry): void {
    const [seq, , ticks, lots, , timeMs] = trade
    this.#keep(trade)
    this.candles.add(seq, timeMs, ticks, lots)
  }

  #keep(trade: TradeEntry): void {
    this.#trades.push(trade)
    if (this.#trades.length >= 2 * TRADES_KEPT) this.#trades.splice(0, TRADES_KEPT)
    this.lastSeq = trade[0]
    this.changed = true
  }

  /** Puts back what a file held. */
  restore(file: MarketFile): void {
    for (const interval of INTERVALS)
      for (const candle of file.candles[interval] ?? []) this.candles.restore(interval, candle)
    for (const trade of file.trades) this.#keep(trade)
    this.lastSeq = file.seq
    this.fileSeq = file.seq
    this.changed = false
  }

  /** The newest trades, newest last. */
  trades(limit: number): TradeEntry[] {
    const own = this.#trades.slice(-Math.min(limit, TRADES_KEPT))
    if (this.#older === undefined || own.length >= Math.min(limit, TRADES_KEPT)) return own
    return [...this.#older.trades(Math.min(limit, TRADES_KEPT) - own.length), ...own]
  }

  /** Sets what was before, which still grows until `absorb`. */
  setOlder(older: MarketHistory): void {
    this.#older = older
    this.candles.setOlder(older.candles)
  }

  absorb(): void {
    const older = this.#older
    if (older === undefined) return
    this.candles.absorb()
    this.#trades.unshift(...older.trades(TRADES_KEPT))
    this.lastSeq = Math.max(this.lastSeq, older.lastSeq)
    this.changed ||= older.changed
    this.#older = undefined
  }

  content(): Pick<MarketFile, 'seq' | 'candles' | 'trades'> {
    const candles = Object.fromEntries(
      INTERVALS.map((interval) => [interval, this.candles.latest(interval, Infinity)]),
    )
    return { seq: this.lastSeq, candles, trades: this.trades(TRADES_KEPT) }
  }
}

/** The journal's head when a file was written: its last seq, and its hash in hex. */
interface JournalHead {
  readonly headSeq: number
  readonly head: string
}

export interface MarketFile extends JournalHead {
  /** Seq of the last trade in it. */
  readonly seq: number
  readonly candles: Partial<Record<CandleInterval, Candle[]>>
  readonly trades: readonly TradeEntry[]
}

/** How far the files go: every trade up to `seq`. */
export interface HistoryState extends JournalHead {
  readonly seq: number
  /** Seq of the last trade of each market that had one. */
  readonly markets: Readonly<Record<string, number>>
}

export class MarketFiles {
  readonly #folder: string | undefined
  readonly #isOurs: (headSeq: number, head: string) => boolean
  readonly #onLog: OnLog
  #failing = false
  #busy = false
  /** undefined = nothing is known: every market begins anew. */
  readonly state: HistoryState | undefined

  /** `isOurs` says whether the journal had a head once. */
  constructor(folder: string | undefined, isOurs: (headSeq: number, head: string) => boolean, onLog: OnLog) {
    this.#folder = folder
    this.#isOurs = isOurs
    this.#onLog = onLog
    this.state = this.#read<HistoryState>('state.json')
  }

  /** What is stored of a market; undefined = nothing, or less than the state says. */
  load(market: number): MarketFile | undefined {
    const file = this.#read<MarketFile>(`candles-${market}.json`)
    const expected = this.state?.markets[String(market)] ?? 0
    if (file !== undefined && file.seq < expected) {
      this.#onLog(`candles-${market}.json is older than the other files of history: it is made anew`)
      return undefined
    }
    return file
  }

  /**
   * Writes what has changed, then the state, aside or (`now`) before it returns. A disk that fails is told
   * once, and what could not be written is written with the next call.
   */
  save(
    markets: ReadonlyMap<number, MarketHistory>,
    state: Omit<HistoryState, 'markets'>,
    now: boolean,
  ): void {
    const folder = this.#folder
    if (folder === undefined || (this.#busy && !now)) return
    const { headSeq, head } = state
    const lastSeqs: Record<string, number> = {}
    const changed = [...markets].filter(([, market]) => market.changed)
    const files = changed.map(([id, market]) => {
      market.changed = false
      return contentOf(`candles-${id}.json`, { ...market.content(), headSeq, head })
    })
    for (const [id, { lastSeq }] of markets) if (lastSeq > 0) lastSeqs[id] = lastSeq
    const groups = [files, [contentOf('state.json', { ...state, markets: lastSeqs })]]
    const failed = (error: unknown): void => {
      for (const [, market] of changed) market.changed = true
      if (!this.#failing)
        this.#onLog(
          `candles are not written (${error instanceof Error ? error.message : String(error)}): they go on in memory`,
          'warn',
        )
      this.#failing = true
    }
    const done = (): void => {
      if (this.#failing) this.#onLog('candles are written again')
      this.#failing = false
    }
    if (now) {
      try {
        replaceFilesNow(folder, groups)
        done()
      } catch (error) {
        failed(error)
      }
      return
    }
    this.#busy = true
    replaceFiles(folder, groups)
      .then(done, failed)
      .finally(() => (this.#busy = false))
  }

  /** The content of a file that is whole; one that is not is set aside. */
  #read<T extends JournalHead>(name: string): T | undefined {
    if (this.#folder === undefined) return undefined
    const path = join(this.#folder, name)
    if (!existsSync(path)) return undefined
    try {
      const { crc, content } = JSON.parse(readFileSync(path, 'utf8')) as { crc: number; content: T }
      if (crc !== crcOf(JSON.stringify(content))) throw new Error('its checksum is wrong')
      if (!this.#isOurs(content.headSeq, content.head)) throw new Error('it is of another journal')
      return content
    } catch (error) {
      this.#onLog(
        `${path} is set aside (${error instanceof Error ? error.message : String(error)}): the journal says anew what it held`,
      )
      try {
        renameSync(path, `${path}.damaged`)
      } catch {
        // It stays where it is, and is replaced by the next save.
      }
      return undefined
    }
  }
}

function contentOf(name: string, content: unknown): [name: string, text: string] {
  const json = JSON.stringify(content)
  return [name, JSON.stringify({ crc: crcOf(json), content })]
}

const crcOf = (json: string): number => crc32c(new TextEncoder().encode(json))
