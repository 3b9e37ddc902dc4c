/**
 * Bounds of a gateway thread that no setting has: the rest is in settings/config.ts, with defaults, and what binds the
 * whole exchange in engine/limits.ts. Relations between them are asserted when this module loads. Bytes and
 * milliseconds say so in their names; what does not is a count.
 */
import { BLOCK_BYTES_MAX, COMMAND_STEPS_MAX } from '../engine/limits.js'

// Connections
/** Bytes of an HTTP request's first line and headers, those of a WebSocket's handshake among them. */
export const HTTP_HEAD_BYTES_MAX = 4 * 1024
/** A head that is larger is refused by node:http, before the gateway sees it and refuses what is larger than it takes. */
export const NODE_HEAD_BYTES_MAX = 16 << 10
/** From a connection's or a request's beginning to the end of its head, and of its body; and how often those are looked after. */
export const HEAD_MS_MAX = 10_000
export const REQUEST_MS_MAX = 20_000
export const HEAD_LOOK_MS = 1000
/** How long an idle HTTP connection counts as one: uWebSockets.js cuts it then. */
export const HTTP_IDLE_MS = 10_000
/** How long node:http keeps it: less, as Node adds a second. */
export const NODE_IDLE_MS = 8000
/** What a client may take to say goodbye too; then its socket and what it has not read are let go. */
export const GOODBYE_MS_MAX = 5000
/** Parts that a message may come in: each holds the packet that it came with until the message is whole. */
export const FRAGMENTS_MAX = 32
/** Requests that came in one packet with one that waits for its answer; beyond, the connection is cut. */
export const PIPELINED_MAX = 100
/** Of an answer that is its connection's last: so little is left to whoever speaks HTTP, which ends the connection. */
export const LAST_BYTES_MAX = 4096
/** An answer of which the client takes nothing for so long ends its connection. */
export const ANSWER_MS = 10_000
/** The least idle time that uWebSockets.js takes, and what a close may take beyond the gateway's own, seconds. */
export const IDLE_S_MIN = 8
export const IDLE_GRACE_S = 15
/** Bytes of one client message, a frame among them, before decoding; a setting may say less. */
export const MESSAGE_BYTES_MAX = 16 << 10
/**
 * Bytes that one command of a frame may take, in whatever encoding, and what stands around all of them, the signature
 * among it: blanks around commands are only load. A frame is a message too: of the largest commands it has 63. How many
 * commands one may have: FRAME_COMMANDS_MAX in engine/limits.ts.
 */
export const COMMAND_PAYLOAD_BYTES_MAX = 256
export const FRAME_ENVELOPE_BYTES_MAX = 256
/** Beyond this a socket is cut without a message: nobody reads that much before judging it. */
export const MESSAGE_BYTES_CUT = 4 * MESSAGE_BYTES_MAX
/** Bytes of a message that leave in one WebSocket frame. */
export const PIECE_BYTES = 8 << 10
/** Time that close messages get to leave. */
export const CLOSE_MS = 50
/** Files beside connections: segments, snapshots, history, and connections that are not whole yet. */
export const OTHER_FILES = 1024
/** Of the files beside connections, the part of free ones below which nobody is let in, and that with which again. */
export const SHUT_BELOW = 1 / 4
export const OPEN_FROM = 1 / 2
/** Descriptors that are held so that files can be opened even where strangers came faster than the guard looks, and when it looks. */
export const FILES_HELD = 32
export const FILES_LOOK_MS = 50
/** Of the connections that the system lets a thread have, the part that one address may have: others find room. */
export const ADDRESS_SHARE = 3 / 4

// Messages, requests and refusals
/** Messages and bytes of one socket handled in a turn, and messages of all. */
export const SOCKET_MESSAGES_A_TURN = 32
export const SOCKET_BYTES_A_TURN = 64 << 10
export const MESSAGES_A_TURN = 256
/**
 * Time of this thread that the messages of one address may take in a turn, ms: some cost a thousand times what others
 * do. Who has not logged on waits when its address has taken the smaller part: an order passes some four turns on its
 * way, and whoever can show no account is not to make each of them longer.
 */
