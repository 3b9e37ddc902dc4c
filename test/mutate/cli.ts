/**
 * `npm run mutate -- --count 200 --seed 1 [--only sdk/] [--out FILE]`: a sample of mutants of the TypeScript code,
 * the suites near each, and a line each as it is judged. Ends with 1 when one survived that accepted.ts does not name.
 */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Random } from '../simulator/random.js'
import { acceptedReason } from './accepted.js'
import { describeMutant, sample } from './mutants.js'
import { MutationBox, type Verdict } from './run.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    suites: { type: 'string', default: '6' },
    without: { type: 'string' },
    minutes: { type: 'string', default: '600' },
    out: { type: 'string' },
  },
})
const root = resolve(fileURLToPath(import.meta.url), '..', '..', '..', '..')
const chosen = sample(root, new Random(Number(values.seed)), Number(values.count), values.only)
const box = new MutationBox(root, {
  suitesMax: Number(values.suites),
  suiteMsMax: 300_000,
  ...(values.without === undefined ? {} : { without: new RegExp(values.without) }),
})
const verdicts: Verdict[] = []
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

\`npm run mutate -- --count ${values.count} --seed ${values.seed}${values.only === '' ? '' : ` --only ${values.only}`} --suites ${values.suites}${values.without === undefined ? '' : ` --without '${values.without}'`}\`: ${verdicts.length} of the sample judged, ${verdicts.length - survivors().length} noticed, ${survivors().length} survived. Each is run on the ${values.suites} suites nearest to it by imports; a suite further away may notice what these do not.

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
for (const mutant of chosen) {
  if (performance.now() > end) break
  const verdict = await box.judge(mutant)
  verdicts.push(verdict)
  console.log(
    `${verdict.by === undefined ? 'SURVIVED' : 'noticed'} | ${describeMutant(mutant)} | ${verdict.by ?? ''}`,
  )
  if (values.out !== undefined) writeFileSync(values.out, report())
}
console.log(`${verdicts.length} mutants, ${survivors().length} survived`)
box.close()
process.exit(survivors().every(({ mutant }) => acceptedReason(mutant) !== undefined) ? 0 : 1)
