/**
 * One bound for the work of one message, each kind of work at a small bound: what is left ends with a reason, or
 * goes on in the next Time commands in a fixed order, and until its turn comes it never trades.
 */
import { CancelOnlyReason, CancelReason, MarketStatus } from '../../codes.js'
import * as commands from '../../commands.js'
import { CanceledAllEv, TimeCmd } from '../../layout.js'
import { ICEBERG_PARTS_MAX, MASS_CANCELS_OF_ACCOUNT } from '../../limits.js'
import { OrderType, Rig, Side, Stp, TimeInForce, marketConfig } from '../../reference/rig.js'

const { FOK, GTD, IOC } = TimeInForce

function cancelAll(rig: Rig, account = 1, market = -1, side = -1, reason = 0): string[] {
  commands.writeCancelAll(rig.words, rig.floats, 0, account, market, side, reason)
  return rig.apply()
}

/** 1 when the last cancel-all left a rest. */
const restIsLeft = (rig: Rig): number => rig.records.at(-1)![CanceledAllEv.REST_FOLLOWS]!
const isPending = (rig: Rig): boolean => rig.engine.nextDueMs <= rig.engine.timeMs

describe('the taker', () => {
  test('a sweep ends at the bound', () => {
    const rig = new Rig({ commandStepsMax: 4 }).fund(2)
    for (let order = 1; order <= 6; order++) rig.sell(1, 100 + order, 1, order)
    expect(rig.buy(2, 110, 10, 1)).toEqual([
      'Accepted 1',
      'Fill 1<1 1@101',
      'Fill 2<1 1@102',
      'Fill 3<1 1@103',
      'Fill 4<1 1@104',
      'Canceled 1 WorkLimit 6',
    ])
    expect(rig.buy(2, 110, 10, 1)).toEqual(['Accepted 1', 'Fill 5<1 1@105', 'Fill 6<1 1@106'])
    expect(rig.book()).toBe('110:8 | ')
  })

  test('icebergs: each part is a step, own orders too', () => {
    const rig = new Rig({ commandStepsMax: 4 }).fund(2)
    rig.sell(1, 100, 5, 1, { displayLots: 1 })
    rig.sell(2, 100, 1, 2)
    expect(rig.buy(2, 100, 9, 1, { timeInForce: IOC, stp: Stp.CancelMaker })).toEqual([
      'Accepted 1',
      'Fill 1<1 1@100',
      'Refilled 1 1',
      'Canceled 2 SelfTrade 1',
      'Fill 1<1 1@100',
      'Refilled 1 1',
      'Fill 1<1 1@100',
      'Refilled 1 1',
      'Canceled 1 WorkLimit 6',
    ])
  })

  test('fill or kill pays for what it looks at, and is killed when filling would take too much', () => {
    const rig = new Rig({ commandStepsMax: 8 }).fund(2)
    for (let order = 1; order <= 9; order++) rig.sell(1, 100, 1, order)
    const fok = (lots: number): string[] => rig.buy(2, 100, lots, 1, { timeInForce: FOK })
    // Four are looked at and then filled; five would take ten steps.
    expect(fok(5)).toEqual(['Accepted 1', 'Canceled 1 WorkLimit 5'])
    expect(fok(10)).toEqual(['Accepted 1', 'Canceled 1 WorkLimit 10'])
    expect(fok(4)).toHaveLength(5)
    expect(rig.book()).toBe(' | 100:5')
    const ice = new Rig({ commandStepsMax: 8 }).fund(2)
    ice.sell(1, 100, 7, 1, { displayLots: 1 })
    // One look, seven parts.
    expect(ice.buy(2, 100, 7, 1, { timeInForce: FOK })).toHaveLength(1 + 7 + 6)
    ice.sell(1, 100, 8, 2, { displayLots: 1 })
    expect(ice.buy(2, 100, 8, 2, { timeInForce: FOK })).toEqual(['Accepted 2', 'Canceled 2 WorkLimit 8'])
  })

  test('parts that a fill-or-kill order does not come to cost it nothing', () => {
    const rig = new Rig({ commandStepsMax: 8 }).fund(3)
    rig.sell(1, 100, 20, 1, { displayLots: 1 })
    rig.sell(3, 100, 5, 2)
    // One of what the iceberg shows, the rest of the order behind it.
    expect(rig.buy(2, 100, 6, 1, { timeInForce: FOK })).toEqual([
      'Accepted 1',
      'Fill 1<1 1@100',
      'Refilled 1 1',
      'Fill 2<1 5@100',
    ])
    // Of what it hides two parts, however many more there are.
    expect(rig.cancel(3, 2)).toHaveLength(1)
    expect(rig.buy(2, 100, 3, 2, { timeInForce: FOK })).toHaveLength(1 + 3 + 3)
    // Several icebergs, a level that takes turns: never more steps than lots.
    rig.sell(3, 100, 20, 3, { displayLots: 1 })
    expect(rig.buy(2, 100, 6, 3, { timeInForce: FOK })).toHaveLength(1 + 6 + 6)
    expect(rig.buy(2, 100, 7, 4, { timeInForce: FOK })).toEqual(['Accepted 4', 'Canceled 4 WorkLimit 7'])
  })

  test('the commands of a frame share the bound, Time begins anew', () => {
    const rig = new Rig({ commandStepsMax: 4 }).fund(2)
    rig.time(1000)
    commands.writeApproveSession(rig.words, 0, 2, [1, 2, 3, 4, 5, 6, 7, 8], 1, {
      scopes: 2,
      maxNotional: 0,
      expiresAtMs: 5000,
      nonce: 1,
      deadlineMs: 1500,
    })
    rig.apply()
    for (let order = 1; order <= 12; order++) rig.sell(1, 100, 1, order)
    commands.writeFrame(rig.words, rig.floats, 0, 2, 1, 3, 1)
    rig.apply()
    const buy = (cloid: number, lots: number): string[] => rig.buy(2, 100, lots, cloid, { timeInForce: IOC })
    expect(buy(1, 3)).toHaveLength(4)
    rig.restore()
    expect(buy(2, 3)).toEqual(['Accepted 2', 'Fill 4<2 1@100', 'Canceled 2 WorkLimit 2'])
    rig.time(1001)
    expect(buy(3, 3)).toHaveLength(4)
    expect(buy(4, 4)).toHaveLength(5)
  })
})

