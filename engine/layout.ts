/**
 * Binary layout of the two languages of the engine: command records (in) and event records (out).
 * Both are little-endian, fixed size, 8-byte aligned, so that an Int32Array and a Float64Array view
 * of one buffer read them. Offsets named *_F64 index a Float64Array view (8 bytes); all others index
 * an Int32Array view (4 bytes). The journal stores command records as they are.
 *
 *   command, 64 bytes (16 words)
 *    0 kind | attributes   1 account   2 market/asset   3 ticks
 *    4 cloid low           5 cloid high                 6,7 amount (f64)
 *    8 lots                9 display lots              10 trigger ticks  11 other
 *   12,13 expiresAtMs (f64)                            14,15 deadlineMs (f64)
 *
 * Attributes of word 0: bits 0-7 kind, 8 side, 9-11 order type, 12-14 time in force, 15-16 post-only,
 * 17-19 self-trade prevention, 20-23 scopes, 24 parity of the P-256 key's y, 25 and 26 set by an edge
 * that could not represent the side or the client order id it was given (the engine rejects by name),
 * 27 the operator (or the program around an embedded engine) answers for a RevokeSession or Withdraw: no
 * edge that takes messages from outside sets it.
 */
export const COMMAND_WORDS = 16
export const COMMAND_BYTES = COMMAND_WORDS * 4

export const Cmd = {
  KIND: 0,
  ACCOUNT: 1,
  /** Market of an order command; asset of deposit, withdraw, transfer. CancelAll: -1 = every market. */
  MARKET: 2,
  ASSET: 2,
  TICKS: 3,
  CLOID_LO: 4,
  CLOID_HI: 5,
  /** Float64 index: quote budget, units, or the milliseconds of Time. */
  AMOUNT_F64: 3,
  LOTS: 8,
  DISPLAY_LOTS: 9,
  TRIGGER_TICKS: 10,
  /** Transfer: the receiving account. CancelAll: side, -1 = both. Deposit: 1 = from the chain. */
  OTHER: 11,
  EXPIRES_AT_F64: 6,
  /**
   * Float64 index: rejected when engine time is past it; 0 = none (a wallet's message must have one). Deposit
   * from the chain: its queue index.
   */
  DEADLINE_F64: 7,
} as const

/**
 * ApproveSession: 2..9 the key's x coordinate as 8 big-endian words in order, then four unsigned integers of
 * two parts each (`readApproval` in commands.ts): their low 32 bits, then two words with what is above them,
 * bits 0-20 of a 53-bit number and bits 21-31 of a time below APPROVAL_TIME_END.
 */
export const ApproveCmd = {
  X: 2,
  MAX_NOTIONAL_LO: 10,
  NONCE_LO: 11,
  EXPIRES_AT_LO: 12,
  DEADLINE_LO: 13,
  /** Max notional and expiry. */
  TERMS_HI: 14,
  /** Nonce and deadline. */
  NONCE_DEADLINE_HI: 15,
} as const
export const APPROVAL_HIGH_BITS = 21
export const APPROVAL_TIME_END = 2 ** 43
/** RevokeSession: the approval of the session to end, and the wallet's nonce and deadline. */
export const RevokeCmd = { APPROVAL_F64: 3, NONCE_F64: 6, DEADLINE_F64: 7 } as const
/** Withdraw, beside asset and amount: the wallet's nonce and deadline. */
export const WithdrawCmd = { NONCE_F64: 6, DEADLINE_F64: 7 } as const
/**
 * Frame: count of commands that follow, approval of its session, nonce, SHA-256 of the signed bytes in 8 words.
 * UnsignedFrame: count and approval alone.
 */
export const FrameCmd = { COUNT: 3, APPROVAL_F64: 2, NONCE_F64: 3, HASH: 8 } as const
/** OpenAccount: the 20-byte owner address in 5 words. */
export const OpenAccountCmd = { OWNER: 2 } as const
/** CreateMarket: base, quote, fees in ppm; lotUnits and tickUnits as f64. */
export const MarketCmd = {
  MARKET: 2,
  BASE: 3,
  QUOTE: 4,
  MAKER_FEE_PPM: 8,
  TAKER_FEE_PPM: 9,
  BAND_PPM: 10,
  LOT_UNITS_F64: 3,
  TICK_UNITS_F64: 6,
} as const

/**
 * Deposit from the chain: the owner's 20-byte address in 5 words, for settlement; the engine reads none of it (zeros =
 * the account's own owner).
 */
export const DepositCmd = { OWNER: [3, 4, 5, 8, 9] } as const

/** CreateAsset: the symbol's length in characters, and its ASCII characters, four a word, little-endian. */
export const AssetCmd = { LENGTH: 3, SYMBOL: 8 } as const

export const Attr = {
  SIDE_SHIFT: 8,
  TYPE_SHIFT: 9,
  TIF_SHIFT: 12,
  POST_ONLY_SHIFT: 15,
  STP_SHIFT: 17,
  SCOPE_SHIFT: 20,
  PARITY_SHIFT: 24,
  INVALID_SIDE_SHIFT: 25,
  INVALID_CLOID_SHIFT: 26,
  OPERATOR_SHIFT: 27,
} as const

