/**
 * One JSON-RPC transport over several endpoints that may fail, lag or lie. Used by chain.ts.
 *
 * What is believed: with one URL, what it says; with two, what both say (or, for who must go on, the one that
 * answers); with three or more, what more than half of them say. Heights are not equal everywhere at one moment: of them the highest counts
 * that so many endpoints have reached, and what is asked of the newest block is asked of the one of that height. What an
 * endpoint says of the logs of blocks that it does not have yet does not count.
 *
 * Invariant: an endpoint that failed is asked again only after a pause, which grows with every failure and is
 * never shorter than its Retry-After. A transaction is sent to every endpoint.
 */
import { setMaxListeners } from 'node:events'
import {
  BaseError,
  HttpRequestError,
  RpcRequestError,
  TimeoutError,
  createTransport,
  http,
  type Transport,
} from 'viem'
import { REVERTED } from '../../contracts/call-endings.js'
import {
  RPC_APART_BLOCKS_MAX,
  RPC_GRACE_MS,
  RPC_RETRIES,
  RPC_RETRY_MS,
  RPC_SECOND_MS,
  RPC_TIMEOUT_MS,
} from '../limits.js'
import { agree, heightIn, heightQuestion, isRanked, pinned, tagOf, type Question } from './rpc-agreement.js'
import { Endpoint, type EndpointAnswer } from './rpc-endpoint.js'

/** Endpoints contradict each other: nothing is believed, the question is asked again later. */
export class EndpointsDisagree extends BaseError {
  override readonly name = 'EndpointsDisagree'
  constructor(method: string, count: number, needed: number) {
    super(`${method}: ${count} endpoints answered, and no ${needed} of them agree`)
  }
}

/** Too few endpoints answered for anything to be believed. */
export class EndpointsSilent extends BaseError {
  override readonly name = 'EndpointsSilent'
  constructor(
    method: string,
    readonly answered: number,
    readonly needed: number,
    /** Those that did not answer, and why. */
    readonly silent: readonly { readonly url: string; readonly why: string }[],
    cause: Error,
  ) {
    const who = silent.map(({ url, why }) => `${url} did not (${why})`).join(', ')
    super(`${method}: ${answered} endpoints answered, and ${needed} must: ${who}`, { cause })
  }
}

