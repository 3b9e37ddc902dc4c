/**
 * Recovery on a real disk, rule by rule: what a start rests on, what it cuts off, what makes it refuse.
 * The simulator meets the same rules by chance; here each stands alone.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommandKind } from '../codes.js'
import { ControlBlock, createControl } from '../rings/control.js'
import { COMMAND_BYTES, COMMAND_WORDS, Cmd, DepositCmd } from '../layout.js'
import { JOURNAL_HEADER_WORDS, JournalMessage, JournalMessageType } from '../messages.js'
import { RingReader, RingWriter, createRing } from '../rings/ring.js'
import type { GenesisConfig } from '../types.js'
import { EpochFenced, type AppendedBlock, type JournalBackend } from '../journal/backend.js'
import { nodeDisk } from '../journal/disk.js'
import { FileBackend } from '../journal/file-backend.js'
import { JournalDamage, JournalReader } from '../journal/reader.js'
import { recover, StateMismatch, type Recovered } from './recovery.js'
import { journalFolder, segmentName, snapshotFolder } from '../journal/segments.js'
import { listSnapshots } from './snapshots.js'
import { takeSnapshot } from './take-snapshot.js'
import { JournalWriter } from '../journal/writer.js'

const SEGMENT_BYTES = 64 * 1024
const genesis: GenesisConfig = {
  assets: [{ id: 0, symbol: 'A' }],
  markets: [],
  capacities: { ordersMax: 16, levelsMax: 16, accountsMax: 16, sessionsMax: 4 },
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Puts a message of one deposit of `units` into the journal ring. */
function put(ring: RingWriter, seq: number, units: number): void {
  const at = ring.tryClaim(JOURNAL_HEADER_WORDS * 4 + COMMAND_BYTES)
  const word = at / 4
  ring.words.fill(0, word, word + JOURNAL_HEADER_WORDS + COMMAND_WORDS)
  ring.words[word + JournalMessage.TYPE] = JournalMessageType.Commands
  ring.words[word + JournalMessage.COUNT] = 1
  ring.floats[at / 8 + JournalMessage.FIRST_SEQ_F64] = seq
  const command = word + JOURNAL_HEADER_WORDS
  ring.words[command + Cmd.KIND] = CommandKind.Deposit
  ring.words[command + Cmd.ACCOUNT] = 1
  ring.floats[command / 2 + DepositCmd.UNITS_F64] = units
  ring.commit()
}

