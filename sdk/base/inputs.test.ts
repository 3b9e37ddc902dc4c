/**
 * What a caller may write, and what is refused before anything is sent: each refusal names the field, the value
 * and what is allowed. Programs without types do what types would forbid, so the calls here are untyped.
 */
import { CommandKind, OrderType, Reject, Side, rejectNames } from '../../engine/codes.js'
import { type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { fromLots, fromTicks, fromUnits } from '../money/units-and-atoms.js'
import { explainedRejects, rejectionOf } from '../money/explain.js'
import {
  Client,
  ErrorCode,
  type PlaceOrder,
  type RefusedInput,
  createClient,
  createSessionKey,
  importSessionKey,
  rejectToCode,
} from '../index.js'
import { type WireCommand, commandToWire } from '../wire/commands.js'
import { Method } from '../wire/layout.js'

const MARKET = 'ETH-USDC'
let exchange: FakeExchange
let client: Client
beforeAll(async () => {
  exchange = await startFakeExchange()
  client = await createClient({ url: exchange.url, requestTimeoutMs: 60_000 }).connect()
  await client.logon({ approval: 1, account: 1, key: await createSessionKey() })
})
afterAll(() => {
  client.close()
  exchange.close()
})
beforeEach(() => {
  exchange.requests.length = 0
  exchange.answer = () => undefined
})

type Untyped = (...values: unknown[]) => unknown
const untyped = (name: keyof Client): Untyped => (client[name] as unknown as Untyped).bind(client)

const order = { market: MARKET, side: 'buy', ticks: 50, lots: 2 }
const amend = { market: MARKET, cloid: 1n, ticks: 50, lots: 2 }
const YEAR_MS = 365 * 86_400_000
const DAY_MS = 86_400_000
const micros = Date.now() * 1000

const ignore = (): void => {}
/** An object that has its fields from another one, as options with defaults may. */
const inherits = (fields: object): object => Object.create(fields) as object
/** One whose fields are a class's getters. */
class Written {
  readonly market = MARKET
  readonly side = 'buy'
  readonly ticks = 50
  readonly lots = 2
  get timeInForce(): string {
    return 'gtc'
  }
}

/** [action, arguments, field that is named, what the message also says] */
const refusals: readonly (readonly [
  action: keyof Client,
  given: readonly unknown[],
  field: string,
  says: string,
])[] = [
  ['placeOrder', [{ ...order, side: 'BUY' }], 'side', 'side is "BUY"; it must be "buy" or "sell"'],
  ['placeOrder', [{ ...order, side: undefined }], 'side', 'side is missing; it must be "buy" or "sell"'],
  ['placeOrder', [{ ...order, side: 0 }], 'side', 'side is 0;'],
  ['placeOrder', [{ ...order, side: 1 }], 'side', 'side is 1;'],
  ['placeOrder', [{ ...order, side: null }], 'side', 'side is null;'],
  ['placeOrder', [{ ...order, price: '1' }], 'price beside ticks', 'one of the two'],
  ['placeOrder', [{ ...order, size: '1' }], 'size beside lots', 'one of the two'],
  ['placeOrder', [{ ...order, prise: 1 }], 'prise', 'no field "prise"; it takes market, side'],
  ['placeOrder', [{ ...order, constructor: 1 }], 'constructor', 'no field'],
  ['placeOrder', [{ ...order, ticks: null }], 'ticks', 'ticks is null'],
  ['placeOrder', [{ ...order, ticks: '50' }], 'ticks', 'ticks is "50"'],
  ['placeOrder', [{ ...order, lots: null }], 'lots', 'lots is null'],
  ['placeOrder', [{ market: MARKET, side: 'buy', ticks: 5 }], 'size (or lots)', 'missing'],
  ['placeOrder', [{ market: MARKET, side: 'buy', lots: 5 }], 'price (or ticks)', 'limit order'],
  ['placeOrder', [{ ...order, market: null }], 'market', 'market is null'],
  ['placeOrder', [{ ...order, market: 'BTC-EUR' }], 'market', 'it must be "ETH-USDC" (0)'],
  ['placeOrder', [{ ...order, market: undefined }], 'market', 'market is missing'],
  ['placeOrder', [{ ...order, type: 'Limit' }], 'type', '"limit", "market", "stop"'],
  ['placeOrder', [{ ...order, timeInForce: 'gtc' }], 'timeInForce', '"GTC", "IOC", "FOK" or "GTD"'],
  ['placeOrder', [{ ...order, postOnly: 1 }], 'postOnly', 'true, false or "slide"'],
  ['placeOrder', [{ ...order, selfTrade: 'none' }], 'selfTrade', '"cancelTaker"'],
  ['placeOrder', [{ ...order, cloid: 5 }], 'cloid', 'a bigint from 0n'],
  ['placeOrder', [{ ...order, trigger: { ticks: 5 } }], 'trigger', 'left out of a limit order'],
  ['placeOrder', [{ ...order, type: 'stop' }], 'trigger', 'trigger is missing'],
  ['placeOrder', [{ ...order, type: 'stop', trigger: 5 }], 'trigger', "as in trigger: { price: '59990.5' }"],
  ['placeOrder', [{ ...order, type: 'stop', trigger: {} }], 'trigger.price (or trigger.ticks)', 'is missing'],
  ['placeOrder', [{ ...order, type: 'stop', trigger: { price: 5 } }], 'trigger.price', 'trigger.price is 5'],
  ['placeOrder', [{ ...order, type: 'stop', trigger: { tick: 5 } }], 'tick', 'no field "tick"'],
  [
    'placeOrder',
    [{ ...order, display: { lots: 1, size: '1' } }],
    'display.size beside display.lots',
    'one of the two',
  ],
  ['placeOrder', [{ ...order, budget: '5' }], 'budget', 'market order that buys'],
  ['placeOrder', [{ ...order, slippagePpm: 5 }], 'slippagePpm', 'left out'],
  [
    'placeOrder',
    [{ ...order, type: 'market', ticks: undefined, slippagePpm: 0.5 }],
    'slippagePpm',
    'millionths',
  ],
  [
    'placeOrder',
    [{ ...order, type: 'market', ticks: undefined, slippagePpm: 1_000_001 }],
    'slippagePpm',
    '1000000',
  ],
  ['placeOrder', [{ ...order, expiresAtMs: Date.now() + 1000 }], 'expiresAtMs', 'GTD'],
  ['placeOrder', [{ ...order, timeInForce: 'GTD' }], 'expiresAtMs', 'missing'],
  [
    'placeOrder',
    [{ ...order, timeInForce: 'GTD', expiresAtMs: micros }],
    'expiresAtMs',
    'milliseconds since 1970',
  ],
  [
    'placeOrder',
    [{ ...order, timeInForce: 'GTD', expiresAtMs: Date.now() + YEAR_MS + 60_000 }],
    'expiresAtMs',
    '365 days',
  ],
  ['placeOrder', [{ ...order, deadlineMs: micros }], 'deadlineMs', 'milliseconds since 1970'],
  ['placeOrder', [{ ...order, deadlineMs: Date.now() + DAY_MS + 60_000 }], 'deadlineMs', 'a day'],
  ['placeOrder', [null], 'what an order is given', 'an object'],
  ['placeOrder', [], 'what an order is given', 'missing'],
  ['placeOrder', [[order]], 'what an order is given', 'an array'],
  ['placeOrder', [inherits({ ...order, timeInForce: 'gtc' })], 'timeInForce', '"GTC"'],
  ['placeOrder', [inherits({ ...order, bogus: 1 })], 'bogus', 'no field "bogus"'],
  ['placeOrder', [inherits({ ...order, side: 'BUY' })], 'side', '"BUY"'],
  ['placeOrder', [new Written()], 'timeInForce', '"GTC"'],
  ['placeTest', [{ ...order, side: 'Sell' }], 'side', '"Sell"'],
  ['place', [{ ...order, side: 'Sell' }], 'side', '"Sell"'],
  ['amendOrder', [{ ...amend, side: 'buy' }], 'side', 'an amend has no field "side"'],
  ['amendOrder', [{ ...amend, cloid: undefined }], 'cloid', 'missing'],
  ['amendOrder', [{ market: MARKET, cloid: 1n, lots: 5 }], 'price (or ticks)', 'missing'],
  ['amendOrder', [{ market: MARKET, cloid: 1n, ticks: 5 }], 'size (or lots)', 'missing'],
  ['amendOrder', [{ ...amend, price: '1' }], 'price beside ticks', 'one of the two'],
  ['amendOrder', [{ ...amend, display: { lots: 0 } }], 'display', 'at least 1; leave it out'],
  ['amendOrder', [{ ...amend, trigger: { ticks: 0 } }], 'trigger', 'at least 1'],
  ['amendOrder', [{ ...amend, expiresAtMs: 0 }], 'expiresAtMs', 'at least 1'],
  ['amendOrder', [{ ...amend, expiresAtMs: micros }], 'expiresAtMs', 'milliseconds'],
  ['amendOrder', [{ ...amend, deadlineMs: micros }], 'deadlineMs', 'milliseconds'],
  ['cancelOrder', [{ market: MARKET }], 'cloid', 'missing'],
  ['cancelOrder', [{ market: MARKET, cloid: '1' }], 'cloid', '"1"'],
  ['cancelOrder', [{ market: MARKET, cloid: 1n, lots: 1 }], 'lots', 'no field'],
  ['cancelOrder', [{ market: MARKET, cloid: 1n, deadlineMs: micros }], 'deadlineMs', 'milliseconds'],
  ['cancelAll', [{ side: 'BUY' }], 'side', '"BUY"'],
  ['cancelAll', [{ side: 0 }], 'side', 'side is 0'],
  ['cancelAll', [{ side: null }], 'side', 'side is null'],
  ['cancelAll', [{ Side: 'buy' }], 'Side', 'no field'],
  ['cancelAll', [{ market: null }], 'market', 'null'],
  ['cancelAll', [{ deadlineMs: micros }], 'deadlineMs', 'milliseconds'],
  ['cancelAfter', [micros], 'afterMs', 'milliseconds'],
  ['cancelAfter', ['5'], 'afterMs', '"5"'],
  ['cancelAfter', [5n], 'afterMs', '5n'],
  ['cancelAllOf', [{ side: 'BUY' }], 'side', '"BUY"'],
  ['cancel', [{ market: MARKET, cloid: '1' }], 'cloid', '"1"'],
  ['amend', [{ ...amend, size: '1' }], 'size beside lots', 'two'],
  ['cancelOnDisconnect', ['yes'], 'on', 'true or false'],
  ['setProtection', [MARKET, { fills: 1 }], 'windowMs', 'missing'],
  ['setProtection', [MARKET, { windowMs: 1, fill: 1 }], 'fill', 'no field'],
  [
    'setProtection',
    [MARKET, { windowMs: 1, notional: '1', notionalUnits: 1 }],
    'notional beside notionalUnits',
    'two',
  ],
  ['resetProtection', [null], 'market', 'null'],
  ['createSession', [{ scopes: ['admin'] }], 'scopes', '"admin"'],
  ['createSession', [{ scopes: [] }], 'scopes', '"read"'],
  ['createSession', [{ scope: ['read'] }], 'scope', 'no field'],
  ['createSession', [{ maxNotional: null }], 'maxNotional', 'null'],
  ['createSession', [{ expiresAtMs: micros }], 'expiresAtMs', 'milliseconds'],
  ['createSession', [{ key: {} }], 'key', 'a session key'],
  ['createSession', [{ account: '1' }], 'account', '"1"'],
  ['revokeSession', ['1'], 'approval', '"1"'],
  ['revokeSession', [1, null], 'account', 'null'],
  ['logon', [], 'what logon is given', 'missing'],
  ['logon', [null], 'what logon is given', 'null'],
  ['logon', [{ account: 1, approval: 1 }], 'key', 'missing'],
  ['logon', [{ account: 1, approval: 1, key: 5 }], 'key', 'a session key'],
  ['logon', [{ account: 1, approval: 1, key: { sign: ignore } }], 'key', 'a session key'],
  ['logon', [{ account: 1, approval: 'x', key: {} }], 'approval', 'approval is "x"'],
  ['logon', [{ account: -1, approval: 1, key: {} }], 'account', 'from 0'],
  ['logon', [{ account: 1, approval: 1, bogus: 1 }], 'bogus', 'no field'],
  ['account', [5], 'owner', 'owner is 5'],
  ['account', ['0x12'], 'owner', '40 hexadecimal digits'],
  ['account', [null], 'owner', 'null'],
  ['connect', [{ url: 'ws://a' }], 'what connect is given', 'takes nothing'],
  ['call', [5, []], 'method', '5'],
  ['call', ['time', null], 'params', 'an array'],
  ['call', ['time', [], { comand: true }], 'comand', 'no field'],
  ['call', ['time', [], { command: 1 }], 'command', 'true or false'],
  ['requestWithdrawal', [{ asset: 'USDC', amount: 5 }], 'amount', 'amount is 5'],
  ['requestWithdrawal', [{ asset: 'USDC', amount: '5', to: '0x' }], 'to', 'no field'],
  ['requestWithdrawal', [{ asset: 'EUR', amount: '5' }], 'asset', '"USDC" (1)'],
  ['deposit', [{ asset: 'USDC' }], 'amount', 'missing'],
  ['withdrawalStatus', [{}], 'asset', 'missing'],
  ['claim', [{ asset: null }], 'asset', 'null'],
  ['verifyBalance', [{ assets: 'USDC' }], 'assets', 'no field'],
  ['verifyFill', [{}], 'fill', 'missing'],
  ['verifyFill', [{ fill: {} }], 'fill.seq', 'missing'],
  ['verifyFill', [{ fill: { seq: 1, index: 0 }, proof: {} }], 'leaf', 'bytes (Uint8Array)'],
  ['verifyFill', [{ fill: { seq: 1, index: 0 }, receipt: {} }], 'receipt.frameHash', '32 bytes'],
  ['proof', [{ account: 1 }], 'asset', 'missing'],
  ['proof', [{ account: '1', asset: 0 }], 'account', '"1"'],
  ['fillProof', [null], 'fill', 'null'],
  ['fillProof', [{ seq: 1 }], 'fill.index', 'missing'],
  ['orders', [{ limit: 0 }], 'what orders is given', 'takes nothing'],
  ['orders', [{ bogus: 1 }], 'what orders is given', 'takes nothing'],
  ['balances', [5], 'what balances is given', 'takes nothing'],
  ['fees', [MARKET], 'what fees is given', 'takes nothing'],
  ['sessions', [1], 'what sessions is given', 'takes nothing'],
  ['time', ['s'], 'what time is given', 'takes nothing'],
  ['engineTime', ['s'], 'what engineTime is given', 'takes nothing'],
  ['trackOrders', [MARKET], 'what trackOrders is given', 'takes nothing'],
  ['trackFills', [{ afterSeq: 5 }], 'what trackFills is given', 'takes nothing'],
  ['trackBalances', ['USDC'], 'what trackBalances is given', 'takes nothing'],
  ['fillsPage', [{ limit: 0 }], 'limit', '1 to 1000'],
  ['fillsPage', [inherits({ limit: 0 })], 'limit', '1 to 1000'],
  ['fillsPage', [{ afterSeq: 5n }], 'afterSeq', '5n'],
  ['fills', [{ limit: 5 }], 'limit', 'it takes afterSeq and afterIndex'],
  ['fills', [{ afterSeq: '5' }], 'afterSeq', '"5"'],
  ['fills', [{ after: 1 }], 'after', 'no field'],
  ['depth', [MARKET, 0], 'depth', '1 to 1000'],
  ['trades', [MARKET, '5'], 'limit', '"5"'],
  ['candles', [MARKET, '2m'], 'interval', '"1m"'],
  ['batches', [0], 'limit', '1 to 100'],
  ['ticker', [null], 'market', 'null'],
  ['ticker', [inherits({ id: 0 })], 'market', 'an object'],
  ['order', [{ cloid: 1 }], 'cloid', 'bigint'],
  ['order', [{}], 'cloid (or orderId)', 'missing'],
  ['subscribe', ['book:0'], 'listener', 'a function'],
  ['subscribe', ['book:0', ignore, { gap: 5 }], 'gap', 'a function'],
  ['subscribe', ['book:0', ignore, { end: ignore }], 'end', 'no field'],
  ['subscribe', ['book:0', ignore, null], 'what a watcher is given', 'null'],
  ['messages', [5], 'name of a stream', '5'],
  ['subscribeBook', [MARKET, ignore, 7], 'depth', '5, 10, 20 or 50'],
  ['subscribeBookL3', [null, ignore], 'market', 'null'],
  ['subscribeBbo', ['EUR', ignore], 'market', '"EUR"'],
  ['subscribeTicker', [undefined, ignore], 'market', 'must be'],
  ['subscribeStatus', [5, ignore], 'market', 'market is 5'],
  ['subscribeTrades', [MARKET, null], 'listener', 'a function'],
  ['subscribeCandles', [MARKET, '2m', ignore], 'interval', '"1m"'],
  ['subscribeOrders', [{}], 'listener', 'a function'],
  ['subscribeFills', [], 'listener', 'missing'],
  ['subscribeBalances', [5], 'listener', 'a function'],
  ['subscribeSettlement', ['x'], 'listener', 'a function'],
  ['trackBook', [null], 'market', 'null'],
  ['onState', [undefined], 'onState', 'a function'],
  ['onError', ['x'], 'onError', 'a function'],
  ['onNotice', [null], 'onNotice', 'a function'],
  ['onSessionEnded', [{}], 'onSessionEnded', 'a function'],
  ['sendFrame', [[]], 'commands', '1 to 64'],
  ['sendFrameForReceipt', [null], 'commands', 'null'],
  ['batchUnsigned', [[{}]], 'commands[0]', 'as place'],
  ['batch', [[]], 'commands', '1 to 64'],
  ['batch', [null], 'commands', 'null'],
  ['batch', [[order]], 'commands[0]', 'as place'],
  ['batch', [[{ kind: CommandKind.CancelAll, market: -1, side: 2 }]], 'side', '-1, 0, 1'],
  ['batch', [[{ kind: CommandKind.CancelAll, market: -1 }]], 'side', 'missing'],
  ['batch', [[{ kind: CommandKind.Place, market: 0, ticks: 1, lots: 1, cloid: 1n }]], 'side', '0, 1'],
  ['batch', [[{ kind: CommandKind.Cancel, market: 0, cloid: 1n, lots: 1 }]], 'lots', 'no field'],
  ['batch', [[{ kind: CommandKind.Cancel, market: 0, cloid: null }]], 'cloid', 'null'],
]

test.each(refusals)('%s %j is refused, naming %s', async (action, given, field, says) => {
  let error: unknown
  try {
    await untyped(action)(...given)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({ name: 'InputError', details: { field } })
  const { message, details } = error as Error & { details: RefusedInput }
  expect(message).toContain(says)
  expect(details.allowed).not.toBe('')
  // Nothing left this process.
  expect(exchange.requests.map(({ method }) => method)).toEqual([])
})

/** They end something, or count: nothing given to them could be meant, and an end must not fail. */
const TAKE_ANYTHING = ['close', 'dropConnection', 'nextCloid'] as const satisfies readonly (keyof Client)[]
/** What a subclass sees and a caller does not, which the types say and this file can only name. */
const PROTECTED = [
  'enter',
  'follow',
  'howItEnded',
  'leave',
  'namedAsset',
  'ownAccount',
  'signed',
  'trackedTouch',
  'whenOpen',
] as const
type Callable = Extract<(typeof PROTECTED)[number], keyof Client>
const noneIsPublic: [Callable] extends [never] ? true : false = true

test('every method has a row above', () => {
  const methods = new Set<string>()
  for (let at: object = Client.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object)
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (typeof value === 'function' && name !== 'constructor') methods.add(name)
  const named = [...refusals.map(([action]) => action), ...TAKE_ANYTHING, ...PROTECTED]
  expect([...new Set(named)].sort()).toEqual([...methods].sort())
  expect(noneIsPublic).toBe(true)
})

test('options that inherit what they do not say, and those of a class, are read as they are checked', async () => {
  const fill = { afterSeq: 5, limit: 7 }
  exchange.answer = ({ method }) =>
    method === Method.Fills
      ? { result: { fills: [], complete: true, more: false } }
      : method === Method.Order
        ? { error: ErrorCode.NotFound }
        : undefined
  await untyped('fillsPage')(inherits(fill))
  await untyped('order')(inherits({ orderId: 9 }))
  expect(exchange.requests.map(({ method, params }) => [method, params])).toEqual([
    [Method.Fills, [fill]],
    [Method.Order, [{ orderId: 9 }]],
  ])
  expect(untyped('place')(inherits(order))).toMatchObject({ market: 0, side: 0, ticks: 50, lots: 2 })
  const own = createClient(inherits({ url: exchange.url, reconnect: false }) as never)
  await own.connect()
  own.close()
})

test.each([
  [() => createSessionKey({ extractable: 1 } as never), 'extractable is 1'],
  [() => createSessionKey(null as never), 'what createSessionKey is given is null'],
  [() => importSessionKey(null as never), 'jwk is null'],
])('a session key: %s is refused', async (make, says) => {
  await expect(make()).rejects.toThrow(says)
  await expect(make()).rejects.toMatchObject({ name: 'InputError' })
})

const ADDRESS = `0x${'11'.repeat(20)}`
const DEPLOYMENT = { chainId: 1, vault: ADDRESS, settlement: ADDRESS }
test.each([
  [{ url: 'http://127.0.0.1:9001' }, 'write "ws://127.0.0.1:9001"'],
  [{ url: 'https://example.org/x' }, 'write "wss://example.org/x"'],
  [{ url: 'localhost:9001' }, 'a WebSocket address such as'],
  [{}, 'url is missing'],
  [{ url: 'ws://a', wallets: {} }, 'no field "wallets"'],
  [{ url: 'ws://a', encoding: 'cbor' }, '"msgpack" or "json"'],
  [{ url: 'ws://a', wallet: null }, 'wallet is null'],
  [{ url: 'ws://a', deployment: { chainId: 1, vault: '0x1' } }, 'deployment.vault is "0x1"'],
  [
    {
      url: 'ws://a',
      deployment: { ...DEPLOYMENT, assets: [{ id: 0, symbol: 'A', decimals: 6, unitAtoms: 1 }] },
    },
    'deployment.assets[0].unitAtoms is 1',
  ],
  [
    { url: 'ws://a', deployment: { ...DEPLOYMENT, markets: [{ id: 0, base: 0, quote: 1, lotUnits: 0 }] } },
    'deployment.markets[0].lotUnits is 0',
  ],
  [{ url: 'ws://a', reconnect: 'no' }, 'true or false'],
])('createClient(%j) is refused', (options, says) => {
  expect(() => createClient(options as never)).toThrow(says)
  expect(() => createClient(options as never)).toThrow(
    expect.objectContaining({ name: 'InputError' }) as Error,
  )
})

test('an exchange that is not there is named', async () => {
  const absent = createClient({ url: 'ws://127.0.0.1:1', reconnect: false })
  await expect(absent.connect()).rejects.toThrow(
    /^cannot connect to ws:\/\/127\.0\.0\.1:1: .*check the address.*\(CannotConnect, 1011\)$/,
  )
})

describe('protection prices', () => {
  const wire = (given: object) => untyped('place')(given) as Extract<WireCommand, { ticks: number }>

  test('a stop and a take-profit take theirs from the trigger, 1 % away unless told otherwise', () => {
    const stop = { market: MARKET, lots: 1, type: 'stop', trigger: { ticks: 1000 } }
    expect(wire({ ...stop, side: 'sell' })).toMatchObject({ side: Side.Sell, ticks: 990, triggerTicks: 1000 })
    expect(wire({ ...stop, side: 'buy' })).toMatchObject({ ticks: 1010, orderType: OrderType.Stop })
    expect(wire({ ...stop, side: 'sell', type: 'takeProfit', slippagePpm: 500 })).toMatchObject({
      ticks: 1000,
    })
    expect(wire({ ...stop, side: 'buy', type: 'takeProfit', slippagePpm: 50_000 })).toMatchObject({
      ticks: 1050,
    })
    expect(wire({ ...stop, side: 'sell', slippagePpm: 1_000_000 })).toMatchObject({ ticks: 1 })
    expect(wire({ ...stop, side: 'sell', ticks: 7 })).toMatchObject({ ticks: 7 })
  })

  test('a market order takes its price from the book, on the side that it trades with', async () => {
    const placed: unknown[] = []
    const levels = [[[1000, 5, 1]], [[2000, 5, 1]]]
    exchange.answer = ({ method, params }) => {
      if (method === Method.PlaceTest) placed.push((params[0] as unknown[])[3])
      return method === Method.Depth ? { result: { levels, seq: 1, checksum: 0 } } : undefined
    }
    const sell = { market: MARKET, side: 'sell', type: 'market', lots: 1 }
    await untyped('placeTest')(sell)
    await untyped('placeTest')({ ...sell, side: 'buy' })
    await untyped('placeTest')({ ...sell, slippagePpm: 100_000 })
    await untyped('placeTest')({ ...sell, ticks: 5 })
    await untyped('placeTest')({ ...sell, side: 'buy', budget: '1' })
    expect(placed).toEqual([990, 2020, 900, 5, 0])
    expect(exchange.count(Method.Depth)).toBe(3)
  })

  test('an empty side of the book is an error that names the missing field', async () => {
    exchange.answer = ({ method }) =>
      method === Method.Depth ? { result: { levels: [[], []], seq: 1, checksum: 0 } } : undefined
    const given = { market: MARKET, side: 'sell', type: 'market', lots: 1 }
    await expect(untyped('placeOrder')(given)).rejects.toThrow(/price \(or ticks\) is missing.*no bids/)
    expect(() => untyped('place')(given)).toThrow('place needs trackBook')
    expect(exchange.count(Method.Frame)).toBe(0)
  })
})

test('an amend carries display size, trigger and expiry', () => {
  const expiresAtMs = Date.now() + 60_000
  const given = { ...amend, display: { lots: 2 }, trigger: { ticks: 9 }, expiresAtMs }
  const command = untyped('amend')(given) as WireCommand
  expect(commandToWire(command)).toEqual([2, 0, 1n, 50, 2, 0, 2, 9, expiresAtMs])
  expect(commandToWire(untyped('amend')(amend) as WireCommand)).toEqual([2, 0, 1n, 50, 2])
})

describe('words', () => {
  test('each reject of the engine has a sentence of its own', () => {
    const missing = rejectNames.filter((_, reject) => reject > 0 && !explainedRejects.has(reject))
    expect(missing).toEqual([])
  })

  test('with the value, the bound and what to do, then the code', () => {
    const place = untyped('place')({ ...order, ticks: 0, lots: 2 ** 31 }) as WireCommand
    expect(rejectionOf(rejectToCode(Reject.ZeroTicks), place).message).toBe(
      'ticks 0 is not a price; a price is 1 to 2147483647 ticks: give price or ticks within that (ZeroTicks, 4011)',
    )
    expect(rejectionOf(rejectToCode(Reject.LotsOverLimit), place).message).toBe(
      'lots 2147483648 is above 2147483647; a size is 1 to 2147483647 lots: give size or lots within that (LotsOverLimit, 4016)',
    )
    const said = (reject: number, fields: object): string =>
      rejectionOf(rejectToCode(reject), fields as WireCommand).message
    expect(said(Reject.BadExpiry, { kind: CommandKind.CancelAfter, atMs: 5 })).toMatch(
      /^atMs 5 had passed when it reached the engine/,
    )
    expect(said(Reject.BadProtection, { kind: CommandKind.ResetProtection, market: 3 })).toMatch(
      /^market 3 has no protection of this account; make one with setProtection/,
    )
    expect(said(Reject.PostOnlyNotGtc, { ...place, orderType: OrderType.Market })).toMatch(
      /^orderType Market trades at once, which postOnly forbids/,
    )
    expect(said(Reject.PostOnlyNotGtc, { ...place, timeInForce: 1 })).toMatch(/^timeInForce IOC does not go/)
    expect(said(Reject.InsufficientFunds, { ...place, side: Side.Sell, lots: 9 })).toMatch(
      /less than lots 9;/,
    )
    expect(said(Reject.InsufficientFunds, { ...place, side: Side.Buy, ticks: 0, quoteBudget: 7 })).toMatch(
      /less than quoteBudget 7;/,
    )
    expect(rejectionOf(4999, place).message).toBe('the exchange refused the command (Unknown, 4999)')
  })

  test('in tokens too, where the market is known', async () => {
    const market = client.markets.market(MARKET)
    const said = (reject: Reject, fields: object): string => {
      const command = { ...(untyped('place')(order) as WireCommand), ...fields } as WireCommand
      return rejectionOf(rejectToCode(reject), command, market).message
    }
    const price = (ticks: number): string => fromTicks(ticks, market)
    const size = (lots: number): string => fromLots(lots, market)
    expect(said(Reject.LotsOverLimit, { lots: 2 ** 31 })).toContain(
      `lots 2147483648 (size ${size(2 ** 31)}) is above 2147483647; a size is 1 to 2147483647 lots (${size(1)} to ${size(2 ** 31 - 1)}):`,
    )
    expect(said(Reject.TicksOverLimit, { ticks: 2 ** 31 })).toContain(
      `ticks 2147483648 (price ${price(2 ** 31)}) is above 2147483647; a price is 1 to 2147483647 ticks (${price(1)} to ${price(2 ** 31 - 1)}):`,
    )
    expect(said(Reject.InsufficientFunds, { side: Side.Sell, lots: 9 })).toContain(
      `the available ETH is less than lots 9 (size ${size(9)});`,
    )
    expect(said(Reject.InsufficientFunds, {})).toContain(
      `the available USDC is less than ticks 50 (price ${price(50)}) x lots 2 (size ${size(2)}) and its fee;`,
    )
    expect(said(Reject.InsufficientFunds, { quoteBudget: 7 })).toContain(
      `the available USDC is less than quoteBudget 7 (${fromUnits(7, market.quote)} USDC);`,
    )
    const told = (reject: Reject, bound: number): string =>
      rejectionOf(rejectToCode(reject), untyped('place')(order) as WireCommand, market, bound).message
    const usdc = (units: number): string => `${units} units, ${fromUnits(units, market.quote)} USDC`
    expect(told(Reject.InsufficientFunds, 99)).toContain(
      `the available USDC (${usdc(99)}) is less than ticks 50`,
    )
    expect(told(Reject.SessionNotional, 0)).toContain(`the session's maxNotional (${usdc(0)}); make`)
    const amended = untyped('amend')(amend) as WireCommand
    expect(rejectionOf(rejectToCode(Reject.InsufficientFunds), amended, market).message).toContain(
      'the available balance is less than ticks 50',
    )
    exchange.answer = ({ method }) =>
      method === Method.Frame ? { result: [7, [[rejectToCode(Reject.InsufficientFunds)]]] } : undefined
    await expect(client.placeOrder(order as PlaceOrder)).rejects.toThrow('the available USDC is less than')
    exchange.answer = ({ method }) =>
      method === Method.Frame ? { result: [7, [[rejectToCode(Reject.InsufficientFunds), 0]]] } : undefined
    await expect(client.placeOrder(order as PlaceOrder)).rejects.toThrow(
      `the available USDC (${usdc(0)}) is less than`,
    )
  })

  test('what the exchange says itself is followed by what to do', async () => {
    exchange.answer = ({ method }) =>
      method === Method.Ticker ? { error: ErrorCode.RateLimited, retryAfter: 5 } : undefined
    await expect(client.ticker(MARKET)).rejects.toMatchObject({
      message: 'refused ticker; wait for retryAfter ms (RateLimited, 5000)',
      retryAfter: 5,
    })
  })
})

test('a client may have one frame on its way at a time', () => {
  expect(() => createClient({ url: exchange.url, framesWaitingMax: 1 })).not.toThrow()
  expect(() => createClient({ url: exchange.url, framesWaitingMax: 0 })).toThrow(/framesWaitingMax is 0/)
})
