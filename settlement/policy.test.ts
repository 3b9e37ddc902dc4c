/** A batch closes on time, on fills or on rows, whichever comes first; the rest of the journal stays open. */
import { Side } from '../engine/codes.js'
import { SettlementFixture, owner, until } from '../test/support/settlement-fixture.js'
import { chainClient } from './chain/chain.js'
import { decodeRows } from './batch/commit.js'
import { readFollowerSnapshot } from './follow/follow-snapshot.js'
import { Settler } from './settler.js'
import type { BatchPolicy } from './settler-options.js'
import { placeRecord } from '../test/support/journal-fixture.js'

const NEVER: BatchPolicy = { seconds: 3600, fills: 1_000_000, rows: 1000 }

describe('when a batch closes', () => {
  let fixture: SettlementFixture
  let settler: Settler
  beforeAll(async () => {
    fixture = await SettlementFixture.start()
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 10_000)
    await fixture.credit()
  })
  afterEach(() => settler?.stop())
  afterAll(() => fixture?.stop())

  const start = async (policy: Partial<BatchPolicy>): Promise<void> => {
    settler = new Settler({
      dataDir: fixture.dataDir,
      durableSeq: () => fixture.journal.seq,
      client: chainClient([fixture.anvil.rpcUrl]),
      deployment: fixture.deployment,
      account: owner(0),
      policy: { ...NEVER, ...policy },
      pollMs: 10,
    })
    await settler.start()
  }
  let cloid = 0
  /** One fill: five rows, for base and quote of both, and the fee. */
  const trade = (): void => {
    cloid++
    fixture.journal.append(placeRecord(2, Side.Sell, 100, 1, cloid), placeRecord(1, Side.Buy, 100, 1, cloid))
  }
  const followed = (): Promise<void> =>
    until('the journal to be followed', () => settler.status().seq === fixture.journal.seq)

  test('on time', async () => {
    await start({ seconds: 0.1 })
    trade()
    await until('the batch on the chain', () => settler.status().settledSeq === fixture.journal.seq)
    expect(settler.status().lagMs).toBe(0)
  })

  test('on fills', async () => {
    await start({ fills: 2 })
    const before = settler.status().sealedBatch
    for (let count = 0; count < 5; count++) trade()
    await until('two batches', () => settler.status().sealedBatch === before + 2)
    await followed()
    expect(settler.status().sealedBatch).toBe(before + 2)
    expect([1, 2].map((at) => settler.store.read(before + at).fillCount)).toEqual([2, 2])
    // The fifth fill is open, and its age is the lag.
    expect(settler.status().lagMs).toBeGreaterThan(0)
    await settler.flush()
    expect(settler.store.read(before + 3).fillCount).toBe(1)
    // Two million commands have not passed.
    expect(readFollowerSnapshot(settler.store.folder)).toBeUndefined()
  })

  test('on rows', async () => {
    await start({ rows: 5 })
    const before = settler.status().sealedBatch
    for (let count = 0; count < 3; count++) trade()
    await until('three batches', () => settler.status().sealedBatch === before + 3)
    await followed()
    for (const at of [1, 2, 3]) {
      const { data, fillCount } = settler.store.read(before + at)
      expect([decodeRows(data.rows).indices.length, fillCount]).toEqual([5, 1])
    }
  })

  test('a long journal is followed in turns: between them it can be stopped', async () => {
    const refused = Array.from({ length: 1000 }, () => placeRecord(1, Side.Buy, 0, 1, 1))
    for (let count = 0; count < 50; count++) fixture.journal.append(...refused)
    await start({})
    await settler.stop()
    expect(settler.status().seq).toBeLessThan(fixture.journal.seq)
  })
})
