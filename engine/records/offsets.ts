/**
 * Where the fields of records lie. Made by `npm run records` from command-table.ts and event-table.ts, which say what
 * each field means: change those, not this. Names that end in _F64 are indices into a Float64Array, all others into an
 * Int32Array, of the same buffer; _SHIFT and _MASK are of word 0.
 */
export const COMMAND_WORDS = 16
export const COMMAND_BYTES = 64
export const EVENT_WORDS = 24
export const EVENT_BYTES = 96
/** The kind of a record, in word 0. */
export const KIND_MASK = 255
/** What an order is, in word 0. */
export const ATTRIBUTES_MASK = 1048320

/** What stands at the same place in every command that has it. */
export const Cmd = {
  KIND: 0,
  ACCOUNT: 1,
  SUBJECT: 2,
} as const

/** What stands at the same place in every event that has it. */
export const Ev = {
  KIND: 0,
  SEQ_F64: 1,
  SUBJECT: 1,
  ACCOUNT: 6,
} as const

/** What an order is, in word 0 of Place commands, order events and records of orders. */
export const Attr = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
} as const

/** What Place, Amend and Cancel have in common. */
export const OrderCmd = {
  ACCOUNT: 1,
  MARKET: 2,
  CLOID_LO: 4,
  CLOID_HI: 5,
  INVALID_CLOID_SHIFT: 26,
  INVALID_CLOID_MASK: 1,
} as const

/** What every event of one order has in common. */
export const OrderEv = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
  MARKET: 1,
  ACCOUNT: 6,
  CLOID_LO: 8,
  CLOID_HI: 9,
  ORDER_ID_F64: 11,
  TICKS: 4,
  LOTS: 5,
  REMAINING: 11,
} as const

/** A new order. */
export const PlaceCmd = {
  ACCOUNT: 1,
  MARKET: 2,
  CLOID_LO: 4,
  CLOID_HI: 5,
  INVALID_CLOID_SHIFT: 26,
  INVALID_CLOID_MASK: 1,
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
  INVALID_SIDE_SHIFT: 25,
  INVALID_SIDE_MASK: 1,
  TICKS: 3,
  LOTS: 8,
  DISPLAY_LOTS: 9,
  TRIGGER_TICKS: 10,
  QUOTE_BUDGET_F64: 3,
  EXPIRES_AT_MS_F64: 6,
  DEADLINE_MS_F64: 7,
} as const

/** Another price or size of a live order. */
export const AmendCmd = {
  ACCOUNT: 1,
  MARKET: 2,
  CLOID_LO: 4,
  CLOID_HI: 5,
  INVALID_CLOID_SHIFT: 26,
  INVALID_CLOID_MASK: 1,
  TICKS: 3,
  LOTS: 8,
  DISPLAY_LOTS: 9,
  TRIGGER_TICKS: 10,
  QUOTE_BUDGET_F64: 3,
  EXPIRES_AT_MS_F64: 6,
  DEADLINE_MS_F64: 7,
} as const

/** The end of an order. */
export const CancelCmd = {
  ACCOUNT: 1,
  MARKET: 2,
  CLOID_LO: 4,
  CLOID_HI: 5,
  INVALID_CLOID_SHIFT: 26,
  INVALID_CLOID_MASK: 1,
  DEADLINE_MS_F64: 7,
} as const

/** The end of an account’s orders. */
export const CancelAllCmd = {
  ACCOUNT: 1,
  MARKET: 2,
  SIDE: 11,
  REASON: 8,
  DEADLINE_MS_F64: 7,
} as const

/** Units come in; opens an account that nobody opened. */
export const DepositCmd = {
  ACCOUNT: 1,
  ASSET: 2,
  UNITS_F64: 3,
  FROM_CHAIN: 11,
  QUEUE_INDEX_F64: 7,
  OWNER: [3, 4, 5, 8, 9],
} as const

/** Units go out; the operator, a frame or a wallet answers. */
export const WithdrawCmd = {
  ACCOUNT: 1,
  ASSET: 2,
  UNITS_F64: 3,
  OPERATOR_SHIFT: 27,
  OPERATOR_MASK: 1,
  FORCED: 8,
  NONCE_F64: 6,
  DEADLINE_MS_F64: 7,
  MAX_FEE_F64: 5,
} as const

