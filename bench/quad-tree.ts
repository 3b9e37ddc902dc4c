/**
 * `npm run bench:tree`: what the state tree of page proofs costs. Writes bench/results/quad-tree.json, and
 * quad-tree.md with the figures and their target:
 *
 *   hashing     nodes/s of ours, of the definition in bigint, and Poseidon of the binary tree, one thread
 *   building    a tree of 1,000,000 accounts, one group of assets each: rows/s, memory
 *   sealing     batches of rows scattered over these accounts, in pages of 1,024: rows/s and hashes a row, by threads
 *   the rest    a proof, taking back and doing again, a checkpoint's dump and restore
 *
 * Times are of the processor, all threads together, as machines are shared: so many a second of one core. What the
 * clock said stands beside, for sealing.
 *
 * Each part checks what it computed: the hash against its definition, roots of one thread against those of several,
 * proofs against the root.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CHILDREN } from '../settlement/quad-tree/element.js'
import { QuadNodes } from '../settlement/quad-tree/quad-nodes.js'
import {
  QUAD_DEPTH,
  QuadTree,
  emptyQuadRoots,
  verifyLeafProof,
  type LeafDeltas,
} from '../settlement/quad-tree/quad-tree.js'
import { readElement } from '../settlement/quad-tree/element.js'
import { nodeReference } from '../settlement/quad-tree/poseidon2-reference.js'
import type { TreeChanges } from '../settlement/quad-tree/tree-changes.js'
import { expect, random, rate, round, say } from './settle/common.js'
import { NodeMemory } from '../settlement/tree/node-memory.js'
import { emptyRoots } from '../settlement/tree/tree.js'
import { machine } from './support/machine.js'

const ACCOUNTS = 1_000_000
const PAGE_ROWS = 1024
const HASHES = 50_000
const ROUNDS = 5
const BATCHES = [4096, 20_480]
const TARGET_ROWS_PER_SECOND = 50_000

const results = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bench', 'results')

/** Seconds of the processor that `work` took, in all threads. */
function seconds(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

function hashing() {
  const nodes = new QuadNodes(emptyQuadRoots)
  const family = nodes.ensure(1, QUAD_DEPTH - 1)
  const jobs = new Int32Array(HASHES * 2)
  const targets = [nodes.ensure(4, QUAD_DEPTH - 2), nodes.ensure(5, QUAD_DEPTH - 2)]
  for (let job = 0; job < HASHES; job++) jobs.set([family, targets[job & 1]!], job * 2)
  nodes.hash(jobs)
  const ours = median(Array.from({ length: ROUNDS }, () => seconds(() => nodes.hash(jobs))))
  const pairs = new NodeMemory(emptyRoots)
  const binary = median(
    Array.from({ length: ROUNDS }, () =>
      seconds(() => pairs.hash(Int32Array.from({ length: 3 * HASHES }, (_, at) => at % 3))),
    ),
  )
  const children = Array.from({ length: CHILDREN }, () => emptyQuadRoots[QUAD_DEPTH - 1]!)
  let expected = 0n
  const count = HASHES / 50
  const bigint = seconds(() => {
    for (let step = 0; step < count; step++) expected = nodeReference(children)
  })
  for (const at of targets) expect(readElement(nodes.words, at) === expected, 'our node is as defined')
  return {
    nodesPerSecond: rate(HASHES, ours),
    byDefinitionPerSecond: rate(count, bigint),
    binaryPoseidonPerSecond: rate(HASHES, binary),
  }
}

function building(tree: QuadTree) {
  const before = process.memoryUsage.rss()
  const took = seconds(() => {
    for (let from = 0; from < ACCOUNTS; from += 50_000) {
      const leaves = Int32Array.from({ length: 50_000 }, (_, at) => from + at)
      tree.update({ leaves, deltas: new Float64Array(leaves.length * 4).fill(1_000_000) })
    }
  })
  return {
    accounts: ACCOUNTS,
    nodes: tree.nodeCount,
    rowsPerSecond: rate(ACCOUNTS, took),
    memoryMiB: Math.round((process.memoryUsage.rss() - before) / 2 ** 20),
  }
}

/** Pages of a batch of `rows` accounts, drawn. */
function scattered(rows: number, next: () => number): LeafDeltas[] {
  const drawn = new Set<number>()
  while (drawn.size < rows) drawn.add(next() % ACCOUNTS)
  const leaves = Int32Array.from(drawn).sort()
  return Array.from({ length: Math.ceil(rows / PAGE_ROWS) }, (_, page) => {
    const part = leaves.subarray(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)
    const deltas = new Float64Array(part.length * 4)
    part.forEach((leaf, row) => {
      deltas[row * 4 + (leaf & 3)] = 1 + (leaf % 1000)
      deltas[row * 4 + ((leaf + 1) & 3)] = -1 - (leaf % 1000)
    })
    return { leaves: part, deltas }
  })
}

/** The batches, one after the other: median rows/s of each size, over rounds. */
function sealing(tree: QuadTree) {
  const next = random(23)
  return BATCHES.map((rows) => {
    const rates: number[] = []
    const clockRates: number[] = []
    let hashes = 0
    for (let turn = 0; turn < ROUNDS; turn++) {
      const pages = scattered(rows, next)
      let changes: TreeChanges[] = []
      const startedAtMs = performance.now()
      rates.push(
        rate(
          rows,
          seconds(() => (changes = pages.map((page) => tree.update(page)))),
        ),
      )
      clockRates.push(rate(rows, (performance.now() - startedAtMs) / 1000))
      hashes = changes.reduce((sum, { keys }) => sum + keys.length, 0) - rows
    }
    return {
      rows,
      rowsPerCpuSecond: median(rates),
      rowsPerSecond: median(clockRates),
      hashesPerRow: round(hashes / rows),
    }
  })
}

function others(tree: QuadTree) {
  const next = random(11)
  const { root } = tree
  const proofs = 1000
  const proofSeconds = seconds(() => {
    for (let at = 0; at < proofs; at++) tree.proof(next() % ACCOUNTS)
  })
  expect(verifyLeafProof(tree.proof(next() % ACCOUNTS), root), 'a proof leads to the root')
  const changes = scattered(BATCHES[1]!, next).map((page) => tree.update(page))
  const sealed = tree.root
  const undoSeconds = seconds(() => {
    for (const page of [...changes].reverse()) tree.undo(page)
  })
  expect(tree.root === root, 'a batch that is taken back leaves the root before it')
  const redoSeconds = seconds(() => {
    for (const page of changes) tree.redo(page)
  })
  expect(tree.root === sealed, 'and done again, the root behind it')
  let dump: ReturnType<QuadTree['dump']> | undefined
  const dumpSeconds = seconds(() => (dump = tree.dump()))
  const restored = new QuadTree()
  const restoreSeconds = seconds(() => restored.restore(dump!))
  expect(restored.root === sealed, 'the restored tree has the root')
  return {
    proofMs: round((1000 * proofSeconds) / proofs),
    undoRowsPerSecond: rate(BATCHES[1]!, undoSeconds),
    redoRowsPerSecond: rate(BATCHES[1]!, redoSeconds),
    dumpSeconds: round(dumpSeconds),
    restoreSeconds: round(restoreSeconds),
  }
}

const report: Record<string, unknown> = { machine: machine(), loadAverageAtStart: loadavg().map(round) }
const hashes = hashing()
say(JSON.stringify(hashes))
const threads = Math.min(4, availableParallelism())
const trees: { threads: number; root: bigint; building: unknown; sealing: ReturnType<typeof sealing> }[] = []
let rest: ReturnType<typeof others> | undefined
for (const count of new Set([1, threads])) {
  const tree = new QuadTree(count)
  const built = building(tree)
  say(JSON.stringify({ threads: count, ...built }))
  const sealed = sealing(tree)
  say(JSON.stringify({ threads: count, sealed }))
  trees.push({ threads: count, root: tree.root, building: built, sealing: sealed })
  if (count === threads) rest = others(tree)
  await tree.close()
}
expect(new Set(trees.map(({ root }) => root)).size === 1, 'any number of threads gives one root')
Object.assign(report, {
  hashing: hashes,
  trees: trees.map(({ root, ...tree }) => ({ ...tree, root: String(root) })),
  ...rest,
  loadAverageAtEnd: loadavg().map(round),
})
mkdirSync(results, { recursive: true })
writeFileSync(join(results, 'quad-tree.json'), `${JSON.stringify(report, null, 2)}\n`)

const { cpu, cores, node, date, commit } = machine()
const lines = [
  '# State tree of page proofs',
  '',
  `\`npm run bench:tree\` on ${cpu}, ${cores} cores, Node ${node}, ${date.slice(0, 10)}, commit ${commit}; load average at the start ${loadavg()[2]!.toFixed(1)} over a quarter of an hour. Medians of ${ROUNDS} rounds. Seeds 11 and 23. Times are of the processor, all threads together; the clock’s stand beside, and say little on a machine that others use.`,
  '',
  '| hashing | a second of a core |',
  '| --- | ---: |',
  `| nodes, vector code | ${hashes.nodesPerSecond.toLocaleString('en')} |`,
  `| nodes, by definition in bigint | ${hashes.byDefinitionPerSecond.toLocaleString('en')} |`,
  `| Poseidon of two, as the binary tree has it | ${hashes.binaryPoseidonPerSecond.toLocaleString('en')} |`,
  '',
  `Batches of rows scattered over ${ACCOUNTS.toLocaleString('en')} accounts, in pages of ${PAGE_ROWS.toLocaleString('en')}; target ${TARGET_ROWS_PER_SECOND.toLocaleString('en')} rows/s on two cores, so half of it a core:`,
  '',
  '| threads | rows of a batch | rows a second of a core | by the clock | hashes a row |',
  '| ---: | ---: | ---: | ---: | ---: |',
  ...trees.flatMap(({ threads: count, sealing: sealed }) =>
    sealed.map(
      ({ rows, rowsPerCpuSecond, rowsPerSecond, hashesPerRow }) =>
        `| ${count} | ${rows.toLocaleString('en')} | ${rowsPerCpuSecond.toLocaleString('en')} | ${rowsPerSecond.toLocaleString('en')} | ${hashesPerRow} |`,
    ),
  ),
  '',
  `The tree: ${JSON.stringify(trees.at(-1)!.building)}. A proof takes ${rest!.proofMs} ms; a batch is taken back at ${rest!.undoRowsPerSecond.toLocaleString('en')} rows/s and done again at ${rest!.redoRowsPerSecond.toLocaleString('en')}; all nodes are dumped in ${rest!.dumpSeconds} s and restored in ${rest!.restoreSeconds} s.`,
  '',
]
writeFileSync(join(results, 'quad-tree.md'), lines.join('\n'))
