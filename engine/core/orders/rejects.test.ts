/**
 * Reject codes, one row each, in the order in which they are asked for: a command that has the fault of
 * a row and those of all rows after it gets the row's code, and nothing changes.
 */
import { CancelOnlyReason, MarketStatus, Reject, rejectNames } from '../../codes.js'
import * as commands from '../../commands.js'
import { ACCOUNT_ORDERS_FLOOR, SESSION_LIFETIME_MS } from '../../limits.js'
import { createEngine } from '../engine.js'
import {
  Attr,
  Cmd,
  CreateMarketCmd,
  INT_NOT_AN_INTEGER,
  INT_OVER_LIMIT,
  OrderCmd,
  PlaceCmd,
  RejectedEv,
} from '../../layout.js'
import { ABC, OrderType, PostOnly, Rig, Side, TimeInForce, USD, marketConfig } from '../../reference/rig.js'

const DAY_MS = 86_400_000
const YEAR_MS = 366 * DAY_MS

const hash = (rig: Rig): string => Buffer.from(rig.engine.stateHash()).toString('hex')

/** State hash without the seq, which a rejected command moves. */
function withoutSeq(rig: Rig): string {
  return Buffer.from(rig.engine.captureSnapshot().subarray(32)).toString('hex')
}

describe('place', () => {
  const markets = [
    marketConfig({ bandPpm: 100_000, tickUnits: 10_000 }),
    marketConfig({ id: 1, status: MarketStatus.Halted }),
    marketConfig({ id: 2, status: MarketStatus.CancelOnly }),
  ]
  /** Engine with a last trade at 1000, a bid at 990, an ask at 1010, funds in account 1 to 4. */
  function setUp(): Rig {
    const rig = new Rig({ markets, ordersMax: 8, accountOrdersMax: 8 }).fund(4)
    rig.buy(2, 1000, 1, 1)
    rig.sell(3, 1000, 1, 1)
    rig.buy(2, 990, 1, 2)
    rig.sell(3, 1010, 1, 2)
    rig.time(1000)
    rig.buy(1, 950, 1, 77)
    return rig
  }
  const attribute = (rig: Rig, shift: number, bits: number, value: number): void => {
    rig.words[0] = (rig.words[0]! & ~(((1 << bits) - 1) << shift)) | (value << shift)
  }
  // Each row: the code, and how to give the command its fault. Earlier rows are applied last, so they win.
  const rows: [number, (rig: Rig) => void][] = [
    [Reject.UnknownMarket, ({ words }) => (words[OrderCmd.MARKET] = 3)],
    [Reject.UnknownAccount, ({ words }) => (words[Cmd.ACCOUNT] = 9)],
    [Reject.DeadlinePassed, ({ floats }) => (floats[PlaceCmd.DEADLINE_MS_F64] = 999)],
    [Reject.DeadlineTooFar, ({ floats }) => (floats[PlaceCmd.DEADLINE_MS_F64] = 1000 + DAY_MS + 1)],
    [Reject.MarketHalted, ({ words }) => (words[OrderCmd.MARKET] = 1)],
    [Reject.MarketCancelOnly, ({ words }) => (words[OrderCmd.MARKET] = 2)],
    [Reject.BadSide, (rig) => attribute(rig, PlaceCmd.INVALID_SIDE_SHIFT, 1, 1)],
    [Reject.BadOrderType, (rig) => attribute(rig, Attr.ORDER_TYPE_SHIFT, 3, 6)],
    [Reject.BadTimeInForce, (rig) => attribute(rig, Attr.TIME_IN_FORCE_SHIFT, 3, 4)],
    [Reject.BadPostOnly, (rig) => attribute(rig, Attr.POST_ONLY_SHIFT, 2, 3)],
    [Reject.BadStp, (rig) => attribute(rig, Attr.STP_SHIFT, 3, 4)],
    [Reject.BadClientOrderId, (rig) => attribute(rig, OrderCmd.INVALID_CLOID_SHIFT, 1, 1)],
    [Reject.NotAnInteger, ({ words }) => (words[PlaceCmd.TICKS] = INT_NOT_AN_INTEGER)],
    [Reject.TicksOverLimit, ({ words }) => (words[PlaceCmd.TICKS] = INT_OVER_LIMIT)],
    [Reject.NegativeTicks, ({ words }) => (words[PlaceCmd.TICKS] = -1)],
    [Reject.ZeroTicks, ({ words }) => (words[PlaceCmd.TICKS] = 0)],
    [Reject.NotAnInteger, ({ words }) => (words[PlaceCmd.LOTS] = INT_NOT_AN_INTEGER)],
    [Reject.LotsOverLimit, ({ words }) => (words[PlaceCmd.LOTS] = INT_OVER_LIMIT)],
    [Reject.NegativeLots, ({ words }) => (words[PlaceCmd.LOTS] = -5)],
    [Reject.ZeroLots, ({ words }) => (words[PlaceCmd.LOTS] = 0)],
    [
      Reject.PostOnlyNotGtc,
      (rig) => {
        attribute(rig, Attr.POST_ONLY_SHIFT, 2, PostOnly.Reject)
        attribute(rig, Attr.TIME_IN_FORCE_SHIFT, 3, TimeInForce.IOC)
      },
    ],
    [Reject.BadDisplayLots, ({ words }) => (words[PlaceCmd.DISPLAY_LOTS] = -1)],
    [Reject.BadTriggerTicks, ({ words }) => (words[PlaceCmd.TRIGGER_TICKS] = 1)],
    [Reject.BadExpiry, ({ floats }) => (floats[PlaceCmd.EXPIRES_AT_MS_F64] = 2000)],
    [Reject.BadQuoteBudget, ({ floats }) => (floats[PlaceCmd.QUOTE_BUDGET_F64] = 5)],
    [Reject.NotionalOverLimit, ({ words }) => (words[PlaceCmd.LOTS] = 2 ** 31 - 1)],
    [Reject.DuplicateClientOrderId, ({ words }) => (words[PlaceCmd.CLOID_LO] = 77)],
    [
      Reject.PostOnlyWouldCross,
      (rig) => {
        attribute(rig, Attr.POST_ONLY_SHIFT, 2, PostOnly.Reject)
        rig.words[PlaceCmd.TICKS] = 1010
      },
    ],
    [Reject.PriceBand, ({ words }) => (words[PlaceCmd.TICKS] = 1101)],
    [Reject.InsufficientFunds, ({ words }) => (words[PlaceCmd.LOTS] = 1_000_001)],
  ]
  test.each(rows.map(([code], index) => ({ name: rejectNames[code]!, code, index })))(
    '$index $name comes before all later ones',
    ({ code, index }) => {
      const rig = setUp()
      const before = withoutSeq(rig)
      rig.writePlace({ account: 1, ticks: 1000, lots: 2, cloid: 5 })
      for (let later = rows.length - 1; later >= index; later--) rows[later]![1](rig)
      expect(rig.apply()).toEqual([`Rejected ${rejectNames[code]}`])
      expect(withoutSeq(rig)).toBe(before)
    },
  )

  test('the command without faults is taken', () => {
    const rig = setUp()
    expect(rig.place({ account: 1, ticks: 1000, lots: 2, cloid: 5 })).toEqual(['Accepted 5'])
  })

  test('a frozen account may not quote where it is protected', () => {
    const rig = setUp()
    commands.writeProtection(rig.words, rig.floats, 0, 1, 0, 1000, 1, 0)
    rig.apply()
    rig.buy(1, 1005, 5, 6)
    expect(rig.sell(4, 1000, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 6<1 1@1005',
      'ProtectionTriggered',
      'Canceled 77 Protection 1',
      'Canceled 6 Protection 4',
    ])
    expect(rig.buy(1, 1000, 1, 7)).toEqual(['Rejected ProtectionFrozen'])
    commands.writeResetProtection(rig.words, 0, 1, 0)
    expect(rig.apply()).toEqual(['ProtectionChanged'])
    expect(rig.buy(1, 1000, 1, 7)).toEqual(['Accepted 7'])
  })
})

