/**
 * A checkpoint: every balance after a final batch, and the deposits that no batch up to it consumed, in a file.
 * Anybody can make one from the chain (`glassbook audit --checkpoint FILE`), and everybody can check one against
 * it: the tree over its balances must have the root that the contract keeps of that batch, and the deposits must
 * continue the contract's hash of its queue, and no later batch and no other deposit may be older than its block. So a file from a stranger serves as well as one's own, and nothing
 * older than its block has to be read.
 *
 * Format: UTF-8 lines. The first is a JSON object (CheckpointHead); then one line a balance that is not zero,
 * "leaf index,units", by rising index.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { BlockNotFoundError, type Address, type Hex, type PublicClient } from 'viem'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { ACCOUNTS_MAX, ASSETS_MAX, UNITS_END } from '../../engine/limits.js'
import type { ChainDeployment } from '../chain/chain.js'
import { extendQueue } from '../chain/deposit-queue.js'
import type { QueuedDeposit } from '../chain/history.js'
import { isRefusal } from '../chain/log-ranges.js'
import { StateTree, TREE_DEPTH } from '../tree/tree.js'
import { CHECKPOINT_SHOWN_CHARACTERS_MAX, CHECKPOINT_WRITE_CHARACTERS } from '../limits.js'

const FORMAT = 'glassbook checkpoint 2'
/** What a file with a checkpoint begins with, of whatever version. */
export const CHECKPOINT_BEGINS = '{"format":"glassbook checkpoint '

export interface CheckpointHead {
  readonly format: typeof FORMAT
  readonly chainId: number
  readonly settlement: Address
  /** Last batch in it, final with all before it; 0 = before the first. */
  readonly batch: number
  /** Last journal seq in it. */
  readonly lastSeq: string
  /** The first block that may have a later batch, and its hash: what is older need not be read. */
  readonly block: number
  readonly blockHash: Hex
  /** Root of the tree, decimal. */
  readonly root: string
  /** Deposits consumed up to it, and the queue from there on, as it was before `block`. */
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

/** A checkpoint that is written, and not yet where it was asked for. */
export interface StagedCheckpoint {
  /** Puts it in its place, whole. */
  keep(): void
  /** Takes it away. */
  drop(): void
}

/**
 * Writes a checkpoint beside `file`, under a name that nobody has: the tree goes on to later batches before it is
 * known whether they agree.
 */
export function stageCheckpoint(
  file: string,
  head: Omit<CheckpointHead, 'format' | 'balances' | 'root'>,
  tree: StateTree,
): StagedCheckpoint {
  const balances = [...tree.balances()].sort((a, b) => a[0] - b[0])
  const whole: CheckpointHead = {
    format: FORMAT,
    ...head,
    root: String(tree.root),
    balances: balances.length,
  }
  const beside = `${file}.${randomUUID()}.new`
  const drop = (): void => rmSync(beside, { force: true })
  const descriptor = openSync(beside, 'wx', 0o644)
  try {
    let text = `${JSON.stringify(whole)}\n`
    for (const [index, units] of balances) {
      text += `${index},${units}\n`
      if (text.length < CHECKPOINT_WRITE_CHARACTERS) continue
      writeSync(descriptor, text)
      text = ''
    }
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } catch (error) {
    drop()
    throw error
  } finally {
    closeSync(descriptor)
  }
  return { keep: () => replace(beside, file), drop }
}

/** Durably. */
function replace(beside: string, file: string): void {
  renameSync(beside, file)
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
      throw new CheckpointError(
        `${file}, line ${at + 2}: "${lines[at + 1]!}" is not a balance, or is out of order`,
      )
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
    throw new CheckpointError(`${file}: the first line is not JSON, so this is not a checkpoint`)
  }
  if (typeof head !== 'object' || head === null || head.format !== FORMAT)
    throw new CheckpointError(`${file}: the first line does not say "${FORMAT}"`)
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
  for (const field of ['batch', 'block', 'depositsConsumed', 'balances'] as const)
    if (!isCount(head[field]))
      throw new CheckpointError(`${file}: ${field} is ${shown(head[field])}, not a whole number from 0 on`)
  if (!/^0x[0-9a-f]{64}$/.test(String(head.blockHash)))
    throw new CheckpointError(`${file}: blockHash is ${shown(head.blockHash)}, not 0x and 64 digits`)
  if (!/^\d+$/.test(String(head.root)) || !/^\d+$/.test(String(head.lastSeq)))
    throw new CheckpointError(
      `${file}: root is ${shown(head.root)}, lastSeq ${shown(head.lastSeq)}: both are decimal numbers`,
    )
  if (head.chainId !== deployment.chainId)
    throw new CheckpointError(`${file} is of chain ${String(head.chainId)}, not ${deployment.chainId}`)
  if (String(head.settlement).toLowerCase() !== deployment.settlement.toLowerCase())
    throw new CheckpointError(`${file} is of ${String(head.settlement)}, not ${deployment.settlement}`)
  if (!Array.isArray(head.waiting))
    throw new CheckpointError(`${file}: waiting is ${shown(head.waiting)}, not a list of deposits`)
  head.waiting.forEach((each: unknown, at) => {
    const deposit = (each ?? {}) as Partial<QueuedDeposit>
    // The queue's hash has account and asset in one number: beyond their bounds several pairs give the same.
    const isDeposit =
      deposit.position === head.depositsConsumed! + at &&
      [deposit.account, deposit.asset, deposit.units, deposit.blockNumber].every(isCount) &&
      deposit.account! < ACCOUNTS_MAX &&
      deposit.asset! < ASSETS_MAX &&
      deposit.blockNumber! < head.block! &&
      /^0x[0-9a-fA-F]{40}$/.test(String(deposit.owner))
    if (!isDeposit)
      throw new CheckpointError(
        `${file}: waiting[${at}] is ${shown(each)}, not the deposit at position ${head.depositsConsumed! + at}`,
      )
  })
  return head as CheckpointHead
}

