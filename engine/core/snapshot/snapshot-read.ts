/** Reads the body of a snapshot (snapshot-format.ts) back into a state. */
import { FRAME_COMMANDS_MAX, TIERS_MAX } from '../../limits.js'
import { ACCOUNT_SHIFT, ACCOUNT_NUMBERS, AccountNumber, OWNER_WORDS, TIER_SHIFT } from '../money/ledger.js'
import { BOOK_KINDS } from '../book/levels.js'
import { Fee, Market, SYMBOL_BYTES } from '../book/markets.js'
import {
  CARRY_SHIFT,
  EXTRA_SHIFT,
  Extra,
  ExtraNumber,
  MARKET_MASK,
  Mark,
  ORDER_SHIFT,
  Order,
  OrderNumber,
} from '../book/orders.js'
import type { ByteReader } from '../base/byte-stream.js'
import { sortByKey } from '../base/radix-sort.js'
import { KEY_WORDS, SESSION_SHIFT, Session, SessionNumber } from '../sessions/session-table.js'
import type { Sessions } from '../sessions/sessions.js'
import { Section, SnapshotError, needsExtra, symbolOf } from './snapshot-format.js'
import { Counter, type State } from '../state/state.js'
import { Clock } from '../base/clock-places.js'

/**
 * Reads the body of a snapshot (snapshot-format.ts) into an empty state: no markets, accounts or orders yet.
 * @throws SnapshotError when the state cannot hold it.
 */
export function readBody(reader: ByteReader, state: State): void {
  const open = readHead(reader, state)
  readMarkets(reader, state)
  readAccounts(reader, state)
  readBalances(reader, state)
  linkFeeRows(state)
  readSessions(reader, state, open)
  readProtections(reader, state)
  readBooks(reader, state)
}

function expectSection(reader: ByteReader, tag: number): number {
  const found = reader.int()
  if (found !== tag) throw new SnapshotError(`section ${found} where ${tag} belongs`)
  return reader.int()
}

function expectRoom(what: string, needed: number, capacity: number): void {
  if (needed > capacity) throw new SnapshotError(`${what}: ${needed} needed, capacity ${capacity}`)
}

function readHead(reader: ByteReader, state: State): OpenFrame {
  expectSection(reader, Section.Head)
  state.clock[Clock.SEQ] = reader.float()
  state.clock[Clock.TIME] = reader.float()
  state.counters[Counter.DEPOSITS_CONSUMED] = reader.float()
  const feeAccount = reader.int()
  if (feeAccount !== state.feeAccount)
    throw new SnapshotError(`fee account ${feeAccount}, genesis says ${state.feeAccount}`)
  const requireFrames = reader.int() === 1
  if (requireFrames !== (state.genesis.requireFrames === true))
    throw new SnapshotError(`requireFrames ${requireFrames}, genesis says otherwise`)
  state.sessions.left = reader.int()
  const open = { account: reader.int(), approval: reader.float(), noncePlusOne: reader.float() }
  state.trading.work.used = reader.int()
  // Before there is a market: each takes it over.
  state.markets.setCancelOnlyReasons(reader.int())
  return open
}

/** The session and nonce of a frame that was open. */
interface OpenFrame {
  /** -1 = no frame was open, or its header had been refused. */
  readonly account: number
  readonly approval: number
  /** 0 = nobody signed it: it has no nonce. */
  readonly noncePlusOne: number
}

