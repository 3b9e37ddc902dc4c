/**
 * A JSON-RPC proxy in front of a chain that fails and lies on demand: what tests of posting and of the chain
 * watcher ask instead of the chain itself.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Faults of an endpoint that does not answer. */
export const failures = [
  'rate limit',
  'rpc rate limit',
  'server error',
  'hang',
  'refused',
  'truncated',
  'garbage',
  'no result',
] as const
/** Faults of one that answers what is not so. */
export const lies = [
  'behind',
  'wrong chain',
  'forged receipt',
  'no receipt',
  'high nonce',
  'forged state',
  'old block',
  'no logs',
  'some logs',
  'forged logs',
  'forged revert',
] as const
/** `pruned`: logs of blocks before the proxy's `prunedBefore` are refused, as endpoints do that keep recent ones only. */
/** `few blocks`: logs of more blocks than `FEW_BLOCKS` are refused, as endpoints do. */
export type Fault = (typeof failures)[number] | (typeof lies)[number] | 'few blocks' | 'pruned'

export const FEW_BLOCKS = 5n

interface Question {
  readonly id: number
  readonly method: string
  /** Left out by clients where a method takes none. */
  readonly params: unknown[]
}

/** Blocks that an endpoint which is behind does not know. */
const BEHIND_BLOCKS = 3n
const HASH = `0x${'fa'.repeat(32)}`
const TAGS = new Set<unknown>(['latest', 'pending'])

export class FaultyRpc {
  asked = 0
  prunedBefore = 0n
  private constructor(
    private readonly target: string,
    private readonly server: Server,
    private readonly decide: (method: string, nth: number) => Fault | undefined,
  ) {}

