/**
 * Whose a deposit is: a journal that gives a depositor's money to somebody else is found by the replay against the
 * chain, by the deposit's place in the vault's queue, whether or not a batch has it and its calldata can be had. And
 * what calldata could not be compared is said, with its cause and an exit code of its own.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  TransactionNotFoundError,
  concat,
  createTestClient,
  createWalletClient,
  encodeFunctionData,
  http,
  type Hex,
  type PublicClient,
} from 'viem'
import { glassbook } from '../../app/command-line.js'
import { settlementAbi } from '../../contracts/abi.js'
import { smallTrapdoor, trapdoorKey } from '../../test/support/groth16-trapdoor.js'
import { told } from '../../test/support/told.js'
import { JournalFixture } from '../../test/support/journal-fixture.js'
import { SettlementFixture, owner } from '../../test/support/settlement-fixture.js'
import { audit } from './audit.js'
import { commitArguments } from '../batch/commit.js'
import { chainClient } from '../chain/chain.js'
import { depositRecord, openAccountRecord } from '../chain/chain-watcher.js'
import { encodeQueue } from '../chain/deposit-queue.js'
import { readDeposits } from '../chain/history.js'
import { sealBatch, type SealedBatch } from '../follow/batch.js'
import { Follower } from '../follow/follow.js'
import { replayAgainstChain } from './replay.js'
import { StateTree } from '../tree/tree.js'

const ROWS_PER_CHUNK = 1
/** Calls the contract at the first 20 bytes of its input with the rest, and reverts when that does. */
const FORWARDER_CODE = '0x6014360380601460003760006000916000600060003560601c5af160235760006000fd5b00'
const FORWARDER = `0x${'f0'.repeat(20)}` as const
const CREDITS: readonly (readonly [account: number, units: number])[] = [
  [1, 1_000_000],
  [2, 500],
  [1, 777_000],
]

let fixture: SettlementFixture
let client: PublicClient
/** Journals with the same deposits, the last of them credited to the victim and to the thief. */
const [honest, thieving] = ['honest', 'thieving'].map((name) =>
  mkdtempSync(join(tmpdir(), `glassbook-${name}-`)),
) as [string, string]

beforeAll(async () => {
  fixture = await SettlementFixture.start({
    verificationKey: trapdoorKey(smallTrapdoor),
    rowsPerChunk: ROWS_PER_CHUNK,
  })
  client = chainClient([fixture.anvil.rpcUrl])
  for (const [account, units] of CREDITS) await fixture.deposit(account, 0, units)
  for (const dataDir of [honest, thieving]) {
    const journal = new JournalFixture(dataDir)
    for (const account of [0, 1, 2]) journal.append(openAccountRecord(account, owner(account).address))
    CREDITS.forEach(([account, units], position) => {
      const to = position === 2 && dataDir === thieving ? 2 : account
      journal.append(depositRecord(to, 0, units, position, owner(to).address))
    })
    journal.close()
    const { deployment, anvil } = fixture
    writeFileSync(join(dataDir, 'deployment.json'), JSON.stringify({ ...deployment, rpcUrl: anvil.rpcUrl }))
  }
})
afterAll(async () => {
  await fixture?.stop()
  for (const dataDir of [honest, thieving]) rmSync(dataDir, { recursive: true })
})

/** The chain is as before afterwards. */
async function onTrial<T>(body: () => Promise<T>): Promise<T> {
  const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  const id = await chain.snapshot()
  try {
    return await body()
  } finally {
    await chain.revert({ id })
  }
}

/** The batch of a whole journal, with the deposits that the contract asks for: the vault's. */
async function batchOf(dataDir: string): Promise<SealedBatch> {
  const follower = new Follower({ dataDir })
  follower.advance(() => false)
  const sealed = sealBatch(1, follower.close(), new StateTree(), ROWS_PER_CHUNK)
  follower.stop()
  const queue = await readDeposits(client, fixture.deployment, await client.getBlockNumber())
  return { ...sealed, data: { ...sealed.data, deposits: encodeQueue(queue) } }
}

const commit = ({ header, data }: SealedBatch): Promise<unknown> =>
  fixture.write(0, {
    address: fixture.deployment.settlement,
    abi: settlementAbi,
    functionName: 'commitBatch',
    args: commitArguments(header, data),
  })

/** Commits by an operator that is a contract, as a multisig is. */
async function commitThroughContract({ header, data }: SealedBatch): Promise<void> {
  const { settlement } = fixture.deployment
  const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  await chain.setCode({ address: FORWARDER, bytecode: FORWARDER_CODE })
  await fixture.write(0, {
    address: settlement,
    abi: settlementAbi,
    functionName: 'setOperator',
    args: [FORWARDER, true],
  })
  const call = encodeFunctionData({
    abi: settlementAbi,
    functionName: 'commitBatch',
    args: commitArguments(header, data),
  })
  const wallet = createWalletClient({ account: owner(0), transport: http(fixture.anvil.rpcUrl) })
  const hash: Hex = await wallet.sendTransaction({
    chain: null,
    to: FORWARDER,
    data: concat([settlement, call]),
  })
  const { status } = await fixture.client.waitForTransactionReceipt({ hash })
  expect(status).toBe('success')
}

/** A node that keeps events and no transactions. */
const dropping = (): PublicClient =>
  ({
    ...client,
    getTransaction: ({ hash }: { hash: Hex }) => Promise.reject(new TransactionNotFoundError({ hash })),
  }) as unknown as PublicClient

