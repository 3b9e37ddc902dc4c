/**
 * Every bound of the exchange, in one place. A full table is a reject code, never growth. Relations
 * between bounds are asserted when this module loads.
 */
/** A day, in milliseconds. */
export const DAY_MS = 86_400_000
export const TICKS_MAX = 2 ** 31 - 1
export const LOTS_MAX = 2 ** 31 - 1
/** Exclusive bound of every balance and every notional, in units. */
export const UNITS_END = 2 ** 53
export const ACCOUNT_BITS = 22
export const ASSET_BITS = 6
export const ACCOUNTS_MAX = 1 << ACCOUNT_BITS
export const ASSETS_MAX = 2 ** ASSET_BITS
export const MARKETS_MAX = 1024
/** Live orders of all markets, stops included: what is usual, and what a genesis may allow at most. */
export const ORDERS = 1 << 20
export const ORDERS_MAX = 1 << 24
/** Price levels of all markets: what is usual, and what a genesis may allow at most. */
export const LEVELS = 1 << 20
export const LEVELS_MAX = 1 << 24
/** Live orders of one account. */
export const ACCOUNT_ORDERS_MAX = ORDERS_MAX
/**
 * An account may have at most one part in this many of the room that is left for live orders, so the fuller the
 * table, the less of it one account may have; and so many whatever others have, as long as there is room.
 */
export const ACCOUNT_ORDERS_SHARE = 8
export const ACCOUNT_ORDERS_FLOOR = 64
/** Sessions of all accounts, ended ones included until their place is needed. */
export const SESSIONS_MAX = 1 << 17
/** Sessions of one account: what is usual, and what a genesis may allow at most. */
export const ACCOUNT_SESSIONS = 16
export const ACCOUNT_SESSIONS_MAX = 1024
/** How far ahead of engine time a session may end: what is usual, and what a genesis may allow at most. */
export const SESSION_LIFETIME_MS = 30 * DAY_MS
export const SESSION_LIFETIME_MS_MAX = 365 * DAY_MS
/** Sessions whose frame nonces are kept at one time (8 KB each); a genesis may allow up to SESSIONS_MAX. */
export const FRAME_WINDOWS = 1 << 15
/** Frame nonces at or below highest - FRAME_NONCE_WINDOW are too old. */
export const FRAME_NONCE_WINDOW = 100
/** A session's nonces are forgotten, and older ones too old, this long after its last frame. */
export const FRAME_WINDOW_IDLE_MS = 3_600_000
/** A wallet's deadline is at most this far ahead of engine time, and its nonces below a thousand times as much. */
export const WALLET_AHEAD_MS = DAY_MS
/** Commands of one frame; its bytes: gateway/limits.ts. */
export const FRAME_COMMANDS_MAX = 64
/**
 * Steps of one message: makers met, orders scanned, expired, cancelled or triggered. What is left over ends
 * with a reason of its own or goes on in the next Time command.
 */
export const COMMAND_STEPS_MAX = 1024
/** With fewer, a mass cancel could begin a list of orders and never cancel one. */
export const COMMAND_STEPS_MIN = 2
/** Cancel-alls of one account that may be under way at once. */
export const MASS_CANCELS_OF_ACCOUNT = 8
/** Market-maker protections of one account. */
export const PROTECTIONS_OF_ACCOUNT = 64
/** An order's expiry and a dead-man switch are at most this far ahead of engine time: 366 days. */
export const EXPIRY_AHEAD_MS_MAX = 366 * DAY_MS
/** A command's deadline is at most this far ahead of engine time: a day. */
export const DEADLINE_AHEAD_MS_MAX = DAY_MS
/** Fills of a message of commands, beyond one an order, that count as an order each. */
export const SINGLE_FILLS_MAX = 64
/**
 * Orders that each further fill counts as, for the account and for its address. What a message of commands does is told
 * of in one piece, 7 to 14 us of the gateway's thread a fill, and everybody waits behind it: with these, sweeps take one
 * part in a hundred of that thread, whoever makes them from one address.
 */
export const SWEPT_FILL_ORDERS = 16
export const SWEPT_FILL_ADDRESS_ORDERS = 160
/** Absolute bound of a fee, in millionths. */
export const FEE_PPM_MAX = 100_000
export const TIERS_MAX = 16
/**
 * The least that a withdrawal takes out may be at most so many units (10,000 tokens of a unit of 10^-6), and its fee
 * at most that minimum: whoever withdraws gets as much as he pays for it, or more.
 */
