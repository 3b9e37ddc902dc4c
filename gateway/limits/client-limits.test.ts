/**
 * Every limit of a gateway: exceeded, it answers with its own code and the connection goes on, or it ends
 * with its own close code. A row a limit.
 */
import { WebSocket } from 'ws'
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { openRaw, webSocketFrame } from '../../bench/support/raw-websocket.js'
import { CommandKind } from '../../engine/codes.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { type Client, GlassbookError, createClient } from '../../sdk/index.js'
import { ErrorCode, closeCode, errorName } from '../../sdk/wire/codes.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import { packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { logonMessage } from '../../sdk/wire/signed.js'
import { until } from '../../test/support/program.js'
import { createDomain } from '../signatures/auth.js'
import { gatewayConfigSchema } from '../settings/config.js'
import type { Rate } from './budgets.js'
import { type FramePayer, Limits } from './client-limits.js'

const domain = createDomain(RIG_DEPLOYMENT.chainId, RIG_DEPLOYMENT.vault).hash

const rigs: Rig[] = []
const clients: Client[] = []
afterAll(async () => {
  for (const client of clients) client.close()
  for (const rig of rigs) await rig.stop()
})

async function venue(config: Record<string, unknown>, accounts = 1): Promise<Rig> {
  const rig = await startRig({ accounts, config })
  rigs.push(rig)
  return rig
}

async function open(rig: Rig, index = 0): Promise<Client> {
  const client = await createClient({ url: rig.url, wallet: rig.wallets[index]! }).connect()
  clients.push(client)
  await client.createSession()
  return client
}

/** A WebSocket of nobody here, over JSON: what it received, and how it ended. */
async function raw(rig: Rig, options: WebSocket.ClientOptions = {}) {
  const socket = new WebSocket(rig.url, 'glassbook.v2.json', options)
  const received: unknown[][] = []
  socket.on('message', (data: Buffer) => received.push(JSON.parse(data.toString()) as unknown[]))
  const ended = new Promise<number>((resolve) => socket.once('close', resolve))
  const refused = new Promise<{
    status: number
    body: Record<string, unknown>
    retryAfter: string | undefined
  }>((resolve) => {
    socket.once('unexpected-response', (_request, response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          body: JSON.parse(text) as Record<string, unknown>,
          retryAfter: response.headers['retry-after'],
        }),
      )
    })
  })
  socket.on('error', () => {})
  const opened = new Promise<'open'>((resolve) => socket.once('open', () => resolve('open')))
  return { socket, received, ended, refused, opened }
}

const place = (client: Client) => client.place({ market: 0, side: 'buy', ticks: 10, lots: 1 })
const placeMany = (client: Client, count: number) =>
  client.batch(Array.from({ length: count }, () => place(client)))

interface Limit {
  readonly what: string
  /** Settings that it belongs to. */
  readonly settings: readonly string[]
  readonly config: Record<string, unknown>
  readonly code: number
  /** Of its message: whose it is, and its bound. */
  readonly words: string
  /** Goes beyond the limit; rejects with its error. */
  readonly exceed: (client: Client, rig: Rig) => Promise<unknown>
  readonly waits?: boolean
}

const slow = { perSecond: 1, burst: 120 }
const goesOn: Limit[] = [
  {
    what: 'requests of an account, by weight',
    settings: ['requestRate'],
    config: { requestRate: slow },
    code: ErrorCode.RateLimited,
    words: 'the request budget of account 1 is spent: 1 a second, at most 120 at once',
    waits: true,
    exceed: (client) => Promise.all(Array.from({ length: 50 }, () => client.call(Method.Depth, [0, 5]))),
  },
  {
    what: 'requests of an address, whatever the account',
    settings: ['ipRequestRate'],
    config: { ipRequestRate: slow },
    code: ErrorCode.IpRateLimited,
    words: 'the request budget of 127.0.0.1 is spent: 1 a second, at most 120 at once',
    waits: true,
    exceed: (client) => Promise.all(Array.from({ length: 50 }, () => client.call(Method.Depth, [0, 5]))),
  },
  {
    what: 'orders of an account',
    settings: ['orderRate'],
    config: { orderRate: { perSecond: 1, burst: 4 } },
    code: ErrorCode.OrderRateLimited,
    words: 'the order budget of account 1 is spent: 1 a second, at most 4 at once',
    waits: true,
    exceed: (client) => placeMany(client, 5),
  },
  {
    what: 'orders of an address, whatever the account',
    settings: ['ipOrderRate'],
    config: { ipOrderRate: { perSecond: 1, burst: 4 } },
    code: ErrorCode.IpOrderRateLimited,
    words: 'the order budget of 127.0.0.1 is spent: 1 a second, at most 4 at once',
    waits: true,
    exceed: (client) => placeMany(client, 5),
  },
  {
    what: 'cancels of an account',
    settings: ['cancelRate'],
    config: { cancelRate: { perSecond: 1, burst: 4 } },
    code: ErrorCode.CancelRateLimited,
    words: 'the cancel budget of account 1 is spent: 1 a second, at most 4 at once',
    waits: true,
    exceed: (client) =>
      client.batch(Array.from({ length: 5 }, () => client.cancel({ market: 0, cloid: 1n }))),
  },
  {
    what: 'live orders of an account',
    settings: ['openOrdersMax'],
    config: { openOrdersMax: 4 },
    code: ErrorCode.TooManyOpenOrders,
    words: 'with 1 more account 1 would have above 4 live orders, the most that it may',
    exceed: (client) => placeMany(client, 4).then(() => placeMany(client, 1)),
  },
  {
    what: 'streams of a connection',
    settings: ['subscriptionsMax'],
    config: { subscriptionsMax: 2 },
    code: ErrorCode.TooManySubscriptions,
    words: 'this connection follows 2 streams, the most of one connection',
    exceed: async (client) => {
      for (const name of ['book:0', 'trades:0', 'bbo:0']) await client.subscribe(name, () => {})
    },
  },
]

