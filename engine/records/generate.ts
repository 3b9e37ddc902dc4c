/**
 * What is made of the tables: offsets.ts, the constants that hot code reads and writes records by, and
 * docs/internals/records.md. Written by `npm run records`; a test holds both to the tables.
 */
import { COMMAND_WORDS, attributes, commandHead, commandTable, orderCommand } from './command-table.js'
import { EVENT_WORDS, eventHead, eventTable, orderEvent } from './event-table.js'
import { type Field, type Fields, type Kind, type Unit, bitsOf, units } from './fields.js'

const upper = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

/** Constants of a field: name and value. */
function constantsOf(name: string, { held }: Field): [name: string, value: number | readonly number[]][] {
  const constant = upper(name)
  switch (held.as) {
    case 'int32':
      return [[constant, held.word]]
    case 'float64':
      return [[`${constant}_F64`, held.word / 2]]
    case 'uint64':
      return [
        [`${constant}_LO`, held.word],
        [`${constant}_HI`, held.word + 1],
      ]
    case 'bits':
      return [
        [`${constant}_SHIFT`, held.shift],
        [`${constant}_MASK`, 2 ** held.width - 1],
      ]
    // Read and written by access.ts only.
    case 'split':
      return []
    case 'words':
      return [[constant, isRun(held.words) ? held.words[0]! : held.words]]
    case 'text':
      return [
        [constant, held.word],
        [`${constant}_LENGTH`, held.length],
      ]
  }
}

const isRun = (places: readonly number[]): boolean =>
  places.every((place, index) => place === places[0]! + index)

function constant(name: string, about: string, fields: Fields, head: readonly string[] = []): string {
  const lines = Object.entries(fields).flatMap(([field, each]) =>
    constantsOf(field, each).map(
      ([constant, value]) => `  ${constant}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value},`,
    ),
  )
  return `/** ${about} */\nexport const ${name} = {\n${[...head, ...lines].join('\n')}\n} as const\n`
}

const KIND_LINES = ['  KIND: 0,']
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** engine/records/offsets.ts. */
export function offsetsSource(): string {
  const kinds = (table: Readonly<Record<string, Kind>>, suffix: string): string[] =>
    Object.entries(table).map(([name, { about, fields }]) =>
      constant(`${name}${suffix}`, `${capital(about)}.`, fields),
    )
  return [
    `/**
 * Where the fields of records lie. Made by \`npm run records\` from command-table.ts and event-table.ts, which say what
 * each field means: change those, not this. Names that end in _F64 are indices into a Float64Array, all others into an
 * Int32Array, of the same buffer; _SHIFT and _MASK are of word 0.
 */
export const COMMAND_WORDS = ${COMMAND_WORDS}
export const COMMAND_BYTES = ${COMMAND_WORDS * 4}
export const EVENT_WORDS = ${EVENT_WORDS}
export const EVENT_BYTES = ${EVENT_WORDS * 4}
/** The kind of a record, in word 0. */
export const KIND_MASK = 255
/** What an order is, in word 0. */
export const ATTRIBUTES_MASK = ${Object.values<Field>(attributes).reduce((all, field) => all | bitsOf(field)[0]![1], 0)}
`,
    constant('Cmd', 'What stands at the same place in every command that has it.', commandHead, KIND_LINES),
    constant('Ev', 'What stands at the same place in every event that has it.', eventHead, KIND_LINES),
    constant(
      'Attr',
      'What an order is, in word 0 of Place commands, order events and records of orders.',
      attributes,
    ),
    constant('OrderCmd', 'What Place, Amend and Cancel have in common.', orderCommand),
    constant('OrderEv', 'What every event of one order has in common.', orderEvent),
    ...kinds(commandTable, 'Cmd'),
    ...kinds(eventTable, 'Ev'),
  ].join('\n')
}

/** Where a field stands, in words. */
function place({ held }: Field): string {
  switch (held.as) {
    case 'int32':
      return `${held.word}`
    case 'float64':
    case 'uint64':
      return `${held.word}, ${held.word + 1}`
    case 'bits':
      return held.width === 1
        ? `0, bit ${held.shift}`
        : `0, bits ${held.shift}–${held.shift + held.width - 1}`
    case 'split':
      return `${held.word}; ${held.high.word}, bits ${held.high.shift}–${held.high.shift + held.high.width - 1}`
    case 'words':
      return isRun(held.words) ? `${held.words[0]}–${held.words.at(-1)}` : held.words.join(', ')
    case 'text':
      return `${held.word}–${held.word + 3}; length ${held.length}`
  }
}

const types: Readonly<Record<Field['held']['as'], string>> = {
  int32: 'int32',
  float64: 'f64',
  uint64: 'uint64',
  bits: 'bits',
  split: 'split',
  words: 'bytes',
  text: 'text',
}

