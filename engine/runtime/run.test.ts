/**
 * The run loop beside a ring each for what comes in, for the journal and for what goes out: work that is left
 * goes on by itself and before every message, and commands on which the engine breaks never reach the journal.
 */
import { CommandKind, EventKind, OrderType, Scope, Side } from '../codes.js'
import { FIRING_REST_MS } from '../limits.js'
import * as commands from '../commands.js'
import { commandRecord } from '../records/access.js'
import { ControlBlock, createControl } from '../rings/control.js'
import { createEngine } from '../core/engine.js'
import { InvariantError } from '../core/base/invariant-error.js'
import {
  BalanceEv,
  COMMAND_BYTES,
  COMMAND_WORDS,
  EVENT_WORDS,
  Ev,
  KIND_MASK,
  LevelEv,
  kindOf,
} from '../layout.js'
import {
  AttachmentKind,
  INBOUND_HEADER_WORDS,
  Inbound,
  InboundType,
  JOURNAL_HEADER_WORDS,
  JournalMessage,
  JournalMessageType,
  OUTBOUND_HEADER_WORDS,
  Outbound,
} from '../messages.js'
import { Publisher } from './publisher.js'
import { RingReader, RingWriter, createRing } from '../rings/ring.js'
import { RunLoop } from './run.js'
import { Sequencer } from './sequencer.js'
import type { Engine, GenesisConfig } from '../types.js'

const genesis: GenesisConfig = {
  assets: [
    { id: 0, symbol: 'USD' },
    { id: 1, symbol: 'ABC' },
  ],
  markets: [0, 1].map((id) => ({
    id,
    base: 1,
    quote: 0,
    lotUnits: 1,
    tickUnits: 1,
    makerFeePpm: 0,
    takerFeePpm: 0,
  })),
  capacities: { ordersMax: 256, levelsMax: 256, accountsMax: 8, sessionsMax: 2, commandStepsMax: 4 },
}
const noRoom = (): never => {
  throw new Error('a ring of this test is too small')
}

/** A loop at a clock that stands still unless it is set, and both ends of its rings. `broken` wraps the engine. */
function setUp(broken = (engine: Engine): Engine => engine) {
  const clock = { ms: 1000 }
  const control = new ControlBlock(createControl())
  const [inboundRing, journalRing, outboundRing] = [1 << 16, 1 << 20, 1 << 20].map(createRing)
  const doorbell = control.producerDoorbell(0)
  const publisher = new Publisher([{ ring: new RingWriter(outboundRing!), doorbell }], control, noRoom)
  const engine = broken(createEngine({ genesis, onEvents: (events) => publisher.onEvents(events) }))
  const loop = new RunLoop({
    engine,
    genesis,
    sequencer: new Sequencer(0, 1000, () => clock.ms),
    inbound: [new RingReader(inboundRing!)],
    journal: new RingWriter(journalRing!),
    publisher,
    control,
    waitForRoom: noRoom,
  })
  const inbound = new RingWriter(inboundRing!)
  const journal = new RingReader(journalRing!)
  const outbound = new RingReader(outboundRing!)
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  /** Sends one message: these records, or the one in `words`. */
  const submit = (...records: readonly Int32Array[]): void => {
    const given = records.length === 0 ? [words] : records
    const at = inbound.tryClaim(INBOUND_HEADER_WORDS * 4 + given.length * COMMAND_BYTES)
    const word = at / 4
    inbound.words.fill(0, word, word + INBOUND_HEADER_WORDS)
    inbound.words[word + Inbound.TYPE] = InboundType.Commands
    inbound.words[word + Inbound.COUNT] = given.length
    for (const [index, record] of given.entries())
      inbound.words.set(record, word + INBOUND_HEADER_WORDS + index * COMMAND_WORDS)
    inbound.commit()
  }
  /** Kinds of the commands of each message that the journal got since the last call. */
  const journaled = (): number[][] => {
    const kinds: number[][] = []
    for (let at = journal.peek(); at >= 0; at = journal.peek()) {
      const count = journal.words[at / 4 + JournalMessage.COUNT]!
      kinds.push(
        Array.from(
          { length: count },
          (_, index) => journal.words[at / 4 + JOURNAL_HEADER_WORDS + index * COMMAND_WORDS]! & KIND_MASK,
        ),
      )
      journal.release()
    }
    for (let at = outbound.peek(); at >= 0; at = outbound.peek()) outbound.release()
    return kinds
  }
  /** Kind, place (market or asset), account, ticks and both amounts of each view that was sent since the last call. */
  const views = (): number[][] => {
    const found: number[][] = []
    for (let at = outbound.peek(); at >= 0; at = outbound.peek()) {
      const count = outbound.words[at / 4 + Outbound.COUNT]!
      for (let index = 0; index < count; index++) {
        const word = at / 4 + OUTBOUND_HEADER_WORDS + index * EVENT_WORDS
        const kind = kindOf(outbound.words[word + Ev.KIND]!)
        if (kind !== EventKind.Level && kind !== EventKind.Balance) continue
        const own = [Ev.SUBJECT, Ev.ACCOUNT, LevelEv.TICKS].map((field) => outbound.words[word + field]!)
        const amounts = [BalanceEv.AVAILABLE_F64, BalanceEv.RESERVED_F64].map(
          (field) => outbound.floats[word / 2 + field]!,
        )
        found.push([kind, ...own, ...amounts])
      }
      outbound.release()
    }
    return found
  }
  return { loop, engine, words, floats, submit, journaled, views, journal, inbound, clock }
}

