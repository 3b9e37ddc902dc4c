/**
 * What each kind of order does, case by case: kinds and times in force, self-trade prevention in each
 * mode, amend of each field, stops and their cascades, icebergs, expiry, fees and reserves. Every case
 * runs on the fast core and on the reference (rig.ts).
 */
import { EventKind } from '../../codes.js'
import * as commands from '../../commands.js'
import { AcceptedEv, AmendedEv, Ev, TimeAdvancedEv, kindOf } from '../../layout.js'
import { ABC, OrderType, PostOnly, RICH, Rig, Side, Stp, TimeInForce, USD } from '../../reference/rig.js'

describe('kinds and times in force', () => {
  /** Asks of 5 at 100, 101 and 102. */
  const asks = (): Rig => {
    const rig = new Rig().fund(3)
    for (const [index, ticks] of [100, 101, 102].entries()) rig.sell(2, ticks, 5, index + 1)
    return rig
  }
  const IOC = TimeInForce.IOC
  const FOK = TimeInForce.FOK
  test.each([
    ['limit GTC rests where it does not cross', 99, 5, {}, [], '99:5 | 100:5 101:5 102:5'],
    ['limit GTC takes and rests', 101, 12, {}, ['1<9 5@100', '2<9 5@101'], '101:2 | 102:5'],
    ['limit GTC takes its all', 102, 7, {}, ['1<9 5@100', '2<9 2@101'], ' | 101:3 102:5'],
    [
      'IOC takes and drops the rest',
      101,
      12,
      { timeInForce: IOC },
      ['1<9 5@100', '2<9 5@101', 'x ImmediateOrCancel 2'],
      ' | 102:5',
    ],
    [
      'IOC that crosses nothing',
      99,
      1,
      { timeInForce: IOC },
      ['x ImmediateOrCancel 1'],
      ' | 100:5 101:5 102:5',
    ],
    ['FOK that fits exactly', 101, 10, { timeInForce: FOK }, ['1<9 5@100', '2<9 5@101'], ' | 102:5'],
    ['FOK that lacks one', 101, 11, { timeInForce: FOK }, ['x FillOrKill 11'], ' | 100:5 101:5 102:5'],
    [
      'market at its protection price',
      101,
      20,
      { type: OrderType.Market },
      ['1<9 5@100', '2<9 5@101', 'x ImmediateOrCancel 10'],
      ' | 102:5',
    ],
    [
      'market asked to rest does not',
      99,
      1,
      { type: OrderType.Market, timeInForce: TimeInForce.GTC },
      ['x ImmediateOrCancel 1'],
      ' | 100:5 101:5 102:5',
    ],
    [
      'market FOK',
      102,
      16,
      { type: OrderType.Market, timeInForce: FOK },
      ['x FillOrKill 16'],
      ' | 100:5 101:5 102:5',
    ],
    [
      'market by quote budget',
      0,
      100,
      { type: OrderType.Market, quoteBudget: 705 },
      ['1<9 5@100', '2<9 2@101', 'x QuoteBudgetSpent 93'],
      ' | 101:3 102:5',
    ],
    [
      'market by quote budget, book empty before it',
      0,
      100,
      { type: OrderType.Market, quoteBudget: 99999 },
      ['1<9 5@100', '2<9 5@101', '3<9 5@102', 'x ImmediateOrCancel 85'],
      ' | ',
    ],
    [
      'market by quote budget that buys nothing',
      0,
      5,
      { type: OrderType.Market, quoteBudget: 99 },
      ['x QuoteBudgetSpent 5'],
      ' | 100:5 101:5 102:5',
    ],
    [
      'market FOK within its budget',
      0,
      7,
      { type: OrderType.Market, timeInForce: FOK, quoteBudget: 702 },
      ['1<9 5@100', '2<9 2@101'],
      ' | 101:3 102:5',
    ],
    [
      'market FOK beyond its budget',
      0,
      7,
      { type: OrderType.Market, timeInForce: FOK, quoteBudget: 701 },
      ['x FillOrKill 7'],
      ' | 100:5 101:5 102:5',
    ],
    ['post-only that does not cross', 99, 5, { postOnly: PostOnly.Reject }, [], '99:5 | 100:5 101:5 102:5'],
    [
      'post-only slides behind the touch',
      105,
      5,
      { postOnly: PostOnly.Slide },
      [],
      '99:5 | 100:5 101:5 102:5',
    ],
  ] as const)('%s', (_name, ticks, lots, more, expected, book) => {
    const rig = asks()
    const answer = rig.buy(1, ticks, lots, 9, more)
    expect(answer.slice(1).map((event) => event.replace('Fill ', '').replace('Canceled 9', 'x'))).toEqual(
      expected,
    )
    expect(answer[0]).toBe('Accepted 9')
    expect(rig.book()).toBe(book)
    rig.restore()
  })

  test('sells mirror buys', () => {
    const rig = new Rig().fund(2)
    rig.buy(1, 100, 5, 1)
    rig.buy(1, 99, 5, 2)
    expect(rig.sell(2, 99, 7, 3)).toEqual(['Accepted 3', 'Fill 1<3 5@100', 'Fill 2<3 2@99'])
    expect(rig.sell(2, 90, 2, 4, { postOnly: PostOnly.Slide })).toEqual(['Accepted 4'])
    expect(rig.book()).toBe('99:3 | 100:2')
    expect(rig.sell(2, 99, 2, 5, { postOnly: PostOnly.Reject })).toEqual(['Rejected PostOnlyWouldCross'])
  })

  test('post-only looks at every resting order, its own account’s too, and has nowhere to slide at the edge', () => {
    const rig = new Rig().fund(1)
    rig.sell(1, 1, 5, 1)
    expect(rig.buy(1, 1, 1, 2, { postOnly: PostOnly.Reject })).toEqual(['Rejected PostOnlyWouldCross'])
    expect(rig.buy(1, 1, 1, 2, { postOnly: PostOnly.Slide })).toEqual(['Rejected PostOnlyWouldCross'])
  })

  test('a client order id is unique among live orders, of all markets, and free again after', () => {
    const rig = new Rig().fund(2)
    rig.buy(1, 100, 5, 1)
    expect(rig.buy(1, 101, 5, 1)).toEqual(['Rejected DuplicateClientOrderId'])
    expect(rig.buy(2, 99, 5, 1)).toEqual(['Accepted 1'])
    rig.cancel(1, 1)
    expect(rig.buy(1, 101, 5, 1)).toEqual(['Accepted 1'])
    rig.sell(2, 101, 5, 2)
    expect(rig.buy(1, 98, 5, 1)).toEqual(['Accepted 1'])
  })

  test('cancel all: by account, by market, by side; buys before sells, each in the order of placement', () => {
    const rig = new Rig().fund(2)
    const cancelAll = (market: number, side: number): string[] => {
      commands.writeCancelAll(rig.words, rig.floats, 0, 1, market, side)
      return rig.apply()
    }
    rig.buy(1, 98, 1, 3)
    rig.sell(1, 105, 1, 1)
    rig.buy(1, 99, 1, 2)
    rig.buy(2, 99, 1, 2)
    expect(cancelAll(0, Side.Buy)).toEqual([
      'Canceled 3 CancelAll 1',
      'Canceled 2 CancelAll 1',
      'CanceledAll 2',
    ])
    rig.buy(1, 98, 1, 3)
    expect(cancelAll(-1, -1)).toEqual(['Canceled 3 CancelAll 1', 'Canceled 1 CancelAll 1', 'CanceledAll 2'])
    expect(cancelAll(-1, 2)).toEqual(['Rejected BadSide'])
    expect(rig.book()).toBe('99:1 | ')
  })

  test('a price band rejects limits beyond it and holds market orders inside it', () => {
    const rig = new Rig({ market: { bandPpm: 100_000 } }).fund(3)
    expect(rig.sell(2, 500, 1, 1)).toEqual(['Accepted 1'])
    rig.cancel(2, 1)
    rig.sell(2, 100, 1, 1)
    rig.buy(1, 100, 1, 1)
    expect(rig.sell(2, 111, 1, 2)).toEqual(['Rejected PriceBand'])
    expect(rig.sell(2, 110, 1, 2)).toEqual(['Accepted 2'])
    expect(rig.sell(2, 89, 1, 3)).toEqual(['Rejected PriceBand'])
    expect(rig.amend(2, 2, 111, 1)).toEqual(['Rejected PriceBand'])
    commands.writePriceBand(rig.words, 0, 0, 50_000)
    rig.apply()
    expect(rig.buy(1, 200, 1, 5, { type: OrderType.Market })).toEqual([
      'Accepted 5',
      'Canceled 5 ImmediateOrCancel 1',
    ])
    expect(rig.buy(1, 106, 1, 5)).toEqual(['Rejected PriceBand'])
  })
})

