/** The three kinds of rows of random journals: exact, conserved, and no balance out of range on the way. */
import fc from 'fast-check'
import { ACCOUNTS_MAX, ASSETS_MAX, UNITS_END } from '../../engine/limits.js'
import { Net, type IndexedUnits, type QueuedUnits } from '../batch/netting.js'
import { indexOf } from '../batch/rows.js'
import { R } from '../tree/field.js'
import { LEAF_LANES, packLeaf } from '../quad-tree/leaf.js'
import { RowsError, rowsOfBatch, rowsOfDeposits, type MovedUnits } from './batch-rows.js'
import {
  accountOfLeaf,
  assetOfLeaf,
  evaluateRows,
  laneOf,
  leafIndexOf,
  packedDelta,
  type LeafRows,
} from './leaf-rows.js'

const OWNER = [1, 2, 3, 4, 5]
const accounts = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom(70_000, ACCOUNTS_MAX - 1))
const assets = fc.constantFrom(0, 1, 3, 4, 63)
const units = fc.oneof(
  fc.integer({ min: 1, max: 9 }),
  fc.integer({ min: 1, max: UNITS_END - 1 }),
  fc.constant(UNITS_END - 1),
)

interface Step {
  readonly kind: 'deposit' | 'withdraw' | 'move' | 'close' | 'pay'
  readonly from: number
  readonly to: number
  readonly asset: number
  readonly units: number
}
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('deposit', 'deposit', 'withdraw', 'move', 'move', 'move', 'close', 'pay'),
  from: accounts,
  to: accounts,
  asset: assets,
  units,
})

/** An exchange, its vault and the chain's state of it, as simple as they can be. */
class Journal {
  /** Units by index; those of the chain are behind until a batch closes. */
  readonly engine = new Map<number, number>()
  readonly chain = new Map<number, number>()
  private readonly custody = new Map<number, bigint>()
  /** Withdrawals of closed batches, not paid yet. */
  private claims: IndexedUnits[] = []
  private deposits: QueuedUnits[] = []
  private withdrawals: IndexedUnits[] = []
  private net = new Net()

  take({ kind, from, to, asset, units: amount }: Step): void {
    const [source, target] = [indexOf(from, asset), indexOf(to, asset)]
    const held = this.engine.get(source) ?? 0
    const some = Math.min(amount, held)
    if (kind === 'close') this.close()
    else if (kind === 'pay') this.pay()
    else if (kind === 'deposit') {
      const before = this.custody.get(asset) ?? 0n
      const room = Number(BigInt(UNITS_END - 1) - before)
      const deposited = Math.min(amount, room)
      if (deposited === 0) return
      this.custody.set(asset, before + BigInt(deposited))
      this.change(source, deposited)
      this.deposits.push({ index: source, units: deposited, owner: OWNER })
    } else if (some === 0) return
    else if (kind === 'withdraw') {
      this.change(source, -some)
      this.withdrawals.push({ index: source, units: some })
    } else {
      this.change(source, -some)
      this.change(target, some)
    }
  }

  /** The open range, closed, and applied to the chain's balances: each must stay in range behind each kind. */
  close(): void {
    const { deposits, withdrawals } = this
    const moved: MovedUnits = { rows: this.net.rows(), deposits, withdrawals }
    const batch = rowsOfBatch(moved)
    const sums = new Map<number, bigint>()
    this.apply(rowsOfDeposits(deposits), (delta) => expect(delta).toBeGreaterThan(0))
    this.apply(batch.trades, (delta, asset) => sums.set(asset, (sums.get(asset) ?? 0n) + BigInt(delta)))
    expect([...sums.values()].every((sum) => sum === 0n)).toBe(true)
    this.apply(batch.withdrawals, (delta) => expect(delta).toBeLessThan(0))
    const holding = (balances: ReadonlyMap<number, number>): [number, number][] =>
      [...balances].filter(([, balance]) => balance !== 0).sort((a, b) => a[0] - b[0])
    expect(holding(this.chain)).toEqual(holding(this.engine))
    const [taken, asked] = [new Map<number, number>(), new Map<number, number>()]
    for (const { index, units: amount } of withdrawals) asked.set(index, (asked.get(index) ?? 0) + amount)
    eachDelta(batch.withdrawals, (index, delta) => taken.set(index, -delta))
    expect(holding(taken)).toEqual(holding(asked))
    this.claims.push(...withdrawals)
    this.deposits = []
    this.withdrawals = []
    this.net = new Net()
  }

  private pay(): void {
    for (const { index, units: amount } of this.claims)
      this.custody.set(index & 63, this.custody.get(index & 63)! - BigInt(amount))
    this.claims = []
  }

  private change(index: number, delta: number): void {
    this.engine.set(index, (this.engine.get(index) ?? 0) + delta)
    this.net.add(index, delta)
  }

  private apply(rows: LeafRows, look: (delta: number, asset: number) => void): void {
    let previous = -1
    for (const leaf of rows.leaves) {
      expect(leaf).toBeGreaterThan(previous)
      previous = leaf
    }
    eachDelta(rows, (index, delta) => {
      look(delta, index & 63)
      expect(Math.abs(delta)).toBeLessThan(UNITS_END)
      const balance = (this.chain.get(index) ?? 0) + delta
      expect(balance).toBeGreaterThanOrEqual(0)
      expect(balance).toBeLessThan(UNITS_END)
      this.chain.set(index, balance)
    })
  }
}

