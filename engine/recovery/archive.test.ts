/**
 * Segments in the archive: which may go, what a crash leaves, and that everything that reads a journal reads
 * it as before.
 */
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JournalMaker } from '../../bench/support/journal-data.js'
import { CommandKind } from '../codes.js'
import { Cmd, TimeCmd } from '../layout.js'
import { archiveSegments } from './archive.js'
import { nodeDisk } from '../journal/disk.js'
import { JournalReader, readGenesis } from '../journal/reader.js'
import { recover } from './recovery.js'
import { EventReplay } from './replay-events.js'
import { journalHolds, listArchived, listSegments, openSegment } from '../journal/segment-files.js'
import { archiveFolder, journalFolder, segmentName } from '../journal/segments.js'
import { takeSnapshot } from './take-snapshot.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-archive-'))
const source = join(folder, 'source')
const SEGMENT_BYTES = 512 * 1024
const FIRST_MS = 1_000_000
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Place {
  readonly seq: number
  readonly hash: string
}

function blocksOf(dataDir: string): Place[] {
  const reader = new JournalReader(dataDir)
  const places: Place[] = []
  for (let block = reader.next(); block !== undefined; block = reader.next())
    places.push({ seq: block.lastSeq, hash: Buffer.from(block.hash).toString('hex') })
  expect(reader.end().kind).toBe('clean')
  reader.close()
  return places
}

let blocks: Place[] = []
let seq = 0

beforeAll(() => {
  const maker = new JournalMaker(source, SEGMENT_BYTES)
  maker.fund()
  for (let round = 0; round < 4; round++) {
    maker.add((words, floats) => {
      words[Cmd.KIND] = CommandKind.Time
      floats[TimeCmd.TIME_MS_F64] = FIRST_MS + round * 1000
    })
    maker.rest(8000)
    // A snapshot may be taken of a journal that is not closed.
    maker.sync()
    takeSnapshot({ disk: nodeDisk, dataDir: source, onLog: () => {} })
  }
  maker.end()
  blocks = blocksOf(source)
  seq = blocks.at(-1)!.seq
  expect(listSegments(nodeDisk, source).length).toBeGreaterThan(4)
})

function copy(name: string): string {
  const dataDir = join(folder, name)
  cpSync(source, dataDir, { recursive: true })
  return dataDir
}
const all = { disk: nodeDisk, settledSeq: Infinity, beforeMs: Infinity }
const isLive = (dataDir: string, segment: number): boolean =>
  existsSync(join(journalFolder(dataDir), segmentName(segment)))

test('what is settled, snapshotted and old goes, and every reader reads on', () => {
  const dataDir = copy('moved')
  const moved = archiveSegments({ ...all, dataDir })
  expect(moved.length).toBeGreaterThan(1)
  expect(listArchived(nodeDisk, dataDir)).toEqual(moved.map(({ segment }) => segment))
  for (const { segment, bytes, packedBytes } of moved) {
    expect(isLive(dataDir, segment)).toBe(false)
    expect(packedBytes).toBeLessThan(bytes)
  }
  expect(listSegments(nodeDisk, dataDir)).toEqual(listSegments(nodeDisk, source))
  expect(blocksOf(dataDir)).toEqual(blocks)
  expect(readGenesis(dataDir)).toEqual(readGenesis(source))
  for (const { seq: at, hash } of [blocks[3]!, blocks[blocks.length >> 1]!, blocks.at(-1)!]) {
    expect(journalHolds(nodeDisk, dataDir, at, Buffer.from(hash, 'hex'))).toBe(true)
    expect(journalHolds(nodeDisk, dataDir, at, Buffer.alloc(32))).toBe(false)
  }
  let events = 0
  const replay = new EventReplay({
    dataDir,
    after: 0,
    upTo: seq,
    durableSeq: seq,
    commandsMax: Infinity,
    onEvents: ({ count }) => (events += count),
  })
  while (replay.advance(10_000));
  expect([replay.from, replay.seq, events > 0]).toEqual([0, seq, true])
  // Without its snapshots a start goes through the archive, too.
  rmSync(join(dataDir, 'snapshots'), { recursive: true })
  const recovered = recover({
    disk: nodeDisk,
    dataDir,
    onEvents: () => {},
    segmentBytes: SEGMENT_BYTES,
    onLog: () => {},
  })
  expect([recovered.engine.seq, recovered.snapshotSeq]).toEqual([seq, 0])
})

