/**
 * Forced withdrawals, from the operator's side: every request on the chain is answered by a withdrawal in the
 * journal, or by a proof that the balance is zero, well before anybody may freeze the exchange for it.
 *
 * Invariant: what is asked of the engine follows from the chain and the journal alone: remaining on the chain
 * less withdrawals that are on their way. So a restart asks for nothing twice.
 */
import { encodeFunctionData, getAbiItem, type PublicClient } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { CancelReason, CommandKind } from '../engine/codes.js'
import { COMMAND_WORDS, Cmd } from '../engine/layout.js'
import type { Batches, ServedProof } from './batches.js'
import { sleep, type ChainDeployment } from './chain.js'
import { decodeUnits } from './commit.js'
import type { Follower } from './follow.js'
import { indexOf, type IndexedUnits } from './net.js'
import { NonceTaken, TransactionReverted, type Sender } from './sender.js'

/** A request that waits on the chain. */
interface OpenRequest {
  readonly account: number
  readonly asset: number
  /** Units not granted yet. */
  readonly remaining: number
  /** Seconds since 1970, and the block. */
  readonly requestedAt: number
  readonly block: number
  /** Deposits that an answer must have consumed. */
  readonly depositsBefore: number
  /** Withdrawals of batches up to this number do not count. */
  readonly afterBatch: number
  /** A large part of the time to answer it is over. */
  readonly isLate: boolean
}

/** Share of the exit delay after which a request is late. */
const LATE_SHARE = 0.25

const RANGE_BLOCKS = 5000n

/** Reads requests from the chain; remembers where it has read to. */
class RequestReader {
  private nextBlock: bigint
  /** Block of the last request of (account, asset), by "account/asset". */
  private readonly seen = new Map<string, number>()
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
      else if (BigInt(request.requestedAt) < next.timestamp)
        requests.push({
          account,
          asset,
          remaining: Number(request.remaining),
          requestedAt: request.requestedAt,
          block,
          depositsBefore: Number(request.depositsBefore),
          afterBatch: Number(request.afterBatch),
          isLate: Number(next.timestamp) - request.requestedAt > this.exitDelay * LATE_SHARE,
        })
    }
    return requests
  }
}

/** What the engine is told: the account's orders go, so that nothing is reserved, then the units. */
function forcedRecords(account: number, asset: number, units: number): [Int32Array, Int32Array] {
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

export interface ForcedOptions {
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  readonly batches: Batches
  readonly follower: Follower
  readonly sender: Sender
  /** Takes commands for the engine, in order. */
  readonly onCommand: (record: Int32Array) => void
  /** Asks for a batch even if it would move nothing: it is to prove a zero balance. */
  readonly wantBatch: () => void
  readonly isStopped: () => boolean
  readonly onTrouble: (text: string) => void
  readonly pollMs: number
}

/** A withdrawal that the engine did not make is asked for again. */
const AGAIN_MS = 5000
const STOP_CHECK_MS = 20

/**
 * Answers requests until the stop: in the journal while there is a balance, with a proof when there is none.
 * Who asks for more than is there and trades has a balance again at the end of every batch: late, the
 * request is lowered to that balance, so that the next withdrawal serves it.
 */
export async function answerForced(options: ForcedOptions): Promise<void> {
  const { follower, batches, wantBatch, isStopped, onCommand, pollMs } = options
  const reader = new RequestReader(options.client, options.deployment)
  const askedAtMs = new Map<number, number>()
  while (!isStopped()) {
    for (const request of await reader.open()) {
      const index = indexOf(request.account, request.asset)
      const onTheWay = underWay(options, index, request)
      const needed = request.remaining - onTheWay
      if (needed <= 0) continue
      const total = follower.total(request.account, request.asset)
      if (total > 0 && Date.now() - (askedAtMs.get(index) ?? 0) > AGAIN_MS) {
        askedAtMs.set(index, Date.now())
        for (const record of forcedRecords(request.account, request.asset, Math.min(needed, total)))
          onCommand(record)
      }
      const shown = await shownBalance(options, request)
      // What is on the way counts first: then the fee is the owner's.
      if (shown?.balance === 0 && onTheWay === 0) await answer(options, request, shown)
      else if (shown !== undefined && request.isLate && shown.balance < request.remaining)
        await answer(options, request, shown)
      // A later batch must show the zero, and perhaps there is nothing else to settle.
      else if (total === 0 && shown?.balance !== 0 && batches.count === batches.proven) wantBatch()
    }
    for (let waited = 0; waited < pollMs && !isStopped(); waited += STOP_CHECK_MS) await sleep(STOP_CHECK_MS)
  }
}

/** Units of withdrawals that will count towards a request, and are not granted yet. */
function underWay({ follower, batches }: ForcedOptions, index: number, request: OpenRequest): number {
  let units = 0
  const add = (records: readonly IndexedUnits[]): void => {
    for (const record of records) if (record.index === index) units += record.units
  }
  add(follower.withdrawals)
  for (const { header, commitBlock, data } of batches.open())
    if (
      Number(header.number) > request.afterBatch &&
      (commitBlock === undefined || commitBlock > request.block)
    )
      add(decodeUnits(data.withdrawals))
  return units
}

/** The balance under the last proven root, when that batch may answer the request; else undefined. */
async function shownBalance(
  { client, deployment, batches }: ForcedOptions,
  request: OpenRequest,
): Promise<ServedProof | undefined> {
  const number = batches.proven
  if (number === 0) return undefined
  const batch = await client.readContract({
    address: deployment.settlement,
    abi: settlementAbi,
    functionName: 'batchOf',
    args: [BigInt(number)],
  })
  const isNewer =
    batch.committedAt > request.requestedAt && Number(batch.depositsConsumed) >= request.depositsBefore
  return isNewer ? batches.proof(indexOf(request.account, request.asset), number) : undefined
}

/** Shows a balance that is less than what the request is owed; zero closes it. */
async function answer(options: ForcedOptions, request: OpenRequest, shown: ServedProof): Promise<void> {
  const { deployment, sender, onTrouble } = options
  const { account, asset } = request
  const data = encodeFunctionData({
    abi: settlementAbi,
    functionName: 'answerRequest',
    args: [
      BigInt(account),
      BigInt(asset),
      BigInt(shown.batch),
      BigInt(shown.balance),
      shown.siblings as never,
    ],
  })
  await sender.send(`answer ${account}/${asset}`, deployment.settlement, data).catch((error: unknown) => {
    if (!(error instanceof TransactionReverted || error instanceof NonceTaken)) throw error
    onTrouble(error.message)
  })
}
