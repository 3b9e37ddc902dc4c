/** What is believed of several endpoints, and how one that fails is left alone. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BaseError, createPublicClient, erc20Abi, http, keccak256, type Hex } from 'viem'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { chainClient, chainErrorText, nextBlockTime } from './chain.js'
import { RPC_SECOND_MS } from '../limits.js'
import { EndpointsDisagree, EndpointsSilent, RpcAborted } from './rpc.js'

type Script = (method: string, params: readonly unknown[]) => Reply

interface Reply {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly result?: unknown
  readonly error?: { code: number; message: string; data?: string }
}

/** An endpoint that answers what it is told to, and notes what it was asked. */
class Scripted {
  readonly asked: { method: string; atMs: number }[] = []
  private constructor(
    private readonly server: Server,
    public reply: Script,
  ) {}

  static async start(reply: Script): Promise<Scripted> {
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const {
          id,
          method,
          params = [],
        } = JSON.parse(body) as {
          id: number
          method: string
          params?: unknown[]
        }
        scripted.asked.push({ method, atMs: performance.now() })
        const { status = 200, headers = {}, result, error } = scripted.reply(method, params)
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end(
          JSON.stringify({ jsonrpc: '2.0', id, ...(error === undefined ? { result } : { error }) }),
        )
      })
    })
    const scripted = new Scripted(server, reply)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return scripted
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.server.closeAllConnections()
    this.server.close()
  }
}

const ADDRESS = `0x${'aa'.repeat(20)}` as const
const down = (): Reply => ({ status: 503 })
const height = (blocks: number) => (): Reply => ({ result: `0x${blocks.toString(16)}` })
const code = (bytes: string) => (): Reply => ({ result: bytes })

