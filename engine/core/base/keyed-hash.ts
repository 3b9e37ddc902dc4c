/**
 * Hashes for tables whose keys strangers choose: simple tabulation (Zobrist 1970; Pătraşcu and Thorup, "The
 * Power of Simple Tabulation Hashing", 2012). Each byte of the key picks a random word of its own table, and
 * the words are xored. For any set of keys that was chosen without knowing the tables, linear probing then
 * takes a constant number of probes as expected, and a long run of probes is as unlikely as under true
 * randomness; a formula over the key, whatever its constants, can be inverted by whoever reads it.
 *
 * A byte of zero picks a zero: that is the same family, its hashes xored with one constant, and lets hot code pass
 * over bytes that are known to be zero. The tables are drawn anew in each process. Where an entry stands in a table is no part of the state, its
 * hash or its snapshot, and nothing iterates in table order, so no result depends on them.
 * Called by order-ids.ts, ledger.ts and engine/core/base/touched.ts.
 */
import { PROBES_MAX } from '../../limits.js'

const TABLE = 256
const WORD_BYTES = 4

/** Random words for keys of `words` int32, for use in place by hot code: byte b of word w at (4w + b) * 256. */
export function randomTables(words: number): Int32Array {
  const tables = new Int32Array(words * WORD_BYTES * TABLE)
  for (let at = 0; at < tables.length; at += 16_384)
    crypto.getRandomValues(tables.subarray(at, Math.min(tables.length, at + 16_384)))
  for (let at = 0; at < tables.length; at += TABLE) tables[at] = 0
  return tables
}

/** Hash of one word by the four tables that begin at `at`. */
export function hashWord(tables: Int32Array, at: number, word: number): number {
  return (
    tables[at + (word & 0xff)]! ^
    tables[at + 256 + ((word >>> 8) & 0xff)]! ^
    tables[at + 512 + ((word >>> 16) & 0xff)]! ^
    tables[at + 768 + (word >>> 24)]!
  )
}

/** What a table says that was probed too long. */
export class ProbesOverLimit extends Error {
  override readonly name = 'ProbesOverLimit'

  constructor(table: string) {
    super(`${table}: more than ${PROBES_MAX} entries probed for one key`)
  }
}
