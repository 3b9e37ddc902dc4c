/** A bucket alone: what fits exactly, when the rest fits, and that it never holds more than its burst. */
import { Budget } from './budgets.js'

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
