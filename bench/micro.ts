/**
 * Micro-benchmarks of the book's primitives with the npm package `benchmark`: `npm run bench:micro`.
 * Each works on 2,000 live orders at 200 prices of one book, about what the workloads hold.
 */
import Benchmark from 'benchmark'
import { Book } from '../engine/core/book/book.js'
import { Events } from '../engine/core/base/events.js'
import { feeUnits } from '../engine/core/money/fees.js'
import { Ledger } from '../engine/core/money/ledger.js'
import { OrderIds } from '../engine/core/book/order-ids.js'
import { ORDER_SHIFT, Order, Orders } from '../engine/core/book/orders.js'
import { tuneForEngine } from '../engine/tune.js'
import { machine } from './support/machine.js'
import { Random } from './engine/live-stream.js'

const LIVE = 2000
const BATCH = 1000
const ASKS = 1

tuneForEngine()
const orders = new Orders(1 << 16)
const book = new Book(orders, 4, 1 << 16)
const ids = new OrderIds(orders.words, 1 << 16)
const ledger = new Ledger(1 << 12, 1 << 14)
const events = new Events(() => {})
const clock = new Float64Array(2)
const random = new Random(7)
/** Slots to work on in random order: drawn before the clock runs. */
const picks = Int32Array.from({ length: BATCH }, () => random.below(LIVE))
let total = 0

function addOrder(index: number, ticks: number): number {
  const slot = orders.allocate()
  const at = slot << ORDER_SHIFT
  orders.words[at + Order.VISIBLE] = 5
  orders.words[at + Order.ACCOUNT] = 1 + (index % 1000)
  orders.words[at + Order.CLOID_LO] = index * 7
  orders.words[at + Order.TICKS] = ticks
  return slot
}
for (let index = 0; index < LIVE; index++) {
  const slot = addOrder(index, 20_000 + ((index * 37) % 200))
  ids.add(slot)
  book.append(slot, ASKS, orders.words[(slot << ORDER_SHIFT) + Order.TICKS]!)
}
for (let account = 0; account < 1000; account++) for (const asset of [0, 1]) ledger.findOrAdd(account, asset)
const lone = addOrder(LIVE, 30_000)

/** Each case does its work BATCH times, so that the harness's own call does not count. */
const cases: Readonly<Record<string, () => void>> = {
  'find an order by its id': () => {
    for (const pick of picks) total += ids.find(1 + (pick % 1000), pick * 7, 0)
  },
  'miss an id': () => {
    for (const pick of picks) total += ids.find(1 + (pick % 1000), -1 - pick, 0)
  },
  'take an id out and put it back': () => {
    for (const pick of picks) {
      ids.remove(pick)
      ids.add(pick)
    }
  },
  'take an order out of its level and append it': () => {
    for (const pick of picks) {
      book.remove(pick)
      book.append(pick, ASKS, orders.words[(pick << ORDER_SHIFT) + Order.TICKS]!)
    }
  },
  'make a level and remove it': () => {
    for (let index = 0; index < BATCH; index++) {
      book.append(lone, ASKS, 30_000 + (index & 63) * 3)
      book.remove(lone)
    }
  },
  'best price': () => {
    for (let index = 0; index < BATCH; index++) total += book.bestTicks(ASKS)
  },
  'find a balance row': () => {
    for (const pick of picks) total += ledger.find(pick % 1000, pick & 1)
  },
  'a fee': () => {
    for (const pick of picks) total += feeUnits(1_000_000 + pick, 500, pick)
  },
  'claim an event record': () => {
    for (let index = 0; index < BATCH; index++) events.claim(1, clock)
  },
}

const suite = new Benchmark.Suite()
for (const [name, run] of Object.entries(cases)) suite.add(name, run)
const { cpu, node } = machine()
console.log(`${cpu}, Node ${node}`)
suite.on('cycle', (event: Benchmark.Event) => {
  const { name, hz = 0, stats } = event.target
  const nanoseconds = 1e9 / (hz * BATCH)
  console.log(
    `${(name ?? '').padEnd(46)} ${nanoseconds.toFixed(1).padStart(6)} ns  ±${stats?.rme.toFixed(1)} %`,
  )
})
suite.run()
if (!Number.isFinite(total)) throw new Error('the work was not done')
