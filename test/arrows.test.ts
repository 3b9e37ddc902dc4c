/**
 * Who may import whom. Reads every import of every source file and fails on an arrow that the table
 * below does not draw; ARCHITECTURE.md has the table in words. Tests and `.bench` files beside the
 * sources may import anything. Run alone by `npm run check:arrows`.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const FOLDERS = ['engine', 'gateway', 'settlement', 'contracts', 'sdk', 'app', 'examples', 'docs', 'bench']

interface Rule {
  readonly from: RegExp
  /** Matches a path from the root without extension, a package name, or `node:x`. */
  readonly to: readonly RegExp[]
}

const LEAVES =
  /^engine\/(lots-to-units|codes|limits|layout|types|messages|commands|records\/(fields|command-table|event-table|offsets|access))$/
const NODE = /^node:/

/** What every room of the gateway may import. */
const GATEWAY_OUTSIDE = [
  LEAVES,
  NODE,
  /^engine\/(index|rings\/(ring|control|gated-reader)|runtime\/exchange)$/,
  // Tables keyed by what strangers choose need the keyed hash.
  /^engine\/core\/base\/(touched|keyed-hash)$/,
  // Its history is made anew from the journal, which it only reads.
  /^engine\/(journal\/(crc32c|disk|segment-files)|recovery\/replay-events)$/,
  /^sdk\/wire\//,
  /^gateway\/limits$/,
  /^(viem|zod|prom-client|msgpackr|@noble\/(hashes|curves))(\/|$)/,
]
/** What every room of settlement may import. */
const SETTLEMENT_OUTSIDE = [
  LEAVES,
  NODE,
  /^settlement\/limits$/,
  /^engine\/(index|rings\/control|journal\/.*)$/,
  /^contracts\/(abi|bytecode|call-endings)$/,
  /^(viem|zod|@noble\/(hashes|curves))(\/|$)/,
]

/** What every room of the SDK may import. */
const SDK_OUTSIDE = [
  LEAVES,
  /^sdk\/limits$/,
  /^contracts\/(abi|call-endings)$/,
  /^(viem|isows|msgpackr|poseidon-lite|zod|@noble\/(hashes|curves))(\/|$)/,
]
/** The composition root may import all that runs, and no test, benchmark or GPL package. */
const APP_OUTSIDE = [/^app\/limits$/, /^(?!app\/|bench\/|test\/|snarkjs|circomlib|ffjavascript)/]

/** The prover's program: its place is named to start it, which is no import. */
const PROVER_PROGRAM = /^settlement\/prover\/main$/

/** A room of `top`: it may import what is outside, itself, and what is below it: rooms, and single files. */
function roomOf(
  top: string,
  outside: readonly RegExp[],
): (room: string, ...below: (string | RegExp)[]) => Rule {
  return (room, ...below) => ({
    from: new RegExp(`^${top}/${room}/`),
    to: [
      ...outside,
      ...[room, ...below].map((other) => (other instanceof RegExp ? other : new RegExp(`^${top}/${other}/`))),
    ],
  })
}
const gatewayRoom = roomOf('gateway', GATEWAY_OUTSIDE)
const settlementRoom = roomOf('settlement', SETTLEMENT_OUTSIDE)
const sdkRoom = roomOf('sdk', SDK_OUTSIDE)
const contractsRoom = roomOf('contracts', [NODE, /^contracts\/limits$/, /^(viem|solc)(\/|$)/])
const benchRoom = roomOf('bench', [/^(?!bench\/)/])
const appRoom = roomOf('app', APP_OUTSIDE)

