/** Entry of the archive thread: archives what may go, tells what it did, ends. Started by archiver.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { archiveSegments } from './archive.js'
import { nodeDisk } from '../journal/disk.js'

export interface ArchiveThreadData {
  readonly dataDir: string
  readonly settledSeq: number
  readonly beforeMs: number
}

parentPort!.postMessage(archiveSegments({ ...(workerData as ArchiveThreadData), disk: nodeDisk }))
