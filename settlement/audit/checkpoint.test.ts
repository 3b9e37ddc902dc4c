/** Checkpoints of an exchange on which little happens, and such as say what is not so of their block. */
import {
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PublicClient } from 'viem'
import { glassbook } from '../../app/command-line.js'
import { Side } from '../../engine/codes.js'
import { SettlementFixture, owner, until } from '../../test/support/settlement-fixture.js'
import { told } from '../../test/support/told.js'
import { audit } from './audit.js'
import { chainClient } from '../chain/chain.js'
import { CheckpointError, readCheckpoint } from './checkpoint.js'
import { planExit } from './exit.js'
import { Settler } from '../settler.js'
import { placeRecord } from '../../test/support/journal-fixture.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-checkpoint-'))
const file = join(folder, 'state')
let fixture: SettlementFixture
let settler: Settler
let client: PublicClient
beforeAll(async () => {
  fixture = await SettlementFixture.start({})
  client = chainClient([fixture.anvil.rpcUrl])
  settler = new Settler({
    dataDir: fixture.dataDir,
    durableSeq: () => fixture.journal.seq,
    client,
    deployment: fixture.deployment,
    account: owner(0),
    policy: { seconds: 3600, fills: 1000, rows: 1000 },
    pollMs: 20,
  })
})
afterAll(async () => {
  await settler?.stop()
  await fixture?.stop()
  rmSync(folder, { recursive: true })
})

const mine = (blocks: number): Promise<unknown> =>
  fixture.client.request({ method: 'anvil_mine' as never, params: [`0x${blocks.toString(16)}`] as never })
const chainArgs = (): string[] => [
  '--rpc',
  fixture.anvil.rpcUrl,
  '--settlement',
  fixture.deployment.settlement,
]
const makeCheckpoint = async (): Promise<void> => {
  const { code, out } = await told(() => glassbook(['audit', ...chainArgs(), '--checkpoint', file]))
  expect([code, out]).toEqual([0, expect.stringContaining('everything agrees')])
}
/** An endpoint that keeps the logs of the `blocks` newest blocks. */
const pruned = async (blocks: bigint): Promise<PublicClient> => {
  const oldest = (await client.getBlockNumber({ cacheTime: 0 })) - blocks
  const getLogs = (request: { fromBlock: bigint }): unknown => {
    if (request.fromBlock < oldest) throw new Error(`the logs of block ${request.fromBlock} are gone`)
    return client.getLogs(request as never)
  }
  return { ...client, getLogs } as never
}
const plan = async (from: PublicClient, who: number): Promise<unknown> => {
  const checkpoint = (): ReturnType<typeof readCheckpoint> => readCheckpoint(file, fixture.deployment)
  const { steps } = await planExit(from, fixture.deployment, owner(who).address, { checkpoint })
  return steps.map(({ what }) => what)
}

test('before the first batch: a checkpoint of today spares the logs of years', async () => {
  await fixture.deposit(1, 0, 1_000_000)
  await fixture.deposit(2, 1, 1_000)
  await mine(200)
  await makeCheckpoint()
  expect(await plan(await pruned(20n), 1)).toEqual(['request 1 USDX'])
  await expect(planExit(await pruned(20n), fixture.deployment, owner(1).address)).rejects.toThrow('are gone')
})

test('long after the last batch: the same, and deposits that waited then are in it', async () => {
  await fixture.credit()
  await settler.start()
  fixture.journal.append(placeRecord(2, Side.Sell, 100, 10, 1), placeRecord(1, Side.Buy, 100, 10, 1))
  await settler.flush()
  await until('a proven batch', () => settler.status().provenBatch === 1)
  await fixture.deposit(3, 0, 55)
  await mine(200)
  await makeCheckpoint()
  expect(readCheckpoint(file, fixture.deployment).head).toMatchObject({ batch: 1, waiting: [{ units: 55 }] })
  expect(await plan(await pruned(20n), 3)).toEqual(['request 0.000055 USDX'])
  // What came later is behind it.
  await fixture.deposit(3, 0, 45)
  expect(await plan(await pruned(20n), 3)).toEqual(['request 0.0001 USDX'])
})

