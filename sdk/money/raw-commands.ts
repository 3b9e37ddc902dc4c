/**
 * Checks wire commands before they are signed: made by `place` and its like they are right; written by hand
 * they may lack a field, have one that nobody reads, or a number that cannot be encoded exactly. What is
 * whole but wrong (a price of 0, a size beyond 31 bits) is the engine's to refuse, by its own codes.
 */
import { CommandKind, Side } from '../../engine/codes.js'
import { FRAME_COMMANDS_MAX } from '../../engine/limits.js'
import { type Check, checkFields, isCloid, refuseInput, wholeFrom } from '../base/inputs.js'
import type { WireCommand } from '../wire/commands.js'

const isWhole: Check = (value, field) => {
  if (!Number.isSafeInteger(value) || Object.is(value, -0))
    refuseInput(field, value, 'a safe whole number (a number, not a bigint or a string)')
}
const isMarketOrAll = wholeFrom(-1)
const oneOfNumbers =
  (...allowed: readonly number[]): Check =>
  (value, field) => {
    if (!allowed.includes(value as number)) refuseInput(field, value, allowed.join(', '))
  }
const isSide = oneOfNumbers(Side.Buy, Side.Sell)
const isSideOrBoth = oneOfNumbers(-1, Side.Buy, Side.Sell)

interface Shape {
  readonly name: string
  readonly required: Readonly<Record<string, Check>>
  readonly optional: readonly string[]
}

/** Every command that a client may send; whole numbers where nothing else is said. */
const SHAPES: Readonly<Record<number, Shape>> = {
  [CommandKind.Place]: {
    name: 'a place command',
    required: { market: isWhole, side: isSide, ticks: isWhole, lots: isWhole, cloid: isCloid },
    optional: [
      'orderType',
      'timeInForce',
      'postOnly',
      'stp',
      'triggerTicks',
      'displayLots',
      'quoteBudget',
      'expiresAtMs',
      'deadlineMs',
    ],
  },
  [CommandKind.Amend]: {
    name: 'an amend command',
    required: { market: isWhole, cloid: isCloid, ticks: isWhole, lots: isWhole },
    optional: ['deadlineMs', 'displayLots', 'triggerTicks', 'expiresAtMs'],
  },
  [CommandKind.Cancel]: {
    name: 'a cancel command',
    required: { market: isWhole, cloid: isCloid },
    optional: ['deadlineMs'],
  },
  [CommandKind.CancelAll]: {
    name: 'a cancel-all command',
    required: { market: isMarketOrAll, side: isSideOrBoth },
    optional: ['deadlineMs'],
  },
  [CommandKind.CancelAfter]: {
    name: 'a cancel-after command',
    required: { atMs: isWhole },
    optional: ['deadlineMs'],
  },
  [CommandKind.SetProtection]: {
    name: 'a protection command',
    required: { market: isWhole, windowMs: isWhole, fills: isWhole, notionalUnits: isWhole },
    optional: [],
  },
  [CommandKind.ResetProtection]: {
    name: 'a protection reset',
    required: { market: isWhole },
    optional: [],
  },
}

/** @throws InputError for no or too many commands, or the first field that may not be as it is. */
export function checkCommands(commands: readonly WireCommand[]): void {
  const allowed = `an array of 1 to ${FRAME_COMMANDS_MAX} commands, as place, amend, cancel and cancelAllOf make them`
  if (!Array.isArray(commands) || commands.length < 1 || commands.length > FRAME_COMMANDS_MAX)
    refuseInput('commands', commands, allowed)
  commands.forEach((command: unknown, index) => {
    const kind = typeof command === 'object' && command !== null ? (command as WireCommand).kind : undefined
    const shape = typeof kind === 'number' ? SHAPES[kind] : undefined
    if (shape === undefined) refuseInput(`commands[${index}]`, command, allowed)
    const checks: Record<string, Check> = { kind: isWhole, ...shape.required }
    for (const field of shape.optional) checks[field] = isWhole
    checkFields(`${shape.name} (commands[${index}])`, command, checks, Object.keys(shape.required))
  })
}
