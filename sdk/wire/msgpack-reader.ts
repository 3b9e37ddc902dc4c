/**
 * Reads MessagePack that a stranger sent. What forms are taken is in msgpack.ts.
 *
 * Invariants: nothing is read or allocated beyond the bytes that are there, and nothing nests deeper than
 * MSGPACK_DEPTH_MAX; whatever is not taken ends as a MalformedMessage.
 */
import { MSGPACK_DEPTH_MAX } from '../limits.js'
import { MalformedMessage, type WireValue } from './wire-value.js'

const utf8Decoder = new TextDecoder('utf-8', { fatal: true })
const TWO_32 = 2 ** 32

/** Reads values from the front of `bytes`; every length is checked against what is left. */
export class MsgpackReader {
  #bytes: Uint8Array
  #view: DataView
  offset = 0

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  reset(bytes: Uint8Array): this {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.offset = 0
    return this
  }

  get atEnd(): boolean {
    return this.offset === this.#bytes.length
  }

  fail(what: string): never {
    throw new MalformedMessage(what, this.offset)
  }

  #need(bytes: number): number {
    const start = this.offset
    if (bytes > this.#bytes.length - start) this.fail('truncated')
    this.offset = start + bytes
    return start
  }

  /** Length of the array that stands next; fails when something else does. */
  arrayLength(): number {
    const tag = this.#bytes[this.#need(1)]!
    if (tag >= 0x90 && tag <= 0x9f) return tag & 15
    if (tag === 0xdc) return this.#view.getUint16(this.#need(2))
    if (tag === 0xdd) return this.#view.getUint32(this.#need(4))
    this.offset--
    return this.fail('not an array')
  }

  /** The whole safe number that stands next; fails on any other value. */
  int(): number {
    const tag = this.#bytes[this.#need(1)]!
    if (tag < 0x80) return tag
    if (tag >= 0xe0) return tag - 256
    const value = this.#number(tag)
    if (typeof value === 'number') return value
    this.offset--
    return this.fail('not a safe integer')
  }

  #number(tag: number): number | bigint | undefined {
    const view = this.#view
    switch (tag) {
      case 0xcc:
        return this.#bytes[this.#need(1)]!
      case 0xcd:
        return view.getUint16(this.#need(2))
      case 0xce:
        return view.getUint32(this.#need(4))
      case 0xcf: {
        const at = this.#need(8)
        const high = view.getUint32(at)
        return high < 0x200000 ? high * TWO_32 + view.getUint32(at + 4) : view.getBigUint64(at)
      }
      case 0xd0:
        return view.getInt8(this.#need(1))
      case 0xd1:
        return view.getInt16(this.#need(2))
      case 0xd2:
        return view.getInt32(this.#need(4))
      case 0xd3: {
        const at = this.#need(8)
        const high = view.getInt32(at)
        if (high >= -0x200000 && high < 0x200000) {
          const value = high * TWO_32 + view.getUint32(at + 4)
          if (Number.isSafeInteger(value)) return value
        }
        return view.getBigInt64(at)
      }
      case 0xca:
      case 0xcb: {
        const value = tag === 0xca ? view.getFloat32(this.#need(4)) : view.getFloat64(this.#need(8))
        if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
          this.fail(`float ${Object.is(value, -0) ? '-0' : value} is not a safe integer`)
        }
        return value
      }
      default:
        return undefined
    }
  }

  #string(length: number): string {
    const start = this.#need(length)
    const bytes = this.#bytes
    if (length < 16) {
      let text = ''
      let index = 0
      for (; index < length; index++) {
        const code = bytes[start + index]!
        if (code > 127) break
        text += String.fromCharCode(code)
      }
      if (index === length) return text
    }
    try {
      return utf8Decoder.decode(bytes.subarray(start, start + length))
    } catch {
      throw new MalformedMessage('string is not UTF-8', start)
    }
  }

  /** The value that stands next. Binaries are views of the input: copy what outlives it. */
  value(depth = 0): WireValue {
    const tag = this.#bytes[this.#need(1)]!
    if (tag < 0x80) return tag
    if (tag >= 0xe0) return tag - 256
    if (tag >= 0xa0 && tag < 0xc0) return this.#string(tag & 31)
    if (tag >= 0x90 && tag < 0xa0) return this.#array(tag & 15, depth)
    if (tag < 0x90) return this.#map(tag & 15, depth)
    switch (tag) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.#bin(this.#bytes[this.#need(1)]!)
      case 0xc5:
        return this.#bin(this.#view.getUint16(this.#need(2)))
      case 0xc6:
        return this.#bin(this.#view.getUint32(this.#need(4)))
      case 0xd9:
        return this.#string(this.#bytes[this.#need(1)]!)
      case 0xda:
        return this.#string(this.#view.getUint16(this.#need(2)))
      case 0xdb:
        return this.#string(this.#view.getUint32(this.#need(4)))
      case 0xdc:
        return this.#array(this.#view.getUint16(this.#need(2)), depth)
      case 0xdd:
        return this.#array(this.#view.getUint32(this.#need(4)), depth)
      case 0xde:
        return this.#map(this.#view.getUint16(this.#need(2)), depth)
      case 0xdf:
        return this.#map(this.#view.getUint32(this.#need(4)), depth)
      default: {
        const value = this.#number(tag)
        if (value !== undefined) return value
        this.offset--
        return this.fail(`type 0x${tag.toString(16)} is not used by this protocol`)
      }
    }
  }

  #bin(length: number): Uint8Array {
    const start = this.#need(length)
    return this.#bytes.subarray(start, start + length)
  }

  #array(length: number, depth: number): WireValue[] {
    if (depth >= MSGPACK_DEPTH_MAX) this.fail(`nested deeper than ${MSGPACK_DEPTH_MAX}`)
    // Each item takes at least a byte, so a length beyond the rest is refused before allocating.
    if (length > this.#bytes.length - this.offset) this.fail('truncated')
    const items = new Array<WireValue>(length)
    for (let index = 0; index < length; index++) items[index] = this.value(depth + 1)
    return items
  }

  #map(length: number, depth: number): WireValue {
    if (depth >= MSGPACK_DEPTH_MAX) this.fail(`nested deeper than ${MSGPACK_DEPTH_MAX}`)
    if (length * 2 > this.#bytes.length - this.offset) this.fail('truncated')
    const object: Record<string, WireValue> = {}
    for (let index = 0; index < length; index++) {
      const key = this.value(MSGPACK_DEPTH_MAX)
      if (typeof key !== 'string') this.fail('map key is not a string')
      if (key === '__proto__') this.fail('key __proto__ is refused')
      if (Object.hasOwn(object, key)) this.fail(`key "${key}" stands twice`)
      object[key] = this.value(depth + 1)
    }
    return object
  }
}
