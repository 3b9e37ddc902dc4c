/**
 * What a client's frame holds besides its signature: its commands, as records with room for the header in front, and
 * its options. Called by frames.ts. All that is wrong with them is a FieldError or a MalformedMessage.
 */
import { COMMAND_WORDS } from '../../engine/layout.js'
import { FRAME_COMMANDS_MAX } from '../../engine/limits.js'
import { unpackJson } from '../../sdk/wire/codec.js'
import { payloadToRecords } from '../../sdk/wire/commands.js'
import { FieldError, readBytes } from '../../sdk/wire/fields.js'
import { type WireValue, unpackMsgpack } from '../../sdk/wire/msgpack.js'

/** Records in front of a frame's commands. */
export const HEADERS = 1

/** The records of a payload's commands, behind room for the frame's header. @throws FieldError, MalformedMessage */
export function readPayload(
  payload: WireValue,
  account: number,
): { readonly records: Int32Array; readonly floats: Float64Array; readonly count: number } {
  const commands =
    typeof payload === 'string' ? unpackJson(payload) : unpackMsgpack(readBytes(payload, 'payload'))
  const length = Array.isArray(commands) ? commands.length : 0
  const records = new Int32Array((HEADERS + Math.min(length, FRAME_COMMANDS_MAX)) * COMMAND_WORDS)
  const floats = new Float64Array(records.buffer)
  const count = payloadToRecords(commands, account, records, floats, HEADERS * COMMAND_WORDS)
  return { records, floats, count }
}

/** Whether a frame's options ask for a receipt. @throws FieldError when they are none that a frame has. */
export function readReceipt(options: WireValue | undefined): boolean {
  if (options === undefined || options === null) return false
  if (typeof options !== 'object' || Array.isArray(options) || options instanceof Uint8Array)
    throw new FieldError('options', 'an object such as {"receipt": true}', options)
  const { receipt = false, ...others } = options as Readonly<Record<string, unknown>>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new FieldError('options', 'receipt alone', unknown.slice(0, 40))
  if (typeof receipt !== 'boolean') throw new FieldError('options.receipt', 'true or false', receipt)
  return receipt
}
