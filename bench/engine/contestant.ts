/**
 * One contestant of the engine benchmark, in a process of its own so that no other's code shapes its
 * optimised code: reads its name from the command line, prints one JSON line. Started by bench/engine.ts.
 *
 *   book:FILE               the book alone on a decompressed workload file
 *   bare:FILE               the least that answers the same messages (bare-book.ts)
 *   core:MIX                the whole core: risk, ledger, fees, events
 *   nodejs-order-book:MIX   the npm package, on the same orders
 *   latency:MIX             service time of each command; and paced, from planned send time
 *   heap                    what ten million commands allocate
 *   capture                 snapshot of 100,000 live orders
 *   ids:ordinary|hostile    ids added and removed, as clients and as attackers choose them (id-tables.ts)
 *   growth                  the worst single insert while the tables grow
 *   worst                   the worst command of each kind, at full tables (worst-commands.ts)
 */
import { PerformanceObserver, performance } from 'node:perf_hooks'
import { build, type Histogram } from 'hdr-histogram-js'
import { OrderBook, type Side as RivalSide, type LimitOrderOptions } from 'nodejs-order-book'
import { CommandKind, Side, TimeInForce } from '../../engine/codes.js'
import * as commands from '../../engine/commands.js'
import { Attr, AmendCmd, COMMAND_WORDS, OrderCmd, PlaceCmd, kindOf } from '../../engine/layout.js'
import { createEngine, sealSnapshot } from '../../engine/index.js'
import { tuneForEngine } from '../../engine/tune.js'
import type { Engine } from '../../engine/types.js'
import { bareBook } from './bare-book.js'
import { MESSAGE_WORDS, REPORT_WORDS } from './book-only.js'
import { REPORTS_PER_MESSAGE, hashReports, readMessages, timePasses } from '../conformance.js'
import { growth, idFlow } from './id-tables.js'
import { worstCommands } from './worst-commands.js'
import { workloadOptions } from './live-stream.js'
import { type MixName, type Workload, makeWorkload, streamInPieces } from './workload.js'

export const SEED = 23
const SEGMENTS = 5
const WARM_UP = 600_000
const SEGMENT = 200_000
const PACE_PER_SECOND = 1_000_000

/** Values of one run; rates in millions a second. */
export type Result = Readonly<Record<string, number | string | readonly number[]>>

function stateHash(engine: Engine): string {
  return Buffer.from(engine.stateHash()).toString('hex').slice(0, 16)
}

function startedEngine(workload: Workload): Engine {
  const engine = createEngine(workloadOptions(() => {}))
  applyRange(engine, workload, 0, workload.setUp)
  return engine
}

function applyRange(engine: Engine, { words, floats }: Workload, from: number, to: number): void {
  for (let index = from; index < to; index++) engine.apply(words, floats, index * COMMAND_WORDS)
}

/** Millions a second of each segment after the warm-up. */
function segmentRates(
  from: number,
  warmUp: number,
  segment: number,
  run: (from: number, to: number) => void,
): number[] {
  run(from, from + warmUp)
  const rates: number[] = []
  for (let index = 0; index < SEGMENTS; index++) {
    const first = from + warmUp + index * segment
    const start = performance.now()
    run(first, first + segment)
    rates.push(segment / (performance.now() - start) / 1000)
  }
  return rates
}

function bookAlone(path: string): Result {
  const messages = readMessages(path)
  const count = messages.length / MESSAGE_WORDS
  let sha256 = ''
  const seconds = timePasses(messages, 3 + SEGMENTS, (book) => {
    if (sha256 === '') sha256 = hashReports(book.reports, book.reportCount)
  })
  return { rates: seconds.slice(3).map((each) => count / each / 1e6), sha256 }
}

function bareBookAlone(path: string): Result {
  const messages = readMessages(path)
  const count = messages.length / MESSAGE_WORDS
  const reports = new Int32Array(count * REPORTS_PER_MESSAGE * REPORT_WORDS)
  const run = bareBook(1 << 21, Math.min(count, 1 << 20))
  const rates: number[] = []
  let written = 0
  for (let pass = 0; pass < 3 + SEGMENTS; pass++) {
    const start = performance.now()
    written = run(messages, count, reports)
    rates.push(count / (performance.now() - start) / 1000)
  }
  return { rates: rates.slice(3), sha256: hashReports(reports, written) }
}

