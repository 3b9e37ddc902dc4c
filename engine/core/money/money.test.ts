/**
 * What orders may cost: prices that bands tighten and never widen, reserves that are what the rest needs, fees
 * exact over an order's life, and a session's bound on what one order executes.
 */
import { EventKind } from '../../codes.js'
import * as commands from '../../commands.js'
import { Attr, FillEv, OrderEv, WithdrawnEv, kindOf } from '../../layout.js'
import { createEngine, restoreEngine, sealSnapshot } from '../engine.js'
import { InvariantError } from '../base/invariant-error.js'
import {
  ABC,
  OrderType,
  PostOnly,
  RICH,
  Rig,
  Side,
  Stp,
  TimeInForce,
  USD,
  marketConfig,
} from '../../reference/rig.js'

const BAND = { bandPpm: 100_000 }
const { Stop, StopLimit, TakeProfit, Market } = OrderType

/** A market with a band of 10 % whose last price is `last`; accounts 2 to 4 are rich. */
function banded(last: number): Rig {
  const rig = new Rig({ market: BAND })
  for (const account of [2, 3, 4]) {
    rig.deposit(account, USD)
    rig.deposit(account, ABC)
  }
  rig.sell(3, last, 1, 100)
  rig.buy(4, last, 1, 100)
  return rig
}