function readMarkets(reader: ByteReader, { markets, ledger, trading }: State): void {
  for (let count = expectSection(reader, Section.Assets); count > 0; count--) {
    const id = reader.int()
    const length = reader.int()
    const words: number[] = []
    for (let at = 0; at < SYMBOL_BYTES; at += 4) words.push(reader.int())
    markets.symbols[id] = symbolOf(length, (index) => words[index]!)
  }
  for (let count = expectSection(reader, Section.Markets); count > 0; count--) {
    const id = reader.int()
    expectRoom('markets', id + 1, markets.capacity)
    const base = reader.int()
    const quote = reader.int()
    const status = reader.int()
    const bandPpm = reader.int()
    const lastTicks = reader.int()
    const touchedLow = reader.int()
    const touchedHigh = reader.int()
    const lotUnits = reader.float()
    const tickUnits = reader.float()
    markets.add(id, base, quote, lotUnits, tickUnits, 0, 0, bandPpm, -1)
    markets.setOwnStatus(id, status)
    markets.set(id, Market.LAST_TICKS, lastTicks)
    markets.set(id, Market.TOUCHED_LOW, touchedLow)
    markets.set(id, Market.TOUCHED_HIGH, touchedHigh)
    if (touchedHigh !== 0) trading.triggers.markUnfired(id)
    for (let tier = 0; tier < TIERS_MAX; tier++) {
      const at = id * TIERS_MAX + tier
      markets.tierSet[at] = reader.int()
      markets.fees[2 * at + Fee.MAKER] = reader.int()
      markets.fees[2 * at + Fee.TAKER] = reader.int()
    }
  }
  for (let count = expectSection(reader, Section.Supply); count > 0; count--) {
    const asset = reader.int()
    reader.int()
    ledger.supply[2 * asset] = reader.float()
    ledger.supply[2 * asset + 1] = reader.float()
  }
}

function readAccounts(reader: ByteReader, { ledger, switches }: State): void {
  for (let count = expectSection(reader, Section.Accounts); count > 0; count--) {
    const account = reader.int()
    expectRoom('accounts', account + 1, ledger.accountsMax)
    const at = account << ACCOUNT_SHIFT
    ledger.open(account)
    ledger.accounts[at]! |= reader.int() << TIER_SHIFT
    for (let word = 0; word < OWNER_WORDS; word++) ledger.owners[account * OWNER_WORDS + word] = reader.int()
    reader.int()
    ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.WITHDRAWAL_NONCE] = reader.float()
    ledger.accountNumbers[account * ACCOUNT_NUMBERS + AccountNumber.APPROVAL_NONCE] = reader.float()
    switches.set(account, reader.float())
  }
}

function readBalances(reader: ByteReader, { ledger }: State): void {
  const count = expectSection(reader, Section.Balances)
  expectRoom('balances', count, ledger.rowsMax)
  for (let index = 0; index < count; index++) {
    const account = reader.int()
    expectRoom('accounts', account + 1, ledger.accountsMax)
    const row = ledger.findOrAdd(account, reader.int())
    ledger.values[2 * row] = reader.float()
    ledger.values[2 * row + 1] = reader.float()
  }
}

/** Markets name the fee account's rows by number, which a snapshot does not. */
function linkFeeRows({ markets, ledger, feeAccount }: State): void {
  for (let market = 0; market < markets.end; market++)
    if (markets.has(market)) {
      const row = ledger.findOrAdd(feeAccount, markets.get(market, Market.QUOTE))
      if (row < 0) throw new SnapshotError(`balances: no row left for the fees of market ${market}`)
      markets.set(market, Market.FEE_ROW, row)
    }
}

function readSessions(reader: ByteReader, { sessions, ledger }: State, open: OpenFrame): void {
  const { table, windows } = sessions
  const count = expectSection(reader, Section.Sessions)
  expectRoom('sessions', count, table.capacity)
  /** Sessions whose nonces are kept, with the entries of each. */
  const kept: { slot: number; latestSeq: number; entries: KeptEntry[] }[] = []
  for (let slot = 0; slot < count; slot++) {
    const state = reader.int()
    const account = reader.int()
    const attributes = reader.int()
    if (!(account >= 0 && account < ledger.accountsMax))
      throw new SnapshotError(`session of account ${account}, accounts are below ${ledger.accountsMax}`)
    const key = Int32Array.from({ length: KEY_WORDS }, () => reader.int())
    const entryCount = reader.int()
    const approval = reader.float()
    const maxNotional = reader.float()
    table.put(slot, account, attributes, key, 0, maxNotional, reader.float(), approval)
    table.words[slot << SESSION_SHIFT] = state
    table.setNumber(slot, SessionNumber.FLOOR, reader.float())
    table.setNumber(slot, SessionNumber.HIGHEST, reader.float())
    table.setNumber(slot, SessionNumber.LAST_FRAME, reader.float())
    const entries = Array.from({ length: entryCount }, () => readEntry(reader))
    const latestSeq = entries.reduce((latest, { firstSeq }) => Math.max(latest, firstSeq), 0)
    if (entryCount > 0) kept.push({ slot, latestSeq, entries })
  }
  expectRoom('frame windows', kept.length, windows.capacity)
  // Windows are given out in the order of their latest frames.
  kept.sort((a, b) => a.latestSeq - b.latestSeq)
  for (const { slot, entries } of kept) restoreWindow(sessions, slot, entries)
  if (open.account < 0) return
  reopen(sessions, open)
}

