/**
 * Keys of a ceremony, for chains that hold value: phase 2 over a public powers-of-tau file, with
 * contributions. As long as one contributor forgot their secret, nobody can forge a proof. Every step is
 * written to `transcript.json`, so that others can repeat the checks.
 *
 *   DIR/proving.zkey   DIR/verification-key.json   DIR/shape.json   DIR/transcript.json
 *
 * Invariant: the key that lies there was tried (one proof, made and verified), and is the one whose hash the
 * transcript's last step tells; a step that fails leaves the step before it in place.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { zKey, type Logger } from 'snarkjs'
import { compileCircuit, type Circuit, type CircuitShape } from './circuit.js'
import { KeyError } from './key-error.js'
import {
  ceremonyFiles,
  checkZkeyHash,
  exportKey,
  readTranscript,
  sha256File,
  writeWhole,
  type TranscriptStep,
} from './keys.js'
import { putInPlace } from './put-in-place.js'
import { tryKey } from './trial.js'
import { NAME_BYTES_MAX } from './limits.js'

type Say = (line: Record<string, unknown>) => void

/** A step of the ceremony cannot be done: the message names the file, what it is and what it should be. */
export class CeremonyError extends Error {
  override readonly name = 'CeremonyError'
}

/** Keeps what snarkjs says. */
function listener(): Logger & { readonly errors: string[]; readonly infos: string[] } {
  const [errors, infos]: [string[], string[]] = [[], []]
  return {
    errors,
    infos,
    debug: () => {},
    info: (text) => void infos.push(text),
    warn: () => {},
    error: (text) => void errors.push(text),
  }
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * Makes the first key from a powers-of-tau file whose SHA-256 is `sha256`, prepared for phase 2. It is worth
 * nothing before the first contribution, and is not used for proofs. Throws CeremonyError, CompileError or
 * KeyError.
 */
export async function setup(
  shape: CircuitShape,
  ptau: string,
  sha256: string,
  folder: string,
  say: Say,
): Promise<void> {
  if (!/^[0-9a-fA-F]{64}$/.test(sha256))
    throw new CeremonyError(`"${sha256}" is not a SHA-256: it has 64 hexadecimal digits`)
  if (!existsSync(ptau)) throw new CeremonyError(`${ptau} is not there`)
  const found = await sha256File(ptau)
  if (found !== sha256.toLowerCase())
    throw new CeremonyError(`${ptau} has SHA-256 ${found}, expected ${sha256.toLowerCase()}`)
  const files = ceremonyFiles(folder)
  if (existsSync(files.zkey)) throw new CeremonyError(`${folder} holds a key already`)
  const circuit = await compileCircuit(shape, (step) => say({ event: 'key', step }))
  mkdirSync(folder, { recursive: true })
  say({ event: 'key', step: 'phase 2 from the powers of tau' })
  const building = `${files.zkey}.building`
  const logger = listener()
  try {
    let hash: Uint8Array | -1
    try {
      hash = await zKey.newZKey(circuit.r1cs, ptau, building, logger)
    } catch (error) {
      throw new CeremonyError(`${ptau} is not a whole powers-of-tau file: ${text(error)}`)
    }
    if (hash === -1)
      throw new CeremonyError(
        `${ptau} is too small for this circuit, or not prepared for phase 2: ${logger.errors.join('; ')}`,
      )
    writeWhole(files.shape, { ...shape, circuit: basename(circuit.folder) })
    await takeKey(folder, circuit, building, [], say, {
      step: 'setup',
      ptauSha256: found,
      r1csSha256: await sha256File(circuit.r1cs),
      circuitHash: Buffer.from(hash).toString('hex'),
    })
  } finally {
    rmSync(building, { force: true })
  }
}

/**
 * Adds a contribution of `name` with secret randomness of this machine, which is forgotten. Throws
 * CeremonyError, or KeyError when the key that lies there is damaged.
 */
export async function contribute(folder: string, name: string, say: Say): Promise<void> {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0 || bytes > NAME_BYTES_MAX)
    throw new CeremonyError(`a contributor's name has 1 to ${NAME_BYTES_MAX} bytes, "${name}" has ${bytes}`)
  const files = ceremonyFiles(folder)
  const transcript = readTranscript(folder)
  await checkZkeyHash(folder, transcript)
  const circuit = await circuitOf(folder)
  const next = `${files.zkey}.building`
  try {
    const hash = await zKey.contribute(files.zkey, next, name, randomBytes(64).toString('hex'))
    const contributionHash = Buffer.from(hash).toString('hex')
    await takeKey(folder, circuit, next, transcript, say, { step: 'contribution', name, contributionHash })
  } finally {
    rmSync(next, { force: true })
  }
}

