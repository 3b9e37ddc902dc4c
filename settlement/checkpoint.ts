/**
 * A checkpoint: every balance after a final batch, and the deposits that no batch up to it consumed, in a file.
 * Anybody can make one from the chain (`glassbook audit --checkpoint FILE`), and everybody can check one against
 * it: the tree over its balances must have the root that the contract keeps of that batch, and the deposits must
 * continue the contract's hash of its queue. So a file from a stranger serves as well as one's own, and nothing
 * older than its block has to be read.
 *
 * Format: UTF-8 lines. The first is a JSON object (CheckpointHead); then one line a balance that is not zero,
 * "leaf index,units", by rising index.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Address, PublicClient } from 'viem'
import { settlementAbi, vaultAbi } from '../contracts/abi.js'
import { UNITS_END } from '../engine/limits.js'
import type { ChainDeployment } from './chain.js'
import { extendQueue } from './deposit-queue.js'
import type { QueuedDeposit } from './history.js'
import { StateTree, TREE_DEPTH } from './tree.js'

const FORMAT = 'glassbook checkpoint 1'
const WRITE_CHARACTERS = 1 << 20

export interface CheckpointHead {
  readonly format: typeof FORMAT
  readonly chainId: number
  readonly settlement: Address
  /** Last batch in it, final with all before it; 0 = before the first. */
  readonly batch: number
  /** Last journal seq in it. */
  readonly lastSeq: string
  /** Block of that batch's commit: what is older need not be read. */
  readonly block: number
  /** Root of the tree, decimal. */
  readonly root: string
  /** Deposits consumed up to it, and the queue from there up to `block`. */
  readonly depositsConsumed: number
  readonly waiting: readonly QueuedDeposit[]
  /** Count of balances that follow. */
  readonly balances: number
}

export interface Checkpoint {
  readonly head: CheckpointHead
  /** The tree over its balances; its root is `head.root`. */
  readonly tree: StateTree
}

