/**
 * `node dist/bench/gateway-fanout.js [--out FILE]`: many connections. Clients are in a process of their
 * own (fanout-clients.ts).
 *
 *   market data   1,000 subscribers of one book, 1,000 updates a second
 *   connections   10,000 idle and 1,000 active ones, each an order a second
 *   return        1,000 clients of the trade stream lose their connections, come back at once and resume
 */
import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { FanoutOptions, FanoutResult } from './fanout-clients.js'
import { startRig } from './gateway-rig.js'

const FREE = { perSecond: 1e9, burst: 1e9 }

async function run(options: Omit<FanoutOptions, 'port'>): Promise<Record<string, unknown>> {
  const rig = await startRig({
    accounts: options.scenario === 'connections' ? options.active : 2,
    config: {
      requestRate: FREE,
      ipRequestRate: FREE,
      connectRate: FREE,
      orderRate: FREE,
      ipOrderRate: FREE,
      cancelRate: FREE,
      connectionsPerIp: 100_000,
      framesInFlightMax: 1_000_000,
    },
  })
  const rssBefore = process.memoryUsage().rss
  const clients = fork(fileURLToPath(new URL('./fanout-clients.js', import.meta.url)))
  let cpu = process.cpuUsage()
  let rssOpen = 0
  clients.send({ ...options, port: rig.port })
  const result = await new Promise<FanoutResult>((resolve, reject) => {
    clients.on('message', (message: FanoutResult | 'open') => {
      if (message === 'open') {
        cpu = process.cpuUsage()
        rssOpen = process.memoryUsage().rss
      } else resolve(message)
    })
    clients.once('exit', (code) => reject(new Error(`the clients ended with code ${code}`)))
  })
  const { user, system } = process.cpuUsage(cpu)
  const rss = process.memoryUsage().rss
  await rig.stop()
  return {
    ...options,
    ...result,
    serverCores: (user + system) / 1e6 / result.seconds,
    rssMiB: { before: rssBefore / 2 ** 20, connected: rssOpen / 2 ** 20, after: rss / 2 ** 20 },
  }
}

const { values } = parseArgs({
  options: { out: { type: 'string' }, quick: { type: 'boolean', default: false }, only: { type: 'string' } },
})
const scale = values.quick ? 0.05 : 1
const scenarios: Omit<FanoutOptions, 'port'>[] = [
  { scenario: 'market data', idle: Math.ceil(1000 * scale), active: 1, rate: 1000, seconds: 10 },
  {
    scenario: 'connections',
    idle: Math.ceil(10_000 * scale),
    active: Math.ceil(1000 * scale),
    rate: Math.ceil(1000 * scale),
    seconds: 10,
  },
  { scenario: 'return', idle: Math.ceil(1000 * scale), active: 1, rate: 100, seconds: 3 },
]
const results = []
for (const options of scenarios) {
  if (values.only !== undefined && options.scenario !== values.only) continue
  const result = await run(options)
  console.log(JSON.stringify(result))
  results.push(result)
}
if (values.out !== undefined) {
  mkdirSync(dirname(values.out), { recursive: true })
  const machine = {
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    node: process.versions.node,
    /** Of the last minute: what else ran here. */
    loadAverage: loadavg()[0],
    date: new Date().toISOString(),
  }
  writeFileSync(values.out, `${JSON.stringify({ machine, results }, null, 2)}\n`)
}