describe('bands tighten a protection price, and never widen it', () => {
  test('a stop buy whose trigger is amended below the band spends nothing beyond its reserve', () => {
    const rig = banded(100)
    rig.deposit(1, USD, 100)
    rig.sell(2, 90, 2, 1)
    rig.buy(1, 50, 2, 1, { type: Stop, triggerTicks: 150 })
    expect(rig.balance(1, USD)).toBe('0/100')
    expect(rig.amend(1, 1, 50, 2, { triggerTicks: 95 })).toEqual([
      'Amended 1 2@50 anew',
      'Triggered 1',
      'Canceled 1 PriceBand 2',
    ])
    expect(rig.balance(1, USD)).toBe('100/0')
    expect(rig.book()).toBe(' | 90:2')
  })

  test('a market order outside a band of one tick', () => {
    const rig = new Rig({ market: BAND }).fund(3)
    rig.deposit(4, USD, 4)
    // 10 % of 5 is less than a tick: the band is 4 to 6.
    rig.buy(4, 1, 4, 1, { type: Stop, triggerTicks: 5 })
    rig.sell(2, 5, 10, 1)
    expect(rig.buy(3, 5, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 1<1 1@5',
      'Triggered 1',
      'Canceled 1 PriceBand 4',
    ])
    expect(rig.balance(4, USD)).toBe('4/0')
  })

  test('a market can always move by a tick, however low its last price', () => {
    const rig = banded(1)
    expect(rig.buy(2, 3, 1, 1)).toEqual(['Rejected PriceBand'])
    expect(rig.buy(2, 2, 1, 1)).toEqual(['Accepted 1'])
    expect(rig.sell(3, 1, 1, 2, { type: Market })).toEqual(['Accepted 2', 'Fill 1<2 1@2'])
    // Last 2: from 1 to 3.
    expect(rig.sell(3, 4, 1, 3)).toEqual(['Rejected PriceBand'])
    expect(rig.sell(3, 3, 1, 3)).toEqual(['Accepted 3'])
    expect(rig.buy(2, 9, 2, 4, { type: Market })).toEqual([
      'Accepted 4',
      'Fill 3<4 1@3',
      'Canceled 4 ImmediateOrCancel 1',
    ])
    rig.buy(2, 3, 1, 5)
    expect(rig.amend(2, 5, 5, 1)).toEqual(['Rejected PriceBand'])
    expect(rig.amend(2, 5, 4, 1)).toEqual(['Amended 5 1@4 anew'])
    commands.writePriceBand(rig.words, 0, 0, 1)
    rig.apply()
    expect(rig.sell(3, 1, 1, 6, { type: Market })).toEqual(['Accepted 6', 'Fill 5<6 1@4'])
    expect(rig.sell(3, 2, 1, 7)).toEqual(['Rejected PriceBand'])
    expect(rig.sell(3, 3, 1, 7)).toEqual(['Accepted 7'])
  })

  test('the highest price has a band too', () => {
    const top = 2 ** 31 - 1
    const rig = new Rig({ market: { bandPpm: 1 } }).fund(3)
    rig.sell(3, top, 1, 1)
    rig.buy(2, top, 1, 1)
    expect(rig.buy(2, top - 2147, 1, 2)).toEqual(['Accepted 2'])
    expect(rig.buy(2, top - 2148, 1, 3)).toEqual(['Rejected PriceBand'])
    expect(rig.sell(3, top, 1, 3)).toEqual(['Accepted 3'])
  })

  test.each([
    ['buy', Side.Buy, 50, {}],
    ['fill or kill buy', Side.Buy, 50, { timeInForce: TimeInForce.FOK }],
    ['sell', Side.Sell, 200, {}],
    ['fill or kill sell', Side.Sell, 200, { timeInForce: TimeInForce.FOK }],
  ])('a market %s whose protection price lies outside the band fills nothing', (_, side, ticks, more) => {
    const rig = banded(100)
    rig.sell(2, 110, 5, 1)
    rig.sell(2, 90, 5, 2, { postOnly: PostOnly.Reject })
    const asks = rig.book()
    expect(rig.place({ ...more, account: 3, side, ticks, lots: 5, cloid: 1, type: Market })).toEqual([
      'Accepted 1',
      'Canceled 1 PriceBand 5',
    ])
    expect(rig.records[0]![OrderEv.TICKS]).toBe(ticks)
    expect(rig.book()).toBe(asks)
  })

  test('inside it the tighter of both prices holds, for market orders and for triggered ones', () => {
    const rig = banded(100)
    rig.sell(2, 105, 1, 1)
    rig.sell(2, 110, 1, 2)
    expect(rig.buy(3, 107, 2, 1, { type: Market })).toEqual([
      'Accepted 1',
      'Fill 1<1 1@105',
      'Canceled 1 ImmediateOrCancel 1',
    ])
    rig.deposit(1, USD, 2000)
    // Last 105: the band ends at 115; what the stop held for 200 goes back before it is matched.
    rig.buy(1, 200, 10, 1, { type: Stop, triggerTicks: 108 })
    expect(rig.balance(1, USD)).toBe('0/2000')
    expect(rig.buy(3, 110, 1, 2)).toEqual([
      'Accepted 2',
      'Fill 2<2 1@110',
      'Triggered 1',
      'Canceled 1 ImmediateOrCancel 10',
    ])
    expect(rig.balance(1, USD)).toBe('2000/0')
    rig.buy(3, 100, 5, 3)
    expect(rig.sell(2, 1, 9, 3, { type: TakeProfit, triggerTicks: 50 })).toEqual([
      'Accepted 3',
      'Triggered 3',
      'Fill 3<3 5@100',
      'Canceled 3 ImmediateOrCancel 4',
    ])
    // Last 100 again: accepted at the band's edge.
    rig.buy(3, 200, 1, 4, { type: Market })
    expect(rig.records[0]![OrderEv.TICKS]).toBe(110)
  })

  test('a slide may not leave the band: at placement, amend and trigger', () => {
    const rig = banded(100)
    rig.sell(2, 90, 5, 1)
    const slide = { postOnly: PostOnly.Slide }
    expect(rig.buy(3, 95, 1, 1, slide)).toEqual(['Rejected PriceBand'])
    const bid = banded(100)
    bid.sell(2, 91, 5, 1)
    expect(bid.buy(3, 95, 1, 1, slide)).toEqual(['Accepted 1'])
    expect(bid.book()).toBe('90:1 | 91:5')
    bid.cancel(3, 1)
    bid.sell(2, 90, 1, 3)
    bid.buy(3, 88, 1, 2, { ...slide, type: StopLimit, triggerTicks: 101 })
    expect(bid.amend(3, 2, 95, 1)).toEqual(['Amended 2 1@95 anew'])
    expect(bid.amend(3, 2, 95, 1, { triggerTicks: 100 })).toEqual(['Rejected PriceBand'])
    bid.sell(2, 105, 1, 4)
    // A trade at 101 reaches the trigger; the slide would end at 89, the band of 101 begins at 91.
    bid.cancel(2, 3)
    bid.cancel(2, 1)
    bid.sell(2, 101, 1, 5)
    expect(bid.buy(4, 101, 1, 1)).toEqual(['Accepted 1', 'Fill 5<1 1@101', 'Triggered 2'])
    expect(bid.book()).toBe('95:1 | 105:1')
    bid.cancel(3, 2)
    bid.sell(2, 91, 1, 6)
    bid.buy(3, 95, 1, 3, { ...slide, type: StopLimit, triggerTicks: 105 })
    expect(bid.buy(4, 105, 2, 2)).toEqual(['Accepted 2', 'Fill 6<2 1@91', 'Fill 4<2 1@105', 'Triggered 3'])
  })

  test('a triggered order that would slide out of the band is cancelled', () => {
    const rig = banded(100)
    const { TakeProfitLimit } = OrderType
    rig.sell(2, 101, 1, 1)
    expect(rig.sell(2, 91, 1, 2, { type: TakeProfitLimit, triggerTicks: 101 })).toEqual(['Accepted 2'])
    const slide = { postOnly: PostOnly.Slide, type: StopLimit, triggerTicks: 101 }
    expect(rig.buy(3, 95, 1, 1, slide)).toEqual(['Accepted 1'])
    // The trade at 101 makes the band 91 to 111. The first to fire rests at its edge; the second would stand at 90.
    expect(rig.buy(4, 101, 1, 1)).toEqual([
      'Accepted 1',
      'Fill 1<1 1@101',
      'Triggered 2',
      'Triggered 1',
      'Canceled 1 TriggerRejected 1',
    ])
    expect(rig.book()).toBe(' | 91:1')
  })
})

