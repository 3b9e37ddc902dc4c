/** What waits for the connection to come back ends with a typed error when the client is closed instead. */
import { mnemonicToAccount } from 'viem/accounts'
import { type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { until } from '../../test/support/until.js'
import { type Client, ErrorCode, type OutcomeUnknownError } from '../index.js'
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
