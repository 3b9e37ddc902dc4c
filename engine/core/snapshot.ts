/**
 * The whole state as bytes and back. The body is canonical: it says what the state means, in a fixed
 * order, and nothing of slots, rows or free lists. So equal states have equal bodies, and the SHA-256 of
 * the body is the state hash.
 *
 *   snapshot   magic (4), version (4), body length (f64), body, SHA-256 of the body (32)
 *   body       sections in the order of `Section`: tag, count, then `count` records; little-endian,
 *              each record a multiple of 8 bytes
 *
 * Capture writes the unsealed bytes in one pass; sealing (the hash) needs no engine and may be done
 * later, in another thread, or by a faster SHA-256. Called by engine.ts.
 */
import { ASSETS_MAX, ASSET_BITS, FRAME_COMMANDS_MAX, FRAME_NONCE_WINDOW, TIERS_MAX } from '../limits.js'
import { ACCOUNT_SHIFT, AccountNumber, OWNER_WORDS, TIER_MASK, TIER_SHIFT } from './ledger.js'
import { BOOK_KINDS, LEVEL_SHIFT, Level, NONE } from './levels.js'
import { Fee, Market, MarketUnits, SYMBOL_BYTES } from './markets.js'
import { EXTRA_SHIFT, Extra, ExtraNumber, Mark, ORDER_SHIFT, Order, OrderNumber } from './orders.js'
import { ByteReader, ByteWriter } from './byte-stream.js'
import { KEY_WORDS, SESSION_NUMBERS, SESSION_SHIFT, Session } from './sessions.js'
import { Sha256 } from './sha256.js'
import { Counter, type State } from './state.js'
import { isStop } from './order-types.js'
import { Clock } from './trading.js'

export const SNAPSHOT_MAGIC = 0x4e534247
export const SNAPSHOT_VERSION = 1
export const SNAPSHOT_HEADER_BYTES = 16
export const DIGEST_BYTES = 32

const Section = {
  Head: 1,
  Assets: 2,
  Markets: 3,
  Supply: 4,
  Accounts: 5,
  Balances: 6,
  Sessions: 7,
  Protections: 8,
  Book: 9,
  End: 10,
} as const

/** Words of a record; an order of a kind that needs extras has ORDER_EXTRA words more. */
const WORDS = {
  Asset: 6,
  Market: 10 + 3 * TIERS_MAX,
  Supply: 6,
  Account: 14,
  Balance: 6,
  Protection: 12,
  Order: 12,
  OrderExtra: 8,
} as const

/** Bytes that are no snapshot, or none that this engine can hold. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

/** SHA-256 of the state's body. */
export function hashState(state: State): Uint8Array {
  const bytes = captureState(state)
  const digest = new Uint8Array(DIGEST_BYTES)
  hashBody(bytes, digest, 0)
  return digest
}

/** Fills in the checksum of captured bytes, which may be in another thread by now. */
export function sealSnapshot(bytes: Uint8Array): void {
  hashBody(bytes, bytes, bytes.length - DIGEST_BYTES)
}

function hashBody(bytes: Uint8Array, out: Uint8Array, at: number): void {
  const sha = new Sha256()
  sha.update(bytes, SNAPSHOT_HEADER_BYTES, bytes.length - DIGEST_BYTES)
  sha.digestInto(out, at)
}

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
    sessions.end * 512
  )
}

