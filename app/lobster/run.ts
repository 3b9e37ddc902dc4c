/**
 * Feeds a LOBSTER day through SDK, WebSocket and engine: one account, session and connection for each
 * of the replay's roles. Called by `glassbook start --replay`.
 */
import type { HDAccount } from 'viem'
import { type Client, createClient } from '../../sdk/index.js'
import type { WireCommand } from '../../sdk/wire/commands.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { type LobsterBook, readLobster } from './files.js'
import {
  LobsterReplay,
  type LobsterReport,
  type Role,
  type Venue,
  type VenueFill,
  type VenueOrder,
} from './replay.js'

const MARKET = 0
const ROLES: readonly Role[] = ['flow', 'seed', 'taker']

export interface LobsterOptions {
  readonly url: string
  readonly files: { readonly messages: string; readonly orderbook?: string }
  /** The first three trade. */
  readonly traders: readonly HDAccount[]
  readonly onProgress: (done: number, total: number) => void
}

/** Entry of the private fills stream; positions are the protocol's. */
const FILL = { SEQ: 0, LOTS: 5, MAKER: 7, CLOID: 9 } as const

/**
 * Gathers fills from the makers' private streams: the answer to a taker says how much was filled, the
 * makers' streams say whose order it was.
 */
class MakerFills {
  readonly #bySeq = new Map<number, VenueFill[]>()
  readonly #waiting = new Map<number, { lots: number; resolve: (fills: VenueFill[]) => void }>()

  async follow(role: Role, client: Client): Promise<void> {
    await client.subscribeFills(({ kind, data }) => {
      if (kind !== 'event') return
      for (const entry of data as WireValue[][]) {
        if (entry[FILL.MAKER] !== 1) continue
        const seq = Number(entry[FILL.SEQ])
        const fills = this.#bySeq.get(seq) ?? []
        fills.push({
          makerRole: role,
          makerCloid: BigInt(entry[FILL.CLOID] as bigint),
          lots: Number(entry[FILL.LOTS]),
        })
        this.#bySeq.set(seq, fills)
        this.#settle(seq)
      }
    })
  }

  /** The fills of the command with `seq`, once they add up to `lots`. */
  of(seq: number, lots: number): Promise<VenueFill[]> {
    return new Promise((resolve) => {
      this.#waiting.set(seq, { lots, resolve })
      this.#settle(seq)
    })
  }

  #settle(seq: number): void {
    const waiting = this.#waiting.get(seq)
    const fills = this.#bySeq.get(seq)
    if (waiting === undefined || fills === undefined) return
    if (fills.reduce((sum, { lots }) => sum + lots, 0) < waiting.lots) return
    this.#waiting.delete(seq)
    this.#bySeq.delete(seq)
    waiting.resolve(fills)
  }
}

/** The exchange as the replay's venue. */
class SdkVenue implements Venue {
  readonly #clients: Record<Role, Client>
  readonly #fills: MakerFills

  constructor(clients: Record<Role, Client>, fills: MakerFills) {
    this.#clients = clients
    this.#fills = fills
  }

  async submit(role: Role, orders: readonly VenueOrder[]): Promise<(VenueFill[] | undefined)[]> {
    const client = this.#clients[role]
    const results = await client.batch(orders.map((order) => commandOf(client, order)))
    return Promise.all(
      results.map(({ error, filledLots, orderId }, index) => {
        if (error?.codeName === 'UnknownOrder') return undefined
        if (error !== undefined) throw error
        // An order id is the seq of its placement, which is the seq of the fills that it takes.
        return orders[index]!.op === 'place' && filledLots > 0 ? this.#fills.of(orderId, filledLots) : []
      }),
    )
  }

  async book(depth: number): Promise<LobsterBook> {
    const { bids, asks } = await this.#clients.flow.depth(MARKET, depth)
    const levels = (rows: number[][]): [number, number][] => rows.map(([ticks, lots]) => [ticks!, lots!])
    return { bids: levels(bids), asks: levels(asks) }
  }
}

function commandOf(client: Client, order: VenueOrder): WireCommand {
  switch (order.op) {
    case 'place':
      return client.place({
        market: MARKET,
        side: order.side,
        cloid: order.cloid,
        ticks: order.ticks,
        lots: order.lots,
        timeInForce: order.immediate ? 'IOC' : 'GTC',
      })
    case 'amend':
      return client.amend({ market: MARKET, cloid: order.cloid, ticks: order.ticks, lots: order.lots })
    case 'cancel':
      return client.cancel({ market: MARKET, cloid: order.cloid })
  }
}

/**
 * Replays the files and reports.
 * @throws Error when the market's book is not empty: the comparison would mean nothing.
 */
export async function runLobster({
  url,
  files,
  traders,
  onProgress,
}: LobsterOptions): Promise<LobsterReport> {
  const { messages, books } = readLobster(files.messages, files.orderbook)
  const clients = {} as Record<Role, Client>
  const fills = new MakerFills()
  for (const [index, role] of ROLES.entries()) {
    const client = await createClient({ url, wallet: traders[index]! }).connect()
    clients[role] = client
    await client.createSession()
    await fills.follow(role, client)
  }
  try {
    const before = await clients.flow.depth(MARKET, 1)
    if (before.bids.length + before.asks.length > 0)
      throw new Error('the book is not empty: replay into a folder of its own (--data DIR)')
    return await new LobsterReplay(new SdkVenue(clients, fills)).run(messages, books, (done) =>
      onProgress(done, messages.length),
    )
  } finally {
    for (const role of ROLES) clients[role].close()
  }
}
