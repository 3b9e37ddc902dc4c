/** bench/results/gas.md is of these contracts: what is measured now lies within a part in fifty of what it says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../contracts/scripts/compile.js'
import { type Figures, measureGas } from './gas/measure.js'

const TOLERANCE = 0.02

test('gas.json says what is measured, or npm run bench:gas has to be run', async () => {
  const path = join(repositoryRoot, 'bench', 'results', 'gas.json')
  const kept = JSON.parse(readFileSync(path, 'utf8')) as Figures
  const figures = ({ gas, commits }: Figures): Record<string, number> => ({
    ...gas,
    ...Object.fromEntries(
      commits.flatMap(({ rows, commitGas, proofGas }) => [
        [`commit of ${rows} rows`, commitGas],
        [`proofs of ${rows} rows`, proofGas],
      ]),
    ),
  })
  const measured = figures(await measureGas())
  const said = figures(kept)
  expect(Object.keys(said)).toEqual(Object.keys(measured))
  for (const [name, gas] of Object.entries(measured))
    expect({ name, is: Math.abs(said[name]! / gas - 1) < TOLERANCE, gas }).toEqual({ name, is: true, gas })
})
