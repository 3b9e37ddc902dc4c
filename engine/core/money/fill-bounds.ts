/**
 * Asks before a fill-or-kill order whether settling it could bring a balance to 2^53. Only matters when
 * an asset's whole supply is that large, so it may be slow and may err, on the safe side alone: it then
 * answers "no" although the fills would have fitted, and the order is killed with nothing changed. It looks at no
 * order that `Matcher.whyUnfillable`, which is asked first, has not taken a step for.
 * Called by trading.ts.
 */
import { Attr } from '../../layout.js'
import { UNITS_END } from '../../limits.js'
import type { Book } from '../book/book.js'
import type { Ledger } from './ledger.js'
import { LEVEL_SHIFT, Level, NONE, keyMask } from '../book/levels.js'
import { Market, MarketUnits, type Markets } from '../book/markets.js'
import { restingBook } from '../book/order-types.js'
import { MARKET_MASK, ORDER_SHIFT, Order } from '../book/orders.js'

/**
 * True when the taker in `slot`, every order that it may meet, and the fee account can take what may come.
 * `isGone` says of an order that it never trades again.
 */
export function allCanReceive(
  slot: number,
  book: Book,
  markets: Markets,
  ledger: Ledger,
  isGone: (maker: number) => boolean,
): boolean {
  const { words } = book.orders
  const levels = book.levels.words
  const at = slot << ORDER_SHIFT
  const market = words[at + Order.MARKET_CARRY]! & MARKET_MASK
  const account = words[at + Order.ACCOUNT]!
  const sells = ((words[at + Order.ATTR]! >>> Attr.SIDE_SHIFT) & 1) === 1
  const against = restingBook(market, sells ? 0 : 1)
  const mask = keyMask(against)
  const lots = words[at + Order.VISIBLE]!
  const base = lots * markets.units[2 * market + MarketUnits.LOT]!
  // A buyer pays at most its limit, a seller gets at most the best bid; twice that covers every fee.
  const ticksMax = sells ? book.bestTicks(against) : words[at + Order.TICKS]!
  const quote = 2 * ticksMax * lots * markets.units[2 * market + MarketUnits.TICK]!
  const fits = (row: number, units: number): boolean =>
    ledger.values[2 * row]! + ledger.values[2 * row + 1]! + units < UNITS_END

  if (!fits(words[at + (sells ? Order.QUOTE_ROW : Order.BASE_ROW)]!, sells ? quote : base)) return false
  if (!fits(markets.get(market, Market.FEE_ROW), quote)) return false
  let wanted = lots
  for (
    let level = book.levels.best[against]!;
    level !== NONE && wanted > 0 && levels[level << LEVEL_SHIFT]! <= (words[at + Order.TICKS]! ^ mask);
    level = levels[(level << LEVEL_SHIFT) + Level.WORSE]!
  ) {
    /** What shows in the queue so far: it trades before anything that is hidden. */
    let shown = 0
    let all = 0
    for (
      let maker = levels[(level << LEVEL_SHIFT) + Level.HEAD]!;
      maker !== NONE && shown < wanted;
      maker = words[(maker << ORDER_SHIFT) + Order.NEXT]!
    ) {
      // These are passed over; they fill nothing.
      if (words[(maker << ORDER_SHIFT) + Order.ACCOUNT] === account || isGone(maker)) continue
      const row = words[(maker << ORDER_SHIFT) + (sells ? Order.BASE_ROW : Order.QUOTE_ROW)]!
      if (!fits(row, sells ? base : quote)) return false
      shown += words[(maker << ORDER_SHIFT) + Order.VISIBLE]!
      all += book.orders.remaining(maker)
    }
    wanted -= all
  }
  return true
}