describe('reserves are what the rest needs', () => {
  test('better prices go back at once', () => {
    const rig = new Rig().fund(2)
    rig.sell(2, 100, 5, 1)
    rig.sell(2, 104, 5, 2)
    rig.buy(1, 110, 11, 1)
    expect(rig.balance(1, USD)).toBe(`${RICH - 500 - 520 - 110}/110`)
  })

  test('fees are reserved to the unit', () => {
    const market = { makerFeePpm: 1000, takerFeePpm: 2000, tickUnits: 1000 }
    const rig = new Rig({ market }).fund(1)
    rig.deposit(2, USD, 330_659)
    expect(rig.buy(2, 11, 30, 1)).toEqual(['Rejected InsufficientFunds'])
    rig.deposit(2, USD, 1)
    expect(rig.buy(2, 11, 30, 1)).toEqual(['Accepted 1'])
    expect(rig.balance(2, USD)).toBe('0/330660')
    // Filled lot by lot by takers, as a maker it pays half of that rate, and what is left shrinks with it.
    for (let lot = 1; lot <= 30; lot++) {
      rig.sell(1, 11, 1, lot)
      const fee = Math.ceil((11_000 * lot * 1000) / 1e6)
      const { available, reserved } = rig.engine.balances(2).find(({ asset }) => asset === USD) ?? {
        available: 0,
        reserved: 0,
      }
      expect(available + reserved).toBe(330_660 - 11_000 * lot - fee)
    }
    expect(rig.balance(2, USD)).toBe('330/0')
  })

  test('a slicing taker costs a maker nothing', () => {
    const rig = new Rig({ market: { makerFeePpm: 100, takerFeePpm: 100 } }).fund(2)
    rig.sell(1, 19, 100, 1)
    let paid = 0
    for (let lot = 1; lot <= 100; lot++) {
      rig.buy(2, 19, 1, lot)
      const fill = rig.records.find((event) => kindOf(event[0]!) === EventKind.Fill)!
      paid += new Float64Array(fill.buffer)[FillEv.MAKER_FEE_F64]!
    }
    // 1,900 units at 100 ppm are 0.19.
    expect(paid).toBe(1)
    const bids = new Rig({ market: { makerFeePpm: 100, takerFeePpm: 100 } }).fund(2)
    bids.buy(1, 19, 100, 1)
    for (let lot = 1; lot <= 100; lot++) bids.sell(2, 19, 1, lot)
    expect(bids.balance(1, USD)).toBe(`${RICH - 1901}/0`)
  })

  test('an amend and a decrement keep what was charged too much', () => {
    const rig = new Rig({ market: { makerFeePpm: 100_000, takerFeePpm: 100_000 } }).fund(3)
    rig.buy(1, 11, 3, 1, { stp: Stp.Decrement })
    expect(rig.sell(2, 11, 1, 1)[1]).toBe('Fill 1<1 1@11 fees 2/2')
    // 1.1 is due, 2 were charged: 22 at 100,000 ppm are 2.2, less 0.9, so 2 more are held.
    expect(rig.balance(1, USD)).toBe(`${RICH - 13 - 24}/24`)
    rig.amend(1, 1, 12, 3)
    expect(rig.balance(1, USD)).toBe(`${RICH - 13 - 26}/26`)
    rig.restore()
    rig.sell(1, 12, 1, 9, { stp: Stp.Decrement })
    expect(rig.balance(1, USD)).toBe(`${RICH - 13 - 13}/13`)
    expect(rig.sell(2, 12, 1, 2)[1]).toBe('Fill 1<2 1@12 fees 1/2')
    expect(rig.balance(1, USD)).toBe(`${RICH - 13 - 13}/0`)
  })

  test('a rebate is paid from what the fee account has', () => {
    const rig = new Rig({ market: { makerFeePpm: -1000, takerFeePpm: 1000 } }).fund(3)
    rig.sell(1, 100, 100, 1)
    // The taker pays 0.1 as 1, the maker's 0.1 is carried; so it goes until whole units come back.
    expect(rig.buy(2, 100, 1, 1)[1]).toBe('Fill 1<1 1@100 fees 0/1')
    rig.buy(2, 100, 20, 2, { timeInForce: TimeInForce.GTC })
    expect(rig.lastFills()).toEqual(['Fill 1<2 20@100 fees -2/2'])
    commands.writeWithdraw(rig.words, rig.floats, 0, 0, USD, 1, 'operator')
    rig.apply()
    // A bid that has been charged too much already pays nothing, and the fee account has nothing to give.
    rig.buy(3, 100, 30, 1)
    rig.sell(2, 100, 1, 3)
    rig.sell(2, 100, 9, 4)
    expect(rig.engine.available(0, USD) >= 0).toBe(true)
    expect(rig.buy(2, 100, 10, 5)[1]).toBe('Fill 1<5 10@100 fees -1/1')
  })
})

