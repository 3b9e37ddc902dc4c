/**
 * `npm run damage -- [--out FILE] [--only TEXT]`: the damage table, a line for each try; exit code 1 with a row that is
 * silently wrong, or refused without the file's name and what to do.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { type DamageRow, FAULTS, damageTable } from './damage.js'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'docs/operating/damage.md' },
    only: { type: 'string', default: '' },
  },
})
mkdirSync(dirname(values.out), { recursive: true })
const rows: DamageRow[] = []
await damageTable(
  (row) => {
    rows.push(row)
    process.stdout.write(`${JSON.stringify(row)}\n`)
    const text = rows.map(
      ({ file, damage, verdict, words }) =>
        `| \`${file}\` | ${damage} | ${verdict} | ${words.replaceAll(/[|\n]/g, ' ').slice(0, 300)} |`,
    )
    writeFileSync(
      values.out,
      `# What a start does with a damaged data folder

Made by \`npm run damage\` (test/damage): in a copy of a folder with trades, batches and a snapshot, one file of each kind is damaged, and the exchange is started. After a start fills, balances and batches are compared with those of before, and \`glassbook replay --rpc\` with the chain. "Not tried": the folder has no such state of the file.

| file | damage | outcome | words |
| --- | --- | --- | --- |
${text.join('\n')}
`,
    )
  },
  (kind) => kind.includes(values.only),
)
process.exitCode = rows.some(({ verdict }) => FAULTS.includes(verdict)) ? 1 : 0