test('work that is left goes on before every message, and by itself', () => {
  const { loop, engine, words, floats, submit, journaled } = setUp()
  commands.writeDeposit(words, floats, 0, 1, 0, 1_000_000)
  submit()
  for (let order = 1; order <= 20; order++) {
    commands.writePlace(words, floats, 0, 1, 0, Side.Buy, order, 1, order)
    submit()
  }
  loop.turn()
  journaled()
  expect(loop.quietMs()).toBe(Infinity)
  commands.writeCancelAll(words, floats, 0, 1)
  submit()
  loop.turn()
  expect(journaled()).toEqual([[CommandKind.CancelAll]])
  expect([loop.quietMs(), engine.liveOrders()]).toEqual([0, 17])
  // The clock stands still, and yet each message has its Time command.
  commands.writeDeposit(words, floats, 0, 1, 0, 1)
  submit()
  submit()
  loop.turn()
  const { Deposit, Time } = CommandKind
  expect(journaled()).toEqual([
    [Time, Deposit],
    [Time, Deposit],
  ])
  expect(engine.liveOrders()).toBe(11)
  let ticks = 0
  for (; loop.quietMs() === 0; ticks++) loop.tick()
  expect([ticks, engine.liveOrders(), loop.quietMs()]).toEqual([4, 0, Infinity])
  loop.tick()
  expect(journaled()).toEqual(Array.from({ length: ticks }, () => [Time]))
})

/** A loop in which 20 buy stops of account 2 have been reached, of which a piece is left to Time commands. */
function setUpCascade() {
  const rig = setUp()
  const { loop, words, floats, submit, journaled } = rig
  for (const account of [1, 2])
    for (const asset of [0, 1]) {
      commands.writeDeposit(words, floats, 0, account, asset, 1_000_000)
      submit()
    }
  for (let order = 1; order <= 30; order++) {
    commands.writePlace(words, floats, 0, 1, 0, Side.Sell, 10, 1, order)
    submit()
  }
  const { StopLimit } = OrderType
  for (let stop = 1; stop <= 20; stop++) {
    commands.writePlace(words, floats, 0, 2, 0, Side.Buy, 10, 1, stop, 0, {
      type: StopLimit,
      triggerTicks: 10,
    })
    submit()
  }
  loop.turn()
  commands.writePlace(words, floats, 0, 2, 0, Side.Buy, 10, 1, 100)
  submit()
  loop.turn()
  journaled()
  return rig
}

test('between the pieces of a cascade of stops time stands still for a moment, and orders come in', () => {
  const { loop, engine, words, floats, submit, journaled, clock } = setUpCascade()
  expect([engine.isFiring, loop.quietMs()]).toEqual([true, 0])
  loop.tick()
  const { Place, Deposit, Time } = CommandKind
  expect(journaled()).toEqual([[Time]])
  // Time rests: neither by itself nor before an order does it go on, though the clock does.
  expect([engine.isFiring, loop.quietMs()]).toEqual([true, FIRING_REST_MS])
  clock.ms += FIRING_REST_MS - 1
  loop.tick()
  commands.writePlace(words, floats, 0, 1, 0, Side.Buy, 1, 1, 101)
  submit()
  loop.turn()
  expect(journaled()).toEqual([[Place]])
  expect(engine.timeMs).toBe(1000)
  clock.ms += 1
  commands.writeDeposit(words, floats, 0, 1, 0, 1)
  submit()
  loop.turn()
  // A piece stands in a message of its own, which nobody's answer waits for.
  expect(journaled()).toEqual([[Time], [Deposit]])
  expect(engine.timeMs).toBe(1000 + FIRING_REST_MS)
  // A clock that is set back holds nothing up, and what is left comes to its end.
  clock.ms = 500
  expect(loop.quietMs()).toBe(0)
  for (let pieces = 0; engine.isFiring; pieces++) {
    expect(pieces).toBeLessThan(20)
    loop.tick()
    clock.ms += FIRING_REST_MS
  }
  expect(engine.liveOrders()).toBe(30 - 21 + 1)
  // Then time goes on as ever.
  clock.ms = 5000
  submit()
  loop.turn()
  expect(journaled().at(-1)).toEqual([Time, Deposit])
})

