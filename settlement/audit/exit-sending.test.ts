/**
 * What an exit costs, and how its steps are sent: one endpoint of three that lies, swallows or is gone decides nothing,
 * fees have a bound, what a step may cost is told before, and nothing at all is sent unless it is asked for.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestClient, http, keccak256, parseEther, type Hex } from 'viem'
import { glassbook } from '../../app/command-line.js'
import { SettlementFixture, keyOf, owner } from '../../test/support/settlement-fixture.js'
import { told } from '../../test/support/told.js'

interface Question {
  readonly method: string
  readonly params: readonly unknown[]
}
interface Answer {
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string }
}

/** A way to the chain that answers some questions itself; undefined = the chain's answer. */
async function endpoint(
  answer: (question: Question) => Answer | undefined = () => undefined,
): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const question = JSON.parse(body) as Question & { id: number }
      const own = answer(question)
      response.setHeader('content-type', 'application/json')
      if (own !== undefined) response.end(JSON.stringify({ jsonrpc: '2.0', id: question.id, ...own }))
      else
        void fetch(fixture.anvil.rpcUrl, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        })
          .then((said) => said.text())
          .then((text) => response.end(text))
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const servers: Server[] = []
let fixture: SettlementFixture
let honest: string[]
beforeAll(async () => {
  fixture = await SettlementFixture.start({ exitDelaySeconds: 3600 })
  honest = [await endpoint(), await endpoint()]
  await fixture.deposit(1, 0, 1_000_000)
})
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  await fixture?.stop()
})
/** Each test begins where nothing was asked for yet. */
let snapshot: Hex
beforeEach(async () => {
  snapshot = await chain().snapshot()
})
afterEach(async () => {
  delete process.env.GLASSBOOK_OWNER_KEY
  await chain().revert({ id: snapshot })
})

/** `glassbook exit` of an owner, whose key is in the environment. */
const exit = (
  who: number,
  urls: readonly string[],
  ...more: readonly string[]
): Promise<{ code: number; out: string }> => {
  process.env.GLASSBOOK_OWNER_KEY = keyOf(who)
  const whose = ['--owner', owner(who).address, '--settlement', fixture.deployment.settlement]
  return told(() => glassbook(['exit', ...whose, ...urls.flatMap((url) => ['--rpc', url]), ...more]))
}
const chain = () => createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
const balance = (who: number): Promise<bigint> => fixture.client.getBalance({ address: owner(who).address })
const nonce = (who: number): Promise<number> =>
  fixture.client.getTransactionCount({ address: owner(who).address, blockTag: 'pending' })
const lastTransaction = async () => {
  const block = await fixture.client.getBlock({ includeTransactions: true })
  return block.transactions[0]!
}

/** 0.01 ETH a gas. */
const DEAR = { result: `0x${(10n ** 16n).toString(16)}` }
const UNKNOWN = { error: { code: -32601, message: 'Method not found' } }
test.each<[string, (question: Question) => Answer | undefined]>([
  [
    'names a fee of 0.01 ETH a gas',
    ({ method }) =>
      method === 'eth_fillTransaction'
        ? UNKNOWN
        : ['eth_gasPrice', 'eth_maxPriorityFeePerGas'].includes(method)
          ? DEAR
          : undefined,
  ],
  [
    'swallows transactions',
    ({ method, params }) =>
      method === 'eth_sendRawTransaction' ? { result: keccak256(params[0] as Hex) } : undefined,
  ],
  [
    'calls a transaction by another hash',
    ({ method }) => (method === 'eth_sendRawTransaction' ? { result: `0x${'ab'.repeat(32)}` } : undefined),
  ],
  [
    'names another chain and another nonce',
    ({ method }) =>
      method === 'eth_chainId'
        ? { result: '0x1' }
        : method === 'eth_getTransactionCount'
          ? { result: '0x5f' }
          : undefined,
  ],
  ['fails whatever it is asked', () => ({ error: { code: -32603, message: 'out of order' } })],
])(
  'an endpoint of three that %s, and is named first',
  async (_what, lie) => {
    const [before, requestFee] = [await balance(1), (await fixture.readSettlement('requestFee')) as bigint]
    const { code, out } = await exit(1, [await endpoint(lie), ...honest], '--send')
    expect([code, out]).toEqual([3, expect.stringContaining('done: request ')])
    const { maxFeePerGas, chainId } = await lastTransaction()
    expect(maxFeePerGas).toBeLessThan(10n ** 11n)
    expect(chainId).toBe(31337)
    const paid = before - (await balance(1))
    expect(paid).toBeGreaterThan(requestFee)
    expect(paid).toBeLessThan(requestFee + parseEther('0.01'))
  },
  120_000,
)