function writeHead(writer: ByteWriter, { clock, counters, sessions, feeAccount, genesis }: State): void {
  writer.section(Section.Head, 1)
  writer.float(clock[Clock.SEQ]!)
  writer.float(clock[Clock.TIME]!)
  writer.float(counters[Counter.DEPOSITS_CONSUMED]!)
  writer.int(feeAccount)
  writer.int(genesis.requireFrames === true ? 1 : 0)
  const inFrame = sessions.left > 0
  writer.int(sessions.left)
  writer.int(inFrame ? sessions.open : -1)
  writer.int(inFrame ? sessions.entry : -1)
  writer.int(0)
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
    writer.int(markets.get(id, Market.STATUS))
    writer.int(markets.get(id, Market.BAND_PPM))
    writer.int(markets.get(id, Market.LAST_TICKS))
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

/** Four characters of a symbol from place `at` on, little-endian, zeros behind its end. */
export function symbolWord(symbol: string, at: number): number {
  let word = 0
  for (let index = 0; index < 4 && at + index < symbol.length; index++)
    word |= symbol.charCodeAt(at + index) << (8 * index)
  return word
}

/** The symbol of `length` characters whose words are read by `word`. */
export function symbolOf(length: number, word: (index: number) => number): string {
  let symbol = ''
  for (let at = 0; at < length; at++) symbol += String.fromCharCode((word(at >> 2) >>> (8 * (at & 3))) & 0xff)
  return symbol
}

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
    writer.float(accountNumbers[account * 8 + AccountNumber.WITHDRAWAL_NONCE]!)
    writer.float(accountNumbers[account * 8 + AccountNumber.APPROVAL_NONCE]!)
    writer.float(accountNumbers[account * 8 + AccountNumber.CANCEL_AFTER]!)
  }
}

function writeBalances(writer: ByteWriter, { ledger }: State): void {
  const { values } = ledger
  // Keys sort as (account, asset). Rows stand in the order of their making, which means nothing.
  const keys = new Float64Array(ledger.rows)
  let count = 0
  for (let row = 0; row < ledger.rows; row++)
    if (values[2 * row] !== 0 || values[2 * row + 1] !== 0) keys[count++] = ledger.keys[row]! * 2 ** 24 + row
  const sorted = keys.subarray(0, count).sort()
  writer.section(Section.Balances, count)
  for (let index = 0; index < count; index++) {
    const key = Math.floor(sorted[index]! / 2 ** 24)
    const row = sorted[index]! % 2 ** 24
    writer.int(key >>> ASSET_BITS)
    writer.int(key & (ASSETS_MAX - 1))
    writer.float(values[2 * row]!)
    writer.float(values[2 * row + 1]!)
  }
}

function writeSessions(writer: ByteWriter, { sessions }: State): void {
  writer.section(Section.Sessions, sessions.end)
  for (let slot = 0; slot < sessions.end; slot++) {
    const at = slot << SESSION_SHIFT
    writer.int(sessions.words[at]!)
    writer.int(sessions.words[at + Session.ACCOUNT]!)
    writer.int(sessions.words[at + Session.ATTR]!)
    for (let word = 0; word < KEY_WORDS; word++) writer.int(sessions.words[at + Session.X + word]!)
    let entries = 0
    const first = slot * FRAME_NONCE_WINDOW
    for (let entry = first; entry < first + FRAME_NONCE_WINDOW; entry++)
      if (inWindow(sessions.nonces[entry]!, sessions.numbers[slot * SESSION_NUMBERS + 2]!)) entries++
    writer.int(entries)
    for (let number = 0; number < SESSION_NUMBERS; number++)
      writer.float(sessions.numbers[slot * SESSION_NUMBERS + number]!)
    for (let entry = first; entry < first + FRAME_NONCE_WINDOW; entry++) {
      if (!inWindow(sessions.nonces[entry]!, sessions.numbers[slot * SESSION_NUMBERS + 2]!)) continue
      writer.float(sessions.nonces[entry]!)
      writer.float(sessions.firstSeqs[entry]!)
      const count = sessions.counts[entry]!
      writer.int(count)
      writer.int(0)
      for (let at = 0; at < count; at += 8) {
        writer.int(codesWord(sessions.codes, entry, at))
        writer.int(codesWord(sessions.codes, entry, at + 4))
      }
    }
  }
}

const inWindow = (noncePlusOne: number, highest: number): boolean =>
  noncePlusOne !== 0 && noncePlusOne > highest - FRAME_NONCE_WINDOW

