/**
 * Forced withdrawals, from the operator's side: every request on the chain is answered by a withdrawal in the
 * journal, or by a proof that the balance is zero, well before anybody may freeze the exchange for it.
 *
 * Invariant: what is asked of the engine follows from the chain and the journal alone: remaining on the chain
 * less withdrawals that are on their way. So a restart asks for nothing twice.
 */
import { encodeFunctionData, type PublicClient } from 'viem'
import { settlementAbi } from '../../contracts/abi.js'
import { CancelReason } from '../../engine/codes.js'
import { commandRecord } from '../../engine/records/access.js'
import { FORCED_AGAIN_MS } from '../limits.js'
import { pauseFor } from '../chain/patience.js'
import type { Batches, ServedProof } from './batches.js'
import type { ChainDeployment } from '../chain/chain.js'
import { decodeUnits } from '../batch/commit.js'
import type { Follower } from '../follow/follow.js'
import { type IndexedUnits } from '../batch/netting.js'
import { indexOf } from '../batch/rows.js'
import { NonceTaken, TransactionReverted, type Sender } from '../sending/sender.js'
import { RequestReader, type OpenRequest } from './withdrawal-requests.js'

/** The operator's own cancel of all orders of an account: of none, where a batch is to be made of something. */
function cancelRecord(account: number): Int32Array {
  // A reason marks the operator's own cancel, which needs no signed frame.
  return commandRecord('CancelAll', { account, reason: CancelReason.CancelAll })
}

/** What the engine is told: the account's orders go, as far as they must, and what they free is paid. */
function forcedRecord(account: number, asset: number, units: number): Int32Array {
  // No wallet is asked again: the chain's request stands for it, and the operator answers. Forced: orders are cancelled
  // for it, and none is placed until it is paid.
  return commandRecord('Withdraw', { account, asset, units, operator: true, forced: true })
}

export interface ForcedOptions {
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  readonly batches: Batches
  readonly follower: Follower
  readonly sender: Sender
  /** Takes commands for the engine, in order. */
  readonly onCommand: (record: Int32Array) => void
  /**
   * Asks for a batch even if it would move nothing: it is to prove a zero balance. False: the journal has no
   * command that it could be made of.
   */
  readonly wantBatch: () => boolean
  readonly isStopped: () => boolean
  /** Where a restart finds the requests that were read. */
  readonly statePath?: string
  readonly onTrouble: (text: string) => void
  readonly pollMs: number
}

/**
 * Answers requests until the stop: in the journal while there is a balance, with a proof when there is none.
 * Who asks for more than is there and trades has a balance again at the end of every batch: late, the
 * request is lowered to that balance, so that the next withdrawal serves it.
 */
export async function answerForced(options: ForcedOptions): Promise<void> {
  const { follower, batches, wantBatch, isStopped, onCommand, pollMs } = options
  const reader = new RequestReader(options)
  const askedAtMs = new Map<number, number>()
  while (!isStopped()) {
    for (const request of await reader.open()) {
      const index = indexOf(request.account, request.asset)
      const onTheWay = underWay(options, index, request)
      const needed = request.remaining - onTheWay
      if (needed <= 0) continue
      const total = follower.total(request.account, request.asset)
      if (total > 0 && Date.now() - (askedAtMs.get(index) ?? 0) > FORCED_AGAIN_MS) {
        askedAtMs.set(index, Date.now())
        onCommand(forcedRecord(request.account, request.asset, Math.min(needed, total)))
      }
      const shown = await shownBalance(options, request)
      // What is on the way counts first: then the fee is the owner's.
      if (shown?.balance === 0 && onTheWay === 0) await answer(options, request, shown)
      else if (shown !== undefined && request.isLate && shown.balance < request.remaining)
        await answer(options, request, shown)
      // A later batch must show the zero, and perhaps there is nothing else to settle.
      else if (total === 0 && shown?.balance !== 0 && batches.count === batches.proven) {
        // One that is proven and not final yet will do in a moment.
        if ((await finalCount(options)) < batches.proven || wantBatch()) continue
        // Nothing has come since the last batch: the cancel, of no orders, is what a next one is made of.
        if (Date.now() - (askedAtMs.get(index) ?? 0) <= FORCED_AGAIN_MS) continue
        askedAtMs.set(index, Date.now())
        onCommand(cancelRecord(request.account))
      }
    }
    await pauseFor(pollMs, isStopped)
  }
}

/** Units of withdrawals that will count towards a request, and are not granted yet. */
function underWay({ follower, batches }: ForcedOptions, index: number, request: OpenRequest): number {
  let units = 0
  const add = (records: readonly IndexedUnits[]): void => {
    for (const record of records) if (record.index === index) units += record.units
  }
  add(follower.withdrawals)
  // It waits for room on the disk.
  if (batches.closed !== undefined) add(decodeUnits(batches.closed.data.withdrawals))
  for (const { header, commitBlock, data } of batches.open())
    if (isLater(Number(header.number), commitBlock, request)) add(decodeUnits(data.withdrawals))
  return units
}

/** Whether a batch is committed after the request: by its block, and inside that by its number, as the contract has it. */
const isLater = (number: number, commitBlock: number | undefined, request: OpenRequest): boolean =>
  commitBlock === undefined ||
  commitBlock > request.block ||
  (commitBlock === request.block && number > request.batchesBefore)

/** Number of the batch up to which all are final. */
async function finalCount({
  client,
  deployment,
}: Pick<ForcedOptions, 'client' | 'deployment'>): Promise<number> {
  return Number(
    await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'finalCount',
    }),
  )
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
    (batch.committedAt > request.requestedAt ||
      (batch.committedAt === request.requestedAt && number > request.batchesBefore)) &&
    Number(batch.depositsConsumed) >= request.depositsBefore &&
    // What the batches up to this one paid has counted: the contract takes no answer before.
    (await finalCount({ client, deployment })) >= number
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
