/**
 * Leaving without the operator, from chain data alone: asks for a forced withdrawal of what is proven and of what
 * was deposited and not consumed, freezes the exchange when it stays unanswered, escapes each balance with a proof
 * against the last proven root, takes back deposits that no proven batch consumed, and claims.
 *
 * Invariant: the plan is a function of the chain, so it can be stopped after any step and started again;
 * nothing is kept outside the chain. No step moves anybody else's funds: the contracts pay owners only. A step that
 * fails holds up no other one: assets do not depend on each other.
 */
import {
  BaseError,
  InsufficientFundsError,
  WaitForTransactionReceiptTimeoutError,
  encodeFunctionData,
  type Account,
  type Address,
  type Hex,
  type PublicClient,
  type WalletClient,
} from 'viem'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { RECEIPT_TIMEOUT_MS } from '../limits.js'
import { audit } from './audit.js'
import { chainErrorText, nextBlockTime, type ChainDeployment } from '../chain/chain.js'
import type { Checkpoint } from './checkpoint.js'
import { bytesToHex, decodeUnits } from '../batch/commit.js'
import type { QueuedDeposit } from '../chain/history.js'
import { accountOf, indexOf } from '../batch/net.js'
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
}

/** A step that the chain refused, or that could not be sent. */
export interface FailedStep {
  readonly step: ExitStep
  readonly reason: string
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

/** Looks at the chain and says what `owner` can do now. Throws ExitError, CheckpointError, and what the node says. */
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
  const { tree, batches, deposits, report } = await audit(client, deployment, {
    onProgress,
    untilBatch: Number(provenCount),
    ...(checkpoint === undefined ? {} : { checkpoint: checkpoint() }),
  })
  if (report.findings.length > 0 || tree.root !== provenRoot)
    throw new ExitError(
      `the rebuilt tree has root ${tree.root}, the contract proved ${provenRoot}: ${report.findings[0]?.text ?? ''}`,
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
  let isFreezing = false
  for (const { id: asset } of deployment.assets) {
    const name = deployment.assets[asset]!.symbol
    const claimable = await readVault<bigint>('claimable', BigInt(account), BigInt(asset))
    if (claimable > 0n)
      toVault(`claim ${amount(asset, claimable)}`, 'claim', [BigInt(account), BigInt(asset)])
    const { balance, siblings } = tree.proof(indexOf(account, asset))
    const key = [BigInt(account), BigInt(asset)]
    const hasLeft = isFrozen && balance > 0 && (await readVault<boolean>('escaped', ...key))
    if (balance > 0 && !hasLeft) balances.push({ asset, units: balance })
    const waitingUnits = waitingDeposits.reduce(
      (sum, deposit) => sum + (deposit.asset === asset ? deposit.units : 0),
      0,
    )
    if (waitingUnits > 0) deposited.push({ asset, units: waitingUnits })
    const owed = balance + waitingUnits
    const request = await readSettlement<{ remaining: bigint; requestedAt: number }>(
      'requestOf',
      BigInt(account),
      BigInt(asset),
    )
    if (isFrozen) {
      if (balance > 0 && !hasLeft)
        toVault(`escape with ${amount(asset, balance)}`, 'escape', [...key, BigInt(balance), siblings])
      if (request.remaining > 0n)
        toSettlement(`take back the fee of the request for ${name}`, 'reclaimFee', key)
      continue
    }
    if (request.remaining > 0n) {
      const deadline = request.requestedAt + Number(await readSettlement<bigint>('exitDelay'))
      if (chainTime <= deadline) waiting.push({ asset, units: request.remaining, deadline })
      else if (!isFreezing) {
        isFreezing = true
        toSettlement(`freeze: ${amount(asset, request.remaining)} were not paid in time`, 'freeze', key)
      }
    } else if (owed > 0) {
      // The fee may rise by a step with each request that is opened; the simulation before each send tells.
      const fee = await readSettlement<bigint>('currentRequestFee')
      toSettlement(`request ${amount(asset, owed)}`, 'requestWithdrawal', [...key, BigInt(owed)], fee)
    }
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
  }
}

/** What becomes of the steps that are sent. */
export interface StepListener {
  /** The transaction is with the node, and waits for a block. */
  readonly onWaiting?: (step: ExitStep, hash: Hex) => void
  readonly onDone?: (step: ExitStep, hash: Hex) => void
}

/**
 * Simulates and sends the steps of a plan one by one, with `wallet` of the owner. A step that the chain refuses is
 * not sent, and the next one is tried. Resolves with what failed, and why. Make a new plan afterwards: a freeze
 * opens the escapes. Throws when the node itself fails.
 */
export async function sendSteps(
  client: PublicClient,
  wallet: WalletClient,
  account: Account,
  steps: readonly ExitStep[],
  { onWaiting, onDone }: StepListener = {},
): Promise<FailedStep[]> {
  const failed: FailedStep[] = []
  for (const step of steps) {
    const { to, data, value } = step
    let hash: Hex
    try {
      await simulate(client, account, step)
      hash = await wallet.sendTransaction({ account, chain: null, to, data, value })
    } catch (error) {
      if (!isRefused(error)) throw error
      failed.push({ step, reason: chainErrorText(error) })
      continue
    }
    onWaiting?.(step, hash)
    try {
      const receipt = await client.waitForTransactionReceipt({ hash, timeout: RECEIPT_TIMEOUT_MS })
      if (receipt.status === 'success') onDone?.(step, hash)
      else failed.push({ step, reason: `transaction ${hash} reverted` })
    } catch (error) {
      if (!(error instanceof WaitForTransactionReceiptTimeoutError)) throw error
      failed.push({
        step,
        reason: `transaction ${hash} is in no block after ${RECEIPT_TIMEOUT_MS / 1000} s: does the chain make blocks?`,
      })
    }
  }
  return failed
}

/** Whether it is about this step, and not about the way to the chain. */
const isRefused = (error: unknown): boolean =>
  isContractAnswer(error) ||
  (error instanceof BaseError && error.walk((cause) => cause instanceof InsufficientFundsError) !== null)

/** As the next block would run it: with its time, where the node has a pending one. */
async function simulate(
  client: PublicClient,
  account: Account,
  { to, data, value }: ExitStep,
): Promise<void> {
  try {
    await client.call({ account, to, data, value, blockTag: 'pending' })
  } catch (error) {
    if (isRefused(error)) throw error
    await client.call({ account, to, data, value })
  }
}
