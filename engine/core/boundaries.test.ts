/**
 * The edges: largest numbers, full tables, very long sweeps, a million orders; and what a snapshot is
 * when it is damaged or does not fit.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { ORDERS, millionOrders } from '../../test/support/million-orders.js'
import { CancelReason, EventKind } from '../codes.js'
import * as commands from '../commands.js'
import { COMMAND_WORDS, CanceledEv, EVENT_WORDS, kindOf } from '../layout.js'
import { COMMAND_STEPS_MAX } from '../limits.js'
import type { EngineOptions, EventBuffer } from '../types.js'
import { GenesisError, SnapshotError, createEngine, restoreEngine, sealSnapshot } from './engine.js'
import { ABC, Rig, Side, TimeInForce, USD, marketConfig } from '../reference/rig.js'

const MAX = 2 ** 31 - 1
const options = (market = marketConfig()): EngineOptions => ({
  genesis: {
    assets: [
      { id: USD, symbol: 'USD' },
      { id: ABC, symbol: 'ABC' },
    ],
    markets: [market],
  },
  onEvents: () => {},
})
/** Small tables, where many engines are made. */
const small = (): EngineOptions => ({
  ...options(),
  ordersMax: 64,
  levelsMax: 64,
  accountsMax: 64,
  sessionsMax: 4,
  marketsMax: 4,
})

test('2^31 - 1 ticks, 2^31 - 1 lots', () => {
  const rig = new Rig()
  rig.deposit(1, USD, 2 ** 53 - 1)
  rig.deposit(2, ABC, 2 ** 53 - 1)
  expect(rig.buy(1, MAX, 1, 1)).toEqual(['Accepted 1'])
  expect(rig.sell(2, MAX, MAX, 1)).toEqual(['Rejected NotionalOverLimit'])
  expect(rig.sell(2, MAX, 3, 1)).toEqual(['Accepted 1', 'Fill 1<1 1@2147483647'])
  expect(rig.buy(1, 1, MAX, 2)).toEqual(['Accepted 2'])
  expect(rig.sell(2, 1, MAX, 2)).toEqual(['Accepted 2', 'Fill 2<2 2147483647@1'])
  expect(rig.book()).toBe(` | ${MAX}:2`)
  rig.restore()
})

test('notional and balance just below 2^53, and at it', () => {
  // 2^53 - 1 = 6361 * 69431 * 20394401
  const rig = new Rig({ market: { tickUnits: 6361 } })
  rig.deposit(1, USD, 2 ** 53 - 1)
  expect(rig.deposit(1, USD, 1)).toEqual(['Rejected BalanceOverLimit'])
  expect(rig.buy(1, 69431, 20394401, 1)).toEqual(['Accepted 1'])
  expect(rig.balance(1, USD)).toBe(`0/${2 ** 53 - 1}`)
  const power = new Rig({ market: { tickUnits: 2 ** 20 } })
  power.deposit(1, USD, 2 ** 53 - 1)
  expect(power.buy(1, 2 ** 20, 2 ** 13, 1)).toEqual(['Rejected NotionalOverLimit'])
  expect(power.buy(1, 2 ** 20, 2 ** 13 - 1, 1)).toEqual(['Accepted 1'])
  const lots = new Rig({ market: { lotUnits: 2 ** 23 } })
  lots.deposit(1, ABC, 2 ** 53 - 1)
  expect(lots.sell(1, 1, 2 ** 30, 1)).toEqual(['Rejected NotionalOverLimit'])
  expect(lots.sell(1, 1, 2 ** 30 - 1, 1)).toEqual(['Accepted 1'])
})

test('the sum of a level passes 2^32', () => {
  const rig = new Rig()
  for (let account = 1; account <= 4; account++) {
    rig.deposit(account, ABC, 2 ** 40)
    rig.sell(account, 5, MAX, 1)
  }
  expect(rig.engine.book(0, Side.Sell, 1)).toEqual([{ ticks: 5, lots: 4 * MAX, orders: 4 }])
  rig.restore()
})

test('an order that would bring a balance to 2^53 fills what fits and ends', () => {
  const rig = new Rig()
  rig.deposit(1, USD, 2 ** 53 - 1)
  rig.deposit(2, USD, 2 ** 53 - 101)
  rig.deposit(2, ABC, 10)
  rig.buy(1, 60, 1, 1)
  rig.buy(1, 60, 1, 2)
  expect(rig.sell(2, 60, 2, 1)).toEqual(['Accepted 1', 'Fill 1<1 1@60', 'Canceled 1 BalanceOverLimit 1'])
  // A maker that cannot take its proceeds is cancelled, and the next one is asked.
  rig.deposit(3, ABC, 10)
  rig.sell(2, 61, 1, 5)
  rig.sell(3, 61, 1, 5)
  expect(rig.buy(1, 61, 1, 7)).toEqual(['Accepted 7', 'Canceled 5 BalanceOverLimit 1', 'Fill 5<7 1@61'])
})

