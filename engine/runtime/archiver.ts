/**
 * Looks now and then whether segments may go to the archive (recovery/archive.ts) and lets a thread of its
 * own move them. Called by the composition root. A move that fails is told once and tried again.
 */
import type { OnLog } from '../types.js'
import { Worker } from 'node:worker_threads'
import type { ArchiveThreadData } from '../recovery/archive-thread.js'
import type { ArchiveRecord } from '../journal/segment-files.js'
import { ARCHIVE_EVERY_MS } from '../limits.js'

export interface ArchiverOptions {
  readonly dataDir: string
  /** A segment stays at hand this long after its last command, ms. */
  readonly keepMs: number
  /** Last seq that is settled for good; asked at each look. */
  readonly settledSeq: () => number
  readonly onLog: OnLog
  /** Between two looks, ms; a minute unless given. */
  readonly everyMs?: number
}

export interface Archiver {
  /** Resolves when nothing is being moved any more. */
  stop(): Promise<void>
}

export function startArchiver(options: ArchiverOptions): Archiver {
  const { dataDir, keepMs, settledSeq, onLog, everyMs = ARCHIVE_EVERY_MS } = options
  let running: Promise<void> | undefined
  let trouble = ''
  const look = async (): Promise<void> => {
    const data: ArchiveThreadData = { dataDir, settledSeq: settledSeq(), beforeMs: Date.now() - keepMs }
    try {
      const moved = await inThread(data)
      for (const { segment, bytes, packedBytes, lastSeq } of moved)
        onLog(`archived journal segment ${segment} up to seq ${lastSeq}: ${bytes} bytes in ${packedBytes}`)
      trouble = ''
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      if (text !== trouble) onLog(`the archive was not written: ${text}`, 'warn')
      trouble = text
    }
  }
  const timer = setInterval(() => {
    running ??= look().finally(() => (running = undefined))
  }, everyMs)
  return {
    stop: async () => {
      clearInterval(timer)
      await running
    },
  }
}

function inThread(workerData: ArchiveThreadData): Promise<ArchiveRecord[]> {
  const worker = new Worker(new URL('../recovery/archive-thread.js', import.meta.url), { workerData })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the archive thread ended with code ${code}`)))
  })
}
