/**
 * `npm run bench:gateway`: orders a second through the whole line, with the gateway in a process of its own, apart as in
 * `glassbook start`, and the load generator in another on the same machine; open loop, latency of frames taken from the
 * planned send time. Chain, settlement and prover are left out, limits lifted. Then many connections, with the gateway
 * in the engine's process.
 * After each run the journal is replayed and compared with what the live engine and the clients knew.
 *
 *   node dist/bench/gateway.js [--rate N] [--seconds S] [--warmup S] [--frame N] [--connections N]
 *                              [--unsigned] [--gateways N] [--inside] [--compare N] [--out FILE]
 *   node dist/bench/gateway.js --suite [--quick] [--out FILE]
 *   node dist/bench/gateway.js --fanout
 *
 * `--inside` has the gateway's threads in the engine's process; `--compare N` runs both in turn, N times.
 * `--suite` writes bench/results/gateway.json and gateway.md beside it (or FILE, for trials); `--quick`
 * runs it small, to see that it works.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { fanoutInChild, loadInChild } from './gateway/child.js'
import { type FanoutReport, type FanoutRun, fanoutRuns } from './gateway/fanout.js'
import { gatewayReport } from './gateway/report.js'
import type { RunOptions, RunResult } from './gateway/run.js'
import { machine } from './support/machine.js'

const coresOf = (threads: Readonly<Record<string, number>>): string =>
  Object.entries(threads)
    .filter(([, cores]) => cores >= 0.005)
    .map(([name, cores]) => `${name} ${cores.toFixed(2)}`)
    .join(', ')

function print(result: RunResult): void {
  const { options, ordersPerSecond, latencyMs, threads, generatorCores, sendLagMs, journal } = result
  const { refusedFrames, lostFrames } = result
  const { p50, p99, p999, max } = latencyMs
  console.log(
    `${options.name}: asked ${options.rate}/s, answered ${Math.round(ordersPerSecond)}/s, refused frames ${refusedFrames}, not answered ${lostFrames}; ` +
      `of frames taken ms p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} p99.9 ${p999.toFixed(2)} max ${max.toFixed(1)}; ` +
      `generator late p99 ${sendLagMs.p99.toFixed(2)} ms\n` +
      `  cores: ${coresOf(threads)}; generator ${generatorCores.toFixed(2)}; ` +
      `replayed to the same state at seq ${journal.seq}, ${journal.journaledOrders} orders, ${journal.rejected} rejected, ${journal.replaySeconds.toFixed(1)} s`,
  )
}

function printFanout({ options, latencyMs, counts, threads, rssMiB }: FanoutReport): void {
  console.log(
    `${options.scenario}: ms p50 ${latencyMs.p50.toFixed(2)} p99 ${latencyMs.p99.toFixed(2)} max ${latencyMs.max.toFixed(1)}; ` +
      `${JSON.stringify(counts)}; cores: ${coresOf(threads)}; ` +
      `RSS MiB ${Math.round(rssMiB.before)}, ${Math.round(rssMiB.connected)}, ${Math.round(rssMiB.after)}`,
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
    inside: { type: 'boolean', default: false },
    compare: { type: 'string' },
    suite: { type: 'boolean', default: false },
    fanout: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
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
  inside: values.inside,
}
const compared: readonly RunOptions[] = Array.from({ length: Number(values.compare ?? 0) }, () => [
  { ...base, name: `${base.name}, gateway inside`, inside: true },
  { ...base, name: `${base.name}, gateway apart`, inside: false },
]).flat()
/** One minute for the run that the exchange is measured by, a quarter of one for the others. */
const suite: readonly RunOptions[] = [
  { ...base, name: 'signed 10k', rate: 10_000, seconds: 15, signed: true },
  { ...base, name: 'signed 100k', rate: 100_000, seconds: 60, signed: true },
  { ...base, name: 'signed 150k', rate: 150_000, seconds: 15, signed: true },
  { ...base, name: 'signed, saturated', rate: 220_000, seconds: 15, signed: true },
  { ...base, name: 'unsigned 200k', rate: 200_000, seconds: 15, signed: false },
]
const quickly = (options: RunOptions): RunOptions => ({
  ...options,
  rate: options.rate / 20,
  seconds: 1,
  warmupSeconds: 0.5,
})
const small = (options: FanoutRun): FanoutRun => ({
  ...options,
  idle: Math.ceil(options.idle / 20),
  active: Math.ceil(options.active / 20),
  rate: Math.ceil(options.rate / 20),
  seconds: Math.min(2, options.seconds),
})

const [loadBefore] = loadavg() as [number, number, number]
const runs: RunResult[] = []
for (const options of values.suite
  ? suite
  : values.fanout
    ? []
    : values.compare !== undefined
      ? compared
      : [base]) {
  const result = await loadInChild(values.quick ? quickly(options) : options)
  print(result)
  runs.push(result)
}
const fanout: FanoutReport[] = []
for (const options of values.suite || values.fanout ? fanoutRuns : []) {
  const report = await fanoutInChild(values.quick ? small(options) : options)
  printFanout(report)
  fanout.push(report)
}
const out = values.out ?? (values.suite && !values.quick ? 'bench/results/gateway.json' : undefined)
if (out !== undefined) {
  mkdirSync(dirname(out), { recursive: true })
  const [loadAfter] = loadavg() as [number, number, number]
  const results = {
    machine: { ...machine(), loadAverage: [loadBefore, loadAfter] as const, date: new Date().toISOString() },
    runs,
    fanout,
  }
  writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(out.replace(/\.json$/, '.md'), gatewayReport(results))
}
