/**
 * The chain as settlement sees it: clients over one or more RPC URLs, the deployment, and error texts that
 * name the contract's own error. Used by the sender, the watcher and the tools.
 */
import {
  BaseError,
  BlockNotFoundError,
  ContractFunctionRevertedError,
  ExecutionRevertedError,
  HttpRequestError,
  TimeoutError,
  createPublicClient,
  decodeErrorResult,
  type Address,
  type Hex,
  type PublicClient,
} from 'viem'
import { groth16ChunkVerifierAbi, settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { RECEIPT_POLL_MS } from '../limits.js'
import { LogsRefused, isRefusal } from './log-ranges.js'
import { isLocalChain, refuseDevelopmentKey } from './development-key.js'
import { EndpointsDisagree, EndpointsSilent, agreeing, type RpcOptions } from './rpc.js'
import { BadAnswer, EndpointBehind } from './rpc-endpoint.js'

export { sleep } from './rpc-endpoint.js'

/** What settlement needs of the deployment file that contracts/deployment/deploy.ts writes. */
export interface ChainDeployment {
  readonly chainId: number
  readonly vault: Address
  readonly settlement: Address
  readonly verifier: Address
  readonly deployedAtBlock: number
  readonly assets: readonly {
    readonly id: number
    readonly symbol: string
    readonly decimals: number
    readonly unitAtoms: string
  }[]
  readonly constants: {
    readonly rowsPerChunk: number
    readonly maxUnproven: number
    readonly proven: boolean
  }
}

/** The RPC endpoint is another chain than the deployment names. */
export class WrongChain extends Error {
  override readonly name = 'WrongChain'
}

/** Anybody may have frozen the exchange, for a forced withdrawal that was not answered in time: nothing is settled any more. */
export class ExchangeFrozen extends Error {
  override readonly name = 'ExchangeFrozen'
  constructor(settlement: Address) {
    super(
      `the settlement contract ${settlement} is frozen for good: a forced withdrawal was not answered in time. Nothing more can be settled; users leave with "glassbook exit"`,
    )
  }
}

/** @throws ExchangeFrozen. */
export async function expectNotFrozen(client: PublicClient, deployment: ChainDeployment): Promise<void> {
  const address = deployment.settlement
  if (await client.readContract({ address, abi: settlementAbi, functionName: 'frozen' }))
    throw new ExchangeFrozen(address)
}

/** A read client over `rpcUrls`: what is believed when they differ stands in rpc.ts. */
export function chainClient(rpcUrls: readonly string[], options: RpcOptions = {}): PublicClient {
  return createPublicClient({
    transport: agreeing(rpcUrls, options),
    pollingInterval: RECEIPT_POLL_MS,
    cacheTime: 0,
  })
}

/**
 * Throws WrongChain unless the endpoint serves the deployment's chain and has its contracts, InsecureKey when
 * a chain that is not local is guarded by the development key.
 */
export async function checkChain(client: PublicClient, deployment: ChainDeployment): Promise<void> {
  const chainId = await client.getChainId()
  if (chainId !== deployment.chainId)
    throw new WrongChain(
      `the RPC endpoint serves chain ${chainId}, the deployment is on ${deployment.chainId}`,
    )
  for (const [what, address] of [
    ['vault', deployment.vault],
    ['settlement', deployment.settlement],
  ] as const) {
    const code = await client.getCode({ address })
    if (code === undefined || code === '0x')
      throw new WrongChain(`chain ${chainId} has no ${what} contract at ${address}`)
  }
  // A file that says "not proven" of a chain that holds value is not believed.
  if (!deployment.constants.proven && isLocalChain(chainId)) return
  const verifier = await client.readContract({
    address: deployment.settlement,
    abi: settlementAbi,
    functionName: 'verifier',
  })
  const key = await client.readContract({
    address: verifier,
    abi: groth16ChunkVerifierAbi,
    functionName: 'key',
  })
  refuseDevelopmentKey(chainId, key.alpha)
}

/** What is wrong with the way to the chain, or undefined when the chain itself answered. */
function networkTrouble(error: BaseError): string | undefined {
  const silence = error.walk((cause) => cause instanceof EndpointsSilent)
  if (silence !== null) return `network: ${(silence as EndpointsSilent).shortMessage}`
  const http = error.walk((cause) => cause instanceof HttpRequestError || cause instanceof TimeoutError)
  if (http instanceof HttpRequestError && http.status !== undefined)
    return `network: the RPC endpoint ${http.url} answers with HTTP status ${http.status}`
  if (http instanceof HttpRequestError)
    return `network: the RPC endpoint ${http.url} cannot be reached (${http.details})`
  if (http !== null) return 'network: the RPC endpoint does not answer in time'
  const unusable = [BadAnswer, EndpointBehind, EndpointsDisagree]
  const bad = error.walk((cause) => unusable.some((kind) => cause instanceof kind))
  return bad === null
    ? undefined
    : `network: the RPC endpoint gives no usable answer (${(bad as BaseError).shortMessage})`
}

/**
 * Time of the block that comes next, in seconds since 1970: a chain without new blocks has an old newest one, and a
 * deadline may have passed since. Many nodes have no pending block: then the newest one's.
 */
export async function nextBlockTime(client: PublicClient): Promise<number> {
  const latest = await client.getBlock({ blockTag: 'latest' })
  try {
    const pending = await client.getBlock({ blockTag: 'pending' })
    return Math.max(Number(latest.timestamp), Number(pending.timestamp))
  } catch (error) {
    if (error instanceof BlockNotFoundError || isRefusal(error)) return Number(latest.timestamp)
    throw error
  }
}

/** One line about any chain failure; a contract's custom error by name and arguments. */
export function chainErrorText(error: unknown): string {
  if (error instanceof LogsRefused) return error.shortMessage
  if (error instanceof BaseError) {
    const trouble = networkTrouble(error)
    if (trouble !== undefined) return trouble
    const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError)
    if (revert instanceof ContractFunctionRevertedError && revert.data !== undefined)
      return `${revert.data.errorName}(${(revert.data.args ?? []).join(', ')})`
    const raw = error.walk((cause) => typeof (cause as { data?: unknown }).data === 'string') as {
      data?: Hex
    } | null
    const name = raw?.data === undefined ? undefined : contractError(raw.data)
    if (name !== undefined) return name
    // viem has no word of its own for an ending without a revert: "Missing or invalid parameters".
    const isWorded =
      revert !== null || error.walk((cause) => cause instanceof ExecutionRevertedError) !== null
    return !isWorded && isContractAnswer(error) ? error.details || error.shortMessage : error.shortMessage
  }
  return error instanceof Error ? error.message : String(error)
}

/** Name and arguments of a revert's bytes, or undefined. */
export function contractError(data: Hex): string | undefined {
  for (const abi of [settlementAbi, vaultAbi]) {
    try {
      const { errorName, args } = decodeErrorResult({ abi, data })
      return `${errorName}(${(args as readonly unknown[] | undefined)?.join(', ') ?? ''})`
    } catch {
      // Not an error of this contract.
    }
  }
  return undefined
}
