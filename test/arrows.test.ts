/**
 * Who may import whom. Reads every import of every source file and fails on an arrow that the table
 * below does not draw; ARCHITECTURE.md has the table in words. Tests and `.bench` files beside the
 * sources may import anything. Run alone by `npm run check:arrows`.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const FOLDERS = ['engine', 'gateway', 'settlement', 'contracts', 'sdk', 'app']

interface Rule {
  readonly from: RegExp
  /** Matches a path from the root without extension, a package name, or `node:x`. */
  readonly to: readonly RegExp[]
}

const LEAVES = /^engine\/(units|codes|limits|layout|types|messages|commands)$/
const NODE = /^node:/

/** The first rule whose `from` matches a file is the file's rule. */
const rules: readonly Rule[] = [
  { from: LEAVES, to: [LEAVES] },
  // The core is pure: no file, clock, randomness or package can be reached from it. SHA-256 is a function.
  { from: /^engine\/core\/snapshot$/, to: [LEAVES, /^engine\/core\//, /^node:crypto$/] },
  { from: /^engine\/core\//, to: [LEAVES, /^engine\/core\//] },
  // One package: the kernel's lock.
  {
    from: /^engine\/journal\//,
    to: [LEAVES, NODE, /^engine\/(journal\/|ring$|control$|core\/|index$)/, /^fs-native-extensions$/],
  },
  { from: /^engine\//, to: [LEAVES, NODE, /^engine\//] },
  { from: /^sdk\/wire\//, to: [LEAVES, /^sdk\/wire\//, /^(msgpackr|zod)(\/|$)/] },
  {
    from: /^sdk\/examples\//,
    to: [/^sdk\//, /^@glassbook\/sdk$/, /^viem(\/|$)/, NODE],
  },
  {
    from: /^sdk\//,
    to: [
      LEAVES,
      /^sdk\//,
      /^contracts\/(abi|call-endings)$/,
      /^(viem|isows|msgpackr|poseidon-lite|zod|@noble\/(hashes|curves))(\/|$)/,
    ],
  },
  {
    from: /^gateway\//,
    to: [
      LEAVES,
      NODE,
      /^engine\/(index|ring|control|exchange|journal\/gated-reader)$/,
      // Tables keyed by what strangers choose need the keyed hash.
      /^engine\/(touched|core\/keyed-hash)$/,
      // Its history is made anew from the journal, which it only reads.
      /^engine\/journal\/(crc32c|disk|replay-events|segment-files)$/,
      /^sdk\/wire\//,
      /^gateway\//,
      /^(uWebSockets\.js|viem|zod|prom-client|msgpackr|@noble\/(hashes|curves))(\/|$)/,
    ],
  },
  // The prover is a separate program (GPL packages stay inside it): settlement starts it, never imports it.
  {
    from: /^settlement\/prover\//,
    to: [NODE, /^settlement\/prover\//, /^(snarkjs|circomlib|circom2|ffjavascript)(\/|$)/],
  },
  {
    from: /^settlement\//,
    to: [
      LEAVES,
      NODE,
      /^engine\/(index|control|journal\/.*)$/,
      /^contracts\/(abi|bytecode|call-endings)$/,
      /^settlement\/(?!prover\/)/,
      /^(viem|zod|@noble\/(hashes|curves))(\/|$)/,
    ],
  },
  { from: /^contracts\//, to: [NODE, /^contracts\//, /^(viem|solc)(\/|$)/] },
  { from: /^app\//, to: [/^(?!bench\/|test\/|snarkjs|circomlib|ffjavascript)/] },
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

  test('the table refuses what it must refuse', () => {
    expect(forbidden('engine/core/book', ['node:fs'])).toHaveLength(1)
    expect(forbidden('engine/core/book', ['engine/ring'])).toHaveLength(1)
    expect(forbidden('gateway/server', ['settlement/net'])).toHaveLength(1)
    expect(forbidden('settlement/follow', ['gateway/server'])).toHaveLength(1)
    expect(forbidden('settlement/post', ['snarkjs'])).toHaveLength(1)
    expect(forbidden('settlement/post', ['settlement/prover/prove'])).toHaveLength(1)
    expect(forbidden('sdk/client', ['engine/core/engine'])).toHaveLength(1)
    expect(forbidden('sdk/client', ['node:crypto'])).toHaveLength(1)
    expect(forbidden('engine/codes', ['engine/core/engine'])).toHaveLength(1)
    expect(forbidden('sdk/client', ['sdk/wire/codec', 'engine/units', 'viem'])).toEqual([])
  })
})
