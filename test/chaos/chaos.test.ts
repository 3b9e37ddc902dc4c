/** Twenty seconds in CI; nine minutes with `npm run chaos`. */
import { runChaos } from './chaos.js'

test('through a line that loses, doubles, swaps, delays and cuts, what the SDK tells is so', async () => {
  const report = await runChaos({ seconds: 20, seed: 5, perMille: 10 })
  expect(report.findings).toEqual([])
  for (const fault of ['lose', 'double', 'swap'] as const) expect(report.faults[fault]).toBeGreaterThan(0)
  expect(report.fills).toBeGreaterThan(10)
  expect(report.booksCompared).toBeGreaterThan(5)
  expect(report.l3Compared).toBeGreaterThan(50)
}, 600_000)
