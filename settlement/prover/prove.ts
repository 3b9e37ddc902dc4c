/**
 * Makes and checks proofs of chunks with a key that lies on the disk. The key is read once and kept.
 */
import { readFileSync } from 'node:fs'
import { groth16, wtns, type Groth16Proof } from 'snarkjs'
import type { Circuit } from './circuit.js'

/** Inputs of the circuit (settlement/circuits/chunk.circom), numbers as decimal strings. */
export interface ChunkInputs {
  readonly firstRoot: string
  readonly lastRoot: string
  readonly z: string
  readonly evaluation: string
  readonly used: readonly string[]
  readonly index: readonly string[]
  readonly oldBalance: readonly string[]
  readonly newBalance: readonly string[]
  readonly inverseDelta: readonly string[]
  readonly siblings: readonly (readonly string[])[]
}

/** The inputs break a constraint: there is no proof of them. */
export class NoWitness extends Error {
  override readonly name = 'NoWitness'
}

/** A proof that our own key does not accept: a broken key or a broken machine. */
export class ProofRejected extends Error {
  override readonly name = 'ProofRejected'
}

/** Eight decimal strings in EIP-197 order: [a.x, a.y, b.x1, b.x0, b.y1, b.y0, c.x, c.y]. */
export type ProofWords = readonly string[]

export class ChunkProver {
  private readonly zkey: Uint8Array
  private readonly wasm: Uint8Array

  constructor(
    circuit: Circuit,
    zkeyPath: string,
    private readonly verificationKey: object,
  ) {
    this.zkey = new Uint8Array(readFileSync(zkeyPath))
    this.wasm = new Uint8Array(readFileSync(circuit.wasm))
  }

  /** Throws NoWitness or ProofRejected. Every proof is verified before it is given out. */
  async prove(inputs: ChunkInputs): Promise<ProofWords> {
    const witness = { type: 'mem' } as { type: 'mem'; data?: Uint8Array }
    try {
      await wtns.calculate(inputs, { type: 'mem', data: this.wasm }, witness)
    } catch (error) {
      throw new NoWitness(error instanceof Error ? error.message : String(error))
    }
    const { proof, publicSignals } = await groth16.prove({ type: 'mem', data: this.zkey }, witness)
    if (!(await groth16.verify(this.verificationKey, publicSignals, proof)))
      throw new ProofRejected('the proof does not verify under its own key')
    return proofWords(proof)
  }
}

/** A proof as the contract takes it. */
export function proofWords({ pi_a, pi_b, pi_c }: Groth16Proof): ProofWords {
  return [pi_a[0]!, pi_a[1]!, pi_b[0]![1]!, pi_b[0]![0]!, pi_b[1]![1]!, pi_b[1]![0]!, pi_c[0]!, pi_c[1]!]
}
