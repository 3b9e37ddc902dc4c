/**
 * CRC-32 (IEEE 802.3, as in zlib) of the top ten levels of a book, in the manner of Kraken's WebSocket
 * v1/v2 guides: asks best first, then bids best first; of each level the digits of its price, then of its
 * size. Prices and sizes here are whole ticks and lots, so their decimal digits stand as they are. The
 * gateway sends it, the SDK's LocalBook recomputes it.
 */
export const CHECKSUM_LEVELS = 10

const TABLE = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  TABLE[byte] = crc
}

/** CRC-32 of an ASCII string, unsigned. */
export function crc32(ascii: string): number {
  let crc = -1
  for (let index = 0; index < ascii.length; index++) {
    crc = (crc >>> 8) ^ TABLE[(crc ^ ascii.charCodeAt(index)) & 0xff]!
  }
  return ~crc >>> 0
}

/** Checksum of a book given best first; levels are [ticks, lots, ...]. */
export function bookChecksum(
  bids: readonly (readonly number[])[],
  asks: readonly (readonly number[])[],
): number {
  let text = ''
  for (const side of [asks, bids]) {
    const count = Math.min(CHECKSUM_LEVELS, side.length)
    for (let index = 0; index < count; index++) text += `${side[index]![0]!}${side[index]![1]!}`
  }
  return crc32(text)
}
