/**
 * Reads and writes whole records by the tables, field by field and by name, and says them as text. For whatever is
 * not paid for by the nanosecond: the operator's and settlement's commands, tools, journals as text, tests. Hot code
 * takes places from offsets.ts.
 *
 * A flag is a boolean here, a client order id a bigint, and what is longer (a key, a hash, an address) its words.
 */
import { kindOf } from '../layout.js'
import { COMMAND_WORDS, commandHead, commandTable } from './command-table.js'
import { EVENT_WORDS, eventHead, eventTable } from './event-table.js'
import { type Field, type Fields, type Kind, TEXT_WORDS, bitsOf } from './fields.js'

type ValueOf<F> = F extends { readonly unit: 'flag' }
  ? boolean
  : F extends { readonly held: { readonly as: 'uint64' } }
    ? bigint
    : F extends { readonly held: { readonly as: 'words' } }
      ? readonly number[]
      : F extends { readonly held: { readonly as: 'text' } }
        ? string
        : number
/** What a writer may be given for a field: a whole number for a client order id too. */
type GivenOf<F> = F extends { readonly held: { readonly as: 'uint64' } }
  ? bigint | number
  : F extends { readonly held: { readonly as: 'words' } }
    ? ArrayLike<number>
    : ValueOf<F>
type Value = boolean | bigint | readonly number[] | string | number
type Given = Value | ArrayLike<number>

type OptionalNames<F> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never
}[keyof F]
type ValuesOf<F> = { readonly [K in keyof F]: ValueOf<F[K]> }
type Simple<T> = { [K in keyof T]: T[K] }

export type CommandName = keyof typeof commandTable
export type EventName = keyof typeof eventTable
type CommandFieldsOf<K extends CommandName> = (typeof commandTable)[K]['fields']
type EventFieldsOf<K extends EventName> = (typeof eventTable)[K]['fields']

/** The fields of a command, as they are given; those that the table calls optional may be left out. */
export type CommandFields<K extends CommandName> = Simple<
  {
    readonly [F in Exclude<keyof CommandFieldsOf<K>, OptionalNames<CommandFieldsOf<K>>>]: GivenOf<
      CommandFieldsOf<K>[F]
    >
  } & {
    readonly [F in OptionalNames<CommandFieldsOf<K>>]?: GivenOf<CommandFieldsOf<K>[F]> | undefined
  }
>
/** The fields of an event, as they are given; what is not is 0. */
export type EventFields<K extends EventName> = Simple<{
  readonly [F in keyof EventFieldsOf<K>]?: GivenOf<EventFieldsOf<K>[F]> | undefined
}>
/** A command as it was read, by name. */
export type CommandRecord<K extends CommandName = CommandName> = {
  [Name in K]: Simple<{ readonly name: Name } & ValuesOf<CommandFieldsOf<Name>>>
}[K]
/** An event as it was read, by name. */
export type EventRecord<K extends EventName = EventName> = {
  [Name in K]: Simple<{ readonly name: Name; readonly seq: number } & ValuesOf<EventFieldsOf<Name>>>
}[K]

const byKind = (table: Readonly<Record<string, Kind>>): ReadonlyMap<number, readonly [string, Kind]> =>
  new Map(Object.entries(table).map(([name, kind]) => [kind.kind, [name, kind]]))
const commandsByKind = byKind(commandTable)
const eventsByKind = byKind(eventTable)

const CLOID = new BigUint64Array(1)
const CLOID_HALVES = new Int32Array(CLOID.buffer)

/**
 * The client order id whose low word stands at `low`, its high word behind it. By way of a view: one allocation instead
 * of four.
 */
export function cloidAt(words: Int32Array, low: number): bigint {
  CLOID_HALVES[0] = words[low]!
  CLOID_HALVES[1] = words[low + 1]!
  return CLOID[0]!
}

/** Writes a client order id: a bigint of 64 bits, or a safe whole number from 0 up. */
export function putCloid(words: Int32Array, low: number, cloid: bigint | number): void {
  if (typeof cloid === 'number') {
    words[low] = cloid | 0
    words[low + 1] = Math.floor(cloid / 2 ** 32)
    return
  }
  words[low] = Number(cloid & 0xffffffffn) | 0
  words[low + 1] = Number(cloid >> 32n) | 0
}

