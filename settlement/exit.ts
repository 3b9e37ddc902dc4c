/**
 * Leaving without the operator, from chain data alone: asks for a forced withdrawal, freezes the exchange
 * when it stays unanswered, escapes each balance with a proof against the last proven root, takes back
 * deposits that no proven batch consumed, and claims.
 *
 * Invariant: the plan is a function of the chain, so it can be stopped after any step and started again;
 * nothing is kept outside the chain. No step moves anybody else's funds: the contracts pay owners only.
 */
import {
  encodeFunctionData,
  type Account,
  type Address,
  type Hex,
  type PublicClient,
  type WalletClient,
} from 'viem'
import { settlementAbi, vaultAbi } from '../contracts/abi.js'
import { audit } from './audit.js'
import type { ChainDeployment } from './chain.js'
import { bytesToHex, decodeUnits } from './commit.js'
import { readDeposits } from './history.js'
import { accountOf, indexOf } from './net.js'

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
  /** What can be done now, in order. */
  readonly steps: readonly ExitStep[]
  /** Forced withdrawals that the operator still has time to answer; seconds since 1970. */
  readonly waiting: readonly { readonly asset: number; readonly units: bigint; readonly deadline: number }[]
}

/** The owner has no account, or the chain contradicts itself. */
export class ExitError extends Error {
  override readonly name = 'ExitError'
}

/** Looks at the chain and says what `owner` can do now. Throws ExitError. */
export async function planExit(
  client: PublicClient,
  deployment: ChainDeployment,
  owner: Address,
  onProgress: (share: number) => void = () => {},
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
  const account = await readVault<number>('accountOf', owner).catch(() => {
    throw new ExitError(`${owner} has no account in the vault ${vault}`)
  })
  const [isFrozen, provenCount, provenRoot, block] = await Promise.all([
    readSettlement<boolean>('frozen'),
    readSettlement<bigint>('provenCount'),
    readSettlement<bigint>('provenRoot'),
    client.getBlock({ blockTag: 'latest' }),
  ])
  const { tree, batches, report } = await audit(client, deployment, onProgress, Number(provenCount))
  if (report.findings.length > 0 || tree.root !== provenRoot)
    throw new ExitError(
      `the rebuilt tree has root ${tree.root}, the contract proved ${provenRoot}: ${report.findings[0]?.text ?? ''}`,
    )
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

  // Withdrawals that were granted and proven, and that nobody made claimable yet.
  const PROVEN = 2
  for (const { header, withdrawals } of batches) {
    if (!decodeUnits(withdrawals).some(({ index }) => accountOf(index) === account)) continue
    if ((await readSettlement<number>('batchState', header.number)) === PROVEN)
      toSettlement(`finalise batch ${header.number}`, 'finalizeBatch', [
        header.number,
        bytesToHex(withdrawals),
      ])
  }
  const balances: { asset: number; units: number }[] = []
  let isFreezing = false
  for (const { id: asset } of deployment.assets) {
    const name = deployment.assets[asset]!.symbol
    const claimable = await readVault<bigint>('claimable', BigInt(account), BigInt(asset))
    if (claimable > 0n)
      toVault(`claim ${claimable} units of ${name}`, 'claim', [BigInt(account), BigInt(asset)])
    const { balance, siblings } = tree.proof(indexOf(account, asset))
    if (balance > 0) balances.push({ asset, units: balance })
    const request = await readSettlement<{ remaining: bigint; requestedAt: number }>(
      'requestOf',
      BigInt(account),
      BigInt(asset),
    )
    const key = [BigInt(account), BigInt(asset)]
    if (isFrozen) {
      if (balance > 0 && !(await readVault<boolean>('escaped', ...key)))
        toVault(`escape with ${balance} units of ${name}`, 'escape', [...key, BigInt(balance), siblings])
      if (request.remaining > 0n)
        toSettlement(`take back the fee of the request for ${name}`, 'reclaimFee', key)
      continue
    }
    if (request.remaining > 0n) {
      const deadline = request.requestedAt + Number(await readSettlement<bigint>('exitDelay'))
      if (Number(block.timestamp) <= deadline) waiting.push({ asset, units: request.remaining, deadline })
      else if (!isFreezing) {
        isFreezing = true
        toSettlement(`freeze: ${request.remaining} units of ${name} were not paid in time`, 'freeze', key)
      }
    } else if (balance > 0) {
      // The fee may rise by a step with each request that is opened; the simulation before each send tells.
      const fee = await readSettlement<bigint>('currentRequestFee')
      toSettlement(`request ${balance} units of ${name}`, 'requestWithdrawal', [...key, BigInt(balance)], fee)
    }
  }
  if (isFrozen) {
    const consumed = await readSettlement<bigint>('provenDepositsConsumed')
    for (const { position, account: depositor, asset, units } of await readDeposits(client, deployment)) {
      if (depositor !== account || BigInt(position) < consumed) continue
      if (await readVault<boolean>('refunded', BigInt(position))) continue
      toVault(
        `take back deposit ${position}: ${units} units of ${deployment.assets[asset]!.symbol}`,
        'refundDeposit',
        [BigInt(position), BigInt(account), BigInt(asset), BigInt(units)],
      )
    }
  }
  if ((await readSettlement<bigint>('refundOf', owner)) > 0n)
    toSettlement('withdraw refunded fees', 'withdrawRefund', [])
  return { account, isFrozen, provenBatch: Number(provenCount), balances, steps, waiting }
}

/**
 * Simulates and sends the steps of a plan one by one, with `wallet` of the owner. Throws what the chain says at
 * the first step that it refuses; the steps before it stand. Make a new plan afterwards: a freeze opens the
 * escapes.
 */
export async function sendSteps(
  client: PublicClient,
  wallet: WalletClient,
  account: Account,
  steps: readonly ExitStep[],
  onSent: (step: ExitStep, hash: Hex) => void,
): Promise<void> {
  for (const step of steps) {
    const { to, data, value } = step
    await client.call({ account, to, data, value })
    const hash = await wallet.sendTransaction({ account, chain: null, to, data, value })
    const receipt = await client.waitForTransactionReceipt({ hash })
    if (receipt.status !== 'success') throw new ExitError(`${step.what}: transaction ${hash} reverted`)
    onSent(step, hash)
  }
}
