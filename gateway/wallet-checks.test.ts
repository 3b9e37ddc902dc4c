/** Wallets' signatures are found out off this thread, in turns of addresses, within bounds. */
import { privateKeyToAccount } from 'viem/accounts'
import { WALLET_CHECKS_PER_IP } from '../engine/limits.js'
import { walletTypes } from '../sdk/wire/signed.js'
import { createDomain, withdrawalMessage } from './auth.js'
import { WalletChecks, type WalletMessage } from './wallet-checks.js'

const wallet = privateKeyToAccount(`0x${'17'.repeat(32)}`)
const domain = createDomain(31337, `0x${'11'.repeat(20)}`)

async function signed(nonce: number): Promise<WalletMessage> {
  const terms = { account: 1, asset: 0, units: 5, nonce, deadlineMs: 1000 }
  const unsigned = withdrawalMessage(domain, terms, new Uint8Array(65))
  const signature = await wallet.signTypedData({ ...unsigned, types: walletTypes } as never)
  return { ...unsigned, signature: Buffer.from(signature.slice(2), 'hex') }
}

test('who signed is found out; what nobody could have signed is nobody’s', async () => {
  const checks = new WalletChecks()
  const message = await signed(1)
  expect(await checks.isSignedBy(wallet.address, 1, 'a', message)).toBe(true)
  expect(await checks.isSignedBy(`0x${'22'.repeat(20)}`, 1, 'a', message)).toBe(false)
  for (const signature of [new Uint8Array(65), new Uint8Array(65).fill(255), new Uint8Array(3)])
    expect(await checks.isSignedBy(wallet.address, 1, 'a', { ...message, signature })).toBe(false)
  expect(await checks.isSignedBy(wallet.address, 1, 'a', await signed(2))).toBe(true)
})

test('many messages of one address wait behind its own: another one’s is answered before their last', async () => {
  const checks = new WalletChecks()
  const message = await signed(1)
  const done: string[] = []
  const ask = (ip: string): Promise<unknown> =>
    checks.isSignedBy(wallet.address, 1, ip, message).then(
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

test('an account’s budget is spent by good signatures alone', async () => {
  const checks = new WalletChecks({ perSecond: 0.0001, burst: 2 })
  const message = await signed(1)
  const forged = { ...message, signature: new Uint8Array(65) }
  for (let count = 0; count < 5; count++)
    expect(await checks.isSignedBy(wallet.address, 1, 'a', forged)).toBe(false)
  for (let count = 0; count < 2; count++)
    expect(await checks.isSignedBy(wallet.address, 1, 'a', message)).toBe(true)
  await expect(checks.isSignedBy(wallet.address, 1, 'b', message)).rejects.toMatchObject({ code: 5000 })
  expect(await checks.isSignedBy(wallet.address, 2, 'b', message)).toBe(true)
})
