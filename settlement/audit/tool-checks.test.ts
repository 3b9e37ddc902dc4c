/**
 * One lie for each check of audit, exit and replay: an endpoint that tells one thing otherwise is found, by the
 * sentence of the check that it is for.
 */
import { parseTransaction, type Hex, type PublicClient } from 'viem'
import { Side } from '../../engine/codes.js'
import { SettlementFixture, owner, until } from '../../test/support/settlement-fixture.js'
import { audit } from './audit.js'
import { chainClient } from '../chain/chain.js'
import { ExitError, planExit } from './exit.js'
import { sendSteps } from './exit-sending.js'
import { EventsMissing, readBatches, type PostedBatch } from '../chain/history.js'
import { readVault, replayAgainstChain, replayBatches } from './replay.js'
import { Settler } from '../settler.js'
import { placeRecord } from '../../test/support/journal-fixture.js'

type Args = Record<string, unknown>
interface Log {
  readonly eventName: string
  readonly args: Args
}
interface Read {
  readonly functionName: string
  readonly blockNumber?: bigint
  readonly args?: readonly unknown[]
}

let fixture: SettlementFixture
let client: PublicClient
beforeAll(async () => {
  fixture = await SettlementFixture.start({})
  client = chainClient([fixture.anvil.rpcUrl])
  await fixture.deposit(1, 0, 1_000_000)
  await fixture.deposit(2, 1, 1_000)
  await fixture.credit()
  const settler = new Settler({
    dataDir: fixture.dataDir,
    durableSeq: () => fixture.journal.seq,
    client,
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
  await settler.stop()
  // No batch has consumed it.
  await fixture.deposit(1, 0, 77)
})
afterAll(() => fixture?.stop())

/** A client that lies about logs, or about what contracts answer. */
function lying(lie: {
  readonly logs?: (logs: readonly Log[]) => readonly Log[]
  readonly read?: (answer: unknown, read: Read) => unknown
}): PublicClient {
  const getLogs = async (request: object): Promise<readonly Log[]> => {
    const logs = (await client.getLogs(request as never)) as unknown as Log[]
    return lie.logs?.(logs) ?? logs
  }
  const readContract = async (request: object): Promise<unknown> => {
    const answer: unknown = await client.readContract(request as never)
    return lie.read === undefined ? answer : lie.read(answer, request as Read)
  }
  return { ...client, getLogs, readContract } as unknown as PublicClient
}
const numberOf = ({ eventName, args }: Log): bigint | undefined =>
  eventName === 'BatchCommitted' ? (args.header as { number: bigint }).number : undefined
const without = (number: bigint) => (logs: readonly Log[]) => logs.filter((log) => numberOf(log) !== number)
/** Changes the header of batch 3 in its event. */
const header = (change: (header: Record<string, bigint>) => object) => (logs: readonly Log[]) =>
  logs.map((log) =>
    numberOf(log) === 3n
      ? {
          ...log,
          args: {
            ...log.args,
            header: { ...(log.args.header as object), ...change(log.args.header as never) },
          },
        }
      : log,
  )
const answers =
  (name: string, change: (answer: never, read: Read) => unknown) => (answer: unknown, read: Read) =>
    read.functionName === name ? change(answer as never, read) : answer
const more = (answer: bigint): bigint => answer + 1n
const less = (answer: bigint): bigint => answer - 1n

test('without a lie nothing is found', async () => {
  const { report } = await audit(lying({}), fixture.deployment)
  expect(report).toMatchObject({ batches: 3, provenBatches: 3, findings: [] })
})

test.each<[string, Parameters<typeof lying>[0], RegExp]>([
  [
    'a seq is left out',
    { logs: header(({ firstSeq }) => ({ firstSeq: firstSeq! + 1n })) },
    /^first seq \d+ after \d+$/,
  ],
  [
    'it begins at another root',
    { logs: header(({ oldRoot }) => ({ oldRoot: oldRoot! + 1n })) },
    /^old root \d+, rebuilt \d+$/,
  ],
  [
    'it ends at another root',
    { logs: header(({ newRoot }) => ({ newRoot: newRoot! + 1n })) },
    /^new root is \d+, rebuilt \d+$/,
  ],
  [
    'it consumes deposits that nobody made',
    { logs: header(() => ({ depositsConsumed: 9n })) },
    /^consumes deposits up to 9, the queue has 3$/,
  ],
  ['another root was proven', { read: answers('provenRoot', more) }, /^the proven root is \d+, rebuilt \d+$/],
  [
    'another root is the last',
    { read: answers('lastRoot', more) },
    /^the contract has 3 batches and root \d+, rebuilt 3/,
  ],
  [
    'the vault counts a unit less',
    { read: answers('custodyUnits', less) },
    /^asset 0: the vault counts \d+ units, \d+ are in balances/,
  ],
  [
    'the token says an atom less',
    { read: answers('balanceOf', less) },
    /^asset 0: the vault counts \d+ units, its token says/,
  ],
])('audit: %s', async (_what, lie, expected) => {
  const { report } = await audit(lying(lie), fixture.deployment)
  // The first that is found: had its check been left out, another sentence would stand here, or none.
  expect(report.findings[0]!.text).toMatch(expected)
})

/** Of the last deposit, which no batch has. */
const lastDeposit =
  (change: (log: Log) => readonly Log[]) =>
  (logs: readonly Log[]): readonly Log[] =>
    logs.flatMap((log) => (log.eventName === 'Deposited' && log.args.position === 2n ? change(log) : [log]))

test.each<[string, Parameters<typeof lying>[0], RegExp]>([
  [
    'the newest batch',
    { logs: without(3n) },
    /^the contract has 3 batches.* not show the events of batch 3: ask/,
  ],
  [
    'a batch between',
    { logs: without(2n) },
    /^the contract has 3 batches.* not show the events of batch 2: ask/,
  ],
  [
    'the first batch',
    { logs: without(1n) },
    /^the contract has 3 batches.* not show the events of batch 1: ask/,
  ],
  ['all events', { logs: () => [] }, /^the contract has 3 batches.* not show the events of batch 1: ask/],
  [
    'a batch that is to come',
    { read: answers('batchCount', more) },
    /^the contract has 4 batches.* not show the events of batch 4: ask/,
  ],
  [
    'the newest deposit',
    { logs: lastDeposit(() => []) },
    /^the vault has 3 deposits, and the RPC endpoint shows events of 2: ask one that has all logs since block \d+$/,
  ],
  [
    'a deposit between',
    {
      logs: (logs) => logs.filter(({ eventName, args }) => eventName !== 'Deposited' || args.position !== 1n),
    },
    /^the RPC endpoint does not show the event of deposit 1: ask/,
  ],
  [
    'the units of a deposit as they are',
    { logs: lastDeposit((log) => [{ ...log, args: { ...log.args, units: 76n } }]) },
    /^the vault's deposits have hash 0x[0-9a-f]{64}, and those that the RPC endpoint shows 0x[0-9a-f]{64}: ask/,
  ],
])(
  'an endpoint that does not show %s: audit and exit tell of it, and accuse nobody',
  async (_what, lie, text) => {
    // Both are waited for from the start: one that ends before the other must not end this process.
    const results = await Promise.allSettled([
      audit(lying(lie), fixture.deployment),
      planExit(lying(lie), fixture.deployment, owner(1).address),
    ])
    for (const result of results) {
      const error: unknown = result.status === 'rejected' ? result.reason : 'no error'
      expect(error).toBeInstanceOf(EventsMissing)
      expect((error as EventsMissing).message).toMatch(text)
    }
  },
)

test.each<[string, Parameters<typeof lying>[0], RegExp]>([
  [
    'the root that it proved is another than the one of the rows',
    // The audit asks at one block; the plan's own question is of the newest.
    {
      read: (answer, read) =>
        read.functionName === 'provenRoot' && read.blockNumber === undefined ? 1n : answer,
    },
    /^the rebuilt tree has root \d+, the contract proved 1: every batch that was read agrees .*: run this again, or ask another one$/,
  ],
  [
    'the audit finds something',
    { logs: header(({ oldRoot }) => ({ oldRoot: oldRoot! + 1n })) },
    /^the rebuilt tree has root \d+, the contract proved \d+: old root \d+, rebuilt \d+$/,
  ],
])('exit plans nothing when %s', async (_what, lie, expected) => {
  const planning = planExit(lying(lie), fixture.deployment, owner(1).address)
  await expect(planning).rejects.toThrow(ExitError)
  await expect(planning).rejects.toThrow(expected)
})

const sender = () => ({ account: owner(1), chainId: fixture.deployment.chainId })

test('exit sends no step that the chain refuses when it is tried, and goes on with the next', async () => {
  const { steps } = await planExit(client, fixture.deployment, owner(1).address)
  const [good] = steps
  // The same request, of an account that is somebody else's: refused by the contract.
  const theirs = (await planExit(client, fixture.deployment, owner(2).address)).steps[0]!
  const sent: unknown[] = []
  const waiting = {
    ...client,
    sendRawTransaction: ({ serializedTransaction }: { serializedTransaction: Hex }) => {
      sent.push(parseTransaction(serializedTransaction).data)
      return Promise.resolve(`0x${'00'.repeat(32)}`)
    },
    waitForTransactionReceipt: () => Promise.resolve({ status: 'success' }),
  }
  const failed = await sendSteps(waiting as never, sender(), [theirs, good!])
  expect(failed.map(({ step }) => step)).toEqual([theirs])
  expect(sent).toEqual([good!.data])
})

test('exit tells a step whose transaction reverted as failed', async () => {
  const { steps } = await planExit(client, fixture.deployment, owner(1).address)
  const waiting = {
    ...client,
    sendRawTransaction: () => Promise.resolve(`0x${'00'.repeat(32)}`),
    waitForTransactionReceipt: () => Promise.resolve({ status: 'reverted' }),
  }
  const done: unknown[] = []
  const failed = await sendSteps(waiting as never, sender(), [steps[0]!], {
    onDone: (step) => done.push(step),
  })
  expect([failed.length, done]).toEqual([1, []])
  expect(failed[0]!.reason).toMatch(/reverted$/)
})

describe('replay', () => {
  const flip = (bytes: Uint8Array): Uint8Array => {
    const other = bytes.slice()
    other[other.length - 1]! ^= 1
    return other
  }
  const data = (batch: PostedBatch, change: Partial<NonNullable<PostedBatch['data']>>): PostedBatch => ({
    ...batch,
    data: { ...batch.data!, ...change },
  })
  const withHeader = (batch: PostedBatch, change: object): PostedBatch => ({
    ...batch,
    header: { ...batch.header, ...change },
  })
  const other = `0x${'07'.repeat(32)}` as const
  test.each<[string, number, (batch: PostedBatch) => PostedBatch]>([
    ['row', 2, (batch) => ({ ...batch, rows: flip(batch.rows) })],
    ['withdrawals', 2, (batch) => ({ ...batch, withdrawals: Uint8Array.of(1) })],
    ['deposits', 1, (batch) => data(batch, { deposits: flip(batch.data!.deposits) })],
    ['root of chunk 0', 2, (batch) => data(batch, { chunkRoots: [7n, ...batch.data!.chunkRoots.slice(1)] })],
    ['fillsRoot', 2, (batch) => withHeader(batch, { fillsRoot: other })],
    ['journalHead', 2, (batch) => withHeader(batch, { journalHead: other })],
    ['z', 2, (batch) => ({ ...batch, z: batch.z + 1n })],
    ['newRoot', 2, (batch) => withHeader(batch, { newRoot: 7n })],
    ['oldRoot', 2, (batch) => withHeader(batch, { oldRoot: 7n })],
    ['firstSeq', 2, (batch) => withHeader(batch, { firstSeq: batch.header.firstSeq - 1n })],
    ['depositsConsumed', 2, (batch) => withHeader(batch, { depositsConsumed: 9n })],
    ['number', 2, (batch) => withHeader(batch, { number: 9n })],
    ['journal', 3, (batch) => withHeader(batch, { lastSeq: batch.header.lastSeq + 1_000n })],
  ])('%s', async (part, number, lie) => {
    const batches = await readBatches(client, fixture.deployment, { calldata: true })
    const lied = batches.map((batch) => (Number(batch.header.number) === number ? lie(batch) : batch))
    const { difference, batches: agreed } = await replayBatches({
      dataDir: fixture.dataDir,
      batches: lied,
      domain: fixture.deployment,
      vault: () => readVault(client, fixture.deployment),
    })
    expect(difference).toMatchObject({ part })
    expect(agreed).toBe(number - 1)
  })

  test.each<[string, Parameters<typeof lying>[0], RegExp]>([
    ['the newest batch is hidden', { logs: without(3n) }, /^the contract has 3 batches.* of batch 3:/],
    ['a batch between is hidden', { logs: without(2n) }, /^the contract has 3 batches.* of batch 2:/],
    [
      'the newest deposit is hidden',
      {
        logs: (logs) =>
          logs.filter(({ eventName, args }) => eventName !== 'Deposited' || args.position !== 2n),
      },
      /^the vault has 3 deposits, and the RPC endpoint shows events of 2:/,
    ],
    [
      'a deposit is somebody else’s',
      {
        logs: (logs) =>
          logs.map((log) =>
            log.eventName === 'Deposited' && log.args.position === 2n
              ? { ...log, args: { ...log.args, account: 2 } }
              : log,
          ),
      },
      /^the vault's deposits have hash 0x[0-9a-f]{64}, and those that the RPC endpoint shows 0x[0-9a-f]{64}:/,
    ],
    [
      'an account is hidden',
      { logs: (logs) => logs.filter(({ args }) => args.account !== 2 || 'position' in args) },
      /^the vault has 3 accounts, and the RPC endpoint shows events of 2:/,
    ],
  ])('%s: the endpoint is told of, not the journal', async (_name, lie, text) => {
    const replayed = replayAgainstChain({
      dataDir: fixture.dataDir,
      client: lying(lie),
      deployment: fixture.deployment,
    })
    await expect(replayed).rejects.toThrow(EventsMissing)
    await expect(replayed).rejects.toThrow(text)
  })

  test('the contract’s last root is another', async () => {
    const { difference } = await replayAgainstChain({
      dataDir: fixture.dataDir,
      client: lying({ read: answers('lastRoot', more) }),
      deployment: fixture.deployment,
    })
    expect(difference).toMatchObject({ batch: 3, part: 'lastRoot' })
  })

  test('an owner of the vault who is another', async () => {
    const batches = await readBatches(client, fixture.deployment, { calldata: true })
    const { owners, deposits } = await readVault(client, fixture.deployment)
    const vault = () => Promise.resolve({ owners: new Map(owners).set(2, owner(9).address), deposits })
    const { difference } = await replayBatches({ dataDir: fixture.dataDir, batches, vault })
    expect(difference).toMatchObject({ part: 'owner of account 2', chain: owner(9).address })
  })
})
