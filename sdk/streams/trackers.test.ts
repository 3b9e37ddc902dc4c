/**
 * What the trackers tell, fed message by message: each agrees with the exchange, or says that it does not know.
 */
import { EventKind } from '../../engine/codes.js'
import { TransportError } from '../base/errors.js'
import { ErrorCode } from '../wire/codes.js'
import { LocalBook } from './local-book.js'
import type { StreamMessage } from './subscription.js'
import { FillTracker, OrderTracker, type TrackedOrder, readOrderEntry } from './trackers.js'
import { OrderState } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

const message = (
  kind: 'snapshot' | 'event',
  seq: number,
  data: WireValue,
  since?: number,
): StreamMessage => ({ kind, stream: 'x', seq, data, checksum: undefined, since })

/** A row of an `orders` snapshot. */
const live = (
  orderId: number,
  cloid: number,
  lots: number,
  remaining: number,
  waiting = 0,
  ticks = 50,
): WireValue => [orderId, cloid, 0, 0, ticks, lots, remaining, waiting === 1 ? 3 : 0, 0, 0, 0, 0, waiting]
/** An entry of the `orders` stream. */
const entry = (
  event: number,
  orderId: number,
  cloid: number,
  lots: number,
  remaining: number,
  state: number,
  ticks = 50,
  code = 0,
  described: readonly number[] = [0, 0, 0],
): WireValue => [9, event, orderId, cloid, 0, 0, ticks, lots, remaining, state, 0, 1, code, ...described]

const settled = () => new Promise((resolve) => setImmediate(resolve))

function tracker() {
  const asked: number[] = []
  const answers = new Map<number, (end: TrackedOrder | undefined | Error) => void>()
  const told: string[] = []
  const orders = new OrderTracker((orderId) => {
    asked.push(orderId)
    return new Promise((resolve, reject) =>
      answers.set(orderId, (end) => (end instanceof Error ? reject(end) : resolve(end))),
    )
  })
  orders.onOrder((order, event) =>
    told.push(`${event} ${order.orderId} ${order.state} ${order.remaining}/${order.lots}`),
  )
  return { orders, asked, answers, told }
}

