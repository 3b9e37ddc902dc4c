/**
 * Whether an order looks marketable, that is, could fill when it reaches the engine: by the book as this thread has
 * been told of it, by what the thread has sent and not been told of since, and by what stands before it in its frame.
 * What other threads have sent, stops that fire and an order id that names another order by then are not seen: an order
 * that does not look marketable may still fill, so it must not be taken for one that fills nothing.
 *
 * Prices that were sent are kept in two rounds: when all frames of the older one have been told of, the younger takes
 * its place. So a price is kept for as long as its frame is on its way, and a while longer, whatever comes meanwhile.
 *
 * Called by fills-under-way.ts and frames.ts.
 */
import { CommandKind, OrderType, PostOnly, Side, TimeInForce } from '../../engine/codes.js'
import { AmendCmd, Attr, COMMAND_WORDS, PlaceCmd, kindOf } from '../../engine/layout.js'
import { TICKS_MAX } from '../../engine/limits.js'

/** Best price of each side of a market, in ticks; a side that is empty has the worst one that a number can be. */
interface BestPrices {
  bid: number
  ask: number
}

/** What was sent within a time, and has not been told of whole. */
export interface SentRound {
  readonly best: Map<number, BestPrices>
  /** Frames that have not come back. */
  frames: number
  /** Last seq of those that have. */
  lastSeq: number
}

const round = (): SentRound => ({ best: new Map(), frames: 0, lastSeq: 0 })

export interface MarketableOptions {
  /** Best price of a side of a market's book, in ticks; undefined where nothing stands. */
  readonly bestTicks: (market: number, side: Side) => number | undefined
  /** Attributes of an account's live order, as in word 0 of its events, by its client order id's words. */
  readonly attributes: (account: number, low: number, high: number) => number | undefined
  /** Last seq that book and orders have been told of. */
  readonly handledSeq: () => number
}

export class Marketable {
  readonly #options: MarketableOptions
  #older = round()
  #younger = round()

  constructor(options: MarketableOptions) {
    this.#options = options
  }

  /** Whether the order or amend of record `index`, in a frame whose commands begin at record `first`, looks so. */
  has(records: Int32Array, first: number, index: number): boolean {
    this.#turn()
    const word = index * COMMAND_WORDS
    const attributes = this.#attributesOf(records, word)
    if (attributes === undefined) return true
    if (((attributes >>> Attr.POST_ONLY_SHIFT) & 3) !== PostOnly.None) return false
    const market = records[word + PlaceCmd.MARKET]!
    const isBuy = ((attributes >>> Attr.SIDE_SHIFT) & 1) === Side.Buy
    // A quote budget needs no price beside it: such an order buys at any.
    const given = records[word + PlaceCmd.TICKS]!
    const ticks = isBuy && given === 0 ? TICKS_MAX : given
    const others = isBuy ? Side.Sell : Side.Buy
    const meets = (other: number | undefined): boolean =>
      other !== undefined && (isBuy ? other <= ticks : other >= ticks)
    if (meets(this.#options.bestTicks(market, others))) return true
    for (const { best } of [this.#older, this.#younger]) {
      const prices = best.get(market)
      if (meets(isBuy ? prices?.ask : prices?.bid)) return true
    }
    for (let at = first * COMMAND_WORDS; at < word; at += COMMAND_WORDS)
      if (records[at + PlaceCmd.MARKET] === market && mayRest(records, at, others))
        if (meets(records[at + PlaceCmd.TICKS])) return true
    return false
  }

  /** What the order at `word` is; undefined where an amend names one that is not known. */
  #attributesOf(records: Int32Array, word: number): number | undefined {
    if (kindOf(records[word]!) === CommandKind.Place) return records[word]!
    return this.#options.attributes(
      records[word + AmendCmd.ACCOUNT]!,
      records[word + AmendCmd.CLOID_LO]!,
      records[word + AmendCmd.CLOID_HI]!,
    )
  }

  /** A frame of `count` commands from record `first` on has been sent; what is returned goes to `back`. */
  sent(records: Int32Array, first: number, count: number): SentRound {
    this.#turn()
    const sent = this.#younger
    sent.frames++
    for (let word = first * COMMAND_WORDS; word < (first + count) * COMMAND_WORDS; word += COMMAND_WORDS) {
      const asBid = mayRest(records, word, Side.Buy)
      const asAsk = mayRest(records, word, Side.Sell)
      if (!asBid && !asAsk) continue
      const market = records[word + PlaceCmd.MARKET]!
      const ticks = records[word + PlaceCmd.TICKS]!
      let prices = sent.best.get(market)
      if (prices === undefined) sent.best.set(market, (prices = { bid: -Infinity, ask: Infinity }))
      if (asBid && ticks > prices.bid) prices.bid = ticks
      if (asAsk && ticks < prices.ask) prices.ask = ticks
    }
    return sent
  }

  /** A frame has come back, whose last command has this seq: the book is told of it then, or later. */
  back(sent: SentRound, lastSeq: number): void {
    sent.frames--
    if (lastSeq > sent.lastSeq) sent.lastSeq = lastSeq
  }

  /** Forgets the older round when the book has been told of all of it. */
  #turn(): void {
    if (this.#older.frames > 0 || this.#older.lastSeq > this.#options.handledSeq()) return
    this.#older = this.#younger
    this.#younger = round()
  }
}

/** Whether the command at `word` may leave an order on this side: which side an amend is of, it does not say. */
function mayRest(records: Int32Array, word: number, side: Side): boolean {
  const head = records[word]!
  const kind = kindOf(head)
  if (kind === CommandKind.Amend) return true
  if (kind !== CommandKind.Place || ((head >>> PlaceCmd.SIDE_SHIFT) & PlaceCmd.SIDE_MASK) !== side)
    return false
  const type = (head >>> PlaceCmd.ORDER_TYPE_SHIFT) & PlaceCmd.ORDER_TYPE_MASK
  // Whatever time in force they are given.
  if (type === OrderType.Market || type === OrderType.Stop || type === OrderType.TakeProfit) return false
  const timeInForce = (head >>> PlaceCmd.TIME_IN_FORCE_SHIFT) & PlaceCmd.TIME_IN_FORCE_MASK
  return timeInForce !== TimeInForce.IOC && timeInForce !== TimeInForce.FOK
}
