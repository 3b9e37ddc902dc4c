/**
 * One JSON-RPC transport over several endpoints that may fail, lag or lie. Used by chain.ts.
 *
 * What is believed: with one URL, what it says; with two, what both say, or the one that answers; with three
 * or more, what more than half of them say. Heights and nonces are not equal everywhere at one moment: of
 * them the highest counts that so many endpoints have reached. What an endpoint says of the logs of blocks that it
 * does not have yet does not count.
 *
 * Invariant: an endpoint that failed is asked again only after a pause, which grows with every failure and is
 * never shorter than its Retry-After. A transaction is sent to every endpoint.
 */
import { setMaxListeners } from 'node:events'
import { BaseError, RpcRequestError, createTransport, http, type Transport } from 'viem'
import { REVERTED } from '../../contracts/call-endings.js'
import { RPC_GRACE_MS, RPC_RETRIES, RPC_RETRY_MS, RPC_SECOND_MS, RPC_TIMEOUT_MS } from '../limits.js'
import { Endpoint, type EndpointAnswer } from './rpc-endpoint.js'

/** Endpoints contradict each other: nothing is believed, the question is asked again later. */
export class EndpointsDisagree extends BaseError {
  override readonly name = 'EndpointsDisagree'
  constructor(method: string, count: number, needed: number) {
    super(`${method}: ${count} endpoints answered, and no ${needed} of them agree`)
  }
}

export interface RpcOptions {
  /** Bound of one answer, milliseconds; 10,000 unless given. */
  readonly timeoutMs?: number
  /** An endpoint that serves another chain is not asked. */
  readonly chainId?: number
  /** An endpoint did not answer, or answered what is none. */
  readonly onFailure?: (url: string, text: string) => void
  /** Once it is aborted, questions that wait and those to come end with RpcAborted. */
  readonly signal?: AbortSignal
}

/** Who asked has given up waiting; a transaction that was being sent may have arrived or not. */
export class RpcAborted extends BaseError {
  override readonly name = 'RpcAborted'
  constructor(method: string) {
    super(`${method}: not waited for any more`)
  }
}

interface Question {
  readonly method: string
  readonly params?: unknown
}

const BLOCK_TAGS = new Set<unknown>(['latest', 'pending', 'safe', 'finalized'])

/** A transport that asks `urls` and believes what they agree on. Throws RangeError without a URL. */
export function agreeing(urls: readonly string[], options: RpcOptions = {}): Transport {
  if (urls.length === 0) throw new RangeError('rpc: no URL')
  const { timeoutMs = RPC_TIMEOUT_MS, chainId, onFailure, signal } = options
  // One listener a question that waits, and many may: that is no leak.
  if (signal !== undefined) setMaxListeners(0, signal)
  return () => {
    const endpoints = urls.map((url) => {
      const { request } = http(url, { timeout: timeoutMs, retryCount: 0, raw: true })({})
      return new Endpoint(url, request, chainId, onFailure)
    })
    return createTransport({
      key: 'agreeing',
      name: 'agreeing endpoints',
      type: 'agreeing',
      retryCount: RPC_RETRIES,
      retryDelay: RPC_RETRY_MS,
      request: (question: Question) =>
        unlessAborted(
          signal,
          question,
          question.method === 'eth_sendRawTransaction'
            ? () => sendToAll(endpoints, question)
            : () => ask(endpoints, question),
        ),
    } as Parameters<typeof createTransport>[0])
  }
}

function unlessAborted(
  signal: AbortSignal | undefined,
  { method }: Question,
  request: () => Promise<unknown>,
): Promise<unknown> {
  if (signal === undefined) return request()
  if (signal.aborted) return Promise.reject(new RpcAborted(method))
  return new Promise((resolve, reject) => {
    const give = (): void => reject(new RpcAborted(method))
    signal.addEventListener('abort', give, { once: true })
    void request()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', give))
  })
}

const isAnswered = (answer: EndpointAnswer): boolean => answer.error === undefined

function rpcError(endpoint: Endpoint, question: Question, answer: EndpointAnswer): Error {
  const error = answer.error!
  return new RpcRequestError({ body: { method: question.method }, error, url: endpoint.url })
}

/** Resolves with the first one that takes it; else rejects with what the first one said. */
async function sendToAll(endpoints: readonly Endpoint[], question: Question): Promise<unknown> {
  const errors: unknown[] = []
  try {
    return await Promise.any(
      endpoints.map(async (endpoint) => {
        const answer = await endpoint.ask(question)
        if (isAnswered(answer)) return answer.result
        const error = rpcError(endpoint, question, answer)
        // What a node says of the transaction tells more than that another one was not reached.
        errors.unshift(error)
        throw error
      }),
    )
  } catch (error) {
    throw errors[0] ?? (error as AggregateError).errors[0]
  }
}

/** How many of `total` must agree when `answered` have answered. */
function needed(total: number, answered: number): number {
  return total <= 2 ? Math.max(1, answered) : Math.floor(total / 2) + 1
}

