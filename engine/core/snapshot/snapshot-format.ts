/**
 * The layout of a snapshot: what snapshot-write.ts writes and snapshot-read.ts reads.
 *
 *   snapshot   magic (4), version (4), body length (f64), body, SHA-256 of the body (32)
 *   body       sections in the order of `Section`: tag, count, then `count` records; little-endian,
 *              each record a multiple of 8 bytes
 */
import { TIERS_MAX } from '../../limits.js'
import { isStop } from '../book/order-types.js'
import { Mark } from '../book/orders.js'

export const SNAPSHOT_MAGIC = 0x4e534247
export const SNAPSHOT_VERSION = 2
export const SNAPSHOT_HEADER_BYTES = 16
export const DIGEST_BYTES = 32

export const Section = {
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
  /** Mass cancels that are under way; between the books and the end. */
  MassCancels: 11,
  /** Minimum and fee of withdrawals, of assets that have any; behind the mass cancels, left out where none has. */
  WithdrawTerms: 12,
} as const

/** Words of a record; an order of a kind that needs extras has ORDER_EXTRA words more. */
export const WORDS = {
  Asset: 6,
  Market: 12 + 3 * TIERS_MAX,
  Supply: 6,
  Account: 14,
  Balance: 6,
  Protection: 12,
  MassCancel: 8,
  Order: 14,
  OrderExtra: 8,
} as const

/** Bytes that are no snapshot, or none that this engine can hold. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

/** Whether an order's record goes on with its extras. */
export const needsExtra = (attributes: number): boolean =>
  isStop((attributes >>> 9) & 7) ||
  (attributes & (Mark.Iceberg | Mark.Budget | Mark.Expires | Mark.Cap)) !== 0

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
