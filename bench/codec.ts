/**
 * `node dist/bench/codec.js [--out FILE]`: the hand-written MessagePack codec against msgpackr and JSON,
 * on the messages that matter: a signed frame of 16 orders in, its result out, levels of a book out. Median of five
 * rounds of each, in turn.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { Packr, Unpackr } from 'msgpackr'
import { CommandKind } from '../engine/codes.js'
import { COMMAND_WORDS } from '../engine/layout.js'
import { jsonCodec, msgpackCodec } from '../sdk/wire/codec.js'
import { type WireCommand, commandToWire, payloadToRecords } from '../sdk/wire/commands.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../sdk/wire/msgpack.js'
import { machine } from './support/machine.js'

const ROUNDS = 5
const ROUND_MS = 300

/** Calls a second in one round. */
function rateOf(work: () => unknown): number {
  const start = performance.now()
  let calls = 0
  let elapsed = 0
  while (elapsed < ROUND_MS) {
    for (let index = 0; index < 200; index++) work()
    calls += 200
    elapsed = performance.now() - start
  }
  return (calls * 1000) / elapsed
}

const commands = Array.from({ length: 16 }, (_, index): WireCommand => ({
  kind: CommandKind.Place,
  market: 1,
  side: index & 1,
  ticks: 250_000 + index,
  lots: 1000 + index,
  cloid: (1n << 60n) + BigInt(index),
}))
const payload = commands.map(commandToWire)
const request: WireValue = [0, 77, 'frame', [3, 1.7e15, packMsgpack(payload), new Uint8Array(64)]]
const result: WireValue = [
  1,
  77,
  [123_456_789_012, commands.map((_, index) => [0, 123_456_789_013 + index, 1, 1000, 0])],
]
/** 50 levels of a book that changed. */
const levels: WireValue = [
  4,
  'book:0:50',
  123_456_789_012,
  123_456_789_000,
  Array.from({ length: 50 }, (_, index) => [index & 1, 250_000 + index, 1000 * index]),
]
const packr = new Packr({ useRecords: false })
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' })
const words = new Int32Array(16 * COMMAND_WORDS)
const floats = new Float64Array(words.buffer)
const bytes = {
  request: packMsgpack(request),
  payload: packMsgpack(payload),
  result: packMsgpack(result),
  levels: packMsgpack(levels),
}
const text = { payload: jsonCodec.encode(payload) as string, result: jsonCodec.encode(result) as string }

const cases: Record<string, () => unknown> = {
  'request, own reader': () => unpackMsgpack(bytes.request),
  'request, msgpackr reading': () => unpackr.unpack(bytes.request),
  'payload of 16, own reader': () => unpackMsgpack(bytes.payload),
  'payload of 16, msgpackr reading': () => unpackr.unpack(bytes.payload),
  'payload of 16, JSON.parse': () => JSON.parse(text.payload),
  'payload of 16 to command records': () =>
    payloadToRecords(unpackMsgpack(bytes.payload), 1, words, floats, 0),
  'result of 16, own reader': () => unpackMsgpack(bytes.result),
  'result of 16, msgpackr reading': () => unpackr.unpack(bytes.result),
  '50 levels, own reader': () => unpackMsgpack(bytes.levels),
  '50 levels, msgpackr reading': () => unpackr.unpack(bytes.levels),
  '50 levels, own writer': () => msgpackCodec.encode(levels),
  '50 levels, msgpackr writing': () => packr.pack(levels),
  'result of 16, own writer': () => msgpackCodec.encode(result),
  'result of 16, msgpackr writing': () => packr.pack(result),
  'result of 16, JSON': () => jsonCodec.encode(result),
}
const rates = Object.entries(cases).map(([name, work]) => ({ name, work, ofRounds: [] as number[] }))
for (let round = 0; round < ROUNDS; round++)
  for (const { work, ofRounds } of rates) ofRounds.push(rateOf(work))
const results = rates.map(({ name, ofRounds }) => ({
  name,
  perSecond: Math.round(ofRounds.sort((a, b) => a - b)[ROUNDS >> 1]!),
}))
for (const { name, perSecond } of results) console.log(`${name}: ${perSecond.toLocaleString('en')}/s`)
const { values } = parseArgs({ options: { out: { type: 'string' } } })
if (values.out !== undefined) {
  mkdirSync(dirname(values.out), { recursive: true })
  const about = { ...machine(), loadAverage: loadavg()[0] }
  writeFileSync(values.out, `${JSON.stringify({ machine: about, results }, null, 2)}\n`)
}
