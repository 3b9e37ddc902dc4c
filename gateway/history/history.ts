/**
 * What a gateway remembers: fills, ended orders, candles and trades, over restarts. The journal is the
 * truth; the files are what need not be replayed. At a start, what they lack up to the first live command
 * is replayed from the journal in the background; until it is there, every answer that could miss
 * something says so.
 *
 *   files ....|        gap         |  live
 *        known (a mark)      first live command - 1
 *
 * Invariant: the files' marks speak only of commands whose records were all taken over, in order. While
 * there is a gap, live records gather beside (`late`) and join behind it once it is closed.
 */
import type { OnLog } from '../../engine/types.js'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { EventKind } from '../../engine/codes.js'
import type { ControlBlock } from '../../engine/rings/control.js'
import { nodeDisk } from '../../engine/journal/disk.js'
import { journalHolds } from '../../engine/journal/segment-files.js'
import { EVENT_WORDS, Ev, FillEv, kindOf } from '../../engine/layout.js'
import type { FillEntry, OrderEntry } from '../../sdk/wire/layout.js'
import { WAITING_RECORDS_MAX } from '../limits.js'
import { FillStore, takerSideAt } from './fill-store.js'
import { OrderHistory, endedParties } from './order-history.js'
import type { AccountRecords } from './account-records.js'
import { HistoryLog, LogKind, type LogContent, type LogSink, type LogMark } from './history-log.js'
import { MarketFiles, MarketHistory } from './market-history.js'
import { startRebuild } from './rebuild.js'
import { NUMBER_F64, Party, HISTORY_RECORD_WORDS, TIME_F64, TYPE_WORD, copyRecord } from './record.js'

export interface HistoryOptions {
  /** Fills kept. */
  readonly fillsKept: number
  /** Commands replayed at a start at most. */
  readonly rebuildCommandsMax: number
  /** Folder of the files; none = memory only. */
  readonly folder: string | undefined
  /** The exchange's data folder, whose journal says what is missing; none = what is missing stays so. */
  readonly dataDir: string | undefined
  /** Whether this thread writes the files: one thread of an exchange does. */
  readonly write: boolean
  readonly control: ControlBlock
  readonly onLog: OnLog
}

/** Records of the one kind: what is known in order, its file, and what came behind a gap. */
interface Part<Store extends FillStore | OrderHistory> {
  readonly name: string
  readonly log: HistoryLog
  store: Store
  late: Store | undefined
  /** Commands up to this seq are in `store`. */
  known: number
}

export class History {
  readonly #options: HistoryOptions
  readonly #fills: Part<FillStore>
  readonly #orders: Part<OrderHistory>
  readonly #files: MarketFiles
  /** Head that the journal is known to have had. */
  #lastHead: { readonly seq: number; readonly head: Uint8Array } = { seq: -1, head: new Uint8Array(0) }
  readonly #markets = new Map<number, MarketHistory>()
  /** While there is a gap: what was before it. */
  readonly #olderMarkets = new Map<number, MarketHistory>()
  #marketsKnown: number
  /** First live seq and the last one whose command is complete; 0 = none yet. */
  #firstLive = 0
  #lastLive = 0
  #isMidMessage = false
  /** Last seq of the newest message, complete or not. */
  #seen = 0
  /** Live records up to this seq are taken from the journal. */
  #gapEnd = 0
  /** Live records of before `begin`. */
  #waiting: Int32Array | undefined = new Int32Array(1024 * HISTORY_RECORD_WORDS)
  #waitingCount = 0
  #begun = false
  #stopRebuild: (() => void) | undefined
  #isRebuilding = false
  readonly #words = new Int32Array(HISTORY_RECORD_WORDS)
  readonly #floats = new Float64Array(this.#words.buffer)
  #fillSeq = 0
  #fillIndex = 0

