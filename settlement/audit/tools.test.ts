/**
 * The tools for everybody else, on a real chain: the audit from calldata, the replay from the journal, and
 * the exit with the exchange dead.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatUnits } from 'viem'
import { glassbook } from '../../app/command-line.js'
import { Side } from '../../engine/codes.js'
import { demoTokenAbi } from '../../contracts/abi.js'
import { SettlementFixture, keyOf, owner, until } from '../../test/support/settlement-fixture.js'
import { audit } from './audit.js'
import { chainClient } from '../chain/chain.js'
import { hexToBytes } from '../batch/commit.js'
import { planExit } from './exit.js'
import { sendSteps } from './exit-sending.js'
import { decodeFill, verifyFill } from '../batch/fills-root.js'
import { openAccountRecord } from '../chain/chain-watcher.js'
import { discoverDeployment } from '../chain/history.js'
import { indexOf } from '../batch/rows.js'
import { readVault, replayAgainstChain, replayBatches } from './replay.js'
import { FillProofs } from '../proving/fill-proofs.js'
import { Settler } from '../settler.js'
import { rootOfProof } from '../tree/tree.js'
import { JournalFixture, placeRecord, testGenesis } from '../../test/support/journal-fixture.js'

const EXIT_DELAY_SECONDS = 3600

describe('audit, replay and exit', () => {
  let fixture: SettlementFixture
  let settler: Settler

  beforeAll(async () => {
    fixture = await SettlementFixture.start({ exitDelaySeconds: EXIT_DELAY_SECONDS })
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 1_000)
    await fixture.credit()
    settler = new Settler({
      dataDir: fixture.dataDir,
      durableSeq: () => fixture.journal.seq,
      client: chainClient([fixture.anvil.rpcUrl]),
      deployment: fixture.deployment,
      account: owner(0),
      policy: { seconds: 3600, fills: 1000, rows: 1000 },
      pollMs: 20,
    })
    await settler.start()
    for (let round = 0; round < 3; round++) {
      fixture.journal.append(
        placeRecord(2, Side.Sell, 100 + round, 10, 10 + round),
        placeRecord(1, Side.Buy, 100 + round, 10, 10 + round),
      )
      await settler.flush()
    }
    await until('three proven batches', () => settler.status().provenBatch === 3)
  })
  afterAll(async () => {
    await settler?.stop()
    await fixture?.stop()
  })

  test('every fill of every batch, and every leaf of every proven root, has a proof', async () => {
    const fillProofs = new FillProofs(settler.store)
    let [seq, found] = [0, 0]
    while (++seq <= fixture.journal.seq) {
      const proof = await fillProofs.proof(seq, 0)
      if (proof === undefined) continue
      if ('retryAfterMs' in proof) throw new Error(`seq ${seq}: later`)
      expect(proof.batch).toBe(++found)
      const batch = (await fixture.readSettlement('batchOf', BigInt(proof.batch))) as { fillsRoot: string }
      expect(verifyFill(hexToBytes(batch.fillsRoot), proof)).toBe(true)
      expect(decodeFill(proof.leaf, 0)).toMatchObject({ seq, fillIndex: 0, lots: 10 })
      expect(await fillProofs.proof(seq, 1)).toBeUndefined()
    }
    expect(found).toBe(3)
    expect(await fillProofs.proof(0, 0)).toBeUndefined()
    for (let number = 1; number <= 3; number++) {
      const batch = (await fixture.readSettlement('batchOf', BigInt(number))) as { newRoot: bigint }
      const proof = settler.proof(1, 1, number)!
      expect(proof.balance).toBe(100 * number)
      expect(rootOfProof(proof.index, proof.balance, proof.siblings)).toBe(batch.newRoot)
    }
    expect(settler.proof(1, 1, 4)).toBeUndefined()
  })

  test('the audit rebuilds every balance from the settlement address and the chain alone', async () => {
    const client = chainClient([fixture.anvil.rpcUrl])
    const found = await discoverDeployment(client, fixture.deployment.settlement)
    expect(found).toMatchObject({
      chainId: 31337,
      vault: fixture.deployment.vault,
      constants: { rowsPerChunk: fixture.deployment.constants.rowsPerChunk, proven: false },
    })
    // An account of the chain, no contract; and a contract that is another.
    for (const other of ['0x00000000000000000000000000000000000000aa', fixture.deployment.vault] as const)
      await expect(discoverDeployment(client, other)).rejects.toThrow(
        `no settlement contract at ${other} on chain 31337`,
      )
    const { report, tree } = await audit(client, found)
    expect(report).toMatchObject({ batches: 3, provenBatches: 3, findings: [] })
    expect(report.totals).toEqual([1_000_000n, 1_000n])
    expect(tree.balanceOf(indexOf(1, 1))).toBe(300)
    expect(tree.balanceOf(indexOf(1, 0))).toBe(settler.proof(1, 0)!.balance)

    const folder = mkdtempSync(join(tmpdir(), 'glassbook-audit-'))
    const csv = join(folder, 'balances.csv')
    const args = ['--rpc', fixture.anvil.rpcUrl, '--settlement', fixture.deployment.settlement]
    expect(await glassbook(['audit', ...args, '--json', '--balances', csv])).toBe(0)
    expect(readFileSync(csv, 'utf8')).toContain('\n1,1,300\n')
    expect(await glassbook(['audit', '--rpc', fixture.anvil.rpcUrl])).toBe(2)
    rmSync(folder, { recursive: true })
  })

  test('the replay agrees with the chain, and names batch, row and leaf where a journal differs', async () => {
    const options = { client: chainClient([fixture.anvil.rpcUrl]), deployment: fixture.deployment }
    const report = await replayAgainstChain({ dataDir: fixture.dataDir, ...options })
    expect(report).toMatchObject({ batches: 3, fills: 3, difference: undefined })
    expect(report.root).toBe(settler.status().lastRoot)
    const path = join(fixture.dataDir, 'deployment.json')
    writeFileSync(path, JSON.stringify({ ...fixture.deployment, rpcUrl: fixture.anvil.rpcUrl }))
    expect(await glassbook(['replay', fixture.dataDir, '--json'])).toBe(0)

    // A journal in which the second trade was for 9 lots instead of 10.
    const folder = mkdtempSync(join(tmpdir(), 'glassbook-other-'))
    const other = new JournalFixture(folder, testGenesis)
    fixture.deposits = 0
    const real = fixture.journal
    Object.assign(fixture, { journal: other })
    await fixture.credit()
    Object.assign(fixture, { journal: real })
    for (let round = 0; round < 3; round++)
      other.append(
        placeRecord(2, Side.Sell, 100 + round, 10, 10 + round),
        placeRecord(1, Side.Buy, 100 + round, round === 1 ? 9 : 10, 10 + round),
      )
    other.close()
    const wrong = await replayAgainstChain({ dataDir: folder, ...options })
    expect(wrong.batches).toBe(1)
    expect(wrong.difference).toMatchObject({ batch: 2, part: 'row', row: 1, index: indexOf(1, 0) })
    const args = ['--rpc', fixture.anvil.rpcUrl, '--settlement', fixture.deployment.settlement]
    expect(await glassbook(['replay', folder, ...args])).toBe(1)
    rmSync(folder, { recursive: true })
  })

  test('a journal that gives an account another owner than the vault has is found', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'glassbook-owner-'))
    const other = new JournalFixture(folder, testGenesis)
    // The operator's fee account is Alice's, says the journal: what is moved there stays in the family.
    other.append(openAccountRecord(0, owner(1).address))
    other.close()
    const report = await replayBatches({
      dataDir: folder,
      batches: [],
      vault: () => readVault(chainClient([fixture.anvil.rpcUrl]), fixture.deployment),
    })
    expect(report.difference).toMatchObject({
      part: 'owner of account 0',
      chain: owner(0).address,
      journal: owner(1).address.toLowerCase(),
    })
    rmSync(folder, { recursive: true })
  })

  test('with the exchange dead, an owner requests, freezes, escapes, and takes a deposit back', async () => {
    await settler.stop()
    // A deposit that no batch will consume.
    await fixture.deposit(1, 0, 77)
    const { client, deployment, anvil } = fixture
    const account = owner(1)
    const token = (asset: number): Promise<bigint> =>
      client.readContract({
        address: deployment.assets[asset]!.token,
        abi: demoTokenAbi,
        functionName: 'balanceOf',
        args: [account.address],
      }) as Promise<bigint>
    const balance = settler.proof(1, 0)!.balance
    const args = ['--owner', account.address, '--rpc', anvil.rpcUrl, '--settlement', deployment.settlement]

    // Dry run: nothing happens. Then the requests.
    expect(await glassbook(['exit', ...args, '--json'])).toBe(3)
    expect(await fixture.readSettlement('openRequests')).toBe(0n)
    const first = await planExit(client, deployment, account.address)
    expect(first.steps.map(({ what }) => what)).toEqual([
      // What is proven, and the deposit of 77 that no batch has consumed.
      `request ${formatUnits(BigInt(balance) + 77n, 6)} USDX`,
      'request 0.000003 BTCX',
    ])
    expect(first.deposited).toEqual([{ asset: 0, units: 77 }])
    // Interrupted after one step: the next plan asks for the rest only.
    const sender = { account, chainId: deployment.chainId }
    expect(await sendSteps(client, sender, first.steps.slice(0, 1))).toEqual([])
    expect((await planExit(client, deployment, account.address)).steps.map(({ what }) => what)).toEqual([
      'request 0.000003 BTCX',
    ])
    process.env.GLASSBOOK_OWNER_KEY = keyOf(1)
    expect(await glassbook(['exit', ...args, '--send'])).toBe(3)
    const waiting = await planExit(client, deployment, account.address)
    expect(waiting.steps).toEqual([])
    expect(waiting.waiting).toHaveLength(2)

    await fixture.passTime(EXIT_DELAY_SECONDS + 10)
    expect(await glassbook(['exit', ...args, '--send'])).toBe(0)
    delete process.env.GLASSBOOK_OWNER_KEY
    expect(await fixture.readSettlement('frozen')).toBe(true)
    expect(await token(0)).toBe(BigInt(balance) + 77n)
    expect(await token(1)).toBe(300n)
    expect(await planExit(client, deployment, account.address)).toMatchObject({ steps: [], waiting: [] })
    // Everybody else may leave too, and nobody twice.
    const seller = await planExit(client, deployment, owner(2).address)
    expect(seller.steps.map(({ what }) => what)).toEqual([
      `escape with ${formatUnits(BigInt(settler.proof(2, 0)!.balance), 6)} USDX`,
      'escape with 0.000007 BTCX',
    ])
    expect(
      await glassbook([
        'exit',
        '--owner',
        owner(9).address,
        '--rpc',
        anvil.rpcUrl,
        '--settlement',
        deployment.settlement,
      ]),
    ).toBe(1)
  })
})
