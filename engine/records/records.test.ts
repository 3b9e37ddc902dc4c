/**
 * The tables against the codes, the files that are made of them, and records of old: what a field's name means now, the
 * bytes meant before there was a table.
 */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandKind, EventKind } from '../codes.js'
import { createEngine } from '../core/engine.js'
import { APPROVAL_TIME_END } from '../limits.js'
import {
  type EventRecord,
  describeCommand,
  isSignedForm,
  readCommand,
  readEvent,
  writeCommand,
  writeEvent,
} from './access.js'
import { COMMAND_WORDS, attributes, commandHead, commandTable } from './command-table.js'
import { EVENT_WORDS, eventHead, eventTable, orderEvent } from './event-table.js'
import { type Fields, type Kind, bitsOf } from './fields.js'
import { offsetsSource, recordsPage } from './generate.js'
import { OWNER, SESSION_STATE_HASH, commandVectors, sessionCommands, sessionEvents } from './vectors.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

function record(words: number, hex = ''): { words: Int32Array; floats: Float64Array } {
  const bytes = new Uint8Array(words * 4)
  bytes.set(Buffer.from(hex, 'hex'))
  return { words: new Int32Array(bytes.buffer), floats: new Float64Array(bytes.buffer) }
}
const hexOf = (words: Int32Array): string =>
  Buffer.from(words.buffer, words.byteOffset, words.byteLength)
    .toString('hex')
    .replace(/(00)+$/, '')

/** The record at word 0 without the bits of its kind and of `fields`. */
function stray(words: Int32Array, fields: Fields): number[] {
  const rest = Array.from(words)
  rest[0]! &= ~0xff
  for (const field of Object.values(fields)) for (const [word, mask] of bitsOf(field)) rest[word]! &= ~mask
  return rest
}

test('what is made of the tables is committed: else npm run records', () => {
  expect(read('engine/records/offsets.ts')).toBe(offsetsSource())
  expect(read('docs/internals/records.md')).toBe(recordsPage())
})

describe.each([
  ['commands', commandTable as Readonly<Record<string, Kind>>, CommandKind, COMMAND_WORDS, {}],
  ['events', eventTable as Readonly<Record<string, Kind>>, EventKind, EVENT_WORDS, { seq: eventHead.seq }],
] as const)('the table of %s', (_, table, kinds, size, head) => {
  test('has every kind under its number', () => {
    expect(Object.fromEntries(Object.entries(table).map(([name, { kind }]) => [name, kind]))).toEqual(kinds)
  })

  test.each(Object.entries(table))(
    '%s: no two fields share a bit, and all lie in the record',
    (_name, kind) => {
      const taken = Array.from({ length: size }, () => 0)
      taken[0] = 0xff
      for (const [name, field] of Object.entries({ ...head, ...kind.fields })) {
        if (field.held.as === 'float64') expect([name, field.held.word % 2]).toEqual([name, 0])
        if (field.insteadOf !== undefined) {
          expect(bitsOf(field)).toEqual(bitsOf(kind.fields[field.insteadOf]!))
          continue
        }
        for (const [word, mask] of bitsOf(field)) {
          expect([name, word < size, taken[word]! & mask]).toEqual([name, true, 0])
          taken[word]! |= mask
        }
      }
    },
  )

  test('has bounds that are in order, and what is left out is within them', () => {
    for (const { fields } of Object.values(table))
      for (const [name, { min, max, optional, absent }] of Object.entries(fields))
        expect([name, min <= max, !optional || max === 0 || (min <= absent && absent <= max)]).toEqual([
          name,
          true,
          true,
        ])
  })
})

test('what records have in common stands at one place', () => {
  const subjects = ['market', 'asset', 'subject']
  for (const { fields } of Object.values<Kind>(commandTable)) {
    if (fields['account'] !== undefined) expect(fields['account'].held).toEqual(commandHead.account.held)
    for (const name of subjects)
      if (fields[name] !== undefined) expect(fields[name].held).toEqual(commandHead.subject.held)
  }
  for (const { fields } of Object.values<Kind>(eventTable)) {
    for (const name of ['account', 'makerAccount'])
      if (fields[name] !== undefined) expect(fields[name].held).toEqual(eventHead.account.held)
    for (const name of subjects)
      if (fields[name] !== undefined) expect(fields[name].held).toEqual(eventHead.subject.held)
  }
  // A refused command of an order is told where an order's own events have it, and its side with an order's attributes.
  for (const name of ['ticks', 'lots', 'cloid'] as const)
    expect(eventTable.Rejected.fields[name].held).toEqual(orderEvent[name].held)
  expect(commandTable.Place.fields.side).toBe(attributes.side)
})

