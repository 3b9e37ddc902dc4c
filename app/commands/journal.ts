/**
 * `glassbook journal verify|dump|stat DIR`, `glassbook replay DIR`, `glassbook snapshot DIR`: the
 * operator's and the auditor's tools on a data folder. Answers go to standard output (one JSON object
 * or JSON lines with --json), progress and errors to standard error.
 *
 * Exit codes: 0 = done and sound, 1 = damage, a state that differs or a disk that fails, 2 = wrong use.
 * verify, dump, stat and replay change nothing and may run beside a live exchange.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CommandKind, commandNames } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { nodeDisk } from '../../engine/journal/disk.js'
import {
  BlockType,
  COMMANDS_AT,
  JournalReader,
  genesisOf,
  stateHashOf,
  type JournalBlock,
  type JournalEnd,
} from '../../engine/journal/reader.js'
import { applyBlock } from '../../engine/recovery/recovery.js'
import { listArchived, listSegments, readArchiveRecord } from '../../engine/journal/segment-files.js'
import { journalFolder, segmentName } from '../../engine/journal/segments.js'
import { takeSnapshot } from '../../engine/recovery/take-snapshot.js'
import { COMMAND_WORDS, Cmd, TimeCmd, kindOf } from '../../engine/layout.js'
import { attachmentName } from '../../engine/messages.js'
import { describeCommand } from '../../engine/records/access.js'
import type { Engine } from '../../engine/types.js'
import { bar } from '../files/bar.js'
import { lockStopped } from '../files/data-folder.js'
import { fileErrorText } from '../files/file-errors.js'
import { UsageError } from '../files/usage-error.js'
import { MEASURED_ORDERS_MIN, PROGRESS_MS } from '../limits.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const blockTypeNames = Object.fromEntries(Object.entries(BlockType).map(([name, type]) => [type, name]))

/** A bar on standard error: drawn in place on a terminal, a line now and then elsewhere; none with --json. */
class Progress {
  private readonly startedMs = performance.now()
  private shownMs = this.startedMs
  /** Bytes before each segment, and behind the last one that is in use. */
  private readonly bytesBefore: readonly number[]

  constructor(
    dataDir: string,
    private readonly isQuiet: boolean,
  ) {
    const before = [0]
    for (const { bytes } of segmentSizes(dataDir)) before.push(before.at(-1)! + bytes)
    this.bytesBefore = before
  }

  show({ position }: JournalReader, seq: number): void {
    const now = performance.now()
    if (this.isQuiet || now - this.shownMs < PROGRESS_MS) return
    this.shownMs = now
    const at = (this.bytesBefore[position.segment] ?? 0) + position.offset
    const done = Math.min(1, at / Math.max(1, this.bytesBefore.at(-1)!))
    const rate = Math.round(seq / ((now - this.startedMs) / 1000))
    const line = `${bar(done)} ${Math.round(done * 100)}%  seq ${seq}  ${rate} commands/s`
    process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`)
  }

  /** Ends the bar's line; returns the seconds since the start. */
  end(): number {
    if (!this.isQuiet && process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    return (performance.now() - this.startedMs) / 1000
  }
}

/** Bytes of each segment, and on the disk: fewer where it is archived. */
function segmentSizes(dataDir: string): { bytes: number; diskBytes: number; archived: boolean }[] {
  const archived = new Set(listArchived(nodeDisk, dataDir))
  return listSegments(nodeDisk, dataDir).map((segment) => {
    const path = join(journalFolder(dataDir), segmentName(segment))
    if (existsSync(path)) {
      const { size } = statSync(path)
      return { bytes: size, diskBytes: size, archived: false }
    }
    const { bytes, packedBytes } = readArchiveRecord(nodeDisk, dataDir, segment)
    return { bytes, diskBytes: packedBytes, archived: archived.has(segment) }
  })
}

interface JournalFlags {
  readonly json?: boolean | undefined
}

/** A failure stands in the JSON too, where that is what is read. */
function answering(json: boolean, work: () => number): number {
  try {
    return work()
  } catch (error) {
    const text = fileErrorText(error) ?? (error instanceof Error ? error.message : String(error))
    if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: text })}\n`)
    throw error
  }
}

