/**
 * The two encodings of one schema. A codec turns a message (an array, layout.ts) into what a WebSocket
 * carries and back. In JSON a bigint travels as a decimal string and bytes as base64url; the readers of
 * fields.ts take either form, so code above this file does not know which encoding a client speaks.
 */
import { toBase64url } from './bytes.js'
import { refuseInexact } from './json-numbers.js'
import { MsgpackWriter, unpackMsgpack } from './msgpack.js'
import { MalformedMessage, type WireValue } from './wire-value.js'
import { Subprotocol } from './version.js'

export interface Codec {
  readonly subprotocol: Subprotocol
  /** Text for JSON, bytes for MessagePack; the result is the caller's to keep. */
  encode(message: WireValue): string | Uint8Array<ArrayBuffer>
  /**
   * Decodes one whole message; binaries may be views of the input.
   * @throws MalformedMessage when the bytes are not one value of the encoding.
   */
  decode(data: Uint8Array | string): WireValue
}

const writer = new MsgpackWriter(4096)

export const msgpackCodec: Codec = {
  subprotocol: Subprotocol.Msgpack,
  encode: (message) => writer.reset().value(message).take(),
  decode(data) {
    if (typeof data === 'string') throw new MalformedMessage('text in a binary protocol', 0)
    return unpackMsgpack(data)
  },
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function toJson(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  // A Buffer has already turned itself into an object by now: look at what stood there.
  const original = (this as Record<string, unknown>)[key]
  return original instanceof Uint8Array ? toBase64url(original) : value
}

/** Text of a value in the JSON encoding. */
export function packJson(message: WireValue): string {
  return JSON.stringify(message, toJson)
}

/**
 * Value of a JSON text.
 * @throws MalformedMessage when it is not JSON, an object has a key twice, a key is `__proto__`, or a number would be
 * read as another one.
 */
export function unpackJson(text: string): WireValue {
  let value: WireValue
  try {
    value = JSON.parse(text) as WireValue
  } catch {
    throw new MalformedMessage('not JSON', 0)
  }
  // JSON.parse keeps the last of two: what a signature covers would be read in two ways.
  if (text.includes('{')) refuseKeys(text)
  refuseInexact(text)
  return value
}

/** Looks at every key of a text that is JSON. */
function refuseKeys(text: string): void {
  /** Keys of each object that is open, outermost first; undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  let isKey = false
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        open.push(new Set())
        isKey = true
        break
      case '[':
        open.push(undefined)
        isKey = false
        break
      case '}':
      case ']':
        open.pop()
        break
      case ',':
        isKey = open.at(-1) !== undefined
        break
      case '"': {
        const start = at
        at = stringEnd(text, at)
        if (!isKey) break
        isKey = false
        const key = JSON.parse(text.slice(start, at + 1)) as string
        if (key === '__proto__') throw new MalformedMessage('key __proto__ is refused', start)
        const keys = open.at(-1)!
        if (keys.has(key)) throw new MalformedMessage(`key ${text.slice(start, at + 1)} stands twice`, start)
        keys.add(key)
        break
      }
      default:
        break
    }
  }
}

/** Index of the quote that ends the string whose first quote is at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1
  for (; text[at] !== '"'; at++) if (text[at] === '\\') at++
  return at
}

export const jsonCodec: Codec = {
  subprotocol: Subprotocol.Json,
  encode: packJson,
  decode(data) {
    if (typeof data === 'string') return unpackJson(data)
    let text: string
    try {
      text = utf8.decode(data)
    } catch {
      throw new MalformedMessage('text is not UTF-8', 0)
    }
    return unpackJson(text)
  },
}

/** The codec of a subprotocol's name; undefined for any other name. */
export function codecOf(subprotocol: string): Codec | undefined {
  return [msgpackCodec, jsonCodec].find((codec) => codec.subprotocol === subprotocol)
}
