/**
 * The record that history is made of, in memory and on disk: an event of the engine as it is, and what the
 * event does not say of itself. 128 bytes, little-endian:
 *
 *   0   the event (96 bytes)         96  a number of the owner (f64)     104  time in ms (f64)
 *   112 type | parties << 8 (u32)    116 zeros                            124  CRC-32C of bytes 0 to 123
 *
 * The checksum is of the file only: in memory its word is zero. Used by account-records.ts (memory),
 * history-log.ts (file) and the rebuild.
 */
import { EVENT_BYTES } from '../../engine/layout.js'

export const HISTORY_RECORD_BYTES = 128
export const HISTORY_RECORD_WORDS = HISTORY_RECORD_BYTES / 4
export const RECORD_FLOATS = HISTORY_RECORD_BYTES / 8
/** Float64 index of the owner's number (a fill's index within its command) and of the time. */
export const NUMBER_F64 = EVENT_BYTES / 8
export const TIME_F64 = NUMBER_F64 + 1
/** Word of the type and of the parties that the record is kept for. */
export const TYPE_WORD = 28
export const CRC_WORD = 31

/** Parties of an event: its first one (the maker of a fill), the counter party (the taker), or both. */
export const Party = { First: 1, Counter: 2, Both: 3 } as const

/** Copies a record's words (all but the checksum) from `from` of `source` to `to` of `target`. */
export function copyRecord(source: Int32Array, from: number, target: Int32Array, to: number): void {
  for (let word = 0; word < CRC_WORD; word++) target[to + word] = source[from + word]!
  target[to + CRC_WORD] = 0
}
