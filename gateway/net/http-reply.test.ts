/** An answer that its client does not read is held, counted and bounded until the kernel has all of it. */
import { boundUnsent, type Unread } from '../connections/unsent.js'
import type { HttpRequest, HttpResponse } from '../sockets/backend.js'
import { Reply } from './http-reply.js'

/** A connection of which the kernel takes as much as `room` allows. */
class Slow {
  room = 0
  got = ''
  isClosed = false
  readonly headers: string[] = []
  #offset = 0
  #write: ((offset: number) => boolean) | undefined
  #aborted: (() => void) | undefined

  readonly response = {
    getRemoteAddress: () => new ArrayBuffer(4),
    onAborted: (run: () => void) => (this.#aborted = run),
    cork: (write: () => void) => write(),
    writeStatus: () => {},
    writeHeader: (name: string, value: string) => this.headers.push(`${name}: ${value}`),
    end: (body: string) => (this.got += body),
    tryEnd: (body: string | Uint8Array, bytes: number): [boolean, boolean] => {
      const all = Buffer.from(body as string)
      const taken = all.subarray(0, this.room)
      this.room -= taken.length
      this.#offset += taken.length
      this.got += taken.toString()
      return [taken.length === all.length, this.#offset === bytes]
    },
    getWriteOffset: () => this.#offset,
    onWritable: (write: (offset: number) => boolean) => (this.#write = write),
    close: () => {
      this.isClosed = true
      this.#aborted!()
    },
  } as unknown as HttpResponse

  /** The kernel takes so much more. */
  takes(bytes: number): void {
    this.room = bytes
    this.#write!(this.#offset)
  }
}

const held = new Set<Unread>()
const left: boolean[] = []
function asked(slow: Slow): Reply {
  const request = { getMethod: () => 'get' } as unknown as HttpRequest
  const reply = new Reply(slow.response, request, 'a', () => true, held)
  reply.onLeft((wasHeld) => left.push(wasHeld))
  return reply
}
beforeEach(() => {
  held.clear()
  left.length = 0
})

test('what the kernel takes at once has left', () => {
  const slow = new Slow()
  slow.room = 100
  asked(slow).send(200, 'text/plain', 'x'.repeat(100))
  expect([slow.got.length, held.size, left]).toEqual([100, 0, [false]])
})

test.each(['0123456789'.repeat(10), Buffer.from('0123456789'.repeat(10))])(
  'what it does not take is held whole, and counts for so long',
  (body) => {
    const slow = new Slow()
    slow.room = 30
    const reply = asked(slow)
    reply.send(200, 'text/plain', body)
    expect([held.has(reply), reply.unsentBytes, left]).toEqual([true, 70, []])
    slow.takes(50)
    expect([held.has(reply), reply.unsentBytes, left]).toEqual([true, 20, []])
    slow.takes(0)
    expect([reply.unsentBytes, left]).toEqual([20, []])
    slow.takes(1000)
    expect([held.size, reply.unsentBytes, left]).toEqual([0, 0, [true]])
    expect(slow.got).toBe('0123456789'.repeat(10))
  },
)

test('whoever goes, or is closed, holds nothing any more', () => {
  const slow = new Slow()
  const reply = asked(slow)
  reply.send(200, 'text/plain', 'abc')
  expect(held.size).toBe(1)
  slow.response.close()
  expect([held.size, reply.unsentBytes, left]).toEqual([0, 0, [true]])
})

test('a large last answer asks the client to end its connection, which is kept for certain until it does', () => {
  const slow = new Slow()
  slow.room = 10_000
  const reply = asked(slow)
  reply.closes = true
  reply.send(200, 'text/plain', 'x'.repeat(10_000))
  expect(slow.headers).toContain('connection: close')
  expect([slow.got.length, held.size, left]).toEqual([10_000, 0, [true]])
})

test('where all hold too much, those who have read least are closed', () => {
  const all = [100, 5, 60, 40].map((bytes) => {
    const slow = new Slow()
    asked(slow).send(200, 'text/plain', 'x'.repeat(bytes))
    return slow
  })
  boundUnsent(held, 205)
  expect(all.map(({ isClosed }) => isClosed)).toEqual([false, false, false, false])
  boundUnsent(held, 204)
  expect(all.map(({ isClosed }) => isClosed)).toEqual([true, false, true, false])
  expect([...held].map(({ unsentBytes }) => unsentBytes)).toEqual([5, 40])
})
