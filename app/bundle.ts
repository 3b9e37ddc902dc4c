/**
 * The last step of `npm run build`: takes away what the compiler made of files that are gone, or tests of them would
 * still run, and puts the program in one folder, dist/program, a file for main and one for each thread
 * and child process. Why: a start reads a few files instead of 900 (a quarter to a half of the CPU), and V8 folds the
 * constants and inlines the calls between the modules of a file (fold.ts), which between modules it loads and checks.
 * The engine makes 0.6 of the speed without, so what measures it is bundled too, where the compiler put it.
 *
 *   node dist/app/bundle.js
 *
 * Left outside: native modules, compilers and the prover's program, which stay packages of their own (THIRD_PARTY.md).
 * A URL of a file beside a module, `new URL('./x-thread.js', import.meta.url)`, is turned into that of its file here;
 * one of a file that is neither an entry nor there ends the build.
 */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, type Plugin, build } from 'esbuild'
import { type Constants, fold } from './fold.js'

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const out = join(dist, 'program')

const MAIN = 'app/main.js'
/** Programs that are started as processes of their own. */
const CHILDREN = ['app/start/gateway-child.js']
/** The engine alone: what the package exports, and what `bench/engine-pair` measures. */
const ENGINE = ['engine', 'engine/index.js'] as const
/** Benchmarks that run the engine, or start its threads. */
const BENCHMARKS = [
  'bench/conformance.js',
  'bench/engine/contestant.js',
  'bench/gateway/child.js',
  'bench/hostile.js',
  'bench/journal.js',
  'bench/micro.js',
  'bench/settle.js',
]
/** Rooms whose files ending in -thread.js are workers of the program. */
const ROOMS = ['app', 'contracts', 'engine', 'gateway', 'settlement']
const EXTERNAL = ['fs-native-extensions', 'solc', 'snarkjs', '@foundry-rs/*']

/** What CommonJS packages inside a module need to load Node's own modules. */
const REQUIRE = `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`

function threads(): string[] {
  return ROOMS.flatMap((room) =>
    readdirSync(join(dist, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('-thread.js'))
      .map((name) => `${room}/${name.split(sep).join('/')}`),
  )
}

/** What the compiler writes of x.ts. */
const OUTPUT = /\.(d\.ts|js|js\.map)$/

for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  const isOutput = OUTPUT.test(name) && !name.startsWith(`program${sep}`)
  if (isOutput && !existsSync(join(dist, '..', name.replace(OUTPUT, '.ts')))) rmSync(join(dist, name))
}

/** Files of the program: their names, and what they are made of. */
const entries = new Map<string, string>([ENGINE])
for (const entry of [MAIN, ...CHILDREN, ...threads()]) {
  const name = basename(entry, '.js')
  const other = entries.get(name)
  if (other !== undefined) throw new Error(`bundle: ${entry} and ${other} would be one file`)
  entries.set(name, entry)
}

/** Turns the URLs of files beside a module into what they are seen from `folder`, where the bundle stands. */
const placesSeenFrom = (folder: string): Plugin => ({
  name: 'places of files beside a module',
  setup: (program) => {
    program.onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (path.includes(`${sep}node_modules${sep}`)) return undefined
      const text = readFileSync(path, 'utf8')
      if (!text.includes('import.meta.url')) return undefined
      return {
        contents: text.replace(/new URL\('(\.[^']*)', import\.meta\.url\)/g, (_, url: string) => {
          const to = relative(folder, moved(path, url)).split(sep).join('/')
          return `new URL('${to.startsWith('.') ? to : `./${to}`}', import.meta.url)`
        }),
      }
    })
  },
})

/** Where the file is that `module` names by a URL: an entry is in the program. */
function moved(module: string, url: string): string {
  const file = resolve(dirname(module), url)
  const name = basename(file, '.js')
  if (entries.has(name) && resolve(dist, entries.get(name)!) === file) return join(out, `${name}.js`)
  if (!existsSync(file)) throw new Error(`bundle: ${relative(dist, module)} names ${url}, which is not there`)
  return file
}

const COMMON: BuildOptions = {
  absWorkingDir: dist,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
}
const programOptions = (names: readonly string[], splitting: boolean): BuildOptions => ({
  ...COMMON,
  entryPoints: Object.fromEntries(names.map((name) => [name, entries.get(name)!])),
  outdir: out,
  splitting,
  chunkNames: 'part-[hash]',
  legalComments: 'linked',
  external: EXTERNAL,
  banner: { js: REQUIRE },
  plugins: [placesSeenFrom(out)],
})
/** Nothing is written yet, as one benchmark may import another. */
const benchmarkOptions = (entry: string): BuildOptions & { write: false } => ({
  ...COMMON,
  entryPoints: [entry],
  outfile: entry,
  allowOverwrite: true,
  write: false,
  packages: 'external',
  plugins: [placesSeenFrom(join(dist, dirname(entry)))],
})

rmSync(out, { recursive: true, force: true })
const others = [...entries.keys()].filter((name) => name !== 'main')
// Commands are loaded when they are asked for, so main is in parts; of a thread everything is needed.
await Promise.all([build(programOptions(['main'], true)), build(programOptions(others, false))])

const folded = new Map<string, Constants>()
for (const name of readdirSync(out).filter((name) => name.endsWith('.js'))) constantsOf(name)
const benchmarks = await Promise.all(BENCHMARKS.map((entry) => build(benchmarkOptions(entry))))
for (const { path, text } of benchmarks.flatMap(({ outputFiles }) => outputFiles))
  writeFileSync(path, fold(text, () => new Map()).text)

/** Folds a file of the program, once; what it exports of constants. */
function constantsOf(name: string): Constants {
  const known = folded.get(name)
  if (known !== undefined) return known
  folded.set(name, new Map())
  const path = join(out, name)
  const { text, exported } = fold(readFileSync(path, 'utf8'), (other) =>
    other.startsWith('./') ? constantsOf(basename(other)) : new Map(),
  )
  writeFileSync(path, text)
  folded.set(name, exported)
  return exported
}
