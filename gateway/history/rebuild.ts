/** Starts the rebuild thread (rebuild-thread.ts) and hands its batches on, one at a time, in order. */
import { Worker } from 'node:worker_threads'

export interface RebuildThreadData {
  /** The exchange's data folder. */
  readonly dataDir: string
  /** What was done by commands behind `after`, up to `upTo`, is wanted; the journal is durable to `durableSeq`. */
  readonly after: number
  readonly upTo: number
  readonly durableSeq: number
  readonly commandsMax: number
}

export type FromRebuild =
  /** Everything up to `upTo` has been told with it: `count` records at `words`. */
  | { readonly type: 'records'; readonly words: Int32Array; readonly count: number; readonly upTo: number }
  /** Nothing comes any more; what is before `from` could not be told. */
  | { readonly type: 'done'; readonly from: number }
/** A batch was taken over. */
export type ToRebuild = 'taken'

export interface RebuildHandler {
  records(words: Int32Array, count: number, upTo: number): void
  done(from: number): void
  failed(error: Error): void
}

/** Answers with what ends it early. */
export function startRebuild(data: RebuildThreadData, handler: RebuildHandler): () => void {
  const worker = new Worker(new URL('./rebuild-thread.js', import.meta.url), {
    workerData: data,
    name: 'history',
  })
  let ended = false
  const fail = (error: Error): void => {
    if (ended) return
    ended = true
    handler.failed(error)
  }
  worker.on('message', (message: FromRebuild) => {
    if (ended) return
    if (message.type === 'records') {
      handler.records(message.words, message.count, message.upTo)
      worker.postMessage('taken' satisfies ToRebuild)
    } else {
      ended = true
      handler.done(message.from)
    }
  })
  worker.on('error', fail)
  worker.on('exit', (code) => fail(new Error(`the history thread ended with code ${code}`)))
  return () => {
    ended = true
    void worker.terminate()
  }
}
