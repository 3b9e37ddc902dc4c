/**
 * What a loss of power would leave of a folder, under the real file system: a mirror holds for each file the
 * bytes of its last sync, and for each folder the names of its last sync, and nothing else. What was written,
 * created, renamed or removed without a sync is lost in it. `restore` lays it out as a folder again.
 *
 * It is as harsh as a file system may be: an fsync of a file does not save the file's name, and a new folder is
 * there after its parent's sync only. Files of the mirror:
 *
 *   files/INODE   bytes of the last sync      alive/INODE   a link, so that no inode number is used twice
 *   names/INODE   names of a folder           findings      what was found on the way, a line each
 */
import {
  type BigIntStats,
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readlinkSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { threadId } from 'node:worker_threads'

/** The functions as they were before anybody listens to them (watch.ts): the mirror's own calls are not seen. */
const own = {
  appendFileSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  writeFileSync,
  writeSync,
}
/** Files up to this size are copied whole at each sync; of larger ones only what is known to have changed. */
const WHOLE_BYTES_MAX = 1024 * 1024

interface Name {
  readonly name: string
  readonly inode: string
  readonly isFolder: boolean
}

export class Mirror {
  constructor(
    /** What is watched. */
    readonly root: string,
    /** Where the mirror is, on the same file system, outside the root. */
    readonly folder: string,
  ) {}

  /** Begins a mirror: all that stands in the root now counts as synced. */
  static begin(root: string, folder: string): Mirror {
    const mirror = new Mirror(root, folder)
    for (const part of ['files', 'alive', 'names']) own.mkdirSync(join(folder, part), { recursive: true })
    const take = (path: string): void => {
      mirror.#names(path)
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        const inner = join(path, entry.name)
        if (entry.isDirectory()) take(inner)
        else if (entry.isFile()) mirror.#whole(inner, statSync(inner, { bigint: true }))
      }
    }
    take(root)
    return mirror
  }

  holds(path: string): boolean {
    return path === this.root || path.startsWith(`${this.root}/`)
  }

  /** A file or folder was synced; `ranges` are the places that were written since, if all are known. */
  synced(descriptor: number, ranges: readonly (readonly [from: number, end: number])[] | undefined): void {
    const path = `/proc/self/fd/${descriptor}`
    const stat = fstatSync(descriptor, { bigint: true })
    if (stat.isDirectory()) return this.#names(path)
    const copy = this.#file(stat)
    if (ranges === undefined || stat.size <= WHOLE_BYTES_MAX || !existsSync(copy))
      return this.#whole(path, stat)
    const from = own.openSync(path, 'r')
    const to = own.openSync(copy, 'r+')
    try {
      for (const [start, end] of ranges) {
        const bytes = new Uint8Array(end - start)
        own.writeSync(to, bytes, 0, readSync(from, bytes, 0, bytes.length, start), start)
      }
    } finally {
      own.closeSync(from)
      own.closeSync(to)
    }
  }

  /** Whether all bytes of a file are on the disk. */
  isSynced(path: string): boolean {
    const copy = this.#file(statSync(path, { bigint: true }))
    return existsSync(copy) && readFileSync(copy).equals(readFileSync(path))
  }

  /** Whether the disk has a name as the folder has it now, and all bytes behind it. */
  hasName(path: string): boolean {
    const name = path.slice(dirname(path).length + 1)
    const entry = this.#listed(dirname(path)).find((one) => one.name === name)
    const stat = lstatSync(path, { throwIfNoEntry: false, bigint: true })
    return stat === undefined
      ? entry === undefined
      : entry?.inode === String(stat.ino) && (stat.isDirectory() || this.isSynced(path))
  }

  found(what: string): void {
    own.appendFileSync(join(this.folder, 'findings'), `${what}\n`)
  }

  get findings(): readonly string[] {
    const file = join(this.folder, 'findings')
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  }

  /** Lays out in `target`, which is not there yet, what the disk has. */
  restore(target: string): void {
    const lay = (inode: string, to: string): void => {
      own.mkdirSync(to, { recursive: true })
      const list = join(this.folder, 'names', inode)
      for (const entry of existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Name[]) : []) {
        const file = join(this.folder, 'files', entry.inode)
        if (entry.isFolder) lay(entry.inode, join(to, entry.name))
        else if (existsSync(file)) own.copyFileSync(file, join(to, entry.name))
        // The name was synced, its content never.
        else own.writeFileSync(join(to, entry.name), '')
      }
    }
    lay(String(statSync(this.root).ino), target)
  }

  #file(stat: BigIntStats): string {
    return join(this.folder, 'files', String(stat.ino))
  }

  #whole(path: string, stat: BigIntStats): void {
    const copy = this.#file(stat)
    if (!existsSync(copy)) {
      try {
        own.linkSync(
          path.startsWith('/proc/') ? readlinkSync(path) : path,
          join(this.folder, 'alive', String(stat.ino)),
        )
      } catch (error) {
        // It has no name any more, or another thread was first.
        if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code!)) throw error
      }
    }
    this.#replace(copy, (beside) => own.copyFileSync(path, beside))
  }

  #names(path: string): void {
    const entries = readdirSync(path, { withFileTypes: true }).flatMap((entry): Name[] => {
      const stat = lstatSync(join(path, entry.name), { throwIfNoEntry: false, bigint: true })
      if (stat === undefined || !(stat.isFile() || stat.isDirectory())) return []
      return [{ name: entry.name, inode: String(stat.ino), isFolder: stat.isDirectory() }]
    })
    this.#replace(join(this.folder, 'names', String(statSync(path).ino)), (beside) =>
      own.writeFileSync(beside, JSON.stringify(entries)),
    )
  }

  #listed(folder: string): readonly Name[] {
    const list = join(this.folder, 'names', String(statSync(folder).ino))
    return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Name[]) : []
  }

  /** The process may be killed at any time: the mirror has the old or the new. */
  #replace(path: string, write: (beside: string) => void): void {
    const beside = `${path}.${process.pid}.${threadId}`
    write(beside)
    own.renameSync(beside, path)
  }
}
