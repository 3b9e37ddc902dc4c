/**
 * The audit from chain data alone: rebuilds the state tree and every balance from posted rows, and checks
 * each batch as the contract and the circuit do. Needs no journal and no operator.
 */
import { availableParallelism } from 'node:os'
import { erc20Abi, zeroAddress, type Hex, type PublicClient } from 'viem'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import type { ChainDeployment } from '../chain/chain.js'
import { bytesToHex, challenge, decodeRows, decodeUnits, type BatchData } from '../batch/commit.js'
import { HASH_THREADS_MAX } from '../limits.js'
import { checkCheckpoint, type Checkpoint } from './checkpoint.js'
import { encodeQueue } from '../chain/deposit-queue.js'
import {
  calldataReport,
  expectBatches,
  expectDeposits,
  readBatches,
  readDeposits,
  type CalldataReport,
  type PostedBatch,
  type QueuedDeposit,
} from '../chain/history.js'
import { NotConserved, assertConserved } from '../batch/netting.js'
import { indexOf, type Rows } from '../batch/rows.js'
import { StateTree } from '../tree/tree.js'

export interface AuditFinding {
  readonly batch: number
  /** What differs, with both values. */
  readonly text: string
  /** Place of the row in its batch and its leaf's index, where it is one row. */
  readonly row?: number
  readonly index?: number
}

export interface AuditReport {
  /** Number of the last batch that agreed. */
  readonly batches: number
  /** The block that all of it holds for, and its time in seconds since 1970. */
  readonly block: number
  readonly time: number
  /** The checkpoint's batch, behind which the audit began; 0 = from the first. */
  readonly fromBatch: number
  readonly provenBatches: number
  readonly rows: number
  readonly deposits: number
  readonly calldata: CalldataReport
  readonly root: bigint
  readonly provenRoot: bigint
  readonly accountsAndAssets: number
  /** Units per asset that all balances of the last committed root sum to. */
  readonly totals: readonly bigint[]
  readonly findings: readonly AuditFinding[]
}

export interface AuditOptions {
  /** Gets a share from 0 to 1. */
  readonly onProgress?: (share: number) => void
  /** Last batch to look at; all unless given. */
  readonly untilBatch?: number
  /**
   * Also compare the calldata of each commit with its event, its chunks' roots and its z: one more call a batch. Of a
   * commit whose calldata is not to be had, z is compared with the rebuilt batch.
   */
  readonly calldata?: boolean
  /** Begin behind it, once the chain has confirmed it. */
  readonly checkpoint?: Checkpoint
  /** Called when the tree stands at the last final batch, with what a checkpoint needs beside it. */
  readonly onFinal?: (tree: StateTree, position: AuditPosition) => void
}

/** Where an audit stands. */
export interface AuditPosition {
  readonly batch: number
  readonly lastSeq: bigint
  /** The first block that may have a later batch, and its hash: who goes on from here need not read older ones. */
  readonly block: number
  readonly blockHash: Hex
  readonly depositsConsumed: number
  /** The queue from there on, as it was before `block`. */
  readonly waiting: readonly QueuedDeposit[]
}

export interface AuditResult {
  readonly report: AuditReport
  /** The tree after the last batch that agreed. */
  readonly tree: StateTree
  /** Nothing differs in batches, roots and the queue: what findings there are say that tokens are missing, of no balance. */
  readonly isStateRight: boolean
  /** Batches and deposits that were read: all, or those behind the checkpoint. */
  readonly batches: readonly PostedBatch[]
  readonly deposits: readonly QueuedDeposit[]
}

/**
 * Audits the batches that stand. Stops at the first that differs; its finding says how. Throws when the endpoint
 * fails, EventsMissing when it does not show all that the contracts have, and CheckpointError when the chain contradicts
 * the checkpoint.
 */
