/**
 * `npm run bench:settle`: what settlement costs. Goes to bench/results/settle.json:
 *
 *   hashing     Poseidon hashes/s of ours and of poseidon-lite, one thread
 *   netting     1,000,000 fills into net rows; the same journal followed with an engine, commands/s
 *   tree        leaf updates/s where every index is taken, and where two assets of 64 are; 1,000,000
 *               accounts in memory; time of a proof; time to write and to restore a checkpoint
 *   fillsRoot   1,000,000 leaves
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
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { Side } from '../engine/codes.js'
import { EVENT_WORDS, Ev } from '../engine/layout.js'
import { depositRecord, openAccountRecord } from '../settlement/chain-watcher.js'
import { FILL_BYTES, FillLeaves, fillProof, fillsRoot, verifyFill } from '../settlement/fills-root.js'
import { Follower } from '../settlement/follow.js'
import { Net, assertConserved, indexOf } from '../settlement/net.js'
import { emptyRoots, rootOfProof, StateTree } from '../settlement/tree.js'
import { NodeMemory } from '../settlement/node-memory.js'
import { TreeStore } from '../settlement/tree-store.js'
import { JournalFixture, placeRecord } from '../settlement/test/journal-fixture.js'
import { machine } from './machine.js'

const FILLS = 1_000_000
const ACCOUNTS = 100_000
const TREE_ACCOUNTS = 1_000_000
const UPDATE_ROWS = 20_000
const HASHES = 50_000
const JOURNAL_TRADES = 1_000_000
const PROOFS = 3
const OWNER = '0x00000000000000000000000000000000000000a1'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const results = join(root, 'bench', 'results')
const say = (text: string): void => void process.stderr.write(`${text}\n`)
const seconds = (work: () => void): number => {
  const startedAtMs = performance.now()
  work()
  return (performance.now() - startedAtMs) / 1000
}
const rate = (count: number, took: number): number => Math.round(count / took)
const expect = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`bench: ${what} does not hold`)
}

/** xorshift32, so that every run does the same work. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

function hashing() {
  const nodes = new NodeMemory(emptyRoots)
  const [a, b] = [nodes.ensure(2, 27), nodes.ensure(3, 27)]
  const list = new Int32Array(3 * HASHES)
  const fill = (): void => {
    for (let at = 0; at < list.length; at += 3) list.set([a, b, a], at)
  }
  fill()
  nodes.hash(list)
  fill()
  nodes.store(a, 1n)
  nodes.store(b, 2n)
  const ours = seconds(() => nodes.hash(list))
  let expected = 1n
  const lite = seconds(() => {
    for (let step = 0; step < HASHES / 10; step++) expected = poseidon2([expected, 2n])
  })
  nodes.store(a, 1n)
  for (let at = 0; at < (3 * HASHES) / 10; at += 3) list.set([a, b, a], at)
  nodes.hash(list.subarray(0, (3 * HASHES) / 10))
  expect(nodes.load(a) === expected, 'our hash chain equals poseidon-lite’s')
  return { oursPerSecond: rate(HASHES, ours), poseidonLitePerSecond: rate(HASHES / 10, lite) }
}

function netting() {
  const next = random(23)
  const net = new Net()
  const add = (): void => {
    for (let fill = 0; fill < FILLS; fill++) {
      const [maker, taker] = [1 + (next() % ACCOUNTS), 1 + (next() % ACCOUNTS)]
      const [base, quote] = [1 + (next() % 1000), 1 + (next() % 1_000_000)]
      net.add(indexOf(taker, 1), base)
      net.add(indexOf(taker, 0), -quote - 5)
      net.add(indexOf(maker, 1), -base)
      net.add(indexOf(maker, 0), quote - 2)
      net.add(indexOf(0, 0), 7)
    }
  }
  const adding = seconds(add)
  let rows = net.rows()
  const took = adding + seconds(() => (rows = net.rows()))
  assertConserved(rows, [], [])
  return { fills: FILLS, accounts: ACCOUNTS, rows: rows.indices.length, seconds: round(took), ...following() }
}

const round = (value: number): number => Math.round(value * 1000) / 1000

/** A journal of crossing orders, followed with an engine as settlement and the auditor do. */
function following() {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-bench-'))
  const journal = new JournalFixture(dataDir)
  const traders = 1000
  const next = random(7)
  let position = 0
  for (let account = 1; account <= traders; account++)
    journal.append(
      openAccountRecord(account, OWNER),
      depositRecord(account, 0, 2 ** 40, position++),
      depositRecord(account, 1, 2 ** 40, position++),
    )
  let cloid = 1
  for (let trade = 0; trade < JOURNAL_TRADES;) {
    const records: Int32Array[] = []
    for (let at = 0; at < 500 && trade < JOURNAL_TRADES; at++, trade++) {
      const ticks = 1000 + (next() % 8)
      records.push(
        placeRecord(1 + (next() % traders), Side.Sell, ticks, 3, cloid++),
        placeRecord(1 + (next() % traders), Side.Buy, ticks, 3, cloid++),
      )
    }
    journal.append(...records)
  }
  journal.close()
  const follower = new Follower({ dataDir })
  const took = seconds(() => void follower.advance(() => false))
  const range = follower.close()
  follower.stop()
  rmSync(dataDir, { recursive: true })
  return {
    followed: {
      commands: range.lastSeq,
      fills: range.fills.length / FILL_BYTES,
      seconds: round(took),
      commandsPerSecond: rate(range.lastSeq, took),
    },
  }
}