/** Goes on with the frame that was open. */
function reopen(sessions: Sessions, { account, approval, noncePlusOne }: OpenFrame): void {
  const { table, windows } = sessions
  sessions.open = table.find(account, approval)
  if (sessions.open < 0)
    throw new SnapshotError(
      `a frame is open of session ${approval} of account ${account}, which is not there`,
    )
  if (noncePlusOne === 0) return
  const window = table.word(sessions.open, Session.WINDOW)
  const entry = window < 0 ? -1 : windows.entryOf(window, noncePlusOne - 1)
  if (entry < 0 || windows.nonce(entry) !== noncePlusOne)
    throw new SnapshotError(`the open frame of account ${account} has no entry`)
  sessions.entry = entry
}

interface KeptEntry {
  readonly noncePlusOne: number
  readonly firstSeq: number
  readonly codes: Uint8Array
}

function readEntry(reader: ByteReader): KeptEntry {
  const noncePlusOne = reader.float()
  const firstSeq = reader.float()
  const codes = new Uint8Array(reader.int())
  reader.int()
  if (codes.length > FRAME_COMMANDS_MAX) throw new SnapshotError(`a frame of ${codes.length} commands`)
  for (let from = 0; from < codes.length; from += 4) {
    const word = reader.int()
    for (let byte = 0; byte < 4 && from + byte < codes.length; byte++)
      codes[from + byte] = (word >>> (8 * byte)) & 0xff
  }
  // Codes are written in pairs of words.
  if (((codes.length + 3) >> 2) % 2 === 1) reader.int()
  return { noncePlusOne, firstSeq, codes }
}

function restoreWindow(sessions: Sessions, slot: number, entries: readonly KeptEntry[]): void {
  const { table, windows } = sessions
  const floor = table.number(slot, SessionNumber.FLOOR)
  const window = sessions.nonces.give(slot)
  table.setNumber(slot, SessionNumber.FLOOR, floor)
  for (const { noncePlusOne, firstSeq, codes } of entries) {
    const entry = windows.entryOf(window, noncePlusOne - 1)
    windows.set(entry, noncePlusOne, firstSeq, codes.length)
    for (let index = 0; index < codes.length; index++) windows.setCode(entry, index, codes[index]!)
  }
}

function readProtections(reader: ByteReader, { protections }: State): void {
  for (let count = expectSection(reader, Section.Protections); count > 0; count--) {
    if (protections.full) throw new SnapshotError('protections: more than the capacity')
    const account = reader.int()
    const market = reader.int()
    const windowMs = reader.int()
    const fillsMax = reader.int()
    const fills = reader.int()
    const frozen = reader.int() === 1
    const notionalMax = reader.float()
    const windowStartMs = reader.float()
    const notional = reader.float()
    protections.restore({
      account,
      market,
      windowMs,
      fillsMax,
      notionalMax,
      windowStartMs,
      fills,
      notional,
      frozen,
    })
  }
}

