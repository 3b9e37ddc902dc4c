/**
 * Hashes fills roots on a thread of its own, beside the caller's work. Used by replay, where following the
 * journal and hashing its fills take about as long.
 */
import { Worker } from 'node:worker_threads'

/** The thread ended before it answered. */
export class HasherStopped extends Error {
  override readonly name = 'HasherStopped'
}

export interface FillsAnswer {
  readonly root: Uint8Array
}

export class FillsHasher {
  private readonly worker = new Worker(new URL('./fills-hash-thread.js', import.meta.url))
  /** In the order of the requests: the thread answers one by one. */
  private readonly waiting: {
    resolve: (root: Uint8Array) => void
    reject: (error: Error) => void
  }[] = []
  private failure: Error | undefined

  constructor() {
    // Between requests it must not keep the process alive.
    this.worker.unref()
    this.worker.on('message', ({ root }: FillsAnswer) => {
      const { resolve } = this.waiting.shift()!
      if (this.waiting.length === 0) this.worker.unref()
      resolve(root)
    })
    this.worker.on('error', (error) => this.fail(error))
    this.worker.on('exit', () => this.fail(new HasherStopped('the hash thread has ended')))
  }

  /** Root over concatenated leaves (fills-root.ts), whose buffer is given away. Rejects with HasherStopped. */
  root(leaves: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      if (this.failure === undefined) this.waiting.push({ resolve, reject })
      else reject(this.failure)
    })
    // A caller that stops at a difference asks for no further root.
    answer.catch(() => undefined)
    this.worker.ref()
    this.worker.postMessage(leaves, [leaves.buffer])
    return answer
  }

  async close(): Promise<void> {
    await this.worker.terminate()
  }

  private fail(error: Error): void {
    this.failure ??= error
    for (const { reject } of this.waiting.splice(0)) reject(this.failure)
  }
}
