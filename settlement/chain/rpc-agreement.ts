/**
 * What the answers of several endpoints agree on. Used by rpc.ts.
 *
 * Invariant: every field that is handed on was compared, or lies between what two honest endpoints say. What an
 * endpoint tells beside that is dropped: nobody has vouched for it.
 *
 * Answers that two honest endpoints give alike are compared. A few are numbers that differ between honest ones (the
 * newest height, the time of a block that is not there yet, a price): of them the highest counts that enough have
 * reached. Where none is spared (one has not answered, or there are two only) a single low word would count then: how
 * far they may lie apart is bounded.
 */
import { GAS_EXTRA, GAS_MARGIN_PERCENT, RPC_APART_BLOCKS_MAX } from '../limits.js'
import type { EndpointAnswer } from './rpc-endpoint.js'

export interface Question {
  readonly method: string
  readonly params?: unknown
}

type Fields = Readonly<Record<string, unknown>>

/** Tags of a block that every endpoint has in its own time. What is pending is no block yet. */
const BLOCK_TAGS = new Set<unknown>(['latest', 'safe', 'finalized'])
const PENDING = 'pending'

/** Place of the block among the parameters of methods that read the state of one. */
const blockAt: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_feeHistory: 1,
  eth_getBlockByNumber: 0,
}

const paramsOf = ({ params }: Question): readonly unknown[] => (params ?? []) as readonly unknown[]
const blockOf = (question: Question): unknown => paramsOf(question)[blockAt[question.method] ?? -1]

/** The tag whose height must be agreed on before a question means the same to all; undefined where there is none. */
export function tagOf(question: Question): string | undefined {
  const { method } = question
  if (method === 'eth_getLogs') {
    const { fromBlock, toBlock, blockHash } = (paramsOf(question)[0] ?? {}) as Fields
    if (blockHash !== undefined) return undefined
    return [toBlock ?? 'latest', fromBlock ?? 'latest'].find((block) => BLOCK_TAGS.has(block)) as
      string | undefined
  }
  if (blockAt[method] === undefined) return undefined
  const block = blockOf(question) ?? 'latest'
  return BLOCK_TAGS.has(block) ? (block as string) : undefined
}

/** The question about the block of that height instead of the tag's. */
export function pinned(question: Question, height: bigint): Question {
  const block = `0x${height.toString(16)}`
  const params = [...paramsOf(question)]
  if (question.method !== 'eth_getLogs') params[blockAt[question.method]!] = block
  else {
    const { fromBlock = 'latest', toBlock = 'latest', ...rest } = params[0] as Fields
    const pin = (one: unknown): unknown => (BLOCK_TAGS.has(one) ? block : one)
    params[0] = { ...rest, fromBlock: pin(fromBlock), toBlock: pin(toBlock) }
  }
  return { ...question, params }
}

/** The question that tells a tag's height. */
export const heightQuestion = (tag: string): Question =>
  tag === 'latest' ? { method: 'eth_blockNumber' } : { method: 'eth_getBlockByNumber', params: [tag, false] }

/** Height that an answer to a height question tells; undefined where there is no such block. */
export function heightIn({ result }: EndpointAnswer): bigint | undefined {
  const height = typeof result === 'string' ? result : (result as { number?: string } | null)?.number
  return height === undefined ? undefined : BigInt(height)
}

interface Rank {
  /** NONE where an answer tells none. */
  readonly number: (answer: EndpointAnswer) => bigint
  /** How far above the one that counts the highest may be, where none is spared; absent = any. */
  readonly apart?: (number: bigint) => bigint
  /** What is handed on of the number that counts, when `highest` is the highest within bounds. */
  readonly result?: (number: bigint, highest: bigint) => unknown
}

