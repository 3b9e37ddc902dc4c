/**
 * Random postings of pages, right and wrong, on the TypeScript model and on the contracts on anvil: the same outcome
 * of each call, the same error by name, the same state behind it; and each page of a committed batch is proven by
 * exactly the inputs that the model says, under a verifier that accepts every proof. Seeded. GLASSBOOK_LONG=1 runs
 * more and longer ones.
 */
import {
  type Address,
  type Hex,
  createPublicClient,
  createTestClient,
  decodeErrorResult,
  encodeDeployData,
  encodeFunctionData,
  getAddress,
  getContractAddress,
  http,
  keccak256,
  zeroAddress,
  zeroHash,
} from 'viem'
import { demoTokenAbi, pageSettlementAbi, pageVaultAbi } from '../abi.js'
import { type Anvil, startAnvil } from '../anvil/anvil.js'
import { demoTokenCode, pageSettlementCode, pageVaultCode } from '../bytecode.js'
import { receiptOf } from '../deployment/deploy.js'
import { Revert } from './governance.js'
import { carriedBytes, commitmentOf } from './pages.js'
import { type CommittedPage, type PagesCall, RandomPages } from './random-pages.js'

const DAY = 24 * 3600
const ASSET_COUNT = 6
const PEOPLE = 4
/** Code that answers every call with 1: a verifier of one circuit that accepts every proof. */
const YES_VERIFIER = '0x600a600c600039600a6000f3600160005260206000f3'
/** Gas of a call: what an estimate finds may be too little a second later, when a batch becomes final. */
const GAS = '0x989680'
/** Errors of rows. */
const ROW_ERRORS = new Set(
  'BadPackedLength BadMask BadDelta BadUnits RowsNotIncreasing WrongLeaf UnknownAsset UnknownAccount'.split(
    ' ',
  ),
)
const long = process.env['GLASSBOOK_LONG'] === '1'