test('what the session allows comes behind the notional, a forced withdrawal behind both, an id that is taken last', () => {
  const rig = new Rig({ commandStepsMax: 4 })
  rig.time(1000)
  rig.deposit(1, USD, 1000)
  for (let order = 1; order <= 8; order++) rig.buy(1, 100, 1, order)
  const terms = { scopes: 2, maxNotional: 150, expiresAtMs: 2000, nonce: 1, deadlineMs: 1500 }
  commands.writeApproveSession(rig.words, 0, 1, [1, 2, 3, 4, 5, 6, 7, 8], 1, terms)
  expect(rig.apply()).toEqual(['SessionApproved'])
  // More orders than its steps reach: it stays to be paid.
  commands.writeWithdraw(rig.words, rig.floats, 0, 1, USD, 900, 'forced')
  expect(rig.apply()).toContain('Withdrawn')
  commands.writeFrame(rig.words, rig.floats, 0, 1, 1, 4, 1)
  expect(rig.apply()).toEqual(['FrameOpened'])
  expect(rig.buy(1, 2 ** 31 - 1, 2 ** 31 - 1, 8)).toEqual(['Rejected NotionalOverLimit'])
  expect(rig.buy(1, 100, 2, 8)).toEqual(['Rejected SessionNotional'])
  expect(rig.buy(1, 100, 1, 8)).toEqual(['Rejected WithdrawalForced'])
  expect(rig.cancel(1, 7)).toEqual(['Canceled 7 User 1'])
})

