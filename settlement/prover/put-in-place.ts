import { closeSync, fsyncSync, openSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'

/** Gives a file that was built beside its name; after a loss of power, too, the name stands for all of it. */
export function putInPlace(building: string, path: string): void {
  const sync = (what: string): void => {
    const file = openSync(what, 'r')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
  sync(building)
  renameSync(building, path)
  sync(dirname(path))
}
