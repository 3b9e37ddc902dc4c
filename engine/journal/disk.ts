/**
 * What the journal needs of a file system, and nothing more: the simulator puts a fake disk with
 * faults in its place. Every call is synchronous, because the journal thread has nothing else to do
 * while the disk works.
 *
 * Invariant: a call that did not do all it was asked throws, except `write`, which reports how many
 * bytes it wrote (the caller decides what a short write means).
 */
import {
  closeSync,
  existsSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'

export interface DiskFile {
  /** Size in bytes. */
  size(): number
  /** Fills `target` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): number
  /** Writes at `position`; returns the bytes written, which may be fewer. */
  write(source: Uint8Array, position: number): number
  /** Makes data and what is needed to find it durable (fdatasync). */
  sync(): void
  close(): void
}

export interface Disk {
  /** Names in a folder, sorted; none when there is no such folder. */
  list(folder: string): string[]
  /** Creates a folder and its parents unless they exist; durable, names of the parents too. */
  makeFolder(folder: string): void
  openRead(path: string): DiskFile
  /** Opens an existing file for reading and writing. */
  openWrite(path: string): DiskFile
  /** Creates a new empty file, or empties an old one. */
  create(path: string): DiskFile
  rename(from: string, to: string): void
  remove(path: string): void
  /** Makes creations, renames and removals in a folder durable. */
  syncFolder(folder: string): void
}

class NodeFile implements DiskFile {
  constructor(private readonly fd: number) {}

  size(): number {
    return fstatSync(this.fd).size
  }

  read(target: Uint8Array, position: number): number {
    let done = 0
    while (done < target.length) {
      const count = readSync(this.fd, target, done, target.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  write(source: Uint8Array, position: number): number {
    return writeSync(this.fd, source, 0, source.length, position)
  }

  sync(): void {
    fdatasyncSync(this.fd)
  }

  close(): void {
    closeSync(this.fd)
  }
}

/** Makes creations, renames and removals in a folder durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Creates a folder and its parents unless they exist; whether it did. Each is synced as a name in its parent: what
 * is synced in it later must not vanish with it. One at a time, since Node's recursive way never ends where the system
 * says that a folder is not there and cannot be made, as below /proc.
 */
export function makeFolder(folder: string): boolean {
  const path = resolve(folder)
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw new Error(`${path} is no folder`)
    return false
  }
  makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error
    return false
  }
  syncFolder(dirname(path))
  return true
}

/** The machine's file system. */
export const nodeDisk: Disk = {
  list(folder) {
    try {
      return readdirSync(folder).sort()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  },
  makeFolder: (folder) => void makeFolder(folder),
  openRead: (path) => new NodeFile(openSync(path, constants.O_RDONLY)),
  openWrite: (path) => new NodeFile(openSync(path, constants.O_RDWR)),
  create: (path) =>
    new NodeFile(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o640)),
  rename: (from, to) => renameSync(from, to),
  remove: unlinkSync,
  syncFolder,
}
