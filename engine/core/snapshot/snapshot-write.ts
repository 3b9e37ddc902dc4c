/** Writes the body of a snapshot (snapshot-format.ts): every part of the state, in canonical order. */
import { ASSETS_MAX, ASSET_BITS, FRAME_NONCE_WINDOW, TIERS_MAX } from '../../limits.js'
import {
  ACCOUNT_SHIFT,
  ACCOUNT_NUMBERS,
  AccountNumber,
  OWNER_WORDS,
  TIER_MASK,
  TIER_SHIFT,
} from '../money/ledger.js'
import { BOOK_KINDS, LEVEL_SHIFT, Level, NONE } from '../book/levels.js'
import { Fee, Market, MarketUnits, SYMBOL_BYTES } from '../book/markets.js'
import {
  CARRY_SHIFT,
  EXTRA_SHIFT,
  Extra,
  ExtraNumber,
  Mark,
  ORDER_SHIFT,
  Order,
  OrderNumber,
} from '../book/orders.js'
import { ByteWriter } from '../base/byte-stream.js'
import { KEY_WORDS, SESSION_SHIFT, Session, SessionNumber } from '../sessions/session-table.js'
import type { Sessions } from '../sessions/sessions.js'
import {
  DIGEST_BYTES,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_MAGIC,
  SNAPSHOT_VERSION,
  Section,
  WORDS,
  needsExtra,
  symbolWord,
} from './snapshot-format.js'
import { Counter, type State } from '../state/state.js'
import { isStop } from '../book/order-types.js'
import { Clock } from '../base/clock-places.js'

/** The unsealed snapshot: complete but for its checksum. */
export function captureState(state: State): Uint8Array {
  const writer = new ByteWriter(estimateBytes(state))
  writer.int(SNAPSHOT_MAGIC)
  writer.int(SNAPSHOT_VERSION)
  writer.float(0)
  writeHead(writer, state)
  writeMarkets(writer, state)
  writeAccounts(writer, state)
  writeBalances(writer, state)
  writeSessions(writer, state)
  writeProtections(writer, state)
  for (let book = 0; book < state.markets.end * BOOK_KINDS; book++) writeBook(writer, state, book)
  writeMassCancels(writer, state)
  writeWithdrawTerms(writer, state)
  writer.section(Section.End, 0)
  writer.floatAt(1, writer.length - SNAPSHOT_HEADER_BYTES)
  return writer.finish(DIGEST_BYTES)
}

function estimateBytes({ trading, ledger, sessions }: State): number {
  return (
    65_536 +
    trading.orders.count * 4 * (WORDS.Order + WORDS.OrderExtra) +
    ledger.accountsEnd * 4 * WORDS.Account +
    ledger.rows * 4 * WORDS.Balance +
    sessions.table.end * 512
  )
}

function writeHead(writer: ByteWriter, state: State): void {
  const { clock, counters, sessions, feeAccount, genesis, trading } = state
  writer.section(Section.Head, 1)
  writer.float(clock[Clock.SEQ]!)
  writer.float(clock[Clock.TIME]!)
  writer.float(counters[Counter.DEPOSITS_CONSUMED]!)
  writer.int(feeAccount)
  writer.int(genesis.requireFrames === true ? 1 : 0)
  const { left, open, table } = sessions
  const inFrame = left > 0 && open >= 0
  writer.int(left)
  writer.int(inFrame ? table.word(open, Session.ACCOUNT) : -1)
  writer.float(inFrame ? table.number(open, SessionNumber.APPROVAL) : 0)
  writer.float(inFrame && sessions.entry >= 0 ? sessions.windows.nonce(sessions.entry) : 0)
  writer.int(left > 0 ? trading.work.used : 0)
  writer.int(state.markets.cancelOnlyReasons)
}

