/** The two passes of a turn, over a ring that the test fills: what is settled at once, and what waits for its turn. */
import { EVENT_WORDS } from '../../engine/layout.js'
import { OUTBOUND_HEADER_WORDS, Outbound, OutboundType } from '../../engine/messages.js'
import { ControlBlock, createControl } from '../../engine/rings/control.js'
import { RingWriter, createRing, ringDoorbell } from '../../engine/rings/ring.js'
import { EVENTS_A_TURN } from '../limits.js'
import { EngineLink } from './engine-link.js'

const HEAD = new Uint8Array(32)

function rig() {
  const [inbound, outbound, control] = [createRing(1 << 16), createRing(1 << 22), createControl()]
  const block = new ControlBlock(control)
  const writer = new RingWriter(outbound, block.producerDoorbell(0))
  const link = new EngineLink({ producer: 0, inbound, outbound, control })
  const log: string[] = []
  const running = link.run({
    settled: ({ lastSeq, more }) => log.push(`settled ${lastSeq}${more ? ' +' : ''}`),
    applied: ({ lastSeq, count }) => {
      expect(link.settledSeq).toBeGreaterThanOrEqual(link.handledSeq)
      log.push(`applied ${lastSeq} ${count}`)
    },
    answered: () => log.push('answered'),
    flush: () => log.push('flush'),
    stopped: () => log.push('stopped'),
  })
  return {
    link,
    log,
    running,
    durable: (seq: number): void => {
      block.setDurable(seq, HEAD)
      ringDoorbell(block.producerDoorbell(0))
    },
    /** The engine's message of what command `seq` did. */
    write: (
      seq: number,
      events: number,
      { more = false, type = OutboundType.Applied as number } = {},
    ): void => {
      const at = writer.tryClaim((OUTBOUND_HEADER_WORDS + events * EVENT_WORDS) * 4)
      expect(at).toBeGreaterThanOrEqual(0)
      const [word, float] = [at >> 2, at >> 3]
      writer.words.fill(0, word, word + OUTBOUND_HEADER_WORDS)
      writer.words[word + Outbound.TYPE] = type
      writer.words[word + Outbound.COUNT] = events
      writer.words[word + Outbound.MORE] = more ? 1 : 0
      writer.floats[float + Outbound.SEQ_F64] = seq
      writer.floats[float + Outbound.FIRST_SEQ_F64] = seq
      writer.commit()
    },
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('what a command came to is settled before what those before it did has been told of', async () => {
  const { link, log, running, durable, write } = rig()
  const part = EVENTS_A_TURN / 2
  for (let seq = 1; seq <= 6; seq++) write(seq, part)
  write(7, 1)
  durable(7)
  await turn()
  while (log.length === 0) await turn()
  // All is settled and answered; two messages fill the turn.
  const settled = [1, 2, 3, 4, 5, 6, 7].map((seq) => `settled ${seq}`)
  expect(log).toEqual([...settled, 'answered', `applied 1 ${part}`, `applied 2 ${part}`, 'flush'])
  expect([link.settledSeq, link.handledSeq]).toEqual([7, 2])
  // What comes meanwhile is settled with the next turn, once.
  write(8, 1)
  durable(8)
  log.length = 0
  while (link.handledSeq < 8) await turn()
  expect(log).toEqual([
    ...['settled 8', 'answered', `applied 3 ${part}`, `applied 4 ${part}`, 'flush'],
    ...['answered', `applied 5 ${part}`, `applied 6 ${part}`, 'flush'],
    ...['applied 7 1', 'applied 8 1', 'flush'],
  ])
  expect(link.settledSeq).toBe(8)
  write(8, 0, { type: OutboundType.Stop })
  await running
  expect(log.at(-1)).toBe('stopped')
})

test('nothing is settled that is not durable, and a command in parts is flushed whole', async () => {
  const { link, log, running, durable, write } = rig()
  write(1, 3)
  write(2, 2, { more: true })
  write(2, 1)
  write(3, 1)
  durable(1)
  while (log.length === 0) await turn()
  for (let turns = 0; turns < 5; turns++) await turn()
  expect(log).toEqual(['settled 1', 'applied 1 3', 'flush'])
  expect([link.settledSeq, link.handledSeq]).toEqual([1, 1])
  log.length = 0
  durable(2)
  write(4, 1)
  while (log.length === 0) await turn()
  expect(log).toEqual(['settled 2 +', 'settled 2', 'applied 2 2', 'applied 2 1', 'flush'])
  durable(4)
  write(4, 0, { type: OutboundType.Stop })
  await running
  expect(log.slice(5)).toEqual(['settled 3', 'settled 4', 'applied 3 1', 'applied 4 1', 'flush', 'stopped'])
})

test('what commands did is told whole with the last of its messages, though each has the last seq of all', async () => {
  const { link, log, running, durable, write } = rig()
  for (let part = 0; part < 4; part++) write(9, EVENTS_A_TURN / 2, { more: part < 3 })
  durable(9)
  while (log.length === 0) await turn()
  expect([link.settledSeq, link.handledSeq, link.within]).toEqual([9, 0, true])
  while (link.within) await turn()
  expect([link.settledSeq, link.handledSeq]).toEqual([9, 9])
  expect(log.filter((line) => line === 'flush')).toHaveLength(1)
  write(9, 0, { type: OutboundType.Stop })
  await running
})

test('over the ring’s end and back, each message is settled once and then applied, in order', async () => {
  const { log, running, durable, write } = rig()
  const expected: string[] = []
  let seq = 0
  for (let round = 0; round < 60; round++) {
    for (let count = 0; count < 7; count++) write(++seq, (seq * 37) % 900)
    durable(seq)
    while (!log.some((line) => line.startsWith(`applied ${seq} `))) await turn()
    for (let at = seq - 6; at <= seq; at++) expected.push(`settled ${at}`, `applied ${at} ${(at * 37) % 900}`)
  }
  const of = (kind: string) => (line: string) => line.startsWith(kind)
  for (const kind of ['settled', 'applied']) expect(log.filter(of(kind))).toEqual(expected.filter(of(kind)))
  write(seq, 0, { type: OutboundType.Stop })
  await running
})
