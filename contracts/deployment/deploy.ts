/**
 * Deploys the exchange's contracts and writes what every other part reads: addresses, assets, constants.
 * Vault and Settlement name each other immutably: the vault is told the address that the settlement
 * contract will get from the deployer's next nonce, and the settlement constructor reverts unless the
 * vault names it. Called by the app, by tests and by benchmarks.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  type Address,
  type Hex,
  type PublicClient,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
  createPublicClient,
  createWalletClient,
  encodeDeployData,
  getAddress,
  getContractAddress,
  http,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import {
  demoTokenAbi,
  groth16ChunkVerifierAbi,
  settlementAbi,
  unprovenVerifierAbi,
  vaultAbi,
} from '../abi.js'
import {
  demoTokenCode,
  groth16ChunkVerifierCode,
  settlementCode,
  unprovenVerifierCode,
  vaultCode,
} from '../bytecode.js'
import { syncFolder } from '../sync-folder.js'
import { DEPLOYED_MS_MAX, DEPLOYED_PAUSE_MS_MAX, DEPLOYED_PAUSE_MS_MIN } from '../limits.js'
import {
  type VerificationKey,
  isInsecureOn,
  parseVerificationKey,
  toContractKey,
} from './verification-key.js'

export interface DeployedAsset {
  readonly id: number
  readonly symbol: string
  /** ERC-20 contract; the zero address for the native coin. */
  readonly token: Address
  readonly decimals: number
  /** Atoms of one unit, a power of ten, as a decimal string. */
  readonly unitAtoms: string
}

/** Constructor constants, and the roles at deployment. Numbers of wei and seconds. */
export interface DeploymentConstants {
  readonly exitDelaySeconds: number
  readonly proofDelaySeconds: number
  readonly verifierDelaySeconds: number
  readonly maxUnproven: number
  readonly requestFeeWei: string
  readonly rowsPerChunk: number
  readonly governor: Address
  readonly guardian: Address
  readonly operator: Address
  /** Whether proofs are checked; false = UnprovenVerifier, which proves nothing. */
  readonly proven: boolean
}

/** The contracts of an exchange that are its own: not the tokens. */
export type DeployedContract = 'verifier' | 'vault' | 'settlement'

export interface Deployment {
  readonly chainId: number
  readonly rpcUrl?: string
  readonly vault: Address
  readonly settlement: Address
  readonly verifier: Address
  readonly assets: readonly DeployedAsset[]
  readonly deployedAtBlock: number
  /** Of that block: another chain with the same contracts has another one. Absent in files of before. */
  readonly deployedBlockHash?: Hex
  readonly feeOwner: Address
  readonly constants: DeploymentConstants
  /** The key that the verifier was made with, as snarkjs writes it; absent when it checks no proofs. */
  readonly verificationKey?: VerificationKey
  /** Transactions that created the contracts; absent in files of before. */
  readonly creations?: Readonly<Record<DeployedContract, Hex>>
}

export interface AssetToDeploy {
  readonly symbol: string
  readonly decimals: number
  /** Atoms of one unit: a power of ten. */
  readonly unitAtoms: bigint
  /** Existing ERC-20, or 'native'; absent = a DemoToken is deployed (local chain only). */
  readonly token?: Address | 'native'
}

export interface DeployOptions {
  readonly rpcUrl: string
  /** Key that pays and signs the deployment. */
  readonly privateKey: Hex
  /** Assets 0, 1, ... ; two demo tokens (USDX with 6 decimals, BTCX with 8) unless given. */
  readonly assets?: readonly AssetToDeploy[]
  /** Owner of the fee account 0; the deployer unless given. */
  readonly feeOwner?: Address
  /** The deployer unless given. */
  readonly operator?: Address
  readonly governor?: Address
  readonly guardian?: Address
  /** 7 days unless given. */
  readonly exitDelaySeconds?: number
  /** 1 day unless given. */
  readonly proofDelaySeconds?: number
  /** exitDelaySeconds + 31 days unless given; the contract demands more than exitDelaySeconds + 30 days. */
  readonly verifierDelaySeconds?: number
  /** 8 unless given. */
  readonly maxUnproven?: number
  /** 0.002 of the native coin unless given. */
  readonly requestFeeWei?: bigint
  /** snarkjs verification key of the chunk circuit; absent = UnprovenVerifier (local chain only). */
  readonly verificationKey?: VerificationKey
  /** Row slots of the circuit; needed with `verificationKey`. */
  readonly rowsPerChunk?: number
  /** File to write the deployment to. */
  readonly path?: string
}

