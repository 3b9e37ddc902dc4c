/**
 * What the auditor's and the exit tools have in common: where the chain is and which exchange on it is
 * meant, how progress is shown, how the chain's errors are told.
 */
import { BaseError, HttpRequestError, isAddress, isAddressEqual, type Address, type PublicClient } from 'viem'
import { chainClient, chainErrorText, type ChainDeployment } from '../../settlement/chain/chain.js'
import { NoSettlement, discoverDeployment } from '../../settlement/chain/history.js'
import { bar } from '../files/bar.js'
import { readDeploymentFile } from '../files/deployment-file.js'
import { fileErrorText, fileIdentity, unreadable, unwritable } from '../files/file-errors.js'
import { UsageError } from '../files/usage-error.js'

/** A file that is written, and what every file of its kind begins with: another that is there is not replaced. */
export interface Written {
  readonly path: string | undefined
  readonly begins: string
}

/** @throws UsageError when a file that a flag names cannot be read, or written: before long work that needs it. */
export function expectFiles(files: {
  readonly read?: Readonly<Record<string, string | undefined>>
  readonly written?: Readonly<Record<string, Written>>
}): void {
  const refuse = (refusal: string | undefined): void => {
    if (refusal !== undefined) throw new UsageError(refusal)
  }
  for (const [flag, path] of Object.entries(files.read ?? {}))
    if (path !== undefined) refuse(unreadable(flag, path))
  const flagOf = new Map<string, string>()
  for (const [flag, { path, begins }] of Object.entries(files.written ?? {})) {
    if (path === undefined) continue
    refuse(unwritable(flag, path, begins))
    const identity = fileIdentity(path)
    const other = flagOf.get(identity)
    if (other !== undefined)
      refuse(`${flag} ${path}: ${other} names that file too, and one of them would be lost`)
    flagOf.set(identity, flag)
  }
}

/** Flags that name a chain and an exchange. */
export interface ChainFlags {
  readonly rpc?: readonly string[] | undefined
  readonly settlement?: string | undefined
  readonly deployment?: string | undefined
  readonly json?: boolean | undefined
}

/**
 * Connects. `--settlement 0x…` is enough: the rest is read from the chain; `--deployment FILE` (what start
 * writes to its data folder) saves that and brings the assets' names. Throws UsageError.
 */
export async function connect(
  values: ChainFlags,
  defaultDeployment?: string,
): Promise<{ client: PublicClient; deployment: ChainDeployment; rpcUrls: readonly string[] }> {
  const file = values.deployment ?? (values.settlement === undefined ? defaultDeployment : undefined)
  if (file === undefined && values.settlement === undefined)
    throw new UsageError('say which exchange: --settlement 0x… or --deployment FILE')
  expectFiles({ read: { [values.deployment === undefined ? 'the deployment' : '--deployment']: file } })
  const read = file === undefined ? undefined : readDeploymentFile(file)
  const rpcUrls = values.rpc ?? (read?.rpcUrl === undefined ? [] : [read.rpcUrl])
  if (rpcUrls.length === 0) throw new UsageError('say where the chain is: --rpc URL')
  const client = chainClient(rpcUrls)
  if (read !== undefined) {
    const chainId = await client.getChainId()
    if (chainId !== read.chainId)
      throw new UsageError(`${rpcUrls[0]!} is chain ${chainId}, ${file!} names chain ${read.chainId}`)
    if (values.settlement !== undefined && !isAddressEqual(address(values.settlement), read.settlement))
      throw new UsageError(
        `--settlement ${values.settlement} is not that of ${file!}, ${read.settlement}: give one of the two`,
      )
    const code = await client.getCode({ address: read.settlement })
    if (code === undefined) throw new NoSettlement(read.settlement, chainId)
    return { client, deployment: read, rpcUrls }
  }
  return { client, deployment: await discoverDeployment(client, address(values.settlement!)), rpcUrls }
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** Throws UsageError for what is no address. */
export function address(text: string): Address {
  if (!isAddress(text, { strict: false })) throw new UsageError(`"${text}" is not an address`)
  return text
}

/** Draws a share from 0 to 1 on standard error, on a terminal only. */
export function progressBar(label: string): (share: number) => void {
  if (!process.stderr.isTTY) return () => {}
  return (share) => process.stderr.write(`\r${label} ${bar(share)}${share >= 1 ? '\n' : ''}`)
}

/** Runs the body of a command that asks a chain: what viem throws is told in the chain's words, in one line. */
export async function askingChain(body: () => Promise<number>): Promise<number> {
  try {
    return await body()
  } catch (error) {
    if (error instanceof UsageError || fileErrorText(error) !== undefined) throw error
    throw new Error(`${chainErrorText(error)}${localChainAdvice(error)}`, { cause: error })
  }
}

/** What to do about a chain of this machine that is not there; empty for other errors and chains. */
export function localChainAdvice(error: unknown): string {
  const cause = error instanceof BaseError ? error.walk((each) => each instanceof HttpRequestError) : null
  if (!(cause instanceof HttpRequestError) || cause.status !== undefined) return ''
  if (!LOOPBACK.has(new URL(cause.url).hostname)) return ''
  return ': a local chain runs with its exchange, or alone with "glassbook chain DIR"'
}

/** JSON with bigint as decimal strings. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item))
