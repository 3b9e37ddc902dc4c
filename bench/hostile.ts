/**
 * `npm run bench:hostile`: what an honest maker notices of clients that mean harm within the default limits.
 * Engine and journal run in this process, the gateway in its own as `glassbook start` has it, the attack in another
 * on the same machine and from another address (the maker's is of IPv6); the maker places and cancels at a fixed
 * pace and its latency runs from the planned time (no coordinated omission). Each attack meets an exchange of its own,
 * so that none suffers from what the one before has spent; before it the maker is measured alone.
 *
 * The attacker runs at a lower priority than the exchange, for what it needs itself is no part of the question;
 * which part of a core it got is told.
 *
 *   node dist/bench/hostile.js [--seconds S] [--orders N] [--only NAME] [--trace] [--out FILE]
 *
 * --trace prints each of the maker's orders that took over 20 ms, and when it was due.
 */
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Client, createClient } from '../sdk/index.js'
import { machine } from './support/machine.js'
import { type Rig, startRig } from './support/gateway-rig.js'
import { ATTACKS, type AttackOrder } from './hostile/attacks.js'

/** Between two orders of the maker, ms. */
const PACE_MS = 20
/** The maker's orders before anything is measured: compilers have seen them. */
const WARM_SECONDS = 5
/** Sweeps of BATCH orders before that. */
const WARM_ROUNDS = 100
const MARKET = 0
/** Orders of the account whose questions are asked, one level each. */
const BATCH = 64

/** An attack begins with code that has not run before, on both sides; what follows is told apart from that. */
const FIRST_MS = 1000

interface Figures {
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Largest of the orders that were due in the first second, and p99 of those after it. */
  readonly firstMax: number
  readonly laterP99: number
  readonly answered: number
  readonly asked: number
}

/** The maker at its pace for `seconds`; a place that is never answered counts as the whole time. */
async function make(client: Client, seconds: number): Promise<Figures> {
  const count = Math.floor((seconds * 1000) / PACE_MS)
  /** ms from when each order was due. */
  const latencies = new Float64Array(count).fill(seconds * 1000)
  const startMs = performance.now()
  const waiting: Promise<void>[] = []
  let answered = 0
  for (let k = 0; k < count; k++) {
    const dueMs = startMs + k * PACE_MS
    const lateMs = dueMs - performance.now()
    if (lateMs > 0) await new Promise((resolve) => setTimeout(resolve, lateMs))
    const done = client.placeOrder({ market: MARKET, side: 'buy', ticks: 10 + (k % 5), lots: 1 }).then(
      (order) => {
        latencies[k] = performance.now() - dueMs
        answered++
        void client.cancelOrder({ market: MARKET, cloid: order.cloid }).catch(() => {})
      },
      () => {},
    )
    waiting.push(done)
  }
  await Promise.race([Promise.all(waiting), new Promise((resolve) => setTimeout(resolve, seconds * 1000))])
  if (values.trace === true)
    latencies.forEach((ms, k) => {
      if (ms > 20) console.log(`  due ${k * PACE_MS} ms: ${ms.toFixed(0)} ms`)
    })
  const first = FIRST_MS / PACE_MS
  return {
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    max: percentile(latencies, 1),
    firstMax: percentile(latencies.subarray(0, first), 1),
    laterP99: percentile(latencies.subarray(first), 0.99),
    answered,
    asked: count,
  }
}

/** Nearest rank. */
function percentile(values: Float64Array, part: number): number {
  return values.toSorted()[Math.max(0, Math.ceil(values.length * part) - 1)]!
}

/** Seconds of a core that a process has had; 0 where nothing tells. */
function cpuSeconds(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

interface Attack {
  /** Seconds of a core that it has had. */
  cpu(): number
  end(): Promise<void>
}

/** Starts an attack in a process of its own; resolves when it is under way. */
async function attack(order: AttackOrder): Promise<Attack> {
  const child = fork(fileURLToPath(new URL('./hostile/attacks.js', import.meta.url)), [JSON.stringify(order)])
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', (code) => reject(new Error(`attack ${order.name} ended with ${code}`)))
  })
  return {
    cpu: () => cpuSeconds(child.pid!),
    end: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      }),
  }
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    orders: { type: 'string', default: '20000' },
    only: { type: 'string' },
    trace: { type: 'boolean' },
    out: { type: 'string' },
  },
})
const seconds = Number(values.seconds)

async function open(rig: Rig, index: number): Promise<Client> {
  const url = `ws://[::1]:${rig.port}`
  const client = await createClient({ url, wallet: rig.wallets[index]! }).connect()
  await client.createSession()
  return client
}

const quiets: number[] = []
/** Orders that rested beside the last attack. */
let resting = 0
/** An attack's process takes about a core: then the bound is this many times the quiet p99, else the lower one. */
const CORE = 0.8
const TIMES_MAX = { core: 10, less: 3 }
interface Row {
  readonly name: string
  readonly figures: Figures
  readonly quietP99: number
  readonly cores: number
}
const rows: Row[] = []
const timesOf = ({ figures, quietP99 }: Row): number => figures.p99 / quietP99
const mayBe = ({ cores }: Row): number => (cores >= CORE ? TIMES_MAX.core : TIMES_MAX.less)
/** Orders of one account rest, one a level; answers how many. */
async function fill(rig: Rig): Promise<number> {
  const holder = await open(rig, 1)
  for (let placed = 0; placed < Number(values.orders); placed += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, index) =>
      holder.place({ market: MARKET, side: 'sell', ticks: 100_000 + placed + index, lots: 1 }),
    )
    // Within the account's own budget of orders.
    await holder.batch(batch).catch(() => new Promise((resolve) => setTimeout(resolve, 50)))
  }
  const { length } = await holder.orders()
  holder.close()
  return length
}

