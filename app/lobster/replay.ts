/**
 * Replays a LOBSTER day against a venue and measures how well the venue's price-time priority agrees
 * with what the market really did. Knows nothing of sockets: it speaks to a `Venue`, which is the SDK
 * in `npm start -- --replay` and an embedded engine in tests.
 *
 * Resting orders are of three roles, each its own account: `flow` (orders that the file shows being
 * placed), `seed` (orders that stood before the file begins or below its depth, one or more a level)
 * and `taker`. A message about an order that the file never placed speaks of the seed at its price.
 */
import { LOBSTER_COMMANDS_AT_ONCE } from '../limits.js'
import { type LobsterBook, type LobsterMessage, LobsterType } from './files.js'

export type Role = 'flow' | 'seed' | 'taker'
export type BookSide = 'buy' | 'sell'

export interface VenueFill {
  readonly makerRole: Role
  readonly makerCloid: bigint
  readonly lots: number
}

export type VenueOrder =
  | { op: 'place'; cloid: bigint; side: BookSide; ticks: number; lots: number; immediate: boolean }
  /** `lots` is the new total size, the filled part included. */
  | { op: 'amend'; cloid: bigint; ticks: number; lots: number }
  | { op: 'cancel'; cloid: bigint }

export interface Venue {
  /**
   * Sends the commands of one account in order; answers with the fills of each, in order, undefined for
   * an amend or cancel of an order that is not live. Throws when one is refused for another reason.
   */
  submit(role: Role, orders: readonly VenueOrder[]): Promise<(VenueFill[] | undefined)[]>
  /** The venue's own book, best first, `depth` levels a side. */
  book(depth: number): Promise<LobsterBook>
}

export interface LobsterReport {
  readonly messages: number
  readonly limitOrders: number
  readonly reductions: number
  readonly deletions: number
  readonly executions: number
  /** Types 5 to 7: the visible book does not change. */
  readonly skipped: number
  /** Messages about an order that neither the file nor a seed has; nothing was sent for them. */
  readonly unknownOrders: number
  /** Amends and cancels of orders that had ended at the venue, because the books had drifted apart. */
  readonly endedOrders: number
  readonly fills: number
  /** Executions that filled exactly the published maker, whole. */
  readonly makerHits: number
  /** Rows compared with the published book, and how many agreed before correction. */
  readonly rowsCompared: number
  readonly bestBidOfferAgreed: number
  readonly allLevelsAgreed: number
  readonly levels: number
  readonly corrections: number
  readonly seconds: number
  readonly messagesPerSecond: number
}

interface Resting {
  readonly role: Role
  readonly cloid: bigint
  readonly side: BookSide
  readonly ticks: number
  total: number
  filled: number
}

/** Client order ids of seeds and takers start here, far above any id of the files. */
const OWN_CLOIDS = 1n << 48n

const opposite = (side: BookSide): BookSide => (side === 'buy' ? 'sell' : 'buy')
const remaining = (order: Resting): number => order.total - order.filled

