/**
 * Asserts every invariant of ledger and books, slowly and from scratch. Throws InvariantError with what
 * is broken; the engine must then not be used any more. Called by engine.ts, after each command in tests.
 */
import { Attr } from '../../layout.js'
import { ASSETS_MAX, ASSET_BITS, UNITS_END } from '../../limits.js'
import { InvariantError } from '../base/invariant-error.js'
import { ACCOUNT_SHIFT, Account, AccountFlag } from '../money/ledger.js'
import { BOOK_KINDS, BookKind, LEVEL_SHIFT, Level, NONE, keyMask } from '../book/levels.js'
import {
  CARRY_END,
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
import { Market } from '../book/markets.js'
import type { State } from './state.js'

function assert(condition: boolean, what: () => string): void {
  if (!condition) throw new InvariantError(what())
}

/** @throws InvariantError at the first thing that does not hold. */
export function checkInvariants(state: State): void {
  const slots = checkBooks(state)
  checkAccounts(state, slots)
  checkReserves(state, slots)
  checkSupply(state)
  checkPending(state)
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

/** Every live order is in its account's list of its market and side, in placement order, and found by its id. */
function checkAccounts({ trading, ledger }: State, slots: Set<number>): void {
  const { words } = trading.orders
  const { accountOrders } = trading
  let listed = 0
  for (let account = 0; account < ledger.accountsEnd; account++) {
    if (!ledger.isOpen(account)) continue
    let count = 0
    let marketBefore = -1
    for (
      let entry = accountOrders.firstEntry(account);
      entry !== NONE;
      entry = accountOrders.nextEntry(entry)
    ) {
      const market = accountOrders.market(entry)
      assert(market > marketBefore, () => `account ${account}: market ${market} after ${marketBefore}`)
      marketBefore = market
      const before = count
      for (let side = 0; side < 2; side++) {
        let last = 0
        for (let slot = accountOrders.first(entry, side); slot !== NONE; slot = accountOrders.next(slot)) {
          const at = slot << ORDER_SHIFT
          const id = trading.orders.numbers[2 * slot + OrderNumber.ID]!
          assert(slots.has(slot), () => `account ${account} lists slot ${slot}, which stands in no book`)
          assert(
            words[at + Order.ACCOUNT] === account &&
              (words[at + Order.MARKET_CARRY]! & MARKET_MASK) === market &&
              ((words[at + Order.ATTR]! >>> Attr.SIDE_SHIFT) & 1) === side,
            () => `slot ${slot} is in the list of account ${account}, market ${market}, side ${side}`,
          )
          assert(id > last, () => `account ${account}'s list is out of order at slot ${slot}`)
          assert(
            trading.ids.find(account, words[at + Order.CLOID_LO]!, words[at + Order.CLOID_HI]!) === slot,
            () => `order in slot ${slot} is not found by its id`,
          )
          last = id
          count++
        }
      }
      assert(
        count > before || accountOrders.isOwn(entry, account),
        () => `account ${account} has an entry without orders in market ${market}`,
      )
    }
    assert(
      count === ledger.accounts[(account << ACCOUNT_SHIFT) + Account.ORDERS],
      () => `account ${account} counts ${count} orders wrongly`,
    )
    listed += count
  }
  assert(listed === slots.size, () => `${listed} orders are listed, ${slots.size} stand in books`)
}

/** What goes on later: mass cancels are known to their accounts, touched ranges to the clock. */
function checkPending({ trading, ledger, markets }: State): void {
  const { work } = trading
  const jobs = trading.massCancels.jobs()
  assert(work.used <= work.max, () => `${work.used} steps of ${work.max} are taken`)
  assert(jobs.length === work.jobs, () => `${jobs.length} mass cancels are under way, ${work.jobs} counted`)
  const accounts = new Set(jobs.map(({ account }) => account))
  for (let account = 0; account < ledger.accountsEnd; account++)
    assert(
      ((ledger.accounts[account << ACCOUNT_SHIFT]! & AccountFlag.MassCancel) !== 0) === accounts.has(account),
      () => `account ${account} does not know of its mass cancels`,
    )
  for (let market = 0; market < markets.end; market++) {
    const low = markets.get(market, Market.TOUCHED_LOW)
    const high = markets.get(market, Market.TOUCHED_HIGH)
    assert(
      high === 0 ? low === 0 : low >= 1 && low <= high,
      () => `market ${market} was touched from ${low} to ${high}`,
    )
    assert(
      (markets.get(market, Market.UNFIRED) === 1) === (high !== 0),
      () => `market ${market}: triggers wait unknown, or none does`,
    )
  }
}

/** Reserved units are exactly what live orders hold, and each order holds exactly what it may need. */
function checkReserves({ trading, ledger }: State, slots: Set<number>): void {
  const { words, numbers, extraNumbers } = trading.orders
  const sums = new Map<number, number>()
  let expiring = 0
  for (const slot of slots) {
    const at = slot << ORDER_SHIFT
    const attributes = words[at + Order.ATTR]!
    const side = (attributes >>> Attr.SIDE_SHIFT) & 1
    const held = numbers[2 * slot]!
    const carry = words[at + Order.MARKET_CARRY]! >>> CARRY_SHIFT
    const need = trading.reserves.needUnits(
      side,
      words[at + Order.MARKET_CARRY]! & MARKET_MASK,
      words[at + Order.TICKS]!,
      trading.orders.remaining(slot),
      words[at + Order.FEE_PPM]!,
      (attributes & Mark.Budget) === 0 ? 0 : extraNumbers[2 * slot + ExtraNumber.BUDGET]!,
      carry,
    )
    assert(held === need, () => `order in slot ${slot} reserves ${held}, needs ${need}`)
    assert(carry >= 0 && carry < CARRY_END, () => `order in slot ${slot} carries ${carry} millionths`)
    assert(
      (attributes & Mark.Fresh) === 0,
      () => `order in slot ${slot} stands in a book and is not enlisted`,
    )
    const row = side === 1 ? words[at + Order.BASE_ROW]! : words[at + Order.QUOTE_ROW]!
    sums.set(row, (sums.get(row) ?? 0) + held)
    if ((attributes & Mark.Expires) !== 0) expiring++
  }
  assert(
    expiring === trading.expiries.size,
    () => `${expiring} orders expire, the heap holds ${trading.expiries.size}`,
  )
  for (const key of ledger.rowKeys()) {
    const row = ledger.find(key >>> ASSET_BITS, key & (ASSETS_MAX - 1))
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
  for (const key of ledger.rowKeys()) {
    const asset = key & (ASSETS_MAX - 1)
    const row = ledger.find(key >>> ASSET_BITS, asset)
    sums[asset]! += BigInt(ledger.values[2 * row]!) + BigInt(ledger.values[2 * row + 1]!)
  }
  for (let asset = 0; asset < ASSETS_MAX; asset++) {
    const supply =
      BigInt(ledger.supply[2 * asset]!) + BigInt(ledger.supply[2 * asset + 1]!) * BigInt(UNITS_END)
    assert(sums[asset] === supply, () => `asset ${asset}: balances are ${sums[asset]}, supply is ${supply}`)
  }
}
