/**
 * Runs the tests near a mutant on it, in a copy of dist. Near = by steps of imports from the test to the file,
 * tests of the same folder first; then those of further.ts. All of them run in one bare process (bare.ts), quickest
 * first, which ends with the first test that fails; a failure counts when the suite fails on the mutant alone too, and
 * passes on the code as it is. A mutant that none of them notices has survived: a hole in the tests, a line that
 * does nothing, or one whose effect nobody can see.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { furtherSuites } from './further.js'
import { type Mutant, compiled } from './mutants.js'

export interface Verdict {
  readonly mutant: Mutant
  /** The suite that failed; absent = it survived. */
  readonly by?: string
  /** Its test that failed. */
  readonly test?: string
  /** Suites that passed on it. */
  readonly passed: readonly string[]
  /** What the compiler says: this is no mutant. */
  readonly refusal?: string
}

/** A suite that passed, on a mutant or on the code as it is, or that does not pass even there. */
export interface Baseline {
  readonly suite: string
  readonly tookMs: number
  /** Why it judges no mutant: it fails by itself, or does not end in time. */
  readonly unsound?: string
}

/** What bare.ts tells as a suite ends. */
export type SuiteEnd = { readonly tookMs: number } | { readonly failed: string }

interface Outcome {
  /** How long each took that passed, in the order of the suites. */
  readonly tookMs: readonly number[]
  readonly failed?: { readonly suite: string; readonly test: string }
}

export interface RunOptions {
  /** Suites near a mutant at most; those of further.ts come besides. */
  readonly suitesMax: number
  /** A suite that takes longer on the code as it is judges nothing; on a mutant it waits for something for ever. */
  readonly suiteMsMax: number
  /** Suites that are not run: what takes minutes. */
  readonly without?: RegExp
  /** Baselines of an earlier run, and who keeps new ones. */
  readonly baselines?: readonly Baseline[]
  readonly onBaseline?: (baseline: Baseline) => void
}

/** On a mutant a suite may take this much longer before it counts as one that never ends. */
const SLOWER_TIMES = 5
const SLOWER_MS = 20_000

