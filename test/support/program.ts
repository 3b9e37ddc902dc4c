/** Runs the program as an operator does, for tests: `glassbook …` as a process, what it says, how it ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What ships: the bundle that `npm run build` makes. */
export const MAIN = resolve(fileURLToPath(import.meta.url), '..', '..', '..', 'program', 'main.js')
/** Long, for machines that do much else. */
export const WAIT_MS = 300_000

/** Nobody proves: provers may come from elsewhere, and none does. */
export const NO_PROVER = ['--no-local-prover', '--prover-listen', '0'] as const
const PROVER_TOKEN = 'a token for no prover'

export class Program {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  output = ''

  /** `files`: how many it and its processes may open; none = as many as this process. `folder`: where it runs. */
  constructor(args: readonly string[], environment: NodeJS.ProcessEnv = {}, files?: number, folder?: string) {
    const words = [process.execPath, MAIN, ...args]
    const [program, ...rest] =
      files === undefined ? words : ['/bin/sh', '-c', `ulimit -n ${files}; exec "$0" "$@"`, ...words]
    this.child = spawn(program!, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GLASSBOOK_PROVER_TOKEN: PROVER_TOKEN, ...environment },
      ...(folder === undefined ? {} : { cwd: folder }),
    })
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
    this.exited = new Promise((done) => this.child.once('close', done))
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Waits until it has said `text`. Throws when it ends first. */
  async says(text: string | RegExp): Promise<void> {
    const found = (): boolean =>
      typeof text === 'string' ? this.output.includes(text) : text.test(this.output)
    await until(
      `"${String(text)}"`,
      () => {
        if (found()) return true
        if (this.hasExited)
          throw new Error(`ended with ${this.child.exitCode ?? this.child.signalCode}:\n${this.output}`)
        return false
      },
      () => this.output,
    )
  }

  /** Its exit code once it has ended by itself. */
  async ends(): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`still running after ${WAIT_MS} ms:\n${this.output}`)),
        WAIT_MS,
      )
    })
    try {
      return await Promise.race([this.exited, late])
    } finally {
      clearTimeout(timer)
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal)
    return this.exited
  }

  /** Does `action` while every thread of the process is held, so that no file of it is written, renamed or removed. */
  async whileHeld(action: () => void): Promise<void> {
    const pid = this.child.pid!
    const isHeld = (): boolean =>
      readdirSync(`/proc/${pid}/task`).every((task) => stateOf(`${pid}/task/${task}`) === 'T')
    this.child.kill('SIGSTOP')
    try {
      await until('each thread is held', isHeld)
      action()
    } finally {
      this.child.kill('SIGCONT')
    }
  }
}

const stateOf = (path: string): string => statOf(path)[0]!
/** What /proc says of a process or thread, from its state on. */
function statOf(path: string): string[] {
  const stat = readFileSync(`/proc/${path}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  more: () => string = () => '',
): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${WAIT_MS} ms: ${what}\n${more()}`)
    await new Promise((done) => setTimeout(done, 25))
  }
}

/** Processes of this machine with their words, from /proc. */
export function processes(): {
  readonly pid: number
  readonly parent: number
  readonly command: readonly string[]
}[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, -1)
      const [state, parent] = statOf(name)
      return command.length === 0 || state === 'Z'
        ? []
        : [{ pid: Number(name), parent: Number(parent), command }]
    } catch {
      return []
    }
  })
}

/** Process ids of the gateways that `glassbook start` runs for a data folder. */
export const gatewayProcesses = (dataDir: string): number[] =>
  processes()
    .filter(
      ({ command }) =>
        command.includes(dataDir) && command.some((word) => word.endsWith('/gateway-child.js')),
    )
    .map(({ pid }) => pid)
