/**
 * What a frame's answer says of an order is what has become of it by the end of its command, also where its own
 * fill fired a stop that then took the rest of it.
 */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { CommandKind, OrderType } from '../../engine/codes.js'
import { type Client, createClient } from '../../sdk/index.js'
import type { PlaceCommand, WireCommand } from '../../sdk/wire/commands.js'

let rig: Rig
let alice: Client
let bob: Client
let nextCloid = 100n

beforeEach(async () => {
  rig = await startRig({ accounts: 2 })
  const open = async (index: number): Promise<Client> => {
    const client = await createClient({ url: rig.url, wallet: rig.wallets[index]! }).connect()
    await client.createSession()
    return client
  }
  alice = await open(0)
  bob = await open(1)
})
afterEach(async () => {
  alice.close()
  bob.close()
  await rig.stop()
})

const place = (side: 0 | 1, ticks: number, lots: number, more: Partial<PlaceCommand> = {}): PlaceCommand => ({
  kind: CommandKind.Place,
  market: 0,
  side,
  ticks,
  lots,
  cloid: nextCloid++,
  ...more,
})

/** A bid of one lot at 100, and a stop of `lots` that a trade there fires. */
async function trap(lots: number): Promise<void> {
  const stop = { orderType: OrderType.Stop, triggerTicks: 100 }
  const results = await bob.sendFrame([place(0, 100, 1), place(0, 110, lots, stop)])
  expect(results.map(({ error }) => error)).toEqual([undefined, undefined])
}

/** State, lots left and lots filled, as the one item of Alice's frame says. */
async function toldOf(command: WireCommand): Promise<unknown[]> {
  const [result] = await alice.sendFrame([command])
  return [result!.error, result!.state, result!.remainingLots, result!.filledLots]
}

describe.each([
  ['all', 5, ['filled', 0, 6]],
  ['a part', 3, ['open', 2, 4]],
])('a stop takes %s of the order that fired it', (_what, lots, expected) => {
  test('of a place', async () => {
    await trap(lots)
    expect(await toldOf(place(1, 100, 6))).toEqual([undefined, ...expected])
  })

  test('of an amend', async () => {
    const [rests] = await alice.sendFrame([place(1, 150, 6, { cloid: 7n })])
    expect(rests!.state).toBe('open')
    await trap(lots)
    const amend = { kind: CommandKind.Amend, market: 0, cloid: 7n, ticks: 100, lots: 6 } as const
    expect(await toldOf(amend)).toEqual([undefined, ...expected])
  })
})
