/** What is known of withdrawals, and from where on: nothing is told of what was before, or was forgotten. */
import { startRig } from '../../bench/support/gateway-rig.js'
import { writeCommand } from '../../engine/records/access.js'
import { createClient } from '../../sdk/index.js'
import { Method } from '../../sdk/wire/layout.js'
import { Directory } from '../sessions/directory.js'

const taken = (nonce: number, seq: number) => ({ nonce, seq, asset: 1, units: 5, fee: 1 })

test('after a start older ones are unknown, by nonce and by seq', () => {
  const directory = new Directory()
  directory.beginsAfter(100)
  directory.beginsAfter(200)
  directory.loadNonces(1, 0, 7)
  expect(directory.withdrawal(1, 7)).toMatchObject({ state: 'unknown', recent: [], recentAfter: 100 })
  expect(directory.withdrawal(1, 8)).toMatchObject({ state: 'notTaken', highest: 7 })
  directory.noteWithdrawal(1, taken(9, 150))
  expect(directory.withdrawal(1, 9)).toMatchObject({ state: 'taken', seq: 150, fee: 1, recent: [[150, 1]] })
  expect(directory.withdrawal(1, 8)).toMatchObject({ state: 'notTaken' })
  expect(directory.withdrawal(1, 7)).toMatchObject({ state: 'unknown' })
})

test('those without a wallet’s word have a seq, and are found by no nonce', () => {
  const directory = new Directory()
  directory.beginsAfter(0)
  directory.noteWithdrawal(1, taken(0, 10))
  expect(directory.withdrawal(1, 0)).toMatchObject({ state: 'unknown', recent: [[10, 1]], highest: 0 })
  expect(directory.withdrawal(1, 1)).toMatchObject({ state: 'notTaken' })
  // Told again: known already.
  directory.noteWithdrawal(1, taken(0, 10))
  expect(directory.withdrawal(1, 1).recent).toHaveLength(1)
})

test('what is forgotten is unknown, and nothing behind it', () => {
  const directory = new Directory()
  directory.beginsAfter(0)
  for (let nonce = 1; nonce <= 40; nonce++) directory.noteWithdrawal(1, taken(nonce, nonce * 10))
  const { recent, recentAfter } = directory.withdrawal(1, 40)
  expect(recent).toHaveLength(32)
  expect([recentAfter, recent[0]]).toEqual([80, [90, 1]])
  expect([8, 9].map((nonce) => directory.withdrawal(1, nonce).state)).toEqual(['unknown', 'taken'])
  // Another account knows all of its own.
  expect(directory.withdrawal(2, 1)).toMatchObject({ state: 'notTaken', recentAfter: 0 })
})

test('minimum and fee are told, signed for, and taken once; a change never takes more than was signed', async () => {
  const rig = await startRig({ accounts: 1 })
  const setTerms = (withdrawMin: number, withdrawFee: number): void =>
    rig.operate((words, floats, at) =>
      writeCommand(words, floats, at, 'SetWithdrawTerms', { asset: 1, withdrawMin, withdrawFee }),
    )
  const client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  await client.createSession()
  const termsTold = async (): Promise<unknown> => {
    const { assets } = (await client.call(Method.Markets, [])) as { assets: Record<string, unknown>[] }
    const { withdrawMinUnits, withdrawFeeUnits } = assets.find(({ id }) => id === 1)!
    return [withdrawMinUnits, withdrawFeeUnits]
  }
  const told = async (terms: readonly number[]): Promise<void> => {
    while (String(await termsTold()) !== String(terms)) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  expect(await termsTold()).toEqual([0, 0])
  const ask = (amount: string, maxFee?: string) =>
    client.requestWithdrawal({ asset: 'USDC', amount, ...(maxFee === undefined ? {} : { maxFee }) })
  expect(await ask('0.000001')).toMatchObject({ amount: '0.000001', fee: '0', total: '0.000001' })

  setTerms(3_000_000, 250_000)
  await told([3_000_000, 250_000])
  const before = (await client.balances()).find(({ asset }) => asset.symbol === 'USDC')!.availableUnits
  const taken = await ask('10')
  expect(taken).toEqual({ seq: expect.any(Number) as number, amount: '10', fee: '0.25', total: '10.25' })
  const after = (await client.balances()).find(({ asset }) => asset.symbol === 'USDC')!.availableUnits
  expect(before - after).toBe(10_250_000)
  // Nothing is signed for what would be refused.
  await expect(ask('2.999999')).rejects.toMatchObject({
    codeName: 'WithdrawBelowMin',
    message: expect.stringContaining('at least 3 USDC; nothing was signed') as string,
  })
  await expect(ask('10', '0.2')).rejects.toMatchObject({ codeName: 'WithdrawFeeNotAccepted' })

  // The terms change while the wallet signs: the engine goes by what was signed.
  const wallet = rig.wallets[0]!
  const signing = await createClient({
    url: rig.url,
    wallet: {
      ...wallet,
      signTypedData: async (typed: never) => {
        const signature = await wallet.signTypedData(typed)
        setTerms(4_000_000, 500_000)
        await told([4_000_000, 500_000])
        return signature
      },
    } as never,
  }).connect()
  await expect(signing.requestWithdrawal({ asset: 'USDC', amount: '10', account: 1 })).rejects.toMatchObject({
    codeName: 'WithdrawFeeNotAccepted',
    message: expect.stringContaining('maxFee is 250000, below 500000') as string,
  })
  const generous = { asset: 'USDC', amount: '10', maxFee: '2', account: 1 } as const
  expect(await signing.requestWithdrawal(generous)).toMatchObject({ fee: '0.5', total: '10.5' })
  signing.close()
  client.close()
  await rig.stop()
})
