/**
 * What a caller may write, and what is refused before anything is sent: each refusal names the field, the value
 * and what is allowed. Programs without types do what types would forbid, so the calls here are untyped.
 */
import { CommandKind, OrderType, Reject, Side, rejectNames } from '../engine/codes.js'
import { type FakeExchange, startFakeExchange } from '../test/fake-exchange.js'
import { explainedRejects, rejectionOf } from './explain.js'
import {
  type Client,
  ErrorCode,
  type RefusedInput,
  createClient,
  createSessionKey,
  rejectToCode,
} from './index.js'
import { type WireCommand, commandToWire } from './wire/commands.js'
import { Method } from './wire/layout.js'

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
  ['placeOrder', [{ ...order, type: 'stop', trigger: 5 }], 'what trigger is given', 'price and ticks'],
  ['placeOrder', [{ ...order, type: 'stop', trigger: {} }], 'price (or ticks)', 'trigger needs one'],
  ['placeOrder', [{ ...order, type: 'stop', trigger: { tick: 5 } }], 'tick', 'no field "tick"'],
  ['placeOrder', [{ ...order, display: { lots: 1, size: '1' } }], 'size beside lots', 'one of the two'],
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
  ['revokeSession', ['1'], 'approval', '"1"'],
  ['requestWithdrawal', [{ asset: 'USDC', amount: 5 }], 'amount', 'amount is 5'],
  ['requestWithdrawal', [{ asset: 'USDC', amount: '5', to: '0x' }], 'to', 'no field'],
  ['requestWithdrawal', [{ asset: 'EUR', amount: '5' }], 'asset', '"USDC" (1)'],
  ['deposit', [{ asset: 'USDC' }], 'amount', 'missing'],
  ['withdrawalStatus', [{}], 'asset', 'missing'],
  ['claim', [{ asset: null }], 'asset', 'null'],
  ['verifyBalance', [{ assets: 'USDC' }], 'assets', 'no field'],
  ['verifyFill', [{}], 'fill', 'missing'],
  ['fills', [{ limit: 0 }], 'limit', '1 to 1000'],
  ['fills', [{ after: 1 }], 'after', 'no field'],
  ['depth', [MARKET, 0], 'depth', '1 to 1000'],
  ['trades', [MARKET, '5'], 'limit', '"5"'],
  ['candles', [MARKET, '2m'], 'interval', '"1m"'],
  ['batches', [0], 'limit', '1 to 100'],
  ['order', [{ cloid: 1 }], 'cloid', 'bigint'],
  ['order', [{}], 'cloid (or orderId)', 'missing'],
  ['subscribe', ['book:0'], 'listener', 'a function'],
  ['subscribeBook', [MARKET, () => {}, 7], 'depth', '5, 10, 20 or 50'],
  ['onState', [undefined], 'onState', 'a function'],
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

test.each([
  [{ url: 'http://127.0.0.1:9001' }, 'write "ws://127.0.0.1:9001"'],
  [{ url: 'https://example.org/x' }, 'write "wss://example.org/x"'],
  [{ url: 'localhost:9001' }, 'a WebSocket address such as'],
  [{}, 'url is missing'],
  [{ url: 'ws://a', wallets: {} }, 'no field "wallets"'],
  [{ url: 'ws://a', encoding: 'cbor' }, '"msgpack" or "json"'],
  [{ url: 'ws://a', wallet: null }, 'wallet is null'],
  [{ url: 'ws://a', deployment: { chainId: 1, vault: '0x1' } }, 'deployment.vault is "0x1"'],
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
      'ticks 0 is no price; a price is 1 to 2147483647 ticks: give price or ticks within that (ZeroTicks, 4011)',
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

  test('what the exchange says itself is followed by what to do', async () => {
    exchange.answer = ({ method }) =>
      method === Method.Ticker ? { error: ErrorCode.RateLimited, retryAfter: 5 } : undefined
    await expect(client.ticker(MARKET)).rejects.toMatchObject({
      message: 'refused ticker; wait for retryAfter ms (RateLimited, 5000)',
      retryAfter: 5,
    })
  })
})
