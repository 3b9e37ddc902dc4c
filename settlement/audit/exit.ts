/**
 * Leaving without the operator, from chain data alone: asks for a forced withdrawal of what is proven and of what
 * was deposited and not consumed, freezes the exchange when it, or anybody else's, stays unanswered, escapes each
 * balance with a proof against the last proven root, takes back deposits that no proven batch consumed, and claims.
 *
 * Invariant: the plan is a function of the chain, so it can be stopped after any step and started again;
 * nothing is kept outside the chain. No step moves anybody else's funds: the contracts pay owners only. A step that
 * fails holds up no other one: assets do not depend on each other.
 */
import { encodeFunctionData, type Address, type Hex, type PublicClient } from 'viem'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { audit } from './audit.js'
import { chainErrorText, nextBlockTime, type ChainDeployment } from '../chain/chain.js'
import type { Checkpoint } from './checkpoint.js'
import { bytesToHex, decodeUnits } from '../batch/commit.js'
import type { QueuedDeposit } from '../chain/history.js'
import { accountOf, indexOf } from '../batch/rows.js'
import { LogsRefused } from '../chain/log-ranges.js'
import { findOverdue, type OverdueSearch } from './overdue.js'
import { unitsText } from './units-text.js'

export interface ExitStep {
  /** One line for people. */
  readonly what: string
  readonly to: Address
  readonly data: Hex
  /** Wei to send along. */
  readonly value: bigint
}

export interface ExitPlan {
  readonly account: number
  readonly isFrozen: boolean
  readonly provenBatch: number
  /** Units per asset under the last proven root. */
  readonly balances: readonly { readonly asset: number; readonly units: number }[]
  /** Units per asset that were deposited and that no proven batch has consumed. */
  readonly deposited: readonly { readonly asset: number; readonly units: number }[]
  /** What can be done now, in order. */
  readonly steps: readonly ExitStep[]
  /** Forced withdrawals that the operator still has time to answer; seconds since 1970. */
  readonly waiting: readonly { readonly asset: number; readonly units: bigint; readonly deadline: number }[]
  /** Time of the block that comes next, by the chain; seconds since 1970. */
  readonly chainTime: number
  /** Forced withdrawals of others that are open and whose events were not to be had: one of them may be overdue. */
  readonly unseenRequests: number
}

/** The owner has no account, or the chain contradicts itself. */
export class ExitError extends Error {
  override readonly name = 'ExitError'
}

export interface PlanOptions {
  /** Gets a share from 0 to 1. */
  readonly onProgress?: (share: number) => void
  /** Begin from it instead of from the first batch; it is compared with the chain first. */
  readonly checkpoint?: () => Checkpoint
}

/** Why the root that was proven may be another although nothing was found. */
const ALL_AGREE =
  'every batch that was read agrees with its own event, so a batch was proven in between, or the RPC endpoint told of another root: run this again, or ask another one'

