/**
 * Runs a local chain: the anvil binary out of its platform package, as a child process. Used by the
 * demo, by tests and by benchmarks.
 *
 * With a state file the chain survives restarts: it is loaded at start, written every second and at a
 * clean stop. It ends with the program that started it, also when that is killed. What a kill -9 of the
 * chain itself loses: the blocks since the last write, at most about a second. Anvil writes
 * the file in place, so a kill inside a write can leave a torn file; a watcher therefore keeps the last
 * two whole copies beside it, and start takes the newest one that parses. Readers of the chain must expect
 * that its head can go back, as on any chain that reorganises.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

export interface AnvilOptions {
  /** TCP port on 127.0.0.1; 0 or absent = a free one. */
  readonly port?: number
  /** Without `port`: the one to take if it is free. */
  readonly wantedPort?: number
  /** File that keeps the chain over restarts; absent = the chain lives in memory. */
  readonly statePath?: string
  /** Seconds between blocks; absent = a block for each transaction. */
  readonly blockTimeSeconds?: number
  /** 31337 unless given. */
  readonly chainId?: number
  /** Seconds since 1970 of the genesis block; absent = now. */
  readonly genesisTime?: number
  /** Bound of the wait for the first answer, in milliseconds; 30,000 unless given. */
  readonly readyTimeoutMs?: number
}

export interface Anvil {
  readonly rpcUrl: string
  readonly pid: number
  /** Stops the chain, after it has written its state; resolves when the process has ended. */
  stop(): Promise<void>
}

/** The anvil program is not installed, does not start, or does not answer in time. */
export class AnvilError extends Error {
  override readonly name = 'AnvilError'
}

/**
 * Runs the chain, tells its process id, and ends it (after it has written its state) when this program's
 * end of the pipe closes: at a stop, and also when this program is killed.
 */
const GUARD =
  'exec 3<&0; "$@" <&- >/dev/null 3<&- & pid=$!; echo $pid; ' +
  '{ read -r _ <&3; kill -TERM $pid 2>/dev/null; } >/dev/null 2>&1 & exec 3<&-; wait $pid'
const STATE_INTERVAL_SECONDS = 1
const BACKUP_INTERVAL_MS = 500

/** Path of a Foundry program (`anvil`, `forge`) of this platform; throws AnvilError where there is none. */
export function foundryBinary(tool: 'anvil' | 'forge'): string {
  const architecture =
    ({ x64: 'amd64', arm64: 'arm64' } as Record<string, string>)[process.arch] ?? process.arch
  const name = `@foundry-rs/${tool}-${process.platform}-${architecture}`
  const suffix = process.platform === 'win32' ? '.exe' : ''
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), 'bin', `${tool}${suffix}`)
  } catch {
    throw new AnvilError(
      `${tool}: no package ${name}. Run npm install on a platform that Foundry publishes for.`,
    )
  }
}

/** A TCP port that was free a moment ago: `wanted`, when it was. */
async function freePort(wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => (wanted === 0 ? reject(error) : resolve(freePort())))
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/**
 * Starts a chain and waits until it answers.
 * @throws AnvilError when the program is missing, ends at once, or does not answer in `readyTimeoutMs`.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { statePath, blockTimeSeconds, chainId = 31337, genesisTime, readyTimeoutMs = 30_000 } = options
  const port = options.port || (await freePort(options.wantedPort))
  if (statePath !== undefined) restoreState(statePath)
  const args = ['--silent', '--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId)]
  // No rewards and no base fee games: a demo account's balance moves only by what it does.
  if (blockTimeSeconds !== undefined) args.push('--block-time', String(blockTimeSeconds))
  if (genesisTime !== undefined) args.push('--timestamp', String(genesisTime))
  if (statePath !== undefined)
    args.push('--state', statePath, '--state-interval', String(STATE_INTERVAL_SECONDS))
  // A group of its own: Ctrl-C at a terminal is for the exchange, which stops the chain last.
  const child = spawn('sh', ['-c', GUARD, 'anvil', foundryBinary('anvil'), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  child.stdin.on('error', () => {})
  child.once('exit', () => child.stdin.destroy())
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000)
  })
  const rpcUrl = `http://127.0.0.1:${port}`
  const pid = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString())))
    child.once('error', (error) => reject(new AnvilError(`anvil does not start: ${error.message}`)))
  })
  try {
    await untilReady(child, rpcUrl, chainId, readyTimeoutMs, () => errors)
  } catch (error) {
    child.stdin.end()
    throw error
  }
  const backup =
    statePath === undefined ? undefined : setInterval(() => backupState(statePath), BACKUP_INTERVAL_MS)
  backup?.unref()
  const stopped = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    rpcUrl,
    pid,
    async stop() {
      clearInterval(backup)
      child.stdin.end()
      await stopped
      if (statePath !== undefined) backupState(statePath)
    },
  }
}

async function untilReady(
  child: ChildProcess,
  rpcUrl: string,
  chainId: number,
  timeoutMs: number,
  errors: () => string,
): Promise<void> {
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = new AnvilError(`anvil does not start: ${error.message}`)
  })
  child.once('exit', (code, signal) => {
    failure ??= new AnvilError(`anvil ended at start (${signal ?? code}): ${errors().trim()}`)
  })
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] })
  const deadline = Date.now() + timeoutMs
  while (failure === undefined && Date.now() < deadline) {
    try {
      const response = await fetch(rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      const { result } = (await response.json()) as { result?: string }
      if (Number(result) !== chainId)
        throw new AnvilError(`${rpcUrl} is chain ${Number(result)}, not ${chainId}: the port is taken`)
      return
    } catch (error) {
      if (error instanceof AnvilError) throw error
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
  throw failure ?? new AnvilError(`anvil did not answer at ${rpcUrl} in ${timeoutMs} ms: ${errors().trim()}`)
}

const parses = (path: string): boolean => {
  try {
    JSON.parse(readFileSync(path, 'utf8'))
    return true
  } catch {
    return false
  }
}

/** Copies a whole state file aside; a torn one (being written) is left for the next turn. */
function backupState(statePath: string): void {
  const copy = `${statePath}.copy`
  if (!existsSync(statePath)) return
  if (existsSync(`${statePath}.1`) && statSync(`${statePath}.1`).mtimeMs >= statSync(statePath).mtimeMs)
    return
  copyFileSync(statePath, copy)
  if (!parses(copy)) return rmSync(copy)
  if (existsSync(`${statePath}.1`)) renameSync(`${statePath}.1`, `${statePath}.2`)
  renameSync(copy, `${statePath}.1`)
}

/** Puts the newest whole copy in the place of a state file that does not parse. */
function restoreState(statePath: string): void {
  if (existsSync(statePath) && parses(statePath)) return
  const copy = [`${statePath}.1`, `${statePath}.2`].find((path) => existsSync(path) && parses(path))
  if (copy !== undefined) copyFileSync(copy, statePath)
  else if (existsSync(statePath))
    throw new AnvilError(`${statePath} is not a whole chain state, and there is no whole copy beside it`)
}