test('an amend may not give an iceberg more parts than a placement', () => {
  const rig = new Rig().fund(2)
  expect(rig.sell(1, 100, ICEBERG_PARTS_MAX + 1, 1, { displayLots: 1 })).toEqual(['Rejected BadDisplayLots'])
  rig.sell(1, 100, ICEBERG_PARTS_MAX, 1, { displayLots: 1 })
  expect(rig.amend(1, 1, 100, ICEBERG_PARTS_MAX + 1)).toEqual(['Rejected BadDisplayLots'])
  expect(rig.amend(1, 1, 101, 5_000_000)).toEqual(['Rejected BadDisplayLots'])
  expect(rig.amend(1, 1, 100, 2 * ICEBERG_PARTS_MAX + 1, { displayLots: 2 })).toEqual([
    'Rejected BadDisplayLots',
  ])
  expect(rig.amend(1, 1, 100, 2 * ICEBERG_PARTS_MAX, { displayLots: 2 })).toEqual([
    'Amended 1 20000@100 anew',
  ])
  rig.sell(1, 100, 5, 2)
  expect(rig.amend(1, 2, 100, 2 ** 31 - 1)).toEqual(['Amended 2 2147483647@100 anew'])
})

describe('cancel all', () => {
  /** Six bids and six asks of account 1, placed in turn: ids 1 to 6 and 11 to 16. */
  function quotes(commandStepsMax: number, markets = [marketConfig()]): Rig {
    const rig = new Rig({ commandStepsMax, markets }).fund(3)
    for (let order = 1; order <= 6; order++) {
      rig.buy(1, 100 - order, 1, order)
      rig.sell(1, 100 + order, 1, 10 + order)
    }
    return rig
  }
  const canceled = (...cloids: number[]): string[] => cloids.map((cloid) => `Canceled ${cloid} CancelAll 1`)

  test('one step a side and one an order; the rest goes on with time', () => {
    const rig = quotes(5)
    expect(cancelAll(rig)).toEqual([...canceled(1, 2, 3, 4), 'CanceledAll 4'])
    expect(restIsLeft(rig)).toBe(1)
    expect(isPending(rig)).toBe(true)
    rig.restore()
    expect(isPending(rig)).toBe(true)
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(5, 6, 11)])
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(12, 13, 14, 15)])
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(16)])
    expect(isPending(rig)).toBe(false)
    expect(rig.engine.nextDueMs).toBe(Infinity)
    expect(cancelAll(rig)).toEqual(['CanceledAll 0'])
    expect(restIsLeft(rig)).toBe(0)
  })

  test('an empty side costs nothing, whatever stands on the other', () => {
    const rig = new Rig({ commandStepsMax: 2 }).fund(1)
    for (let order = 1; order <= 50; order++) rig.buy(1, 100 - order, 1, order)
    for (const market of [-1, 0]) {
      expect(cancelAll(rig, 1, market, Side.Sell)).toEqual(['CanceledAll 0'])
      expect(restIsLeft(rig)).toBe(0)
    }
    rig.sell(1, 200, 1, 99)
    expect(cancelAll(rig, 1, -1, Side.Sell)).toEqual([...canceled(99), 'CanceledAll 1'])
    expect(restIsLeft(rig)).toBe(0)
  })

  test('what waits for its turn never trades, cannot be amended, and may be cancelled', () => {
    const rig = quotes(5)
    cancelAll(rig)
    // A taker takes away what it meets; what was placed after the cancel-all counts.
    rig.buy(1, 94, 1, 7)
    expect(rig.sell(2, 94, 2, 1)).toEqual([
      'Accepted 1',
      'Canceled 5 CancelAll 1',
      'Canceled 6 CancelAll 1',
      'Fill 7<1 1@94',
    ])
    expect(rig.amend(1, 11, 101, 9)).toEqual(['Rejected UnknownOrder'])
    expect(rig.amend(1, 11, 101, 9, { deadlineMs: NaN })).toEqual(['Rejected UnknownOrder'])
    expect(rig.cancel(1, 11)).toEqual(['Canceled 11 User 1'])
    expect(rig.sell(1, 120, 1, 12)).toEqual(['Rejected DuplicateClientOrderId'])
    expect(rig.buy(2, 103, 3, 2, { timeInForce: FOK })).toEqual(['Accepted 2', 'Canceled 2 FillOrKill 3'])
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(12, 13, 14, 15)])
  })

  test('several go on first in first out; the same again only reaches further', () => {
    const rig = quotes(3)
    cancelAll(rig, 1, 0, Side.Sell)
    cancelAll(rig, 1, 0, Side.Buy)
    rig.sell(1, 107, 1, 17)
    expect(cancelAll(rig, 1, 0, Side.Sell)).toEqual([...canceled(13, 14), 'CanceledAll 2'])
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(15, 16)])
    rig.restore()
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(17)])
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(3, 4)])
    expect(rig.time(1)).toEqual(['TimeAdvanced', ...canceled(5, 6)])
    expect(isPending(rig)).toBe(false)
  })

  test('the operator’s own takes halted markets too', () => {
    for (const reason of [CancelReason.Disconnect, CancelReason.CancelAll]) {
      const rig = quotes(64, [marketConfig(), marketConfig({ id: 1 })])
      rig.place({ account: 1, market: 1, cloid: 50 })
      commands.writeMarketStatus(rig.words, 0, 1, MarketStatus.Halted)
      rig.apply()
      cancelAll(rig, 1, -1, -1, reason)
      expect(rig.engine.orders(1)).toEqual([])
    }
  })

  test('an account has a bounded number under way', () => {
    const markets = Array.from({ length: 6 }, (_, id) => marketConfig({ id }))
    const rig = new Rig({ commandStepsMax: 2, markets }).fund(1)
    let cloid = 1
    for (let market = 0; market < 6; market++)
      for (let order = 0; order < 2; order++)
        for (const side of [Side.Buy, Side.Sell])
          rig.place({ account: 1, market, side, ticks: side === Side.Buy ? 90 : 110, cloid: cloid++ })
    for (let job = 0; job < MASS_CANCELS_OF_ACCOUNT; job++) {
      expect(cancelAll(rig, 1, job >> 1, job & 1)).toHaveLength(2)
      expect(restIsLeft(rig)).toBe(1)
    }
    expect(cancelAll(rig, 1, 5, Side.Buy)).toEqual(['Rejected MassCancelsFull'])
    expect(cancelAll(rig, 1, 0, Side.Buy)).toEqual(['Canceled 3 CancelAll 1', 'CanceledAll 1'])
    // The operator's own (a connection was lost, a withdrawal is forced) need no place among them, nor its switch.
    for (const reason of [CancelReason.Disconnect, CancelReason.CancelAll])
      expect(cancelAll(rig, 1, 5, Side.Buy, reason)).toHaveLength(2)
    commands.writeCancelAfter(rig.words, rig.floats, 0, 1, 10)
    rig.apply()
    for (let ms = 10; isPending(rig) || ms === 10; ms++) rig.time(ms)
    expect(rig.engine.liveOrders()).toBe(0)
  })

  test('orders of a market that is halted are left out; what was covered before the halt ends', () => {
    const rig = quotes(64, [marketConfig(), marketConfig({ id: 1 })])
    rig.place({ account: 1, market: 1, cloid: 50 })
    commands.writeMarketStatus(rig.words, 0, 1, MarketStatus.Halted)
    rig.apply()
    cancelAll(rig)
    expect(isPending(rig)).toBe(false)
    expect(rig.engine.orders(1).map(({ cloid }) => cloid)).toEqual([50n])

    const tight = quotes(5, [marketConfig(), marketConfig({ id: 1 })])
    tight.place({ account: 1, market: 1, cloid: 50 })
    cancelAll(tight)
    commands.writeMarketStatus(tight.words, 0, 1, MarketStatus.Halted)
    tight.apply()
    for (let ms = 1; ms < 4; ms++) tight.time(ms)
    expect(isPending(tight)).toBe(false)
    expect(tight.engine.orders(1)).toEqual([])
  })
})

