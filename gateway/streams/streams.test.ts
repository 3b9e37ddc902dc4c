/**
 * Streams under strain: a subscriber that never reads, many that come back at once, several gateway
 * threads, history after a restart, cancel on disconnect.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PrivateKeyAccount } from 'viem/accounts'
import { WebSocket } from 'ws'
import { startRig } from '../../bench/support/gateway-rig.js'
import { type Client, createClient } from '../../sdk/index.js'
import { Subprotocol } from '../../sdk/wire/version.js'
import { jsonCodec, unpackJson } from '../../sdk/wire/codec.js'
import { Control, Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { Connection, type ClientSocket } from '../connections/connection.js'
import { EventMemory } from './kept-events.js'
import { Stream } from './stream.js'
import { testWithThreads } from '../../test/support/sockets.js'

async function until(condition: () => boolean | Promise<boolean>, what: string, ms = 180_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A connection on a socket that takes `room` bytes and then reads no more. */
function deafConnection(room: number, unsentBytesMax: number) {
  const sent: WireValue[][] = []
  let buffered = 0
  let ended: number | undefined
  const socket = {
    getBufferedAmount: () => buffered,
    cork: (send: () => void) => send(),
    send: (data: string) => {
      sent.push(unpackJson(data) as WireValue[])
      const taken = Math.min(room, data.length)
      room -= taken
      buffered += data.length - taken
    },
    end: (code: number) => (ended = code),
  }
  const connection = new Connection({
    id: 1,
    socket: socket as unknown as ClientSocket,
    codec: jsonCodec,
    ip: '127.0.0.1',
    challenge: new Uint8Array(32),
    unsentBytesMax,
    onDirty: () => {},
    onRefused: () => {},
  })
  const reads = (): void => {
    buffered = 0
    connection.slow = false
  }
  return { connection, sent, reads, buffered: () => buffered, ended: () => ended }
}

const open = async (url: string, wallet: PrivateKeyAccount | undefined): Promise<Client> => {
  const client = await createClient({ url, wallet: wallet!, reconnectDelayMsMax: 200 }).connect()
  await client.createSession()
  return client
}
const FREE = { perSecond: 1e9, burst: 1e9 }

test('a stream resumes, cuts what was seen, or starts anew', () => {
  const sent: unknown[][] = []
  const connection = {
    codec: { encode: (message: unknown) => message },
    unsentBytes: 0,
    send: (message: unknown[]) => sent.push(message),
    sendEncoded: (message: unknown[]) => sent.push(message),
  } as never
  const stream = new Stream({
    name: 'trades:0',
    epoch: 4,
    lastSeq: 10,
    keep: 4,
    keepBytes: 1 << 20,
    entriesHaveSeq: true,
  })
  for (let seq = 12; seq <= 40; seq += 2)
    stream.publish(seq, [
      [seq - 1, 'a'],
      [seq, 'b'],
    ])
  expect(stream.resume(connection, 3, 38)).toBe(false)
  expect(stream.resume(connection, 4, 41)).toBe(false)
  expect(stream.resume(connection, 4, 10)).toBe(false)
  expect(sent).toEqual([])
  expect(stream.resume(connection, 4, 37)).toBe(true)
  expect(sent).toEqual([
    [3, 'trades:0', 38, 37, [[38, 'b']]],
    [
      3,
      'trades:0',
      40,
      38,
      [
        [39, 'a'],
        [40, 'b'],
      ],
    ],
  ])
  stream.publish(42, [[42, 'c']])
  expect(sent.at(-1)).toEqual([3, 'trades:0', 42, 40, [[42, 'c']]])
})

test('who never reads a public stream is told, skipped, and caught up with the newest state', () => {
  const { connection, sent, reads, buffered } = deafConnection(1000, 1 << 20)
  let state = 0
  const book = new Stream({
    name: 'book:0',
    epoch: 1,
    lastSeq: 0,
    keep: 16,
    keepBytes: 1 << 20,
    public: { conflateBytes: 2000, conflate: true, snapshot: () => ({ data: ['state', state] }) },
  })
  book.start(connection)
  for (state = 1; state <= 10_000; state++) {
    book.publish(state, ['delta', state])
    connection.flush()
  }
  // What waits for it is bounded, however long it stays away.
  expect(buffered()).toBeLessThan(2200)
  const last = sent.findLastIndex(([kind]) => kind === Kind.Event)
  expect(sent.slice(last + 1)).toEqual([[Kind.Control, Control.Slow, { stream: 'book:0' }]])
  reads()
  state--
  book.catchUp(connection)
  book.publish(20_000, ['delta', 'next'])
  connection.flush()
  expect(sent.slice(last + 2)).toEqual([
    [Kind.Control, Control.Resync, { stream: 'book:0' }],
    [Kind.Snapshot, 'book:0', 1, 10_000, ['state', 10_000]],
    [Kind.Event, 'book:0', 20_000, 10_000, ['delta', 'next']],
  ])
})