describe('what a session lets one order execute', () => {
  function bounded(maxNotional: number): Rig {
    const rig = new Rig().fund(3)
    rig.time(1000)
    const key = [1, 2, 3, 4, 5, 6, 7, 8]
    commands.writeApproveSession(rig.words, 0, 1, key, 1, {
      scopes: 2,
      maxNotional,
      expiresAtMs: 2000,
      nonce: 1,
      deadlineMs: 1500,
    })
    expect(rig.apply()).toEqual(['SessionApproved'])
    return rig
  }
  const frame = (rig: Rig, nonce: number): void => {
    commands.writeFrame(rig.words, rig.floats, 0, 1, 1, 1, nonce)
    expect(rig.apply()).toEqual(['FrameOpened'])
  }

  test.each([
    ['limit', {}],
    ['market', { type: Market }],
    ['immediate', { timeInForce: TimeInForce.IOC }],
  ])('a %s sell at a low limit ends when its proceeds would pass the bound', (_, more) => {
    const rig = bounded(20_000)
    rig.buy(2, 60_000, 20_000, 1)
    frame(rig, 1)
    expect(rig.sell(1, 1, 20_000, 1, more)).toEqual(['Accepted 1', 'Canceled 1 SessionNotional 20000'])
    rig.cancel(2, 1)
    rig.buy(2, 150, 100, 2)
    rig.buy(2, 99, 1000, 3)
    frame(rig, 2)
    // 100 at 150 leave 5,000: 50 at 99.
    expect(rig.sell(1, 1, 20_000, 2, more)).toEqual([
      'Accepted 2',
      'Fill 2<2 100@150',
      'Fill 3<2 50@99',
      'Canceled 2 SessionNotional 19850',
    ])
    expect(rig.engine.available(1, USD)).toBe(RICH + 19_950)
  })

  test('a rest that would pass the bound does not rest; fill or kill is killed', () => {
    const rig = bounded(1000)
    rig.buy(2, 150, 4, 1)
    frame(rig, 1)
    expect(rig.sell(1, 100, 10, 1)).toEqual(['Accepted 1', 'Fill 1<1 4@150', 'Canceled 1 SessionNotional 6'])
    rig.buy(2, 150, 10, 2)
    frame(rig, 2)
    expect(rig.sell(1, 100, 10, 2, { timeInForce: TimeInForce.FOK })).toEqual([
      'Accepted 2',
      'Canceled 2 FillOrKill 10',
    ])
  })

  test('what rested, waited or was amended keeps its bound, a buy too', () => {
    const rig = bounded(1000)
    frame(rig, 1)
    rig.sell(1, 100, 10, 1)
    rig.buy(2, 100, 6, 1)
    rig.restore()
    // 400 are left of the bound. An amend outside of a frame does not raise it.
    rig.buy(2, 80, 9, 2)
    expect(rig.amend(1, 1, 70, 20)).toEqual([
      'Amended 1 14@70 anew',
      'Fill 2<1 5@80',
      'Canceled 1 SessionNotional 9',
    ])
    frame(rig, 2)
    rig.buy(1, 90, 10, 2)
    rig.sell(3, 90, 10, 2)
    rig.restore()
    frame(rig, 3)
    rig.buy(1, 90, 11, 3)
    rig.sell(3, 90, 10, 3)
    frame(rig, 4)
    // Filled for 900, it may execute 100 more: 50 lots at 20 are 1,000 by the limit, and more than that over its life.
    expect(rig.amend(1, 3, 20, 50)).toEqual(['Amended 3 40@20 anew', 'Canceled 3 SessionNotional 40'])
    frame(rig, 5)
    rig.sell(1, 10, 100, 4, { type: Stop, triggerTicks: 70 })
    rig.buy(2, 69, 1, 4)
    rig.buy(2, 60, 100, 5)
    expect(rig.sell(3, 69, 1, 4)).toEqual(['Accepted 4', 'Fill 2<4 1@80'])
  })

  test('a quote budget bounds its order by itself', () => {
    const rig = bounded(1000)
    rig.sell(2, 300, 10, 1)
    frame(rig, 1)
    expect(rig.buy(1, 0, 10, 1, { type: Market, quoteBudget: 1001 })).toEqual(['Rejected SessionNotional'])
    frame(rig, 2)
    expect(rig.buy(1, 0, 10, 1, { type: Market, quoteBudget: 1000 })).toEqual([
      'Accepted 1',
      'Fill 1<1 3@300',
      'Canceled 1 QuoteBudgetSpent 7',
    ])
  })
})

