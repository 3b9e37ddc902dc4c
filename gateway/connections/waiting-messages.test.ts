/** Messages that wait: all of them, in order, whatever their size; their memory goes with them. */
import { WaitingMessages } from './waiting-messages.js'

test('what goes in comes out in order, while some is taken and some is added', () => {
  const waiting = new WaitingMessages()
  const expected: string[] = []
  const got: string[] = []
  let bytes = 0
  for (let count = 0; count < 30_000; count++) {
    // Sizes from nothing to a few thousand, more in than out until two thirds have come.
    const text = `${count}:`
      .padEnd(count % 97 === 0 ? 3000 : count % 41, 'x')
      .slice(count % 50 === 0 ? 1e9 : 0)
    waiting.push(Buffer.from(text), count)
    expected.push(text)
    bytes += 12 + text.length
    for (let out = 0; out < (count < 20_000 ? count % 2 : 3) && !waiting.isEmpty; out++) {
      expect(waiting.firstBytes).toBe(expected[got.length]!.length)
      expect(waiting.firstSeq).toBe(got.length)
      got.push(Buffer.from(waiting.shift()).toString())
      bytes -= 12 + got.at(-1)!.length
    }
    expect(waiting.bytes).toBe(bytes)
  }
  while (!waiting.isEmpty) got.push(Buffer.from(waiting.shift()).toString())
  expect(got).toEqual(expected)
  expect(waiting.bytes).toBe(0)
})

test('a message without bytes takes room too', () => {
  const waiting = new WaitingMessages()
  for (let count = 0; count < 100; count++) waiting.push(new Uint8Array(0), 0)
  expect(waiting.bytes).toBe(1200)
  expect(waiting.shift()).toHaveLength(0)
})
