/**
 * The chain as a client uses it: the contracts that the caller has pinned, read and called over the caller's
 * own connection. What the exchange says of the chain is compared with the pins and never used in their place.
 */
import {
  type Abi,
  type Account,
  type Address,
  BaseError,
  ContractFunctionRevertedError,
  type Client,
  type Hex,
  HttpRequestError,
  SocketClosedError,
  TimeoutError,
  type TransactionReceipt,
  WebSocketRequestError,
  createWalletClient,
  custom,
  erc20Abi,
} from 'viem'
import {
  getBalance,
  getChainId,
  readContract,
  simulateContract,
  waitForTransactionReceipt,
  writeContract,
} from 'viem/actions'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import type { ClientOptions, Eip1193Provider, PinnedDeployment } from './client-types.js'
import type { Markets } from '../money/markets.js'
import { ExchangeError, InputError, TransportError, VerificationError } from '../base/errors.js'
import { ErrorCode } from '../wire/codes.js'

export const CHAIN_STATES = ['none', 'committed', 'proven', 'final'] as const
export type ChainState = (typeof CHAIN_STATES)[number]

/** What is kept of a batch on the chain, as far as a client needs it. */
export interface ChainBatch {
  readonly newRoot: bigint
  readonly fillsRoot: Hex
  readonly committedAtMs: number
  readonly state: Exclude<ChainState, 'none'>
}

interface Call {
  readonly address: Address
  readonly abi: Abi | readonly unknown[]
  readonly functionName: string
  readonly args: readonly unknown[]
  readonly value?: bigint
}

/** @throws VerificationError when the exchange names another chain or other contracts than are pinned. */
export function checkPins(pinned: PinnedDeployment, told: PinnedDeployment): void {
  for (const field of ['chainId', 'vault', 'settlement'] as const) {
    if (String(pinned[field]).toLowerCase() === String(told[field]).toLowerCase()) continue
    throw new VerificationError(
      `the exchange says ${field} ${told[field]}, but ${pinned[field]} is pinned; do not trade there, or pin what you trust`,
      { code: ErrorCode.PinMismatch },
    )
  }
}

/**
 * Names and scales decide which money an amount is, and how much: the exchange must tell them as they are pinned.
 * @throws VerificationError (PinMismatch) when it tells an asset or market otherwise, or one that is not pinned.
 */
export function checkPinnedMarkets({ assets, markets }: PinnedDeployment, told: Markets): void {
  const assetsTold = told.assets.map((asset) => ({ ...asset, unitAtoms: String(asset.unitAtoms) }))
  const marketsTold = told.markets.map(({ base, quote, ...rest }) => ({
    ...rest,
    base: base.id,
    quote: quote.id,
  }))
  if (assets !== undefined)
    comparePinned('asset', assets, assetsTold, ['symbol', 'token', 'decimals', 'unitAtoms'])
  if (markets !== undefined)
    comparePinned('market', markets, marketsTold, ['base', 'quote', 'lotUnits', 'tickUnits'])
}

function comparePinned<T extends { readonly id: number }>(
  what: 'asset' | 'market',
  pins: readonly T[],
  told: readonly (T & { readonly symbol: string })[],
  fields: readonly (keyof T & string)[],
): void {
  for (const one of told) {
    const pin = pins.find(({ id }) => id === one.id)
    if (pin === undefined)
      throw new VerificationError(
        `the exchange says ${what} ${one.id} (${one.symbol}), which is not pinned; do not trade there, or pin what you trust`,
        { code: ErrorCode.PinMismatch, details: { field: what, told: one.id, pinned: undefined } },
      )
    for (const field of fields) {
      const [said, pinned] = [one[field], pin[field]]
      if (pinned === undefined) continue
      // Addresses are the same in whatever case they are written; names are not.
      const isSame =
        field === 'token' ? String(said).toLowerCase() === String(pinned).toLowerCase() : said === pinned
      if (isSame) continue
      throw new VerificationError(
        `the exchange says ${field} ${String(said)} of ${what} ${one.id}, but ${String(pinned)} is pinned; do not trade there, or pin what you trust`,
        { code: ErrorCode.PinMismatch, details: { field, told: said, pinned } },
      )
    }
  }
}

export class Chain {
  readonly #options: ClientOptions
  #isChecked = false

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** @throws InputError when nothing is pinned. */
  get pinned(): PinnedDeployment {
    const { deployment } = this.#options
    if (deployment !== undefined) return deployment
    throw new InputError(
      'deployment is missing: give createClient { chainId, vault, settlement } from a source that you trust ' +
        "(a deployment file will do); the exchange's own word for its contracts proves nothing",
      { code: ErrorCode.BadParams },
    )
  }

