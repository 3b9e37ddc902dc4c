/**
 * What ends a running exchange: a signal, the end of a demo or replay, the failure of a part, or an error
 * that nobody caught. The first one decides the exit code; later ones only say what they are. Whoever
 * starts or waits asks `during`, so that an end that comes early is not slept through.
 */
import { LEAVE_MS_MAX } from '../limits.js'
import { ExchangeFrozen } from '../../settlement/chain/chain.js'

export class RunEnd {
  readonly #promise: Promise<number>
  #resolve: (code: number) => void = () => {}
  #code: number | undefined
  readonly #say: (line: string) => void

  constructor(say: (line: string) => void) {
    this.#say = say
    this.#promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Takes SIGINT, SIGTERM, SIGHUP (its terminal has gone), and errors that nobody caught, until the process has ended. */
  listen(): void {
    const interrupt = (): void => this.end(0)
    const broken = (error: unknown): void =>
      this.fail('an error that nobody expected', error instanceof Error ? (error.stack ?? error) : error)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
    process.on('uncaughtException', broken)
    process.on('unhandledRejection', broken)
  }

  /**
   * Ends the process, when all has stopped. Left to an empty event loop, Node would give signals their default back
   * before it ends, and one that comes then would be what ended the run.
   */
  leave(code: number): void {
    const leave = (): void => process.exit(code)
    process.stdout.write('', leave)
    // A pipe or a terminal that nobody reads does not keep the process.
    setTimeout(leave, LEAVE_MS_MAX)
  }

  get hasEnded(): boolean {
    return this.#code !== undefined
  }

  end(code: number): void {
    this.#code ??= code
    this.#resolve(this.#code)
  }

  /** A part failed: said in one line; the run ends with the code of that unless it ends already. */
  fail(what: string, error: unknown): void {
    this.#say(`glassbook: ${what}: ${error instanceof Error ? error.message : String(error)}`)
    this.end(exitCodeOf(error))
  }

  /** The exit code, when there is one. */
  get code(): Promise<number> {
    return this.#promise
  }

  /** Waits for `work`, but not longer than the run. @throws RunEnded when that ends first. */
  async during<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {})
    const ended = this.#promise.then(() => {
      throw new RunEnded()
    })
    ended.catch(() => {})
    return Promise.race([work, ended])
  }
}

/** Exit code of a frozen exchange: starting it again is of no use. */
export const FROZEN_CODE = 3

/** Exit code for what ended a run, or kept it from starting. */
export const exitCodeOf = (error: unknown): number => (error instanceof ExchangeFrozen ? FROZEN_CODE : 1)

/** The run was ended while something was waited for; not a failure by itself. */
export class RunEnded extends Error {
  override readonly name = 'RunEnded'
}
