/**
 * What cancels and amends say of an order, against a real exchange: what was filled over its whole life, on the
 * plain path and on that of a lost answer, and whether a stop still waits.
 */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type MessageProxy, startMessageProxy } from '../../test/support/message-proxy.js'
import {
  type Client,
  type CommandResult,
  OutcomeUnknownError,
  cancelReasonNames,
  createClient,
} from '../index.js'
import { Method } from '../wire/layout.js'

const MARKET = 'ETH-USDC'
let rig: Rig
let proxy: MessageProxy
let maker: Client
let taker: Client
beforeAll(async () => {
  rig = await startRig({ accounts: 2 })
  proxy = await startMessageProxy(rig.url)
  maker = await createClient({ url: proxy.url, wallet: rig.wallets[0]!, reconnectDelayMsMax: 20 }).connect()
  taker = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
  for (const client of [maker, taker]) await client.createSession()
})
afterAll(async () => {
  for (const client of [maker, taker]) client.close()
  proxy.close()
  await rig.stop()
})

/** An order of 20 lots of which 8 are filled. */
async function partlyFilled(): Promise<bigint> {
  const { cloid } = await maker.placeOrder({ market: MARKET, side: 'sell', ticks: 100, lots: 20 })
  const bought = await taker.placeOrder({
    market: MARKET,
    side: 'buy',
    ticks: 100,
    lots: 8,
    timeInForce: 'IOC',
  })
  expect(bought).toMatchObject({ state: 'filled', filledLots: 8 })
  return cloid!
}

/** The result of a call, whose answer is lost when `isLost`. */
async function resultOf(isLost: boolean, call: () => Promise<CommandResult>): Promise<CommandResult> {
  if (!isLost) return call()
  let cut = false
  proxy.judge = ({ to, method }) => {
    if (cut || to !== 'client' || method !== Method.Frame) return 'pass'
    cut = true
    return 'cut'
  }
  const error: unknown = await call().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(OutcomeUnknownError)
  return ((await (error as OutcomeUnknownError).outcome) as CommandResult[])[0]!
}

describe.each([
  ['answered', false],
  ['found out', true],
] as const)('%s', (_, isLost) => {
  test('a cancel tells what was filled before', async () => {
    const cloid = await partlyFilled()
    expect(await resultOf(isLost, () => maker.cancelOrder({ market: MARKET, cloid }))).toMatchObject({
      state: 'canceled',
      remainingLots: 12,
      filledLots: 8,
      error: undefined,
    })
  })

  test('an amend tells it too', async () => {
    const cloid = await partlyFilled()
    const amend = { market: MARKET, cloid, ticks: 101, lots: 15 }
    expect(await resultOf(isLost, () => maker.amendOrder(amend))).toMatchObject({
      state: 'open',
      remainingLots: 7,
      filledLots: 8,
    })
    await maker.cancelAll()
  })

  test('an amend to no more than what is filled cancels, and tells it', async () => {
    const cloid = await partlyFilled()
    const amend = { market: MARKET, cloid, ticks: 100, lots: 5 }
    expect(await resultOf(isLost, () => maker.amendOrder(amend))).toMatchObject({
      state: 'canceled',
      remainingLots: 12,
      filledLots: 8,
    })
  })

  test('a stop that is amended still waits', async () => {
    const stop = { market: MARKET, side: 'sell', type: 'stop', trigger: { ticks: 50 }, lots: 3 } as const
    const { cloid, state } = await maker.placeOrder(stop)
    expect(state).toBe('waiting')
    const orders = await maker.trackOrders()
    const amend = { market: MARKET, cloid: cloid!, ticks: 30, lots: 2, trigger: { ticks: 40 } }
    expect(await resultOf(isLost, () => maker.amendOrder(amend))).toMatchObject({
      state: 'waiting',
      filledLots: 0,
      remainingLots: 2,
    })
    for (let waited = 0; orders.byCloid(cloid!)?.lots !== 2; waited++) {
      if (waited > 120_000) throw new Error('waited in vain: the stream')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(orders.byCloid(cloid!)).toMatchObject({ state: 'waiting', ticks: 30 })
    await maker.cancelAll()
  })
})

test('self-trade prevention that makes an own maker smaller answers for the taker', async () => {
  const resting = await maker.placeOrder({ market: MARKET, side: 'sell', ticks: 100, lots: 10 })
  const result = await maker.placeOrder({
    market: MARKET,
    side: 'buy',
    ticks: 100,
    lots: 4,
    selfTrade: 'decrement',
  })
  expect(result.orderId).toBeGreaterThan(resting.orderId)
  expect(result).toMatchObject({ state: 'canceled', filledLots: 0 })
  expect(cancelReasonNames[result.reason]).toBe('SelfTrade')
  await maker.cancelAll()
})

test('an order that is taken and yet ends says why; one that stands has no reason', async () => {
  const order = { market: MARKET, side: 'buy', ticks: 1, lots: 4 } as const
  const nothing = await maker.placeOrder({ ...order, timeInForce: 'IOC' })
  expect([nothing.state, cancelReasonNames[nothing.reason]]).toEqual(['canceled', 'ImmediateOrCancel'])
  const resting = await maker.placeOrder(order)
  expect([resting.state, resting.reason]).toEqual(['open', 0])
  const [canceled] = await maker.batch([maker.cancel({ market: MARKET, cloid: resting.cloid! })])
  expect([canceled!.state, cancelReasonNames[canceled!.reason]]).toEqual(['canceled', 'User'])
})
