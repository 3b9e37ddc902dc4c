/**
 * A session that may trade and not read: nothing that it, or whoever carries a wallet's message, is told says what the
 * account has. (That an order is refused for want of funds says that there are fewer; whoever may trade can try.)
 */
import { createHash } from 'node:crypto'
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { type RawConnection, openRaw, webSocketFrame } from '../../bench/support/raw-websocket.js'
import { CommandKind, Reject } from '../../engine/codes.js'
import { type Client, type Session, createClient } from '../../sdk/index.js'
import { packJson } from '../../sdk/wire/codec.js'
import { ErrorCode, rejectToCode } from '../../sdk/wire/codes.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { methods, streams } from '../../sdk/wire/schema.js'
import { domainPreimage, frameMessage, logonMessage, walletTypes } from '../../sdk/wire/signed.js'
import { createDomain, withdrawalMessage } from '../signatures/auth.js'

const FREE = { perSecond: 1e9, burst: 1e9 }
const domain = createHash('sha256').update(domainPreimage(31337, RIG_DEPLOYMENT.vault)).digest()
const NO_FUNDS = rejectToCode(Reject.InsufficientFunds)
/** Of the order that rests: 31 ticks x 777 lots are reserved, and the fee. */
const RESTING = { market: 0, side: 'buy', ticks: 31, lots: 777, cloid: 5n } as const
/** Of the account's 1e15 units of quote, more than there are, and fewer than 2^53. */
const TOO_MANY = [CommandKind.Place, 0, 0, 4_000_000, 300_000_000, 6n]
const AMEND_TOO_MANY = [CommandKind.Amend, 0, 5n, 4_000_000, 300_000_000]

let rig: Rig
let owner: Client
/** Every number of the account's balances, and what an amend of its order could take. */
let secrets: Set<number>
const raws: RawConnection[] = []

beforeAll(async () => {
  rig = await startRig({
    accounts: 1,
    signed: false,
    config: { requestRate: FREE, ipRequestRate: FREE, refusalRate: FREE },
  })
  owner = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  await owner.createSession()
  await owner.placeOrder(RESTING)
  secrets = new Set()
  for (const { availableUnits, reservedUnits } of await owner.balances())
    for (const number of [availableUnits, reservedUnits, availableUnits + reservedUnits])
      if (number !== 0) secrets.add(number)
  // 1e15 of two assets, and what is left of one, reserved of it, and both.
  expect(secrets.size).toBe(3)
}, 300_000)
afterAll(async () => {
  for (const { socket } of raws) socket.destroy()
  owner.close()
  await rig.stop()
})

