/**
 * A two-sided market maker: one bid and one ask around the middle of what others quote, moved together in
 * one signed frame, leaning against the inventory, pulled when it stops. Run by market-maker-cli.ts.
 */
import { OutcomeUnknownError, TransportError } from '../index.js'
import type { Client, OrderTracker, WireCommand } from '../index.js'

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
type Level = { readonly ticks: number; readonly lots: number }

/** Best price of a side without the own order. */
function othersBest(levels: readonly Level[], orders: OrderTracker, cloid: bigint): number | undefined {
  const mine = orders.byCloid(cloid)
  return levels.find(({ ticks, lots }) => ticks !== mine?.ticks || lots > mine.remaining)?.ticks
}

/** Quotes until `stop` is aborted; returns the inventory in lots that it is left with. */
export async function makeMarket(client: Client, options: QuoteOptions, stop: AbortSignal): Promise<number> {
  const { market, halfSpreadTicks, lots, lotsPerTick, firstMidTicks } = options
  const book = await client.trackBook(market)
  const orders = await client.trackOrders()
  const fills = await client.trackFills()
  const stopped = new Promise<void>((done) => stop.addEventListener('abort', () => done()))
  const own = { buy: 0n, sell: 0n }
  let inventory = 0
  fills.onFill((fill) => (inventory += fill.side === 'buy' ? fill.lots : -fill.lots))

  /** Commands that bring one side to where it should be. */
  const quote = (side: 'buy' | 'sell', ticks: number): WireCommand[] => {
    const live = orders.byCloid(own[side])
    if (live?.ticks === ticks && live.remaining === lots) return []
    const pull = live === undefined ? [] : [client.cancel({ market, cloid: live.cloid })]
    own[side] = client.nextCloid()
    return [...pull, client.place({ market, side, ticks, lots, cloid: own[side], postOnly: 'slide' })]
  }

  while (!stop.aborted) {
    if (book.ready && orders.ready && client.unknownFrames === 0) {
      const bid = othersBest(book.bids(5), orders, own.buy)
      const ask = othersBest(book.asks(5), orders, own.sell)
      const middle = bid === undefined || ask === undefined ? firstMidTicks : Math.round((bid + ask) / 2)
      const mid = middle - Math.round(inventory / lotsPerTick)
      const commands = [...quote('buy', mid - halfSpreadTicks), ...quote('sell', mid + halfSpreadTicks)]
      try {
        if (commands.length > 0) await client.batch(commands)
      } catch (error) {
        // Not again before it is known what became of these: an order is never placed twice.
        if (error instanceof OutcomeUnknownError) await Promise.race([error.outcome, stopped])
        // The connection ended before they left: nothing was placed, and the client comes back by itself.
        else if (!(error instanceof TransportError)) throw error
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  while (client.state === 'open' && !(await pull(client, market)));
  return inventory
}

/** Takes every quote out; false = the connection ended meanwhile, and nobody knows yet. */
const pull = (client: Client, market: number | string): Promise<boolean> =>
  client.cancelAll({ market }).then(
    () => true,
    async (error: unknown) => {
      if (!(error instanceof OutcomeUnknownError || error instanceof TransportError)) throw error
      if (error instanceof OutcomeUnknownError) await error.outcome
      return false
    },
  )
