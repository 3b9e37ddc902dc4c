/** Bounds of the page prover's program, a program of its own: some say again what stands elsewhere. */

/** A prover without work asks again after so long; the longest pause after a failure. */
export const IDLE_MS = 200
export const RETRY_MS_MAX = 5000
/** A queue that does not answer for so long is given up. */
export const GIVE_UP_SECONDS = 120
/** What is kept of a program's messages, for an error's text. */
export const TOOL_OUTPUT_CHARACTERS_MAX = 2000
/** Powers of a public string that a check looks at, beside its first ones: each costs two pairings. */
export const POWERS_CHECKED = 16
/** Rows of a circuit that the proof system keeps for itself are fewer. */
export const SYSTEM_ROWS_MAX = 16
/** Threads of a proof. */
export const PROOF_THREADS_MAX = 64
/** Chains where the development string may be used. */
export const LOCAL_CHAIN_IDS: readonly number[] = [31337, 1337]