test('expiries go on with time; until then they neither trade nor trigger', () => {
  const rig = new Rig({ commandStepsMax: 2 }).fund(3)
  const gtd = { timeInForce: GTD, expiresAtMs: 10 }
  for (let order = 1; order <= 5; order++) rig.sell(1, 100 + order, 1, order, gtd)
  rig.buy(3, 300, 1, 9, { ...gtd, type: OrderType.StopLimit, triggerTicks: 104 })
  expect(rig.time(10)).toEqual(['TimeAdvanced', 'Canceled 1 Expired 1', 'Canceled 2 Expired 1'])
  expect(isPending(rig)).toBe(true)
  rig.restore()
  rig.sell(2, 104, 1, 1)
  expect(rig.buy(2, 103, 1, 2)).toEqual(['Accepted 2', 'Canceled 3 Expired 1'])
  rig.cancel(2, 2)
  expect(rig.amend(1, 4, 104, 5)).toEqual(['Rejected UnknownOrder'])
  expect(rig.buy(3, 104, 1, 3, { timeInForce: IOC })).toEqual([
    'Accepted 3',
    'Canceled 4 Expired 1',
    'Fill 1<3 1@104',
  ])
  expect(rig.time(10)).toEqual(['TimeAdvanced', 'Canceled 5 Expired 1', 'Canceled 9 Expired 1'])
  expect(isPending(rig)).toBe(false)
})

