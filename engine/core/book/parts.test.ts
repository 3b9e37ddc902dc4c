/**
 * Parts of the core on their own, against something simple: the level index against a sorted list, the id
 * table against a map, fees against bigint, the heap against sorting, SHA-256 against the platform's.
 */
import fc from 'fast-check'
import { Side } from '../../codes.js'
import * as commands from '../../commands.js'
import { COMMAND_WORDS } from '../../layout.js'
import { LEVELS_MAX, ORDERS_MAX, PROBES_MAX } from '../../limits.js'
import type { EngineCapacities } from '../../types.js'
import { createEngine, restoreEngine } from '../engine.js'
import { carryAfter, feeUnits } from '../money/fees.js'
import { Heap } from '../base/heap.js'
import { ProbesOverLimit, hashWord, randomTables } from '../base/keyed-hash.js'
import { LEVEL_SHIFT, Level, Levels, NONE } from './levels.js'
import { sortByKey } from '../base/radix-sort.js'
import { collidingHigh } from '../../reference/hostile-ids.js'
import { OrderIds } from './order-ids.js'
import { ORDER_SHIFT, Order } from './orders.js'
import { ACCOUNT_SHIFT, Account, Ledger, OWN_ROWS } from '../money/ledger.js'

test('levels: found, best first, whatever comes and goes', () => {
  const key = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 3000 }),
    fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    fc.constantFrom(0, 15, 16, 2 ** 31 - 1, 2 ** 31 - 16, 2 ** 30),
  )
  const step = fc.record({ book: fc.integer({ min: 0, max: 1 }), key, remove: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const levels = new Levels(2, 64)
      const model = [new Map<number, number>(), new Map<number, number>()]
      for (const { book, key, remove } of steps) {
        const own = model[book]!
        if (remove && own.size > 0) {
          // The nearest one at or above the key, or the best.
          const near = [...own.keys()].filter((each) => each >= key).sort((a, b) => a - b)[0]
          const gone = near ?? Math.min(...own.keys())
          levels.remove(own.get(gone)!)
          own.delete(gone)
        } else if (own.has(key)) expect(levels.findOrInsert(book, key)).toBe(own.get(key))
        else if (!levels.full) own.set(key, levels.findOrInsert(book, key))
        const listed: number[] = []
        for (let at = levels.best[book]!; at !== NONE; at = levels.words[(at << LEVEL_SHIFT) + Level.WORSE]!)
          listed.push(levels.words[at << LEVEL_SHIFT]!)
        expect(listed).toEqual([...own.keys()].sort((a, b) => a - b))
        for (const [each, level] of own) expect(levels.find(book, each)).toBe(level)
        expect(levels.find(book, key)).toBe(own.get(key) ?? NONE)
      }
      expect(levels.live).toBe(model[0]!.size + model[1]!.size)
    }),
    { numRuns: 500 },
  )
})

test('levels: the node that was used lately is of these prices, not of some with the same low bits', () => {
  const levels = new Levels(1, 64)
  const keys = [2049, 2050, 3, 4, 2051, 5]
  const made = keys.map((key) => levels.findOrInsert(0, key))
  const listed: number[] = []
  for (let at = levels.best[0]!; at !== NONE; at = levels.words[(at << LEVEL_SHIFT) + Level.WORSE]!)
    listed.push(levels.words[at << LEVEL_SHIFT]!)
  expect(listed).toEqual([3, 4, 5, 2049, 2050, 2051])
  expect(keys.map((key) => levels.find(0, key))).toEqual(made)
})

test('levels: a million levels need no more room than promised, at any distance', () => {
  for (const distance of [1, 2, 15, 16, 17, 1000, 2047]) {
    const levels = new Levels(1, 1 << 16)
    const made: number[] = []
    for (let index = 0; index < 1 << 16; index++)
      made.push(levels.findOrInsert(0, (index * distance) % 2 ** 31))
    expect(levels.full).toBe(true)
    for (const level of made) levels.remove(level)
    expect(levels.live).toBe(0)
    expect(levels.best[0]).toBe(NONE)
  }
})

