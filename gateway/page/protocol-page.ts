/**
 * docs/protocol.md: the protocol for whoever writes a client in any language. Made from the schema, the
 * tables of numbers and positions, the settings' defaults, and the comments of the files that define the
 * numbers and the signed bytes, so that no sentence about them stands in two places. Written by
 * `npm run docs:protocol`; a test holds page and sources together.
 */
import type { z } from 'zod'
import {
  COMMAND_STEPS_MAX,
  FRAME_COMMANDS_MAX,
  SINGLE_FILLS_MAX,
  SWEPT_FILL_ADDRESS_ORDERS,
  SWEPT_FILL_ORDERS,
} from '../../engine/limits.js'
import { bookChecksum } from '../../sdk/wire/checksum.js'
import { httpEndpoints, httpStatus } from '../../sdk/wire/http.js'
import { Method } from '../../sdk/wire/layout.js'
import { type NumberTable, numbers } from '../../sdk/wire/numbers.js'
import { type Position, commandForms, entries, entryText, paramNames } from '../../sdk/wire/positions.js'
import { type MethodSchema, methods, streams } from '../../sdk/wire/schema.js'
import { WALLET_VERSION, walletTypes } from '../../sdk/wire/signed.js'
import { PROTOCOL_VERSION, Subprotocol } from '../../sdk/wire/version.js'
import { type GatewayConfig, gatewayConfig } from '../settings/config.js'
import { jsonSchema } from '../protocol/documents.js'
import { FILLS_UNDER_WAY_MAX, HTTP_HEAD_BYTES_MAX, RESTING_LOTS_A_FILL } from '../limits.js'

type Json = Readonly<Record<string, unknown>>
/** Text of a source file, by its path from the repository's root. */
export type ReadSource = (path: string) => string

const row = (...cells: readonly (string | number)[]): string =>
  `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [row(...head), row(...head.map(() => '---')), ...rows.map((cells) => row(...cells))].join('\n')
const code = (text: string): string => `\`${text}\``

/** The text of the comment that a source file opens with. */
export function headComment(source: string): string {
  const text = /^\/\*\*\n([\s\S]*?)\n \*\//.exec(source)?.[1]
  if (text === undefined) throw new Error('a source file opens with no comment')
  return text.replaceAll(/^ \* ?/gm, '')
}

/** Comments of the numbers of a constant, by name. */
export function numberComments(source: string, constant: string): Map<string, string> {
  const body = new RegExp(`export const ${constant} = \\{([\\s\\S]*?)\\n?\\} as const`).exec(source)?.[1]
  if (body === undefined) throw new Error(`no constant ${constant}`)
  const comments = new Map<string, string>()
  for (const [, comment, name] of body.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(\w+):/g))
    comments.set(name!, comment!.replaceAll(/\s*\n\s*\* ?/g, ' ').trim())
  return comments
}

/** What a value is, in few words: `{market: int, bid: [ticks, lots, orders] or null}`. */
function typeText(schema: Json): string {
  const any = (schema['anyOf'] ?? schema['oneOf']) as Json[] | undefined
  if (any !== undefined) return any.map(typeText).join(' or ')
  const type = schema['type']
  if ('const' in schema) return JSON.stringify(schema['const'])
  if (Array.isArray(schema['enum'])) return (schema['enum'] as unknown[]).map(String).join(', ')
  if (type === 'array') {
    const { prefixItems, items, description } = schema as {
      prefixItems?: Json[]
      items?: Json
      description?: string
    }
    if (prefixItems === undefined) return `list of ${items === undefined ? 'anything' : typeText(items)}`
    if (description?.startsWith('[') === true) return description
    return `[${prefixItems.map(typeText).join(', ')}]`
  }
  if (type === 'object') {
    const { properties = {}, required = [] } = schema as {
      properties?: Record<string, Json>
      required?: string[]
    }
    const fields = Object.entries(properties).map(
      ([name, field]) => `${name}${required.includes(name) ? '' : '?'}: ${typeText(field)}`,
    )
    const text = `{${fields.join(', ')}}`
    return typeof schema['description'] === 'string' ? `${text}, ${schema['description']}` : text
  }
  if (type === 'integer') return 'int'
  if (typeof schema['description'] === 'string') return schema['description']
  return typeof type === 'string' ? type : 'anything'
}

