/**
 * CRC-32C (Castagnoli), the checksum of journal blocks and snapshots: reflected polynomial 0x82f63b78,
 * initial value and final xor 0xffffffff (RFC 3720 appendix B.4, with its test vectors). Slicing-by-8
 * (Kounavis and Berry, 2005): eight tables take eight bytes a step.
 */
const POLYNOMIAL = 0x82f63b78

/** Table t, entry b at t * 256 + b: the CRC of byte b followed by t zero bytes. */
const tables = new Int32Array(8 * 256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  tables[byte] = crc
}
for (let at = 256; at < tables.length; at++) {
  const before = tables[at - 256]!
  tables[at] = (before >>> 8) ^ tables[before & 255]!
}

/**
 * CRC-32C of `bytes`, an unsigned 32-bit number. `previous` continues an earlier result, so that
 * crc32c(b, crc32c(a)) is the CRC of a followed by b.
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous
  let at = 0
  const end = bytes.length
  while (at < end && ((bytes.byteOffset + at) & 3) !== 0)
    crc = (crc >>> 8) ^ tables[(crc ^ bytes[at++]!) & 255]!
  const pairs = (end - at) >>> 3
  if (pairs > 0) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, pairs * 2)
    crc = sliceBy8(words, 0, words.length, crc)
    at += pairs * 8
  }
  while (at < end) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at++]!) & 255]!
  return ~crc >>> 0
}

/** CRC-32C of the bytes of `words` from index `from` to before `to`, without a view of them. */
export function crc32cOfWords(words: Int32Array, from: number, to: number): number {
  const paired = to - ((to - from) & 1)
  let crc = sliceBy8(words, from, paired, ~0)
  if (paired < to) {
    const table = tables
    const low = words[paired]! ^ crc
    crc =
      table[768 + (low & 255)]! ^
      table[512 + ((low >>> 8) & 255)]! ^
      table[256 + ((low >>> 16) & 255)]! ^
      table[low >>> 24]!
  }
  return ~crc >>> 0
}

/** The little-endian inner loop over whole pairs of words; `crc` is the inverted running value. */
function sliceBy8(words: Int32Array, from: number, to: number, crc: number): number {
  const table = tables
  for (let at = from; at < to; at += 2) {
    const low = words[at]! ^ crc
    const high = words[at + 1]!
    crc =
      table[1792 + (low & 255)]! ^
      table[1536 + ((low >>> 8) & 255)]! ^
      table[1280 + ((low >>> 16) & 255)]! ^
      table[1024 + (low >>> 24)]! ^
      table[768 + (high & 255)]! ^
      table[512 + ((high >>> 8) & 255)]! ^
      table[256 + ((high >>> 16) & 255)]! ^
      table[high >>> 24]!
  }
  return crc
}
