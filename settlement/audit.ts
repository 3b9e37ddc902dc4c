/**
 * The audit from chain data alone: rebuilds the state tree and every balance from posted rows, and checks
 * each batch as the contract and the circuit do. Needs no journal and no operator.
 */
import { availableParallelism } from 'node:os'
import type { PublicClient } from 'viem'
import { settlementAbi, vaultAbi } from '../contracts/abi.js'
import type { ChainDeployment } from './chain.js'
import { bytesToHex, challenge, decodeRows, decodeUnits, type BatchData } from './commit.js'
import { readBatches, readDeposits, type PostedBatch, type QueuedDeposit } from './history.js'
import { NotConserved, assertConserved, indexOf, type Rows } from './net.js'
import { StateTree } from './tree.js'

const HASH_THREADS_MAX = 4

export interface Finding {
  readonly batch: number
  /** What differs, with both values. */
  readonly text: string
  /** Place of the row in its batch and its leaf's index, where it is one row. */
  readonly row?: number
  readonly index?: number
}

export interface AuditReport {
  readonly batches: number
  readonly provenBatches: number
  readonly rows: number
  readonly deposits: number
  readonly root: bigint
  readonly provenRoot: bigint
  readonly accountsAndAssets: number
  /** Units per asset that all balances of the last committed root sum to. */
  readonly totals: readonly bigint[]
  readonly findings: readonly Finding[]
}

export interface AuditResult {
  readonly report: AuditReport
  /** The tree after the last batch that agreed. */
  readonly tree: StateTree
  readonly batches: readonly PostedBatch[]
}

/**
 * Audits up to batch `untilBatch` (all unless given). Stops at the first batch that differs; its finding says
 * how. Throws only when the endpoint fails.
 */
export async function audit(
  client: PublicClient,
  deployment: ChainDeployment,
  onProgress: (share: number) => void = () => {},
  untilBatch = Infinity,
): Promise<AuditResult> {
  const batches = (await readBatches(client, deployment, onProgress)).slice(0, untilBatch)
  const deposits = await readDeposits(client, deployment)
  const read = (functionName: 'provenCount' | 'provenRoot' | 'lastRoot' | 'batchCount'): Promise<bigint> =>
    client.readContract({ address: deployment.settlement, abi: settlementAbi, functionName })
  const [provenCount, provenRoot, lastRoot, batchCount] = await Promise.all([
    read('provenCount'),
    read('provenRoot'),
    read('lastRoot'),
    read('batchCount'),
  ])
  const tree = new StateTree(Math.min(HASH_THREADS_MAX, availableParallelism()))
  const findings: Finding[] = []
  const done: Done = { batches: 0, lastSeq: 0n, consumed: 0, rows: 0 }
  for (const batch of batches) {
    findings.push(...checkBatch(tree, deployment, deposits, batch, done))
    if (BigInt(done.batches) === provenCount && findings.length === 0 && tree.root !== provenRoot)
      findings.push({ batch: done.batches, text: `the proven root is ${provenRoot}, rebuilt ${tree.root}` })
    if (findings.length > 0) break
  }
  await tree.close()
  const isWhole = findings.length === 0 && untilBatch === Infinity
  if (isWhole && (tree.root !== lastRoot || BigInt(done.batches) !== batchCount))
    findings.push({
      batch: done.batches,
      text: `the contract has ${batchCount} batches and root ${lastRoot}, rebuilt ${done.batches} and ${tree.root}`,
    })
  const balances = tree.balances()
  const totals = deployment.assets.map(() => 0n)
  for (const [index, units] of balances) totals[index & 63] = (totals[index & 63] ?? 0n) + BigInt(units)
  if (isWhole)
    await compareCustody(client, deployment, totals, deposits.length - done.consumed, findings, done.batches)
  return {
    tree,
    batches,
    report: {
      batches: done.batches,
      provenBatches: Number(provenCount),
      rows: done.rows,
      deposits: deposits.length,
      root: tree.root,
      provenRoot,
      accountsAndAssets: balances.size,
      totals,
      findings,
    },
  }
}

/** What the batches that agreed add up to. */
interface Done {
  batches: number
  lastSeq: bigint
  /** Deposits. */
  consumed: number
  rows: number
}

/**
 * Checks one batch as the contract and the circuit do, and applies it: `tree` and `done` move on when nothing
 * differs, and stay as they were otherwise. Returns what differs.
 */
