/**
 * What a client may ask costs the matching thread nothing: every method and every stream is answered from
 * what the gateway keeps, but for two questions of a few microseconds. The gateway runs in this process, so
 * that each message that it puts into the engine's ring can be counted.
 */
import { createHash } from 'node:crypto'
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { QueryKind } from '../../engine/messages.js'
import { type Client, createClient } from '../../sdk/index.js'
import { jsonCodec, unpackJson } from '../../sdk/wire/codec.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { methods } from '../../sdk/wire/schema.js'
import { gatewayConfig } from '../settings/config.js'
import type { ClientSocket } from '../connections/connection.js'
import { Gateway } from '../gateway.js'
import type { Caller, PlainMethod } from './requests.js'

const MARKET = 'ETH-USDC'
let rig: Rig
let client: Client
let gateway: Gateway
const asked: number[] = []
let running: Promise<void>

beforeAll(async () => {
  rig = await startRig({ accounts: 2, spare: 1 })
  client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  await client.createSession()
  for (let at = 0; at < 3; at++)
    await client.batch(
      Array.from({ length: 40 }, (_, index) =>
        client.place({ market: MARKET, side: 'buy', ticks: 100 + 40 * at + index, lots: 2 }),
      ),
    )
  const taker = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
  await taker.createSession()
  // Sixteen fills in one command.
  await taker.placeOrder({ market: MARKET, side: 'sell', ticks: 1, lots: 32 })
  taker.close()

  gateway = new Gateway(
    {
      thread: 1,
      link: rig.spareLinks[0]!,
      config: gatewayConfig({ requestRate: FREE, ipRequestRate: FREE }),
      deployment: RIG_DEPLOYMENT,
      owners: [],
    },
    (message) => {
      if (message.type === 'guard') setImmediate(() => gateway.disconnectCancels.told(message.ticket))
    },
  )
  running = gateway.link.run(gateway)
  const query = gateway.link.query.bind(gateway.link)
  gateway.link.query = (kind, ...rest) => {
    asked.push(kind)
    return query(kind, ...rest)
  }
  await gateway.load()
}, 300_000)
afterAll(async () => {
  client.close()
  await rig.stop()
  await running
})
const FREE = { perSecond: 1e9, burst: 1e9 }

/** A connection whose socket takes everything, and what it was sent. */
function listener() {
  const sent: WireValue[][] = []
  let text = ''
  const whole = (): void => {
    sent.push(unpackJson(text) as WireValue[])
    text = ''
  }
  const socket = {
    getBufferedAmount: () => 0,
    cork: (send: () => void) => send(),
    send: (data: string) => sent.push(unpackJson(data) as WireValue[]),
    sendFirstFragment: (data: Uint8Array) => (text += Buffer.from(data).toString('latin1')),
    sendFragment: (data: Uint8Array) => (text += Buffer.from(data).toString('latin1')),
    sendLastFragment: (data: Uint8Array) => {
      text += Buffer.from(data).toString('latin1')
      whole()
    },
    end: () => {},
    ping: () => {},
  }
  const connection = gateway.clients.open(socket as unknown as ClientSocket, {
    codec: jsonCodec,
    ip: '127.0.0.1',
  })
  connection.session = gateway.directory.session(client.session!)
  return { connection, sent }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 120_000) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a start loads in pieces of the kinds that are bounded', () => {
  const loads: number[] = [
    QueryKind.AccountPage,
    QueryKind.SessionPage,
    QueryKind.MarketPage,
    QueryKind.OrderPage,
  ]
  expect(new Set(asked)).toEqual(new Set(loads))
})

test('no method asks the engine, but for a place that is tried and a frame’s outcome', async () => {
  const session = gateway.directory.session(client.session!)!
  const caller: Caller = { ip: '127.0.0.1', session, account: session.account }
  const orders = await client.orders()
  const params: Partial<Record<Method, WireValue[]>> = {
    [Method.Account]: [rig.wallets[0]!.address],
    [Method.Order]: [{ orderId: orders[0]!.orderId }],
    [Method.Depth]: [0, 10],
    [Method.Trades]: [0, 10],
    [Method.Candles]: [0, '1m', 10],
    [Method.Ticker]: [0],
    [Method.Batches]: [10],
    [Method.FrameOutcome]: [session.approval, 1],
    [Method.PlaceTest]: [[1, 0, 0, 100, 1, 77]],
    [Method.Session]: [session.account, session.publicKeyBytes],
    [Method.Nonces]: [1],
    [Method.Withdrawal]: [1, 1],
    [Method.Proof]: [1, 0],
    [Method.FillProof]: [1, 0],
  }
  // Commands of wallets, and what only a connection can ask.
  const commands = new Set<string>([Method.ApproveSession, Method.RevokeSession, Method.Withdraw])
  const ofConnections = new Set<string>([
    Method.Logon,
    Method.Logoff,
    Method.Frame,
    Method.UnsignedFrame,
    Method.Subscribe,
    Method.Unsubscribe,
    Method.CancelOnDisconnect,
  ])
  const few: number[] = [QueryKind.TryPlace, QueryKind.FrameResults]
  for (const method of Object.keys(methods) as Method[]) {
    if (commands.has(method) || ofConnections.has(method)) continue
    asked.length = 0
    const ask = async () => gateway.requests.ask(caller, method as PlainMethod, params[method] ?? [])
    const answer = ask()
    if (method === Method.Proof || method === Method.FillProof) {
      void answer.catch(() => {})
      gateway.proofAnswered(method === Method.Proof ? 1 : 2, null)
    } else if (method === Method.FrameOutcome) await answer.catch(() => {})
    else expect([method, await answer]).toEqual([method, expect.anything()])
    const expected =
      method === Method.PlaceTest || method === Method.FrameOutcome
        ? asked.filter((kind) => few.includes(kind))
        : []
    expect([method, asked.length]).toEqual([method, expected.length])
    expect([method, asked]).toEqual([method, expected])
  }
})

