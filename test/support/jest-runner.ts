/**
 * Runs suites as jest-light-runner does, in processes that each take many, and looks at what they leave: a process that
 * does not end by itself behind its last suite holds a socket, a timer, a thread or a child that a suite has not
 * closed. That fails the run; jest alone would end with 0 and leave the process running.
 *
 * Each process asks for the settings of the run when it is there. jest-light-runner answers all of them when the first
 * one asks, and whoever was not listening yet waits for ever: so each suite has a channel of its own here.
 */
import type { ChildProcess } from 'node:child_process'
// @ts-expect-error It has no types.
import untyped from 'jest-light-runner/child-process'

interface Channel {
  onMessage(listener: (message: unknown) => void): void
  postMessage(message: unknown): void
}
interface Pool {
  /** Absent where everything runs in jest's own process (--runInBand). */
  readonly threads?: readonly { readonly process: ChildProcess }[]
  readonly options?: { readonly workerData: unknown }
  run(path: string, options?: { readonly channel?: Channel }): Promise<unknown>
}
interface PoolEntry {
  readonly pool: Pool
}
interface LightRunner {
  _testRunners: Map<unknown, PoolEntry>
  runTests(...words: readonly unknown[]): Promise<void>
  _runTest(test: unknown): Promise<unknown>
}
const Light = untyped as new (...words: readonly unknown[]) => LightRunner

/** Far longer than worker-end.ts takes to say what is open, on a busy machine too. */
const END_MS_MAX = 30_000

/** Of one suite: what its process asks for is told to it alone. */
function channelOf({ options }: Pool): Channel {
  let tell: (message: unknown) => void
  return {
    onMessage: (listener) => (tell = listener),
    postMessage: (message) => {
      if (message === 'jest-light-runner-get-worker-data')
        tell({ type: 'jest-light-runner-worker-data', workerData: options!.workerData })
    },
  }
}

/** The pools of a run, each changed as it comes. */
class Pools extends Map<unknown, PoolEntry> {
  override set(config: unknown, entry: PoolEntry): this {
    const { pool } = entry
    const run = pool.run.bind(pool)
    if (pool.threads !== undefined) pool.run = (path) => run(path, { channel: channelOf(pool) })
    return super.set(config, entry)
  }
}

export default class Runner extends Light {
  override _testRunners = new Pools()
  readonly #processes = new Set<ChildProcess>()

  override _runTest(test: unknown): Promise<unknown> {
    const running = super._runTest(test)
    for (const { pool } of this._testRunners.values())
      for (const { process } of pool.threads ?? []) this.#processes.add(process)
    return running
  }

  override async runTests(...words: readonly unknown[]): Promise<void> {
    await super.runTests(...words)
    const ends = await Promise.all([...this.#processes].map(endsByItself))
    if (ends.every(Boolean)) return
    console.error('A suite leaves something open (see above); run folders alone to find it.')
    process.exitCode = 1
  }
}

/** Lets a process go, and waits until it has ended; one that does not is killed. */
function endsByItself(child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(true)
  return new Promise((resolve) => {
    // The pool takes an end for a crash.
    child.removeAllListeners('exit')
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX)
    child.once('exit', (_code, signal) => {
      clearTimeout(timer)
      resolve(signal !== 'SIGKILL')
    })
    child.disconnect()
  })
}