async function tree() {
  const threads = Math.min(4, availableParallelism())
  const measured: Record<string, number> = {}
  const kinds = {
    'every index taken': Int32Array.from({ length: UPDATE_ROWS }, (_, at) => at),
    'two assets of 64': Int32Array.from({ length: UPDATE_ROWS }, (_, at) => ((at >> 1) << 6) | (at & 1)),
  }
  for (const count of new Set([1, threads]))
    for (const [kind, indices] of Object.entries(kinds)) {
      const one = new StateTree(count)
      one.update(indices, new Float64Array(UPDATE_ROWS).fill(1))
      const took = seconds(() => one.update(indices, new Float64Array(UPDATE_ROWS).fill(2)))
      measured[`${kind}, ${count} thread${count > 1 ? 's' : ''}, leaf updates/s`] = rate(UPDATE_ROWS, took)
      const proof = one.proof(indices[7]!)
      expect(rootOfProof(proof.index, 2, proof.siblings) === one.root, 'a proof leads to the root')
      await one.close()
    }
  return { ...measured, ...(await large(threads)) }
}

/** A million accounts with two assets each. */
async function large(threads: number) {
  const before = process.memoryUsage.rss()
  const whole = new StateTree(threads)
  const buildSeconds = seconds(() => {
    for (let from = 0; from < TREE_ACCOUNTS; from += 50_000) {
      const indices = Int32Array.from({ length: 100_000 }, (_, at) => ((from + (at >> 1)) << 6) | (at & 1))
      whole.update(
        indices,
        Float64Array.from(indices, (index) => index + 1),
      )
      say(`  ${from + 50_000} accounts`)
    }
  })
  const memoryMiB = Math.round((process.memoryUsage.rss() - before) / 2 ** 20)
  const next = random(11)
  const proofs = 1000
  const proofSeconds = seconds(() => {
    for (let at = 0; at < proofs; at++) whole.proof(((next() % TREE_ACCOUNTS) << 6) | (at & 1))
  })
  const scattered = Int32Array.from(
    new Set(Array.from({ length: 2000 }, () => (next() % TREE_ACCOUNTS) << 6)),
  ).sort()
  const scatteredSeconds = seconds(() => whole.update(scattered, new Float64Array(scattered.length).fill(3)))
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-bench-'))
  const store = new TreeStore(folder)
  const checkpointSeconds = seconds(() => store.checkpoint(1, whole))
  const restored = new StateTree()
  const record = { header: { number: 1n, newRoot: whole.root } } as never
  const restoreSeconds = seconds(() => new TreeStore(folder).restore(restored, 1, () => record))
  expect(restored.root === whole.root, 'the restored tree has the root')
  rmSync(folder, { recursive: true })
  await whole.close()
  return {
    large: {
      accounts: TREE_ACCOUNTS,
      leaves: 2 * TREE_ACCOUNTS,
      nodes: whole.nodeCount,
      threads,
      buildSeconds: round(buildSeconds),
      leafUpdatesPerSecond: rate(2 * TREE_ACCOUNTS, buildSeconds),
      scatteredUpdatesPerSecond: rate(scattered.length, scatteredSeconds),
      memoryMiB,
      proofMs: round((1000 * proofSeconds) / proofs),
      checkpointSeconds: round(checkpointSeconds),
      restoreSeconds: round(restoreSeconds),
    },
  }
}

function fills() {
  const next = random(5)
  const leaves = new FillLeaves()
  const words = new Int32Array(EVENT_WORDS)
  const floats = new Float64Array(words.buffer)
  const frame = Uint8Array.from({ length: 32 }, (_, at) => at)
  const encodeSeconds = seconds(() => {
    for (let fill = 0; fill < FILLS; fill++) {
      words[Ev.TICKS] = next() & 0xffff
      words[Ev.LOTS] = next() & 0xffff
      floats[Ev.SEQ_F64] = fill
      leaves.add(words, floats, 0, 0, frame, frame)
    }
  })
  let top: Uint8Array = new Uint8Array(0)
  const rootSeconds = seconds(() => (top = fillsRoot(leaves.all())))
  expect(verifyFill(top, fillProof(leaves.all(), 777_777)), 'a fill’s proof leads to the fills root')
  return { leaves: FILLS, encodeSeconds: round(encodeSeconds), rootSeconds: round(rootSeconds) }
}

interface ProofFigures {
  readonly proofMs: number[]
  readonly memoryMiB: number
}

const program = join(dirname(fileURLToPath(import.meta.url)), 'settle-prover.js')

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
    `to settle with proofs (${table.at(-1)!.gasPerFill} gas a fill); without netting, ${table[0]!.gasPerFill} gas a fill.`
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
await part('fillsRoot', fills)
await part('tree', tree)
if (!values.quick) await part('proving', () => proving(sizes))
await part('cost', () => cost(Math.max(...sizes)))
report.loadAverageAtEnd = loadavg().map(round)
writeFileSync(join(results, 'settle.json'), `${JSON.stringify(report, null, 2)}\n`)
