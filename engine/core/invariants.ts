/**
 * Asserts every invariant of ledger and books, slowly and from scratch. Throws InvariantError with what
 * is broken; the engine must then not be used any more. Called by engine.ts, after each command in tests.
 */
import { Attr } from '../layout.js'
import { ASSETS_MAX, ASSET_BITS, UNITS_END } from '../limits.js'
import { ACCOUNT_SHIFT, Account } from './ledger.js'
import { BOOK_KINDS, BookKind, LEVEL_SHIFT, Level, NONE, keyMask } from './levels.js'
import { EXTRA_SHIFT, Extra, ExtraNumber, Mark, ORDER_SHIFT, Order, OrderNumber } from './orders.js'
import type { State } from './state.js'

/** A broken invariant: a fault of the engine, never of a command. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

function assert(condition: boolean, what: () => string): void {
  if (!condition) throw new InvariantError(what())
}

/** @throws InvariantError at the first thing that does not hold. */
export function checkInvariants(state: State): void {
  const slots = checkBooks(state)
  checkAccounts(state, slots)
  checkReserves(state, slots)
  checkSupply(state)
}

/** Walks every book; returns the slots that stand in one. */
function checkBooks({ trading, markets }: State): Set<number> {
  const { words } = trading.orders
  const { levels } = trading.book
  const slots = new Set<number>()
  let levelCount = 0
  for (let book = 0; book < markets.end * BOOK_KINDS; book++) {
    let better = NONE
    let lastKey = -1
    for (
      let level = levels.best[book]!;
      level !== NONE;
      level = levels.words[(level << LEVEL_SHIFT) + Level.WORSE]!
    ) {
      const at = level << LEVEL_SHIFT
      const key = levels.words[at]!
      levelCount++
      assert(
        levels.words[at + Level.BOOK] === book,
        () => `level ${level} is of book ${book}, says otherwise`,
      )
      assert(
        levels.words[at + Level.BETTER] === better,
        () => `level ${level} of book ${book} is linked wrongly`,
      )
      assert(key > lastKey, () => `book ${book}: key ${key} after ${lastKey}`)
      assert(levels.find(book, key) === level, () => `book ${book}: key ${key} is not found`)
      let lots = 0
      let count = 0
      let prev = NONE
      for (
        let slot = levels.words[at + Level.HEAD]!;
        slot !== NONE;
        slot = words[(slot << ORDER_SHIFT) + Order.NEXT]!
      ) {
        const order = slot << ORDER_SHIFT
        assert(words[order + Order.LEVEL] === level, () => `order in slot ${slot} stands in another level`)
        assert(words[order + Order.PREV] === prev, () => `order in slot ${slot} is linked wrongly`)
        assert(words[order + Order.VISIBLE]! > 0, () => `order in slot ${slot} shows nothing`)
        const waiting = (words[order + Order.ATTR]! & Mark.Waiting) !== 0
        assert(
          waiting === book % BOOK_KINDS >= BookKind.FallingStops,
          () => `slot ${slot}: waiting is ${waiting}`,
        )
        const ticks = waiting
          ? trading.orders.extras[(slot << EXTRA_SHIFT) + Extra.TRIGGER]!
          : words[order + Order.TICKS]!
        assert(
          (ticks ^ keyMask(book)) === key,
          () => `order in slot ${slot} at ${ticks} stands at another price`,
        )
        lots += words[order + Order.VISIBLE]!
        count++
        slots.add(slot)
        prev = slot
      }
      assert(
        count > 0 && count === levels.words[at + Level.ORDERS],
        () => `level ${level} counts ${count} orders wrongly`,
      )
      assert(
        lots === levels.lots[level],
        () => `level ${level} holds ${lots} lots, says ${levels.lots[level]}`,
      )
      assert(prev === levels.words[at + Level.TAIL], () => `level ${level} ends elsewhere`)
      better = level
      lastKey = key
    }
  }
  assert(levelCount === levels.live, () => `${levelCount} levels stand in books, ${levels.live} are in use`)
  assert(
    slots.size === trading.orders.count,
    () => `${slots.size} orders stand in books, ${trading.orders.count} live`,
  )
  for (let market = 0; market < markets.end; market++) {
    const bid = trading.book.bestTicks(market * BOOK_KINDS + BookKind.Bids)
    const ask = trading.book.bestTicks(market * BOOK_KINDS + BookKind.Asks)
    assert(bid === 0 || ask === 0 || bid < ask, () => `market ${market} is crossed: bid ${bid}, ask ${ask}`)
  }
  return slots
}

