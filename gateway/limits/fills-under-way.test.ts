import { PostOnly, Side } from '../../engine/codes.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { COMMAND_STEPS_MAX } from '../../engine/limits.js'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, createClient } from '../../sdk/index.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { commandRecord } from '../../engine/records/access.js'
import { FILLS_UNDER_WAY_MAX, RESTING_LOTS_A_FILL } from '../limits.js'
import { FillsUnderWay } from './fills-under-way.js'
import { Marketable } from './marketable.js'

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
const place = (
  lots: number,
  other: { readonly ticks?: number; readonly postOnly?: PostOnly } = {},
): Int32Array => commandRecord('Place', { ...named, side: Side.Sell, ticks: 10, lots, ...other })

const bids = (ticks: number): Marketable =>
  new Marketable({
    bestTicks: (_market, side) => (side === Side.Buy ? ticks : undefined),
    attributes: () => undefined,
    handledSeq: () => 0,
  })

test.each([
  ['an order, as often as it has lots', [place(5)], 5],
  ['orders together', [place(5), place(7)], 12],
  [
    'an order that does not look marketable, a part of them',
    [place(RESTING_LOTS_A_FILL + 1, { ticks: 11 })],
    2,
  ],
  [
    'an order that only posts, and one that slides',
    [place(5, { postOnly: PostOnly.Reject }), place(5, { postOnly: PostOnly.Slide })],
    0,
  ],
  ['an amend, as often as its new size', [commandRecord('Amend', { ...named, ticks: 10, lots: 9 })], 9],
  ['cancels', [commandRecord('Cancel', named), commandRecord('CancelAll', named)], 0],
  ['lots that no order can have', [place(-1), place(-(2 ** 31)), place(3)], 3],
  ['the steps of a frame at most', [place(2 ** 31 - 1), place(2 ** 31 - 1)], COMMAND_STEPS_MAX],
  ['the same in small orders', Array.from({ length: 64 }, () => place(17)), COMMAND_STEPS_MAX],
])('what a frame could fill: %s', (_what, commands, fills) => {
  const underWay = new FillsUnderWay(bids(10))
  expect(underWay.atMost(records(place(1), ...commands), 1, commands.length)).toBe(fills)
})

test('an address has so many fills under way and no more; what fills nothing always has room', () => {
  const underWay = new FillsUnderWay(bids(10))
  const sender = { ip: '192.0.2.1' }
  const another = { ip: '192.0.2.1' }
  const stranger = { ip: '192.0.2.2' }
  for (let sent = 0; sent < FILLS_UNDER_WAY_MAX; sent += COMMAND_STEPS_MAX) {
    expect(underWay.hasRoom(sender, COMMAND_STEPS_MAX, false)).toBe(true)
    underWay.sent(sender, COMMAND_STEPS_MAX)
  }
  expect(underWay.hasRoom(another, 1, false)).toBe(false)
  expect(underWay.hasRoom(another, 0, false)).toBe(true)
  expect(underWay.hasRoom(stranger, COMMAND_STEPS_MAX, false)).toBe(true)
  underWay.back(sender, 5)
  expect(underWay.hasRoom(another, 5, false)).toBe(true)
  expect(underWay.hasRoom(another, 6, false)).toBe(false)
  underWay.sent(sender, 0)
  underWay.back(sender, FILLS_UNDER_WAY_MAX - 5)
  underWay.back(sender, 0)
  expect(underWay.sizes).toEqual({ underWay: 0, held: 0 })
})

test('who waits for room goes on in turn, and nobody of the address overtakes him', () => {
  const underWay = new FillsUnderWay<{ readonly ip: string; readonly fills: number }>(bids(10))
  const [first, second, third] = [4000, 3000, 2000].map((fills) => ({ ip: '192.0.2.1', fills }))
  const went: number[] = []
  const goOn = (): void =>
    underWay.goOn(
      '192.0.2.1',
      (sender) => underWay.hasRoom(sender, sender.fills, true),
      (sender) => {
        went.push(sender.fills)
        underWay.sent(sender, sender.fills)
      },
    )
  underWay.sent(first!, 4000)
  underWay.hold(second!)
  underWay.hold(third!)
  // There would be room for it, were nobody before it.
  expect(underWay.hasRoom(first!, 1, false)).toBe(false)
  goOn()
  expect(went).toEqual([])
  underWay.back(first!, 4000)
  goOn()
  // 3,000 and 2,000 are more than may be.
  expect([went, underWay.sizes.held]).toEqual([[3000], 1])
  underWay.forget(third!)
  underWay.back(second!, 3000)
  goOn()
  expect([went, underWay.sizes]).toEqual([[3000], { underWay: 0, held: 0 }])
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