test('a waiting deposit of another account and asset with the same leaf, or of a later block', async () => {
  await makeCheckpoint()
  const text = readFileSync(file, 'utf8')
  const { head } = readCheckpoint(file, fixture.deployment)
  const [deposit] = head.waiting
  for (const change of [
    { account: deposit!.account - 1, asset: 64 },
    { account: deposit!.account + 2 ** 26 },
    { blockNumber: head.block },
  ]) {
    const waiting = [{ ...deposit, ...change }, ...head.waiting.slice(1)]
    writeFileSync(file, text.replace(JSON.stringify(head.waiting), JSON.stringify(waiting)))
    await expect(plan(client, 3)).rejects.toThrow(/waiting\[0\] is .* not the deposit at position/)
  }
})

test('files that the audit writes: one by two names is refused, and what lies beside stays', async () => {
  const at = join(folder, 'fresh')
  symlinkSync(folder, join(folder, 'also'))
  const write = (balances: string, checkpoint: string) =>
    told(() => glassbook(['audit', ...chainArgs(), '--balances', balances, '--checkpoint', checkpoint]))
  for (const other of [at, `${folder}/./fresh`, join(folder, 'also', 'fresh')]) {
    const { code, out } = await write(at, other)
    expect([code, out]).toEqual([
      2,
      expect.stringContaining(`--checkpoint ${other}: --balances names that file too`),
    ])
  }
  expect(existsSync(at)).toBe(false)
  writeFileSync(`${at}.new`, 'precious')
  expect((await write(join(folder, 'csv'), at)).code).toBe(0)
  expect(readFileSync(`${at}.new`, 'utf8')).toBe('precious')
  expect(readCheckpoint(at, fixture.deployment).head.batch).toBe(1)
  // Of a file that is there, its other names too.
  linkSync(at, join(folder, 'linked'))
  expect((await write(at, join(folder, 'linked'))).code).toBe(2)
  for (const name of ['also', 'linked', 'csv', 'fresh', 'fresh.new']) rmSync(join(folder, name))
  expect(readdirSync(folder)).toEqual(['state'])
})

describe('a batch that is not final, or ends elsewhere', () => {
  let text = ''
  beforeAll(async () => {
    await makeCheckpoint()
    text = readFileSync(file, 'utf8')
  })
  const attempt = (from: PublicClient, change: (text: string) => string): Promise<unknown> => {
    writeFileSync(file, change(text))
    return plan(from, 3)
  }

  test('the chain has another seq at its end, and all else is right', async () => {
    const { lastSeq } = JSON.parse(text.split('\n')[0]!) as { lastSeq: string }
    const wrong = String(BigInt(lastSeq) + 1n)
    await expect(
      attempt(client, (whole) => whole.replace(`"lastSeq":"${lastSeq}"`, `"lastSeq":"${wrong}"`)),
    ).rejects.toThrow(
      new RegExp(`^batch 1 ends at seq ${lastSeq} and deposit \\d+ on the chain, at ${wrong} and`),
    )
  })

  test('the chain has it, and not as final, and all else is right', async () => {
    const readContract = (request: { functionName: string }): unknown =>
      request.functionName === 'finalCount' ? Promise.resolve(0n) : client.readContract(request as never)
    await expect(attempt({ ...client, readContract } as never, (whole) => whole)).rejects.toThrow(
      /^batch 1 of the checkpoint is not final: 0 are, without a gap$/,
    )
  })
})

