/**
 * Every number with a meaning: command kinds, event kinds, order attributes, reject codes, cancel
 * reasons. Append only: a number, once given, never changes its meaning, because it stands in
 * journals and in other people's clients.
 */

export const Side = { Buy: 0, Sell: 1 } as const
export type Side = (typeof Side)[keyof typeof Side]

export const OrderType = {
  Limit: 0,
  Market: 1,
  StopLimit: 2,
  Stop: 3,
  TakeProfitLimit: 4,
  TakeProfit: 5,
} as const
export type OrderType = (typeof OrderType)[keyof typeof OrderType]

export const TimeInForce = { GTC: 0, IOC: 1, FOK: 2, GTD: 3 } as const
export type TimeInForce = (typeof TimeInForce)[keyof typeof TimeInForce]

/** Post-only: none, reject when marketable, or slide to one tick behind the touch. */
export const PostOnly = { None: 0, Reject: 1, Slide: 2 } as const
export type PostOnly = (typeof PostOnly)[keyof typeof PostOnly]

/** Self-trade prevention; the incoming order's mode decides. */
export const Stp = { CancelTaker: 0, CancelMaker: 1, CancelBoth: 2, Decrement: 3 } as const
export type Stp = (typeof Stp)[keyof typeof Stp]

export const CommandKind = {
  Place: 1,
  Amend: 2,
  Cancel: 3,
  CancelAll: 4,
  Deposit: 5,
  Withdraw: 6,
  Transfer: 7,
  Time: 8,
  OpenAccount: 9,
  ApproveSession: 10,
  RevokeSession: 11,
  /** Opens a signed frame: the next `count` commands are the frame's, under one session and nonce. */
  Frame: 12,
  CreateMarket: 13,
  SetMarketStatus: 14,
  SetMarketFees: 15,
  SetPriceBand: 16,
  SetAccountTier: 17,
  SetTierFees: 18,
  CreateAsset: 19,
  /** Dead-man switch: cancel all orders of the account unless renewed before the time given. */
  CancelAfter: 20,
  /** Market-maker protection of an account in a market: limits in a window, or off. */
  SetProtection: 21,
  ResetProtection: 22,
  /** Opens a frame that nobody signed: the next `count` commands are of one session, which the engine judges. */
  UnsignedFrame: 23,
  /** The least that a withdrawal of an asset takes out, and the fee of one. */
  SetWithdrawTerms: 24,
  /** The whole exchange takes cancels only for a reason, or no longer for that one. */
  SetExchangeStatus: 25,
} as const
export type CommandKind = (typeof CommandKind)[keyof typeof CommandKind]

export const EventKind = {
  Accepted: 1,
  Rejected: 2,
  Fill: 3,
  Canceled: 4,
  Amended: 5,
  Triggered: 6,
  Refilled: 7,
  Deposited: 8,
  Withdrawn: 9,
  Transferred: 10,
  TimeAdvanced: 11,
  AccountOpened: 12,
  SessionApproved: 13,
  SessionRevoked: 14,
  FrameOpened: 15,
  MarketCreated: 16,
  MarketStatusChanged: 17,
  MarketFeesChanged: 18,
  PriceBandChanged: 19,
  TierChanged: 20,
  AssetCreated: 21,
  CancelAfterSet: 22,
  ProtectionChanged: 23,
  ProtectionTriggered: 24,
  /** Closes a cancel-all: how many orders it cancelled. */
  CanceledAll: 25,
  UnsignedFrameOpened: 26,
  WithdrawTermsChanged: 27,
  ExchangeStatusChanged: 28,
  /** Views, appended by the publisher, never by the core: a level's new total, an account's new balance. */
  Level: 40,
  Balance: 41,
} as const
export type EventKind = (typeof EventKind)[keyof typeof EventKind]

export const MarketStatus = { Active: 0, CancelOnly: 1, Halted: 2 } as const
export type MarketStatus = (typeof MarketStatus)[keyof typeof MarketStatus]

/**
 * Why the whole exchange takes cancels only, bits: it does while any of them stands. Whoever sets one ends that one
 * only, so what the program around the engine sets by itself never ends what the operator has set.
 */
export const CancelOnlyReason = {
  Operator: 1,
  /** What is committed or proven on the chain is too far behind. */
  SettlementLag: 2,
} as const
export type CancelOnlyReason = (typeof CancelOnlyReason)[keyof typeof CancelOnlyReason]