test('the first of three that is gone', async () => {
  const { code, out } = await exit(1, ['http://127.0.0.1:9', ...honest], '--send')
  expect([code, out]).toEqual([3, expect.stringContaining('done: request ')])
})

test('what a step takes at most is told in the plan and before it is sent, and no more is taken', async () => {
  const before = await balance(1)
  const cost = /costs at most (\S+) ETH: (\S+) ETH go with it and come back .*; (\d+) gas at (\S+) gwei/
  const plan = await exit(1, honest)
  expect(plan.out).toMatch(new RegExp(`now: request 1 USDX\n +${cost.source}`))
  const { out } = await exit(1, honest, '--send')
  const [, most, fee, gas, gwei] = new RegExp(`sending: request 1 USDX; ${cost.source}`).exec(out)!
  const requestFee = (await fixture.readSettlement('requestFee')) as bigint
  expect(parseEther(fee!)).toBe(requestFee)
  expect(parseEther(most!)).toBe(requestFee + BigInt(gas!) * parseEther(gwei!, 'gwei'))
  expect(before - (await balance(1))).toBeLessThanOrEqual(parseEther(most!))
  const json = await exit(1, honest, '--json')
  expect((JSON.parse(json.out) as { steps: unknown[] }).steps).toEqual([])
})

test('the fee of a gas has a bound, which the refusal names with the value', async () => {
  await chain().setNextBlockBaseFeePerGas({ baseFeePerGas: 700n * 10n ** 9n })
  await chain().mine({ blocks: 1 })
  const count = await nonce(1)
  const refusal =
    /a gas costs 700 gwei, and at most 500 gwei may be paid: wait until it costs less, or raise --fee-per-gas-max/
  const dry = await exit(1, honest)
  expect([dry.code, dry.out]).toEqual([3, expect.stringMatching(refusal)])
  expect(dry.out).toContain('now: request 1 USDX\n')
  const refused = await exit(1, honest, '--send')
  expect([refused.code, refused.out]).toEqual([1, expect.stringMatching(refusal)])
  expect(await nonce(1)).toBe(count)
  const raised = await exit(1, honest, '--send', '--fee-per-gas-max', '701.5')
  expect([raised.code, raised.out]).toEqual([3, expect.stringContaining('done: request ')])
  expect((await lastTransaction()).maxFeePerGas).toBe(7015n * 10n ** 8n)
  for (const wrong of ['0', '-1', '1e3', '0.0000000001', 'much'])
    expect(await exit(1, honest, `--fee-per-gas-max=${wrong}`)).toMatchObject({
      code: 2,
      out: expect.stringContaining('a number of gwei above 0') as string,
    })
})

test('an owner who cannot pay what it may cost: both amounts are told, and nothing is sent', async () => {
  const requestFee = (await fixture.readSettlement('requestFee')) as bigint
  await chain().setBalance({ address: owner(1).address, value: requestFee + 10n ** 9n })
  const count = await nonce(1)
  const { code, out } = await exit(1, honest, '--send')
  expect(code).toBe(4)
  expect(out).toMatch(
    /refused: request 1 USDX: it may cost \S+ ETH, and the owner has \S+ ETH: nothing was sent/,
  )
  expect(await nonce(1)).toBe(count)
})

test('without --send nothing is sent, also with the key in the environment', async () => {
  const count = await nonce(1)
  for (const more of [[], ['--json'], ['--fee-per-gas-max', '600']]) {
    const { code, out } = await exit(1, honest, ...more)
    expect([code, out]).toEqual([
      3,
      expect.stringMatching(/"sent":\[\]|nothing was sent: this was a dry run/),
    ])
  }
  expect(await nonce(1)).toBe(count)
  expect(await fixture.readSettlement('openRequests')).toBe(0n)
})
