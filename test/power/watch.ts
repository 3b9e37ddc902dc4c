/**
 * Listens to the syncs, writes and renames of this thread and keeps the mirror (mirror.ts) of what they saved.
 * The functions of node:fs themselves are replaced, so that whoever imports them is heard: the program under
 * test is the one that operators run.
 *
 * What it finds by itself: a rename whose file was not synced before, which after a loss of power may be an
 * empty file under its final name.
 */
import fs, { type PathLike } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'
import type { Mirror } from './mirror.js'

type Ranges = (readonly [from: number, end: number])[]
type Whole = 'whole'

export interface WatchOptions {
  /** A disk that takes its time: each sync of a file takes so long before anything of it is saved. */
  readonly syncMs?: number
  /** Called after each sync. */
  readonly onSync?: () => void
}

const { readlinkSync } = fs
const pathOf = (descriptor: number): string => {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return ''
  }
}

/** Environment of a process whose threads shall all be listened to. */
export const powerEnvironment = (mirror: Mirror, syncMs: number): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: `--import=${new URL('./preload.js', import.meta.url).href}`,
  GLASSBOOK_POWER_ROOT: mirror.root,
  GLASSBOOK_POWER_MIRROR: mirror.folder,
  GLASSBOOK_POWER_SYNC_MS: String(syncMs),
})

/** Begins to listen; returns its end. */
export function watch(mirror: Mirror, options: WatchOptions = {}): () => void {
  /** What was written to files since their last sync, as far as it is known. */
  const changed = new Map<string, Ranges | Whole>()
  const sleep = new Int32Array(new SharedArrayBuffer(4))

  const wrote = (path: string, range: readonly [number, number] | undefined): void => {
    if (!mirror.holds(path)) return
    const known = changed.get(path) ?? []
    if (known === 'whole' || range === undefined) changed.set(path, 'whole')
    else known.push(range)
    if (known !== 'whole' && range !== undefined) changed.set(path, known)
  }
  const synced = (descriptor: number): void => {
    const path = pathOf(descriptor)
    if (!mirror.holds(path)) return
    const known = changed.get(path)
    changed.delete(path)
    mirror.synced(descriptor, known === 'whole' ? undefined : known)
    options.onSync?.()
  }
  const renamed = (from: PathLike): void => {
    const path = String(from)
    if (!mirror.holds(path) || !fs.existsSync(path)) return
    if (!mirror.isSynced(path)) mirror.found(`${basename(path)} is renamed before it is synced`)
  }
  const slow = (descriptor: number): void => {
    if (options.syncMs !== undefined && mirror.holds(pathOf(descriptor)))
      Atomics.wait(sleep, 0, 0, options.syncMs)
  }

  const plain = { ...fs }
  const plainPromises = { ...fs.promises }
  const around =
    (name: 'fsyncSync' | 'fdatasyncSync') =>
    (descriptor: number): void => {
      slow(descriptor)
      plain[name](descriptor)
      synced(descriptor)
    }
  const later =
    (name: 'fsync' | 'fdatasync') =>
    (descriptor: number, done: (error: NodeJS.ErrnoException | null) => void): void =>
      plain[name](descriptor, (error) => {
        if (error === null) synced(descriptor)
        done(error)
      })
  const replaced = {
    fsyncSync: around('fsyncSync'),
    fdatasyncSync: around('fdatasyncSync'),
    fsync: later('fsync'),
    fdatasync: later('fdatasync'),
    writeSync(descriptor: number, ...rest: unknown[]): number {
      const count = (plain.writeSync as (...words: unknown[]) => number)(descriptor, ...rest)
      const position = rest[3]
      const range = typeof position === 'number' ? ([position, position + count] as const) : undefined
      wrote(pathOf(descriptor), range)
      return count
    },
    ftruncateSync(descriptor: number, size?: number): void {
      plain.ftruncateSync(descriptor, size)
      wrote(pathOf(descriptor), undefined)
    },
    writeFileSync(...words: Parameters<typeof fs.writeFileSync>): void {
      plain.writeFileSync(...words)
      wrote(typeof words[0] === 'number' ? pathOf(words[0]) : String(words[0]), undefined)
    },
    renameSync(from: PathLike, to: PathLike): void {
      renamed(from)
      plain.renameSync(from, to)
    },
    linkSync(from: PathLike, to: PathLike): void {
      renamed(from)
      plain.linkSync(from, to)
    },
  }
  const replacedPromises = {
    async open(...words: Parameters<typeof fs.promises.open>) {
      const file = await plainPromises.open(...words)
      for (const name of ['sync', 'datasync'] as const) {
        const act = file[name].bind(file)
        file[name] = async () => {
          await act()
          synced(file.fd)
        }
      }
      const write = file.writeFile.bind(file)
      file.writeFile = async (...content) => {
        await write(...content)
        wrote(pathOf(file.fd), undefined)
      }
      return file
    },
    async rename(from: PathLike, to: PathLike): Promise<void> {
      renamed(from)
      await plainPromises.rename(from, to)
    },
  }
  Object.assign(fs, replaced)
  Object.assign(fs.promises, replacedPromises)
  syncBuiltinESMExports()
  return () => {
    const only = (names: object, all: object): object =>
      Object.fromEntries(Object.entries(all).filter(([name]) => name in names))
    Object.assign(fs, only(replaced, plain))
    Object.assign(fs.promises, only(replacedPromises, plainPromises))
    syncBuiltinESMExports()
  }
}
