/**
 * Retention in a real start: what is settled, behind the older snapshot and older than the setting goes to the
 * archive, packed and with its hashes; every tool, and a start, reads through it as if it were still at hand; and one
 * changed byte in any file of it is noticed by each of them that reads that file, and named.
 */
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { type Client, createClient } from '../../sdk/index.js'
import { type Forger, startForger } from '../support/forging-prover.js'
import { fillJournal } from '../support/journal-volume.js'
import { NO_PROVER, WAIT_MS, Program, until } from '../support/program.js'
import { freePort } from '../support/ports.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-retention-'))
const dataDir = join(folder, 'data')
const archive = join(dataDir, 'archive')
const programs: Program[] = []
let forger: Forger
function run(...args: string[]): Program {
  const program = new Program(args, forger.environment)
  programs.push(program)
  return program
}
const SEGMENTS_MIN = 4
const SNAPSHOT_EVERY = 20_000
const RETENTION = [
  ...['--segment-mb', '1', '--snapshot-every', String(SNAPSHOT_EVERY), '--archive-seconds', '1'],
  ...['--keep-journal-days', '0', '--keep-batches-days', '0', '--batch-seconds', '1'],
]
const names = (...path: string[]): string[] => {
  try {
    return readdirSync(join(...path))
  } catch {
    return []
  }
}
async function start(port: number, ...more: string[]): Promise<Program> {
  const program = run('start', '--data', dataDir, '--port', String(port), ...RETENTION, ...more)
  await program.says('Ctrl-C')
  return program
}
const connect = async (port: number, index: number): Promise<Client> => {
  const client = await createClient({
    url: `ws://127.0.0.1:${port}`,
    wallet: localAccount(index),
  }).connect()
  await client.createSession()
  return client
}
/** Output and exit code of a tool. */
async function tool(...args: string[]): Promise<{ code: number | null; output: string }> {
  const program = run(...args)
  return { code: await program.ends(), output: program.output }
}
/** All fills of the taker, once history says that they are. */
async function fillsOf(port: number): Promise<string[]> {
  const client = await connect(port, 5)
  try {
    await until('history is complete', async () => (await client.fillsPage({ afterSeq: 0 })).complete)
    const { fills } = await client.fillsPage({ afterSeq: 0 })
    return fills.map(({ seq, ticks, lots }) => `${seq}/${ticks}/${lots}`)
  } finally {
    client.close()
  }
}

let exchange: Program
let rpcUrl: string
/** Of the fill in the first segment, and the batch that has it. */
let seq: number
let batch: string
let fills: string[]
let archivedSegments: number

beforeAll(async () => {
  forger = await startForger()
  const port = await freePort()
  exchange = await start(port, ...forger.flags)
  rpcUrl = /chain {7}(\S+)/.exec(exchange.output)![1]!
  const maker = await connect(port, 4)
  const taker = await connect(port, 5)
  const trade = async (ticks: number): Promise<void> => {
    const last = (await maker.batches(1)).at(-1)?.number ?? 0
    await maker.placeOrder({ market: 0, side: 'sell', ticks, lots: 5 })
    await taker.placeOrder({ market: 0, side: 'buy', ticks, lots: 5, timeInForce: 'IOC' })
    await until('a batch with the fill', async () => ((await maker.batches(1)).at(-1)?.number ?? 0) > last)
  }
  await until('a batch of the deposits', async () => (await maker.batches(1)).length > 0)
  await trade(600_000)
  seq = (await taker.fillsPage({ afterSeq: 0 })).fills[0]!.seq
  batch = String((await maker.batches(1)).at(-1)!.number).padStart(8, '0')
  // Two snapshots are kept: what lies behind the older one may go.
  const last = `${String(SEGMENTS_MIN).padStart(8, '0')}.glass`
  await fillJournal(
    maker,
    () => names(dataDir, 'journal').includes(last) && names(dataDir, 'snapshots').length >= 2,
  )
  // A batch that settles it, and one more: the last batch stays at hand.
  await trade(600_001)
  await trade(600_002)
  await until(
    'segments and batches are in the archive',
    () =>
      names(archive).some((name) => /\.glass\.json$/.test(name)) &&
      names(archive, 'batches').includes(`${batch}.hashes`),
    () => exchange.output,
  )
  fills = await fillsOf(port)
  archivedSegments = names(archive).filter((name) => name.endsWith('.glass.gz')).length
  for (const client of [maker, taker]) client.close()
}, WAIT_MS * 5)
afterAll(async () => {
  await Promise.all(programs.map((program) => (program.hasExited ? null : program.kill('SIGTERM'))))
  await forger.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
}, WAIT_MS)

