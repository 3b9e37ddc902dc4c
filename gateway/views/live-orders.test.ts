/**
 * Live orders as the gateway keeps them from events alone, against the engine that made the events: random
 * sessions, a load in pieces while commands go on, captures that are read while orders change.
 */
import fc from 'fast-check'
import { EventKind, Side } from '../../engine/codes.js'
import { createEngine } from '../../engine/core/engine.js'
import { sceneOf } from '../../engine/reference/random-scene.js'
import { drawCommand, drawFunding, drawOptions } from '../../engine/reference/random-session.js'
import { Tape } from '../../engine/reference/random-tape.js'
import { ReferenceEngine } from '../../engine/reference/engine.js'
import { COMMAND_WORDS, EVENT_WORDS, kindOf } from '../../engine/layout.js'
import { LOAD_PLACES_MAX, LOAD_ROWS_MAX } from '../../engine/limits.js'
import { writeDeposit, writeOpenAccount, writePlace } from '../../engine/commands.js'
import type { Engine, OrderView } from '../../engine/types.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { LiveOrders } from './live-orders.js'
import { OrderCapture } from './order-capture.js'

const ACCOUNTS = [0, 1, 2, 3, 4]
const MARKETS = [0, 1]
const RUNS = Number(process.env['GLASSBOOK_RUNS'] ?? 60)

const wireOf = (order: OrderView): WireValue => [
  order.orderId,
  order.cloid,
  order.market,
  order.side,
  order.ticks,
  order.lots,
  order.remaining,
  order.orderType,
  order.timeInForce,
  order.triggerTicks,
  order.displayLots,
  order.expiresAtMs,
  order.waiting ? 1 : 0,
]

const l3Of = (engine: Engine, market: number): WireValue[] =>
  engine
    .restingOrders(market)
    .map(({ orderId, side, ticks, visible }): number[] => [orderId, side, ticks, visible])
    .sort(([a], [b]) => a! - b!)

function allOf(capture: OrderCapture): WireValue[] {
  const rows: WireValue[] = []
  while (!capture.done) rows.push(...capture.next(3))
  return rows.sort((a, b) => (a as number[])[0]! - (b as number[])[0]!)
}

function agree(orders: LiveOrders, engine: Engine): void {
  for (const account of ACCOUNTS) {
    const expected = engine.orders(account)
    expect(orders.count(account)).toBe(expected.length)
    const pages: WireValue[] = []
    for (let more = true, after = 0; more;) {
      const page = orders.page(account, after, 2)
      more = page.more
      pages.push(...page.orders)
      after = (page.orders.at(-1) as number[] | undefined)?.[0] ?? 0
    }
    expect(pages).toEqual(expected.map(wireOf))
    for (const order of expected) {
      expect(orders.byOrderId(account, order.orderId)).toEqual(wireOf(order))
      expect(orders.byOrderId(account + 1, order.orderId)).toBeUndefined()
      expect(orders.byCloid(account, order.cloid)).toEqual(wireOf(order))
    }
  }
  for (const market of MARKETS) {
    const levels = [new Map<number, number[]>(), new Map<number, number[]>()]
    orders.resting(market, (side, ticks, visible) => {
      const level = levels[side]!.get(ticks) ?? [0, 0]
      levels[side]!.set(ticks, [level[0]! + visible, level[1]! + 1])
    })
    for (const side of [Side.Buy, Side.Sell]) {
      const expected = engine
        .book(market, side, Infinity)
        .map(({ ticks, lots, orders: count }) => [ticks, [lots, count]])
      expect([...levels[side]!].sort(([a], [b]) => a - b)).toEqual(
        expected.sort(([a], [b]) => (a as number) - (b as number)),
      )
    }
  }
}