export async function audit(
  client: PublicClient,
  deployment: ChainDeployment,
  options: AuditOptions = {},
): Promise<AuditResult> {
  const { onProgress = () => {}, untilBatch = Infinity, calldata = false, checkpoint, onFinal } = options
  if (checkpoint !== undefined) await checkCheckpoint(client, deployment, checkpoint)
  const from = checkpoint?.head
  // All that the chain itself says is of one block: an exchange goes on while its events are read.
  const { number: head, timestamp } = await client.getBlock({ blockTag: 'latest' })
  const chain = await readChain(client, deployment, head)
  // Asked now, while the node has that block's state. A part of the history is compared with no custody: who leaves
  // needs no word of the tokens, and a token may answer nothing.
  const custody = untilBatch === Infinity ? await readCustody(client, deployment, head) : []
  const { provenCount, provenRoot, lastRoot, batchCount } = chain
  const all = await readBatches(client, deployment, {
    onProgress,
    calldata,
    until: head,
    ...(from === undefined ? {} : { after: { block: from.block, batch: from.batch } }),
  })
  expectBatches(all, batchCount, deployment, from)
  const last = Math.min(untilBatch, Number(batchCount))
  const batches = all.filter(({ header }) => Number(header.number) <= last)
  const queueFrom = from?.depositsConsumed ?? 0
  const deposits = await readDeposits(
    client,
    deployment,
    head,
    from === undefined ? undefined : { block: from.block, consumed: queueFrom, waiting: from.waiting },
  )
  await checkQueue(client, deployment, deposits, queueFrom, from?.block, chain)
  const tree = checkpoint?.tree ?? new StateTree(Math.min(HASH_THREADS_MAX, availableParallelism()))
  const findings: AuditFinding[] = []
  const done: Done = {
    batches: from?.batch ?? 0,
    lastSeq: BigInt(from?.lastSeq ?? 0),
    consumed: queueFrom,
    rows: 0,
  }
  const look = async (): Promise<void> => {
    if (findings.length > 0) return
    if (BigInt(done.batches) === provenCount && tree.root !== provenRoot)
      findings.push({ batch: done.batches, text: `the proven root is ${provenRoot}, rebuilt ${tree.root}` })
    else if (BigInt(done.batches) === chain.finalCount && onFinal !== undefined) {
      const { batches: batch, consumed: depositsConsumed, lastSeq } = done
      const next = all.find(({ header }) => Number(header.number) === batch + 1)
      const block = next?.blockNumber ?? Number(head)
      const { hash: blockHash } = await client.getBlock({ blockNumber: BigInt(block) })
      const waiting = deposits.filter((each) => each.position >= depositsConsumed && each.blockNumber < block)
      onFinal(tree, { batch, lastSeq, block, blockHash, depositsConsumed, waiting })
    }
  }
  await look()
  for (const batch of batches) {
    findings.push(...checkBatch(tree, deployment, deposits, queueFrom, batch, done))
    await look()
    if (findings.length > 0) break
  }
  await tree.close()
  const isWhole = findings.length === 0 && untilBatch === Infinity
  if (isWhole && (tree.root !== lastRoot || BigInt(done.batches) !== batchCount))
    findings.push({
      batch: done.batches,
      text: `the contract has ${batchCount} batches and root ${lastRoot}, rebuilt ${done.batches} and ${tree.root}`,
    })
  const isStateRight = findings.length === 0
  const balances = tree.balances()
  const totals = deployment.assets.map(() => 0n)
  for (const [index, units] of balances) totals[index & 63] = (totals[index & 63] ?? 0n) + BigInt(units)
  if (isWhole) {
    const unconsumed = deposits.filter(({ position }) => position >= done.consumed)
    findings.push(
      ...compareCustody(deployment, totals, unconsumed, { frozen: chain.frozen, custody }, done.batches),
    )
  }
  return {
    tree,
    isStateRight,
    batches,
    deposits,
    report: {
      batches: done.batches,
      block: Number(head),
      time: Number(timestamp),
      fromBatch: from?.batch ?? 0,
      provenBatches: Number(provenCount),
      rows: done.rows,
      deposits: queueFrom + deposits.length,
      calldata: calldataReport(calldata, batches),
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
  queueFrom: number,
  batch: PostedBatch,
  done: Done,
): AuditFinding[] {
  const { header, data } = batch
  const number = Number(header.number)
  const findings: AuditFinding[] = []
  const say: Say = (text, row) => void findings.push({ batch: number, text, ...row })
  if (number !== done.batches + 1) say(`number ${number} after ${done.batches}`)
  if (header.firstSeq !== done.lastSeq + 1n) say(`first seq ${header.firstSeq} after ${done.lastSeq}`)
  if (header.oldRoot !== tree.root) say(`old root ${header.oldRoot}, rebuilt ${tree.root}`)
  const consumed = Number(header.depositsConsumed)
  const queued = deposits.slice(done.consumed - queueFrom, Math.max(0, consumed - queueFrom))
  if (queued.length !== consumed - done.consumed)
    say(`consumes deposits up to ${header.depositsConsumed}, the queue has ${queueFrom + deposits.length}`)
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
  // What its calldata would say, z says as well: it is the hash of all that was committed.
  const rebuiltZ =
    batch.missing === undefined
      ? undefined
      : (chunkRoots: readonly bigint[]) =>
          challenge(deployment, header, {
            chunkRoots,
            rows: batch.rows,
            deposits: encodeQueue(queued),
            withdrawals: batch.withdrawals,
          })
  if (findings.length === 0) applyRows(tree, batch, rows, say, rebuiltZ)
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
  const expected = encodeQueue(queued)
  if (!sameBytes(data.deposits, expected))
    say(`consumes deposits ${bytesToHex(data.deposits)}, the queue has ${bytesToHex(expected)}`)
  const z = challenge(deployment, batch.header, data)
  if (z !== batch.z) say(`z is ${batch.z}, its calldata gives ${z}`)
}

/**
 * Applies a batch and compares each root that was posted, and z where `rebuiltZ` says what it must be; leaves the
 * tree as it was where one differs.
 */
function applyRows(
  tree: StateTree,
  batch: PostedBatch,
  { indices, deltas }: Rows,
  say: Say,
  rebuiltZ: ((chunkRoots: readonly bigint[]) => bigint) | undefined,
): void {
  const balances = Float64Array.from(indices, (index, row) => tree.balanceOf(index) + deltas[row]!)
  const bad = balances.findIndex((balance) => balance < 0 || !Number.isSafeInteger(balance))
  if (bad >= 0)
    return say(`row ${bad}: balance ${balances[bad]} at index ${indices[bad]}`, {
      row: bad,
      index: indices[bad]!,
    })
  const { rowsPerChunk } = batch
  tree.beginBatch()
  const roots = tree.updateChunks(indices, balances, rowsPerChunk)
  const root = tree.root
  const changes = tree.endBatch()
  const posted = batch.data?.chunkRoots
  const wrong = posted === undefined ? -1 : roots.findIndex((ours, chunk) => posted[chunk] !== ours)
  const z = rebuiltZ?.(roots)
  if (wrong >= 0) {
    const [from, to] = [wrong * rowsPerChunk, Math.min((wrong + 1) * rowsPerChunk, indices.length)]
    say(
      `root of chunk ${wrong} (rows ${from} to ${to - 1}, indices ${indices.subarray(from, to).join(', ')}) ` +
        `is ${posted![wrong]}, rebuilt ${roots[wrong]}`,
    )
  } else if (batch.header.newRoot !== root) say(`new root is ${batch.header.newRoot}, rebuilt ${root}`)
  else if (z !== undefined && z !== batch.z) say(`z is ${batch.z}, the rebuilt batch gives ${z}`)
  else return
  tree.restore(changes.keys, changes.before)
}

/** What the contracts say at one block. */
interface ChainState {
  readonly head: bigint
  readonly provenCount: bigint
  readonly finalCount: bigint
  readonly batchCount: bigint
  readonly provenRoot: bigint
  readonly lastRoot: bigint
  readonly frozen: boolean
  readonly depositCount: bigint
  /** Hash of the whole deposit queue. */
  readonly depositHash: Hex
}

/** Of one asset: units that the vault counts in its custody, and atoms that its token says are the vault's, if it says so. */
interface Custody {
  readonly units: bigint
  readonly atoms: bigint | undefined
}

async function readChain(
  client: PublicClient,
  { vault, settlement }: ChainDeployment,
  blockNumber: bigint,
): Promise<ChainState> {
  const read = <T>(functionName: string): Promise<T> =>
    client.readContract({
      address: settlement,
      abi: settlementAbi,
      functionName,
      blockNumber,
    } as never) as Promise<T>
  const ask = <T>(functionName: string, ...args: unknown[]): Promise<T> =>
    client.readContract({
      address: vault,
      abi: vaultAbi,
      functionName,
      args,
      blockNumber,
    } as never) as Promise<T>
  const [provenCount, finalCount, batchCount, provenRoot, lastRoot, frozen, depositCount] = await Promise.all(
    [
      read<bigint>('provenCount'),
      read<bigint>('finalCount'),
      read<bigint>('batchCount'),
      read<bigint>('provenRoot'),
      read<bigint>('lastRoot'),
      read<boolean>('frozen'),
      ask<bigint>('depositCount'),
    ],
  )
  return {
    head: blockNumber,
    provenCount,
    finalCount,
    batchCount,
    provenRoot,
    lastRoot,
    frozen,
    depositCount,
    depositHash: await ask<Hex>('depositHash', depositCount),
  }
}

/** Of each asset, in order of their ids. */
function readCustody(
  client: PublicClient,
  { vault, assets }: ChainDeployment,
  blockNumber: bigint,
): Promise<Custody[]> {
  const ofVault = { address: vault, abi: vaultAbi, blockNumber } as const
  return Promise.all(
    assets.map(async ({ id }) => {
      const [units, { token }] = await Promise.all([
        client.readContract({ ...ofVault, functionName: 'custodyUnits', args: [BigInt(id)] }),
        client.readContract({ ...ofVault, functionName: 'assetOf', args: [BigInt(id)] }),
      ])
      if (token === zeroAddress)
        return { units, atoms: await client.getBalance({ address: vault, blockNumber }) }
      try {
        const balance = { address: token, abi: erc20Abi, functionName: 'balanceOf', args: [vault] } as const
        return { units, atoms: await client.readContract({ ...balance, blockNumber }) }
      } catch (error) {
        if (!isContractAnswer(error)) throw error
        return { units, atoms: undefined }
      }
    }),
  )
}

/**
 * The deposits that were read are the vault's queue, to its end: an endpoint, or a checkpoint, may leave some out.
 * @throws EventsMissing.
 */
async function checkQueue(
  client: PublicClient,
  { vault, deployedAtBlock }: ChainDeployment,
  deposits: readonly QueuedDeposit[],
  known: number,
  since: number | undefined,
  { head, depositCount: count, depositHash: hash }: ChainState,
): Promise<void> {
  const before = await client.readContract({
    address: vault,
    abi: vaultAbi,
    functionName: 'depositHash',
    args: [BigInt(known)],
    blockNumber: head,
  })
  expectDeposits(deposits, { count, hash }, since ?? deployedAtBlock, { known, before })
}

/**
 * Solvency: the vault's count covers every balance of the last root and every deposit that waits, and its tokens cover
 * the count. Of a frozen exchange the count falls as balances escape, so only the tokens are compared.
 */
function compareCustody(
  deployment: ChainDeployment,
  totals: readonly bigint[],
  unconsumed: readonly QueuedDeposit[],
  { custody, frozen }: { readonly custody: readonly Custody[]; readonly frozen: boolean },
  batch: number,
): AuditFinding[] {
  const findings: AuditFinding[] = []
  const say = (text: string): void => void findings.push({ batch, text })
  deployment.assets.forEach(({ id, unitAtoms }, at) => {
    const { units, atoms } = custody[at]!
    const waiting = unconsumed.reduce((sum, each) => sum + (each.asset === id ? BigInt(each.units) : 0n), 0n)
    const owed = totals[id]! + waiting
    if (!frozen && units < owed)
      say(
        `asset ${id}: the vault counts ${units} units, ${totals[id]} are in balances and ${waiting} in waiting deposits`,
      )
    if (atoms === undefined) say(`asset ${id}: its token does not tell what the vault has`)
    else if (atoms < units * BigInt(unitAtoms))
      say(`asset ${id}: the vault counts ${units} units, its token says that it has ${atoms} atoms`)
  })
  return findings
}
