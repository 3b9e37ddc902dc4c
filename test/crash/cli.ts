/** `npm run crash -- --rounds 50 --seed S --traders N`: the crash test in long mode, with a line a round. */
import { parseArgs } from 'node:util'
import { runCrashTest } from './crash.js'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    traders: { type: 'string', default: '6' },
  },
})
const report = await runCrashTest({
  rounds: Number(values.rounds),
  seed: Number(values.seed),
  traders: Number(values.traders),
  onRound: (round, orders) => process.stdout.write(`round ${round}: ${orders} orders\n`),
})
process.stdout.write(`${JSON.stringify(report)}\n`)
