/**
 * Names by which money is moved: an exchange that calls an asset or a market by another's name, or tells another
 * scale, is refused with both values, before anything is signed or sent. Every name or scale that an exchange tells
 * and on which money depends, and what it is held against:
 *
 *   an asset's symbol, token, decimals, unit    pinned assets, at connect; without them vault and token, at each call
 *   a market's base and quote, lot and tick     pinned markets, at connect; without them the exchange's word
 *   market, ticks, lots, fee of a fill          numbers of the leaf (verifyFill): no name is read
 *   whose account                               the vault's owner (verifyBalance, verifyFill), the sender (deposit)
 *   scopes and bound of an approval             made here, signed by the wallet: nothing of them is told
 */
import {
  createWalletClient,
  custom,
  decodeFunctionData,
  encodeFunctionResult,
  erc20Abi,
  type Abi,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { RIG_ASSETS, RIG_DEPLOYMENT, RIG_MARKET } from '../../bench/support/gateway-rig.js'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { type Client, type ClientOptions, VerificationError, createClient } from '../index.js'
import { Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

const account = mnemonicToAccount('test test test test test test test test test test test junk')
const NATIVE = `0x${'0'.repeat(40)}`
const CONTRACTS = {
  chainId: RIG_DEPLOYMENT.chainId,
  vault: RIG_DEPLOYMENT.vault,
  settlement: RIG_DEPLOYMENT.settlement,
}
type Told = Readonly<Record<string, unknown>>

let exchange: FakeExchange
let client: Client | undefined
beforeEach(async () => {
  exchange = await startFakeExchange()
})
afterEach(() => {
  client?.close()
  exchange.close()
})

/** The exchange tells these assets and markets from now on. */
const tell = (assets: readonly Told[], markets: readonly Told[] = [RIG_MARKET as unknown as Told]): void => {
  exchange.answer = ({ method }) =>
    method === Method.Markets
      ? { result: { ...CONTRACTS, assets, markets } as unknown as WireValue }
      : undefined
}
const changed = (id: number, change: Told): Told[] =>
  RIG_ASSETS.map((asset) => (asset.id === id ? { ...asset, ...change } : { ...asset }))
/** Each asset by the other's name, in which all else is true. */
const SWAPPED = RIG_ASSETS.map((asset, at) => ({ ...asset, symbol: RIG_ASSETS[1 - at]!.symbol }))

const connected = async (options: Partial<ClientOptions>): Promise<Client> => {
  client = createClient({ url: exchange.url, reconnect: false, ...options })
  return client.connect()
}
const mismatch = (field: string, told: unknown, other: 'pinned' | 'found', value: unknown) => ({
  name: 'VerificationError',
  codeName: 'PinMismatch',
  details: { field, told, [other]: value },
})

describe('with pinned assets', () => {
  test('those that the exchange tells are connected to, in whatever case addresses are written', async () => {
    tell(changed(1, { token: RIG_ASSETS[1]!.token.toUpperCase().replace('0X', '0x') }))
    const { markets } = await connected({ deployment: RIG_DEPLOYMENT })
    expect(markets.markets.map(({ symbol }) => symbol)).toEqual(['ETH-USDC'])
  })

  test('names that are swapped are refused', async () => {
    tell(SWAPPED)
    const refused = connected({ deployment: RIG_DEPLOYMENT })
    await expect(refused).rejects.toMatchObject(mismatch('symbol', 'USDC', 'pinned', 'ETH'))
    await expect(refused).rejects.toThrow(
      /says symbol USDC of asset 0, but ETH is pinned; do not trade there/,
    )
  })

  test.each<[string, unknown]>([
    ['symbol', 'USDc'],
    ['token', `0x${'55'.repeat(20)}`],
    ['decimals', 8],
    ['unitAtoms', '10'],
  ])('another %s is refused', async (field, told) => {
    tell(changed(1, { [field]: told }))
    const pinned = RIG_ASSETS[1]![field as keyof (typeof RIG_ASSETS)[1]]
    await expect(connected({ deployment: RIG_DEPLOYMENT })).rejects.toMatchObject(
      mismatch(field, told, 'pinned', pinned),
    )
  })

  test('an asset that is not pinned is refused', async () => {
    tell([...RIG_ASSETS.map((asset) => ({ ...asset })), { ...RIG_ASSETS[1], id: 2 }])
    await expect(connected({ deployment: RIG_DEPLOYMENT })).rejects.toMatchObject(
      mismatch('asset', 2, 'pinned', undefined),
    )
  })
})

describe('with pinned markets', () => {
  const deployment = { ...RIG_DEPLOYMENT, markets: [RIG_MARKET] }
  const assets = RIG_ASSETS.map((asset) => ({ ...asset }))

  test('those that the exchange tells are connected to', async () => {
    await expect(connected({ deployment })).resolves.toBeDefined()
  })

  // A lot or tick that is told ten times too small makes an order ten times as large, or as dear.
  test.each<['base' | 'quote' | 'lotUnits' | 'tickUnits', number]>([
    ['base', 1],
    ['quote', 0],
    ['lotUnits', 1],
    ['tickUnits', 10],
  ])('another %s is refused', async (field, told) => {
    tell(assets, [{ ...RIG_MARKET, [field]: told }])
    await expect(connected({ deployment })).rejects.toMatchObject(
      mismatch(field, told, 'pinned', RIG_MARKET[field]),
    )
  })

  test('a market that is not pinned is refused', async () => {
    tell(assets, [RIG_MARKET as unknown as Told, { ...RIG_MARKET, id: 1 }])
    await expect(connected({ deployment })).rejects.toMatchObject(mismatch('market', 1, 'pinned', undefined))
  })
})

describe('with contracts pinned, and no assets', () => {
  /** What was sent, and asked of the wallet, beyond questions. */
  let acts: string[]
  /** A wallet on a chain that tells assets as they are, and tokens that call themselves by their names. */
  const wallet = (
    assets: readonly Told[] = RIG_ASSETS.map((asset) => ({ ...asset })),
  ): ClientOptions['wallet'] => {
    const request = ({ method, params }: { method: string; params?: unknown[] }): Promise<unknown> => {
      if (method === 'eth_chainId') return Promise.resolve('0x7a69')
      if (method === 'eth_getBalance') return Promise.resolve('0xffffffffffffffffffff')
      if (method !== 'eth_call') {
        acts.push(method)
        return Promise.reject(new Error(method))
      }
      const { to, data } = params![0] as { to: string; data: `0x${string}` }
      const abis: Readonly<Record<string, Abi>> = {
        [CONTRACTS.vault]: vaultAbi as Abi,
        [CONTRACTS.settlement]: settlementAbi as Abi,
      }
      const abi = abis[to.toLowerCase()] ?? (erc20Abi as Abi)
      const { functionName, args = [] } = decodeFunctionData({ abi, data })
      const token = assets.find((asset) => asset['token'] === to.toLowerCase())
      const asset = assets[Number(args[0])]
      const answers: Told = {
        symbol: token?.['symbol'],
        decimals: token?.['decimals'],
        balanceOf: 10n ** 30n,
        allowance: 10n ** 30n,
        assetOf: { token: asset?.['token'], unitAtoms: BigInt(String(asset?.['unitAtoms'] ?? 0)) },
        claimable: 5n,
        deposit: 0n,
        claim: 5n,
        batchCount: 1n,
      }
      return Promise.resolve(
        encodeFunctionResult({ abi, functionName, result: answers[functionName] as never }),
      )
    }
    return createWalletClient({ account, transport: custom({ request }, { retryCount: 0 }) })
  }
  beforeEach(() => {
    acts = []
  })
  const calls: readonly (readonly [string, (own: Client, asset: string) => Promise<unknown>])[] = [
    ['deposit', (own, asset) => own.deposit({ asset, amount: '1' })],
    ['requestWithdrawal', (own, asset) => own.requestWithdrawal({ asset, amount: '1', account: 1 })],
    ['withdrawalStatus', (own, asset) => own.withdrawalStatus({ asset, account: 1 })],
    ['claim', (own, asset) => own.claim({ asset, account: 1 })],
    ['verifyBalance', (own, asset) => own.verifyBalance({ asset, account: 1 })],
  ]

  test.each(calls)('%s refuses names that are swapped, and sends nothing', async (_name, call) => {
    tell(SWAPPED)
    const own = await connected({
      deployment: CONTRACTS,
      wallet: wallet()!,
    })
    const refused = call(own, 'USDC')
    await expect(refused).rejects.toBeInstanceOf(VerificationError)
    await expect(refused).rejects.toMatchObject(mismatch('symbol', 'USDC', 'found', 'ETH'))
    await expect(refused).rejects.toThrow('of asset 0 (USDC), but the chain ETH; nothing was sent')
    expect(acts).toEqual([])
    expect(exchange.count(Method.Withdraw)).toBe(0)
  })

  test('true names go on to what they ask for', async () => {
    const own = await connected({ deployment: CONTRACTS, wallet: wallet()! })
    expect(await own.withdrawalStatus({ asset: 'USDC', account: 1 })).toMatchObject({ claimable: '0.000005' })
    await own.deposit({ asset: 'USDC', amount: '1' }).catch(() => {})
    expect(acts).not.toEqual([])
  })

  test('the chain’s own coin by a token’s name is refused, and by its own is not', async () => {
    const native = (symbol: string): Told[] => changed(0, { token: NATIVE, symbol })
    for (const [symbol, isRefused] of [
      ['USDX', true],
      ['ETH', false],
    ] as const) {
      acts = []
      tell(native(symbol))
      const own = await connected({ deployment: CONTRACTS, wallet: wallet(native(symbol))! })
      const outcome = own.deposit({ asset: symbol, amount: '1' })
      if (isRefused) await expect(outcome).rejects.toMatchObject(mismatch('symbol', symbol, 'found', 'ETH'))
      else await outcome.catch(() => {})
      expect(acts.length > 0).toBe(!isRefused)
      own.close()
    }
  })
})
