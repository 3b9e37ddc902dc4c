/**
 * Every bound stands in a `limits.ts`: one for each folder of the product, and one for each prover’s program. A bound is
 * a number that says how many, how much, how long or how often. It is found in the compiler's syntax tree by what it
 * is: a named number whose name says so, or that is not small; a default of an option; the time of a timer. Formats and
 * the shapes of tables are numbers too: the files that are nothing else, and single ones elsewhere, are told by name.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const FOLDERS = ['engine', 'gateway', 'settlement', 'contracts', 'sdk', 'app']
const LIMITS = /^(engine|gateway|settlement|settlement\/(page-)?prover|contracts|sdk|app)\/limits\.ts$/

/** Files whose numbers are a form of their own: with another number it would be another form. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [
    /^engine\/core\/(base\/offsets|snapshot\/snapshot-format)\./,
    'masks of offsets, a line of the cache; a layout of bytes',
  ],
  [
    /^(engine\/reference\/|contracts\/model\/|settlement\/(quad-tree\/quad-tree-twin|pages\/circuit-twin)\.)/,
    'twins, for tests: they say again what they compare with',
  ],
  [/^engine\/(records\/|journal\/(format|crc32c)\.|rings\/(ring|control)\.)/, 'layouts of bytes'],
  [/^app\/start\/demo\./, 'the scene that the demo plays'],
  [/^gateway\/history\/record\./, 'a layout of bytes'],
  [
    /^sdk\/wire\/(codes|commands|layout|json-numbers|msgpack-(reader|writer)|signed)\./,
    'codes and layouts of the protocol, of JSON and MessagePack',
  ],
  [
    /^(contracts\/poseidon-table|settlement\/(tree\/(poseidon[a-z-]*|field)|quad-tree\/(poseidon2-[a-z]+|limb-code)))\./,
    'the parameters of a hash',
  ],
  [
    /^settlement\/(tree\/wasm-builder|prover\/development-key|page-prover\/development-string)\./,
    'WebAssembly; a curve',
  ],
  [/^settlement\/pages\/(leaf-rows|page-bytes)\./, 'layouts of leaves and of bytes'],
  [/^settlement\/page-prover\/page-inputs\./, 'keys of the circuits’ table'],
  [
    /^(settlement\/(batch\/fills-root|follow\/follow-snapshot|store\/tree-store)|sdk\/verify\/fill-proof)\.ts: [A-Z_]*(BYTES|AT)$/,
    'layouts of leaves and files',
  ],
]

/** Single numbers that are no bound, though they look like one. */
const ACCEPTED: Readonly<Record<string, string>> = {
  'app/commands/order-audit.ts: SIGNATURE_BYTES': 'of P-256',
  'app/files/receipt-key.ts: OTHERS': 'a mode of files',
  'app/lobster/files.ts: EMPTY_PRICE': 'of the files’ format',
  'app/lobster/replay.ts: OWN_CLOIDS': 'where ids begin that are not the files’',
  'app/main.ts: NODE_MAJOR_MIN': 'asked before anything else is loaded',
  'app/start/start-options.ts: MEGABYTE': 'a unit',
  'contracts/deployment/check-code.ts: Q': 'order of a field',
  'contracts/deployment/deploy.ts: DAY_SECONDS': 'a unit',
  'contracts/deployment/deploy.ts: UNPROVEN_ROWS': 'of the contract that stands in for a verifier',
  'contracts/deployment/verification-key.ts: DEVELOPMENT_ALPHA_X': 'of a key whose secrets are public',
  'engine/core/base/keyed-hash.ts: TABLE': 'values of a byte',
  'engine/core/base/radix-sort.ts: DIGITS': 'values of a digit, measured',
  'engine/core/base/touched.ts: SLOTS_MIN': 'shape of a table, which grows',
  'engine/core/base/touched.ts: TABLES_BEHIND': 'a layout: the random tables of one word',
  'engine/core/book/levels.ts: KEY_FLIP': 'a mask of bits',
  'engine/core/book/levels.ts: NODE_WORDS': 'a layout',
  'engine/core/book/levels.ts: RECENT_BITS': 'shape of a table, measured',
  'engine/core/book/levels.ts: RECENT_MASK': 'of RECENT_BITS',
  'engine/core/book/levels.ts: SHIFT_MASK': 'a layout',
  'engine/core/book/markets.ts: SYMBOL_BYTES': 'a layout: four words of a command',
  'engine/core/book/order-ids.ts: ENTRIES_MIN': 'shape of a table, which grows',
  'engine/core/book/order-ids.ts: FAR_MAX': 'a layout of bits',
  'engine/core/book/order-ids.ts: FAR_SHIFT': 'a layout of bits',
  'engine/core/book/order-ids.ts: MOVED_AT_ONCE': 'shape of a table, which grows: how it does',
  'engine/core/book/order-ids.ts: SLOT_BITS': 'a layout of bits',
  'engine/core/book/order-ids.ts: SLOT_BITS_MAX': 'a layout of bits',
  'engine/core/book/order-ids.ts: SPARSE_ENTRIES_MAX': 'shape of a table, measured',
  'engine/core/book/order-ids.ts: TABLES_BEHIND_HIGH': 'a layout: the random tables of two words',
  'engine/core/book/order-ids.ts: TABLES_BEHIND_LOW': 'a layout: the random tables of one word',
  'engine/core/book/orders.ts: CARRY_END': 'a unit, in millionths',
  'engine/core/book/orders.ts: MARKET_MASK': 'a layout of bits',
  'engine/core/look-ahead.ts: SIZE_MIN': 'measured: from there on it pays',
  'engine/core/money/fees.ts: EXACT_PRODUCT': 'what a double holds',
  'engine/core/money/fees.ts: MILLION': 'a unit',
  'engine/core/money/ledger.ts: COPIED_AT_ONCE': 'shape of a table, which grows: how it does',
  'engine/core/money/ledger.ts: EACH_BYTE': 'a mask of bits',
  'engine/core/money/ledger.ts: ENTRIES_MIN': 'shape of a table, which grows',
  'engine/core/money/ledger.ts: TOP_BITS': 'a mask of bits',
  'engine/core/sessions/frame-windows.ts: CHUNK_ENTRIES': 'shape of a table, which grows',
  'engine/core/sessions/frame-windows.ts: CHUNK_WINDOWS': 'shape of a table, which grows',
  'engine/core/state/pages.ts: HEAD_BITS': 'a mask of bits',
  'engine/journal/lock.ts: FILE_MODE': 'a mode of files',
  'engine/recovery/snapshots.ts: HEADER_BYTES': 'a layout of bytes',
  'gateway/history/account-records.ts: STAYS_FROM': 'shape of its size classes',
  'gateway/history/record-index.ts: TABLES': 'shape of a hash',
  'gateway/sockets/node-http.ts: KEY_CHARACTERS': 'of the WebSocket protocol',
  'gateway/streams/kept-events.ts: ARRAY_BYTES': 'what V8 takes',
  'gateway/streams/kept-events.ts: EVENT_BYTES': 'what V8 takes',
  'gateway/streams/kept-events.ts: VALUE_BYTES': 'what V8 takes',
  'gateway/views/live-orders.ts: RECORD_WORDS': 'a layout',
  'gateway/views/sharded-map.ts: PARTS': 'shape of a table',
  'gateway/views/slab.ts: CHUNK_BITS': 'shape of a table',
  'gateway/views/slab.ts: CHUNK_RECORDS': 'shape of a table',
  'sdk/money/protection.ts: PPM': 'a unit',
  'sdk/verify/proof.ts: STATE_TREE_DEPTH': 'of the vault’s tree',
  'settlement/batch/commit.ts: CHUNK_GAS': 'measured',
  'settlement/batch/commit.ts: COMMIT_GAS': 'measured',
  'settlement/batch/commit.ts: DEPOSIT_BYTES': 'a layout of bytes',
  'settlement/batch/commit.ts: ROW_GAS': 'measured',
  'settlement/batch/netting.ts: INITIAL_SLOTS': 'shape of a table, which grows',
  'settlement/pages/batch-rows.ts: LOW_PART': 'what a double holds',
  'settlement/pages/cutting.ts: WORD_BITS': 'of an int32',
  'settlement/pages/transactions.ts: BASE_GAS': 'of the EVM',
  'settlement/pages/transactions.ts: BYTE_GAS': 'of the EVM',
  'settlement/pages/transactions.ts: CALL_BYTES': 'a layout of bytes',
  'settlement/pages/transactions.ts: FLOOR_BYTE_GAS': 'of the EVM',
  'settlement/pages/transactions.ts: PAGE_BYTES': 'a layout of bytes',
  'settlement/quad-tree/leaf.ts: LANE_BITS': 'a layout of bits',
  'settlement/quad-tree/element.ts: ELEMENT_SIZE': 'a layout',
  'settlement/quad-tree/element.ts: FAMILY_SIZE': 'a layout',
  'settlement/quad-tree/element.ts: FAMILY_WORDS': 'a layout',
  'settlement/quad-tree/family-pool.ts: CONTROL_WORDS': 'a layout',
  'settlement/quad-tree/quad-nodes.ts: LIMITS.minPages': 'shape of a table, which grows',
  'settlement/quad-tree/quad-nodes.ts: GROW_PAGES': 'shape of a table',
  'settlement/quad-tree/quad-nodes.ts: INITIAL_TABLE': 'shape of a table, which grows',
  'settlement/quad-tree/quad-nodes.ts: PAGE_BYTES': 'of WebAssembly',
  'settlement/sending/signer.ts: TRANSFER_GAS': 'of the EVM',
  'settlement/store/store.ts: FILE_MODE': 'a mode of files',
  'settlement/tree/hash-pool.ts: POOL_CONTROL_WORDS': 'a layout',
  'settlement/tree/node-memory.ts: GROW_PAGES': 'shape of a table',
  'settlement/tree/node-memory.ts: INITIAL_TABLE': 'shape of a table, which grows',
  'settlement/tree/node-memory.ts: LIMITS.minPages': 'shape of a table, which grows',
  'settlement/tree/node-memory.ts: PAGE_BYTES': 'of WebAssembly',
}

