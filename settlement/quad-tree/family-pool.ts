/**
 * Threads that hash families side by side, in the tree's own shared memory. The owner hands over a list of jobs, works
 * on it too, and returns when all are done.
 *
 * Invariant: jobs of one list are independent (nodes of one height), so the order does not matter and the result is
 * the same with any number of threads.
 *
 *   control words: 0 generation (+1 for each list)  1 next job  2 count  3 threads that are done
 */
import { Worker } from 'node:worker_threads'
import { FAMILIES_A_TURN, HASH_JOBS_MAX } from '../limits.js'
import { JOB_SIZE, type HashJobs } from './family-hash.js'
import type { MemoryLimits } from './poseidon2-wasm.js'

const CONTROL_WORDS = 16
export const FamilyControl = { GENERATION: 0, NEXT: 1, COUNT: 2, DONE: 3 } as const

export interface FamilyThreadData {
  readonly memory: WebAssembly.Memory
  readonly limits: MemoryLimits
  /** Scratch of this thread's instance. */
  readonly scratchAt: number
  readonly control: SharedArrayBuffer
  readonly jobs: SharedArrayBuffer
}

/** Takes jobs of the list until there are none left. */
export function takeFamilies(control: Int32Array, jobs: Int32Array, hash: HashJobs): void {
  const count = Atomics.load(control, FamilyControl.COUNT)
  for (;;) {
    const from = Atomics.add(control, FamilyControl.NEXT, FAMILIES_A_TURN)
    if (from >= count) return
    hash(jobs, from, Math.min(from + FAMILIES_A_TURN, count))
  }
}

export class FamilyPool {
  private readonly control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4))
  private readonly jobs = new Int32Array(new SharedArrayBuffer(HASH_JOBS_MAX * JOB_SIZE * 4))
  private readonly threads: Worker[]

  /** `scratchAt[i]`: scratch memory of thread i; as many threads as places. */
  constructor(
    memory: WebAssembly.Memory,
    limits: MemoryLimits,
    scratchAt: readonly number[],
    private readonly hash: HashJobs,
  ) {
    this.threads = scratchAt.map((at) => {
      const data: FamilyThreadData = {
        memory,
        limits,
        scratchAt: at,
        control: this.control.buffer as SharedArrayBuffer,
        jobs: this.jobs.buffer as SharedArrayBuffer,
      }
      const thread = new Worker(new URL('./family-thread.js', import.meta.url), { workerData: data })
      // It sleeps whenever there is no work, and must not keep the process alive.
      thread.unref()
      return thread
    })
  }

  /** Does all jobs of `list`. */
  run(list: Int32Array): void {
    const { control } = this
    for (let from = 0; from < list.length; from += this.jobs.length) {
      const part = list.subarray(from, from + this.jobs.length)
      this.jobs.set(part)
      Atomics.store(control, FamilyControl.DONE, 0)
      Atomics.store(control, FamilyControl.COUNT, part.length / JOB_SIZE)
      Atomics.store(control, FamilyControl.NEXT, 0)
      Atomics.add(control, FamilyControl.GENERATION, 1)
      Atomics.notify(control, FamilyControl.GENERATION)
      takeFamilies(control, this.jobs, this.hash)
      for (;;) {
        const done = Atomics.load(control, FamilyControl.DONE)
        if (done === this.threads.length) break
        Atomics.wait(control, FamilyControl.DONE, done)
      }
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()))
  }
}
