/** Suites of a minute and more, the longest first. */
export const LONGEST = [
  'contracts/scripts/forge',
  'settlement/proving/proven',
  'test/simulator/simulator',
  'settlement/prover/ceremony',
  'test/system/start',
  'test/system/flow',
  'test/system/gateway-death',
  'gateway/limits/abuse',
  'settlement/faults',
  'gateway/net/http',
  'app/main',
  'gateway/net/backends',
  'gateway/limits/client-limits',
  'gateway/history/history',
  'test/system/readme',
  'engine/reference/property',
]
const NAMES = LONGEST.map((name) => `/${name}.test.js`)

/** Place among the longest; that of all others is behind them. */
function place({ path }: { readonly path: string }): number {
  const index = NAMES.findIndex((name) => path.endsWith(name))
  return index < 0 ? NAMES.length : index
}

/** The longest first; the others stay as they are, since the sort is stable. */
export const longestFirst = <Suite extends { readonly path: string }>(suites: readonly Suite[]): Suite[] =>
  [...suites].sort((a, b) => place(a) - place(b))