describe('self-trade prevention: the incoming order’s mode decides', () => {
  /** Own asks of 3 and 4 at 100, a stranger's 5 behind them, an own one of 2 at 101. */
  const setUp = (): Rig => {
    const rig = new Rig().fund(2)
    rig.sell(1, 100, 3, 1, { stp: Stp.CancelMaker })
    rig.sell(1, 100, 4, 2)
    rig.sell(2, 100, 5, 3)
    rig.sell(1, 101, 2, 4)
    return rig
  }
  test.each([
    ['cancel taker', Stp.CancelTaker, ['Canceled 9 SelfTrade 10'], ' | 100:12 101:2'],
    [
      'cancel maker',
      Stp.CancelMaker,
      ['Canceled 1 SelfTrade 3', 'Canceled 2 SelfTrade 4', 'Fill 3<9 5@100', 'Canceled 4 SelfTrade 2'],
      '101:5 | ',
    ],
    ['cancel both', Stp.CancelBoth, ['Canceled 1 SelfTrade 3', 'Canceled 9 SelfTrade 10'], ' | 100:9 101:2'],
    [
      'decrement both',
      Stp.Decrement,
      [
        'Canceled 1 SelfTrade 3',
        'Amended 9 7@101 anew',
        'Canceled 2 SelfTrade 4',
        'Amended 9 3@101 anew',
        'Fill 3<9 3@100',
      ],
      ' | 100:2 101:2',
    ],
  ] as const)('%s', (_name, stp, expected, book) => {
    const rig = setUp()
    expect(rig.buy(1, 101, 10, 9, { stp })).toEqual(['Accepted 9', ...expected])
    expect(rig.book()).toBe(book)
  })

  test('decrement that ends the taker leaves the maker in its place', () => {
    const rig = setUp()
    expect(rig.buy(1, 100, 2, 9, { stp: Stp.Decrement })).toEqual([
      'Accepted 9',
      'Amended 1 1@100 kept',
      'Canceled 9 SelfTrade 2',
    ])
    expect(rig.buy(2, 100, 1, 9)).toEqual(['Accepted 9', 'Fill 1<9 1@100'])
  })

  test('decrement of equals ends both; an iceberg counts with what it hides', () => {
    const rig = new Rig().fund(1)
    rig.sell(1, 100, 10, 1, { displayLots: 2 })
    expect(rig.buy(1, 100, 4, 2, { stp: Stp.Decrement })).toEqual([
      'Accepted 2',
      'Amended 1 6@100 kept',
      'Canceled 2 SelfTrade 4',
    ])
    expect(rig.book()).toBe(' | 100:2')
    expect(rig.buy(1, 100, 6, 2, { stp: Stp.Decrement })).toEqual([
      'Accepted 2',
      'Canceled 1 SelfTrade 6',
      'Canceled 2 SelfTrade 6',
    ])
  })

  test('a resting order uses its own mode when an amend makes it the aggressor', () => {
    const rig = new Rig().fund(1)
    rig.sell(1, 100, 3, 1)
    rig.buy(1, 99, 3, 2, { stp: Stp.CancelMaker })
    expect(rig.amend(1, 2, 100, 3)).toEqual(['Amended 2 3@100 anew', 'Canceled 1 SelfTrade 3'])
    expect(rig.book()).toBe('100:3 | ')
  })

  test('fill or kill counts only what its mode lets it fill', () => {
    const fok = (stp: Stp, lots: number): string[] =>
      setUp().buy(1, 101, lots, 9, { stp, timeInForce: TimeInForce.FOK })
    expect(fok(Stp.CancelTaker, 1)).toEqual(['Accepted 9', 'Canceled 9 FillOrKill 1'])
    expect(fok(Stp.CancelBoth, 1)).toEqual(['Accepted 9', 'Canceled 9 FillOrKill 1'])
    expect(fok(Stp.Decrement, 1)).toEqual(['Accepted 9', 'Canceled 9 FillOrKill 1'])
    expect(fok(Stp.CancelMaker, 6)).toEqual(['Accepted 9', 'Canceled 9 FillOrKill 6'])
    expect(fok(Stp.CancelMaker, 5)).toEqual([
      'Accepted 9',
      'Canceled 1 SelfTrade 3',
      'Canceled 2 SelfTrade 4',
      'Fill 3<9 5@100',
    ])
  })
})

