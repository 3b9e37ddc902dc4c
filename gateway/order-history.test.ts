import { EventKind, Side } from '../engine/codes.js'
import { EVENT_WORDS, Ev } from '../engine/layout.js'
import { OrderHistory } from './order-history.js'

const KEPT = 1 << 17
const ENDED = KEPT + 50_000
const ACCOUNTS = 7

const words = new Int32Array(EVENT_WORDS)
const floats = new Float64Array(words.buffer)

function canceled(history: OrderHistory, account: number, cloid: bigint, orderId: number): void {
  words.fill(0)
  words[Ev.KIND] = EventKind.Canceled | (Side.Buy << 8)
  words[Ev.ACCOUNT] = account
  words[Ev.CLOID_LO] = Number(cloid & 0xffffffffn) | 0
  words[Ev.CLOID_HI] = Number(cloid >> 32n) | 0
  floats[Ev.ORDER_ID_F64] = orderId
  history.add(EventKind.Canceled, words, 0, orderId * 10)
}

test('an ended order is found by either id until newer ones have taken its place; a cloid used again is the newer order', () => {
  const history = new OrderHistory()
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
    const kept = orderId > ENDED - KEPT
    if (kept ? entry?.[2] === orderId && entry[3] === BigInt(cloid!) : entry === undefined) {
      if (kept) found++
      else gone++
    } else wrong.push(key)
  }
  expect(wrong).toEqual([])
  expect(found).toBeGreaterThan(KEPT / 2)
  expect(gone).toBeGreaterThan(10_000)
  for (const orderId of [ENDED, ENDED - 1234, ENDED - KEPT + 1]) {
    const { account, cloid } = orders[orderId - 1]!
    expect(history.byOrderId(account, orderId)?.[3]).toBe(cloid)
    expect(history.byOrderId(account + 1, orderId)).toBeUndefined()
  }
  expect(history.byOrderId(orders[ENDED - KEPT - 1]!.account, ENDED - KEPT)).toBeUndefined()
  expect(history.byCloid(99, 1n)).toBeUndefined()
})
