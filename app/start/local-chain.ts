/**
 * The local chain of `glassbook start`: anvil with a state file, the contracts deployed once, demo
 * accounts funded and deposited once. Every step looks at what the chain already has, so a start that
 * was killed half-way goes on where it stopped.
 */
import type { OnLog } from '../../engine/types.js'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  type Hex,
  type HDAccount,
  type PublicClient,
  createPublicClient,
  createWalletClient,
  http,
  isAddress,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { demoTokenAbi, vaultAbi } from '../../contracts/abi.js'
import { type Anvil, startAnvil } from '../../contracts/anvil/anvil.js'
import { checkAssets } from '../../contracts/deployment/check.js'
import { checkCode } from '../../contracts/deployment/check-code.js'
import { type DeployOptions, type Deployment, deploy, receiptOf } from '../../contracts/deployment/deploy.js'
import { journalFolder } from '../../engine/journal/segments.js'
import { writeDurable } from '../../settlement/store/store.js'
import { hasJournal } from '../files/data-folder.js'
import { EXIT_DELAY_SECONDS, LOCAL_POLL_MS } from '../limits.js'

/** Anvil's own well-known phrase: its accounts hold coins of the local chain and nothing anywhere else. */
const LOCAL_MNEMONIC = 'test test test test test test test test test test test junk'

const DEPLOYMENT_FILE = 'deployment.json'

/** Units that each demo account deposits of assets 0 (USDX, 1e-6) and 1 (BTCX, 1e-8). */
export const DEMO_DEPOSIT_UNITS = [100_000_000_000_000n, 1_000_000_000_000n] as const

export interface LocalChain {
  readonly anvil: Anvil
  readonly deployment: Deployment
  readonly operator: HDAccount
  readonly traders: readonly HDAccount[]
}

/** The data folder and the chain contradict each other; says which, and what to do. */
export class LocalChainError extends Error {
  override readonly name = 'LocalChainError'
}

/** A flag whose value was fixed at the folder's first start asks for another one. */
export class FixedAtFirstStart extends Error {
  override readonly name = 'FixedAtFirstStart'
}

/** Account `index` of the local chain: 0 deploys and operates, 1 owns the fees, the others trade. */
export function localAccount(index: number): HDAccount {
  return mnemonicToAccount(LOCAL_MNEMONIC, { addressIndex: index })
}

export function privateKeyOf(account: HDAccount): Hex {
  const key = account.getHdKey().privateKey
  if (key === null) throw new LocalChainError(`no private key for ${account.address}`)
  return `0x${Buffer.from(key).toString('hex')}`
}

export interface LocalChainHooks {
  /** What is being done now. */
  readonly onStep: (step: string) => void
  /** What is worth a line that stays. */
  readonly onLine: OnLog
  /** The chain has died for good. */
  readonly onDied: (error: Error) => void
  /** The chain runs from now on, whatever comes; `stop` ends it. */
  readonly onStarted: (stop: () => Promise<void>) => void
  /** Waits, but not longer than the run. */
  readonly during: <T>(work: Promise<T>) => Promise<T>
}

/** Reads a deployment file. Throws LocalChainError when it is none, undefined when there is no file. */
function readDeployment(path: string): Deployment | undefined {
  if (!existsSync(path)) return undefined
  try {
    const read = JSON.parse(readFileSync(path, 'utf8')) as Partial<Deployment> | null
    for (const field of ['vault', 'settlement', 'verifier'] as const)
      if (!isAddress(read?.[field] ?? '', { strict: false })) throw new Error(`"${field}" is not an address`)
    if (read?.rpcUrl !== undefined && !URL.canParse(read.rpcUrl)) throw new Error('"rpcUrl" is not a URL')
    if (!Array.isArray(read?.assets) || typeof read.constants !== 'object' || read.chainId !== foundry.id)
      throw new Error(`it is not a deployment on chain ${foundry.id}`)
    return read as Deployment
  } catch (error) {
    throw new LocalChainError(
      `${path} is not what a start wrote (${(error as Error).message}): it says where the contracts are and cannot ` +
        `be made again: put back a copy, or remove the whole data folder to begin anew`,
    )
  }
}

