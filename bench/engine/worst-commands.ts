/**
 * The worst command of each kind, at full tables: sweeps, icebergs, a fill-or-kill that is killed late, many
 * expiries, a cancel-all, triggers, dead-man switches. Each is timed alone, by the process's own time on a core, many
 * times over on the same tables. What a kind's orders belong to decides: one account's stand in few lines of memory, an
 * account an order means a miss or more a step. Run by contestant.ts.
 */
import { OrderType, Side, TimeInForce } from '../../engine/codes.js'
import * as commands from '../../engine/commands.js'
import { createEngine } from '../../engine/index.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { ICEBERG_PARTS_MAX } from '../../engine/limits.js'
import type { Engine } from '../../engine/types.js'
import { Random } from './live-stream.js'

/** Orders that stand behind each kind: far more than one command may touch. */
const ORDERS = 400_000
const TIMES = 40
const MAKER = 1
const TAKER = 2
const FIRST_ACCOUNT = 10
/** Accounts whose protection a fill reaches: enough for every sweep, each of which takes an order of one. */
const PROTECTED = 60_000
const SEED = 7
/** A place of its own for each of ORDERS, far from that of the order before. */
const scattered = (order: number): number => (order * 7919) % ORDERS

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
      accountsMax: 1 << 19,
      accountOrdersMax: 1 << 20,
      onEvents: () => {},
    })
    for (const account of [MAKER, TAKER]) for (const asset of [0, 1]) this.deposit(account, asset, 1e15)
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

  deposit(account: number, asset: number, units: number): void {
    commands.writeDeposit(this.words, this.floats, 0, account, asset, units)
    this.apply()
  }

  /** Milliseconds of the process for the command that stands in `words`: other programs do not count. */
  timed(): number {
    this.engine.flush()
    const before = process.cpuUsage()
    this.engine.apply(this.words, this.floats, 0)
    this.engine.flush()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e3
  }
}

type Kind = (bench: Bench) => number[]

/** Asks of one lot, each at a price of its own. */
function asks(bench: Bench, count = ORDERS): void {
  for (let order = 0; order < count; order++) bench.place(MAKER, Side.Sell, 1000 + order, 1)
}

/** `count` accounts with funds to sell, in an order that memory does not have. */
function sellers(bench: Bench, count: number): number[] {
  const accounts = Array.from({ length: count }, (_, index) => FIRST_ACCOUNT + index)
  const random = new Random(SEED)
  for (let index = count - 1; index > 0; index--) {
    const other = random.below(index + 1)
    ;[accounts[index], accounts[other]] = [accounts[other]!, accounts[index]!]
  }
  for (const account of accounts) bench.deposit(account, 1, 1000)
  return accounts
}

/** The command of a taker who takes whatever the steps of a message allow. */
function sweep(bench: Bench): number {
  const { words, floats } = bench
  commands.writePlace(words, floats, 0, TAKER, 0, Side.Buy, 2 ** 30, 100_000, 1, 7, { timeInForce: IOC })
  return bench.timed()
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
    return repeat(() => sweep(bench))
  },
  'sweep of a level and an account an order': (bench) => {
    const accounts = sellers(bench, ORDERS)
    accounts.forEach((account, order) => bench.place(account, Side.Sell, 1000 + scattered(order), 1))
    return repeat(() => sweep(bench))
  },
  'the same, each fill reaches a protection of an account with three more orders': (bench) => {
    const accounts = sellers(bench, PROTECTED)
    for (const account of accounts) {
      commands.writeProtection(bench.words, bench.floats, 0, account, 0, 1000, 1, 0)
      bench.apply()
    }
    accounts.forEach((account, order) => bench.place(account, Side.Sell, 1000 + order, 1))
    for (let more = 0; more < 3; more++)
      accounts.forEach((_, order) =>
        bench.place(accounts[(order * 31 + more) % PROTECTED]!, Side.Sell, ORDERS + order, 1),
      )
    return repeat(() => sweep(bench))
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
  'expiries, an account an order': (bench) => {
    const accounts = sellers(bench, ORDERS)
    accounts.forEach((account, order) =>
      bench.place(account, Side.Sell, 1000 + scattered(order), 1, {
        timeInForce: GTD,
        expiresAtMs: 1 + ((order * 7919) % 1000),
      }),
    )
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
      bench.deposit(account, 1, 1000)
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
