import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes a file so that a reader sees all of it or none, after a loss of power, too. */
export function placeBeside(path: string, content: string | Uint8Array): void {
  const building = `${path}.building-${process.pid}`
  writeFileSync(building, content)
  syncPath(building)
  renameSync(building, path)
  syncPath(dirname(path))
}

function syncPath(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