/** Units by the words of the documents. */
const unitNames: Readonly<Record<Unit, string>> = {
  account: 'account',
  market: 'market',
  asset: 'asset',
  subject: 'market or asset',
  ticks: 'ticks',
  lots: 'lots',
  units: 'units',
  quoteUnits: 'quote units',
  ppm: 'millionths',
  tier: 'tier',
  timeMs: 'engine time, ms',
  ms: 'ms',
  seq: 'seq',
  nonce: 'nonce',
  count: 'count',
  code: 'code',
  flag: '1 = yes',
  clientOrderId: 'client order id',
  address: 'address, 20 bytes',
  publicKeyX: '32 bytes',
  sha256: 'SHA-256, 32 bytes',
  text: 'ASCII',
}

const POWERS: ReadonlyMap<number, string> = new Map([
  [2 ** 31 - 1, '2^31 - 1'],
  [-(2 ** 31), '-2^31'],
  [2 ** 53 - 1, '2^53 - 1'],
  [1 - 2 ** 53, '1 - 2^53'],
  [2 ** 43 - 1, '2^43 - 1'],
  [2 ** 64, '2^64 - 1'],
])
const number = (value: number): string => POWERS.get(value) ?? String(value)

function bound({ unit, min, max, codes }: Field): string {
  if (units[unit].max === 0 || unit === 'flag' || unit === 'subject') return ''
  if (codes === undefined) return `${number(min)} to ${number(max)}`
  const named = Object.entries(codes).filter(([, code]) => code >= min && code <= max)
  return named.length > 6 ? '' : named.map(([name, code]) => `${code} ${name}`).join(', ')
}

function table(fields: Fields): string {
  const rows = Object.entries(fields).map(([name, field]) => {
    const about = [
      field.about,
      field.insteadOf === undefined ? '' : `in place of ${field.insteadOf}`,
      field.givenBy === undefined ? '' : `given by the ${field.givenBy}`,
    ]
      .filter((text) => text !== '')
      .join('; ')
    return `| ${place(field)} | ${types[field.held.as]} | ${name} | ${unitNames[field.unit]} | ${bound(field)} | ${about} |`
  })
  return [
    '| words | type | field | unit | values | |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

const section = (name: string, { kind, about, fields }: Kind, more = ''): string =>
  `### ${kind} ${name}\n\n${capital(about)}.${more}\n\n${table(fields)}\n`

/** docs/internals/records.md. */
export function recordsPage(): string {
  return `# Records

What a command and an event are, byte by byte. Generated from \`engine/records/command-table.ts\` and \`event-table.ts\` by \`npm run records\`; do not edit. Codes by name: \`engine/codes.ts\`, and [the protocol](../protocol.md).

All records are little-endian and 8-byte aligned; places are words of 4 bytes, counted from the record's begin. Word 0 has the kind in bits 0–7. What a kind has no field for is 0.

| type | |
| --- | --- |
| int32 | one word, signed |
| f64 | two words, a double; every value is a whole number |
| uint64 | two words, the low one first, unsigned |
| bits | of word 0 |
| split | unsigned: its low 32 bits in the first word, the bits above in those bits of the second |
| bytes | words whose first byte is in the highest bits, in the order given |
| text | four characters a word, the first in the lowest bits; the length in a word of its own |

An id, price, size or amount is bounded as the table says where the engine is to take the command; a record may hold any number, and what is outside comes back as a numbered reject. A command that an edge could not read as an int32 holds -2^31 (too large) or -2^31 + 1 (no whole number).

## Commands

${COMMAND_WORDS * 4} bytes, ${COMMAND_WORDS} words. The [journal](journal.md) keeps them as they are.

### Signed form

A client signs, in a frame, commands of the kinds ${Object.entries(commandTable)
    .filter(([, { isClients }]) => isClients)
    .map(([name]) => name)
    .join(
      ', ',
    )}. The signed form of a command is its record: ${COMMAND_WORDS * 4} bytes, the account that of the frame, every bit 0 that no field of the kind has, and so is every field that the edge or the operator gives. So the bytes that are signed are those that the journal keeps and the engine executes (\`isSignedForm\` in \`engine/records/access.ts\`).

${Object.entries(commandTable)
  .map(([name, kind]) => section(name, kind))
  .join('\n')}
## Events

${EVENT_WORDS * 4} bytes, ${EVENT_WORDS} words. Word 1 is the market or asset that it is about, words 2, 3 (f64) the seq of its command, word 6 the account.

${Object.entries(eventTable)
  .map(([name, kind]) => section(name, kind))
  .join('\n')}`
}