/**
 * Verifies a key from the circuit and the powers of tau, with every contribution: anybody can who has the
 * folder and the file. Says each check; resolves with whether all hold. Throws KeyError for files that cannot be
 * read.
 */
export async function checkKey(folder: string, ptau: string, say: Say): Promise<boolean> {
  const files = ceremonyFiles(folder)
  const transcript = readTranscript(folder)
  const circuit = await circuitOf(folder)
  let isGood = true
  const told = (what: string, holds: boolean): void => {
    isGood &&= holds
    say({ event: 'check', what, holds })
  }
  const holds = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work()
      return true
    } catch (error) {
      say({ event: 'check', error: text(error) })
      return false
    }
  }
  const [first, ...rest] = transcript
  told(
    'the transcript begins with the setup, contributions follow',
    first!.step === 'setup' && rest.every(({ step }) => step === 'contribution'),
  )
  told('somebody has contributed', rest.length > 0)
  told(`${ptau} is the file of the setup`, existsSync(ptau) && (await sha256File(ptau)) === first!.ptauSha256)
  told('the circuit is that of the setup', (await sha256File(circuit.r1cs)) === first!.r1csSha256)
  told(
    "the proving key is what the transcript's last step left",
    await holds(() => checkZkeyHash(folder, transcript)),
  )
  const logger = listener()
  told(
    'the proving key follows from circuit, powers of tau and contributions',
    await holds(async () => {
      if (!(await zKey.verifyFromR1cs(circuit.r1cs, ptau, files.zkey, logger)))
        throw new KeyError(`${files.zkey}: ${logger.errors.join('; ') || 'a contribution does not verify'}`)
    }),
  )
  const contributions = logger.infos.flatMap((line) => {
    const match = /^contribution #\d+ (.*):\s*([\s0-9a-f]+)$/.exec(line)
    return match === null ? [] : [`${match[1]} ${match[2]!.replaceAll(/\s/g, '')}`]
  })
  // The verifier tells the last one first.
  told(
    'its contributions are those of the transcript',
    isDeepStrictEqual(
      contributions.reverse(),
      rest.map(({ name, contributionHash }) => `${name} ${contributionHash}`),
    ),
  )
  told(
    'the verification key is the one in the proving key',
    await holds(async () => {
      const exported = await exportKey(files.zkey)
      if (!isDeepStrictEqual(exported, JSON.parse(readFileSync(files.verificationKey, 'utf8'))))
        throw new KeyError(`${files.verificationKey} is not the verification key of ${files.zkey}`)
      await tryKey(circuit, files.zkey, exported)
    }),
  )
  say({ event: 'done', step: 'check', isGood })
  return isGood
}

/** The circuit that a folder's key is for. Throws KeyError. */
async function circuitOf(folder: string): Promise<Circuit> {
  const path = ceremonyFiles(folder).shape
  let shape: CircuitShape & { circuit: string }
  try {
    shape = JSON.parse(readFileSync(path, 'utf8')) as CircuitShape & { circuit: string }
  } catch (error) {
    throw new KeyError(`${path} cannot be read: ${text(error)}`)
  }
  const circuit = await compileCircuit({ rows: shape.rows, depth: shape.depth })
  if (!circuit.folder.endsWith(shape.circuit))
    throw new KeyError(
      `${folder} holds a key of circuit ${shape.circuit}, this program has ${circuit.folder}`,
    )
  return circuit
}

/** Tries the key at `building`, puts it in place, and adds its step to the transcript. */
async function takeKey(
  folder: string,
  circuit: Circuit,
  building: string,
  transcript: readonly TranscriptStep[],
  say: Say,
  step: Omit<TranscriptStep, 'time' | 'zkeySha256'>,
): Promise<void> {
  const files = ceremonyFiles(folder)
  const verificationKey = await exportKey(building)
  say({ event: 'key', step: 'trying the key' })
  await tryKey(circuit, building, verificationKey)
  const entry: TranscriptStep = {
    ...step,
    time: new Date().toISOString(),
    zkeySha256: await sha256File(building),
  }
  putInPlace(building, files.zkey)
  writeWhole(files.verificationKey, verificationKey)
  writeWhole(files.transcript, [...transcript, entry])
  say({ event: 'done', ...entry })
}
