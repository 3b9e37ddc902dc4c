/** Bounds of the prover's program, which shares no code with the exchange: some say again what stands elsewhere. */

/** Rows of a chunk that a circuit can have, and depth of the state tree: accounts of 22 bits, assets of 6. */
export const CIRCUIT_ROWS_MAX = 64
export const TREE_DEPTH = 28
/** Bytes of a contributor's name that a key keeps (snarkjs' bound). */
export const NAME_BYTES_MAX = 64
/** A prover without work asks again after so long; the longest pause after a failure. */
export const IDLE_MS = 200
export const RETRY_MS_MAX = 5000
/** A queue that does not answer for so long is given up. */
export const GIVE_UP_SECONDS = 120
