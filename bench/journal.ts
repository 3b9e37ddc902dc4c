/**
 * `npm run bench:journal`: what durability costs. Each figure is measured on this machine's own disk in
 * the system's temporary folder and goes to bench/results/journal.json:
 *
 *   commit      records/s and latency of one block (write + fdatasync) against its count of records
 *   core        the engine and journal threads joined by rings: latency of one command alone, and
 *               commands/s with many under way; both include the fdatasync
 *   replay      commands/s, hash chain and checksums verified, every command applied; ends by comparing
 *               the state hash
 *   start       seconds until an exchange with a million live orders runs, from a snapshot
 *   snapshot    latency of single commands while snapshots of 100,000 live orders are taken, and without
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandKind } from '../engine/codes.js'
import { ControlBlock } from '../engine/rings/control.js'
import { startExchange, type ExchangeHandles } from '../engine/runtime/exchange.js'
import { createEngine } from '../engine/index.js'
import { nodeDisk } from '../engine/journal/disk.js'
import { FileBackend } from '../engine/journal/file-backend.js'
import { BlockBuilder, BlockType, ZERO_HASH } from '../engine/journal/format.js'
import { GatedReader } from '../engine/rings/gated-reader.js'
import { JournalReader } from '../engine/journal/reader.js'
import { applyBlock } from '../engine/recovery/recovery.js'
import { journalFolder } from '../engine/journal/segments.js'
import { takeSnapshot } from '../engine/recovery/take-snapshot.js'
import { COMMAND_BYTES, COMMAND_WORDS, Cmd, DepositCmd } from '../engine/layout.js'
import { INBOUND_HEADER_WORDS, Inbound, InboundType, Outbound } from '../engine/messages.js'
import { RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbellAsync } from '../engine/rings/ring.js'
import { SEGMENT_BYTES } from '../engine/limits.js'
import { ACCOUNTS, JournalMaker, genesis, xorshift } from './support/journal-data.js'
import { machine } from './support/machine.js'

const COMMIT_BATCHES = [1, 4, 16, 64, 256, 1024, 4000]
const COMMIT_SECONDS = 2
const REPLAY_COMMANDS = 4_000_000
const START_ORDERS = 1_000_000
const SNAPSHOT_ORDERS = 100_000
const WARM_UP_REPLAYS = 1
const TIMED_REPLAYS = 3

interface Latency {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
}

/** Percentiles of samples in ms. */
function latency(samplesMs: number[]): Latency {
  const sorted = Float64Array.from(samplesMs).sort()
  const at = (share: number): number =>
    Math.round(1000 * sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)
  return { p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999), maxUs: at(1) }
}

function inFolder<T>(work: (dataDir: string) => T): T {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-bench-'))
  const remove = (): void => rmSync(dataDir, { recursive: true, force: true })
  const result = work(dataDir)
  if (result instanceof Promise) return result.finally(remove) as T
  remove()
  return result
}

/** Blocks of `batch` records, one after the other. */
function commit(batch: number): object {
  return inFolder((dataDir) => {
    nodeDisk.makeFolder(journalFolder(dataDir))
    const folder = journalFolder(dataDir)
    const backend = new FileBackend({
      disk: nodeDisk,
      folder,
      segmentBytes: SEGMENT_BYTES,
      segment: 0,
      offset: 0,
    })
    const builder = new BlockBuilder()
    const records = new Uint8Array(batch * COMMAND_BYTES).fill(1)
    const samples: number[] = []
    let head = ZERO_HASH
    const startMs = performance.now()
    while (performance.now() - startMs < COMMIT_SECONDS * 1000) {
      const beginMs = performance.now()
      builder.addCommands(records, 0, records.length)
      const number = samples.length
      const { bytes, length, hash } = builder.finish(BlockType.Commands, number, 1, 1 + number * batch, head)
      backend.append({ bytes, length, number, epoch: 1 })
      samples.push(performance.now() - beginMs)
      head = hash
      backend.maintain()
    }
    const seconds = (performance.now() - startMs) / 1000
    backend.close()
    return {
      recordsPerBlock: batch,
      recordsPerSecond: Math.round((samples.length * batch) / seconds),
      ...latency(samples),
    }
  })
}

