/**
 * A gateway process whose wall clock is wrong by days: whatever the engine's rules speak of goes by engine time,
 * and the wall clock is told and decides nothing. So too a client whose own clock is wrong.
 */
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { ControlBlock } from '../../engine/rings/control.js'
import { type Client, type Session, createClient } from '../../sdk/index.js'
import { toBase64url } from '../../sdk/wire/bytes.js'
import { packJson } from '../../sdk/wire/codec.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { Method } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { frameMessage, httpTokenMessage } from '../../sdk/wire/signed.js'
import { createDomain } from '../signatures/auth.js'

const DOMAIN = createDomain(RIG_DEPLOYMENT.chainId, RIG_DEPLOYMENT.vault).hash
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** Long enough to log on and trade before it, on a machine with much else to do. */
const LIFE_MS = 8000

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 180_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** An exchange whose gateway process alone has a wall clock that is wrong by `skewMs`. */
async function startSkewed(skewMs: number): Promise<Rig> {
  const before = process.env.NODE_OPTIONS
  const skew = `const now = Date.now; Date.now = () => now() + ${skewMs}`
  process.env.NODE_OPTIONS = `${before ?? ''} --import data:text/javascript,${encodeURIComponent(skew)}`
  try {
    return await startRig({ accounts: 2, apart: true })
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = before
  }
}

const open = async (rig: Rig, index: number): Promise<Client> =>
  createClient({ url: rig.url, wallet: rig.wallets[index]! }).connect()

const order = (rested: number) => ({ market: 0, side: 'buy', ticks: 10 + rested, lots: 1 }) as const

