/**
 * What a field of a record is: where it stands, in which unit it is, between which bounds, and what it says. The
 * tables (command-table.ts, event-table.ts) are made of these; everything that knows where a field lies is generated
 * or derived from them. Places are words of 4 bytes, counted from the record's begin; records are little-endian and
 * 8-byte aligned.
 */
import {
  ACCOUNTS_MAX,
  ASSETS_MAX,
  FEE_PPM_MAX,
  LOTS_MAX,
  MARKETS_MAX,
  TICKS_MAX,
  TIERS_MAX,
  TIME_MS_END,
  UNITS_END,
} from '../limits.js'

const INT32_MAX = 2 ** 31 - 1
const SAFE_MAX = UNITS_END - 1

/** Units, and the values that a field has unless it says otherwise. */
export const units = {
  account: { min: 0, max: ACCOUNTS_MAX - 1 },
  market: { min: 0, max: MARKETS_MAX - 1 },
  asset: { min: 0, max: ASSETS_MAX - 1 },
  /** Market or asset, as the command says. */
  subject: { min: -(2 ** 31), max: INT32_MAX },
  ticks: { min: 1, max: TICKS_MAX },
  lots: { min: 1, max: LOTS_MAX },
  /** Units of the asset that the record names. */
  units: { min: 1, max: SAFE_MAX },
  quoteUnits: { min: 0, max: SAFE_MAX },
  ppm: { min: -FEE_PPM_MAX, max: FEE_PPM_MAX },
  tier: { min: 0, max: TIERS_MAX - 1 },
  /** Milliseconds of engine time. */
  timeMs: { min: 0, max: TIME_MS_END - 1 },
  ms: { min: 0, max: INT32_MAX },
  seq: { min: 1, max: SAFE_MAX },
  nonce: { min: 1, max: SAFE_MAX },
  count: { min: 0, max: INT32_MAX },
  /** A number of codes.ts; the field names the table. */
  code: { min: 0, max: INT32_MAX },
  /** 1 = yes. */
  flag: { min: 0, max: 1 },
  /** Chosen by clients: unsigned, 64 bits. */
  clientOrderId: { min: 0, max: 2 ** 64 },
  /** 20 bytes, 32 bytes, 32 bytes: words of 4 bytes, the first byte in the highest bits. */
  address: { min: 0, max: 0 },
  publicKeyX: { min: 0, max: 0 },
  sha256: { min: 0, max: 0 },
  /** Printable ASCII, four characters a word, the first in the lowest bits. */
  text: { min: 0, max: 0 },
} as const
export type Unit = keyof typeof units

/**
 * How a field is held: an int32; a double in two words; an unsigned 64-bit number, low word first; some bits of word
 * 0; an unsigned number, its low 32 bits in a word and the bits above in some bits of another; words one by one; text
 * with its length in a word of its own.
 */
export type Holding =
  | { readonly as: 'int32'; readonly word: number }
  | { readonly as: 'float64'; readonly word: number }
  | { readonly as: 'uint64'; readonly word: number }
  | { readonly as: 'bits'; readonly shift: number; readonly width: number }
  | {
      readonly as: 'split'
      readonly word: number
      readonly high: { readonly word: number; readonly shift: number; readonly width: number }
    }
  | { readonly as: 'words'; readonly words: readonly number[] }
  | { readonly as: 'text'; readonly word: number; readonly length: number }
type Held<As extends Holding['as']> = Extract<Holding, { readonly as: As }>

export interface Field<
  H extends Holding = Holding,
  U extends Unit = Unit,
  Optional extends boolean = boolean,
> {
  readonly held: H
  readonly unit: U
  readonly min: number
  readonly max: number
  readonly about: string
  /** Numbers that it is one of, by name. */
  readonly codes?: Readonly<Record<string, number>>
  /** Whoever writes the record may leave it out; it is `absent` then. */
  readonly optional: Optional
  readonly absent: number
  /** The field whose place it has in some records of the kind. */
  readonly insteadOf?: string
  /** Who gives it where that is not whoever gives the command: no client signs it. */
  readonly givenBy?: 'edge' | 'operator' | 'sequencer'
}
export type Fields = Readonly<Record<string, Field>>