function wholeCore(mix: MixName): Result {
  const workload = makeWorkload(mix, WARM_UP + SEGMENTS * SEGMENT, SEED)
  const engine = startedEngine(workload)
  const rates = segmentRates(workload.setUp, WARM_UP, SEGMENT, (from, to) =>
    applyRange(engine, workload, from, to),
  )
  return { rates, stateHash: stateHash(engine) }
}

function rival(mix: MixName): Result {
  const workload = makeWorkload(mix, WARM_UP + SEGMENTS * SEGMENT, SEED)
  const { words, setUp, count } = workload
  // Its orders are keyed by strings and its options are objects: both are made before the clock runs.
  const ids = Array.from({ length: setUp + count }, (_, index) =>
    String(words[index * COMMAND_WORDS + OrderCmd.CLOID_LO]),
  )
  const options = ids.map((id, index) => rivalOrder(words, index * COMMAND_WORDS, id))
  const book = new OrderBook()
  const run = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const at = index * COMMAND_WORDS
      switch (kindOf(words[at]!)) {
        case CommandKind.Place:
          book.limit(options[index]!)
          break
        case CommandKind.Cancel:
          book.cancel(ids[index]!)
          break
        case CommandKind.Amend:
          book.modify(ids[index]!, { price: words[at + AmendCmd.TICKS]!, size: words[at + AmendCmd.LOTS]! })
          break
        default:
          break
      }
    }
  }
  run(0, setUp)
  return { rates: segmentRates(setUp, WARM_UP, SEGMENT, run) }
}

function rivalOrder(words: Int32Array, at: number, id: string): LimitOrderOptions {
  const immediate = ((words[at]! >> Attr.TIME_IN_FORCE_SHIFT) & Attr.TIME_IN_FORCE_MASK) === TimeInForce.IOC
  return {
    id,
    side: (((words[at]! >> Attr.SIDE_SHIFT) & 1) === Side.Buy ? 'buy' : 'sell') as RivalSide,
    size: words[at + PlaceCmd.LOTS]!,
    price: words[at + PlaceCmd.TICKS]!,
    ...(immediate ? { timeInForce: 'IOC' as LimitOrderOptions['timeInForce'] & string } : {}),
  } as LimitOrderOptions
}

const histogram = (): Histogram =>
  build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 1e10,
    numberOfSignificantValueDigits: 3,
  })

/** p50, p99, p99.9, p99.99 and the largest, in nanoseconds. */
const percentiles = (values: Histogram): number[] => [
  ...[50, 99, 99.9, 99.99].map((percent) => values.getValueAtPercentile(percent)),
  values.maxValue,
]

/** Nanoseconds from `start` to `end`, which are milliseconds. */
const nanoseconds = (start: number, end: number): number => Math.max(0, Math.round((end - start) * 1e6))

function latency(mix: MixName, seconds: number): Result {
  const paced = seconds * PACE_PER_SECOND
  const workload = makeWorkload(mix, WARM_UP + SEGMENT + paced, SEED)
  const { words, floats, setUp } = workload
  const engine = startedEngine(workload)
  let next = setUp + WARM_UP
  applyRange(engine, workload, setUp, next)

  const service = histogram()
  // The recording code is warm before it counts.
  for (const values of [histogram(), service])
    for (let index = 0; index < SEGMENT / 2; index++, next++) {
      const start = performance.now()
      engine.apply(words, floats, next * COMMAND_WORDS)
      values.recordValue(nanoseconds(start, performance.now()))
    }
  const clock = histogram()
  for (let index = 0; index < SEGMENT; index++) {
    const start = performance.now()
    clock.recordValue(nanoseconds(start, performance.now()))
  }

  // Paced: the time from when a command was planned to be sent, whether or not the engine was free then.
  const work = histogram()
  const from = next
  pace(paced, work, (index) => engine.apply(words, floats, (from + index) * COMMAND_WORDS))
  const idle = histogram()
  pace(paced, idle, () => {})
  return {
    service: percentiles(service),
    clock: percentiles(clock),
    paced: percentiles(work),
    hiccups: percentiles(idle),
    stateHash: stateHash(engine),
  }
}