export const WITHDRAW_MIN_UNITS_MAX = 10 ** 10
/** Rows of the ledger: (account, asset) pairs that ever held something. */
export const BALANCES_MAX = 1 << 22
/** Bound of a price band: 100 %. */
export const BAND_PPM_MAX = 1_000_000
/** (account, market) pairs under market-maker protection: so many for each account that there may be, at most so many. */
export const PROTECTIONS_PER_ACCOUNT = 4
export const PROTECTIONS_MAX = 1 << 16
/** Parts that an iceberg may be shown in: bounds the fills that one order can cause. */
export const ICEBERG_PARTS_MAX = 10_000
/** Engine time is below this many milliseconds. */
export const TIME_MS_END = 2 ** 53
/** Expiry and deadline of an approval are below this many: its record has 43 bits for each. */
export const APPROVAL_TIME_END = 2 ** 43
/** Levels that a client may ask for on each side. */
export const BOOK_DEPTH_MAX = 1000
/** Rows (orders, accounts, sessions) that the engine tells a starting gateway at once, and places it looks at for them. */
export const LOAD_ROWS_MAX = 256
export const LOAD_PLACES_MAX = 1024
/** Markets that it tells at once. */
export const LOAD_MARKETS_MAX = 32
/** A client order id is a number below this, unsigned. */
export const CLOID_END = 1n << 64n
/** Commands of one message between threads, and the bytes of its attachment: one journal block takes them whole. */
export const MESSAGE_COMMANDS_MAX = 1024
export const MESSAGE_ATTACHMENT_BYTES_MAX = 64 * 1024
/** Bytes of a journal block: what one write and one sync make durable. */
export const BLOCK_BYTES_MAX = 256 * 1024
/** Bytes read of a journal at once; twice the largest block and more, so that any block in its first half is whole. */
export const JOURNAL_READ_BYTES = 4 * BLOCK_BYTES_MAX
/** Bytes of a segment file unless told otherwise. */
export const SEGMENT_BYTES = 64 * 1024 * 1024
/** The next segment grows by so many bytes at once: each step costs a sync, which is felt as a pause. */
export const SEGMENT_STEP_BYTES = 512 * 1024
/** Commands from one snapshot to the next unless given: about two seconds of replay; when it is looked whether one is due. */
export const SNAPSHOT_EVERY = 2_000_000
export const SNAPSHOT_CHECK_MS = 1000
/** A try that failed is made again after so long: it reads the journal since the last snapshot. Doubled up to the second. */
export const SNAPSHOT_RETRY_MS = 1000
export const SNAPSHOT_RETRY_MS_MAX = 60_000
/** Snapshots that stay when a new one is written, and bytes of it that are written at once. */
export const SNAPSHOTS_KEPT = 2
export const SNAPSHOT_WRITE_BYTES = 4 * 1024 * 1024
/** Between two looks for segments that the archive may have. */
export const ARCHIVE_EVERY_MS = 60_000
/** Producers of commands: gateway threads and the operator. */
export const PRODUCERS_MAX = 64
/** Bytes of a ring: its positions count 8-byte units in an int32. */
export const RING_BYTES_MIN = 1024
export const RING_BYTES_MAX = 2 ** 30
/** Bytes of a producer's ring, of what a reader is told, and of what the journal is still to write, unless given. */
export const INBOUND_RING_BYTES = 4 * 1024 * 1024
export const OUTBOUND_RING_BYTES = 16 * 1024 * 1024
export const JOURNAL_RING_BYTES = 8 * 1024 * 1024
/**
 * Rest between two Time commands while triggers are left to fire. Each fires what makes up to a thousand fills, which
 * a gateway takes some 6 to 10 ms to tell: more in a row only make a queue that everybody's orders stand in. With 10 ms
 * of rest the worst hundredth of an honest account's orders took 35 and 67 ms beside a cascade of 100,000 fills, with
 * 25 ms 27 and 31, with 40 ms 23 and 31 (stops-that-sweep of bench/hostile.ts, in turn; 8 to 10 ms when quiet).
 */
export const FIRING_REST_MS = 25
/** Messages taken from one inbound ring before the next one has its turn. */
export const RING_MESSAGES_A_TURN = 64
/** Commands that the engine is told of before the first of them is applied: enough for their cache misses to overlap. */
export const LOOK_AHEAD_COMMANDS = 16
/** The most that it is told of at once: those, and the rest of a frame. */
export const LOOK_AHEAD_COMMANDS_MAX = LOOK_AHEAD_COMMANDS + FRAME_COMMANDS_MAX
/** Events that the core holds back at most: few enough to stay in the cache. */
export const EVENT_BUFFER_RECORDS = 512
/**
 * A run of occupied entries longer than this, in a hash table at most half full, is a fault of ours, not bad luck:
 * with a million keys the longest is some 60 entries.
 */
export const PROBES_MAX = 4096
/** Events of one outbound message, and bytes of a question's answer in it. */
export const OUTBOUND_EVENTS_MAX = 256
export const OUTBOUND_ANSWER_BYTES_MAX = 16 * 1024
/** An idle thread looks around at least this often: the clock may have been set. */
export const IDLE_SLEEP_MS = 1000
/** The engine looks again for room in a full ring after so long. */
export const ROOM_SLEEP_MS = 2
/** Readings of the two clocks before the closest pair is taken. */
export const CLOCK_READ_TRIES = 16
/** The wall clock may differ by so much from what it should say before it is called wrong; it is told of this often. */
export const CLOCK_JUMP_MS_MAX = 60_000
export const CLOCK_TELL_EVERY_MS = 60_000
/** Readings of a wall clock in whole ms differ by so much from one another. */
export const CLOCK_TELL_BASE_MS = 2

function assert(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits: ${relation} does not hold`)
}
assert(ACCOUNT_BITS + ASSET_BITS <= 31, 'a state tree index fits an int32')
assert(
  32 * ACCOUNTS_MAX + 4 * BALANCES_MAX + 24 * (ORDERS_MAX + 1) <= 2 ** 30,
  'words of accounts, rows and orders stay addressable',
)
assert(20 * (2 * LEVELS_MAX + 1) <= 2 ** 30, 'words of the nodes above all levels stay addressable')
assert(ACCOUNT_ORDERS_MAX <= ORDERS_MAX, 'an account has not more orders than there are')
assert(
  FRAME_COMMANDS_MAX <= ACCOUNT_ORDERS_FLOOR,
  'a full frame of orders fits an account in a crowded table',
)
assert(
  ACCOUNT_ORDERS_FLOOR * ACCOUNT_ORDERS_SHARE < ORDERS,
  'in an empty table the share of an account is above its floor',
)
assert(FRAME_COMMANDS_MAX < FRAME_NONCE_WINDOW, 'a full frame is smaller than the nonce window')
assert(ACCOUNT_SESSIONS <= ACCOUNT_SESSIONS_MAX, 'the usual sessions of an account may be had')
assert(FRAME_WINDOWS <= SESSIONS_MAX, 'there are not more windows than sessions')