/** A deployment cannot be made as asked, or a transaction of it reverted. */
export class DeployError extends Error {
  override readonly name = 'DeployError'
}

const DAY_SECONDS = 24 * 60 * 60
/** Row slots of a chunk under UnprovenVerifier. */
const UNPROVEN_ROWS = 16
const ZERO_ADDRESS = '0x0000000000000000000000000000000000000000'

/** Assets of the local exchange: 1 unit = 1 atom, so 2^53 units are 9 thousand million USDX. */
export const demoAssets: readonly AssetToDeploy[] = [
  { symbol: 'USDX', decimals: 6, unitAtoms: 1n },
  { symbol: 'BTCX', decimals: 8, unitAtoms: 1n },
]

/**
 * Deploys tokens, verifier, vault and settlement, and checks that they are wired.
 * @throws DeployError on a unit size that is no power of ten, on a missing rowsPerChunk, on the development key
 * anywhere but on a local chain, or when a transaction reverts. What was deployed before the failure stays on the chain and is not used.
 */
export async function deploy(options: DeployOptions): Promise<Deployment> {
  const account = privateKeyToAccount(options.privateKey)
  const transport = http(options.rpcUrl)
  const reader: PublicClient = createPublicClient({ transport })
  const wallet = createWalletClient({ account, transport })
  const chainId = await reader.getChainId()
  const assets = options.assets ?? demoAssets
  for (const { symbol, unitAtoms } of assets)
    if (!/^10*$/.test(String(unitAtoms)))
      throw new DeployError(`asset ${symbol}: unitAtoms is ${unitAtoms}, not a power of ten`)
  const { verificationKey } = options
  if (verificationKey !== undefined && options.rowsPerChunk === undefined)
    throw new DeployError('a verificationKey needs the rowsPerChunk of its circuit')
  if (verificationKey !== undefined && isInsecureOn(chainId, verificationKey))
    throw new DeployError(
      `the development key on chain ${chainId}: its secrets are public, anybody could forge proofs`,
    )
  let nonce = await reader.getTransactionCount({ address: account.address, blockTag: 'pending' })

  const create = async (what: string, data: Hex): Promise<TransactionReceipt> => {
    const hash = await wallet.sendTransaction({ chain: null, data, nonce: nonce++ })
    const receipt = await receiptOf(reader, hash)
    if (receipt.status !== 'success' || !receipt.contractAddress)
      throw new DeployError(`${what} was not created: transaction ${hash} reverted`)
    return receipt
  }

  const deployed: DeployedAsset[] = []
  for (const [id, { symbol, decimals, unitAtoms, token }] of assets.entries()) {
    const address =
      token === 'native' ? ZERO_ADDRESS : (token ?? (await createToken(create, symbol, decimals)))
    deployed.push({ id, symbol, token: address, decimals, unitAtoms: String(unitAtoms) })
  }
  const exitDelaySeconds = options.exitDelaySeconds ?? 7 * DAY_SECONDS
  const rowsPerChunk = verificationKey === undefined ? UNPROVEN_ROWS : options.rowsPerChunk!
  const addressAt = (offset: number): Address =>
    getContractAddress({ from: account.address, nonce: BigInt(nonce + offset) })
  const plan = {
    chainId,
    rpcUrl: options.rpcUrl,
    verifier: addressAt(0),
    vault: addressAt(1),
    settlement: addressAt(2),
    assets: deployed,
    feeOwner: options.feeOwner ?? account.address,
    constants: {
      exitDelaySeconds,
      proofDelaySeconds: options.proofDelaySeconds ?? DAY_SECONDS,
      verifierDelaySeconds: options.verifierDelaySeconds ?? exitDelaySeconds + 31 * DAY_SECONDS,
      maxUnproven: options.maxUnproven ?? 8,
      requestFeeWei: String(options.requestFeeWei ?? 2_000_000_000_000_000n),
      rowsPerChunk,
      governor: options.governor ?? account.address,
      guardian: options.guardian ?? account.address,
      operator: options.operator ?? account.address,
      proven: verificationKey !== undefined,
    },
    ...(verificationKey === undefined ? {} : { verificationKey: parseVerificationKey(verificationKey) }),
  }
  const data = creationData(plan)
  const verifier = await create('verifier', data.verifier)
  const vault = await create('Vault', data.vault)
  const settlement = await create('Settlement', data.settlement)
  const deployment: Deployment = {
    ...plan,
    deployedAtBlock: Number(vault.blockNumber),
    deployedBlockHash: vault.blockHash,
    creations: {
      verifier: verifier.transactionHash,
      vault: vault.transactionHash,
      settlement: settlement.transactionHash,
    },
  }
  if (options.path !== undefined) writeDeployment(options.path, deployment)
  return deployment
}