test.each(goesOn)('$what: its code and bound, and the connection goes on', async (limit) => {
  const rig = await venue(limit.config)
  const client = await open(rig)
  const error = await limit.exceed(client, rig).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(GlassbookError)
  expect(error).toMatchObject({ code: limit.code, codeName: errorName(limit.code) })
  expect((error as Error).message).toContain(limit.words)
  if (limit.waits === true) expect((error as { retryAfter: number }).retryAfter).toBeGreaterThan(0)
  // Cancels are never throttled first: each of these leaves them alone.
  if (limit.code !== ErrorCode.CancelRateLimited) expect((await client.cancelAll()).more).toBe(false)
  expect(client.state).toBe('open')
})

test('unanswered frames of a connection; those that only cancel wait behind twice as many', async () => {
  const free = { perSecond: 1e9, burst: 1e9 }
  const rig = await venue({ framesInFlightMax: 2, refusalRate: free, ipRefusalRate: free })
  const { session } = await open(rig)
  const { account, approval, key } = session!
  const connection = await openRaw(rig.port)
  const challenge = connection.hello[4] as Uint8Array
  const signature = await key.sign(logonMessage(domain, session!, challenge))
  await connection.request(Method.Logon, [account, approval, signature])
  let codes = new Map<number, number>()
  connection.onBody = (body) => {
    const [, id, code] = unpackMsgpack(Buffer.from(body)) as number[]
    codes.set(id!, code!)
  }
  const reset = [CommandKind.ResetProtection, 0]
  const cancel = [CommandKind.CancelAll, 0, 0]
  const { BadSignature: taken, TooManyFramesInFlight: refused } = ErrorCode
  const answers = (): (number | undefined)[] => [0, 1, 2, 3, 4, 5].map((id) => codes.get(id))
  // One write, so that none is answered before the last has come; their signatures are nothing. A gateway that is
  // held up in the middle of it leaves the rest for its next turn, when the first have their answers: then again.
  do {
    codes = new Map()
    connection.socket.cork()
    for (const [id, command] of [reset, reset, reset, cancel, cancel, cancel].entries()) {
      const params = [account, approval, 1, packMsgpack([command]), new Uint8Array(64)]
      connection.socket.write(webSocketFrame(packMsgpack([Kind.Request, id, Method.Frame, params])))
    }
    connection.socket.uncork()
    while (codes.size < 6) await new Promise((resolve) => setTimeout(resolve, 5))
  } while (answers().filter((code) => code === refused).length < 2)
  expect(answers()).toEqual([taken, taken, refused, taken, taken, refused])
  expect(await connection.request(Method.Time, [])).toEqual([expect.any(Number), expect.any(Number)])
  connection.socket.destroy()
})