test('random sessions: what the events tell is what the engine has, at once or loaded in pieces', () => {
  let fills = 0
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 200, maxLength: 900, size: 'max' }),
      fc.integer({ min: 1, max: 60 }),
      (bytes, loadFrom) => {
        const tape = new Tape(bytes)
        const options = drawOptions(tape)
        const first = new LiveOrders()
        const late = new LiveOrders()
        const engine = createEngine({
          ...options,
          onEvents: ({ words, floats, count }) => {
            for (let index = 0; index < count; index++) {
              const kind = kindOf(words[index * EVENT_WORDS]!)
              if (kind === EventKind.Fill) fills++
              first.event(kind, words, floats, index * EVENT_WORDS)
              if (number > loadFrom) late.event(kind, words, floats, index * EVENT_WORDS)
            }
          },
        })
        const slow = new ReferenceEngine({ ...options, onEvents: () => {} })
        const words = new Int32Array(COMMAND_WORDS)
        const floats = new Float64Array(words.buffer)
        let funding = true
        let number = 1
        let next = 0
        let captures: [OrderCapture, WireValue[], WireValue[]][] = []
        for (; !tape.empty; number++) {
          if (funding) funding = drawFunding(tape, number - 1, words, floats)
          if (!funding) drawCommand(tape, words, floats, sceneOf(slow))
          slow.apply(words, floats, 0)
          engine.apply(words, floats, 0)
          engine.flush()
          agree(first, engine)
          if (number > loadFrom && next >= 0) {
            const page = engine.orderPage(next)
            for (const row of page.rows) late.load(row)
            next = page.next
            if (next < 0) late.loaded()
          } else if (number > loadFrom) agree(late, engine)
          // Captures of one moment, read while commands go on.
          if (number % 9 === 0) {
            for (const [capture, seen, expected] of captures) {
              seen.push(...allOf(capture))
              expect(seen.sort((a, b) => (a as number[])[0]! - (b as number[])[0]!)).toEqual(expected)
            }
            captures = [
              ...MARKETS.map((market): [OrderCapture, WireValue[], WireValue[]] => [
                new OrderCapture(first, 'market', market),
                [],
                l3Of(engine, market),
              ]),
              ...ACCOUNTS.map((account): [OrderCapture, WireValue[], WireValue[]] => [
                new OrderCapture(first, 'account', account),
                [],
                engine.orders(account).map(wireOf),
              ]),
            ]
          } else for (const [capture, seen] of captures) seen.push(...capture.next(1))
        }
      },
    ),
    { numRuns: RUNS, seed: 20_261_127, endOnFailure: true, includeErrorInReport: true },
  )
  expect(fills).toBeGreaterThan(RUNS / 2)
})

test('a piece of a load is bounded, however many orders live and have ended', () => {
  const engine = createEngine({
    ordersMax: 100_000,
    genesis: {
      assets: [
        { id: 0, symbol: 'USD' },
        { id: 1, symbol: 'ABC' },
      ],
      markets: [{ id: 0, base: 1, quote: 0, lotUnits: 1, tickUnits: 1, makerFeePpm: 0, takerFeePpm: 0 }],
    },
    onEvents: () => {},
  })
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  const apply = (): void => {
    engine.apply(words, floats, 0)
    engine.flush()
  }
  writeOpenAccount(words, 0, 1, [1, 2, 3, 4, 5])
  apply()
  writeDeposit(words, floats, 0, 1, 0, 1e12)
  apply()
  for (let cloid = 1; cloid <= 10_000; cloid++) {
    writePlace(words, floats, 0, 1, 0, Side.Buy, 1 + (cloid % 100), 1, cloid)
    apply()
  }
  let pages = 0
  let rows = 0
  for (let next = 0; next >= 0; pages++) {
    const page = engine.orderPage(next)
    expect(page.rows.length).toBeLessThanOrEqual(LOAD_ROWS_MAX)
    expect(page.next < 0 || page.next - next <= LOAD_PLACES_MAX).toBe(true)
    rows += page.rows.length
    next = page.next
  }
  expect([rows, pages]).toEqual([10_000, Math.ceil(10_000 / LOAD_ROWS_MAX)])
})
