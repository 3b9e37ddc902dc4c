/**
 * What messages cost before they are looked at: budgets of connections and addresses, refusals that close and
 * keep out, turns in which every socket is served.
 */
import { WebSocket } from 'ws'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { createClient } from '../../sdk/index.js'
import { Subprotocol } from '../../sdk/wire/version.js'
import { ErrorCode, closeCode } from '../../sdk/wire/codes.js'
import { Admission, Turns } from './admission.js'
import { gatewayConfig } from '../settings/config.js'
import type { Connection } from '../connections/connection.js'

const connection = (id: number, ip = '10.0.0.1'): Connection => ({ id, ip, closed: false }) as never
const NONE = { perSecond: 1, burst: 10 }

test('a message takes from its connection and its address, whatever it says', () => {
  const admission = new Admission(
    gatewayConfig({
      messageRate: NONE,
      ipMessageRate: { perSecond: 1, burst: 15 },
      ipByteRate: { perSecond: 1, burst: 1000 },
    }),
  )
  for (let count = 0; count < 10; count++) expect(admission.message(connection(1), 10)).toBeUndefined()
  expect(admission.message(connection(1), 10)).toMatchObject({ code: ErrorCode.RateLimited })
  for (let count = 0; count < 5; count++) expect(admission.message(connection(2), 10)).toBeUndefined()
  expect(admission.message(connection(2), 10)).toMatchObject({ code: ErrorCode.IpRateLimited })
  expect(admission.message(connection(3, '10.0.0.2'), 900)).toBeUndefined()
  expect(admission.message(connection(3, '10.0.0.2'), 900)).toMatchObject({
    code: ErrorCode.IpRateLimited,
    message: 'the byte budget of 10.0.0.2 is spent: 1 a second, at most 1000 at once',
  })
})

test('refusals close a connection, a bad signature sooner, and an address that goes on is kept out', () => {
  const admission = new Admission(
    gatewayConfig({
      refusalRate: { perSecond: 1, burst: 100 },
      ipRefusalRate: { perSecond: 1, burst: 10_000 },
      ipOffenceRate: { perSecond: 1, burst: 3 },
    }),
  )
  const refusedAt = (of: Connection, code: number): number => {
    let count = 1
    while (admission.refused(of, code) === undefined) count++
    return count
  }
  expect(refusedAt(connection(1), ErrorCode.UnknownMethod)).toBeGreaterThan(100)
  expect(refusedAt(connection(2), ErrorCode.BadSignature)).toBe(3)
  expect(admission.refused(connection(2), ErrorCode.BadSignature)).toEqual({ perSecond: 1, burst: 100 })
  // What the engine refuses has paid for itself; what is not there is an answer.
  for (const code of [ErrorCode.NotFound, 4011, 2104, 5100, 6001])
    for (let count = 0; count < 1000; count++) expect(admission.refused(connection(3), code)).toBeUndefined()
  expect(admission.connect('10.0.0.1')).toBeUndefined()
  // A token comes back each second: a few more than the three, however slow this machine is.
  for (let id = 4; id < 40 && admission.connect('10.0.0.1') === undefined; id++)
    expect(refusedAt(connection(id), ErrorCode.NotLoggedOn)).toBeGreaterThan(100)
  expect(admission.connect('10.0.0.1')).toMatchObject({
    code: ErrorCode.ConnectRateLimited,
    message:
      'too many requests of 10.0.0.1 were refused, so it is kept out for 10 s; correct what was refused',
  })
  expect(admission.connect('10.0.0.2')).toBeUndefined()
})

test('a refusal that ends its HTTP connection weighs ten, and an address that goes on is told a bounded number of times', () => {
  const admission = new Admission(
    gatewayConfig({
      ipRefusalRate: { perSecond: 1, burst: 1000 },
      ipOffenceRate: { perSecond: 1, burst: 3 },
      keptOutS: 600,
    }),
  )
  const [ip, other] = ['10.0.0.1', '10.0.0.2']
  let refused = 0
  for (; admission.connect(ip) === undefined && refused < 1000; refused++)
    admission.refusedOverHttp(ip, ErrorCode.UnsupportedVersion, true)
  // A hundred, three offences and the one that is too many; tokens come back while it runs.
  expect(refused).toBeGreaterThan(100)
  expect(refused).toBeLessThan(150)
  let told = 0
  for (; !admission.hasBeenTold(ip) && told < 100_000; told++)
    expect(admission.refusedOverHttp(ip, ErrorCode.ConnectRateLimited, true)).toBe(true)
  expect(told).toBeLessThan(100_000)
  expect([admission.hasBeenTold(other), admission.connect(other)]).toEqual([false, undefined])
  // What does not end its connection is always answered.
  for (let count = 0; count < 1000; count++)
    expect(admission.refusedOverHttp(other, ErrorCode.NotFound, false)).toBe(true)
})

