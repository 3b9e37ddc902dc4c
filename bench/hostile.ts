/**
 * `npm run bench:hostile`: what an honest maker notices of clients that mean harm within the default limits.
 * The exchange runs in this process, each attack in one of its own on the same machine and from another
 * address; the maker places and cancels at a fixed pace and its latency runs from the planned time (no
 * coordinated omission). Quiet times are measured between the attacks, so that a busy machine shows.
 *
 *   node dist/bench/hostile.js [--seconds S] [--orders N] [--only NAME]
 */
import { fork } from 'node:child_process'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'hdr-histogram-js'
import { type Client, createClient } from '../sdk/index.js'
import { type Rig, startRig } from './gateway-rig.js'
import { ATTACKS, type AttackOrder } from './hostile-attacks.js'

/** Between two orders of the maker, ms. */
const PACE_MS = 20
const MARKET = 0
/** Orders of the account whose questions are asked, one level each. */
const BATCH = 64

interface Figures {
  readonly p50: number
  readonly p99: number
  readonly answered: number
  readonly asked: number
}

/** The maker at its pace for `seconds`; a place that is never answered counts as the whole time. */
async function make(client: Client, seconds: number): Promise<Figures> {
  const histogram = build({ numberOfSignificantValueDigits: 3 })
  const startMs = performance.now()
  const waiting: Promise<void>[] = []
  let answered = 0
  const count = Math.floor((seconds * 1000) / PACE_MS)
  for (let k = 0; k < count; k++) {
    const dueMs = startMs + k * PACE_MS
    const lateMs = dueMs - performance.now()
    if (lateMs > 0) await new Promise((resolve) => setTimeout(resolve, lateMs))
    const done = client.placeOrder({ market: MARKET, side: 'buy', ticks: 10 + (k % 5), lots: 1 }).then(
      (order) => {
        histogram.recordValue(Math.max(1, Math.round((performance.now() - dueMs) * 1000)))
        answered++
        void client.cancelOrder({ market: MARKET, cloid: order.cloid! }).catch(() => {})
      },
      () => {},
    )
    waiting.push(done)
  }
  await Promise.race([Promise.all(waiting), new Promise((resolve) => setTimeout(resolve, seconds * 1000))])
  for (let missing = answered; missing < count; missing++) histogram.recordValue(seconds * 1e6)
  return {
    p50: histogram.getValueAtPercentile(50) / 1000,
    p99: histogram.getValueAtPercentile(99) / 1000,
    answered,
    asked: count,
  }
}

/** Starts an attack in a process of its own; resolves with what ends it when it is under way. */
async function attack(order: AttackOrder): Promise<() => Promise<void>> {
  const child = fork(fileURLToPath(new URL('./hostile-attacks.js', import.meta.url)), [JSON.stringify(order)])
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', (code) => reject(new Error(`attack ${order.name} ended with ${code}`)))
  })
  return () =>
    new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.kill('SIGKILL')
    })
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    orders: { type: 'string', default: '20000' },
    only: { type: 'string' },
  },
})
const seconds = Number(values.seconds)

async function open(rig: Rig, index: number): Promise<Client> {
  const client = await createClient({ url: rig.url, wallet: rig.wallets[index]! }).connect()
  await client.createSession()
  return client
}

const rig = await startRig({ accounts: 4 })
const maker = await open(rig, 0)
const holder = await open(rig, 1)
for (let placed = 0; placed < Number(values.orders); placed += BATCH) {
  const batch = Array.from({ length: BATCH }, (_, index) =>
    holder.place({ market: MARKET, side: 'sell', ticks: 100_000 + placed + index, lots: 1 }),
  )
  // Within the account's own budget of orders.
  await holder.batch(batch).catch(() => new Promise((resolve) => setTimeout(resolve, 50)))
}
const held = await holder.orders()
holder.close()
console.log(
  `${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; ${held.length} orders rest; ${seconds} s each, one place every ${PACE_MS} ms`,
)
const quiets: number[] = []
const rows: [string, Figures][] = []
await make(maker, 2)
for (const name of ATTACKS) {
  if (values.only !== undefined && values.only !== name) continue
  const quiet = await make(maker, seconds / 2)
  quiets.push(quiet.p99)
  const end = await attack({ name, port: rig.port })
  const figures = await make(maker, seconds)
  await end()
  rows.push([name, figures])
  const { p50, p99, answered, asked } = figures
  console.log(
    `${name.padEnd(18)} p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${(p99 / quiet.p99).toFixed(1)} times the quiet ${quiet.p99.toFixed(1)}; ${answered} of ${asked} answered`,
  )
}
console.log(
  `quiet p99 ${Math.min(...quiets).toFixed(1)} to ${Math.max(...quiets).toFixed(1)} ms; worst attack p99 ${Math.max(...rows.map(([, { p99 }]) => p99)).toFixed(1)} ms`,
)
maker.close()
await rig.stop()
process.exit(0)