/** A wallet approves session 1 of account 1. */
const approval = (): Int32Array => {
  const words = new Int32Array(COMMAND_WORDS)
  commands.writeApproveSession(words, 0, 1, new Uint8Array(32).fill(2), 0, {
    scopes: Scope.Trade,
    maxNotional: 0,
    expiresAtMs: 100_000,
    nonce: 1,
    deadlineMs: 2000,
  })
  return words
}

/** An unsigned frame of account 1's session 1: a sell of one lot each. */
const frame = (
  ...sells: readonly { readonly market: number; readonly ticks: number; readonly cloid: number }[]
): Int32Array[] => [
  commandRecord('UnsignedFrame', { account: 1, approval: 1, count: sells.length }),
  ...sells.map((sell) =>
    commandRecord('Place', { account: 1, side: Side.Sell, lots: 1, ...sell, cloid: BigInt(sell.cloid) }),
  ),
]

test('a frame’s orders fire none of the stops that are left to Time commands, and fire as ever when none is', () => {
  const { loop, engine, submit, clock } = setUpCascade()
  submit(approval())
  loop.turn()
  /** Live orders before a frame with one order that fills nothing, and after it. */
  const framed = (cloid: number): number => {
    const before = engine.liveOrders()
    submit(...frame({ market: 0, ticks: 11, cloid }))
    loop.turn()
    return engine.liveOrders() - before
  }
  while (engine.isFiring) {
    const before = engine.liveOrders()
    // Time rests now: the order stands, and no stop has traded.
    expect(framed(1000 + clock.ms)).toBe(1)
    expect(engine.liveOrders()).toBe(before + 1)
    clock.ms += FIRING_REST_MS
    loop.tick()
  }
  expect(framed(1)).toBe(1)
})

test('a market whose cascade goes on keeps no other market’s stops from firing', () => {
  const { loop, engine, words, floats, submit, clock } = setUpCascade()
  submit(approval())
  commands.writePlace(words, floats, 0, 2, 1, Side.Buy, 9, 1, 201)
  submit()
  commands.writePlace(words, floats, 0, 2, 1, Side.Sell, 9, 1, 202, 0, {
    type: OrderType.StopLimit,
    triggerTicks: 9,
  })
  submit()
  loop.turn()
  expect(engine.isFiring).toBe(true)
  // A fill of account 1 in the other market reaches the stop, and a frame with orders in the first fires nothing now.
  submit(...frame({ market: 1, ticks: 9, cloid: 203 }, { market: 0, ticks: 11, cloid: 204 }))
  loop.turn()
  const asks = (): number => engine.book(1, Side.Sell, 1).length
  expect(asks()).toBe(0)
  let pieces = 0
  for (; asks() === 0; pieces++) {
    clock.ms += FIRING_REST_MS
    loop.tick()
  }
  // At the second piece at the latest: each begins with another market.
  expect(pieces).toBeLessThanOrEqual(2)
  expect(engine.isFiring).toBe(true)
})

test('a frame with orders in another market fires what they reach, while a cascade goes on', () => {
  const { loop, engine, words, floats, submit } = setUpCascade()
  submit(approval())
  commands.writePlace(words, floats, 0, 2, 1, Side.Buy, 9, 1, 201)
  submit()
  const { StopLimit } = OrderType
  commands.writePlace(words, floats, 0, 2, 1, Side.Sell, 9, 1, 202, 0, { type: StopLimit, triggerTicks: 9 })
  submit()
  loop.turn()
  submit(...frame({ market: 1, ticks: 9, cloid: 203 }))
  loop.turn()
  expect(engine.isFiring).toBe(true)
  expect(engine.book(1, Side.Sell, 1)).toHaveLength(1)
})

