/**
 * The journal on a real disk: what is written is read back, the format is the documented one to the
 * byte, and whatever is done to its end — cut at every byte, a bit flipped in every field — the outcome
 * is a documented one: read to the end, a torn last block, or damage that names segment and offset.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COMMAND_BYTES, COMMAND_WORDS, PlaceCmd, TimeCmd } from '../layout.js'
import { AttachmentKind } from '../messages.js'
import { BLOCK_BYTES_MAX } from '../limits.js'
import { nodeDisk, type Disk } from './disk.js'
import { FileBackend } from './file-backend.js'
import {
  BLOCK_HEADER_BYTES,
  BlockBuilder,
  BlockType,
  COMMANDS_AT,
  SECTOR_BYTES,
  ZERO_HASH,
  readBlock,
  readHeader,
} from './format.js'
import { JournalDamage, JournalReader, readGenesis } from './reader.js'
import { journalFolder, segmentName } from './segments.js'

const GENESIS = '{"assets":[],"markets":[]}'

/** Appends blocks of the given counts of commands to a fresh folder; returns their places. */
function write(dataDir: string, counts: readonly number[], segmentBytes: number, disk: Disk = nodeDisk) {
  mkdirSync(journalFolder(dataDir), { recursive: true })
  const backend = new FileBackend({
    disk,
    folder: journalFolder(dataDir),
    segmentBytes,
    segment: 0,
    offset: 0,
  })
  const builder = new BlockBuilder()
  const places: { segment: number; offset: number; length: number }[] = []
  let head = ZERO_HASH
  let seq = 1
  const append = (type: BlockType, number: number): void => {
    const count = builder.count
    const block = builder.finish(type, number, 1, seq, head)
    const { bytes, length } = block
    const fits = backend.offset + bytes.length <= segmentBytes
    backend.append({ bytes, length, number, epoch: 1 })
    backend.maintain()
    places.push({ segment: backend.segment, offset: fits ? backend.offset - bytes.length : 0, length })
    head = block.hash
    seq += count
  }
  builder.addAttachment(AttachmentKind.Genesis, new TextEncoder().encode(GENESIS), 0, 0)
  append(BlockType.Genesis, 0)
  counts.forEach((count, index) => {
    for (let command = 0; command < count; command++) {
      const words = new Int32Array(COMMAND_WORDS).fill(seq + command)
      builder.addCommands(new Uint8Array(words.buffer), 0, COMMAND_BYTES)
    }
    builder.addAttachment(AttachmentKind.FrameMsgpack, new Uint8Array(37).fill(index + 1), 0, count)
    append(BlockType.Commands, index + 1)
  })
  backend.close()
  return { places, head, lastSeq: seq - 1 }
}

/** Reads to the end: how many blocks, and how it ended. */
function read(dataDir: string): { blocks: number; outcome: string; reader: JournalReader } {
  const reader = new JournalReader(dataDir)
  let blocks = 0
  try {
    while (reader.next() !== undefined) blocks++
    return { blocks, outcome: reader.end().kind, reader }
  } catch (error) {
    if (!(error instanceof JournalDamage)) throw error
    return { blocks, outcome: `damage in ${segmentName(error.segment)} at ${error.offset}`, reader }
  } finally {
    reader.close()
  }
}

