/**
 * Threads that hash tree nodes side by side, in the tree's own shared memory. The owner hands over a list of
 * jobs (addresses of left, right, out), works on it too, and returns when all are done.
 *
 * Invariant: jobs of one list are independent (nodes of one height), so the order does not matter and the
 * result is the same with any number of threads.
 *
 *   control words: 0 generation (+1 for each list; -1 = end)  1 next job  2 count  3 threads that are done
 */
import { Worker } from 'node:worker_threads'
import { HASH_JOBS_A_TURN, HASH_JOBS_MAX } from '../limits.js'

export const POOL_CONTROL_WORDS = 16
export const Pool = { GENERATION: 0, NEXT: 1, COUNT: 2, DONE: 3 } as const
/** Words of a job. */
export const JOB_WORDS = 3

export interface HashThreadData {
  readonly memory: WebAssembly.Memory
  readonly limits: { readonly minPages: number; readonly maxPages: number; readonly isShared: boolean }
  /** Scratch of this thread's instance. */
  readonly scratchAt: number
  readonly control: SharedArrayBuffer
  readonly jobs: SharedArrayBuffer
}

/** Takes jobs until there are none left. */
export function takeJobs(
  control: Int32Array,
  jobs: Int32Array,
  hash: (left: number, right: number, out: number) => void,
): void {
  const count = Atomics.load(control, Pool.COUNT)
  for (;;) {
    const from = Atomics.add(control, Pool.NEXT, HASH_JOBS_A_TURN)
    if (from >= count) return
    const end = Math.min(from + HASH_JOBS_A_TURN, count) * JOB_WORDS
    for (let at = from * JOB_WORDS; at < end; at += JOB_WORDS) hash(jobs[at]!, jobs[at + 1]!, jobs[at + 2]!)
  }
}

export class HashPool {
  private readonly control = new Int32Array(new SharedArrayBuffer(POOL_CONTROL_WORDS * 4))
  private readonly jobs = new Int32Array(new SharedArrayBuffer(HASH_JOBS_MAX * JOB_WORDS * 4))
  private readonly threads: Worker[]

  /** `scratchAt[i]`: scratch memory of thread i; as many threads as places. */
  constructor(
    memory: WebAssembly.Memory,
    limits: HashThreadData['limits'],
    scratchAt: readonly number[],
    private readonly hash: (left: number, right: number, out: number) => void,
  ) {
    this.threads = scratchAt.map((at) => {
      const data: HashThreadData = {
        memory,
        limits,
        scratchAt: at,
        control: this.control.buffer as SharedArrayBuffer,
        jobs: this.jobs.buffer as SharedArrayBuffer,
      }
      const thread = new Worker(new URL('./hash-thread.js', import.meta.url), { workerData: data })
      // It sleeps whenever there is no work, and must not keep the process alive.
      thread.unref()
      return thread
    })
  }

  /** Runs the jobs in `list` (JOB_WORDS words each); returns when all are done. */
  run(list: Int32Array): void {
    const { control } = this
    for (let from = 0; from < list.length; from += HASH_JOBS_MAX * JOB_WORDS) {
      const part = list.subarray(from, from + HASH_JOBS_MAX * JOB_WORDS)
      this.jobs.set(part)
      Atomics.store(control, Pool.DONE, 0)
      Atomics.store(control, Pool.COUNT, part.length / JOB_WORDS)
      Atomics.store(control, Pool.NEXT, 0)
      Atomics.add(control, Pool.GENERATION, 1)
      Atomics.notify(control, Pool.GENERATION)
      takeJobs(control, this.jobs, this.hash)
      for (;;) {
        const done = Atomics.load(control, Pool.DONE)
        if (done === this.threads.length) break
        Atomics.wait(control, Pool.DONE, done)
      }
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()))
  }
}
