/**
 * Behind sweeps of thousands of fills, of which much is to be told, an order is answered at once; and whoever was told
 * of it finds it in whatever is asked next, over WebSocket and HTTP.
 */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { COMMAND_STEPS_MAX } from '../../engine/limits.js'
import { type Client, createClient } from '../../sdk/index.js'
import { FILLS_UNDER_WAY_MAX } from '../limits.js'

const FREE = { perSecond: 1e9, burst: 1e9 }
let rig: Rig
const clients: Client[] = []
beforeAll(async () => {
  rig = await startRig({ accounts: 3, config: { orderRate: FREE, ipOrderRate: FREE, requestRate: FREE } })
})
afterAll(async () => {
  for (const client of clients) client.close()
  await rig.stop()
})

async function open(index: number): Promise<Client> {
  const client = createClient({ url: `ws://127.0.0.1:${rig.port}`, wallet: rig.wallets[index]! })
  clients.push(client)
  await client.connect()
  await client.createSession()
  return client
}

test('an order’s answer does not wait for what sweeps before it are told of, and what is asked next does', async () => {
  const [maker, taker, honest] = [await open(0), await open(1), await open(2)]
  for (const each of [maker, taker]) {
    await each.subscribeOrders(() => {})
    await each.subscribeFills(() => {})
  }
  const SWEEPS = FILLS_UNDER_WAY_MAX / COMMAND_STEPS_MAX
  const sweep = { market: 0, side: 'buy', ticks: 50, lots: COMMAND_STEPS_MAX, timeInForce: 'IOC' } as const
  for (let round = 0; round < 10; round++) {
    await maker.placeOrder({
      ...{ market: 0, side: 'sell', ticks: 50, lots: SWEEPS * COMMAND_STEPS_MAX },
      display: { lots: 2 },
    })
    const sweeps = Promise.all(Array.from({ length: SWEEPS }, () => taker.placeOrder(sweep)))
    const { orderId, cloid } = await honest.placeOrder({ market: 0, side: 'buy', ticks: 10, lots: 1 })
    const [orders, order, depth] = await Promise.all([
      honest.orders(),
      honest.order({ cloid }),
      fetch(`http://127.0.0.1:${rig.port}/v1/depth?market=0&depth=100`).then((answer) => answer.json()),
    ])
    expect(orders.map((each) => each.orderId)).toEqual([orderId])
    expect(order?.orderId).toBe(orderId)
    const [bids] = (depth as { levels: [number, number, number][][] }).levels as [[number, number, number][]]
    expect(bids.map(([ticks, , count]) => [ticks, count])).toEqual([[10, 1]])
    await honest.cancelOrder({ market: 0, cloid })
    expect(await honest.orders()).toEqual([])
    for (const { filledLots } of await sweeps) expect(filledLots).toBe(COMMAND_STEPS_MAX)
  }
})

test('who has swept finds all of it in what he asks next, over WebSocket and HTTP', async () => {
  const [maker, taker] = [await open(0), await open(1)]
  await maker.cancelAll()
  for (let round = 0; round < 20; round++) {
    await maker.placeOrder({
      ...{ market: 0, side: 'sell', ticks: 50, lots: COMMAND_STEPS_MAX },
      display: { lots: 1 },
    })
    const lotsOf = async (): Promise<number> => (await taker.balances())[0]!.availableUnits
    const before = await lotsOf()
    await taker.placeOrder({ market: 0, side: 'buy', ticks: 50, lots: COMMAND_STEPS_MAX, timeInForce: 'IOC' })
    const url = `http://127.0.0.1:${rig.port}/v1/depth?market=0&depth=100`
    const [after, depth] = await Promise.all([
      lotsOf(),
      fetch(url).then((answer) => answer.json() as Promise<{ levels: unknown[][] }>),
    ])
    // A lot of the rig's market is ten units.
    expect(after - before).toBe(10 * COMMAND_STEPS_MAX)
    expect(depth.levels[1]).toEqual([])
  }
})