interface More {
  readonly min?: number
  readonly max?: number
  readonly codes?: Readonly<Record<string, number>>
  readonly insteadOf?: string
  readonly givenBy?: 'edge' | 'operator' | 'sequencer'
}

function field<H extends Holding, U extends Unit>(
  held: H,
  unit: U,
  about: string,
  more: More,
): Field<H, U, false> {
  return { held, unit, about, optional: false, absent: 0, ...units[unit], ...more }
}

export const int = <U extends Unit>(word: number, unit: U, about = '', more: More = {}) =>
  field<Held<'int32'>, U>({ as: 'int32', word }, unit, about, more)
/** A double, at an even word. */
export const float = <U extends Unit>(word: number, unit: U, about = '', more: More = {}) =>
  field<Held<'float64'>, U>({ as: 'float64', word }, unit, about, more)
export const uint64 = <U extends Unit>(word: number, unit: U, about = '') =>
  field<Held<'uint64'>, U>({ as: 'uint64', word }, unit, about, {})
export const bits = <U extends Unit>(shift: number, width: number, unit: U, about = '', more: More = {}) =>
  field<Held<'bits'>, U>({ as: 'bits', shift, width }, unit, about, { max: 2 ** width - 1, ...more })
/** A number of a table of codes, in bits of word 0. */
export const codeBits = (
  shift: number,
  width: number,
  codes: Readonly<Record<string, number>>,
  about = '',
): Field<Held<'bits'>, 'code', false> =>
  bits(shift, width, 'code', about, { codes, max: Math.max(...Object.values(codes)) })
export const split = <U extends Unit>(
  word: number,
  high: { readonly word: number; readonly shift: number; readonly width: number },
  unit: U,
  about = '',
  more: More = {},
) => {
  const max = Math.min(units[unit].max, 2 ** (32 + high.width) - 1)
  return field<Held<'split'>, U>({ as: 'split', word, high }, unit, about, { max, ...more })
}
export const words = <U extends Unit>(places: readonly number[], unit: U, about = '') =>
  field<Held<'words'>, U>({ as: 'words', words: places }, unit, about, {})
export const text = (word: number, length: number, about = '') =>
  field<Held<'text'>, 'text'>({ as: 'text', word, length }, 'text', about, {})

/** The field, which may be left out: it is `absent` then. */
export const optional = <H extends Holding, U extends Unit>(
  given: Field<H, U, false>,
  absent = 0,
): Field<H, U, true> => ({ ...given, optional: true, absent, min: Math.min(given.min, absent) })

/** `count` places from `first` on. */
export const run = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index)

/** Words of a text field: 16 characters. */
export const TEXT_WORDS = 4

/** The bits that a field holds, as (word, mask). */
export function bitsOf({ held }: Field): [word: number, mask: number][] {
  const mask = (shift: number, width: number): number => ((2 ** width - 1) * 2 ** shift) | 0
  switch (held.as) {
    case 'int32':
      return [[held.word, -1]]
    case 'float64':
    case 'uint64':
      return [
        [held.word, -1],
        [held.word + 1, -1],
      ]
    case 'bits':
      return [[0, mask(held.shift, held.width)]]
    case 'split':
      return [
        [held.word, -1],
        [held.high.word, mask(held.high.shift, held.high.width)],
      ]
    case 'words':
      return held.words.map((word) => [word, -1])
    case 'text':
      return [[held.length, -1], ...run(held.word, TEXT_WORDS).map((word): [number, number] => [word, -1])]
  }
}

/** A kind of record. */
export interface Kind<F extends Fields = Fields> {
  readonly kind: number
  readonly about: string
  readonly fields: F
}