function readBooks(reader: ByteReader, state: State): void {
  const { trading, ledger } = state
  const { orders } = trading
  const slots = new Int32Array(orders.capacity)
  let read = 0
  for (let tag = reader.int(); tag !== Section.MassCancels; tag = reader.int()) {
    if (tag !== Section.Book) throw new SnapshotError(`section ${tag} where a book belongs`)
    const count = reader.int()
    expectRoom('orders', orders.count + count, orders.capacity)
    const book = reader.int()
    reader.int()
    for (let index = 0; index < count; index++) slots[read++] = readOrder(reader, state, book)
  }
  // Accounts keep their orders in the order of placement.
  const placed = sortByKey(slots.subarray(0, read), (slot) => orders.numbers[2 * slot + OrderNumber.ID]!)
  for (const slot of placed) {
    const at = slot << ORDER_SHIFT
    const account = orders.words[at + Order.ACCOUNT]!
    const market = orders.words[at + Order.MARKET_CARRY]! & MARKET_MASK
    const baseRow = ledger.findOrAdd(account, state.markets.get(market, Market.BASE))
    const quoteRow = ledger.findOrAdd(account, state.markets.get(market, Market.QUOTE))
    if (baseRow < 0 || quoteRow < 0) throw new SnapshotError('balances: more than the capacity')
    orders.words[at + Order.BASE_ROW] = baseRow
    orders.words[at + Order.QUOTE_ROW] = quoteRow
    trading.enlist(slot, false)
  }
  readMassCancels(reader, state)
  state.trading.work.switchesDue = state.switches.due(state.clock[Clock.TIME]!) >= 0
  let tag = reader.int()
  if (tag === Section.WithdrawTerms) {
    readWithdrawTerms(reader, state)
    tag = reader.int()
  }
  if (tag !== Section.End) throw new SnapshotError(`section ${tag} where the end belongs`)
}

/** The rest of the section, whose tag has been read. */
function readWithdrawTerms(reader: ByteReader, { markets }: State): void {
  for (let count = reader.int(); count > 0; count--) {
    const asset = reader.int()
    reader.int()
    markets.withdrawMin[asset] = reader.float()
    markets.withdrawFee[asset] = reader.float()
  }
}

/** The rest of the section, whose tag has been read. */
function readMassCancels(reader: ByteReader, { trading }: State): void {
  for (let count = reader.int(); count > 0; count--) {
    const account = reader.int()
    const market = reader.int()
    const side = reader.int()
    const reason = reader.int()
    const haltedToo = reader.int() === 1
    const asset = reader.int()
    const uptoId = reader.float()
    trading.massCancels.add({
      account,
      market,
      side,
      reason,
      haltedToo,
      asset,
      uptoId,
      units: reader.float(),
    })
  }
}

function readOrder(reader: ByteReader, { trading }: State, book: number): number {
  const { orders } = trading
  const { words, numbers, extras, extraNumbers } = orders
  const slot = orders.allocate()
  const at = slot << ORDER_SHIFT
  words[at + Order.ACCOUNT] = reader.int()
  const attributes = reader.int()
  words[at + Order.ATTR] = attributes
  words[at + Order.CLOID_LO] = reader.int()
  words[at + Order.CLOID_HI] = reader.int()
  words[at + Order.TICKS] = reader.int()
  words[at + Order.LOTS] = reader.int()
  words[at + Order.VISIBLE] = reader.int()
  words[at + Order.FEE_PPM] = reader.int()
  words[at + Order.MARKET_CARRY] = Math.floor(book / BOOK_KINDS) | (reader.int() << CARRY_SHIFT)
  reader.int()
  numbers[2 * slot] = reader.float()
  numbers[2 * slot + OrderNumber.ID] = reader.float()
  if (needsExtra(attributes)) {
    const extra = slot << EXTRA_SHIFT
    extras[extra + Extra.HIDDEN] = reader.int()
    extras[extra + Extra.DISPLAY] = reader.int()
    extras[extra + Extra.TRIGGER] = reader.int()
    reader.int()
    extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT] = reader.float()
    extraNumbers[2 * slot + ExtraNumber.BUDGET] = reader.float()
  }
  const ticks =
    (attributes & Mark.Waiting) !== 0
      ? extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!
      : words[at + Order.TICKS]!
  if (trading.book.levelMissing(book, ticks))
    throw new SnapshotError(`levels: more than the capacity of ${trading.book.levels.capacity}`)
  trading.book.append(slot, book, ticks)
  return slot
}
