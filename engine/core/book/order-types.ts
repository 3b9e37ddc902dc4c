/** What the types of orders have in common, where an order rests and a stop waits. Called wherever an order's type matters. */
import { OrderType } from '../../codes.js'
import { BookKind, BOOK_KINDS } from './levels.js'

export function isStop(type: number): boolean {
  return type >= OrderType.StopLimit
}

/** Market orders, and stops that become one: they never rest in a book of bids or asks. */
export function isMarket(type: number): boolean {
  return (type & 1) === 1
}

/** The book that a side's orders rest in. */
export function restingBook(market: number, side: number): number {
  return market * BOOK_KINDS + (side === 0 ? BookKind.Bids : BookKind.Asks)
}

/** Book in which a stop waits: above the last price, or below it. */
export function waitingBook(market: number, type: number, side: number): number {
  const takesProfit = type >= OrderType.TakeProfitLimit
  // A buy stop and a sell take-profit wait for a rise.
  const rising = (side === 0) !== takesProfit
  return market * BOOK_KINDS + (rising ? BookKind.RisingStops : BookKind.FallingStops)
}
