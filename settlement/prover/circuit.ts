/**
 * Compiles the chunk circuit for N rows and a depth: circom source in, r1cs and witness program out. The
 * result lies in a cache folder named after everything that it depends on, and is built once.
 *
 * circom2 sees only its working directory, so the sources that it needs are copied there.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { putInPlace } from './put-in-place.js'
import { CIRCUIT_ROWS_MAX, TREE_DEPTH } from './limits.js'

const require = createRequire(import.meta.url)

export interface CircuitShape {
  /** Row slots. */
  readonly rows: number
  readonly depth: number
}

export interface Circuit extends CircuitShape {
  /** Cache folder of this circuit; keys stand beside the compiled files. */
  readonly folder: string
  readonly r1cs: string
  readonly wasm: string
}

/** The circuit does not compile. */
export class CompileError extends Error {
  override readonly name = 'CompileError'
}

/** Folder of the repository: the first one upwards that holds the circuit's source. */
function rootFolder(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); dirname(at) !== at; at = dirname(at))
    if (existsSync(join(at, 'settlement', 'circuits', 'chunk.circom'))) return at
  throw new CompileError('settlement/circuits/chunk.circom is in no folder above this program')
}

/** Folder that holds every circuit's cache; GLASSBOOK_PROVER_CACHE overrides it. */
export function cacheFolder(): string {
  return (
    process.env.GLASSBOOK_PROVER_CACHE ?? join(rootFolder(), 'node_modules', '.cache', 'glassbook-prover')
  )
}

const mainSource = ({ rows, depth }: CircuitShape): string =>
  [
    'pragma circom 2.1.6;',
    'include "chunk.circom";',
    `component main {public [firstRoot, lastRoot, z, evaluation]} = Chunk(${rows}, ${depth});`,
    '',
  ].join('\n')

/** Compiles, unless that was done before. `onProgress` gets one line a step. */
export async function compileCircuit(
  shape: CircuitShape,
  onProgress: (text: string) => void = () => {},
): Promise<Circuit> {
  const { rows, depth } = shape
  if (!Number.isInteger(rows) || rows < 1 || rows > CIRCUIT_ROWS_MAX)
    throw new CompileError(`rows ${rows}, 1 to ${CIRCUIT_ROWS_MAX}`)
  if (!Number.isInteger(depth) || depth < 1 || depth > TREE_DEPTH)
    throw new CompileError(`depth ${depth}, 1 to ${TREE_DEPTH}`)
  const circomlib = dirname(require.resolve('circomlib/package.json'))
  const circom = dirname(require.resolve('circom2/package.json'))
  const sources = [
    join(rootFolder(), 'settlement', 'circuits', 'chunk.circom'),
    join(circomlib, 'circuits', 'poseidon.circom'),
    join(circomlib, 'circuits', 'poseidon_constants.circom'),
  ]
  const hash = createHash('sha256')
    .update(mainSource(shape))
    .update(readFileSync(join(circom, 'package.json')))
  for (const source of sources) hash.update(readFileSync(source))
  const folder = join(cacheFolder(), `chunk-${rows}-${depth}-${hash.digest('hex').slice(0, 16)}`)
  const circuit: Circuit = {
    ...shape,
    folder,
    r1cs: join(folder, 'chunk.r1cs'),
    wasm: join(folder, 'chunk.wasm'),
  }
  if (existsSync(circuit.r1cs) && existsSync(circuit.wasm)) return circuit
  onProgress(`compiling the circuit for ${rows} rows at depth ${depth}`)
  const work = `${folder}.building-${process.pid}`
  mkdirSync(work, { recursive: true })
  try {
    for (const source of sources) copyFileSync(source, join(work, source.slice(dirname(source).length + 1)))
    writeFileSync(join(work, 'main.circom'), mainSource(shape))
    await runCircom(join(circom, 'cli.js'), work)
    mkdirSync(folder, { recursive: true })
    putInPlace(join(work, 'main_js', 'main.wasm'), circuit.wasm)
    putInPlace(join(work, 'main.r1cs'), circuit.r1cs)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return circuit
}

function runCircom(cli: string, cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, 'main.circom', '--r1cs', '--wasm', '--O2'], { cwd })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', reject)
    child.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new CompileError(`circom ended with ${code}: ${output.trim()}`))
    })
  })
}
