/**
 * `npm run mutate -- --count 200 --seed 1 [--only sdk/] [--out FILE]`: a sample of mutants of the TypeScript code,
 * the suites near each, and a line each as it is judged. Ends with 1 when one survived that accepted.ts does not name.
 * `--keep FILE` holds what was judged, a JSON line each, so that a long sample can be judged in pieces of `--minutes`:
 * the next run of the same sample goes on behind them, and judges survivors again when it is `--again`.
 * `--part 1/2` and `--part 2/2` share one sample and one file. GLASSBOOK_RUNS=150 shortens the random sessions.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Random } from '../simulator/random.js'
import { acceptedReason } from './accepted.js'
import { Compiler } from './compiler.js'
import { type Mutant, describeMutant, sample } from './mutants.js'
import { type Baseline, MutationBox, type Verdict } from './run.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    suites: { type: 'string', default: '6' },
    without: { type: 'string' },
    'suite-seconds': { type: 'string', default: '120' },
    minutes: { type: 'string', default: '600' },
    out: { type: 'string' },
    keep: { type: 'string' },
    again: { type: 'boolean', default: false },
    part: { type: 'string', default: '1/1' },
  },
})
const root = resolve(fileURLToPath(import.meta.url), '..', '..', '..', '..')
const chosen = sample(root, new Random(Number(values.seed)), Number(values.count), values.only)
const nameOf = ({ file, from, becomes, was }: Mutant): string => JSON.stringify([file, from, was, becomes])
const drawn = new Map(chosen.map((mutant) => [nameOf(mutant), mutant]))
const keep = (line: Verdict | Baseline): void => {
  if (values.keep !== undefined) appendFileSync(values.keep, `${JSON.stringify(line)}\n`)
}
const kept = values.keep !== undefined && existsSync(values.keep) ? readFileSync(values.keep, 'utf8') : ''
const lines = kept
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Verdict | Baseline)
const verdicts = new Map<string, Verdict>()
/** Of an older text of the files, or of another sample, nothing is taken over; of two verdicts the later one counts. */
for (const line of lines)
  if ('mutant' in line && drawn.has(nameOf(line.mutant))) verdicts.set(nameOf(line.mutant), line)
const hasSurvived = ({ by, refusal }: Verdict): boolean => by === undefined && refusal === undefined
if (values.again) for (const [name, verdict] of verdicts) if (hasSurvived(verdict)) verdicts.delete(name)
const box = new MutationBox(root, {
  suitesMax: Number(values.suites),
  suiteMsMax: Number(values['suite-seconds']) * 1000,
  ...(values.without === undefined ? {} : { without: new RegExp(values.without) }),
  baselines: lines.filter((line): line is Baseline => 'suite' in line),
  onBaseline: keep,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    box.close()
    process.exit(1)
  })
const compiler = new Compiler(root)
const count = (of: (verdict: Verdict) => boolean, folder = ''): number =>
  [...verdicts.values()].filter((verdict) => verdict.mutant.file.startsWith(folder) && of(verdict)).length
const isMutant = ({ refusal }: Verdict): boolean => refusal === undefined
const isNoticed = ({ by }: Verdict): boolean => by !== undefined
const survivors = (): Verdict[] => [...verdicts.values()].filter(hasSurvived)
const inTable = (words: string): string => words.replaceAll('|', '\\|')

function report(): string {
  const named = survivors().map(
    ({ mutant, passed }) =>
      `| ${inTable(describeMutant(mutant))} | ${passed.join(', ')} | ${acceptedReason(mutant) ?? 'OPEN'} |`,
  )
  const byFolder = [...new Set(chosen.map(({ file }) => `${file.split('/')[0]!}/`))]
    .sort()
    .map((folder) => `| ${folder} | ${count(isMutant, folder)} | ${count(isNoticed, folder)} |`)
  const leftOut = box.leftOut.map(({ suite, unsound }) => `${suite} (${unsound ?? 'takes too long'})`)
  return `# Mutants of the TypeScript code

\`npm run mutate -- --count ${values.count} --seed ${values.seed}${values.only === '' ? '' : ` --only ${values.only}`} --suites ${values.suites}${values.without === undefined ? '' : ` --without '${values.without}'`}\`: ${verdicts.size} of the sample judged. ${count((verdict) => !isMutant(verdict))} do not compile and count as none; of the other ${count(isMutant)}, ${count(isNoticed)} are noticed and ${survivors().length} survive. Each is run on the ${values.suites} suites nearest to it by imports, then on those of test/mutate/further.ts.

| folder | mutants | noticed |
|---|---|---|
${byFolder.join('\n')}

## Survivors

| mutant | passed on it | why it may stay |
|---|---|---|
${named.join('\n')}
${leftOut.length === 0 ? '' : `\nJudge nothing, since they fail or do not end on the code as it is: ${leftOut.join(', ')}.\n`}`
}

const end = performance.now() + Number(values.minutes) * 60_000
const [part = 1, parts = 1] = values.part.split('/').map(Number)
for (const [at, mutant] of chosen.entries()) {
  if (at % parts !== part - 1 || verdicts.has(nameOf(mutant))) continue
  if (performance.now() > end) break
  const refusal = compiler.refusal(mutant)
  const verdict = refusal === undefined ? await box.judge(mutant) : { mutant, passed: [], refusal }
  verdicts.set(nameOf(mutant), verdict)
  keep(verdict)
  const judgement = refusal !== undefined ? 'no mutant' : hasSurvived(verdict) ? 'SURVIVED' : 'noticed'
  console.log(`${judgement} | ${describeMutant(mutant)} | ${refusal ?? verdict.by ?? ''}`)
  if (values.out !== undefined) writeFileSync(values.out, report())
}
if (values.out !== undefined) writeFileSync(values.out, report())
console.log(`${count(isMutant)} mutants, ${count(isNoticed)} noticed, ${survivors().length} survived`)
box.close()
process.exit(survivors().every(({ mutant }) => acceptedReason(mutant) !== undefined) ? 0 : 1)