describe('amend', () => {
  /** Two bids of 10 at 100, the first is order 1. */
  const setUp = (more = {}): Rig => {
    const rig = new Rig().fund(3)
    rig.buy(1, 100, 10, 1, more)
    rig.buy(2, 100, 10, 2)
    return rig
  }
  const first = (rig: Rig): string =>
    rig.sell(3, 100, 1, 99, { timeInForce: TimeInForce.IOC })[1]!.slice(5, 6)
  test.each([
    ['smaller size keeps the place', 100, 7, {}, 'Amended 1 7@100 kept', '1'],
    ['nothing changed keeps the place', 100, 10, {}, 'Amended 1 10@100 kept', '1'],
    ['larger size loses it', 100, 11, {}, 'Amended 1 11@100 anew', '2'],
    ['a display size on a whole order keeps it', 100, 10, { displayLots: 4 }, 'Amended 1 10@100 kept', '1'],
    ['smaller size and display keep it', 100, 8, { displayLots: 4 }, 'Amended 1 8@100 kept', '1'],
    ['another price loses it', 101, 10, {}, 'Amended 1 10@101 anew', '1'],
    ['another price and back', 99, 5, {}, 'Amended 1 5@99 anew', '2'],
  ] as const)('%s', (_name, ticks, lots, more, answer, best) => {
    const rig = setUp()
    expect(rig.amend(1, 1, ticks, lots, more)).toEqual([answer])
    expect(first(rig)).toBe(best)
    rig.restore()
  })

  test('an order that becomes an iceberg hides nothing of the one that had its slot', () => {
    const rig = new Rig().fund()
    rig.sell(1, 100, 10, 1, { displayLots: 2 })
    rig.cancel(1, 1)
    rig.sell(1, 100, 10, 2)
    expect(rig.amend(1, 2, 101, 10, { displayLots: 4 })).toEqual(['Amended 2 10@101 anew'])
    expect(rig.engine.orders(1)[0]).toMatchObject({ remaining: 10, visible: 4 })
    rig.buy(2, 101, 10, 1)
    expect(rig.lastFills()).toEqual(['Fill 2<1 4@101', 'Fill 2<1 4@101', 'Fill 2<1 2@101'])
  })

  test('a larger display loses the place, a smaller one keeps it', () => {
    const rig = setUp({ displayLots: 4 })
    expect(rig.book()).toBe('100:14 | ')
    expect(rig.amend(1, 1, 100, 10, { displayLots: 3 })).toEqual(['Amended 1 10@100 kept'])
    expect(rig.book()).toBe('100:13 | ')
    expect(rig.amend(1, 1, 100, 10, { displayLots: 5 })).toEqual(['Amended 1 10@100 anew'])
    expect(rig.book()).toBe('100:15 | ')
    expect(first(rig)).toBe('2')
  })

  test('the total counts what is filled; at or below it the rest is cancelled', () => {
    const rig = setUp()
    rig.sell(3, 100, 4, 3)
    expect(rig.amend(1, 1, 100, 9)).toEqual(['Amended 1 5@100 kept'])
    expect(rig.amend(1, 1, 100, 4)).toEqual(['Canceled 1 AmendedToFilled 5'])
    const again = setUp()
    again.sell(3, 100, 4, 3)
    expect(again.amend(1, 1, 90, 3)).toEqual(['Canceled 1 AmendedToFilled 6'])
  })

  test('an amend that crosses matches at the maker’s price', () => {
    const rig = setUp()
    rig.sell(3, 103, 4, 3)
    expect(rig.amend(1, 1, 105, 10)).toEqual(['Amended 1 10@105 anew', 'Fill 3<1 4@103'])
    expect(rig.book()).toBe('105:6 100:10 | ')
    // What it paid less than its limit is its own again at once.
    expect(rig.balance(1, USD)).toBe(`${RICH - 412 - 6 * 105}/${6 * 105}`)
    rig.cancel(1, 1)
    expect(rig.balance(1, USD)).toBe(`${RICH - 412}/0`)
  })

  test('one that would break post-only leaves the old order intact', () => {
    const rig = setUp({ postOnly: PostOnly.Reject })
    rig.sell(3, 103, 4, 3)
    expect(rig.amend(1, 1, 103, 10)).toEqual(['Rejected PostOnlyWouldCross'])
    expect(first(rig)).toBe('1')
    const sliding = setUp({ postOnly: PostOnly.Slide })
    sliding.sell(3, 103, 4, 3)
    expect(sliding.amend(1, 1, 110, 10)).toEqual(['Amended 1 10@102 anew'])
  })

  test('one that funds do not cover leaves the old order intact', () => {
    const rig = new Rig()
    rig.deposit(1, USD, 1000)
    rig.buy(1, 100, 10, 1)
    expect(rig.amend(1, 1, 101, 10)).toEqual(['Rejected InsufficientFunds'])
    expect(rig.amend(1, 1, 99, 10)).toEqual(['Amended 1 10@99 anew'])
    expect(rig.balance(1, USD)).toBe('10/990')
    expect(rig.amend(1, 1, 100, 10)).toEqual(['Amended 1 10@100 anew'])
    expect(rig.balance(1, USD)).toBe('0/1000')
  })

  test('expiry of a good-till-date order, trigger of a waiting stop', () => {
    const rig = new Rig().fund(2)
    rig.buy(1, 100, 10, 1, { timeInForce: TimeInForce.GTD, expiresAtMs: 50 })
    rig.buy(2, 100, 10, 2)
    expect(rig.amend(1, 1, 100, 10, { expiresAtMs: 60 })).toEqual(['Amended 1 10@100 anew'])
    expect(rig.time(59)).toEqual(['TimeAdvanced'])
    expect(rig.time(60)).toEqual(['TimeAdvanced', 'Canceled 1 Expired 10'])
    rig.sell(1, 90, 5, 3, { type: OrderType.StopLimit, triggerTicks: 95 })
    expect(rig.amend(1, 3, 90, 5, { triggerTicks: 100 })).toEqual(['Amended 3 5@90 anew'])
    expect(rig.sell(1, 100, 1, 4)).toEqual(['Accepted 4', 'Fill 2<4 1@100', 'Triggered 3', 'Fill 2<3 5@100'])
  })
})

