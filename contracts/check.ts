/**
 * Is the chain what the deployment file says? Compares bytecode, constants, wiring, assets and custody, and
 * looks for what endangers the exchange (frozen, paused, overdue proofs, a verifier in waiting). Reads
 * only. Used by `glassbook doctor`, before an operator starts and by anyone who wants to know.
 */
import { type Address, type Hex, type PublicClient, getAddress, isAddressEqual, zeroAddress } from 'viem'
import { demoTokenAbi, settlementAbi, vaultAbi } from './abi.js'
import {
  type ContractCode,
  groth16ChunkVerifierCode,
  settlementCode,
  unprovenVerifierCode,
  vaultCode,
} from './bytecode.js'
import type { Deployment } from './deploy.js'

export interface Finding {
  /** 'warn' is allowed, and should be known. */
  readonly level: 'ok' | 'warn' | 'fail'
  readonly what: string
  /** What was found, and what was expected when it is not that. */
  readonly detail: string
}

/** Runtime code with the places of immutables set to zero. */
export function maskImmutables(code: Hex, immutables: ContractCode['immutables']): Hex {
  let hex = code.slice(2)
  for (const { start, length } of immutables)
    hex = hex.slice(0, start * 2) + '0'.repeat(length * 2) + hex.slice((start + length) * 2)
  return `0x${hex}`
}

const sameCode = (found: Hex | undefined, compiled: ContractCode): boolean =>
  found !== undefined &&
  found.length === compiled.runtime.length &&
  maskImmutables(found, compiled.immutables) === compiled.runtime

/**
 * All findings, in the order of the checks; chain reads that fail are findings, too. Without the right
 * code there is nothing more to ask: the checks stop there.
 */
export async function checkDeployment(client: PublicClient, deployment: Deployment): Promise<Finding[]> {
  const findings: Finding[] = []
  const equal = (what: string, found: unknown, expected: unknown): void => {
    const [a, b] = [String(found), String(expected)]
    findings.push(
      a === b
        ? { level: 'ok', what, detail: a }
        : { level: 'fail', what, detail: `found ${a}, the deployment says ${b}` },
    )
  }
  equal('chain id', await client.getChainId(), deployment.chainId)
  if (!(await checkCode(client, deployment, findings))) return findings

  const settlement = { address: deployment.settlement, abi: settlementAbi } as const
  const vault = { address: deployment.vault, abi: vaultAbi } as const
  const { constants } = deployment
  equal(
    'vault of the settlement',
    await client.readContract({ ...settlement, functionName: 'vault' }),
    getAddress(deployment.vault),
  )
  equal(
    'settlement of the vault',
    await client.readContract({ ...vault, functionName: 'settlement' }),
    getAddress(deployment.settlement),
  )
  equal(
    'owner of the fee account',
    await client.readContract({ ...vault, functionName: 'ownerOf', args: [0n] }),
    getAddress(deployment.feeOwner),
  )
  const numbers = [
    ['exitDelay', constants.exitDelaySeconds],
    ['proofDelay', constants.proofDelaySeconds],
    ['verifierDelay', constants.verifierDelaySeconds],
    ['maxUnproven', constants.maxUnproven],
    ['requestFee', constants.requestFeeWei],
    ['rowsPerChunk', constants.rowsPerChunk],
  ] as const
  for (const [functionName, expected] of numbers)
    equal(functionName, await client.readContract({ ...settlement, functionName }), expected)
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
  await checkAssets(client, deployment, findings)
  await checkState(client, deployment, findings)
  return findings
}

/** Code at each address against what contracts/src compiles to. */
async function checkCode(
  client: PublicClient,
  deployment: Deployment,
  findings: Finding[],
): Promise<boolean> {
  const verifierCode = deployment.constants.proven ? groth16ChunkVerifierCode : unprovenVerifierCode
  let right = true
  for (const [name, address, compiled] of [
    ['Vault', deployment.vault, vaultCode],
    ['Settlement', deployment.settlement, settlementCode],
    ['verifier', deployment.verifier, verifierCode],
  ] as const) {
    const found = await client.getCode({ address })
    const same = sameCode(found, compiled)
    right &&= same
    const size = found === undefined ? 0 : (found.length - 2) / 2
    findings.push({
      level: same ? 'ok' : 'fail',
      what: `bytecode of ${name}`,
      detail: same
        ? `${size} bytes at ${address}`
        : `${size} bytes at ${address} are not the ${(compiled.runtime.length - 2) / 2} bytes of this version`,
    })
  }
  if (!deployment.constants.proven)
    findings.push({
      level: 'warn',
      what: 'proofs',
      detail: 'the verifier accepts everything: batches are posted and checked, but nothing is proven',
    })
  return right
}