/** The field of the record at word `at`. */
export function readField<F extends Field>(
  field: F,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): ValueOf<F> {
  return valueOf(field, words, floats, at) as ValueOf<F>
}

function valueOf({ held, unit }: Field, words: Int32Array, floats: Float64Array, at: number): Value {
  switch (held.as) {
    case 'int32':
      return unit === 'flag' ? words[at + held.word] === 1 : words[at + held.word]!
    case 'float64':
      return unit === 'flag' ? floats[(at + held.word) >> 1] === 1 : floats[(at + held.word) >> 1]!
    case 'bits': {
      const value = bitsAt(words[at]!, held)
      return unit === 'flag' ? value === 1 : value
    }
    case 'uint64':
      return cloidAt(words, at + held.word)
    case 'split':
      return (words[at + held.word]! >>> 0) + bitsAt(words[at + held.high.word]!, held.high) * 2 ** 32
    case 'words':
      return held.words.map((word) => words[at + word]!)
    case 'text': {
      const length = Math.min(Math.max(0, words[at + held.length]!), 4 * TEXT_WORDS)
      return Array.from({ length }, (_, index) =>
        String.fromCharCode((words[at + held.word + (index >> 2)]! >>> (8 * (index & 3))) & 0xff),
      ).join('')
    }
  }
}

const bitsAt = (word: number, { shift, width }: { shift: number; width: number }): number =>
  (word >>> shift) & (2 ** width - 1)

/** Writes a field into a record whose bits there are 0. @throws RangeError for a number that a split field cannot carry. */
function putField(
  name: string,
  { held }: Field,
  words: Int32Array,
  floats: Float64Array,
  at: number,
  given: Given,
): void {
  switch (held.as) {
    case 'int32':
      words[at + held.word] = Number(given)
      return
    case 'float64':
      floats[(at + held.word) >> 1] = Number(given)
      return
    case 'bits':
      words[at]! |= Number(given) << held.shift
      return
    case 'uint64':
      putCloid(words, at + held.word, given as bigint | number)
      return
    case 'split': {
      const end = 2 ** (32 + held.high.width)
      const value = given as number
      if (!(Number.isInteger(value) && value >= 0 && value < end))
        throw new RangeError(`${name} ${value} is no whole number from 0 to ${end - 1}`)
      words[at + held.word] = value | 0
      words[at + held.high.word]! |= Math.floor(value / 2 ** 32) << held.high.shift
      return
    }
    case 'words':
      held.words.forEach((word, index) => (words[at + word] = (given as ArrayLike<number>)[index]!))
      return
    case 'text': {
      const symbol = given as string
      words[at + held.length] = symbol.length
      for (let index = 0; index < Math.min(4 * TEXT_WORDS, symbol.length); index++)
        words[at + held.word + (index >> 2)]! |= symbol.charCodeAt(index) << (8 * (index & 3))
    }
  }
}

function put(
  kind: Kind,
  size: number,
  words: Int32Array,
  floats: Float64Array,
  at: number,
  given: Readonly<Record<string, Given | undefined>>,
): void {
  words.fill(0, at, at + size)
  words[at] = kind.kind
  for (const name in kind.fields) {
    const field = kind.fields[name]!
    const value = given[name]
    if (value !== undefined) putField(name, field, words, floats, at, value)
    else if (field.absent !== 0) putField(name, field, words, floats, at, field.absent)
  }
}

/**
 * Writes a command record at word `at`, a multiple of COMMAND_WORDS, into an Int32Array and the Float64Array of the
 * same buffer; every word of it is set. Nothing is checked, the engine judges: integers must be int32 (INT_OVER_LIMIT
 * and INT_NOT_AN_INTEGER stand for what does not fit).
 * @throws RangeError for a number that an ApproveSession record cannot carry.
 */
export function writeCommand<K extends CommandName>(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  name: K,
  fields: CommandFields<K>,
): void {
  put(commandTable[name], COMMAND_WORDS, words, floats, at, fields)
}

