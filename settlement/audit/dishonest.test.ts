/**
 * An operator who posts batches that do not follow from the journal, and endpoints that lie about what was
 * posted: the replay names the batch, the part, the row and the leaf; the audit, which has the chain alone, finds
 * everything that the chain contradicts itself in. The verifier's key does not matter here: nothing is proven.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestClient, http, type PublicClient } from 'viem'
import { glassbook } from '../../app/command-line.js'
import { Side } from '../../engine/codes.js'
import { settlementAbi } from '../../contracts/abi.js'
import { smallTrapdoor, trapdoorKey } from '../../test/support/groth16-trapdoor.js'
import { SettlementFixture } from '../../test/support/settlement-fixture.js'
import { audit } from './audit.js'
import { sealBatch, type SealedBatch } from '../follow/batch.js'
import { chainClient } from '../chain/chain.js'
import { EventsMissing } from '../chain/history.js'
import { bytesToHex, commitArguments } from '../batch/commit.js'
import { FILL_BYTES, fillsRoot } from '../batch/fills-root.js'
import { Follower, type Range } from '../follow/follow.js'
import { accountOf, assetOf, indexOf, type Rows } from '../batch/rows.js'
import { StateTree } from '../tree/tree.js'
import { placeRecord, withdrawRecord } from '../../test/support/journal-fixture.js'

const ROWS_PER_CHUNK = 2
const OTHER_HASH = `0x${'ab'.repeat(32)}` as const

describe('a dishonest operator', () => {
  let fixture: SettlementFixture
  /** Both batches as they follow from the journal. */
  let ranges: Range[]
  /** The second batch as it would be without the last trade. */
  let withoutLast: Range
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-dishonest-'))

  beforeAll(async () => {
    fixture = await SettlementFixture.start({
      verificationKey: trapdoorKey(smallTrapdoor),
      rowsPerChunk: ROWS_PER_CHUNK,
    })
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 1_000)
    await fixture.credit()
    const { journal, dataDir, anvil, deployment } = fixture
    const cuts = [journal.seq]
    journal.append(placeRecord(2, Side.Sell, 100, 10, 1), placeRecord(1, Side.Buy, 100, 10, 1))
    journal.append(withdrawRecord(1, 0, 50))
    cuts.push(journal.append(placeRecord(2, Side.Sell, 101, 10, 2)))
    cuts.push(journal.append(placeRecord(1, Side.Buy, 101, 10, 2)))
    const rangesTo = (...seqs: number[]): Range[] => {
      const follower = new Follower({ dataDir })
      const found = seqs.map((seq) => {
        follower.advance(() => false, Infinity, seq)
        return follower.close()
      })
      follower.stop()
      return found
    }
    ranges = rangesTo(cuts[0]!, cuts[2]!)
    withoutLast = rangesTo(cuts[0]!, cuts[1]!)[1]!
    writeFileSync(join(dataDir, 'deployment.json'), JSON.stringify({ ...deployment, rpcUrl: anvil.rpcUrl }))
    await commit(sealBatch(1, ranges[0]!, new StateTree(), ROWS_PER_CHUNK))
  })
  afterAll(async () => {
    await fixture?.stop()
    rmSync(folder, { recursive: true })
  })

  const commit = ({ header, data }: SealedBatch): Promise<unknown> =>
    fixture.write(0, {
      address: fixture.deployment.settlement,
      abi: settlementAbi,
      functionName: 'commitBatch',
      args: commitArguments(header, data),
    })

  /** Batch 2 from `range`, on top of batch 1. */
  const second = (range: Range = ranges[1]!): SealedBatch => {
    const tree = new StateTree()
    sealBatch(1, ranges[0]!, tree, ROWS_PER_CHUNK)
    return sealBatch(2, range, tree, ROWS_PER_CHUNK)
  }

  interface Outcome {
    readonly code: number
    readonly out: string
  }
  const told = async (run: () => Promise<number>): Promise<Outcome> => {
    let out = ''
    const { write } = process.stdout
    process.stdout.write = (chunk: string | Uint8Array) => ((out += String(chunk)), true)
    try {
      return { code: await run(), out }
    } finally {
      process.stdout.write = write
    }
  }

  /** What replay and audit say when `batch` stands as the second one; the chain is as before afterwards. */
  async function judged(batch: SealedBatch): Promise<{ replay: Outcome; audit: Outcome }> {
    const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
    const id = await chain.snapshot()
    try {
      await commit(batch)
      const deployment = join(fixture.dataDir, 'deployment.json')
      return {
        replay: await told(() => glassbook(['replay', fixture.dataDir, '--calldata'])),
        audit: await told(() =>
          glassbook([
            'audit',
            '--deployment',
            deployment,
            '--calldata',
            '--balances',
            join(folder, 'balances.csv'),
            '--checkpoint',
            join(folder, 'checkpoint'),
          ]),
        ),
      }
    } finally {
      await chain.revert({ id })
    }
  }

  const header = (change: Partial<SealedBatch['header']>): SealedBatch => {
    const batch = second()
    return { ...batch, header: { ...batch.header, ...change } }
  }
  /** Moves `units` of an asset from one account's row to another's: the sums stay what they were. */
  const moved = (asset: number, from: number, to: number, units: number): Rows => {
    const { indices, deltas } = ranges[1]!.rows
    return {
      indices,
      deltas: deltas.map((delta, row) =>
        indices[row] === indexOf(from, asset)
          ? delta - units
          : indices[row] === indexOf(to, asset)
            ? delta + units
            : delta,
      ),
    }
  }

  test('honest batches: both agree, and the CSV holds every balance', async () => {
    const { replay, audit: audited } = await judged(second())
    expect(replay).toMatchObject({ code: 0 })
    expect(replay.out).toContain('2 batches recomputed')
    expect(replay.out).toContain('2 fills')
    expect(audited).toMatchObject({ code: 0 })
    const follower = new Follower({ dataDir: fixture.dataDir })
    follower.advance(() => false)
    const expected = [
      indexOf(0, 0),
      ...[1, 2].flatMap((account) => [indexOf(account, 0), indexOf(account, 1)]),
    ]
      .map((index) => [accountOf(index), assetOf(index)] as const)
      .map(([account, asset]) => `${account},${asset},${follower.total(account, asset)}`)
    follower.stop()
    expect(readFileSync(join(folder, 'balances.csv'), 'utf8')).toBe(
      `account,asset,units\n${expected.join('\n')}\n`,
    )
  })

  test('a changed row: the replay names batch, row and leaf; the chain alone cannot know', async () => {
    const { replay, audit: audited } = await judged(second({ ...ranges[1]!, rows: moved(0, 2, 1, 7) }))
    const row = ranges[1]!.rows.indices.indexOf(indexOf(1, 0))
    expect(replay.code).toBe(1)
    expect(replay.out).toContain(`DIFFERENCE in batch 2, row ${row} (leaf ${indexOf(1, 0)})`)
    expect(audited.code).toBe(0)
  })

  test('a fill left out, of everything or of the fills root only', async () => {
    const all = await judged(
      second({
        ...withoutLast,
        lastSeq: ranges[1]!.lastSeq,
        journalHead: ranges[1]!.journalHead,
      }),
    )
    expect(all.replay.code).toBe(1)
    expect(all.replay.out).toMatch(/DIFFERENCE in batch 2, row \d+ \(leaf \d+\)/)
    const rootOnly = await judged(
      header({ fillsRoot: bytesToHex(fillsRoot(ranges[1]!.fills.subarray(0, FILL_BYTES))) }),
    )
    expect(rootOnly.replay.code).toBe(1)
    expect(rootOnly.replay.out).toContain('1 batches recomputed')
    expect(rootOnly.replay.out).toContain('DIFFERENCE in batch 2, fillsRoot:')
  })

  test.each<[string, () => SealedBatch, string]>([
    ['another journal head', () => header({ journalHead: OTHER_HASH }), 'batch 2, journalHead:'],
    ['another fills root', () => header({ fillsRoot: OTHER_HASH }), 'batch 2, fillsRoot:'],
    [
      'a journal range that is not there',
      () => header({ lastSeq: 10_000n }),
      'batch 2, journal:\n  chain    reaches seq 10000',
    ],
    [
      'a withdrawal that nobody asked for',
      () =>
        second({
          ...ranges[1]!,
          withdrawals: [...ranges[1]!.withdrawals.map((one) => ({ ...one, index: indexOf(2, 0) }))],
        }),
      'batch 2, withdrawals:',
    ],
  ])('the replay finds %s', async (_what, batch, expected) => {
    const { replay } = await judged(batch())
    expect(replay.code).toBe(1)
    expect(replay.out).toContain(`DIFFERENCE in ${expected}`)
  })

  test('a root that does not follow from the rows: both name the chunk, and the audit its rows and leaves', async () => {
    const batch = second()
    const chunks = batch.data.chunkRoots.length
    expect(chunks).toBe(3)
    await judged(batch)
    const checkpoint = readFileSync(join(folder, 'checkpoint'), 'utf8')
    const made = statSync(join(folder, 'checkpoint')).ino
    const middle = await judged({
      ...batch,
      data: { ...batch.data, chunkRoots: batch.data.chunkRoots.map((root, at) => (at === 1 ? 5n : root)) },
    })
    const { indices } = ranges[1]!.rows
    expect(middle.audit.code).toBe(1)
    expect(middle.audit.out).toContain(
      `DIFFERENCE in batch 2: root of chunk 1 (rows 2 to 3, indices ${indices[2]}, ${indices[3]}) is 5`,
    )
    expect(middle.replay.out).toContain('DIFFERENCE in batch 2, root of chunk 1:')
    // The checkpoint of before is as it was, and nothing lies beside it.
    expect(middle.audit.out).toContain('not written: the state differs')
    expect(statSync(join(folder, 'checkpoint')).ino).toBe(made)
    expect(readFileSync(join(folder, 'checkpoint'), 'utf8')).toBe(checkpoint)
    expect(readdirSync(folder).sort()).toEqual(['balances.csv', 'checkpoint'])
    // The audit's balances are those of the last batch that agreed.
    expect(readFileSync(join(folder, 'balances.csv'), 'utf8')).toBe(
      'account,asset,units\n1,0,1000000\n2,1,1000\n',
    )
    const last = await judged({
      header: { ...batch.header, newRoot: 6n },
      data: { ...batch.data, chunkRoots: [...batch.data.chunkRoots.slice(0, -1), 6n] },
      changes: batch.changes,
      fills: batch.fills,
      fillNodes: batch.fillNodes,
    })
    expect(last.replay).toMatchObject({ code: 1 })
    expect(last.replay.out).toContain('DIFFERENCE in batch 2, newRoot:')
    expect(last.audit).toMatchObject({ code: 1 })
    expect(last.audit.out).toContain('root of chunk 2')
  })

  test('a balance below zero: the audit names row and leaf, whatever the roots say', async () => {
    const batch = second()
    const rows = batch.data.rows.slice()
    // Such rows have no tree; the operator posts the honest roots with them.
    const view = new DataView(rows.buffer, rows.byteOffset)
    const at = [indexOf(1, 1), indexOf(2, 1)].map((index) => ranges[1]!.rows.indices.indexOf(index) * 12 + 4)
    view.setBigInt64(at[0]!, 5000n)
    view.setBigInt64(at[1]!, -5000n)
    const { audit: audited } = await judged({ ...batch, data: { ...batch.data, rows } })
    const row = ranges[1]!.rows.indices.indexOf(indexOf(2, 1))
    expect(audited.code).toBe(1)
    expect(audited.out).toContain(
      `DIFFERENCE in batch 2: row ${row}: balance -4000 at index ${indexOf(2, 1)} (leaf ${indexOf(2, 1)})`,
    )
  })

  describe('an endpoint that lies', () => {
    type Log = { eventName: string; args: Record<string, unknown> }
    /** A client whose events of `name` are changed by `lie`. */
    const lying = (
      name: string,
      lie: (args: Record<string, unknown>) => Record<string, unknown>,
    ): PublicClient => {
      const client = chainClient([fixture.anvil.rpcUrl])
      const getLogs = async (request: object): Promise<Log[]> => {
        const logs = (await client.getLogs(request as never)) as unknown as Log[]
        return logs.map((log) => (log.eventName === name ? { ...log, args: lie(log.args) } : log))
      }
      return { ...client, getLogs } as unknown as PublicClient
    }
    const changed = (hex: unknown, last: string): string => `${String(hex).slice(0, -2)}${last}`

    test.each<[string, string, (args: Record<string, unknown>) => Record<string, unknown>, RegExp]>([
      [
        'about rows',
        'BatchCommitted',
        (args) => ({ ...args, rows: `${String(args.rows).slice(0, -16)}00000000000003e7` }),
        /differ from deposits|the event tells/,
      ],
      [
        'about withdrawals',
        'BatchCommitted',
        (args) => ({ ...args, withdrawals: `0x${'00'.repeat(3)}40${'00'.repeat(7)}01` }),
        /differ from deposits/,
      ],
      ['about z', 'BatchCommitted', (args) => ({ ...args, z: 7n }), /^z is 7, its calldata gives \d+$/],
      ['about bytes that are no rows', 'BatchCommitted', (args) => ({ ...args, rows: '0x00' }), /1 bytes/],
    ])('%s is found in batch 1', async (_what, name, lie, expected) => {
      const { report } = await audit(lying(name, lie), fixture.deployment, { calldata: true })
      expect(report.batches).toBe(0)
      expect(report.findings).not.toEqual([])
      expect(report.findings[0]).toMatchObject({ batch: 1 })
      expect(report.findings.map(({ text }) => text).join('\n')).toMatch(new RegExp(expected, 'm'))
    })

    test.each<[string, (args: Record<string, unknown>) => Record<string, unknown>]>([
      ['owner', (args) => ({ ...args, owner: changed(args.owner, '00').toLowerCase() })],
      ['units', (args) => ({ ...args, units: (args.units as bigint) + 1n })],
    ])('about a deposit’s %s: the vault’s hash tells, and no batch is accused', async (_what, lie) => {
      const audited = audit(lying('Deposited', lie), fixture.deployment, { calldata: true })
      await expect(audited).rejects.toBeInstanceOf(EventsMissing)
    })

    test('rows of an event that add up, and are not those of the calldata: row and leaf are named', async () => {
      const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
      const id = await chain.snapshot()
      await commit(second())
      const other = bytesToHex(second({ ...ranges[1]!, rows: moved(0, 2, 1, 7) }).data.rows)
      const client = lying('BatchCommitted', (args) =>
        (args.header as { number: bigint }).number === 2n ? { ...args, rows: other } : args,
      )
      const { report } = await audit(client, fixture.deployment, { calldata: true })
      await chain.revert({ id })
      const index = indexOf(1, 0)
      const row = ranges[1]!.rows.indices.indexOf(index)
      expect(report.batches).toBe(1)
      expect(report.findings[0]).toMatchObject({ batch: 2, row, index })
      expect(report.findings[0]!.text).toMatch(
        /^row \d+: the event tells index 64, delta -?\d+, the calldata index 64/,
      )
    })

    test('an endpoint without the transaction’s bytes: the tree is rebuilt from events, roots compared', async () => {
      const client = chainClient([fixture.anvil.rpcUrl])
      const getTransaction = async (request: object): Promise<unknown> => ({
        ...(await client.getTransaction(request as never)),
        to: fixture.deployment.vault,
      })
      const { report } = await audit({ ...client, getTransaction } as never, fixture.deployment, {
        calldata: true,
      })
      expect(report).toMatchObject({ batches: 1, findings: [] })
    })
  })
})
