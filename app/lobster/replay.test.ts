/**
 * The replay against an embedded engine, on real order flow where it is at hand: price-time priority
 * must agree with what the market published. Small made-up flows cover what the sample does not show.
 */
import { resolve } from 'node:path'
import { CommandKind, EventKind, Side, TimeInForce } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { COMMAND_WORDS, EVENT_WORDS, Ev, FillEv, RejectedEv, kindOf } from '../../engine/layout.js'
import { cloidAt, writeCommand } from '../../engine/records/access.js'
import { type WireCommand, commandToRecord, commandToWire } from '../../sdk/wire/commands.js'
import { LOCAL_GENESIS } from '../start/genesis.js'
import { type LobsterBook, LobsterFileError, parseMessages, parseOrderbook, readLobster } from './files.js'
import { LobsterReplay, type Role, type Venue, type VenueFill, type VenueOrder } from './replay.js'
import { testWithFile } from '../../test/support/needs.js'

const ACCOUNTS: Record<Role, number> = { flow: 1, seed: 2, taker: 3 }
const ROLES = Object.keys(ACCOUNTS) as Role[]

/** An embedded engine as the replay's venue. */
class EngineVenue implements Venue {
  #fills: VenueFill[] = []
  #code = 0
  readonly #words = new Int32Array(COMMAND_WORDS)
  readonly #floats = new Float64Array(this.#words.buffer)
  readonly engine = createEngine({
    genesis: { ...LOCAL_GENESIS, requireFrames: false },
    onEvents: ({ words, count }) => {
      for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
        const kind = kindOf(words[at + Ev.KIND]!)
        if (kind === EventKind.Rejected) this.#code = words[at + RejectedEv.CODE]!
        if (kind !== EventKind.Fill) continue
        this.#fills.push({
          makerRole: ROLES.find((role) => ACCOUNTS[role] === words[at + FillEv.MAKER_ACCOUNT])!,
          makerCloid: cloidAt(words, at + FillEv.MAKER_CLOID_LO),
          lots: words[at + FillEv.LOTS]!,
        })
      }
    },
  })

  constructor() {
    for (const account of Object.values(ACCOUNTS))
      for (const asset of [0, 1]) {
        writeCommand(this.#words, this.#floats, 0, 'Deposit', { account, asset, units: 1e14 })
        this.engine.apply(this.#words, this.#floats, 0)
      }
  }

  async submit(role: Role, orders: readonly VenueOrder[]): Promise<VenueFill[][]> {
    return orders.map((order) => {
      this.#fills = []
      this.#code = 0
      this.#words.fill(0)
      commandToRecord(commandToWire(wireOf(order)), ACCOUNTS[role], this.#words, this.#floats, 0)
      this.engine.apply(this.#words, this.#floats, 0)
      this.engine.flush()
      if (this.#code !== 0) throw new Error(`rejected with ${this.#code}`)
      return this.#fills
    })
  }

  async book(depth: number): Promise<LobsterBook> {
    const side = (which: Side): [number, number][] =>
      this.engine.book(0, which, depth).map(({ ticks, lots }) => [ticks, lots])
    return { bids: side(Side.Buy), asks: side(Side.Sell) }
  }
}

function wireOf(order: VenueOrder): WireCommand {
  if (order.op === 'cancel') return { kind: CommandKind.Cancel, market: 0, cloid: order.cloid }
  const { cloid, ticks, lots } = order
  if (order.op === 'amend') return { kind: CommandKind.Amend, market: 0, cloid, ticks, lots }
  const timeInForce = order.immediate ? TimeInForce.IOC : TimeInForce.GTC
  return {
    kind: CommandKind.Place,
    market: 0,
    side: order.side === 'buy' ? Side.Buy : Side.Sell,
    cloid,
    ticks,
    lots,
    timeInForce,
  }
}

describe('LOBSTER files', () => {
  test('a damaged row is refused with its line', () => {
    expect(() => parseMessages('m.csv', '34200.1,1,7,18,5853300,1\n34200.2,1,8,x,5853300,1\n')).toThrow(
      new LobsterFileError('m.csv', 2, '34200.2,1,8,x,5853300,1'),
    )
    expect(() => parseMessages('m.csv', '34200.1,9,7,18,5853300,1')).toThrow(LobsterFileError)
    expect(() => parseOrderbook('o.csv', '1,2,3')).toThrow(LobsterFileError)
  })

  test('empty levels are left out', () => {
    expect(parseOrderbook('o.csv', '101,5,-9999999999,0')).toEqual([{ asks: [[101, 5]], bids: [] }])
  })
})

describe('replay', () => {
  test('hits, misses, unknown orders and corrections are counted', async () => {
    const venue = new EngineVenue()
    const messages = parseMessages(
      'm',
      [
        '1,1,10,5,100,1', // seeded with the first row
        '2,1,11,7,100,1', // behind order 10
        '3,4,10,5,100,1', // hits 10: published
        '4,1,12,3,101,1',
        '5,4,11,3,100,1', // the venue fills 12 at 101 first: a miss
        '6,3,99,1,90,1', // nobody knows it
        '7,5,0,1,100,1', // hidden
      ].join('\n'),
    )
    const book = (bids: string): LobsterBook => parseOrderbook('o', bids)[0]!
    const report = await new LobsterReplay(venue).run(messages, [
      book('110,4,100,5'),
      book('110,4,100,12'),
      book('110,4,100,7'),
      book('110,4,101,3'),
      book('110,4,101,3'),
      book('110,9,101,3'),
      book('110,9,101,3'),
    ])
    expect(report).toMatchObject({
      executions: 2,
      makerHits: 1,
      unknownOrders: 1,
      endedOrders: 0,
      skipped: 1,
      fills: 2,
    })
    expect(report).toMatchObject({ rowsCompared: 6, bestBidOfferAgreed: 4, allLevelsAgreed: 4 })
    // Row 5 wants the bid back that the miss took; row 6 wants five more offered.
    expect(report.corrections).toBe(2)
    expect(venue.engine.book(0, Side.Sell, 1)).toEqual([{ ticks: 110, lots: 9, orders: 2 }])
    expect(venue.engine.book(0, Side.Buy, 1)).toMatchObject([{ ticks: 101, lots: 3 }])
  })

  const folder = process.env['GLASSBOOK_DATA'] ?? resolve('..', 'shared', 'data')
  const sample = resolve(folder, 'lobster', 'AAPL_2012-06-21_HEAD_message_10.csv')
  testWithFile(sample)('AAPL sample: every execution hits the published maker', async () => {
    const { messages, books } = readLobster(sample, sample.replace('message', 'orderbook'))
    const venue = new EngineVenue()
    const report = await new LobsterReplay(venue).run(messages, books)
    venue.engine.checkInvariants()
    expect(report).toMatchObject({ messages: 999, executions: 98, makerHits: 98 })
    expect(report).toMatchObject({ rowsCompared: 998, bestBidOfferAgreed: 998 })
    expect(report.allLevelsAgreed).toBeGreaterThanOrEqual(971)
  })
})