function print(json: boolean, answer: Record<string, unknown>): void {
  if (json) process.stdout.write(`${JSON.stringify(answer)}\n`)
  else
    for (const [name, value] of Object.entries(answer))
      process.stdout.write(
        `${name.padEnd(18)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}\n`,
      )
}

/** Reads a whole journal with progress; `visit` sees each block. Throws JournalDamage. */
function readAll(dataDir: string, json: boolean, visit: (block: JournalBlock) => void): ReadAll {
  if (!existsSync(journalFolder(dataDir))) throw new Error(`no journal in ${dataDir}`)
  const progress = new Progress(dataDir, json)
  const reader = new JournalReader(dataDir)
  let blocks = 0
  try {
    let block: JournalBlock | undefined
    while ((block = reader.next()) !== undefined) {
      visit(block)
      blocks++
      progress.show(reader, block.lastSeq)
    }
    if (blocks === 0) throw new Error(`no journal in ${dataDir}`)
    const end = reader.end()
    return { reader, end, blocks, seconds: progress.end() }
  } finally {
    reader.close()
  }
}

interface ReadAll {
  readonly reader: JournalReader
  readonly end: JournalEnd
  readonly blocks: number
  readonly seconds: number
}

function summary({ reader, end, blocks, seconds }: ReadAll): Record<string, unknown> {
  const { nextSeq, epoch, head, segment, offset } = reader.position
  return {
    ok: true,
    blocks,
    seq: nextSeq - 1,
    epoch,
    journalHead: hex(head),
    end:
      end.kind === 'clean'
        ? 'clean'
        : `torn last block (${end.reason}): the next start cuts off ${end.tornBytes} bytes`,
    segment,
    offset,
    seconds: Number(seconds.toFixed(3)),
  }
}

/** `glassbook journal verify DIR`. Answers with the exit code. */
export function runVerify(dataDir: string, { json = false }: JournalFlags): number {
  return answering(json, () => {
    print(json, summary(readAll(dataDir, json, () => {})))
    return 0
  })
}

/** `glassbook journal stat DIR`. Answers with the exit code. */
export function runStat(dataDir: string, { json = false }: JournalFlags): number {
  return answering(json, () => stat(dataDir, json))
}

function stat(dataDir: string, json: boolean): number {
  const commands: Record<string, number> = {}
  const attachments: Record<string, { count: number; bytes: number }> = {}
  const blockTypes: Record<string, number> = {}
  let blockBytes = 0
  let largestBlock = 0
  let firstMs = 0
  let lastMs = 0
  const all = readAll(dataDir, json, (block) => {
    const type = blockTypeNames[block.type]!
    blockTypes[type] = (blockTypes[type] ?? 0) + 1
    blockBytes += block.bytes.length
    largestBlock = Math.max(largestBlock, block.bytes.length)
    for (let index = 0; index < block.count; index++) {
      const at = COMMANDS_AT + index * COMMAND_WORDS
      const kind = kindOf(block.words[at + Cmd.KIND]!)
      const name = commandNames[kind] ?? `unknown ${kind}`
      commands[name] = (commands[name] ?? 0) + 1
      if (kind !== CommandKind.Time) continue
      lastMs = block.floats[at / 2 + TimeCmd.TIME_MS_F64]!
      if (firstMs === 0) firstMs = lastMs
    }
    for (const { kind, bytes } of block.attachments) {
      const entry = (attachments[attachmentName(kind)] ??= { count: 0, bytes: 0 })
      entry.count++
      entry.bytes += bytes.length
    }
  })
  const segments = segmentSizes(dataDir)
  const packed = segments.filter(({ archived }) => archived)
  const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0)
  const packedBytes = sum(packed.map(({ diskBytes }) => diskBytes))
  const orders = commands['Place'] ?? 0
  const usedBytes =
    sum(segments.slice(0, all.reader.position.segment).map(({ bytes }) => bytes)) + all.reader.position.offset
  const millionOrders = (share: number): number | string =>
    orders < MEASURED_ORDERS_MIN
      ? `too few orders to tell: ${orders}, at least ${MEASURED_ORDERS_MIN} are needed`
      : Math.round((usedBytes / orders) * 1e6 * share)
  const isoTime = (ms: number): string => (ms === 0 ? 'none' : new Date(ms).toISOString())
  print(json, {
    ...summary(all),
    blockTypes,
    blockBytes,
    largestBlock,
    commandsPerBlock: Number(
      ((all.reader.position.nextSeq - 1) / Math.max(1, blockTypes['Commands'] ?? 0)).toFixed(2),
    ),
    commands,
    attachments,
    segments: segments.length,
    diskBytes: sum(segments.map(({ diskBytes }) => diskBytes)),
    usedBytes,
    archivedSegments: packed.length,
    archivedBytes: packedBytes,
    // What is written for a million orders, cancels and all that goes with them; once archived, what is left of it.
    millionOrdersBytes: millionOrders(1),
    millionOrdersArchivedBytes:
      packed.length === 0
        ? 'nothing is archived yet'
        : millionOrders(packedBytes / sum(packed.map(({ bytes }) => bytes))),
    firstTime: isoTime(firstMs),
    lastTime: isoTime(lastMs),
  })
  return 0
}

