/**
 * The two encodings of one schema. A codec turns a message (an array, layout.ts) into what a WebSocket
 * carries and back. In JSON a bigint travels as a decimal string and bytes as base64url; the readers of
 * fields.ts take either form, so code above this file does not know which encoding a client speaks.
 */
import { toBase64url } from './bytes.js'
import { MalformedMessage, MsgpackWriter, type WireValue, unpackMsgpack } from './msgpack.js'
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

function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new MalformedMessage('key __proto__ is refused', 0)
  return value
}

/** Text of a value in the JSON encoding. */
export function packJson(message: WireValue): string {
  return JSON.stringify(message, toJson)
}

/**
 * Value of a JSON text.
 * @throws MalformedMessage when it is not JSON or holds a `__proto__` key.
 */
export function unpackJson(text: string): WireValue {
  try {
    // The reviver costs a walk of the value, so it runs only where the key could be.
    return JSON.parse(
      text,
      text.includes('__proto__') || text.includes('\\u') ? refuseProto : undefined,
    ) as WireValue
  } catch (error) {
    if (error instanceof MalformedMessage) throw error
    throw new MalformedMessage('not JSON', 0)
  }
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
