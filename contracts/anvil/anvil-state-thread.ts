/** Entry of the thread that copies the local chain's state file now and then (anvil-state.ts); ends when told to. */
import { parentPort, workerData } from 'node:worker_threads'
import { backupState } from './anvil-state.js'

const { statePath, everyMs } = workerData as { readonly statePath: string; readonly everyMs: number }
let trouble = ''

function copy(): void {
  try {
    backupState(statePath)
    if (trouble !== '') parentPort!.postMessage(`local chain: copies of ${statePath} are made again`)
    trouble = ''
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    if (trouble === '')
      parentPort!.postMessage(
        `local chain: no copy of ${statePath} could be made (${text}); it is tried again, and the exchange goes on`,
      )
    trouble = text
  }
}

const timer = setInterval(copy, everyMs)
parentPort!.once('message', () => {
  clearInterval(timer)
  copy()
  parentPort!.close()
})