describe('stops and take-profits', () => {
  /** A last trade at 100, then a book of 10 at each price from 95 to 105 but the middle. */
  const setUp = (): Rig => {
    const rig = new Rig().fund(4)
    rig.buy(3, 100, 1, 500)
    rig.sell(4, 100, 1, 500)
    for (let away = 1; away <= 5; away++) {
      rig.buy(3, 100 - away, 10, 100 - away)
      rig.sell(4, 100 + away, 10, 100 + away)
    }
    return rig
  }
  const Stop = OrderType.Stop
  const StopLimit = OrderType.StopLimit
  const TakeProfit = OrderType.TakeProfit

  test('a buy stop waits for a rise, a sell stop for a fall, take-profits the other way', () => {
    const rig = setUp()
    rig.buy(1, 200, 1, 1, { type: Stop, triggerTicks: 102 })
    rig.sell(1, 1, 1, 2, { type: Stop, triggerTicks: 98 })
    rig.sell(1, 1, 1, 3, { type: TakeProfit, triggerTicks: 102 })
    rig.buy(1, 200, 1, 4, { type: TakeProfit, triggerTicks: 98 })
    expect(rig.book()).toBe('99:10 98:10 97:10 96:10 95:10 | 101:10 102:10 103:10 104:10 105:10')
    expect(rig.buy(2, 101, 10, 1)).toEqual(['Accepted 1', 'Fill 101<1 10@101'])
    expect(rig.buy(2, 102, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 102<1 1@102',
      'Triggered 1',
      'Fill 102<1 1@102',
      'Triggered 3',
      'Fill 99<3 1@99',
    ])
    rig.sell(2, 98, 10, 1)
    expect(rig.engine.orders(1)).toEqual([])
    expect(rig.lastFills()).toEqual([
      'Fill 99<1 9@99',
      'Fill 98<1 1@98',
      'Fill 98<2 1@98',
      'Fill 102<4 1@102',
    ])
  })

  test('a stop that is reached already triggers at once; before the first trade none is', () => {
    const rig = setUp()
    expect(rig.buy(1, 101, 1, 1, { type: StopLimit, triggerTicks: 100 })).toEqual([
      'Accepted 1',
      'Triggered 1',
      'Fill 101<1 1@101',
    ])
    const fresh = new Rig().fund(1)
    expect(fresh.buy(1, 101, 1, 1, { type: StopLimit, triggerTicks: 1 })).toEqual(['Accepted 1'])
  })

  test('a stop-limit rests at its limit, a stop never rests', () => {
    const rig = setUp()
    rig.buy(1, 100, 3, 1, { type: StopLimit, triggerTicks: 101 })
    rig.buy(1, 100, 3, 2, { type: Stop, triggerTicks: 101 })
    expect(rig.buy(2, 101, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 101<1 1@101',
      'Triggered 1',
      'Triggered 2',
      'Canceled 2 ImmediateOrCancel 3',
    ])
    expect(rig.book()).toBe('100:3 99:10 98:10 97:10 96:10 95:10 | 101:9 102:10 103:10 104:10 105:10')
  })

  test('fixed order: rising ones first, nearest trigger first, then first come; cascades included', () => {
    const rig = setUp()
    rig.buy(1, 200, 10, 1, { type: Stop, triggerTicks: 103 })
    rig.buy(1, 200, 2, 2, { type: Stop, triggerTicks: 101 })
    rig.buy(1, 200, 2, 3, { type: Stop, triggerTicks: 101 })
    rig.sell(1, 1, 1, 4, { type: TakeProfit, triggerTicks: 102 })
    expect(rig.buy(2, 101, 8, 1)).toEqual([
      'Accepted 1',
      'Fill 101<1 8@101',
      'Triggered 2',
      'Fill 101<2 2@101',
      'Triggered 3',
      'Fill 102<3 2@102',
      // The second stop's trade has reached the take-profit.
      'Triggered 4',
      'Fill 99<4 1@99',
    ])
    // 103 is reached by a sweep, whose stop sweeps on.
    expect(rig.buy(2, 103, 9, 1)).toEqual([
      'Accepted 1',
      'Fill 102<1 8@102',
      'Fill 103<1 1@103',
      'Triggered 1',
      'Fill 103<1 9@103',
      'Fill 104<1 1@104',
    ])
  })

  test('every trade of a sweep counts, not only the last', () => {
    const rig = new Rig().fund(3)
    rig.buy(2, 100, 1, 1)
    rig.sell(3, 100, 1, 1)
    rig.sell(1, 50, 1, 9, { type: StopLimit, triggerTicks: 98 })
    rig.sell(3, 98, 1, 2)
    rig.sell(3, 101, 1, 3)
    expect(rig.buy(2, 101, 2, 2)).toEqual(['Accepted 2', 'Fill 2<2 1@98', 'Fill 3<2 1@101', 'Triggered 9'])
  })

  test('a triggered order that may no longer be placed is cancelled', () => {
    const rig = setUp()
    rig.buy(1, 103, 1, 1, { type: StopLimit, triggerTicks: 101, postOnly: PostOnly.Reject })
    expect(rig.buy(2, 101, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 101<1 1@101',
      'Triggered 1',
      'Canceled 1 TriggerRejected 1',
    ])
    expect(rig.balance(1, USD)).toBe(`${RICH}/0`)
  })

  test('a stop market buy by quote budget', () => {
    const rig = setUp()
    rig.buy(1, 0, 100, 1, { type: Stop, triggerTicks: 101, quoteBudget: 1115 })
    expect(rig.balance(1, USD)).toBe(`${RICH - 1115}/1115`)
    expect(rig.buy(2, 101, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 101<1 1@101',
      'Triggered 1',
      'Fill 101<1 9@101',
      'Fill 102<1 2@102',
      'Canceled 1 QuoteBudgetSpent 89',
    ])
    expect(rig.balance(1, USD)).toBe(`${RICH - 9 * 101 - 2 * 102}/0`)
  })

  test('waiting stops are cancelled, expire and survive a snapshot like other orders', () => {
    const rig = setUp()
    rig.buy(1, 200, 10, 1, { type: Stop, triggerTicks: 103, timeInForce: TimeInForce.GTD, expiresAtMs: 9 })
    rig.sell(1, 1, 10, 2, { type: Stop, triggerTicks: 97 })
    rig.restore()
    expect(rig.time(9)).toEqual(['TimeAdvanced', 'Canceled 1 Expired 10'])
    expect(rig.cancel(1, 2)).toEqual(['Canceled 2 User 10'])
    expect(rig.balance(1, USD)).toBe(`${RICH}/0`)
    expect(rig.balance(1, ABC)).toBe(`${RICH}/0`)
  })
})