/** Words of a name that say that it is a bound. */
const WORDS = new Set(
  'MAX MIN MS S SECONDS AFTER INTERVAL TIMEOUT END KEPT ONCE TURN WAITING EVERY RETRIES TRIES RATE SHARE CAPACITY WINDOW POLL LIMIT ROUNDS PAGE BEHIND AHEAD BELOW BACK MARGIN MOST LOOKS KEEP HELD TOLD RECENT BATCH CHUNK'.split(
    ' ',
  ),
)
/** A number without such a name is one all the same from here on, or where it is a fraction. */
const LARGE = 16
const TIMERS = new Set(['setTimeout', 'setInterval', 'sleep', 'timeout', 'wait', 'waitAsync', 'pauseFor'])

const isForeign = (node: ts.Expression, known: ReadonlyMap<string, number>): boolean =>
  ts.isIdentifier(node) && !known.has(node.text) && /^[A-Z][A-Z0-9_]*$/.test(node.text)

/** The value of a numeric expression; NaN where it is none, or names another one. */
function valueOf(node: ts.Expression, known: ReadonlyMap<string, number>): number {
  if (ts.isNumericLiteral(node)) return Number(node.text)
  if (ts.isBigIntLiteral(node)) return Number(node.text.replace('n', ''))
  if (ts.isIdentifier(node)) return known.get(node.text) ?? NaN
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node))
    return valueOf(node.expression, known)
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
    return -valueOf(node.operand, known)
  if (!ts.isBinaryExpression(node)) return NaN
  let [left, right] = [valueOf(node.left, known), valueOf(node.right, known)]
  // Another file's constant beside a number of this one: all that is known is that the two make a new number.
  if (isNaN(left) && isForeign(node.left, known)) left = isNaN(right) ? NaN : LARGE
  else if (isNaN(right) && isForeign(node.right, known)) right = isNaN(left) ? NaN : LARGE
  switch (node.operatorToken.kind) {
    case ts.SyntaxKind.PlusToken:
      return left + right
    case ts.SyntaxKind.MinusToken:
      return left - right
    case ts.SyntaxKind.AsteriskToken:
      return left * right
    case ts.SyntaxKind.SlashToken:
      return left / right
    case ts.SyntaxKind.AsteriskAsteriskToken:
      return left ** right
    case ts.SyntaxKind.LessThanLessThanToken:
      return left * 2 ** right
    default:
      return NaN
  }
}

