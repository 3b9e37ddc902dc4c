import { PostOnly } from '../../engine/codes.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { COMMAND_STEPS_MAX } from '../../engine/limits.js'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, createClient } from '../../sdk/index.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { commandRecord } from '../../engine/records/access.js'
import { FILLS_UNDER_WAY_MAX } from '../limits.js'
import { FillsUnderWay, fillsAtMost } from './fills-under-way.js'

const IP = '192.0.2.1'
let rig: Rig | undefined
const clients: Client[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await rig?.stop()
  rig = undefined
})

const records = (...commands: Int32Array[]): Int32Array => {
  const all = new Int32Array(commands.length * COMMAND_WORDS)
  for (const [index, command] of commands.entries()) all.set(command, index * COMMAND_WORDS)
  return all
}
const named = { account: 1, market: 0, cloid: 1 }
const place = (lots: number, postOnly: PostOnly = PostOnly.None): Int32Array =>
  commandRecord('Place', { ...named, side: 0, ticks: 10, lots, postOnly })

test.each([
  ['an order, as often as it has lots', [place(5)], 5],
  ['orders together', [place(5), place(7)], 12],
  ['an order that only posts, and one that slides', [place(5, PostOnly.Reject), place(5, PostOnly.Slide)], 0],
  ['an amend, as often as its new size', [commandRecord('Amend', { ...named, ticks: 10, lots: 9 })], 9],
  ['cancels', [commandRecord('Cancel', named), commandRecord('CancelAll', named)], 0],
  ['lots that no order can have', [place(-1), place(-(2 ** 31)), place(3)], 3],
  ['the steps of a frame at most', [place(2 ** 31 - 1), place(2 ** 31 - 1)], COMMAND_STEPS_MAX],
  ['the same in small orders', Array.from({ length: 64 }, () => place(17)), COMMAND_STEPS_MAX],
])('what a frame could fill: %s', (_what, commands, fills) => {
  expect(fillsAtMost(records(place(1), ...commands), 1, commands.length)).toBe(fills)
})

test('an address has so many fills under way and no more; what fills nothing always has room', () => {
  const underWay = new FillsUnderWay()
  for (let sent = 0; sent < FILLS_UNDER_WAY_MAX; sent += COMMAND_STEPS_MAX) {
    expect(underWay.hasRoom(IP, COMMAND_STEPS_MAX)).toBe(true)
    underWay.sent(IP, COMMAND_STEPS_MAX)
  }
  expect(underWay.hasRoom(IP, 1)).toBe(false)
  expect(underWay.hasRoom(IP, 0)).toBe(true)
  expect(underWay.hasRoom('192.0.2.2', COMMAND_STEPS_MAX)).toBe(true)
  underWay.back(IP, 5)
  expect(underWay.hasRoom(IP, 5)).toBe(true)
  expect(underWay.hasRoom(IP, 6)).toBe(false)
  underWay.sent(IP, 0)
  underWay.back(IP, FILLS_UNDER_WAY_MAX - 5)
  underWay.back(IP, 0)
  expect(underWay.size).toBe(0)
})

test('of many sweeps at once those under way are made, the others refused without effect; orders wait in turn', async () => {
  const rate = { perSecond: 1, burst: 4000 }
  rig = await startRig({
    accounts: 3,
    config: { orderRate: rate, ipOrderRate: { perSecond: 1, burst: 1e9 }, framesInFlightMax: 256 },
  })
  const { port, wallets } = rig
  const open = async (index: number): Promise<Client> => {
    const client = createClient({ url: `ws://127.0.0.1:${port}`, wallet: wallets[index]! })
    clients.push(client)
    await client.connect()
    await client.createSession()
    return client
  }
  const [maker, taker, other] = [await open(0), await open(1), await open(2)]
  const SWEEPS = 40
  const UNDER_WAY = FILLS_UNDER_WAY_MAX / COMMAND_STEPS_MAX
  for (let index = 0; index < SWEEPS / 10; index++)
    await maker.placeOrder({ market: 0, side: 'sell', ticks: 10, lots: 10_240, display: { lots: 2 } })
  const sweep = { market: 0, side: 'buy', ticks: 10, lots: COMMAND_STEPS_MAX, timeInForce: 'IOC' } as const
  const sweeps = Promise.allSettled(Array.from({ length: SWEEPS }, () => taker.placeOrder(sweep)))
  const results = await sweeps
  const made = results.filter(({ status }) => status === 'fulfilled').length
  expect(made).toBeGreaterThan(0)
  expect(made).toBeLessThanOrEqual(UNDER_WAY)
  for (const result of results)
    if (result.status === 'rejected')
      expect(result.reason).toMatchObject({
        code: ErrorCode.OrderRateLimited,
        retryAfter: expect.any(Number) as number,
      })
  // What was refused has filled nothing.
  const filled = results.reduce(
    (sum, result) => sum + (result.status === 'fulfilled' ? result.value.filledLots : 0),
    0,
  )
  const left = (await maker.orders()).reduce((sum, { remaining }) => sum + remaining, 0)
  expect(left).toBe(SWEEPS * COMMAND_STEPS_MAX - filled)

  // Orders that are large and fill nothing all get through, more than may be under way, in the order of the connection.
  const quotes = await Promise.all(
    Array.from({ length: 3 * UNDER_WAY }, () =>
      other.placeOrder({ market: 0, side: 'buy', ticks: 9, lots: COMMAND_STEPS_MAX }),
    ),
  )
  const ids = quotes.map(({ orderId }) => orderId)
  expect(ids).toEqual([...ids].sort((a, b) => Number(a) - Number(b)))
  expect(new Set(ids).size).toBe(3 * UNDER_WAY)
})