test('who falls behind on trades gets each that was missed, or a snapshot when they are too many', () => {
  const { connection, sent, reads } = deafConnection(0, 1 << 20)
  const trades = new Stream({
    name: 'trades:0',
    epoch: 1,
    lastSeq: 0,
    keep: 50,
    keepBytes: 1 << 20,
    entriesHaveSeq: true,
    public: { conflateBytes: 500, conflate: false, snapshot: () => ({ data: 'latest' }) },
  })
  trades.start(connection)
  const publish = (from: number, to: number): void => {
    for (let seq = from; seq <= to; seq++) {
      trades.publish(seq, [[seq, 0]])
      connection.flush()
    }
  }
  publish(1, 40)
  reads()
  trades.catchUp(connection)
  connection.flush()
  const seqs = sent.filter(([kind]) => kind === Kind.Event).map(([, , seq]) => seq)
  expect(seqs).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
  publish(41, 400)
  reads()
  trades.catchUp(connection)
  connection.flush()
  expect(sent.at(-1)).toEqual([Kind.Snapshot, 'trades:0', 1, 400, 'latest'])
})

test('who never reads a private stream is closed with a code, and nothing is dropped before', () => {
  const { connection, sent, ended } = deafConnection(0, 5000)
  const orders = new Stream({
    name: 'orders',
    epoch: 1,
    lastSeq: 0,
    keep: 1000,
    keepBytes: 1 << 20,
    entriesHaveSeq: true,
  })
  orders.startFromSnapshot(connection, { data: [] })
  let seq = 0
  while (ended() === undefined && seq < 10_000) {
    orders.publish(++seq, [[seq, 1]])
    connection.flush()
  }
  expect(ended()).toBe(4006)
  expect(connection.closed).toBe(true)
  const got = sent.filter(([kind]) => kind === Kind.Event).map(([, , at]) => at as number)
  expect(got).toEqual(Array.from({ length: got.length }, (_, index) => index + 1))
  // It comes back where it was, and has every one.
  const back = deafConnection(1 << 20, 1 << 20)
  expect(orders.resume(back.connection, 1, got.at(-1)!)).toBe(true)
  back.connection.flush()
  expect(back.sent.map(([, , at]) => at)).toEqual(
    Array.from({ length: seq - got.length }, (_, index) => got.length + 1 + index),
  )
})

testWithThreads('two gateway threads share a port; clients of either see the same', async () => {
  const rig = await startRig({ accounts: 2, gateways: 2, config: { connectRate: FREE, requestRate: FREE } })
  const clients = await Promise.all(
    Array.from({ length: 8 }, (_, index) => open(rig.url, rig.wallets[index % 2])),
  )
  const books = await Promise.all(clients.map((client) => client.trackBook(0)))
  await Promise.all(
    clients.map((client, index) => client.placeOrder({ market: 0, side: 'buy', ticks: 10 + index, lots: 1 })),
  )
  await until(() => books.every((book) => book.bids().length === 8), 'every book')
  // Whoever comes back on another thread resumes or starts anew, and misses nothing.
  const fills = await Promise.all(clients.map((client) => client.trackFills()))
  for (const client of clients) client.dropConnection()
  await until(() => clients.every(({ state }) => state === 'open'), 'connections')
  await clients[1]!.placeOrder({
    market: 0,
    side: 'sell',
    ticks: 16,
    lots: 2,
    timeInForce: 'IOC',
    selfTrade: 'cancelMaker',
  })
  await until(() => fills[0]!.fills.length + fills[2]!.fills.length >= 2, 'fills')
  expect(books.every(({ healed }) => healed === 0)).toBe(true)
  for (const client of clients) client.close()
  await rig.stop()
})

