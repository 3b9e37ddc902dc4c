/**
 * The parts of a running exchange, in the order in which they were started; stopped in the opposite order,
 * all of them, whatever one of them says. A part is known here from the moment that there is something of
 * it to stop, so a start that is refused or interrupted half-way leaves nothing behind.
 */
export interface Part {
  readonly name: string
  readonly stop: () => void | Promise<void>
}

export class Parts {
  readonly #parts: Part[] = []

  /** To be stopped before everything that was started earlier. */
  started(name: string, stop: Part['stop']): void {
    this.#parts.push({ name, stop })
  }

  /** Stops every part, the last one first; answers with those that did not stop cleanly. */
  async stopAll(onStep: (name: string) => void): Promise<{ name: string; error: unknown }[]> {
    const failed: { name: string; error: unknown }[] = []
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      onStep(part.name)
      try {
        await part.stop()
      } catch (error) {
        failed.push({ name: part.name, error })
      }
    }
    return failed
  }
}