test.each(commandVectors)('%s %j is the bytes that it was', (name, fields, hex) => {
  const { words, floats } = record(COMMAND_WORDS)
  words.fill(-1)
  writeCommand(words, floats, 0, name, fields)
  expect(hexOf(words)).toBe(hex)
  const { name: kind, ...values } = readCommand(words, floats, 0)!
  expect(kind).toBe(name)
  const { cloid } = fields as { cloid?: number | bigint }
  const given = cloid === undefined ? fields : { ...fields, cloid: BigInt(cloid) }
  expect(values).toMatchObject(given)
  // What was left out reads as absent.
  for (const [field, value] of Object.entries(values))
    if (!(field in fields))
      expect([field, Number(Array.isArray(value) ? value[0] : value)]).toEqual([
        field,
        (commandTable[name].fields as Fields)[field]!.absent,
      ])
  expect(describeCommand(words, floats, 0)['stray']).toBeUndefined()
})

describe('a session of old', () => {
  const events: { words: Int32Array; floats: Float64Array; event: EventRecord }[] = []
  const engine = createEngine({
    genesis: {
      assets: [
        { id: 0, symbol: 'USD' },
        { id: 1, symbol: 'ABC' },
      ],
      markets: [
        { id: 1, base: 1, quote: 0, lotUnits: 10, tickUnits: 100, makerFeePpm: -100, takerFeePpm: 500 },
      ],
    },
    onEvents: ({ words, count }) => {
      for (let index = 0; index < count; index++) {
        const copy = words.slice(index * EVENT_WORDS, (index + 1) * EVENT_WORDS)
        const floats = new Float64Array(copy.buffer)
        events.push({ words: copy, floats, event: readEvent(copy, floats, 0)! })
      }
    },
  })
  for (const hex of sessionCommands) {
    const { words, floats } = record(COMMAND_WORDS, hex)
    engine.apply(words, floats, 0)
  }
  engine.flush()
  const told = (name: EventRecord['name']): EventRecord[] =>
    events.map(({ event }) => event).filter((event) => event.name === name)

  test('has the events and the state that it had', () => {
    expect(events.map(({ words }) => hexOf(words))).toEqual(sessionEvents)
    expect(Buffer.from(engine.stateHash()).toString('hex')).toBe(SESSION_STATE_HASH)
  })

  test('has no event with a bit that its kind has no field for', () => {
    for (const { words, event } of events) {
      const fields = { seq: eventHead.seq, ...eventTable[event.name].fields }
      expect([event.name, stray(words, fields)]).toEqual([event.name, Array(EVENT_WORDS).fill(0)])
    }
  })

  test('is read by name', () => {
    expect(told('Fill')[0]).toEqual({
      name: 'Fill',
      seq: 17,
      makerSide: 1,
      market: 1,
      ticks: 1000,
      lots: 30,
      makerAccount: 1,
      makerCloid: 0x1122334455667788n,
      makerOrderId: 14,
      makerRemaining: 60,
      makerFee: -300,
      takerAccount: 2,
      takerCloid: 9n * 2n ** 32n + 0x0badcafen,
      takerOrderId: 17,
      takerRemaining: 1,
      takerFee: 1500,
    })
    expect(told('Accepted')[0]).toMatchObject({
      timeInForce: 3,
      displayLots: 30,
      expiresAtMs: 1_700_000_009_000,
    })
    expect(told('Accepted')[2]).toMatchObject({ orderType: 1, quoteBudget: 900_000 })
    expect(told('Amended')[0]).toMatchObject({ keptPlace: true, ticksBefore: 1000, waits: false })
    expect(told('Refilled')[0]).toMatchObject({ shownLots: 30, remaining: 60 })
    expect(told('Triggered')[0]).toMatchObject({ triggerTicks: 1000 })
    expect(told('Canceled').at(-1)).toMatchObject({ reason: 9 })
    expect(told('Rejected')[0]).toMatchObject({
      code: 46,
      command: CommandKind.Frame,
      frameCount: 1,
      firstSeq: 13,
    })
    expect(told('Deposited').at(-1)).toMatchObject({ asset: 5, fromChain: true, queueIndex: 2 })
    expect(told('Withdrawn')).toMatchObject([
      { account: 1, asset: 0, units: 5, nonce: 3, code: 0 },
      { asset: 5, units: 8, nonce: 0, code: 3 },
    ])
    expect(told('Transferred')[0]).toMatchObject({ account: 1, receiver: 2, asset: 0, units: 77 })
    expect(told('AccountOpened')[0]).toMatchObject({ account: 1, owner: OWNER })
    expect(told('SessionApproved')[1]).toMatchObject({ approval: 5, replaced: 4, scopes: 2, keyParity: 1 })
    expect(told('SessionRevoked')[0]).toMatchObject({ account: 1, approval: 5, nonce: 9 })
    expect(told('FrameOpened')[0]).toMatchObject({ approval: 5, nonce: 12, count: 1 })
    expect(told('MarketCreated')[0]).toMatchObject({
      market: 3,
      base: 2,
      quote: 0,
      lotUnits: 10,
      tickUnits: 100,
    })
    expect(told('MarketCreated')[0]).toMatchObject({ makerFeePpm: -5, takerFeePpm: 50, bandPpm: 1000 })
    expect(told('MarketStatusChanged')[0]).toMatchObject({ market: 3, status: 2 })
    expect(told('MarketFeesChanged')[1]).toMatchObject({ tier: 4, makerFeePpm: -7, takerFeePpm: 70 })
    expect(told('PriceBandChanged')[0]).toMatchObject({ market: 3, bandPpm: 2000 })
    expect(told('TierChanged')[0]).toMatchObject({ account: 2, tier: 4 })
    expect(told('AssetCreated')[0]).toMatchObject({ asset: 2, symbol: 'BTC-X.16CHARS~!?' })
    expect(told('CancelAfterSet')[0]).toMatchObject({ account: 2, atMs: 1_700_000_050_000 })
    expect(told('ProtectionChanged')[0]).toMatchObject({ windowMs: 1000, fills: 1, notionalUnits: 2 ** 40 })
    expect(told('ProtectionTriggered')[0]).toMatchObject({ account: 1, market: 1 })
    expect(told('CanceledAll')[0]).toMatchObject({ market: 1, side: 1, orders: 0, restFollows: false })
  })

  test('is written by name', () => {
    for (const { event } of events) {
      const { name, seq, ...fields } = event
      const { words, floats } = record(EVENT_WORDS)
      // A record says one of two fields that share a place.
      const given =
        name === 'Rejected' ? { ...fields, frameCount: undefined, latestExpiryMs: undefined } : fields
      writeEvent(words, floats, 0, name, seq, given as never)
      expect(hexOf(words)).toBe(sessionEvents[events.findIndex((each) => each.event === event)])
    }
  })
})