/** What each compiled file imports, threads that it starts too; paths from dist. */
function importGraph(dist: string): Map<string, string[]> {
  const graph = new Map<string, string[]>()
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue
    const path = join(entry.parentPath, entry.name)
    const text = readFileSync(path, 'utf8')
    const targets = [...text.matchAll(/(?:from|import|import\(|new URL\()\s*['"](\.[^'"]+\.js)['"]/g)].map(
      ([, target]) => relative(dist, resolve(dirname(path), target!)),
    )
    graph.set(relative(dist, path), targets)
  }
  return graph
}

/** Suites that reach `file`, nearest first. */
export function suitesNear(graph: ReadonlyMap<string, readonly string[]>, file: string): string[] {
  const importers = new Map<string, string[]>()
  for (const [from, targets] of graph)
    for (const target of targets) importers.set(target, [...(importers.get(target) ?? []), from])
  const steps = new Map([[file, 0]])
  const waiting = [file]
  for (let at = waiting.shift(); at !== undefined; at = waiting.shift())
    for (const from of importers.get(at) ?? [])
      if (!steps.has(from)) {
        steps.set(from, steps.get(at)! + 1)
        waiting.push(from)
      }
  const far = (suite: string): number => steps.get(suite)! + (dirname(suite) === dirname(file) ? 0 : 3)
  return [...steps.keys()].filter((path) => path.endsWith('.test.js')).sort((a, b) => far(a) - far(b))
}

export class MutationBox {
  readonly folder = mkdtempSync(join(tmpdir(), 'mutate-'))
  /** Files of the tests, emptied after each run: what is killed leaves its own behind. Short, for sockets have paths. */
  readonly #scratch = join(this.folder, 't')
  readonly #graph: Map<string, string[]>
  readonly #baselines = new Map<string, Baseline>()
  /** The process group that runs suites now. */
  #running: number | undefined

  constructor(
    private readonly root: string,
    private readonly options: RunOptions,
  ) {
    cpSync(join(root, 'dist'), join(this.folder, 'dist'), { recursive: true })
    for (const name of readdirSync(root))
      if (name !== 'dist') symlinkSync(join(root, name), join(this.folder, name))
    this.#graph = importGraph(join(this.folder, 'dist'))
    for (const baseline of options.baselines ?? []) this.#baselines.set(baseline.suite, baseline)
  }

  async judge(mutant: Mutant): Promise<Verdict> {
    const file = mutant.file.replace(/\.ts$/, '.js')
    const path = join(this.folder, 'dist', file)
    const original = readFileSync(path, 'utf8')
    const change = compiled(this.root, mutant)
    const onMutant = async (suites: readonly string[]): Promise<Outcome> => {
      writeFileSync(path, change)
      try {
        return await this.#run(suites)
      } finally {
        writeFileSync(path, original)
      }
    }
    const passed: string[] = []
    const pass = (suite: string, tookMs: number): void => {
      passed.push(suite)
      if (!this.#baselines.has(suite)) this.#learn({ suite, tookMs })
    }
    let waiting = this.#suitesFor(file)
    while (waiting.length > 0) {
      const { tookMs, failed } = await onMutant(waiting)
      for (const [at, ms] of tookMs.entries()) pass(waiting[at]!, ms)
      if (failed === undefined) break
      if (await this.#isSound(failed.suite)) {
        const wasAlone = tookMs.length === 0
        const alone = wasAlone ? { tookMs, failed } : await onMutant([failed.suite])
        if (alone.failed !== undefined) return { mutant, by: failed.suite, test: alone.failed.test, passed }
        pass(failed.suite, alone.tookMs[0]!)
      }
      waiting = waiting.slice(tookMs.length + 1)
    }
    return { mutant, passed }
  }

  /** Suites that judge nothing: they fail by themselves, or take too long. */
  get leftOut(): Baseline[] {
    const { suiteMsMax } = this.options
    return [...this.#baselines.values()].filter(
      ({ unsound, tookMs }) => unsound !== undefined || tookMs > suiteMsMax,
    )
  }

  /** Ends what runs, and takes everything away. */
  close(): void {
    if (this.#running !== undefined) killGroup(this.#running)
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 })
  }

  /** The suites that are run on mutants of a file, quickest first; last those of which nothing is known yet. */
  #suitesFor(file: string): string[] {
    const isRun = (suite: string): boolean => this.#graph.has(suite) && !this.options.without?.test(suite)
    const near = suitesNear(this.#graph, file).filter(isRun).slice(0, this.options.suitesMax)
    const tookMs = (suite: string): number => this.#baselines.get(suite)?.tookMs ?? this.options.suiteMsMax
    return [...new Set([...near, ...furtherSuites(file).filter(isRun)])]
      .filter((suite) => this.#baselines.get(suite)?.unsound === undefined)
      .filter((suite) => tookMs(suite) <= this.options.suiteMsMax)
      .sort((a, b) => tookMs(a) - tookMs(b))
  }

  /** Whether it passes on the code as it is: one that fails by itself would seem to notice every mutant. */
  async #isSound(suite: string): Promise<boolean> {
    if (!this.#baselines.has(suite)) {
      const { tookMs, failed } = await this.#run([suite])
      const [ms = this.options.suiteMsMax] = tookMs
      this.#learn({ suite, tookMs: ms, ...(failed === undefined ? {} : { unsound: failed.test }) })
    }
    return this.#baselines.get(suite)!.unsound === undefined
  }

  #learn(baseline: Baseline): void {
    this.#baselines.set(baseline.suite, baseline)
    this.options.onBaseline?.(baseline)
  }

  #patienceMs(suite: string): number {
    const baseline = this.#baselines.get(suite)
    return baseline === undefined ? this.options.suiteMsMax : baseline.tookMs * SLOWER_TIMES + SLOWER_MS
  }

  /** Runs suites until one fails or takes too long. */
  async #run(suites: readonly string[]): Promise<Outcome> {
    mkdirSync(this.#scratch)
    const child = spawn(
      process.execPath,
      ['dist/test/mutate/bare.js', ...suites.map((suite) => join(this.folder, 'dist', suite))],
      {
        cwd: this.folder,
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
        detached: true,
        env: { ...process.env, TMPDIR: this.#scratch },
      },
    )
    this.#running = child.pid
    const tookMs: number[] = []
    let test = 'its process ended'
    const kill = (): void => {
      test = 'it does not end'
      killGroup(child.pid!)
    }
    let patience = setTimeout(kill, this.#patienceMs(suites[0]!))
    const lines = createInterface({ input: child.stdio[3] as Readable })
    lines.on('line', (line) => {
      const end = JSON.parse(line) as SuiteEnd
      clearTimeout(patience)
      if ('failed' in end) test = end.failed
      else {
        tookMs.push(end.tookMs)
        const next = suites[tookMs.length]
        if (next !== undefined) patience = setTimeout(kill, this.#patienceMs(next))
      }
    })
    const told = new Promise<void>((done) => lines.once('close', done))
    await new Promise<void>((done) => {
      child.once('exit', () => {
        clearTimeout(patience)
        // Its children hold the pipe open, and would go on for ever.
        killGroup(child.pid!)
        this.#running = undefined
        done()
      })
    })
    await told
    rmSync(this.#scratch, { recursive: true, force: true, maxRetries: 20 })
    const suite = suites[tookMs.length]
    return suite === undefined ? { tookMs } : { tookMs, failed: { suite, test } }
  }
}

/** A process with all that it started. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // None of them is left.
  }
}