test('each message is followed by every level and balance that it touched, as they are then', () => {
  const { loop, words, floats, submit, views } = setUp()
  const { Level, Balance } = EventKind
  const after = (): number[][] => {
    submit()
    loop.turn()
    return views()
  }
  const byAll = (a: number[], b: number[]): number => a[0]! - b[0]! || a[1]! - b[1]! || a[2]! - b[2]!
  commands.writeDeposit(words, floats, 0, 1, 1, 50)
  expect(after()).toEqual([[Balance, 1, 1, 0, 50, 0]])
  commands.writeDeposit(words, floats, 0, 2, 0, 1000)
  expect(after()).toEqual([[Balance, 0, 2, 0, 1000, 0]])
  commands.writePlace(words, floats, 0, 1, 0, Side.Sell, 10, 5, 1)
  // A trade can move either asset of the market: both are told.
  expect(after().sort(byAll)).toEqual([
    [Level, 0, 0, 10, 5, 1],
    [Balance, 0, 1, 0, 0, 0],
    [Balance, 1, 1, 0, 45, 5],
  ])
  commands.writePlace(words, floats, 0, 2, 0, Side.Buy, 11, 2, 1)
  const traded = after().sort(byAll)
  expect(traded.filter(([kind]) => kind === Level)).toContainEqual([Level, 0, 0, 10, 3, 1])
  expect(traded.filter(([kind, , account]) => kind === Balance && account !== 0)).toEqual([
    [Balance, 0, 1, 0, 20, 0],
    [Balance, 0, 2, 0, 980, 0],
    [Balance, 1, 1, 0, 45, 3],
    [Balance, 1, 2, 0, 2, 0],
  ])
})

test('a message that touches several levels is followed by each of them', () => {
  const { loop, words, floats, submit, views } = setUp()
  commands.writeDeposit(words, floats, 0, 1, 0, 1000)
  submit()
  for (const ticks of [10, 20, 30]) {
    commands.writePlace(words, floats, 0, 1, 0, Side.Buy, ticks, 1, ticks)
    submit()
  }
  loop.turn()
  views()
  commands.writeCancelAll(words, floats, 0, 1)
  submit()
  loop.turn()
  const levels = views().filter(([kind]) => kind === EventKind.Level)
  expect(levels.sort((a, b) => a[3]! - b[3]!)).toEqual(
    [10, 20, 30].map((ticks) => [EventKind.Level, 0, 0, ticks, 0, 0]),
  )
})

test('a message shorter than its header says is not executed', () => {
  const { loop, inbound, journaled } = setUp()
  const ATTACHED = 64
  for (const missing of [ATTACHED + 8, ATTACHED, 8, 0]) {
    const at = inbound.tryClaim(INBOUND_HEADER_WORDS * 4 + COMMAND_BYTES + ATTACHED - missing)
    inbound.words.fill(0, at / 4, at / 4 + INBOUND_HEADER_WORDS)
    inbound.words[at / 4 + Inbound.TYPE] = InboundType.Commands
    inbound.words[at / 4 + Inbound.COUNT] = 1
    inbound.words[at / 4 + Inbound.ATTACHMENT_BYTES] = ATTACHED
    inbound.commit()
    loop.turn()
    expect(journaled()).toHaveLength(missing === 0 ? 1 : 0)
  }
})

test('the end of the journal is one hash that covers no command, whatever stood in the ring before', () => {
  const { loop, engine, journal } = setUp()
  journal.words.fill(7)
  loop.close()
  const word = journal.peek() / 4
  const { TYPE, COUNT, ATTACHMENT_BYTES, ATTACHMENT_KIND, ATTACHMENT_FIRST } = JournalMessage
  const header = [TYPE, COUNT, ATTACHMENT_KIND, ATTACHMENT_FIRST].map((field) => journal.words[word + field])
  expect(header).toEqual([JournalMessageType.Close, 0, AttachmentKind.StateHash, 0])
  const hash = engine.stateHash()
  expect(journal.words[word + ATTACHMENT_BYTES]).toBe(hash.length)
  const from = (word + JOURNAL_HEADER_WORDS) * 4
  expect(journal.bytes.slice(from, from + hash.length)).toEqual(hash)
})

test('a message on which the engine breaks stops the loop before the journal has it', () => {
  const breaks = (engine: Engine): Engine =>
    new Proxy(engine, {
      get(target, key): unknown {
        if (key === 'apply')
          return (words: Int32Array, floats: Float64Array, at: number): void => {
            target.apply(words, floats, at)
            target.flush()
            if (kindOf(words[at]!) === CommandKind.Transfer) throw new InvariantError('a test breaks it')
          }
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value
      },
    })
  const { loop, words, floats, submit, journaled } = setUp(breaks)
  commands.writeDeposit(words, floats, 0, 1, 0, 1_000_000)
  submit()
  loop.turn()
  expect(journaled()).toEqual([[CommandKind.Deposit]])
  commands.writeTransfer(words, floats, 0, 1, 2, 0, 5)
  submit()
  expect(() => loop.turn()).toThrow(InvariantError)
  expect(journaled()).toEqual([])
})
