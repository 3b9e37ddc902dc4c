/** The newest settlement batches, each as it last was. */
import type { BatchInfo } from '../link/messages.js'
import { BATCHES_KEPT } from '../limits.js'

export class BatchList {
  readonly #batches: BatchInfo[]

  constructor(batches: readonly BatchInfo[] = []) {
    this.#batches = batches.slice(-BATCHES_KEPT)
  }

  /** Adds a batch, or takes its new state. */
  put(batch: BatchInfo): void {
    const index = this.#batches.findIndex(({ number }) => number === batch.number)
    if (index >= 0) this.#batches[index] = batch
    else this.#batches.push(batch)
    if (this.#batches.length > BATCHES_KEPT) this.#batches.shift()
  }

  /** The newest `limit` batches, newest last. */
  latest(limit: number = BATCHES_KEPT): BatchInfo[] {
    return this.#batches.slice(-limit)
  }
}
