/**
 * The typed calls: one for every method of the protocol, amounts exact or refused, sessions from any kind of
 * wallet, each code of the protocol in its class, and what proofs and receipts must be to be believed.
 */
import { generateKeyPairSync } from 'node:crypto'
import {
  type Abi,
  createWalletClient,
  custom,
  decodeFunctionData,
  encodeFunctionResult,
  erc20Abi,
} from 'viem'
import { RIG_ASSETS, RIG_DEPLOYMENT, type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { vaultAbi } from '../../contracts/abi.js'
import { Side, rejectNames } from '../../engine/codes.js'
import { EVENT_WORDS } from '../../engine/layout.js'
import { writeEvent } from '../../engine/records/access.js'
import type { FillProofAnswer as FillProofMessage } from '../../gateway/link/messages.js'
import { FillLeaves, fillProof, fillsRoot } from '../../settlement/batch/fills-root.js'
import {
  AuthenticationError,
  type Client,
  ErrorCode,
  ExchangeError,
  type FillProof,
  GlassbookError,
  LimitError,
  OrderError,
  RequestError,
  type TrackedFill,
  TransportError,
  checkReceipt,
  createClient,
  errorOf,
  rejectToCode,
  rootOf,
} from '../index.js'
import { toHex } from '../wire/bytes.js'
import { Method } from '../wire/layout.js'

const MARKET = 'ETH-USDC'
const receiptKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const siblings = Array.from({ length: 28 }, (_, height) => BigInt(height))
const UNITS = 7n
const FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const ROOT = rootOf(1, 0, UNITS, siblings)

let rig: Rig
let client: Client
let proofOf = { account: 1, asset: 0 }
let provenUnits = UNITS
let fillAnswer: FillProofMessage | null = null
beforeAll(async () => {
  rig = await startRig({
    accounts: 2,
    config: { requestRate: { perSecond: 1e6, burst: 1e6 } },
    gateway: {
      receiptKey: receiptKey.export({ format: 'der', type: 'pkcs8' }),
      askProof: ({ kind }) =>
        kind === 'fill'
          ? Promise.resolve(fillAnswer)
          : Promise.resolve({
              ...proofOf,
              units: String(provenUnits),
              siblings: siblings.map(String),
              batch: 3,
              root: String(ROOT),
              state: 'final' as const,
            }),
    },
  })
  client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  await client.createSession()
})
afterAll(async () => {
  client.close()
  await rig.stop()
})

const COMMITTED_AT_S = 1_700_000_000

/** A chain that holds one batch, number 3, in the contracts that are pinned, and says `others` of the vault. */
const chain = (
  batch: { newRoot?: bigint; fillsRoot?: string },
  state = 3,
  newest = 3n,
  chainId = 31337,
  others: Readonly<Record<string, unknown>> = {},
) =>
  ({
    getChainId: () => Promise.resolve(chainId),
    readContract: ({ address, functionName, args }: Read) => {
      const ofSettlement = {
        batchState: state,
        batchCount: newest,
        batchOf: { ...batch, committedAt: COMMITTED_AT_S },
      }
      const asset = RIG_ASSETS[Number(args[0])]
      const ofVault = {
        assetOf: { token: asset?.token, unitAtoms: BigInt(asset?.unitAtoms ?? 0) },
        ownerOf: rig.wallets[Number(args[0]) - 1]?.address,
        ...others,
      }
      const answers: Readonly<Record<string, unknown>> =
        functionName === 'decimals'
          ? { decimals: RIG_ASSETS.find(({ token }) => token === address)!.decimals }
          : address === RIG_DEPLOYMENT.settlement
            ? ofSettlement
            : ofVault
      expect([functionName, functionName in answers]).toEqual([functionName, true])
      return Promise.resolve(answers[functionName])
    },
  }) as never

interface Read {
  readonly address: string
  readonly functionName: string
  readonly args: readonly unknown[]
}

const refused = (name: string, code?: string) =>
  expect.objectContaining({ name, ...(code === undefined ? {} : { codeName: code }) }) as Error

test('every method of the protocol has a typed call', async () => {
  const called = new Set<string>()
  const watch = (one: Client): void => {
    const call = one.call.bind(one)
    one.call = (method, params, options) => {
      called.add(method)
      return call(method, params, options)
    }
  }
  const own = await createClient({
    url: rig.url,
    wallet: rig.wallets[0]!,
    publicClient: chain({ newRoot: ROOT }),
    deployment: RIG_DEPLOYMENT,
  }).connect()
  watch(own)
  expect(own.markets.markets.map(({ symbol }) => symbol)).toEqual([MARKET])
  called.add(Method.Markets)
  const session = await own.createSession({
    scopes: ['read', 'trade', 'withdrawRequest'],
    maxNotional: 10n ** 12n,
  })
  expect(await own.account()).toBe(1)
  expect((await own.sessions()).find(({ approval }) => approval === session.approval)).toEqual({
    approval: session.approval,
    scopes: ['read', 'trade', 'withdrawRequest'],
    maxNotional: 10 ** 12,
    expiresAtMs: expect.any(Number) as number,
    highestNonce: -1,
    active: true,
  })
  await own.placeTest({ market: MARKET, side: 'buy', ticks: 50, lots: 1 })
  await expect(own.placeTest({ market: MARKET, side: 'buy', ticks: 0, lots: 1 })).rejects.toThrow(
    refused('OrderError', 'ZeroTicks'),
  )
  const { cloid, orderId } = await own.placeOrder({ market: MARKET, side: 'buy', ticks: 50, lots: 2 })
  expect(await own.order({ orderId })).toMatchObject({ cloid, state: 'open', lots: 2 })
  await own.amendOrder({ market: MARKET, cloid, ticks: 50, lots: 1 })
  expect((await own.orders()).map(({ lots }) => lots)).toEqual([1])
  expect((await own.depth(MARKET, 1)).bids).toEqual([[50, 1, 1]])
  expect(await own.ticker(MARKET)).toMatchObject({ bid: [50, 1, 1], ask: null, lastTicks: 0 })
  expect(await own.fees()).toEqual([{ market: 0, makerFeePpm: 100, takerFeePpm: 500 }])
  expect(await own.batches()).toEqual([])
  expect(await own.fills()).toEqual({ fills: [], complete: true })
  await expect(own.fillProof({ seq: 1, index: 0 })).rejects.toThrow(
    refused('ExchangeError', 'ProofUnavailable'),
  )
  expect(await own.trades(MARKET, 5)).toEqual([])
  expect(await own.candles(MARKET, '1m', 5)).toEqual([])
  expect((await own.balances()).map(({ asset }) => asset.symbol)).toEqual(['ETH', 'USDC'])
  expect(await own.time()).toBeGreaterThan(1e12)
  const leave = await own.subscribeBook(MARKET, () => {}, 10)
  await own.subscribeBookL3(MARKET, () => {})
  await own.subscribeBbo(MARKET, () => {})
  await own.subscribeTicker(MARKET, () => {})
  await own.subscribeStatus(MARKET, () => {})
  await own.subscribeTrades(MARKET, () => {})
  await own.subscribeCandles(MARKET, '1s', () => {})
  await own.subscribeOrders(() => {})
  await own.subscribeFills(() => {})
  await own.subscribeBalances(() => {})
  await own.subscribeSettlement(() => {})
  await leave()
  await own.cancelOnDisconnect(false)
  await own.cancelAfter(60_000)
  await own.setProtection(MARKET, { windowMs: 1000, notional: '5.5' })
  await own.resetProtection(MARKET)
  await own.requestWithdrawal({ asset: 'USDC', amount: 10n ** 6n })
  expect(await own.verifyBalance({ asset: 'ETH' })).toMatchObject({ units: UNITS, batch: 3, state: 'final' })
  await expect(own.batchUnsigned([own.cancelAllOf()])).rejects.toThrow(
    refused('AuthenticationError', 'SignatureRequired'),
  )
  // With other terms the key's session is replaced; the one before leaves the connection first.
  const next = await own.createSession({ scopes: ['read'] })
  expect(next.approval).toBeGreaterThan(session.approval)
  await own.revokeSession(next.approval)
  own.close()
  // Asked by the client itself, after an answer was lost.
  called.add(Method.FrameOutcome)
  called.add(Method.Withdrawal)
  expect([...called].sort()).toEqual(Object.values(Method).sort())
})

test('the status of what is no withdrawal of the account is unknown, and not waited for', async () => {
  const own = await createClient({
    url: rig.url,
    wallet: rig.wallets[1]!,
    publicClient: {
      getChainId: () => Promise.resolve(31337),
      readContract: () => Promise.resolve(0n),
    } as never,
    deployment: RIG_DEPLOYMENT,
  }).connect()
  await own.createSession()
  const stateOf = async (seq: number, asset = 'USDC') => (await own.withdrawalStatus({ asset, seq })).state
  expect(await stateOf(1)).toBe('unknown')
  const { seq } = await own.requestWithdrawal({ asset: 'USDC', amount: 10n ** 6n })
  const later = await own.placeOrder({ market: MARKET, side: 'buy', ticks: 3, lots: 1 })
  const newest = await own.requestWithdrawal({ asset: 'USDC', amount: 10n ** 6n })
  expect(await stateOf(seq)).toBe('waiting')
  expect(await own.withdrawalStatus({ asset: 'USDC', seq })).toMatchObject({ confirmed: true })
  expect(await stateOf(newest.seq)).toBe('waiting')
  // Between two withdrawals, and of the same account: no withdrawal.
  expect(await stateOf(later.seq)).toBe('unknown')
  await own.cancelAll()
  expect(await stateOf(seq + 1_000_000)).toBe('unknown')
  expect(await stateOf(seq, 'ETH')).toBe('unknown')
  own.close()
})

test('a deposit of more than the wallet has is refused with both amounts, before anything is sent', async () => {
  const address = rig.wallets[0]!.address
  const asked: string[] = []
  const wallet = {
    request: ({ method }: { method: string }) => {
      asked.push(method)
      if (method === 'eth_chainId') return Promise.resolve('0x7a69')
      if (method === 'eth_requestAccounts') return Promise.resolve([address])
      return Promise.reject(new Error(`${method} was not expected`))
    },
  } as never
  const publicClient = {
    getChainId: () => Promise.resolve(31337),
    readContract: ({ functionName }: { functionName: string }) => {
      const answers = {
        assetOf: { token: RIG_ASSETS[1]!.token, unitAtoms: 1n },
        decimals: 6,
        balanceOf: 60_500_000n,
        allowance: 0n,
      }
      return Promise.resolve(answers[functionName as keyof typeof answers])
    },
  } as never
  const own = await createClient({
    url: rig.url,
    wallet,
    publicClient,
    deployment: RIG_DEPLOYMENT,
  }).connect()
  const error: unknown = await own.deposit({ asset: 'USDC', amount: '61' }).catch((each: unknown) => each)
  expect(error).toEqual(refused('ExchangeError', 'TransactionFailed'))
  expect((error as Error).message).toBe(
    `deposit of 61 USDC: the wallet ${address} has 60.5; nothing was sent (TransactionFailed, 6006)`,
  )
  // As much as there is goes on to the approval.
  await own.deposit({ asset: 'USDC', amount: '60.5' }).catch(() => {})
  expect(asked).toContain('eth_call')
  own.close()
})

test('a private venue takes commands without a signature', async () => {
  const venue = await startRig({ accounts: 1, signed: false })
  const own = await createClient({ url: venue.url, wallet: venue.wallets[0]! }).connect()
  await own.createSession()
  const [placed, wrong] = await own.batchUnsigned([
    own.place({ market: MARKET, side: 'buy', ticks: 50, lots: 2 }),
    own.place({ market: MARKET, side: 'buy', ticks: 0, lots: 2 }),
  ])
  expect(placed).toMatchObject({ state: 'open', error: undefined })
  expect(wrong).toMatchObject({ seq: placed!.seq + 1, error: { codeName: 'ZeroTicks' } })
  own.close()
  await venue.stop()
})

describe('amounts', () => {
  const order = { market: MARKET, side: 'buy' } as const
  const price = { ...order, price: '0.1', size: '0.001' }
  const bad: readonly (readonly [what: string, call: () => unknown])[] = [
    ['a floating price', () => client.placeOrder({ ...order, price: 0.1 as never, size: '0.001' })],
    ['a floating size', () => client.placeOrder({ ...order, price: '0.1', size: 0.001 as never })],
    ['floating ticks', () => client.placeOrder({ ...order, ticks: 1.5, lots: 1 })],
    ['floating lots', () => client.placeOrder({ ...order, ticks: 1, lots: 0.5 })],
    ['NaN', () => client.placeOrder({ ...order, ticks: NaN, lots: 1 })],
    ['2^53', () => client.placeOrder({ ...order, ticks: 1, lots: 2 ** 53 })],
    ['an exponent', () => client.placeOrder({ ...order, price: '1e2', size: '0.001' })],
    ['a negative size', () => client.placeOrder({ ...order, price: '0.1', size: '-0.001' })],
    ['a part of a tick', () => client.placeOrder({ ...order, price: '0.10000000001', size: '0.001' })],
    ['a part of a lot', () => client.placeOrder({ ...order, price: '0.1', size: '0.000001' })],
    [
      'a floating trigger',
      () => client.placeOrder({ ...price, type: 'stop', trigger: { price: 0.1 as never } }),
    ],
    ['a floating display', () => client.placeOrder({ ...price, display: { lots: 0.1 } })],
    [
      'a floating budget',
      () => client.placeOrder({ ...order, lots: 1, type: 'market', budget: 1.5 as never }),
    ],
    ['a floating expiry', () => client.placeOrder({ ...price, expiresAtMs: Date.now() + 0.5 })],
    ['a floating deadline', () => client.placeOrder({ ...price, deadlineMs: 0.5 })],
    ['a negative client order id', () => client.placeOrder({ ...price, cloid: -1n })],
    ['a client order id beyond 64 bits', () => client.placeOrder({ ...price, cloid: 1n << 64n })],
    ['a client order id as a number', () => client.placeOrder({ ...price, cloid: 5 as never })],
    [
      'floating lots of an amend',
      () => client.amendOrder({ market: MARKET, cloid: 1n, ticks: 1, lots: 1.5 }),
    ],
    ['a floating withdrawal', () => client.requestWithdrawal({ asset: 'USDC', amount: 1.5 as never })],
    ['a part of a unit', () => client.requestWithdrawal({ asset: 'USDC', amount: '0.0000001' })],
    ['a floating notional', () => client.setProtection(MARKET, { windowMs: 1, notionalUnits: 1.5 })],
    ['a floating window', () => client.setProtection(MARKET, { windowMs: 1.5 })],
    ['a floating time', () => client.cancelAfter(1.5)],
    ['a floating bound of a session', () => client.createSession({ maxNotional: 0.5 })],
    ['a floating end of a session', () => client.createSession({ expiresAtMs: Date.now() + 0.5 })],
    ['no commands', () => client.batch([])],
    ['65 commands', () => client.batch(Array.from({ length: 65 }, () => client.cancelAllOf()))],
    ['an unknown market', () => client.placeOrder({ ...price, market: 'BTC-EUR' })],
    ['an unknown asset', () => client.requestWithdrawal({ asset: 'EUR', amount: '1' })],
  ]
  test.each(bad)('%s is refused before anything is sent', async (_what, call) => {
    const sent: string[] = []
    const { call: real } = client
    client.call = (method, params, options) => {
      sent.push(method)
      return real.call(client, method, params, options)
    }
    await expect((async () => call())()).rejects.toThrow(refused('InputError'))
    client.call = real
    // Questions may go out; nothing that would change something.
    expect(sent.filter((method) => method !== Method.Account && method !== Method.Time)).toEqual([])
  })

  test('decimal strings and bigints mean the same', async () => {
    const lots = await client.placeOrder({ ...order, price: '0.1', size: '0.001' })
    const same = await client.placeOrder({ ...order, ticks: 1_000_000n, lots: 100n })
    const wire = (cloid: bigint | undefined) => client.order({ cloid: cloid! })
    const { ticks, lots: size } = (await wire(lots.cloid))!
    expect(client.place({ ...order, price: '0.1', size: (10n ** 15n) as never })).toMatchObject({
      ticks,
      lots: size,
    })
    expect(same.error).toBeUndefined()
    await client.cancelAll()
  })
})

describe('sessions', () => {
  /** A browser's wallet: asks for its accounts, signs typed data; knows nothing of this project. */
  const provider = (index: number, asked: string[]) => ({
    request: async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
      asked.push(method)
      const account = rig.wallets[index]!
      if (method === 'eth_requestAccounts' || method === 'eth_accounts') return [account.address]
      if (method === 'eth_chainId') return '0x7a69'
      if (method !== 'eth_signTypedData_v4') throw new Error(`no ${method}`)
      const [address, json] = params as [string, string]
      expect(address.toLowerCase()).toBe(account.address.toLowerCase())
      return account.signTypedData(JSON.parse(json) as never)
    },
  })

  test.each(['viem account', 'EIP-1193 provider', 'viem wallet client'] as const)(
    'from a %s',
    async (kind) => {
      const asked: string[] = []
      const injected = provider(1, asked)
      const wallet = {
        'viem account': rig.wallets[1]!,
        'EIP-1193 provider': injected,
        'viem wallet client': createWalletClient({
          account: rig.wallets[1]!.address,
          transport: custom(injected as never),
        }),
      }[kind]
      const own = await createClient({ url: rig.url, wallet }).connect()
      const { account, approval } = await own.createSession()
      expect(account).toBe(2)
      expect(await own.placeOrder({ market: MARKET, side: 'buy', ticks: 3, lots: 1 })).toMatchObject({
        state: 'open',
      })
      expect(await own.cancelAll()).toEqual({ count: 1, more: false })
      await own.revokeSession(approval)
      expect(asked.includes('eth_signTypedData_v4')).toBe(kind !== 'viem account')
      own.close()
    },
  )

  test('a wallet that has no account, signs nothing, or is missing is a typed error', async () => {
    for (const wallet of [
      { request: () => Promise.resolve([]) },
      {
        request: ({ method }: { method: string }) =>
          Promise.resolve(method === 'eth_signTypedData_v4' ? '0x12' : [rig.wallets[1]!.address]),
      },
      undefined,
    ]) {
      const own = await createClient({ url: rig.url, ...(wallet === undefined ? {} : { wallet }) }).connect()
      await expect(own.createSession()).rejects.toThrow(refused('InputError'))
      own.close()
    }
  })
})

