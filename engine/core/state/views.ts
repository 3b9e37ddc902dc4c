/**
 * What the engine answers when asked: balances, books, orders, sessions. Reads only; allocates freely.
 * Called by engine.ts.
 */
import type { Side } from '../../codes.js'
import { Attr } from '../../layout.js'
import { ASSETS_MAX, LOAD_ROWS_MAX, TIERS_MAX } from '../../limits.js'
import type {
  AccountFees,
  Balance,
  BookLevel,
  OrderView,
  SessionPage,
  SessionView,
  WalletNonces,
} from '../../types.js'
import { ACCOUNT_NUMBERS, AccountNumber, OWNER_WORDS } from '../money/ledger.js'
import { BOOK_KINDS, BookKind, LEVEL_SHIFT, Level, NONE, keyMask } from '../book/levels.js'
import { Fee } from '../book/markets.js'
import { restingBook } from '../book/order-types.js'
import {
  EXTRA_SHIFT,
  Extra,
  ExtraNumber,
  MARKET_MASK,
  Mark,
  ORDER_SHIFT,
  Order,
  OrderNumber,
} from '../book/orders.js'
import {
  KEY_WORDS,
  PARITY_BIT,
  SESSION_SHIFT,
  Session,
  SessionNumber,
  SessionState,
  type SessionTable,
} from '../sessions/session-table.js'
import type { State } from './state.js'
import { isStop } from '../book/order-types.js'

export function fees({ ledger, markets, trading }: State, account: number): AccountFees[] {
  if (!ledger.isOpen(account)) return []
  const tier = trading.reserves.tier(account)
  return markets.configs().map(({ id }) => {
    const at = 2 * (id * TIERS_MAX + tier)
    const { MAKER, TAKER } = Fee
    return { market: id, makerFeePpm: markets.fees[at + MAKER]!, takerFeePpm: markets.fees[at + TAKER]! }
  })
}

export function balances({ ledger }: State, account: number): Balance[] {
  const found: Balance[] = []
  if (!ledger.isOpen(account)) return found
  for (let asset = 0; asset < ASSETS_MAX; asset++) {
    const row = ledger.find(account, asset)
    if (row < 0) continue
    const available = ledger.values[2 * row]!
    const reserved = ledger.values[2 * row + 1]!
    if (available !== 0 || reserved !== 0) found.push({ asset, available, reserved })
  }
  return found
}

export function book({ trading, markets }: State, market: number, side: Side, depth: number): BookLevel[] {
  const found: BookLevel[] = []
  if (!markets.has(market)) return found
  const { levels } = trading.book
  const index = restingBook(market, side)
  const mask = keyMask(index)
  for (
    let level = levels.best[index]!;
    level !== NONE && found.length < depth;
    level = levels.words[(level << LEVEL_SHIFT) + Level.WORSE]!
  )
    found.push({
      ticks: levels.words[level << LEVEL_SHIFT]! ^ mask,
      lots: levels.lots[level]!,
      orders: levels.words[(level << LEVEL_SHIFT) + Level.ORDERS]!,
    })
  return found
}

export function level(
  { trading, markets }: State,
  market: number,
  side: Side,
  ticks: number,
  out: Float64Array,
): void {
  const { levels } = trading.book
  const index = restingBook(market, side)
  const found = markets.has(market) && ticks > 0 ? levels.find(index, ticks ^ keyMask(index)) : NONE
  out[0] = found === NONE ? 0 : levels.lots[found]!
  out[1] = found === NONE ? 0 : levels.words[(found << LEVEL_SHIFT) + Level.ORDERS]!
}

export function orders(state: State, account: number): OrderView[] {
  const found: OrderView[] = []
  if (!state.ledger.isOpen(account)) return found
  const { accountOrders } = state.trading
  for (let entry = accountOrders.firstEntry(account); entry !== NONE; entry = accountOrders.nextEntry(entry))
    for (let side = 0; side < 2; side++)
      for (let slot = accountOrders.first(entry, side); slot !== NONE; slot = accountOrders.next(slot))
        found.push(orderView(state, slot))
  return found.sort((a, b) => a.orderId - b.orderId)
}

export function orderByCloid(state: State, account: number, cloid: bigint): OrderView | undefined {
  if (!state.ledger.isOpen(account)) return undefined
  const slot = state.trading.ids.find(account, Number(cloid & 0xffffffffn) | 0, Number(cloid >> 32n) | 0)
  return slot < 0 ? undefined : orderView(state, slot)
}