const isBoundName = (name: string): boolean =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .split(/[_.]/)
    .some((word) => WORDS.has(word))

const isOfModule = (node: ts.Node): boolean =>
  ts.isVariableDeclaration(node) &&
  ts.isVariableStatement(node.parent.parent) &&
  ts.isSourceFile(node.parent.parent.parent)

const isInFunction = (node: ts.Node): boolean => ts.findAncestor(node, ts.isFunctionLike) !== undefined

/** Names of the bounds that a source declares, and the timers that it gives a number. */
export function boundsOf(text: string): string[] {
  const source = ts.createSourceFile('a.ts', text, ts.ScriptTarget.ES2022, true)
  const known = new Map<string, number>()
  const found: string[] = []
  const judge = (name: string, initializer: ts.Expression, isModule: boolean): void => {
    const value = valueOf(initializer, known)
    if (isModule) known.set(name, value)
    if (ts.isObjectLiteralExpression(initializer) && isModule) {
      for (const property of initializer.properties)
        if (ts.isPropertyAssignment(property))
          judge(`${name}.${property.name.getText(source)}`, property.initializer, false)
      return
    }
    // Constants of one and zero are marks: "none", "first".
    const isBound = isBoundName(name) ? value >= 2 : isModule && value >= LARGE
    if (isBound || (value > 0 && value < 1)) found.push(name)
  }
  const visit = (node: ts.Node): void => {
    if (
      (ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isBindingElement(node)) &&
      node.initializer !== undefined &&
      ts.isIdentifier(node.name)
    )
      judge(node.name.text, node.initializer, isOfModule(node))
    // In a call: an option of what is called.
    else if (ts.isPropertyAssignment(node) && !isNaN(valueOf(node.initializer, known)) && isInFunction(node))
      judge(node.name.getText(source), node.initializer, false)
    else if (ts.isPropertyDeclaration(node) && node.initializer !== undefined)
      judge(node.name.getText(source), node.initializer, false)
    else if (ts.isCallExpression(node)) {
      const name = ts.isPropertyAccessExpression(node.expression)
        ? node.expression.name.text
        : node.expression.getText(source)
      if (
        TIMERS.has(name) &&
        node.arguments.some((argument) => ts.isNumericLiteral(argument) && Number(argument.text) >= 2)
      )
        found.push(`${name}()`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name === 'out') continue
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* sources(path)
    else if (/\.ts$/.test(path) && !/\.(test|bench|fuzz|d)\.ts$/.test(path)) yield path
  }
}

test('every bound stands in a limits.ts', () => {
  const files = FOLDERS.flatMap((folder) => [...sources(folder)])
  expect(files.filter((path) => LIMITS.test(path))).toHaveLength(8)
  const bounds = files
    .filter((path) => !LIMITS.test(path))
    .flatMap((path) => boundsOf(readFileSync(join(root, path), 'utf8')).map((name) => `${path}: ${name}`))
  const isForm = (bound: string): boolean => FORMS.some(([form]) => form.test(bound))
  expect(bounds.filter((bound) => !isForm(bound) && !Object.hasOwn(ACCEPTED, bound))).toEqual([])
  // What is accepted is still there, or it has no place in the lists.
  expect(FORMS.filter(([form]) => !bounds.some((bound) => form.test(bound)))).toEqual([])
  expect(Object.keys(ACCEPTED).filter((bound) => !bounds.includes(bound))).toEqual([])
})

test('a bound is found however it is written', () => {
  const found = (text: string): string[] => boundsOf(text)
  expect(found('export const PAUSE_MS = 0x1f4')).toEqual(['PAUSE_MS'])
  expect(found('const rows = 1 << 12')).toEqual(['rows'])
  expect(found('const a = 64 as const, b = (2 ** 10) - 1')).toEqual(['a', 'b'])
  expect(found('const STEP = 4; const WINDOW = STEP * BLOCK_BYTES_MAX')).toEqual(['WINDOW'])
  expect(found('const SHARE = 1 / 4')).toEqual(['SHARE'])
  expect(found('const RATE = { perSecond: 100, burst: 256 }')).toEqual(['RATE.perSecond', 'RATE.burst'])
  expect(found('const f = (timeoutMs = 5000) => setTimeout(g, 25)')).toEqual(['timeoutMs', 'setTimeout()'])
  expect(found('function f() { g({ retryAfter: 10, status: 429 }) }')).toEqual(['retryAfter'])
  expect(found('class A { #pauseMsMax = 2000 }')).toEqual(['#pauseMsMax'])
  // What is imported, a mark, a count that begins, and a text are none.
  expect(found("import { MAX } from './limits.js'; const ALIAS = MAX")).toEqual([])
  expect(found('const NOBODY = -1; let passedMs = 0; const COMMENT = "ROWS_MAX = 64" // TURN = 64')).toEqual(
    [],
  )
})
