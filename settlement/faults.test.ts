/**
 * Posting over endpoints that fail, lag and lie, in front of a real chain: each batch is on the chain once,
 * with not one transaction too many, and nothing is believed that is not so. Failures mixed and one seed; with
 * GLASSBOOK_LONG=1 each failure alone and twenty seeds.
 */
import { Side } from '../engine/codes.js'
import { SettlementFixture, owner, until } from '../test/support/settlement-fixture.js'
import { audit } from './audit/audit.js'
import { WrongChain, chainClient } from './chain/chain.js'
import { Settler } from './settler.js'
import { FaultyRpc, failures, lies, type Fault } from '../test/support/faulty-rpc.js'
import { placeRecord, withdrawRecord } from '../test/support/journal-fixture.js'

const IS_LONG = process.env.GLASSBOOK_LONG === '1'
const SEEDS = IS_LONG ? 20 : 1
const FIRST_SEED = Number(process.env.GLASSBOOK_SEED ?? 1)
/** Posting asks for no logs; the chain watcher's test has those. */
const LIES = lies.filter((lie) => !lie.endsWith('logs'))
/** A made-up refusal, for long enough, ends settlement; all else ends with the lie. */
const LIES_OF_ONE = LIES.filter((lie) => lie !== 'wrong chain' && lie !== 'forged revert')
/** Rests after a failure are seconds: one after the other in the long mode, mixed in the short one. */
const FAILURES: Fault[][] = IS_LONG ? failures.map((failure) => [failure]) : [[...failures]]
const TIMEOUT_MS = 400
/** Questions during which one endpoint lies, then the next one. */
const TURN = 150
type Decide = (method: string, nth: number) => Fault | undefined

