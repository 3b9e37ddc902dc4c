/** Wallets' signatures are found out off this thread, in turns of addresses, within bounds. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { privateKeyToAccount } from 'viem/accounts'
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, type GlassbookError, createClient } from '../../sdk/index.js'
import { Method } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { walletTypes } from '../../sdk/wire/signed.js'
import { WALLET_CHECKS_PER_IP, WALLET_CHECKS_WAITING } from '../limits.js'
import { createDomain, withdrawalMessage } from './auth.js'
import { type WalletAnswer, WalletChecks, type WalletMessage, type WalletQuestion } from './wallet-checks.js'

const wallet = privateKeyToAccount(`0x${'17'.repeat(32)}`)
const domain = createDomain(31337, `0x${'11'.repeat(20)}`)

async function signed(nonce: number): Promise<WalletMessage> {
  const terms = { account: 1, asset: 0, units: 5, maxFee: 0, nonce, deadlineMs: 1000 }
  const unsigned = withdrawalMessage(domain, terms, new Uint8Array(65))
  const signature = await wallet.signTypedData({ ...unsigned, types: walletTypes } as never)
  return { ...unsigned, signature: Buffer.from(signature.slice(2), 'hex') }
}

test('who signed is found out; what nobody could have signed is nobody’s', async () => {
  const checks = new WalletChecks()
  const message = await signed(1)
  expect(await checks.isSignedBy(wallet.address, 'a', message)).toBe(true)
  expect(await checks.isSignedBy(`0x${'22'.repeat(20)}`, 'a', message)).toBe(false)
  for (const signature of [new Uint8Array(65), new Uint8Array(65).fill(255), new Uint8Array(3)])
    expect(await checks.isSignedBy(wallet.address, 'a', { ...message, signature })).toBe(false)
  expect(await checks.isSignedBy(wallet.address, 'a', await signed(2))).toBe(true)
})

describe('the worker is what finds out', () => {
  test('its word decides, and until it speaks nothing is decided', async () => {
    const message = { ...(await signed(1)), signature: new Uint8Array(65) }
    const questions: [worker: Worker, question: WalletQuestion][] = []
    const { postMessage } = Worker.prototype
    // The worker is asked by this alone, and what it says here nobody could find out from the signature.
    Worker.prototype.postMessage = function (this: Worker, question: WalletQuestion) {
      questions.push([this, question])
    }
    try {
      const checks = new WalletChecks()
      let decided = false
      const answers = [wallet.address, `0x${'22'.repeat(20)}`].map((owner) =>
        checks.isSignedBy(owner, 'a', message).finally(() => (decided = true)),
      )
      for (let turn = 0; turn < 10; turn++) await new Promise((next) => setImmediate(next))
      expect(decided).toBe(false)
      for (const [at, signer] of [wallet.address.toLowerCase(), ''].entries()) {
        const [worker, { ticket, signature }] = questions[at]!
        expect(signature).toEqual(message.signature)
        worker.emit('message', { ticket, signer } satisfies WalletAnswer)
      }
      expect(await Promise.all(answers)).toEqual([true, false])
      expect(questions).toHaveLength(2)
      await questions[0]![0].terminate()
    } finally {
      Worker.prototype.postMessage = postMessage
    }
  })

  test('no other file of the gateway recovers a signer', () => {
    const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
    const names = readdirSync(join(root, 'gateway'), { recursive: true, encoding: 'utf8' })
    const sources = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    const recovers =
      /\brecover\w*Address\b|\brecoverPublicKey\b|\bverify(TypedData|Message|Hash)\b|secp256k1['"]/
    const found = sources.filter((name) => recovers.test(readFileSync(join(root, 'gateway', name), 'utf8')))
    expect(found).toEqual(['signatures/wallet-thread.ts'])
  })
})

test('many messages of one address wait behind its own: another one’s is answered before their last', async () => {
  const checks = new WalletChecks()
  const message = await signed(1)
  const done: string[] = []
  const ask = (ip: string): Promise<unknown> =>
    checks.isSignedBy(wallet.address, ip, message).then(
      () => done.push(ip),
      (error: { code: number }) => done.push(`${ip} refused ${error.code}`),
    )
  // One is under way at once; the rest of the flood waits, and what is beyond the bound is refused.
  const flood = Array.from({ length: WALLET_CHECKS_PER_IP + 11 }, () => ask('flood'))
  const other = ask('other')
  // This thread goes on meanwhile: the worker does the work.
  await other
  expect(done.filter((who) => who === 'flood').length).toBeLessThanOrEqual(2)
  await Promise.all(flood)
  expect(done.filter((who) => who === 'flood refused 5006')).toHaveLength(10)
  expect(done.filter((who) => who === 'flood')).toHaveLength(WALLET_CHECKS_PER_IP + 1)
})

test('addresses that fill the queue lose their places to one that has none', async () => {
  const checks = new WalletChecks()
  const message = await signed(1)
  const crowd = Array.from({ length: 40 }, (_, index) =>
    Array.from({ length: WALLET_CHECKS_PER_IP }, () =>
      checks.isSignedBy(wallet.address, `crowd ${index}`, message).then(
        () => 'checked',
        ({ code }: { code: number }) => code,
      ),
    ),
  ).flat()
  expect(await checks.isSignedBy(wallet.address, 'other', message)).toBe(true)
  const answers = await Promise.all(crowd)
  // One was asked at once; of the others as many were checked as there are places but the other's.
  expect(answers.filter((answer) => answer === 'checked')).toHaveLength(WALLET_CHECKS_WAITING)
  expect(new Set(answers)).toEqual(new Set(['checked', 5006]))
}, 300_000)

test('a message is charged to its account once, however often it comes', () => {
  const checks = new WalletChecks({ perSecond: 0.0001, burst: 2 })
  const message = { account: 1, row: 'withdrawal', nonce: 7 } as const
  for (let count = 0; count < 10; count++) checks.charge(message)
  checks.charge({ ...message, row: 'approval' })
  expect(() => checks.charge({ ...message, nonce: 8 })).toThrow(expect.objectContaining({ code: 5000 }))
  checks.charge(message)
  checks.charge({ ...message, account: 2 })
})

describe('what a wallet signed comes again by whoever has seen it', () => {
  let rig: Rig
  let client: Client
  let stranger: Client
  beforeAll(async () => {
    rig = await startRig({ accounts: 1, config: { requestRate: { perSecond: 1e6, burst: 1e6 } } })
    client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    stranger = await createClient({ url: rig.url }).connect()
  }, 300_000)
  afterAll(async () => {
    client.close()
    stranger.close()
    await rig.stop()
  })

  async function withdrawal(units: number, terms: { deadlineMs?: number } = {}): Promise<WireValue[]> {
    const { timeMs } = (await client.call(Method.Nonces, [1])) as { timeMs: number }
    const nonce = timeMs * 1000
    const deadlineMs = terms.deadlineMs ?? timeMs + 60_000
    const domain = createDomain(RIG_DEPLOYMENT.chainId, RIG_DEPLOYMENT.vault)
    const unsigned = withdrawalMessage(
      domain,
      { account: 1, asset: 0, units, maxFee: 0, nonce, deadlineMs },
      new Uint8Array(65),
    )
    const signature = await rig.wallets[0]!.signTypedData({ ...unsigned, types: walletTypes } as never)
    return [1, 0, units, 0, nonce, deadlineMs, Buffer.from(signature.slice(2), 'hex')]
  }

  /** More often than the wallet's budget allows. */
  async function again(params: WireValue[]): Promise<Set<unknown>> {
    const names = new Set<unknown>()
    for (let count = 0; count < 15; count++) {
      const answers = Array.from({ length: 10 }, () =>
        stranger.call(Method.Withdraw, params).catch(({ codeName }: GlassbookError) => codeName),
      )
      for (const answer of await Promise.all(answers)) names.add(answer)
    }
    return names
  }

  test('more than there is: the refusal names the asset as people do', async () => {
    const { symbol } = client.markets.asset(0)
    // Whoever may read the account hears what it has; anybody else who has the message, that it is too little.
    await expect(stranger.call(Method.Withdraw, await withdrawal(1e15 + 1))).rejects.toThrow(
      `account 1 has fewer than 1000000000000001 units of ${symbol} available;`,
    )
    await client.createSession()
    await expect(client.call(Method.Withdraw, await withdrawal(1e15 + 1))).rejects.toThrow(
      `account 1 has 1000000000000000 units of ${symbol} available, less than 1000000000000001;`,
    )
  })

  test.each([
    ['one that was taken', 1, {}, 'WithdrawalNonceUsed'],
    ['one that the engine refused', 1e15 + 1, {}, 'InsufficientFunds'],
    ['one that is over', 1, { deadlineMs: 1000 }, 'DeadlinePassed'],
  ])(
    '%s: the account’s own is taken after it',
    async (_what, units, terms, name) => {
      const params = await withdrawal(units, terms)
      await client.call(Method.Withdraw, params).catch(() => {})
      expect(await again(params)).toEqual(new Set([name]))
      expect(await client.call(Method.Withdraw, await withdrawal(1))).toMatchObject({
        seq: expect.any(Number),
      })
    },
    60_000,
  )
})
