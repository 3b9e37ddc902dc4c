/**
 * Takes snapshots in a thread that follows the journal with an engine of its own: matching never waits. Called
 * by exchange.ts, which looks now and then whether one is due.
 *
 * A snapshot that fails (a full disk) only makes the next start longer: it is told once, tried again after
 * pauses that grow to a bound, and told when it goes on.
 */
import type { OnLog } from '../types.js'
import { Worker } from 'node:worker_threads'
import type { SnapshotThreadData } from '../recovery/snapshot-thread.js'
import { SNAPSHOT_RETRY_MS, SNAPSHOT_RETRY_MS_MAX } from '../limits.js'

export interface SnapshotTakerOptions {
  /** Takes one; resolves with its seq. */
  readonly take: () => Promise<number>
  readonly onLog: OnLog
  /** Milliseconds of a clock that never goes back; the process's own unless given. */
  readonly nowMs?: () => number
}

export class SnapshotTaker {
  /** Seq of the last snapshot taken since the start. */
  lastSeq = 0
  private running: Promise<number> | undefined
  /** Before this nothing is tried by itself; grows with each failure in a row. */
  private retryAtMs = 0
  private pauseMs = 0

  constructor(private readonly options: SnapshotTakerOptions) {}

  /** Takes one now, or waits for the one that is being taken. Rejects with what kept it. */
  take(): Promise<number> {
    this.running ??= this.run().finally(() => (this.running = undefined))
    return this.running
  }

  /** Takes one unless one is being taken, or the last try failed a short while ago. Never rejects. */
  async takeIfDue(): Promise<void> {
    const { onLog } = this.options
    if (this.running !== undefined || this.nowMs() < this.retryAtMs) return
    try {
      await this.take()
    } catch (error) {
      if (this.pauseMs === 0)
        onLog(
          `snapshot failed (${error instanceof Error ? error.message : String(error)}): a start takes longer ` +
            `until one is written; it is tried again`,
          'warn',
        )
      this.pauseMs = Math.min(SNAPSHOT_RETRY_MS_MAX, Math.max(SNAPSHOT_RETRY_MS, 2 * this.pauseMs))
      this.retryAtMs = this.nowMs() + this.pauseMs
    }
  }

  async settled(): Promise<void> {
    await this.running?.catch(() => {})
  }

  private async run(): Promise<number> {
    const seq = await this.options.take()
    this.lastSeq = seq
    this.options.onLog(
      this.pauseMs === 0 ? `snapshot at seq ${seq}` : `snapshots are written again: seq ${seq}`,
    )
    this.pauseMs = 0
    this.retryAtMs = 0
    return seq
  }

  private nowMs(): number {
    return (this.options.nowMs ?? performance.now.bind(performance))()
  }
}

/** Takes a snapshot in a thread of its own; resolves with its seq. */
export async function snapshotInThread(
  data: SnapshotThreadData,
  onLog: (line: string) => void,
): Promise<number> {
  const worker = new Worker(new URL('../recovery/snapshot-thread.js', import.meta.url), { workerData: data })
  return new Promise<number>((resolve, reject) => {
    worker.on('message', (message: number | string) => {
      if (typeof message === 'number') resolve(message)
      else onLog(message)
    })
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the snapshot thread ended with code ${code}`)))
  })
}
