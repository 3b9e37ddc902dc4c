/** Snapshots that go out page by page: whole for each who asks, from their first page when they begin anew. */
import type { Codec } from '../../sdk/wire/codec.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { Connection } from '../connections/connection.js'
import { type PageSource, PagedSnapshots } from './paged-snapshot.js'
import type { Stream } from './stream.js'

const PAGES = 3
/** Its messages stay what they are. */
const codec = { encode: (message: WireValue) => message } as unknown as Codec

/** A stream whose state is told in PAGES pages, of which each names its seq. */
class Told {
  lastSeq = 1
  /** From which point a connection can still go on. */
  keptFrom = 0
  readonly closed: number[] = []
  readonly stream: Stream

  constructor(readonly name: string) {
    this.stream = Object.defineProperties({} as Stream, {
      name: { value: name },
      epoch: { value: 1 },
      lastSeq: { get: () => this.lastSeq },
      paged: { value: { source: () => this.source() } },
      canResume: { value: (_epoch: number, seq: number) => seq >= this.keptFrom },
      resume: { value: (_connection: Connection, _epoch: number, seq: number) => seq >= this.keptFrom },
      tellResync: { value: () => {} },
    })
  }

  private source(): PageSource {
    const seq = this.lastSeq
    let made = 0
    return {
      next: () => `${seq}:${made++}`,
      get done() {
        return made >= PAGES
      },
      close: () => this.closed.push(seq),
    }
  }
}

/** A connection that reads as much as `unsentBytes` says. */
function reader() {
  const pages: string[] = []
  const state = { closed: false, unsentBytes: 0, codec, pages, flush: () => {}, close: () => {} }
  const sendEncoded = (message: readonly unknown[]): void => void pages.push(message[4] as string)
  const connection = Object.assign(state, { sendEncoded })
  return { connection: connection as unknown as Connection, state, pages }
}
const STUCK = 1e9
const turns = async (count = 5): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
const pagesOf = (seq: number): string[] => Array.from({ length: PAGES }, (_, page) => `${seq}:${page}`)

test('who is overtaken within a snapshot gets the next one from its first page', async () => {
  const told = new Told('book')
  const snapshots = new PagedSnapshots(() => {})
  const slow = reader()
  let followed = false
  const { state } = slow
  // It stops reading behind the first page.
  state.flush = () => (state.unsentBytes = STUCK)
  Object.assign(state, {
    sendEncoded: (message: readonly unknown[]) => {
      slow.pages.push(message[4] as string)
      if (slow.pages.length === 1) state.unsentBytes = STUCK
    },
  })
  snapshots.begin(slow.connection, told.stream, () => (followed = true))
  await turns()
  expect(slow.pages).toEqual(['1:0'])
  // What it would go on with is kept no more, and another one has begun anew.
  told.lastSeq = 9
  told.keptFrom = 5
  const other = reader()
  snapshots.begin(other.connection, told.stream, () => {})
  await turns()
  expect(other.pages).toEqual(pagesOf(9))
  state.flush = () => {}
  state.unsentBytes = 0
  snapshots.wake()
  await turns()
  expect([slow.pages, followed]).toEqual([['1:0', ...pagesOf(9)], true])
})

test('a connection leaves one stream, and goes on with its others', async () => {
  const [first, second] = [new Told('first'), new Told('second')]
  const snapshots = new PagedSnapshots(() => {})
  const { connection, pages } = reader()
  snapshots.begin(connection, first.stream, () => {})
  snapshots.begin(connection, second.stream, () => {})
  second.lastSeq = 2
  snapshots.forget(connection, 'first')
  await turns()
  expect(pages).toEqual(pagesOf(1))
  expect(snapshots.size).toBe(2)
})

test('a snapshot that nobody reads any more is let go after a while', async () => {
  const told = new Told('book')
  const snapshots = new PagedSnapshots(() => {})
  const { connection } = reader()
  snapshots.begin(connection, told.stream, () => {})
  await turns()
  snapshots.sweep(performance.now())
  expect([snapshots.size, told.closed]).toEqual([1, []])
  snapshots.sweep(performance.now() + 60_000)
  expect([snapshots.size, told.closed]).toEqual([0, [1]])
})
