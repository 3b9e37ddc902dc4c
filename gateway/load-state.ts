/**
 * What a gateway thread learns from the engine before it serves anybody: accounts, sessions, markets and
 * live orders, in pieces of which each is bounded work for the engine.
 *
 * Invariant: an answer is taken over within its callback. Events behind it are handled right after, so
 * nothing that they change is overwritten by what was true before.
 */
import { MarketStatus } from '../engine/codes.js'
import { MarketCreatedEv } from '../engine/layout.js'
import { QueryKind } from '../engine/messages.js'
import type { AccountPage, MarketConfig, MarketPage, OrderPage, SessionPage } from '../engine/types.js'
import { type Directory, SessionInfo } from './sessions/directory.js'
import type { SessionList } from './sessions/session-list.js'
import type { UsedNonces } from './frames/used-nonces.js'
import type { Answer, EngineLink } from './link/engine-link.js'
import type { MarketData } from './streams/market-data.js'
import type { AssetTerms } from './views/asset-terms.js'
import type { BalanceTable } from './views/balance-view.js'
import type { LiveOrders } from './views/live-orders.js'

/** What the engine's state goes into. */
export interface LoadedParts {
  readonly data: { readonly owners: readonly (readonly [account: number, owner: `0x${string}`])[] }
  readonly link: EngineLink
  readonly directory: Directory
  readonly sessions: SessionList
  readonly usedNonces: UsedNonces
  readonly balances: BalanceTable
  readonly orders: LiveOrders
  readonly markets: ReadonlyMap<number, MarketData>
  readonly assetTerms: AssetTerms
  loadExchange(cancelOnlyReasons: number): void
  addMarket(config: MarketConfig, seq: number): MarketData
}

/** Loads everything; answers with the seq from which on every event of the books has been seen. */
export async function loadState(gateway: LoadedParts): Promise<number> {
  for (const [account, owner] of gateway.data.owners) gateway.directory.setOwner(account, owner)
  await loadPages<AccountPage>(gateway.link, QueryKind.AccountPage, ({ rows }) => {
    for (const row of rows) {
      if (row[1] !== '') gateway.directory.setOwner(row[0], row[1] as `0x${string}`)
      gateway.directory.loadNonces(row[0], row[4], row[5])
      gateway.balances.load(row)
    }
  })
  await loadPages<SessionPage>(gateway.link, QueryKind.SessionPage, ({ rows }) => {
    for (const session of rows) {
      gateway.sessions.load(session)
      gateway.usedNonces.load(session, session.highestNonce)
      if (session.active) gateway.directory.setSession(new SessionInfo(session.keyX, session.parity, session))
    }
  })
  let from = 0
  await loadPages<MarketPage>(
    gateway.link,
    QueryKind.MarketPage,
    ({ rows, assets, cancelOnlyReasons }, seq) => {
      if (from === 0) from = seq
      gateway.assetTerms.load(assets)
      gateway.loadExchange(cancelOnlyReasons)
      for (const row of rows) {
        gateway.addMarket(row.config, seq).loadLastTicks(row.lastTicks)
        gateway.balances.loadFees(row)
      }
    },
  )
  await loadPages<OrderPage>(gateway.link, QueryKind.OrderPage, ({ rows, next }, seq) => {
    for (const row of rows) gateway.orders.load(row)
    if (next >= 0) return
    // From here on every live order is known, and with them every level.
    gateway.orders.loaded()
    for (const market of gateway.markets.values()) market.loadBook(seq)
  })
  return from
}

/** Asks the engine; `take` is called in the order of the events. */
function ask<T>(link: EngineLink, kind: number, subject: number, take: (answer: Answer) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = link.query(kind, subject, (answer) => {
      if (answer === undefined) reject(new Error('the engine ended before the gateway had started'))
      else resolve(take(answer))
    })
    if (!asked) reject(new Error('the way to the engine is full'))
  })
}

/** Loads all pages of one kind, one after the other: the engine does other things between them. */
async function loadPages<P extends { readonly next: number }>(
  link: EngineLink,
  kind: number,
  take: (page: P, seq: number) => void,
): Promise<void> {
  for (let first = 0; first >= 0;) {
    first = await ask(link, kind, first, ({ value, seq }) => {
      const page = value as P
      take(page, seq)
      return page.next
    })
  }
}

/** The market that a MarketCreated event at `word` tells of. */
export function createdMarket(words: Int32Array, floats: Float64Array, word: number): MarketConfig {
  return {
    id: words[word + MarketCreatedEv.MARKET]!,
    base: words[word + MarketCreatedEv.BASE]!,
    quote: words[word + MarketCreatedEv.QUOTE]!,
    lotUnits: floats[(word >> 1) + MarketCreatedEv.LOT_UNITS_F64]!,
    tickUnits: floats[(word >> 1) + MarketCreatedEv.TICK_UNITS_F64]!,
    makerFeePpm: words[word + MarketCreatedEv.MAKER_FEE_PPM]!,
    takerFeePpm: words[word + MarketCreatedEv.TAKER_FEE_PPM]!,
    bandPpm: words[word + MarketCreatedEv.BAND_PPM]!,
    status: MarketStatus.Active,
  }
}
