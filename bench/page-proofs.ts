/**
 * Proofs of pages, circuit by circuit: gates, time and memory of a proof, gas of its verification, and rows a second
 * on scattered and dense pages of a tree of 1,000,000 accounts. Prints Markdown. Needs a quiet machine.
 *
 *   node dist/bench/page-proofs.js [--accounts N]
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createTestClient, encodeFunctionData, http, parseAbi, publicActions, walletActions } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { startAnvil } from '../contracts/anvil/anvil.js'
import { barretenbergProgram, PROOF_FORM } from '../settlement/page-prover/barretenberg.js'
import { PAGE_CIRCUITS, type PageCircuit } from '../settlement/page-prover/page-circuits.js'
import { pageKeys, type PageKey } from '../settlement/page-prover/page-keys.js'
import { PageProver } from '../settlement/page-prover/page-prove.js'
import type { PageJob } from '../settlement/page-prover/page-job.js'
import { verifierCode, verifierSource } from '../settlement/page-prover/page-verifier.js'
import { slotsOf, type Circuit } from '../settlement/pages/cutting.js'
import { evaluateRows, rowsBetween, type LeafRows } from '../settlement/pages/leaf-rows.js'
import { pageJobOf } from '../settlement/pages/page-witness.js'
import { QuadTree } from '../settlement/quad-tree/index.js'
import { machine } from './support/machine.js'

const { values } = parseArgs({ options: { accounts: { type: 'string', default: '1000000' } } })
const ACCOUNTS = Number(values.accounts)
const BATCHES = [4000, 20000]
const RUNS = 3
const Z = 0x1234567890abcdef1234567890abcdefn

let seed = 7
/** From 0 below `end`. */
const random = (end: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * end)
}

/** Every account has balances in the first four assets. */
function filledTree(): QuadTree {
  const tree = new QuadTree()
  const leaves = Int32Array.from({ length: ACCOUNTS }, (_, account) => account)
  const deltas = Float64Array.from({ length: ACCOUNTS * 4 }, () => 2 ** 40 + random(2 ** 30))
  tree.update({ leaves, deltas })
  return tree
}

const rowsOf = (leaves: Int32Array): LeafRows => ({
  leaves,
  deltas: Float64Array.from({ length: leaves.length * 4 }, () => random(2 ** 30) - 2 ** 29),
})

function scatteredBatch(count: number): LeafRows {
  const chosen = new Set<number>()
  while (chosen.size < count) chosen.add(random(ACCOUNTS))
  return rowsOf(Int32Array.from(chosen).sort())
}

/** The longest run of rows, from the middle of the batch on, that the circuit has room for. */
function pageFor(batch: LeafRows, leaves: number, slots: number): LeafRows {
  const from = batch.leaves.length >> 1
  let to = from
  while (
    to < batch.leaves.length &&
    to - from < leaves &&
    slotsOf(batch.leaves.subarray(from, to + 1)) <= slots
  )
    to++
  return rowsBetween(batch, from, to)
}

function jobOf(tree: QuadTree, circuit: Circuit, rows: LeafRows): PageJob {
  const changes = tree.update(rows)
  const node = (key: number): bigint => tree.node(key)
  const before = (key: number): bigint => tree.nodeBefore(key, [changes])
  const inputs = [before(1), node(1), Z, evaluateRows(rows, Z)] as const
  const job = pageJobOf(circuit, rows, { before, behind: node }, inputs)
  tree.undo(changes)
  return job
}

const asCutting = (circuit: PageCircuit): Circuit =>
  circuit.kind === 'list'
    ? { ...circuit, seconds: 0, gas: 0 }
    : { kind: 'dense', name: circuit.name, subtreeLeaves: 4 ** circuit.levels, seconds: 0, gas: 0 }

const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1]!

interface Proved {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly megabytes: number
}

const folder = mkdtempSync(join(tmpdir(), 'page-proofs-'))
const witnessFile = join(folder, 'witness.gz')

/** One proof by the program alone, as the prover runs it, with what the kernel counted of it. */
function proved({ compiled, string, keyFile }: PageKey, threads: number): Promise<Proved> {
  const files = ['-b', compiled.programFile, '-w', witnessFile, '-k', keyFile, '-c', string.folder]
  const command = [
    barretenbergProgram(),
    'prove',
    ...PROOF_FORM,
    ...files,
    '-o',
    mkdtempSync(join(folder, 'proof-')),
  ]
  const startedAtMs = performance.now()
  return new Promise((resolve, reject) => {
    execFile(
      '/usr/bin/time',
      ['-f', '%U %S %M', ...command],
      { env: { ...process.env, HARDWARE_CONCURRENCY: String(threads) } },
      (error, _, errors) => {
        if (error !== null) return reject(error)
        const [user, system, kilobytes] = errors.trim().split('\n').at(-1)!.split(' ').map(Number)
        resolve({
          seconds: (performance.now() - startedAtMs) / 1000,
          cpuSeconds: user! + system!,
          megabytes: kilobytes! / 1024,
        })
      },
    )
  })
}

