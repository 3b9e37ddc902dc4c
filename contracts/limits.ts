/** Bounds of what starts a local chain and waits for a deployment. Those of the contracts are in src/types/Config.sol. */

/** The local chain writes its state this often, and a copy of that is made. */
export const CHAIN_STATE_INTERVAL_SECONDS = 1
export const CHAIN_BACKUP_INTERVAL_MS = 500
/** Looks at a state that stays torn, after which that is told: longer than any is being written. */
export const CHAIN_TORN_TURNS_MAX = 20
/** Longest text that V8 holds, with a margin: a longer state is not parsed, its two ends are looked at. */
export const STATE_TEXT_BYTES_MAX = 500 << 20
/** Characters of what a chain complained of that are kept. */
export const CHAIN_ERRORS_CHARACTERS_MAX = 2000
/** Ports that are tried where none is given. */
export const CHAIN_PORT_TRIES_MAX = 5
/** A chain that dies so often within the time is not started again. */
export const CHAIN_RESTARTS_MAX = 5
export const CHAIN_RESTARTS_WITHIN_MS = 60_000
/** A chain that starts answers within so long, and is asked this often. */
export const CHAIN_READY_MS_MAX = 30_000
export const CHAIN_READY_POLL_MS = 25
/** A deployment's receipt is waited for so long, with pauses from the second to the third. */
export const DEPLOYED_MS_MAX = 120_000
export const DEPLOYED_PAUSE_MS_MIN = 2
export const DEPLOYED_PAUSE_MS_MAX = 500