describe('recovery', () => {
  let dataDir = ''
  let lines: string[] = []
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'glassbook-recovery-'))
    lines = []
  })
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

  const start = (config: GenesisConfig | undefined = genesis): Recovered =>
    recover({
      disk: nodeDisk,
      dataDir,
      ...(config === undefined ? {} : { genesis: config }),
      segmentBytes: SEGMENT_BYTES,
      onEvents: () => {},
      onLog: (line) => lines.push(line),
    })

  /** Starts, and writes behind what is there; `stateHash`: what its epoch block says, by right the state's own. */
  const open = (stateHash?: Uint8Array) => {
    const recovered = start()
    const { position } = recovered
    const sab = createRing(64 * 1024)
    const backend = new FileBackend({
      disk: nodeDisk,
      folder: journalFolder(dataDir),
      segmentBytes: SEGMENT_BYTES,
      segment: position.segment,
      offset: position.offset,
    })
    const writer = new JournalWriter({
      ring: new RingReader(sab),
      backend,
      position,
      epoch: position.epoch + 1,
      onDurable: () => {},
    })
    void writer.start(genesis, stateHash ?? recovered.stateHash)
    return { backend, writer, ring: new RingWriter(sab), seq: recovered.engine.seq }
  }

  /** Starts, journals `count` deposits one block each, and dies without a Close block. */
  const live = (count: number): void => {
    const { backend, writer, ring, seq } = open()
    for (let index = 1; index <= count; index++) {
      put(ring, seq + index, index)
      expect(writer.turn()).toBe(true)
    }
    backend.close()
  }
  const files = (): Record<string, string> =>
    Object.fromEntries(
      [journalFolder(dataDir), snapshotFolder(dataDir)].flatMap((folder) =>
        nodeDisk.list(folder).map((name) => [name, hex(readFileSync(join(folder, name)))] as const),
      ),
    )
  const snapshot = (): number => takeSnapshot({ disk: nodeDisk, dataDir, onLog: (line) => lines.push(line) })
  /** Byte offset of each block in the first segment. */
  const offsets = (): number[] => {
    const reader = new JournalReader(dataDir)
    const found: number[] = []
    while (reader.next() !== undefined) found.push(reader.last!.position.offset)
    reader.close()
    return found
  }

  test('an empty folder needs a genesis, and keeps it', () => {
    expect(() => start({ ...genesis, assets: [] })).not.toThrow()
    live(3)
    expect(start().engine.seq).toBe(3)
    const { genesis: kept } = recover({
      disk: nodeDisk,
      dataDir,
      segmentBytes: SEGMENT_BYTES,
      onEvents: () => {},
      onLog: () => {},
    })
    expect(kept).toEqual(genesis)
    expect(() => start({ ...genesis, feeAccount: 1 })).toThrow(/another genesis/)
  })

  test('a start rests on the newest snapshot; a damaged one falls back to the one before, two are kept', () => {
    const seqs = [1, 2, 3].map(() => {
      live(5)
      return snapshot()
    })
    live(2)
    expect(listSnapshots(nodeDisk, dataDir)).toEqual([seqs[2], seqs[1]])
    const whole = start()
    expect([whole.snapshotSeq, whole.replayed, whole.engine.seq]).toEqual([15, 2, 17])
    const path = join(snapshotFolder(dataDir), `${'15'.padStart(16, '0')}.snapshot`)
    const bytes = readFileSync(path)
    for (const at of [3, 20, 70, 140, bytes.length - 1]) {
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= 4
      writeFileSync(path, damaged)
      const fallen = start()
      expect([at, fallen.snapshotSeq, fallen.replayed]).toEqual([at, 10, 7])
      expect(hex(fallen.stateHash)).toBe(hex(whole.stateHash))
      expect(lines.at(-1)).toMatch(/^snapshot 15 is not usable \(.+\); falling back$/)
    }
    for (const name of readdirSync(snapshotFolder(dataDir))) rmSync(join(snapshotFolder(dataDir), name))
    const replayed = start()
    expect([replayed.snapshotSeq, replayed.replayed]).toEqual([0, 17])
    expect(hex(replayed.stateHash)).toBe(hex(whole.stateHash))
  })

  test('a torn last block is cut off with a line that says so, and the journal goes on behind it', () => {
    live(6)
    const last = offsets().at(-1)!
    const path = join(journalFolder(dataDir), segmentName(0))
    writeFileSync(path, readFileSync(path).subarray(0, last + 150))
    const { engine, tornBytes } = start()
    expect(engine.seq).toBe(5)
    expect(tornBytes).toBeGreaterThan(100)
    expect(lines.at(-1)).toMatch(/^cut off a torn last block: segment 00000000\.glass, offset \d+, \d+ bytes/)
    expect(statSync(path).size).toBe(SEGMENT_BYTES)
    live(2)
    lines = []
    expect(start().engine.seq).toBe(7)
    expect(lines).toEqual([])
  })

  test('damage with valid blocks behind it stops the start, names segment and offset, changes nothing', () => {
    live(6)
    const damagedAt = offsets().at(-3)!
    const path = join(journalFolder(dataDir), segmentName(0))
    const bytes = readFileSync(path)
    bytes[damagedAt + 140]! ^= 1
    writeFileSync(path, bytes)
    const before = files()
    expect(() => start()).toThrow(JournalDamage)
    expect(() => start()).toThrow(`segment ${segmentName(0)} at offset ${damagedAt}`)
    expect(files()).toEqual(before)
  })

  test('a segment that lost its last block, before another segment, stops the start', () => {
    live(200)
    const reader = new JournalReader(dataDir)
    let lastOfFirst = 0
    while (reader.next() !== undefined) {
      const { segment, offset } = reader.last!.position
      if (segment === 0) lastOfFirst = offset
      else break
    }
    reader.close()
    const path = join(journalFolder(dataDir), segmentName(0))
    writeFileSync(path, readFileSync(path).fill(0, lastOfFirst))
    const before = files()
    expect(() => start()).toThrow(JournalDamage)
    expect(files()).toEqual(before)
  })

  test('a journal that is shorter than its snapshot has lost what was durable: the start is refused', () => {
    live(6)
    const end = offsets().at(-1)!
    snapshot()
    const path = join(journalFolder(dataDir), segmentName(0))
    writeFileSync(path, readFileSync(path).fill(0, end))
    expect(() => start()).toThrow(/does not hold the last block of the snapshot at seq 6/)
  })

  test('a state hash in the journal that replay does not reach stops the start', () => {
    live(4)
    open(new Uint8Array(32).fill(9)).backend.close()
    expect(() => start()).toThrow(StateMismatch)
  })

  test('a second writer on the same journal is noticed before the first writes again', () => {
    const first = open()
    put(first.ring, 1, 1)
    expect(first.writer.turn()).toBe(true)
    // The first one sleeps; another start takes the folder, and then the first wakes up.
    const second = open()
    put(first.ring, 2, 2)
    expect(() => first.writer.turn()).toThrow(EpochFenced)
    put(second.ring, 2, 3)
    expect(second.writer.turn()).toBe(true)
    put(first.ring, 2, 2)
    expect(() => first.writer.turn()).toThrow('nothing more is written')
    first.backend.close()
    second.backend.close()
    expect(start().engine.seq).toBe(2)
  })
})