const replay = (dataDir: string, ...flags: string[]): Promise<{ code: number; out: string }> =>
  told(() => glassbook(['replay', dataDir, '--rpc', fixture.anvil.rpcUrl, ...flags]))
const auditCalldata = (): Promise<{ code: number; out: string }> =>
  told(() => glassbook(['audit', '--deployment', join(honest, 'deployment.json'), '--calldata']))

const STOLEN =
  'DIFFERENCE in batch 1, deposit 2:\n' +
  `  chain    777000 units of asset 0 for account 1 of ${owner(1).address.toLowerCase()}\n` +
  `  journal  777000 units of asset 0 for account 2 of ${owner(2).address.toLowerCase()}\n`

describe('a journal that credits a deposit to a thief', () => {
  test('is found by name when its batch is posted with the deposits of the vault', () =>
    onTrial(async () => {
      await commit(await batchOf(thieving))
      for (const flags of [[], ['--calldata']]) {
        const { code, out } = await replay(thieving, ...flags)
        expect(out).toContain(STOLEN)
        expect(code).toBe(1)
      }
    }))

  test('is found by name when the node has dropped the transaction, and when a contract committed it', () =>
    onTrial(async () => {
      await commitThroughContract(await batchOf(thieving))
      const { code, out } = await replay(thieving, '--calldata')
      expect(out).toContain(STOLEN)
      expect(code).toBe(1)
      const { deployment } = fixture
      const { difference } = await replayAgainstChain({
        dataDir: thieving,
        client: dropping(),
        deployment,
        calldata: true,
      })
      expect(difference).toMatchObject({ batch: 1, part: 'deposit 2' })
    }))

  test('is found by name before a batch has the deposit', async () => {
    const { code, out } = await replay(thieving)
    expect(out).toContain(STOLEN)
    expect(code).toBe(1)
  })

  test('of which the vault has no such deposit at all is found, too', () =>
    onTrial(async () => {
      const longer = mkdtempSync(join(tmpdir(), 'glassbook-longer-'))
      const journal = new JournalFixture(longer)
      for (const account of [0, 1, 2]) journal.append(openAccountRecord(account, owner(account).address))
      for (const [position, [account, units]] of [...CREDITS, [2, 9] as const].entries())
        journal.append(depositRecord(account, 0, units, position, owner(account).address))
      journal.close()
      const { deployment } = fixture
      const { difference } = await replayAgainstChain({ dataDir: longer, client, deployment })
      expect(difference).toMatchObject({ part: 'deposit 3', chain: 'has 3 deposits' })
      // One that the chain gets while the journal is being read is none: the vault is asked again.
      let calls = 0
      const growing = {
        ...client,
        getLogs: async (request: object) => {
          if (calls++ === 2) await fixture.deposit(2, 0, 9)
          return client.getLogs(request as never)
        },
      } as unknown as PublicClient
      expect(await replayAgainstChain({ dataDir: longer, client: growing, deployment })).toMatchObject({
        difference: undefined,
      })
      rmSync(longer, { recursive: true })
    }))
})

describe('calldata that cannot be compared', () => {
  test('an honest journal and calldata that can: all agrees', () =>
    onTrial(async () => {
      await commit(await batchOf(honest))
      for (const { code, out } of [await replay(honest, '--calldata'), await auditCalldata()]) {
        expect(out).toMatch(/^everything agrees/m)
        expect(out).not.toContain('not compared')
        expect(code).toBe(0)
      }
    }))

  test('of a commit through another contract: that is said, and it is not everything', () =>
    onTrial(async () => {
      await commitThroughContract(await batchOf(honest))
      for (const { code, out } of [await replay(honest, '--calldata'), await auditCalldata()]) {
        expect(out).toMatch(/^calldata.* not compared for 1 batch: committed through another contract, /m)
        expect(out).toMatch(/^calldata.* of these, z stands for it/m)
        expect(out).not.toContain('everything agrees')
        expect(out).not.toContain('dropped')
        expect(code).toBe(3)
      }
      // Without the flag nothing is asked for that could be missing.
      expect(await replay(honest)).toMatchObject({ code: 0 })
    }))

  test('of a transaction that the node has dropped: the report counts it apart', () =>
    onTrial(async () => {
      await commit(await batchOf(honest))
      const { deployment } = fixture
      const calldata = { asked: true, compared: 0, dropped: 1, innerCalls: 0 }
      const { report } = await audit(dropping(), deployment, { calldata: true })
      expect(report).toMatchObject({ findings: [], calldata })
      expect(
        await replayAgainstChain({ dataDir: honest, client: dropping(), deployment, calldata: true }),
      ).toMatchObject({ difference: undefined, calldata })
    }))

  test('z stands for it: a chunk’s root that does not follow is found without the calldata', () =>
    onTrial(async () => {
      const batch = await batchOf(honest)
      const { deployment } = fixture
      const chunkRoots = batch.data.chunkRoots.map((root, at) => (at === 0 ? 5n : root))
      expect(chunkRoots).toHaveLength(2)
      await commitThroughContract({ ...batch, data: { ...batch.data, chunkRoots } })
      for (const by of [client, dropping()]) {
        const { report } = await audit(by, deployment, { calldata: true })
        expect(report.findings[0]!.text).toMatch(/^z is \d+, the rebuilt batch gives \d+$/)
        expect(report.batches).toBe(0)
      }
      expect(await replayAgainstChain({ dataDir: honest, client, deployment })).toMatchObject({
        difference: { batch: 1, part: 'z' },
      })
    }))
})
