/**
 * What a gateway thread learns from the engine before it serves anybody: owners, sessions, markets and
 * their books.
 *
 * Invariant: an answer is taken over within its callback. Events behind it are handled right after, so
 * nothing that they change is overwritten by what was true before.
 */
import { MarketStatus } from '../engine/codes.js'
import { Ev } from '../engine/layout.js'
import { ACCOUNTS_MAX, SESSIONS_MAX } from '../engine/limits.js'
import { QueryKind } from '../engine/messages.js'
import type { BookLevel, MarketConfig, SessionView } from '../engine/types.js'
import { sessionInfo } from './directory.js'
import type { Answer } from './engine-link.js'
import type { Gateway } from './gateway.js'

/** Owners or sessions asked for at once. */
const PAGE = 1000

/** Loads everything; answers with the seq from which on every event of the books has been seen. */
export async function loadState(gateway: Gateway): Promise<number> {
  for (const [account, owner] of gateway.data.owners) gateway.directory.setOwner(account, owner)
  await loadOwners(gateway)
  await loadSessions(gateway)
  return loadMarkets(gateway)
}

/** Asks the engine; `take` is called in the order of the events. */
function ask<T>(
  gateway: Gateway,
  kind: number,
  subject: number,
  depth: number,
  take: (answer: Answer) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = gateway.link.query(kind, subject, depth, (answer) => {
      if (answer === undefined) reject(new Error('the engine ended before the gateway had started'))
      else resolve(take(answer))
    })
    if (!asked) reject(new Error('the way to the engine is full'))
  })
}

async function loadOwners(gateway: Gateway): Promise<void> {
  let more = true
  for (let first = 0; more && first < ACCOUNTS_MAX; first += PAGE) {
    more = await ask(gateway, QueryKind.OwnerPage, first, PAGE, ({ value }) => {
      const page = value as { owners: [account: number, owner: `0x${string}`][]; more: boolean }
      for (const [account, owner] of page.owners) gateway.directory.setOwner(account, owner)
      return page.more
    })
  }
}

async function loadSessions(gateway: Gateway): Promise<void> {
  for (let first = 0; first < SESSIONS_MAX; first += PAGE) {
    await ask(gateway, QueryKind.SessionPage, first, Math.min(PAGE, SESSIONS_MAX - first), ({ value }) => {
      for (const session of value as SessionView[]) {
        const known = sessionInfo(session.keyX, session.parity, session)
        if (known !== undefined) gateway.directory.setSession(known)
      }
    })
  }
}

/** Every market's whole book; then every market as it is, so that no change on the way is missed. */
async function loadMarkets(gateway: Gateway): Promise<number> {
  const configs = await ask(gateway, QueryKind.Markets, 0, 0, ({ value }) => value as MarketConfig[])
  const seqs = await Promise.all(
    configs.map((config) =>
      ask(gateway, QueryKind.WholeBook, config.id, 0, ({ value, seq }) => {
        const levels = value as { bids: BookLevel[]; asks: BookLevel[]; lastTicks: number }
        gateway.addMarket(config, seq).load(levels, seq)
        return seq
      }),
    ),
  )
  return ask(gateway, QueryKind.Markets, 0, 0, ({ value, seq }) => {
    for (const config of value as MarketConfig[]) gateway.markets.get(config.id)?.setConfig(config)
    return seqs[0] ?? seq
  })
}

/** The market that a MarketCreated event at `word` tells of. */
export function createdMarket(words: Int32Array, floats: Float64Array, word: number): MarketConfig {
  return {
    id: words[word + Ev.MARKET]!,
    base: words[word + Ev.TICKS]!,
    quote: words[word + Ev.LOTS]!,
    lotUnits: floats[(word >> 1) + Ev.AMOUNT_A_F64]!,
    tickUnits: floats[(word >> 1) + Ev.AMOUNT_B_F64]!,
    makerFeePpm: words[word + Ev.COUNTER_ACCOUNT]!,
    takerFeePpm: words[word + Ev.REMAINING]!,
    bandPpm: words[word + Ev.CODE]!,
    status: MarketStatus.Active,
  }
}