describe('orders', () => {
  test('filled while nobody listened: unknown until the exchange has told, then filled', async () => {
    const { orders, asked, answers, told } = tracker()
    orders.take(message('snapshot', 1, [live(7, 1, 10, 7)]))
    orders.take(message('snapshot', 5, []))
    await settled()
    expect(told).toEqual(['opened 7 open 7/10', 'unknown 7 unknown 7/10'])
    expect(orders.live.size).toBe(0)
    expect([...orders.unknown.keys()]).toEqual(asked)
    answers.get(7)!(readOrderEntry(entry(EventKind.Fill, 7, 1, 7, 0, OrderState.Filled)).order)
    await settled()
    // The size is the order's, not the last fill's.
    expect(told.slice(2)).toEqual(['ended 7 filled 0/10'])
    expect(orders.unknown.size).toBe(0)
  })

  test("another program's amend of trigger, display or expiry is told, and kept through what follows", () => {
    const { orders, told } = tracker()
    const row = (trigger: number, display: number, expires: number): WireValue => [
      7,
      1,
      0,
      0,
      50,
      10,
      10,
      3,
      0,
      trigger,
      display,
      expires,
      1,
    ]
    const amended = (...described: number[]) =>
      orders.take(
        message('event', 3, [entry(EventKind.Amended, 7, 1, 10, 10, OrderState.Waiting, 50, 0, described)]),
      )
    const now = () => {
      const { triggerTicks, displayLots, expiresAtMs } = orders.live.get(7)!
      return [triggerTicks, displayLots, expiresAtMs]
    }
    orders.take(message('snapshot', 1, [row(60, 0, 0)]))
    expect([told.length, now()]).toEqual([1, [60, 0, 0]])
    for (const [trigger, display, expires] of [
      [70, 0, 0],
      [70, 2, 0],
      [70, 2, 5000],
    ] as const) {
      const before = told.length
      amended(trigger, display, expires)
      expect([told.length - before, now()]).toEqual([1, [trigger, display, expires]])
      // Nothing new: nothing is told.
      orders.take(message('snapshot', 4, [row(trigger, display, expires)]))
      expect(told.length - before).toBe(1)
    }
    orders.take(message('snapshot', 5, [row(80, 2, 5000)]))
    expect([told.at(-1), now()]).toEqual(['changed 7 waiting 10/10', [80, 2, 5000]])
    // Neither a trigger nor a fill tells them: they stand.
    orders.take(message('event', 6, [entry(EventKind.Triggered, 7, 1, 10, 10, OrderState.Open)]))
    orders.take(message('event', 7, [entry(EventKind.Fill, 7, 1, 4, 6, OrderState.Open)]))
    expect([told.at(-1), now()]).toEqual(['changed 7 open 6/10', [80, 2, 5000]])
  })

  test('an exchange that does not know any more leaves it unknown', async () => {
    const { orders, answers, told } = tracker()
    orders.take(message('snapshot', 1, [live(7, 1, 10, 7)]))
    orders.take(message('snapshot', 5, []))
    answers.get(7)!(undefined)
    await settled()
    expect(told.at(-1)).toBe('ended 7 unknown 7/10')
  })

  test('a client that is closed meanwhile tells nothing', async () => {
    const { orders, answers, told } = tracker()
    orders.take(message('snapshot', 1, [live(7, 1, 10, 7)]))
    orders.take(message('snapshot', 5, []))
    answers.get(7)!(new TransportError('closed', { code: ErrorCode.NotConnected }))
    await settled()
    expect(told.at(-1)).toBe('unknown 7 unknown 7/10')
    expect(orders.unknown.has(7)).toBe(true)
  })

  test('a client order id used again hides neither the end nor the new order', async () => {
    const { orders, asked, answers, told } = tracker()
    orders.take(message('snapshot', 1, [live(7, 1, 10, 10)]))
    orders.take(message('snapshot', 5, [live(8, 1, 3, 3)]))
    expect(asked).toEqual([7])
    expect(told.slice(1)).toEqual(['opened 8 open 3/3', 'unknown 7 unknown 10/10'])
    expect(orders.byCloid(1n)).toMatchObject({ orderId: 8 })
    answers.get(7)!(readOrderEntry(entry(EventKind.Canceled, 7, 1, 10, 10, OrderState.Canceled)).order)
    await settled()
    expect(told.at(-1)).toBe('ended 7 canceled 10/10')
    // The end of the old one takes nothing from the new one.
    expect(orders.byCloid(1n)).toMatchObject({ orderId: 8 })
    // The same by events: the old one ends, the new one opens.
    orders.take(
      message('event', 9, [
        entry(EventKind.Canceled, 8, 1, 3, 3, OrderState.Canceled),
        entry(EventKind.Accepted, 9, 1, 4, 4, OrderState.Open),
      ]),
    )
    expect([...orders.live.keys()]).toEqual([9])
    expect(orders.byCloid(1n)).toMatchObject({ orderId: 9, lots: 4 })
  })

  test('a snapshot tells of every field that changed: a stop that was triggered, a size, a price', () => {
    const { orders, told } = tracker()
    orders.take(message('snapshot', 1, [live(7, 1, 10, 10, 1), live(8, 2, 5, 5), live(9, 3, 5, 5)]))
    told.length = 0
    orders.take(message('snapshot', 2, [live(7, 1, 10, 10, 0), live(8, 2, 6, 5), live(9, 3, 5, 5)]))
    expect(told).toEqual(['changed 7 open 10/10', 'changed 8 open 5/6'])
  })

  test('a triggered stop, and a waiting one that is amended, are told as they are', () => {
    const { orders } = tracker()
    orders.take(message('event', 1, [entry(EventKind.Accepted, 7, 1, 10, 10, OrderState.Waiting)]))
    orders.take(message('event', 2, [entry(EventKind.Amended, 7, 1, 8, 8, OrderState.Waiting)]))
    expect(orders.live.get(7)).toMatchObject({ state: 'waiting', lots: 8 })
    orders.take(message('event', 3, [entry(EventKind.Triggered, 7, 1, 8, 8, OrderState.Open)]))
    expect(orders.live.get(7)).toMatchObject({ state: 'open', lots: 8 })
  })

  test('an event tells how an order ended before the exchange answers: it is told once', async () => {
    const { orders, answers, told } = tracker()
    orders.take(message('snapshot', 1, [live(7, 1, 10, 7)]))
    orders.take(message('snapshot', 5, []))
    orders.take(message('event', 6, [entry(EventKind.Fill, 7, 1, 7, 0, OrderState.Filled)]))
    answers.get(7)!(readOrderEntry(entry(EventKind.Fill, 7, 1, 7, 0, OrderState.Filled)).order)
    await settled()
    expect(told.filter((line) => line.startsWith('ended'))).toEqual(['ended 7 filled 0/10'])
  })

  test('a refused order ends none of the same client order id', () => {
    const { orders, told } = tracker()
    orders.take(message('snapshot', 1, [live(7, 1, 10, 10)]))
    orders.take(message('event', 2, [entry(EventKind.Rejected, 0, 1, 3, 3, OrderState.Canceled, 50, 4024)]))
    expect([...orders.live.keys()]).toEqual([7])
    expect(told.at(-1)).toBe('ended 0 canceled 3/3')
  })
})

describe('fills', () => {
  const fill = (seq: number, index = 0): WireValue => [seq, index, 0, 0, 50, 1, 0, 1, 7, 1, 0, 1]

  test('a snapshot from the last position leaves no hole; one from nowhere, or from beyond, does', () => {
    const cases: readonly (readonly [since: number | undefined, complete: number, expected: boolean])[] = [
      [5, 1, true],
      [4, 1, true],
      [undefined, 1, false],
      [6, 1, false],
      [5, 0, false],
    ]
    for (const [since, told, expected] of cases) {
      const fills = new FillTracker()
      fills.take(message('snapshot', 1, [1, []]))
      fills.take(message('event', 5, [fill(5)]))
      fills.take(message('snapshot', 9, [told, [fill(5), fill(8)]], since))
      expect([since, told, fills.complete]).toEqual([since, told, expected])
      expect(fills.fills.map(({ seq }) => seq)).toEqual([5, 8])
    }
  })
})

test('a book is not ready from the first doubt on, and says how old it is', async () => {
  const book = new LocalBook(0)
  expect(book).toMatchObject({ ready: false, ageMs: Infinity })
  let heardAtMs = performance.now() - 300
  book.heardBy(() => heardAtMs)
  book.take(message('snapshot', 1, [[[50, 1, 1]], []]))
  expect(book.ready).toBe(true)
  expect(book.ageMs).toBeGreaterThanOrEqual(300)
  heardAtMs = performance.now() - 200
  book.lost()
  expect(book.ready).toBe(false)
  const before = book.ageMs
  expect(before).toBeGreaterThanOrEqual(200)
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(book.ageMs).toBeGreaterThan(before)
  // An event taken meanwhile makes nothing good; the stream says when it is.
  book.take(message('event', 2, [[[51, 1, 1]], []]))
  expect(book.ready).toBe(false)
  book.caughtUp()
  expect(book.ready).toBe(true)
  expect(book.take({ ...message('event', 3, [[[52, 1, 1]], []]), checksum: 1 })).toBe('restart')
  expect(book.ready).toBe(false)
})
