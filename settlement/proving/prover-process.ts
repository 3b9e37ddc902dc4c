/**
 * Runs a local prover: the separate prover program as a child process, at low priority unless it is urgent,
 * started again when it dies. It fetches its work over HTTP like any other.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PROVER_RESTART_MS_MAX, PROVER_RESTART_MS_MIN, PROVER_STOP_MS } from '../limits.js'

/** Built beside this file, and never imported: it is another program (README, licences). */
export const PROVER_PROGRAM = fileURLToPath(new URL('../prover/main.js', import.meta.url))

export interface ProverProcessOptions {
  readonly url: string
  readonly token: string
  readonly rowsPerChunk: number
  /** Folder of a ceremony's key; absent = the development key, built and cached if need be. */
  readonly keyFolder?: string
  /** Runs at the priority of this process. */
  readonly isUrgent?: boolean
  /** What the prover is doing, and how far its key is built (0 to 1; 1 = ready). */
  readonly onProgress: (text: string, keyShare: number) => void
}

/** Starts it; the returned function stops it and resolves when it has ended. */
export function startProverProcess(options: ProverProcessOptions): () => Promise<void> {
  let child: ChildProcess
  let isStopped = false
  let restartMs = PROVER_RESTART_MS_MIN
  let timer: NodeJS.Timeout | undefined
  let ended: Promise<void> = Promise.resolve()

  const start = (): void => {
    const key = options.keyFolder === undefined ? [] : ['--key', options.keyFolder]
    // Attached: killed as this program may be, it leaves no prover behind.
    const args = ['work', '--attached', '--url', options.url, '--rows', String(options.rowsPerChunk), ...key]
    child = spawn(process.execPath, [PROVER_PROGRAM, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, GLASSBOOK_PROVER_TOKEN: options.token },
    })
    try {
      if (options.isUrgent !== true) setPriority(child.pid!, constants.priority.PRIORITY_LOW)
    } catch {
      // It may have ended already; its exit says why.
    }
    createInterface({ input: child.stdout! }).on('line', (line) => told(line))
    ended = new Promise((resolve) => {
      child.once('error', (error) => options.onProgress(`prover does not start: ${error.message}`, 0))
      child.once('exit', (code, signal) => {
        resolve()
        if (isStopped) return
        options.onProgress(`prover ended (${signal ?? code}), starts again in ${restartMs / 1000} s`, 0)
        timer = setTimeout(start, restartMs)
        restartMs = Math.min(restartMs * 2, PROVER_RESTART_MS_MAX)
      })
    })
  }
  const told = (line: string): void => {
    const event = JSON.parse(line) as Record<string, unknown>
    if (event.event === 'key') options.onProgress(`prover: ${String(event.step)}`, Number(event.share ?? 0))
    else if (event.event === 'ready') {
      restartMs = PROVER_RESTART_MS_MIN
      options.onProgress('prover ready', 1)
    } else if (event.event === 'proven')
      options.onProgress(`proven ${String(event.id)} in ${String(event.milliseconds)} ms`, 1)
    else if (event.event === 'error' || event.event === 'failed')
      options.onProgress(`prover: ${String(event.error)}`, 0)
  }
  start()
  return async () => {
    isStopped = true
    clearTimeout(timer)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), PROVER_STOP_MS)
    await ended
    clearTimeout(patience)
  }
}
