/**
 * kill -9 at every step of a batch's way, again and again, on a real chain that loses blocks in between: each
 * batch is on the chain once, with the roots that an undisturbed run gives, and not one transaction too many was
 * sent. Fifteen rounds, one a step; with GLASSBOOK_LONG=1 thirty.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createTestClient, http } from 'viem'
import { Side } from '../engine/codes.js'
import { SettlementFixture, keyOf, owner } from '../test/support/settlement-fixture.js'
import { audit } from './audit/audit.js'
import { chainClient } from './chain/chain.js'
import { replayAgainstChain } from './audit/replay.js'
import { BatchStore } from './store/store.js'
import { placeRecord, withdrawRecord } from '../test/support/journal-fixture.js'

const ROUNDS = process.env.GLASSBOOK_LONG === '1' ? 30 : 15
const TRADES = 2 * ROUNDS
/** Steps as settler-child.ts names them; together every state a batch or a transaction can be in. */
const steps = [
  'sealed batch',
  'signed commit',
  'signed batch',
  'sent commit',
  'sent batch',
  'mined commit',
  'committed batch',
  'signed prove',
  'sent prove',
  'mined prove',
  'proven batch',
  'signed finalize',
  'sent finalize',
  'mined finalize',
  'final batch',
]
const child = join(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'support', 'settler-child.js')

describe('kill -9', () => {
  let fixture: SettlementFixture
  beforeAll(async () => {
    fixture = await SettlementFixture.start()
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 100_000)
    await fixture.credit()
    for (let trade = 0; trade < TRADES; trade++)
      fixture.journal.append(
        placeRecord(2, Side.Sell, 50 + (trade % 7), 2, 1000 + trade),
        placeRecord(1, Side.Buy, 50 + (trade % 7), 2, 1000 + trade),
        withdrawRecord(1, 1, 3),
      )
    writeFileSync(join(fixture.dataDir, 'deployment.json'), JSON.stringify(fixture.deployment))
  })
  afterAll(() => fixture?.stop())

  /** Runs a settlement process; resolves with how it ended. */
  const run = (step: string, nth: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const args = [fixture.dataDir, fixture.anvil.rpcUrl, join(fixture.dataDir, 'deployment.json'), keyOf(0)]
      const running = spawn(process.execPath, [child, ...args, step, String(nth)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let errors = ''
      running.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
      running.once('error', reject)
      running.once('exit', (code, signal) =>
        code === 1 ? reject(new Error(errors)) : resolve(signal ?? String(code)),
      )
    })

  test(`${ROUNDS} rounds, then the rest`, async () => {
    const transactionsBefore = await fixture.client.getTransactionCount({ address: owner(0).address })
    const anvil = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
    // The blocks of the deposits stay.
    await anvil.mine({ blocks: 5 })
    let kills = 0
    for (let round = 0; round < ROUNDS; round++) {
      const ended = await run(steps[round % steps.length]!, 1 + (round % 2))
      if (ended === 'SIGKILL') kills++
      // Every third time the chain takes back what the last run did at its end.
      if (round % 3 === 2)
        await anvil.request({ method: 'anvil_reorg', params: [1 + (round % 4), []] } as never)
    }
    expect(kills).toBe(ROUNDS)
    expect(await run('none', 1)).toBe('0')

    const client = chainClient([fixture.anvil.rpcUrl])
    const numbers = new BatchStore(fixture.dataDir).numbers()
    expect(Number(await fixture.readSettlement('batchCount'))).toBe(numbers.length)
    expect(numbers.length).toBeGreaterThanOrEqual(TRADES)
    const { report, batches } = await audit(client, fixture.deployment, { calldata: true })
    expect(report).toMatchObject({ batches: numbers.length, provenBatches: numbers.length, findings: [] })
    expect(new Set(batches.map(({ transactionHash }) => transactionHash)).size).toBe(numbers.length)
    const replay = await replayAgainstChain({
      dataDir: fixture.dataDir,
      client,
      deployment: fixture.deployment,
    })
    expect(replay).toMatchObject({ batches: numbers.length, fills: TRADES, difference: undefined })
    expect(await fixture.readVault('claimable', 1n, 1n)).toBe(BigInt(3 * TRADES))

    // One commit a batch, one proof a chunk, one finalisation a batch with withdrawals: nothing twice.
    const chunks = batches.reduce((sum, { data }) => sum + data!.chunkRoots.length, 0)
    const finals = batches.filter(({ withdrawals }) => withdrawals.length > 0).length
    const sent =
      (await fixture.client.getTransactionCount({ address: owner(0).address })) - transactionsBefore
    expect(sent).toBe(batches.length + chunks + finals)
  })
})
