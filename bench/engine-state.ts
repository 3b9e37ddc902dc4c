/**
 * What the core makes as its state grows: `node dist/bench/engine-state.js [--rounds 3] [--out bench/results]`, a part
 * of `npm run bench:engine`. Every size of the state (engine/state-workload.ts) runs in a process of its own, all sizes in
 * each round, and first in each round the small mix `exchange` (engine/workload.ts), so that a slow minute of the machine
 * falls on all of them; what counts is the ratio to the small mix. Commands are counted by the process's own time on a
 * core, which waits for nobody. Prints a table of medians and writes it to `engine-state.md`, a plot to
 * `engine-state.svg`, and every value to `engine-state.json`.
 */
import { fork } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import type * as EngineModule from '../engine/core/engine.js'
import { COMMAND_WORDS } from '../engine/layout.js'
import { tuneForEngine } from '../engine/tune.js'
import { median } from './conformance.js'
import { linePlot } from './engine/line-plot.js'
import { machine } from './support/machine.js'
import { workloadOptions } from './engine/live-stream.js'
import { type StateSize, fund, makeStateWorkload } from './engine/state-workload.js'
import { makeWorkload } from './engine/workload.js'

const SEED = 23
const WARM_UP = 600_000
const SEGMENTS = 5
const SEGMENT = 200_000
const ACCOUNTS = [1000, 100_000, 1_000_000]
const MARKETS = [1, 64]
const LIVE = [2000, 500_000]
const SIZES: readonly StateSize[] = MARKETS.flatMap((markets) =>
  LIVE.flatMap((live) => ACCOUNTS.map((accounts) => ({ accounts, markets, live }))),
)

/** A size of the state, or the small mix. */
type Task = StateSize | 'small'

interface Result {
  /** Millions of commands a second, of each segment. */
  readonly rates: readonly number[]
  readonly stateHash: string
  readonly memoryMiB: number
}

interface Stream {
  readonly words: Int32Array
  /** Commands before the mix. */
  readonly setUp: number
}

const nameOf = (task: Task): string =>
  task === 'small' ? task : `${task.accounts}:${task.markets}:${task.live}`

/** The core as the program has it, or the compiler's output where there is none. */
async function loadEngine(): Promise<typeof EngineModule> {
  const dist = fileURLToPath(new URL('..', import.meta.url))
  const bundle = join(dist, 'program/engine.js')
  const file = existsSync(bundle) ? bundle : join(dist, 'engine/core/engine.js')
  return (await import(pathToFileURL(file).href)) as typeof EngineModule
}

/** The commands, made in a thread of its own: what makes them would shape the optimised code of what is measured. */
function streamOf(task: Task): Promise<Stream> {
  const worker = new Worker(new URL(import.meta.url), { workerData: task })
  return new Promise((done, failed) => {
    worker.once('message', done)
    worker.once('error', failed)
  })
}

function makeStream(task: Task): Stream {
  const count = WARM_UP + SEGMENTS * SEGMENT
  if (task === 'small') return makeWorkload('exchange', count, SEED)
  return { words: makeStateWorkload(task, count, SEED), setUp: task.live }
}

async function measure(task: Task): Promise<Result> {
  const { words, setUp } = await streamOf(task)
  const floats = new Float64Array(words.buffer)
  tuneForEngine()
  const { createEngine } = await loadEngine()
  const engine = createEngine(workloadOptions(() => {}, task === 'small' ? 1 : task.markets))
  const run = (from: number, to: number): void =>
    engine.applyAll(words, floats, from * COMMAND_WORDS, to - from)
  if (task !== 'small') fund(engine, task.accounts)
  let at = setUp + WARM_UP
  run(0, at)
  const rates: number[] = []
  for (let segment = 0; segment < SEGMENTS; segment++, at += SEGMENT) {
    const start = process.cpuUsage()
    run(at, at + SEGMENT)
    const { user, system } = process.cpuUsage(start)
    rates.push(SEGMENT / (user + system))
  }
  return {
    rates,
    stateHash: Buffer.from(engine.stateHash()).toString('hex').slice(0, 16),
    memoryMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
  }
}

