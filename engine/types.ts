/**
 * The public shapes of the engine: what it is configured with, what it answers, what it is.
 * Implemented in core/engine.ts; used by the run loop, by settlement's follower and by embedders.
 */
import type { MarketStatus, Reject, Side } from './codes.js'

export interface AssetConfig {
  /** 0 to 63. */
  readonly id: number
  readonly symbol: string
  /** Least units that a withdrawal takes out; absent = 0: no bound. */
  readonly withdrawMinUnits?: number
  /** Units that a withdrawal costs beyond those, for the fee account; at most withdrawMinUnits, absent = 0. */
  readonly withdrawFeeUnits?: number
}

export interface MarketConfig {
  readonly id: number
  /** Asset ids; base and quote differ. */
  readonly base: number
  readonly quote: number
  /** Base units of one lot. */
  readonly lotUnits: number
  /** Quote units of one lot at one tick. */
  readonly tickUnits: number
  /** Millionths of the quote amount; a negative maker fee is a rebate, not larger than the taker fee. */
  readonly makerFeePpm: number
  readonly takerFeePpm: number
  /** Reject limit prices further than this from the last trade, in millionths; 0 or absent = off. */
  readonly bandPpm?: number
  readonly status?: MarketStatus
}

/**
 * Capacities below the bounds of limits.ts. A full table is a reject code, so they decide about results:
 * engines that follow each other need the same.
 */
export interface EngineCapacities {
  /** Live orders; 2^20 unless given, at most 2^24. */
  readonly ordersMax?: number
  /** Price levels; 2^20 unless given, at most 2^24. */
  readonly levelsMax?: number
  readonly accountsMax?: number
  /** Rows of the ledger. */
  readonly balancesMax?: number
  /** Live orders of one account, however empty the table; an eighth of ordersMax unless given. */
  readonly accountOrdersMax?: number
  /** Market ids are below it. */
  readonly marketsMax?: number
  /** Sessions of all accounts. */
  readonly sessionsMax?: number
  /** Steps of one message (COMMAND_STEPS_MAX). */
  readonly commandStepsMax?: number
  /** Sessions of one account; 16 unless given. */
  readonly accountSessionsMax?: number
  /** How far ahead of engine time a session may end, in ms; 30 days unless given. */
  readonly sessionLifetimeMsMax?: number
  /** Sessions whose frame nonces are kept at one time, 8 KB each; 32,768 unless given. */
  readonly frameWindowsMax?: number
}

/** State before the first command. The journal's genesis block carries it, so a replay needs nothing else. */
export interface GenesisConfig {
  readonly assets: readonly AssetConfig[]
  readonly markets: readonly MarketConfig[]
  /** Account that fees go to; 0 unless given. */
  readonly feeAccount?: number
  /** Signed frames are required of order commands; false = embedded or private use. */
  readonly requireFrames?: boolean
  /** Capacities of every engine that runs or replays this exchange. */
  readonly capacities?: EngineCapacities
}

/** Preallocated events, valid only during the sink's call: copy what must be kept. */
export interface EventBuffer {
  /** `count` records of EVENT_WORDS words (engine/records), and the same bytes as Float64. */
  readonly words: Int32Array
  readonly floats: Float64Array
  count: number
}

export type EventSink = (events: EventBuffer) => void

export interface EngineOptions extends EngineCapacities {
  readonly genesis: GenesisConfig
  readonly onEvents: EventSink
}

export interface BookLevel {
  readonly ticks: number
  /** Visible lots; may pass 2^32. */
  readonly lots: number
  readonly orders: number
}

export interface OrderView {
  readonly orderId: number
  readonly account: number
  readonly market: number
  readonly cloid: bigint
  readonly side: Side
  readonly ticks: number
  readonly lots: number
  readonly remaining: number
  readonly orderType: number
  readonly timeInForce: number
  readonly triggerTicks: number
  readonly displayLots: number
  readonly expiresAtMs: number
  /** Lots that the book shows. */
  readonly visible: number
  /** A stop whose trigger has not been reached. */
  readonly waiting: boolean
  readonly postOnly: number
  readonly stp: number
  /** Units that it holds: quote of a buy, base of a sell. */
  readonly reserved: number
}