/** A producer of deposits on the rings of a running exchange. */
class Producer {
  private readonly control: ControlBlock
  private readonly writer: RingWriter
  private readonly reader: GatedReader

  constructor(handles: ExchangeHandles) {
    this.control = new ControlBlock(handles.control)
    this.writer = new RingWriter(handles.inbound[0]!, this.control.engineDoorbell)
    this.reader = new GatedReader(handles.outbound[0]!, this.control)
  }

  /** Puts one message of `count` commands into the ring; false when it is full. */
  send(count: number): boolean {
    const size = (INBOUND_HEADER_WORDS + count * COMMAND_WORDS) * 4
    const at = this.writer.tryClaim(size)
    if (at < 0) return false
    const { words, floats } = this.writer
    words.fill(0, at / 4, (at + size) / 4)
    words[at / 4 + Inbound.TYPE] = InboundType.Commands
    words[at / 4 + Inbound.COUNT] = count
    for (let index = 0; index < count; index++) {
      const from = at / 4 + INBOUND_HEADER_WORDS + index * COMMAND_WORDS
      words[from + Cmd.KIND] = CommandKind.Deposit
      words[from + DepositCmd.ACCOUNT] = 1 + (index % ACCOUNTS)
      floats[from / 2 + DepositCmd.UNITS_F64] = 1
    }
    this.writer.commit()
    return true
  }

  /** Takes the durable answers that are there; returns how many of them are ours and whole. */
  take(): number {
    let taken = 0
    let at: number
    while ((at = this.reader.poll()) >= 0) {
      const isOwn = this.reader.words[at / 4 + Outbound.CONNECTION]! >= 0
      if (isOwn && this.reader.words[at / 4 + Outbound.MORE] === 0) taken++
      this.reader.release()
    }
    return taken
  }

  async sleep(): Promise<void> {
    const bell = this.control.producerDoorbell(0)
    const seen = armDoorbell(bell)
    if (this.reader.poll() >= 0) disarmDoorbell(bell)
    else await sleepOnDoorbellAsync(bell, seen, 1000)
  }

  /** Sends one command at a time for `seconds`; samples in ms from send to durable answer. */
  async oneByOne(seconds: number, until: () => boolean = () => false): Promise<number[]> {
    const samples: number[] = []
    const startMs = performance.now()
    while (performance.now() - startMs < seconds * 1000 && !until()) {
      const beginMs = performance.now()
      this.send(1)
      while (this.take() === 0) await this.sleep()
      samples.push(performance.now() - beginMs)
    }
    return samples
  }

  /** Keeps `window` messages of `count` commands under way for `seconds`; returns commands a second. */
  async saturate(seconds: number, window: number, count: number): Promise<number> {
    const startMs = performance.now()
    let underWay = 0
    let done = 0
    while (performance.now() - startMs < seconds * 1000) {
      while (underWay < window && this.send(count)) underWay++
      const taken = this.take()
      if (taken === 0) await this.sleep()
      underWay -= taken
      done += taken
    }
    const rate = (done * count) / ((performance.now() - startMs) / 1000)
    while (underWay > 0) {
      underWay -= this.take()
      if (underWay > 0) await this.sleep()
    }
    return Math.round(rate)
  }
}

const start = (dataDir: string): Promise<ExchangeHandles> =>
  startExchange({ dataDir, genesis, gateways: 1, snapshotEvery: 0 })

async function core(): Promise<object> {
  return inFolder(async (dataDir) => {
    const maker = new JournalMaker(dataDir)
    maker.fund()
    maker.end()
    const handles = await start(dataDir)
    const producer = new Producer(handles)
    await producer.oneByOne(1)
    const alone = latency(await producer.oneByOne(4))
    const saturated = []
    for (const [window, count] of [
      [256, 1],
      [1024, 16],
      [1024, 64],
    ] as const)
      saturated.push({
        commandsPerMessage: count,
        messagesUnderWay: window,
        commandsPerSecond: await producer.saturate(4, window, count),
      })
    await handles.stop()
    return { oneAtATime: alone, saturated }
  })
}

