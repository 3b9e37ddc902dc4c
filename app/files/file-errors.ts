/**
 * Words for a file that a command was told to read or write and cannot: which file, what is wrong with it, what
 * to do. Node's own text begins with an errno and speaks of system calls. Used by every tool.
 */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder: check the path',
  ENOTDIR: 'a part of the path is a file, not a folder: check the path',
  EISDIR: 'it is a folder, not a file: name a file',
  EACCES: 'this user has no right to it: change its rights, or run as the user who owns it',
  EPERM: 'this user has no right to it: change its rights, or run as the user who owns it',
  EROFS: 'its file system cannot be written to: name another place',
  ENOSPC: 'the disk is full: make room',
}

/** What to say of an error of the file system; undefined for all others. */
export function fileErrorText(error: unknown): string | undefined {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException
  const reason = code === undefined ? undefined : REASONS[code]
  return path === undefined || reason === undefined ? undefined : `${path}: ${reason} (${code})`
}

/** Why the file that `flag` names cannot be read; undefined = it can. Asked before long work that needs it. */
export function unreadable(flag: string, path: string): string | undefined {
  return refusal(flag, path, () => {
    accessSync(path, constants.R_OK)
    if (statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR', path })
  })
}

/** Why the file that `flag` names cannot be written; undefined = it can: it is not there, or begins with `begins`. */
export function unwritable(flag: string, path: string, begins: string): string | undefined {
  return refusal(flag, path, () => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found?.isDirectory() === true) throw Object.assign(new Error(), { code: 'EISDIR', path })
    if (!statSync(dirname(path)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR', path })
    accessSync(dirname(path), constants.W_OK | constants.X_OK)
    if (found === undefined) return
    accessSync(path, constants.W_OK)
    if (found.isFile() && found.size > 0 && beginning(path, begins.length) !== begins)
      throw new Error(`a file is there that does not begin with ${begins}, and would be lost: name another`)
  })
}

/** The same for every name of one file: that which is there by its inode, one to come by its folder's. */
export function fileIdentity(path: string): string {
  const of = (name: string): string | undefined => {
    const found = statSync(name, { throwIfNoEntry: false })
    return found === undefined ? undefined : `${found.dev}:${found.ino}`
  }
  return of(path) ?? `${of(dirname(path))}/${basename(path)}`
}

function refusal(flag: string, path: string, look: () => void): string | undefined {
  try {
    look()
    return undefined
  } catch (error) {
    const text = fileErrorText(error)
    return `${flag} ${path}${text === undefined ? `: ${(error as Error).message}` : text.startsWith(path) ? text.slice(path.length) : `: ${text}`}`
  }
}

/** The first bytes of a file, as ASCII. */
function beginning(path: string, bytes: number): string {
  const descriptor = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(bytes)
    return buffer.toString('latin1', 0, readSync(descriptor, buffer, 0, bytes, 0))
  } finally {
    closeSync(descriptor)
  }
}
