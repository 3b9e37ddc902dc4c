/** CRC-32C against the vectors of RFC 3720 B.4 and a bit-at-a-time twin. */
import { crc32c, crc32cOfWords } from './crc32c.js'

function slow(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

describe('crc32c', () => {
  test('published vectors', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => 31 - index))).toBe(0x113fdb5c)
    expect(crc32c(new Uint8Array(0))).toBe(0)
  })

  test('agrees with the slow twin at every length and alignment, and continues', () => {
    const data = Uint8Array.from({ length: 300 }, (_, index) => (index * 167 + 13) & 255)
    for (let from = 0; from < 9; from++)
      for (let to = from; to <= 64; to++) {
        const part = data.subarray(from, to)
        expect(crc32c(part)).toBe(slow(part))
        const middle = (to - from) >> 1
        expect(crc32c(part.subarray(middle), crc32c(part.subarray(0, middle)))).toBe(slow(part))
      }
    expect(crc32c(data)).toBe(slow(data))
  })

  test('of words it is that of their bytes, at every length and place', () => {
    const words = Int32Array.from({ length: 40 }, (_, index) => Math.imul(index + 1, 0x9e3779b1))
    const bytes = new Uint8Array(words.buffer)
    for (let from = 0; from < 5; from++)
      for (let to = from; to <= 40; to++)
        expect(crc32cOfWords(words, from, to)).toBe(slow(bytes.subarray(from * 4, to * 4)))
  })
})