function replay(): object {
  return inFolder((dataDir) => {
    const maker = new JournalMaker(dataDir)
    maker.fund()
    maker.trade(REPLAY_COMMANDS, xorshift(23))
    const expected = Buffer.from(maker.end()).toString('hex')
    const rates: number[] = []
    const verifyRates: number[] = []
    for (let pass = 0; pass < WARM_UP_REPLAYS + TIMED_REPLAYS; pass++) {
      const isTimed = pass >= WARM_UP_REPLAYS
      const beginMs = performance.now()
      const verified = readThrough(dataDir, () => {})
      if (isTimed) verifyRates.push(verified / (performance.now() - beginMs))
      const engine = createEngine({ genesis, onEvents: () => {} })
      const replayMs = performance.now()
      readThrough(dataDir, (block) => applyBlock(engine, block))
      if (isTimed) rates.push(engine.seq / (performance.now() - replayMs))
      const actual = Buffer.from(engine.stateHash()).toString('hex')
      if (actual !== expected) throw new Error(`replay came to ${actual}, not ${expected}`)
    }
    const median = (values: number[]): number =>
      Math.round(1000 * values.sort((a, b) => a - b)[values.length >> 1]!)
    return {
      commands: REPLAY_COMMANDS + 3 * ACCOUNTS,
      commandsPerSecond: median(rates),
      verifyOnlyCommandsPerSecond: median(verifyRates),
      stateHash: expected,
    }
  })
}

function readThrough(dataDir: string, visit: (block: Parameters<typeof applyBlock>[1]) => void): number {
  const reader = new JournalReader(dataDir)
  for (let block = reader.next(); block !== undefined; block = reader.next()) visit(block)
  if (reader.end().kind !== 'clean') throw new Error('the journal is torn')
  reader.close()
  return reader.position.nextSeq - 1
}

function orders(dataDir: string, count: number): void {
  const maker = new JournalMaker(dataDir)
  maker.fund()
  maker.rest(count)
  if (maker.engine.liveOrders() !== count)
    throw new Error(`${maker.engine.liveOrders()} of ${count} orders rest`)
  maker.end()
  takeSnapshot({ disk: nodeDisk, dataDir, onLog: () => {} })
}

async function startUp(): Promise<object> {
  return inFolder(async (dataDir) => {
    orders(dataDir, START_ORDERS)
    const seconds: number[] = []
    for (let pass = 0; pass < 3; pass++) {
      const beginMs = performance.now()
      const handles = await start(dataDir)
      seconds.push(Number(((performance.now() - beginMs) / 1000).toFixed(3)))
      if (handles.snapshotSeq === 0 || handles.seq < START_ORDERS)
        throw new Error('the start did not use the snapshot')
      await handles.stop()
    }
    return { liveOrders: START_ORDERS, seconds }
  })
}

async function snapshots(): Promise<object> {
  return inFolder(async (dataDir) => {
    orders(dataDir, SNAPSHOT_ORDERS)
    const handles = await start(dataDir)
    const producer = new Producer(handles)
    await producer.oneByOne(1)
    const without = await producer.oneByOne(4)
    let isDone = false
    let taken = 0
    const taking = (async () => {
      for (; taken < 5; taken++) await handles.snapshot()
      isDone = true
    })()
    const beside = await producer.oneByOne(60, () => isDone)
    await taking
    await handles.stop()
    return {
      liveOrders: SNAPSHOT_ORDERS,
      snapshots: taken,
      without: latency(without),
      while: latency(beside),
    }
  })
}

const results: Record<string, unknown> = {
  machine: machine(),
  measuredAt: new Date().toISOString(),
  // Of other work: figures of a busy machine say so.
  loadAverageBefore: loadavg()[0],
}
const step = async (name: string, work: () => unknown): Promise<void> => {
  results[name] = await work()
  process.stdout.write(`${name}: ${JSON.stringify(results[name], null, 2)}\n`)
}
await step('commit', () => COMMIT_BATCHES.map(commit))
await step('core', core)
await step('replay', replay)
await step('start', startUp)
await step('snapshot', snapshots)
const out = fileURLToPath(new URL('../../bench/results/journal.json', import.meta.url))
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`)
