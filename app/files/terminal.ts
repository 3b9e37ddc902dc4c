/**
 * Standard output of a program that runs on. Node writes to a terminal on the spot and waits for it: one that is held
 * (Ctrl-S), or that nobody reads (a sleeping laptop behind ssh), would hold the exchange with it. So a terminal is
 * written to without waiting; what it does not take waits in memory, and beyond a bound lines are left out, which is
 * said when it takes some again. Files and pipes are as Node has them: neither holds the program, but for a slow disk.
 */
import { UNWRITTEN_BYTES_MAX } from '../limits.js'

/** What Node has of a terminal (libuv's uv_stream_set_blocking); no part of its documented face. */
interface Handle {
  readonly _handle?: { setBlocking?(blocking: boolean): void } | null
}

export class Output {
  readonly #stream: NodeJS.WriteStream
  #leftOut = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    if (stream.isTTY) (stream as Handle)._handle?.setBlocking?.(false)
  }

  get isTTY(): boolean {
    return this.#stream.isTTY
  }

  get columns(): number {
    return this.#stream.columns
  }

  /** A line that stays; left out where far too much waits. */
  line(text: string): void {
    if (this.#stream.writableLength > UNWRITTEN_BYTES_MAX) {
      this.#leftOut++
      return
    }
    if (this.#leftOut > 0) this.#stream.write(`(${this.#leftOut} lines were not shown: nobody read them)\n`)
    this.#leftOut = 0
    this.#stream.write(`${text}\n`)
  }

  /** What the next line takes the place of; not worth waiting for. */
  passing(text: string): void {
    if (this.#stream.writableLength === 0) this.#stream.write(text)
  }

  /** What belongs before the next line. */
  before(text: string): void {
    if (this.#leftOut === 0) this.#stream.write(text)
  }
}
