/**
 * The machine's monotonic clock: one count of milliseconds for every thread and process on it, which no
 * setting of the wall clock moves. `performance.now()` is the same clock, counted from each thread's start,
 * and cheaper to read.
 */
import { CLOCK_READ_TRIES } from '../limits.js'

const hrtimeMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** When this thread's count began; a thread can be held up between two readings, so the closest pair counts. */
function threadStartMs(): number {
  let closestMs = Infinity
  let startMs = 0
  for (let attempt = 0; attempt < CLOCK_READ_TRIES; attempt++) {
    const beforeMs = hrtimeMs()
    const ownMs = performance.now()
    const afterMs = hrtimeMs()
    if (afterMs - beforeMs >= closestMs) continue
    closestMs = afterMs - beforeMs
    startMs = beforeMs - ownMs
  }
  return startMs
}

const THREAD_START_MS = threadStartMs()

/** Milliseconds since a moment that all threads and processes of this machine share. */
export const machineMs = (): number => THREAD_START_MS + performance.now()
