/**
 * Reads the forced withdrawals that wait on the chain. Used by forced.ts.
 *
 * Invariant: as many are found as the contract says are open. A request that an endpoint left out, or that
 * another branch of the chain has in a block that was read already, is looked for again.
 */
import { getAbiItem, type PublicClient } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { nextBlockTime, type ChainDeployment } from './chain.js'
import { LogRanges } from './log-ranges.js'

/** A request that waits on the chain. */
export interface OpenRequest {
  readonly account: number
  readonly asset: number
  /** Units not granted yet. */
  readonly remaining: number
  /** Seconds since 1970, and the block. */
  readonly requestedAt: number
  readonly block: number
  /** Deposits that an answer must have consumed. */
  readonly depositsBefore: number
  /** A large part of the time to answer it is over. */
  readonly isLate: boolean
}

/** Share of the exit delay after which a request is late. */
const LATE_SHARE = 0.25

const RANGE_BLOCKS = 5000
/** Blocks to go back when a request is missing; doubled until it is found. */
const BACK_BLOCKS = 64

/** Reads requests from the chain; remembers where it has read to. */
export class RequestReader {
  private nextBlock: bigint
  /** Block of the last request of (account, asset), by "account/asset". */
  private readonly seen = new Map<string, number>()
  private readonly ranges = new LogRanges(RANGE_BLOCKS)
  private back = BACK_BLOCKS
  /** Seconds. */
  private exitDelay: number | undefined

  constructor(
    private readonly client: PublicClient,
    private readonly deployment: ChainDeployment,
  ) {
    this.nextBlock = BigInt(deployment.deployedAtBlock)
  }

  /**
   * Requests that are open and older than the block that comes next: only what is committed later than a
   * request counts as its answer.
   */
  async open(): Promise<OpenRequest[]> {
    const { client, deployment, seen } = this
    await this.readEvents()
    const nextTime = await nextBlockTime(client)
    this.exitDelay ??= Number(
      await client.readContract({
        address: deployment.settlement,
        abi: settlementAbi,
        functionName: 'exitDelay',
      }),
    )
    const requests: OpenRequest[] = []
    for (const [key, block] of seen) {
      const [account, asset] = key.split('/').map(Number) as [number, number]
      const request = await client.readContract({
        address: deployment.settlement,
        abi: settlementAbi,
        functionName: 'requestOf',
        args: [BigInt(account), BigInt(asset)],
      })
      if (request.remaining === 0n) seen.delete(key)
      else if (request.requestedAt < nextTime)
        requests.push({
          account,
          asset,
          remaining: Number(request.remaining),
          requestedAt: request.requestedAt,
          block,
          depositsBefore: Number(request.depositsBefore),
          isLate: nextTime - request.requestedAt > this.exitDelay * LATE_SHARE,
        })
    }
    await this.lookBackUnless(seen.size)
    return requests
  }

  private async readEvents(): Promise<void> {
    const { client, deployment, seen } = this
    const head = await client.getBlockNumber({ cacheTime: 0 })
    const event = getAbiItem({ abi: settlementAbi, name: 'WithdrawalRequested' })
    const pieces = this.ranges.walk(this.nextBlock, head, (fromBlock, toBlock) =>
      client.getLogs({ address: deployment.settlement, event, fromBlock, toBlock, strict: true }),
    )
    for await (const { toBlock, value } of pieces) {
      for (const { args, blockNumber } of value)
        seen.set(`${args.account}/${args.asset}`, Number(blockNumber))
      this.nextBlock = toBlock + 1n
    }
  }

  /** Reads older blocks again at the next call, when the contract has more open requests than were found. */
  private async lookBackUnless(found: number): Promise<void> {
    const { client, deployment } = this
    const open = await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'openRequests',
    })
    if (open <= BigInt(found)) {
      this.back = BACK_BLOCKS
      return
    }
    const first = BigInt(deployment.deployedAtBlock)
    const from = this.nextBlock - BigInt(this.back)
    this.nextBlock = from > first ? from : first
    this.back *= 2
  }
}