/** Two accounts trade for a while, as on an exchange that has been open for longer than a benchmark: code is warm. */
async function trade(rig: Rig): Promise<void> {
  const [seller, buyer] = [await open(rig, 4), await open(rig, 5)]
  for (const client of [seller, buyer]) {
    await client.subscribeFills(() => {})
    await client.subscribeOrders(() => {})
  }
  for (let round = 0; round < WARM_ROUNDS; round++) {
    const part = { market: MARKET, ticks: 90_000, lots: 1 }
    await seller.batch(Array.from({ length: BATCH }, () => seller.place({ ...part, side: 'sell' })))
    await buyer.placeOrder({ ...part, side: 'buy', lots: BATCH })
    await seller.placeOrder({ ...part, side: 'sell', lots: BATCH, display: { lots: 1 } })
    await buyer.placeOrder({ ...part, side: 'buy', lots: BATCH })
  }
  seller.close()
  buyer.close()
}

/** An exchange of its own, the maker alone, then beside the attack. */
async function against(name: AttackOrder['name']): Promise<Row> {
  const rig = await startRig({ accounts: 6, apart: true, config: { host: '::' } })
  await trade(rig)
  resting = await fill(rig)
  const maker = await open(rig, 0)
  await make(maker, WARM_SECONDS)
  const quiet = await make(maker, seconds / 2)
  const attacker = await attack({ name, port: rig.port })
  const [cpuBefore, atMs] = [attacker.cpu(), performance.now()]
  const figures = await make(maker, seconds)
  const cores = (attacker.cpu() - cpuBefore) / ((performance.now() - atMs) / 1000)
  await attacker.end()
  maker.close()
  await rig.stop()
  return { name, figures, quietP99: quiet.p99, cores }
}

const loadBefore = loadavg()[0]!
console.log(
  `${availableParallelism()} cores, load ${loadBefore.toFixed(1)}; ${seconds} s each, one place every ${PACE_MS} ms`,
)
for (const name of ATTACKS) {
  if (values.only !== undefined && values.only !== name) continue
  const row = await against(name)
  rows.push(row)
  quiets.push(row.quietP99)
  const { figures, quietP99, cores } = row
  const { p50, p99, max, firstMax, laterP99, answered, asked } = figures
  console.log(
    `${name.padEnd(20)} p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (worst ${max.toFixed(0)}; first second up to ${firstMax.toFixed(0)}, p99 after it ${laterP99.toFixed(1)}), ${timesOf(row).toFixed(1)} times the quiet ${quietP99.toFixed(1)} (at most ${mayBe(row)}); ${answered} of ${asked} answered; attacker ${cores.toFixed(2)} cores`,
  )
}
console.log(
  `quiet p99 ${Math.min(...quiets).toFixed(1)} to ${Math.max(...quiets).toFixed(1)} ms; worst attack p99 ${Math.max(...rows.map(({ figures }) => figures.p99)).toFixed(1)} ms`,
)
if (values.out !== undefined) writeFileSync(values.out, report())
process.exit(0)

function report(): string {
  const { cpu, cores, memoryGiB, node } = machine()
  const over = rows.filter((row) => timesOf(row) > mayBe(row)).map(({ name }) => name)
  const lines = rows.map((row) => {
    const { p50, p99, max, firstMax, laterP99, answered, asked } = row.figures
    const cells = [
      row.name,
      p50.toFixed(1),
      p99.toFixed(1),
      max.toFixed(0),
      firstMax.toFixed(0),
      laterP99.toFixed(1),
      row.quietP99.toFixed(1),
      timesOf(row).toFixed(1),
      String(mayBe(row)),
      `${answered} of ${asked}`,
      row.cores.toFixed(2),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return `# Hostile clients beside an honest maker

${cpu}, ${cores} cores, ${memoryGiB} GiB, Node ${node}, ${new Date().toISOString()}; load average before ${loadBefore.toFixed(1)}, after ${loadavg()[0]!.toFixed(1)}. \`npm run bench:hostile\`.

For each attack an exchange of its own (engine and journal with fdatasync in one process, the gateway with one thread in another) with the limits that are the default; ${resting} orders of one account rest, one a level. An honest maker places an order every ${PACE_MS} ms and cancels it; its latency runs from when the order was due, and an order that is never answered counts as the whole ${seconds} s. Beside it runs one attack at a time (bench/hostile/attacks.ts), a process of its own on the same machine at a lower priority, from addresses that are not the maker's. No part is random: wallets, prices and pace are the same in each run. Before each attack two other accounts trade for a while, so that code is compiled, then the maker is measured alone ("quiet").

To reach: at most ${TIMES_MAX.less} times the quiet p99, ${TIMES_MAX.core} times where the attacker's process takes a core.

| attack | ms p50 | p99 | worst | worst of the first second | p99 after it | quiet p99 | times | at most | answered | attacker cores |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${lines.join('\n')}

${over.length === 0 ? 'All within.' : `Beyond it: ${over.join(', ')}.`} Quiet p99 between the attacks: ${Math.min(...quiets).toFixed(1)} to ${Math.max(...quiets).toFixed(1)} ms.
`
}
