/** What waits for the connection to come back ends with a typed error when the client is closed instead. */
import { mnemonicToAccount } from 'viem/accounts'
import { type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { until } from '../../test/support/until.js'
import {
  type Client,
  ErrorCode,
  type OutcomeUnknownError,
  type SessionKey,
  createSessionKey,
} from '../index.js'
import { Method } from '../wire/layout.js'

const wallet = mnemonicToAccount('test test test test test test test test test test test junk')
/** Nothing has to come over a line any more. */
const END_MS_MAX = 30_000
const NOT_CONNECTED = { name: 'TransportError', code: ErrorCode.NotConnected }

let exchange: FakeExchange
beforeEach(async () => {
  exchange = await startFakeExchange()
  usual()
})
afterEach(() => exchange.close())

/** No key has a session, and nonces are those of an account that has signed nothing yet. */
function usual(): void {
  exchange.answer = ({ method }) => {
    if (method === Method.Session) return { error: ErrorCode.UnknownSession }
    if (method === Method.Nonces) return { result: { timeMs: Date.now(), approval: 0, withdrawal: 0 } }
    return undefined
  }
}

/** The answer to `method` is lost, and the exchange greets nobody any more. Resolves when the client tries to come back. */
async function lose(client: Client, method: string): Promise<void> {
  const before = exchange.answer
  let isGone = false
  exchange.answer = (request) => {
    if (request.method === method && !isGone) {
      isGone = true
      request.connection.drop()
    }
    return isGone ? 'silent' : before(request)
  }
  let attempts = 0
  client.onState((state) => {
    if (state === 'connecting') attempts++
  })
  await until(() => attempts > 0, `the answer to ${method} to be lost`)
}

/** What a call ends with, from the start: no rejection comes before its handler. */
const errorOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'no error',
    (error: unknown) => error,
  )

async function inTime(end: Promise<unknown>): Promise<unknown> {
  let ended: { readonly with: unknown } | undefined
  void end.then((value) => (ended = { with: value }))
  await until(() => ended !== undefined, 'the end of a call', END_MS_MAX)
  return ended!.with
}

test.each([Method.ApproveSession, Method.Logon])(
  'createSession, whose answer to %s was lost',
  async (method) => {
    const client = await exchange.client({ wallet }).connect()
    const making = client.createSession()
    const behind = client.createSession()
    const ends = [making, behind].map(errorOf)
    await lose(client, method)
    client.close()
    for (const end of ends) expect(await inTime(end)).toMatchObject(NOT_CONNECTED)
    expect(client.session).toBeUndefined()
    // Nothing of it is left: the next one on the same client is made as the first.
    usual()
    await client.connect()
    expect(await client.createSession()).toMatchObject({ account: 1, approval: 1 })
  },
)

/** A signer that asks a person, who does not answer until `answer` is called. */
function withPerson(): { readonly signer: typeof wallet; asked: number; answer: () => void } {
  let answer!: () => void
  const answered = new Promise<void>((resolve) => (answer = resolve))
  const person = {
    signer: {
      ...wallet,
      signTypedData: async (typed: Parameters<typeof wallet.signTypedData>[0]) => {
        person.asked++
        await answered
        return wallet.signTypedData(typed)
      },
    } as typeof wallet,
    asked: 0,
    answer,
  }
  return person
}

test('createSession and a withdrawal, whose wallet does not answer', async () => {
  const person = withPerson()
  const client = await exchange.client({ wallet: person.signer }).connect()
  const ends = [client.createSession(), client.requestWithdrawal({ asset: 0, amount: '5' })].map(errorOf)
  await until(() => person.asked === 2, 'the wallet to be asked')
  client.close()
  for (const end of ends) expect(await inTime(end)).toMatchObject(NOT_CONNECTED)
  // What the wallet signs now is sent to nobody; who asks again is answered.
  const asked: string[] = []
  exchange.answer = ({ method }) => {
    asked.push(method)
    if (method === Method.Session) return { error: ErrorCode.UnknownSession }
    if (method === Method.Nonces) return { result: { timeMs: Date.now(), approval: 0, withdrawal: 0 } }
    return undefined
  }
  await client.connect()
  person.answer()
  expect(await client.createSession()).toMatchObject({ account: 1, approval: 1 })
  expect(asked.filter((method) => method === Method.ApproveSession)).toHaveLength(1)
  expect(asked).not.toContain(Method.Withdraw)
})

test('a logon, whose key does not answer', async () => {
  const client = await exchange.client({ wallet }).connect()
  let asked = 0
  const key = {
    ...(await createSessionKey()),
    sign: () => {
      asked++
      return never()
    },
  }
  const end = errorOf(client.logon({ account: 1, approval: 1, key }))
  await until(() => asked > 0, 'the key to be asked')
  client.close()
  expect(await inTime(end)).toMatchObject(NOT_CONNECTED)
})

test('an order, whose key does not answer', async () => {
  const client = await exchange.client({ wallet }).connect()
  const own = await createSessionKey()
  let answers = true
  let signing = 0
  const key: SessionKey = {
    ...own,
    sign: (message) => {
      signing++
      return answers ? own.sign(message) : never()
    },
  }
  await client.createSession({ key })
  answers = false
  signing = 0
  const order = { market: 0, side: 'buy', ticks: 1, lots: 1 } as const
  // The one behind waits for its turn.
  const ends = [client.placeOrder(order), client.placeOrder(order)].map(errorOf)
  await until(() => signing === 2, 'the orders to be signed')
  client.close()
  for (const end of ends) expect(await inTime(end)).toMatchObject(NOT_CONNECTED)
  // Nor is the next one in line behind them.
  answers = true
  exchange.answer = ({ method }) => (method === Method.Frame ? { error: ErrorCode.BadParams } : undefined)
  await client.connect()
  expect(await inTime(errorOf(client.placeOrder(order)))).toMatchObject({ code: ErrorCode.BadParams })
})

const never = (): Promise<never> => new Promise(() => {})

test('an attempt to connect', async () => {
  const client = exchange.client()
  const end = errorOf(client.connect())
  client.close()
  expect(await inTime(end)).toMatchObject(NOT_CONNECTED)
  expect((await client.connect()).state).toBe('open')
})

test('the outcome of a withdrawal', async () => {
  const client = await exchange.client({ wallet }).connect()
  const asking = errorOf(client.requestWithdrawal({ asset: 0, amount: '5' }))
  await lose(client, Method.Withdraw)
  const error = await asking
  expect(error).toMatchObject({ name: 'OutcomeUnknownError' })
  client.close()
  expect(await inTime(errorOf((error as OutcomeUnknownError).outcome))).toMatchObject(NOT_CONNECTED)
})

test('the outcome of unsigned commands', async () => {
  const client = await exchange.client({ wallet }).connect()
  const sending = errorOf(client.batchUnsigned([client.cancelAllOf({ market: 0 })]))
  await lose(client, Method.UnsignedFrame)
  const error = await sending
  expect(error).toMatchObject({ name: 'OutcomeUnknownError' })
  client.close()
  expect(await inTime(errorOf((error as OutcomeUnknownError).outcome))).toMatchObject(NOT_CONNECTED)
})