function codesWord(codes: Uint8Array, entry: number, at: number): number {
  const from = entry * FRAME_COMMANDS_MAX + at
  return codes[from]! | (codes[from + 1]! << 8) | (codes[from + 2]! << 16) | (codes[from + 3]! << 24)
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

const needsExtra = (attributes: number): boolean =>
  isStop((attributes >>> 9) & 7) || (attributes & (Mark.Iceberg | Mark.Budget | Mark.Expires)) !== 0

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
      writer.float(numbers[2 * slot]!)
      writer.float(numbers[2 * slot + OrderNumber.ID]!)
      if (!needsExtra(attributes)) continue
      const extra = slot << EXTRA_SHIFT
      writer.int((attributes & Mark.Iceberg) === 0 ? 0 : extras[extra + Extra.HIDDEN]!)
      writer.int((attributes & Mark.Iceberg) === 0 ? 0 : extras[extra + Extra.DISPLAY]!)
      writer.int(isStop((attributes >>> 9) & 7) ? extras[extra + Extra.TRIGGER]! : 0)
      writer.int(0)
      writer.float((attributes & Mark.Expires) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.EXPIRES_AT]!)
      writer.float((attributes & Mark.Budget) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.BUDGET]!)
    }
  }
}

/**
 * Fills an empty state (no markets, accounts or orders yet) from a sealed snapshot.
 * @throws SnapshotError when the bytes are damaged, of another version, or more than the state can hold.
 */
export function restoreState(bytes: Uint8Array, state: State): void {
  const reader = openSnapshot(bytes)
  readHead(reader, state)
  readMarkets(reader, state)
  readAccounts(reader, state)
  readBalances(reader, state)
  linkFeeRows(state)
  readSessions(reader, state)
  readProtections(reader, state)
  readBooks(reader, state)
}

/** Checks frame, version and checksum; the reader stands at the body. */
function openSnapshot(bytes: Uint8Array): ByteReader {
  if (bytes.length < SNAPSHOT_HEADER_BYTES + DIGEST_BYTES)
    throw new SnapshotError(`${bytes.length} bytes are no snapshot`)
  const aligned = bytes.slice()
  const reader = new ByteReader(aligned)
  if (reader.int() !== SNAPSHOT_MAGIC) throw new SnapshotError('the magic number is not a snapshot’s')
  const version = reader.int()
  if (version !== SNAPSHOT_VERSION)
    throw new SnapshotError(`version ${version}, this engine reads ${SNAPSHOT_VERSION}`)
  const length = reader.float()
  const found = bytes.length - SNAPSHOT_HEADER_BYTES - DIGEST_BYTES
  if (length !== found) throw new SnapshotError(`body of ${found} bytes, its header says ${length}`)
  const digest = new Uint8Array(DIGEST_BYTES)
  hashBody(aligned, digest, 0)
  for (let at = 0; at < DIGEST_BYTES; at++)
    if (digest[at] !== aligned[aligned.length - DIGEST_BYTES + at])
      throw new SnapshotError('the checksum does not match')
  return reader
}

function expectSection(reader: ByteReader, tag: number): number {
  const found = reader.int()
  if (found !== tag) throw new SnapshotError(`section ${found} where ${tag} belongs`)
  return reader.int()
}

function expectRoom(what: string, needed: number, capacity: number): void {
  if (needed > capacity) throw new SnapshotError(`${what}: ${needed} needed, capacity ${capacity}`)
}

function readHead(reader: ByteReader, state: State): void {
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
  state.sessions.open = reader.int()
  state.sessions.entry = reader.int()
  reader.int()
}

function readMarkets(reader: ByteReader, { markets, ledger }: State): void {
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
    const lotUnits = reader.float()
    const tickUnits = reader.float()
    markets.add(id, base, quote, lotUnits, tickUnits, 0, 0, bandPpm, -1)
    markets.set(id, Market.STATUS, status)
    markets.set(id, Market.LAST_TICKS, lastTicks)
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
    ledger.accountNumbers[account * 8 + AccountNumber.WITHDRAWAL_NONCE] = reader.float()
    ledger.accountNumbers[account * 8 + AccountNumber.APPROVAL_NONCE] = reader.float()
    switches.set(account, reader.float())
  }
}

