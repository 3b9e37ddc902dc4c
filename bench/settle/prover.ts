/**
 * One prover process of bench/settle.ts, so that its memory is its own. Prints one JSON line of figures.
 *
 *   node prover.js ROWS key      compiles the circuit, builds the development key for ROWS rows and tries it
 *   node prover.js ROWS PROOFS   proves a chunk PROOFS times, after a warm-up and a line of input
 */
import { performance } from 'node:perf_hooks'
import { readFileSync, statSync } from 'node:fs'
import { encodeRows, evaluateChunk } from '../../settlement/batch/commit.js'
import type { BatchRecord } from '../../settlement/store/store.js'
import { StateTree, TREE_DEPTH } from '../../settlement/tree/tree.js'
import { BatchWitness } from '../../settlement/follow/witness.js'
import { compileCircuit } from '../../settlement/prover/circuit.js'
import { developmentKey } from '../../settlement/prover/keys.js'
import { ChunkProver } from '../../settlement/prover/prove.js'
import { readR1cs } from '../../settlement/prover/r1cs.js'

const rowsPerChunk = Number(process.argv[2])
const task = process.argv[3]!
const Z = 0x123456789abcdef0123456789abcdef0n

const timed = async <T>(work: () => Promise<T>): Promise<[T, number]> => {
  const startedAtMs = performance.now()
  const result = await work()
  return [result, Math.round(performance.now() - startedAtMs)]
}

/** Peak of resident memory since this program began (the parent's does not count, as in maxRSS it would). */
const peakMiB = (): number =>
  Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024)
const finish = (figures: Record<string, unknown>): never => {
  process.stdout.write(`${JSON.stringify(figures)}\n`)
  process.exit(0)
}

const [circuit, compileMs] = await timed(() => compileCircuit({ rows: rowsPerChunk, depth: TREE_DEPTH }))
const [key, keyMs] = await timed(() => developmentKey({ rows: rowsPerChunk, depth: TREE_DEPTH }))
if (task === 'key') {
  const keyMemoryMiB = peakMiB()
  const constraints = readR1cs(circuit.r1cs).constraints.length
  const constraintsPerRow = Math.round(constraints / rowsPerChunk)
  const keyBytes = statSync(key.zkey).size
  finish({ rows: rowsPerChunk, constraints, constraintsPerRow, compileMs, keyMs, keyBytes, keyMemoryMiB })
}

// A chunk as trading makes it: rows of neighbouring accounts, two assets each.
const [before, after] = [new StateTree(), new StateTree()]
const indices = Int32Array.from({ length: rowsPerChunk }, (_, row) => ((row >> 1) << 6) | (row & 1))
const balances = Float64Array.from(indices, (_, row) => 1_000_000 + row)
const deltas = Float64Array.from(indices, (_, row) => (row % 2 === 0 ? -1 : 1) * (row + 1))
for (const tree of [before, after]) tree.update(indices, balances)
after.update(
  indices,
  balances.map((units, row) => units + deltas[row]!),
)
const rows = { indices, deltas }
const record = {
  header: { number: 1n },
  data: { rows: encodeRows(rows), chunkRoots: [after.root] },
  rowsPerChunk,
} as unknown as BatchRecord
const inputs = new BatchWitness(record, (node) => before.nodeBefore(node, [])).inputs(0, [
  before.root,
  after.root,
  Z,
  evaluateChunk(rows, 0, rowsPerChunk, Z),
])
const prover = new ChunkProver(key.circuit, key.zkey, key.verificationKey)
await prover.prove(inputs)
process.stdout.write('ready\n')
// All processes of a measurement begin at once: the parent says when.
await new Promise((resolve) => process.stdin.once('data', resolve))
const proofMs: number[] = []
for (let proof = 0; proof < Number(task); proof++) proofMs.push((await timed(() => prover.prove(inputs)))[1])
finish({ proofMs, memoryMiB: peakMiB() })
