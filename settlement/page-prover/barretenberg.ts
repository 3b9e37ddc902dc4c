/** Runs Barretenberg's native program, which comes with its package: one process a call, all by files. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { dirname, join } from 'node:path'
import { TOOL_OUTPUT_CHARACTERS_MAX } from './limits.js'
import { PageProverError } from './page-prover-error.js'

const require = createRequire(import.meta.url)

/** What every proof, key and verifier of pages is made with: keccak challenges, nothing hidden. */
export const PROOF_FORM = ['--scheme', 'ultra_honk', '--verifier_target', 'evm-no-zk'] as const

/** Path of the program. Throws PageProverError where there is none for this system. */
export function barretenbergProgram(): string {
  const system = `${arch() === 'arm64' ? 'arm64' : 'amd64'}-${platform() === 'darwin' ? 'macos' : 'linux'}`
  // The package's folder: its main file lies in dest/node-cjs.
  const folder = dirname(dirname(dirname(require.resolve('@aztec/bb.js'))))
  const file = join(folder, 'build', system, 'bb')
  if (!existsSync(file)) throw new PageProverError(`there is no proof program for ${system}: ${file}`)
  return file
}

/** Runs one command; resolves with its standard output. Throws PageProverError with its last words. */
export function barretenberg(command: readonly string[], threads?: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(barretenbergProgram(), command, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(threads === undefined ? {} : { HARDWARE_CONCURRENCY: String(threads) }) },
    })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-TOOL_OUTPUT_CHARACTERS_MAX)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output)
      else
        reject(
          new PageProverError(`bb ${command[0] ?? ''} ended with ${signal ?? code ?? ''}: ${errors.trim()}`),
        )
    })
  })
}
