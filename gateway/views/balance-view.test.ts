/** Balances as the view tells them: every unit of them, and none that is nothing. */
import { BalanceTable } from './balance-view.js'

test('a single unit is a balance, free or reserved; nothing is none', () => {
  const view = new BalanceTable()
  const balances = [
    [3, 0, 1],
    [1, 1, 0],
    [2, 0, 0],
  ] as const
  view.load([7, '0x', 0, balances, 0, 0])
  expect(view.balances(7)).toEqual([
    [1, 1, 0],
    [3, 0, 1],
  ])
  expect(view.balances(8)).toEqual([])
})
