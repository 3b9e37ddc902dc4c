/**
 * `npm run bench:gateway`: signed orders a second through the whole line (WebSocket, gateway thread,
 * P-256 verification, ring, engine, journal with fdatasync, answer), with the load generator in a
 * separate process on the same machine. Open loop; latency from the planned send time.
 *
 *   node dist/bench/gateway.js [--rate N] [--seconds S] [--warmup S] [--frame N] [--connections N]
 *                              [--unsigned] [--gateways N] [--suite] [--out FILE]
 *
 * `--suite` runs the series of the README and writes bench/results/gateway.json.
 */
import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startRig } from './gateway-rig.js'
import type { LoadOptions, LoadResult } from './load-generator.js'

interface RunOptions extends Omit<LoadOptions, 'port'> {
  readonly name: string
  readonly gateways: number
}

interface RunResult extends LoadResult {
  readonly options: RunOptions
  /** CPU seconds of the server process for each second measured: engine, journal, gateway and pool threads. */
  readonly serverCores: number
  readonly generatorCores: number
  readonly rssMiB: number
}

const NO_LIMIT = { perSecond: 1_000_000_000, burst: 1_000_000_000 }

async function run(options: RunOptions): Promise<RunResult> {
  const rig = await startRig({
    accounts: options.connections,
    gateways: options.gateways,
    signed: options.signed,
    config: {
      orderRate: NO_LIMIT,
      ipOrderRate: NO_LIMIT,
      cancelRate: NO_LIMIT,
      framesInFlightMax: 1_000_000,
    },
  })
  const generator = fork(fileURLToPath(new URL('./load-generator.js', import.meta.url)))
  const cpu = process.cpuUsage()
  const started = performance.now()
  const { name: _name, gateways: _gateways, ...load } = options
  generator.send({ ...load, port: rig.port })
  const result = await new Promise<LoadResult>((resolve, reject) => {
    generator.once('message', (message) => resolve(message as LoadResult))
    generator.once('exit', (code) => reject(new Error(`the load generator ended with code ${code}`)))
  })
  const { user, system } = process.cpuUsage(cpu)
  const elapsed = (performance.now() - started) / 1000 - result.signingSeconds
  const rssMiB = process.memoryUsage().rss / 2 ** 20
  await rig.stop()
  return {
    options,
    ...result,
    serverCores: (user + system) / 1e6 / elapsed,
    generatorCores: result.cpuSeconds / elapsed,
    rssMiB,
  }
}

function print({
  options,
  ordersPerSecond,
  latencyMs,
  serverCores,
  generatorCores,
  refusedFrames,
  sendLagMs,
}: RunResult): void {
  const { p50, p99, p999, max } = latencyMs
  console.log(
    `${options.name}: asked ${options.rate}/s, answered ${Math.round(ordersPerSecond)}/s, refused frames ${refusedFrames}; ` +
      `ms p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} p99.9 ${p999.toFixed(2)} max ${max.toFixed(1)}; ` +
      `cores: server ${serverCores.toFixed(2)}, generator ${generatorCores.toFixed(2)}; generator late p99 ${sendLagMs.p99.toFixed(2)} ms`,
  )
}

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '10' },
    warmup: { type: 'string', default: '3' },
    frame: { type: 'string', default: '16' },
    connections: { type: 'string', default: '8' },
    gateways: { type: 'string', default: '1' },
    unsigned: { type: 'boolean', default: false },
    suite: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const base: RunOptions = {
  name: values.unsigned ? 'unsigned' : 'signed',
  rate: Number(values.rate),
  seconds: Number(values.seconds),
  warmupSeconds: Number(values.warmup),
  frame: Number(values.frame),
  connections: Number(values.connections),
  signed: !values.unsigned,
  gateways: Number(values.gateways),
}
const runs: RunOptions[] = values.suite
  ? [
      { ...base, name: 'signed 10k', rate: 10_000, signed: true },
      { ...base, name: 'signed 100k', rate: 100_000, signed: true },
      { ...base, name: 'signed 150k', rate: 150_000, signed: true },
      { ...base, name: 'signed 200k', rate: 200_000, signed: true },
      { ...base, name: 'unsigned 200k', rate: 200_000, signed: false },
      { ...base, name: 'unsigned 400k', rate: 400_000, signed: false },
    ]
  : [base]
const results: RunResult[] = []
for (const options of runs) {
  const result = await run(options)
  print(result)
  results.push(result)
}
const out = values.out ?? (values.suite ? 'bench/results/gateway.json' : undefined)
if (out !== undefined) {
  mkdirSync(dirname(out), { recursive: true })
  const machine = {
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    /** Of the last minute: what else ran here. */
    loadAverage: loadavg()[0],
    date: new Date().toISOString(),
  }
  const note =
    'Open loop, frames signed before the start, latency from planned send time; journaled with fdatasync before the answer; generator on the same machine.'
  writeFileSync(out, `${JSON.stringify({ machine, note, results }, null, 2)}\n`)
}
