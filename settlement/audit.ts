/**
 * The audit from chain data alone: rebuilds the state tree and every balance from posted rows, and checks
 * each batch as the contract and the circuit do. Needs no journal and no operator.
 */
import type { PublicClient } from 'viem'
import { settlementAbi, vaultAbi } from '../contracts/abi.js'
import type { ChainDeployment } from './chain.js'
import { challenge, chunkCount, decodeRows, decodeUnits } from './commit.js'
import { readBatches, readDeposits, type PostedBatch } from './history.js'
import { NotConserved, assertConserved, indexOf } from './net.js'
import { StateTree } from './tree.js'

export interface Finding {
  readonly batch: number
  /** What differs, with both values. */
  readonly text: string
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
  const tree = new StateTree()
  const findings: Finding[] = []
  let [lastSeq, consumed, rows, done] = [0n, 0, 0, 0]
  for (const batch of batches) {
    const number = Number(batch.header.number)
    const say = (text: string): void => void findings.push({ batch: number, text })
    const { header } = batch
    const posted = decodeRows(batch.rows)
    if (number !== done + 1) say(`number ${number} after ${done}`)
    if (header.firstSeq !== lastSeq + 1n) say(`first seq ${header.firstSeq} after ${lastSeq}`)
    if (header.oldRoot !== tree.root) say(`old root ${header.oldRoot}, rebuilt ${tree.root}`)
    const queued = deposits
      .slice(consumed, Number(header.depositsConsumed))
      .map(({ account, asset, units }) => ({ index: indexOf(account, asset), units }))
    if (queued.length !== Number(header.depositsConsumed) - consumed)
      say(`consumes deposits up to ${header.depositsConsumed}, the queue has ${deposits.length}`)
    try {
      assertConserved(posted, queued, decodeUnits(batch.withdrawals))
    } catch (error) {
      if (!(error instanceof NotConserved)) throw error
      say(error.message)
    }
    const expectedZ = batch.data === undefined ? batch.z : challenge(deployment, header, batch.data)
    if (expectedZ !== batch.z) say(`z is ${batch.z}, its calldata gives ${expectedZ}`)
    if (findings.length === 0) applyRows(tree, batch, posted, deployment.constants.rowsPerChunk, say)
    if (findings.length > 0) break
    lastSeq = header.lastSeq
    consumed = Number(header.depositsConsumed)
    rows += posted.indices.length
    done = number
  }
  const isWhole = findings.length === 0 && untilBatch === Infinity
  if (isWhole && (tree.root !== lastRoot || BigInt(done) !== batchCount))
    findings.push({
      batch: done,
      text: `the contract has ${batchCount} batches and root ${lastRoot}, rebuilt ${done} and ${tree.root}`,
    })
  const balances = tree.balances()
  const totals = deployment.assets.map(() => 0n)
  for (const [index, units] of balances) totals[index & 63] = (totals[index & 63] ?? 0n) + BigInt(units)
  if (isWhole) await compareCustody(client, deployment, totals, deposits.length - consumed, findings, done)
  return {
    tree,
    batches,
    report: {
      batches: done,
      provenBatches: Number(provenCount),
      rows,
      deposits: deposits.length,
      root: tree.root,
      provenRoot,
      accountsAndAssets: balances.size,
      totals,
      findings,
    },
  }
}

/** Applies a batch chunk by chunk and compares each root that was posted. */
function applyRows(
  tree: StateTree,
  batch: PostedBatch,
  posted: ReturnType<typeof decodeRows>,
  rowsPerChunk: number,
  say: (text: string) => void,
): void {
  const { indices, deltas } = posted
  for (let chunk = 0; chunk < chunkCount(indices.length, rowsPerChunk); chunk++) {
    const from = chunk * rowsPerChunk
    const some = indices.subarray(from, from + rowsPerChunk)
    const balances = Float64Array.from(some, (index, row) => tree.balanceOf(index) + deltas[from + row]!)
    const bad = balances.findIndex((balance) => balance < 0 || !Number.isSafeInteger(balance))
    if (bad >= 0) return say(`row ${from + bad}: balance ${balances[bad]} at index ${some[bad]}`)
    tree.update(some, balances)
    const root = batch.data?.chunkRoots[chunk]
    if (root !== undefined && root !== tree.root)
      return say(
        `root of chunk ${chunk} (rows ${from} to ${from + some.length - 1}) is ${root}, rebuilt ${tree.root}`,
      )
  }
  if (batch.header.newRoot !== tree.root) say(`new root is ${batch.header.newRoot}, rebuilt ${tree.root}`)
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
