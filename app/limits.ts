/**
 * Bounds of the programs: what a start waits for, what its flags may say, how often it looks. What binds the exchange is
 * in the limits.ts of its own folders.
 */
import { DAY_MS, FRAME_COMMANDS_MAX } from '../engine/limits.js'
import { FINAL_STEPS_MAX } from '../settlement/limits.js'

/** Files that a start must be able to open: with fewer its own modules cannot be read, and what fails then tells of anything but files. */
export const START_FILES_MIN = 1024
/** Bytes of lines that a terminal does not take; beyond, lines are left out. */
export const UNWRITTEN_BYTES_MAX = 1 << 20
/** A process whose parts have stopped waits so long for its last lines to be read. */
export const LEAVE_MS_MAX = 2000
/** Characters of a progress bar. */
export const BAR_CELLS = 30

// Flags of start
/** The longest of periods in seconds: a day. */
export const DAY_SECONDS = DAY_MS / 1000
export const PORT_MAX = 65_535
/** A hundred years: for ever. */
export const KEEP_DAYS_MAX = 36_500
/** Some hours of blocks on any chain; deeper than that nothing is taken back that anybody could mend. */
export const CONFIRMATIONS_MAX = 1000
/** The exit delay of the local chain, longer than key, batch and proofs take an honest exchange at its first start (a week on a real chain), and the longest. */
export const EXIT_DELAY_SECONDS = 1800
export const EXIT_DELAY_SECONDS_MAX = 30 * DAY_SECONDS
/** Mebibytes of a segment. */
export const SEGMENT_MB_MAX = 1024
/** A token that can be guessed lets anybody waste our provers' time. */
export const TOKEN_CHARACTERS_MIN = 16
/** Budget of the operator's own replay: it is not to be slowed down by rules made for strangers. */
export const REPLAY_RATE = { perSecond: 1_000_000, burst: 1_000_000 }

// A running start
/** Batches that may wait for their proofs; beyond it posting waits, and the next batches net more. */
export const LOCAL_UNPROVEN_MAX = FINAL_STEPS_MAX
/** With confirmations the local chain makes blocks by itself. */
export const BLOCK_SECONDS = 1
/** The status line comes this often; where the output is no terminal, this seldom. */
export const STATUS_EVERY_MS = 1000
export const PLAIN_STATUS_EVERY_MS = 10_000
/** The operator's switch is looked for this often. */
export const OPERATOR_SWITCH_MS = 500
/** What found the operator's ring full is tried again. */
export const OPERATOR_RETRY_MS = 5
/** Pauses before a gateway is started again; one that ran so long did not die of its start. */
export const GATEWAY_PAUSE_MS_MIN = 250
export const GATEWAY_PAUSE_MS_MAX = 5000
export const GATEWAY_GOOD_RUN_MS = 60_000
/** A gateway whose connection or exchange has ended has so long to end; so have its threads, when the exchange has gone. */
export const GATEWAY_END_MS_MAX = 5000
/** Looks at a gateway that is not heard of before it is spoken of, and before it is ended: one a second. */
export const GATEWAY_LOOK_MS = 1000
export const SILENT_LOOKS_TOLD = 5
export const SILENT_LOOKS_MAX = 30
/** A gateway, and a chain, whose exchange was killed end by themselves well within this; it is looked this often. */
export const FORMER_GATEWAY_MS_MAX = 10_000
export const FORMER_CHAIN_MS_MAX = 10_000
export const FORMER_LOOK_MS = 100

// Tools
/** viem asks a local chain this often for what it waits for. */
export const LOCAL_POLL_MS = 50
/** Batches that are looked at for the newest block that settlement has seen. */
export const BATCHES_LOOKED_AT = 64
/** A freeze opens the escapes, an escape may leave a fee to fetch: plans of an exit in a row that still find steps. */
export const EXIT_ROUNDS_MAX = 5
/** Orders below which what is written once (genesis, deposits, padding) outweighs what orders cost. */
export const MEASURED_ORDERS_MIN = 10_000
/** Progress is told this often. */
export const PROGRESS_MS = 500
/** Characters of a name that a message of the filter repeats, and of one of its lines; of its output that are written at once. */
export const NAME_SHOWN_MAX = 40
export const LINE_LENGTH_MAX = 1 << 20
export const OUTPUT_CHARACTERS_AT_ONCE = 1 << 16
/** Commands of one account that a replay of LOBSTER files sends together, when no book is compared in between. */
export const LOBSTER_COMMANDS_AT_ONCE = FRAME_COMMANDS_MAX

function assert(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits: ${relation} does not hold`)
}
assert(
  GATEWAY_END_MS_MAX < FORMER_GATEWAY_MS_MAX,
  'a gateway whose exchange was killed is waited for until it has ended',
)
assert(SILENT_LOOKS_TOLD < SILENT_LOOKS_MAX, 'a gateway is spoken of before it is ended')
assert(EXIT_DELAY_SECONDS <= EXIT_DELAY_SECONDS_MAX, 'the usual exit delay may be had')
assert(LOBSTER_COMMANDS_AT_ONCE <= FRAME_COMMANDS_MAX, 'a frame takes what is sent together')
