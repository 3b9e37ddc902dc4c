/**
 * The last step of `npm run build`: takes away what the compiler made of files that are gone, or tests of them would
 * still run, and puts the program in one folder, dist/program, a file for main and one for each thread
 * and child process. Why: a start reads a few files instead of 900 (a quarter to a half of the CPU), and V8 sees calls between
 * the modules of a thread as calls within one module, which it inlines.
 *
 *   node dist/app/bundle.js
 *
 * Left outside: native modules, compilers and the prover's program, which stay packages of their own (THIRD_PARTY.md).
 * A URL of a file beside a module, `new URL('./x-thread.js', import.meta.url)`, is turned into that of its file here;
 * one of a file that is neither an entry nor there ends the build.
 *
 * esbuild writes `var` for what a module declares with const, class or let. V8 folds a const into the code that uses
 * it, and loads a variable at each use: the engine took 1.6 times as long. So what nobody assigns to is made const
 * again.
 */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, type Plugin, build, transform } from 'esbuild'

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const out = join(dist, 'program')

const MAIN = 'app/main.js'
/** Programs that are started as processes of their own. */
const CHILDREN = ['app/start/gateway-child.js']
/** The engine as it is in the program, alone: `bench/engine-pair` measures it. */
const ENGINE = 'engine/core/engine.js'
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

const entries = new Map<string, string>()
for (const entry of [MAIN, ...CHILDREN, ENGINE, ...threads()]) {
  const name = basename(entry, '.js')
  const other = entries.get(name)
  if (other !== undefined) throw new Error(`bundle: ${entry} and ${other} would be one file`)
  entries.set(name, entry)
}

const places: Plugin = {
  name: 'places of files beside a module',
  setup: (program) => {
    program.onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (path.includes(`${sep}node_modules${sep}`)) return undefined
      const text = readFileSync(path, 'utf8')
      if (!text.includes('import.meta.url')) return undefined
      return {
        contents: text.replace(/new URL\('(\.[^']*)', import\.meta\.url\)/g, (_, url: string) =>
          moved(path, url),
        ),
      }
    })
  },
}

/** The URL of a file as a module in the bundle has to write it. */
function moved(module: string, url: string): string {
  const file = resolve(dirname(module), url)
  const entry = entries.get(basename(file, '.js'))
  const isEntry = entry !== undefined && resolve(dist, entry) === file
  if (!isEntry && !existsSync(file))
    throw new Error(`bundle: ${relative(dist, module)} names ${url}, which is not there`)
  const to = isEntry ? `./${basename(file)}` : relative(out, file).split(sep).join('/')
  return `new URL('${to}', import.meta.url)`
}

const optionsOf = (names: readonly string[], splitting: boolean): BuildOptions => ({
  absWorkingDir: dist,
  entryPoints: Object.fromEntries(names.map((name) => [name, entries.get(name)!])),
  outdir: out,
  bundle: true,
  splitting,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  chunkNames: 'part-[hash]',
  legalComments: 'linked',
  external: EXTERNAL,
  banner: { js: REQUIRE },
  plugins: [places],
  logLevel: 'warning',
})

rmSync(out, { recursive: true, force: true })
const [main, ...others] = [...entries.keys()]
// Commands are loaded when they are asked for, so main is in parts; of a thread everything is needed.
await Promise.all([build(optionsOf([main!], true)), build(optionsOf(others, false))])

for (const name of readdirSync(out).filter((name) => name.endsWith('.js'))) {
  const text = readFileSync(join(out, name), 'utf8')
  writeFileSync(join(out, name), withConstants(text, await assigned(withConstants(text, new Set()))))
}

/**
 * A file of the bundle with const for the variables of our modules, but for those named. Packages keep theirs: a var
 * of theirs may be meant to be used before it is set. esbuild names each module in a comment, and indents all that
 * is not at its top level.
 */
function withConstants(text: string, variables: ReadonlySet<string>): string {
  let isOurs = false
  const lines = text.split('\n').map((line) => {
    if (line.startsWith('// ')) isOurs = !line.includes('node_modules/')
    const declared = isOurs ? /^var ([\w$]+ =|\{)/.exec(line)?.[1] : undefined
    if (declared === undefined || variables.has(declared.replace(' =', ''))) return line
    return line.replace('var', 'const')
  })
  return lines.join('\n')
}

/** Constants that are assigned to. */
async function assigned(text: string): Promise<Set<string>> {
  const { warnings } = await transform(text, { format: 'esm', logLevel: 'silent', logLimit: 0 })
  return new Set(
    warnings
      .filter(({ id }) => id === 'assign-to-constant')
      .map(({ location }) => location!.lineText.slice(location!.column, location!.column + location!.length)),
  )
}
