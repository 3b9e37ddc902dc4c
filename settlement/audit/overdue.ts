/**
 * The forced withdrawal whose time to be answered is over, whoever asked for it: with it anybody may freeze the
 * exchange. Read from the chain's events. Used by exit.ts.
 */
import { getAbiItem, type PublicClient } from 'viem'
import { settlementAbi } from '../../contracts/abi.js'
import { LOG_RANGE_BLOCKS } from '../limits.js'
import type { ChainDeployment } from '../chain/chain.js'
import { LogRanges } from '../chain/log-ranges.js'

export interface OverdueRequest {
  readonly account: number
  readonly asset: number
  /** Units that were not granted. */
  readonly remaining: bigint
}

export interface OverdueSearch {
  /** The first that is found, oldest events first. */
  readonly overdue: OverdueRequest | undefined
  /** Open requests whose events the endpoint does not show: one of them may be overdue. */
  readonly unseen: number
}

/** Looks from block `from` on for a request that the block of time `chainTime`, in seconds, may freeze for. */
export async function findOverdue(
  client: PublicClient,
  { settlement: address }: ChainDeployment,
  { from, chainTime }: { readonly from: bigint; readonly chainTime: number },
): Promise<OverdueSearch> {
  // All of one block: the count beside the requests that make it up.
  const head = await client.getBlockNumber({ cacheTime: 0 })
  const contract = { address, abi: settlementAbi, blockNumber: head } as const
  const open = Number(await client.readContract({ ...contract, functionName: 'openRequests' }))
  const exitDelay = Number(await client.readContract({ ...contract, functionName: 'exitDelay' }))
  const seen = new Set<string>()
  let found = 0
  const event = getAbiItem({ abi: settlementAbi, name: 'WithdrawalRequested' })
  const pieces = new LogRanges(LOG_RANGE_BLOCKS).walk(from, head, (fromBlock, toBlock) =>
    client.getLogs({ address, event, fromBlock, toBlock, strict: true }),
  )
  if (open > 0)
    for await (const { value } of pieces)
      for (const { args } of value) {
        const { account, asset } = args
        const key = `${account}/${asset}`
        if (seen.has(key)) continue
        seen.add(key)
        const { remaining, requestedAt } = await client.readContract({
          ...contract,
          functionName: 'requestOf',
          args: [BigInt(account), BigInt(asset)],
        })
        if (remaining === 0n) continue
        if (chainTime > requestedAt + exitDelay)
          return { overdue: { account: Number(account), asset: Number(asset), remaining }, unseen: 0 }
        found++
        if (found === open) return { overdue: undefined, unseen: 0 }
      }
  return { overdue: undefined, unseen: open - found }
}
