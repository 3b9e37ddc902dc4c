/** What the parts of bench/settle.ts share: timing, rounding, a generator that gives the same every run. */

export const say = (text: string): void => void process.stderr.write(`${text}\n`)
export const seconds = (work: () => void): number => {
  const startedAtMs = performance.now()
  work()
  return (performance.now() - startedAtMs) / 1000
}
export const rate = (count: number, took: number): number => Math.round(count / took)
export const round = (value: number): number => Math.round(value * 1000) / 1000
/** Throws when a benchmark computed something wrong: its figure is worth nothing then. */
export const expect = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`bench: ${what} does not hold`)
}

/** xorshift32, so that every run does the same work. */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