describe('errors', () => {
  const classes = [TransportError, AuthenticationError, RequestError, OrderError, LimitError, ExchangeError]

  test.each(Object.entries(ErrorCode))('%s (%d) is of the class of its range', (name, code) => {
    const error = errorOf(code, 'why', { retryAfter: 5 })
    expect(error).toBeInstanceOf(classes[Math.floor(code / 1000) - 1]!)
    expect(error).toBeInstanceOf(GlassbookError)
    expect(error).toMatchObject({ code, codeName: name, retryAfter: 5, message: `why (${name}, ${code})` })
  })

  test('every reject of the engine has a code of its own, in the class of its range', () => {
    const codes = Object.entries(rejectNames)
      .filter(([reject]) => Number(reject) > 0)
      .map(([reject, name]) => [rejectToCode(Number(reject)), name] as const)
    expect(codes.length).toBeGreaterThan(40)
    expect(new Set(codes.map(([code]) => code)).size).toBe(codes.length)
    for (const [code, codeName] of codes) {
      const error = errorOf(code, 'why')
      expect(error).toBeInstanceOf(classes[Math.floor(code / 1000) - 1]!)
      expect(error.codeName).toBe(codeName)
      expect([2, 4, 5]).toContain(Math.floor(code / 1000))
    }
  })

  test('a code of a later version is an error of its range, or of the exchange', () => {
    expect(errorOf(4999, 'new')).toBeInstanceOf(OrderError)
    expect(errorOf(7000, 'new')).toBeInstanceOf(ExchangeError)
    expect(errorOf(4999, 'new').codeName).toBe('Unknown')
  })
})

