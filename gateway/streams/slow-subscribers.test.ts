/** What exactly a subscriber gets that reads too slowly, counted with a socket whose unread bytes the test sets. */
import { Control, Kind } from '../../sdk/wire/layout.js'
import { Subprotocol } from '../../sdk/wire/version.js'
import { codecOf } from '../../sdk/wire/codec.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { type ClientSocket, Connection } from '../connections/connection.js'
import { Stream } from './stream.js'

const CONFLATE_BYTES = 100
const NAME = 'book:0'
const codec = codecOf(Subprotocol.Json)!

/** A connection that has `unread` bytes unread, and everything that it was sent. */
function subscriber() {
  const sent: WireValue[][] = []
  const told = { unread: 0, sent, connection: undefined as unknown as Connection }
  const socket = {
    getBufferedAmount: () => told.unread,
    cork: (send: () => void) => send(),
    send: (data: string) => sent.push(codec.decode(Buffer.from(data)) as WireValue[]),
  }
  told.connection = new Connection({
    id: 1,
    socket: socket as unknown as ClientSocket,
    codec,
    ip: '127.0.0.1',
    challenge: new Uint8Array(32),
    unsentBytesMax: 1 << 20,
    onDirty: (connection) => queueMicrotask(() => connection.flush()),
    onRefused: () => {},
  })
  return told
}

function stream(conflate: boolean, keep = 100): { stream: Stream; publish: (seq: number) => Promise<void> } {
  let newest = 0
  const made = new Stream({
    name: NAME,
    epoch: 7,
    lastSeq: 0,
    keep,
    keepBytes: 1 << 20,
    entriesHaveSeq: !conflate,
    public: { conflateBytes: CONFLATE_BYTES, snapshot: () => ({ data: [[newest]] }), conflate },
  })
  return {
    stream: made,
    publish: async (seq) => {
      newest = seq
      made.publish(seq, [[seq]])
      await Promise.resolve()
    },
  }
}

const event = (seq: number, prevSeq: number): WireValue[] => [Kind.Event, NAME, seq, prevSeq, [[seq]]]
const snapshot = (seq: number): WireValue[] => [Kind.Snapshot, NAME, 7, seq, [[seq]]]
const slow = [Kind.Control, Control.Slow, { stream: NAME }]
const resync = [Kind.Control, Control.Resync, { stream: NAME }]

test('a conflated stream: told once, skipped from there, then the newest state and each event behind it', async () => {
  const { stream: book, publish } = stream(true)
  const [reads, lags] = [subscriber(), subscriber()]
  for (const { connection } of [reads, lags]) book.start(connection)
  await publish(1)
  lags.unread = CONFLATE_BYTES
  await publish(2)
  lags.unread = CONFLATE_BYTES + 1
  await publish(3)
  await publish(4)
  await publish(5)
  expect(lags.sent).toEqual([snapshot(0), event(1, 0), event(2, 1), slow])
  lags.unread = 0
  lags.connection.slow = false
  book.catchUp(lags.connection)
  book.catchUp(lags.connection)
  await publish(6)
  await publish(7)
  expect(lags.sent.slice(4)).toEqual([resync, snapshot(5), event(6, 5), event(7, 6)])
  // Who reads has missed nothing.
  expect(reads.sent).toEqual([snapshot(0), ...[1, 2, 3, 4, 5, 6, 7].map((seq) => event(seq, seq - 1))])
})

test('a stream of which nothing is replaced: what was skipped comes later, once', async () => {
  const { stream: trades, publish } = stream(false)
  const lags = subscriber()
  trades.start(lags.connection)
  await publish(1)
  lags.unread = CONFLATE_BYTES + 1
  for (const seq of [2, 3, 4]) await publish(seq)
  lags.unread = 0
  trades.catchUp(lags.connection)
  await publish(5)
  expect(lags.sent).toEqual([
    snapshot(0),
    event(1, 0),
    slow,
    ...[2, 3, 4, 5].map((seq) => event(seq, seq - 1)),
  ])
})

test('the same, when what was skipped is no longer kept: a new beginning, which says so', async () => {
  const { stream: trades, publish } = stream(false, 2)
  const lags = subscriber()
  trades.start(lags.connection)
  lags.unread = CONFLATE_BYTES + 1
  for (let seq = 1; seq <= 8; seq++) await publish(seq)
  lags.unread = 0
  trades.catchUp(lags.connection)
  await publish(9)
  expect(lags.sent).toEqual([snapshot(0), slow, resync, snapshot(8), event(9, 8)])
})