const resultText = (schema: z.ZodType): string => typeText(jsonSchema(schema) as Json)

/** A param: its name, what it is, its bounds. */
function paramText(name: string, schema: Json, isOptional: boolean): string {
  const { description, minimum, maximum } = schema as {
    description?: string
    minimum?: number
    maximum?: number
  }
  const bounds =
    minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER
      ? ` (${minimum} to ${maximum})`
      : ''
  const what = schema['type'] === 'integer' ? (description ?? 'int') : typeText(schema)
  return `${code(name)}${isOptional ? ', may be absent' : ''}: ${what}${bounds}`
}

function methodRows(): (readonly string[])[] {
  return Object.values(Method).map((name) => {
    const { params, result, scope, weight, about }: MethodSchema = methods[name]
    const schema = jsonSchema(params) as Json
    const items = (schema['prefixItems'] ?? []) as Json[]
    const required = (schema['minItems'] as number | undefined) ?? 0
    const texts = items.map((item, index) =>
      paramText(paramNames[name][index] ?? '', item, index >= required),
    )
    return [
      code(name),
      texts.length === 0 ? 'none' : texts.join('; '),
      resultText(result),
      scopeText(scope),
      String(weight),
      about,
    ]
  })
}

function scopeText(scope: number): string {
  const names = Object.entries(numbers.Scope.codes).filter(([, bit]) => (scope & bit) !== 0)
  return names.length === 0 ? '' : names.map(([name]) => name).join(' ')
}

function numbersText(read: ReadSource): string {
  const sections = Object.entries(numbers).map(([name, given]) => {
    const { about, codes, bits = false, orNone = false, notes = {}, source }: NumberTable = given
    const comments = numberComments(read(source[0]), source[1])
    const isError = name === 'ErrorCode' || name === 'RejectCode'
    const rows = Object.entries(codes)
      .sort(([, a], [, b]) => a - b)
      .map(([value, number]) => [
        number,
        value,
        ...(isError ? [httpStatus(number)] : []),
        comments.get(value) ?? notes[value] ?? '',
      ])
    const remarks = [bits ? 'Bits, added up.' : '', orNone ? '0 = none.' : ''].filter(
      (remark) => remark !== '',
    )
    return [
      `### ${name}`,
      [about, ...remarks].join(' '),
      table(['number', 'name', ...(isError ? ['HTTP'] : []), 'meaning'], rows),
    ].join('\n\n')
  })
  return sections.join('\n\n')
}

const positionRows = (positions: readonly Position[]): (readonly (string | number)[])[] =>
  positions.map(({ name, about, numbers: of }, index) => [
    index,
    name,
    [of === undefined ? '' : `[${of}](#${of.toLowerCase()})`, about].filter((part) => part !== '').join(': '),
  ])

function entriesText(): string {
  return Object.entries(entries)
    .map(
      ([name, positions]) =>
        `### Entry: ${name}\n\n${table(['position', 'name', 'meaning'], positionRows(positions))}`,
    )
    .join('\n\n')
}

function commandsText(): string {
  return commandForms
    .map(({ kind, name, required, positions, about }) =>
      [
        `### Command: ${name}`,
        `Kind ${kind}. ${about} ${required === positions.length ? 'Every element must be there.' : `The first ${required} elements must be there; of the others, those at the end may be left out and are 0.`}`,
        table(['position', 'name', 'meaning'], positionRows(positions)),
      ].join('\n\n'),
    )
    .join('\n\n')
}

function walletText(): string {
  return Object.entries(walletTypes)
    .map(([name, fields]) => `${name}(${fields.map((field) => `${field.type} ${field.name}`).join(',')})`)
    .join('\n')
}