  /**
   * Reads a pinned contract. @throws InputError; VerificationError when the connection is to another chain;
   * TransportError (CannotConnect) when it fails.
   */
  async read(
    contract: 'vault' | 'settlement',
    functionName: string,
    args: readonly unknown[],
  ): Promise<unknown> {
    const abi = contract === 'vault' ? vaultAbi : settlementAbi
    return this.readAt({ address: this.pinned[contract], abi, functionName, args })
  }

  async readAt(call: Call): Promise<unknown> {
    await this.#checkChain()
    const { publicClient } = this.#options
    if (publicClient !== undefined) return told(publicClient.readContract(call as never))
    return told(readContract(await this.#writer('publicClient'), call as never))
  }

  /** Atoms that the wallet has of the chain's own coin. */
  async balance(): Promise<bigint> {
    const writer = await this.#writer('wallet')
    return told(getBalance(writer, { address: writer.account.address }))
  }

  /**
   * Asks an asset's token. A token may end any call in any way.
   * @throws ExchangeError (TransactionFailed) when it gives no answer; TransportError when the connection fails.
   */
  async readToken(
    asset: { readonly symbol: string; readonly token: Address },
    functionName: 'decimals' | 'symbol' | 'balanceOf' | 'allowance',
    args: readonly unknown[] = [],
  ): Promise<unknown> {
    try {
      return await this.readAt({ address: asset.token, abi: erc20Abi, functionName, args })
    } catch (error) {
      if (!isContractAnswer(error)) throw error
      throw new ExchangeError(
        `the token ${asset.token} of ${asset.symbol} does not answer (${functionName}: ${endingText(error as BaseError)}); nothing was sent`,
        { code: ErrorCode.TransactionFailed, cause: error },
      )
    }
  }

  async #checkChain(): Promise<void> {
    const { chainId } = this.pinned
    if (this.#isChecked) return
    const { publicClient } = this.#options
    const found =
      publicClient === undefined
        ? await told(getChainId(await this.#writer('publicClient')))
        : await told(publicClient.getChainId())
    if (found !== chainId) {
      throw new VerificationError(`the connection is to chain ${found}, but ${chainId} is pinned`, {
        code: ErrorCode.PinMismatch,
      })
    }
    this.#isChecked = true
  }

  /** The newest batch on the chain; 0 = none. */
  async newestBatch(): Promise<number> {
    return Number(await this.read('settlement', 'batchCount', []))
  }

  /** @throws ExchangeError when the chain has no such batch. */
  async batch(number: number): Promise<ChainBatch> {
    const [found, stateCode] = await Promise.all([
      this.read('settlement', 'batchOf', [BigInt(number)]),
      this.read('settlement', 'batchState', [BigInt(number)]),
    ])
    const state = CHAIN_STATES[stateCode as number]
    if (state === undefined || state === 'none') {
      throw new ExchangeError(`batch ${number} is not on the chain; try again when it has been posted`, {
        code: ErrorCode.ProofUnavailable,
      })
    }
    const { newRoot, fillsRoot, committedAt } = found as {
      newRoot: bigint
      fillsRoot: Hex
      committedAt: number | bigint
    }
    return { newRoot, fillsRoot, committedAtMs: Number(committedAt) * 1000, state }
  }

  /** The wallet's address and a connection that sends its transactions. */
  async #writer(missing: string): Promise<Client & { account: Account }> {
    const { wallet } = this.#options
    if (wallet === undefined) {
      throw new InputError(
        `${missing} is missing; give createClient a viem public client, or a wallet client`,
        {
          code: ErrorCode.BadParams,
        },
      )
    }
    if ('account' in wallet && wallet.account !== undefined && 'transport' in wallet) return wallet as never
    if ('address' in wallet) {
      throw new InputError(
        `wallet ${String(wallet.address)} is a local account, which has no connection to the chain; give createClient ` +
          'a viem wallet client (createWalletClient({ account, chain, transport })) or an EIP-1193 provider',
        { code: ErrorCode.BadParams },
      )
    }
    const transport = custom(wallet as Eip1193Provider as never)
    const [address] = await createWalletClient({ transport }).requestAddresses()
    if (address === undefined)
      throw new InputError('the wallet has no account; unlock one', { code: ErrorCode.UnknownAccount })
    return createWalletClient({ account: address, transport }) as never
  }

  /** The account that the vault has for the wallet. @throws ExchangeError when it has none. */
  async accountOf(): Promise<number> {
    const { account } = await this.#writer('wallet')
    try {
      return Number(await this.read('vault', 'accountOf', [account.address]))
    } catch (error) {
      throw refusedByChain('accountOf', error)
    }
  }

  async walletAddress(): Promise<Address> {
    return (await this.#writer('wallet')).account.address
  }

  /**
   * Sends one transaction of the wallet and waits until it is in a block.
   * @throws ExchangeError (TransactionFailed) with the contract's reason when it is refused or reverted; (OutcomeUnknown)
   * when the connection breaks after it may have been sent, with `details.transactionHash` where that is known.
   */
  async send(what: string, call: Call): Promise<TransactionReceipt> {
    await this.#checkChain()
    const writer = await this.#writer('wallet')
    const found = await told(getChainId(writer))
    if (found !== this.pinned.chainId) {
      throw new VerificationError(
        `the wallet is on chain ${found}, but ${this.pinned.chainId} is pinned; switch it`,
        {
          code: ErrorCode.PinMismatch,
        },
      )
    }
    const request = { ...call, account: writer.account, chain: null }
    let hash: Hex
    try {
      await simulateContract(writer, request as never)
    } catch (error) {
      throw isLostAnswer(error) ? notAsked(what, error) : refusedByChain(what, error)
    }
    try {
      hash = await writeContract(writer, request as never)
    } catch (error) {
      if (!isLostAnswer(error)) throw refusedByChain(what, error)
      throw outcomeUnknown(`${what} may have been sent`, error, undefined)
    }
    let receipt: TransactionReceipt
    try {
      receipt = await waitForTransactionReceipt(writer, { hash })
    } catch (error) {
      throw outcomeUnknown(`${what} was sent as transaction ${hash}`, error, hash)
    }
    if (receipt.status === 'success') return receipt
    throw new ExchangeError(`${what}: transaction ${hash} was reverted; nothing has changed`, {
      code: ErrorCode.TransactionFailed,
      details: { transactionHash: hash },
    })
  }
}

/** The connection failed: whether the node had what was sent is not known. */
const isLostAnswer = (error: unknown): error is BaseError =>
  error instanceof BaseError &&
  error.walk((inner) =>
    [HttpRequestError, TimeoutError, SocketClosedError, WebSocketRequestError].some(
      (kind) => inner instanceof kind,
    ),
  ) !== null

/** What the chain is only asked. @throws TransportError (CannotConnect) when the connection fails. */
async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!isLostAnswer(error)) throw error
    throw new TransportError(
      `the chain does not answer (${error.shortMessage}); nothing was sent: check that it runs where the publicClient or wallet of createClient looks for it`,
      { code: ErrorCode.CannotConnect, cause: error },
    )
  }
}

const notAsked = (what: string, error: BaseError): ExchangeError =>
  new ExchangeError(`${what}: the chain does not answer (${error.shortMessage}); nothing was sent`, {
    code: ErrorCode.TransactionFailed,
    cause: error,
  })

const outcomeUnknown = (what: string, error: unknown, transactionHash: Hex | undefined): ExchangeError =>
  new ExchangeError(
    `${what}, and the chain told no outcome (${error instanceof BaseError ? error.shortMessage : String(error)}); look for it in the wallet's transactions before you send it again`,
    { code: ErrorCode.OutcomeUnknown, details: { transactionHash }, cause: error },
  )

function refusedByChain(what: string, error: unknown): unknown {
  if (!(error instanceof BaseError)) return error
  const message = `${what} was refused by the chain: ${endingText(error)}; nothing has changed${adviceFor(error)}`
  return new ExchangeError(message, { code: ErrorCode.TransactionFailed, cause: error })
}

/** What to do about errors of the vault that a user can meet. */
const ADVICE: Readonly<Record<string, string>> = {
  NothingToClaim: 'a withdrawal can be claimed when its batch is proven: see withdrawalStatus',
  ZeroAmount: 'give an amount above 0',
  ExchangeFrozen: 'the exchange is frozen for good: leave with "glassbook exit"',
}

function adviceFor(error: BaseError): string {
  const reverted = error.walk((inner) => inner instanceof ContractFunctionRevertedError)
  const { data } = (reverted ?? {}) as Partial<ContractFunctionRevertedError>
  const advice = ADVICE[data?.errorName ?? '']
  return advice === undefined ? '' : `; ${advice}`
}

/** The contract's own error or reason; of an ending without one, the node's words for it. */
function endingText(error: BaseError): string {
  const reverted = error.walk((inner) => inner instanceof ContractFunctionRevertedError)
  const { data, reason } = (reverted ?? {}) as Partial<ContractFunctionRevertedError>
  if (data !== undefined) return `${data.errorName}(${(data.args ?? []).map(String).join(', ')})`
  const said = isContractAnswer(error) ? error.details : undefined
  return (reason ?? (said || error.shortMessage)).replace(/\s+/g, ' ')
}
