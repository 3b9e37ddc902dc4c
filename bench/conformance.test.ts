/**
 * The book against the public matching-engine benchmark: both canonical workloads give the published
 * hash of the report stream, and the hand-made edge cases of its gate behave as every correct book must.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bareBook } from './engine/bare-book.js'
import { BookOnly, MESSAGE_WORDS, REPORT_WORDS, reportText } from './engine/book-only.js'
import { hashReports } from './conformance.js'
import { testWith } from '../test/support/needs.js'

const hasXz = spawnSync('xz', ['--version']).status === 0
const DATA = process.env['GLASSBOOK_DATA'] ?? fileURLToPath(new URL('../../../shared/data', import.meta.url))
const HASHES = {
  static: '9803843ee404fc29c9a0aa5614f8f0d5a58b5c44fcac9ef89067886fcaaa30d1',
  normal: 'e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e',
}

for (const [name, sha256] of Object.entries(HASHES)) {
  const file = `${DATA}/matching-benchmark/${name}.i32.xz`
  testWith(`${file}, or xz`, existsSync(file) && hasXz)(`${name}: the published report stream`, () => {
    const bytes = execFileSync('xz', ['-dc', file], { maxBuffer: 1 << 30 })
    const messages = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).slice()
    const count = messages.length / MESSAGE_WORDS
    const book = new BookOnly(1 << 18, count * 2)
    book.run(messages, 0, count)
    expect(hashReports(book.reports, book.reportCount)).toBe(sha256)
    // The yardstick of the benchmark does the same work.
    const reports = new Int32Array(count * 2 * REPORT_WORDS)
    expect(hashReports(reports, bareBook(1 << 21, 1 << 18)(messages, count, reports))).toBe(sha256)
  })
}

const BUY = 0
const SELL = 1
type Message = readonly [operation: number, id: number, side: number, ticks: number, lots: number]
const add = (id: number, side: number, lots: number, ticks: number): Message => [0, id, side, ticks, lots]
const ioc = (id: number, side: number, lots: number, ticks: number): Message => [1, id, side, ticks, lots]
const cancel = (id: number): Message => [2, id, 0, 0, 0]
const modify = (id: number, side: number, lots: number, ticks: number): Message => [3, id, side, ticks, lots]

/** Reports without the acknowledgements of new orders. */
function reports(...messages: readonly Message[]): string[] {
  const book = new BookOnly(8192, 4 * messages.length)
  book.run(Int32Array.from(messages.flat()), 0, messages.length)
  return [...reportText(book.reports, book.reportCount)]
    .join('')
    .split('\n')
    .filter((line) => !line.startsWith('0,'))
}

