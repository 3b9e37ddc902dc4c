/**
 * Checks what a caller wrote before anything is done with it. Programs without types reach the same code as
 * those with, so nothing is guessed: a field that is not known, null, a value of another kind or beyond its
 * bound is an InputError that names the field, the value and what is allowed. Absent and undefined are one.
 *
 * Called at the start of every action of the client.
 */
import { CLOID_END, DAY_MS } from '../../engine/limits.js'
import { InputError } from './errors.js'
import { ErrorCode } from '../wire/codes.js'

/** Refuses `value`, or lets it pass. */
export type Check = (value: unknown, field: string) => void

/** What an InputError's `details` say. */
export interface RefusedInput {
  readonly field: string
  readonly value: unknown
  readonly allowed: string
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value)
}

/** @throws InputError, always. */
export function refuseInput(field: string, value: unknown, allowed: string): never {
  const details: RefusedInput = { field, value, allowed }
  const found = value === undefined ? 'is missing' : `is ${shown(value)}`
  throw new InputError(`${field} ${found}; it must be ${allowed}`, { code: ErrorCode.BadParams, details })
}

/** "a, b or c". */
export const anyOf = (names: readonly string[], last = 'or'): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)!}`

/**
 * Checks the options of an action: an object with the fields of `checks` only. `required` ones must be there.
 * Fields count as they will be read, from wherever the object has them: options that inherit defaults, instances of
 * a class with getters and objects of another realm are all taken, and none of their fields passes unchecked.
 * @throws InputError for the first field that may not be as it is.
 */
export function checkFields(
  action: string,
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  required: readonly string[] = [],
): void {
  const names = Object.keys(checks)
  const about = names.length === 0 ? 'an object without fields' : `an object of ${anyOf(names, 'and')}`
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    refuseInput(`what ${action} is given`, options, about)
  const given = options as Readonly<Record<string, unknown>>
  // Inherited ones too.
  for (const field in given) {
    const value = given[field]
    if (value === undefined || Object.hasOwn(checks, field)) continue
    const details: RefusedInput = {
      field,
      value,
      allowed: names.length === 0 ? 'left out' : `one of ${names.join(', ')}`,
    }
    throw new InputError(
      `${action} has no field "${field}"; it takes ${names.length === 0 ? 'none' : anyOf(names, 'and')}`,
      { code: ErrorCode.BadParams, details },
    )
  }
  for (const field of names) {
    const value = given[field]
    if (value !== undefined || required.includes(field)) checks[field]!(value, field)
  }
}

/** Refuses what is given to a call that takes nothing: a caller who writes options there means something by them. */
export function checkNothing(action: string, given: readonly unknown[]): void {
  const value = given.find((each) => each !== undefined)
  if (value !== undefined) refuseInput(`what ${action} is given`, value, `left out: ${action} takes nothing`)
}

/** Refuses two fields that say the same thing, and, unless `optional`, that neither is given. */
export function checkOneOf(
  action: string,
  options: object,
  [first, second]: readonly [first: string, second: string],
  { optional = false }: { readonly optional?: boolean } = {},
): void {
  const given = options as Readonly<Record<string, unknown>>
  const both = given[first] !== undefined && given[second] !== undefined
  if (both) refuseInput(`${first} beside ${second}`, given[first], `left out: ${action} takes one of the two`)
  if (!optional && given[first] === undefined && given[second] === undefined)
    refuseInput(`${first} (or ${second})`, undefined, `given: ${action} needs one of the two`)
}

export const oneOf =
  (...allowed: readonly (string | boolean)[]): Check =>
  (value, field) => {
    if (!allowed.includes(value as string)) refuseInput(field, value, anyOf(allowed.map(shown)))
  }

/** A whole number within [min, max]; beyond int32 fields the exchange judges by name. */
export const wholeFrom =
  (min: number, max = Number.MAX_SAFE_INTEGER, unit = ''): Check =>
  (value, field) => {
    const number = typeof value === 'number' ? value : NaN
    if (!Number.isSafeInteger(number) || Object.is(number, -0) || number < min || number > max) {
      const end = max === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : String(max)
      refuseInput(field, value, `a safe whole number${unit} from ${min} to ${end}`)
    }
  }

/** The same, or a bigint within those bounds. */
export const wholeOrBigFrom = (min: number, max?: number, unit?: string): Check => {
  const isWhole = wholeFrom(min, max, unit)
  return (value, field) => {
    const number = typeof value === 'bigint' ? Number(value) : value
    isWhole(number, field)
  }
}

export const isBoolean: Check = (value, field) => {
  if (typeof value !== 'boolean') refuseInput(field, value, 'true or false')
}

export const isFunction: Check = (value, field) => {
  if (typeof value !== 'function') refuseInput(field, value, 'a function')
}

export const isString: Check = (value, field) => {
  if (typeof value !== 'string' || value === '') refuseInput(field, value, 'a string')
}

export const isObject: Check = (value, field) => {
  if (typeof value !== 'object' || value === null) refuseInput(field, value, 'an object')
}

export const isArray: Check = (value, field) => {
  if (!Array.isArray(value)) refuseInput(field, value, 'an array')
}

/** Bytes, exactly `count` where it is given. */
export const isBytes =
  (count?: number): Check =>
  (value, field) => {
    if (!(value instanceof Uint8Array) || (count !== undefined && value.length !== count))
      refuseInput(field, value, `${count === undefined ? '' : `${count} `}bytes (Uint8Array)`)
  }

export const isAddress: Check = (value, field) => {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{40}$/.test(value))
    refuseInput(field, value, 'an address, 0x and 40 hexadecimal digits')
}

/** An id or a symbol; whether there is such a one, Markets says. */
export const isIdOrSymbol: Check = (value, field) => {
  const isId = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
  if (!isId && (typeof value !== 'string' || value === ''))
    refuseInput(field, value, 'an id (whole number) or a symbol (string)')
}

/** An amount of tokens: units-and-atoms.ts reads it. */
export const isAmount: Check = (value, field) => {
  if (typeof value !== 'bigint' && (typeof value !== 'string' || value === ''))
    refuseInput(field, value, 'a decimal string, or a bigint of atoms')
}

export const isDecimal: Check = (value, field) => {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(value))
    refuseInput(field, value, 'a decimal string such as "59990.5"')
}

export const isCloid: Check = (value, field) => {
  if (typeof value !== 'bigint' || value < 0n || value >= CLOID_END)
    refuseInput(field, value, 'a bigint from 0n to 2^64 - 1')
}

/** A time in ms since 1970, at most `aheadMs` after `nowMs`; its message says what the unit is. */
export const timeMsWithin =
  (nowMs: number, aheadMs: number): Check =>
  (value, field) => {
    const latest = nowMs + aheadMs
    const span = aheadMs === DAY_MS ? 'a day' : `${aheadMs / DAY_MS} days`
    const number = typeof value === 'number' ? value : NaN
    if (!Number.isSafeInteger(number) || number < 0 || number > latest) {
      const unit = `milliseconds since 1970 (now: ${nowMs}), at most ${span} ahead`
      refuseInput(field, value, `a whole number of ${unit}, so at most ${latest}`)
    }
  }