/** The first rule whose `from` matches a file is the file's rule. */
const rules: readonly Rule[] = [
  { from: LEAVES, to: [LEAVES] },
  // The bounds of each folder rest on the engine's alone, those of the programs on all; everything in the folder may import them.
  { from: /^app\/limits$/, to: [/^(engine|gateway|sdk|settlement|contracts)\/limits$/] },
  { from: /^(gateway|sdk|settlement|contracts)\/limits$/, to: [/^engine\/limits$/] },
  // The core is pure: no file, clock, randomness or package can be reached from it. Its rooms stand one upon the other.
  { from: /^engine\/core\/base\//, to: [LEAVES, /^engine\/core\/base\//] },
  { from: /^engine\/core\/book\//, to: [LEAVES, /^engine\/core\/(base|book)\//] },
  { from: /^engine\/core\/money\//, to: [LEAVES, /^engine\/core\/(base|book|money)\//] },
  { from: /^engine\/core\/orders\//, to: [LEAVES, /^engine\/core\/(base|book|money|orders)\//] },
  { from: /^engine\/core\/sessions\//, to: [LEAVES, /^engine\/core\/(base|money|orders|sessions)\//] },
  { from: /^engine\/core\/state\//, to: [LEAVES, /^engine\/core\/(?!snapshot\/)[a-z]+\//] },
  // SHA-256 is a function.
  { from: /^engine\/core\/snapshot\//, to: [LEAVES, /^engine\/core\/[a-z]+\//, /^node:crypto$/] },
  { from: /^engine\/core\//, to: [LEAVES, /^engine\/core\//] },
  // The slow twin and what compares the two: no product code may import them.
  { from: /^engine\/reference\//, to: [LEAVES, /^engine\/(core|reference)\//] },
  { from: /^engine\/rings\//, to: [LEAVES, NODE, /^engine\/rings\//] },
  // One package: the kernel's lock.
  { from: /^engine\/journal\//, to: [LEAVES, NODE, /^engine\/(rings|journal)\//, /^fs-native-extensions$/] },
  { from: /^engine\/recovery\//, to: [LEAVES, NODE, /^engine\/(index$|rings\/|journal\/|recovery\/)/] },
  {
    from: /^engine\/runtime\//,
    to: [LEAVES, NODE, /^engine\/(tune$|core\/base\/|rings\/|journal\/|recovery\/|runtime\/)/],
  },
  // What makes the offsets and the page of the table of records.
  { from: /^engine\/records\//, to: [LEAVES, NODE, /^engine\/records\//] },
  { from: /^engine\//, to: [LEAVES, NODE, /^engine\/(tune$|core\/)/] },
  { from: /^sdk\/wire\//, to: [LEAVES, /^sdk\/(limits$|wire\/)/, /^(msgpackr|zod)(\/|$)/] },
  sdkRoom('base', 'wire'),
  sdkRoom('money', 'wire', 'base'),
  sdkRoom('streams', 'wire', 'base'),
  sdkRoom('verify', 'wire', 'base', 'streams'),
  sdkRoom('client', 'wire', 'base', 'money', 'streams', 'verify'),
  { from: /^sdk\/[a-z-]+$/, to: [...SDK_OUTSIDE, /^sdk\//] },
  // What a gateway knows of its clients, from the ground up.
  gatewayRoom('protocol'),
  gatewayRoom('settings', 'protocol'),
  gatewayRoom('link', 'settings'),
  gatewayRoom('history'),
  gatewayRoom('views', 'link'),
  // The packages of uWebSockets.js are loaded by name, as they may not be there (net/load-backend).
  gatewayRoom('sockets', /^ws$/),
  gatewayRoom('sessions', 'protocol'),
  gatewayRoom('connections', 'sessions', 'sockets'),
  gatewayRoom('limits', 'connections', 'settings'),
  gatewayRoom('signatures', 'limits', 'protocol', 'sessions'),
  gatewayRoom('frames', 'connections', 'history', 'limits', 'link', 'protocol', 'sessions', 'signatures'),
  gatewayRoom(
    'streams',
    'connections',
    'history',
    'limits',
    'link',
    'protocol',
    'sessions',
    'settings',
    'views',
  ),
  gatewayRoom(
    'requests',
    'connections',
    'history',
    'limits',
    'link',
    'protocol',
    'sessions',
    'settings',
    'signatures',
    'streams',
    'views',
  ),
  gatewayRoom('metrics', 'frames', 'link'),
  // Gateway processes and the exchange's end of them; then what listens, and what starts it.
  gatewayRoom('bridge', 'link', 'requests', 'views'),
  gatewayRoom(
    'net',
    'connections',
    'frames',
    'limits',
    'link',
    'protocol',
    'requests',
    'sessions',
    'sockets',
    'streams',
    /^gateway\/gateway$/,
  ),
  gatewayRoom('process', 'bridge', 'link', 'net', 'settings', /^gateway\/gateway$/),
  gatewayRoom('page', 'protocol', 'settings'),
  // The meeting point of a thread's parts: each part names what it needs of the others, and none names the gateway.
  {
    from: /^gateway\/[a-z-]+$/,
    to: [...GATEWAY_OUTSIDE, /^gateway\/[a-z-]+$/, /^gateway\/(?!(net|process|bridge|page)\/)[a-z]+\//],
  },
  // The prover is a separate program (GPL packages stay inside it): settlement starts it, never imports it.
  {
    from: /^settlement\/prover\//,
    to: [NODE, /^settlement\/prover\//, /^(snarkjs|circomlib|circom2|ffjavascript)(\/|$)/],
  },
  // Another program; its packages are its own.
  {
    from: /^settlement\/page-prover\//,
    to: [
      NODE,
      /^settlement\/(page-prover\/|tree\/field$|quad-tree\/)/,
      /^(@aztec\/bb\.js|@noir-lang\/noir_(js|wasm)|@noble\/curves|solc)(\/|$)/,
    ],
  },
  settlementRoom('tree'),
  settlementRoom('quad-tree', 'tree'),
  settlementRoom('batch', 'tree'),
  settlementRoom('pages', 'tree', 'quad-tree', 'batch', /^settlement\/page-prover\/page-job$/),
  settlementRoom('store', 'tree', 'batch'),
  settlementRoom('follow', 'tree', 'batch', 'store'),
  settlementRoom('chain', 'batch', 'store'),
  settlementRoom('sending', 'store', 'chain'),
  settlementRoom('posting', 'tree', 'batch', 'store', 'follow', 'chain', 'sending'),
  settlementRoom(
    'proving',
    'tree',
    'batch',
    'store',
    'follow',
    'chain',
    'sending',
    'posting',
    PROVER_PROGRAM,
  ),
  settlementRoom('audit', 'tree', 'batch', 'follow', 'chain', 'sending'),
  {
    from: /^settlement\/[a-z-]+$/,
    to: [...SETTLEMENT_OUTSIDE, /^settlement\/[a-z-]+$/, /^settlement\/(?!prover\/)[a-z]+\//],
  },
  // The files of the folder itself rest on nothing.
  contractsRoom('model', /^contracts\/poseidon-table$/),
  contractsRoom('anvil', /^contracts\/sync-folder$/),
  contractsRoom('deployment', /^contracts\/(abi|bytecode|call-endings|sync-folder)$/),
  contractsRoom('scripts', 'anvil', /^contracts\/poseidon-table$/),
  { from: /^contracts\/[a-z-]+$/, to: [NODE, /^viem$/] },
  { from: /^docs\/site\//, to: [NODE, /^docs\/site\//, /^marked$/] },
  // As a user's programs do: by the package's name.
  { from: /^examples\//, to: [/^examples\//, /^glassbook(\/|$)/, /^viem(\/|$)/, NODE] },
  appRoom('files'),
  appRoom('filter', 'files'),
  appRoom('lobster'),
  appRoom('start', 'files', 'lobster', /^app\/log(-settings)?$/),
  appRoom('commands', 'files', 'start', /^app\/log(-settings)?$/),
  { from: /^app\/[a-z-]+$/, to: [...APP_OUTSIDE, /^app\//] },
  // A program of `bench`, and a room of its parts; no room knows another's.
  benchRoom('support'),
  benchRoom('engine', 'support', /^bench\/conformance$/),
  benchRoom('gateway', 'support'),
  benchRoom('hostile', 'support'),
  benchRoom('settle', 'support'),
  benchRoom('arity', 'support'),
  benchRoom('gas', 'support'),
  { from: /^bench\/[a-z-]+$/, to: [/./] },
]

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name === 'out') continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* sources(path)
    else if (/\.(ts|mts)$/.test(entry.name) && !/\.(test|fuzz|bench)\.ts$/.test(entry.name)) yield path
  }
}

const strip = (path: string): string =>
  relative(root, path)
    .split(sep)
    .join('/')
    .replace(/\.(d\.)?m?[jt]s$/, '')

/** Import targets of a source file: repository paths without extension, or package names. */
function imports(path: string): string[] {
  const text = readFileSync(path, 'utf8')
  const specifiers = [
    ...text.matchAll(/^\s*(?:import|export)\s(?:[^'"]*?\sfrom\s*)?['"]([^'"]+)['"]/gm),
    ...text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g),
    ...text.matchAll(/\bnew URL\(\s*['"](\.[^'"]+\.js)['"]/g),
  ].map((match) => match[1]!)
  return specifiers.map((specifier) =>
    specifier.startsWith('.') ? strip(resolve(dirname(path), specifier)) : specifier,
  )
}

/** The arrows of `file` (a path from the root, no extension) that no rule allows. */
export function forbidden(file: string, targets: readonly string[]): string[] {
  const rule = rules.find(({ from }) => from.test(file))
  if (rule === undefined) return targets.map((target) => `${file} -> ${target} (no rule for this folder)`)
  return targets
    .filter((target) => !rule.to.some((allowed) => allowed.test(target)))
    .map((target) => `${file} -> ${target}`)
}

describe('arrows', () => {
  const files = FOLDERS.flatMap((folder) => [...sources(join(root, folder))])

  test('every import follows the table', () => {
    expect(files.length).toBeGreaterThan(5)
    expect(files.flatMap((path) => forbidden(strip(path), imports(path)))).toEqual([])
  })

  test('no folder holds more than twenty sources', () => {
    const counts = new Map<string, number>()
    for (const path of files) counts.set(dirname(strip(path)), (counts.get(dirname(strip(path))) ?? 0) + 1)
    expect([...counts].filter(([, count]) => count > 20)).toEqual([])
  })

  test('the table refuses what it must refuse', () => {
    expect(forbidden('engine/core/book/book', ['node:fs'])).toHaveLength(1)
    expect(forbidden('engine/core/book/book', ['engine/rings/ring'])).toHaveLength(1)
    expect(forbidden('engine/core/book/levels', ['engine/core/money/ledger'])).toHaveLength(1)
    expect(forbidden('engine/core/engine', ['engine/reference/engine'])).toHaveLength(1)
    expect(forbidden('engine/journal/writer', ['engine/recovery/snapshots'])).toHaveLength(1)
    expect(forbidden('gateway/net/server', ['settlement/batch/netting'])).toHaveLength(1)
    expect(forbidden('gateway/streams/stream', ['gateway/net/server'])).toHaveLength(1)
    expect(forbidden('gateway/frames/frames', ['gateway/gateway'])).toHaveLength(1)
    expect(forbidden('gateway/requests/requests', ['gateway/gateway'])).toHaveLength(1)
    expect(forbidden('settlement/follow/follow', ['gateway/net/server'])).toHaveLength(1)
    expect(forbidden('settlement/posting/post', ['snarkjs'])).toHaveLength(1)
    expect(forbidden('settlement/posting/post', ['settlement/prover/prove'])).toHaveLength(1)
    expect(forbidden('settlement/store/store', ['settlement/chain/chain'])).toHaveLength(1)
    expect(forbidden('settlement/audit/audit', ['settlement/posting/post'])).toHaveLength(1)
    expect(forbidden('sdk/money/orders', ['sdk/client/client'])).toHaveLength(1)
    expect(forbidden('app/files/flags', ['app/start/start'])).toHaveLength(1)
    expect(forbidden('sdk/client/client', ['engine/core/engine'])).toHaveLength(1)
    expect(forbidden('sdk/client/client', ['node:crypto'])).toHaveLength(1)
    expect(forbidden('engine/codes', ['engine/core/engine'])).toHaveLength(1)
    expect(forbidden('sdk/client/client', ['sdk/wire/codec', 'engine/lots-to-units', 'viem'])).toEqual([])
  })
})
