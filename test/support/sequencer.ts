/**
 * The order of the suites: the longest first, so that none of them is left alone at the end of a run. jest remembers
 * how long each took, but a fresh clone remembers nothing, and by their size it would begin with others.
 */
import type { Test } from '@jest/test-result'
import untyped from '@jest/test-sequencer'

// Its types are those of its CommonJS form, where the class is a member of what is imported.
const Sequencer = untyped as unknown as typeof untyped.default

/** Suites of a minute and more, the longest first, without `.test.js`. */
export const LONGEST = [
  'test/simulator/simulator',
  'contracts/scripts/forge',
  'settlement/proving/proven',
  'test/system/flow',
  'test/system/readme',
  'settlement/prover/ceremony',
  'test/system/start',
  'gateway/history/history',
  'test/system/gateway-death',
  'engine/reference/property',
  'settlement/faults',
  'gateway/limits/abuse',
]
const NAMES = LONGEST.map((name) => `/${name}.test.js`)

/** Place among the longest; that of all others is behind them. */
function place({ path }: Test): number {
  const index = NAMES.findIndex((name) => path.endsWith(name))
  return index < 0 ? NAMES.length : index
}

export default class LongestFirst extends Sequencer {
  override async sort(tests: Test[]): Promise<Test[]> {
    // A stable sort: the others stay as jest has them.
    return (await super.sort(tests)).sort((a, b) => place(a) - place(b))
  }
}
