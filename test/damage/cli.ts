/**
 * `npm run damage -- [--only FILE[:DAMAGE]] [--part I/N] [--base DIR] [--rows FILE] [--out FILE]`: the damage table, a
 * line for each try. Tries that stand in FILE of `--rows` are not made again, so that a table may be made in parts and
 * go on where it stopped; the page is written when no try of it is missing. Exit code 1 with a row that is
 * silently wrong, or refused without the file's name and what to do.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { type DamageRow, type DamageTry, DamageTries, kindOf, triesOf } from './damage.js'
import { foldersIn } from './folders.js'
import { FAULTS } from './judge.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    part: { type: 'string', default: '1/1' },
    base: { type: 'string' },
    rows: { type: 'string' },
    out: { type: 'string', default: 'docs/operating/damage.md' },
  },
})
const part = /^([1-9]\d*)\/([1-9]\d*)$/.exec(values.part)
const [index, parts] = [Number(part?.[1]), Number(part?.[2])]
if (!(index <= parts)) throw new Error(`--part is ${values.part}, not I/N with I from 1 to N`)
const [onlyFile = '', onlyDamage = ''] = values.only.split(':')

const work = mkdtempSync(join(tmpdir(), 'glassbook-damage-'))
const rowsPath = values.rows ?? join(work, 'rows.jsonl')
const rowsNow = (): DamageRow[] =>
  existsSync(rowsPath)
    ? readFileSync(rowsPath, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as DamageRow)
    : []
const rowOf = (rows: readonly DamageRow[], { file, damage }: DamageTry): DamageRow | undefined =>
  rows.find((row) => row.file === kindOf(file) && row.damage === damage)

function page(rows: readonly DamageRow[]): string {
  const text = rows.map(
    ({ file, damage, verdict, words }) =>
      `| \`${file}\` | ${damage} | ${verdict} | ${words.replaceAll(/[|\s]+/g, ' ').slice(0, 300)} |`,
  )
  return `# What a start does with a damaged data folder

Made by \`npm run damage\` (test/damage): in a copy of a folder with trades, batches, snapshots and an archive, one file of each kind is damaged, and the exchange is started. After a start fills, orders, balances, batches and the receipt key are compared with those of before, one trade more is made and settled, and \`glassbook replay --rpc\` is compared with the chain. "Named when read": a start does not need the file, and the replay names it. "Not tried": the folder has no such state of the file.

| file | damage | outcome | words |
| --- | --- | --- | --- |
${text.join('\n')}
`
}

try {
  const folders = await foldersIn(values.base ?? join(work, 'base'))
  const all = triesOf(folders.whole)
  const asked = all.filter(
    ({ file, damage }, at) =>
      at % parts === index - 1 && kindOf(file).includes(onlyFile) && damage.startsWith(onlyDamage),
  )
  const missing = asked.filter((each) => rowOf(rowsNow(), each) === undefined)
  if (missing.length > 0) {
    const tries = await DamageTries.begin(folders, join(work, 'tried'))
    for (const each of missing) {
      const row = `${JSON.stringify(await tries.row(each))}\n`
      appendFileSync(rowsPath, row)
      process.stdout.write(row)
    }
  }
  const rows = all.map((each) => rowOf(rowsNow(), each))
  const left = rows.filter((row) => row === undefined).length
  const made = rows.filter((row) => row !== undefined)
  if (left === 0) {
    mkdirSync(dirname(values.out), { recursive: true })
    writeFileSync(values.out, page(made))
  } else process.stderr.write(`${left} of ${all.length} tries are missing: ${values.out} is not written\n`)
  process.exitCode = made.some(({ verdict }) => FAULTS.includes(verdict)) ? 1 : 0
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 20 })
}