describe('the signed form', () => {
  const { words, floats } = record(COMMAND_WORDS)
  const place = { account: 7, market: 0, side: 1, ticks: 5, lots: 6, cloid: 1 } as const

  test('is the record of a client’s command for its own account', () => {
    writeCommand(words, floats, 0, 'Place', place)
    expect(isSignedForm(words, 0, 7)).toBe(true)
    expect(isSignedForm(words, 0, 8)).toBe(false)
    writeCommand(words, floats, 0, 'Deposit', { account: 7, asset: 0, units: 5 })
    expect(isSignedForm(words, 0, 7)).toBe(false)
    words[0] = 255
    expect(isSignedForm(words, 0, 7)).toBe(false)
  })

  test('has nothing of the edge or the operator, and no stray bit', () => {
    writeCommand(words, floats, 0, 'Place', { ...place, invalidSide: true })
    expect(isSignedForm(words, 0, 7)).toBe(false)
    writeCommand(words, floats, 0, 'CancelAll', { account: 7, reason: 12 })
    expect(isSignedForm(words, 0, 7)).toBe(false)
    writeCommand(words, floats, 0, 'Cancel', { account: 7, market: 0, cloid: 1 })
    expect(isSignedForm(words, 0, 7)).toBe(true)
    words[8] = 1
    expect(isSignedForm(words, 0, 7)).toBe(false)
    expect(describeCommand(words, floats, 0)).toEqual({
      kind: 'Cancel',
      account: 7,
      market: 0,
      cloid: '1',
      invalidCloid: false,
      deadlineMs: 0,
      stray: '0'.repeat(71) + '1' + '0'.repeat(56),
    })
  })
})

test('an approval refuses what its record cannot carry', () => {
  const { expiresAtMs: expiry, deadlineMs: deadline } = commandTable.ApproveSession.fields
  expect([expiry.max, deadline.max]).toEqual([APPROVAL_TIME_END - 1, APPROVAL_TIME_END - 1])
  const { words, floats } = record(COMMAND_WORDS)
  const terms = {
    account: 1,
    keyX: Array(8).fill(1),
    keyParity: 0,
    scopes: 2,
    maxNotional: 0,
    nonce: 1,
    deadlineMs: 1,
  }
  for (const expiresAtMs of [-1, 1.5, NaN, 2 ** 43])
    expect(() => writeCommand(words, floats, 0, 'ApproveSession', { ...terms, expiresAtMs })).toThrow(
      RangeError,
    )
})

test('a record of no kind is told by its words', () => {
  const { words, floats } = record(COMMAND_WORDS)
  words[0] = 200
  expect(readCommand(words, floats, 0)).toBeUndefined()
  expect(describeCommand(words, floats, 0)).toEqual({ kind: 200, words: '000000c8' + '0'.repeat(120) })
})
