/** One thread of family-pool.ts: sleeps until a list of jobs is there, works on it, says when it is done. */
import { workerData } from 'node:worker_threads'
import { familyHash } from './family-hash.js'
import { FamilyControl, takeFamilies, type FamilyThreadData } from './family-pool.js'

const data = workerData as FamilyThreadData
const control = new Int32Array(data.control)
const jobs = new Int32Array(data.jobs)
const hash = familyHash(data.memory, data.limits, data.scratchAt)

// A list may be there before this thread is: generation 0 is the state before the first list.
for (let seen = 0; ;) {
  Atomics.wait(control, FamilyControl.GENERATION, seen)
  seen = Atomics.load(control, FamilyControl.GENERATION)
  takeFamilies(control, jobs, hash)
  Atomics.add(control, FamilyControl.DONE, 1)
  Atomics.notify(control, FamilyControl.DONE)
}
