/**
 * The settler on a real chain (anvil) with a journal written by a fixture: deposit -> trade -> batch ->
 * proof of a balance -> withdrawal -> claim, then a restart, then the same batches again by a second
 * follower.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPublicClient, createWalletClient, http, type Hex } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { Side } from '../engine/codes.js'
import { demoTokenAbi, settlementAbi, vaultAbi } from '../contracts/abi.js'
import { startAnvil, type Anvil } from '../contracts/anvil.js'
import { deploy, type Deployment } from '../contracts/deploy.js'
import { chainClient, sleep } from './chain.js'
import { startChainWatcher } from './chain-watcher.js'
import { sealBatch } from './batch.js'
import { Follower } from './follow.js'
import { Settler } from './settler.js'
import { StateTree, rootOfProof } from './tree.js'
import { JournalFixture, placeRecord, withdrawRecord } from './test/journal-fixture.js'

const MNEMONIC = 'test test test test test test test test test test test junk'
const keyOf = (index: number) => mnemonicToAccount(MNEMONIC, { addressIndex: index })
const WAIT_MS = 60_000

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what}`)
    await sleep(20)
  }
}

describe('settler on a chain', () => {
  let anvil: Anvil
  let deployment: Deployment
  let dataDir: string
  let journal: JournalFixture

  beforeAll(async () => {
    anvil = await startAnvil()
    const key: Hex = `0x${Buffer.from(keyOf(0).getHdKey().privateKey!).toString('hex')}`
    deployment = await deploy({ rpcUrl: anvil.rpcUrl, privateKey: key })
    dataDir = mkdtempSync(join(tmpdir(), 'glassbook-settler-'))
    journal = new JournalFixture(dataDir)
  })
  afterAll(async () => {
    await Promise.all(settlers.map((settler) => settler.stop()))
    journal?.close()
    await anvil?.stop()
    if (dataDir !== undefined) rmSync(dataDir, { recursive: true })
  })

  const settlers: Settler[] = []
  const settler = (): Settler => {
    const one = new Settler({
      dataDir,
      durableSeq: () => journal.seq,
      client: chainClient([anvil.rpcUrl]),
      deployment,
      account: keyOf(0),
      policy: { seconds: 3600, fills: 1000, rows: 1000 },
      pollMs: 20,
    })
    settlers.push(one)
    return one
  }

  test('deposit, trade, commit, prove, withdraw, claim, restart', async () => {
    const client = createPublicClient({ transport: http(anvil.rpcUrl), pollingInterval: 20 })
    const deposit = async (owner: number, asset: number, amount: bigint): Promise<void> => {
      const wallet = createWalletClient({ account: keyOf(owner), transport: http(anvil.rpcUrl) })
      const token = deployment.assets[asset]!.token
      for (const request of [
        { address: token, abi: demoTokenAbi, functionName: 'mint', args: [keyOf(owner).address, amount] },
        { address: token, abi: demoTokenAbi, functionName: 'approve', args: [deployment.vault, amount] },
        { address: deployment.vault, abi: vaultAbi, functionName: 'deposit', args: [BigInt(asset), amount] },
      ]) {
        const hash = await wallet.writeContract({ ...request, chain: null } as never)
        expect((await client.waitForTransactionReceipt({ hash })).status).toBe('success')
      }
    }
    await deposit(1, 0, 1_000_000n) // account 1: buyer
    await deposit(2, 1, 1_000n) // account 2: seller

    const watcher = startChainWatcher({
      client: chainClient([anvil.rpcUrl]),
      deployment,
      depositsConsumed: 0,
      pollMs: 20,
      submit: async (record) => {
        journal.append(record)
        return 0
      },
    })
    await watcher.caughtUp
    await watcher.stop()
    expect(watcher.position()).toBe(2)

    const first = settler()
    await first.start()
    journal.append(placeRecord(2, Side.Sell, 100, 20, 1), placeRecord(1, Side.Buy, 100, 15, 1))
    const batch = await first.flush()
    // 15 lots at 100 ticks: 150 base units, 4500 quote units; taker fee 3 (2.25 up), maker rebate 0.
    expect(Number(batch!.header.number)).toBe(1)
    expect(first.proof(1, 0)!.balance).toBe(1_000_000 - 4500 - 3)
    expect(first.proof(1, 1)!.balance).toBe(150)
    expect(first.proof(2, 1)!.balance).toBe(1_000 - 150)
    const root = await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'lastRoot',
    })
    const proof = first.proof(2, 0)!
    expect(rootOfProof(proof.index, proof.balance, proof.siblings)).toBe(root)
    expect(rootOfProof(proof.index, proof.balance + 1, proof.siblings)).not.toBe(root)

    journal.append(withdrawRecord(1, 1, 100))
    await first.flush()
    await until('the withdrawal to be claimable', () => first.status().provenBatch === 2)
    const claimable = (): Promise<bigint> =>
      client.readContract({
        address: deployment.vault,
        abi: vaultAbi,
        functionName: 'claimable',
        args: [1n, 1n],
      })
    await until('the claim', async () => (await claimable()) === 100n)
    await first.stop()

    const second = settler()
    await second.start()
    expect(second.status().lastBatch).toBe(2)
    expect(second.proof(1, 1)!.balance).toBe(50)
    // The rest of the resting order trades: its fills are in the next batch only.
    journal.append(placeRecord(1, Side.Buy, 100, 5, 2))
    const third = await second.flush()
    expect(third!.fillCount).toBe(1)
    expect(third!.header.firstSeq).toBe(9n)
    await second.stop()

    // An auditor's follower cuts at the same seqs and gets the same roots.
    const follower = new Follower({ dataDir })
    const tree = new StateTree()
    for (const number of [1, 2, 3]) {
      const { header } = second.store.read(number)
      follower.advance(() => false, Infinity, Number(header.lastSeq))
      const sealed = sealBatch(number, follower.close(), tree, deployment.constants.rowsPerChunk)
      expect(sealed.header).toEqual(header)
    }
    follower.stop()
  })
})