function checkBatch(
  tree: StateTree,
  deployment: ChainDeployment,
  deposits: readonly QueuedDeposit[],
  batch: PostedBatch,
  done: Done,
): Finding[] {
  const { header, data } = batch
  const number = Number(header.number)
  const findings: Finding[] = []
  const say: Say = (text, row) => void findings.push({ batch: number, text, ...row })
  if (number !== done.batches + 1) say(`number ${number} after ${done.batches}`)
  if (header.firstSeq !== done.lastSeq + 1n) say(`first seq ${header.firstSeq} after ${done.lastSeq}`)
  if (header.oldRoot !== tree.root) say(`old root ${header.oldRoot}, rebuilt ${tree.root}`)
  const consumed = Number(header.depositsConsumed)
  const queued = deposits.slice(done.consumed, consumed)
  if (queued.length !== consumed - done.consumed)
    say(`consumes deposits up to ${header.depositsConsumed}, the queue has ${deposits.length}`)
  let rows: Rows
  try {
    rows = decodeRows(batch.rows)
    assertConserved(
      rows,
      queued.map(({ account, asset, units }) => ({ index: indexOf(account, asset), units })),
      decodeUnits(batch.withdrawals),
    )
  } catch (error) {
    if (!(error instanceof NotConserved || error instanceof RangeError)) throw error
    say(error.message)
    return findings
  }
  if (data !== undefined) compareCalldata(deployment, batch, data, rows, queued, say)
  if (findings.length === 0) applyRows(tree, batch, rows, deployment.constants.rowsPerChunk, say)
  if (findings.length > 0) return findings
  done.batches = number
  done.lastSeq = header.lastSeq
  done.consumed = consumed
  done.rows += rows.indices.length
  return findings
}

type Say = (text: string, row?: { readonly row: number; readonly index: number }) => void

/** What the event tells against what the transaction carries: an endpoint that lies about one is found. */
function compareCalldata(
  deployment: ChainDeployment,
  batch: PostedBatch,
  data: BatchData,
  rows: Rows,
  queued: readonly QueuedDeposit[],
  say: Say,
): void {
  const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b)
  if (!sameBytes(batch.rows, data.rows)) {
    const sent = decodeRows(data.rows)
    const at = Math.max(rows.indices.length, sent.indices.length)
    for (let row = 0; row < at; row++) {
      const [told, carried] = [rows, sent].map(({ indices, deltas }) =>
        row < indices.length ? `index ${indices[row]}, delta ${deltas[row]}` : 'no row',
      )
      if (told === carried) continue
      const index = rows.indices[row] ?? sent.indices[row]!
      say(`row ${row}: the event tells ${told}, the calldata ${carried}`, { row, index })
      break
    }
  }
  if (!sameBytes(batch.withdrawals, data.withdrawals))
    say(
      `the event tells withdrawals ${bytesToHex(batch.withdrawals)}, the calldata ${bytesToHex(data.withdrawals)}`,
    )
  const expected = queued.map(
    ({ account, asset, units, owner }) =>
      indexOf(account, asset).toString(16).padStart(8, '0') +
      units.toString(16).padStart(16, '0') +
      owner.slice(2).toLowerCase(),
  )
  if (bytesToHex(data.deposits) !== `0x${expected.join('')}`)
    say(`consumes deposits ${bytesToHex(data.deposits)}, the queue has 0x${expected.join('')}`)
  const z = challenge(deployment, batch.header, data)
  if (z !== batch.z) say(`z is ${batch.z}, its calldata gives ${z}`)
}

/** Applies a batch and compares each root that was posted; leaves the tree as it was where one differs. */
function applyRows(
  tree: StateTree,
  batch: PostedBatch,
  { indices, deltas }: Rows,
  rowsPerChunk: number,
  say: Say,
): void {
  const balances = Float64Array.from(indices, (index, row) => tree.balanceOf(index) + deltas[row]!)
  const bad = balances.findIndex((balance) => balance < 0 || !Number.isSafeInteger(balance))
  if (bad >= 0)
    return say(`row ${bad}: balance ${balances[bad]} at index ${indices[bad]}`, {
      row: bad,
      index: indices[bad]!,
    })
  tree.beginBatch()
  const roots = tree.updateChunks(indices, balances, rowsPerChunk)
  const root = tree.root
  const changes = tree.endBatch()
  const posted = batch.data?.chunkRoots
  const wrong = posted === undefined ? -1 : roots.findIndex((ours, chunk) => posted[chunk] !== ours)
  if (wrong >= 0) {
    const [from, to] = [wrong * rowsPerChunk, Math.min((wrong + 1) * rowsPerChunk, indices.length)]
    say(
      `root of chunk ${wrong} (rows ${from} to ${to - 1}, indices ${indices.subarray(from, to).join(', ')}) ` +
        `is ${posted![wrong]}, rebuilt ${roots[wrong]}`,
    )
  } else if (batch.header.newRoot !== root) say(`new root is ${batch.header.newRoot}, rebuilt ${root}`)
  else return
  tree.restore(changes.keys, changes.before)
}

/** Solvency: what the vault holds covers every balance of the last root. */
async function compareCustody(
  client: PublicClient,
  deployment: ChainDeployment,
  totals: readonly bigint[],
  unconsumed: number,
  findings: Finding[],
  batch: number,
): Promise<void> {
  for (const { id } of deployment.assets) {
    const custody = await client.readContract({
      address: deployment.vault,
      abi: vaultAbi,
      functionName: 'custodyUnits',
      args: [BigInt(id)],
    })
    if (custody < totals[id]!)
      findings.push({
        batch,
        text: `asset ${id}: the vault holds ${custody} units (with ${unconsumed} deposits not consumed), balances sum to ${totals[id]}`,
      })
  }
}