export interface SessionView {
  readonly account: number
  /** Nonce of the approval that made it: its name within the account. */
  readonly approval: number
  /** Bits of Scope. */
  readonly scopes: number
  /** x of the P-256 key in 8 big-endian words, and the parity of y. */
  readonly keyX: readonly number[]
  readonly parity: number
  /** Quote units that one order may execute over its life, on either side; 0 = no bound. */
  readonly maxNotional: number
  /** Of a revoked session: when it was revoked, if that was before its expiry. */
  readonly expiresAtMs: number
  readonly revoked: boolean
  /** -1 before the first frame. */
  readonly highestNonce: number
  /** Neither revoked nor expired. */
  readonly active: boolean
}

/** What became of a frame. */
export interface FrameResults {
  /** Seq of the Frame command; its commands follow it. */
  readonly firstSeq: number
  /** A Reject for each of its commands; 0 = taken (or not applied yet, while the frame is open). */
  readonly codes: Uint8Array
}

/** Highest nonces that a wallet has used for an account; 0 = none. */
export interface WalletNonces {
  /** Of approvals and revocations. */
  readonly approval: number
  readonly withdrawal: number
}

/** Fees in millionths of the quote amount; a negative maker fee is a rebate. */
export interface AccountFees {
  readonly market: number
  readonly makerFeePpm: number
  readonly takerFeePpm: number
}

/** A live order as a starting gateway is told of it; `head` has the attributes as an event's word 0 has them. */
export type OrderRow = readonly [
  orderId: number,
  account: number,
  market: number,
  cloidLow: number,
  cloidHigh: number,
  head: number,
  ticks: number,
  lots: number,
  remaining: number,
  triggerTicks: number,
  displayLots: number,
  expiresAtMs: number,
  visible: number,
  waiting: number,
]
/** `next` is where the following page begins; -1 = this was the last. */
export interface OrderPage {
  readonly rows: readonly OrderRow[]
  readonly next: number
}
/** Owner "" = none. */
export type AccountRow = readonly [
  account: number,
  owner: string,
  tier: number,
  balances: readonly (readonly [asset: number, available: number, reserved: number])[],
  /** Highest nonces that its wallet has used. */
  approvalNonce: number,
  withdrawalNonce: number,
]
export interface SessionPage {
  readonly rows: readonly SessionView[]
  readonly next: number
}

export interface AccountPage {
  readonly rows: readonly AccountRow[]
  readonly next: number
}
export type TierFees = readonly [tier: number, makerFeePpm: number, takerFeePpm: number]
export interface MarketRow {
  readonly config: MarketConfig
  readonly lastTicks: number
  /** Tiers that have fees of their own here. */
  readonly tiers: readonly TierFees[]
}
export interface MarketPage {
  readonly rows: readonly MarketRow[]
  /** All of them, with each page. */
  readonly assets: readonly AssetConfig[]
  /** Bits of CancelOnlyReason. */
  readonly cancelOnlyReasons: number
  readonly next: number
}

export interface Balance {
  readonly asset: number
  /** Units that may be reserved or withdrawn. */
  readonly available: number
  /** Units that live orders hold. */
  readonly reserved: number
}

