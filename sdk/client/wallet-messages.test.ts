/** When the wallet is asked to sign: for a session that the exchange says it has not, not whenever the question fails. */
import { GlassbookError, TransportError } from '../base/errors.js'
import { type WalletLine, WalletMessages } from './wallet-messages.js'
import { ErrorCode } from '../wire/codes.js'
import { Method } from '../wire/layout.js'

const TERMS = {
  account: 1,
  publicKey: new Uint8Array(33).fill(2),
  scopes: 3,
  maxNotional: 0,
  expiresAtMs: undefined,
}

/** What is asked of the exchange and of the wallet when the question for the live session ends with `error`. */
async function asked(error: Error): Promise<{ readonly asked: string[]; readonly outcome: unknown }> {
  const asked: string[] = []
  const line: WalletLine = {
    wallet: {
      address: '0x0000000000000000000000000000000000000001',
      signTypedData: () => {
        asked.push('signature')
        return Promise.resolve(`0x${'11'.repeat(65)}` as const)
      },
    } as never,
    domain: () => ({ chainId: 1, vault: '0x0000000000000000000000000000000000000002' }),
    call: (method) => {
      asked.push(method)
      if (method === Method.Session) return Promise.reject(error)
      return Promise.resolve(method === Method.Nonces ? { timeMs: 1, approval: 0 } : { approval: 9 })
    },
    comesBack: () => false,
    whenOpen: () => Promise.resolve(),
    signed: (answer) => answer,
  }
  const outcome = await new WalletMessages(line).session(TERMS).catch((thrown: unknown) => thrown)
  return { asked, outcome }
}

test('no session: the wallet approves one', async () => {
  const unknown = new GlassbookError('no such session', { code: ErrorCode.UnknownSession })
  expect(await asked(unknown)).toEqual({
    asked: [Method.Session, Method.Nonces, 'signature', Method.ApproveSession],
    outcome: 9,
  })
})

test.each([
  ['a connection that broke', new TransportError('closed', { code: ErrorCode.ConnectionLost })],
  ['a refusal', new GlassbookError('too many requests', { code: ErrorCode.RateLimited })],
  ['an answer of another shape', new Error('session: not an object')],
])('%s says nothing of a session: the wallet is not asked', async (_what, error) => {
  expect(await asked(error)).toEqual({ asked: [Method.Session], outcome: error })
})