/** The deployment that a start wrote to `dataDir`; undefined before the first. Throws LocalChainError. */
export function deploymentOf(dataDir: string): Deployment | undefined {
  return readDeployment(join(dataDir, DEPLOYMENT_FILE))
}

/** Where anvil keeps the chain. */
export const chainStatePath = (dataDir: string): string => join(dataDir, 'chain-state.json')

/**
 * Starts the chain kept in `dataDir`, deploying contracts at the first start, and gives each of
 * `traderCount` accounts its demo deposit.
 * @throws FixedAtFirstStart when `dataDir` was made with another exit delay.
 * @throws LocalChainError when `dataDir` has a deployment that the chain does not know, or that is none.
 */
export async function startLocalChain(
  dataDir: string,
  traderCount: number,
  deployOptions: Omit<DeployOptions, 'rpcUrl' | 'privateKey' | 'path' | 'feeOwner' | 'exitDelaySeconds'> & {
    /** Undefined = as the folder was made, half an hour for a new one. */
    readonly exitDelaySeconds: number | undefined
  },
  /** Blocks come so often by themselves; undefined = one for each transaction only. */
  blockTimeSeconds: number | undefined,
  hooks: LocalChainHooks,
): Promise<LocalChain> {
  const { onStep, during } = hooks
  const operator = localAccount(0)
  const traders = Array.from({ length: traderCount }, (_, index) => localAccount(2 + index))
  onStep('starting the local chain')
  const path = join(dataDir, DEPLOYMENT_FILE)
  const statePath = chainStatePath(dataDir)
  let deployment = readDeployment(path)
  // It is written before the journal is made: other contracts would hold nobody's deposits.
  if (deployment === undefined && hasJournal(dataDir))
    throw new LocalChainError(
      `${path} is missing, and ${journalFolder(dataDir)} shows that there was one: it says where the contracts are and ` +
        `cannot be made again: put back a copy, or remove the whole data folder to begin anew`,
    )
  const anvil = await startAnvil({
    statePath,
    ...(blockTimeSeconds === undefined ? {} : { blockTimeSeconds, mixedMining: true }),
    // Whoever has the chain's address from an earlier start can go on with it.
    ...(deployment?.rpcUrl === undefined ? {} : { wantedPort: Number(new URL(deployment.rpcUrl).port) }),
    onLine: hooks.onLine,
    onDied: hooks.onDied,
  })
  hooks.onStarted(() => anvil.stop())
  if (deployment !== undefined) {
    const reader = createPublicClient({ transport: http(anvil.rpcUrl) })
    const code = await during(reader.getCode({ address: deployment.settlement }))
    if (code !== undefined) await during(expectSameChain(reader, deployment, path, statePath, hooks.onLine))
    // Killed before the chain first wrote its state: nothing rests on the deployment yet, so it is made again.
    if (code === undefined && !hasJournal(dataDir)) deployment = undefined
    else if (code === undefined) {
      throw new LocalChainError(
        `${path} names a settlement contract at ${deployment.settlement} that the local chain does not have: ` +
          `${statePath} was removed or is of another exchange. Put back its copy, or remove the whole data folder to begin anew`,
      )
    }
  }
  const wantedDelay = deployOptions.exitDelaySeconds
  const fixedDelay = deployment?.constants.exitDelaySeconds ?? wantedDelay
  if (wantedDelay !== undefined && wantedDelay !== fixedDelay)
    throw new FixedAtFirstStart(
      `--exit-delay-seconds is ${wantedDelay}, but ${dataDir} was made with ${fixedDelay}, and that is fixed: leave the flag out, or name another folder with --data DIR`,
    )
  if (deployment === undefined) {
    onStep('deploying contracts')
    deployment = await during(
      deploy({
        ...deployOptions,
        exitDelaySeconds: wantedDelay ?? EXIT_DELAY_SECONDS,
        rpcUrl: anvil.rpcUrl,
        privateKey: privateKeyOf(operator),
        feeOwner: localAccount(1).address,
        path,
      }),
    )
  }
  if (deployment.rpcUrl !== anvil.rpcUrl) {
    // The port was taken by another program; the tools find the chain through this file.
    deployment = { ...deployment, rpcUrl: anvil.rpcUrl }
    writeDurable(dirname(path), basename(path), `${JSON.stringify(deployment, null, 2)}\n`)
  }
  onStep('depositing for demo accounts')
  for (const trader of traders) await during(depositOnce(anvil.rpcUrl, deployment, trader))
  return { anvil, deployment, operator, traders }
}