/** Looks at the chain and says what `owner` can do now. Throws ExitError, EventsMissing, CheckpointError, and what the node says. */
export async function planExit(
  client: PublicClient,
  deployment: ChainDeployment,
  owner: Address,
  { onProgress = () => {}, checkpoint }: PlanOptions = {},
): Promise<ExitPlan> {
  const { vault, settlement } = deployment
  const readVault = <T>(functionName: string, ...args: unknown[]): Promise<T> =>
    client.readContract({ address: vault, abi: vaultAbi, functionName, args } as never) as Promise<T>
  const readSettlement = <T>(functionName: string, ...args: unknown[]): Promise<T> =>
    client.readContract({
      address: settlement,
      abi: settlementAbi,
      functionName,
      args,
    } as never) as Promise<T>
  const account = await readVault<number>('accountOf', owner).catch((error: unknown) => {
    // A node that fails, or has no such contract yet, is not an owner without an account.
    if (!isContractAnswer(error)) throw error
    const answer = chainErrorText(error)
    if (!answer.startsWith('UnknownOwner'))
      throw new ExitError(
        `the node has no vault at ${vault} (${answer}): is it this chain, and has it read all of it?`,
      )
    throw new ExitError(`${owner} has no account in the vault ${vault}: it never deposited`)
  })
  const [isFrozen, provenCount, finalCount, provenRoot, consumed, chainTime] = await Promise.all([
    readSettlement<boolean>('frozen'),
    readSettlement<bigint>('provenCount'),
    readSettlement<bigint>('finalCount'),
    readSettlement<bigint>('provenRoot'),
    readSettlement<bigint>('provenDepositsConsumed'),
    nextBlockTime(client),
  ])
  const from = checkpoint?.()
  const { tree, batches, deposits, report } = await audit(client, deployment, {
    onProgress,
    untilBatch: Number(provenCount),
    ...(from === undefined ? {} : { checkpoint: from }),
  })
  if (report.findings.length > 0 || tree.root !== provenRoot)
    throw new ExitError(
      `the rebuilt tree has root ${tree.root}, the contract proved ${provenRoot}: ${report.findings[0]?.text ?? ALL_AGREE}`,
    )
  const waitingDeposits: QueuedDeposit[] = []
  for (const deposit of deposits) {
    const isOurs = deposit.account === account && BigInt(deposit.position) >= consumed
    if (isOurs && !(isFrozen && (await readVault<boolean>('refunded', BigInt(deposit.position)))))
      waitingDeposits.push(deposit)
  }
  const amount = (asset: number, units: number | bigint): string =>
    unitsText(deployment.assets[asset]!, units)
  const steps: ExitStep[] = []
  const waiting: { asset: number; units: bigint; deadline: number }[] = []
  const toVault = (what: string, functionName: string, args: unknown[]): void =>
    void steps.push({
      what,
      to: vault,
      data: encodeFunctionData({ abi: vaultAbi, functionName, args } as never),
      value: 0n,
    })
  const toSettlement = (what: string, functionName: string, args: unknown[], value = 0n): void =>
    void steps.push({
      what,
      to: settlement,
      data: encodeFunctionData({ abi: settlementAbi, functionName, args } as never),
      value,
    })

  // Withdrawals that were granted and proven, and that nobody made claimable yet. Behind the final end a batch may be
  // final too, when it was finalised before an older one.
  const PROVEN = 2
  const granting = batches.filter(
    ({ header, withdrawals }) =>
      header.number > finalCount &&
      decodeUnits(withdrawals).some(({ index }) => accountOf(index) === account),
  )
  const states = await Promise.all(
    granting.map(({ header }) => readSettlement<number>('batchState', header.number)),
  )
  granting.forEach(({ header, withdrawals }, at) => {
    if (states[at] === PROVEN)
      toSettlement(`finalise batch ${header.number}`, 'finalizeBatch', [
        header.number,
        bytesToHex(withdrawals),
      ])
  })
  const balances: { asset: number; units: number }[] = []
  const deposited: { asset: number; units: number }[] = []
  const holdings: Holding[] = []
  for (const { id: asset } of deployment.assets) {
    const key = [BigInt(account), BigInt(asset)] as const
    const { balance, siblings } = tree.proof(indexOf(account, asset))
    const hasLeft = isFrozen && balance > 0 && (await readVault<boolean>('escaped', ...key))
    if (balance > 0 && !hasLeft) balances.push({ asset, units: balance })
    const waitingUnits = waitingDeposits.reduce(
      (sum, deposit) => sum + (deposit.asset === asset ? deposit.units : 0),
      0,
    )
    if (waitingUnits > 0) deposited.push({ asset, units: waitingUnits })
    const request = await readSettlement<{ remaining: bigint; requestedAt: number }>('requestOf', ...key)
    holdings.push({ asset, key, balance, siblings, hasLeft, owed: balance + waitingUnits, ...request })
  }
  const { overdue, unseen } = isFrozen
    ? { overdue: undefined, unseen: 0 }
    : await overdueFor(client, deployment, holdings, chainTime, from?.head.block)
  for (const { asset, key, balance, siblings, hasLeft, owed, remaining, requestedAt } of holdings) {
    const claimable = await readVault<bigint>('claimable', ...key)
    if (claimable > 0n) toVault(`claim ${amount(asset, claimable)}`, 'claim', [...key])
    if (isFrozen) {
      if (balance > 0 && !hasLeft)
        toVault(`escape with ${amount(asset, balance)}`, 'escape', [...key, BigInt(balance), siblings])
      if (remaining > 0n)
        toSettlement(
          `take back the fee of the request for ${deployment.assets[asset]!.symbol}`,
          'reclaimFee',
          [...key],
        )
    } else if (remaining > 0n) {
      const deadline = requestedAt + Number(await readSettlement<bigint>('exitDelay'))
      if (chainTime <= deadline) waiting.push({ asset, units: remaining, deadline })
    } else if (owed > 0 && overdue === undefined) {
      // The fee may rise by a step with each request that is opened; the simulation before each send tells.
      const fee = await readSettlement<bigint>('currentRequestFee')
      toSettlement(`request ${amount(asset, owed)}`, 'requestWithdrawal', [...key, BigInt(owed)], fee)
    }
  }
  if (overdue !== undefined) {
    const whose = overdue.account === account ? '' : ` of account ${overdue.account}`
    toSettlement(
      `freeze: ${amount(overdue.asset, overdue.remaining)}${whose} were not paid in time`,
      'freeze',
      [BigInt(overdue.account), BigInt(overdue.asset)],
    )
  }
  if (isFrozen)
    for (const { position, asset, units } of waitingDeposits)
      toVault(`take back deposit ${position}: ${amount(asset, units)}`, 'refundDeposit', [
        BigInt(position),
        BigInt(account),
        BigInt(asset),
        BigInt(units),
      ])
  if ((await readSettlement<bigint>('refundOf', owner)) > 0n)
    toSettlement('withdraw refunded fees', 'withdrawRefund', [])
  return {
    account,
    isFrozen,
    provenBatch: Number(provenCount),
    balances,
    deposited,
    steps,
    waiting,
    chainTime,
    unseenRequests: unseen,
  }
}

