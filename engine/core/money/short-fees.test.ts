/**
 * Rebates that the fee account cannot pay: what rounding lets a maker receive can be a unit more than the taker
 * pays, when both have traded before and the fee account has been emptied in between. Random sessions hardly
 * come to it.
 */
import * as commands from '../../commands.js'
import { ABC, Rig, USD } from '../../reference/rig.js'

const FEES = 4

function setUp(): Rig {
  const market = { takerFeePpm: 100_000, makerFeePpm: -100_000 }
  const rig = new Rig({ feeAccount: FEES, market })
  for (const account of [1, 2]) rig.deposit(account, ABC, 100)
  for (const account of [3, 5]) rig.deposit(account, USD, 10_000)
  // 2.5 units at 25: the taker pays 3, the maker gets 2 and half a unit is owed to it.
  rig.sell(1, 25, 5, 1)
  expect(rig.buy(5, 25, 1, 1)[1]).toBe('Fill 1<1 1@25 fees -2/3')
  // 1.5 units at 15: the taker has paid half a unit too much when it rests.
  rig.sell(2, 15, 1, 1)
  expect(rig.buy(3, 15, 2, 1)[1]).toBe('Fill 1<1 1@15 fees -1/2')
  return rig
}

const withdrawFees = (rig: Rig, units: number): string[] => {
  commands.writeWithdraw(rig.words, rig.floats, 0, FEES, USD, units, 'operator')
  return rig.apply()
}

test('with fees left in the fee account, each order is charged to the millionth', () => {
  const rig = setUp()
  expect(rig.balance(FEES, USD)).toBe('2/0')
  expect(rig.amend(3, 1, 25, 2)).toEqual(['Amended 1 1@25 anew', 'Fill 1<1 1@25 fees -3/2'])
  expect(rig.balance(FEES, USD)).toBe('1/0')
})

test('an empty fee account pays what it is paid, and no balance falls below zero', () => {
  const rig = setUp()
  expect(withdrawFees(rig, 2)).toEqual(['Withdrawn'])
  expect(rig.amend(3, 1, 25, 2)).toEqual(['Amended 1 1@25 anew', 'Fill 1<1 1@25 fees -2/2'])
  expect(rig.balance(FEES, USD)).toBe('0/0')
  // What the maker missed is not owed beyond the next unit: 2.5 and 0.999999 are 3.
  expect(rig.buy(5, 25, 1, 2)[1]).toBe('Fill 1<2 1@25 fees -3/3')
  rig.restore()
})