/** Calls `step` once a microsecond by plan and records the time from plan to completion. */
function pace(count: number, values: Histogram, step: (index: number) => void): void {
  const start = performance.now()
  const gap = 1000 / PACE_PER_SECOND
  for (let index = 0; index < count; index++) {
    const planned = start + index * gap
    while (performance.now() < planned);
    step(index)
    values.recordValue(nanoseconds(planned, performance.now()))
  }
}

/** Allocation and collections while ten million commands are applied; making the stream does not count. */
async function heap(): Promise<Result> {
  const PIECE = 400_000
  const PIECES = 25
  const { words, floats, setUp, next } = streamInPieces('exchange', PIECE, SEED)
  const engine = createEngine(workloadOptions(() => {}))
  const apply = (count: number): void => {
    for (let index = 0; index < count; index++) engine.apply(words, floats, index * COMMAND_WORDS)
  }
  apply(setUp)
  for (let piece = 0; piece < 3; piece++) {
    next()
    apply(PIECE)
  }
  let major = 0
  let minor = 0
  let allocated = 0
  let counting = false
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!counting) continue
      // 1 = scavenge, the others collect the old space.
      if ((entry as unknown as { detail: { kind: number } }).detail.kind === 1) minor++
      else major++
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  for (let piece = 0; piece < PIECES; piece++) {
    next()
    globalThis.gc?.()
    await settle()
    counting = true
    const before = process.memoryUsage().heapUsed
    apply(PIECE)
    allocated += process.memoryUsage().heapUsed - before
    await settle()
    counting = false
  }
  observer.disconnect()
  return { commands: PIECES * PIECE, allocatedBytes: allocated, minor, major }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))

/** Milliseconds to capture 100,000 live orders, and to seal what was captured. */
function capture(): Result {
  const ORDERS = 100_000
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  const engine = createEngine(workloadOptions(() => {}))
  for (let account = 1; account <= 1000; account++)
    for (const asset of [0, 1]) {
      commands.writeDeposit(words, floats, 0, account, asset, 1e12)
      engine.apply(words, floats, 0)
    }
  for (let order = 0; order < ORDERS; order++) {
    const side = order & 1 ? Side.Sell : Side.Buy
    const away = 1 + ((order * 7919) % 5000)
    const ticks = side === Side.Sell ? 20_000 + away : 20_000 - away
    commands.writePlace(words, floats, 0, 1 + (order % 1000), 0, side, ticks, 1 + (order % 9), order)
    engine.apply(words, floats, 0)
  }
  const captures: number[] = []
  const seals: number[] = []
  let bytes = 0
  for (let round = 0; round < 12; round++) {
    const start = performance.now()
    const captured = engine.captureSnapshot()
    const middle = performance.now()
    sealSnapshot(captured)
    if (round >= 2) {
      captures.push(middle - start)
      seals.push(performance.now() - middle)
    }
    bytes = captured.length
  }
  return { captures, seals, bytes, orders: engine.liveOrders() }
}

async function contest(name: string, seconds: number): Promise<Result> {
  const [kind, subject] = name.split(/:(.*)/) as [string, string]
  switch (kind) {
    case 'book':
      return bookAlone(subject)
    case 'bare':
      return bareBookAlone(subject)
    case 'core':
      return wholeCore(subject as MixName)
    case 'nodejs-order-book':
      return rival(subject as MixName)
    case 'latency':
      return latency(subject as MixName, seconds)
    case 'heap':
      return heap()
    case 'capture':
      return capture()
    case 'ids':
      return idFlow(subject === 'hostile')
    case 'growth':
      return growth()
    case 'worst':
      return worstCommands()
    default:
      throw new Error(`no contestant "${name}"`)
  }
}

if (process.argv[1]?.endsWith('contestant.js')) {
  const [, , name = '', seconds = '3'] = process.argv
  tuneForEngine()
  process.stdout.write(JSON.stringify(await contest(name, Number(seconds))) + '\n')
}
