/**
 * What the chain knows of an exchange, read back in order: posted batches, the deposit queue, the accounts.
 * Everything that the auditor's and the exit tools work from; no journal, no operator.
 *
 * Events carry what a rebuilt tree needs, so any node serves that has the logs. Calldata is asked for on demand
 * only, several transactions at a time, and may be missing where a node has dropped old transactions.
 */
import {
  TransactionNotFoundError,
  decodeFunctionData,
  erc20Abi,
  getAbiItem,
  zeroAddress,
  type Address,
  type Hex,
  type PublicClient,
} from 'viem'
import { groth16ChunkVerifierAbi, settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { LOG_RANGE_BLOCKS, SYMBOL_LENGTH_MAX, TRANSACTIONS_AT_ONCE } from '../limits.js'
import type { ChainDeployment } from './chain.js'
import { hexToBytes, type BatchData, type BatchHeader } from '../batch/commit.js'
import { EMPTY_QUEUE, extendQueue } from './deposit-queue.js'
import { LogRanges, isRefusal } from './log-ranges.js'

/** A batch as it was posted; struck ones are left out. */
export interface PostedBatch {
  readonly header: BatchHeader
  /** As the event says. */
  readonly z: bigint
  readonly rows: Uint8Array
  readonly withdrawals: Uint8Array
  /** All of the calldata; undefined when it was not asked for, or for the reason in `missing`. */
  readonly data: BatchData | undefined
  /** Why the calldata that was asked for is not there. */
  readonly missing?: MissingCalldata | undefined
  /** Rows of a chunk under the verifier that the batch was committed under. */
  readonly rowsPerChunk: number
  readonly transactionHash: Hex
  readonly blockNumber: number
}

/**
 * The node has dropped the transaction; or another contract called the settlement, and the call's bytes stand in no
 * transaction.
 */
export type MissingCalldata = 'dropped' | 'inner call'

/** Of how many commits the calldata was compared, and why it was not of the others. */
export interface CalldataReport {
  readonly asked: boolean
  readonly compared: number
  readonly dropped: number
  readonly innerCalls: number
}

export function calldataReport(asked: boolean, batches: readonly PostedBatch[]): CalldataReport {
  const count = (isOne: (batch: PostedBatch) => boolean): number => batches.filter(isOne).length
  return {
    asked,
    compared: count(({ data }) => data !== undefined),
    dropped: count(({ missing }) => missing === 'dropped'),
    innerCalls: count(({ missing }) => missing === 'inner call'),
  }
}

export interface QueuedDeposit {
  readonly position: number
  readonly account: number
  readonly asset: number
  readonly units: number
  readonly owner: Address
  readonly blockNumber: number
}

/** What stands at the address, if anything, is no settlement contract. */
export class NoSettlement extends Error {
  override readonly name = 'NoSettlement'
  constructor(address: Address, chainId: number) {
    super(`no settlement contract at ${address} on chain ${chainId}`)
  }
}

/**
 * The endpoint does not show the events of every batch, deposit or account that the contracts have. That says nothing
 * of the operator, and nothing of a journal.
 */
export class EventsMissing extends Error {
  override readonly name = 'EventsMissing'
  constructor(
    /** What the contracts have, and what was shown. */
    what: string,
    /** The first block whose logs are needed. */
    readonly since: number,
  ) {
    super(`${what}: ask one that has all logs since block ${since}`)
  }
}

/** @throws EventsMissing unless `batches`, read from `after` on, are all that the contract has. */
export function expectBatches(
  batches: readonly PostedBatch[],
  count: bigint,
  { deployedAtBlock }: ChainDeployment,
  after: { readonly block: number; readonly batch: number } = { block: deployedAtBlock, batch: 0 },
): void {
  const gap = batches.findIndex(({ header }, at) => Number(header.number) !== after.batch + at + 1)
  const last = after.batch + batches.length
  if (gap < 0 && BigInt(last) >= count) return
  throw new EventsMissing(
    `the contract has ${count} batches, and the RPC endpoint does not show the events of batch ${gap < 0 ? last + 1 : after.batch + gap + 1}`,
    after.block,
  )
}

/**
 * @throws EventsMissing unless `deposits`, the queue behind its first `known` of hash `before`, are all that the vault
 * has, as its own count and hash tell.
 */
export function expectDeposits(
  deposits: readonly QueuedDeposit[],
  { count, hash }: { readonly count: bigint; readonly hash: Hex },
  since: number,
  { known, before }: { readonly known: number; readonly before: Hex } = { known: 0, before: EMPTY_QUEUE },
): void {
  const checkpoint = known === 0 ? '' : ` beside the ${known} of the checkpoint`
  if (BigInt(known + deposits.length) !== count)
    throw new EventsMissing(
      `the vault has ${count} deposits, and the RPC endpoint shows events of ${deposits.length}${checkpoint}`,
      since,
    )
  const shown = deposits.reduce(extendQueue, before)
  if (shown !== hash)
    throw new EventsMissing(
      `the vault's deposits have hash ${hash}, and those that the RPC endpoint shows ${shown}`,
      since,
    )
}

/**
 * The deployment as far as the settlement contract itself tells it. The deployment block is found by
 * bisection, or 0 where the endpoint keeps no old state.
 */
export async function discoverDeployment(
  client: PublicClient,
  settlement: Address,
): Promise<ChainDeployment> {
  const chainId = await client.getChainId()
  const read = <T>(functionName: string): Promise<T> =>
    (
      client.readContract({ address: settlement, abi: settlementAbi, functionName } as never) as Promise<T>
    ).catch((error: unknown) => {
      if (isContractAnswer(error)) throw new NoSettlement(settlement, chainId)
      throw error
    })
  const [vault, verifier, rowsPerChunk, maxUnproven] = await Promise.all([
    read<Address>('vault'),
    read<Address>('verifier'),
    read<bigint>('rowsPerChunk'),
    read<bigint>('maxUnproven'),
  ])
  const assetCount = await client.readContract({ address: vault, abi: vaultAbi, functionName: 'assetCount' })
  const assets = await Promise.all(
    Array.from({ length: Number(assetCount) }, async (_, id) => {
      const { token, unitAtoms } = await client.readContract({
        address: vault,
        abi: vaultAbi,
        functionName: 'assetOf',
        args: [BigInt(id)],
      })
      return { id, ...(await tokenNames(client, id, token)), unitAtoms: String(unitAtoms) }
    }),
  )
  const proven = await client
    .readContract({ address: verifier, abi: groth16ChunkVerifierAbi, functionName: 'key' })
    .then(() => true)
    .catch((error: unknown) => {
      if (isContractAnswer(error)) return false
      throw error
    })
  return {
    chainId,
    vault,
    settlement,
    verifier,
    deployedAtBlock: await deploymentBlock(client, vault),
    assets,
    constants: { rowsPerChunk: Number(rowsPerChunk), maxUnproven: Number(maxUnproven), proven },
  }
}

const NATIVE = { symbol: 'ETH', decimals: 18 }

/** Symbol and decimals as the token tells them; a token that tells none is called by its number, in atoms. */
async function tokenNames(
  client: PublicClient,
  id: number,
  token: Address,
): Promise<{ symbol: string; decimals: number }> {
  if (token === zeroAddress) return NATIVE
  try {
    const [symbol, decimals] = await Promise.all([
      client.readContract({ address: token, abi: erc20Abi, functionName: 'symbol' }),
      client.readContract({ address: token, abi: erc20Abi, functionName: 'decimals' }),
    ])
    // A token may say anything: nothing that could be taken for another line or another figure.
    if (/^[\x21-\x7e]+$/.test(symbol) && symbol.length <= SYMBOL_LENGTH_MAX) return { symbol, decimals }
    return { symbol: `asset-${id}`, decimals }
  } catch (error) {
    if (isContractAnswer(error)) return { symbol: `asset-${id}`, decimals: 0 }
    throw error
  }
}

/** First block with the contract's code, or 0 where the node keeps no old state. */
async function deploymentBlock(client: PublicClient, address: Address): Promise<number> {
  let [low, high] = [0n, await client.getBlockNumber({ cacheTime: 0 })]
  try {
    while (low < high) {
      const middle = (low + high) / 2n
      const code = await client.getCode({ address, blockNumber: middle })
      if (code === undefined || code === '0x') low = middle + 1n
      else high = middle
    }
    return Number(low)
  } catch (error) {
    if (isRefusal(error)) return 0
    throw error
  }
}

export interface ReadBatchesOptions {
  /** Gets a share from 0 to 1. */
  readonly onProgress?: (share: number) => void
  /** Whether to ask for the calldata of each commit: one more call a batch. */
  readonly calldata?: boolean
  /** First block to read, and batches up to this number are left out; where a checkpoint ends. */
  readonly after?: { readonly block: number; readonly batch: number }
  /** Last block to read; the newest unless given. */
  readonly until?: bigint
}

/** Every batch that stands, in order of its number. Throws what the node says when it fails. */
export async function readBatches(
  client: PublicClient,
  deployment: ChainDeployment,
  options: ReadBatchesOptions = {},
): Promise<PostedBatch[]> {
  const { onProgress = () => {}, calldata = false, after, until } = options
  const known = after?.batch ?? 0
  const first = BigInt(after?.block ?? deployment.deployedAtBlock)
  const head = until ?? (await client.getBlockNumber({ cacheTime: 0 }))
  const events = [
    getAbiItem({ abi: settlementAbi, name: 'BatchCommitted' }),
    getAbiItem({ abi: settlementAbi, name: 'BatchesStruck' }),
    getAbiItem({ abi: settlementAbi, name: 'VerifierSet' }),
  ]
  // Chunks matter only beside their calldata. Behind a checkpoint the last change of verifier is an old event, which
  // nodes that have dropped old logs are not asked for without need.
  const isAsked = after !== undefined && calldata
  let rows = isAsked ? await rowsPerChunkAt(client, deployment, first) : undefined
  const batches: PostedBatch[] = []
  const walk = new LogRanges(LOG_RANGE_BLOCKS).walk(first, head, (fromBlock, toBlock) =>
    client.getLogs({ address: deployment.settlement, events, fromBlock, toBlock, strict: true }),
  )
  for await (const { toBlock, value: logs } of walk) {
    for (const log of logs) {
      if (log.eventName === 'VerifierSet') {
        rows = Number(log.args.rowsPerChunk)
        continue
      }
      const number = Number(log.eventName === 'BatchesStruck' ? log.args.fromNumber : log.args.header.number)
      batches.length = Math.min(batches.length, Math.max(0, number - 1 - known))
      if (log.eventName === 'BatchesStruck' || number <= known) continue
      const { header, z, rows: bytes, withdrawals } = log.args
      batches.push({
        header,
        z,
        rows: hexToBytes(bytes),
        withdrawals: hexToBytes(withdrawals),
        data: undefined,
        rowsPerChunk: rows ?? deployment.constants.rowsPerChunk,
        transactionHash: log.transactionHash,
        blockNumber: Number(log.blockNumber),
      })
    }
    onProgress(head <= first ? 1 : Number(toBlock - first) / Number(head - first))
  }
  if (!calldata) return batches
  const whole: PostedBatch[] = []
  for (let at = 0; at < batches.length; at += TRANSACTIONS_AT_ONCE)
    whole.push(
      ...(await Promise.all(
        batches.slice(at, at + TRANSACTIONS_AT_ONCE).map(async (batch) => ({
          ...batch,
          ...(await calldataOf(client, deployment.settlement, batch.transactionHash)),
        })),
      )),
    )
  return whole
}

/** Rows a chunk of the verifier in force before `block`. */
async function rowsPerChunkAt(
  client: PublicClient,
  deployment: ChainDeployment,
  block: bigint,
): Promise<number | undefined> {
  const event = getAbiItem({ abi: settlementAbi, name: 'VerifierSet' })
  const first = BigInt(deployment.deployedAtBlock)
  let rows: number | undefined
  const walk = new LogRanges(LOG_RANGE_BLOCKS).walk(first, block - 1n, (fromBlock, toBlock) =>
    client.getLogs({ address: deployment.settlement, event, fromBlock, toBlock, strict: true }),
  )
  for await (const { value: logs } of walk) for (const { args } of logs) rows = Number(args.rowsPerChunk)
  return rows
}

/** The commit's own bytes, where its transaction is there and has them as its input. */
async function calldataOf(
  client: PublicClient,
  settlement: Address,
  hash: Hex,
): Promise<Pick<PostedBatch, 'data' | 'missing'>> {
  let transaction
  try {
    transaction = await client.getTransaction({ hash })
  } catch (error) {
    if (error instanceof TransactionNotFoundError) return { data: undefined, missing: 'dropped' }
    throw error
  }
  const { to, input } = transaction
  const innerCall = { data: undefined, missing: 'inner call' } as const
  if (to?.toLowerCase() !== settlement.toLowerCase()) return innerCall
  const { functionName, args } = decodeFunctionData({ abi: settlementAbi, data: input })
  if (functionName !== 'commitBatch') return innerCall
  const [, chunkRoots, rows, deposits, withdrawals] = args
  return {
    data: {
      chunkRoots,
      rows: hexToBytes(rows),
      deposits: hexToBytes(deposits),
      withdrawals: hexToBytes(withdrawals),
    },
  }
}

/**
 * The vault's deposit queue up to block `head`, in order, from `after` on: deposits that were known unconsumed at that
 * block, and all later ones. Throws when the node's events leave one out in between; whether the end is there, the
 * caller asks the vault.
 */
export async function readDeposits(
  client: PublicClient,
  deployment: ChainDeployment,
  head: bigint,
  after?: { readonly block: number; readonly consumed: number; readonly waiting: readonly QueuedDeposit[] },
): Promise<QueuedDeposit[]> {
  const deposits: QueuedDeposit[] = [...(after?.waiting ?? [])]
  const known = (after?.consumed ?? 0) + deposits.length
  const event = getAbiItem({ abi: vaultAbi, name: 'Deposited' })
  const from = BigInt(after?.block ?? deployment.deployedAtBlock)
  const walk = new LogRanges(LOG_RANGE_BLOCKS).walk(from, head, (fromBlock, toBlock) =>
    client.getLogs({ address: deployment.vault, event, fromBlock, toBlock, strict: true }),
  )
  for await (const { value: logs } of walk)
    for (const { args, blockNumber } of logs) {
      if (Number(args.position) < known) continue
      deposits.push({
        position: Number(args.position),
        account: args.account,
        asset: args.asset,
        units: Number(args.units),
        owner: args.owner,
        blockNumber: Number(blockNumber),
      })
    }
  deposits.forEach(({ position }, at) => {
    const expected = (after?.consumed ?? 0) + at
    if (position !== expected)
      throw new EventsMissing(
        `the RPC endpoint does not show the event of deposit ${expected}`,
        after?.block ?? deployment.deployedAtBlock,
      )
  })
  return deposits
}

/** Owners by account, as the vault registered them up to block `head`. */
export async function readOwners(
  client: PublicClient,
  deployment: ChainDeployment,
  head: bigint,
): Promise<Map<number, Address>> {
  const event = getAbiItem({ abi: vaultAbi, name: 'AccountRegistered' })
  const owners = new Map<number, Address>()
  const walk = new LogRanges(LOG_RANGE_BLOCKS).walk(
    BigInt(deployment.deployedAtBlock),
    head,
    (fromBlock, toBlock) =>
      client.getLogs({ address: deployment.vault, event, fromBlock, toBlock, strict: true }),
  )
  for await (const { value: logs } of walk) for (const { args } of logs) owners.set(args.account, args.owner)
  return owners
}