describe('several endpoints', () => {
  const running: Scripted[] = []
  const slow: Server[] = []
  afterEach(() => {
    running.splice(0).forEach((one) => one.stop())
    for (const server of slow.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })
  /** URL of an endpoint that answers what the one at `url` does, so much later. */
  const slowed = async (url: string, milliseconds: number): Promise<string> => {
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        setTimeout(() => {
          void fetch(url, { method: 'POST', body })
            .then((answer) => answer.text())
            .then((text) => response.writeHead(200, { 'content-type': 'application/json' }).end(text))
            .catch(() => response.destroy())
        }, milliseconds).unref()
      })
    })
    slow.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const start = async (...replies: Script[]): Promise<Scripted[]> => {
    for (const reply of replies) running.push(await Scripted.start(reply))
    return running
  }
  const client = (options = {}) =>
    chainClient(
      running.map(({ url }) => url),
      { timeoutMs: 2000, ...options },
    )
  const codeOf = () => client().getCode({ address: ADDRESS })

  test('no URL is none', () => {
    expect(() => chainClient([])).toThrow(RangeError)
  })

  test('an answer counts when more than half say it, and of two both', async () => {
    await start(code('0x01'), code('0x02'), code('0x02'))
    expect(await codeOf()).toBe('0x02')
    running[2]!.reply = code('0x03')
    await expect(codeOf()).rejects.toBeInstanceOf(EndpointsDisagree)
    // One alone is not more than half of three.
    running[1]!.reply = down
    running[2]!.reply = down
    await expect(codeOf()).rejects.toThrow(BaseError)
    running.pop()!.stop()
    running[1]!.reply = code('0x02')
    await expect(codeOf()).rejects.toBeInstanceOf(EndpointsDisagree)
    running[1]!.reply = code('0x01')
    expect(await codeOf()).toBe('0x01')
  })

  test('of two, one that answers is not believed alone: who did not answer, and why, is named', async () => {
    await start(code('0x01'), down)
    const silent: unknown = await codeOf().catch((error: unknown) => error)
    const found = (silent as BaseError).walk((cause) => cause instanceof EndpointsSilent)
    expect(found).toMatchObject({
      answered: 1,
      needed: 2,
      silent: [{ url: running[1]!.url, why: 'HTTP status 503' }],
    })
    expect(chainErrorText(silent)).toBe(
      `network: eth_blockNumber: 1 endpoints answered, and 2 must: ${running[1]!.url} did not (HTTP status 503)`,
    )
    // However late the second one is, inside the bound of an answer.
    const late = chainClient([running[0]!.url, await slowed(running[0]!.url, RPC_SECOND_MS + 300)])
    running[0]!.reply = (method) => code(method === 'eth_blockNumber' ? '0x1' : '0x02')()
    expect(await late.getCode({ address: ADDRESS })).toBe('0x02')
    const never = chainClient([running[0]!.url, await slowed(running[0]!.url, 60_000)], { timeoutMs: 300 })
    const text = chainErrorText(await never.getChainId().catch((error: unknown) => error))
    expect(text).toMatch(/1 endpoints answered, and 2 must: http:\S+ did not \(no answer in 300 ms\)$/)
  })

  test('who must go on believes one of two alone, and is told once', async () => {
    await start(code('0x01'), down)
    const told: string[] = []
    const asking = client({ onAlone: (url: string) => void told.push(url) })
    for (let question = 0; question < 3; question++)
      expect(await asking.getCode({ address: ADDRESS })).toBe('0x01')
    expect(told).toEqual([running[1]!.url])
    // Both answer again, then one does not again.
    running[1]!.reply = code('0x01')
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(await asking.getCode({ address: ADDRESS })).toBe('0x01')
    running[0]!.reply = down
    expect(await asking.getCode({ address: ADDRESS })).toBe('0x01')
    expect(told).toEqual([running[1]!.url, running[0]!.url])
    running[0]!.reply = code('0x02')
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await expect(asking.getCode({ address: ADDRESS })).rejects.toBeInstanceOf(EndpointsDisagree)
  })

  test('two of four are no more than half', async () => {
    await start(code('0x01'), code('0x01'), code('0x02'), code('0x02'))
    await expect(codeOf()).rejects.toBeInstanceOf(EndpointsDisagree)
    running[3]!.reply = code('0x01')
    expect(await codeOf()).toBe('0x01')
    // Also when the other two say nothing.
    running[2]!.reply = down
    running[3]!.reply = down
    await expect(codeOf()).rejects.toThrow(BaseError)
  })

  test('of four heights the highest counts that three have reached', async () => {
    await start(height(90), height(100), height(100), height(5000))
    expect(await client().getBlockNumber({ cacheTime: 0 })).toBe(100n)
    running[2]!.reply = height(5000)
    running[0]!.reply = height(5000)
    expect(await client().getBlockNumber({ cacheTime: 0 })).toBe(5000n)
    // Two have reached more, and are no more than half.
    running[0]!.reply = height(95)
    expect(await client().getBlockNumber({ cacheTime: 0 })).toBe(100n)
  })

  test('of heights the highest counts that more than half have reached', async () => {
    await start(height(90), height(100), height(5000))
    expect(await client().getBlockNumber({ cacheTime: 0 })).toBe(100n)
    expect(await client().getTransactionCount({ address: ADDRESS, blockTag: 'pending' })).toBe(100)
    // What is no number is no height.
    running[0]!.reply = () => ({ result: '0x' })
    running[2]!.reply = height(101)
    expect(await client().getBlockNumber({ cacheTime: 0 })).toBe(100n)
  })

  test('heights too far apart count only where one of them is outvoted', async () => {
    await start(height(84), height(100), down)
    const heightOf = () => client().getBlockNumber({ cacheTime: 0 })
    expect(await heightOf()).toBe(84n)
    running[0]!.reply = height(83)
    await expect(heightOf()).rejects.toBeInstanceOf(EndpointsDisagree)
    running[2]!.reply = height(100)
    expect(await heightOf()).toBe(100n)
    // Of two neither is.
    running.pop()!.stop()
    await expect(heightOf()).rejects.toBeInstanceOf(EndpointsDisagree)
  })

  /** A chain of blocks of one second, as an endpoint at `head` tells it; `lie` changes what it says. */
  const chain =
    (head: number, lie: (method: string, params: readonly unknown[]) => unknown = () => undefined): Script =>
    (method, params) => {
      const told = lie(method, params)
      if (told !== undefined) return { result: told }
      const hex = (number: number) => `0x${number.toString(16)}`
      const known = (block: unknown) => (block === 'latest' ? head : Number(block))
      switch (method) {
        case 'eth_blockNumber':
          return { result: hex(head) }
        case 'eth_getBlockByNumber': {
          if (params[0] === 'pending') return { result: { timestamp: hex(head + 1) } }
          const number = known(params[0])
          return { result: number > head ? null : blockOf(number) }
        }
        default: {
          // What is asked of a block's state is its number.
          const number = known(params[1])
          return number > head
            ? { error: { code: -32000, message: 'header not found' } }
            : { result: hex(number) }
        }
      }
    }
  const blockOf = (number: number, change = {}) => ({
    number: `0x${number.toString(16)}`,
    hash: `0x${number.toString(16).padStart(64, '0')}`,
    timestamp: `0x${number.toString(16)}`,
    baseFeePerGas: '0x7',
    transactions: [],
    ...change,
  })
  const isNewest = (params: readonly unknown[], head: number): boolean =>
    params[0] === 'latest' || Number(params[0]) === head

  test.each([0, 1, 2])(
    'an outvoted endpoint decides nothing of the newest block, at place %i',
    async (at) => {
      // It is at the height that counts, and comes first, second or last.
      const lies = [
        { timestamp: '0x1' },
        { hash: `0x${'ab'.repeat(32)}` },
        { baseFeePerGas: '0x38d7ea4c68000' },
      ]
      const scripts: Script[] = [chain(100), chain(100), chain(100)]
      await start(...scripts)
      for (const lie of lies)
        for (const below of [false, true]) {
          scripts.forEach((script, place) => (running[place]!.reply = script))
          // The honest ones are level, or one of them is a block behind.
          if (below) running[(at + 1) % 3]!.reply = chain(99)
          running[at]!.reply = chain(100, (method, params) =>
            method === 'eth_getBlockByNumber' && isNewest(params, 100) ? blockOf(100, lie) : undefined,
          )
          const block = await client().getBlock()
          expect(block).toMatchObject({ baseFeePerGas: 7n, timestamp: block.number })
          expect(block.number).toBe(below ? 99n : 100n)
          expect(BigInt(block.hash)).toBe(block.number)
        }
    },
  )

  test('what is asked of the newest block is asked of the one of the agreed height', async () => {
    await start(chain(100), chain(103), chain(101))
    expect(await client().getTransactionCount({ address: ADDRESS })).toBe(101)
    expect(await client().getBalance({ address: ADDRESS })).toBe(101n)
    expect(await client().getCode({ address: ADDRESS })).toBe('0x65')
    expect((await client().call({ to: ADDRESS })).data).toBe('0x65')
    const asked: unknown[] = []
    running.forEach((one, at) => {
      const honest = chain(100 + at)
      one.reply = (method, params) => {
        if (method !== 'eth_getLogs') return honest(method, params)
        asked.push(params[0])
        return { result: [] }
      }
    })
    expect(await client().getLogs({ address: ADDRESS, fromBlock: 90n })).toEqual([])
    expect(asked).toContainEqual({ address: ADDRESS, topics: [], fromBlock: '0x5a', toBlock: '0x65' })
  })

  test('one that says a low height and answers first does not hide the newest block', async () => {
    await start(chain(3), chain(100), chain(100))
    const urls = [running[0]!.url, running[1]!.url, await slowed(running[1]!.url, 600)]
    expect((await chainClient(urls, { timeoutMs: 2000 }).getBlock()).number).toBe(100n)
  })

  test('of what is pending the time counts that more than half have reached, and nothing else', async () => {
    const pending = (timestamp: number) => (method: string, params: readonly unknown[]) =>
      method === 'eth_getBlockByNumber' && params[0] === 'pending'
        ? { timestamp: `0x${timestamp.toString(16)}`, baseFeePerGas: '0x38d7ea4c68000' }
        : undefined
    await start(chain(100, pending(1)), chain(100, pending(105)), chain(100, pending(103)))
    expect(await client().getBlock({ blockTag: 'pending' })).toMatchObject({
      timestamp: 103n,
      number: null,
      baseFeePerGas: null,
    })
    running[0]!.reply = chain(100, pending(10 ** 9))
    expect((await client().getBlock({ blockTag: 'pending' })).timestamp).toBe(105n)
    expect(await nextBlockTime(client())).toBe(105)
  })

  test('of prices and of gas none counts that two of three do not reach', async () => {
    const price = (wei: number) => (): Reply => ({ result: `0x${wei.toString(16)}` })
    await start(price(10), price(10 ** 15), price(12))
    expect(await client().getGasPrice()).toBe(12n)
    expect(await client().request({ method: 'eth_maxPriorityFeePerGas' })).toBe('0xc')
    const estimate = () => client().estimateGas({ account: ADDRESS, to: ADDRESS })
    running.forEach((one, at) => (one.reply = price([500_000, 21_000, 490_000][at]!)))
    // The margin of a transaction clears the difference; a lie about so little does nothing.
    expect(await estimate()).toBe(500_000n)
    running[1]!.reply = price(10 ** 9)
    expect(await estimate()).toBe(500_000n)
    // None is spared: what is far from the other is not believed.
    running[0]!.reply = down
    await expect(estimate()).rejects.toBeInstanceOf(BaseError)
  })

  test('what an endpoint tells beside what the others say is not handed on', async () => {
    const hash = `0x${'cd'.repeat(32)}` as const
    const receipt = {
      transactionHash: hash,
      blockHash: `0x${'ab'.repeat(32)}`,
      blockNumber: '0x64',
      status: '0x1',
    }
    const extra = { ...receipt, gasUsed: '0x1', logs: [{ topics: [] }] }
    await start(
      () => ({ result: extra }),
      () => ({ result: receipt }),
      () => ({ result: receipt }),
    )
    const told = await client().getTransactionReceipt({ hash })
    expect(told).toMatchObject({ transactionHash: hash, blockNumber: 100n, status: 'success' })
    expect([told.gasUsed, told.logs]).toEqual([null, null])
  })

  test('who has not reached the last block of a range says nothing of its logs', async () => {
    const log = {
      address: ADDRESS,
      topics: [],
      data: '0x',
      blockHash: `0x${'ab'.repeat(32)}`,
      blockNumber: '0x64',
      logIndex: '0x0',
      transactionHash: `0x${'cd'.repeat(32)}`,
      transactionIndex: '0x0',
      removed: false,
    }
    const says =
      (blocks: number, logs: unknown[]) =>
      (method: string): Reply =>
        method === 'eth_blockNumber' ? height(blocks)() : { result: logs }
    const logs = (toBlock = 100n) => client().getLogs({ address: ADDRESS, fromBlock: 90n, toBlock })
    // One that has them, one that hides them, one that has not come so far.
    await start(says(100, [log]), says(100, []), says(99, []))
    const refused: unknown = await logs().catch((error: unknown) => error)
    expect((refused as BaseError).walk((cause) => cause instanceof EndpointsDisagree)).not.toBeNull()
    // Of blocks that it has it says as much as the others.
    expect(await logs(99n)).toEqual([])
    running[2]!.reply = says(101, [log])
    expect(await logs()).toHaveLength(1)
    // Nobody has come so far: nothing is believed, also of one endpoint alone.
    const early: unknown = await logs(5000n).catch((error: unknown) => error)
    expect(String((early as BaseError).message)).toMatch(/is at block 10\d and was asked for logs up to 5000/)
  })

  test('a log that only one says to be of another block is not believed', async () => {
    const log = (blockNumber: string) => ({
      address: ADDRESS,
      topics: [],
      data: '0x',
      blockHash: `0x${'ab'.repeat(32)}`,
      blockNumber,
      logIndex: '0x0',
      transactionHash: `0x${'cd'.repeat(32)}`,
      transactionIndex: '0x0',
      removed: false,
    })
    const says = (blockNumber: string) => (method: string) =>
      method === 'eth_blockNumber' ? height(100)() : { result: [log(blockNumber)] }
    const logs = () => client().getLogs({ address: ADDRESS, fromBlock: 90n, toBlock: 100n })
    // Two of three do not agree: whichever comes first, it is not taken for the other.
    await start(says('0x5f5e100'), says('0x64'), down)
    const refused: unknown = await logs().catch((error: unknown) => error)
    expect((refused as BaseError).walk((cause) => cause instanceof EndpointsDisagree)).not.toBeNull()
    running[2]!.reply = says('0x64')
    expect(await logs()).toMatchObject([{ blockNumber: 100n }])
  })

  test('what is no block, and no block at all, is none', async () => {
    const told = (block: unknown) =>
      chain(100, (method) => (method === 'eth_blockNumber' ? undefined : block))
    await start(chain(100), told({ surprise: true }), chain(101))
    expect((await client().getBlock()).number).toBe(100n)
    running[2]!.reply = told({ number: null, hash: null, timestamp: '0x1' })
    await expect(client().getBlock()).rejects.toThrow(BaseError)
  })

  test('a refusal of the contract is an answer, an endpoint that cannot say is none', async () => {
    const revert = (): Reply => ({ error: { code: 3, message: 'execution reverted', data: '0x12345678' } })
    const estimate = () => client().estimateGas({ account: ADDRESS, to: ADDRESS })
    await start(revert, revert, code('0x5208'))
    await expect(estimate()).rejects.toThrow(/execution reverted/i)
    running[0]!.reply = code('0x6000')
    expect(await estimate()).toBe(0x6000n)
    running[0]!.reply = () => ({ error: { code: -32000, message: 'header not found' } })
    await expect(estimate()).rejects.toThrow(BaseError)
  })

  test.each([
    ['geth', -32000, 'execution reverted'],
    ['geth', 3, 'execution reverted: paused'],
    ['geth', -32000, 'invalid opcode: INVALID'],
    ['geth', -32000, 'invalid opcode: opcode 0xfe not defined'],
    ['geth', -32000, 'out of gas'],
    ['geth', -32000, 'gas uint64 overflow'],
    ['geth', -32000, 'stack underflow (0 <=> 1)'],
    ['geth', -32000, 'stack limit reached 1024 (1023)'],
    ['geth', -32000, 'invalid jump destination'],
    ['geth', -32000, 'return data out of bounds'],
    ['geth', -32000, 'write protection'],
    ['geth', -32000, 'gas required exceeds allowance (50000000)'],
    ['reth', -32003, 'EVM error: InvalidFEOpcode'],
    ['reth', -32003, 'EVM error: OpcodeNotFound'],
    ['reth', -32003, 'EVM error: InvalidJump'],
    ['reth', -32003, 'EVM error: StackUnderflow'],
    ['reth', -32003, 'out of gas: gas exhausted during memory expansion: 50000000'],
    ['anvil', -32603, 'EVM error InvalidFEOpcode'],
    ['anvil', -32603, 'EVM error OutOfGas'],
    ['anvil', -32603, 'EVM error MemoryOOG'],
    ['anvil', -32603, 'EVM error StateChangeDuringStaticCall'],
    ['nethermind', -32015, 'BadInstruction'],
    ['nethermind', -32000, 'OutOfGas'],
    ['nethermind', -32000, 'InvalidJumpDestination'],
    ['nethermind', -32000, 'AccessViolation'],
    ['openethereum', -32015, 'VM execution error.'],
    ['besu', -32000, 'Execution reverted'],
    ['besu', -32000, 'Out of stack'],
  ])('an ending in the EVM is an answer, as %s says it: %i %s', async (_node, number, message) => {
    await start(() => ({ error: { code: number, message } }))
    const question = { address: ADDRESS, abi: erc20Abi, functionName: 'symbol' } as const
    const error: unknown = await client()
      .readContract(question)
      .catch((each: unknown) => each)
    expect([isContractAnswer(error), chainErrorText(error)]).toEqual([
      true,
      expect.stringContaining(
        message.replace('execution reverted: ', '').replace(/^execution reverted$/, 'reverted'),
      ),
    ])
    // Asking again brings the same.
    expect(running[0]!.asked).toHaveLength(1)
    const simulated: unknown = await client()
      .estimateGas({ account: ADDRESS, to: ADDRESS })
      .catch((each: unknown) => each)
    expect(isContractAnswer(simulated)).toBe(true)
    // Through a transport that is not ours, too.
    const plain = createPublicClient({ transport: http(running[0]!.url, { retryCount: 0 }) })
    expect(isContractAnswer(await plain.readContract(question).catch((each: unknown) => each))).toBe(true)
  })

  test.each([
    [-32603, 'Internal error'],
    [-32603, 'runtime error: out of memory'],
    [-32005, 'daily request count exceeded'],
    [-32000, 'header not found'],
    [-32000, 'missing trie node'],
    [-32000, 'execution aborted (timeout = 5s)'],
    [-32601, 'the method eth_call does not exist'],
  ])('and what is none: %i %s', async (number, message) => {
    await start(() => ({ error: { code: number, message } }))
    const question = { address: ADDRESS, abi: erc20Abi, functionName: 'symbol' } as const
    const plain = createPublicClient({ transport: http(running[0]!.url, { retryCount: 0 }) })
    for (const asked of [client(), plain]) {
      const error: unknown = await asked.readContract(question).catch((each: unknown) => each)
      expect([error instanceof BaseError, isContractAnswer(error)]).toEqual([true, false])
    }
  })

  test('a transaction goes to every endpoint; one that takes it is enough', async () => {
    const raw: Hex = '0x02f8'
    const known = (): Reply => ({ error: { code: -32000, message: 'already known' } })
    await start(down, known, () => ({ result: keccak256(raw) }))
    expect(await client().sendRawTransaction({ serializedTransaction: raw })).toBe(keccak256(raw))
    expect(
      running.every(({ asked }) => asked.some(({ method }) => method === 'eth_sendRawTransaction')),
    ).toBe(true)
    running[2]!.reply = known
    await expect(client().sendRawTransaction({ serializedTransaction: raw })).rejects.toThrow(/already known/)
  })

  test('an endpoint that never answers is not waited for once its asker gives up', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const giveUp = new AbortController()
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const client = chainClient([url], { signal: giveUp.signal, timeoutMs: 2 ** 31 - 1 })
    const asked = client.getBlockNumber().catch((error: unknown) => error)
    await new Promise((resolve) => silent.once('request', resolve))
    giveUp.abort()
    for (const error of [
      await asked,
      await client.getCode({ address: ADDRESS }).catch((error: unknown) => error),
    ])
      expect((error as BaseError).walk((cause) => cause instanceof RpcAborted)).not.toBeNull()
    silent.closeAllConnections()
    silent.close()
  })

  test('Retry-After is obeyed, and another endpoint asked meanwhile', async () => {
    await start(() => ({ status: 429, headers: { 'retry-after': '2' } }))
    let asked = client()
    await expect(asked.getCode({ address: ADDRESS })).rejects.toThrow(BaseError)
    const { asked: times } = running[0]!
    expect(times.length).toBeGreaterThan(1)
    times.slice(1).forEach(({ atMs }, at) => expect(atMs - times[at]!.atMs).toBeGreaterThan(1900))

    await start(code('0x02'))
    running[0]!.reply = () => ({ status: 429, headers: { 'retry-after': '60' } })
    asked = client({ onAlone: () => undefined })
    times.length = 0
    for (let question = 0; question < 5; question++)
      expect(await asked.getCode({ address: ADDRESS })).toBe('0x02')
    expect(times).toHaveLength(1)
  })

  test('an endpoint of another chain is not asked, and told', async () => {
    const told: string[] = []
    await start((method) => ({ result: method === 'eth_chainId' ? '0x5' : '0x01' }))
    await start((method) => ({ result: method === 'eth_chainId' ? '0x7a69' : '0x02' }))
    const asked = client({
      chainId: 31337,
      onFailure: (_url: string, text: string) => void told.push(text),
      onAlone: () => undefined,
    })
    expect(await asked.getCode({ address: ADDRESS })).toBe('0x02')
    expect(running[0]!.asked.every(({ method }) => method === 'eth_chainId')).toBe(true)
    expect(told.join()).toContain('serves chain 5, not 31337')
  })
})
