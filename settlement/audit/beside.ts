/**
 * Work beside the caller's: questions to a thread of its own, answered one by one, in order. Used by replay, where
 * following the journal, hashing the tree and hashing the fills take about as long as each other.
 */
import { Worker, parentPort, type TransferListItem } from 'node:worker_threads'

/** The thread ended before it answered. */
export class ThreadStopped extends Error {
  override readonly name = 'ThreadStopped'
}

type Answered<Answer> = { readonly answer: Answer } | { readonly error: Error }

export class Beside<Question, Answer> {
  private readonly worker: Worker
  private readonly waiting: {
    resolve: (answer: Answer) => void
    reject: (error: Error) => void
  }[] = []
  private failure: Error | undefined

  /** `program`: a module that calls `answerQuestions`. */
  constructor(program: URL) {
    this.worker = new Worker(program)
    // Between questions it must not keep the process alive.
    this.worker.unref()
    this.worker.on('message', (message: Answered<Answer>) => {
      const { resolve, reject } = this.waiting.shift()!
      if (this.waiting.length === 0) this.worker.unref()
      if ('error' in message) reject(message.error)
      else resolve(message.answer)
    })
    this.worker.on('error', (error) => this.fail(error))
    this.worker.on('exit', () => this.fail(new ThreadStopped('the thread has ended')))
  }

  /** Asks; what stands in `transfer` is given away. Rejects with what the thread threw, or ThreadStopped. */
  ask(question: Question, transfer: readonly TransferListItem[] = []): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      if (this.failure === undefined) this.waiting.push({ resolve, reject })
      else reject(this.failure)
    })
    // A caller that stops at a difference waits for no further answer.
    answer.catch(() => undefined)
    this.worker.ref()
    this.worker.postMessage(question, transfer)
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

/** In the thread: answers each question by `answer`; what it throws goes to the one who asked. */
export function answerQuestions<Question, Answer>(answer: (question: Question) => Answer): void {
  if (parentPort === null) throw new Error('this program runs in a worker thread')
  const port = parentPort
  port.on('message', (question: Question) => {
    let message: Answered<Answer>
    try {
      message = { answer: answer(question) }
    } catch (error) {
      message = { error: error instanceof Error ? error : new Error(String(error)) }
    }
    port.postMessage(message)
  })
}
