/**
 * The payload of a command frame: an array of 1 to FRAME_COMMANDS_MAX commands, each a positional array
 * whose first element is its CommandKind. Optional elements at the end may be left out; a missing one is
 * 0. Names and meanings of the positions are in positions.ts. This file writes them (SDK) and turns them into the engine's command records
 * (gateway), so that both directions stand side by side.
 *
 *   place        [1, market, side, ticks, lots, cloid, type, timeInForce, postOnly, stp, triggerTicks,
 *                 displayLots, quoteBudget, expiresAtMs, deadlineMs]         optional from `type` on
 *   amend        [2, market, cloid, ticks, lots, deadlineMs, displayLots, triggerTicks, expiresAtMs]
 *                `lots` is the new total; 0 leaves display, trigger and expiry as they are
 *   cancel       [3, market, cloid, deadlineMs]
 *   cancelAll    [4, market or -1, side or -1, deadlineMs]
 *   cancelAfter  [20, atMs, deadlineMs]                                      0 = off
 *   protection   [21, market, windowMs, fills, notionalUnits]                0 = no such bound
 *   reset        [22, market]
 *
 * A number that the engine could judge (a price of -1, a size beyond 2^31) reaches the engine and comes
 * back as a numbered reject of that one command; a value that is no number of the field's kind refuses
 * the whole frame.
 */
import { CommandKind } from '../../engine/codes.js'
import {
  AmendCmd,
  Attr,
  COMMAND_WORDS,
  CancelAfterCmd,
  CancelAllCmd,
  CancelCmd,
  Cmd,
  INT_OVER_LIMIT,
  OrderCmd,
  PlaceCmd,
  ResetProtectionCmd,
  SetProtectionCmd,
} from '../../engine/layout.js'
import { FRAME_COMMANDS_MAX } from '../../engine/limits.js'
import { FieldError, readArray, readInt, readSafeInt, readUint64 } from './fields.js'
import type { WireValue } from './wire-value.js'

export interface PlaceCommand {
  readonly kind: typeof CommandKind.Place
  readonly market: number
  readonly side: number
  readonly ticks: number
  readonly lots: number
  readonly cloid: bigint
  readonly orderType?: number
  readonly timeInForce?: number
  readonly postOnly?: number
  readonly stp?: number
  readonly triggerTicks?: number
  readonly displayLots?: number
  readonly quoteBudget?: number
  readonly expiresAtMs?: number
  readonly deadlineMs?: number
}
export interface AmendCommand {
  readonly kind: typeof CommandKind.Amend
  readonly market: number
  readonly cloid: bigint
  readonly ticks: number
  /** New total size, the filled part included. */
  readonly lots: number
  readonly deadlineMs?: number
  readonly displayLots?: number
  readonly triggerTicks?: number
  readonly expiresAtMs?: number
}
export interface CancelCommand {
  readonly kind: typeof CommandKind.Cancel
  readonly market: number
  readonly cloid: bigint
  readonly deadlineMs?: number
}
export interface CancelAllCommand {
  readonly kind: typeof CommandKind.CancelAll
  /** -1 = every market. */
  readonly market: number
  /** -1 = both sides. */
  readonly side: number
  readonly deadlineMs?: number
}
export interface CancelAfterCommand {
  readonly kind: typeof CommandKind.CancelAfter
  /** Engine time at which all orders are cancelled; 0 = off. */
  readonly atMs: number
  readonly deadlineMs?: number
}
export interface SetProtectionCommand {
  readonly kind: typeof CommandKind.SetProtection
  readonly market: number
  readonly windowMs: number
  readonly fills: number
  readonly notionalUnits: number
}
export interface ResetProtectionCommand {
  readonly kind: typeof CommandKind.ResetProtection
  readonly market: number
}
export type WireCommand =
  | PlaceCommand
  | AmendCommand
  | CancelCommand
  | CancelAllCommand
  | CancelAfterCommand
  | SetProtectionCommand
  | ResetProtectionCommand

/** The positional array of a command, trailing zeros left out. */
export function commandToWire(command: WireCommand): WireValue[] {
  const values = positions(command)
  let length = values.length
  const required = REQUIRED[command.kind]!
  while (length > required && values[length - 1] === 0) length--
  return values.slice(0, length)
}

