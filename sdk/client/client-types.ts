/**
 * Shapes that the client takes and gives: its options, a session, what became of a command, a balance as
 * the exchange tells it and as the chain proves it. Types only.
 */
import type { Account, PublicClient, WalletClient } from 'viem'
import type { GlassbookError } from '../base/errors.js'
import type { Asset } from '../money/markets.js'
import type { SessionKey } from './session-key.js'
import type { TrackedFill, TrackedOrder } from '../streams/trackers.js'

/** A wallet as browsers inject it (EIP-1193), such as `window.ethereum`. */
export interface Eip1193Provider {
  request(args: { readonly method: string; readonly params?: unknown }): Promise<unknown>
}

/**
 * Anything that can sign EIP-712 typed data: a viem local account, a wallet client with its account, or an
 * EIP-1193 provider, whose first account is then asked for.
 */
export type Signer =
  | Pick<Extract<Account, { type: 'local' }>, 'address' | 'signTypedData'>
  | (WalletClient & { account: Account })
  | Eip1193Provider

export interface ClientOptions {
  /** `ws://host:port` or `wss://…`. */
  readonly url: string
  /** The wallet; needed to approve sessions and to withdraw. */
  readonly wallet?: Signer
  /** Reads the chain; needed by `verifyBalance` and `verifyFill`. */
  readonly publicClient?: Pick<PublicClient, 'readContract' | 'getChainId'>
  /**
   * The contracts that you trust, from a source of your own (a deployment file will do). What is proven or paid
   * on the chain is proven against and paid to these; an exchange that names others is refused.
   */
  readonly deployment?: PinnedDeployment
  /** Default 'msgpack'. */
  readonly encoding?: 'msgpack' | 'json'
  /** Come back after a disconnect; default true. */
  readonly reconnect?: boolean
  /** Longest pause between attempts, ms; default 5000. */
  readonly reconnectDelayMsMax?: number
  /** Frames that may wait until it is known what became of earlier ones; default 1000. */
  readonly framesWaitingMax?: number
  /** Until the exchange has said hello; default 10,000 ms. */
  readonly connectTimeoutMs?: number
  /** Until a request counts as unanswered; default 10,000 ms. */
  readonly requestTimeoutMs?: number
  /** A connection on which nothing was heard for as long has ended; asked at half of it; default 20,000 ms. */
  readonly silenceMs?: number
  /** Takes what your callbacks throw, and errors that no call waits for; see `onError`. */
  readonly onError?: (error: unknown) => void
}

/** Where an exchange keeps its money: the fields of a deployment file that matter to a client. */
export interface PinnedDeployment {
  readonly chainId: number
  readonly vault: `0x${string}`
  readonly settlement: `0x${string}`
  /**
   * Every asset, as a deployment file has them: the exchange must name each as here. Without them the names by which
   * money is moved or proven are compared with what the tokens call themselves.
   */
  readonly assets?: readonly PinnedAsset[]
  /**
   * Every market with what its prices and sizes are counted in. The contracts know no markets: unless they are given
   * here, which market an id is, and its lot and tick, is the exchange's word.
   */
  readonly markets?: readonly PinnedMarket[]
}

export interface PinnedAsset {
  readonly id: number
  readonly symbol: string
  /** The zero address for the chain's own coin; absent = the vault's word alone counts. */
  readonly token?: `0x${string}`
  readonly decimals: number
  /** Atoms of one unit, as a decimal string. */
  readonly unitAtoms: string
}

/** A market as an exchange's genesis has it: ids of its assets, base units of a lot, quote units of a lot at one tick. */
export interface PinnedMarket {
  readonly id: number
  readonly base: number
  readonly quote: number
  readonly lotUnits: number
  readonly tickUnits: number
}

/** What is known of a command whose outcome the exchange no longer tells: `details` of its error. */
export interface KnownOutcome {
  /** The order that the command names as it stands or ended; undefined = none is known. */
  readonly order: TrackedOrder | undefined
}

/**
 * A session: account and approval, which the exchange knows it by, and the key that signs for it. To be used by one
 * client at a time: each frame takes the next nonce, and the exchange refuses those far below the highest.
 */
export interface Session {
  readonly account: number
  /** Nonce of the wallet's approval that made it. */
  readonly approval: number
  readonly key: SessionKey
}

export type ClientState = 'closed' | 'connecting' | 'open'

/** What the exchange says of a connection. */
export type Notice =
  /** Less than a tenth of a budget is left. */
  | { readonly kind: 'throttle'; readonly budget: string }
  /** Too much waits to be read: public streams skip to their newest state. */
  | { readonly kind: 'slow'; readonly stream: string }
  | { readonly kind: 'shutdown'; readonly retryAfterMs: number }

