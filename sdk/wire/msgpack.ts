/**
 * MessagePack (github.com/msgpack/msgpack/blob/master/spec.md) as this protocol uses it: nil, booleans,
 * integers, strings, binaries, arrays and maps with string keys. Written by hand rather than taken from
 * a general library, because the edge of an exchange needs what those leave open: a bound on depth and
 * on every announced length before anything is allocated, one numeric type for each wire form, and no
 * way for a key to reach a prototype. Checked against msgpackr and against public vectors in tests.
 *
 * Numbers: an integer is written in its shortest form; a bigint is always the 9 bytes of uint64, so a
 * client order id has one length. On reading, 64-bit integers within +-(2^53 - 1) become numbers, larger
 * ones bigint; a float is taken when it is a whole safe number and not -0, and refused otherwise.
 */
import { MsgpackReader } from './msgpack-reader.js'
import { MsgpackWriter } from './msgpack-writer.js'
import type { WireValue } from './wire-value.js'

export { MsgpackReader, MsgpackWriter }
export * from './wire-value.js'

/** Encodes one value. */
export function packMsgpack(value: WireValue): Uint8Array<ArrayBuffer> {
  return new MsgpackWriter(256).value(value).take()
}

/**
 * Decodes exactly one value that takes all of `bytes`.
 * @throws MalformedMessage for anything else.
 */
export function unpackMsgpack(bytes: Uint8Array): WireValue {
  const reader = new MsgpackReader(bytes)
  const value = reader.value()
  if (!reader.atEnd) reader.fail('bytes after the message')
  return value
}
