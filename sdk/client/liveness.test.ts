/**
 * Lines that die without an end, answers that never come: nothing stays open for ever, and what became of
 * commands is found out. Waits are for conditions; times are short and may be late, never early.
 */
import { type AddressInfo, createServer } from 'node:net'
import { FRAME_COMMANDS_MAX } from '../../engine/limits.js'
import { type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { until } from '../../test/support/until.js'
import { ErrorCode, createClient, createSessionKey } from '../index.js'
import { Method } from '../wire/layout.js'

let exchange: FakeExchange
beforeEach(async () => {
  exchange = await startFakeExchange()
})
afterEach(() => exchange.close())

const order = { market: 0, side: 'buy', ticks: 50, lots: 1 } as const

test('a line that falls silent is closed; the client comes back, and its orders are found out', async () => {
  const client = await exchange.loggedOn({ silenceMs: 200 })
  const dead = exchange.line
  exchange.answer = ({ method, connection }) => {
    if (method === Method.Frame && connection === dead) dead.silent = true
    // The next connection is of an exchange that has taken it.
    if (method === Method.FrameOutcome) return { result: { firstSeq: 5, codes: [0] } }
    if (method === Method.Order) return { result: { live: [6, 1, 0, 0, 50, 1, 1, 0, 0, 0, 0, 0, 0] } }
    return undefined
  }
  const states: string[] = []
  client.onState((state) => states.push(state))
  const error = (await client.placeOrder(order).catch((thrown: unknown) => thrown)) as {
    name: string
    cause: unknown
    outcome: Promise<unknown[]>
  }
  expect(error).toMatchObject({ name: 'OutcomeUnknownError', cause: { codeName: 'IdleTimeout' } })
  expect(dead.isOpen || states.includes('closed')).toBe(true)
  expect(await error.outcome).toEqual([expect.objectContaining({ seq: 6, state: 'open', error: undefined })])
  expect(exchange.connections.length).toBe(2)
  expect(client.state).toBe('open')
})

test('a quiet line is asked for a word, and stays', async () => {
  const client = await exchange.loggedOn({ silenceMs: 100 })
  const asked = exchange.count(Method.Time)
  await until(() => exchange.count(Method.Time) >= asked + 5, 'questions')
  expect(client.state).toBe('open')
  expect(exchange.connections).toHaveLength(1)
})

test('a line that is not there yet is not silent: it has its own time', async () => {
  const mute = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const { port } = mute.address() as AddressInfo
  const times = { silenceMs: 20, connectTimeoutMs: 500, reconnect: false }
  const client = exchange.client({ url: `ws://127.0.0.1:${port}`, ...times })
  await expect(client.connect()).rejects.toThrow(/the exchange has not said hello within 500 ms/)
  mute.close()
})

test('before the first connection nothing can be asked, and no session logged on', async () => {
  const client = createClient({ url: exchange.url })
  const session = { approval: 1, account: 1, key: await createSessionKey() }
  const refusal = { name: 'TransportError', code: ErrorCode.NotConnected }
  await expect(client.call(Method.Time, [])).rejects.toMatchObject(refusal)
  await expect(client.logon(session)).rejects.toMatchObject(refusal)
  expect(() => client.markets).toThrow(expect.objectContaining(refusal))
  expect(client.session).toBeUndefined()
})

test('a question without an answer ends with its time', async () => {
  const client = await exchange.loggedOn({ requestTimeoutMs: 100 })
  exchange.answer = ({ method }) => (method === Method.Ticker ? 'silent' : undefined)
  await expect(client.ticker(0)).rejects.toMatchObject({
    name: 'TransportError',
    codeName: 'RequestTimeout',
    message: expect.stringContaining('no answer within 100 ms') as string,
  })
  // The line stands, and others are answered.
  expect(await client.time()).toBeGreaterThan(0)
  expect(exchange.connections).toHaveLength(1)
})

test.each([
  ['taken', 0, undefined],
  ['not taken', undefined, 'NotTaken'],
] as const)(
  'a frame without an answer on a line that stands: unknown, then %s',
  async (_what, code, expected) => {
    const client = await exchange.loggedOn({ requestTimeoutMs: 100 })
    let frames = 0
    const sizes: number[] = []
    exchange.answer = ({ method }) => {
      if (method === Method.FrameOutcome)
        return code === undefined ? { error: ErrorCode.NotFound } : { result: { firstSeq: 5, codes: [code] } }
      if (method === Method.Order) return { result: { live: [6, 1, 0, 0, 50, 1, 1, 0, 0, 0, 0, 0, 0] } }
      if (method !== Method.Frame) return undefined
      sizes.push(++frames)
      // The first is lost; the second is the one that settles its nonce.
      return frames === 1
        ? 'silent'
        : {
            result: [
              7,
              [
                [0, 0],
                [0, 0],
              ],
            ],
          }
    }
    const error = (await client.placeOrder(order).catch((thrown: unknown) => thrown)) as {
      name: string
      outcome: Promise<{ error?: { codeName: string } }[]>
    }
    expect(error.name).toBe('OutcomeUnknownError')
    const [result] = await error.outcome
    expect(result!.error?.codeName).toBe(expected)
    expect(client.unknownFrames).toBe(0)
    expect(exchange.connections).toHaveLength(1)
    expect(sizes.length).toBeLessThan(FRAME_COMMANDS_MAX)
  },
)

test('an exchange that never says hello is not waited for', async () => {
  const client = exchange.client({ connectTimeoutMs: 100, reconnect: false })
  // Said, but never heard: the first connection is silent from its start.
  const push = exchange.connections.push.bind(exchange.connections)
  exchange.connections.push = (connection) => {
    connection.silent = true
    return push(connection)
  }
  await expect(client.connect()).rejects.toThrow(
    /cannot connect to .*the exchange has not said hello within 100 ms/,
  )
})
