/**
 * Runs seeds and, when one fails, finds the shortest prefix of its steps that still fails.
 */
import type { Mutations } from './server.js'
import { World, noTotals, type Totals } from './world.js'
import { Random } from './random.js'

/** Most steps of a run. */
const STEPS_MAX = 900

export interface Finding {
  readonly seed: number
  readonly steps: number
  readonly error: string
}

/** Steps of a seed's run. */
export function stepsOf(seed: number): number {
  return 100 + new Random(seed ^ 0x5bd1e995).below(STEPS_MAX - 100)
}

/** Runs one seed for `steps` steps and adds to `totals`; undefined when every promise held. */
export function runSeed(
  seed: number,
  steps: number,
  mutations: Mutations = {},
  totals: Totals = noTotals(),
): Finding | undefined {
  const world = new World(seed, mutations)
  try {
    world.run(steps)
    return undefined
  } catch (error) {
    return { seed, steps, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  } finally {
    for (const key of Object.keys(totals) as (keyof Totals)[]) totals[key] += world.totals[key]
  }
}

/** The shortest prefix of a failing run that fails: every shorter one was tried. */
export function shrink(finding: Finding, mutations: Mutations = {}): Finding {
  for (let steps = 0; steps < finding.steps; steps++) {
    const shorter = runSeed(finding.seed, steps, mutations)
    if (shorter !== undefined) return shorter
  }
  return finding
}
