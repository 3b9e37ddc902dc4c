import { join } from 'node:path'

/** Where a gateway keeps its history, below the data folder. */
export const historyFolder = (dataDir: string): string => join(dataDir, 'gateway')