/** Elements that a command must have, its kind included. */
const REQUIRED: Readonly<Record<number, number>> = {
  [CommandKind.Place]: 6,
  [CommandKind.Amend]: 5,
  [CommandKind.Cancel]: 3,
  [CommandKind.CancelAll]: 3,
  [CommandKind.CancelAfter]: 2,
  [CommandKind.SetProtection]: 5,
  [CommandKind.ResetProtection]: 2,
}
const LENGTH_MAX: Readonly<Record<number, number>> = {
  [CommandKind.Place]: 15,
  [CommandKind.Amend]: 9,
  [CommandKind.Cancel]: 4,
  [CommandKind.CancelAll]: 4,
  [CommandKind.CancelAfter]: 3,
  [CommandKind.SetProtection]: 5,
  [CommandKind.ResetProtection]: 2,
}

function positions(command: WireCommand): WireValue[] {
  switch (command.kind) {
    case CommandKind.Place:
      return [
        command.kind,
        command.market,
        command.side,
        command.ticks,
        command.lots,
        command.cloid,
        command.orderType ?? 0,
        command.timeInForce ?? 0,
        command.postOnly ?? 0,
        command.stp ?? 0,
        command.triggerTicks ?? 0,
        command.displayLots ?? 0,
        command.quoteBudget ?? 0,
        command.expiresAtMs ?? 0,
        command.deadlineMs ?? 0,
      ]
    case CommandKind.Amend:
      return [
        command.kind,
        command.market,
        command.cloid,
        command.ticks,
        command.lots,
        command.deadlineMs ?? 0,
        command.displayLots ?? 0,
        command.triggerTicks ?? 0,
        command.expiresAtMs ?? 0,
      ]
    case CommandKind.Cancel:
      return [command.kind, command.market, command.cloid, command.deadlineMs ?? 0]
    case CommandKind.CancelAll:
      return [command.kind, command.market, command.side, command.deadlineMs ?? 0]
    case CommandKind.CancelAfter:
      return [command.kind, command.atMs, command.deadlineMs ?? 0]
    case CommandKind.SetProtection:
      return [command.kind, command.market, command.windowMs, command.fills, command.notionalUnits]
    case CommandKind.ResetProtection:
      return [command.kind, command.market]
  }
}

/** An int32 field: a whole number beyond int32 becomes the sentinel that the engine refuses by name. */
function int32(value: unknown, field: string): number {
  const number = value === undefined ? 0 : readSafeInt(value, field)
  return number > 2 ** 31 - 1 || number <= INT_OVER_LIMIT + 1 ? INT_OVER_LIMIT : number
}

/** A float64 field that holds a whole number; one the engine could not judge is refused here. */
function amount(value: unknown, field: string): number {
  return value === undefined ? 0 : readInt(value, field, 0, Number.MAX_SAFE_INTEGER)
}

/** A small attribute that must fit its bits; one that fits but has no meaning is the engine's to reject. */
function bits(value: unknown, field: string, count: number): number {
  return value === undefined ? 0 : readInt(value, field, 0, (1 << count) - 1)
}

/**
 * Writes the commands of a decoded payload into `words` (with its Float64 view) from word `offset` on,
 * for `account`, and returns how many there are.
 * @throws FieldError naming the command's index and field; `words` is then not to be used.
 */
export function payloadToRecords(
  payload: WireValue,
  account: number,
  words: Int32Array,
  floats: Float64Array,
  offset: number,
): number {
  const commands = readArray(payload, 'commands', 1, FRAME_COMMANDS_MAX)
  for (let index = 0; index < commands.length; index++) {
    try {
      commandToRecord(commands[index]!, account, words, floats, offset + index * COMMAND_WORDS)
    } catch (error) {
      if (error instanceof FieldError) throw error.within(`commands[${index}]`)
      throw error
    }
  }
  return commands.length
}

