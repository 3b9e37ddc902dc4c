/**
 * Replaces small files as a whole, group after group: what a later group says of an earlier one is true
 * also after a loss of power. Each file is written beside, synced and renamed; the folder is synced before
 * the next group begins.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../../engine/journal/disk.js'

export type FileGroup = readonly (readonly [name: string, text: string])[]

/** Aside; rejects with what the disk says. Not to be called while an earlier call is at work. */
export async function replaceFiles(folder: string, groups: readonly FileGroup[]): Promise<void> {
  makeFolder(folder)
  for (const group of groups) {
    for (const [name, text] of group) {
      // Another name than the one below: a stop may write while this is at work.
      const beside = join(folder, `${name}.aside`)
      const file = await open(beside, 'w', 0o640)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(beside, join(folder, name))
    }
    if (group.length === 0) continue
    const handle = await open(folder, 'r')
    await handle.sync().finally(() => handle.close())
  }
}

/** The same, done when it returns. Throws what the disk says. */
export function replaceFilesNow(folder: string, groups: readonly FileGroup[]): void {
  makeFolder(folder)
  const sync = (path: string, write: (file: number) => void, flags: string): void => {
    const file = openSync(path, flags, 0o640)
    try {
      write(file)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
  for (const group of groups) {
    for (const [name, text] of group) {
      const beside = join(folder, `${name}.new`)
      sync(beside, (file) => writeFileSync(file, text), 'w')
      renameSync(beside, join(folder, name))
    }
    if (group.length > 0) sync(folder, () => {}, 'r')
  }
}
