/**
 * The state in bounded pieces, for gateways that start: live orders by slot, accounts by id, markets by id.
 * Each piece ends with the cursor of the next one; between two pieces commands are applied, whose events
 * tell what has changed meanwhile. Reads only. Called by engine.ts.
 */
import { LOAD_MARKETS_MAX, LOAD_PLACES_MAX, LOAD_ROWS_MAX, TIERS_MAX } from '../../limits.js'
import type { AccountPage, AccountRow, MarketPage, OrderPage, OrderRow, TierFees } from '../../types.js'
import { Fee, Market } from '../book/markets.js'
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
import { isStop } from '../book/order-types.js'
import type { State } from './state.js'
import { Attr } from '../../layout.js'
import { balances, nonces, owner } from './views.js'

/** Bits of an order's word that an event's head has too: side, type, time in force, post-only, prevention. */
const HEAD_BITS = 0xfff00

/** Live orders of the slots from `first` on. */
export function orderPage(state: State, first: number): OrderPage {
  const { orders, ids } = state.trading
  const { words } = orders
  const rows: OrderRow[] = []
  const end = Math.min(orders.end, first + LOAD_PLACES_MAX)
  let slot = Math.max(0, first)
  for (; slot < end && rows.length < LOAD_ROWS_MAX; slot++) {
    const at = slot << ORDER_SHIFT
    // A slot that was given back still names its last order, which the table of ids has forgotten.
    const found = ids.find(
      words[at + Order.ACCOUNT]!,
      words[at + Order.CLOID_LO]!,
      words[at + Order.CLOID_HI]!,
    )
    if (found === slot) rows.push(orderRow(state, slot))
  }
  return { rows, next: slot < orders.end ? slot : -1 }
}

function orderRow({ trading }: State, slot: number): OrderRow {
  const { words, numbers, extras, extraNumbers } = trading.orders
  const at = slot << ORDER_SHIFT
  const extra = slot << EXTRA_SHIFT
  const attributes = words[at + Order.ATTR]!
  const stop = isStop((attributes >>> Attr.ORDER_TYPE_SHIFT) & 7)
  return [
    numbers[2 * slot + OrderNumber.ID]!,
    words[at + Order.ACCOUNT]!,
    words[at + Order.MARKET_CARRY]! & MARKET_MASK,
    words[at + Order.CLOID_LO]!,
    words[at + Order.CLOID_HI]!,
    attributes & HEAD_BITS,
    words[at + Order.TICKS]!,
    words[at + Order.LOTS]!,
    trading.orders.remaining(slot),
    stop ? extras[extra + Extra.TRIGGER]! : 0,
    (attributes & Mark.Iceberg) === 0 ? 0 : extras[extra + Extra.DISPLAY]!,
    (attributes & Mark.Expires) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!,
    words[at + Order.VISIBLE]!,
    (attributes & Mark.Waiting) === 0 ? 0 : 1,
  ]
}

/** Accounts from id `first` on; ids are dense, so the first that is missing ends the list. */
export function accountPage(state: State, first: number): AccountPage {
  const rows: AccountRow[] = []
  let told = 0
  let account = Math.max(0, first)
  for (; told < LOAD_ROWS_MAX; account++) {
    const words = owner(state, account)
    // Account 0 collects fees and need not have been opened.
    if (words === undefined && account > 0) return { rows, next: -1 }
    if (words === undefined) continue
    const held = balances(state, account)
    const { approval, withdrawal } = nonces(state, account)
    rows.push([
      account,
      words.every((part) => part === 0)
        ? ''
        : `0x${words.map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('')}`,
      state.trading.reserves.tier(account),
      held.map(({ asset, available, reserved }) => [asset, available, reserved]),
      approval,
      withdrawal,
    ])
    told += 1 + held.length
  }
  return { rows, next: account }
}

/** Markets from id `first` on, each with its last price and the fees of tiers that have their own. */
export function marketPage({ markets }: State, first: number): MarketPage {
  const rows = markets
    .configs()
    .filter(({ id }) => id >= first)
    .slice(0, LOAD_MARKETS_MAX)
    .map((config) => {
      const tiers: TierFees[] = []
      for (let tier = 1; tier < TIERS_MAX; tier++) {
        const at = config.id * TIERS_MAX + tier
        if (markets.tierSet[at] === 1)
          tiers.push([tier, markets.fees[2 * at + Fee.MAKER]!, markets.fees[2 * at + Fee.TAKER]!])
      }
      return { config, lastTicks: markets.get(config.id, Market.LAST_TICKS), tiers }
    })
  const next = rows.length < LOAD_MARKETS_MAX ? -1 : rows.at(-1)!.config.id + 1
  return { rows, assets: markets.assetConfigs(), cancelOnlyReasons: markets.cancelOnlyReasons, next }
}
