/**
 * A two-sided market maker: one bid and one ask around the middle of what others quote, moved together in one signed
 * frame, leaning against the inventory, pulled when it stops. It quotes on what it knows only, and a dead-man switch
 * pulls its quotes when it no longer does. Its account trades in no other way in that
 * market. Run by market-maker.ts.
 */
import { OutcomeUnknownError, TransportError } from 'glassbook'
import type { BookSideLevel, Client, TrackedOrder, WireCommand } from 'glassbook'

/** The engine cancels all orders so long after the switch was last moved. */
const SWITCH_MS = 5000
const MOVE_EVERY_MS = 1000
const TURN_MS = 20

export interface QuoteOptions {
  readonly market: number | string
  /** Ticks between the middle and each quote. */
  readonly halfSpreadTicks: number
  readonly lots: number
  /** Quotes move by one tick for each so many lots of inventory. */
  readonly lotsPerTick: number
  /** Middle to begin with while nobody else quotes. */
  readonly firstMidTicks: number
}

/** Quotes until `stop` is aborted; returns by how many lots its inventory has grown. */
export async function makeMarket(client: Client, options: QuoteOptions, stop: AbortSignal): Promise<number> {
  const { market, halfSpreadTicks, lots, lotsPerTick, firstMidTicks } = options
  const { id } = client.markets.market(market)
  const book = await client.trackBook(market)
  const orders = await client.trackOrders()
  const fills = await client.trackFills()
  const stopped = new Promise<void>((done) => stop.addEventListener('abort', () => done()))
  let inventory = 0
  let movedAtMs = -Infinity
  fills.onFill((fill) => (inventory += fill.side === 'buy' ? fill.lots : -fill.lots))

  const ownOf = (side: 'buy' | 'sell'): TrackedOrder[] =>
    [...orders.live.values()].filter((order) => order.market === id && order.side === side)
  /** Commands that bring one side to where it should be. */
  const quote = (side: 'buy' | 'sell', ticks: number): WireCommand[] => {
    const own = ownOf(side)
    if (own.length === 1 && own[0]!.ticks === ticks && own[0]!.remaining === lots) return []
    const pulled = own.map(({ cloid }) => client.cancel({ market, cloid }))
    return [...pulled, client.place({ market, side, ticks, lots, postOnly: 'slide' })]
  }
  const quotes = (): WireCommand[] => {
    const [bid, ask] = [othersBest(book.bids(5), ownOf('buy')), othersBest(book.asks(5), ownOf('sell'))]
    const middle = bid === undefined || ask === undefined ? firstMidTicks : Math.round((bid + ask) / 2)
    const mid = middle - Math.round(inventory / lotsPerTick)
    return [...quote('buy', mid - halfSpreadTicks), ...quote('sell', mid + halfSpreadTicks)]
  }

  for (; !stop.aborted; await new Promise((resolve) => setTimeout(resolve, TURN_MS))) {
    // On what is not known to be so nothing is done; the switch runs out meanwhile.
    if (!book.ready || !orders.ready || client.unknownFrames > 0) continue
    try {
      if (performance.now() - movedAtMs > MOVE_EVERY_MS) {
        await client.cancelAfter(SWITCH_MS)
        movedAtMs = performance.now()
        continue
      }
      const commands = quotes()
      if (commands.length > 0) await client.batch(commands)
    } catch (error) {
      // Not again before it is known what became of these: an order is never placed twice.
      if (error instanceof OutcomeUnknownError) await Promise.race([error.outcome, stopped])
      // The connection ended before they left: nothing was placed, and the client comes back by itself.
      else if (!(error instanceof TransportError)) throw error
    }
  }
  // What this does not reach, on a line that is just broken, the switch does.
  await client.cancelAll({ market }).catch(() => {})
  return inventory
}

/** Best price of a side without the own orders. */
const othersBest = (levels: readonly BookSideLevel[], own: readonly TrackedOrder[]): number | undefined =>
  levels.find(
    ({ ticks, lots }) =>
      lots > own.reduce((sum, each) => sum + (each.ticks === ticks ? each.remaining : 0), 0),
  )?.ticks
