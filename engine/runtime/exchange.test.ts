/**
 * The whole exchange core with its real threads and a real disk: what goes in comes out, in order, once,
 * only when durable, and is there again after a stop and a start.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COMMAND_WORDS, EVENT_WORDS, Ev, LevelEv, kindOf } from '../layout.js'
import { EventKind, Side, TimeInForce } from '../codes.js'
import { ControlBlock } from '../rings/control.js'
import { startExchange, type ExchangeHandles } from './exchange.js'
import { GatedReader } from '../rings/gated-reader.js'
import { lockFolder } from '../journal/lock.js'
import {
  INBOUND_HEADER_WORDS,
  Inbound,
  InboundType,
  OUTBOUND_HEADER_WORDS,
  Outbound,
  OutboundType,
  QueryKind,
} from '../messages.js'
import { writeCommand } from '../records/access.js'
import { RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbellAsync } from '../rings/ring.js'
import type { GenesisConfig } from '../types.js'

const genesis: GenesisConfig = {
  assets: [
    { id: 0, symbol: 'BASE' },
    { id: 1, symbol: 'QUOTE' },
  ],
  markets: [{ id: 0, base: 0, quote: 1, lotUnits: 1, tickUnits: 1, makerFeePpm: 0, takerFeePpm: 0 }],
  feeAccount: 0,
  capacities: { ordersMax: 4096, levelsMax: 4096, accountsMax: 64, sessionsMax: 16 },
}

interface Message {
  readonly type: number
  readonly connection: number
  readonly request: number
  readonly more: number
  readonly firstSeq: number
  readonly seq: number
  readonly durableSeq: number
  readonly events: { kind: number; side: number; account: number; a: number; b: number; seq: number }[]
  readonly answer: unknown
}

/** A gateway without sockets. */
class Producer {
  readonly seen: Message[] = []
  private readonly control: ControlBlock
  private readonly writer: RingWriter
  private readonly reader: GatedReader
  private answerText = ''

  constructor(
    handles: ExchangeHandles,
    private readonly index: number,
  ) {
    this.control = new ControlBlock(handles.control)
    this.writer = new RingWriter(handles.inbound[index]!, this.control.engineDoorbell)
    this.reader = new GatedReader(handles.outbound[index]!, this.control)
  }

  commands(
    connection: number,
    request: number,
    fill: ((words: Int32Array, floats: Float64Array) => void)[],
  ): void {
    const at = this.writer.tryClaim(INBOUND_HEADER_WORDS * 4 + fill.length * COMMAND_WORDS * 4)
    this.header(at, InboundType.Commands, connection, request)
    this.writer.words[at / 4 + Inbound.COUNT] = fill.length
    fill.forEach((write, index) => {
      const from = at / 4 + INBOUND_HEADER_WORDS + index * COMMAND_WORDS
      const words = this.writer.words.subarray(from, from + COMMAND_WORDS)
      write(words, this.writer.floats.subarray(from / 2, (from + COMMAND_WORDS) / 2))
    })
    this.writer.commit()
  }

  query(request: number, kind: number, subject: number): void {
    const at = this.writer.tryClaim(INBOUND_HEADER_WORDS * 4)
    this.header(at, InboundType.Query, 1, request)
    this.writer.words[at / 4 + Inbound.QUERY_KIND] = kind
    this.writer.words[at / 4 + Inbound.QUERY_SUBJECT] = subject
    this.writer.commit()
  }

  raw(type: number, request: number, count: number): void {
    const at = this.writer.tryClaim(INBOUND_HEADER_WORDS * 4)
    this.header(at, type, 1, request)
    this.writer.words[at / 4 + Inbound.COUNT] = count
    this.writer.commit()
  }

  /** Reads until `isDone`, at most 20 seconds. */
  async until(isDone: (message: Message) => boolean): Promise<Message> {
    const bell = this.control.producerDoorbell(this.index)
    for (let sleeps = 0; sleeps < 200;) {
      const message = this.poll()
      if (message !== undefined) {
        if (isDone(message)) return message
        continue
      }
      const seen = armDoorbell(bell)
      const late = this.poll()
      if (late !== undefined) {
        disarmDoorbell(bell)
        if (isDone(late)) return late
        continue
      }
      await sleepOnDoorbellAsync(bell, seen, 100)
      sleeps++
    }
    throw new Error('no such message came')
  }