test('what is settled is packed away, and its place is free', () => {
  expect(archivedSegments).toBeGreaterThan(0)
  expect(names(archive)).toContain('00000000.glass.json')
  expect(names(dataDir, 'journal')).not.toContain('00000000.glass')
  expect(names(dataDir, 'settlement', 'batches')).not.toContain(`${batch}.json`)
  const record = JSON.parse(readFileSync(join(archive, '00000000.glass.json'), 'utf8')) as Record<
    string,
    number
  >
  expect(record.packedBytes).toBe(readFileSync(join(archive, '00000000.glass.gz')).length)
  expect(record.packedBytes).toBeLessThan(record.bytes!)
  expect(record.lastSeq).toBeGreaterThan(seq)
})

test(
  'every tool reads through the archive',
  async () => {
    const stat = JSON.parse((await tool('journal', 'stat', dataDir, '--json')).output) as Record<
      string,
      number
    >
    expect(stat.archivedSegments).toBeGreaterThanOrEqual(archivedSegments)
    expect(stat.seq).toBeGreaterThan(2 * SNAPSHOT_EVERY)
    for (const words of [
      ['journal', 'verify', dataDir],
      ['replay', dataDir],
      ['replay', dataDir, '--rpc', rpcUrl],
      ['audit', '--rpc', rpcUrl, '--deployment', join(dataDir, 'deployment.json')],
      ['order-audit', dataDir, '--fill', String(seq), '--rpc', rpcUrl],
    ])
      expect([words[0], await tool(...words)]).toEqual([
        words[0],
        { code: 0, output: expect.anything() as string },
      ])
    const audited = await tool('order-audit', dataDir, '--fill', String(seq))
    expect(audited.output).toMatch(/holds {2}leaf \d+ of batch \d+ is the fill/)
    // Something to do: the owner has money in it.
    const plan = await tool(
      ...['exit', '--rpc', rpcUrl, '--deployment', join(dataDir, 'deployment.json')],
      ...['--owner', localAccount(5).address],
    )
    expect([plan.code, plan.output]).toEqual([3, expect.stringContaining('BTCX')])
  },
  WAIT_MS * 2,
)

describe('a changed byte', () => {
  const journalTools = (data: string): string[][] => [
    ['journal', 'verify', data],
    ['journal', 'stat', data],
    ['replay', data],
    ['replay', data, '--rpc', rpcUrl],
    ['order-audit', data, '--fill', String(seq)],
  ]
  const batchTools = (data: string): string[][] => [['order-audit', data, '--fill', String(seq)]]
  test.each([
    ['00000000.glass.gz', journalTools],
    ['00000000.glass.json', journalTools],
    ['batches/BATCH.json.gz', batchTools],
    ['batches/BATCH.fills.gz', batchTools],
    ['batches/BATCH.hashes', batchTools],
  ])(
    'in archive/%s is named by each tool that reads it',
    async (pattern, tools) => {
      const name = pattern.replace('BATCH', batch)
      const data = join(folder, `changed-${basename(name)}`)
      const filter = (path: string): boolean => !/\/(gateway|snapshots|lock)$/.test(path)
      await exchange.whileHeld(() => cpSync(dataDir, data, { recursive: true, filter }))
      const path = join(data, 'archive', name)
      const bytes = readFileSync(path)
      bytes[bytes.length >> 1]! ^= 1
      writeFileSync(path, bytes)
      for (const words of tools(data)) {
        const { code, output } = await tool(...words)
        expect([words.join(' '), code, output]).toEqual([
          words.join(' '),
          1,
          expect.stringMatching(`${path} is not what was archived.*[Pp]ut back a copy`),
        ])
      }
      rmSync(data, { recursive: true })
    },
    WAIT_MS * 2,
  )
})

test(
  'a restart has all of history, also when it is made again from the archive',
  async () => {
    expect(await exchange.kill('SIGTERM')).toBe(0)
    const replayed = JSON.parse((await tool('replay', dataDir, '--json')).output) as { stateHash: string }
    const port = await freePort()
    exchange = await start(port, ...NO_PROVER)
    expect(exchange.output).toContain(replayed.stateHash.slice(0, 10))
    expect(await fillsOf(port)).toEqual(fills)
    expect(await exchange.kill('SIGTERM')).toBe(0)

    for (const name of ['gateway', 'snapshots']) rmSync(join(dataDir, name), { recursive: true })
    exchange = await start(port, ...NO_PROVER)
    expect(exchange.output).toContain('snapshot at 0,')
    expect(await fillsOf(port)).toEqual(fills)
    expect(await exchange.kill('SIGTERM')).toBe(0)

    // Without a snapshot all of the journal is needed.
    const path = join(archive, '00000000.glass.gz')
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
    const refused = await tool('start', '--data', dataDir, '--port', String(port), ...NO_PROVER)
    expect([refused.code, refused.output]).toEqual([
      1,
      expect.stringMatching(`${path} is not what was archived.*put back a copy`),
    ])
  },
  WAIT_MS * 3,
)
