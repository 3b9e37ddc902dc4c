/**
 * Keys that take their time to sign: what happens meanwhile to the connection and to the session decides whether the
 * logon is sent, and no logoff overtakes one that was.
 */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { until } from '../../test/support/until.js'
import { type Client, type ClientOptions, ErrorCode, createClient, createSessionKey } from '../index.js'
import { Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'
import type { SessionKey } from './session-key.js'
import { SessionLogon } from './session-logon.js'

/** A key whose signatures wait, while `held`, until `release`. */
async function slowKey() {
  const key = await createSessionKey()
  const waiting: (() => void)[] = []
  const slow = {
    held: false,
    waiting,
    release: () => waiting.splice(0).forEach((go) => go()),
    key: {
      ...key,
      sign: async (message) => {
        if (slow.held) await new Promise<void>((resolve) => waiting.push(resolve))
        return key.sign(message)
      },
    } satisfies SessionKey,
  }
  return slow
}

describe('to an exchange', () => {
  let rig: Rig
  let client: Client
  let walletSignatures = 0
  beforeAll(async () => {
    rig = await startRig({ accounts: 1 })
  })
  beforeEach(async () => {
    const own = rig.wallets[0] as unknown as {
      readonly address: string
      signTypedData(typed: unknown): Promise<unknown>
    }
    const wallet = {
      address: own.address,
      signTypedData: (typed: unknown) => {
        walletSignatures++
        return own.signTypedData(typed)
      },
    } as unknown as NonNullable<ClientOptions['wallet']>
    client = await createClient({ url: rig.url, wallet, reconnectDelayMsMax: 20 }).connect()
  })
  afterEach(() => client.close())
  afterAll(() => rig.stop())

  test.each(['the same key', 'another key'])(
    'a session of %s, made while the former one signs its logon, is the one that is logged on',
    async (which) => {
      const slow = await slowKey()
      await client.createSession({ key: slow.key })
      slow.held = true
      client.dropConnection()
      await until(() => slow.waiting.length === 1, 'the logon on the next connection')
      expect(client.state).toBe('connecting')
      walletSignatures = 0
      const other = await slowKey()
      other.held = true
      const next = which === 'the same key' ? slow : other
      const making = client.createSession({ key: next.key })
      making.catch(() => {})
      // The former one's logon is signed first.
      await until(() => slow.waiting.length + other.waiting.length === 2, 'its own logon')
      slow.release()
      await until(() => client.state === 'open', 'the connection')
      other.release()
      const session = await making
      expect(client.session).toEqual(session)
      // Where the key is the same, so is the session.
      expect(walletSignatures).toBe(which === 'the same key' ? 0 : 1)
      expect(await client.sessions()).toContainEqual(expect.objectContaining({ approval: session.approval }))
      slow.held = other.held = false
      const order = { market: 'ETH-USDC', side: 'buy', ticks: 10, lots: 1 } as const
      expect(await client.placeOrder(order)).toMatchObject({ state: 'open' })
      await client.cancelAll()
    },
  )

  test('two that are made at once with the same terms are one session, approved once', async () => {
    walletSignatures = 0
    const [first, second] = await Promise.all([client.createSession(), client.createSession()])
    expect(second).toEqual(first)
    expect(client.session).toEqual(second)
    expect(walletSignatures).toBe(1)
  })

  test('of two that are made at once with other terms the later one stays, and trades', async () => {
    const [first, second] = await Promise.all([
      client.createSession({ scopes: ['read'] }),
      client.createSession({ scopes: ['read', 'trade'] }),
    ])
    expect(second.approval).not.toBe(first.approval)
    expect(client.session).toEqual(second)
    const order = { market: 'ETH-USDC', side: 'buy', ticks: 10, lots: 1 } as const
    expect(await client.placeOrder(order)).toMatchObject({ state: 'open' })
    await client.cancelAll()
  })

  test('one that is refused does not hold up the one behind it', async () => {
    const slow = await slowKey()
    slow.held = true
    const results = Promise.allSettled([
      client.createSession({ account: 1_000_000 }),
      client.createSession({ key: slow.key }),
    ])
    await until(() => slow.waiting.length === 1, 'the second logon')
    slow.held = false
    slow.release()
    const [first, second] = await results
    expect(first).toMatchObject({
      status: 'rejected',
      reason: { name: expect.stringMatching(/Error$/) as string },
    })
    expect(second).toEqual({ status: 'fulfilled', value: client.session })
  })

  test('a session that signs while the connection breaks is logged on to the next one', async () => {
    const slow = await slowKey()
    slow.held = true
    const making = client.createSession({ key: slow.key })
    await until(() => slow.waiting.length === 1, 'the logon')
    const states: string[] = []
    client.onState((state) => states.push(state))
    client.dropConnection()
    await until(() => states.includes('open'), 'the next connection')
    slow.held = false
    slow.release()
    expect(client.session).toBeUndefined()
    expect(await making).toEqual(client.session)
  })
})

describe('one by one', () => {
  interface Sent {
    readonly method: string
    readonly answer: (result: WireValue) => void
  }
  let sent: Sent[]
  let challenge: Uint8Array
  let logon: SessionLogon
  /** Whether requests are answered as they come. */
  let answers: boolean
  beforeEach(() => {
    sent = []
    answers = false
    challenge = new Uint8Array(32)
    logon = new SessionLogon(
      {
        url: 'ws://exchange',
        request: (method) =>
          new Promise((answer) => {
            sent.push({ method, answer })
            if (answers) answer(null)
          }),
        domain: () => new Uint8Array(32),
        challenge: () => challenge,
        signed: (answer) => answer,
      },
      { changed: () => {}, left: () => {}, report: () => {} },
    )
  })
  const session = async () => ({ account: 1, approval: 1, key: await createSessionKey() })
  const methods = (): string[] => sent.map(({ method }) => method)

  async function loggedOn(): Promise<void> {
    const done = logon.logon(await session())
    await until(() => sent.length === 1, 'the logon')
    sent[0]!.answer(null)
    await done
    sent = []
  }

  test('a logoff waits for the answer to the logon that was sent', async () => {
    await loggedOn()
    const again = logon.logonAgain()
    await until(() => sent.length === 1, 'the logon')
    const off = logon.logoff()
    expect(logon.session).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(methods()).toEqual([Method.Logon])
    sent[0]!.answer(null)
    await until(() => sent.length === 2, 'the logoff')
    sent[1]!.answer(null)
    await Promise.all([again, off])
    expect(methods()).toEqual([Method.Logon, Method.Logoff])
    expect(logon.session).toBeUndefined()
  })

  test('a logon signed for a connection of before is not sent to the next', async () => {
    const slow = await slowKey()
    slow.held = true
    // Were it sent, it would be taken.
    answers = true
    const done = logon.logon({ account: 1, approval: 1, key: slow.key })
    await until(() => slow.waiting.length === 1, 'the signature')
    challenge = new Uint8Array(32)
    slow.release()
    await expect(done).rejects.toMatchObject({ name: 'TransportError', code: ErrorCode.NotConnected })
    expect(methods()).toEqual([])
  })
})
