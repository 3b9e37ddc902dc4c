/**
 * What goes by is waited for: a chain's endpoint that fails is asked again, with growing pauses, for as long as the one
 * who waits can bear it. Anything else is thrown at once.
 */
import { BaseError } from 'viem'
import { LOOP_PAUSE_MS_MAX, PATIENCE_MS, PAUSE_STEP_MS, START_PAUSE_MS_MAX } from '../limits.js'
import { chainErrorText, sleep } from './chain.js'

export interface Patience {
  readonly isStopped: () => boolean
  readonly onTrouble: (text: string) => void
}

/** Sleeps, not longer than until the stop. */
export async function pauseFor(milliseconds: number, isStopped: () => boolean): Promise<void> {
  for (let waited = 0; waited < milliseconds && !isStopped(); waited += PAUSE_STEP_MS)
    await sleep(Math.min(PAUSE_STEP_MS, milliseconds - waited))
}

/** A question of a start: endpoints may fail for a while, but whoever starts is to hear of it. */
export async function askPatiently<T>(ask: () => Promise<T>, { isStopped, onTrouble }: Patience): Promise<T> {
  for (let pause = PATIENCE_MS; ; pause *= 2) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof BaseError) || pause > START_PAUSE_MS_MAX || isStopped()) throw error
      onTrouble(chainErrorText(error))
      await sleep(pause)
    }
  }
}

/** Runs a loop until the stop: after a failure of the chain's endpoint it is begun again. Throws anything else. */
export async function runPatiently(
  loop: () => Promise<void>,
  { isStopped, onTrouble }: Patience,
): Promise<void> {
  for (let pause = PATIENCE_MS; ; pause = Math.min(pause * 2, LOOP_PAUSE_MS_MAX)) {
    const startedAtMs = Date.now()
    try {
      return await loop()
    } catch (error) {
      if (!(error instanceof BaseError)) throw error
      if (isStopped()) return
      onTrouble(chainErrorText(error))
      if (Date.now() - startedAtMs > LOOP_PAUSE_MS_MAX) pause = PATIENCE_MS
      await pauseFor(pause, isStopped)
    }
  }
}
