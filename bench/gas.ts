/**
 * `npm run bench:gas`: writes what bench/gas/measure.ts measures to bench/results/gas.json and gas.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compilerSettings, repositoryRoot, solcVersion } from '../contracts/scripts/compile.js'
import { ACCOUNTS, type Figures, ROWS_PER_CHUNK, measureGas } from './gas/measure.js'
import { type Machine, machine } from './support/machine.js'

function markdown({ gas, commits, fills }: Figures, { date, commit }: Machine): string {
  const lines = [
    '# Gas',
    '',
    `Whole transactions on anvil, calldata included; solc ${solcVersion}, optimizer runs ${compilerSettings.optimizer.runs}, ` +
      `IR pipeline, EVM ${compilerSettings.evmVersion}; ${ROWS_PER_CHUNK} rows a chunk, each proof really checked. ` +
      `${ACCOUNTS} accounts; nothing is random, so every machine gives these figures for the same contracts: those of ` +
      `${date.slice(0, 10)}, commit ${commit} (Node ${process.version}). Made by \`npm run bench:gas\`.`,
    '',
    '| rows | commit | commit a row | proofs of the batch |',
    '|---:|---:|---:|---:|',
    ...commits.map((c) => `| ${c.rows} | ${c.commitGas} | ${c.commitGasPerRow} | ${c.proofGas} |`),
    '',
    '| call | gas |',
    '|---|---:|',
    ...Object.entries(gas).map(([name, used]) => `| ${name} | ${used} |`),
    '',
    `Gas a fill, from the batch of ${commits.at(-1)!.rows} rows, its own ${commits.at(-1)!.rows / ROWS_PER_CHUNK} proofs (netting ratio = fills for each net row; settle.md takes the costliest proof for every chunk instead):`,
    '',
    '| netting ratio | commit | commit and proofs |',
    '|---:|---:|---:|',
    ...fills.map((f) => `| ${f.nettingRatio} | ${f.commitGasPerFill} | ${f.commitAndProofGasPerFill} |`),
    '',
  ]
  return lines.join('\n')
}

const figures = await measureGas()
const folder = join(repositoryRoot, 'bench', 'results')
mkdirSync(folder, { recursive: true })
const about = machine()
const settings = {
  date: about.date,
  commit: about.commit,
  node: process.version,
  solc: solcVersion,
  ...compilerSettings,
  rowsPerChunk: ROWS_PER_CHUNK,
  accounts: ACCOUNTS,
}
writeFileSync(join(folder, 'gas.json'), `${JSON.stringify({ settings, ...figures }, null, 2)}\n`)
writeFileSync(join(folder, 'gas.md'), markdown(figures, about))
console.log(markdown(figures, about))
