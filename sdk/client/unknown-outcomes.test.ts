/**
 * What the client says of frames whose answer was lost, against what the exchange did with them. A proxy
 * loses, keeps and cuts exact messages, so that each case happens each time.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type MessageProxy, type Verdict, startMessageProxy } from '../../test/support/message-proxy.js'
import { until } from '../../test/support/until.js'
import {
  type Client,
  type CommandResult,
  OutcomeUnknownError,
  type WireCommand,
  createClient,
  createSessionKey,
} from '../index.js'
import { Kind, Method } from '../wire/layout.js'

const MARKET = 'ETH-USDC'
const FREE = { perSecond: 1e9, burst: 1e9 }

let rig: Rig
let proxy: MessageProxy
let opened: Client[] = []
/** Clears up after each test, on a line of its own. */
let keeper: Client

beforeAll(async () => {
  rig = await startRig({ accounts: 2, config: { requestRate: FREE, orderRate: FREE, cancelRate: FREE } })
  keeper = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  await keeper.createSession()
})
afterAll(async () => {
  keeper.close()
  await rig.stop()
})
beforeEach(async () => {
  proxy = await startMessageProxy(rig.url)
})
afterEach(async () => {
  for (const client of opened) client.close()
  opened = []
  proxy.close()
  await keeper.cancelAll()
})

const connect = async (options: Partial<Parameters<typeof createClient>[0]> = {}): Promise<Client> => {
  const client = await createClient({
    url: proxy.url,
    wallet: rig.wallets[0]!,
    reconnectDelayMsMax: 20,
    ...options,
  }).connect()
  opened.push(client)
  return client
}
const open = async (options?: Partial<Parameters<typeof createClient>[0]>): Promise<Client> => {
  const client = await connect(options)
  await client.createSession()
  return client
}

/** A call that is looked at later: until then it is not an error that nobody waits for. */
function later<T>(call: Promise<T>): Promise<T> {
  call.catch(() => {})
  return call
}

/** The outcome of a call whose answer must have been lost. */
const outcomeOf = (call: Promise<unknown>): Promise<CommandResult[]> => later(findOutcome(call))

async function findOutcome(call: Promise<unknown>): Promise<CommandResult[]> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(OutcomeUnknownError)
  return (await (error as OutcomeUnknownError).outcome) as CommandResult[]
}

/** Does `verdict` to the first message that is `to` somebody and of `method`, on any connection. */
function once(to: 'exchange' | 'client', method: Method, verdict: Verdict): void {
  let done = false
  proxy.judge = (passing) => {
    if (done || passing.to !== to || passing.method !== method) return 'pass'
    done = true
    return verdict
  }
}

const buy = (client: Client, ticks: number, cloid?: bigint): WireCommand =>
  client.place({ market: MARKET, side: 'buy', ticks, lots: 1, ...(cloid === undefined ? {} : { cloid }) })
const cloidOf = (command: WireCommand): bigint => (command as { cloid: bigint }).cloid
const names = (results: readonly CommandResult[]) => results.map(({ error }) => error?.codeName)

describe.each(['msgpack', 'json'] as const)('over %s', (encoding) => {
  test('an answer that is lost: every kind of command was taken, and is said to be', async () => {
    const client = await open({ encoding })
    const [first, second, third] = [buy(client, 10), buy(client, 11), buy(client, 12)]
    await client.batch([first, second, third])
    const cloid = cloidOf(first)
    once('client', Method.Frame, 'cut')
    const frame = [
      buy(client, 13),
      buy(client, 0),
      client.amend({ market: MARKET, cloid, ticks: 14, lots: 2 }),
      client.cancel({ market: MARKET, cloid: cloidOf(second) }),
      client.cancel({ market: MARKET, cloid: 4n }),
      client.place({ market: MARKET, side: 'buy', type: 'market', lots: 1, budget: '1' }),
    ]
    const results = await outcomeOf(client.batch(frame))
    expect(names(results).slice(0, 5)).toEqual([undefined, 'ZeroTicks', undefined, undefined, 'UnknownOrder'])
    expect(results.map(({ state }) => state).slice(0, 4)).toEqual(['open', 'none', 'open', 'canceled'])
    expect(results.every(({ seq }, index) => index === 0 || seq === results[0]!.seq + index)).toBe(true)
    expect(results[0]!.seq).toBeGreaterThan(0)
    once('client', Method.Frame, 'cut')
    expect(names(await outcomeOf(client.cancelAll()))).toEqual([undefined])
    expect(await client.orders()).toEqual([])
  })

  test('a request that is lost: not taken', async () => {
    const client = await open({ encoding })
    once('exchange', Method.Frame, 'cut')
    const order = buy(client, 10)
    expect(names(await outcomeOf(client.batch([order])))).toEqual(['NotTaken'])
    once('exchange', Method.Frame, 'cut')
    expect(names(await outcomeOf(client.batch([order, buy(client, 11)])))).toEqual(['NotTaken', 'NotTaken'])
    expect(await client.orders()).toEqual([])
    // The same order may be given again.
    expect(names(await client.batch([order]))).toEqual([undefined])
  })
})

