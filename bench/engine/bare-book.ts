/**
 * The least that answers the public matching-engine benchmark (messages and reports as in book-only.ts):
 * one array element a price, one an id, a bitmap to find the next price. It has no accounts, money, kinds
 * of order or bounds worth the name, and no exchange could use it. It is here because machines differ and
 * are noisy: measured in the same run, it says what the machine could do at that moment, and the ratio to
 * it what the real book's generality costs.
 */
import { MESSAGE_WORDS, Operation, REPORT_WORDS, Report } from './book-only.js'

const PRICES = 1 << 17
const ORDER_SHIFT = 3
const NEXT = 0
const PREV = 1
const LOTS = 2
const TICKS = 3
const SIDE = 4
const ID = 5

/** Runs the messages on an empty book, writes the report stream into `reports`, and returns its length. */
export type BareRun = (messages: Int32Array, count: number, reports: Int32Array) => number

/** A runner whose memory serves every pass. Ids lie below `idsMax`, prices below 2^17, slot 0 is none. */
export function bareBook(idsMax: number, ordersMax: number): BareRun {
  const slots = new Int32Array(idsMax)
  const orders = new Int32Array((ordersMax + 1) << ORDER_SHIFT)
  const free = new Int32Array(ordersMax + 1)
  const heads = [new Int32Array(PRICES), new Int32Array(PRICES)] as const
  const tails = [new Int32Array(PRICES), new Int32Array(PRICES)] as const
  const taken = [new Int32Array(PRICES / 32), new Int32Array(PRICES / 32)] as const
  const [bidHeads, askHeads] = heads
  const [bidTails, askTails] = tails
  const [bidTaken, askTaken] = taken
  let out: Int32Array = new Int32Array(0)
  let written = 0
  let freeCount = 0
  let used = 1
  let bestBid = 0
  let bestAsk = PRICES

  const report = (type: number, seq: number, a: number, b: number, c: number, d: number): void => {
    out[written] = type
    out[written + 1] = seq
    out[written + 2] = a
    out[written + 3] = b
    out[written + 4] = c
    out[written + 5] = d
    written += REPORT_WORDS
  }
  const bidAtOrBelow = (ticks: number): number => {
    let word = ticks >> 5
    let bits = bidTaken[word]! & (-1 >>> (31 - (ticks & 31)))
    while (bits === 0) {
      if (--word < 0) return 0
      bits = bidTaken[word]!
    }
    return (word << 5) + 31 - Math.clz32(bits)
  }
  const askAtOrAbove = (ticks: number): number => {
    let word = ticks >> 5
    let bits = askTaken[word]! & (-1 << (ticks & 31))
    while (bits === 0) {
      if (++word === PRICES / 32) return PRICES
      bits = askTaken[word]!
    }
    return (word << 5) + 31 - Math.clz32(bits & -bits)
  }
  const remove = (slot: number): void => {
    const at = slot << ORDER_SHIFT
    const next = orders[at + NEXT]!
    const prev = orders[at + PREV]!
    const ticks = orders[at + TICKS]!
    const isAsk = orders[at + SIDE] === 1
    const head = isAsk ? askHeads : bidHeads
    if (prev !== 0) orders[(prev << ORDER_SHIFT) + NEXT] = next
    else head[ticks] = next
    if (next !== 0) orders[(next << ORDER_SHIFT) + PREV] = prev
    else (isAsk ? askTails : bidTails)[ticks] = prev
    if (head[ticks] !== 0) return
    ;(isAsk ? askTaken : bidTaken)[ticks >> 5]! &= ~(1 << (ticks & 31))
    if (isAsk) {
      if (ticks === bestAsk) bestAsk = askAtOrAbove(ticks)
    } else if (ticks === bestBid) bestBid = bidAtOrBelow(ticks)
  }
  const append = (slot: number, id: number, side: number, ticks: number, lots: number): void => {
    const at = slot << ORDER_SHIFT
    const tail = side === 1 ? askTails : bidTails
    const last = tail[ticks]!
    orders[at + NEXT] = 0
    orders[at + PREV] = last
    orders[at + LOTS] = lots
    orders[at + TICKS] = ticks
    orders[at + SIDE] = side
    orders[at + ID] = id
    if (last !== 0) orders[(last << ORDER_SHIFT) + NEXT] = slot
    else {
      ;(side === 1 ? askHeads : bidHeads)[ticks] = slot
      ;(side === 1 ? askTaken : bidTaken)[ticks >> 5]! |= 1 << (ticks & 31)
      if (side === 1) bestAsk = ticks < bestAsk ? ticks : bestAsk
      else bestBid = ticks > bestBid ? ticks : bestBid
    }
    tail[ticks] = slot
  }
  const release = (slot: number, id: number): void => {
    slots[id] = 0
    free[freeCount++] = slot
  }
  /** Fills at the opposite side's best prices; lots left. */
  const match = (seq: number, id: number, side: number, ticks: number, lots: number): number => {
    let left = lots
    while (left > 0) {
      const best = side === 0 ? bestAsk : bestBid
      if (side === 0 ? best > ticks || best === PRICES : best < ticks || best === 0) break
      const maker = (side === 0 ? askHeads : bidHeads)[best]!
      const at = maker << ORDER_SHIFT
      const offered = orders[at + LOTS]!
      const filled = offered < left ? offered : left
      report(Report.Fill, seq, best, filled, orders[at + ID]!, id)
      left -= filled
      if (filled < offered) orders[at + LOTS] = offered - filled
      else {
        remove(maker)
        release(maker, orders[at + ID]!)
      }
    }
    return left
  }
  const place = (
    seq: number,
    id: number,
    side: number,
    ticks: number,
    lots: number,
    rests: boolean,
  ): void => {
    report(Report.Accepted, seq, side, id, ticks, lots)
    const left = match(seq, id, side, ticks, lots)
    if (left === 0) return
    if (!rests) return report(Report.Canceled, seq, side, id, ticks, 0)
    const slot = freeCount > 0 ? free[--freeCount]! : used++
    slots[id] = slot
    append(slot, id, side, ticks, left)
  }
  const cancel = (seq: number, id: number): void => {
    const slot = slots[id]!
    if (slot === 0) return report(Report.CancelRejected, seq, id, 0, 0, 0)
    const at = slot << ORDER_SHIFT
    report(Report.Canceled, seq, orders[at + SIDE]!, id, orders[at + TICKS]!, 0)
    remove(slot)
    release(slot, id)
  }
  const modify = (seq: number, id: number, ticks: number, lots: number): void => {
    const slot = slots[id]!
    if (slot === 0) return report(Report.ModifyRejected, seq, id, 0, 0, 0)
    const side = orders[(slot << ORDER_SHIFT) + SIDE]!
    remove(slot)
    const left = match(seq, id, side, ticks, lots)
    if (left > 0) append(slot, id, side, ticks, left)
    else release(slot, id)
    report(Report.Modified, seq, side, id, ticks, lots)
  }

  return (messages, count, reports) => {
    for (const table of [slots, ...heads, ...tails, ...taken]) table.fill(0)
    out = reports
    written = 0
    freeCount = 0
    used = 1
    bestBid = 0
    bestAsk = PRICES
    for (let seq = 0; seq < count; seq++) {
      const at = seq * MESSAGE_WORDS
      const operation = messages[at]!
      const id = messages[at + 1]!
      const ticks = messages[at + 3]!
      const lots = messages[at + 4]!
      if (operation === Operation.Cancel) cancel(seq, id)
      else if (operation === Operation.Modify) modify(seq, id, ticks, lots)
      else place(seq, id, messages[at + 2]!, ticks, lots, operation === Operation.New)
    }
    return written / REPORT_WORDS
  }
}