  /** Serves `target` at a free port; `decide` says what happens to the n-th question. */
  static async start(
    target: string,
    decide: (method: string, nth: number) => Fault | undefined,
  ): Promise<FaultyRpc> {
    const server = createServer((request, response) => void proxy.answer(request, response))
    const proxy = new FaultyRpc(target, server, decide)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private async ask(
    method: string,
    params: readonly unknown[],
  ): Promise<{ result?: unknown; error?: unknown }> {
    const response = await fetch(this.target, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    return (await response.json()) as { result?: unknown; error?: unknown }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString()
    const question: Question = { params: [], ...(JSON.parse(body) as Omit<Question, 'params'>) }
    const fault = this.decide(question.method, this.asked++)
    const reply = (answer: object, status = 200, headers = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(JSON.stringify({ jsonrpc: '2.0', id: question.id, ...answer }))
    }
    switch (fault) {
      case 'rate limit':
        return reply({ error: { code: 429, message: 'slow down' } }, 429, { 'retry-after': '1' })
      case 'rpc rate limit':
        return reply({ error: { code: -32005, message: 'limit exceeded' } })
      case 'server error':
        return void response.writeHead(500).end('oops')
      case 'hang':
        return
      case 'refused':
        return void request.socket.destroy()
      case 'truncated':
        return void response
          .writeHead(200, { 'content-type': 'application/json' })
          .end('{"jsonrpc":"2.0","res')
      case 'garbage':
        return reply({ result: { surprise: ['<html>'] } })
      case 'no result':
        return reply({})
      default:
        try {
          reply(await this.lie(fault, question))
        } catch {
          request.socket.destroy()
        }
    }
  }

  /** What an endpoint with that fault answers; the truth where the fault does not touch it. */
  private async lie(fault: Fault | undefined, { method, params }: Question): Promise<object> {
    const truth = (): Promise<object> => this.ask(method, params)
    switch (fault) {
      case 'behind':
        return this.behind(method, params)
      case 'wrong chain':
        return method === 'eth_chainId' ? { result: '0x5' } : truth()
      case 'forged receipt': {
        const answer = await this.ask(method, params)
        if (method !== 'eth_getTransactionReceipt' || answer.result !== null) return answer
        return { result: forgedReceipt(String(params[0])) }
      }
      case 'no receipt':
        return method === 'eth_getTransactionReceipt' ? { result: null } : truth()
      case 'high nonce':
        return method === 'eth_getTransactionCount' ? { result: '0x3e8' } : truth()
      case 'forged state':
        // 99 for a count, a root, a state, a hash.
        return method === 'eth_call' ? { result: `0x${'0'.repeat(62)}63` } : truth()
      case 'old block': {
        // The right height, beside the time and the hash of the deployment's first days, and a fee that nobody can pay.
        if (method !== 'eth_getBlockByNumber' || !TAGS.has(params[0])) return truth()
        const old = (await this.ask(method, ['0x1', false])).result as object
        const { number } = (await this.ask(method, params)).result as { number: string }
        return { result: { ...old, number, baseFeePerGas: '0x38d7ea4c68000' } }
      }
      case 'no logs':
        return method === 'eth_getLogs' ? { result: [] } : truth()
      case 'some logs':
        // Every second one, of the fee account's registration none.
        return method === 'eth_getLogs'
          ? {
              result: ((await this.ask(method, params)).result as unknown[]).filter(
                (_log, at) => at % 2 === 1,
              ),
            }
          : truth()
      case 'few blocks': {
        const { fromBlock, toBlock } = (params[0] ?? {}) as { fromBlock?: string; toBlock?: string }
        if (method !== 'eth_getLogs' || BigInt(toBlock!) - BigInt(fromBlock!) < FEW_BLOCKS) return truth()
        return { error: { code: -32005, message: 'query returned more than 10000 results' } }
      }
      case 'pruned': {
        const { fromBlock } = (params[0] ?? {}) as { fromBlock?: string }
        if (method !== 'eth_getLogs' || BigInt(fromBlock!) >= this.prunedBefore) return truth()
        return { error: { code: 4444, message: 'pruned history unavailable' } }
      }
      case 'forged logs':
        return method === 'eth_getLogs'
          ? { result: forgedLogs((await this.ask(method, params)).result) }
          : truth()
      case 'forged revert':
        return method === 'eth_estimateGas'
          ? { error: { code: 3, message: 'execution reverted', data: '0x' } }
          : truth()
      default:
        return truth()
    }
  }

  private async behind(method: string, params: readonly unknown[]): Promise<object> {
    const head = BigInt((await this.ask('eth_blockNumber', [])).result as string)
    const known = head > BEHIND_BLOCKS ? head - BEHIND_BLOCKS : 0n
    const block = `0x${known.toString(16)}`
    if (method === 'eth_blockNumber') return { result: block }
    if (method === 'eth_getTransactionReceipt') {
      const answer = await this.ask(method, params)
      const place = (answer.result as { blockNumber: string } | null)?.blockNumber ?? '0x0'
      return BigInt(place) > known ? { result: null } : answer
    }
    return this.ask(
      method,
      params.map((param) => (TAGS.has(param) ? block : param)),
    )
  }
}

function forgedReceipt(hash: string): object {
  return {
    transactionHash: hash,
    blockHash: HASH,
    blockNumber: '0x1',
    transactionIndex: '0x0',
    status: '0x1',
    gasUsed: '0x5208',
    cumulativeGasUsed: '0x5208',
    effectiveGasPrice: '0x1',
    from: `0x${'00'.repeat(20)}`,
    to: null,
    contractAddress: null,
    logs: [],
    logsBloom: `0x${'00'.repeat(256)}`,
    type: '0x2',
  }
}

/** Every number in the logs' data is one more than it is. */
function forgedLogs(result: unknown): unknown {
  return (result as { data: string }[]).map((log) => ({
    ...log,
    data: log.data.replace(/[0-9a-f]{64}/g, (word) =>
      (BigInt(`0x${word}`) + 1n).toString(16).padStart(64, '0'),
    ),
  }))
}