describe('a made-up block', () => {
  let text = ''
  beforeAll(async () => {
    await mine(1)
    await makeCheckpoint()
    text = readFileSync(file, 'utf8')
    // Behind the checkpoint: a deposit, and a batch.
    await fixture.deposit(1, 0, 77)
    await mine(5)
    const before = fixture.journal.seq
    fixture.journal.append(placeRecord(2, Side.Sell, 100, 10, 2), placeRecord(1, Side.Buy, 100, 10, 2))
    expect(fixture.journal.seq).toBeGreaterThan(before)
  })
  const say = (block: number, hash: string): void =>
    writeFileSync(
      file,
      text.replace(/"block":\d+/, `"block":${block}`).replace(/"blockHash":"\w+"/, `"blockHash":"${hash}"`),
    )
  const newest = async (): Promise<{ number: number; hash: string }> => {
    const { number, hash } = await client.getBlock({ blockTag: 'latest' })
    return { number: Number(number), hash }
  }
  const refusal = async (from = client): Promise<string> => {
    const error: unknown = await plan(from, 1).catch((each: unknown) => each)
    expect(error).toBeInstanceOf(CheckpointError)
    return (error as CheckpointError).message
  }

  test('whose hash is another on the chain', async () => {
    const { number } = await newest()
    say(number, `0x${'ab'.repeat(32)}`)
    expect(await refusal()).toMatch(
      new RegExp(`^block ${number} has hash 0x\\w{64} on the chain, 0x(ab){32} in`),
    )
  })

  test('that is not there yet', async () => {
    say(900_000, `0x${'ab'.repeat(32)}`)
    expect(await refusal()).toBe('block of the checkpoint is 900000, and the chain has no such block yet')
  })

  test('behind a deposit that is not in the checkpoint', async () => {
    const { number, hash } = await newest()
    say(number, hash)
    expect(await refusal()).toBe(
      `block of the checkpoint is ${number}: the vault had 5 deposits before it, the checkpoint has 4`,
    )
    // Who keeps no old state cannot be asked; the end of the queue tells all the same that some are missing.
    const readContract = (request: { blockNumber?: bigint; functionName: string }): unknown => {
      if (request.functionName === 'depositCount' && request.blockNumber === BigInt(number) - 1n)
        return client.readContract({ ...request, blockNumber: 1_000_000n } as never)
      return client.readContract(request as never)
    }
    await expect(plan({ ...client, readContract } as never, 1)).rejects.toThrow(/the vault has 5 deposits/)
  })

  test('behind a batch that is not in the checkpoint', async () => {
    await settler.flush()
    await until('a proven batch', () => settler.status().provenBatch === 2)
    // Blocks of one moment cannot be told apart by their time.
    await fixture.passTime(60)
    const { number, hash } = await newest()
    say(number, hash)
    expect(await refusal()).toMatch(
      new RegExp(
        `^block of the checkpoint is ${number}, of time \\d+: batch 2, which is not in it, was committed`,
      ),
    )
  })
})

test('a file of another shape: field and value are named', async () => {
  await makeCheckpoint()
  const [first, ...rest] = readFileSync(file, 'utf8').split('\n')
  const head = JSON.parse(first!) as Record<string, unknown>
  const attempt = (change: object): unknown => {
    writeFileSync(file, [JSON.stringify({ ...head, ...change }), ...rest].join('\n'))
    try {
      return readCheckpoint(file, fixture.deployment)
    } catch (error) {
      expect(error).toBeInstanceOf(CheckpointError)
      return (error as Error).message.slice(file.length + 2)
    }
  }
  const at = head.depositsConsumed as number
  for (const [change, text] of [
    [{ waiting: [null] }, `waiting[0] is null, not the deposit at position ${at}`],
    [{ waiting: [{ position: at }] }, `waiting[0] is {"position":${at}}, not the deposit at position ${at}`],
    [{ waiting: 7 }, 'waiting is 7, not a list of deposits'],
    [{ block: -1 }, 'block is -1, not a whole number from 0 on'],
    [{ block: undefined }, 'block is undefined, not a whole number from 0 on'],
    [{ blockHash: 7 }, 'blockHash is 7, not 0x and 64 digits'],
    [{ root: null }, `root is null, lastSeq "${String(head.lastSeq)}": both are decimal numbers`],
  ] as const)
    expect(attempt(change)).toBe(text)
})

test('audit and replay say which block their answer holds for, and of when it is', async () => {
  const { number, timestamp } = await client.getBlock({ blockTag: 'latest' })
  const moment = `block ${number}, ${new Date(Number(timestamp) * 1000).toISOString()}`
  expect((await told(() => glassbook(['audit', ...chainArgs()]))).out).toContain(
    `as of               ${moment}\n`,
  )
  const replayed = await told(() => glassbook(['replay', fixture.dataDir, ...chainArgs()]))
  expect(replayed.out).toContain(`as of ${moment}\n`)
  const { report } = await audit(client, fixture.deployment)
  expect(report).toMatchObject({ block: Number(number), time: Number(timestamp) })
})
