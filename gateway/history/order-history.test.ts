/** Ended orders by either id, and the share of each account in what is kept. */
import { EventKind, Side } from '../../engine/codes.js'
import { Ev } from '../../engine/layout.js'
import { writeEvent } from '../../engine/records/access.js'
import { Random } from '../../test/simulator/random.js'
import { AccountRecords } from './account-records.js'
import { NUMBER_F64, Party, HISTORY_RECORD_WORDS, TIME_F64, TYPE_WORD } from './record.js'
import { OrderHistory } from './order-history.js'

const KEPT = 1 << 12
const ENDED = KEPT + 5000
const ACCOUNTS = 7

const words = new Int32Array(HISTORY_RECORD_WORDS)
const floats = new Float64Array(words.buffer)

function canceled(history: OrderHistory, account: number, cloid: bigint, orderId: number): void {
  words.fill(0)
  writeEvent(words, floats, 0, 'Canceled', orderId, { side: Side.Buy, account, cloid, orderId })
  words[TYPE_WORD] = Party.First << 8
  floats[TIME_F64] = orderId * 10
  history.add(words, 0)
}

test('an ended order is found by either id until newer ones have taken its place; a cloid used again is the newer order', () => {
  const history = new OrderHistory(KEPT)
  const newest = new Map<string, number>()
  const orders: { account: number; cloid: bigint }[] = []
  let state = 1
  for (let orderId = 1; orderId <= ENDED; orderId++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    const account = 1 + (orderId % ACCOUNTS)
    // Every fifth uses an earlier id again; the high words differ too.
    const cloid = orderId % 5 === 0 ? BigInt(orderId >> 3) : (BigInt(state >>> 0) << 32n) | BigInt(orderId)
    canceled(history, account, cloid, orderId)
    newest.set(`${account}:${cloid}`, orderId)
    orders.push({ account, cloid })
  }
  let [found, gone] = [0, 0]
  const wrong: string[] = []
  for (const [key, orderId] of newest) {
    const [account, cloid] = key.split(':')
    const entry = history.byCloid(Number(account), BigInt(cloid!))
    // Each account has its share: they end as many, so the oldest go, give or take a size class.
    if (Math.abs(orderId - (ENDED - KEPT)) < KEPT / 4) continue
    const kept = orderId > ENDED - KEPT
    if (kept ? entry?.[2] === orderId && entry[3] === BigInt(cloid!) : entry === undefined) {
      if (kept) found++
      else gone++
    } else wrong.push(key)
  }
  expect(wrong).toEqual([])
  expect(found).toBeGreaterThan(KEPT / 2)
  expect(gone).toBeGreaterThan(1000)
  for (const orderId of [ENDED, ENDED - 123, ENDED - KEPT / 2]) {
    const { account, cloid } = orders[orderId - 1]!
    expect(history.byOrderId(account, orderId)?.[3]).toBe(cloid)
    expect(history.byOrderId(account + 1, orderId)).toBeUndefined()
  }
  expect(history.byOrderId(orders[0]!.account, 1)).toBeUndefined()
  expect(history.byCloid(99, 1n)).toBeUndefined()
})

test('a fill that ends both of its orders is the end of each, for its own account', () => {
  const history = new OrderHistory(KEPT)
  words.fill(0)
  writeEvent(words, floats, 0, 'Fill', 102, {
    ...{ makerSide: Side.Sell, lots: 4 },
    ...{ makerAccount: 1, makerCloid: 11, makerOrderId: 101 },
    ...{ takerAccount: 2, takerCloid: 22, takerOrderId: 102 },
  })
  words[TYPE_WORD] = (Party.First | Party.Counter) << 8
  history.add(words, 0)
  const buyer = [102, EventKind.Fill, 102, 22n]
  const seller = [102, EventKind.Fill, 101, 11n]
  const found = [
    history.byCloid(1, 11n),
    history.byOrderId(1, 101),
    history.byCloid(2, 22n),
    history.byOrderId(2, 102),
  ]
  expect(found.map((entry) => entry?.slice(0, 4))).toEqual([seller, seller, buyer, buyer])
  expect(found.map((entry) => entry?.[5])).toEqual([
    found[0]![5],
    found[0]![5],
    1 - found[0]![5],
    1 - found[0]![5],
  ])
})

describe('shares', () => {
  const add = (records: AccountRecords, account: number, seq: number): void => {
    floats[Ev.SEQ_F64] = seq
    floats[NUMBER_F64] = 0
    records.add(account, words, 0)
  }

  test('who fills the table pushes out its own past only, and what was forgotten of each is known', () => {
    const records = new AccountRecords(1000)
    let seq = 0
    for (let count = 0; count < 100; count++) for (const account of [1, 2]) add(records, account, ++seq)
    // Fourteen times what the table holds, by two others.
    for (let count = 0; count < 14_000; count++) add(records, count % 2 === 0 ? 3 : 4, ++seq)
    expect([1, 2].map((account) => [records.count(account), records.forgotten(account).seq])).toEqual([
      [100, 0],
      [100, 0],
    ])
    expect(records.size).toBe(1000)
    expect(records.count(3) + records.count(4)).toBe(800)
    const oldest = records.floats[records.slotAt(3, 0) * (HISTORY_RECORD_WORDS / 2) + Ev.SEQ_F64]!
    expect(records.forgotten(3).seq).toBe(oldest - 2)
    // They come back below the others' size: nothing of theirs was lost, and each grows to an even share.
    for (let count = 0; count < 1000; count++) for (const account of [1, 2]) add(records, account, ++seq)
    for (const account of [1, 2, 3, 4]) {
      expect(records.count(account)).toBeGreaterThan(200)
      expect(records.count(account)).toBeLessThan(300)
    }
  })

  test.each([1, 2, 3])('who holds less than 7/8 of the largest loses nothing (seed %i)', (seed) => {
    const random = new Random(seed)
    const records = new AccountRecords(2000)
    let seq = 0
    let lost = 0
    for (let round = 0; round < 400; round++) {
      // Those who trade much change, so that accounts pass each other.
      const account = random.below(12)
      for (let count = random.below(60); count > 0; count--) {
        const held = Array.from({ length: 12 }, (_, index) => records.count(index))
        add(records, account, ++seq)
        const most = Math.max(...held)
        for (const [index, before] of held.entries()) {
          if (records.count(index) >= before + (index === account ? 1 : 0)) continue
          lost++
          expect(before).toBeGreaterThanOrEqual((7 / 8) * most)
        }
      }
    }
    expect(lost).toBeGreaterThan(1000)
  })

  test('an account that lost everything is told as incomplete, and so is one that nobody knows', () => {
    const records = new AccountRecords(4)
    for (let account = 1; account <= 10; account++) add(records, account, account)
    expect(records.count(1)).toBe(0)
    expect(records.forgotten(1).seq).toBe(6)
    expect(records.forgotten(99).seq).toBe(6)
    expect(records.forgotten(10).seq).toBeGreaterThan(0)
  })
})