describe('verification', () => {
  const verify = async (
    publicClient: never,
    options: { asset: string; batch?: number } = { asset: 'ETH' },
  ) => {
    const pins = { publicClient, deployment: RIG_DEPLOYMENT }
    const own = await createClient({ url: rig.url, wallet: rig.wallets[0]!, ...pins }).connect()
    return own.verifyBalance(options).finally(() => own.close())
  }

  test('a balance is believed when the chain has the root of its proof', async () => {
    expect(await verify(chain({ newRoot: ROOT }, 1))).toMatchObject({
      units: UNITS,
      state: 'committed',
      root: ROOT,
      newestBatch: 3,
      committedAtMs: COMMITTED_AT_S * 1000,
      ageMs: expect.any(Number) as number,
    })
    await expect(verify(chain({ newRoot: ROOT + 1n }))).rejects.toThrow(refused('VerificationError'))
    await expect(verify(chain({ newRoot: ROOT }, 0))).rejects.toThrow(
      refused('ExchangeError', 'ProofUnavailable'),
    )
    proofOf = { account: 2, asset: 0 }
    await expect(verify(chain({ newRoot: ROOT }))).rejects.toThrow(refused('VerificationError'))
    proofOf = { account: 1, asset: 0 }
    // The order of the field more hashes to the same root, and is no balance.
    provenUnits = UNITS + FIELD_ORDER
    expect(rootOf(1, 0, provenUnits, siblings)).toBe(ROOT)
    await expect(verify(chain({ newRoot: ROOT }))).rejects.toThrow(refused('VerificationError'))
    provenUnits = UNITS
    await expect(client.verifyBalance({ asset: 'ETH' })).rejects.toThrow(refused('InputError'))
  })

  test('what a unit is worth and whose the account is, the chain says', async () => {
    const { token } = RIG_ASSETS[0]!
    for (const [others, text] of [
      [{ assetOf: { token, unitAtoms: 1n } }, 'unit 1000000000000 of asset 0 (ETH), but the chain 1'],
      [{ ownerOf: rig.wallets[1]!.address }, `account 1 is of ${rig.wallets[1]!.address} on the chain`],
    ] as const) {
      const told = chain({ newRoot: ROOT }, 3, 3n, 31337, others)
      await expect(verify(told)).rejects.toThrow(refused('VerificationError'))
      await expect(verify(told)).rejects.toThrow(text)
    }
  })

  test('what is proven is proven against the pins, of the newest batch', async () => {
    // Proofs are of batch 3; a newer one is on the chain, in which the account may have less.
    await expect(verify(chain({ newRoot: ROOT }, 3, 4n))).rejects.toThrow(
      /batch 3, but .* batch 4 was asked for/,
    )
    await expect(verify(chain({ newRoot: ROOT }, 3, 0n))).rejects.toThrow('no batch is on the chain yet')
    expect(await verify(chain({ newRoot: ROOT }, 3, 4n), { asset: 'ETH', batch: 3 })).toMatchObject({
      batch: 3,
      newestBatch: 4,
    })
    await expect(verify(chain({ newRoot: ROOT }, 3, 3n, 1))).rejects.toMatchObject({
      ...{ name: 'VerificationError', codeName: 'PinMismatch' },
      message: expect.stringContaining('chain 1, but 31337 is pinned') as string,
    })
    // An exchange that names contracts of its own, in which everything that it says is true.
    for (const [field, value] of [
      ['vault', `0x${'ee'.repeat(20)}`],
      ['settlement', `0x${'ee'.repeat(20)}`],
      ['chainId', 5],
    ] as const) {
      const own = createClient({
        url: rig.url,
        publicClient: chain({ newRoot: ROOT }),
        deployment: { ...RIG_DEPLOYMENT, [field]: value },
        reconnect: false,
      })
      await expect(own.connect()).rejects.toMatchObject({
        ...{ name: 'VerificationError', codeName: 'PinMismatch' },
        message: expect.stringMatching(new RegExp(`the exchange says ${field} .* is pinned`)) as string,
      })
      expect(own.state).toBe('closed')
    }
  })

  test('a fill is believed when its leaf is that fill and the chain has the root of its path', async () => {
    const leaves = new FillLeaves()
    const words = new Int32Array(EVENT_WORDS)
    const floats = new Float64Array(words.buffer)
    const frameHash = new Uint8Array(32).fill(9)
    for (let index = 0; index < 5; index++) {
      writeEvent(words, floats, 0, 'Fill', 41, {
        ...{ market: 0, ticks: 100 + index, lots: 3, makerSide: Side.Sell },
        ...{ makerAccount: 1, makerCloid: 70 + index, makerOrderId: 30 + index, makerFee: -2 },
        ...{ takerAccount: 2, takerCloid: 80, takerOrderId: 41, takerFee: 5 },
      })
      leaves.add(words, floats, 0, index, frameHash, undefined)
    }
    const root = toHex(fillsRoot(leaves.all()))
    const proof: FillProof = fillProof(leaves.all(), 2)
    const fill: TrackedFill = {
      seq: 41,
      index: 2,
      market: 0,
      side: 'sell',
      ticks: 102,
      lots: 3,
      feeUnits: -2,
      maker: true,
      orderId: 32,
      cloid: 72n,
      remaining: 0,
      timeMs: 0,
    }
    const publicClient = chain({ fillsRoot: root })
    const own = await createClient({ url: rig.url, publicClient, deployment: RIG_DEPLOYMENT }).connect()
    const receipt = { firstSeq: 1, lastSeq: 2, headSeq: 3, journalHead: frameHash, frameHash }
    const options = { fill, batch: 3, proof, account: 1, receipt }
    expect(await own.verifyFill(options)).toEqual({
      fill,
      batch: 3,
      state: 'final',
      fillsRoot: root,
      committedAtMs: COMMITTED_AT_S * 1000,
    })
    // The same, with the proof that the exchange serves; a leaf of another fill is found.
    const served = (of: FillProof): FillProofMessage => ({
      batch: 3,
      state: 'final',
      leaf: toHex(of.leaf),
      siblings: of.siblings.map(toHex),
      leftSiblings: Number(of.leftSiblings),
    })
    await expect(own.verifyFill({ fill, account: 1 })).rejects.toThrow(
      refused('ExchangeError', 'ProofUnavailable'),
    )
    fillAnswer = served(proof)
    expect(await own.verifyFill({ fill, account: 1, receipt })).toMatchObject({ batch: 3, fillsRoot: root })
    fillAnswer = served(fillProof(leaves.all(), 1))
    await expect(own.verifyFill({ fill, account: 1 })).rejects.toThrow(refused('VerificationError'))
    fillAnswer = { ...served(proof), leaf: '0x00' }
    await expect(own.verifyFill({ fill, account: 1 })).rejects.toThrow('leaf is not 152 bytes')
    fillAnswer = null
    const taken = { ...fill, maker: false, side: 'buy', orderId: 41, cloid: 80n, feeUnits: 5 } as const
    expect(await own.verifyFill({ fill: taken, batch: 3, proof, account: 2 })).toMatchObject({
      fillsRoot: root,
    })
    const wrong: Partial<TrackedFill>[] = [
      { seq: 42 },
      { index: 3 },
      { market: 1 },
      { ticks: 101 },
      { lots: 4 },
      { side: 'buy' },
      { feeUnits: 2 },
      { orderId: 31 },
      { cloid: 71n },
      { maker: false },
    ]
    for (const change of wrong) {
      await expect(own.verifyFill({ ...options, fill: { ...fill, ...change } })).rejects.toThrow(
        refused('VerificationError'),
      )
    }
    const bent = new Uint8Array(32).fill(1)
    for (const change of [
      { account: 2 },
      { receipt: { ...receipt, frameHash: bent } },
      { proof: { ...proof, siblings: [bent, ...proof.siblings.slice(1)] } },
      { proof: { ...proof, leftSiblings: proof.leftSiblings ^ 1n } },
      { proof: { ...proof, leaf: proof.leaf.subarray(1) } },
    ]) {
      await expect(own.verifyFill({ ...options, ...change })).rejects.toThrow(refused('VerificationError'))
    }
    own.close()
  })

  test('a receipt is believed when it is for the frame that was sent, and by the operator', async () => {
    const { receipt, results } = await client.sendFrameForReceipt([
      client.place({ market: MARKET, side: 'buy', ticks: 4, lots: 1 }),
    ])
    expect(receipt!.lastSeq).toBe(results[0]!.seq)
    const frame = new Uint8Array(5)
    const wire = [
      receipt!.firstSeq,
      receipt!.lastSeq,
      receipt!.frameHash,
      receipt!.headSeq,
      receipt!.journalHead,
      receipt!.signature,
    ]
    const other = new Uint8Array(33).fill(2)
    await expect(checkReceipt(wire, other, new Uint8Array(32), frame)).rejects.toThrow(
      refused('VerificationError'),
    )
    // A client whose exchange signs with another key than it said refuses each of its receipts.
    const own = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    await own.createSession()
    const call = own.call.bind(own)
    const bend: readonly ((receipt: unknown[]) => void)[] = [
      (values) => (values[1] = (values[1] as number) + 1),
      (values) => (values[3] = (values[1] as number) - 1),
      (values) => (values[2] = new Uint8Array(32)),
      (values) => (values[4] = new Uint8Array(32)),
      (values) => (values[5] = new Uint8Array(64).fill(1)),
    ]
    for (const change of bend) {
      own.call = async (method, params, options) => {
        const answer = (await call(method, params, options)) as unknown[]
        if (method === Method.Frame) {
          const copy = [...(answer[2] as unknown[])]
          change(copy)
          return [answer[0], answer[1], copy] as never
        }
        return answer as never
      }
      await expect(own.sendFrameForReceipt([own.cancelAllOf()])).rejects.toThrow(refused('VerificationError'))
    }
    own.close()
  })
})

