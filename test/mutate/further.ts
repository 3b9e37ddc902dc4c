/**
 * Suites that are run on a mutant after those nearest to it by imports: a suite that starts the program, or drives
 * the whole engine at random, is far from every file and yet notices most. Paths from dist; a file gets the list of
 * the longest beginning of its path that stands here.
 */
const FURTHER: Readonly<Record<string, readonly string[]>> = {
  'engine/': [
    'engine/runtime/exchange.test.js',
    'engine/runtime/run.test.js',
    'engine/core/book/parts.test.js',
  ],
  'engine/core/': [
    'engine/core/orders/orders.test.js',
    'engine/core/orders/rejects.test.js',
    'engine/core/book/parts.test.js',
    'engine/core/orders/bounded-work.test.js',
    'engine/core/full-tables.test.js',
    'engine/reference/property.test.js',
  ],
  'engine/journal/': [
    'engine/journal/journal.test.js',
    'engine/recovery/recovery.test.js',
    'test/simulator/simulator.test.js',
  ],
  'gateway/': [
    'gateway/gateway.test.js',
    'gateway/streams/streams.test.js',
    'gateway/net/http.test.js',
    'gateway/limits/client-limits.test.js',
    'gateway/streams/lifecycle.test.js',
  ],
  'gateway/history/': [
    'gateway/history/history.test.js',
    'gateway/history/order-history.test.js',
    'gateway/net/http.test.js',
  ],
  'sdk/': [
    'sdk/base/inputs.test.js',
    'sdk/streams/streams.test.js',
    'sdk/client/unknown-outcomes.test.js',
    'sdk/streams/trackers.test.js',
    'sdk/client/actions.test.js',
  ],
  'settlement/': [
    'settlement/follow/follow.test.js',
    'settlement/policy.test.js',
    'settlement/settler.test.js',
    'settlement/audit/tool-checks.test.js',
    'settlement/audit/exit.test.js',
  ],
  'app/commands/audit': ['settlement/audit/checkpoint.test.js', 'settlement/audit/dishonest.test.js'],
  'app/commands/chain': ['app/main.test.js'],
  'app/commands/prover': ['app/main.test.js'],
  'app/commands/exit': ['settlement/audit/exit.test.js', 'settlement/audit/tools.test.js'],
  'app/commands/gateway': ['app/main.test.js', 'test/system/gateway-process.test.js'],
  'app/': [
    'app/main.test.js',
    'test/system/start.test.js',
    'test/system/gateway-process.test.js',
    'test/system/shutdown.test.js',
  ],
}

export function furtherSuites(file: string): readonly string[] {
  const [folder] = Object.keys(FURTHER)
    .filter((prefix) => file.startsWith(prefix))
    .sort((a, b) => b.length - a.length)
  return folder === undefined ? [] : FURTHER[folder]!
}