/** A value of the file, for an error: a stranger's file may hold anything. */
const shown = (value: unknown): string =>
  String(JSON.stringify(value)).slice(0, CHECKPOINT_SHOWN_CHARACTERS_MAX)

/**
 * Compares a checkpoint with the chain: the batch is final, its root and count of deposits are the contract's,
 * the waiting deposits continue the queue's hash, and nothing that is not in it is older than its block. Throws
 * CheckpointError.
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
  await checkBlock(client, deployment, head)
}

/** A block that is too late would hide what came before it: the endpoint would seem to leave out events. */
async function checkBlock(
  client: PublicClient,
  { settlement, vault }: ChainDeployment,
  head: CheckpointHead,
): Promise<void> {
  const blockNumber = BigInt(head.block)
  const block = await client.getBlock({ blockNumber }).catch((error: unknown) => {
    if (error instanceof BlockNotFoundError) return undefined
    throw error
  })
  if (block === undefined)
    throw new CheckpointError(`block of the checkpoint is ${head.block}, and the chain has no such block yet`)
  if (block.hash !== head.blockHash)
    throw new CheckpointError(
      `block ${head.block} has hash ${block.hash} on the chain, ${head.blockHash} in the checkpoint`,
    )
  const { committedAt } = await client.readContract({
    address: settlement,
    abi: settlementAbi,
    functionName: 'batchOf',
    args: [BigInt(head.batch + 1)],
  })
  // 0 = there is none yet.
  if (committedAt > 0 && BigInt(committedAt) < block.timestamp)
    throw new CheckpointError(
      `block of the checkpoint is ${head.block}, of time ${block.timestamp}: batch ${head.batch + 1}, which is not ` +
        `in it, was committed before, at ${committedAt}`,
    )
  const before = await client
    .readContract({
      address: vault,
      abi: vaultAbi,
      functionName: 'depositCount',
      blockNumber: blockNumber > 0n ? blockNumber - 1n : 0n,
    })
    .catch((error: unknown) => {
      // No vault yet. Who keeps no state so old cannot be asked: the end of the queue tells then.
      if (isContractAnswer(error)) return 0n
      if (isRefusal(error)) return undefined
      throw error
    })
  const count = head.depositsConsumed + head.waiting.length
  if (before !== undefined && before !== BigInt(count))
    throw new CheckpointError(
      `block of the checkpoint is ${head.block}: the vault had ${before} deposits before it, the checkpoint has ${count}`,
    )
}