/** Sentinels of an int32 field that the edge could not represent: the engine rejects them by name. */
export const INT_OVER_LIMIT = -(2 ** 31)
export const INT_NOT_AN_INTEGER = -(2 ** 31) + 1

/**
 *   event, 96 bytes (24 words)
 *    0 kind | side << 8 | flags << 16   1 market/asset   2,3 seq (f64)
 *    4 ticks       5 lots              6 account        7 code or reason
 *    8,9 cloid    10 counter account  11 remaining     12,13 counter cloid
 *   14 counter remaining              15 other
 *   16,17 amount A (f64)  18,19 amount B (f64)  20,21 taker order id (f64)  22,23 order id (f64)
 *
 * In a Fill the first party is the maker, the counter party the taker; the side is the maker's; amount A is the maker fee,
 * amount B the taker fee, in quote units (negative = rebate). An order id is the seq of its placement.
 * In a Level view: ticks, amount A = lots at the level, amount B = count of orders.
 * In a Balance view: asset in word 1, account, amount A = available, amount B = reserved.
 */
export const EVENT_WORDS = 24
export const EVENT_BYTES = EVENT_WORDS * 4

export const Ev = {
  KIND: 0,
  MARKET: 1,
  ASSET: 1,
  SEQ_F64: 1,
  TICKS: 4,
  LOTS: 5,
  ACCOUNT: 6,
  CODE: 7,
  CLOID_LO: 8,
  CLOID_HI: 9,
  COUNTER_ACCOUNT: 10,
  REMAINING: 11,
  COUNTER_CLOID_LO: 12,
  COUNTER_CLOID_HI: 13,
  COUNTER_REMAINING: 14,
  OTHER: 15,
  AMOUNT_A_F64: 8,
  AMOUNT_B_F64: 9,
  TAKER_ORDER_ID_F64: 10,
  ORDER_ID_F64: 11,
} as const

/*
 * What the words of each event say, beyond kind, seq and what their names tell ("slot", "tier" and the
 * like are numbers of the engine's own). `attributes` are bits 8-19 of word 0 as in a Place command.
 *
 *   Accepted          attributes; ticks, lots, remaining = lots, order id; COUNTER_REMAINING display lots;
 *                     COUNTER_CLOID_LO trigger ticks; A expires at ms; B quote budget
 *   Amended           as Accepted, the order as it is now (remaining: unfilled); CODE 1 = it kept its
 *                     place, 0 = it was entered anew; OTHER its ticks before; B 1 = a stop or take-profit
 *                     that (still) waits for its trigger
 *   Canceled          attributes; CODE the CancelReason; remaining = lots left unfilled; an order that is
 *                     cancelled after a match has its fills before it
 *   Triggered         attributes; COUNTER_CLOID_LO trigger ticks; ticks after a slide or a tightening: the price
 *                     that it goes on with; it is matched right after
 *   Refilled          attributes; remaining with what is hidden; COUNTER_REMAINING lots shown now
 *   Fill              side of the maker; the maker's price; see above
 *   Rejected          CODE the Reject; OTHER the command's kind; of order commands ticks, lots, cloid;
 *                     of a repeated frame lots = its count of commands, A = seq of its first header; B the bound
 *                     of InsufficientFunds, SessionNotional, SessionLifetimeOverLimit
 *   Deposited         asset, account, A units; OTHER 1 = from the chain, then B = its queue index
 *   Withdrawn         asset, account, A units, B the wallet's nonce, 0 = no wallet was asked; CODE not 0 = the Reject
 *                     for which a deposit from the chain (its Deposited stands before it) could not be kept, and goes
 *                     back
 *   Transferred       asset, account, counter account, A units
 *   TimeAdvanced      A engine time in ms
 *   AccountOpened     account; words 8-12 the owner's address
 *   SessionApproved   word 0 bits 16-19 scopes, 20 parity; words 8-15 key x; A max notional, B expires at
 *                     ms; ORDER_ID the approval (its nonce), TAKER_ORDER_ID the approval of the live session
 *                     of this key that it replaces, 0 = none
 *   SessionRevoked    account; A approval of the session, B the wallet's nonce, 0 = no wallet was asked
 *   FrameOpened       account; lots = count of commands; A nonce, B approval of the session
 *   UnsignedFrameOpened   account; lots = count of commands; B approval of the session
 *   MarketCreated     market; ticks base, lots quote, CODE band, COUNTER_ACCOUNT maker ppm, remaining
 *                     taker ppm; A lot units, B tick units
 *   MarketStatusChanged, PriceBandChanged   market; OTHER the new status or band
 *   MarketFeesChanged market; OTHER tier (0 = the market's own), COUNTER_ACCOUNT maker, remaining taker ppm
 *   TierChanged       account; OTHER tier
 *   AssetCreated      asset; lots = length of the symbol, words 8-11 its characters
 *   CancelAfterSet    account; A engine time in ms, 0 = off
 *   ProtectionChanged market, account; lots fills, OTHER window ms, A notional; zeros = off
 *   ProtectionTriggered   market, account; its orders there are cancelled right after
 *   CanceledAll       market and OTHER side as asked for; account; lots = count of orders cancelled by now;
 *                     COUNTER_REMAINING 1 = the rest follows in the next Time commands
 */
