/**
 * The simulator in CI: a fixed range of seeds must hold every promise, past findings stay fixed, and
 * the simulator must notice when a defence is switched off. Long mode: npm run simulate.
 */
import { runSeed, shrink, stepsOf, type Finding } from './simulate.js'
import type { Mutations } from './server.js'
import { noTotals } from './world.js'
import { found, guards } from './findings.js'

const RUNS = 2000
const FIRST_SEED = 1

/** The first finding of a mutated world whose message matches, among `runs` seeds. */
function firstFinding(mutations: Mutations, runs: number, message: RegExp): Finding | undefined {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + runs; seed++) {
    const finding = runSeed(seed, stepsOf(seed), mutations)
    if (finding !== undefined && message.test(finding.error)) return finding
  }
  return undefined
}

describe('simulator', () => {
  test(`${RUNS} runs hold every promise, and meet every kind of trouble`, () => {
    const totals = noTotals()
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++)
      expect(runSeed(seed, stepsOf(seed), {}, totals)).toBeUndefined()
    for (const [what, count] of Object.entries(totals)) expect([what, count > 50]).toEqual([what, true])
  })

  test('the same seed gives the same run, to the last event', () => {
    const runs = [0, 1].map(() => {
      const totals = noTotals()
      expect(runSeed(12_345, 800, {}, totals)).toBeUndefined()
      return totals
    })
    expect(runs[0]).toEqual(runs[1])
    expect(runs[0]!.released).toBeGreaterThan(100)
  })

  for (const { seed, steps, what } of [...found, ...guards])
    test(`seed ${seed}: ${what}`, () => {
      expect(runSeed(seed, steps)).toBeUndefined()
    })

  test('notices when messages leave before they are durable, and finds the shortest prefix', () => {
    const mutations = { noGate: true }
    const finding = firstFinding(mutations, 200, /was seen by a client and is (not|another) in the journal/)
    const shortest = shrink(finding!, mutations)
    expect(shortest.steps).toBeLessThan(finding!.steps)
    expect(runSeed(shortest.seed, shortest.steps, mutations)).toBeDefined()
    expect(runSeed(shortest.seed, shortest.steps - 1, mutations)).toBeUndefined()
    expect(runSeed(shortest.seed, shortest.steps)).toBeUndefined()
  })

  test('notices when checksums are not checked', () => {
    const finding = firstFinding({ noCrc: true }, 600, /another in the journal|not what its client asked for/)
    expect(finding).toBeDefined()
    expect(runSeed(finding!.seed, finding!.steps)).toBeUndefined()
  })

  test('notices when a repeated frame is executed again', () => {
    const finding = firstFinding({ noDedupe: true }, 200, /executed at seq \d+ and again at/)
    expect(finding).toBeDefined()
    expect(runSeed(finding!.seed, finding!.steps)).toBeUndefined()
  })
})
