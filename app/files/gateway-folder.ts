import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FolderInUse, lockFolder } from '../../engine/journal/lock.js'

/** Where a gateway keeps its history, below the data folder. */
export const historyFolder = (dataDir: string): string => join(dataDir, 'gateway')

/** A gateway whose exchange was killed ends by itself well within this. */
const END_MS_MAX = 10_000
const LOOK_MS = 100

/**
 * Waits for the gateway of an earlier exchange of the folder to end: it has the port until then.
 * @throws FolderInUse when it does not.
 */
export async function earlierGatewayEnded(dataDir: string): Promise<void> {
  const folder = historyFolder(dataDir)
  if (!existsSync(folder)) return
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    try {
      lockFolder(folder, 'history folder')()
      return
    } catch (error) {
      if (!(error instanceof FolderInUse) || waitedMs >= END_MS_MAX) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