export const ADDRESS_MS_A_TURN = 2
export const ANONYMOUS_MS_A_TURN = 0.5
/** Bytes of one socket's messages that wait for their turn, and room for them that is made at first. */
export const WAITING_BYTES_MAX = 1 << 20
export const WAITING_BYTES_MIN = 4 << 10
/** What a signature that is not right takes from the budget of refusals, and what a refusal that ends an HTTP connection. */
export const BAD_SIGNATURE_WEIGHT = 50
export const ENDED_WEIGHT = 10
/** Refusals that end an HTTP connection and are told to one address; beyond, it ends without an answer. */
export const TOLD_RATE = { perSecond: 100, burst: 256 }
/** Bytes of missed events that weigh as much as a request of weight 1. */
export const BYTES_A_WEIGHT = 16 << 10
/** A client is told when less than this part of a budget is left. */
export const THROTTLE_BELOW = 0.1
/** When to try again: what waits for its turn behind others; one frame more than may be unanswered; the engine’s full queue; an exchange that stops. */
export const CROWDED_RETRY_MS = 100
export const FRAMES_RETRY_MS = 10
export const ENGINE_RETRY_MS = 50
export const SHUTDOWN_RETRY_MS = 1000
/**
 * Fills that the frames of one address in the engine's hands could make: four that fill all that a frame can, some
 * 50 ms of two cores for everybody who takes part.
 */
export const FILLS_UNDER_WAY_MAX = 4 * COMMAND_STEPS_MAX
/**
 * Lots of an order that does not look marketable which count as one of them. Quotes of 18 lots in frames of 16 are some
 * 1,800 orders: 50,000 a second, where each comes back within 36 ms. Whoever makes orders look so that are not has 32
 * frames on their way, once: then they are charged.
 */
export const RESTING_LOTS_A_FILL = 8
/** Accounts of which is known from where they trade. */
export const TRADING_ADDRESSES_MAX = 1 << 16
/** Buckets looked at for forgetting, each time one is added. */
export const BUCKETS_SWEPT = 2
/** Ids of requests. */
export const REQUEST_ID_MAX = 2 ** 31 - 1
/** Characters of what a client sent that a refusal repeats. */
export const SHOWN_CHARACTERS_MAX = 60
/** Letters changed, added, left out or swapped, up to which a word is taken for a mistyped one. */
export const MISTAKES_MAX = 3
/** Rows of a page of orders or fills, unless the caller asks for fewer. */
export const PAGE_ROWS = 1000
/** When to ask again for what the journal may still tell. */
export const HISTORY_RETRY_MS = 500

// Sessions and signatures
/** Life of an HTTP token, weight of a request with one that has not been seen before, and tokens remembered: the oldest is forgotten first. */
export const TOKEN_MS_MAX = 3_600_000
export const TOKEN_WEIGHT = 20
export const TOKENS_KEPT = 10_000
/** Accounts looked at in one sweep for sessions that have ended. */
export const ACCOUNTS_SWEPT = 1000
/** Withdrawals of an account that are kept by nonce. */
export const WITHDRAWALS_KEPT = 32
/** Messages of wallets that wait for their check, of one address and of all. */
export const WALLET_CHECKS_PER_IP = 32
export const WALLET_CHECKS_WAITING = 512
/** Messages of one account's wallet that are taken. */
export const WALLET_RATE = { perSecond: 4, burst: 100 }
/** Messages of an account that are known to be charged, and accounts of which any are known. */
export const CHARGED_KEPT = 64
export const CHARGED_ACCOUNTS_MAX = 100_000
/** Signatures of session keys that wait for the thread pool, of one address and of all. */
export const KEY_CHECKS_PER_IP = 2048
export const KEY_CHECKS_WAITING = 8192
/** Checks that are in the pool: enough that it does not wait for this thread's turns, few enough to be soon done. */
export const KEY_CHECKS_IN_POOL = 32

// The engine's end
/** Messages of the engine, or of a bridge, handled before the event loop gets its turn. */
export const LINK_MESSAGES_A_TURN = 256
/** Events of the engine told of before the event loop gets its turn: some 3 ms of this thread where they are fills. */
export const EVENTS_A_TURN = 1024
/** A sleeper looks at the stop flag at least this often. */
export const SLEEP_MS_MAX = 1000
/** What found a ring full is tried again after so long: the engine empties one within a few of these. */
export const RING_RETRY_MS = 1
/** Bytes of one message over a bridge: the largest answer piece or applied chunk is far below; more is a broken peer. */
export const BRIDGE_BODY_BYTES_MAX = 8 << 20
/** Bytes of the path of a local socket: `sun_path` of unix(7), without its end. */
export const SOCKET_PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103
/** Bytes that are read of a bridge at once. */
export const BRIDGE_SLAB_BYTES = 256 << 10
/** A gateway process that has so much unread is given up: the engine waits for nobody. */
export const BRIDGE_UNSENT_BYTES_MAX = 64 << 20
/** Bytes of messages that are kept for gateways that begin. */
export const RECENT_BYTES_MAX = 24 << 20
/** The end of a gateway process that died may be noticed so much later than its successor. */
export const SUCCESSION_MS = 2000
/** A gateway process that is told to stop has so long to become quiet. */
export const QUIET_MS_MAX = 5000
/** Figures for the exchange, and saves of history; sweeps of idle connections, at least this often and so many an idle time. */
export const STATS_EVERY_MS = 500
export const SAVE_EVERY_MS = 5000
export const SWEEP_MS_MAX = 1000
export const SWEEPS_AN_IDLE_TIME = 8

