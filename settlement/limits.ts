/**
 * Bounds of settlement: what a batch holds, what is kept of it, and how long and how often the chain is asked. The
 * contracts' own are said to be so. What binds the exchange too is in engine/limits.ts.
 */

// Batches
/** A batch is closed after so many seconds, fills or net rows unless told otherwise. */
export const BATCH_SECONDS = 10
export const BATCH_FILLS = 100_000
export const BATCH_ROWS = 1024
/** Bounds of a batch (contracts/src/Batches.sol): net rows, deposits, withdrawals. */
export const ROWS_MAX = 4096
export const DEPOSITS_MAX = 2048
export const WITHDRAWALS_MAX = 256
/** Batches that the contract makes final in one call: so many and no more may wait for their proofs, or one of theirs. */
export const FINAL_STEPS_MAX = 64
/** Gas of one transaction at most (EIP-7825), and what of it a commit may plan with. */
export const TRANSACTION_GAS_MAX = 2 ** 24
export const COMMIT_GAS_SHARE = 0.8
/** Batches that may be behind the engine, of settlement and of an auditor's replay: each holds its rows and fills. */
export const BACKLOG_MAX = 4
/** Commands after which a follower's snapshot is due: about two seconds of replay; commands that it follows in one turn. */
export const FOLLOWER_SNAPSHOT_EVERY = 2_000_000
export const COMMANDS_A_TURN = 20_000
/** A loop of the settler without work looks again after so long; whoever waits for a batch to close looks more often. */
export const SETTLER_IDLE_MS = 20
export const FLUSH_POLL_MS = 5
/** Batches that stay in memory behind the last proven one: a little more than those whose changes stay. */
export const RECENT_BATCHES = 72
/** Batches behind the last proven one whose changes stay, for proofs against their roots. */
export const CHANGES_KEPT = FINAL_STEPS_MAX
/** Changes of the tree, in nodes, below which no checkpoint is written. */
export const CHECKPOINT_NODES_MIN = 50_000
/** So many bytes must fit before writing goes on after a full disk, and when that is looked at. */
export const ROOM_BYTES = 128 * 1024
export const ROOM_RETRY_MS = 1000
/** Its state is told this often. */
export const STATUS_MS = 250
/** Batches of earlier starts that a start tells of again. */
export const BATCHES_TOLD = 100
/** Between two looks for batches that the archive may have, and batches archived at one look: the loop beside goes on. */
export const BATCH_ARCHIVE_EVERY_MS = 60_000
export const BATCHES_ARCHIVED_AT_ONCE = 20
/** Threads that hash: of settlement, and of an audit. */
export const HASH_THREADS_MAX = 4
/** Hash jobs that a thread takes at a time, some milliseconds of work, and of one list: longer ones are handed over in pieces. */
export const HASH_JOBS_A_TURN = 64
export const HASH_JOBS_MAX = 1 << 16
/** Fewer jobs than this are not worth waking a thread for. */
export const HASH_JOBS_MIN = 256
/** The same of families of a quad tree, whose page has some thousand nodes in a dozen lists. */
export const FAMILIES_A_TURN = 16
export const FAMILIES_MIN = 64
/** Hash threads that have room in a tree's memory, the owner among them; pages of it of 64 KiB: 1 GiB of nodes and scratch. */
export const TREE_THREADS_MAX = 16
export const TREE_PAGES_MAX = 16384

// Pages
/** Bounds of a page (the contract's): rows, and withdrawals, so that a transaction can credit them all. */
export const PAGE_ROWS_MAX = 1024
export const PAGE_WITHDRAWALS_MAX = 256
/** Deposits of a page, of which several may be of one leaf: so many that a transaction takes them. */
export const PAGE_DEPOSITS_MAX = 1024
/** Pages of a batch: they are counted in 16 bits. */
export const PAGES_MAX = 65_535
/** What nodes take of one transaction, bytes, and what of it pages may fill: the rest is its envelope. */
export const TRANSACTION_BYTES_MAX = 128 * 1024
export const PAGES_BYTES_SHARE = 0.95

