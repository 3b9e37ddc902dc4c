/**
 * One process a data folder: DIR/lock names the process that runs on it. A lock whose process is gone
 * (kill -9) is taken over. The process is told by its id and its start time, so that another process
 * with a recycled id does not keep a folder locked.
 */
import { closeSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Start time of a process in clock ticks since boot (Linux /proc), 0 where that is not to be had, -1 when it is gone. */
function startTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, field 2, may hold spaces: count fields from behind its closing parenthesis.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? -1 : Number(fields[19])
  } catch {
    try {
      process.kill(pid, 0)
      return 0
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM' ? 0 : -1
    }
  }
}

/** Takes the lock of `dataDir` (created if absent) and returns its release. Throws when a live process holds it. */
export function lockFolder(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true })
  const path = join(dataDir, 'lock')
  for (;;) {
    try {
      const fd = openSync(path, 'wx', 0o640)
      writeSync(fd, `${process.pid} ${startTicks(process.pid)}\n`)
      closeSync(fd)
      return () => unlinkSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const [pid = 0, ticks = 0] = readFileSync(path, 'utf8').trim().split(' ').map(Number)
    if (pid > 0 && startTicks(pid) === ticks)
      throw new Error(`data folder ${dataDir} is in use by process ${pid}`)
    unlinkSync(path)
  }
}
