/**
 * Where keys lie and how a prover gets one: the development key is built on demand and cached beside the
 * compiled circuit; a ceremony's key is used from the folder that `setup` wrote.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zKey } from 'snarkjs'
import { compileCircuit, type Circuit, type CircuitShape } from './circuit.js'
import { writeDevelopmentKey } from './development-key.js'

export interface ProvingKey {
  readonly circuit: Circuit
  readonly zkey: string
  /** snarkjs' JSON. */
  readonly verificationKey: Record<string, unknown>
}

/** Told while a key is made; `share` from 0 to 1. */
export type KeyProgress = (step: string, share: number) => void

/** The development key of a circuit, built if it is not cached: about 20 seconds a row. */
export async function developmentKey(
  shape: CircuitShape,
  onProgress: KeyProgress = () => {},
): Promise<ProvingKey> {
  onProgress('compiling the circuit', 0)
  const circuit = await compileCircuit(shape)
  const zkey = join(circuit.folder, 'development.zkey')
  const exported = join(circuit.folder, 'development.vkey.json')
  if (!existsSync(zkey))
    await writeDevelopmentKey(circuit.r1cs, zkey, (share) => onProgress('proving key', share))
  if (!existsSync(exported))
    writeFileSync(exported, `${JSON.stringify(await zKey.exportVerificationKey(zkey), null, 1)}\n`)
  return { circuit, zkey, verificationKey: readKey(exported) }
}

/** A key that `setup` wrote to `folder`. Throws when its circuit is not the one of this program. */
export async function keyFrom(folder: string): Promise<ProvingKey> {
  const shape = JSON.parse(readFileSync(join(folder, 'shape.json'), 'utf8')) as CircuitShape & {
    circuit: string
  }
  const circuit = await compileCircuit({ rows: shape.rows, depth: shape.depth })
  if (!circuit.folder.endsWith(shape.circuit))
    throw new Error(`the key in ${folder} is of another circuit than this program's`)
  return {
    circuit,
    zkey: join(folder, 'proving.zkey'),
    verificationKey: readKey(join(folder, 'verification-key.json')),
  }
}

const readKey = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
