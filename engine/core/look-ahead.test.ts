/** Looking ahead changes nothing, whatever the commands are and wherever they are said to stand. */
import { createEngine } from './engine.js'
import { OrderType, Side } from '../codes.js'
import * as commands from '../commands.js'
import { COMMAND_WORDS } from '../layout.js'
import type { Engine } from '../types.js'

const ACCOUNTS = 1 << 14
const ORDERS = 4000
const MARKETS = 4

function random(seed: number): (end: number) => number {
  let state = seed
  return (end) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % end
  }
}

/** Waits for a trigger that lies behind the middle. */
function stop(side: Side, away: number): commands.PlaceOptions {
  return { type: OrderType.StopLimit, triggerTicks: 1000 + (side === Side.Buy ? away : -away) }
}

/** Deposits of as many accounts as looking ahead needs, orders, stops and icebergs among them, and cancels, and records of random words. */
function stream(): Int32Array {
  const words = new Int32Array((2 * ACCOUNTS + 3 * ORDERS) * COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  const next = random(23)
  let at = 0
  for (let account = 1; account <= ACCOUNTS; account++)
    for (const asset of [0, 1]) {
      commands.writeDeposit(words, floats, at, account, asset, 1e9)
      at += COMMAND_WORDS
    }
  const placed: number[] = []
  for (let order = 1; order <= ORDERS; order++) {
    const account = 1 + next(ACCOUNTS)
    placed.push(account)
    const side = next(2) as Side
    const ticks = 1000 + (side === Side.Buy ? -1 : 1) * (next(12) - 2)
    const options = next(5) === 0 ? stop(side, 2 + next(3)) : next(7) === 0 ? { displayLots: 1 } : {}
    commands.writePlace(
      words,
      floats,
      at,
      account,
      next(MARKETS),
      side,
      ticks,
      1 + next(9),
      order,
      0,
      options,
    )
    at += COMMAND_WORDS
    const of = next(placed.length)
    if (next(2) === 0) commands.writeCancel(words, floats, at, placed[of]!, 0, of + 1)
    else commands.writeAmend(words, floats, at, placed[of]!, 0, 1000 + next(20) - 10, 1 + next(9), of + 1)
    at += COMMAND_WORDS
    for (let word = 0; word < COMMAND_WORDS; word++) words[at + word] = next(2 ** 32)
    // A placement, an amendment or a cancel by its kind, of anything.
    words[at] = (words[at]! & ~0xff) | (1 + next(3))
    at += COMMAND_WORDS
  }
  return words
}

function engineOf(events: number[]): Engine {
  return createEngine({
    genesis: {
      assets: [
        { id: 0, symbol: 'USD' },
        { id: 1, symbol: 'BTC' },
      ],
      markets: Array.from({ length: MARKETS }, (_, id) => ({
        id,
        base: 1,
        quote: 0,
        lotUnits: 1,
        tickUnits: 1,
        makerFeePpm: 0,
        takerFeePpm: 500,
      })),
      capacities: { ordersMax: 8192, levelsMax: 1024, accountsMax: ACCOUNTS + 1 },
    },
    onEvents: ({ count }) => events.push(count),
  })
}

test('an engine that looks ahead says and becomes what one does that does not', () => {
  const words = stream()
  const floats = new Float64Array(words.buffer)
  const count = words.length / COMMAND_WORDS
  const [plainEvents, aheadEvents]: [number[], number[]] = [[], []]
  const plain = engineOf(plainEvents)
  for (let index = 0; index < count; index++) plain.apply(words, floats, index * COMMAND_WORDS)
  const ahead = engineOf(aheadEvents)
  const next = random(7)
  for (let index = 0; index < count;) {
    const some = Math.min(count - index, next(40))
    ahead.applyAll(words, floats, index * COMMAND_WORDS, some)
    index += some
    const places = Int32Array.from({ length: 300 }, () => next(2 ** 32))
    ahead.lookAhead(words, places, next(301))
    if (next(100) === 0) ahead.checkInvariants()
  }
  plain.flush()
  ahead.flush()
  expect(plain.liveOrders()).toBeGreaterThan(1000)
  expect(aheadEvents).toEqual(plainEvents)
  expect(Buffer.from(ahead.stateHash()).toString('hex')).toBe(Buffer.from(plain.stateHash()).toString('hex'))
  ahead.checkInvariants()
})
