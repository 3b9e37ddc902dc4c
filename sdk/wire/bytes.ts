/**
 * Small conversions that Node and browsers share: hex, base64url, big-endian integers. Every decoder
 * refuses what it cannot represent exactly. Used by the codecs, the signer and the gateway.
 */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower-case hex with 0x in front. */
export function toHex(bytes: Uint8Array): `0x${string}` {
  let text = ''
  for (const byte of bytes) text += HEX[byte]!
  return `0x${text}`
}

/** Bytes of an even-length hex string, with or without 0x; undefined when it is not one. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  const digits = text.startsWith('0x') ? text.slice(2) : text
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined
  const bytes = new Uint8Array(digits.length / 2)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16)
  }
  return bytes
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const BASE64URL_VALUE = new Int8Array(128).fill(-1)
for (let value = 0; value < 64; value++) BASE64URL_VALUE[BASE64URL.charCodeAt(value)] = value

/** RFC 4648 section 5, without padding. */
export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const left = bytes.length - index
    const word = (bytes[index]! << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    text += BASE64URL[word >> 18]! + BASE64URL[(word >> 12) & 63]!
    if (left > 1) text += BASE64URL[(word >> 6) & 63]!
    if (left > 2) text += BASE64URL[word & 63]!
  }
  return text
}

/** Bytes of unpadded base64url; undefined when it is not that, or when unused bits are set. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const rest = text.length % 4
  if (rest === 1) return undefined
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let word = 0
  let bits = 0
  let end = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const value = code < 128 ? BASE64URL_VALUE[code]! : -1
    if (value < 0) return undefined
    word = ((word << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[end++] = (word >> bits) & 0xff
    }
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

/** Joins byte strings. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let end = 0
  for (const part of parts) {
    joined.set(part, end)
    end += part.length
  }
  return joined
}
