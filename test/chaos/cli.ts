/** `npm run chaos -- --minutes 9 --seed 1 --out FILE`: the long mode; ends with 1 when something told was not so. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machine } from '../../bench/support/machine.js'
import { runChaos } from './chaos.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '9' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
})
const { cpu, cores, node } = machine()
const report = await runChaos({ seconds: Number(values.minutes) * 60, seed: Number(values.seed) })
const { faults, findings } = report
const text = `# Trading through a line that cuts, doubles, delays, drops and swaps

\`npm run chaos -- --minutes ${values.minutes} --seed ${values.seed}\`, ${cpu}, ${cores} cores, Node ${node}

The gateway is a process of its own. Three accounts trade with each other through a proxy that reads each message, both ways. Afterwards the journal is
applied to an engine of the test's own: every book that called itself ready is compared at the seq that it named;
every message of the L3 stream is applied and compared; at the end books, orders, fills, their history, balances and the outcome of every command are compared with the journal.

| | |
|---|---|
| messages that passed | ${faults.pass} |
| dropped, doubled, swapped | ${faults.lose}, ${faults.double}, ${faults.swap} |
| delayed up to 200 ms | ${faults.delay} |
| lines cut, connections | ${faults.cut}, ${report.connections} |
| commands whose outcome was told | ${report.commands} |
| of them unknown at first | ${report.unknownOutcomes} |
| fills made; seen by either side | ${report.fills}; ${report.fillsSeen} |
| fill trackers that say "not complete" | ${report.incomplete} of 3 |
| books healed by their checksum | ${report.healedBooks} |
| ready books compared on the way | ${report.booksCompared} |
| L3 books compared, one a message | ${report.l3Compared} |

${findings.length === 0 ? 'Nothing that was told was otherwise.' : `Found:\n\n${findings.map((line) => `- ${line}`).join('\n')}`}
`
process.stdout.write(text)
if (values.out !== undefined) writeFileSync(values.out, text)
process.exit(findings.length === 0 ? 0 : 1)