function eachDelta({ leaves, deltas }: LeafRows, look: (index: number, delta: number) => void): void {
  leaves.forEach((leaf, row) => {
    let isZero = true
    for (let lane = 0; lane < LEAF_LANES; lane++) {
      const delta = deltas[row * LEAF_LANES + lane]!
      if (delta === 0) continue
      isZero = false
      look(indexOf(accountOfLeaf(leaf), assetOfLeaf(leaf, lane)), delta)
    }
    expect(isZero).toBe(false)
  })
}

test('random journals: every balance is in range behind each kind of rows, and the end is the engine’s', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const journal = new Journal()
      for (const each of steps) journal.take(each)
      journal.close()
    }),
    { numRuns: 150 },
  )
})

test('an account that withdrew before it bought, and one that holds all that the vault may', () => {
  const journal = new Journal()
  const all = UNITS_END - 1
  const take = (kind: Step['kind'], from: number, to: number, amount: number): void =>
    journal.take({ kind, from, to, asset: 2, units: amount })
  take('deposit', 1, 0, all)
  take('close', 0, 0, 0)
  // All of it goes round: withdrawn in parts, bought back, withdrawn again.
  take('move', 1, 2, all)
  take('withdraw', 2, 0, all - 7)
  take('move', 2, 1, 7)
  take('move', 1, 2, 7)
  take('withdraw', 2, 0, 7)
  take('close', 0, 0, 0)
  take('pay', 0, 0, 0)
  take('deposit', 1, 0, all)
  take('move', 1, 2, all)
  take('withdraw', 2, 0, all)
  journal.close()
  expect(journal.chain.get(indexOf(2, 2))).toBe(0)
})

test('what does not add up, and what is no amount, is refused', () => {
  const rows = (...cells: [number, number, number][]): MovedUnits => ({
    rows: {
      indices: Int32Array.from(cells, ([account, asset]) => indexOf(account, asset)),
      deltas: Float64Array.from(cells, ([, , delta]) => delta),
    },
    deposits: [],
    withdrawals: [],
  })
  const moved = rows([1, 0, 5], [2, 0, -5])
  expect([...rowsOfBatch(moved).trades.leaves]).toEqual([1, 2])
  expect(() => rowsOfBatch(rows([1, 0, 5], [2, 1, -5]))).toThrow('asset 0: trades add up to 5 units')
  expect(() => rowsOfBatch({ ...moved, deposits: [{ index: 64, units: 5, owner: OWNER }] })).toThrow(
    RowsError,
  )
  expect(() => rowsOfBatch({ ...moved, withdrawals: [{ index: 64, units: 5 }] })).toThrow(RowsError)
  for (const amount of [0, -1, 0.5, UNITS_END])
    expect(() => rowsOfBatch({ ...moved, withdrawals: [{ index: 64, units: amount }] })).toThrow(
      'withdrawal of',
    )
  // Each in range, not their sum.
  const twice = [
    { index: 64, units: UNITS_END - 1 },
    { index: 64, units: 5 },
  ]
  expect(() => rowsOfBatch({ rows: rows().rows, deposits: [], withdrawals: twice })).toThrow(RowsError)
})

test('a packed delta determines its four deltas, and takes a packed leaf to the next', () => {
  const balance = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n })
  fc.assert(
    fc.property(fc.array(balance, { minLength: 8, maxLength: 8 }), (balances) => {
      const [before, after] = [balances.slice(0, 4), balances.slice(4)]
      const deltas = Float64Array.from(before, (old, lane) => Number(after[lane]! - old))
      const packed = packedDelta({ leaves: Int32Array.of(0), deltas }, 0)
      expect(packLeaf(before.map(Number)) + packed).toBe(packLeaf(after.map(Number)))
    }),
  )
  for (const asset of [0, 5, ASSETS_MAX - 1])
    expect(assetOfLeaf(leafIndexOf(ACCOUNTS_MAX - 1, asset), laneOf(asset))).toBe(asset)
  expect(leafIndexOf(7, 6)).toBe(2 ** 22 + 7)
})

test('an evaluation is the polynomial written out', () => {
  const rows: LeafRows = { leaves: Int32Array.of(3, 9), deltas: Float64Array.of(5, 0, 0, -1, 0, -7, 0, 0) }
  const z = 123456789123456789n
  const value = 4n * z ** 3n + (5n - 2n ** 189n) * z ** 2n + 10n * z - 7n * 2n ** 63n
  expect(evaluateRows(rows, z)).toBe(((value % R) + R) % R)
  expect(evaluateRows({ leaves: new Int32Array(0), deltas: new Float64Array(0) }, z)).toBe(0n)
})

test('a large batch is split in linear time', () => {
  const net = new Net()
  const count = 240_000
  for (let row = 0; row < count; row++)
    net.add(indexOf((row * 7919) % 1_000_000, row & 31), row % 2 === 0 ? 3 : -3)
  const found = net.rows()
  // Each asset adds up once its last account takes what is left.
  const left = new Float64Array(ASSETS_MAX)
  found.indices.forEach((index, row) => (left[index & 63]! += found.deltas[row]!))
  left.forEach((sum, asset) => sum !== 0 && net.add(indexOf(2_000_000, asset), -sum))
  const started = performance.now()
  const { trades } = rowsOfBatch({ rows: net.rows(), deposits: [], withdrawals: [] })
  expect(performance.now() - started).toBeLessThan(5000)
  expect(trades.leaves.length).toBeGreaterThan(count / 4)
})
