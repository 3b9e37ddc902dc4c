/**
 * `glassbook prover …`: starts the prover, which is a program of its own (it runs on GPL packages and
 * shares nothing with the exchange but files and HTTP), with the same arguments and standard streams.
 */
import { spawn } from 'node:child_process'
import { PROVER_PROGRAM } from '../../settlement/proving/prover-process.js'

/** `words` stand behind "glassbook prover". Resolves with the prover's exit code. */
export function runProver(words: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [PROVER_PROGRAM, ...words], { stdio: 'inherit' })
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
  process.on('SIGINT', pass)
  process.on('SIGTERM', pass)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      process.off('SIGINT', pass)
      process.off('SIGTERM', pass)
      resolve(code ?? 1)
    })
  })
}
