/**
 * A page circuit's verification key under a reference string, and what rests on it: made once, and kept beside the
 * compiled circuit.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { barretenberg, PROOF_FORM } from './barretenberg.js'
import { compilePageCircuits, type CompiledPageCircuit, type PageCircuit } from './page-circuits.js'
import { SYSTEM_ROWS_MAX } from './limits.js'
import { placeBeside } from './place-beside.js'
import { developmentString, publicString, type ReferenceString } from './reference-string.js'

export interface PageKey {
  readonly compiled: CompiledPageCircuit
  readonly string: ReferenceString
  readonly keyFile: string
  readonly gates: number
}

/** Where the public string lies; absent = the development string. */
export interface PublicStringPlace {
  readonly folder: string
  /** Of the file of G1. */
  readonly sha256?: string
}

/** Told while keys are made; `share` from 0 to 1. */
export type PageKeyProgress = (step: string, share: number) => void

/** Compiles the circuits, makes the string and the keys, unless they are there. Throws PageProverError. */
export async function pageKeys(
  circuits: readonly PageCircuit[],
  place?: PublicStringPlace,
  onProgress: PageKeyProgress = () => {},
): Promise<PageKey[]> {
  onProgress('compiling the page circuits', 0)
  const compiled = await compilePageCircuits(circuits)
  const keys: PageKey[] = []
  for (const each of compiled) {
    onProgress(`key of ${each.circuit.name}`, (keys.length + 1) / (compiled.length + 1))
    keys.push(await keyOf(each, place))
  }
  return keys
}

async function keyOf(compiled: CompiledPageCircuit, place?: PublicStringPlace): Promise<PageKey> {
  const gates = await gatesOf(compiled)
  const points = 2 ** Math.ceil(Math.log2(gates + SYSTEM_ROWS_MAX)) + 1
  const string =
    place === undefined ? developmentString(points) : publicString(place.folder, points, place.sha256)
  const id = createHash('sha256').update(string.secondGroup.join()).digest('hex').slice(0, 16)
  const folder = join(compiled.folder, `key-${id}`)
  const keyFile = join(folder, 'vk')
  if (!existsSync(keyFile)) {
    const building = `${folder}.building-${process.pid}`
    mkdirSync(building, { recursive: true })
    try {
      const files = ['-b', compiled.programFile, '-o', building, '-c', string.folder]
      await barretenberg(['write_vk', ...PROOF_FORM, ...files])
      // Another program may have made the same one meanwhile.
      if (!existsSync(keyFile)) renameSync(building, folder)
    } finally {
      rmSync(building, { recursive: true, force: true })
    }
  }
  return { compiled, string, keyFile, gates }
}

async function gatesOf({ folder, programFile }: CompiledPageCircuit): Promise<number> {
  const file = join(folder, 'gates')
  if (!existsSync(file)) {
    const output = await barretenberg(['gates', ...PROOF_FORM, '-b', programFile])
    const { functions } = JSON.parse(output) as { functions: { circuit_size: number }[] }
    placeBeside(file, String(functions[0]!.circuit_size))
  }
  return Number(readFileSync(file, 'utf8'))
}
