import { OrderType, PostOnly, Side, TimeInForce } from '../../engine/codes.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { commandRecord } from '../../engine/records/access.js'
import { Marketable } from './marketable.js'

const MARKET = 3
const LIVE = { account: 1, market: MARKET, cloid: 7n }
let book: { bid?: number; ask?: number }
let attributes: number | undefined
let told: number
let marketable: Marketable
beforeEach(() => {
  book = { bid: 100, ask: 110 }
  attributes = undefined
  told = 0
  marketable = new Marketable({
    bestTicks: (market, side) => (market !== MARKET ? undefined : side === Side.Buy ? book.bid : book.ask),
    attributes: (account, low, high) =>
      account === LIVE.account && low === Number(LIVE.cloid) && high === 0 ? attributes : undefined,
    handledSeq: () => told,
  })
})

type Given = Partial<Parameters<typeof commandRecord<'Place'>>[1]>
const place = (side: Side, ticks: number, other: Given = {}): Int32Array =>
  commandRecord('Place', { account: 1, market: MARKET, cloid: 1n, side, ticks, lots: 5, ...other })
const buy = (ticks: number, other: Given = {}): Int32Array => place(Side.Buy, ticks, other)
const sell = (ticks: number, other: Given = {}): Int32Array => place(Side.Sell, ticks, other)
const amend = (ticks: number, cloid = LIVE.cloid): Int32Array =>
  commandRecord('Amend', { ...LIVE, cloid, ticks, lots: 5 })

/** Whether the last of a frame's commands looks marketable; a header stands before the first. */
const looks = (...commands: Int32Array[]): boolean => marketable.has(frame(commands), 1, commands.length)
const send = (...commands: Int32Array[]): ReturnType<Marketable['sent']> =>
  marketable.sent(frame(commands), 1, commands.length)
function frame(commands: readonly Int32Array[]): Int32Array {
  const records = new Int32Array((1 + commands.length) * COMMAND_WORDS)
  for (const [index, command] of commands.entries()) records.set(command, (1 + index) * COMMAND_WORDS)
  return records
}

test('by the book: at the other side’s best price, or through it', () => {
  expect([buy(109), buy(110), buy(111)].map((order) => looks(order))).toEqual([false, true, true])
  expect([sell(101), sell(100), sell(99)].map((order) => looks(order))).toEqual([false, true, true])
  book = {}
  expect([looks(buy(1000)), looks(sell(1))]).toEqual([false, false])
  expect(looks(buy(1000, { market: MARKET + 1 }))).toBe(false)
})

test('a buy with a quote budget and no price, as one at any price', () => {
  const orderType = OrderType.Market
  expect(looks(buy(0, { orderType, quoteBudget: 1000 }))).toBe(true)
  book = { bid: 100 }
  expect(looks(buy(0, { orderType, quoteBudget: 1000 }))).toBe(false)
})

test('not by market orders, and stops that become one: they never rest', () => {
  for (const orderType of [OrderType.Market, OrderType.Stop, OrderType.TakeProfit]) {
    expect([looks(buy(109, { orderType }), sell(105)), looks(sell(101, { orderType }), buy(105))]).toEqual([
      false,
      false,
    ])
    send(buy(109, { orderType }), sell(101, { orderType }))
    expect([looks(buy(105)), looks(sell(105))]).toEqual([false, false])
  }
  expect(looks(buy(109, { orderType: OrderType.StopLimit }), sell(105))).toBe(true)
})

test('an amend by the order that it names: its side, and whether it only posts', () => {
  // Nobody knows it: it may be one that is on its way.
  expect(looks(amend(105))).toBe(true)
  attributes = buy(1)[0]!
  expect([looks(amend(109)), looks(amend(110)), looks(amend(105, 8n))]).toEqual([false, true, true])
  attributes = sell(1)[0]!
  expect([looks(amend(101)), looks(amend(100))]).toEqual([false, true])
  attributes = buy(1, { postOnly: PostOnly.Slide })[0]!
  expect(looks(amend(110))).toBe(false)
})

test('by what stands before it in its frame and may rest', () => {
  expect([looks(sell(105), buy(105)), looks(sell(106), buy(105)), looks(buy(105), buy(105))]).toEqual([
    true,
    false,
    false,
  ])
  expect([looks(buy(105), sell(105)), looks(buy(105), sell(106))]).toEqual([true, false])
  expect(looks(amend(105), buy(105))).toBe(true)
  expect(looks(sell(105, { market: MARKET + 1 }), buy(105))).toBe(false)
  expect(looks(sell(105, { timeInForce: TimeInForce.IOC }), buy(105))).toBe(false)
})

test('by what has been sent, until the book has been told of it', () => {
  const first = send(sell(107), buy(102), sell(104), sell(101, { timeInForce: TimeInForce.FOK }))
  expect([looks(buy(103)), looks(buy(104)), looks(sell(102)), looks(sell(103))]).toEqual([
    false,
    true,
    true,
    false,
  ])
  expect(looks(buy(104, { market: MARKET + 1 }))).toBe(false)
  // Answered, and not told of yet.
  marketable.back(first, 10)
  expect(looks(buy(104))).toBe(true)
  told = 9
  expect(looks(buy(104))).toBe(true)
  told = 10
  expect(looks(buy(104))).toBe(false)
})

test('a price stays while frames that came later come back, and goes although more come', () => {
  const first = send(sell(104))
  for (let seq = 1; seq <= 20; seq++) {
    marketable.back(send(buy(1)), seq)
    told = seq
    expect(looks(buy(104))).toBe(true)
  }
  marketable.back(first, 21)
  told = 21
  // There is always a frame on its way.
  let before = send(buy(1))
  let gone = 0
  for (let seq = 22; seq < 30 && looks(buy(104)); seq++) {
    const next = send(buy(1))
    marketable.back(before, seq)
    told = seq
    before = next
    gone++
  }
  expect(gone).toBeLessThanOrEqual(3)
})

test('an amend on its way may rest on either side', () => {
  send(amend(105))
  expect([looks(buy(104)), looks(buy(105)), looks(sell(105)), looks(sell(106))]).toEqual([
    false,
    true,
    true,
    false,
  ])
})
