/**
 * Shapes that the client takes and gives: its options, a session, what became of a command, a balance as
 * the exchange tells it and as the chain proves it. Types only.
 */
import type { Account, PublicClient, WalletClient } from 'viem'
import type { GlassbookError } from './errors.js'
import type { Asset } from './markets.js'
import type { SessionKey } from './session-key.js'
import type { TrackedOrder } from './trackers.js'

/** Anything that can sign EIP-712 typed data: a viem local account, or a wallet client with its account. */
export type Signer =
  | Pick<Extract<Account, { type: 'local' }>, 'address' | 'signTypedData'>
  | (WalletClient & { account: Account })

export interface ClientOptions {
  /** `ws://host:port` or `wss://…`. */
  readonly url: string
  /** The wallet; needed to approve sessions and to withdraw. */
  readonly wallet?: Signer
  /** Reads the chain; needed by `verifyBalance`. */
  readonly publicClient?: Pick<PublicClient, 'readContract'>
  /** Default 'msgpack'. */
  readonly encoding?: 'msgpack' | 'json'
  /** Come back after a disconnect; default true. */
  readonly reconnect?: boolean
  /** Longest pause between attempts, ms; default 5000. */
  readonly reconnectDelayMsMax?: number
  /** Frames that may wait until it is known what became of earlier ones; default 1000. */
  readonly framesWaitingMax?: number
}

/** What is known of a command whose outcome the exchange no longer tells: `details` of its error. */
export interface KnownOutcome {
  /** The order that the command names as it stands or ended; undefined = none is known. */
  readonly order: TrackedOrder | undefined
}

/**
 * A session: the slot that the exchange knows it by, and the key that signs for it. To be used by one client at
 * a time: each frame takes the next nonce, and the exchange refuses those far below the highest.
 */
export interface Session {
  readonly slot: number
  readonly account: number
  readonly key: SessionKey
}

export type ClientState = 'closed' | 'connecting' | 'open'

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
  /** Orders cancelled, by a cancel-all. */
  readonly count: number
}

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
  /** As the chain says, not the exchange: 'committed', 'proven' or 'final'. */
  readonly state: 'committed' | 'proven' | 'final'
  readonly root: bigint
}
