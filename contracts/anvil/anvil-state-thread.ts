/** Entry of the thread that copies the local chain's state file now and then (anvil-state.ts); ends when told to. */
import { parentPort, workerData } from 'node:worker_threads'
import { CHAIN_TORN_TURNS_MAX } from '../limits.js'
import { type StateThreadMessage, backupState } from './anvil-state.js'

const { statePath, everyMs } = workerData as { readonly statePath: string; readonly everyMs: number }
let trouble = ''
/** Turns in which the file was torn, one behind the other. */
let torn = 0
const say = (message: StateThreadMessage): void => parentPort!.postMessage(message)

function copy(): void {
  try {
    torn = backupState(statePath) ? 0 : torn + 1
    // The chain writes it in place: on a full disk what it has begun stays as it is.
    if (torn >= CHAIN_TORN_TURNS_MAX)
      throw new Error(`it is torn for ${(torn * everyMs) / 1000} s: the chain cannot write it whole`)
    if (torn > 0) return
    if (trouble !== '') say({ line: `local chain: copies of ${statePath} are made again` })
    trouble = ''
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    if (trouble === '')
      say({
        line: `local chain: no copy of ${statePath} could be made (${text}); it is tried again, and the exchange goes on`,
        level: 'warn',
      })
    trouble = text
  }
}

const timer = setInterval(copy, everyMs)
parentPort!.once('message', () => {
  clearInterval(timer)
  copy()
  parentPort!.close()
})
