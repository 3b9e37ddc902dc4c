/**
 * Positions of every message of the protocol: the only wire definition. All messages are arrays whose
 * first element is the kind. Numbers are whole: ticks, lots, units, milliseconds; a client order id
 * ("cloid") is an unsigned 64-bit number (9 bytes in MessagePack, a decimal string in JSON); bytes are
 * `bin` in MessagePack and unpadded base64url in JSON. Arrays may grow at their end in later versions,
 * so a reader ignores elements beyond those it knows.
 */

/** First element of every message. */
export const Kind = {
  /** [0, id, method, params] client -> server. `id` is 0 to 2^31 - 1, chosen by the client. */
  Request: 0,
  /** [1, id, result] */
  Result: 1,
  /** [2, id or null, code, {name, message, retryAfter?, details?}] */
  Error: 2,
  /** [3, stream, seq, prevSeq, data, checksum?] */
  Event: 3,
  /** [4, stream, epoch, seq, data, checksum or null?, more?]; more = 1: pages of the same snapshot follow */
  Snapshot: 4,
  /** [5, Control, details] */
  Control: 5,
  /** [6, version, epoch, timeMs, challenge, {chainId, vault, ...}] */
  Hello: 6,
} as const

/** What a control message says. Append only. */
export const Control = {
  /**
   * A snapshot of the stream `details.stream` comes in place of what was missed, because the position that
   * was to be resumed is not kept any more or the client was too slow: forget its state.
   */
  Resync: 1,
  /** The server stops; `details.retryAfter` in ms. */
  Shutdown: 2,
  /** This connection reads slower than it is written to; public streams are conflated. */
  Slow: 3,
  /** A budget is nearly spent; `details.budget`. */
  Throttle: 4,
  /**
   * The session that was logged on here was revoked, replaced by a newer approval of its key, or has expired;
   * every stream has left the connection, and what `cancelOnDisconnect` asked for with it. `details` {account, approval}.
   */
  SessionEnded: 5,
} as const

export const Method = {
  /** [] -> [wallMs, engineMs] */
  Time: 'time',
  /** [] -> {assets, markets, chainId, vault, ...} */
  Markets: 'markets',
  /** [owner address] -> {account} */
  Account: 'account',
  /**
   * [account, publicKey (33 bytes), scopes, maxNotional, expiresAtMs, nonce, deadlineMs, wallet signature
   * (65 bytes)] -> {account, approval}: the session's name; `approval` is the nonce
   */
  ApproveSession: 'approveSession',
  /** [account, approval, nonce, deadlineMs, wallet signature (65 bytes)] -> {account, approval} */
  RevokeSession: 'revokeSession',
  /** [] -> sessions of the account that is logged on */
  Sessions: 'sessions',
  /** [account, publicKey (33 bytes)] -> {approval, scopes, maxNotional, expiresAtMs, timeMs}: the live session of a key */
  Session: 'session',
  /** [account] -> {approval, withdrawal, timeMs}: highest nonces of the account's wallet, and engine time */
  Nonces: 'nonces',
  /** [account, approval, signature (64 bytes)] -> {account, approval, scopes, maxNotional, expiresAtMs} */
  Logon: 'logon',
  /** [] -> {}: takes the session off this connection; every stream and cancelOnDisconnect go with it */
  Logoff: 'logoff',
  /** [account, approval, nonce, payload, signature (64 bytes), options?] -> [seq, items, receipt?] */
  Frame: 'frame',
  /** [commands] -> [seq, items]: only where the operator accepts unsigned frames */
  UnsignedFrame: 'unsignedFrame',
  /**
   * [stream, [epoch, lastSeq]?] -> {stream, resumedTo?}; then the events that were missed, up to `resumedTo`,
   * or, without it, a snapshot
   */
  Subscribe: 'subscribe',
  /** [stream] -> {stream} */
  Unsubscribe: 'unsubscribe',
  /** [] -> balances */
  Balances: 'balances',
  /** [{afterOrderId?, limit?}?] -> {orders, more} */
  Orders: 'orders',
  /** [{cloid} or {orderId}] -> an order */
  Order: 'order',
  /** [approval, nonce] -> {firstSeq, codes}: what became of a frame, while its nonce is in the window */
  FrameOutcome: 'frameOutcome',
  /** [{afterSeq?, afterIndex?, limit?}?] -> {fills, complete, more} */
  Fills: 'fills',
  /** [market, depth] -> book */
  Depth: 'depth',
  /** [market, limit] -> trades */
  Trades: 'trades',
  /** [market, interval, limit] -> candles */
  Candles: 'candles',
  /** [market] -> ticker */
  Ticker: 'ticker',
  /** [account, asset, units, maxFee, nonce, deadlineMs, wallet signature (65 bytes)] -> {seq, fee} */
  Withdraw: 'withdraw',
  /** [account, nonce] -> {state, seq, asset, units, fee, highest, timeMs}: what became of a withdrawal whose answer was lost */
  Withdrawal: 'withdrawal',
  /** [account, asset, batch?] -> balance proof */
  Proof: 'proof',
  /** [seq, index] -> proof of a fill */
  FillProof: 'fillProof',
  /** [limit] -> latest batches */
  Batches: 'batches',
  /** [on] -> {on}: cancel all of the account's orders when this connection ends */
  CancelOnDisconnect: 'cancelOnDisconnect',
  /** [place command] -> {valid: true}, or the error that a real one would get; does nothing */
  PlaceTest: 'placeTest',
  /** [] -> fee rates of each market for the account */
  Fees: 'fees',
} as const
export type Method = (typeof Method)[keyof typeof Method]