test('order ids: as a map', () => {
  const step = fc.tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 30 }),
    fc.boolean(),
    fc.boolean(),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.integer(), (steps, spread) => {
      const words = new Int32Array(200 << ORDER_SHIFT)
      const ids = new OrderIds(words, 200)
      const model = new Map<string, number>()
      let next = 0
      for (const [account, low, high, missed] of steps) {
        const cloid = Math.imul(low, spread) | 0
        const name = `${account} ${cloid} ${high}`
        const slot = ids.find(account, cloid, high ? 1 : 0)
        expect(slot).toBe(model.get(name) ?? -1)
        if (slot >= 0) {
          ids.remove(slot)
          model.delete(name)
        } else if (next < 200) {
          const at = next << ORDER_SHIFT
          words[at + Order.ACCOUNT] = account
          words[at + Order.CLOID_LO] = cloid
          words[at + Order.CLOID_HI] = high ? 1 : 0
          if (missed) ids.addMissed(next)
          else ids.add(next)
          model.set(name, next++)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('order ids: growth keeps every id', () => {
  const words = new Int32Array(20_000 << ORDER_SHIFT)
  const ids = new OrderIds(words, 20_000)
  for (let slot = 0; slot < 20_000; slot++) {
    words[(slot << ORDER_SHIFT) + Order.CLOID_LO] = slot * 3
    if (slot % 2 === 0) ids.add(slot)
    else if (ids.find(0, slot * 3, 0) < 0) ids.addMissed(slot)
  }
  for (let slot = 0; slot < 20_000; slot++) expect(ids.find(0, slot * 3, 0)).toBe(slot)
  for (let slot = 0; slot < 20_000; slot += 2) ids.remove(slot)
  for (let slot = 0; slot < 20_000; slot++) expect(ids.find(0, slot * 3, 0)).toBe(slot % 2 === 0 ? -1 : slot)
})

test('order ids: slots up to 2^24 are told apart, through growth too', () => {
  const words = new Int32Array((ORDERS_MAX + 1) << ORDER_SHIFT)
  const ids = new OrderIds(words, ORDERS_MAX + 1)
  const slots = Array.from({ length: 3000 }, (_, index) => ORDERS_MAX - index * 5003)
  for (const slot of slots) {
    words[(slot << ORDER_SHIFT) + Order.CLOID_LO] = slot
    expect(ids.find(0, slot, 0)).toBe(-1)
    ids.addMissed(slot)
  }
  for (const slot of slots) expect(ids.find(0, slot, 0)).toBe(slot)
  for (const [index, slot] of slots.entries()) if (index % 2 === 0) ids.remove(slot)
  for (const [index, slot] of slots.entries()) expect(ids.find(0, slot, 0)).toBe(index % 2 === 0 ? -1 : slot)
})

test('an engine may have room for 2^24 orders and levels, and no more; the usual room is 2^20', () => {
  const engineOf = (capacities: EngineCapacities) => {
    const markets = [{ id: 0, base: 1, quote: 0, lotUnits: 1, tickUnits: 1, makerFeePpm: 0, takerFeePpm: 0 }]
    const assets = ['USD', 'ABC'].map((symbol, id) => ({ id, symbol }))
    const options = { genesis: { assets, markets, capacities }, onEvents: () => {} }
    return { options, engine: createEngine(options) }
  }
  const { options, engine } = engineOf({ ordersMax: ORDERS_MAX, levelsMax: LEVELS_MAX })
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  commands.writeDeposit(words, floats, 0, 1, 0, 1e9)
  engine.apply(words, floats, 0)
  for (let order = 1; order <= 100; order++) {
    commands.writePlace(words, floats, 0, 1, 0, Side.Buy, order * 1000, 1, order)
    engine.apply(words, floats, 0)
  }
  expect(engine.liveOrders()).toBe(100)
  engine.checkInvariants()
  const bytes = engine.snapshot()
  for (const again of [restoreEngine(bytes, options), restoreEngine(bytes, engineOf({}).options)])
    expect(again.stateHash()).toEqual(engine.stateHash())
  for (const name of ['ordersMax', 'levelsMax'])
    expect(() => engineOf({ [name]: ORDERS_MAX + 1 })).toThrow(`${name} is 16777217, 1 to 16777216 allowed`)
})

test('order ids: entries that stand far from their places move up, and each id stays found', () => {
  const count = 400
  const words = new Int32Array(count << ORDER_SHIFT)
  const ids = new OrderIds(words, count)
  // As if the random tables held little: ids have one of four places, and stand up to a hundred behind it.
  const { random } = ids as unknown as { random: Int32Array }
  for (let at = 0; at < random.length; at++) random[at]! &= 0x3e00003
  const live = new Map<number, number>()
  let next = 0
  for (let step = 0; step < 3000; step++) {
    const slot = (step * 7919) % count
    const held = [...live].find(([, own]) => own === slot)
    if (held !== undefined) {
      if (step % 2 === 0) same(ids.find(0, held[0], 0), slot)
      ids.remove(slot)
      live.delete(held[0])
    } else {
      words[(slot << ORDER_SHIFT) + Order.CLOID_LO] = next
      same(ids.find(0, next, 0), -1)
      ids.addMissed(slot)
      live.set(next++, slot)
    }
    for (const [low, own] of live) same(ids.find(0, low, 0), own)
  }
  expect(live.size).toBeGreaterThan(100)
})

/** As expect(found).toBe(expected), without its cost in a loop of many thousand. */
function same(found: number, expected: number): void {
  if (found !== expected) throw new Error(`${found} instead of ${expected}`)
}

test('order ids: as a map while the table grows, orders come and go, and ids are ordinary or hostile', () => {
  const capacity = 60_000
  const words = new Int32Array(capacity << ORDER_SHIFT)
  const ids = new OrderIds(words, capacity)
  const live: number[] = []
  const gone: number[] = []
  let state = 7
  const below = (count: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 1) % count
  const key = (slot: number): [number, number, number] => {
    const account = slot % 3
    return [account, slot * 16, slot % 2 === 0 ? collidingHigh(account, slot * 16) : 0]
  }
  const grown = new Set<number>()
  for (let slot = 0; slot < capacity; slot++) {
    const [account, low, high] = key(slot)
    same(ids.find(account, low, high), -1)
    const at = slot << ORDER_SHIFT
    words[at + Order.ACCOUNT] = account
    words[at + Order.CLOID_LO] = low
    words[at + Order.CLOID_HI] = high
    ids.addMissed(slot)
    live.push(slot)
    // Some are looked for and removed at every stage of every move from one table to the next.
    const found = live[below(live.length)]!
    same(ids.find(...key(found)), found)
    if (below(4) === 0) {
      const index = below(live.length)
      const removed = live[index]!
      live[index] = live.at(-1)!
      live.pop()
      if (below(2) === 0) same(ids.find(...key(removed)), removed)
      ids.remove(removed)
      gone.push(removed)
      same(ids.find(...key(removed)), -1)
    }
    if (gone.length > 0) same(ids.find(...key(gone[below(gone.length)]!)), -1)
    grown.add(Math.floor(Math.log2(slot + 1)))
  }
  for (const slot of live) same(ids.find(...key(slot)), slot)
  for (const slot of gone) same(ids.find(...key(slot)), -1)
  expect(grown.size).toBeGreaterThan(10)
})

test('order ids: no formula over the id chooses where it stands', () => {
  // 50,000 ids of one value under a public formula would stand in one run of entries: the bound on probes stops that.
  const count = 50_000
  const words = new Int32Array(count << ORDER_SHIFT)
  const ids = new OrderIds(words, count)
  const values = new Set<number>()
  for (let slot = 0; slot < count; slot++) {
    const high = collidingHigh(1, slot)
    const h = Math.imul(slot ^ Math.imul(2, 0x9e3779b1), 0x85ebca6b)
    values.add(Math.imul(h ^ (h >>> 15) ^ high, 0xc2b2ae35))
    words[(slot << ORDER_SHIFT) + Order.ACCOUNT] = 1
    words[(slot << ORDER_SHIFT) + Order.CLOID_LO] = slot
    words[(slot << ORDER_SHIFT) + Order.CLOID_HI] = high
    same(ids.find(1, slot, high), -1)
    ids.addMissed(slot)
  }
  expect(values.size).toBe(1)
  for (let slot = 0; slot < count; slot++) same(ids.find(1, slot, collidingHigh(1, slot)), slot)
})

test('keyed hashes: a table of one process says nothing of another one, and every bit of a key counts', () => {
  const first = randomTables(1)
  const second = randomTables(1)
  const keys = Array.from({ length: 2000 }, (_, index) => Math.imul(index, 0x9e3779b1))
  const of = (tables: Int32Array): number[] => keys.map((each) => hashWord(tables, 0, each) & 0xffff)
  expect(of(first)).not.toEqual(of(second))
  expect(of(first)).toEqual(of(first))
  for (let bit = 0; bit < 32; bit++) expect(hashWord(first, 0, 1 << bit)).not.toBe(hashWord(first, 0, 0))
})

test('a probe that runs on is a broken invariant, and is said', () => {
  const count = 2 * PROBES_MAX
  const words = new Int32Array(count << ORDER_SHIFT)
  const ids = new OrderIds(words, count)
  // As if the random tables were all zeros: every id then hashes to one value.
  ;(ids as unknown as { random: Int32Array }).random.fill(0)
  expect(() => {
    for (let slot = 0; slot < count; slot++) {
      words[(slot << ORDER_SHIFT) + Order.CLOID_LO] = slot
      if (ids.find(0, slot, 0) < 0) ids.addMissed(slot)
    }
  }).toThrow(ProbesOverLimit)
})

test('ledger: rows are found at every stage of growth, and no two are one', () => {
  const assets = 8
  const accounts = 1 << 12
  const ledger = new Ledger(accounts, accounts * assets)
  const rows = new Set<number>()
  for (let account = 0; account < accounts; account++) {
    ledger.open(account)
    for (let asset = 0; asset < assets; asset++) {
      const other = Math.imul(account, 7919) & (accounts - 1)
      same(ledger.find(account, asset), -1)
      const row = ledger.findOrAdd(account, asset)
      expect(rows.has(row)).toBe(false)
      rows.add(row)
      same(ledger.find(account, asset), row)
      same(Math.min(ledger.find(other, asset), 0), other <= account ? 0 : -1)
      ledger.values[2 * row] = account
      ledger.values[2 * row + 1] = asset
    }
  }
  const keys = ledger.rowKeys()
  expect(keys).toEqual(Int32Array.from({ length: accounts * assets }, (_, at) => (at >> 3) * 64 + (at & 7)))
  for (const key of keys) {
    const row = ledger.find(key >> 6, key & 63)
    same(ledger.values[2 * row]!, key >> 6)
    same(ledger.values[2 * row + 1]!, key & 63)
  }
  const lastOwn = ledger.find(accounts - 1, OWN_ROWS - 1)
  // No row stands in anything else: what else an account has is as it was, and so is what stands behind the rows.
  for (let account = 0; account < accounts; account++) {
    same(ledger.flags(account), 1)
    same(ledger.accounts[(account << ACCOUNT_SHIFT) + Account.OWN_ENTRY + 7]!, -1)
    same(Math.sign(ledger.find(account, OWN_ROWS) - lastOwn), 1)
  }
  expect(ledger.accounts.subarray(ledger.entriesAt).every((word) => word === 0)).toBe(true)
})

test('ledger: rows by account and asset; supply beyond 2^53', () => {
  const ledger = new Ledger(1000, 3000)
  const rows = new Set<number>()
  for (let account = 0; account < 1000; account++)
    for (const asset of [0, 5, 63]) rows.add(ledger.findOrAdd(account, asset))
  expect(rows.size).toBe(3000)
  expect(ledger.find(999, 63)).toBe(Math.max(...rows))
  expect(ledger.find(999, 1)).toBe(-1)
  expect(ledger.findOrAdd(999, 1)).toBe(-1)
  const units = fc.tuple(fc.boolean(), fc.maxSafeNat())
  fc.assert(
    fc.property(fc.array(units, { maxLength: 30 }), (changes) => {
      const own = new Ledger(1, 1)
      let expected = 0n
      for (const [takes, amount] of changes) {
        const taken = takes && expected >= BigInt(amount)
        expected += taken ? -BigInt(amount) : BigInt(amount)
        own.changeSupply(3, taken ? -amount : amount)
        expect(BigInt(own.supply[6]!) + BigInt(own.supply[7]!) * 2n ** 53n).toBe(expected)
        expect(own.supply[6]!).toBeLessThan(2 ** 53)
      }
    }),
  )
})

test('fees: exact over the life of an order, for every amount below 2^53', () => {
  const quote = fc.oneof(
    fc.maxSafeNat(),
    fc.integer({ min: 0, max: 10_000_000 }),
    fc.constantFrom(2 ** 53 - 1, 8_589_934_591_999_999),
  )
  const ppm = fc.integer({ min: -100_000, max: 100_000 })
  fc.assert(
    fc.property(fc.array(fc.tuple(quote, ppm), { minLength: 1, maxLength: 20 }), (fills) => {
      let carry = 0
      let charged = 0n
      let exact = 0n
      for (const [units, rate] of fills) {
        const fee = feeUnits(units, rate, carry)
        carry = carryAfter(units, rate, carry, fee)
        charged += BigInt(fee)
        exact += BigInt(units) * BigInt(rate)
        expect(Object.is(fee, -0)).toBe(false)
        expect(carry >= 0 && carry <= 999_999).toBe(true)
        // What it was charged is the exact sum so far, rounded up once.
        expect(charged * 1_000_000n - BigInt(carry)).toBe(exact)
      }
    }),
    { numRuns: 3000 },
  )
})

test('heap: removes in order, and from the middle', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (keys, gone) => {
        const places = new Int32Array(64).fill(-1)
        const before = (a: number, b: number): boolean => (keys[a] === keys[b] ? a < b : keys[a]! < keys[b]!)
        const heap = new Heap(64, {
          first: (id) => keys[id]!,
          second: (id) => id,
          place: (id) => places[id]!,
          setPlace: (id, place) => {
            places[id] = place
          },
        })
        keys.forEach((_, id) => heap.add(id))
        const left = new Set(keys.keys())
        for (const each of gone) {
          const id = [...left][each % Math.max(1, left.size)]
          if (id === undefined) break
          heap.remove(id)
          left.delete(id)
          expect(places[id]).toBe(-1)
        }
        const sorted = [...left].sort((a, b) => (before(a, b) ? -1 : 1))
        const found: number[] = []
        while (heap.size > 0) {
          found.push(heap.first)
          heap.remove(heap.first)
        }
        expect(found).toEqual(sorted)
      },
    ),
  )
})

test('radix sort: as a stable sort by key, keys up to 2^53', () => {
  const key = fc.oneof(fc.nat(3), fc.nat(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }))
  fc.assert(
    fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
      const slots = Array.from(keys, (_, slot) => slot)
      const expected = [...slots].sort((a, b) => keys[a]! - keys[b]!)
      expect([...sortByKey(Int32Array.from(slots), (slot) => keys[slot]!)]).toEqual(expected)
    }),
  )
})
