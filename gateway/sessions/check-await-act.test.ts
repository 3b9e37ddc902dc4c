/**
 * Check, await, act: what a client began with a session that ends meanwhile does not go on. The gateway runs in
 * this process, so that a session ends exactly between a check and what follows it.
 */
import { createHash } from 'node:crypto'
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { Reject } from '../../engine/codes.js'
import { type Client, type Session, createClient } from '../../sdk/index.js'
import { toBase64url } from '../../sdk/wire/bytes.js'
import { jsonCodec, packJson, unpackJson } from '../../sdk/wire/codec.js'
import { ErrorCode, rejectToCode } from '../../sdk/wire/codes.js'
import { Kind, Method, OrderState } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { domainPreimage, frameMessage, logonMessage } from '../../sdk/wire/signed.js'
import { gatewayConfig } from '../settings/config.js'
import type { Connection, ClientSocket } from '../connections/connection.js'
import { Gateway } from '../gateway.js'

const MARKET = 'ETH-USDC'
const domain = createHash('sha256').update(domainPreimage(31337, RIG_DEPLOYMENT.vault)).digest()
let rig: Rig
let client: Client
let gateway: Gateway
let running: Promise<void>

beforeAll(async () => {
  // A private venue, so that commands come without a signature too.
  rig = await startRig({ accounts: 1, spare: 1, signed: false })
  client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  gateway = new Gateway(
    {
      thread: 1,
      link: rig.spareLinks[0]!,
      config: gatewayConfig({ requireSignedFrames: false }),
      deployment: RIG_DEPLOYMENT,
      owners: [],
    },
    (message) => {
      if (message.type === 'guard') setImmediate(() => gateway.disconnectCancels.told(message.ticket))
    },
  )
  running = gateway.link.run(gateway)
  await gateway.load()
}, 300_000)
afterAll(async () => {
  client.close()
  await rig.stop()
  await running
})

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 120_000) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A session that this gateway knows too. */
async function session(terms: Parameters<Client['createSession']>[0] = {}): Promise<Session> {
  const made = await client.createSession({ maxNotional: ++different, ...terms })
  await until(() => gateway.directory.session(made) !== undefined, 'the session')
  return made
}
/** Other terms each time: the key's session is replaced. */
let different = 1e9

function connect(): {
  connection: Connection
  answers: () => WireValue[][]
  send: (...parts: WireValue[]) => void
} {
  const sent: WireValue[][] = []
  const socket = {
    getBufferedAmount: () => 0,
    cork: (send: () => void) => send(),
    send: (data: string) => sent.push(unpackJson(data) as WireValue[]),
    end: () => {},
    ping: () => {},
  }
  const connection = gateway.clients.open(socket as unknown as ClientSocket, {
    codec: jsonCodec,
    ip: '127.0.0.1',
  })
  return {
    connection,
    answers: () => sent.filter(([kind]) => kind === Kind.Result || kind === Kind.Error),
    send: (...parts) => gateway.clients.receive(connection, Buffer.from(packJson([Kind.Request, ...parts]))),
  }
}

/**
 * What is sent by `sends` is handled before this resolves: an address has a few milliseconds a turn, so the turn is a
 * new one, and the clock stands still in it.
 */
async function atOnce(sends: () => void): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  const nowMs = performance.now()
  performance.now = () => nowMs
  try {
    sends()
  } finally {
    // That of its class is there again.
    Reflect.deleteProperty(performance, 'now')
  }
}

const logonOf = async (
  { account, approval, key }: Session,
  { challenge }: Connection,
): Promise<WireValue> => {
  const message = logonMessage(domain, { account, approval }, challenge)
  return [account, approval, toBase64url(await key.sign(message))]
}

test('a logon in flight at the revocation, the replacement or the end of its connection is none', async () => {
  const own = await session()
  const endings: [string, (connection: Connection) => void, number][] = [
    ['revoked', () => gateway.directory.removeSession(own), ErrorCode.UnknownSession],
    ['closed', (connection) => connection.markClosed(), 0],
  ]
  const info = gateway.directory.session(own)!
  for (const [what, end, code] of endings) {
    const { connection, answers, send } = connect()
    const params = await logonOf(own, connection)
    await atOnce(() => {
      send(1, Method.Logon, params)
      end(connection)
    })
    await until(() => !connection.loggingOn, what)
    await until(() => code === 0 || answers().length > 0, what)
    expect([what, connection.session]).toEqual([what, undefined])
    if (code !== 0) expect(answers()[0]!.slice(0, 3)).toEqual([Kind.Error, 1, code])
    gateway.directory.setSession(info)
  }
})

test('of two logons in one packet exactly one succeeds; a later one is refused until the first has left', async () => {
  const own = await session()
  const { connection, answers, send } = connect()
  const params = await logonOf(own, connection)
  send(1, Method.Logon, params)
  send(2, Method.Logon, params)
  await until(() => answers().length === 2, 'both answers')
  const byId = new Map(answers().map(([kind, id, code]) => [id, [kind, code]]))
  expect(byId.get(2)).toEqual([Kind.Error, ErrorCode.AlreadyLoggedOn])
  expect(byId.get(1)![0]).toBe(Kind.Result)
  send(3, Method.Logon, params)
  await until(() => answers().length === 3, 'the third')
  expect(answers()[2]!.slice(0, 3)).toEqual([Kind.Error, 3, ErrorCode.AlreadyLoggedOn])
  send(4, Method.Logoff, [])
  send(5, Method.Logon, params)
  await until(() => answers().length === 5, 'the fifth')
  expect(answers().map(([kind]) => kind)).toEqual([
    Kind.Error,
    Kind.Result,
    Kind.Error,
    Kind.Result,
    Kind.Result,
  ])
})

