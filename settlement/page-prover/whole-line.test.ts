/**
 * The whole line of settlement in pages, with real proofs on a real chain: deposits, a trade, a withdrawal in a followed
 * journal; its batch in three pages; each proven by a prover and judged by the generated contract; final when its
 * window has passed; the claim; and then, the operator gone, everybody leaves on the final root, to the last unit.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createTestClient,
  encodeDeployData,
  getContractAddress,
  http,
  publicActions,
  walletActions,
  type Abi,
  type Address,
  type Hex,
} from 'viem'
import { demoTokenAbi, pageSettlementAbi, pageVaultAbi, pageVerifierAbi } from '../../contracts/abi.js'
import { startAnvil, type Anvil } from '../../contracts/anvil/anvil.js'
import {
  demoTokenCode,
  pageSettlementCode,
  pageVaultCode,
  pageVerifierCode,
} from '../../contracts/bytecode.js'
import { Side } from '../../engine/codes.js'
import { JournalFixture, placeRecord, withdrawRecord } from '../../test/support/journal-fixture.js'
import { SMALL_LIST_CIRCUIT } from '../../test/support/sample-pages.js'
import { owner } from '../../test/support/settlement-fixture.js'
import { bytesToHex } from '../batch/commit.js'
import { depositRecord, openAccountRecord } from '../chain/chain-watcher.js'
import { Follower } from '../follow/follow.js'
import { batchHashOf, pageInputs } from '../pages/binding.js'
import { encodeCommitPages } from '../pages/calldata.js'
import type { CuttingOptions } from '../pages/cutting.js'
import { leafIndexOf } from '../pages/leaf-rows.js'
import { decodePage, PageKind } from '../pages/page-bytes.js'
import { pageJobOf } from '../pages/page-witness.js'
import { sealPages, type PagedBatch } from '../pages/sealing.js'
import { QuadTree, valueAfter, valueBefore } from '../quad-tree/index.js'
import { pageKeys } from './page-keys.js'
import { PageProver } from './page-prove.js'
import { verifierCode, verifierSource } from './page-verifier.js'

const DAY_SECONDS = 24 * 60 * 60
const [PROOF_DELAY, WINDOW, EXIT_DELAY] = [600, 300, 3600]
const VERIFY_GAS = 2_000_000n
const BOND = 10n ** 18n
const [OPERATOR, BUYER, SELLER] = [0, 1, 2]
const [QUOTE, BASE] = [0, 1]
const [BOUGHT, WITHDRAWN] = [200, 40]
const cutting: CuttingOptions = {
  circuits: [{ ...SMALL_LIST_CIRCUIT, seconds: 1, gas: 1 }],
  gasPerSecond: 1,
}

describe('settlement in pages', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-line-'))
  const tree = new QuadTree()
  let anvil: Anvil
  let prover: PageProver
  let follower: Follower
  let batch: PagedBatch
  const place = { tokens: [] as Address[], vault: '0x' as Address, settlement: '0x' as Address }

  const clientOf = (from: number) =>
    createTestClient({
      mode: 'anvil',
      account: owner(from),
      transport: http(anvil.rpcUrl),
      pollingInterval: 20,
    })
      .extend(publicActions)
      .extend(walletActions)
  /** Sends and waits. Throws when it reverts. */
  async function send(
    from: number,
    request: { to?: Address; data: Hex; value?: bigint },
  ): Promise<Address | null> {
    const client = clientOf(from)
    const hash = await client.sendTransaction({ ...request, chain: null })
    const { status, contractAddress } = await client.waitForTransactionReceipt({ hash })
    if (status !== 'success') throw new Error('reverted')
    return contractAddress ?? null
  }
  async function call(
    from: number,
    address: Address,
    abi: Abi | readonly unknown[],
    functionName: string,
    args: readonly unknown[] = [],
    value = 0n,
  ): Promise<void> {
    const client = clientOf(from)
    const hash = await client.writeContract({ address, abi, functionName, args, value, chain: null } as never)
    const { status } = await client.waitForTransactionReceipt({ hash })
    if (status !== 'success') throw new Error(`${functionName} reverted`)
  }
  const settle = (
    functionName: string,
    args: readonly unknown[] = [],
    from = OPERATOR,
    value = 0n,
  ): Promise<void> => call(from, place.settlement, pageSettlementAbi, functionName, args, value)
  const read = (functionName: string, args: readonly unknown[] = []): Promise<unknown> =>
    clientOf(OPERATOR).readContract({
      address: place.settlement,
      abi: pageSettlementAbi,
      functionName,
      args,
    } as never)
  const held = (asset: number, of: Address): Promise<bigint> =>
    clientOf(OPERATOR).readContract({
      address: place.tokens[asset]!,
      abi: demoTokenAbi,
      functionName: 'balanceOf',
      args: [of],
    }) as Promise<bigint>
  async function pass(seconds: number): Promise<void> {
    const client = clientOf(OPERATOR)
    await client.increaseTime({ seconds })
    await client.mine({ blocks: 1 })
  }

  async function deployAll(verifier: Hex): Promise<void> {
    const create = async (data: Hex): Promise<Address> => (await send(OPERATOR, { data }))!
    for (const symbol of ['USDX', 'BTCX'])
      place.tokens.push(
        await create(
          encodeDeployData({
            abi: demoTokenAbi,
            bytecode: demoTokenCode.creation,
            args: [symbol, symbol, 6],
          }),
        ),
      )
    const honk = await create(verifier)
    const pageVerifier = await create(
      encodeDeployData({
        abi: pageVerifierAbi,
        bytecode: pageVerifierCode.creation,
        args: [[honk], VERIFY_GAS],
      }),
    )
    const from = owner(OPERATOR).address
    const nonce = await clientOf(OPERATOR).getTransactionCount({ address: from })
    place.settlement = getContractAddress({ from, nonce: BigInt(nonce + 1) })
    const assets = place.tokens.map((token) => ({ token, unitAtoms: 1n }))
    place.vault = await create(
      encodeDeployData({
        abi: pageVaultAbi,
        bytecode: pageVaultCode.creation,
        args: [place.settlement, from, assets],
      }),
    )
    const config = {
      vault: place.vault,
      governor: from,
      guardian: from,
      operator: from,
      verifier: pageVerifier,
      exitDelay: BigInt(EXIT_DELAY),
      proofDelay: BigInt(PROOF_DELAY),
      challengeWindow: BigInt(WINDOW),
      maxUnproven: 4n,
      requestFee: 1n,
      powerDelay: BigInt(EXIT_DELAY + 31 * DAY_SECONDS),
      bond: BOND,
    }
    const settlement = await create(
      encodeDeployData({ abi: pageSettlementAbi, bytecode: pageSettlementCode.creation, args: [config] }),
    )
    expect(settlement.toLowerCase()).toBe(place.settlement.toLowerCase())
    await settle('postBond', [], OPERATOR, BOND)
  }

  async function deposit(from: number, asset: number, units: bigint): Promise<void> {
    const token = place.tokens[asset]!
    await call(from, token, demoTokenAbi, 'mint', [owner(from).address, units])
    await call(from, token, demoTokenAbi, 'approve', [place.vault, units])
    await call(from, place.vault, pageVaultAbi, 'deposit', [BigInt(asset), units])
  }

  beforeAll(async () => {
    anvil = await startAnvil()
    const [key] = await pageKeys([SMALL_LIST_CIRCUIT])
    prover = new PageProver(key!, 1)
    await deployAll(verifierCode(await verifierSource(key!)))
    await deposit(BUYER, QUOTE, 1_000_000n)
    await deposit(SELLER, BASE, 1_000n)
    const journal = new JournalFixture(dataDir)
    journal.append(
      openAccountRecord(BUYER, owner(BUYER).address),
      depositRecord(BUYER, QUOTE, 1_000_000, 0),
      openAccountRecord(SELLER, owner(SELLER).address),
      depositRecord(SELLER, BASE, 1_000, 1),
    )
    journal.append(
      placeRecord(SELLER, Side.Sell, 100, BOUGHT / 10, 1),
      placeRecord(BUYER, Side.Buy, 100, BOUGHT / 10, 1),
      withdrawRecord(BUYER, BASE, WITHDRAWN),
    )
    journal.close()
    follower = new Follower({ dataDir })
    follower.advance(() => false)
    batch = sealPages(1, follower.close(), tree, cutting, (account, asset) => follower.total(account, asset))
  }, 300_000)
  afterAll(async () => {
    follower?.stop()
    await anvil?.stop()
    rmSync(dataDir, { recursive: true })
  })

  test('three pages are committed, proven, and final when their window has passed', async () => {
    const { header, pages, changes } = batch
    expect(pages.map(({ kind }) => kind)).toEqual([PageKind.Deposit, PageKind.Trade, PageKind.Withdrawal])
    const data = encodeCommitPages(header, undefined, pages)
    await send(OPERATOR, { to: place.settlement, data })
    expect(await read('batchCount')).toBe(1n)
    const domain = { chainId: await clientOf(OPERATOR).getChainId(), settlement: place.settlement }
    const batchHash = batchHashOf(domain, header)
    for (const [page, posted] of pages.entries()) {
      const { rows } = decodePage(posted.kind, posted.rows, posted.deposits)
      const inputs = pageInputs(batchHash, page, posted, rows)
      const untouched = (key: number): bigint => tree.nodeBefore(key, changes.slice(page + 1))
      const trees = {
        before: (key: number) => valueBefore(changes[page]!, key) ?? untouched(key),
        behind: (key: number) => valueAfter(changes[page]!, key) ?? untouched(key),
      }
      const proof = await prover.prove(pageJobOf(cutting.circuits[0]!, rows, trees, inputs))
      const changed = Uint8Array.from(proof)
      changed[proof.length - 1]! ^= 1
      const prove = (bytes: Uint8Array): Promise<void> =>
        settle('provePage', [1n, BigInt(page), 0n, inputs, bytesToHex(bytes)], SELLER)
      await expect(prove(changed)).rejects.toThrow('InvalidProof')
      expect(await read('provenCount')).toBe(0n)
      await prove(proof)
    }
    expect(await read('provenCount')).toBe(1n)
    const credit = (): Promise<void> => settle('creditWithdrawals', [1n, 2n, bytesToHex(pages[2]!.rows)])
    await expect(credit()).rejects.toThrow('BatchNotFinal')
    await pass(WINDOW)
    await credit()
    expect(await read('finalRoot')).toBe(tree.root)
    await call(SELLER, place.vault, pageVaultAbi, 'claim', [BigInt(BUYER), BigInt(BASE)])
    expect(await held(BASE, owner(BUYER).address)).toBe(BigInt(WITHDRAWN))
  })

  test('without the operator a request freezes the exchange, and everybody leaves, to the last unit', async () => {
    await settle('requestWithdrawal', [BigInt(SELLER), BigInt(QUOTE), 1n], SELLER, 1n)
    await expect(settle('freeze', [BigInt(SELLER), BigInt(QUOTE)], BUYER)).rejects.toThrow(
      'ExitDeadlineNotPassed',
    )
    await pass(EXIT_DELAY + 1)
    await settle('freeze', [BigInt(SELLER), BigInt(QUOTE)], BUYER)
    for (const account of [OPERATOR, BUYER, SELLER])
      for (const asset of [QUOTE, BASE]) {
        const { balances, siblings } = tree.proof(leafIndexOf(account, asset))
        if (balances[asset] === 0) continue
        const leave = (units: readonly number[]): Promise<void> =>
          call(SELLER, place.vault, pageVaultAbi, 'escape', [
            BigInt(account),
            BigInt(asset),
            units.map(BigInt),
            siblings,
          ])
        const more = balances.map((units, lane) => (lane === asset ? units + 1 : units))
        await expect(leave(more)).rejects.toThrow('WrongBalanceProof')
        await leave(balances)
        await expect(leave(balances)).rejects.toThrow('AlreadyEscaped')
      }
    expect(await held(BASE, owner(BUYER).address)).toBe(BigInt(BOUGHT))
    expect(await held(BASE, owner(SELLER).address)).toBe(BigInt(1_000 - BOUGHT))
    for (const asset of [QUOTE, BASE]) expect(await held(asset, place.vault)).toBe(0n)
  })
})
