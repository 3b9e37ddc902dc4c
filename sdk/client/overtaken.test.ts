/**
 * Two programs of one wallet: what one of them has signed is overtaken by the other's, whose nonce is higher. It is
 * refused, signed again with a nonce above, and done once.
 */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, type ClientOptions, createClient, createSessionKey } from '../index.js'

let rig: Rig
const opened: Client[] = []
beforeAll(async () => {
  rig = await startRig({ accounts: 1 })
})
afterAll(async () => {
  for (const client of opened) client.close()
  await rig.stop()
})

/** A program of the wallet, and the nonces that it has signed; `onSigned` runs before a signature is given away. */
async function program(onSigned: (nonce: bigint) => Promise<void> = () => Promise.resolve()) {
  const nonces: bigint[] = []
  const own = rig.wallets[0] as unknown as {
    readonly address: string
    signTypedData(typed: { readonly message: { readonly nonce: bigint } }): Promise<unknown>
  }
  const wallet = {
    address: own.address,
    signTypedData: async (typed: { readonly message: { readonly nonce: bigint } }) => {
      const { nonce } = typed.message
      nonces.push(nonce)
      const signature = await own.signTypedData(typed)
      await onSigned(nonce)
      return signature
    },
  } as unknown as NonNullable<ClientOptions['wallet']>
  const client = await createClient({ url: rig.url, wallet }).connect()
  opened.push(client)
  return { client, nonces }
}

/** Lets `act` happen once, and again until its nonce is above: two nonces of one millisecond are in any order. */
function overtaking(other: { readonly nonces: readonly bigint[] }, act: () => Promise<unknown>) {
  let times = 0
  const onSigned = async (nonce: bigint): Promise<void> => {
    if (times > 0) return
    do {
      times++
      await act()
    } while (other.nonces.at(-1)! <= nonce)
  }
  return { onSigned, times: () => times }
}

test('a withdrawal that another one overtook is signed again, and taken once', async () => {
  const other = await program()
  await other.client.createSession({ scopes: ['read', 'trade', 'withdrawRequest'] })
  const units = async (): Promise<number> => (await other.client.balances())[1]!.availableUnits
  const race = overtaking(other, () => other.client.requestWithdrawal({ asset: 'USDC', amount: '2' }))
  let isOn = false
  const own = await program((nonce) => (isOn ? race.onSigned(nonce) : Promise.resolve()))
  await own.client.createSession({ scopes: ['read', 'trade', 'withdrawRequest'] })
  isOn = true
  const before = await units()
  const signedBefore = own.nonces.length
  const { seq } = await own.client.requestWithdrawal({ asset: 'USDC', amount: '1' })
  expect(seq).toBeGreaterThan(0)
  const [first, second, ...more] = own.nonces.slice(signedBefore)
  expect(more).toEqual([])
  expect(second! > other.nonces.at(-1)! && other.nonces.at(-1)! > first!).toBe(true)
  expect(before - (await units())).toBe(1_000_000 + race.times() * 2_000_000)
})

test('an approval that another one overtook is signed again, and makes one session', async () => {
  const other = await program()
  await other.client.createSession()
  const live = async (): Promise<number> => (await other.client.sessions()).length
  const race = overtaking(other, async () =>
    other.client.createSession({ key: await createSessionKey(), scopes: ['read'] }),
  )
  const own = await program(race.onSigned)
  const before = await live()
  const { approval } = await own.client.createSession()
  const [first, second, ...more] = own.nonces
  expect(more).toEqual([])
  expect(second! > other.nonces.at(-1)! && other.nonces.at(-1)! > first!).toBe(true)
  expect(BigInt(approval)).toBe(second)
  expect((await live()) - before).toBe(1 + race.times())
})
