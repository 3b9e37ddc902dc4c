/** What the types of orders have in common, where an order rests and a stop waits. Called wherever an order's type matters. */
import { OrderType } from '../../codes.js'
import { BookKind } from './levels.js'
import * as levels from './levels.js'

// Local copies: optimised code folds them, but loads and checks an imported constant at each use.
const { BOOK_KINDS } = levels
const {
  Bids: BOOK_BIDS,
  Asks: BOOK_ASKS,
  RisingStops: BOOK_RISING_STOPS,
  FallingStops: BOOK_FALLING_STOPS,
} = BookKind
const { StopLimit: TYPE_STOP_LIMIT, TakeProfitLimit: TYPE_TAKE_PROFIT_LIMIT } = OrderType

export function isStop(type: number): boolean {
  return type >= TYPE_STOP_LIMIT
}

/** Market orders, and stops that become one: they never rest in a book of bids or asks. */
export function isMarket(type: number): boolean {
  return (type & 1) === 1
}

/** The book that a side's orders rest in. */
export function restingBook(market: number, side: number): number {
  return market * BOOK_KINDS + (side === 0 ? BOOK_BIDS : BOOK_ASKS)
}

/** Book in which a stop waits: above the last price, or below it. */
export function waitingBook(market: number, type: number, side: number): number {
  const takesProfit = type >= TYPE_TAKE_PROFIT_LIMIT
  // A buy stop and a sell take-profit wait for a rise.
  const rising = (side === 0) !== takesProfit
  return market * BOOK_KINDS + (rising ? BOOK_RISING_STOPS : BOOK_FALLING_STOPS)
}
