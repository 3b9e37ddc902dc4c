/**
 * bench/results/gateway.md: each figure of bench/gateway.ts beside its target, what bounds the line, and
 * what a further core would change. Everything is computed from the result; nothing is asserted here.
 */
import type { FanoutReport } from './fanout.js'
import type { RunResult } from './run.js'

export interface GatewayResults {
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryGiB: number
    readonly node: string
    /** Of the last minute, before and after: what else ran here. */
    readonly loadAverage: readonly [before: number, after: number]
    readonly date: string
    readonly commit: string
  }
  readonly runs: readonly RunResult[]
  readonly fanout: readonly FanoutReport[]
}

/** What a run is to reach; milliseconds from planned send time. */
const TARGETS: Readonly<
  Record<string, { readonly ordersPerSecond?: number; readonly p50?: number; readonly p99?: number }>
> = {
  'signed 10k': { p50: 2 },
  'signed 100k': { ordersPerSecond: 100_000, p50: 10, p99: 50 },
  'signed, saturated': { ordersPerSecond: 150_000 },
  'unsigned 200k': { ordersPerSecond: 200_000 },
}
/** A rate counts as reached from this part of it on: the last frame is answered after the end. */
const REACHED = 0.995

const count = (value: number): string => Math.round(value).toLocaleString('en')
const ms = (value: number): string => value.toFixed(2)
const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], rows: readonly string[]): string[] => [
  row(...head),
  row(...head.map(() => '---')),
  ...rows,
  '',
]

/** A figure with its target; the target is bold where it was missed. */
function against(value: number, text: string, target: number | undefined, atLeast: boolean): string {
  if (target === undefined) return text
  const reached = atLeast ? value >= target * REACHED : value < target
  const bound = `${atLeast ? '≥' : '<'} ${atLeast ? count(target) : target}`
  return `${text} (${reached ? bound : `**missed: ${bound}**`})`
}

function loadRow({
  options,
  ordersPerSecond,
  latencyMs,
  serverCores,
  generatorCores,
  sendLagMs,
  refusedFrames,
  lostFrames,
  journal,
}: RunResult): string {
  const target = TARGETS[options.name] ?? {}
  return row(
    options.name,
    count(options.rate),
    count(options.rate / options.frame),
    against(ordersPerSecond, count(ordersPerSecond), target.ordersPerSecond, true),
    count(refusedFrames),
    count(lostFrames),
    count(journal.rejected),
    against(latencyMs.p50, ms(latencyMs.p50), target.p50, false),
    against(latencyMs.p99, ms(latencyMs.p99), target.p99, false),
    ms(latencyMs.p999),
    ms(latencyMs.max),
    serverCores.toFixed(2),
    generatorCores.toFixed(2),
    ms(sendLagMs.p99),
  )
}

const threadNames = (runs: readonly RunResult[]): string[] => [
  ...new Set(runs.flatMap(({ threads }) => Object.keys(threads))),
]

/** Cores of each thread; what one core of it would carry, were it alone. */
function threadTables(runs: readonly RunResult[]): string[] {
  const names = threadNames(runs)
  return [
    'Cores that each thread used while the load ran:',
    '',
    ...table(
      ['thread', ...runs.map(({ options }) => options.name)],
      names.map((name) => row(name, ...runs.map(({ threads }) => (threads[name] ?? 0).toFixed(2)))),
    ),
  ]
}

function bounds({ machine, runs }: GatewayResults): string[] {
  const saturated = runs.find(({ options }) => options.name === 'signed, saturated')
  if (saturated === undefined) return []
  const { threads, serverCores, generatorCores, ordersPerSecond } = saturated
  const total = serverCores + generatorCores
  const single = Object.entries(threads).filter(
    ([name]) => /^(main|engine|journal|gateway)/.test(name) && !name.includes('pool'),
  )
  const [busiest, cores] = single.reduce((most, entry) => (entry[1] > most[1] ? entry : most))
  const bound =
    cores > 0.9
      ? `the thread "${busiest}" is: it ran ${cores.toFixed(2)} of a core`
      : total > 0.9 * machine.cores
        ? `the machine is: server and generator together ran ${total.toFixed(2)} of ${machine.cores} cores, and no thread of the server alone a whole one (the busiest, "${busiest}", ${cores.toFixed(2)})`
        : `neither a thread (the busiest, "${busiest}", ran ${cores.toFixed(2)} of a core) nor the machine (${total.toFixed(2)} of ${machine.cores} cores) is: the rate asked for, waits for the disk, or other programs (load average ${machine.loadAverage[0].toFixed(1)} before)`
  const perOrder = [...Object.entries(threads), ['generator (a process of its own)', generatorCores] as const]
    .filter(([, used]) => used >= 0.005)
    .map(([name, used]) => ({ name, micros: (used * 1e6) / ordersPerSecond }))
  const costly = perOrder.filter(({ name }) => !name.startsWith('generator'))
  const ceiling = (of: string): number =>
    1e6 / (perOrder.find(({ name }) => name === of)?.micros ?? Number.POSITIVE_INFINITY)
  const serverMicros = costly.reduce((sum, { micros }) => sum + micros, 0)
  const totalMicros = perOrder.reduce((sum, { micros }) => sum + micros, 0)
  const singleCeiling = Math.min(...single.map(([name]) => ceiling(name)))
  const withCores = (n: number, micros: number): number => Math.min((n * 1e6) / micros, singleCeiling)
  return [
    '## What bounds it',
    '',
    ordersPerSecond >= saturated.options.rate * REACHED
      ? `The last rate was met, so nothing was saturated: ${bound}.`
      : `At saturation ${bound}.`,
    '',
    ...table(
      ['thread', 'µs an order', 'orders a second that one core of it carries'],
      perOrder.map(({ name, micros }) => row(name, micros.toFixed(2), count(1e6 / micros))),
    ),
    `The server's threads cost ${serverMicros.toFixed(2)} µs an order together, the generator ${(totalMicros - serverMicros).toFixed(2)}. Engine, journal and each gateway thread are one thread each; the thread pool, which checks the signatures, spreads over as many cores as there are (\`UV_THREADPOOL_SIZE\`, four by default). What follows was not measured: from these costs, and nothing else, a further core would give:`,
    '',
    ...table(
      ['cores', 'orders a second, generator on the same machine', 'generator elsewhere'],
      [2, 3, 4, 6].map((n) =>
        row(String(n), count(withCores(n, totalMicros)), count(withCores(n, serverMicros))),
      ),
    ),
    `Where a column stops growing one gateway thread is full (${count(singleCeiling)} orders a second): then \`--gateway-threads 2\`.`,
    '',
  ]
}