/** Tokens and units, and that what is owed is there. */
async function checkAssets(client: PublicClient, deployment: Deployment, findings: Finding[]): Promise<void> {
  const vault = { address: deployment.vault, abi: vaultAbi } as const
  const count = await client.readContract({ ...vault, functionName: 'assetCount' })
  if (Number(count) !== deployment.assets.length)
    findings.push({
      level: 'fail',
      what: 'assets',
      detail: `found ${count}, the deployment says ${deployment.assets.length}`,
    })
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
    const native = isAddressEqual(kind.token, zeroAddress)
    const erc20 = { address: kind.token, abi: demoTokenAbi } as const
    if (!native) {
      const places = await client.readContract({ ...erc20, functionName: 'decimals' })
      if (places !== decimals)
        findings.push({
          level: 'fail',
          what: `decimals of ${symbol}`,
          detail: `found ${places}, the deployment says ${decimals}`,
        })
    }
    const owed =
      (await client.readContract({ ...vault, functionName: 'custodyUnits', args: [BigInt(id)] })) *
      kind.unitAtoms
    const held = native
      ? await client.getBalance({ address: deployment.vault })
      : await client.readContract({ ...erc20, functionName: 'balanceOf', args: [deployment.vault] })
    findings.push({
      level: held >= owed ? 'ok' : 'fail',
      what: `custody of ${symbol}`,
      detail: `${held} atoms held, ${owed} owed`,
    })
  }
}

/** What is allowed to be, and should be known. */
async function checkState(client: PublicClient, deployment: Deployment, findings: Finding[]): Promise<void> {
  const settlement = { address: deployment.settlement, abi: settlementAbi } as const
  const [frozen, paused, verifier, proposed, activeFrom, committed, proven, requests, block] =
    await Promise.all([
      client.readContract({ ...settlement, functionName: 'frozen' }),
      client.readContract({ ...settlement, functionName: 'commitsPaused' }),
      client.readContract({ ...settlement, functionName: 'verifier' }),
      client.readContract({ ...settlement, functionName: 'proposedVerifier' }),
      client.readContract({ ...settlement, functionName: 'verifierActiveFrom' }),
      client.readContract({ ...settlement, functionName: 'batchCount' }),
      client.readContract({ ...settlement, functionName: 'provenCount' }),
      client.readContract({ ...settlement, functionName: 'openRequests' }),
      client.getBlock(),
    ])
  const note = (warn: boolean, what: string, detail: string): void =>
    void findings.push({ level: warn ? 'warn' : 'ok', what, detail })
  note(frozen, 'frozen', frozen ? 'for good: users leave by escape' : 'no')
  note(paused, 'commits', paused ? 'paused by the guardian' : 'open')
  const changed = !isAddressEqual(verifier, deployment.verifier)
  note(changed, 'verifier', changed ? `${verifier}; deployed with ${deployment.verifier}` : verifier)
  if (!isAddressEqual(proposed, zeroAddress))
    note(true, 'next verifier', `${proposed} from ${isoTime(activeFrom)} on`)
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

/** Whether a parsed file has the parts of a deployment that the checks read. */
export function isDeployment(value: unknown): value is Deployment {
  if (typeof value !== 'object' || value === null) return false
  const { chainId, vault, settlement, verifier, assets, constants } = value as Partial<Deployment>
  const address = (text: Address | undefined): boolean =>
    typeof text === 'string' && /^0x[0-9a-fA-F]{40}$/.test(text)
  return (
    typeof chainId === 'number' &&
    address(vault) &&
    address(settlement) &&
    address(verifier) &&
    Array.isArray(assets) &&
    typeof constants === 'object' &&
    constants !== null
  )
}
