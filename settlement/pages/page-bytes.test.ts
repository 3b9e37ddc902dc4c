/** Bytes of pages: there and back, and every byte string that is not exactly a page is refused. */
import fc from 'fast-check'
import { UNITS_END } from '../../engine/limits.js'
import { indexOf } from '../batch/rows.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import { rowsOfDeposits } from './batch-rows.js'
import { LEAVES_END, leafIndexOf, type LeafRows } from './leaf-rows.js'
import {
  PageError,
  PageKind,
  decodePage,
  encodeDepositPage,
  encodePage,
  lanesOf,
  type PageFault,
} from './page-bytes.js'

const NONE = new Uint8Array(0)
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex')
const rowsFrom = (rows: readonly (readonly [number, ...number[]])[]): LeafRows => ({
  leaves: Int32Array.from(rows, ([leaf]) => leaf),
  deltas: Float64Array.from(rows.flatMap(([, ...deltas]) => deltas)),
})

const amount = fc.oneof(
  fc.integer({ min: 1, max: UNITS_END - 1 }),
  fc.constantFrom(1, 2 ** 32 - 1, 2 ** 32, UNITS_END - 1),
)
const leafSet = fc.uniqueArray(fc.integer({ min: 0, max: LEAVES_END - 1 }), { minLength: 1, maxLength: 40 })
function anyRows(delta: fc.Arbitrary<number>): fc.Arbitrary<LeafRows> {
  const four = fc
    .array(fc.oneof(fc.constant(0), delta), { minLength: LEAF_LANES, maxLength: LEAF_LANES })
    .filter((deltas) => deltas.some((each) => each !== 0))
  return leafSet.chain((leaves) =>
    fc.array(four, { minLength: leaves.length, maxLength: leaves.length }).map((deltas) => ({
      leaves: Int32Array.from(leaves).sort(),
      deltas: Float64Array.from(deltas.flat()),
    })),
  )
}
const trades = anyRows(fc.tuple(amount, fc.boolean()).map(([units, minus]) => (minus ? -units : units)))
const withdrawals = anyRows(amount.map((units) => -units))
const queue = fc.array(
  fc.record({
    index: fc
      .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 63 }))
      .map(([a, b]) => indexOf(a, b)),
    units: fc.integer({ min: 1, max: 2 ** 46 }),
    owner: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 5, maxLength: 5 }),
  }),
  { minLength: 1, maxLength: 40 },
)

function faultOf(kind: number, rows: Uint8Array, deposits: Uint8Array = NONE): PageFault | 'none' {
  try {
    decodePage(kind, rows, deposits)
    return 'none'
  } catch (error) {
    if (error instanceof PageError) return error.fault
    throw error
  }
}

test('there and back', () => {
  fc.assert(
    fc.property(trades, withdrawals, queue, (traded, withdrawn, deposits) => {
      for (const [kind, rows] of [
        [PageKind.Trade, traded],
        [PageKind.Withdrawal, withdrawn],
      ] as const) {
        const page = encodePage(kind, rows)
        expect(page.rows.length).toBe(4 * rows.leaves.length + 7 * lanesOf(rows))
        expect(decodePage(kind, page.rows, page.deposits)).toEqual({ kind, rows, deposits: [] })
      }
      const rows = rowsOfDeposits(deposits)
      const page = encodeDepositPage(rows, deposits)
      expect(decodePage(PageKind.Deposit, page.rows, page.deposits)).toEqual({ kind: 0, rows, deposits })
    }),
    { numRuns: 60 },
  )
})

test('the bytes are those of the format', () => {
  const trade = encodePage(
    PageKind.Trade,
    rowsFrom([
      [5, 1, 0, -1, 0],
      [2 ** 26 - 1, 0, 0, 0, -(UNITS_END - 1)],
    ]),
  )
  expect(hex(trade.rows)).toBe(
    '14000005' + '00000000000001' + 'ffffffffffffff' + '23ffffff' + 'e0000000000001',
  )
  const withdrawal = encodePage(PageKind.Withdrawal, rowsFrom([[5, 0, -258, 0, 0]]))
  expect(hex(withdrawal.rows)).toBe('08000005' + '00000000000102')
  const owner = [0x01020304, 0x05060708, 0x090a0b0c, -1, 0x11121314]
  const deposits = [
    { index: indexOf(9, 4), units: 7, owner },
    { index: indexOf(8, 0), units: 1, owner },
  ]
  const deposit = encodeDepositPage(rowsOfDeposits(deposits), deposits)
  const record = (head: string, units: string, place: string): string =>
    head + units + '0102030405060708090a0b0cffffffff11121314' + place
  expect(hex(deposit.rows)).toBe('00000008' + '00400009')
  expect(hex(deposit.deposits)).toBe(
    record('00000244', '0000000000000007', '0001') + record('00000200', '0000000000000001', '0000'),
  )
})

