/**
 * Where keys lie and how a prover gets one: the development key is built on demand and cached beside the
 * compiled circuit; a ceremony's key is used from the folder that `setup` wrote.
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { zKey } from 'snarkjs'
import { compileCircuit, type Circuit, type CircuitShape } from './circuit.js'
import { writeDevelopmentKey } from './development-key.js'
import { KeyError } from './key-error.js'
import { putInPlace } from './put-in-place.js'
import { tryKey } from './trial.js'

export interface ProvingKey {
  readonly circuit: Circuit
  readonly zkey: string
  /** snarkjs' JSON. */
  readonly verificationKey: Record<string, unknown>
  /** Its secrets are public: for local chains only. */
  readonly isDevelopment: boolean
}

/** Told while a key is made; `share` from 0 to 1. */
export type KeyProgress = (step: string, share: number) => void

/** One line of a ceremony's transcript: what was done, and the key that came of it. */
export interface TranscriptStep {
  readonly step: 'setup' | 'contribution'
  readonly time: string
  readonly zkeySha256: string
  /** Contributor, in `contribution`. */
  readonly name?: string
  /** Hash of a contribution as snarkjs tells it, hex. */
  readonly contributionHash?: string
  /** In `setup`. */
  readonly ptauSha256?: string
  readonly r1csSha256?: string
  readonly circuitHash?: string
}

/** Files of a ceremony's folder. */
export const ceremonyFiles = (
  folder: string,
): Record<'zkey' | 'verificationKey' | 'shape' | 'transcript', string> => ({
  zkey: join(folder, 'proving.zkey'),
  verificationKey: join(folder, 'verification-key.json'),
  shape: join(folder, 'shape.json'),
  transcript: join(folder, 'transcript.json'),
})

/** What stands beside a development key that was tried. */
interface DevelopmentMark {
  readonly zkeySha256: string
  readonly verificationKey: Record<string, unknown>
}

/**
 * The development key of a circuit: built when it is not cached or its file is damaged (some seconds a row), and
 * tried once. Throws CompileError or KeyError.
 */
export async function developmentKey(
  shape: CircuitShape,
  onProgress: KeyProgress = () => {},
): Promise<ProvingKey> {
  onProgress('compiling the circuit', 0)
  const circuit = await compileCircuit(shape)
  const zkey = join(circuit.folder, 'development.zkey')
  const markPath = join(circuit.folder, 'development.json')
  let mark = existsSync(markPath) ? (readJson(markPath) as unknown as DevelopmentMark) : undefined
  if (mark === undefined || !existsSync(zkey) || (await sha256File(zkey)) !== mark.zkeySha256) {
    await writeDevelopmentKey(circuit.r1cs, zkey, (share) => onProgress('proving key', share))
    const verificationKey = await zKey.exportVerificationKey(zkey)
    onProgress('trying the key', 1)
    await tryKey(circuit, zkey, verificationKey)
    mark = { zkeySha256: await sha256File(zkey), verificationKey }
    writeWhole(markPath, mark)
  }
  return { circuit, zkey, verificationKey: mark.verificationKey, isDevelopment: true }
}

/**
 * A ceremony's key in `folder`. Throws KeyError when a file is absent or damaged, when nobody has contributed, or
 * when the key is of another circuit than this program's.
 */
export async function keyFrom(folder: string): Promise<ProvingKey> {
  const files = ceremonyFiles(folder)
  const shape = readJson(files.shape) as unknown as CircuitShape & { circuit: string }
  const verificationKey = readJson(files.verificationKey)
  const transcript = readTranscript(folder)
  const circuit = await compileCircuit({ rows: shape.rows, depth: shape.depth })
  if (!circuit.folder.endsWith(shape.circuit))
    throw new KeyError(
      `${folder} holds a key of circuit ${shape.circuit}, this program has ${circuit.folder}`,
    )
  if (!transcript.some(({ step }) => step === 'contribution'))
    throw new KeyError(`${folder} holds a key that nobody has contributed to: anybody could forge proofs`)
  await checkZkeyHash(folder, transcript)
  if (!isDeepStrictEqual(await exportKey(files.zkey), verificationKey))
    throw new KeyError(`${files.verificationKey} is not the verification key of ${files.zkey}`)
  return { circuit, zkey: files.zkey, verificationKey, isDevelopment: false }
}

/** Steps of a ceremony so far. Throws KeyError. */
export function readTranscript(folder: string): TranscriptStep[] {
  const path = ceremonyFiles(folder).transcript
  const steps: unknown = readJson(path)
  if (!Array.isArray(steps) || steps.length === 0) throw new KeyError(`${path} holds no steps`)
  return steps as TranscriptStep[]
}

/** Throws KeyError unless the proving key is the one that the transcript's last step left. */
export async function checkZkeyHash(folder: string, transcript: readonly TranscriptStep[]): Promise<void> {
  const { zkey } = ceremonyFiles(folder)
  if (!existsSync(zkey)) throw new KeyError(`${zkey} is not there`)
  const found = await sha256File(zkey)
  const { zkeySha256 } = transcript.at(-1)!
  if (found !== zkeySha256)
    throw new KeyError(
      `${zkey} has SHA-256 ${found}, the transcript says ${zkeySha256}: damaged or exchanged`,
    )
}

/** Verification key inside a proving key. Throws KeyError. */
export async function exportKey(zkey: string): Promise<Record<string, unknown>> {
  try {
    // Through JSON, so that it equals what was written.
    return JSON.parse(JSON.stringify(await zKey.exportVerificationKey(zkey))) as Record<string, unknown>
  } catch (error) {
    throw new KeyError(
      `${zkey} is not a proving key: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** Writes JSON so that a reader sees all of it or none. */
export function writeWhole(path: string, value: unknown): void {
  const building = `${path}.building-${process.pid}`
  writeFileSync(building, `${JSON.stringify(value, null, 1)}\n`)
  putInPlace(building, path)
}

function readJson(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  } catch (error) {
    throw new KeyError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}
