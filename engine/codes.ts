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
  /** Views, appended by the publisher, never by the core: a level's new total, an account's new balance. */
  Level: 40,
  Balance: 41,
} as const
export type EventKind = (typeof EventKind)[keyof typeof EventKind]

export const MarketStatus = { Active: 0, CancelOnly: 1, Halted: 2 } as const
export type MarketStatus = (typeof MarketStatus)[keyof typeof MarketStatus]

export const CancelReason = {
  User: 1,
  /** The unfilled rest of an immediate-or-cancel or market order. */
  ImmediateOrCancel: 2,
  FillOrKill: 3,
  Expired: 4,
  SelfTrade: 5,
  CancelAll: 6,
  /** Amended to a total at or below what is filled. */
  AmendedToFilled: 7,
  DeadManSwitch: 8,
  Protection: 9,
  /** A triggered stop that could no longer be placed (funds, band, market status, book full). */
  TriggerRejected: 10,
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
  UnknownCommand: 1,
  UnknownAccount: 2,
  UnknownAsset: 3,
  UnknownMarket: 4,
  MarketHalted: 5,
  MarketCancelOnly: 6,
  BadSide: 7,
  BadOrderType: 8,
  BadTimeInForce: 9,
  BadStp: 10,
  ZeroTicks: 11,
  NegativeTicks: 12,
  TicksOverLimit: 13,
  ZeroLots: 14,
  NegativeLots: 15,
  LotsOverLimit: 16,
  NotAnInteger: 17,
  NotionalOverLimit: 18,
  BadDisplayLots: 19,
  BadTriggerTicks: 20,
  BadExpiry: 21,
  PostOnlyNotGtc: 22,
  PostOnlyWouldCross: 23,
  DuplicateClientOrderId: 24,
  UnknownOrder: 25,
  InsufficientFunds: 26,
  BalanceOverLimit: 27,
  ZeroUnits: 28,
  NegativeUnits: 29,
  UnitsOverLimit: 30,
  PriceBand: 31,
  OrdersFull: 32,
  LevelsFull: 33,
  AccountsFull: 34,
  MarketsFull: 35,
  AccountOrdersFull: 36,
  BadQuoteBudget: 37,
  DeadlinePassed: 38,
  DepositOutOfOrder: 39,
  AccountExists: 40,
  UnknownSession: 41,
  SessionExpired: 42,
  SessionScope: 43,
  SessionNotional: 44,
  SessionsFull: 45,
  FrameNonceUsed: 46,
  FrameNonceTooOld: 47,
  ApprovalNonceUsed: 48,
  BadMarketConfig: 49,
  BadFees: 50,
  AssetExists: 51,
  MarketExists: 52,
  ProtectionFrozen: 53,
  SameAccount: 54,
  BadPriceBand: 55,
  BadTier: 56,
  WithdrawalNonceUsed: 57,
  /** A command of a frame whose header was rejected. */
  FrameRejected: 58,
  /** Sessions of one frame sign for one account only. */
  WrongAccount: 59,
  BalancesFull: 60,
  BadTime: 61,
  BadPostOnly: 62,
  BadStatus: 63,
  /** An order command outside a signed frame where genesis requires frames. */
  FrameRequired: 64,
  /** A client order id that is no unsigned 64-bit number. */
  BadClientOrderId: 65,
  /** A transfer between accounts of different owners. */
  NotOwner: 66,
  BadProtection: 67,
  /** A Frame command inside a frame, or one that announces no or too many commands. */
  BadFrame: 68,
  ProtectionsFull: 69,
  /** The account has as many sessions as it may, and none of them has ended. */
  AccountSessionsFull: 70,
  /** A session that would live longer than the exchange allows. */
  SessionLifetimeOverLimit: 71,
  /** A wallet's nonce that is no whole number from 1 up. */
  BadNonce: 72,
  /** A wallet's nonce beyond (engine time + a day) * 1000. */
  NonceTooFarAhead: 73,
  /** A wallet's deadline that is none, or more than a day ahead of engine time. */
  BadDeadline: 74,
  /** As many sessions traded as the exchange keeps nonces of; not given any more. */
  FrameWindowsFull: 75,
  /** A deadline further ahead of engine time than a day: most likely in another unit than ms. */
  DeadlineTooFar: 76,
  /** The account has as many mass cancels under way as it may. */
  MassCancelsFull: 77,
  /** A stop in a market whose trades of before are still being worked off, and reached its trigger: send it again. */
  TriggersPending: 78,
  /** A forced withdrawal of the account is being made: its orders end, and what they free is paid out first. */
  WithdrawalForced: 79,
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