function httpRows(): (readonly string[])[] {
  return httpEndpoints.map(({ verb, path, method, query }) => [
    verb,
    code(path),
    code(method),
    verb === 'POST'
      ? 'body: the params, as an array'
      : query
          .map(({ name, fallback }) => (fallback === undefined ? name : `${name} = ${fallback}`))
          .join(', '),
  ])
}

function budgetRows(config: GatewayConfig): (readonly (string | number)[])[] {
  return Object.entries(config)
    .filter(
      (entry): entry is [string, { perSecond: number; burst: number }] =>
        typeof entry[1] === 'object' && 'burst' in entry[1],
    )
    .map(([name, { perSecond, burst }]) => [name, perSecond, burst])
}

/** The whole page; `read` gives the sources whose comments it quotes. */
export function protocolPage(read: ReadSource): string {
  const config = gatewayConfig()
  const book = {
    bids: [
      [99, 4, 1],
      [98, 1, 2],
    ],
    asks: [[101, 3, 1]],
  }
  const sections: readonly string[] = [
    '# Protocol',
    `Generated by \`npm run docs:protocol\` from the schema that the server validates with; do not edit. The same in machine form: \`/v1/asyncapi.json\` and \`/v1/openapi.json\` of every exchange. Version ${PROTOCOL_VERSION}.`,
    '## Connecting',
    `A WebSocket of version 13 at \`/\`, with one of two subprotocols, which carry one schema: ${Object.values(Subprotocol).map(code).join(' (binary messages) and ')} (text messages). Another path is 404, another version 426, no known subprotocol 400. The server speaks first: it says hello. It pings at half of the idle time (${config.idleTimeoutS} s by default) and closes who answers nothing. A connection has no session until one logs on; public questions and streams need none.`,
    '## Values',
    [
      'Every message is an array; its first element says what it is. Arrays may grow at their end in later versions: a reader ignores elements beyond those it knows. Numbers are whole.',
      '',
      table(
        ['value', 'MessagePack', 'JSON'],
        [
          ['whole number up to 2^53 - 1', 'integer', 'number'],
          ['unsigned 64-bit (client order ids)', 'uint64', 'decimal string; a number below 2^53 is taken'],
          ['bytes (keys, signatures, hashes)', 'bin', 'unpadded base64url'],
          [
            'payload of a frame',
            'bin: the MessagePack encoding of the commands',
            'the JSON text of the commands itself, in a string: not base64url',
          ],
        ],
      ),
      '',
      'Prices are *ticks*, sizes *lots*, amounts *units*. base units = lots x lotUnits, quote units = ticks x lots x tickUnits of the market; one unit is `unitAtoms` atoms of the token. Times are milliseconds since 1970. A `seq` is the number of a command in the order of the world, without gap. A key that stands twice in an object is refused, and so is a number of JSON that would be read as another whole one (0.99999999999999999).',
    ].join('\n'),
    '## Messages',
    table(
      ['kind', 'message'],
      [
        [
          0,
          'request, client to server: `[0, id, method, params]`; `id` 0 to 2^31 - 1, chosen by the client; params an array, also an empty one',
        ],
        [1, 'result: `[1, id, result]`'],
        [2, 'error: `[2, id or null, code, {name, message, retryAfter?, details?}]`; `retryAfter` in ms'],
        [3, 'event: `[3, stream, seq, prevSeq, data, checksum?]`'],
        [
          4,
          'snapshot: `[4, stream, epoch, seq, data, checksum or null?, more?]`; `more` 1 = further pages of the same snapshot follow, each a message like this',
        ],
        [5, 'control: `[5, what, details]`'],
        [
          6,
          'hello: `[6, version, epoch, timeMs, challenge, {chainId, vault, settlement, signedFrames, receiptKey?}]`; timeMs: engine time; challenge: 32 bytes to log on with; receiptKey: 33 bytes',
        ],
      ],
    ),
    '## Time',
    'Every moment on the wire but one is **engine time**, in ms since 1970: expiries of sessions, orders and HTTP tokens, deadlines, dead-man switches, the bound of wallet nonces, and `timeMs` wherever it stands. The exchange’s sequencer gives it; it never goes back, it is that of the clock while that goes right, and a clock that jumps by more than a minute is not followed, so it may be ahead of the wall clock or behind it. The hello tells it, `time` tells the wall clock beside it (the one exception, for people to compare), `nonces`, `session` and `withdrawal` tell it with their answers. A client computes each deadline from it, by a clock of its own that nobody sets: engine time as told, and what has passed since. A session ends (SessionEnded) when engine time reaches its `expiresAtMs`, whatever any wall clock says.',
    '## Numbers',
    numbersText(read),
    '## Signed bytes',
    'This is the comment of `sdk/wire/signed.ts`, which writes and checks them:',
    `\`\`\`text\n${headComment(read('sdk/wire/signed.ts'))}\n\`\`\``,
    `Typed data of a wallet (EIP-712; domain: name \`Glassbook\`, version \`${WALLET_VERSION}\`, the chain id, verifyingContract = the vault; a signature is 65 bytes, r, s, v):`,
    `\`\`\`text\n${walletText()}\n\`\`\``,
    'Nonces of approvals and revocations are one row: each must be above every earlier one of the account, of either kind. Withdrawals have a row of their own. A nonce is a whole number from 1 to (engine time in ms + 86,400,000) * 1000; `nonces` tells the highest of both rows, and the time. A deadline is in ms of engine time, at most a day ahead; after it the message is refused. The newest approval of a key replaces the one before at once: what was signed for the former session is never valid again, and whoever is logged on with it is told (SessionEnded). The very same approval sent again answers as before. `maxNotional` bounds what one order may execute over its life, in quote units, on either side. A connection has one session: while a logon is under way or stands, another one is refused (AlreadyLoggedOn); `logoff` makes room. Wallets that are contracts (EIP-1271) are not accepted.',
    '## Frames',
    `\`frame\` carries 1 to ${FRAME_COMMANDS_MAX} commands under one signature. ${methods[Method.Frame].about} A frame whose nonce was taken before is refused (FrameNonceUsed), so a frame can be sent again when its answer was lost without being executed twice; \`frameOutcome\` tells what became of it. A command that cannot be read (an unknown kind, a position too many or too few, a value of another type) refuses the whole frame with BadParams: nothing of it is done, and its nonce stays unused. A command that can be read and may not be done is refused alone.`,
    `The result is ${resultText(methods[Method.Frame].result)}: the seq of the frame's own command (its first command has the next one) and an item for each command. State: [OrderState](#orderstate). \`[0, count]\` is the answer to commands that are about no single order: of a cancel-all the orders cancelled. \`[code]\` is a refusal of that one command, [ErrorCode](#errorcode) or [RejectCode](#rejectcode).`,
    'Options `{"receipt": true}` ask for the operator’s receipt: `[firstSeq, lastSeq, frameHash, headSeq, journalHead, signature]`.',
    commandsText(),
    '## Methods',
    'Params travel as an array in this order. *scope*: what the session that is logged on must be allowed; *weight*: tokens that the call takes from the request budget.',
    table(['method', 'params', 'result', 'scope', 'weight', 'what'], methodRows()),
    '## Streams',
    '`subscribe` `[stream, [epoch, seq]?]` answers, then sends a snapshot, or, where the position given is still known, the events after it: the answer then has `resumedTo`, and the events up to that seq are on their way; without it a snapshot is. A position is the `epoch` of the stream’s last snapshot and the seq of the last message. An epoch is one run of the exchange; of `l3:M` and `book:M:D`, whose events are one gateway thread’s own, the run of that thread. In another one a position is not known (but for `fills`, whose seqs are the engine’s). An event goes from `prevSeq` to `seq`: when `prevSeq` is not the last seq that was seen, something is missing, and the stream is to be followed anew. Levels and balances are absolute; every other entry carries its seq. A snapshot takes the place of what is known of the stream, except of `fills`: there it holds the fills after the position given, behind a first element that is 1 when none is missing. [Control](#control) 1 (Resync) says that a snapshot comes in place of what was missed.',
    table(
      ['stream', 'data of an event', 'data of a snapshot', 'what'],
      streams.map(({ name, about, data, snapshot }) => [
        code(name),
        resultText(data),
        resultText(snapshot),
        about,
      ]),
    ),
    entriesText(),
    '### Checksum of a book',
    `CRC-32 (IEEE 802.3, as in zlib) of ASCII text: asks best first, then bids best first, at most ten levels a side, of each level the decimal digits of ticks, then of lots, nothing between. Of \`book:M:5\` that is five levels, of larger depths ten. A book of bids ${JSON.stringify(book.bids)} and asks ${JSON.stringify(book.asks)}, ${entryText('level')} each, is the text \`1013994981\`, checksum ${bookChecksum(book.bids, book.asks)}.`,
    '## HTTP',
    `On the WebSocket's port. GET (and HEAD) ask, POST carries the params of the WebSocket's method as a JSON array (\`content-type: application/json\`) or as MessagePack (\`application/msgpack\`, answered in kind), under the same limits, with the same errors; a frame needs no logon here: its signature says who it is, and until that is found valid its address pays, not the account. Refusals take from their address as over WebSocket: who goes on with them, with wrong signatures above all, is kept out for a while (429, ConnectRateLimited). A private GET carries the header \`Authorization: Glassbook ACCOUNT.APPROVAL.EXPIRES_MS.SIGNATURE\`: account, approval and the end of the token's life (ms of engine time, at most an hour ahead) as decimal digits, then the session key's 64 bytes of signature of the HTTP token in [Signed bytes](#signed-bytes), as unpadded base64url. An error is \`{code, name, message, retryAfter?}\` with the status of its code. Requests may be pipelined behind one that was answered at once; behind one that waits (a POST, or the outcome of a frame), send the next when its answer is there: else the connection ends with neither answered, and what became of a frame among them is for \`GET /v1/frames/{approval}/{nonce}\` to say. A head beyond ${HTTP_HEAD_BYTES_MAX} bytes is 431.`,
    table(['verb', 'path', 'method', 'query, with defaults'], httpRows()),
    'Beside these: `/v1/openapi.json`, `/v1/asyncapi.json`, `/healthz`, `/readyz`, `/metrics`. OPTIONS says what a path takes; another method is 405.',
    '## Budgets',
    `Token buckets; an operator may set others. A refusal says with \`retryAfter\` when to come back. Cancels have one of their own. Fills are paid by the account whose order takes, afterwards: each beyond the first of an order counts as an order, and of those that a frame, or what a moment fires, makes at once each beyond ${SINGLE_FILLS_MAX} as ${SWEPT_FILL_ORDERS} orders of the account and ${SWEPT_FILL_ADDRESS_ORDERS} of the address from which it last sent a frame, however far below zero that takes a budget. The frames of an address that are in the engine’s hands can fill ${FILLS_UNDER_WAY_MAX} times at most, all together: an order or amend as often as it has lots, unless it only posts, one that does not look marketable by the book once for each ${RESTING_LOTS_A_FILL} lots, and a frame at most ${COMMAND_STEPS_MAX} times; others wait, in order, and are refused, as yet without effect, should their account or address owe for fills by then. Frames that fill nothing do not wait for that. The messages of a connection are handled in order: a question waits until what was answered to anybody before it came is in what it is answered from, and what stands behind it on its connection waits with it.`,
    table(['budget', 'tokens a second', 'at most'], budgetRows(config)),
    `A connection may have ${config.framesInFlightMax} unanswered frames (twice as many where they only cancel) and follow ${config.subscriptionsMax} streams; an account may have ${config.openOrdersMax} live orders; a message has at most ${config.messageBytesMax} bytes.`,
  ]
  return `${sections.join('\n\n')}\n`
}