test.each([
  [-32000, 'invalid opcode: INVALID'],
  [-32000, 'out of gas'],
  [-32603, 'EVM error InvalidFEOpcode'],
  [3, 'execution reverted'],
])('a token that gives no answer is told as that, by deposit and claim: %i %s', async (code, message) => {
  const { vault } = RIG_DEPLOYMENT
  const asset = RIG_DEPLOYMENT.assets[1]!
  let stuck = 'decimals'
  const sent: string[] = []
  const refuse = (): never => {
    throw Object.assign(new Error(message), { code })
  }
  const answers: Record<string, unknown> = {
    assetOf: { token: asset.token, unitAtoms: BigInt(asset.unitAtoms) },
    decimals: asset.decimals,
    balanceOf: 10n ** 9n,
    allowance: 0n,
  }
  const injected = {
    request: ({ method, params }: { method: string; params?: unknown[] }): Promise<unknown> => {
      if (method === 'eth_chainId') return Promise.resolve('0x7a69')
      if (method === 'eth_requestAccounts') return Promise.resolve([rig.wallets[0]!.address])
      if (method !== 'eth_call') {
        sent.push(method)
        return Promise.reject(new Error(method))
      }
      const { to, data } = params![0] as { to: string; data: `0x${string}` }
      const abi = (to.toLowerCase() === vault ? vaultAbi : erc20Abi) as Abi
      const { functionName } = decodeFunctionData({ abi, data })
      return Promise.resolve().then(() =>
        functionName === stuck || !(functionName in answers)
          ? refuse()
          : encodeFunctionResult({ abi, functionName, result: answers[functionName] as never }),
      )
    },
  }
  const own = await createClient({
    url: rig.url,
    wallet: injected as never,
    deployment: RIG_DEPLOYMENT,
  }).connect()
  const text = (error: unknown): string => {
    expect(error).toEqual(refused('ExchangeError', 'TransactionFailed'))
    return (error as Error).message
  }
  const deposit = () => own.deposit({ asset: asset.symbol, amount: '1' }).then(String, text)
  const claim = () => own.claim({ asset: asset.symbol, account: 1 }).then(String, text)
  const silent = (what: string): string =>
    `the token ${asset.token} of ${asset.symbol} does not answer (${what}: ${message}); nothing was sent`
  expect(await deposit()).toContain(silent('decimals'))
  expect(await claim()).toContain(silent('decimals'))
  for (stuck of ['balanceOf', 'allowance']) expect(await deposit()).toContain(silent(stuck))
  // The rest is the token's and the vault's own refusal.
  stuck = 'approve'
  expect(await deposit()).toContain(`the approval was refused by the chain: ${message}; nothing has changed`)
  expect(await claim()).toContain(`the claim was refused by the chain: ${message}; nothing has changed`)
  expect(sent).toEqual([])
  own.close()
})
