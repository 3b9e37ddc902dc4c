/**
 * The whole line with real proofs at the full depth, of the development key that a local chain has, on a real chain:
 * deposit, trade, commit, prove (a forger refused, a prover killed within its lease and replaced), claim; then the
 * exchange is dead, and the owners leave with escapes against the root that was proven.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { curves } from 'snarkjs'
import { createTestClient, http } from 'viem'
import { glassbook } from '../../app/command-line.js'
import { Side } from '../../engine/codes.js'
import { demoTokenAbi, vaultAbi } from '../../contracts/abi.js'
import { deploy } from '../../contracts/deployment/deploy.js'
import { SettlementFixture, keyOf, owner, until } from '../../test/support/settlement-fixture.js'
import { chainClient } from '../chain/chain.js'
import { DEVELOPMENT_ROWS as ROWS, InsecureKey } from '../chain/development-key.js'
import { proofCheck } from './proof-check.js'
import { PROVER_PROGRAM } from './prover-process.js'
import { ProverQueue } from './prover-queue.js'
import { developmentKey } from '../prover/keys.js'
import { Settler } from '../settler.js'
import { TREE_DEPTH } from '../tree/tree.js'
import { placeRecord, withdrawRecord } from '../../test/support/journal-fixture.js'

const TOKEN = 'a token of this test'
const EXIT_DELAY_SECONDS = 3600

describe('real proofs', () => {
  let fixture: SettlementFixture
  let queue: ProverQueue
  let url: string
  let settler: Settler
  const provers: ChildProcess[] = []
  const trouble: string[] = []

  const settlerOf = (deployment = fixture.deployment): Settler =>
    new Settler({
      dataDir: fixture.dataDir,
      durableSeq: () => fixture.journal.seq,
      client: chainClient([fixture.anvil.rpcUrl]),
      deployment,
      account: owner(0),
      policy: { seconds: 3600, fills: 1000, rows: 1000 },
      pollMs: 20,
      queue,
      onTrouble: (text) => void trouble.push(text),
    })
  const startProver = (name: string): ChildProcess => {
    const args = ['work', '--url', url, '--rows', String(ROWS), '--name', name]
    const child = spawn(process.execPath, [PROVER_PROGRAM, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, GLASSBOOK_PROVER_TOKEN: TOKEN },
    })
    provers.push(child)
    return child
  }
  const trade = (ticks: number, cloid: number): void =>
    void fixture.journal.append(
      placeRecord(2, Side.Sell, ticks, 10, cloid),
      placeRecord(1, Side.Buy, ticks, 10, cloid),
    )

  beforeAll(async () => {
    const { verificationKey } = await developmentKey({ rows: ROWS, depth: TREE_DEPTH })
    fixture = await SettlementFixture.start({
      verificationKey: verificationKey as never,
      rowsPerChunk: ROWS,
      exitDelaySeconds: EXIT_DELAY_SECONDS,
    })
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 1_000)
    await fixture.credit()
    queue = new ProverQueue({
      token: TOKEN,
      depth: TREE_DEPTH,
      chainId: fixture.deployment.chainId,
      check: proofCheck(chainClient([fixture.anvil.rpcUrl]), fixture.deployment.settlement),
      leaseMs: 2000,
      retryMs: 1,
      onTrouble: (text) => void trouble.push(text),
    })
    url = await queue.listen()
    settler = settlerOf()
    await settler.start()
  }, 600_000)
  afterAll(async () => {
    for (const prover of provers) prover.kill('SIGKILL')
    await settler?.stop()
    queue?.close()
    await fixture?.stop()
    await (await curves.getCurveFromName('bn128')).terminate()
  })

  test('deposit, trade, commit, prove, claim', async () => {
    trade(100, 1)
    fixture.journal.append(withdrawRecord(1, 1, 40))
    await settler.flush()
    // Five rows: two of each trader, one of the fee account.
    expect(settler.store.read(1).data.chunkRoots).toHaveLength(5)
    expect(settler.status()).toMatchObject({ lastBatch: 1, provenBatch: 0 })

    await until('five chunks to prove', () => queue.metrics().waiting === 5)

    // A proof that proves nothing is refused by the queue; no transaction is made of it.
    const post = async (path: string, body: object): Promise<Response> => {
      const headers = { authorization: `Bearer ${TOKEN}` }
      return fetch(`${url}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    }
    const { id } = (await (await post('lease', { prover: 'forger' })).json()) as { id: string }
    const before = await fixture.client.getTransactionCount({ address: owner(0).address })
    expect((await post('result', { id, proof: ['1', '2', '0', '0', '0', '0', '1', '2'] })).status).toBe(422)
    expect(trouble.at(-1)).toBe(`prover forger: ${id}: a proof that does not verify`)
    expect(await fixture.client.getTransactionCount({ address: owner(0).address })).toBe(before)

    // One prover dies in the middle of its first chunk; another one takes over.
    const first = startProver('first')
    await until('a lease of the first prover', () => queue.leases().some(({ prover }) => prover === 'first'))
    first.kill('SIGKILL')
    expect(queue.metrics().provenRows).toBe(0)
    startProver('second')
    await until('a proven batch', () => settler.status().provenBatch === 1)
    expect(queue.metrics()).toMatchObject({ provenRows: 5, failures: 1 })
    expect(await fixture.readSettlement('provenRoot')).toBe(settler.status().lastRoot)

    await until('the claim', async () => (await fixture.readVault('claimable', 1n, 1n)) === 40n)
    const claim = { address: fixture.deployment.vault, abi: vaultAbi, functionName: 'claim', args: [1n, 1n] }
    await fixture.write(3, claim)
    expect(await fixture.readVault('custodyUnits', 1n)).toBe(960n)

    // A second batch from the tree that the first one left.
    trade(101, 2)
    await settler.flush()
    await until('the second proven batch', () => settler.status().provenBatch === 2)
  })

  test('with the exchange dead, owners freeze it and escape against the proven root', async () => {
    // A batch that is committed and never proven does not count for an exit.
    for (const prover of provers) prover.kill('SIGKILL')
    const proven = [1, 2].map((account) => settler.proof(account, 0)!.balance)
    trade(102, 3)
    await settler.flush()
    expect(settler.status()).toMatchObject({ lastBatch: 3, provenBatch: 2 })
    await settler.stop()
    queue.close()

    const { client, deployment, anvil } = fixture
    const exit = (of: number, ...more: string[]): Promise<number> => {
      process.env.GLASSBOOK_OWNER_KEY = keyOf(of)
      return glassbook([
        'exit',
        ...['--owner', owner(of).address, '--rpc', anvil.rpcUrl, '--settlement', deployment.settlement],
        ...more,
      ])
    }
    const held = (of: number, asset: number): Promise<bigint> =>
      client.readContract({
        address: deployment.assets[asset]!.token,
        abi: demoTokenAbi,
        functionName: 'balanceOf',
        args: [owner(of).address],
      }) as Promise<bigint>
    const base = [await held(1, 1), await held(2, 1)]
    expect(await exit(1)).toBe(3)
    expect(await exit(1, '--send')).toBe(3)
    await fixture.passTime(EXIT_DELAY_SECONDS + 10)
    expect(await exit(1, '--send')).toBe(0)
    expect(await fixture.readSettlement('frozen')).toBe(true)
    expect(await exit(2, '--send')).toBe(0)
    delete process.env.GLASSBOOK_OWNER_KEY
    expect([await held(1, 0), await held(2, 0)]).toEqual(proven.map(BigInt))
    // Two trades of 100 units were proven, the third was not; 40 units had left before.
    expect([(await held(1, 1)) - base[0]!, (await held(2, 1)) - base[1]!]).toEqual([160n, 800n])
    // What is left is the fee account's.
    expect(await fixture.readVault('custodyUnits', 1n)).toBe(0n)
    const fees = 1_000_000n - BigInt(proven[0]! + proven[1]!)
    expect(await fixture.readVault('custodyUnits', 0n)).toBe(fees)
  })

  test('a settler does not start where the development key guards value, whatever the file says', async () => {
    const { anvil, deployment } = fixture
    const chain = createTestClient({ mode: 'anvil', transport: http(anvil.rpcUrl) })
    await chain.request({ method: 'anvil_setChainId', params: [5] } as never)
    for (const proven of [true, false]) {
      const there = settlerOf({
        ...deployment,
        chainId: 5,
        constants: { ...deployment.constants, proven },
      })
      await expect(there.start()).rejects.toThrow(InsecureKey)
      await there.stop()
    }
    const again = deploy({
      rpcUrl: anvil.rpcUrl,
      privateKey: keyOf(0),
      ...(deployment.verificationKey === undefined ? {} : { verificationKey: deployment.verificationKey }),
      rowsPerChunk: ROWS,
    })
    await expect(again).rejects.toThrow('the development key on chain 5')
  })
})
