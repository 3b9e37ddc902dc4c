/**
 * Every bound of the exchange, in one place. A full table is a reject code, never growth. Relations
 * between bounds are asserted when this module loads.
 */
export const TICKS_MAX = 2 ** 31 - 1
export const LOTS_MAX = 2 ** 31 - 1
/** Exclusive bound of every balance and every notional, in units. */
export const UNITS_END = 2 ** 53
export const ACCOUNT_BITS = 22
export const ASSET_BITS = 6
export const ACCOUNTS_MAX = 1 << ACCOUNT_BITS
export const ASSETS_MAX = 2 ** ASSET_BITS
export const MARKETS_MAX = 1024
/** Live orders of all markets, stops included. */
export const ORDERS_MAX = 1 << 20
export const LEVELS_MAX = 1 << 20
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
export const SESSION_LIFETIME_MS = 30 * 86_400_000
export const SESSION_LIFETIME_MS_MAX = 365 * 86_400_000
/** Sessions whose frame nonces are kept at one time (8 KB each); a genesis may allow up to SESSIONS_MAX. */
export const FRAME_WINDOWS = 1 << 15
/** Messages of wallets that wait for their check, of one address and of all. */
export const WALLET_CHECKS_PER_IP = 32
export const WALLET_CHECKS_WAITING = 512
/** Signatures of session keys that wait for the thread pool, of one address and of all. */
export const KEY_CHECKS_PER_IP = 2048
export const KEY_CHECKS_WAITING = 8192
/** Frame nonces at or below highest - FRAME_NONCE_WINDOW are too old. */
export const FRAME_NONCE_WINDOW = 100
/** A session's nonces are forgotten, and older ones too old, this long after its last frame. */
export const FRAME_WINDOW_IDLE_MS = 3_600_000
/** A wallet's deadline is at most this far ahead of engine time, and its nonces below a thousand times as much. */
export const WALLET_AHEAD_MS = 86_400_000
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
export const EXPIRY_AHEAD_MS_MAX = 366 * 86_400_000
/** A command's deadline is at most this far ahead of engine time: a day. */
export const DEADLINE_AHEAD_MS_MAX = 86_400_000
/** Bytes of one client message, before decoding. */
export const FRAME_BYTES_MAX = 16 * 1024
/** Fills of a frame beyond one a command that count as an order each. */
export const SINGLE_FILLS_MAX = 64
/**
 * Orders that each further fill counts as. What one command does is told of in one piece, 7 to 14 us of the gateway's
 * thread a fill, and everybody waits behind it: a thousand fills at once delay others as a thousand orders do not.
 */
export const SWEPT_FILL_ORDERS = 16
/** Bytes of an HTTP request's first line and headers, those of a WebSocket's handshake among them. */
export const HTTP_HEAD_BYTES_MAX = 4 * 1024
/** Bytes that one command of a frame may take, in whatever encoding, and what stands around all of them. */
export const COMMAND_PAYLOAD_BYTES_MAX = 256
export const FRAME_ENVELOPE_BYTES_MAX = 256
/** Absolute bound of a fee, in millionths. */
export const FEE_PPM_MAX = 100_000
export const TIERS_MAX = 16
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

function assert(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits: ${relation} does not hold`)
}
assert(ACCOUNT_BITS + ASSET_BITS <= 31, 'a state tree index fits an int32')
assert(ORDERS_MAX <= 2 ** 30, 'an order slot times its record size stays addressable')
assert(ACCOUNT_ORDERS_MAX <= ORDERS_MAX, 'an account has not more orders than there are')
assert(
  FRAME_COMMANDS_MAX <= ACCOUNT_ORDERS_FLOOR,
  'a full frame of orders fits an account in a crowded table',
)
assert(
  ACCOUNT_ORDERS_FLOOR * ACCOUNT_ORDERS_SHARE < ORDERS_MAX,
  'in an empty table the share of an account is above its floor',
)
assert(FRAME_COMMANDS_MAX < FRAME_NONCE_WINDOW, 'a full frame is smaller than the nonce window')
assert(ACCOUNT_SESSIONS <= ACCOUNT_SESSIONS_MAX, 'the usual sessions of an account may be had')
assert(FRAME_WINDOWS <= SESSIONS_MAX, 'there are not more windows than sessions')
