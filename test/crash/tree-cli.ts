/**
 * `npm run crash -- --rounds 50 --seed S [--out FILE]`: the crash test of the whole program in long mode, a
 * line a round; the table goes to FILE, bench/results/crash.md unless given. Exit code 1 when anything did not
 * agree.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type RoundReport, runTreeCrash } from './tree.js'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: 'bench/results/crash.md' },
  },
})
const done: RoundReport[] = []
/** Written after each round: a run that is cut short has its table. */
function save(): void {
  const found = done.filter(({ findings }) => findings.length > 0)
  const rows = done.map(
    ({ round, fault, acknowledged, unknown, fillsSeen, seq, findings }) =>
      `| ${round} | ${fault} | ${acknowledged} | ${unknown} | ${fillsSeen} | ${seq} | ${findings.length === 0 ? 'all agree' : findings.join('; ').replaceAll(/[|\n]/g, ' ')} |`,
  )
  writeFileSync(
    values.out,
    `# Crash test of the whole program

Made by \`npm run crash -- --rounds ${values.rounds} --seed ${values.seed}\` (test/crash/tree.ts): ${done.length} rounds, ${found.length} with a finding. After each round everything runs again, and these are compared: every acknowledged order once in the journal and nothing refused in it, every fill that a client saw, the engine's sums and the journal's state hashes, history against the journal, \`glassbook replay --rpc\` (every batch and root), \`glassbook audit\`.

| round | what happened | acknowledged | answers lost, then found out | fills seen | seq | afterwards |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`,
  )
}
await runTreeCrash({
  rounds: Number(values.rounds),
  seed: Number(values.seed),
  onRound: (report) => {
    done.push(report)
    process.stdout.write(`${JSON.stringify(report)}\n`)
    save()
  },
})
process.exitCode = done.some(({ findings }) => findings.length > 0) ? 1 : 0