export const CancelReason = {
  User: 1,
  /** The unfilled rest of an immediate-or-cancel or market order. */
  ImmediateOrCancel: 2,
  FillOrKill: 3,
  /** Engine time has reached its expiry. */
  Expired: 4,
  SelfTrade: 5,
  CancelAll: 6,
  /** Amended to a total at or below what is filled. */
  AmendedToFilled: 7,
  DeadManSwitch: 8,
  Protection: 9,
  /** A triggered stop that could no longer be placed (funds, band, market status, book full). */
  TriggerRejected: 10,
  /** The rest of its quote budget buys no further lot. */
  QuoteBudgetSpent: 11,
  Disconnect: 12,
  /** The rest of an order that could not rest because a bound of the book was reached. */
  BookFull: 13,
  /** Nothing more can be filled because a balance would reach 2^53. */
  BalanceOverLimit: 14,
  /** The market's band leaves a market order or triggered stop no price that its own protection allows. */
  PriceBand: 15,
  /** The command has done as much work as one command may. */
  WorkLimit: 16,
  /** What is left would execute more than the session allows one order. */
  SessionNotional: 17,
} as const
export type CancelReason = (typeof CancelReason)[keyof typeof CancelReason]

/** Why a command was refused. A refused command changes nothing but the sequence. */
export const Reject = {
  None: 0,
  /** Not a kind of command. */
  UnknownCommand: 1,
  /** There is no such account. */
  UnknownAccount: 2,
  /** There is no such asset. */
  UnknownAsset: 3,
  /** There is no such market. */
  UnknownMarket: 4,
  /** The market is halted. */
  MarketHalted: 5,
  /** The market takes cancels only. */
  MarketCancelOnly: 6,
  /** The side is neither buy nor sell. */
  BadSide: 7,
  /** Not a type of order. */
  BadOrderType: 8,
  /** Not a time in force, or one that does not go with the type: no GTD for market orders. */
  BadTimeInForce: 9,
  /** Not a mode of self-trade prevention. */
  BadStp: 10,
  /** The price is 0. */
  ZeroTicks: 11,
  /** The price is below 0. */
  NegativeTicks: 12,
  /** The price is 2^31 ticks or more. */
  TicksOverLimit: 13,
  /** The size is 0. */
  ZeroLots: 14,
  /** The size is below 0. */
  NegativeLots: 15,
  /** The size is 2^31 lots or more. */
  LotsOverLimit: 16,
  /** A price, size or amount is not a whole number. */
  NotAnInteger: 17,
  /** The order would be 2^53 units or more, of quote or of base. */
  NotionalOverLimit: 18,
  /** The display size does not go with the order: 1 to its size, in at most 10,000 parts, and only of orders that rest. */
  BadDisplayLots: 19,
  /** A stop or take-profit that waits needs a trigger above 0, every other order none. */
  BadTriggerTicks: 20,
  /** The expiry (of an order, a session, a dead-man switch) is not a later engine time within its bound, or the order is not GTD. */
  BadExpiry: 21,
  /** Post-only goes with neither IOC, FOK nor market orders. */
  PostOnlyNotGtc: 22,
  /** The post-only order would trade at once. */
  PostOnlyWouldCross: 23,
  /** A live order of the account has this client order id. */
  DuplicateClientOrderId: 24,
  /** The account has no live order with this client order id in this market. */
  UnknownOrder: 25,
  /** The available balance is below what the command needs, fees included. */
  InsufficientFunds: 26,
  /** A balance would reach 2^53 units. */
  BalanceOverLimit: 27,
  /** The amount is 0. */
  ZeroUnits: 28,
  /** The amount is below 0. */
  NegativeUnits: 29,
  /** The amount is 2^53 units or more. */
  UnitsOverLimit: 30,
  /** The price is outside the band around the market’s last price. */
  PriceBand: 31,
  /** The exchange has room for no more live orders. */
  OrdersFull: 32,
  /** The price would be a new level, and there is room for no more. */
  LevelsFull: 33,
  /** There is room for no more accounts. */
  AccountsFull: 34,
  /** There is room for no more markets. */
  MarketsFull: 35,
  /** The account has as many live orders as its share of the room that is left. */
  AccountOrdersFull: 36,
  /** A quote budget goes with market orders that buy, from 1 to 2^53 - 1 units. */
  BadQuoteBudget: 37,
  /** The deadline had passed when the command reached the engine. */
  DeadlinePassed: 38,
  /** The deposit is not the next of the vault’s queue. */
  DepositOutOfOrder: 39,
  /** The account is open already. */
  AccountExists: 40,
  /** The account has no such session. */
  UnknownSession: 41,
  /** Engine time has reached the session’s expiry. */
  SessionExpired: 42,
  /** The session has no scope for the command, or an approval has none at all. */
  SessionScope: 43,
  /** The order is above what the session allows one order. */
  SessionNotional: 44,
  /** The exchange has room for no more sessions. */
  SessionsFull: 45,
  /** A frame with this nonce was taken before. */
  FrameNonceUsed: 46,
  /** The nonce is 100 or more below the session’s highest, or its frames are forgotten. */
  FrameNonceTooOld: 47,
  /** The nonce is not above every one of the account’s approvals and revocations. */
  ApprovalNonceUsed: 48,
  /** The units, prices or symbol of a market or an asset are not possible. */
  BadMarketConfig: 49,
  /** A fee is above 100,000 millionths, or a rebate above what the taker pays. */
  BadFees: 50,
  /** The asset exists already. */
  AssetExists: 51,
  /** The market exists already. */
  MarketExists: 52,
  /** Market-maker protection has pulled the account’s quotes of the market: reset it first. */
  ProtectionFrozen: 53,
  /** A transfer from an account to itself. */
  SameAccount: 54,
  /** The price band is not 0 to 1,000,000 millionths. */
  BadPriceBand: 55,
  /** There is no such fee tier. */
  BadTier: 56,
  /** The nonce is not above every one of the account’s withdrawals. */
  WithdrawalNonceUsed: 57,
  /** A command of a frame whose header was rejected. */
  FrameRejected: 58,
  /** Sessions of one frame sign for one account only. */
  WrongAccount: 59,
  /** There is room for no more balances. */
  BalancesFull: 60,
  /** Not a time in ms since 1970, below 2^53. */
  BadTime: 61,
  /** Not a kind of post-only. */
  BadPostOnly: 62,
  /** Not a market status; of the exchange: neither active nor cancel-only, or no reason. */
  BadStatus: 63,
  /** An order command outside a signed frame where genesis requires frames. */
  FrameRequired: 64,
  /** A client order id that is not an unsigned 64-bit number. */
  BadClientOrderId: 65,
  /** A transfer between accounts of different owners. */
  NotOwner: 66,
  /** A protection needs a window of 1 ms or more and a bound; or the account has none to reset. */
  BadProtection: 67,
  /** A Frame command inside a frame, or one that announces no or too many commands. */
  BadFrame: 68,
  /** The account, or the exchange, has room for no more protections. */
  ProtectionsFull: 69,
  /** The account has as many sessions as it may, and none of them has ended. */
  AccountSessionsFull: 70,
  /** A session that would live longer than the exchange allows. */
  SessionLifetimeOverLimit: 71,
  /** A wallet's nonce that is not a whole number from 1 up. */
  BadNonce: 72,
  /** A wallet's nonce beyond (engine time + a day) * 1000. */
  NonceTooFarAhead: 73,
  /** A wallet's deadline that is 0, or more than a day ahead of engine time. */
  BadDeadline: 74,
  /** As many sessions traded as the exchange keeps nonces of; not given any more. */
  FrameWindowsFull: 75,
  /** A deadline further ahead of engine time than a day: most likely in another unit than ms. */
  DeadlineTooFar: 76,
  /** The account has as many mass cancels under way as it may. */
  MassCancelsFull: 77,
  /** Trades of before have reached the stop's trigger, and their own triggers are still firing: send it again. */
  TriggersPending: 78,
  /** A forced withdrawal of the account is being made: its orders end, and what they free is paid out first. */
  WithdrawalForced: 79,
  /** The amount is below the least that a withdrawal of the asset takes out. */
  WithdrawBelowMin: 80,
  /** The fee of a withdrawal of the asset is above what the owner accepts. */
  WithdrawFeeNotAccepted: 81,
  /** Minimum and fee of withdrawals are whole units, the minimum at most 10^10 of them, the fee at most the minimum. */
  BadWithdrawTerms: 82,
  /** The whole exchange takes cancels and reductions only: no new order, and no amend by which one leaves its place. */
  ExchangeCancelOnly: 83,
} as const
export type Reject = (typeof Reject)[keyof typeof Reject]

/** Session scopes, bits. */
export const Scope = { Read: 1, Trade: 2, WithdrawRequest: 4 } as const

const namesOf = (codes: Record<string, number>): readonly string[] => {
  const names: string[] = []
  for (const [name, code] of Object.entries(codes)) names[code] = name
  return names
}

/** Name of each reject code, by number. */
export const rejectNames = namesOf(Reject)
/** Name of each cancel reason, by number. */
export const cancelReasonNames = namesOf(CancelReason)
export const eventNames = namesOf(EventKind)
export const commandNames = namesOf(CommandKind)
