/** The ring keeps every message, in order, whole, at any length and across the wrap, also between threads. */
import { Worker } from 'node:worker_threads'
import { RING_BYTES_MAX } from '../limits.js'
import {
  RingReader,
  RingWriter,
  armDoorbell,
  createRing,
  ringDoorbell,
  sleepOnDoorbell,
  type Doorbell,
} from './ring.js'

/** Small seeded generator (xorshift32). */
function random(seed: number): (end: number) => number {
  let state = seed
  return (end) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % end
  }
}

describe('ring', () => {
  test('refuses capacities that are no power of two or out of bounds', () => {
    for (const capacity of [0, 1000, 512, 1025, RING_BYTES_MAX * 2, NaN])
      expect(() => createRing(capacity)).toThrow(/power of two/)
  })

  test('shows the messages that wait, across the wrap, and takes none', () => {
    const sab = createRing(1024)
    const writer = new RingWriter(sab)
    const reader = new RingReader(sab)
    const waiting: number[] = []
    for (let message = 0; message < 500; message++) {
      const length = 8 + (message % 23) * 8
      for (let at = writer.tryClaim(length); ; at = writer.tryClaim(length)) {
        if (at >= 0) {
          writer.words[at / 4] = message
          break
        }
        reader.peek()
        reader.release()
        waiting.shift()
      }
      writer.commit()
      waiting.push(message)
      const seen: number[] = []
      reader.scan((at, bytes) => {
        expect(bytes).toBe(8 + (reader.words[at / 4]! % 23) * 8)
        return seen.push(reader.words[at / 4]!) < 5
      })
      expect(seen).toEqual(waiting.slice(0, 5))
    }
  })

  test('gives back messages of any length in order, across the wrap', () => {
    const sab = createRing(1024)
    const writer = new RingWriter(sab)
    const reader = new RingReader(sab)
    const next = random(7)
    const queue: { length: number; fill: number }[] = []
    let written = 0
    for (let step = 0; step < 30_000; step++) {
      if (next(2) === 0) {
        const length = next(400)
        const at = writer.tryClaim(length)
        if (at < 0) continue
        expect(at % 8).toBe(0)
        const fill = written++ & 255
        writer.bytes.fill(fill, at, at + length)
        writer.commit()
        queue.push({ length, fill })
      } else {
        const at = reader.peek()
        const expected = queue.shift()
        if (expected === undefined) {
          expect(at).toBe(-1)
          continue
        }
        expect(reader.length).toBe(expected.length)
        expect(reader.bytes.subarray(at, at + expected.length).every((byte) => byte === expected.fill)).toBe(
          true,
        )
        reader.release()
      }
    }
    expect(written).toBeGreaterThan(5_000)
  })

  test('shows nothing before the commit, several claims under one commit', () => {
    const sab = createRing(1024)
    const writer = new RingWriter(sab)
    const reader = new RingReader(sab)
    writer.words[writer.tryClaim(8) / 4] = 1
    writer.words[writer.tryClaim(8) / 4] = 2
    expect(reader.peek()).toBe(-1)
    writer.commit()
    expect(reader.words[reader.peek() / 4]).toBe(1)
    reader.release()
    expect(reader.words[reader.peek() / 4]).toBe(2)
    expect(writer.isDrained()).toBe(false)
    reader.release()
    expect(writer.isDrained()).toBe(true)
  })

  test('is full at its capacity, takes the largest message at every position, refuses a larger one', () => {
    const sab = createRing(1024)
    const writer = new RingWriter(sab)
    const reader = new RingReader(sab)
    let count = 0
    while (writer.tryClaim(56) >= 0) count++
    writer.commit()
    expect(count).toBe(1024 / 64)
    while (reader.peek() >= 0) reader.release()
    for (let shift = 0; shift < 300; shift++) {
      expect(writer.tryClaim(writer.bodyBytesMax)).toBeGreaterThan(0)
      writer.commit()
      expect(reader.peek()).toBeGreaterThan(0)
      reader.release()
      expect(writer.tryClaim(0)).toBeGreaterThan(0)
      writer.commit()
      expect(reader.peek()).toBeGreaterThan(0)
      reader.release()
    }
    expect(() => writer.tryClaim(writer.bodyBytesMax + 1)).toThrow(RangeError)
  })

  test('a doorbell is rung only for a sleeper, and an early ring is not lost', () => {
    const doorbell: Doorbell = { words: new Int32Array(new SharedArrayBuffer(64)), index: 0 }
    ringDoorbell(doorbell)
    expect(doorbell.words[0]).toBe(0)
    const seen = armDoorbell(doorbell)
    ringDoorbell(doorbell)
    // Rung between arming and sleeping: the sleep ends at once and not at its time-out.
    const before = process.hrtime.bigint()
    sleepOnDoorbell(doorbell, seen, 60_000)
    expect(Number(process.hrtime.bigint() - before)).toBeLessThan(30e9)
    expect(doorbell.words[1]).toBe(0)
  })

  test('carries a million words between two threads without loss', async () => {
    const count = 100_000
    const sab = createRing(4096)
    const bells = new SharedArrayBuffer(64)
    const source = `
      const { workerData } = require('node:worker_threads')
      import(workerData.ring).then(({ RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbell }) => {
        const words = new Int32Array(workerData.bells)
        const room = { words, index: 8 }
        const writer = new RingWriter(workerData.sab, { words, index: 0 })
        for (let value = 0; value < workerData.count; value++) {
          const length = 4 * (1 + (value % 19))
          let at
          while ((at = writer.tryClaim(length)) < 0) {
            const seen = armDoorbell(room)
            if ((at = writer.tryClaim(length)) >= 0) { disarmDoorbell(room); break }
            sleepOnDoorbell(room, seen, 1000)
          }
          writer.words.fill(value, at / 4, (at + length) / 4)
          writer.commit()
        }
      })`
    const worker = new Worker(source, {
      eval: true,
      workerData: { ring: new URL('./ring.js', import.meta.url).href, sab, bells, count },
    })
    const words = new Int32Array(bells)
    const doorbell = { words, index: 0 }
    const reader = new RingReader(sab, { words, index: 8 })
    let value = 0
    let idle = 0
    // A bounded number of idle waits: a lost wake-up ends the test instead of hanging it.
    while (value < count && idle < 300) {
      const at = reader.peek()
      if (at < 0) {
        const seen = armDoorbell(doorbell)
        if (reader.peek() < 0) {
          sleepOnDoorbell(doorbell, seen, 100)
          idle = reader.peek() < 0 ? idle + 1 : 0
        }
        continue
      }
      if (reader.length !== 4 * (1 + (value % 19))) break
      const body = reader.words.subarray(at / 4, (at + reader.length) / 4)
      if (!body.every((word) => word === value)) break
      reader.release()
      value++
    }
    await worker.terminate()
    expect(value).toBe(count)
  })
})
