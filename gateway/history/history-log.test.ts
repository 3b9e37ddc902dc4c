/** The files of history alone: what they give back, and that no word of a log's header may be another one. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32c } from '../../engine/journal/crc32c.js'
import { HistoryLog, LogKind, type LogMark } from './history-log.js'
import { MarketFiles, MarketHistory } from './market-history.js'
import { CRC_WORD, HISTORY_RECORD_BYTES, HISTORY_RECORD_WORDS } from './record.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-history-log-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'fills.log')
const MARK: LogMark = { seq: 40, headSeq: 41, head: new Uint8Array(32).fill(7), floor: 3 }
const NONE: LogMark = { seq: 0, headSeq: 0, head: new Uint8Array(32), floor: 0 }

interface Loaded {
  readonly log: HistoryLog
  readonly mark: LogMark
  readonly records: number[]
  readonly lines: string[]
}

function load(kind: number = LogKind.Fills, write = true): Loaded {
  const records: number[] = []
  const lines: string[] = []
  const log = new HistoryLog({ path, kind, write, onLog: (line) => lines.push(line) })
  const mark = log.load({
    record: (words, word) => records.push(words[word]!),
    forgotten: () => {},
  })
  return { log, mark, records, lines }
}

function append(log: HistoryLog, ...values: number[]): void {
  const words = new Int32Array(HISTORY_RECORD_WORDS)
  for (const value of values) {
    words[0] = value
    log.append(words, 0)
  }
}

beforeEach(() => {
  rmSync(path, { force: true })
  const { log, mark, records, lines } = load()
  expect([mark, records, lines]).toEqual([NONE, [], []])
  append(log, 11, 12, 13)
  log.close(MARK)
})

test('what was closed with a mark is given back with it, and goes on', () => {
  const again = load()
  expect([again.mark, again.records, again.lines]).toEqual([MARK, [11, 12, 13], []])
  append(again.log, 14)
  again.log.close({ ...MARK, seq: 50 })
  const { mark, records, lines } = load(LogKind.Fills, false)
  expect([mark, records, lines]).toEqual([{ ...MARK, seq: 50 }, [11, 12, 13, 14], []])
})

test('a reader that does not write leaves the file as it is', () => {
  const before = readFileSync(path)
  const { log } = load(LogKind.Fills, false)
  append(log, 99)
  log.close(MARK)
  expect(readFileSync(path).equals(before)).toBe(true)
})

test.each([
  ['magic, first half', 0],
  ['magic, second half', 1],
  ['version', 2],
  ['kind', 3],
  ['type', 28],
])('a header with another %s holds nothing, and the file is begun anew', (_what, word) => {
  const bytes = readFileSync(path)
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, HISTORY_RECORD_WORDS)
  words[word]!++
  words[CRC_WORD] = crc32c(bytes.subarray(0, CRC_WORD * 4))
  writeFileSync(path, bytes)
  const { log, mark, records, lines } = load()
  expect([mark, records]).toEqual([NONE, []])
  expect(lines).toEqual([expect.stringContaining('is damaged at byte 0')])
  expect(statSync(path).size).toBe(HISTORY_RECORD_BYTES)
  append(log, 21)
  log.close(MARK)
  expect(load().records).toEqual([21])
})

test('fills are no orders', () => {
  expect(load(LogKind.Orders).records).toEqual([])
})

test('half a record is nothing: not of a new file, and not behind a mark', () => {
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.subarray(0, HISTORY_RECORD_BYTES / 2))
  expect(load(LogKind.Fills, false)).toMatchObject({ mark: NONE, records: [] })
  writeFileSync(path, Buffer.concat([bytes, bytes.subarray(0, HISTORY_RECORD_BYTES / 2)]))
  const { mark, records, lines } = load()
  expect([mark, records, lines]).toEqual([MARK, [11, 12, 13], []])
})

const fail = (line: string): never => {
  throw new Error(line)
}

/** Waits until the file has so many records. */
async function grownTo(records: number): Promise<void> {
  while (statSync(path).size !== records * HISTORY_RECORD_BYTES)
    await new Promise((done) => setTimeout(done, 5))
}

test('more than a buffer that comes while the file is written anew is in it, and marked', async () => {
  const { log } = load()
  const values = Array.from({ length: 20_000 }, (_, index) => index)
  append(log, ...values)
  // Nothing of them is kept: the file is mostly waste.
  log.checkpoint(MARK, { size: 0, forEach: () => {} })
  const during = values.slice(0, 3000)
  append(log, ...during)
  await grownTo(2 + during.length)
  const next = { ...MARK, seq: 60 }
  log.checkpoint(next, { size: during.length, forEach: () => {} })
  await grownTo(3 + during.length)
  const { mark, records, lines } = load(LogKind.Fills, false)
  expect([mark, records, lines]).toEqual([next, during, []])
  log.close(next)
})

test('what a checkpoint has synced is marked at once: who dies next rebuilds nothing before it', async () => {
  const { log } = load()
  append(log, 14)
  const next = { ...MARK, seq: 60 }
  log.checkpoint(next, { size: 4, forEach: () => {} })
  // A header, 3 records and their mark; one record more and its mark.
  await grownTo(7)
  const { mark, records, lines } = load(LogKind.Fills, false)
  expect([mark, records, lines]).toEqual([next, [11, 12, 13, 14], []])
  log.close(next)
})

test('of the markets only those are written again that had a trade', () => {
  const files = new MarketFiles(folder, () => true, fail)
  const markets = new Map([0, 1].map((id) => [id, new MarketHistory(1)]))
  const state = { headSeq: 9, head: 'ab', seq: 9 }
  const trade = (market: number, seq: number): void =>
    markets.get(market)!.add([seq, 0, 100, 1, 0, 60_000 * seq] as never)
  const inode = (market: number): number => statSync(join(folder, `candles-${market}.json`)).ino
  trade(0, 1)
  trade(1, 2)
  files.save(markets, state, true)
  const first = [inode(0), inode(1)]
  trade(1, 3)
  files.save(markets, state, true)
  expect([inode(0), inode(1)].map((now, market) => now === first[market])).toEqual([true, false])
  expect([0, 1].map((market) => new MarketFiles(folder, () => true, fail).load(market)?.seq)).toEqual([1, 3])
})
