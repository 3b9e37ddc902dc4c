/**
 * Reads single fields of decoded messages, whichever encoding they came in. Each reader takes an unknown
 * value and either returns exactly the type it promises or throws FieldError with the field's name, the
 * bound and what was found. Nothing is coerced silently: a fraction, NaN, -0 or 2^53 is refused.
 */
import { CLOID_END } from '../../engine/limits.js'
import { TEXT_LENGTH_MAX } from '../limits.js'
import { fromBase64url } from './bytes.js'
import type { WireValue } from './wire-value.js'

/** A field that is not what the schema says. */
export class FieldError extends Error {
  override readonly name = 'FieldError'
  constructor(
    readonly field: string,
    readonly expected: string,
    found: unknown,
  ) {
    super(`${field}: expected ${expected}, found ${describe(found)}`)
    this.#found = found
  }
  readonly #found: unknown

  /** The same error, its field named from further out. */
  within(outer: string): FieldError {
    return new FieldError(`${outer}.${this.field}`, this.expected, this.#found)
  }
}

function describe(value: unknown): string {
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value === null || typeof value !== 'object') return String(value)
  return 'an object'
}

/** A whole number within [min, max]. */
export function readInt(value: unknown, field: string, min: number, max: number): number {
  if (
    typeof value !== 'number' ||
    !Number.isInteger(value) ||
    Object.is(value, -0) ||
    value < min ||
    value > max
  ) {
    throw new FieldError(field, `a whole number from ${min} to ${max}`, value)
  }
  return value
}

/** A whole number within +-(2^53 - 1). */
export function readSafeInt(value: unknown, field: string): number {
  return readInt(value, field, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
}

/** An unsigned 64-bit number: a number, a bigint or a decimal string. */
export function readUint64(value: unknown, field: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
    return BigInt(value)
  }
  if (typeof value === 'bigint' && value >= 0n && value < CLOID_END) return value
  if (typeof value === 'string' && /^(0|[1-9][0-9]{0,19})$/.test(value)) {
    const number = BigInt(value)
    if (number < CLOID_END) return number
  }
  throw new FieldError(field, 'an unsigned 64-bit number', value)
}

export function readString(value: unknown, field: string, lengthMax = TEXT_LENGTH_MAX): string {
  if (typeof value !== 'string' || value.length > lengthMax) {
    throw new FieldError(field, `a string of at most ${lengthMax} characters`, value)
  }
  return value
}

export function readBool(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw new FieldError(field, 'true or false', value)
  return value
}

/** Exactly `length` bytes (any number of them when it is not given): bin, or base64url text. */
export function readBytes(value: unknown, field: string, length?: number): Uint8Array {
  const bytes =
    typeof value === 'string' ? fromBase64url(value) : value instanceof Uint8Array ? value : undefined
  if (bytes === undefined || (length !== undefined && bytes.length !== length)) {
    throw new FieldError(field, length === undefined ? 'bytes' : `${length} bytes`, value)
  }
  return bytes
}

/** An array of `min` to `max` elements. */
export function readArray(value: unknown, field: string, min: number, max: number): readonly WireValue[] {
  if (!Array.isArray(value) || value.length < min || value.length > max) {
    throw new FieldError(field, min === max ? `an array of ${min}` : `an array of ${min} to ${max}`, value)
  }
  return value as readonly WireValue[]
}

/** An object with string keys. */
export function readObject(value: unknown, field: string): Readonly<Record<string, WireValue | undefined>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new FieldError(field, 'an object', value)
  }
  return value as Readonly<Record<string, WireValue | undefined>>
}
