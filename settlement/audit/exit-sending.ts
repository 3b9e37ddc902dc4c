/**
 * What the steps of an exit cost at most, and how they are sent. Everything that a transaction is made of (nonce, base
 * fee, gas) is what the client's endpoints agree on, and its bytes go to all of them: no endpoint alone decides what
 * the owner pays, or whether the transaction arrives. Used by app/commands/exit.ts.
 *
 * Invariant: nothing is signed that offers more than the bound of the fee per gas, or more than the owner has.
 */
import {
  BaseError,
  InsufficientFundsError,
  WaitForTransactionReceiptTimeoutError,
  formatEther,
  formatGwei,
  keccak256,
  type Address,
  type Hex,
  type LocalAccount,
  type PublicClient,
} from 'viem'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { chainErrorText } from '../chain/chain.js'
import { FEE_PER_GAS_MAX, GAS_MARGIN_PERCENT, RECEIPT_TIMEOUT_MS } from '../limits.js'
import { baseFeeOf, defaultFees, firstFees, type Fees } from '../sending/gas-fees.js'
import type { ExitStep } from './exit.js'

/** Who sends, and where to. */
export interface ExitSender {
  readonly account: LocalAccount
  readonly chainId: number
  /** Wei a gas that are offered at most; FEE_PER_GAS_MAX unless given. */
  readonly feePerGasMax?: bigint
}

/** What a step takes at most, in wei; less of the gas is paid when the block asks for less. */
export interface StepCost {
  /** Goes along with it: the fee of a request, which comes back when it is served. */
  readonly value: bigint
  readonly gas: bigint
  readonly feePerGas: bigint
  /** Of all of it. */
  readonly total: bigint
}

/** A step that the chain refused, or that could not be sent. */
export interface FailedStep {
  readonly step: ExitStep
  readonly reason: string
}

/** The chain asks for more a gas than may be paid. */
export class FeeAboveMax extends Error {
  override readonly name = 'FeeAboveMax'
  constructor(
    readonly feePerGas: bigint,
    readonly feePerGasMax: bigint,
  ) {
    super(
      `a gas costs ${formatGwei(feePerGas)} gwei, and at most ${formatGwei(feePerGasMax)} gwei may be paid: wait until it costs less, or raise --fee-per-gas-max`,
    )
  }
}

/** The owner has less than a step may cost. */
export class CannotPay extends Error {
  override readonly name = 'CannotPay'
  constructor(
    readonly has: bigint,
    readonly cost: bigint,
  ) {
    super(`it may cost ${formatEther(cost)} ETH, and the owner has ${formatEther(has)} ETH: nothing was sent`)
  }
}

/** The fees that a transaction of now offers. @throws FeeAboveMax. */
async function feesOf(client: PublicClient, feePerGasMax: bigint): Promise<Fees> {
  const baseFee = await baseFeeOf(client)
  // At the bound it would wait for a block that never comes.
  if (baseFee > feePerGasMax) throw new FeeAboveMax(baseFee, feePerGasMax)
  return firstFees({ ...defaultFees, maxFeePerGasCap: feePerGasMax }, baseFee)
}

function costOf({ value }: ExitStep, estimate: bigint, { maxFeePerGas: feePerGas }: Fees): StepCost {
  const gas = (estimate * GAS_MARGIN_PERCENT) / 100n
  return { value, gas, feePerGas, total: value + gas * feePerGas }
}

const estimateOf = (client: PublicClient, account: Address, { to, data, value }: ExitStep): Promise<bigint> =>
  client.estimateGas({ account, to, data, value })

/**
 * What each step costs at most if it is sent now, or in words why the chain would not take it now: of all steps, in
 * order. Throws FeeAboveMax, and what the node says.
 */
export async function priceSteps(
  client: PublicClient,
  owner: Address,
  steps: readonly ExitStep[],
  feePerGasMax: bigint = FEE_PER_GAS_MAX,
): Promise<(StepCost | string)[]> {
  if (steps.length === 0) return []
  const fees = await feesOf(client, feePerGasMax)
  const costs: (StepCost | string)[] = []
  for (const step of steps)
    costs.push(
      await estimateOf(client, owner, step).then(
        (estimate) => costOf(step, estimate, fees),
        (error: unknown) => {
          if (!isRefused(error)) throw error
          return chainErrorText(error)
        },
      ),
    )
  return costs
}

/** What becomes of the steps that are sent. */
export interface StepListener {
  /** It is about to be signed and sent, and takes so much at most. */
  readonly onPriced?: (step: ExitStep, cost: StepCost) => void
  /** The transaction is with the node, and waits for a block. */
  readonly onWaiting?: (step: ExitStep, hash: Hex) => void
  readonly onDone?: (step: ExitStep, hash: Hex) => void
}

/**
 * Simulates and sends the steps of a plan one by one, signed by `sender`, who is the owner. A step that the chain
 * refuses is not sent, and the next one is tried. Resolves with what failed, and why. Make a new plan afterwards: a
 * freeze opens the escapes. Throws FeeAboveMax, before anything is signed at that fee, and when the node itself fails.
 */
export async function sendSteps(
  client: PublicClient,
  sender: ExitSender,
  steps: readonly ExitStep[],
  listener: StepListener = {},
): Promise<FailedStep[]> {
  const failed: FailedStep[] = []
  for (const step of steps) {
    let hash: Hex
    try {
      hash = await sendStep(client, sender, step, listener)
    } catch (error) {
      if (!isRefused(error) && !(error instanceof CannotPay)) throw error
      failed.push({ step, reason: chainErrorText(error) })
      continue
    }
    listener.onWaiting?.(step, hash)
    try {
      const receipt = await client.waitForTransactionReceipt({ hash, timeout: RECEIPT_TIMEOUT_MS })
      if (receipt.status === 'success') listener.onDone?.(step, hash)
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

async function sendStep(
  client: PublicClient,
  { account, chainId, feePerGasMax = FEE_PER_GAS_MAX }: ExitSender,
  step: ExitStep,
  { onPriced }: StepListener,
): Promise<Hex> {
  const { address } = account
  const { to, data, value } = step
  await simulate(client, address, step)
  const fees = await feesOf(client, feePerGasMax)
  const cost = costOf(step, await estimateOf(client, address, step), fees)
  const has = await client.getBalance({ address })
  if (has < cost.total) throw new CannotPay(has, cost.total)
  const nonce = await client.getTransactionCount({ address, blockTag: 'pending' })
  onPriced?.(step, cost)
  const serializedTransaction = await account.signTransaction({
    type: 'eip1559',
    chainId,
    to,
    data,
    value,
    gas: cost.gas,
    nonce,
    ...fees,
  })
  await client.sendRawTransaction({ serializedTransaction }).catch((error: unknown) => {
    // An endpoint whose answer was lost has it all the same.
    if (!/already (known|imported)|known transaction/i.test(chainErrorText(error))) throw error
  })
  // The hash of what was signed, whatever an endpoint calls it.
  return keccak256(serializedTransaction)
}

/** Whether it is about this step, and not about the way to the chain. */
const isRefused = (error: unknown): boolean =>
  isContractAnswer(error) ||
  (error instanceof BaseError && error.walk((cause) => cause instanceof InsufficientFundsError) !== null)

/** As the next block would run it: with its time, where the node has a pending one. */
async function simulate(
  client: PublicClient,
  account: Address,
  { to, data, value }: ExitStep,
): Promise<void> {
  try {
    await client.call({ account, to, data, value, blockTag: 'pending' })
  } catch (error) {
    if (isRefused(error)) throw error
    await client.call({ account, to, data, value })
  }
}