test('a socket that sends thousands of messages at once does not keep another waiting, and keeps its order', async () => {
  const handled: [id: number, text: string][] = []
  const turns = new Turns(({ id }, message) => handled.push([id, Buffer.from(message).toString()]) > 0)
  const [loud, quiet] = [connection(1), connection(2)]
  for (let count = 0; count < 5000; count++) turns.take(loud, Buffer.from(String(count)))
  turns.take(quiet, Buffer.from('here'))
  const place = (): number => handled.findIndex(([id]) => id === 2)
  for (let turn = 0; place() < 0 && turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(place()).toBeGreaterThanOrEqual(0)
  expect(place()).toBeLessThan(512)
  while (turns.size > 0) await new Promise((resolve) => setImmediate(resolve))
  expect(handled.filter(([id]) => id === 1).map(([, text]) => text)).toEqual(
    Array.from({ length: 5000 }, (_, count) => String(count)),
  )
})

test('messages that take long: an address has its part of a turn, others theirs, and each of its sockets its turn', async () => {
  let clockMs = 0
  const handled: string[] = []
  const turns = new Turns(
    ({ id, ip }, message) => {
      // Of the crowd each takes 1.5 ms.
      if (ip === 'crowd') clockMs += 1.5
      return handled.push(`${ip} ${id} ${Buffer.from(message).toString()}`) > 0
    },
    () => false,
    () => 0,
    () => clockMs,
  )
  const of = (id: number, ip: string) => ({ id, ip, closed: false, session: {} }) as Connection
  const crowd = Array.from({ length: 50 }, (_, id) => of(id, 'crowd'))
  for (let count = 0; count < 4; count++)
    for (const connection of crowd) turns.take(connection, Buffer.from(String(count)))
  turns.take(of(99, 'other'), Buffer.from('a place'))
  // The crowd has had its part of this turn: the other one is not behind it.
  expect(handled).toEqual(['crowd 0 0', 'crowd 1 0', 'other 99 a place'])
  while (turns.size > 0) await new Promise((resolve) => setImmediate(resolve))
  expect(handled).toHaveLength(201)
  // Nobody of the crowd was served all before another was served at all.
  const first = crowd.map(({ id }) => handled.indexOf(`crowd ${id} 0`))
  const last = crowd.map(({ id }) => handled.indexOf(`crowd ${id} 3`))
  expect(Math.max(...first)).toBeLessThan(Math.min(...last))
  expect(crowd.every(({ id }) => [0, 1, 2, 3].every((n) => handled.includes(`crowd ${id} ${n}`)))).toBe(true)
})

test('who has not logged on has a smaller part of a turn, from which those of its address who have go on', async () => {
  let clockMs = 0
  const handled: number[] = []
  const turns = new Turns(
    ({ id }) => {
      clockMs += 0.3
      return handled.push(id) > 0
    },
    () => false,
    () => 0,
    () => clockMs,
  )
  const anonymous = { id: 1, ip: 'a', closed: false } as Connection
  const member = { id: 2, ip: 'a', closed: false, session: {} } as Connection
  for (let count = 0; count < 4; count++) turns.take(anonymous, Buffer.of(count))
  for (let count = 0; count < 4; count++) turns.take(member, Buffer.of(count))
  expect(handled).toEqual([1, 1, 2, 2, 2, 2])
  while (turns.size > 0) await new Promise((resolve) => setImmediate(resolve))
  expect(handled).toEqual([1, 1, 2, 2, 2, 2, 1, 1])
})

test('a message that is not done stays the first of its socket, while others go on', async () => {
  const handled: string[] = []
  let waits = false
  let tries = 0
  const turns = new Turns(
    ({ id }, message) => {
      const text = Buffer.from(message).toString()
      if (text === 'a question' && tries++ === 0) {
        waits = true
        return false
      }
      return handled.push(`${id} ${text}`) > 0
    },
    ({ id }) => id === 1 && waits,
  )
  const [asks, trades] = [connection(1), connection(2)]
  for (const text of ['a place', 'a question', 'a cancel']) turns.take(asks, Buffer.from(text))
  turns.take(trades, Buffer.from('a place'))
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  turns.take(trades, Buffer.from('a cancel'))
  expect(handled).toEqual(['1 a place', '2 a place', '2 a cancel'])
  // It was looked at once, however many turns have passed.
  expect(tries).toBe(1)
  waits = false
  while (turns.size > 0) await new Promise((resolve) => setImmediate(resolve))
  expect(handled.slice(3)).toEqual(['1 a question', '1 a cancel'])
})

test('messages are handled with the seq of when they came: those of one moment wait together', async () => {
  let [settled, told] = [5, 3]
  const handled: [text: string, seq: number][] = []
  let awaited = 0
  const turns = new Turns(
    (_connection, message, seq) => {
      awaited = seq
      if (seq > told) return false
      return handled.push([Buffer.from(message).toString(), seq]) > 0
    },
    () => awaited > told,
    () => settled,
  )
  const asks = connection(1)
  for (const text of ['a', 'b', 'c']) turns.take(asks, Buffer.from(text))
  settled = 9
  turns.take(asks, Buffer.from('d'))
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  for (let count = 0; count < 3; count++) await turn()
  expect(handled).toEqual([])
  told = 5
  for (let count = 0; count < 3; count++) await turn()
  expect(handled).toEqual(['a', 'b', 'c'].map((text) => [text, 5]))
  told = 9
  while (turns.size > 0) await turn()
  expect(handled.at(-1)).toEqual(['d', 9])
})

test('what waits of one socket is bounded, and forgotten with it', () => {
  const turns = new Turns(() => true)
  const loud = connection(1)
  let taken = 0
  while (turns.take(loud, Buffer.alloc(16 << 10))) taken++
  expect(taken * (16 << 10)).toBeLessThan(2 << 20)
  turns.forget(loud)
  expect(turns.size).toBe(0)
})

describe('on a real socket', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig({
      accounts: 1,
      config: { refusalRate: { perSecond: 1, burst: 50 }, ipOffenceRate: { perSecond: 1, burst: 1 } },
    })
  })
  afterAll(() => rig.stop())

  /** A socket of an address of its own that asks for what there is not until it is closed. */
  async function shout(localAddress: string): Promise<{ code: number; answers: number }> {
    const socket = new WebSocket(rig.url, Subprotocol.Json, { localAddress })
    let answers = 0
    socket.on('message', () => answers++)
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    for (let id = 0; id < 500; id++) socket.send(JSON.stringify([0, id, 'nonsense', []]))
    const code = await new Promise<number>((resolve) => socket.once('close', resolve))
    return { code, answers }
  }

  test('who asks for nonsense is closed; its address is kept out; others trade on', async () => {
    const client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    await client.createSession()
    const first = await shout('127.0.0.77')
    expect(first.code).toBe(closeCode(ErrorCode.TooManyErrors))
    // The hello, fifty errors, and those of the message in hand.
    expect(first.answers).toBeLessThan(100)
    const again = async (): Promise<void> => {
      for (let count = 0; count < 20; count++) await shout('127.0.0.77')
    }
    await expect(again()).rejects.toThrow(/429/)
    const placed = await client.placeOrder({ market: 0, side: 'buy', ticks: 10, lots: 1 })
    expect(placed.state).toBe('open')
    client.close()
  })

  test('a frame that is mostly blanks is refused', async () => {
    // Refused before its signature counts.
    const client = await createClient({ url: rig.url, wallet: rig.wallets[0]!, encoding: 'json' }).connect()
    await client.createSession()
    const payload = `[[1,0,0,10,1,"77"]]${' '.repeat(4000)}`
    const signature = Buffer.alloc(64).toString('base64url')
    const { approval } = (await client.sessions()).at(-1)!
    await expect(client.call('frame', [1, approval, 1e9, payload, signature])).rejects.toMatchObject({
      code: ErrorCode.BadParams,
      message: expect.stringContaining('a frame of at most 512 bytes with 1 commands') as string,
    })
    client.close()
  })

  test('an account and an address have a share of connections, streams and proofs, with a code of its own', async () => {
    const small = await startRig({
      accounts: 2,
      config: { connectionsPerAccount: 2, subscriptionsPerIp: 3, proofsPerIp: 2 },
      gateway: { askProof: () => new Promise(() => {}) },
    })
    const open = async (index: number) => {
      const client = createClient({ url: small.url, wallet: small.wallets[index]!, reconnect: false })
      await client.connect()
      await client.createSession()
      return client
    }
    const [first, second] = [await open(0), await open(0)]
    await expect(open(0)).rejects.toMatchObject({ code: ErrorCode.TooManyConnections })
    // Another account's share is its own; a connection that ends gives its place back.
    const other = await open(1)
    second.close()
    let third = await open(0).catch(() => undefined)
    for (let waited = 0; third === undefined && waited < 200; waited++) {
      await new Promise((resolve) => setTimeout(resolve, 25))
      third = await open(0).catch(() => undefined)
    }
    expect(third).toBeDefined()

    await first.subscribe('bbo:0', () => {})
    const leave = await first.subscribe('ticker:0', () => {})
    await other.subscribe('bbo:0', () => {})
    await expect(other.subscribe('trades:0', () => {})).rejects.toMatchObject({
      code: ErrorCode.TooManySubscriptions,
    })
    await leave()
    await other.subscribe('trades:0', () => {})

    // Two connections: which of the three comes last is not said, but one of them is refused, and only that one answered.
    const asked = [first, first, other].map((client) =>
      client.proof({ account: 1, asset: 0 }).catch((error: unknown) => error),
    )
    expect(await Promise.race(asked)).toMatchObject({ code: ErrorCode.IpRateLimited })
    for (const client of [first, other, third!]) client.close()
    await small.stop()
  })
})