describe('the fee of a withdrawal', () => {
  const setTerms = (rig: Rig, min: number, fee: number): string[] => {
    commands.writeWithdrawTerms(rig.words, rig.floats, 0, USD, min, fee)
    return rig.apply()
  }
  let nonce = 0
  const withdraw = (
    rig: Rig,
    account: number,
    units: number,
    maxFee: number,
    consent: commands.Consent = { nonce: ++nonce, deadlineMs: 1000 },
  ): string[] => {
    commands.writeWithdraw(rig.words, rig.floats, 0, account, USD, units, consent, maxFee)
    return rig.apply()
  }
  /** Units and fee of the last event. */
  const paid = (rig: Rig): (number | undefined)[] => {
    const floats = new Float64Array(rig.records.at(-1)!.buffer)
    return [floats[WithdrawnEv.UNITS_F64], floats[WithdrawnEv.FEE_F64]]
  }

  test('comes on top of what goes out, for the fee account, and is never above what was accepted', () => {
    const rig = new Rig({ feeAccount: 7, terms: [50, 10] })
    rig.deposit(1, USD, 1000)
    expect(withdraw(rig, 1, 100, 10)).toEqual(['Withdrawn'])
    expect([paid(rig), rig.balance(1, USD), rig.balance(7, USD)]).toEqual([[100, 10], '890/0', '10/0'])
    setTerms(rig, 50, 4)
    expect(withdraw(rig, 1, 50, 10)).toEqual(['Withdrawn'])
    expect([paid(rig), rig.balance(1, USD), rig.balance(7, USD)]).toEqual([[50, 4], '836/0', '14/0'])
    setTerms(rig, 50, 11)
    expect(withdraw(rig, 1, 50, 10)).toEqual(['Rejected WithdrawFeeNotAccepted'])
    rig.restore()
    expect(withdraw(rig, 1, 49, 11)).toEqual(['Rejected WithdrawBelowMin'])
    // All or nothing: what is left after the amount does not pay the fee.
    expect(withdraw(rig, 1, 826, 11)).toEqual(['Rejected InsufficientFunds'])
    expect(withdraw(rig, 1, 825, 11)).toEqual(['Withdrawn'])
    expect([rig.balance(1, USD), rig.balance(7, USD)]).toEqual(['0/0', '25/0'])
    // The fee account pays itself.
    setTerms(rig, 5, 5)
    expect(withdraw(rig, 7, 21, 5)).toEqual(['Rejected InsufficientFunds'])
    expect(withdraw(rig, 7, 20, 5)).toEqual(['Withdrawn'])
    expect([paid(rig), rig.balance(7, USD)]).toEqual([[20, 5], '5/0'])
  })

  test('what the operator takes out, forced or not, has neither minimum nor fee', () => {
    const rig = new Rig({ feeAccount: 7, terms: [50, 10] })
    rig.deposit(1, USD, 100)
    rig.buy(1, 10, 6, 1)
    expect(withdraw(rig, 1, 1, 0, 'operator')).toEqual(['Withdrawn'])
    expect(paid(rig)).toEqual([1, 0])
    expect(withdraw(rig, 1, 3, 99, 'forced')).toEqual(['Withdrawn'])
    expect(paid(rig)).toEqual([3, 0])
    expect(withdraw(rig, 1, 500, 0, 'forced')).toEqual(['Canceled 1 CancelAll 6', 'Withdrawn'])
    expect([paid(rig), rig.balance(1, USD), rig.balance(7, USD)]).toEqual([[96, 0], '0/0', '0/0'])
  })

  test('a full fee account holds up nobody’s way out', () => {
    const rig = new Rig({ feeAccount: 7, terms: [50, 10] })
    rig.deposit(1, USD, 1000)
    rig.deposit(7, USD, 2 ** 53 - 5)
    expect(withdraw(rig, 1, 100, 10)).toEqual(['Withdrawn'])
    expect([paid(rig), rig.balance(1, USD)]).toEqual([[100, 4], '896/0'])
    expect(withdraw(rig, 1, 100, 10)).toEqual(['Withdrawn'])
    expect([paid(rig), rig.balance(1, USD), rig.balance(7, USD)]).toEqual([
      [100, 0],
      '796/0',
      `${2 ** 53 - 1}/0`,
    ])
  })

  test('a state without terms is told as it was before there were any', () => {
    const before = new Rig()
    const rig = new Rig({ reference: false })
    setTerms(rig, 5, 1)
    expect(rig.engine.snapshot().length).toBeGreaterThan(before.engine.snapshot().length)
    setTerms(rig, 0, 0)
    expect(rig.engine.snapshot().length).toBe(before.engine.snapshot().length)
  })
})