test('no stream asks the engine, and answers agree with what clients are told elsewhere', async () => {
  const { connection, sent } = listener()
  const of = (name: string) => sent.filter(([kind, stream]) => kind === Kind.Snapshot && stream === name)
  asked.length = 0
  const names = ['orders', 'fills', 'balances', 'book:0', 'book:0:5', 'l3:0', 'bbo:0', 'trades:0', 'ticker:0']
  for (const [index, name] of names.entries()) {
    const from: WireValue = name === 'fills' ? [name, [1, 0]] : [name]
    gateway.clients.receive(connection, Buffer.from(JSON.stringify([0, index, Method.Subscribe, from])))
  }
  await until(() => names.every((name) => of(name).at(-1)?.[6] !== 1 && of(name).length > 0), 'snapshots')
  expect(asked).toEqual([])
  const orders = await client.orders()
  expect((of('orders')[0]![4] as number[][]).map(([orderId]) => orderId)).toEqual(
    orders.map(({ orderId }) => orderId),
  )
  expect(orders).toHaveLength(104)
  expect(of('l3:0')[0]![4]).toHaveLength(104)
  const balances = of('balances')[0]![4] as number[][]
  expect(balances.map(([asset, available, reserved]) => [asset, available, reserved])).toEqual(
    (await client.balances()).map(({ availableUnits, reservedUnits }, asset) => [
      asset,
      availableUnits,
      reservedUnits,
    ]),
  )
  const book = await client.depth(MARKET, 1000)
  expect((of('book:0')[0]![4] as WireValue[])[0]).toEqual(book.bids)
  gateway.clients.closed(connection)
})

test('pages of orders and of fills, cut anywhere, hold each exactly once', async () => {
  const session = gateway.directory.session(client.session!)!
  const caller: Caller = { ip: '127.0.0.1', session, account: session.account }
  for (const limit of [1, 2, 7, 1000]) {
    const orders: number[] = []
    for (let more = true; more;) {
      const page = (await gateway.requests.ask(caller, Method.Orders, [
        { afterOrderId: orders.at(-1) ?? 0, limit },
      ])) as unknown as { orders: number[][]; more: boolean }
      orders.push(...page.orders.map(([orderId]) => orderId!))
      expect(page.orders.length).toBeLessThanOrEqual(limit)
      more = page.more
    }
    expect(orders).toEqual((await client.orders()).map(({ orderId }) => orderId))
    // All sixteen fills are of one seq: a page is cut within it.
    const fills: { seq: number; index: number }[] = []
    for (let more = true; more;) {
      const last = fills.at(-1)
      const page = await client.fillsPage({
        ...(last === undefined ? {} : { afterSeq: last.seq, afterIndex: last.index }),
        limit,
      })
      expect(page.complete).toBe(true)
      expect(page.fills.length).toBeLessThanOrEqual(limit)
      fills.push(...page.fills)
      more = page.more
    }
    expect(fills.map(({ index }) => index)).toEqual(Array.from({ length: 16 }, (_, index) => index))
    expect(new Set(fills.map(({ seq }) => seq)).size).toBe(1)
  }
})

test('the state of orders, balances and books survives a digest of a second load', async () => {
  const digest = (): string => {
    const hash = createHash('sha256')
    const text = (value: unknown): string =>
      JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part))
    for (const account of [1, 2]) {
      hash.update(text(gateway.orders.page(account, 0, 1e6)))
      hash.update(text(gateway.balances.balances(account)))
    }
    hash.update(text(gateway.markets.get(0)!.book.top(1e6)))
    return hash.digest('hex')
  }
  const before = digest()
  const fees = await client.fees()
  expect(fees).toEqual([{ market: 0, makerFeePpm: 100, takerFeePpm: 500 }])
  const order = await client.placeOrder({ market: MARKET, side: 'buy', ticks: 5, lots: 3 })
  await until(() => gateway.orders.count(1) === 105, 'the order')
  expect(digest()).not.toBe(before)
  await client.cancelOrder({ market: MARKET, cloid: order.cloid! })
  await until(() => gateway.orders.count(1) === 104, 'the cancel')
  expect(digest()).toBe(before)
})
