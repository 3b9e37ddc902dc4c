/**
 * Runs forge on contracts/, offline, with the pinned solc of npm presented as a native compiler. The
 * modes are npm scripts: `contracts:test`, `contracts:test:long`, `contracts:gas`.
 */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { foundryBinary } from '../anvil/anvil.js'
import { repositoryRoot } from './compile.js'

export interface ForgeResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface ForgeOptions {
  /** Folder with contracts/ and node_modules/; the repository unless given. */
  readonly root?: string
  /** Profile of foundry.toml. */
  readonly profile?: 'default' | 'long' | 'coverage' | 'mutants'
  /** Passes output on as it comes. */
  readonly echo?: boolean
}

/** Writes the launcher that forge takes for a compiler, and gives its path. */
export function solcLauncher(root: string): string {
  const path = join(root, 'contracts', 'cache', 'solc')
  mkdirSync(dirname(path), { recursive: true })
  const program = join(dirname(fileURLToPath(import.meta.url)), 'solc-native.js')
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`)
  chmodSync(path, 0o755)
  return path
}

/** Runs `forge <args>`; resolves with its exit code and output, never rejects for a failed test. */
export async function runForge(args: readonly string[], options: ForgeOptions = {}): Promise<ForgeResult> {
  const root = options.root ?? repositoryRoot
  const child = spawn(
    foundryBinary('forge'),
    [...args, '--root', root, '--offline', '--use', solcLauncher(root)],
    {
      cwd: root,
      env: {
        ...process.env,
        FOUNDRY_CONFIG: join(root, 'contracts', 'foundry.toml'),
        FOUNDRY_PROFILE: options.profile ?? 'default',
        NO_COLOR: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    if (options.echo) process.stdout.write(chunk)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    if (options.echo) process.stderr.write(chunk)
  })
  const code = await new Promise<number>((done, fail) => {
    child.once('error', fail)
    child.once('close', (exitCode) => done(exitCode ?? 1))
  })
  return { code, stdout, stderr }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [first, ...rest] = process.argv.slice(2)
  const long = first === '--long'
  const args = long ? rest : process.argv.slice(2)
  const { code } = await runForge(args, { echo: true, profile: long ? 'long' : 'default' })
  process.exitCode = code
}