test('a request that arrives long after the client is back: not taken, and never will be', async () => {
  const client = await open()
  once('exchange', Method.Frame, 'keep')
  expect(names(await outcomeOf(client.batch([buy(client, 10)])))).toEqual(['NotTaken'])
  const [late] = await proxy.release()
  expect([late![0], (late![3] as { name: string }).name]).toEqual([Kind.Error, 'FrameNonceUsed'])
  expect(await client.orders()).toEqual([])
})

test('a request that arrives while the client finds out: taken', async () => {
  const client = await open()
  const order = buy(client, 10)
  let kept = false
  proxy.judge = async ({ to, method }): Promise<Verdict> => {
    if (to === 'exchange' && method === Method.Frame && !kept) {
      kept = true
      return 'keep'
    }
    // The exchange has said that it knows no such frame; now it gets it, before the client's next word.
    if (to === 'client' && method === Method.FrameOutcome) await proxy.release()
    return 'pass'
  }
  const [result] = await outcomeOf(client.batch([order]))
  expect(result).toMatchObject({ error: undefined, state: 'open' })
  expect((await client.orders()).map(({ cloid }) => cloid)).toEqual([cloidOf(order)])
})

test.each([1, 2, 64])('the line breaks again while the client finds out (%d commands)', async (count) => {
  const client = await open()
  let frames = 0
  proxy.judge = ({ to, method }) => {
    if (method !== Method.Frame) return 'pass'
    if (to === 'exchange') frames++
    // The request is lost; then the answer to what the client sends under its nonce, too.
    return (frames === 1 && to === 'exchange') || (frames === 2 && to === 'client') ? 'cut' : 'pass'
  }
  const orders = Array.from({ length: count }, (_, index) => buy(client, 10 + index))
  expect(new Set(names(await outcomeOf(client.batch(orders))))).toEqual(new Set(['NotTaken']))
  expect(frames).toBe(2)
  expect(await client.orders()).toEqual([])
})

