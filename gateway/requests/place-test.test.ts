/**
 * `placeTest` answers every order as a real place of it is answered right after, by the checks of gateway
 * and engine, and the engine's state hash does not move by it.
 */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { CommandKind, MarketStatus, OrderType, PostOnly, TimeInForce } from '../../engine/codes.js'
import { writeCommand } from '../../engine/records/access.js'
import { type Client, createClient } from '../../sdk/index.js'
import { type PlaceCommand, commandToWire } from '../../sdk/wire/commands.js'
import { Method } from '../../sdk/wire/layout.js'

let rig: Rig
let client: Client
let other: Client
const MARKETS = [0, 1, 2].map((id) => ({
  id,
  base: 0,
  quote: 1,
  lotUnits: 10,
  tickUnits: 1,
  makerFeePpm: 100,
  takerFeePpm: 500,
}))

const order = (fields: Partial<PlaceCommand>): PlaceCommand => ({
  kind: CommandKind.Place,
  market: 0,
  side: 0,
  ticks: 100,
  lots: 5,
  cloid: 77n,
  ...fields,
})

/** The code of an answer; 0 = taken. */
async function codeOf(asked: Promise<unknown>): Promise<number> {
  return asked.then(
    () => 0,
    (error: { code: number }) => error.code,
  )
}
const tested = (fields: Partial<PlaceCommand>, by = client): Promise<number> =>
  codeOf(by.call(Method.PlaceTest, [commandToWire(order(fields))]))

async function placed(fields: Partial<PlaceCommand>, by = client): Promise<number> {
  const [result] = await by.sendFrame([order(fields)])
  return result!.error?.code ?? 0
}

beforeAll(async () => {
  rig = await startRig({ accounts: 2, markets: MARKETS, config: { openOrdersMax: 4 } })
  client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  await client.createSession({ maxNotional: 1_000_000 })
  other = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
  await other.createSession()
})
afterAll(async () => {
  client.close()
  other.close()
  await rig.stop()
})

/** Gives a command as the operator and waits until the engine has taken it. */
async function operate(write: Parameters<Rig['operate']>[0]): Promise<void> {
  const { seq } = await rig.stateHash()
  rig.operate(write)
  while ((await rig.stateHash()).seq === seq) await new Promise((resolve) => setTimeout(resolve, 2))
}
const setStatus = (market: number, status: number): Promise<void> =>
  operate((words, floats, at) => writeCommand(words, floats, at, 'SetMarketStatus', { market, status }))