export interface Engine {
  /** Sequence of the last command applied; 0 before the first. */
  readonly seq: number
  /** Engine time in ms: the largest that a Time command carried. */
  readonly timeMs: number
  /**
   * Engine time in ms at which something waits to happen (an expiry, a dead-man switch); Infinity = nothing. Not
   * later than `timeMs` while work is *pending* that earlier commands had no steps left for: each further Time
   * command, of the same time too, does its share of it.
   */
  readonly nextDueMs: number
  /** Triggers that were reached are left to fire: part of the work that is pending. */
  readonly isFiring: boolean
  /** The first market in which they are, from `from` on and then from 0; -1 where they are in none. */
  nextFiring(from: number): number
  /** Whether they are in this market; any number may be asked. */
  isFiringIn(market: number): boolean
  /**
   * Steps that a frame is given as used while triggers of a market that it trades in are left to fire: just more than half of a command's, so that
   * its orders do not go on with them.
   */
  readonly stepsBesideFiring: number
  /** Deposits credited from the chain so far: the next queue index expected. */
  readonly depositsConsumed: number
  /**
   * Commands of the frame in hand that are still to come, signed or not, opened or refused as a whole: the next so many
   * are of it, whatever they are, Time apart. 0 = the next one is of none.
   */
  readonly frameLeft: number
  /**
   * Applies the command record at `offset` (in words, a multiple of COMMAND_WORDS) of `words`, whose
   * Float64 view is `floats`. Its seq is `seq + 1`. Events go to the sink when the buffer fills and at
   * `flush`. Never throws for a bad command: it answers Rejected. Throws only on a broken invariant,
   * after which the engine must not be used.
   */
  apply(words: Int32Array, floats: Float64Array, offset: number): void
  /** Applies `count` command records that stand one behind the other from `offset` on. */
  applyAll(words: Int32Array, floats: Float64Array, offset: number, count: number): void
  /**
   * Tells that the commands at the first `count` of the offsets `places` in `words` will be applied next, some 16 of
   * them: what they need is then brought into the cache together. A hint only; nothing depends on it.
   */
  lookAhead(words: Int32Array, places: Int32Array, count: number): void
  /**
   * What applying the Place command record at `offset` would answer at time `nowMs` (or engine time, if that
   * is later), in a frame of the session that `approval` made (0 = of nobody's): a Reject, or 0. Changes nothing; what time alone
   * would bring about until then, such as an order's expiry, is not taken into account.
   */
  tryPlace(words: Int32Array, floats: Float64Array, offset: number, approval: number, nowMs: number): Reject
  /** Hands the buffered events to the sink. */
  flush(): void
  /** Digest of meaning (books, balances, sessions, markets, seq, time), 32 bytes; equal states, equal hash. */
  stateHash(): Uint8Array
  /** Versioned, checksummed bytes of the whole state. */
  snapshot(): Uint8Array
  /**
   * The same bytes without their checksum, in one pass over the state: a few ms at 100,000 orders.
   * `sealSnapshot` completes them later, in any thread (transfer `bytes.buffer` to it).
   */
  captureSnapshot(): Uint8Array
  /** Balances of an account, ascending by asset, zero rows left out. */
  balances(account: number): Balance[]
  available(account: number, asset: number): number
  reserved(account: number, asset: number): number
  /** Best first, at most `depth` levels. */
  book(market: number, side: Side, depth: number): BookLevel[]
  /** Visible lots and count of orders at one level, zeros when there is none; writes into `out` (2 numbers). */
  level(market: number, side: Side, ticks: number, out: Float64Array): void
  /** Live orders of an account, ascending by order id. */
  orders(account: number): OrderView[]
  orderByCloid(account: number, cloid: bigint): OrderView | undefined
  /** Live orders of all markets, waiting stops included. */
  liveOrders(): number
  /** All resting orders of a market in priority order, bids then asks (L3). */
  restingOrders(market: number): OrderView[]
  /** The state in bounded pieces: live orders by slot, accounts by id, markets by id, from `first` on. */
  orderPage(first: number): OrderPage
  accountPage(first: number): AccountPage
  marketPage(first: number): MarketPage
  assets(): readonly AssetConfig[]
  /** Why the whole exchange takes cancels only: bits of CancelOnlyReason, 0 = it does not. */
  readonly cancelOnlyReasons: number
  markets(): readonly MarketConfig[]
  /** Fees of an account's orders in each market, by its tier. */
  fees(account: number): AccountFees[]
  /** Last trade price in ticks, 0 before the first trade. */
  lastTicks(market: number): number
  /** The owner's address in 5 big-endian words, zeros when it has none; undefined = no such account. */
  owner(account: number): number[] | undefined
  /** Sessions of an account, by approval; ended ones too while they stand. */
  sessions(account: number): SessionView[]
  session(account: number, approval: number): SessionView | undefined
  /** Sessions from place `first` of the table on, ended ones too. */
  sessionPage(first: number): SessionPage
  nonces(account: number): WalletNonces
  /** What became of a frame, while its nonce is among the FRAME_NONCE_WINDOW highest of a session that trades. */
  frameResults(account: number, approval: number, nonce: number): FrameResults | undefined
  /** Frame nonces up to one less than this are too old, or forgotten; undefined = no such session. */
  frameFloor(account: number, approval: number): number | undefined
  /** Asserts every invariant of ledger and books; slow. Throws with what is broken. */
  checkInvariants(): void
}

/** Is told a line for the operator: a fact, or what is wrong and goes on ("warn"). */
export type OnLog = (line: string, level?: 'warn') => void