test('fill or kill with that much of an asset about is killed rather than half done', () => {
  const rig = new Rig()
  rig.deposit(1, USD, 2 ** 53 - 1)
  rig.deposit(2, USD, 2 ** 53 - 101)
  rig.deposit(2, ABC, 10)
  rig.buy(1, 60, 2, 1)
  const answer = rig.sell(2, 60, 2, 1, { timeInForce: TimeInForce.FOK })
  expect(answer).toEqual(['Accepted 1', 'Canceled 1 FillOrKill 2'])
  rig.deposit(3, ABC, 10)
  expect(rig.sell(3, 60, 2, 1, { timeInForce: TimeInForce.FOK })).toEqual(['Accepted 1', 'Fill 1<1 2@60'])
})

test('fill or kill asks only those that it meets whether they can receive', () => {
  const rig = new Rig()
  rig.deposit(1, USD, 2 ** 53 - 1)
  rig.deposit(2, USD, 2 ** 53 - 101)
  rig.deposit(2, ABC, 10)
  rig.deposit(3, ABC, 100)
  const buy = { timeInForce: TimeInForce.FOK }
  // The second in the queue could not take its proceeds; what is wanted ends before it.
  rig.sell(3, 60, 4, 1, { displayLots: 2 })
  rig.sell(2, 60, 2, 2)
  expect(rig.buy(1, 60, 2, 1, buy)).toEqual(['Accepted 1', 'Fill 1<1 2@60', 'Refilled 1 2'])
  // It comes before what an iceberg hides.
  rig.sell(3, 60, 4, 3, { displayLots: 1 })
  expect(rig.buy(1, 60, 1, 2, buy)).toEqual(['Accepted 2', 'Canceled 2 FillOrKill 1'])
})

describe('many', () => {
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)

  test('a sweep of 100,000 orders takes a bounded part in each command', () => {
    const FILLS = 100_000
    let fills = 0
    let reason = 0
    const count = ({ words: out, count: events }: EventBuffer): void => {
      for (let index = 0; index < events; index++) {
        const at = index * EVENT_WORDS
        if (kindOf(out[at]!) === EventKind.Fill) fills++
        if (kindOf(out[at]!) === EventKind.Canceled) reason = out[at + CanceledEv.REASON]!
      }
    }
    const engine = createEngine({ ...options(), accountsMax: 4, onEvents: count })
    commands.writeDeposit(words, floats, 0, 1, ABC, FILLS)
    engine.apply(words, floats, 0)
    commands.writeDeposit(words, floats, 0, 2, USD, 1e12)
    engine.apply(words, floats, 0)
    for (let cloid = 0; cloid < FILLS; cloid++) {
      commands.writePlace(words, floats, 0, 1, 0, Side.Sell, 1 + (cloid % 1000), 1, cloid)
      engine.apply(words, floats, 0)
    }
    let taken = 0
    for (; engine.liveOrders() > 0; taken++) {
      fills = 0
      const wanted = engine.liveOrders()
      commands.writePlace(words, floats, 0, 2, 0, Side.Buy, 1000, wanted, 1)
      engine.apply(words, floats, 0)
      engine.flush()
      expect(fills).toBe(Math.min(wanted, COMMAND_STEPS_MAX))
      if (wanted > COMMAND_STEPS_MAX) expect(reason).toBe(CancelReason.WorkLimit)
    }
    expect(taken).toBe(Math.ceil(FILLS / COMMAND_STEPS_MAX))
    expect(engine.available(2, ABC)).toBe(FILLS)
    engine.checkInvariants()
  })

  test('1,000,000 resting orders: under 160 MB, the next one rejected, a snapshot that restores', () => {
    const program = fileURLToPath(new URL('../../test/support/million-orders.js', import.meta.url))
    const { genesis } = options()
    const printed = execFileSync(process.execPath, [program, JSON.stringify(genesis)], { encoding: 'utf8' })
    const alone = JSON.parse(printed) as { bytes: number; orders: number }
    console.log(`1,000,000 resting orders: ${(alone.bytes / 2 ** 20).toFixed(0)} MB of memory more`)
    expect(alone.orders).toBe(ORDERS)
    expect(alone.bytes).toBeLessThan(160 * 2 ** 20)

    let rejected = 0
    const engine = millionOrders({
      ...options(),
      onEvents: ({ words: out, count }) => {
        for (let index = 0; index < count; index++)
          if (kindOf(out[index * EVENT_WORDS]!) === EventKind.Rejected) rejected++
      },
    })
    expect(rejected).toBe(0)
    expect(engine.liveOrders()).toBe(ORDERS)
    commands.writePlace(words, floats, 0, 1, 0, Side.Buy, 5, 1, ORDERS)
    engine.apply(words, floats, 0)
    engine.flush()
    expect(rejected).toBe(1)
    const bytes = engine.snapshot()
    const restored = restoreEngine(bytes, { ...options(), ordersMax: ORDERS })
    expect(Buffer.from(restored.stateHash()).equals(Buffer.from(engine.stateHash()))).toBe(true)
  })

  test('book answers for empty books and for any depth', () => {
    const engine = createEngine(options())
    expect(engine.book(0, Side.Buy, 1000)).toEqual([])
    expect(engine.book(7, Side.Buy, 1000)).toEqual([])
    expect(engine.restingOrders(0)).toEqual([])
    const out = new Float64Array([7, 7])
    engine.level(0, Side.Sell, 5, out)
    expect(Array.from(out)).toEqual([0, 0])
    expect(engine.balances(99)).toEqual([])
    expect(engine.available(-1, 0)).toBe(0)
    expect(engine.owner(5)).toBeUndefined()
    expect(engine.orderByCloid(1, 5n)).toBeUndefined()
  })
})

