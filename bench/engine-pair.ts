/**
 * What a change costs the core: the core of this build beside that of another, each as the program has it, in one
 * process, on the same commands, in slices that alternate. A machine whose own speed varies by half slows both alike, so
 * the ratio of two neighbouring slices tells what two runs after each other cannot. One process is off by up to 4 %
 * (where its code and its tables came to lie), so several are run, in which the two are loaded in turn first; the
 * median over them is the result.
 *
 *   node dist/bench/engine-pair.js OTHER/dist [--runs N] [--slice COMMANDS]
 *
 * OTHER/dist is the build of another commit (`git worktree add`, `npm ci`, `npm run build`); its commands must
 * have this build's layout. A ratio above 1: this build is the faster one.
 */
import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import type * as EngineModule from '../engine/index.js'
import type * as TuneModule from '../engine/tune.js'
import { COMMAND_WORDS } from '../engine/layout.js'
import { workloadOptions } from './engine/live-stream.js'
import { MIXES, type MixName, type Workload, makeWorkload } from './engine/workload.js'

const WARM_UP = 400_000
const MEASURED = 2_000_000
const SEEDS = [23, 7]

interface Order {
  readonly mix: MixName
  readonly seed: number
  readonly slice: number
  /** Folders of compiled output, in the order in which they are loaded; `own` is this build's place among them. */
  readonly builds: readonly [string, string]
  readonly own: 0 | 1
}

type Apply = (from: number, to: number) => void

/** The bundled engine, or the compiler's output where there is none. */
const engineIn = (dist: string): string =>
  existsSync(resolve(dist, 'program/engine.js')) ? 'program/engine.js' : 'engine/core/engine.js'

async function load(dist: string, { words, floats }: Workload): Promise<Apply> {
  const at = (file: string): string => pathToFileURL(resolve(dist, file)).href
  const { createEngine } = (await import(at(engineIn(dist)))) as typeof EngineModule
  const { tuneForEngine } = (await import(at('engine/tune.js'))) as typeof TuneModule
  tuneForEngine()
  const engine = createEngine(workloadOptions(() => {}))
  // A loop of its own for each build: shared, it would know two kinds of engine and inline neither.
  const loop = new Function(
    'engine, words, floats, size',
    'return (from, to) => { for (let index = from; index < to; index++) engine.apply(words, floats, index * size) }',
  ) as (...of: unknown[]) => Apply
  return loop(engine, words, floats, COMMAND_WORDS)
}

/**
 * The commands, made in a thread of its own: making them runs this build's code, whose optimised code would be shaped
 * by that, and the other's not.
 */
function workloadOf(mix: MixName, seed: number): Promise<Workload> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { mix, seed } })
  return new Promise((done, failed) => {
    worker.once('message', done)
    worker.once('error', failed)
  })
}

/** Median over the slices of the other build's time to this one's. */
async function measure({ mix, seed, slice, builds, own }: Order): Promise<number> {
  const workload = await workloadOf(mix, seed)
  const from = workload.setUp + WARM_UP
  const applies: Apply[] = []
  for (const build of builds) {
    const apply = await load(build, workload)
    for (let at = 0; at < from; at += slice) apply(at, Math.min(at + slice, from))
    applies.push(apply)
  }
  globalThis.gc?.()
  const ratios: number[] = []
  for (let at = from, turn = 0; at + slice <= from + MEASURED; at += slice, turn++) {
    const took = [0, 0]
    for (const index of turn % 2 === 0 ? [0, 1] : [1, 0]) {
      const startMs = performance.now()
      applies[index]!(at, at + slice)
      took[index] = performance.now() - startMs
    }
    ratios.push(took[1 - own]! / took[own]!)
  }
  return median(ratios)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

function inProcess(order: Order): Promise<number> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(order)], { execArgv: ['--expose-gc'] })
  return new Promise((done, failed) => {
    child.once('message', (ratio) => done(ratio as number))
    child.once('exit', (code) => failed(new Error(`a measurement ended with ${code}`)))
  })
}

if (!isMainThread) {
  const { mix, seed } = workerData as { mix: MixName; seed: number }
  parentPort!.postMessage(makeWorkload(mix, WARM_UP + MEASURED, seed))
} else if (process.send !== undefined) {
  process.send(await measure(JSON.parse(process.argv[2]!) as Order))
} else {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string', default: '8' }, slice: { type: 'string', default: '2000' } },
  })
  const [other] = positionals
  if (other === undefined) throw new Error('usage: node dist/bench/engine-pair.js OTHER/dist [--runs N]')
  const here = fileURLToPath(new URL('..', import.meta.url))
  for (const mix of MIXES) {
    const ratios: number[] = []
    for (let run = 0; run < Number(values.runs); run++) {
      const own = (run % 2) as 0 | 1
      ratios.push(
        await inProcess({
          mix,
          seed: SEEDS[(run >> 1) % SEEDS.length]!,
          slice: Number(values.slice),
          builds: own === 0 ? [here, other] : [other, here],
          own,
        }),
      )
    }
    console.log(
      `${mix}: ${median(ratios).toFixed(3)} of the other’s commands a second (${ratios.map((ratio) => ratio.toFixed(3)).join(' ')})`,
    )
  }
}
