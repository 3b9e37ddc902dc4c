/**
 * Keys of a ceremony, for chains that hold value: phase 2 over a public powers-of-tau file, with
 * contributions. As long as one contributor forgot their secret, nobody can forge a proof. Every step is
 * written to `transcript.json`, so that others can repeat the checks.
 *
 *   DIR/proving.zkey   DIR/verification-key.json   DIR/shape.json   DIR/transcript.json
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { zKey } from 'snarkjs'
import { compileCircuit, type CircuitShape } from './circuit.js'

type Say = (line: Record<string, unknown>) => void

/** The powers-of-tau file is not the one that was asked for, or a key does not check. */
export class CeremonyError extends Error {
  override readonly name = 'CeremonyError'
}

interface Step {
  readonly step: string
  readonly time: string
  readonly zkeySha256: string
  readonly [detail: string]: unknown
}

async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

const keyPath = (folder: string): string => join(folder, 'proving.zkey')
const transcriptPath = (folder: string): string => join(folder, 'transcript.json')

async function record(folder: string, step: string, details: Record<string, unknown>): Promise<Step> {
  const path = transcriptPath(folder)
  const steps = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Step[]) : []
  const entry = {
    step,
    time: new Date().toISOString(),
    zkeySha256: await sha256File(keyPath(folder)),
    ...details,
  }
  writeFileSync(path, `${JSON.stringify([...steps, entry], null, 1)}\n`)
  writeFileSync(
    join(folder, 'verification-key.json'),
    `${JSON.stringify(await zKey.exportVerificationKey(keyPath(folder)), null, 1)}\n`,
  )
  return entry
}

/**
 * Makes the first key from a prepared powers-of-tau file whose SHA-256 is `sha256`. It is worth nothing
 * before the first contribution. Throws CeremonyError.
 */
export async function setup(
  shape: CircuitShape,
  ptau: string,
  sha256: string,
  folder: string,
  say: Say,
): Promise<void> {
  const found = await sha256File(ptau)
  if (found !== sha256.toLowerCase())
    throw new CeremonyError(`${ptau} has SHA-256 ${found}, expected ${sha256}`)
  if (existsSync(keyPath(folder))) throw new CeremonyError(`${folder} holds a key already`)
  const circuit = await compileCircuit(shape, (text) => say({ event: 'key', step: text }))
  mkdirSync(folder, { recursive: true })
  say({ event: 'key', step: 'phase 2 from the powers of tau' })
  const hash = await zKey.newZKey(circuit.r1cs, ptau, keyPath(folder))
  if (hash === -1)
    throw new CeremonyError(`${ptau} is too small for this circuit, or not prepared for phase 2`)
  writeFileSync(
    join(folder, 'shape.json'),
    `${JSON.stringify({ ...shape, circuit: basename(circuit.folder) })}\n`,
  )
  say({
    event: 'done',
    ...(await record(folder, 'setup', {
      ptauSha256: found,
      r1csSha256: await sha256File(circuit.r1cs),
      circuitHash: Buffer.from(hash).toString('hex'),
    })),
  })
}

/** Adds a contribution with secret randomness of this machine, which is forgotten. */
export async function contribute(folder: string, name: string, say: Say): Promise<void> {
  const next = `${keyPath(folder)}.next`
  const hash = await zKey.contribute(keyPath(folder), next, name, randomBytes(64).toString('hex'))
  renameSync(next, keyPath(folder))
  say({
    event: 'done',
    ...(await record(folder, 'contribution', { name, contributionHash: Buffer.from(hash).toString('hex') })),
  })
}

/** Verifies a key and all its contributions from the circuit and the powers of tau. */
export async function checkKey(folder: string, ptau: string, say: Say): Promise<boolean> {
  const shape = JSON.parse(readFileSync(join(folder, 'shape.json'), 'utf8')) as CircuitShape
  const circuit = await compileCircuit({ rows: shape.rows, depth: shape.depth })
  const isGood = await zKey.verifyFromR1cs(circuit.r1cs, ptau, keyPath(folder))
  say({ event: 'done', step: 'check', isGood })
  return isGood
}