/** Every live order is in its account's list, in placement order, and found by its id. */
function checkAccounts({ trading, ledger }: State, slots: Set<number>): void {
  const { words, numbers } = trading.orders
  let listed = 0
  for (let account = 0; account < ledger.accountsEnd; account++) {
    if (!ledger.isOpen(account)) continue
    const at = account << ACCOUNT_SHIFT
    let prev = NONE
    let count = 0
    for (let slot = ledger.accounts[at + Account.FIRST_ORDER]!; slot !== NONE;) {
      const order = slot << ORDER_SHIFT
      const before = prev
      assert(slots.has(slot), () => `account ${account} lists slot ${slot}, which stands in no book`)
      assert(words[order + Order.ACCOUNT] === account, () => `slot ${slot} is in account ${account}'s list`)
      assert(
        words[order + Order.ACCOUNT_PREV] === before,
        () => `account ${account}'s list breaks at slot ${slot}`,
      )
      if (before !== NONE)
        assert(
          numbers[2 * before + OrderNumber.ID]! < numbers[2 * slot + OrderNumber.ID]!,
          () => `account ${account}'s list is out of order at slot ${slot}`,
        )
      assert(
        trading.ids.find(account, words[order + Order.CLOID_LO]!, words[order + Order.CLOID_HI]!) === slot,
        () => `order in slot ${slot} is not found by its id`,
      )
      count++
      prev = slot
      slot = words[order + Order.ACCOUNT_NEXT]!
    }
    assert(
      prev === ledger.accounts[at + Account.LAST_ORDER],
      () => `account ${account}'s list ends elsewhere`,
    )
    assert(
      count === ledger.accounts[at + Account.ORDERS],
      () => `account ${account} counts ${count} orders wrongly`,
    )
    listed += count
  }
  assert(listed === slots.size, () => `${listed} orders are listed, ${slots.size} stand in books`)
}

/** Reserved units are exactly what live orders hold, and each order holds at least what it may need. */
function checkReserves({ trading, ledger }: State, slots: Set<number>): void {
  const { words, numbers, extraNumbers } = trading.orders
  const sums = new Map<number, number>()
  let expiring = 0
  for (const slot of slots) {
    const at = slot << ORDER_SHIFT
    const attributes = words[at + Order.ATTR]!
    const side = (attributes >>> Attr.SIDE_SHIFT) & 1
    const held = numbers[2 * slot]!
    const need = trading.reserves.needUnits(
      side,
      words[at + Order.MARKET]!,
      words[at + Order.TICKS]!,
      trading.orders.remaining(slot),
      words[at + Order.FEE_PPM]!,
      (attributes & Mark.Budget) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.BUDGET]!,
    )
    assert(
      side === 1 ? held === need : held >= need,
      () => `order in slot ${slot} reserves ${held}, needs ${need}`,
    )
    const row = side === 1 ? words[at + Order.BASE_ROW]! : words[at + Order.QUOTE_ROW]!
    sums.set(row, (sums.get(row) ?? 0) + held)
    if ((attributes & Mark.Expires) !== 0) expiring++
  }
  assert(
    expiring === trading.expiries.size,
    () => `${expiring} orders expire, the heap holds ${trading.expiries.size}`,
  )
  for (let row = 0; row < ledger.rows; row++) {
    const available = ledger.values[2 * row]!
    const reserved = ledger.values[2 * row + 1]!
    assert(Number.isInteger(available) && available >= 0, () => `row ${row} has ${available} available`)
    assert(
      reserved === (sums.get(row) ?? 0),
      () => `row ${row} reserves ${reserved}, its orders ${sums.get(row) ?? 0}`,
    )
    assert(available + reserved < UNITS_END, () => `row ${row} holds ${available + reserved}`)
  }
}

/** Per asset, balances add up to deposits minus withdrawals. */
function checkSupply({ ledger }: State): void {
  const sums = new Array<bigint>(ASSETS_MAX).fill(0n)
  for (let row = 0; row < ledger.rows; row++)
    sums[ledger.keys[row]! & ((1 << ASSET_BITS) - 1)]! +=
      BigInt(ledger.values[2 * row]!) + BigInt(ledger.values[2 * row + 1]!)
  for (let asset = 0; asset < ASSETS_MAX; asset++) {
    const supply =
      BigInt(ledger.supply[2 * asset]!) + BigInt(ledger.supply[2 * asset + 1]!) * BigInt(UNITS_END)
    assert(sums[asset] === supply, () => `asset ${asset}: balances are ${sums[asset]}, supply is ${supply}`)
  }
}