/** Bytes of the fixed parts of authentication. */
export const CHALLENGE_BYTES = 32
export const SESSION_SIGNATURE_BYTES = 64
export const WALLET_SIGNATURE_BYTES = 65
export const PUBLIC_KEY_BYTES = 33

/**
 * An item of a frame's result, in the order of the frame's commands: [code, ...]. Code 0 = taken:
 *   place   [0, orderId, state, remainingLots, filledLots]    state: OrderState
 *   amend   [0, orderId, state, remainingLots, filledLots]
 *   cancel  [0, orderId, state, remainingLots, filledLots]    what the order had left
 *   others  [0, count, more]                                  cancel-all: orders cancelled by now; more (absent = 0):
 *                                                             1 = the rest, which trades no more, follows by itself
 * Any other code: [code], a code of sdk/wire/codes.
 */
export const OrderState = {
  Open: 1,
  Filled: 2,
  Canceled: 3,
  /** A stop that waits for its trigger. */
  Waiting: 4,
} as const
export type OrderState = (typeof OrderState)[keyof typeof OrderState]

/** Names of the streams; `M` is a market id. */
export const StreamName = {
  /** L2 book, every level: `book:M`; the best 5, 10, 20 or 50: `book:M:10`. */
  Book: 'book',
  /** Every visible resting order: `l3:M`. */
  BookL3: 'l3',
  /** Best bid and offer: `bbo:M`. */
  Bbo: 'bbo',
  Trades: 'trades',
  Ticker: 'ticker',
  /** `candles:M:1m`. */
  Candles: 'candles',
  Status: 'status',
  /** What settlement does; public. */
  Settlement: 'settlement',
  /** Private, of the account that is logged on. */
  Orders: 'orders',
  Fills: 'fills',
  Balances: 'balances',
} as const

export const BOOK_DEPTHS = [5, 10, 20, 50] as const

/** Candle intervals and their lengths in milliseconds. */
export const CANDLE_INTERVALS = {
  '1s': 1_000,
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
  '1h': 3_600_000,
  '4h': 14_400_000,
  '1d': 86_400_000,
} as const
export type CandleInterval = keyof typeof CANDLE_INTERVALS

/** An entry of the `orders` stream: what happened to one order, and how it stands after it. */
export type OrderEntry = readonly [
  seq: number,
  /** EventKind: Accepted, Canceled, Amended, Fill, Triggered, Refilled or Rejected. */
  event: number,
  orderId: number,
  cloid: bigint,
  market: number,
  side: number,
  /** Price of the order; of a Fill, the price of the fill. */
  ticks: number,
  /** Total size of the order; of a Fill, the lots of this fill. */
  lots: number,
  remaining: number,
  state: number,
  /** CancelReason of a Canceled; 0 otherwise. */
  reason: number,
  timeMs: number,
  /** Error code of a Rejected (an order that was never taken); 0 otherwise. */
  code: number,
  /** Of an Accepted or Amended; 0 = none, and of every other event. */
  triggerTicks: number,
  /** The same; 0 = no iceberg. */
  displayLots: number,
  /** The same; 0 = it does not expire. */
  expiresAtMs: number,
]

/** An entry of the `fills` stream; `index` counts the fills of one command from 0. */
export type FillEntry = readonly [
  seq: number,
  index: number,
  market: number,
  side: number,
  ticks: number,
  lots: number,
  /** Units of the quote asset; negative = rebate. */
  feeUnits: number,
  /** 1 = this account's order was resting. */
  maker: number,
  orderId: number,
  cloid: bigint,
  remaining: number,
  timeMs: number,
]

/** An entry of the `balances` stream and of a balances answer. */
export type BalanceEntry = readonly [asset: number, available: number, reserved: number]

/** An entry of the `trades` stream; `takerSide` is the side of the order that came in. */
export type TradeEntry = readonly [
  seq: number,
  index: number,
  ticks: number,
  lots: number,
  takerSide: number,
  timeMs: number,
]

/** A level of a book: total visible lots and count of orders; zero lots = the level is gone. */
export type LevelEntry = readonly [ticks: number, lots: number, orders: number]
/** Data of a book snapshot or event: bids and asks that are new. */
export type BookData = readonly [bids: readonly LevelEntry[], asks: readonly LevelEntry[]]

/** An order of an L3 snapshot or event: zero lots = it is gone. */
export type L3Entry = readonly [orderId: number, side: number, ticks: number, lots: number]