function writeMarkets(writer: ByteWriter, { markets, ledger }: State): void {
  const assets = markets.assetConfigs()
  writer.section(Section.Assets, assets.length)
  for (const { id, symbol } of assets) {
    writer.int(id)
    writer.int(symbol.length)
    for (let at = 0; at < SYMBOL_BYTES; at += 4) writer.int(symbolWord(symbol, at))
  }
  const configs = markets.configs()
  writer.section(Section.Markets, configs.length)
  for (const { id } of configs) {
    writer.int(id)
    writer.int(markets.get(id, Market.BASE))
    writer.int(markets.get(id, Market.QUOTE))
    writer.int(markets.ownStatus(id))
    writer.int(markets.get(id, Market.BAND_PPM))
    writer.int(markets.get(id, Market.LAST_TICKS))
    writer.int(markets.get(id, Market.TOUCHED_LOW))
    writer.int(markets.get(id, Market.TOUCHED_HIGH))
    writer.float(markets.units[2 * id + MarketUnits.LOT]!)
    writer.float(markets.units[2 * id + MarketUnits.TICK]!)
    for (let tier = 0; tier < TIERS_MAX; tier++) {
      const at = id * TIERS_MAX + tier
      writer.int(markets.tierSet[at]!)
      writer.int(markets.fees[2 * at + Fee.MAKER]!)
      writer.int(markets.fees[2 * at + Fee.TAKER]!)
    }
  }
  let supplies = 0
  for (let asset = 0; asset < ASSETS_MAX; asset++) if (hasSupply(ledger.supply, asset)) supplies++
  writer.section(Section.Supply, supplies)
  for (let asset = 0; asset < ASSETS_MAX; asset++) {
    if (!hasSupply(ledger.supply, asset)) continue
    writer.int(asset)
    writer.int(0)
    writer.float(ledger.supply[2 * asset]!)
    writer.float(ledger.supply[2 * asset + 1]!)
  }
}

const hasSupply = (supply: Float64Array, asset: number): boolean =>
  supply[2 * asset] !== 0 || supply[2 * asset + 1] !== 0

function writeAccounts(writer: ByteWriter, { ledger }: State): void {
  const { accounts, accountNumbers } = ledger
  let count = 0
  for (let account = 0; account < ledger.accountsEnd; account++) if (ledger.isOpen(account)) count++
  writer.section(Section.Accounts, count)
  for (let account = 0; account < ledger.accountsEnd; account++) {
    if (!ledger.isOpen(account)) continue
    const at = account << ACCOUNT_SHIFT
    writer.int(account)
    writer.int((accounts[at]! >>> TIER_SHIFT) & TIER_MASK)
    for (let word = 0; word < OWNER_WORDS; word++) writer.int(ledger.owners[account * OWNER_WORDS + word]!)
    writer.int(0)
    writer.float(accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.WITHDRAWAL_NONCE]!)
    writer.float(accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.APPROVAL_NONCE]!)
    writer.float(accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.CANCEL_AFTER]!)
  }
}

function writeBalances(writer: ByteWriter, { ledger }: State): void {
  const { values } = ledger
  // Keys sort as (account, asset). Rows stand in the order of their making, which means nothing; empty ones
  // are written too: a restored engine has no more room for new ones than this one.
  writer.section(Section.Balances, ledger.rows)
  for (const key of ledger.rowKeys()) {
    const account = key >>> ASSET_BITS
    const asset = key & (ASSETS_MAX - 1)
    const row = ledger.find(account, asset)
    writer.int(account)
    writer.int(asset)
    writer.float(values[2 * row]!)
    writer.float(values[2 * row + 1]!)
  }
}

/** By account, then approval; what is idle is written as it counts, whether or not its window was taken back. */
function writeSessions(writer: ByteWriter, { sessions, ledger }: State): void {
  const { table } = sessions
  writer.section(Section.Sessions, table.end)
  const own: number[] = []
  for (let account = 0; account < ledger.accountsEnd; account++) {
    own.length = 0
    for (let slot = table.first(account); slot >= 0; slot = table.next(slot)) own.push(slot)
    // An account's list begins with its newest approval.
    for (let index = own.length - 1; index >= 0; index--) writeSession(writer, sessions, own[index]!)
  }
}

function writeSession(writer: ByteWriter, sessions: Sessions, slot: number): void {
  const { table, windows } = sessions
  const at = slot << SESSION_SHIFT
  writer.int(table.words[at]!)
  writer.int(table.words[at + Session.ACCOUNT]!)
  writer.int(table.words[at + Session.ATTR]!)
  for (let word = 0; word < KEY_WORDS; word++) writer.int(table.words[at + Session.X + word]!)
  const window = sessions.nonces.of(slot)
  const floor = sessions.nonces.floor(slot)
  const first = window * FRAME_NONCE_WINDOW
  const entries: number[] = []
  if (window >= 0)
    for (let entry = first; entry < first + FRAME_NONCE_WINDOW; entry++)
      if (windows.nonce(entry) > floor) entries.push(entry)
  writer.int(entries.length)
  writer.float(table.number(slot, SessionNumber.APPROVAL))
  writer.float(table.number(slot, SessionNumber.MAX_NOTIONAL))
  writer.float(table.number(slot, SessionNumber.ENDS_AT))
  const highest = table.number(slot, SessionNumber.HIGHEST)
  // The stored floor, which `floor` is not where the window has moved on.
  writer.float(window >= 0 || highest === 0 ? table.number(slot, SessionNumber.FLOOR) : highest)
  writer.float(highest)
  writer.float(table.number(slot, SessionNumber.LAST_FRAME))
  for (const entry of entries) {
    writer.float(windows.nonce(entry))
    writer.float(windows.firstSeq(entry))
    writer.int(windows.count(entry))
    writer.int(0)
    const codes = windows.codes(entry)
    for (let from = 0; from < codes.length; from += 4) writer.int(codesWord(codes, from))
    if (((codes.length + 3) >> 2) % 2 === 1) writer.int(0)
  }
}