/** Asks those that do not rest, all where that is not enough, and resolves with what they agree on. */
async function ask(endpoints: readonly Endpoint[], question: Question): Promise<unknown> {
  const total = endpoints.length
  const awake = endpoints.filter(({ isResting }) => !isResting)
  const enough = total <= 2 ? 1 : needed(total, total)
  if (awake.length < enough || awake.length === total) return askThose(endpoints, total, question)
  try {
    return await askThose(awake, total, question)
  } catch (error) {
    if (!(error instanceof EndpointsDisagree)) throw error
    return askThose(endpoints, total, question)
  }
}

function askThose(asked: readonly Endpoint[], total: number, question: Question): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const answers: EndpointAnswer[] = []
    let failure: unknown
    let refusal: unknown
    let left = asked.length
    let grace: NodeJS.Timeout | undefined
    let isDecided = false
    const end = (settle: () => void): void => {
      isDecided = true
      clearTimeout(grace)
      settle()
    }
    const decide = (isLast: boolean): void => {
      if (isDecided) return
      const need = needed(total, isLast ? answers.length : asked.length)
      if (answers.length >= need) {
        const found = agree(question, answers, need)
        if (found !== undefined && (isLast || !isRanked(question))) {
          const { error } = found
          end(() =>
            error === undefined ? resolve(found.result) : reject(rpcError(asked[0]!, question, found)),
          )
          return
        }
      }
      if (isLast) {
        if (answers.length >= need)
          end(() => reject(new EndpointsDisagree(question.method, answers.length, need)))
        else if (left === 0) end(() => reject((refusal ?? failure) as Error))
        return
      }
      if (total === 2 && answers.length > 0) grace ??= setTimeout(() => decide(true), RPC_SECOND_MS)
      if (total > 2 && answers.length >= need && isRanked(question))
        grace ??= setTimeout(() => decide(true), RPC_GRACE_MS)
    }
    for (const endpoint of asked)
      void endpoint
        .ask(question)
        .then(
          (answer) => {
            if (answer.error === undefined || answer.error.code === REVERTED) answers.push(answer)
            else refusal ??= rpcError(endpoint, question, answer)
          },
          (error: unknown) => {
            failure ??= error
          },
        )
        .then(() => decide(--left === 0))
  })
}

function isRanked({ method, params }: Question): boolean {
  if (method === 'eth_blockNumber' || method === 'eth_getTransactionCount') return true
  return method === 'eth_getBlockByNumber' && BLOCK_TAGS.has((params as unknown[])[0])
}

/** What `need` of the answers agree on; undefined while they do not. */
function agree(
  question: Question,
  answers: readonly EndpointAnswer[],
  need: number,
): EndpointAnswer | undefined {
  if (isRanked(question)) {
    const height = ({ result }: EndpointAnswer): bigint =>
      BigInt(typeof result === 'string' ? result : ((result as { number?: string } | null)?.number ?? 0))
    return [...answers].sort((a, b) => Number(height(b) - height(a)))[need - 1]
  }
  const groups = new Map<string, EndpointAnswer[]>()
  for (const answer of answers) {
    const key = meaning(question.method, answer)
    groups.set(key, [...(groups.get(key) ?? []), answer])
  }
  const group = [...groups.values()].find(({ length }) => length >= need)
  if (group === undefined || question.method !== 'eth_estimateGas' || group[0]!.error !== undefined)
    return group?.[0]
  const gas = ({ result }: EndpointAnswer): bigint => BigInt(result as string)
  return group.reduce((most, answer) => (gas(answer) > gas(most) ? answer : most))
}

type Fields = Readonly<Record<string, unknown>>

/** Fields in which two honest endpoints cannot differ; nodes add others of their own. */
const meaningful: Readonly<Record<string, readonly string[]>> = {
  eth_getTransactionReceipt: ['transactionHash', 'blockHash', 'blockNumber', 'status'],
  eth_getTransactionByHash: ['hash', 'blockHash', 'to', 'input'],
  eth_getBlockByNumber: ['hash', 'number', 'timestamp', 'baseFeePerGas'],
  eth_getBlockByHash: ['hash', 'number', 'timestamp', 'baseFeePerGas'],
  eth_getLogs: ['address', 'topics', 'data', 'blockHash', 'blockNumber', 'logIndex', 'transactionHash'],
}

/** Equal for answers that say the same. */
function meaning(method: string, { result, error }: EndpointAnswer): string {
  if (error !== undefined) return `revert ${String(error.data ?? '')}`
  if (method === 'eth_estimateGas') return 'gas'
  const fields = meaningful[method]
  const pick = (value: unknown): unknown =>
    fields === undefined || value === null ? value : fields.map((field) => (value as Fields)[field] ?? null)
  const said = Array.isArray(result) ? result.map(pick) : pick(result)
  return JSON.stringify(said).toLowerCase()
}