// Proofs
/** Chunks that are proven or posted at a time. */
export const PROOF_TASKS_MAX = 64
/** Between looks at what is to be proven; after a network failure; and at what the chain has of all batches. */
export const PROVING_POLL_MS = 20
export const PROVING_FAILED_MS = 500
export const PROVING_COMPARE_MS = 2000
/** Bytes of a prover's message, and characters of its name. */
export const PROVER_BODY_BYTES_MAX = 64 * 1024
export const PROVER_NAME_CHARACTERS_MAX = 64
/** Proofs of this time make the figure of proofs a minute. */
export const PROOF_RATE_WINDOW_MS = 60_000
/** A chunk is a prover's for so long; one that failed waits before it is given out again, twice as long each time. */
export const PROOF_LEASE_MS = 300_000
export const PROOF_RETRY_MS = 1000
export const PROOF_RETRY_MS_MAX = 60_000
/** The first and the longest pause before a prover process is started again, and how long it has to end. */
export const PROVER_RESTART_MS_MIN = 1000
export const PROVER_RESTART_MS_MAX = 60_000
export const PROVER_STOP_MS = 3000
/** Hashes of a batch's fills that are made in one turn, of those that are made on demand: a millisecond or two. */
export const FILL_HASHES_A_TURN = 2048
/** Proofs of fills that may wait for their thread: each takes a millisecond or two. */
export const FILL_PROOFS_WAITING_MAX = 1024
/** Batches that may wait for their nodes to be made, one after the other, and after how long whoever finds them so many asks again. */
export const FILL_NODES_WAITING_MAX = 16
export const FILL_PROOF_LATER_MS = 1000
/** What could not be made of a batch's files is not tried again for so long; troubles that are told of once. */
export const FILL_NODES_AGAIN_MS = 60_000
export const FILL_TROUBLES_KEPT = 256
/** Beginnings and ends of batches that are kept to find a seq's, of whatever age. */
export const FILL_RANGES_KEPT = 16_384
/** Fills that the archive packs together: a proof unpacks so many. Even, so that a fill stands with its sibling. */
export const FILLS_PACKED = 1024

// The chain
/** An answer of an endpoint is waited for so long, and asked for again so often, with this pause at first. */
export const RPC_TIMEOUT_MS = 10_000
export const RPC_RETRIES = 2
export const RPC_RETRY_MS = 150
/** How long the others are waited for, once enough have answered, and the second of two. */
export const RPC_GRACE_MS = 250
export const RPC_SECOND_MS = 2000
/** How many blocks endpoints may be apart where none can be outvoted, and how far below the agreed height one is asked for that more have. */
export const RPC_APART_BLOCKS_MAX = 16
/** An endpoint that failed rests, twice as long each time; the longest Retry-After that is obeyed; when its chain is looked at again. */
export const RPC_REST_MS = 250
export const RPC_REST_MS_MAX = 30_000
export const RETRY_AFTER_MS_MAX = 60_000
export const CHAIN_CHECK_MS = 60_000
/** How long a stop waits for answers of the chain that are under way, and how often whoever pauses looks whether it is to stop. */
export const CHAIN_PATIENCE_MS = 3000
export const PAUSE_STEP_MS = 50
/** A chain that fails is asked again: the first pause, the last of a start before it gives up, the longest of a loop. */
export const PATIENCE_MS = 250
export const START_PAUSE_MS_MAX = 4000
export const LOOP_PAUSE_MS_MAX = 30_000
/** Between two looks of the watcher, and the longest pause after failures. */
export const WATCH_POLL_MS = 500
export const WATCH_PAUSE_MS_MAX = 30_000
/** Blocks whose logs the watcher asks for at once; whoever reads history, or looks for requests: halved as often as a node refuses. */
export const WATCH_RANGE_BLOCKS = 2000
export const LOG_RANGE_BLOCKS = 5000
/** Blocks to go back when an event is missing: another branch may have it earlier. Doubled until it is found. */
export const BACK_BLOCKS = 64
/** Blocks without a deposit after which the watcher's file is written: a restart must not need logs that are long gone. */
export const SAVE_BLOCKS = 256
/** Transactions asked for at a time. */
export const TRANSACTIONS_AT_ONCE = 8
/** Characters of a token's symbol. */
export const SYMBOL_LENGTH_MAX = 16