function fanoutRows(fanout: readonly FanoutReport[]): string[] {
  if (fanout.length === 0) return []
  const what = ({ options, counts }: FanoutReport): string => {
    const { idle, active, rate } = options
    if (options.scenario === 'market data')
      return `${count(idle)} subscribers of one book, ${count(rate)} updates a second; ${count(counts['messages']!)} messages, ${count(counts['bytes']! / 2 ** 20)} MiB`
    if (options.scenario === 'connections')
      return `${count(idle)} idle and ${count(active)} active connections, ${count(rate)} orders a second`
    return `${count(idle)} clients come back at once and resume; with gap or duplicate: ${counts['clientsWithGapOrDuplicate']}`
  }
  return [
    '## Many connections',
    '',
    ...table(
      ['what', 'ms p50', 'p99', 'max', 'server cores', 'gateway thread', 'RSS MiB before, connected, after'],
      fanout.map((report) =>
        row(
          what(report),
          ms(report.latencyMs.p50),
          ms(report.latencyMs.p99),
          ms(report.latencyMs.max),
          report.serverCores.toFixed(2),
          (report.threads['gateway 0'] ?? 0).toFixed(2),
          [report.rssMiB.before, report.rssMiB.connected, report.rssMiB.after].map(count).join(', '),
        ),
      ),
    ),
    "The gateway is in the engine's process here, limits lifted. Market data: from the planned send time of an update to the arrival of the event that holds it, at 20 of the subscribers. Connections: from planned send time to the answer. Return: from the moment when all are cut to the answer of the subscription that resumes.",
    '',
  ]
}

/** The report as Markdown. */
export function gatewayReport(results: GatewayResults): string {
  const { machine, runs, fanout } = results
  const [before, after] = machine.loadAverage
  const checks = [...runs, ...fanout].map(({ journal }) => journal)
  const orders = checks.reduce((sum, { journaledOrders }) => sum + journaledOrders, 0)
  return [
    '# Gateway benchmark',
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.date}, commit ${machine.commit}; load average before ${before.toFixed(1)}, after ${after.toFixed(1)}. \`npm run bench:gateway\`.`,
    '',
    'Orders through the whole line: WebSocket, gateway thread (in a process of its own, apart as in `glassbook start`; without chain, settlement and prover, limits lifted), P-256 check of each frame, bridge, ring, engine, journal with fdatasync before the answer, history files. Frames of 16 commands (7 rest, 7 cancel, 2 cross) on 8 connections. Open loop: a frame is sent when it is due, answered or not, and its latency runs from then; percentiles are of frames taken, those refused or not answered are counted beside. The generator is a process of its own on the same machine and signs all frames before the load begins.',
    '',
    ...table(
      [
        'run',
        'orders asked/s',
        'frames/s',
        'orders taken/s',
        'frames refused',
        'not answered',
        'commands rejected',
        'ms p50',
        'p99',
        'p99.9',
        'max',
        'server cores',
        'generator cores',
        'generator late p99 ms',
      ],
      runs.map(loadRow),
    ),
    `In brackets the targets. After each run the journal was replayed from its start: ${checks.length} of ${checks.length} runs ended in the live engine's state hash, with ${count(orders)} orders in the journals: every acknowledged one, those that the engine rejected among them.`,
    '',
    ...threadTables(runs),
    ...bounds(results),
    ...fanoutRows(fanout),
  ].join('\n')
}