describe('triggers', () => {
  /** `count` buy stops of account 1 at trigger 100, and account 2's ask there. */
  function stops(count: number, commandStepsMax: number): Rig {
    const rig = new Rig({ commandStepsMax }).fund(4)
    for (let order = 1; order <= count; order++)
      rig.buy(1, 50, 1, order, { type: OrderType.StopLimit, triggerTicks: 100 })
    rig.sell(2, 100, 1, 1)
    return rig
  }

  test('half of the bound is left for what a trigger sets off; the rest fires with time', () => {
    const rig = stops(12, 4)
    // The fill is a step, two triggers reach beyond the half.
    expect(rig.buy(3, 100, 1, 1)).toEqual(['Accepted 1', 'Fill 1<1 1@100', 'Triggered 1', 'Triggered 2'])
    expect(isPending(rig)).toBe(true)
    rig.restore()
    // One that is placed inside the range does not fire by a price of before, wherever the last price is by now.
    rig.sell(2, 60, 1, 2)
    rig.buy(3, 60, 1, 2)
    expect(isPending(rig)).toBe(true)
    expect(rig.buy(3, 40, 1, 3, { type: OrderType.StopLimit, triggerTicks: 90 })).toEqual([
      'Rejected TriggersPending',
    ])
    for (let ms = 1; isPending(rig); ms++) rig.time(ms)
    expect(rig.engine.orders(1).every(({ waiting }) => !waiting)).toBe(true)
    expect(rig.buy(3, 40, 1, 4, { type: OrderType.StopLimit, triggerTicks: 90 })).toEqual(['Accepted 4'])
  })

  /** Eight sell stops of account 1 at trigger 99; one fill at 99, one at 101: both are still worked off. */
  function backlog(): Rig {
    const rig = new Rig({ commandStepsMax: 4 }).fund(5)
    for (let order = 1; order <= 8; order++)
      rig.sell(1, 1000, 1, order, { type: OrderType.StopLimit, triggerTicks: 99, timeInForce: IOC })
    rig.buy(3, 99, 500, 2)
    rig.sell(4, 101, 500, 2)
    rig.buy(5, 90, 5, 7, { type: OrderType.Stop, triggerTicks: 120 })
    expect(rig.sell(2, 99, 1, 1)[1]).toBe('Fill 2<1 1@99')
    expect(rig.buy(2, 101, 1, 2)[1]).toBe('Fill 2<2 1@101')
    expect(isPending(rig)).toBe(true)
    return rig
  }

  test('a stop is never fired by prices from before it', () => {
    const rig = backlog()
    const loss = (triggerTicks: number, type: OrderType = OrderType.Stop): string[] =>
      rig.sell(5, 1, 100, 1, { type, triggerTicks })
    // Last is 101: no trade at 99 or 100 has come after these.
    expect(loss(99)).toEqual(['Rejected TriggersPending'])
    expect(loss(100)).toEqual(['Rejected TriggersPending'])
    expect(loss(100, OrderType.StopLimit)).toEqual(['Rejected TriggersPending'])
    expect(loss(98)).toEqual(['Accepted 1'])
    expect(rig.buy(5, 200, 1, 3, { type: OrderType.Stop, triggerTicks: 102 })).toEqual(['Accepted 3'])
    // Last alone fires, as ever.
    expect(rig.buy(5, 50, 1, 4, { type: OrderType.StopLimit, triggerTicks: 101 })).toEqual([
      'Accepted 4',
      'Triggered 4',
      ...['Triggered 5', 'Canceled 5 ImmediateOrCancel 1'],
      ...['Triggered 6', 'Canceled 6 ImmediateOrCancel 1'],
      ...['Triggered 7', 'Canceled 7 ImmediateOrCancel 1'],
    ])
    rig.restore()
    expect(loss(99)[0]).toMatch(/^Rejected/)
    for (let ms = 1; isPending(rig); ms++) rig.time(ms)
    expect(rig.sell(5, 1, 100, 5, { type: OrderType.Stop, triggerTicks: 99 })).toEqual(['Accepted 5'])
    expect(rig.sell(2, 99, 1, 5)).toEqual(['Accepted 5', 'Fill 2<5 1@99', 'Triggered 5', 'Fill 2<5 100@99'])
  })

  test('nor is one that is amended into their range; it stays as it is', () => {
    const rig = backlog()
    rig.sell(5, 1, 100, 1, { type: OrderType.Stop, triggerTicks: 98 })
    for (const triggerTicks of [99, 100])
      expect(rig.amend(5, 1, 1, 100, { triggerTicks })).toEqual(['Rejected TriggersPending'])
    expect(rig.amend(5, 1, 1, 200, { triggerTicks: 97 })).toEqual(['Amended 1 200@1 anew'])
    // One that waited for them fires by them, as it was: made larger it would begin to wait anew.
    expect(rig.amend(1, 8, 1000, 2)).toEqual(['Rejected TriggersPending'])
    // Last alone fires, as ever, and then those whose turn it is.
    expect(rig.amend(5, 7, 90, 5, { triggerTicks: 101 }).slice(0, 4)).toEqual([
      'Amended 7 5@90 anew',
      'Triggered 7',
      'Canceled 7 ImmediateOrCancel 5',
      'Triggered 5',
    ])
    expect(isPending(rig)).toBe(true)
    for (let ms = 1; isPending(rig); ms++) rig.time(ms)
    expect(rig.engine.orders(1)).toEqual([])
    expect(rig.amend(5, 1, 1, 200, { triggerTicks: 99 })).toEqual(['Amended 1 200@1 anew'])
  })

  test('a market that is not active keeps its triggers until it is', () => {
    const rig = stops(6, 4)
    rig.buy(3, 100, 1, 1)
    const status = (value: number): void => {
      commands.writeMarketStatus(rig.words, 0, 0, value)
      rig.apply()
    }
    const exchange = (value: number): void => {
      commands.writeExchangeStatus(rig.words, 0, CancelOnlyReason.SettlementLag, value)
      rig.apply()
    }
    for (const value of [MarketStatus.Halted, MarketStatus.CancelOnly]) {
      status(value)
      expect(isPending(rig)).toBe(false)
      expect(rig.time(5)).toEqual(['TimeAdvanced'])
    }
    // Nor while the whole exchange takes cancels only.
    exchange(MarketStatus.CancelOnly)
    status(MarketStatus.Active)
    expect(isPending(rig)).toBe(false)
    expect(rig.time(5)).toEqual(['TimeAdvanced'])
    rig.restore()
    expect(isPending(rig)).toBe(false)
    exchange(MarketStatus.Active)
    expect(isPending(rig)).toBe(true)
    expect(rig.time(5)).toEqual(['TimeAdvanced', 'Triggered 3', 'Triggered 4', 'Triggered 5'])
    expect(rig.time(5)).toEqual(['TimeAdvanced', 'Triggered 6'])
  })

  test('of markets whose stops are left, the one that Time names goes first, then those behind it', () => {
    const markets = [0, 1, 2].map((id) => marketConfig({ id }))
    const rig = new Rig({ commandStepsMax: 4, markets }).fund(3)
    // Orders 1 to 5 of each market are its stops: 101 to 105 those of market 1.
    for (const market of [0, 1, 2]) {
      for (let order = 1; order <= 5; order++)
        rig.buy(1, 50, 1, 100 * market + order, { market, type: OrderType.StopLimit, triggerTicks: 100 })
      rig.sell(2, 100, 1, 100 * market + 1, { market })
      rig.buy(3, 100, 1, 100 * market + 1, { market })
    }
    const time = (firstMarket: number): string[] => {
      commands.writeTime(rig.words, rig.floats, 0, 5)
      rig.words[TimeCmd.FIRST_MARKET] = firstMarket
      return rig.apply()
    }
    expect(time(-1)).toEqual(['Rejected BadTime'])
    // Two of each have fired beside the fill; three are left.
    expect(time(1)).toEqual(['TimeAdvanced', ...['Triggered 103', 'Triggered 104', 'Triggered 105']])
    expect(time(1)).toEqual(['TimeAdvanced', ...['Triggered 203', 'Triggered 204', 'Triggered 205']])
    rig.restore()
    // Behind the last there is none: from the first on.
    expect(time(1)).toEqual(['TimeAdvanced', ...['Triggered 3', 'Triggered 4', 'Triggered 5']])
    expect(isPending(rig)).toBe(false)
  })

  test('a cancelled stop does not fire, although its turn has not come', () => {
    const rig = stops(6, 4)
    rig.buy(3, 100, 1, 1)
    cancelAll(rig, 1)
    expect(restIsLeft(rig)).toBe(1)
    rig.sell(2, 60, 1, 2)
    const fired = rig.buy(3, 60, 1, 2)
    expect(fired.filter((event) => event.startsWith('Triggered'))).toEqual([])
  })
})