/** Numbers from 0 to below 1, the same for a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe('endpoints that fail and lie', () => {
  let fixture: SettlementFixture
  let batches = 0
  let transactionsBefore = 0
  const running: { stop: () => Promise<void> }[] = []
  /** Endpoints that were told to be silent. */
  const alone: string[] = []
  beforeAll(async () => {
    fixture = await SettlementFixture.start()
    await fixture.deposit(1, 0, 100_000_000)
    await fixture.deposit(2, 1, 1_000_000)
    await fixture.credit()
    transactionsBefore = await nonce()
  })
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
  })
  afterAll(() => fixture?.stop())

  const nonce = (): Promise<number> =>
    fixture.client.getTransactionCount({ address: owner(0).address, blockTag: 'latest' })

  const settlerOver = async (decides: readonly Decide[], states: string[] = []): Promise<Settler> => {
    const urls: string[] = []
    for (const decide of decides) {
      const proxy = await FaultyRpc.start(fixture.anvil.rpcUrl, decide)
      running.push(proxy)
      urls.push(proxy.url)
    }
    const settler = new Settler({
      dataDir: fixture.dataDir,
      durableSeq: () => fixture.journal.seq,
      client: chainClient(urls, {
        timeoutMs: TIMEOUT_MS,
        chainId: fixture.deployment.chainId,
        onAlone: (silentUrl) => void alone.push(silentUrl),
      }),
      deployment: fixture.deployment,
      account: owner(0),
      policy: { seconds: 3600, fills: 1000, rows: 1000 },
      pollMs: 10,
      lostAfterMs: 1000,
      onBatch: ({ header, state }) => void states.push(`${header.number} ${state}`),
    })
    running.push(settler)
    await settler.start()
    return settler
  }

  let cloid = 0
  const trade = (): void => {
    cloid++
    fixture.journal.append(
      placeRecord(2, Side.Sell, 100, 1, cloid),
      placeRecord(1, Side.Buy, 100, 1, cloid),
      withdrawRecord(1, 1, 3),
    )
  }
  const settle = async (settler: Settler): Promise<void> => {
    trade()
    await settler.flush()
    batches++
    await until(`batch ${batches} to be final`, () => settler.store.read(batches).state === 'final')
  }
  /** Asks the chain itself. */
  const check = async (): Promise<void> => {
    const { report } = await audit(chainClient([fixture.anvil.rpcUrl]), fixture.deployment)
    expect(report).toMatchObject({ batches, provenBatches: batches, findings: [] })
    expect(await fixture.readVault('claimable', 1n, 1n)).toBe(BigInt(3 * batches))
    // A commit, a proof and a finalisation each.
    expect((await nonce()) - transactionsBefore).toBe(3 * batches)
  }

  test.each(FAILURES)('one endpoint, and every second answer is: %s', async (...kinds) => {
    const settler = await settlerOver([
      (_method, nth) => (nth > 3 && nth < 24 && nth % 2 === 1 ? kinds[(nth >> 1) % kinds.length] : undefined),
    ])
    await settle(settler)
    await check()
  })

  test.each(LIES_OF_ONE)('one endpoint that lies for a while: %s', async (fault) => {
    // From the start on: at the start itself such an endpoint is refused.
    let lies = 0
    let isStarted = false
    const settler = await settlerOver([() => (isStarted && lies++ < 42 ? fault : undefined)])
    isStarted = true
    await settle(settler)
    expect(lies).toBeGreaterThan(0)
    const { report } = await audit(chainClient([fixture.anvil.rpcUrl]), fixture.deployment)
    expect(report).toMatchObject({ batches, provenBatches: batches, findings: [] })
    expect(await fixture.readVault('claimable', 1n, 1n)).toBe(BigInt(3 * batches))
    expect(settler.status().state).toBe('following')
    // What was signed for a nonce that was a lie is dropped, and may be signed again.
    if (fault !== 'high nonce') expect((await nonce()) - transactionsBefore).toBe(3 * batches)
    transactionsBefore = (await nonce()) - 3 * batches
  })

  test('one endpoint of another chain is refused at the start', async () => {
    const proxy = await FaultyRpc.start(fixture.anvil.rpcUrl, () => 'wrong chain')
    running.push(proxy)
    const settler = new Settler({
      dataDir: fixture.dataDir,
      client: chainClient([proxy.url]),
      deployment: fixture.deployment,
      account: owner(0),
    })
    await expect(settler.start()).rejects.toBeInstanceOf(WrongChain)
    await settler.stop()
  })

  test('two endpoints, and one is down: the other one is asked alone', async () => {
    alone.length = 0
    const settler = await settlerOver([() => 'refused', () => undefined])
    await settle(settler)
    await check()
    expect(alone).toHaveLength(1)
  })

  test.each(LIES)('three endpoints, and one always answers: %s', async (fault) => {
    const states: string[] = []
    const settler = await settlerOver([() => fault, () => undefined, () => undefined], states)
    await settle(settler)
    await check()
    // Forwards only: nothing that the liar said was taken for the chain's.
    expect(states).toEqual(
      ['sealed', 'signed', 'sent', 'committed', 'proven', 'final'].map((state) => `${batches} ${state}`),
    )
    expect(settler.status().sender).toMatchObject({ open: 0, lost: 0 })
  })

  test('with two that contradict each other nothing is believed, and nothing is done', async () => {
    let isLying = false
    const settler = await settlerOver([() => (isLying ? 'forged state' : undefined), () => undefined])
    isLying = true
    trade()
    const flushed = settler.flush()
    flushed.catch(() => undefined)
    await until('a trouble', () => settler.status().trouble.includes('agree'))
    expect(settler.status().state).not.toBe('failed')
    isLying = false
    await flushed
    batches++
    await until('final', () => settler.store.read(batches).state === 'final')
    await check()
  })

  test('an outage fills the backlog to its bound, no further, and is made up for', async () => {
    let isDown = false
    const settler = await settlerOver([() => (isDown ? 'refused' : undefined)])
    await until('the start', () => settler.status().state === 'following')
    isDown = true
    const { backlogMax } = settler.status()
    for (let batch = 1; batch <= backlogMax; batch++) {
      trade()
      void settler.flush().catch(() => undefined)
      await until('a sealed batch', () => settler.status().sealedBatch === batches + batch)
    }
    // The fifth stays open however much comes; when it is full, the journal waits.
    for (let more = 0; more < 400; more++) trade()
    await until('the open batch to be full', () => settler.status().state === 'waiting for the chain')
    const { seq, sealedBatch, lagMs } = settler.status()
    expect(sealedBatch).toBe(batches + backlogMax)
    expect(settler.status().backlog).toBe(backlogMax)
    expect(seq).toBeLessThan(fixture.journal.seq)
    expect(lagMs).toBeGreaterThan(0)
    isDown = false
    const last = await settler.flush()
    batches = Number(last!.header.number)
    expect(settler.status().seq).toBe(fixture.journal.seq)
    await until('final', () => settler.store.read(batches).state === 'final')
    expect(settler.status()).toMatchObject({ backlog: 0, lagMs: 0, proofLagMs: 0 })
    const { report } = await audit(chainClient([fixture.anvil.rpcUrl]), fixture.deployment)
    expect(report).toMatchObject({ batches, provenBatches: batches, findings: [] })
    // From here on every batch has one withdrawal of 3 again; this one had many.
    expect(await fixture.readVault('claimable', 1n, 1n)).toBe(BigInt(3 * cloid))
  })

  test(`whatever fails and lies, by ${SEEDS} seeds: each batch is on the chain once`, async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const next = random(seed)
      const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!
      let questions = 0
      // One endpoint at a time lies, now this one and then that one; any may fail.
      const decides = [0, 1, 2].map((endpoint): Decide => () => {
        const turn = Math.floor(++questions / TURN)
        if (endpoint === turn % 3) return next() < 0.5 ? pick(lies) : undefined
        return next() < 0.08 ? pick(failures) : undefined
      })
      const before = {
        batches,
        nonce: await nonce(),
        claimable: (await fixture.readVault('claimable', 1n, 1n)) as bigint,
      }
      const settler = await settlerOver(decides)
      let failure: unknown
      settler.ended().catch((error: unknown) => (failure = error))
      for (let batch = 0; batch < 4; batch++)
        await settle(settler).catch((error: unknown) => {
          const { state, trouble, sender } = settler.status()
          const known = `${state}, ${JSON.stringify(sender)}, last trouble: ${trouble}`
          throw new Error(`seed ${seed}: ${String(error)}; ${known}`, { cause: failure })
        })
      const { report } = await audit(chainClient([fixture.anvil.rpcUrl]), fixture.deployment)
      expect([seed, report]).toMatchObject([seed, { batches, provenBatches: batches, findings: [] }])
      expect([seed, (await nonce()) - before.nonce]).toEqual([seed, 12])
      expect(await fixture.readVault('claimable', 1n, 1n)).toBe(before.claimable + 12n)
      for (const one of running.splice(0).reverse()) await one.stop()
    }
  })
})
