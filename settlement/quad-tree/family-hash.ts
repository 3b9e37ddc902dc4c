/**
 * Hashing of families in a memory: by vector instructions, or by bigint, some twenty times slower, where there are none.
 */
import { CHILDREN, ELEMENT_WORDS, readElement, writeElement } from './element.js'
import { nodeReference } from './poseidon2-reference.js'
import { NoVectorHash, instantiatePoseidon2, type MemoryLimits } from './poseidon2-wasm.js'

/** Words of a job: where the family is, and where its node goes, both as words of the memory. */
export const JOB_SIZE = 2

/** Does the jobs `from` to `end` of a list. */
export type HashJobs = (jobs: Int32Array, from: number, end: number) => void

/** The hash over `memory`, with its scratch of HASH_SCRATCH at `base`. */
export function familyHash(memory: WebAssembly.Memory, limits: MemoryLimits, base: number): HashJobs {
  try {
    const hash = instantiatePoseidon2(memory, limits, base)
    return (jobs, from, end) => {
      for (let job = from; job < end; job += 2) {
        const at = job * JOB_SIZE
        // The last one of an odd number is done twice.
        const next = job + 1 < end ? at + JOB_SIZE : at
        hash(jobs[at]! * 4, jobs[at + 1]! * 4, jobs[next]! * 4, jobs[next + 1]! * 4)
      }
    }
  } catch (error) {
    if (!(error instanceof NoVectorHash)) throw error
    return slowHash(memory)
  }
}

/** The same by definition. */
export const slowHash =
  (memory: WebAssembly.Memory): HashJobs =>
  (jobs, from, end) => {
    const words = new Uint32Array(memory.buffer)
    for (let at = from * JOB_SIZE; at < end * JOB_SIZE; at += JOB_SIZE) {
      const children = Array.from({ length: CHILDREN }, (_, child) =>
        readElement(words, jobs[at]! + child * ELEMENT_WORDS),
      )
      writeElement(words, jobs[at + 1]!, nodeReference(children))
    }
  }