function dump(dataDir: string, json: boolean, from: number, to: number): number {
  const line = (value: Record<string, unknown>, indent: string): void => {
    const text = json
      ? JSON.stringify(value)
      : Object.entries(value)
          .map(([key, field]) => `${key}=${String(field)}`)
          .join(' ')
    process.stdout.write(`${json ? '' : indent}${text}\n`)
  }
  const { reader } = readAll(dataDir, true, (block) => {
    const isOutside = block.lastSeq < from || block.firstSeq > to
    if (isOutside) return
    const { number, epoch, firstSeq, lastSeq, count } = block
    line(
      {
        block: number,
        type: blockTypeNames[block.type],
        epoch,
        firstSeq,
        lastSeq,
        count,
        hash: hex(block.hash),
      },
      '',
    )
    for (const { kind, firstSeq: seq, count: covered, bytes } of block.attachments)
      line({ attachment: attachmentName(kind), seq, count: covered, bytes: hex(bytes) }, '  ')
    for (let index = 0; index < count; index++) {
      const seq = firstSeq + index
      if (seq < from || seq > to) continue
      line({ seq, ...describeCommand(block.words, block.floats, COMMANDS_AT + index * COMMAND_WORDS) }, '  ')
    }
  })
  const { nextSeq } = reader.position
  if (from >= nextSeq)
    throw new UsageError(
      `--from ${from} is behind the end of the journal, whose last command is ${nextSeq - 1}`,
    )
  return 0
}

/** `glassbook journal dump DIR`. Answers with the exit code. */
export function runDump(dataDir: string, { json = false, from = 0, to = Infinity }: DumpFlags): number {
  if (from > to) throw new UsageError(`--from ${from} is behind --to ${to}: nothing lies between`)
  return answering(json, () => dump(dataDir, json, from, to))
}

interface DumpFlags extends JournalFlags {
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/**
 * `glassbook replay DIR`: recomputes the whole state from the genesis block on, comparing every state
 * hash that the journal carries, and prints the last one. Answers with the exit code.
 */
export function runReplayCommand(dataDir: string, { json = false }: JournalFlags): number {
  return answering(json, () => {
    let compared = 0
    let engine: Engine | undefined
    const all = readAll(dataDir, json, (block) => {
      engine ??= createEngine({ genesis: genesisOf(block), onEvents: () => {} })
      if (stateHashOf(block) !== undefined) compared++
      applyBlock(engine, block)
    })
    const { seconds } = all
    print(json, {
      ...summary(all),
      stateHash: hex(engine!.stateHash()),
      stateHashesCompared: compared,
      timeMs: engine!.timeMs,
      commandsPerSecond: Math.round(engine!.seq / Math.max(seconds, 0.001)),
    })
    return 0
  })
}

/** `glassbook snapshot DIR`: writes a snapshot of a stopped exchange. Answers with the exit code. */
export function runSnapshotCommand(dataDir: string, { json = false }: JournalFlags): number {
  return answering(json, () => {
    if (!existsSync(journalFolder(dataDir))) throw new Error(`no journal in ${dataDir}`)
    const release = lockStopped(dataDir)
    try {
      const startedMs = performance.now()
      const seq = takeSnapshot({
        disk: nodeDisk,
        dataDir,
        onLog: (line) => process.stderr.write(`${line}\n`),
      })
      print(json, {
        ok: true,
        seq,
        seconds: Number(((performance.now() - startedMs) / 1000).toFixed(3)),
      })
      return 0
    } finally {
      release()
    }
  })
}
