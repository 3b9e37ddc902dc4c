/**
 * One run of bench/gateway.ts in a process of its own, so that no run finds the memory or the compiled
 * code of another. Takes its options from its parent and answers with the result.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type FanoutReport, type FanoutRun, runFanout } from './fanout.js'
import { type RunOptions, type RunResult, runLoadBench } from './run.js'

type Task =
  | { readonly kind: 'load'; readonly options: RunOptions }
  | { readonly kind: 'fanout'; readonly options: FanoutRun }

function inChild(task: Task): Promise<unknown> {
  const child = fork(fileURLToPath(import.meta.url))
  child.send(task)
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`a run ended with code ${code}`)))
  })
}

export const loadInChild = async (options: RunOptions): Promise<RunResult> =>
  (await inChild({ kind: 'load', options })) as RunResult
export const fanoutInChild = async (options: FanoutRun): Promise<FanoutReport> =>
  (await inChild({ kind: 'fanout', options })) as FanoutReport

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('message', (task: Task) => {
    const run = task.kind === 'load' ? runLoadBench(task.options) : runFanout(task.options)
    run.then(
      (result) => process.send!(result, () => process.exit(0)),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
}
