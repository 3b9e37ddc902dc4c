/**
 * Is the chain what the deployment file says? Compares code, key and creation (check-code.ts), roles, assets
 * and custody, and looks for what endangers the exchange (frozen, paused, overdue proofs, a verifier in waiting). Reads
 * only. Used by `glassbook doctor`, before an operator starts and by anyone who wants to know.
 */
import { type Address, BaseError, type PublicClient, getAddress, isAddressEqual, zeroAddress } from 'viem'
import { demoTokenAbi, settlementAbi, vaultAbi } from '../abi.js'
import { isContractAnswer } from '../call-endings.js'
import { type Finding, checkCode, compared } from './check-code.js'
import type { Deployment } from './deploy.js'

export type { Finding } from './check-code.js'

/**
 * All findings, in the order of the checks; chain reads that fail are findings, too. Without the right
 * code there is nothing more to ask: the checks stop there.
 */
export async function checkDeployment(client: PublicClient, deployment: Deployment): Promise<Finding[]> {
  const findings: Finding[] = []
  const equal = (what: string, found: unknown, expected: unknown): void =>
    void findings.push(compared(what, found, expected))
  equal('chain id', await client.getChainId(), deployment.chainId)
  findings.push(...(await checkCode(client, deployment)))
  if (findings.some(({ what, level }) => what.startsWith('bytecode') && level === 'fail')) return findings

  const settlement = { address: deployment.settlement, abi: settlementAbi } as const
  const vault = { address: deployment.vault, abi: vaultAbi } as const
  const { constants } = deployment
  equal(
    'owner of the fee account',
    await client.readContract({ ...vault, functionName: 'ownerOf', args: [0n] }),
    getAddress(deployment.feeOwner),
  )
  equal(
    'rowsPerChunk',
    await client.readContract({ ...settlement, functionName: 'rowsPerChunk' }),
    constants.rowsPerChunk,
  )
  for (const functionName of ['governor', 'guardian'] as const)
    equal(
      functionName,
      await client.readContract({ ...settlement, functionName }),
      getAddress(constants[functionName]),
    )
  const operator = await client.readContract({
    ...settlement,
    functionName: 'isOperator',
    args: [constants.operator],
  })
  equal(`${constants.operator} is an operator`, operator, true)
  findings.push(...(await otherOperators(client, deployment)))
  findings.push(...(await checkAssets(client, deployment)))
  await checkCustody(client, deployment, findings)
  await checkState(client, deployment, findings)
  return findings
}

/** Whoever else may commit batches, by its events: each operator can reach what all have (SECURITY.md). */
async function otherOperators(client: PublicClient, deployment: Deployment): Promise<Finding[]> {
  const { settlement, deployedAtBlock, constants } = deployment
  const what = 'another operator'
  const allowed = new Map<Address, boolean>()
  try {
    for (const { args } of await client.getContractEvents({
      address: settlement,
      abi: settlementAbi,
      eventName: 'OperatorSet',
      fromBlock: BigInt(deployedAtBlock),
    }))
      allowed.set(args.operator!, args.allowed!)
  } catch (error) {
    if (!(error instanceof BaseError)) throw error
    const detail = `not known: the endpoint does not show the logs since block ${deployedAtBlock}`
    return [{ level: 'warn', what, detail }]
  }
  return [...allowed]
    .filter(([operator, isAllowed]) => isAllowed && !isAddressEqual(operator, constants.operator))
    .map(([operator]) => ({ level: 'warn', what, detail: operator }))
}

/** That the vault lists the deployment's assets, and that each token tells the same decimals and symbol. */
export async function checkAssets(client: PublicClient, deployment: Deployment): Promise<Finding[]> {
  const vault = { address: deployment.vault, abi: vaultAbi } as const
  const findings: Finding[] = []
  const count = await client.readContract({ ...vault, functionName: 'assetCount' })
  for (const { id, symbol, token, decimals, unitAtoms } of deployment.assets.slice(0, Number(count))) {
    const kind = await client.readContract({ ...vault, functionName: 'assetOf', args: [BigInt(id)] })
    const listed = isAddressEqual(kind.token, token) && String(kind.unitAtoms) === unitAtoms
    const found = `${kind.token}, ${kind.unitAtoms} atoms a unit`
    findings.push(
      listed
        ? { level: 'ok', what: `asset ${id} (${symbol})`, detail: found }
        : {
            level: 'fail',
            what: `asset ${id} (${symbol})`,
            detail: `found ${found}, the deployment says ${token}, ${unitAtoms}`,
          },
    )
    if (isAddressEqual(kind.token, zeroAddress)) continue
    const erc20 = { address: kind.token, abi: demoTokenAbi } as const
    const places = await unlessStuck(client.readContract({ ...erc20, functionName: 'decimals' }))
    if (places !== decimals)
      findings.push({
        level: 'fail',
        what: `decimals of ${symbol}`,
        detail: `${places === undefined ? 'its token does not tell' : `found ${places}`}, the deployment says ${decimals}`,
      })
    // Some old tokens have none that can be read.
    const name = await unlessStuck(client.readContract({ ...erc20, functionName: 'symbol' }))
    if (name !== undefined && name !== symbol)
      findings.push({
        level: 'warn',
        what: `symbol of asset ${id}`,
        detail: `found ${name}, the deployment says ${symbol}`,
      })
  }
  return findings
}