describe('capacities', () => {
  test('orders: a full table still takes what never rests', () => {
    const rig = new Rig({ ordersMax: 2, accountOrdersMax: 2 }).fund(2)
    rig.sell(1, 100, 1, 1)
    rig.sell(1, 101, 1, 2)
    expect(rig.buy(2, 90, 1, 3)).toEqual(['Rejected OrdersFull'])
    expect(rig.buy(2, 90, 1, 3, { timeInForce: TimeInForce.IOC })).toEqual([
      'Accepted 3',
      'Canceled 3 ImmediateOrCancel 1',
    ])
    expect(rig.buy(2, 100, 1, 4, { timeInForce: TimeInForce.IOC })).toEqual(['Accepted 4', 'Fill 1<4 1@100'])
    expect(rig.buy(2, 90, 1, 3)).toEqual(['Accepted 3'])
  })

  test('levels: a price that has a level is still taken, also by an amend', () => {
    const rig = new Rig({ levelsMax: 2, reference: false }).fund(2)
    rig.sell(1, 100, 1, 1)
    rig.sell(1, 101, 1, 2)
    rig.sell(1, 101, 1, 4)
    expect(rig.sell(1, 102, 1, 3)).toEqual(['Rejected LevelsFull'])
    expect(rig.sell(1, 101, 1, 3)).toEqual(['Accepted 3'])
    expect(rig.amend(1, 3, 103, 1)).toEqual(['Rejected LevelsFull'])
    expect(rig.amend(1, 4, 100, 1)).toEqual(['Amended 4 1@100 anew'])
    expect(rig.amend(1, 4, 101, 1)).toEqual(['Amended 4 1@101 anew'])
    expect(rig.amend(1, 1, 103, 1)).toEqual(['Amended 1 1@103 anew'])
    expect(rig.sell(1, 104, 1, 9, { type: OrderType.StopLimit, triggerTicks: 90 })).toEqual([
      'Rejected LevelsFull',
    ])
    expect(rig.book()).toBe(' | 101:3 103:1')
  })

  test('levels: a waiting stop moves to a trigger that has a level; one that is set off and finds none ends', () => {
    const rig = new Rig({ levelsMax: 4, reference: false }).fund(3)
    const stop = (ticks: number, cloid: number, triggerTicks: number): string[] =>
      rig.buy(1, ticks, 1, cloid, { type: OrderType.StopLimit, triggerTicks })
    rig.sell(2, 100, 2, 1)
    rig.buy(3, 50, 1, 1)
    stop(96, 2, 100)
    stop(97, 3, 100)
    stop(97, 4, 120)
    expect(rig.amend(1, 3, 97, 1, { triggerTicks: 130 })).toEqual(['Rejected LevelsFull'])
    expect(rig.amend(1, 3, 97, 1, { triggerTicks: 120 })).toEqual(['Amended 3 1@97 anew'])
    expect(rig.amend(1, 3, 97, 1, { triggerTicks: 100 })).toEqual(['Amended 3 1@97 anew'])
    expect(rig.buy(3, 100, 1, 2, { timeInForce: TimeInForce.IOC })).toEqual([
      'Accepted 2',
      'Fill 1<2 1@100',
      'Triggered 2',
      'Canceled 2 TriggerRejected 1',
      'Triggered 3',
    ])
    expect(rig.book()).toBe('97:1 50:1 | 100:1')
  })

  test('orders of one account, waiting stops with them; what never rests is still taken', () => {
    const rig = new Rig({ accountOrdersMax: 2 }).fund(2)
    rig.sell(1, 100, 1, 1)
    rig.buy(1, 90, 1, 2, { type: OrderType.Stop, triggerTicks: 200 })
    expect(rig.sell(1, 102, 1, 3)).toEqual(['Rejected AccountOrdersFull'])
    expect(rig.sell(1, 102, 1, 3, { type: OrderType.StopLimit, triggerTicks: 9 })).toEqual([
      'Rejected AccountOrdersFull',
    ])
    expect(rig.buy(1, 50, 1, 3, { timeInForce: TimeInForce.IOC })).toEqual([
      'Accepted 3',
      'Canceled 3 ImmediateOrCancel 1',
    ])
    expect(rig.sell(2, 102, 1, 3)).toEqual(['Accepted 3'])
  })

  test('by default an account has an eighth of all orders, so levels are left to others too', () => {
    const rig = new Rig({ ordersMax: 16, levelsMax: 16 }).fund(2)
    rig.sell(1, 100, 1, 1)
    rig.sell(1, 101, 1, 2)
    expect(rig.sell(1, 102, 1, 3)).toEqual(['Rejected AccountOrdersFull'])
    expect(new Rig({ ordersMax: 7 }).fund(1).sell(1, 100, 1, 1)).toEqual(['Accepted 1'])
  })

  test('the fuller the table, the less of it one account may have, but never less than the floor', () => {
    const rig = new Rig({ ordersMax: 640, levelsMax: 640, accountOrdersMax: 640 }).fund(4)
    const fill = (account: number): number => {
      for (let cloid = 1; ; cloid++) {
        const [said] = rig.buy(account, 1, 1, cloid)
        if (said === 'Rejected AccountOrdersFull') return cloid - 1
        expect(said).toBe(`Accepted ${cloid}`)
      }
    }
    // 71 of 640 leave 569, an eighth of which is 71; an eighth of what the others leave is below the floor.
    expect([fill(1), fill(2), fill(3)]).toEqual([71, ACCOUNT_ORDERS_FLOOR, ACCOUNT_ORDERS_FLOOR])
    expect(rig.sell(1, 9, 1, 999, { type: OrderType.Stop, triggerTicks: 5 })).toEqual([
      'Rejected AccountOrdersFull',
    ])
    expect(rig.amend(1, 1, 2, 1)).toEqual(['Amended 1 1@2 anew'])
    rig.cancel(1, 1)
    expect(rig.buy(1, 1, 1, 1)).toEqual(['Rejected AccountOrdersFull'])
    rig.cancel(2, 1)
    expect(rig.buy(2, 1, 1, 1)).toEqual(['Accepted 1'])
    expect(rig.buy(4, 1, 1, 1)).toEqual(['Accepted 1'])
  })

  test('protections of one account', () => {
    const markets = Array.from({ length: 66 }, (_, id) => marketConfig({ id }))
    const rig = new Rig({ markets, marketsMax: 66, accountsMax: 32 }).fund(2)
    const protect = (account: number, market: number, fills = 1): string[] => {
      commands.writeProtection(rig.words, rig.floats, 0, account, market, fills === 0 ? 0 : 1000, fills, 0)
      return rig.apply()
    }
    for (let market = 0; market < 64; market++) expect(protect(1, market)).toEqual(['ProtectionChanged'])
    expect(protect(1, 64)).toEqual(['Rejected ProtectionsFull'])
    expect(protect(1, 3, 2)).toEqual(['ProtectionChanged'])
    expect(protect(2, 64)).toEqual(['ProtectionChanged'])
    expect(protect(1, 3, 0)).toEqual(['ProtectionChanged'])
    expect(protect(1, 64)).toEqual(['ProtectionChanged'])
  })

  test('accounts, balances', () => {
    const rig = new Rig({ accountsMax: 3, balancesMax: 2, reference: false })
    expect(rig.deposit(2, USD, 1000)).toEqual(['Deposited'])
    expect(rig.deposit(3, USD, 5)).toEqual(['Rejected AccountsFull'])
    expect(rig.deposit(-1, USD, 5)).toEqual(['Rejected UnknownAccount'])
    // One row is the fee account's, one is account 2's; buying needs a row for what it buys.
    expect(rig.deposit(1, USD, 5)).toEqual(['Rejected BalancesFull'])
    expect(rig.buy(2, 1, 1, 1)).toEqual(['Rejected BalancesFull'])
    commands.writeTransfer(rig.words, rig.floats, 0, 2, 0, USD, 5)
    expect(rig.apply()).toEqual(['Transferred'])
    commands.writeOpenAccount(rig.words, 0, 3, [1, 2, 3, 4, 5])
    expect(rig.apply()).toEqual(['Rejected AccountsFull'])
  })
})

