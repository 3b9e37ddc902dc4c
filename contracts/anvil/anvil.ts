/**
 * Runs a local chain: the anvil binary out of its platform package, as a child process. Used by the
 * demo, by tests and by benchmarks.
 *
 * With a state file the chain survives restarts: it is loaded at start, written every second and at a
 * clean stop. It ends with the program that started it, also when that is killed. What a kill -9 of the
 * chain itself loses: the blocks since the last write, at most about a second; a torn file is mended from
 * copies (anvil-state.ts). Readers of the chain must expect that its head can go back, as on any chain that
 * reorganises. A chain with a state file that dies by itself is started again on the same port; when that
 * does not help, `onDied` is told.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import {
  CHAIN_ERRORS_CHARACTERS_MAX,
  CHAIN_PORT_TRIES_MAX,
  CHAIN_READY_MS_MAX,
  CHAIN_READY_POLL_MS,
  CHAIN_RESTARTS_MAX,
  CHAIN_RESTARTS_WITHIN_MS,
  CHAIN_STATE_INTERVAL_SECONDS,
} from '../limits.js'
import { keepBackups, markState, restoreChainState, takeCopy } from './anvil-state.js'

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
  /** With `blockTimeSeconds`: a block for each transaction too. */
  readonly mixedMining?: boolean
  /** 31337 unless given. */
  readonly chainId?: number
  /** Seconds since 1970 of the genesis block; absent = now. */
  readonly genesisTime?: number
  /** Bound of the wait for the first answer, in milliseconds; 30,000 unless given. */
  readonly readyTimeoutMs?: number
  /** Told of what was mended, and of restarts. */
  readonly onLine?: (line: string, level?: 'warn') => void
  /** The chain has died and cannot be started again. */
  readonly onDied?: (error: Error) => void
}

export interface Anvil {
  readonly rpcUrl: string
  /** Of the running process: another one after a restart. */
  readonly pid: number
  /** Stops the chain, after it has written its state; resolves when the process has ended. */
  stop(): Promise<void>
}

/** The anvil program is not installed, does not start, or does not answer in time. */
export class AnvilError extends Error {
  override readonly name = 'AnvilError'
}

/** The chain's process ended before it answered. */
class AnvilEnded extends AnvilError {}

/** It could not have its port, which another program has. */
class PortTaken extends AnvilEnded {}

/**
 * Runs the chain, tells its process id, and ends it (after it has written its state) when this program's
 * end of the pipe closes: at a stop, and also when this program is killed. A chain that hangs and has not ended
 * after half a minute is killed.
 */
const GUARD =
  'exec 3<&0; "$@" <&- >/dev/null 3<&- & pid=$!; echo $pid; ' +
  '{ read -r _ <&3; kill -TERM $pid; i=0; while [ $i -lt 60 ] && kill -0 $pid; do sleep 0.5; i=$((i + 1)); done; ' +
  'kill -KILL $pid; } >/dev/null 2>&1 & exec 3<&-; wait $pid'
/** State of a listening socket in /proc/net/tcp. */
const TCP_LISTEN = '0A'

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

interface Running {
  readonly pid: number
  /** Lets the guard end the chain, which writes its state first. */
  end(): void
  readonly exited: Promise<string>
}

/**
 * Starts a chain and waits until it answers.
 * @throws AnvilError when the program is missing, ends at once, or does not answer in `readyTimeoutMs`;
 * ChainStateError when its state file cannot be used.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { statePath } = options
  let port = options.port || (await freePort(options.wantedPort))
  const onLine = options.onLine ?? (() => {})
  if (statePath !== undefined) restoreChainState(statePath, onLine)
  let running: Running | undefined
  for (let tries = 1; running === undefined; tries++)
    try {
      running = await runOnState(options, port, onLine)
    } catch (error) {
      // It was free, and another program was faster.
      if (!(error instanceof PortTaken) || options.port || tries === CHAIN_PORT_TRIES_MAX) throw error
      port = await freePort()
    }
  return keepRunning(options, port, running, onLine)
}

/** Starts the chain again where it dies by itself. */
function keepRunning(
  options: AnvilOptions,
  port: number,
  first: Running,
  onLine: (line: string, level?: 'warn') => void,
): Anvil {
  const { statePath } = options
  let running = first
  const stopBackups = statePath === undefined ? undefined : keepBackups(statePath, onLine)
  let isStopping = false
  let restarting: Promise<void> | undefined
  const deathsMs: number[] = []

  const watch = (): void => {
    void running.exited.then((how) => {
      if (!isStopping) restarting = restart(how)
    })
  }
  const restart = async (how: string): Promise<void> => {
    const nowMs = performance.now()
    deathsMs.push(nowMs)
    const recent = deathsMs.filter((at) => nowMs - at < CHAIN_RESTARTS_WITHIN_MS).length
    try {
      // Without a state file all of it is gone, and another chain would stand in its place.
      if (statePath === undefined) throw new AnvilError(`the chain ended by itself (${how})`)
      if (recent > CHAIN_RESTARTS_MAX)
        throw new AnvilError(`the chain ended by itself ${recent} times within a minute (${how})`)
      onLine(`local chain: ended by itself (${how}); started again at port ${port}`, 'warn')
      restoreChainState(statePath, onLine)
      running = await runOnState(options, port, onLine)
      if (isStopping) running.end()
      else watch()
    } catch (error) {
      if (isStopping) return
      // It died again while it started, which is one death more.
      if (error instanceof AnvilEnded) await restart(error.message)
      else options.onDied?.(error as Error)
    }
  }
  watch()
  return {
    rpcUrl: `http://127.0.0.1:${port}`,
    get pid() {
      return running.pid
    },
    async stop() {
      isStopping = true
      await restarting
      running.end()
      await running.exited
      await stopBackups?.()
      if (statePath !== undefined) markState(statePath, onLine)
    },
  }
}