/** What became of one command of a frame. */
export interface CommandResult {
  readonly cloid: bigint | undefined
  /** Seq that the command has in the journal; 0 = not taken, or not known to be. */
  readonly seq: number
  /**
   * Absent = taken and not refused. Of a command whose answer was lost also NotTaken (6005: proven), or
   * OutcomeUnknown (6000: the exchange no longer tells; `details` is a KnownOutcome).
   */
  readonly error: GlassbookError | undefined
  readonly orderId: number
  /** 'none' = no order, or not known (any more) how it stands. */
  readonly state: 'open' | 'filled' | 'canceled' | 'waiting' | 'none'
  readonly remainingLots: number
  readonly filledLots: number
  /** Why an order that ended as cancelled was, a number of `cancelReasonNames`; 0 otherwise, or not known. */
  readonly reason: number
  /** Orders cancelled, by a cancel-all. */
  readonly count: number
  /** True = a cancel-all has more orders than one command may cancel: they trade no more, and their ends follow by themselves. */
  readonly more: boolean
}

/** What became of one order that was placed, amended or cancelled by itself, under its client order id. */
export interface OrderResult extends CommandResult {
  readonly cloid: bigint
}

/** What a cancel-all has done when it is answered. */
export type CanceledAll = Pick<CommandResult, 'count' | 'more'>

export interface BalanceView {
  readonly asset: Asset
  /** Decimal strings of tokens. */
  readonly available: string
  readonly reserved: string
  readonly availableUnits: number
  readonly reservedUnits: number
}

export interface VerifiedBalance {
  readonly asset: Asset
  /** Decimal string of tokens. */
  readonly amount: string
  readonly units: bigint
  readonly batch: number
  /** The newest batch on the chain; `batch`, unless an older one was asked for. */
  readonly newestBatch: number
  /** As the chain says, not the exchange: 'committed', 'proven' or 'final'. */
  readonly state: 'committed' | 'proven' | 'final'
  readonly root: bigint
  /** Block time at which the batch was committed, ms since 1970, and how long ago that was by this clock. */
  readonly committedAtMs: number
  readonly ageMs: number
}

/** A fill that stands in a batch on-chain as it was told. */
export interface VerifiedFill {
  readonly fill: TrackedFill
  readonly batch: number
  /** As the chain says. */
  readonly state: VerifiedBalance['state']
  readonly fillsRoot: `0x${string}`
  /** Block time at which the batch was committed, ms since 1970. */
  readonly committedAtMs: number
}

/** A deposit that is in a block; the exchange credits it when the block is old enough. */
export interface Deposited {
  readonly transactionHash: `0x${string}`
  readonly account: number
  /** Place in the vault's queue of deposits. */
  readonly position: number
  readonly units: number
}

/** A withdrawal that the exchange took: `amount` goes out, and the account paid `total`, which is amount + fee. */
export interface RequestedWithdrawal {
  readonly seq: number
  /** Decimal strings of tokens. */
  readonly amount: string
  readonly fee: string
  readonly total: string
}

export interface WithdrawalStatus {
  /** What the vault holds ready for `claim`, of all withdrawals of the asset: decimal string of tokens. */
  readonly claimable: string
  readonly claimableUnits: number
  /**
   * Of the withdrawal with the seq that was given: 'waiting' = in no batch on the chain; 'final' = claimable, or
   * claimed; 'unknown' = older than the batches that the exchange tells of, or no withdrawal of this account and asset.
   * Undefined without a seq.
   */
  readonly state: 'waiting' | 'committed' | 'proven' | 'final' | 'unknown' | undefined
  readonly batch: number | undefined
  /**
   * True = the exchange tells that the seq is a withdrawal of this account and asset. False with a state other than
   * 'unknown' = it does not remember (the gateway began later): the caller must know that it is one.
   */
  readonly confirmed: boolean
}

export interface ClaimedWithdrawal {
  readonly transactionHash: `0x${string}`
  readonly account: number
  /** Decimal string of tokens. */
  readonly amount: string
  readonly units: number
}

/** Prices in ticks, sizes in lots; the last six are of the last 24 hours. */
export interface Ticker {
  readonly market: number
  /** 0 = nothing has traded. */
  readonly lastTicks: number
  /** [ticks, lots, orders]; null = the side is empty. */
  readonly bid: readonly number[] | null
  readonly ask: readonly number[] | null
  readonly timeMs: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly lots: number
  readonly quoteUnits: number
  readonly trades: number
}

/** Millionths of the quote amount. */
export interface FeeRates {
  readonly market: number
  readonly makerFeePpm: number
  readonly takerFeePpm: number
}

export interface SessionView {
  /** Nonce of the wallet's approval that made it: its name within the account. */
  readonly approval: number
  readonly scopes: readonly ('read' | 'trade' | 'withdrawRequest')[]
  /** Quote units that one order may execute over its life, on either side; 0 = no bound. */
  readonly maxNotional: number
  readonly expiresAtMs: number
  /** -1 before the first frame. */
  readonly highestNonce: number
  /** Neither revoked nor expired. */
  readonly active: boolean
}

export interface BatchView {
  readonly number: number
  /** 'sealed' = the chain had it and took it back. */
  readonly state: 'sealed' | 'committed' | 'proven' | 'final'
  readonly firstSeq: number
  readonly lastSeq: number
  /** Field elements as decimal strings. */
  readonly oldRoot: string
  readonly newRoot: string
  readonly fillsRoot: `0x${string}`
  readonly journalHead: `0x${string}`
  readonly transactionHash: `0x${string}`
}
