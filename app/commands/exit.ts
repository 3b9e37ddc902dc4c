/**
 * `glassbook exit`: leaves an exchange whose operator is gone, from chain data alone. Without --send it only
 * says what it would do. With --send it does what can be done now and says what to wait for; run it again
 * then. The owner's key comes from GLASSBOOK_OWNER_KEY or --key-file, never from the command line. What a step costs at
 * most is said before it is sent, and --fee-per-gas-max bounds it.
 *
 * Exit codes: 0 = nothing left to do, 3 = something to wait for or to send, 4 = everything was tried and some steps
 * were refused (each is named), 1 = failure, 2 = wrong use.
 */
import { readFileSync } from 'node:fs'
import { type Address, type Hex, type PublicClient, formatEther, formatGwei, isAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { readCheckpoint } from '../../settlement/audit/checkpoint.js'
import { planExit, type ExitPlan, type ExitStep, type PlanOptions } from '../../settlement/audit/exit.js'
import {
  FeeAboveMax,
  priceSteps,
  sendSteps,
  type FailedStep,
  type StepCost,
} from '../../settlement/audit/exit-sending.js'
import { unitsText, type AssetText } from '../../settlement/audit/units-text.js'
import { EXIT_ROUNDS_MAX } from '../limits.js'
import {
  type ChainFlags,
  address,
  askingChain,
  connect,
  expectFiles,
  progressBar,
  toJson,
} from './chain-options.js'
import { UsageError } from '../files/usage-error.js'

const MORE_TO_DO = 3
const STEPS_REFUSED = 4

export interface ExitFlags extends ChainFlags {
  readonly owner: string
  readonly send?: boolean | undefined
  readonly checkpoint?: string | undefined
  readonly keyFile?: string | undefined
  /** Wei. */
  readonly feePerGasMax?: bigint | undefined
}

/** Plans, and with --send takes, the way out. */
export function runExit(values: ExitFlags): Promise<number> {
  return askingChain(async () => {
    const owner = ownerOf(values.owner)
    expectFiles({ read: { '--checkpoint': values.checkpoint, '--key-file': values.keyFile } })
    const { client, deployment } = await connect(values)
    const out = (line: string): void => void (values.json || process.stdout.write(`${line}\n`))
    const file = values.checkpoint
    const options: PlanOptions = {
      onProgress: progressBar('reading batches'),
      ...(file === undefined ? {} : { checkpoint: () => readCheckpoint(file, deployment) }),
    }
    const { feePerGasMax } = values
    let plan = await planExit(client, deployment, owner, options)
    let costs = await costsOf(client, owner, plan, feePerGasMax)
    describe(plan, costs, deployment.assets, out)
    const sent: { what: string; hash: Hex }[] = []
    const refused: FailedStep[] = []
    if (values.send) {
      const account = privateKeyToAccount(ownerKey(values.keyFile))
      if (account.address.toLowerCase() !== owner.toLowerCase())
        throw new UsageError(`the key is ${account.address}'s, not ${owner}'s`)
      const sender = {
        account,
        chainId: deployment.chainId,
        ...(feePerGasMax === undefined ? {} : { feePerGasMax }),
      }
      for (let round = 0; round < EXIT_ROUNDS_MAX; round++) {
        const steps = plan.steps.filter((step) => failureOf(step, refused) === undefined)
        if (steps.length === 0) break
        const failed = await sendSteps(client, sender, steps, {
          onPriced: ({ what }, cost) => out(`sending: ${what}; ${costText(cost)}`),
          onWaiting: ({ what }, hash) => out(`sent: ${what} (${hash}), waiting for a block`),
          onDone: ({ what }, hash) => {
            sent.push({ what, hash })
            out(`done: ${what} (${hash})`)
          },
        })
        for (const { step, reason } of failed) out(`refused: ${step.what}: ${reason}; going on with the rest`)
        refused.push(...failed)
        plan = await planExit(client, deployment, owner, options)
      }
      costs = await costsOf(client, owner, plan, feePerGasMax)
      out('what is left:')
      describe(plan, costs, deployment.assets, out, refused)
    } else if (plan.steps.length > 0) out('nothing was sent: this was a dry run; add --send')
    if (values.json)
      process.stdout.write(
        `${toJson({
          ...plan,
          steps: plan.steps.map((step, at) => ({ ...step, cost: costs[at] })),
          sent,
          refused: refused.map(({ step, reason }) => ({ what: step.what, reason })),
        })}\n`,
      )
    if (plan.steps.length + plan.waiting.length === 0) return 0
    const isStuck = (what: string): boolean => refused.some(({ step }) => step.what === what)
    const onlyStuck = plan.waiting.length === 0 && plan.steps.every(({ what }) => isStuck(what))
    return values.send && onlyStuck ? STEPS_REFUSED : MORE_TO_DO
  })
}

/** @throws UsageError for what is no address, or has capitals that say it was mistyped: it is somebody's money. */
function ownerOf(text: string): Address {
  const owner = address(text)
  if (owner !== owner.toLowerCase() && !isAddress(owner))
    throw new UsageError(
      `--owner ${owner}: its capitals do not fit its checksum, so a digit may be wrong: look at it again; all in lower case it is not checked`,
    )
  return owner
}

/** What each step costs at most, or in words why it cannot be sent now. */
async function costsOf(
  client: PublicClient,
  owner: Address,
  { steps }: ExitPlan,
  feePerGasMax: bigint | undefined,
): Promise<(StepCost | string)[]> {
  try {
    return await priceSteps(client, owner, steps, feePerGasMax)
  } catch (error) {
    // A plan is worth seeing also while nothing can be sent.
    if (!(error instanceof FeeAboveMax)) throw error
    return steps.map(() => error.message)
  }
}

/** Of this very step: a request that was refused for its fee is another one at the next fee. */
const failureOf = ({ data, value }: ExitStep, refused: readonly FailedStep[]): FailedStep | undefined =>
  refused.find(({ step }) => step.data === data && step.value === value)

function costText({ value, gas, feePerGas, total }: StepCost): string {
  const fee = value === 0n ? '' : `${formatEther(value)} ETH go with it and come back when it is served; `
  return `costs at most ${formatEther(total)} ETH: ${fee}${gas} gas at ${formatGwei(feePerGas)} gwei at most`
}

function describe(
  plan: ExitPlan,
  costs: readonly (StepCost | string)[],
  assets: readonly AssetText[],
  out: (line: string) => void,
  refused: readonly FailedStep[] = [],
): void {
  out(
    `account ${plan.account}, last proven batch ${plan.provenBatch}${plan.isFrozen ? ', exchange frozen' : ''}`,
  )
  for (const { asset, units } of plan.balances) out(`  ${unitsText(assets[asset]!, units)} proven`)
  for (const { asset, units } of plan.deposited)
    out(`  ${unitsText(assets[asset]!, units)} deposited, in no proven batch yet`)
  for (const [at, step] of plan.steps.entries()) {
    const failure = failureOf(step, refused)
    const cost = costs[at]!
    if (failure !== undefined) out(`  refused: ${step.what}: ${failure.reason}`)
    else {
      out(`  now: ${step.what}`)
      out(`    ${typeof cost === 'string' ? `cannot be sent now: ${cost}` : costText(cost)}`)
    }
  }
  const priced = costs.filter((cost) => typeof cost !== 'string')
  if (priced.length > 1)
    out(
      `  together they cost at most ${formatEther(priced.reduce((sum, { total }) => sum + total, 0n))} ETH; the fee of requests may rise while they are sent`,
    )
  for (const { asset, units, deadline } of plan.waiting)
    out(
      `  wait: ${unitsText(assets[asset]!, units)} asked for; if the operator does not answer, anybody may freeze ` +
        `the exchange after ${time(deadline)} (the chain's time is ${time(plan.chainTime)}): run this again then`,
    )
  if (plan.unseenRequests > 0)
    out(
      `  ${plan.unseenRequests} forced withdrawals are open whose events the RPC endpoint does not show: if the time of one is over, the exchange could be frozen now; give an endpoint with the logs from the deployment on`,
    )
  if (plan.steps.length + plan.waiting.length === 0) out('  nothing to do')
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString()

function ownerKey(file: string | undefined): Hex {
  const text = (file === undefined ? process.env.GLASSBOOK_OWNER_KEY : readFileSync(file, 'utf8'))?.trim()
  if (text === undefined || !/^0x[0-9a-fA-F]{64}$/.test(text))
    throw new UsageError(
      '--send needs the owner’s private key, 0x and 64 digits, in GLASSBOOK_OWNER_KEY or --key-file',
    )
  return text as Hex
}
