/**
 * What paged snapshots read from: a capture of live orders, the levels of a book, fills. Each page holds a
 * bounded count of entries; paged-snapshot.ts asks for the next one when somebody can take it.
 */
import type { BookData } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { History } from '../history/history.js'
import type { OrderCapture } from '../views/order-capture.js'
import { PAGE_ENTRIES } from '../limits.js'
import type { PageSource } from './paged-snapshot.js'

export function orderPages(capture: OrderCapture): PageSource {
  return {
    next: () => {
      const rows = capture.next(PAGE_ENTRIES)
      return rows.length === 0 && !capture.done ? undefined : rows
    },
    get done() {
      return capture.done
    },
    close: () => capture.close(),
  }
}

/** Fills behind a position up to `seq`, each page with whether none is missing before its end. */
export function fillPages(fills: History, account: number, afterSeq: number, seq: number): PageSource {
  let position: readonly [seq: number, index: number] = [afterSeq, Infinity]
  let done = false
  return {
    next: () => {
      const page = fills.ofAccount(account, position[0], PAGE_ENTRIES, position[1])
      const rows = page.fills.filter(([of]) => of <= seq)
      const last = rows.at(-1)
      if (last !== undefined) position = [last[0], last[1]]
      done = rows.length < PAGE_ENTRIES
      return [page.complete ? 1 : 0, rows]
    },
    get done() {
      return done
    },
    close: () => {},
  }
}

/** Levels do not change, they are replaced: a copy of the lists is the book of this moment. */
export function bookPages([bids, asks]: BookData, checksum: number): PageSource {
  let at = 0
  const length = Math.max(bids.length, asks.length)
  return {
    next: () => {
      const page: WireValue = [bids.slice(at, at + PAGE_ENTRIES), asks.slice(at, at + PAGE_ENTRIES)]
      at += PAGE_ENTRIES
      return page
    },
    get done() {
      return at >= length
    },
    checksum,
    close: () => {},
  }
}