/**
 * The chain has the very contracts that the file names: by the block that they were made in, and, where they are
 * of this version, by every constant.
 * @throws LocalChainError when one of the two files is another exchange's, or the deployment was changed.
 */
async function expectSameChain(
  reader: PublicClient,
  deployment: Deployment,
  path: string,
  statePath: string,
  onLine: OnLog,
): Promise<void> {
  const { deployedAtBlock, deployedBlockHash } = deployment
  const found = await reader
    .getBlock({ blockNumber: BigInt(deployedAtBlock) })
    .then(({ hash }) => hash)
    .catch(() => undefined)
  if (deployedBlockHash !== undefined && found !== deployedBlockHash)
    throw new LocalChainError(
      `${path} names block ${deployedAtBlock} with hash ${deployedBlockHash}, the chain in ${statePath} has ${found ?? 'no such block'}: ` +
        `one of the two is another exchange's. Put back the newest copies of both`,
    )
  const notThis = (text: string): LocalChainError =>
    new LocalChainError(
      `${path} is not the deployment on the chain (${text}): put back a copy, or remove the whole data folder to begin anew`,
    )
  let findings
  try {
    for (const at of ['vault', 'verifier'] as const)
      if ((await reader.getCode({ address: deployment[at] })) === undefined)
        throw new Error(`there is no contract at "${at}", ${deployment[at]}`)
    findings = await checkCode(reader, deployment)
    // After an update the contracts are those of before, which is for the operator to know.
    const other = findings.find(({ what, level }) => what.startsWith('bytecode') && level === 'fail')
    if (other !== undefined) {
      onLine(`local chain: ${path}: ${other.what}: ${other.detail}`, 'warn')
      return
    }
    // Its tokens were made with the deployment: also a symbol must be what it says.
    const assets = await checkAssets(reader, deployment)
    findings = [
      ...findings,
      ...assets.map((each) => (each.level === 'warn' ? { ...each, level: 'fail' } : each)),
    ]
  } catch (error) {
    // A field that is missing or is no number, address or hash.
    throw notThis(error instanceof Error ? error.message : String(error))
  }
  const failed = findings.find(({ level }) => level === 'fail')
  if (failed !== undefined) throw notThis(`${failed.what}: ${failed.detail}`)
}

/** Mints and deposits each asset of `trader` that it has never deposited. */
async function depositOnce(rpcUrl: string, deployment: Deployment, trader: HDAccount): Promise<void> {
  const transport = http(rpcUrl)
  const reader = createPublicClient({ chain: foundry, transport, pollingInterval: LOCAL_POLL_MS })
  const wallet = createWalletClient({ account: trader, chain: foundry, transport })
  const deposited = await reader.getContractEvents({
    address: deployment.vault,
    abi: vaultAbi,
    eventName: 'Deposited',
    fromBlock: BigInt(deployment.deployedAtBlock),
  })
  const done = new Set(
    deposited.filter(({ args }) => args.owner === trader.address).map(({ args }) => args.asset),
  )
  for (const { id, token, unitAtoms } of deployment.assets) {
    const units = DEMO_DEPOSIT_UNITS[id]
    if (units === undefined || done.has(id)) continue
    const atoms = units * BigInt(unitAtoms)
    const wait = async (hash: Hex): Promise<void> => {
      const { status } = await receiptOf(reader, hash)
      if (status !== 'success')
        throw new LocalChainError(`demo deposit of asset ${id}: transaction ${hash} reverted`)
    }
    await wait(
      await wallet.writeContract({
        address: token,
        abi: demoTokenAbi,
        functionName: 'mint',
        args: [trader.address, atoms],
      }),
    )
    await wait(
      await wallet.writeContract({
        address: token,
        abi: demoTokenAbi,
        functionName: 'approve',
        args: [deployment.vault, atoms],
      }),
    )
    await wait(
      await wallet.writeContract({
        address: deployment.vault,
        abi: vaultAbi,
        functionName: 'deposit',
        args: [BigInt(id), atoms],
      }),
    )
  }
}
