/**
 * Callbacks of a caller, called so that none of them can harm the client: one that throws, or whose promise
 * rejects, ends neither the process nor the turn of the others; its error goes to `report`.
 */

/** Takes what a callback threw. */
export type Report = (error: unknown) => void

/** Where errors go that nobody asked for. */
export const reportToConsole: Report = (error) => console.error('glassbook: a callback failed:', error)

export function callSafely<A extends readonly unknown[], R>(
  report: Report,
  callback: (...values: A) => R,
  ...values: A
): R | undefined {
  try {
    const result = callback(...values)
    if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function')
      (result as PromiseLike<unknown>).then(undefined, report)
    return result
  } catch (error) {
    report(error)
    return undefined
  }
}

export class Listeners<A extends readonly unknown[]> {
  readonly #listeners = new Set<(...values: A) => unknown>()
  readonly #report: Report

  constructor(report: Report = reportToConsole) {
    this.#report = report
  }

  get size(): number {
    return this.#listeners.size
  }

  /** Returns how to stop it. */
  add(listener: (...values: A) => unknown): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(...values: A): void {
    for (const listener of [...this.#listeners]) callSafely(this.#report, listener, ...values)
  }
}