test.each<[string, readonly Message[], readonly string[]]>([
  [
    'cancel the middle, then sweep',
    [add(1, BUY, 10, 100), add(2, BUY, 10, 100), add(3, BUY, 10, 100), cancel(2), ioc(4, SELL, 20, 100)],
    ['2,3,0,2,100', '1,4,100,10,1,4', '1,4,100,10,3,4'],
  ],
  [
    'cancel the head, then sweep',
    [add(1, BUY, 10, 100), add(2, BUY, 10, 100), add(3, BUY, 10, 100), cancel(1), ioc(4, SELL, 20, 100)],
    ['2,3,0,1,100', '1,4,100,10,2,4', '1,4,100,10,3,4'],
  ],
  [
    'an immediate order over three levels',
    [add(1, SELL, 10, 102), add(2, SELL, 10, 101), add(3, SELL, 10, 100), ioc(4, BUY, 30, 102)],
    ['1,3,100,10,3,4', '1,3,101,10,2,4', '1,3,102,10,1,4'],
  ],
  [
    'a modify into the spread matches',
    [add(1, SELL, 10, 100), add(2, BUY, 10, 99), modify(2, BUY, 10, 100)],
    ['1,2,100,10,1,2', '3,2,0,2,100,10'],
  ],
  [
    'a modify fills at the maker’s price',
    [add(1, SELL, 10, 100), add(2, BUY, 10, 90), modify(2, BUY, 10, 105)],
    ['1,2,100,10,1,2', '3,2,0,2,105,10'],
  ],
  [
    'a part that is left can be cancelled',
    [add(1, SELL, 10, 100), add(2, BUY, 6, 100), cancel(1)],
    ['1,1,100,6,1,2', '2,2,1,1,100'],
  ],
  [
    'what is filled is not there to cancel or modify',
    [add(1, SELL, 10, 100), add(2, BUY, 10, 100), cancel(1), modify(1, SELL, 5, 101)],
    ['1,1,100,10,1,2', '4,2,1', '5,3,1'],
  ],
  ['what was never there neither', [cancel(999), modify(999, BUY, 5, 100)], ['4,0,999', '5,1,999']],
  [
    'what was cancelled neither',
    [add(1, BUY, 10, 100), cancel(1), cancel(1), modify(1, BUY, 5, 101)],
    ['2,1,0,1,100', '4,2,1', '5,3,1'],
  ],
  [
    'the rest of a sweep becomes the touch',
    [
      add(1, SELL, 10, 100),
      add(2, SELL, 10, 101),
      add(3, SELL, 10, 102),
      add(4, BUY, 35, 102),
      ioc(5, SELL, 5, 102),
    ],
    ['1,3,100,10,1,4', '1,3,101,10,2,4', '1,3,102,10,3,4', '1,4,102,5,4,5'],
  ],
  [
    'a modified part that is left',
    [add(1, SELL, 10, 100), add(2, BUY, 4, 100), modify(1, SELL, 6, 101), ioc(3, BUY, 6, 101)],
    ['1,1,100,4,1,2', '3,2,1,1,101,6', '1,3,101,6,1,3'],
  ],
  [
    'an id is free again after a cancel',
    [add(1, BUY, 10, 100), cancel(1), add(1, SELL, 10, 200), ioc(2, BUY, 10, 200)],
    ['2,1,0,1,100', '1,3,200,10,1,2'],
  ],
  [
    'an id is free again after a fill',
    [add(1, BUY, 10, 100), add(2, SELL, 10, 100), add(1, SELL, 10, 200), ioc(3, BUY, 10, 200)],
    ['1,1,100,10,1,2', '1,3,200,10,1,3'],
  ],
  [
    'an immediate order never rests',
    [add(1, SELL, 10, 100), ioc(2, BUY, 15, 100), ioc(3, SELL, 5, 100)],
    ['1,1,100,10,1,2', '2,1,0,2,100', '2,2,1,3,100'],
  ],
  [
    'a limit order stops at its limit',
    [add(1, SELL, 5, 100), add(2, SELL, 10, 105), add(3, BUY, 12, 102), ioc(4, SELL, 7, 102)],
    ['1,2,100,5,1,3', '1,3,102,7,3,4'],
  ],
  [
    'a maker keeps its place over several takers',
    [
      add(1, BUY, 10, 100),
      add(2, BUY, 10, 100),
      add(3, BUY, 10, 100),
      ioc(4, SELL, 15, 100),
      ioc(5, SELL, 15, 100),
    ],
    ['1,3,100,10,1,4', '1,3,100,5,2,4', '1,4,100,5,2,5', '1,4,100,10,3,5'],
  ],
  [
    'a side that was emptied',
    [add(1, BUY, 10, 100), cancel(1), add(2, BUY, 8, 95), ioc(3, SELL, 8, 95)],
    ['2,1,0,1,100', '1,3,95,8,2,3'],
  ],
  [
    'a repriced order leaves its neighbour',
    [add(1, BUY, 10, 100), add(2, BUY, 10, 100), modify(1, BUY, 10, 99), ioc(3, SELL, 10, 100)],
    ['3,2,0,1,99,10', '1,3,100,10,2,3'],
  ],
  [
    'wide prices',
    [add(1, SELL, 10, 2 ** 31 - 1), ioc(2, BUY, 10, 2 ** 31 - 1), add(3, BUY, 1, 1), ioc(4, SELL, 1, 1)],
    ['1,1,2147483647,10,1,2', '1,3,1,1,3,4'],
  ],
])('%s', (_name, messages, expected) => {
  expect(reports(...messages)).toEqual(expected)
})

test('a sweep of 5,000 orders at one price, in their order', () => {
  const orders = Array.from({ length: 5000 }, (_, index) => add(index + 1, SELL, 1, 100))
  const found = reports(...orders, ioc(5001, BUY, 5000, 100))
  expect(found).toHaveLength(5000)
  found.forEach((line, index) => expect(line).toBe(`1,5000,100,1,${index + 1},5001`))
})

test('an operation that is none is named', () => {
  expect(() => reports([7, 1, 0, 1, 1])).toThrow('message 0: operation 7')
})