describe('money', () => {
  test.each([
    [NaN, 'NotAnInteger'],
    [1.5, 'NotAnInteger'],
    [0, 'ZeroUnits'],
    [-1, 'NegativeUnits'],
    [2 ** 53, 'UnitsOverLimit'],
    [Infinity, 'UnitsOverLimit'],
  ])('%d units', (units, name) => {
    const rig = new Rig().fund(2)
    const before = withoutSeq(rig)
    expect(rig.deposit(1, USD, units)).toEqual([`Rejected ${name}`])
    commands.writeWithdraw(rig.words, rig.floats, 0, 1, USD, units, 'operator')
    expect(rig.apply()).toEqual([`Rejected ${name}`])
    commands.writeTransfer(rig.words, rig.floats, 0, 1, 2, USD, units)
    expect(rig.apply()).toEqual([`Rejected ${name}`])
    expect(withoutSeq(rig)).toBe(before)
  })

  test('assets, accounts, funds, nonces', () => {
    const rig = new Rig().fund(1)
    expect(rig.deposit(1, 5, 1)).toEqual(['Rejected UnknownAsset'])
    const withdraw = (account: number, asset: number, units: number, nonce?: number): string[] => {
      const consent = nonce === undefined ? 'operator' : { nonce, deadlineMs: 1000 }
      commands.writeWithdraw(rig.words, rig.floats, 0, account, asset, units, consent)
      return rig.apply()
    }
    expect(withdraw(1, 5, 1)).toEqual(['Rejected UnknownAsset'])
    expect(withdraw(9, USD, 1)).toEqual(['Rejected UnknownAccount'])
    expect(withdraw(1, USD, 1e12 + 1)).toEqual(['Rejected InsufficientFunds'])
    expect(withdraw(1, USD, 1, 5)).toEqual(['Withdrawn'])
    expect(withdraw(1, USD, 1, 5)).toEqual(['Rejected WithdrawalNonceUsed'])
    expect(withdraw(1, USD, 1, 4)).toEqual(['Rejected WithdrawalNonceUsed'])
    expect(withdraw(1, USD, 1, 6.5)).toEqual(['Rejected BadNonce'])
    expect(withdraw(1, USD, 1, 6)).toEqual(['Withdrawn'])
  })

  test('the whole exchange takes cancels and reductions only, while any reason stands', () => {
    const { Operator, SettlementLag } = CancelOnlyReason
    const { Active, CancelOnly, Halted } = MarketStatus
    const rig = new Rig({ markets: [marketConfig(), marketConfig({ id: 1 }), marketConfig({ id: 2 })] })
    rig.fund(2)
    const exchange = (reason: number, status: number): string[] => {
      commands.writeExchangeStatus(rig.words, 0, reason, status)
      return rig.apply()
    }
    const setMarket = (market: number, status: number): string[] => {
      commands.writeMarketStatus(rig.words, 0, market, status)
      return rig.apply()
    }
    const bad = ['Rejected BadStatus']
    for (const [reason, status] of [
      [0, CancelOnly],
      [3, CancelOnly],
      [4, Active],
      [-1, CancelOnly],
      [Operator, Halted],
      [Operator, -1],
    ] as const)
      expect([reason, status, exchange(reason, status)]).toEqual([reason, status, bad])
    const changed = ['ExchangeStatusChanged']
    const barred = ['Rejected ExchangeCancelOnly']
    setMarket(1, Halted)
    setMarket(2, CancelOnly)
    rig.sell(2, 110, 5, 1)
    rig.buy(1, 100, 5, 1)
    rig.buy(1, 99, 5, 2)
    rig.buy(1, 98, 5, 3)
    expect(exchange(SettlementLag, CancelOnly)).toEqual(changed)
    expect(exchange(SettlementLag, CancelOnly)).toEqual(changed)
    expect(exchange(Operator, CancelOnly)).toEqual(changed)
    rig.restore()
    expect(rig.engine.cancelOnlyReasons).toBe(Operator | SettlementLag)

    // A market that is closed by itself says so first; its deadline, and what is not there, before all.
    expect(rig.place({ market: 1, cloid: 9 })).toEqual(['Rejected MarketHalted'])
    expect(rig.place({ market: 2, cloid: 9 })).toEqual(['Rejected MarketCancelOnly'])
    expect(rig.place({ market: 7, cloid: 9 })).toEqual(['Rejected UnknownMarket'])
    expect(rig.place({ account: 9, cloid: 9 })).toEqual(['Rejected UnknownAccount'])
    expect(rig.place({ cloid: 9, lots: 0, deadlineMs: 9e9 })).toEqual(['Rejected DeadlineTooFar'])
    expect(rig.place({ cloid: 9, lots: 0 })).toEqual(barred)
    const floats = new Float64Array(rig.records[0]!.buffer)
    expect(floats[RejectedEv.REASONS_F64]).toBe(Operator | SettlementLag)
    expect(rig.sell(2, 90, 1, 9, { timeInForce: TimeInForce.IOC })).toEqual(barred)

    // What keeps its place is taken, what leaves it not; what cannot be is refused for that.
    expect(rig.amend(1, 1, 100, 5)).toEqual(['Amended 1 5@100 kept'])
    expect(rig.amend(1, 1, 100, 3)).toEqual(['Amended 1 3@100 kept'])
    expect(rig.amend(1, 1, 100, 4)).toEqual(barred)
    expect(rig.amend(1, 1, 101, 3)).toEqual(barred)
    expect(rig.amend(1, 1, 99, 2)).toEqual(barred)
    expect(rig.amend(1, 1, 100, 0)).toEqual(['Rejected ZeroLots'])
    expect(rig.amend(1, 8, 100, 1)).toEqual(['Rejected UnknownOrder'])
    expect(rig.cancel(1, 1)).toEqual(['Canceled 1 User 3'])
    commands.writeCancelAll(rig.words, rig.floats, 0, 1, 0)
    expect(rig.apply()).toEqual(['Canceled 2 CancelAll 5', 'Canceled 3 CancelAll 5', 'CanceledAll 2'])
    // Money goes in and out as ever.
    expect(rig.deposit(1, USD, 5)).toEqual(['Deposited'])
    commands.writeWithdraw(rig.words, rig.floats, 0, 1, USD, 5, { nonce: 1, deadlineMs: 1000 })
    expect(rig.apply()).toEqual(['Withdrawn'])

    // Each ends its own reason only, and markets are then what they were, or were set to meanwhile.
    expect(exchange(SettlementLag, Active)).toEqual(changed)
    expect(rig.buy(1, 100, 1, 9)).toEqual(barred)
    setMarket(1, Active)
    expect(rig.place({ market: 1, cloid: 9 })).toEqual(barred)
    setMarket(0, Halted)
    expect(exchange(Operator, Active)).toEqual(changed)
    expect(rig.buy(1, 100, 1, 9)).toEqual(['Rejected MarketHalted'])
    expect(rig.place({ market: 1, cloid: 9 })).toEqual(['Accepted 9'])
    expect(rig.place({ market: 2, cloid: 8 })).toEqual(['Rejected MarketCancelOnly'])
    setMarket(0, Active)
    expect(rig.buy(1, 110, 1, 7)).toEqual(['Accepted 7', 'Fill 1<7 1@110'])
  })

  test('a market that is created while the exchange takes cancels only takes them only, too', () => {
    const rig = new Rig({ reference: false }).fund(1)
    commands.writeExchangeStatus(rig.words, 0, CancelOnlyReason.SettlementLag, MarketStatus.CancelOnly)
    rig.apply()
    commands.writeCreateMarket(rig.words, rig.floats, 0, 5, ABC, USD, 1, 1, 0, 0)
    expect(rig.apply()).toEqual(['MarketCreated'])
    expect(rig.place({ market: 5 })).toEqual(['Rejected ExchangeCancelOnly'])
    expect(rig.engine.markets().find(({ id }) => id === 5)).toMatchObject({ status: MarketStatus.Active })
    commands.writeExchangeStatus(rig.words, 0, CancelOnlyReason.SettlementLag, MarketStatus.Active)
    rig.apply()
    expect(rig.place({ market: 5 })).toEqual(['Accepted 1'])
  })

  test('minimum and fee: each check of a withdrawal, in order', () => {
    const rig = new Rig({ terms: [100, 10] }).fund(1)
    rig.deposit(2, USD, 109)
    interface Asked {
      account: number
      asset: number
      units: number
      nonce: number
      deadlineMs: number
      maxFee: number
    }
    const asked: Asked = { account: 2, asset: USD, units: 99, nonce: 1, deadlineMs: 1000, maxFee: 9 }
    const withdraw = (change: Partial<Asked>): string[] => {
      const { account, asset, units, nonce, deadlineMs, maxFee } = { ...asked, ...change }
      commands.writeWithdraw(rig.words, rig.floats, 0, account, asset, units, { nonce, deadlineMs }, maxFee)
      return rig.apply()
    }
    // Each row has what the rows behind it are refused for as well.
    const rows: [string, Partial<Asked>][] = [
      ['UnknownAsset', { asset: 5, account: 9, units: 0, deadlineMs: 0, nonce: 0, maxFee: -1 }],
      ['UnknownAccount', { account: 9, units: 0, deadlineMs: 0, nonce: 0, maxFee: -1 }],
      ['ZeroUnits', { units: 0, deadlineMs: 0, nonce: 0, maxFee: -1 }],
      ['BadDeadline', { deadlineMs: 0, nonce: 0, maxFee: -1 }],
      ['BadNonce', { nonce: 0, maxFee: -1 }],
      ['NegativeUnits', { maxFee: -1 }],
      ['NotAnInteger', { maxFee: 9.5 }],
      ['NotAnInteger', { maxFee: NaN }],
      ['UnitsOverLimit', { maxFee: 2 ** 53 }],
      ['WithdrawBelowMin', {}],
      ['WithdrawFeeNotAccepted', { units: 100 }],
      ['InsufficientFunds', { units: 100, maxFee: 10 }],
    ]
    for (const [name, change] of rows)
      expect([change, withdraw(change)]).toEqual([change, [`Rejected ${name}`]])
    const bound = (): number => new Float64Array(rig.records.at(-1)!.buffer)[RejectedEv.BOUND_F64]!
    expect(bound()).toBe(109)
    withdraw({})
    expect(bound()).toBe(100)
    withdraw({ units: 100 })
    expect(bound()).toBe(10)
    // None of them used the nonce.
    rig.deposit(2, USD, 1)
    expect(withdraw({ units: 100, maxFee: 10 })).toEqual(['Withdrawn'])
    expect(rig.balance(2, USD)).toBe('0/0')
    expect(withdraw({ units: 1, maxFee: 0 })).toEqual(['Rejected WithdrawalNonceUsed'])
  })

  test('who sets minimum and fee of withdrawals', () => {
    const rig = new Rig({ balancesMax: 3, reference: false })
    const set = (asset: number, min: number, fee: number): string[] => {
      commands.writeWithdrawTerms(rig.words, rig.floats, 0, asset, min, fee)
      return rig.apply()
    }
    const bad = ['Rejected BadWithdrawTerms']
    expect(set(5, 1, 0)).toEqual(['Rejected UnknownAsset'])
    expect(set(-1, 1, 0)).toEqual(['Rejected UnknownAsset'])
    for (const [min, fee] of [
      [10 ** 10 + 1, 0],
      [5, 6],
      [0, 1],
      [-1, -1],
      [5, -1],
      [1.5, 0],
      [5, 0.5],
      [NaN, 0],
      [5, NaN],
      [Infinity, 0],
    ] as const)
      expect([min, fee, set(USD, min, fee)]).toEqual([min, fee, bad])
    expect(set(USD, 10 ** 10, 10 ** 10)).toEqual(['WithdrawTermsChanged'])
    // A fee of an asset that the fee account never held needs a row.
    rig.deposit(1, USD, 5)
    rig.deposit(1, ABC, 5)
    expect(set(ABC, 5, 1)).toEqual(['Rejected BalancesFull'])
    expect(set(ABC, 5, 0)).toEqual(['WithdrawTermsChanged'])
    expect(rig.engine.assets()).toEqual([
      { id: USD, symbol: 'USD', withdrawMinUnits: 10 ** 10, withdrawFeeUnits: 10 ** 10 },
      { id: ABC, symbol: 'ABC', withdrawMinUnits: 5, withdrawFeeUnits: 0 },
    ])
    commands.writeCreateAsset(rig.words, 0, 7, 'NEW', 3, 4)
    expect(rig.apply()).toEqual(bad)
    commands.writeCreateAsset(rig.words, 0, 7, 'NEW', 4, 0)
    expect(rig.apply()).toEqual(['AssetCreated'])
    rig.restore()
    expect(rig.engine.assets()[2]).toEqual({
      id: 7,
      symbol: 'NEW',
      withdrawMinUnits: 4,
      withdrawFeeUnits: 0,
    })
    for (const terms of [
      { withdrawMinUnits: 1, withdrawFeeUnits: 2 },
      { withdrawFeeUnits: 1 },
      { withdrawMinUnits: -1 },
    ])
      expect(() =>
        createEngine({
          genesis: { assets: [{ id: 0, symbol: 'A', ...terms }], markets: [] },
          onEvents: () => {},
        }),
      ).toThrow(/asset 0: withdrawMinUnits/)
  })

  test('transfers stay with one owner', () => {
    const rig = new Rig()
    const open = (account: number, last: number): string[] => {
      commands.writeOpenAccount(rig.words, 0, account, [1, 2, 3, 4, last])
      return rig.apply()
    }
    const transfer = (from: number, to: number, units: number): string[] => {
      commands.writeTransfer(rig.words, rig.floats, 0, from, to, USD, units)
      return rig.apply()
    }
    expect(open(1, 5)).toEqual(['AccountOpened'])
    expect(open(1, 6)).toEqual(['Rejected AccountExists'])
    expect(open(-1, 6)).toEqual(['Rejected UnknownAccount'])
    open(2, 5)
    open(3, 6)
    rig.deposit(1, USD, 100)
    expect(transfer(1, 1, 5)).toEqual(['Rejected SameAccount'])
    expect(transfer(1, 3, 5)).toEqual(['Rejected NotOwner'])
    expect(transfer(1, 4, 5)).toEqual(['Rejected UnknownAccount'])
    expect(transfer(1, 2, 101)).toEqual(['Rejected InsufficientFunds'])
    expect(transfer(1, 2, 100)).toEqual(['Transferred'])
    expect(rig.balance(2, USD)).toBe('100/0')
    // What its orders reserve is its own, too.
    rig.deposit(2, USD, 2 ** 53 - 111)
    rig.buy(2, 10, 1, 1)
    rig.deposit(1, USD, 11)
    expect(transfer(1, 2, 11)).toEqual(['Rejected BalanceOverLimit'])
    expect(transfer(1, 2, 10)).toEqual(['Transferred'])
    expect(rig.balance(2, USD)).toBe(`${2 ** 53 - 11}/10`)
  })

  test('deposits from the chain come in order, and none is lost', () => {
    const rig = new Rig()
    const fromChain = (position: number, units = 5, asset = USD): string[] => {
      commands.writeDeposit(rig.words, rig.floats, 0, 1, asset, units, position)
      return rig.apply()
    }
    expect(fromChain(1)).toEqual(['Rejected DepositOutOfOrder'])
    expect(fromChain(0)).toEqual(['Deposited'])
    expect(fromChain(0)).toEqual(['Rejected DepositOutOfOrder'])
    rig.deposit(1, USD, 2 ** 53 - 6)
    // One that cannot be kept goes back at once, and holds up none behind it.
    expect(fromChain(1)).toEqual(['Deposited', 'Withdrawn'])
    expect(fromChain(2, 5, 50)).toEqual(['Deposited', 'Withdrawn'])
    expect(rig.engine.depositsConsumed).toBe(3)
    expect(rig.engine.available(1, USD)).toBe(2 ** 53 - 1)
    commands.writeWithdraw(rig.words, rig.floats, 0, 1, USD, 1000, 'operator')
    rig.apply()
    expect(fromChain(3)).toEqual(['Deposited'])
    expect(fromChain(4, 0)).toEqual(['Rejected ZeroUnits'])
    expect(rig.engine.depositsConsumed).toBe(4)
  })
})