test('a revoked key’s cancelOnDisconnect cancels nothing, an answer under way is not told, a frame not taken', async () => {
  const own = await session()
  const { cloid } = await client.placeOrder({ market: MARKET, side: 'buy', ticks: 10, lots: 1 })
  const { connection, answers, send } = connect()
  send(1, Method.Logon, await logonOf(own, connection))
  await until(() => connection.session !== undefined, 'the logon')
  await atOnce(() => send(2, Method.CancelOnDisconnect, [true]))
  const payload = packJson([[1, 0, 0, 11, 1, '12345']])
  // Above all that this session has used.
  const nonce = 2 ** 52
  const signature = await own.key.sign(frameMessage(domain, own, nonce, Buffer.from(payload)))
  const info = gateway.directory.session(own)!
  await atOnce(() => {
    send(3, Method.Frame, [own.account, own.approval, nonce, payload, toBase64url(signature)])
    send(4, Method.FrameOutcome, [own.approval, nonce])
    // The revocation is told between the checks and the answers.
    gateway.directory.removeSession(own)
    gateway.clients.sessionEnded(own)
  })
  await until(() => answers().length === 4, 'all answers')
  const byId = new Map(answers().map(([kind, id, code]) => [id, [kind, code]]))
  for (const id of [3, 4]) expect([id, byId.get(id)]).toEqual([id, [Kind.Error, ErrorCode.UnknownSession]])
  gateway.clients.closed(connection)
  gateway.directory.setSession(info)
  // Whatever the gateway had put into the ring has been applied behind an order of ours.
  const marker = await client.placeOrder({ market: MARKET, side: 'buy', ticks: 12, lots: 1 })
  expect(marker.state).toBe('open')
  expect(await client.order({ cloid: cloid! })).toMatchObject({ state: 'open' })
  expect(await client.order({ cloid: 12345n })).toBeUndefined()
})

test('an expired session does nothing more, although nobody has swept since', async () => {
  const { cloid } = await client.placeOrder({ market: MARKET, side: 'buy', ticks: 10, lots: 1 })
  const expiresAtMs = (await client.engineTime()) + 1000
  const own = await session({ expiresAtMs, maxNotional: 0 })
  const { connection, answers, send } = connect()
  send(1, Method.Logon, await logonOf(own, connection))
  await until(() => connection.session !== undefined, 'the logon')
  await atOnce(() => {
    send(2, Method.CancelOnDisconnect, [true])
    send(3, Method.UnsignedFrame, [packJson([[1, 0, 0, 11, 1, '776']])])
  })
  await until(() => answers().length === 3, 'both answers')
  expect(answers().map(([kind]) => kind)).toEqual([Kind.Result, Kind.Result, Kind.Result])
  await until(() => gateway.timeMs >= expiresAtMs, 'the end of the session')
  await atOnce(() => {
    send(4, Method.UnsignedFrame, [packJson([[1, 0, 0, 11, 1, '777']])])
    send(5, Method.Subscribe, ['orders'])
    send(6, Method.Balances, [])
  })
  await until(() => answers().length === 6, 'all answers')
  expect(
    answers()
      .slice(3)
      .map(([kind, , code]) => [kind, code]),
  ).toEqual(Array.from({ length: 3 }, () => [Kind.Error, ErrorCode.SessionExpired]))
  gateway.clients.closed(connection)
  await session()
  const marker = await client.placeOrder({ market: MARKET, side: 'buy', ticks: 12, lots: 1 })
  expect(marker.state).toBe('open')
  for (const each of [cloid!, 776n])
    expect([each, await client.order({ cloid: each })]).toMatchObject([each, { state: 'open' }])
  expect(await client.order({ cloid: 777n })).toBeUndefined()
})

test('without a signature too an order is held to the maxNotional of its session', async () => {
  const { connection, answers, send } = connect()
  send(1, Method.Logon, await logonOf(await session({ maxNotional: 1000 }), connection))
  await until(() => connection.session !== undefined, 'the logon')
  const over = [1, 0, 0, 11, 1000, '778']
  const within = [1, 0, 0, 11, 90, '779']
  await atOnce(() => send(2, Method.UnsignedFrame, [packJson([over, within])]))
  await until(() => answers().length === 2, 'the answer')
  const [kind, id, [firstSeq, items]] = answers()[1] as [number, number, [number, number[][]]]
  // The order's id is its seq, and the first seq that of the first command.
  expect([kind, id, items]).toEqual([
    Kind.Result,
    2,
    [
      [rejectToCode(Reject.SessionNotional), 1000],
      [0, firstSeq + 1, OrderState.Open, 90, 0],
    ],
  ])
  expect(await client.order({ cloid: 778n })).toMatchObject({ orderId: 0, remaining: 0 })
})