  private poll(): Message | undefined {
    const at = this.reader.poll()
    if (at < 0) return undefined
    const { words, floats } = this.reader
    const word = at / 4
    const count = words[word + Outbound.COUNT]!
    const events = Array.from({ length: count }, (_, index) => {
      const from = word + OUTBOUND_HEADER_WORDS + index * EVENT_WORDS
      return {
        kind: kindOf(words[from]!),
        side: (words[from]! >> 8) & 1,
        account: words[from + Ev.ACCOUNT]!,
        // Of a Level view: lots and orders.
        a: floats[from / 2 + LevelEv.LOTS_F64]!,
        b: floats[from / 2 + LevelEv.ORDERS_F64]!,
        seq: floats[from / 2 + Ev.SEQ_F64]!,
      }
    })
    const more = words[word + Outbound.MORE]!
    const bytes = words[word + Outbound.ANSWER_BYTES]!
    const from = at + OUTBOUND_HEADER_WORDS * 4
    this.answerText += Buffer.from(this.reader.bytes.slice(from, from + bytes)).toString()
    const message: Message = {
      type: words[word + Outbound.TYPE]!,
      connection: words[word + Outbound.CONNECTION]!,
      request: words[word + Outbound.REQUEST]!,
      more,
      firstSeq: floats[at / 8 + Outbound.FIRST_SEQ_F64]!,
      seq: floats[at / 8 + Outbound.SEQ_F64]!,
      durableSeq: this.control.durableSeq,
      events,
      answer: more === 0 && this.answerText !== '' ? JSON.parse(this.answerText) : undefined,
    }
    if (more === 0) this.answerText = ''
    this.reader.release()
    this.seen.push(message)
    return message
  }

  private header(at: number, type: number, connection: number, request: number): void {
    this.writer.words.fill(0, at / 4, at / 4 + INBOUND_HEADER_WORDS)
    this.writer.words[at / 4 + Inbound.TYPE] = type
    this.writer.words[at / 4 + Inbound.CONNECTION] = connection
    this.writer.words[at / 4 + Inbound.REQUEST] = request
  }
}

type Write = (words: Int32Array, floats: Float64Array) => void

const deposit =
  (account: number, asset: number, units: number): Write =>
  (words, floats) =>
    writeCommand(words, floats, 0, 'Deposit', { account, asset, units })

const place =
  (account: number, cloid: number, side: number, ticks: number, lots: number): Write =>
  (words, floats) =>
    writeCommand(words, floats, 0, 'Place', { account, market: 0, cloid, side, ticks, lots })

const goodTill =
  (account: number, cloid: number, expiresAtMs: number): Write =>
  (words, floats) =>
    writeCommand(words, floats, 0, 'Place', {
      ...{ account, market: 0, cloid, side: Side.Buy, ticks: 1, lots: 1 },
      timeInForce: TimeInForce.GTD,
      expiresAtMs,
    })

const time: Write = (words, floats) =>
  writeCommand(words, floats, 0, 'Time', { timeMs: Number.MAX_SAFE_INTEGER })