test('fills beyond one an order weigh on the order budget of who takes, afterwards', async () => {
  const orderRate = { perSecond: 1, burst: 20 }
  const rig = await venue({ orderRate }, 2)
  const [maker, taker] = [await open(rig, 0), await open(rig, 1)]
  const sell = { market: 0, side: 'sell', ticks: 10, display: { lots: 1 } } as const
  await maker.placeOrder({ ...sell, lots: 1 })
  await maker.placeOrder({ ...sell, lots: 30 })
  const buy = { market: 0, side: 'buy', ticks: 10, timeInForce: 'IOC' } as const
  const taken = await taker.placeOrder({ ...buy, lots: 1 })
  expect(taken.filledLots).toBe(1)
  // 19 and a little are left for this one, and for 29 of its fills.
  const swept = await taker.placeOrder({ ...buy, lots: 30 })
  expect(swept.filledLots).toBe(30)
  await expect(taker.placeOrder({ ...buy, lots: 1 })).rejects.toMatchObject({
    code: ErrorCode.OrderRateLimited,
    retryAfter: expect.any(Number) as number,
  })
  // Who made them pays nothing, and nobody is kept from cancelling.
  await maker.placeOrder({ ...sell, lots: 1 })
  await taker.cancelAll({ market: 0 })
})

test('fills beyond 64 at once weigh 16 orders of the account and 160 of its address', () => {
  const few = { perSecond: 0.001, burst: 10_000 }
  const many = { perSecond: 0.001, burst: 1e9 }
  const payer: FramePayer = { ip: '192.0.2.1', framesInFlight: 0, warnedAtMs: 0, send: () => {} }
  const orders = (count: number): Int32Array => {
    const records = new Int32Array(count * COMMAND_WORDS)
    for (let index = 0; index < count; index++) records[index * COMMAND_WORDS] = CommandKind.Place
    return records
  }
  /** Code of a frame of `count` orders behind `more` fills; 0 = taken. */
  const behind = (orderRate: Rate, ipOrderRate: Rate, more: number, count: number): number => {
    const limits = new Limits({ ...gatewayConfigSchema.parse({}), orderRate, ipOrderRate }, () => 0)
    limits.frame(payer, 1, orders(0), 0, 0, false)
    limits.filled(1, more)
    return limits.frame(payer, 1, orders(count), 0, count, false)?.code ?? 0
  }
  const { OrderRateLimited: account, IpOrderRateLimited: address } = ErrorCode
  for (const [more, left] of [
    [64, 9936],
    [65, 9920],
    [564, 1936],
  ] as const)
    expect([behind(few, many, more, left), behind(few, many, more, left + 1)]).toEqual([0, account])
  for (const [more, left] of [
    [64, 9936],
    [65, 9776],
    [114, 1936],
  ] as const)
    expect([behind(many, few, more, left), behind(many, few, more, left + 1)]).toEqual([0, address])
  // A sweep that costs more than the budget holds is owed.
  expect(behind(few, many, 1024, 1)).toBe(account)
})

test('who fires a stop does not pay for what it sweeps: its owner does', async () => {
  const rig = await venue({ orderRate: { perSecond: 1, burst: 600 } }, 3)
  const [maker, owner, victim] = await Promise.all([open(rig, 0), open(rig, 1), open(rig, 2)])
  const buy = { market: 0, side: 'buy', timeInForce: 'IOC' } as const
  const sell = { market: 0, side: 'sell' } as const
  await maker.placeOrder({ ...sell, ticks: 10, lots: 1 })
  await victim.placeOrder({ ...buy, ticks: 10, lots: 1 })
  await maker.placeOrder({ ...sell, ticks: 11, lots: 1 })
  await maker.placeOrder({ ...sell, ticks: 12, lots: 100, display: { lots: 1 } })
  await owner.placeOrder({ ...buy, ticks: 12, lots: 100, type: 'stopLimit', trigger: { ticks: 11 } })
  const fired = await victim.placeOrder({ ...buy, ticks: 11, lots: 1 })
  expect(fired.filledLots).toBe(1)
  await until('the stop has swept', async () => (await owner.fillsPage({ afterSeq: 0 })).fills.length === 100)
  await expect(owner.placeOrder({ ...buy, ticks: 1, lots: 1 })).rejects.toMatchObject({
    code: ErrorCode.OrderRateLimited,
  })
  await victim.placeOrder({ ...buy, ticks: 1, lots: 1 })
})