test('what is not settled, too young, or behind the older snapshot stays', () => {
  const dataDir = copy('stays')
  expect(archiveSegments({ ...all, dataDir, settledSeq: 0 })).toEqual([])
  expect(archiveSegments({ ...all, dataDir, beforeMs: FIRST_MS })).toEqual([])
  const [first] = archiveSegments({ ...all, dataDir, beforeMs: FIRST_MS + 1 })
  expect(first).toMatchObject({ segment: 0, firstSeq: 1, lastTimeMs: FIRST_MS })
  const unsnapped = copy('unsnapped')
  rmSync(join(unsnapped, 'snapshots'), { recursive: true })
  expect(archiveSegments({ ...all, dataDir: unsnapped })).toEqual([])
})

test('a crash before the removal leaves a segment in both places; the next run goes on', () => {
  const dataDir = copy('crashed')
  archiveSegments({ ...all, dataDir })
  const archived = listArchived(nodeDisk, dataDir)
  copyFileSync(
    join(journalFolder(source), segmentName(archived.at(-1)!)),
    join(journalFolder(dataDir), segmentName(archived.at(-1)!)),
  )
  expect(blocksOf(dataDir)).toEqual(blocks)
  expect(archiveSegments({ ...all, dataDir }).map(({ segment }) => segment)).toEqual([archived.at(-1)])
  expect(blocksOf(dataDir)).toEqual(blocks)
})

test('an archive of which any bit was changed, or a file is missing, is named; a damaged segment is not packed away', () => {
  const dataDir = copy('changed')
  archiveSegments({ ...all, dataDir })
  for (const suffix of ['gz', 'json']) {
    const path = join(archiveFolder(dataDir), `${segmentName(0)}.${suffix}`)
    const bytes = readFileSync(path)
    // All of the record; of the packed bytes the header, of which some say nothing of what is in it, and some.
    const step = suffix === 'json' ? 1 : bytes.length >> 4
    const places = [...Array(10).keys(), ...Array.from({ length: 16 }, (_, at) => bytes.length - 1 - at)]
    for (let at = 10; at < bytes.length; at += step) places.push(at)
    for (const [turn, at] of places.entries()) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1 << (turn % 8)
      writeFileSync(path, changed)
      expect(() => openSegment(nodeDisk, dataDir, 0)).toThrow(`${path} is not what was archived`)
    }
    rmSync(path)
    expect(() => openSegment(nodeDisk, dataDir, 0)).toThrow(
      /is not what was archived .*ENOENT.*: put back a copy of it/,
    )
    expect(listSegments(nodeDisk, dataDir)).toContain(0)
    writeFileSync(path, bytes)
  }
  const other = join(archiveFolder(dataDir), `${segmentName(1)}.json`)
  copyFileSync(join(archiveFolder(dataDir), `${segmentName(0)}.json`), other)
  expect(() => openSegment(nodeDisk, dataDir, 1)).toThrow(
    `${other} is not what was archived (it is of segment 0)`,
  )

  const damaged = copy('damaged')
  const segment = join(journalFolder(damaged), segmentName(0))
  const live = readFileSync(segment)
  live[5000]! ^= 1
  writeFileSync(segment, live)
  expect(() => archiveSegments({ ...all, dataDir: damaged })).toThrow(/it stays where it is/)
  expect(isLive(damaged, 0)).toBe(true)
})