test('a switch that is due and has no steps yet: its orders are gone, and a late renewal spares none of them', () => {
  const gtd = { timeInForce: GTD, expiresAtMs: 10 }
  const due = (): Rig => {
    const rig = new Rig({ commandStepsMax: 4 }).fund(3)
    // A stranger's expiries take the steps of the first Time commands.
    for (let order = 1; order <= 12; order++) rig.sell(3, 200 + order, 1, order, gtd)
    rig.buy(1, 90, 1, 1)
    rig.buy(1, 300, 1, 2, { type: OrderType.StopLimit, triggerTicks: 150 })
    commands.writeCancelAfter(rig.words, rig.floats, 0, 1, 10)
    rig.apply()
    rig.time(10)
    return rig
  }
  const taker = due()
  expect(taker.sell(2, 90, 1, 1, { timeInForce: IOC })).toEqual([
    'Accepted 1',
    'Canceled 1 DeadManSwitch 1',
    'Canceled 1 ImmediateOrCancel 1',
  ])
  const kept = due()
  kept.restore()
  expect(kept.amend(1, 1, 91, 1)).toEqual(['Rejected UnknownOrder'])
  // The account's next order makes it act first, and lives itself.
  expect(kept.buy(1, 80, 1, 3)).toEqual([
    'Canceled 1 DeadManSwitch 1',
    'Canceled 2 DeadManSwitch 1',
    'Accepted 3',
  ])
  for (let ms = 10; isPending(kept); ms++) kept.time(10)
  expect(kept.engine.orders(1).map(({ cloid }) => cloid)).toEqual([3n])
  const renewed = due()
  commands.writeCancelAfter(renewed.words, renewed.floats, 0, 1, 1000)
  expect(renewed.apply()).toEqual([
    'Canceled 1 DeadManSwitch 1',
    'Canceled 2 DeadManSwitch 1',
    'CancelAfterSet',
  ])
  expect(renewed.engine.orders(1)).toEqual([])
})