describe('journal', () => {
  let dataDir = ''
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'glassbook-journal-'))
  })
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

  test('blocks come back as they were written, over segments, with the head of the chain', () => {
    const counts = [1, 3, 500, 2, 900, 1, 700, 4]
    const { places, head, lastSeq } = write(dataDir, counts, 64 * 1024)
    expect(new Set(places.map(({ segment }) => segment)).size).toBeGreaterThan(2)
    const reader = new JournalReader(dataDir)
    expect(reader.next()?.type).toBe(BlockType.Genesis)
    let seq = 1
    for (const [index, count] of counts.entries()) {
      const block = reader.next()!
      expect([block.number, block.firstSeq, block.count, block.lastSeq]).toEqual([
        index + 1,
        seq,
        count,
        seq + count - 1,
      ])
      for (let command = 0; command < count; command++)
        expect(block.words[COMMANDS_AT + command * COMMAND_WORDS + PlaceCmd.LOTS]).toBe(seq + command)
      expect(block.attachments).toEqual([
        {
          kind: AttachmentKind.FrameMsgpack,
          firstSeq: seq,
          count,
          bytes: new Uint8Array(37).fill(index + 1),
        },
      ])
      seq += count
    }
    expect(reader.next()).toBeUndefined()
    expect(reader.end().kind).toBe('clean')
    expect(reader.position.nextSeq).toBe(lastSeq + 1)
    expect(Buffer.from(reader.position.head)).toEqual(Buffer.from(head))
    reader.close()
    expect(readGenesis(dataDir)).toEqual(JSON.parse(GENESIS))
  })

  test('the format is the documented one: a block of one command, byte for byte', () => {
    const builder = new BlockBuilder()
    const words = new Int32Array(COMMAND_WORDS)
    words[0] = 8 // Time
    new Float64Array(words.buffer)[TimeCmd.TIME_MS_F64] = 1_700_000_000_000
    builder.addCommands(new Uint8Array(words.buffer), 0, COMMAND_BYTES)
    builder.addAttachment(AttachmentKind.Chain, new TextEncoder().encode('glass'), 0, 1)
    const { bytes, length, hash } = builder.finish(
      BlockType.Commands,
      7,
      3,
      42,
      new Uint8Array(32).fill(0xab),
    )
    expect(length).toBe(128 + 64 + 16 + 8 + 8)
    expect(bytes.length).toBe(SECTOR_BYTES)
    expect(Buffer.from(bytes.subarray(0, length)).toString('hex')).toBe(VECTOR.block)
    expect(Buffer.from(hash).toString('hex')).toBe(VECTOR.hash)
    const header = readHeader(bytes)
    if (typeof header === 'string') throw new Error(header)
    expect(header).toEqual({ number: 7, type: 2, epoch: 3, firstSeq: 42, count: 1, length, attachments: 1 })
    const block = readBlock(bytes, header)
    if (typeof block === 'string') throw new Error(block)
    expect(new TextDecoder().decode(block.attachments[0]!.bytes)).toBe('glass')
  })

  test('seqs and block numbers beyond 2^32 survive', () => {
    const builder = new BlockBuilder()
    builder.addCommands(new Uint8Array(64).fill(1), 0, 64)
    const { bytes } = builder.finish(BlockType.Commands, 2 ** 40 + 5, 9, 2 ** 52 + 3, ZERO_HASH)
    expect(readHeader(bytes)).toMatchObject({ number: 2 ** 40 + 5, firstSeq: 2 ** 52 + 3 })
  })

  test('a full block of the largest size is read back', () => {
    const count = (BLOCK_BYTES_MAX - BLOCK_HEADER_BYTES - 8 - 16 - 40) / COMMAND_BYTES
    const { lastSeq } = write(dataDir, [Math.floor(count)], 512 * 1024)
    const { blocks, outcome, reader } = read(dataDir)
    expect([blocks, outcome, reader.position.nextSeq]).toEqual([2, 'clean', lastSeq + 1])
  })

  test('cut at every byte of the last two blocks: torn there, never anything else', () => {
    const { places } = write(dataDir, [2, 5, 9, 3], 16 * 1024)
    const path = join(journalFolder(dataDir), segmentName(0))
    const whole = readFileSync(path)
    const [before, last] = places.slice(-2) as [(typeof places)[0], (typeof places)[0]]
    const outcomes = { clean: 0, torn: 0 }
    for (let size = before.offset; size <= last.offset + last.length; size++) {
      writeFileSync(path, whole)
      truncateSync(path, size)
      const { blocks, outcome, reader } = read(dataDir)
      const wholeBlocks =
        size >= last.offset + last.length ? 5 : size >= before.offset + before.length ? 4 : 3
      const isAtEdge =
        size <= before.offset || (wholeBlocks === 4 && size <= last.offset) || wholeBlocks === 5
      expect([size, blocks, outcome]).toEqual([size, wholeBlocks, isAtEdge ? 'clean' : 'torn'])
      expect(reader.position.offset).toBe([before.offset, last.offset, last.offset + 512][wholeBlocks - 3])
      outcomes[outcome as 'torn']++
    }
    expect(outcomes.torn).toBeGreaterThan(1000)
  })

  test('every way in which the sectors of the last block can be missing is a torn block', () => {
    const { places } = write(dataDir, [2, 60], 16 * 1024)
    const path = join(journalFolder(dataDir), segmentName(0))
    const whole = readFileSync(path)
    const { offset, length } = places.at(-1)!
    const sectors = Math.ceil(length / SECTOR_BYTES)
    expect(sectors).toBe(8)
    for (let present = 0; present < 2 ** sectors; present++) {
      const torn = Buffer.from(whole)
      for (let sector = 0; sector < sectors; sector++)
        if ((present & (1 << sector)) === 0)
          torn.fill(0, offset + sector * SECTOR_BYTES, offset + (sector + 1) * SECTOR_BYTES)
      writeFileSync(path, torn)
      const { blocks, outcome } = read(dataDir)
      const expected =
        present === 0 ? [2, 'clean'] : present === 2 ** sectors - 1 ? [3, 'clean'] : [2, 'torn']
      expect([present, blocks, outcome]).toEqual([present, ...expected])
    }
  })

  test('a cutting off that was interrupted at any byte leaves a torn block, not damage', () => {
    const { places } = write(dataDir, [2, 20], 16 * 1024)
    const path = join(journalFolder(dataDir), segmentName(0))
    const { offset, length } = places.at(-1)!
    const torn = readFileSync(path)
    torn.fill(0, offset + SECTOR_BYTES, offset + 2 * SECTOR_BYTES)
    for (let zeroed = 0; zeroed < length; zeroed++) {
      writeFileSync(path, torn.fill(0, offset, offset + zeroed))
      expect([zeroed, read(dataDir).outcome]).toEqual([zeroed, 'torn'])
    }
  })

  test('one bit flipped anywhere in a block that has one behind it: damage, named, nothing changed', () => {
    const { places } = write(dataDir, [2, 4, 3], 16 * 1024)
    const path = join(journalFolder(dataDir), segmentName(0))
    const whole = readFileSync(path)
    const { offset, length } = places[2]!
    for (let at = offset; at < offset + length; at++) {
      const bit = at % 8
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1 << bit
      writeFileSync(path, flipped)
      const { outcome } = read(dataDir)
      expect([at, outcome]).toEqual([at, `damage in ${segmentName(0)} at ${offset}`])
      expect(readFileSync(path).equals(flipped)).toBe(true)
    }
  })

  test('one bit flipped anywhere in the last block: damage, for no torn write looks like that', () => {
    const { places } = write(dataDir, [2, 9], 16 * 1024)
    const path = join(journalFolder(dataDir), segmentName(0))
    const whole = readFileSync(path)
    const { offset, length } = places.at(-1)!
    for (let at = offset; at < offset + length; at++) {
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1 << (at % 8)
      writeFileSync(path, flipped)
      expect([at, read(dataDir).outcome]).toEqual([at, `damage in ${segmentName(0)} at ${offset}`])
    }
  })

  test('a lost segment, a lost block before a new segment, a swapped segment: damage', () => {
    const { places } = write(dataDir, [100, 100, 100, 100, 100, 100, 100, 100], 16 * 1024)
    expect(places.at(-1)!.segment).toBeGreaterThanOrEqual(3)
    const folder = journalFolder(dataDir)
    const first = readFileSync(join(folder, segmentName(0)))
    const second = readFileSync(join(folder, segmentName(1)))
    rmSync(join(folder, segmentName(1)))
    expect(read(dataDir).outcome).toMatch(/^damage in 00000000/)
    writeFileSync(join(folder, segmentName(1)), Buffer.alloc(second.length))
    expect(read(dataDir).outcome).toMatch(/^damage/)
    writeFileSync(join(folder, segmentName(1)), first)
    expect(read(dataDir).outcome).toMatch(/^damage/)
    writeFileSync(join(folder, segmentName(1)), second)
    const lastOfFirst = places.filter(({ segment }) => segment === 0).at(-1)!
    writeFileSync(join(folder, segmentName(0)), Buffer.from(first).fill(0, lastOfFirst.offset))
    // However many segments follow, the place that lost its block is the one that is named.
    for (let last = places.at(-1)!.segment; last > 0; last--) {
      expect(read(dataDir).outcome).toBe(`damage in ${segmentName(0)} at ${lastOfFirst.offset}`)
      rmSync(join(folder, segmentName(last)))
    }
  })

  test('stray bytes far behind the end are damage, for no torn block reaches there', () => {
    const { places } = write(dataDir, [2], 1024 * 1024)
    const path = join(journalFolder(dataDir), segmentName(0))
    const end = places.at(-1)!.offset + SECTOR_BYTES
    const poke = (at: number): void => {
      const fd = openSync(path, 'r+')
      writeSync(fd, Buffer.from([1]), 0, 1, at)
      closeSync(fd)
    }
    poke(end + 4096)
    expect(read(dataDir).outcome).toBe('torn')
    poke(end + BLOCK_BYTES_MAX)
    expect(read(dataDir).outcome).toBe(`damage in ${segmentName(0)} at ${end}`)
  })

  test('follows a journal of another process up to the block before the last, then as it grows', () => {
    write(dataDir, [2, 4, 3], 16 * 1024)
    const other = mkdtempSync(join(tmpdir(), 'glassbook-journal-'))
    write(other, [2, 4, 3, 1], 16 * 1024)
    const reader = new JournalReader(dataDir, { follow: true })
    const seqs: number[] = []
    const drain = (): void => {
      for (let block = reader.next(); block !== undefined; block = reader.next()) seqs.push(block.lastSeq)
    }
    drain()
    expect(seqs).toEqual([0, 2, 6])
    copyFileSync(join(journalFolder(other), segmentName(0)), join(journalFolder(dataDir), segmentName(0)))
    drain()
    expect(seqs).toEqual([0, 2, 6, 9])
    reader.close()
    rmSync(other, { recursive: true })
  })

  test('follows a live journal as far as it is durable; the genesis block at once', () => {
    let durable = 0
    const empty = new JournalReader(dataDir, { durableSeq: () => durable })
    expect(empty.next()).toBeUndefined()
    write(dataDir, [2, 4, 3], 16 * 1024)
    const reader = new JournalReader(dataDir, { durableSeq: () => durable })
    expect([reader.next()?.type, reader.next()]).toEqual([BlockType.Genesis, undefined])
    durable = 6
    expect([reader.next()?.lastSeq, reader.next()?.lastSeq, reader.next()]).toEqual([2, 6, undefined])
    durable = 9
    expect(reader.next()?.lastSeq).toBe(9)
    durable = 10
    expect(() => reader.next()).toThrow(JournalDamage)
    reader.close()
  })
})

/** Computed by a program of its own, in another language, from the table in format.ts. */
const VECTOR = {
  block:
    '474c415353424c4b0200000002000000070000000000000003000000010000002a00000000000000e00000000100000000000000000000000000000000000000abababababababababababababababababababababababababababababababab5413743b0000000000000000000000000000000000000000000000003092df5c08000000000000000000000000000000000000000000000000008056febc7842000000000000000000000000000000000000000000000000000000000000000005000000050000000000000001000000676c617373000000454e44424c4f434b',
  hash: '6b7b9f3e1715a2c86e587e94e17fcaa259b5041fca77fefcd370324a3d49e346',
}