/** Code of what an HTTP request is refused for; 0 = it was answered. */
async function httpCode(rig: Rig, path: string, init: RequestInit): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${rig.port}${path}`, init)
  const body = (await response.json()) as { code?: number }
  return response.ok ? 0 : body.code!
}

async function tokenCode(rig: Rig, session: Session, expiresAtMs: number): Promise<number> {
  const { account, approval, key } = session
  const signature = toBase64url(await key.sign(httpTokenMessage(DOMAIN, session, expiresAtMs)))
  const authorization = `Glassbook ${account}.${approval}.${expiresAtMs}.${signature}`
  return httpCode(rig, '/v1/balances', { headers: { authorization } })
}

async function frameCode(rig: Rig, session: Session, nonce: number): Promise<number> {
  const { account, approval, key } = session
  const payload = packJson([[1, 0, 0, 9, 1, String(nonce)]])
  const signature = await key.sign(frameMessage(DOMAIN, session, nonce, new TextEncoder().encode(payload)))
  return httpCode(rig, '/v1/frames', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: packJson([account, approval, nonce, payload, signature] as WireValue),
  })
}

describe.each([2 * DAY_MS, -2 * DAY_MS])('a gateway whose wall clock is %d ms ahead', (skewMs) => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startSkewed(skewMs)
  })
  afterAll(() => rig.stop())

  test('tells both times', async () => {
    const client = await open(rig, 0)
    const [wallMs, engineMs] = (await client.call(Method.Time, [])) as [number, number]
    expect(Math.abs(wallMs - skewMs - Date.now())).toBeLessThan(MINUTE_MS)
    expect(Math.abs(engineMs - Date.now())).toBeLessThan(MINUTE_MS)
    client.close()
  })

  test('lets sessions log on and trade, over WebSocket and HTTP', async () => {
    const client = await open(rig, 0)
    let ended = 0
    client.onSessionEnded(() => ended++)
    const session = await client.createSession()
    expect(await client.placeOrder(order(1))).toMatchObject({ state: 'open' })
    const nowMs = await client.engineTime()
    const late = { ...order(2), deadlineMs: nowMs - MINUTE_MS }
    await expect(client.placeOrder(late)).rejects.toMatchObject({ name: 'OrderError' })
    const good = {
      ...order(2),
      timeInForce: 'GTD',
      expiresAtMs: nowMs + DAY_MS,
      deadlineMs: nowMs + MINUTE_MS,
    }
    expect(await client.placeOrder(good as never)).toMatchObject({ state: 'open' })
    await client.cancelAfter(MINUTE_MS)
    expect(await frameCode(rig, session, (nowMs + MINUTE_MS) * 1000)).toBe(0)
    expect(await tokenCode(rig, session, nowMs + 30 * MINUTE_MS)).toBe(0)
    expect(await tokenCode(rig, session, nowMs - 1)).toBe(ErrorCode.SessionExpired)
    expect(await tokenCode(rig, session, nowMs + 120 * MINUTE_MS)).toBe(ErrorCode.SessionExpired)
    expect((await client.sessions()).filter(({ active }) => active)).toHaveLength(1)
    expect(ended).toBe(0)
    client.close()
  })

  test('ends a session when engine time reaches its expiry', async () => {
    const client = await open(rig, 1)
    const expiresAtMs = (await client.engineTime()) + LIFE_MS
    const ended: number[] = []
    client.onSessionEnded(({ approval }) => ended.push(approval))
    const session = await client.createSession({ expiresAtMs })
    expect(await client.placeOrder(order(1))).toMatchObject({ state: 'open' })
    await until(async () => {
      const isEarly = ended.length > 0
      const nowMs = await client.engineTime()
      if (isEarly) expect(nowMs).toBeGreaterThanOrEqual(expiresAtMs)
      return isEarly
    }, 'the end of the session')
    expect(ended).toEqual([session.approval])
    await expect(client.placeOrder(order(2))).rejects.toMatchObject({ code: ErrorCode.NotLoggedOn })
    const nowMs = await client.engineTime()
    const gone = [ErrorCode.SessionExpired, ErrorCode.UnknownSession]
    expect(gone).toContain(await frameCode(rig, session, (nowMs + MINUTE_MS) * 1000))
    expect(gone).toContain(await tokenCode(rig, session, nowMs + MINUTE_MS))
    await expect(client.logon(session)).rejects.toMatchObject({ name: 'AuthenticationError' })
    await client.createSession()
    expect((await client.sessions()).filter(({ active }) => active)).toHaveLength(1)
    client.close()
  })

  test('follows the engine when its clock is set', async () => {
    const client = await open(rig, 0)
    const session = await client.createSession()
    const ended: number[] = []
    client.onSessionEnded(({ approval }) => ended.push(approval))
    const control = new ControlBlock(rig.exchange.control)
    const before = await client.engineTime()
    control.clockBaseMs = control.clockBaseMs! + 40 * DAY_MS
    await until(async () => (await client.engineTime()) >= before + 40 * DAY_MS, 'another engine time')
    await until(() => ended.length > 0, 'the end of the session')
    expect(ended).toEqual([session.approval])
    client.close()
  })
})

describe.each([2 * DAY_MS, -2 * DAY_MS])('a client whose wall clock is %d ms ahead', (skewMs) => {
  let rig: Rig
  const { now } = Date
  beforeAll(async () => {
    rig = await startRig({ accounts: 1 })
    Date.now = () => now() + skewMs
  })
  afterAll(async () => {
    Date.now = now
    await rig.stop()
  })

  test('computes nonces, expiries and deadlines from engine time', async () => {
    const client = await open(rig, 0)
    const session = await client.createSession()
    // Above, by a wrong clock, of what may be used for two days: whoever comes next must not mind.
    const [view] = await client.sessions()
    expect(Math.abs(view!.expiresAtMs - DAY_MS - now())).toBeLessThan(MINUTE_MS)
    const nonces = (await client.call(Method.Nonces, [session.account])) as { approval: number }
    expect(Math.abs(nonces.approval / 1000 - now())).toBeLessThan(MINUTE_MS)
    await client.cancelAfter(MINUTE_MS)
    const gtd = { ...order(1), timeInForce: 'GTD', expiresAtMs: now() + DAY_MS } as const
    expect(await client.placeOrder({ ...gtd, deadlineMs: now() + DAY_MS - MINUTE_MS })).toMatchObject({
      state: 'open',
    })
    // Within what the SDK takes by engine time, beyond it by the wrong clock, or the other way round.
    const tooFar = { ...order(2), deadlineMs: now() + DAY_MS + MINUTE_MS }
    await expect(client.placeOrder(tooFar)).rejects.toMatchObject({ name: 'InputError' })
    const [after] = await client.sessions()
    expect(Math.abs(after!.highestNonce / 1000 - now())).toBeLessThan(MINUTE_MS)
    client.close()
  })

  test('goes by engine time when its clock is set while it is connected', async () => {
    Date.now = now
    const client = await open(rig, 0)
    await client.createSession()
    Date.now = () => now() + skewMs
    expect(await client.placeOrder({ ...order(3), deadlineMs: now() + MINUTE_MS })).toMatchObject({
      state: 'open',
    })
    const tooFar = { ...order(4), deadlineMs: now() + DAY_MS + MINUTE_MS }
    await expect(client.placeOrder(tooFar)).rejects.toMatchObject({ name: 'InputError' })
    client.close()
  })
})
