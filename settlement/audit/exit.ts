/**
 * Leaving without the operator, from chain data alone: asks for a forced withdrawal of what is proven and of what
 * was deposited and not consumed, freezes the exchange when it stays unanswered, escapes each balance with a proof
 * against the last proven root, takes back deposits that no proven batch consumed, and claims.
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
import { accountOf, indexOf } from '../batch/netting.js'
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