/** Units go to another account of the same owner. */
export const TransferCmd = {
  ACCOUNT: 1,
  ASSET: 2,
  RECEIVER: 11,
  UNITS_F64: 3,
} as const

/** Engine time moves; only the sequencer gives it. */
export const TimeCmd = {
  TIME_MS_F64: 3,
  FIRST_MARKET: 2,
} as const

/** An account gets its owner. */
export const OpenAccountCmd = {
  ACCOUNT: 1,
  OWNER: 2,
} as const

/** A wallet approves a P-256 session key. */
export const ApproveSessionCmd = {
  ACCOUNT: 1,
  KEY_X: 2,
  KEY_PARITY_SHIFT: 24,
  KEY_PARITY_MASK: 1,
  SCOPES_SHIFT: 20,
  SCOPES_MASK: 15,
} as const

/** A session ends. */
export const RevokeSessionCmd = {
  ACCOUNT: 1,
  APPROVAL_F64: 3,
  OPERATOR_SHIFT: 27,
  OPERATOR_MASK: 1,
  NONCE_F64: 6,
  DEADLINE_MS_F64: 7,
} as const

/** The commands that follow are one signed frame. */
export const FrameCmd = {
  ACCOUNT: 1,
  APPROVAL_F64: 2,
  COUNT: 3,
  NONCE_F64: 3,
  STEPS_USED: 2,
  SHA256: 8,
} as const

/** The commands that follow are one frame, which nobody signed. */
export const UnsignedFrameCmd = {
  ACCOUNT: 1,
  APPROVAL_F64: 2,
  COUNT: 3,
  STEPS_USED: 2,
} as const

/** A new market. */
export const CreateMarketCmd = {
  MARKET: 2,
  BASE: 3,
  QUOTE: 4,
  LOT_UNITS_F64: 3,
  TICK_UNITS_F64: 6,
  MAKER_FEE_PPM: 8,
  TAKER_FEE_PPM: 9,
  BAND_PPM: 10,
} as const

/** A market opens, takes cancels only, or halts. */
export const SetMarketStatusCmd = {
  MARKET: 2,
  STATUS: 11,
} as const

/** Fees of a market. */
export const SetMarketFeesCmd = {
  MARKET: 2,
  MAKER_FEE_PPM: 8,
  TAKER_FEE_PPM: 9,
} as const

/** How far from the last price an order may be. */
export const SetPriceBandCmd = {
  MARKET: 2,
  BAND_PPM: 10,
} as const

/** An account’s fee tier. */
export const SetAccountTierCmd = {
  ACCOUNT: 1,
  TIER: 11,
} as const

/** Fees of a market for the accounts of one tier. */
export const SetTierFeesCmd = {
  MARKET: 2,
  TIER: 11,
  MAKER_FEE_PPM: 8,
  TAKER_FEE_PPM: 9,
} as const

/** A new asset. */
export const CreateAssetCmd = {
  ASSET: 2,
  SYMBOL: 8,
  SYMBOL_LENGTH: 3,
  WITHDRAW_MIN_F64: 6,
  WITHDRAW_FEE_F64: 7,
} as const

/** Dead-man switch: the account’s orders end unless it is renewed. */
export const CancelAfterCmd = {
  ACCOUNT: 1,
  AT_MS_F64: 3,
  DEADLINE_MS_F64: 7,
} as const

/** Market-maker protection; all zeros = off. */
export const SetProtectionCmd = {
  ACCOUNT: 1,
  MARKET: 2,
  WINDOW_MS: 11,
  FILLS: 8,
  NOTIONAL_UNITS_F64: 3,
} as const

/** Quoting is allowed again. */
export const ResetProtectionCmd = {
  ACCOUNT: 1,
  MARKET: 2,
} as const

/** The whole exchange takes cancels only for a reason, or no longer for that one. */
export const SetExchangeStatusCmd = {
  REASON: 8,
  STATUS: 11,
} as const

/** Minimum and fee of withdrawals of an asset. */
export const SetWithdrawTermsCmd = {
  ASSET: 2,
  WITHDRAW_MIN_F64: 6,
  WITHDRAW_FEE_F64: 7,
} as const