test.each<[string, number, string, string, PageFault]>([
  ['no rows', 1, '', '', 'NoRows'],
  ['no leaves', 0, '', '', 'NoRows'],
  ['a kind that is none', 3, '04000005 00000000000001', '', 'UnknownKind'],
  ['a head cut off', 1, '040000', '', 'CutRow'],
  ['a delta cut off', 1, '04000005 000000000001', '', 'CutRow'],
  ['a lane cut off', 1, '0c000005 00000000000001', '', 'CutRow'],
  ['one byte more', 1, '04000005 00000000000001 00', '', 'CutRow'],
  ['no lane', 1, '00000005', '', 'BadHead'],
  ['bit 30', 1, '44000005 00000000000001', '', 'BadHead'],
  ['bit 31', 2, '84000005 00000000000001', '', 'BadHead'],
  ['a leaf twice', 1, '04000005 00000000000001 08000005 00000000000001', '', 'NotIncreasing'],
  ['leaves that fall', 2, '04000005 00000000000001 04000004 00000000000001', '', 'NotIncreasing'],
  ['a zero', 1, '04000005 00000000000000', '', 'BadDelta'],
  ['2^53', 1, '04000005 20000000000000', '', 'BadDelta'],
  ['-2^53', 1, '04000005 e0000000000000', '', 'BadDelta'],
  ['the least int56', 1, '04000005 80000000000000', '', 'BadDelta'],
  ['no units', 2, '04000005 00000000000000', '', 'BadUnits'],
  ['units of 2^53', 2, '04000005 20000000000000', '', 'BadUnits'],
  ['units of 56 ones', 2, '04000005 ffffffffffffff', '', 'BadUnits'],
  ['deposits in a trade page', 1, '04000005 00000000000001', '00', 'DepositsWithoutQueue'],
  ['a leaf cut off', 0, '000000', '', 'CutRow'],
  ['a leaf beyond the tree', 0, '04000000', '', 'BadHead'],
  ['a leaf without deposit', 0, '00000008', '', 'UntouchedLeaf'],
  ['a deposit cut off', 0, '00000008', `${'00'.repeat(33)}`, 'CutDeposit'],
  ['a place beyond', 0, '00000008', `00000200 0000000000000001 ${'00'.repeat(20)} 0001`, 'BadPlace'],
  ['another leaf’s place', 0, '00000008', `00000240 0000000000000001 ${'00'.repeat(20)} 0000`, 'BadPlace'],
  ['an account beyond', 0, '00000008', `ffffffff 0000000000000001 ${'00'.repeat(20)} 0000`, 'BadPlace'],
  ['a deposit of nothing', 0, '00000008', `00000200 0000000000000000 ${'00'.repeat(20)} 0000`, 'BadUnits'],
  ['a deposit of 2^53', 0, '00000008', `00000200 0020000000000000 ${'00'.repeat(20)} 0000`, 'BadUnits'],
  [
    'deposits of 2^53 together',
    0,
    '00000008',
    `00000200 001fffffffffffff ${'00'.repeat(20)} 0000`.concat(
      `00000200 0000000000000001 ${'00'.repeat(20)} 0000`,
    ),
    'BadUnits',
  ],
])('refused: %s', (_what, kind, rows, deposits, fault) => {
  expect(faultOf(kind, bytes(rows), bytes(deposits))).toBe(fault)
})

test('the bounds of a page', () => {
  const row = (leaf: number, lanes: number): string =>
    ((2 ** lanes - 1) * 2 ** 26 + leaf).toString(16).padStart(8, '0') + '00000000000001'.repeat(lanes)
  const page = (count: number, lanes: number): Uint8Array =>
    bytes(Array.from({ length: count }, (_, leaf) => row(leaf, lanes)).join(''))
  expect(faultOf(PageKind.Trade, page(1024, 4))).toBe('none')
  expect(faultOf(PageKind.Trade, page(1025, 1))).toBe('TooManyRows')
  expect(faultOf(PageKind.Withdrawal, page(64, 4))).toBe('none')
  expect(faultOf(PageKind.Withdrawal, page(256, 1))).toBe('none')
  expect(faultOf(PageKind.Withdrawal, page(257, 1))).toBe('TooManyWithdrawals')
  expect(faultOf(PageKind.Withdrawal, page(65, 4))).toBe('TooManyWithdrawals')
})

test('nothing else is written', () => {
  for (const rows of [
    rowsFrom([]),
    rowsFrom([[5, 0, 0, 0, 0]]),
    rowsFrom([[5, 0.5, 0, 0, 0]]),
    rowsFrom([[5, UNITS_END, 0, 0, 0]]),
    rowsFrom([
      [5, 1, 0, 0, 0],
      [5, 1, 0, 0, 0],
    ]),
    rowsFrom([[-1, 1, 0, 0, 0]]),
    rowsFrom([[LEAVES_END, 1, 0, 0, 0]]),
  ])
    expect(() => encodePage(PageKind.Trade, rows)).toThrow(PageError)
  expect(() => encodePage(PageKind.Withdrawal, rowsFrom([[5, 1, 0, 0, 0]]))).toThrow(PageError)
  const deposits = [{ index: indexOf(9, 4), units: 7, owner: [0, 0, 0, 0, 0] }]
  expect(() => encodeDepositPage(rowsFrom([[9, 7, 0, 0, 0]]), deposits)).toThrow('BadPlace')
  const more = rowsFrom([
    [9, 7, 0, 0, 0],
    [leafIndexOf(9, 4), 7, 0, 0, 0],
  ])
  expect(() => encodeDepositPage(more, deposits)).toThrow('UntouchedLeaf')
})

test('a byte string that is read is written the same', () => {
  const noise = fc.uint8Array({ maxLength: 24 })
  fc.assert(
    fc.property(trades, fc.constantFrom(1, 2), noise, fc.nat(), (rows, kind, other, at) => {
      const data = encodePage(PageKind.Trade, rows).rows
      data.set(other.subarray(0, data.length), at % Math.max(1, data.length - other.length))
      if (faultOf(kind, data) !== 'none') return
      const read = decodePage(kind, data, NONE)
      expect(hex(encodePage(kind as 1 | 2, read.rows).rows)).toBe(hex(data))
    }),
    { numRuns: 200 },
  )
})
