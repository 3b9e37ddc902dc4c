/**
 * The reference engine's state as the canonical bytes of snapshot.ts, written from its own objects: equal
 * bytes mean that fast core and reference agree on everything that has a meaning. In tests only.
 */
import { ASSETS_MAX, FRAME_NONCE_WINDOW, TIERS_MAX } from '../limits.js'
import { ByteWriter } from '../core/base/byte-stream.js'
import type { ReferenceOrder } from './book.js'
import type { ReferenceMarket } from './base.js'
import type { ReferenceEngine } from './engine.js'

/** The body of the reference's snapshot. */
export function referenceBody(engine: ReferenceEngine): Uint8Array {
  const writer = new ByteWriter(1 << 14)
  writeHead(writer, engine)
  writeMarkets(writer, engine)
  writeAccounts(writer, engine)
  writeSessions(writer, engine)
  writeProtections(writer, engine)
  for (const market of byKey(engine.markets)) writeBooks(writer, market)
  writeJobs(writer, engine)
  writeWithdrawTerms(writer, engine)
  writer.section(10, 0)
  return writer.finish(0)
}

const byKey = <T>(map: ReadonlyMap<number, T>): T[] =>
  [...map].sort(([a], [b]) => a - b).map(([, value]) => value)
const ids = (map: ReadonlyMap<number, unknown>): number[] => [...map.keys()].sort((a, b) => a - b)

function writeHead(writer: ByteWriter, engine: ReferenceEngine): void {
  const { frame } = engine
  writer.section(1, 1)
  writer.float(engine.seq)
  writer.float(engine.timeMs)
  writer.float(engine.depositsConsumed)
  writer.int(engine.feeAccount)
  writer.int(engine.requireFrames ? 1 : 0)
  writer.int(frame.left)
  writer.int(frame.left > 0 && frame.session !== undefined ? frame.session.account : -1)
  writer.float(frame.left > 0 ? (frame.session?.approval ?? 0) : 0)
  writer.float(frame.left > 0 && frame.entry !== undefined ? frame.nonce + 1 : 0)
  writer.int(frame.left > 0 ? engine.steps : 0)
  writer.int(engine.cancelOnlyReasons)
}

function writeMarkets(writer: ByteWriter, engine: ReferenceEngine): void {
  writer.section(2, engine.assets.size)
  for (const id of ids(engine.assets)) {
    const symbol = engine.assets.get(id)!
    const bytes = new Uint8Array(16)
    for (let at = 0; at < symbol.length; at++) bytes[at] = symbol.charCodeAt(at)
    writer.int(id)
    writer.int(symbol.length)
    for (const word of new Int32Array(bytes.buffer)) writer.int(word)
  }
  writer.section(3, engine.markets.size)
  for (const market of byKey(engine.markets)) {
    writer.int(market.id)
    writer.int(market.base)
    writer.int(market.quote)
    writer.int(market.status)
    writer.int(market.bandPpm)
    writer.int(market.lastTicks)
    writer.int(market.touched?.low ?? 0)
    writer.int(market.touched?.high ?? 0)
    writer.float(Number(market.lotUnits))
    writer.float(Number(market.tickUnits))
    for (let tier = 0; tier < TIERS_MAX; tier++) {
      const own = market.fees.get(tier)
      const { maker, taker } = own ?? market.fees.get(0)!
      writer.int(tier > 0 && own !== undefined ? 1 : 0)
      writer.int(maker)
      writer.int(taker)
    }
  }
  const supplied = ids(engine.supply).filter((asset) => engine.supply.get(asset) !== 0n && asset < ASSETS_MAX)
  writer.section(4, supplied.length)
  for (const asset of supplied) {
    const supply = engine.supply.get(asset)!
    writer.int(asset)
    writer.int(0)
    writer.float(Number(supply % 2n ** 53n))
    writer.float(Number(supply / 2n ** 53n))
  }
}

function writeAccounts(writer: ByteWriter, engine: ReferenceEngine): void {
  const accounts = ids(engine.accounts)
  writer.section(5, accounts.length)
  for (const id of accounts) {
    const account = engine.accounts.get(id)!
    writer.int(id)
    writer.int(account.tier)
    for (const word of account.owner) writer.int(word)
    writer.int(0)
    writer.float(account.withdrawalNonce)
    writer.float(account.approvalNonce)
    writer.float(account.cancelAfterMs)
  }
  const rows = accounts.flatMap((account) =>
    [...Array(ASSETS_MAX).keys()]
      .filter((asset) => engine.rows.has(`${account} ${asset}`))
      .map((asset) => ({ account, asset, ...engine.accounts.get(account)!.balance(asset) })),
  )
  writer.section(6, rows.length)
  for (const { account, asset, available, reserved } of rows) {
    writer.int(account)
    writer.int(asset)
    writer.float(Number(available))
    writer.float(Number(reserved))
  }
}