/** A command record by itself. */
export function commandRecord<K extends CommandName>(
  name: K,
  fields: CommandFields<K>,
): Int32Array<ArrayBuffer> {
  const words = new Int32Array(COMMAND_WORDS)
  writeCommand(words, new Float64Array(words.buffer), 0, name, fields)
  return words
}

/** Writes an event record at word `at`, a multiple of EVENT_WORDS; what is not given is 0. */
export function writeEvent<K extends EventName>(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  name: K,
  seq: number,
  fields: EventFields<K>,
): void {
  put(eventTable[name], EVENT_WORDS, words, floats, at, fields)
  putField('seq', eventHead.seq, words, floats, at, seq)
}

function read(
  kinds: ReadonlyMap<number, readonly [string, Kind]>,
  words: Int32Array,
  floats: Float64Array,
  at: number,
): Record<string, Value> | undefined {
  const found = kinds.get(kindOf(words[at]!))
  if (found === undefined) return undefined
  const [name, { fields }] = found
  const values: Record<string, Value> = { name }
  for (const field in fields) values[field] = valueOf(fields[field]!, words, floats, at)
  return values
}

/** The command record at word `at`; undefined when it is of no kind that there is. */
export function readCommand(words: Int32Array, floats: Float64Array, at: number): CommandRecord | undefined {
  return read(commandsByKind, words, floats, at) as CommandRecord | undefined
}

/** The event record at word `at`; undefined when it is of no kind that there is. */
export function readEvent(words: Int32Array, floats: Float64Array, at: number): EventRecord | undefined {
  const values = read(eventsByKind, words, floats, at)
  if (values !== undefined) values['seq'] = valueOf(eventHead.seq, words, floats, at)
  return values as EventRecord | undefined
}

const hex = (words: ArrayLike<number>): string =>
  Array.from(words, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')

/**
 * The command record at word `at` as an object for JSON: kind by name, numbers as they are, a client order id in
 * decimal digits, what is longer in hexadecimal; `stray` where bits are set that no field of its kind has. A record of
 * no kind is its words.
 */
export function describeCommand(
  words: Int32Array,
  floats: Float64Array,
  at: number,
): Record<string, unknown> {
  const found = commandsByKind.get(kindOf(words[at]!))
  if (found === undefined)
    return { kind: kindOf(words[at]!), words: hex(words.subarray(at, at + COMMAND_WORDS)) }
  const [name, kind] = found
  const said: Record<string, unknown> = { kind: name }
  for (const field in kind.fields) {
    const value = valueOf(kind.fields[field]!, words, floats, at)
    if (typeof value === 'bigint') said[field] = value.toString()
    else if (typeof value !== 'object') said[field] = value
    else said[field] = kind.fields[field]!.unit === 'address' ? `0x${hex(value)}` : hex(value)
  }
  const stray = strayBits(kind.fields, words, at)
  return stray.every((word) => word === 0) ? said : { ...said, stray: hex(stray) }
}

/** The words of the command record at `at`, without the bits of its kind and of its fields. */
function strayBits(fields: Fields, words: Int32Array, at: number): Int32Array {
  const stray = words.slice(at, at + COMMAND_WORDS)
  stray[0]! &= ~0xff
  for (const name in fields) for (const [word, mask] of bitsOf(fields[name]!)) stray[word]! &= ~mask
  return stray
}

/**
 * Whether the command record at word `at` is one that a client may sign: of a kind that a signed frame may carry, for
 * the frame's account, and nothing set but what the client gives. Such a record is the signed form itself: the same 64
 * bytes are signed, journaled and executed.
 */
export function isSignedForm(words: Int32Array, at: number, account: number): boolean {
  const name = commandsByKind.get(kindOf(words[at]!))?.[0] as CommandName | undefined
  if (name === undefined || !commandTable[name].isClients) return false
  if (words[at + commandHead.account.held.word] !== account) return false
  const fields: Fields = commandTable[name].fields
  const given = Object.entries(fields).filter(([, { givenBy }]) => givenBy === undefined)
  return strayBits(Object.fromEntries(given), words, at).every((word) => word === 0)
}