/** An order was taken. */
export const AcceptedEv = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
  MARKET: 1,
  ACCOUNT: 6,
  CLOID_LO: 8,
  CLOID_HI: 9,
  ORDER_ID_F64: 11,
  TICKS: 4,
  LOTS: 5,
  REMAINING: 11,
  TRIGGER_TICKS: 12,
  DISPLAY_LOTS: 14,
  EXPIRES_AT_MS_F64: 8,
  QUOTE_BUDGET_F64: 9,
} as const

/** A command was refused, and changed nothing. */
export const RejectedEv = {
  CODE: 7,
  COMMAND: 15,
  ACCOUNT: 6,
  SUBJECT: 1,
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  TICKS: 4,
  LOTS: 5,
  CLOID_LO: 8,
  CLOID_HI: 9,
  FRAME_COUNT: 5,
  FIRST_SEQ_F64: 8,
  BOUND_F64: 9,
  REASONS_F64: 9,
  LATEST_EXPIRY_MS_F64: 9,
} as const

/** Two orders trade, at the maker’s price; word 0 has the maker’s side. */
export const FillEv = {
  MAKER_SIDE_SHIFT: 8,
  MAKER_SIDE_MASK: 1,
  MARKET: 1,
  TICKS: 4,
  LOTS: 5,
  MAKER_ACCOUNT: 6,
  MAKER_CLOID_LO: 8,
  MAKER_CLOID_HI: 9,
  MAKER_ORDER_ID_F64: 11,
  MAKER_REMAINING: 11,
  MAKER_FEE_F64: 8,
  TAKER_ACCOUNT: 10,
  TAKER_CLOID_LO: 12,
  TAKER_CLOID_HI: 13,
  TAKER_ORDER_ID_F64: 10,
  TAKER_REMAINING: 14,
  TAKER_FEE_F64: 9,
} as const

/** An order ended; after a match its fills stand before it. */
export const CanceledEv = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
  MARKET: 1,
  ACCOUNT: 6,
  CLOID_LO: 8,
  CLOID_HI: 9,
  ORDER_ID_F64: 11,
  TICKS: 4,
  LOTS: 5,
  REMAINING: 11,
  REASON: 7,
} as const

/** An order as it is now. */
export const AmendedEv = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
  MARKET: 1,
  ACCOUNT: 6,
  CLOID_LO: 8,
  CLOID_HI: 9,
  ORDER_ID_F64: 11,
  TICKS: 4,
  LOTS: 5,
  REMAINING: 11,
  TRIGGER_TICKS: 12,
  DISPLAY_LOTS: 14,
  EXPIRES_AT_MS_F64: 8,
  KEPT_PLACE: 7,
  TICKS_BEFORE: 15,
  WAITS_F64: 9,
} as const

/** A stop or take-profit goes on, and is matched right after. */
export const TriggeredEv = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
  MARKET: 1,
  ACCOUNT: 6,
  CLOID_LO: 8,
  CLOID_HI: 9,
  ORDER_ID_F64: 11,
  TICKS: 4,
  LOTS: 5,
  REMAINING: 11,
  TRIGGER_TICKS: 12,
} as const

/** An iceberg shows its next part. */
export const RefilledEv = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  ORDER_TYPE_SHIFT: 9,
  ORDER_TYPE_MASK: 7,
  TIME_IN_FORCE_SHIFT: 12,
  TIME_IN_FORCE_MASK: 7,
  POST_ONLY_SHIFT: 15,
  POST_ONLY_MASK: 3,
  STP_SHIFT: 17,
  STP_MASK: 7,
  MARKET: 1,
  ACCOUNT: 6,
  CLOID_LO: 8,
  CLOID_HI: 9,
  ORDER_ID_F64: 11,
  TICKS: 4,
  LOTS: 5,
  REMAINING: 11,
  SHOWN_LOTS: 14,
} as const

/** Units came in. */
export const DepositedEv = {
  ACCOUNT: 6,
  ASSET: 1,
  UNITS_F64: 8,
  FROM_CHAIN: 15,
  QUEUE_INDEX_F64: 9,
} as const

/** Units went out. */
export const WithdrawnEv = {
  ACCOUNT: 6,
  ASSET: 1,
  UNITS_F64: 8,
  NONCE_F64: 9,
  CODE: 7,
  FEE_F64: 10,
} as const