describe('journal backend', () => {
  /** A replicated log in miniature: one fencing transaction a block, acknowledged later. */
  class ReplicatedLog implements JournalBackend {
    readonly blocks: AppendedBlock[] = []
    leader = 1

    append(block: AppendedBlock): Promise<void> {
      const copy = { ...block, bytes: block.bytes.slice() }
      return new Promise((resolve, reject) =>
        setImmediate(() => {
          if (block.epoch < this.leader)
            reject(new EpochFenced(`epoch ${block.epoch}, leader ${this.leader}`))
          else if (block.number !== this.blocks.length)
            reject(new Error(`block ${block.number} is out of order`))
          else {
            this.blocks.push(copy)
            resolve()
          }
        }),
      )
    }
    maintain(): void {}
    close(): void {}
  }

  test('a replicated log can stand in for the file: durable only when acknowledged, fenced by epoch', async () => {
    const log = new ReplicatedLog()
    const control = new ControlBlock(createControl())
    const sab = createRing(64 * 1024)
    const ring = new RingWriter(sab)
    const writer = new JournalWriter({
      ring: new RingReader(sab),
      backend: log,
      position: { segment: 0, offset: 0, number: 0, nextSeq: 1, epoch: 0, head: new Uint8Array(32) },
      epoch: 1,
      onDurable: (seq, head) => control.setDurable(seq, head),
    })
    await writer.start(genesis, new Uint8Array(32))
    put(ring, 1, 5)
    put(ring, 2, 6)
    const wrote = writer.turn()
    expect(control.durableSeq).toBe(0)
    expect(await wrote).toBe(true)
    expect(control.durableSeq).toBe(2)
    expect(log.blocks).toHaveLength(3)
    log.leader = 2
    put(ring, 3, 7)
    await expect(writer.turn()).rejects.toThrow(EpochFenced)
    expect(control.durableSeq).toBe(2)
  })
})