const verifierAbi = parseAbi(['function verify(bytes proof, bytes32[] publicInputs) view returns (bool)'])
/** Of anvil. */
const account = privateKeyToAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')

/** Gas of a transaction that verifies the proof, its calldata included. */
async function gasOf(rpcUrl: string, key: PageKey, job: PageJob, proof: Uint8Array): Promise<number> {
  const client = createTestClient({ mode: 'anvil', account, transport: http(rpcUrl) })
    .extend(publicActions)
    .extend(walletActions)
  const created = await client.sendTransaction({ data: verifierCode(await verifierSource(key)), chain: null })
  const { contractAddress } = await client.waitForTransactionReceipt({ hash: created })
  const inputs = [job.firstRoot, job.lastRoot, job.z, job.evaluation]
  const data = encodeFunctionData({
    abi: verifierAbi,
    functionName: 'verify',
    args: [
      `0x${Buffer.from(proof).toString('hex')}`,
      inputs.map((value) => `0x${BigInt(value).toString(16).padStart(64, '0')}` as const),
    ],
  })
  const hash = await client.sendTransaction({ to: contractAddress!, data, chain: null })
  const { status, gasUsed } = await client.waitForTransactionReceipt({ hash })
  if (status !== 'success') throw new Error(`the contract refuses a proof of ${key.compiled.circuit.name}`)
  return Number(gasUsed)
}

const print = (...cells: readonly (string | number)[]): void => console.log(`| ${cells.join(' | ')} |`)
const tenths = (value: number): string => value.toFixed(1)

const tree = filledTree()
const batches = BATCHES.map(scatteredBatch)
const chain = await startAnvil({})
try {
  const keys = await pageKeys(PAGE_CIRCUITS)
  const rates: (readonly [string, string, number, number, string, string])[] = []
  let beside = ''
  const { cpu: model, cores, node, date, commit } = machine()
  console.log('# Proofs of pages\n')
  console.log(
    `${model}, ${cores} cores, Node ${node}, ${date}, commit ${commit}; ${ACCOUNTS} accounts, seed 7; medians of ${RUNS}. Load average when it began: ${loadavg()[0]!.toFixed(1)}.\n`,
  )
  print('circuit', 'gates', 'witness, s', 'proof, s', 'CPU, s', 'MB', 'one thread, s', 'gas')
  print('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:')
  for (const key of keys) {
    const { circuit } = key.compiled
    const cutting = asCutting(circuit)
    const pages: (readonly [string, LeafRows])[] =
      circuit.kind === 'list'
        ? batches.map((batch, at) => [
            `of ${BATCHES[at]!} scattered`,
            pageFor(batch, circuit.leaves, circuit.slots),
          ])
        : [
            [
              'every leaf of the subtree',
              rowsOf(Int32Array.from({ length: 4 ** circuit.levels }, (_, at) => at)),
            ],
          ]
    const prover = new PageProver(key)
    const job = jobOf(tree, cutting, pages[0]![1])
    await prover.solve(job)
    const solving: number[] = []
    for (let run = 0; run < RUNS; run++) {
      const startedAtMs = performance.now()
      writeFileSync(witnessFile, await prover.solve(job))
      solving.push((performance.now() - startedAtMs) / 1000)
    }
    const runs: Proved[] = []
    for (let run = 0; run < RUNS; run++) runs.push(await proved(key, cpus().length))
    const alone = await proved(key, 1)
    const proof = await prover.prove(job)
    const seconds = median(runs.map((run) => run.seconds))
    const cpu = median(runs.map(({ cpuSeconds }) => cpuSeconds))
    print(
      circuit.name,
      key.gates,
      median(solving).toFixed(2),
      seconds.toFixed(2),
      tenths(cpu),
      Math.round(Math.max(...runs.map(({ megabytes }) => megabytes))),
      alone.seconds.toFixed(2),
      await gasOf(chain.rpcUrl, key, job, proof),
    )
    for (const [name, { leaves }] of pages)
      rates.push([
        circuit.name,
        name,
        leaves.length,
        slotsOf(leaves),
        tenths(leaves.length / seconds),
        tenths(leaves.length / cpu),
      ])
    if (circuit.name !== 'list-16') continue
    const startedAtMs = performance.now()
    await Promise.all([proved(key, 1), proved(key, 1)])
    const both = (performance.now() - startedAtMs) / 1000
    beside = `Two proofs of list-16 side by side, a thread each: ${both.toFixed(2)} s; one after the other, ${cpus().length} threads each: ${(2 * seconds).toFixed(2)} s.`
  }
  console.log('')
  print('circuit', 'page', 'rows', 'slots', 'rows a second', 'rows a CPU second')
  print('---', '---', '---:', '---:', '---:', '---:')
  for (const rate of rates) print(...rate)
  console.log(`\n${beside}`)
} finally {
  await chain.stop()
  rmSync(folder, { recursive: true, force: true })
}