/** That what is owed is there. */
async function checkCustody(
  client: PublicClient,
  deployment: Deployment,
  findings: Finding[],
): Promise<void> {
  const vault = { address: deployment.vault, abi: vaultAbi } as const
  const count = await client.readContract({ ...vault, functionName: 'assetCount' })
  for (const { id, symbol } of deployment.assets.slice(0, Number(count))) {
    const kind = await client.readContract({ ...vault, functionName: 'assetOf', args: [BigInt(id)] })
    const owed =
      (await client.readContract({ ...vault, functionName: 'custodyUnits', args: [BigInt(id)] })) *
      kind.unitAtoms
    const held = isAddressEqual(kind.token, zeroAddress)
      ? await client.getBalance({ address: deployment.vault })
      : await unlessStuck(
          client.readContract({
            address: kind.token,
            abi: demoTokenAbi,
            functionName: 'balanceOf',
            args: [deployment.vault],
          }),
        )
    findings.push({
      level: held !== undefined && held >= owed ? 'ok' : 'fail',
      what: `custody of ${symbol}`,
      detail: `${held === undefined ? 'its token does not tell the atoms' : `${held} atoms`} held, ${owed} owed`,
    })
  }
}

/** What a token answers; undefined when it ends the call instead (by a revert, INVALID, or all of its gas). */
function unlessStuck<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    if (isContractAnswer(error)) return undefined
    throw error
  })
}

/** What is allowed to be, and should be known. */
async function checkState(client: PublicClient, deployment: Deployment, findings: Finding[]): Promise<void> {
  const settlement = { address: deployment.settlement, abi: settlementAbi } as const
  const [
    frozen,
    paused,
    verifier,
    proposed,
    activeFrom,
    committed,
    proven,
    requests,
    block,
    heir,
    heirUntil,
    life,
  ] = await Promise.all([
    client.readContract({ ...settlement, functionName: 'frozen' }),
    client.readContract({ ...settlement, functionName: 'commitsPaused' }),
    client.readContract({ ...settlement, functionName: 'verifier' }),
    client.readContract({ ...settlement, functionName: 'proposedVerifier' }),
    client.readContract({ ...settlement, functionName: 'verifierActiveFrom' }),
    client.readContract({ ...settlement, functionName: 'batchCount' }),
    client.readContract({ ...settlement, functionName: 'provenCount' }),
    client.readContract({ ...settlement, functionName: 'openRequests' }),
    client.getBlock(),
    client.readContract({ ...settlement, functionName: 'proposedGovernor' }),
    client.readContract({ ...settlement, functionName: 'governorLapsesAt' }),
    client.readContract({ ...settlement, functionName: 'PROPOSAL_LIFE' }),
  ])
  const note = (warn: boolean, what: string, detail: string): void =>
    void findings.push({ level: warn ? 'warn' : 'ok', what, detail })
  findings.push(
    frozen
      ? {
          level: 'fail',
          what: 'frozen',
          detail:
            'for good: a forced withdrawal was not answered in time; nothing more is settled, users leave with "glassbook exit"',
        }
      : { level: 'ok', what: 'frozen', detail: 'no' },
  )
  note(paused, 'commits', paused ? 'paused by the guardian' : 'open')
  const changed = !isAddressEqual(verifier, deployment.verifier)
  note(changed, 'verifier', changed ? `${verifier}; deployed with ${deployment.verifier}` : verifier)
  if (!isAddressEqual(proposed, zeroAddress)) {
    const isLapsed = block.timestamp > activeFrom + life
    const when = isLapsed ? 'lapsed' : `until ${isoTime(activeFrom + life)}`
    note(!isLapsed, 'next verifier', `${proposed} from ${isoTime(activeFrom)} on, ${when}`)
  }
  if (!isAddressEqual(heir, zeroAddress)) {
    const isLapsed = block.timestamp > heirUntil
    note(!isLapsed, 'next governor', `${heir}, ${isLapsed ? 'lapsed' : `until ${isoTime(heirUntil)}`}`)
  }
  note(false, 'batches', `${committed} committed, ${proven} proven`)
  if (committed > proven) {
    const { committedAt } = await client.readContract({
      ...settlement,
      functionName: 'batchOf',
      args: [proven + 1n],
    })
    const deadline = committedAt + deployment.constants.proofDelaySeconds
    if (block.timestamp > BigInt(deadline))
      note(
        true,
        'proofs',
        `batch ${proven + 1n} is past its deadline (${isoTime(BigInt(deadline))}): anyone may strike it`,
      )
  }
  if (requests > 0n) note(true, 'forced withdrawals', `${requests} wait for an answer`)
}

const isoTime = (seconds: bigint): string => new Date(Number(seconds) * 1000).toISOString()
