/**
 * `npm run bench:hostile`: what an honest maker notices of clients that mean harm within the default limits.
 * The exchange runs in this process, each attack in one of its own on the same machine and from another
 * address; the maker places and cancels at a fixed pace and its latency runs from the planned time (no
 * coordinated omission). Quiet times are measured between the attacks, so that a busy machine shows.
 *
 * The attacker runs at a lower priority than the exchange, for what it needs itself is no part of the question;
 * which part of a core it got is told.
 *
 *   node dist/bench/hostile.js [--seconds S] [--orders N] [--only NAME] [--out FILE]
 */
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'hdr-histogram-js'
import { type Client, createClient } from '../sdk/index.js'
import { machine } from './machine.js'
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
  const child = fork(fileURLToPath(new URL('./hostile-attacks.js', import.meta.url)), [JSON.stringify(order)])
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
    seconds: { type: 'string', default: '5' },
    orders: { type: 'string', default: '20000' },
    only: { type: 'string' },
    out: { type: 'string' },
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
const loadBefore = loadavg()[0]!
await make(maker, 2)
for (const name of ATTACKS) {
  if (values.only !== undefined && values.only !== name) continue
  const quiet = await make(maker, seconds / 2)
  quiets.push(quiet.p99)
  const attacker = await attack({ name, port: rig.port })
  const [cpuBefore, atMs] = [attacker.cpu(), performance.now()]
  const figures = await make(maker, seconds)
  const cores = (attacker.cpu() - cpuBefore) / ((performance.now() - atMs) / 1000)
  await attacker.end()
  const row = { name, figures, quietP99: quiet.p99, cores }
  rows.push(row)
  const { p50, p99, answered, asked } = figures
  console.log(
    `${name.padEnd(20)} p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${timesOf(row).toFixed(1)} times the quiet ${quiet.p99.toFixed(1)} (at most ${mayBe(row)}); ${answered} of ${asked} answered; attacker ${cores.toFixed(2)} cores`,
  )
}
console.log(
  `quiet p99 ${Math.min(...quiets).toFixed(1)} to ${Math.max(...quiets).toFixed(1)} ms; worst attack p99 ${Math.max(...rows.map(({ figures }) => figures.p99)).toFixed(1)} ms`,
)
if (values.out !== undefined) writeFileSync(values.out, report())
maker.close()
await rig.stop()
process.exit(0)

function report(): string {
  const { cpu, cores, memoryGiB, node } = machine()
  const over = rows.filter((row) => timesOf(row) > mayBe(row)).map(({ name }) => name)
  const lines = rows.map((row) => {
    const { p50, p99, answered, asked } = row.figures
    const cells = [
      row.name,
      p50.toFixed(1),
      p99.toFixed(1),
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

One exchange (engine, journal with fdatasync, one gateway thread) with the limits that are the default; ${held.length} orders of one account rest, one a level. An honest maker places an order every ${PACE_MS} ms and cancels it; its latency runs from when the order was due, and an order that is never answered counts as the whole ${seconds} s. Beside it runs one attack at a time (bench/hostile-attacks.ts), a process of its own on the same machine at a lower priority, from another address. No part is random: wallets, prices and pace are the same in each run. Before each attack the maker is measured alone ("quiet").

To reach: at most ${TIMES_MAX.less} times the quiet p99, ${TIMES_MAX.core} times where the attacker's process takes a core.

| attack | ms p50 | p99 | quiet p99 | times | at most | answered | attacker cores |
| --- | --- | --- | --- | --- | --- | --- | --- |
${lines.join('\n')}

${over.length === 0 ? 'All within.' : `Beyond it: ${over.join(', ')}.`} Quiet p99 between the attacks: ${Math.min(...quiets).toFixed(1)} to ${Math.max(...quiets).toFixed(1)} ms.
`
}