describe('icebergs', () => {
  test('refill loses the place; the hidden part is taken in the same sweep', () => {
    const rig = new Rig().fund(3)
    rig.sell(1, 100, 7, 1, { displayLots: 3 })
    rig.sell(2, 100, 2, 2)
    expect(rig.book()).toBe(' | 100:5')
    expect(rig.buy(3, 100, 4, 3)).toEqual(['Accepted 3', 'Fill 1<3 3@100', 'Refilled 1 3', 'Fill 2<3 1@100'])
    expect(rig.book()).toBe(' | 100:4')
    rig.restore()
    expect(rig.buy(3, 100, 5, 4)).toEqual([
      'Accepted 4',
      'Fill 2<4 1@100',
      'Fill 1<4 3@100',
      'Refilled 1 1',
      'Fill 1<4 1@100',
    ])
  })

  test('against fill or kill they count in full, unless an own order stops it before they refill', () => {
    const FOK = TimeInForce.FOK
    const rig = new Rig().fund(3)
    rig.sell(1, 100, 7, 1, { displayLots: 3 })
    expect(rig.buy(3, 100, 8, 3, { timeInForce: FOK })).toEqual(['Accepted 3', 'Canceled 3 FillOrKill 8'])
    rig.sell(3, 100, 1, 2)
    expect(rig.buy(3, 100, 4, 3, { timeInForce: FOK })).toEqual(['Accepted 3', 'Canceled 3 FillOrKill 4'])
    expect(rig.buy(3, 100, 3, 3, { timeInForce: FOK })).toEqual([
      'Accepted 3',
      'Fill 1<3 3@100',
      'Refilled 1 3',
    ])
    expect(rig.buy(3, 100, 4, 4, { timeInForce: FOK, stp: Stp.CancelMaker })).toEqual([
      'Accepted 4',
      'Canceled 2 SelfTrade 1',
      'Fill 1<4 3@100',
      'Refilled 1 1',
      'Fill 1<4 1@100',
    ])
  })

  test('one that takes first shows a part of what is left', () => {
    const rig = new Rig().fund(2)
    rig.sell(1, 100, 4, 1)
    expect(rig.buy(2, 100, 10, 2, { displayLots: 5 })).toEqual(['Accepted 2', 'Fill 1<2 4@100'])
    expect(rig.book()).toBe('100:5 | ')
    expect(rig.engine.orders(2)[0]).toMatchObject({ remaining: 6, visible: 5, displayLots: 5 })
  })

  test('too many parts are rejected', () => {
    const rig = new Rig().fund(1)
    expect(rig.sell(1, 100, 10_001, 1, { displayLots: 1 })).toEqual(['Rejected BadDisplayLots'])
    expect(rig.sell(1, 100, 10_000, 1, { displayLots: 1 })).toEqual(['Accepted 1'])
  })
})

