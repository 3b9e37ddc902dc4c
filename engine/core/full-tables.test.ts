/**
 * Random sessions that fill each table of the core to its last entry, and ask for one more: with capacities of a few
 * entries, events, balances and state are those of the reference after each command, and of an engine that is restored
 * from its snapshot while tables are full. Ends by asking whether every table was full and every refusal given: a mix
 * that no longer gets there fails. Assets and markets, which the reference does not make, stand in boundaries.test.ts.
 *
 * GLASSBOOK_FULL_RUNS sets the number of sessions (24), GLASSBOOK_SEED the seed.
 */
import { CancelReason, OrderType, Reject, Side, TimeInForce, rejectNames } from '../codes.js'
import * as commands from '../commands.js'
import {
  COMMAND_STEPS_MAX,
  FRAME_NONCE_WINDOW,
  MASS_CANCELS_OF_ACCOUNT,
  PROTECTIONS_PER_ACCOUNT,
} from '../limits.js'
import type { EngineOptions } from '../types.js'
import { Pair, newSeen } from '../reference/compare.js'

const RUNS = Number(process.env['GLASSBOOK_FULL_RUNS'] ?? 24)
const SEED = Number(process.env['GLASSBOOK_SEED'] ?? 20_261_127)
const RESTORE_EVERY = 37
const LIFETIME_MS = 1000
const MARKETS = 7
const ASSETS = 4
const CAPACITIES = {
  ordersMax: 26,
  levelsMax: 8,
  accountsMax: 6,
  // Not quite enough for both assets of the markets for every account.
  balancesMax: 11,
  // So many that a cancel of one at a time leaves some to eight cancel-alls and more.
  accountOrdersMax: 20,
  sessionsMax: 7,
  accountSessionsMax: 3,
  sessionLifetimeMsMax: LIFETIME_MS,
  frameWindowsMax: 3,
  marketsMax: MARKETS,
}
const PROTECTIONS = CAPACITIES.accountsMax * PROTECTIONS_PER_ACCOUNT

/** Tables that can be full, with how many moments they were. */
const TABLES = [
  'accounts',
  'balance rows',
  'orders',
  'orders with an expiry',
  'icebergs',
  'waiting stops',
  'orders of an account',
  'sessions',
  'sessions of an account',
  'frame windows',
  'nonces of a window',
  'protections',
  'dead-man switches',
  'cancel-alls of an account',
] as const
/** What is answered past the last entry. Windows and nonces give way instead. */
const REFUSALS = [
  Reject.AccountsFull,
  Reject.BalancesFull,
  Reject.OrdersFull,
  Reject.LevelsFull,
  Reject.AccountOrdersFull,
  Reject.SessionsFull,
  Reject.AccountSessionsFull,
  Reject.FrameNonceTooOld,
  Reject.ProtectionsFull,
  Reject.MassCancelsFull,
] as const

type Fullness = Map<(typeof TABLES)[number], number>