export class LobsterReplay {
  readonly #venue: Venue
  readonly #orders = new Map<string, Resting>()
  /** Live orders by side and price, oldest first: what a correction takes from, newest first. */
  readonly #levels = new Map<string, Resting[]>()
  #nextCloid = OWN_CLOIDS
  #pending: { role: Role; orders: VenueOrder[]; publishedMaker: (Resting | undefined)[] } = {
    role: 'flow',
    orders: [],
    publishedMaker: [],
  }
  #counts = { fills: 0, makerHits: 0, corrections: 0, unknownOrders: 0, endedOrders: 0 }

  constructor(venue: Venue) {
    this.#venue = venue
  }

  /**
   * Replays `messages`. With `books` (the book after each message), seeds the venue from the first row
   * and compares, then corrects, after each later one. `onProgress` is called with the messages done.
   */
  async run(
    messages: readonly LobsterMessage[],
    books?: readonly LobsterBook[],
    onProgress: (done: number) => void = () => {},
  ): Promise<LobsterReport> {
    const started = performance.now()
    const byType = new Array<number>(8).fill(0)
    let rowsCompared = 0
    let bestBidOfferAgreed = 0
    let allLevelsAgreed = 0
    let first = 0
    if (books !== undefined && messages.length > 0) {
      await this.#seed(messages[0]!, books[0]!)
      byType[messages[0]!.type]!++
      first = 1
    }
    for (let row = first; row < messages.length; row++) {
      const message = messages[row]!
      byType[message.type]!++
      await this.#apply(message)
      const published = books?.[row]
      if (published !== undefined) {
        await this.#send()
        const own = await this.#venue.book(Math.max(published.bids.length, published.asks.length))
        rowsCompared++
        if (sameLevels(own, published, 1)) bestBidOfferAgreed++
        if (sameLevels(own, published)) allLevelsAgreed++
        else await this.#correct(own, published)
      }
      onProgress(row + 1)
    }
    await this.#send()
    const seconds = (performance.now() - started) / 1000
    return {
      messages: messages.length,
      limitOrders: byType[LobsterType.Limit]!,
      reductions: byType[LobsterType.Reduce]!,
      deletions: byType[LobsterType.Delete]!,
      executions: byType[LobsterType.Execution]!,
      skipped: byType[LobsterType.Hidden]! + byType[LobsterType.Cross]! + byType[LobsterType.Halt]!,
      ...this.#counts,
      rowsCompared,
      bestBidOfferAgreed,
      allLevelsAgreed,
      levels: books?.[0]?.asks.length ?? 0,
      seconds,
      messagesPerSecond: messages.length / seconds,
    }
  }

  /** Seeds the book of the first row, in which the first message's own order keeps its own id. */
  async #seed(message: LobsterMessage, book: LobsterBook): Promise<void> {
    for (const [side, levels] of [
      ['buy', book.bids],
      ['sell', book.asks],
    ] as const) {
      for (const [ticks, lots] of levels) {
        const own =
          message.type === LobsterType.Limit && message.side === side && message.ticks === ticks
            ? message.lots
            : 0
        if (lots > own) await this.#rest('seed', this.#nextCloid++, side, ticks, lots - own)
        if (own > 0) await this.#rest('flow', BigInt(message.orderId), side, ticks, own)
      }
    }
    await this.#send()
  }

  async #apply(message: LobsterMessage): Promise<void> {
    if (message.type === LobsterType.Limit) {
      await this.#rest('flow', BigInt(message.orderId), message.side, message.ticks, message.lots)
      return
    }
    if (message.type > LobsterType.Execution) return
    const order = this.#find(message)
    if (order === undefined) {
      this.#counts.unknownOrders++
      return
    }
    if (message.type === LobsterType.Execution) {
      const cloid = this.#nextCloid++
      await this.#queue(
        'taker',
        {
          op: 'place',
          cloid,
          side: opposite(message.side),
          ticks: message.ticks,
          lots: message.lots,
          immediate: true,
        },
        order,
      )
      // The next message may speak of the same maker, so what this one filled must be known first.
      await this.#send()
    } else if (message.type === LobsterType.Reduce) {
      await this.#reduce(order, message.lots)
    } else {
      await this.#reduce(order, order.role === 'flow' ? remaining(order) : message.lots)
    }
  }

  /** The order that a message speaks of: by id, else the oldest seed at its price. */
  #find(message: LobsterMessage): Resting | undefined {
    const own = this.#orders.get(key('flow', BigInt(message.orderId)))
    if (own !== undefined) return own
    return this.#levels.get(`${message.side}${message.ticks}`)?.find(({ role }) => role === 'seed')
  }

  async #rest(role: Role, cloid: bigint, side: BookSide, ticks: number, lots: number): Promise<void> {
    const order: Resting = { role, cloid, side, ticks, total: lots, filled: 0 }
    this.#orders.set(key(role, cloid), order)
    const level = this.#levels.get(`${side}${ticks}`)
    if (level === undefined) this.#levels.set(`${side}${ticks}`, [order])
    else level.push(order)
    await this.#queue(role, { op: 'place', cloid, side, ticks, lots, immediate: false })
  }

  /** Takes `lots` off an order: amends it down, or cancels it when nothing would be left. */
  async #reduce(order: Resting, lots: number): Promise<void> {
    if (lots < remaining(order)) {
      order.total -= lots
      await this.#queue(order.role, {
        op: 'amend',
        cloid: order.cloid,
        ticks: order.ticks,
        lots: order.total,
      })
    } else {
      this.#forget(order)
      await this.#queue(order.role, { op: 'cancel', cloid: order.cloid })
    }
  }

  #forget(order: Resting): void {
    this.#orders.delete(key(order.role, order.cloid))
    const levelKey = `${order.side}${order.ticks}`
    const level = this.#levels.get(levelKey)!.filter((other) => other !== order)
    if (level.length === 0) this.#levels.delete(levelKey)
    else this.#levels.set(levelKey, level)
  }

  async #queue(role: Role, order: VenueOrder, publishedMaker?: Resting): Promise<void> {
    const pending = this.#pending
    if (
      pending.orders.length > 0 &&
      (pending.role !== role || pending.orders.length === LOBSTER_COMMANDS_AT_ONCE)
    )
      await this.#send()
    this.#pending.role = role
    this.#pending.orders.push(order)
    this.#pending.publishedMaker.push(publishedMaker)
  }

  async #send(): Promise<void> {
    const { role, orders, publishedMaker } = this.#pending
    if (orders.length === 0) return
    this.#pending = { role, orders: [], publishedMaker: [] }
    const fillsOfEach = await this.#venue.submit(role, orders)
    fillsOfEach.forEach((fills, index) => {
      const order = orders[index]!
      if (fills === undefined) {
        const ended = this.#orders.get(key(role, order.cloid))
        if (ended !== undefined) this.#forget(ended)
        this.#counts.endedOrders++
        return
      }
      const published = publishedMaker[index]
      this.#counts.fills += fills.length
      const [only] = fills
      if (
        published !== undefined &&
        order.op === 'place' &&
        fills.length === 1 &&
        only!.makerRole === published.role &&
        only!.makerCloid === published.cloid &&
        only!.lots === order.lots
      ) {
        this.#counts.makerHits++
      }
      for (const fill of fills) {
        this.#filled(key(fill.makerRole, fill.makerCloid), fill.lots)
        if (order.op === 'place') this.#filled(key(role, order.cloid), fill.lots)
      }
    })
  }

  #filled(orderKey: string, lots: number): void {
    const order = this.#orders.get(orderKey)
    if (order === undefined) return
    order.filled += lots
    if (remaining(order) === 0) this.#forget(order)
  }

  /** Makes the venue's book show what the file shows, down to the file's worst level. */
  async #correct(own: LobsterBook, published: LobsterBook): Promise<void> {
    for (const [side, ownLevels, levels] of [
      ['buy', own.bids, published.bids],
      ['sell', own.asks, published.asks],
    ] as const) {
      const wanted = new Map(levels)
      const worst = levels.at(-1)?.[0]
      const within = (ticks: number): boolean =>
        worst !== undefined && (side === 'buy' ? ticks >= worst : ticks <= worst)
      // Surplus first: a level to be added may lie where a stale opposite one still stands.
      for (const [ticks, lots] of ownLevels) {
        let surplus = lots - (wanted.get(ticks) ?? 0)
        if (!within(ticks) || surplus <= 0) continue
        this.#counts.corrections++
        const level = this.#levels.get(`${side}${ticks}`) ?? []
        const seedsFirst = [...level]
          .reverse()
          .sort((a, b) => Number(b.role === 'seed') - Number(a.role === 'seed'))
        for (const order of seedsFirst) {
          if (surplus <= 0) break
          const lotsOff = Math.min(surplus, remaining(order))
          surplus -= lotsOff
          await this.#reduce(order, lotsOff)
        }
      }
    }
    for (const [side, ownLevels, levels] of [
      ['buy', own.bids, published.bids],
      ['sell', own.asks, published.asks],
    ] as const) {
      const standing = new Map(ownLevels)
      for (const [ticks, lots] of levels) {
        const missing = lots - (standing.get(ticks) ?? 0)
        if (missing <= 0) continue
        this.#counts.corrections++
        await this.#rest('seed', this.#nextCloid++, side, ticks, missing)
      }
    }
    await this.#send()
  }
}

const key = (role: Role, cloid: bigint): string => `${role}:${cloid}`

/** Whether the first `depth` levels of both sides agree; without `depth`, as many as are published. */
export function sameLevels(own: LobsterBook, published: LobsterBook, depth?: number): boolean {
  return (['bids', 'asks'] as const).every((side) => {
    const wanted = published[side].slice(0, depth)
    return wanted.every(([ticks, lots], level) => {
      const found = own[side][level]
      return found !== undefined && found[0] === ticks && found[1] === lots
    })
  })
}
