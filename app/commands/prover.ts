/**
 * `glassbook prover …`: starts the prover, which is a program of its own (it runs on GPL packages and
 * shares nothing with the exchange but files and HTTP), with the same arguments and standard streams.
 */
import { spawn } from 'node:child_process'
import { PROVER_PROGRAM } from '../../settlement/proving/prover-process.js'

const USAGE = `Usage:
  glassbook prover key --rows N                                   build and cache the development key
  glassbook prover work --url URL --rows N [--key DIR] [--name NAME]   prove for a settlement process; its
                                                                  token in GLASSBOOK_PROVER_TOKEN or --token
  glassbook prover setup --rows N --ptau FILE --sha256 HEX --out DIR   first key of a ceremony
  glassbook prover contribute --key DIR --name NAME               add a contribution to it
  glassbook prover check --key DIR --ptau FILE                    verify it from the circuit
`

/** Resolves with the prover's exit code. */
export function runProver(argv: string[]): Promise<number> {
  if (argv.length === 0 || argv[0] === 'help' || argv[0] === '--help') {
    process.stdout.write(USAGE)
    return Promise.resolve(argv.length === 0 ? 2 : 0)
  }
  const child = spawn(process.execPath, [PROVER_PROGRAM, ...argv], { stdio: 'inherit' })
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