describe('time', () => {
  test('orders expire on the tick, in the order of expiry and placement', () => {
    const rig = new Rig().fund(2)
    const GTD = TimeInForce.GTD
    rig.buy(1, 97, 1, 1, { timeInForce: GTD, expiresAtMs: 100 })
    rig.buy(2, 98, 1, 2, { timeInForce: GTD, expiresAtMs: 99 })
    rig.buy(2, 99, 1, 3, { timeInForce: GTD, expiresAtMs: 100 })
    rig.buy(1, 96, 1, 4, { timeInForce: GTD, expiresAtMs: 101 })
    expect(rig.engine.nextDueMs).toBe(99)
    expect(rig.time(98)).toEqual(['TimeAdvanced'])
    expect(rig.time(100)).toEqual([
      'TimeAdvanced',
      'Canceled 2 Expired 1',
      'Canceled 1 Expired 1',
      'Canceled 3 Expired 1',
    ])
    expect(rig.buy(1, 97, 1, 1, { timeInForce: GTD, expiresAtMs: 100 })).toEqual(['Rejected BadExpiry'])
  })

  test('time that lies back changes nothing', () => {
    const rig = new Rig().fund(1)
    rig.time(100)
    rig.buy(1, 97, 1, 1, { timeInForce: TimeInForce.GTD, expiresAtMs: 150 })
    expect(rig.time(50)).toEqual(['TimeAdvanced'])
    expect(rig.engine.timeMs).toBe(100)
    expect(new Float64Array(rig.records[0]!.buffer)[TimeAdvancedEv.TIME_MS_F64]).toBe(100)
  })

  test('dead-man switch: renewed, switched off, fired once', () => {
    const rig = new Rig().fund(2)
    const after = (account: number, ms: number): string[] => {
      commands.writeCancelAfter(rig.words, rig.floats, 0, account, ms)
      return rig.apply()
    }
    rig.time(10)
    rig.buy(1, 97, 1, 1)
    rig.buy(2, 97, 1, 1)
    rig.buy(2, 96, 1, 2)
    expect(after(1, 10)).toEqual(['Rejected BadExpiry'])
    expect(after(9, 20)).toEqual(['Rejected UnknownAccount'])
    expect(after(1, 20)).toEqual(['CancelAfterSet'])
    expect(after(2, 25)).toEqual(['CancelAfterSet'])
    expect(after(1, 30)).toEqual(['CancelAfterSet'])
    rig.restore()
    expect(rig.time(29)).toEqual(['TimeAdvanced', 'Canceled 1 DeadManSwitch 1', 'Canceled 2 DeadManSwitch 1'])
    expect(after(1, 0)).toEqual(['CancelAfterSet'])
    expect(rig.engine.nextDueMs).toBe(Infinity)
    expect(rig.time(1000)).toEqual(['TimeAdvanced'])
    expect(rig.book()).toBe('97:1 | ')
  })

  test('protection counts within its window, by fills or by notional', () => {
    const rig = new Rig().fund(2)
    const protect = (windowMs: number, fills: number, notional: number): string[] => {
      commands.writeProtection(rig.words, rig.floats, 0, 1, 0, windowMs, fills, notional)
      return rig.apply()
    }
    expect(protect(0, 2, 0)).toEqual(['Rejected BadProtection'])
    expect(protect(100, -1, 0)).toEqual(['Rejected BadProtection'])
    expect(protect(100, 2, 0)).toEqual(['ProtectionChanged'])
    rig.buy(1, 100, 9, 1)
    rig.time(10)
    expect(rig.sell(2, 100, 1, 1)).toEqual(['Accepted 1', 'Fill 1<1 1@100'])
    rig.time(110)
    // The window of the first fill is over.
    expect(rig.sell(2, 100, 1, 1)).toEqual(['Accepted 1', 'Fill 1<1 1@100'])
    rig.time(209)
    expect(rig.sell(2, 100, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 1<1 1@100',
      'ProtectionTriggered',
      'Canceled 1 Protection 6',
    ])
    protect(100, 0, 500)
    rig.buy(1, 100, 9, 1)
    expect(rig.sell(2, 100, 4, 1)).toEqual(['Accepted 1', 'Fill 1<1 4@100'])
    expect(rig.sell(2, 100, 1, 1)).toContain('ProtectionTriggered')
    expect(protect(0, 0, 0)).toEqual(['ProtectionChanged'])
    expect(rig.buy(1, 100, 9, 1)).toEqual(['Accepted 1'])
  })

  test('protection pulls the order of the very command whose trade set a stop off that met it', () => {
    const rig = new Rig().fund(3)
    rig.sell(3, 100, 1, 1)
    rig.sell(2, 90, 1, 1, { type: OrderType.Stop, triggerTicks: 100 })
    commands.writeProtection(rig.words, rig.floats, 0, 1, 0, 1000, 1, 0)
    rig.apply()
    expect(rig.buy(1, 100, 3, 7)).toEqual([
      'Accepted 7',
      'Fill 1<7 1@100',
      'Triggered 1',
      'Fill 7<1 1@100',
      'ProtectionTriggered',
      'Canceled 7 Protection 1',
    ])
    expect(rig.book()).toBe(' | ')
  })
})