// Transactions
/** Between two looks at a transaction that is on its way, the longest pause after failures, and looks without one that is. */
export const SEND_POLL_MS = 250
export const SEND_RETRY_MS_MAX = 30_000
export const SEND_IDLE_POLLS = 8
/** A mined transaction is kept for so many blocks more than its confirmations: two epochs, then it is finalised. */
export const KEPT_BLOCKS = 64
/** Looks in a row that must say so before a transaction counts as taken back, or a nonce as empty. */
export const LOOKS_IN_A_ROW = 3
/** Empty nonces that are filled at a time, and receipts asked for. */
export const FILLED_MAX = 64
export const RECEIPTS_AT_ONCE = 16
/** A transaction that nobody has any more is lost after so long; it is sent again, with pauses that grow. */
export const LOST_AFTER_MS = 60_000
export const RESEND_MS = 3000
export const RESEND_MS_MAX = 60_000
/** Fee of a gas at most, and what of it is a tip, in wei, unless told otherwise. */
export const FEE_PER_GAS_MAX = 500_000_000_000n
export const PRIORITY_FEE_PER_GAS = 1_000_000_000n
/** A transaction that is not mined for so long is replaced by one of a higher fee, unless told otherwise. */
export const BUMP_AFTER_MS = 30_000
/** What of an estimate a transaction's gas is, and a replacement's fee of the one before: clients ask for 10 % more, which this clears at any rounding. */
export const GAS_MARGIN_PERCENT = 120n
export const BUMP_PERCENT = 125n
/**
 * Any transaction may be the one that moves the proven end over every batch that waits for it, also when it was not yet
 * so at the simulation: FINAL_STEPS_MAX batches, some 12,000 gas each.
 */
export const GAS_EXTRA = 800_000n
/** Posting's pause after a refusal, and its longest; refusals in a row of what no waiting mends, before settlement ends. */
export const POST_PAUSE_MS = 500
export const POST_PAUSE_MS_MAX = 8000
export const REFUSALS_MAX = 5

// Forced withdrawals
/** Between looks for requests of a forced withdrawal; logs that an endpoint refused are asked for again after so long. */
export const FORCED_POLL_MS = 2000
export const REFUSED_AGAIN_MS = 60_000
/** A withdrawal that the engine did not make is asked for again. */
export const FORCED_AGAIN_MS = 5000
/** Share of the exit delay after which a request is late. */
export const LATE_SHARE = 0.25

// Tools
/** viem asks this often for what it waits for. */
export const RECEIPT_POLL_MS = 200
/** A transaction of an exit is waited for so long. */
export const RECEIPT_TIMEOUT_MS = 180_000
/** Characters of a checkpoint that are written at once, and of a wrong value that is shown. */
export const CHECKPOINT_WRITE_CHARACTERS = 1 << 20
export const CHECKPOINT_SHOWN_CHARACTERS_MAX = 120

function assert(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits: ${relation} does not hold`)
}
assert(BATCH_ROWS <= ROWS_MAX, 'a batch that is closed in time fits the contract')
assert(FINAL_STEPS_MAX <= CHANGES_KEPT, 'changes stay of every batch that can still become final')
assert(CHANGES_KEPT <= RECENT_BATCHES, 'a batch whose changes stay is in memory')
assert(HASH_THREADS_MAX <= TREE_THREADS_MAX, 'every hash thread has room in the tree’s memory')
assert(FILLS_PACKED % 2 === 0, 'a fill is packed with its sibling')
assert(HASH_JOBS_A_TURN <= HASH_JOBS_MIN, 'what wakes a thread is a turn of work')
assert(FAMILIES_A_TURN <= FAMILIES_MIN, 'what wakes a thread is a turn of families')
assert(
  SEND_POLL_MS <= SEND_RETRY_MS_MAX && POST_PAUSE_MS <= POST_PAUSE_MS_MAX,
  'the first pause is not the longest',
)
