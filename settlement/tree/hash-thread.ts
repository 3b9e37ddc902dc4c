/** One thread of hash-pool.ts: sleeps until a list of jobs is there, works on it, says when it is done. */
import { workerData } from 'node:worker_threads'
import { Pool, takeJobs, type HashThreadData } from './hash-pool.js'
import { instantiatePoseidon } from './poseidon-wasm.js'

const data = workerData as HashThreadData
const control = new Int32Array(data.control)
const jobs = new Int32Array(data.jobs)
const { hash } = instantiatePoseidon(data.memory, data.limits, data.scratchAt)

// A list may be there before this thread is: generation 0 is the state before the first list.
for (let seen = 0; ;) {
  Atomics.wait(control, Pool.GENERATION, seen)
  seen = Atomics.load(control, Pool.GENERATION)
  takeJobs(control, jobs, hash)
  Atomics.add(control, Pool.DONE, 1)
  Atomics.notify(control, Pool.DONE)
}
