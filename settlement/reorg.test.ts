/**
 * Reorganisations of a real chain under a running settlement: commit, proof and finalisation that counted are
 * taken back, and come again with the same bytes; each batch is on the chain once.
 */
import { createTestClient, http, keccak256, type Hex } from 'viem'
import { Side } from '../engine/codes.js'
import { SettlementFixture, owner, until } from '../test/support/settlement-fixture.js'
import { audit } from './audit/audit.js'
import { chainClient } from './chain/chain.js'
import { Settler } from './settler.js'
import { BatchStore, type BatchState } from './store/store.js'
import { placeRecord, withdrawRecord } from '../test/support/journal-fixture.js'

describe('reorganisations under the settler', () => {
  let fixture: SettlementFixture
  const running: { stop: () => Promise<void> }[] = []
  /** "number state", as told. */
  let told: string[] = []
  beforeEach(async () => {
    fixture = await SettlementFixture.start()
    running.push(fixture)
    told = []
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 10_000)
    await fixture.credit()
    // Blocks of the deposits are not to be taken back.
    await anvil().mine({ blocks: 3 })
  })
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
  })

  const anvil = () => createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  const reorganise = async (
    depth: number,
    pairs: readonly (readonly [Hex, number])[] = [],
  ): Promise<void> => {
    await anvil().request({ method: 'anvil_reorg', params: [depth, pairs] } as never)
  }
  const startSettler = async (confirmations = 0): Promise<Settler> => {
    const settler = new Settler({
      dataDir: fixture.dataDir,
      durableSeq: () => fixture.journal.seq,
      client: chainClient([fixture.anvil.rpcUrl]),
      deployment: fixture.deployment,
      account: owner(0),
      policy: { seconds: 3600, fills: 1000, rows: 1000 },
      confirmations,
      pollMs: 10,
      lostAfterMs: 300,
      onBatch: ({ header, state }) => void told.push(`${header.number} ${state}`),
    })
    running.push(settler)
    await settler.start()
    return settler
  }
  let cloid = 0
  const trade = (): void => {
    cloid++
    fixture.journal.append(
      placeRecord(2, Side.Sell, 100, 5, cloid),
      placeRecord(1, Side.Buy, 100, 5, cloid),
      withdrawRecord(1, 1, 3),
    )
  }
  const untilFinal = (settler: Settler, number: number): Promise<void> =>
    until(`batch ${number} to be final`, () => settler.store.read(number).state === 'final')
  const nonce = (): Promise<number> =>
    fixture.client.getTransactionCount({ address: owner(0).address, blockTag: 'latest' })
  /** Hashes of the raw transactions that were signed for the labels, and that the chain has now. */
  const sentHashes = (settler: Settler): Hex[] =>
    settler.store.readOutbox().flatMap(({ attempts }) => attempts.map(({ raw }) => keccak256(raw)))

  const checkChain = async (batches: number): Promise<void> => {
    const { report } = await audit(chainClient([fixture.anvil.rpcUrl]), fixture.deployment)
    expect(report).toMatchObject({ batches, provenBatches: batches, findings: [] })
    expect(await fixture.readVault('claimable', 1n, 1n)).toBe(BigInt(3 * batches))
  }

  test('one by one: the finalisation, the proof, the commit are taken back and sent again as they were', async () => {
    const settler = await startSettler()
    trade()
    await settler.flush()
    await untilFinal(settler, 1)
    const before = sentHashes(settler)
    const count = await nonce()
    expect(before).toHaveLength(3)
    const states: readonly [label: string, lost: BatchState][] = [
      ['finalize 1', 'proven'],
      ['prove 1/0', 'committed'],
      ['commit 1', 'sent'],
    ]
    for (const [label, lost] of states) {
      told = []
      const head = Number(await fixture.client.getBlockNumber({ cacheTime: 0 }))
      const { mined } = settler.store.readOutbox().find((entry) => entry.label === label)!
      await reorganise(head - mined!.blockNumber + 1)
      await until(`${lost} to be told`, () => told.includes(`1 ${lost}`))
      await until('final to be told', () => told.at(-1) === '1 final')
      await untilFinal(settler, 1)
      // Empty blocks took the place of the lost ones; the same bytes came behind them.
      expect(await nonce()).toBe(count)
      expect(sentHashes(settler)).toEqual(before)
      await checkChain(1)
    }
    expect(settler.status().sender.lost).toBeGreaterThanOrEqual(6)
  })

  test('several batches at once, and a restart that finds them gone', async () => {
    const first = await startSettler()
    for (let batch = 1; batch <= 3; batch++) {
      trade()
      await first.flush()
      await untilFinal(first, batch)
    }
    const before = sentHashes(first)
    const count = await nonce()
    expect(before).toHaveLength(9)
    await reorganise(7)
    await until('all to be there again', async () => (await nonce()) === count)
    for (let batch = 1; batch <= 3; batch++) await untilFinal(first, batch)
    await checkChain(3)
    expect(sentHashes(first)).toEqual(before)
    await first.stop()

    await reorganise(8)
    expect(await nonce()).toBeLessThan(count)
    const second = await startSettler()
    await until('all to be there again', async () => (await nonce()) === count)
    for (let batch = 1; batch <= 3; batch++) await untilFinal(second, batch)
    await checkChain(3)
    expect(sentHashes(second)).toEqual(before)
    // And it goes on from there.
    trade()
    await second.flush()
    await untilFinal(second, 4)
    await checkChain(4)
  })

  test('transactions that come in other blocks, only some of them', async () => {
    const settler = await startSettler()
    for (let batch = 1; batch <= 2; batch++) {
      trade()
      await settler.flush()
      await untilFinal(settler, batch)
    }
    const entries = settler.store.readOutbox()
    const count = await nonce()
    const raw = (label: string): Hex => entries.find((entry) => entry.label === label)!.attempts.at(-1)!.raw
    // The other branch has the first commit and its proof in one block, and nothing of what came later.
    await reorganise(6, [
      [raw('commit 1'), 2],
      [raw('prove 1/0'), 2],
    ])
    await until('the rest', async () => (await nonce()) === count)
    for (let batch = 1; batch <= 2; batch++) await untilFinal(settler, batch)
    await checkChain(2)
    expect(settler.store.readOutbox().map(({ attempts }) => attempts.at(-1)!.raw)).toEqual(
      entries.map(({ attempts }) => attempts.at(-1)!.raw),
    )
    const placed = settler.store.read(1)
    const receipt = await fixture.client.getTransactionReceipt({ hash: placed.commitTx! })
    expect(placed.commitBlock).toBe(Number(receipt.blockNumber))
  })

  test('another branch with a foreign transaction under a nonce of ours: what it displaced is signed anew', async () => {
    const settler = await startSettler()
    trade()
    await settler.flush()
    await untilFinal(settler, 1)
    const [commit] = settler.store.readOutbox()
    const foreign = await owner(0).signTransaction({
      type: 'eip1559',
      chainId: 31337,
      to: owner(1).address,
      gas: 21_000n,
      nonce: commit!.nonce,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 10n ** 9n,
    })
    const head = Number(await fixture.client.getBlockNumber({ cacheTime: 0 }))
    told = []
    await reorganise(head - commit!.mined!.blockNumber + 1, [[foreign, 0]])
    await until('it to be told', () => told.includes('1 sent'))
    await untilFinal(settler, 1)
    await checkChain(1)
    const receipt = await fixture.client.getTransactionReceipt({ hash: settler.store.read(1).commitTx! })
    expect(receipt.transactionHash).not.toBe(commit!.mined!.hash)
    expect(settler.status().state).toBe('following')
    // And it goes on from there.
    trade()
    await settler.flush()
    await untilFinal(settler, 2)
    await checkChain(2)
  })

  test('with confirmations: what is not deep enough is not told, and what is taken back before is sent again', async () => {
    const settler = await startSettler(3)
    trade()
    void settler.flush().catch(() => undefined)
    const outbox = () => new BatchStore(fixture.dataDir).readOutbox()
    await until('the commit to be mined', async () => {
      const [entry] = outbox()
      if (entry === undefined) return false
      return fixture.client.getTransactionReceipt({ hash: entry.attempts[0]!.hash }).then(
        () => true,
        () => false,
      )
    })
    const [entry] = outbox()
    await until('the commit to be sent', () => settler.store.read(1).state === 'sent')
    await anvil().mine({ blocks: 1 })
    await reorganise(2)
    expect(await fixture.readSettlement('batchCount')).toBe(0n)
    await until('the commit to be there again', async () => {
      // Nobody else makes blocks; the sender's own transaction does.
      return (await fixture.readSettlement('batchCount')) === 1n
    })
    expect(outbox()[0]!.attempts[0]!.hash).toBe(entry!.attempts[0]!.hash)
    expect(told).not.toContain('1 committed')
    await until('final', async () => {
      await anvil().mine({ blocks: 1 })
      return settler.store.read(1).state === 'final'
    })
    await checkChain(1)
  })

  test('a nonce of ours that is missing below others is filled, so that those can be mined', async () => {
    const settler = await startSettler()
    trade()
    await settler.flush()
    await untilFinal(settler, 1)
    const count = await nonce()
    await settler.stop()
    // The finalisation's bytes are lost with its block, as after a restore of an older copy of the folder.
    const store = new BatchStore(fixture.dataDir)
    const last = store.readOutbox().at(-1)!
    expect(last.label).toBe('finalize 1')
    const { mined: _mined, ...open } = last
    await reorganise(1)
    store.removeOutbox(last.nonce)
    // A later transaction of ours waits behind the empty nonce.
    const later = await owner(0).signTransaction({
      type: 'eip1559',
      chainId: 31337,
      to: owner(0).address,
      gas: 21_000n,
      nonce: last.nonce + 1,
      maxFeePerGas: last.attempts[0]!.maxFeePerGas,
      maxPriorityFeePerGas: last.attempts[0]!.maxPriorityFeePerGas,
    })
    store.writeOutbox({
      ...open,
      label: 'answer 1/0',
      nonce: last.nonce + 1,
      to: owner(0).address,
      data: '0x',
      gas: '21000',
      attempts: [{ ...last.attempts[0]!, raw: later, hash: keccak256(later) }],
    })
    const second = await startSettler()
    await until('both nonces to be taken', async () => (await nonce()) >= count + 1)
    await untilFinal(second, 1)
    await checkChain(1)
  })
})