/** Numbers of a seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

class Session {
  private readonly pair: Pair
  private nowMs = 1
  private approval = 0
  private cloid = 0
  private nonce = 0

  constructor(
    private readonly below: (below: number) => number,
    seen: ReturnType<typeof newSeen>,
    private readonly full: Fullness,
  ) {
    const options: Omit<EngineOptions, 'onEvents'> = {
      ...CAPACITIES,
      commandStepsMax: this.pick([2, 2, 3, 16, COMMAND_STEPS_MAX]),
      genesis: {
        assets: Array.from({ length: ASSETS }, (_, id) => ({ id, symbol: `A${id}` })),
        markets: Array.from({ length: MARKETS }, (_, id) => ({
          id,
          base: 1,
          quote: 0,
          lotUnits: 1,
          tickUnits: 1,
          makerFeePpm: 100,
          takerFeePpm: 500,
        })),
      },
    }
    this.pair = new Pair(options, seen)
  }

  private pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }
  private account(): number {
    return this.below(CAPACITIES.accountsMax)
  }

  /** Applies what stands in the pair's words, and compares all that there is. */
  private apply(): void {
    const { pair } = this
    pair.apply()
    pair.compareState(`after command ${pair.commands}`)
    if (pair.commands % RESTORE_EVERY === 0) pair.restore()
    for (const table of this.fullTables()) this.full.set(table, (this.full.get(table) ?? 0) + 1)
  }

  private *fullTables(): Generator<(typeof TABLES)[number]> {
    const { slow } = this.pair
    const live = slow.liveOrders()
    const accounts = [...slow.accounts.values()]
    const most = (of: (account: number) => number): number =>
      Math.max(...[...slow.accounts.keys()].map((account) => of(account)))
    if (slow.accounts.size === CAPACITIES.accountsMax) yield 'accounts'
    if (slow.rows.size === CAPACITIES.balancesMax) yield 'balance rows'
    if (live.length === CAPACITIES.ordersMax) {
      yield 'orders'
      if (live.every(({ expiresAtMs }) => expiresAtMs > 0)) yield 'orders with an expiry'
      if (live.every(({ display }) => display > 0)) yield 'icebergs'
      if (live.every(({ waiting }) => waiting)) yield 'waiting stops'
    }
    if (most((id) => live.filter(({ account }) => account === id).length) === CAPACITIES.accountOrdersMax)
      yield 'orders of an account'
    if (slow.sessions.length === CAPACITIES.sessionsMax) yield 'sessions'
    const sessionsOf = (id: number): number => slow.sessions.filter(({ account }) => account === id).length
    if (most(sessionsOf) === CAPACITIES.accountSessionsMax) yield 'sessions of an account'
    const windows = slow.sessions.filter(({ entries }) => entries.size > 0)
    if (windows.length === CAPACITIES.frameWindowsMax) yield 'frame windows'
    if (windows.some(({ entries }) => entries.size === FRAME_NONCE_WINDOW)) yield 'nonces of a window'
    const protections = [...slow.protections.values()].reduce((sum, { size }) => sum + size, 0)
    if (protections === PROTECTIONS) yield 'protections'
    if (
      accounts.length === CAPACITIES.accountsMax &&
      accounts.every(({ cancelAfterMs }) => cancelAfterMs > 0)
    )
      yield 'dead-man switches'
    const jobsOf = (id: number): number => slow.jobs.filter(({ account }) => account === id).length
    if (most(jobsOf) === MASS_CANCELS_OF_ACCOUNT) yield 'cancel-alls of an account'
  }

  /** What every session starts with: some accounts lack an asset, so that orders ask for rows of balances too. */
  fund(): void {
    const { words, floats } = this.pair
    for (let account = 0; account < CAPACITIES.accountsMax; account++)
      for (const asset of [0, 1]) {
        if (this.below(4) === 0) continue
        commands.writeDeposit(words, floats, 0, account, asset, 1_000_000)
        this.apply()
      }
  }

  /** One table after the other, in any order, with room made between them now and then. */
  play(): void {
    for (let phase = 0; phase < 14; phase++) {
      this.pick([
        () => this.orders(() => this.account(), {}, 3),
        () => this.orders(() => this.account(), { expires: true }, 3),
        () => this.orders(() => this.account(), { display: 1 }, 3),
        () => this.orders(() => this.account(), { stop: true }, 3),
        () => this.orders(() => this.account(), {}, 30),
        () => this.orders(() => this.account(), { stop: true }, 30),
        () => this.ordersOfOne(),
        () => this.openAccounts(),
        () => this.rows(),
        () => this.sessions(),
        () => this.frames(),
        () => this.nonces(),
        () => this.protections(),
        () => this.switches(),
        () => this.cancelAlls(),
        () => this.cancelAlls(),
      ])()
      if (this.below(3) > 0) this.makeRoom()
    }
  }

  /** Asks for some more orders than there is room for, on `levels` prices a side, where nothing trades. */
  private orders(
    owner: () => number,
    { expires, display, stop }: { expires?: boolean; display?: number; stop?: boolean },
    levels: number,
  ): void {
    const { words, floats } = this.pair
    // All of one kind: then nothing of another may stand.
    if (expires === true || display !== undefined || stop === true) this.cancelOrders()
    for (let order = 0; order < 2 * CAPACITIES.ordersMax; order++) {
      const side = this.pick([Side.Buy, Side.Sell])
      const away = this.below(levels)
      const ticks = side === Side.Buy ? 40 - away : 60 + away
      commands.writePlace(words, floats, 0, owner(), 0, side, ticks, 1 + this.below(5), ++this.cloid, 0, {
        ...(expires === true ? { timeInForce: TimeInForce.GTD, expiresAtMs: this.nowMs + 50 } : {}),
        ...(display === undefined ? {} : { displayLots: display }),
        ...(stop === true
          ? { type: OrderType.StopLimit, triggerTicks: side === Side.Buy ? 80 + away : 20 - (away % 19) }
          : {}),
      })
      // An id that is there already: the table of ids is looked through when it is full, too.
      if (this.below(8) === 0) commands.writeCancel(words, floats, 0, this.account(), 0, this.cloid - 1)
      this.apply()
      if (this.below(10) === 0) this.trade()
    }
  }

  private ordersOfOne(): void {
    const account = this.account()
    this.orders(() => account, {}, 2)
  }

  /** Takes something of the book away: places become free in the middle of a full table. */
  private trade(): void {
    const { words, floats } = this.pair
    const side = this.pick([Side.Buy, Side.Sell])
    commands.writePlace(
      words,
      floats,
      0,
      this.account(),
      0,
      side,
      side === Side.Buy ? 62 : 38,
      2,
      ++this.cloid,
      0,
      {
        timeInForce: TimeInForce.IOC,
      },
    )
    this.apply()
  }

  private openAccounts(): void {
    for (let account = 0; account <= CAPACITIES.accountsMax; account++) {
      commands.writeOpenAccount(this.pair.words, 0, account, [1, 0, 0, 0, account])
      this.apply()
    }
  }

  private rows(): void {
    const { words, floats } = this.pair
    for (let deposit = 0; deposit < 6; deposit++) {
      commands.writeDeposit(words, floats, 0, this.account(), 2 + this.below(ASSETS - 2), 1 + this.below(9))
      this.apply()
    }
  }

  private approve(account: number): void {
    commands.writeApproveSession(this.pair.words, 0, account, [0, 0, 0, 0, 0, 0, 0, ++this.approval], 0, {
      scopes: 2,
      maxNotional: 0,
      expiresAtMs: this.nowMs + 1 + this.below(LIFETIME_MS),
      nonce: this.approval,
      deadlineMs: this.nowMs + 100,
    })
    this.apply()
  }

  private sessions(): void {
    const one = this.account()
    for (let session = 0; session < 10; session++) this.approve(session < 4 ? one : this.account())
  }

  /** A frame of one command, which cancels what is not there. */
  private frame(account: number, approval: number, nonce: number): void {
    const { words, floats } = this.pair
    commands.writeFrame(words, floats, 0, account, approval, 1, nonce)
    this.apply()
    if (this.pair.slow.frame.left === 0) return
    commands.writeCancel(words, floats, 0, account, 0, 2 ** 30)
    this.apply()
  }

  private frames(): void {
    this.sessions()
    for (let frame = 0; frame < 12; frame++) {
      const live = this.pair.slow.sessions
      if (live.length === 0) return
      const { account, approval } = this.pick(live)
      this.frame(account, approval, ++this.nonce)
    }
  }

  private nonces(): void {
    const account = this.account()
    this.approve(account)
    const own = this.pair.slow.sessions.filter((session) => session.account === account).at(-1)
    if (own === undefined) return
    for (let frame = 0; frame < FRAME_NONCE_WINDOW + 3; frame++)
      this.frame(account, own.approval, ++this.nonce)
    this.frame(account, own.approval, this.nonce - FRAME_NONCE_WINDOW)
  }

  private protections(): void {
    const { words, floats } = this.pair
    for (let set = 0; set < 60; set++) {
      const isOff = this.below(12) === 0
      const [windowMs, fills] = isOff ? [0, 0] : [10, 3]
      commands.writeProtection(words, floats, 0, this.account(), this.below(MARKETS), windowMs, fills, 0)
      this.apply()
    }
  }

  private switches(): void {
    const { words, floats } = this.pair
    for (let account = 0; account < CAPACITIES.accountsMax; account++) {
      commands.writeCancelAfter(words, floats, 0, account, this.nowMs + 40 + this.below(5))
      this.apply()
    }
  }

  /** More different cancel-alls of one account than may be under way, before time goes on. */
  private cancelAlls(): void {
    const { words, floats } = this.pair
    const account = this.account()
    this.orders(() => account, {}, 1)
    const keys = [-1, 0].flatMap((market) =>
      [-1, 0, 1].flatMap((side) => [0, CancelReason.Disconnect].map((reason) => ({ market, side, reason }))),
    )
    const first = this.below(keys.length)
    for (let cancel = 0; cancel < keys.length + 2; cancel++) {
      const { market, side, reason } = keys[(first + cancel) % keys.length]!
      commands.writeCancelAll(words, floats, 0, account, market, side, reason)
      this.apply()
    }
  }

  /** Time goes on, orders and sessions go. */
  private makeRoom(): void {
    if (this.below(2) === 0) this.cancelOrders()
    this.passTime(this.pick([1, 60, LIFETIME_MS]))
  }

  private cancelOrders(): void {
    const { words, floats } = this.pair
    for (let account = 0; account < CAPACITIES.accountsMax; account++) {
      commands.writeCancelAll(words, floats, 0, account, -1, -1)
      this.apply()
    }
    this.passTime(1)
  }

  /** Time goes on until all that is under way is done. */
  private passTime(ms: number): void {
    const { words, floats, slow } = this.pair
    this.nowMs += ms
    do {
      commands.writeTime(words, floats, 0, this.nowMs)
      this.apply()
    } while (slow.pending())
  }
}

test(`${RUNS} random sessions: each table is filled to its last entry, and the reference agrees`, () => {
  const seen = newSeen()
  const full: Fullness = new Map()
  for (let run = 0; run < RUNS; run++) {
    const session = new Session(random(SEED + run), seen, full)
    session.fund()
    session.play()
  }
  console.log(
    `${RUNS} sessions, seed ${SEED}: ${seen.commands} commands; moments at which a table was full: ` +
      TABLES.map((table) => `${table} ${full.get(table) ?? 0}`).join(', '),
  )
  expect(TABLES.filter((table) => !full.has(table))).toEqual([])
  const missing = REFUSALS.filter((code) => !seen.codes.has(`Rejected ${code}`))
  expect(missing.map((code) => rejectNames[code])).toEqual([])
})
