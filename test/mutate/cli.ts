/**
 * `npm run mutate -- --count 200 --seed 1 [--only sdk/] [--out FILE]`: a sample of mutants of the TypeScript code,
 * the suites near each, and a line each as it is judged. Ends with 1 when one survived that accepted.ts does not name.
 * `--keep FILE` holds what was judged, a JSON line each, so that a long sample can be judged in pieces of `--minutes`:
 * the next run of the same sample goes on behind them; `--part 1/2` and `--part 2/2` share one sample and one file.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Random } from '../simulator/random.js'
import { acceptedReason } from './accepted.js'
import { type Mutant, describeMutant, sample } from './mutants.js'
import { MutationBox, type Verdict } from './run.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    suites: { type: 'string', default: '6' },
    without: { type: 'string' },
    'suite-seconds': { type: 'string', default: '300' },
    'at-once': { type: 'string', default: '1' },
    minutes: { type: 'string', default: '600' },
    out: { type: 'string' },
    keep: { type: 'string' },
    part: { type: 'string', default: '1/1' },
  },
})
const root = resolve(fileURLToPath(import.meta.url), '..', '..', '..', '..')
const chosen = sample(root, new Random(Number(values.seed)), Number(values.count), values.only)
const box = new MutationBox(root, {
  suitesMax: Number(values.suites),
  suiteMsMax: Number(values['suite-seconds']) * 1000,
  atOnce: Number(values['at-once']),
  ...(values.without === undefined ? {} : { without: new RegExp(values.without) }),
})
const kept = values.keep !== undefined && existsSync(values.keep) ? readFileSync(values.keep, 'utf8') : ''
const nameOf = ({ file, from, becomes, was }: Mutant): string => JSON.stringify([file, from, was, becomes])
const drawn = new Set(chosen.map(nameOf))
/** Of an older text of the files, or of another sample, nothing is taken over. */
const verdicts = kept
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Verdict)
  .filter(({ mutant }) => drawn.has(nameOf(mutant)))
const judged = new Set(verdicts.map(({ mutant }) => nameOf(mutant)))
const survivors = (): Verdict[] => verdicts.filter(({ by }) => by === undefined)
function report(): string {
  const named = survivors().map(({ mutant, passed }) => {
    const reason = acceptedReason(mutant) ?? 'OPEN'
    return `| ${describeMutant(mutant).replaceAll('|', '\\|')} | ${passed.join(', ')} | ${reason} |`
  })
  const byFolder = [...new Set(verdicts.map(({ mutant }) => mutant.file.split('/')[0]!))]
    .sort()
    .map((folder) => {
      const all = verdicts.filter(({ mutant }) => mutant.file.startsWith(`${folder}/`))
      return `| ${folder} | ${all.length} | ${all.filter(({ by }) => by !== undefined).length} |`
    })
  return `# Mutants of the TypeScript code

\`npm run mutate -- --count ${values.count} --seed ${values.seed}${values.only === '' ? '' : ` --only ${values.only}`} --suites ${values.suites}${values.without === undefined ? '' : ` --without '${values.without}'`}\`: ${verdicts.length} of the sample judged, ${verdicts.length - survivors().length} noticed, ${survivors().length} survived. Each is run on the ${values.suites} suites nearest to it by imports, then on those of test/mutate/further.ts.

| folder | mutants | noticed |
|---|---|---|
${byFolder.join('\n')}

## Survivors

| mutant | passed on it | why it may stay |
|---|---|---|
${named.join('\n')}
${box.unsound.length === 0 ? '' : `\nNot counted, since they failed on the code as it is: ${box.unsound.join(', ')}.\n`}`
}
const end = performance.now() + Number(values.minutes) * 60_000
const [part = 1, parts = 1] = values.part.split('/').map(Number)
for (const [at, mutant] of chosen.entries()) {
  if (at % parts !== part - 1 || judged.has(nameOf(mutant))) continue
  if (performance.now() > end) break
  const verdict = await box.judge(mutant)
  verdicts.push(verdict)
  if (values.keep !== undefined) appendFileSync(values.keep, `${JSON.stringify(verdict)}\n`)
  console.log(
    `${verdict.by === undefined ? 'SURVIVED' : 'noticed'} | ${describeMutant(mutant)} | ${verdict.by ?? ''}`,
  )
  if (values.out !== undefined) writeFileSync(values.out, report())
}
console.log(`${verdicts.length} mutants, ${survivors().length} survived`)
box.close()
process.exit(survivors().every(({ mutant }) => acceptedReason(mutant) !== undefined) ? 0 : 1)