  constructor(options: HistoryOptions) {
    this.#options = options
    const { folder, write, onLog, fillsKept } = options
    const log = (name: string, kind: number): HistoryLog =>
      new HistoryLog({ path: folder === undefined ? undefined : join(folder, name), kind, write, onLog })
    if (folder !== undefined && write) removeOldFiles(folder)
    this.#fills = {
      name: 'fills.log',
      log: log('fills.log', LogKind.Fills),
      store: new FillStore(fillsKept),
      late: undefined,
      known: 0,
    }
    this.#orders = {
      name: 'orders.log',
      log: log('orders.log', LogKind.Orders),
      store: new OrderHistory(),
      late: undefined,
      known: 0,
    }
    for (const part of [this.#fills, this.#orders]) {
      const mark = part.log.load(sinkOf(part.store))
      if (mark.seq > 0 && !this.#isOurs(mark.headSeq, mark.head)) {
        onLog(`history: ${part.name} is of another journal; it is made anew from this one`)
        this.#clear(part)
        continue
      }
      part.known = mark.seq
      if (part.store instanceof FillStore) part.store.floor = mark.floor
    }
    this.#files = new MarketFiles(folder, (seq, head) => this.#isOurs(seq, Buffer.from(head, 'hex')), onLog)
    this.#marketsKnown = this.#files.state?.seq ?? 0
  }

  /** Whether the journal had this head once. A file that is ahead of the journal is of another one. */
  #isOurs(headSeq: number, head: Uint8Array): boolean {
    const { control, dataDir } = this.#options
    const { seq, head: told } = this.#lastHead
    if (seq === headSeq && Buffer.from(told).equals(head)) return true
    const isOurs =
      headSeq <= control.durableSeq &&
      (dataDir === undefined || journalHolds(nodeDisk, dataDir, headSeq, head))
    if (isOurs) this.#lastHead = { seq: headSeq, head }
    return isOurs
  }

  #clear(part: Part<FillStore> | Part<OrderHistory>): void {
    if (part.store instanceof FillStore) part.store = new FillStore(this.#options.fillsKept)
    else part.store = new OrderHistory()
    part.known = 0
    part.log.clear()
  }

  /** The history of a market, which begins with what its file holds. */
  market(id: number, tickUnits: number): MarketHistory {
    const known = this.#markets.get(id)
    if (known !== undefined) return known
    const market = new MarketHistory(tickUnits)
    this.#markets.set(id, market)
    const file = this.#files.load(id)
    if (file !== undefined) market.restore(file)
    else if ((this.#files.state?.markets[String(id)] ?? 0) > 0) this.#marketsKnown = 0
    return market
  }

  // ---- what the engine does, in order

  /** A message of commands `firstSeq` to `lastSeq` has come; `more` of the same follow it. */
  applied(firstSeq: number, lastSeq: number, more: boolean): void {
    if (this.#firstLive === 0) this.#firstLive = firstSeq
    this.#isMidMessage = more
    this.#seen = lastSeq
    if (!more) this.#lastLive = lastSeq
  }

  /** One event; answers with a fill's index within its command. */
  event(kind: number, words: Int32Array, floats: Float64Array, word: number, timeMs: number): number {
    const isFill = kind === EventKind.Fill
    let number = 0
    if (isFill) {
      const seq = floats[(word >> 1) + Ev.SEQ_F64]!
      this.#fillIndex = seq === this.#fillSeq ? this.#fillIndex + 1 : 0
      this.#fillSeq = seq
      number = this.#fillIndex
    }
    const ended = endedParties(kind, words, word)
    if (!isFill && ended === 0) return number
    for (let offset = 0; offset < EVENT_WORDS; offset++) this.#words[offset] = words[word + offset]!
    this.#words[TYPE_WORD] = (isFill ? Party.Both : ended) << 8
    this.#floats[NUMBER_F64] = number
    this.#floats[TIME_F64] = timeMs
    if (this.#begun) this.#takeLive(this.#words, this.#floats, 0)
    else this.#wait()
    return number
  }

  #wait(): void {
    if (this.#waiting === undefined) return
    if (this.#waitingCount === WAITING_RECORDS_MAX) {
      this.#waiting = undefined
      return
    }
    const at = this.#waitingCount * HISTORY_RECORD_WORDS
    if (at === this.#waiting.length) {
      const larger = new Int32Array(2 * at)
      larger.set(this.#waiting)
      this.#waiting = larger
    }
    copyRecord(this.#words, 0, this.#waiting, at)
    this.#waitingCount++
  }

  #takeLive(words: Int32Array, floats: Float64Array, word: number): void {
    const seq = floats[(word >> 1) + Ev.SEQ_F64]!
    if (seq <= this.#gapEnd) return
    const kind = kindOf(words[word + Ev.KIND]!)
    const isFill = kind === EventKind.Fill
    take(this.#fills, this.#fills.late, words, word, seq, isFill ? Party.Both : 0)
    take(this.#orders, this.#orders.late, words, word, seq, endedParties(kind, words, word))
    if (isFill) this.#takeTrade(this.#markets, words, floats, word, seq)
  }

  #takeTrade(
    markets: ReadonlyMap<number, MarketHistory>,
    words: Int32Array,
    floats: Float64Array,
    word: number,
    seq: number,
  ): void {
    const market = markets.get(words[word + FillEv.MARKET]!)
    // A file is written between two messages: what it had of a command, it had all of.
    if (market === undefined || seq <= Math.max(this.#marketsKnown, market.fileSeq)) return
    market.add([
      seq,
      floats[(word >> 1) + NUMBER_F64]!,
      words[word + FillEv.TICKS]!,
      words[word + FillEv.LOTS]!,
      takerSideAt(words, word),
      floats[(word >> 1) + TIME_F64]!,
    ])
  }

  // ---- the start

  /**
   * Begins to tell: to be called once, when every market is known, with the seq of the state that they
   * are of. Starts to close the gap, if there is one.
   */
  begin(startSeq: number): void {
    const { control, dataDir, onLog, folder } = this.#options
    const waiting = this.#waiting
    const hasAllLive = waiting !== undefined && this.#firstLive > 0
    const gapEnd = hasAllLive ? this.#firstLive - 1 : Math.max(startSeq, this.#seen)
    const durableSeq = control.durableSeq
    this.#gapEnd = gapEnd
    const known = Math.min(this.#fills.known, this.#orders.known, this.#marketsKnown)
    const fillsKnown = this.#fills.known
    if (known < gapEnd && dataDir !== undefined) this.#openGap(gapEnd)
    else if (known < gapEnd) {
      // Nothing can say what happened: from here on everything is known.
      if (fillsKnown < gapEnd) this.#fills.store.floor = gapEnd
      for (const part of [this.#fills, this.#orders]) part.known = Math.max(part.known, gapEnd)
    }
    this.#begun = true
    if (waiting !== undefined) {
      const floats = new Float64Array(waiting.buffer)
      for (let index = 0; index < this.#waitingCount; index++)
        this.#takeLive(waiting, floats, index * HISTORY_RECORD_WORDS)
    }
    this.#waiting = undefined
    for (const market of this.#markets.values()) market.candles.takeChanges()
    if (!this.#isRebuilding) return
    onLog(
      `history: seq ${known + 1} to ${gapEnd} is taken from the journal` +
        `${folder === undefined ? ' (no folder keeps it)' : ''}; until then answers are not complete`,
    )
    this.#stopRebuild = startRebuild(
      {
        dataDir: dataDir!,
        after: known,
        upTo: gapEnd,
        durableSeq,
        commandsMax: this.#options.rebuildCommandsMax,
      },
      {
        records: (words, count, upTo) => this.#takeOlder(words, count, upTo),
        done: (from) => this.#closeGap(from > fillsKnown ? from : 0, gapEnd),
        failed: (error) => {
          onLog(
            `history: the journal could not be replayed (${error.message}); answers say that they lack it`,
            'warn',
          )
          this.#closeGap(fillsKnown < gapEnd ? gapEnd : 0, gapEnd)
        },
      },
    )
  }

  /** What is live goes aside until the gap is closed, where the file lacks something. */
  #openGap(gapEnd: number): void {
    this.#isRebuilding = true
    if (this.#fills.known < gapEnd) {
      this.#fills.late = new FillStore(this.#options.fillsKept)
      this.#fills.late.floor = gapEnd
    }
    if (this.#orders.known < gapEnd) this.#orders.late = new OrderHistory()
    if (this.#marketsKnown >= gapEnd) return
    for (const [id, older] of this.#markets) {
      const market = new MarketHistory(older.tickUnits)
      market.setOlder(older)
      market.fileSeq = older.fileSeq
      this.#olderMarkets.set(id, older)
      this.#markets.set(id, market)
    }
  }

  #takeOlder(words: Int32Array, count: number, upTo: number): void {
    const floats = new Float64Array(words.buffer)
    for (let word = 0; word < count * HISTORY_RECORD_WORDS; word += HISTORY_RECORD_WORDS) {
      const seq = floats[(word >> 1) + Ev.SEQ_F64]!
      const kind = kindOf(words[word + Ev.KIND]!)
      const isFill = kind === EventKind.Fill
      take(this.#fills, undefined, words, word, seq, isFill ? Party.Both : 0)
      take(this.#orders, undefined, words, word, seq, endedParties(kind, words, word))
      if (isFill) this.#takeTrade(this.#olderMarkets, words, floats, word, seq)
    }
    for (const part of [this.#fills, this.#orders])
      if (part.late !== undefined) part.known = Math.max(part.known, upTo)
  }

  #closeGap(floor: number, gapEnd: number): void {
    this.#fills.store.floor = Math.max(this.#fills.store.floor, floor)
    joinLate(this.#fills)
    joinLate(this.#orders)
    for (const part of [this.#fills, this.#orders]) part.known = Math.max(part.known, gapEnd)
    for (const market of this.#markets.values()) market.absorb()
    this.#olderMarkets.clear()
    this.#marketsKnown = Math.max(this.#marketsKnown, gapEnd)
    this.#isRebuilding = false
    this.#stopRebuild = undefined
    this.#options.onLog(
      floor > 0
        ? `history: complete from seq ${floor + 1} on; the way to what was before is too long, or not to be had`
        : 'history: complete',
    )
  }

  /** True while the journal is replayed: what is not found may still come to light. */
  get isRebuilding(): boolean {
    return this.#isRebuilding || !this.#begun
  }

  // ---- the files

  /** Writes what was added; called at the end of a turn. */
  flush(): void {
    this.#fills.log.flush()
    this.#orders.log.flush()
  }

  /** Marks what the files hold; between two messages only. `last` = nothing comes any more. */
  save(last: boolean): void {
    const { control, write } = this.#options
    // Within a message, a command's records may still be on the way: no mark can speak of them.
    if (!write || !this.#begun || this.#isMidMessage) return
    const { seq: headSeq, head } = control.durableHead()
    for (const part of [this.#fills, this.#orders]) {
      // What is live joins behind the gap; where there is none, all that was told is in order.
      if (part.late === undefined) part.known = Math.max(part.known, this.#lastLive)
      const floor = part.store instanceof FillStore ? part.store.floor : 0
      const mark: LogMark = { seq: part.known, headSeq, head, floor }
      if (last) part.log.close(mark)
      else part.log.checkpoint(mark, contentOf(part.store.records))
    }
    if (this.#isRebuilding) return
    this.#marketsKnown = Math.max(this.#marketsKnown, this.#lastLive)
    const state = { seq: this.#marketsKnown, headSeq, head: Buffer.from(head).toString('hex') }
    this.#files.save(this.#markets, state, last)
  }

  close(): void {
    this.#stopRebuild?.()
    this.save(true)
  }

  // ---- answers

  /** As FillStore.ofAccount; while something is missing, `complete` says so. */
  ofAccount(
    account: number,
    afterSeq: number,
    limit: number,
    afterIndex = Infinity,
  ): { fills: FillEntry[]; complete: boolean } {
    const { store, late } = this.#fills
    const known = store.ofAccount(account, afterSeq, limit, afterIndex)
    if (late === undefined) return { ...known, complete: known.complete && this.#begun }
    const newer = late.ofAccount(account, afterSeq, limit - known.fills.length, afterIndex)
    return { fills: [...known.fills, ...newer.fills], complete: newer.complete }
  }

  byCloid(account: number, cloid: bigint): OrderEntry | undefined {
    const { store, late } = this.#orders
    return late?.byCloid(account, cloid) ?? store.byCloid(account, cloid)
  }

  byOrderId(account: number, orderId: number): OrderEntry | undefined {
    const { store, late } = this.#orders
    return late?.byOrderId(account, orderId) ?? store.byOrderId(account, orderId)
  }
}

/** Files of an earlier version have no checksums: nothing is taken from them. */
function removeOldFiles(folder: string): void {
  for (const name of ['fills.bin', 'orders.bin']) {
    const path = join(folder, name)
    if (existsSync(path)) rmSync(path)
  }
}

/** Takes a record over for `parties` (0 = not of this kind), unless it is known; a `late` one is not for the file yet. */
function take<Store extends FillStore | OrderHistory>(
  part: Part<Store>,
  late: Store | undefined,
  words: Int32Array,
  word: number,
  seq: number,
  parties: number,
): void {
  if (parties === 0 || seq <= part.known) return
  words[word + TYPE_WORD] = parties << 8
  if (late !== undefined) {
    late.add(words, word)
    return
  }
  part.store.add(words, word)
  part.log.append(words, word)
}

/** What came behind the gap joins what was before it. */
function joinLate<Store extends FillStore | OrderHistory>(part: Part<Store>): void {
  const { late, store, log } = part
  if (late === undefined) return
  part.late = undefined
  contentOf(late.records).forEach({
    record: (words, word) => {
      store.add(words, word)
      log.append(words, word)
    },
    forgotten: (account, seq, number) => store.records.forget(account, { seq, number }),
  })
}

const sinkOf = (store: FillStore | OrderHistory): LogSink => ({
  record: (words, word) => store.add(words, word),
  forgotten: (account, seq, number) => store.records.forget(account, { seq, number }),
})

/** Every record, account by account, each account's followed by what was forgotten of it. */
function contentOf(records: AccountRecords): LogContent {
  return {
    size: records.size,
    forEach: (sink) => {
      for (const account of records.accounts()) {
        const count = records.count(account)
        for (let index = 0; index < count; index++)
          sink.record(records.words, records.slotAt(account, index) * HISTORY_RECORD_WORDS)
        const { seq, number } = records.forgotten(account)
        if (seq > 0) sink.forgotten(account, seq, number)
      }
      const { seq, number } = records.forgottenOfOthers
      if (seq > 0) sink.forgotten(-1, seq, number)
    },
  }
}
