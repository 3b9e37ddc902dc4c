/** The whole program, killed at its root and at its gateway: two rounds in CI; fifty over all faults with `npm run crash`. */
import { runTreeCrash } from './tree.js'

test('after a kill everything that clients know is so, in journal, history, batches and chain', async () => {
  const rounds = await runTreeCrash({ rounds: 2, seed: 7, faults: ['tree killed', 'gateway killed'] })
  expect(rounds.map(({ findings }) => findings)).toEqual([[], []])
  expect(rounds[1]!.acknowledged).toBeGreaterThan(5)
  expect(rounds[1]!.seq).toBeGreaterThan(20)
}, 900_000)