describe('the operator', () => {
  test('assets and markets', () => {
    const rig = new Rig({ reference: false, marketsMax: 3 })
    const asset = (id: number, symbol: string): string[] => {
      commands.writeCreateAsset(rig.words, 0, id, symbol)
      return rig.apply()
    }
    expect(asset(ABC, 'X')).toEqual(['Rejected AssetExists'])
    expect(asset(64, 'X')).toEqual(['Rejected UnknownAsset'])
    expect(asset(2, '')).toEqual(['Rejected BadMarketConfig'])
    expect(asset(2, 'seventeen letters')).toEqual(['Rejected BadMarketConfig'])
    expect(asset(2, 'EUR')).toEqual(['AssetCreated'])
    expect(rig.engine.assets()).toContainEqual({ id: 2, symbol: 'EUR' })
    const create = (change: (rig: Rig) => void = () => {}): string[] => {
      commands.writeCreateMarket(rig.words, rig.floats, 0, 1, 2, USD, 10, 2, -5, 10, 0)
      change(rig)
      return rig.apply()
    }
    expect(create(({ words }) => (words[CreateMarketCmd.MARKET] = -1))).toEqual(['Rejected UnknownMarket'])
    expect(create(({ words }) => (words[CreateMarketCmd.MARKET] = 3))).toEqual(['Rejected MarketsFull'])
    expect(create(({ words }) => (words[CreateMarketCmd.MARKET] = 0))).toEqual(['Rejected MarketExists'])
    expect(create(({ words }) => (words[CreateMarketCmd.BASE] = 7))).toEqual(['Rejected UnknownAsset'])
    expect(create(({ words }) => (words[CreateMarketCmd.BASE] = USD))).toEqual(['Rejected BadMarketConfig'])
    expect(create(({ floats }) => (floats[CreateMarketCmd.LOT_UNITS_F64] = 0))).toEqual([
      'Rejected BadMarketConfig',
    ])
    expect(create(({ floats }) => (floats[CreateMarketCmd.TICK_UNITS_F64] = 0.5))).toEqual([
      'Rejected BadMarketConfig',
    ])
    // A price of three or seven lots a unit would have no last decimal.
    for (const lotUnits of [3, 7, 14, 30])
      expect(create(({ floats }) => (floats[CreateMarketCmd.LOT_UNITS_F64] = lotUnits))).toEqual([
        'Rejected BadMarketConfig',
      ])
    expect(create(({ words }) => (words[CreateMarketCmd.MAKER_FEE_PPM] = -11))).toEqual(['Rejected BadFees'])
    expect(create(({ words }) => (words[CreateMarketCmd.TAKER_FEE_PPM] = -1))).toEqual(['Rejected BadFees'])
    expect(create(({ words }) => (words[CreateMarketCmd.TAKER_FEE_PPM] = 100_001))).toEqual([
      'Rejected BadFees',
    ])
    expect(create(({ words }) => (words[CreateMarketCmd.BAND_PPM] = 1_000_001))).toEqual([
      'Rejected BadPriceBand',
    ])
    expect(create()).toEqual(['MarketCreated'])
    expect(rig.engine.markets()[1]).toMatchObject({
      id: 1,
      base: 2,
      quote: USD,
      lotUnits: 10,
      makerFeePpm: -5,
    })
    rig.deposit(1, USD, 1000)
    expect(rig.buy(1, 10, 10, 1, { market: 1 })).toEqual(['Accepted 1'])
    rig.restore()
    expect(rig.book(1)).toBe('10:10 | ')
  })

  test('status: halted stops everything, cancel-only all but cancels', () => {
    const rig = new Rig().fund(2)
    const status = (value: number): string[] => {
      commands.writeMarketStatus(rig.words, 0, 0, value)
      return rig.apply()
    }
    const cancelAll = (market: number): string[] => {
      commands.writeCancelAll(rig.words, rig.floats, 0, 1, market)
      return rig.apply()
    }
    rig.buy(1, 100, 5, 1)
    rig.buy(1, 100, 5, 2, { timeInForce: TimeInForce.GTD, expiresAtMs: 50 })
    expect(status(3)).toEqual(['Rejected BadStatus'])
    expect(status(MarketStatus.Halted)).toEqual(['MarketStatusChanged'])
    expect(rig.buy(1, 100, 5, 3)).toEqual(['Rejected MarketHalted'])
    expect(rig.amend(1, 1, 100, 4)).toEqual(['Rejected MarketHalted'])
    expect(rig.cancel(1, 1)).toEqual(['Rejected MarketHalted'])
    expect(cancelAll(0)).toEqual(['Rejected MarketHalted'])
    expect(cancelAll(-1)).toEqual(['CanceledAll 0'])
    // Its own clock still ends an order.
    expect(rig.time(50)).toEqual(['TimeAdvanced', 'Canceled 2 Expired 5'])
    status(MarketStatus.CancelOnly)
    expect(rig.buy(1, 100, 5, 3)).toEqual(['Rejected MarketCancelOnly'])
    expect(rig.amend(1, 1, 100, 4)).toEqual(['Rejected MarketCancelOnly'])
    expect(rig.cancel(1, 1)).toEqual(['Canceled 1 User 5'])
    status(MarketStatus.Active)
    expect(rig.buy(1, 100, 5, 3)).toEqual(['Accepted 3'])
  })

  test('fees, bands, tiers', () => {
    const rig = new Rig().fund(1)
    commands.writeMarketFees(rig.words, 0, 0, -2, 1)
    expect(rig.apply()).toEqual(['Rejected BadFees'])
    commands.writeMarketFees(rig.words, 0, 5, 1, 1)
    expect(rig.apply()).toEqual(['Rejected UnknownMarket'])
    commands.writeMarketFees(rig.words, 0, 0, 1, 1, 16)
    expect(rig.apply()).toEqual(['Rejected BadTier'])
    commands.writePriceBand(rig.words, 0, 0, -1)
    expect(rig.apply()).toEqual(['Rejected BadPriceBand'])
    commands.writeAccountTier(rig.words, 0, 1, 16)
    expect(rig.apply()).toEqual(['Rejected BadTier'])
    commands.writeAccountTier(rig.words, 0, 9, 1)
    expect(rig.apply()).toEqual(['Rejected UnknownAccount'])
  })

  test('an unknown command is rejected, a rejected command changes nothing', () => {
    const rig = new Rig().fund(1)
    const before = withoutSeq(rig)
    rig.words.fill(-1)
    expect(rig.apply()).toEqual(['Rejected UnknownCommand'])
    rig.time(NaN)
    expect(rig.time(-1)).toEqual(['Rejected BadTime'])
    expect(rig.time(2 ** 53)).toEqual(['Rejected BadTime'])
    expect(withoutSeq(rig)).toBe(before)
    expect(hash(rig)).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('frames', () => {
  const APPROVAL = 5
  const open = (rig: Rig, approval: number, count: number, nonce: number, account = 1): string[] => {
    commands.writeFrame(rig.words, rig.floats, 0, account, approval, count, nonce)
    return rig.apply()
  }
  function setUp(scopes = 2, maxNotional = 0): Rig {
    const rig = new Rig({ requireFrames: true }).fund(2)
    rig.time(1000)
    commands.writeApproveSession(rig.words, 0, 1, [1, 2, 3, 4, 5, 6, 7, 8], 1, {
      scopes,
      maxNotional,
      expiresAtMs: 2000,
      nonce: APPROVAL,
      deadlineMs: 1500,
    })
    expect(rig.apply()).toEqual(['SessionApproved'])
    return rig
  }

  test('orders need a frame, its account, its scope', () => {
    const rig = setUp()
    expect(rig.buy(1, 100, 1, 1)).toEqual(['Rejected FrameRequired'])
    expect(rig.cancel(1, 1)).toEqual(['Rejected FrameRequired'])
    expect(open(rig, APPROVAL, 3, 7)).toEqual(['FrameOpened'])
    expect(rig.buy(1, 100, 1, 1)).toEqual(['Accepted 1'])
    expect(rig.buy(2, 100, 1, 1)).toEqual(['Rejected WrongAccount'])
    // Time may be sequenced at any moment and belongs to no frame.
    expect(rig.time(1001)).toEqual(['TimeAdvanced'])
    expect(rig.deposit(1, USD, 1)).toEqual(['Rejected SessionScope'])
    expect(rig.buy(1, 100, 1, 2)).toEqual(['Rejected FrameRequired'])
    expect(Array.from(rig.engine.frameResults(1, APPROVAL, 7)!.codes)).toEqual([
      0,
      Reject.WrongAccount,
      Reject.SessionScope,
    ])
    expect(open(setUp(1), APPROVAL, 1, 1)).toEqual(['FrameOpened'])
  })

  test('a repeated frame names the first one, and does nothing', () => {
    const rig = setUp()
    open(rig, APPROVAL, 1, 7)
    const { firstSeq } = rig.engine.frameResults(1, APPROVAL, 7)!
    rig.buy(1, 100, 1, 1)
    rig.restore()
    expect(open(rig, APPROVAL, 1, 7)).toEqual(['Rejected FrameNonceUsed'])
    const record = rig.records[0]!
    expect(new Float64Array(record.buffer)[8]).toBe(firstSeq)
    expect(rig.buy(1, 100, 1, 2)).toEqual(['Rejected FrameRejected'])
    expect(rig.engine.orders(1)).toHaveLength(1)
  })

  test('the window of nonces slides', () => {
    const rig = setUp()
    const frame = (nonce: number): string => {
      const answer = open(rig, APPROVAL, 1, nonce)[0]!
      rig.cancel(1, 99)
      return answer
    }
    expect(frame(150)).toBe('FrameOpened')
    expect(frame(51)).toBe('FrameOpened')
    expect(frame(50)).toBe('Rejected FrameNonceTooOld')
    expect(frame(150)).toBe('Rejected FrameNonceUsed')
    expect(frame(151)).toBe('FrameOpened')
    expect(frame(51)).toBe('Rejected FrameNonceTooOld')
    expect(frame(52)).toBe('FrameOpened')
    expect(rig.engine.frameResults(1, APPROVAL, 51)).toBeUndefined()
    expect(frame(0.5)).toBe('Rejected BadFrame')
    expect(frame(-1)).toBe('Rejected BadFrame')
  })

  test('bad headers', () => {
    const rig = setUp()
    expect(open(rig, APPROVAL, 0, 1)).toEqual(['Rejected BadFrame'])
    expect(open(rig, APPROVAL, 65, 1)).toEqual(['Rejected BadFrame'])
    expect(open(rig, 9, 1, 1)).toEqual(['Rejected UnknownSession'])
    expect(rig.buy(1, 100, 1, 1)).toEqual(['Rejected FrameRejected'])
    // An approval is of one account: another has no session of that name.
    expect(open(rig, APPROVAL, 1, 1, 2)).toEqual(['Rejected UnknownSession'])
    rig.buy(2, 100, 1, 1)
    expect(open(rig, APPROVAL, 2, 1)).toEqual(['FrameOpened'])
    expect(open(rig, APPROVAL, 1, 2)).toEqual(['Rejected BadFrame'])
    expect(rig.buy(1, 100, 1, 1)).toEqual(['Accepted 1'])
    rig.time(2000)
    expect(open(rig, APPROVAL, 1, 3)).toEqual(['Rejected SessionExpired'])
  })

  test('notional of one order, scopes of a withdrawal, revocation', () => {
    const rig = setUp(6, 1000)
    open(rig, APPROVAL, 5, 1)
    expect(rig.buy(1, 100, 11, 1)).toEqual(['Rejected SessionNotional'])
    expect(rig.buy(1, 100, 10, 1)).toEqual(['Accepted 1'])
    expect(rig.amend(1, 1, 101, 10)).toEqual(['Rejected SessionNotional'])
    commands.writeWithdraw(rig.words, rig.floats, 0, 1, USD, 5, 'frame')
    expect(rig.apply()).toEqual(['Withdrawn'])
    commands.writeRevokeSession(rig.words, rig.floats, 0, 1, APPROVAL, 'frame')
    expect(rig.apply()).toEqual(['SessionRevoked'])
    expect(open(rig, APPROVAL, 1, 2)).toEqual(['Rejected UnknownSession'])
  })
})

test('a refusal for want of funds, or over a bound of its session, tells the bound', () => {
  const rig = new Rig()
  rig.time(1000)
  rig.deposit(1, USD, 500)
  rig.deposit(1, ABC, 7)
  const bound = (): number => {
    const record = rig.records.at(-1)!
    return new Float64Array(record.buffer)[RejectedEv.BOUND_F64]!
  }
  const refused = (answer: string[], code: string, units: number): void =>
    expect([answer, bound()]).toEqual([[`Rejected ${code}`], units])
  refused(rig.buy(1, 100, 6, 1), 'InsufficientFunds', 500)
  refused(rig.sell(1, 100, 8, 1), 'InsufficientFunds', 7)
  refused(rig.buy(2, 100, 1, 1), 'UnknownAccount', 0)
  rig.deposit(2, ABC, 1)
  refused(rig.buy(2, 100, 1, 1), 'InsufficientFunds', 0)
  // 300 are reserved by now, which the order itself may use again.
  expect(rig.buy(1, 100, 3, 1)).toEqual(['Accepted 1'])
  refused(rig.buy(1, 100, 3, 2), 'InsufficientFunds', 200)
  refused(rig.amend(1, 1, 100, 6), 'InsufficientFunds', 500)
  expect(rig.sell(1, 200, 5, 3)).toEqual(['Accepted 3'])
  refused(rig.amend(1, 3, 200, 8), 'InsufficientFunds', 7)
  commands.writeWithdraw(rig.words, rig.floats, 0, 1, USD, 201, 'operator')
  refused(rig.apply(), 'InsufficientFunds', 200)
  commands.writeTransfer(rig.words, rig.floats, 0, 1, 2, ABC, 3)
  refused(rig.apply(), 'InsufficientFunds', 2)
  const approve = (expiresAtMs: number): string[] => {
    const terms = { scopes: 2, maxNotional: 150, expiresAtMs, nonce: 1, deadlineMs: 1500 }
    commands.writeApproveSession(rig.words, 0, 1, [1, 2, 3, 4, 5, 6, 7, 8], 1, terms)
    return rig.apply()
  }
  refused(approve(1001 + SESSION_LIFETIME_MS), 'SessionLifetimeOverLimit', 1000 + SESSION_LIFETIME_MS)
  expect(approve(2000)).toEqual(['SessionApproved'])
  // The last command of a frame too, after which none is open.
  commands.writeFrame(rig.words, rig.floats, 0, 1, 1, 1, 1)
  expect(rig.apply()).toEqual(['FrameOpened'])
  refused(rig.buy(1, 100, 2, 4), 'SessionNotional', 150)
})

test('amend and cancel name their order or say why not', () => {
  const rig = new Rig({ markets: [marketConfig(), marketConfig({ id: 1 })] }).fund(1)
  rig.buy(1, 100, 5, 1)
  rig.time(100)
  expect(rig.cancel(1, 2)).toEqual(['Rejected UnknownOrder'])
  expect(rig.cancel(9, 1)).toEqual(['Rejected UnknownAccount'])
  commands.writeCancel(rig.words, rig.floats, 0, 1, 1, 1)
  expect(rig.apply()).toEqual(['Rejected UnknownOrder'])
  commands.writeCancel(rig.words, rig.floats, 0, 1, 5, 1)
  expect(rig.apply()).toEqual(['Rejected UnknownMarket'])
  commands.writeCancel(rig.words, rig.floats, 0, 1, 0, 1, 0, 99)
  expect(rig.apply()).toEqual(['Rejected DeadlinePassed'])
  commands.writeCancel(rig.words, rig.floats, 0, 1, 0, 1, 0, 100)
  rig.words[0]! |= 1 << OrderCmd.INVALID_CLOID_SHIFT
  expect(rig.apply()).toEqual(['Rejected BadClientOrderId'])
  expect(rig.amend(1, 1, 100, 0)).toEqual(['Rejected ZeroLots'])
  expect(rig.amend(1, 1, 0, 5)).toEqual(['Rejected ZeroTicks'])
  expect(rig.amend(1, 1, -3, 5)).toEqual(['Rejected NegativeTicks'])
  expect(rig.amend(1, 1, 100, 5, { displayLots: 6 })).toEqual(['Rejected BadDisplayLots'])
  expect(rig.amend(1, 1, 100, 5, { triggerTicks: 6 })).toEqual(['Rejected BadTriggerTicks'])
  expect(rig.amend(1, 1, 100, 5, { expiresAtMs: 600 })).toEqual(['Rejected BadExpiry'])
  expect(rig.amend(1, 1, 2 ** 31 - 1, 2 ** 31 - 1)).toEqual(['Rejected NotionalOverLimit'])
  expect(rig.amend(1, 1, 2_000_000, 1_000_000)).toEqual(['Rejected InsufficientFunds'])
  expect(rig.place({ account: 1, cloid: 2, side: Side.Buy, ticks: 1, lots: 1 })).toEqual(['Accepted 2'])
})

test('deadlines end within a day, expiries and dead-man switches within a year', () => {
  const rig = new Rig().fund(1)
  const now = 1_795_000_000_000
  rig.time(now)
  const micros = (now + 60_000) * 1000
  expect(rig.buy(1, 100, 5, 1, { deadlineMs: micros })).toEqual(['Rejected DeadlineTooFar'])
  expect(rig.buy(1, 100, 5, 1, { deadlineMs: now + DAY_MS + 1 })).toEqual(['Rejected DeadlineTooFar'])
  expect(rig.buy(1, 100, 5, 1, { deadlineMs: now + DAY_MS })).toEqual(['Accepted 1'])
  expect(rig.buy(1, 100, 5, 2, { deadlineMs: NaN })).toEqual(['Rejected DeadlinePassed'])
  expect(rig.amend(1, 1, 101, 5, { deadlineMs: micros })).toEqual(['Rejected DeadlineTooFar'])
  commands.writeCancel(rig.words, rig.floats, 0, 1, 0, 1, 0, micros)
  expect(rig.apply()).toEqual(['Rejected DeadlineTooFar'])
  commands.writeCancelAll(rig.words, rig.floats, 0, 1, -1, -1, 0, micros)
  expect(rig.apply()).toEqual(['Rejected DeadlineTooFar'])
  commands.writeCancelAfter(rig.words, rig.floats, 0, 1, now + 1, micros)
  expect(rig.apply()).toEqual(['Rejected DeadlineTooFar'])
  commands.writeCancelAfter(rig.words, rig.floats, 0, 1, now + YEAR_MS + 1)
  expect(rig.apply()).toEqual(['Rejected BadExpiry'])
  commands.writeCancelAfter(rig.words, rig.floats, 0, 1, now + YEAR_MS)
  expect(rig.apply()).toEqual(['CancelAfterSet'])
  const { GTD } = TimeInForce
  const gtd = (expiresAtMs: number): string[] => rig.buy(1, 100, 5, 3, { timeInForce: GTD, expiresAtMs })
  expect(gtd(micros)).toEqual(['Rejected BadExpiry'])
  expect(gtd(now + YEAR_MS + 1)).toEqual(['Rejected BadExpiry'])
  expect(gtd(now + YEAR_MS)).toEqual(['Accepted 3'])
  expect(rig.amend(1, 3, 100, 5, { expiresAtMs: now + YEAR_MS + 1 })).toEqual(['Rejected BadExpiry'])
  expect(rig.amend(1, 3, 100, 5, { expiresAtMs: now + YEAR_MS - 1 })).toEqual(['Amended 3 5@100 anew'])
})
