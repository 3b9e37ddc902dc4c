/**
 * Tries a key: one proof, made and verified. A key is not given out before it was tried.
 */
import { KeyError } from './key-error.js'
import type { Circuit, CircuitShape } from './circuit.js'
import { ChunkProver, type ChunkInputs } from './prove.js'

/** Largest balance, so that every bit of it is set. */
const UNITS = String(2n ** 53n - 1n)
/** Any element of the field will do for a root, z, a sibling or an inverse. */
const ELEMENT = String(2n ** 253n + 3n)

/**
 * A chunk whose slots are all unused. It holds for any root, so no tree is needed, and its hashes, roots and
 * balances are as far from zero as those of real rows.
 */
export function unusedChunk({ rows, depth }: CircuitShape): ChunkInputs {
  const column = (value: string): string[] => Array.from({ length: rows }, () => value)
  return {
    firstRoot: ELEMENT,
    lastRoot: ELEMENT,
    z: ELEMENT,
    evaluation: '0',
    used: column('0'),
    index: column('0'),
    oldBalance: column(UNITS),
    newBalance: column(UNITS),
    inverseDelta: column(ELEMENT),
    siblings: column('').map(() => Array.from({ length: depth }, () => ELEMENT)),
  }
}

/** Throws KeyError when `zkey` gives no proof that `verificationKey` accepts. */
export async function tryKey(circuit: Circuit, zkey: string, verificationKey: object): Promise<void> {
  try {
    await new ChunkProver(circuit, zkey, verificationKey).prove(unusedChunk(circuit))
  } catch (error) {
    throw new KeyError(`${zkey} does not prove: ${error instanceof Error ? error.message : String(error)}`)
  }
}
