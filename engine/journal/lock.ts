/**
 * One process a folder: DIR/lock is locked by the kernel for as long as its holder has it open. The lock
 * belongs to the open file, so it ends with the process, however that ends; it holds between processes of
 * other pid namespaces, and between two places of one process. The file stays: a lock file that is removed
 * and made again is another file, and would have another holder.
 *
 * The holder's process id is written into the file for people to read, and taken out at an orderly release; nothing
 * rests on it.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as NativeExtensions from 'fs-native-extensions'
import { makeFolder } from './disk.js'

const { tryLock } = createRequire(import.meta.url)('fs-native-extensions') as typeof NativeExtensions

const FILE_MODE = 0o640

/** Another process, or another part of this one, has the folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
}

/** Takes the lock of `folder` (created if absent) and returns its release. Throws FolderInUse. */
export function lockFolder(folder: string, what = 'data folder'): () => void {
  makeFolder(folder)
  return lockFile(join(folder, 'lock'), `${what} ${folder}`)
}

/** Takes the lock of the file at `path` (created if absent); `what` names what it stands for. Throws FolderInUse. */
export function lockFile(path: string, what: string): () => void {
  for (;;) {
    const fd = openSync(path, 'a+', FILE_MODE)
    let isOurs = false
    try {
      if (!tryLock(fd)) {
        const holder = readFileSync(path, 'utf8').trim()
        throw new FolderInUse(`${what} is in use by process ${holder === '' ? 'of unknown id' : holder}`)
      }
      // A file that was removed between the two calls would be locked by nobody else: then once more.
      isOurs = statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino
      if (!isOurs) continue
      ftruncateSync(fd)
      writeSync(fd, `${process.pid}\n`)
      return once(() => {
        // Whoever kills by the number in the file must not meet a process that came to it later.
        ftruncateSync(fd)
        closeSync(fd)
      })
    } finally {
      if (!isOurs) closeSync(fd)
    }
  }
}

function once(act: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    act()
  }
}
