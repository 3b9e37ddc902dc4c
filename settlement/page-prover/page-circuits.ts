/**
 * The page circuits that are proven, and their compilation: Noir sources of settlement/circuits/pages in, ACIR out.
 * What is compiled lies in a cache folder named after everything that it depends on, and is built once.
 *
 * Sizes: a list's gates are about 199 a slot, 33 a leaf and 3,100 more; a dense circuit's 81 a leaf and as many more.
 * Each fills its power of two, less the rows that the proof system keeps for itself.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { placeBeside } from './place-beside.js'
import { PageProverError } from './page-prover-error.js'

const require = createRequire(import.meta.url)

/** Proves any rows with so many leaves and so many inner nodes above them. */
export interface ListPageCircuit {
  readonly kind: 'list'
  readonly name: string
  readonly leaves: number
  readonly slots: number
}

/** Proves any rows within one aligned subtree of 4^levels leaves. */
export interface DensePageCircuit {
  readonly kind: 'dense'
  readonly name: string
  readonly levels: number
}

export type PageCircuit = ListPageCircuit | DensePageCircuit

/** In the order of the verifier's circuits: the place is the circuit's number on the chain. */
export const PAGE_CIRCUITS: readonly PageCircuit[] = [
  { kind: 'list', name: 'list-14', leaves: 16, slots: 63 },
  { kind: 'list', name: 'list-16', leaves: 104, slots: 296 },
  { kind: 'list', name: 'list-18', leaves: 448, slots: 1227 },
  { kind: 'dense', name: 'dense-256', levels: 4 },
  { kind: 'dense', name: 'dense-1024', levels: 5 },
]

export interface CompiledPageCircuit {
  readonly circuit: PageCircuit
  /** Cache folder of this circuit; its keys stand below it. */
  readonly folder: string
  /** File of the compiled program, JSON, as the proof system's tool takes it. */
  readonly programFile: string
}

/** Folder of the repository: the first one upwards that holds the circuits' sources. */
function rootFolder(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); dirname(at) !== at; at = dirname(at))
    if (existsSync(join(at, 'settlement', 'circuits', 'pages', 'list.nr'))) return at
  throw new PageProverError('settlement/circuits/pages/list.nr is in no folder above this program')
}

/** Folder that holds circuits, strings and keys; GLASSBOOK_PROVER_CACHE overrides it. */
export function pageCacheFolder(): string {
  return (
    process.env.GLASSBOOK_PROVER_CACHE ?? join(rootFolder(), 'node_modules', '.cache', 'glassbook-prover')
  )
}

function sizesSource(circuit: PageCircuit): string {
  const sizes =
    circuit.kind === 'list'
      ? { LEAVES: circuit.leaves, SLOTS: circuit.slots }
      : { LEVELS: circuit.levels, LEAVES: 4 ** circuit.levels }
  return Object.entries(sizes)
    .map(([name, size]) => `pub global ${name}: u32 = ${size};\n`)
    .join('')
}

/** File of a compiled circuit in its folder. */
const COMPILED = 'program.json'
const MANIFEST = '[package]\nname = "page"\ntype = "bin"\nauthors = []\n[dependencies]\n'

/** Compiles those that were not compiled before, all in one process: seconds for the largest. Throws PageProverError. */
export async function compilePageCircuits(circuits: readonly PageCircuit[]): Promise<CompiledPageCircuit[]> {
  const all = circuits.map((circuit) => compiledPlace(circuit))
  const missing = all.filter(({ programFile }) => !existsSync(programFile))
  const projects = missing.map(({ folder }) => `${folder}.building-${process.pid}`)
  try {
    missing.forEach(({ circuit }, at) => writeProject(circuit, projects[at]!))
    if (missing.length > 0) await compileProjects(projects)
    missing.forEach(({ folder, programFile }, at) => {
      mkdirSync(folder, { recursive: true })
      placeBeside(programFile, readFileSync(join(projects[at]!, COMPILED)))
    })
  } finally {
    for (const project of projects) rmSync(project, { recursive: true, force: true })
  }
  return all
}

const sourcesOf = (circuit: PageCircuit): { page: string; entry: string } => {
  const folder = join(rootFolder(), 'settlement', 'circuits', 'pages')
  return { page: join(folder, 'page.nr'), entry: join(folder, `${circuit.kind}.nr`) }
}

/** Where a circuit is when it is compiled. */
function compiledPlace(circuit: PageCircuit): CompiledPageCircuit {
  const { page, entry } = sourcesOf(circuit)
  const compilerFolder = dirname(dirname(dirname(require.resolve('@noir-lang/noir_wasm'))))
  const hash = createHash('sha256')
    .update(readFileSync(join(compilerFolder, 'package.json')))
    .update(sizesSource(circuit))
  for (const source of [page, entry]) hash.update(readFileSync(source))
  const folder = join(pageCacheFolder(), `page-${circuit.name}-${hash.digest('hex').slice(0, 16)}`)
  return { circuit, folder, programFile: join(folder, COMPILED) }
}

function writeProject(circuit: PageCircuit, project: string): void {
  const { page, entry } = sourcesOf(circuit)
  mkdirSync(join(project, 'src'), { recursive: true })
  writeFileSync(join(project, 'Nargo.toml'), MANIFEST)
  writeFileSync(join(project, 'src', 'sizes.nr'), sizesSource(circuit))
  copyFileSync(page, join(project, 'src', 'page.nr'))
  copyFileSync(entry, join(project, 'src', 'main.nr'))
}

function compileProjects(projects: readonly string[]): Promise<void> {
  const program = fileURLToPath(new URL('compile-page-cli.js', import.meta.url))
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, COMPILED, ...projects], (error, _, errors) => {
      if (error === null) resolve()
      else reject(new PageProverError(`circuits do not compile: ${errors.trim() || error.message}`))
    })
  })
}

export function readPageProgram({ programFile }: CompiledPageCircuit): object {
  return JSON.parse(readFileSync(programFile, 'utf8')) as object
}