describe('exchange', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-exchange-'))
  const running = new Set<ExchangeHandles>()
  const start = async (
    more: { outboundBytes?: number; isLocked?: boolean } = {},
  ): Promise<ExchangeHandles> => {
    const handles = await startExchange({
      dataDir,
      genesis,
      gateways: 2,
      segmentBytes: 1024 * 1024,
      snapshotEvery: 0,
      ...more,
    })
    running.add(handles)
    return handles
  }
  const stop = async (handles: ExchangeHandles): Promise<void> => {
    running.delete(handles)
    await handles.stop()
  }
  // A failed assertion must not leave threads behind: they would keep the test process alive.
  afterEach(async () => {
    for (const handles of running) await stop(handles)
  })
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

  test('answers in order, to the one that asked, after it is durable, and recovers', async () => {
    const first = await start()
    expect([first.epoch, first.seq]).toEqual([1, 0])
    await expect(start()).rejects.toThrow(/in use by process/)
    const [alice, bob] = [new Producer(first, 0), new Producer(first, 1)]
    alice.commands(7, 1, [deposit(1, 1, 1_000_000), deposit(2, 0, 1_000)])
    alice.commands(7, 2, [place(1, 11, Side.Buy, 100, 5)])
    bob.commands(9, 3, [place(2, 12, Side.Sell, 100, 2)])
    const fill = await bob.until(({ request }) => request === 3)
    expect(fill.connection).toBe(9)
    expect(fill.events.filter(({ kind }) => kind === EventKind.Fill)).toHaveLength(1)
    const level = fill.events.find(({ kind, side }) => kind === EventKind.Level && side === Side.Buy)
    expect([level?.a, level?.b]).toEqual([3, 1])
    const balance = fill.events.find(({ kind, account }) => kind === EventKind.Balance && account === 1)
    expect(balance).toBeDefined()

    alice.query(4, QueryKind.AccountPage, 1)
    const answer = await alice.until(({ request }) => request === 4)
    expect(answer.type).toBe(OutboundType.Answer)
    expect((answer.answer as { rows: unknown[][] }).rows[0]!.slice(2)).toEqual([
      0,
      [
        [0, 2, 0],
        [1, 1_000_000 - 500, 300],
      ],
      // Highest nonces of the wallet's approvals and withdrawals.
      0,
      0,
    ])
    // Both gateways saw the same events; only the asker saw its connection.
    const forAlice = alice.seen.find(({ seq }) => seq === fill.seq)!
    expect(forAlice.connection).toBe(-1)
    expect(forAlice.events).toEqual(fill.events)
    for (const message of [...alice.seen, ...bob.seen])
      expect(message.durableSeq).toBeGreaterThanOrEqual(message.seq)

    await stop(first)
    const ended = await alice.until(({ type }) => type === OutboundType.Stop)
    expect(ended.seq).toBeGreaterThanOrEqual(fill.seq)

    const second = await start()
    expect([second.epoch, second.seq]).toEqual([2, ended.seq])
    const again = new Producer(second, 0)
    again.query(5, QueryKind.OrderPage, 0)
    const orders = (await again.until(({ request }) => request === 5)).answer as { rows: number[][] }
    expect(orders.rows.map(([, account, , cloidLow]) => [account, cloidLow])).toEqual([[1, 11]])
    await stop(second)
  })

  test('a folder that its caller has locked is not locked again, nor let go', async () => {
    const release = lockFolder(dataDir)
    try {
      await stop(await start({ isLocked: true }))
      await expect(start()).rejects.toThrow(/in use by process/)
    } finally {
      release()
    }
  })

  test('a malformed message is answered, a foreign Time is refused, and the exchange goes on', async () => {
    const handles = await start()
    const producer = new Producer(handles, 0)
    producer.raw(99, 1, 0)
    producer.raw(InboundType.Commands, 2, 0)
    producer.raw(InboundType.Commands, 3, 5000)
    producer.raw(InboundType.Commands, 4, 3)
    for (const request of [1, 2, 3, 4]) {
      const { answer } = await producer.until((message) => message.request === request)
      expect((answer as { error: string }).error).toMatch(/unknown inbound|commands in a message|asks for/)
    }
    producer.commands(1, 5, [time])
    const { events } = await producer.until(({ request }) => request === 5)
    expect(events.some(({ kind }) => kind === EventKind.Rejected)).toBe(true)
    producer.query(6, QueryKind.OrderPage, 0)
    const orders = (await producer.until(({ request }) => request === 6)).answer as { rows: number[][] }
    // Ticks, lots, remaining of the one that rests.
    expect(orders.rows.map((row) => row.slice(6, 9))).toEqual([[100, 5, 3]])
    await stop(handles)
  })

  test('an order expires on time though nobody asks, and an idle exchange writes nothing', async () => {
    const handles = await start()
    const producer = new Producer(handles, 0)
    producer.commands(1, 900, [goodTill(1, 900, Date.now() + 150)])
    const { seq } = await producer.until(({ request }) => request === 900)
    const expired = await producer.until(({ events }) =>
      events.some(({ kind }) => kind === EventKind.Canceled),
    )
    expect(expired.connection).toBe(-1)
    expect(expired.seq).toBe(seq + 1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    producer.query(901, QueryKind.StateHash, 0)
    const idle = await producer.until(({ request }) => request === 901)
    expect((idle.answer as { seq: number }).seq).toBe(expired.seq)
    await stop(handles)
  })

  test('a gateway that does not read makes the engine wait, and misses nothing afterwards', async () => {
    const handles = await start({ outboundBytes: 64 * 1024 })
    const [quick, slow] = [new Producer(handles, 0), new Producer(handles, 1)]
    const sent = 400
    for (let request = 1; request <= sent; request++)
      quick.commands(1, request, [deposit(3, 0, 1), deposit(3, 1, 1)])
    // The slow gateway's ring fills with the first answers: the last cannot come.
    await new Promise((resolve) => setTimeout(resolve, 200))
    const before = new ControlBlock(handles.control).sequencedSeq
    expect(before).toBeLessThan(handles.seq + 2 * sent)
    const [last] = await Promise.all([
      quick.until(({ request }) => request === sent),
      slow.until(({ seq }) => seq >= handles.seq + 2 * sent),
    ])
    if (slow.seen.at(-1)!.seq < last.seq) await slow.until(({ seq }) => seq === last.seq)
    const deposits = (producer: Producer): number[] =>
      producer.seen.flatMap(({ events }) =>
        events.filter(({ kind }) => kind === EventKind.Deposited).map(({ seq }) => seq),
      )
    expect(deposits(quick)).toHaveLength(2 * sent)
    expect(deposits(slow)).toEqual(deposits(quick))
    await stop(handles)
  })

  test('a snapshot is taken beside the live engine and the next start rests on it', async () => {
    const handles = await start()
    const producer = new Producer(handles, 0)
    for (let cloid = 100; cloid < 200; cloid++)
      producer.commands(1, cloid, [place(1, cloid, Side.Buy, 1 + (cloid % 7), 1)])
    await producer.until(({ request }) => request === 199)
    const seq = await handles.snapshot()
    expect(seq).toBeGreaterThan(100)
    producer.commands(1, 300, [place(1, 300, Side.Buy, 1, 1)])
    await producer.until(({ request }) => request === 300)
    await stop(handles)
    const next = await start()
    expect(next.snapshotSeq).toBe(seq)
    expect(next.replayed).toBe(next.seq - seq)
    await stop(next)
  })
})