function readBalances(reader: ByteReader, { ledger }: State): void {
  const count = expectSection(reader, Section.Balances)
  expectRoom('balances', count, ledger.rowsMax)
  for (let index = 0; index < count; index++) {
    const account = reader.int()
    const row = ledger.findOrAdd(account, reader.int())
    ledger.values[2 * row] = reader.float()
    ledger.values[2 * row + 1] = reader.float()
  }
}

/** Rows that are zero are not in a snapshot; the fee account's must exist. */
function linkFeeRows({ markets, ledger, feeAccount }: State): void {
  for (let market = 0; market < markets.end; market++)
    if (markets.has(market)) {
      const row = ledger.findOrAdd(feeAccount, markets.get(market, Market.QUOTE))
      if (row < 0) throw new SnapshotError(`balances: no row left for the fees of market ${market}`)
      markets.set(market, Market.FEE_ROW, row)
    }
}

function readSessions(reader: ByteReader, { sessions }: State): void {
  sessions.end = expectSection(reader, Section.Sessions)
  if (sessions.end > sessions.capacity)
    throw new SnapshotError(`sessions: ${sessions.end}, this engine has room for ${sessions.capacity}`)
  for (let slot = 0; slot < sessions.end; slot++) {
    const at = slot << SESSION_SHIFT
    sessions.words[at] = reader.int()
    sessions.words[at + Session.ACCOUNT] = reader.int()
    sessions.words[at + Session.ATTR] = reader.int()
    for (let word = 0; word < KEY_WORDS; word++) sessions.words[at + Session.X + word] = reader.int()
    const entries = reader.int()
    for (let number = 0; number < SESSION_NUMBERS; number++)
      sessions.numbers[slot * SESSION_NUMBERS + number] = reader.float()
    for (let index = 0; index < entries; index++) {
      const noncePlusOne = reader.float()
      const entry = slot * FRAME_NONCE_WINDOW + ((noncePlusOne - 1) % FRAME_NONCE_WINDOW)
      sessions.nonces[entry] = noncePlusOne
      sessions.firstSeqs[entry] = reader.float()
      const count = reader.int()
      reader.int()
      sessions.counts[entry] = count
      for (let code = 0; code < count; code += 4) {
        const word = reader.int()
        for (let byte = 0; byte < 4; byte++)
          if (code + byte < FRAME_COMMANDS_MAX)
            sessions.codes[entry * FRAME_COMMANDS_MAX + code + byte] = (word >>> (8 * byte)) & 0xff
      }
      // Codes are written in pairs of words.
      if (((count + 3) >> 2) % 2 === 1) reader.int()
    }
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
  const slots: number[] = []
  for (let tag = reader.int(); tag !== Section.End; tag = reader.int()) {
    if (tag !== Section.Book) throw new SnapshotError(`section ${tag} where a book belongs`)
    const count = reader.int()
    expectRoom('orders', orders.count + count, orders.capacity)
    const book = reader.int()
    reader.int()
    for (let index = 0; index < count; index++) slots.push(readOrder(reader, state, book))
  }
  // Accounts keep their orders in the order of placement.
  slots.sort((a, b) => orders.numbers[2 * a + OrderNumber.ID]! - orders.numbers[2 * b + OrderNumber.ID]!)
  for (const slot of slots) {
    const at = slot << ORDER_SHIFT
    const account = orders.words[at + Order.ACCOUNT]!
    const market = orders.words[at + Order.MARKET]!
    const baseRow = ledger.findOrAdd(account, state.markets.get(market, Market.BASE))
    const quoteRow = ledger.findOrAdd(account, state.markets.get(market, Market.QUOTE))
    if (baseRow < 0 || quoteRow < 0) throw new SnapshotError('balances: more than the capacity')
    orders.words[at + Order.BASE_ROW] = baseRow
    orders.words[at + Order.QUOTE_ROW] = quoteRow
    trading.enlist(slot, false)
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
  words[at + Order.MARKET] = Math.floor(book / BOOK_KINDS)
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
