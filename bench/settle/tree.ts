/** Hashing, the state tree, and sealing: parts of bench/settle.ts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { sealBatch } from '../../settlement/follow/batch.js'
import type { Range } from '../../settlement/follow/follow.js'
import { NodeMemory } from '../../settlement/tree/node-memory.js'
import { TreeStore } from '../../settlement/store/tree-store.js'
import { emptyRoots, rootOfProof, StateTree } from '../../settlement/tree/tree.js'
import { ROWS_MAX } from '../../settlement/limits.js'
import { expect, random, rate, round, say, seconds } from './common.js'

const TREE_ACCOUNTS = 1_000_000
const UPDATE_ROWS = 20_000
const HASHES = 50_000

export function hashing() {
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

export async function tree() {
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

/** A full batch of 4,096 rows sealed, with the root of each chunk: rows/s by rows a chunk and threads. */
export async function sealing() {
  const threads = Math.min(4, availableParallelism())
  const measured: Record<string, number> = {}
  const indices = Int32Array.from({ length: ROWS_MAX }, (_, row) => ((1 + (row >> 1)) << 6) | (row & 1))
  const range: Range = {
    firstSeq: 1,
    lastSeq: 1,
    journalHead: new Uint8Array(32),
    rows: { indices, deltas: Float64Array.from(indices, (_, row) => (row % 4 < 2 ? 5 : -5)) },
    deposits: [],
    withdrawals: [],
    fills: new Uint8Array(0),
    depositsConsumed: 0,
  }
  const roots = new Set<bigint>()
  for (const count of new Set([1, threads]))
    for (const rowsPerChunk of [1, 7, 16, ROWS_MAX]) {
      const one = new StateTree(count)
      one.update(indices, new Float64Array(ROWS_MAX).fill(1_000_000))
      let sealed: ReturnType<typeof sealBatch> | undefined
      const took = seconds(() => (sealed = sealBatch(1, range, one, rowsPerChunk)))
      roots.add(sealed!.header.newRoot)
      measured[`${rowsPerChunk} rows a chunk, ${count} thread${count > 1 ? 's' : ''}, rows/s`] = rate(
        ROWS_MAX,
        took,
      )
      await one.close()
    }
  expect(roots.size === 1, 'every way of sealing gives one root')
  return { rows: ROWS_MAX, ...measured }
}
