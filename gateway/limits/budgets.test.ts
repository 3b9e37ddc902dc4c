/** A bucket alone: what fits exactly, when the rest fits, and that it never holds more than its burst. */
import { ErrorCode } from '../../sdk/wire/codes.js'
import { Budget, ToldBudget, ofAccount } from './budgets.js'

test('a weight that is there to the token is taken; one more waits for exactly what is missing', () => {
  const budget = new Budget<string>({ perSecond: 10, burst: 20 })
  expect(budget.take('a', 20, 0)).toBe(0)
  expect(budget.take('a', 5, 0)).toBe(500)
  expect(budget.take('a', 5, 499)).toBe(1)
  expect(budget.take('a', 5, 500)).toBe(0)
  // Another key has its own; a clock that stands gives nothing.
  expect(budget.take('b', 20, 500)).toBe(0)
  expect(budget.take('a', 1, 500)).toBe(100)
  // However long nobody asks, no more than the burst.
  expect(budget.take('a', 21, 1e6)).toBe(100)
  expect(budget.take('a', 20, 1e6)).toBe(0)
})

test('who has spent a budget is told which, whose, what it holds and when it would be enough', () => {
  const budget = new ToldBudget({ perSecond: 10, burst: 20 }, ErrorCode.OrderRateLimited, 'order', ofAccount)
  expect(budget.pay(7, 20, 0)).toBeUndefined()
  expect(budget.pay(7, 5, 0)).toEqual({
    code: ErrorCode.OrderRateLimited,
    message: 'the order budget of account 7 is spent: 10 a second, at most 20 at once',
    retryAfter: 500,
  })
  expect(budget.pay(8, 20, 0)).toBeUndefined()
})
