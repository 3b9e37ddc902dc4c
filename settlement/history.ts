/**
 * What the chain knows of an exchange, read back in order: posted batches with their calldata, the deposit
 * queue, the accounts. Everything that the auditor's and the exit tools work from; no journal, no operator.
 */
import { decodeFunctionData, getAbiItem, type Address, type Hex, type PublicClient } from 'viem'
import { groth16ChunkVerifierAbi, settlementAbi, vaultAbi } from '../contracts/abi.js'
import type { ChainDeployment } from './chain.js'
import { hexToBytes, type BatchData, type BatchHeader } from './commit.js'

/** A batch as it was posted; struck ones are left out. */
export interface PostedBatch {
  readonly header: BatchHeader
  /** As the event says. */
  readonly z: bigint
  readonly rows: Uint8Array
  readonly withdrawals: Uint8Array
  /** All of the calldata; undefined when the commit came through another contract. */
  readonly data: BatchData | undefined
  readonly transactionHash: Hex
  readonly blockNumber: number
}

export interface QueuedDeposit {
  readonly position: number
  readonly account: number
  readonly asset: number
  readonly units: number
  readonly owner: Address
}

const RANGE_BLOCKS = 5000n

/** Walks a block range in pieces that endpoints accept. */
async function* ranges(from: bigint, to: bigint): AsyncGenerator<{ fromBlock: bigint; toBlock: bigint }> {
  for (let fromBlock = from; fromBlock <= to; fromBlock += RANGE_BLOCKS) {
    const end = fromBlock + RANGE_BLOCKS - 1n
    yield { fromBlock, toBlock: end < to ? end : to }
  }
}

/**
 * The deployment as far as the settlement contract itself tells it. The deployment block is found by
 * bisection, or 0 where the endpoint keeps no old state.
 */
export async function discoverDeployment(
  client: PublicClient,
  settlement: Address,
): Promise<ChainDeployment> {
  const read = <T>(functionName: string): Promise<T> =>
    client.readContract({ address: settlement, abi: settlementAbi, functionName } as never) as Promise<T>
  const [vault, verifier, rowsPerChunk, maxUnproven] = await Promise.all([
    read<Address>('vault'),
    read<Address>('verifier'),
    read<bigint>('rowsPerChunk'),
    read<bigint>('maxUnproven'),
  ])
  const assetCount = await client.readContract({ address: vault, abi: vaultAbi, functionName: 'assetCount' })
  const assets = await Promise.all(
    Array.from({ length: Number(assetCount) }, async (_, id) => {
      const { unitAtoms } = await client.readContract({
        address: vault,
        abi: vaultAbi,
        functionName: 'assetOf',
        args: [BigInt(id)],
      })
      return { id, symbol: `asset ${id}`, decimals: 0, unitAtoms: String(unitAtoms) }
    }),
  )
  const proven = await client
    .readContract({ address: verifier, abi: groth16ChunkVerifierAbi, functionName: 'key' })
    .then(() => true)
    .catch(() => false)
  return {
    chainId: await client.getChainId(),
    vault,
    settlement,
    verifier,
    deployedAtBlock: await deploymentBlock(client, vault),
    assets,
    constants: { rowsPerChunk: Number(rowsPerChunk), maxUnproven: Number(maxUnproven), proven },
  }
}

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
  } catch {
    return 0
  }
}

/** Every batch that stands, in order of its number. `onProgress` gets a share from 0 to 1. */
export async function readBatches(
  client: PublicClient,
  deployment: ChainDeployment,
  onProgress: (share: number) => void = () => {},
): Promise<PostedBatch[]> {
  const first = BigInt(deployment.deployedAtBlock)
  const head = await client.getBlockNumber({ cacheTime: 0 })
  const batches: PostedBatch[] = []
  const events = [
    getAbiItem({ abi: settlementAbi, name: 'BatchCommitted' }),
    getAbiItem({ abi: settlementAbi, name: 'BatchesStruck' }),
  ]
  for await (const range of ranges(first, head)) {
    const logs = await client.getLogs({ address: deployment.settlement, events, ...range, strict: true })
    for (const log of logs) {
      if (log.eventName === 'BatchesStruck') {
        batches.length = Number(log.args.fromNumber) - 1
        continue
      }
      const { header, z, rows, withdrawals } = log.args
      batches.length = Number(header.number) - 1
      batches.push({
        header,
        z,
        rows: hexToBytes(rows),
        withdrawals: hexToBytes(withdrawals),
        data: await calldata(client, deployment.settlement, log.transactionHash),
        transactionHash: log.transactionHash,
        blockNumber: Number(log.blockNumber),
      })
    }
    onProgress(head === first ? 1 : Number(range.toBlock - first) / Number(head - first))
  }
  return batches
}

async function calldata(
  client: PublicClient,
  settlement: Address,
  hash: Hex,
): Promise<BatchData | undefined> {
  const { to, input } = await client.getTransaction({ hash })
  if (to?.toLowerCase() !== settlement.toLowerCase()) return undefined
  const { functionName, args } = decodeFunctionData({ abi: settlementAbi, data: input })
  if (functionName !== 'commitBatch') return undefined
  const [, chunkRoots, rows, deposits, withdrawals] = args
  return {
    chunkRoots,
    rows: hexToBytes(rows),
    deposits: hexToBytes(deposits),
    withdrawals: hexToBytes(withdrawals),
  }
}

/** The vault's deposit queue, in order. */
export async function readDeposits(
  client: PublicClient,
  deployment: ChainDeployment,
): Promise<QueuedDeposit[]> {
  const head = await client.getBlockNumber({ cacheTime: 0 })
  const deposits: QueuedDeposit[] = []
  const event = getAbiItem({ abi: vaultAbi, name: 'Deposited' })
  for await (const range of ranges(BigInt(deployment.deployedAtBlock), head))
    for (const { args } of await client.getLogs({ address: deployment.vault, event, ...range, strict: true }))
      deposits.push({
        position: Number(args.position),
        account: args.account,
        asset: args.asset,
        units: Number(args.units),
        owner: args.owner,
      })
  deposits.forEach(({ position }, at) => {
    if (position !== at) throw new Error(`deposit ${at} is missing from the endpoint's events`)
  })
  return deposits
}