const NONE = -1n
const hex = (number: bigint): string => `0x${number.toString(16)}`
const plain: Rank = { number: ({ result }) => BigInt(result as string) }
const height: Rank = {
  number: (answer) => heightIn(answer) ?? NONE,
  apart: () => BigInt(RPC_APART_BLOCKS_MAX),
}
const gas: Rank = {
  ...plain,
  // What a transaction gets beside its estimate clears it.
  apart: (units) => (units * (GAS_MARGIN_PERCENT - 100n)) / 100n + GAS_EXTRA,
  result: (_units, highest) => hex(highest),
}
const pendingBlock: Rank = {
  number: ({ result }) => (result === null ? NONE : BigInt((result as { timestamp: string }).timestamp)),
  result: (timestamp) =>
    timestamp === NONE ? null : { number: null, hash: null, timestamp: hex(timestamp) },
}

/** How answers to a question are ranked; undefined where they are compared. */
function rankOf(question: Question): Rank | undefined {
  switch (question.method) {
    case 'eth_blockNumber':
      return height
    case 'eth_gasPrice':
    case 'eth_maxPriorityFeePerGas':
      return plain
    case 'eth_estimateGas':
      return gas
    case 'eth_getTransactionCount':
      return blockOf(question) === PENDING ? plain : undefined
    case 'eth_getBlockByNumber': {
      const block = blockOf(question)
      if (block === PENDING) return pendingBlock
      // Only its height is asked for here: the block is asked for by that afterwards.
      return BLOCK_TAGS.has(block)
        ? { ...height, result: (number) => (number === NONE ? null : { number: hex(number) }) }
        : undefined
    }
    default:
      return undefined
  }
}

/** Whether more answers may tell better, also when enough have come. */
export const isRanked = (question: Question): boolean => rankOf(question) !== undefined

/** What `need` of the answers of `total` endpoints agree on; undefined while they do not. */
export function agree(
  question: Question,
  answers: readonly EndpointAnswer[],
  need: number,
  total: number,
): EndpointAnswer | undefined {
  const rank = rankOf(question)
  const groups = new Map<string, EndpointAnswer[]>()
  for (const answer of answers) {
    const key =
      answer.error !== undefined
        ? `revert ${String(answer.error.data ?? '')}`
        : rank === undefined
          ? JSON.stringify(compared(question.method, answer.result)).toLowerCase()
          : 'number'
    groups.set(key, [...(groups.get(key) ?? []), answer])
  }
  const group = [...groups.values()].find(({ length }) => length >= need)
  if (group === undefined || group[0]!.error !== undefined) return group?.[0]
  if (rank === undefined) return { result: compared(question.method, group[0]!.result) }
  const numbers = group.map(rank.number).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))
  const [number, top] = [numbers[need - 1]!, numbers[0]!]
  const isSpared = total > 2 && numbers.length === total
  const bound = rank.apart === undefined ? undefined : number + rank.apart(number)
  if (!isSpared && total > 1 && bound !== undefined && top > bound) return undefined
  const highest = bound === undefined || top <= bound ? top : number
  return { result: rank.result === undefined ? hex(number) : rank.result(number, highest) }
}

/** Fields in which two honest endpoints cannot differ, and all that is used of such an answer. */
const vouched: Readonly<Record<string, readonly string[]>> = {
  eth_getTransactionReceipt: ['transactionHash', 'blockHash', 'blockNumber', 'status'],
  eth_getTransactionByHash: ['hash', 'blockHash', 'blockNumber', 'from', 'nonce', 'to', 'input'],
  eth_getBlockByNumber: ['hash', 'number', 'timestamp', 'baseFeePerGas', 'transactions'],
  eth_getBlockByHash: ['hash', 'number', 'timestamp', 'baseFeePerGas', 'transactions'],
  eth_getLogs: ['address', 'topics', 'data', 'blockHash', 'blockNumber', 'logIndex', 'transactionHash'],
}

/** What of a result is compared, and handed on. */
function compared(method: string, result: unknown): unknown {
  const fields = vouched[method]
  if (fields === undefined) return result
  return Array.isArray(result) ? result.map((each) => picked(fields, each)) : picked(fields, result)
}

function picked(fields: readonly string[], value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  const found: Record<string, unknown> = {}
  for (const field of fields) {
    const held = (value as Fields)[field] ?? null
    found[field] =
      field === 'transactions' && Array.isArray(held)
        ? held.map((each) => picked(vouched.eth_getTransactionByHash!, each))
        : held
  }
  return found
}