function writeSessions(writer: ByteWriter, engine: ReferenceEngine): void {
  const sessions = [...engine.sessions].sort((a, b) => a.account - b.account || a.approval - b.approval)
  writer.section(7, sessions.length)
  for (const session of sessions) {
    const idle = engine.idle(session)
    const place = (nonce: number): number => nonce % FRAME_NONCE_WINDOW
    const nonces = idle ? [] : [...session.entries.keys()].sort((a, b) => place(a) - place(b))
    writer.int(session.revoked ? 2 : 1)
    writer.int(session.account)
    writer.int(session.scopes | (session.parity << 4))
    for (const word of session.keyX) writer.int(word)
    writer.int(nonces.length)
    writer.float(session.approval)
    writer.float(session.maxNotional)
    writer.float(session.endsAtMs)
    writer.float(idle ? session.highest : session.floor)
    writer.float(session.highest)
    writer.float(session.lastFrameMs)
    for (const nonce of nonces) {
      const { firstSeq, codes, count } = session.entries.get(nonce)!
      writer.float(nonce + 1)
      writer.float(firstSeq)
      writer.int(count)
      writer.int(0)
      const bytes = new Uint8Array(Math.ceil(count / 8) * 8)
      bytes.set(codes)
      for (const word of new Int32Array(bytes.buffer)) writer.int(word)
    }
  }
}

function writeJobs(writer: ByteWriter, { jobs }: ReferenceEngine): void {
  writer.section(11, jobs.length)
  for (const { account, market, side, reason, haltedToo, uptoId, owed } of jobs) {
    writer.int(account)
    writer.int(market)
    writer.int(side)
    writer.int(reason)
    writer.int(haltedToo ? 1 : 0)
    writer.int(owed?.asset ?? 0)
    writer.float(uptoId)
    writer.float(owed?.units ?? 0)
  }
}

function writeWithdrawTerms(writer: ByteWriter, { withdrawTerms }: ReferenceEngine): void {
  const bounded = ids(withdrawTerms).filter((asset) => withdrawTerms.get(asset)!.min > 0)
  if (bounded.length === 0) return
  writer.section(12, bounded.length)
  for (const asset of bounded) {
    const { min, fee } = withdrawTerms.get(asset)!
    writer.int(asset)
    writer.int(0)
    writer.float(min)
    writer.float(fee)
  }
}

function writeProtections(writer: ByteWriter, engine: ReferenceEngine): void {
  const all = ids(engine.protections).flatMap((account) =>
    ids(engine.protections.get(account)!).map((market) => ({
      account,
      market,
      ...engine.protections.get(account)!.get(market)!,
    })),
  )
  writer.section(8, all.length)
  for (const protection of all) {
    writer.int(protection.account)
    writer.int(protection.market)
    writer.int(protection.windowMs)
    writer.int(protection.fillsMax)
    writer.int(protection.fills)
    writer.int(protection.frozen ? 1 : 0)
    writer.float(protection.notionalMax)
    writer.float(protection.windowStartMs)
    writer.float(protection.notional)
  }
}

function writeBooks(writer: ByteWriter, { id, book }: ReferenceMarket): void {
  const books = [book.resting(0), book.resting(1), book.waiting(false), book.waiting(true)]
  books.forEach((orders, kind) => {
    if (orders.length === 0) return
    writer.section(9, orders.length)
    writer.int(id * 4 + kind)
    writer.int(0)
    for (const order of orders) writeOrder(writer, order)
  })
}

function writeOrder(writer: ByteWriter, order: ReferenceOrder): void {
  const marks =
    (order.display === 0 ? 0 : 1 << 24) |
    (order.waiting ? 1 << 25 : 0) |
    (order.budget === undefined ? 0 : 1 << 26) |
    (order.cap === undefined ? 0 : 1 << 28) |
    (order.expiresAtMs === 0 ? 0 : 1 << 27)
  writer.int(order.account)
  writer.int(
    marks |
      (order.side << 8) |
      (order.type << 9) |
      (order.timeInForce << 12) |
      (order.postOnly << 15) |
      (order.stp << 17),
  )
  writer.int(Number(order.cloid & 0xffffffffn) | 0)
  writer.int(Number(order.cloid >> 32n) | 0)
  writer.int(order.ticks)
  writer.int(order.lots)
  writer.int(order.visible)
  writer.int(order.feeBound)
  writer.int(Number(order.carry))
  writer.int(0)
  writer.float(Number(order.reserved))
  writer.float(order.id)
  if (marks === 0 && order.type < 2) return
  writer.int(order.remaining - order.visible)
  writer.int(order.display)
  writer.int(order.trigger)
  writer.int(0)
  writer.float(order.expiresAtMs)
  writer.float(Number(order.budget ?? order.cap ?? 0n))
}