describe('model and contracts', () => {
  const seeds = long ? [1, 2, 3, 4, 5, 6, 7, 8] : [1]
  const steps = long ? 2000 : 160
  let chain: Anvil
  beforeAll(async () => {
    chain = await startAnvil({ genesisTime: 1_800_000_000 })
  })
  afterAll(async () => {
    await chain.stop()
  })

  async function start(seed: number) {
    const transport = http(chain.rpcUrl)
    const client = createPublicClient({ transport, pollingInterval: 1, cacheTime: 0 })
    const anvil = createTestClient({ mode: 'anvil', transport })
    const accounts = (await client.request({ method: 'eth_accounts' } as never)) as Address[]
    const [operator, ...people] = accounts.slice(0, PEOPLE + 1).map((owner) => getAddress(owner))
    const send = async (from: Address, data: Hex, to?: Address, value?: bigint): Promise<Address> => {
      const sent = {
        from,
        data,
        gas: GAS,
        ...(to && { to }),
        ...(value && { value: `0x${value.toString(16)}` }),
      }
      const hash = (await anvil.request({ method: 'eth_sendTransaction', params: [sent] } as never)) as Hex
      const { status, contractAddress } = await receiptOf(client, hash)
      expect(status).toBe('success')
      return contractAddress ?? zeroAddress
    }
    const verifier = await send(operator!, YES_VERIFIER)
    const tokens: Address[] = []
    for (let asset = 0; asset < ASSET_COUNT; asset++) {
      const args = ['Token', 'T', 6] as const
      tokens.push(
        await send(
          operator!,
          encodeDeployData({ abi: demoTokenAbi, bytecode: demoTokenCode.creation, args }),
        ),
      )
    }
    const nonce = await client.getTransactionCount({ address: operator! })
    const settlement = getContractAddress({ from: operator!, nonce: BigInt(nonce + 1) })
    const vault = await send(
      operator!,
      encodeDeployData({
        abi: pageVaultAbi,
        bytecode: pageVaultCode.creation,
        args: [settlement, operator!, tokens.map((token) => ({ token, unitAtoms: 1n }))],
      }),
    )
    const config = {
      vault,
      governor: operator!,
      guardian: operator!,
      operator: operator!,
      verifier,
      exitDelay: BigInt(DAY),
      proofDelay: 1000n,
      challengeWindow: 60n,
      maxUnproven: 8n,
      requestFee: 1n,
      powerDelay: BigInt(40 * DAY),
      bond: 1n,
    }
    await send(
      operator!,
      encodeDeployData({ abi: pageSettlementAbi, bytecode: pageSettlementCode.creation, args: [config] }),
    )
    await send(
      operator!,
      encodeFunctionData({ abi: pageSettlementAbi, functionName: 'postBond' }),
      settlement,
      1n,
    )
    for (const owner of people)
      for (const token of tokens) {
        const mint = encodeFunctionData({ abi: demoTokenAbi, functionName: 'mint', args: [owner, 2n ** 52n] })
        const args = [vault, 2n ** 52n] as const
        await send(owner, mint, token)
        await send(owner, encodeFunctionData({ abi: demoTokenAbi, functionName: 'approve', args }), token)
      }
    const read = { address: settlement, abi: pageSettlementAbi } as const
    const pages = new RandomPages(seed, {
      chainId: 31337,
      settlement,
      batchCount: 0n,
      lastSeq: 0n,
      lastRoot: await client.readContract({ ...read, functionName: 'lastRoot' }),
      depositsConsumed: 0n,
      accountCount: 1,
      assetCount: ASSET_COUNT,
    })

    /** The name of the error that a call ends with, or "ok". */
    const outcomeOf = async (data: Hex): Promise<string> => {
      try {
        await client.request({
          method: 'eth_call',
          params: [{ from: operator!, to: settlement, data }, 'latest'],
        } as never)
        return 'ok'
      } catch (error) {
        const raw = dataOf(error)
        if (raw === undefined) throw error
        return decodeErrorResult({ abi: pageSettlementAbi, data: raw }).errorName
      }
    }
    const post = async (call: PagesCall): Promise<{ outcome: string; committed: CommittedPage[] }> => {
      let [expected, committed]: [string, CommittedPage[]] = ['ok', []]
      const data = encodeFunctionData({
        abi: pageSettlementAbi,
        functionName: 'commitPages',
        args: [call.header, carriedBytes(call.carried), [...call.pages]],
      })
      try {
        committed = pages.apply(call)
      } catch (error) {
        if (!(error instanceof Revert)) throw error
        expected = error.error
      }
      const found = await outcomeOf(data)
      // A changed byte may break rows in several ways; which one is told first is nobody's promise.
      const isSame = ROW_ERRORS.has(expected) && ROW_ERRORS.has(found) && call.broken.startsWith('a byte')
      expect([call.broken, isSame ? expected : found]).toEqual([call.broken, expected])
      if (expected === 'ok') await send(operator!, data, settlement)
      return { outcome: expected, committed }
    }
    const compare = async (): Promise<void> => {
      const { open, batchCount, lastRoot } = pages.chain
      const found = await Promise.all([
        client.readContract({ ...read, functionName: 'batchCount' }),
        client.readContract({ ...read, functionName: 'lastRoot' }),
        client.readContract({ ...read, functionName: 'openBatch' }),
      ])
      const carriedHash = open === undefined ? zeroHash : keccak256(carriedBytes(open))
      expect([found[0], found[1], found[2].carriedHash]).toEqual([batchCount, lastRoot, carriedHash])
    }
    const prove = async ({ number, page, statement }: CommittedPage): Promise<void> => {
      const args = [number, BigInt(page)] as const
      const kept = await client.readContract({ ...read, functionName: 'pageCommitment', args })
      expect(kept).toBe(commitmentOf(statement))
      const call = (inputs: readonly [bigint, bigint, bigint, bigint]): Hex =>
        encodeFunctionData({
          abi: pageSettlementAbi,
          functionName: 'provePage',
          args: [...args, 0n, inputs, '0x'],
        })
      const [first, last, z, evaluation] = statement
      expect(await outcomeOf(call([first, last, z, evaluation + 1n]))).toBe('WrongPublicInputs')
      await send(operator!, call(statement), settlement)
    }
    const deposit = async (): Promise<void> => {
      const owner = people[pages.random(PEOPLE)]!
      const asset = pages.random(ASSET_COUNT)
      const units = BigInt(1 + pages.random(1000))
      const args = [BigInt(asset), units] as const
      await send(owner, encodeFunctionData({ abi: pageVaultAbi, functionName: 'deposit', args }), vault)
      const vaultRead = { address: vault, abi: pageVaultAbi } as const
      const account = await client.readContract({ ...vaultRead, functionName: 'accountOf', args: [owner] })
      const count = await client.readContract({ ...vaultRead, functionName: 'accountCount' })
      pages.noteDeposit({ account, asset, units, owner }, Number(count))
    }
    const drop = async (): Promise<void> => {
      const data = encodeFunctionData({ abi: pageSettlementAbi, functionName: 'dropOpenBatch' })
      if (pages.chain.open === undefined) expect(await outcomeOf(data)).toBe('NoOpenBatch')
      else {
        await send(operator!, data, settlement)
        pages.drop()
      }
    }
    return { pages, post, compare, prove, deposit, drop, client, read }
  }

  test.each(seeds)('seed %i: same outcomes, same states', async (seed) => {
    const { pages, post, compare, prove, deposit, drop, client, read } = await start(seed)
    const outcomes = new Map<string, number>()
    for (let step = 0; step < steps; step++) {
      if (pages.random(4) === 0) await deposit()
      if (pages.random(30) === 0) await drop()
      const call = pages.next()
      const { outcome, committed } = await post(call)
      // What was planned cannot go on: a call that was broken was right all the same.
      if (outcome !== 'ok' && call.broken === '') await drop()
      for (const page of committed) await prove(page)
      await compare()
      const key = outcome === 'ok' ? (pages.chain.open === undefined ? 'committed' : 'open') : outcome
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
    }
    const proven = await client.readContract({ ...read, functionName: 'provenCount' })
    expect(proven).toBe(pages.chain.batchCount)
    expect(outcomes.get('committed')).toBeGreaterThan(steps / 10)
    expect(outcomes.get('open')).toBeGreaterThan(steps / 10)
    expect(outcomes.size).toBeGreaterThan(long ? 18 : 10)
    console.log(`seed ${seed}: ${[...outcomes].map(([key, count]) => `${key}: ${count}`).join(', ')}`)
  })
})

/** Revert data of an RPC error, wherever it stands. */
function dataOf(error: unknown): Hex | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { data } = at as { data?: unknown }
    if (typeof data === 'string' && data.startsWith('0x')) return data as Hex
  }
  return undefined
}