test('frames called meanwhile wait, so that what was lost stays within the nonce window', async () => {
  const client = await open()
  const orders = Array.from({ length: 20 }, (_, index) => buy(client, 10 + index))
  await client.batch(orders)
  // The first answer is lost, once every frame has come: what had not come would be refused instead.
  let answers = 0
  proxy.judge = async ({ to, method }): Promise<Verdict> => {
    if (method !== Method.Frame || to === 'exchange' || ++answers > 1) return 'pass'
    while ((await keeper.orders()).length > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    return 'cut'
  }
  const cancels = orders.map((order) =>
    outcomeOf(client.batch([client.cancel({ market: MARKET, cloid: cloidOf(order) })])),
  )
  const more: Promise<CommandResult[]>[] = []
  await new Promise<void>((resolve) => {
    client.onState((state) => {
      if (state !== 'open') return
      expect(client.unknownFrames).toBe(20)
      for (let frame = 0; frame < 300; frame++) more.push(later(client.batch([buy(client, 5)])))
      expect(client.waitingFrames).toBe(300)
      resolve()
    })
  })
  for (const results of await Promise.all(cancels)) expect(names(results)).toEqual([undefined])
  for (const results of await Promise.all(more)) expect(names(results)).toEqual([undefined])
  expect(await client.orders()).toHaveLength(300)
})

test('frames without an answer stay fewer than the nonce window', async () => {
  const client = await open()
  let seen = 0
  let answer = (): void => {}
  const answered = new Promise<void>((resolve) => (answer = resolve))
  proxy.judge = async ({ to, method }): Promise<Verdict> => {
    if (method !== Method.Frame) return 'pass'
    if (to === 'exchange') seen++
    else await answered
    return 'pass'
  }
  const frames = Array.from({ length: 250 }, () => later(client.batch([buy(client, 5)])))
  await until(() => seen >= 100, 'frames')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(seen).toBe(100)
  answer()
  await Promise.all(frames)
  expect(seen).toBe(250)
})

test('too many that wait are refused, and a connection that ends refuses those that wait', async () => {
  const client = await open({ framesWaitingMax: 3 })
  let asked = (): void => {}
  let told = (): void => {}
  const asking = new Promise<void>((resolve) => (asked = resolve))
  const telling = new Promise<void>((resolve) => (told = resolve))
  let cuts = 0
  proxy.judge = async ({ to, method }): Promise<Verdict> => {
    if (to === 'exchange' && method === Method.Frame && cuts++ === 0) return 'cut'
    if (to === 'client' && method === Method.FrameOutcome) {
      asked()
      await telling
    }
    return 'pass'
  }
  const lost = outcomeOf(client.batch([buy(client, 9)]))
  await asking
  const waiting = [10, 11, 12].map((ticks) =>
    later(client.placeOrder({ market: MARKET, side: 'buy', ticks, lots: 1 })),
  )
  await expect(client.cancelAll()).rejects.toMatchObject({
    name: 'LimitError',
    codeName: 'TooManyFramesInFlight',
    message: expect.stringContaining('at most 3') as string,
  })
  client.dropConnection()
  const refused = await Promise.allSettled(waiting)
  expect(refused.map((one) => (one.status === 'rejected' ? (one.reason as Error).name : 'sent'))).toEqual(
    Array(3).fill('TransportError'),
  )
  told()
  expect(names(await lost)).toEqual(['NotTaken'])
  expect(await client.orders()).toEqual([])
})

test('a gateway that has forgotten what ended: the engine remembers the frame', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-forgotten-'))
  const first = await startRig({ accounts: 1, dataDir })
  proxy.target = first.url
  const client = await open()
  const kept = buy(client, 10)
  const gone = buy(client, 11)
  await client.batch([kept, gone])
  let cut = false
  proxy.judge = ({ to, method }) => {
    // Nobody comes back before the other gateway stands.
    if (cut && to === 'exchange') return 'cut'
    cut ||= to === 'client' && method === Method.Frame
    return cut ? 'cut' : 'pass'
  }
  const lost = outcomeOf(
    client.batch([client.cancel({ market: MARKET, cloid: cloidOf(gone) }), buy(client, 0)]),
  )
  await until(() => cut, 'the cut')
  await first.stop()
  // One that does not make its history again from the journal.
  const second = await startRig({ accounts: 1, dataDir, config: { historyRebuildCommandsMax: 1 } })
  proxy.target = second.url
  proxy.judge = () => 'pass'
  const results = await lost
  expect(names(results)).toEqual([undefined, 'ZeroTicks'])
  expect(results[0]).toMatchObject({ state: 'none', seq: expect.any(Number) as number })
  expect(results[0]!.seq).toBeGreaterThan(0)
  expect((await client.orders()).map(({ cloid }) => cloid)).toEqual([cloidOf(kept)])
  client.close()
  await second.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

test.each([
  ['the answer', 'client', 1],
  ['the request', 'exchange', 0],
] as const)('somebody else uses the session meanwhile, and %s was lost: unknown', async (_, to, orders) => {
  const client = await open()
  const { session } = client
  let others = (): void => {}
  const othersDone = new Promise<void>((resolve) => (others = resolve))
  let cut = false
  proxy.judge = async ({ to: direction, method }): Promise<Verdict> => {
    if (method === Method.Frame && direction === to && !cut) {
      cut = true
      return 'cut'
    }
    if (method === Method.Logon) await othersDone
    return 'pass'
  }
  const order = buy(client, 10)
  const lost = outcomeOf(client.batch([order, client.cancel({ market: MARKET, cloid: 7n })]))
  await until(() => cut, 'the cut')
  const other = await connect({ url: rig.url })
  await other.logon(session!)
  for (let frame = 0; frame < 3; frame++) await other.batch([buy(other, 20)])
  others()
  const results = await lost
  expect(names(results)).toEqual(['OutcomeUnknown', 'OutcomeUnknown'])
  expect(results[0]!.error!.name).toBe('ExchangeError')
  const details = results.map(({ error }) => error!.details as { order?: { cloid: bigint } })
  expect(details.map((known) => known.order?.cloid)).toEqual([
    orders === 1 ? cloidOf(order) : undefined,
    undefined,
  ])
  expect(results[0]!.state).toBe(orders === 1 ? 'open' : 'none')
  // Each is told once that the other was there, in a typed error, and then trades on.
  for (const one of [client, other, client, other]) {
    await one.cancelAll().catch((error: unknown) => {
      expect(error).toMatchObject({ name: 'AuthenticationError', codeName: 'FrameNonceTooOld' })
    })
    expect((await one.cancelAll()).more).toBe(false)
  }
})

test('a session without the right to read: not taken is proven, taken is unknown', async () => {
  const client = await connect()
  await client.createSession({ scopes: ['trade'] })
  once('exchange', Method.Frame, 'cut')
  expect(names(await outcomeOf(client.batch([buy(client, 10)])))).toEqual(['NotTaken'])
  once('client', Method.Frame, 'cut')
  expect(names(await outcomeOf(client.batch([buy(client, 10)])))).toEqual(['OutcomeUnknown'])
})

test('a session that ends meanwhile: the client says so, and what was lost is asked for with the next', async () => {
  const client = await open()
  const { session } = client
  const orders = await client.trackOrders()
  const ended: number[] = []
  client.onSessionEnded(({ approval }) => ended.push(approval))
  let revoked = (): void => {}
  const revoking = new Promise<void>((resolve) => (revoked = resolve))
  let cut = false
  proxy.judge = async ({ to, method }): Promise<Verdict> => {
    if (method === Method.Frame && to === 'client' && !cut) {
      cut = true
      return 'cut'
    }
    if (method === Method.Logon) await revoking
    return 'pass'
  }
  const order = buy(client, 10)
  const lost = outcomeOf(client.batch([order]))
  await until(() => cut, 'the cut')
  const owner = await connect({ url: rig.url })
  await owner.revokeSession(session!.approval)
  revoked()
  await until(() => client.state === 'open', 'the connection')
  expect(ended).toEqual([session!.approval])
  expect(client.session).toBeUndefined()
  await expect(client.batch([buy(client, 11)])).rejects.toMatchObject({ codeName: 'NotLoggedOn' })
  await client.createSession()
  const [result] = await lost
  expect(result).toMatchObject({ state: 'open', error: { codeName: 'OutcomeUnknown' } })
  await until(() => orders.byCloid(cloidOf(order)) !== undefined, 'the stream of orders')

  // Revoked while it is connected: the streams, public ones too, go on after the next logon.
  const book = await client.trackBook(MARKET)
  await owner.revokeSession(client.session!.approval)
  await until(() => ended.length === 2, 'the end of the session')
  await client.createSession()
  await client.batch([buy(client, 12)])
  await until(() => orders.live.size === 2 && book.bids().length === 2, 'streams')
})

test('a clock that is set back: nonces go on above those of before', async () => {
  const key = await createSessionKey({ extractable: true })
  const before = await connect()
  const session = await before.createSession({ key })
  await before.batch([buy(before, 10)])
  const { now } = Date
  try {
    Date.now = () => now() - 3_600_000
    // Within one run, and in the next one with the same session.
    await before.batch([buy(before, 11)])
    const after = await connect()
    await after.logon(session)
    await after.batch([buy(after, 12)])
    expect(await after.orders()).toHaveLength(3)
  } finally {
    Date.now = now
  }
})

test('a withdrawal whose answer was lost is asked for by its nonce, and taken once', async () => {
  const client = await open()
  const units = async (): Promise<number> => (await client.balances())[1]!.availableUnits
  const before = await units()
  once('client', Method.Withdraw, 'cut')
  const taken = (await outcomeOf(client.requestWithdrawal({ asset: 'USDC', amount: '1' }))) as never as {
    seq: number
  }
  expect(taken.seq).toBeGreaterThan(0)
  once('exchange', Method.Withdraw, 'cut')
  const { seq } = (await outcomeOf(client.requestWithdrawal({ asset: 'USDC', amount: '2' }))) as never as {
    seq: number
  }
  expect(seq).toBeGreaterThan(taken.seq)
  expect(before - (await units())).toBe(3_000_000)
})

test('a key that signs elsewhere and fails at once, while an earlier frame still waits for its signature', async () => {
  const own = await createSessionKey()
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const answers: (() => Promise<void>)[] = [
    () => held,
    () => Promise.reject(new Error('the signer is away')),
    () => Promise.resolve(),
  ]
  let isAway = false
  const sign = async (message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> => {
    if (isAway) await answers.shift()!()
    return own.sign(message)
  }
  const client = await connect()
  await client.createSession({ key: { ...own, sign } })
  isAway = true
  const [first, second, third] = [10, 11, 12].map((ticks) => later(client.batch([buy(client, ticks)])))
  // Long enough for an error that nobody waits for to end this process.
  await new Promise((resolve) => setTimeout(resolve, 50))
  release()
  expect(await first).toHaveLength(1)
  await expect(second).rejects.toThrow('the signer is away')
  expect(await third).toHaveLength(1)
  expect(await client.orders()).toHaveLength(2)
})
