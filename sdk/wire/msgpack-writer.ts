/**
 * Writes MessagePack: values into a buffer that grows and is used again. What forms are written is in msgpack.ts.
 *
 * Rows of whole numbers, which most of what is sent consists of, are written without a call for each.
 */
import type { WireValue } from './wire-value.js'

const utf8Encoder = new TextEncoder()
const TWO_32 = 2 ** 32
const UINT64_MAX = (1n << 64n) - 1n
const INT64_MIN = -(1n << 63n)

/** A growing buffer that values are written to in order. Reused between messages: `take` copies out. */
export class MsgpackWriter {
  #bytes: Uint8Array
  #view: DataView
  #end = 0

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** The bytes written since the last `reset`, copied. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#end) as Uint8Array<ArrayBuffer>
  }

  /** The bytes written since the last `reset`, valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#end)
  }

  reset(): this {
    this.#end = 0
    return this
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#end + bytes))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  array(length: number): this {
    this.#room(5)
    if (length < 16) this.#bytes[this.#end++] = 0x90 | length
    else if (length < 65536) this.#tag16(0xdc, length)
    else this.#tag32(0xdd, length)
    return this
  }

  map(length: number): this {
    this.#room(5)
    if (length < 16) this.#bytes[this.#end++] = 0x80 | length
    else this.#tag16(0xde, length)
    return this
  }

  nil(): this {
    this.#room(1)
    this.#bytes[this.#end++] = 0xc0
    return this
  }

  bool(value: boolean): this {
    this.#room(1)
    this.#bytes[this.#end++] = value ? 0xc3 : 0xc2
    return this
  }

  /** A whole number within +-(2^53 - 1); anything else is our own mistake. */
  int(value: number): this {
    this.#room(9)
    if (value >= 0) {
      if (value < 128) this.#bytes[this.#end++] = value
      else if (value < 256) this.#tag8(0xcc, value)
      else if (value < 65536) this.#tag16(0xcd, value)
      else if (value < TWO_32) this.#tag32(0xce, value)
      else {
        if (!Number.isSafeInteger(value)) throw new RangeError(`msgpack: ${value} is not a safe integer`)
        this.#bytes[this.#end++] = 0xcf
        this.#view.setUint32(this.#end, Math.floor(value / TWO_32))
        this.#view.setUint32(this.#end + 4, value >>> 0)
        this.#end += 8
      }
    } else if (value >= -32) this.#bytes[this.#end++] = value & 0xff
    else if (value >= -128) this.#tag8(0xd0, value & 0xff)
    else if (value >= -32768) this.#tag16(0xd1, value & 0xffff)
    else if (value >= -(2 ** 31)) this.#tag32(0xd2, value >>> 0)
    else {
      if (!Number.isSafeInteger(value)) throw new RangeError(`msgpack: ${value} is not a safe integer`)
      this.#bytes[this.#end++] = 0xd3
      this.#view.setInt32(this.#end, Math.floor(value / TWO_32))
      this.#view.setUint32(this.#end + 4, value - Math.floor(value / TWO_32) * TWO_32)
      this.#end += 8
    }
    return this
  }

  /** An unsigned 64-bit number given as two 32-bit halves: always 9 bytes. */
  uint64(low: number, high: number): this {
    this.#room(9)
    this.#bytes[this.#end++] = 0xcf
    this.#view.setUint32(this.#end, high >>> 0)
    this.#view.setUint32(this.#end + 4, low >>> 0)
    this.#end += 8
    return this
  }

  bigint(value: bigint): this {
    if (value >= 0n) {
      if (value > UINT64_MAX) throw new RangeError(`msgpack: ${value} does not fit 64 bits`)
      this.#room(9)
      this.#bytes[this.#end++] = 0xcf
      this.#view.setBigUint64(this.#end, value)
      this.#end += 8
      return this
    }
    if (value < INT64_MIN) throw new RangeError(`msgpack: ${value} does not fit 64 bits`)
    this.#room(9)
    this.#bytes[this.#end++] = 0xd3
    this.#view.setBigInt64(this.#end, value)
    this.#end += 8
    return this
  }

  string(value: string): this {
    const length = value.length
    // Names and keys are short ASCII: write them byte by byte, and start over as UTF-8 if they are not.
    if (length < 32) {
      this.#room(1 + length)
      const start = this.#end + 1
      let index = 0
      for (; index < length; index++) {
        const code = value.charCodeAt(index)
        if (code > 127) break
        this.#bytes[start + index] = code
      }
      if (index === length) {
        this.#bytes[this.#end] = 0xa0 | length
        this.#end = start + length
        return this
      }
    }
    const encoded = utf8Encoder.encode(value)
    this.#room(5 + encoded.length)
    if (encoded.length < 32) this.#bytes[this.#end++] = 0xa0 | encoded.length
    else if (encoded.length < 256) this.#tag8(0xd9, encoded.length)
    else if (encoded.length < 65536) this.#tag16(0xda, encoded.length)
    else this.#tag32(0xdb, encoded.length)
    this.#bytes.set(encoded, this.#end)
    this.#end += encoded.length
    return this
  }

  bin(value: Uint8Array): this {
    this.#room(5 + value.length)
    if (value.length < 256) this.#tag8(0xc4, value.length)
    else if (value.length < 65536) this.#tag16(0xc5, value.length)
    else this.#tag32(0xc6, value.length)
    this.#bytes.set(value, this.#end)
    this.#end += value.length
    return this
  }

  /** Any value of the protocol; object properties that are undefined are left out. */
  value(value: WireValue): this {
    switch (typeof value) {
      case 'number':
        if (!Number.isSafeInteger(value)) throw new RangeError(`msgpack: ${value} is not a safe integer`)
        return this.int(value)
      case 'string':
        return this.string(value)
      case 'bigint':
        return this.bigint(value)
      case 'boolean':
        return this.bool(value)
      default:
        break
    }
    if (value === null) return this.nil()
    if (Array.isArray(value)) return this.#items(value as readonly WireValue[])
    if (value instanceof Uint8Array) return this.bin(value)
    const members = value as { readonly [key: string]: WireValue | undefined }
    const keys = Object.keys(members)
    let count = 0
    for (const key of keys) if (members[key] !== undefined) count++
    this.map(count)
    for (const key of keys) {
      const item = members[key]
      if (item !== undefined) this.string(key).value(item)
    }
    return this
  }

  /** An array: most of what is sent is rows of whole numbers, which are written here, without a call for each. */
  #items(items: readonly WireValue[]): this {
    this.array(items.length)
    this.#room(9 * items.length)
    let bytes = this.#bytes
    let end = this.#end
    for (let index = 0; index < items.length; index++) {
      const item = items[index]!
      if (typeof item === 'number' && (item | 0) === item && item >= 0) {
        if (item < 128) bytes[end++] = item
        else if (item < 256) {
          bytes[end] = 0xcc
          bytes[end + 1] = item
          end += 2
        } else if (item < 65536) {
          bytes[end] = 0xcd
          bytes[end + 1] = item >>> 8
          bytes[end + 2] = item
          end += 3
        } else {
          bytes[end] = 0xce
          bytes[end + 1] = item >>> 24
          bytes[end + 2] = item >>> 16
          bytes[end + 3] = item >>> 8
          bytes[end + 4] = item
          end += 5
        }
        continue
      }
      // Seqs and times.
      if (typeof item === 'number' && item >= TWO_32 && Number.isSafeInteger(item)) {
        const high = Math.floor(item / TWO_32)
        const low = item | 0
        bytes[end] = 0xcf
        bytes[end + 1] = 0
        bytes[end + 2] = high >>> 16
        bytes[end + 3] = high >>> 8
        bytes[end + 4] = high
        bytes[end + 5] = low >>> 24
        bytes[end + 6] = low >>> 16
        bytes[end + 7] = low >>> 8
        bytes[end + 8] = low
        end += 9
        continue
      }
      this.#end = end
      this.value(item)
      this.#room(9 * (items.length - index - 1))
      bytes = this.#bytes
      end = this.#end
    }
    this.#end = end
    return this
  }

  /** Bytes that are already MessagePack, such as an item encoded once for many messages. */
  raw(bytes: Uint8Array): this {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#end)
    this.#end += bytes.length
    return this
  }

  #tag8(tag: number, value: number): void {
    this.#bytes[this.#end] = tag
    this.#bytes[this.#end + 1] = value
    this.#end += 2
  }

  #tag16(tag: number, value: number): void {
    this.#bytes[this.#end] = tag
    this.#bytes[this.#end + 1] = value >>> 8
    this.#bytes[this.#end + 2] = value
    this.#end += 3
  }

  #tag32(tag: number, value: number): void {
    this.#bytes[this.#end] = tag
    this.#view.setUint32(this.#end + 1, value)
    this.#end += 5
  }
}