/** Writes one command; see payloadToRecords. */
export function commandToRecord(
  command: WireValue,
  account: number,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): void {
  const values = readArray(command, 'command', 1, 15)
  const kind = readInt(values[0], 'kind', 0, 255)
  const required = REQUIRED[kind]
  if (required === undefined) throw new FieldError('kind', 'a command that a client may send', kind)
  if (values.length < required || values.length > LENGTH_MAX[kind]!) {
    throw new FieldError('command', `${required} to ${LENGTH_MAX[kind]!} elements`, values)
  }
  words.fill(0, at, at + COMMAND_WORDS)
  const float = at >> 1
  words[at + Cmd.KIND] = kind
  words[at + Cmd.ACCOUNT] = account
  switch (kind) {
    case CommandKind.Place: {
      words[at + Cmd.KIND] =
        kind |
        (bits(values[2], 'side', 1) << Attr.SIDE_SHIFT) |
        (bits(values[6], 'type', 3) << Attr.ORDER_TYPE_SHIFT) |
        (bits(values[7], 'timeInForce', 3) << Attr.TIME_IN_FORCE_SHIFT) |
        (bits(values[8], 'postOnly', 2) << Attr.POST_ONLY_SHIFT) |
        (bits(values[9], 'stp', 3) << Attr.STP_SHIFT)
      words[at + PlaceCmd.MARKET] = int32(values[1], 'market')
      words[at + PlaceCmd.TICKS] = int32(values[3], 'ticks')
      words[at + PlaceCmd.LOTS] = int32(values[4], 'lots')
      putCloid(words, at, values[5])
      words[at + PlaceCmd.TRIGGER_TICKS] = int32(values[10], 'triggerTicks')
      words[at + PlaceCmd.DISPLAY_LOTS] = int32(values[11], 'displayLots')
      floats[float + PlaceCmd.QUOTE_BUDGET_F64] = amount(values[12], 'quoteBudget')
      floats[float + PlaceCmd.EXPIRES_AT_MS_F64] = amount(values[13], 'expiresAtMs')
      floats[float + PlaceCmd.DEADLINE_MS_F64] = amount(values[14], 'deadlineMs')
      break
    }
    case CommandKind.Amend:
      words[at + AmendCmd.MARKET] = int32(values[1], 'market')
      putCloid(words, at, values[2])
      words[at + AmendCmd.TICKS] = int32(values[3], 'ticks')
      words[at + AmendCmd.LOTS] = int32(values[4], 'lots')
      floats[float + AmendCmd.DEADLINE_MS_F64] = amount(values[5], 'deadlineMs')
      words[at + AmendCmd.DISPLAY_LOTS] = int32(values[6], 'displayLots')
      words[at + AmendCmd.TRIGGER_TICKS] = int32(values[7], 'triggerTicks')
      floats[float + AmendCmd.EXPIRES_AT_MS_F64] = amount(values[8], 'expiresAtMs')
      break
    case CommandKind.Cancel:
      words[at + CancelCmd.MARKET] = int32(values[1], 'market')
      putCloid(words, at, values[2])
      floats[float + CancelCmd.DEADLINE_MS_F64] = amount(values[3], 'deadlineMs')
      break
    case CommandKind.CancelAll:
      words[at + CancelAllCmd.MARKET] = int32(values[1], 'market')
      words[at + CancelAllCmd.SIDE] = int32(values[2], 'side')
      floats[float + CancelAllCmd.DEADLINE_MS_F64] = amount(values[3], 'deadlineMs')
      break
    case CommandKind.CancelAfter:
      floats[float + CancelAfterCmd.AT_MS_F64] = amount(values[1], 'atMs')
      floats[float + CancelAfterCmd.DEADLINE_MS_F64] = amount(values[2], 'deadlineMs')
      break
    case CommandKind.SetProtection:
      words[at + SetProtectionCmd.MARKET] = int32(values[1], 'market')
      words[at + SetProtectionCmd.WINDOW_MS] = int32(values[2], 'windowMs')
      words[at + SetProtectionCmd.FILLS] = int32(values[3], 'fills')
      floats[float + SetProtectionCmd.NOTIONAL_UNITS_F64] = amount(values[4], 'notionalUnits')
      break
    case CommandKind.ResetProtection:
      words[at + ResetProtectionCmd.MARKET] = int32(values[1], 'market')
      break
  }
}

function putCloid(words: Int32Array, at: number, value: unknown): void {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
    words[at + OrderCmd.CLOID_LO] = value | 0
    words[at + OrderCmd.CLOID_HI] = Math.floor(value / 2 ** 32)
    return
  }
  const cloid = readUint64(value, 'cloid')
  words[at + OrderCmd.CLOID_LO] = Number(cloid & 0xffffffffn) | 0
  words[at + OrderCmd.CLOID_HI] = Number(cloid >> 32n) | 0
}
