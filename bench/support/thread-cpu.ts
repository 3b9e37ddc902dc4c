/**
 * CPU of each thread of this process, or of another one, from /proc: who bounds a server of several threads. Node gives its
 * threads no names, so they are named by when they appear (`name` is called after each part has started),
 * and those of the thread pool by giving it work and seeing who does it. On other systems than Linux there
 * are no figures.
 */
import { pbkdf2 } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'

const TICKS_PER_SECOND = 100
const POOL_SIZE = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
/** Rounds that keep a core busy for a few hundredths of a second at least. */
const POOL_WORK_ROUNDS = 600_000
const POOL_WORK_SECONDS_MIN = 0.03

const tasksOf = (pid: number): string => `/proc/${pid}/task`

/** Ids of the processes that a thread of this one has started and that still run. */
export function childProcesses(): number[] {
  return threadIds(process.pid).flatMap((id) => {
    const path = `${tasksOf(process.pid)}/${id}/children`
    return existsSync(path) ? readFileSync(path, 'utf8').split(' ').filter(Boolean).map(Number) : []
  })
}

function threadIds(pid: number): number[] {
  return existsSync(tasksOf(pid))
    ? readdirSync(tasksOf(pid))
        .map(Number)
        .sort((a, b) => a - b)
    : []
}

/** Seconds that a thread has run, in user and kernel mode; 0 when it has ended. */
function cpuSeconds(pid: number, id: number): number {
  try {
    // utime and stime are fields 14 and 15; the name in field 2 may hold spaces, but ends with the last parenthesis.
    const text = readFileSync(`${tasksOf(pid)}/${id}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return 0
  }
}

/** Threads of libuv's pool: each gets a piece of work of the same size, and nobody else has any. */
async function poolThreads(): Promise<number[]> {
  const { pid } = process
  const before = new Map(threadIds(pid).map((id) => [id, cpuSeconds(pid, id)]))
  await Promise.all(
    Array.from(
      { length: POOL_SIZE },
      () =>
        new Promise<void>((resolve) =>
          pbkdf2('', '', POOL_WORK_ROUNDS, 32, 'sha256', () => {
            resolve()
          }),
        ),
    ),
  )
  const [main] = threadIds(pid)
  return threadIds(pid).filter(
    (id) => id !== main && cpuSeconds(pid, id) - (before.get(id) ?? 0) >= POOL_WORK_SECONDS_MIN,
  )
}
let pool: Promise<number[]> | undefined

export class ThreadCpu {
  readonly #names = new Map<number, string>()
  #at = new Map<number, number>()
  #startedMs = 0
  readonly #pid: number

  constructor(pid = process.pid) {
    this.#pid = pid
  }

  /** Names the threads that a process has before it starts any of its own. */
  async nameOwn(): Promise<void> {
    pool ??= poolThreads()
    for (const id of await pool) this.#names.set(id, 'thread pool (P-256)')
    this.name('main', 'V8 helpers')
  }

  /** Gives the threads that are new their names in the order in which they were made; the last is for all others. */
  name(...names: readonly string[]): void {
    let next = 0
    for (const id of threadIds(this.#pid)) {
      if (this.#names.has(id)) continue
      this.#names.set(id, names[Math.min(next++, names.length - 1)]!)
    }
  }

  /** Gives names to the unnamed threads that have run most so far, most first; the last is for all others. */
  nameBusiest(...names: readonly string[]): void {
    const unnamed = threadIds(this.#pid).filter((id) => !this.#names.has(id))
    const used = new Map(unnamed.map((id) => [id, cpuSeconds(this.#pid, id)]))
    for (const [index, id] of unnamed.sort((a, b) => used.get(b)! - used.get(a)!).entries())
      this.#names.set(id, names[Math.min(index, names.length - 1)]!)
  }

  /** Names the thread that a process has from its beginning. */
  nameFirst(name: string): void {
    this.#names.set(this.#pid, name)
  }

  start(): void {
    this.#startedMs = performance.now()
    this.#at = new Map(threadIds(this.#pid).map((id) => [id, cpuSeconds(this.#pid, id)]))
  }

  /** Cores used since `start` by the threads of each name, largest first. */
  cores(): Record<string, number> {
    const seconds = (performance.now() - this.#startedMs) / 1000
    const used = new Map<string, number>()
    for (const id of threadIds(this.#pid)) {
      const name = this.#names.get(id) ?? 'other'
      const cores = (cpuSeconds(this.#pid, id) - (this.#at.get(id) ?? 0)) / seconds
      used.set(name, (used.get(name) ?? 0) + cores)
    }
    return Object.fromEntries([...used].sort(([, a], [, b]) => b - a))
  }
}
