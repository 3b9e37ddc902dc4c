/** The journal commands on a real data folder: what they print, their exit codes, and that they change nothing. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JournalMaker } from '../../bench/support/journal-data.js'
import { archiveSegments } from '../../engine/recovery/archive.js'
import { nodeDisk } from '../../engine/journal/disk.js'
import { lockFolder } from '../../engine/journal/lock.js'
import { journalFolder, segmentName } from '../../engine/journal/segments.js'
import { takeSnapshot } from '../../engine/recovery/take-snapshot.js'
import { glassbook } from '../command-line.js'

describe('journal commands', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-cli-'))
  let stateHash = ''
  beforeAll(() => {
    const maker = new JournalMaker(dataDir)
    maker.fund()
    maker.rest(500)
    stateHash = Buffer.from(maker.end()).toString('hex')
  })
  afterAll(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 20 }))

  /** Runs a command and catches what it prints. */
  async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    const written = { out: '', err: '' }
    const { stdout, stderr } = process
    const [out, err] = [stdout.write, stderr.write]
    stdout.write = (text) => ((written.out += String(text)), true)
    stderr.write = (text) => ((written.err += String(text)), true)
    try {
      return { code: await glassbook(argv), ...written }
    } finally {
      stdout.write = out
      stderr.write = err
    }
  }

  test('verify tells how far the chain holds, as text and as JSON', async () => {
    const json = await run('journal', 'verify', dataDir, '--json')
    expect(json.code).toBe(0)
    expect(JSON.parse(json.out)).toMatchObject({ ok: true, seq: 3500, epoch: 1, end: 'clean' })
    const text = await run('journal', 'verify', dataDir)
    expect(text.out).toMatch(/^seq +3500$/m)
    expect(text.out).toMatch(/^journalHead +[0-9a-f]{64}$/m)
  })

  test('a long journal shows how far it is read, but not beside JSON', async () => {
    const long = mkdtempSync(join(tmpdir(), 'glassbook-cli-long-'))
    const maker = new JournalMaker(long, 512 * 1024)
    maker.fund()
    maker.rest(9000)
    maker.end()
    const { now } = performance
    let calls = 0
    // A second passes between two looks at the clock.
    performance.now = () => 1000 * ++calls
    try {
      const { code, err } = await run('journal', 'verify', long)
      const shares = [...err.matchAll(/^\[(#*)\.*\] (\d+)% {2}seq \d+ {2}\d+ commands\/s$/gm)].map(
        ([, bar, percent]) => [bar!.length, Number(percent)],
      )
      expect([code, shares[0], shares.length > 3]).toEqual([0, [0, 0], true])
      expect(shares.at(-1)![1]).toBeGreaterThan(50)
      expect(shares).toEqual([...shares].sort(([, a], [, b]) => a! - b!))
      for (const [cells, percent] of shares) expect(Math.abs(percent! - cells! / 0.3)).toBeLessThan(3)
      expect(await run('journal', 'verify', long, '--json')).toMatchObject({ code: 0, err: '' })
    } finally {
      performance.now = now
      rmSync(long, { recursive: true })
    }
  })

  test('a dump that would be empty is refused, and what is no folder is named', async () => {
    const turned = await run('journal', 'dump', dataDir, '--from', '5', '--to', '3')
    expect([turned.code, turned.err]).toEqual([2, expect.stringContaining('--from 5 is behind --to 3')])
    const behind = await run('journal', 'dump', dataDir, '--from', '999999')
    expect([behind.code, behind.err]).toEqual([
      2,
      'glassbook: --from 999999 is behind the end of the journal, whose last command is 3500\n',
    ])
    expect((await run('journal', 'dump', dataDir, '--from', '3500')).code).toBe(0)
    const folder = mkdtempSync(join(tmpdir(), 'glassbook-cli-'))
    writeFileSync(journalFolder(folder), 'a file')
    const { code, err } = await run('journal', 'verify', folder)
    rmSync(folder, { recursive: true })
    expect([code, err]).toEqual([
      1,
      expect.stringContaining(`${journalFolder(folder)}: a part of the path is`),
    ])
  })

  test('stat counts commands, attachments and blocks', async () => {
    const { out } = await run('journal', 'stat', dataDir, '--json')
    expect(JSON.parse(out)).toMatchObject({
      commands: { OpenAccount: 1000, Deposit: 2000, Place: 500 },
      blockTypes: { Genesis: 1, Epoch: 1, Commands: 1, Close: 1 },
      attachments: { Genesis: { count: 1 }, StateHash: { count: 2, bytes: 64 } },
    })
  })

  test('dump prints a range, a line a record', async () => {
    const { out } = await run('journal', 'dump', dataDir, '--from', '3001', '--to', '3002', '--json')
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.filter(({ seq, kind }) => seq !== undefined && kind !== undefined)).toMatchObject([
      { seq: 3001, kind: 'Place', account: 1, side: 0, ticks: 50_000, lots: 1 },
      { seq: 3002, kind: 'Place', account: 2, side: 1 },
    ])
  })

  test('replay comes to the state hash of the engine that wrote the journal', async () => {
    const { code, out } = await run('replay', dataDir, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ ok: true, seq: 3500, stateHash, stateHashesCompared: 2 })
  })

  test('snapshot of an exchange that runs is refused, and says what to do', async () => {
    const release = lockFolder(dataDir)
    const { code, err } = await run('snapshot', dataDir).finally(release)
    expect([code, err]).toEqual([
      1,
      expect.stringContaining(`in use by process ${process.pid}: stop that one first`),
    ])
  })

  test('snapshot writes one, once', async () => {
    const { code, out } = await run('snapshot', dataDir, '--json')
    expect([code, JSON.parse(out)]).toMatchObject([0, { ok: true, seq: 3500 }])
    expect(readdirSync(join(dataDir, 'snapshots'))).toEqual(['0000000000003500.snapshot'])
  })

  test('damage is exit code 1 and names its place; wrong use is 2', async () => {
    const path = join(journalFolder(dataDir), segmentName(0))
    const whole = readFileSync(path)
    const damaged = Buffer.from(whole)
    damaged[2000]! ^= 1
    writeFileSync(path, damaged)
    const verified = await run('journal', 'verify', dataDir, '--json')
    expect(verified.code).toBe(1)
    expect(JSON.parse(verified.out)).toMatchObject({ ok: false })
    expect(verified.err).toMatch(/journal damaged in segment 00000000\.glass at offset \d+/)
    expect((await run('replay', dataDir)).code).toBe(1)
    expect(readFileSync(path).equals(damaged)).toBe(true)
    writeFileSync(path, whole)
    expect((await run('journal', 'verify')).code).toBe(2)
    expect((await run('journal', 'mend', dataDir)).code).toBe(2)
    expect((await run('journal', 'dump', dataDir, '--from', 'x')).code).toBe(2)
    expect((await run('replay', join(dataDir, 'nowhere'))).code).toBe(1)
  })

  test('each reads through an archive, and stat says what a million orders cost on disk', async () => {
    const archived = mkdtempSync(join(tmpdir(), 'glassbook-cli-archive-'))
    const maker = new JournalMaker(archived, 512 * 1024)
    maker.fund()
    maker.rest(4)
    maker.sync()
    const few = await run('journal', 'stat', archived, '--json')
    expect(JSON.parse(few.out)).toMatchObject({
      millionOrdersBytes: 'too few orders to tell: 4, at least 10000 are needed',
    })
    for (let round = 0; round < 3; round++) {
      maker.rest(8000)
      maker.sync()
      takeSnapshot({ disk: nodeDisk, dataDir: archived, onLog: () => {} })
    }
    maker.end()
    const ask = async (): Promise<Record<string, unknown>[]> => {
      const answers = []
      for (const words of [['verify'], ['stat'], ['dump', '--from', '1', '--to', '3']]) {
        const { code, out } = await run('journal', words[0]!, archived, ...words.slice(1), '--json')
        expect(code).toBe(0)
        answers.push(out.split('\n')[0]!)
      }
      answers.push((await run('replay', archived, '--json')).out)
      return answers.map((text) => {
        const {
          seconds: _seconds,
          commandsPerSecond: _rate,
          ...answer
        } = JSON.parse(text) as Record<string, unknown>
        return answer
      })
    }
    const [verified, stat, dumped, replayed] = await ask()
    expect(stat).toMatchObject({ archivedSegments: 0, commands: { Place: 24_004 } })
    const used = stat!['usedBytes'] as number
    expect(stat!['millionOrdersBytes']).toBe(Math.round((used / 24_004) * 1e6))
    const moved = archiveSegments({ disk: nodeDisk, dataDir: archived, settledSeq: Infinity, beforeMs: 1 })
    expect(moved.length).toBeGreaterThan(1)
    const [verifiedNow, statNow, dumpedNow, replayedNow] = await ask()
    expect([verifiedNow, dumpedNow, replayedNow]).toEqual([verified, dumped, replayed])
    const packed = moved.reduce((sum, { packedBytes }) => sum + packedBytes, 0)
    expect(statNow).toMatchObject({
      archivedSegments: moved.length,
      archivedBytes: packed,
      usedBytes: used,
      diskBytes: (stat!['diskBytes'] as number) - moved.length * 512 * 1024 + packed,
    })
    expect(statNow!['millionOrdersArchivedBytes']).toBeLessThan(stat!['millionOrdersBytes'] as number)
    rmSync(archived, { recursive: true })
  })
})