/** A connection with a session of these scopes, and every message that it is sent. */
async function open(scopes?: readonly ('read' | 'trade')[]) {
  const raw = await openRaw(rig.port)
  raws.push(raw)
  const told: WireValue[][] = []
  raw.onBody = (body) => told.push(unpackMsgpack(Buffer.from(body)) as WireValue[])
  const send = (id: number, method: Method, params: WireValue[]): boolean =>
    raw.socket.write(webSocketFrame(packMsgpack([Kind.Request, id, method, params])))
  const answer = async (id: number): Promise<WireValue[]> => {
    for (let waited = 0; waited < 30_000; waited += 5) {
      const found = told.find(([kind, of]) => (kind === Kind.Result || kind === Kind.Error) && of === id)
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    throw new Error(`no answer to ${id}`)
  }
  if (scopes === undefined) return { told, send, answer, session: undefined }
  const client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  const session: Session = await client.createSession({ scopes })
  client.close()
  const signature = await session.key.sign(logonMessage(domain, session, raw.hello[4] as Uint8Array))
  await raw.request(Method.Logon, [session.account, session.approval, signature])
  return { told, send, answer, session }
}

/** The numbers in a message, those in its sentences too. */
const numbersIn = (message: WireValue): number[] =>
  [...packJson(message).matchAll(/\d+/g)].map(([digits]) => Number(digits))
const secretsIn = (messages: readonly WireValue[]): number[] =>
  messages.flatMap(numbersIn).filter((number) => secrets.has(number))

async function signedFrame(session: Session, commands: WireValue[]): Promise<WireValue[]> {
  const payload = packMsgpack(commands)
  const signature = await session.key.sign(frameMessage(domain, session, 1, payload))
  return [session.account, session.approval, 1, payload, signature]
}

async function withdrawal(): Promise<WireValue[]> {
  const nonce = (await owner.engineTime()) * 1000
  const deadlineMs = (await owner.engineTime()) + 60_000
  const terms = { account: 1, asset: 1, units: 2 ** 52, maxFee: 0, nonce, deadlineMs }
  const unsigned = withdrawalMessage(
    createDomain(RIG_DEPLOYMENT.chainId, RIG_DEPLOYMENT.vault),
    terms,
    new Uint8Array(65),
  )
  const signature = await rig.wallets[0]!.signTypedData({ ...unsigned, types: walletTypes } as never)
  return [1, 1, terms.units, 0, nonce, deadlineMs, Buffer.from(signature.slice(2), 'hex')]
}

test('frames: the bound of InsufficientFunds is told to a session that may read, and to no other', async () => {
  const refused = expect.arrayContaining([NO_FUNDS])
  for (const scopes of [['read', 'trade'], ['trade']] as const) {
    const { told, send, answer, session } = await open(scopes)
    send(1, Method.Frame, await signedFrame(session!, [TOO_MANY, AMEND_TOO_MANY]))
    send(2, Method.UnsignedFrame, [packMsgpack([TOO_MANY, AMEND_TOO_MANY])])
    for (const id of [1, 2]) {
      const [, , [, items]] = (await answer(id)) as [number, number, [number, WireValue[]]]
      expect([id, items]).toEqual([id, [refused, refused]])
    }
    expect([scopes, secretsIn(told).length]).toEqual([scopes, scopes.length === 2 ? 4 : 0])
  }
})

test('withdrawals: whoever carries the wallet’s message hears what is available only where he may read it', async () => {
  const message = await withdrawal()
  for (const scopes of [['read', 'trade'], ['trade'], undefined] as const) {
    const { told, send, answer } = await open(scopes)
    send(1, Method.Withdraw, message)
    expect(await answer(1)).toEqual([Kind.Error, 1, NO_FUNDS, expect.anything()])
    expect([scopes, secretsIn(told).length]).toEqual([scopes, scopes?.length === 2 ? 1 : 0])
  }
  const response = await fetch(`http://127.0.0.1:${rig.port}/v1/withdrawals`, {
    method: 'POST',
    headers: { 'content-type': 'application/msgpack' },
    body: packMsgpack(message) as Uint8Array<ArrayBuffer>,
  })
  const told = (await response.json()) as { code: number }
  expect(told.code).toBe(NO_FUNDS)
  expect(secretsIn([told])).toEqual([])
})

test('every other method, and every stream, tells it nothing of them', async () => {
  const { told, send, answer } = await open(['trade'])
  const params: { readonly [M in Method]?: WireValue[] } = {
    [Method.Account]: [rig.wallets[0]!.address],
    [Method.Nonces]: [1],
    [Method.Orders]: [],
    [Method.Order]: [{ cloid: 5n }],
    [Method.Depth]: [0, 5],
    [Method.Trades]: [0, 5],
    [Method.Candles]: [0, '1m', 5],
    [Method.Ticker]: [0],
    [Method.Withdrawal]: [1, 1],
    [Method.Batches]: [5],
    [Method.PlaceTest]: [TOO_MANY],
  }
  const asked = Object.keys(methods) as Method[]
  let id = 0
  for (const method of asked) {
    if (method === Method.Logoff) continue
    send(++id, method, params[method] ?? [])
    await answer(id)
  }
  for (const { name } of streams) {
    const stream = name.replace('{market}', '0').replace('{depth}', '5').replace('{interval}', '1m')
    send(++id, Method.Subscribe, [stream])
    const [kind, , code] = await answer(id)
    const isOwn = ['orders', 'fills', 'balances'].includes(stream)
    expect([stream, kind === Kind.Error ? code : 0]).toEqual([stream, isOwn ? ErrorCode.ScopeMissing : 0])
  }
  // The order of the reader's session fills: nobody but he is told of balances.
  send(++id, Method.UnsignedFrame, [packMsgpack([[CommandKind.Place, 0, 1, 31, 1, 9n]])])
  await answer(id)
  expect(secretsIn(told)).toEqual([])
  // The same questions do tell them who may read.
  const reader = await open(['read'])
  reader.send(1, Method.Balances, [])
  await reader.answer(1)
  expect(new Set(secretsIn(reader.told)).size).toBeGreaterThan(0)
})
