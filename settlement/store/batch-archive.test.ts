/**
 * Batches in the archive: which may go, and that the store reads them as if they were still at hand. What is
 * damaged, here or there, is named, with what to do.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillNodes } from '../batch/fills-root.js'
import { BatchArchive } from './batch-archive.js'
import { BatchStore, type BatchRecord, type BatchState, StoreError } from './store.js'

const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-batches-'))
afterAll(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 20 }))

const fills = (number: number): Uint8Array => new Uint8Array(152 * number).fill(number)
function record(number: number, state: BatchState): BatchRecord {
  return {
    header: {
      number: BigInt(number),
      firstSeq: BigInt(number * 10),
      lastSeq: BigInt(number * 10 + 9),
      oldRoot: 1n,
      newRoot: 2n,
      journalHead: '0x01',
      fillsRoot: '0x02',
      depositsConsumed: 0n,
    },
    data: {
      chunkRoots: [2n],
      rows: new Uint8Array([1, 2, number]),
      deposits: new Uint8Array(0),
      withdrawals: new Uint8Array(0),
    },
    fillCount: number,
    rowsPerChunk: 1,
    sealedAtMs: number * 1000,
    state,
  }
}

test('final and old batches go, in order, and are read from there; one that was changed is named', () => {
  const store = new BatchStore(dataDir)
  const states: BatchState[] = ['final', 'final', 'final', 'proven', 'final', 'final']
  states.forEach((state, at) => store.seal(record(at + 1, state), fills(at + 1), fillNodes(fills(at + 1))))
  const before = states.map((_state, at) => [store.read(at + 1), store.fills(at + 1)])

  expect(store.archive(0, 100)).toBe(0)
  expect(store.archive(2500, 100)).toBe(2)
  // The third is old enough now, the fourth is not final, and nothing passes it.
  expect(store.archive(1e9, 100)).toBe(1)
  expect(
    readdirSync(join(dataDir, 'settlement', 'batches')).filter((name) => name.endsWith('.json')),
  ).toEqual(['00000004.json', '00000005.json', '00000006.json'])
  const again = new BatchStore(dataDir)
  expect(again.numbers()).toEqual([1, 2, 3, 4, 5, 6])
  expect(states.map((_state, at) => [again.read(at + 1), again.fills(at + 1)])).toEqual(before)
  // The last one stays, and a look takes no more than it may.
  again.save(record(4, 'final'))
  expect([again.archive(1e9, 1), again.archive(1e9, 100)]).toEqual([1, 1])

  for (const suffix of ['json.gz', 'fills.gz', 'hashes']) {
    const path = join(dataDir, 'archive', 'batches', `00000002.${suffix}`)
    const bytes = readFileSync(path)
    rmSync(path)
    expect(again.numbers()).toEqual([1, 2, 3, 4, 5, 6])
    const read = suffix === 'fills.gz' ? () => again.fills(2) : () => again.read(2)
    expect(read).toThrow(new RegExp(`${path} is not what was archived: ENOENT.*Put back a copy`))
    writeFileSync(path, bytes)
  }
  for (const suffix of ['fills.gz', 'hashes']) {
    const path = join(dataDir, 'archive', 'batches', `00000002.${suffix}`)
    const bytes = readFileSync(path)
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1 << (at % 8)
      writeFileSync(path, changed)
      expect(() => again.fills(2)).toThrow(`${path} is not what was archived`)
    }
    writeFileSync(path, bytes)
  }
})

test('a damaged batch, a missing one and a damaged transaction are named, with what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-batches-'))
  const store = new BatchStore(folder)
  for (const number of [1, 2, 3]) store.seal(record(number, 'final'), fills(number), fillNodes(fills(number)))
  const again = `the whole folder ${join(folder, 'settlement')}: it is made again from the journal and the chain`
  const path = join(folder, 'settlement', 'batches', '00000002.json')
  const whole = readFileSync(path, 'utf8')
  for (const text of ['', whole.slice(0, 100), '{}', 'null']) {
    writeFileSync(path, text)
    expect(() => store.read(2)).toThrow(`${path} is not what settlement wrote`)
    expect(() => store.read(2)).toThrow(`Put back a copy of the file; without one remove ${again}`)
  }
  rmSync(path)
  expect(() => store.numbers()).toThrow('batch 2 is missing')
  expect(() => store.numbers()).toThrow(again)
  writeFileSync(path, whole)

  const sent = join(folder, 'settlement', 'outbox', '00000007.json')
  writeFileSync(sent, '{"label":"commit 4",')
  expect(() => store.readOutbox()).toThrow(`${sent} is not what settlement wrote`)
  expect(() => store.readOutbox()).toThrow('Put back a copy of the file; without one remove it')

  store.archive(1e9, 1)
  const archive = join(folder, 'archive', 'batches')
  writeFileSync(join(archive, '00000001.json.gz'), 'no archive')
  expect(() => store.read(1)).toThrow(join(archive, '00000001.json.gz'))
  expect(() => store.read(1)).toThrow(`remove ${archive} and ${again}`)
  rmSync(folder, { recursive: true })
})

test.each(['json', 'fills'] as const)(
  '%s that the disk does not give back is told before the originals go',
  (lost) => {
    const archive = new BatchArchive(join(dataDir, `loses-${lost}`))
    const { read } = archive
    archive.read = (number, kind) => {
      if (kind === lost) truncateSync(join(archive.folder, `00000001.${kind}.gz`))
      return read.call(archive, number, kind)
    }
    expect(() => archive.put(1, { json: Buffer.from('{}'), fills: fills(1) })).toThrow(StoreError)
  },
)