/** What the owner has of an asset, and has asked for. */
interface Holding {
  readonly asset: number
  /** Account and asset, as the contracts take them. */
  readonly key: readonly [bigint, bigint]
  /** Under the last proven root, with its proof. */
  readonly balance: number
  readonly siblings: readonly bigint[]
  readonly hasLeft: boolean
  /** With deposits that wait. */
  readonly owed: number
  /** Of a forced withdrawal; seconds since 1970. */
  readonly remaining: bigint
  readonly requestedAt: number
}

/**
 * A request whose time is over: with it the exchange can be frozen now, whoever asked. The owner's own, or that of
 * another when the owner has something to leave with, who would otherwise wait a whole exit delay more.
 */
async function overdueFor(
  client: PublicClient,
  deployment: ChainDeployment,
  holdings: readonly Holding[],
  chainTime: number,
  checkpointBlock: number | undefined,
): Promise<OverdueSearch> {
  const read = (functionName: 'exitDelay' | 'openRequests'): Promise<bigint> =>
    client.readContract({ address: deployment.settlement, abi: settlementAbi, functionName })
  const asked = holdings.filter(({ remaining }) => remaining > 0n)
  const exitDelay = Number(await read('exitDelay'))
  const own = asked.find(({ requestedAt }) => chainTime > requestedAt + exitDelay)
  if (own !== undefined) {
    const { key, asset, remaining } = own
    return { overdue: { account: Number(key[0]), asset, remaining }, unseen: 0 }
  }
  const others = Number(await read('openRequests')) - asked.length
  if (others <= 0 || holdings.every(({ owed, remaining }) => owed === 0 && remaining === 0n))
    return { overdue: undefined, unseen: 0 }
  // Who keeps recent logs only may have those behind the checkpoint.
  for (const block of [deployment.deployedAtBlock, checkpointBlock])
    try {
      if (block !== undefined)
        return await findOverdue(client, deployment, { from: BigInt(block), chainTime })
    } catch (error) {
      if (!(error instanceof LogsRefused)) throw error
    }
  return { overdue: undefined, unseen: others }
}