/** Four codes, little-endian, zeros behind their end. */
function codesWord(codes: Uint8Array, from: number): number {
  let word = 0
  for (let index = 0; index < 4 && from + index < codes.length; index++)
    word |= codes[from + index]! << (8 * index)
  return word
}

function writeProtections(writer: ByteWriter, { protections }: State): void {
  const states = protections.states()
  writer.section(Section.Protections, states.length)
  for (const state of states) {
    writer.int(state.account)
    writer.int(state.market)
    writer.int(state.windowMs)
    writer.int(state.fillsMax)
    writer.int(state.fills)
    writer.int(state.frozen ? 1 : 0)
    writer.float(state.notionalMax)
    writer.float(state.windowStartMs)
    writer.float(state.notional)
  }
}

function writeBook(writer: ByteWriter, { trading }: State, book: number): void {
  const { words, numbers, extras, extraNumbers } = trading.orders
  const levels = trading.book.levels.words
  const best = trading.book.levels.best[book]!
  if (best === NONE) return
  let count = 0
  for (let level = best; level !== NONE; level = levels[(level << LEVEL_SHIFT) + Level.WORSE]!)
    count += levels[(level << LEVEL_SHIFT) + Level.ORDERS]!
  writer.section(Section.Book, count)
  writer.int(book)
  writer.int(0)
  for (let level = best; level !== NONE; level = levels[(level << LEVEL_SHIFT) + Level.WORSE]!) {
    for (
      let slot = levels[(level << LEVEL_SHIFT) + Level.HEAD]!;
      slot !== NONE;
      slot = words[(slot << ORDER_SHIFT) + Order.NEXT]!
    ) {
      const at = slot << ORDER_SHIFT
      const attributes = words[at + Order.ATTR]!
      writer.int(words[at + Order.ACCOUNT]!)
      writer.int(attributes)
      writer.int(words[at + Order.CLOID_LO]!)
      writer.int(words[at + Order.CLOID_HI]!)
      writer.int(words[at + Order.TICKS]!)
      writer.int(words[at + Order.LOTS]!)
      writer.int(words[at + Order.VISIBLE]!)
      writer.int(words[at + Order.FEE_PPM]!)
      writer.int(words[at + Order.MARKET_CARRY]! >>> CARRY_SHIFT)
      writer.int(0)
      writer.float(numbers[2 * slot]!)
      writer.float(numbers[2 * slot + OrderNumber.ID]!)
      if (!needsExtra(attributes)) continue
      const extra = slot << EXTRA_SHIFT
      writer.int((attributes & Mark.Iceberg) === 0 ? 0 : extras[extra + Extra.HIDDEN]!)
      writer.int((attributes & Mark.Iceberg) === 0 ? 0 : extras[extra + Extra.DISPLAY]!)
      writer.int(isStop((attributes >>> 9) & 7) ? extras[extra + Extra.TRIGGER]! : 0)
      writer.int(0)
      writer.float((attributes & Mark.Expires) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!)
      writer.float(
        (attributes & (Mark.Budget | Mark.Cap)) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.BUDGET]!,
      )
    }
  }
}

function writeMassCancels(writer: ByteWriter, { trading }: State): void {
  const jobs = trading.massCancels.jobs()
  writer.section(Section.MassCancels, jobs.length)
  for (const { account, market, side, reason, haltedToo, uptoId, asset, units } of jobs) {
    writer.int(account)
    writer.int(market)
    writer.int(side)
    writer.int(reason)
    writer.int(haltedToo ? 1 : 0)
    writer.int(asset)
    writer.float(uptoId)
    writer.float(units)
  }
}

/** Nothing where no asset has terms: then the state is, and hashes as, what it was before there were any. */
function writeWithdrawTerms(writer: ByteWriter, { markets }: State): void {
  const assets = markets.assetConfigs().filter(({ withdrawMinUnits }) => withdrawMinUnits !== undefined)
  if (assets.length === 0) return
  writer.section(Section.WithdrawTerms, assets.length)
  for (const { id } of assets) {
    writer.int(id)
    writer.int(0)
    writer.float(markets.withdrawMin[id]!)
    writer.float(markets.withdrawFee[id]!)
  }
}