function inProcess(task: Task): Promise<Result> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(task)])
  return new Promise((done, failed) => {
    child.once('message', (result) => done(result as Result))
    child.once('exit', (code) => failed(new Error(`${nameOf(task)}: a measurement ended with ${code}`)))
  })
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      out: { type: 'string', default: 'bench/results' },
    },
  })
  const rounds = Number(values.rounds)
  const tasks: readonly Task[] = ['small', ...SIZES]
  const results = new Map<string, Result[]>(tasks.map((task) => [nameOf(task), []]))
  for (let round = 1; round <= rounds; round++)
    for (const task of tasks) {
      process.stderr.write(`\rround ${round} of ${rounds}: ${nameOf(task).padEnd(24)}`)
      results.get(nameOf(task))!.push(await inProcess(task))
    }
  process.stderr.write('\n')
  report(results, rounds, values.out)
}

function report(results: ReadonlyMap<string, readonly Result[]>, rounds: number, out: string): void {
  const rates = (task: Task): number[] => results.get(nameOf(task))!.flatMap((each) => each.rates)
  const small = results.get('small')!
  for (const [name, each] of results)
    if (new Set(each.map(({ stateHash }) => stateHash)).size !== 1)
      throw new Error(`${name}: rounds ended in different states`)
  const ofSmall = (task: Task): string => {
    const each = results.get(nameOf(task))!
    const ratios = each.map((result, round) => median(result.rates) / median(small[round]!.rates))
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))
    return median(ratios).toFixed(2) + (least === most ? '' : ` (${least} to ${most})`)
  }
  const number = (value: number): string => value.toLocaleString('en')
  const about = machine()
  const tunables = process.env['GLIBC_TUNABLES']
  const pages = tunables === undefined ? 'pages as the kernel gives them' : `\`GLIBC_TUNABLES=${tunables}\``
  const text = [
    '# The core as its state grows',
    '',
    `${about.cpu}, ${about.cores} cores, ${about.memoryGiB} GiB, Node ${about.node}, ${about.date.slice(0, 10)}, commit ${about.commit}, ${pages}, seed ${SEED}, ${rounds} rounds, medians of commands by the process's own time on a core. 57 % place, a quarter of them take what is first in line, 43 % cancel (\`bench/engine/state-workload.ts\`); the small mix is \`exchange\` of \`engine.md\`, measured first in each round.`,
    '',
    '| accounts | markets | live orders | median M/s | range | of the small mix: median (rounds) |',
    '| --- | --- | --- | --- | --- | --- |',
    ...(['small', ...SIZES] as const).map((task) => {
      const all = rates(task)
      const size =
        task === 'small'
          ? '1,000 | 1 | 2,000: the small mix'
          : `${number(task.accounts)} | ${task.markets} | ${number(task.live)}`
      const range = `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`
      return `| ${size} | ${median(all).toFixed(2)} | ${range} | ${ofSmall(task)} |`
    }),
    '',
    '![Millions of commands a second by accounts](engine-state.svg)',
    '',
  ].join('\n')
  const plot = linePlot({
    title: 'Commands a second as the state grows',
    x: { label: 'accounts', values: ACCOUNTS },
    yLabel: 'million a second',
    lines: MARKETS.flatMap((markets) =>
      LIVE.map((live) => ({
        label: `${markets} ${markets === 1 ? 'market' : 'markets'}, ${number(live)} live orders`,
        values: ACCOUNTS.map((accounts) => median(rates({ accounts, markets, live }))),
      })),
    ),
  })
  console.log(text)
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'engine-state.md'), text)
  writeFileSync(join(out, 'engine-state.svg'), plot)
  writeFileSync(
    join(out, 'engine-state.json'),
    JSON.stringify(
      {
        machine: about,
        seed: SEED,
        rounds,
        tunables: tunables ?? '',
        measuredAt: new Date().toISOString(),
        results: Object.fromEntries(results),
      },
      undefined,
      1,
    ) + '\n',
  )
}

if (!isMainThread) parentPort!.postMessage(makeStream(workerData as Task))
else if (process.send !== undefined) process.send(await measure(JSON.parse(process.argv[2]!) as Task))
else await main()