/** Units went to another account of the owner. */
export const TransferredEv = {
  ACCOUNT: 6,
  ASSET: 1,
  RECEIVER: 10,
  UNITS_F64: 8,
} as const

/** Engine time. */
export const TimeAdvancedEv = {
  TIME_MS_F64: 8,
} as const

/** An account has an owner. */
export const AccountOpenedEv = {
  ACCOUNT: 6,
  OWNER: 8,
} as const

/** A session key may act. */
export const SessionApprovedEv = {
  ACCOUNT: 6,
  APPROVAL_F64: 11,
  KEY_X: 8,
  KEY_PARITY_SHIFT: 20,
  KEY_PARITY_MASK: 1,
  SCOPES_SHIFT: 16,
  SCOPES_MASK: 15,
  MAX_NOTIONAL_F64: 8,
  EXPIRES_AT_MS_F64: 9,
  REPLACED_F64: 10,
} as const

/** A session ended. */
export const SessionRevokedEv = {
  ACCOUNT: 6,
  APPROVAL_F64: 8,
  NONCE_F64: 9,
} as const

/** A signed frame was taken. */
export const FrameOpenedEv = {
  ACCOUNT: 6,
  APPROVAL_F64: 9,
  NONCE_F64: 8,
  COUNT: 5,
} as const

/** A frame that nobody signed was taken. */
export const UnsignedFrameOpenedEv = {
  ACCOUNT: 6,
  APPROVAL_F64: 9,
  COUNT: 5,
} as const

/** A market is there. */
export const MarketCreatedEv = {
  MARKET: 1,
  BASE: 4,
  QUOTE: 5,
  LOT_UNITS_F64: 8,
  TICK_UNITS_F64: 9,
  MAKER_FEE_PPM: 10,
  TAKER_FEE_PPM: 11,
  BAND_PPM: 7,
} as const

/** A market’s status. */
export const MarketStatusChangedEv = {
  MARKET: 1,
  STATUS: 15,
} as const

/** Fees of a market. */
export const MarketFeesChangedEv = {
  MARKET: 1,
  TIER: 15,
  MAKER_FEE_PPM: 10,
  TAKER_FEE_PPM: 11,
} as const

/** A market’s price band. */
export const PriceBandChangedEv = {
  MARKET: 1,
  BAND_PPM: 15,
} as const

/** An account’s fee tier. */
export const TierChangedEv = {
  ACCOUNT: 6,
  TIER: 15,
} as const

/** An asset is there. */
export const AssetCreatedEv = {
  ASSET: 1,
  SYMBOL: 8,
  SYMBOL_LENGTH: 5,
  WITHDRAW_MIN_F64: 8,
  WITHDRAW_FEE_F64: 9,
} as const

/** What holds of the whole exchange. */
export const ExchangeStatusChangedEv = {
  REASONS: 15,
} as const

/** Minimum and fee of withdrawals of an asset. */
export const WithdrawTermsChangedEv = {
  ASSET: 1,
  WITHDRAW_MIN_F64: 8,
  WITHDRAW_FEE_F64: 9,
} as const

/** A dead-man switch. */
export const CancelAfterSetEv = {
  ACCOUNT: 6,
  AT_MS_F64: 8,
} as const

/** Market-maker protection; zeros = off. */
export const ProtectionChangedEv = {
  ACCOUNT: 6,
  MARKET: 1,
  WINDOW_MS: 15,
  FILLS: 5,
  NOTIONAL_UNITS_F64: 8,
} as const

/** Its orders of the market are cancelled right after. */
export const ProtectionTriggeredEv = {
  ACCOUNT: 6,
  MARKET: 1,
} as const

/** Closes a cancel-all. */
export const CanceledAllEv = {
  ACCOUNT: 6,
  MARKET: 1,
  SIDE: 15,
  ORDERS: 5,
  REST_FOLLOWS: 14,
} as const

/** A level’s new total: a view, appended by the publisher. */
export const LevelEv = {
  SIDE_SHIFT: 8,
  SIDE_MASK: 1,
  MARKET: 1,
  TICKS: 4,
  LOTS_F64: 8,
  ORDERS_F64: 9,
} as const

/** A new balance: a view, appended by the publisher. */
export const BalanceEv = {
  ACCOUNT: 6,
  ASSET: 1,
  AVAILABLE_F64: 8,
  RESERVED_F64: 9,
} as const
