/**
 * `npm run simulate -- --seed S --runs N [--minutes M]`: runs seeds S, S + 1, … with a progress line;
 * at the first failure prints its seed and the shortest prefix that still fails, and exits with 1.
 */
import { parseArgs } from 'node:util'
import { runSeed, shrink, stepsOf } from './simulate.js'
import { noTotals } from './world.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '2000' },
    minutes: { type: 'string' },
    steps: { type: 'string' },
  },
})

const first = Number(values.seed)
const end = values.minutes === undefined ? first + Number(values.runs) : Infinity
const minutes = values.minutes === undefined ? Infinity : Number(values.minutes)
const totals = noTotals()
const startedMs = Date.now()
let shownMs = startedMs
let seed = first

function line(): string {
  const seconds = (Date.now() - startedMs) / 1000
  const rate = Math.round((totals.commands / seconds) * 60)
  const { commands, boots, crashes, halts, stops, refusals, tornBlocks, snapshots, fallbacks } = totals
  return (
    `${seed - first} runs, ${commands} commands (${rate} a minute), ${boots} starts, ${crashes} crashes, ${halts} halts, ${stops} stops, ` +
    `${tornBlocks} torn blocks, ${refusals} refused starts, ${snapshots} snapshots, ${fallbacks} fallbacks, ${Math.round(seconds)} s`
  )
}

for (; seed < end && Date.now() - startedMs < minutes * 60_000; seed++) {
  const finding = runSeed(seed, values.steps === undefined ? stepsOf(seed) : Number(values.steps), {}, totals)
  if (finding !== undefined) {
    const shortest = shrink(finding)
    process.stdout.write(
      `\nseed ${seed} fails after ${finding.steps} steps; the shortest prefix that fails has ${shortest.steps}:\n` +
        `  npm run simulate -- --seed ${seed} --runs 1 --steps ${shortest.steps}\n${shortest.error}\n`,
    )
    process.exitCode = 1
    break
  }
  if (Date.now() - shownMs > 1000) {
    shownMs = Date.now()
    process.stdout.write(process.stdout.isTTY ? `\r${line()}` : `${line()}\n`)
  }
}
process.stdout.write(`\n${line()}\n`)
