/**
 * Runs the tests near a mutant on it, in a copy of dist. Near = by steps of imports from the test to the file,
 * tests of the same folder first; then those of further.ts. What is known to be quick goes first, several at once; the
 * first that fails ends the others. A mutant that none of them notices has survived: a hole in the tests, a line that
 * does nothing, or one whose effect nobody can see.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { furtherSuites } from './further.js'
import { type Mutant, compiled } from './mutants.js'

export interface Verdict {
  readonly mutant: Mutant
  /** The suite that failed; absent = it survived. */
  readonly by?: string
  /** Suites that passed on it. */
  readonly passed: readonly string[]
}

interface Run {
  readonly passes: Promise<boolean>
  readonly kill: () => void
}

export interface RunOptions {
  /** Suites near a mutant at most; those of further.ts come besides. */
  readonly suitesMax: number
  /** A suite that takes longer has noticed: something waits for ever. */
  readonly suiteMsMax: number
  /** Suites of one mutant that run at the same time. */
  readonly atOnce?: number
  /** Suites that are not run: what takes minutes. */
  readonly without?: RegExp
}

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
  readonly folder = mkdtempSync(join(tmpdir(), 'glassbook-mutate-'))
  readonly #graph: Map<string, string[]>
  /** Whether a suite passes on the code as it is: one that fails by itself would seem to notice every mutant. */
  readonly #sound = new Map<string, boolean>()
  /** How long a suite took when it last passed. */
  readonly #tookMs = new Map<string, number>()

  constructor(
    private readonly root: string,
    private readonly options: RunOptions,
  ) {
    for (const name of readdirSync(root))
      if (name !== 'dist') symlinkSync(join(root, name), join(this.folder, name))
    // Jest looks for tests below its config file's real place.
    rmSync(join(this.folder, 'jest.config.js'))
    cpSync(join(root, 'jest.config.js'), join(this.folder, 'jest.config.js'))
    cpSync(join(root, 'dist'), join(this.folder, 'dist'), { recursive: true })
    this.#graph = importGraph(join(this.folder, 'dist'))
  }

  async judge(mutant: Mutant): Promise<Verdict> {
    const file = mutant.file.replace(/\.ts$/, '.js')
    const path = join(this.folder, 'dist', file)
    const original = readFileSync(path, 'utf8')
    const passed: string[] = []
    const isRun = (suite: string): boolean => this.#graph.has(suite) && !this.options.without?.test(suite)
    const near = suitesNear(this.#graph, file).filter(isRun).slice(0, this.options.suitesMax)
    const waiting = [...new Set([...near, ...furtherSuites(file).filter(isRun)])]
      .filter((suite) => this.#sound.get(suite) !== false)
      .sort((a, b) => (this.#tookMs.get(a) ?? 0) - (this.#tookMs.get(b) ?? 0))
    const change = compiled(this.root, mutant)
    while (waiting.length > 0) {
      writeFileSync(path, change)
      const failed = await this.#untilOneFails(waiting, passed)
      writeFileSync(path, original)
      if (failed === undefined) break
      if (!this.#sound.has(failed)) this.#sound.set(failed, await this.#run(failed).passes)
      if (this.#sound.get(failed) === true) return { mutant, by: failed, passed }
    }
    return { mutant, passed }
  }

  /** Takes suites from `waiting` until one fails; those that it cuts short go back to the front. */
  async #untilOneFails(waiting: string[], passed: string[]): Promise<string | undefined> {
    let failed: string | undefined
    const running = new Map<string, Run>()
    const lane = async (): Promise<void> => {
      while (failed === undefined && waiting.length > 0) {
        const suite = waiting.shift()!
        const run = this.#run(suite)
        running.set(suite, run)
        const passes = await run.passes
        running.delete(suite)
        if (passes) passed.push(suite)
        else if (failed === undefined) {
          failed = suite
          for (const other of running.values()) other.kill()
        } else waiting.unshift(suite)
      }
    }
    await Promise.all(Array.from({ length: this.options.atOnce ?? 1 }, lane))
    return failed
  }

  /** Suites that fail without any mutation. */
  get unsound(): string[] {
    return [...this.#sound].filter(([, sound]) => !sound).map(([suite]) => suite)
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #run(suite: string): Run {
    const from = performance.now()
    const child = spawn(
      process.execPath,
      ['node_modules/jest/bin/jest.js', '--forceExit', '--bail', '--runTestsByPath', `dist/${suite}`],
      { cwd: this.folder, stdio: 'ignore', detached: true },
    )
    const kill = (): void => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL')
    }
    const patience = setTimeout(kill, this.options.suiteMsMax)
    const passes = new Promise<boolean>((done) => {
      child.once('exit', (code) => {
        clearTimeout(patience)
        if (code === 0) this.#tookMs.set(suite, performance.now() - from)
        done(code === 0)
      })
    })
    return { passes, kill }
  }
}