/** Runs the chain, on an older copy of its state where it ends at once on the newest one. */
async function runOnState(
  options: AnvilOptions,
  port: number,
  onLine: (line: string, level?: 'warn') => void,
): Promise<Running> {
  const { statePath } = options
  for (let tries = 0; ; tries++) {
    try {
      return await run(options, port)
    } catch (error) {
      // Of what else may keep it from starting, its words do not speak of the file.
      if (!(error instanceof AnvilError) || statePath === undefined || !error.message.includes(statePath))
        throw error
      takeCopy(statePath, tries, error.message, onLine)
    }
  }
}

/** Runs the chain's process until it answers. */
async function run(options: AnvilOptions, port: number): Promise<Running> {
  const {
    statePath,
    blockTimeSeconds,
    chainId = 31337,
    genesisTime,
    readyTimeoutMs = CHAIN_READY_MS_MAX,
  } = options
  const args = ['--silent', '--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId)]
  // No rewards and no base fee games: a demo account's balance moves only by what it does.
  if (blockTimeSeconds !== undefined) args.push('--block-time', String(blockTimeSeconds))
  if (options.mixedMining === true) args.push('--mixed-mining')
  if (genesisTime !== undefined) args.push('--timestamp', String(genesisTime))
  if (statePath !== undefined)
    args.push('--state', statePath, '--state-interval', String(CHAIN_STATE_INTERVAL_SECONDS))
  // A group of its own: Ctrl-C at a terminal is for the exchange, which stops the chain last.
  const child = spawn('sh', ['-c', GUARD, 'anvil', foundryBinary('anvil'), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  child.stdin.on('error', () => {})
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    // The beginning says what it is about; a refused state may be repeated in full behind it.
    errors = (errors + chunk.toString()).slice(0, CHAIN_ERRORS_CHARACTERS_MAX)
  })
  const exited = new Promise<string>((resolve) =>
    // Not 'exit': what it said may still be on its way.
    child.once('close', (code, signal) => {
      child.stdin.destroy()
      resolve([signal ?? `code ${code}`, errors.trim()].filter((text) => text !== '').join(': '))
    }),
  )
  const pid = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString())))
    child.once('error', (error) => reject(new AnvilError(`anvil does not start: ${error.message}`)))
    void exited.then((how) => reject(new AnvilEnded(`anvil ended at start (${how})`)))
  })
  try {
    await untilReady(child, pid, port, chainId, readyTimeoutMs, () => errors)
  } catch (error) {
    child.stdin.end()
    if (error instanceof AnvilEnded && /address already in use/i.test(error.message))
      throw new PortTaken(`port ${port} of 127.0.0.1 is taken by another program`)
    throw error
  }
  return { pid, end: () => child.stdin.end(), exited }
}

async function untilReady(
  child: ChildProcess,
  pid: number,
  port: number,
  chainId: number,
  timeoutMs: number,
  errors: () => string,
): Promise<void> {
  const rpcUrl = `http://127.0.0.1:${port}`
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = new AnvilError(`anvil does not start: ${error.message}`)
  })
  child.once('close', (code, signal) => {
    failure ??= new AnvilEnded(`anvil ended at start (${signal ?? code}): ${errors().trim()}`)
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
        throw new PortTaken(`${rpcUrl} is chain ${Number(result)}, not ${chainId}: the port is taken`)
      if (listensOn(pid, port)) return
    } catch (error) {
      if (error instanceof AnvilError) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, CHAIN_READY_POLL_MS))
  }
  throw failure ?? new AnvilError(`anvil did not answer at ${rpcUrl} in ${timeoutMs} ms: ${errors().trim()}`)
}

/**
 * Whether it is `pid` that listens at the port: what answers there may be another exchange's chain, alike in all that
 * it tells, while ours is about to end. True where the system has no /proc to tell.
 */
function listensOn(pid: number, port: number): boolean {
  const sockets = orElse<string | undefined>(() => readFileSync('/proc/net/tcp', 'utf8'), undefined)
  if (sockets === undefined) return true
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const inodes = sockets
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] === local && fields[3] === TCP_LISTEN)
    .map((fields) => `socket:[${fields[9]}]`)
  // The process may have ended, and a file been closed between the list and the look.
  const folder = `/proc/${pid}/fd`
  return orElse(() => readdirSync(folder), []).some((fd) =>
    inodes.includes(orElse(() => readlinkSync(join(folder, fd)), '')),
  )
}

function orElse<T>(read: () => T, fallback: T): T {
  try {
    return read()
  } catch {
    return fallback
  }
}