test('what a place would answer, place-test answers, and nothing moves', async () => {
  // A book: the client's bid at 90 (client order id 1), the other's offer at 110, the last trade at 100.
  expect(await placed({ cloid: 1n, ticks: 90 })).toBe(0)
  expect(await placed({ cloid: 1n, ticks: 110, side: 1 }, other)).toBe(0)
  expect(await placed({ cloid: 2n, ticks: 100, lots: 1 })).toBe(0)
  expect(await placed({ cloid: 2n, ticks: 100, lots: 1, side: 1 }, other)).toBe(0)
  await operate((words, floats, at) =>
    writeCommand(words, floats, at, 'SetPriceBand', { market: 0, bandPpm: 200_000 }),
  )
  await setStatus(1, MarketStatus.Halted)
  await setStatus(2, MarketStatus.CancelOnly)

  const { GTD } = TimeInForce
  const rows: [what: string, fields: Partial<PlaceCommand>, code: number][] = [
    ['unknown market', { market: 9 }, 4004],
    ['halted', { market: 1 }, 4005],
    ['cancel only', { market: 2 }, 4006],
    ['bad order type', { orderType: 7 as never }, 4008],
    ['bad time in force', { timeInForce: 7 as never }, 4009],
    ['bad self-trade prevention', { stp: 7 as never }, 4010],
    ['zero ticks', { ticks: 0 }, 4011],
    ['negative ticks', { ticks: -5 }, 4012],
    ['zero lots', { lots: 0 }, 4014],
    ['lots over the limit', { lots: 2 ** 40 }, 4016],
    ['notional over the limit', { ticks: 2 ** 31 - 1, lots: 2 ** 31 - 1 }, 4018],
    ['bad display', { displayLots: 9 }, 4019],
    ['bad trigger', { triggerTicks: 9 }, 4020],
    ['bad expiry', { timeInForce: GTD, expiresAtMs: 5 }, 4021],
    ['post-only and immediate', { postOnly: PostOnly.Reject, timeInForce: TimeInForce.IOC }, 4022],
    ['post-only would cross', { postOnly: PostOnly.Reject, ticks: 112 }, 4023],
    ['client order id in use', { cloid: 1n }, 4024],
    ['too dear', { side: 1, ticks: 105, lots: 9_000 }, 0],
    ['outside the band', { ticks: 30 }, 4031],
    ['bad budget', { quoteBudget: 5 }, 4037],
    ['deadline', { deadlineMs: 5 }, 4038],
    ['more than the session may', { ticks: 100, lots: 20_000 }, 2144],
    ['no trouble: rests', { ticks: 95, cloid: 90n }, 0],
    ['no trouble: would trade', { ticks: 110, lots: 1, cloid: 91n, timeInForce: TimeInForce.FOK }, 0],
    ['no trouble: a market order', { orderType: OrderType.Market, ticks: 112, lots: 1, cloid: 92n }, 0],
  ]
  const before = await rig.stateHash()
  for (const [what, fields, code] of rows) expect([what, await tested(fields)]).toEqual([what, code])
  expect(await rig.stateHash()).toEqual(before)
  // The real ones: those that are refused, then those that are taken.
  for (const [what, fields, code] of rows) {
    if (code !== 0) expect([what, await placed(fields)]).toEqual([what, code])
  }
  for (const [what, fields, code] of rows) {
    if (code === 0) expect([what, await placed(fields)]).toEqual([what, code])
  }
})

test('funds are those of now: what open orders hold cannot be held again', async () => {
  // A lot is ten units of the base: two billion lots are 2e10 of the 1e15 units; a buy at 2^30 ticks holds
  // 2^30 units and a fee a lot, so that one of 900,000 lots fits and a second one does not.
  await operate((words, floats, at) =>
    writeCommand(words, floats, at, 'SetPriceBand', { market: 0, bandPpm: 0 }),
  )
  const large = { ticks: 2 ** 30, lots: 900_000, timeInForce: TimeInForce.GTC, orderType: OrderType.Stop }
  const stop = { ...large, triggerTicks: 2 ** 30 }
  expect(await tested({ ...stop, cloid: 100n }, other)).toBe(0)
  expect(await placed({ ...stop, cloid: 100n }, other)).toBe(0)
  const before = await rig.stateHash()
  expect(await tested({ ...stop, cloid: 101n }, other)).toBe(4026)
  expect(await rig.stateHash()).toEqual(before)
  expect(await placed({ ...stop, cloid: 101n }, other)).toBe(4026)
  await other.cancelAll()
  expect(await tested({ ...stop, cloid: 101n }, other)).toBe(0)
})

test('limits and shapes count as for a real one', async () => {
  await client.cancelAll()
  for (let cloid = 200n; cloid < 204n; cloid++) expect(await placed({ cloid, ticks: 95 })).toBe(0)
  const before = await rig.stateHash()
  expect(await tested({ cloid: 204n, ticks: 95 })).toBe(5003)
  expect(await codeOf(client.sendFrame([order({ cloid: 204n, ticks: 95 })]))).toBe(5003)
  // A frame's payload with as wrong a shape, and commands that are no place.
  for (const command of [[1], [1, 0, 0, 'x', 1, 1], [1, 0, 2, 1, 1, 1], [3, 0, 1], [99, 0], ['1']]) {
    expect([command, await codeOf(client.call(Method.PlaceTest, [command]))]).toEqual([command, 3002])
  }
  expect(await rig.stateHash()).toEqual(before)
  const reader = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  expect(await tested({}, reader)).toBe(2000)
  await reader.createSession({ scopes: ['read'] })
  expect(await tested({}, reader)).toBe(2005)
  reader.close()
})