async function createToken(
  create: (what: string, data: Hex) => Promise<TransactionReceipt>,
  symbol: string,
  decimals: number,
): Promise<Address> {
  const args = [symbol, symbol, decimals] as const
  const data = encodeDeployData({ abi: demoTokenAbi, bytecode: demoTokenCode.creation, args })
  return getAddress((await create(symbol, data)).contractAddress!)
}

/**
 * What the creating transactions carry: creation code and constructor arguments, all of which follow from the
 * deployment. `glassbook doctor` compares the chain with it.
 * @throws VerificationKeyError when the verification key is not one of the chunk circuit.
 */
export function creationData(
  deployment: Omit<Deployment, 'deployedAtBlock' | 'deployedBlockHash' | 'creations'>,
): Record<DeployedContract, Hex> {
  const { constants, verificationKey } = deployment
  return {
    verifier:
      verificationKey === undefined
        ? encodeDeployData({ abi: unprovenVerifierAbi, bytecode: unprovenVerifierCode.creation })
        : encodeDeployData({
            abi: groth16ChunkVerifierAbi,
            bytecode: groth16ChunkVerifierCode.creation,
            args: [BigInt(constants.rowsPerChunk), toContractKey(verificationKey)],
          }),
    vault: encodeDeployData({
      abi: vaultAbi,
      bytecode: vaultCode.creation,
      args: [
        deployment.settlement,
        deployment.feeOwner,
        deployment.assets.map(({ token, unitAtoms }) => ({ token, unitAtoms: BigInt(unitAtoms) })),
      ],
    }),
    settlement: encodeDeployData({
      abi: settlementAbi,
      bytecode: settlementCode.creation,
      args: [
        {
          vault: deployment.vault,
          governor: constants.governor,
          guardian: constants.guardian,
          operator: constants.operator,
          verifier: deployment.verifier,
          exitDelay: BigInt(constants.exitDelaySeconds),
          proofDelay: BigInt(constants.proofDelaySeconds),
          maxUnproven: BigInt(constants.maxUnproven),
          requestFee: BigInt(constants.requestFeeWei),
          verifierDelay: BigInt(constants.verifierDelaySeconds),
        },
      ],
    }),
  }
}

/**
 * Receipt of a sent transaction, asked for again and again. viem's waitForTransactionReceipt follows block
 * numbers, and on a chain that makes a block for each transaction can miss the only one there is.
 * @throws DeployError when there is none after `timeoutMs`.
 */
export async function receiptOf(
  client: Pick<PublicClient, 'getTransactionReceipt'>,
  hash: Hex,
  timeoutMs = DEPLOYED_MS_MAX,
): Promise<TransactionReceipt> {
  const deadline = Date.now() + timeoutMs
  for (let waitMs = DEPLOYED_PAUSE_MS_MIN; ; waitMs = Math.min(waitMs * 2, DEPLOYED_PAUSE_MS_MAX)) {
    try {
      return await client.getTransactionReceipt({ hash })
    } catch (error) {
      if (!(error instanceof TransactionReceiptNotFoundError)) throw error
      if (Date.now() > deadline)
        throw new DeployError(`transaction ${hash} has no receipt after ${timeoutMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}

/** Writes a deployment so that a reader, also after a loss of power, sees the old file or the new one, never a part. */
export function writeDeployment(path: string, deployment: Deployment): void {
  const file = openSync(`${path}.new`, 'w', 0o644)
  try {
    writeSync(file, `${JSON.stringify(deployment, null, 2)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
  syncFolder(dirname(path))
}
