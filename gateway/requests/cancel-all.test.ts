/** A cancel-all of more orders than one command may cancel: its answer says that the rest follows, and it does. */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { createClient } from '../../sdk/index.js'

let rig: Rig
beforeAll(async () => {
  rig = await startRig({ accounts: 1, capacities: { commandStepsMax: 16 } })
}, 300_000)
afterAll(() => rig.stop())

test('how many were cancelled, that more follow, and none at the end', async () => {
  const client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  await client.createSession()
  const place = () => client.place({ market: 0, side: 'buy', ticks: 10, lots: 1 })
  await client.batch(Array.from({ length: 40 }, place))
  const first = await client.cancelAll()
  expect(first.more).toBe(true)
  expect(first.count).toBeGreaterThan(0)
  expect(first.count).toBeLessThan(40)
  for (let waited = 0; (await client.orders()).length > 0 && waited < 1000; waited++)
    await new Promise((resolve) => setTimeout(resolve, 20))
  expect(await client.orders()).toHaveLength(0)
  // In a frame beside others, too; an order's result says nothing of the kind.
  const [placed, cancelled] = await client.batch([place(), client.cancelAllOf()])
  expect(placed).toMatchObject({ state: 'open', more: false })
  expect(cancelled).toMatchObject({ count: 1, more: false })
  client.close()
}, 300_000)
