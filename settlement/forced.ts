/**
 * Forced withdrawals, from the operator's side: every request on the chain is answered by a withdrawal in the
 * journal, or by a proof that the balance is zero, well before anybody may freeze the exchange for it.
 *
 * Invariant: what is asked of the engine follows from the chain and the journal alone: remaining on the chain
 * less withdrawals that are on their way. So a restart asks for nothing twice.
 */
import { encodeFunctionData, getAbiItem, type Hex, type PublicClient } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { CancelReason, CommandKind } from '../engine/codes.js'
import { COMMAND_WORDS, Cmd } from '../engine/layout.js'
import type { ChainDeployment } from './chain.js'

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
}

const RANGE_BLOCKS = 5000n

/** Reads requests from the chain; remembers where it has read to. */
export class RequestReader {
  private nextBlock: bigint
  /** Block of the last request of (account, asset), by "account/asset". */
  private readonly seen = new Map<string, number>()

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
    const head = await client.getBlockNumber({ cacheTime: 0 })
    const event = getAbiItem({ abi: settlementAbi, name: 'WithdrawalRequested' })
    while (this.nextBlock <= head) {
      const end = this.nextBlock + RANGE_BLOCKS - 1n
      const toBlock = end < head ? end : head
      const logs = await client.getLogs({
        address: deployment.settlement,
        event,
        fromBlock: this.nextBlock,
        toBlock,
        strict: true,
      })
      for (const { args, blockNumber } of logs) seen.set(`${args.account}/${args.asset}`, Number(blockNumber))
      this.nextBlock = toBlock + 1n
    }
    const next = await client.getBlock({ blockTag: 'pending' })
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
      else if (BigInt(request.requestedAt) < next.timestamp)
        requests.push({
          account,
          asset,
          remaining: Number(request.remaining),
          requestedAt: request.requestedAt,
          block,
          depositsBefore: Number(request.depositsBefore),
        })
    }
    return requests
  }
}

/** What the engine is told: the account's orders go, so that nothing is reserved, then the units. */
export function forcedRecords(account: number, asset: number, units: number): [Int32Array, Int32Array] {
  const cancel = new Int32Array(COMMAND_WORDS)
  cancel[Cmd.KIND] = CommandKind.CancelAll
  cancel[Cmd.ACCOUNT] = account
  cancel[Cmd.MARKET] = -1
  cancel[Cmd.OTHER] = -1
  // A reason marks the operator's own cancel, which needs no signed frame.
  cancel[Cmd.LOTS] = CancelReason.CancelAll
  const withdraw = new Int32Array(COMMAND_WORDS)
  withdraw[Cmd.KIND] = CommandKind.Withdraw
  withdraw[Cmd.ACCOUNT] = account
  withdraw[Cmd.ASSET] = asset
  new Float64Array(withdraw.buffer)[Cmd.AMOUNT_F64] = units
  return [cancel, withdraw]
}

/** Calldata of Settlement.answerEmpty. */
export function answerEmptyData(
  { account, asset }: OpenRequest,
  batch: number,
  siblings: readonly bigint[],
): Hex {
  return encodeFunctionData({
    abi: settlementAbi,
    functionName: 'answerEmpty',
    args: [BigInt(account), BigInt(asset), BigInt(batch), siblings as never],
  })
}