describe('a forced withdrawal', () => {
  const withdraw = (
    rig: Rig,
    account: number,
    units: number,
    consent: commands.Consent = 'forced',
  ): string[] => {
    commands.writeWithdraw(rig.words, rig.floats, 0, account, USD, units, consent)
    return rig.apply()
  }
  const paid = (rig: Rig): number => new Float64Array(rig.records.at(-1)!.buffer)[WithdrawnEv.UNITS_F64]!

  test('takes what is available; for more, the account’s orders end; anybody else’s is all or nothing', () => {
    const rig = new Rig()
    rig.deposit(1, USD, 1000)
    rig.buy(1, 100, 6, 1)
    expect(withdraw(rig, 1, 401, { nonce: 1, deadlineMs: 1000 })).toEqual(['Rejected InsufficientFunds'])
    expect(withdraw(rig, 1, 401, 'operator')).toEqual(['Rejected InsufficientFunds'])
    expect(withdraw(rig, 1, 150)).toEqual(['Withdrawn'])
    expect(rig.balance(1, USD)).toBe('250/600')
    expect(withdraw(rig, 1, 2000)).toEqual(['Canceled 1 CancelAll 6', 'Withdrawn'])
    expect([paid(rig), rig.balance(1, USD)]).toEqual([850, '0/0'])
    expect(withdraw(rig, 1, 1)).toEqual(['Rejected InsufficientFunds'])
  })

  test('what its steps do not reach is paid as it comes free, and nothing is placed meanwhile', () => {
    const rig = new Rig({ commandStepsMax: 4 })
    for (const account of [1, 2]) rig.deposit(account, USD, 1000)
    rig.deposit(2, ABC, 10)
    for (let order = 1; order <= 8; order++) rig.buy(1, 100, 1, order)
    const gone = (cloid: number): string => `Canceled ${cloid} CancelAll 1`
    expect(withdraw(rig, 1, 900)).toEqual([gone(1), gone(2), gone(3), 'Withdrawn'])
    expect([paid(rig), rig.balance(1, USD)]).toEqual([500, '0/500'])
    expect(rig.buy(1, 1, 1, 9)).toEqual(['Rejected WithdrawalForced'])
    // Its orders trade no more, and taking one back oneself gives nothing to place.
    expect(rig.sell(2, 100, 1, 1, { timeInForce: TimeInForce.IOC })).toEqual([
      'Accepted 1',
      gone(4),
      gone(5),
      gone(6),
      gone(7),
      'Canceled 1 WorkLimit 1',
    ])
    rig.restore()
    expect(rig.time(1)).toEqual(['TimeAdvanced', gone(8), 'Withdrawn'])
    expect([paid(rig), rig.balance(1, USD)]).toEqual([400, '100/0'])
    expect(rig.buy(1, 1, 1, 9)).toEqual(['Accepted 9'])
  })
})

