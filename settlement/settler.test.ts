/**
 * The settler on a real chain (anvil) with a journal written by a fixture: deposit -> trade -> batch ->
 * proof of a balance -> withdrawal -> claim, then a restart, then the same batches again by a second
 * follower. Once with the stand-in verifier, once with real proofs at the full depth.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Side } from '../engine/codes.js'
import { settlementAbi, vaultAbi } from '../contracts/abi.js'
import { SettlementFixture, owner, until } from '../test/support/settlement-fixture.js'
import { chainClient, sleep } from './chain/chain.js'
import { sealBatch } from './follow/batch.js'
import {
  DEVELOPMENT_ROWS,
  InsecureKey,
  developmentVerificationKey,
  refuseDevelopmentKey,
} from './chain/development-key.js'
import { Follower } from './follow/follow.js'
import { ForeignBatch } from './posting/post.js'
import { ProverQueue } from './proving/prover-queue.js'
import { startProverProcess } from './proving/prover-process.js'
import { developmentKey } from './prover/keys.js'
import { Settler } from './settler.js'
import { StateTree, TREE_DEPTH, rootOfProof } from './tree/tree.js'
import { JournalFixture, placeRecord, withdrawRecord } from '../test/support/journal-fixture.js'

describe('settler on a chain', () => {
  const running: { stop: () => Promise<void> }[] = []
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
  })

  const settlerOf = (fixture: SettlementFixture, queue?: ProverQueue): Settler => {
    const settler = new Settler({
      dataDir: fixture.dataDir,
      durableSeq: () => fixture.journal.seq,
      client: chainClient([fixture.anvil.rpcUrl]),
      deployment: fixture.deployment,
      account: owner(0),
      policy: { seconds: 3600, fills: 1000, rows: 1000 },
      pollMs: 20,
      snapshotEvery: 1,
      ...(queue === undefined ? {} : { queue }),
    })
    running.push(settler)
    return settler
  }

  test('deposit, trade, commit, withdraw, claim, restart', async () => {
    const fixture = await SettlementFixture.start()
    running.push(fixture)
    const { journal, deployment } = fixture
    await fixture.deposit(1, 0, 1_000_000) // account 1: buyer
    await fixture.deposit(2, 1, 1_000) // account 2: seller
    await fixture.credit()
    expect(fixture.deposits).toBe(2)

    const first = settlerOf(fixture)
    await first.start()
    journal.append(placeRecord(2, Side.Sell, 100, 20, 1), placeRecord(1, Side.Buy, 100, 15, 1))
    const batch = await first.flush()
    // 15 lots at 100 ticks: 150 base units, 4500 quote units; taker fee 3 (2.25 up), maker rebate 0.
    expect(Number(batch!.header.number)).toBe(1)
    expect(first.proof(1, 0)!.balance).toBe(1_000_000 - 4500 - 3)
    expect(first.proof(1, 1)!.balance).toBe(150)
    expect(first.proof(2, 1)!.balance).toBe(1_000 - 150)
    const root = await fixture.readSettlement('lastRoot')
    const proof = first.proof(2, 0)!
    expect(rootOfProof(proof.index, proof.balance, proof.siblings)).toBe(root)
    expect(rootOfProof(proof.index, proof.balance + 1, proof.siblings)).not.toBe(root)

    journal.append(withdrawRecord(1, 1, 100))
    await first.flush()
    await until('the claim', async () => (await fixture.readVault('claimable', 1n, 1n)) === 100n)
    await first.stop()

    const second = settlerOf(fixture)
    await second.start()
    expect(second.status().lastBatch).toBe(2)
    expect(second.proof(1, 1)!.balance).toBe(50)
    // The rest of the resting order trades: its fill is in the next batch only.
    journal.append(placeRecord(1, Side.Buy, 100, 5, 2))
    const third = await second.flush()
    expect(third!.fillCount).toBe(1)
    expect(third!.header.firstSeq).toBe(9n)
    // An older root stays provable.
    const old = second.proof(1, 1, 1)!
    expect(old.balance).toBe(150)
    expect(rootOfProof(old.index, old.balance, old.siblings)).toBe(root)
    await second.stop()

    // An auditor's follower cuts at the same seqs and gets the same roots.
    const follower = new Follower({ dataDir: fixture.dataDir })
    const tree = new StateTree()
    for (const number of [1, 2, 3]) {
      const { header } = second.store.read(number)
      follower.advance(() => false, Infinity, Number(header.lastSeq))
      const sealed = sealBatch(number, follower.close(), tree, deployment.constants.rowsPerChunk)
      expect(sealed.header).toEqual(header)
    }
    follower.stop()
  })

  test('with real proofs: committed at once, proven by a prover over HTTP, claimed', async () => {
    const fixture = await SettlementFixture.start({
      verificationKey: developmentVerificationKey,
      rowsPerChunk: DEVELOPMENT_ROWS,
    })
    running.push(fixture)
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 1_000)
    await fixture.credit()
    fixture.journal.append(
      placeRecord(2, Side.Sell, 100, 20, 1),
      placeRecord(1, Side.Buy, 100, 20, 1),
      withdrawRecord(1, 1, 200),
    )
    const token = 'a token of this test'
    const queue = new ProverQueue({ token, depth: TREE_DEPTH })
    running.push({ stop: () => Promise.resolve(queue.close()) })
    const url = await queue.listen()
    const settler = settlerOf(fixture, queue)
    await settler.start()
    await settler.flush()
    expect(settler.status()).toMatchObject({ lastBatch: 1, provenBatch: 0 })
    expect(await fixture.readSettlement('provenCount')).toBe(0n)
    expect((await fetch(`${url}/lease`, { method: 'POST' })).status).toBe(401)

    const told: string[] = []
    running.push({
      stop: startProverProcess({
        url,
        token,
        rowsPerChunk: DEVELOPMENT_ROWS,
        onProgress: (text) => void told.push(text),
      }),
    })
    await until(`a proven batch (${told.at(-1)})`, () => settler.status().provenBatch === 1)
    // Four rows: the buyer's quote, the seller's quote and the fee account's; the base went 1,000 - 200.
    expect(queue.metrics().provenRows).toBe(4)
    expect(await fixture.readSettlement('provenRoot')).toBe(settler.status().lastRoot)
    await until('the claim', async () => (await fixture.readVault('claimable', 1n, 1n)) === 200n)
    await fixture.write(3, {
      address: fixture.deployment.vault,
      abi: vaultAbi,
      functionName: 'claim',
      args: [1n, 1n],
    })
    expect(await fixture.readVault('custodyUnits', 1n)).toBe(800n)
    // The committed verification key is the one that the circuit and the development secrets give.
    const key = await developmentKey({ rows: DEVELOPMENT_ROWS, depth: TREE_DEPTH })
    expect(key.verificationKey).toEqual(developmentVerificationKey)
  })

  test('a settlement folder that is lost is made again from journal and chain; a foreign journal is refused', async () => {
    const fixture = await SettlementFixture.start()
    running.push(fixture)
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 1_000)
    await fixture.credit()
    const first = settlerOf(fixture)
    await first.start()
    for (let round = 0; round < 3; round++) {
      fixture.journal.append(
        placeRecord(2, Side.Sell, 100, 10, 10 + round),
        placeRecord(1, Side.Buy, 100, 10, 10 + round),
      )
      await first.flush()
    }
    await until('three final batches', () => first.status().provenBatch === 3)
    const before = first.proof(1, 0)!
    await first.stop()
    rmSync(join(fixture.dataDir, 'settlement'), { recursive: true })

    const second = settlerOf(fixture)
    await second.start()
    expect(second.status()).toMatchObject({ lastBatch: 3, provenBatch: 3, sealedBatch: 3 })
    expect(second.proof(1, 0)).toMatchObject({ balance: before.balance, root: before.root, batch: 3 })
    expect(second.store.read(2).commitTx).toMatch(/^0x[0-9a-f]{64}$/)
    fixture.journal.append(withdrawRecord(1, 1, 1))
    await second.flush()
    await second.stop()

    // The same chain with a journal that says otherwise.
    const other = new JournalFixture(mkdtempSync(join(tmpdir(), 'glassbook-foreign-')))
    for (let seq = 0; seq < 20; seq++) other.append(placeRecord(1, Side.Buy, 100, 1, seq))
    const foreign = settlerOf({ ...fixture, journal: other, dataDir: other.dataDir } as SettlementFixture)
    await expect(foreign.start()).rejects.toThrow(ForeignBatch)
    other.close()
    rmSync(other.dataDir, { recursive: true })
  })

  test('batches that are struck, because no proof came in time, are posted again', async () => {
    const fixture = await SettlementFixture.start({
      verificationKey: developmentVerificationKey,
      rowsPerChunk: DEVELOPMENT_ROWS,
      proofDelaySeconds: 600,
      maxUnproven: 2,
    })
    running.push(fixture)
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.credit()
    const queue = new ProverQueue({ token: 'nobody', depth: TREE_DEPTH })
    const settler = settlerOf(fixture, queue)
    await settler.start()
    await settler.flush()
    fixture.journal.append(withdrawRecord(1, 0, 5))
    await settler.flush()
    expect(await fixture.readSettlement('batchCount')).toBe(2n)
    // A third has no place on the chain until there are proofs: it waits, and nothing fails.
    fixture.journal.append(withdrawRecord(1, 0, 6))
    const third = settler.flush()
    third.catch(() => undefined)
    await until('the third batch', () => settler.status().sealedBatch === 3)
    await sleep(700)
    expect(settler.status()).toMatchObject({ lastBatch: 2, state: 'following' })
    await fixture.passTime(700)
    await fixture.write(5, {
      address: fixture.deployment.settlement,
      abi: settlementAbi,
      functionName: 'strikeUnproven',
    })
    await until(
      'both batches to stand again',
      async () => (await fixture.readSettlement('batchCount')) === 2n,
    )
    const { newRoot } = (await fixture.readSettlement('batchOf', 2n)) as { newRoot: bigint }
    expect(newRoot).toBe(settler.store.read(2).header.newRoot)
    expect(settler.status().state).toBe('following')
  })

  test('the development key is refused anywhere but on a local chain', () => {
    const alpha = developmentVerificationKey.vk_alpha_1.map(BigInt) as unknown as [bigint, bigint]
    expect(() => refuseDevelopmentKey(1, alpha)).toThrow(InsecureKey)
    expect(() => refuseDevelopmentKey(8453, alpha)).toThrow(InsecureKey)
    refuseDevelopmentKey(31337, alpha)
    refuseDevelopmentKey(1, [1n, 2n])
  })
})
