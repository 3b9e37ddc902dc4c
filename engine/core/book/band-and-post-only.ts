/**
 * Where a market lets orders stand: inside its price band, and for post-only orders behind the touch (which they slide to, or are refused).
 * Called by place.ts, amend.ts and trading.ts.
 */
import { PostOnly } from '../../codes.js'
import type { Book } from './book.js'
import { Market, type Markets, MARKET_SHIFT } from './markets.js'
import { TICKS_MAX } from '../../limits.js'
import { restingBook } from './order-types.js'

export class Prices {
  private readonly book: Book
  private readonly markets: Markets

  constructor(book: Book, markets: Markets) {
    this.book = book
    this.markets = markets
  }

  /** True when a limit price is further from the last trade than the market's band allows. */
  outsideBand(market: number, ticks: number): boolean {
    const at = market << MARKET_SHIFT
    const band = this.markets.words[at + Market.BAND_PPM]!
    const last = this.markets.words[at + Market.LAST_TICKS]!
    return band !== 0 && last !== 0 && Math.abs(ticks - last) > widthOf(last, band)
  }

  /**
   * The protection price of a market order or triggered stop, brought inside the market's band where it
   * allows worse prices than that; never the other way: 0 when the band begins beyond it.
   */
  tightened(market: number, side: number, ticks: number): number {
    const at = market << MARKET_SHIFT
    const band = this.markets.words[at + Market.BAND_PPM]!
    const last = this.markets.words[at + Market.LAST_TICKS]!
    if (band === 0 || last === 0) return ticks
    const width = widthOf(last, band)
    if (side === 0) return ticks < last - width ? 0 : Math.min(ticks, last + width)
    return ticks > last + width ? 0 : Math.max(ticks, last - width)
  }

  /** Price at which a post-only order may stand; 0 when it would cross and may not slide. */
  postOnlyTicks(market: number, side: number, ticks: number, mode: number): number {
    const touch = this.book.bestTicks(restingBook(market, side ^ 1))
    if (touch === 0) return ticks
    if (side === 0 ? ticks < touch : ticks > touch) return ticks
    if (mode !== PostOnly.Slide) return 0
    if (side === 0) return touch - 1
    return touch === TICKS_MAX ? 0 : touch + 1
  }
}

/**
 * Ticks that a band reaches to each side of the last price: at least one, or a low price could never be left
 * again. Prices end at 1 and TICKS_MAX by themselves.
 */
function widthOf(last: number, band: number): number {
  return Math.max(1, Math.floor((last * band) / 1_000_000))
}