test('a fill that would spend more than was reserved stops the engine before anything moves', () => {
  const options = {
    ordersMax: 8,
    levelsMax: 8,
    accountsMax: 8,
    marketsMax: 1,
    sessionsMax: 1,
    genesis: {
      assets: [
        { id: USD, symbol: 'USD' },
        { id: ABC, symbol: 'ABC' },
      ],
      markets: [marketConfig()],
    },
    onEvents: () => {},
  }
  const words = new Int32Array(16)
  const floats = new Float64Array(words.buffer)
  for (const side of [Side.Buy, Side.Sell]) {
    const engine = createEngine(options)
    for (const asset of [USD, ABC])
      for (const account of [1, 2]) {
        commands.writeDeposit(words, floats, 0, account, asset, 1_000_000)
        engine.apply(words, floats, 0)
      }
    // An order of 77 lots at 1,000 reserves 77,000 units of quote, or 77 of base.
    commands.writePlace(words, floats, 0, 1, 0, side, 1000, 77, 1)
    engine.apply(words, floats, 0)
    const bytes = engine.captureSnapshot()
    const held = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3)
    const units = side === Side.Buy ? 77_000 : 77
    const places = [...held.keys()].filter((at) => held[at] === units)
    // The balance's reserved part, then the order's own.
    expect(places).toHaveLength(2)
    held[places[1]!] = units - 1
    sealSnapshot(bytes)
    const damaged = restoreEngine(bytes, options)
    commands.writePlace(words, floats, 0, 2, 0, side ^ 1 ? Side.Sell : Side.Buy, 1000, 77, 1)
    words[0] = (words[0]! & ~(1 << Attr.SIDE_SHIFT)) | ((side ^ 1) << Attr.SIDE_SHIFT)
    const before = damaged.balances(1)
    expect(() => damaged.apply(words, floats, 0)).toThrow(InvariantError)
    expect(damaged.balances(1)).toEqual(before)
  }
})