export interface RpcOptions {
  /** Bound of one answer, milliseconds; 10,000 unless given. */
  readonly timeoutMs?: number
  /** An endpoint that serves another chain is not asked. */
  readonly chainId?: number
  /** An endpoint did not answer, or answered what is none. */
  readonly onFailure?: (url: string, text: string) => void
  /**
   * Of two endpoints one is believed alone while the other does not answer, and told whenever that begins, with the URL of
   * the silent one: for whoever must go on. Absent = both must answer.
   */
  readonly onAlone?: (silentUrl: string) => void
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

/** A transport that asks `urls` and believes what they agree on. Throws RangeError without a URL. */
export function agreeing(urls: readonly string[], options: RpcOptions = {}): Transport {
  if (urls.length === 0) throw new RangeError('rpc: no URL')
  const { timeoutMs = RPC_TIMEOUT_MS, chainId, onFailure, onAlone, signal } = options
  // One listener a question that waits, and many may: that is no leak.
  if (signal !== undefined) setMaxListeners(0, signal)
  return () => {
    const endpoints = urls.map((url) => {
      const { request } = http(url, { timeout: timeoutMs, retryCount: 0, raw: true })({})
      return new Endpoint(url, request, chainId, onFailure)
    })
    const group: Group = { endpoints, timeoutMs, onAlone, isAlone: false }
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
            : () => ask(group, question),
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

/** Endpoints that are asked together. */
interface Group {
  readonly endpoints: readonly Endpoint[]
  readonly timeoutMs: number
  readonly onAlone: ((silentUrl: string) => void) | undefined
  /** One of two was believed alone the last time, and that was told. */
  isAlone: boolean
}

/** How many of `total` must agree. */
const needed = (total: number): number => Math.floor(total / 2) + 1

/**
 * Asks, and resolves with what enough agree on. A tag means another block to each of several endpoints: they agree on
 * its height first, then on what is asked of the block of that height.
 */
async function ask(group: Group, question: Question): Promise<unknown> {
  const { endpoints } = group
  if (endpoints.length === 1) {
    const answer = await endpoints[0]!.ask(question)
    if (isAnswered(answer)) return answer.result
    throw rpcError(endpoints[0]!, question, answer)
  }
  const tag = tagOf(question)
  if (tag === undefined) return (await askAwake(group, question)).result
  const said: EndpointAnswer[] = []
  const height = heightIn(await askAwake(group, heightQuestion(tag), said))
  if (height === undefined) return null
  // A height that half of them and a liar have reached is agreed on, and no more than half have the block: then a
  // lower one that an endpoint is at serves, if it is near.
  const lower = said.map(heightIn).filter((each) => each !== undefined && each < height) as bigint[]
  const near = lower.filter((each) => height - each <= BigInt(RPC_APART_BLOCKS_MAX))
  let failure: unknown
  for (const each of [height, ...near.sort((a, b) => Number(b - a))]) {
    try {
      const { result } = await askAwake(group, pinned(question, each))
      if (result !== null) return result
      failure ??= new EndpointsDisagree(question.method, endpoints.length, needed(endpoints.length))
    } catch (error) {
      if (!(error instanceof EndpointsDisagree || isRefused(error))) throw error
      failure ??= error
    }
  }
  throw failure
}

/** Whether an endpoint refused a question, and not the contract. */
const isRefused = (error: unknown): boolean => error instanceof RpcRequestError && error.code !== REVERTED

/** Asks those that do not rest, all where that is not enough. `said` gets their answers. */
async function askAwake(
  group: Group,
  question: Question,
  said: EndpointAnswer[] = [],
): Promise<EndpointAnswer> {
  const { endpoints } = group
  const total = endpoints.length
  const awake = endpoints.filter(({ isResting }) => !isResting)
  const enough = mayBeAlone(group) ? 1 : needed(total)
  if (awake.length < enough || awake.length === total) return askThose(endpoints, group, question, said)
  try {
    return await askThose(awake, group, question, said)
  } catch (error) {
    if (!(error instanceof EndpointsDisagree)) throw error
    return askThose(endpoints, group, question, said)
  }
}

const mayBeAlone = ({ endpoints, onAlone }: Group): boolean => endpoints.length === 2 && onAlone !== undefined

function askThose(
  asked: readonly Endpoint[],
  group: Group,
  question: Question,
  said: EndpointAnswer[],
): Promise<EndpointAnswer> {
  const total = group.endpoints.length
  return new Promise((resolve, reject) => {
    const answers: EndpointAnswer[] = []
    const answered = new Set<Endpoint>()
    const silent: { url: string; why: string }[] = []
    let failure: unknown
    let refusal: unknown
    let left = asked.length
    let grace: NodeJS.Timeout | undefined
    let isGraceOver = false
    let isDecided = false
    const end = (settle: () => void): void => {
      isDecided = true
      clearTimeout(grace)
      settle()
    }
    const wait = (milliseconds: number): void => {
      grace ??= setTimeout(() => {
        isGraceOver = true
        decide()
      }, milliseconds)
    }
    const decide = (): void => {
      if (isDecided) return
      const isLast = left === 0
      // Of two the one that answers does, once the other has had its time.
      const isAlone = mayBeAlone(group) && answers.length === 1 && (isLast || isGraceOver)
      const need = isAlone ? 1 : needed(total)
      if (answers.length >= need && (isLast || isGraceOver || !isRanked(question))) {
        const found = agree(question, answers, need, total)
        if (found !== undefined) {
          noteAlone(group, isAlone, answered)
          return end(() =>
            found.error === undefined ? resolve(found) : reject(rpcError(asked[0]!, question, found)),
          )
        }
      }
      if (isLast) {
        if (answers.length >= need)
          end(() => reject(new EndpointsDisagree(question.method, answers.length, need)))
        else {
          const silence = (): Error =>
            new EndpointsSilent(question.method, answers.length, need, silent, failure as Error)
          end(() => reject((refusal as Error | undefined) ?? silence()))
        }
        return
      }
      if (mayBeAlone(group) && answers.length > 0) wait(RPC_SECOND_MS)
      else if (answers.length >= need) wait(RPC_GRACE_MS)
    }
    for (const endpoint of asked)
      void endpoint
        .ask(question)
        .then(
          (answer) => {
            if (answer.error === undefined || answer.error.code === REVERTED) {
              answers.push(answer)
              answered.add(endpoint)
              said.push(answer)
            } else refusal ??= rpcError(endpoint, question, answer)
          },
          (error: unknown) => {
            failure ??= error
            silent.push({ url: endpoint.url, why: whyOf(error, group.timeoutMs) })
          },
        )
        .then(() => {
          left--
          decide()
        })
  })
}

/** Tells when it begins that one of two is believed alone. */
function noteAlone(group: Group, isAlone: boolean, answered: ReadonlySet<Endpoint>): void {
  const isNew = isAlone && !group.isAlone
  group.isAlone = isAlone
  if (isNew) group.onAlone?.(group.endpoints.find((each) => !answered.has(each))!.url)
}

function whyOf(error: unknown, timeoutMs: number): string {
  if (error instanceof TimeoutError) return `no answer in ${timeoutMs} ms`
  if (error instanceof HttpRequestError)
    return error.status === undefined ? error.details : `HTTP status ${error.status}`
  return error instanceof BaseError ? error.shortMessage : String(error)
}
