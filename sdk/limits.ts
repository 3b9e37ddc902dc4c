/**
 * Bounds of the SDK: what it waits for, asks again and shows at most. An option says otherwise where there is one. What
 * binds the exchange too is in engine/limits.ts.
 */
import { DAY_MS } from '../engine/limits.js'

/** Depth of arrays and maps in a message; the deepest of the protocol nests 6. */
export const MSGPACK_DEPTH_MAX = 12
/** Characters of a text in a message, where its field says nothing else. */
export const TEXT_LENGTH_MAX = 128
/** Rows that a question asks for unless told otherwise: trades and candles, batches. */
export const ROWS_ASKED = 100
export const BATCHES_ASKED = 10
/** Levels of a tree of fills that the exchange may send: its count of fills is below 2^53. */
export const FILL_TREE_LEVELS_MAX = 53
/** An expiry is at most this far ahead of now: a time further away is a mistake, most often of its unit. */
export const EXPIRES_AHEAD_MS_MAX = 365 * DAY_MS
/** The longest time of a timer, which an option may give. */
export const TIMER_MS_MAX = 2 ** 31 - 1
/** Names of markets and assets that a refusal lists. */
export const NAMES_SHOWN_MAX = 20
/** How much worse than the best price a market order may trade, millionths, unless given: 1 %. */
export const SLIPPAGE_PPM_DEFAULT = 10_000

/** A connection, and the answer to a request, are waited for so long. */
export const CONNECT_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_MS = 10_000
/** A line on which nothing comes for so long is dead: below the pause between pings in the exchange's own words, twice over. */
export const SILENCE_MS = 20_000
/** The longest pause before the next try to connect; a connection that stood for as long as the second was a good one: then the pause is short again. */
export const RECONNECT_DELAY_MS_MAX = 5000
export const STEADY_MS = 10_000
/** The first pause of several, each twice the one before. */
export const FIRST_PAUSE_MS = 100
/** Frames that may wait for others' outcomes by default, and when one more may be tried again. */
export const FRAMES_WAITING_RETRY_MS = 10
export const FRAMES_WAITING_MAX = 1000
/** A frame whose nonce was taken steps over at most so many: those of whoever else uses the session; random, so that two do not step alike. */
export const NONCE_STEP_MAX = 1_000_000
/** Pauses before what became of a frame is asked again. */
export const OUTCOME_RETRY_MS_MIN = 50
export const OUTCOME_RETRY_MS_MAX = 2000
/** How long a wallet's owner may take to sign, and the message to arrive. */
export const WALLET_DEADLINE_MS = 600_000
/** Times that a message which another one overtook is signed again. */
export const SIGN_AGAIN_MAX = 5
/** Life of a session unless given; one with less left than the second is replaced where the caller did not say how long it should live. */
export const SESSION_MS = DAY_MS
export const SESSION_MS_MIN = 3_600_000
/** Batches that the exchange tells of. */
export const TOLD_BATCHES_MAX = 100
/** A proof that is not there yet is asked for again so often, over some three seconds, with pauses up to the second. */
export const PROOF_RETRIES = 5
export const PROOF_PAUSE_MS_MAX = 1000

function assert(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits: ${relation} does not hold`)
}
assert(OUTCOME_RETRY_MS_MIN <= OUTCOME_RETRY_MS_MAX, 'the first pause is not the longest')
assert(SESSION_MS_MIN < SESSION_MS, 'a session that was just made is not replaced')
