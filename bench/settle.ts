/**
 * `npm run bench:settle`: what settlement costs. Writes bench/results/settle.json, and settle.md with each
 * figure beside its target:
 *
 *   hashing     Poseidon hashes/s of ours and of poseidon-lite, one thread
 *   netting     1,000,000 fills into net rows
 *   replay      a journal of two million commands, followed, and replayed against its batches
 *   fillsRoot   1,000,000 leaves
 *   tree        leaf updates/s where every index is taken, and where two assets of 64 are; 1,000,000
 *               accounts in memory; time of a proof; time to write and to restore a checkpoint
 *   sealing     a full batch with its chunk roots
 *   proving     constraints, key, proof time and memory for N = 1, 7, 16; proven rows/s by processes
 *   cost        gas of bench/results/gas.json for 100,000 fills/s at given netting ratios
 *
 * Each part checks what it computed (roots compared, proofs verified). --quick leaves out the proving;
 * --rows 1,4 proves with other chunk sizes.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machine } from './support/machine.js'
import { round, say } from './settle/common.js'
import { fillsTree, netting, replaying } from './settle/journal.js'
import { settleMarkdown } from './settle/report.js'
import { hashing, sealing, tree } from './settle/tree.js'

const PROOFS = 2

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const results = join(root, 'bench', 'results')

interface ProofFigures {
  readonly proofMs: number[]
  readonly memoryMiB: number
}

const program = join(dirname(fileURLToPath(import.meta.url)), 'settle', 'prover.js')

/** Starts a prover process; `lines` resolves with its first `count` lines of output. */
function startProver(rows: number, task: string, cache: string) {
  const child = spawn(process.execPath, [program, String(rows), task], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, GLASSBOOK_PROVER_CACHE: cache },
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const lines = (count: number): Promise<string[]> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = output.split('\n')
        if (found.length > count) resolve(found.slice(0, count))
      }
      child.stdout.on('data', check)
      child.once('exit', (code) => {
        check()
        reject(new Error(`a prover ended with ${code}`))
      })
      check()
    })
  return { child, lines }
}

/** Prover processes side by side, warmed up, begun at once: their figures and the time they took together. */
async function provers(rows: number, processes: number, cache: string) {
  const running = Array.from({ length: processes }, () => startProver(rows, String(PROOFS), cache))
  await Promise.all(running.map(({ lines }) => lines(1)))
  const startedAtMs = performance.now()
  for (const { child } of running) child.stdin.write('go\n')
  const outputs = await Promise.all(running.map(({ lines }) => lines(2)))
  return {
    figures: outputs.map((output) => JSON.parse(output[1]!) as ProofFigures),
    seconds: (performance.now() - startedAtMs) / 1000,
  }
}

async function proving(sizes: readonly number[]) {
  const cache = mkdtempSync(join(tmpdir(), 'glassbook-bench-keys-'))
  try {
    const chunks = []
    for (const rows of sizes) {
      say(`  key for chunks of ${rows} rows`)
      const [key] = await startProver(rows, 'key', cache).lines(1)
      say(`  ${key!}`)
      const { figures } = await provers(rows, 1, cache)
      const { proofMs, memoryMiB } = figures[0]!
      const best = Math.min(...proofMs)
      chunks.push({
        ...(JSON.parse(key!) as object),
        proofMs: best,
        proofMemoryMiB: memoryMiB,
        rowsPerSecond: round((rows * 1000) / best),
      })
    }
    const byProcesses: Record<string, number> = {}
    const rows = sizes[0]!
    for (let processes = 1; processes <= availableParallelism(); processes *= 2) {
      const run = await provers(rows, processes, cache)
      byProcesses[String(processes)] = round((rows * PROOFS * processes) / run.seconds)
    }
    return {
      chunks,
      rowsPerSecondByProcesses: {
        rowsPerChunk: rows,
        threadsPerProcess: availableParallelism(),
        ...byProcesses,
      },
    }
  } finally {
    rmSync(cache, { recursive: true })
  }
}

interface GasResults {
  readonly commits: readonly {
    readonly rows: number
    readonly commitGasPerRow: number
    readonly proofGas: number
  }[]
  readonly gas: Readonly<Record<string, number>>
}

/** Gas a second at 100,000 fills/s, two rows a fill before netting, with one proof a chunk of N rows. */
function cost(rowsPerChunk: number) {
  const path = join(results, 'gas.json')
  if (!existsSync(path)) return undefined
  const { commits, gas } = JSON.parse(readFileSync(path, 'utf8')) as GasResults
  const largest = commits.reduce((a, b) => (b.rows > a.rows ? b : a))
  const perRow = largest.commitGasPerRow + gas.proveChunk! / rowsPerChunk
  const fillsPerSecond = 100_000
  const table = [1, 10, 100, 1000].map((fillsPerRow) => ({
    fillsPerRow,
    rowsPerSecond: fillsPerSecond / fillsPerRow,
    gasPerSecond: Math.round((fillsPerSecond / fillsPerRow) * perRow),
    gasPerFill: round(perRow / fillsPerRow),
  }))
  const { gasPerSecond } = table.at(-1)!
  const sentence =
    `At 1,000 fills a net row and chunks of ${rowsPerChunk} rows, 100,000 fills/s cost ${gasPerSecond} gas a second ` +
    `to settle with proofs (${table.at(-1)!.gasPerFill} gas a fill, each chunk at the costliest proof of gas.md); without netting, ${table[0]!.gasPerFill} gas a fill.`
  return { fillsPerSecond, rowsPerChunk, gasPerRow: Math.round(perRow), table, sentence }
}

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, rows: { type: 'string', default: '1,7,16' } },
})
const sizes = values.rows.split(',').map(Number)
mkdirSync(results, { recursive: true })
const report: Record<string, unknown> = { machine: machine(), loadAverageAtStart: loadavg().map(round) }
const part = async (name: string, work: () => unknown): Promise<void> => {
  say(name)
  report[name] = await work()
  say(`  ${JSON.stringify(report[name])}`)
}
await part('hashing', hashing)
await part('netting', netting)
await part('replay', replaying)
await part('fillsRoot', fillsTree)
await part('tree', tree)
await part('sealing', sealing)
if (!values.quick) await part('proving', () => proving(sizes))
await part('cost', () => cost(Math.max(...sizes)))
report.loadAverageAtEnd = loadavg().map(round)
writeFileSync(join(results, 'settle.json'), `${JSON.stringify(report, null, 2)}\n`)
writeFileSync(join(results, 'settle.md'), settleMarkdown(report as never))