describe('snapshots', () => {
  const rig = (): Rig => {
    const made = new Rig().fund(3)
    made.buy(1, 100, 10, 1, { displayLots: 3 })
    made.sell(2, 101, 10, 1)
    return made
  }

  test('the state hash is the SHA-256 of the body; sealing completes a capture', () => {
    const { engine } = rig()
    const bytes = engine.captureSnapshot()
    expect(bytes.subarray(-32).every((byte) => byte === 0)).toBe(true)
    sealSnapshot(bytes)
    expect(Buffer.compare(bytes, engine.snapshot())).toBe(0)
    const body = bytes.subarray(16, bytes.length - 32)
    expect(createHash('sha256').update(body).digest().equals(Buffer.from(engine.stateHash()))).toBe(true)
  })

  test('every flipped bit, and every cut, is found', () => {
    const bytes = rig().engine.snapshot()
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice()
      damaged[at]! ^= 1 << (at % 8)
      expect(() => restoreEngine(damaged, small())).toThrow(SnapshotError)
    }
    for (let length = 0; length < bytes.length; length += 7)
      expect(() => restoreEngine(bytes.subarray(0, length), small())).toThrow(SnapshotError)
  })

  test('one that does not fit names what does not', () => {
    const made = rig()
    const bytes = made.engine.snapshot()
    expect(() => restoreEngine(bytes, { ...small(), ordersMax: 1 })).toThrow('orders: 2 needed, capacity 1')
    expect(() => restoreEngine(bytes, { ...small(), accountsMax: 2 })).toThrow(
      'accounts: 3 needed, capacity 2',
    )
    const genesis = { ...small().genesis, requireFrames: true }
    expect(() => restoreEngine(bytes, { ...small(), genesis })).toThrow('requireFrames')
  })

  test('bytes at an odd place restore as well', () => {
    const made = rig()
    const bytes = made.engine.snapshot()
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    const restored = restoreEngine(shifted.subarray(3), small())
    expect(Buffer.from(restored.stateHash()).equals(Buffer.from(made.engine.stateHash()))).toBe(true)
  })
})

describe('genesis', () => {
  const bad =
    (change: Parameters<typeof marketConfig>[0], assets = options().genesis.assets) =>
    () =>
      createEngine({ ...small(), genesis: { assets, markets: [marketConfig(change)] } })
  test.each([
    [{ id: 4 }, 'ids are 0 to 3'],
    [{ base: 5 }, 'is no asset'],
    [{ base: USD }, 'base and quote are the same asset'],
    [{ lotUnits: 0 }, 'lotUnits 0'],
    [{ tickUnits: 1.5 }, 'tickUnits 1.5'],
    [{ lotUnits: 3 }, 'lotUnits 3 over tickUnits 1'],
    [{ lotUnits: 42, tickUnits: 3 }, 'lotUnits 42 over tickUnits 3'],
    [{ makerFeePpm: -1 }, 'fees -1 and 0'],
    [{ bandPpm: -1 }, 'band -1'],
  ])('%j: %s', (change, message) => {
    expect(bad(change)).toThrow(GenesisError)
    expect(bad(change)).toThrow(message)
  })

  test('assets, fee account, capacities', () => {
    expect(bad({}, [{ id: 64, symbol: 'A' }])).toThrow('asset id 64')
    expect(bad({}, [{ id: 0, symbol: 'a b' }])).toThrow('symbol "a b"')
    const { assets } = options().genesis
    expect(bad({}, [...assets, assets[0]!])).toThrow(`asset ${assets[0]!.id} is there twice`)
    const markets = [marketConfig(), marketConfig()]
    expect(() => createEngine({ ...small(), genesis: { assets, markets } })).toThrow(
      'market 0: is there twice',
    )
    expect(bad({ status: 3 as 0 })).toThrow('status 3 is none')
    expect(() => createEngine({ ...small(), ordersMax: 0 })).toThrow('ordersMax is 0')
    expect(() => createEngine({ ...small(), commandStepsMax: 1 })).toThrow('commandStepsMax is 1, 2 to 1024')
    const genesis = { ...options().genesis, feeAccount: -1 }
    expect(() => createEngine({ ...small(), genesis })).toThrow('fee account -1')
  })
})
