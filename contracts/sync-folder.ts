import { closeSync, fsyncSync, openSync } from 'node:fs'

/** Makes renames in a folder durable. */
export function syncFolder(folder: string): void {
  const file = openSync(folder, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
