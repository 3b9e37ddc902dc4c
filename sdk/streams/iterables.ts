/**
 * Streams as async iterables: a stream is followed while somebody loops over it, and what is not taken yet waits in
 * memory. Belongs to client-core.ts.
 */
import type { GlassbookError } from '../base/errors.js'
import type { StreamListener, StreamMessage, StreamWatcher } from './subscription.js'

export interface IterablesLine {
  /** Follows a stream; returns how to leave it. */
  subscribe(name: string, listener: StreamListener, watcher: StreamWatcher): Promise<() => Promise<void>>
  /** The client is closed: no message comes any more. */
  isClosing(): boolean
}

export class Iterables {
  readonly #line: IterablesLine
  /** Wakes each that waits for a message. */
  readonly #wakers = new Set<() => void>()

  constructor(line: IterablesLine) {
    this.#line = line
  }

  /** The messages of a stream, until the client is closed. @throws what `subscribe` throws, and why the stream ended. */
  async *messages(name: string): AsyncGenerator<StreamMessage, void, undefined> {
    const waiting: StreamMessage[] = []
    let resume = (): void => {}
    let refused: GlassbookError | undefined
    const wake = (): void => resume()
    const listener = (message: StreamMessage): void => {
      waiting.push(message)
      wake()
    }
    const ended = (error: GlassbookError): void => {
      refused = error
      wake()
    }
    const leave = await this.#line.subscribe(name, listener, { ended })
    this.#wakers.add(wake)
    try {
      for (;;) {
        const message = waiting.shift()
        if (message !== undefined) yield message
        else if (refused !== undefined) throw refused
        else if (this.#line.isClosing()) return
        else await new Promise<void>((resolve) => (resume = resolve))
      }
    } finally {
      this.#wakers.delete(wake)
      await leave()
    }
  }

  /** The client is closed: each looks whether it has ended. */
  closed(): void {
    for (const wake of [...this.#wakers]) wake()
  }
}