test('dead-man switches and protections: what is left is a job like others', () => {
  const rig = new Rig({ commandStepsMax: 4 }).fund(3)
  for (const account of [1, 2]) {
    for (let order = 1; order <= 4; order++) rig.buy(account, 100 - order, 1, order)
    commands.writeCancelAfter(rig.words, rig.floats, 0, account, 10)
    rig.apply()
  }
  const dead = (cloid: number): string => `Canceled ${cloid} DeadManSwitch 1`
  expect(rig.time(10)).toEqual(['TimeAdvanced', dead(1), dead(2)])
  rig.restore()
  // The fourth step goes to the second account's switch; its orders are then a job too.
  expect(rig.time(10)).toEqual(['TimeAdvanced', dead(3), dead(4)])
  expect(rig.time(10)).toEqual(['TimeAdvanced', dead(1), dead(2), dead(3)])
  expect(rig.time(10)).toEqual(['TimeAdvanced', dead(4)])
  expect(isPending(rig)).toBe(false)

  for (let order = 1; order <= 4; order++) rig.buy(1, 100 - order, 1, order)
  commands.writeProtection(rig.words, rig.floats, 0, 1, 0, 1000, 1, 0)
  rig.apply()
  expect(rig.sell(3, 99, 1, 1)).toEqual([
    'Accepted 1',
    'Fill 1<1 1@99',
    'ProtectionTriggered',
    'Canceled 2 Protection 1',
    'Canceled 3 Protection 1',
  ])
  expect(rig.sell(3, 90, 1, 2)).toEqual(['Accepted 2', 'Canceled 4 Protection 1'])
})