describe('fees and reserves', () => {
  test('charges round up, rebates down, once an order; what rounding leaves goes to the fee account', () => {
    const rig = new Rig({ market: { makerFeePpm: -333, takerFeePpm: 1001 } }).fund(2)
    rig.sell(1, 7, 100, 1)
    expect(rig.buy(2, 7, 100, 2)).toEqual(['Accepted 2', 'Fill 1<2 100@7 fees 0/1'])
    rig.sell(1, 7, 1000, 1)
    expect(rig.buy(2, 7, 1000, 2)).toEqual(['Accepted 2', 'Fill 1<2 1000@7 fees -2/8'])
    expect(rig.balance(0, USD)).toBe('7/0')
  })

  test('a buy reserves its limit and the worst fee on the whole, however many fills there are', () => {
    const rig = new Rig({ market: { makerFeePpm: 2000, takerFeePpm: 1000 } }).fund(2)
    rig.buy(1, 100, 10, 1)
    expect(rig.balance(1, USD)).toBe(`${RICH - 1002}/1002`)
    // Ten fills of one lot: the maker pays 2000 ppm of 1000, a fifth of a unit each; every taker its own unit.
    for (let cloid = 1; cloid <= 10; cloid++)
      expect(rig.sell(2, 100, 1, cloid)[1]).toBe(`Fill 1<${cloid} 1@100 fees ${cloid % 5 === 1 ? 1 : 0}/1`)
    expect(rig.balance(1, USD)).toBe(`${RICH - 1002}/0`)
    const free = new Rig().fund(1)
    free.buy(1, 100, 10, 1)
    expect(free.balance(1, USD)).toBe(`${RICH - 1000}/1000`)
  })

  test('a sell reserves base, and its proceeds less the fee can be used at once', () => {
    const rig = new Rig({ market: { takerFeePpm: 100_000 } })
    rig.deposit(1, ABC, 10)
    rig.deposit(2, USD, 10_000)
    rig.buy(2, 100, 10, 1)
    expect(rig.sell(1, 100, 10, 2)).toEqual(['Accepted 2', 'Fill 1<2 10@100 fees 0/100'])
    expect(rig.balance(1, USD)).toBe('900/0')
    expect(rig.balance(1, ABC)).toBe('0/0')
    expect(rig.buy(1, 80, 10, 3)).toEqual(['Accepted 3'])
  })

  test('a better price gives its difference back at once', () => {
    const rig = new Rig().fund(2)
    rig.sell(1, 90, 5, 1)
    rig.buy(2, 100, 10, 2)
    expect(rig.balance(2, USD)).toBe(`${RICH - 950}/500`)
    rig.sell(1, 100, 5, 1)
    expect(rig.balance(2, USD)).toBe(`${RICH - 950}/0`)
  })

  test('fees change at a command; a resting order pays at most what its reserve was made for', () => {
    const rig = new Rig({ market: { makerFeePpm: 0, takerFeePpm: 10_000 } }).fund(2)
    const fees = (maker: number, taker: number): string[] => {
      commands.writeMarketFees(rig.words, 0, 0, maker, taker)
      return rig.apply()
    }
    rig.buy(1, 100, 10, 1)
    rig.buy(1, 100, 10, 2)
    fees(5000, 20_000)
    expect(rig.sell(2, 100, 10, 1)[1]).toBe('Fill 1<1 10@100 fees 5/20')
    fees(50_000, 20_000)
    expect(rig.sell(2, 100, 10, 1)[1]).toBe('Fill 2<1 10@100 fees 10/20')
    rig.buy(1, 100, 10, 3)
    expect(rig.sell(2, 100, 10, 1)[1]).toBe('Fill 3<1 10@100 fees 50/20')
  })

  test('tiers: fees of their own, and no rebate that the taker’s fee does not pay', () => {
    const rig = new Rig({ market: { makerFeePpm: -1000, takerFeePpm: 2000 } }).fund(2)
    commands.writeMarketFees(rig.words, 0, 0, 0, 500, 3)
    expect(rig.apply()).toEqual(['MarketFeesChanged'])
    rig.sell(1, 100, 100, 1)
    expect(rig.buy(2, 100, 100, 1)[1]).toBe('Fill 1<1 100@100 fees -10/20')
    commands.writeAccountTier(rig.words, 0, 2, 3)
    expect(rig.apply()).toEqual(['TierChanged'])
    rig.sell(1, 100, 100, 1)
    expect(rig.buy(2, 100, 100, 1)[1]).toBe('Fill 1<1 100@100 fees -5/5')
    rig.restore()
    rig.buy(2, 100, 100, 1)
    expect(rig.sell(1, 100, 100, 1)[1]).toBe('Fill 1<1 100@100 fees 0/20')
    commands.writeMarketFees(rig.words, 0, 0, 100, 700)
    rig.apply()
    rig.sell(2, 100, 100, 1)
    expect(rig.buy(1, 100, 100, 1)[1]).toBe('Fill 1<1 100@100 fees 0/7')
  })

  test('the fee account may trade as well', () => {
    const rig = new Rig({ feeAccount: 1, market: { makerFeePpm: 10_000, takerFeePpm: 10_000 } }).fund(2)
    rig.buy(1, 100, 10, 1)
    expect(rig.sell(2, 100, 10, 1)[1]).toBe('Fill 1<1 10@100 fees 10/10')
    expect(rig.balance(1, USD)).toBe(`${RICH - 1000 + 10}/0`)
  })
})

test('every event of an order’s life carries what a tracker needs', () => {
  const rig = new Rig().fund(2)
  rig.place({
    account: 1,
    ticks: 100,
    lots: 9,
    cloid: 5,
    displayLots: 3,
    timeInForce: TimeInForce.GTD,
    expiresAtMs: 70,
  })
  const accepted = rig.records[0]!
  expect(kindOf(accepted[Ev.KIND]!)).toBe(EventKind.Accepted)
  expect(accepted[AcceptedEv.DISPLAY_LOTS]).toBe(3)
  expect(new Float64Array(accepted.buffer)[AcceptedEv.EXPIRES_AT_MS_F64]).toBe(70)
  rig.amend(1, 5, 101, 9)
  expect(rig.records[0]![AmendedEv.TICKS_BEFORE]).toBe(100)
})
