/**
 * What a gateway thread is started with, and what it and its parent say to each other. Structured-clone
 * values only. The parent (app) stands between the gateway and settlement: neither imports the other.
 */
import type { EngineLinkOptions } from './engine-link.js'
import type { GatewayConfig } from '../settings/config.js'

/** What the documents of a market and the amounts of an asset need beyond the engine's integers. */
export interface AssetInfo {
  readonly id: number
  readonly symbol: string
  /** Address of the token. */
  readonly token: `0x${string}`
  /** Decimals of the token. */
  readonly decimals: number
  /** Atoms of one unit, a decimal string (a power of ten). */
  readonly unitAtoms: string
}

export interface DeploymentInfo {
  readonly chainId: number
  readonly vault: `0x${string}`
  readonly settlement: `0x${string}`
  readonly rpcUrl?: string
  readonly assets: readonly AssetInfo[]
}

export interface GatewayThreadData {
  /** Index of this thread among the gateway threads of the exchange. */
  readonly thread: number
  readonly link: EngineLinkOptions
  readonly config: GatewayConfig
  readonly deployment: DeploymentInfo
  /** Owners known so far; later ones come with the engine's events. */
  readonly owners: readonly (readonly [account: number, owner: `0x${string}`])[]
  /** Settlement batches so far, oldest first; later ones come from the parent. */
  readonly batches?: readonly BatchInfo[]
  /** Folder for history (fills, orders that ended, candles); none = memory only. */
  readonly folder?: string
  /** The exchange's data folder: its journal says what history lacks; none = that is not to be had. */
  readonly dataDir?: string
  /** PKCS#8 DER of the operator's P-256 key that signs receipts; none = no receipts. */
  readonly receiptKey?: Uint8Array
}

/** A batch as clients see it; states are never blurred. `sealed` = the chain had it and took it back. */
export interface BatchInfo {
  readonly number: number
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

/** What /metrics says of settlement. */
export interface SettlementFigures {
  /** Age of the oldest change that no batch on the chain holds, and that no proven batch holds; seconds. */
  readonly lagSeconds: number
  readonly proofLagSeconds: number
  /** Commands durable and not in a batch on the chain. */
  readonly lagCommands: number
  /** Last batch sealed, on the chain, proven. */
  readonly sealedBatch: number
  readonly committedBatch: number
  readonly provenBatch: number
  /** Sealed batches that wait for the chain; at the bound no further one is sealed. */
  readonly backlog: number
  readonly backlogMax: number
  /** Transactions that wait to be confirmed, and of them those that wait at the fee cap. */
  readonly openTransactions: number
  readonly stuckTransactions: number
  /** Since the start: transactions that the chain took back, fees raised, troubles told, answers missed. */
  readonly lostTransactions: number
  readonly feeBumps: number
  readonly troubles: number
  readonly rpcFailures: number
  /** null where nothing is proven. */
  readonly prover: {
    readonly waiting: number
    readonly leased: number
    readonly provenRows: number
    readonly rowsPerSecond: number
    readonly failures: number
  } | null
}

/** A balance's Merkle path: `siblings[h]` is the other child at height h, a decimal string. */
export interface BalanceProofAnswer {
  readonly account: number
  readonly asset: number
  /** Units, a decimal string. */
  readonly units: string
  readonly siblings: readonly string[]
  /** The batch after which the balance stood so, and the root then. */
  readonly batch: number
  readonly root: string
  /** Whether that batch's proof is verified on-chain. */
  readonly state: 'committed' | 'proven' | 'final'
}

/** Proof that a fill stands in a batch on the chain (sdk/verify/fill-proof.ts checks it). Hashes are "0x" and digits. */
export interface FillProofAnswer {
  readonly batch: number
  readonly state: 'committed' | 'proven' | 'final'
  readonly leaf: `0x${string}`
  /** From the leaf up; a node without a sibling has no entry. */
  readonly siblings: readonly `0x${string}`[]
  /** Bit i is 1 where siblings[i] is the left one. */
  readonly leftSiblings: number
}

/** What settlement is asked to prove: a balance, after a batch or the last one, or a fill of a command. */
export type ProofQuestion =
  | {
      readonly kind: 'balance'
      readonly account: number
      readonly asset: number
      readonly batch?: number | undefined
    }
  | { readonly kind: 'fill'; readonly seq: number; readonly index: number }

/** The same question may be answered after so long: too much is asked for at once, or files are not what they must be. */
export interface ProofLater {
  readonly retryAfterMs: number
  readonly why: 'busy' | 'unreadable'
}

export type ProofAnswer = BalanceProofAnswer | FillProofAnswer | ProofLater

/** Parent -> gateway thread. */
export type ToGateway =
  | { readonly type: 'stop' }
  | { readonly type: 'batch'; readonly batch: BatchInfo }
  | { readonly type: 'settlement'; readonly figures: SettlementFigures }
  | { readonly type: 'proof'; readonly ticket: number; readonly proof: ProofAnswer | null }
  /** What `guard` told is known. */
  | { readonly type: 'guarded'; readonly ticket: number }

/** The same to a gateway process, and engine time less the machine's monotonic clock (engine/rings/control.ts). */
export type ToGatewayProcess = ToGateway | { readonly type: 'clock'; readonly clockBaseMs: number }

/** Gateway thread -> parent. */
export type FromGateway =
  | { readonly type: 'listening'; readonly port: number }
  | {
      readonly type: 'failed'
      readonly code: 'PortTaken' | 'PortDenied' | 'AddressInvalid' | 'ServerUnfit' | 'Broken'
      readonly message: string
    }
  | { readonly type: 'askProof'; readonly ticket: number; readonly question: ProofQuestion }
  /**
   * So many connections of an account want its orders cancelled when they end: should this gateway die, that is for
   * whoever is told here to do. 0 = none any more.
   */
  | {
      readonly type: 'guard'
      readonly ticket: number
      readonly account: number
      readonly connections: number
    }
  | { readonly type: 'stats'; readonly stats: GatewayStats }
  /** A line for the operator. */
  | { readonly type: 'log'; readonly line: string; readonly level?: 'warn' | undefined }
  /** After `stop`: every socket is closed and nothing will be submitted any more. */
  | { readonly type: 'quiet' }

/** Counters since the thread started, for the status line. */
export interface GatewayStats {
  readonly connections: number
  readonly frames: number
  readonly commands: number
  readonly messagesOut: number
}