/** A file that is no checkpoint of this exchange, or contradicts the chain. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError'
}

/** Writes a checkpoint: whole or not at all. */
export function writeCheckpoint(
  file: string,
  head: Omit<CheckpointHead, 'format' | 'balances' | 'root'>,
  tree: StateTree,
): void {
  const balances = [...tree.balances()].sort((a, b) => a[0] - b[0])
  const whole: CheckpointHead = {
    format: FORMAT,
    ...head,
    root: String(tree.root),
    balances: balances.length,
  }
  const descriptor = openSync(`${file}.new`, 'w', 0o644)
  try {
    let text = `${JSON.stringify(whole)}\n`
    for (const [index, units] of balances) {
      text += `${index},${units}\n`
      if (text.length < WRITE_CHARACTERS) continue
      writeSync(descriptor, text)
      text = ''
    }
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(`${file}.new`, file)
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** Reads a checkpoint and rebuilds its tree. Throws CheckpointError where the file contradicts itself. */
export function readCheckpoint(file: string, deployment: ChainDeployment): Checkpoint {
  const lines = readFileSync(file, 'utf8').split('\n')
  const head = headOf(file, lines[0] ?? '', deployment)
  const count = head.balances
  if (lines.length !== count + 2 || lines[count + 1] !== '')
    throw new CheckpointError(`${file}: ${lines.length - 2} balances, its first line says ${count}: cut off?`)
  const indices = new Int32Array(count)
  const units = new Float64Array(count)
  for (let at = 0; at < count; at++) {
    const [, index, balance] = /^(\d{1,9}),(\d{1,16})$/.exec(lines[at + 1]!) ?? []
    indices[at] = Number(index)
    units[at] = Number(balance)
    const isRight =
      indices[at]! < 2 ** TREE_DEPTH &&
      units[at]! >= 1 &&
      units[at]! < UNITS_END &&
      (at === 0 || indices[at]! > indices[at - 1]!)
    if (index === undefined || !isRight)
      throw new CheckpointError(`${file}, line ${at + 2}: "${lines[at + 1]!}" is no balance, or out of order`)
  }
  const tree = new StateTree()
  if (count > 0) tree.update(indices, units)
  if (String(tree.root) !== head.root)
    throw new CheckpointError(
      `${file}: its balances have root ${tree.root}, its first line says ${head.root}`,
    )
  return { head, tree }
}

function headOf(file: string, line: string, deployment: ChainDeployment): CheckpointHead {
  let head: Partial<CheckpointHead>
  try {
    head = JSON.parse(line) as Partial<CheckpointHead>
  } catch {
    throw new CheckpointError(`${file}: the first line is no JSON, so this is no checkpoint`)
  }
  if (typeof head !== 'object' || head === null || head.format !== FORMAT)
    throw new CheckpointError(`${file}: the first line does not say "${FORMAT}"`)
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
  for (const field of ['batch', 'block', 'depositsConsumed', 'balances'] as const)
    if (!isCount(head[field])) throw new CheckpointError(`${file}: ${field} is ${String(head[field])}`)
  if (!/^\d+$/.test(String(head.root)) || !/^\d+$/.test(String(head.lastSeq)))
    throw new CheckpointError(`${file}: root is ${String(head.root)}, lastSeq ${String(head.lastSeq)}`)
  if (head.chainId !== deployment.chainId)
    throw new CheckpointError(`${file} is of chain ${String(head.chainId)}, not ${deployment.chainId}`)
  if (String(head.settlement).toLowerCase() !== deployment.settlement.toLowerCase())
    throw new CheckpointError(`${file} is of ${String(head.settlement)}, not ${deployment.settlement}`)
  const isDeposit = (deposit: QueuedDeposit, at: number): boolean =>
    deposit.position === head.depositsConsumed! + at &&
    [deposit.account, deposit.asset, deposit.units, deposit.blockNumber].every(isCount) &&
    /^0x[0-9a-fA-F]{40}$/.test(deposit.owner)
  if (!Array.isArray(head.waiting) || !head.waiting.every(isDeposit))
    throw new CheckpointError(`${file}: waiting is no list of the deposits from ${head.depositsConsumed} on`)
  return head as CheckpointHead
}

/**
 * Compares a checkpoint with the chain: the batch is final, its root and count of deposits are the contract's, and
 * the waiting deposits continue the queue's hash. Throws CheckpointError.
 */
export async function checkCheckpoint(
  client: PublicClient,
  deployment: ChainDeployment,
  { head }: Checkpoint,
): Promise<void> {
  const { settlement, vault } = deployment
  const [final, batch, before, after] = await Promise.all([
    client.readContract({ address: settlement, abi: settlementAbi, functionName: 'finalCount' }),
    client.readContract({
      address: settlement,
      abi: settlementAbi,
      functionName: 'batchOf',
      args: [BigInt(head.batch)],
    }),
    ...[head.depositsConsumed, head.depositsConsumed + head.waiting.length].map((count) =>
      client.readContract({
        address: vault,
        abi: vaultAbi,
        functionName: 'depositHash',
        args: [BigInt(count)],
      }),
    ),
  ] as const)
  // Withdrawals of batches in it must be claims already: nobody would look for them there.
  if (BigInt(head.batch) > final)
    throw new CheckpointError(
      `batch ${head.batch} of the checkpoint is not final: ${final} are, without a gap`,
    )
  if (String(batch.newRoot) !== head.root)
    throw new CheckpointError(
      `batch ${head.batch} has root ${batch.newRoot} on the chain, ${head.root} in the checkpoint`,
    )
  if (Number(batch.depositsConsumed) !== head.depositsConsumed || String(batch.lastSeq) !== head.lastSeq)
    throw new CheckpointError(
      `batch ${head.batch} ends at seq ${batch.lastSeq} and deposit ${batch.depositsConsumed} on the chain, ` +
        `at ${head.lastSeq} and ${head.depositsConsumed} in the checkpoint`,
    )
  const hash = head.waiting.reduce(extendQueue, before!)
  if (hash !== after)
    throw new CheckpointError(
      `the deposits ${head.depositsConsumed} to ${head.depositsConsumed + head.waiting.length - 1} of the checkpoint are not the vault's`,
    )
}