// Streams and views
/** Of streams of accounts and markets that nobody follows is looked what is to be dropped this often. */
export const SWEEP_MEMORY_MS = 1000
/** Events that the stream of settlement keeps: nobody resumes it, it begins anew with every connection. */
export const SETTLEMENT_EVENTS_KEPT = 1
/** Accounts whose streams are kept. */
export const STREAM_ACCOUNTS_KEPT = 20_000
/** Trades and candles that a stream begins with. */
export const SNAPSHOT_TRADES = 100
export const SNAPSHOT_CANDLES = 100
/** Entries of one event, unless a single command has more; entries of a page of a beginning. */
export const EVENT_ENTRIES_MAX = 512
export const PAGE_ENTRIES = 512
/** Pages made in one turn, for whomever: four took 10 ms and more, in which nobody’s order moved. */
export const PAGES_A_TURN = 1
/** Pages sent in one turn, over all connections. */
export const PAGES_SENT_A_TURN = 256
/** Unsent bytes above which a connection waits with its next page. */
export const UNREAD_BYTES_MAX = 64 << 10
/** A beginning that nobody reads any more is kept so long for the next who asks. */
export const BEGINNING_KEPT_MS = 2000
/** Beginnings of one connection on one stream that were overtaken by events before their end. */
export const BEGINNINGS_MAX = 8
/** Batches that are told of. */
export const BATCHES_KEPT = 100
/** Levels of a block of a book; a full one is halved. */
export const BLOCK_LEVELS_MAX = 256
/** Dead entries of a list that are not worth a cleaning. */
export const DEAD_ENTRIES_MIN = 64
/** Ids looked at for one piece of a capture, dead ones and ones already taken among them. */
export const IDS_LOOKED_AT_MAX = 4096

// History
/** Candles kept of each interval, trades of a market, ended orders of all accounts. */
export const CANDLES_KEPT = 1500
export const TRADES_KEPT = 1000
export const ENDED_ORDERS_KEPT = 1 << 17
/** Live records kept for the time until history has begun; beyond it they are taken from the journal. */
export const WAITING_RECORDS_MAX = 1 << 16
/** Records beyond twice what is held before a file is written anew. */
export const SLACK_RECORDS = 1 << 14
/** Appended records are written when so many wait, or when somebody asks. */
export const PENDING_RECORDS = 1024
/** Records of a batch of a rebuild; it is handed on after so many commands too, however little they did; batches ahead of their reader. */
export const BATCH_RECORDS = 8192
export const BATCH_COMMANDS = 200_000
export const BATCHES_AHEAD = 2
/** A rebuild's commands between two looks at the clock, and how long it works at a time. */
export const REBUILD_STEP_COMMANDS = 64
export const REBUILD_WORK_MS = 8
/** Rows that are made at first for an account's records. */
export const RECORD_ROWS_MIN = 1024

function assert(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits: ${relation} does not hold`)
}
assert(
  HTTP_HEAD_BYTES_MAX < NODE_HEAD_BYTES_MAX,
  'a head is refused in our words before node:http refuses it',
)
assert(NODE_IDLE_MS + 1000 < HTTP_IDLE_MS, 'an idle HTTP connection ends before it stops being counted')
assert(HEAD_MS_MAX <= REQUEST_MS_MAX, 'a request has its head first')
assert(MESSAGE_BYTES_MAX <= SOCKET_BYTES_A_TURN, 'the largest message fits a turn')
assert(MESSAGE_BYTES_CUT < WAITING_BYTES_MAX, 'the largest message that is looked at may wait')
assert(SHUT_BELOW < OPEN_FROM, 'a door that was shut opens later than it shut')
assert(FILES_HELD < OTHER_FILES * SHUT_BELOW, 'the files held are fewer than those kept free')
assert(WALLET_CHECKS_PER_IP < WALLET_CHECKS_WAITING, 'one address cannot fill the wait for wallets’ checks')
assert(KEY_CHECKS_PER_IP < KEY_CHECKS_WAITING, 'one address cannot fill the wait for signatures')
assert(BLOCK_BYTES_MAX < BRIDGE_BODY_BYTES_MAX, 'a message of the engine fits a bridge')
assert(BRIDGE_SLAB_BYTES < BRIDGE_UNSENT_BYTES_MAX, 'a bridge that reads is not given up')