test('history and sessions outlive a restart', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-restart-'))
  const folder = join(dataDir, 'gateway')
  const options = { accounts: 2, dataDir, gateway: { folder } }
  const first = await startRig(options)
  const maker = await open(first.url, first.wallets[0])
  const taker = await open(first.url, first.wallets[1])
  await maker.placeOrder({ market: 0, side: 'sell', ticks: 100, lots: 5 })
  await taker.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 2 })
  const tracker = await maker.trackFills()
  const before = {
    fills: await maker.fills(),
    trades: await maker.trades(0),
    candles: await maker.candles(0, '1m'),
  }
  expect(before.fills).toMatchObject({ fills: [expect.anything()], complete: true })
  const { session } = maker
  maker.close()
  taker.close()
  await first.stop()

  const second = await startRig(options)
  // Logged on with the session of before: no wallet is asked again.
  const back = await createClient({ url: second.url }).connect()
  await back.logon(session!)
  expect(await back.fills()).toEqual(before.fills)
  expect(await back.trades(0)).toEqual(before.trades)
  expect(await back.candles(0, '1m')).toEqual(before.candles)
  expect(await back.depth(0, 5)).toMatchObject({ asks: [[100, 3, 1]] })
  expect(tracker.complete).toBe(true)
  back.close()
  await second.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

test('history of another journal is not taken for this one’s', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-history-'))
  const trade = async (times: number): Promise<void> => {
    const rig = await startRig({ accounts: 2, gateway: { folder } })
    const maker = await open(rig.url, rig.wallets[0])
    const taker = await open(rig.url, rig.wallets[1])
    for (let count = 0; count < times; count++) {
      await maker.placeOrder({ market: 0, side: 'sell', ticks: 100 + times, lots: 1, cloid: BigInt(count) })
      await taker.placeOrder({ market: 0, side: 'buy', ticks: 100 + times, lots: 1 })
    }
    const expected = Array.from({ length: times }, () => [100 + times, 1])
    expect((await maker.fills()).fills.map(({ ticks, lots }) => [ticks, lots])).toEqual(expected)
    expect((await maker.trades(0)).map((entry) => [entry[2], entry[3]])).toEqual(expected)
    expect((await maker.candles(0, '1d')).at(-1)!.slice(1, 6)).toEqual([
      100 + times,
      100 + times,
      100 + times,
      100 + times,
      times,
    ])
    expect(await maker.order({ cloid: BigInt(times - 1) })).toMatchObject({ state: 'filled' })
    maker.close()
    taker.close()
    await rig.stop()
  }
  await trade(5)
  await trade(2)
  rmSync(folder, { recursive: true, force: true })
})

test('orders go with the connection that asked for it', async () => {
  const rig = await startRig({ accounts: 2 })
  const quoting = await open(rig.url, rig.wallets[0])
  const watching = await open(rig.url, rig.wallets[1])
  await quoting.cancelOnDisconnect(true)
  await quoting.placeOrder({ market: 0, side: 'buy', ticks: 10, lots: 1 })
  quoting.close()
  await until(async () => (await watching.depth(0, 5)).bids.length === 0, 'cancelled')
  watching.close()
  await rig.stop()
})