export function restingOrders(state: State, market: number): OrderView[] {
  const found: OrderView[] = []
  if (!state.markets.has(market)) return found
  const { words } = state.trading.orders
  const levels = state.trading.book.levels
  for (const kind of [BookKind.Bids, BookKind.Asks])
    for (
      let at = levels.best[market * BOOK_KINDS + kind]!;
      at !== NONE;
      at = levels.words[(at << LEVEL_SHIFT) + Level.WORSE]!
    )
      for (
        let slot = levels.words[(at << LEVEL_SHIFT) + Level.HEAD]!;
        slot !== NONE;
        slot = words[(slot << ORDER_SHIFT) + Order.NEXT]!
      )
        found.push(orderView(state, slot))
  return found
}

function orderView({ trading }: State, slot: number): OrderView {
  const { words, numbers, extras, extraNumbers } = trading.orders
  const at = slot << ORDER_SHIFT
  const extra = slot << EXTRA_SHIFT
  const attributes = words[at + Order.ATTR]!
  const type = (attributes >>> Attr.ORDER_TYPE_SHIFT) & 7
  return {
    orderId: numbers[2 * slot + OrderNumber.ID]!,
    account: words[at + Order.ACCOUNT]!,
    market: words[at + Order.MARKET_CARRY]! & MARKET_MASK,
    cloid: (BigInt(words[at + Order.CLOID_HI]! >>> 0) << 32n) | BigInt(words[at + Order.CLOID_LO]! >>> 0),
    side: ((attributes >>> Attr.SIDE_SHIFT) & 1) as Side,
    ticks: words[at + Order.TICKS]!,
    lots: words[at + Order.LOTS]!,
    remaining: trading.orders.remaining(slot),
    orderType: type,
    timeInForce: (attributes >>> Attr.TIME_IN_FORCE_SHIFT) & 7,
    triggerTicks: isStop(type) ? extras[extra + Extra.TRIGGER]! : 0,
    displayLots: (attributes & Mark.Iceberg) === 0 ? 0 : extras[extra + Extra.DISPLAY]!,
    expiresAtMs: (attributes & Mark.Expires) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!,
    visible: words[at + Order.VISIBLE]!,
    waiting: (attributes & Mark.Waiting) !== 0,
    postOnly: (attributes >>> Attr.POST_ONLY_SHIFT) & 3,
    stp: (attributes >>> Attr.STP_SHIFT) & 7,
    reserved: numbers[2 * slot]!,
  }
}

export function owner({ ledger }: State, account: number): number[] | undefined {
  if (!ledger.isOpen(account)) return undefined
  const at = account * OWNER_WORDS
  return Array.from(ledger.owners.subarray(at, at + OWNER_WORDS))
}

export function sessions({ sessions, clock }: State, account: number): SessionView[] {
  const found: SessionView[] = []
  const { table } = sessions
  for (let slot = table.first(account); slot >= 0; slot = table.next(slot))
    found.push(sessionView(table, slot, clock[1]!))
  return found.reverse()
}

export function session(
  { sessions, clock }: State,
  account: number,
  approval: number,
): SessionView | undefined {
  const slot = sessions.table.find(account, approval)
  return slot < 0 ? undefined : sessionView(sessions.table, slot, clock[1]!)
}

export function sessionPage({ sessions, clock }: State, first: number): SessionPage {
  const { table } = sessions
  const from = Math.max(0, first)
  const end = Math.min(table.end, from + LOAD_ROWS_MAX)
  const rows: SessionView[] = []
  for (let slot = from; slot < end; slot++) rows.push(sessionView(table, slot, clock[1]!))
  return { rows, next: end < table.end ? end : -1 }
}

export function nonces({ ledger }: State, account: number): WalletNonces {
  if (!ledger.isOpen(account)) return { approval: 0, withdrawal: 0 }
  const at = account * ACCOUNT_NUMBERS
  return {
    approval: ledger.accountNumbers[at + AccountNumber.APPROVAL_NONCE]!,
    withdrawal: ledger.accountNumbers[at + AccountNumber.WITHDRAWAL_NONCE]!,
  }
}

function sessionView(table: SessionTable, slot: number, timeMs: number): SessionView {
  const at = slot << SESSION_SHIFT
  const attributes = table.words[at + Session.ATTR]!
  const expiresAtMs = table.number(slot, SessionNumber.ENDS_AT)
  return {
    account: table.words[at + Session.ACCOUNT]!,
    approval: table.number(slot, SessionNumber.APPROVAL),
    scopes: attributes & 15,
    keyX: Array.from(table.words.subarray(at + Session.X, at + Session.X + KEY_WORDS)),
    parity: attributes >> PARITY_BIT,
    maxNotional: table.number(slot, SessionNumber.MAX_NOTIONAL),
    expiresAtMs,
    revoked: table.words[at] === SessionState.Revoked,
    highestNonce: table.number(slot, SessionNumber.HIGHEST) - 1,
    active: expiresAtMs > timeMs,
  }
}
