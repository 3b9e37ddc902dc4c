/**
 * The worst command of each kind, at full tables: a sweep, icebergs, a fill-or-kill that is killed late, many
 * expiries, a cancel-all, triggers, dead-man switches. Each is timed alone, several times over on the same
 * tables; what it leaves over is worked off before the next. Run by contestant.ts.
 */
import { OrderType, Side, TimeInForce } from '../../engine/codes.js'
import * as commands from '../../engine/commands.js'
import { createEngine } from '../../engine/index.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { ICEBERG_PARTS_MAX } from '../../engine/limits.js'
import type { Engine } from '../../engine/types.js'

/** Orders that stand behind each kind: far more than one command may touch. */
const ORDERS = 400_000
const TIMES = 7
const MAKER = 1
const TAKER = 2
const FIRST_ACCOUNT = 10

class Bench {
  readonly engine: Engine
  readonly words = new Int32Array(COMMAND_WORDS)
  readonly floats = new Float64Array(this.words.buffer)
  private cloid = 0

  constructor() {
    this.engine = createEngine({
      genesis: {
        assets: [
          { id: 0, symbol: 'USD' },
          { id: 1, symbol: 'ABC' },
        ],
        markets: [
          { id: 0, base: 1, quote: 0, lotUnits: 1, tickUnits: 1, makerFeePpm: 100, takerFeePpm: 300 },
        ],
      },
      accountsMax: 1 << 16,
      accountOrdersMax: 1 << 20,
      onEvents: () => {},
    })
    for (const account of [MAKER, TAKER])
      for (const asset of [0, 1]) {
        commands.writeDeposit(this.words, this.floats, 0, account, asset, 1e15)
        this.apply()
      }
  }

  apply(): void {
    this.engine.apply(this.words, this.floats, 0)
  }

  place(account: number, side: Side, ticks: number, lots: number, options: commands.PlaceOptions = {}): void {
    commands.writePlace(this.words, this.floats, 0, account, 0, side, ticks, lots, ++this.cloid, 0, options)
    this.apply()
  }

  time(ms: number): void {
    commands.writeTime(this.words, this.floats, 0, ms)
    this.apply()
  }

  /** Milliseconds of the command that stands in `words`. */
  timed(): number {
    const before = process.hrtime.bigint()
    this.engine.apply(this.words, this.floats, 0)
    this.engine.flush()
    return Number(process.hrtime.bigint() - before) / 1e6
  }
}

type Kind = (bench: Bench) => number[]

/** Asks of one lot, each at a price of its own. */
function asks(bench: Bench, count = ORDERS): void {
  for (let order = 0; order < count; order++) bench.place(MAKER, Side.Sell, 1000 + order, 1)
}

const repeat = (once: () => number): number[] => Array.from({ length: TIMES }, once)

/** Each further Time command of a piece of work that goes on. */
function pieces(bench: Bench, first: () => number): number[] {
  const found = [first()]
  while (found.length < TIMES) {
    commands.writeTime(bench.words, bench.floats, 0, bench.engine.timeMs)
    found.push(bench.timed())
  }
  return found
}

const { FOK, IOC, GTD } = TimeInForce

export const WORST: Readonly<Record<string, Kind>> = {
  'sweep of a level an order': (bench) => {
    asks(bench)
    return repeat(() => {
      const { words, floats } = bench
      commands.writePlace(words, floats, 0, TAKER, 0, Side.Buy, 2 ** 30, 100_000, 1, 7, { timeInForce: IOC })
      return bench.timed()
    })
  },
  'icebergs of 10,000 parts': (bench) => {
    for (let order = 0; order < 100; order++)
      bench.place(MAKER, Side.Sell, 1000, ICEBERG_PARTS_MAX, { displayLots: 1 })
    return repeat(() => {
      const { words, floats } = bench
      commands.writePlace(words, floats, 0, TAKER, 0, Side.Buy, 1000, 1_000_000, 1, 7, { timeInForce: IOC })
      return bench.timed()
    })
  },
  'fill or kill, killed': (bench) => {
    asks(bench)
    return repeat(() => {
      const { words, floats } = bench
      commands.writePlace(words, floats, 0, TAKER, 0, Side.Buy, 2 ** 30, 900_000, 1, 7, { timeInForce: FOK })
      return bench.timed()
    })
  },
  expiries: (bench) => {
    for (let order = 0; order < ORDERS; order++)
      bench.place(MAKER, Side.Sell, 1000 + order, 1, {
        timeInForce: GTD,
        expiresAtMs: 1 + ((order * 7919) % 1000),
      })
    return pieces(bench, () => {
      commands.writeTime(bench.words, bench.floats, 0, 1000)
      return bench.timed()
    })
  },
  'cancel-all': (bench) => {
    asks(bench)
    return pieces(bench, () => {
      commands.writeCancelAll(bench.words, bench.floats, 0, MAKER)
      return bench.timed()
    })
  },
  'cancel-all of an empty side': (bench) => {
    asks(bench)
    return repeat(() => {
      commands.writeCancelAll(bench.words, bench.floats, 0, MAKER, 0, Side.Buy)
      return bench.timed()
    })
  },
  'triggers of stops': (bench) => {
    bench.place(MAKER, Side.Sell, 100, 1)
    for (let order = 0; order < ORDERS; order++)
      bench.place(MAKER, Side.Buy, 50, 1, { type: OrderType.Stop, triggerTicks: 100 })
    return pieces(bench, () => {
      commands.writePlace(bench.words, bench.floats, 0, TAKER, 0, Side.Buy, 100, 1, 1, 7)
      return bench.timed()
    })
  },
  'dead-man switches': (bench) => {
    for (let account = FIRST_ACCOUNT; account < FIRST_ACCOUNT + 40_000; account++) {
      commands.writeDeposit(bench.words, bench.floats, 0, account, 1, 1000)
      bench.apply()
      bench.place(account, Side.Sell, 1000 + account, 1)
      commands.writeCancelAfter(bench.words, bench.floats, 0, account, 1000)
      bench.apply()
    }
    return pieces(bench, () => {
      commands.writeTime(bench.words, bench.floats, 0, 1000)
      return bench.timed()
    })
  },
}

/** Milliseconds of each of the worst commands, by kind. */
export function worstCommands(): Record<string, number[]> {
  // Once on tables of their own for the compiler, then in earnest.
  return Object.fromEntries(
    Object.entries(WORST).map(([kind, run]) => {
      run(new Bench())
      return [kind, run(new Bench())]
    }),
  )
}
