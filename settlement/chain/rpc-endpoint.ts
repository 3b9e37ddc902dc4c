/**
 * One JSON-RPC endpoint: asks it, tells an answer from a failure, and leaves it alone for a while after one.
 * Used by rpc.ts.
 */
import { BaseError, HttpRequestError } from 'viem'
import { REVERTED, isEvmEnding } from '../../contracts/call-endings.js'
import { CHAIN_CHECK_MS, RETRY_AFTER_MS_MAX, RPC_REST_MS, RPC_REST_MS_MAX } from '../limits.js'

/**
 * What an endpoint said. An error is about the question (a revert, an unknown block), not a failure. However a node
 * numbers an ending in the EVM, its code is REVERTED here.
 */
export interface EndpointAnswer {
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

/** An endpoint answered what is no answer to the question. */
export class BadAnswer extends BaseError {
  override readonly name = 'BadAnswer'
}

/** An endpoint has not reached a block that it was asked about: what it says of it is nothing. */
export class EndpointBehind extends BaseError {
  override readonly name = 'EndpointBehind'
  constructor(url: string, height: bigint, needed: bigint) {
    super(`${url} is at block ${height} and was asked for logs up to ${needed}`)
  }
}

type Request = (question: { method: string; params?: unknown }) => Promise<unknown>

/** Questions that run a contract. */
const CALLS = new Set(['eth_call', 'eth_estimateGas'])
/**
 * Limit exceeded, internal error, too many requests: the endpoint's trouble, whatever was asked. Of a call some nodes
 * name an ending in the EVM an internal error.
 */
const LIMIT_EXCEEDED = -32005
const FAILURES = new Set([LIMIT_EXCEEDED, -32603, -32007, 429])

const isHex = (value: unknown): boolean => typeof value === 'string' && /^0x[0-9a-f]*$/i.test(value)
/** A number: at least one digit. */
const isQuantity = (value: unknown): boolean => typeof value === 'string' && /^0x[0-9a-f]{1,64}$/i.test(value)
/** null, or an object that has these fields, as numbers and as bytes. */
const isRecord =
  (quantities: readonly string[], bytes: readonly string[] = []) =>
  (value: unknown): boolean =>
    value === null ||
    (typeof value === 'object' &&
      quantities.every((field) => isQuantity((value as Record<string, unknown>)[field])) &&
      bytes.every((field) => isHex((value as Record<string, unknown>)[field])))
const isPendingBlock = isRecord(['timestamp'])
const isBlock = isRecord(['timestamp', 'number'], ['hash'])

/** Form of the results that settlement asks for; null where there is none. */
const forms: Readonly<Record<string, (result: unknown, params: unknown) => boolean>> = {
  eth_blockNumber: isQuantity,
  eth_chainId: isQuantity,
  eth_getTransactionCount: isQuantity,
  eth_getBalance: isQuantity,
  eth_estimateGas: isQuantity,
  eth_gasPrice: isQuantity,
  eth_maxPriorityFeePerGas: isQuantity,
  eth_call: isHex,
  eth_getCode: isHex,
  eth_sendRawTransaction: isHex,
  eth_getLogs: Array.isArray,
  eth_getBlockByNumber: (result, params) =>
    Array.isArray(params) && params[0] === 'pending' ? isPendingBlock(result) : isBlock(result),
  eth_getTransactionReceipt: isRecord(['blockNumber', 'status'], ['transactionHash', 'blockHash']),
  eth_getTransactionByHash: isRecord([], ['hash', 'input']),
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

export class Endpoint {
  private failures = 0
  private restUntilMs = 0
  private chainCheckedAtMs = -Infinity
  /** The highest block that it has said to have. */
  private height = -1n

  constructor(
    readonly url: string,
    private readonly request: Request,
    private readonly chainId: number | undefined,
    private readonly onFailure: ((url: string, text: string) => void) | undefined,
  ) {}

  /** Whether it failed a moment ago and is left alone. */
  get isResting(): boolean {
    return Date.now() < this.restUntilMs
  }

  /** Asks, after its rest. Throws what kept it from answering. */
  async ask(question: { method: string; params?: unknown }): Promise<EndpointAnswer> {
    const rest = this.restUntilMs - Date.now()
    if (rest > 0) await sleep(rest)
    try {
      await this.checkChain(question.method)
      await this.checkHeight(question)
      const answer = await this.raw(question)
      this.failures = 0
      return answer
    } catch (error) {
      // It is well, and is asked again with the next question.
      if (error instanceof EndpointBehind) throw error
      const pause = Math.min(RPC_REST_MS * 2 ** this.failures, RPC_REST_MS_MAX)
      const asked = Math.min(retryAfterMs(error) ?? 0, RETRY_AFTER_MS_MAX)
      this.failures = Math.min(this.failures + 1, 20)
      this.restUntilMs = Date.now() + Math.max(pause, asked)
      this.chainCheckedAtMs = -Infinity
      this.onFailure?.(this.url, error instanceof BaseError ? error.shortMessage : String(error))
      throw error
    }
  }

  /** A balancer may lead to another chain's node at any moment: asked again now and then, and after failures. */
  private async checkChain(method: string): Promise<void> {
    if (this.chainId === undefined || method === 'eth_chainId') return
    if (Date.now() - this.chainCheckedAtMs < CHAIN_CHECK_MS) return
    const { result } = await this.raw({ method: 'eth_chainId' })
    if (Number(result) !== this.chainId)
      throw new BadAnswer(`${this.url} serves chain ${Number(result)}, not ${this.chainId}`)
    this.chainCheckedAtMs = Date.now()
  }

  /**
   * Of blocks that it does not have yet an endpoint says that they have no logs: with one that lies that made two,
   * and what is there seemed not to be.
   */
  private async checkHeight({ method, params }: { method: string; params?: unknown }): Promise<void> {
    if (method !== 'eth_getLogs') return
    const { toBlock } = ((params as unknown[] | undefined)?.[0] ?? {}) as { toBlock?: unknown }
    if (!isHex(toBlock)) return
    const needed = BigInt(toBlock as string)
    if (this.height >= needed) return
    const { result } = await this.raw({ method: 'eth_blockNumber' })
    this.height = BigInt(result as string)
    if (this.height < needed) throw new EndpointBehind(this.url, this.height, needed)
  }

  private async raw(question: { method: string; params?: unknown }): Promise<EndpointAnswer> {
    const { method } = question
    let response: { result?: unknown; error?: EndpointAnswer['error'] | null } | null
    try {
      response = (await this.request(question)) as typeof response
    } catch (error) {
      if (error instanceof BaseError) throw error
      throw new BadAnswer(`${method}: ${error instanceof Error ? error.message : String(error)}`)
    }
    const { result, error } = response ?? {}
    if (error !== undefined && error !== null) {
      if (CALLS.has(method) && isEvmEnding(error)) return { error: { ...error, code: REVERTED } }
      // Of logs it also means that the range has too many: a smaller one is asked for.
      const isRange = method === 'eth_getLogs' && error.code === LIMIT_EXCEEDED
      if (FAILURES.has(error.code) && !isRange) throw new BadAnswer(`${method}: ${error.message}`)
      return { error }
    }
    if (result === undefined || !(forms[method]?.(result, question.params) ?? true))
      throw new BadAnswer(`${method}: ${JSON.stringify(result)?.slice(0, 60)} is no answer`)
    return { result }
  }
}

/** Milliseconds that an endpoint asks to be left alone, of its Retry-After header; undefined without one. */
function retryAfterMs(error: unknown): number | undefined {
  const header = error instanceof HttpRequestError ? error.headers?.get('retry-after') : null
  if (header === null || header === undefined) return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}