test('what a stream keeps is bounded in bytes, whatever an event holds, and so are all streams together', () => {
  const memory = new EventMemory(300_000)
  const make = (name: string, lastSeq = 0): Stream =>
    new Stream({ name, epoch: 1, lastSeq, keep: 4096, keepBytes: 100_000, memory, entriesHaveSeq: true })
  const stream = make('orders')
  const entries = (seq: number, count: number): WireValue[] =>
    Array.from({ length: count }, () => [seq, 1, 2, 3n, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  for (let seq = 1; seq <= 1000; seq++) stream.publish(seq, entries(seq, 100))
  expect(stream.keptBytes).toBeLessThanOrEqual(100_000)
  expect(stream.keptBytes).toBeGreaterThan(10_000)
  expect(stream.canResume(1, 999)).toBe(true)
  expect(stream.canResume(1, 1)).toBe(false)
  // One event that is larger than all that may be kept: nobody resumes across it.
  stream.publish(1001, entries(1001, 10_000))
  expect(stream.canResume(1, 1000)).toBe(false)
  expect(stream.keptBytes).toBeLessThanOrEqual(100_000)
  const others = Array.from({ length: 20 }, (_, index) => make(`other${index}`))
  for (const other of others) for (let seq = 1; seq <= 50; seq++) other.publish(seq, entries(seq, 20))
  expect(memory.bytes).toBeLessThanOrEqual(300_000)
  // The newest stream keeps its events; the oldest has lost them, and says so.
  expect(others.at(-1)!.canResume(1, 49)).toBe(true)
  expect(others[0]!.canResume(1, 49)).toBe(false)
})

test('an event of many commands is told in several, none of which ends within a command', () => {
  const sent: WireValue[][] = []
  const connection = {
    codec: { encode: (message: unknown) => message },
    unsentBytes: 0,
    send: (message: WireValue[]) => sent.push(message),
    sendEncoded: (message: WireValue[]) => sent.push(message),
  } as never
  const stream = new Stream({
    name: 'orders',
    epoch: 1,
    lastSeq: 0,
    keep: 99,
    keepBytes: 1e9,
    entriesHaveSeq: true,
  })
  stream.startFromSnapshot(connection, { data: [] })
  const entries = Array.from({ length: 3000 }, (_, index) => [1 + Math.floor(index / 300), index])
  stream.publish(10, entries)
  const events = sent.slice(1)
  expect(events.map(([, , seq, prevSeq, data]) => [seq, prevSeq, (data as unknown[]).length])).toEqual([
    [2, 0, 600],
    [4, 2, 600],
    [6, 4, 600],
    [8, 6, 600],
    [10, 8, 600],
  ])
  expect(events.flatMap(([, , , , data]) => data)).toEqual(entries)
})

testWithThreads(
  'depth and L3 positions of another gateway thread start from a snapshot; ticker times agree with HTTP',
  async () => {
    const rig = await startRig({ accounts: 2, gateways: 2 })
    const maker = await open(rig.url, rig.wallets[0])
    /** Position and first message of a stream on whatever thread the connection falls to. */
    const follow = (name: string, from?: WireValue) =>
      new Promise<{ message: WireValue[]; close: () => void }>((resolve, reject) => {
        const socket = new WebSocket(rig.url, Subprotocol.Json)
        socket.onopen = () =>
          socket.send(JSON.stringify([0, 1, 'subscribe', from === undefined ? [name] : [name, from]]))
        socket.onerror = () => reject(new Error('no connection'))
        socket.onmessage = ({ data }) => {
          const message = unpackJson((data as Buffer).toString()) as WireValue[]
          if (message[0] !== Kind.Snapshot && message[0] !== Kind.Event) return
          if (message[1] === name) resolve({ message, close: () => socket.close() })
        }
      })
    await maker.placeOrder({ market: 0, side: 'buy', ticks: 10, lots: 1 })
    for (const name of ['book:0:5', 'l3:0']) {
      const epochs = new Map<number, number>()
      for (let count = 0; count < 200 && epochs.size < 2; count++) {
        const { message, close } = await follow(name)
        expect(message[0]).toBe(Kind.Snapshot)
        epochs.set(message[2] as number, message[3] as number)
        close()
      }
      // The two threads never take each other's positions for their own.
      expect(epochs.size).toBe(2)
      const [[epoch, seq]] = [...epochs] as [[number, number]]
      await maker.placeOrder({ market: 0, side: 'buy', ticks: 11 + epochs.size, lots: 1 })
      const kinds = new Map<number, WireValue>()
      for (let count = 0; count < 200 && kinds.size < 2; count++) {
        const { message, close } = await follow(name, [epoch, seq])
        // Resumed where the history is the same; anew, with another epoch, where it is not.
        if (message[0] === Kind.Snapshot) expect(message[2]).not.toBe(epoch)
        kinds.set(message[0] as number, message[2]!)
        close()
      }
      expect([...kinds.keys()].sort()).toEqual([Kind.Event, Kind.Snapshot])
    }

    const taker = await open(rig.url, rig.wallets[1])
    const told: { timeMs: number; lastTicks: number }[] = []
    await taker.subscribe('ticker:0', ({ data }) => told.push(data as never))
    await taker.placeOrder({ market: 0, side: 'sell', ticks: 1, lots: 1, timeInForce: 'IOC' })
    await until(() => (told.at(-1)?.lastTicks ?? 0) > 0, 'the trade')
    // An order behind the best price changes nothing that the ticker tells.
    await maker.placeOrder({ market: 0, side: 'buy', ticks: 2, lots: 1 })
    const answer = await taker.ticker(0)
    expect({ ...answer }).toEqual(told.at(-1))
    taker.close()
    maker.close()
    await rig.stop()
  },
  300_000,
)