test('connections of an address, connections a second, the Origin: refused before the upgrade', async () => {
  const few = await venue({ connectionsPerIp: 2 })
  const sockets = [await raw(few), await raw(few)]
  await Promise.all(sockets.map(({ opened }) => opened))
  const third = await (await raw(few)).refused
  expect(third).toMatchObject({ status: 429, body: { code: 1003, name: 'TooManyConnections' } })
  sockets[0]!.socket.close()
  await sockets[0]!.ended
  const again = await raw(few)
  expect(await Promise.race([again.opened, again.refused])).toBe('open')

  const rare = await venue({ connectRate: { perSecond: 1, burst: 1 } })
  const first = await raw(rare)
  await first.opened
  const second = await (await raw(rare)).refused
  expect(second).toMatchObject({
    status: 429,
    retryAfter: '1',
    body: {
      code: ErrorCode.ConnectRateLimited,
      name: 'ConnectRateLimited',
      retryAfter: expect.any(Number) as number,
    },
  })

  const ours = await venue({ allowedOrigins: ['https://trade.example'] })
  for (const origin of ['https://evil.example', undefined]) {
    const other = await (await raw(ours, origin === undefined ? {} : { origin })).refused
    expect(other).toMatchObject({ status: 403, body: { code: 1004, name: 'OriginNotAllowed' } })
  }
  expect(await (await raw(ours, { origin: 'https://trade.example' })).opened).toBe('open')
})

test('a message beyond the bound is not decoded: a code, and the connection ends with it', async () => {
  const rig = await venue({ messageBytesMax: 300 })
  const fits = await raw(rig)
  await fits.opened
  fits.socket.send(`[0,1,"markets",[]${' '.repeat(280)}]`)
  fits.socket.send(`[0,2,"markets",[]${' '.repeat(290)}]`)
  expect(await fits.ended).toBe(closeCode(ErrorCode.MessageTooLarge))
  expect(fits.received.slice(1)).toMatchObject([
    [Kind.Result, 1, expect.anything() as unknown],
    [Kind.Error, null, ErrorCode.MessageTooLarge, { name: 'MessageTooLarge' }],
  ])
})

test('messages that are none: told each time, then the end', async () => {
  const rig = await venue({ malformedMax: 3 })
  const { socket, received, ended, opened } = await raw(rig)
  await opened
  for (let count = 0; count < 6; count++) socket.send('nonsense')
  expect(await ended).toBe(closeCode(ErrorCode.TooManyErrors))
  expect(received.slice(1).map(([, , code]) => code)).toEqual(Array(4).fill(ErrorCode.MalformedMessage))
})

test('who is silent is pinged, and closed when no pong comes', async () => {
  const rig = await venue({ idleTimeoutS: 2 })
  const alive = await raw(rig)
  const dead = await raw(rig, { autoPong: false })
  await Promise.all([alive.opened, dead.opened])
  const pinged = new Promise<void>((resolve) => alive.socket.once('ping', () => resolve()))
  expect(await dead.ended).toBe(closeCode(ErrorCode.IdleTimeout))
  await pinged
  expect(alive.socket.readyState).toBe(WebSocket.OPEN)
  alive.socket.send('[0,1,"time",[]]')
  await new Promise((resolve) => alive.socket.once('message', resolve))
})

test('HTTP: the same budgets, the same error objects', async () => {
  const rig = await venue({ requestRate: { perSecond: 1, burst: 10 } })
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => fetch(`http://127.0.0.1:${rig.port}/v1/depth?market=0`)),
  )
  const late = answers.find(({ status }) => status === 429)!
  expect(late.headers.get('retry-after')).toMatch(/^[0-9]+$/)
  expect(await late.json()).toEqual({
    code: ErrorCode.RateLimited,
    name: 'RateLimited',
    message: expect.any(String) as string,
    retryAfter: expect.any(Number) as number,
  })
})

test('every limit of the settings has a row here', () => {
  const tested = [
    ...goesOn.flatMap(({ settings }) => settings),
    'framesInFlightMax',
    'connectionsPerIp',
    'connectionsMax',
    'connectRate',
    'allowedOrigins',
    'messageBytesMax',
    'malformedMax',
    'idleTimeoutS',
  ]
  // Where it listens, how many threads, what it keeps; slow consumers are streams.test's, pages of other origins http.test's.
  const others = [
    'host',
    'port',
    'threads',
    'sockets',
    'requireSignedFrames',
    'unsentBytesMax',
    // idle-connections.test's.
    'unsentBytesSumMax',
    'conflateBytes',
    'fillsKept',
    'historyRebuildCommandsMax',
    'streamEventsKept',
    'corsOrigins',
    'metricsPort',
    'streamBytesKept',
    'streamBytesMax',
    'streamIdleS',
    // admission.test's.
    'messageRate',
    'ipMessageRate',
    'ipByteRate',
    'frameByteRate',
    'refusalRate',
    'ipRefusalRate',
    'ipOffenceRate',
    'keptOutS',
    'connectionsPerAccount',
    'subscriptionsPerIp',
    'proofsPerIp',
  ]
  expect([...tested, ...others].sort()).toEqual(Object.keys(gatewayConfigSchema.shape).sort())
})
