/**
 * Error codes of the protocol, in ranges: 1xxx transport, 2xxx authentication, 3xxx request, 4xxx order,
 * 5xxx limits, 6xxx engine. Append only: a number, once given, never changes its meaning. A WebSocket
 * that the server closes for a 1xxx reason carries close code 3000 + code (1006 -> 4006).
 *
 * What the engine refuses keeps its engine number: 4000 + Reject, except for the rejects that speak of
 * sessions (2100 + Reject) and of full tables or limits (5100 + Reject).
 */
import { Reject, rejectNames } from '../../engine/codes.js'

export const ErrorCode = {
  /** Not a message of the protocol, or not in the encoding of the subprotocol. */
  MalformedMessage: 1000,
  /** More bytes than `messageBytesMax`; it was not decoded, and the connection is closed. */
  MessageTooLarge: 1001,
  /** No subprotocol was offered that is spoken here: glassbook.v2.msgpack, glassbook.v2.json. */
  UnsupportedSubprotocol: 1002,
  /** As many connections as an address, an account or the gateway may have are open. */
  TooManyConnections: 1003,
  /** The Origin header is not among those that the operator lets connect. */
  OriginNotAllowed: 1004,
  /** Nothing was heard, not even the answer to a ping: the connection is closed. */
  IdleTimeout: 1005,
  /** Too many bytes wait to be read: the connection is closed. Come back, and resume. */
  SlowConsumer: 1006,
  /** The exchange or the connection ends; what was not answered may have been done. */
  ShuttingDown: 1007,
  /** Too many requests of the connection were refused, or could not be read: it is closed. */
  TooManyErrors: 1008,
  /** The head of a request is larger than 4 KiB. */
  HeadersTooLarge: 1009,
  /** A WebSocket of another version than 13. */
  UnsupportedVersion: 1010,
  /** A client’s own word: no connection could be made. */
  CannotConnect: 1011,
  /** A client’s own word: there is no connection, and nothing was sent. */
  NotConnected: 1012,
  /** A client’s own word: the connection ended before the answer. */
  ConnectionLost: 1013,
  /** A client’s own word: no answer came in time; what was asked may have been done. */
  RequestTimeout: 1014,

  /** The method needs a session, and none is logged on. */
  NotLoggedOn: 2000,
  /** The signature is not by the key, or the wallet, that it must be by. */
  BadSignature: 2001,
  /** The account has no such session (any more): never approved, revoked or replaced. */
  UnknownSession: 2002,
  /** Engine time has reached the session’s, or the HTTP token’s, expiry. */
  SessionExpired: 2003,
  /** Kept for clients; the server says UnknownSession. */
  SessionRevoked: 2004,
  /** The session lacks the scope that the method needs. */
  ScopeMissing: 2005,
  /** There is no such account: the first deposit opens one. */
  UnknownAccount: 2006,
  /** The approval is not signed by the account’s owner, or its key is not a point of P-256. */
  BadApproval: 2007,
  /** The exchange takes signed frames only. */
  SignatureRequired: 2008,
  /** The frame names another account or approval than the session that is logged on. */
  WrongAccount: 2009,
  /** The connection has a session, or a logon under way; `logoff` makes room. */
  AlreadyLoggedOn: 2010,

  /** Not given at present. */
  BadRequest: 3000,
  /** There is no such method. */
  UnknownMethod: 3001,
  /** A param is missing, of another type, or out of bounds; the message names it. */
  BadParams: 3002,
  /** There is no such stream. */
  UnknownStream: 3003,
  /** There is no such market. */
  UnknownMarket: 3004,
  /** There is no such asset. */
  UnknownAsset: 3005,
  /** What was asked for does not exist, or is not kept any more. */
  NotFound: 3006,
  /** The connection follows this stream already. */
  AlreadySubscribed: 3007,
  /** The connection does not follow this stream. */
  NotSubscribed: 3008,
  /** The path is known, and not with this HTTP method. */
  MethodNotAllowed: 3009,
  /** The body of an HTTP request is neither JSON nor MessagePack. */
  UnsupportedMediaType: 3010,

  /** The request budget of an account, or of an address before logon, is spent. */
  RateLimited: 5000,
  /** As many frames of the connection are unanswered as may be: wait for answers. */
  TooManyFramesInFlight: 5001,
  /** The connection, or its address, follows as many streams as it may. */
  TooManySubscriptions: 5002,
  /** The account has as many live orders as the gateway lets it have. */
  TooManyOpenOrders: 5003,
  /** The account's budget of orders and amends is spent. */
  OrderRateLimited: 5004,
  /** The account's budget of cancels is spent. */
  CancelRateLimited: 5005,
  /** The request budget of an address, over all its accounts, is spent. */
  IpRateLimited: 5006,
  /** The order budget of an address, over all its accounts, is spent. */
  IpOrderRateLimited: 5007,
  /** An address has opened too many connections in a short time. */
  ConnectRateLimited: 5008,

  /** The outcome of a command is not known to the connection: ask by client order id. */
  OutcomeUnknown: 6000,
  /** The way to the engine is full; nothing was taken. Try again after `retryAfter`. */
  EngineBusy: 6001,
  /** The engine or the gateway has stopped: nothing more is taken. */
  EngineStopped: 6002,
  /** No batch that covers the account has been committed yet; with `retryAfter`: too many proofs are asked for. */
  ProofUnavailable: 6003,
  /** The exchange runs without settlement. */
  SettlementUnavailable: 6004,
  /** A frame whose answer was lost was never taken and, its nonce being too old by now, never will be. */
  NotTaken: 6005,
  /** A client's own word: the chain refused a transaction, or reverted it. */
  TransactionFailed: 6006,
  /** Not found, but what ended lately is still being read from the journal. Ask again after `retryAfter`. */
  HistoryRebuilding: 6007,
  /** A client's own word: the exchange or the wallet is on another chain, or names other contracts, than are pinned. */
  PinMismatch: 6008,
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

const SESSION_REJECTS: ReadonlySet<number> = new Set([
  Reject.UnknownSession,
  Reject.SessionExpired,
  Reject.SessionScope,
  Reject.SessionNotional,
  Reject.FrameNonceUsed,
  Reject.FrameNonceTooOld,
  Reject.ApprovalNonceUsed,
  Reject.FrameRejected,
  Reject.WrongAccount,
  Reject.WithdrawalNonceUsed,
  Reject.SessionLifetimeOverLimit,
  Reject.BadNonce,
  Reject.NonceTooFarAhead,
  Reject.BadDeadline,
])
const LIMIT_REJECTS: ReadonlySet<number> = new Set([
  Reject.OrdersFull,
  Reject.LevelsFull,
  Reject.AccountsFull,
  Reject.MarketsFull,
  Reject.AccountOrdersFull,
  Reject.SessionsFull,
  Reject.BalancesFull,
  Reject.AccountSessionsFull,
  Reject.FrameWindowsFull,
  Reject.MassCancelsFull,
])

const SESSION_BASE = 2100
const ORDER_BASE = 4000
const LIMIT_BASE = 5100

/** The protocol's code of an engine reject. */
export function rejectToCode(reject: number): number {
  if (SESSION_REJECTS.has(reject)) return SESSION_BASE + reject
  if (LIMIT_REJECTS.has(reject)) return LIMIT_BASE + reject
  return ORDER_BASE + reject
}

/** The engine reject behind a protocol code; 0 when there is none. */
export function codeToReject(code: number): number {
  for (const base of [SESSION_BASE, ORDER_BASE, LIMIT_BASE]) {
    const reject = code - base
    if (reject > 0 && reject < 100 && rejectNames[reject] !== undefined && rejectToCode(reject) === code)
      return reject
  }
  return 0
}

const ownNames = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]))

/** The name that travels with a code: of this table, or of the engine's reject. */
export function errorName(code: number): string {
  const own = ownNames.get(code)
  if (own !== undefined) return own
  const reject = codeToReject(code)
  return (reject === 0 ? undefined : rejectNames[reject]) ?? 'Unknown'
}

/** Close code of a WebSocket that the server closes for a 1xxx reason. */
export const closeCode = (code: number): number => 3000 + code
