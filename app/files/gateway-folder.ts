import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FolderInUse, lockFolder } from '../../engine/journal/lock.js'
import { FORMER_GATEWAY_MS_MAX, FORMER_LOOK_MS } from '../limits.js'

/** Where a gateway keeps its history, below the data folder. */
export const historyFolder = (dataDir: string): string => join(dataDir, 'gateway')

/**
 * Waits for the gateway of an earlier exchange of the folder to end: it has the port until then.
 * @throws FolderInUse when it does not.
 */
export async function earlierGatewayEnded(dataDir: string): Promise<void> {
  const folder = historyFolder(dataDir)
  if (!existsSync(folder)) return
  for (let waitedMs = 0; ; waitedMs += FORMER_LOOK_MS) {
    try {
      lockFolder(folder, 'history folder')()
      return
    } catch (error) {
      if (!(error instanceof FolderInUse) || waitedMs >= FORMER_GATEWAY_MS_MAX) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, FORMER_LOOK_MS))
  }
}
